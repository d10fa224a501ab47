package tlswire

import "github.com/authtap/authtap/reassembly/identify"

// LikeTLS says whether bytes begin with a record of TLS or with a ClientHello
// in the format of SSL 2.0. Where the next record begins within them, that
// must look like one, too.
func LikeTLS(b []byte) identify.Confidence {
	if b[0]&0x80 != 0 {
		return likeSSL2(b)
	}
	for i, want := range [...]struct{ low, high byte }{{TypeChangeCipherSpec, TypeHeartbeat}, {3, 3}, {0, 4}} {
		if i == len(b) {
			return identify.Unsure
		}
		if b[i] < want.low || b[i] > want.high {
			return identify.NotMine
		}
	}
	if len(b) < headerBytes {
		return identify.Unsure
	}
	if !isHeader(b) {
		return identify.NotMine
	}
	if next := headerBytes + int(be16(b[3:])); next+headerBytes <= len(b) && !isHeader(b[next:]) {
		return identify.NotMine
	}
	return identify.Certain
}

// likeSSL2 looks for a ClientHello in the format of SSL 2.0 (RFC 5246, appendix
// E.2): a record of two bytes length, with a message whose lengths add up.
func likeSSL2(b []byte) identify.Confidence {
	switch {
	case len(b) > 2 && b[2] != ssl2ClientHello, len(b) > 3 && b[3] != 0 && b[3] != 3:
		return identify.NotMine
	case len(b) < 2+ssl2Fixed:
		return identify.Unsure
	case !ssl2Lengths(b):
		return identify.NotMine
	}
	return identify.Certain
}
