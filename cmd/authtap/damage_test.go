package main

import (
	"context"
	"io"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// ways are those in which a capture is damaged. A seed gives a variant.
var ways = []struct {
	name  string
	seeds uint64
	// complete says that nothing is lost, so that all outcomes stay.
	complete bool
	damage   func(p []reassemblytest.Packet, seed uint64) []reassemblytest.Packet
}{
	{"a hundredth is lost", 40, false, func(p []reassemblytest.Packet, seed uint64) []reassemblytest.Packet {
		return reassemblytest.Drop(p, 0.01, seed)
	}},
	{"a tenth is lost", 8, false, func(p []reassemblytest.Packet, seed uint64) []reassemblytest.Packet {
		return reassemblytest.Drop(p, 0.1, seed)
	}},
	{"twice", 3, true, func(p []reassemblytest.Packet, seed uint64) []reassemblytest.Packet {
		return reassemblytest.Duplicate(p, float64(seed+1)/3, seed)
	}},
	{"reordered", 4, true, func(p []reassemblytest.Packet, seed uint64) []reassemblytest.Packet {
		return reassemblytest.Reorder(p, 1+int(seed), seed)
	}},
	{"mixed", 4, false, func(p []reassemblytest.Packet, seed uint64) []reassemblytest.Packet {
		return reassemblytest.Jitter(p, 1+int(seed)%4, seed)
	}},
	{"requests only", 1, false, func(p []reassemblytest.Packet, _ uint64) []reassemblytest.Packet {
		return reassemblytest.DropDirection(p, true)
	}},
	{"responses only", 1, false, func(p []reassemblytest.Packet, _ uint64) []reassemblytest.Packet {
		return reassemblytest.DropDirection(p, false)
	}},
	{"cut", 5, false, func(p []reassemblytest.Packet, seed uint64) []reassemblytest.Packet {
		return reassemblytest.Snap(p, []int{96, 60, 128, 256, 512}[seed])
	}},
	{"mid-stream", 8, false, func(p []reassemblytest.Packet, seed uint64) []reassemblytest.Packet {
		return reassemblytest.Midstream(p, len(p)*int(seed)/8+1)
	}},
	{"without handshakes", 1, false, func(p []reassemblytest.Packet, _ uint64) []reassemblytest.Packet {
		return reassemblytest.WithoutHandshake(p)
	}},
	{"all at once", 8, false, func(p []reassemblytest.Packet, seed uint64) []reassemblytest.Packet {
		p = reassemblytest.Midstream(p, int(seed)%7)
		p = reassemblytest.Drop(reassemblytest.Duplicate(p, 0.1, seed), 0.05, seed)
		return reassemblytest.Snap(reassemblytest.Jitter(p, 2, seed), 400)
	}},
}

// Damage never makes authtap say more: each exchange's outcome is that of the
// undamaged capture, or unclear, and no verdict rises. What nobody could tell is
// left out: that there were two readings, where one of the two is lost.
func TestDamageNeverSaysMore(t *testing.T) {
	for _, dir := range cases(t) {
		name := filepath.Base(dir)
		if name == "damage_evasion" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			packets := packetsOf(t, filepath.Join(dir, "dialogue.txt"))
			whole := judged(t, packets)
			ofTLS := strings.HasPrefix(name, "tls_")
			if len(whole.outcomes) == 0 && name != "damage_responses_only" && !ofTLS {
				t.Fatal("no exchanges")
			}
			for _, w := range ways {
				seeds := w.seeds
				if raceEnabled {
					seeds = min(seeds, 2)
				}
				for seed := range seeds {
					damaged := judged(t, w.damage(packets, seed))
					for x, outcomes := range damaged.outcomes {
						for _, outcome := range outcomes {
							if outcome != endpoint.Unclear && !slices.Contains(whole.outcomes[x], outcome) {
								t.Errorf("%s, seed %d: %+v is a %v, undamaged: %v", w.name, seed, x, outcome, whole.outcomes[x])
							}
						}
					}
					for f := range damaged.verdicts {
						if _, found := whole.verdicts[f]; ofTLS && !found {
							t.Errorf("%s, seed %d: %s is found, and not undamaged", w.name, seed, f)
						}
					}
					for f, certainty := range damaged.claims {
						if certainty > whole.claims[f] {
							t.Errorf("%s, seed %d: %s is claimed with %d, undamaged with %d", w.name, seed, f, certainty, whole.claims[f])
						}
					}
					if w.complete && !strings.HasPrefix(name, "damage_") && !maps.EqualFunc(damaged.outcomes, whole.outcomes, slices.Equal) {
						t.Errorf("%s, seed %d: %d outcomes, undamaged: %d, or other ones", w.name, seed, len(damaged.outcomes), len(whole.outcomes))
					}
				}
			}
		})
	}
}

