package rules

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/issuer"
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
// known of its host. base is the token's issuer.
func oddURL(s, base string) (why credential.Redacted, odd bool) {
	u, err := url.Parse(s)
	switch {
	case err != nil || strings.ContainsAny(s, "\\\r\n\t \x00"):
		return credential.Word("it is no URL"), true
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return credential.Word("it is no URL of a web server"), true
	case u.User != nil || strings.Contains(u.Host, "@") || strings.Contains(u.Path, "@"):
		return credential.Word("it names another host before an @"), true
	}
	rest := strings.ToLower(strings.TrimPrefix(s[len(u.Scheme):], "://"))
	if strings.Contains(rest, "//") || strings.Contains(rest, "%2f%2f") {
		return credential.Word("it holds another URL"), true
	}
	if host := strings.ToLower(u.Hostname()); host != issuer.HostOf(base) {
		if a, err := netip.ParseAddr(host); host == "localhost" || err == nil && (a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified()) {
			return credential.Word("it names the server itself or its link"), true
		}
	}
	return credential.Redacted{}, false
}
