-- Sign-ins that came back from the organisation's provider, so that none comes back twice at any gateway.
CREATE TABLE sign_ins_ended (mark TEXT PRIMARY KEY, until BIGINT NOT NULL);
CREATE INDEX sign_ins_ended_by_time ON sign_ins_ended (until);
