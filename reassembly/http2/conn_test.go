package http2_test

import (
	"slices"
	"testing"
)

// talked is a conversation with what comes before its first request.
func talked(steps ...string) []string { return slices.Concat(hello, steps) }

func TestExchanges(t *testing.T) {
	play(t, true, []playCase{
		{"nothing", talked(), nil},
		{"a request and its response", talked(">1 GET /a :authority=h x=1 .", "<1 200 y=2", "<1 :abc .", ">3 GET /a :authority=h x=1 .", "<3 204 y=2 ."),
			[]string{`GET /a Host=h x=1 -> 200 y=2 "abc"`, "GET /a Host=h x=1 -> 204 y=2"}},
		{"bodies of both", talked(">1 POST /a", ">1 :ab", "<ping", ">1 :cd .", "<1 200 content-length=4", "<1 :efgh", "<1 : ."),
			[]string{`POST /a "abcd" -> 200 content-length=4 "efgh"`}},
		{"streams that interleave", talked(">1 POST /a", ">3 GET /b .", ">5 POST /c", ">1 :a", "<3 200", ">5 :c", "<5 200", "<3 :3", ">1 :aa .", "<5 :5 .", "<1 200 .", ">5 : .", "<3 :33 ."),
			[]string{`POST /a "aaa" -> 200`, `POST /c "c" -> 200 "5"`, `GET /b -> 200 "333"`}},
		{"the response first", talked("<1 200 x=1", "<1 :abc .", ">1 GET /a ."), []string{`GET /a -> 200 x=1 "abc"`}},
		{"an early response", talked(">1 POST /a", "<1 413 .", ">1 :abc ."), []string{`POST /a "abc" -> 413`}},
		{"interim responses", talked(">1 POST /a", "<1 100", "<1 103 link=x", ">1 :a .", "<1 201 ."), []string{`POST /a "a" -> 201`}},
		{"trailers", talked(">1 POST /a", ">1 :a", ">1 +t=1 .", "<1 200", "<1 :b", "<1 +grpc-status=0 u=2 ."),
			[]string{`POST /a "a" +t=1 -> 200 "b" +grpc-status=0 +u=2`}},
		{"crumbs", talked(">1 GET /a cookie=a=1 x=1 cookie=b=2 cookie=c=3 .", "<1 200 set-cookie=a=1 set-cookie=b=2 ."),
			[]string{"GET /a cookie=a=1; b=2; c=3 x=1 -> 200 set-cookie=a=1 set-cookie=b=2"}},
		{"Host beside :authority", talked(">1 GET /a :authority=h host=i .", "<1 200 ."), []string{"GET /a Host=h host=i -> 200"}},
		{"promised", talked(">1 GET /a .", "<1 promise 2 GET /p :authority=h", "<1 200 .", "<2 200 x=1", "<2 :p ."),
			[]string{"GET /a -> 200", `GET /p Host=h -> 200 x=1 "p"`}},
		{"promised, and refused", talked(">1 GET /a .", "<1 promise 2 GET /p", ">2 reset", "<1 200 ."), []string{"GET /p -> - [unpaired]", "GET /a -> 200"}},
		{"a reset by the client", talked(">1 GET /a .", ">1 reset", "<1 200 .", ">3 GET /b .", "<3 200 ."), []string{"GET /a -> - [unpaired]", "GET /b -> 200"}},
		{"a reset within the answer", talked(">1 GET /a .", "<1 200", "<1 :a", "<1 reset", "<1 :b"), []string{`GET /a -> 200 "a" [truncated]`}},
		{"no more of the request is wanted", talked(">1 POST /a", ">1 :a", "<1 200 .", "<1 reset", ">1 :b ."), []string{`POST /a "a" -> 200 [truncated]`}},
		{"going away", talked(">1 GET /a .", ">3 GET /b .", "<goaway 1", "<1 200 ."), []string{"GET /b -> - [unpaired]", "GET /a -> 200"}},
		{"going away later", talked(">1 GET /a .", "<goaway 2147483647", "<1 200 ."), []string{"GET /a -> 200"}},
		{"no answer", talked(">1 GET /a ."), []string{"GET /a -> - [unpaired]"}},
		{"the end in between", talked(">1 POST /a", ">1 :a", ">3 GET /b .", "<3 200", "<3 :b"), []string{`POST /a "a" -> - [truncated unpaired]`, `GET /b -> 200 "b" [truncated]`}},
		{"other frames", talked(">priority 3", ">window", "<window", ">1 GET /a .", ">priority 1", "<raw 0000050a00000000000003616161", "<raw 000003ff0f00000001616263", "<1 200 ."), []string{"GET /a -> 200"}},
		{"CONNECT", talked(">1 CONNECT h:1 x=1", "<1 200", ">1 :abc", "<1 :def", "<1 : .", ">1 : .", ">3 GET /a .", "<3 200 ."), []string{"CONNECT h:1 Host=h:1 x=1 -> 200 [upgraded]", "GET /a -> 200"}},
		{"CONNECT refused", talked(">1 CONNECT h:1", "<1 403", "<1 :no .", ">1 : ."), []string{`CONNECT h:1 Host=h:1 -> 403 "no"`}},
		{"a WebSocket", talked(">1 - :method=CONNECT :protocol=websocket :scheme=http :path=/chat :authority=h authorization!x", "<1 200", ">1 :abc", "<1 :def", ">1 reset"),
			[]string{"CONNECT /chat Host=h authorization=x -> 200 [upgraded]"}},
		{"a HEAD's length", talked(">1 HEAD /a .", "<1 200 content-length=7 ."), []string{"HEAD /a -> 200 content-length=7"}},
		{"grpc, trailers only", talked(">1 POST /s/m content-type=application/grpc te=trailers", ">1 :a .", "<1 200 grpc-status=16 grpc-message=no ."),
			[]string{`POST /s/m content-type=application/grpc te=trailers "a" -> 200 grpc-status=16 grpc-message=no`}},
	})
}

