-- As in ClickHouse a finding counts once in an hour, or a day: with the severity
-- and the verdict that it had at its end, which are those of the row with
-- max(version).
DROP VIEW findings_by_hour;
CREATE VIEW findings_by_hour AS
SELECT hour, sensor, detector, severity, verdict, count(*) AS findings, sum(events) AS events
FROM (SELECT substr(minute, 1, 13) || ':00:00.000000Z' AS hour, sensor, detector, severity, verdict, max(version), sum(count) AS events
    FROM occurrences GROUP BY hour, finding)
GROUP BY 1, 2, 3, 4, 5;

DROP VIEW findings_by_day;
CREATE VIEW findings_by_day AS
SELECT day, sensor, detector, severity, verdict, count(*) AS findings, sum(events) AS events
FROM (SELECT substr(minute, 1, 10) AS day, sensor, detector, severity, verdict, max(version), sum(count) AS events
    FROM occurrences GROUP BY day, finding)
GROUP BY 1, 2, 3, 4, 5;
