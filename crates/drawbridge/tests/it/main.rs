//! Behaviour through the doors, with the real program and real files.

mod bridge;
mod log;
mod people;
mod store;
