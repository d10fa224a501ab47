-- What happened to a finding within one minute of packet time; as of the
-- finding's version.
CREATE TABLE occurrences (
    finding    TEXT NOT NULL,
    minute     TEXT NOT NULL,
    version    INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    detector   TEXT NOT NULL,
    severity   TEXT NOT NULL,
    verdict    TEXT NOT NULL,
    host       TEXT NOT NULL,
    client_ip  TEXT,                    -- NULL: there were several
    sensor     TEXT NOT NULL,
    PRIMARY KEY (finding, minute)
) WITHOUT ROWID;

CREATE INDEX occurrences_minute ON occurrences (minute);

-- Login attempts. The first four columns identify one: series is the time of
-- the first attempt that was seen in the same file or on the same interface,
-- and number counts from 1 within it.
CREATE TABLE auth_events (
    sensor         TEXT NOT NULL,
    capture_file   TEXT NOT NULL,
    series         TEXT NOT NULL,
    number         INTEGER NOT NULL,
    time           TEXT NOT NULL,
    capture_packet INTEGER NOT NULL,
    host           TEXT NOT NULL,
    method         TEXT NOT NULL,
    path           TEXT NOT NULL,
    client_ip      TEXT,
    principal      TEXT NOT NULL,
    principal_id   TEXT NOT NULL,       -- '': none was sent
    credential_id  TEXT NOT NULL,       -- '': none that can be compared
    kind           TEXT NOT NULL,
    outcome        TEXT NOT NULL,       -- unclear, failure, pending, success
    status         INTEGER NOT NULL,    -- 0: there is no answer
    PRIMARY KEY (sensor, capture_file, series, number)
) WITHOUT ROWID;

CREATE INDEX auth_events_time ON auth_events (time);
CREATE INDEX auth_events_principal ON auth_events (principal_id, time);

-- Signs of life of live sensors. Times are the wall clock's.
CREATE TABLE sensors (
    sensor   TEXT NOT NULL,
    time     TEXT NOT NULL,
    started  TEXT NOT NULL,
    version  TEXT NOT NULL,
    key      TEXT NOT NULL,             -- fingerprint of the deployment key
    counters TEXT NOT NULL,             -- a JSON object
    PRIMARY KEY (sensor, time)
) WITHOUT ROWID;
