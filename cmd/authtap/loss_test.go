package main

import (
	"context"

	"io"
	"net/netip"
	"path/filepath"

	"sync"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// Losing packets never makes authtap say more: each exchange's outcome is that
// of the undamaged capture, or unclear; and what is called accepted is called
// so undamaged.
func TestLossNeverSaysMore(t *testing.T) {
	seeds := uint64(100)
	if raceEnabled {
		seeds = 3
	}
	for _, dir := range cases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			packets := packetsOf(t, filepath.Join(dir, "dialogue.txt"))
			whole := judged(t, packets)
			if len(whole.outcomes) == 0 {
				t.Fatal("no exchanges")
			}
			for seed := range seeds {
				damaged := judged(t, reassemblytest.Drop(packets, 0.01, seed))
				for x, outcome := range damaged.outcomes {
					if outcome != endpoint.Unclear && whole.outcomes[x] != outcome {
						t.Errorf("seed %d: %+v is a %v, undamaged: %v", seed, x, outcome, whole.outcomes[x])
					}
				}
				for f := range damaged.accepted {
					if !whole.accepted[f] {
						t.Errorf("seed %d: %s is accepted, and is not undamaged", seed, f)
					}
				}
			}
		})
	}
}

// seen tells exchanges apart by what loss does not change.
type seen struct {
	client         netip.AddrPort
	begun          capture.Time
	method, target string
}

// judgement is what is made of a capture.
type judgement struct {
	outcomes map[seen]endpoint.Outcome
	accepted map[string]bool // detector and dedupe key
}

var builtInSecrets = sync.OnceValues(func() (*credential.Secrets, error) { return credential.NewSecrets(nil) })

// judged takes packets the whole way, with a detector among the others that
// notes every outcome.
func judged(t *testing.T, packets []reassemblytest.Packet) judgement {
	t.Helper()
	j := judgement{map[seen]endpoint.Outcome{}, map[string]bool{}}
	last := map[string]detect.Finding{}
	probe := detect.Detector{
		Name: "outcome_of_each_exchange", Title: "Probe", Doc: "a\n\nb\n\nc\n\nd",
		Severity: detect.Info, Confidence: detect.Certain, OWASP: []string{"API2:2023"}, CWE: []int{1},
		Needs: detect.EveryExchange,
		Exchange: func(p *detect.Pass, x *exchange.Exchange) {
			if x.Request.Present {
				j.outcomes[seen{x.Client, x.Request.Start, x.Request.Method, x.Request.Target}] = p.Outcome()
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
		NewStreams: pipeline.StreamsOf(pipeline.Limits{}),
		NewInspect: func() func(*exchange.Exchange) *detect.Inspection { return detect.NewInspector(options).Inspect },
		Take:       engine.Exchange,
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
		if f.Verdict == detect.Accepted {
			j.accepted[f.Detector+" "+f.DedupeKey] = true
		}
	}
	return j
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
