package expression

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Subject is the exchange that an expression is asked about, with what it shows
// by itself.
type Subject struct {
	Exchange *exchange.Exchange
	Found    *credential.Found
	// Host, Path and Query of the request; no credential stands in Path.
	Host, Path, Query string
	Operation         string
	Client            netip.Addr
	Principal         string
}

// Exchange is the environment of what an exchange shows by itself. The tags
// are what users see of it: names, and what they mean.
type Exchange struct {
	Method    string `expr:"method" doc:"of the request, as sent"`
	Host      string `expr:"host" doc:"of the request, in lower case, without a default port"`
	Path      string `expr:"path" doc:"of the request, as sent; credentials in it are masked"`
	Query     string `expr:"query" doc:"of the request, as sent, without the question mark; credentials in it are masked"`
	Operation string `expr:"operation" doc:"what the request asks of the path where many things are asked of the same one: of GraphQL, JSON-RPC, SOAP; empty of others"`
	Status    int    `expr:"status" doc:"of the response; 0 where there is none that is provably the request's"`
	Protocol  string `expr:"protocol" doc:"http/1.0, http/1.1, h2"`
	Decrypted bool   `expr:"decrypted" doc:"the exchange was in TLS, and was decrypted"`
	Client    string `expr:"client" doc:"the client's address, behind trusted proxies"`
	Server    string `expr:"server" doc:"the server's address"`
	Port      int    `expr:"port" doc:"the server's port"`
	Principal string `expr:"principal" doc:"the account that the request acts for, empty where unknown"`

	Request  Message `expr:"request"`
	Response Message `expr:"response"`

	Presented []Credential `expr:"presented" doc:"the credentials of the request"`
	Issued    []Credential `expr:"issued" doc:"the credentials of the response"`
	Login     Login        `expr:"login"`

	subject Subject
}

// Message is the request or the response.
type Message struct {
	Present bool   `expr:"present" doc:"its first line was seen"`
	Whole   bool   `expr:"whole" doc:"every byte of it was seen and understood"`
	Type    string `expr:"type" doc:"its media type, in lower case, without parameters"`
	Length  int    `expr:"length" doc:"bytes of its content"`
	// Header, Body and JSON find what they are asked for when they are asked.
	Header func(string) string `expr:"header" doc:"header(NAME): the value of the first header line of that name, in any case; empty where there is none; credentials in it are masked"`
	Body   string              `expr:"body" doc:"the beginning of its content, as much as is looked at; credentials in it are masked"`
	JSON   func(string) any    `expr:"json" doc:"json(PATH): what stands at a.b.0.c in its content; nil where nothing stands; credentials are masked"`

	of     *exchange.Message
	parsed any
	tried  bool
}

// Credential is one credential of a message, without its value.
type Credential struct {
	Kind      string `expr:"kind" doc:"basic, digest, negotiate, ntlm, bearer, jwt, api_key, signature, session, password, code, refresh_token, client_secret, other"`
	Place     string `expr:"place" doc:"where it stands, such as header:authorization"`
	ID        string `expr:"id" doc:"its keyed hash, 32 hex digits"`
	Mask      string `expr:"mask" doc:"its first characters and its length"`
	Principal string `expr:"principal" doc:"the account that it names"`
	Scheme    string `expr:"scheme" doc:"the scheme of Authorization, in lower case"`
	Access    bool   `expr:"access" doc:"it asks for access to the resource"`
	Flawed    bool   `expr:"flawed" doc:"it cannot be a good one: empty, null, or not what its scheme asks for"`
	JWT       JWT    `expr:"jwt"`
}

// JWT is what is told of a JSON Web Token.
type JWT struct {
	Algorithm string   `expr:"alg" doc:"the header's alg, as sent"`
	Type      string   `expr:"typ" doc:"the header's typ"`
	Key       string   `expr:"kid" doc:"the header's kid"`
	Issuer    string   `expr:"iss" doc:"the claim iss"`
	Audience  []string `expr:"aud" doc:"the claim aud"`
	Client    string   `expr:"client_id" doc:"the claim azp, or client_id"`
	Scope     string   `expr:"scope" doc:"the claim scope, or scp"`
	Expires   int      `expr:"exp" doc:"the claim exp in seconds, 0 without one"`
	Issued    int      `expr:"iat" doc:"the claim iat in seconds, 0 without one"`
}

// Login is the login attempt that the request makes.
type Login struct {
	Form      string `expr:"form" doc:"what carries the login: form, json, multipart, query, basic, digest, ntlm, oauth: and the grant type; empty where the request is no login"`
	Principal string `expr:"principal" doc:"the account"`
	Account   string `expr:"account" doc:"its keyed hash"`
	Password  string `expr:"password" doc:"the password's keyed hash, empty where passwords cannot be compared"`
	Attempts  int    `expr:"attempts" doc:"how many passwords or codes one request tries, 1 of an ordinary login"`
	Default   bool   `expr:"default" doc:"the pair is a product's default"`
	Common    bool   `expr:"common" doc:"the password is one of the ten thousand that people take most"`
}

// Uses says which of the costly members of Exchange are used.
type Uses uint8

// The costly members.
const (
	Presented Uses = 1 << iota
	Issued
	Query
	RequestBody
	RequestJSON
	ResponseBody
	ResponseJSON
)

// Bodies are the members that need the content of messages, which is there
// while an exchange is handed over and not afterwards.
const Bodies = RequestBody | RequestJSON | ResponseBody | ResponseJSON

