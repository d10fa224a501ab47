package reassemblytest

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// The frames of HTTP/2 that scripts send raw: each function gives a quoted
// string. Header blocks have literals only, without any table, so that a frame
// does not depend on those before it.

// http2Hello is what a client says first (RFC 9113, section 3.4).
func http2Hello() string {
	return strconv.Quote("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, "\x00\x03\x00\x00\x00\x64"))
}

// http2Settings is what a server says first, with the acknowledgement of what
// the client said.
func http2Settings() string {
	return strconv.Quote(frame(4, 0, 0, "\x00\x03\x00\x00\x00\x64") + frame(4, 1, 0, ""))
}

// http2Headers is a HEADERS frame with fields "name: value"; a last one "end"
// ends the message.
func http2Headers(stream int, fields ...string) (string, error) {
	var block strings.Builder
	flags := byte(4)
	for i, f := range fields {
		if f == "end" && i == len(fields)-1 {
			flags |= 1
			break
		}
		at := strings.Index(f[min(1, len(f)):], ": ") + 1
		if at == 0 {
			return "", fmt.Errorf("h2: %q is not %q", f, "name: value")
		}
		block.WriteByte(0) // RFC 7541, section 6.2.2
		for _, s := range []string{f[:at], f[at+2:]} {
			if n := len(s); n < 127 {
				block.WriteByte(byte(n))
			} else {
				block.WriteByte(127)
				block.Write(binary.AppendUvarint(nil, uint64(n-127))) // section 5.1
			}
			block.WriteString(s)
		}
	}
	return strconv.Quote(frame(1, flags, stream, block.String())), nil
}

// http2Data is a DATA frame, with "end" the last of its message.
func http2Data(stream int, content string, end ...string) string {
	return strconv.Quote(frame(0, byte(len(end)&1), stream, content))
}

func frame(kind, flags byte, stream int, payload string) string {
	n := len(payload)
	b := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	return string(binary.BigEndian.AppendUint32(b, uint32(stream))) + payload
}
