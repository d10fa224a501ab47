package credential

import "strings"

// Payload is what somebody put into a login's fields to get around it.
type Payload uint8

// The payloads.
const (
	NoPayload Payload = iota
	SQLPayload
	NoSQLPayload // an operator in the place of a value
	LDAPPayload
	TypePayload // true or a list where a text belongs
)

// payloadOf looks at a value of a login's field. A quote alone is no attack:
// names and passwords have them. It takes an operator or a comment behind it.
func payloadOf(value string) Payload {
	if len(value) < 4 || len(value) > 4096 {
		return NoPayload
	}
	if i := strings.IndexAny(value, `'"`); i >= 0 {
		rest := strings.ToLower(value[i+1:])
		rest = strings.Join(strings.FieldsFunc(strings.NewReplacer("/**/", " ", "+", " ").Replace(rest), func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == ')' }), " ")
		for _, w := range [...]string{"or ", "and ", "union select", "union all", "|| ", "||'", "; drop", ";drop", "--", "#", "/*", "waitfor ", "having ", "like ", "='", "=\""} {
			if strings.HasPrefix(rest, w) && (len(w) > 3 || compares(rest[len(w):])) {
				return SQLPayload
			}
		}
	}
	if strings.Contains(value, "*)(") || strings.Contains(value, ")(|(") || strings.Contains(value, ")(&(") || strings.HasPrefix(value, "*)") {
		return LDAPPayload
	}
	return NoPayload
}

// compares reports whether what follows OR, a comment sign and the like is
// empty or a comparison.
func compares(rest string) bool {
	rest = strings.TrimSpace(rest)
	return rest == "" || strings.ContainsAny(rest, "=<>") || strings.HasPrefix(rest, "true") || strings.HasPrefix(rest, "exists") ||
		strings.HasPrefix(rest, "sleep") || strings.HasPrefix(rest, "not ") || strings.HasPrefix(rest, "1")
}

// operator reports a key that stands for a comparison in a query of MongoDB and
// its like.
func operator(key string) bool {
	switch key {
	case "$ne", "$gt", "$gte", "$lt", "$lte", "$regex", "$in", "$nin", "$exists", "$where", "$not", "$or", "$eq":
		return true
	}
	return false
}

// operatorField gives the meaning of the field that an operator is applied to
// in a form: password[$ne].
func operatorField(name string) field {
	before, after, ok := strings.Cut(name, "[")
	if !ok || !operator(strings.TrimSuffix(after, "]")) {
		return noField
	}
	return fieldOf(before)
}

// loginPart reports fields that a login is made of.
func loginPart(fd field) bool {
	return fd == fieldUser || fd == fieldPassword || fd == fieldSecret
}

// attack notes a payload in a field of a login.
func (f *Finder) attack(fd field, p Payload) {
	if p != NoPayload && loginPart(fd) && !f.response && f.login.payload == NoPayload {
		f.login.payload = p
	}
}
