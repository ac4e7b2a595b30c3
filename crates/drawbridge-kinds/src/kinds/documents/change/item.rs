//! One document of a plan, as bytes before and after.

use drawbridge_core::{
    answer::{Failure, Status},
    plan::{Applied, Image, Plan, Target},
};
use sha2::{Digest, Sha256};

/// A document to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Its path from the root.
    pub(super) path: String,
    /// What it says; none when it is not there.
    pub(super) before: Option<String>,
    /// What it shall say; none when it shall go away.
    pub(super) after: Option<String>,
    pub(super) change: drawbridge_core::plan::Change,
}

impl Item {
    /// The documents of a plan.
    pub(super) fn all(plan: &Plan) -> Result<Vec<Self>, Failure> {
        plan.targets.iter().map(Self::of).collect()
    }

    fn of(target: &Target) -> Result<Self, Failure> {
        let text = |image: &Option<Image>| match image {
            None => Ok(None),
            Some(Image::Text(text)) => Ok(Some(text.clone())),
            Some(Image::Fields(_) | Image::Dropped) => Err(Failure::new(
                Status::Conflict,
                format!("what `{}` said is kept no longer", target.resource),
            )),
        };
        Ok(Self {
            path: target.resource.clone(),
            before: text(&target.before)?,
            after: text(&target.after)?,
            change: target.change(),
        })
    }

    /// What the receipt says of it.
    pub(super) fn applied(&self) -> Applied {
        let version = |text: &String| {
            let digest = hex::encode(Sha256::digest(text.as_bytes()));
            digest.chars().take(16).collect()
        };
        Applied {
            resource: self.path.clone(),
            change: self.change,
            id: None,
            version: self.after.as_ref().map(version),
        }
    }
}
