package issuer

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

// The key of RFC 7638, section 3.1, and its thumbprint.
const (
	rfc7638 = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`
	thumb   = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
)

func TestParseJWK(t *testing.T) {
	k := ParseJWK(rfc7638)
	if got := base64.RawURLEncoding.EncodeToString(k.ID[:]); got != thumb {
		t.Errorf("thumbprint %s, want %s", got, thumb)
	}
	long := strings.Repeat("A", 3*maxModulus)
	for _, c := range []struct {
		name, text   string
		kind         string // "" where it is no key
		bits         int
		exponent     int64
		secret, good bool
	}{
		{"no JSON", `{"kty"`, "", 0, 0, false, false},
		{"no object", `[1]`, "", 0, 0, false, false},
		{"no type", `{"n":"AQAB","e":"AQAB"}`, "", 0, 0, false, false},
		{"RSA without n", `{"kty":"RSA","e":"AQAB"}`, "", 0, 0, false, false},
		{"RSA with text as n", `{"kty":"RSA","n":"é","e":"AQAB"}`, "", 0, 0, false, false},
		{"RSA too long", `{"kty":"RSA","n":"` + long + `","e":"AQAB"}`, "", 0, 0, false, false},
		{"EC without y", `{"kty":"EC","crv":"P-256","x":"AQ"}`, "", 0, 0, false, false},
		{"OKP without x", `{"kty":"OKP","crv":"Ed25519"}`, "", 0, 0, false, false},
		{"oct without k", `{"kty":"oct"}`, "", 0, 0, false, false},
		{"RSA", rfc7638, "RSA", 2048, 65537, false, true},
		{"RSA with d", `{"kty":"RSA","n":"` + strings.Repeat("_", 128) + `","e":"Aw","d":"AQAB"}`, "RSA", 768, 3, true, true},
		{"RSA with a huge e", `{"kty":"RSA","n":"____","e":"_______________"}`, "RSA", 24, math.MaxInt64, false, false},
		{"kid is a number", `{"kty":"RSA","n":"____","e":"AQAB","kid":7}`, "RSA", 24, 65537, false, true},
		{"EC off the curve", `{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}`, "EC", 256, 0, false, false},
		{"EC of another curve", `{"kty":"EC","crv":"P-192","x":"AQ","y":"AQ"}`, "EC", 192, 0, false, false},
		{"EC with too long a number", `{"kty":"EC","crv":"P-256","x":"` + strings.Repeat("_", 60) + `","y":"AQ"}`, "EC", 256, 0, false, false},
		{"OKP", `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, "OKP", 256, 0, false, true},
		{"OKP for encryption", `{"kty":"OKP","crv":"X25519","x":"AAAA"}`, "OKP", 256, 0, false, false},
		{"oct", `{"kty":"oct","k":"c2VjcmV0","kid":"s"}`, "oct", 48, 0, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := ParseJWK(c.text)
			if k == nil || c.kind == "" {
				if (k == nil) != (c.kind == "") {
					t.Errorf("got %v", k)
				}
				return
			}
			if k.Type != c.kind || k.Bits != c.bits || k.Exponent != c.exponent || k.Secret != c.secret || (k.Public() != nil) != c.good {
				t.Errorf("got %+v", k)
			}
			if k.ID == (ID{}) {
				t.Error("no ID")
			}
		})
	}
}

// Nothing of a secret is kept.
func TestSecretsAreNotKept(t *testing.T) {
	for _, text := range []string{
		`{"kty":"RSA","n":"____","e":"AQAB","d":"c3VwZXJzZWNyZXQ"}`,
		`{"kty":"oct","k":"c3VwZXJzZWNyZXQ"}`,
	} {
		k := ParseJWK(text)
		if s := fmt.Sprintf("%+v", k); strings.Contains(s, "c3VwZXJzZWNyZXQ") || strings.Contains(s, "supersecret") {
			t.Errorf("%s keeps its secret: %s", text, s)
		}
		for _, e := range k.Encodings() {
			if strings.Contains(string(e.Bytes), "c3VwZXJzZWNyZXQ") {
				t.Error("an encoding holds the secret")
			}
		}
	}
}

