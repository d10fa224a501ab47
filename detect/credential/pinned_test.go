package credential

import (
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly/exchange"
)

func TestPinnedLogins(t *testing.T) {
	fields := &LoginFields{User: "kennung", Password: "geheim"}
	for name, c := range map[string]struct {
		fields       *LoginFields
		target, body string
		user, form   string
		secret       string
	}{
		"JSON":                  {fields, "/x", `{"daten":{"kennung":"carol","geheim":"Zx81-kq0p"}}`, "carol", "json", "json:daten.geheim"},
		"form":                  {fields, "/x", `kennung=carol&geheim=Zx81-kq0p`, "carol", "form", "form:geheim"},
		"on a registration":     {fields, "/register", `kennung=carol&geheim=Zx81-kq0p`, "carol", "form", "form:geheim"},
		"other words beside it": {fields, "/x", `{"user":"a","password":"b-secret","kennung":"carol","geheim":"Zx81-kq0p"}`, "carol", "json", "json:geheim"},
		"in the query":          {fields, "/x?kennung=carol&geheim=Zx81-kq0p", ``, "carol", "query", "query:geheim"},
		"no user":               {fields, "/x", `{"geheim":"Zx81-kq0p"}`, "", "", ""},
		"a secret alone":        {&LoginFields{Password: "pin"}, "/x", `{"pin":"492817"}`, "", "json", "json:pin"},
		"not pinned":            {nil, "/x", `{"kennung":"carol","geheim":"Zx81-kq0p"}`, "", "", ""},
	} {
		f := NewFinder(Options{Login: func(*exchange.Exchange) *LoginFields { return c.fields }})
		x := &exchange.Exchange{Request: exchange.Message{Present: true, Method: "POST", Target: c.target, Body: exchange.Body{Bytes: []byte(c.body), Length: int64(len(c.body))}}}
		if strings.HasPrefix(c.body, "k") {
			x.Request.Header = exchange.Header{{Name: "Content-Type", Value: "application/x-www-form-urlencoded"}}
		}
		found := f.Find(x)
		switch l := found.Login; {
		case c.form == "":
			if l != nil {
				t.Errorf("%s: a login: %+v", name, l)
			}
		case l == nil:
			t.Errorf("%s: no login", name)
		case l.Principal != c.user || l.Form != c.form || l.Place.String() != c.secret:
			t.Errorf("%s: %s by %s, secret in %s", name, l.Principal, l.Form, l.Place)
		}
		if text := MaskText(&found, c.body+c.target); c.fields != nil && c.form != "" && strings.Contains(text, "Zx81-kq0p") {
			t.Errorf("%s: the secret is not masked: %s", name, text)
		}
	}
}

func TestSessionCookiesByConfiguration(t *testing.T) {
	x := &exchange.Exchange{Request: exchange.Message{Present: true, Method: "GET", Target: "/", Header: exchange.Header{{Name: "Cookie", Value: "Kram=8xLOxBtZp8aWq1zR5nYcT7uK"}}}}
	x.Response = exchange.Message{Present: true, Status: 200, Header: exchange.Header{{Name: "Set-Cookie", Value: "kram=9xLOxBtZp8aWq1zR5nYcT7uK"}}}
	if found := NewFinder(Options{}).Find(x); len(found.Request)+len(found.Response) != 0 {
		t.Errorf("found %v", found)
	}
	found := NewFinder(Options{SessionCookies: []string{"KRAM"}}).Find(x)
	if len(found.Request) != 1 || found.Request[0].Kind != Session || len(found.Response) != 1 || found.Response[0].Kind != Session {
		t.Errorf("found %v", found)
	}
}
