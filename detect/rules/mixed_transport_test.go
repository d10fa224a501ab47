package rules_test

import (
	"net/netip"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/reassembly/exchange"
)

// The same server takes a key in the clear and over TLS. Scripts have no TLS
// that was decrypted.
func TestMixedTransportDecrypted(t *testing.T) {
	mixed, _ := rules.Find("mixed_transport")
	for _, c := range []struct {
		name    string
		tls     []exchange.TLS
		servers []string
		want    int
	}{
		{"both", []exchange.TLS{exchange.Plain, exchange.Decrypted}, []string{"198.51.100.1:80", "198.51.100.1:443"}, 1},
		{"two servers", []exchange.TLS{exchange.Plain, exchange.Decrypted}, []string{"198.51.100.1:80", "198.51.100.2:443"}, 0},
		{"TLS only", []exchange.TLS{exchange.Decrypted, exchange.Decrypted}, []string{"198.51.100.1:443", "198.51.100.1:443"}, 0},
		{"clear only", []exchange.TLS{exchange.Plain, exchange.Plain}, []string{"198.51.100.1:80", "198.51.100.1:80"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := 0
			o := detect.Options{Detectors: []detect.Detector{mixed}, Emit: func(f detect.Finding) {
				if f.Detector == "mixed_transport" && f.Version == 1 {
					found++
				}
			}}
			engine, err := detect.NewEngine(o)
			if err != nil {
				t.Fatal(err)
			}
			inspector := detect.NewInspector(o)
			for i := range 2 {
				x := &exchange.Exchange{
					Client: netip.MustParseAddrPort("203.0.113.9:50000"), Server: netip.MustParseAddrPort(c.servers[i]),
					Protocol: exchange.HTTP11, TLS: c.tls[i],
				}
				x.Origin.Time, x.End = capture.Time(1e18+i), capture.Time(1e18+i)
				x.Request = exchange.Message{Present: true, Method: "GET", Target: "/v1/items", Header: exchange.Header{
					{Name: "Host", Value: "api.test"}, {Name: "X-Api-Key", Value: "8xLOxBtZp8aWq1zR5nYcT7uK"},
				}}
				x.Response = exchange.Message{Present: true, Status: 200}
				engine.Exchange(inspector.Inspect(x))
			}
			engine.Close()
			if found != c.want {
				t.Errorf("%d findings, want %d", found, c.want)
			}
		})
	}
}
