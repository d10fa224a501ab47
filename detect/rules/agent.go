package rules

import (
	"strings"

	"github.com/authtap/authtap/reassembly/exchange"
)

// inBrowser reports a request that a browser made: it says so, and sends what
// programs that only say so do not.
func inBrowser(x *exchange.Exchange) bool {
	h := x.Request.Header
	return strings.HasPrefix(h.Get("User-Agent"), "Mozilla/") && (h.Has("Sec-Fetch-Mode") || h.Has("Origin"))
}

// onPhone reports a user agent of the HTTP libraries that come with the systems
// of phones. Others (okhttp) are used by apps and by servers.
func onPhone(agent string) bool {
	return strings.Contains(agent, "CFNetwork/") && strings.Contains(agent, "Darwin/") || strings.HasPrefix(agent, "Dalvik/")
}
