package credential

import (
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly/exchange"
)

func TestLoginPath(t *testing.T) {
	for path, want := range map[string]bool{
		"/login": true, "/wp-login.php": true, "/userLogin": true, "/app/SignIn": true, "/users/sign_in": true, "/weblogin": true, "/anmelden": true,
		"/de/anmeldung": true, "/iniciar-sesion": true, "/connexion": true, "/Logon.aspx": true,
		"/": false, "/blog-index.html": false, "/design-inspiration": false, "/catalogonline": false, "/designing": false, "/account": false, "/accessories": false, "/accesso": false,
		"/" + strings.Repeat("\u0130", 200): false,
	} {
		if got := LoginPath(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestLogin(t *testing.T) {
	const form, json = "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/json"
	basic := func(pair string) string { return "Authorization: Basic " + base64Of(pair) }
	for _, c := range []struct {
		name string
		x    *exchange.Exchange
		want string // form, principal, place; "" is none
	}{
		// None of these is a login.
		{"nothing", request("GET", "/", nil, ""), ""},
		{"bearer", request("GET", "/login", head("Authorization: Bearer "+api40), ""), ""},
		{"a password alone", request("POST", "/unlock", head(form), "password=x"), ""},
		{"an identifier alone", request("POST", "/login", head(form), "username=x"), ""},
		{"PATCH", request("PATCH", "/me", head(json), `{"email":"a","password":"b"}`), ""},
		{"registration", request("POST", "/api/register", head(json), `{"email":"a","password":"b"}`), ""},
		{"registration, sign-up", request("POST", "/auth/sign-up/email", head(json), `{"email":"a","password":"b"}`), ""},
		{"registration, a file", request("POST", "/create_account.php", head(form), "user=a&pass=b"), ""},
		{"making a user", request("POST", "/v1/users/", head(json), `{"email":"a","password":"b"}`), ""},
		{"a password repeated", request("POST", "/x", head(form), "user=a&password=b&password_confirmation=b"), ""},
		{"changing it", request("POST", "/x", head(json), `{"user":"a","oldPassword":"b","newPassword":"c"}`), ""},
		{"an order with a coupon", request("POST", "/orders", head(json), `{"email":"a@b.c","code":"SAVE10"}`), ""},
		{"a currency", request("POST", "/payments", head(json), `{"account":"123","code":"USD"}`), ""},
		{"a null password", request("POST", "/login", head(json), `{"user":"a","password":null}`), ""},
		{"an operator", request("POST", "/login", head(json), `{"user":"a","password":{"$ne":""}}`), ""},
		{"polling for a device", request("POST", "/token", head(form, basic("c:s")), "grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code=x"), ""},
		{"exchanging a token", request("POST", "/token", head(form), "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token="+hs256), ""},
		{"a code in a query", request("GET", "/cb?code=SplxlOBeZQQYbYS6WxSbIA&state=1&user=x", nil, ""), ""},
		{"credentials of a Referer", request("GET", "/", head("Referer: http://a:b@c.example/?user=x&password=y"), ""), ""},

		{"form", request("POST", "/login", head(form), "username=alice&password=x"), "form alice form:password"},
		{"form, in German", request("POST", "/konto", head(form), "benutzername=erika&kennwort=x"), "form erika form:kennwort"},
		{"form, names that nobody knows", request("POST", "/wp-login.php", head(form), "log=admin&pwd=x&wp-submit=y"), "form admin form:pwd"},
		{"a password alone", request("POST", "/cgi/login", head(form), "password=x"), "form  form:password"},
		{"sessions are made", request("POST", "/api/sitzungen", head(json), `{"konto":"erika","passwort":"x"}`), "json erika json:passwort"},
		{"registration, in German", request("POST", "/registrieren", head(json), `{"mail":"a@b.c","passwort":"x"}`), ""},
		{"changing it, in German", request("PUT", "/profil", head(json), `{"mail":"a@b.c","altesPasswort":"x","neuesPasswort":"y"}`), ""},
		{"the same elsewhere", request("POST", "/rooms", head(form), "title=admin&pwd=x"), ""},
		{"what stands before is a token", request("POST", "/login", head(form), "state="+api40+"&pwd=x"), "form  form:pwd"},
		{"json, names that nobody knows", request("POST", "/connexion", head(json), `{"lang":"fr","nomDuCompte":"alice","mdp":"x"}`), "json alice json:mdp"},
		{"multipart, names that nobody knows", request("POST", "/signIn", head("Content-Type: multipart/form-data; boundary=b"),
			"--b\r\nContent-Disposition: form-data; name=\"nick\"\r\n\r\nalice\r\n--b\r\nContent-Disposition: form-data; name=\"pass\"\r\n\r\nx\r\n--b--"), "multipart alice multipart:pass"},
		{"form, PUT", request("PUT", "/session", head(form), "j_username=alice&j_password=x"), "form alice form:j_password"},
		{"form, nested names", request("POST", "/login", head(form), "user[email]=+alice+&user[password]=x&commit=Log+in"), "form alice form:user[password]"},
		{"json", request("POST", "/api/session", head(json), `{"data":{"email":"a@b.c","password":"x"}}`), "json a@b.c json:data.password"},
		{"json, GraphQL", request("POST", "/graphql", head(json), `{"query":"mutation L($e:String!){x}","variables":{"email":"a@b.c","pwd":"x"}}`), "json a@b.c json:variables.pwd"},
		{"json, numbers", request("POST", "/login", head(json), `{"phone":4912345,"pin":1234}`), "json 4912345 json:pin"},
		{"the stronger identifier", request("POST", "/login", head(json), `{"account":"acme","username":"bob","password":"x"}`), "json bob json:password"},
		{"multipart", request("POST", "/login", head("Content-Type: multipart/form-data; boundary=b"),
			"--b\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nalice\r\n--b\r\nContent-Disposition: form-data; name=\"pass\"\r\n\r\nx\r\n--b--"), "multipart alice multipart:pass"},
		{"one-time code", request("POST", "/verify", head(json), `{"email":"a@b.c","otp":"123456"}`), "json a@b.c json:otp"},
		{"code of digits", request("POST", "/x", head(json), `{"email":"a@b.c","code":"123456"}`), "json a@b.c json:code"},
		{"code where logins are made", request("POST", "/auth/verify", head(json), `{"email":"a@b.c","code":"AB12-CD34"}`), "json a@b.c json:code"},
		{"secret", request("POST", "/login", head(json), `{"login":"a","secret":"b"}`), "json a json:secret"},
		{"query", request("GET", "/login?user=alice&password=x", nil, ""), "query alice query:password"},
		{"query of a POST", request("POST", "/login?user=alice&password=x", nil, ""), "query alice query:password"},
		{"basic", request("GET", "/x", head(basic("alice:x")), ""), "basic alice header:authorization"},
		{"basic beside a form", request("POST", "/login", head(form, basic("gw:x")), "user=alice&password=x"), "form alice form:password"},
		{"userinfo", request("GET", "http://alice:x@b.example/", nil, ""), "basic alice userinfo"},
		{"digest", request("GET", "/", head(`Authorization: Digest username="bob", response="1"`), ""), "digest bob header:authorization"},
		{"ntlm", request("GET", "/", head("Authorization: NTLM "+base64Of(ntlmMessage("D", "u"))), ""), `ntlm D\u header:authorization`},
		{"client of introspection", request("POST", "/oauth/introspect", head(form, basic("client:s")), "token="+hs256), "oauth:client client header:authorization"},
		{"client of revocation", request("POST", "/oauth2/revoke/", head(form, basic("client:s")), "token=x"), "oauth:client client header:authorization"},
		{"grant password", request("POST", "/token", head(form, basic("client:s")), "grant_type=password&username=alice&password=x"), "oauth:password alice form:password"},
		{"grant client_credentials", request("POST", "/token", head(form), "grant_type=client_credentials&client_id=app&client_secret=s3cr3t"), "oauth:client_credentials app form:client_secret"},
		{"grant client_credentials by Basic", request("POST", "/token", head(form, basic("app:s")), "grant_type=client_credentials"), "oauth:client_credentials app header:authorization"},
		{"refresh token of an API of its own", request("POST", "/api/token/refresh", head(json), `{"refresh_token":"`+api40+`"}`), "oauth:refresh_token  json:refresh_token"},
		{"refresh token that is ended", request("POST", "/api/token/revoke", head(json), `{"refresh_token":"`+api40+`"}`), ""},
		{"refresh token elsewhere", request("POST", "/api/devices", head(json), `{"refresh_token":"`+api40+`"}`), ""},
		{"grant refresh_token", request("POST", "/token", head(form), "grant_type=refresh_token&refresh_token="+api40), "oauth:refresh_token  form:refresh_token"},
		{"grant authorization_code", request("POST", "/token", head(form), "grant_type=authorization_code&code=abc"), "oauth:authorization_code  form:code"},
		{"grant in JSON", request("POST", "/token", head(json), `{"grant_type":"password","username":"alice","password":"x"}`), "oauth:password alice json:password"},
	} {
		found := NewFinder(Options{}).Find(c.x)
		got := ""
		if l := found.Login; l != nil {
			got = l.Form + " " + l.Principal + " " + l.Place.String()
			if l.PrincipalID.IsZero() != (l.Principal == "") {
				t.Errorf("%s: principal %q has the ID %v", c.name, l.Principal, l.PrincipalID)
			}
			if none := l.Form == "digest" || l.Form == "ntlm"; l.Password.IsZero() != none {
				t.Errorf("%s: the fingerprint is %v", c.name, l.Password)
			}
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// Fingerprints and names compare across forms of login.
func TestLoginCompares(t *testing.T) {
	f := NewFinder(Options{})
	logins := []*Login{
		f.Find(request("GET", "/", head("Authorization: Basic "+base64Of("Alice:hunter2")), "")).Login,
		f.Find(request("POST", "/login", nil, `{"user":"alice ","password":"hunter2"}`)).Login,
		f.Find(request("POST", "/login", nil, "user=ALICE&password=hunter%32")).Login,
		f.Find(request("GET", "/?user=alice&password=hunter2", nil, "")).Login,
	}
	for i, l := range logins {
		if l.Password != logins[0].Password || l.PrincipalID != logins[0].PrincipalID {
			t.Errorf("login %d has other IDs: %+v", i, *l)
		}
	}
	other := f.Find(request("POST", "/login", nil, `{"user":"bob","password":"hunter3"}`)).Login
	if other.Password == logins[0].Password || other.PrincipalID == logins[0].PrincipalID {
		t.Error("other values have the same IDs")
	}
}

func TestDefaultPairs(t *testing.T) {
	for _, c := range []struct {
		x    *exchange.Exchange
		want string
	}{
		{request("GET", "/", head("Authorization: Basic "+base64Of("admin:S3cure-and-long")), ""), ""},
		{request("GET", "/", head("Authorization: Basic "+base64Of("tomcat:admin")), ""), ""},
		{request("GET", "/", head("Authorization: Basic "+base64Of("guest:GUEST")), ""), ""},
		{request("GET", "/", head("Authorization: Basic "+base64Of("tomcat:s3cret")), ""), "Apache Tomcat"},
		{request("GET", "/", head("Authorization: Basic "+base64Of("sa:")), ""), "Microsoft SQL Server"},
		{request("POST", "/login", nil, `{"username":"Admin","password":"admin"}`), "many products"},
		{request("POST", "/login", nil, `user=minioadmin&password=minioadmin`), "MinIO"},
		{request("POST", "/token", nil, `grant_type=password&username=guest&password=guest`), "RabbitMQ"},
		{request("POST", "/introspect", head("Authorization: Basic "+base64Of("admin:admin")), "token=x"), ""},
	} {
		l := NewFinder(Options{}).Find(c.x).Login
		if l == nil {
			t.Fatalf("no login: %v", c.x.Request.Header)
		}
		if l.Which != c.want || l.Default != (c.want != "") {
			t.Errorf("%s: %q, want %q", l.Principal, l.Which, c.want)
		}
	}
	if n := len(defaultPairs); n < 40 {
		t.Errorf("%d pairs", n)
	}
}
