//! The checklist of the connectors that a caller looks after.

use drawbridge_core::{answer::Found, call::Caller};
use serde_json::{Value, json};

use super::{
    Effect, Prepared,
    roles::{looked_after, looks_after},
};
use crate::{check, connectors::Snapshot};

pub(super) fn check_found(snapshot: &Snapshot, caller: &Caller, name: Option<&str>) -> Prepared {
    if let Some(name) = name {
        looked_after(snapshot, caller, name)?;
    }
    let graded: Vec<Value> = snapshot
        .connectors
        .iter()
        .filter(|(found, mounted)| {
            name.is_none_or(|name| name == *found) && looks_after(snapshot, caller, mounted)
        })
        .map(|(name, mounted)| {
            let areas = check::grade(&mounted.bridge.file, &snapshot.gateway);
            json!({"connector": name, "areas": areas})
        })
        .collect();
    let count = graded.len() as u64;
    let data = json!({"connectors": graded});
    Ok((Found::new(data, String::new(), count), Effect::Nothing))
}
