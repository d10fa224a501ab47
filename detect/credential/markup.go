package credential

import (
	"bytes"
	"compress/flate"
	"io"
	"strconv"
	"strings"
)

// The bounds of XML: what is looked at of a document, and of an assertion.
const (
	maxElements  = 4096
	maxAssertion = 16 << 10
)

// xml looks at elements and attributes whose names have a meaning: SOAP with
// WS-Security, XML-RPC, and what APIs make of their own. It is no parser: it
// reads tags, whatever stands between them, and never goes back.
func (f *Finder) xml(s string, cut bool) {
	if i := strings.Index(s, "Assertion"); i >= 0 {
		f.assertions(Place{Part: InXML}, s)
	}
	rpc := ""    // XML-RPC: the method, the name of the member at hand
	member := "" // whose value comes next
	params := 0  // positional ones so far
	for range maxElements {
		open := strings.IndexByte(s, '<')
		if open < 0 {
			return
		}
		s = s[open+1:]
		if strings.HasPrefix(s, "![CDATA[") || strings.HasPrefix(s, "!--") {
			continue
		}
		end := strings.IndexByte(s, '>')
		if end < 0 {
			if cut {
				f.stats.AtCutEnd++
			}
			return
		}
		tag := s[:end]
		s = s[end+1:]
		if tag == "" || tag[0] == '/' || tag[0] == '?' || tag[0] == '!' {
			continue
		}
		name, attributes := tag, ""
		if i := strings.IndexAny(tag, " \t\r\n/"); i >= 0 {
			name, attributes = tag[:i], tag[i:]
		}
		name = name[strings.LastIndexByte(name, ':')+1:]
		if strings.IndexByte(attributes, '=') >= 0 {
			f.attributes(attributes)
		}
		value, closed := content(s)
		if value == "" {
			continue
		}
		if !closed {
			if cut {
				f.stats.AtCutEnd++
			}
			return
		}
		switch name {
		case "methodName":
			rpc = value
			continue
		case "name":
			if rpc != "" {
				member = value
				continue
			}
		case "string", "value", "int", "i4", "base64":
			if rpc == "" {
				break
			}
			switch {
			case member == "methodName": // within system.multicall
				rpc, params = value, 0
			case member != "" && member != "params":
				f.element(member, value, "")
			default:
				params++
				f.positional(rpc, params, value)
			}
			member = ""
			continue
		}
		f.element(name, value, attributes)
	}
	f.stats.TooMany++
}

// content gives the text up to the next tag, decoded; closed says that there
// is one.
func content(s string) (value string, closed bool) {
	if rest, ok := strings.CutPrefix(s, "<![CDATA["); ok {
		value, _, closed = strings.Cut(rest, "]]>")
		return value, closed
	}
	i := strings.IndexByte(s, '<')
	if i < 0 {
		i = len(s)
	} else {
		closed = true
	}
	return entities(strings.TrimSpace(s[:i])), closed
}

func (f *Finder) element(name, value, attributes string) {
	fd := f.fieldOf(name)
	switch {
	case fd == noField:
		if len(value) >= 32 && findJWT(value) >= 0 {
			f.embedded(Place{InXML, name}, value, false)
		}
		return
	case fd == fieldPassword && strings.Contains(attributes, "PasswordDigest"):
		// WSS UsernameToken Profile 1.1.1, section 3.1: another in each message.
		if !f.response {
			v, user := strings.Clone(value), strings.Clone(f.login.user)
			f.add(Place{InXML, name}, Credential{Kind: Digest, ID: f.key.id("digest", user), Mask: maskOf(Digest, v), Principal: user, Scheme: "wsse", value: &v})
			f.login.scheme(Login{Form: "digest", Principal: user, Place: f.placeOf(Place{InXML, name})}, "")
		}
		return
	}
	f.named(Place{InXML, name}, fd, value)
}

// attributes looks at name="value" pairs; of a namespace nothing is a secret.
func (f *Finder) attributes(s string) {
	for {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			return
		}
		rest = strings.TrimLeft(rest, " \t\r\n")
		if rest == "" || rest[0] != '"' && rest[0] != '\'' {
			return
		}
		value, after, ok := strings.Cut(rest[1:], rest[:1])
		if !ok {
			return
		}
		s = after
		name = strings.TrimSpace(name)
		if i := strings.LastIndexByte(name, ':'); i >= 0 {
			name = name[i+1:]
		}
		if fd := f.fieldOf(name); fd != noField && value != "" {
			f.named(Place{InXML, name}, fd, entities(value))
		}
	}
}

// positional takes the parameters of XML-RPC methods that log in by position:
// those of WordPress and its forerunners.
func (f *Finder) positional(method string, n int, value string) {
	user := 0
	switch {
	case method == "wp.getUsersBlogs", method == "blogger.getUserInfo", method == "blogger.getUsersBlogs", method == "mt.getCategoryList":
		user = 1
		if strings.HasPrefix(method, "blogger.") {
			user = 2
		}
	case strings.HasPrefix(method, "wp."), strings.HasPrefix(method, "metaWeblog."):
		user = 2 // behind the number of the blog
	case loginMethod(method):
		user = 1
	default:
		return
	}
	switch n {
	case user:
		f.named(Place{InXML, "params"}, fieldUser, value)
	case user + 1:
		f.named(Place{InXML, "params"}, fieldPassword, value)
	}
}

