package detect

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Detector is one kind of finding: a value in a file of its own in
// detect/rules. Everything that is known of it (the README's table, `authtap
// detectors`, `authtap explain`) comes from this value.
type Detector struct {
	// Name is final: lower case, words joined by _.
	Name  string
	Title string
	// Doc says what it finds, why that matters, when it may be wrong and what
	// to do; four paragraphs separated by empty lines, in that order.
	Doc string
	// Severity is that of an accepted attempt, of a posture finding or of a
	// window finding.
	Severity Severity
	// Attempt marks detectors of a presented credential: their findings have a
	// verdict, and a severity that follows from it.
	Attempt bool
	// Genuine marks detectors of attempts whose credential may well be a good
	// one (it is weak, or in the wrong place): what the server answers to it
	// still teaches what the endpoint does.
	Genuine    bool
	Confidence Confidence
	// References.
	CWE    []int    // numbers of the Common Weakness Enumeration
	OWASP  []string // "API2:2023"
	ASVS   []string // sections of ASVS 5.0, "9.1.1"
	RFC    []string // "RFC 8725 §3.1"
	ATTACK []string // MITRE ATT&CK techniques, "T1110.001"
	// Custom marks a rule of the user's: its Doc is what he says of it, and the
	// references are his to give; Links are further ones, URLs.
	Custom bool
	Links  []string
	// Needs says which exchanges the detector is shown: those that have any of
	// these. Most exchanges pass most detectors unseen.
	Needs Needs
	// Options with their defaults; a configuration may change them.
	Options []Option
	// State, when set, makes what the detector keeps across exchanges; it
	// comes back from Pass.State. It must be bounded (window.Cache is); with a
	// method Evicted() uint64 it tells how often the bound was met.
	State func(o Values) any
	// Exchange looks at one exchange. x is p's. It may be nil where Token or
	// Handshake is there.
	Exchange func(p *Pass, x *exchange.Exchange)
	// Content, where set, says whether Exchange is to see an exchange: it is
	// asked by the shards, while the bodies' bytes are there, and must be safe
	// for concurrent use. At most 64 detectors have it.
	Content func(ins *Inspection) bool
	// Token looks at a JSON Web Token that the request presents (Pass.Tokens)
	// or that the server issues (Pass.IssuedTokens), whatever Needs says. A
	// token that it has seen it is shown again when the token comes to another
	// host or place, has another outcome, or after Reshow; of an Attempt that it
	// reported, every time.
	Token func(p *Pass, c *credential.Credential, issued bool)
	// Handshake looks at one handshake of TLS, whatever Needs says. h is p's;
	// of an exchange and of who acted in it the Pass knows nothing.
	Handshake func(p *Pass, h *exchange.Handshake)
	// Windows are the sliding windows that the detector asks; Pass.Observe
	// feeds them.
	Windows []Window
}

// Window is a sliding window for each key. Windows of the same name are one,
// whichever detectors ask it, and have the same Span: all of those detectors
// observe the same of an exchange, and what the first of them by name that is
// switched on observes is what counts. Crossed of all of them is asked after
// each observation, by the detectors' names.
type Window struct {
	Name string
	// Span is the window's length in packet time.
	Span time.Duration
	// Crossed is called after an observation of key with what the window then
	// holds. It reports when the threshold is met, and again for each later
	// observation that belongs to the same attack; the engine makes one
	// finding of it.
	Crossed func(p *Pass, key string, s *window.Summary)
}

// Needs is a set of properties of an exchange.
type Needs uint32

// The properties.
const (
	Presented     Needs = 1 << iota // a credential in the request
	PresentedJWT                    // a JWT in the request
	IssuedJWT                       // a JWT in the response
	Issued                          // any credential in the response
	LoginAttempt                    // a login attempt (Pass.Login)
	InTarget                        // a credential in the request's target
	Challenge                       // WWW-Authenticate or Proxy-Authenticate in the response
	PublishesKeys                   // public keys or an issuer's metadata in the response (Pass.Published)
	Authorizes                      // an OAuth authorization request
	HasCode                         // a one-time code in the request, or what may be one in the response
	HasPayload                      // an attack in a login's fields (Pass.Payload)
	SaysWho                         // a header that gateways say with who asks (IdentityHeader)
	Described                       // documents describe the API (Pass.Spec)
	Asks                            // a question about an account (Pass.Asked)
	Exposes                         // a secret in the response that no client should get (Pass.Exposed)
	Reflects                        // a credential of the request in the response (Pass.Reflected)
	EveryExchange                   // all of them
	InnerHop                        // none of them: the exchange is another's inner hop, which else counts for nothing
)

