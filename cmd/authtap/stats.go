package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/custom"
	"github.com/authtap/authtap/reassembly/decode"
	"github.com/authtap/authtap/reassembly/tlswire/secret"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/trigger"
)

// statistics are all that is counted in a run; what a run does not have is nil.
type statistics struct {
	pipeline.Stats
	Secrets  *secret.Stats
	Engine   *detect.Stats
	Printing *printingStats
	Rules    map[string]custom.Stats
	Batcher  *store.BatcherStats
	Spool    *store.SpoolStats
	Sender   *store.SenderStats
	Reloads  *reloadStats
	Triggers map[string]trigger.Stats // by name
}

// printingStats counts what became of findings on their way to the output.
type printingStats struct {
	// Beyond are findings that a replay did not print.
	Beyond uint64
}

// lines gives the statistics that end a run.
func (s *statistics) lines(taps []tap) *counts {
	c := new(counts)
	c.pipeline(&s.Stats, taps)
	if s.Secrets != nil {
		c.secrets(s.Secrets)
	}
	if s.Engine == nil {
		c.add(s.Streams.Exchanges, "exchanges")
		return c
	}
	c.engine(s.Engine)
	c.some(s.Streams.Credentials.TooMany, "credentials beyond those that are looked at in a message")
	c.some(s.Streams.Credentials.TooDeep, "bodies of JSON nested deeper than is read")
	c.some(s.Streams.Credentials.TokensRefused, "tokens too long or too deep to be read")
	c.rules(s.Rules)
	if s.Printing != nil {
		c.some(s.Printing.Beyond, "findings not printed: more than --max-findings")
	}
	c.delivery(s)
	c.triggers(s.Triggers)
	if s.Reloads != nil {
		c.some(s.Reloads.Done, "reloads of the configuration")
		c.some(s.Reloads.Refused, "reloads refused for a mistake in the configuration")
	}
	return c
}

// triggers adds what was done about findings, over all rules.
func (c *counts) triggers(all map[string]trigger.Stats) {
	var sum trigger.Stats
	for _, s := range all {
		sum.Done += s.Done
		sum.Failed += s.Failed
		sum.Spared += s.Spared
		sum.Cooled += s.Cooled
		sum.Dropped += s.Dropped
	}
	if len(all) > 0 {
		c.add(sum.Done, "findings acted upon by triggers")
	}
	c.some(sum.Failed, "triggers that failed")
	c.some(sum.Spared, "findings of clients that are not blocked")
	c.some(sum.Cooled, "findings not acted upon within a cool-down")
	c.some(sum.Dropped, "findings not acted upon: too many at a time")
}

// counts are the lines of statistics that end a run, as tcpdump ends it.
type counts struct{ lines []string }

// add adds a line: a number and what it counts.
func (c *counts) add(n uint64, what string) {
	c.lines = append(c.lines, fmt.Sprintf("%d %s", n, what))
}

// some adds a line where the number is not zero.
func (c *counts) some(n uint64, what string) {
	if n > 0 {
		c.add(n, what)
	}
}

// print writes the lines.
func (c *counts) print(w io.Writer) {
	for _, l := range c.lines {
		fmt.Fprintln(w, l)
	}
}

// pipeline adds what sources, decoders and shards counted.
func (c *counts) pipeline(s *pipeline.Stats, taps []tap) {
	c.add(s.Source.Packets, "packets read")
	if taps != nil {
		what := "packets dropped by the kernel"
		if s.Source.KernelDropped > 0 && len(taps) > 1 {
			var where []string
			for _, tap := range taps {
				where = append(where, fmt.Sprintf("%d of %s", tap.Stats().KernelDropped, tap.Name()))
			}
			what += ": " + strings.Join(where, ", ")
		}
		c.add(s.Source.KernelDropped, what)
		c.some(s.Source.InterfaceDropped, "packets dropped by the interface")
	}
	c.decode(&s.Decode)
	c.some(s.Filtered, "segments left out by --inner-filter")
	c.some(s.Backward, "packets older than the one before")
	c.some(s.Leaps, "packets more than a day ahead of the others")
	c.streams(&s.Streams)
}

// streams adds what was missing, and the bounds that were met.
func (c *counts) streams(s *pipeline.StreamStats) {
	r, h, h2, t := &s.Reassembly, &s.HTTP1, &s.HTTP2, &s.TLS
	c.some(r.Duplicate, "segments captured twice")
	c.some(r.Conflicts, "segments sent again with other content")
	c.some(r.Gap, "bytes missing in conversations")
	c.some(r.OneSided, "conversations of which one side is missing")
	c.networks(r)
	c.some(h.Unanswered+h2.Unanswered, "requests without their response")
	c.some(h.Orphaned+h2.Orphaned, "responses without their request")
	c.some(r.HolesStream+r.HolesTotal, "holes given up for want of memory")
	c.some(r.EvictedHalfOpen+r.EvictedIdle+r.EvictedActive, "conversations closed early for want of memory")
	c.some(h.HeadsOver+h2.HeadsOver, "heads longer than --limits head-bytes")
	c.some(h.LinesOver+h2.FieldsOver, "heads with more lines than are kept")
	c.some(h.HeadsRefused+h2.HeadsRefused, "heads given up for want of memory")
	c.some(h.EncodedOver+h.DecodedOver+h2.EncodedOver+h2.DecodedOver, "bodies too long to be decoded")
	c.some(h.Undecoded+h2.Undecoded, "bodies that could not be decoded")
	c.some(h.Refused+h2.Refused, "pieces of bodies not kept for want of memory")
	c.some(h.PendingOver+h2.StreamsOver, "requests given up behind too many unanswered ones")
	c.some(h.WaitsRefused+h2.StreamsRefused, "requests given up for want of memory")
	c.some(h2.FieldsUnknown, "header fields of HTTP/2 that refer to what is missing")
	c.some(h2.TablesRefused, "header tables of HTTP/2 given up for want of memory")
	c.some(h2.Tunnelled, "bytes in tunnels of HTTP/2")
	c.some(s.WebSocket.Client.Messages+s.WebSocket.Server.Messages, "messages in WebSockets")
	c.some(s.Relay.SOCKS, "connections through SOCKS")
	c.some(s.Relay.PROXY, "connections that say by the PROXY protocol whom they are for")
	c.some(s.Relay.Malformed, "of these two did not go on as they began")
	c.some(t.Handshakes, "TLS handshakes")
	c.some(t.Unreadable, "TLS handshakes without a readable hello")
	c.some(t.HandshakesOver, "TLS handshakes longer than is read")
	c.some(t.Refusals, "TLS handshakes given up for want of memory")
	c.some(t.Opaque, "bytes of TLS that nobody decrypts")
	c.decryption(&s.Decrypt)
}

// decode adds the packets without a segment, and why.
func (c *counts) decode(s *decode.Stats) {
	var total uint64
	var why []string
	for r, n := range s.Packets {
		if r := decode.Reason(r); r != decode.Segment && n > 0 {
			total += n
			why = append(why, fmt.Sprintf("%d %v", n, r))
		}
	}
	if total > 0 {
		c.add(total, "packets not decoded: "+strings.Join(why, ", "))
	}
	c.some(s.Cut, "packets cut by the snap length")
	c.tunnels(s)
}
