package credential

import (
	"encoding/base64"
	"strings"
)

// gram is the shortest part of a long value that is hidden in the midst of a
// text; at its ends, where the text may have been cut, it is edge.
const (
	gram = 8
	edge = 5
)

// secrets are the parts of values that must not be told: long ones, of which
// every part of gram bytes is hidden, and passwords and short ones, which are
// hidden whole: parts of them are words.
type secrets struct {
	grams gramSet
	whole []string
	all   []piece

	scratch []byte
}

type piece struct {
	text, mask string
	long       bool
}

// pieces are the parts of a credential's value that must not be told.
func (c *Credential) pieces() []string {
	if c.value == nil || *c.value == "" {
		return nil
	}
	v := *c.value
	switch {
	case c.Kind == Basic && c.Flaw&Malformed == 0:
		user, password, _ := strings.Cut(v, ":")
		// The pair in base64 is found by decoding; its beginning, cut off
		// somewhere, is not.
		list := []string{password, base64.StdEncoding.EncodeToString([]byte(v)), base64.URLEncoding.EncodeToString([]byte(v))}
		if c.Principal == "" && len(user) >= 16 { // the name is a secret, too
			list = append(list, user)
		}
		return list
	case c.Kind == Digest, c.Kind == Signature:
		list := []string{v}
		for _, word := range strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(`", &`, r) }) {
			if _, value, ok := strings.Cut(word, "="); ok && value != "" {
				word = value
			}
			if len(word) >= 16 && !strings.HasPrefix(word, c.Principal) {
				list = append(list, word)
			}
		}
		return list
	}
	return []string{v}
}

// hideFound finds what s shows of the credentials, in any of its encodings.
func hideFound(found *Found, s string) (spans []span) {
	var secret secrets
	bytes := 0
	// A token without the bytes that divide a text into words stands within
	// one word of it.
	inWords := longestWord(s) >= gram
	for _, list := range [...][]Credential{found.Request, found.Response, found.Exposed} {
		for i := range list {
			c := &list[i]
			for n, text := range c.pieces() {
				if text == "" {
					continue
				}
				p := piece{text: text, long: len(text) >= gram && (c.Kind != Password && (c.Kind != Basic || n > 0))}
				if n == 0 && c.Kind != Basic && c.Kind != Digest && c.Kind != Signature {
					p.mask = c.Mask
				}
				if !p.long {
					secret.whole = append(secret.whole, text)
				} else if inWords || c.JWT == nil || c.JWT.OddBase64 {
					bytes += len(text)
				} else {
					p.long = false // its edges still count
				}
				secret.all = append(secret.all, p)
			}
		}
	}
	if bytes > 0 {
		secret.grams = newGramSet(bytes)
		for i := range secret.all {
			if p := &secret.all[i]; p.long {
				secret.grams.addAll(p.text)
			}
		}
	}
	for _, v := range views(s) {
		spans = secret.hide(spans, v)
	}
	return spans
}

// longestWord gives the length of the longest run of bytes that a JWT may hold.
func longestWord(s string) (longest int) {
	n := 0
	for i := range len(s) {
		if c := s[i]; sextet[c] < 64 || c == '.' || c == '%' || c == '\\' {
			n++
			longest = max(longest, n)
		} else {
			n = 0
		}
	}
	return longest
}

// hide adds what a view shows of the secrets.
func (x *secrets) hide(spans []span, v view) []span {
	hit := false
	if x.grams.slots != nil {
		for i := 0; i+gram <= len(v.text); i++ {
			if x.grams.has(v.text[i:]) {
				start, end := v.span(i, gram)
				if n := len(spans); hit && spans[n-1].end >= start {
					spans[n-1].end = end
				} else {
					spans = append(spans, span{start, end, ""})
				}
				hit = true
			}
		}
	}
	for i := range x.all {
		p := &x.all[i]
		if !p.long || hit {
			spans = v.exact(spans, p.text, p.mask)
		}
		spans = v.edges(spans, p.text, p.long)
	}
	return x.base64(spans, v)
}

