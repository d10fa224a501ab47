package issuer

import (
	"crypto/sha256"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/window"
)

// Limits of a Ledger. Zero values mean the defaults.
type Limits struct {
	Issuers  int // 10,000
	Hosts    int // that publish: 1,000, with 64 keys each
	Signings int // of an issuer: 32
}

// Stats count what a Ledger holds and what made room for others.
type Stats struct {
	Documents     uint64 // that published something
	Issuers, Keys int
	Evicted       uint64 // issuers, hosts, keys and signings
}

// Ledger remembers issuers and keys. It belongs to one goroutine.
type Ledger struct {
	limits  Limits
	issuers *window.Cache[string, Issuer]
	hosts   *window.Cache[string, publisher]
	recent  []*Key // the latest keys of all hosts, the newest last
	stats   Stats
}

// publisher is a host that publishes keys.
type publisher struct {
	set  bool // a key set, or metadata
	keys []Published
}

// Published is a key and when its host was seen to publish it.
type Published struct {
	*Key
	First, Last capture.Time
}

// maxRecent keys are tried with a token of which nothing says whose it is.
const maxRecent = 16

// NewLedger makes a ledger.
func NewLedger(l Limits) *Ledger {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&l.Issuers, 10_000)
	set(&l.Hosts, 1_000)
	set(&l.Signings, 32)
	return &Ledger{limits: l, issuers: window.NewCache[string, Issuer](l.Issuers, 0), hosts: window.NewCache[string, publisher](l.Hosts, 0)}
}

// Stats may be called between other calls.
func (l *Ledger) Stats() Stats {
	s := l.stats
	s.Issuers = l.issuers.Len()
	s.Evicted += l.issuers.Evicted() + l.hosts.Evicted()
	l.hosts.Each(func(_ string, p *publisher) { s.Keys += len(p.keys) })
	return s
}

// Publish takes what a host published.
func (l *Ledger) Publish(host string, d *Document, now capture.Time) {
	l.stats.Documents++
	host = strings.Clone(hostName(host))
	p, _ := l.hosts.At(host, now)
	p.set = p.set || d.Set || d.KeysURL != ""
	for _, k := range d.Keys {
		i := slices.IndexFunc(p.keys, func(o Published) bool { return o.ID == k.ID && o.Kid == k.Kid })
		if i >= 0 {
			p.keys[i].Last = max(p.keys[i].Last, now)
			continue
		}
		if len(p.keys) >= maxKeys {
			oldest := 0
			for i := range p.keys {
				if p.keys[i].Last < p.keys[oldest].Last {
					oldest = i
				}
			}
			p.keys = slices.Delete(p.keys, oldest, oldest+1)
			l.stats.Evicted++
		}
		p.keys = append(p.keys, Published{k, now, now})
		if k.public != nil && !slices.ContainsFunc(l.recent, func(o *Key) bool { return o.ID == k.ID }) {
			if len(l.recent) >= maxRecent {
				l.recent = slices.Delete(l.recent, 0, 1)
			}
			l.recent = append(l.recent, k)
		}
	}
	// Metadata is an issuer's own where it is at the issuer's own host (RFC
	// 8414, section 3.3).
	if d.Issuer != "" && HostOf(d.Issuer) == host {
		i, created := l.issuers.At(issuerKey(d.Issuer, ""), now)
		if created {
			i.First = now
		}
		i.Last, i.keysHost = max(i.Last, now), HostOf(d.KeysURL)
	}
}

// Publishes reports whether a host was seen to publish a key set, or the
// metadata of an issuer.
func (l *Ledger) Publishes(host string, now capture.Time) bool {
	p := l.hosts.Get(hostName(host), now)
	return p != nil && p.set
}

