-- Versions of findings. Rows of one id differ in version and in what changes
-- with it; first_seen is part of the id, so that all of them are in one
-- partition, next to each other, and merges leave the last. Read from
-- findings_latest: merges come when they like.
CREATE TABLE IF NOT EXISTS {{local "findings"}}{{on}}
(
    `id`               String,
    `version`          UInt64,
    `detector`         LowCardinality(String),
    `title`            LowCardinality(String),
    `severity`         Enum8('info' = 1, 'low' = 2, 'medium' = 3, 'high' = 4, 'critical' = 5),
    `confidence`       Enum8('certain' = 1, 'firm' = 2, 'tentative' = 3),
    `verdict`          Enum8('rejected' = 1, 'unknown' = 2, 'likely_accepted' = 3, 'accepted' = 4, 'observed' = 5),
    `dedupe_key`       String,
    `first_seen`       DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `last_seen`        DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `count`            UInt64,
    `client_ip`        Nullable(IPv6) COMMENT 'NULL: there were several',
    `client_port`      UInt16 COMMENT '0: there were several',
    `server_ip`        Nullable(IPv6),
    `server_port`      UInt16,
    `host`             String,
    `method`           LowCardinality(String),
    `path`             String,
    `status`           UInt16,
    `principal`        String,
    `credential_kind`  LowCardinality(String) COMMENT 'empty: none, or several',
    `credential_place` LowCardinality(String),
    `credential_id`    String,
    `credential_mask`  String,
    `evidence`         Map(LowCardinality(String), String),
    `references`       Array(LowCardinality(String)),
    `community_id`     String,
    `capture_file`     LowCardinality(String),
    `capture_packet`   UInt64,
    `sensor`           LowCardinality(String)
)
ENGINE = {{engine "ReplacingMergeTree" "version"}}
PARTITION BY toYYYYMM(first_seen)
ORDER BY (first_seen, id)
SETTINGS {{window}}, ttl_only_drop_parts = 1;

{{distributed "findings" "cityHash64(id)"}}

-- Each finding in its highest version. All versions are in one partition, so
-- that partitions need not be merged with each other for it.
CREATE VIEW IF NOT EXISTS findings_latest{{on}} AS
SELECT * FROM findings FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;
