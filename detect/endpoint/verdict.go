package endpoint

// Outcome is what one answer says by itself and by what is known of its
// endpoint (docs/verdicts.md).
type Outcome uint8

// The outcomes.
const (
	Unclear Outcome = iota
	Success
	Refusal
)

// String gives the name.
func (o Outcome) String() string { return [...]string{"unclear", "success", "refusal"}[o] }

// Verdict says whether the server let an attempt through. Larger is stronger:
// a finding keeps the strongest of its events.
type Verdict uint8

// The verdicts. Observed is that of posture findings, which no attempt made.
const (
	Rejected Verdict = iota + 1
	Unknown
	LikelyAccepted
	Accepted
	Observed
)

var verdictNames = [...]string{"", "rejected", "unknown", "likely_accepted", "accepted", "observed"}

// String gives the name in findings.
func (v Verdict) String() string { return verdictNames[v] }

// MarshalText lets a Verdict stand in JSON.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// ParseVerdict reads a name; ok is false where there is none such.
func ParseVerdict(s string) (v Verdict, ok bool) {
	for i, n := range verdictNames {
		if i > 0 && n == s {
			return Verdict(i), true
		}
	}
	return 0, false
}
