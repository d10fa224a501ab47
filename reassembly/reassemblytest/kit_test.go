package reassemblytest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly"
)

// lines is a right parser: it gives the lines of both sides.
type lines struct {
	partial [2]string
	found   [2][]string
	keeps   [][]byte // what a wrong one holds on to
}

func (l *lines) Feed(c *reassembly.Chunk) {
	if c.Gap > 0 {
		l.partial[c.Dir] = ""
		l.found[c.Dir] = append(l.found[c.Dir], "gap")
	}
	l.partial[c.Dir] += string(c.Bytes)
	for {
		line, rest, ok := strings.Cut(l.partial[c.Dir], "\n")
		if !ok {
			return
		}
		l.found[c.Dir] = append(l.found[c.Dir], line)
		l.partial[c.Dir] = rest
	}
}

func (l *lines) End(reassembly.Direction, reassembly.End, reassembly.Origin) {}

func newLines(reassembly.Start) (reassembly.Parser, func() string) {
	l := &lines{}
	return l, func() string { return fmt.Sprint(l.found) }
}

// keeper is wrong: it keeps the chunks.
type keeper struct{ lines }

func (k *keeper) Feed(c *reassembly.Chunk) { k.keeps = append(k.keeps, c.Bytes) }

// cutter is wrong: it takes a chunk for a line.
type cutter struct{ lines }

func (k *cutter) Feed(c *reassembly.Chunk) { k.found[c.Dir] = append(k.found[c.Dir], string(c.Bytes)) }

// failing records that a check failed.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Helper() {}
func (f *failing) Fatalf(string, ...any) {
	f.failed = true
	panic(f)
}

func fails(f Factory) (failed bool) {
	tb := &failing{}
	defer func() {
		if r := recover(); r != nil && r != any(tb) {
			panic(r)
		}
		failed = tb.failed
	}()
	Splits(tb, twoTurns, f)
	return false
}

var twoTurns = []Turn{{Text: "one\ntwo\n"}, {Text: "three\n"}, {Server: true, Text: "four\nfive\n"}, {Text: "six\n"}}

func TestSplits(t *testing.T) {
	if got := Splits(t, twoTurns, newLines); got != "[[one two three six] [four five]]" {
		t.Errorf("got %s", got)
	}
	if !fails(func(reassembly.Start) (reassembly.Parser, func() string) {
		k := &keeper{}
		return k, func() string { return string(slices.Concat(k.keeps...)) }
	}) {
		t.Error("a parser that keeps chunks passes")
	}
	if !fails(func(reassembly.Start) (reassembly.Parser, func() string) {
		k := &cutter{}
		return k, func() string { return fmt.Sprint(k.found) }
	}) {
		t.Error("a parser that depends on chunks passes")
	}
}

func TestGaps(t *testing.T) {
	n := 0
	Gaps(t, twoTurns, newLines, []int{1, 4}, func(l Lost, result string) {
		n++
		// A gap that reaches over what the other side said comes in two.
		want := 1
		if !l.Server && l.At < 14 && l.At+l.Bytes > 14 {
			want = 2
		}
		if strings.Count(result, "gap") != want {
			t.Errorf("%+v: %s", l, result)
		}
		if want := "[[one gap three six] [four five]]"; l == (Lost{At: 4, Bytes: 4}) && result != want {
			t.Errorf("got %s, want %s", result, want)
		}
	})
	if want := 18 + 15 + 10 + 7; n != want {
		t.Errorf("%d gaps, want %d", n, want)
	}
}

func TestTurns(t *testing.T) {
	got := Turns(">> \"a\"\n<< \"b\"\n\n<< \"c\"")
	if want := []Turn{{Text: "a"}, {Server: true, Text: "b"}, {Server: true, Text: "c"}}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestRun(t *testing.T) {
	packets := play(t, open+"drop 1\n>> \"lost\"\n\n>> \"seen\"\n<< \"yes\"\ntime +1s\n<< \"more\"\nfin")
	var trace Trace
	stats := Run(packets, reassembly.Limits{}, trace.New)
	const want = "start handshake=true\n< \"yes\"\n> gap 4\n> \"seen\"\n< \"more\"\n> fin\n< fin"
	if got := trace.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if stats.Delivered != 11 || stats.Gap != 4 || stats.Segments != uint64(len(packets)) {
		t.Errorf("%+v", stats)
	}
}
