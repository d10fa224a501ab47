package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/custom"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/store"
)

// judge reads sources, looks for attacks, and prints and stores the findings:
// what replay and sniff have in common. A replay prints each finding once, at
// the end, in its last version; live, each version is printed as it comes, and
// again gives the settings anew when they are to be reloaded.
func (p *program) judge(ctx context.Context, s config.Settings, sources []capture.Source, taps []tap, again func() (config.Settings, error)) (err error) {
	live := taps != nil
	key, err := p.key(s.KeyFile)
	if err != nil {
		return err
	}
	f := findings{most: s.MaxFindings, last: map[string]int{}, failOn: detect.Severity(s.FailOn), showSuppressed: s.ShowSuppressed}
	if live {
		f.live = p.printing(s.Format)
	} else {
		f.print = func(list []detect.Finding) error { return p.printAll(s.Format, list) }
	}
	var names inputNames
	optionsOf := func(s *config.Settings) (detect.Options, *custom.Set, error) {
		o, rules, err := detection(s, live, custom.Options{})
		o.Key = credential.Key(key)
		o.Input = func(i uint32) string { return names.of(sources[0], int(i)) }
		o.Emit, o.AuthEvent, o.Occurrence = f.emit, f.authEvent, f.occurrence
		o.Suppress, o.Expire, o.Forwarder = f.suppress, p.expired, f.forwarder(p)
		if s.Store != "none" {
			o.Endpoint, o.Use, o.IssuerKey = f.endpoint, f.use, f.issuerKey
		}
		return o, rules, err
	}
	options, rules, err := optionsOf(&s)
	if err != nil {
		return err
	}
	engine, err := detect.NewEngine(options)
	if err != nil {
		return err
	}
	if f.triggers, err = p.newTriggers(s.Triggers, s.TrustedProxies); err != nil {
		return err
	}
	if f.delivery, err = p.deliver(ctx, &s, live); err != nil {
		f.triggers.close()
		return err
	}
	var ruled map[string]custom.Stats // of rules before the last reload
	t := task{settings: s, sources: sources, taps: taps, bodies: true, judged: func(s *statistics) {
		judged := engine.Stats()
		s.Engine, s.Printing, s.Rules = &judged, &printingStats{Beyond: f.beyond}, ruleStats(rules, ruled)
	}}
	reloads := reloads{p: p, now: s, read: again, options: optionsOf}
	t.delivered = func(s *statistics) {
		s.Reloads = &reloadStats{Done: reloads.done.Load(), Refused: reloads.refused.Load()}
		s.Triggers = f.triggers.Stats()
		if f.delivery != nil {
			f.delivery.stats(s)
		}
	}
	if f.delivery != nil && live {
		t.beat = p.pulse(options, f.delivery)
	}

	known := p.learn(&s, &options, engine, live)
	defer func() { known.close(engine) }()
	if live {
		defer reloads.watch()()
	}
	err = runPipeline(ctx, p, t, pipeline.Options[*detect.Inspection]{
		NewInspect: func() pipeline.Inspect[*detect.Inspection] {
			n := detect.NewInspector(options)
			return pipeline.Inspect[*detect.Inspection]{
				Exchange:  func(x *exchange.Exchange) *detect.Inspection { return n.Inspect(x) },
				Handshake: func(h *exchange.Handshake) *detect.Inspection { return n.InspectHandshake(h) },
				Done:      func(ins *detect.Inspection) *exchange.Exchange { return n.Done(ins) },
				Change:    func(to any) { n = n.Reconfigured(to.(*change).options) },
				Stats:     func() credential.Stats { return n.Stats() },
			}
		},
		Change: reloads.take,
		Changed: func(to any) {
			c := to.(*change)
			if err := engine.Reconfigure(c.options); err != nil {
				reloads.refuse(err) // but for what shards do
				return
			}
			rules, ruled = c.rules, ruleStats(rules, ruled)
			f.failOn, f.showSuppressed = detect.Severity(c.settings.FailOn), c.settings.ShowSuppressed
			if err := f.triggers.replace(c.settings.Triggers, c.settings.TrustedProxies); err != nil {
				p.warn("the triggers stay as they are: %v", err)
			}
			reloads.done.Add(1)
			p.say("the configuration is reloaded")
		},
		Take: engine.Exchange,
		Mark: func(m pipeline.Mark) error {
			known.at(m.Clock, engine)
			if m.Last {
				engine.Close()
				return f.close()
			}
			engine.Mark(m.Clock)
			return f.err
		},
	})
	if len(options.Declared) > 0 && engine.Stats().Endpoints.Described == 0 {
		p.warn("no exchange is of what the OpenAPI documents describe; where hosts differ, --openapi HOST=FILE names the one to take")
	}
	if !f.closed { // an error ended the run: keep what was found
		f.err = nil
		if closing := f.close(); errors.Is(err, syscall.EPIPE) {
			err = closing // that nobody reads any more is no failure
		}
	}
	if err == nil && f.met {
		err = errFound
	}
	return err
}

