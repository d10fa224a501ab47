// Package reassemblytest makes traffic for tests: dialogues written as text
// become packets, packets are damaged in ways that captures are damaged, and
// parsers are held to what every parser must do.
//
// Contract: everything is a function of its arguments; the same script and the
// same seed give the same bytes on every machine. Packets own their memory;
// the damage functions never change the packets they are given, but may share
// Data with them. Nothing here is safe for hostile input: it is for tests and
// for the laboratory only.
//
// # Scripts
//
// A script is a text/template with these functions, those for HTTP/2, and those
// that the caller brings:
//
//	{{range seq 1 3}}…{{end}}     once with each of 1, 2, 3
//	{{add 40000 .}}               a sum
//	{{pad 4 7}}                   0007
//	{{repeat 9 "ab"}}             a text so many times
//	{{b64 "text"}} {{b64url "text"}}
//	                              base64, and as in tokens: without padding
//
// What comes out is read by lines:
//
//	# a comment; blank lines end a message
//	time 2026-01-02T03:04:05Z     sets the packet clock (this is where it starts)
//	time +1.5s                    moves it
//	conn NAME CLIENT:PORT SERVER:PORT [midstream] [vlan=5[,7]] [mss=1460] [isn=N[,N]]
//	                              opens a connection: SYN, SYN-ACK, ACK, but for midstream
//	  also=6                      every packet is captured again, in VLAN 6
//	  in=gtpu/7/8+vxlan/5         in tunnels, the outermost first, with an id or one for each
//	                              side: vxlan geneve nvgre gre erspan ipip gtpu mpls; IPv4 only
//	  parts=400                   datagrams (of the outermost tunnel) in fragments of so many bytes
//	on NAME                       goes on with another one
//	> GET / HTTP/1.1              client to server: lines that follow each other are one
//	> Host: api.test              message, and the first empty one ends its header
//	>
//	> body
//	< HTTP/1.1 200 OK             server to client
//	>> "raw\x00bytes"             sent as they are; lines that follow each other are joined
//	drop 1 3                      of the next message, these segments are not captured
//	dup                           the next message's segments are captured twice
//	reorder                       the next message's segments are captured in reverse
//	again                         the next message has the sequence numbers of the one that
//	                              this side sent before: a retransmission, if it says the same
//	snap 96                       packets are cut to so many bytes from here on (snap: no more)
//	nocapture >                   what the client sends (<: the server, nothing: both) is
//	                              not captured from here on
//	capture                       everything is captured again
//	fin > / fin < / fin           a FIN of the client, the server, or both, client first
//	rst > / rst <                 a reset
//
// HTTP/2 is sent raw, in frames that these functions quote:
//
//	>> {{h2hello}}                the client's preface and SETTINGS
//	<< {{h2settings}}             the server's SETTINGS, and its acknowledgement
//	>> {{h2 1 ":method: GET" ":path: /" "end"}}
//	<< {{h2 1 ":status: 200"}}    HEADERS on stream 1, with and without the message's end
//	<< {{h2data 1 "abc" "end"}}   DATA, likewise
//
// Header lines are sent with CRLF, body lines joined by LF without a last one.
// A message with a body and without Content-Length and Transfer-Encoding gets
// a Content-Length; so does a response without a body, but for those that
// have none (1xx, 204, 304, to HEAD, 2xx to CONNECT). What does not fit this
// is sent raw. Messages are cut at the MSS; every second segment is
// acknowledged at once, the rest by what the other side sends next, or after
// 40 ms.
package reassemblytest
