package credential

import "encoding/binary"

// The bounds of gRPC: messages of a body, and how deep they are nested.
const (
	maxMessages = 64
	maxNested   = 8
)

// grpc looks at the messages of a gRPC body, which come behind a byte that says
// whether they are compressed and their length
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). Fields have
// numbers there and no names: what is found has the form of a token or key.
func (f *Finder) grpc(b []byte) {
	for range maxMessages {
		if len(b) < 5 {
			return
		}
		n := binary.BigEndian.Uint32(b[1:])
		compressed := b[0] != 0
		if b = b[5:]; uint64(n) > uint64(len(b)) {
			f.stats.AtCutEnd++
			return
		}
		if !compressed {
			f.protobuf(b[:n], maxNested)
		}
		b = b[n:]
	}
}

// protobuf looks at the fields of a message that have a length
// (https://protobuf.dev/programming-guides/encoding/). A string and a message
// look alike; one that reads as a message to its end may be one.
func (f *Finder) protobuf(b []byte, depth int) (ok bool) {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 {
			return false
		}
		b = b[n:]
		switch tag & 7 {
		case 0:
			if _, n = binary.Uvarint(b); n <= 0 {
				return false
			}
			b = b[n:]
		case 1, 5:
			size := 8
			if tag&7 == 5 {
				size = 4
			}
			if len(b) < size {
				return false
			}
			b = b[size:]
		case 2:
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return false
			}
			value := b[n : n+int(size)]
			b = b[n+int(size):]
			if len(value) < vendorLeast {
				continue
			}
			switch s := text(value); {
			case maybeJWT(s) || vendorOf(s) != nil:
				f.named(Place{Part: InBody}, noField, s)
			case depth > 0:
				f.protobuf(value, depth-1)
			}
		default:
			return false
		}
	}
	return true
}
