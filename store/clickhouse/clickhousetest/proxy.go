package clickhousetest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// proxy carries connections to a server and can cut them. Its address stays
// the same while the server's changes.
type proxy struct {
	address string
	running sync.WaitGroup
	delay   atomic.Int64 // nanoseconds that everything is held back
	held    atomic.Int64 // counts while something is

	mu       sync.Mutex
	listener net.Listener // nil while closed
	carried  map[*carriage]struct{}
}

// carriage is one connection through the proxy.
type carriage struct{ client, server net.Conn }

// newProxy opens a proxy to the server on a free port of the loopback, below
// those that the system gives to whoever asks for any: nobody gets it while the
// proxy is closed.
func newProxy(server string) (*proxy, error) {
	p := &proxy{carried: make(map[*carriage]struct{})}
	var err error
	for range 100 {
		p.address = fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(20_000))
		if err = p.open(server); err == nil {
			return p, nil
		}
	}
	return nil, err
}

// open listens again after close.
func (p *proxy) open(server string) error {
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.listener = listener
	p.mu.Unlock()
	p.running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.carry(client, server) })
		}
	})
	return nil
}

// carry copies both ways until either end leaves.
func (p *proxy) carry(client net.Conn, server string) {
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		client.Close()
		return
	}
	c := &carriage{client, upstream}
	p.mu.Lock()
	if p.listener == nil { // closed in the meantime
		c.reset()
	} else {
		p.carried[c] = struct{}{}
	}
	p.mu.Unlock()
	var up sync.WaitGroup
	up.Go(func() {
		p.copy(upstream, client)
		upstream.Close()
		client.Close()
	})
	p.copy(client, upstream)
	upstream.Close()
	client.Close()
	up.Wait()
	p.mu.Lock()
	delete(p.carried, c)
	p.mu.Unlock()
}

// copy carries one way until either end leaves; how it ended is the ends'
// business.
func (p *proxy) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		begun := time.Now()
		for held := time.Duration(p.delay.Load()); n > 0 && time.Since(begun) < held; held = time.Duration(p.delay.Load()) {
			p.mu.Lock()
			closed := p.listener == nil
			p.mu.Unlock()
			if closed {
				return
			}
			p.held.Add(1)
			time.Sleep(min(held, 10*time.Millisecond))
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// reset closes both ends without a farewell.
func (c *carriage) reset() {
	for _, conn := range []net.Conn{c.client, c.server} {
		_ = conn.(*net.TCPConn).SetLinger(0) // fails when it is closed already
		conn.Close()
	}
}

// cut resets all connections and gives their number.
func (p *proxy) cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.carried)
	for c := range p.carried {
		c.reset()
	}
	clear(p.carried)
	return n
}

// close refuses new connections and resets the open ones.
func (p *proxy) close() {
	p.mu.Lock()
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
	p.mu.Unlock()
	p.cut()
	p.running.Wait()
}
