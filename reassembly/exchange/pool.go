package exchange

import "github.com/authtap/authtap/reassembly"

// Pool gives exchanges, and takes back those that nobody holds any more: what
// most of a run's memory would be made for. Its zero value is ready and gives
// new ones. It belongs to one goroutine.
type Pool struct{ spares reassembly.Spares[Exchange] }

// What a Pool keeps at most: exchanges, and room for header lines of a message.
const (
	mostSpares = 4096
	mostLines  = 64
)

// New gives an exchange of a conversation that began at a packet; client is the
// direction of the client. All else is zero, but for room in the headers, where
// lines of another may still stand.
func (p *Pool) New(start *reassembly.Start, client reassembly.Direction, at reassembly.Origin) *Exchange {
	x := p.spares.Take()
	x.Origin = at
	x.Client, x.Server = start.Key.Sender(client), start.Key.Receiver(client)
	x.Relayed, x.Net, x.Tunnels = start.Relayed, start.Key.Net, start.Tunnels
	if start.Decrypted {
		x.TLS = Decrypted
	}
	return x
}

// Put takes an exchange back. Neither it nor its lists of header lines may be
// touched from here on; strings out of it may.
func (p *Pool) Put(x *Exchange) {
	request, response := room(x.Request.Header), room(x.Response.Header)
	*x = Exchange{}
	x.Request.Header, x.Response.Header = request, response
	p.spares.Keep(x, mostSpares)
}

func room(h Header) Header {
	if cap(h) > mostLines {
		return nil
	}
	return h[:0]
}

// Grow gives an empty list with room for n lines: h's own, where it has that
// much.
func (h Header) Grow(n int) Header {
	if n <= cap(h) {
		return h[:0]
	}
	return make(Header, 0, max(n, 8))
}
