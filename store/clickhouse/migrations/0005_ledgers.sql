-- Ledgers: how endpoints, credentials and keys were used. A row of the sensor's
-- is what it saw in one file from begin on, for a day at most, and comes several
-- times while it grows: the columns behind the key are states that take the
-- largest of each number and all that a list ever held, so that a row which
-- comes again changes nothing. Rows of one thing differ in sensor, file and
-- begin, and are added up when they are asked for.
--
-- Days first, for the range that every question has; then what is asked for,
-- so that what belongs together is in few granules.
CREATE TABLE IF NOT EXISTS {{local "endpoints"}}{{on}}
(
    `day`           Date DEFAULT toDate(begin),
    `host`          LowCardinality(String),
    `path`          LowCardinality(String) COMMENT 'template',
    `method`        LowCardinality(String),
    `operation`     LowCardinality(String) COMMENT 'what tells operations of one path apart; empty: there is only one',
    `sensor`        LowCardinality(String),
    `capture_file`  LowCardinality(String) COMMENT 'or interface',
    `begin`         DateTime64(6, 'UTC') COMMENT 'of the first request counted' CODEC(Delta, ZSTD),
    `last_seen`     SimpleAggregateFunction(max, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD),
    `kinds`         SimpleAggregateFunction(groupUniqArrayArray, Array(String)) COMMENT 'of credentials that came with a success',
    `discriminates` SimpleAggregateFunction(max, UInt8) COMMENT '1: it was seen to refuse who has no good credential',
    `good_success`  SimpleAggregateFunction(max, UInt64) COMMENT 'requests with a credential that looks good, answered with success' CODEC(ZSTD),
    `good_refused`  SimpleAggregateFunction(max, UInt64) CODEC(ZSTD),
    `good_unclear`  SimpleAggregateFunction(max, UInt64) CODEC(ZSTD),
    `bad_success`   SimpleAggregateFunction(max, UInt64) COMMENT 'with one that cannot be good, whatever it is checked against' CODEC(ZSTD),
    `bad_refused`   SimpleAggregateFunction(max, UInt64) CODEC(ZSTD),
    `bad_unclear`   SimpleAggregateFunction(max, UInt64) CODEC(ZSTD),
    `maybe_success` SimpleAggregateFunction(max, UInt64) COMMENT 'without one, but with cookies of which nothing is known' CODEC(ZSTD),
    `maybe_refused` SimpleAggregateFunction(max, UInt64) CODEC(ZSTD),
    `maybe_unclear` SimpleAggregateFunction(max, UInt64) CODEC(ZSTD),
    `none_success`  SimpleAggregateFunction(max, UInt64) COMMENT 'without any' CODEC(ZSTD),
    `none_refused`  SimpleAggregateFunction(max, UInt64) CODEC(ZSTD),
    `none_unclear`  SimpleAggregateFunction(max, UInt64) CODEC(ZSTD),
    `login_success` SimpleAggregateFunction(max, UInt64) COMMENT 'attempts to log in, but for those by a scheme of HTTP' CODEC(ZSTD),
    `login_failure` SimpleAggregateFunction(max, UInt64) CODEC(ZSTD),
    `login_pending` SimpleAggregateFunction(max, UInt64) CODEC(ZSTD),
    `login_unclear` SimpleAggregateFunction(max, UInt64) CODEC(ZSTD),
    `successes`     SimpleAggregateFunction(groupUniqArrayArray, Array(String)) COMMENT 'how answers to successful logins look',
    `failures`      SimpleAggregateFunction(groupUniqArrayArray, Array(String)) COMMENT 'and those to failed ones'
)
ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY toYYYYMM(day)
ORDER BY (day, host, path, method, operation, sensor, capture_file, begin)
SETTINGS {{window}}, ttl_only_drop_parts = 1;

{{distributed "endpoints" "cityHash64(host, path)"}}

