package clickhouse

import (
	"net/netip"

	"github.com/google/uuid"

	"github.com/authtap/authtap/detect"
)

// Columns of the ledgers' rows.
const (
	seenColumns     = "sensor, capture_file, begin, last_seen"
	endpointColumns = seenColumns + ", host, method, path, operation, kinds, discriminates, " +
		"none_unclear, none_success, none_refused, maybe_unclear, maybe_success, maybe_refused, bad_unclear, bad_success, bad_refused, good_unclear, good_success, good_refused, " +
		"login_unclear, login_failure, login_pending, login_success, successes, failures"
	useColumns    = seenColumns + ", kind, credential_id, mask, place, principal, unclear, success, refused, clients, hosts, issued, expires"
	issuerColumns = seenColumns + ", issuer, host, kid, algorithm, thumbprint, key_type, bits, published, issued, accepted"
)

func seenValues(s *detect.Seen) []any {
	begin := instant(s.Begin)
	if begin.Before(epoch) {
		begin = epoch
	}
	return []any{s.Sensor, s.File, begin, instant(s.Last)}
}

func endpointValues(e *detect.Endpoint) []any {
	all := append(seenValues(&e.Seen), e.Host, e.Method, e.Path, e.Operation, texts(e.Kinds), bit(e.Discriminates))
	for i := range e.Answers { // in the order of endpoint.Presented and endpoint.Outcome
		for _, n := range e.Answers[i] {
			all = append(all, n)
		}
	}
	for _, n := range e.Logins {
		all = append(all, n)
	}
	return append(all, texts(e.Successes), texts(e.Failures))
}

func useValues(u *detect.Use) []any {
	clients := make([]netip.Addr, len(u.Clients))
	for i, c := range u.Clients {
		if clients[i] = c; !c.IsValid() {
			clients[i] = netip.IPv6Unspecified()
		}
	}
	return append(seenValues(&u.Seen), u.Kind, uuid.UUID(u.ID), u.Mask, u.Place, u.Principal,
		u.Answers[0], u.Answers[1], u.Answers[2], clients, texts(u.Hosts), bit(u.Issued), instant(max(u.Expires, 0)))
}

func issuerValues(k *detect.IssuerKey) []any {
	return append(seenValues(&k.Seen), k.Issuer, k.Host, k.Kid, k.Algorithm, k.Thumbprint, k.Type, k.Bits,
		bit(k.Published), bit(k.Issued), bit(k.Accepted))
}

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// texts gives a list that is not nil.
func texts(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
