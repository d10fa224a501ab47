package window

import (
	"slices"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"pgregory.net/rapid"
)

func TestCacheIsAnLRU(t *testing.T) {
	type entry struct {
		key  int
		used capture.Time
	}
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 8).Draw(t, "limit")
		const ttl = 10 * time.Second
		c := NewCache[int, int](limit, ttl)
		var model []entry // the least recently used first
		now := start
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "step")) * time.Second)
			for len(model) > 0 && model[0].used.Add(ttl) < now {
				model = model[1:]
			}
			k := rapid.IntRange(0, 12).Draw(t, "key")
			i := slices.IndexFunc(model, func(e entry) bool { return e.key == k })
			var v *int
			switch rapid.SampledFrom([]string{"get", "at", "delete"}).Draw(t, "what") {
			case "get":
				v = c.Get(k, now)
				if (v != nil) != (i >= 0) {
					t.Fatalf("%d is there: %v, want %v", k, v != nil, i >= 0)
				}
			case "at":
				var created bool
				if v, created = c.At(k, now); created != (i < 0) {
					t.Fatalf("%d is new: %v, want %v", k, created, i < 0)
				}
				if i < 0 {
					if len(model) == limit {
						model = model[1:]
					}
					model = append(model, entry{k, now})
					i = len(model) - 1
					*v = k
				}
			case "delete":
				c.Delete(k)
				if i >= 0 {
					model = slices.Delete(model, i, i+1)
				}
			}
			if v != nil {
				if *v != k {
					t.Fatalf("%d has the value %d", k, *v)
				}
				model = append(slices.Delete(model, i, i+1), entry{k, now})
			}
			if c.Len() > limit || len(c.slots) > limit+1 {
				t.Fatalf("%d entries in %d slots, at most %d wanted", c.Len(), len(c.slots), limit)
			}
		}
	})
}

func TestCacheCounts(t *testing.T) {
	c := NewCache[string, bool](2, time.Minute)
	for _, k := range []string{"a", "b", "c"} {
		c.At(k, start)
	}
	if c.Get("a", start) != nil || c.Get("c", at(time.Minute)) == nil || c.Get("b", at(time.Hour)) != nil {
		t.Error("wrong ones are there")
	}
	if got := c.Stats(); got != (CacheStats{Evicted: 1, Expired: 1}) || c.Evicted() != 1 {
		t.Errorf("%+v", got)
	}
	if c := NewCache[string, bool](2, 0); true {
		c.At("a", start)
		if c.Get("a", at(1e6*time.Hour)) == nil {
			t.Error("expired without a time to live")
		}
	}
}
