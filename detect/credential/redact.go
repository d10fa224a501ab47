package credential

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The bounds of evidence, in bytes: what is read of a text, and what is given.
const (
	redactInput  = 4096
	redactOutput = 512
)

// Redact gives text as evidence. Every value of found is replaced by its mask,
// however it is encoded (percent, form, base64, JSON, two of them on top of
// each other), parts of it too; and so is everything that looks like a secret
// or stands under a secret's name. Control characters stay: sinks escape them.
// found may be nil. At most 512 bytes are given.
func Redact(found *Found, s string) Redacted {
	long := len(s) > redactInput
	if long {
		s = s[:redactInput]
	}
	s = redact(found, s)
	if len(s) > redactOutput {
		s, long = s[:redactOutput], true
	}
	if long {
		for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
			s = s[:len(s)-1]
		}
		if len(s) > 0 && s[len(s)-1] >= utf8.RuneSelf {
			s = s[:len(s)-1]
		}
		s += "…"
	}
	return Redacted{text: s}
}

// MaskQuery gives a query in full length with the values of credentials
// replaced by their masks. It gives query itself where there are none.
func MaskQuery(found *Found, query string) string {
	if query == "" {
		return ""
	}
	return redact(found, query)
}

// span is a part of a text to be hidden; mask is what to put there, if it is
// more than the length.
type span struct {
	start, end int
	mask       string
}

func redact(found *Found, s string) string {
	var spans []span
	if found != nil && len(found.Request)+len(found.Response) > 0 {
		vs := views(s)
		for _, list := range [...][]Credential{found.Request, found.Response} {
			for i := range list {
				spans = list[i].hide(spans, vs)
			}
		}
	}
	spans = hideShapes(spans, s)
	if len(spans) == 0 {
		return s
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end)) })
	var b strings.Builder
	at := 0
	for i := 0; i < len(spans); {
		start, end, mask := spans[i].start, spans[i].end, spans[i].mask
		// What overlaps or touches is one secret.
		for i++; i < len(spans) && spans[i].start <= end; i++ {
			if spans[i].end > end {
				end, mask = spans[i].end, ""
			}
		}
		b.WriteString(s[at:start])
		if mask == "" {
			mask = "…(" + strconv.Itoa(end-start) + ")"
		}
		b.WriteString(mask)
		at = end
	}
	b.WriteString(s[at:])
	return b.String()
}

// view is a text with an encoding undone: at holds, for each byte and for the
// end, where in the original it stands.
type view struct {
	text string
	at   []int32 // nil: the original itself
}

func (v view) span(i, n int) (start, end int) {
	if v.at == nil {
		return i, i + n
	}
	return int(v.at[i]), int(v.at[i+n])
}

// undo decodes a view; ok is false where there is nothing to decode.
func (v view) undo(trigger string, step func(s string, i int) (r rune, n int)) (out view, ok bool) {
	if !strings.ContainsAny(v.text, trigger) {
		return v, false
	}
	b := make([]byte, 0, len(v.text))
	for i := 0; i < len(v.text); {
		from, _ := v.span(i, 0)
		r, n := step(v.text, i)
		if before := len(b); r >= utf8.RuneSelf && n > 3 {
			b = utf8.AppendRune(b, r)
			for range len(b) - before {
				out.at = append(out.at, int32(from))
			}
		} else {
			b = append(b, byte(r))
			out.at = append(out.at, int32(from))
		}
		i += n
	}
	_, end := v.span(len(v.text), 0)
	out.at = append(out.at, int32(end))
	out.text = string(b)
	return out, true
}

func percentStep(s string, i int) (rune, int) {
	if s[i] == '%' && i+2 < len(s) && unhex[s[i+1]] >= 0 && unhex[s[i+2]] >= 0 {
		return rune(unhex[s[i+1]])<<4 | rune(unhex[s[i+2]]), 3
	}
	return rune(s[i]), 1
}

func formStep(s string, i int) (rune, int) {
	if s[i] == '+' {
		return ' ', 1
	}
	return percentStep(s, i)
}

