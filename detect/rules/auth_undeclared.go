package rules

import (
	"slices"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "auth_undeclared",
	Title: "Authentication is not as the API's description says",
	Doc: `An OpenAPI document (--openapi) says otherwise than the traffic. The document asks for a credential and the server answered a request without any; or the credential that the endpoint let in, and refuses others without, is of no kind that the document declares; or credentials are let in at a path or method that the document does not have, below the paths that it has (Low); or at an operation that it calls deprecated (Info).

A description is what gateways, tests and reviews go by. What differs from it nobody looks at: old versions, forgotten paths, a second way to log in.

A document that is behind the API gives the same picture, and so does one that describes only a part. Requests with a cookie that might be a session, those that a gateway vouches for, answers from a cache and operations that ask for a client's certificate, which is not seen, count for nothing.

Decide which of the two is right. Where the server should have asked, mend it; else mend the document, so that the next difference is seen.`,
	Severity: detect.Medium, Confidence: detect.Firm,
	CWE: []int{306}, OWASP: []string{"API2:2023", "API9:2023"},
	Needs: detect.Described,
	Options: []detect.Option{
		{Name: "answers", Default: 3, Doc: "answers within a day at what is not described at all"},
	},
	State: func(detect.Values) any {
		return &undeclared{
			told:    window.NewCache[string, bool](20_000, 24*time.Hour),
			answers: window.NewCache[string, seenAnswers](20_000, 24*time.Hour),
		}
	},
	Exchange: authUndeclared,
})

type undeclared struct {
	told    *window.Cache[string, bool]
	answers *window.Cache[string, seenAnswers]
}

type seenAnswers struct {
	n     uint64
	first capture.Time
}

// Evicted counts what made room.
func (u *undeclared) Evicted() uint64 { return u.told.Evicted() + u.answers.Evicted() }

func authUndeclared(p *detect.Pass, x *exchange.Exchange) {
	if p.Outcome() != endpoint.Success || x.Response.Status >= 300 || !p.Sound() || p.Suspicious() {
		return
	}
	spec := p.Spec()
	if spec == nil {
		shadow(p, x)
		return
	}
	asks := credential.Word("for nothing")
	if !spec.Anonymous() {
		asks = p.Redact(schemesOf(spec))
	}
	switch credentials := accessOf(p); {
	case spec.Hidden():
	case !spec.Anonymous() && p.Anonymous() && p.Login() == nil:
		undeclaredBy(p, "anonymous", detect.Report{Evidence: detect.Evidence{
			{Name: "target", Value: p.Target()}, {Name: "declared", Value: asks}, {Name: "presented", Value: credential.Word("nothing")},
		}})
	case len(credentials) == 0:
	case !spec.Anonymous() && !p.OtherCookies() && p.Discriminates() && !slices.ContainsFunc(credentials, spec.Allows):
		c := credentials[0]
		undeclaredBy(p, c.Kind.String()+" in "+c.Place.String(), detect.Report{
			Title: "An endpoint takes credentials that its description does not have", Credential: c,
			Evidence: detect.Evidence{
				{Name: "target", Value: p.Target()}, {Name: "declared", Value: asks}, {Name: "presented", Value: p.Redact(c.Kind.String() + " in " + c.Place.String())},
			},
		})
	case spec.Deprecated:
		undeclaredBy(p, "deprecated", detect.Report{
			Title: "An operation that is deprecated takes credentials", Severity: detect.Info,
			Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "declared", Value: credential.Word("deprecated")}},
		})
	}
}

// shadow looks at what the documents do not have.
func shadow(p *detect.Pass, x *exchange.Exchange) {
	credentials := accessOf(p)
	if len(credentials) == 0 || x.Request.Method == "OPTIONS" || x.Request.Method == "HEAD" || !structured(x.Response.Header.Get("Content-Type")) {
		return
	}
	document, covered := p.Covered()
	if !covered {
		return
	}
	key := detect.Key(hostOf(p), p.Endpoint())
	seen, _ := p.State().(*undeclared).answers.At(key, p.Now())
	if seen.n++; seen.n == 1 {
		seen.first = p.Now()
	}
	if seen.n < uint64(p.Options().Int("answers")) {
		return
	}
	undeclaredBy(p, "shadow", detect.Report{
		Title: "Credentials are let in at an endpoint that is not described", Severity: detect.Low, Count: seen.n, First: seen.first,
		Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "document", Value: p.Redact(document)}},
	})
}

// undeclaredBy reports a difference once a day.
func undeclaredBy(p *detect.Pass, what string, r detect.Report) {
	r.Key = detect.Key(hostOf(p), p.Endpoint(), what)
	if _, fresh := p.State().(*undeclared).told.AtUntouched(r.Key, p.Now()); fresh {
		p.Report(r)
	}
}

// accessOf gives the credentials that ask for access and may be good ones.
func accessOf(p *detect.Pass) (list []*credential.Credential) {
	for i, all := 0, p.Presented(); i < len(all); i++ {
		if c := &all[i]; c.Access() && c.Flaw == 0 {
			list = append(list, c)
		}
	}
	return list
}

// schemesOf names what a document asks for.
func schemesOf(s *endpoint.Spec) string {
	var names []string
	for _, all := range s.Security {
		for i := range all {
			if !slices.Contains(names, all[i].Name) {
				names = append(names, all[i].Name)
			}
		}
	}
	return strings.Join(names, ", ")
}
