//! The gateway: doors, identity, store, lifecycle.

pub mod app;
