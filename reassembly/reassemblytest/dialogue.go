package reassemblytest

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/authtap/authtap/capture"
)

// Dialogue is a script that was played: see the package comment.
type Dialogue struct {
	packets []Packet
}

// Packets gives the captured packets in the order of capture.
func (d *Dialogue) Packets() []Packet { return d.packets }

const (
	step       = 100 * time.Microsecond // from packet to packet
	delayedAck = 40 * time.Millisecond  // RFC 9293, section 3.8.6.3: at most 500 ms; as Linux does
	maxMessage = 1 << 24
)

// Start is where the packet clock of every script starts.
var Start = capture.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))

// Parse plays the script. The name stands before the line number in errors;
// funcs are added to the template's.
func Parse(name, text string, funcs template.FuncMap) (*Dialogue, error) {
	lines, err := render(name, text, funcs)
	if err != nil {
		return nil, err
	}
	p := player{clock: Start, conns: map[string]*conn{}}
	for i := 0; i < len(lines); {
		n, err := p.statement(lines[i:])
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, lines[i].number, err)
		}
		i += n
	}
	if p.next.any() {
		return nil, fmt.Errorf("%s: drop, dup, reorder or again without a message after it", name)
	}
	for _, c := range p.opened {
		p.acknowledge(c)
	}
	return &Dialogue{p.packets}, nil
}

// player is the state of a script being played.
type player struct {
	clock   capture.Time
	packets []Packet
	conns   map[string]*conn
	opened  []*conn // in the order of opening, for what must not follow map order
	on      *conn
	hidden  [2]bool // directions that are not captured
	snap    int     // bytes captured of a packet; 0: all
	next    damage
}

// damage is what the statements before a message want done to it.
type damage struct {
	drop                []int
	dup, reorder, again bool
}

func (d *damage) any() bool { return len(d.drop) > 0 || d.dup || d.reorder || d.again }

// The sides of a connection.
const (
	client = 0
	server = 1
)

type conn struct {
	name    string
	vlan    []uint16
	also    []uint16 // VLANs in which every packet is captured again
	tunnels []tunnel
	parts   int // of so many bytes each packet's datagram is sent
	mss     int
	sides   [2]side
	methods []string // of requests that wait for their response
}

type side struct {
	addr   netip.AddrPort
	seq    uint32 // next to be sent
	latest uint32 // where the latest message began, if said
	said   bool
	acked  uint32 // highest acknowledgement sent: the peer's seq as known
	id     uint16
	closed bool
}

// statement plays what begins at the first line and says how many lines it
// took.
func (p *player) statement(lines []line) (int, error) {
	text := lines[0].text
	if text == "" || strings.HasPrefix(text, "#") {
		return 1, nil
	}
	if text[0] == '>' || text[0] == '<' {
		mark := text[:1]
		if strings.HasPrefix(text, mark+mark) {
			mark = text[:2]
		}
		n := 1
		for n < len(lines) && markOf(lines[n].text) == mark {
			n++
		}
		return n, p.message(mark, lines[:n])
	}
	f := strings.Fields(text)
	return 1, p.directive(f[0], f[1:])
}

// markOf gives the mark that a line begins with, or "".
func markOf(s string) string {
	n := 0
	for n < len(s) && n < 2 && (s[n] == '>' || s[n] == '<') && s[n] == s[0] {
		n++
	}
	return s[:n]
}

func (p *player) directive(verb string, args []string) error {
	switch verb {
	case "time":
		return p.setTime(args)
	case "conn":
		return p.open(args)
	case "on":
		if len(args) != 1 || p.conns[args[0]] == nil {
			return fmt.Errorf("on: want the name of an open connection")
		}
		p.on = p.conns[args[0]]
		return nil
	case "drop":
		for _, a := range args {
			n, err := strconv.Atoi(a)
			if err != nil || n < 1 {
				return fmt.Errorf("drop: %q is no segment number (they count from 1)", a)
			}
			p.next.drop = append(p.next.drop, n)
		}
		if len(args) == 0 {
			return fmt.Errorf("drop: which segments?")
		}
		return nil
	case "dup":
		p.next.dup = true
		return noArguments(verb, args)
	case "reorder":
		p.next.reorder = true
		return noArguments(verb, args)
	case "again":
		p.next.again = true
		return noArguments(verb, args)
	case "snap":
		return p.cut(args)
	case "capture":
		p.hidden = [2]bool{}
		return noArguments(verb, args)
	case "nocapture":
		sides, err := sidesOf(verb, args)
		for _, s := range sides {
			p.hidden[s] = true
		}
		return err
	case "fin", "rst":
		sides, err := sidesOf(verb, args)
		if err != nil {
			return err
		}
		if verb == "rst" {
			if len(sides) != 1 {
				return fmt.Errorf("rst: want > or <")
			}
			return p.reset(sides[0])
		}
		return p.finish(sides)
	}
	return fmt.Errorf("unknown statement %q", verb)
}

