package detect

import (
	"encoding/hex"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/issuer"
	"github.com/authtap/authtap/detect/window"
)

// The bounds of a row's lists, and of the names in it.
const (
	maxUseClients = 64
	maxUseHosts   = 16
	maxLooks      = 8
	maxKeyName    = 256
)

// A live engine tells a row that has changed retellAfter after it was told
// last; each minute of packet time no more than maxTold of each ledger are told,
// so that a day's end is no flood.
const (
	retellAfter = 5 * time.Minute
	maxTold     = 2000
)

// ledger holds the rows of one kind that are open.
type ledger[K comparable, R any] struct {
	rows  *window.Cache[K, line[R]]
	limit int
	emit  func(*R, capture.Time)
}

// line is a row and whether it is told.
type line[R any] struct {
	row     R
	day     int64
	changed bool
	told    capture.Time // 0: it was not yet
}

func newLedger[K comparable, R any](limit int, emit func(*R, capture.Time)) ledger[K, R] {
	return ledger[K, R]{window.NewCache[K, line[R]](limit, 0), limit, emit}
}

// at gives the row that counts for key now; created says that it is to be
// filled. What is told before it of the same key stays as it is.
func (l *ledger[K, R]) at(k K, now capture.Time) (row *line[R], created bool) {
	if v := l.rows.Get(k, now); v != nil {
		if v.day >= dayOf(now) {
			v.changed = true
			return v, false
		}
		l.close(k, v, now)
	}
	if l.rows.Len() >= l.limit {
		if _, v := l.rows.Oldest(); v != nil {
			l.tell(v, now)
		}
	}
	v, _ := l.rows.At(k, now)
	v.day, v.changed = dayOf(now), true
	return v, true
}

func (l *ledger[K, R]) tell(v *line[R], now capture.Time) {
	if v.changed {
		v.changed, v.told = false, now
		l.emit(&v.row, now)
	}
}

func (l *ledger[K, R]) close(k K, v *line[R], now capture.Time) {
	l.tell(v, now)
	l.rows.Delete(k)
}

// minute closes rows of earlier days, and, live, tells those that changed.
func (l *ledger[K, R]) minute(clock capture.Time, live bool) {
	left := maxTold
	for ; left > 0; left-- {
		k, v := l.rows.Oldest()
		if v == nil || v.day >= dayOf(clock) {
			break
		}
		l.close(k, v, clock)
	}
	if !live {
		return
	}
	l.rows.Each(func(_ K, v *line[R]) {
		if left > 0 && v.changed && (v.told == 0 || clock.Sub(v.told) >= retellAfter) {
			l.tell(v, clock)
			left--
		}
	})
}

// end tells all that is not told.
func (l *ledger[K, R]) end(now capture.Time) {
	l.rows.Each(func(_ K, v *line[R]) { l.tell(v, now) })
}

func dayOf(t capture.Time) int64 {
	d := int64(t) / int64(24*time.Hour)
	if t < 0 {
		d--
	}
	return d
}

// ledgers are what an engine keeps of endpoints, credentials and issuers, to
// tell it.
type ledgers struct {
	engine    *Engine
	endpoints ledger[endpointKey, endpointRow]
	uses      ledger[useKey, Use]
	keys      ledger[keyKey, IssuerKey]
	// issued are credentials that servers were seen to hand out lately.
	issued *window.Cache[credential.ID, struct{}]
	now    capture.Time
}

type endpointKey struct {
	end   *endpoint.Endpoint
	input uint32
}

type endpointRow struct {
	Endpoint
	end   *endpoint.Endpoint
	kinds uint32 // a bit a kind
}

type useKey struct {
	id    credential.ID
	input uint32
}

type keyKey struct {
	input                        uint32
	issuer, host, kid, algorithm string
	id                           issuer.ID
}

func newLedgers(e *Engine) *ledgers {
	o := &e.options
	l := &ledgers{engine: e, issued: window.NewCache[credential.ID, struct{}](o.LedgerRows, 0)}
	l.endpoints = newLedger[endpointKey](o.LedgerRows, func(r *endpointRow, now capture.Time) {
		r.Kinds = nil
		for b := r.kinds; b != 0; b &= b - 1 {
			r.Kinds = append(r.Kinds, credential.Kind(bits.TrailingZeros32(b)).String())
		}
		slices.Sort(r.Kinds)
		r.Discriminates = r.Discriminates || r.end.Discriminates(now)
		if o.Endpoint != nil {
			o.Endpoint(r.Endpoint)
		}
	})
	l.uses = newLedger[useKey](o.LedgerRows, func(r *Use, _ capture.Time) {
		if o.Use != nil {
			o.Use(*r)
		}
	})
	l.keys = newLedger[keyKey](o.LedgerRows, func(r *IssuerKey, _ capture.Time) {
		if o.IssuerKey != nil {
			o.IssuerKey(*r)
		}
	})
	return l
}

