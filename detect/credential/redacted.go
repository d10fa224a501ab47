package credential

import (
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly/tlswire/suite"
)

// Redacted is text that may leave authtap: evidence takes nothing else. It is
// made only by the functions of this package, none of which lets a credential
// out of it: however it is printed, it prints the redacted text.
type Redacted struct {
	text string
	// found is set while the text waits to be redacted.
	found *Found
}

// Later gives what Redact gives, but does the work when the text is asked for:
// most evidence is of events that a finding has had many of, and never told.
// found must not change until then. Settle ends the waiting.
func Later(found *Found, s string) Redacted { return Redacted{text: s, found: found} }

// Settle gives the same text, redacted now.
func (r Redacted) Settle() Redacted { return Redacted{text: r.String()} }

// String gives the text.
func (r Redacted) String() string {
	if r.found != nil {
		return Redact(r.found, r.text).text
	}
	return r.text
}

// Format prints the text, whatever the verb.
func (r Redacted) Format(s fmt.State, _ rune) { io.WriteString(s, r.String()) }

// MarshalText lets a Redacted stand in JSON.
func (r Redacted) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// constant can only be made from constants by other packages, so that no
// string from traffic takes the way of Word.
type constant string

// Word gives a constant of the program's own text.
func Word(s constant) Redacted { return Redacted{text: string(s)} }

// Number gives a count or size.
func Number(n int64) Redacted { return Redacted{text: strconv.FormatInt(n, 10)} }

// CipherSuite gives the name of a cipher suite of TLS, or its number. Some names
// look like secrets.
func CipherSuite(id uint16) Redacted { return Redacted{text: suite.Name(id)} }

// Instant gives a packet time.
func Instant(t capture.Time) Redacted { return Redacted{text: t.String()} }

// Span gives a duration, rounded to the second from a minute on.
func Span(d time.Duration) Redacted {
	if d >= time.Minute || d <= -time.Minute {
		d = d.Round(time.Second)
	}
	return Redacted{text: d.String()}
}

// Hidden gives the keyed hashes that stand for hidden accounts' names (the
// texts of IDs), separated by commas. Whatever else is among them is left out.
func Hidden(names []string) Redacted {
	var ids []string
	for _, n := range names {
		if b, err := hex.DecodeString(n); err == nil && len(b) == len(ID{}) {
			ids = append(ids, n)
		}
	}
	return Redacted{text: strings.Join(ids, ", ")}
}

// Redacted gives the credential's mask and place.
func (c *Credential) Redacted() Redacted {
	return Redacted{text: c.Kind.String() + " " + c.Mask + " in " + c.Place.String()}
}
