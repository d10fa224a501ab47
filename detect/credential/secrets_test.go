package credential

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// signed makes a token signed with a secret.
func signed(t testing.TB, method jwt.SigningMethod, secret string, claims jwt.MapClaims) string {
	t.Helper()
	if claims == nil {
		claims = jwt.MapClaims{"sub": "alice", "iss": "https://id.shop.example/realms/shop", "aud": "orders"}
	}
	s, err := jwt.NewWithClaims(method, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tokenOf(t testing.TB, s string) *Token {
	t.Helper()
	token, why := parseToken(newKeyed(Key{}), s)
	if token == nil {
		t.Fatalf("no token (%d): %s", why, s)
	}
	return token
}

func newSecrets(t testing.TB, file string) *Secrets {
	t.Helper()
	s, err := NewSecrets(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGuess(t *testing.T) {
	s := newSecrets(t, "not-in-any-list-1\nbase64:AAECAwQF\nfile+/==\n")
	hs256, hs384, hs512 := jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512
	long := strings.Repeat("k", 200) // longer than a block
	for _, c := range []struct {
		name   string
		method jwt.SigningMethod
		secret string
		source string // "" is: not found
	}{
		{"strong", hs256, "G7#kd93jf-sdkfj2-39sdf", ""},
		{"a candidate with something behind it", hs256, "secret!", ""},
		{"long and unknown", hs256, long, ""},
		{"listed", hs256, "your-256-bit-secret", "list of well-known secrets"},
		{"listed 384", hs384, "secret", "list of well-known secrets"},
		{"listed 512", hs512, "changeme", "list of well-known secrets"},
		{"longer than a block", hs256, "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow", "list of well-known secrets"},
		{"with newline", hs256, "secret\n", "list of well-known secrets, with a newline"},
		{"decoded", hs256, "\xb1\xe7\xab\x7a", ""},
		{"decoded from base64", hs256, string(mustDecode("your_secret_key_here")), "list of well-known secrets, decoded from base64"},
		{"dictionary", hs256, "starwars", "dictionary of common passwords"},
		{"file", hs256, "not-in-any-list-1", "file of secrets"},
		{"base64 in the file", hs512, "\x00\x01\x02\x03\x04\x05", "file of secrets"},
		{"iss", hs256, "shop", "derived: from iss"},
		{"aud", hs256, "orders-secret", "derived: from aud"},
		{"host", hs256, "api7secret", "derived: from the host"},
		{"name", hs384, "checkout_jwt_secret", "derived: from the application's name"},
	} {
		token := tokenOf(t, signed(t, c.method, c.secret, nil))
		g, ok := s.Guess(token, Hints{Host: "api7.example:8443", Names: []string{"checkout"}})
		if ok != (c.source != "") || g.Source.String() != c.source {
			t.Errorf("%s: got %v %q, want %q", c.name, ok, g.Source, c.source)
		}
		if ok && c.secret != "" && strings.Contains(g.Mask, c.secret) {
			t.Errorf("%s: the mask %q tells the secret", c.name, g.Mask)
		}
	}
}

func mustDecode(s string) []byte {
	b, _, ok := decodeBase64(s)
	if !ok {
		panic(s)
	}
	return b
}

func TestGuessEmptySecret(t *testing.T) {
	token := tokenOf(t, signed(t, jwt.SigningMethodHS256, "", nil))
	g, ok := newSecrets(t, "").Guess(token, Hints{})
	if !ok || g.Source.String() != "derived: empty" || g.Mask != "…(0)" {
		t.Errorf("got %v %+v", ok, g)
	}
}

// What cannot be verified is not guessed at.
func TestGuessNot(t *testing.T) {
	s := newSecrets(t, "")
	good := signed(t, jwt.SigningMethodHS256, "secret", nil)
	parts := strings.Split(good, ".")
	rs := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`))
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	for name, raw := range map[string]string{
		"no signature":       parts[0] + "." + parts[1] + ".",
		"two parts":          parts[0] + "." + parts[1],
		"detached":           parts[0] + ".." + parts[2],
		"another algorithm":  rs + "." + parts[1] + "." + parts[2],
		"none":               none + "." + parts[1] + "." + parts[2],
		"half the signature": good[:len(good)-20],
	} {
		if g, ok := s.Guess(tokenOf(t, raw), Hints{}); ok {
			t.Errorf("%s: %+v", name, g)
		}
	}
	if _, ok := s.Guess(tokenOf(t, good), Hints{}); !ok {
		t.Error("the whole one is not found")
	}
}

func TestSecretsFile(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"a long line": {strings.Repeat("x", maxSecret+10), "line longer than"},
		"no base64":   {"good\nbase64:!!", "line 2 is no base64"},
	} {
		if _, err := NewSecrets(strings.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewSecrets(&endless{}); err == nil || !strings.Contains(err.Error(), "longer than 64 MiB") {
		t.Errorf("endless: %v", err)
	}
	empty, err := NewSecrets(nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := newSecrets(t, "one\r\n\r\ntwo\n").Len() - empty.Len(); n != 2 {
		t.Errorf("%d secrets of a file of two", n)
	}
	if empty.Len() < 7000 {
		t.Errorf("only %d built in: the dictionary is missing", empty.Len())
	}
}

type endless struct{ n int }

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'a'
		if e.n++; e.n%1000 == 0 {
			b[i] = '\n'
		}
	}
	return len(b), nil
}

// A file of more candidates than have their states kept is still tried whole.
func TestGuessBeyondStates(t *testing.T) {
	var b strings.Builder
	for i := range maxStates {
		b.WriteString("filler" + strings.Repeat("z", i%7) + string(rune('a'+i%26)) + "\n")
	}
	b.WriteString("the very last one\n")
	token := tokenOf(t, signed(t, jwt.SigningMethodHS256, "the very last one", nil))
	if _, ok := newSecrets(t, b.String()).Guess(token, Hints{}); !ok {
		t.Error("the last line is not tried")
	}
}

func TestSecretsListIsClean(t *testing.T) {
	seen := map[string]bool{}
	for line := range strings.Lines(secretsText) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line != strings.TrimSpace(line) || seen[line] {
			t.Errorf("line %q is empty, has space around it, or is there twice", line)
		}
		seen[line] = true
	}
}

// The cost of one candidate that has its states: the name says which hash.
func BenchmarkCandidate(b *testing.B) {
	s := newSecrets(b, "")
	for i, m := range []*jwt.SigningMethodHMAC{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
		token := tokenOf(b, signed(b, m, "G7#kd93jf-sdkfj2-39sdf", nil))
		b.Run(m.Name, func(b *testing.B) {
			table := &s.states[i]
			try := newTrial(m.Hash.New(), token)
			table.once.Do(func() { s.prepare(table, try.h) })
			n := len(table.b) / 2 / table.size
			b.ReportAllocs()
			b.SetBytes(int64(len(token.t.input)))
			b.ResetTimer()
			for k := range b.N {
				at := k % n * 2 * table.size
				if try.states(table.b[at:at+table.size], table.b[at+table.size:at+2*table.size]) {
					b.Fatal("guessed")
				}
			}
		})
	}
}

func BenchmarkGuess(b *testing.B) {
	s := newSecrets(b, "")
	token := tokenOf(b, signed(b, jwt.SigningMethodHS256, "G7#kd93jf-sdkfj2-39sdf", nil))
	s.Guess(token, Hints{})
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, ok := s.Guess(token, Hints{Host: "api.example"}); ok {
			b.Fatal("guessed")
		}
	}
}
