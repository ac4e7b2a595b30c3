//! The gateway: doors, identity, store, lifecycle.

pub mod app;
pub mod approvals;
pub mod audit;
pub mod check;
pub mod cli;
pub mod clock;
pub mod connectors;
pub mod credentials;
pub mod door;
pub mod gateway_tools;
pub mod identify;
pub mod keys;
pub mod operate;
mod questions;
pub mod resolve;
pub mod store;
pub mod telemetry;
mod upkeep;
pub mod workspace;
