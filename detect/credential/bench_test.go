package credential

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authtap/authtap/reassembly/exchange"
)

// document makes a JSON body of about that size as APIs send them.
func document(r *rand.Rand, size int) string {
	words := strings.Fields(`account amount balance cart category country currency customer date description device email
		enabled entity event group history id image index item key label limit list locale message method model name note
		offer option order owner page parent payment phone price product profile quantity query region request result role
		scope score service session status store street subject tag target team time title token total type unit url user
		value vendor version warehouse zone`)
	word := func() string { return words[r.Intn(len(words))] }
	var b strings.Builder
	b.WriteString(`{"data":[`)
	for comma := ""; b.Len() < size-60; comma = "," {
		fmt.Fprintf(&b, `%s{"id":%d,"%s":"%s-%s","%s":%d.%02d,"ts":"2026-%02d-%02dT%02d:%02d:%02dZ","ok":%v}`,
			comma, r.Intn(1e9), word(), word(), word(), word(), r.Intn(10000), r.Intn(100),
			1+r.Intn(12), 1+r.Intn(28), r.Intn(24), r.Intn(60), r.Intn(60), r.Intn(2) == 0)
	}
	fmt.Fprintf(&b, `],"total":%d}`, r.Intn(1e6))
	return b.String()
}

// apiExchanges are like those of a busy API: bearer tokens of 600 clients, JSON
// bodies of 1 KB on average in answers, in every third request too.
func apiExchanges(tb testing.TB) (list []*exchange.Exchange, size int64) {
	r := rand.New(rand.NewSource(1))
	var tokens []string
	for i := range 601 {
		tokens = append(tokens, signed(tb, jwt.SigningMethodHS256, "k", jwt.MapClaims{
			"sub": fmt.Sprint("user-", i), "iss": "https://id.example", "aud": "api", "iat": 1767312000, "exp": 1767315600,
			"scope": "orders:read orders:write profile", "jti": fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()), "name": strings.Repeat("x", 40),
		}))
	}
	for i := range 200 {
		x := request("GET", fmt.Sprintf("/api/v1/orders/%d?limit=20&page=%d", r.Intn(1e6), r.Intn(50)), exchange.Header{
			{Name: "Host", Value: "api.example:8080"}, {Name: "User-Agent", Value: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
			{Name: "Accept", Value: "application/json"}, {Name: "Accept-Encoding", Value: "gzip"},
			{Name: "Authorization", Value: "Bearer " + tokens[r.Intn(len(tokens))]}, {Name: "X-Request-Id", Value: fmt.Sprintf("%016x", r.Uint64())},
			{Name: "Content-Type", Value: "application/json"},
		}, "")
		if i%3 == 0 {
			x.Request.Method = "POST"
			body := document(r, 300+r.Intn(600))
			x.Request.Body = exchange.Body{Bytes: []byte(body), Length: int64(len(body))}
		}
		body := document(r, 450+r.Intn(1450))
		x.Response = exchange.Message{Present: true, Status: 200, Header: exchange.Header{
			{Name: "Content-Type", Value: "application/json; charset=utf-8"}, {Name: "X-Request-Id", Value: fmt.Sprintf("%016x", r.Uint64())},
			{Name: "Cache-Control", Value: "no-store"}, {Name: "Vary", Value: "Accept-Encoding, Authorization"}, {Name: "Date", Value: "Fri, 02 Jan 2026 03:04:05 GMT"},
		}, Body: exchange.Body{Bytes: []byte(body), Length: int64(len(body))}}
		if i%10 == 0 {
			x.Response.Header = append(x.Response.Header, exchange.Field{Name: "Set-Cookie", Value: fmt.Sprintf("sid=%016x%016x; Path=/; HttpOnly", r.Uint64(), r.Uint64())})
		}
		list = append(list, x)
		size += int64(len(x.Request.Body.Bytes) + len(x.Response.Body.Bytes))
		for _, h := range append(x.Request.Header, x.Response.Header...) {
			size += int64(len(h.Name) + len(h.Value))
		}
	}
	return list, size
}

func BenchmarkFind(b *testing.B) {
	list, size := apiExchanges(b)
	f := NewFinder(Options{})
	for _, x := range list {
		f.Find(x)
	}
	b.ReportAllocs()
	b.SetBytes(size / int64(len(list)))
	b.ResetTimer()
	for i := range b.N {
		f.Find(list[i%len(list)])
	}
}

