package clickhouse

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/authtap/authtap/detect"
)

// look is one way to look at login attempts: windows of span, one of which ends
// every hop, for each value of by. In its texts, $name is an option of the
// detector, or one of what tells people from a list (decision 0039).
type look struct {
	detector string
	// title and severity replace the detector's.
	title    string
	severity detect.Severity
	by       by
	// span is that of the option spanned, where there is one.
	span, hop time.Duration
	spanned   string
	// least is how many failures a value must have in a window to be looked at,
	// share how many of a hundred attempts must be.
	least, share string
	// alone says that no sensor looks for it: the attempts of one will do. Then
	// a value also has to have failed on so many accounts.
	alone string
	// met says of a window whether it is an attack's, own of a success within
	// it (h) whether it is the attack's, doubt whether it may be.
	met, own, doubt string
}

type by uint8

const (
	byClient by = iota
	byAccount
	byPassword // of a host, under the host's key
	byHost
	bySecret
)

var keyColumns = [...]string{"host, client_ip", "host, principal_id", "host, credential_id", "host", "host, credential_id"}

const (
	quick = 10 * time.Minute
	slow  = 24 * time.Hour
)

var (
	clientLooks = []look{
		{detector: "password_spraying", by: byClient, span: quick, hop: 10 * time.Second, least: "intDiv($accounts, 2)", share: "$failure_percent", met: sprayed, own: spraysOwn},
		{detector: "password_spraying", by: byClient, span: slow, hop: quick, least: "intDiv($accounts, 2)", share: "$failure_percent", met: sprayed, own: spraysOwn},
		{detector: "credential_stuffing", by: byClient, span: quick, hop: 10 * time.Second, least: "$pairs", share: "$failure_percent", met: stuffed + " AND NOT (recovered >= $company AND recovered * $share >= users)", own: clientsOwn, doubt: "true"},
		{detector: "brute_force", by: byClient, hop: 5 * time.Second, spanned: "fast_span", least: "$fast_failures", met: "failures >= $fast_failures AND " + guessed, own: clientsOwn, severity: detect.Medium},
		{detector: "brute_force", by: byClient, hop: 5 * time.Second, spanned: "many_span", least: "$many_failures", met: "failures >= $many_failures AND " + guessed, own: clientsOwn},
	}
	accountLooks = []look{
		{detector: "brute_force_distributed", by: byAccount, span: quick, hop: 10 * time.Second, least: "$failures", met: "failures >= $failures AND " + distributed, own: accountsOwn},
		{detector: "brute_force_distributed", by: byAccount, span: slow, hop: quick, least: "$slow_failures", met: "failures >= $slow_failures AND " + distributed, own: accountsOwn},
	}
	hostLooks = []look{
		{detector: "password_spraying", title: "One password is tried on many accounts from several clients", by: byPassword, span: quick, hop: 10 * time.Second,
			least: "intDiv($accounts, 2)", share: "$failure_percent", met: "clients >= 2 AND 2 * failures >= host_failures AND " + sprayed, own: "true"},
		// A password for each hour, from ever new addresses: on a host whose
		// failures are mostly those of passwords that many accounts failed with.
		// What honest people mistype is their own.
		{detector: "password_spraying", title: "One password after the other is tried on many accounts, slowly and from many clients", by: byPassword, span: slow, hop: quick,
			least: "2 * $accounts", share: "$failure_percent", alone: "2 * $accounts",
			met: "users >= 2 * $accounts AND clients >= $accounts AND 2 * shared >= host_failures AND " + sprayed,
			own: "has(failed_clients, h.client_ip) AND NOT has(failed_users, h.principal_id)", doubt: "true"},
		// One account for each client may be a release that broke the login: of
		// that nothing can be known here, where there are no user agents.
		{detector: "credential_stuffing", title: "A list of stolen accounts is tried from many clients", by: byHost, span: quick, hop: 10 * time.Second, least: "$host_failures", share: "$host_failure_percent",
			met: "failures > $host_failures AND failures > $baseline_factor * usual AND clients >= $clients " +
				"AND newcomers * 100 >= clients * $new_percent AND users * 10 > clients * 12 AND " + stuffed,
			own: "has(failed_clients, h.client_ip) AND NOT has(failed_users, h.principal_id)", doubt: "h.fresh = 1 AND NOT has(failed_users, h.principal_id)"},
	}
	sharedLooks = []look{
		{detector: "credential_shared", title: "One account's password is used from two places at once", by: bySecret, spanned: "overlap", hop: time.Second},
	}
)

