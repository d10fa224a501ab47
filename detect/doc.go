// Package detect turns exchanges into findings.
//
//	Exchange ──Inspector──▶ Inspection ──Engine──▶ Pass ──Detector──▶ Report ──▶ Finding
//
// An Inspector, one for each shard, finds out what an exchange shows by itself:
// its credentials, the login that it attempts, what the answer says. The
// Engine, one goroutine, knows what outlives an exchange: it keeps what is
// known of endpoints, shows each exchange to the detectors that need it, makes
// one finding of all reports with the same dedupe key, and alone decides on
// verdict and severity, also later, when an endpoint has taught it more.
//
// A Detector is a value in a file of its own, in package rules; Pass is all
// that it may touch. To write one, read detect/rules/jwt_alg_none.go and its
// script detect/rules/testdata/jwt_alg_none.txt.
//
// Contract: packet time only; the same exchanges and marks give the same
// findings, whatever number of shards made the Inspections. Memory is bounded
// by Options and the bounds of the packages below. Findings are immutable. No
// credential is in them, but as keyed hash and mask: evidence takes
// credential.Redacted and nothing else.
//
// It does not reassemble, store or print.
package detect
