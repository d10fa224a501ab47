package store

import (
	"encoding/binary"
	"errors"
	"maps"
	"net/netip"
	"slices"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
)

// format is the first byte of encoded rows; those of the first had no ledgers.
const (
	format      = 2
	formatFirst = 1
)

// errFormat is met in rows that this version of authtap has not written.
var errFormat = errors.New("the rows are damaged, or of another version of authtap")

// codec writes the fields of rows, or reads them: each row has one function
// that lists its fields, for both ways. Numbers are varints, texts have their
// length before them. After an error everything read is zero.
type codec struct {
	reading bool
	out     []byte
	in      string // read text is part of it, so that a block is one allocation
	failed  bool
}

// encode appends rows to b.
func encode(b []byte, r *Rows) []byte {
	c := codec{out: append(b, format)}
	c.rows(r)
	c.ledgers(r)
	return c.out
}

// decode reads rows. It takes no more memory than some multiple of len(b).
func decode(b []byte) (Rows, error) {
	var r Rows
	if len(b) == 0 || b[0] != format && b[0] != formatFirst {
		return r, errFormat
	}
	c := codec{reading: true, in: string(b[1:])}
	c.rows(&r)
	if b[0] != formatFirst {
		c.ledgers(&r)
	}
	if c.failed || c.in != "" {
		return Rows{}, errFormat
	}
	return r, nil
}

func (c *codec) rows(r *Rows) {
	list(c, &r.Findings, c.finding)
	list(c, &r.Occurrences, c.occurrence)
	list(c, &r.AuthEvents, c.authEvent)
	list(c, &r.Heartbeats, c.heartbeat)
}

func (c *codec) ledgers(r *Rows) {
	list(c, &r.Endpoints, c.endpoint)
	list(c, &r.Credentials, c.use)
	list(c, &r.Issuers, c.issuerKey)
}

// list is the number of elements and each of them.
func list[T any](c *codec, all *[]T, element func(*T)) {
	n := uint64(len(*all))
	c.uint(&n)
	if !c.reading {
		for i := range *all {
			element(&(*all)[i])
		}
		return
	}
	if n > uint64(len(c.in)) { // an element has a byte at least
		c.fail()
		return
	}
	if n > 0 {
		// A row takes ten times its encoding; a lie about n costs no more.
		*all = make([]T, 0, min(n, uint64(len(c.in)/16+1)))
	}
	for range n {
		if c.failed {
			return
		}
		var x T
		element(&x)
		*all = append(*all, x)
	}
}

func (c *codec) finding(f *detect.Finding) {
	c.text(&f.ID)
	c.uint(&f.Version)
	c.text(&f.Detector)
	c.text(&f.Title)
	small(c, &f.Severity, detect.Critical)
	small(c, &f.Confidence, detect.Tentative)
	small(c, &f.Verdict, detect.Observed)
	c.text(&f.DedupeKey)
	c.time(&f.FirstSeen)
	c.time(&f.LastSeen)
	c.uint(&f.Count)
	optional(c, &f.Client, c.address)
	optional(c, &f.Server, c.address)
	c.text(&f.Host)
	c.text(&f.Method)
	c.text(&f.Path)
	c.int(&f.Status)
	c.text(&f.Principal)
	optional(c, &f.Credential, func(x *detect.Credential) {
		c.text(&x.Kind)
		c.text(&x.Place)
		c.text(&x.ID)
		c.text(&x.Mask)
	})
	list(c, (*[]detect.Fact)(&f.Evidence), c.fact)
	list(c, &f.References, c.text)
	c.text(&f.CommunityID)
	c.capture(&f.Capture)
	c.text(&f.Sensor)
}

func (c *codec) fact(f *detect.Fact) {
	c.text(&f.Name)
	text := ""
	if !c.reading {
		text = f.Value.String()
	}
	c.text(&text)
	if c.reading {
		f.Value = credential.Stored(text)
	}
}

func (c *codec) occurrence(o *detect.Occurrence) {
	c.text(&o.Finding)
	c.uint(&o.Version)
	c.time(&o.Minute)
	c.uint(&o.Count)
	c.text(&o.Detector)
	small(c, &o.Severity, detect.Critical)
	small(c, &o.Verdict, detect.Observed)
	c.text(&o.Host)
	c.ip(&o.Client)
	c.text(&o.Sensor)
}

func (c *codec) authEvent(e *detect.AuthEvent) {
	c.time(&e.Time)
	c.time(&e.Series)
	c.uint(&e.Number)
	c.text(&e.Sensor)
	c.text(&e.Host)
	c.text(&e.Method)
	c.text(&e.Path)
	c.ip(&e.Client)
	c.text(&e.Principal)
	c.id(&e.PrincipalID)
	c.id(&e.CredentialID)
	c.text(&e.Kind)
	small(c, &e.Outcome, endpoint.LoginSuccess)
	c.int(&e.Status)
	c.capture(&e.Capture)
}

func (c *codec) heartbeat(h *Heartbeat) {
	c.text(&h.Sensor)
	c.time(&h.Time)
	c.time(&h.Started)
	c.text(&h.Version)
	c.text(&h.Key)
	type counter struct {
		name  string
		value uint64
	}
	var all []counter
	for _, name := range slices.Sorted(maps.Keys(h.Counters)) {
		all = append(all, counter{name, h.Counters[name]})
	}
	list(c, &all, func(x *counter) { c.text(&x.name); c.uint(&x.value) })
	if c.reading {
		h.Counters = make(map[string]uint64, len(all))
		for _, x := range all {
			h.Counters[x.name] = x.value
		}
	}
}

