package rules

import (
	"net/url"
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/reassembly/exchange"
)

// authorization is what matters of an authorization request (RFC 6749, section
// 4.1.1; RFC 7636, section 4.3).
type authorization struct {
	client, responseType, redirectURI, state, nonce string
	challenge, method                               string
}

// authorizationOf reads one; false where the exchange is none. The values are
// the client's and may be anything.
func authorizationOf(x *exchange.Exchange) (a authorization, ok bool) {
	_, query, found := strings.Cut(x.Request.Target, "?")
	if !found || len(query) > 8<<10 || !strings.Contains(query, "response_type=") || !strings.Contains(query, "client_id=") {
		return a, false
	}
	for rest := query; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		name, value, _ := strings.Cut(pair, "=")
		var to *string
		switch name {
		case "client_id":
			to = &a.client
		case "response_type":
			to = &a.responseType
		case "redirect_uri":
			to = &a.redirectURI
		case "state":
			to = &a.state
		case "nonce":
			to = &a.nonce
		case "code_challenge":
			to = &a.challenge
		case "code_challenge_method":
			to = &a.method
		default:
			continue
		}
		if v, err := url.QueryUnescape(value); err == nil {
			*to = v
		}
	}
	return a, a.client != "" && a.responseType != ""
}

// asks reports whether the response type has a value (RFC 6749, section
// 3.1.1: their order does not matter).
func (a *authorization) asks(value string) bool {
	for v := range strings.FieldsSeq(a.responseType) {
		if v == value {
			return true
		}
	}
	return false
}

// granted reports whether an authorization request was answered as a good one
// is: with a redirect that is not to an error, or with a page.
func granted(x *exchange.Exchange) bool {
	switch s := x.Response.Status; {
	case s >= 300 && s < 400:
		return !strings.Contains(x.Response.Header.Get("Location"), "error=")
	default:
		return s >= 200 && s < 300
	}
}

// grantOf gives the grant type of a token request, "" where the exchange is
// none.
func grantOf(p *detect.Pass) string {
	if l := p.Login(); l != nil {
		if grant, ok := strings.CutPrefix(l.Form, "oauth:"); ok && grant != "client" {
			return grant
		}
	}
	return ""
}
