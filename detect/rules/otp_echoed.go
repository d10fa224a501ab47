package rules

import (
	"net/netip"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "otp_echoed",
	Title: "The server tells the one-time code to who asks for it",
	Doc: `A code that a client sent as a one-time code, with success, had stood before in an answer to the same client, under the name of a code, within ten minutes. The client had not sent it itself before that answer.

A code proves that somebody reads a telephone or a mailbox. A server that puts it into the answer that says "sent" proves nothing by it: whoever asks for the code of another's account has it.

An error that repeats what was sent comes after the code and does not count. Numbers of errors, which stand under "code" too, are shorter and no client sends them as a code; codes of four digits can be equal by chance, so only fields with a code's name count.

Never put the code into an answer, nor into a header, not even in test systems that others can reach.`,
	Severity: detect.Critical, Confidence: detect.Firm,
	CWE: []int{640, 200}, OWASP: []string{"API2:2023"},
	Needs: detect.HasCode,
	State: func(detect.Values) any { return window.NewCache[codeAt, told](50_000, 10*time.Minute) },
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		state := p.State().(*window.Cache[codeAt, told])
		if c := presentedCode(p); c != nil {
			t, created := state.At(codeAt{p.Host(), p.Client(), c.ID}, p.Now())
			switch {
			case created:
				t.sent = true // who sent it first was not told it
			case !t.sent && codeClass(p, x) == window.Success:
				p.Report(detect.Report{
					Key: detect.Key(hostOf(p), p.Endpoint()), Credential: c,
					Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "told_by", Value: p.Redact(t.by)}},
				})
			}
		}
		for _, id := range p.Echoes() {
			if t, created := state.At(codeAt{p.Host(), p.Client(), id}, p.Now()); created {
				t.by = p.Endpoint()
			}
		}
	},
})

// codeAt is a code and the client that sent it or was told it.
type codeAt struct {
	host   string
	client netip.Addr
	id     credential.ID
}

// told says whether the client sent the code before it was told, and else which
// endpoint told it.
type told struct {
	sent bool
	by   string
}
