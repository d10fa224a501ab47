package decrypt

import (
	"github.com/authtap/authtap/reassembly/tlswire"
	"github.com/authtap/authtap/reassembly/tlswire/secret"
)

// message13 takes in what a handshake message changes in TLS 1.3 (RFC 8446,
// section 4).
func (c *conn) message13(s *side, r *tlswire.Record, kind byte, body []byte) {
	client := r.Dir == c.client()
	switch {
	case s.opener == nil:
	case kind == encryptedExtensions && !client && s.stage == inHandshake:
		c.early = earlyRefused
		if hasEarlyData(body) {
			c.early = earlyTaken
		}
	case kind == endOfEarlyData && client && s.stage == inEarly:
		s.turn(inHandshake)
	case kind == finished && s.stage == inHandshake:
		s.turn(inTraffic)
	case kind == keyUpdate && s.stage == inTraffic:
		c.shard.stats.KeyUpdates++
		c.update(s)
	}
}

// hasEarlyData looks for that extension in EncryptedExtensions (RFC 8446,
// sections 4.2.10 and 4.3.1).
func hasEarlyData(b []byte) bool {
	const earlyData = 42
	for b = b[min(2, len(b)):]; len(b) >= 4; {
		if b[0] == 0 && b[1] == earlyData {
			return true
		}
		n := int(b[2])<<8 | int(b[3])
		b = b[4+min(n, len(b)-4):]
	}
	return false
}

// take13 takes in an encrypted record of TLS 1.3.
func (c *conn) take13(r *tlswire.Record, buf []byte) (verdict, []byte) {
	s := &c.side[r.Dir]
	if s.stage == inEarly {
		switch c.early {
		case noEarly:
			return noPeer, nil
		case earlyRefused:
			s.turn(inHandshake)
		}
	}
	if s.opener == nil {
		if v := c.keys13(s, r); v != taken || c.over {
			return v, nil
		}
	}
	if r.Lost {
		c.lost(s, r)
		return taken, nil
	}
	o, ok := c.open(s, r, buf)
	if !ok && (s.lossy || s.hand.cut) {
		// What was lost may have held the change to other keys.
		was := *s
		for !ok && s.stage < inTraffic {
			s.passed = s.passed || s.stage == inEarly
			s.turn(s.stage + 1)
			s.lossy = true
			if v := c.keys13(s, r); v != taken || c.over {
				*s = was
				return v, nil
			}
			o, ok = c.open(s, r, buf)
		}
		if !ok && was.stage == inTraffic {
			c.update(s)
			s.lossy, s.passed = true, true
			o, ok = c.open(s, r, buf)
		}
		if !ok {
			*s = was
		}
	}
	switch {
	case ok:
		return taken, c.opened(s, r, o)
	case s.stage == inHandshake && !s.opened && r.Dir == c.client() && c.hello.EarlyData && c.early == earlyRefused:
		c.shard.stats.EarlyRejected++ // RFC 8446, section 4.2.10: as the server does
	default:
		c.unopened(s, r)
	}
	return taken, nil
}

// keys13 makes the opener of a side's stage.
func (c *conn) keys13(s *side, r *tlswire.Record) verdict {
	client := r.Dir == c.client()
	var label secret.Label
	switch {
	case s.stage == inEarly:
		label = secret.ClientEarly
	case s.stage == inHandshake && client:
		label = secret.ClientHandshake
	case s.stage == inHandshake:
		label = secret.ServerHandshake
	case client:
		label = secret.ClientTraffic
	default:
		label = secret.ServerTraffic
	}
	find := func(l secret.Label) (secret.Secret, bool) {
		return c.shard.secrets.Find(l, &c.hello.ClientRandom, r.Last.Order)
	}
	x, ok := find(label)
	if !ok && s.stage == inEarly {
		if _, ok := find(secret.ClientHandshake); ok {
			// The earlier secret would have been logged before this one. Without
			// it the early data are lost.
			s.turn(inHandshake)
			s.lossy, s.missed, s.passed = true, true, true
			return c.keys13(s, r)
		}
	}
	switch {
	case !ok:
		return noSecret
	case len(x.Bytes()) != c.suite.SecretLength():
		c.stop(&c.shard.stats.Failed)
		return taken
	}
	s.secret = x
	s.opener = c.suite.Opener13(x.Bytes())
	return taken
}

// update goes on to a side's next traffic secret (RFC 8446, section 7.2).
func (c *conn) update(s *side) {
	next := c.suite.Next(s.secret.Bytes())
	s.secret = secret.Of(next)
	s.opener, s.seq = c.suite.Opener13(next), 0
	clear(next)
}