-- Credentials that were let in. A question for one has its id, and any range.
CREATE TABLE IF NOT EXISTS {{local "credentials"}}{{on}}
(
    `day`           Date DEFAULT toDate(begin),
    `kind`          LowCardinality(String),
    `credential_id` UUID COMMENT 'keyed hash',
    `sensor`        LowCardinality(String),
    `capture_file`  LowCardinality(String),
    `begin`         DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `last_seen`     SimpleAggregateFunction(max, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD),
    `mask`          SimpleAggregateFunction(max, String) CODEC(ZSTD),
    `place`         SimpleAggregateFunction(max, LowCardinality(String)) COMMENT 'where it was seen first',
    `principal`     SimpleAggregateFunction(max, String) COMMENT 'empty: not known' CODEC(ZSTD),
    `success`       SimpleAggregateFunction(max, UInt64) CODEC(ZSTD),
    `refused`       SimpleAggregateFunction(max, UInt64) CODEC(ZSTD),
    `unclear`       SimpleAggregateFunction(max, UInt64) CODEC(ZSTD),
    `clients`       SimpleAggregateFunction(groupUniqArrayArray, Array(IPv6)) COMMENT '64 at most' CODEC(ZSTD),
    `hosts`         SimpleAggregateFunction(groupUniqArrayArray, Array(String)) COMMENT '16 at most',
    `issued`        SimpleAggregateFunction(max, UInt8) COMMENT '1: a server was seen to hand it out',
    `expires`       SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'by what it says itself; 1970: it does not say' CODEC(Delta, ZSTD),
    INDEX by_credential credential_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_principal principal TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY toYYYYMM(day)
ORDER BY (day, kind, credential_id, sensor, capture_file, begin)
SETTINGS {{window}}, ttl_only_drop_parts = 1;

{{distributed "credentials" "cityHash64(credential_id)"}}

-- Keys that hosts publish, and ways in which genuine tokens are signed.
CREATE TABLE IF NOT EXISTS {{local "issuers"}}{{on}}
(
    `day`          Date DEFAULT toDate(begin),
    `issuer`       LowCardinality(String) COMMENT 'as tokens name it; empty: not known',
    `host`         LowCardinality(String) COMMENT 'that publishes the key, or at which tokens were seen',
    `kid`          String,
    `algorithm`    LowCardinality(String),
    `thumbprint`   String COMMENT 'of the key (RFC 7638); empty: it was not seen',
    `sensor`       LowCardinality(String),
    `capture_file` LowCardinality(String),
    `begin`        DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    `last_seen`    SimpleAggregateFunction(max, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD),
    `key_type`     SimpleAggregateFunction(max, LowCardinality(String)) COMMENT 'RSA, EC, OKP, oct',
    `bits`         SimpleAggregateFunction(max, UInt32),
    `published`    SimpleAggregateFunction(max, UInt8) COMMENT '1: it was seen in a key set',
    `issued`       SimpleAggregateFunction(max, UInt8) COMMENT '1: tokens signed so were seen to be handed out',
    `accepted`     SimpleAggregateFunction(max, UInt8) COMMENT '1: and to be accepted where others are refused'
)
ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY toYYYYMM(day)
ORDER BY (day, issuer, host, kid, algorithm, thumbprint, sensor, capture_file, begin)
SETTINGS {{window}}, ttl_only_drop_parts = 1;

{{distributed "issuers" "cityHash64(issuer, host)"}}

CREATE OR REPLACE VIEW endpoints_by_day{{on}} AS
SELECT day, host, method, path, operation,
    arraySort(groupUniqArrayArray(e.kinds)) AS kinds,
    sum(good_success + maybe_success + bad_success + none_success) AS success,
    sum(good_refused + maybe_refused + bad_refused + none_refused) AS refused,
    sum(good_unclear + maybe_unclear + bad_unclear + none_unclear) AS unclear,
    sum(e.good_success) AS with_credential, sum(e.none_success + e.bad_success) AS without_credential,
    sum(login_success + login_failure + login_pending + login_unclear) AS logins,
    max(e.discriminates) AS discriminates,
    min(e.begin) AS first_seen, max(e.last_seen) AS last_seen
FROM endpoints AS e FINAL
GROUP BY day, host, method, path, operation
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'How each endpoint was used on each day (UTC), by all sensors together; with_credential and without_credential are those requests that were let in of which it is known';

CREATE OR REPLACE VIEW endpoints_latest{{on}} AS
SELECT host, method, path, operation, arraySort(groupUniqArrayArray(d.kinds)) AS kinds,
    multiIf(sum(d.logins) > 0, 'login', sum(d.with_credential + d.without_credential) = 0, 'unknown',
        20 * sum(d.with_credential) >= 19 * sum(d.with_credential + d.without_credential), 'consistent', sum(d.with_credential) > 0, 'partial', 'missing') AS coverage,
    sum(d.success) AS success, sum(d.refused) AS refused, sum(d.unclear) AS unclear,
    sum(d.with_credential) AS with_credential, sum(d.without_credential) AS without_credential, sum(d.logins) AS logins,
    max(d.discriminates) AS discriminates, min(d.first_seen) AS first_seen, max(d.last_seen) AS last_seen
FROM endpoints_by_day AS d
GROUP BY host, method, path, operation
COMMENT 'Every endpoint, with the kinds of credentials that it takes, and coverage: of the requests it let in, had 95 % and more a credential (consistent), some (partial) or none (missing)?';

CREATE OR REPLACE VIEW credentials_latest{{on}} AS
SELECT kind, credential_id, max(c.mask) AS mask, max(c.place) AS place, max(c.principal) AS principal, uniqExact(nullIf(c.principal, '')) AS principals,
    multiIf(max(c.issued) = 1 OR max(c.expires) > toDateTime64(0, 6, 'UTC'), 'rotating',
        kind IN ('basic', 'digest', 'ntlm', 'api_key', 'signature', 'client_secret') OR dateDiff('day', min(c.begin), max(c.last_seen)) >= 30, 'static',
        'unknown') AS nature,
    dateDiff('second', min(c.begin), max(c.last_seen)) AS age,
    uniqExactArray(c.clients) AS clients, arraySort(groupUniqArrayArray(c.hosts)) AS hosts,
    sum(c.success) AS success, sum(c.refused) AS refused, sum(c.unclear) AS unclear,
    max(c.expires) AS expires, min(c.begin) AS first_seen, max(c.last_seen) AS last_seen
FROM credentials AS c FINAL
GROUP BY kind, credential_id
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Every credential that was let in: who uses it from how many addresses, its age in seconds between first and last use, and whether it is static or rotating';

CREATE OR REPLACE VIEW issuers_latest{{on}} AS
SELECT issuer, host, kid, algorithm, thumbprint, max(i.key_type) AS key_type, max(i.bits) AS bits,
    max(i.published) AS published, max(i.issued) AS issued, max(i.accepted) AS accepted,
    min(i.begin) AS first_seen, max(i.last_seen) AS last_seen
FROM issuers AS i FINAL
GROUP BY issuer, host, kid, algorithm, thumbprint
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Keys that hosts publish, and keys and algorithms that the tokens of issuers are signed with; first_seen and last_seen tell their history';

CREATE OR REPLACE VIEW login_endpoints{{on}} AS
SELECT host, method, path, operation,
    sum(e.login_success) AS success, sum(e.login_failure) AS failure, sum(e.login_pending) AS pending, sum(e.login_unclear) AS unclear,
    arraySort(groupUniqArrayArray(e.successes)) AS successes, arraySort(groupUniqArrayArray(e.failures)) AS failures,
    min(e.begin) AS first_seen, max(e.last_seen) AS last_seen
FROM endpoints AS e FINAL
WHERE login_success + login_failure + login_pending + login_unclear > 0
GROUP BY host, method, path, operation
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Endpoints where people log in, and what answers to successful and to failed logins are known by';

CREATE OR REPLACE VIEW sensors_latest{{on}} AS
SELECT sensor, max(s.time) AS last_seen, argMax(s.started, s.time) AS started, argMax(s.version, s.time) AS version,
    argMax(s.key, s.time) AS key, argMax(s.counters, s.time) AS counters
FROM sensors AS s
GROUP BY sensor
COMMENT 'The last heartbeat of each sensor; the key is to be the same for all';
