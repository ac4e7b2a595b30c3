//! What people see of the gateway as a whole, by the HTTP API: and who does not.

mod connectors;
mod deciding;
mod history;
mod people;
mod requests;
mod sources;
mod usage;
