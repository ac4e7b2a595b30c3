//! What is wrong with masks and row rules.

use drawbridge_core::file::Fault;

use super::{Mask, Table, condition, escaped};

/// `hashes`: whether the engine can make digests.
pub(super) fn faults(at: &str, table: &Table, hashes: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, mask) in &table.mask {
        let at = format!("{at}/mask/{}", escaped(name));
        faults.extend(bad_mask(at, (name, *mask), (table, hashes)));
    }
    let Some(text) = &table.rows else {
        return faults;
    };
    if let Err(wrong) = condition::read(text) {
        let rule = format!("this is no condition for rows: {wrong}");
        let mend = "write it like `region = :person.region AND closed IS NULL`";
        faults.push(Fault::new(format!("{at}/rows"), rule, mend));
    }
    // A key that is taken and that its caller cannot see would be told by the database's refusal.
    let mut key = table.key.columns().iter();
    if let Some(column) = key.find(|name| table.writable.contains_key(*name)) {
        let rule = format!(
            "callers choose the key `{column}`, so they could find out which keys hidden rows have"
        );
        let mend = "let the database give keys: take it out of `writable`; or leave `rows` out";
        faults.push(Fault::new(
            format!("{at}/writable/{}", escaped(column)),
            rule,
            mend,
        ));
    }
    faults
}

fn bad_mask(
    at: String,
    (name, mask): (&String, Mask),
    (table, hashes): (&Table, bool),
) -> Option<Fault> {
    let (rule, mend) = if !table.fields.contains(name) {
        (
            format!("`{name}` cannot be read, so there is nothing to mask"),
            "add it to `fields`, or take it out",
        )
    } else if table.key.columns().contains(name) {
        (
            format!("the key `{name}` names the rows, so it cannot be masked"),
            "take it out",
        )
    } else if table.writable.contains_key(name) {
        let rule = format!("`{name}` can be written, so its values would stand in plans");
        (rule, "take it out, or out of `writable`")
    } else if mask == Mask::Hash && !hashes {
        let rule = "SQLite has no hash function, so it could not compare or group by digests";
        (
            rule.to_owned(),
            "write `full`: that shows nothing of it, or `partial`",
        )
    } else {
        return None;
    };
    Some(Fault::new(at, rule, mend))
}
