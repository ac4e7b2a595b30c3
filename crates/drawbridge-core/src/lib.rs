//! The words, the contract of a kind, and the one way through. No input or output of its own:
//! storage, clock and targets come in as traits.

pub mod answer;
pub mod call;
pub mod connector;
pub mod credential;
pub mod decide;
pub mod exchange;
pub mod file;
pub mod lifecycle;
pub mod log;
pub mod plan;
pub mod secret;
pub mod way;
