package credential

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand"
	"testing"
)

func sampled(n int, value func(i int) string) *Randomness {
	r := new(Randomness)
	for i := range n {
		v := value(i)
		r.Add(&Credential{Kind: Session, ID: ID{byte(i), byte(i >> 8), 1}, value: &v})
	}
	return r
}

func TestRandomness(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	random := func(n int) []byte {
		b := make([]byte, n)
		rnd.Read(b)
		return b
	}
	for _, tt := range []struct {
		name       string
		value      func(i int) string
		min, max   float64
		sequential bool
	}{
		{"64 random bits", func(int) string { return hex.EncodeToString(random(8)) }, 64, 64, false},
		{"128 random bits", func(int) string { return base64.RawURLEncoding.EncodeToString(random(16)) }, 120, 132, false},
		{"with a prefix", func(int) string { return "s%3A" + hex.EncodeToString(random(16)) + ".node1" }, 128, 128, false},
		{"UUID of version 4", func(int) string {
			b := random(16)
			b[6], b[8] = b[6]&15|0x40, b[8]&63|0x80
			return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
		}, 122, 122, false},
		{"UUID of version 1", func(i int) string {
			return fmt.Sprintf("%08x-9c3b-11ef-8a2e-0242ac120002", 0x5f3a0000+uint32(i*991))
		}, 4, 40, false},
		{"ULID", func(i int) string {
			const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
			b := random(16)
			for i := range b {
				b[i] = crockford[b[i]&31]
			}
			return fmt.Sprintf("01JD%02d7Q3K", i/10) + string(b)
		}, 80, 90, false},
		{"ObjectId", func(i int) string { return fmt.Sprintf("65a1%04x8f1c2b3d4e%06x", 7*i, 0x1a2b00+i) }, 4, 40, false},
		{"a counter", func(i int) string { return fmt.Sprint("sess-", 1000+i) }, 4, 20, true},
		{"a counter in hex", func(i int) string { return fmt.Sprintf("%012x", 0xabcdef00+3*i) }, 4, 20, true},
		{"milliseconds", func(i int) string { return fmt.Sprint(1764321000000 + 2931*i) }, 10, 30, true},
		{"digits", func(int) string { return fmt.Sprintf("%06d", rnd.Intn(1e6)) }, 19, 20, false},
		{"eight letters", func(int) string { return hex.EncodeToString(random(4)) }, 32, 32, false},
		{"very long", func(int) string { return hex.EncodeToString(random(60)) }, math.Inf(1), math.Inf(1), false},
	} {
		r := sampled(60, tt.value)
		if b := r.Bits(); b < tt.min-0.01 || b > tt.max+0.01 || r.Sequential() != tt.sequential {
			t.Errorf("%s: %.1f bits, sequential %v", tt.name, b, r.Sequential())
		}
	}
	r := sampled(2, func(int) string { return "one" })
	if r.Add(&Credential{Kind: Session, ID: ID{0, 0, 1}, value: new(string)}); r.Samples() != 2 {
		t.Errorf("%d samples", r.Samples())
	}
	if r = sampled(1000, func(i int) string { return fmt.Sprint(i) }); r.Samples() != maxSamples {
		t.Errorf("%d samples are kept", r.Samples())
	}
}

func TestAsked(t *testing.T) {
	for _, tt := range []struct {
		method, target, body string
		question             Question
		name                 string
	}{
		{"POST", "/password/forgot", `{"email":" alice@x.test "}`, AsksReset, "alice@x.test"},
		{"POST", "/api/forgot-password", `email=alice%40x.test&lang=en`, AsksReset, "alice@x.test"},
		{"POST", "/register", `{"user":"alice","password":"abc"}`, AsksNew, "alice"},
		{"GET", "/api/users/exists?username=alice", "", AsksExists, "alice"},
		{"GET", "/api/users?username=alice", "", 0, ""},
		{"POST", "/reset", `{"token":"abcdef"}`, 0, ""},
		{"POST", "/reset", `{"email":["a","b"]}`, 0, ""},
		{"POST", "/reset", `token=abcdef&email=alice%40x.test&new_password=abc`, 0, ""},
		{"POST", "/orders", `{"email":"alice@x.test"}`, 0, ""},
		{"DELETE", "/reset?email=a", "", 0, ""},
	} {
		x := request(tt.method, tt.target, nil, tt.body)
		f := NewFinder(Options{})
		a := f.Find(x).Asked
		switch {
		case a == nil:
			if tt.question != 0 {
				t.Errorf("%s %s: nothing asked", tt.method, tt.target)
			}
		case a.Question != tt.question || a.Principal != tt.name || a.PrincipalID != f.PrincipalID(tt.name):
			t.Errorf("%s %s: %+v", tt.method, tt.target, a)
		}
	}
}
