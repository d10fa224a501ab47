// Package store is where what a sensor tells goes, and where it is asked for.
// It defines the two sides, Sink and Reader, and what stands between the
// engine and a sink; the stores themselves are in the packages below it: sqlite
// is the embedded default, clickhouse the one for a fleet, output the lines and
// tables on a terminal or in a pipe.
//
//	engine ──rows──▶ Batcher ──blocks──▶ Spool ──blocks──▶ Sender ──▶ clickhouse
//	                    └──────────────────────────────────────────▶ sqlite
//
// Contract: a Finding is one version of something found. A store keeps, for
// each ID, the highest version that it was given, in whatever order versions
// come and however often; likewise each Occurrence, and each AuthEvent and
// Heartbeat once; of a ledger's row the largest of each number and all that its
// lists ever held. So writing rows again after an error changes nothing, and
// replaying a capture again changes no row. Rows handed over are not changed by
// anybody.
//
// The Batcher takes rows without waiting and is bounded in bytes; the Spool
// keeps blocks on the disk, bounded in bytes, until the Sender has seen them
// acknowledged. docs/decisions/0010-delivery.md tells why.
//
// A store decides nothing: it does not judge, merge by dedupe key, or read the
// clock to stamp rows.
package store

import (
	"context"
	"errors"
	"iter"
	"net/netip"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
)

// Rows are what a sensor tells, by the table that they belong to.
type Rows struct {
	Findings    []detect.Finding
	Occurrences []detect.Occurrence
	AuthEvents  []detect.AuthEvent
	Heartbeats  []Heartbeat
	Endpoints   []detect.Endpoint
	Credentials []detect.Use
	Issuers     []detect.IssuerKey
}

// Len is the number of rows.
func (r *Rows) Len() int {
	return len(r.Findings) + len(r.Occurrences) + len(r.AuthEvents) + len(r.Heartbeats) +
		len(r.Endpoints) + len(r.Credentials) + len(r.Issuers)
}

// cut gives the first n rows, and the others.
func (r *Rows) cut(n int) (first, others Rows) {
	first.Findings, others.Findings = part(r.Findings, &n)
	first.Occurrences, others.Occurrences = part(r.Occurrences, &n)
	first.AuthEvents, others.AuthEvents = part(r.AuthEvents, &n)
	first.Heartbeats, others.Heartbeats = part(r.Heartbeats, &n)
	first.Endpoints, others.Endpoints = part(r.Endpoints, &n)
	first.Credentials, others.Credentials = part(r.Credentials, &n)
	first.Issuers, others.Issuers = part(r.Issuers, &n)
	return first, others
}

// add appends other rows.
func (r *Rows) add(o *Rows) {
	r.Findings = append(r.Findings, o.Findings...)
	r.Occurrences = append(r.Occurrences, o.Occurrences...)
	r.AuthEvents = append(r.AuthEvents, o.AuthEvents...)
	r.Heartbeats = append(r.Heartbeats, o.Heartbeats...)
	r.Endpoints = append(r.Endpoints, o.Endpoints...)
	r.Credentials = append(r.Credentials, o.Credentials...)
	r.Issuers = append(r.Issuers, o.Issuers...)
}

func part[T any](rows []T, n *int) (first, others []T) {
	k := min(*n, len(rows))
	*n -= k
	return rows[:k:k], rows[k:]
}

// Heartbeat says that a sensor lives, and what it has counted since it was
// started. Its times are the wall clock's.
type Heartbeat struct {
	Sensor        string
	Time, Started detect.Timestamp
	Version       string
	// Key is a fingerprint of the deployment key: sensors with different keys
	// give different ids to the same credential.
	Key string
	// Counters by name, such as "source.packets".
	Counters map[string]uint64
}

// Block is rows that are written together.
type Block struct {
	// Token names the block: a sink that is given a block again under the same
	// token keeps it once. Empty where the rows' own identity has to do.
	Token string
	Rows
}

// Of gives a block of findings.
func Of(findings ...detect.Finding) *Block { return &Block{Rows: Rows{Findings: findings}} }

// ErrPoison is what a sink's error wraps when it will never take this block,
// but may well take others.
var ErrPoison = errors.New("these rows are not taken")

// Sink takes blocks.
type Sink interface {
	// Write keeps the block; when it returns nil the rows are safe. On an error
	// none, some or all of them are kept, each of them whole, and the same
	// block may be written again. The block is the caller's: a sink does not
	// keep it. Write is called by one goroutine at a time.
	Write(ctx context.Context, b *Block) error
	// Close releases the sink after the last Write.
	Close() error
}

// Reader answers questions about what is kept. Its methods may be called from
// any goroutine.
type Reader interface {
	// Findings gives the findings that the filter lets through, each in its
	// highest version, the latest first_seen first, then by ID. After an error
	// the sequence ends.
	Findings(ctx context.Context, f Filter) iter.Seq2[detect.Finding, error]
	// Ask answers a question whose Check is nil.
	Ask(ctx context.Context, q Question) (*Answer, error)
	// Newest gives a time near that of the newest row of a subject, 0 where
	// there is none, and Earlier whether there are rows that were last seen
	// before q.Since but would answer the question.
	Newest(ctx context.Context, s Subject) (capture.Time, error)
	Earlier(ctx context.Context, q Question) (bool, error)
	// Heartbeats gives the last one of each sensor, by its name.
	Heartbeats(ctx context.Context) ([]Heartbeat, error)
	// Inventory says what the store is and how many rows it has.
	Inventory(ctx context.Context) (*Inventory, error)
	// Query runs a statement of SQL that only reads. What would write, or reach
	// beyond the store, is refused: ErrReadOnly.
	Query(ctx context.Context, statement string) (*Answer, error)
	// Close releases the reader.
	Close() error
}

// ErrReadOnly is what the error of Query wraps where the statement is not one
// that only reads.
var ErrReadOnly = errors.New("only statements that read are run")

// Inventory is what a store has.
type Inventory struct {
	// Kind is "sqlite" or "clickhouse", and Version its own; Schema the number
	// of the last step of authtap's tables.
	Kind, Version string
	Schema        int
	// Tables by name. Rows that replace each other and are not merged yet are
	// counted each.
	Tables []TableSize
}

// TableSize is the number of a table's rows.
type TableSize struct {
	Name string
	Rows int64
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
