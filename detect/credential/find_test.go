package credential

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authtap/authtap/reassembly/exchange"
)

const (
	// hs256 is a token as issuers make them; hex32 a session id.
	hs256 = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
	hex32 = "8f14e45fceea167a5a36dedd4bea2543"
	api40 = "Zk3bQ9xT2mLr8vYc5WnHs7PdJ4uKfA6gE1qXoRzM"
)

func request(method, target string, header exchange.Header, body string) *exchange.Exchange {
	return &exchange.Exchange{Request: exchange.Message{
		Present: true, Method: method, Target: target, Header: header,
		Body: exchange.Body{Bytes: []byte(body), Length: int64(len(body))},
	}}
}

func response(header exchange.Header, body string) *exchange.Exchange {
	return &exchange.Exchange{Response: exchange.Message{
		Present: true, Status: 200, Header: header, Body: exchange.Body{Bytes: []byte(body), Length: int64(len(body))},
	}}
}

// head makes a header of "Name: value" lines.
func head(lines ...string) (h exchange.Header) {
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		h = append(h, exchange.Field{Name: name, Value: value})
	}
	return h
}

// said gives credentials as a test writes them: kind, place, what is special.
func said(list []Credential) (out []string) {
	for i := range list {
		c := &list[i]
		s := c.Kind.String() + " " + c.Place.String()
		for _, m := range []struct {
			on   bool
			text string
		}{
			{c.Principal != "", " of " + c.Principal}, {c.Flaw&Empty != 0, " empty"}, {c.Flaw&Null != 0, " null"},
			{c.Flaw&Malformed != 0, " malformed"},
		} {
			if m.on {
				s += m.text
			}
		}
		out = append(out, s)
	}
	return out
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestAuthorization(t *testing.T) {
	for _, c := range []struct {
		name, value, want string // want "" is: nothing
		scheme            string
	}{
		{"nothing at all", "", "other header:authorization empty", ""},
		{"bearer without a token", "Bearer", "bearer header:authorization empty", "bearer"},
		{"bearer null", "Bearer null", "bearer header:authorization null", "bearer"},
		{"bearer undefined", "bearer undefined", "bearer header:authorization null", "bearer"},
		{"bearer object", "Bearer [object Object]", "bearer header:authorization null", "bearer"},
		{"bearer template", "Bearer {{token}}", "bearer header:authorization malformed", "bearer"},
		{"bearer twice", "Bearer Bearer " + api40, "bearer header:authorization malformed", "bearer"},
		{"bearer", "Bearer " + api40, "bearer header:authorization", "bearer"},
		{"bearer in capitals", "BEARER " + hs256, "jwt header:authorization of 1234567890", "bearer"},
		{"bearer JWT", "Bearer " + hs256, "jwt header:authorization of 1234567890", "bearer"},
		{"bearer, two spaces", "Bearer  " + hs256, "jwt header:authorization of 1234567890", "bearer"},
		{"bare JWT", hs256, "jwt header:authorization of 1234567890", ""},
		{"bare key", api40, "bearer header:authorization", ""},
		{"bare word, all letters", "abcdefghijklmnop", "bearer header:authorization", ""},
		{"firebase", "key=" + api40, "api_key header:authorization", ""},
		{"basic", "Basic " + base64Of("alice:hunter2"), "basic header:authorization of alice", "basic"},
		{"basic, a key for the name", "Basic " + base64Of(api40+":"), "basic header:authorization", "basic"},
		{"basic, a known key for the name", "Basic " + base64Of("sk_live_"+api40+":hunter2"), "basic header:authorization", "basic"},
		{"basic, a client's id", "Basic " + base64Of(hex32+":"+api40), "basic header:authorization of " + hex32, "basic"},
		{"basic without padding", "Basic " + strings.TrimRight(base64Of("alice:hunter22"), "="), "basic header:authorization of alice", "basic"},
		{"basic with colons in the password", "Basic " + base64Of("alice:a:b:c"), "basic header:authorization of alice", "basic"},
		{"basic without colon", "Basic " + base64Of("alice"), "basic header:authorization malformed", "basic"},
		{"basic, no base64", "Basic alice:hunter2", "basic header:authorization malformed", "basic"},
		{"digest", `Digest username="bob", realm="r", nonce="n", uri="/", response="6629fae49393a05397450978507c4ef1"`, "digest header:authorization of bob", "digest"},
		{"digest, quoted", `Digest username="b\"ob", response=abc`, `digest header:authorization of b"ob`, "digest"},
		{"digest, hashed user", `Digest username="5f4dcc3b5aa765d6", userhash=true, response="66"`, "digest header:authorization", "digest"},
		{"digest without response", `Digest username="bob"`, "digest header:authorization malformed", "digest"},
		{"negotiate", "Negotiate " + base64Of("\x60\x28some kerberos ticket"), "negotiate header:authorization", "negotiate"},
		{"negotiate, no base64", "Negotiate ???", "negotiate header:authorization malformed", "negotiate"},
		{"ntlm negotiation carries none", "NTLM " + base64Of("NTLMSSP\x00\x01\x00\x00\x00\x00\x00\x00\x00"), "", ""},
		{"ntlm", "NTLM " + base64Of(ntlmMessage("SHOP", "carol")), `ntlm header:authorization of SHOP\carol`, "ntlm"},
		{"ntlm in negotiate", "Negotiate " + base64Of("\x60\x40junk"+ntlmMessage("", "carol")), "ntlm header:authorization of carol", "negotiate"},
		{"ntlm, cut", "NTLM " + base64Of("NTLMSSP\x00"), "ntlm header:authorization malformed", "ntlm"},
		{"ntlm, wild offsets", "NTLM " + base64Of("NTLMSSP\x00\x03\x00\x00\x00"+strings.Repeat("\xff", 60)), "ntlm header:authorization", "ntlm"},
		{"apikey", "ApiKey " + api40, "api_key header:authorization", "apikey"},
		{"api-key", "Api-Key " + api40, "api_key header:authorization", "api-key"},
		{"token", "Token " + api40, "api_key header:authorization", "token"},
		{"token with parameters", `Token token="` + api40 + `", foo="bar"`, "api_key header:authorization", "token"},
		{"token JWT", "Token " + hs256, "jwt header:authorization of 1234567890", "token"},
		{"ssws", "SSWS " + api40, "api_key header:authorization", "ssws"},
		{"jwt scheme", "JWT " + hs256, "jwt header:authorization of 1234567890", "jwt"},
		{"dpop", "DPoP " + hs256, "jwt header:authorization of 1234567890", "dpop"},
		{"aws", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=" + hex32 + hex32, "signature header:authorization of AKIDEXAMPLE", "aws4-hmac-sha256"},
		{"aws version 2", "AWS AKIDEXAMPLE:bWQq2s1WEIj+Ydj0vQ697zp+IXMU=", "signature header:authorization of AKIDEXAMPLE", "aws"},
		{"hawk", `Hawk id="dh37fgj492je", ts="1353832234", nonce="j4h3g2", mac="6R4rV5iE+NPoym+WwjeHzjAGXUtLNIxmo1vpMofpLAE="`, "signature header:authorization of dh37fgj492je", "hawk"},
		{"hmac", "HMAC client7:6R4rV5iE+NPoym+WwjeHzjAGXUtLNIxmo1vpMofpLAE", "signature header:authorization of client7", "hmac"},
		{"http signature", `Signature keyId="k1",algorithm="rsa-sha256",signature="6R4rV5iE+NPoym+WwjeHzjAGXUtLNIxmo1vpMofpLAE="`, "signature header:authorization of k1", "signature"},
		{"oauth 1", `OAuth oauth_consumer_key="ck", oauth_token="tk", oauth_signature="6R4rV5iE%2BNPoym"`, "signature header:authorization of tk", "oauth"},
		{"oauth, a token", "OAuth " + api40, "bearer header:authorization", "oauth"},
		{"unknown scheme", "Zapier " + api40, "other header:authorization", "zapier"},
		{"a token is no scheme", api40 + " " + hex32, "other header:authorization", ""},
		{"a long word is no scheme", strings.Repeat("a", 30) + " x", "other header:authorization", ""},
	} {
		f := NewFinder(Options{})
		found := f.Find(request("GET", "/", head("Authorization: "+c.value), ""))
		got := strings.Join(said(found.Request), "; ")
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		} else if c.want != "" && found.Request[0].Scheme != c.scheme {
			t.Errorf("%s: scheme %q, want %q", c.name, found.Request[0].Scheme, c.scheme)
		}
	}
}

// ntlmMessage makes an AUTHENTICATE_MESSAGE in Unicode.
func ntlmMessage(domain, user string) string {
	wide := func(s string) (w string) {
		for i := range len(s) {
			w += s[i:i+1] + "\x00"
		}
		return w
	}
	field := func(n, at int) string { return string([]byte{byte(n), 0, byte(n), 0, byte(at), 0, 0, 0}) }
	d, u := wide(domain), wide(user)
	const at = 64
	return "NTLMSSP\x00\x03\x00\x00\x00" + field(0, at) + field(0, at) + field(len(d), at) + field(len(u), at+len(d)) +
		field(0, at) + field(0, at) + "\x01\x02\x00\x00" + d + u
}

func TestFindRequest(t *testing.T) {
	jwt := " of 1234567890"
	for _, c := range []struct {
		name string
		x    *exchange.Exchange
		want []string
	}{
		{"nothing", request("GET", "/a/b?limit=20&page=3&sort=name", head("Host: a", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Accept: */*"), ""), nil},
		{"names that are none", request("GET", "/a?nextToken="+api40+"&pageToken="+api40+"&csrf="+api40+"&cursor="+api40+"&idempotencyKey="+api40+"&continuationToken="+api40,
			head("X-CSRF-Token: "+api40, "X-XSRF-TOKEN: "+api40, "Idempotency-Key: "+api40, "X-Request-Id: "+hex32, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "If-None-Match: "+hex32),
			`{"nextPageToken":"`+api40+`","deviceToken":"`+api40+`","csrf_token":"`+api40+`","publicKey":"`+api40+`","captchaToken":"`+api40+`"}`), nil},
		{"headers", request("GET", "/", head("X-API-Key: "+api40, "APIKEY: "+api40, "client_secret: "+api40, "Ocp-Apim-Subscription-Key: "+hex32, "X-Secret: "+api40, "Secret: s", "X-Token: "+api40,
			"JWT: "+hs256, "X-Auth-Token: "+api40, "X-Vault-Token: hvs."+api40, "X-Acme-Api-Key: "+api40, "X-Hub-Signature-256: sha256="+hex32+hex32), ""),
			[]string{"api_key header:x-api-key", "api_key header:apikey", "client_secret header:client_secret", "api_key header:ocp-apim-subscription-key", "api_key header:x-secret", "api_key header:secret", "bearer header:x-token",
				"jwt header:jwt" + jwt, "bearer header:x-auth-token", "bearer header:x-vault-token", "api_key header:x-acme-api-key", "signature header:x-hub-signature-256"}},
		{"short keys in headers are keys by name", request("GET", "/", head("X-Api-Key: abc", "X-Acme-Token: abc"), ""), []string{"api_key header:x-api-key"}},
		{"null in a header", request("GET", "/", head("X-Api-Key: null", "X-Auth-Token: undefined"), ""), []string{"api_key header:x-api-key null", "bearer header:x-auth-token null"}},
		{"bearer in another header", request("GET", "/", head("X-Auth-Token: Bearer "+api40, "X-Forwarded-Authorization: Bearer "+hs256), ""),
			[]string{"bearer header:x-auth-token", "jwt header:x-forwarded-authorization" + jwt}},
		{"a gateway's JWT", request("GET", "/", head("Cf-Access-Jwt-Assertion: "+hs256, "X-Amzn-Oidc-Data: "+hs256, "Sec-WebSocket-Protocol: graphql, "+hs256), ""),
			[]string{"jwt header:cf-access-jwt-assertion" + jwt, "jwt header:x-amzn-oidc-data" + jwt, "jwt header:sec-websocket-protocol" + jwt}},
		{"several Authorizations and a proxy's", request("GET", "/", head("Authorization: Bearer "+api40, "Authorization: Basic "+base64Of("a:b"), "Proxy-Authorization: Basic "+base64Of("c:d")), ""),
			[]string{"bearer header:authorization", "basic header:authorization of a", "basic header:proxy-authorization of c"}},
		{"a JWT for a password", request("GET", "/", head("Authorization: Basic "+base64Of("x-token-auth:"+hs256)), ""),
			[]string{"basic header:authorization of x-token-auth", "jwt header:authorization" + jwt}},
		{"cookies", request("GET", "/", head("Cookie: theme=dark; _ga=GA1.2.1234567890.1234567890; JSESSIONID="+hex32+"; csrftoken="+hex32+"; __Host-session="+hex32, "Cookie: access_token="+hs256+`; sid="`+hex32+`"`), ""),
			[]string{"session cookie:JSESSIONID", "session cookie:__Host-session", "jwt cookie:access_token" + jwt, "session cookie:sid"}},
		{"session cookies by pattern", request("GET", "/", head("Cookie: ASPSESSIONIDQQABCDEF=ABCDEFGHIJ; my_app_session=1; _gitlab_session="+hex32+"; .AspNetCore.Cookies=CfDJ8; sb-abc-auth-token=x; PHPSESSID=1; AWSALB=x; XSRF-TOKEN="+api40), ""),
			[]string{"session cookie:ASPSESSIONIDQQABCDEF", "session cookie:my_app_session", "session cookie:_gitlab_session", "session cookie:.AspNetCore.Cookies", "bearer cookie:sb-abc-auth-token", "session cookie:PHPSESSID"}},
		{"a JWT in any cookie, and encoded", request("GET", "/", head("Cookie: x="+hs256+"; y=%7B%22t%22%3A%22"+hs256+"%22%7D"), ""), []string{"jwt cookie:x" + jwt, "jwt cookie:y" + jwt}},
		{"a signed Flask session is a session", request("GET", "/", head("Cookie: session=eyJ1c2VyX2lkIjoxfQ.ZpXabc.dozjgNryP4J3jVmNHl0w5N_XgL0"), ""), []string{"session cookie:session"}},
		{"query", request("GET", "/a?access_token="+api40+"&api_key=k1&x=1&client_secret="+api40+"&refresh_token="+api40+"&authorization=Bearer%20"+api40, nil, ""),
			[]string{"bearer query:access_token", "api_key query:api_key", "client_secret query:client_secret", "refresh_token query:refresh_token", "bearer query:authorization"}},
		{"query: names that need a shape", request("GET", "/a?key=abc&sig=abc&session=7&auth=no&sid=12", nil, ""), nil},
		{"query: and have it", request("GET", "/a?key="+api40+"&sig="+api40+"&sid="+hex32, nil, ""), []string{"api_key query:key", "signature query:sig", "session query:sid"}},
		{"presigned", request("GET", "/a?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F2026&X-Amz-Expires=60&X-Amz-Signature="+hex32+hex32, nil, ""), []string{"signature query:X-Amz-Signature"}},
		{"OAuth code", request("GET", "/cb?code=SplxlOBeZQQYbYS6WxSbIA&state=xyz", nil, ""), []string{"code query:code"}},
		{"a country code", request("GET", "/a?code=US&country_code=DE", nil, ""), nil},
		{"a token without a name", request("GET", "/a?"+hs256, nil, ""), []string{"jwt query" + jwt}},
		{"a JWT in path segments", request("GET", "/reset/"+hs256+"/x", nil, ""), []string{"jwt path" + jwt}},
		{"a session in the path", request("GET", "/a;jsessionid="+hex32+"?x=1", nil, ""), []string{"session path:jsessionid"}},
		{"Telegram", request("GET", "/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe", nil, ""), []string{"api_key path"}},
		{"names of files and ids are none", request("GET", "/static/jquery.min.3.7.1.js/v1.2.3/550e8400-e29b-41d4-a716-446655440000/eyebrow.pencil.png", nil, ""), nil},
		{"userinfo", request("GET", "http://alice:hunter2@a.example/x", nil, ""), []string{"basic userinfo of alice"}},
		{"userinfo without password", request("GET", "http://alice@a.example/x", nil, ""), nil},
		{"Referer", request("GET", "/", head("Referer: https://u:pass@b.example/p/"+hs256+"?token="+api40+"&code=SplxlOBeZQQYbYS6WxSbIA&state=1"), ""),
			[]string{"basic header:referer of u", "jwt header:referer" + jwt, "bearer header:referer", "code header:referer"}},
		{"form", request("POST", "/x", head("Content-Type: application/x-www-form-urlencoded"), "a=1&password=p%40ss+word&client_secret="+api40+"&token=abc"),
			[]string{"password form:password", "client_secret form:client_secret", "bearer form:token"}},
		{"form without its type", request("POST", "/x", nil, "user%5Bpassword%5D=x&user%5Bname%5D=y"), []string{"password form:user[password]"}},
		{"text is no form", request("POST", "/x", head("Content-Type: text/plain"), "the password = hunter2"), nil},
		{"json", request("POST", "/x", nil, `{"a":{"b":[{"password":"x\"y"},{"apiKey":"k","pin":1234}]},"tokens":["`+api40+`"],"jwt":"`+hs256+`","deep":"`+hs256+`"}`),
			[]string{"password json:a.b.password", "api_key json:a.b.apiKey", "code json:a.b.pin", "jwt json:jwt" + jwt, "jwt json:deep" + jwt}},
		{"json: no values", request("POST", "/x", nil, `{"password":null,"token":true,"secret":"","otp":{},"pin":[],"apiKey":false}`), nil},
		{"json: list under a key", request("POST", "/x", nil, `{"api_key":["`+api40+`","`+hex32+`"],"x":["a"]}`), []string{"api_key json:api_key", "api_key json:api_key"}},
		{"json: escaped key and value", request("POST", "/x", nil, `{"p\u0061ssword":"\u0068unter2","x":"\u0065yJ`+hs256[3:]+`"}`), []string{"password json:password", "jwt json:x" + jwt}},
		{"json: depth 8 and 9", request("POST", "/x", nil, strings.Repeat(`{"a":`, 7)+`{"password":"x","b":{"password":"y"}}`+strings.Repeat("}", 7)), []string{"password json:a.a.a.a.a.a.a.password"}},
		{"json under another type", request("POST", "/x", head("Content-Type: application/x-www-form-urlencoded"), ` {"password":"x"}`), []string{"password json:password"}},
		{"json: a value within text", request("POST", "/x", nil, `{"url":"https://b.example/?t=`+hs256+`&x=1"}`), []string{"jwt json:url" + jwt}},
		{"multipart", request("POST", "/x", head("Content-Type: multipart/form-data; boundary=B7"),
			"--B7\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2\r\n--B7\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\npassword\r\n--B7\r\nContent-Disposition: form-data; name=x\r\n\r\n"+hs256+"\r\n--B7--\r\n"),
			[]string{"password multipart:password", "jwt multipart:x" + jwt}},
		{"plain text", request("POST", "/x", head("Content-Type: text/plain"), "see "+hs256+"."), []string{"jwt body" + jwt}},
		{"an image", request("POST", "/x", head("Content-Type: image/png"), "see "+hs256), nil},
	} {
		f := NewFinder(Options{})
		if diff := cmp.Diff(c.want, said(f.Find(c.x).Request)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestFindResponse(t *testing.T) {
	jwt := " of 1234567890"
	for _, c := range []struct {
		name string
		x    *exchange.Exchange
		want []string
	}{
		{"nothing", response(head("Content-Type: application/json", "Set-Cookie: theme=dark", "Location: /a/b?c=d"), `{"id":1,"token":"next-page-of-results","session":"morning","password":"*****","code":"A1","key":"abcdef0123456789abcdef"}`), nil},
		{"cookies", response(head("Set-Cookie: sid="+hex32+"; Path=/; HttpOnly", "Set-Cookie: session=x; Secure", "Set-Cookie: auth_token="+hs256, "Set-Cookie: ga="+hex32), ""),
			[]string{"session cookie:sid", "session cookie:session", "jwt cookie:auth_token" + jwt}},
		{"deleted cookies", response(head("Set-Cookie: sid=; Path=/", "Set-Cookie: sid=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT", "Set-Cookie: session="+hex32+"; Max-Age=0", "Set-Cookie: sid="+hex32+"; Expires=Thu, 01 Jan 1970 00:00:00 GMT"), ""), nil},
		{"tokens", response(nil, `{"access_token":"`+hs256+`","refresh_token":"`+api40+`","id_token":"`+hs256+`","data":{"apiKey":"`+api40+`","sessionId":"`+hex32+`"},"expires_in":3600}`),
			[]string{"jwt json:access_token" + jwt, "refresh_token json:refresh_token", "jwt json:id_token" + jwt, "api_key json:data.apiKey", "session json:data.sessionId"}},
		{"nothing but a token", response(head("Content-Type: text/plain"), hs256+"\n"), []string{"jwt body" + jwt}},
		{"a lone JSON string", response(nil, `"`+hs256+`"`), []string{"jwt json" + jwt}},
		{"headers", response(head("Authorization: Bearer "+hs256, "X-Auth-Token: "+api40, "X-Access-Token: short"), ""), []string{"jwt header:authorization" + jwt, "bearer header:x-auth-token"}},
		{"Location", response(head("Location: https://c.example/cb?code=SplxlOBeZQQYbYS6WxSbIA&state=x#access_token="+api40+"&token_type=bearer"), ""), []string{"code header:location", "bearer fragment:access_token"}},
		{"HTML", response(head("Content-Type: text/html"), "<script>var t='"+hs256+"'</script>"), []string{"jwt body" + jwt}},
		{"a challenge", response(head("WWW-Authenticate: Basic realm=x", "WWW-Authenticate: Bearer error=\"invalid_token\""), ""), nil},
	} {
		f := NewFinder(Options{})
		if diff := cmp.Diff(c.want, said(f.Find(c.x).Response)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// What the capture lost is not believed.
func TestDamage(t *testing.T) {
	whole := func() *exchange.Exchange {
		return request("POST", "/login?token="+api40, head("Authorization: Bearer "+hs256, "Content-Type: application/json"), `{"user":"a","password":"x","jwt":"`+hs256+`"}`)
	}
	form := func() *exchange.Exchange {
		return request("POST", "/login", head("Content-Type: application/x-www-form-urlencoded"), `user=a&password=hunter2&otp=123456`)
	}
	all := []string{"jwt header:authorization of 1234567890", "bearer query:token", "password json:password", "jwt json:jwt of 1234567890"}
	for _, c := range []struct {
		name   string
		x      *exchange.Exchange
		damage exchange.Damage
		cut    int // this many bytes of the body
		length int64
		want   []string
		stat   func(Stats) uint64
	}{
		{"whole", whole(), 0, 0, 0, all, nil},
		{"conflicting", whole(), exchange.Conflicting, 0, 0, all, nil},
		{"a gap in the head", whole(), exchange.HeadGap, 0, 0, nil, func(s Stats) uint64 { return s.HeadsDamaged }},
		{"cut before the body", whole(), exchange.Cut, 1000, 0, nil, func(s Stats) uint64 { return s.HeadsDamaged }},
		{"a gap in the body", whole(), exchange.BodyGap, 0, 0, all[:2], func(s Stats) uint64 { return s.BodiesDamaged }},
		{"an unknown coding", whole(), exchange.Undecoded, 0, 0, all[:2], func(s Stats) uint64 { return s.BodiesUndecoded }},
		{"cut within the last token", whole(), exchange.Cut, 20, 0, all[:3], func(s Stats) uint64 { return s.AtCutEnd }},
		{"longer than what is kept", whole(), 0, 20, 500, all[:3], func(s Stats) uint64 { return s.AtCutEnd }},
		{"a form", form(), 0, 0, 0, []string{"password form:password", "code form:otp"}, nil},
		{"a form, cut", form(), exchange.Cut, 1, 0, []string{"password form:password"}, func(s Stats) uint64 { return s.AtCutEnd }},
	} {
		m := &c.x.Request
		m.Damage = c.damage
		if c.cut > 0 {
			m.Body.Bytes = m.Body.Bytes[:max(len(m.Body.Bytes)-c.cut, 0)]
			m.Body.Length = max(c.length, int64(len(m.Body.Bytes)))
		}
		f := NewFinder(Options{})
		if diff := cmp.Diff(c.want, said(f.Find(c.x).Request)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if c.stat != nil && c.stat(f.Stats()) != 1 {
			t.Errorf("%s: not counted: %+v", c.name, f.Stats())
		}
	}
}

// Equal credentials have equal IDs wherever they stand and however they are
// encoded; others, keys and kinds make others.
func TestID(t *testing.T) {
	f := NewFinder(Options{Key: Key{1}})
	id := func(x *exchange.Exchange) ID {
		found := f.Find(x)
		for _, c := range append(found.Request, found.Response...) {
			return c.ID
		}
		t.Fatal("nothing found")
		return ID{}
	}
	in := func(body string) *exchange.Exchange { return request("POST", "/", nil, body) }
	for name, same := range map[string][2]*exchange.Exchange{
		"password":      {in(`{"password":"a+b c/d"}`), in("password=a%2Bb+c%2fd")},
		"JSON escapes":  {in(`{"password":"a\u002bb\/d"}`), in(`{"password":"a+b/d"}`)},
		"JWT":           {request("GET", "/", head("Authorization: Bearer "+hs256), ""), request("GET", "/?x="+hs256, nil, "")},
		"issued":        {response(nil, `{"access_token":"`+api40+`"}`), request("GET", "/", head("Authorization: Bearer "+api40), "")},
		"session":       {response(head("Set-Cookie: sid="+hex32), ""), request("GET", "/", head("Cookie: sid="+hex32), "")},
		"refresh":       {response(nil, `{"refresh_token":"`+api40+`"}`), in("grant_type=refresh_token&refresh_token=" + api40)},
		"basic padding": {request("GET", "/", head("Authorization: Basic "+base64Of("a:bcde")), ""), request("GET", "/", head("Authorization: basic "+strings.TrimRight(base64Of("a:bcde"), "=")), "")},
		"digest": {request("GET", "/", head(`Authorization: Digest username="a", realm="r", response="1"`), ""),
			request("GET", "/x", head(`Authorization: Digest username="a", realm="r", response="2"`), "")},
	} {
		if a, b := id(same[0]), id(same[1]); a != b || a.IsZero() {
			t.Errorf("%s: %v and %v", name, a, b)
		}
	}
	a := id(in("password=abcdefg"))
	if b := id(in("password=abcdefh")); a == b {
		t.Error("another value has the same ID")
	}
	if b := id(in("otp=abcdefg")); a == b {
		t.Error("another kind has the same ID")
	}
	if b := NewFinder(Options{Key: Key{2}}).Find(in("password=abcdefg")).Request[0].ID; a == b {
		t.Error("another key makes the same ID")
	}
	if f.PrincipalID(" Alice ") != f.PrincipalID("alice") || !f.PrincipalID(" ").IsZero() || f.PrincipalID("alice") == f.PrincipalID("bob") {
		t.Error("PrincipalID: case and space do not count, names do")
	}
}

func TestGuessable(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, "abc": true, "123456789012345": true, "aaaaaaaaaaaaaaaa1": true, "description-warehouse": true, "CamelCaseWordsOfSomeLength": true,
		"0000000000000001": true, "has space has space 1": true, hex32: false, api40: false, "sk_live_4eC39HqLyjWDarjtT1zdp7dc": false,
	} {
		if got := guessable(s); got != want {
			t.Errorf("guessable(%q) = %v", s, got)
		}
	}
}

func TestMask(t *testing.T) {
	for _, c := range []struct {
		kind        Kind
		value, want string
	}{
		{Password, "correct horse battery staple", "…(28)"}, {Code, strings.Repeat("1", 20), "…(20)"}, {Basic, "alice:hunter2", "…(13)"},
		{Bearer, "short", "…(5)"}, {Bearer, "fifteen-letters", "…(15)"}, {Bearer, api40, "Zk3b…(40)"}, {JWT, hs256, "eyJh…(108)"}, {Bearer, "a\x1bbcdefghijklmnopq", "…(18)"},
	} {
		if got := maskOf(c.kind, c.value); got != c.want {
			t.Errorf("%v %q: %q, want %q", c.kind, c.value, got, c.want)
		}
	}
}

func TestAccess(t *testing.T) {
	for _, c := range []struct {
		want bool
		kind Kind
		p    Place
	}{
		{true, JWT, Place{InHeader, "authorization"}}, {true, APIKey, Place{InHeader, "x-api-key"}}, {true, Session, Place{InCookie, "sid"}},
		{true, Bearer, Place{InQuery, "access_token"}}, {true, JWT, Place{InQuery, "token"}}, {true, Bearer, Place{InForm, "access_token"}},
		{true, APIKey, Place{InJSON, "auth.apiKey"}}, {true, JWT, Place{Part: InPath}},
		{false, JWT, Place{InHeader, "dpop"}}, {false, JWT, Place{InHeader, "referer"}}, {false, JWT, Place{InForm, "client_assertion"}},
		{false, JWT, Place{InForm, "refresh_token"}}, {false, JWT, Place{InForm, "token"}}, {false, JWT, Place{InQuery, "request"}},
		{false, Password, Place{InForm, "password"}}, {false, JWT, Place{Part: InBody}}, {false, JWT, Place{InCookie, "refresh_token"}},
	} {
		if got := (&Credential{Kind: c.kind, Place: c.p}).Access(); got != c.want {
			t.Errorf("%v in %v: %v", c.kind, c.p, got)
		}
	}
}

func TestLimits(t *testing.T) {
	f := NewFinder(Options{MaxCredentials: 3, CacheEntries: 8, CacheBytes: 64 << 10})
	var b strings.Builder
	for i := range 10 {
		fmt.Fprintf(&b, "&api_key=%d%s", i, api40)
	}
	if got := f.Find(request("GET", "/?"+b.String(), nil, "")); len(got.Request) != 3 || f.Stats().TooMany != 7 {
		t.Errorf("%d credentials, %d beyond", len(got.Request), f.Stats().TooMany)
	}
	for i := range 1000 {
		f.Find(request("GET", fmt.Sprintf("/?api_key=%d%s", i, api40), nil, ""))
	}
	if n := f.cache.young.len() + f.cache.old.len(); n > 8 {
		t.Errorf("%d entries in the cache", n)
	}
	if f.Stats().CacheTurns < 100 {
		t.Errorf("%d turns", f.Stats().CacheTurns)
	}
	// By bytes, and a value that is too large by itself.
	for i := range 100 {
		f.Find(request("GET", "/", head(fmt.Sprintf("X-Api-Key: %d%s", i, strings.Repeat("x", 10<<10))), ""))
	}
	if f.cache.bytes > 32<<10 {
		t.Errorf("%d bytes in the cache", f.cache.bytes)
	}
	deep := request("POST", "/", nil, strings.Repeat(`{"a":`, 200)+`{"password":"x"}`)
	if got := f.Find(deep); got.Request != nil || f.Stats().TooDeep != 1 {
		t.Errorf("deep: %v, %d", got.Request, f.Stats().TooDeep)
	}
	f.Find(request("GET", "/", head("Authorization: Bearer "+hs256+strings.Repeat("A", maxToken)), ""))
	if f.Stats().TokensRefused != 1 {
		t.Errorf("%d tokens refused", f.Stats().TokensRefused)
	}
}

func TestCacheKeepsWhatIsUsed(t *testing.T) {
	f := NewFinder(Options{CacheEntries: 20})
	used := request("GET", "/", head("Authorization: Bearer "+hs256), "")
	f.Find(used)
	misses := uint64(0)
	for i := range 200 {
		f.Find(request("GET", "/", head(fmt.Sprintf("Authorization: Bearer %d%s", i, api40)), ""))
		before := f.Stats().CacheMisses
		f.Find(used)
		misses += f.Stats().CacheMisses - before
	}
	if misses != 0 {
		t.Errorf("a token in use was forgotten %d times", misses)
	}
}

func TestNoAllocation(t *testing.T) {
	list, _ := apiExchanges(t)
	f := NewFinder(Options{})
	x := list[1]
	x.Request.Header[4] = exchange.Field{Name: "Accept-Language", Value: "de"}
	x.Request.Target = "/api/v1/orders/123456?limit=20&page=4"
	x.Response.Body.Bytes = []byte(`{"data":[{"id":1,"account":"a","user":"bob","description":"x\"y"}],"total":12.5,"name":"` + strings.Repeat("x", 200) + `"}`)
	if n := testing.AllocsPerRun(100, func() { f.Find(x) }); n != 0 {
		t.Errorf("%v allocations where nothing is found", n)
	}
	bearer := list[2]
	bearer.Request.Body, bearer.Response.Body = exchange.Body{}, exchange.Body{}
	if n := testing.AllocsPerRun(100, func() { f.Find(bearer) }); n > 1 {
		t.Errorf("%v allocations for a token seen before", n)
	}
}

// The names of the tables pass the gates in every spelling, and stand in one
// table only.
func TestNames(t *testing.T) {
	for n, f := range fields {
		if f == fieldNot {
			f = noField
		}
		for _, s := range []string{n, strings.ToUpper(n), "a[" + n + "]", "a." + n, "login:" + n} {
			if got := fieldOf(s); got != f {
				t.Errorf("fieldOf(%q) = %d, want %d", s, got, f)
			}
		}
	}
	for s, want := range map[string]field{
		"access-token": fieldAccess, "accessToken": fieldAccess, "x-api-key": fieldAPIKey, "j_username": fieldUser, "ctl00$Main$Password": fieldPassword,
		"customer_password": fieldPassword, "stripeToken": fieldLooseToken, "user[password]": fieldPassword, "X-Foo-Access-Token": fieldAccess, "my-jwt": fieldLooseToken,
		"keyboard": noField, "tokenize": noField, "_token": noField, "passenger": noField, "description": noField, "id": noField, "": noField, "]": noField, "[]": noField, "...": noField,
		"monkey": noField, "X-Akamai-Streaming-SessionID": noField, "page_token": noField, "csrfSecret": noField, strings.Repeat("x", 100) + "password": noField,
	} {
		if got := fieldOf(s); got != want {
			t.Errorf("fieldOf(%q) = %d, want %d", s, got, want)
		}
	}
	seen := map[string]bool{}
	for _, names := range fieldNames {
		for _, n := range strings.Fields(names) {
			if seen[n] {
				t.Errorf("%s is there twice", n)
			}
			seen[n] = true
		}
	}
	for i, a := range suffixes {
		for _, b := range suffixes[i+1:] {
			if strings.HasSuffix(b.end, a.end) {
				t.Errorf("%s stands before %s, which is never reached", a.end, b.end)
			}
		}
	}
}
