package credential

import (
	"strconv"
	"time"

	"github.com/authtap/authtap/capture"
)

// Redacted is text that may leave authtap: evidence takes nothing else. It is
// made only by the functions of this package, each of which gives something
// that cannot hold a credential.
type Redacted struct{ text string }

// String gives the text.
func (r Redacted) String() string { return r.text }

// MarshalText lets a Redacted stand in JSON.
func (r Redacted) MarshalText() ([]byte, error) { return []byte(r.text), nil }

// constant can only be made from constants by other packages, so that no
// string from traffic takes the way of Word.
type constant string

// Word gives a constant of the program's own text.
func Word(s constant) Redacted { return Redacted{string(s)} }

// Number gives a count or size.
func Number(n int64) Redacted { return Redacted{strconv.FormatInt(n, 10)} }

// Instant gives a packet time.
func Instant(t capture.Time) Redacted { return Redacted{t.String()} }

// Span gives a duration, rounded to the second from a minute on.
func Span(d time.Duration) Redacted {
	if d >= time.Minute || d <= -time.Minute {
		d = d.Round(time.Second)
	}
	return Redacted{d.String()}
}

// Redacted gives the credential's mask and place.
func (c *Credential) Redacted() Redacted {
	return Redacted{c.Kind.String() + " " + c.Mask + " in " + c.Place.String()}
}
