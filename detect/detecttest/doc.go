// Package detecttest runs the detectors' scripts: traffic written as dialogues
// goes the whole way, from packets to findings, and the findings are compared
// with those that the script wants.
//
// Contract: everything is a function of the script; the deployment key is zero.
// It is for tests and for the laboratory only.
//
// # Scripts
//
// The file detect/rules/testdata/NAME.txt belongs to the detector NAME. It is a
// txtar archive; what stands before its first section says what it is about.
// Each case is a section with a dialogue (see package reassemblytest) and one
// with the findings:
//
//	-- positive short name --
//	conn a 192.0.2.7:40000 198.51.100.1:80
//	> GET /users/17 HTTP/1.1
//	> Host: api.test
//	> Authorization: Bearer {{jwt "none" "" (dict "sub" "alice")}}
//
//	< HTTP/1.1 401 Unauthorized
//	-- want --
//	jwt_alg_none medium rejected count=1 key="api.test|GET /users/{id}|192.0.2.7"
//
// Besides the functions of package reassemblytest there are:
//
//	{{basic USER PASSWORD}}            what follows "Basic "
//	{{dict "sub" "alice" "n" 1}}       an object; {{list 1 2}} a list, {{json V}} either as JSON
//	{{jwt ALG SECRET CLAIMS}}          a signed token: with "none" its signature is empty; SECRET is
//	                                   that of HS256, HS384, HS512, else "" for the issuer's key,
//	                                   "other" for another, "short" for RSA with 1024 bits
//	{{jwth HEADER ALG SECRET CLAIMS}}  one with more in its header
//	{{input TOKEN}} {{sig TOKEN}}      its signed part, its signature
//	{{jwk ALG KEY KID}}                the public key as an object
//	{{x5c ALG KEY}}                    its certificate as it stands in headers
//	{{public FORM ALG KEY}}            its text in a form that servers keep it in
//	{{thumbprint ALG KEY}}             what a token bound to the key has in cnf.jkt
//	{{withnonce K CLAIMS}}             a token of ES256 made with that number
//	{{unix "+1h"}} {{date "+1h"}}      a NumericDate, a Date header's value; counted from the script's start
//	{{random SEED N}}                  so many hexadecimal digits, at most 64
//
// A handshake of TLS is one line, which stands for its messages and some data
// behind them; what tls and certificate take stands in tls.go:
//
//	conn a 192.0.2.7:40000 198.51.100.1:443
//	{{tls "version" "TLS 1.0" "cipher" "TLS_RSA_WITH_RC4_128_SHA" "sni" "api.test"}}
//	{{tls "certificate" (certificate "until" "-24h") "alert" "client unknown_ca"}}
//
// A section "common", before the cases, stands before every dialogue: for
// templates that several use. A section "openapi" there is a document that
// describes the API.
//
// A case is positive (it must find something), a nearmiss (it must look alike
// and find nothing, or something weaker) or damaged. After the name may stand
// options of the detector, as in "-- nearmiss load test ignore_clients=192.0.2.0/24 --".
//
// Each line of want is a finding's last version: detector, severity, verdict,
// then any of count, key, title, confidence, client, principal, host, method,
// path, status, credential (its place), first, last and every name of its
// evidence, which must have the values given; no lines mean silence. Only
// findings of the detector itself are compared, unless the first line is "all".
//
// Every positive case is also run damaged: with losses, with one direction
// missing, begun in mid-stream, with packets twice, out of order and cut short.
// Nothing may then be called accepted that is not so undamaged.
//
// go test ./detect/rules -update writes the findings of the moment into the
// want sections.
package detecttest
