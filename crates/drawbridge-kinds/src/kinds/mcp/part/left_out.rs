//! What is left out of an answer, or masked in it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::mcp::results::parts;

/// What becomes of an answer. Places are JSON pointers into its structured content; `*` is every
/// member of a list or an object. With either, text beside the structured content is not passed on.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct ResultRule {
    /// Places that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in super::super) drop: Vec<String>,
    /// Places whose value is masked.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(in super::super) mask: BTreeMap<String, Mask>,
}

impl ResultRule {
    pub(in super::super) fn is_nothing(&self) -> bool {
        self.drop.is_empty() && self.mask.is_empty()
    }

    /// Every place of which something is left out.
    pub(in super::super) fn places(&self) -> impl Iterator<Item = &str> {
        self.drop.iter().chain(self.mask.keys()).map(String::as_str)
    }

    /// What is left out, or masked, where it is a part of what is at a place, or around it.
    pub(in super::super) fn touches(&self, place: &str) -> Option<&str> {
        let mut places = self.places();
        if place == "text" {
            return places.next();
        }
        let place = parts(place);
        places.find(|left_out| {
            let mut left_out = parts(left_out);
            // Where a member of a list is left out, the others have other numbers.
            let number = |last: &String| last.bytes().all(|digit| digit.is_ascii_digit());
            if left_out.last().is_some_and(number) {
                left_out.pop();
            }
            let mut both = left_out.iter().zip(&place);
            both.all(|(one, other)| one == "*" || one == other)
        })
    }
}

/// How a value is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Mask {
    /// Nothing of it: `***`.
    Full,
    /// Its first character, and of an e-mail address the domain.
    Partial,
}
