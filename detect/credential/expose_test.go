package credential

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly/exchange"
)

// keyOf makes a key of a vendor's form that nobody was ever given.
func keyOf(r *rand.Rand, v *vendor) string {
	var letters []byte
	for c := range byte(128) {
		if v.alphabet.has(c) && c != '.' && c != '-' && c != '_' {
			letters = append(letters, c)
		}
	}
	for range 1000 {
		body := make([]byte, v.least)
		for i := range body {
			body[i] = letters[r.Intn(len(letters))]
		}
		put := func(at int, s string) { copy(body[at:], s) }
		switch n := len(body); {
		case strings.HasPrefix(v.name, "Anthropic"):
			put(n-2, "AA")
		case strings.HasPrefix(v.name, "OpenAI"):
			put(20, "T3BlbkFJ")
		case v.check != nil && v.alphabet == alnum && v.most >= 36 && n == 36: // GitHub, npm
			sum := uint64(crc32.ChecksumIEEE(body[:30]))
			for i := 35; i >= 30; i-- {
				body[i], sum = (digits + upper + lower)[sum%62], sum/62
			}
		case v.name == "age secret key":
			put(n-6, "QQQQQQ")
			sum := bech32Sum(v.prefix+string(body)) ^ 1
			for i := range 6 {
				body[n-1-i] = strings.ToUpper(bech32)[sum>>(5*i)&31]
			}
		case v.prefix == "github_pat_", v.prefix == "sb_secret_":
			put(22, "_")
		case v.prefix == "glsa_":
			put(32, "_")
		case v.prefix == "PMAK-":
			put(24, "-")
		case v.prefix == "xkeysib-":
			put(64, "-")
		case v.prefix == "dt0c01.":
			put(24, ".")
		case v.prefix == "SG.":
			put(22, ".")
		case v.prefix == "glc_", v.prefix == "sntrys_":
			put(0, "eyJ")
		case strings.HasPrefix(v.name, "Slack"), v.prefix == "ntn_":
			put(0, "7")
			if v.prefix == "xoxe.xoxp-" {
				put(0, "1-")
			}
		}
		if key := v.prefix + string(body); vendorOf(key) == v {
			return key
		}
	}
	return ""
}

func exposedIn(kind, body string) []string {
	f := NewFinder(Options{})
	x := response(head("Content-Type: "+kind), body)
	var out []string
	for _, c := range f.Find(x).Exposed {
		s := c.Kind.String() + " " + c.Place.String()
		if c.vendor != nil {
			s += " (" + c.Form().String() + ")"
		}
		if c.Guessable {
			s += " perhaps"
		}
		out = append(out, s)
	}
	return out
}

// Each form is found where such keys stand, and not when its length, its
// alphabet or its sum is wrong.
func TestVendors(t *testing.T) {
	if len(vendorList) < 50 {
		t.Errorf("%d forms", len(vendorList))
	}
	r := rand.New(rand.NewSource(1))
	for i := range vendorList {
		v := &vendorList[i]
		key := keyOf(r, v)
		if key == "" {
			t.Errorf("%s: no key of it is one", v.name)
			continue
		}
		if !vendorShaped(key) {
			t.Errorf("%s: %s is not hidden", v.name, key)
		}
		want := 1
		if v.mild {
			want = 0
		}
		for _, text := range []string{
			key, `{"a":"` + key + `"}`, "use " + key + ".", `"line\n` + key + `\n"`, "k=" + key + "&x=1", "a%3D" + key, `<b>` + key + `</b>`,
			strings.Repeat("x ", 500) + key, "'" + key + "'",
		} {
			if got := exposedIn("text/plain", text); len(got) != want || want == 1 && !strings.Contains(got[0], v.name) {
				t.Errorf("%s in %q: %q", v.name, text, got)
			}
		}
		short, long := key[:len(v.prefix)+v.least-1], key+strings.Repeat("Z9", (v.most-v.least)/2+1)
		for what, wrong := range map[string]string{
			"too short": short, "too long": long, "within a word": "z" + key, "of another alphabet": key[:len(key)-3] + "é" + key[len(key)-1:],
			"another case": strings.ToUpper(key[:1]) + strings.ToLower(key[1:2]) + "~" + key[2:], "masked": key[:8] + strings.Repeat("*", 20) + key[len(key)-4:],
			"a placeholder": v.prefix + strings.Repeat("x", v.least), "an example": key[:len(v.prefix)] + "EXAMPLE" + key[len(v.prefix)+7:],
		} {
			for _, found := range exposedIn("text/plain", `{"a":"`+wrong+`"}`) {
				if strings.Contains(found, "("+v.name+")") {
					t.Errorf("%s, %s: %q is taken for one", v.name, what, wrong)
				}
			}
		}
	}
	// A token that GitHub has revoked, of an article about the sum; and an
	// identity of age's own tests.
	for key, want := range map[string]bool{
		"gh" + "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17": true, "gh" + "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18": false,
		"AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX": true,
	} {
		if got := base62CRC(key); strings.HasPrefix(key, "gh") && got != want {
			t.Errorf("%s: %v", key, got)
		}
		if got := bech32Sum(key) == 1; !strings.HasPrefix(key, "gh") && got != want {
			t.Errorf("%s: %v", key, got)
		}
	}
}

