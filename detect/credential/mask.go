package credential

import (
	"math"
	"strconv"
)

// maskOf gives the mask of a value: the first four characters and the length
// where the kind and the length allow it, else the length alone.
func maskOf(k Kind, value string) string {
	shown := ""
	switch k {
	case Basic, Digest, Password, Code, ClientSecret:
	default:
		if len(value) >= 16 && printable(value[:4]) {
			shown = value[:4]
		}
	}
	return shown + "…(" + strconv.Itoa(len(value)) + ")"
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// mLog2 holds c·log2(c).
var mLog2 = func() (t [257]float64) {
	for i := 2; i < len(t); i++ {
		t[i] = float64(i) * math.Log2(float64(i))
	}
	return
}()

// entropy gives the Shannon entropy of the first 256 bytes, in bits a byte.
func entropy(s string) float64 {
	if len(s) > 256 {
		s = s[:256]
	}
	if s == "" {
		return 0
	}
	var count [256]uint16
	sum := 0.0
	for i := range len(s) {
		c := count[s[i]]
		sum += mLog2[c+1] - mLog2[c]
		count[s[i]] = c + 1
	}
	n := float64(len(s))
	return math.Log2(n) - sum/n
}

// guessable reports a shape too weak for a key or token: shorter than 16,
// under 3 bits a byte, or words (letters of one case, no digits).
func guessable(s string) bool {
	if len(s) < 16 {
		return true
	}
	digits, upper, lower, inner := 0, 0, 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'A' && c <= 'Z':
			upper++
			// CamelCase is words too: a capital counts within a run of letters
			// only after another capital.
			inner = inner || i > 0 && s[i-1] >= 'A' && s[i-1] <= 'Z'
		case c >= 'a' && c <= 'z':
			lower++
		case c <= ' ' || c > '~':
			return true
		}
	}
	if digits == 0 && (upper == 0 || lower == 0 || !inner) {
		return true
	}
	return entropy(s) < 3
}
