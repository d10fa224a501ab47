package tlswire_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/reassemblytest"
	"github.com/authtap/authtap/reassembly/tlswire"
)

// recorder is an opener that opens nothing.
type recorder struct {
	records []tlswire.Record
	bodies  [2][]byte
	hellos  []tlswire.Hello
	gaps    uint64
	ends    int
	enough  int // records that it wants; 0: all
	inside  []byte
}

func (r *recorder) Hello(h *tlswire.Hello) { r.hellos = append(r.hellos, *h) }
func (r *recorder) Record(x *tlswire.Record) ([]byte, bool) {
	r.bodies[x.Dir] = append(append(r.bodies[x.Dir], x.Header[:]...), x.Body...)
	c := *x
	c.Body = bytes.Clone(x.Body)
	r.records = append(r.records, c)
	var inside []byte
	if x.Type == tlswire.TypeApplicationData && x.FromServer {
		inside, r.inside = r.inside, nil
	}
	return inside, r.enough == 0 || len(r.records) < r.enough
}
func (r *recorder) Gap(_ reassembly.Direction, n uint64, _ reassembly.Origin) { r.gaps += n }
func (r *recorder) End(reassembly.Direction, reassembly.End, reassembly.Origin) {
	r.ends++
}

// opened makes a parser with a recorder.
func opened(l tlswire.Limits) (*keep, *recorder) {
	r := new(recorder)
	return newKeep(l, func(*reassembly.Start) tlswire.Opener { return r }), r
}

// Every record comes whole, with what the hellos said before it, however the
// streams are cut.
func TestOpener(t *testing.T) {
	for _, i := range []int{0, 1, 3, 5} { // TLS 1.3 and 1.2, HelloRetryRequest, a session resumed
		m := &meetings[i]
		t.Run(m.name, func(t *testing.T) {
			turns := m.hold(t)
			var sent [2][]byte
			for _, turn := range turns {
				sent[side(turn.Server)] = append(sent[side(turn.Server)], turn.Text...)
			}
			var r *recorder
			reassemblytest.Splits(t, turns, func(start reassembly.Start) (reassembly.Parser, func() string) {
				var k *keep
				k, r = opened(tlswire.Limits{})
				p := k.shard.New(&start, nil)
				return p, func() string {
					var b strings.Builder
					for _, x := range r.records {
						fmt.Fprintf(&b, "%d %v %v %x %d %x\n", x.Dir, x.FromClient, x.FromServer, x.Header, x.Seq, x.Body)
					}
					fmt.Fprintf(&b, "%+v", r.hellos)
					return b.String() + k.String()
				}
			})
			if !bytes.Equal(r.bodies[0], sent[0]) || !bytes.Equal(r.bodies[1], sent[1]) || r.ends != 2 {
				t.Errorf("%d and %d bytes of %d and %d, %d ends", len(r.bodies[0]), len(r.bodies[1]), len(sent[0]), len(sent[1]), r.ends)
			}
			last := r.hellos[len(r.hellos)-1]
			h := read(t, turns)
			if !last.Client || last.Server != h.ServerHello.Present || last.Suite != h.ServerHello.Suite || last.Version != h.ServerHello.Version ||
				last.Retry != h.Retry || last.ExtendedMasterSecret != h.ServerHello.ExtendedMasterSecret || last.ServerName != "api.test" {
				t.Errorf("%+v", last)
			}
			if want := []byte(turns[0].Text)[11:43]; !h.Retry && !bytes.Equal(last.ClientRandom[:], want) {
				t.Errorf("the client's random is %x, want %x", last.ClientRandom, want)
			}
		})
	}
}

// What is missing in a record's body makes it lost, and the next one is known
// to be the next; other gaps are told with the record behind them.
func TestOpenerGaps(t *testing.T) {
	turns := append(old(1), reassemblytest.Turn{Text: record(23, 1, random, random, random) + record(23, 1, []byte("next"))})
	total := 0
	for _, turn := range turns {
		if !turn.Server {
			total += len(turn.Text)
		}
	}
	begin := total - (5 + 3*len(random)) - 9
	for at := begin; at < total-9; at++ {
		for size := 1; at+size <= total-9; size++ {
			k, r := opened(tlswire.Limits{})
			withGap(turns, reassemblytest.Lost{At: at, Bytes: size}, k.shard)
			last, before := r.records[len(r.records)-1], r.records[len(r.records)-2]
			within := at >= begin+5
			switch {
			case string(last.Body) != "next" || r.gaps != uint64(size) || k.shard.Stats().Held != 0:
				t.Fatalf("gap of %d at %d: the last record is %+v, %d missing", size, at, last, r.gaps)
			case within && (last.Gap != 0 || !before.Lost || before.Body != nil || before.Header[4] != byte(3*len(random))):
				t.Fatalf("gap of %d at %d: %+v, %+v", size, at, before, last)
			case !within && (last.Gap != uint64(5+3*len(random)) || before.Lost):
				t.Fatalf("gap of %d at %d: %+v, %+v", size, at, before, last)
			}
		}
	}
}

// An opener that wants nothing more is asked nothing more, and the connection
// is as one that nobody opens.
func TestOpenerLetsGo(t *testing.T) {
	k, r := opened(tlswire.Limits{})
	r.enough = 3
	feed(old(1), k.shard)
	if st := k.shard.Stats(); len(r.records) != 3 || r.ends != 2 || len(k.list) != 1 || k.list[0].Outcome != exchange.Established || !k.list[0].Opaque || st.Held != 0 {
		t.Errorf("%d records, %d ends, %+v", len(r.records), r.ends, k.list)
	}
	k, _ = opened(tlswire.Limits{})
	feed(old(1), k.shard)
	if st := k.shard.Stats(); k.list[0].Opaque || st.Opened == 0 || st.Opaque != 0 {
		t.Errorf("%+v, %+v", k.list, st)
	}
}

// Certificates that an opener finds in TLS 1.3 are the handshake's.
func TestOpenerInside(t *testing.T) {
	der := identity(t).Certificate[0]
	turns := meetings[0].hold(t)
	k, r := opened(tlswire.Limits{})
	r.inside = append(message(8, vector(2)), message(11, vector(1), vector(3, append(vector(3, der...), 0, 0)...))...)
	feed(turns, k.shard)
	if len(k.list) != 1 || len(k.list[0].Certificates) != 1 || k.list[0].Certificates[0].CommonName != "api.test" {
		t.Errorf("%+v", k.list)
	}
}

// Without room a record is given as lost.
func TestOpenerWithoutRoom(t *testing.T) {
	turns := append(old(1), client(record(23, 1, make([]byte, 9000))[:8000]), client(record(23, 1, make([]byte, 9000))[8000:]), client(record(23, 1, []byte("next"))))
	k, r := opened(tlswire.Limits{HeldBytes: 6000})
	feed(turns, k.shard)
	n := len(r.records)
	if st := k.shard.Stats(); st.Refusals == 0 || !r.records[n-2].Lost || string(r.records[n-1].Body) != "next" || st.Held != 0 {
		t.Errorf("%+v, %+v", r.records[n-2], st)
	}
}
