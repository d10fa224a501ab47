package detect

import (
	"container/list"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/issuer"
	"github.com/authtap/authtap/detect/window"
)

// Options of an Engine and its Inspectors.
type Options struct {
	// Key is the deployment key that credentials are hashed with.
	Key credential.Key
	// Sensor stands in every finding and in its ID.
	Sensor string
	// Detectors that run, and settings that replace their options' defaults,
	// by detector and option.
	Detectors []Detector
	Settings  map[string]Values
	// Overrides change the options of detectors at places, by detector.
	Overrides map[string][]Override
	// Suppressions keep findings from Emit. Where Suppress is set, it takes
	// them instead, with the first suppression that keeps each. Expire is told,
	// once of each, that a suppression would keep a finding had it not expired.
	Suppressions []Suppression
	Suppress     func(Finding, *Suppression)
	Expire       func(*Suppression)
	// TrustedProxies may name the client in X-Forwarded-For or Forwarded.
	TrustedProxies []netip.Prefix
	// ClientHeaders are further headers with a single address, such as
	// True-Client-IP, in which they do; anybody can send them, so only those that
	// the proxies set belong here.
	ClientHeaders []string
	// Pins are endpoints that the configuration describes, Declared those that
	// documents do. SessionCookies are cookies that hold a session, besides those
	// that are known by their names. BehindTLS are hosts, as in
	// endpoint.Declared, of which something in front ends TLS. Services are
	// credentials that are shared on purpose.
	Pins           []Pin
	Declared       []*endpoint.Declared
	SessionCookies []string
	BehindTLS      []string
	Services       Services
	// HidePrincipals replaces the names of accounts by keyed hashes.
	HidePrincipals bool
	// MaxFindings that are open at once (0: 100,000), WindowKeys of each window
	// (0: 200,000), and WindowBytes of all windows together (0: 100 MiB).
	MaxFindings, WindowKeys, WindowBytes int
	// Secrets that JSON Web Tokens are tried with; nil tries none.
	Secrets *credential.Secrets
	// Live lets work that is done off the packet path come when it comes. A
	// replay waits for it at each mark, so that it always comes at the same
	// place.
	Live bool
	// Input names the file or interface of a packet.
	Input func(i uint32) string
	// Emit takes each version of a finding that is to be told. It is called on
	// the engine's goroutine.
	Emit func(Finding)
	// AuthEvent takes each login attempt, and Occurrence what happened to a
	// finding within a minute: when the finding is told, and when the minute is
	// over. nil leaves them out. They are called as Emit is.
	AuthEvent  func(AuthEvent)
	Occurrence func(Occurrence)
	// Endpoint, Use and IssuerKey take rows of the ledgers: a replay's when a
	// day of packet time is over and at the end, live also while they grow. nil
	// leaves them out. LedgerRows (0: 20,000) bounds the rows of each ledger
	// that are open at once.
	Endpoint   func(Endpoint)
	Use        func(Use)
	IssuerKey  func(IssuerKey)
	LedgerRows int
}

// complete puts defaults in the place of what is zero.
func (o Options) complete() Options {
	if o.MaxFindings == 0 {
		o.MaxFindings = 100_000
	}
	if o.WindowBytes == 0 {
		o.WindowBytes = 100 << 20
	}
	if o.LedgerRows <= 0 {
		o.LedgerRows = 20_000
	}
	if o.Input == nil {
		o.Input = func(uint32) string { return "" }
	}
	return o
}

// Stats count what the engine did.
type Stats struct {
	Exchanges, Logins, Handshakes uint64
	// Findings that were told, and Versions of them; Open and Held as of now: a held
	// finding waits for a verdict.
	Findings, Versions uint64
	// Unkeyed reports had no dedupe key, which is their detector's mistake: host
	// and endpoint took its place.
	Unkeyed uint64
	// Suppressed findings were not told; Expired would not have been, had a
	// suppression not expired.
	Suppressed, Expired uint64
	Open, Held          int
	// Evicted findings were closed early to stay within MaxFindings, Deferred
	// work was not done because too much was under way.
	Evicted, Deferred uint64
	// Forgotten are entries of the detectors' own memory that made room for
	// others.
	Forgotten uint64
	// Displaced are rows of the ledgers that were told early to make room for
	// others.
	Displaced uint64
	Endpoints endpoint.Stats
	Hops      HopStats
	Issuers   issuer.Stats
	Windows   map[string]window.Stats
	// WindowBytes (an estimate) are those of all windows as of now.
	WindowBytes uint64
}

