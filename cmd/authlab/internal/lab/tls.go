package lab

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"sync"

	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// tunnel is TLS between two ends that only the recorder sees.
type tunnel struct {
	ends [2]*tls.Conn
	out  [2]*bytes.Buffer // what each end writes once the handshake is over
}

// newTunnel makes a tunnel and gives its handshake.
func newTunnel(kind Kind, seed uint64, keys io.Writer) (*tunnel, []flight, error) {
	var (
		mu     sync.Mutex
		shakes []flight
		t      tunnel
	)
	near, far := net.Pipe()
	ends := [2]net.Conn{near, far}
	conns := [2]*pipeEnd{}
	for i := range conns {
		conns[i] = &pipeEnd{Conn: ends[i], wrote: func(b []byte) {
			mu.Lock()
			defer mu.Unlock()
			if last := len(shakes) - 1; last >= 0 && shakes[last].fromServer == (i == 1) {
				shakes[last].data = append(shakes[last].data, b...)
			} else {
				shakes = append(shakes, flight{i == 1, bytes.Clone(b)})
			}
		}}
	}
	protocol := "http/1.1"
	if kind.http2() {
		protocol = "h2"
	}
	config := func(n uint64) *tls.Config {
		return &tls.Config{
			Rand: &numbers{r: rand.NewChaCha8(seedOf(seed, n))}, Time: reassemblytest.Start.Time,
			MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519}, NextProtos: []string{protocol},
		}
	}
	client, server := config(0), config(1)
	client.ServerName, client.RootCAs, client.KeyLogWriter = certificateHost, roots, keys
	server.Certificates, server.SessionTicketsDisabled = []tls.Certificate{certificate}, true
	t.ends = [2]*tls.Conn{tls.Client(conns[0], client), tls.Server(conns[1], server)}
	done := make(chan error, 1)
	go func() { done <- t.ends[1].Handshake() }()
	if err := t.ends[0].Handshake(); err != nil {
		return nil, nil, err
	}
	if err := <-done; err != nil {
		return nil, nil, err
	}
	for i := range conns {
		t.out[i] = new(bytes.Buffer)
		conns[i].Conn, conns[i].wrote = nil, nil
		conns[i].to = t.out[i]
	}
	return &t, shakes, nil
}

// seal gives the records in which a side sends something.
func (t *tunnel) seal(fromServer bool, b []byte) ([]byte, error) {
	out := t.out[side(fromServer)]
	out.Reset()
	_, err := t.ends[side(fromServer)].Write(b)
	return bytes.Clone(out.Bytes()), err
}

// pipeEnd is what TLS writes to: the other end, and later a buffer.
type pipeEnd struct {
	net.Conn
	wrote func([]byte)
	to    *bytes.Buffer
}

func (p *pipeEnd) Write(b []byte) (int, error) {
	if p.to != nil {
		return p.to.Write(b)
	}
	p.wrote(b)
	return p.Conn.Write(b)
}

// numbers stands for a source of randomness. Package crypto reads a single byte
// now and then, and does not always, so that nobody relies on what comes next;
// here that is what is wanted.
type numbers struct{ r *rand.ChaCha8 }

func (n *numbers) Read(b []byte) (int, error) {
	if len(b) == 1 {
		b[0] = 0
		return 1, nil
	}
	return n.r.Read(b)
}

func seedOf(a, b uint64) (seed [32]byte) {
	r := rand.New(rand.NewPCG(a, b))
	for i := range seed {
		seed[i] = byte(r.Uint32())
	}
	return seed
}

const certificateHost = "shop.example"

// The server's certificate, and who signed it, with keys that make the same
// signature each time and protect nothing.
var certificate, roots = func() (tls.Certificate, *x509.CertPool) {
	key := func(n byte) ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
	}
	start := reassemblytest.Start.Time()
	make := func(name string, serial int64, c, parent *x509.Certificate, of, by ed25519.PrivateKey) *x509.Certificate {
		c.SerialNumber, c.Subject = big.NewInt(serial), pkix.Name{CommonName: name}
		c.NotBefore, c.NotAfter, c.BasicConstraintsValid = start.AddDate(0, -1, 0), start.AddDate(0, 2, 0), true
		der, err := x509.CreateCertificate(nil, c, parent, of.Public(), by)
		if err == nil {
			c, err = x509.ParseCertificate(der)
		}
		if err != nil {
			panic(err)
		}
		return c
	}
	ca := &x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign}
	ca = make("Laboratory CA", 1, ca, ca, key(1), key(1))
	leaf := &x509.Certificate{DNSNames: []string{certificateHost, "*." + certificateHost}, KeyUsage: x509.KeyUsageDigitalSignature}
	leaf = make(certificateHost, 2, leaf, ca, key(2), key(1))
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key(2)}, pool
}()
