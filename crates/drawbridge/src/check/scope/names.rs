//! Tools whose names look alike, so that an AI or a person may take one for the other.

use std::sync::Arc;

use drawbridge_core::call::Action;

use crate::check::{Noticed, Subject};

/// Of tools that look alike, so many are told.
const MOST: usize = 5;

/// Compares each tool with those of every connector, its own too.
pub(super) fn grade(subject: &Subject<'_>, noticed: &mut Noticed) {
    let name = subject.file.connector.as_str();
    let own = tools(name, subject.actions);
    let others = subject.all.iter().filter(|(other, _)| **other != name);
    let others: Vec<(String, String)> = others
        .flat_map(|(other, beside)| tools(other, beside.actions))
        .collect();
    let mut told = 0;
    for (index, (name, seen)) in own.iter().enumerate() {
        let later = own.get(index + 1..).unwrap_or_default();
        for (other, _) in later
            .iter()
            .chain(&others)
            .filter(|(_, other)| other == seen)
        {
            told += 1;
            if told <= MOST {
                noticed.amber(
                    format!("`{name}` looks like `{other}`"),
                    "take one out, or give the connector another name, so that nobody mistakes it",
                );
            }
        }
    }
}

/// The names of a connector's tools, each with how it looks.
fn tools(connector: &str, actions: &[Arc<Action>]) -> Vec<(String, String)> {
    let names = actions
        .iter()
        .map(|action| format!("{connector}_{}", action.name));
    names
        .map(|name| (looks(&name), name))
        .map(|(seen, name)| (name, seen))
        .collect()
}

/// A name as it looks at a glance: names of tools are ASCII, so these are all that look alike.
fn looks(name: &str) -> String {
    let mut seen = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter.to_ascii_lowercase() {
            '0' => seen.push('o'),
            '1' | 'i' | '|' => seen.push('l'),
            '5' => seen.push('s'),
            '_' | '-' | '.' => {}
            other => seen.push(other),
        }
    }
    seen.replace("rn", "m")
        .replace("vv", "w")
        .replace("cl", "d")
}

#[cfg(test)]
mod tests {
    use super::looks;

    #[test]
    fn names_that_look_alike_look_the_same() {
        for (one, other) in [
            ("files_read", "fi1es_read"),
            ("files_read", "files-read"),
            ("files_read", "filesread"),
            ("mail_send", "rnail_send"),
            ("a_Echo", "a_ech0"),
        ] {
            assert_eq!(looks(one), looks(other), "{one} {other}");
        }
        for (one, other) in [
            ("files_read", "files_reads"),
            ("a_get", "a_set"),
            ("crm_list", "crm_find"),
        ] {
            assert_ne!(looks(one), looks(other), "{one} {other}");
        }
    }
}
