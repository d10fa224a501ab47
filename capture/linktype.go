package capture

import "strconv"

// LinkType says what the first bytes of a packet are: the LINKTYPE_ numbers of
// capture files (https://www.tcpdump.org/linktypes.html).
type LinkType uint16

// The link types that authtap decodes.
const (
	LinkNull     LinkType = 0
	LinkEthernet LinkType = 1
	LinkRaw12    LinkType = 12  // DLT_RAW on most systems, written by old tools
	LinkRaw14    LinkType = 14  // DLT_RAW on OpenBSD
	LinkRaw      LinkType = 101 // LINKTYPE_RAW
	LinkLoop     LinkType = 108 // OpenBSD loopback: family in network order
	LinkSLL      LinkType = 113 // Linux cooked, version 1
	LinkARCNET   LinkType = 129 // ARCNET as Linux captures it
	LinkIPv4     LinkType = 228
	LinkIPv6     LinkType = 229
	LinkNFLOG    LinkType = 239 // packets that Linux netfilter logged
	LinkSLL2     LinkType = 276 // Linux cooked, version 2
)

var linkNames = map[LinkType]string{
	LinkNull: "NULL", LinkEthernet: "EN10MB", LinkRaw12: "RAW", LinkRaw14: "RAW",
	LinkRaw: "RAW", LinkLoop: "LOOP", LinkSLL: "LINUX_SLL", LinkARCNET: "ARCNET_LINUX", LinkIPv4: "IPV4",
	LinkIPv6: "IPV6", LinkNFLOG: "NFLOG", LinkSLL2: "LINUX_SLL2",
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
