package rules

import (
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "cookie_attributes",
	Title: "A session cookie is set without protection",
	Doc: `An answer sets a cookie that holds a session or a token without Secure, HttpOnly or SameSite, with SameSite=None but without Secure, against the rules of its __Host- or __Secure- prefix, or for a whole registrable domain where a host below it asked. Reported once for each host and cookie.

Without HttpOnly a script that an attacker got into a page reads the session; without Secure a network in between reads it from one request in the clear; without SameSite other sites can send requests with it, as far as browsers let them. A wide Domain hands it to every host of the company.

Only cookies with a session's or token's name or a token in them are looked at, so those that scripts must read (CSRF tokens) are none. Something in front of the server may add what is missing: where that is known to have ended TLS, a missing Secure alone is Info. Where the answer itself crosses the network in the clear a missing Secure says nothing new and is left out. A missing SameSite alone is Info, since browsers take Lax for it.

Set such cookies with the prefix __Host-, with Secure, HttpOnly and SameSite=Lax or Strict, with Path=/ and without Domain.`,
	Severity: detect.Medium, Confidence: detect.Certain,
	CWE: []int{614, 1004, 1275}, OWASP: []string{"API8:2023"}, ASVS: []string{"3.3.1", "3.3.2", "3.3.3", "3.3.4"}, RFC: []string{"RFC 6265 §4.1.2"},
	Needs: detect.Issued,
	// What was said of a host's cookie, for a minute: it comes with every login.
	State: func(detect.Values) any { return window.NewCache[string, string](10_000, time.Minute) },
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		for i, list := 0, p.Issued(); i < len(list); i++ {
			c := &list[i]
			if c.Place.Part != credential.InCookie {
				continue
			}
			line := setCookieOf(x.Response.Header, c.Place.Name)
			if line == "" {
				continue
			}
			key := detect.Key(hostOf(p), c.Place.Name)
			said, _ := p.State().(*window.Cache[string, string]).AtUntouched(key, p.Now())
			if *said == line {
				continue
			}
			*said = line
			severity, lacks := cookieLacks(c.Place.Name, line, hostName(p.Host()), x.TLS == exchange.Decrypted, p.BehindTLS())
			if severity == 0 {
				continue
			}
			p.Report(detect.Report{
				Key: key, Severity: severity, Credential: c,
				Evidence: detect.Evidence{{Name: "lacks", Value: p.Redact(strings.Join(lacks, ", "))}},
			})
		}
	},
})

// setCookieOf gives the Set-Cookie line (RFC 6265, section 4.1.1) that sets the
// cookie of that name last, without its value; "" where its value shows no
// attributes behind it.
func setCookieOf(h exchange.Header, name string) (line string) {
	h.Each("Set-Cookie", func(v string) {
		pair, _, _ := strings.Cut(v, ";")
		if n, _, _ := strings.Cut(pair, "="); strings.TrimSpace(n) == name {
			line = ";" + v[len(pair):]
		}
	})
	return line
}

// cookieLacks says what is wrong with a cookie's attributes.
func cookieLacks(name, attributes, host string, encrypted, behindTLS bool) (severity detect.Severity, lacks []string) {
	var secure, httpOnly, path bool
	var sameSite, domain string
	for a := range strings.SplitSeq(attributes, ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(a), "=")
		v = strings.TrimSpace(v)
		switch {
		case strings.EqualFold(k, "Secure"):
			secure = true
		case strings.EqualFold(k, "HttpOnly"):
			httpOnly = true
		case strings.EqualFold(k, "SameSite"):
			sameSite = v
		case strings.EqualFold(k, "Path"):
			path = v == "/"
		case strings.EqualFold(k, "Domain"):
			domain = strings.ToLower(strings.TrimPrefix(v, "."))
		}
	}
	found := func(s detect.Severity, what string) {
		severity, lacks = max(severity, s), append(lacks, what)
	}
	if !httpOnly {
		found(detect.Medium, "HttpOnly")
	}
	switch {
	case secure:
	case encrypted:
		found(detect.Medium, "Secure")
	case behindTLS:
		found(detect.Info, "Secure")
	}
	switch {
	case sameSite == "":
		found(detect.Info, "SameSite")
	case strings.EqualFold(sameSite, "None") && !secure && (encrypted || behindTLS):
		found(detect.Medium, "Secure, which SameSite=None asks for")
	}
	// RFC 6265bis, section 4.1.3; browsers refuse a cookie that breaks them.
	switch {
	case prefixed(name, "__Host-") && (!secure || !path || domain != ""):
		found(detect.Low, "what the prefix __Host- asks for")
	case prefixed(name, "__Secure-") && !secure:
		found(detect.Low, "what the prefix __Secure- asks for")
	}
	if domain != "" && strings.HasSuffix(host, "."+domain) {
		if registrable, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil && registrable == domain {
			found(detect.Low, "a Domain that is not all of "+domain)
		}
	}
	return severity, lacks
}

func prefixed(name, prefix string) bool {
	return len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}
