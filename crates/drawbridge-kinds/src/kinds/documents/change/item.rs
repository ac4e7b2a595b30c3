//! One document of a plan, as bytes before and after.

use std::collections::BTreeMap;

use drawbridge_core::{
    answer::{Failure, Status},
    plan::{Applied, Image, Plan, Target},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
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
    /// Who may use its file, of one that comes back.
    pub(super) access: Option<Access>,
}

/// Who may use a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Access {
    /// The permission bits.
    pub(super) mode: u32,
    /// The number of its group.
    pub(super) group: u32,
}

/// What a plan keeps of documents beside what they say.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Who may use those that go away, by their paths: they come back no more open than they were.
    pub(super) access: BTreeMap<String, Access>,
}

impl Kept {
    pub(super) fn of(plan: &Plan) -> Self {
        serde_json::from_value(plan.work.clone()).unwrap_or_default()
    }

    /// As a plan keeps it; nothing where nothing is kept.
    pub(super) fn work(&self) -> Value {
        if self.access.is_empty() {
            return Value::Null;
        }
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Item {
    /// The documents of a plan.
    pub(super) fn all(plan: &Plan) -> Result<Vec<Self>, Failure> {
        let kept = Kept::of(plan);
        let one = |target| Self::of(target, &kept);
        plan.targets.iter().map(one).collect()
    }

    fn of(target: &Target, kept: &Kept) -> Result<Self, Failure> {
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
            access: kept.access.get(&target.resource).copied(),
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
