package rules

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "oauth_redirect_uri",
	Title: "Codes are sent where they should not go",
	Doc: `The authorization server redirected to a redirect_uri that is plain http (and not the user's own machine), has a scheme that runs scripts, holds a wildcard or leads on by a parameter that names another site, or is of another site than the client's others.

The code or token goes with the redirect. Whoever controls the other end, or listens on the way, has it.

Only what the server followed counts: a redirect_uri that it refused is somebody trying. Programs on the user's machine get http to a loopback address, as the standard has it. Several hosts of one site are one place; a client with several environments on several sites is reported once, as Low.

Register each redirect_uri in full, compare it character by character, and refuse http but for loopback addresses.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{601}, OWASP: []string{"API2:2023"}, ASVS: []string{"10.4.1"}, RFC: []string{"RFC 9700 §2.1", "RFC 9700 §4.1"},
	Needs: detect.Authorizes,
	State: func(detect.Values) any { return window.NewCache[string, []string](5_000, 7*24*time.Hour) },
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		a, ok := authorizationOf(x)
		to := x.Response.Header.Get("Location")
		if !ok || a.redirectURI == "" || x.Response.Status/100 != 3 || !strings.HasPrefix(to, a.redirectURI) || !granted(x) {
			return
		}
		u, err := url.Parse(a.redirectURI)
		if err != nil {
			return
		}
		report := func(kind string, what credential.Redacted, severity detect.Severity) {
			p.Report(detect.Report{
				Key: detect.Key(hostOf(p), a.client, kind), Severity: severity,
				Evidence: detect.Evidence{
					{Name: "client_id", Value: p.Redact(a.client)},
					{Name: "redirect_uri", Value: p.Redact(a.redirectURI)},
					{Name: "because", Value: what},
				},
			})
		}
		switch scheme := strings.ToLower(u.Scheme); {
		case scheme == "javascript" || scheme == "data" || scheme == "vbscript":
			report("script", credential.Word("its scheme runs scripts"), detect.High)
		case scheme == "http" && !loopback(u.Hostname()):
			report("http", credential.Word("http"), detect.High)
		case strings.Contains(u.Host+u.Path, "*"):
			report("wildcard", credential.Word("a wildcard"), detect.High)
		case leadsOn(u):
			report("leads on", credential.Word("a parameter leads on to another site"), detect.High)
		case scheme == "https":
			sites, _ := p.State().(*window.Cache[string, []string]).At(detect.Key(hostOf(p), a.client), p.Now())
			s := site(u.Host)
			if !slices.Contains(*sites, s) && len(*sites) < 8 {
				*sites = append(*sites, s)
			}
			if len(*sites) >= 2 {
				report("sites", credential.Word("redirects of one client lead to several sites"), detect.Low)
			}
		}
	},
})

// loopback reports the user's own machine (RFC 8252, section 7.3).
func loopback(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// leadsOn reports a URL with a parameter that holds the URL of another site.
func leadsOn(u *url.URL) bool {
	for _, values := range u.Query() {
		for _, v := range values {
			if h := urlHost(v); h != "" && (strings.HasPrefix(v, "http") || strings.HasPrefix(v, "//")) && site(h) != site(u.Host) {
				return true
			}
		}
	}
	return false
}
