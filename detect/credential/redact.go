package credential

import (
	"cmp"
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

// MaskText gives a text of an exchange in full length with the values of
// credentials replaced by their masks. It gives the text itself where there are
// none.
func MaskText(found *Found, s string) string {
	if s == "" {
		return ""
	}
	return redact(found, s)
}

// MaskField does the same for the value of a header or field: under a secret's
// name it gives nothing but the length.
func MaskField(found *Found, name, value string) string {
	if fieldOf(name) != fieldAuthorization {
		quoted := `"` + name + `":"`
		if len(hideNamed(nil, quoted+value, len(name)+2, "")) > 0 {
			return "…(" + strconv.Itoa(len(value)) + ")"
		}
	}
	return MaskText(found, value)
}

// span is a part of a text to be hidden; mask is what to put there, if it is
// more than the length.
type span struct {
	start, end int
	mask       string
}

func redact(found *Found, s string) string {
	var spans []span
	if found != nil && len(found.Request)+len(found.Response)+len(found.Exposed) > 0 {
		spans = hideFound(found, s)
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
