package rules

import (
	"math/bits"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "session_predictable",
	Title: "Session identifiers can be guessed",
	Doc: `Of at least thirty different session identifiers that the server gave under one name, in cookies or in answers to logins, nearly each follows from the one before (they count), or what differs between them has room for fewer than 64 bits: they are short, or made of a time, a counter and a machine's number, such as UUIDs of version 1 and ObjectIds. The bound is taken from above: each position counts with all of the alphabet that its characters seem to be of.

Who can guess the next identifier, or the one before his own, is in somebody else's session without a password.

Fixed beginnings and ends are no part of the measure, and a cookie that is signed has the signature's bits, so a number within it is nothing to worry about. JSON Web Tokens, and values of more than 96 characters, hold data and are not measured. That values pass does not make them random: a hash of a counter looks like any other.

Make identifiers of 128 bits or more from a cryptographic random number generator, as every current framework does by default.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{330, 331, 340}, OWASP: []string{"API2:2023"}, ASVS: []string{"7.2.3"},
	Needs: detect.Issued,
	Options: []detect.Option{
		{Name: "samples", Default: 30, Doc: "different identifiers under one name"},
		{Name: "bits", Default: 64, Doc: "that they should have room for"},
	},
	State: func(detect.Values) any { return window.NewCache[cookieOf, credential.Randomness](500, 0) },
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		if !x.Response.Damage.Whole() && x.Response.Damage&exchange.HeadGap != 0 {
			return
		}
		for i, list := 0, p.Issued(); i < len(list); i++ {
			c := &list[i]
			if c.Kind != credential.Session || c.Place.Part != credential.InCookie && p.LoginOutcome() != endpoint.LoginSuccess || p.Presents(c.ID) {
				continue // other answers name sessions that are no logins
			}
			cookies := p.State().(*window.Cache[cookieOf, credential.Randomness])
			r := cookies.Get(cookieOf{hostOf(p), c.Place.Name}, p.Now())
			if r == nil {
				r, _ = cookies.At(cookieOf{kept(hostOf(p)), kept(c.Place.Name)}, p.Now())
			}
			if !r.Add(c) || !due(r.Samples(), p.Options().Int("samples")) {
				continue
			}
			what := credential.Word("they count")
			if !r.Sequential() {
				if r.Bits() >= float64(p.Options().Int("bits")) {
					continue
				}
				what = credential.Word("too little of them varies")
			}
			p.Report(detect.Report{
				Key: detect.Key(hostOf(p), c.Place.String()), Credential: c,
				Evidence: detect.Evidence{
					{Name: "samples", Value: credential.Number(int64(r.Samples()))},
					{Name: "bits", Value: credential.Number(int64(r.Bits()))},
					{Name: "because", Value: what},
				},
			})
		}
	},
})

// cookieOf is a cookie of a host.
type cookieOf struct{ host, name string }

// due reports whether n samples are to be looked at: the first so many, and
// then twice as many each time.
func due(n, first int) bool { return n >= first && n%first == 0 && bits.OnesCount(uint(n/first)) == 1 }
