package endpoint

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

// maxOperation bounds an operation's name; a longer one is cut, which makes it
// one with others that begin alike.
const maxOperation = 120

// Operation names what a request asks of a path where many things are asked of
// the same one: the root fields of a GraphQL document, the method of JSON-RPC,
// the action of SOAP. It is "" everywhere else.
func (e *Examiner) Operation(x *exchange.Exchange, path, query string, found *credential.Found) string {
	r := &x.Request
	switch {
	case r.Method == "POST":
		if len(r.Body.Bytes) == 0 {
			return ""
		}
		kind := r.Header.Get("Content-Type")
		switch {
		case hasFold(kind, "application/json"), hasFold(kind, "application/graphql"), hasFold(kind, "text/json"), kind == "":
			if hasFold(kind, "application/graphql") && !containsFold(kind, "json") {
				return cutOperation(rootFields(string(r.Body.Bytes), ""))
			}
			name, known := e.calls.Of(found.RequestSum)
			if !known {
				*name = jsonOperation(r.Body.Bytes)
			}
			return *name
		case hasFold(kind, "text/xml"), hasFold(kind, "application/soap+xml"):
			return cutOperation(soapAction(r.Header, kind))
		}
	case r.Method == "GET" && len(query) > 6 && strings.Contains(query, "query=") && graphQLPath(path):
		for pair := range strings.SplitSeq(query, "&") {
			if v, ok := strings.CutPrefix(pair, "query="); ok {
				if doc, err := url.QueryUnescape(v); err == nil {
					return cutOperation(rootFields(doc, ""))
				}
			}
		}
	}
	return ""
}

func graphQLPath(path string) bool {
	last := lastSegment(path)
	return strings.EqualFold(last, "graphql") || strings.EqualFold(last, "query") || strings.EqualFold(last, "gql")
}

func cutOperation(s string) string {
	if len(s) > maxOperation {
		s = s[:maxOperation]
	}
	return strings.Clone(s)
}

// soapAction reads the action (SOAP 1.1, section 6.1.1; RFC 3902).
func soapAction(h exchange.Header, kind string) string {
	if a := strings.Trim(h.Get("SOAPAction"), `" `); a != "" {
		return a
	}
	if i := strings.Index(kind, "action="); i >= 0 {
		a, _, _ := strings.Cut(kind[i+len("action="):], ";")
		return strings.Trim(a, `" `)
	}
	return ""
}

// call is one of GraphQL over HTTP or JSON-RPC 2.0.
type call struct {
	Query         any    `json:"query"`
	OperationName string `json:"operationName"`
	Version       string `json:"jsonrpc"`
	Method        string `json:"method"`
	Extensions    struct {
		PersistedQuery struct {
			Hash string `json:"sha256Hash"`
		} `json:"persistedQuery"`
	} `json:"extensions"`
}

// maxCalls of a batch are looked at.
const maxCalls = 16

