-- Views of findings and credentials by day, and severities in those of findings,
-- as ClickHouse has them.
DROP VIEW attacks_by_client;
DROP VIEW accounts_at_risk;
DROP VIEW endpoint_posture;

CREATE VIEW attacks_by_client AS
SELECT client_ip, count(*) AS findings, json_group_array(DISTINCT detector) AS detectors,
    CASE max(CASE severity WHEN 'critical' THEN 5 WHEN 'high' THEN 4 WHEN 'medium' THEN 3 WHEN 'low' THEN 2 ELSE 1 END)
        WHEN 5 THEN 'critical' WHEN 4 THEN 'high' WHEN 3 THEN 'medium' WHEN 2 THEN 'low' ELSE 'info' END AS severity,
    count(*) FILTER (WHERE verdict IN ('accepted', 'likely_accepted')) AS let_in, sum(count) AS events,
    json_group_array(DISTINCT host) AS hosts, count(DISTINCT principal) AS principals, min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM findings WHERE client_ip IS NOT NULL AND verdict != 'observed' GROUP BY client_ip;

CREATE VIEW accounts_at_risk AS
SELECT principal, host,
    CASE max(CASE severity WHEN 'critical' THEN 5 WHEN 'high' THEN 4 WHEN 'medium' THEN 3 WHEN 'low' THEN 2 ELSE 1 END)
        WHEN 5 THEN 'critical' WHEN 4 THEN 'high' WHEN 3 THEN 'medium' WHEN 2 THEN 'low' ELSE 'info' END AS severity,
    CASE max(CASE verdict WHEN 'accepted' THEN 3 WHEN 'likely_accepted' THEN 2 ELSE 1 END)
        WHEN 3 THEN 'accepted' WHEN 2 THEN 'likely_accepted' ELSE 'unknown' END AS strongest_verdict,
    count(*) AS findings, json_group_array(DISTINCT detector) AS detectors,
    json_group_array(DISTINCT client_ip) FILTER (WHERE client_ip IS NOT NULL) AS clients, sum(count) AS events,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM findings WHERE principal != '' AND verdict IN ('accepted', 'likely_accepted', 'unknown') GROUP BY principal, host;

CREATE VIEW endpoint_posture AS
SELECT host, method, path, json_group_array(DISTINCT detector) FILTER (WHERE verdict = 'observed') AS weaknesses,
    json_group_array(DISTINCT detector) FILTER (WHERE verdict != 'observed') AS let_in,
    CASE max(CASE severity WHEN 'critical' THEN 5 WHEN 'high' THEN 4 WHEN 'medium' THEN 3 WHEN 'low' THEN 2 ELSE 1 END)
        WHEN 5 THEN 'critical' WHEN 4 THEN 'high' WHEN 3 THEN 'medium' WHEN 2 THEN 'low' ELSE 'info' END AS severity,
    count(*) AS findings, max(last_seen) AS last_seen
FROM findings WHERE verdict IN ('observed', 'accepted', 'likely_accepted') GROUP BY host, method, path;

CREATE VIEW attacks_by_client_by_day AS
SELECT substr(last_seen, 1, 10) AS day, client_ip, count(*) AS findings, json_group_array(DISTINCT detector) AS detectors,
    CASE max(CASE severity WHEN 'critical' THEN 5 WHEN 'high' THEN 4 WHEN 'medium' THEN 3 WHEN 'low' THEN 2 ELSE 1 END)
        WHEN 5 THEN 'critical' WHEN 4 THEN 'high' WHEN 3 THEN 'medium' WHEN 2 THEN 'low' ELSE 'info' END AS severity,
    count(*) FILTER (WHERE verdict IN ('accepted', 'likely_accepted')) AS let_in, sum(count) AS events,
    json_group_array(DISTINCT host) AS hosts, count(DISTINCT principal) AS principals, min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM findings WHERE client_ip IS NOT NULL AND verdict != 'observed' GROUP BY day, client_ip;

CREATE VIEW accounts_at_risk_by_day AS
SELECT substr(last_seen, 1, 10) AS day, principal, host,
    CASE max(CASE severity WHEN 'critical' THEN 5 WHEN 'high' THEN 4 WHEN 'medium' THEN 3 WHEN 'low' THEN 2 ELSE 1 END)
        WHEN 5 THEN 'critical' WHEN 4 THEN 'high' WHEN 3 THEN 'medium' WHEN 2 THEN 'low' ELSE 'info' END AS severity,
    CASE max(CASE verdict WHEN 'accepted' THEN 3 WHEN 'likely_accepted' THEN 2 ELSE 1 END)
        WHEN 3 THEN 'accepted' WHEN 2 THEN 'likely_accepted' ELSE 'unknown' END AS strongest_verdict,
    count(*) AS findings, json_group_array(DISTINCT detector) AS detectors,
    json_group_array(DISTINCT client_ip) FILTER (WHERE client_ip IS NOT NULL) AS clients, sum(count) AS events,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM findings WHERE principal != '' AND verdict IN ('accepted', 'likely_accepted', 'unknown') GROUP BY day, principal, host;

CREATE VIEW endpoint_posture_by_day AS
SELECT substr(last_seen, 1, 10) AS day, host, method, path, json_group_array(DISTINCT detector) FILTER (WHERE verdict = 'observed') AS weaknesses,
    json_group_array(DISTINCT detector) FILTER (WHERE verdict != 'observed') AS let_in,
    CASE max(CASE severity WHEN 'critical' THEN 5 WHEN 'high' THEN 4 WHEN 'medium' THEN 3 WHEN 'low' THEN 2 ELSE 1 END)
        WHEN 5 THEN 'critical' WHEN 4 THEN 'high' WHEN 3 THEN 'medium' WHEN 2 THEN 'low' ELSE 'info' END AS severity,
    count(*) AS findings, max(last_seen) AS last_seen
FROM findings WHERE verdict IN ('observed', 'accepted', 'likely_accepted') GROUP BY day, host, method, path;

CREATE VIEW credentials_by_day AS
SELECT substr(c.begin, 1, 10) AS day, kind, credential_id, max(mask) AS mask, max(place) AS place, max(principal) AS principal, count(DISTINCT nullif(principal, '')) AS principals,
    (SELECT count(DISTINCT x.value) FROM credentials AS o, json_each(o.clients) AS x
        WHERE (o.kind, o.credential_id) = (c.kind, c.credential_id) AND substr(o.begin, 1, 10) = substr(c.begin, 1, 10)) AS clients,
    (SELECT json_group_array(DISTINCT x.value) FROM credentials AS o, json_each(o.hosts) AS x
        WHERE (o.kind, o.credential_id) = (c.kind, c.credential_id) AND substr(o.begin, 1, 10) = substr(c.begin, 1, 10)) AS hosts,
    sum(success) AS success, sum(refused) AS refused, sum(unclear) AS unclear, max(expires) AS expires, min(begin) AS first_seen, max(last_seen) AS last_seen
FROM credentials AS c GROUP BY 1, kind, credential_id;
