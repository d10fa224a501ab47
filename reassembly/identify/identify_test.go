package identify_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/identify"
)

// notes is a parser that writes down what it is fed. Of the protocol "word" it
// hands on what comes behind a full stop.
type notes struct {
	lines *[]string
	start *reassembly.Start
	rest  reassembly.Parser
}

func (n *notes) add(format string, args ...any) {
	*n.lines = append(*n.lines, fmt.Sprintf(format, args...))
}

func (n *notes) Feed(k *reassembly.Chunk) {
	side := "<>"[1-k.Dir : 2-k.Dir]
	switch {
	case k.Gap > 0 && k.HasAck:
		n.add("%s gap of %d at %d, acknowledging %d", side, k.Gap, k.Seq, k.Ack)
	case k.Gap > 0:
		n.add("%s gap of %d at %d", side, k.Gap, k.Seq)
	default:
		conflict := ""
		if k.Conflict {
			conflict = ", twice"
		}
		own, other, found := strings.Cut(string(k.Bytes), ".")
		n.add("%s %q at %d%s", side, own, k.Seq, conflict)
		if found && other != "" {
			left := *k
			left.Bytes, left.Seq = []byte(other), k.Seq+uint32(len(own))+1
			n.rest.Feed(&left)
		}
	}
}

func (n *notes) End(d reassembly.Direction, why reassembly.End, _ reassembly.Origin) {
	n.add("%s end %d", "<>"[1-d:2-d], why)
}

// like is certain of what begins with a word, as far as it is there.
func like(word string) func([]byte) identify.Confidence {
	return func(b []byte) identify.Confidence {
		switch {
		case bytes.HasPrefix(b, []byte(word)):
			return identify.Certain
		case strings.HasPrefix(word, string(b)):
			return identify.Unsure
		}
		return identify.NotMine
	}
}

// heard gives what the parsers of a table of two protocols are fed with: one
// whose client says "hello" and whose server says "welcome", and one of "word"
// from either side. A step is >text, <text, ~>text (lost), !> (a conflict), ]>
// (a FIN), or end.
func heard(l identify.Limits, handshake bool, steps ...string) ([]string, identify.Stats) {
	var lines []string
	make := func(start *reassembly.Start, rest reassembly.Parser) reassembly.Parser {
		return &notes{&lines, start, rest}
	}
	table := identify.New(l,
		identify.Protocol{Name: "hello", Client: like("hello"), Server: like("welcome"), New: make},
		identify.Protocol{Name: "word", Client: like("word"), Server: like("word"), New: make})
	p := table.New(reassembly.Start{Client: reassembly.AtoB, Handshake: handshake})
	seq := [2]uint32{100, 200}
	for _, s := range steps {
		if s == "end" {
			p.End(reassembly.AtoB, reassembly.EndShutdown, reassembly.Origin{})
			p.End(reassembly.BtoA, reassembly.EndShutdown, reassembly.Origin{})
			continue
		}
		i := strings.IndexAny(s, "<>")
		d := reassembly.Direction(reassembly.AtoB)
		if s[i] == '<' {
			d = reassembly.BtoA
		}
		text := s[i+1:]
		k := reassembly.Chunk{Dir: d, Seq: seq[d]}
		switch s[:i] {
		case "]":
			p.End(d, reassembly.EndFIN, reassembly.Origin{})
			continue
		case "!":
			k.Conflict = true
		case "~":
			k.Gap = uint64(len(text))
		default:
			k.Bytes, k.Ack, k.HasAck = []byte(text), seq[d.Reverse()], true
		}
		seq[d] += uint32(len(text))
		p.Feed(&k)
	}
	return lines, table.Stats()
}

