package detect

import (
	"strings"

	"github.com/authtap/authtap/reassembly/exchange"
)

// tlsHeaders are what those who end TLS say to those behind them, by the length
// of the name, since every request is asked.
var tlsHeaders = func() (t [32][]tlsHeader) {
	https := func(v string) bool {
		first, _, _ := strings.Cut(v, ",") // of several hops, the one nearest to the client
		first = strings.TrimSpace(first)
		return strings.EqualFold(first, "https") || strings.EqualFold(first, "wss")
	}
	on := func(v string) bool { return strings.EqualFold(strings.TrimSpace(v), "on") }
	for _, h := range []tlsHeader{
		{"X-Forwarded-Proto", https}, {"X-Forwarded-Protocol", https}, {"X-Forwarded-Scheme", https},
		{"X-Scheme", https}, {"X-Url-Scheme", https}, {"CloudFront-Forwarded-Proto", https},
		{"X-Forwarded-Ssl", on}, {"Front-End-Https", on},
		{"X-ARR-SSL", func(v string) bool { return v != "" }},
		{"Forwarded", func(v string) bool { // RFC 7239, section 5.4
			return strings.Contains(strings.ToLower(strings.ReplaceAll(v, `"`, "")), "proto=https")
		}},
	} {
		t[len(h.name)] = append(t[len(h.name)], h)
	}
	return t
}()

type tlsHeader struct {
	name string
	says func(value string) bool
}

func endsTLS(h exchange.Header) bool {
	for i := range h {
		n := len(h[i].Name)
		if n >= len(tlsHeaders) {
			continue
		}
		for _, t := range tlsHeaders[n] {
			// Most names differ in their last letter already.
			if h[i].Name[n-1]|0x20 == t.name[n-1]|0x20 && strings.EqualFold(h[i].Name, t.name) && t.says(h[i].Value) {
				return true
			}
		}
	}
	return false
}
