package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
)

// planting is a message with a secret in it. %s is the secret's place, and
// encode how it stands there. What a client is told later is answered to a
// request of its own.
type planting struct {
	name   string
	letter string // what the secret is made of, "" for letters and digits
	length int    // 0 for 32
	encode func(string) string
	text   string // request, empty line, answer
}

// secret forms besides letters and digits.
const (
	hexLetters = "0123456789abcdef"
	passwords  = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789!-"
)

func encodedForm(s string) string { return url.QueryEscape(s) }
func base64Std(s string) string   { return base64.StdEncoding.EncodeToString([]byte(s)) }
func base64URL(s string) string   { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
func pairOf(s string) string      { return base64Std("carol:" + s) }
func percentAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}
func unicodeAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, `\u%04x`, s[i])
	}
	return b.String()
}
func jwtOf(s string) string {
	return base64URL(`{"alg":"HS256","typ":"JWT"}`) + "." + base64URL(`{"sub":"carol"}`) + "." + s + "Qd8fK2mVx7T"
}
func saml(s string) string {
	return encodedForm(base64Std(`<samlp:Response><saml:Assertion ID="_a" Version="2.0"><saml:Subject><saml:NameID>carol</saml:NameID></saml:Subject><x>` + s + `</x></saml:Assertion></samlp:Response>`))
}

