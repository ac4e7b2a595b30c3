//! The gateway: doors, identity, store, lifecycle.

pub mod app;
pub mod clock;
pub mod connectors;
pub mod gateway_tools;
pub mod identify;
pub mod keys;
pub mod resolve;
pub mod store;
pub mod workspace;
