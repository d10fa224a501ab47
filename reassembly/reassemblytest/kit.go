package reassemblytest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/authtap/authtap/reassembly"
)

// Turn is what one side sends before the other one answers.
type Turn struct {
	Server bool
	Text   string
}

// Factory makes a parser and a function that gives, after the end, what it
// found, in whatever form two runs are to be compared. What depends on how the
// bytes came in chunks, such as packet numbers, does not belong in there.
type Factory func(reassembly.Start) (p reassembly.Parser, result func() string)

// Lost is a run of bytes that a parser is told of as a gap.
type Lost struct {
	Server    bool
	At, Bytes int // within what that side sends
}

// Splits holds a parser to the first thing that all must do: give the same
// result however the streams are cut into chunks. It feeds them whole, byte by
// byte, cut once at every place (or a thousand places), and cut at random; and
// it overwrites every chunk after the call, since parsers may not keep them.
// It returns the result.
func Splits(t testing.TB, turns []Turn, f Factory) string {
	t.Helper()
	want := feed(turns, nil, f, func(_ *rand.Rand, n int) int { return n }, nil)
	check := func(how string, size func(*rand.Rand, int) int, r *rand.Rand) {
		t.Helper()
		if got := feed(turns, nil, f, size, r); got != want {
			t.Fatalf("%s:\ngot  %s\nwant %s", how, got, want)
		}
	}
	check("byte by byte", func(*rand.Rand, int) int { return 1 }, nil)
	total := 0
	for _, turn := range turns {
		total += len(turn.Text)
	}
	for at := 1; at < total; at += 1 + total/1000 {
		left := at
		check(fmt.Sprintf("cut at byte %d", at), func(_ *rand.Rand, n int) int {
			if left > 0 && left < n {
				n = left
			}
			left -= n
			return n
		}, nil)
	}
	for seed := range uint64(200) {
		check(fmt.Sprintf("cut at random, seed %d", seed), func(r *rand.Rand, n int) int {
			return 1 + r.IntN(min(n, 1+r.IntN(64)))
		}, random(seed))
	}
	return want
}

// Gaps feeds the streams with a gap of every size in sizes at every place (or
// about a thousand places for each size), and has every result checked. That
// the parser does not panic is checked along with it.
func Gaps(t testing.TB, turns []Turn, f Factory, sizes []int, check func(l Lost, result string)) {
	t.Helper()
	var sent [2]int
	for _, turn := range turns {
		sent[sideOf(turn.Server)] += len(turn.Text)
	}
	whole := func(_ *rand.Rand, n int) int { return n }
	for _, size := range sizes {
		for s, total := range sent {
			for at := 0; at+size <= total; at += 1 + total/500 {
				l := Lost{Server: s == server, At: at, Bytes: size}
				check(l, feed(turns, &l, f, whole, nil))
			}
		}
	}
}

func sideOf(isServer bool) int {
	if isServer {
		return server
	}
	return client
}

// feed gives the turns to a new parser in chunks of the sizes that size says,
// at most n.
func feed(turns []Turn, lost *Lost, f Factory, size func(r *rand.Rand, n int) int, r *rand.Rand) string {
	// The client stands first in the key.
	key, _ := reassembly.NewFlowKey(reassembly.Network{}, reassembly.Addr{10: 0xff, 11: 0xff, 12: 10, 15: 1},
		reassembly.Addr{10: 0xff, 11: 0xff, 12: 10, 15: 2}, 40000, 80)
	p, result := f(reassembly.Start{Key: key, Client: reassembly.AtoB, Handshake: true})
	seq := [2]uint32{0xffffff00, 1000} // one of them wraps
	var sent [2]int
	at := reassembly.Origin{Time: Start}
	next := func() {
		at.Order++
		at.Number++
		at.Time = at.Time.Add(step)
	}
	// Turns of one side that follow each other are one run of bytes.
	for i := 0; i < len(turns); {
		s := sideOf(turns[i].Server)
		var b []byte
		for ; i < len(turns) && sideOf(turns[i].Server) == s; i++ {
			b = append(b, turns[i].Text...)
		}
		for len(b) > 0 {
			next()
			n := size(r, len(b))
			c := reassembly.Chunk{
				Dir: reassembly.Direction(s), Seq: seq[s] + uint32(sent[s]),
				Ack: seq[1-s] + uint32(sent[1-s]), HasAck: true, Origin: at,
			}
			if lost != nil && sideOf(lost.Server) == s && sent[s]+n > lost.At && sent[s] < lost.At+lost.Bytes {
				if sent[s] < lost.At {
					n = lost.At - sent[s]
				} else {
					n = min(len(b), lost.At+lost.Bytes-sent[s])
					c.Gap, c.Ack, c.HasAck = uint64(n), 0, false
				}
			}
			if c.Gap == 0 {
				c.Bytes = bytes.Clone(b[:n])
			}
			p.Feed(&c)
			for i := range c.Bytes {
				c.Bytes[i] = byte(uint64(i) + 31*at.Order) // no two ways of cutting leave the same
			}
			c = reassembly.Chunk{}
			b, sent[s] = b[n:], sent[s]+n
		}
	}
	next()
	p.End(reassembly.AtoB, reassembly.EndFIN, at)
	p.End(reassembly.BtoA, reassembly.EndFIN, at)
	return result()
}

// Turns gives what both sides of a script's connection sent, for Splits and
// Gaps. It panics on a script that does not parse.
func Turns(script string) []Turn {
	d, err := Parse("turns", "conn kit 10.0.0.1:40000 10.0.0.2:80\n"+script, nil)
	if err != nil {
		panic(err)
	}
	var turns []Turn
	for _, p := range d.Packets() {
		if _, _, payload, end, ok := layout(p.Data); ok && payload < end {
			turns = append(turns, Turn{Server: p.FromServer, Text: string(p.Data[payload:end])})
		}
	}
	return turns
}