// detection gives the engine's options, as far as settings say them, and the
// rules that are among its detectors.
func detection(s *config.Settings, live bool, asked custom.Options) (o detect.Options, set *custom.Set, err error) {
	memory := budget(s, live)
	o = detect.Options{
		Pins: s.Pins, SessionCookies: s.SessionCookies, Services: s.ServiceCredentials.Services, BehindTLS: s.BehindTLS,
		Sensor: s.Sensor, TrustedProxies: s.TrustedProxies, ClientHeaders: s.ClientHeaders, HidePrincipals: s.HidePrincipals,
		MaxFindings: s.MaxFindings, WindowKeys: s.Limit("window-keys", memory), WindowBytes: s.Limit("window-bytes", memory),
		LedgerRows: s.Limit("ledger-rows", memory),
		Live:       live, Settings: map[string]detect.Values{}, Overrides: map[string][]detect.Override{}, Suppressions: s.Suppress,
	}
	if set, err = custom.Compile(s.Custom, asked); err != nil {
		return o, nil, err
	}
	for _, d := range slices.Concat(rules.All(), set.Detectors()) {
		if len(s.Only) > 0 && !slices.Contains(s.Only, d.Name) || slices.Contains(s.Disable, d.Name) {
			continue
		}
		o.Detectors = append(o.Detectors, d)
		if v := s.Detectors[d.Name]; len(v) > 0 {
			o.Settings[d.Name] = v
		}
		if v := s.Overrides[d.Name]; len(v) > 0 {
			o.Overrides[d.Name] = v
		}
	}
	if live && o.Sensor == "" {
		o.Sensor, _ = os.Hostname()
	}
	if o.Declared, err = documents(s.OpenAPI); err != nil {
		return o, nil, err
	}
	o.Secrets, err = secrets(s.JWTSecrets)
	return o, set, err
}

