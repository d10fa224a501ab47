package rules

import (
	"strings"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "auth_missing",
	Title: "An endpoint never asks who is there",
	Doc: `Fifty requests within seven days, not one of them with a credential, had success at an endpoint that changes something (POST, PUT, PATCH, DELETE), whose answer holds a secret, or whose path names what should not be public (admin, internal, actuator, debug, export, users, accounts).

Nothing then stands between anybody who can reach the endpoint and what it gives or does. Such endpoints are the ones that nobody remembers: of old versions, of tools, of services that were meant to be reached from inside only.

Much is public on purpose: logins, registrations, new passwords, contact forms, searches, measurements that browsers send, health checks, webhooks (whose signature counts as a credential), and pages. Those are left out by the words of their paths and by their content. A client certificate that ends at a machine in front, a rule for addresses, and a gateway that takes credentials off cannot be seen from here. Reported at the fiftieth request and then once a day while it lasts.

Decide whether the endpoint is meant to be public. If not, have it ask for a credential, and look through its log for who used it.`,
	Severity: detect.Medium, Confidence: detect.Tentative,
	CWE: []int{306}, OWASP: []string{"API2:2023", "API9:2023"},
	Needs: detect.EveryExchange,
	Options: []detect.Option{
		{Name: "requests", Default: 50, Doc: "requests without a credential within seven days"},
	},
	State:    func(detect.Values) any { return window.NewCache[string, bool](20_000, 24*time.Hour) },
	Exchange: authMissing,
})

func authMissing(p *detect.Pass, x *exchange.Exchange) {
	if len(p.Presented()) > 0 || p.Outcome() != endpoint.Success || x.Response.Status >= 300 || p.Login() != nil {
		return
	}
	anonymous, refused, others := p.Callers()
	if anonymous+1 < uint32(p.Options().Int("requests")) || refused > 0 || others > 0 {
		return
	}
	severity, why := exposedBy(x, p.Template())
	if len(p.Exposed()) > 0 && !isPublicPath(p.Template()) {
		severity, why = detect.High, credential.Word("a secret is in the answer")
	}
	if severity == 0 || !p.Anonymous() {
		return
	}
	key := detect.Key(hostOf(p), p.Endpoint())
	told := p.State().(*window.Cache[string, bool])
	// A day without a report, not without a request.
	if _, fresh := told.AtUntouched(key, p.Now()); !fresh {
		return
	}
	p.Report(detect.Report{
		Key: key, Severity: severity, Count: uint64(anonymous) + 1, Clients: true,
		Evidence: detect.Evidence{
			{Name: "target", Value: p.Target()},
			{Name: "requests", Value: credential.Number(int64(anonymous) + 1)},
			{Name: "because", Value: why},
		},
	})
}

// exposedBy says why an endpoint should not be public, with severity 0 where
// nothing says so.
func exposedBy(x *exchange.Exchange, template string) (severity detect.Severity, why credential.Redacted) {
	for rest := template; rest != ""; {
		var segment string
		segment, rest, _ = strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		if publicWord(segment) {
			return 0, why
		}
		if severity == 0 && structured(x.Response.Header.Get("Content-Type")) && x.Response.Body.Length > 2 && containsWord(privateWords, segment) {
			severity, why = detect.High, credential.Word("its path names what is not public")
		}
	}
	if severity != 0 {
		return severity, why
	}
	switch x.Request.Method {
	case "POST", "PUT", "PATCH", "DELETE":
		if strings.HasPrefix(x.Response.Header.Get("Content-Type"), "text/html") {
			return 0, why // a form of a page
		}
		return detect.Medium, credential.Word("it changes something")
	}
	return 0, why
}

func containsWord(words []string, segment string) bool {
	for _, w := range words {
		if sameWord(segment, w) {
			return true
		}
	}
	return false
}

// isPublicPath reports a path that is public by its words.
func isPublicPath(template string) bool {
	for rest := template; rest != ""; {
		var segment string
		segment, rest, _ = strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		if publicWord(segment) {
			return true
		}
	}
	return false
}

// publicWord reports a segment of a path that is public as a rule. Long words
// count as parts of others, too (password-reset, csp-report).
func publicWord(segment string) bool {
	lower := strings.ToLower(segment)
	for _, w := range publicWords {
		if sameWord(lower, w) || len(w) > 4 && strings.Contains(lower, w) {
			return true
		}
	}
	return strings.HasPrefix(lower, ".well-known")
}

var privateWords = []string{"admin", "administrator", "internal", "actuator", "debug", "export", "exports", "users", "accounts", "backup", "backups", "management"}

var publicWords = strings.Fields(`login logon signin auth oauth oauth2 authorize authenticate token tokens sso saml callback register
	registration signup join reset forgot recover password passwd verify verification confirm activate invite invitation captcha challenge
	contact feedback subscribe unsubscribe newsletter survey search query suggest autocomplete graphql rpc jsonrpc webhook webhooks
	hook hooks notify notification ipn health healthz healthcheck ready readyz live livez ping status heartbeat metrics metric collect
	collector track tracking event events analytics beacon beacons pixel log logs logging report reports csp telemetry rum error errors
	crash trace traces span consent cookie cookies quote estimate calculate preview validate check upload-url public open share shared
	demo echo test static assets translate geocode cart basket wishlist guest anonymous visitor session sessions device devices jwks jwk
	keys version config settings experiments flags features v1traces
	anmelden anmeldung registrieren registrierung vergessen passwort kennwort connexion inscription motdepasse registro sesion
	contrasena entrar cadastro senha registrazione kontakt suche sitzung sitzungen`)
