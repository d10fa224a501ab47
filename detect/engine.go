package detect

import (
	"container/list"
	"math"
	"net/netip"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/issuer"
	"github.com/authtap/authtap/detect/window"
)

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
	byNeeds    map[Needs][]*running
	endpoints  *endpoint.Map
	issuers    *issuer.Ledger
	hops       *hops
	forwarders *window.Cache[netip.Addr, forwarder]
	clock      capture.Time // of the latest mark
	collapsed  uint64

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
		issuers: issuer.NewLedger(issuer.Limits{}), hops: newHops(), forwarders: newForwarders(),
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
	if ins.forwarded != "" || x.Relayed.IsValid() {
		e.forwards(ins, now)
	}
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

// allJobs is a mark that all work is due at.
const allJobs = math.MaxUint64
