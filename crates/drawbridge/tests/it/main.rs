//! Behaviour through the doors, with the real program and real files.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test that breaks has failed, and a test reads from top to bottom"
)]

mod bridge;
mod clients;
mod conformance;
mod contract;
mod desk;
mod documents;
mod doors;
mod formats;
mod house;
mod log;
mod mutations;
mod paths;
mod people;
mod permission;
mod policies;
mod ranking;
mod sign_in;
mod store;
