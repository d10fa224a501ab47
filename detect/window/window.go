// Package window keeps sliding windows on packet time: how many events a key
// had lately, what came of them, and how many different values they held.
//
// Contract: a Set or a Cache belongs to one goroutine, and Sets that share a
// Budget to the same. All are bounded: a Set by Options.Keys and by its Budget.
// Of too many keys those without failures, then those with the fewest, then the
// oldest make room for new ones, which is counted. A key takes about 160 bytes
// after one event and at most 32 KB. Time comes with the events and with Expire;
// nothing here reads a clock, and events that arrive late do no harm.
//
// Windows slide: an event counts for as long as it is younger than the span,
// not until some epoch ends. Counts and distinct values are exact while there
// are few (128 events, 256 values); beyond that, events less than a sixtieth of
// the span apart are kept together, and values are sampled, which gives their
// number to about 5 percent.
//
// It does not know what an attack is: thresholds are the detectors'.
package window

import (
	"net/netip"

	"github.com/authtap/authtap/capture"
)

// Event is one observation.
type Event struct {
	Time capture.Time
	// Fields are hashes of the values whose variety is measured (0: none);
	// what each index means is the detector's.
	Fields [Fields]uint64
	// Class says what came of it, Status which answer (kept of successes).
	Class  Class
	Status uint16
	// Client and Label (an account's name, for instance) may be listed in a
	// finding; the window keeps a bounded number of them.
	Client netip.Addr
	Label  string
}

// Fields is how many values an event has.
const Fields = 5

// Class is the outcome of an event, counted separately.
type Class uint8

// The classes.
const (
	Failure Class = iota
	Success
	Pending
	Unclear
	classes
)
