package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// Kind is how a server is spoken to.
type Kind int

// The kinds. Behind a terminator of TLS, servers get plain requests that say so.
const (
	Plain Kind = iota
	TLS
	HTTP2 // over TLS
	H2C   // without
)

func (k Kind) http2() bool     { return k == HTTP2 || k == H2C }
func (k Kind) encrypted() bool { return k == HTTP2 || k == TLS }

// Network is where servers and clients are.
type Network struct {
	clock   capture.Time
	rand    *rand.Rand
	rec     reassemblytest.Recorder
	keys    bytes.Buffer
	servers map[netip.AddrPort]*server
	clients []*Client
	wires   int
	// Exchanges counts what clients did.
	Exchanges int
}

type server struct {
	kind  Kind
	conns chan net.Conn
	http  *http.Server
}

// New gives a network whose clock stands where scripts start. What looks random
// depends on the seed.
func New(seed uint64) *Network {
	return &Network{
		clock: reassemblytest.Start, rand: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)),
		servers: map[netip.AddrPort]*server{},
	}
}

// Now is the time on the network's clock.
func (n *Network) Now() time.Time { return n.clock.Time() }

// Rand is the source of what looks random.
func (n *Network) Rand() *rand.Rand { return n.rand }

// Pass lets time pass.
func (n *Network) Pass(d time.Duration) { n.clock = n.clock.Add(d) }

// Together lets several things happen at a time: each begins a little after the
// one before it, and the clock goes on behind the last.
func (n *Network) Together(apart time.Duration, things ...func()) {
	start, end := n.clock, n.clock
	for i, do := range things {
		n.clock = start.Add(time.Duration(i) * apart)
		do()
		end = max(end, n.clock)
	}
	n.clock = end
}

// Serve starts a server.
func (n *Network) Serve(at string, kind Kind, h http.Handler) {
	s := &server{kind: kind, conns: make(chan net.Conn)}
	s.http = &http.Server{Handler: h, Protocols: protocols(kind)}
	n.servers[netip.MustParseAddrPort(at)] = s
	go s.http.Serve(s)
}

func protocols(kind Kind) *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(!kind.http2())
	p.SetUnencryptedHTTP2(kind.http2())
	return p
}

