package credential

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/authtap/authtap/reassembly/exchange"
)

// leak gives a part of secret, of 5 bytes or more behind the 4 that a mask may
// show, that stands in text; "" where there is none.
func leak(text, secret string) string {
	for i := 4; i+5 <= len(secret); i++ {
		if part := secret[i : i+5]; strings.Contains(text, part) {
			return part
		}
	}
	return ""
}

// encodings are the ways in which a secret stands in a message or in evidence.
func encodings(s string) map[string]string {
	var all, unicode strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&all, "%%%02x", s[i])
	}
	for _, r := range s {
		fmt.Fprintf(&unicode, `\u%04x`, r)
	}
	quoted, _ := json.Marshal(s)
	return map[string]string{
		"raw":           s,
		"percent":       strings.ReplaceAll(url.QueryEscape(s), "+", "%20"),
		"percent, all":  all.String(),
		"form":          url.QueryEscape(s),
		"JSON":          strings.Trim(string(quoted), `"`),
		"JSON, slashes": strings.ReplaceAll(s, "/", `\/`),
		"JSON, all":     unicode.String(),
		"base64":        base64.StdEncoding.EncodeToString([]byte(s)),
		"base64, URL":   base64.RawURLEncoding.EncodeToString([]byte(s)),
		"base64, in":    base64.StdEncoding.EncodeToString([]byte("user:" + s)),
		"twice":         url.QueryEscape(url.QueryEscape(s)),
	}
}

