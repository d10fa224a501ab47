package endpoint

import (
	"maps"
	"slices"
	"strings"
)

// placeholder is what stands for a variable segment in a template.
type placeholder uint8

const (
	idSegment    placeholder = iota // digits, UUID, hex of 16 and more
	tokenSegment                    // base64url of 20 and more
	emailSegment
	dateSegment
	anySegment // found variable by its variety
	placeholders
	noPlaceholder placeholder = 255
)

var placeholderNames = [placeholders]string{"{id}", "{token}", "{email}", "{date}", "{any}"}

// classify tells a variable segment by its form.
func classify(s string) placeholder {
	if len(s) == 0 {
		return noPlaceholder
	}
	if i := strings.IndexByte(s, ';'); i >= 0 { // path parameters: /a;jsessionid=…
		if strings.IndexByte(s[i:], '=') >= 0 {
			return tokenSegment
		}
	}
	var digits, hexLetters, lowerLetters, upperLetters, dashes, other int
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c && c <= 'f':
			hexLetters++
			lowerLetters++
		case 'A' <= c && c <= 'F':
			hexLetters++
			upperLetters++
		case 'g' <= c && c <= 'z':
			lowerLetters++
		case 'G' <= c && c <= 'Z':
			upperLetters++
		case c == '-' || c == '_':
			dashes++
		default:
			other++
		}
	}
	switch {
	case digits == len(s):
		return idSegment
	case len(s) == 36 && dashes == 4 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' && digits+hexLetters == 32:
		return idSegment
	case len(s) >= 16 && digits+hexLetters == len(s) && digits > 0:
		return idSegment
	case isDate(s, digits, dashes):
		return dateSegment
	case isEmail(s):
		return emailSegment
	// A slug ("how-to-use-2-factor-login") has the alphabet of a token too, but
	// neither capitals within it nor many digits.
	case len(s) >= 20 && other <= strings.Count(s, "=")+strings.Count(s, ".") && digits > 0 && lowerLetters+upperLetters > 0 &&
		(lowerLetters > 0 && upperLetters > 0 || digits*5 >= len(s)):
		return tokenSegment
	}
	return noPlaceholder
}

func isDate(s string, digits, dashes int) bool {
	return len(s) == 10 && digits == 8 && dashes == 2 && s[4] == '-' && s[7] == '-'
}

func isEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok {
		local, domain, ok = strings.Cut(s, "%40")
	}
	return ok && local != "" && strings.IndexByte(domain, '.') > 0
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// hash64 is FNV-1a.
func hash64(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
