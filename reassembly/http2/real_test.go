package http2_test

//lint:file-ignore SA1019 Nothing else speaks the upgrade of RFC 7540.

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
	"golang.org/x/net/http2/hpack"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	h2 "github.com/authtap/authtap/reassembly/http2"
	"github.com/authtap/authtap/reassembly/identify"
)

// recorded is a connection that keeps what goes over it, in order.
type recorded struct {
	net.Conn
	mu    sync.Mutex
	turns []turn
}

type turn struct {
	dir reassembly.Direction
	b   []byte
}

func (r *recorded) add(d reassembly.Direction, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(b) > 0 {
		r.turns = append(r.turns, turn{d, bytes.Clone(b)})
	}
}

func (r *recorded) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.add(toClient, b[:n])
	return n, err
}

// Write keeps what it writes before the server can answer it.
func (r *recorded) Write(b []byte) (int, error) {
	r.add(toServer, b)
	return r.Conn.Write(b)
}

// listener gives the server's ends of pipes.
type listener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newListener() *listener {
	return &listener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *listener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// dial opens a connection that is recorded at the client.
func (l *listener) dial() *recorded {
	client, server := net.Pipe()
	l.conns <- server
	return &recorded{Conn: client}
}

// rebuilt takes what was recorded to exchanges, with HTTP/1 before HTTP/2.
func rebuilt(t *testing.T, r *recorded, pieces int) []*exchange.Exchange {
	t.Helper()
	var got []*exchange.Exchange
	emit := func(x *exchange.Exchange) { got = append(got, x.Own()) }
	one, two := http1.NewShard(http1.Limits{}, emit), h2.NewShard(h2.Limits{}, emit)
	one.Switch("h2c", func(s *reassembly.Start, c reassembly.Direction, x *exchange.Exchange) (reassembly.Parser, bool) {
		return two.Upgrade(s, c, x, x.Request.Header.Get("HTTP2-Settings")), true
	})
	p := identify.New(identify.Limits{}, one.Protocol(), two.Protocol()).New(*start(true))
	random := rand.New(rand.NewPCG(1, uint64(pieces)))
	for _, turn := range r.turns {
		for b := turn.b; len(b) > 0; {
			n := len(b)
			if pieces > 0 {
				n = min(n, 1+random.IntN(pieces))
			}
			p.Feed(&reassembly.Chunk{Dir: turn.dir, Bytes: b[:n]})
			b = b[n:]
		}
	}
	p.End(toServer, reassembly.EndFIN, reassembly.Origin{})
	p.End(toClient, reassembly.EndFIN, reassembly.Origin{})
	if held := one.Stats().Held + two.Stats().Held; held != 0 {
		t.Errorf("%d bytes are still held", held)
	}
	if st := two.Stats(); st.Malformed+st.Lost+st.Skipped+st.TablesLost+st.FieldsUnknown+st.Late > 0 {
		t.Errorf("%+v", st)
	}
	return got
}

// server answers as the request's query says, and writes down what it saw and
// said.
type server struct {
	mu   sync.Mutex
	seen []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	status, answer := 200, strings.Repeat("answer to "+r.URL.Path+" ", 1+len(body)%50)
	w.Header().Set("X-Answer", r.Header.Get("X-Ask"))
	w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
	trailer := ""
	switch r.URL.Query().Get("how") {
	case "denied":
		status = 401
	case "empty":
		status, answer = 204, ""
	case "gzip":
		w.Header().Set("Content-Encoding", "gzip")
	case "trailer":
		w.Header().Set("Trailer", "Grpc-Status")
		trailer = "16"
	case "large":
		answer = strings.Repeat(answer, 3000)
	}
	s.mu.Lock()
	s.seen = append(s.seen, fmt.Sprintf("%s %s %s auth=%q cookie=%q ask=%d body=%d -> %d answer=%d body=%d trailer=%q", r.Method, r.Host, r.RequestURI, r.Header.Get("Authorization"),
		r.Header.Get("Cookie"), len(r.Header.Get("X-Ask")), len(body), status, len(r.Header.Get("X-Ask")), len(answer), trailer))
	s.mu.Unlock()
	w.WriteHeader(status)
	if w.Header().Get("Content-Encoding") != "" {
		z := gzip.NewWriter(w)
		io.WriteString(z, answer)
		z.Close()
	} else {
		io.WriteString(w, answer)
	}
	if trailer != "" {
		w.Header().Set("Grpc-Status", trailer)
	}
}

// told puts an exchange into the words of server.
func told(x *exchange.Exchange) string {
	q, a := &x.Request, &x.Response
	s := fmt.Sprintf("%s %s %s auth=%q cookie=%q ask=%d body=%d -> %d answer=%d body=%d trailer=%q", q.Method, q.Header.Get("Host"), q.Target, q.Header.Get("Authorization"),
		q.Header.Get("Cookie"), len(q.Header.Get("X-Ask")), q.Body.Length, a.Status, len(a.Header.Get("X-Answer")), a.Body.Length, a.Trailer.Get("Grpc-Status"))
	cookies := 0
	a.Header.Each("set-cookie", func(string) { cookies++ })
	if names := x.Names(); len(names) > 0 || cookies != 2 {
		s += fmt.Sprintf(" %d cookies %v", cookies, names)
	}
	return s
}

// What a server of net/http sees is what is found.
func TestServer(t *testing.T) {
	s, l := new(server), newListener()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	hs := &http.Server{Handler: s, Protocols: protocols, MaxHeaderBytes: 1 << 20, HTTP2: &http.HTTP2Config{MaxDecoderHeaderTableSize: 1 << 14}}
	go hs.Serve(l)
	defer hs.Close()
	var conn *recorded
	tr := &http.Transport{Protocols: protocols, DisableCompression: true, HTTP2: &http.HTTP2Config{MaxEncoderHeaderTableSize: 1 << 14},
		MaxConnsPerHost: 1, // or a request dials that comes before the connection is known to be free
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if conn != nil {
				return nil, fmt.Errorf("a second connection")
			}
			conn = l.dial()
			return conn, nil
		}}
	client := http.Client{Transport: tr}
	ask := func(i int) error {
		random := rand.New(rand.NewPCG(7, uint64(i)))
		how := []string{"", "denied", "empty", "gzip", "trailer", "large"}[random.IntN(6)]
		method, body := "GET", io.Reader(nil)
		if random.IntN(2) == 0 {
			method, body = "POST", strings.NewReader(strings.Repeat("x", random.IntN(40000)))
		}
		r, err := http.NewRequest(method, fmt.Sprintf("http://api.test/%d?how=%s", i, how), body)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", fmt.Sprintf("Bearer %d%s", i%5, strings.Repeat("t", 300)))
		r.AddCookie(&http.Cookie{Name: "session", Value: fmt.Sprint(i % 3)})
		r.AddCookie(&http.Cookie{Name: "other", Value: "x"})
		r.Header.Set("X-Ask", strings.Repeat("q", random.IntN(10)*random.IntN(4000)))
		a, err := client.Do(r)
		if err != nil {
			return err
		}
		defer a.Body.Close()
		_, err = io.Copy(io.Discard, a.Body)
		return err
	}
	if err := ask(0); err != nil { // the others go over the connection that it opened
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 20 {
				if err := ask(1 + worker*20 + i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	tr.CloseIdleConnections()
	hs.Close()
	conn.mu.Lock()
	defer conn.mu.Unlock()
	slices.Sort(s.seen)
	if len(s.seen) != 161 {
		t.Fatalf("the server saw %d requests", len(s.seen))
	}
	for _, pieces := range []int{0, 5, 1000} {
		var got []string
		for _, x := range rebuilt(t, conn, pieces) {
			got = append(got, told(x))
		}
		slices.Sort(got)
		if d := cmp.Diff(s.seen, got); d != "" {
			t.Fatal(d)
		}
	}
}

// A connection that begins in HTTP/1 and is upgraded.
func TestServerUpgrade(t *testing.T) {
	s, l := new(server), newListener()
	hs := &http.Server{Handler: h2c.NewHandler(s, &http2.Server{})}
	go hs.Serve(l)
	defer hs.Close()
	c := l.dial()
	settings := base64.RawURLEncoding.EncodeToString([]byte{0, 1, 0, 0, 1, 0})
	fmt.Fprintf(c, "GET /first?how=denied HTTP/1.1\r\nHost: api.test\r\nX-Ask: ab\r\nAuthorization: Basic YTpi\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: %s\r\n\r\n", settings)
	head := make([]byte, 0, 200)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		b := make([]byte, 1)
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		head = append(head, b...)
	}
	sent := make(chan error, 1)
	f := http2.NewFramer(c, c)
	go func() {
		_, err := io.WriteString(c, http2.ClientPreface)
		if err == nil {
			err = f.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 256})
		}
		var block bytes.Buffer
		e := hpack.NewEncoder(&block)
		for _, h := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/second"}, {Name: ":authority", Value: "api.test"}, {Name: "x-ask", Value: "abc"}} {
			e.WriteField(h)
		}
		if err == nil {
			err = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
		}
		sent <- err
	}()
	for ended := 0; ended < 2; {
		fr, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if (fr.Header().Type == http2.FrameData || fr.Header().Type == http2.FrameHeaders) && fr.Header().Flags.Has(http2.FlagDataEndStream) {
			ended++
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	c.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(s.seen)
	var got []string
	for _, x := range rebuilt(t, c, 0) {
		got = append(got, told(x))
		if x.Protocol != exchange.HTTP2 {
			t.Errorf("protocol %v", x.Protocol)
		}
	}
	slices.Sort(got)
	if d := cmp.Diff(s.seen, got); d != "" || len(got) != 2 {
		t.Fatal(d)
	}
}
