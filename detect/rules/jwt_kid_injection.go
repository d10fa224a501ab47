package rules

import (
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/issuer"
)

var _ = register(detect.Detector{
	Name:  "jwt_kid_injection",
	Title: "A token's key name is an attack",
	Doc: `A request presents a JSON Web Token whose kid is no name: a path out of the folder (../, /dev/null, /proc/), a piece of a shell's or database's language (a pipe, a semicolon, a backtick, a quote with a keyword of SQL), a template, a control character, a URL, or more than 256 bytes. Critical where the token also verifies under an empty key, which is what /dev/null holds.

Verifiers look keys up by this name, in files, in databases, by commands. Whoever chooses the file chooses the key: an empty one, or one whose content is known. And a name that is executed is worse than any token.

A name that the issuer was seen to use or publish is no attack, whatever it looks like; a pipe or semicolon in a token that was let in is reported only where the issuer's other tokens have plain names. URLs and DIDs name keys in verifiable credentials and in some directories: a DID is never reported, and a URL only where it leads elsewhere than to the issuer and the issuer's other tokens have plain names.

Look keys up in a map that is made of the key set, and refuse names that are not in it. If the verdict is accepted, find out what the name was used for, and search logs for others like it.`,
	Severity: detect.Critical, Attempt: true, Confidence: detect.Certain,
	CWE: []int{22, 89, 78}, OWASP: []string{"API2:2023"}, ASVS: []string{"9.1.3"}, RFC: []string{"RFC 8725 §3.10"},
	Token: func(p *detect.Pass, c *credential.Credential, issued bool) {
		t := c.JWT
		if issued || plainName(t.Kid) {
			return
		}
		why, ok := injectedKid(p, t)
		if !ok {
			return
		}
		r := detect.Report{Key: p.AttemptKey(), Credential: c, Severity: detect.High}
		evidence := detect.Fact{Name: "kid_holds", Value: why}
		if signedFor(t) && t.Family() == "HS" && (t.Verify([]byte{}) || t.Verify([]byte{0})) {
			r.Severity = detect.Critical
			r.Title = "A token's key name leads to an empty key, and it is signed with that"
		}
		r.Explain = func(p *detect.Pass) detect.Evidence { return append(tokenEvidence(p, t), evidence) }
		p.Report(r)
	},
})

// plainName reports whether all of a name are letters, digits and what stands
// in base64, UUIDs and dates.
func plainName(kid string) bool {
	if len(kid) > 256 {
		return false
	}
	for i := range len(kid) {
		switch c := kid[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '=', c == '+':
		case c == '.' && (i == 0 || kid[i-1] != '.'):
		default:
			return false
		}
	}
	return true
}

func injectedKid(p *detect.Pass, t *credential.Token) (credential.Redacted, bool) {
	why, weak, ok := kidAttack(t.Kid)
	isURL := false
	if !ok {
		if u := strings.ToLower(t.Kid); strings.Contains(u, "://") && !strings.HasPrefix(u, "did:") {
			why, isURL, ok = credential.Word("a URL"), true, true
		}
	}
	if !ok || p.Issuers().Key(t.Issuer, t.Kid, p.Host(), p.Now()) != nil {
		return why, false
	}
	i := issuerOf(p, t)
	way := issuer.WayOf(t)
	if i.Any(func(g *issuer.Signing) bool { return g.Kid == way.Kid && g.Established() }) {
		return why, false
	}
	plain := i.Any(func(g *issuer.Signing) bool { return g.Kid != "" && plainName(g.Kid) })
	if weak && !plain && p.Outcome() == endpoint.Success {
		return why, false // the issuer may name its keys so
	}
	if isURL {
		host := issuer.HostOf(t.Kid)
		iss := issuer.HostOf(t.Issuer)
		if host == iss && host != "" || iss != "" && site(host) == site(iss) || host == hostName(p.Host()) ||
			!plain {
			return why, false
		}
	}
	return why, true
}

// kidAttack says what of an attack a key's name holds; weak is a sign that a
// name may have by taste.
func kidAttack(kid string) (why credential.Redacted, weak, ok bool) {
	s := strings.ToLower(kid)
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return credential.Word("a control character"), false, true
		}
	}
	switch {
	case strings.Contains(s, "../") || strings.Contains(s, `..\`) || strings.Contains(s, "..%2f") || strings.Contains(s, "%2e%2e"):
		return credential.Word("a path out of the folder"), false, true
	case strings.Contains(s, "/dev/") || strings.Contains(s, "/proc/") || strings.Contains(s, "/etc/") || strings.HasPrefix(s, "file:"):
		return credential.Word("the path of a system's file"), false, true
	case strings.Contains(s, "%00"):
		return credential.Word("a control character"), false, true
	case sqlQuote(s):
		return credential.Word("a piece of SQL"), false, true
	case strings.Contains(s, "`") || strings.Contains(s, "$(") || strings.Contains(s, "&&"):
		return credential.Word("a piece of a command"), false, true
	case strings.ContainsAny(s, "|;"):
		return credential.Word("a piece of a command"), true, true
	case strings.Contains(s, "{{") || strings.Contains(s, "${") || strings.Contains(s, "<%"):
		return credential.Word("a template"), false, true
	case len(kid) > 256:
		return credential.Word("more than 256 bytes"), false, true
	}
	return credential.Redacted{}, false, false
}

// sqlQuote reports a quote together with a word or sign of SQL behind it, in a
// text of lower case.
func sqlQuote(s string) bool {
	q := strings.IndexAny(s, `'"`)
	if q < 0 {
		return false
	}
	return sqlWord(s[q:]) || strings.Contains(s[q:], "--") || strings.Contains(s[q:], "/*") || strings.Contains(s[q:], "||") || strings.Contains(s[q:], "#")
}

// sqlWord reports a keyword of SQL in a text of lower case.
func sqlWord(s string) bool {
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return r < 'a' || r > 'z' }) {
		switch word {
		case "union", "select", "or", "and", "insert", "update", "drop", "sleep", "waitfor", "benchmark", "having", "like":
			return true
		}
	}
	return false
}
