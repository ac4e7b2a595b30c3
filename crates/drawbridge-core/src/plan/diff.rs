//! What a plan would change, for people: line by line for texts, field by field for records.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use similar::TextDiff;

use super::{Image, Target};

/// Lines around a change that are shown too.
const AROUND: usize = 3;

/// How long texts are compared. Afterwards what is left is shown as gone and come, without the lines
/// that both have.
const LONGEST: Duration = Duration::from_millis(100);

/// A target before and after, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// A unified diff.
    Text(String),
    /// The fields that become another.
    Fields(Vec<FieldChange>),
    /// Nothing that could be compared is kept.
    Nothing,
}

/// One field before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldChange {
    /// Its name.
    pub field: String,
    /// What is there; none when the field is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What would be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl Target {
    /// What would change.
    #[must_use]
    pub fn difference(&self) -> Difference {
        match (&self.before, &self.after) {
            (Some(Image::Dropped), _) | (_, Some(Image::Dropped)) | (None, None) => {
                Difference::Nothing
            }
            (Some(Image::Fields(before)), Some(Image::Fields(after))) => fields(before, after),
            (None, Some(Image::Fields(after))) => fields(&Map::new(), after),
            (Some(Image::Fields(before)), None) => fields(before, &Map::new()),
            (before, after) => {
                let (old, new) = (text(before), text(after));
                // A line ends at a line feed and nowhere else: with a carriage return in it, what comes
                // must not look like a part of what stays.
                let lines = [&old, &new].map(|text| text.split_inclusive('\n').collect::<Vec<_>>());
                let [old, new] = &lines;
                let diff = TextDiff::configure()
                    .timeout(LONGEST)
                    .newline_terminated(true)
                    .diff_slices(old, new);
                let mut unified = diff.unified_diff();
                let unified = unified.context_radius(AROUND);
                Difference::Text(unified.header("before", "after").to_string())
            }
        }
    }
}

fn text(image: &Option<Image>) -> String {
    match image {
        Some(Image::Text(text)) => text.clone(),
        // One that was a text and becomes a record: shown as the JSON it is.
        Some(Image::Fields(fields)) => Value::Object(fields.clone()).to_string(),
        Some(Image::Dropped) | None => String::new(),
    }
}

fn fields(before: &Map<String, Value>, after: &Map<String, Value>) -> Difference {
    let names = before.keys();
    let names = names.chain(after.keys().filter(|name| !before.contains_key(*name)));
    let changed = names.filter(|name| before.get(*name) != after.get(*name));
    let changes = changed.map(|name| FieldChange {
        field: name.clone(),
        before: before.get(name).cloned(),
        after: after.get(name).cloned(),
    });
    Difference::Fields(changes.collect())
}
