//! Allow or deny, with the reasons, and the view that narrows the call.

mod view;

pub use view::{Fingerprint, Resource, View};
