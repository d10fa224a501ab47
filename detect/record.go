package detect

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

// record is an open finding: what its versions are made of.
type record struct {
	key          recordKey
	detector     *running
	dedupe       string
	place        *list.Element
	first, last  capture.Time
	count        uint64
	version      uint64
	told         uint64 // the count when it was last told
	toldVersion  uint64
	toldSeverity Severity
	minute       minute
	// suppressed says that its last version was kept from being told, expired
	// that it would have been by a suppression that is no longer in force.
	suppressed, expired bool
	until               capture.Time // of the suppression
	suppressedFor       several      // what it was then

	title      string
	base       Severity
	laddered   bool // severity follows the verdict
	confidence Confidence
	verdict    Verdict
	posture    bool // its verdict becomes observed
	observed   bool // and has, which no attempt weakens
	only       []Verdict
	attempts   []attempt

	// What events have in common; zero where they differ.
	client     netip.Addr
	clientPort uint16
	server     netip.AddrPort
	principal  string
	credential presented
	several    several

	// Of the first of the strongest events.
	host, method, path string
	status             int
	evidence           Evidence
	raw                bool // it is not redacted yet: it is when it is told

	// Of the first event.
	file      string
	packet    uint64
	community string
}

// several says what the events of a finding differ in.
type several uint8

const (
	clients several = 1 << iota
	clientPorts
	servers
	principals
	credentials
)

// attempt is what one verdict rests on.
type attempt struct {
	endpoint *endpoint.Endpoint
	facts    endpoint.Attempt
	login    *credential.Login // judged by the login oracle when set
}

// maxAttempts is how many different attempts a finding is judged by. Equal
// ones are kept once, so an attack takes few; what comes beyond is not looked
// at again.
const maxAttempts = 32

// recordKey finds an open finding.
type recordKey struct{ detector, dedupe string }

func newRecord(p *Pass, r *Report, key recordKey) *record {
	x := p.ins.Exchange
	d := p.detector
	rec := &record{
		key: key, detector: d, dedupe: r.Key, first: p.Now(), last: p.Now(), count: 1, version: 1,
		title: d.Title, base: d.Severity, confidence: d.Confidence, only: r.Only, posture: r.Posture,
		laddered: d.Attempt && !r.Posture && r.Verdict == 0,
		client:   p.ins.Client, clientPort: x.Client.Port(), server: x.Server, principal: p.principal(r),
		file: p.engine.options.Input(x.Origin.Input), packet: x.Origin.Number,
		community: string(reassembly.AppendCommunityID(nil, x.Client, x.Server)),
	}
	if p.ins.Client != x.Client.Addr() {
		rec.clientPort = 0
	}
	if r.Count > 1 {
		rec.count = r.Count
		rec.several |= clientPorts
	}
	if r.Clients {
		rec.several |= clients
	}
	if r.Principals {
		rec.several |= principals
	}
	if r.First != 0 {
		rec.first = min(rec.first, r.First)
	}
	if r.Credential != nil {
		rec.credential = named(r.Credential)
	}
	rec.restate(r)
	return rec
}

func (p *Pass) principal(r *Report) string {
	if r.Principal != "" {
		return r.Principal
	}
	if r.Credential != nil && r.Credential.Principal != "" {
		return r.Credential.Principal
	}
	return p.ins.Principal
}

// presented names a credential; it is compared with each event's.
type presented struct {
	kind  credential.Kind
	place credential.Place
	id    credential.ID
	mask  string
}

func named(c *credential.Credential) presented { return presented{c.Kind, c.Place, c.ID, c.Mask} }

// restate takes over what a report says of the finding as a whole.
func (rec *record) restate(r *Report) {
	if r.Title != "" {
		rec.title = r.Title
	}
	if r.Severity != 0 {
		rec.base = max(r.Severity, rec.stated(r))
	}
	if r.Confidence != 0 {
		rec.confidence = r.Confidence
	}
}

// stated is the severity that earlier reports gave, which a later one can only
// raise; the detector's own is none of them.
func (rec *record) stated(r *Report) Severity {
	if rec.version == 1 {
		return r.Severity
	}
	return rec.base
}

// add takes a further event.
func (rec *record) add(p *Pass, r *Report) {
	x := p.ins.Exchange
	rec.count++
	rec.version++
	rec.last = max(rec.last, p.Now())
	rec.restate(r)
	if p.ins.Client != rec.client {
		rec.several |= clients
	}
	if x.Client.Port() != rec.clientPort {
		rec.several |= clientPorts
	}
	if x.Server != rec.server {
		rec.several |= servers
	}
	if rec.several&principals == 0 && p.principal(r) != rec.principal {
		rec.several |= principals
	}
	if rec.several&credentials == 0 && r.Credential != nil && named(r.Credential) != rec.credential {
		rec.several |= credentials
	}
	if r.Verdict != 0 && len(r.Evidence) > 0 {
		rec.evidence, rec.raw = r.Evidence, true // a window's evidence grows
	}
}

