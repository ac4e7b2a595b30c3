-- A session at the console is a token, too: what its person was when the organisation's sign-in let them in, and
-- the personal token it came of, with which it ends. Both none for tokens of clients.
ALTER TABLE tokens ADD COLUMN claims TEXT;
ALTER TABLE tokens ADD COLUMN parent TEXT;
