package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frameSorter brings the frames of a connection into the order in which they
// always could have been written.
type frameSorter struct {
	greeted bool
	decoder *hpack.Decoder // of the client's fields
	encoder *hpack.Encoder
	block   bytes.Buffer
}

// acknowledged reports whether a side acknowledged the other's settings.
func acknowledged(b []byte) bool {
	found := false
	frames(b, func(f http2.Frame) error {
		s, ok := f.(*http2.SettingsFrame)
		found = found || ok && s.IsAck()
		return nil
	})
	return found
}

// frames reads whole frames, behind the preface if there is one.
func frames(b []byte, each func(http2.Frame) error) error {
	framer := http2.NewFramer(nil, bytes.NewReader(bytes.TrimPrefix(b, []byte(http2.ClientPreface))))
	for {
		f, err := framer.ReadFrame()
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(f); err != nil {
			return err
		}
	}
}

// order gives what client and server wrote for an exchange as flights. The first
// time the greetings stand before it.
func (s *frameSorter) order(client, server []byte) ([]flight, error) {
	first, err := s.sorted(client, true)
	if err != nil {
		return nil, err
	}
	second, err := s.sorted(server, false)
	if err != nil {
		return nil, err
	}
	if s.greeted {
		return []flight{{false, slices.Concat(first[:]...)}, {true, slices.Concat(second[:]...)}}, nil
	}
	s.greeted = true
	return []flight{
		{false, append([]byte(http2.ClientPreface), first[greeting]...)},
		{true, slices.Concat(second[greeting], second[acknowledgement])},
		{false, slices.Concat(first[acknowledgement], first[message])},
		{true, second[message]},
	}, nil
}

// What frames are for, in the order in which they are put.
const (
	greeting = iota
	acknowledgement
	message
	purposes
)

// sorted gives the frames of a side by what they are for. WINDOW_UPDATE is kept in
// the greeting only: those that give room back for content come when the reader
// gets to it, behind this message or the next, and nothing here needs the room.
func (s *frameSorter) sorted(b []byte, client bool) (by [purposes][]byte, err error) {
	var out [purposes]bytes.Buffer
	updated := false
	err = frames(b, func(f http2.Frame) error {
		p := message
		switch f := f.(type) {
		case *http2.SettingsFrame:
			p = greeting
			if f.IsAck() {
				p = acknowledgement
			}
		case *http2.WindowUpdateFrame:
			if s.greeted || f.StreamID != 0 || updated {
				return nil
			}
			p, updated = greeting, true
		case *http2.HeadersFrame:
			if client {
				return s.headers(&out[message], f)
			}
		case *http2.DataFrame:
			return http2.NewFramer(&out[message], nil).WriteData(f.StreamID, f.StreamEnded(), f.Data())
		}
		content, err := payload(f)
		if err != nil {
			return err
		}
		h := f.Header()
		return http2.NewFramer(&out[p], nil).WriteRawFrame(h.Type, h.Flags, h.StreamID, content)
	})
	for i := range out {
		by[i] = out[i].Bytes()
	}
	return by, err
}

// payload is what a frame that is not read further holds.
func payload(f http2.Frame) ([]byte, error) {
	var buf bytes.Buffer
	framer := http2.NewFramer(&buf, nil)
	switch f := f.(type) {
	case *http2.SettingsFrame:
		var all []http2.Setting
		f.ForeachSetting(func(s http2.Setting) error { all = append(all, s); return nil })
		if f.IsAck() {
			return nil, nil
		}
		framer.WriteSettings(all...)
	case *http2.WindowUpdateFrame:
		framer.WriteWindowUpdate(f.StreamID, f.Increment)
	case *http2.HeadersFrame:
		return f.HeaderBlockFragment(), nil
	case *http2.RSTStreamFrame:
		framer.WriteRSTStream(f.StreamID, f.ErrCode)
	case *http2.PingFrame:
		return f.Data[:], nil
	default:
		return nil, fmt.Errorf("a frame that the laboratory cannot put in order, as nobody sends it so far: %v; payload, in http2.go, has to learn it", f.Header())
	}
	return buf.Bytes()[9:], nil
}

// headers writes a HEADERS frame with its fields sorted.
func (s *frameSorter) headers(to *bytes.Buffer, f *http2.HeadersFrame) error {
	if s.decoder == nil {
		s.decoder = hpack.NewDecoder(4096, nil)
		s.encoder = hpack.NewEncoder(&s.block)
	}
	fields, err := s.decoder.DecodeFull(f.HeaderBlockFragment())
	if err != nil {
		return err
	}
	if !f.HeadersEnded() {
		return errors.New("a header of more than one frame")
	}
	slices.SortStableFunc(fields, func(a, b hpack.HeaderField) int {
		switch {
		case a.IsPseudo() && b.IsPseudo():
			return 0
		case a.IsPseudo():
			return -1
		case b.IsPseudo():
			return 1
		}
		return bytes.Compare([]byte(a.Name), []byte(b.Name))
	})
	s.block.Reset()
	for _, field := range fields {
		if err := s.encoder.WriteField(field); err != nil {
			return err
		}
	}
	return http2.NewFramer(to, nil).WriteHeaders(http2.HeadersFrameParam{
		StreamID: f.StreamID, BlockFragment: s.block.Bytes(), EndStream: f.StreamEnded(), EndHeaders: true,
	})
}