func get(body string) *exchange.Exchange {
	x := &exchange.Exchange{}
	x.Request = exchange.Message{Present: true, Method: "GET", Target: "/x"}
	x.Response = exchange.Message{Present: true, Status: 200}
	x.Response.Body = exchange.Body{Bytes: []byte(body), Length: int64(len(body))}
	return x
}

func TestFind(t *testing.T) {
	set := `{"keys":[` + rfc7638 + `,{"kty":"none"}]}`
	metadata := `{"issuer":"https://id.test","authorization_endpoint":"https://id.test/a","jwks_uri":"https://keys.test/jwks"}`
	for _, c := range []struct {
		name, path, body string
		keys             int
		set              bool
		issuer           string
	}{
		{"text", "/x", strings.Repeat("nothing of it ", 9), 0, false, ""},
		{"another list of keys", "/x", `{"keys":["one","two","three","four","five"]}`, 0, false, ""},
		{"keys behind a lot else", "/x", `{"a":"` + strings.Repeat("x", 500) + `","keys":[` + rfc7638 + `]}`, 0, false, ""},
		{"metadata without issuer", "/x", `{"jwks_uri":"https://keys.test/jwks","a":"bbbbbbbbbbbbbbb"}`, 0, false, ""},
		{"PEM that is none", "/x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 0, false, ""},
		{"key set", "/x", set, 1, true, ""},
		{"key set over lines", "/x", strings.ReplaceAll(set, ",", ",\n  "), 1, true, ""},
		{"one key", "/x", rfc7638, 1, false, ""},
		{"metadata", "/x", metadata, 0, false, "https://id.test"},
		{"key set by its place", "/oauth2/v1/jwks", `{"version":"` + strings.Repeat("x", 500) + `","keys":[` + rfc7638 + `]}`, 1, true, ""},
		{"metadata by its place", "/.well-known/openid-configuration", `{"a":"` + strings.Repeat("x", 500) + `",` + metadata[1:], 0, false, "https://id.test"},
		{"two in PEM", "/x", string(ParseJWK(rfc7638).Encodings()[0].Bytes) + "\n" + string(ParseJWK(rfc7638).Encodings()[5].Bytes), 2, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Find(get(c.body), c.path)
			if d == nil {
				d = &Document{}
			} else if len(d.Keys) == 0 && d.KeysURL == "" {
				t.Error("a document of nothing")
			}
			if len(d.Keys) != c.keys || d.Set != c.set || d.Issuer != c.issuer {
				t.Errorf("got %+v", d)
			}
		})
	}
	for name, change := range map[string]func(x *exchange.Exchange){
		"POST":     func(x *exchange.Exchange) { x.Request.Method = "POST" },
		"404":      func(x *exchange.Exchange) { x.Response.Status = 404 },
		"gap":      func(x *exchange.Exchange) { x.Response.Damage |= exchange.BodyGap },
		"cut":      func(x *exchange.Exchange) { x.Response.Body.Length++ },
		"unpaired": func(x *exchange.Exchange) { x.Flags |= exchange.Unpaired },
	} {
		x := get(set)
		change(x)
		if Find(x, "/x") != nil {
			t.Errorf("%s: found", name)
		}
	}
	many := get(`{"keys":[` + strings.Repeat(rfc7638+",", 100) + rfc7638 + `]}`)
	if d := Find(many, "/x"); len(d.Keys) != maxKeys {
		t.Errorf("%d keys", len(d.Keys))
	}
}

func TestEncodings(t *testing.T) {
	for _, text := range []string{rfc7638, `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`} {
		seen := map[string]string{}
		for _, e := range ParseJWK(text).Encodings() {
			if other, twice := seen[string(e.Bytes)]; twice && other != "JSON without white space" && e.Name.String() != "JSON without white space" {
				t.Errorf("%s and %s are the same", other, e.Name)
			}
			seen[string(e.Bytes)] = e.Name.String()
		}
		if len(seen) < 6 {
			t.Errorf("only %d", len(seen))
		}
		for e := range seen {
			if strings.HasPrefix(e, "-----BEGIN PUBLIC") {
				if d := Find(get(e), "/x"); d == nil || d.Keys[0].ID != ParseJWK(text).ID {
					t.Error("PEM does not lead back to the key")
				}
			}
		}
	}
	if list := ParseJWK(`{"kty":"EC","crv":"P-192","x":"AQ","y":"AQ"}`).Encodings(); list != nil {
		t.Errorf("a key of which nothing is known: %v", list)
	}
}