// Engine shows exchanges to detectors, decides on verdicts and keeps the open
// findings.
//
// Contract: one goroutine, no locks, packet time only. It is bounded by
// MaxFindings, WindowKeys and WindowBytes, the bounds of package endpoint and those of the
// detectors' state. The same exchanges and marks give the same findings.
type Engine struct {
	options  Options
	running  []*running
	onTokens []*running // those with Token, those of attempts first
	tokens   tokens
	// attemptKeys made before; a bounded memory of Pass.AttemptKey.
	attemptKeys map[attemptKey]string
	windows     map[string]*sharedWindow
	budget      *window.Budget // of the windows
	// byNeeds lists the detectors that are shown an exchange of such properties.
	byNeeds   map[Needs][]*running
	endpoints *endpoint.Map
	issuers   *issuer.Ledger
	hops      *hops
	clock     capture.Time // of the latest mark
	collapsed uint64

	open  map[recordKey]*record
	order *list.List // of *record, the one without news for longest first
	byEnd map[*endpoint.Endpoint][]*record
	// minutes holds the findings whose last minute is still to be told, minute
	// is the clock's; series numbers the login attempts of each input.
	minutes []*record
	minute  capture.Time
	series  map[uint32]series
	jobs    []job
	marks   uint64
	slots   chan struct{}
	ledgers *ledgers // nil where nobody wants them
	// pass is that of the exchange at hand.
	pass Pass
	// suspect is set while an exchange's credential is under suspicion.
	suspect bool
	stats   Stats
	// suppressions count by suppression.
	suppressions []Suppressed
}

type running struct {
	*Detector
	values Values
	state  any
	refs   []string
	// overrides of values, and what those together make that were met.
	overrides []Override
	merged    map[uint64]Values
	// content is the detector's bit of Inspection.content, 0 where it has no
	// Content.
	content uint64
}

// sharedWindow is a window and the detectors that ask it, the first of which
// feeds it.
type sharedWindow struct {
	set    *window.Set
	span   time.Duration
	askers []asker
}

type asker struct {
	detector *running
	crossed  func(*Pass, string, *window.Summary)
}

type job struct {
	pass Pass
	done chan func(*Pass)
	due  uint64 // the mark at which a replay waits for it
}

// Closed is the packet time without news after which a finding is closed; what
// comes later makes a new one.
const Closed = 24 * time.Hour

// maxJobs is how much work may be under way off the packet path, and patience
// how many marks of a replay Pass.Eventually gives it.
const (
	maxJobs  = 1024
	patience = 64
)

// NewEngine makes an engine. It fails where a detector is invalid or a setting
// names an option that there is not.
func NewEngine(o Options) (*Engine, error) {
	o = o.complete()
	e := &Engine{
		options: o, windows: make(map[string]*sharedWindow), endpoints: endpoint.NewMap(endpoint.Options{Declared: o.declared()}),
		issuers: issuer.NewLedger(issuer.Limits{}), hops: newHops(),
		open: make(map[recordKey]*record), order: list.New(), byEnd: make(map[*endpoint.Endpoint][]*record),
		budget: window.NewBudget(uint64(o.WindowBytes)),
		slots:  make(chan struct{}, 2), attemptKeys: make(map[attemptKey]string), byNeeds: make(map[Needs][]*running), series: make(map[uint32]series),
	}
	if o.Endpoint != nil || o.Use != nil || o.IssuerKey != nil {
		e.ledgers = newLedgers(e)
	}
	if err := e.arrange(nil); err != nil {
		return nil, err
	}
	return e, nil
}

