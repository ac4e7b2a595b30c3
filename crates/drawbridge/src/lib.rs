//! The gateway: doors, identity, store, lifecycle.

pub mod clock;
pub mod connectors;
pub mod keys;
pub mod store;
pub mod workspace;
