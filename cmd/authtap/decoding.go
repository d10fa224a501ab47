package main

import (
	"fmt"
	"strings"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
	"github.com/authtap/authtap/reassembly/decode/fragment"
)

// decoding says what each of n decoders does.
func decoding(s *config.Settings, memory config.Size, n int) decode.Options {
	return decode.Options{
		Closed: s.Closed(), Ports: s.DecapPorts, NoVLANKey: s.NoVLANKey,
		Fragments: fragment.Limits{Bytes: max(1, s.Limit("fragment-bytes", memory)/n)},
	}
}

// tunnels adds what was opened and put together.
func (c *counts) tunnels(s *decode.Stats) {
	var all uint64
	var kinds []string
	for k, n := range s.Tunnels {
		if n > 0 {
			all += n
			kinds = append(kinds, fmt.Sprintf("%d %v", n, reassembly.Tunnel(k)))
		}
	}
	c.some(all, "tunnels opened in packets: "+strings.Join(kinds, ", "))
	f := &s.Fragments
	c.some(f.Fragments, fmt.Sprintf("fragments, of %d whole datagrams", f.Whole))
	c.some(f.Overlapping, "datagrams dropped because their fragments overlap")
	c.some(f.Expired+f.Reused, "datagrams of which fragments are missing")
	c.some(f.Evicted, "datagrams dropped for want of memory for fragments")
}

// leastSplit is how many conversations must be split, and which part of those
// that are one-sided, for a hint to be given.
const leastSplit, splitPart = 10, 10

// networks adds the conversations whose networks are not what they seem.
func (c *counts) networks(r *reassembly.Stats) {
	if r.Split >= leastSplit && r.Split >= r.OneSided/splitPart {
		c.add(r.Split, "of them have their other side in another VLAN: --no-vlan-key puts them together")
	}
	c.some(r.Mirrored, "conversations captured in more than one network, and counted once")
	c.some(r.Halved, "conversations whose directions are in different networks")
	c.some(r.Crowded, "conversations between ends that are in too many networks to be compared")
}
