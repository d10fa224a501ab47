package rules

import (
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/issuer"
	"github.com/authtap/authtap/detect/window"
)

// bearer reports whether a token, presented where it stands, asks for access:
// it is no proof of a key (RFC 9449, client assertions, verifiable
// presentations), no request object, no token about itself (SIOP), and not
// encrypted.
func bearer(c *credential.Credential) bool {
	t := c.JWT
	if !c.Access() || t.Encrypted || requestObject(c) || strings.HasPrefix(t.Issuer, "https://self-issued.me") {
		return false
	}
	use := t.Use()
	return use != credential.UseProof && use != credential.UseOther
}

// signedFor reports whether the token has what a signature check needs: a
// signature of an algorithm, over a payload that is there.
func signedFor(t *credential.Token) bool {
	return !t.Encrypted && !t.Detached && !t.AlgNone() && !t.SignatureMissing()
}

// issuerOf gives what is known of a token's issuer, nil where that is nothing.
func issuerOf(p *detect.Pass, t *credential.Token) *issuer.Issuer {
	return p.Issuers().Issuer(t.Issuer, p.Host(), p.Now())
}

// readToken is a token, and what reading it can prove: what nearly all tokens
// have is told of each once, not with each request.
type readToken struct {
	id             credential.ID
	issued, proven bool
}

// readTokensOption bounds what newReadTokens makes.
var readTokensOption = detect.Option{
	Name: "tokens", Default: 20_000, Doc: "tokens of which it is remembered that they were read, for a day",
}

func newReadTokens(n int) any { return window.NewCache[readToken, struct{}](n, 24*time.Hour) }

// firstLook reports whether the detector, whose state are read tokens, sees the
// token for the first time, or for the first time where the server lets it
// prove something.
func firstLook(p *detect.Pass, c *credential.Credential, issued bool) bool {
	_, first := p.State().(*window.Cache[readToken, struct{}]).At(readToken{c.ID, issued, !issued && p.Discriminates()}, p.Now())
	return first
}

// maxKept bytes of a name are remembered.
const maxKept = 256

// kept gives a name that can be kept: it holds on to nothing of its message.
func kept(s string) string { return strings.Clone(s[:min(len(s), maxKept)]) }

// keyWord names a type of key.
func keyWord(kind string) credential.Redacted {
	switch kind {
	case "oct":
		return credential.Word("HMAC")
	case "RSA":
		return credential.Word("RSA")
	case "EC":
		return credential.Word("ECDSA")
	case "OKP":
		return credential.Word("EdDSA")
	}
	return credential.Word("unknown")
}

// oddURL says what is wrong with a URL that keys are to come from, whatever is
// known of its host; nobody's genuine tokens have one.
func oddURL(s string) (why credential.Redacted, odd bool) {
	u, err := url.Parse(s)
	switch {
	case err != nil || strings.ContainsAny(s, "\\\r\n\t \x00"):
		return credential.Word("it is no URL"), true
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return credential.Word("it is no URL of a web server"), true
	case u.User != nil:
		return credential.Word("it names another host before an @"), true
	}
	rest := strings.ToLower(strings.TrimPrefix(s[len(u.Scheme):], "://"))
	if strings.Contains(rest, "//") || strings.Contains(rest, "%2f%2f") {
		return credential.Word("it holds another URL"), true
	}
	return credential.Redacted{}, false
}

// ownHost reports a host that is the server itself, or on its link, for whoever
// asks.
func ownHost(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified())
}
