//! What is wrong with `system`.

use drawbridge_core::file::Fault;
use http::{HeaderName, HeaderValue};
use reqwest::Url;

use super::pointer;
use crate::kinds::mcp::part::{CredentialIn, Most, System};

/// Words in the name of a variable or header whose value is a secret.
const SECRET: [&str; 8] = [
    "token",
    "secret",
    "password",
    "passwd",
    "api_key",
    "apikey",
    "credential",
    "private_key",
];
/// Headers that the protocol sets.
const TAKEN: [&str; 7] = [
    "accept",
    "content-type",
    "content-length",
    "host",
    "last-event-id",
    "connection",
    "transfer-encoding",
];
/// Headers whose value proves who one is.
const PROOFS: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
];

pub(super) fn check(system: &System, faults: &mut Vec<Fault>) {
    match (&system.url, system.command.first()) {
        (None, None) => faults.push(Fault::new(
            "/system",
            "neither `command` nor `url` says where the server is",
            "write `command: [npx, …]` for a program, or `url: https://…` for a server elsewhere",
        )),
        (Some(_), Some(_)) => faults.push(Fault::new(
            "/system/url",
            "both `command` and `url` are there",
            "keep the one that is meant",
        )),
        (Some(url), None) => elsewhere(system, url, faults),
        (None, Some(program)) => here(system, program, faults),
    }
    if system.idle.duration().as_secs() < 1 {
        faults.push(Fault::new(
            "/system/idle",
            "it is less than a second",
            "write `10m`, or leave it out",
        ));
    }
}

