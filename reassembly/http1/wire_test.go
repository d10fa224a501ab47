package http1_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
)

// client is how a simulated client goes about its requests.
type client int

const (
	waits   client = iota // for each response
	batches               // sends several before it reads, then waits for all responses
	slides                // keeps several under way
	clients
)

// wire simulates HTTP over TCP between two ends that are some way apart, and a
// capture somewhere between them. Numbers below k come from n(k).
type wire struct {
	n    func(k int) int
	kind client
	mss  int
	near reassembly.Direction // whose end the capture is near to
	mid  bool                 // or half way

	honest bool // no content looks like a head

	out      [2][]write // what each side has still to send
	pos      [2]uint32  // sequence number behind what it has sent
	got      [2]uint32  // behind what it has received: what it acknowledges
	flight   [2][]reassembly.Segment
	captured []reassembly.Segment

	sent     int // requests
	read     int // responses that the client has read
	answered int // requests that the server has answered
	ends     []uint32
	rspEnds  []uint32
	requests int // in all
}

// write is what a side sends at once; no segment spans two of them.
type write struct {
	data   string
	marker func(end uint32) // called when it is sent
}

func newWire(n func(int) int, kind client) *wire {
	w := &wire{n: n, kind: kind, mss: []int{60, 200, 1460}[n(3)], near: reassembly.Direction(n(2)), mid: n(2) == 0, requests: 1 + n(8)}
	w.pos = [2]uint32{1000, 4294967000}
	w.got = [2]uint32{w.pos[1], w.pos[0]}
	return w
}

// run plays to the end, all requests answered.
func (w *wire) run() []reassembly.Segment {
	w.captured = append(w.captured,
		reassembly.Segment{Dir: toServer, Flags: reassembly.SYN, Seq: w.pos[0] - 1},
		reassembly.Segment{Dir: toClient, Flags: reassembly.SYN | reassembly.ACK, Seq: w.pos[1] - 1, Ack: w.pos[0]},
		reassembly.Segment{Dir: toServer, Flags: reassembly.ACK, Seq: w.pos[0], Ack: w.pos[1]},
	)
	for w.read < w.requests {
		d := reassembly.Direction(w.n(2))
		switch w.n(4) {
		case 0, 1:
			w.act(d)
			w.send(d)
		case 2:
			w.receive(d)
		default:
			if w.n(8) == 0 {
				w.emit(reassembly.Segment{Dir: d, Flags: reassembly.ACK, Seq: w.pos[d], Ack: w.got[d]})
			}
		}
	}
	t := capture.Time(1e18)
	for i := range w.captured {
		s := &w.captured[i]
		s.Key, s.Window = start(true).Key, 0xffff
		t = t.Add(time.Duration(w.n(50)) * time.Millisecond)
		s.Origin = reassembly.Origin{Order: uint64(i + 1), Number: uint64(i + 1), Time: t}
	}
	return w.captured
}

// act lets a side decide to say something more.
func (w *wire) act(d reassembly.Direction) {
	if len(w.out[d]) > 0 {
		return
	}
	if d == toServer {
		under, most := w.sent-w.read, 1
		switch w.kind {
		case batches:
			most = 1 + w.n(4)
			if under > 0 {
				return
			}
		case slides:
			most = 3
		}
		for ; w.sent < w.requests && under < most; under++ {
			w.request(w.sent)
			w.sent++
		}
		return
	}
	if w.answered < len(w.ends) && int32(w.got[toClient]-w.ends[w.answered]) >= 0 {
		w.response(w.answered)
		w.answered++
	}
}

func (w *wire) say(d reassembly.Direction, data string) {
	w.out[d] = append(w.out[d], write{data: data})
}

// bodies hold what looks like heads, each at the beginning of a segment.
func (w *wire) body(fake string) []string {
	var b []string
	for range w.n(4) {
		if w.n(3) == 0 && !w.honest {
			b = append(b, fake)
		} else {
			b = append(b, strings.Repeat("0123456789", 1+w.n(30)))
		}
	}
	return b
}

