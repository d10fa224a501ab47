package detect

import (
	"bytes"
	"strings"

	"github.com/authtap/authtap/reassembly/exchange"
)

// toldBytes of an answer are looked at.
const toldBytes = 8 << 10

// toldBy gives a hash of what an answer says to people: its words, without
// those that hold digits or are very long (numbers, times, identifiers of
// requests), without markup, and without the account's name. 0 where a part of
// it is missing.
func toldBy(m *exchange.Message, account string) uint64 {
	if !m.Present || !m.Damage.Whole() {
		return 0
	}
	b := m.Body.Bytes[:min(len(m.Body.Bytes), toldBytes)]
	markup := len(bytes.TrimLeft(b, " \t\r\n")) > 0 && bytes.TrimLeft(b, " \t\r\n")[0] == '<'
	h := uint64(14695981039346656037)
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case markup && c == '<':
			end := bytes.IndexByte(b[i:], '>')
			if end < 0 {
				return h | 1
			}
			i += end + 1
		case !wordByte(c):
			i++
		case len(account) > 2 && len(b)-i >= len(account) && strings.EqualFold(string(b[i:i+len(account)]), account):
			i += len(account)
		default:
			start, digits := i, false
			for ; i < len(b) && wordByte(b[i]); i++ {
				digits = digits || b[i] >= '0' && b[i] <= '9'
			}
			if digits || i-start > 24 {
				continue
			}
			for _, c := range b[start:i] {
				if c >= 'A' && c <= 'Z' {
					c |= 0x20
				}
				h = (h ^ uint64(c)) * 1099511628211
			}
			h = (h ^ ' ') * 1099511628211
		}
	}
	return h | 1
}

// asksCaptcha reports an answer with a captcha, in its text or its markup.
func asksCaptcha(m *exchange.Message) bool {
	b := m.Body.Bytes[:min(len(m.Body.Bytes), toldBytes)]
	for _, w := range [...]string{"captcha", "Captcha", "CAPTCHA", "turnstile"} {
		if bytes.Contains(b, []byte(w)) {
			return true
		}
	}
	return false
}

func wordByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c >= 0x80
}