const (
	// Forgetful people behind one address are no attack: others get in there,
	// nobody fails very often, and passwords are tried for one account.
	guessed     = "NOT (length(lucky) >= $company AND length(lucky) * $share * if(hands >= $company AND hands * $share >= users, $share, 1) >= users AND worst < $many_passwords AND (passwords = 0 OR passwords * 2 > pairs)) AND failures > $per_account * greatest(users, 1) AND (passwords = 0 OR passwords >= $passwords AND pairs > greatest(users, 1))"
	distributed = "clients >= $clients AND (passwords = 0 OR passwords >= $passwords)"
	// A success adds the account that it opened.
	sprayed = "failures <= $per_account * users AND " +
		"(passwords = 0 AND all_users >= $accounts_blind OR passwords BETWEEN 1 AND $passwords AND all_users >= $accounts)"
	stuffed = "pairs >= $pairs AND users * 100 >= pairs * $account_percent AND passwords * 100 >= pairs * $password_percent"

	clientsOwn  = "has(failed_users, h.principal_id)"
	accountsOwn = "has(failed_clients, h.client_ip)"
	spraysOwn   = "has(failed_passwords, h.credential_id) OR has(failed_users, h.principal_id)"
)

// query gives the look's statement for attacks that had news from since on, in
// microseconds. Nothing in it came from traffic: numbers, and networks of the
// configuration.
func (l *look) query(since, until int64, options detect.Values) string {
	text := correlation
	if l.by == bySecret {
		text = sharing
	}
	names := []string{"$company", strconv.Itoa(detect.Company), "$share", strconv.Itoa(detect.CompanyShare), "$many_passwords", strconv.Itoa(detect.ManyPasswords)}
	var ignored []string
	for _, name := range slices.SortedFunc(maps.Keys(options), func(a, b string) int { return cmp.Compare(len(b), len(a)) }) {
		if n, ok := options[name].(int); ok { // the longest names first: one may begin another
			names = append(names, "$"+name, strconv.Itoa(n))
		}
	}
	if list, ok := options["ignore_clients"].([]string); ok {
		for _, s := range list {
			if p, err := netip.ParsePrefix(s); err == nil {
				ignored = append(ignored, p.Masked().String())
			} else if a, err := netip.ParseAddr(s); err == nil {
				ignored = append(ignored, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()).String())
			}
		}
	}
	set := strings.NewReplacer(names...)
	span, hop := l.span.Microseconds(), l.hop.Microseconds()
	if l.spanned != "" {
		span = options.Duration(l.spanned).Microseconds()
	}
	columns := strings.Split(keyColumns[l.by], ", ")
	var prefixed []string
	for _, c := range columns {
		prefixed = append(prefixed, "s."+c+" AS "+c)
	}
	from := since - span - hop
	if l.by == byHost {
		from = since - slow.Microseconds() // what is usual, and who is new
	}
	share := cmp.Or(l.share, "0")
	wanted := "(" + keyColumns[l.by] + ") IN (SELECT " + keyColumns[l.by] + " FROM keys)"
	if l.by == bySecret {
		wanted = fmt.Sprintf(several, from, until)
	}
	data := map[string]any{
		"From": from, "Wanted": wanted, "Share": set.Replace(share), "Since": since, "Until": until, "Hop": hop, "N": (span + hop - 1) / hop, "Span": span,
		"Least": set.Replace(l.least), "Met": set.Replace(l.met), "Own": l.own, "Doubt": cmp.Or(l.doubt, "false"), "Ignored": ignored,
		"Sensors": 2, "Alone": set.Replace(l.alone), "ManyPasswords": detect.ManyPasswords, "Typing": detect.TypingTime.Microseconds(),
		"Key": keyColumns[l.by], "Prefixed": strings.Join(prefixed, ", "), "Second": columns[len(columns)-1],
		"PerHost": l.by == byPassword || l.by == byHost, "ByHost": l.by == byHost, "ByPassword": l.by == byPassword, "Day": slow.Microseconds(), "Quick": quick.Microseconds(),
	}
	if l.alone != "" {
		data["Sensors"] = 1
	}
	ofHosts := maps.Clone(data)
	ofHosts["Wanted"] = "host IN (SELECT host FROM keys)"
	data["OfHosts"] = ofHosts
	var b strings.Builder
	if err := text.Execute(&b, data); err != nil {
		panic(err) // a mistake in the text
	}
	return b.String()
}

