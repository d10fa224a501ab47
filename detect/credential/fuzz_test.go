package credential

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/authtap/authtap/reassembly/exchange"
)

// checkFound holds for every exchange: the bounds, and that no text of the
// exchange gives away what was found in it.
func checkFound(t *testing.T, f *Finder, x *exchange.Exchange) {
	found := f.Find(x)
	texts := []string{x.Request.Target, string(x.Request.Body.Bytes), string(x.Response.Body.Bytes)}
	for _, m := range []*exchange.Message{&x.Request, &x.Response} {
		for _, h := range m.Header {
			texts = append(texts, h.Value)
		}
	}
	for i, s := range texts {
		texts[i] = Redact(&found, s).String() + "\n" + MaskText(&found, s)
	}
	all := strings.Join(texts, "\n")
	before := fmt.Sprintf("%+v %+v %+v %+v", found, found.Login, found.Account, found.Asked)
	for _, b := range [][]byte{x.Request.Body.Bytes, x.Response.Body.Bytes} {
		for i := range b {
			b[i] = '~'
		}
	}
	if after := fmt.Sprintf("%+v %+v %+v %+v", found, found.Login, found.Account, found.Asked); after != before {
		t.Fatalf("what was found changes with the body's memory:\n%s\n%s", before, after)
	}
	if len(found.Exposed) > maxExposed {
		t.Fatalf("%d exposed", len(found.Exposed))
	}
	for _, list := range [][]Credential{found.Request, found.Response, found.Exposed} {
		if len(list) > f.options.MaxCredentials {
			t.Fatalf("%d credentials", len(list))
		}
		for i := range list {
			c := &list[i]
			if c.Kind == 0 || c.Kind >= kindEnd || c.ID.IsZero() || c.Mask == "" || c.Place.Part == 0 || len(c.Place.Name) > 64 || len(c.Scheme) > 24 {
				t.Fatalf("incomplete: %v", *c)
			}
			if (c.Kind == JWT) != (c.JWT != nil) {
				t.Fatalf("a JWT without a token: %v", *c)
			}
			for _, v := range c.pieces() {
				if len(v) >= 8 && !strings.ContainsAny(v, "…()\n") && strings.Contains(all, v) {
					t.Fatalf("%v: %q is in %q", *c, v, all)
				}
			}
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, seed := range []struct{ target, header, body string }{
		{"/login?user=a&password=hunter2hunter2", "Authorization: Basic " + base64Of("alice:hunter2hunter2"), `{"user":"a","password":"hunter2hunter2"}`},
		{"http://u:p@h/x;jsessionid=" + hex32, "Cookie: sid=" + hex32 + "; a=%22" + hs256 + "%22", "grant_type=password&username=a&password=b%20c"},
		{"/?" + hs256, "Authorization: Bearer " + hs256, "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2\r\n--b--"},
		{"/cb?code=abcdef&state=1#access_token=x", `Authorization: Digest username="a\"b", response="0123456789abcdef"`, `{"a":[{"pin":1234,"jwt":"` + hs256 + `"}]}`},
		{"*", "Authorization: NTLM " + base64Of(ntlmMessage("D", "u")), `["\u0065yJhbGciOiJIUzI1NiJ9.e30.AAAA"]`},
		{"/a", "Location: /x?token=" + api40 + "#access_token=" + api40, `{"access_token":"` + api40 + `"}`},
		{"/a", "Set-Cookie: sid=" + hex32, "see " + hs256},
		{"/a", "Referer: https://a:b@c/?api_key=" + api40, "user[password]=x"},
		{"/a;access_token=" + api40, "Content-Type: text/xml", `<a:Password Type="x#PasswordDigest">6R4rV5iE+NPoym=</a:Password><user>a</user><password><![CDATA[hunter2hunter2]]></password>`},
		{"/acs?SAMLResponse=" + deflated(samlText), "Content-Type: application/soap+xml", samlText},
		{"/xmlrpc.php", "Content-Type: text/xml", `<methodCall><methodName>system.multicall</methodName><name>methodName</name><string>wp.getUsersBlogs</string><string>admin</string><string>hunter2hunter2</string>`},
		{"/graphql?query={me(apiKey:%22" + api40 + "%22)}&variables={%22password%22:%22hunter2hunter2%22}", "Content-Type: application/graphql", `{ login(username: "carol", password: """hunter2hunter2""", otp: 123456) { id } }`},
		{"/rpc", "", `[{"jsonrpc":"2.0","method":"a.login","params":["carol","hunter2hunter2"]}]`},
		{"/s/M", "content-type: application/grpc\nx-auth-token-bin: " + base64Of(api40), grpcMessage(0, protoField(6, protoField(3, hs256)))},
		{"/ws", "Sec-WebSocket-Protocol: " + kubernetesBearer + "ZXlK, Bearer, " + api40, ""},
		{"/a", "Content-Type: text/html", `<input type="password" value="hunter2hunter2!">` + "-----BEGIN PRIVATE KEY-----\n" + api40 + api40 + api40},
		{"/a", "X-Echo: " + api40, `{"password_hash":"5f4dcc3b5aa765d61d8327deb882cf99","a":"$2b$12$Q9xT2mLr8vYc5WnHs7PdJ.4uKfA6gE1qXoRzMZk3bQ9xT2mLr8vYc","k":"AKIAQ7XW2MLNT4R6VYPZ"}`},
	} {
		f.Add(seed.target, seed.header, []byte(seed.body), uint8(0))
	}
	finder := NewFinder(Options{CacheEntries: 64, CacheBytes: 1 << 20})
	f.Fuzz(func(t *testing.T, target, header string, body []byte, mode uint8) {
		if len(target)+len(header)+len(body) > 32<<10 {
			return
		}
		m := exchange.Message{Present: true, Method: []string{"GET", "POST"}[mode>>1&1], Target: target, Status: 200, Damage: exchange.Damage(mode >> 2)}
		for line := range strings.Lines(header) {
			name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ": ")
			m.Header = append(m.Header, exchange.Field{Name: name, Value: value})
		}
		if i := strings.IndexByte(text(body), '\n'); strings.HasPrefix(text(body), "--") && i > 0 {
			m.Header = append(m.Header, exchange.Field{Name: "Content-Type", Value: "multipart/form-data; boundary=" + strings.TrimSpace(string(body[2:i]))})
		}
		m.Body = exchange.Body{Bytes: body, Length: int64(len(body)) + int64(mode&1)}
		response := m
		response.Body.Bytes = bytes.Clone(body)
		m.Body.Bytes = bytes.Clone(body) // the check spoils it
		checkFound(t, finder, &exchange.Exchange{Request: m})
		checkFound(t, finder, &exchange.Exchange{Response: response})
	})
}

func FuzzToken(f *testing.F) {
	for _, s := range []string{
		hs256, unsigned(`{"alg":"none"}`, `{"exp":1e400,"aud":[1,"a"]}`, -1), unsigned(`{}`, `{"sub":"a"}`, 0),
		unsigned(`{"alg":"ES256","jwk":{"kty":"EC"},"crit":["b64"],"b64":false}`, `{"cnf":{"jkt":"x"}}`, 64), b64(`{"enc":"A128GCM"}`) + ".a.b.c.d",
		b64(`{"alg":"HS256"}`) + "..AAAA", unsigned(`{"alg":"a","alg":"b"}`, `{"a":{"b":[1,{"c":"d"}]}}`, 9),
	} {
		f.Add(s)
	}
	key := newKeyed(Key{1})
	secrets, err := NewSecrets(nil)
	if err != nil {
		f.Fatal(err)
	}
	secrets.ends, secrets.listed, secrets.dictionary = secrets.ends[:20], 10, 20
	f.Fuzz(func(t *testing.T, s string) {
		token, why := parseToken(key, s)
		if (token == nil) != (why != isToken) {
			t.Fatal("neither token nor refusal")
		}
		if token == nil {
			return
		}
		if len(s) > maxToken || token.Parts < 2 || token.Parts > 5 || token.InputHash.IsZero() {
			t.Fatalf("%+v", *token)
		}
		if token.SignatureLen > 0 && token.SignatureHash.IsZero() {
			t.Fatal("a signature without a hash")
		}
		token.Claims(func(path, value string) bool { return len(path)+len(value) < 2*maxToken })
		token.Verify([]byte("k"))
		token.Use()
		token.Principal()
		if g, ok := secrets.Guess(token, Hints{Host: "a.b"}); ok && (token.AlgNone() || g.Mask == "") {
			t.Fatal("guessed what is not signed")
		}
		if again, _ := parseToken(key, s); again.InputHash != token.InputHash || again.SignatureHash != token.SignatureHash {
			t.Fatal("not the same twice")
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":{"password":"x"},"b":[1,2.5e3,true,null,"\"\\\u00e9"]}`, `{"tok\u0065n":"` + api40 + `"}`, `{"password" : "a\"b"}`, `{"x":"eyJhbGciOiJIUzI1NiJ9.e30.AAAA"}`,
		`[[[[[[[[[{"password":"x"}]]]]]]]]]`, `{"api_key":["a","b"]}`, `{"password":1234`, `{"a":"\`, "\xef\xbb\xbf{}", `{"session":"\"0123456789abcdef0123456789abcdef"}`,
	} {
		f.Add(s)
	}
	finder := NewFinder(Options{CacheEntries: 64, CacheBytes: 1 << 20})
	f.Fuzz(func(t *testing.T, s string) { checkJSON(t, finder, s) })
}

// checkJSON: what the full reading reports, the first look lets through; and of
// valid JSON it reports each password that encoding/json sees.
func checkJSON(t interface{ Fatalf(string, ...any) }, f *Finder, s string) {
	for _, response := range []bool{false, true} {
		f.begin(response)
		f.readJSON(s, false)
		login := !response && (f.login.grant != "" || f.login.weakCode != "")
		if (len(f.list) > 0 || login) && !f.promising([]byte(s)) {
			t.Fatalf("response %v: the first look passes over %q: %v %+v", response, s, f.list, f.login)
		}
		if f.json.depth < 0 || f.json.depth > f.options.MaxDepth {
			t.Fatalf("depth %d", f.json.depth)
		}
	}
	f.begin(false)
	f.readJSON(s, false)
	got := 0
	for i := range f.list {
		if f.list[i].Kind == Password && !strings.Contains(f.list[i].Place.Name, "…") {
			got++
		}
	}
	var v any
	if json.Unmarshal([]byte(s), &v) != nil || len(f.list) >= f.options.MaxCredentials {
		return
	}
	if want := passwords(v, 1, f.options.MaxDepth, false); got < want {
		t.Fatalf("%d passwords in %q, encoding/json sees %d", got, s, want)
	}
}

func passwords(v any, depth, most int, under bool) (n int) {
	switch v := v.(type) {
	case string:
		if under && strings.Trim(v, " \t\r\n\"") != "" && !isNull(strings.Trim(v, " \t\r\n\"")) {
			return 1
		}
	case []any:
		for _, e := range v {
			if depth <= most {
				n += passwords(e, depth+1, most, under)
			}
		}
	case map[string]any:
		for k, e := range v {
			if depth <= most {
				n += passwords(e, depth+1, most, fieldOf(k) == fieldPassword)
			}
		}
	}
	return n
}

// Generated documents have keys and tokens far more often than fuzzed ones.
func TestJSONProperty(t *testing.T) {
	f := NewFinder(Options{CacheEntries: 64, CacheBytes: 1 << 20})
	keys := rapid.SampledFrom([]string{"password", "user[pass]", "access_token", "a", "token", "api-key", "x\\u0070in", "description", "session_id", "code", "grant_type", "p\\u0061ss", "secret", "k\\\"token", "sid", "ref\\tresh_token", "JWT", "key"})
	values := rapid.SampledFrom([]string{`"x"`, `"` + api40 + `"`, `"` + hs256 + `"`, `1234`, `null`, `"\"` + hex32 + `"`, `"see ` + hs256 + ` and more text"`, `"\u0065yJ` + hs256[3:] + `"`, `""`, `true`, `"12:30:45"`, `"refresh_token"`})
	space := rapid.SampledFrom([]string{"", "", "", " ", "\n  "})
	var value func(t *rapid.T, depth int) string
	value = func(t *rapid.T, depth int) string {
		if depth > 10 || rapid.IntRange(0, 3).Draw(t, "leaf") > 0 {
			return values.Draw(t, "value")
		}
		object := rapid.Bool().Draw(t, "object")
		var parts []string
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			v := value(t, depth+1)
			if object {
				v = `"` + keys.Draw(t, "key") + `"` + space.Draw(t, "space") + ":" + space.Draw(t, "space") + v
			}
			parts = append(parts, space.Draw(t, "space")+v)
		}
		if object {
			return "{" + strings.Join(parts, ",") + "}"
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	rapid.Check(t, func(t *rapid.T) {
		s := `{"` + keys.Draw(t, "key") + `":` + value(t, 1) + `,"` + keys.Draw(t, "key") + `":` + value(t, 1) + "}"
		if n := rapid.IntRange(0, 10).Draw(t, "cut"); n == 0 {
			s = s[:rapid.IntRange(0, len(s)).Draw(t, "at")]
		}
		checkJSON(t, f, s)
	})
}
