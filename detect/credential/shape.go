package credential

import "strings"

// hideShapes adds what looks like a secret by itself: JWTs, keys of known
// vendors, long random runs, values under a secret's name, the word after an
// authentication scheme, a password before a host.
func hideShapes(spans []span, s string) []span {
	spans = hideRuns(spans, s)
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '=':
			spans = hideNamed(spans, s, i, "&; \t\r\n\"'<>#,")
		case ':':
			if strings.HasPrefix(s[i:], "://") {
				spans = hideUserinfo(spans, s, i+3)
			} else {
				spans = hideNamed(spans, s, i, ",} \t\r\n\"'<>")
			}
		case ' ', '+':
			spans = hideScheme(spans, s, i)
		case '%':
			if i+2 < len(s) && s[i+1] == '2' && s[i+2] == '0' {
				spans = hideScheme(spans, s, i)
			} else if i+2 < len(s) && s[i+1] == '3' && s[i+2]|0x20 == 'd' {
				spans = hideNamed(spans, s, i, "&; \t\r\n\"'<>#,")
			}
		}
	}
	return spans
}

func runByte(c byte) bool { return wordByte(c) && c < 0x80 || c == '_' || c == '-' }

// hideRuns finds runs of letters, digits, _ and - that no person made up.
// UUIDs stay: they name things.
func hideRuns(spans []span, s string) []span {
	for i := 0; i < len(s); i++ {
		start := i
		for i < len(s) && runByte(s[i]) {
			i++
		}
		if i-start < 16 {
			continue
		}
		run := s[start:i]
		end := i
		if maybeJWT(run) && i < len(s) && s[i] == '.' {
			for end < len(s) && (runByte(s[end]) || s[end] == '.' || s[end] == '=') {
				end++
			}
			spans = append(spans, span{start, end, ""})
			i = end
			continue
		}
		if secretRun(run) {
			for end < len(s) && (sextet[s[end]]&^oddChar < 64 && s[end] != '/' || s[end] == '=') {
				end++
			}
			spans = append(spans, span{start, end, ""})
			i = end
		}
	}
	return spans
}

func secretRun(run string) bool {
	if vendorShaped(run) {
		return true
	}
	if guessable(run) {
		return false
	}
	upper, lower, digit := false, false, false
	longest, current := 0, 0
	for i := range len(run) {
		switch c := run[i]; {
		case c >= 'A' && c <= 'Z':
			upper = true
		case c >= 'a' && c <= 'z':
			lower = true
		case c >= '0' && c <= '9':
			digit = true
		default:
			current = -1
		}
		current++
		longest = max(longest, current)
	}
	return len(run) >= 24 && upper && lower && digit || longest >= 16 && entropy(run) >= 3
}

// hideNamed hides the value after the separator at i, if the name before it is
// that of a secret.
func hideNamed(spans []span, s string, i int, stop string) []span {
	end := i
	for end > 0 && (s[end-1] == '"' || s[end-1] == '\'' || s[end-1] == '\\' || s[end-1] == ' ') {
		end--
	}
	start := end
	for start > 0 && end-start < 64 && (runByte(s[start-1]) || s[start-1] == '.' || s[start-1] == '[' || s[start-1] == ']') {
		start--
	}
	fd := fieldOf(s[start:end])
	if fd == noField || fd.kind() == 0 && fd != fieldAssertion && fd != fieldAuthorization {
		return spans
	}
	from := i + 1
	if s[i] == '%' {
		from = i + 3
	}
	quote, escaped := byte(0), false
	for from < len(s) && quote == 0 && strings.IndexByte(" \"'\\", s[from]) >= 0 {
		if s[from] == '\\' {
			escaped = true // JSON within JSON: its quotes are escaped
		} else if s[from] != ' ' {
			quote = s[from]
		}
		from++
	}
	to := from
	for to < len(s) {
		if quote == 0 && strings.IndexByte(stop, s[to]) >= 0 || quote != 0 && s[to] == quote && (to == from || s[to-1] != '\\') {
			break
		}
		if escaped && s[to] == '\\' && to+1 < len(s) && s[to+1] == quote {
			break
		}
		to++
	}
	value := s[from:to]
	switch fd {
	case fieldLooseToken, fieldLooseKey, fieldSignature, fieldSession, fieldAssertion:
		if guessable(value) {
			return spans
		}
	case fieldAuthorization:
		if quote == 0 { // the scheme is followed by a space
			return spans
		}
	case fieldCodeWeak:
		if guessable(value) && !strings.Contains(s, "state=") {
			return spans
		}
	}
	if value == "" || strings.HasPrefix(value, "…") {
		return spans
	}
	return append(spans, span{from, to, ""})
}

// hideScheme hides the word after an authentication scheme, if it is none of a
// sentence or a challenge.
func hideScheme(spans []span, s string, i int) []span {
	start := i
	for start > 0 && i-start < 24 && runByte(s[start-1]) {
		start--
	}
	if i-start < 3 || schemes[strings.ToLower(s[start:i])] == 0 {
		return spans
	}
	from := i + 1
	if s[i] == '%' {
		from = i + 3
	}
	to := from
	for to < len(s) && strings.IndexByte(" \t\r\n\"',;&<>", s[to]) < 0 {
		to++
	}
	word := s[from:to]
	if to < len(s) && s[to] == '"' && strings.HasSuffix(word, "=") {
		return spans // realm="…"
	}
	if len(word) < 6 || strings.IndexByte(strings.TrimRight(word, "="), '=') >= 0 {
		return spans // too short, or a parameter
	}
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyz-.") == "" && len(word) < 16 {
		return spans // "token expired"
	}
	return append(spans, span{from, to, ""})
}

// hideUserinfo hides the password of user:password@ after ://.
func hideUserinfo(spans []span, s string, from int) []span {
	rest := s[from:]
	if i := strings.IndexAny(rest, "/?# \"<>"); i >= 0 {
		rest = rest[:i]
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return spans
	}
	colon := strings.IndexByte(rest[:at], ':')
	if colon < 0 || colon+1 == at {
		return spans
	}
	return append(spans, span{from + colon + 1, from + at, ""})
}
