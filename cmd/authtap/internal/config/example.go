package config

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// Values that an example has for what is empty by default.
var examples = map[string]string{
	"interface": "[eth1]", "filter": "tcp port 8080", "user": "authtap", "engine": "afpacket",
	"inner-filter": "net 10.0.0.0/8 and not port 22", "tls-keylog": "[/etc/authtap/keys.log]", "tls-key": "[/etc/authtap/server.pem]",
	"decap-only": "[vxlan, gre]", "decap-ports": "vxlan=8472", "fail-on": "high", "learned": "/var/lib/authtap/learned", "listen": "127.0.0.1:9464",
	"key-file": "/etc/authtap/key", "jwt-secrets": "/etc/authtap/jwt-secrets", "sensor": "edge-1", "trusted-proxy": "[10.0.0.5, 10.1.0.0/24]",
	"only": "[brute_force, jwt_alg_none]", "disable": "[jwt_missing_claims]", "spool": "/var/lib/authtap/spool", "cluster": "main",
	"format": "json", "behind-tls": "[api.internal]", "session-cookie": "[shop_sid]", "service-credential": "[header:x-api-key]",
	"openapi": "[/etc/authtap/openapi.yaml]", "client-header": "[True-Client-IP]", "rules": "[/etc/authtap/rules.yaml]",
}

// sections are what only the file sets, with an example of each.
var sections = []struct{ name, doc, example string }{
	{"detectors", "Options of detectors, everywhere or at places; authtap explain NAME lists them.", `
detectors:
  basic_auth:
    enabled: false
  brute_force:
    many_failures: 20
    overrides:
      - host: "*.test.example.com"
        enabled: false
`},
	{"suppress", "Findings that are not told, and why: docs/rules.md.", `
suppress:
  - detector: cookie_attributes
    host: legacy.example.com
    reason: is switched off at the end of the year, OPS-1234
    until: 2099-12-31
`},
	{"endpoints", "Endpoints that are described rather than learned: docs/endpoints.md.", `
endpoints:
  - host: shop.example
    method: POST
    path: /login
    login: {user: user, password: password}
`},
	{"triggers", `What is done about findings: one of webhook, exec and block for each trigger. A
webhook may have a secret-file, by which requests are signed, a timeout (10s) and
attempts (5); a program a timeout (10s); a block list nftables (a second file, for
nft), table (authtap), for (1h), most (10000), allow and private (false).`, `
triggers:
  - name: soc
    on: {severity: high, verdict: [accepted, likely_accepted]} # also: detector, host, count
    per: client # of what the cool-down is: attack, client, principal, host, detector
    cooldown: 1h
    webhook: {url: "https://soc.example/authtap"}
  - name: journal
    on: {detector: [jwt_alg_none, jwt_tampered]}
    exec: {command: [logger, -t, authtap]}
  - name: wall
    on: {verdict: accepted}
    block: {file: /run/authtap/blocked, nftables: /run/authtap/blocked.nft, for: 1h, allow: [203.0.113.0/24]}
`},
}

// Example writes a file of all settings, each in a comment, with its default or
// an example.
func Example(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, `# Settings of authtap. A line that begins with "#" and a word, or with "#" and two
# spaces, is a setting once the "#" is gone. Each is also a flag (--sensor) and a
# variable of the environment (AUTHTAP_SENSOR), which come first, in this order.
# "authtap config check --config FILE" says what is wrong, and which limits there are;
# "authtap config example" prints this file.`)
	done := map[string]bool{}
	for _, g := range []struct {
		title string
		group Group
	}{
		{"What is captured, live", Live}, {"How it is read", Reading}, {"How it is judged", Judging},
		{"Where findings are kept", Stores}, {"On the way to the store", Delivery}, {"ClickHouse's tables", Tables},
		{"Other settings", every},
	} {
		s, fs := Defaults(), pflag.NewFlagSet("", pflag.ContinueOnError)
		fs.SortFlags = false
		s.Flags(fs, g.group)
		title := "\n# " + g.title + "\n# " + strings.Repeat("-", len(g.title))
		fs.VisitAll(func(f *pflag.Flag) {
			if done[f.Name] || f.Name == "format" && g.group == Judging {
				return
			}
			done[f.Name] = true
			if title != "" {
				fmt.Fprintln(b, title)
				title = ""
			}
			comment(b, strings.ToUpper(f.Usage[:1])+f.Usage[1:]+".")
			setting(b, f)
		})
	}
	fmt.Fprintln(b, "\n# Only in a file\n# --------------")
	for _, s := range sections {
		comment(b, s.doc)
		for line := range strings.Lines(strings.TrimPrefix(s.example, "\n")) {
			b.WriteString("#" + line)
		}
	}
	return b.Flush()
}

// comment writes text as lines of a comment.
func comment(b *bufio.Writer, text string) {
	line := "\n#"
	for _, word := range strings.Fields(text) {
		if len(line)+len(word) > 86 {
			fmt.Fprintln(b, line)
			line = "#"
		}
		line += " " + word
	}
	fmt.Fprintln(b, line)
}

func setting(b *bufio.Writer, f *pflag.Flag) {
	value := f.DefValue
	if value == "" || value == "[]" {
		value = examples[f.Name]
	}
	switch f.Name {
	case "limits":
		fmt.Fprintln(b, "#limits:")
		for _, k := range known {
			n := k.fixed
			if k.share > 0 {
				n = int64(k.share * float64(512<<20) / float64(k.per))
			}
			fmt.Fprintf(b, "#  %s: %d # %s\n", k.Name, n, k.Doc)
		}
	case "retain":
		fmt.Fprintln(b, "#retain:\n#  findings: 365\n#  auth_events: 90")
	default:
		fmt.Fprintf(b, "#%s: %s\n", f.Name, value)
	}
}
