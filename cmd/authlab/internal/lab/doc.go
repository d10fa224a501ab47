// Package lab is a network in which real clients and servers of net/http talk
// to each other over pipes, on a clock of its own, and of which a capture is
// made: the same bytes on every run.
//
// What makes it repeatable: clients act one after the other; what an exchange
// wrote is recorded when it is over, in the order that the protocol gives, not
// in that in which goroutines ran; TLS is added by the recorder, with fixed keys
// and numbers in place of random ones (which needs GODEBUG=cryptocustomrand=1);
// and the frames of HTTP/2 have their fields sorted, since net/http writes them
// in the order of a map.
//
// Contract: a Network and all that belongs to it are used by one goroutine.
package lab