// cut sets the snap length.
func (p *player) cut(args []string) error {
	p.snap = 0
	if len(args) == 0 {
		return nil
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 || len(args) > 1 {
		return fmt.Errorf("snap: want a number of bytes, or nothing")
	}
	p.snap = n
	return nil
}

func noArguments(verb string, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s: takes no arguments", verb)
	}
	return nil
}

func sidesOf(verb string, args []string) ([]int, error) {
	switch {
	case len(args) == 0:
		return []int{client, server}, nil
	case len(args) == 1 && args[0] == ">":
		return []int{client}, nil
	case len(args) == 1 && args[0] == "<":
		return []int{server}, nil
	}
	return nil, fmt.Errorf("%s: want > or < or nothing", verb)
}

func (p *player) setTime(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("time: want one time or +duration")
	}
	if rest, ok := strings.CutPrefix(args[0], "+"); ok {
		d, err := time.ParseDuration(rest)
		if err != nil {
			return fmt.Errorf("time: %w", err)
		}
		p.advance(p.clock.Add(d))
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, args[0])
	if err != nil {
		return fmt.Errorf("time: %w", err)
	}
	p.advance(capture.TimeOf(t))
	return nil
}

// advance moves the clock; acknowledgements that were held back do not wait
// longer than their timer.
func (p *player) advance(to capture.Time) {
	if to >= p.clock.Add(delayedAck) {
		p.clock = p.clock.Add(delayedAck)
		for _, c := range p.opened {
			p.acknowledge(c)
		}
		to = max(to, p.clock)
	}
	p.clock = to
}

// acknowledge sends what acknowledgements are held back.
func (p *player) acknowledge(c *conn) {
	for s := range c.sides {
		if c.sides[s].acked != c.sides[1-s].seq && !(c.sides[client].closed && c.sides[server].closed) {
			p.send(c, s, ack, nil, nil)
		}
	}
}

func (p *player) open(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("conn: want NAME CLIENT:PORT SERVER:PORT")
	}
	c := &conn{name: args[0], mss: 1460}
	for i, a := range args[1:3] {
		addr, err := netip.ParseAddrPort(a)
		if err != nil {
			return fmt.Errorf("conn: %w", err)
		}
		c.sides[i].addr = addr
		// Far from each other and from those of earlier connections, so that a
		// reused address pair gets new ones, as RFC 6528 wants.
		c.sides[i].seq = uint32(0x10000001*(len(p.opened)+1) + 0x08000000*i)
	}
	if c.sides[client].addr.Addr().Is4() != c.sides[server].addr.Addr().Is4() {
		return fmt.Errorf("conn: both ends must be of one address family")
	}
	midstream := false
	for _, a := range args[3:] {
		key, value, _ := strings.Cut(a, "=")
		if key == "in" {
			var err error
			if c.tunnels, err = parseTunnels(value); err != nil || !c.sides[client].addr.Addr().Is4() {
				return fmt.Errorf("conn: bad option %q, or not between ends of IPv4: %v", a, err)
			}
			continue
		}
		ns, err := numbers(value)
		switch {
		case a == "midstream":
			midstream = true
		case err != nil:
			return fmt.Errorf("conn: %s: %w", key, err)
		case key == "vlan" && len(ns) <= 2:
			for _, n := range ns {
				c.vlan = append(c.vlan, uint16(n)&0xfff)
			}
		case key == "also" && len(ns) == 1:
			c.also = []uint16{uint16(ns[0]) & 0xfff}
		case key == "parts" && len(ns) == 1 && ns[0] >= 8 && ns[0]%8 == 0 && c.sides[client].addr.Addr().Is4():
			c.parts = int(ns[0])
		case key == "mss" && len(ns) == 1 && ns[0] > 0 && ns[0] <= 65000:
			c.mss = int(ns[0])
		case key == "isn" && len(ns) <= 2:
			c.sides[client].seq, c.sides[server].seq = ns[0], ns[len(ns)-1]
		default:
			return fmt.Errorf("conn: bad option %q", a)
		}
	}
	p.conns[c.name], p.on = c, c
	p.opened = append(p.opened, c)
	if midstream {
		c.sides[client].acked, c.sides[server].acked = c.sides[server].seq, c.sides[client].seq
		return nil
	}
	// Options: MSS, SACK permitted, window scale 7 (RFC 9293, 3.2; RFC 7323).
	options := []byte{2, 4, byte(c.mss >> 8), byte(c.mss), 1, 1, 4, 2, 1, 3, 3, 7}
	p.send(c, client, syn, options, nil)
	p.send(c, server, syn|ack, options, nil)
	p.send(c, client, ack, nil, nil)
	return nil
}