// Option is one setting of a detector. Default is an int, time.Duration,
// string, bool or []string, and so is what a configuration may set.
type Option struct {
	Name    string
	Default any
	Doc     string
}

// Values are a detector's options as they are in force.
type Values map[string]any

// Int, Duration, String, Bool and Strings give an option. Its name and type
// are checked when the detector is registered: a wrong one is a mistake of
// the program and panics in the detector's own test.
func (v Values) Int(name string) int { return v[name].(int) }

// Duration gives an option.
func (v Values) Duration(name string) time.Duration { return v[name].(time.Duration) }

// Text gives an option.
func (v Values) Text(name string) string { return v[name].(string) }

// Bool gives an option.
func (v Values) Bool(name string) bool { return v[name].(bool) }

// Strings gives an option.
func (v Values) Strings(name string) []string { return v[name].([]string) }

// Defaults gives the detector's options as declared.
func (d *Detector) Defaults() Values {
	v := make(Values, len(d.Options))
	for _, o := range d.Options {
		v[o.Name] = o.Default
	}
	return v
}

// References gives all references in the form of a finding: "CWE-347",
// "API2:2023", "ASVS-9.1.1", "RFC 8725 §3.1", "T1110.001".
func (d *Detector) References() []string {
	var refs []string
	for _, n := range d.CWE {
		refs = append(refs, fmt.Sprintf("CWE-%d", n))
	}
	refs = append(refs, d.OWASP...)
	for _, s := range d.ASVS {
		refs = append(refs, "ASVS-"+s)
	}
	refs = append(refs, d.RFC...)
	refs = append(refs, d.ATTACK...)
	return append(refs, d.Links...)
}

// paragraphs splits a Doc at its empty lines.
func paragraphs(doc string) []string {
	var ps []string
	for _, p := range strings.Split(strings.TrimSpace(doc), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			ps = append(ps, p)
		}
	}
	return ps
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// Validate says all that a detector lacks.
func (d *Detector) Validate() error {
	var missing []string
	lacks := func(so bool, what string) {
		if so {
			missing = append(missing, what)
		}
	}
	lacks(!nameForm.MatchString(d.Name), "the name must be lower-case words joined by _")
	lacks(d.Title == "", "no title")
	lacks(d.Custom && len(paragraphs(d.Doc)) == 0, "no doc")
	lacks(!d.Custom && len(paragraphs(d.Doc)) != 4, "Doc must have four paragraphs: what, why it matters, when it may be wrong, what to do")
	lacks(d.Severity < Info || d.Severity > Critical, "no severity")
	lacks(d.Confidence < Certain || d.Confidence > Tentative, "no confidence")
	lacks(!d.Custom && len(d.OWASP) == 0, "no OWASP reference")
	lacks(!d.Custom && len(d.CWE) == 0, "no CWE reference")
	lacks(d.Exchange == nil && d.Token == nil && d.Handshake == nil, "no function Exchange, Token or Handshake")
	lacks(d.Exchange != nil && d.Needs == 0, "Needs is empty: Exchange would never be called")
	lacks(d.Content != nil && d.Exchange == nil, "Content without Exchange")
	for _, w := range d.Windows {
		lacks(w.Name == "" || w.Span <= 0 || w.Crossed == nil, "a window needs a name, a span and Crossed")
	}
	var seen []string
	for _, o := range d.Options {
		lacks(o.Name == "" || o.Doc == "" || slices.Contains(seen, o.Name), "option "+o.Name+" is without name or doc, or there twice")
		seen = append(seen, o.Name)
		switch o.Default.(type) {
		case int, time.Duration, string, bool, []string:
		default:
			lacks(true, fmt.Sprintf("option %s has type %T", o.Name, o.Default))
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("detector %q: %s", d.Name, strings.Join(missing, "; "))
}
