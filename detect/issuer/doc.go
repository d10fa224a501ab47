// Package issuer knows who signs tokens: the issuers seen, the public keys and
// metadata that servers publish, and how the tokens of each issuer look.
//
//	Response ──Find──▶ Document ──▶ Ledger ◀── tokens that servers issued or accepted
//
// Contract: Find runs in the shards, which see bodies; a Document is immutable
// and may be read from any goroutine, and so is a Key. A Ledger belongs to the
// engine's goroutine, lives on packet time and is bounded by Limits: what was
// not used for longest makes room, which is counted.
//
// It believes nobody: that a host publishes keys says that it does, not that
// whoever names it may be trusted. Of private and symmetric keys that somebody
// publishes it keeps that they are there, and nothing of them.
//
// It does not verify tokens (package credential does, under a Key's Public or
// Encodings) and does not judge.
package issuer
