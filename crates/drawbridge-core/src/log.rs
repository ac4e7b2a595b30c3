//! Record or refuse: proofs that something is on the audit log.

mod seal;

pub use seal::Seal;