// message queues a message: head lines, and a body in one of the framings.
func (w *wire) message(d reassembly.Direction, first string, id int, body []string, done func(uint32)) {
	pad := strings.Repeat("p", w.n(150))
	head := fmt.Sprintf("%s\r\nX-Id: %d\r\nX-Pad: %s\r\n", first, id, pad)
	if w.n(2) == 0 && body != nil {
		w.say(d, head+"Transfer-Encoding: chunked\r\n\r\n")
		for _, b := range body {
			w.say(d, fmt.Sprintf("%x\r\n", len(b)))
			w.say(d, b)
			w.say(d, "\r\n")
		}
		w.say(d, "0\r\n\r\n")
	} else {
		w.say(d, fmt.Sprintf("%sContent-Length: %d\r\n\r\n", head, len(strings.Join(body, ""))))
		for _, b := range body {
			w.say(d, b)
		}
	}
	w.out[d][len(w.out[d])-1].marker = done
}

func (w *wire) request(id int) {
	done := func(end uint32) { w.ends = append(w.ends, end) }
	if w.n(3) == 0 {
		w.message(toServer, "POST /x HTTP/1.1", id, w.body("GET /x HTTP/1.1\r\nX-Id: 100\r\n\r\n"), done)
		return
	}
	w.say(toServer, fmt.Sprintf("GET /x HTTP/1.1\r\nX-Id: %d\r\nX-Pad: %s\r\n\r\n", id, strings.Repeat("p", w.n(100))))
	w.out[toServer][len(w.out[toServer])-1].marker = done
}

func (w *wire) response(id int) {
	if w.n(8) == 0 {
		w.say(toClient, "HTTP/1.1 103 Early Hints\r\n\r\n")
	}
	w.message(toClient, "HTTP/1.1 200 OK", id, w.body("HTTP/1.1 200 OK\r\nX-Id: 101\r\nContent-Length: 0\r\n\r\n"),
		func(end uint32) { w.rspEnds = append(w.rspEnds, end) })
}

// send sends up to a segment.
func (w *wire) send(d reassembly.Direction) {
	var data []byte
	var ends []func(uint32)
	for len(w.out[d]) > 0 && len(data) == 0 {
		x := &w.out[d][0]
		n := min(len(x.data), w.mss)
		data = append(data, x.data[:n]...)
		x.data = x.data[n:]
		if x.data == "" {
			if x.marker != nil {
				ends = append(ends, x.marker)
			}
			w.out[d] = w.out[d][1:]
		}
	}
	if len(data) == 0 {
		return
	}
	s := reassembly.Segment{Dir: d, Flags: reassembly.ACK, Seq: w.pos[d], Ack: w.got[d], Payload: data}
	w.pos[d] += uint32(len(data))
	for _, f := range ends {
		f(w.pos[d])
	}
	w.emit(s)
}

// emit puts a segment on its way. The capture sees it there or at its end.
func (w *wire) emit(s reassembly.Segment) {
	w.flight[s.Dir] = append(w.flight[s.Dir], s)
	if w.mid || s.Dir == w.near {
		w.captured = append(w.captured, s)
	}
}

// receive takes the next segment of direction d in at its end.
func (w *wire) receive(d reassembly.Direction) {
	if len(w.flight[d]) == 0 || w.kind == batches && d == toClient && len(w.out[toServer]) > 0 {
		return
	}
	s := w.flight[d][0]
	w.flight[d] = w.flight[d][1:]
	if !w.mid && d != w.near {
		w.captured = append(w.captured, s)
	}
	to := d.Reverse()
	w.got[to] = s.Seq + uint32(len(s.Payload))
	if to == toServer { // the client's own side
		for w.read < len(w.rspEnds) && int32(w.got[to]-w.rspEnds[w.read]) >= 0 {
			w.read++
		}
	}
}