func numbers(s string) ([]uint32, error) {
	if s == "" {
		return nil, nil
	}
	var ns []uint32
	for f := range strings.SplitSeq(s, ",") {
		n, err := strconv.ParseUint(f, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is no number below 2^32", f)
		}
		ns = append(ns, uint32(n))
	}
	return ns, nil
}

// build makes the packet of one segment and moves the sender on; it is not
// captured yet.
func (p *player) build(c *conn, from int, flags uint8, options, payload []byte) Packet {
	me, peer := &c.sides[from], &c.sides[1-from]
	s := segment{
		src: me.addr, dst: peer.addr, vlan: c.vlan, flags: flags, seq: me.seq,
		window: 0x1000, id: me.id, options: options, payload: payload,
	}
	if flags&ack != 0 {
		s.ack = peer.seq
		me.acked = peer.seq
	}
	me.id++
	me.seq += uint32(len(payload))
	if flags&(syn|fin) != 0 {
		me.seq++
	}
	k := Packet{Conn: c.name, FromServer: from == server, inner: s.frame(from == server)}
	frames := c.frames(k.inner, from, me.id)
	if c.also != nil {
		s.vlan = c.also
		frames = append(frames, c.frames(s.frame(from == server), from, me.id)...)
	}
	k.Data, k.Length, k.others = frames[0], len(frames[0]), frames[1:]
	return k
}

// frames gives what a frame is captured as, in the connection's tunnels and in
// parts.
func (c *conn) frames(b []byte, from int, id uint16) [][]byte {
	for _, t := range slices.Backward(c.tunnels) {
		b = t.wrap(b, from == server, id)
	}
	if c.parts == 0 {
		return [][]byte{b}
	}
	return fragments(b, c.parts)
}

// captured puts a packet into the capture, unless its direction is hidden.
func (p *player) captured(k Packet) {
	side := client
	if k.FromServer {
		side = server
	}
	if !p.hidden[side] {
		others := k.others
		k.Time, k.others = p.clock, nil
		for _, b := range append([][]byte{k.Data}, others...) {
			k.Data, k.Length = b, len(b)
			if p.snap > 0 {
				k.Data = b[:min(p.snap, len(b))]
			}
			p.packets = append(p.packets, k)
		}
	}
	p.clock = p.clock.Add(step)
}

func (p *player) send(c *conn, from int, flags uint8, options, payload []byte) {
	p.captured(p.build(c, from, flags, options, payload))
}

// message sends what the lines say, with the damage that was asked for.
func (p *player) message(mark string, lines []line) error {
	from := client
	if mark[0] == '<' {
		from = server
	}
	c := p.on
	if c == nil {
		return fmt.Errorf("no connection is open")
	}
	if c.sides[from].closed {
		return fmt.Errorf("this side of the connection is closed")
	}
	d := p.next
	p.next = damage{}
	me, methods := &c.sides[from], c.methods
	var payload []byte
	if len(mark) == 2 {
		for _, l := range lines {
			s, err := strconv.Unquote(strings.TrimSpace(l.text[2:]))
			if err != nil {
				return fmt.Errorf("line %d: want a quoted string", l.number)
			}
			payload = append(payload, s...)
		}
	} else {
		payload = c.http(from, lines)
	}
	if len(payload) == 0 || len(payload) > maxMessage {
		return fmt.Errorf("a message has 1 to %d bytes", maxMessage)
	}
	if d.again {
		if !me.said {
			return fmt.Errorf("again: this side has not sent a message yet")
		}
		c.methods = methods // it is the same request, or response
	}
	return p.transmit(c, from, payload, d)
}

