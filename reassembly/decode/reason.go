package decode

// Reason says what became of a packet: a Segment, or why not.
type Reason uint8

// The reasons. A tunnel's is given where its packets are recognised but not
// opened.
const (
	// Segment: a TCP segment was found.
	Segment Reason = iota
	// UnknownLink: the link type of the capture is not one of package capture.
	UnknownLink
	// TruncatedLink: the capture ends within the link layer's header or a tag.
	TruncatedLink
	// TooDeep: more headers stand before the TCP segment than are followed.
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
	// Fragment: a part of an IP datagram.
	Fragment
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
	// Tunnels.
	MPLS
	PPPoE
	GRE
	IPinIP
	VXLAN
	Geneve
	GTPU
	Teredo

	// Reasons is how many there are.
	Reasons = iota
)

var reasonNames = [Reasons]string{
	Segment: "segment", UnknownLink: "unknown_link_type", TruncatedLink: "truncated_link",
	TooDeep: "too_deep", NotIP: "not_ip", TruncatedIP: "truncated_ip", BadIPv4: "ipv4_bad_header",
	BadIPv6: "ipv6_bad_header", BadExtension: "ip_bad_extension", Fragment: "fragment", NotTCP: "not_tcp", QUIC: "quic",
	TruncatedTCP: "truncated_tcp", BadTCP: "tcp_bad_header", ESP: "esp", MACsec: "macsec",
	MPLS: "mpls", PPPoE: "pppoe", GRE: "gre", IPinIP: "ip_in_ip", VXLAN: "vxlan",
	Geneve: "geneve", GTPU: "gtpu", Teredo: "teredo",
}

// String gives the name under which packets are counted.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown"
}
