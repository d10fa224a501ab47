package rules

import (
	"strconv"
	"strings"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "token_guessing",
	Title: "Keys or session identifiers are guessed",
	Doc: `A client (one address and user agent) presented at least twenty different keys, tokens or session identifiers within five minutes that the host refused and that nobody was ever seen to be given or let in with, hardly any of them twice, and had next to no success. A value that is let in during that makes the finding accepted.

An identifier that is short, counts up or is made of the time can be found that way, and the session or the account behind it is the guesser's.

Programs repeat the value that they have, so that a fleet whose keys were changed shows one or two values for each client, and an office whose sessions ended over night shows each of them at many endpoints and logs in afterwards. Values seen issued or accepted before never count. JSON Web Tokens belong to jwt_probing, names with passwords to brute_force.

Make identifiers of at least 128 random bits, and slow down who fails often.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{307, 330}, OWASP: []string{"API2:2023"}, ATTACK: []string{"T1110"},
	Needs: detect.Presented | detect.Issued,
	Options: []detect.Option{
		{Name: "values", Default: 20, Doc: "different values within five minutes"},
		ignoreClients,
	},
	State: func(detect.Values) any {
		return &knownValues{
			known:   window.NewCache[sessionOf, bool](100_000, 7*24*time.Hour),
			failing: window.NewCache[clientOf, bool](20_000, 5*time.Minute),
		}
	},
	Exchange: guessedToken,
	Windows:  []detect.Window{{Name: "tokens_by_client", Span: 5 * time.Minute, Crossed: tokensGuessed}},
})

// knownValues are those that the server gave or let in, and the clients that
// were refused lately: of others nothing is counted.
type knownValues struct {
	known   *window.Cache[sessionOf, bool]
	failing *window.Cache[clientOf, bool]
}

// Evicted counts what made room.
func (k *knownValues) Evicted() uint64 { return k.known.Evicted() + k.failing.Evicted() }

func guessedToken(p *detect.Pass, x *exchange.Exchange) {
	state := p.State().(*knownValues)
	for i, list := 0, p.Issued(); i < len(list); i++ {
		if c := &list[i]; guessableKind(c) {
			state.known.At(sessionOf{p.Host(), c.ID}, p.Now())
		}
	}
	for i, list := 0, p.Presented(); i < len(list); i++ {
		c := &list[i]
		if !guessableKind(c) || c.Flaw != 0 || !c.Access() {
			continue
		}
		key := sessionOf{p.Host(), c.ID}
		e := window.Event{Time: p.Now(), Client: p.Client(), Status: uint16(x.Response.Status)}
		e.Fields[0] = c.ID.Uint64()
		switch status := x.Response.Status; {
		case p.Outcome() == endpoint.Success && p.Discriminates():
			_, fresh := state.known.At(key, p.Now())
			if state.failing.Len() == 0 || state.failing.Get(clientOf{p.Host(), p.Client()}, p.Now()) == nil {
				continue
			}
			e.Class = window.Success
			if !fresh {
				e.Fields[1] = 1 // known before, so not guessed
			}
		case (status == 401 || status == 403 || isGRPC(x)) && p.Outcome() == endpoint.Refusal && state.known.Get(key, p.Now()) == nil:
			state.failing.At(clientOf{p.Host(), p.Client()}, p.Now())
			e.Class = window.Failure
		default:
			continue
		}
		if !ignored(p) {
			p.Observe("tokens_by_client", callerKey(p, x), e)
		}
		return
	}
	if entered(p) && state.failing.Len() > 0 && state.failing.Get(clientOf{p.Host(), p.Client()}, p.Now()) != nil && !ignored(p) {
		e := window.Event{Time: p.Now(), Client: p.Client(), Class: window.Success, Status: uint16(x.Response.Status)}
		e.Fields[0], e.Fields[1] = 1, 1
		p.Observe("tokens_by_client", callerKey(p, x), e)
	}
}

// entered reports a login, or a use of a JSON Web Token, that had success: so
// people go on whose sessions ended, and who guess do not.
func entered(p *detect.Pass) bool {
	if p.LoginOutcome() == endpoint.LoginSuccess {
		return true
	}
	for i, list := 0, p.Presented(); i < len(list); i++ {
		if c := &list[i]; c.Kind == credential.JWT && c.Access() && c.Flaw == 0 {
			return p.Outcome() == endpoint.Success && p.Discriminates()
		}
	}
	return false
}

func guessableKind(c *credential.Credential) bool {
	return c.Kind == credential.APIKey || c.Kind == credential.Bearer || c.Kind == credential.Session || c.Kind == credential.Other
}

// isGRPC reports an answer whose status of HTTP says nothing.
func isGRPC(x *exchange.Exchange) bool {
	return strings.HasPrefix(x.Response.Header.Get("Content-Type"), "application/grpc")
}

// callerKey tells programs behind one address apart.
func callerKey(p *detect.Pass, x *exchange.Exchange) string {
	return clientKey(p) + "|" + strconv.FormatUint(agentOf(x)&0xffff, 16)
}

func tokensGuessed(p *detect.Pass, key string, s *window.Summary) {
	values, failures, successes := s.Distinct()[0], s.Count[window.Failure], s.Count[window.Success]
	if values < p.Options().Int("values") || uint64(values)*10 < failures*8 || successes*10 > failures {
		return
	}
	r := detect.Report{
		Key: key, Verdict: detect.Rejected, Count: failures, First: s.FirstOf(window.Failure),
		Evidence: detect.Evidence{
			{Name: "target", Value: p.Target()},
			{Name: "values", Value: credential.Number(int64(values))},
			{Name: "failures", Value: credential.Number(int64(failures))},
		},
	}
	for i := range s.Hits {
		if h := &s.Hits[i]; h.Class == window.Success && h.Fields[1] == 0 && h.Time > r.First && !s.Failed(0, h.Fields[0]) {
			r.Verdict, r.Status = detect.Accepted, int(h.Status)
		}
	}
	p.Report(r)
}