// Used gives the costly members that an expression uses.
func (p *Program[E, T]) Used() (u Uses) {
	for _, m := range [...]struct {
		name string
		use  Uses
	}{
		{"presented", Presented}, {"issued", Issued}, {"query", Query},
		{"request.body", RequestBody}, {"request.json", RequestJSON},
		{"response.body", ResponseBody}, {"response.json", ResponseJSON},
	} {
		if p.uses[m.name] {
			u |= m.use
		}
	}
	return u
}

// Set makes s the environment's subject. Members of uses are filled, the other
// costly ones are empty. What is in e is valid until the next Set, and for as
// long as the subject's bodies are; e must not be copied.
func (e *Exchange) Set(s *Subject, uses Uses) {
	x := s.Exchange
	e.subject = *s
	e.Method, e.Host, e.Path = x.Request.Method, s.Host, s.Path
	e.Operation = s.Operation
	e.Query = ""
	if uses&Query != 0 {
		e.Query = credential.MaskText(s.Found, s.Query)
	}
	e.Status = StatusOf(x)
	e.Protocol, e.Decrypted = x.Protocol.String(), x.TLS == exchange.Decrypted
	e.Client, e.Server, e.Port = s.Client.String(), x.Server.Addr().String(), int(x.Server.Port())
	e.Principal = s.Principal
	e.message(&e.Request, &x.Request, uses&RequestBody != 0)
	e.message(&e.Response, &x.Response, uses&ResponseBody != 0)
	if e.Request.Header == nil {
		e.Request.Header = func(name string) string { return e.header(&e.Request, name) }
		e.Request.JSON = func(path string) any { return e.json(&e.Request, path) }
		e.Response.Header = func(name string) string { return e.header(&e.Response, name) }
		e.Response.JSON = func(path string) any { return e.json(&e.Response, path) }
	}
	e.Presented, e.Issued = e.Presented[:0], e.Issued[:0]
	if uses&Presented != 0 {
		e.Presented = appendCredentials(e.Presented, s.Found.Request)
	}
	if uses&Issued != 0 {
		e.Issued = appendCredentials(e.Issued, s.Found.Response)
	}
	e.Login = Login{}
	if l := s.Found.Login; l != nil {
		e.Login = Login{
			Form: l.Form, Principal: l.Principal, Attempts: max(s.Found.Attempts, 1), Default: l.Default, Common: l.Common,
		}
		if !l.PrincipalID.IsZero() {
			e.Login.Account = l.PrincipalID.String()
		}
		if !l.Password.IsZero() {
			e.Login.Password = l.Password.String()
		}
	}
}

// StatusOf gives an exchange's Status.
func StatusOf(x *exchange.Exchange) int {
	if x.Flags&exchange.Unpaired != 0 || x.Response.Damage&exchange.HeadGap != 0 {
		return 0
	}
	return x.Response.Status
}

func (e *Exchange) message(m *Message, of *exchange.Message, body bool) {
	m.of, m.parsed, m.tried = of, nil, false
	m.Present, m.Whole, m.Length = of.Present, of.Damage.Whole(), int(of.Body.Length)
	m.Type, _, _ = strings.Cut(of.Header.Get("Content-Type"), ";")
	m.Type = strings.ToLower(strings.TrimSpace(m.Type))
	m.Body = ""
	if body && m.of.Damage&(exchange.BodyGap|exchange.Undecoded) == 0 {
		m.Body = credential.MaskText(e.subject.Found, string(of.Body.Bytes))
	}
}

func seconds(m credential.Moment) int {
	if !m.Set {
		return 0
	}
	return int(int64(m.At) / int64(time.Second))
}

func appendCredentials(to []Credential, list []credential.Credential) []Credential {
	for i := range list {
		c := &list[i]
		out := Credential{
			Kind: c.Kind.String(), Place: c.Place.String(), ID: c.ID.String(), Mask: c.Mask,
			Principal: c.Principal, Scheme: c.Scheme, Access: c.Access(), Flawed: c.Flaw != 0,
		}
		if t := c.JWT; t != nil {
			out.JWT = JWT{
				Algorithm: t.Alg, Type: t.Typ, Key: t.Kid, Issuer: t.Issuer, Audience: t.Audience, Client: t.ClientID, Scope: t.Scope,
				Expires: seconds(t.Expires), Issued: seconds(t.IssuedAt),
			}
		}
		to = append(to, out)
	}
	return to
}

func (e *Exchange) header(m *Message, name string) string {
	if m.of.Damage&exchange.HeadGap != 0 {
		return "" // what stands there is not believed
	}
	v := m.of.Header.Get(name)
	if v == "" {
		return ""
	}
	return credential.MaskField(e.subject.Found, name, v)
}

// json gives what stands at a path of a JSON content. One that is not seen
// whole is none.
func (e *Exchange) json(m *Message, path string) any {
	if !m.tried {
		m.tried = true
		if m.of.Damage != 0 || json.Unmarshal(m.of.Body.Bytes, &m.parsed) != nil {
			m.parsed = nil
		}
	}
	v, name := m.parsed, ""
	for v != nil && path != "" {
		name, path, _ = strings.Cut(path, ".")
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	switch at := v.(type) {
	case string:
		return credential.MaskField(e.subject.Found, name, at)
	case float64:
		text := strconv.FormatFloat(at, 'f', -1, 64)
		if masked := credential.MaskField(e.subject.Found, name, text); masked != text {
			return masked
		}
		return at
	case bool:
		return at
	case map[string]any:
		return len(at) // that there is one; its members are asked by their paths
	case []any:
		return len(at)
	}
	return nil
}