// secrets gives the candidates for weak signing secrets, those of the user's
// file among them.
func secrets(path string) (*credential.Secrets, error) {
	if path == "" {
		return credential.NewSecrets(nil)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the secrets to try: %w", err)
	}
	defer f.Close()
	list, err := credential.NewSecrets(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// findings is what becomes of findings behind the engine.
type findings struct {
	live     store.Sink // prints each version; nil in a replay
	delivery *delivery  // nil without a store
	triggers *triggers
	err      error // of printing or storing: ends the run
	failOn   detect.Severity
	met      bool // a finding is as severe as failOn
	// showSuppressed prints what is suppressed, too.
	showSuppressed bool
	forwarders     int // that were told of
	closed         bool

	// In a replay: the last versions, by ID, how many there may be, and what
	// prints them.
	last   map[string]int
	list   []detect.Finding
	most   int
	beyond uint64 // findings not printed
	print  func([]detect.Finding) error
}

// emit takes a version of a finding.
func (f *findings) emit(x detect.Finding) {
	if f.err != nil {
		return
	}
	if f.live != nil {
		f.severity(x.Severity)
		f.err = f.live.Write(context.Background(), store.Of(x))
	} else {
		f.keep(x)
	}
	f.err = errors.Join(f.err, f.triggers.Write(context.Background(), store.Of(x)))
	if f.delivery != nil {
		f.err = errors.Join(f.err, f.delivery.batcher.Finding(x))
	}
}

// suppress takes a version of a finding that is not told.
func (f *findings) suppress(x detect.Finding, s *detect.Suppression) {
	if f.err != nil || !f.showSuppressed {
		return
	}
	x.Suppressed = s.Reason
	if f.live != nil {
		f.err = f.live.Write(context.Background(), store.Of(x))
	} else {
		f.keep(x)
	}
}

// authEvent takes a login attempt.
func (f *findings) authEvent(e detect.AuthEvent) {
	if f.delivery != nil && f.err == nil {
		f.err = f.delivery.batcher.AuthEvent(e)
	}
}

// occurrence takes what happened to a finding within a minute.
func (f *findings) occurrence(o detect.Occurrence) {
	if f.delivery != nil && f.err == nil {
		f.err = f.delivery.batcher.Occurrence(o)
	}
}

// endpoint, use and issuerKey take rows of the ledgers.
func (f *findings) endpoint(e detect.Endpoint) {
	if f.delivery != nil && f.err == nil {
		f.err = f.delivery.batcher.Endpoint(e)
	}
}

func (f *findings) use(u detect.Use) {
	if f.delivery != nil && f.err == nil {
		f.err = f.delivery.batcher.Use(u)
	}
}

func (f *findings) issuerKey(k detect.IssuerKey) {
	if f.delivery != nil && f.err == nil {
		f.err = f.delivery.batcher.IssuerKey(k)
	}
}

func (f *findings) keep(x detect.Finding) {
	i, ok := f.last[x.ID]
	switch {
	case ok:
		f.list[i] = x
	case len(f.list) < f.most:
		f.last[x.ID] = len(f.list)
		f.list = append(f.list, x)
	case x.Version == 1:
		if x.Suppressed == "" {
			f.severity(x.Severity)
		}
		f.beyond++
	}
}

func (f *findings) severity(s detect.Severity) {
	f.met = f.met || f.failOn != 0 && s >= f.failOn
}

// close stores what waits, and prints what a replay found.
func (f *findings) close() error {
	f.closed = true
	err := f.err
	if f.delivery != nil {
		err = errors.Join(err, f.delivery.close())
	}
	f.triggers.close()
	if f.live != nil {
		return errors.Join(err, f.live.Close())
	}
	slices.SortFunc(f.list, func(a, b detect.Finding) int {
		return cmp.Or(cmp.Compare(a.FirstSeen, b.FirstSeen), cmp.Compare(a.ID, b.ID))
	})
	for i := range f.list {
		if f.list[i].Suppressed == "" {
			f.severity(f.list[i].Severity)
		}
	}
	if printing := f.print(f.list); !errors.Is(printing, syscall.EPIPE) {
		err = errors.Join(err, printing)
	}
	return err
}

// maxForwarders bounds how many proxies are named: anybody can send the headers
// that make one.
const maxForwarders = 8

// forwarder tells of a proxy that is not trusted.
func (f *findings) forwarder(p *program) func(netip.Addr) {
	return func(peer netip.Addr) {
		if f.forwarders++; f.forwarders <= maxForwarders {
			p.warn("%[1]v speaks for many clients, which count as one: if it is a proxy of yours, --trusted-proxy %[1]v tells them from each other", peer)
		}
	}
}

// engine adds what the engine counted.
func (c *counts) engine(s *detect.Stats) {
	c.add(s.Findings, fmt.Sprintf("findings in %d exchanges", s.Exchanges))
	c.some(s.Suppressed, "findings suppressed")
	c.some(s.Expired, "findings that a suppression kept until it expired")
	c.some(s.Forwarders, "addresses that speak for many clients, and are no --trusted-proxy")
	c.some(s.Evicted, "findings closed early: more than --max-findings at a time")
	c.some(s.Deferred, "guesses at secrets and checks of signatures left out: too many at a time")
	var keys, evicted, late uint64
	for _, w := range s.Windows {
		keys, evicted, late = keys+w.Keys, evicted+w.Evicted, late+w.Late
	}
	c.some(keys, fmt.Sprintf("keys in sliding windows, in %d KiB", s.WindowBytes>>10))
	c.some(evicted, "keys of sliding windows made room for others")
	c.some(late, "observations older than their window")
	c.some(s.Forgotten, "entries of detectors' memory made room for others")
	c.some(s.Hops.Inner, "exchanges seen again behind a proxy, counted once")
	c.some(s.Hops.Early, "exchanges behind a proxy not waited with: too many at a time")
	c.some(s.Endpoints.HostsFull, "exchanges with hosts that are too many to be learned")
	c.some(s.Endpoints.TemplatesFull, "exchanges with paths and methods that are too many to be learned")
	c.some(s.Endpoints.OperationsFull, "exchanges with operations that are too many to be learned")
	c.some(s.Endpoints.CandidatesForgotten, "paths forgotten before a second client asked for them")
	c.some(s.Displaced, "rows of the ledgers told early to make room for others")
	c.some(s.Issuers.Evicted, "issuers, keys and their ways of signing made room for others")
}
