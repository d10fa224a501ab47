package credential

// Stored gives back what was a Redacted when a store was given it. It is for
// stores only, which read what authtap itself has written; a test sees to that.
func Stored(text string) Redacted { return Redacted{text: text} }