// Nothing that is merely random is a key.
func TestNothingExposed(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	raw := make([]byte, 48<<10)
	for i := range 30 {
		r.Read(raw)
		words := make([]string, 2000)
		for k := range words {
			words[k] = base64.RawURLEncoding.EncodeToString(raw[k : k+9+r.Intn(60)])
		}
		for name, text := range map[string]string{
			"base64": base64.StdEncoding.EncodeToString(raw), "base64url": base64.RawURLEncoding.EncodeToString(raw), "hex": hex.EncodeToString(raw),
			"words": strings.Join(words, " "), "binary": string(raw), "json": document(r, 40<<10),
		} {
			if got := exposedIn("text/plain", text); got != nil {
				t.Fatalf("%d: %s: %q", i, name, got)
			}
		}
	}
}

// What is exposed, and what only looks like it.
func TestExposed(t *testing.T) {
	const bcrypt = "$2b$12$Q9xT2mLr8vYc5WnHs7PdJ.4uKfA6gE1qXoRzMZk3bQ9xT2mLr8vYc"
	pem := "-----BEGIN RSA PRIVATE KEY-----\n" + strings.Repeat("MIIEpAIBAAKCAQEAx7Kq9vBn3YtRfWzLpQmXsDcEaHgJiUoNbVyTkMrZwPlSqAdF\n", 4) + "-----END RSA PRIVATE KEY-----"
	quote := func(s string) string { return `{"text":"` + strings.ReplaceAll(s, "\n", `\n`) + `"}` }
	for _, c := range []struct {
		name, body, want string
	}{
		{"nothing", `{"id":1,"name":"carol"}`, ""},
		{"private key", pem, "private_key body"},
		{"private key in JSON", quote(pem), "private_key json:text"},
		{"public key", strings.ReplaceAll(pem, "RSA PRIVATE", "PUBLIC"), ""},
		{"private key of a documentation", "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----", ""},
		{"the words alone", "never send a PRIVATE KEY-----", ""},
		{"JWK", `{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]}`, "private_key json:d"},
		{"public JWK", `{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}]}`, ""},
		{"bcrypt", `{"user":"carol","hash":"` + bcrypt + `"}`, "password_hash json:hash"},
		{"bcrypt in text", "carol:" + bcrypt + "\n", "password_hash body"},
		{"argon2", `{"x":"$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b4dWRWJTmaaJObG1nQmPg0Pn3M"}`, "password_hash json:x"},
		{"sha512crypt", "root:$6$rounds0salt$3bQ9xT2mLr8vYc5WnHs7PdJ4uKfA6gE1qXoRzMZk3bQ9xT2mLr8vYc5WnHs7PdJ4uKfA6gE1qXoRzMZk3bQ9:19000:0", "password_hash body"},
		{"django", `{"x":"pbkdf2_sha256$600000$Q9xT2mLr8vYc$RdescudvJCsgt3ub+b4dWRWJTmaaJObG1nQmPg0Pn3M="}`, "password_hash json:x"},
		{"phpass", `{"user_pass":"$P$BQ9xT2mLr8vYc5WnHs7PdJ4uKfA6gE1"}`, "password_hash json:user_pass"},
		{"dollars", `var a=$1,b="$2",c=$("#x").css("$x"),d="${" + x + "}";$.each($2a,$2b)`, ""},
		{"md5 under its name", `{"password_hash":"5f4dcc3b5aa765d61d8327deb882cf99"}`, "password_hash json:password_hash"},
		{"md5 under a password's", `[{"id":1,"password":"5f4dcc3b5aa765d61d8327deb882cf99"}]`, "password_hash json:password"},
		{"md5 of a file", `{"hash":"5f4dcc3b5aa765d61d8327deb882cf99","etag":"5f4dcc3b5aa765d61d8327deb882cf99"}`, ""},
		{"password", `{"users":[{"name":"carol","password":"hunter2"}]}`, "password json:users.password"},
		{"password, escaped name", `{"p\u0061ssword":"hunter2"}`, "password json:password"},
		{"database", `{"db_password":"s3cr3t!"}`, "password json:db_password"},
		{"a record's, of letters", `[{"id":7,"name":"carol","password":"tulip"},{"email":"d@shop.example","password":"rosegarden"}]`, "password json:password; password json:password"},
		{"letters elsewhere", `{"name":"carol","password":"tulip"}`, "password json:password perhaps"},
		{"a record's label", `{"id":7,"hint":"you @ work","password":"passwort"}`, "password json:password perhaps"},
		{"masked", `{"a":{"password":"********"},"b":{"password":"hu****2"},"c":{"password":"xxxxxxxx"},"d":{"password":"••••••"},"e":{"password":"[FILTERED]"},"f":{"password":"<hidden>"}}`, ""},
		{"none", `{"password":null,"passwd":"","pass":false,"pwd":true,"password2":"x1"}`, ""},
		{"labels", `{"password":"Password","forgot":{"password":"Forgot your password?"},"err":{"password":["is too short","can't be blank"]}}`, "password json:password perhaps"},
		{"a schema", `{"properties":{"password":{"type":"string","minLength":8}},"rules":{"password":"required|min:8"}}`, ""},
		{"a link", `{"password":"/account/password2","user_password":"https://a.example/p1"}`, ""},
		{"a template", `{"password":"{{ db_pass_1 }}"}`, ""},
		{"AWS", `{"key":"AKIAQ7XW2MLNT4R6VYPZ"}`, "api_key json:key (AWS access key)"},
		{"AWS of a documentation", `{"key":"AKIAIOSFODNN7EXAMPLE"}`, ""},
		{"AWS in signed URLs", `{"u":"https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIAQ7XW2MLNT4R6VYPZ%2F20260102%2Fus-east-1","v":"https://b.s3.amazonaws.com/k?AWSAccessKeyId=AKIAQ7XW2MLNT4R6VYPZ&Signature=x","w":"AKIAQ7XW2MLNT4R6VYPZ/20260102/us-east-1/s3/aws4_request"}`, ""},
		{"Telegram", `{"t":"bot123456789:` + `AAFq9xT2mLr8vYc5WnHs7PdJ4uKfA6gE1qX"}`, "api_key body (Telegram bot token)"},
		{"Terraform Cloud", `{"t":"Q9xT2mLr8vYc5W.` + `atlasv1.` + strings.Repeat("nHs7PdJ4uKfA6gE1qXoR", 4) + `"}`, "api_key json:t (Terraform Cloud token)"},
		{"of documentations", `sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx sk-proj-... ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx sk_live_your_key_here_0000000000000000 glpat-XXXXXXXXXXXXXXXXXXXX xoxb-your-token-goes-here-please-replace-it-today hf_abcdefghijklmnopqrstuvwxyzabcdefgh`, ""},
		{"an image", "\x89PNG " + bcrypt, ""},
	} {
		kind := "application/json"
		if c.name == "an image" {
			kind = "image/png"
		}
		if got := strings.Join(exposedIn(kind, c.body), "; "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// Of a body that was cut, what touches the end is not judged; of one with a gap
// nothing is.
func TestExposedDamaged(t *testing.T) {
	key := keyOf(rand.New(rand.NewSource(3)), vendors['d'][1])
	for _, c := range []struct {
		name   string
		body   string
		length int
		damage exchange.Damage
		want   int
	}{
		{"whole", `{"a":"` + key + `"}`, 0, 0, 1}, {"cut behind it", `{"a":"` + key + `",`, 99, 0, 1}, {"cut at it", `{"a":"` + key, 99, 0, 0},
		{"marked as cut", `{"a":"` + key, 0, exchange.Cut, 0}, {"a gap", `{"a":"` + key + `"}`, 0, exchange.BodyGap, 0}, {"undecoded", `{"a":"` + key + `"}`, 0, exchange.Undecoded, 0},
	} {
		x := response(nil, c.body)
		x.Response.Body.Length += int64(c.length)
		x.Response.Damage = c.damage
		if got := NewFinder(Options{}).Find(x).Exposed; len(got) != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestExposedIsBounded(t *testing.T) {
	r := rand.New(rand.NewSource(4))
	var b strings.Builder
	for range 3 * maxExposed {
		b.WriteString(keyOf(r, vendors['d'][1]) + "\n")
	}
	f := NewFinder(Options{})
	if got := len(f.Find(response(nil, b.String())).Exposed); got != maxExposed || f.Stats().TooMany != 2*maxExposed {
		t.Errorf("%d exposed, %d too many", got, f.Stats().TooMany)
	}
}

func TestNextRun(t *testing.T) {
	r := rand.New(rand.NewSource(5))
	for range 2000 {
		b := make([]byte, r.Intn(200))
		for i := range b {
			b[i] = "aZ9_-."[r.Intn(6)]
			if r.Intn(24) == 0 {
				b[i] = `":/+ é`[r.Intn(6)]
			}
		}
		var got, want []string
		for start, end := nextRun(b, 0); end > 0; start, end = nextRun(b, end) {
			got = append(got, fmt.Sprint(start, " ", end))
		}
		for i := 0; i < len(b); i++ {
			start := i
			for i < len(b) && runClass[b[i]] {
				i++
			}
			if i-start >= runLeast {
				want = append(want, fmt.Sprint(start, " ", i))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q: %q, want %q", b, got, want)
		}
	}
}

func TestReflected(t *testing.T) {
	long := strings.Repeat("long pass ", 2) + "1"
	for _, c := range []struct {
		name     string
		header   string
		target   string
		request  string
		response string
		answer   string // a header of the response
		want     string
	}{
		{"bearer", "Authorization: Bearer " + api40, "/", "", `{"headers":{"authorization":"Bearer ` + api40 + `"}}`, "", "bearer header:authorization"},
		{"a JWT", "Authorization: Bearer " + hs256, "/", "", `<p>` + hs256 + `</p>`, "", "jwt header:authorization"},
		{"basic", "Authorization: Basic " + base64Of("carol:correct-horse-battery"), "/", "", `{"a":"Basic ` + base64Of("carol:correct-horse-battery") + `"}`, "", "basic header:authorization"},
		{"a cookie", "Cookie: sid=" + hex32, "/", "", `window.sid = "` + hex32 + `"`, "", "session cookie:sid"},
		{"a header", "X-Api-Key: " + api40, "/", "", "{}", "X-Echo: key " + api40, "api_key header:x-api-key"},
		{"Set-Cookie", "Cookie: sid=" + hex32, "/", "", "{}", "Set-Cookie: sid=" + hex32, ""},
		{"renewed in its header", "Mcp-Session-Id: " + hex32, "/", "", "{}", "mcp-session-id: " + hex32, ""},
		{"carried on", "", "/logout?id_token_hint=" + hs256, "", `<input name="id_token_hint" value="` + hs256 + `">`, "", ""},
		{"a redirect", "Authorization: Bearer " + api40, "/", "", "", "Location: /?t=" + api40, ""},
		{"query", "", "/items?api_key=" + api40, "", `{"next":"/items?api_key=` + api40 + `&page=2"}`, "", "api_key query:api_key"},
		{"path", "", "/hook/" + hs256, "", `{"self":"/hook/` + hs256 + `"}`, "", ""},
		{"a long password", "", "/", `{"user":"carol","password":"` + long + `"}`, `{"error":"bad","password":"` + long + `"}`, "", "password json:password"},
		{"a short password", "", "/", `{"user":"carol","password":"hunter2"}`, `{"error":"bad","password":"hunter2"}`, "", ""},
		{"base64 with signs", "X-Api-Key: a+b/c+d/e+f/g+h/i+j/k+l1", "/", "", `{"k":"a+b\/c+d\/e+f\/g+h\/i+j\/k+l1"}`, "", "api_key header:x-api-key"},
		{"a part", "Authorization: Bearer " + api40, "/", "", `{"key":"` + api40[:30] + `"}`, "", ""},
		{"another", "Authorization: Bearer " + api40, "/", "", `{"key":"` + strings.ToLower(api40) + `"}`, "", ""},
		{"refresh", "", "/", `grant_type=refresh_token&refresh_token=` + api40, `{"refresh_token":"` + api40 + `"}`, "", ""},
		{"a signature", "Authorization: Hawk id=\"dh37fgj492je\", mac=\"" + api40 + "\"", "/", "", api40, "", ""},
		{"null", "Authorization: Bearer undefined", "/", "", "undefined undefined", "", ""},
	} {
		x := request("POST", c.target, nil, c.request)
		if c.header != "" {
			x.Request.Header = head(c.header)
		}
		x.Response = exchange.Message{Present: true, Status: 200, Body: exchange.Body{Bytes: []byte(c.response), Length: int64(len(c.response))}}
		if c.answer != "" {
			x.Response.Header = head(c.answer)
		}
		found := NewFinder(Options{}).Find(x)
		got := ""
		if found.Reflected != nil {
			got = found.Reflected.Kind.String() + " " + found.Reflected.Place.String()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
