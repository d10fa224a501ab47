package issuer

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"

	"github.com/authtap/authtap/reassembly/exchange"
)

// Document is what a response publishes. It is immutable.
type Document struct {
	// Issuer and KeysURL of metadata (OpenID Connect Discovery 1.0, section 3;
	// RFC 8414, section 2), "" in other documents.
	Issuer, KeysURL string
	// Set says that the keys are a JSON Web Key Set (RFC 7517, section 5).
	Set  bool
	Keys []*Key
}

// maxKeys of one document are read.
const maxKeys = 64

// Find reads what a response publishes: key sets, issuers' metadata, public
// keys and certificates in PEM, by themselves or in JSON. It gives nil for
// nearly all responses, after a look at the body's first member. path is the
// request's.
func Find(x *exchange.Exchange, path string) *Document {
	r := &x.Response
	b := r.Body.Bytes
	if len(b) < 40 || r.Status != 200 || x.Request.Method != "GET" || !r.Damage.Whole() || int64(len(b)) != r.Body.Length ||
		!x.Request.Damage.Whole() || x.Flags&exchange.Unpaired != 0 {
		return nil
	}
	if !promising(b, path) {
		return nil
	}
	return read(b)
}

// promising reports whether a body may publish something, by its beginning, or,
// of an object, by its first member or where it is.
func promising(b []byte, path string) bool {
	b = trimLeft(b)
	switch {
	case len(b) < 12:
	case b[0] == '-':
		return bytes.HasPrefix(b, pemBegin)
	case b[0] == '{':
		b = trimLeft(b[1:])
		if len(b) == 0 || b[0] != '"' {
			return false
		}
		b = b[1:]
		i := bytes.IndexByte(b[:min(len(b), 128)], '"')
		if i < 0 {
			return false
		}
		switch string(b[:i]) {
		case "keys", "kty", "kid", "issuer", "jwks_uri", "realm", "public_key", "publicKey":
			return true
		}
		for b = b[i+1:]; len(b) > 0 && strings.IndexByte(" \t\r\n:\"", b[0]) >= 0; b = b[1:] {
		}
		if bytes.HasPrefix(b, pemBegin) {
			return true
		}
		for _, place := range [...]string{"/.well-known/", "jwk", "cert", "key"} {
			if strings.Contains(path, place) {
				return true
			}
		}
	}
	return false
}

// trimLeft takes white space away.
func trimLeft(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

var pemBegin = []byte("-----BEGIN ")

func read(b []byte) *Document {
	d := &Document{}
	t := bytes.TrimSpace(b)
	if len(t) > 0 && t[0] == '{' {
		d.readJSON(t)
	} else {
		d.readPEM(string(b), "")
	}
	if d.KeysURL == "" && len(d.Keys) == 0 {
		return nil
	}
	return d
}

func (d *Document) readJSON(b []byte) {
	var members map[string]json.RawMessage
	if json.Unmarshal(b, &members) != nil {
		return
	}
	text := func(name string) (s string) {
		_ = json.Unmarshal(members[name], &s) // "" where it is no string
		return s
	}
	var list []json.RawMessage
	if raw, ok := members["keys"]; ok && json.Unmarshal(raw, &list) == nil {
		for _, raw := range list {
			d.add(ParseJWK(string(raw)))
		}
		d.Set = len(d.Keys) > 0
		return
	}
	if members["kty"] != nil {
		d.add(ParseJWK(string(b)))
		return
	}
	if url := text("jwks_uri"); url != "" && len(url) <= 1024 {
		if issuer := text("issuer"); issuer != "" && len(issuer) <= 1024 {
			d.Issuer, d.KeysURL = issuer, url
		}
		return
	}
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.SortFunc(names, cmp.Compare[string])
	for _, name := range names {
		s := text(name)
		switch {
		case strings.Contains(s, "-----BEGIN "):
			// {"<kid>": "-----BEGIN CERTIFICATE-----…"} is a form of key sets,
			// too.
			kid := name
			if strings.Contains(strings.ToLower(name), "key") || strings.Contains(strings.ToLower(name), "cert") || name == "value" {
				kid = text("kid")
			}
			d.readPEM(s, kid)
		case strings.HasPrefix(s, "MI") && len(s) < 4096 && strings.Contains(strings.ToLower(name), "public"):
			if der, err := base64.StdEncoding.DecodeString(s); err == nil {
				d.add(parseSPKI(der))
			}
		}
	}
}

func (d *Document) readPEM(s, kid string) {
	for rest := []byte(s); len(d.Keys) < maxKeys; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return
		}
		if k := parsePEM(block); k != nil {
			k.Kid = cut(kid)
			d.add(k)
		}
	}
}

func (d *Document) add(k *Key) {
	if k != nil && len(d.Keys) < maxKeys {
		d.Keys = append(d.Keys, k)
	}
}
