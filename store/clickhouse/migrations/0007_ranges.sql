-- Login attempts once more, for questions by client and by account, of which
-- there are too many to be added up. Each is in one of 65,536 buckets: there are
-- so few that all attempts are quickly counted by them, and only what is in the
-- fullest is looked at. A week's attempts of one stand together, and granules are
-- small, so that little is read beside those of one. Most of the time of these
-- questions would go into unpacking ZSTD.
CREATE TABLE IF NOT EXISTS {{local "auth_events_by_client"}}{{on}}
(
    `time`         DateTime64(6, 'UTC') CODEC(Delta, LZ4),
    `sensor`       LowCardinality(String),
    `capture_file` LowCardinality(String),
    `series`       DateTime64(6, 'UTC') CODEC(Delta, LZ4),
    `number`       UInt64 CODEC(Delta, LZ4),
    `host`         LowCardinality(String),
    `method`       LowCardinality(String),
    `path`         LowCardinality(String),
    `bucket`       UInt16 COMMENT 'cityHash64(client_ip) % 65536',
    `client_ip`    IPv6,
    `principal_id` UUID,
    `kind`         LowCardinality(String),
    `outcome`      Enum8('unclear' = 0, 'failure' = 1, 'pending' = 2, 'success' = 3)
)
ENGINE = {{engine "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(time)
PRIMARY KEY (toMonday(time), bucket, client_ip)
ORDER BY (toMonday(time), bucket, client_ip, time, sensor, capture_file, series, number)
SETTINGS {{window}}, ttl_only_drop_parts = 1, index_granularity = 1024;

{{distributed "auth_events_by_client" "cityHash64(client_ip)"}}

CREATE MATERIALIZED VIEW IF NOT EXISTS auth_events_by_client_mv{{on}} TO {{local "auth_events_by_client"}} AS
SELECT time, sensor, capture_file, series, number, host, method, path, cityHash64(client_ip) % 65536 AS bucket, client_ip, principal_id, kind, outcome
FROM {{local "auth_events"}};

CREATE TABLE IF NOT EXISTS {{local "auth_events_by_principal"}}{{on}}
(
    `time`           DateTime64(6, 'UTC') CODEC(Delta, LZ4),
    `sensor`         LowCardinality(String),
    `capture_file`   LowCardinality(String),
    `series`         DateTime64(6, 'UTC') CODEC(Delta, LZ4),
    `number`         UInt64 CODEC(Delta, LZ4),
    `host`           LowCardinality(String),
    `method`         LowCardinality(String),
    `path`           LowCardinality(String),
    `client_ip`      IPv6,
    `bucket`         UInt16 COMMENT 'cityHash64(principal) % 65536',
    `principal`      String,
    `principal_id`   UUID,
    `kind`           LowCardinality(String),
    `outcome`        Enum8('unclear' = 0, 'failure' = 1, 'pending' = 2, 'success' = 3)
)
ENGINE = {{engine "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(time)
PRIMARY KEY (toMonday(time), bucket, principal)
ORDER BY (toMonday(time), bucket, principal, time, sensor, capture_file, series, number)
SETTINGS {{window}}, ttl_only_drop_parts = 1, index_granularity = 1024;

{{distributed "auth_events_by_principal" "cityHash64(principal)"}}

CREATE MATERIALIZED VIEW IF NOT EXISTS auth_events_by_principal_mv{{on}} TO {{local "auth_events_by_principal"}} AS
SELECT time, sensor, capture_file, series, number, host, method, path, client_ip, cityHash64(principal) % 65536 AS bucket, principal, principal_id, kind, outcome
FROM {{local "auth_events"}};

-- What is added up by month, as it is by hour and day, for questions over all
-- time, and by hour alone, for those on how it goes.
CREATE TABLE IF NOT EXISTS {{local "auth_events_by_month"}}{{on}}
(
    `month`        Date CODEC(Delta, ZSTD),
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
    `principals`   AggregateFunction(uniqCombined(12), UUID),
    `first_seen`   SimpleAggregateFunction(min, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD),
    `last_seen`    SimpleAggregateFunction(max, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD)
)
ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY toYYYYMM(month)
ORDER BY (month, host, path, method, kind, outcome, sensor, capture_file, series)
SETTINGS {{window}}, ttl_only_drop_parts = 1;

{{distributed "auth_events_by_month" "rand()"}}

CREATE MATERIALIZED VIEW IF NOT EXISTS auth_events_by_month_mv{{on}} TO {{local "auth_events_by_month"}} AS
SELECT toStartOfMonth(time) AS month, host, method, path, kind, outcome, sensor, capture_file, series,
    groupBitmapState(toUInt32(number)) AS numbers,
    uniqCombinedState(12)(client_ip) AS clients,
    uniqCombinedStateIf(12)(principal_id, principal_id != toUUID('00000000-0000-0000-0000-000000000000')) AS principals,
    min(time) AS first_seen, max(time) AS last_seen
FROM {{local "auth_events"}}
GROUP BY ALL;

CREATE TABLE IF NOT EXISTS {{local "auth_outcomes_by_hour"}}{{on}}
(
    `hour`         DateTime('UTC') CODEC(Delta, ZSTD),
    `outcome`      Enum8('unclear' = 0, 'failure' = 1, 'pending' = 2, 'success' = 3),
    `sensor`       LowCardinality(String),
    `capture_file` LowCardinality(String),
    `series`       DateTime64(6, 'UTC'),
    `numbers`      AggregateFunction(groupBitmap, UInt32),
    `clients`      AggregateFunction(uniqCombined(12), IPv6),
    `principals`   AggregateFunction(uniqCombined(12), UUID),
    `first_seen`   SimpleAggregateFunction(min, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD),
    `last_seen`    SimpleAggregateFunction(max, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD)
)
ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, outcome, sensor, capture_file, series)
SETTINGS {{window}}, ttl_only_drop_parts = 1;

{{distributed "auth_outcomes_by_hour" "rand()"}}

CREATE MATERIALIZED VIEW IF NOT EXISTS auth_outcomes_by_hour_mv{{on}} TO {{local "auth_outcomes_by_hour"}} AS
SELECT toStartOfHour(time) AS hour, outcome, sensor, capture_file, series,
    groupBitmapState(toUInt32(number)) AS numbers,
    uniqCombinedState(12)(client_ip) AS clients,
    uniqCombinedStateIf(12)(principal_id, principal_id != toUUID('00000000-0000-0000-0000-000000000000')) AS principals,
    min(time) AS first_seen, max(time) AS last_seen
FROM {{local "auth_events"}}
GROUP BY ALL;

-- Rows of before come from the tables that have them; rows that come twice make
-- no difference. On a cluster each shard takes its own.
INSERT INTO auth_events_by_client (time, sensor, capture_file, series, number, host, method, path, bucket, client_ip, principal_id, kind, outcome)
SELECT time, sensor, capture_file, series, number, host, method, path, cityHash64(client_ip) % 65536, client_ip, principal_id, kind, outcome
FROM auth_events
SETTINGS parallel_distributed_insert_select = 2, max_partitions_per_insert_block = 0;

INSERT INTO auth_events_by_principal (time, sensor, capture_file, series, number, host, method, path, client_ip, bucket, principal, principal_id, kind, outcome)
SELECT time, sensor, capture_file, series, number, host, method, path, client_ip, cityHash64(principal) % 65536, principal, principal_id, kind, outcome
FROM auth_events
SETTINGS parallel_distributed_insert_select = 2, max_partitions_per_insert_block = 0;

INSERT INTO auth_events_by_month (month, host, method, path, kind, outcome, sensor, capture_file, series, numbers, clients, principals, first_seen, last_seen)
SELECT toStartOfMonth(day), host, method, path, kind, outcome, sensor, capture_file, series, numbers, clients, principals, first_seen, last_seen
FROM auth_events_by_day
SETTINGS parallel_distributed_insert_select = 2, max_partitions_per_insert_block = 0;

INSERT INTO auth_outcomes_by_hour (hour, outcome, sensor, capture_file, series, numbers, clients, principals, first_seen, last_seen)
SELECT hour, outcome, sensor, capture_file, series, numbers, clients, principals, first_seen, last_seen
FROM auth_events_by_hour
SETTINGS parallel_distributed_insert_select = 2, max_partitions_per_insert_block = 0;

-- Rows of these tables that ClickHouse has merged need not be put together again.
{{range spans}}
CREATE OR REPLACE VIEW findings_by_{{.Name}}{{on}} AS
SELECT {{.Name}}, sensor, detector, severity, verdict, count() AS findings, sum(n) AS events
FROM
(
    SELECT {{.Name}}, sensor, detector, finalizeAggregation(o.severity) AS severity, finalizeAggregation(o.verdict) AS verdict, arraySum(mapValues(minutes)) AS n
    FROM occurrences_by_{{.Name}} AS o FINAL
)
GROUP BY {{.Name}}, sensor, detector, severity, verdict
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Findings that had events within each {{.Name}} (UTC), and how many events; severity and verdict as of then';

CREATE OR REPLACE VIEW logins_by_{{.Name}}{{on}} AS
SELECT {{.Name}}, sensor, host, method, path, kind, outcome, sum(finalizeAggregation(numbers)) AS attempts,
    uniqCombinedMerge(12)(a.clients) AS clients, uniqCombinedMerge(12)(a.principals) AS accounts
FROM auth_events_by_{{.Name}} AS a FINAL
GROUP BY {{.Name}}, sensor, host, method, path, kind, outcome
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Login attempts within each {{.Name}} (UTC); clients and accounts to about 1.6 %';
{{end}}
