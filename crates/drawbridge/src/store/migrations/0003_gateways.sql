-- Which change each running gateway has taken up, so that a pause is told as done once it is so everywhere.
CREATE TABLE gateways (id TEXT PRIMARY KEY, taken_up BIGINT NOT NULL);
