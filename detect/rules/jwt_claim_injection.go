package rules

import (
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
)

var _ = register(detect.Detector{
	Name:  "jwt_claim_injection",
	Title: "A token's claims hold an attack",
	Doc: `A request presents a JSON Web Token whose claims hold what databases, shells, templates or file systems would execute or follow: at least two signs of it, such as a quote with a keyword of SQL and a comment behind it, or a command in backticks.

Services believe what is in a token more than what is in a form, since somebody signed it; and who found a way to sign, or a server that does not look, tries what is behind it.

One sign is not enough: names have quotes, and texts have semicolons. The verdict says whether the token was let in, not whether the attack in it worked. A user who was registered under such a name has it in genuine tokens too.

Treat claims as input: parameters instead of concatenation, in every service that reads them. If the verdict is accepted, look at what the services behind the endpoint did with the claim.`,
	Severity: detect.Medium, Attempt: true, Confidence: detect.Firm,
	CWE: []int{89, 78}, OWASP: []string{"API2:2023"},
	Token: func(p *detect.Pass, c *credential.Credential, issued bool) {
		t := c.JWT
		if issued || !bearer(c) {
			return
		}
		signs := 0
		var where string
		t.Claims(func(path, value string) bool {
			if n := attackSigns(value); n > 0 {
				signs += n
				if where == "" {
					where = path
				}
			}
			return signs < 2
		})
		if signs < 2 {
			return
		}
		p.Report(detect.Report{
			Key: p.AttemptKey(), Credential: c,
			Explain: func(p *detect.Pass) detect.Evidence {
				return append(tokenEvidence(p, t), detect.Fact{Name: "claim", Value: p.Redact(where)})
			},
		})
	},
})

// attackSigns counts what in a text is a sign of an attack.
func attackSigns(s string) (n int) {
	if !strings.ContainsAny(s, "'\"`$;|<{&%.\x00") {
		return 0
	}
	s = strings.ToLower(s[:min(len(s), 1024)])
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(s, w) {
				return true
			}
		}
		return false
	}
	count := func(sign bool) {
		if sign {
			n++
		}
	}
	if q := strings.IndexAny(s, `'"`); q >= 0 {
		end := strings.TrimRight(s[q:], " ")
		count(sqlWord(s[q:]))
		count(has("/*", "'='", `"="`, "1=1", "';", `";`) || strings.HasSuffix(end, "--") || strings.HasSuffix(end, "#"))
	}
	count(has("union select", "union all select", "waitfor delay", "information_schema", "sleep(", "benchmark(", "drop table"))
	count(has("../", `..\`, "%2e%2e"))
	count(has("../../", `..\..\`, "etc/passwd", "/dev/null", "/proc/self", "win.ini"))
	command := has("$(", "`", "|", ";", "&&")
	count(has("$(") || strings.Count(s, "`") > 1)
	count(command && has("whoami", "sleep ", "cat /", "curl ", "wget ", "nslookup ", "ping -", "/bin/", "bash -", "id;", "id`", "id)", "|id"))
	count(has("{{", "${", "<%", "#{"))
	count(has("{{", "${", "<%", "#{") && has("7*7", "config", "__class__", "jndi:", "runtime", "self.", "process", "constructor"))
	count(has("<script", "onerror=", "<!entity", "<!doctype"))
	count(has("alert(", "document.cookie", "system \"") && has("<"))
	count(strings.IndexByte(s, 0) >= 0 || has("%00"))
	return n
}
