package decrypt_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	"github.com/authtap/authtap/reassembly/http2"
	"github.com/authtap/authtap/reassembly/identify"
	"github.com/authtap/authtap/reassembly/tlswire"
	"github.com/authtap/authtap/reassembly/tlswire/decrypt"
	"github.com/authtap/authtap/reassembly/tlswire/secret"
)

// A client and a server of net/http, over both versions of HTTP: each request
// has its answer. How many connections they take is net/http's business: it opens
// another of HTTP/1.1 when this machine is busy.
func TestNetHTTP(t *testing.T) {
	for _, c := range []struct {
		protocol exchange.Protocol
		h2       bool
		version  uint16
	}{
		{exchange.HTTP11, false, tls.VersionTLS12},
		{exchange.HTTP11, false, tls.VersionTLS13},
		{exchange.HTTP2, true, tls.VersionTLS12},
		{exchange.HTTP2, true, tls.VersionTLS13},
	} {
		t.Run(fmt.Sprintf("%v over %s", c.protocol, tls.VersionName(c.version)), func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Path", r.URL.Path)
				w.WriteHeader(210 + len(r.URL.Path))
				io.WriteString(w, strings.Repeat(r.URL.Path, 2000))
			}))
			server.EnableHTTP2 = c.h2
			server.TLS = &tls.Config{MinVersion: c.version, MaxVersion: c.version}
			server.StartTLS()
			defer server.Close()

			var wires []*wire
			var keys bytes.Buffer
			var dial sync.Mutex
			transport := server.Client().Transport.(*http.Transport)
			transport.ForceAttemptHTTP2 = c.h2
			transport.TLSClientConfig.KeyLogWriter = &keys
			transport.MaxConnsPerHost = 1
			transport.DialContext = func(_ context.Context, network, addr string) (net.Conn, error) {
				dial.Lock()
				defer dial.Unlock()
				wires = append(wires, new(wire))
				conn, err := net.Dial(network, addr)
				return heard{conn, wires[len(wires)-1]}, err
			}
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					r, err := server.Client().Get(server.URL + "/" + strings.Repeat("a", i))
					if err != nil {
						t.Error(err)
						return
					}
					io.Copy(io.Discard, r.Body)
					r.Body.Close()
				})
			}
			all.Wait()
			transport.CloseIdleConnections()

			dial.Lock()
			defer dial.Unlock()
			store := secret.NewStore(secret.Limits{})
			store.AddLines(keys.Bytes(), 0)
			paired := 0
			emit := func(x *exchange.Exchange) {
				if !x.Request.Present || !x.Response.Present || x.Request.Target != x.Response.Header.Get("X-Path") ||
					x.Response.Status != 210+len(x.Request.Target) || x.Protocol != c.protocol || x.TLS != exchange.Decrypted ||
					int(x.Response.Body.Length) != 2000*len(x.Request.Target) {
					t.Errorf("%v %v %q is answered with %d %q, %d bytes", x.Protocol, x.TLS, x.Request.Target, x.Response.Status, x.Response.Header, x.Response.Body.Length)
				}
				paired++
			}
			h1, h2 := http1.NewShard(http1.Limits{}, emit), http2.NewShard(http2.Limits{}, emit)
			var table *identify.Table
			d := decrypt.NewShard(decrypt.Limits{}, store, func(s reassembly.Start) reassembly.Parser { return table.New(s) })
			s := tlswire.NewShard(tlswire.Limits{}, func(*exchange.Handshake) {}, d.Open)
			table = identify.New(identify.Limits{}, h1.Protocol(), h2.Protocol(), s.Protocol())
			for _, w := range wires {
				tap := tap{Shard: d, parser: table.New(reassembly.Start{Client: reassembly.AtoB, Handshake: true})}
				w.mu.Lock()
				tap.play(w.turns, 1460)
				w.mu.Unlock()
				tap.end()
			}
			if paired != 8 {
				t.Errorf("%d exchanges, %+v", paired, d.Stats())
			}
		})
	}
}

// heard is a client's connection of which both directions are noted.
type heard struct {
	net.Conn
	wire *wire
}

func (c heard) Write(b []byte) (int, error) {
	c.wire.mu.Lock()
	c.wire.turns = append(c.wire.turns, turn{false, bytes.Clone(b)})
	c.wire.mu.Unlock()
	return c.Conn.Write(b)
}

func (c heard) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.wire.mu.Lock()
		c.wire.turns = append(c.wire.turns, turn{true, bytes.Clone(b[:n])})
		c.wire.mu.Unlock()
	}
	return n, err
}