// arrange fills an engine that has no detectors yet with those of its options.
// What they keep is taken over from the engine before, if there is one.
func (e *Engine) arrange(before *Engine) error {
	o := &e.options
	known := make(map[string]bool)
	list, contents := sorted(o.Detectors), 0
	for i := range list {
		d := &list[i]
		if err := d.Validate(); err != nil {
			return err
		}
		if known[d.Name] {
			return fmt.Errorf("detector %q is there twice", d.Name)
		}
		known[d.Name] = true
		r := &running{Detector: d, values: d.Defaults(), refs: d.References()}
		if err := r.configure(o.Settings[d.Name]); err != nil {
			return err
		}
		if err := r.override(o.Overrides[d.Name]); err != nil {
			return err
		}
		if d.Content != nil {
			if contents == 64 {
				return fmt.Errorf("detector %s: more than 64 detectors ask for the content of messages", d.Name)
			}
			r.content = 1 << contents
			contents++
		}
		if d.State != nil {
			r.state = d.State(r.values)
		}
		if old := before.find(d.Name); old != nil && reflect.DeepEqual(old.values, r.values) && reflect.TypeOf(old.state) == reflect.TypeOf(r.state) {
			r.state = old.state
		}
		for _, w := range d.Windows {
			shared := e.windows[w.Name]
			if old := before.window(w.Name); shared == nil && old != nil && old.span == w.Span {
				shared = &sharedWindow{old.set, old.span, nil}
				e.windows[w.Name] = shared
			}
			if shared == nil {
				shared = &sharedWindow{window.New(window.Options{Span: w.Span, Keys: o.WindowKeys, Budget: e.budget}), w.Span, nil}
				e.windows[w.Name] = shared
			}
			if shared.span != w.Span {
				return fmt.Errorf("detector %s: its window %s spans %v, another detector's %v", d.Name, w.Name, w.Span, shared.span)
			}
			shared.askers = append(shared.askers, asker{r, w.Crossed})
		}
		e.running = append(e.running, r)
		if d.Token != nil {
			e.onTokens = append(e.onTokens, r)
		}
	}
	slices.SortStableFunc(e.onTokens, func(a, b *running) int {
		switch {
		case a.Attempt == b.Attempt:
			return 0
		case a.Attempt:
			return -1
		}
		return 1
	})
	e.suppressions = make([]Suppressed, len(o.Suppressions))
	for _, name := range slices.Concat(slices.Collect(maps.Keys(o.Settings)), slices.Collect(maps.Keys(o.Overrides))) {
		if !known[name] {
			return fmt.Errorf("settings for detector %q: there is none of that name, or it is off", name)
		}
	}
	return nil
}

// configure replaces options by settings of the same type.
func (r *running) configure(settings Values) error {
	if err := r.fits(settings); err != nil {
		return err
	}
	maps.Copy(r.values, settings)
	return nil
}

// override takes the detector's overrides.
func (r *running) override(list []Override) error {
	if len(list) > maxOverrides {
		return fmt.Errorf("detector %s has %d overrides, more than %d", r.Name, len(list), maxOverrides)
	}
	for i := range list {
		if err := r.fits(list[i].Values); err != nil {
			return err
		}
	}
	if len(list) > 0 {
		r.overrides, r.merged = list, map[uint64]Values{}
	}
	return nil
}

// fits checks the names and types of settings.
func (r *running) fits(settings Values) error {
	for name, v := range settings {
		have, ok := r.values[name]
		if !ok {
			return fmt.Errorf("detector %s has no option %q", r.Name, name)
		}
		if fmt.Sprintf("%T", have) != fmt.Sprintf("%T", v) {
			return fmt.Errorf("detector %s: option %s takes a %T, not %v", r.Name, name, have, v)
		}
	}
	return nil
}

