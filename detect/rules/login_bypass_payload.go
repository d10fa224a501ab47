package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "login_bypass_payload",
	Title: "Somebody puts an attack into the fields of a login",
	Doc: `The user or the password of a login holds what is meant for a database: the rest of an SQL condition behind a quote, an operator of MongoDB ($ne, $gt, $regex), an LDAP filter, or true in the place of a password. The verdict is what came of the login.

Where such text becomes part of the query, the condition on the password is gone, and the first account of the table is logged in, which is often the administrator's.

Names and passwords may hold quotes; it takes an operator, a comment or a comparison behind one. Scanners send such logins to everything, and then they fail, with a severity two steps lower. The text itself is never shown, since it may be a password after all.

If the verdict is accepted, close the endpoint: everything in its database is in doubt. Bind values as parameters, and refuse what is not text where text belongs.`,
	Severity: detect.Critical, Attempt: true, Confidence: detect.Firm,
	CWE: []int{89, 943, 90, 287}, OWASP: []string{"API2:2023"},
	Needs: detect.HasPayload,
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		r := detect.Report{
			Key: p.AttemptKey(), ByLogin: p.Login() != nil,
			Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "payload", Value: payloadName(p.Payload())}},
		}
		if p.Login() == nil {
			// No name and no password in it that a login could be told by.
			r.Verdict, r.Severity = detect.Unknown, detect.Medium
			switch o, proven := p.AsLogin(); {
			case o == endpoint.LoginSuccess && proven:
				r.Verdict, r.Severity = detect.Accepted, detect.Critical
			case o == endpoint.LoginSuccess && p.Outcome() == endpoint.Success && givesSession(p):
				r.Verdict, r.Severity = detect.LikelyAccepted, detect.High
			case o == endpoint.LoginFailure, p.Outcome() == endpoint.Refusal:
				r.Verdict = detect.Rejected
			}
		}
		p.Report(r)
	},
})

func givesSession(p *detect.Pass) bool {
	for i, list := 0, p.Issued(); i < len(list); i++ {
		if isSession(&list[i]) && !list[i].Guessable {
			return true
		}
	}
	return false
}

func payloadName(p credential.Payload) credential.Redacted {
	switch p {
	case credential.SQLPayload:
		return credential.Word("SQL")
	case credential.NoSQLPayload:
		return credential.Word("an operator of a NoSQL query")
	case credential.LDAPPayload:
		return credential.Word("an LDAP filter")
	}
	return credential.Word("another type than text")
}
