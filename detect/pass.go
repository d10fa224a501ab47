package detect

import (
	"net/netip"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/expression"
	"github.com/authtap/authtap/detect/issuer"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Pass is all that a detector may touch while it looks at one exchange. It and
// the exchange are valid during the call only, since their memory becomes
// another's (the functions given to Later get a Pass of their own); strings and
// credentials out of them may be kept. The tests of detecttest spoil what was
// looked at.
type Pass struct {
	engine   *Engine
	detector *running
	values   Values // the detector's options here
	off      bool   // its reports are dropped here
	ins      *Inspection
	endpoint *endpoint.Endpoint
	template string
	outcome  endpoint.Outcome
	login    endpoint.LoginOutcome
	showing  showing
}

// Now is the exchange's packet time: that of its request, or of its response
// where there is no request.
func (p *Pass) Now() capture.Time { return p.ins.Exchange.Origin.Time }

// Presented gives the credentials of the request. There are none when the
// request's head has a gap: what stands there is not believed.
func (p *Pass) Presented() []credential.Credential { return p.ins.Found.Request }

// Issued gives the credentials of the response.
func (p *Pass) Issued() []credential.Credential { return p.ins.Found.Response }

// Login is the login attempt that the request makes, nil where it makes none,
// and LoginOutcome what came of it.
func (p *Pass) Login() *credential.Login { return p.ins.Found.Login }

// LoginOutcome says what the login oracle makes of the answer.
func (p *Pass) LoginOutcome() endpoint.LoginOutcome { return p.login }

// LoginUnlike reports whether the login's outcome is unclear, but its answer whole
// and unlike those that failures are known to get here.
func (p *Pass) LoginUnlike() bool {
	return p.login == endpoint.LoginUnclear && p.endpoint.Unlike(&p.ins.Answer)
}

// Outcome says what the answer means for access to the resource.
func (p *Pass) Outcome() endpoint.Outcome { return p.outcome }

// Principal is the account that the request acts for, as far as it names one:
// that of the login, else of the first credential that names one.
func (p *Pass) Principal() string { return p.ins.Principal }

// Client is the client's address: the peer's, or behind a trusted proxy that
// which the proxy names.
func (p *Pass) Client() netip.Addr { return p.ins.Client }

// Host is the request's host, in lower case, without a default port.
func (p *Pass) Host() string { return p.ins.Host }

// Template is the path with its variable segments replaced: /users/{id}.
func (p *Pass) Template() string { return p.template }

// Endpoint names method and template: "GET /users/{id}". With the host it is
// what most dedupe keys are made of.
func (p *Pass) Endpoint() string { return p.ins.Exchange.Request.Method + " " + p.template }

// Discriminates reports whether the endpoint discriminates: it is known to refuse
// who has no good credential.
func (p *Pass) Discriminates() bool { return p.endpoint.Discriminates(p.Now()) }

// Options are the detector's options as in force for this exchange.
func (p *Pass) Options() Values { return p.values }

// look makes the pass that of a detector.
func (p *Pass) look(d *running) {
	p.detector = d
	p.values, p.off = d.at(p)
}

// State is what the detector's State function made for this engine.
func (p *Pass) State() any { return p.detector.state }

// Key joins the parts of a dedupe key. Parts come from traffic: the separator
// is escaped within them, and each is cut to 256 bytes.
func Key(parts ...string) string {
	if len(parts) == 1 && len(parts[0]) <= 256 && strings.IndexByte(parts[0], '|') < 0 {
		return parts[0]
	}
	n := len(parts)
	for _, s := range parts {
		n += min(len(s), 256)
	}
	var b strings.Builder
	b.Grow(n)
	for i, s := range parts {
		if i > 0 {
			b.WriteByte('|')
		}
		s = s[:min(len(s), 256)]
		if strings.IndexByte(s, '|') >= 0 {
			s = strings.ReplaceAll(s, "|", "%7C")
		}
		b.WriteString(s)
	}
	return b.String()
}

// AttemptKey is the key of what one client tries at one endpoint:
// host|METHOD template|address.
func (p *Pass) AttemptKey() string {
	memory := p.engine.attemptKeys
	k := attemptKey{p.endpoint, p.ins.Client}
	if s, ok := memory[k]; ok {
		return s
	}
	host := p.Host()
	if host == "" {
		host = p.ins.Exchange.Server.String()
	}
	s := Key(host, p.Endpoint(), p.Client().String())
	if p.endpoint != p.engine.endpoints.None() {
		if len(memory) >= 4096 {
			clear(memory)
		}
		memory[k] = s
	}
	return s
}

type attemptKey struct {
	endpoint *endpoint.Endpoint
	client   netip.Addr
}

// BehindTLS reports whether something in front of the server says that it
// ended TLS: then the client's own connection was encrypted.
func (p *Pass) BehindTLS() bool { return p.ins.BehindTLS }

// Report is what a detector says of an exchange. The engine adds what it knows
// of the exchange, decides on verdict and severity, and makes one finding of
// all reports with the same key.
type Report struct {
	// Key is the dedupe key: what makes this the same finding as another.
	Key string
	// Title, Severity and Confidence replace the detector's where set.
	Title      string
	Severity   Severity
	Confidence Confidence
	// Credential is the one that the report is about, nil where there is none.
	Credential *credential.Credential
	// Principal replaces the exchange's where set.
	Principal string
	// Evidence of this event; the finding keeps that of its first and of its
	// strongest event.
	Evidence Evidence
	// Explain, where set, is asked for the evidence when it is to be told: for
	// detectors that report most of what they are shown.
	Explain func(*Pass) Evidence
	// Posture makes the finding one of the server's own posture (verdict
	// observed), for detectors that are otherwise of attempts.
	Posture bool
	// ByLogin takes the verdict from the login oracle instead of the
	// endpoint's: for detectors of logins and single-use values.
	ByLogin bool
	// Claim says that the attempt presents no credential, so that its success
	// shows something only where others are refused.
	Claim bool
	// Verdict is set by window detectors only, from what their window holds.
	Verdict Verdict
	// Only holds the finding back until the verdict is one of these (empty:
	// any). Held reports are bounded and counted. Together with Posture it
	// says what the server must have done with the attempt that shows it.
	Only []Verdict
	// Count and First, where set, are the events that the report stands for
	// when it opens a finding (a window's events before its threshold) and the
	// time of the first of them. Later reports count one each.
	Count uint64
	First capture.Time
	// Clients and Principals say that those events had several.
	Clients, Principals bool
	// Status replaces the exchange's where set: that of an earlier event which
	// the report is about.
	Status int
}

// Report hands a report to the engine. A report of an attempt also makes its
// credential suspect: what the server answers to it teaches nothing about the
// endpoint, unless the detector is one of those that suspect the server.
func (p *Pass) Report(r Report) { p.engine.report(p, r) }

// Judge gives the verdict on an attempt with that credential as of now: for
// windows. Whoever reports leaves it to the engine, which goes on learning.
func (p *Pass) Judge(c *credential.Credential) Verdict {
	a := endpoint.Attempt{Answer: p.ins.Answer}
	a.Others, a.OtherKinds, a.Parts = endpoint.Kinds(p.ins.Found.Request, c, p.ins.OtherCookies)
	return p.endpoint.Judge(&a, p.Now())
}

// Suspect says, before there is a report, that a credential of the exchange may
// not be genuine: for detectors of attempts that find out later.
func (p *Pass) Suspect() {
	p.engine.suspect = true
	p.showing.reported()
}

// Suspicious reports whether a detector of attempts that looked at the
// exchange's tokens suspects one. Detectors of attempts look first; the others
// may ask.
func (p *Pass) Suspicious() bool { return p.engine.tokens.suspect }

// Issuers is what is known of issuers and their keys. It is not for Later's
// work.
func (p *Pass) Issuers() *issuer.Ledger { return p.engine.issuers }

// Published are the keys, or the metadata, that the response publishes; nil
// where it publishes none.
func (p *Pass) Published() *issuer.Document { return p.ins.Published }

// Observe adds an observation to the window of that name, one of the
// detector's, under key, asks the Crossed of every detector that has it, and
// gives what the window then holds: nil where another detector feeds it.
func (p *Pass) Observe(name, key string, e window.Event) *window.Summary {
	return p.engine.observe(p, name, key, e)
}

// Feeds reports whether it is this detector that feeds the window of that name:
// what the others would observe counts for nothing.
func (p *Pass) Feeds(name string) bool {
	w := p.engine.windows[name]
	return w != nil && w.askers[0].detector == p.detector
}

// Ongoing reports whether a finding of that detector with that dedupe key is
// open and had news within the last span of packet time.
func (p *Pass) Ongoing(detector, key string, within time.Duration) bool {
	return p.engine.ongoing(detector, key, p.Now(), within)
}

// Later runs work off the packet path; what it returns, if anything, is run as
// if it were part of this call, with the same Pass. In a replay the engine
// waits for it before it goes past the current mark; live, it is run when the
// work is done. work must not touch the Pass.
func (p *Pass) Later(work func() func(p *Pass)) {
	p.showing.reported() // what comes of it may be a report
	p.engine.later(p, work, 1)
}

// Eventually is Later for work that takes long and need not be known soon: a
// replay goes on meanwhile.
func (p *Pass) Eventually(work func() func(p *Pass)) { p.engine.later(p, work, patience) }

// Secrets are the weak secrets to try, nil where there are none. They may be
// used within Later's work.
func (p *Pass) Secrets() *credential.Secrets { return p.engine.options.Secrets }

// Target gives the request's path and query as evidence, every credential in
// them replaced by its mask.
func (p *Pass) Target() credential.Redacted { return p.ins.Redact(p.ins.Exchange.Request.Target) }

// Redact gives text from this exchange as evidence: every credential that was
// found in the exchange, and everything that looks like one, is replaced by
// its mask, and the length is bounded.
func (p *Pass) Redact(s string) credential.Redacted { return p.ins.Redact(s) }

// Accounts gives names of accounts, of this exchange and of others, as
// evidence.
func (p *Pass) Accounts(names []string) credential.Redacted {
	if p.engine.options.HidePrincipals {
		return credential.Hidden(names)
	}
	return p.Redact(strings.Join(names, ", "))
}

// Subject is what expressions are asked about. Its bodies are gone.
func (p *Pass) Subject() expression.Subject { return p.ins.Subject() }

// Exchange is the exchange looked at.
func (p *Pass) Exchange() *exchange.Exchange { return p.ins.Exchange }

// TrustedPeer reports whether the connection's other end may say who a request
// is for: a trusted proxy, or where none is configured, a private address.
func (p *Pass) TrustedPeer() bool {
	return p.engine.options.trustedPeer(p.ins.Exchange.Client.Addr())
}

// AsksCaptcha reports whether the answer to a login by fields has a captcha.
func (p *Pass) AsksCaptcha() bool { return p.ins.Captcha }

// SaysFailure reports whether the answer has words of a login, or a code, that
// was wrong, whatever its status.
func (p *Pass) SaysFailure() bool { return p.ins.Answer.Marks&endpoint.SaysFailure != 0 }

// Asked is what the request asks about an account, nil where nothing.
func (p *Pass) Asked() *credential.Asked { return p.ins.Found.Asked }

// Told is a hash of what the answer to a login by fields, or to a question
// about an account, says to people, the account's name apart; 0 where nobody
// knows.
func (p *Pass) Told() uint64 { return p.ins.Told }

// Account is what the request sets of an account, nil where nothing.
func (p *Pass) Account() *credential.Account { return p.ins.Found.Account }

// Attempts is how many passwords or codes the request tries at once, 0 where it
// is no batch.
func (p *Pass) Attempts() int { return p.ins.Found.Attempts }

// Ticket names the account or the transaction that the request's one-time code
// belongs to, zero where nothing tells.
func (p *Pass) Ticket() credential.ID { return p.ins.Found.Ticket }

// AsLogin says what the answer means if the request is a login, which its fields
// do not tell: an attack stands in them. proven says that it is known how the
// endpoint answers a login that fails, or that the answer gives a token.
func (p *Pass) AsLogin() (o endpoint.LoginOutcome, proven bool) {
	failures, _ := p.endpoint.Logins()
	a := &p.ins.Answer
	return p.endpoint.Login(a, &credential.Login{}, p.Now()), failures > 0 || a.Marks&endpoint.IssuesToken != 0
}

// Echoes name values of the answer that may be one-time codes. They are of the
// kind of a presented code's ID.
func (p *Pass) Echoes() []credential.ID { return p.ins.Found.Echoes }

// Payload is what stands in a login's fields to get around it.
func (p *Pass) Payload() credential.Payload { return p.ins.Found.Payload }

// Exposed are the secrets in the answer that no client should get.
func (p *Pass) Exposed() []credential.Credential { return p.ins.Found.Exposed }

// Reflected is the credential of the request that the answer repeats, nil where
// it repeats none.
func (p *Pass) Reflected() *credential.Credential { return p.ins.Found.Reflected }

// Operation is what the request asks of its path: the fields of GraphQL, the
// methods of JSON-RPC, sorted; "" where the path says all.
func (p *Pass) Operation() string { return p.ins.Operation }
