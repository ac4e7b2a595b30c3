//! What a file may not say of a folder of reports.

use drawbridge_core::{connector::Part, file::Fault};

use super::{Scope, escaped};

pub(super) fn faults(part: &Part, scope: &Scope) -> Vec<Fault> {
    let mut faults = Vec::new();
    if part
        .system
        .get("applied_table")
        .and_then(|yes| yes.as_bool())
        == Some(true)
    {
        let rule = "nothing is ever written to reports";
        faults.push(Fault::new("/system/applied_table", rule, "take it out"));
    }
    for (name, action) in &scope.actions {
        if action.power.is_effect() {
            let at = format!("/scope/actions/{}/power", escaped(name));
            let rule = "reports are only read";
            faults.push(Fault::new(at, rule, "take the action out"));
        }
    }
    for (name, table) in &scope.tables {
        let at = format!("/scope/tables/{}", escaped(name));
        if name.starts_with('.') || name.contains(['/', '\\']) {
            let rule = format!("`{name}` names no file of the folder");
            let mend = "write the name of the file without its ending";
            faults.push(Fault::new(at.as_str(), rule, mend));
        }
        if !table.writable.is_empty() {
            let rule = "reports are only read, and nothing of them can be written";
            let mend = "take it out";
            faults.push(Fault::new(format!("{at}/writable"), rule, mend));
        }
    }
    faults
}
