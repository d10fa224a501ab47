package reassembly

import "net/netip"

// TCP flags of a Segment (RFC 9293, section 3.1).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// Segment is one TCP segment as package decode reads it from a packet.
//
// Payload aliases the packet's bytes: it is valid as long as they are. The
// pipeline copies it once when it hands the segment to a shard.
type Segment struct {
	Key FlowKey
	Dir Direction
	// Flags as in the header.
	Flags uint8
	// WindowScale is the option's shift plus one on a SYN; 0 where it is absent.
	WindowScale uint8
	// Window as in the header, unscaled.
	Window   uint16
	Seq, Ack uint32
	// Cut is how many payload bytes the snap length took off the end.
	Cut uint32
	// Tunnels are those that it came in.
	Tunnels Tunnels
	// Origin is the packet it came in.
	Origin  Origin
	Payload []byte
}

// Chunk is a run of bytes of one direction of a conversation, in stream order:
// what the Assembler hands to a parser. A chunk either carries Bytes or stands
// for Gap bytes that nobody will see any more. One with neither says Conflict
// of bytes before Seq that were handed on already.
//
// Bytes is valid during the call only; who needs it longer copies it.
type Chunk struct {
	Dir   Direction
	Bytes []byte
	// Gap counts bytes that were sent but are missing here: lost by the
	// capture, cut by the snap length, or dropped at a limit. It is UnknownGap
	// where nobody can tell how many.
	Gap uint64
	// Seq is the sequence number of the chunk's first byte.
	Seq uint32
	// Ack is the acknowledgement number of the segment that carried it, valid
	// when HasAck. After a gap, pairing a response to its request rests on it.
	Ack    uint32
	HasAck bool
	// Conflict says that some of these bytes arrived twice with different
	// content, of which the first is given here.
	Conflict bool
	// Origin is the packet that carried the bytes (for a gap, the packet after
	// which it was given up).
	Origin Origin
}

// UnknownGap is the Gap of missing bytes that nobody can count, such as those of
// encrypted records.
const UnknownGap = 1 << 62

// Start says how a conversation came to be known.
type Start struct {
	Key FlowKey
	// Client is the direction of the side that opened the connection, valid
	// when Handshake: its SYN (or the SYN-ACK) was seen. Without one the
	// parser finds out from what the sides say.
	Client    Direction
	Handshake bool
	// Decrypted says that the bytes were in TLS. They come without
	// acknowledgement numbers then, and Seq counts them.
	Decrypted bool
	// Tunnels are those that the first segment with data came in.
	Tunnels Tunnels
	// Relayed is whom the connection is for, as its opener said before it spoke
	// the protocol proper; the zero address where it did not.
	Relayed netip.Addr
}

// End says why a direction, or a conversation, is over.
type End uint8

// The reasons. A direction that ends with FIN was sent whole.
const (
	EndFIN      End = iota // this direction was closed by its sender
	EndReset               // the connection was reset
	EndIdle                // nothing came for longer than the limit allows
	EndEvicted             // closed to stay within the budget
	EndReuse               // a new SYN took over the same addresses and ports
	EndShutdown            // the capture is over

	// Ends is how many reasons there are.
	Ends = iota
)

var endNames = [Ends]string{"fin", "reset", "idle", "evicted", "reuse", "shutdown"}

// String gives the reason's name.
func (e End) String() string { return endNames[e] }

// Parser turns the chunks of one conversation, both directions, into exchanges
// (or whatever its protocol gives), which it hands to where it was made to.
//
// Feed gets the chunks of each direction in stream order. End is called once
// for each direction, and nothing of that direction is fed afterwards; EndFIN
// leaves the other direction going on, every other reason ends both. Between
// messages a parser holds no buffers: an idle conversation must cost little.
type Parser interface {
	Feed(c *Chunk)
	End(d Direction, why End, at Origin)
}
