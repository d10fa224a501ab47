package detect

import (
	"net/netip"

	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/issuer"
	"github.com/authtap/authtap/detect/window"
)

// Options of an Engine and its Inspectors.
type Options struct {
	// Key is the deployment key that credentials are hashed with.
	Key credential.Key
	// Sensor stands in every finding and in its ID.
	Sensor string
	// Detectors that run, and settings that replace their options' defaults,
	// by detector and option.
	Detectors []Detector
	Settings  map[string]Values
	// Overrides change the options of detectors at places, by detector.
	Overrides map[string][]Override
	// Suppressions keep findings from Emit. Where Suppress is set, it takes
	// them instead, with the first suppression that keeps each. Expire is told,
	// once of each, that a suppression would keep a finding had it not expired.
	Suppressions []Suppression
	Suppress     func(Finding, *Suppression)
	Expire       func(*Suppression)
	// TrustedProxies may name the client in X-Forwarded-For or Forwarded.
	TrustedProxies []netip.Prefix
	// Forwarder, when set, is told of a peer that is none of them and speaks for
	// many clients, which are taken for one.
	Forwarder func(peer netip.Addr)
	// ClientHeaders are further headers with a single address, such as
	// True-Client-IP, in which they do; anybody can send them, so only those that
	// the proxies set belong here.
	ClientHeaders []string
	// Pins are endpoints that the configuration describes, Declared those that
	// documents do. SessionCookies are cookies that hold a session, besides those
	// that are known by their names. BehindTLS are hosts, as in
	// endpoint.Declared, of which something in front ends TLS. Services are
	// credentials that are shared on purpose.
	Pins           []Pin
	Declared       []*endpoint.Declared
	SessionCookies []string
	BehindTLS      []string
	Services       Services
	// HidePrincipals replaces the names of accounts by keyed hashes.
	HidePrincipals bool
	// MaxFindings that are open at once (0: 100,000), WindowKeys of each window
	// (0: 200,000), and WindowBytes of all windows together (0: 100 MiB).
	MaxFindings, WindowKeys, WindowBytes int
	// Secrets that JSON Web Tokens are tried with; nil tries none.
	Secrets *credential.Secrets
	// Live lets work that is done off the packet path come when it comes. A
	// replay waits for it at each mark, so that it always comes at the same
	// place.
	Live bool
	// Input names the file or interface of a packet.
	Input func(i uint32) string
	// Emit takes each version of a finding that is to be told. It is called on
	// the engine's goroutine.
	Emit func(Finding)
	// AuthEvent takes each login attempt, and Occurrence what happened to a
	// finding within a minute: when the finding is told, and when the minute is
	// over. nil leaves them out. They are called as Emit is.
	AuthEvent  func(AuthEvent)
	Occurrence func(Occurrence)
	// Endpoint, Use and IssuerKey take rows of the ledgers: a replay's when a
	// day of packet time is over and at the end, live also while they grow. nil
	// leaves them out. LedgerRows (0: 20,000) bounds the rows of each ledger
	// that are open at once.
	Endpoint   func(Endpoint)
	Use        func(Use)
	IssuerKey  func(IssuerKey)
	LedgerRows int
}

// complete puts defaults in the place of what is zero.
func (o Options) complete() Options {
	if o.MaxFindings == 0 {
		o.MaxFindings = 100_000
	}
	if o.WindowBytes == 0 {
		o.WindowBytes = 100 << 20
	}
	if o.LedgerRows <= 0 {
		o.LedgerRows = 20_000
	}
	if o.Input == nil {
		o.Input = func(uint32) string { return "" }
	}
	return o
}

// Stats count what the engine did.
type Stats struct {
	Exchanges, Logins, Handshakes uint64
	// Findings that were told, and Versions of them; Open and Held as of now: a held
	// finding waits for a verdict.
	Findings, Versions uint64
	// Unkeyed reports had no dedupe key, which is their detector's mistake: host
	// and endpoint took its place.
	Unkeyed uint64
	// Suppressed findings were not told; Expired would not have been, had a
	// suppression not expired.
	Suppressed, Expired uint64
	Open, Held          int
	// Evicted findings were closed early to stay within MaxFindings, Deferred
	// work was not done because too much was under way.
	Evicted, Deferred uint64
	// Forwarders were told of: see Options.Forwarder.
	Forwarders uint64
	// Forgotten are entries of the detectors' own memory that made room for
	// others.
	Forgotten uint64
	// Displaced are rows of the ledgers that were told early to make room for
	// others.
	Displaced uint64
	Endpoints endpoint.Stats
	Hops      HopStats
	Issuers   issuer.Stats
	Windows   map[string]window.Stats
	// WindowBytes (an estimate) are those of all windows as of now.
	WindowBytes uint64
}
