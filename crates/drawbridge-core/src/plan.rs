//! What an effect would do, worked out without doing it; and what is left when it was done.

mod diff;
mod kept;
mod stage;
mod step;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

pub use diff::{Difference, FieldChange};
pub use kept::{Again, Asking, Bound, Ended, KeptPlan, Origin, Runner, Voice};
pub use stage::Stage;
pub use step::{Cap, Count, Counted, Plans, PlansDown, Step, answers_again};

use crate::{answer::Failure, call::Power};

/// What an effect would do: worked out by a connector, which changes nothing for it.
///
/// A plan that is made again while its target is as it was is equal to the first, to the byte: it
/// holds no time, no chance and nothing that is not about the effect itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The action that does it. That of the call, but for a draft, which is sent on as another, and
    /// an undo, which the connector thinks of.
    pub action: String,
    /// What is done to the world: the power of that action.
    pub power: Power,
    /// One sentence for people, such as "Set ticket 4711 from open to closed".
    pub sentence: String,
    /// Everything it would touch, each thing once, in a fixed order.
    pub targets: Vec<Target>,
    /// Whether it could be undone.
    pub reversal: Reversal,
    /// The connector's own instructions to itself: what `apply`, `settle` and `undo` need beside
    /// the targets. Part of the digest, shown to nobody.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub work: Value,
}

/// One thing a plan would touch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Its name in the target system: a path, a table and key, an address.
    pub resource: String,
    /// What gates and permissions can know of it, by the kind's facets; `label` among them. The
    /// most sensitive of before and after.
    pub facets: BTreeMap<String, String>,
    /// What is there; none when nothing is.
    pub before: Option<Image>,
    /// What would be there; none when it would be removed.
    pub after: Option<Image>,
}

/// What is, or would be, in one place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Image {
    /// A text, compared line by line.
    Text(String),
    /// Fields, compared one by one. Of what exists, those that matter to the change.
    Fields(Map<String, Value>),
    /// What was there and is kept no longer.
    Dropped,
}

/// Whether an effect can be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reversal {
    /// As long as its before-images are kept.
    Reversible,
    /// Never, for this reason.
    Irreversible(String),
}

/// What becomes of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It comes to be.
    Create,
    /// It becomes another.
    Update,
    /// It is gone.
    Delete,
    /// It happens: something is sent or started, and nothing stays to compare.
    Act,
}

impl Target {
    /// What becomes of it.
    #[must_use]
    pub fn change(&self) -> Change {
        match (&self.before, &self.after) {
            (None, Some(_)) => Change::Create,
            (Some(_), Some(_)) => Change::Update,
            (Some(_), None) => Change::Delete,
            (None, None) => Change::Act,
        }
    }
}

/// Proof of an applied effect: what the target itself says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// What was done, in a sentence.
    pub sentence: String,
    /// Each target as it is by then, in the order of the plan.
    pub applied: Vec<Applied>,
    /// What the connector needs to undo it, beside the plan. Shown to nobody.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub work: Value,
}

/// One target after the effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Its name in the target system.
    pub resource: String,
    /// What became of it.
    pub change: Change,
    /// The target's own id for it, where it gave one: a generated key, a message id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its version after the effect, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What a connector finds when it looks for an effect that was begun.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// It happened.
    Applied(Receipt),
    /// It did not happen, and will not by itself.
    NotApplied,
    /// The target cannot be asked at the moment, for this reason: it is asked again.
    Later(String),
    /// Nobody can tell, for this reason: a person must look.
    Unknown(String),
}

impl From<Failure> for Settled {
    /// What a failure to look says of the effect: nothing yet, or nothing ever.
    fn from(failure: Failure) -> Self {
        if failure.status.passes() {
            Self::Later(failure.message)
        } else {
            Self::Unknown(failure.message)
        }
    }
}

/// JSON Schema of the data with which an effect answers.
#[must_use]
pub fn receipt_schema() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "properties": {
            "sentence": {"type": "string", "description": "What was done, or would be"},
            "targets": {"type": "array", "items": {
                "type": "object",
                "properties": {
                    "resource": text,
                    "change": {"type": "string", "enum": ["create", "update", "delete", "act"]},
                    "id": {"type": "string", "description": "The target's own id for it"},
                    "version": text,
                },
                "required": ["resource", "change"],
            }},
        },
        "required": ["sentence", "targets"],
    })
}

impl Plan {
    /// The most bytes of a plan as JSON, with everything that is before and after.
    pub const MOST_BYTES: usize = 8 << 20;

    /// SHA-256 over the plan in canonical form, in hexadecimal digits: JSON without spaces, keys
    /// in the order of their bytes (as RFC 8785 has them), numbers as `serde_json` writes them.
    #[must_use]
    pub fn digest(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        digest(&value)
    }

    /// The plan without what was and would be in its targets.
    #[must_use]
    pub fn without_images(mut self) -> Self {
        for target in &mut self.targets {
            for image in [&mut target.before, &mut target.after] {
                if image.is_some() {
                    *image = Some(Image::Dropped);
                }
            }
        }
        self.work = Value::Null;
        self
    }
}

/// SHA-256 over JSON in canonical form, in hexadecimal digits; see [`Plan::digest`].
#[must_use]
pub fn digest(value: &Value) -> String {
    let mut hasher = Sha256::new();
    hasher.update(sorted(value).to_string().as_bytes());
    hex::encode(hasher.finalize())
}

/// The same JSON with the keys of every object in the order of their bytes.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(fields) => {
            let fields: BTreeMap<&String, &Value> = fields.iter().collect();
            let fields = fields
                .into_iter()
                .map(|(name, value)| (name.clone(), sorted(value)));
            Value::Object(fields.collect())
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            other.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::digest;
    use serde_json::json;

    #[test]
    fn the_order_of_keys_is_no_difference_and_all_else_is() {
        let one = json!({"b": [1, {"d": 2, "c": 3}], "a": "x"});
        assert_eq!(
            digest(&one),
            digest(&json!({"a": "x", "b": [1, {"c": 3, "d": 2}]}))
        );
        for other in [
            json!({"b": [1, {"d": 2, "c": 3}], "a": "X"}),
            json!({"b": [{"d": 2, "c": 3}, 1], "a": "x"}),
            json!({"b": [1, {"d": 2, "c": "3"}], "a": "x"}),
        ] {
            assert_ne!(digest(&one), digest(&other));
        }
    }
}
