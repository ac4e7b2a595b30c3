//! Behaviour through the doors, with the real program and real files.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a test that breaks has failed, and a test reads from top to bottom"
)]

mod acting;
mod bridge;
mod chance;
mod checklist;
mod cli;
mod clients;
mod conformance;
mod console;
mod contract;
mod credentials;
mod demo;
mod desk;
mod documents;
mod doors;
mod failing;
mod files;
mod formats;
mod gate;
mod grants;
mod house;
mod import;
mod local;
pub(crate) mod log;
mod mutations;
mod off;
mod overview;
mod paths;
mod people;
mod permission;
mod person;
mod policies;
mod ranking;
mod reports;
mod servers;
mod sign_in;
mod store;
mod tidy;
mod upstream;
mod writing;