func key(kid string, n int) *Key {
	k := fromPublic(&rsa.PublicKey{N: ParseJWK(rfc7638).Public().(*rsa.PublicKey).N, E: 2*n + 3})
	k.Kid = kid
	return k
}

func TestLedgerIsBounded(t *testing.T) {
	l := NewLedger(Limits{Hosts: 2, Issuers: 2, Signings: 2})
	for i := range 100 {
		l.Publish("a.test", &Document{Set: true, Keys: []*Key{key(fmt.Sprint(i), i)}}, capture.Time(i))
	}
	if s := l.Stats(); s.Keys != maxKeys || s.Evicted != 100-maxKeys || s.Documents != 100 {
		t.Errorf("%+v", s)
	}
	if l.Key("", "0", "a.test", 0) != nil || l.Key("", "99", "a.test", 0) == nil {
		t.Error("not the oldest key made room")
	}
	for _, h := range []string{"b.test", "c.test:8443"} {
		l.Publish(h, &Document{Set: true, Keys: []*Key{key("x", 1)}}, 200)
	}
	if l.Publishes("a.test", 200) || !l.Publishes("c.test", 200) || l.Publishes("d.test", 200) {
		t.Error("not the oldest host made room")
	}
	token := func(kid string) *credential.Token { return &credential.Token{Issuer: "i", Alg: "RS256", Kid: kid} }
	for i := range 5 {
		l.Saw(&Sighting{Token: token(fmt.Sprint(i)), Issued: i == 0, Time: capture.Time(i)})
	}
	i := l.Issuer("i", "", 10)
	if len(i.Signings) != 2 || i.Signings[0].Kid != "0" || i.Signings[1].Kid != "4" {
		t.Errorf("%+v", i.Signings)
	}
	for k := range 5 {
		l.Saw(&Sighting{Token: &credential.Token{}, Host: fmt.Sprint(k), Time: 20})
	}
	if s := l.Stats(); s.Issuers != 2 || l.Issuer("i", "", 30) != nil {
		t.Errorf("%+v", s)
	}
}

func TestCandidates(t *testing.T) {
	l := NewLedger(Limits{})
	for i := range 40 {
		l.Publish(fmt.Sprintf("h%d.test", i), &Document{Set: true, Keys: []*Key{key(fmt.Sprintf("k%d", i), i)}}, capture.Time(i))
	}
	l.Publish("id.test", &Document{Issuer: "https://id.test/", KeysURL: "https://h7.test/keys"}, 50)
	l.Publish("evil.test", &Document{Issuer: "https://id.test/", KeysURL: "https://evil.test/keys"}, 51)
	kids := func(keys []*Key) (out []string) {
		for _, k := range keys {
			out = append(out, k.Kid)
		}
		return out
	}
	got := kids(l.Candidates("https://id.test/", "k39", "h3.test", 60))
	if len(got) != maxRecent || got[0] != "k39" || got[1] != "k3" || got[2] != "k7" || got[3] != "k38" {
		t.Errorf("%q", got)
	}
	if !l.Owns("https://id.test/", "", key("", 7).ID, 60) || l.Owns("https://id.test/", "", key("", 8).ID, 60) {
		t.Error("the issuer's keys are those of the host that its metadata names")
	}
	if k := l.Key("https://id.test/", "k7", "", 60); k == nil || k.Kid != "k7" {
		t.Errorf("%v", k)
	}
	l.Publish("h3.test", &Document{Set: true, Keys: []*Key{key("k7", 100)}}, 60)
	if k := l.Key("https://id.test/", "k7", "h3.test", 60); k != nil {
		t.Error("two keys of that name")
	}
}