// Candidates gives keys that a token may have been signed with, or forged from:
// those that the issuer or the token's host publish, then others of that name,
// then the latest; at most 16, none twice. Those that nothing can be verified
// with are not among them.
func (l *Ledger) Candidates(issuer, kid, host string, now capture.Time) []*Key {
	var list []*Key
	add := func(k *Key) {
		if k.public != nil && len(list) < maxRecent && !slices.ContainsFunc(list, func(o *Key) bool { return o.ID == k.ID }) {
			list = append(list, k)
		}
	}
	for _, named := range [...]bool{true, false} {
		if named && kid == "" {
			continue
		}
		wanted := func(k *Key) {
			if !named || k.Kid == kid {
				add(k)
			}
		}
		l.eachOf(issuer, host, now, wanted)
		for i := len(l.recent) - 1; i >= 0; i-- {
			wanted(l.recent[i])
		}
	}
	return list
}

// Key gives the key of that name that the issuer or the host publish; nil where
// they publish none, or several.
func (l *Ledger) Key(issuer, kid, host string, now capture.Time) *Key {
	var found *Key
	several := false
	l.eachOf(issuer, host, now, func(k *Key) {
		if k.Kid == kid && kid != "" {
			several = several || found != nil && found.ID != k.ID
			found = k
		}
	})
	if several {
		return nil
	}
	return found
}

// Owns reports whether the issuer or the host publish a key.
func (l *Ledger) Owns(issuer, host string, id ID, now capture.Time) (owns bool) {
	l.eachOf(issuer, host, now, func(k *Key) { owns = owns || k.ID == id })
	return owns
}

// eachOf calls f with the keys that an issuer, its host for keys and the host of
// its token publish.
func (l *Ledger) eachOf(issuer, host string, now capture.Time, f func(*Key)) {
	if l.hosts.Len() == 0 {
		return
	}
	keys := ""
	if issuer != "" {
		if i := l.issuers.Get(issuerKey(issuer, ""), now); i != nil {
			keys = i.keysHost
		}
	}
	for _, h := range [...]string{HostOf(issuer), hostName(host), keys} {
		if p := l.hosts.Get(h, now); h != "" && p != nil {
			for _, k := range p.keys {
				f(k.Key)
			}
		}
	}
}

// Issuer gives what is known of an issuer, nil where that is nothing. Tokens
// that name none are their host's. The pointer is valid until the next call of
// a method.
func (l *Ledger) Issuer(name, host string, now capture.Time) *Issuer {
	return l.issuers.Get(issuerKey(name, host), now)
}

// Sighting is a token that a server issued, or that it accepted where it is
// known to refuse others.
type Sighting struct {
	Token  *credential.Token
	ID     credential.ID
	Host   string
	Client netip.Addr
	Issued bool
	Time   capture.Time
}

// Saw takes a genuine token: how its issuer signs.
func (l *Ledger) Saw(s *Sighting) {
	t := s.Token
	name := issuerKey(t.Issuer, s.Host)
	i := l.issuers.Get(name, s.Time)
	if i == nil {
		i, _ = l.issuers.At(strings.Clone(name), s.Time)
		i.First = s.Time
	}
	i.Last = max(i.Last, s.Time)
	i.Issued = i.Issued || s.Issued
	i.Typed = i.Typed || t.AccessType()
	way := WayOf(t)
	at := slices.IndexFunc(i.Signings, func(g Signing) bool { return g.Way == way })
	if at < 0 {
		if len(i.Signings) >= l.limits.Signings {
			oldest := 0
			for k := range i.Signings {
				if g, o := &i.Signings[k], &i.Signings[oldest]; g.Issued != o.Issued && o.Issued || g.Issued == o.Issued && g.Last < o.Last {
					oldest = k
				}
			}
			i.Signings = slices.Delete(i.Signings, oldest, oldest+1)
			l.stats.Evicted++
		}
		at = len(i.Signings)
		way.Kid, way.Remote = strings.Clone(way.Kid), strings.Clone(way.Remote)
		i.Signings = append(i.Signings, Signing{Way: way, First: s.Time})
	}
	g := &i.Signings[at]
	g.Last = max(g.Last, s.Time)
	if s.Issued {
		g.Issued = true
		return
	}
	if g.tokens < len(g.ids) && !slices.Contains(g.ids[:g.tokens], s.ID) {
		g.ids[g.tokens] = s.ID
		g.tokens++
	}
	if !g.clients[0].IsValid() {
		g.clients[0] = s.Client
	} else if s.Client != g.clients[0] && !g.clients[1].IsValid() {
		g.clients[1] = s.Client
	}
}

