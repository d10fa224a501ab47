package credential

import "strings"

// graphqlLiterals reads the logins of a GraphQL document: arguments that are
// literals, as in login(username: "a", password: "b"), also under several
// aliases and within input objects. Variables stand beside the document.
func (f *Finder) graphqlLiterals(s string) {
	f.graphQL = true
	for i := 0; i < len(s) && len(f.list) < f.options.MaxCredentials; {
		k := strings.IndexByte(s[i:], ':')
		if k < 0 {
			return
		}
		i += k
		end := i
		for end > 0 && s[end-1] <= ' ' {
			end--
		}
		start := end
		for start > 0 && isNameByte(s[start-1]) {
			start--
		}
		i++
		for i < len(s) && (s[i] <= ' ' || s[i] == '[') {
			i++
		}
		if i >= len(s) {
			return
		}
		var value string
		switch c := s[i]; {
		case strings.HasPrefix(s[i:], `"""`): // GraphQL, section 2.9.4: block strings
			k := strings.Index(s[i+3:], `"""`)
			if k < 0 {
				return
			}
			value = strings.TrimSpace(s[i+3 : i+3+k])
			i += k + 6
		case c == '"':
			from := i + 1
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
			if i >= len(s) {
				return
			}
			value = unescape(s[from:i])
			i++
		case c >= '0' && c <= '9':
			from := i
			for i < len(s) && s[i] >= '0' && s[i] <= '9' {
				i++
			}
			value = s[from:i]
		default:
			continue
		}
		fd := f.fieldOf(s[start:end])
		switch {
		case fd == noField:
			if maybeJWT(value) || vendorShaped(value) {
				f.named(Place{InJSON, s[start:end]}, fd, value)
			}
		case fd != fieldQuery:
			f.named(Place{InJSON, s[start:end]}, fd, value)
		}
	}
}

func isNameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// loginMethod reports a method of JSON-RPC or XML-RPC that logs in.
func loginMethod(method string) bool {
	switch lowerLast(method) {
	case "login", "signin", "authenticate", "logon", "tokencreate", "userlogin", "createsession", "createtoken":
		return true
	}
	return false
}

// lowerLast gives the last part of a method's name, in lower case and without
// separators.
func lowerLast(s string) string {
	if i := strings.LastIndexAny(s, "./:"); i >= 0 {
		s = s[i+1:]
	}
	if len(s) > 32 {
		return ""
	}
	return strings.ToLower(strings.ReplaceAll(s, "_", ""))
}
