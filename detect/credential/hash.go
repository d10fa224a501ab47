package credential

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding"
	"fmt"
	"hash"
	"io"
	"strings"
)

// Key is the deployment key that IDs are made with. It does not print.
type Key [32]byte

// Format hides the key.
func (Key) Format(s fmt.State, _ rune) { io.WriteString(s, "credential.Key") }

// MarshalText hides the key.
func (Key) MarshalText() ([]byte, error) { return []byte("credential.Key"), nil }

// keyed is HMAC-SHA256 (RFC 2104) with the states after the two padded keys
// computed once: an ID costs the hashing of its value and one block more.
// Not safe for concurrent use.
type keyed struct {
	h            hash.Hash
	inner, outer []byte
	scratch      []byte
	sum          [sha256.Size]byte
}

func newKeyed(key Key) *keyed {
	k := &keyed{h: sha256.New(), scratch: make([]byte, 0, 1024)}
	states := appendStates(nil, k.h, key[:])
	k.inner, k.outer = states[:len(states)/2], states[len(states)/2:]
	return k
}

// appendStates appends the marshalled states of h after the inner and the
// outer padded key, which are of the same length.
func appendStates(b []byte, h hash.Hash, key []byte) []byte {
	var block [sha512.BlockSize]byte
	if n := h.BlockSize(); len(key) <= n {
		copy(block[:], key)
	} else {
		h.Reset()
		h.Write(key)
		h.Sum(block[:0])
	}
	padded := block[:h.BlockSize()]
	for _, pad := range [2]byte{0x36, 0x36 ^ 0x5c} {
		for i := range padded {
			padded[i] ^= pad
		}
		h.Reset()
		h.Write(padded)
		var err error
		if b, err = h.(encoding.BinaryAppender).AppendBinary(b); err != nil {
			panic(err) // the hashes of the standard library cannot fail here
		}
	}
	return b
}

// restore puts h into a state that appendStates gave.
func restore(h hash.Hash, state []byte) {
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		panic(err)
	}
}

// id gives HMAC(label ‖ 0 ‖ value), shortened.
func (k *keyed) id(label, value string) (id ID) {
	k.scratch = append(append(append(k.scratch[:0], label...), 0), value...)
	restore(k.h, k.inner)
	k.h.Write(k.scratch)
	inner := k.h.Sum(k.sum[:0])
	restore(k.h, k.outer)
	k.h.Write(inner)
	copy(id[:], k.h.Sum(k.sum[:0]))
	if cap(k.scratch) > 64<<10 {
		k.scratch = make([]byte, 0, 1024)
	}
	return id
}

// principal gives the ID of an account's name.
func (k *keyed) principal(name string) ID {
	name = strings.TrimSpace(name)
	if name == "" {
		return ID{}
	}
	return k.id("principal", strings.ToLower(name))
}
