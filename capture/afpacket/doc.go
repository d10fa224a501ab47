// Package afpacket captures at speed from a network interface of Linux: through
// TPACKET_V3 rings, memory that the kernel fills with blocks of packets and the
// program reads without a call for each. Several rings of an interface are a
// fanout group: the kernel hashes the addresses and ports of a packet, the same
// for both directions, and puts it into one of them, so that each can be read
// on a core of its own. It never sends anything.
//
// Contract: a Ring is used by one goroutine at a time; rings of an interface
// are independent of each other. Read copies the packet into memory of its
// caller, the VLAN tag that the kernel took out put back in. Memory: the
// kernel's, Options.BufferBytes an interface, but at least 2 MiB a ring. When a
// ring is full the kernel drops, and counts.
//
// What the kernel hashes are the outermost headers that it understands: the two
// directions of a conversation within a tunnel may come through two rings, and
// so may fragments of a datagram within one. Those of an outer datagram come
// through one.
//
// What it does not do: interfaces whose packets are neither Ethernet nor raw IP
// and "any", all interfaces at once; libpcap (package live) captures from them.
//
// It needs Linux and cgo; filters, libpcap. CAP_NET_RAW is enough.
package afpacket
