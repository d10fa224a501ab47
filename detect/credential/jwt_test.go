package credential

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// unsigned makes a token of JSON texts and a signature of n bytes (-1: no
// second dot).
func unsigned(header, claims string, n int) string {
	s := b64(header) + "." + b64(claims)
	if n < 0 {
		return s
	}
	sig := make([]byte, n)
	for i := range sig {
		sig[i] = byte(i*7 + 13)
	}
	return s + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// What must not be taken for a JWT.
func TestNoToken(t *testing.T) {
	for name, s := range map[string]string{
		"empty":                    "",
		"dots":                     "..",
		"a file":                   "jquery.min.js",
		"an archive":               "package-1.2.3.tar.gz",
		"a host":                   "api.shop.example",
		"a version":                "1.2.3",
		"words":                    "eyebrow.pencil.kit",
		"words of base64":          "eyJhbGci.eyJzdWIi.abc",
		"random":                   "Zk3bQ9xT2mLr8vYc.5WnHs7PdJ4uKfA6g.E1qXoRzM",
		"one part":                 b64(`{"alg":"HS256"}`),
		"nothing but a header":     b64(`{"alg":"HS256"}`) + ".",
		"and two dots":             b64(`{"alg":"HS256"}`) + "..",
		"four parts":               hs256 + ".abc",
		"six parts":                "a.b.c.d.e.f",
		"an array":                 unsigned(`["alg"]`, `{"sub":"a"}`, 32),
		"a string":                 unsigned(`"alg"`, `{"sub":"a"}`, 32),
		"cut JSON":                 unsigned(`{"alg":"HS256"`, `{"sub":"a"}`, 32),
		"no JOSE header":           unsigned(`{"user_id":1}`, `{"next":2}`, 32),
		"Flask's session":          "eyJ1c2VyX2lkIjoxfQ.ZpXabc.dozjgNryP4J3jVmNHl0w5N_XgL0",
		"Flask's, with a typ":      b64(`{"typ":"x","user":1}`) + ".ZpXabc.dozjgNryP4J3jVmNHl0w5N_XgL0",
		"a payload that is text":   unsigned(`{"alg":"custom"}`, `hello`, 32),
		"two parts, payload text":  unsigned(`{"alg":"HS256"}`, `hello`, -1),
		"no base64":                "eyJhbGciOiJIUzI1NiJ9.ey!zdWIiOiIxIn0.abc",
		"no base64 signature":      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.a~b",
		"five parts, not JWE":      b64(`{"typ":"x"}`) + ".a.b.c.d",
		"nested too deep":          unsigned(`{"alg":"HS256"}`, `{"a":`+strings.Repeat("[", 20)+strings.Repeat("]", 20)+`}`, 32),
		"longer than 16 KiB":       unsigned(`{"alg":"HS256"}`, `{"a":"`+strings.Repeat("x", 16<<10)+`"}`, 32),
		"more than 256 members":    unsigned(`{"alg":"HS256"}`, `{`+manyMembers(300)+`}`, 32),
		"a header nested too deep": unsigned(`{"alg":"HS256","a":`+strings.Repeat(`{"a":`, 16)+`1`+strings.Repeat("}", 17), `{}`, 32),
	} {
		if token, _ := parseToken(newKeyed(Key{}), s); token != nil {
			t.Errorf("%s: taken for a token: %v", name, token)
		}
	}
}

func manyMembers(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"k%d":1`, i))
	}
	return strings.Join(list, ",")
}

func TestToken(t *testing.T) {
	token := tokenOf(t, unsigned(`{"alg":"RS256","typ":"at+jwt","cty":"JWT","kid":"k/1","jku":"https://a.example/jwks","x5u":"https://a.example/c.pem","jwk":{"kty":"RSA"},"x5c":["MII"],"crit":["b64"],"zip":"DEF"}`,
		`{"iss":"https://id.example","sub":"alice","aud":["a","b"],"exp":1767315600,"nbf":1767312000.5,"iat":"1767312000","jti":"j1","azp":"app","scope":"r w","email":"a@b.c","preferred_username":"al","token_use":"access","nonce":"n","at_hash":"h","cnf":{"jkt":"T"},"auth_time":1767311999}`, 256))
	got := fmt.Sprintf("%s %s %s %s %s %s %v %v %v %v %s", token.Alg, token.Typ, token.Cty, token.Kid, token.Jku, token.X5u, token.HasKid, token.HasJWK, token.HasX5c, token.Crit, token.Zip)
	if want := "RS256 at+jwt JWT k/1 https://a.example/jwks https://a.example/c.pem true true true [b64] DEF"; got != want {
		t.Errorf("header: %s", got)
	}
	got = fmt.Sprintf("%s %s %v %s %s %s %s %s %s %v %v %s", token.Issuer, token.Subject, token.Audience, token.JTI, token.ClientID, token.Scope, token.Email, token.PreferredName, token.TokenUse, token.HasNonce, token.HasTokenHash, token.Thumbprint)
	if want := "https://id.example alice [a b] j1 app r w a@b.c al access true true T"; got != want {
		t.Errorf("claims: %s", got)
	}
	got = fmt.Sprintf("%v %v %v %v", token.Expires.At, token.NotBefore.At, token.IssuedAt.At, token.Authenticated.At)
	if want := "2026-01-02T01:00:00.000000Z 2026-01-02T00:00:00.500000Z 2026-01-02T00:00:00.000000Z 2026-01-01T23:59:59.000000Z"; got != want {
		t.Errorf("times: %s", got)
	}
	if !token.IssuedAt.Odd || token.Expires.Odd || token.OddBase64 || token.OddJSON || token.DuplicateKeys || token.SignatureLen != 256 || token.Use() != UseAccess || token.Family() != "RS" {
		t.Errorf("marks: %+v", *token)
	}
	var claims []string
	token.Claims(func(path, value string) bool {
		claims = append(claims, path+"="+value)
		return len(claims) < 17
	})
	if len(claims) != 17 || claims[0] != "iss=https://id.example" || claims[2] != "aud=a" || claims[15] != "cnf.jkt=T" {
		t.Errorf("claims: %q", claims)
	}
}

func TestAlgNone(t *testing.T) {
	for header, want := range map[string]bool{
		`{"alg":"HS256"}`:                false,
		`{"alg":"nonesuch"}`:             false,
		`{"alg":"RS256","typ":"none"}`:   false,
		`{"alg":"none"}`:                 true,
		`{"alg":"NONE"}`:                 true,
		`{"alg":"nOnE"}`:                 true,
		`{"alg":" none "}`:               true,
		`{"alg":"none\u0000"}`:           true,
		`{"alg":"none\u00a0"}`:           true,
		`{"alg":"\u006eone"}`:            true,
		`{"alg":""}`:                     true,
		`{"alg":null}`:                   true,
		`{"alg":false}`:                  true,
		`{"alg":["HS256"]}`:              true,
		`{"typ":"JWT"}`:                  true,
		`{}`:                             true,
		`{"alg":"none","alg":"HS256"}`:   true,
		`{"alg":"HS256","alg":"none"}`:   true,
		`{"alg":"HS256","a\u006cg":""}`:  true,
		`{"ALG":"none"}`:                 true,
		`{"ALG":"HS256","typ":"JWT"}`:    false,
		`{"alg":"HS256","Alg":"none"}`:   false, // exact names count where there is one
		`{"alg":"none","enc":"A128GCM"}`: true,
	} {
		token := tokenOf(t, unsigned(header, `{"sub":"alice"}`, 32))
		if token.AlgNone() != want {
			t.Errorf("%s: %v", header, token.AlgNone())
		}
	}
	if jwe := tokenOf(t, b64(`{"enc":"A128GCM"}`)+".a.b.c.d"); jwe.AlgNone() || !jwe.Encrypted || jwe.SignatureMissing() {
		t.Errorf("a JWE: %v", jwe)
	}
}

func TestSignatureMissing(t *testing.T) {
	for _, c := range []struct {
		name, alg string
		n         int
		want      bool
	}{
		{"whole", "HS256", 32, false}, {"two parts", "HS256", -1, true}, {"empty", "HS256", 0, true}, {"short", "HS256", 31, true}, {"longer", "HS256", 40, false},
		{"HS512", "HS512", 63, true}, {"HS384", "HS384", 48, false}, {"RS256 of 1024 bit", "RS256", 128, false}, {"RS256 of nothing", "RS256", 20, true},
		{"ES256", "ES256", 64, false}, {"ES256 short", "ES256", 63, true}, {"ES512", "ES512", 132, false}, {"EdDSA", "EdDSA", 63, true},
		{"none", "none", 0, false}, {"unknown", "XS1", 5, false}, {"unknown, empty", "XS1", 0, true},
	} {
		token := tokenOf(t, unsigned(`{"alg":"`+c.alg+`"}`, `{"sub":"a"}`, c.n))
		if token.SignatureMissing() != c.want {
			t.Errorf("%s: %v", c.name, !c.want)
		}
		if c.n > 0 && token.SignatureLen != c.n {
			t.Errorf("%s: %d bytes", c.name, token.SignatureLen)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := ecdsa.SignASN1(rand.Reader, key, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		alg  string
		sig  []byte
		want bool
	}{
		"DER": {"ES256", der, false}, "DER, cut": {"ES256", der[:40], true}, "DER for HMAC": {"HS256", der[:0], true},
		"tiny DER": {"ES256", []byte{0x30, 6, 2, 1, 0, 2, 1, 0}, false}, "not DER": {"ES256", []byte{0x30, 6, 2, 9, 0, 2, 1, 0}, true},
	} {
		s := b64(`{"alg":"`+c.alg+`"}`) + "." + b64(`{}`) + "." + base64.RawURLEncoding.EncodeToString(c.sig)
		if got := tokenOf(t, s).SignatureMissing(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, s := range map[string]string{
		"detached":    b64(`{"alg":"HS256"}`) + ".." + b64("0123456789"),
		"not encoded": unsigned(`{"alg":"HS256","b64":false,"crit":["b64"]}`, `{}`, 3),
	} {
		if token := tokenOf(t, s); token.SignatureMissing() || !token.Detached {
			t.Errorf("%s: missing %v, detached %v", name, token.SignatureMissing(), token.Detached)
		}
	}
}

func TestTokenOddities(t *testing.T) {
	h, p := `{"alg":"HS256","typ":"JWT"}`, `{"sub":"~~~???>>>","iss":"x"}`
	plain := unsigned(h, p, 32)
	parts := strings.Split(plain, ".")
	type marks struct{ Base64, JSON, Duplicate, NoClaims bool }
	for name, c := range map[string]struct {
		s    string
		want marks
	}{
		"none":                {plain, marks{}},
		"padding":             {parts[0] + "=." + parts[1] + "==." + parts[2] + "=", marks{Base64: true}},
		"the other alphabet":  {parts[0] + "." + strings.NewReplacer("-", "+", "_", "/").Replace(base64.URLEncoding.EncodeToString([]byte(p))) + "." + parts[2], marks{Base64: true}},
		"white space":         {parts[0] + "." + parts[1][:5] + " " + parts[1][5:] + "." + parts[2], marks{Base64: true}},
		"stray bits":          {parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-1] + "9", marks{Base64: true}},
		"a lone character":    {parts[0] + "." + parts[1] + "." + strings.Repeat("A", 45), marks{Base64: true}},
		"duplicate claim":     {unsigned(h, `{"sub":"a","sub":"b"}`, 32), marks{Duplicate: true}},
		"duplicate, escaped":  {unsigned(h, `{"sub":"a","s\u0075b":"b"}`, 32), marks{Duplicate: true}},
		"duplicate in header": {unsigned(`{"alg":"HS256","alg":"HS256"}`, p, 32), marks{Duplicate: true}},
		"duplicate, far":      {unsigned(h, `{`+manyMembers(100)+`,"k90":2}`, 32), marks{Duplicate: true}},
		"many members":        {unsigned(h, `{`+manyMembers(100)+`}`, 32), marks{}},
		"trailing bytes":      {unsigned(h+"x", p, 32), marks{JSON: true}},
		"a comment":           {unsigned(h, `{"sub":"a"/**/}`, 32), marks{JSON: true}},
		"case of a name":      {unsigned(`{"alg":"HS256","KID":"x"}`, p, 32), marks{JSON: true}},
		"payload no object":   {unsigned(h, `"text"`, 32), marks{NoClaims: true}},
		"nested token":        {unsigned(h, hs256, 32), marks{NoClaims: true}},
	} {
		token := tokenOf(t, c.s)
		if got := (marks{token.OddBase64, token.OddJSON, token.DuplicateKeys, token.NoClaims}); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// The last of several counts, the first of alg is there too.
	token := tokenOf(t, unsigned(`{"alg":"none","alg":"HS256"}`, `{"sub":"a","sub":"b"}`, 32))
	if token.Subject != "b" || token.Alg != "HS256" || token.FirstAlg != "none" {
		t.Errorf("%s %s %s", token.Subject, token.Alg, token.FirstAlg)
	}
}

// jwt_tampered rests on these.
func TestTokenHashes(t *testing.T) {
	h, p := `{"alg":"HS256"}`, `{"sub":"a"}`
	a := tokenOf(t, unsigned(h, p, 32))
	parts := strings.Split(unsigned(h, p, 32), ".")
	mangled := tokenOf(t, parts[0]+"=."+parts[1]+"=."+parts[2]+"=")
	if a.InputHash != mangled.InputHash || a.SignatureHash != mangled.SignatureHash {
		t.Error("padding makes it another token")
	}
	other := tokenOf(t, unsigned(h, `{"sub":"b"}`, 32))
	if a.InputHash == other.InputHash || a.SignatureHash != other.SignatureHash {
		t.Error("another payload must change the input's hash only")
	}
	resigned := tokenOf(t, unsigned(h, p, 33))
	if a.InputHash != resigned.InputHash || a.SignatureHash == resigned.SignatureHash {
		t.Error("another signature must change the signature's hash only")
	}
	if !tokenOf(t, unsigned(h, p, 0)).SignatureHash.IsZero() || !tokenOf(t, unsigned(h, p, -1)).SignatureHash.IsZero() {
		t.Error("no signature has a hash")
	}
}

func TestMoment(t *testing.T) {
	const year = "2026-01-02T00:00:00.000000Z"
	for claim, want := range map[string]Moment{
		`1767312000`:          {At: 1767312000e9, Set: true},
		`1767312000.0`:        {At: 1767312000e9, Set: true},
		`1.767312e9`:          {At: 1767312000e9, Set: true},
		`"1767312000"`:        {At: 1767312000e9, Set: true, Odd: true},
		`1767312000000`:       {At: 1767312000e9, Set: true, Millis: true},
		`1767312000000000000`: {At: 1767312000e9, Set: true, Millis: true},
		`0`:                   {Set: true},
		`-1`:                  {At: -1e9, Set: true},
		`99999999999`:         {At: 1<<63 - 1, Set: true},
		`-1e300`:              {At: -1 << 63, Set: true},
		`1e400`:               {At: 1<<63 - 1, Set: true},
		`"never"`:             {Odd: true},
		`"` + year + `"`:      {Odd: true},
		`""`:                  {Odd: true},
		`null`:                {Odd: true},
		`true`:                {Odd: true},
		`{"a":1}`:             {Odd: true},
		`"NaN"`:               {Odd: true},
	} {
		token := tokenOf(t, unsigned(`{"alg":"HS256"}`, `{"exp":`+claim+`}`, 32))
		if diff := cmp.Diff(want, token.Expires); diff != "" {
			t.Errorf("%s (-want +got):\n%s", claim, diff)
		}
	}
	if got := tokenOf(t, unsigned(`{"alg":"HS256"}`, `{}`, 32)).Expires; got != (Moment{}) {
		t.Errorf("no exp: %+v", got)
	}
}

func TestUse(t *testing.T) {
	for _, c := range []struct {
		header, claims string
		want           Use
	}{
		{`{"alg":"HS256"}`, `{"sub":"a"}`, UseUnknown},
		{`{"alg":"HS256","typ":"JWT"}`, `{"sub":"a","roles":["x"]}`, UseUnknown},
		{`{"alg":"HS256","typ":"at+jwt"}`, `{}`, UseAccess},
		{`{"alg":"HS256","typ":"application/at+JWT"}`, `{}`, UseAccess},
		{`{"alg":"HS256"}`, `{"scope":"a"}`, UseAccess},
		{`{"alg":"HS256"}`, `{"scp":["a"]}`, UseAccess},
		{`{"alg":"HS256"}`, `{"typ":"Bearer"}`, UseAccess},
		{`{"alg":"HS256"}`, `{"typ":"Refresh","scope":"a"}`, UseRefresh},
		{`{"alg":"HS256"}`, `{"typ":"Offline"}`, UseRefresh},
		{`{"alg":"HS256"}`, `{"type":"refresh"}`, UseRefresh},
		{`{"alg":"HS256"}`, `{"token_use":"id"}`, UseID},
		{`{"alg":"HS256"}`, `{"nonce":"n","at_hash":"h"}`, UseID},
		{`{"alg":"HS256"}`, `{"nonce":"n","sub":"a","aud":"c"}`, UseID},
		{`{"alg":"HS256"}`, `{"nonce":"n"}`, UseUnknown},
		{`{"alg":"ES256","typ":"dpop+jwt","jwk":{}}`, `{"htm":"GET","nonce":"n"}`, UseProof},
		{`{"alg":"ES256","typ":"logout+jwt"}`, `{"sub":"a"}`, UseOther},
	} {
		if got := tokenOf(t, unsigned(c.header, c.claims, 64)).Use(); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.header, c.claims, got, c.want)
		}
	}
}

// Tokens of a real library are read, verified, and without marks.
func TestTokenOfLibrary(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pub, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method        jwt.SigningMethod
		private, open any
	}{
		{jwt.SigningMethodHS384, []byte("k"), []byte("k")},
		{jwt.SigningMethodRS256, rsaKey, &rsaKey.PublicKey},
		{jwt.SigningMethodPS512, rsaKey, &rsaKey.PublicKey},
		{jwt.SigningMethodES384, ecKey, &ecKey.PublicKey},
		{jwt.SigningMethodEdDSA, edKey, pub},
	} {
		s, err := jwt.NewWithClaims(c.method, jwt.MapClaims{"sub": "alice", "aud": []string{"a"}, "exp": 1767315600}).SignedString(c.private)
		if err != nil {
			t.Fatal(err)
		}
		token := tokenOf(t, s)
		if token.Alg != c.method.Alg() || token.SignatureMissing() || token.AlgNone() || token.OddBase64 || token.OddJSON || token.Subject != "alice" || token.Expires.At != 1767315600e9 {
			t.Errorf("%s: %+v", c.method.Alg(), *token)
		}
		if !token.Verify(c.open) {
			t.Errorf("%s: not verified", c.method.Alg())
		}
		if token.Verify([]byte("another")) || token.Verify(nil) {
			t.Errorf("%s: verified under another key", c.method.Alg())
		}
	}
}