func TestIdentify(t *testing.T) {
	for _, c := range []struct {
		name      string
		handshake bool
		steps     []string
		want      []string
		stats     identify.Stats
	}{
		{"nobody's", true, []string{">foo", "<bar", ">hello", "end"}, nil, identify.Stats{Unknown: 1}},
		{"the server speaks first", true, []string{"<220 mail", ">hello"}, nil, identify.Stats{Unknown: 1}},
		{"TLS", true, []string{">\x16\x03\x01\x02\x00", ">hello"}, nil, identify.Stats{TLS: 1}},
		{"TLS in mid-stream", false, []string{">\x17\x03\x03\x02\x00", ">hello"}, nil, identify.Stats{TLS: 1}},
		{"SSH", true, []string{"<SSH-2.0-x\r\n", ">hello"}, nil, identify.Stats{SSH: 1}},
		{"over before it is known", true, []string{">he", "end"}, nil, identify.Stats{Unknown: 1}},
		{"nothing at all", true, []string{"]>", "]<"}, nil, identify.Stats{Unknown: 1}},
		{"at once", true, []string{">hello", "<welcome", "!>", "end"},
			[]string{`> "hello" at 100`, `< "welcome" at 200`, `> "" at 105, twice`, "> end 5", "< end 5"}, identify.Stats{Identified: 1}},
		{"by the server", true, []string{"<welcome", ">x"},
			[]string{`< "welcome" at 200`, `> "x" at 100`}, identify.Stats{Identified: 1}},
		{"the other way round", true, []string{"<hello", ">welcome"},
			[]string{`< "hello" at 200`, `> "welcome" at 100`}, identify.Stats{Identified: 1}},
		{"in pieces", true, []string{">he", ">l", ">lo!", ">x"},
			[]string{`> "hello!" at 100`, `> "x" at 106`}, identify.Stats{Identified: 1}},
		{"in pieces of both sides", true, []string{"<wel", ">he", "<come", ">llo"},
			[]string{`< "welcome" at 200`, `> "he" at 100`, `> "llo" at 102`}, identify.Stats{Identified: 1}},
		{"in pieces of both sides, the other first", true, []string{">he", "<wel", "<come", ">llo"},
			[]string{`> "he" at 100`, `< "welcome" at 200`, `> "llo" at 102`}, identify.Stats{Identified: 1}},
		{"a conflict in what is held", true, []string{">he", "!>", ">llo"},
			[]string{`> "hello" at 100, twice`}, identify.Stats{Identified: 1}},
		{"a FIN before it is known", true, []string{"]>", "<welcome"},
			[]string{"> end 0", `< "welcome" at 200`}, identify.Stats{Identified: 1}},
		{"the second protocol", true, []string{">word"}, []string{`> "word" at 100`}, identify.Stats{Identified: 1}},
		{"the beginning is lost", true, []string{"~>xxxx", ">foo", ">hello"},
			[]string{`> gap of 7 at 100, acknowledging 200`, `> "hello" at 107`}, identify.Stats{Identified: 1, Late: 1}},
		{"lost within what is held", true, []string{">he", "~>xxx", ">hello"},
			[]string{`> gap of 5 at 100`, `> "hello" at 105`}, identify.Stats{Identified: 1, Late: 1}},
		{"mid-stream", false, []string{">foo", "<bar", "~<xx", "<baz", ">hello", "<welcome"},
			[]string{`> gap of 3 at 100, acknowledging 200`, `< gap of 8 at 200, acknowledging 103`, `> "hello" at 103`, `< "welcome" at 208`}, identify.Stats{Identified: 1, Late: 1}},
		{"mid-stream, in pieces that lead nowhere", false, []string{">he", ">xx", ">hello"},
			[]string{`> gap of 4 at 100, acknowledging 200`, `> "hello" at 104`}, identify.Stats{Identified: 1, Late: 1}},
		{"a change of protocol", true, []string{">hello.", "<welcome.word", ">more"},
			[]string{`> "hello" at 100`, `< "welcome" at 200`, `< "word" at 208`, `> "more" at 106`}, identify.Stats{Identified: 2, Changed: 1}},
		{"a change to what is nobody's", true, []string{">hello.foo", ">hello"},
			[]string{`> "hello" at 100`}, identify.Stats{Identified: 1, Changed: 1, Unknown: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, stats := heard(identify.Limits{}, c.handshake, c.steps...)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(c.stats, stats); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	got, stats := heard(identify.Limits{HeldBytes: 4}, true, ">he", ">ll", ">o")
	if got != nil || stats != (identify.Stats{Unknown: 1, GivenUp: 1}) {
		t.Errorf("HeldBytes: %q %+v", got, stats)
	}
	if got, _ := heard(identify.Limits{HeldBytes: 4}, true, ">he", ">llo there"); !slices.Equal(got, []string{`> "hello there" at 100`}) {
		t.Errorf("HeldBytes: %q", got)
	}
	got, stats = heard(identify.Limits{Tries: 2}, false, ">foo", ">bar", ">baz", ">hello")
	if got != nil || stats != (identify.Stats{Unknown: 1, GivenUp: 1}) {
		t.Errorf("Tries: %q %+v", got, stats)
	}
}

// What is nobody's costs nothing to pass over.
func TestForeignBytesAllocateNothing(t *testing.T) {
	table := identify.New(identify.Limits{}, identify.Protocol{
		Name: "hello", Client: like("hello"), Server: like("welcome"),
		New: func(*reassembly.Start, reassembly.Parser) reassembly.Parser { return nil },
	})
	for _, handshake := range []bool{true, false} {
		p := table.New(reassembly.Start{Handshake: handshake})
		k := reassembly.Chunk{Bytes: []byte("something else")}
		p.Feed(&k)
		if n := testing.AllocsPerRun(100, func() { p.Feed(&k) }); n > 0 {
			t.Errorf("handshake %v: %v allocations a chunk", handshake, n)
		}
	}
}
