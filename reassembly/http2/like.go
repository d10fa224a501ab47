package http2

import (
	"encoding/binary"

	"github.com/authtap/authtap/reassembly/identify"
)

// LikeClient says whether bytes begin as a client does: with the preface, or,
// in the middle of a connection, with a chain of frames.
func LikeClient(b []byte) identify.Confidence {
	if n := min(len(b), len(preface)); string(b[:n]) == preface[:n] {
		if n == len(preface) {
			return identify.Certain
		}
		return identify.Unsure
	}
	return likeFrames(b)
}

// LikeServer says whether bytes begin as a server does: with a SETTINGS frame
// that sets something, or with a chain of frames.
func LikeServer(b []byte) identify.Confidence {
	if len(b) >= frameHeader {
		if f, ok := plausible(b); ok && f.kind == settingsFrame && len(b) >= frameHeader+int(f.length) && sensible(b[frameHeader:frameHeader+int(f.length)]) {
			return identify.Certain
		}
	}
	return likeFrames(b)
}

// sensible reports whether all settings are registered (RFC 9113, section
// 6.5.2; RFC 8441, RFC 9218) or there to be ignored (RFC 8701), those that have
// bounds are within them, and there is one that has.
func sensible(b []byte) bool {
	bounded := false
	for ; len(b) >= 6; b = b[6:] {
		v := binary.BigEndian.Uint32(b[2:])
		switch id := binary.BigEndian.Uint16(b); id {
		case 2, 8, 9: // ENABLE_PUSH, ENABLE_CONNECT_PROTOCOL, NO_RFC7540_PRIORITIES
			if v > 1 {
				return false
			}
			bounded = true
		case 4: // INITIAL_WINDOW_SIZE
			if v > 1<<31-1 {
				return false
			}
			bounded = true
		case 5: // MAX_FRAME_SIZE
			if v < 1<<14 || v >= 1<<24 {
				return false
			}
			bounded = true
		case 1, 6: // HEADER_TABLE_SIZE, MAX_HEADER_LIST_SIZE
			bounded = bounded || v < 1<<24
		case 3: // MAX_CONCURRENT_STREAMS
			bounded = bounded || v > 0 && v <= 1<<20
		default:
			if id&0x0f0f != 0x0a0a {
				return false
			}
		}
	}
	return bounded
}

// likeFrames wants two plausible frames in a row, with a header block that
// shows who speaks. Nothing less is believed: other protocols begin their
// messages with a length, too.
func likeFrames(b []byte) identify.Confidence {
	s := look(b)
	switch {
	case !s.ok:
		return identify.NotMine
	case s.frames >= 2 && s.request != s.response:
		return identify.Certain
	}
	return identify.Unsure
}

// sight is what bytes look like that may begin with a frame.
type sight struct {
	ok                bool // nothing speaks against it
	frames            int  // headers of frames that are there
	whole             bool // the first frame is there to its end
	exact             bool // the bytes end with a frame
	first             frame
	request, response bool // header blocks that are those of requests, of responses
}

// look follows a chain of frames.
func look(b []byte) sight {
	s := sight{ok: true}
	for len(b) >= frameHeader {
		f, ok := plausible(b)
		if !ok {
			return sight{}
		}
		b = b[frameHeader:]
		s.frames++
		there := len(b) >= int(f.length)
		if s.frames == 1 {
			s.first, s.whole = f, there
		}
		if !there {
			return s
		}
		if payload := b[:f.length]; f.kind == headersFrame {
			block, _, ok := f.fragment(payload)
			if !ok {
				return sight{}
			}
			if f.flags&endHeaders != 0 {
				of, ok := shape(block)
				if !ok {
					return sight{}
				}
				s.request = s.request || of == requestShape
				s.response = s.response || of == responseShape
			}
		}
		b = b[f.length:]
	}
	s.exact = s.frames > 0 && len(b) == 0
	if s.frames == 0 && (b[0] != 0 || len(b) > 3 && b[3] > 0x10) {
		return sight{}
	}
	return s
}

// What a header block is of, as its pseudo-header fields tell.
const (
	noShape = iota
	requestShape
	responseShape
)

// shape reads a header block without any table. It is ok if it can be read to
// its end, and has nothing in it that no header has.
func shape(b []byte) (of int, ok bool) {
	r := reader{lines: 1 << 10, most: 1 << 16}
	t := table{partial: true, allowed: 1<<32 - 1}
	regular := false
	r.block = block{}
	for first := true; len(b) > 0; {
		n := len(r.fields)
		// With a table of no size nothing is added to it.
		rest, ok := r.field(&t, b, first)
		if !ok || r.broken || r.bad {
			return noShape, false
		}
		first = first && b[0]&0xe0 == 0x20
		b = rest
		if len(r.fields) == n {
			continue // not known, or a new size of the table
		}
		name := r.fields[n].Name
		if k := len(r.pending) - 1; k >= 0 && r.pending[k].field == n && !r.pending[k].named {
			name = string(r.text[r.pending[k].from:r.pending[k].mid])
		}
		was := of
		switch name {
		case ":method", ":scheme", ":path", ":authority", ":protocol":
			of = requestShape
		case ":status":
			of = responseShape
		default:
			if name[0] == ':' {
				return noShape, false
			}
			regular = true
			continue
		}
		if regular || was != noShape && (was != of || of == responseShape) {
			return noShape, false
		}
	}
	return of, true
}
