-- Calls are counted by time from an index alone, and so is told when a connector was last called.
DROP INDEX records_by_time;
CREATE INDEX records_by_time ON records (time, place, connector, power, status, person);
DROP INDEX records_by_connector;
CREATE INDEX records_by_connector ON records (connector, place, power, time);
