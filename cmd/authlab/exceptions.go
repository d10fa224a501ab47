package main

// exception is something that tshark sees and that is not there, or that it
// sees wrongly.
type exception struct {
	measure measure
	missing int // how many at most
	why     string
}

// exceptions are the errors of tshark that are known, by capture.
var exceptions = map[string][]exception{
	"files/goprobe/pkg__e2etest__testdata__default.pcap.gz": {
		{requests1, 8, "one that came four times, and five that the snap length cut in the middle of their targets"},
		{statuses1, 6, "the five, and a response that came twice is taken for two"},
	},
	"files/mercury/afl_data__encrypted_handshake_cert_false_positive.pcap": {
		{serverHellos, 1, "an encrypted message that begins like one"},
	},
	"files/sv/http-multiple-cl__input.pcap": {
		{requests1, 1, "two lengths, of which tshark takes the other: its request is content"},
		{statuses1, 1, "likewise"},
	},
	"files/zeek/erspan.pcap": {
		{statuses1, 2, "tshark pairs by order, although the responses before were not captured; here they are given, unpaired"},
	},
	"files/zeek/http__261__variant-02-cl_uint64max.pcap": {
		{requests1, 1, "a length that tshark takes for none: its request is content"},
	},
}
