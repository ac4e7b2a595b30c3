-- Calls are counted in the background, so that no look at them reads the log again. All records before `place` are
-- in these tables; those behind it are few, and are counted when somebody looks.
CREATE TABLE counted (id BIGINT PRIMARY KEY, place BIGINT NOT NULL);
INSERT INTO counted (id, place) VALUES (1, 0);

-- The connector is empty where those of all connectors are counted. Hours and days are those since 1970, in UTC.
CREATE TABLE calls_by_hour (
    connector TEXT NOT NULL,
    hour BIGINT NOT NULL,
    power TEXT NOT NULL,
    status TEXT NOT NULL,
    calls BIGINT NOT NULL,
    PRIMARY KEY (connector, hour, power, status)
);
CREATE TABLE calls_by_day (
    connector TEXT NOT NULL,
    day BIGINT NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    power TEXT NOT NULL,
    status TEXT NOT NULL,
    calls BIGINT NOT NULL,
    PRIMARY KEY (connector, day, person, client, power, status)
);
CREATE INDEX calls_by_day_of_person ON calls_by_day (person, day);

-- The roots of complete subtrees of the log, of 256 to the power of `level` records, as C2SP's tlog-tiles has them:
-- so that a proof needs to read few records.
CREATE TABLE log_tiles (
    level BIGINT NOT NULL,
    number BIGINT NOT NULL,
    root BYTEA NOT NULL,
    PRIMARY KEY (level, number)
);

-- Nothing is counted along the times any more.
DROP INDEX records_by_time;
CREATE INDEX records_by_time ON records (time, place);

-- Acts on the gateway itself, which have no power, are few: they are found without walking along the calls.
CREATE INDEX records_of_acts ON records (power, connector, place) WHERE power = '';
