-- Whose tokens these are, the newest first; and which sessions and links ended long ago.
CREATE INDEX tokens_by_person ON tokens (person, client, created);
CREATE INDEX tokens_by_end ON tokens (client, expires);
