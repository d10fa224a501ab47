package reassemblytest

import (
	"slices"
	"testing"
)

// A message that is sent again has the numbers of the one before, and what
// follows stands behind the longer of the two.
func TestAgain(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string // what each side's bytes come to, by place
	}{
		{"the same", ">> \"abc\"\nagain\n>> \"abc\"\n\n>> \"d\"", []string{"0 abc", "0 abc", "3 d"}},
		{"another", ">> \"abc\"\nagain\n>> \"xyz\"\n\n>> \"d\"", []string{"0 abc", "0 xyz", "3 d"}},
		{"a longer one", ">> \"abc\"\nagain\n>> \"abcd\"\n\n>> \"e\"", []string{"0 abc", "0 abcd", "4 e"}},
		{"a shorter one", ">> \"abc\"\nagain\n>> \"x\"\n\n>> \"d\"", []string{"0 abc", "0 x", "3 d"}},
		{"twice", ">> \"abc\"\nagain\n>> \"x\"\nagain\n>> \"y\"", []string{"0 abc", "0 x", "0 y"}},
		{"lost at first", "drop 1\n>> \"abc\"\nagain\n>> \"abc\"", []string{"0 abc"}},
	} {
		packets := play(t, open+c.text)
		var got []string
		first := seen(t, packets[0]).seq + 1
		for _, p := range packets[3:] {
			if s := seen(t, p); s.payload != "" {
				got = append(got, string(rune('0'+s.seq-first))+" "+s.payload)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	// A request that is sent again is one request: the response to the second
	// HEAD has no body, that to GET has.
	text := open + "> HEAD / HTTP/1.1\n\nagain\n> HEAD / HTTP/1.1\n\n< HTTP/1.1 200 OK\n\n> GET / HTTP/1.1\n\n< HTTP/1.1 200 OK\n"
	if got, want := sent(t, play(t, text), true), "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, text := range []string{"again\n>> \"x\"", ">> \"x\"\nagain\n<< \"y\"", ">> \"x\"\nagain", ">> \"x\"\nagain it\n>> \"y\""} {
		if _, err := Parse("test", open+text, nil); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// What is captured of a packet can be limited; its length on the wire stays.
func TestSnap(t *testing.T) {
	packets := play(t, open+"snap 60\n>> \"0123456789\"\nsnap\n>> \"0123456789\"")
	if a, b := packets[3], packets[4]; len(a.Data) != 60 || a.Length != 64 || len(b.Data) != 64 || b.Length != 64 {
		t.Errorf("%d of %d and %d of %d bytes", len(a.Data), a.Length, len(b.Data), b.Length)
	}
	for _, text := range []string{"snap 0", "snap x", "snap 1 2", "snap -1"} {
		if _, err := Parse("test", open+text, nil); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