// attempts are the login attempts that guess at passwords, each once: what
// another sensor saw within a second of the same account, secret and client is
// the same attempt at another place of the network. seen is when the client was
// first seen at the host.
const attempts = `
{{define "attempts"}}(
    SELECT host, method, path, client_ip, principal, principal_id, credential_id, outcome, status, sensor, capture_file, capture_packet, kind,
        toUnixTimestamp64Micro(time) AS t, outcome = 'failure' AS f,
        {{if .ByHost}}min(toUnixTimestamp64Micro(time)) OVER (PARTITION BY host, client_ip){{else}}0{{end}} AS seen
    FROM
    (
        SELECT *, lagInFrame(sensor) OVER w AS other, lagInFrame(time) OVER w AS before
        FROM auth_events FINAL
        WHERE time >= fromUnixTimestamp64Micro({{.From}}) AND time < fromUnixTimestamp64Micro({{.Until}})
            AND (kind NOT LIKE 'oauth:%' OR kind IN ('oauth:password', 'oauth:client_credentials'))
            AND {{.Wanted}}
        WINDOW w AS (PARTITION BY host, client_ip, principal_id, credential_id, outcome
            ORDER BY time, sensor, capture_file, series, number ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    )
    WHERE (other = sensor OR dateDiff('millisecond', before, time) >= 1000)
        {{range .Ignored}}AND NOT isIPAddressInRange(replaceOne(toString(client_ip), '::ffff:', ''), '{{.}}')
        {{end}}        {{if .PerHost}}AND (host, client_ip) NOT IN
        (
            SELECT host, assumeNotNull(client_ip) FROM findings FINAL
            WHERE client_ip IS NOT NULL AND last_seen >= fromUnixTimestamp64Micro({{.From}})
                AND detector IN ('brute_force', 'credential_stuffing', 'password_spraying')
        ){{end}}
){{end}}`

// several are the successful logins of who came often enough, from two clients
// and by two sensors.
const several = `outcome = 'success' AND (host, principal_id, credential_id) IN
            (
                SELECT host, principal_id, credential_id FROM auth_events
                WHERE outcome = 'success' AND time >= fromUnixTimestamp64Micro(%d) AND time < fromUnixTimestamp64Micro(%d)
                GROUP BY host, principal_id, credential_id HAVING count() >= 3 AND uniqExact(sensor) >= 2 AND uniqExact(client_ip) >= 2
            )`

// nothing is no id.
const nothing = `toUUID('00000000-0000-0000-0000-000000000000')`