func jsonOperation(b []byte) string {
	t := bytes.TrimLeft(b, " \t\r\n\xef\xbb\xbf")
	if len(t) == 0 || t[0] != '{' && t[0] != '[' {
		return ""
	}
	if head := t[:min(len(t), 16<<10)]; !bytes.Contains(head, []byte(`"jsonrpc"`)) && !bytes.Contains(head, []byte(`"query"`)) && !bytes.Contains(head, []byte(`"persistedQuery"`)) {
		return ""
	}
	var calls []call
	if t[0] == '{' {
		calls = make([]call, 1)
		if json.Unmarshal(t, &calls[0]) != nil {
			return ""
		}
	} else if json.Unmarshal(t, &calls) != nil {
		return ""
	}
	var names []string
	for i := range calls[:min(len(calls), maxCalls)] {
		if n := calls[i].operation(); n != "" {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return cutOperation(strings.Join(slices.Compact(names), " "))
}

func (c *call) operation() string {
	if c.Version != "" {
		return c.Method
	}
	if doc, ok := c.Query.(string); ok {
		return rootFields(doc, c.OperationName)
	}
	if h := c.Extensions.PersistedQuery.Hash; h != "" {
		return "persisted:" + h[:min(len(h), 64)]
	}
	return ""
}

// rootFields gives the root fields of the operation of that name, or of the
// first (GraphQL, section 2): "mutation login". Aliases, which are the client's
// own, do not matter.
func rootFields(doc, name string) string {
	l := graphQL{text: doc}
	found := ""
	for range 64 { // operations and fragments
		word := l.next()
		kind := word
		switch word {
		case "":
			return found
		case "{":
			kind = "query"
		case "query", "mutation", "subscription":
			named := ""
			for word = l.next(); word != "{"; word = l.next() {
				switch {
				case word == "":
					return found
				case word == "(":
					l.skip("(", ")")
				case named == "":
					named = word
				}
			}
			if name != "" && named != name {
				l.skip("{", "}")
				continue
			}
		default: // a fragment, or none of the language
			for word = l.next(); word != "{"; word = l.next() {
				if word == "" {
					return found
				}
			}
			l.skip("{", "}")
			continue
		}
		fields := l.fields()
		slices.Sort(fields)
		if found == "" {
			found = strings.TrimRight(kind+" "+strings.Join(slices.Compact(fields), " "), " ")
		}
		if name == "" {
			return found
		}
	}
	return found
}

// graphQL reads the words and signs of a document.
type graphQL struct {
	text string
	pos  int
}

// fields reads a selection set, of which the brace was read, without what is
// within its fields.
func (l *graphQL) fields() (names []string) {
	last := "" // that may be an alias
	keep := func() {
		if last != "" && len(names) < maxCalls {
			names = append(names, last)
		}
		last = ""
	}
	for {
		switch word := l.next(); word {
		case "", "}":
			keep()
			return names
		case ":":
			last = ""
		case "(":
			l.skip("(", ")")
		case "{":
			keep()
			l.skip("{", "}")
		case "@": // a directive
			l.next()
		case "...":
			keep()
			last = "..."
			word = l.next()
			switch word {
			case "on":
				l.next()
			case "{":
				keep()
				l.skip("{", "}")
			case "@":
				l.next()
			}
		default:
			keep()
			last = word
		}
	}
}

// skip reads to the end of what was opened.
func (l *graphQL) skip(open, end string) {
	for depth := 1; depth > 0; {
		switch l.next() {
		case "":
			return
		case open:
			depth++
		case end:
			depth--
		}
	}
}

// next gives the next name or sign; strings give a quote, the end "".
func (l *graphQL) next() string {
	for l.pos < len(l.text) {
		c := l.text[l.pos]
		switch {
		case c == '#':
			if i := strings.IndexByte(l.text[l.pos:], '\n'); i >= 0 {
				l.pos += i + 1
			} else {
				l.pos = len(l.text)
			}
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',':
			l.pos++
		case c == '"':
			l.string()
			return `"`
		case c == '.' && strings.HasPrefix(l.text[l.pos:], "..."):
			l.pos += 3
			return "..."
		case nameByte(c):
			start := l.pos
			for l.pos < len(l.text) && nameByte(l.text[l.pos]) {
				l.pos++
			}
			return l.text[start:l.pos]
		default:
			l.pos++
			return l.text[l.pos-1 : l.pos]
		}
	}
	return ""
}

func (l *graphQL) string() {
	if rest := l.text[l.pos:]; strings.HasPrefix(rest, `"""`) {
		if i := strings.Index(rest[3:], `"""`); i >= 0 {
			l.pos += i + 6
		} else {
			l.pos = len(l.text)
		}
		return
	}
	for l.pos++; l.pos < len(l.text) && l.text[l.pos] != '"'; l.pos++ {
		if l.text[l.pos] == '\\' {
			l.pos++
		}
	}
	l.pos = min(l.pos+1, len(l.text))
}

func nameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
