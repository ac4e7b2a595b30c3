-- Kept plans: drafts, approvals, effects, undos. The body is the plan; the columns are filled from it.
CREATE TABLE plans (
    id TEXT PRIMARY KEY,
    turn BIGINT NOT NULL,
    stage TEXT NOT NULL,
    connector TEXT NOT NULL,
    action TEXT NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    task TEXT,
    token TEXT,
    same TEXT NOT NULL,
    -- 1 while the same call, asked again, is answered from this plan.
    again BIGINT NOT NULL,
    -- 1 where it counts as an effect.
    counts BIGINT NOT NULL,
    -- The gate that let it through without asking.
    let_through TEXT,
    created BIGINT NOT NULL,
    -- When something must be done about it.
    due BIGINT,
    -- 1 while people are still to be told of it.
    news BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX plans_again ON plans (same) WHERE again = 1;
CREATE INDEX plans_by_due ON plans (due) WHERE due IS NOT NULL;
CREATE INDEX plans_by_news ON plans (news) WHERE news = 1;
CREATE INDEX plans_by_stage ON plans (stage, created);
CREATE INDEX plans_by_connector ON plans (connector, stage);
CREATE INDEX plans_counted ON plans (connector, person, created) WHERE counts = 1;
CREATE INDEX plans_by_token ON plans (token);
CREATE INDEX plans_by_created ON plans (created);
