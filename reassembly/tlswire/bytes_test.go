package tlswire_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/identify"
	"github.com/authtap/authtap/reassembly/reassemblytest"
	"github.com/authtap/authtap/reassembly/tlswire"
)

// Messages and records by hand.

func vector(lengthBytes int, b ...byte) []byte {
	n := []byte{byte(len(b) >> 16), byte(len(b) >> 8), byte(len(b))}
	return append(n[3-lengthBytes:], b...)
}

func message(kind byte, parts ...[]byte) []byte {
	return append([]byte{kind}, vector(3, slices.Concat(parts...)...)...)
}

func record(kind, minor byte, parts ...[]byte) string {
	return string(append([]byte{kind, 3, minor}, vector(2, slices.Concat(parts...)...)...))
}

var random = []byte("a random number of 32 bytes.....")

func clientHello(minor byte, suites ...byte) []byte {
	return message(1, []byte{3, minor}, random, vector(1), vector(2, suites...), []byte{1, 0})
}

func serverHello(minor, high, low byte) []byte {
	return message(2, []byte{3, minor}, random, vector(1), []byte{high, low, 0})
}

// old is a whole handshake of SSL 3.0 or TLS 1.0, and data.
func old(minor byte) []reassemblytest.Turn {
	return []reassemblytest.Turn{
		{Text: record(22, minor, clientHello(minor, 0, 4, 0, 5))},
		{Server: true, Text: record(22, minor, serverHello(minor, 0, 4), message(14))},
		{Text: record(22, minor, message(16, random)) + record(20, minor, []byte{1}) + record(22, minor, random, random[:8])},
		{Server: true, Text: record(20, minor, []byte{1}) + record(22, minor, random, random[:8])},
		{Text: record(23, minor, random)},
	}
}

func TestSSL3(t *testing.T) {
	h := read(t, old(0))
	if h.ServerHello.Version != exchange.SSL30 || h.ServerHello.Suite != 4 || h.Outcome != exchange.Established || h.Damage != 0 ||
		h.ServerHello.Version.String() != "SSL 3.0" || h.ClientHello.JA4[:4] != "ts3i" {
		t.Errorf("%+v", h)
	}
	reassemblytest.Splits(t, old(0), factory(tlswire.Limits{}))
	gaps(t, old(0), h)
}

// ssl2Hello is a ClientHello in the format of SSL 2.0, of a client that knows
// up to TLS 1.0.
var ssl2Hello = "\x80\x2b\x01\x03\x01\x00\x12\x00\x00\x00\x10" +
	"\x00\x00\x04" + "\x00\x00\x05" + "\x00\x00\x0a" + "\x01\x00\x80" + "\x07\x00\xc0" + "\x00\x00\x64" + "sixteen random b"