// Nothing to find: an image, headers of a browser, no cookies.
func BenchmarkFindNothing(b *testing.B) {
	list, size := apiExchanges(b)
	for _, x := range list {
		x.Request.Header[4] = exchange.Field{Name: "Accept-Language", Value: "de-DE,de;q=0.5"}
		x.Response.Header = x.Response.Header[:5]
		x.Request.Body, x.Response.Body = exchange.Body{}, exchange.Body{Bytes: []byte(`{"data":[{"id":1,"name":"a","price":12.5,"total":"x"}]}`), Length: 55}
	}
	f := NewFinder(Options{})
	b.ReportAllocs()
	b.SetBytes(size / int64(len(list)))
	b.ResetTimer()
	for i := range b.N {
		f.Find(list[i%len(list)])
	}
}

func BenchmarkJSON(b *testing.B) {
	r := rand.New(rand.NewSource(1))
	body := []byte(document(r, 1300))
	for findJWT(string(body)) >= 0 {
		body = []byte(document(r, 1300))
	}
	f := NewFinder(Options{})
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for range b.N {
		f.begin(false)
		f.body = new(bodySeen) // one that is new
		f.jsonBody(body, false)
	}
}

func BenchmarkToken(b *testing.B) {
	s := signed(b, jwt.SigningMethodHS256, "k", jwt.MapClaims{"sub": "user-1", "iss": "https://id.example", "aud": "api", "iat": 1767312000,
		"exp": 1767315600, "scope": "orders:read orders:write profile", "jti": "0123456789abcdef0123456789abcdef"})
	k := newKeyed(Key{})
	b.ReportAllocs()
	b.SetBytes(int64(len(s)))
	for range b.N {
		if t, _ := parseToken(k, s); t == nil {
			b.Fatal("no token")
		}
	}
}

func BenchmarkRedact(b *testing.B) {
	list, _ := apiExchanges(b)
	f := NewFinder(Options{})
	found := f.Find(list[0])
	b.ReportAllocs()
	for range b.N {
		Redact(&found, list[0].Request.Target)
	}
}

// The most that one request can make of it: 64 KiB of encoded parameters.
func BenchmarkMaskTextHostile(b *testing.B) {
	var q strings.Builder
	for i := range 64 {
		fmt.Fprintf(&q, "&password=%d%%2b%s&api_key=%s", i, strings.Repeat("aB3%5c", 80), strings.Repeat("xY7+z9%25", 50))
	}
	query := q.String()
	found := NewFinder(Options{}).Find(request("GET", "/?"+query, nil, ""))
	b.ReportAllocs()
	b.SetBytes(int64(len(query)))
	b.ResetTimer()
	for range b.N {
		MaskText(&found, query)
	}
}

func BenchmarkFindHostile(b *testing.B) {
	body := []byte(strings.Repeat(`{"token":"eyJhbGciOiJIUzI1NiJ9`, 64<<10/31))
	x := request("POST", "/"+strings.Repeat("/eyJhbGciOiJIUzI1NiJ9.", 1000), nil, "")
	x.Request.Body = exchange.Body{Bytes: body, Length: int64(len(body))}
	f := NewFinder(Options{})
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for range b.N {
		f.Find(x)
	}
}

// The search for secrets by their looks, in bodies of 64 KiB without any.
func BenchmarkExposures(b *testing.B) {
	r := rand.New(rand.NewSource(1))
	words := strings.Repeat(`<p class="a">The quick brown fox; jumps over the lazy dog.</p> var x = $("#id-7f3a").attr("data-key");`+"\n", 640)
	for name, body := range map[string]string{
		"JSON": document(r, 64<<10), "script": words[:64<<10], "base64": strings.Repeat("Zk3bQ9xT2mLr8v/c5WnHs7PdJ4uKfA6gE1qXoRzM+k3bQ9xT2mLr8vYc5WnHs7Pd", 1024),
		"base64url": strings.Repeat("Zk3bQ9xT2mLr8v_c5WnHs7PdJ4uKfA6gE1qXoRzM-k3bQ9xT2mLr8vYc5WnHs7Pd", 1024), "hex": strings.Repeat(hex32, 2048),
		"UUIDs": strings.Repeat(`"7b1b6cbf-9d1c-4e9a-a04d-51aa61ad0f11",`, 1680), "dollars": strings.Repeat("$2b$", 16<<10), "AKIA": strings.Repeat("AKIA", 16<<10),
	} {
		b.Run(name, func(b *testing.B) {
			x := response(nil, body)
			f := NewFinder(Options{})
			f.begin(true)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for range b.N {
				f.exposures(&x.Response)
			}
			if len(f.exposed) > 0 {
				b.Fatal(f.exposed)
			}
		})
	}
}
