CREATE OR REPLACE VIEW findings_latest{{on}} AS
SELECT * FROM findings FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Each finding in its highest version';
{{range spans}}
CREATE OR REPLACE VIEW findings_by_{{.Name}}{{on}} AS
SELECT {{.Name}}, sensor, detector, severity, verdict, count() AS findings, sum(events) AS events
FROM
(
    SELECT {{.Name}}, sensor, detector, finding,
        argMaxMerge(occurrences_by_{{.Name}}.severity) AS severity, argMaxMerge(occurrences_by_{{.Name}}.verdict) AS verdict,
        arraySum(mapValues(maxMap(minutes))) AS events
    FROM occurrences_by_{{.Name}}
    GROUP BY {{.Name}}, sensor, detector, finding
)
GROUP BY {{.Name}}, sensor, detector, severity, verdict
COMMENT 'Findings that had events within each {{.Name}} (UTC), and how many events; severity and verdict as of then';

CREATE OR REPLACE VIEW logins_by_{{.Name}}{{on}} AS
SELECT {{.Name}}, sensor, host, method, path, kind, outcome, sum(n) AS attempts,
    uniqCombinedMerge(12)(c) AS clients, uniqCombinedMerge(12)(p) AS accounts
FROM
(
    SELECT {{.Name}}, sensor, host, method, path, kind, outcome, capture_file, series,
        groupBitmapMerge(numbers) AS n, uniqCombinedMergeState(12)(auth_events_by_{{.Name}}.clients) AS c,
        uniqCombinedMergeState(12)(auth_events_by_{{.Name}}.principals) AS p
    FROM auth_events_by_{{.Name}}
    GROUP BY {{.Name}}, sensor, host, method, path, kind, outcome, capture_file, series
)
GROUP BY {{.Name}}, sensor, host, method, path, kind, outcome
COMMENT 'Login attempts within each {{.Name}} (UTC); clients and accounts to about 1.6 %';
{{end}}
CREATE OR REPLACE VIEW attacks_by_client{{on}} AS
SELECT client_ip, count() AS findings, groupUniqArray(detector) AS detectors, max(findings_latest.severity) AS severity,
    countIf(verdict IN ('accepted', 'likely_accepted')) AS let_in, sum(findings_latest.count) AS events,
    groupUniqArray(100)(host) AS hosts, uniqExact(principal) AS principals,
    min(findings_latest.first_seen) AS first_seen, max(findings_latest.last_seen) AS last_seen
FROM findings_latest
WHERE client_ip IS NOT NULL AND verdict != 'observed'
GROUP BY client_ip
COMMENT 'What each client address attacked, and how many of its attacks the server let in';

CREATE OR REPLACE VIEW accounts_at_risk{{on}} AS
SELECT principal, host, max(findings_latest.severity) AS severity, max(verdict) AS strongest_verdict, count() AS findings,
    groupUniqArray(detector) AS detectors, groupUniqArray(100)(client_ip) AS clients, sum(findings_latest.count) AS events,
    min(findings_latest.first_seen) AS first_seen, max(findings_latest.last_seen) AS last_seen
FROM findings_latest
WHERE principal != '' AND verdict IN ('accepted', 'likely_accepted', 'unknown')
GROUP BY principal, host
COMMENT 'Accounts of which an attack was let in, or may have been';

CREATE OR REPLACE VIEW endpoint_posture{{on}} AS
SELECT host, method, path, groupUniqArrayIf(detector, verdict = 'observed') AS weaknesses,
    groupUniqArrayIf(detector, verdict IN ('accepted', 'likely_accepted')) AS let_in, max(findings_latest.severity) AS severity,
    count() AS findings, max(findings_latest.last_seen) AS last_seen
FROM findings_latest
WHERE verdict IN ('observed', 'accepted', 'likely_accepted')
GROUP BY host, method, path
COMMENT 'Weaknesses that each endpoint was seen to have, and attacks that it let in';
