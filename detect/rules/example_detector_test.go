package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/reassembly/exchange"
)

var example = detect.Detector{
	Name:  "trace_answered",
	Title: "TRACE sends credentials back",
	Doc: `A request with the method TRACE and a credential is answered with success. Reported once for each host.

The answer to TRACE is the request itself. Whoever can make a client send one, and read what comes back, reads its cookies and its Authorization header.

A gateway that answers 200 to every method is seen the same way, whatever it sends back.

Switch TRACE off at the server or at the gateway in front of it.`,
	Severity: detect.Medium, Confidence: detect.Firm,
	CWE: []int{200}, OWASP: []string{"API8:2023"}, RFC: []string{"RFC 9110 §9.3.8"},
	Needs: detect.Presented,
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		if x.Request.Method != "TRACE" || p.Outcome() != endpoint.Success {
			return
		}
		p.Report(detect.Report{
			Key:        detect.Key(hostOf(p)),
			Credential: &p.Presented()[0],
			Evidence:   detect.Evidence{{Name: "target", Value: p.Target()}},
		})
	},
}
