package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "batched_login",
	Title: "Many logins are tried in one request",
	Doc: `One request tries at least five passwords or codes: as aliases or a list of GraphQL operations, as a batch of calls of JSON-RPC or XML-RPC, or as a list of logins. The verdict is that of the answer as a whole.

What counts requests counts one. A limit of ten logins a minute then lets through ten times as many guesses as fit into a request, and the second factor of six digits falls in minutes.

Batches of operations that log nobody in are none, nor is a request that makes accounts. An answer with success says that the server took the batch, and often that one of its logins was right; which one stands in the answer.

Limit the operations of a request, allow no batch for logins, and count attempts where passwords are compared.`,
	Severity: detect.High, Attempt: true, Confidence: detect.Firm,
	CWE: []int{307, 799}, OWASP: []string{"API2:2023"}, ASVS: []string{"6.3.1"},
	Needs: detect.Presented,
	Options: []detect.Option{
		{Name: "attempts", Default: 5, Doc: "passwords or codes in one request"},
	},
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		n := p.Attempts()
		if n < p.Options().Int("attempts") {
			return
		}
		r := detect.Report{
			Key: p.AttemptKey(), Verdict: detect.Unknown, Principals: true,
			Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "attempts", Value: credential.Number(int64(n))}},
		}
		switch {
		case p.LoginOutcome() == endpoint.LoginSuccess, p.Login() != nil && x.Response.Damage.Whole() && len(p.IssuedTokens()) > 0: // to one of them
			r.Verdict = detect.Accepted
		case p.LoginOutcome() == endpoint.LoginFailure, p.Login() == nil && p.Outcome() == endpoint.Refusal:
			r.Verdict = detect.Rejected
		}
		p.Report(r)
	},
})
