package credential

import "strings"

// LoginFields name the fields of a login that names alone would not tell: of a
// form, a query, or the last part of a JSON field's path.
type LoginFields struct {
	// User may be empty: then a secret alone is a login. User and Password may
	// be a login's only fields; others keep the meaning of their names, but
	// none is taken for one of the two.
	User, Password string
	// OneTime says that the secret is a one-time code.
	OneTime bool
}

// fieldOf gives the meaning of a field of the message at hand.
func (f *Finder) fieldOf(name string) field {
	if f.fields == nil {
		return fieldOf(name)
	}
	switch {
	case strings.EqualFold(name, f.fields.User) && name != "":
		return fieldUser
	case strings.EqualFold(name, f.fields.Password):
		return fieldPassword
	}
	switch fd := fieldOf(name); fd {
	case fieldUser, fieldAccount:
		return noField
	case fieldPassword:
		return fieldSecret
	default:
		return fd
	}
}

// cookieField gives the meaning of a cookie's name.
func (f *Finder) cookieField(name string) field {
	if len(f.sessions) > 0 && f.sessions[strings.ToLower(name)] {
		return fieldSession
	}
	return cookieField(name)
}
