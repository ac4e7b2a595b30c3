-- What people are told of, by whichever way; kept until it is delivered, and after that as what it was.
CREATE TABLE notices (
    id TEXT PRIMARY KEY,
    plan TEXT NOT NULL,
    event TEXT NOT NULL,
    channel TEXT NOT NULL,
    recipient TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    -- When it is tried next; none once it was delivered or given up.
    next BIGINT
);
CREATE INDEX notices_by_next ON notices (next) WHERE next IS NOT NULL;
