-- What people ask their gateway's owners to connect.
CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    person TEXT NOT NULL,
    task TEXT NOT NULL,
    system TEXT NOT NULL,
    -- The powers' words, with spaces between them.
    powers TEXT NOT NULL,
    data TEXT NOT NULL,
    why TEXT NOT NULL,
    created BIGINT NOT NULL,
    -- 0 while it is open, 1 once it was answered: open ones come first.
    closed BIGINT NOT NULL,
    outcome TEXT,
    answered_by TEXT,
    answered_at BIGINT,
    reason TEXT
);
CREATE INDEX requests_in_order ON requests (closed, id DESC);
CREATE INDEX requests_by_person ON requests (person, closed, id DESC);
