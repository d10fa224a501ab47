package clickhouse

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// The tables of a fleet of three sensors after 90 days, made inside the engine:
// day by day, in the order of time, as rows come, more by day than by night.
// Hosts, paths, clients, accounts and detectors have few common values and many
// rare ones, as in traffic. {rows} are those of a day, {day} is its number back
// from today, {u k} the k-th number of chance of a row, from 0 to 1, and {time}
// when it came.

// generated are the statements that make a day, and how many rows of numbers
// they are made of, at full size.
var generated = []struct {
	rows  int
	query string
	// v are the versions, each of which is a statement of its own: a part of
	// the rows comes again in the second.
	v []int
}{
	{10_000_000, `INSERT INTO findings (id, version, detector, title, severity, confidence, verdict, dedupe_key, first_seen, last_seen, count, client_ip, client_port,
		server_ip, server_port, host, method, path, status, principal, credential_kind, credential_place, credential_id, credential_mask, evidence, references,
		community_id, capture_file, capture_packet, sensor)
	SELECT {finding} AS id, {v} AS v, {detector}, concat('What ', detector, ' finds'), {severity}, 1 + cityHash64(detector, 1) % 3, {verdict},
		concat(host, '|', path, '|', toString({client 3})), {time} AS t, t + INTERVAL toUInt32(pow({u 5}, 8) * 86400 * v) SECOND, 1 + toUInt64(pow({u 6}, 10) * 10000) * v,
		if({u 7} < 0.8, {client 3}, NULL), 0, toIPv6(concat('10.0.0.', toString(toUInt32({u 8} * 40)))), 443,
		{host 9} AS host, ['GET', 'POST', 'PUT', 'DELETE'][1 + toUInt32(pow({u 10}, 3) * 4)], {path 10} AS path, [200, 401, 403, 302][1 + toUInt32({u 11} * 4)],
		if({u 12} < 0.6, {account 13}, ''), ['jwt', 'session', 'api_key', 'basic', ''][1 + toUInt32({u 14} * 5)], 'header:authorization', hex(cityHash64(number, {day}, 15)), 'eyJh…(312)',
		map('target', concat(path, '?page=', toString(number % 100)), 'reason', hex(cityHash64(number, 16))), ['CWE-307', 'API2:2023'],
		concat('1:', base64Encode(toString(cityHash64(number, {day}, 17)))), 'eth1', number, {sensor}
	FROM numbers({rows}) WHERE v = 1 OR {again}`, []int{1, 2}},
	{15_000_000, `INSERT INTO occurrences (finding, minute, version, count, detector, severity, verdict, host, client_ip, sensor)
	SELECT {finding}, toStartOfMinute({time} + INTERVAL 10 * later MINUTE), if(later AND {again}, 2, 1) AS v, 1 + toUInt32(pow({u 6}, 6) * 500), {detector}, {severity}, {verdict},
		{host 9}, if({u 7} < 0.8, {client 3}, NULL), {sensor}
	FROM (SELECT intDiv(n * 2, 3) AS number, n % 3 = 1 AS later FROM (SELECT number AS n FROM numbers({rows})))`, []int{1}},
	{100_000_000, `INSERT INTO auth_events (time, sensor, capture_file, series, number, capture_packet, host, method, path, client_ip, principal, principal_id, credential_id, kind, outcome, status)
	SELECT {time}, {sensor}, 'eth1', toDateTime64('2026-01-01 00:00:00', 6, 'UTC'), intDiv(number + ({days} - 1 - {day}) * {rows}, 3) + 1, number, {host 9} AS host, 'POST', {login 10} AS p, {client 3},
		{account 13} AS principal, reinterpretAsUUID(sipHash128(principal)), reinterpretAsUUID(sipHash128(principal, {u 14} < 0.1 ? number : 0)),
		['json', 'json', 'form', 'oauth:password', 'basic'][1 + cityHash64(host, p) % 5],
		if({u 16} < 0.82, 3, if({u 17} < 0.9, 1, [0, 2][1 + number % 2])) AS outcome, [0, 401, 200, 200][1 + toUInt8(outcome)]
	FROM numbers({rows})`, []int{1}},
	{1_350_000, `INSERT INTO endpoints (begin, last_seen, host, path, method, operation, sensor, capture_file, kinds, discriminates, good_success, good_refused, good_unclear, none_success, none_refused,
		login_success, login_failure, successes, failures)
	SELECT {time}, {time} + INTERVAL 2 HOUR, concat('host-', toString(number % 50), '.example'), concat('/api/v1/resource', toString(number % 500), '/{id}'), ['GET', 'POST'][1 + number % 2], '', {sensor}, 'eth1',
		[['jwt'], ['session'], ['jwt', 'basic'], []][1 + cityHash64(number % 5000) % 4] AS k, number % 2, if(empty(k), 0, toUInt64({u 1} * 10000)), toUInt64({u 2} * 100), 0, toUInt64({u 3} * if(empty(k), 10000, 200)), toUInt64({u 4} * 100),
		if(number % 250 = 0, toUInt64({u 5} * 1000), 0), if(number % 250 = 0, toUInt64({u 6} * 1000), 0), if(number % 250 = 0, ['200 with a token'], []), if(number % 250 = 0, ['401'], [])
	FROM numbers({rows})`, []int{1}},
	{9_000_000, `INSERT INTO credentials (begin, last_seen, kind, credential_id, sensor, capture_file, mask, place, principal, success, refused, unclear, clients, hosts, issued, expires)
	SELECT {time} AS t, t + INTERVAL 1 HOUR, if({u 1} < 0.9, 'jwt', 'api_key') AS kind,
		reinterpretAsUUID(sipHash128(kind, if(kind = 'jwt', number + {day} * {rows}, cityHash64(number) % 20000))), {sensor}, 'eth1', 'eyJh…(312)', 'header:authorization', {account 13},
		1 + toUInt64({u 2} * 500), 0, 0, arrayMap(x -> {client 3}, range(1 + toUInt32(pow({u 4}, 6) * 5))), [{host 9}], kind = 'jwt', if(kind = 'jwt', t + INTERVAL 3 HOUR, toDateTime64(0, 6, 'UTC'))
	FROM numbers({rows})`, []int{1}},
	{6_000, `INSERT INTO issuers (begin, last_seen, issuer, host, kid, algorithm, thumbprint, sensor, capture_file, key_type, bits, published, issued, accepted)
	SELECT {time} AS t, t + INTERVAL 1 HOUR, concat('https://id-', toString(number % 5), '.example'), concat('host-', toString(number % 5), '.example'), concat('key-', toString(number % 5), '-', toString(intDiv({day}, 30))),
		'RS256', '', {sensor}, 'eth1', 'RSA', 2048, 1, 0, 1
	FROM numbers({rows})`, []int{1}},
	{388_800, `INSERT INTO sensors (sensor, time, started, version, key, counters)
	SELECT {sensor}, {now} - INTERVAL {day} DAY - INTERVAL 60 * intDiv(number, 3) SECOND, toDateTime64('2026-01-01 00:00:00', 6, 'UTC'), 'v1', 'a1b2',
		mapFromArrays(arrayMap(x -> concat('counter.number_', toString(x)), range(60)), arrayMap(x -> toUInt64(x * number), range(60)))
	FROM numbers({rows})`, []int{1}},
}

