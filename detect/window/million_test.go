package window

import (
	"net/netip"
	"runtime"
	"strconv"
	"testing"
	"time"
)

func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func failureOf(i int, now time.Duration) Event {
	h := uint64(i + 1)
	return Event{
		Time: at(now), Fields: [Fields]uint64{h, h, h, h, h}, Label: "user" + strconv.Itoa(i),
		Client: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}),
	}
}

// A million keys fit into a budget of 176 bytes each, and what the Set says of
// its memory is what the heap says.
func TestMillionKeys(t *testing.T) {
	before := liveHeap()
	budget := NewBudget(176 * million)
	set := New(Options{Span: 24 * time.Hour, Keys: million, Budget: budget})
	for i := range million {
		set.Add("10.0.0.1|api.example.com|"+strconv.Itoa(i), failureOf(i, time.Duration(i)*time.Millisecond))
	}
	heap, st := liveHeap()-before, set.Stats()
	t.Logf("%d keys: %d bytes a key, live heap %d MiB, %d MiB by its own account, %d evicted",
		st.Keys, heap/st.Keys, heap>>20, st.Bytes>>20, st.Evicted)
	if st.Keys != million || st.Evicted != 0 || heap > budget.Limit() || st.Bytes < heap*9/10 || st.Bytes > heap*11/10 {
		t.Errorf("heap %d, %+v", heap, st)
	}
	runtime.KeepAlive(set)
}

// An attack that goes on among a million keys that fail once is not evicted,
// though there is room for a twentieth of them: a fast one not once it has begun,
// and a slow one, whose first failure was evicted long before its second, not
// from then on.
func TestAttackAmongMillionKeys(t *testing.T) {
	before := liveHeap()
	budget := NewBudget(16 * million)
	fast := New(Options{Span: 10 * time.Minute, Budget: budget})
	slow := New(Options{Span: 24 * time.Hour, Budget: budget})
	const step = 60 * time.Millisecond // a million take less than 17 hours
	var quick, patient uint64          // failures that their windows hold
	quickSent, patientSent := uint64(0), uint64(0)
	for i := range million {
		now := time.Duration(i) * step
		key, e := "light|"+strconv.Itoa(i), failureOf(i, now)
		fast.Add(key, e)
		slow.Add(key, e)
		if i >= million/2 && i < million/2+5000 && i%100 == 0 { // fifty within five minutes
			quick = fast.Add("quick", failureOf(i, now)).Count[Failure]
			quickSent++
		}
		if i%(million/10) == 0 {
			patient = slow.Add("patient", failureOf(i, now)).Count[Failure]
			patientSent++
		}
		if i%1000 == 0 {
			fast.Expire(at(now))
			slow.Expire(at(now))
		}
	}
	heap, f, s := liveHeap()-before, fast.Stats(), slow.Stats()
	t.Logf("live heap %d KiB of %d KiB, %d keys, %d evicted; the fast attack has %d of %d failures, the slow one %d of %d",
		heap>>10, budget.Limit()>>10, f.Keys+s.Keys, f.Evicted+s.Evicted, quick, quickSent, patient, patientSent)
	if quick != quickSent {
		t.Errorf("of the fast attack %d failures are left of %d", quick, quickSent)
	}
	if patient != patientSent-1 || s.Evicted < million/2 {
		t.Errorf("of the slow attack %d failures are left of %d; %d keys were evicted", patient, patientSent, s.Evicted)
	}
	if budget.Bytes() > budget.Limit() || heap > budget.Limit()*12/10 {
		t.Errorf("%d bytes by their own account and %d on the heap, of %d", budget.Bytes(), heap, budget.Limit())
	}
	runtime.KeepAlive(fast)
	runtime.KeepAlive(slow)
}
