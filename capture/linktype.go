package capture

import "strconv"

// LinkType says what the first bytes of a packet are: the LINKTYPE_ numbers of
// capture files (https://www.tcpdump.org/linktypes.html).
type LinkType uint16

// The link types that authtap decodes.
const (
	LinkNull         LinkType = 0
	LinkEthernet     LinkType = 1
	LinkPPP          LinkType = 9
	LinkFDDI         LinkType = 10
	LinkRaw12        LinkType = 12  // DLT_RAW on most systems, written by old tools
	LinkRaw14        LinkType = 14  // DLT_RAW on OpenBSD
	LinkPPPSerial    LinkType = 50  // PPP in HDLC-like framing
	LinkPPPEther     LinkType = 51  // PPPoE without the Ethernet header
	LinkRaw          LinkType = 101 // LINKTYPE_RAW
	LinkHDLC         LinkType = 104 // Cisco's, in which PPP may be, too
	LinkWLAN         LinkType = 105 // IEEE 802.11
	LinkLoop         LinkType = 108 // OpenBSD loopback: family in network order
	LinkSLL          LinkType = 113 // Linux cooked, version 1
	LinkPrism        LinkType = 119 // IEEE 802.11 behind a Prism header
	LinkRadiotap     LinkType = 127 // IEEE 802.11 behind a radiotap header
	LinkARCNET       LinkType = 129 // ARCNET as Linux captures it
	LinkAVS          LinkType = 163 // IEEE 802.11 behind an AVS header
	LinkPPI          LinkType = 192 // per-packet information, and another link type
	LinkPPPDirection LinkType = 204 // PPP behind a byte that tells the direction
	LinkIPv4         LinkType = 228
	LinkIPv6         LinkType = 229
	LinkNFLOG        LinkType = 239 // packets that Linux netfilter logged
	LinkSLL2         LinkType = 276 // Linux cooked, version 2
)

var linkNames = map[LinkType]string{
	LinkNull: "NULL", LinkEthernet: "EN10MB", LinkRaw12: "RAW", LinkRaw14: "RAW",
	LinkRaw: "RAW", LinkLoop: "LOOP", LinkSLL: "LINUX_SLL", LinkARCNET: "ARCNET_LINUX", LinkIPv4: "IPV4",
	LinkIPv6: "IPV6", LinkNFLOG: "NFLOG", LinkSLL2: "LINUX_SLL2", LinkPPP: "PPP", LinkFDDI: "FDDI",
	LinkPPPSerial: "PPP_SERIAL", LinkPPPEther: "PPP_ETHER", LinkHDLC: "C_HDLC", LinkWLAN: "IEEE802_11",
	LinkPrism: "PRISM_HEADER", LinkRadiotap: "IEEE802_11_RADIO", LinkAVS: "IEEE802_11_RADIO_AVS",
	LinkPPI: "PPI", LinkPPPDirection: "PPP_WITH_DIR",
}

// Known says whether authtap decodes packets of this type.
func (l LinkType) Known() bool {
	_, ok := linkNames[l]
	return ok
}

// String gives tcpdump's name of the link type, or its number.
func (l LinkType) String() string {
	if n, ok := linkNames[l]; ok {
		return n
	}
	return strconv.Itoa(int(l))
}
