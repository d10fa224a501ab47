package rules_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/reassembly/exchange"
)

// BenchmarkTokens is what all detectors of tokens cost for a token seen for the
// first time, and for one that comes again.
func BenchmarkTokens(b *testing.B) {
	var detectors []detect.Detector
	for _, d := range rules.All() {
		if strings.HasPrefix(d.Name, "jwt_") {
			detectors = append(detectors, d)
		}
	}
	const n = 2000
	o := detect.Options{Detectors: detectors}
	inspector := detect.NewInspector(o)
	var first, again []*detect.Inspection
	for i := range n {
		claims := jwt.MapClaims{"iss": "https://id.test/", "aud": "api", "sub": fmt.Sprint("user", i), "exp": 1767327845, "email": "a@b.test", "roles": []string{"a", "b"}}
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
		token.Header["kid"] = "k1"
		text, err := token.SignedString([]byte("vQ3x8LkT0pZr7dWm2sJb5nYc9hGf4uEa"))
		if err != nil {
			b.Fatal(err)
		}
		at := capture.Time(1767323045e9).Add(time.Duration(i) * time.Millisecond)
		x := &exchange.Exchange{Client: netip.MustParseAddrPort("192.0.2.7:40000"), Server: netip.MustParseAddrPort("198.51.100.1:80")}
		x.Origin.Time = at
		x.Request = exchange.Message{Present: true, Method: "GET", Target: "/orders/1", Start: at, Header: exchange.Header{
			{Name: "Host", Value: "api.test"}, {Name: "Authorization", Value: "Bearer " + text},
		}}
		x.Response = exchange.Message{Present: true, Status: 200, Start: at, Header: exchange.Header{{Name: "Date", Value: "Fri, 02 Jan 2026 03:04:05 GMT"}}}
		first = append(first, inspector.Inspect(x))
		again = append(again, first[i%50])
	}
	for _, c := range []struct {
		name string
		list []*detect.Inspection
	}{{"first", first}, {"again", again}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var e *detect.Engine
			for i := 0; b.Loop(); i++ {
				if i%n == 0 {
					b.StopTimer()
					var err error
					if e, err = detect.NewEngine(o); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				e.Exchange(c.list[i%n])
			}
		})
	}
}
