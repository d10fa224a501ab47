package credential

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly/exchange"
)

const samlText = `<?xml version="1.0"?><samlp:Response xmlns:samlp="p" ID="_r1"><saml:Assertion xmlns:saml="a" ID="_a75adf55-01d7-40cc-929f" Version="2.0"><saml:Issuer>idp</saml:Issuer><saml:Subject><saml:NameID Format="e">carol@shop.example</saml:NameID></saml:Subject></saml:Assertion></samlp:Response>`

func soap(header, body string) string {
	return `<?xml version="1.0"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Header>` + header + `</soap:Header><soap:Body>` + body + `</soap:Body></soap:Envelope>`
}

func deflated(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	w.Write([]byte(s))
	w.Close()
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// protoField makes a field of protocol buffers that has a length.
func protoField(number uint64, value string) string {
	return string(binary.AppendUvarint(binary.AppendUvarint(nil, number<<3|2), uint64(len(value)))) + value
}

func grpcMessage(compressed byte, message string) string {
	return string(binary.BigEndian.AppendUint32([]byte{compressed}, uint32(len(message)))) + message
}

// Where credentials may stand, besides the places of TestFindRequest.
func TestPositions(t *testing.T) {
	const vendorKey = "shpat_" + hex32
	wsse := func(kind, password string) string {
		return `<wsse:Security><wsse:UsernameToken wsu:Id="x"><wsse:Username>carol</wsse:Username><wsse:Password Type="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#` + kind + `">` + password + `</wsse:Password></wsse:UsernameToken></wsse:Security>`
	}
	xml, form, gql := "Content-Type: text/xml; charset=utf-8", "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/graphql"
	post := func(kind, body string) *exchange.Exchange { return request("POST", "/x", head(kind), body) }
	multi := func(parts ...string) *exchange.Exchange {
		return post("Content-Type: multipart/form-data; boundary=b", "--b\r\n"+strings.Join(parts, "\r\n--b\r\n")+"\r\n--b--")
	}
	for _, c := range []struct {
		name  string
		x     *exchange.Exchange
		want  string
		login string // form and principal
	}{
		{"WS-Security, text", post(xml, soap(wsse("PasswordText", "hunter&amp;2"), "<getOrders/>")), "password xml:Password", "xml carol"},
		{"WS-Security, digest", post(xml, soap(wsse("PasswordDigest", "6R4rV5iE+NPoym+WwjeHzjAGXUs="), "<getOrders/>")), "digest xml:Password of carol", "digest carol"},
		{"SOAP login", post(xml, soap("", "<login><username>carol</username><password><![CDATA[hunter2]]></password></login>")), "password xml:password", "xml carol"},
		{"API key in XML", post("Content-Type: application/xml", `<request apiKey="`+api40+`"><id>7</id></request>`), "api_key xml:apiKey", ""},
		{"SOAP with a SAML assertion", post(xml, soap(`<wsse:Security>`+samlText[strings.Index(samlText, "<saml:A"):len(samlText)-len("</samlp:Response>")]+`</wsse:Security>`, "<x/>")), "saml xml:Assertion of carol@shop.example", ""},
		{"SAML response", post(form, "RelayState=x&SAMLResponse="+url.QueryEscape(base64Of(samlText))), "saml form:SAMLResponse of carol@shop.example", ""},
		{"SAML redirect", request("GET", "/acs?SAMLResponse="+url.QueryEscape(deflated(samlText))+"&RelayState=x", nil, ""), "saml query:SAMLResponse of carol@shop.example", ""},
		{"SAML that is none", post(form, "SAMLResponse=bm90aGluZw%3D%3D"), "", ""},
		{"XML-RPC members", post(xml, `<methodCall><methodName>session.open</methodName><params><param><value><struct><member><name>username</name><value><string>carol</string></value></member><member><name>password</name><value><string>hunter2</string></value></member></struct></value></param></params></methodCall>`), "password xml:password", "xml carol"},
		{"XML-RPC by position", post(xml, `<methodCall><methodName>wp.getUsersBlogs</methodName><params><param><value><string>admin</string></value></param><param><value><string>hunter2</string></value></param></params></methodCall>`), "password xml:params", "xml admin"},
		{"XML, cut", cutBody(post(xml, `<login><user>carol</user><password>hunt`)), "", ""},
		{"HTML is no XML", post("Content-Type: text/html", `<password>hunter2</password>`), "", ""},

		{"GraphQL variables", post("", `{"query":"mutation L($u:String!,$p:String!){login(u:$u,p:$p){token}}","variables":{"username":"carol","password":"hunter2"}}`), "password json:variables.password", "json carol"},
		{"GraphQL literals", post("", `{"query":"mutation { login(username: \"carol\", password: \"hunter2\") { token } }"}`), "password json:query.password", "json carol"},
		{"GraphQL input object", post("", `{"query":"mutation{login(input:{email:\"carol\",password:\"hunter2\"}){id}}"}`), "password json:query.password", "json carol"},
		{"GraphQL block string", post("", `{"query":"mutation{login(username:\"\"\"carol\"\"\",password:\"\"\"hunter2\"\"\"){id}}"}`), "password json:query.password", "json carol"},
		{"GraphQL number", post("", `{"query":"mutation{verify(user:\"carol\",otp:123456){id}}"}`), "code json:query.otp", "json carol"},
		{"GraphQL token", post("", `{"query":"query{me(accessToken:\"`+api40+`\"){id}}"}`), "bearer json:query.accessToken", ""},
		{"GraphQL aliases", post("", `{"query":"mutation{a:login(username:\"carol\",password:\"a1\"){id} b:login(username:\"carol\",password:\"b2\"){id}}"}`), "password json:query.password; password json:query.password", "json carol"},
		{"GraphQL batch", post("", `[{"query":"mutation{login(username:\"carol\",password:\"a1\"){id}}"},{"query":"mutation{login(username:\"carol\",password:\"b2\"){id}}"}]`), "password json:query.password; password json:query.password", "json carol"},
		{"GraphQL document alone", post(gql, `mutation { login(username: "carol", password: "hunter2") { token } }`), "password json:password", "json carol"},
		{"GraphQL shorthand alone", post(gql, `{ login(username: "carol", password: "hunter2") { token } }`), "password json:password", "json carol"},
		{"GraphQL in a query", request("GET", "/graphql?query="+url.QueryEscape(`{me(apiKey:"`+api40+`"){id}}`), nil, ""), "api_key query:apiKey", ""},
		{"GraphQL variables in a query", request("GET", "/graphql?query=q&variables="+url.QueryEscape(`{"password":"hunter2"}`), nil, ""), "password query:password", ""},
		{"GraphQL in a form", post(form, "query="+url.QueryEscape(`mutation{login(username:"carol",password:"hunter2"){id}}`)), "password form:password", "form carol"},
		{"GraphQL multipart", multi("Content-Disposition: form-data; name=\"operations\"\r\n\r\n" + `{"query":"mutation($p:String){login(p:$p)}","variables":{"username":"carol","password":"hunter2"}}`), "password multipart:variables.password", "multipart carol"},
		{"a search is no GraphQL", post("", `{"query":"shoes (red): \"cheap\""}`), "", ""},

		{"JSON-RPC, named", post("", `{"jsonrpc":"2.0","method":"user.login","params":{"user":"carol","password":"hunter2"},"id":1}`), "password json:params.password", "json carol"},
		{"JSON-RPC by position", post("", `{"jsonrpc":"2.0","method":"common.login","params":["db","carol","hunter2"],"id":1}`), "password json:params", "json carol"},
		{"JSON-RPC, method last", post("", `{"params":["carol","hunter2"],"method":"authenticate"}`), "password json:params", "json carol"},
		{"JSON-RPC batch", post("", `[{"method":"login","params":["carol","a1"]},{"method":"login","params":["carol","b2"]}]`), "password json:params; password json:params", "json carol"},
		{"JSON-RPC of something else", post("", `{"jsonrpc":"2.0","method":"eth_call","params":["carol","hunter2"]}`), "", ""},
		{"MCP tool", post("", `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"fetch","arguments":{"url":"https://a.example","api_key":"`+api40+`"}}}`), "api_key json:params.arguments.api_key", ""},

		{"multipart JSON", multi("Content-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n" + `{"user":"carol","password":"hunter2"}`), "password multipart:password", "multipart carol"},
		{"multipart vendor key", multi("Content-Disposition: form-data; name=\"x\"\r\n\r\n" + vendorKey), "api_key multipart:x", ""},

		{"gRPC metadata", request("POST", "/s/M", head("content-type: application/grpc", "authorization: Bearer "+hs256), ""), "jwt header:authorization of 1234567890", ""},
		{"gRPC metadata, bytes", request("POST", "/s/M", head("content-type: application/grpc", "x-auth-token-bin: "+base64Of(api40)), ""), "bearer header:x-auth-token-bin", ""},
		{"gRPC authorization, bytes", request("POST", "/s/M", head("authorization-bin: "+base64Of("Bearer "+api40)), ""), "bearer header:authorization-bin", ""},
		{"gRPC message", request("POST", "/s/M", head("content-type: application/grpc+proto"), grpcMessage(0, protoField(1, "carol")+protoField(6, protoField(3, hs256)))), "jwt body of 1234567890", ""},
		{"gRPC message, key", request("POST", "/s/M", head("content-type: application/grpc"), grpcMessage(0, "\x08\x96\x01"+protoField(7, vendorKey)+"\x12\x00")), "api_key body", ""},
		{"gRPC, compressed", request("POST", "/s/M", head("content-type: application/grpc"), grpcMessage(1, protoField(3, hs256))), "", ""},
		{"gRPC, wild lengths", request("POST", "/s/M", head("content-type: application/grpc"), "\x00\xff\xff\xff\xff"+protoField(3, hs256)), "", ""},

		{"WebSocket bearer", request("GET", "/ws", head("Upgrade: websocket", "Sec-WebSocket-Protocol: chat, Bearer, "+api40), ""), "bearer header:sec-websocket-protocol", ""},
		{"WebSocket JWT", request("GET", "/ws", head("Sec-WebSocket-Protocol: graphql-transport-ws, "+hs256), ""), "jwt header:sec-websocket-protocol of 1234567890", ""},
		{"WebSocket access_token", request("GET", "/ws", head("Sec-WebSocket-Protocol: access_token, "+api40), ""), "bearer header:sec-websocket-protocol", ""},
		{"WebSocket of Kubernetes", request("GET", "/exec", head("Sec-WebSocket-Protocol: "+kubernetesBearer+base64.RawURLEncoding.EncodeToString([]byte(hs256))+", v4.channel.k8s.io"), ""), "jwt header:sec-websocket-protocol of 1234567890", ""},
		{"WebSocket of OpenAI", request("GET", "/rt", head("Sec-WebSocket-Protocol: realtime, openai-insecure-api-key."+api40+", openai-beta.realtime-v1"), ""), "api_key header:sec-websocket-protocol", ""},
		{"WebSocket without", request("GET", "/ws", head("Sec-WebSocket-Protocol: v12.stomp, v11.stomp, graphql-transport-ws, ocpp1.6, v5.channel.k8s.io", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), ""), "", ""},
		{"WebSocket query", request("GET", "/ws?token="+api40, head("Upgrade: websocket"), ""), "bearer query:token", ""},

		{"path behind a name", request("GET", "/v1/api_key/"+api40+"/x", nil, ""), "api_key path", ""},
		{"path, a UUID behind a name", request("GET", "/v1/api_key/7b1b6cbf-9d1c-4e9a-a04d-51aa61ad0f11", nil, ""), "", ""},
		{"path, vendor", request("GET", "/v1/"+vendorKey, nil, ""), "api_key path", ""},
		{"path parameter", request("GET", "/v1/x;access_token="+api40, nil, ""), "bearer path:access_token", ""},
		{"trailer", &exchange.Exchange{Request: exchange.Message{Present: true, Method: "POST", Target: "/", Trailer: head("x-api-key: " + api40)}}, "api_key header:x-api-key", ""},
	} {
		found := NewFinder(Options{}).Find(c.x)
		if got := strings.Join(said(found.Request), "; "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		login := ""
		if found.Login != nil {
			login = found.Login.Form + " " + found.Login.Principal
		}
		if login != c.login {
			t.Errorf("%s: login %q, want %q", c.name, login, c.login)
		}
	}
}

func cutBody(x *exchange.Exchange) *exchange.Exchange {
	x.Request.Damage |= exchange.Cut
	return x
}

// Names that many APIs have.
func TestListedNames(t *testing.T) {
	for _, n := range []string{"APIKEY", "CLIENT_SECRET", "JWT", "OCP-APIM-SUBSCRIPTION-KEY", "X-SECRET", "X-TOKEN", "X-Api-Key", "X-Auth-Token"} {
		if got := NewFinder(Options{}).Find(request("GET", "/", head(n+": "+api40), "")).Request; len(got) != 1 {
			t.Errorf("header %s: %v", n, got)
		}
	}
	for _, n := range strings.Fields(`access-token access_token auth-token Authorization jwt KEYCLOAK_IDENTITY refresh_token session-token
		JSESSIONID PHPSESSID ASP.NET_SessionId ASPSESSIONIDQQAB connect.sid sid session sessionid SESSION SESSIONID app_session app_session_id _session_id
		laravel_session .AspNetCore.Cookies .ASPXAUTH sb-abc-auth-token next-auth.session-token __Host-session __Secure-next-auth.session-token`) {
		if got := NewFinder(Options{}).Find(request("GET", "/", head("Cookie: a=b; "+n+"="+api40), "")).Request; len(got) != 1 {
			t.Errorf("cookie %s: %v", n, got)
		}
	}
	for _, n := range strings.Fields("access_token api_key apiKey apikey authorization client_secret refresh_token") {
		if got := NewFinder(Options{}).Find(request("GET", "/?"+n+"="+api40, nil, "")).Request; len(got) != 1 {
			t.Errorf("query %s: %v", n, got)
		}
	}
}

// Attempts are counted within XML-RPC's multicall too.
func TestMulticall(t *testing.T) {
	call := func(user, password string) string {
		return `<value><struct><member><name>methodName</name><value><string>wp.getUsersBlogs</string></value></member><member><name>params</name><value><array><data><value><array><data><value><string>` + user + `</string></value><value><string>` + password + `</string></value></data></array></value></data></array></value></member></struct></value>`
	}
	body := `<?xml version="1.0"?><methodCall><methodName>system.multicall</methodName><params><param><value><array><data>` +
		call("admin", "a1") + call("admin", "b2") + call("admin", "c3") + `</data></array></value></param></params></methodCall>`
	found := NewFinder(Options{}).Find(request("POST", "/xmlrpc.php", head("Content-Type: text/xml"), body))
	if len(found.Request) != 3 || found.Attempts != 3 {
		t.Errorf("%d attempts, %q", found.Attempts, said(found.Request))
	}
}

// What an assertion is known by is its ID.
func TestAssertionID(t *testing.T) {
	f := NewFinder(Options{})
	one := f.Find(request("POST", "/acs", head("Content-Type: application/x-www-form-urlencoded"), "SAMLResponse="+url.QueryEscape(base64Of(samlText)))).Request
	two := f.Find(request("GET", "/acs?SAMLResponse="+url.QueryEscape(deflated(samlText)), nil, "")).Request
	other := f.Find(request("GET", "/acs?SAMLResponse="+url.QueryEscape(deflated(strings.Replace(samlText, "_a75", "_b75", 1))), nil, "")).Request
	if len(one) != 1 || len(two) != 1 || len(other) != 1 || one[0].ID != two[0].ID || one[0].ID == other[0].ID || one[0].Access() {
		t.Errorf("%v %v %v", one, two, other)
	}
}

// A page's fields for passwords are empty as a rule.
func TestPage(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`<form><input type="password" name="password"></form>`, ""},
		{`<form><input type='password' name='p' value=''></form>`, ""},
		{`<form><input name="user" value="carol"><input type="password" name="password" value="hunter2&amp;"></form>`, "password body"},
		{`<p>Your password</p><input type="text" name="password_hint" value="dog1">`, ""},
		{`<input type="password" value="********">`, ""},
		{`<input type="password"`, ""},
	} {
		if got := strings.Join(exposedIn("text/html", c.body), "; "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.body, got, c.want)
		}
	}
	if got := strings.Join(exposedIn("application/xml", `<user><name>carol</name><password>hunter2</password></user>`), ""); got != "password xml:password" {
		t.Errorf("XML: %q", got)
	}
}
