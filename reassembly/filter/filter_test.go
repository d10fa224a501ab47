package filter_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/filter"
)

// key makes the key of a packet between two ends.
func key(src, dst string) *reassembly.FlowKey {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	k, _ := reassembly.NewFlowKey(reassembly.Network{}, s.Addr().As16(), d.Addr().As16(), s.Port(), d.Port())
	return &k
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"hots 10.0.0.1", `column 1: "hots": host, net, port, not or ( is expected here`},
		{"host", `column 5: the end is not an address such as 192.0.2.1 or 2001:db8::1`},
		{"host example.com", `column 6: "example.com" is not an address such as 192.0.2.1 or 2001:db8::1`},
		{"host fe80::1%eth0", `column 6: "fe80::1%eth0" is not an address such as 192.0.2.1 or 2001:db8::1`},
		{"host 10.0.0.0/8", `column 6: "10.0.0.0/8" is not an address such as 192.0.2.1 or 2001:db8::1`},
		{"net 10.0.0.1", `column 5: "10.0.0.1" is not a network such as 10.0.0.0/8 or 2001:db8::/32`},
		{"net 10.0.0.1/8", `column 5: 10.0.0.1/8 has bits behind its prefix; 10.0.0.0/8 does not`},
		{"net 10.0.0.0/33", `column 5: "10.0.0.0/33" is not a network such as 10.0.0.0/8 or 2001:db8::/32`},
		{"port http", `column 6: "http" is not a port between 0 and 65535`},
		{"port 65536", `column 6: "65536" is not a port between 0 and 65535`},
		{"port -1", `column 6: "-1" is not a port between 0 and 65535`},
		{"port 80 8080", `column 9: "8080": and, or, or the end is expected here`},
		{"port 80 or 8080", `column 12: "8080": host, net, port, not or ( is expected here`},
		{"port 80 and", `column 12: the end: host, net, port, not or ( is expected here`},
		{"port 80 & port 81", `column 9: "&": and, or, or the end is expected here`},
		{"(port 80", `column 9: the end: and, or, or ) is expected here`},
		{"port 80)", `column 8: there is no ( to this )`},
		{"()", `column 2: ")": host, net, port, not or ( is expected here`},
		{"not", `column 4: the end: host, net, port, not or ( is expected here`},
		{"src host 10.0.0.1", `column 1: "src": a conversation is taken whole: host, net and port hold for either end`},
		{"port 1 or port 2 and port 3", `column 18: "and": and and or are mixed; parentheses have to say what belongs together`},
		{"port 1 && port 2 || port 3", `column 18: "||": and and or are mixed; parentheses have to say what belongs together`},
		{"host ä", `column 6: "ä" is not an address such as 192.0.2.1 or 2001:db8::1`},
		{"ä host", `column 1: "ä": host, net, port, not or ( is expected here`},
		{strings.Repeat("(", 101) + "port 1" + strings.Repeat(")", 101), `column 101: parentheses and negations are nested more than 100 deep`},
		{strings.Repeat("!", 101) + "port 1", `column 101: parentheses and negations are nested more than 100 deep`},
		{strings.Repeat(" ", filter.MaxLength+1), `the expression is longer than 65536 bytes`},
	} {
		if f, err := filter.Parse(tt.text); err == nil || err.Error() != tt.want || f != nil {
			t.Errorf("%.40q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestNothingStandsForAll(t *testing.T) {
	for _, text := range []string{"", " \t\n"} {
		if f, err := filter.Parse(text); f != nil || err != nil {
			t.Errorf("%q: a filter is %v, error %v", text, f != nil, err)
		}
	}
}

func TestMatch(t *testing.T) {
	four := key("10.0.0.1:40000", "192.0.2.7:8080")
	six := key("[2001:db8::1]:40000", "[2001:db8:1::2]:443")
	for _, tt := range []struct {
		text      string
		four, six bool
	}{
		{"host 10.0.0.1", true, false},
		{"host 192.0.2.7", true, false},
		{"host 10.0.0.2", false, false},
		{"host ::ffff:10.0.0.1", true, false},
		{"host 2001:DB8::1", false, true},
		{"net 10.0.0.0/8", true, false},
		{"net 192.0.2.7/32", true, false},
		{"net 192.0.3.0/24", false, false},
		{"net 0.0.0.0/0", true, false},
		{"net ::/0", false, true},
		{"net 2001:db8:1::/48", false, true},
		{"port 8080", true, false},
		{"port 443", false, true},
		{"port 40000", true, true},
		{"port 0", false, false},
		{"not port 443", true, false},
		{"not not port 443", false, true},
		{"! port 443", true, false},
		{"!port 443", true, false},
		{"host 10.0.0.1 and port 8080", true, false},
		{"host 10.0.0.1 and port 443", false, false},
		{"host 10.0.0.1 and host 192.0.2.7 and port 40000", true, false},
		{"port 8080 or port 443", true, true},
		{"port 8080||port 443", true, true},
		{"port 8080&&port 443", false, false},
		{"port 1 or port 2 or port 443", false, true},
		{"(port 8080)", true, false},
		{"not (port 8080 or port 443)", false, false},
		{"not port 8080 and port 40000", false, true}, // not binds to the test
		{"net 10.0.0.0/8 and not (port 22 or port 3306)", true, false},
		{"(host 10.0.0.1 and port 443) or(host 2001:db8::1 and port 443)", false, true},
		{" \n( port\t8080 ) ", true, false},
		{strings.Repeat("(", 99) + "port 443" + strings.Repeat(")", 99), false, true},
	} {
		f, err := filter.Parse(tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		if a, b := f(four), f(six); a != tt.four || b != tt.six {
			t.Errorf("%q: %v and %v, want %v and %v", tt.text, a, b, tt.four, tt.six)
		}
	}
}

// expression draws an expression and says which keys it holds for, of a few
// that differ in all that can be asked for.
func expression(t *rapid.T, depth int) (string, func(*reassembly.FlowKey) bool) {
	kind := rapid.IntRange(0, 4).Draw(t, "kind")
	if depth == 0 {
		kind %= 3
	}
	n := rapid.IntRange(0, 3).Draw(t, "number")
	either := func(is func(netip.AddrPort) bool) func(*reassembly.FlowKey) bool {
		return func(k *reassembly.FlowKey) bool {
			return is(k.Sender(reassembly.AtoB)) || is(k.Receiver(reassembly.AtoB))
		}
	}
	switch kind {
	case 0:
		return fmt.Sprintf("host 10.0.%d.1", n), either(func(e netip.AddrPort) bool {
			return e.Addr() == netip.AddrFrom4([4]byte{10, 0, byte(n), 1})
		})
	case 1:
		return fmt.Sprintf("net 10.0.%d.0/24", n), either(func(e netip.AddrPort) bool { return e.Addr().As4()[2] == byte(n) })
	case 2:
		return fmt.Sprintf("port %d", n), either(func(e netip.AddrPort) bool { return e.Port() == uint16(n) })
	case 3:
		text, holds := expression(t, depth-1)
		return "not (" + text + ")", func(k *reassembly.FlowKey) bool { return !holds(k) }
	}
	one, first := expression(t, depth-1)
	two, second := expression(t, depth-1)
	if rapid.Bool().Draw(t, "or") {
		return "(" + one + ") or (" + two + ")", func(k *reassembly.FlowKey) bool { return first(k) || second(k) }
	}
	return "(" + one + ") and (" + two + ")", func(k *reassembly.FlowKey) bool { return first(k) && second(k) }
}

func TestExpressions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, holds := expression(t, 4)
		f, err := filter.Parse(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		end := func(name string) string {
			return fmt.Sprintf("10.0.%d.%d:%d", rapid.IntRange(0, 3).Draw(t, name), rapid.IntRange(1, 2).Draw(t, name), rapid.IntRange(0, 3).Draw(t, name))
		}
		for range 10 {
			a, b := end("client"), end("server")
			if k, back := key(a, b), key(b, a); f(k) != holds(k) || f(back) != f(k) {
				t.Fatalf("%q: %v and %v for %s to %s and back, want %v", text, f(k), f(back), a, b, holds(k))
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"host 10.0.0.1 and port 8080", "not (net ::/0 || port 1)", "((", "!&&", "port 1 or port 2 and port 3"} {
		f.Add(s)
	}
	k, parse := key("10.0.0.1:40000", "192.0.2.7:8080"), filter.Parse
	f.Fuzz(func(t *testing.T, text string) {
		holds, err := parse(text)
		if err != nil && holds != nil {
			t.Fatal("a filter beside an error")
		}
		if holds == nil {
			return
		}
		// In parentheses and negated it is the opposite, but for the bounds.
		if negated, err := parse("not (" + text + ")"); err == nil && negated(k) == holds(k) {
			t.Fatal("it is its own opposite")
		} else if err != nil && !strings.Contains(err.Error(), "than ") {
			t.Fatal(err)
		}
	})
}

func BenchmarkFilter(b *testing.B) {
	k := key("10.0.0.1:40000", "192.0.2.7:8080")
	f, err := filter.Parse("net 10.0.0.0/8 and not (port 22 or port 3306) and host 192.0.2.7")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !f(k) {
			b.Fatal("left out")
		}
	}
}
