-- When the attempts of an hour or day came, for questions that are answered from
-- these tables; of rows that were there before, their beginning is known.
{{range spans}}{{$span := .}}{{range tables (print "auth_events_by_" .Name)}}
ALTER TABLE {{.}}{{on}}
    ADD COLUMN IF NOT EXISTS `first_seen` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) DEFAULT toDateTime64({{$span.Name}}, 6, 'UTC') CODEC(Delta, ZSTD),
    ADD COLUMN IF NOT EXISTS `last_seen` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) DEFAULT toDateTime64({{$span.Name}}, 6, 'UTC') CODEC(Delta, ZSTD);
{{end}}
ALTER TABLE auth_events_by_{{.Name}}_mv{{on}} MODIFY QUERY
SELECT {{.Of "time"}} AS {{.Name}}, host, method, path, kind, outcome, sensor, capture_file, series,
    groupBitmapState(toUInt32(number)) AS numbers,
    uniqCombinedState(12)(client_ip) AS clients,
    uniqCombinedStateIf(12)(principal_id, principal_id != toUUID('00000000-0000-0000-0000-000000000000')) AS principals,
    min(time) AS first_seen, max(time) AS last_seen
FROM {{local "auth_events"}}
GROUP BY ALL;
{{end}}
-- Thirty days by the second, as the command credentials has it.
CREATE OR REPLACE VIEW credentials_latest{{on}} AS
SELECT kind, credential_id, max(c.mask) AS mask, max(c.place) AS place, max(c.principal) AS principal, uniqExact(nullIf(c.principal, '')) AS principals,
    multiIf(max(c.issued) = 1 OR max(c.expires) > toDateTime64(0, 6, 'UTC'), 'rotating',
        kind IN ('basic', 'digest', 'ntlm', 'api_key', 'signature', 'client_secret') OR dateDiff('second', min(c.begin), max(c.last_seen)) >= 2592000, 'static',
        'unknown') AS nature,
    dateDiff('second', min(c.begin), max(c.last_seen)) AS age,
    uniqExactArray(c.clients) AS clients, arraySort(groupUniqArrayArray(c.hosts)) AS hosts,
    sum(c.success) AS success, sum(c.refused) AS refused, sum(c.unclear) AS unclear,
    max(c.expires) AS expires, min(c.begin) AS first_seen, max(c.last_seen) AS last_seen
FROM credentials AS c FINAL
GROUP BY kind, credential_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Every credential that was let in: who uses it from how many addresses, its age in seconds between first and last use, and whether it is static or rotating';
