// Package tlswire parses the beginnings of TLS connections, from the hello of
// SSL 2.0 to TLS 1.3 (RFC 8446), and gives a Handshake of each: what was
// offered, chosen and shown in the clear, and how it ended.
//
// Contract: a Shard makes the parsers of the conversations that one goroutine
// looks after. A parser takes its bytes as they come and can stop at any of
// them. What lies whole in a chunk is read where it lies; otherwise it is put
// together in a buffer of the shard, bounded by Limits. When the handshake is
// over it is handed on, and from then on a connection that nobody opens costs
// 64 bytes and an addition for each chunk. Handshakes own their memory.
//
// # Damage
//
// A gap ends the reading of what that direction sent in the clear, with a
// mark; records that begin behind it still tell how the handshake ended. Bytes
// of a connection of which neither hello is known are counted as Opaque; no
// Handshake comes of it.
//
// # Opening
//
// The record layer is apart from what is read of handshakes: see Opener, which
// gets every record and what the hellos said, for whoever has the secrets.
//
// # What it does not do
//
// It verifies nothing, neither signatures nor chains nor the order of messages.
// It does not look at DTLS and QUIC. Of the protocols that go on in TLS when
// asked to (STARTTLS and its like) it reads nothing but the asking: see Plain.
package tlswire
