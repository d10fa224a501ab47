package reassembly

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The table finds what is in it, and nothing else, whatever was added and
// removed before; hashes collide on purpose, and some ends are in more networks
// than stand together.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tab := newTable()
		few := rapid.Uint32Range(0, 0xff).Draw(t, "hash mask")
		hash := func(k *FlowKey) uint32 { return uint32(k.PortA) * 2654435761 & few }
		ports := rapid.SampledFrom([]uint16{0, 3, 200}).Draw(t, "ports")
		model := map[FlowKey]uint32{}
		var all list
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			k := FlowKey{PortA: rapid.Uint16Range(0, ports).Draw(t, "port")}
			k.Net.ID = rapid.Uint32Range(0, 20).Draw(t, "network")
			id, c := tab.find(&k, hash(&k))
			want, ok := model[k]
			if (c != nil) != ok || id != want || ok && c.key != k {
				t.Fatalf("%+v: found %d, want %d", k, id, want)
			}
			if ok {
				tab.unlink(&all, id)
				tab.remove(id, hash(&k))
				delete(model, k)
			} else {
				id, _ = tab.add(&k, hash(&k))
				tab.push(&all, id)
				model[k] = id
			}
			if tab.count != len(model) || all.count != len(model) {
				t.Fatalf("%d conversations, %d in the list, want %d", tab.count, all.count, len(model))
			}
		}
		crowd := 0
		for k, id := range model {
			together := tab.together(&k, hash(&k), nil)
			if len(together) > maxNetworks || !tab.at(id).is(crowded) && !slices.Contains(together, id) {
				t.Fatalf("%+v: together are %d", k, together)
			}
			if tab.at(id).is(crowded) {
				crowd++
			}
		}
		if tab.crowded != crowd {
			t.Fatalf("%d are crowded, %d counted", crowd, tab.crowded)
		}
		n := 0
		for id := all.first; id != 0; id = tab.at(id).next {
			if model[tab.at(id).key] != id {
				t.Fatalf("%d is in the list, but not in the table", id)
			}
			n++
		}
		if n != len(model) {
			t.Fatalf("%d in the list, want %d", n, len(model))
		}
	})
}
