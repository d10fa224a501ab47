package detect

import (
	"net/netip"
	"strings"

	"github.com/authtap/authtap/reassembly/exchange"
)

// IdentityHeader gives the first header by which a gateway would say who a
// request is for, or which says that it comes from the server's own machine.
func IdentityHeader(h exchange.Header) (name, value string) {
	for i := range h {
		n := len(h[i].Name)
		if n < 7 || n > 24 || h[i].Name[0]|0x20 != 'x' && h[i].Name[0]|0x20 != 'r' {
			continue
		}
		v := strings.TrimSpace(h[i].Value)
		for _, s := range identityHeaders {
			if len(s) == n && v != "" && strings.EqualFold(h[i].Name, s) {
				return s, v
			}
		}
		if n == 15 && strings.EqualFold(h[i].Name, "X-Forwarded-For") {
			if !strings.HasPrefix(v, "127.") && !strings.HasPrefix(v, "::1") {
				continue
			}
			first, _, _ := strings.Cut(v, ",")
			if a, err := netip.ParseAddr(strings.TrimSpace(first)); err == nil && a.IsLoopback() {
				return "X-Forwarded-For", v
			}
		}
	}
	return "", ""
}

var identityHeaders = []string{
	"X-Forwarded-User", "X-Remote-User", "Remote-User", "X-Authenticated-User", "X-Authenticated-Userid", "X-User-Id", "X-Auth-Request-User",
	"X-Consumer-Username", "X-Consumer-Id", "X-WEBAUTH-USER", "X-Original-URL", "X-Rewrite-URL", "X-Auth-User", "X-Authenticated-Email", "X-Forwarded-Email",
}

// authorizes reports the query of an OAuth authorization request.
func authorizes(query string) bool {
	return len(query) > 30 && strings.Contains(query, "response_type=") && strings.Contains(query, "client_id=")
}
