// Package store is where findings go and where they are asked for. It defines
// the two sides, Sink and Reader, and the Batcher that stands in front of a
// sink; the stores themselves are in the packages below it: sqlite is the
// embedded default, clickhouse the one for a fleet, output the lines and
// tables on a terminal or in a pipe.
//
// Contract: a Finding is one version of something found. A store keeps, for
// each ID, the highest version that it was given, in whatever order versions
// come and however often; so writing a batch again after an error changes
// nothing, and replaying a capture again changes no row. Findings handed over
// are not changed by anybody.
//
// A store decides nothing: it does not judge, merge by dedupe key, or read the
// clock to stamp rows.
package store

import (
	"context"
	"iter"
	"net/netip"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
)

// Sink takes findings.
type Sink interface {
	// Write keeps the findings; when it returns nil they are safe. On an error
	// none, some or all of them are kept, each of them whole, and the same
	// findings may be written again. The slice is the caller's: a sink does not
	// keep it. Write is called by one goroutine at a time.
	Write(ctx context.Context, findings []detect.Finding) error
	// Close releases the sink after the last Write.
	Close() error
}

// Reader answers questions about the findings that are kept.
type Reader interface {
	// Findings gives the findings that the filter lets through, each in its
	// highest version, the latest first_seen first, then by ID. After an error
	// the sequence ends. It may be called from any goroutine.
	Findings(ctx context.Context, f Filter) iter.Seq2[detect.Finding, error]
	// Close releases the reader.
	Close() error
}

// Store is both: what sqlite.Open and clickhouse.Open give.
type Store interface {
	Sink
	Reader
}

// Filter chooses findings. The zero value lets everything through; fields that
// are set must all hold.
type Filter struct {
	// Since and Until bound last_seen: Since <= last_seen < Until.
	Since, Until capture.Time
	// Severity is the lowest to be given.
	Severity detect.Severity
	Verdict  detect.Verdict
	// Detector, Host, Principal and Sensor are compared as a whole.
	Detector, Host, Principal, Sensor string
	Client                            netip.Addr
	// Limit is the largest number of findings to be given; 0 is no limit.
	Limit int
}
