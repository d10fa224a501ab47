package decrypt_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/tlswire"
	"github.com/authtap/authtap/reassembly/tlswire/decrypt"
	"github.com/authtap/authtap/reassembly/tlswire/secret"
)

// turn is what one end wrote.
type turn struct {
	server bool
	bytes  []byte
}

// wire notes what both ends of a connection write, in order.
type wire struct {
	mu    sync.Mutex
	turns []turn
}

type tapped struct {
	net.Conn
	wire   *wire
	server bool
}

func (c tapped) Write(b []byte) (int, error) {
	c.wire.mu.Lock()
	c.wire.turns = append(c.wire.turns, turn{c.server, bytes.Clone(b)})
	c.wire.mu.Unlock()
	return c.Conn.Write(b)
}

// identities are those of the servers, made once.
var identities = sync.OnceValue(func() map[string]tls.Certificate {
	all := map[string]tls.Certificate{}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "api.test"}, DNSNames: []string{"api.test"},
		NotBefore: time.Unix(1_700_000_000, 0), NotAfter: time.Unix(1_900_000_000, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &r.PublicKey, r)
	if err != nil {
		panic(err)
	}
	all["rsa"] = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: r}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	if der, err = x509.CreateCertificate(rand.Reader, template, template, &e.PublicKey, e); err != nil {
		panic(err)
	}
	all["ecdsa"] = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: e}
	return all
})

func rsaKey() *rsa.PrivateKey { return identities()["rsa"].PrivateKey.(*rsa.PrivateKey) }

// loopback gives both ends of a TCP connection: unlike those of net.Pipe they
// can be written to at the same time.
func loopback(t testing.TB) (a, b net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// talk has a client and a server of crypto/tls exchange lines: each line of
// says is sent by the client and answered by the server with "re: " before it.
// It gives what went over the wire, and the key log.
func talk(t testing.TB, client, server *tls.Config, says ...string) (turns []turn, log []byte) {
	t.Helper()
	return talkWith(t, client, server, says, func(s string) string { return "re: " + s })
}

// talkWith is talk with other answers.
func talkWith(t testing.TB, client, server *tls.Config, says []string, answer func(string) string) (turns []turn, log []byte) {
	t.Helper()
	var w wire
	var keys bytes.Buffer
	client, server = client.Clone(), server.Clone()
	client.InsecureSkipVerify, client.ServerName, client.KeyLogWriter = true, "api.test", &keys
	a, b := loopback(t)
	done := make(chan error, 1)
	serve := func() error {
		s := tls.Server(tapped{b, &w, true}, server)
		defer s.Close()
		for _, line := range says {
			buf := make([]byte, len(line))
			if _, err := io.ReadFull(s, buf); err != nil {
				return err
			}
			if _, err := s.Write([]byte(answer(string(buf)))); err != nil {
				return err
			}
		}
		io.Copy(io.Discard, s) // until the client closes
		return nil
	}
	go func() { done <- serve() }()
	c := tls.Client(tapped{a, &w, false}, client)
	for _, line := range says {
		if _, err := c.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, len(answer(line)))); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return w.turns, keys.Bytes()
}

// inner notes what is said in a connection.
type inner struct {
	b     strings.Builder
	start reassembly.Start
}

func (i *inner) note(d reassembly.Direction, what string, args ...any) {
	who := "client"
	if d != i.start.Client {
		who = "server"
	}
	fmt.Fprintf(&i.b, "%s "+what+"\n", append([]any{who}, args...)...)
}

func (i *inner) Feed(c *reassembly.Chunk) {
	switch {
	case c.Gap == reassembly.UnknownGap:
		i.note(c.Dir, "gap")
	case c.Gap > 0:
		i.note(c.Dir, "gap %d", c.Gap)
	case c.HasAck:
		i.note(c.Dir, "ack")
	default:
		i.note(c.Dir, "%q", c.Bytes)
	}
}

func (i *inner) End(d reassembly.Direction, why reassembly.End, _ reassembly.Origin) {
	i.note(d, "end %d", why)
}

