package rules

import (
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "invalid_credential_accepted",
	Title: "A credential that cannot be one was accepted",
	Doc: `A request whose only credential is empty, the word that programs send where they have none (null, undefined), or not what its scheme asks for (Basic that is no base64) got what good credentials get, from an endpoint that is known to refuse who has no good one.

The server then checks that something stands there, not what it is. Everybody who sends anything is let in.

Endpoints that ignore the header altogether answer everybody, and such an endpoint is none that refuses. One null may be an accident of timing, such as a session that the server knows by other means: it takes two within an hour. Requests that carry another credential or a cookie are judged by what those alone are known to open.

Find where the header is read and make everything refuse that does not verify. A gateway that only asks whether the header is there must not be the only check.`,
	Severity: detect.High, Attempt: true, Confidence: detect.Firm,
	CWE: []int{287}, OWASP: []string{"API2:2023"},
	Needs: detect.Presented,
	Options: []detect.Option{
		{Name: "nulls", Default: 2, Doc: "requests with null within an hour"},
	},
	State: func(detect.Values) any { return window.NewCache[string, int](10_000, time.Hour) },
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		for i, list := 0, p.Presented(); i < len(list); i++ {
			c := &list[i]
			if c.Flaw == 0 || !c.Access() || p.Outcome() != endpoint.Success || p.Login() != nil {
				continue
			}
			r := detect.Report{
				Key: p.AttemptKey() + "|" + c.Place.String(), Credential: c, Only: onlyAccepted,
				Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "credential", Value: flawOf(c)}},
			}
			if c.Flaw&credential.Null != 0 {
				n, _ := p.State().(*window.Cache[string, int]).At(r.Key, p.Now())
				if *n++; *n < p.Options().Int("nulls") {
					continue
				}
				r.Count = uint64(*n)
			}
			p.Report(r)
		}
	},
})

func flawOf(c *credential.Credential) credential.Redacted {
	switch {
	case c.Flaw&credential.Null != 0:
		return credential.Word("null")
	case c.Flaw&credential.Empty != 0:
		return credential.Word("empty")
	}
	return credential.Word("not of its scheme's form")
}
