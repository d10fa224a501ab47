-- A row is a finding in its highest version. Times are packet times, UTC, in
-- RFC 3339 with microseconds, so that text compares as time does.
CREATE TABLE findings (
    id                TEXT PRIMARY KEY,
    version           INTEGER NOT NULL,
    detector          TEXT NOT NULL,
    title             TEXT NOT NULL,
    severity          TEXT NOT NULL,
    confidence        TEXT NOT NULL,
    verdict           TEXT NOT NULL,
    dedupe_key        TEXT NOT NULL,
    first_seen        TEXT NOT NULL,
    last_seen         TEXT NOT NULL,
    count             INTEGER NOT NULL,
    client_ip         TEXT,             -- NULL: there were several
    client_port       INTEGER NOT NULL, -- 0: there were several
    server_ip         TEXT,
    server_port       INTEGER NOT NULL,
    host              TEXT NOT NULL,
    method            TEXT NOT NULL,
    path              TEXT NOT NULL,
    status            INTEGER NOT NULL,
    principal         TEXT NOT NULL,
    credential_kind   TEXT NOT NULL,    -- '': none, or several
    credential_place  TEXT NOT NULL,
    credential_id     TEXT NOT NULL,
    credential_mask   TEXT NOT NULL,
    evidence          TEXT NOT NULL,    -- a JSON object
    "references"      TEXT NOT NULL,    -- a JSON array
    community_id      TEXT NOT NULL,
    capture_file      TEXT NOT NULL,
    capture_packet    INTEGER NOT NULL,
    sensor            TEXT NOT NULL
) WITHOUT ROWID;

-- The order in which findings are given.
CREATE INDEX findings_first_seen ON findings (first_seen DESC, id);