// entities undoes the five entities of XML, and numbers of characters.
func entities(s string) string {
	if strings.IndexByte(s, '&') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		end := -1
		if s[i] == '&' {
			end = strings.IndexByte(s[i:min(len(s), i+12)], ';')
		}
		r := rune(-1)
		if end > 1 {
			r = entity(s[i+1 : i+end])
		}
		if r < 0 {
			b.WriteByte(s[i])
			i++
			continue
		}
		b.WriteRune(r)
		i += end + 1
	}
	return b.String()
}

func entity(name string) rune {
	switch name {
	case "amp":
		return '&'
	case "lt":
		return '<'
	case "gt":
		return '>'
	case "quot":
		return '"'
	case "apos":
		return '\''
	}
	if len(name) < 2 || name[0] != '#' {
		return -1
	}
	base, text := rune(10), name[1:]
	if text[0]|0x20 == 'x' {
		base, text = 16, text[1:]
	}
	if text == "" {
		return -1
	}
	r := rune(0)
	for i := range len(text) {
		d := rune(unhex[text[i]])
		if d < 0 || d >= base || r > 0x10ffff {
			return -1
		}
		r = r*base + d
	}
	return r
}

// pages looks at what a page fills into its fields for passwords.
func (f *Finder) page(s string) {
	for at := 0; at < len(s); {
		i := strings.Index(s[at:], "assword")
		if i < 0 {
			return
		}
		at += i + len("assword")
		start := strings.LastIndexByte(s[max(0, at-256):at], '<')
		if start < 0 {
			continue
		}
		tag := s[max(0, at-256)+start:]
		end := strings.IndexByte(tag[:min(len(tag), 1024)], '>')
		if end < 0 || !hasFold(tag, "<input") {
			continue
		}
		at = max(at, len(s)-len(tag)+end)
		tag = strings.ReplaceAll(tag[:end], "'", `"`)
		if !strings.Contains(strings.ToLower(tag), `type="password"`) {
			continue
		}
		if _, value, ok := strings.Cut(tag, `value="`); ok {
			if value, _, ok = strings.Cut(value, `"`); ok && value != "" {
				f.exposedPassword(Place{Part: InBody}, fieldPassword, entities(value))
			}
		}
	}
}

// samlParameter looks at SAMLResponse (SAML 2.0 Bindings, sections 3.4 and
// 3.5): an assertion in base64, deflated where it stands in a URL.
func (f *Finder) samlParameter(p Place, value string) {
	b, _, ok := decodeBase64(value)
	if !ok || len(b) == 0 {
		return
	}
	if b[0] != '<' {
		r := flate.NewReader(bytes.NewReader(b))
		b, _ = io.ReadAll(io.LimitReader(r, 4*maxAssertion)) // what there is of it
	}
	before := len(f.list)
	f.assertions(p, text(b))
	for i := before; i < len(f.list); i++ { // the text as sent is what must not be told
		v := strings.Clone(value)
		f.list[i].value, f.list[i].Mask = &v, maskOf(SAML, v)
	}
}

// assertions reports SAML assertions (SAML 2.0 Core, section 2.3.3). Their ID
// stands for them, so that one presented twice is known again.
func (f *Finder) assertions(p Place, s string) {
	for range 8 {
		i := strings.Index(s, "Assertion ")
		if i < 1 {
			return
		}
		before := s[:i]
		s = s[i+len("Assertion "):]
		if open := strings.LastIndexByte(before, '<'); open < 0 || len(before)-open > 32 || strings.ContainsAny(before[open+1:], "/ \"") {
			continue
		}
		whole := s[:min(len(s), maxAssertion)]
		tag, rest, ok := strings.Cut(whole, ">")
		if !ok {
			return
		}
		id := attribute(tag, "ID")
		if id == "" {
			id = attribute(tag, "AssertionID") // SAML 1.1
		}
		if id == "" {
			id = whole
		}
		user := ""
		if _, after, ok := strings.Cut(rest, "NameID"); ok {
			if _, after, ok = strings.Cut(after, ">"); ok {
				user, _ = content(after)
			}
		}
		if user = accountName(user); len(user) > 256 {
			user = ""
		}
		v := strings.Clone(whole)
		q := p
		if q.Name == "" {
			q.Name = "Assertion"
		}
		f.add(q, Credential{Kind: SAML, ID: f.key.id("saml", id), Mask: "…(" + strconv.Itoa(len(v)) + ")", Principal: strings.Clone(user), value: &v})
	}
}

// attribute gives the value of an attribute of a tag.
func attribute(tag, name string) string {
	for rest := tag; ; {
		i := strings.Index(rest, name+"=")
		if i < 0 {
			return ""
		}
		word := i > 0 && rest[i-1] > ' '
		rest = rest[i+len(name)+1:]
		if word || rest == "" {
			continue
		}
		value, _, _ := strings.Cut(rest[1:], rest[:1])
		return value
	}
}
