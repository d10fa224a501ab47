package detect

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
)

// Verdict says whether the server let an attempt through.
type Verdict = endpoint.Verdict

// The verdicts, weakest first; Observed is that of posture findings.
const (
	Rejected       = endpoint.Rejected
	Unknown        = endpoint.Unknown
	LikelyAccepted = endpoint.LikelyAccepted
	Accepted       = endpoint.Accepted
	Observed       = endpoint.Observed
)

// Severity says how much a finding matters.
type Severity uint8

// The severities, lowest first.
const (
	Info Severity = iota + 1
	Low
	Medium
	High
	Critical
)

var severityNames = [...]string{"", "info", "low", "medium", "high", "critical"}

// String gives the name in findings.
func (s Severity) String() string { return severityNames[s] }

// MarshalText lets a Severity stand in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ParseSeverity reads a name.
func ParseSeverity(name string) (Severity, error) {
	for i, n := range severityNames {
		if i > 0 && n == name {
			return Severity(i), nil
		}
	}
	return 0, fmt.Errorf("unknown severity %q: it is one of %s", name, strings.Join(severityNames[1:], ", "))
}

// Confidence says how sure the detection itself is, whatever the server did.
type Confidence uint8

// Certain follows from bytes seen, Firm from what was learned of an endpoint,
// Tentative from statistics.
const (
	Certain Confidence = iota + 1
	Firm
	Tentative
)

var confidenceNames = [...]string{"", "certain", "firm", "tentative"}

// String gives the name in findings.
func (c Confidence) String() string { return confidenceNames[c] }

// ParseConfidence reads a name.
func ParseConfidence(name string) (Confidence, error) {
	for i, n := range confidenceNames {
		if i > 0 && n == name {
			return Confidence(i), nil
		}
	}
	return 0, fmt.Errorf("unknown confidence %q: it is one of %s", name, strings.Join(confidenceNames[1:], ", "))
}

// MarshalText lets a Confidence stand in JSON.
func (c Confidence) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Finding is one state of something found. Later states of the same finding
// have the same ID and a higher Version. A Finding is immutable: whoever holds
// one may keep it and read it from any goroutine. Its JSON form is
// docs/finding.schema.json.
type Finding struct {
	// ID is the hash of sensor, detector, dedupe key and first_seen: 32 hex
	// digits, the same on every run over the same packets.
	ID         string     `json:"id"`
	Version    uint64     `json:"version"`
	Detector   string     `json:"detector"`
	Title      string     `json:"title"`
	Severity   Severity   `json:"severity"`
	Confidence Confidence `json:"confidence"`
	Verdict    Verdict    `json:"verdict"`
	DedupeKey  string     `json:"dedupe_key"`
	// FirstSeen and LastSeen are packet times of its events, Count how many.
	FirstSeen Timestamp `json:"first_seen"`
	LastSeen  Timestamp `json:"last_seen"`
	Count     uint64    `json:"count"`
	// Client, Principal and Credential are absent when the events had several.
	Client     *Address    `json:"client,omitempty"`
	Server     *Address    `json:"server,omitempty"`
	Host       string      `json:"host"`
	Method     string      `json:"method"`
	Path       string      `json:"path"`
	Status     int         `json:"status"`
	Principal  string      `json:"principal,omitempty"`
	Credential *Credential `json:"credential,omitempty"`
	Evidence   Evidence    `json:"evidence"`
	References []string    `json:"references"`
	// CommunityID of the first event's connection (version 1).
	CommunityID string  `json:"community_id"`
	Capture     Capture `json:"capture"`
	Sensor      string  `json:"sensor"`
	// Suppressed is the reason why the finding is not told; it is printed where
	// that is asked for, and never stored.
	Suppressed string `json:"suppressed,omitempty"`
}

// Timestamp is a packet time in the form of the output.
type Timestamp capture.Time

// String gives RFC 3339, UTC, microseconds.
func (t Timestamp) String() string { return capture.Time(t).String() }

// MarshalJSON gives the same.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 32), '"')
	return append(capture.Time(t).AppendTo(b), '"'), nil
}

// Address is an end of a connection.
type Address struct {
	IP netip.Addr `json:"ip"`
	// Port is 0 (and left out) when the events had several.
	Port uint16 `json:"port,omitempty"`
}

// Credential names a credential without giving it away.
type Credential struct {
	Kind  string `json:"kind"`
	Place string `json:"place"`
	ID    string `json:"id"`
	Mask  string `json:"mask"`
}

// Capture says where the first event's packet is, counted from 1 within its
// file.
type Capture struct {
	File   string `json:"file"`
	Packet uint64 `json:"packet"`
}

// Fact is one named piece of evidence.
type Fact struct {
	Name  string
	Value credential.Redacted
}

// Evidence is an ordered list of facts, in JSON an object.
type Evidence []Fact

// MarshalJSON gives an object in the list's order.
func (e Evidence) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, f := range e {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.Value.String())
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}
