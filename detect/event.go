package detect

import (
	"net/netip"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
)

// AuthEvent is one login attempt and what came of it, as it was judged when it
// was seen. An AuthEvent is immutable.
//
// Sensor, Capture.File, Series and Number together are its identity: the same
// on every run over the same packets, and never another attempt's. Numbers of a
// series are dense, so that a set of them is small.
type AuthEvent struct {
	Time Timestamp
	// Series is the time of the first attempt that this run saw in the same
	// file or on the same interface; Number counts from 1 within it.
	Series Timestamp
	Number uint64

	Sensor string
	// Host, Method and Path (a template) of the endpoint.
	Host, Method, Path string
	Client             netip.Addr
	// Principal is the account's name as sent, or its keyed hash where names
	// are hidden; PrincipalID is the keyed hash of the name in lower case, and
	// CredentialID that of the secret. They are zero where none was sent, or
	// none that can be compared.
	Principal                 string
	PrincipalID, CredentialID credential.ID
	// Kind is what carried it: "form", "json", "basic", "oauth:password".
	Kind    string
	Outcome endpoint.LoginOutcome
	// Status of the answer, 0 where there is none.
	Status  int
	Capture Capture
}

// Occurrence is how many events of a finding came within one minute. Later
// states of the same minute have a higher Version. An Occurrence is immutable.
type Occurrence struct {
	// Finding is its ID, Version the finding's version then: with the minute
	// it orders the states of one occurrence.
	Finding string
	Version uint64
	// Minute is the beginning of the minute of packet time.
	Minute Timestamp
	// Count of events within the minute so far.
	Count    uint64
	Detector string
	// Severity and Verdict of the finding then.
	Severity Severity
	Verdict  Verdict
	// Host and Client of the finding; the zero address where there were
	// several.
	Host   string
	Client netip.Addr
	Sensor string
}

// series numbers the login attempts of one input.
type series struct {
	first  capture.Time
	number uint64
}

// event tells of a login attempt.
func (e *Engine) event(p *Pass, l *credential.Login) {
	x := p.ins.Exchange
	s, now := e.series[x.Origin.Input], p.Now()
	if s.number == 0 {
		s.first = now
	}
	s.number++
	e.series[x.Origin.Input] = s
	e.options.AuthEvent(AuthEvent{
		Time: Timestamp(now), Series: Timestamp(s.first), Number: s.number,
		Sensor: e.options.Sensor,
		// Cloned, so that the rest of the exchange is not kept with them.
		Host: strings.Clone(p.ins.Host), Method: strings.Clone(x.Request.Method), Path: strings.Clone(p.template),
		Client: p.ins.Client, Principal: strings.Clone(l.Principal), PrincipalID: l.PrincipalID, CredentialID: l.Password,
		Kind: l.Form, Outcome: p.login, Status: int(p.ins.Answer.Status),
		Capture: Capture{File: e.options.Input(x.Origin.Input), Packet: x.Origin.Number},
	})
}

// minute is what happened to a finding in the last minute that had events.
type minute struct {
	begin   capture.Time
	count   uint64
	told    uint64 // of count
	version uint64 // the finding's, at the last of them
	events  uint64 // the finding's count when it was last looked at
	listed  bool   // in Engine.minutes
}

func minuteOf(t capture.Time) capture.Time {
	m := t % capture.Time(time.Minute)
	if m < 0 {
		m += capture.Time(time.Minute)
	}
	return t - m
}

// happen counts what was added to a finding since it was last called. Events
// that come behind those of a later minute count there, so that a minute, once
// over, stays as it was told.
func (e *Engine) happen(r *record, now capture.Time) {
	if e.options.Occurrence == nil {
		return
	}
	m := &r.minute
	if begin := minuteOf(now); begin > m.begin || m.count == 0 {
		e.occurred(r)
		m.begin, m.count, m.told = begin, 0, 0
	}
	m.count += r.count - m.events
	m.events, m.version = r.count, r.version
	if m.listed {
		return
	}
	if len(e.minutes) >= e.options.MaxFindings {
		e.tellMinutes()
	}
	m.listed = true
	e.minutes = append(e.minutes, r)
}

// tellMinutes tells the minutes of all findings that had events since it was
// last called.
func (e *Engine) tellMinutes() {
	for _, r := range e.minutes {
		r.minute.listed = false
		e.occurred(r)
	}
	clear(e.minutes)
	e.minutes = e.minutes[:0]
}

// occurred tells the minute at hand, as far as it was not, once the finding
// itself was.
func (e *Engine) occurred(r *record) {
	m := &r.minute
	if e.options.Occurrence == nil || m.count == m.told || r.told == 0 || r.suppressed {
		return
	}
	m.told = m.count
	o := Occurrence{
		Finding: r.id(e.options.Sensor), Version: m.version, Minute: Timestamp(m.begin), Count: m.count,
		Detector: r.detector.Name, Severity: r.severity(), Verdict: r.verdict, Host: r.host, Sensor: e.options.Sensor,
	}
	if r.several&clients == 0 {
		o.Client = r.client
	}
	e.options.Occurrence(o)
}
