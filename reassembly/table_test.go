package reassembly

import (
	"testing"

	"pgregory.net/rapid"
)

// The table finds what is in it, and nothing else, whatever was added and
// removed before; hashes collide on purpose.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tab := newTable()
		few := rapid.Uint32Range(0, 0xff).Draw(t, "hash mask")
		hash := func(k *FlowKey) uint32 { return uint32(k.PortA) * 2654435761 & few }
		model := map[uint16]uint32{}
		var all list
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			k := FlowKey{PortA: rapid.Uint16Range(0, 200).Draw(t, "port")}
			id, c := tab.find(&k, hash(&k))
			want, ok := model[k.PortA]
			if (c != nil) != ok || id != want || ok && c.key != k {
				t.Fatalf("port %d: found %d, want %d", k.PortA, id, want)
			}
			if ok {
				tab.unlink(&all, id)
				tab.remove(id, hash(&k))
				delete(model, k.PortA)
			} else {
				id, _ = tab.add(&k, hash(&k))
				tab.push(&all, id)
				model[k.PortA] = id
			}
			if tab.count != len(model) || all.count != len(model) {
				t.Fatalf("%d conversations, %d in the list, want %d", tab.count, all.count, len(model))
			}
		}
		n := 0
		for id := all.first; id != 0; id = tab.at(id).next {
			if model[tab.at(id).key.PortA] != id {
				t.Fatalf("%d is in the list, but not in the table", id)
			}
			n++
		}
		if n != len(model) {
			t.Fatalf("%d in the list, want %d", n, len(model))
		}
	})
}
