-- Each view that adds up findings or credentials, and the same by day: a range
-- asked of days leaves out what is not in it before anything is added up, while
-- one asked of last_seen, which is of the sum, cannot.
--
-- There are millions of clients, and most of the time goes into a state for each.
-- A list of all that is made distinct in the end takes half the time of a set,
-- and one list of detectors and hosts half that of two.
-- Lists are sorted: two servers with the same rows, or one after its parts were
-- merged, give the same.
{{range each "" "_by_day"}}
CREATE OR REPLACE VIEW attacks_by_client{{.}}{{on}} AS
SELECT {{if .}}day, {{end}}client_ip, findings, arraySort(arrayDistinct(arrayMap(x -> substring(x, 1, position(x, '\n') - 1), what))) AS detectors, severity, let_in, events,
    arraySlice(arraySort(arrayDistinct(arrayMap(x -> substring(x, position(x, '\n') + 1), what))), 1, 100) AS hosts, arrayUniq(who) AS principals, first_seen, last_seen
FROM
(
    SELECT {{if .}}toDate(f.last_seen) AS day, {{end}}client_ip, count() AS findings, groupArray(concat(detector, '\n', host)) AS what, max(f.severity) AS severity,
        countIf(verdict IN ('accepted', 'likely_accepted')) AS let_in, sum(f.count) AS events, groupArray(cityHash64(principal)) AS who,
        min(f.first_seen) AS first_seen, max(f.last_seen) AS last_seen
    FROM findings AS f FINAL
    WHERE client_ip IS NOT NULL AND verdict != 'observed'
    GROUP BY {{if .}}day, {{end}}client_ip
)
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'What each client address attacked, and how many of its attacks the server let in{{if .}}; a finding counts on the day (UTC) it was last seen{{end}}';

CREATE OR REPLACE VIEW accounts_at_risk{{.}}{{on}} AS
SELECT {{if .}}toDate(f.last_seen) AS day, {{end}}principal, host, max(f.severity) AS severity, max(verdict) AS strongest_verdict, count() AS findings,
    arraySort(arrayDistinct(groupArray(detector))) AS detectors, arraySlice(arraySort(arrayDistinct(groupArray(client_ip))), 1, 100) AS clients,
    sum(f.count) AS events, min(f.first_seen) AS first_seen, max(f.last_seen) AS last_seen
FROM findings AS f FINAL
WHERE principal != '' AND verdict IN ('accepted', 'likely_accepted', 'unknown')
GROUP BY {{if .}}day, {{end}}principal, host
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Accounts of which an attack was let in, or may have been{{if .}}; a finding counts on the day (UTC) it was last seen{{end}}';

CREATE OR REPLACE VIEW endpoint_posture{{.}}{{on}} AS
SELECT {{if .}}toDate(f.last_seen) AS day, {{end}}host, method, path, arraySort(groupUniqArrayIf(detector, verdict = 'observed')) AS weaknesses,
    arraySort(groupUniqArrayIf(detector, verdict IN ('accepted', 'likely_accepted'))) AS let_in, max(f.severity) AS severity,
    count() AS findings, max(f.last_seen) AS last_seen
FROM findings AS f FINAL
WHERE verdict IN ('observed', 'accepted', 'likely_accepted')
GROUP BY {{if .}}day, {{end}}host, method, path
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Weaknesses that each endpoint was seen to have, and attacks that it let in{{if .}}; a finding counts on the day (UTC) it was last seen{{end}}';
{{end}}
CREATE OR REPLACE VIEW credentials_by_day{{on}} AS
SELECT day, kind, credential_id, max(c.mask) AS mask, max(c.place) AS place, max(c.principal) AS principal, uniqExact(nullIf(c.principal, '')) AS principals,
    uniqExactArray(c.clients) AS clients, arraySort(groupUniqArrayArray(c.hosts)) AS hosts,
    sum(c.success) AS success, sum(c.refused) AS refused, sum(c.unclear) AS unclear,
    max(c.expires) AS expires, min(c.begin) AS first_seen, max(c.last_seen) AS last_seen
FROM credentials AS c FINAL
GROUP BY day, kind, credential_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'How each credential that was let in was used on each day (UTC), by all sensors together';

-- Counters are many, and read of the last heartbeats only.
CREATE OR REPLACE VIEW sensors_latest{{on}} AS
SELECT sensor, time AS last_seen, started, version, key, counters
FROM sensors
WHERE (sensor, time) GLOBAL IN (SELECT sensor, max(time) FROM sensors GROUP BY sensor)
LIMIT 1 BY sensor
COMMENT 'The last heartbeat of each sensor; the key is to be the same for all';