func TestEstablished(t *testing.T) {
	l := NewLedger(Limits{})
	see := func(client string, id byte, issued bool) bool {
		l.Saw(&Sighting{
			Token: &credential.Token{Issuer: "i", Alg: "ES256", Kid: "k"}, ID: credential.ID{id}, Client: netip.MustParseAddr(client), Issued: issued,
		})
		return l.Issuer("i", "", 0).Any(func(g *Signing) bool { return g.Established() })
	}
	if see("192.0.2.1", 1, false) || see("192.0.2.2", 1, false) || see("192.0.2.1", 2, false) {
		t.Error("two tokens are enough")
	}
	if !see("192.0.2.1", 3, false) {
		t.Error("three tokens of two clients are not")
	}
	l = NewLedger(Limits{})
	if see("192.0.2.1", 1, false) || see("192.0.2.1", 2, false) || see("192.0.2.1", 3, false) || see("192.0.2.1", 4, false) {
		t.Error("one client is enough")
	}
	if !see("192.0.2.1", 5, true) {
		t.Error("a token that was issued is not")
	}
	var none *Issuer
	if none.Any(func(*Signing) bool { return true }) || none.KeysHost() != "" {
		t.Error("nothing is known of nobody")
	}
}

func TestHosts(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "shop": "", "https://ID.test:8443/a": "id.test", "https://a@b.test/": "b.test", "http://[::1]:80/": "::1", "//h.test/x": "h.test", "https://%zz": "",
	} {
		if got := HostOf(s); got != want {
			t.Errorf("HostOf(%q) = %q, want %q", s, got, want)
		}
	}
	for s, want := range map[string]string{"a.test": "a.test", "A.test:8080": "a.test", "[::1]:80": "::1", "[::1]": "::1", "::1": "::1", "": ""} {
		if got := hostName(s); got != want {
			t.Errorf("hostName(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestFromPublic(t *testing.T) {
	b := make([]byte, 32)
	b[31] = 1
	e, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), b)
	if err != nil {
		t.Fatal(err)
	}
	for _, public := range []any{&e.PublicKey, ed25519.NewKeyFromSeed(b).Public()} {
		k := fromPublic(public)
		if k.ID == (ID{}) || k.Bits != 256 || k.Public() == nil {
			t.Errorf("%+v", k)
		}
	}
	if fromPublic("x") != nil {
		t.Error("a key of text")
	}
}

// Whatever a server sends: no panic, and no more than the bounds.
func FuzzFind(f *testing.F) {
	f.Add(`{"keys":[` + rfc7638 + `]}`)
	f.Add(`{"issuer":"https://id.test","jwks_uri":"https://id.test/keys"}`)
	f.Add(`{"k1":"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"}`)
	f.Add(`{"realm":"master","public_key":"MCowBQYDK2VwAyEATLWr9q15+/WrvMr8wmnYXNJlHtS4hbWGnyQa7fCluik="}`)
	for _, e := range ParseJWK(rfc7638).Encodings() {
		f.Add(string(e.Bytes))
	}
	f.Fuzz(func(t *testing.T, body string) {
		d := Find(get(body), "/.well-known/x")
		if d == nil {
			return
		}
		if len(d.Keys) > maxKeys || len(d.KeysURL) > 1024 || len(d.Issuer) > 1024 || len(d.Keys) == 0 && d.KeysURL == "" {
			t.Errorf("%+v", d)
		}
		l := NewLedger(Limits{})
		l.Publish("a.test", d, 1)
		l.Publish("a.test", d, 2)
		if n := l.Stats().Keys; n > len(d.Keys) {
			t.Errorf("%d keys of %d", n, len(d.Keys))
		}
		for _, k := range l.Candidates(d.Issuer, "", "a.test", 3) {
			if len(k.Kid) > maxKid || k.Public() == nil || len(k.Encodings()) == 0 {
				t.Errorf("%+v", k)
			}
		}
	})
}

func BenchmarkFindNothing(b *testing.B) {
	body := `{"id":12,"customer":{"name":"somebody","city":"somewhere"},"positions":[` + strings.Repeat(`{"sku":"a-1","price":12.5},`, 90) + `{}]}`
	x := get(body)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if Find(x, "/orders/12") != nil {
			b.Fatal("found")
		}
	}
}

func BenchmarkFindKeySet(b *testing.B) {
	x := get(`{"keys":[` + rfc7638 + "," + rfc7638 + `]}`)
	b.ReportAllocs()
	for b.Loop() {
		if Find(x, "/x") == nil {
			b.Fatal("not found")
		}
	}
}

func BenchmarkEncodings(b *testing.B) {
	k := ParseJWK(rfc7638)
	b.ReportAllocs()
	for b.Loop() {
		k.Encodings()
	}
}
