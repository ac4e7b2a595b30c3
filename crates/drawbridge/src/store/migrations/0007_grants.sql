-- What authorization servers granted, sealed: for each credential, and where each person has an account of
-- their own, for each person. The person is empty where one account is for everyone.
CREATE TABLE grants (
    name TEXT NOT NULL,
    person TEXT NOT NULL,
    -- Counts up with each change, so that of two who renew it one is first.
    revision BIGINT NOT NULL,
    -- None once it was ended, or where nothing was granted yet.
    sealed BYTEA,
    sealing_key TEXT,
    -- When somebody agreed to it, and who; when it was last renewed.
    created BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    renewed BIGINT NOT NULL,
    -- Scopes that the target asked for and that were not granted.
    lacking TEXT NOT NULL,
    -- Which gateway renews it at this moment, and until when the others wait for it.
    renewed_by TEXT,
    renewed_until BIGINT,
    PRIMARY KEY (name, person)
);

-- What somebody began to agree to, by a digest of what will come back: used once, and not for long.
CREATE TABLE grants_begun (
    state TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    person TEXT NOT NULL,
    begun_by TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    expires BIGINT NOT NULL
);
CREATE UNIQUE INDEX grants_begun_by_person ON grants_begun (name, person, begun_by);
