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
    if let Some(CredentialIn::Environment(_)) = &system.credential_in {
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
        let lower = name.to_ascii_lowercase();
        if PROOFS.contains(&lower.as_str()) || is_secret(&lower.replace('-', "_")) {
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
    let names = system
        .environment
        .keys()
        .map(|name| (format!("/system/environment/{}", pointer(name)), name));
    let credential = match &system.credential_in {
        Some(CredentialIn::Environment(name)) => {
            Some(("/system/credential_in/environment".to_owned(), name))
        }
        _ => None,
    };
    for (at, name) in names.chain(credential) {
        if name.is_empty() || name.contains(['=', '\0']) {
            faults.push(Fault::new(
                at,
                format!("`{name}` is no name of a variable"),
                "use letters, digits and `_`",
            ));
        }
    }
    for (name, value) in &system.environment {
        let at = format!("/system/environment/{}", pointer(name));
        if is_secret(&name.to_ascii_lowercase()) && !value.is_empty() {
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

fn is_secret(name: &str) -> bool {
    SECRET.iter().any(|word| name.contains(word))
}