// generate fills the tables that are empty with a part of the full size.
func generate(t testing.TB, s *Store, part float64, days int, detectors []string) {
	t.Helper()
	now := fmt.Sprintf("toDateTime64(%d, 6, 'UTC')", time.Now().Unix())
	u := func(k string) string { return "(cityHash64(number, {day}, " + k + ") / 18446744073709551616)" }
	for _, g := range generated {
		begun, table := time.Now(), strings.Fields(g.query)[2]
		rows := max(int(part*float64(g.rows)/float64(days)), 30)
		var there uint64
		if err := s.conn.QueryRow(t.Context(), "SELECT count() FROM "+table).Scan(&there); err != nil {
			t.Fatal(err)
		}
		if there > 0 {
			continue
		}
		query := strings.NewReplacer(
			"{finding}", "lower(hex(sipHash128(toUInt64(number), {day})))",
			"{detector}", "detectors[1 + toUInt32(pow({u 1}, 2) * length(detectors))] AS detector",
			"{severity}", "if(v = 2, 4, 1 + cityHash64(detector) % 5)",
			"{verdict}", "if(cityHash64(detector) % 3 = 0, 5, if(v = 2, 4, [1, 1, 1, 2, 3][1 + toUInt32({u 2} * 5)]))",
			"{again}", "{u 18} < 0.2",
		).Replace(g.query)
		for k := range 20 {
			n := fmt.Sprint(k)
			query = strings.NewReplacer(
				"{u "+n+"}", u(n),
				"{client "+n+"}", "toIPv6(IPv4NumToString(toUInt32(3000000000 + pow("+u(n)+", 4) * 2000000)))",
				"{host "+n+"}", "concat('host-', toString(toUInt32(pow("+u(n)+", 3) * 50)), '.example')",
				"{path "+n+"}", "concat('/api/v1/resource', toString(toUInt32(pow("+u(n)+", 2) * 500)), '/{id}')",
				"{login "+n+"}", "concat('/api/v', toString(toUInt32(pow("+u(n)+", 3) * 3)), '/login')",
				"{account "+n+"}", "concat('user', toString(toUInt32(pow("+u(n)+", 2) * 5000000)), '@example.org')",
			).Replace(query)
		}
		of := "{rows}"
		if table == "occurrences" { // three for two findings
			of = "({rows} * 2 / 3)"
		}
		query = strings.NewReplacer(
			"{time}", "({now} - INTERVAL {day} + 1 DAY + INTERVAL toUInt64(86400e6 * (number / "+of+" - 0.1 * sin(2 * pi() * number / "+of+"))) MICROSECOND)",
			"{sensor}", "concat('sensor-', toString(number % 3))",
		).Replace(query)
		for day := range slices.Backward(make([]struct{}, days)) {
			for _, v := range g.v {
				q := strings.NewReplacer("{now}", now, "{v}", fmt.Sprint(v), "{days}", fmt.Sprint(days), "{day}", fmt.Sprint(day), "{rows}", fmt.Sprint(rows)).Replace(query)
				insert, q, _ := strings.Cut(q, "SELECT")
				if err := s.conn.Exec(t.Context(), insert+"WITH ['"+strings.Join(detectors, "', '")+"'] AS detectors SELECT"+q); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Logf("%d times %d rows in %v: %s", days, rows, time.Since(begun).Round(time.Second), table)
	}
}
