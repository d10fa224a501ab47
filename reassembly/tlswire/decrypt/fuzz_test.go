package decrypt_test

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/tlswire/decrypt"
)

// FuzzConversation damages conversations of which the secrets are known: bytes
// are changed, left out and put in, secrets come early or late. Nothing is told
// that was not said, and bounds hold.
func FuzzConversation(f *testing.F) {
	says := lines(8)
	all := strings.Join(says, "")
	type conversation struct {
		turns []turn
		log   []byte
	}
	var conversations []conversation
	for _, n := range append([]string{brittle}, bridged...) {
		c := configs()[n]
		turns, log := talk(f, c[0], c[1], says...)
		conversations = append(conversations, conversation{turns, log})
	}
	f.Add(uint8(0), []byte{})
	f.Add(uint8(1), []byte{9, 1, 50, 20, 2, 3, 40, 3, 9})
	f.Add(uint8(9), []byte{200, 0, 0, 10, 1, 255, 4, 2, 2})
	f.Fuzz(func(t *testing.T, which uint8, damage []byte) {
		c := conversations[int(which)%len(conversations)]
		tap := newTap(decrypt.Limits{FlowBytes: 20_000, TotalBytes: 30_000, MessageBytes: 4000}, nil)
		tap.store.Expect()
		late := which >= 128
		if !late {
			tap.store.AddLines(c.log, 0)
		}
		next := func() int {
			if len(damage) == 0 {
				return 1 << 20
			}
			n := int(damage[0])
			damage = damage[1:]
			return n
		}
		in := next() * 8
		for i, turn := range c.turns {
			if late && i == len(c.turns)/2 {
				tap.store.AddLines(c.log, 0)
				tap.later(time.Second)
			}
			b := turn.bytes
			for len(b) > in {
				tap.feed(turn.server, b[:in], false)
				b = b[in:]
				switch n := next(); n % 4 {
				case 0: // lost
					m := min(n, len(b))
					tap.feed(turn.server, b[:m], true)
					b = b[m:]
				case 1: // changed
					if len(b) > 0 {
						tap.feed(turn.server, []byte{b[0] ^ byte(n)}, false)
						b = b[1:]
					}
				case 2: // put in
					tap.feed(turn.server, []byte(fmt.Sprintf("\x17\x03\x03\x00\x20%032d", n)), false)
				case 3: // a side ends
					if n%16 == 3 {
						tap.parser.End(direction(turn.server), reassembly.EndFIN, tap.at)
					}
				}
				in = next() * 8
			}
			in -= len(b)
			tap.feed(turn.server, b, false)
			if s := tap.Stats(); s.Held > 30_000 {
				t.Fatalf("%d bytes wait", s.Held)
			}
		}
		text := tap.end()
		if err := subsequent(text, "client", all); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if err := subsequent(text, "server", "re: "+strings.Join(says, "re: ")); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if s := tap.Stats(); s.Held != 0 || s.Followed != 0 {
			t.Fatalf("%+v", s)
		}
	})
}

// BenchmarkConversation opens a connection that carries 16 KiB records, beside
// which BenchmarkOpen of package record has the cipher alone.
func BenchmarkConversation(b *testing.B) {
	long := strings.Repeat("x", 1<<20)
	for _, name := range []string{"TLS 1.3", "TLS 1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"} {
		c := configs()[name]
		c[0].CurvePreferences = []tls.CurveID{tls.X25519}
		turns, log := talk(b, c[0], c[1], long, long)
		n := 0
		for _, t := range turns {
			n += len(t.bytes)
		}
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				tap := newTap(decrypt.Limits{}, log)
				tap.Shard = decrypt.NewShard(decrypt.Limits{}, tap.store, func(reassembly.Start) reassembly.Parser { return deaf{} })
				tap.connect()
				tap.play(turns, 1460)
				tap.end()
				if tap.Stats().Bytes != 4<<20+8 {
					b.Fatalf("%+v", tap.Stats())
				}
			}
		})
	}
}

type deaf struct{}

func (deaf) Feed(*reassembly.Chunk)                                      {}
func (deaf) End(reassembly.Direction, reassembly.End, reassembly.Origin) {}
