package credential

import "strings"

// The bounds of multipart bodies: parts beyond and longer fields are files or
// nonsense.
const (
	maxParts     = 64
	maxPartValue = 16 << 10
)

// multipart looks at the fields of a multipart/form-data body (RFC 7578). A
// part that does not end is left out.
func (f *Finder) multipart(s, contentType string, cut bool) {
	boundary := parameter(afterSemicolon(contentType), "boundary")
	if boundary == "" || len(boundary) > 70 { // RFC 2046, section 5.1.1
		return
	}
	delimiter := "--" + boundary
	_, s, ok := strings.Cut(s, delimiter)
	for range maxParts {
		if !ok || strings.HasPrefix(s, "--") {
			return
		}
		var part string
		if part, s, ok = strings.Cut(s, delimiter); !ok {
			if cut {
				f.stats.AtCutEnd++
			}
			return
		}
		head, value, split := strings.Cut(part, "\r\n\r\n")
		if !split {
			if head, value, split = strings.Cut(part, "\n\n"); !split {
				continue
			}
		}
		value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
		f.part(head, value)
	}
}

func (f *Finder) part(head, value string) {
	var name string
	for head != "" {
		var line string
		line, head, _ = strings.Cut(head, "\n")
		if !hasFold(line, "content-disposition:") {
			continue
		}
		parameters := strings.TrimRight(afterSemicolon(line), "\r")
		if parameter(parameters, "filename") != "" {
			return
		}
		name = parameter(parameters, "name")
	}
	if value == "" || len(value) > maxPartValue {
		return
	}
	fd := f.fieldOf(name)
	if (value[0] == '{' || value[0] == '[') && (fd == noField || fd == fieldAssertion) {
		f.jsonWithin(InMultipart, value) // GraphQL's operations, and parts of that type
		return
	}
	if fd == noField && !maybeJWT(value) && !vendorShaped(value) {
		f.login.before = value
		f.login.mayBeTicket(name, value)
		return
	}
	if fd == fieldPassword {
		f.login.stoodBeside(f.login.before)
	}
	f.field(Place{InMultipart, name}, fd, value)
}

func afterSemicolon(s string) string {
	_, s, _ = strings.Cut(s, ";")
	return s
}