// correlation finds values that fail enough at all (keys; hosts that do in some
// block of the windows' length: a window lies in two, so that half of what it must
// hold is in one of them, and a good part of its share of failures), windows that may be
// an attack's by what is cheap to count (candidates), what the attempts in them
// are, the attacks that they are part of (a day without one ends it), and what
// happened in each.
var correlation = template.Must(template.New("").Parse(attempts + `
WITH keys AS
(
    {{if .ByHost}}SELECT host FROM
    (
        SELECT host, intDiv(toUnixTimestamp64Micro(time), {{.Span}}) AS block, countIf(outcome = 'failure') AS failures, count() AS total
        FROM auth_events FINAL
        WHERE time >= fromUnixTimestamp64Micro({{.From}}) AND time < fromUnixTimestamp64Micro({{.Until}})
        GROUP BY host, block
        HAVING failures * 2 >= {{.Least}} AND failures * 200 >= total * {{.Share}}
    )
    GROUP BY host{{else}}SELECT {{.Key}} FROM auth_events FINAL
    WHERE outcome = 'failure' AND time >= fromUnixTimestamp64Micro({{.From}}) AND time < fromUnixTimestamp64Micro({{.Until}})
        {{if ne .Second "client_ip"}}AND {{.Second}} != ` + nothing + `{{end}}
    GROUP BY {{.Key}} HAVING count() >= {{.Least}} AND uniqExact(sensor) >= {{.Sensors}}
        {{- if .Alone}} AND uniqExact(principal_id) >= {{.Alone}}{{end}}{{end}}
),
attempts AS {{template "attempts" .}},
candidates AS
(
    SELECT {{.Key}}, b + arrayJoin(range({{.N}})) AS w, sum(some) AS failures, sum(every) AS total
    FROM (SELECT {{.Key}}, intDiv(t, {{.Hop}}) AS b, countIf(f) AS some, count() AS every FROM attempts GROUP BY {{.Key}}, b)
    GROUP BY {{.Key}}, w
    HAVING failures >= {{.Least}} AND failures * 100 >= total * {{.Share}}
        AND w >= intDiv({{.Since}}, {{.Hop}}) AND w < intDiv({{.Until}}, {{.Hop}}) AND w - {{.N}} + 1 >= intDiv({{.From}}, {{.Hop}})
),
windows AS
(
    SELECT {{.Key}}, intDiv(t, {{.Hop}}) + arrayJoin(range({{.N}})) AS w,
        countIf(f) AS failures, count() AS total,
        uniqExactIf(principal_id, f AND principal_id != ` + nothing + `) AS users,
        uniqExactIf(principal_id, outcome IN ('failure', 'success', 'pending') AND principal_id != ` + nothing + `) AS all_users,
        uniqExactIf(credential_id, f AND credential_id != ` + nothing + `) AS passwords,
        uniqExactIf((principal_id, credential_id), f AND credential_id != ` + nothing + `) AS pairs,
        uniqExactIf(client_ip, f) AS clients, uniqExactIf(client_ip, f AND t - seen < {{.Quick}}) AS newcomers,
        uniqExactIf(sensor, f) AS sensors,
        sumMapIf([principal_id], [1], f).2 AS often, arrayMax(often) AS worst,
        arrayCount((n, a, b) -> n > 1 AND n < {{.ManyPasswords}} AND b - a >= (n - 1) * {{.Typing}}, often, minMapIf([principal_id], [t], f).2, maxMapIf([principal_id], [t], f).2) AS hands,
        groupUniqArrayIf(principal_id, outcome = 'success') AS lucky, length(arrayIntersect(lucky, groupUniqArrayIf(principal_id, f))) AS recovered
    FROM attempts WHERE ({{.Key}}, intDiv(t, {{.Hop}})) IN (SELECT {{.Key}}, w - arrayJoin(range({{.N}})) AS b FROM candidates)
    GROUP BY {{.Key}}, w
    HAVING sensors >= {{.Sensors}} AND failures >= {{.Least}} AND failures * 100 >= total * {{.Share}}
        AND w >= intDiv({{.Since}}, {{.Hop}}) AND w < intDiv({{.Until}}, {{.Hop}}) AND w - {{.N}} + 1 >= intDiv({{.From}}, {{.Hop}})
),
{{if .ByPassword}}hosts AS
(
    SELECT host, b + arrayJoin(range({{.N}})) AS w, sum(some) AS host_failures
    FROM (SELECT host, intDiv(t, {{.Hop}}) AS b, countIf(f) AS some FROM {{template "attempts" .OfHosts}} GROUP BY host, b) GROUP BY host, w
),{{end}}
{{if .ByHost}}usually AS
(
    SELECT host, h + arrayJoin(range(1, 25)) AS hour, sum(n) / 144 AS usual
    FROM (SELECT host, intDiv(t, 3600000000) AS h, countIf(f) AS n FROM attempts GROUP BY host, h)
    GROUP BY host, hour
),{{end}}
crossed AS
(
    SELECT {{.Prefixed}}, s.w AS w
    FROM {{if .ByPassword}}(SELECT *, sum(failures) OVER (PARTITION BY host, w) AS shared FROM windows){{else}}windows{{end}} AS s
    {{if .ByPassword}}LEFT JOIN hosts ON hosts.host = s.host AND hosts.w = s.w{{end}}
    {{if .ByHost}}LEFT JOIN usually ON usually.host = s.host AND usually.hour = intDiv((s.w - {{.N}} + 1) * {{.Hop}}, 3600000000){{end}}
    WHERE {{.Met}}
),
spans AS
(
    SELECT {{.Key}}, span[1] - {{.N}} + 1 AS begin, span[-1] AS end
    FROM
    (
        SELECT {{.Key}}, arrayJoin(arraySplit((w, d) -> d * {{.Hop}} > {{.Day}}, ws, arrayDifference(ws))) AS span
        FROM (SELECT {{.Key}}, arraySort(groupArray(w)) AS ws FROM crossed GROUP BY {{.Key}})
    )
),
sums AS
(
    SELECT {{.Key}} , begin,
        any(a.client_ip) AS a_client, any(a.principal_id) AS a_principal, any(a.credential_id) AS a_secret,
        countIf(f) AS failures, countIf(outcome = 'unclear') AS unclear,
        groupUniqArrayIf(principal_id, f AND principal_id != ` + nothing + `) AS failed_users,
        groupUniqArrayIf(credential_id, f AND credential_id != ` + nothing + `) AS failed_passwords,
        groupUniqArrayIf(client_ip, f) AS failed_clients,
        groupArrayIf(10000)((t, principal, principal_id, client_ip, credential_id, outcome, status, t - seen < {{.Quick}})::Tuple(t Int64, principal String, principal_id UUID, client_ip IPv6, credential_id UUID, outcome String, status UInt16, fresh UInt8),
            outcome IN ('success', 'pending')) AS hits,
        minIf(t, f) AS first, maxIf(t, f) AS last_failure, arraySort(groupUniqArrayIf(sensor, f)) AS sensors,
        arraySlice(arraySort(groupUniqArrayIf(principal, f AND principal != '')), 1, 8) AS names,
        sumMapIf([intDiv(t, 60000000)], [toUInt64(1)], f) AS failed_minutes,
        argMinIf((method, path, status, capture_file, capture_packet, principal), (t, sensor, capture_file, capture_packet), f) AS one
    FROM attempts AS a INNER JOIN spans AS s USING ({{.Key}})
    WHERE intDiv(t, {{.Hop}}) BETWEEN begin AND end
    GROUP BY {{.Key}}, begin
)
SELECT toString(host), a_client, a_principal, a_secret, one.6 AS principal, toString(one.1) AS method, toString(one.2) AS path,
    failures, length(failed_users) AS users, length(failed_passwords) AS passwords, length(failed_clients) AS clients,
    unclear + toUInt64(arrayCount(h -> ({{.Doubt}}) AND NOT ({{.Own}}), hits)),
    length(arrayFilter(h -> {{.Own}}, hits) AS own) AS own_count,
    first, greatest(last_failure, arrayMax(arrayMap(h -> h.t, arrayPushBack(own, (0, '', ` + nothing + `, toIPv6('::'), ` + nothing + `, '', 0, 0)::Tuple(t Int64, principal String, principal_id UUID, client_ip IPv6, credential_id UUID, outcome String, status UInt16, fresh UInt8))))) AS last,
    toUInt64(arrayCount(h -> h.outcome = 'success', own)) AS successes, toUInt64(arrayCount(h -> h.outcome = 'pending', own)) AS pending,
    if(successes > 0, arrayFirst(h -> h.outcome = 'success', own).status, one.3) AS status, toString(one.4) AS file, one.5 AS packet,
    arrayMap(x -> toString(x), sensors) AS sensor_names, names, arraySlice(arraySort(arrayDistinct(arrayMap(h -> h.principal, own))), 1, 8) AS lucky,
    arraySlice(arraySort(arrayMap(x -> toString(x), failed_clients)), 1, 8) AS addresses,
    failed_minutes.1, failed_minutes.2, arrayMap(h -> intDiv(h.t, 60000000), own) AS own_minutes
FROM sums
ORDER BY host, first
SETTINGS do_not_merge_across_partitions_select_final = 1`))

