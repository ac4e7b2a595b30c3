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
mod doors;
mod formats;
mod house;
mod log;
mod mutations;
mod people;
mod policies;
mod sign_in;
mod store;