func TestSSL2(t *testing.T) {
	answered := []reassemblytest.Turn{{Text: ssl2Hello}}
	answered = append(answered, old(1)[1:]...)
	h := read(t, answered)
	c := h.ClientHello
	if !c.SSLv2 || c.Legacy != exchange.TLS10 || !slices.Equal(c.Suites, []uint16{4, 5, 10, 100}) || c.JA3 == "" ||
		h.ServerHello.Version != exchange.TLS10 || h.Outcome != exchange.Established || h.Damage != 0 {
		t.Errorf("%+v", h)
	}
	reassemblytest.Splits(t, answered, factory(tlswire.Limits{}))

	// A server that knows nothing else, with a certificate of three bytes.
	server := "\x80\x19\x04\x00\x01\x00\x02\x00\x03\x00\x03\x00\x08" + "der" + "\x01\x00\x80" + "eight by"
	alone := []reassemblytest.Turn{
		{Text: ssl2Hello}, {Server: true, Text: server}, {Text: "\x80\x05\x02\x01\x00\x80k"}, {Server: true, Text: "\x80\x11encrypted........"}, {Text: "\x80\x11encrypted........"},
	}
	h = read(t, alone)
	if h.ServerHello.Version != exchange.SSL20 || h.ServerHello.Version.String() != "SSL 2.0" || h.Outcome != exchange.Established || h.DamagedCertificates != 1 {
		t.Errorf("%+v", h)
	}
	reassemblytest.Splits(t, alone, factory(tlswire.Limits{}))
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       identify.Confidence
	}{
		{"a request", "GET / HTTP/1.1\r\n", identify.NotMine},
		{"SSH", "SSH-2.0-x\r\n", identify.NotMine},
		{"version 4", "\x16\x04\x01\x00\x05", identify.NotMine},
		{"version 3.5", "\x16\x03\x05\x00\x05", identify.NotMine},
		{"an empty handshake", "\x16\x03\x01\x00\x00", identify.NotMine},
		{"too long", "\x17\x03\x03\x48\x01", identify.NotMine},
		{"no record behind it", "\x15\x03\x03\x00\x02\x02\x28GET /", identify.NotMine},
		{"SSL 2.0 with wrong lengths", "\x80\x2c" + ssl2Hello[2:], identify.NotMine},
		{"SSL 2.0 of another version", "\x80\x2b\x01\x07\x01\x00\x12\x00\x00\x00\x10", identify.NotMine},
		{"UTF-8", "é is no TLS", identify.NotMine},
		{"data", "\x17\x03\x03\x48\x00", identify.Certain},
		{"empty data", "\x17\x03\x01\x00\x00", identify.Certain},
		{"two records", "\x15\x03\x03\x00\x02\x02\x28\x17\x03\x03\x00\x01", identify.Certain},
	} {
		if got := tlswire.LikeTLS([]byte(c.text)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	// A hello is never nobody's, however short.
	for _, hello := range []string{ssl2Hello, old(1)[0].Text} {
		last := identify.Unsure
		for n := 1; n <= len(hello); n++ {
			got := tlswire.LikeTLS([]byte(hello[:n]))
			if got < last {
				t.Errorf("%q: %v", hello[:n], got)
			}
			last = got
		}
		if last != identify.Certain {
			t.Errorf("%q is not known", hello)
		}
	}
}

// Truncated at every byte, with the end of the capture behind: what is there is
// told, marked, and nothing else.
func TestTruncated(t *testing.T) {
	turns := meetings[1].hold(t)
	whole := read(t, turns)
	for _, cut := range []int{0, 1} {
		text := turns[cut].Text
		for n := range len(text) {
			k := newKeep(tlswire.Limits{}, nil)
			list := append(slices.Clone(turns[:cut]), reassemblytest.Turn{Server: turns[cut].Server, Text: text[:n]})
			if n == 0 {
				list = list[:cut]
			}
			feed(list, k.shard)
			for _, h := range k.list {
				if wrong := contradicts(h, whole); wrong != "" || h.Outcome != exchange.Closed {
					t.Fatalf("message %d cut at %d: %s %+v", cut, n, wrong, h)
				}
				if c := h.ClientHello; cut == 0 && (!c.Cut || c.JA3 != "" || h.Flags&exchange.Unpaired == 0) {
					t.Fatalf("message %d cut at %d: %+v", cut, n, h)
				}
			}
			if k.shard.Stats().Held != 0 || cut == 1 && len(k.list) != 1 {
				t.Fatalf("message %d cut at %d: %d handshakes, %+v", cut, n, len(k.list), k.shard.Stats())
			}
		}
	}
}

// What comes in mid-stream is encrypted, and stays so.
func TestMidstream(t *testing.T) {
	k := newKeep(tlswire.Limits{}, nil)
	feedParser([]reassemblytest.Turn{{Text: record(23, 3, random)}, {Server: true, Text: record(23, 3, random)}}, func(start *reassembly.Start) reassembly.Parser {
		start.Handshake = false
		p := k.shard.New(start, nil)
		return p
	})
	if st := k.shard.Stats(); len(k.list) != 0 || st.Midstream != 1 || st.Opaque == 0 || st.Unreadable != 0 {
		t.Errorf("%d handshakes, %+v", len(k.list), st)
	}
	// A hello of which only the TCP handshake is missing is read.
	k = newKeep(tlswire.Limits{}, nil)
	feedParser(old(1), func(start *reassembly.Start) reassembly.Parser {
		start.Handshake = false
		return k.shard.New(start, nil)
	})
	if len(k.list) != 1 || k.list[0].Flags != exchange.Midstream || k.list[0].Outcome != exchange.Established {
		t.Errorf("%+v", k.list)
	}
}

// A server that answers in something else.
func TestForeign(t *testing.T) {
	k := newKeep(tlswire.Limits{}, nil)
	turns := []reassemblytest.Turn{old(1)[0], {Server: true, Text: "HTTP/1.1 400 Bad Request\r\n\r\n"}, {Text: "more"}}
	feedParser(turns, func(start *reassembly.Start) reassembly.Parser {
		return k.shard.New(start, k.rest.New(*start))
	})
	if len(k.list) != 1 || k.list[0].Outcome != exchange.Closed || k.shard.Stats().Foreign != 1 {
		t.Errorf("%+v, %+v", k.list, k.shard.Stats())
	}
	if got := k.rest.String(); !strings.Contains(got, "\n< \"HTTP/1.1 400") || !strings.Contains(got, "> \"more\"") || !strings.Contains(got, "fin") {
		t.Errorf("rest got\n%s", got)
	}
}

// Drafts of TLS 1.3 lay their ServerHello out in another way.
func TestDraft(t *testing.T) {
	hello := message(2, []byte{0x7f, 18}, random, []byte{0x13, 1}, vector(2, 0, 51, 0, 4, 0, 29, 0, 0))
	h := read(t, []reassemblytest.Turn{{Text: record(22, 1, clientHello(3, 0x13, 1))}, {Server: true, Text: record(22, 1, hello)}})
	if s := h.ServerHello; s.Version.String() != "TLS 1.3 draft 18" || !s.Version.Is13() || s.Suite != 0x1301 || h.Group != 29 || h.Damage != 0 {
		t.Errorf("%+v", h)
	}
}

// Every limit is met once.
func TestLimits(t *testing.T) {
	long := message(1, []byte{3, 1}, random, vector(1), vector(2, make([]byte, 4000)...), []byte{1, 0})
	turns := append([]reassemblytest.Turn{{Text: record(22, 1, long)}}, old(1)[1:]...)

	k := newKeep(tlswire.Limits{HandshakeBytes: 4000}, nil)
	feed(turns, k.shard)
	if st := k.shard.Stats(); st.HandshakesOver != 1 || len(k.list) != 1 || k.list[0].Damage&exchange.Cut == 0 || k.list[0].ClientHello.Present {
		t.Errorf("HandshakeBytes: %+v, %+v", st, k.list)
	}

	k = newKeep(tlswire.Limits{HeldBytes: 1000}, nil)
	feed(turns, k.shard)
	if st := k.shard.Stats(); st.Refusals != 1 || len(k.list) != 0 || st.Opaque == 0 {
		t.Errorf("HeldBytes, a connection: %+v, %+v", st, k.list)
	}
	k = newKeep(tlswire.Limits{HeldBytes: 5000}, nil)
	feed([]reassemblytest.Turn{{Text: turns[0].Text[:100]}, {Text: turns[0].Text[100:]}, turns[1]}, k.shard)
	if st := k.shard.Stats(); st.Refusals == 0 || len(k.list) != 1 || k.list[0].Damage&exchange.HeadGap == 0 || st.Held != 0 {
		t.Errorf("HeldBytes: %+v, %+v", st, k.list)
	}

	one := vector(3, []byte("no certificate")...)
	turns = old(1)
	turns[1].Text = record(22, 1, serverHello(1, 0, 4), message(11, vector(3, slices.Concat(one, one, one)...)), message(14))
	k = newKeep(tlswire.Limits{Certificates: 2}, nil)
	feed(turns, k.shard)
	if st := k.shard.Stats(); st.CertificatesOver != 1 || st.DamagedCertificates != 2 || k.list[0].DamagedCertificates != 2 {
		t.Errorf("Certificates: %+v, %+v", st, k.list)
	}

	// A long talk of which the beginning of one side is missing is not waited
	// for.
	k = newKeep(tlswire.Limits{}, nil)
	turns = old(1)[:1]
	for range 5 {
		turns = append(turns, reassemblytest.Turn{Text: record(23, 1, make([]byte, 1<<14))})
	}
	feed(turns, k.shard)
	if len(k.list) != 1 || k.list[0].Outcome != exchange.Established || k.list[0].Flags != exchange.Unpaired || k.list[0].Order.Packet > 6 {
		t.Errorf("%+v", k.list)
	}

	// Nor is one in which no record is to be found.
	k = newKeep(tlswire.Limits{}, nil)
	turns = old(1)[:2]
	turns = append(turns, client("no record"))
	for range 5 {
		turns = append(turns, client(strings.Repeat("no record.......", 1<<10)))
	}
	feed(turns, k.shard)
	if len(k.list) != 1 || k.list[0].Outcome != exchange.Unfinished || k.list[0].Order.Packet > 7 {
		t.Errorf("%+v", k.list)
	}

	// Alerts beyond those that are kept.
	turns = old(1)[:1]
	for range 20 {
		turns = append(turns, reassemblytest.Turn{Server: true, Text: record(21, 1, []byte{1, 112})})
	}
	if h := read(t, turns); len(h.Alerts) != 8 || h.Outcome != exchange.Closed {
		t.Errorf("%+v", h)
	}
}
