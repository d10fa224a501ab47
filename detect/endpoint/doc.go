// Package endpoint learns what an API's endpoints are and how they answer, and
// judges single answers by it: whether an attempt to get in was accepted.
//
// Three things are learned, each bounded: path templates (Map), for each
// endpoint how it answers requests with a good-looking credential, with a bad
// one and without any (Endpoint: the authentication oracle), and for login
// endpoints what a failed and a successful login look like (the login oracle).
//
// Contract: a Map and its Endpoints belong to one goroutine. All times are
// packet times; what is older than seven days no longer counts. Nothing is
// guessed: an endpoint of which too little is known gives likely_accepted or
// unknown, never accepted. The rules stand in docs/verdicts.md.
package endpoint
