package endpoint

import (
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/authtap/authtap/reassembly/exchange"
)

// grpc judges the answer to a gRPC call, which is a 200 whatever came of it:
// grpc-status tells (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md),
// in the trailer, in the header when there is nothing else, and with gRPC-Web
// at the end of the content. Where it says neither success nor refusal, or was
// not seen, nobody knows.
func (a *Answer) grpc(x *exchange.Exchange, kind, status string) {
	r := &x.Response
	call := isGRPC(kind) || x.Protocol == exchange.HTTP2 && x.Request.Method == "POST" && isGRPC(x.Request.Header.Get("Content-Type"))
	if status == "" && call {
		if status = r.Trailer.Get("grpc-status"); status == "" && hasFold(kind, "application/grpc-web") && int64(len(r.Body.Bytes)) == r.Body.Length {
			status = webStatus(r.Body.Bytes, hasFold(kind, "application/grpc-web-text"))
		}
	}
	switch {
	case status == "7" || status == "16": // PERMISSION_DENIED, UNAUTHENTICATED
		a.Marks |= Soft
	case call && status != "0":
		a.Marks |= Uncertain
	}
}

func isGRPC(kind string) bool {
	const grpc = "application/grpc"
	return hasFold(kind, grpc) && (len(kind) == len(grpc) || kind[len(grpc)] == '+' || kind[len(grpc)] == '-' || kind[len(grpc)] == ';' || kind[len(grpc)] == ' ')
}

// hasFold reports whether s begins with lower, in any case.
func hasFold(s, lower string) bool {
	return len(s) >= len(lower) && strings.EqualFold(s[:len(lower)], lower)
}

// webStatus finds grpc-status in the trailer that ends the content of gRPC-Web
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md), or gives "".
func webStatus(b []byte, text bool) string {
	if text {
		b = decodeQuanta(b)
	}
	for len(b) >= 5 {
		flag, n := b[0], binary.BigEndian.Uint32(b[1:])
		if b = b[5:]; uint64(n) > uint64(len(b)) {
			return ""
		}
		if flag == 0x80 {
			for line := range strings.Lines(string(b[:n])) {
				if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "grpc-status") {
					return strings.TrimSpace(value)
				}
			}
			return ""
		}
		b = b[n:]
	}
	return ""
}

// decodeQuanta decodes base64 that may be padded anywhere, since each piece of
// the content is coded for itself.
func decodeQuanta(b []byte) []byte {
	out := make([]byte, 0, len(b)*3/4)
	for ; len(b) >= 4; b = b[4:] {
		var q [3]byte
		n, err := base64.StdEncoding.Decode(q[:], b[:4])
		if err != nil {
			return out
		}
		out = append(out, q[:n]...)
	}
	return out
}