fn elsewhere(system: &System, url: &str, faults: &mut Vec<Fault>) {
    let at = "/system/url";
    match Url::parse(url) {
        Ok(url) if !["http", "https"].contains(&url.scheme()) || !url.has_host() => {
            faults.push(Fault::new(at, "it is no address of the web", "write `https://…`"));
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => faults.push(Fault::new(
            at,
            "it holds a name or a password",
            "keep the secret with `drawbridge secret set`, and name it as `identity.credential`",
        )),
        Ok(_) => {}
        Err(error) => faults.push(Fault::new(at, format!("it is no address: {error}"), "write `https://…`")),
    }
    for (key, given) in [
        ("folder", system.folder.is_some()),
        ("environment", !system.environment.is_empty()),
        ("files", system.files != super::super::Files::default()),
        ("network", system.network),
        ("most", system.most != Most::default()),
    ] {
        if given {
            faults.push(Fault::new(
                format!("/system/{key}"),
                format!("`{key}` is for a program that is started, and this server is elsewhere"),
                "take it out",
            ));
        }
    }
    if let Some(CredentialIn::Environment(_) | CredentialIn::Variables(_)) = &system.credential_in {
        faults.push(Fault::new(
            "/system/credential_in",
            "a server elsewhere has no environment of ours",
            "write `{header: X-Api-Key}`, or take it out for `Authorization: Bearer …`",
        ));
    }
    if let Some(CredentialIn::Header(name)) = &system.credential_in {
        header("/system/credential_in/header", name, faults);
    }
    for (name, value) in &system.headers {
        let at = format!("/system/headers/{}", pointer(name));
        header(&at, name, faults);
        if HeaderValue::try_from(value).is_err() {
            faults.push(Fault::new(
                at.clone(),
                "its value cannot be sent",
                "use plain characters",
            ));
        }
        if is_secret(name) {
            faults.push(Fault::new(
                at,
                format!("`{name}` is a secret, and no secret stands in a file"),
                "keep it with `drawbridge secret set`, name it as `identity.credential`, and the header in `credential_in`",
            ));
        }
    }
}

fn header(at: &str, name: &str, faults: &mut Vec<Fault>) {
    let lower = name.to_ascii_lowercase();
    let rule = if HeaderName::try_from(name).is_err() {
        "is no name of a header"
    } else if TAKEN.contains(&lower.as_str()) || lower.starts_with("mcp-") {
        "is a header that the protocol sets itself"
    } else {
        return;
    };
    faults.push(Fault::new(at, format!("`{name}` {rule}"), "use another"));
}

fn here(system: &System, program: &str, faults: &mut Vec<Fault>) {
    if program.trim().is_empty() {
        faults.push(Fault::new(
            "/system/command/0",
            "it names no program",
            "write a program, such as `npx`",
        ));
    }
    if !system.headers.is_empty() {
        faults.push(Fault::new(
            "/system/headers",
            "a program has no headers",
            "take it out",
        ));
    }
    if let Some(CredentialIn::Header(_)) = &system.credential_in {
        faults.push(Fault::new(
            "/system/credential_in",
            "a program has no headers",
            "write `{environment: NAME}` with the variable that it reads",
        ));
    }
    environment(system, faults);
    enough(&system.most, faults);
}

/// Its variables: names that can be, and no secrets.
fn environment(system: &System, faults: &mut Vec<Fault>) {
    variables(system, faults);
    for (name, value) in &system.environment {
        let at = format!("/system/environment/{}", pointer(name));
        if is_secret(name) && !value.is_empty() {
            faults.push(Fault::new(
                at.clone(),
                format!("`{name}` is a secret, and no secret stands in a file"),
                "keep it with `drawbridge secret set`, name it as `identity.credential`, and the variable in `credential_in`",
            ));
        }
        if value.contains('\0') {
            faults.push(Fault::new(at, "its value holds a NUL", "take it out"));
        }
    }
}

/// As much as any program needs.
fn enough(most: &Most, faults: &mut Vec<Fault>) {
    for (key, zero) in [
        ("memory_mib", most.memory_mib < 64),
        ("processes", most.processes == 0),
        ("open_files", most.open_files < 8),
        (
            "processor_time",
            most.processor_time.duration().as_secs() == 0,
        ),
    ] {
        if zero {
            faults.push(Fault::new(
                format!("/system/most/{key}"),
                "no program can run with so little",
                "write more",
            ));
        }
    }
}

/// The names of the program's variables, and of those that the credential goes into.
fn variables(system: &System, faults: &mut Vec<Fault>) {
    let at = "/system/credential_in";
    let names = system
        .environment
        .keys()
        .map(|name| (format!("/system/environment/{}", pointer(name)), name));
    let secret: Vec<(String, &String)> = match &system.credential_in {
        Some(CredentialIn::Environment(name)) => vec![(format!("{at}/environment"), name)],
        Some(CredentialIn::Variables(names)) => {
            let places = (0..).map(|index| format!("{at}/variables/{index}"));
            places.zip(names).collect()
        }
        Some(CredentialIn::Header(_)) | None => Vec::new(),
    };
    if matches!(&system.credential_in, Some(CredentialIn::Variables(names)) if names.is_empty()) {
        faults.push(Fault::new(
            format!("{at}/variables"),
            "it names no variable",
            "name the variables that the program reads, or take it out",
        ));
    }
    for (index, (at, name)) in secret.iter().enumerate() {
        let before = secret.iter().take(index).any(|(_, other)| other == name);
        if before || system.environment.contains_key(*name) {
            faults.push(Fault::new(
                at.clone(),
                format!("`{name}` stands twice"),
                "keep the one that is meant: a variable has one value",
            ));
        }
    }
    for (at, name) in names.chain(secret) {
        if !is_variable(name) {
            faults.push(Fault::new(
                at,
                format!("`{name}` is no name of a variable"),
                "use letters, digits and `_`",
            ));
        }
    }
}

/// Whether a variable can be called this.
pub(in super::super::super) fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0', '\n'])
}

/// Whether what is called this is a secret, by its name: a variable or a header.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let plain = lower.replace('-', "_");
    PROOFS.contains(&lower.as_str()) || SECRET.iter().any(|word| plain.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(system: serde_json::Value) -> Vec<String> {
        let system: System = serde_json::from_value(system).unwrap();
        let mut faults = Vec::new();
        check(&system, &mut faults);
        faults.into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn a_credential_goes_into_variables_that_are_named_once() {
        let with = |names: &[&str]| {
            faults(
                json!({"command": ["x"], "environment": {"A": "1"}, "credential_in": {"variables": names}}),
            )
        };
        let none: Vec<String> = Vec::new();
        assert_eq!(with(&["B_TOKEN", "C"]), none);
        assert_eq!(with(&[]), ["/system/credential_in/variables"]);
        assert_eq!(with(&["A"]), ["/system/credential_in/variables/0"]);
        assert_eq!(with(&["B", "B"]), ["/system/credential_in/variables/1"]);
        assert_eq!(with(&["B", "C=D"]), ["/system/credential_in/variables/1"]);
        let elsewhere = json!({"url": "https://x.example", "credential_in": {"variables": ["A"]}});
        assert_eq!(faults(elsewhere), ["/system/credential_in"]);
    }

    #[test]
    fn names_say_what_is_a_secret() {
        for name in ["GITHUB_TOKEN", "X-Api-Key", "Authorization", "db_password"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["PATH", "LOG_LEVEL", "X-Region"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