// Exchange takes the next exchange, or handshake.
func (e *Engine) Exchange(ins *Inspection) {
	if ins.Handshake != nil {
		e.handshake(ins)
		return
	}
	e.release(ins.Exchange.End)
	inner := e.hops.match(ins, e.options.trustedPeer)
	switch {
	case inner != nil:
		e.inner(inner)
	case e.hops.late(ins, e.options.trustedPeer):
		e.inner(ins)
		return
	}
	if !e.hops.hold(ins) {
		if inner == nil && ins.forwarded == "" {
			e.hops.alone(ins)
		}
		e.exchange(ins)
	}
}

// release lets exchanges go on that were held as inner hops and are none.
func (e *Engine) release(now capture.Time) {
	for len(e.hops.held) > 0 {
		ins := e.hops.next(now)
		if ins == nil {
			return
		}
		e.hops.alone(ins)
		e.exchange(ins)
	}
}

// request is what an endpoint is found by.
func request(ins *Inspection) endpoint.Request {
	x, host := ins.Exchange, ins.Host
	if host == "" {
		host = x.Server.String()
	}
	return endpoint.Request{
		Host: host, Method: x.Request.Method, Path: ins.Path, Operation: ins.Operation, Client: ins.Client, Status: ins.Answer.Status,
	}
}

func (e *Engine) exchange(ins *Inspection) {
	e.stats.Exchanges++
	x := ins.Exchange
	p := &e.pass
	*p = Pass{engine: e, ins: ins}
	now := p.Now()
	asked := request(ins)
	if x.Request.Present {
		p.endpoint, p.template = e.endpoints.Find(&asked, now)
	} else {
		p.endpoint = e.endpoints.None()
	}
	version := p.endpoint.Version()
	p.outcome = p.endpoint.Outcome(&ins.Answer, now)
	login := ins.Found.Login
	if login != nil {
		e.stats.Logins++
		p.login = p.endpoint.Login(&ins.Answer, login, now)
		if e.options.AuthEvent != nil {
			e.event(p, login)
		}
	}
	e.suspect = false
	e.tokens.next()
	if ins.Published != nil {
		e.issuers.Publish(asked.Host, ins.Published, now)
		if e.ledgers != nil {
			e.ledgers.published(p, ins.Published)
		}
	}
	if ins.Has&(PresentedJWT|IssuedJWT) != 0 {
		e.showTokens(p)
	}
	for _, d := range e.needing(ins.Has) {
		if d.content&^ins.content != 0 {
			continue
		}
		p.look(d)
		d.Exchange(p, x)
	}
	if login != nil {
		p.endpoint.LearnLogin(&ins.Answer, login, p.login, now)
	}
	if !e.suspect && x.Request.Present {
		p.endpoint.Learn(&ins.Answer, ins.Found.Request, ins.OtherCookies, now)
		if p.endpoint == e.endpoints.None() {
			e.endpoints.Remember(&asked, &ins.Answer, ins.Found.Request, ins.OtherCookies, now)
		}
	}
	if p.endpoint.Version() != version {
		e.rejudge(p.endpoint, now)
	}
	if n := e.endpoints.Stats().Collapsed; n != e.collapsed {
		e.collapsed = n
		e.reindex()
	}
	if e.ledgers != nil && x.Request.Present {
		e.ledgers.exchange(p, e.suspect)
	}
}

// handshake takes a handshake: no endpoint learns from it.
func (e *Engine) handshake(ins *Inspection) {
	e.stats.Handshakes++
	p := &e.pass
	*p = Pass{engine: e, ins: ins, endpoint: e.endpoints.None()}
	e.suspect = false
	for _, d := range e.running {
		if d.Handshake != nil {
			p.look(d)
			d.Handshake(p, ins.Handshake)
		}
	}
}

// needing gives the detectors that an exchange with these properties is shown
// to. There are few combinations of them.
func (e *Engine) needing(has Needs) []*running {
	list, ok := e.byNeeds[has]
	if !ok {
		for _, d := range e.running {
			if d.Needs&has != 0 && d.Exchange != nil {
				list = append(list, d)
			}
		}
		e.byNeeds[has] = list
	}
	return list
}

