package credential

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

func TestDegenerate(t *testing.T) {
	raw := func(parts ...string) []byte {
		b, err := hex.DecodeString(strings.Join(parts, ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	zero, one := strings.Repeat("00", 32), strings.Repeat("00", 31)+"01"
	order := "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
	above := "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632552"
	for _, c := range []struct {
		name, alg string
		signature []byte
		want      string
	}{
		{"good", "ES256", raw(one, one[:62]+"02"), ""},
		{"too short", "ES256", raw("0000"), ""},
		{"good RSA", "RS256", raw(strings.Repeat("00ff", 128)), ""},
		{"good EdDSA", "EdDSA", raw(zero, one), ""},
		{"good HMAC", "HS256", raw(zero[2:], "01"), ""},
		{"unknown algorithm", "XY", raw(zero, zero), ""},
		{"none", "none", raw(zero, zero), ""},
		{"blank", "ES256", raw(zero, zero), "r is 0"},
		{"r", "ES256", raw(zero, one), "r is 0"},
		{"s", "ES256", raw(one, zero), "s is 0"},
		{"order", "ES256", raw(one, order), "s is the order of the group"},
		{"above", "ES256", raw(above, one), "r is larger than the order of the group"},
		{"secp256k1", "ES256K", raw(above, zero), "s is 0"},
		{"DER", "ES256", raw("3006020100020100"), "r is 0"},
		{"DER of DER", "ES384", raw("3006020101020100"), "s is 0"},
		{"RSA 0", "RS256", raw(strings.Repeat("00", 256)), "all bytes are the same"},
		{"RSA 1", "PS256", raw(strings.Repeat("00", 255), "01"), "the number is 1"},
		{"letters", "HS256", []byte(strings.Repeat("A", 32)), "all bytes are the same"},
		{"EdDSA", "EdDSA", raw(one, zero), "s is 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			part := base64.RawURLEncoding.EncodeToString
			token, why := parseToken(newKeyed(Key{}), part([]byte(`{"alg":"`+c.alg+`"}`))+"."+part([]byte(`{"sub":"a"}`))+"."+part(c.signature))
			if why != isToken {
				t.Fatal(why)
			}
			got, ok := token.Degenerate()
			if got.String() != c.want || ok != (c.want != "") {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestNonce(t *testing.T) {
	part := base64.RawURLEncoding.EncodeToString
	nonce := func(alg, signature string) ([16]byte, bool) {
		token, _ := parseToken(newKeyed(Key{}), part([]byte(`{"alg":"`+alg+`"}`))+"."+part([]byte(`{"sub":"a"}`))+"."+part([]byte(signature)))
		return token.Nonce()
	}
	r, s := strings.Repeat("\x00", 30)+"rr", strings.Repeat("s", 32)
	a, okA := nonce("ES256", r+s)
	b, okB := nonce("ES256", "0\x08\x02\x02rr\x02\x02ss")
	if a != b || !okA || !okB {
		t.Error("the same number in DER is another")
	}
	for _, c := range [][2]string{{"HS256", r}, {"ES256", strings.Repeat("\x00", 64)}, {"ES256", r}, {"EdDSA", r + s}} {
		if _, ok := nonce(c[0], c[1]); ok {
			t.Errorf("%s with %q has a nonce", c[0], c[1])
		}
	}
}

func TestEmbeddedKey(t *testing.T) {
	part := base64.RawURLEncoding.EncodeToString
	for header, want := range map[string][2]string{
		`{"alg":"RS256"}`:                                 {},
		`{"alg":"RS256","jwk":"text","x5c":1}`:            {},
		`{"alg":"RS256","jwk":{"kty":"RSA"}}`:             {`{"kty":"RSA"}`, ""},
		`{"alg":"RS256","x5c":["YQ==","Yg=="],"kid":"1"}`: {"", "YQ=="},
		`{"alg":"RS256","x5c":"YQ=="}`:                    {"", "YQ=="},
	} {
		token, _ := parseToken(newKeyed(Key{}), part([]byte(header))+"."+part([]byte(`{"sub":"a"}`))+"."+part([]byte("signature")))
		if jwk, x5c := token.EmbeddedKey(); jwk != want[0] || x5c != want[1] {
			t.Errorf("%s has %q and %q", header, jwk, x5c)
		}
	}
}
