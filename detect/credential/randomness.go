package credential

import (
	"math"
	"slices"
	"strconv"
)

// Randomness measures how well values of one name could be guessed, by samples
// of them. It keeps the characters that each position had, and of the latest
// value its number; no value. The zero Randomness is ready; it belongs to one
// goroutine and takes at most about 4 KB.
type Randomness struct {
	seen []ID // different ones
	// positions holds the characters of each position, ASCII only.
	positions [][2]uint64
	odd       bool // a value that is too long, or not ASCII
	prefix    string
	last      uint64 // the number at the latest value's end
	steps     int    // how many values had a number that followed the latest closely
	numbers   int    // values that are a number behind the same letters
}

const (
	// maxSamples of different values are taken.
	maxSamples = 256
	// maxPositions of a value are looked at; what is longer holds data, not a
	// random number.
	maxPositions = 96
	// closeStep is how far apart numbers of a sequence are at most.
	closeStep = 1 << 12
)

// Add takes a value that a server gave, in the order in which they were given;
// it reports whether it was a new one. Tokens that say something (JSON Web
// Tokens) are not taken.
func (r *Randomness) Add(c *Credential) bool {
	if c.value == nil || c.JWT != nil || *c.value == "" || len(r.seen) >= maxSamples || slices.Contains(r.seen, c.ID) {
		return false
	}
	v := *c.value
	if len(v) > maxPositions {
		r.odd = true
		return false
	}
	for i := range len(v) {
		if v[i] >= 0x80 {
			r.odd = true
			return false
		}
		if i == len(r.positions) {
			r.positions = append(r.positions, [2]uint64{})
		}
		r.positions[i][v[i]>>6] |= 1 << (v[i] & 63)
	}
	r.number(v)
	r.seen = append(r.seen, c.ID)
	return true
}

// number looks at the number at a value's end.
func (r *Randomness) number(v string) {
	i := len(v)
	for i > 0 && v[i-1] >= '0' && v[i-1] <= '9' {
		i--
	}
	base := 10
	if i > 0 && len(v) <= 16 && hexOnly(v) { // hexadecimal as a whole
		i, base = 0, 16
	}
	n, err := strconv.ParseUint(v[i:], base, 64)
	if err != nil {
		return
	}
	first := len(r.seen) == 0
	if first && i <= 16 {
		r.prefix = v[:i]
	} else if v[:i] != r.prefix {
		return
	}
	r.numbers++
	if !first && n > r.last && n-r.last <= closeStep {
		r.steps++
	}
	r.last = n
}

func hexOnly(s string) bool {
	for i := range len(s) {
		if unhex[s[i]] < 0 {
			return false
		}
	}
	return true
}

// Samples is how many different values were taken.
func (r *Randomness) Samples() int { return len(r.seen) }

// Sequential reports that nearly every value follows from the one before: that
// they count.
func (r *Randomness) Sequential() bool {
	return !r.odd && r.numbers == len(r.seen) && len(r.seen) > 1 && r.steps*10 >= (len(r.seen)-1)*9
}

// Bits bounds the entropy of the values from above: as if each position were
// independent and each of its characters as likely as the others. Of a position
// that seems to be of a usual alphabet all of it counts, so that few samples
// make values look no weaker than they are. It is +Inf where they cannot be
// measured.
func (r *Randomness) Bits() float64 {
	if r.odd || len(r.seen) == 0 {
		return math.Inf(1)
	}
	bits := 0.0
	for _, p := range r.positions {
		bits += math.Log2(float64(characters(p)))
	}
	return bits
}

// characters gives the number of characters that may stand in a position where
// those were seen: it is rounded up, from one that cannot be of a larger
// alphabet by chance.
func characters(seen [2]uint64) int {
	var digits, hex, lower, upper, other int
	for w, word := range seen {
		for b := range 64 {
			if word>>b&1 == 0 {
				continue
			}
			switch c := byte(w<<6 | b); {
			case c >= '0' && c <= '9':
				digits++
			case c|0x20 >= 'a' && c|0x20 <= 'f':
				hex++
				fallthrough
			case c|0x20 >= 'a' && c|0x20 <= 'z':
				if c >= 'a' {
					lower++
				} else {
					upper++
				}
			default:
				other++
			}
		}
	}
	n := digits + lower + upper + other
	switch {
	case n <= 4: // of ten digits, thirty samples show five and more
		return n
	case n == digits:
		return 10
	case n == digits+hex:
		return 16
	case lower == 0 && other == 0, upper == 0 && other == 0:
		return 36
	}
	return 64
}