// evicted is how many rows made room for others.
func (l *ledgers) evicted() uint64 {
	return l.endpoints.rows.Evicted() + l.uses.rows.Evicted() + l.keys.rows.Evicted()
}

// seen is the beginning of a row.
func (l *ledgers) seen(p *Pass) Seen {
	o := &l.engine.options
	now := Timestamp(p.Now())
	return Seen{Sensor: o.Sensor, File: o.Input(p.ins.Exchange.Origin.Input), Begin: now, Last: now}
}

// exchange takes an exchange that was judged.
func (l *ledgers) exchange(p *Pass, suspect bool) {
	now := p.Now()
	l.now = max(l.now, now)
	login := p.ins.Found.Login
	if login != nil && (login.Form == "basic" || login.Form == "digest" || login.Form == "ntlm") {
		login = nil
	}
	if p.endpoint != l.engine.endpoints.None() {
		l.endpoint(p, login, now)
	}
	for i, list := 0, p.Issued(); i < len(list); i++ {
		l.issued.At(list[i].ID, now)
	}
	for i, list := 0, p.Presented(); i < len(list); i++ {
		if c := &list[i]; c.Flaw == 0 && !inReferer(c) {
			l.use(p, c, login, suspect, now)
		}
	}
}

func (l *ledgers) endpoint(p *Pass, login *credential.Login, now capture.Time) {
	k := endpointKey{p.endpoint.Canonical(), p.ins.Exchange.Origin.Input}
	v, created := l.endpoints.at(k, now)
	if !created && v.row.Path != p.template {
		// Its path was found to have a variable segment meanwhile. What was told
		// keeps the old name.
		if v.told != 0 {
			l.endpoints.close(k, v, now)
			v, created = l.endpoints.at(k, now)
		} else {
			v.row.Path = p.template
		}
	}
	r := &v.row
	if created {
		r.Seen, r.end = l.seen(p), k.end
		r.Host, r.Method, r.Path = host(p), strings.Clone(p.ins.Exchange.Request.Method), p.template
		r.Operation = p.endpoint.Operation()
	}
	r.Last = max(r.Last, Timestamp(now))
	r.Answers[endpoint.PresentedBy(p.ins.Found.Request, p.ins.OtherCookies)][p.outcome]++
	if p.outcome == endpoint.Success {
		for i, list := 0, p.Presented(); i < len(list); i++ {
			if c := &list[i]; c.Access() && c.Flaw == 0 {
				r.kinds |= 1 << c.Kind
			}
		}
	}
	if login == nil {
		return
	}
	r.Logins[p.login]++
	switch p.login {
	case endpoint.LoginSuccess:
		addLook(&r.Successes, &p.ins.Answer)
	case endpoint.LoginFailure:
		addLook(&r.Failures, &p.ins.Answer)
	}
}

// host of a row: the request's, else the server's address.
func host(p *Pass) string {
	if p.ins.Host == "" {
		return p.ins.Exchange.Server.String()
	}
	return strings.Clone(p.ins.Host[:min(len(p.ins.Host), maxKeyName)])
}

// addLook adds how an answer looks, where it is new.
func addLook(list *[]string, a *endpoint.Answer) {
	if look := a.Look(); len(*list) < maxLooks && !slices.Contains(*list, look) {
		// Rows that were told share the old one.
		*list = append(slices.Clip(*list), look)
		slices.Sort(*list)
	}
}

