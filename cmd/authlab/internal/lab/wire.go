package lab

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/authtap/authtap/capture"
)

// wrote notes what an end wrote.
func (w *wire) wrote(fromServer bool, b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending[side(fromServer)].Write(b)
	if w.changed != nil {
		w.changed.Broadcast()
	}
}

func side(fromServer bool) int {
	if fromServer {
		return 1
	}
	return 0
}

// A flight is what one side says at a time.
type flight struct {
	fromServer bool
	data       []byte
}

// record puts what was written since the last time into the capture. The
// network's clock goes on to its end.
func (w *wire) record(n *Network, latency time.Duration) (written bool, err error) {
	flights, err := w.flights()
	if err != nil || len(flights) == 0 {
		return false, err
	}
	t := n.clock
	if w.rec == nil {
		if w.rec, err = n.rec.Open(w.name, w.client, w.server, t); err != nil {
			return false, err
		}
		if w.kind.encrypted() {
			var shakes []flight
			if w.tls, shakes, err = newTunnel(w.kind, uint64(len(w.name))+n.rand.Uint64(), &n.keys); err != nil {
				return false, err
			}
			for _, f := range shakes {
				if t, err = w.rec.Send(f.fromServer, f.data, t); err != nil {
					return false, err
				}
			}
		}
	}
	for _, f := range flights {
		data := f.data
		if w.tls != nil {
			if data, err = w.tls.seal(f.fromServer, data); err != nil {
				return false, err
			}
		}
		if f.fromServer {
			t = t.Add(latency)
		}
		if w.inner != nil {
			if t, err = w.inner.handOn(n, f, w.client.Addr(), t); err != nil {
				return false, err
			}
		}
		if t, err = w.rec.Send(f.fromServer, data, t); err != nil {
			return false, err
		}
	}
	n.clock = t
	return true, nil
}

// handOn records what goes on behind a machine that ends TLS: the request with
// what such machines add, a moment later, and the answer as it is.
func (w *wire) handOn(n *Network, f flight, from netip.Addr, t capture.Time) (capture.Time, error) {
	if w.rec == nil {
		var err error
		if w.rec, err = n.rec.Open(w.name, w.client, w.server, t); err != nil {
			return t, err
		}
	}
	data := f.data
	if !f.fromServer {
		t = t.Add(200 * time.Microsecond)
		head, body, _ := bytes.Cut(data, []byte("\r\n\r\n"))
		data = fmt.Appendf(nil, "%s\r\nX-Forwarded-For: %s\r\nX-Forwarded-Proto: https\r\n\r\n%s", head, from, body)
	}
	return w.rec.Send(f.fromServer, data, t)
}

// flights takes what was written, in the order in which it must have been.
func (w *wire) flights() ([]flight, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	take := func(side int) []byte {
		b := bytes.Clone(w.pending[side].Bytes())
		w.pending[side].Reset()
		return b
	}
	var order []flight
	if !w.kind.http2() {
		order = []flight{{false, take(0)}, {true, take(1)}}
	} else if w.pending[0].Len() > 0 {
		if !w.sort.greeted {
			// Both sides acknowledge the other's settings, at a time of their own.
			w.changed = sync.NewCond(&w.mu)
			for !acknowledged(w.pending[0].Bytes()) || !acknowledged(w.pending[1].Bytes()) {
				w.changed.Wait()
			}
			w.changed = nil
		}
		var err error
		if order, err = w.sort.order(take(0), take(1)); err != nil {
			return nil, fmt.Errorf("HTTP/2: %w", err)
		}
	}
	flights := order[:0]
	for _, f := range order {
		if len(f.data) > 0 {
			flights = append(flights, f)
		}
	}
	return flights, nil
}

// end records that the connection is over.
func (w *wire) end(fromServer bool, at capture.Time) error {
	if w.rec == nil {
		return nil
	}
	if w.inner != nil {
		if err := w.inner.end(fromServer, at); err != nil {
			return err
		}
	}
	return w.rec.Close(fromServer, at)
}
