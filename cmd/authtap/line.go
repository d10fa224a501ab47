package main

import (
	"net/netip"
	"strconv"
	"unicode/utf8"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

// lines writes exchanges as lines of JSON. It belongs to one goroutine.
//
// It remembers the text of the second and of the latest conversations, which
// is half of the work of a line.
type lines struct {
	second capture.Time
	ts     []byte
	ends   [512]ends
}

// ends is what a line says of a conversation.
type ends struct {
	client, server netip.AddrPort
	text           []byte
}

// append appends an exchange as a line. query is the request's query with the
// credentials' values hidden, file the input that the exchange is from. What
// is not known is null: all that a request says where there is none, the
// status where there is no response.
func (l *lines) append(b []byte, x *exchange.Exchange, path, query, file string) []byte {
	b = append(b, `{"ts":"`...)
	b = l.appendTime(b, x.Origin.Time)
	b = append(b, `","community_id":"`...)
	b = l.appendEnds(b, x.Client, x.Server)
	b = append(b, `,"protocol":"`...)
	b = append(b, x.Protocol.String()...)
	if x.Request.Present {
		b = append(b, `","method":`...)
		b = appendString(b, x.Request.Method)
		b = append(b, `,"host":`...)
		b = appendString(b, x.Host())
		b = append(b, `,"path":`...)
		b = appendString(b, path)
		b = append(b, `,"query":`...)
		b = appendString(b, query)
	} else {
		b = append(b, `","method":null,"host":null,"path":null,"query":null`...)
	}
	b = append(b, `,"status":`...)
	if x.Response.Present {
		b = strconv.AppendInt(b, int64(x.Response.Status), 10)
	} else {
		b = append(b, `null`...)
	}
	b = append(b, `,"request_body_bytes":`...)
	b = strconv.AppendInt(b, x.Request.Body.Length, 10)
	b = append(b, `,"response_body_bytes":`...)
	b = strconv.AppendInt(b, x.Response.Body.Length, 10)
	b = append(b, `,"tls":"`...)
	b = append(b, x.TLS.String()...)
	b = append(b, `","tunnel":`...)
	if x.Tunnels == 0 {
		b = append(b, `null`...)
	} else {
		b = append(b, '"')
		b = x.Tunnels.AppendTo(b)
		b = append(b, '"')
	}
	b = append(b, `,"flags":[`...)
	for i, name := range x.Names() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, name...)
		b = append(b, '"')
	}
	b = append(b, `],"capture":{"file":`...)
	b = appendString(b, file)
	b = append(b, `,"packet":`...)
	b = strconv.AppendUint(b, x.Origin.Number, 10)
	return append(b, "}}\n"...)
}

// appendTime appends a time in capture.Layout.
func (l *lines) appendTime(b []byte, t capture.Time) []byte {
	const second = capture.Time(1e9)
	if t < 0 {
		return t.AppendTo(b)
	}
	fraction := t % second
	if l.ts == nil || t-fraction != l.second {
		l.ts = t.AppendTo(l.ts[:0])
		l.second = t - fraction
	}
	b = append(b, l.ts[:len(l.ts)-len("000000Z")]...)
	for unit := second / 10; unit >= 1000; unit /= 10 {
		b = append(b, '0'+byte(fraction/unit%10))
	}
	return append(b, 'Z')
}

// appendEnds appends the conversation's Community ID and its two ends.
func (l *lines) appendEnds(b []byte, client, server netip.AddrPort) []byte {
	e := &l.ends[int(client.Port())%len(l.ends)]
	if e.client != client || e.server != server || e.text == nil {
		e.client, e.server = client, server
		e.text = reassembly.AppendCommunityID(e.text[:0], client, server)
		e.text = append(e.text, `","client":`...)
		e.text = appendEnd(e.text, client)
		e.text = append(e.text, `,"server":`...)
		e.text = appendEnd(e.text, server)
	}
	return append(b, e.text...)
}

func appendEnd(b []byte, e netip.AddrPort) []byte {
	b = append(b, `{"ip":"`...)
	b = e.Addr().AppendTo(b)
	b = append(b, `","port":`...)
	b = strconv.AppendUint(b, uint64(e.Port()), 10)
	return append(b, '}')
}

// plain marks the bytes that stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string (RFC 8259, section 7). Bytes that
// are no UTF-8 become U+FFFD. Control characters are escaped, the ones from
// U+007F to U+009F too, which some terminals obey.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		if plain[s[i]] {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r >= 0xa0 && (r != utf8.RuneError || n > 1) {
			i += n
			continue
		}
		b = append(b, s[start:i]...)
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == utf8.RuneError:
			b = append(b, "\ufffd"...)
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		}
		i += n
		start = i
	}
	return append(append(b, s[start:]...), '"')
}