func (c *codec) seen(s *detect.Seen) {
	c.text(&s.Sensor)
	c.text(&s.File)
	c.time(&s.Begin)
	c.time(&s.Last)
}

func (c *codec) endpoint(e *detect.Endpoint) {
	c.seen(&e.Seen)
	c.text(&e.Host)
	c.text(&e.Method)
	c.text(&e.Path)
	c.text(&e.Operation)
	for i := range e.Answers {
		c.uints(e.Answers[i][:])
	}
	list(c, &e.Kinds, c.text)
	c.flag(&e.Discriminates)
	c.uints(e.Logins[:])
	list(c, &e.Successes, c.text)
	list(c, &e.Failures, c.text)
}

func (c *codec) use(u *detect.Use) {
	c.seen(&u.Seen)
	c.text(&u.Kind)
	c.id(&u.ID)
	c.text(&u.Mask)
	c.text(&u.Place)
	c.text(&u.Principal)
	c.uints(u.Answers[:])
	list(c, &u.Clients, c.ip)
	list(c, &u.Hosts, c.text)
	c.flag(&u.Issued)
	c.time(&u.Expires)
}

func (c *codec) issuerKey(k *detect.IssuerKey) {
	c.seen(&k.Seen)
	for _, text := range []*string{&k.Issuer, &k.Host, &k.Kid, &k.Algorithm, &k.Type, &k.Thumbprint} {
		c.text(text)
	}
	n := uint64(k.Bits)
	c.uint(&n)
	if k.Bits = uint32(n); uint64(k.Bits) != n {
		c.fail()
	}
	c.flag(&k.Published)
	c.flag(&k.Issued)
	c.flag(&k.Accepted)
}

func (c *codec) uints(all []uint64) {
	for i := range all {
		c.uint(&all[i])
	}
}

func (c *codec) flag(b *bool) {
	var n uint64
	if *b {
		n = 1
	}
	c.uint(&n)
	if *b = n == 1; n > 1 {
		c.fail()
	}
}

func (c *codec) capture(x *detect.Capture) {
	c.text(&x.File)
	c.uint(&x.Packet)
}

func (c *codec) address(a *detect.Address) {
	c.ip(&a.IP)
	port := uint64(a.Port)
	c.uint(&port)
	if a.Port = uint16(port); uint64(a.Port) != port {
		c.fail()
	}
}

// optional is a byte that says whether there is one, and the thing.
func optional[T any](c *codec, p **T, value func(*T)) {
	var there uint64
	if *p != nil {
		there = 1
	}
	c.uint(&there)
	switch {
	case there > 1:
		c.fail()
	case there == 1:
		if *p == nil {
			*p = new(T)
		}
		value(*p)
	}
}

// small is a value between 0 and last.
func small[T ~uint8](c *codec, v *T, last T) {
	n := uint64(*v)
	c.uint(&n)
	if n > uint64(last) {
		c.fail()
		n = 0
	}
	*v = T(n)
}

func (c *codec) fail() { c.failed, c.in = true, "" }

func (c *codec) uint(v *uint64) {
	if !c.reading {
		c.out = binary.AppendUvarint(c.out, *v)
		return
	}
	*v = 0
	var shift uint
	for i := 0; i < len(c.in) && i < binary.MaxVarintLen64; i++ {
		b := c.in[i]
		if i == binary.MaxVarintLen64-1 && b > 1 {
			break // more than 64 bits
		}
		*v |= uint64(b&0x7f) << shift
		shift += 7
		if b < 0x80 {
			c.in = c.in[i+1:]
			return
		}
	}
	*v = 0
	c.fail()
}

func (c *codec) int(v *int) {
	n := uint64(*v)
	c.uint(&n)
	*v = int(n)
}

func (c *codec) time(t *detect.Timestamp) {
	n := uint64(*t)<<1 ^ uint64(*t>>63) // zigzag
	c.uint(&n)
	*t = detect.Timestamp(n>>1) ^ -detect.Timestamp(n&1)
}

func (c *codec) text(s *string) {
	n := uint64(len(*s))
	c.uint(&n)
	if !c.reading {
		c.out = append(c.out, *s...)
		return
	}
	*s = c.take(n)
}

// take reads n bytes.
func (c *codec) take(n uint64) string {
	if n > uint64(len(c.in)) {
		c.fail()
		return ""
	}
	s := c.in[:n]
	c.in = c.in[n:]
	return s
}

func (c *codec) ip(a *netip.Addr) {
	var raw string
	if !c.reading {
		raw = string(a.AsSlice())
	}
	c.text(&raw)
	if c.reading {
		var ok bool
		if *a, ok = netip.AddrFromSlice([]byte(raw)); !ok && raw != "" {
			c.fail()
		}
	}
}

func (c *codec) id(id *credential.ID) {
	if !c.reading {
		c.out = append(c.out, id[:]...)
		return
	}
	copy(id[:], c.take(uint64(len(id))))
}
