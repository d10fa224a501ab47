package coverage_test

import (
	"math"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/authtap/authtap/reassembly/coverage"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/identify"
)

var sameServer = cmpopts.EquateComparable(netip.AddrPort{})

func server(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 80)
}

// answered gives an exchange of server 1.
func answered(flags exchange.Flags, request, response exchange.Damage) *exchange.Exchange {
	return &exchange.Exchange{
		Server: server(1), Flags: flags,
		Request:  exchange.Message{Present: true, Damage: request},
		Response: exchange.Message{Present: true, Damage: response, Status: 200},
	}
}

func TestExchange(t *testing.T) {
	unanswered := answered(exchange.Unpaired, 0, 0)
	unanswered.Response = exchange.Message{}
	orphan := answered(exchange.Unpaired, 0, 0)
	orphan.Request = exchange.Message{}
	for _, c := range []struct {
		name            string
		x               *exchange.Exchange
		complete, known uint64
	}{
		{"without a response", unanswered, 0, 0},
		{"without a request", orphan, 0, 0},
		{"not provably the request's", answered(exchange.Unpaired, 0, 0), 0, 0},
		{"a gap in the response's head", answered(0, 0, exchange.HeadGap), 0, 0},
		{"two readings of the response", answered(0, 0, exchange.Malformed), 0, 0},
		{"a gap in the request", answered(0, exchange.HeadGap, 0), 0, 1},
		{"a gap in the response's body", answered(0, 0, exchange.BodyGap), 0, 1},
		{"cut", answered(0, 0, exchange.Cut), 0, 1},
		{"in a coding that is not known", answered(0, 0, exchange.Undecoded), 1, 1},
		{"found by proof", answered(exchange.AfterGap|exchange.Midstream, 0, 0), 1, 1},
		{"whole", answered(0, 0, 0), 1, 1},
	} {
		var table coverage.Table
		table.Exchange(c.x)
		want := coverage.Row{Server: server(1), Exchanges: 1, Complete: c.complete, Known: c.known}
		if d := cmp.Diff([]coverage.Row{want}, table.Rows(), sameServer); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// Rows come by what is missing, whatever was counted first, and tables can be
// added up.
func TestRows(t *testing.T) {
	var a, b, all coverage.Table
	a.Conversation(identify.Seen{Server: server(1), Bytes: 100}, false)
	a.QUIC(server(3))
	a.Conversation(identify.Seen{Server: server(2), Bytes: 10, Missing: 10, TLS: true}, true)
	b.Conversation(identify.Seen{Server: server(2), Bytes: 10, Missing: 10}, true)
	b.QUIC(server(3))
	b.Conversation(identify.Seen{Server: server(4), Bytes: 500}, false)
	b.Conversation(identify.Seen{Bytes: 1}, false)
	want := []coverage.Row{
		{Server: server(2), Conversations: 2, OneSided: 2, Opaque: 1, Bytes: 20, Missing: 20},
		{Server: server(4), Conversations: 1, Bytes: 500},
		{Server: server(1), Conversations: 1, Bytes: 100},
		{Server: server(3), QUIC: 2},
		{Conversations: 1, Bytes: 1},
	}
	all.Add(&a)
	all.Add(&b)
	if d := cmp.Diff(want, all.Rows(), sameServer); d != "" {
		t.Error(d)
	}
	b.Add(&a)
	if d := cmp.Diff(want, b.Rows(), sameServer); d != "" {
		t.Errorf("the other way round: %s", d)
	}
	total := all.Total()
	if d := cmp.Diff(coverage.Row{Conversations: 5, OneSided: 2, Opaque: 1, Bytes: 621, Missing: 20, QUIC: 2}, total, sameServer); d != "" {
		t.Error(d)
	}
	if got := want[0].Lost(); got != 0.5 {
		t.Errorf("%v of server 2 is lost", got)
	}
	if got := (&coverage.Row{}).Lost(); got != 0 || math.IsNaN(got) {
		t.Errorf("of nothing, %v is lost", got)
	}
}

// Servers beyond those that there is room for are counted together.
func TestServersBeyond(t *testing.T) {
	var a, b coverage.Table
	for i := range coverage.Servers + 10 {
		a.QUIC(server(i))
		b.QUIC(server(i + 5))
	}
	a.QUIC(server(0))
	rows := a.Rows()
	if len(rows) != coverage.Servers+1 || rows[coverage.Servers] != (coverage.Row{QUIC: 10}) || rows[0].QUIC != 2 {
		t.Errorf("%d rows, the first %+v, the last %+v", len(rows), rows[0], rows[len(rows)-1])
	}
	a.Add(&b)
	if rows := a.Rows(); len(rows) != coverage.Servers+1 || rows[coverage.Servers].QUIC != 10+10+5 {
		t.Errorf("%d rows, the last %+v", len(rows), rows[len(rows)-1])
	}
	if got := a.Total().QUIC; got != 2*(coverage.Servers+10)+1 {
		t.Errorf("%d packets in all", got)
	}
}

func BenchmarkExchange(b *testing.B) {
	var table coverage.Table
	xs := []*exchange.Exchange{answered(0, 0, 0), answered(0, 0, 0), answered(0, 0, 0)}
	xs[2].Server = server(2)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		table.Exchange(xs[i%3])
	}
}