// base64 hides whole what is base64 of something with a secret in it.
func (x *secrets) base64(spans []span, v view) []span {
	for i := 0; i < len(v.text); i++ {
		start := i
		for i < len(v.text) && sextet[v.text[i]]&^oddChar < 64 {
			i++
		}
		if i-start < 6 {
			continue
		}
		for shift := range 4 { // where it begins is not known
			b, _, ok := appendBase64(x.scratch[:0], v.text[start+shift:i])
			x.scratch = b
			if ok && x.within(text(b)) {
				from, to := v.span(start, i-start)
				spans = append(spans, span{from, to, ""})
				break
			}
		}
	}
	return spans
}

func (x *secrets) within(s string) bool {
	if x.grams.slots != nil {
		for i := 0; i+gram <= len(s); i++ {
			if x.grams.has(s[i:]) {
				return true
			}
		}
	}
	for _, w := range x.whole {
		if len(w) >= 4 && strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// exact finds the piece itself; a very short one only where it stands alone.
func (v view) exact(spans []span, piece, mask string) []span {
	for from := 0; ; {
		i := strings.Index(v.text[from:], piece)
		if i < 0 {
			return spans
		}
		i += from
		end := i + len(piece)
		from = i + 1
		if len(piece) < 4 && (i > 0 && wordByte(v.text[i-1]) && wordByte(piece[0]) ||
			end < len(v.text) && wordByte(v.text[end]) && wordByte(piece[len(piece)-1])) {
			continue
		}
		start, stop := v.span(i, len(piece))
		spans = append(spans, span{start, stop, mask})
		from = end
	}
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

// edges finds the beginning of the piece at the end of the text, where an
// escape may have been cut in two, and its end at the beginning. Of a long one
// only what is shorter than a gram is left to find.
func (v view) edges(spans []span, piece string, long bool) []span {
	end, most := len(v.text), len(piece)-1
	if long {
		most = gram - 1
	}
	if i := strings.LastIndexAny(v.text[max(end-6, 0):], `%\`); i >= 0 {
		spans = v.suffix(spans, piece, max(end-6, 0)+i, most)
	}
	spans = v.suffix(spans, piece, end, most)
	for k := min(most, end); k >= edge; k-- {
		if strings.HasPrefix(v.text, piece[len(piece)-k:]) {
			start, end := v.span(0, k)
			return append(spans, span{start, end, ""})
		}
	}
	return spans
}

// suffix finds the beginning of the piece at the end of the first n bytes.
func (v view) suffix(spans []span, piece string, n, most int) []span {
	for k := min(most, n); k >= edge; k-- {
		if strings.HasSuffix(v.text[:n], piece[:k]) {
			start, end := v.span(n-k, k)
			return append(spans, span{start, end, ""})
		}
	}
	return spans
}

// gramSet is a set of runs of gram bytes: an open hash table, at most half
// full.
type gramSet struct {
	slots []uint64
	shift uint
}

func newGramSet(n int) gramSet {
	bits := uint(6)
	for 1<<bits < 2*n {
		bits++
	}
	return gramSet{slots: make([]uint64, 1<<bits), shift: 64 - bits}
}

func gramOf(s string) uint64 {
	_ = s[gram-1]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// addAll adds every run of s. That of eight NULs, which marks a free slot, is
// left out.
func (g *gramSet) addAll(s string) {
	for i := 0; i+gram <= len(s); i++ {
		k := gramOf(s[i:])
		at := k * 0x9e3779b97f4a7c15 >> g.shift
		for g.slots[at] != 0 && g.slots[at] != k {
			at = (at + 1) % uint64(len(g.slots))
		}
		g.slots[at] = k
	}
}

func (g *gramSet) has(s string) bool {
	k := gramOf(s)
	at := k * 0x9e3779b97f4a7c15 >> g.shift
	for g.slots[at] != 0 {
		if g.slots[at] == k {
			return true
		}
		at = (at + 1) % uint64(len(g.slots))
	}
	return false
}
