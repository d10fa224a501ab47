package http1_test

import (
	"testing"
)

// Who answers what, where nothing is lost.
func TestExchanges(t *testing.T) {
	play(t, true, []playCase{
		{"nothing", nil, nil},
		{"a response that nobody asked for",
			[]string{"<" + ok("1")},
			[]string{`- -> 200 X-Id="1" "1" [unpaired]`}},
		{"the server closes an idle connection",
			[]string{">" + get("1"), "<" + ok("1"), "<HTTP/1.1 408 x\r\nContent-Length: 0\r\n\r\n", ">" + get("2"), "]<"},
			[]string{`GET /1 X-Id="1" -> 200 X-Id="1" "1"`, `- -> 408 [unpaired]`, `GET /2 X-Id="2" -> - [unpaired]`}},
		{"a request without an answer",
			[]string{">" + get("1"), "]>", "]<"},
			[]string{`GET /1 X-Id="1" -> - [unpaired]`}},
		{"a request that ends within its first line",
			[]string{">GET /a HTT", "]>"},
			nil},
		{"a request that ends within its header",
			[]string{">GET /a HTTP/1.1\r\nX-A: 1\r\nX-B: 2", "]>"},
			[]string{`GET /a X-A="1" -> - [truncated unpaired]`}},
		{"a response that ends within its header",
			[]string{">" + get("1"), "<HTTP/1.1 200 OK\r\nX-A: 1\r\nX-", "]<"},
			[]string{`GET /1 X-Id="1" -> 200 X-A="1" [truncated]`}},
		{"not HTTP any more, from the client *",
			[]string{">" + get("1"), "<" + ok("1"), ">\x16\x03\x01", ">" + get("2"), "<" + ok("2")},
			[]string{`GET /1 X-Id="1" -> 200 X-Id="1" "1"`, `GET /2 X-Id="2" -> - [unpaired]`, `- -> 200 X-Id="2" "2" [unpaired]`}},
		{"one exchange",
			[]string{">" + get("1"), "<" + ok("1")},
			[]string{`GET /1 X-Id="1" -> 200 X-Id="1" "1"`}},
		{"one after the other",
			[]string{">" + get("1"), "<" + ok("1"), ">" + get("2"), "<" + ok("2")},
			[]string{`GET /1 X-Id="1" -> 200 X-Id="1" "1"`, `GET /2 X-Id="2" -> 200 X-Id="2" "2"`}},
		{"empty lines around",
			[]string{">\r\n\n" + get("1"), "<\r\n" + ok("1") + "\r\n", ">\r\n" + get("2"), "<" + ok("2")},
			[]string{`GET /1 X-Id="1" -> 200 X-Id="1" "1"`, `GET /2 X-Id="2" -> 200 X-Id="2" "2"`}},
		{"pipelined in one segment",
			[]string{">" + get("1") + get("2") + get("3"), "<" + ok("1") + ok("2"), "<" + ok("3")},
			[]string{`GET /1 X-Id="1" -> 200 X-Id="1" "1"`, `GET /2 X-Id="2" -> 200 X-Id="2" "2" [pipelined]`, `GET /3 X-Id="3" -> 200 X-Id="3" "3" [pipelined]`}},
		{"pipelined behind half an answer",
			[]string{">" + get("1"), "<" + ok("1")[:20], ">" + get("2"), "<" + ok("1")[20:] + ok("2")},
			[]string{`GET /1 X-Id="1" -> 200 X-Id="1" "1"`, `GET /2 X-Id="2" -> 200 X-Id="2" "2" [pipelined]`}},
		{"the answer comes before the request is complete",
			[]string{">POST /a HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345", "<HTTP/1.1 413 x\r\nContent-Length: 2\r\n\r\nno", ">67890", ">" + get("2"), "<" + ok("2")},
			[]string{`POST /a "1234567890" -> 413 "no"`, `GET /2 X-Id="2" -> 200 X-Id="2" "2"`}},
		{"the answer comes before the head is complete",
			[]string{">GET /a HTTP/1.1\r\nX-A: 1\r\n", "<HTTP/1.1 431 x\r\nContent-Length: 0\r\n\r\n", ">X-B: 2\r\n\r\n"},
			[]string{`GET /a X-A="1" X-B="2" -> 431`}},
		{"interim responses",
			[]string{">POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", "<HTTP/1.1 100 Continue\r\n\r\n", ">ab",
				"<HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok("1"), ">" + get("2"), "<" + ok("2")},
			[]string{`POST /a "ab" -> 200 X-Id="1" "1"`, `GET /2 X-Id="2" -> 200 X-Id="2" "2"`}},
		{"the content is withheld *",
			[]string{">POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n", "<HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n", ">" + get("2"), "<" + ok("2")},
			[]string{`POST /a -> 401 [truncated]`, `GET /2 X-Id="2" -> 200 X-Id="2" "2"`}},
		{"the content comes all the same",
			[]string{">POST /a HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", "<HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n", ">2\r\nab\r\n0\r\n\r\n" + get("2"), "<" + ok("2")},
			[]string{`POST /a "ab" -> 401`, `GET /2 X-Id="2" -> 200 X-Id="2" "2"`}},
		{"HEAD, 204, 304",
			[]string{">HEAD /a HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ">GET /b HTTP/1.1\r\n\r\n", "<HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n",
				">GET /c HTTP/1.1\r\n\r\n", "<HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n", ">" + get("4"), "<" + ok("4")},
			[]string{`HEAD /a -> 200`, `GET /b -> 204`, `GET /c -> 304`, `GET /4 X-Id="4" -> 200 X-Id="4" "4"`}},
		{"a HEAD that some servers do not take for one *",
			[]string{">head /a HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ">" + get("2"), "<" + ok("2")},
			[]string{`head /a -> 200`, `GET /2 X-Id="2" -> 200 X-Id="2" "2"`}},
		{"CONNECT refused",
			[]string{">CONNECT h:1 HTTP/1.1\r\n\r\n", "<HTTP/1.1 407 x\r\nContent-Length: 2\r\n\r\nno", ">" + get("2"), "<" + ok("2")},
			[]string{`CONNECT h:1 -> 407 "no"`, `GET /2 X-Id="2" -> 200 X-Id="2" "2"`}},
		{"CONNECT",
			[]string{">CONNECT h:1 HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nab", ">" + get("2"), "<" + ok("2")},
			[]string{`CONNECT h:1 -> 200 [upgraded]`}},
		{"Upgrade",
			[]string{">" + get("1"), "<HTTP/1.1 101 x\r\n\r\nab", ">" + get("2"), "<" + ok("2")},
			[]string{`GET /1 X-Id="1" -> 101 [upgraded]`}},
		{"Upgrade with requests behind",
			[]string{">" + get("1") + get("2"), "<HTTP/1.1 101 x\r\n\r\nab"},
			[]string{`GET /1 X-Id="1" -> 101 [upgraded]`, `GET /2 X-Id="2" -> - [pipelined unpaired]`}},
		{"up to the end of the connection",
			[]string{">" + get("1"), "<HTTP/1.0 200 OK\r\n\r\nab", "<cd", "]<"},
			[]string{`GET /1 X-Id="1" -> 200 "abcd"`}},
		{"up to the end of the capture",
			[]string{">" + get("1"), "<HTTP/1.0 200 OK\r\n\r\nab"},
			[]string{`GET /1 X-Id="1" -> 200 "ab" [truncated]`}},
		{"up to a reset",
			[]string{">" + get("1"), "<HTTP/1.0 200 OK\r\n\r\nab", "reset"},
			[]string{`GET /1 X-Id="1" -> 200 "ab" [truncated]`}},
		{"the client closes first",
			[]string{">" + get("1"), "]>", "<" + ok("1"), "]<"},
			[]string{`GET /1 X-Id="1" -> 200 X-Id="1" "1"`}},
		{"the server closes within the content",
			[]string{">" + get("1"), "<HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "]<"},
			[]string{`GET /1 X-Id="1" -> 200 "ab" [truncated]`}},
		{"the other side opened the connection *",
			[]string{"<" + get("1"), ">" + ok("1"), "<" + get("2"), ">" + ok("2")},
			[]string{`GET /1 X-Id="1" -> 200 X-Id="1" "1"`, `GET /2 X-Id="2" -> 200 X-Id="2" "2"`}},
		{"sent twice, differently",
			[]string{">" + get("1"), "!>", "<" + ok("1"), "!<", ">" + get("2"), "<" + ok("2")[:30], "!<", "<" + ok("2")[30:]},
			[]string{`GET /1 X-Id="1" -> 200 X-Id="1" "1" [conflict]`, `GET /2 X-Id="2" -> 200 X-Id="2" "2" [conflict]`}},
	})
}

// Where a message ends (RFC 9112, section 6.3).
func TestFraming(t *testing.T) {
	// A request with such lines and such content, and another one behind it.
	// Where others see another end, that one is given at once: nothing could
	// prove which response is its.
	post := func(name, lines, content, want string, more ...string) playCase {
		return playCase{name, []string{">POST /a HTTP/1.1\r\n" + lines + "\r\n" + content + get("2")}, append([]string{want}, more...)}
	}
	behind := `GET /2 X-Id="2" -> - [pipelined unpaired]`
	chunked := "Transfer-Encoding: chunked\r\n"
	play(t, true, []playCase{
		post("no length", "", "", `POST /a -> - [unpaired]`, behind),
		post("Content-Length: 0", "Content-Length: 0\r\n", "", `POST /a -> - [unpaired]`, behind),
		post("Content-Length", "Content-Length: 3\r\n", "abc", `POST /a "abc" -> - [unpaired]`, behind),
		post("leading zeros", "Content-Length: 0003\r\n", "abc", `POST /a "abc" -> - [unpaired]`, behind),
		post("equal lengths", "Content-Length: 3, 3\r\nContent-Length: 3\r\n", "abc", `POST /a "abc" -> - [unpaired]`, behind),
		post("differing lengths", "Content-Length: 3\r\nContent-Length: 5\r\n", "abc", behind, `POST /a "abc" -> - [malformed unpaired]`),
		post("no number", "Content-Length: x\r\n", "abc", `POST /a -> - [malformed unpaired]`),
		post("a sign", "Content-Length: +3\r\n", "abc", `POST /a -> - [malformed unpaired]`),
		post("two numbers", "Content-Length: 3 3\r\n", "abc", `POST /a -> - [malformed unpaired]`),
		post("empty length", "Content-Length:\r\n", "abc", `POST /a -> - [malformed unpaired]`),
		post("too large", "Content-Length: 18446744073709551617\r\n", "abc", `POST /a -> - [malformed unpaired]`),
		post("as large as can be", "Content-Length: 9000000000000000000\r\n", "", `POST /a "`+`GET /2 HTTP/1.1\r\nHost: a\r\nX-Id: 2\r\n\r\n`+`" -> - [truncated unpaired]`),
		post("chunked", chunked, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", `POST /a "abcde" -> - [unpaired]`, behind),
		post("chunked in upper case", "TRANSFER-ENCODING: CHUNKED\r\n", "3\r\nabc\r\n0\r\n\r\n", `POST /a "abc" -> - [unpaired]`, behind),
		post("chunked in an obs-fold", "Transfer-Encoding:\r\n\tchunked\r\n", "3\r\nabc\r\n0\r\n\r\n", `POST /a "abc" -> - [unpaired]`, behind),
		post("chunked with extensions", chunked, "3;a=b;c=\"d\"\r\nabc\r\n3 ; x\r\ndef\r\n0;y\r\n\r\n", `POST /a "abcdef" -> - [unpaired]`, behind),
		post("chunked with a trailer", chunked, "1\r\na\r\n0\r\nX-T: 1\r\nX-U:\r\n 2\r\n\r\n", `POST /a X-T="1" X-U="2" "a" -> - [unpaired]`, behind),
		post("chunked with a bad trailer", chunked, "1\r\na\r\n0\r\nxyz\r\n\r\n", `POST /a "a" -> - [malformed unpaired]`, behind),
		post("chunked, sizes large and small", chunked, "0000000000000000000000003\r\nabc\r\nA\r\n0123456789\r\na\r\n0123456789\r\n00\r\n\r\n",
			`POST /a "abc01234567890123456789" -> - [unpaired]`, behind),
		post("chunked and length", chunked+"Content-Length: 50\r\n", "3\r\nabc\r\n0\r\n\r\n", behind, `POST /a "abc" -> - [malformed unpaired]`),
		post("length and chunked", "Content-Length: 50\r\n"+chunked, "3\r\nabc\r\n0\r\n\r\n", behind, `POST /a "abc" -> - [malformed unpaired]`),
		post("chunked twice", "Transfer-Encoding: chunked, chunked\r\n", "3\r\nabc\r\n0\r\n\r\n", behind, `POST /a "abc" -> - [malformed unpaired]`),
		post("chunked before another", "Transfer-Encoding: chunked, gzip\r\n", "3\r\nabc\r\n0\r\n\r\n", `POST /a -> - [malformed unpaired]`),
		post("not chunked", "Transfer-Encoding: xchunked\r\n", "3\r\nabc\r\n0\r\n\r\n", `POST /a -> - [malformed unpaired]`),
		post("chunked after a vertical tab", "Transfer-Encoding: \vchunked\r\n", "3\r\nabc\r\n0\r\n\r\n", `POST /a -> - [malformed unpaired]`),
		post("identity", "Transfer-Encoding: identity\r\nContent-Length: 3\r\n", "abc", `POST /a "abc" -> - [unpaired]`, behind),
		post("bad size", chunked, "x\r\nabc\r\n0\r\n\r\n", `POST /a -> - [malformed unpaired]`),
		post("no size", chunked, "\r\nabc\r\n0\r\n\r\n", `POST /a -> - [malformed unpaired]`),
		post("0x", chunked, "0x3\r\nabc\r\n0\r\n\r\n", `POST /a -> - [malformed unpaired]`),
		post("negative size", chunked, "-1\r\nabc\r\n0\r\n\r\n", `POST /a -> - [malformed unpaired]`),
		post("size too large", chunked, "fffffffffffffffff\r\nabc\r\n0\r\n\r\n", `POST /a -> - [malformed unpaired]`),
		post("CR and no LF", chunked, "3\rabc\r\n0\r\n\r\n", `POST /a -> - [malformed unpaired]`),
		post("no line end behind the data", chunked, "3\r\nabcd\r\n0\r\n\r\n", `POST /a "abc" -> - [malformed unpaired]`),
		post("LF behind the size", chunked, "3\nabc\r\n0\r\n\r\n", `POST /a "abc" -> - [malformed unpaired]`, behind),
		post("LF in an extension", chunked, "3;x\nabc\r\n0\r\n\r\n", `POST /a "abc" -> - [malformed unpaired]`, behind),
		post("LF behind the data", chunked, "3\r\nabc\n0\r\n\r\n", `POST /a "abc" -> - [malformed unpaired]`, behind),
		{"chunked in HTTP/1.0", []string{">POST /a HTTP/1.0\r\n" + chunked + "\r\n1\r\na\r\n0\r\n\r\n"}, []string{`POST /a "a" -> - [malformed unpaired]`}},
	})

	// A response with such lines and such content, and another one.
	response := func(name, lines, content, want string, more ...string) playCase {
		return playCase{name, []string{">" + get("1"), "<HTTP/1.1 200 OK\r\n" + lines + "\r\n" + content, ">" + get("2"), "<" + ok("2"), "]<"},
			append([]string{`GET /1 X-Id="1" -> ` + want}, more...)}
	}
	second := `GET /2 X-Id="2" -> 200 X-Id="2" "2"`
	swallowed := `ab` + `HTTP/1.1 200 OK\r\nX-Id: 2\r\nContent-Length: 1\r\n\r\n2`
	// Its client did not wait for the end of the first answer, as it seems.
	unanswered := `GET /2 X-Id="2" -> - [pipelined unpaired]`
	play(t, true, []playCase{
		response("length", "Content-Length: 2\r\n", "ab", `200 "ab"`, second),
		response("empty", "Content-Length: 0\r\n", "", `200`, second),
		response("chunked, with length", "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n", `200 "ab" [malformed]`, second),
		response("no length", "", "ab", `200 "`+swallowed+`"`, unanswered),
		response("bad length", "Content-Length: x\r\n", "ab", `200 "`+swallowed+`" [malformed]`, unanswered),
		response("transfer coding without chunked", "Transfer-Encoding: identity, foo\r\n", "ab", `200 "`+swallowed+`" [undecoded]`, unanswered),
		response("differing lengths", "Content-Length: 2, 3\r\n", "ab", `200 "ab" [malformed]`, second),
		response("bad chunk *", "Transfer-Encoding: chunked\r\n", "zz\r\n", `200 [malformed]`, second),
	})
}
