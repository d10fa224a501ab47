package http1_test

import (
	"strings"
	"testing"
)

// What is lost, and what can still be proved.
func TestGaps(t *testing.T) {
	pair := func(id string, flags ...string) string {
		s := `GET /` + id + ` X-Id="` + id + `" -> 200 X-Id="` + id + `" "` + id + `"`
		if len(flags) > 0 {
			s += " [" + strings.Join(flags, " ") + "]"
		}
		return s
	}
	request := func(id string, flags ...string) string {
		return `GET /` + id + ` X-Id="` + id + `" -> - [` + strings.Join(append(flags, "unpaired"), " ") + `]`
	}
	response := func(id string) string { return `- -> 200 X-Id="` + id + `" "` + id + `" [unpaired]` }
	post := "POST /a HTTP/1.1\r\nContent-Length: 10\r\n\r\n"
	long := "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
	gzipped := "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n"
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

	play(t, true, []playCase{
		// Requests that are lost. The next response is not that of the next request.
		{"the first request",
			[]string{"~>" + get("1"), "<" + ok("1"), ">" + get("2"), "<" + ok("2")},
			[]string{response("1"), pair("2", "after_gap")}},
		{"the first request, found missing late",
			[]string{"a~>" + get("1"), "<" + ok("1"), "b>" + get("2"), "<" + ok("2"), "c>" + get("3"), "a", "b", "c", "<" + ok("3")},
			[]string{response("1"), pair("2", "after_gap"), pair("3", "after_gap")}},
		{"a request between others",
			[]string{">" + get("1"), "<" + ok("1"), "~>" + get("2"), "<" + ok("2"), ">" + get("3"), "<" + ok("3")},
			[]string{pair("1"), response("2"), pair("3", "after_gap")}},
		{"one of two in a row: the response is the other's",
			[]string{"~>" + get("1"), ">" + get("2"), "<" + ok("1"), "<" + ok("2"), ">" + get("3"), "<" + ok("3")},
			[]string{request("2"), response("1"), response("2"), request("3"), response("3")}},
		{"the second of two in a row, then another one",
			[]string{">" + get("1"), "~>" + get("2"), "<" + ok("1"), ">" + get("3"), "<" + ok("2"), "<" + ok("3")},
			[]string{pair("1"), request("3"), response("2"), response("3")}},
		{"the first of two in a row, and what was said before",
			[]string{">" + get("1"), "~<" + ok("1"), "~>" + get("2"), ">" + get("3"), "<" + ok("2"), "<" + ok("3")},
			[]string{request("1"), request("3"), response("2"), response("3")}},
		{"pipelining was seen before",
			[]string{">" + get("1") + get("2"), "<" + ok("1") + ok("2"), "~>" + get("3"), "<" + ok("3"), ">" + get("4"), "<" + ok("4")},
			[]string{pair("1"), pair("2", "pipelined"), response("3"), request("4"), response("4")}},
		{"the end of a head",
			[]string{">GET /1 HTTP/1.1\r\nX-Id: 1\r\nX-B", "~>: 1\r\n\r\n", "<" + ok("1"), ">" + get("2"), "<" + ok("2"), ">" + get("3"), "<" + ok("3")},
			// What else the gap held is not known, so the second pair is not proved.
			[]string{pair("1", "gap"), request("2"), response("2"), pair("3", "after_gap")}},
		{"the end of a first line",
			[]string{">GET /1 HT", "~>TP/1.1\r\n\r\n", "<" + ok("1"), ">" + get("2"), "<" + ok("2")},
			[]string{response("1"), pair("2", "after_gap")}},
		{"the beginning of a head",
			[]string{"~>GET /1 HTTP/1.1\r\nX-", ">Id: 1\r\n\r\n", "<" + ok("1"), ">" + get("2"), "<" + ok("2")},
			[]string{response("1"), pair("2", "after_gap")}},
		{"within content of known length, in step",
			[]string{">" + post + "12", "~>345", ">67890", "<" + ok("1"), ">" + get("2") + get("3"), "<" + ok("2") + ok("3")},
			[]string{`POST /a "12"/10 -> 200 X-Id="1" "1" [gap]`, pair("2"), pair("3", "pipelined")}},
		{"all the content",
			[]string{">" + post, "~>1234567890", "<" + ok("1"), ">" + get("2"), "<" + ok("2")},
			[]string{`POST /a ""/10 -> 200 X-Id="1" "1" [gap]`, pair("2")}},
		{"the end of the content, and more",
			[]string{">" + post + "12", "~>34567890" + get("2"), "<" + ok("1"), "<" + ok("2"), ">" + get("3"), "<" + ok("3")},
			[]string{`POST /a "12"/10 -> 200 X-Id="1" "1" [gap]`, response("2"), pair("3", "after_gap")}},

		// Responses that are lost. What stood before the next one is not known,
		// so it may be content of the one before that looks like a response.
		{"a response",
			[]string{">" + get("1"), "~<" + ok("1"), ">" + get("2"), "<" + ok("2"), ">" + get("3"), "<" + ok("3")},
			[]string{request("1"), request("2"), response("2"), pair("3", "after_gap")}},
		{"the last response",
			[]string{">" + get("1"), "~<" + ok("1"), "]>", "]<"},
			[]string{request("1")}},
		{"a response, pipelined",
			[]string{">" + get("1") + get("2"), "~<" + ok("1"), "<" + ok("2")},
			[]string{request("1"), request("2", "pipelined"), response("2")}},
		{"the beginning of a response",
			[]string{">" + get("1"), "~<" + ok("1")[:10], "<" + ok("1")[10:], ">" + get("2"), "<" + ok("2"), ">" + get("3"), "<" + ok("3")},
			[]string{request("1"), pair("2", "after_gap"), pair("3", "after_gap")}},
		{"the end of a response's head",
			[]string{">" + get("1"), "<" + ok("1")[:30], "~<" + ok("1")[30:], ">" + get("2"), "<" + ok("2"), ">" + get("3"), "<" + ok("3")},
			[]string{`GET /1 X-Id="1" -> 200 X-Id="1" [gap]`, request("2"), response("2"), pair("3", "after_gap")}},
		{"the end of a status line",
			[]string{">" + get("1"), "<HTTP/1.1 2", "~<00 OK\r\n\r\n", ">" + get("2"), "<" + ok("2"), ">" + get("3"), "<" + ok("3")},
			[]string{request("1"), request("2"), response("2"), pair("3", "after_gap")}},
		{"what follows an interim response",
			[]string{">" + get("1"), "<HTTP/1.1 100 x\r\n\r\n", "~<" + ok("1"), ">" + get("2"), "<" + ok("2"), ">" + get("3"), "<" + ok("3")},
			[]string{request("1"), request("2"), response("2"), pair("3", "after_gap")}},
		{"content of a response",
			[]string{">" + get("1"), "<" + long + "123", "~<456", "<7890", ">" + get("2"), "<" + ok("2")},
			[]string{`GET /1 X-Id="1" -> 200 "123"/10 [gap]`, pair("2")}},
		{"coded content",
			[]string{">" + get("1"), "<" + gzipped + "\x1f\x8b\x08", "~<456", "<7890", ">" + get("2"), "<" + ok("2")},
			[]string{`GET /1 X-Id="1" -> 200 "\x1f\x8b\b"/10 [gap undecoded]`, pair("2")}},
		{"within a chunk",
			[]string{">" + get("1"), "<" + chunked + "5\r\n12", "~<34", "<5\r\n1\r\n6\r\n0\r\n\r\n", ">" + get("2"), "<" + ok("2")},
			[]string{`GET /1 X-Id="1" -> 200 "12"/6 [gap]`, pair("2")}},
		{"the end of a chunk's data",
			[]string{">" + get("1"), "<" + chunked + "5\r\n12", "~<345", "<\r\n0\r\n\r\n", ">" + get("2"), "<" + ok("2")},
			[]string{`GET /1 X-Id="1" -> 200 "12"/5 [gap]`, pair("2")}},
		{"between chunks",
			[]string{">" + get("1"), "<" + chunked + "5\r\n12", "~<345\r\n3", "<\r\nabc\r\n0\r\n\r\n", ">" + get("2"), "<" + ok("2")},
			[]string{`GET /1 X-Id="1" -> 200 "12"/5 [gap]`, pair("2", "after_gap")}},
		{"content up to the end of the connection",
			[]string{">" + get("1"), "<HTTP/1.1 200 OK\r\n\r\nab", "~<cd", "<" + ok("x"), "]<"},
			[]string{`GET /1 X-Id="1" -> 200 "ab"/52 [gap]`}},
		{"a response, and the request behind it",
			[]string{">" + get("1"), "~<" + ok("1"), "~>" + get("2"), "<" + ok("2"), ">" + get("3"), "<" + ok("3")},
			[]string{request("1"), response("2"), pair("3", "after_gap")}},
		{"everything, for a while",
			[]string{">" + get("1"), "<" + ok("1"), "~>" + get("2"), "~<" + ok("2"), ">" + get("3"), "<" + ok("3"), ">" + get("4"), "<" + ok("4")},
			// What the server answered before the third is not known.
			[]string{pair("1"), request("3"), response("3"), pair("4", "after_gap")}},
		{"an answer to a HEAD that is lost",
			[]string{"~>HEAD /1 HTTP/1.1\r\n\r\n", "<" + long, ">" + get("2"), "<" + ok("2")},
			[]string{request("2"), `- -> 200 [unpaired]`, response("2")}},

		// Late, but not lost.
		{"requests behind their responses",
			[]string{"a>" + get("1"), "<" + ok("1"), "a", ">" + get("2"), "<" + ok("2")},
			[]string{pair("1"), pair("2")}},
		{"several requests behind their responses",
			[]string{">" + get("1"), "<" + ok("1"), "a>" + get("2"), "<" + ok("2"), "b>" + get("3"), "<" + ok("3"), "a", "b"},
			[]string{pair("1"), pair("2"), pair("3")}},
		{"half a request behind its response",
			[]string{">" + post + "12345", "a>67890", "<" + ok("1"), "a"},
			[]string{`POST /a "1234567890" -> 200 X-Id="1" "1"`}},
		{"a request behind half its response",
			[]string{">" + get("1"), "<" + ok("1"), "a>" + get("2"), "<" + ok("2")[:40], "a", "<" + ok("2")[40:]},
			[]string{pair("1"), pair("2")}},
		{"a request that crosses an answer to nothing",
			[]string{">" + get("1"), "<" + ok("1"), "a>" + get("2"), "b<HTTP/1.1 408 x\r\nContent-Length: 0\r\n\r\n", "a", "b"},
			// This one was sent with the request acknowledged, so it counts.
			[]string{pair("1"), `GET /2 X-Id="2" -> 408`}},
		{"an answer to nothing that crosses a request",
			[]string{">" + get("1"), "<" + ok("1"), "b<HTTP/1.1 408 x\r\nContent-Length: 0\r\n\r\n", "a>" + get("2"), "a", "b", "]<"},
			[]string{pair("1"), `- -> 408 [unpaired]`, request("2")}},
	})
}