// The planted-secret test: a secret in every position, in every encoding that
// the position knows; nothing that may leave shows it.
func TestPlantedSecrets(t *testing.T) {
	const form = "Content-Type: application/x-www-form-urlencoded"
	claims := b64(`{"sub":"q7JkX2vTz"}`)
	jwtSecret := b64(`{"alg":"HS256","typ":"JWT"}`) + "." + claims + ".Qd8fK2mVx7TzLp3RbYc9HsWnJg5EaU1oXi4MkDtF0Zw"
	get := func(target string, lines ...string) *exchange.Exchange {
		return request("GET", target, head(lines...), "")
	}
	for _, secret := range []string{
		"Hx7/Rq+9bN2=wTz", "p4Ss W0rd&mit=Allem", `qu"ote\and/slash`, "Zk3bQ9xT2mLr8vYc5WnHs7PdJ4uKfA6g", "4716f3a09be25d8c4716f3a09be25d81", "ghp_Qd8fK2mVx7TzLp3RbYc9HsWnJg5EaU1oXi4", "pässwörd-größe", jwtSecret,
	} {
		e := encodings(secret)
		isJWT := secret == jwtSecret
		plain := !strings.ContainsAny(secret, ` "&\=;,`) && !strings.Contains(secret, "ä")
		type planted struct {
			name string
			x    *exchange.Exchange
		}
		list := []planted{
			{"basic", get("/", "Authorization: Basic "+base64Of("al:"+secret))},
			{"userinfo", get("http://al:" + url.PathEscape(secret) + "@h.example/")},
			{"query, percent", get("/a?password=" + e["percent, all"])},
			{"query, form", get("/a?x=1&user=al&password=" + e["form"])},
			{"query token", get("/a?access_token=" + e["percent"])},
			{"referer", get("/", "Referer: https://r.example/?access_token="+e["percent"])},
			{"form", request("POST", "/login", head(form), "user=al&password="+e["form"])},
			{"form client", request("POST", "/token", head(form), "grant_type=client_credentials&client_id=al&client_secret="+e["form"])},
			{"form refresh", request("POST", "/token", head(form), "grant_type=refresh_token&refresh_token="+e["form"])},
			{"form code", request("POST", "/verify", head(form), "user=al&otp="+e["form"])},
			{"JSON", request("POST", "/login", nil, `{"user":"al","password":"`+e["JSON"]+`"}`)},
			{"JSON, slashes", request("POST", "/login", nil, `{"user":"al","password":"`+strings.ReplaceAll(e["JSON"], "/", `\/`)+`"}`)},
			{"JSON api key", request("POST", "/x", nil, `{"a":{"apiKey":"`+e["JSON"]+`"}}`)},
			{"multipart", request("POST", "/login", head("Content-Type: multipart/form-data; boundary=b"),
				"--b\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nal\r\n--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n"+secret+"\r\n--b--")},
		}
		if plain {
			list = append(list, planted{"bearer", get("/", "Authorization: Bearer "+secret)}, planted{"bare", get("/", "Authorization: "+secret)},
				planted{"api key", get("/", "X-Api-Key: "+secret)}, planted{"unknown scheme", get("/", "Authorization: Zapier "+secret)},
				planted{"token", get("/", `Authorization: Token token="`+secret+`"`)},
				planted{"cookie", get("/", "Cookie: a=b; sid="+secret)}, planted{"digest", get("/", `Authorization: Digest username="al", nonce="n", response="`+secret+`"`)},
				planted{"hawk", get("/", `Authorization: Hawk id="al", mac="`+secret+`"`)}, planted{"aws", get("/", "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/x, Signature="+secret)},
				planted{"proxy", get("/", "Proxy-Authorization: Bearer "+secret)})
		}
		if plain && !guessable(secret) {
			list = append(list, planted{"set-cookie", response(head("Set-Cookie: sid="+secret+"; Path=/"), "")}, planted{"issued", response(nil, `{"access_token":"`+secret+`"}`)},
				planted{"fragment", response(head("Location: https://c.example/#access_token="+secret), "")}, planted{"location", response(head("Location: /x?token="+secret), "")},
				planted{"presigned", get("/a?X-Amz-Signature=" + secret)}, planted{"jsessionid", get("/a;jsessionid=" + secret + "/b")})
		}
		if isJWT {
			list = append(list, planted{"path", get("/reset/" + secret)}, planted{"any header", get("/", "X-Any: "+secret)}, planted{"any cookie", get("/", "Cookie: x="+secret)},
				planted{"nameless", get("/?" + secret)}, planted{"text", request("POST", "/", head("Content-Type: text/plain"), "see "+secret)},
				planted{"any JSON", request("POST", "/", nil, `{"a":["`+secret+`"]}`)})
		}
		for _, p := range list {
			f := NewFinder(Options{Key: Key{7}})
			found := f.Find(p.x)
			if len(found.Request)+len(found.Response) == 0 {
				t.Errorf("%s of %q: not found", p.name, secret)
				continue
			}
			var out []string
			say := func(format string, v any) { out = append(out, fmt.Sprintf(format, v)) }
			for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
				say(format, found)
				say(format, &found)
				for _, c := range append(found.Request, found.Response...) {
					say(format, c)
					say(format, &c)
					say(format, struct{ hidden Credential }{c})
					say(format, c.Redacted())
					say(format, c.Place)
					if c.JWT != nil {
						say(format, c.JWT)
						say(format, *c.JWT)
						say(format, struct{ hidden Token }{*c.JWT})
					}
				}
				if found.Login != nil {
					say(format, *found.Login)
				}
				say(format, struct{ k Key }{Key{7}})
			}
			b, err := json.Marshal(found)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(b))
			say("%v", p.x.Request.Target)
			out[len(out)-1] = Redact(&found, p.x.Request.Target).String()
			_, query, _ := strings.Cut(p.x.Request.Target, "?")
			out = append(out, MaskText(&found, query), Redact(&found, string(p.x.Request.Body.Bytes)).String(), Redact(&found, string(p.x.Response.Body.Bytes)).String())
			for _, h := range append(p.x.Request.Header, p.x.Response.Header...) {
				out = append(out, Redact(&found, h.Value).String(), Redact(&found, h.Name+": "+h.Value).String())
			}
			for name, text := range e {
				for _, context := range []string{"%s", "x %s y", `{"note":"%s"}`, "/a/%s/b?c=1", "a=%s&b=2", "<b>%s</b>"} {
					s := strings.Replace(context, "%s", text, 1)
					for n, got := range []string{Redact(&found, s).String(), MaskText(&found, s)} {
						if part := leakOf(got, secret, text); part != "" {
							t.Errorf("%s of %q, %s (%d): %q of it is in %q", p.name, secret, name, n, part, got)
						}
					}
				}
				// Cut off anywhere.
				for _, n := range []int{len(text) / 2, len(text) - 1} {
					if strings.HasPrefix(name, "base64") || name == "twice" {
						continue
					}
					if got := Redact(&found, "x "+text[:n]).String(); leak(got, secret) != "" {
						t.Errorf("%s of %q, %s cut to %d: %q", p.name, secret, name, n, got)
					}
				}
			}
			for _, text := range out {
				if part := leak(text, secret); part != "" {
					t.Errorf("%s of %q: %q of it is in %q", p.name, secret, part, text)
				}
			}
		}
	}
}