// use takes a credential that a request presents.
func (l *ledgers) use(p *Pass, c *credential.Credential, login *credential.Login, suspect bool, now capture.Time) {
	outcome := p.outcome
	switch {
	case c.Access():
	case c.Kind == credential.RefreshToken || c.Kind == credential.ClientSecret:
		if login == nil {
			return
		}
		switch p.login {
		case endpoint.LoginSuccess:
			outcome = endpoint.Success
		case endpoint.LoginFailure:
			outcome = endpoint.Refusal
		default:
			outcome = endpoint.Unclear
		}
	default:
		return
	}
	k := useKey{c.ID, p.ins.Exchange.Origin.Input}
	if (outcome != endpoint.Success || suspect) && l.uses.rows.Get(k, now) == nil {
		return // nobody has let it in
	}
	v, created := l.uses.at(k, now)
	r := &v.row
	if created {
		r.Seen = l.seen(p)
		r.Kind, r.ID, r.Mask, r.Place = c.Kind.String(), c.ID, strings.Clone(c.Mask), strings.Clone(c.Place.String())
		if c.JWT != nil && c.JWT.Expires.Set {
			r.Expires = Timestamp(c.JWT.Expires.At)
		}
		r.Issued = l.issued.Get(c.ID, now) != nil
	}
	r.Last = max(r.Last, Timestamp(now))
	r.Answers[outcome]++
	if r.Principal == "" {
		if r.Principal = c.Principal; r.Principal == "" {
			r.Principal = p.ins.Principal
		}
		r.Principal = strings.Clone(r.Principal)
	}
	if len(r.Clients) < maxUseClients && !slices.Contains(r.Clients, p.ins.Client) {
		r.Clients = append(r.Clients, p.ins.Client)
	}
	if len(r.Hosts) < maxUseHosts && !slices.Contains(r.Hosts, p.ins.Host) {
		r.Hosts = append(r.Hosts, host(p))
	}
}

// published takes the keys that a host publishes.
func (l *ledgers) published(p *Pass, d *issuer.Document) {
	for _, k := range d.Keys {
		r := l.key(p, keyKey{issuer: "", kid: k.Kid, algorithm: k.Alg, id: k.ID})
		r.Published = true
		r.describe(k)
	}
}

// signed takes a genuine token.
func (l *ledgers) signed(p *Pass, t *credential.Token, issued bool) {
	name := t.Issuer[:min(len(t.Issuer), maxKeyName)]
	kid := t.Kid[:min(len(t.Kid), maxKeyName)]
	k := keyKey{issuer: name, kid: kid, algorithm: t.Alg[:min(len(t.Alg), maxKeyName)]}
	key := l.engine.issuers.Key(name, kid, p.ins.Host, p.Now())
	if key != nil {
		k.id = key.ID
	}
	r := l.key(p, k)
	r.Issued, r.Accepted = r.Issued || issued, r.Accepted || !issued
	if key != nil {
		r.Published = true
		r.describe(key)
	}
	if r.Type == "" {
		r.Type = issuer.KeyType(t)
	}
}

func (l *ledgers) key(p *Pass, k keyKey) *IssuerKey {
	now := p.Now()
	l.now = max(l.now, now)
	k.input, k.host = p.ins.Exchange.Origin.Input, host(p)
	// They are parts of the token.
	k.issuer, k.kid, k.algorithm = strings.Clone(k.issuer), strings.Clone(k.kid), strings.Clone(k.algorithm)
	v, created := l.keys.at(k, now)
	if created {
		v.row = IssuerKey{Seen: l.seen(p), Issuer: k.issuer, Host: k.host, Kid: k.kid, Algorithm: k.algorithm}
	}
	v.row.Last = max(v.row.Last, Timestamp(now))
	return &v.row
}

func (r *IssuerKey) describe(k *issuer.Key) {
	r.Type, r.Bits, r.Thumbprint = k.Type, uint32(max(k.Bits, 0)), hex.EncodeToString(k.ID[:])
}

// minute is called when one of packet time is over.
func (l *ledgers) minute(clock capture.Time) {
	live := l.engine.options.Live
	l.endpoints.minute(clock, live)
	l.uses.minute(clock, live)
	l.keys.minute(clock, live)
}

// end tells what is not told.
func (l *ledgers) end() {
	l.endpoints.end(l.now)
	l.uses.end(l.now)
	l.keys.end(l.now)
}

// merged follows endpoints that were merged into others: of those that were not
// told yet, one row remains.
func (l *ledgers) merged() {
	var gone []endpointKey
	l.endpoints.rows.Each(func(k endpointKey, v *line[endpointRow]) {
		if k.end.Canonical() != k.end && v.told == 0 {
			gone = append(gone, k)
		}
	})
	for _, k := range gone {
		from := *l.endpoints.rows.Get(k, l.now)
		l.endpoints.rows.Delete(k)
		v, created := l.endpoints.at(endpointKey{k.end.Canonical(), k.input}, l.now)
		if created {
			from.row.end = k.end.Canonical()
			*v = from
			continue
		}
		r, o := &v.row, &from.row
		if v.told == 0 {
			r.Begin = min(r.Begin, o.Begin)
		}
		r.Last, r.kinds = max(r.Last, o.Last), r.kinds|o.kinds
		for i := range r.Answers {
			for j := range r.Answers[i] {
				r.Answers[i][j] += o.Answers[i][j]
			}
		}
		for i := range r.Logins {
			r.Logins[i] += o.Logins[i]
		}
	}
}