// sharing finds successful logins of one account with one password that came
// from two networks turn by turn, from the first, the second and the first
// again, within the detector's overlap and by several sensors. Clients that log in with
// each request, which machines do, are left out.
var sharing = template.Must(template.New("").Parse(attempts + `
WITH attempts AS {{template "attempts" .}},
places AS
(
    SELECT *, lagInFrame(network) OVER w AS came_from
    FROM
    (
        SELECT *, IPv6CIDRToRange(client_ip, if(startsWith(toString(client_ip), '::ffff:'), 120, 48)).1 AS network
        FROM attempts
        WHERE outcome = 'success' AND principal_id != ` + nothing + ` AND credential_id != ` + nothing + `
            AND kind IN ('form', 'json', 'multipart', 'query', 'oauth:password')
    )
    WINDOW w AS (PARTITION BY host, principal_id, credential_id ORDER BY t, sensor, capture_packet ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
),
turns AS
(
    SELECT *, lagInFrame(network, 2) OVER w AS back, lagInFrame(t, 2) OVER w AS left, lagInFrame(sensor, 1) OVER w AS sensor1, lagInFrame(sensor, 2) OVER w AS sensor2,
        lagInFrame(client_ip, 1) OVER w AS client1
    FROM places WHERE network != came_from
    WINDOW w AS (PARTITION BY host, principal_id, credential_id ORDER BY t, sensor, capture_packet ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)
)
SELECT toString(host), any(client_ip), principal_id, credential_id, argMin(principal, t), toString(argMin(method, t)), toString(argMin(path, t)),
    toUInt64(0) AS failures, toUInt64(1) AS users, toUInt64(1) AS passwords, uniqExactArray([client_ip, client1]) AS clients, toUInt64(0) AS unclear, count() AS own,
    min(left) AS first, max(t) AS last, count() AS successes, toUInt64(0) AS pending, argMin(status, t), toString(argMin(capture_file, t)), argMin(capture_packet, t),
    arrayMap(x -> toString(x), arraySort(groupUniqArrayArray([sensor, sensor1, sensor2]))), [any(principal)] AS names, emptyArrayString() AS lucky,
    arraySlice(arraySort(groupUniqArrayArray([toString(client_ip), toString(client1)])), 1, 8) AS addresses,
    emptyArrayInt64(), emptyArrayUInt64(), groupArray(intDiv(t, 60000000)) AS own_minutes
FROM turns
WHERE back = network AND t - left <= {{.Span}} AND t >= {{.Since}} AND left >= {{.From}} AND (sensor != sensor1 OR sensor1 != sensor2)
GROUP BY host, principal_id, credential_id
ORDER BY host, first
SETTINGS do_not_merge_across_partitions_select_final = 1`))