// describe takes the exchange as the one that the finding shows: the first of
// those with the strongest verdict.
func (rec *record) describe(p *Pass, r *Report) {
	x := p.ins.Exchange
	rec.host = p.ins.Host
	rec.method = x.Request.Method
	rec.path = p.template
	rec.status = int(p.ins.Answer.Status)
	if rec.status == 0 && x.Flags&exchange.Unpaired == 0 {
		rec.status = x.Response.Status
	}
	if r.Status != 0 {
		rec.status = r.Status
	}
	rec.evidence, rec.raw = settle(p, r), false
}

// settle gives a report's evidence, redacted, to be kept.
func settle(p *Pass, r *Report) Evidence {
	if r.Explain != nil {
		return settled(r.Explain(p))
	}
	return settled(r.Evidence)
}

func settled(e Evidence) Evidence {
	e = slices.Clone(e)
	for i := range e {
		e[i].Value = e[i].Value.Settle()
	}
	return e
}

// keep remembers what the verdict rests on and reports whether the finding is
// to be looked at again when its endpoint learns.
func (rec *record) keep(p *Pass, r *Report) bool {
	t := attempt{endpoint: p.endpoint, facts: endpoint.Attempt{Answer: p.ins.Answer, Claim: r.Claim}}
	if r.ByLogin {
		t.login = p.ins.Found.Login
	}
	t.facts.Others, t.facts.OtherKinds, t.facts.Parts = endpoint.Kinds(p.ins.Found.Request, r.Credential, p.ins.OtherCookies)
	known := false
	for i := range rec.attempts {
		o := &rec.attempts[i]
		if o.endpoint.Canonical() != t.endpoint.Canonical() {
			continue
		}
		known = true
		if o.facts == t.facts && (o.login == nil) == (t.login == nil) && (o.login == nil || o.login.Form == t.login.Form) {
			return false
		}
	}
	if len(rec.attempts) >= maxAttempts {
		return false
	}
	rec.attempts = append(rec.attempts, t)
	return !known
}

// judge finds the strongest verdict of the attempts, by what is known now.
func (rec *record) judge(now capture.Time) {
	if rec.observed {
		return
	}
	rec.verdict = 0
	for i := range rec.attempts {
		t := &rec.attempts[i]
		v := Unknown
		if t.login == nil {
			v = t.endpoint.Judge(&t.facts, now)
		} else {
			switch t.endpoint.Login(&t.facts.Answer, t.login, now) {
			case endpoint.LoginSuccess:
				v = Accepted
			case endpoint.LoginFailure:
				v = Rejected
			}
		}
		rec.verdict = max(rec.verdict, v)
	}
	if rec.posture && slices.Contains(rec.only, rec.verdict) {
		rec.verdict, rec.observed = Observed, true
	}
}

// due reports whether the finding may be told: whether its verdict is one that
// its reports asked for.
func (rec *record) due() bool {
	return len(rec.only) == 0 || rec.observed || slices.Contains(rec.only, rec.verdict)
}

// severity follows the verdict (docs/verdicts.md).
func (rec *record) severity() Severity {
	s := rec.base
	if rec.laddered {
		switch rec.verdict {
		case LikelyAccepted:
			s--
		case Rejected, Unknown:
			s -= min(s, 2)
		}
	}
	return max(s, Info)
}

// finding makes the version as of now.
func (rec *record) finding(sensor string) Finding {
	if rec.raw {
		rec.evidence, rec.raw = settled(rec.evidence), false
	}
	f := Finding{
		ID: rec.id(sensor), Version: rec.version,
		Detector: rec.detector.Name, Title: rec.title, Severity: rec.severity(), Confidence: rec.confidence,
		Verdict: rec.verdict, DedupeKey: rec.dedupe,
		FirstSeen: Timestamp(rec.first), LastSeen: Timestamp(rec.last), Count: rec.count,
		Host: rec.host, Method: rec.method, Path: rec.path, Status: rec.status,
		Evidence: slices.Clone(rec.evidence), References: rec.detector.refs, CommunityID: rec.community,
		Capture: Capture{File: rec.file, Packet: rec.packet}, Sensor: sensor,
	}
	if rec.several&clients == 0 {
		f.Client = &Address{IP: rec.client, Port: rec.clientPort}
		if rec.several&clientPorts != 0 {
			f.Client.Port = 0
		}
	}
	if rec.several&servers == 0 {
		f.Server = &Address{IP: rec.server.Addr(), Port: rec.server.Port()}
	}
	if rec.several&principals == 0 {
		f.Principal = rec.principal
	}
	if c := rec.credential; rec.several&credentials == 0 && c.kind != 0 {
		f.Credential = &Credential{Kind: c.kind.String(), Place: c.place.String(), ID: c.id.String(), Mask: c.mask}
	}
	return f
}

// id gives the finding's ID.
func (rec *record) id(sensor string) string {
	return FindingID(sensor, rec.detector.Name, rec.dedupe, rec.first)
}

// FindingID is the hash that the same finding has on every run.
func FindingID(sensor, detector, dedupe string, first capture.Time) string {
	h := sha256.New()
	for _, s := range []string{sensor, detector, dedupe} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(first))
	h.Write(n[:])
	return hex.EncodeToString(h.Sum(nil)[:16])
}