// Conversations of which the beginning is missing.
func TestMidstream(t *testing.T) {
	play(t, false, []playCase{
		{"nothing of HTTP", []string{">abc", "<def"}, nil},
		{"the end of an answer, then a request and its answer",
			[]string{"<abc", "<def", ">" + get("1"), "<" + ok("1"), ">" + get("2"), "<" + ok("2")},
			[]string{`GET /1 X-Id="1" -> 200 X-Id="1" "1" [midstream]`, `GET /2 X-Id="2" -> 200 X-Id="2" "2" [midstream]`}},
		{"the answer to what was before",
			[]string{"<" + ok("0"), ">" + get("1"), "<" + ok("1")},
			[]string{`- -> 200 X-Id="0" "0" [midstream unpaired]`, `GET /1 X-Id="1" -> 200 X-Id="1" "1" [midstream]`}},
		{"the end of a request, and its answer",
			[]string{">\r\nX-A: b\r\n\r\n", "<" + ok("0"), ">" + get("1"), "<" + ok("1")},
			[]string{`- -> 200 X-Id="0" "0" [midstream unpaired]`, `GET /1 X-Id="1" -> 200 X-Id="1" "1" [midstream]`}},
		{"the end of a request, and another one without waiting",
			[]string{">\r\nX-A: b\r\n\r\n", ">" + get("1"), "<" + ok("0"), "<" + ok("1")},
			[]string{`GET /1 X-Id="1" -> - [midstream unpaired]`, `- -> 200 X-Id="0" "0" [midstream unpaired]`, `- -> 200 X-Id="1" "1" [midstream unpaired]`}},
		{"pipelined",
			[]string{">" + get("1") + get("2"), "<" + ok("1") + ok("2")},
			[]string{`GET /1 X-Id="1" -> - [midstream unpaired]`, `GET /2 X-Id="2" -> - [midstream pipelined unpaired]`,
				`- -> 200 X-Id="1" "1" [midstream unpaired]`, `- -> 200 X-Id="2" "2" [midstream unpaired]`}},
		{"requests alone",
			[]string{">" + get("1"), "~<" + ok("1"), ">" + get("2"), "~<" + ok("2")},
			[]string{`GET /1 X-Id="1" -> - [midstream unpaired]`, `GET /2 X-Id="2" -> - [midstream unpaired]`}},
		{"responses alone",
			[]string{"~>" + get("1"), "<" + ok("1"), "~>" + get("2"), "<" + ok("2")},
			[]string{`- -> 200 X-Id="1" "1" [midstream unpaired]`, `- -> 200 X-Id="2" "2" [midstream unpaired]`}},
		{"a response to a HEAD that is not known",
			[]string{"<HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\n", "<" + ok("2")},
			[]string{`- -> 200 [midstream unpaired]`, `- -> 200 X-Id="2" "2" [midstream unpaired]`}},
		{"roles that were not what they seemed",
			[]string{"<" + get("x"), "<" + ok("0"), ">" + get("1"), "<" + ok("1"), ">" + get("2"), "<" + ok("2")},
			[]string{`GET /x X-Id="x" -> - [midstream unpaired]`, `- -> 200 X-Id="0" "0" [midstream unpaired]`,
				`GET /1 X-Id="1" -> 200 X-Id="1" "1" [midstream]`, `GET /2 X-Id="2" -> 200 X-Id="2" "2" [midstream]`}},
	})
}
