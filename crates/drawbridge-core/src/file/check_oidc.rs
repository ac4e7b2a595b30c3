//! What is wrong with `oidc` in `drawbridge.yaml`, and with the subjects that it knows people by.

use std::collections::BTreeSet;

use super::{
    ConsoleFile, Fault, GatewayFile,
    check_credentials::is_safe_address,
    check_oauth::{check_client_secret, check_scopes},
};

pub(super) fn check_oidc(file: &GatewayFile) -> Vec<Fault> {
    let mut wrong = Vec::new();
    let mut subjects = BTreeSet::new();
    for (id, person) in &file.people {
        let Some(subject) = &person.subject else {
            continue;
        };
        let at = format!(
            "/people/{}/subject",
            id.replace('~', "~0").replace('/', "~1")
        );
        if file.oidc.is_none() {
            let mend = "add `oidc`, or take the subject out";
            wrong.push(Fault::new(
                at,
                "there is no sign-in that knows subjects",
                mend,
            ));
        } else if subject.trim().is_empty() || !subjects.insert(subject) {
            let mend = "write the `sub` claim of this person's tokens, each once";
            wrong.push(Fault::new(
                at,
                format!("`{subject}` is nobody's subject alone"),
                mend,
            ));
        }
    }
    if let Some(oidc) = &file.oidc
        && !is_safe_address(&oidc.issuer)
    {
        wrong.push(Fault::new(
            "/oidc/issuer",
            "an issuer must be reached by https",
            "write `https://…`; plain http is only for an issuer on this machine",
        ));
    }
    if let Some(console) = file.oidc.as_ref().and_then(|oidc| oidc.console.as_ref()) {
        wrong.extend(check_console(console, file));
    }
    wrong
}

fn check_console(console: &ConsoleFile, file: &GatewayFile) -> Vec<Fault> {
    let at = "/oidc/console";
    let mut wrong = Vec::new();
    if let Some(secret) = &console.client_secret {
        wrong.extend(check_client_secret((at, ""), secret, file));
    }
    wrong.extend(check_scopes(at, &console.scopes));
    if !console.scopes.iter().any(|scope| scope == "openid") {
        wrong.push(Fault::new(
            format!("{at}/scopes"),
            "without `openid` the issuer does not say who signed in",
            "write `openid` among them, such as `[openid, email, profile]`",
        ));
    }
    let session = console.session.duration();
    if !(ConsoleFile::SHORTEST_SESSION..=ConsoleFile::LONGEST_SESSION).contains(&session) {
        wrong.push(Fault::new(
            format!("{at}/session"),
            format!("`{}` is no time to stay signed in", console.session),
            "write something from `1m` to `30d`, such as `12h`",
        ));
    }
    wrong
}
