-- Login attempts and occurrences by hour and by day. Rows come more than once
-- (a batch that is sent again, a capture that is replayed), and each state here
-- is one that the same row does not change a second time: a set of numbers, the
-- largest count of each minute, the latest version. So these tables always say
-- what the tables below them say.
{{range spans}}
-- The attempts of a series are numbered without holes, so that a set of them
-- takes bits. Clients and accounts are counted to about 1.6 %.
CREATE TABLE IF NOT EXISTS {{local (print "auth_events_by_" .Name)}}{{on}}
(
    `{{.Name}}`      {{.Type}} CODEC(Delta, ZSTD),
    `host`         LowCardinality(String),
    `method`       LowCardinality(String),
    `path`         LowCardinality(String),
    `kind`         LowCardinality(String),
    `outcome`      Enum8('unclear' = 0, 'failure' = 1, 'pending' = 2, 'success' = 3),
    `sensor`       LowCardinality(String),
    `capture_file` LowCardinality(String),
    `series`       DateTime64(6, 'UTC'),
    `numbers`      AggregateFunction(groupBitmap, UInt32),
    `clients`      AggregateFunction(uniqCombined(12), IPv6),
    `principals`   AggregateFunction(uniqCombined(12), UUID)
)
ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY toYYYYMM({{.Name}})
ORDER BY ({{.Name}}, host, path, method, kind, outcome, sensor, capture_file, series)
SETTINGS {{window}}, ttl_only_drop_parts = 1;

{{distributed (print "auth_events_by_" .Name) "rand()"}}

CREATE MATERIALIZED VIEW IF NOT EXISTS auth_events_by_{{.Name}}_mv{{on}} TO {{local (print "auth_events_by_" .Name)}} AS
SELECT {{.Of "time"}} AS {{.Name}}, host, method, path, kind, outcome, sensor, capture_file, series,
    groupBitmapState(toUInt32(number)) AS numbers,
    uniqCombinedState(12)(client_ip) AS clients,
    uniqCombinedStateIf(12)(principal_id, principal_id != toUUID('00000000-0000-0000-0000-000000000000')) AS principals
FROM {{local "auth_events"}}
GROUP BY ALL;

CREATE TABLE IF NOT EXISTS {{local (print "occurrences_by_" .Name)}}{{on}}
(
    `{{.Name}}`  {{.Type}} CODEC(Delta, ZSTD),
    `detector` LowCardinality(String),
    `sensor`   LowCardinality(String),
    `finding`  String,
    `minutes`  SimpleAggregateFunction(maxMap, Map(UInt16, UInt64)) COMMENT 'events of each minute',
    `severity` AggregateFunction(argMax, Enum8('info' = 1, 'low' = 2, 'medium' = 3, 'high' = 4, 'critical' = 5), UInt64),
    `verdict`  AggregateFunction(argMax, Enum8('rejected' = 1, 'unknown' = 2, 'likely_accepted' = 3, 'accepted' = 4, 'observed' = 5), UInt64)
)
ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY toYYYYMM({{.Name}})
ORDER BY ({{.Name}}, detector, sensor, finding)
SETTINGS {{window}}, ttl_only_drop_parts = 1;

{{distributed (print "occurrences_by_" .Name) "cityHash64(finding)"}}

CREATE MATERIALIZED VIEW IF NOT EXISTS occurrences_by_{{.Name}}_mv{{on}} TO {{local (print "occurrences_by_" .Name)}} AS
SELECT {{.Of "minute"}} AS {{.Name}}, detector, sensor, finding,
    maxMap(map(toUInt16({{.Minute "minute"}}), count)) AS minutes,
    argMaxState(severity, version) AS severity,
    argMaxState(verdict, version) AS verdict
FROM {{local "occurrences"}}
GROUP BY ALL;
{{end}}
