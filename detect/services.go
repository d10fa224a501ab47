package detect

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/authtap/authtap/detect/credential"
)

// Services says which credentials are those of services, which many clients
// share on purpose.
type Services struct {
	ids      map[string]bool
	places   map[string]bool
	accounts map[string]bool
}

// Set adds one: a credential's id as findings have it, a place such as
// header:x-api-key, or account: and a name.
func (s *Services) Set(text string) error {
	add := func(m *map[string]bool, key string) {
		if *m == nil {
			*m = make(map[string]bool)
		}
		(*m)[key] = true
	}
	kind, name, ok := strings.Cut(text, ":")
	switch {
	case !ok:
		if b, err := hex.DecodeString(text); err != nil || len(b) != len(credential.ID{}) {
			return fmt.Errorf("%q is not the id of a credential (32 hex digits), a place such as header:x-api-key, or account:NAME", text)
		}
		add(&s.ids, strings.ToLower(text))
	case name == "":
		return fmt.Errorf("%q names nothing", text)
	case kind == "account":
		add(&s.accounts, name)
	case kind == "header" || kind == "cookie" || kind == "query" || kind == "form" || kind == "json":
		add(&s.places, strings.ToLower(text))
	default:
		return fmt.Errorf("%q: there is no place %s: it is header, cookie, query, form, json or account", text, kind)
	}
	return nil
}

// Has reports whether a credential is a service's.
func (s *Services) Has(c *credential.Credential) bool {
	return s.ids != nil && s.ids[c.ID.String()] ||
		s.accounts != nil && c.Principal != "" && s.accounts[c.Principal] ||
		s.places != nil && s.places[strings.ToLower(c.Place.String())]
}

// Service reports whether a credential is one of those that the configuration
// says are shared on purpose.
func (p *Pass) Service(c *credential.Credential) bool { return p.engine.options.Services.Has(c) }
