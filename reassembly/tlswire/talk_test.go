package tlswire_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/reassemblytest"
	"github.com/authtap/authtap/reassembly/tlswire"
)

// wire notes what both ends of a pipe write.
type wire struct {
	mu    sync.Mutex
	turns []reassemblytest.Turn
}

type tapped struct {
	net.Conn
	wire   *wire
	server bool
}

func (c tapped) Write(b []byte) (int, error) {
	c.wire.mu.Lock()
	c.wire.turns = append(c.wire.turns, reassemblytest.Turn{Server: c.server, Text: string(b)})
	c.wire.mu.Unlock()
	return c.Conn.Write(b)
}

// talk has a client and a server of crypto/tls talk to each other and gives
// what went over the wire: "ping" and "pong", if the handshake succeeds.
func talk(t testing.TB, client, server *tls.Config) []reassemblytest.Turn {
	t.Helper()
	var w wire
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b, err := l.Accept()
		if err != nil {
			return
		}
		c := tls.Server(tapped{b, &w, true}, server)
		defer c.Close()
		buf := make([]byte, 4)
		if _, err := c.Read(buf); err == nil {
			c.Write([]byte("pong"))
		}
	}()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(tapped{a, &w, false}, client)
	if _, err := c.Write([]byte("ping")); err == nil {
		c.Read(make([]byte, 4))
	}
	c.Close()
	<-done
	return w.turns
}

// identity makes a self-signed certificate for api.test.
func identity(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{signed(t, key, nil)}, PrivateKey: key}
}

func signed(t testing.TB, key crypto.Signer, change func(*x509.Certificate)) []byte {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "api.test"}, DNSNames: []string{"api.test"},
		NotBefore: time.Unix(1_700_000_000, 0), NotAfter: time.Unix(1_900_000_000, 0),
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// keep is what shows of the parsers of a test.
type keep struct {
	shard *tlswire.Shard
	list  []*exchange.Handshake
	rest  reassemblytest.Trace
}

func newKeep(l tlswire.Limits, open tlswire.Open) *keep {
	k := new(keep)
	k.shard = tlswire.NewShard(l, func(h *exchange.Handshake) { k.list = append(k.list, h) }, open)
	return k
}

// factory makes a parser and gives its handshakes as text.
func factory(l tlswire.Limits) reassemblytest.Factory {
	return func(start reassembly.Start) (reassembly.Parser, func() string) {
		k := newKeep(l, nil)
		return k.shard.New(&start, nil), k.String
	}
}

// String gives the handshakes, without packet numbers and times, and tells of
// what is still held.
func (k *keep) String() string {
	var b strings.Builder
	for _, h := range k.list {
		x := *h
		x.Order, x.Origin, x.End = reassembly.Order{}, reassembly.Origin{}, 0
		x.Certificates = nil
		fmt.Fprintf(&b, "%+v", x)
		for _, c := range h.Certificates {
			fmt.Fprintf(&b, " %+v", *c)
		}
		b.WriteByte('\n')
	}
	if held := k.shard.Stats().Held; held != 0 {
		fmt.Fprintf(&b, "%d bytes held\n", held)
	}
	return b.String()
}

// read feeds turns whole and gives the one handshake in them.
func read(t *testing.T, turns []reassemblytest.Turn) *exchange.Handshake {
	t.Helper()
	k := newKeep(tlswire.Limits{}, nil)
	feed(turns, k.shard)
	if len(k.list) != 1 || k.shard.Stats().Held != 0 {
		t.Fatalf("%d handshakes, %+v", len(k.list), k.shard.Stats())
	}
	return k.list[0]
}

// feed gives turns to a new parser, a chunk each.
func feed(turns []reassemblytest.Turn, s *tlswire.Shard) {
	feedParser(turns, func(start *reassembly.Start) reassembly.Parser { return s.New(start, nil) })
}

func feedParser(turns []reassemblytest.Turn, make func(*reassembly.Start) reassembly.Parser) {
	key, _ := reassembly.NewFlowKey(reassembly.Network{}, reassembly.Addr{15: 1}, reassembly.Addr{15: 2}, 40000, 443)
	p := make(&reassembly.Start{Key: key, Client: reassembly.AtoB, Handshake: true})
	var at reassembly.Origin
	var seq [2]uint32
	for _, turn := range turns {
		at.Order++
		at.Time += 1000
		d := reassembly.AtoB
		if turn.Server {
			d = reassembly.BtoA
		}
		p.Feed(&reassembly.Chunk{Dir: d, Bytes: []byte(turn.Text), Seq: seq[d], Origin: at})
		seq[d] += uint32(len(turn.Text))
	}
	p.End(reassembly.AtoB, reassembly.EndFIN, at)
	p.End(reassembly.BtoA, reassembly.EndFIN, at)
}
