package rules

import (
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "secret_in_response",
	Title: "An answer gives a secret away",
	Doc: `An answer holds a key in the form that a known issuer gives its keys (more than a hundred forms, with their checksums where there are any), a private key, the hash of a password, or under a password's name a value that is not masked. Reported once for each endpoint and kind of secret.

Whoever may ask for the answer has the secret, and with it what the secret opens: the cloud, the mail, the payments of whoever runs the API. Hashes are tried offline, as fast as the attacker's machines go.

Left out are the placeholders of documentations, pages of documentation, masked values, keys that are given out by design (test keys, temporary credentials, keys within signed URLs), stores whose job is to give secrets out, and tokens of an answer that issues them: one to a login, or to a request that makes a key. Under a password's name a value of letters alone counts only in a record with an id or an e-mail address, for labels stand there too.

Take the secret out of the answer: serialise the fields that a client needs, not the whole record. Then change the secret; it was on the wire.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{200, 201, 256, 916}, OWASP: []string{"API2:2023", "API3:2023"},
	Needs: detect.Exposes,
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		if !x.Request.Present || pathHas(p.Template(), documents) || pathHas(p.Template(), secretStores) {
			return
		}
		for i, list := 0, p.Exposed(); i < len(list); i++ {
			c := &list[i]
			if c.Guessable || c.Kind == credential.Password && p.Presents(c.ID) || givesKeys(p, x, c) {
				continue
			}
			p.Report(detect.Report{
				Key: detect.Key(hostOf(p), p.Endpoint(), c.Form().String()), Credential: c,
				Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "form", Value: c.Form()}, {Name: "credential", Value: c.Redacted()}},
			})
		}
	},
})

// givesKeys reports an answer that gives a key to who asked for a new one.
func givesKeys(p *detect.Pass, x *exchange.Exchange, c *credential.Credential) bool {
	if c.Kind != credential.APIKey && c.Kind != credential.PrivateKey {
		return false
	}
	made := x.Request.Method == "POST" || x.Request.Method == "PUT"
	return c.IssuedHere() && (p.Login() != nil || made) || (made || c.IssuedHere()) && pathHas(p.Template(), keyMakers)
}

var (
	documents = wordsOf(`doc docs documentation apidocs swagger openapi redoc rapidoc graphiql playground example examples
		sample samples guide guides tutorial tutorials help wiki blog changelog readme faq`)
	secretStores = wordsOf(`secret secrets vault kv keyvault secretmanager secretsmanager parameterstore`)
	keyMakers    = wordsOf(`key keys apikey apikeys token tokens accesstoken accesstokens credential credentials login signin session
		sessions oauth oauth2 authorize register registration rotate rotation regenerate roll applications apps clients integrations webhooks`)
)

func wordsOf(s string) map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// pathHas reports whether a segment of a path, case, separators and a file's
// ending apart, is among the words.
func pathHas(path string, words map[string]bool) bool {
	for path != "" {
		var segment string
		segment, path, _ = strings.Cut(path, "/")
		if segment == "" || len(segment) > 40 {
			continue
		}
		segment, _, _ = strings.Cut(strings.ToLower(segment), ".")
		if words[strings.ReplaceAll(strings.ReplaceAll(segment, "-", ""), "_", "")] {
			return true
		}
	}
	return false
}
