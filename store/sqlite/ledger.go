package sqlite

import (
	"encoding/json"
	"strings"

	"github.com/authtap/authtap/detect"
)

// Columns of the ledgers' rows; those of the key first, lists last.
var (
	upsertEndpoint = merge("endpoints", []string{"host", "path", "method", "operation", "sensor", "capture_file", "begin"}, []string{
		"last_seen", "discriminates",
		"none_unclear", "none_success", "none_refused", "maybe_unclear", "maybe_success", "maybe_refused", "bad_unclear", "bad_success", "bad_refused", "good_unclear", "good_success", "good_refused",
		"login_unclear", "login_failure", "login_pending", "login_success",
	}, "kinds", "successes", "failures")
	upsertUse = merge("credentials", []string{"kind", "credential_id", "sensor", "capture_file", "begin"}, []string{
		"last_seen", "mask", "place", "principal", "unclear", "success", "refused", "issued", "expires",
	}, "clients", "hosts")
	upsertIssuer = merge("issuers", []string{"issuer", "host", "kid", "algorithm", "thumbprint", "sensor", "capture_file", "begin"}, []string{
		"last_seen", "key_type", "bits", "published", "issued", "accepted",
	})
)

// merge writes a row, or adds it to the one that is there: it keeps the larger
// of each value, and all elements of lists.
func merge(table string, keys, values []string, lists ...string) string {
	columns := append(append(append([]string{}, keys...), values...), lists...)
	var set []string
	for _, c := range values {
		set = append(set, c+" = max("+table+"."+c+", excluded."+c+")")
	}
	for _, c := range lists {
		set = append(set, c+" = CASE WHEN excluded."+c+" IN ("+table+"."+c+", '[]') THEN "+table+"."+c+
			" ELSE (SELECT json_group_array(value) FROM (SELECT value FROM json_each("+table+"."+c+
			") UNION SELECT value FROM json_each(excluded."+c+"))) END")
	}
	return "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) +
		") ON CONFLICT (" + strings.Join(keys, ", ") + ") DO UPDATE SET " + strings.Join(set, ", ")
}

func endpointValues(e *detect.Endpoint) ([]any, error) {
	all := []any{e.Host, e.Path, e.Method, e.Operation, e.Sensor, e.File, e.Begin.String(), e.Last.String(), e.Discriminates}
	for i := range e.Answers { // in the order of endpoint.Presented and endpoint.Outcome
		for _, n := range e.Answers[i] {
			all = append(all, int64(n))
		}
	}
	for _, n := range e.Logins {
		all = append(all, int64(n))
	}
	return append(all, array(e.Kinds), array(e.Successes), array(e.Failures)), nil
}

func useValues(u *detect.Use) ([]any, error) {
	expires := ""
	if u.Expires > 0 {
		expires = u.Expires.String()
	}
	clients := make([]string, len(u.Clients))
	for i, c := range u.Clients {
		clients[i] = c.Unmap().String()
	}
	return []any{
		u.Kind, u.ID.String(), u.Sensor, u.File, u.Begin.String(), u.Last.String(), u.Mask, u.Place, u.Principal,
		int64(u.Answers[0]), int64(u.Answers[1]), int64(u.Answers[2]), u.Issued, expires, array(clients), array(u.Hosts),
	}, nil
}

func issuerValues(k *detect.IssuerKey) ([]any, error) {
	return []any{
		k.Issuer, k.Host, k.Kid, k.Algorithm, k.Thumbprint, k.Sensor, k.File, k.Begin.String(), k.Last.String(),
		k.Type, int64(k.Bits), k.Published, k.Issued, k.Accepted,
	}, nil
}

// array gives a JSON array.
func array(list []string) string {
	if len(list) == 0 {
		return "[]"
	}
	text, _ := json.Marshal(list) // of strings it does not fail
	return string(text)
}
