-- Each way to ask for records by one name, the newest first, is a walk along an index.
CREATE INDEX records_by_client ON records (client, place);
CREATE INDEX records_by_action ON records (action, place);
CREATE INDEX records_by_status ON records (status, place);
CREATE INDEX records_by_time ON records (time, place);
