package credential

import (
	"bytes"
	"strings"

	"github.com/authtap/authtap/detect/memo"
	"github.com/authtap/authtap/reassembly/exchange"
)

// content looks at a message's content: by what it begins with, then by its
// Content-Type, since clients and attackers send JSON under any name.
func (f *Finder) content(m *exchange.Message) {
	b := m.Body.Bytes
	switch {
	case len(b) == 0:
		return
	case m.Damage&exchange.BodyGap != 0:
		f.stats.BodiesDamaged++
		return
	case m.Damage&exchange.Undecoded != 0:
		f.stats.BodiesUndecoded++
		return
	}
	table := f.bodies[0]
	if f.response {
		table = f.bodies[1]
	}
	f.sum = memo.SumOf(b)
	f.body, _ = table.Of(f.sum)
	cut := m.Damage&exchange.Cut != 0 || int64(len(b)) < m.Body.Length
	first := firstByte(b)
	switch {
	case first == '{' && !f.response && hasFold(m.Header.Get("Content-Type"), "application/graphql"):
		if t := m.Header.Get("Content-Type"); !strings.Contains(t, "json") { // a document alone
			f.graphqlLiterals(text(b))
			return
		}
		f.jsonBody(b, cut)
		return
	case first == '{' || first == '[':
		f.jsonBody(b, cut)
		return
	case first == '"': // a lone string: some logins answer with nothing but a token
		f.jsonBody(b, cut)
		return
	}
	kind := m.Header.Get("Content-Type")
	switch {
	case hasFold(kind, "multipart/"):
		f.multipart(text(b), kind, cut)
	case hasFold(kind, "application/x-www-form-urlencoded"), !f.response && formShaped(b):
		f.form(text(b), cut)
	case hasFold(kind, "application/grpc"):
		f.grpc(b)
	case hasFold(kind, "application/graphql") && !f.response:
		f.graphqlLiterals(text(b))
	case binaryType(kind):
	case first == '<' && !hasFold(kind, "text/html") && !hasFold(kind, "application/xhtml"):
		f.xml(text(b), cut)
	default:
		if f.response && first == '<' {
			f.page(text(b))
		}
		f.embedded(Place{Part: InBody}, text(b), cut)
	}
}

func firstByte(b []byte) byte {
	for _, c := range b {
		if c > ' ' && c < 0x80 {
			return c
		}
	}
	return 0
}

func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// binaryType reports content in which text can only stand by chance.
func binaryType(kind string) bool {
	return hasFold(kind, "image/") || hasFold(kind, "video/") || hasFold(kind, "audio/") || hasFold(kind, "font/") ||
		hasFold(kind, "application/octet-stream") || hasFold(kind, "application/zip") || hasFold(kind, "application/pdf") ||
		hasFold(kind, "application/grpc")
}

// formShaped reports a body that reads as a form though nothing says that it
// is one: a name, an equals sign, no white space or markup before it.
func formShaped(b []byte) bool {
	i := bytes.IndexByte(b[:min(len(b), 64)], '=')
	return i > 0 && !bytes.ContainsAny(b[:i], " \t\r\n<>\"{")
}

// form looks at an application/x-www-form-urlencoded body.
func (f *Finder) form(s string, cut bool) {
	s = strings.TrimRight(s, "\r\n")
	before := ""
	for rest := s; rest != ""; {
		var name, value string
		name, value, rest = cutPair(rest)
		if cut && rest == "" {
			f.stats.AtCutEnd++
			return
		}
		if value == "" {
			continue
		}
		if strings.IndexByte(name, '%') >= 0 {
			name = unpercent(name, true)
		}
		fd := f.fieldOf(name)
		if len(name) > 5 && name[len(name)-1] == ']' {
			f.attack(operatorField(name), NoSQLPayload)
		}
		if fd == noField && !maybeJWT(value) && !vendorShaped(value) {
			if !f.response && len(name) == 9 && name == "variables" {
				f.jsonWithin(InForm, unpercent(value, true))
			}
			before = value
			f.login.mayBeTicket(name, value)
			continue
		}
		if fd == fieldPassword {
			f.login.stoodBeside(unpercent(before, true))
		}
		f.field(Place{InForm, name}, fd, unpercent(value, true))
	}
}

// field looks at a field of a form. Its value may be another language's.
func (f *Finder) field(p Place, fd field, value string) {
	switch {
	case fd == fieldQuery:
		if !f.response && strings.ContainsAny(value, "({") {
			f.within = p.Part
			f.graphqlLiterals(value)
			f.within = 0
		}
	case fd == fieldAssertion && strings.EqualFold(p.Name, "SAMLResponse"):
		f.samlParameter(p, value)
	default:
		f.named(p, fd, value)
	}
}

// jsonWithin looks at JSON that stands in a field: the variables of a GraphQL
// document, and parts of that type.
func (f *Finder) jsonWithin(part Part, s string) {
	if len(s) > 1 && (s[0] == '{' || s[0] == '[') && f.promising([]byte(s)) {
		f.within = part
		f.readJSON(s, false)
		f.within, f.json.depth = 0, 0
	}
}
