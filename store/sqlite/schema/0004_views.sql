-- Views with the names and columns of ClickHouse's (docs/clickhouse.md), for
-- those who ask in SQL. Lists are JSON arrays.
CREATE VIEW findings_latest AS SELECT * FROM findings;

CREATE VIEW findings_by_hour AS
SELECT substr(minute, 1, 13) || ':00:00.000000Z' AS hour, sensor, detector, severity, verdict, count(DISTINCT finding) AS findings, sum(count) AS events
FROM occurrences GROUP BY 1, 2, 3, 4, 5;

CREATE VIEW findings_by_day AS
SELECT substr(minute, 1, 10) AS day, sensor, detector, severity, verdict, count(DISTINCT finding) AS findings, sum(count) AS events
FROM occurrences GROUP BY 1, 2, 3, 4, 5;

CREATE VIEW logins_by_hour AS
SELECT substr(time, 1, 13) || ':00:00.000000Z' AS hour, sensor, host, method, path, kind, outcome, count(*) AS attempts,
    count(DISTINCT client_ip) AS clients, count(DISTINCT nullif(principal_id, '')) AS accounts
FROM auth_events GROUP BY 1, 2, 3, 4, 5, 6, 7;

CREATE VIEW logins_by_day AS
SELECT substr(time, 1, 10) AS day, sensor, host, method, path, kind, outcome, count(*) AS attempts,
    count(DISTINCT client_ip) AS clients, count(DISTINCT nullif(principal_id, '')) AS accounts
FROM auth_events GROUP BY 1, 2, 3, 4, 5, 6, 7;

CREATE VIEW attacks_by_client AS
SELECT client_ip, count(*) AS findings, json_group_array(DISTINCT detector) AS detectors,
    count(*) FILTER (WHERE verdict IN ('accepted', 'likely_accepted')) AS let_in, sum(count) AS events,
    json_group_array(DISTINCT host) AS hosts, count(DISTINCT principal) AS principals, min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM findings WHERE client_ip IS NOT NULL AND verdict != 'observed' GROUP BY client_ip;

CREATE VIEW accounts_at_risk AS
SELECT principal, host, count(*) AS findings, json_group_array(DISTINCT detector) AS detectors,
    json_group_array(DISTINCT client_ip) FILTER (WHERE client_ip IS NOT NULL) AS clients, sum(count) AS events,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM findings WHERE principal != '' AND verdict IN ('accepted', 'likely_accepted', 'unknown') GROUP BY principal, host;

CREATE VIEW endpoint_posture AS
SELECT host, method, path, json_group_array(DISTINCT detector) FILTER (WHERE verdict = 'observed') AS weaknesses,
    json_group_array(DISTINCT detector) FILTER (WHERE verdict != 'observed') AS let_in, count(*) AS findings, max(last_seen) AS last_seen
FROM findings WHERE verdict IN ('observed', 'accepted', 'likely_accepted') GROUP BY host, method, path;

CREATE VIEW endpoints_by_day AS
SELECT substr(e.begin, 1, 10) AS day, host, method, path, operation,
    (SELECT json_group_array(DISTINCT k.value) FROM endpoints AS o, json_each(o.kinds) AS k
        WHERE (o.host, o.method, o.path, o.operation) = (e.host, e.method, e.path, e.operation) AND substr(o.begin, 1, 10) = substr(e.begin, 1, 10)) AS kinds,
    sum(good_success + maybe_success + bad_success + none_success) AS success,
    sum(good_refused + maybe_refused + bad_refused + none_refused) AS refused,
    sum(good_unclear + maybe_unclear + bad_unclear + none_unclear) AS unclear,
    sum(good_success) AS with_credential, sum(none_success + bad_success) AS without_credential,
    sum(login_success + login_failure + login_pending + login_unclear) AS logins,
    max(discriminates) AS discriminates, min(e.begin) AS first_seen, max(e.last_seen) AS last_seen
FROM endpoints AS e GROUP BY 1, 2, 3, 4, 5;

CREATE VIEW endpoints_latest AS
SELECT host, method, path, operation,
    (SELECT json_group_array(DISTINCT k.value) FROM endpoints AS o, json_each(o.kinds) AS k
        WHERE (o.host, o.method, o.path, o.operation) = (d.host, d.method, d.path, d.operation)) AS kinds,
    CASE WHEN sum(logins) > 0 THEN 'login' WHEN sum(with_credential + without_credential) = 0 THEN 'unknown'
        WHEN 20 * sum(with_credential) >= 19 * sum(with_credential + without_credential) THEN 'consistent'
        WHEN sum(with_credential) > 0 THEN 'partial' ELSE 'missing' END AS coverage,
    sum(success) AS success, sum(refused) AS refused, sum(unclear) AS unclear,
    sum(with_credential) AS with_credential, sum(without_credential) AS without_credential, sum(logins) AS logins,
    max(discriminates) AS discriminates, min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM endpoints_by_day AS d GROUP BY 1, 2, 3, 4;

CREATE VIEW credentials_latest AS
SELECT kind, credential_id, max(mask) AS mask, max(place) AS place, max(principal) AS principal, count(DISTINCT nullif(principal, '')) AS principals,
    CASE WHEN max(issued) = 1 OR max(expires) > '' THEN 'rotating'
        WHEN kind IN ('basic', 'digest', 'ntlm', 'api_key', 'signature', 'client_secret') OR unixepoch(max(last_seen)) - unixepoch(min(begin)) >= 2592000 THEN 'static'
        ELSE 'unknown' END AS nature,
    unixepoch(max(last_seen)) - unixepoch(min(begin)) AS age,
    (SELECT count(DISTINCT x.value) FROM credentials AS o, json_each(o.clients) AS x WHERE (o.kind, o.credential_id) = (c.kind, c.credential_id)) AS clients,
    (SELECT json_group_array(DISTINCT x.value) FROM credentials AS o, json_each(o.hosts) AS x WHERE (o.kind, o.credential_id) = (c.kind, c.credential_id)) AS hosts,
    sum(success) AS success, sum(refused) AS refused, sum(unclear) AS unclear, max(expires) AS expires, min(begin) AS first_seen, max(last_seen) AS last_seen
FROM credentials AS c GROUP BY kind, credential_id;

CREATE VIEW issuers_latest AS
SELECT issuer, host, kid, algorithm, thumbprint, max(key_type) AS key_type, max(bits) AS bits,
    max(published) AS published, max(issued) AS issued, max(accepted) AS accepted, min(begin) AS first_seen, max(last_seen) AS last_seen
FROM issuers GROUP BY issuer, host, kid, algorithm, thumbprint;

CREATE VIEW login_endpoints AS
SELECT host, method, path, operation,
    sum(login_success) AS success, sum(login_failure) AS failure, sum(login_pending) AS pending, sum(login_unclear) AS unclear,
    (SELECT json_group_array(DISTINCT x.value) FROM endpoints AS o, json_each(o.successes) AS x
        WHERE (o.host, o.method, o.path, o.operation) = (e.host, e.method, e.path, e.operation)) AS successes,
    (SELECT json_group_array(DISTINCT x.value) FROM endpoints AS o, json_each(o.failures) AS x
        WHERE (o.host, o.method, o.path, o.operation) = (e.host, e.method, e.path, e.operation)) AS failures,
    min(begin) AS first_seen, max(last_seen) AS last_seen
FROM endpoints AS e WHERE login_success + login_failure + login_pending + login_unclear > 0
GROUP BY host, method, path, operation;

CREATE VIEW sensors_latest AS
SELECT sensor, max(time) AS last_seen, started, version, "key", counters FROM sensors GROUP BY sensor;
