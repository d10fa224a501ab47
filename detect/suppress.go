package detect

import (
	"net/netip"
	"slices"

	"github.com/authtap/authtap/capture"
)

// Suppression keeps findings that a user knows of from being told. What is
// empty of it is any; a finding that has several clients or principals is that
// of none.
type Suppression struct {
	Detector       string
	Place          Place
	Client         netip.Prefix // invalid: any
	Principal, Key string
	// Reason is why, for those who come later.
	Reason string
	// Until is the packet time from which the findings are told again, 0: never.
	Until capture.Time
	// Where it was written, for messages.
	Where string
}

// Suppressed counts the findings that a suppression kept from being told, and
// those that it would have kept, had it not expired.
type Suppressed struct{ Kept, Expired uint64 }

// matches reports whether a finding is the suppression's, were it in force.
func (s *Suppression) matches(f *Finding) bool {
	switch {
	case s.Detector != "" && s.Detector != f.Detector,
		s.Principal != "" && s.Principal != f.Principal,
		s.Key != "" && s.Key != f.DedupeKey,
		s.Client.IsValid() && (f.Client == nil || !s.Client.Contains(f.Client.IP)):
		return false
	}
	return s.Place.Matches(f.Host, f.Method, f.Path)
}

// Suppressions counts what became of each suppression since it was put in
// force.
func (e *Engine) Suppressions() []Suppressed { return slices.Clone(e.suppressions) }

// released reports whether what kept a finding from being told may do so no
// longer.
func (r *record) released() bool {
	return r.suppressed && (r.several != r.suppressedFor || r.until != 0 && r.last >= r.until)
}

// Keeps reports whether the suppression keeps a finding from being told.
func (s *Suppression) Keeps(f *Finding) bool {
	return s.matches(f) && (s.Until == 0 || capture.Time(f.LastSeen) < s.Until)
}

// suppressed gives the suppression that keeps a version of a finding from being
// told, nil where none does. A finding counts once for each.
func (e *Engine) suppressed(r *record, f *Finding) *Suppression {
	for i := range e.options.Suppressions {
		s := &e.options.Suppressions[i]
		if !s.matches(f) {
			continue
		}
		count := &e.suppressions[i]
		if s.Until != 0 && r.last >= s.Until {
			if !r.expired {
				r.expired = true
				count.Expired++
				e.stats.Expired++
				if count.Expired == 1 && e.options.Expire != nil {
					e.options.Expire(s)
				}
			}
			continue
		}
		if !r.suppressed {
			count.Kept++
			e.stats.Suppressed++
		}
		return s
	}
	return nil
}
