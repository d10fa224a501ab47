-- Ledgers: how endpoints, credentials and keys were used. A row is what a sensor
-- saw in one file from begin on, for a day at most; it comes several times while
-- it grows, and keeps the largest of each number and all that a list ever held.
-- Rows of one thing differ in sensor, file and begin, and are added up when they
-- are asked for: see the views.
CREATE TABLE endpoints (
    host          TEXT NOT NULL,
    path          TEXT NOT NULL,    -- template
    method        TEXT NOT NULL,
    operation     TEXT NOT NULL,    -- '': there is only one
    sensor        TEXT NOT NULL,
    capture_file  TEXT NOT NULL,
    begin         TEXT NOT NULL,    -- of the first request counted
    last_seen     TEXT NOT NULL,
    kinds         TEXT NOT NULL,    -- a JSON array: of credentials that came with a success
    discriminates INTEGER NOT NULL, -- 1: it was seen to refuse who has no good credential
    none_unclear  INTEGER NOT NULL, -- requests without a credential
    none_success  INTEGER NOT NULL,
    none_refused  INTEGER NOT NULL,
    maybe_unclear INTEGER NOT NULL, -- without one, but with cookies of which nothing is known
    maybe_success INTEGER NOT NULL,
    maybe_refused INTEGER NOT NULL,
    bad_unclear   INTEGER NOT NULL, -- with one that cannot be good
    bad_success   INTEGER NOT NULL,
    bad_refused   INTEGER NOT NULL,
    good_unclear  INTEGER NOT NULL, -- with one that looks good
    good_success  INTEGER NOT NULL,
    good_refused  INTEGER NOT NULL,
    login_unclear INTEGER NOT NULL, -- attempts to log in, but for those by a scheme of HTTP
    login_failure INTEGER NOT NULL,
    login_pending INTEGER NOT NULL,
    login_success INTEGER NOT NULL,
    successes     TEXT NOT NULL,    -- a JSON array: how answers to successful logins look
    failures      TEXT NOT NULL,
    PRIMARY KEY (host, path, method, operation, sensor, capture_file, begin)
) WITHOUT ROWID;

CREATE INDEX endpoints_begin ON endpoints (begin);

CREATE TABLE credentials (
    kind          TEXT NOT NULL,
    credential_id TEXT NOT NULL,    -- keyed hash
    sensor        TEXT NOT NULL,
    capture_file  TEXT NOT NULL,
    begin         TEXT NOT NULL,
    last_seen     TEXT NOT NULL,
    mask          TEXT NOT NULL,
    place         TEXT NOT NULL,
    principal     TEXT NOT NULL,    -- '': not known
    unclear       INTEGER NOT NULL,
    success       INTEGER NOT NULL,
    refused       INTEGER NOT NULL,
    clients       TEXT NOT NULL,    -- a JSON array, of 64 at most
    hosts         TEXT NOT NULL,    -- a JSON array, of 16 at most
    issued        INTEGER NOT NULL, -- 1: a server was seen to hand it out
    expires       TEXT NOT NULL,    -- by what it says itself; '': it does not say
    PRIMARY KEY (kind, credential_id, sensor, capture_file, begin)
) WITHOUT ROWID;

CREATE INDEX credentials_begin ON credentials (begin);

CREATE TABLE issuers (
    issuer       TEXT NOT NULL,     -- as tokens name it; '': not known
    host         TEXT NOT NULL,     -- that publishes the key, or at which tokens were seen
    kid          TEXT NOT NULL,
    algorithm    TEXT NOT NULL,
    thumbprint   TEXT NOT NULL,     -- '': the key was not seen
    sensor       TEXT NOT NULL,
    capture_file TEXT NOT NULL,
    begin        TEXT NOT NULL,
    last_seen    TEXT NOT NULL,
    key_type     TEXT NOT NULL,
    bits         INTEGER NOT NULL,
    published    INTEGER NOT NULL,  -- 1: seen in a key set
    issued       INTEGER NOT NULL,  -- 1: tokens signed so were handed out
    accepted     INTEGER NOT NULL,  -- 1: and accepted where others are refused
    PRIMARY KEY (issuer, host, kid, algorithm, thumbprint, sensor, capture_file, begin)
) WITHOUT ROWID;
