package credential

import (
	"strings"

	"github.com/authtap/authtap/reassembly/exchange"
)

// cutPair takes the next name=value off a query or form.
func cutPair(s string) (name, value, rest string) {
	if i := strings.IndexByte(s, '&'); i >= 0 {
		s, rest = s[:i], s[i+1:]
	}
	if i := strings.IndexByte(s, '='); i >= 0 {
		return s[:i], s[i+1:], rest
	}
	return s, "", rest
}

// unpercent undoes percent-encoding (RFC 3986, section 2.1), and the plus of
// forms. A wrong escape stands for itself.
func unpercent(s string, plus bool) string {
	if strings.IndexByte(s, '%') < 0 && (!plus || strings.IndexByte(s, '+') < 0) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' && i+2 < len(s) && unhex[s[i+1]] >= 0 && unhex[s[i+2]] >= 0 {
			c = byte(unhex[s[i+1]]<<4 | unhex[s[i+2]])
			i += 2
		} else if c == '+' && plus {
			c = ' '
		}
		out = append(out, c)
	}
	return string(out)
}

// target looks at the request's target: userinfo, path and query.
func (f *Finder) target(x *exchange.Exchange) {
	t := x.Request.Target
	if t == "" {
		return
	}
	if t[0] != '/' {
		f.userinfo(Place{Part: InUserinfo}, t)
	}
	path, query := x.PathQuery()
	f.path(Place{Part: InPath}, path)
	if query != "" {
		query, _, _ = strings.Cut(query, "#")
		f.query(Place{Part: InQuery}, query)
	}
}

// url looks at a whole URL in a header: all that is found in it stands there,
// but what a Location has in its fragment (OAuth's implicit grant).
func (f *Finder) url(p Place, s string) {
	s = strings.TrimSpace(s)
	rest, fragment, _ := strings.Cut(s, "#")
	rest, query, _ := strings.Cut(rest, "?")
	f.userinfo(p, rest)
	path := rest
	if _, after, ok := strings.Cut(rest, "://"); ok {
		_, path, _ = strings.Cut(after, "/")
	}
	f.path(p, path)
	f.query(p, query)
	if p.Name == "location" {
		p = Place{Part: InFragment}
	}
	f.query(p, fragment)
}

// userinfo looks for user:password@ (RFC 3986, section 3.2.1).
func (f *Finder) userinfo(p Place, s string) {
	if i := strings.Index(s, "://"); i >= 0 {
		s = s[i+3:]
	}
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		s = s[:i]
	}
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return
	}
	user, password, ok := strings.Cut(s[:i], ":")
	if ok && password != "" {
		f.pair(p, "", unpercent(user, false), unpercent(password, false))
	}
}

// path looks for JWTs, keys of known vendors and session ids in path segments.
func (f *Finder) path(p Place, path string) {
	if len(path) < 20 {
		return
	}
	before := noField // what the segment before means
	for s := path; s != ""; {
		var segment string
		if i := strings.IndexByte(s, '/'); i >= 0 {
			segment, s = s[:i], s[i+1:]
		} else {
			segment, s = s, ""
		}
		if len(segment) < 16 {
			before = fieldOf(segment)
			continue
		}
		if i := strings.IndexByte(segment, ';'); i >= 0 { // /page;jsessionid=…
			name, value, _ := strings.Cut(segment[i+1:], "=")
			if fd := fieldOf(name); fd == fieldSession && !guessable(value) {
				f.value(p.orName(name), Session, value)
			} else if k := fd.kind(); k != 0 && k != Password && k != Code {
				f.named(p.orName(name), fd, unpercent(value, false))
			}
			segment = segment[:i]
		}
		if strings.IndexByte(segment, '%') >= 0 {
			segment = unpercent(segment, false)
		}
		switch {
		case f.token(p, segment) != nil:
		case !f.response && vendorShaped(segment):
			f.value(p, APIKey, segment)
		case !f.response && botToken(segment):
			f.value(p, APIKey, segment[3:])
		case !f.response && (before == fieldAPIKey || before == fieldAccess) && !guessable(segment) && !uuidShaped(segment):
			f.value(p, before.kind(), segment) // /api_key/…
		}
		before = noField
	}
}

// botToken reports Telegram's /bot<id>:<secret>/.
func botToken(s string) bool {
	if len(s) < 40 || s[:3] != "bot" {
		return false
	}
	id, secret, ok := strings.Cut(s[3:], ":")
	return ok && len(id) >= 6 && len(id) <= 12 && strings.Trim(id, "0123456789") == "" && !guessable(secret)
}

// uuidShaped reports what names things (RFC 9562).
func uuidShaped(s string) bool {
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-'
}

// orName names a place that has no name of its own.
func (p Place) orName(name string) Place {
	if p.Name == "" {
		p.Name = name
	}
	return p
}

// query looks at parameters. Those of a target have their names, those of a
// URL in a header the header's.
func (f *Finder) query(p Place, s string) {
	for rest := s; rest != ""; {
		var name, value string
		name, value, rest = cutPair(rest)
		if value == "" {
			// A token may stand where the name should.
			if len(name) >= 20 {
				f.parameterValue(p, noField, name)
			}
			continue
		}
		if strings.IndexByte(name, '%') >= 0 {
			name = unpercent(name, true)
		}
		fd := f.fieldOf(name)
		if fd == noField && !maybeJWT(value) && !vendorShaped(value) && (value[0] != '%' || len(value) < 20) {
			continue
		}
		if fd == noField && name == "variables" && p.Part == InQuery {
			f.jsonWithin(InQuery, unpercent(value, true))
			continue
		}
		switch fd {
		case fieldCodeWeak:
			f.queryCode(p, name, value, s)
		case fieldUser, fieldAccount, fieldClientID:
			if p.Part == InQuery {
				f.loginField(p.orName(name), fd, unpercent(value, true))
			}
		case fieldGrant, fieldVerifier:
		case fieldQuery:
			if p.Part == InQuery {
				f.field(p.orName(name), fd, unpercent(value, true))
			}
		case fieldAssertion:
			f.field(p.orName(name), fd, unpercent(value, true))
		default:
			f.parameterValue(p.orName(name), fd, value)
		}
	}
}

func (f *Finder) parameterValue(p Place, fd field, value string) {
	f.named(p, fd, unpercent(value, true))
}

// queryCode: code is an OAuth authorization code (RFC 6749, section 4.1.2) with
// state or iss beside it, or if it looks like one.
func (f *Finder) queryCode(p Place, name, value, query string) {
	value = unpercent(value, true)
	beside := strings.HasPrefix(query, "state=") || strings.Contains(query, "&state=") || strings.Contains(query, "session_state=")
	if beside && len(value) >= 6 || !guessable(value) {
		f.value(p.orName(name), Code, value)
	}
}