func (s *server) Accept() (net.Conn, error) {
	if c, ok := <-s.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (s *server) Close() error   { return nil }
func (s *server) Addr() net.Addr { return &net.TCPAddr{} }

// Close ends all connections.
func (n *Network) Close() error {
	var errs []error
	for _, c := range n.clients {
		errs = append(errs, c.Leave())
	}
	for _, s := range n.servers {
		close(s.conns)
		errs = append(errs, s.http.Close())
	}
	return errors.Join(errs...)
}

// Packets is the capture, Keys the log of TLS secrets.
func (n *Network) Packets() []reassemblytest.Packet { return n.rec.Packets() }

// Keys gives the secrets of TLS in the format of SSLKEYLOGFILE.
func (n *Network) Keys() []byte { return n.keys.Bytes() }

// Client is a program on a machine.
type Client struct {
	Address netip.Addr
	// Header is sent with every request that has no field of the name.
	Header http.Header
	// Latency is what servers need for their answers, at the least.
	Latency time.Duration

	// Hop is where the exchanges are seen a second time, "" for nowhere: between
	// what ends TLS at the first address and what it hands requests on to. It is
	// for HTTP/1.1.
	Hop [2]string

	n         *Network
	at        *server         // nil: there was none
	transport *http.Transport // of HTTP/2
	conn      net.Conn        // of HTTP/1.1; nil: none is open
	in        *bufio.Reader
	kind      Kind
	server    netip.AddrPort
	port      uint16
	wires     []*wire
	last      capture.Time // when it got its latest answer
}

// keepAlive is how long connections stay open while nothing happens.
const keepAlive = 75 * time.Second

// Client gives a client of a server, which has to be there before it.
func (n *Network) Client(address, server string) *Client {
	c := &Client{
		Address: netip.MustParseAddr(address), Header: http.Header{}, Latency: 3 * time.Millisecond,
		n: n, server: netip.MustParseAddrPort(server), port: uint16(32768 + n.rand.IntN(20000)),
	}
	if s := n.servers[c.server]; s != nil {
		c.at, c.kind = s, s.kind
		if c.kind.http2() {
			c.transport = c.newTransport()
		}
	}
	n.clients = append(n.clients, c)
	return c
}

// newTransport gives a transport without connections.
func (c *Client) newTransport() *http.Transport {
	return &http.Transport{
		Protocols: protocols(c.kind), DisableCompression: true,
		// A connection of HTTP/2 is known to be free a moment after its first request
		// has it. Were the next one not to wait for that, it would dial.
		MaxConnsPerHost: 1,
		DialContext:     func(context.Context, string, string) (net.Conn, error) { return c.dial(), nil },
	}
}

// dial opens a connection to the server.
func (c *Client) dial() net.Conn {
	near, far := net.Pipe()
	c.port++
	c.n.wires++
	w := &wire{
		name: fmt.Sprint(c.n.wires), kind: c.kind,
		client: netip.AddrPortFrom(c.Address, c.port), server: c.server,
	}
	if c.Hop[0] != "" {
		w.inner = &wire{
			name: w.name + " inside", server: netip.MustParseAddrPort(c.Hop[1]),
			client: netip.AddrPortFrom(netip.MustParseAddr(c.Hop[0]), c.port),
		}
	}
	w.near = near
	c.wires = append(c.wires, w)
	c.at.conns <- &tapped{Conn: far, w: w, fromServer: true, remote: net.TCPAddrFromAddrPort(w.client)}
	return &tapped{Conn: near, w: w, remote: net.TCPAddrFromAddrPort(w.server)}
}

// Answer is what a client got.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends a request and waits for the answer. Redirects are not followed.
func (c *Client) Do(r *http.Request) (*Answer, error) {
	if c.at == nil {
		return nil, fmt.Errorf("%s %s: there was no server at %s when the client was made; Serve it first", r.Method, r.URL, c.server)
	}
	for name, values := range c.Header {
		if _, ok := r.Header[name]; !ok {
			r.Header[name] = values
		}
	}
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36")
	}
	if idle := c.last.Add(keepAlive); len(c.wires) > 0 && c.n.clock > idle {
		if err := c.leave(idle); err != nil {
			return nil, err
		}
	}
	c.n.Exchanges++
	exchange := c.http1
	if c.kind.http2() {
		exchange = c.http2
	}
	resp, body, err := exchange(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL, err)
	}
	if err := c.record(c.conn == nil && !c.kind.http2()); err != nil {
		return nil, err
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

func (c *Client) http2(r *http.Request) (*http.Response, []byte, error) {
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// http1 does without a transport, which takes a connection for broken when the
// goroutine that has written a request says so more than 50 ms behind the answer,
// as on a busy machine, and dials.
func (c *Client) http1(r *http.Request) (resp *http.Response, body []byte, err error) {
	if c.conn == nil {
		c.conn = c.dial()
		c.in = bufio.NewReader(c.conn)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		if r.Write(c.conn) != nil {
			c.conn.Close() // nobody waits for an answer
		}
	}()
	if resp, err = http.ReadResponse(c.in, r); err == nil {
		body, err = io.ReadAll(resp.Body)
	}
	over := err != nil || resp.Close || r.Close
	if over {
		c.conn.Close()
	}
	<-written
	if over {
		c.conn = nil
	}
	return resp, body, err
}

// record puts into the capture what an exchange wrote.
func (c *Client) record(over bool) error {
	defer func() { c.last = c.n.clock }()
	latency := c.Latency + time.Duration(c.n.rand.Int64N(int64(c.Latency)+1))
	for i := len(c.wires) - 1; i >= 0; i-- {
		w := c.wires[i]
		written, err := w.record(c.n, latency)
		if err != nil {
			return err
		}
		if written && over {
			if err := w.end(true, c.n.clock); err != nil {
				return err
			}
			c.wires = append(c.wires[:i], c.wires[i+1:]...)
		}
	}
	return nil
}

// Leave ends the client's connections; it may come back.
func (c *Client) Leave() error { return c.leave(c.n.clock) }

func (c *Client) leave(at capture.Time) error {
	var errs []error
	for _, w := range c.wires {
		errs = append(errs, w.end(false, at), w.near.Close())
	}
	c.wires, c.conn = nil, nil
	if c.transport != nil {
		// One that net/http does not take for idle yet must not be used again.
		c.transport.CloseIdleConnections()
		c.transport = c.newTransport()
	}
	return errors.Join(errs...)
}

// tapped is one end of a connection, whose writes are recorded.
type tapped struct {
	net.Conn
	w          *wire
	fromServer bool
	remote     net.Addr
}

func (t *tapped) Write(b []byte) (int, error) {
	t.w.wrote(t.fromServer, b)
	return t.Conn.Write(b)
}

// RemoteAddr is what the server knows its client by.
func (t *tapped) RemoteAddr() net.Addr { return t.remote }

// wire is a connection.
type wire struct {
	name           string
	kind           Kind
	client, server netip.AddrPort
	rec            *reassemblytest.Recorded
	tls            *tunnel
	sort           frameSorter
	inner          *wire // where it is handed on
	near           net.Conn

	mu      sync.Mutex
	changed *sync.Cond
	pending [2]bytes.Buffer // what the client wrote, and the server
}
