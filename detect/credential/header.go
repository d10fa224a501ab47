package credential

import (
	"strings"

	"github.com/authtap/authtap/reassembly/exchange"
)

// headerNames holds the names in lower case of headers that were seen before,
// so that a Place costs no memory; those that nobody knows beforehand are made
// lower at each use.
var headerNames = func() map[string]string {
	m := map[string]string{}
	for _, n := range strings.Fields(`authorization proxy-authorization x-api-key x-auth-token x-access-token
		api-key apikey x-token x-auth x-session-token x-csrf-token referer location set-cookie dpop x-amz-security-token
		x-hub-signature-256 x-signature ocp-apim-subscription-key private-token x-vault-token x-goog-api-key`) {
		m[n] = n
		m[canonicalName(n)] = n
	}
	return m
}()

// canonicalName gives the most usual spelling: X-Api-Key.
func canonicalName(s string) string {
	b := []byte(s)
	for i := range b {
		if (i == 0 || b[i-1] == '-') && b[i] >= 'a' && b[i] <= 'z' {
			b[i] -= 0x20
		}
	}
	return string(b)
}

func headerPlace(name string) Place {
	n, ok := headerNames[name]
	if !ok {
		n = strings.ToLower(name)
	}
	return Place{InHeader, n}
}

// requestHeader looks at all header lines but cookies, then at cookies.
func (f *Finder) requestHeader(m *exchange.Message) {
	cookies := false
	for i := range m.Header {
		h := &m.Header[i]
		switch len(h.Name) {
		case 6:
			if strings.EqualFold(h.Name, "cookie") {
				cookies = true
				continue
			}
		case 7:
			if strings.EqualFold(h.Name, "referer") {
				f.url(Place{InHeader, "referer"}, h.Value)
				continue
			}
		}
		f.headerLine(h)
	}
	for i := range m.Trailer {
		f.headerLine(&m.Trailer[i])
	}
	if !cookies {
		return
	}
	for i := range m.Header {
		if h := &m.Header[i]; len(h.Name) == 6 && strings.EqualFold(h.Name, "cookie") {
			f.cookies(h.Value)
		}
	}
}

// responseHeader likewise, with Location and Set-Cookie.
func (f *Finder) responseHeader(m *exchange.Message) {
	more := false
	for i := range m.Header {
		h := &m.Header[i]
		if special(h.Name) {
			more = true
			continue
		}
		f.headerLine(h)
	}
	if !more {
		return
	}
	for i := range m.Header {
		if h := &m.Header[i]; len(h.Name) == 10 && special(h.Name) {
			f.setCookie(h.Value)
		}
	}
	for i := range m.Header {
		if h := &m.Header[i]; len(h.Name) == 8 && special(h.Name) {
			f.url(Place{InHeader, "location"}, h.Value)
		}
	}
}

func special(name string) bool {
	return len(name) == 10 && strings.EqualFold(name, "set-cookie") || len(name) == 8 && strings.EqualFold(name, "location")
}

func (f *Finder) headerLine(h *exchange.Field) {
	if h.Name == "Authorization" {
		f.authorization(Place{InHeader, "authorization"}, h.Value)
		return
	}
	switch fd := fieldOf(h.Name); fd {
	case noField, fieldUser, fieldAccount, fieldClientID, fieldGrant, fieldVerifier, fieldQuery, fieldCodeWeak:
		if n := len(h.Name); n == len(subprotocol) && !f.response && strings.EqualFold(h.Name, subprotocol) {
			f.subprotocols(h.Value)
			return
		} else if n > 4 && h.Name[n-1]|0x20 == 'n' && hasFold(h.Name[n-4:], "-bin") {
			f.metadata(h)
			return
		}
		if f.ownKey(h) {
			f.named(headerPlace(h.Name), fieldLooseKey, h.Value)
			return
		}
		// A JWT may stand anywhere: those of gateways have names of their own.
		if len(h.Value) >= 32 && findJWT(h.Value) >= 0 {
			f.embedded(headerPlace(h.Name), h.Value, false)
		}
	case fieldAuthorization:
		f.authorization(headerPlace(h.Name), h.Value)
	default:
		f.named(headerPlace(h.Name), fd, h.Value)
	}
}

