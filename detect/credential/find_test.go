package credential

import (
	"testing"

	"github.com/authtap/authtap/reassembly/exchange"
)

func request(method, target string, header exchange.Header, body string) *exchange.Exchange {
	return &exchange.Exchange{Request: exchange.Message{
		Present: true, Method: method, Target: target, Header: header,
		Body: exchange.Body{Bytes: []byte(body), Length: int64(len(body))},
	}}
}

func TestSmoke(t *testing.T) {
	f := NewFinder(Options{})
	x := request("POST", "/login?access_token=abcdefghijk123456789", exchange.Header{{Name: "Authorization", Value: "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"}, {Name: "Cookie", Value: "a=b; JSESSIONID=0123456789ABCDEF0123456789ABCDEF"}},
		`{"user":{"email":"a@b.c","password":"hunter2"}}`)
	g := f.Find(x)
	t.Logf("%+v %+v", g.Request, g.Login)
	t.Log(Redact(&g, x.Request.Target), Redact(&g, `pass=hunter2 "hunter\u0032" aHVudGVyMg==`))
}
