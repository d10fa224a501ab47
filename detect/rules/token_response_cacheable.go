package rules

import (
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "token_response_cacheable",
	Title: "An answer with a token may be kept by caches",
	Doc: `An answer that gives a token in its body, to a GET or to a request of OAuth's token endpoint, does not say Cache-Control: no-store. Reported once for each path.

Browsers write what they may keep to the disk, and a shared cache may hand it to the next who asks. A token that was kept outlives the session it belongs to.

Answers to POST are hardly ever kept, so those count only at a token endpoint, where the standard asks for it in so many words. A token that the request itself carried is not given here. Something in front may add the header.

Send Cache-Control: no-store with every answer that holds a token, and check that no proxy in between takes it off.`,
	Severity: detect.Low, Confidence: detect.Certain,
	CWE: []int{525}, OWASP: []string{"API8:2023"}, ASVS: []string{"14.3.2"}, RFC: []string{"RFC 6749 §5.1", "RFC 9111 §5.2.2.5"},
	Needs: detect.Issued,
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		if x.Response.Status != 200 || x.Request.Method != "GET" && grantOf(p) == "" || x.Response.Damage&exchange.HeadGap != 0 || noStore(x.Response.Header) {
			return
		}
		for i, list := 0, p.Issued(); i < len(list); i++ {
			c := &list[i]
			switch c.Kind {
			case credential.JWT, credential.Bearer, credential.RefreshToken, credential.APIKey:
			default:
				continue
			}
			switch c.Place.Part {
			case credential.InJSON, credential.InForm, credential.InXML, credential.InBody:
			default:
				continue
			}
			if c.Guessable || p.Presents(c.ID) {
				continue
			}
			p.Report(detect.Report{
				Key: detect.Key(hostOf(p), p.Endpoint()), Credential: c,
				Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "cache_control", Value: p.Redact(x.Response.Header.Get("Cache-Control"))}},
			})
			return
		}
	},
})

func noStore(h exchange.Header) (yes bool) {
	h.Each("Cache-Control", func(v string) { yes = yes || strings.Contains(strings.ToLower(v), "no-store") })
	return yes
}