// The size of a header table is what the other side allows, and acknowledges.
func TestTableSizes(t *testing.T) {
	const ask = ">1 GET /a x=1 ."
	again := []string{">3 GET /a x=1 .", "<3 200 ."}
	play(t, true, []playCase{
		{"none, announced and kept", slices.Concat(talked(ask, "<1 200 .", "<table 0", ">ack", ">size 0"), again), []string{"GET /a x=1 -> 200", "GET /a x=1 -> 200"}},
		{"none, before it is acknowledged", slices.Concat(talked(ask, "<1 200 .", "<table 0"), again, []string{">ack"}), []string{"GET /a x=1 -> 200", "GET /a x=1 -> 200"}},
		{"none, and not kept", slices.Concat(talked(ask, "<1 200 .", "<table 0", ">ack"), again), []string{"GET /a x=1 -> 200", "- -> 200 [unpaired]"}},
		{"more, at once", slices.Concat(talked("<table 8192", ">size 8192", ask, "<1 200 .", ">ack"), again), []string{"GET /a x=1 -> 200", "GET /a x=1 -> 200"}},
		{"more than is allowed", slices.Concat(talked(">size 8192", ask, "<1 200 ."), again), []string{"- -> 200 [unpaired]", "GET  -> 200 [gap]"}},
		{"acknowledged before it is seen", slices.Concat(talked(">ack", "<table 8192", ">size 8192", ask, "<1 200 ."), again), []string{"GET /a x=1 -> 200", "GET /a x=1 -> 200"}},
	})
}

// What is against the protocol is read all the same, and marked.
func TestMalformed(t *testing.T) {
	play(t, true, []playCase{
		{"no path", talked(">1 - :method=GET :scheme=http .", "<1 400 ."), []string{"GET  -> 400 [malformed]"}},
		{"two methods", talked(">1 - :method=GET :method=PUT :scheme=http :path=/ .", "<1 400 ."), []string{"PUT / -> 400 [malformed]"}},
		{"a pseudo-header behind another field", talked(">1 - :method=GET :scheme=http x=1 :path=/ .", "<1 400 ."), []string{"GET / x=1 -> 400 [malformed]"}},
		{"one that nobody knows", talked(">1 GET / :x=1 .", "<1 400 ."), []string{"GET / -> 400 [malformed]"}},
		{"a status in a request", talked(">1 GET / :status=200 .", "<1 400 ."), []string{"GET / -> 400 [malformed]"}},
		{"upper case", talked(">1 GET / Ab=1 .", "<1 400 ."), []string{"GET / Ab=1 -> 400 [malformed]"}},
		{"a line feed", talked(">1 GET / a=b\nc: .", "<1 400 ."), []string{"GET / a=b\nc: -> 400 [malformed]"}},
		{"an empty name", talked(">1 GET / !b .", "<1 400 ."), []string{"GET / -> 400 [malformed]"}},
		{"Transfer-Encoding", talked(">1 POST / transfer-encoding=chunked .", "<1 400 ."), []string{"POST / transfer-encoding=chunked -> 400 [malformed]"}},
		{"less than Content-Length", talked(">1 POST / content-length=3", ">1 :ab .", "<1 400 ."), []string{`POST / content-length=3 "ab" -> 400 [malformed]`}},
		{"two lengths", talked(">1 POST / content-length=3 content-length=2", ">1 :ab .", "<1 400 ."), []string{`POST / content-length=3 content-length=2 "ab" -> 400 [malformed]`}},
		{"no status", talked(">1 GET / .", "<1 +x=1 ."), []string{"GET / -> - [unpaired]"}},
		{"a status of letters", talked(">1 GET / .", "<1 +:status=2x0 ."), []string{"GET / -> 0 [malformed]"}},
		{"an interim response that is the last", talked(">1 GET / .", "<1 103 ."), []string{"GET / -> - [unpaired]"}},
		{"a stream of an even number", talked(">2 GET / .", ">1 GET /a .", "<1 200 ."), []string{"GET /a -> 200"}},
		{"a stream that is over", talked(">3 GET /a .", "<3 200 .", ">1 GET /b .", ">3 GET /c .", "<1 200 .", "<3 :x", ">5 GET /d .", "<5 200 ."), []string{"GET /a -> 200", "GET /d -> 200"}},
		{"a trailer that does not end", talked(">1 GET /a .", "<1 200", "<1 +t=1", "<1 :a ."), []string{`GET /a -> 200 "a" +t=1 [malformed]`}},
	})
}