// transmit sends a message in segments.
func (p *player) transmit(c *conn, from int, payload []byte, d damage) error {
	me := &c.sides[from]
	sent := me.seq
	if d.again {
		me.seq = me.latest
	}
	me.latest, me.said = me.seq, true

	total := (len(payload) + c.mss - 1) / c.mss
	for _, n := range d.drop {
		if n > total {
			return fmt.Errorf("segment %d is to be dropped, but the message has only %d", n, total)
		}
	}
	var data, acks []Packet
	show := func() {
		for _, k := range slices.Concat(data, acks) {
			p.captured(k)
		}
		data, acks = data[:0], acks[:0]
	}
	n := 0
	for part := range slices.Chunk(payload, c.mss) {
		n++
		flags := uint8(ack)
		if n == total {
			flags |= psh
		}
		k := p.build(c, from, flags, nil, part)
		if !slices.Contains(d.drop, n) {
			data = append(data, k)
			if d.dup {
				data = append(data, k)
			}
		}
		if n%2 == 0 && n < total && !d.again {
			acks = append(acks, p.build(c, 1-from, ack, nil, nil))
		}
		if !d.reorder {
			show()
		}
	}
	slices.Reverse(data)
	show()
	if int32(sent-me.seq) > 0 {
		me.seq = sent
	}
	return nil
}

// http makes a message of its lines, adding the Content-Length that it lacks.
func (c *conn) http(from int, lines []line) []byte {
	var head bytes.Buffer
	var body []string
	first, framed, inBody := lines[0].text[1:], false, false
	for _, l := range lines {
		s := strings.TrimPrefix(l.text[1:], " ")
		switch name, _, _ := strings.Cut(strings.ToLower(s), ":"); {
		case inBody:
			body = append(body, s)
		case s == "":
			inBody = true
		default:
			framed = framed || name == "content-length" || name == "transfer-encoding"
			head.WriteString(s + "\r\n")
		}
	}
	content := strings.Join(body, "\n")
	word := append(strings.Fields(first), "", "")
	bodiless := len(body) == 0
	switch {
	case from == client:
		c.methods = append(c.methods, word[0])
	case strings.HasPrefix(word[0], "HTTP/") && !c.answersWithoutBody(word[1]):
		bodiless = false
	}
	if !framed && !bodiless {
		fmt.Fprintf(&head, "Content-Length: %d\r\n", len(content))
	}
	head.WriteString("\r\n" + content)
	return head.Bytes()
}

// answersWithoutBody reports whether a response with this status, to the
// request whose turn it is, never has a body (RFC 9112, section 6.3).
func (c *conn) answersWithoutBody(status string) bool {
	interim := strings.HasPrefix(status, "1")
	method := ""
	if len(c.methods) > 0 {
		method = c.methods[0]
		if !interim {
			c.methods = c.methods[1:]
		}
	}
	return interim || status == "204" || status == "304" || method == "HEAD" ||
		method == "CONNECT" && strings.HasPrefix(status, "2")
}

func (p *player) finish(sides []int) error {
	c := p.on
	if c == nil {
		return fmt.Errorf("no connection is open")
	}
	for _, s := range sides {
		if c.sides[s].closed {
			return fmt.Errorf("this side of the connection is closed")
		}
		p.send(c, s, fin|ack, nil, nil)
		c.sides[s].closed = true
	}
	p.send(c, 1-sides[len(sides)-1], ack, nil, nil)
	return nil
}

func (p *player) reset(from int) error {
	c := p.on
	if c == nil {
		return fmt.Errorf("no connection is open")
	}
	p.send(c, from, rst|ack, nil, nil)
	c.sides[client].closed, c.sides[server].closed = true, true
	return nil
}
