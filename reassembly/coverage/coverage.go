// Package coverage counts, for each server, what was seen of its traffic and
// what was not: the blind spots of a capture.
//
// A conversation is counted when it is over, an exchange when it is handed on,
// a packet of QUIC when it comes. Servers are told apart by address and port
// alone: equal addresses in two networks are one server here.
//
// Contract: a Table belongs to one goroutine; tables of several are added up
// with Add. It holds at most Servers rows (below 1 MiB): what belongs to
// servers beyond is counted in one row without a name, so that the sums are
// right in any case. It does not judge what an answer means: an outcome is
// known when there is an answer that is provably the request's and of which
// the head is undamaged.
package coverage

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/identify"
)

// Servers is how many servers a Table tells apart.
const Servers = 4096

// Row is what was seen of a server.
type Row struct {
	// Server is not valid in the row of those beyond.
	Server netip.AddrPort

	// Conversations that had data, and are over. Of OneSided ones no segment of
	// one side was captured; Opaque ones are TLS that was not decrypted.
	Conversations, OneSided, Opaque uint64
	// Bytes that were rebuilt in them, and bytes Missing: sent, as far as the
	// capture proves it, but lost, cut by the snap length or given up.
	Bytes, Missing uint64

	// Exchanges, whole or not. In Complete ones both messages are whole. Known
	// ones have an answer.
	Exchanges, Complete, Known uint64

	// QUIC packets from or to it, of the beginnings of connections.
	QUIC uint64
}

// add adds the counts of another row.
func (r *Row) add(o *Row) {
	r.Conversations += o.Conversations
	r.OneSided += o.OneSided
	r.Opaque += o.Opaque
	r.Bytes += o.Bytes
	r.Missing += o.Missing
	r.Exchanges += o.Exchanges
	r.Complete += o.Complete
	r.Known += o.Known
	r.QUIC += o.QUIC
}

// Lost is the share of what was sent that is missing, 0 to 1.
func (r *Row) Lost() float64 {
	if r.Missing == 0 {
		return 0
	}
	return float64(r.Missing) / (float64(r.Bytes) + float64(r.Missing))
}

// Table is the rows of all servers. Its zero value is ready.
type Table struct {
	rows   []Row // in the order in which they came
	index  map[netip.AddrPort]int
	beyond Row
	last   int // the row that was asked for last: mostly the next one, too
}

// row gives the row of a server.
func (t *Table) row(server netip.AddrPort) *Row {
	if t.last < len(t.rows) && t.rows[t.last].Server == server {
		return &t.rows[t.last]
	}
	i, ok := t.index[server]
	switch {
	case ok:
	case !server.IsValid() || len(t.rows) == Servers:
		return &t.beyond
	default:
		if t.index == nil {
			t.index = map[netip.AddrPort]int{}
		}
		i = len(t.rows)
		t.index[server] = i
		t.rows = append(t.rows, Row{Server: server})
	}
	t.last = i
	return &t.rows[i]
}

// Conversation counts one that is over.
func (t *Table) Conversation(seen identify.Seen, oneSided bool) {
	r := t.row(seen.Server)
	r.Conversations++
	r.Bytes += seen.Bytes
	r.Missing += seen.Missing
	if oneSided {
		r.OneSided++
	}
	if seen.TLS {
		r.Opaque++
	}
}

// Exchange counts one.
func (t *Table) Exchange(x *exchange.Exchange) {
	r := t.row(x.Server)
	r.Exchanges++
	if !x.Request.Present || !x.Response.Present || x.Flags&exchange.Unpaired != 0 {
		return
	}
	if x.Request.Damage.Whole() && x.Response.Damage.Whole() {
		r.Complete++
	}
	if x.Response.Damage&(exchange.HeadGap|exchange.Malformed) == 0 {
		r.Known++
	}
}

// QUIC counts a packet.
func (t *Table) QUIC(server netip.AddrPort) { t.row(server).QUIC++ }

// Add adds the rows of another table.
func (t *Table) Add(o *Table) {
	for i := range o.rows {
		t.row(o.rows[i].Server).add(&o.rows[i])
	}
	t.beyond.add(&o.beyond)
}

// Rows gives the rows that say something, those with the most missing bytes
// first, then those with the most traffic, and last the one of the servers
// beyond.
func (t *Table) Rows() []Row {
	rows := slices.Clone(t.rows)
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Missing, a.Missing), cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.QUIC, a.QUIC),
			a.Server.Compare(b.Server))
	})
	if t.beyond != (Row{}) {
		rows = append(rows, t.beyond)
	}
	return rows
}

// Total gives the sum of all rows.
func (t *Table) Total() Row {
	sum := t.beyond
	for i := range t.rows {
		sum.add(&t.rows[i])
	}
	return sum
}