// Issuer is what is known of one.
type Issuer struct {
	First, Last capture.Time
	// Issued says that a server was seen to issue its tokens.
	Issued bool
	// Typed says that its access tokens are at+jwt (RFC 9068, section 2.1).
	Typed    bool
	Signings []Signing

	keysHost string
}

// Way is how tokens are signed.
type Way struct {
	Kid string
	// Type of the key, as in Key.
	Type string
	// Remote is the host that jku or x5u names, "" without them.
	Remote string
	// Embedded is the key that the header holds, zero without one.
	Embedded ID
}

// Signing is a way in which an issuer's genuine tokens were signed.
type Signing struct {
	Way
	// Issued says that a server issued a token signed in this way.
	Issued      bool
	First, Last capture.Time

	tokens  int
	ids     [3]credential.ID
	clients [2]netip.Addr
}

// Established reports whether the way is beyond doubt the issuer's: tokens of
// it were issued, or three of them accepted, from two clients.
func (g *Signing) Established() bool {
	return g.Issued || g.tokens == len(g.ids) && g.clients[1].IsValid()
}

// Any reports whether an issuer, which may be nil, signs in a way that match
// takes.
func (i *Issuer) Any(match func(g *Signing) bool) bool {
	if i != nil {
		for k := range i.Signings {
			if match(&i.Signings[k]) {
				return true
			}
		}
	}
	return false
}

// KeysHost is the host that the issuer's own metadata names for its keys, ""
// where none was seen.
func (i *Issuer) KeysHost() string {
	if i == nil {
		return ""
	}
	return i.keysHost
}

// WayOf tells how a token is signed.
func WayOf(t *credential.Token) Way {
	w := Way{Kid: cut(t.Kid), Type: KeyType(t)}
	_, w.Embedded = EmbeddedKey(t)
	switch {
	case t.Jku != "":
		w.Remote = HostOf(t.Jku)
	case t.X5u != "":
		w.Remote = HostOf(t.X5u)
	}
	return w
}

// EmbeddedKey gives the key that the token's header holds, nil where it cannot be
// read, and its ID, zero where the header holds none.
func EmbeddedKey(t *credential.Token) (*Key, ID) {
	jwk, cert := t.EmbeddedKey()
	var k *Key
	switch {
	case jwk != "":
		k = ParseJWK(jwk)
	case cert != "":
		k = ParseCertificate(cert)
	case !t.HasJWK && !t.HasX5c:
		return nil, ID{}
	}
	if k == nil {
		return nil, sha256.Sum256([]byte(jwk + cert))
	}
	return k, k.ID
}

// KeyType is the type of the key that the token's algorithm wants, as in Key;
// "" where that is not known.
func KeyType(t *credential.Token) string {
	switch t.Family() {
	case "HS":
		return "oct"
	case "RS", "PS":
		return "RSA"
	case "ES":
		return "EC"
	case "EdDSA":
		return "OKP"
	}
	return ""
}

func issuerKey(name, host string) string {
	if name == "" {
		return "host " + host[:min(len(host), maxName)]
	}
	return name[:min(len(name), maxName)]
}

// maxName bytes of an issuer's or a host's name are kept.
const maxName = 256

// HostOf gives the host of a URL, in lower case and without port, or "" where
// it is none.
func HostOf(s string) string {
	if !strings.Contains(s, "//") {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return lowerName(u.Hostname())
}

// hostName cuts the port off a host.
func hostName(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 && strings.Count(host, ":") == 1 || i > 0 && host[i-1] == ']' {
		host = host[:i]
	}
	return lowerName(strings.Trim(host, "[]"))
}

func lowerName(host string) string { return strings.ToLower(host[:min(len(host), maxName)]) }