// A mirror of one direction: who sent a forged token is told of, and that
// nothing is known of what came of it.
func TestOneSided(t *testing.T) {
	for _, dir := range cases(t) {
		packets := packetsOf(t, filepath.Join(dir, "dialogue.txt"))
		whole := judged(t, packets)
		requests := judged(t, reassemblytest.DropDirection(packets, true))
		for x, outcomes := range requests.outcomes {
			for _, outcome := range outcomes {
				if outcome != endpoint.Unclear {
					t.Errorf("%s: %+v is a %v without a response", dir, x, outcome)
				}
			}
		}
		if n := len(requests.outcomes); n < len(whole.outcomes) {
			t.Errorf("%s: %d requests, with responses: %d", dir, n, len(whole.outcomes))
		}
		for f := range whole.verdicts {
			got, ok := requests.verdicts[f]
			if stateless := strings.HasPrefix(f, "jwt_alg_none ") || strings.HasPrefix(f, "jwt_signature_missing "); stateless && (!ok || got != detect.Unknown) {
				t.Errorf("%s: %s: found %v, verdict %v", dir, f, ok, got)
			}
		}
		if n := len(judged(t, reassemblytest.DropDirection(packets, false)).outcomes); n > 0 {
			t.Errorf("%s: %d requests of which nothing was captured", dir, n)
		}
	}
}

// seen tells exchanges apart by what damage does not change: where in its
// client's stream the segment began that the request began in.
type seen struct {
	client         netip.AddrPort
	overlay, seq   uint32
	method, target string
}

// judgement is what is made of a capture.
type judgement struct {
	// Sorted; in HTTP/2 several requests may begin in a segment.
	outcomes map[seen][]endpoint.Outcome
	verdicts map[string]detect.Verdict // by detector and dedupe key
	// By dedupe key, how surely it was accepted. Where more is known another
	// detector may tell of the same.
	claims map[string]int
}

var builtInSecrets = sync.OnceValues(func() (*credential.Secrets, error) { return credential.NewSecrets(nil) })

// judged takes packets the whole way, with a detector among the others that
// notes every outcome.
func judged(t *testing.T, packets []reassemblytest.Packet) judgement {
	t.Helper()
	j := judgement{map[seen][]endpoint.Outcome{}, map[string]detect.Verdict{}, map[string]int{}}
	last := map[string]detect.Finding{}
	seqs := sequences(packets)
	probe := detect.Detector{
		Name: "outcome_of_each_exchange", Title: "Probe", Doc: "a\n\nb\n\nc\n\nd",
		Severity: detect.Info, Confidence: detect.Certain, OWASP: []string{"API2:2023"}, CWE: []int{1},
		Needs: detect.EveryExchange,
		Exchange: func(p *detect.Pass, x *exchange.Exchange) {
			if x.Request.Present && x.Request.Damage&exchange.HeadGap == 0 {
				name := seen{x.Client, x.Net.ID, seqs[x.Origin.Order-1], x.Request.Method, x.Request.Target}
				j.outcomes[name] = append(j.outcomes[name], p.Outcome())
				slices.Sort(j.outcomes[name])
			}
		},
	}
	list, err := builtInSecrets()
	if err != nil {
		t.Fatal(err)
	}
	options := detect.Options{
		Detectors: append(rules.All(), probe), Secrets: list,
		Emit: func(f detect.Finding) { last[f.ID] = f },
	}
	engine, err := detect.NewEngine(options)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pipeline.Run(context.Background(), pipeline.Options[*detect.Inspection]{
		Sources: []capture.Source{&memory{packets: packets}}, Shards: 1,
		NewStreams: pipeline.StreamsOf(pipeline.Limits{}, nil),
		NewInspect: func() pipeline.Inspect[*detect.Inspection] {
			n := detect.NewInspector(options)
			return pipeline.Inspect[*detect.Inspection]{Exchange: n.Inspect, Handshake: n.InspectHandshake}
		},
		Take: engine.Exchange,
		Mark: func(m pipeline.Mark) error {
			engine.Mark(m.Clock)
			if m.Last {
				engine.Close()
			}
			return nil
		},
		Failed: func(err error) { t.Error(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range last {
		name := f.Detector + " " + f.DedupeKey
		j.verdicts[name] = f.Verdict
		switch f.Verdict {
		case detect.Accepted:
			j.claims[f.DedupeKey] = 2
		case detect.LikelyAccepted:
			j.claims[f.DedupeKey] = max(j.claims[f.DedupeKey], 1)
		}
	}
	return j
}

// sequences gives the sequence numbers of packets, of a datagram in fragments
// with the last one that came.
func sequences(packets []reassemblytest.Packet) []uint32 {
	all := make([]uint32, len(packets))
	var d decode.Decoder
	var s reassembly.Segment
	for i := range packets {
		c := packets[i].Capture(uint64(i + 1))
		if d.Decode(&c, &s) == decode.Segment {
			all[i] = s.Seq
		}
	}
	return all
}

// memory is a source of packets.
type memory struct {
	packets []reassemblytest.Packet
	next    int
}

func (m *memory) Next(p *capture.Packet) error {
	if m.next == len(m.packets) {
		return io.EOF
	}
	*p = m.packets[m.next].Capture(uint64(m.next + 1))
	m.next++
	return nil
}

func (m *memory) Inputs() []string     { return []string{"memory"} }
func (m *memory) Stats() capture.Stats { return capture.Stats{} }
func (m *memory) Close() error         { return nil }
