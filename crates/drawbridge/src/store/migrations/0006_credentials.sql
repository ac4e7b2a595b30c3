-- What connectors prove their identity with. A removed one stays, so that its versions go on counting.
CREATE TABLE credentials (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    approved_by TEXT,
    created BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    removed BIGINT
);

-- The number of each credential's last version: no number is given twice, not even after a removal.
CREATE TABLE credential_numbers (name TEXT PRIMARY KEY, last BIGINT NOT NULL);

CREATE TABLE credential_versions (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    -- Which is the newer one.
    number BIGINT NOT NULL,
    -- Nonce, ciphertext and tag; none once it was retired, or where the secret is kept elsewhere.
    sealed BYTEA,
    -- Which key it was sealed with; none where the secret is kept elsewhere.
    sealing_key TEXT,
    created BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    -- When a target let it in, first and last; when one refused it last.
    accepted BIGINT,
    last_used BIGINT,
    refused BIGINT,
    retired BIGINT,
    retired_by TEXT,
    PRIMARY KEY (name, version)
);
CREATE UNIQUE INDEX credential_versions_by_number ON credential_versions (name, number);