// Mark takes the end of a round: everything before it has come. Work that is
// done off the packet path is answered at one of the next, and findings without
// news for long are closed.
func (e *Engine) Mark(clock capture.Time) {
	e.clock = clock
	e.release(clock)
	e.marks++
	e.settle(e.marks)
	for _, w := range e.windows {
		w.set.Expire(clock)
	}
	if minuteOf(clock) > e.minute {
		e.minute = minuteOf(clock)
		e.tellMinutes()
		if e.ledgers != nil {
			e.ledgers.minute(clock)
		}
	}
	for front := e.order.Front(); front != nil; front = e.order.Front() {
		r := front.Value.(*record)
		if clock.Sub(r.last) <= Closed {
			break
		}
		e.close(r)
	}
}

// Close tells the last version of every open finding, in the order in which
// they had their last news.
func (e *Engine) Close() {
	e.release(capture.Time(math.MaxInt64))
	e.settle(allJobs)
	for front := e.order.Front(); front != nil; front = e.order.Front() {
		e.close(front.Value.(*record))
	}
	if e.ledgers != nil {
		e.ledgers.end()
	}
}

// Stats may be called between other calls.
func (e *Engine) Stats() Stats {
	s := e.stats
	s.Hops = e.hops.stats
	s.Endpoints, s.Issuers = e.endpoints.Stats(), e.issuers.Stats()
	if e.ledgers != nil {
		s.Displaced = e.ledgers.evicted()
	}
	s.Open = len(e.open)
	for _, r := range e.open {
		if !r.due() {
			s.Held++
		}
	}
	for _, r := range e.running {
		if m, ok := r.state.(interface{ Evicted() uint64 }); ok {
			s.Forgotten += m.Evicted()
		}
	}
	s.WindowBytes = e.budget.Bytes()
	s.Windows = make(map[string]window.Stats, len(e.windows))
	for name, w := range e.windows {
		s.Windows[name] = w.set.Stats()
	}
	return s
}

func (e *Engine) observe(p *Pass, name, key string, ev window.Event) *window.Summary {
	if !p.Feeds(name) {
		return nil
	}
	w := e.windows[name]
	s := w.set.Add(key, ev)
	feeder := p.detector
	for _, a := range w.askers {
		p.look(a.detector)
		a.crossed(p, key, s)
	}
	p.look(feeder)
	return s
}

func (e *Engine) ongoing(detector, key string, now capture.Time, within time.Duration) bool {
	r := e.open[recordKey{detector, key}]
	return r != nil && now.Sub(r.last) <= within
}

func (e *Engine) later(p *Pass, work func() func(*Pass), marks uint64) {
	if len(e.jobs) >= maxJobs {
		if e.options.Live {
			e.stats.Deferred++
			return
		}
		e.settle(allJobs)
	}
	j := job{pass: *p, done: make(chan func(*Pass), 1), due: e.marks + marks}
	e.jobs = append(e.jobs, j)
	slots := e.slots
	go func() {
		slots <- struct{}{}
		defer func() { <-slots }()
		j.done <- work()
	}()
}

// allJobs is a mark that all work is due at.
const allJobs = math.MaxUint64

// settle runs what came of work off the packet path, in the order in which it
// was asked for: live what is done, in a replay what is due by a mark, so that
// it comes at the same place each time.
func (e *Engine) settle(mark uint64) {
	for len(e.jobs) > 0 {
		j := e.jobs[0]
		var then func(*Pass)
		switch {
		case e.options.Live && mark != allJobs:
			select {
			case then = <-j.done:
			default:
				return
			}
		case j.due > mark:
			return
		default:
			then = <-j.done
		}
		e.jobs = e.jobs[1:]
		if then != nil {
			then(&j.pass)
		}
	}
	e.jobs = nil
}

