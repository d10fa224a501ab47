package rules

import (
	"hash/fnv"
	"slices"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/issuer"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "jwt_probing",
	Title: "A client tries what tokens a host accepts",
	Doc: `Within five minutes one client presents to one host five different JSON Web Tokens that are forged or changed (without algorithm, without signature, tampered with, with a key of their own, and so on), or ten different ones that are refused and of at least three kinds: of another issuer, algorithm or key name than any that was issued or accepted there. High, and Critical once one of the forged ones is accepted.

One odd token is an accident or an idea; a row of them is a tool that goes through its list. The other findings say what was tried; this one says that somebody is at work, and whether anything gave way.

A client that loops with one bad token presents one. Tokens that have expired, or were revoked (they are of a known issuer, algorithm and key name), never count, and neither do tokens that the server issued or accepted before. Many devices behind one address with tokens of another environment present one kind.

Look at the findings with the same client for what was tried. Block the client, and if one was accepted, treat it as an intrusion: the finding of that forgery says what to change.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{307}, OWASP: []string{"API2:2023"}, ATTACK: []string{"T1606"},
	Needs: detect.PresentedJWT | detect.IssuedJWT,
	Options: []detect.Option{
		{Name: "tokens", Default: 10, Doc: "different tokens that are refused"},
		{Name: "kinds", Default: 3, Doc: "different issuers, algorithms and key names that these have at least"},
		{Name: "forged", Default: 5, Doc: "different tokens that are forged or changed"},
		ignoreClients,
	},
	State: func(detect.Values) any {
		return window.NewCache[credential.ID, struct{}](100_000, 24*time.Hour) // genuine tokens
	},
	Exchange: probe,
	Windows:  []detect.Window{{Name: "jwt_probing", Span: 5 * time.Minute, Crossed: probing}},
})

// What the window's fields hold: a token that counts, its kind, and the token
// once more if it is forged.
const (
	probeToken = iota
	probeKind
	probeForged
)

// Labels of the window's events that were not refused.
const (
	accepted = "accepted"
	unclear  = "unclear"
)

func probe(p *detect.Pass, _ *exchange.Exchange) {
	genuine := p.State().(*window.Cache[credential.ID, struct{}])
	for _, c := range p.IssuedTokens() {
		genuine.At(c.ID, p.Now())
	}
	forged := p.Suspicious()
	for _, c := range p.Tokens() {
		if !c.Access() {
			continue
		}
		if !forged && p.Outcome() == endpoint.Success {
			if p.Discriminates() {
				genuine.At(c.ID, p.Now())
			}
			continue
		}
		if genuine.Get(c.ID, p.Now()) != nil || !forged && (p.Outcome() != endpoint.Refusal || aged(p, c.JWT) || knownKind(p, c.JWT)) {
			continue
		}
		e := window.Event{Time: p.Now(), Client: p.Client()}
		e.Fields[probeToken], e.Fields[probeKind] = c.ID.Uint64()|1, kindOf(c.JWT)
		if forged {
			e.Fields[probeForged] = c.ID.Uint64() | 1
		}
		// Every probe is a failure to the window, which measures variety of
		// those alone; what came of it, the label says.
		switch v := p.Judge(c); {
		case v == detect.Accepted && forged:
			e.Label = accepted
		case v != detect.Rejected:
			e.Label = unclear
		}
		p.Observe("jwt_probing", detect.Key(hostOf(p), p.Client().String()), e)
	}
}

// aged reports whether a token's time is over.
func aged(p *detect.Pass, t *credential.Token) bool { return t.Expires.Set && t.Expires.At <= p.Now() }

// knownKind reports whether tokens with the same issuer, algorithm and key name
// were issued or accepted.
func knownKind(p *detect.Pass, t *credential.Token) bool {
	way := issuer.WayOf(t)
	return issuerOf(p, t).Any(func(g *issuer.Signing) bool { return g.Way == way })
}

func kindOf(t *credential.Token) uint64 {
	h := fnv.New64a()
	for _, s := range [...]string{t.Issuer, t.Alg, t.Kid} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return h.Sum64() | 1
}

func probing(p *detect.Pass, key string, s *window.Summary) {
	o, n := p.Options(), s.Distinct()
	forged := n[probeForged] >= o.Int("forged")
	if ignored(p) || !forged && (n[probeToken] < o.Int("tokens") || n[probeKind] < o.Int("kinds")) && !p.Ongoing("jwt_probing", key, s.Span) {
		return
	}
	r := detect.Report{
		Key: key, Verdict: detect.Rejected, Count: s.Count.Total(), First: s.First,
		Evidence: detect.Evidence{
			{Name: "tokens", Value: credential.Number(int64(n[probeToken]))},
			{Name: "forged", Value: credential.Number(int64(n[probeForged]))},
			{Name: "kinds", Value: credential.Number(int64(n[probeKind]))},
		},
	}
	switch labels := s.Labels(); {
	case slices.Contains(labels, accepted):
		r.Verdict, r.Severity = detect.Accepted, detect.Critical
	case slices.Contains(labels, unclear):
		r.Verdict = detect.Unknown
	}
	p.Report(r)
}
