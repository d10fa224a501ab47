package decode

// Reason says what became of a packet: a Segment, or why not.
type Reason uint8

// The reasons.
const (
	// Segment: a TCP segment was found.
	Segment Reason = iota
	// UnknownLink: the link type of the capture is not one of package capture.
	UnknownLink
	// TruncatedLink: the capture ends within the link layer's header or a tag.
	TruncatedLink
	// TooDeep: more headers stand before the TCP segment than are followed, or
	// more tunnels.
	TooDeep
	// NotIP: another network protocol, such as ARP.
	NotIP
	// TruncatedIP: the capture ends within the IP header or its extensions.
	TruncatedIP
	// BadIPv4 and BadIPv6: a header that contradicts itself.
	BadIPv4
	BadIPv6
	// BadExtension: a header between IP and TCP that ends behind the datagram.
	BadExtension
	// Fragment: a part of an IP datagram that is not yet whole, or a copy.
	Fragment
	// BadFragment: a part that overlaps others, or is impossible.
	BadFragment
	// NotTCP: another transport, such as UDP or ICMP.
	NotTCP
	// QUIC: a packet of the beginning of a QUIC connection. The segment's Key
	// and Dir say who sent it, and nothing else in it means anything.
	QUIC
	// TruncatedTCP: the capture ends within the fixed part of the TCP header.
	TruncatedTCP
	// BadTCP: a TCP header that is longer than the datagram, or too short.
	BadTCP
	// Encrypted below TCP.
	ESP
	MACsec
	WLANEncrypted
	// WLANAggregate: an 802.11 frame that holds several packets.
	WLANAggregate
	// NotOpened: a tunnel that Options close.
	NotOpened
	// BadTunnel: a tunnel's header that contradicts itself, or is of a kind that
	// is not read (GRE with routing, say).
	BadTunnel
	// TruncatedTunnel: the capture ends within a tunnel's header.
	TruncatedTunnel

	// Reasons is how many there are.
	Reasons = iota
)

var reasonNames = [Reasons]string{
	Segment: "segment", UnknownLink: "unknown_link_type", TruncatedLink: "truncated_link",
	TooDeep: "too_deep", NotIP: "not_ip", TruncatedIP: "truncated_ip", BadIPv4: "ipv4_bad_header",
	BadIPv6: "ipv6_bad_header", BadExtension: "ip_bad_extension", Fragment: "fragment",
	BadFragment: "bad_fragment", NotTCP: "not_tcp", QUIC: "quic", TruncatedTCP: "truncated_tcp",
	BadTCP: "tcp_bad_header", ESP: "esp", MACsec: "macsec", WLANEncrypted: "wlan_encrypted",
	WLANAggregate: "wlan_aggregate", NotOpened: "tunnel_not_opened", BadTunnel: "tunnel_bad_header",
	TruncatedTunnel: "truncated_tunnel",
}

// String gives the name under which packets are counted.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown"
}
