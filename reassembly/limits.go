package reassembly

import "time"

// Limits bounds what an Assembler keeps. A zero field takes its default.
// Every bound that is met is counted in Stats.
type Limits struct {
	// Flows is how many conversations are known at a time, those included that
	// are over but still remembered. Default 1,048,576.
	Flows int
	// StreamBytes is how much one direction may hold of what came out of order.
	// Default 1 MiB. It may be passed by one segment, for the moment.
	StreamBytes int
	// TotalBytes is the budget for everything that is kept, conversations
	// included, what their parsers hold not. Default 256 MiB.
	TotalBytes int
	// IdleAfter is how long a conversation is kept after its last segment.
	// Default 5 minutes.
	IdleAfter time.Duration
	// HalfOpenAfter is the same for one that has got no further than its
	// handshake. Default 30 seconds.
	HalfOpenAfter time.Duration
	// ClosedFor is how long a conversation that is over is remembered, so that
	// its late segments are not taken for a new one. Default 10 seconds.
	ClosedFor time.Duration
	// HoleAfter is how long a hole may still be filled after its receiver has
	// acknowledged what came behind it: the capture may see an acknowledgement
	// before the data. Default 200 ms.
	HoleAfter time.Duration
}

func (l Limits) withDefaults() Limits {
	or(&l.Flows, 1<<20)
	or(&l.StreamBytes, 1<<20)
	or(&l.TotalBytes, 256<<20)
	or(&l.IdleAfter, 5*time.Minute)
	or(&l.HalfOpenAfter, 30*time.Second)
	or(&l.ClosedFor, 10*time.Second)
	or(&l.HoleAfter, 200*time.Millisecond)
	return l
}

func or[T int | time.Duration](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

// seconds rounds a duration up to what Tick can tell apart.
func seconds(d time.Duration) uint32 {
	return uint32(min((d+time.Second-1)/time.Second, 1<<31))
}

// Stats counts what an Assembler has done. Segments unless said otherwise.
type Stats struct {
	// Segments were given in.
	Segments uint64
	// Stray ones belong to no conversation and can begin none; Late ones to a
	// conversation, or a direction of one, that is over.
	Stray, Late uint64

	// Delivered and Gap are the bytes handed to parsers and those given up:
	// together, what was sent as far as the capture proves it.
	Delivered, Gap uint64
	// Retransmitted brought nothing but bytes that were there already, after a
	// while, Duplicate at once: the same packet captured twice.
	Retransmitted, Duplicate uint64
	// KeepAlives are probes for a living peer.
	KeepAlives uint64
	// OutOfOrder came ahead of bytes still missing.
	OutOfOrder uint64
	// Conflicts differ from what was there for the same sequence numbers.
	Conflicts uint64
	// Unverified are the bytes that came again, not acknowledged before, when
	// the first ones were no longer there to compare.
	Unverified uint64
	// Implausible ones fit the conversation in neither of their numbers;
	// BadReset, BadFIN, BadSYN and BadAck carry a flag that was not honoured.
	Implausible, BadReset, BadFIN, BadSYN, BadAck uint64

	// Holes given up: HolesAcknowledged in due course, HolesStream because
	// Limits.StreamBytes was met, HolesTotal because Limits.TotalBytes was,
	// HolesEnd because the direction was over.
	HolesAcknowledged, HolesStream, HolesTotal, HolesEnd uint64

	// Conversations begun, and of those the ones without a handshake. OneSided
	// ones had data of one side only, and were never heard of the other.
	Conversations, Midstream, OneSided uint64
	// Ended counts conversations by how they ended; those that ended with a
	// FIN of both sides under EndFIN. HalfOpen ended without a byte.
	Ended    [Ends]uint64
	HalfOpen uint64
	// Mirrored conversations were captured in more than one network, and of
	// Halved ones the directions in different networks; they are put together,
	// and Copies are the segments that came from a network other than the
	// first. Split conversations are one-sided, and in another VLAN there is one
	// between the same ends that has the other side. Crowded ones are not
	// compared with those of other networks, because there are too many.
	Mirrored, Halved, Copies, Split, Crowded uint64
	// Evicted conversations: EvictedClosed were over, EvictedHalfOpen had no
	// data, EvictedIdle had been quiet, EvictedActive had not.
	EvictedClosed, EvictedHalfOpen, EvictedIdle, EvictedActive uint64

	// Known conversations at this time (those over and the further networks of
	// mirrored ones included), and bytes held of
	// what came out of order and of what was not acknowledged yet.
	Known, Buffered, Kept int
}