// decodings are the encodings that are undone, one on top of another too.
var decodings = []struct {
	trigger string
	step    func(string, int) (rune, int)
}{{"%", percentStep}, {"%+", formStep}, {`\`, unescapeAt}}

// views gives the ways to read a text.
func views(s string) []view {
	list := []view{{text: s}}
	for _, outer := range decodings {
		v, ok := list[0].undo(outer.trigger, outer.step)
		if !ok {
			continue
		}
		list = append(list, v)
		for _, inner := range decodings {
			if w, ok := v.undo(inner.trigger, inner.step); ok && w.text != v.text {
				list = append(list, w)
			}
		}
	}
	return list
}

// pieces are the parts of a credential's value that must not be told.
func (c *Credential) pieces() []string {
	if c.value == nil || *c.value == "" {
		return nil
	}
	v := *c.value
	switch {
	case c.Kind == Basic && c.Flaw&Malformed == 0:
		_, password, _ := strings.Cut(v, ":")
		// The pair in base64 is found by decoding; its beginning, cut off
		// somewhere, is not.
		return []string{password, base64.StdEncoding.EncodeToString([]byte(v)), base64.URLEncoding.EncodeToString([]byte(v))}
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

// gram is the shortest part of a long value that is hidden in the midst of a
// text; at its ends, where the text may have been cut, it is edge.
const (
	gram = 8
	edge = 5
)

// hide adds what the text shows of the credential in any of its views.
func (c *Credential) hide(spans []span, vs []view) []span {
	for n, piece := range c.pieces() {
		if piece == "" {
			continue
		}
		mask := ""
		if n == 0 && c.Kind != Basic && c.Kind != Digest && c.Kind != Signature {
			mask = c.Mask
		}
		for _, v := range vs {
			spans = v.exact(spans, piece, mask)
			spans = v.edges(spans, piece)
			if c.Kind != Password && len(piece) >= gram {
				spans = v.grams(spans, piece)
			}
			spans = v.base64(spans, piece)
		}
	}
	return spans
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
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
		if len(piece) < 4 && (i > 0 && wordByte(v.text[i-1]) && wordByte(piece[0]) || end < len(v.text) && wordByte(v.text[end]) && wordByte(piece[len(piece)-1])) {
			continue
		}
		start, stop := v.span(i, len(piece))
		spans = append(spans, span{start, stop, mask})
		from = end
	}
}

// edges finds the beginning of the piece at the end of the text, where an
// escape may have been cut in two, and its end at the beginning.
func (v view) edges(spans []span, piece string) []span {
	end := len(v.text)
	if i := strings.LastIndexAny(v.text, `%\`); i >= 0 && end-i < 6 {
		spans = v.suffix(spans, piece, i)
	}
	spans = v.suffix(spans, piece, end)
	for k := min(len(piece)-1, end); k >= edge; k-- {
		if strings.HasPrefix(v.text, piece[len(piece)-k:]) {
			start, end := v.span(0, k)
			return append(spans, span{start, end, ""})
		}
	}
	return spans
}

// suffix finds the beginning of the piece at the end of the first n bytes.
func (v view) suffix(spans []span, piece string, n int) []span {
	for k := min(len(piece)-1, n); k >= edge; k-- {
		if strings.HasSuffix(v.text[:n], piece[:k]) {
			start, end := v.span(n-k, k)
			return append(spans, span{start, end, ""})
		}
	}
	return spans
}

// grams finds every part of the piece of at least gram bytes.
func (v view) grams(spans []span, piece string) []span {
	if len(v.text) < gram {
		return spans
	}
	key := func(s string, i int) (k uint64) {
		for j := range gram {
			k = k<<8 | uint64(s[i+j])
		}
		return k
	}
	where := make(map[uint64]bool, len(piece))
	for i := 0; i+gram <= len(piece); i++ {
		where[key(piece, i)] = true
	}
	for i := 0; i+gram <= len(v.text); i++ {
		if where[key(v.text, i)] {
			start, end := v.span(i, gram)
			spans = append(spans, span{start, end, ""})
		}
	}
	return spans
}

// base64 finds the piece within what is base64 of something.
func (v view) base64(spans []span, piece string) []span {
	if len(piece) < 4 {
		return spans
	}
	for i := 0; i < len(v.text); i++ {
		start := i
		for i < len(v.text) && sextet[v.text[i]]&^oddChar < 64 {
			i++
		}
		if i-start < 6 {
			continue
		}
		for shift := range 4 {
			if shift >= i-start {
				break
			}
			if b, _, ok := decodeBase64(v.text[start+shift : i]); ok && strings.Contains(text(b), piece) {
				from, to := v.span(start, i-start)
				spans = append(spans, span{from, to, ""})
				break
			}
		}
	}
	return spans
}
