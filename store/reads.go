package store

import (
	"fmt"
	"slices"
	"strings"
)

// CheckReads refuses statements that do not begin with one of the words, that
// are several, or that write a file. It is a first look, for a clear message;
// that nothing is written is for the database to see to.
func CheckReads(statement string, first ...string) error {
	words := words(statement)
	for len(words) > 0 && words[0] == "(" {
		words = words[1:]
	}
	for len(words) > 0 && words[len(words)-1] == ";" {
		words = words[:len(words)-1]
	}
	switch {
	case len(words) == 0:
		return fmt.Errorf("there is no statement: %w", ErrReadOnly)
	case !slices.Contains(first, words[0]):
		return fmt.Errorf("%s: %w; they begin with %s", words[0], ErrReadOnly, strings.Join(first, ", "))
	case slices.Contains(words, ";"):
		return fmt.Errorf("one statement at a time: %w", ErrReadOnly)
	}
	for i, next := range words[1:] {
		switch word := words[i]; {
		case word == "INTO" && (next == "OUTFILE" || next == "DUMPFILE"):
			return fmt.Errorf("INTO OUTFILE: %w", ErrReadOnly)
		case word == "FILE" && next == "(": // what ClickHouse lets readers do, too, where a folder is given to users
			return fmt.Errorf("file(): %w, of the store", ErrReadOnly)
		}
	}
	return nil
}

// words gives the words of a statement in capitals, names in quotes among them,
// and its signs.
func words(s string) (all []string) {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case strings.HasPrefix(s[i:], "--") || c == '#':
			i = skip(s, i, "\n")
		case strings.HasPrefix(s[i:], "/*"):
			i = skip(s, i+2, "*/")
		case c == '\'' || c == '"' || c == '`':
			from := i + 1
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' {
					i++
				}
			}
			if i = min(i, len(s)); c != '\'' {
				all = append(all, strings.ToUpper(s[from:i]))
			}
			i++
		case letter(c):
			from := i
			for i < len(s) && letter(s[i]) {
				i++
			}
			all = append(all, strings.ToUpper(s[from:i]))
		default:
			if c > ' ' {
				all = append(all, string(c))
			}
			i++
		}
	}
	return all
}

func letter(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// skip gives the place behind the next end.
func skip(s string, i int, end string) int {
	if i >= len(s) {
		return len(s)
	}
	if n := strings.Index(s[i:], end); n >= 0 {
		return i + n + len(end)
	}
	return len(s)
}
