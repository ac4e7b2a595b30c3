//! The registry, in alphabetical order.

use drawbridge_core::connector::Kind;

pub mod documents;
pub mod mcp;
pub mod sql;

/// Every kind there is.
pub static KINDS: &[&dyn Kind] = &[&documents::Documents, &mcp::Mcp, &sql::Sql];
