-- One text for SQLite and PostgreSQL: TEXT, BIGINT and BYTEA only; times are microseconds since 1970.
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    hash BYTEA NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    name TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT,
    last_used BIGINT,
    revoked BIGINT,
    revoked_by TEXT
);

CREATE TABLE standings (
    connector TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    by_person TEXT NOT NULL,
    at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    active TEXT
);

CREATE TABLE revisions (
    connector TEXT NOT NULL,
    hash TEXT NOT NULL,
    content TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    approved_by TEXT,
    approved_at BIGINT,
    reason TEXT,
    PRIMARY KEY (connector, hash)
);

-- Bumped with every change of a token, a standing or a revision, so that other gateways notice.
CREATE TABLE changes (id BIGINT PRIMARY KEY, version BIGINT NOT NULL);
INSERT INTO changes (id, version) VALUES (1, 0);

CREATE TABLE records (
    place BIGINT PRIMARY KEY,
    id TEXT NOT NULL,
    time BIGINT NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    connector TEXT NOT NULL,
    action TEXT NOT NULL,
    power TEXT NOT NULL,
    status TEXT NOT NULL,
    body BYTEA NOT NULL,
    leaf BYTEA NOT NULL
);
CREATE UNIQUE INDEX records_by_id ON records (id);
CREATE INDEX records_by_person ON records (person, place);
CREATE INDEX records_by_connector ON records (connector, place);

CREATE TABLE checkpoints (size BIGINT PRIMARY KEY, note TEXT NOT NULL);

-- The tree's frontier, so that appending needs no reading back.
CREATE TABLE log_head (id BIGINT PRIMARY KEY, size BIGINT NOT NULL, frontier BYTEA NOT NULL);
