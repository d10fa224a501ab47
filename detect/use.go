package detect

import (
	"net/netip"

	"github.com/authtap/authtap/detect/credential"
)

// Seen says what a row of a ledger counts: what one sensor saw in one file, or
// on one interface, from Begin on, until the day (UTC) ended, the row made room
// for others, or the run ended. Begin is the time of the first thing that the
// row counts. A row is told several times while it grows; with what it is about
// (host, method and path; the credential's id; the key) Seen without Last
// identifies it. So a row that comes again, from a replay, changes nothing, and
// rows of different runs and sensors add up.
type Seen struct {
	Sensor, File string
	Begin, Last  Timestamp
}

// Endpoint is a row of the ledger of endpoints: how one was used. A row told is
// immutable, as are all here.
type Endpoint struct {
	Seen
	// Path is a template; Operation what tells operations of one path apart,
	// "" where there is only one.
	Host, Method, Path, Operation string
	// Answers counts exchanges by what the request carried and what came of it.
	// (endpoint.Presented, endpoint.Outcome).
	Answers [4][3]uint64
	// Kinds of the credentials that came with a success, sorted.
	Kinds []string
	// Discriminates says that the endpoint is known to refuse who has no good
	// credential.
	Discriminates bool
	// Logins counts attempts to log in, but for those by a scheme of HTTP, by
	// endpoint.LoginOutcome; Successes and Failures tell how the answers to them
	// look: "302 with a session cookie".
	Logins              [4]uint64
	Successes, Failures []string
}

// Use is a row of the ledger of credentials: how one was used. Only credentials
// that were let in are in the ledger, and no passwords or one-time codes.
type Use struct {
	Seen
	Kind      string
	ID        credential.ID
	Mask      string
	Place     string
	Principal string
	// Answers counts requests by endpoint.Outcome.
	Answers [3]uint64
	// Clients and Hosts that it was seen with, at most 64 and 16.
	Clients []netip.Addr
	Hosts   []string
	// Issued says that a server was seen to hand it out; Expires is when it
	// ends by what it says itself, 0 where it does not say.
	Issued  bool
	Expires Timestamp
}

// IssuerKey is a row of the ledger of issuers: a key that a host publishes, or
// a way in which genuine tokens of an issuer are signed.
type IssuerKey struct {
	Seen
	// Issuer as tokens name it, "" where it is not known; Host that publishes
	// the key, or that tokens signed with it were seen at.
	Issuer, Host string
	// Kid and Algorithm as tokens or the key set give them.
	Kid, Algorithm string
	// Type, Bits and Thumbprint (RFC 7638) of the key, where it was seen.
	Type, Thumbprint string
	Bits             uint32
	// Published says that the key was seen in a key set; Issued and Accepted
	// that tokens signed so were seen to be issued, and accepted where others
	// are refused.
	Published, Issued, Accepted bool
}
