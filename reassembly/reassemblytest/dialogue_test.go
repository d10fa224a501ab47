package reassemblytest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"
)

// tcpOf describes a frame: side, flags, relative position and payload.
type tcpSeen struct {
	flags    uint8
	seq, ack uint32
	payload  string
}

func seen(t *testing.T, p Packet) tcpSeen {
	t.Helper()
	_, tcp, payload, end, ok := layout(p.Data)
	if !ok {
		t.Fatalf("no TCP frame: %x", p.Data)
	}
	return tcpSeen{
		p.Data[tcp+13], binary.BigEndian.Uint32(p.Data[tcp+4:]),
		binary.BigEndian.Uint32(p.Data[tcp+8:]), string(p.Data[payload:end]),
	}
}

func flow(t *testing.T, packets []Packet) string {
	t.Helper()
	var b strings.Builder
	for _, p := range packets {
		s := seen(t, p)
		mark := ">"
		if p.FromServer {
			mark = "<"
		}
		b.WriteString(mark)
		for i, f := range "FSRPA" {
			if s.flags&(1<<i) != 0 {
				b.WriteRune(f)
			}
		}
		fmt.Fprintf(&b, "%d ", len(s.payload))
	}
	return strings.TrimSpace(b.String())
}

func play(t *testing.T, text string) []Packet {
	t.Helper()
	d, err := Parse("test", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d.Packets()
}

// sent joins what one side sent.
func sent(t *testing.T, packets []Packet, fromServer bool) string {
	var b strings.Builder
	for _, p := range packets {
		if p.FromServer == fromServer {
			b.WriteString(seen(t, p).payload)
		}
	}
	return b.String()
}

const open = "conn a 10.0.0.1:1000 10.0.0.2:80\n"

func TestErrorsTellTheLine(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"verb", "\nfly\n", `test:2: unknown statement "fly"`},
		{"no connection", "> GET / HTTP/1.1", "test:1: no connection"},
		{"fin without connection", "fin", "test:1: no connection"},
		{"rst without connection", "rst >", "test:1: no connection"},
		{"addresses", "conn a 10.0.0.1 10.0.0.2:80", "test:1: conn: "},
		{"families", "conn a 10.0.0.1:1 [::1]:80", "test:1: conn: both ends"},
		{"option", "conn a 10.0.0.1:1 10.0.0.2:80 fast", `test:1: conn: bad option "fast"`},
		{"mss", "conn a 10.0.0.1:1 10.0.0.2:80 mss=0", "test:1: conn: bad option"},
		{"number", "conn a 10.0.0.1:1 10.0.0.2:80 isn=x", "test:1: conn: isn"},
		{"name", open + "on b", "test:2: on:"},
		{"time", "time yesterday", "test:1: time:"},
		{"duration", "time +yesterday", "test:1: time:"},
		{"raw", open + ">> \"ok\"\n>> no", "test:2: line 3: want a quoted string"},
		{"empty", open + ">> \"\"", "test:2: a message has"},
		{"drop", open + "drop 2\n> GET / HTTP/1.1", "test:3: segment 2 is to be dropped"},
		{"drop nothing", open + "drop", "test:2: drop: which"},
		{"drop zero", open + "drop 0", `test:2: drop: "0" is no segment number`},
		{"drop at the end", open + "drop 1", "test: drop, dup, reorder or again without a message"},
		{"argument", open + "dup 1", "test:2: dup: takes no arguments"},
		{"side", open + "fin both", "test:2: fin: want > or <"},
		{"rst both", open + "rst", "test:2: rst: want > or <"},
		{"closed", open + "fin >\n> GET / HTTP/1.1", "test:3: this side"},
		{"closed twice", open + "fin >\nfin >", "test:3: this side"},
		{"reset", open + "rst <\n> GET / HTTP/1.1", "test:3: this side"},
		{"in a loop", open + "{{range seq 1 3}}\n> GET /{{.}} HTTP/1.1\n\nfly\n{{end}}", "test:5: unknown"},
		{"template", "{{nofunc}}", "nofunc"},
		{"execution", "\n{{template \"none\"}}", "none"},
		{"NUL", "> a\x00b", "test: a NUL byte"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("test", c.text, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestMessages(t *testing.T) {
	for _, c := range []struct{ name, script, client, server string }{
		{
			"head only", "> GET / HTTP/1.1\n> Host: a\n< HTTP/1.1 200 OK",
			"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		},
		{
			"body", "> POST / HTTP/1.1\n>\n> a\n>\n>  b\n", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\na\n\n b", "",
		},
		{
			"own length", "> POST / HTTP/1.1\n> content-length: 9\n> \n> a", "POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\na", "",
		},
		{
			"own coding", "< HTTP/1.1 200 OK\n< Transfer-Encoding: chunked", "", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		},
		{
			"without a body", "> HEAD / HTTP/1.1\n\n> CONNECT a:1 HTTP/1.1\n\n> GET / HTTP/1.1\n< HTTP/1.1 200 OK\n\n< HTTP/1.1 200 OK\n\n< HTTP/1.1 100 Continue\n\n< HTTP/1.1 204 No\n\n< HTTP/1.1 500 No",
			"HEAD / HTTP/1.1\r\n\r\nCONNECT a:1 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
			"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
		},
		{"raw", ">> \"a\\x00\"\n>> \"b\\r\\n\"\n<< `c`", "a\x00b\r\n", "c"},
		{"no HTTP", "< 220 ready", "", "220 ready\r\n\r\n"},
		{
			"template", "{{range seq 1 2}}> GET /{{pad 3 .}}/{{add . 1 1}} HTTP/1.1\n> A: {{b64 `a:b`}} {{b64url `?>`}} {{repeat 3 `x`}}\n\n{{end}}",
			"GET /001/3 HTTP/1.1\r\nA: YTpi Pz4 xxx\r\n\r\nGET /002/4 HTTP/1.1\r\nA: YTpi Pz4 xxx\r\n\r\n", "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			packets := play(t, open+c.script)
			if got := sent(t, packets, false); got != c.client {
				t.Errorf("client sent %q, want %q", got, c.client)
			}
			if got := sent(t, packets, true); got != c.server {
				t.Errorf("server sent %q, want %q", got, c.server)
			}
		})
	}
}

func TestOwnFunctions(t *testing.T) {
	d, err := Parse("test", open+">> {{two}}", template.FuncMap{"two": func() string { return `"22"` }})
	if err != nil {
		t.Fatal(err)
	}
	if got := sent(t, d.Packets(), false); got != "22" {
		t.Errorf("got %q", got)
	}
}

func TestFlow(t *testing.T) {
	const ten = ">> \"0123456789\"\n"
	for _, c := range []struct{ name, script, want string }{
		{"handshake", open, ">S0 <SA0 >A0"},
		{"one exchange", open + ten + "<< \"ok\"", ">S0 <SA0 >A0 >PA10 <PA2 >A0"},
		{"acknowledged by the timer", open + ten + "time +1s\n<< \"ok\"", ">S0 <SA0 >A0 >PA10 <A0 <PA2 >A0"},
		{"cut", "conn a 10.0.0.1:1000 10.0.0.2:80 mss=4\n" + ten, ">S0 <SA0 >A0 >A4 >A4 <A0 >PA2 <A0"},
		{"dropped", "conn a 10.0.0.1:1000 10.0.0.2:80 mss=4\ndrop 1 3\n" + ten, ">S0 <SA0 >A0 >A4 <A0 <A0"},
		{"twice", open + "dup\n" + ten, ">S0 <SA0 >A0 >PA10 >PA10 <A0"},
		{"reversed", "conn a 10.0.0.1:1000 10.0.0.2:80 mss=4\nreorder\n" + ten, ">S0 <SA0 >A0 >PA2 >A4 >A4 <A0 <A0"},
		{"midstream", "conn a 10.0.0.1:1000 10.0.0.2:80 midstream\n" + ten, ">PA10 <A0"},
		{"hidden", open + "nocapture <\n" + ten + "<< \"a\"\ncapture\n<< \"b\"", ">S0 <SA0 >A0 >PA10 <PA1 >A0"},
		{"both hidden", open + "nocapture\n" + ten + "<< \"a\"\n", ">S0 <SA0 >A0"},
		{"fin", open + "fin", ">S0 <SA0 >A0 >FA0 <FA0 >A0"},
		{"half", open + "fin >\n<< \"a\"\nfin <", ">S0 <SA0 >A0 >FA0 <A0 <PA1 <FA0 >A0"},
		{"rst", open + "rst <", ">S0 <SA0 >A0 <RA0"},
		{"two connections", open + "conn b 10.0.0.1:1001 10.0.0.2:80\non a\n>> \"a\"\non b\n>> \"bb\"", ">S0 <SA0 >A0 >S0 <SA0 >A0 >PA1 >PA2 <A0 <A0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := flow(t, play(t, c.script)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestNumbersAndClock(t *testing.T) {
	packets := play(t, "time 2026-05-01T00:00:00Z\nconn a [::1]:1000 [::2]:80 vlan=5,7 isn=4294967295,9\n>> \"abc\"\n<< \"de\"\ntime +2s\nfin")
	want := []tcpSeen{
		{syn, 0xffffffff, 0, ""}, {syn | ack, 9, 0, ""}, {ack, 0, 10, ""},
		{psh | ack, 0, 10, "abc"}, {psh | ack, 10, 3, "de"}, {ack, 3, 12, ""},
		{fin | ack, 3, 12, ""}, {fin | ack, 12, 4, ""}, {ack, 4, 13, ""},
	}
	var got []tcpSeen
	for _, p := range packets {
		got = append(got, seen(t, p))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if first := packets[0].Time.Time(); !first.Equal(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("starts at %v", first)
	}
	if d := packets[6].Time.Sub(packets[4].Time); d < 2*time.Second || d > 2*time.Second+time.Millisecond {
		t.Errorf("time +2s moved by %v", d)
	}
	if !bytes.Equal(packets[0].Data[12:22], []byte{0x88, 0xa8, 0, 5, 0x81, 0, 0, 7, 0x86, 0xdd}) {
		t.Errorf("tags are % x", packets[0].Data[12:22])
	}
}

func TestReusedAddressesGetNewNumbers(t *testing.T) {
	packets := play(t, open+open)
	if a, b := seen(t, packets[0]), seen(t, packets[3]); a.seq == b.seq {
		t.Errorf("both start at %d", a.seq)
	}
}

const large = "conn a 10.0.0.1:1000 10.0.0.2:80 mss=10\n> POST / HTTP/1.1\n>\n> {{range seq 1 40}}{{pad 5 .}}{{end}}\n< HTTP/1.1 200 OK\n<\n< {{range seq 1 40}}{{pad 5 .}}{{end}}\n"

func TestDamage(t *testing.T) {
	whole := play(t, large)
	client, server := sent(t, whole, false), sent(t, whole, true)
	before := fmt.Sprint(whole)

	t.Run("Drop", func(t *testing.T) {
		if n := len(Drop(whole, 0.5, 1)); n < len(whole)/4 || n > len(whole)*3/4 {
			t.Errorf("half of %d packets are %d", len(whole), n)
		}
	})
	t.Run("DropDirection", func(t *testing.T) {
		one := DropDirection(whole, true)
		if sent(t, one, true) != "" || sent(t, one, false) != client {
			t.Error("the wrong packets are gone")
		}
	})
	t.Run("Duplicate", func(t *testing.T) {
		if n := len(Duplicate(whole, 1, 1)); n != 2*len(whole) {
			t.Errorf("%d packets became %d", len(whole), n)
		}
	})
	t.Run("Reorder", func(t *testing.T) {
		mixed := Reorder(whole, 3, 1)
		if sent(t, mixed, false) == client || sent(t, mixed, true) == server {
			t.Error("nothing moved")
		}
		for i := range mixed {
			if mixed[i].FromServer != whole[i].FromServer || mixed[i].Time != whole[i].Time {
				t.Fatal("a packet crossed the other direction, or time runs back")
			}
		}
		if sorted(t, mixed, false) != client || sorted(t, mixed, true) != server {
			t.Error("bytes were lost")
		}
	})
	t.Run("Jitter", func(t *testing.T) {
		mixed := Jitter(whole, 3, 1)
		if sorted(t, mixed, false) != client || sorted(t, mixed, true) != server || flow(t, mixed) == flow(t, whole) {
			t.Error("bytes were lost, or nothing moved")
		}
	})
	t.Run("Snap", func(t *testing.T) {
		for _, p := range Snap(whole, 61) {
			if len(p.Data) > 61 || p.Length < len(p.Data) {
				t.Errorf("%d bytes of %d", len(p.Data), p.Length)
			}
		}
	})
	t.Run("Midstream", func(t *testing.T) {
		if got := flow(t, Midstream(whole, 3)); strings.Contains(got, "S") || len(Midstream(whole, 1000)) != 0 {
			t.Errorf("got %s", got)
		}
		if got := flow(t, WithoutHandshake(whole)); !strings.HasPrefix(got, ">A10 ") {
			t.Errorf("got %s", got)
		}
	})
	t.Run("Split", func(t *testing.T) {
		small := Split(whole, 3, 1)
		if sent(t, small, false) != client || sent(t, small, true) != server || len(small) < 2*len(whole) {
			t.Error("bytes were lost, or nothing was cut")
		}
		if sorted(t, small, false) != client {
			t.Error("sequence numbers are wrong")
		}
	})
	if fmt.Sprint(whole) != before {
		t.Error("the packets given were changed")
	}
}

// sorted joins what one side sent by sequence number.
func sorted(t *testing.T, packets []Packet, fromServer bool) string {
	var s []tcpSeen
	for _, p := range packets {
		if p.FromServer == fromServer {
			s = append(s, seen(t, p))
		}
	}
	slices.SortStableFunc(s, func(a, b tcpSeen) int { return int(int32(a.seq - b.seq)) })
	var b strings.Builder
	for _, x := range s {
		b.WriteString(x.payload)
	}
	return b.String()
}

// Checksums are judged by the rule itself: the sum over what they cover, the
// checksum included, is all ones (RFC 1071).
func TestChecksums(t *testing.T) {
	for _, script := range []string{large, strings.Replace(large, "10.0.0.1:1000 10.0.0.2:80", "[::1]:1000 [::2]:80 vlan=7", 1)} {
		for _, p := range Split(play(t, script), 4, 1) {
			ip, tcp, _, end, _ := layout(p.Data)
			addrs := p.Data[ip+8 : tcp]
			if p.Data[ip]>>4 == 4 {
				if got := fold(sum(0, p.Data[ip:tcp])); got != 0xffff {
					t.Fatalf("IPv4 header sums to %#x", got)
				}
				addrs = p.Data[ip+12 : tcp]
			}
			if got := fold(sum(sum(uint64(6+end-tcp), addrs), p.Data[tcp:end])); got != 0xffff {
				t.Fatalf("TCP sums to %#x", got)
			}
		}
	}
}