// tap is what listens to a connection.
type tap struct {
	*decrypt.Shard
	store      *secret.Store
	inner      inner
	parser     reassembly.Parser
	seq        [2]uint32
	at         reassembly.Origin
	handshakes []*exchange.Handshake
}

func newTap(l decrypt.Limits, log []byte) *tap {
	t := &tap{store: secret.NewStore(secret.Limits{}), at: reassembly.Origin{Time: 1e18}}
	t.store.AddLines(log, 0)
	t.Shard = decrypt.NewShard(l, t.store, func(s reassembly.Start) reassembly.Parser {
		t.inner.start = s
		return &t.inner
	})
	t.connect()
	return t
}

// connect begins a connection.
func (t *tap) connect() {
	s := tlswire.NewShard(tlswire.Limits{}, func(h *exchange.Handshake) { t.handshakes = append(t.handshakes, h) }, t.Open)
	t.parser = s.New(&reassembly.Start{Client: reassembly.AtoB, Handshake: true}, nil)
	t.seq = [2]uint32{1000, 2000}
}

func direction(server bool) reassembly.Direction {
	if server {
		return reassembly.BtoA
	}
	return reassembly.AtoB
}

// feed gives bytes of a direction to the parser, or their absence.
func (t *tap) feed(server bool, b []byte, lost bool) {
	d := direction(server)
	t.at.Order++
	t.at.Time = t.at.Time.Add(time.Millisecond)
	c := reassembly.Chunk{Dir: d, Seq: t.seq[d], Ack: t.seq[1-d], HasAck: true, Origin: t.at}
	t.seq[d] += uint32(len(b))
	if lost {
		c.Gap = uint64(len(b))
	} else {
		c.Bytes = b
	}
	t.parser.Feed(&c)
}

// play gives a conversation to the parser, in segments of at most size bytes.
func (t *tap) play(turns []turn, size int) {
	for _, turn := range turns {
		for b := turn.bytes; len(b) > 0; {
			n := min(len(b), size)
			t.feed(turn.server, b[:n], false)
			b = b[n:]
		}
	}
}

// end ends the connection and gives what was said in it.
func (t *tap) end() string {
	t.parser.End(reassembly.AtoB, reassembly.EndFIN, t.at)
	t.parser.End(reassembly.BtoA, reassembly.EndFIN, t.at)
	t.Shard.Close(t.at)
	return t.inner.b.String()
}

// later lets packet time pass.
func (t *tap) later(d time.Duration) {
	t.at.Time = t.at.Time.Add(d)
	t.at.Order++
	t.Tick(t.at)
}

// said is what is expected of a conversation that was seen whole.
func said(says ...string) string {
	var b strings.Builder
	for _, s := range says {
		fmt.Fprintf(&b, "client %q\nserver %q\n", s, "re: "+s)
	}
	return b.String() + "client end 0\nserver end 0\n"
}

// joined puts what each side says in one go together: TLS 1.0 cuts a byte off.
func joined(text string) string {
	var b strings.Builder
	var who, so string
	flush := func() {
		if so != "" {
			fmt.Fprintf(&b, "%s %q\n", who, so)
		}
		so = ""
	}
	for line := range strings.Lines(text) {
		w, rest, _ := strings.Cut(line, " ")
		var s string
		if n, _ := fmt.Sscanf(rest, "%q", &s); n == 1 {
			if w != who {
				flush()
			}
			who, so = w, so+s
			continue
		}
		flush()
		b.WriteString(line)
	}
	return b.String()
}

// content is what was said, without ends, put together by direction.
func content(text string) [2]string {
	var all [2]string
	for line := range strings.Lines(text) {
		i := 0
		if strings.HasPrefix(line, "server ") {
			i = 1
		}
		var s string
		if n, _ := fmt.Sscanf(line[len("client "):], "%q", &s); n == 1 {
			all[i] += s
		}
	}
	return all
}

func otherKey(t testing.TB) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
