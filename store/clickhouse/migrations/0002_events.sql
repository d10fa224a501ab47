-- What was seen lately is asked for by last_seen, which grows with the order
-- of the table, so that its bounds tell most granules from each other; who and
-- where are asked for by value.
ALTER TABLE {{local "findings"}}{{on}} ADD INDEX IF NOT EXISTS by_last_seen last_seen TYPE minmax GRANULARITY 1;
ALTER TABLE {{local "findings"}}{{on}} ADD INDEX IF NOT EXISTS by_id id TYPE bloom_filter(0.01) GRANULARITY 1;
ALTER TABLE {{local "findings"}}{{on}} ADD INDEX IF NOT EXISTS by_client client_ip TYPE bloom_filter(0.01) GRANULARITY 1;
ALTER TABLE {{local "findings"}}{{on}} ADD INDEX IF NOT EXISTS by_principal principal TYPE bloom_filter(0.01) GRANULARITY 1;

-- What happened to a finding within one minute, as of the finding's version: at
-- most one row for each of both once merged. In the order of time, which every
-- question has a range of.
CREATE TABLE IF NOT EXISTS {{local "occurrences"}}{{on}}
(
    `finding`   String COMMENT 'id in findings',
    `minute`    DateTime('UTC') CODEC(Delta, ZSTD),
    `version`   UInt64,
    `count`     UInt64 COMMENT 'events within the minute',
    `detector`  LowCardinality(String),
    `severity`  Enum8('info' = 1, 'low' = 2, 'medium' = 3, 'high' = 4, 'critical' = 5),
    `verdict`   Enum8('rejected' = 1, 'unknown' = 2, 'likely_accepted' = 3, 'accepted' = 4, 'observed' = 5),
    `host`      LowCardinality(String),
    `client_ip` Nullable(IPv6) COMMENT 'NULL: there were several',
    `sensor`    LowCardinality(String),
    INDEX by_finding finding TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version"}}
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, finding)
SETTINGS {{window}}, ttl_only_drop_parts = 1;

{{distributed "occurrences" "cityHash64(finding)"}}

-- Login attempts, each once: sensor, capture_file, series and number identify
-- one, on every run over the same packets. Hours first, for the range that
-- every question has; then host and path, which stand together on the disk and
-- compress for it; the rest makes rows of the same attempt equal. Accounts,
-- secrets and clients are asked for by value, over any range.
CREATE TABLE IF NOT EXISTS {{local "auth_events"}}{{on}}
(
    `time`           DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `sensor`         LowCardinality(String),
    `capture_file`   LowCardinality(String) COMMENT 'or interface',
    `series`         DateTime64(6, 'UTC') COMMENT 'time of the first attempt of the same run and file' CODEC(Delta, ZSTD),
    `number`         UInt64 COMMENT 'within the series, from 1' CODEC(Delta, ZSTD),
    `capture_packet` UInt64 CODEC(Delta, ZSTD),
    `host`           LowCardinality(String),
    `method`         LowCardinality(String),
    `path`           LowCardinality(String) COMMENT 'template',
    `client_ip`      IPv6 CODEC(ZSTD),
    `principal`      String COMMENT 'as sent' CODEC(ZSTD),
    `principal_id`   UUID COMMENT 'keyed hash of the name in lower case; zero: none was sent' CODEC(ZSTD),
    `credential_id`  UUID COMMENT 'keyed hash of the secret; zero: none that can be compared' CODEC(ZSTD),
    `kind`           LowCardinality(String),
    `outcome`        Enum8('unclear' = 0, 'failure' = 1, 'pending' = 2, 'success' = 3),
    `status`         UInt16 COMMENT '0: there is no answer' CODEC(ZSTD),
    INDEX by_principal principal_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_name principal TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_credential credential_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_client client_ip TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(time)
PRIMARY KEY (toStartOfHour(time), host, path)
ORDER BY (toStartOfHour(time), host, path, time, sensor, capture_file, series, number)
SETTINGS {{window}}, ttl_only_drop_parts = 1;

{{distributed "auth_events" "cityHash64(principal_id)"}}

-- Signs of life of live sensors. Times are the wall clock's; counters count
-- from started on.
CREATE TABLE IF NOT EXISTS {{local "sensors"}}{{on}}
(
    `sensor`   LowCardinality(String),
    `time`     DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `started`  DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `version`  LowCardinality(String),
    `key`      LowCardinality(String) COMMENT 'fingerprint of the deployment key: it is to be the same everywhere',
    `counters` Map(LowCardinality(String), UInt64) CODEC(ZSTD)
)
ENGINE = {{engine "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(time)
ORDER BY (sensor, time)
SETTINGS {{window}}, ttl_only_drop_parts = 1;

{{distributed "sensors" "cityHash64(sensor)"}}