// leakOf looks for the secret and for its encoded form.
func leakOf(got, secret, encoded string) string {
	if part := leak(got, secret); part != "" {
		return part
	}
	return leak(got, encoded)
}

// What no exchange knows of is hidden by its looks or by its name.
func TestRedactShapes(t *testing.T) {
	for s, want := range map[string]string{
		// These stay.
		"": "",
		"/users/42/orders?page=2&sort=name&limit=20":   "/users/42/orders?page=2&sort=name&limit=20",
		"/a/550e8400-e29b-41d4-a716-446655440000":      "/a/550e8400-e29b-41d4-a716-446655440000",
		"/blog/my-very-long-article-about-many-things": "/blog/my-very-long-article-about-many-things",
		"invalid_grant: token expired at 12:30":        "invalid_grant: token expired at 12:30",
		`Basic realm="the API"`:                        `Basic realm="the API"`,
		"https://a.example:8443/x":                     "https://a.example:8443/x",
		"a\x1b[31mb\x00\n":                             "a\x1b[31mb\x00\n",
		"bad \xff\xfe bytes":                           "bad \xff\xfe bytes",
		"code=US&key=abc&session=morning":              "code=US&key=abc&session=morning",
		"user=alice&password=":                         "user=alice&password=",
		// These do not.
		"t=" + hs256:                                            "t=…(108)",
		"/a/" + hex32 + "/b":                                    "/a/…(32)/b",
		"/a/" + api40:                                           "/a/…(40)",
		"key=sk_live_4eC39HqLyjWDarjtT1zdp7dc":                  "key=…(32)",
		"user=alice&password=hunter2&x=1":                       "user=alice&password=…(7)&x=1",
		`{"password":"hunter2","x":1}`:                          `{"password":"…(7)","x":1}`,
		`{"password" : "hun\"ter2","x":1}`:                      `{"password" : "…(9)","x":1}`,
		`{\"password\":\"hunter2\"}`:                            `{\"password\":\"…(7)\"}`,
		"password: hunter2, user: alice":                        "password: …(7), user: alice",
		"a%3D1%26password%3Dhunter2":                            "a%3D1%26password%3D…(7)",
		"Authorization: Bearer abcDEF123":                       "Authorization: Bearer …(9)",
		"Basic " + base64Of("a:hunter2"):                        "Basic …(12)",
		"Basic%20" + base64Of("a:hunter2"):                      "Basic%20…(12)",
		"https://alice:hunter2@a.example/x":                     "https://alice:…(7)@a.example/x",
		"cb?code=SplxlOBe&state=x":                              "cb?code=…(8)&state=x",
		"otp=123456":                                            "otp=…(6)",
		"a=" + base64.StdEncoding.EncodeToString([]byte(hex32)): "a=…(44)",
	} {
		if got := Redact(nil, s).String(); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
		if got := MaskText(&Found{}, s); got != want {
			t.Errorf("MaskText of %q: got %q, want %q", s, got, want)
		}
	}
}

func TestRedactBounds(t *testing.T) {
	long := strings.Repeat("ä b ", 5000)
	got := Redact(nil, long).String()
	if len(got) > redactOutput+len("…") || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes, ends in %q", len(got), got[len(got)-8:])
	}
	if got := MaskText(nil, long); got != long {
		t.Error("MaskText cut its query")
	}
	// A secret that the limit on what is read cuts in two.
	f := NewFinder(Options{})
	found := f.Find(request("GET", "/", head("X-Api-Key: "+api40), ""))
	if got := redact(&found, (strings.Repeat("a b ", redactInput/4) + api40)[:redactInput+10]); leak(got, api40) != "" {
		t.Errorf("…%q", got[len(got)-30:])
	}
}

// A short password is hidden where it stands alone, and does not eat the text.
func TestRedactShortValues(t *testing.T) {
	f := NewFinder(Options{})
	found := f.Find(request("POST", "/login", nil, `{"user":"bob","password":"a"}`))
	if got := Redact(&found, `/a/bananas?x=a`).String(); got != "/…(1)/bananas?x=…(1)" {
		t.Errorf("%q", got)
	}
}