// report makes a finding of a report, or adds it to the one that is open.
func (e *Engine) report(p *Pass, r Report) {
	if r.Key == "" {
		e.stats.Unkeyed++
		r.Key = Key(p.Host(), p.Endpoint())
	}
	d := p.detector
	p.showing.reported()
	judged := d.Attempt && !r.Posture && r.Verdict == 0
	if judged && !r.ByLogin && !d.Genuine {
		e.suspect = true
	}
	if p.off {
		return
	}
	now := p.Now()
	key := recordKey{d.Name, r.Key}
	rec := e.open[key]
	if rec != nil && now.Sub(rec.last) > Closed {
		e.close(rec)
		rec = nil
	}
	before := Verdict(0)
	if rec == nil {
		rec = newRecord(p, &r, key)
		e.open[key] = rec
		if len(e.open) > e.options.MaxFindings {
			e.stats.Evicted++
			e.close(e.order.Front().Value.(*record))
		}
		rec.place = e.order.PushBack(rec)
	} else {
		before = rec.verdict
		rec.add(p, &r)
		e.order.MoveToBack(rec.place)
	}
	e.happen(rec, now)
	switch {
	case judged || r.ByLogin || r.Posture && len(r.Only) > 0:
		if rec.keep(p, &r) {
			e.byEnd[p.endpoint.Canonical()] = append(e.byEnd[p.endpoint.Canonical()], rec)
		}
		rec.judge(now)
	case r.Verdict != 0:
		rec.verdict = max(rec.verdict, r.Verdict)
	default:
		// What the server itself shows needs no verdict any more.
		rec.verdict, rec.observed, rec.only = Observed, true, nil
	}
	if rec.verdict > before {
		rec.describe(p, &r)
	}
	e.tell(rec, before)
}

// tell emits a finding when it is new, when its verdict or severity changed,
// and else with growing distance: whenever its count has doubled.
func (e *Engine) tell(r *record, before Verdict) {
	if !r.due() {
		return
	}
	if r.verdict != before || r.severity() != r.toldSeverity || r.told == 0 || r.count >= 2*r.told || r.released() {
		e.emit(r)
	}
}

func (e *Engine) emit(r *record) {
	f := r.finding(e.options.Sensor)
	if s := e.suppressed(r, &f); s != nil {
		r.suppressed, r.until, r.suppressedFor = true, s.Until, r.several
		r.told, r.toldVersion, r.toldSeverity = r.count, r.version, r.severity()
		if e.options.Suppress != nil {
			e.options.Suppress(f, s)
		}
		return
	}
	if r.told == 0 || r.suppressed {
		e.stats.Findings++
	}
	r.suppressed = false
	r.told, r.toldVersion, r.toldSeverity = r.count, r.version, r.severity()
	e.stats.Versions++
	if e.options.Emit != nil {
		e.options.Emit(f)
	}
	e.occurred(r)
}

// close tells the last version of a finding and forgets it.
func (e *Engine) close(r *record) {
	if r.due() && r.version != r.toldVersion {
		e.emit(r)
	}
	e.occurred(r)
	delete(e.open, r.key)
	e.order.Remove(r.place)
	for _, t := range r.attempts {
		end := t.endpoint.Canonical()
		if rest := slices.DeleteFunc(e.byEnd[end], func(o *record) bool { return o == r }); len(rest) > 0 {
			e.byEnd[end] = rest
		} else {
			delete(e.byEnd, end)
		}
	}
}

// rejudge looks again at the open findings of an endpoint of which something
// was learned.
func (e *Engine) rejudge(end *endpoint.Endpoint, now capture.Time) {
	for _, r := range e.byEnd[end.Canonical()] {
		before := r.verdict
		r.judge(now)
		if r.verdict != before {
			r.version++
			e.tell(r, before)
		}
	}
}

// reindex follows endpoints that were merged.
func (e *Engine) reindex() {
	clear(e.attemptKeys)
	if e.ledgers != nil {
		e.ledgers.merged()
	}
	old := e.byEnd
	e.byEnd = make(map[*endpoint.Endpoint][]*record, len(old))
	for front := e.order.Front(); front != nil; front = front.Next() {
		r := front.Value.(*record)
		for _, t := range r.attempts {
			end := t.endpoint.Canonical()
			if !slices.Contains(e.byEnd[end], r) {
				e.byEnd[end] = append(e.byEnd[end], r)
			}
		}
	}
}
