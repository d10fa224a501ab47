package secret

import (
	"bytes"
	"encoding/hex"
)

// maxLine is longer than any line of a key log that says something.
const maxLine = 512

// labels of the lines of a key log that are of use here.
var labels = map[string]Label{
	"CLIENT_RANDOM":                   Master,
	"CLIENT_EARLY_TRAFFIC_SECRET":     ClientEarly,
	"CLIENT_HANDSHAKE_TRAFFIC_SECRET": ClientHandshake,
	"SERVER_HANDSHAKE_TRAFFIC_SECRET": ServerHandshake,
	"CLIENT_TRAFFIC_SECRET_0":         ClientTraffic,
	"SERVER_TRAFFIC_SECRET_0":         ServerTraffic,
	"RSA":                             premaster,
}

// ignored lines are of key logs, but of no use here.
var ignored = map[string]bool{
	"EXPORTER_SECRET": true, "EARLY_EXPORTER_SECRET": true, "EARLY_EXPORTER_MASTER_SECRET": true,
	"ECH_SECRET": true, "ECH_CONFIG": true, "PMS_CLIENT_RANDOM": true,
	"QUIC_CLIENT_EARLY_TRAFFIC_SECRET": true, "QUIC_CLIENT_HANDSHAKE_TRAFFIC_SECRET": true,
	"QUIC_SERVER_HANDSHAKE_TRAFFIC_SECRET": true, "QUIC_CLIENT_TRAFFIC_SECRET_0": true,
	"QUIC_SERVER_TRAFFIC_SECRET_0": true,
}

// AddLines takes the lines of a key log, known from the packet since on. The
// last line need not end. lines is not kept.
func (s *Store) AddLines(lines []byte, since uint64) {
	for len(lines) > 0 {
		var line []byte
		line, lines, _ = bytes.Cut(lines, []byte{'\n'})
		s.addLine(line, since)
	}
}

func (s *Store) addLine(line []byte, since uint64) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 || line[0] == '#' {
		return
	}
	count := func(n *uint64) {
		s.mu.Lock()
		*n++
		s.mu.Unlock()
	}
	if len(line) > maxLine {
		count(&s.stats.Malformed)
		return
	}
	name, rest, _ := bytes.Cut(line, []byte{' '})
	by, value, _ := bytes.Cut(rest, []byte{' '})
	label, ok := labels[string(name)]
	switch {
	case ok:
	case ignored[string(name)]:
		count(&s.stats.Ignored)
		return
	default:
		count(&s.stats.Malformed)
		return
	}
	if label == premaster {
		// What OpenSSL once printed: RSA Session-ID:… Master-Key:…
		if id, ok := bytes.CutPrefix(by, []byte("Session-ID:")); ok {
			label, by = session, id
			value, _ = bytes.CutPrefix(bytes.TrimSpace(value), []byte("Master-Key:"))
		}
	}
	var byBytes [32]byte
	var secret [maxSecret]byte
	n, ok1 := unhex(byBytes[:], by)
	m, ok2 := unhex(secret[:], bytes.TrimSpace(value))
	if !ok1 || !ok2 || !fits(label, n, m) {
		count(&s.stats.Malformed)
		return
	}
	s.add(idOf(label, byBytes[:n]), secret[:m], since)
	clear(secret[:])
}

// fits reports whether a line of this label has what it is known by, and a
// secret, of these lengths.
func fits(l Label, by, secret int) bool {
	switch l {
	case Master:
		return by == 32 && secret == maxSecret
	case premaster:
		return by == 8 && secret == maxSecret
	case session:
		return by > 0 && secret == maxSecret
	}
	return by == 32 && (secret == 32 || secret == 48) // SHA-256, SHA-384
}

// unhex decodes text into dst and gives the length.
func unhex(dst, text []byte) (int, bool) {
	if hex.DecodedLen(len(text)) > len(dst) {
		return 0, false
	}
	n, err := hex.Decode(dst, text)
	return n, err == nil
}
