//! Servers behind the kind `mcp` that are dead, slow, flapping or lying: what a caller, another connector and
//! the machine notice of it.

mod misbehaviours;
mod off;
mod others;
mod secrets;
mod server;
mod setup;
mod starts;
mod together;
