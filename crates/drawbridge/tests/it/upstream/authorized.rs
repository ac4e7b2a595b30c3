//! Tokens of authorization servers: every grant end to end, against `authorization.py`.

mod grants;
mod people;
mod scopes;
mod setup;
mod wrong;
