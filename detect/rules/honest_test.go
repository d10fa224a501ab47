package rules_test

import (
	"strings"
	"testing"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/detecttest"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// honest is what goes on around tokens where nobody attacks: a key set and its
// rotation, a change of algorithm, OpenID Connect, DPoP, tokens that expired
// over night, issuers that put jku into each token, encrypted tokens, services
// with secrets of their own, a client in a loop.
const honest = `
{{define "ok"}}< HTTP/1.1 200 OK
< Content-Type: application/json
<
< {"id":5,"name":"somebody"}

{{end}}
{{define "no"}}< HTTP/1.1 401 Unauthorized
< Content-Type: application/json
<
< {"error":"no"}

{{end}}
conn idp 203.0.113.9:49000 198.51.100.2:80
> GET /.well-known/openid-configuration HTTP/1.1
> Host: id.test

< HTTP/1.1 200 OK
< Content-Type: application/json
<
< {"issuer":"https://id.test/","jwks_uri":"https://id.test/jwks"}

> GET /jwks HTTP/1.1
> Host: id.test

< HTTP/1.1 200 OK
< Content-Type: application/json
<
< {"keys":[{{json (jwk "RS256" "" "k1")}},{{json (jwk "ES256" "" "k2")}}]}

> POST /token HTTP/1.1
> Host: id.test
> Content-Type: application/x-www-form-urlencoded
>
> grant_type=authorization_code&code=SplxlOBeZQQYbYS6WxSbIA&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={{jwth (dict "jwk" (jwk "ES256" "other" "")) "ES256" "other" (dict "iss" "app" "sub" "app" "aud" "https://id.test/")}}

< HTTP/1.1 200 OK
< Content-Type: application/json
< Cache-Control: no-store
<
< {"access_token":"{{jwth (dict "kid" "k1" "typ" "at+jwt") "RS256" "" (dict "iss" "https://id.test/" "aud" "api" "sub" "carol" "exp" (unix "+1h"))}}","id_token":"{{jwth (dict "kid" "k2") "ES256" "" (dict "iss" "https://id.test/" "aud" "app" "sub" "carol" "nonce" "n" "at_hash" "h" "exp" (unix "+1h") "email" "carol@id.test" "phone_number" "+493012345678")}}","refresh_token":"{{jwth (dict "kid" "h1") "HS512" "vQ3x8LkT0pZr7dWm2sJb5nYc9hGf4uEa" (dict "iss" "https://id.test/" "sub" "carol" "jti" "1" "typ" "Refresh" "exp" (unix "+20h"))}}"}

{{range $c := seq 1 4}}
conn user{{$c}} 203.0.113.{{$c}}:50000 198.51.100.1:80
> GET /users/1 HTTP/1.1
> Host: api.test

{{template "no"}}
{{range $n := seq 1 4}}
# Rotation, and from RSA to ECDSA: both keys are in use.
> GET /users/{{$n}} HTTP/1.1
> Host: api.test
> Authorization: Bearer {{jwth (dict "kid" "k1" "typ" "at+jwt") "RS256" "" (dict "iss" "https://id.test/" "aud" "api" "sub" $c "n" $n "exp" (unix "+1h"))}}

{{template "ok"}}
> GET /users/{{$n}} HTTP/1.1
> Host: api.test
> Authorization: Bearer {{jwth (dict "kid" "k2" "typ" "at+jwt") "ES256" "" (dict "iss" "https://id.test/" "aud" "api" "sub" $c "n" $n "exp" (unix "+1h"))}}

{{template "ok"}}
# Bound to a key, with its proof.
> GET /users/{{$n}} HTTP/1.1
> Host: api.test
> DPoP: {{jwth (dict "typ" "dpop+jwt" "jwk" (jwk "ES256" "other" "")) "ES256" "other" (dict "htm" "GET" "htu" (printf "https://api.test/users/%d" $n) "jti" (printf "%d-%d" $c $n) "iat" (unix "+0s"))}}
> Authorization: DPoP {{jwth (dict "kid" "k2" "typ" "at+jwt") "ES256" "" (dict "iss" "https://id.test/" "aud" "api" "sub" $c "n" $n "exp" (unix "+1h") "cnf" (dict "jkt" (thumbprint "ES256" "other")))}}

{{template "ok"}}
# An issuer whose tokens name their keys' place; nobody sees it issue one.
> GET /users/{{$n}} HTTP/1.1
> Host: erp.test
> Authorization: Bearer {{jwth (dict "kid" "default" "jku" "https://tenant.authentication.example/token_keys") "RS256" "other" (dict "iss" "http://tenant.localhost:8080/uaa/oauth/token" "aud" "erp" "sub" $c "n" $n "exp" (unix "+1h"))}}

{{template "ok"}}
# A service with a secret of its own, and encrypted tokens.
> GET /users/{{$n}} HTTP/1.1
> Host: api.test
> Authorization: Bearer {{jwt "HS256" "vQ3x8LkT0pZr7dWm2sJb5nYc9hGf4uEa" (dict "iss" "billing" "aud" "api" "sub" $c "n" $n "exp" (unix "+1h"))}}

{{template "ok"}}
> GET /users/{{$n}} HTTP/1.1
> Host: api.test
> Cookie: session={{b64url ` + "`" + `{"alg":"dir","enc":"A256GCM"}` + "`" + `}}..AAAAAAAAAAAAAAAA.{{b64url (printf "AAAAAAAAAAAAAAAA%d%d" $c $n)}}.AAAAAAAAAAAAAAAAAAAAAA

{{template "ok"}}
# Over night their tokens expired, ten tabs each.
> GET /users/{{$n}} HTTP/1.1
> Host: api.test
> Authorization: Bearer {{jwth (dict "kid" (printf "old%d" $n)) "RS256" "other" (dict "iss" "https://id.test/" "aud" "api" "sub" $c "n" $n "exp" (unix "-9h"))}}

{{template "no"}}
{{end}}
time +1s
{{end}}
# A client in a loop with a token that was cut in a log.
conn loop 203.0.113.77:50000 198.51.100.1:80
{{range seq 1 40}}
> GET /users/{{.}} HTTP/1.1
> Host: api.test
> Authorization: Bearer {{jwth (dict "kid" "k9") "RS256" "other" (dict "iss" "https://staging.test/" "sub" "robot")}}

{{template "no"}}
{{end}}
`

// Nothing of this may be called an attack.
func TestHonestTokens(t *testing.T) {
	d, err := reassemblytest.Parse("honest", honest, detecttest.Funcs())
	if err != nil {
		t.Fatal(err)
	}
	findings, err := detecttest.Replay(d.Packets(), detect.Options{Detectors: rules.All()})
	if err != nil {
		t.Fatal(err)
	}
	said := false // of the e-mail address in the ID token
	for _, f := range findings {
		said = said || f.Detector == "jwt_sensitive_claims"
		if r, _ := rules.Find(f.Detector); strings.HasPrefix(f.Detector, "jwt_") && (r.Attempt || f.Severity > detect.Low) {
			t.Errorf("%s %s %s %s", f.Detector, f.Severity, f.Verdict, f.DedupeKey)
		}
	}
	if !said {
		t.Error("the tokens were not seen")
	}
}