// plantings are a secret for each place that a credential may stand in, in the
// encodings that it has there.
func plantings() []planting {
	get := func(target string, lines ...string) string {
		return "> GET " + target + " HTTP/1.1\n> Host: api.test\n" + join("> ", lines) + "\n< HTTP/1.1 200 OK\n< Content-Type: application/json\n<\n< {\"id\":1,\"name\":\"x\"}\n\n"
	}
	post := func(target, kind, body string, lines ...string) string {
		return "> POST " + target + " HTTP/1.1\n> Host: api.test\n> Content-Type: " + kind + "\n" + join("> ", lines) + ">\n> " + body + "\n\n< HTTP/1.1 200 OK\n< Content-Type: application/json\n<\n< {\"id\":1}\n\n"
	}
	answer := func(target, kind, body string, lines ...string) string {
		return "> GET " + target + " HTTP/1.1\n> Host: api.test\n\n< HTTP/1.1 200 OK\n< Content-Type: " + kind + "\n" + join("< ", lines) + "<\n< " + body + "\n\n"
	}
	const form, js, xml = "application/x-www-form-urlencoded", "application/json", "text/xml"
	list := []planting{
		{name: "basic", letter: passwords, encode: pairOf, text: get("/basic", "Authorization: Basic %s")},
		{name: "basic, key as the user", encode: func(s string) string { return base64Std("sk_live_" + s + ":") }, text: get("/basickey", "Authorization: Basic %s")},
		{name: "proxy", letter: passwords, encode: pairOf, text: get("/proxy", "Proxy-Authorization: Basic %s")},
		{name: "digest", letter: hexLetters, text: get("/digest", `Authorization: Digest username="carol", realm="r", nonce="n", uri="/", response="%s"`)},
		{name: "negotiate", encode: func(s string) string { return base64Std("\x60\x28kerberos" + s) }, text: get("/negotiate", "Authorization: Negotiate %s")},
		{name: "path, JWT", encode: jwtOf, text: get("/reset/%s/x")},
		{name: "path, key", letter: hexLetters, text: get("/hooks/shpat_%s")},
		{name: "path, key's name", text: get("/v1/api_key/%s/x")},
		{name: "path, parameter", letter: hexLetters, text: get("/page;jsessionid=%s")},
		{name: "userinfo", letter: passwords, text: get("http://carol:%s@api.test/userinfo")},
		{name: "query, nameless", encode: jwtOf, text: get("/nameless?%s")},
		{name: "query, percent", letter: passwords, encode: percentAll, text: get("/q?user=carol&password=%s")},
		{name: "query, twice", letter: passwords, encode: func(s string) string { return encodedForm(encodedForm(s)) }, text: get("/q2?next=%%2Fa%%3Fpassword%%3D%s")},
		{name: "query, presigned", letter: hexLetters, length: 64, text: get("/s3?X-Amz-Credential=AKIDEXAMPLE%%2F2026&X-Amz-Signature=%s")},
		{name: "query, GraphQL", letter: passwords, encode: encodedForm, text: get("/graphql?query=mutation%%7Blogin(user:%%22carol%%22,password:%%22%s%%22)%%7Bid%%7D%%7D")},
		{name: "query, GraphQL variables", letter: passwords, encode: encodedForm, text: get("/graphql?query=q&variables=%%7B%%22password%%22:%%22%s%%22%%7D")},
		{name: "query, SAML", encode: saml, text: get("/acs?RelayState=x&SAMLResponse=%s")},
		{name: "referer", text: get("/referer", "Referer: https://other.test/x?access_token=%s")},
		{name: "WebSocket subprotocol", text: get("/ws", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Protocol: chat, Bearer, %s")},
		{name: "WebSocket of Kubernetes", encode: func(s string) string { return base64URL(jwtOf(s)) }, text: get("/exec", "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.%s, v4.channel.k8s.io")},
		{name: "WebSocket query", text: get("/ws2?token=%s", "Upgrade: websocket", "Connection: Upgrade")},
		{name: "gRPC metadata", encode: base64Std, text: get("/s/M", "Content-Type: application/grpc", "X-Auth-Token-Bin: %s")},
		{name: "a cookie in JSON", encode: func(s string) string { return encodedForm(`{"t":"` + jwtOf(s) + `"}`) }, text: get("/cookiejson", "Cookie: a=b; x=%s")},

		{name: "form", letter: passwords, encode: encodedForm, text: post("/login", form, "username=carol&password=%s")},
		{name: "form, client secret", encode: encodedForm, text: post("/oauth/token", form, "grant_type=client_credentials&client_id=app&client_secret=%s")},
		{name: "form, refresh token", text: post("/oauth/token", form, "grant_type=refresh_token&client_id=app&refresh_token=%s")},
		{name: "form, OAuth code", text: post("/oauth/token", form, "grant_type=authorization_code&client_id=app&code=%s")},
		{name: "form, SAML", encode: saml, text: post("/acs", form, "RelayState=x&SAMLResponse=%s")},
		{name: "JSON", letter: passwords, text: post("/login", js, `{"user":"carol","password":"%s"}`)},
		{name: "JSON, escaped", letter: passwords, encode: unicodeAll, text: post("/login", js, `{"user":"carol","p\u0061ssword":"%s"}`)},
		{name: "JSON, nested", text: post("/x", js, `{"a":[{"b":{"apiKey":"%s"}}]}`)},
		{name: "JSON, new password", letter: passwords, text: post("/register", js, `{"user":"carol","new_password":"%s"}`)},
		{name: "multipart", letter: passwords, text: post("/login", "multipart/form-data; boundary=b", "--b\n> Content-Disposition: form-data; name=\"user\"\n> \n> carol\n> --b\n> Content-Disposition: form-data; name=\"password\"\n> \n> %s\n> --b--")},
		{name: "multipart, JSON", letter: passwords, text: post("/graphql", "multipart/form-data; boundary=b", "--b\n> Content-Disposition: form-data; name=\"operations\"\n> \n> {\"query\":\"q\",\"variables\":{\"password\":\"%s\"}}\n> --b--")},
		{name: "SOAP", letter: passwords, text: post("/soap", xml, `<soap:Envelope><soap:Header><wsse:UsernameToken><wsse:Username>carol</wsse:Username><wsse:Password Type="x#PasswordText">%s</wsse:Password></wsse:UsernameToken></soap:Header></soap:Envelope>`)},
		{name: "SOAP, digest", encode: base64Std, text: post("/soap", xml, `<soap:Envelope><wsse:UsernameToken><wsse:Username>carol</wsse:Username><wsse:Password Type="x#PasswordDigest">%s</wsse:Password></wsse:UsernameToken></soap:Envelope>`)},
		{name: "SAML in SOAP", text: post("/soap", xml, `<soap:Envelope><saml:Assertion ID="_1" Version="2.0"><ds:SignatureValue>%s</ds:SignatureValue></saml:Assertion></soap:Envelope>`)},
		{name: "XML attribute", text: post("/xml", xml, `<request apiKey="%s"/>`)},
		{name: "XML-RPC", letter: passwords, text: post("/xmlrpc", xml, `<methodCall><methodName>wp.getUsersBlogs</methodName><params><param><value><string>carol</string></value></param><param><value><string>%s</string></value></param></params></methodCall>`)},
		{name: "GraphQL variables", letter: passwords, text: post("/graphql", js, `{"query":"mutation L($p:String){login(p:$p){id}}","variables":{"username":"carol","password":"%s"}}`)},
		{name: "GraphQL literal", letter: passwords, text: post("/graphql", js, `{"query":"mutation{a:login(username:\"carol\",password:\"%s\"){id} b:login(username:\"dave\",password:\"x1\"){id}}"}`)},
		{name: "GraphQL batch", letter: passwords, text: post("/graphql", js, `[{"query":"mutation{login(username:\"carol\",password:\"%s\"){id}}"},{"query":"mutation{login(username:\"carol\",password:\"y2\"){id}}"}]`)},
		{name: "GraphQL document", letter: passwords, text: post("/graphql", "application/graphql", `mutation { login(username: "carol", password: "%s") { id } }`)},
		{name: "JSON-RPC by position", letter: passwords, text: post("/rpc", js, `{"jsonrpc":"2.0","id":1,"method":"user.login","params":["carol","%s"]}`)},
		{name: "MCP arguments", text: post("/mcp", js, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"api_key":"%s"}}}`)},

		{name: "issued token", text: answer("/token", js, `{"access_token":"%s","token_type":"bearer"}`)},
		{name: "issued refresh token", text: answer("/token", js, `{"access_token":"x","refresh_token":"%s"}`)},
		{name: "issued JWT", encode: jwtOf, text: answer("/token", js, `{"id_token":"%s"}`)},
		{name: "set cookie", letter: hexLetters, text: answer("/page", "text/html", "<p>x</p>", "Set-Cookie: sessionid=%s; Path=/")},
		{name: "fragment", text: answer("/authorize", "text/html", "x", "Location: https://app.test/cb#access_token=%s&token_type=bearer")},
		{name: "location", text: answer("/authorize", "text/html", "x", "Location: https://app.test/cb?token=%s")},
		{name: "issuer's key", letter: hexLetters, text: answer("/settings", js, `{"shop":{"key":"shpat_%s"}}`)},
		{name: "key of a model", letter: hexLetters, length: 64, text: answer("/app.js", "text/javascript", `var k="sk-or-v1-%s"`)},
		{name: "returned password", letter: passwords, text: answer("/users/7", js, `{"id":7,"password":"%s9!"}`)},
		{name: "password's hash", letter: hexLetters, text: answer("/users/8", js, `{"id":7,"password_hash":"%s"}`)},
		{name: "bcrypt", length: 53, text: answer("/users/9", js, `{"id":7,"x":"$2b$12$%s"}`)},
		{name: "private key", length: 64, text: answer("/pem", "text/plain", "-----BEGIN RSA PRIVATE KEY-----\n< MIIEpAIBAAKCAQEAx7Kq9vBn3YtRfWzLpQmXsDcEaHgJiUoNbVyTkMrZwPlSqAdF\n< %s\n< -----END RSA PRIVATE KEY-----")},
		{name: "page's field", letter: passwords, text: answer("/form", "text/html", `<input type="password" name="p" value="%s9!">`)},
		{name: "reflected", text: "> GET /echo HTTP/1.1\n> Host: api.test\n> X-Api-Key: %[1]s\n\n< HTTP/1.1 200 OK\n< Content-Type: application/json\n<\n< {\"you\":\"%[1]s\"}\n\n"},
		{name: "reflected in a header", text: "> GET /echo2?api_key=%[1]s HTTP/1.1\n> Host: api.test\n\n< HTTP/1.1 403 Forbidden\n< X-Debug: %[1]s\n\n"},
	}
	for _, scheme := range strings.Fields("Bearer DPoP Token ApiKey SSWS Zapier") {
		list = append(list, planting{name: scheme, text: get("/"+strings.ToLower(scheme), "Authorization: "+scheme+" %s")})
	}
	for scheme, value := range map[string]string{
		"Hawk": `id="app", mac="%s"`, "HMAC": "app:%s", "AWS4-HMAC-SHA256": "Credential=AKIDEXAMPLE/20260102/x/iam/aws4_request, SignedHeaders=host, Signature=%s",
	} {
		list = append(list, planting{name: scheme, text: get("/"+strings.ToLower(scheme), "Authorization: "+scheme+" "+value)})
	}
	list = append(list, planting{name: "JWT", encode: jwtOf, text: get("/jwt", "Authorization: Bearer %s")}, planting{name: "LLM key", length: 64, letter: hexLetters, text: get("/v1/chat/completions", "Authorization: Bearer sk-or-v1-%s")})
	for _, name := range strings.Fields("APIKEY CLIENT_SECRET Ocp-Apim-Subscription-Key X-Secret X-Token X-Api-Key X-Auth-Token X-Amz-Security-Token") {
		list = append(list, planting{name: "header " + name, text: get("/h", name+": %s")})
	}
	for _, name := range strings.Fields("access-token access_token auth-token Authorization jwt KEYCLOAK_IDENTITY refresh_token session-token JSESSIONID app_session connect.sid") {
		list = append(list, planting{name: "cookie " + name, text: get("/c", "Cookie: theme=dark; "+name+"=%s")})
	}
	for _, name := range strings.Fields("access_token api_key apiKey authorization client_secret refresh_token") {
		list = append(list, planting{name: "query " + name, text: get("/p?x=1&" + name + "=%s&y=2")})
	}
	return list
}

func join(prefix string, lines []string) (s string) {
	for _, l := range lines {
		s += prefix + l + "\n"
	}
	return s
}

// outputs is everything that leaves authtap: what is printed, kept, sent and
// answered. A new way out is a row more. Each gives what it made; what was
// said on stderr on the way is looked through, too.
var outputs = []struct {
	name string
	make func(t *testing.T, o *outlet) string
}{
	{"findings", func(t *testing.T, o *outlet) string {
		var all strings.Builder
		for _, f := range []config.Format{config.Table, config.Text, config.JSON, config.ECS, config.OCSF, config.EVE, config.SARIF} {
			all.WriteString(o.run(t, "replay", "--store", "none", "--format", string(f), o.pcap))
		}
		return all.String()
	}},
	{"findings without names of accounts", func(t *testing.T, o *outlet) string {
		return o.run(t, "replay", "--store", "none", "--hide-principals", "--format", "json", o.pcap)
	}},
	{"findings live, version by version", func(t *testing.T, o *outlet) string {
		return o.run(t, "replay", "--store", "none", "--max-findings", "1", "--shards", "2", o.pcap)
	}},
	{"the log as JSON", func(t *testing.T, o *outlet) string {
		return o.run(t, "replay", "--store", "none", "--log-format", "json", o.pcap)
	}},
	{"exchanges", func(t *testing.T, o *outlet) string { return o.run(t, "exchanges", o.pcap) }},
	{"coverage", func(t *testing.T, o *outlet) string { return o.run(t, "exchanges", "--coverage", o.pcap) }},
	{"SQLite", func(t *testing.T, o *outlet) string {
		db := "sqlite:" + filepath.Join(o.dir, "a.db")
		all := o.run(t, "replay", "--store", db, o.pcap)
		for _, ask := range []string{"findings", "endpoints", "credentials", "logins"} {
			for _, f := range []string{"table", "json"} {
				all += o.run(t, ask, "--store", db, "--limit", "0", "--format", f)
			}
		}
		return all + o.run(t, "sql", "--store", db, "SELECT * FROM findings")
	}},
	{"spool on the way to ClickHouse", func(t *testing.T, o *outlet) string {
		out, stderr, code := run(t, "replay", "--store", "clickhouse://127.0.0.1:1/db", "--spool", filepath.Join(o.dir, "spool"), "--key-file", o.key, o.pcap)
		if code != exitError || !strings.Contains(stderr, "rows in the spool") {
			t.Errorf("exit code %d: %s", code, stderr)
		}
		return out + stderr
	}},
	{"rules tried", func(t *testing.T, o *outlet) string {
		rules := filepath.Join(o.dir, "rules.yaml")
		write(t, rules, []byte("rules:\n  - name: everything\n    title: x\n    severity: low\n    doc: x\n    references: [CWE-284]\n    when: method != \"\"\n"))
		return o.run(t, "rules", "test", rules, o.pcap) + o.run(t, "replay", "--store", "none", "--rules", rules, o.pcap)
	}},
	{"triggers", func(t *testing.T, o *outlet) string {
		var mu sync.Mutex
		var sent strings.Builder
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			mu.Lock()
			fmt.Fprintf(&sent, "%v %s\n", r.Header, b)
			mu.Unlock()
		}))
		defer server.Close()
		file := filepath.Join(o.dir, "exec.out")
		yaml := filepath.Join(o.dir, "authtap.yaml")
		write(t, yaml, fmt.Appendf(nil, "triggers:\n  - name: hook\n    webhook: {url: %q}\n  - name: run\n    exec: {command: [sh, -c, \"(cat; env) >> %s\"]}\n  - name: wall\n    block: {file: %[3]s/blocked, nftables: %[3]s/blocked.nft}\n", server.URL, file, o.dir))
		all := o.run(t, "replay", "--config", yaml, "--store", "none", o.pcap)
		mu.Lock()
		defer mu.Unlock()
		if sent.Len() == 0 || len(read(t, file)) == 0 {
			t.Error("no trigger acted")
		}
		return all + sent.String()
	}},
	{"metrics and health", func(t *testing.T, o *outlet) string {
		h := newHose(t, o.pcap)
		var stderr safeBuffer
		p := &program{stdin: h, stdout: io.Discard, stderr: &stderr, environ: func(string) (string, bool) { return "", false }}
		ended := make(chan int)
		go func() {
			ended <- p.run(context.Background(), []string{"replay", "--listen", "127.0.0.1:0", "--store", "none", "--key-file", o.key, "-"})
		}()
		base, all := began(t, &stderr), ""
		for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
			_, text := fetched(t, base+path)
			all += text
		}
		close(h.closed)
		<-ended
		return all + stderr.String()
	}},
}

// outlet is what outputs are made of: a folder of their own, whose files are
// looked through as well.
type outlet struct {
	dir, pcap, key string
}

func (o *outlet) run(t *testing.T, args ...string) string {
	if args[0] == "replay" || args[0] == "rules" {
		args = append(args, "--key-file", o.key)
	}
	out, stderr, code := run(t, args...)
	if code != exitDone || out == "" {
		t.Errorf("%q: exit code %d, %d bytes\n%s", args, code, len(out), stderr)
	}
	return out + stderr
}

// search finds parts of secrets in texts, in every encoding: raw, base64 at
// any of its three offsets, hex, percent and JSON escapes of every character.
type search map[int]map[string]string // length of a part, the part, whose it is

func (s search) add(name, secret string) {
	part := func(n int, text string) {
		if s[n] == nil {
			s[n] = map[string]string{}
		}
		for i := 0; i+n <= len(text); i++ {
			s[n][text[i:i+n]] = name
		}
	}
	shown := secret[4:] // a mask may show the first four
	part(8, shown)
	for offset := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", offset) + shown))
		text = strings.TrimRight(text, "=")
		text = text[4 : len(text)-2] // what stands before and after decides on the ends
		part(12, text)
		part(12, strings.NewReplacer("+", "-", "/", "_").Replace(text))
	}
	part(16, hex.EncodeToString([]byte(shown)))
	part(24, percentAll(shown))
	part(24, strings.ToLower(percentAll(shown)))
	part(36, unicodeAll(shown))
}

// in gives whose parts stand in a text.
func (s search) in(text string) map[string]string {
	found := map[string]string{}
	for n, parts := range s {
		for i := 0; i+n <= len(text); i++ {
			if name, ok := parts[text[i:i+n]]; ok && found[name] == "" {
				found[name] = text[max(0, i-60):min(len(text), i+n+20)]
			}
		}
	}
	return found
}

// Secrets in every position and encoding appear in nothing that leaves authtap.
func TestPlanted(t *testing.T) {
	r := rand.New(rand.NewSource(7))
	var dialogue strings.Builder
	all := search{}
	list := plantings()
	names := map[string]bool{}
	for i, p := range list {
		if names[p.name] {
			t.Fatalf("two plantings are called %q", p.name)
		}
		names[p.name] = true
		letters := p.letter
		if letters == "" {
			letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
		}
		length := p.length
		if length == 0 {
			length = 32
		}
		b := make([]byte, length)
		for k := range b {
			b[k] = letters[r.Intn(len(letters))]
		}
		secret := string(b)
		all.add(p.name, secret)
		if p.encode != nil {
			secret = p.encode(secret)
		}
		fmt.Fprintf(&dialogue, "conn c%d 203.0.113.%d:%d 198.51.100.1:80\n", i, 1+i%200, 50000+i)
		for range 2 { // some is told only when it comes again
			fmt.Fprintf(&dialogue, p.text, secret)
		}
		dialogue.WriteString("fin\n")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "dialogue.txt"), []byte(dialogue.String()))
	pcap, key := filepath.Join(dir, "in.pcap"), testKey(t)
	capture := capturedDialogue(t, filepath.Join(dir, "dialogue.txt"))
	write(t, pcap, capture)
	// The search finds each of them where it was planted, but for encodings in
	// each other.
	there := all.in(string(capture))
	for _, p := range list {
		if _, ok := there[p.name]; !ok && !strings.Contains(p.name, "twice") && !strings.Contains(p.name, "SAML") && !strings.Contains(p.name, "Kubernetes") {
			t.Errorf("%s: not in the capture", p.name)
		}
	}
	for _, o := range outputs {
		t.Run(o.name, func(t *testing.T) {
			at := &outlet{t.TempDir(), pcap, key}
			text := o.make(t, at)
			err := filepath.WalkDir(at.dir, func(path string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					var b []byte
					b, err = os.ReadFile(path)
					text += string(b)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for name, context := range all.in(text) {
				t.Errorf("%s is told: %q", name, context)
			}
			secret := read(t, key)
			for _, s := range []string{string(secret[:12]), hex.EncodeToString(secret)[:24], base64.StdEncoding.EncodeToString(secret)[:16]} {
				if strings.Contains(text, s) {
					t.Errorf("the deployment key is told")
				}
			}
		})
	}
	// They were seen: else their absence says nothing.
	out, _, _ := run(t, "replay", "--store", "none", "--key-file", key, "--format", "json", pcap)
	for _, d := range strings.Fields("credential_in_url secret_in_response credential_reflected llm_key_exposed cleartext_credential basic_auth credential_in_referer") {
		if !strings.Contains(out, `"detector":"`+d+`"`) {
			t.Errorf("no finding of %s", d)
		}
	}
	if out, _, _ := run(t, "exchanges", pcap); strings.Count(out, "\n") != 2*len(list) {
		t.Errorf("%d exchanges of %d", strings.Count(out, "\n"), 2*len(list))
	}
}