// ownKey reports a header of a request by which a vendor's API takes its keys:
// X-Acme-Key.
func (f *Finder) ownKey(h *exchange.Field) bool {
	n := len(h.Name)
	if f.response || n < 6 || len(h.Value) < 16 || h.Name[n-1]|0x20 != 'y' || !strings.EqualFold(h.Name[n-4:], "-key") {
		return false
	}
	name := strings.ToLower(h.Name)
	for _, w := range noKeys {
		if strings.Contains(name, w) {
			return false
		}
	}
	return true
}

// noKeys are words of headers whose keys open nothing.
var noKeys = strings.Fields(`idempoten websocket cache surrogate public site sort partition routing request trace correlation
	dedup encryption object lookup session-key row primary`)

// embedded reports the JWTs within a longer text. cut says that the text may
// go on where it ends here.
func (f *Finder) embedded(p Place, s string, cut bool) {
	for n := 0; n < f.options.MaxCredentials; n++ {
		i := findJWT(s)
		if i < 0 {
			return
		}
		end := i + 3
		for end < len(s) && (sextet[s[end]] < badChar && sextet[s[end]] != skipChar || s[end] == '.' || s[end] == '=') {
			end++
		}
		// Base64 before it makes it a part of something else.
		whole := i == 0 || sextet[s[i-1]] >= oddChar && s[i-1] != '.'
		token := s[i:end]
		for strings.Count(token, ".") > 2 && token[len(token)-1] == '.' {
			token = token[:len(token)-1] // the end of a sentence
		}
		switch {
		case !whole:
		case cut && end == len(s):
			f.stats.AtCutEnd++
		default:
			f.token(p, token)
		}
		s = s[end:]
	}
}

// metadata is what gRPC sends as bytes: a value in base64 under a name that
// ends in -bin (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
func (f *Finder) metadata(h *exchange.Field) {
	fd := fieldOf(h.Name[:len(h.Name)-4])
	if fd == noField && (len(h.Value) < 32 || len(h.Value) > 4*maxToken) {
		return
	}
	b, _, ok := decodeBase64(h.Value)
	if !ok {
		return
	}
	if s := text(b); fd == fieldAuthorization {
		f.authorization(headerPlace(h.Name), s)
	} else {
		f.named(headerPlace(h.Name), fd, s)
	}
}

const (
	subprotocol = "Sec-WebSocket-Protocol"
	// kubernetesBearer and openAIKey are what their servers take.
	kubernetesBearer = "base64url.bearer.authorization.k8s.io."
	openAIKey        = "openai-insecure-api-key."
)

// subprotocols looks for tokens among the names of subprotocols (RFC 6455,
// section 11.3.4): browsers can set no other header of a WebSocket.
func (f *Finder) subprotocols(list string) {
	p := Place{InHeader, "sec-websocket-protocol"}
	before := noField
	for range 16 {
		var s string
		s, list, _ = strings.Cut(list, ",")
		if s = strings.TrimSpace(s); s != "" {
			switch rest, encoded := strings.CutPrefix(s, kubernetesBearer); {
			case encoded:
				if b, _, ok := decodeBase64(rest); ok && len(b) > 0 {
					f.named(p, fieldToken, text(b))
				}
			case f.token(p, s) != nil:
			case strings.HasPrefix(s, openAIKey):
				f.value(p, APIKey, s[len(openAIKey):])
			case before != noField && before.kind() != 0:
				f.named(p, before, s)
			case vendorShaped(s):
				f.value(p, APIKey, s)
			case len(s) >= 24 && !guessable(s) && entropy(s) >= 3.5 && strings.IndexByte(s, '.') < 0:
				f.value(p, Bearer, s)
			}
		}
		before = noField
		if len(s) < 24 {
			if before = fieldOf(s); strings.EqualFold(s, "bearer") || before == fieldAuthorization {
				before = fieldToken
			}
		}
		if list == "" {
			return
		}
	}
}
