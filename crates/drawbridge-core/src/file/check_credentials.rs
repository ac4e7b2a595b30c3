//! What is wrong with `credentials` and `sealing_key` in `drawbridge.yaml`. What may be a secret,
//! written where only its place belongs, stands in no fault.

use super::{
    CredentialFile, Elsewhere, Fault, GatewayFile, Place, Reference, Source, VaultFile, Who,
    check::unknown_who, check_oauth::check_oauth,
};

/// How many places one credential may have: two, during a rotation.
const MOST_PLACES: usize = 2;

pub(super) fn check_credentials(file: &GatewayFile) -> Vec<Fault> {
    let mut wrong = Vec::new();
    for (name, credential) in &file.credentials {
        let at = format!("/credentials/{}", super::tree::step(name));
        if !CredentialFile::is_name(name) {
            wrong.push(bad_name(&at, name));
        }
        wrong.extend(check_source(&format!("{at}/from"), credential));
        wrong.extend(check_oauth((&at, name), credential, file));
        let people = [
            ("owner", &credential.owner),
            ("approved_by", &credential.approved_by),
        ];
        for (key, person) in people {
            let who = person.as_ref().map(|id| Who::Person(id.clone()));
            wrong.extend(who.and_then(|who| unknown_who(&format!("{at}/{key}"), &who, file)));
        }
    }
    let key = file.sealing_key.as_ref().map(Reference::place);
    if matches!(key, Some(None | Some(Place::Sealed))) {
        let mend = "write `file:PATH`, `env:NAME` or `keyring:NAME`; without it, the key is made in \
                    `.drawbridge/keys`";
        wrong.push(Fault::new("/sealing_key", NO_SECRET, mend));
    }
    wrong
}

/// A name that no credential can have.
pub(super) fn bad_name(at: &str, name: &str) -> Fault {
    Fault::new(
        at,
        format!("`{name}` cannot be the name of a credential"),
        "write letters, digits, `.`, `_` and `-`, such as `crm-support`",
    )
}

const NO_SECRET: &str = "a secret does not belong in this file, only where it is kept";

fn check_source(at: &str, credential: &CredentialFile) -> Vec<Fault> {
    let mut wrong = Vec::new();
    match &credential.from {
        Source::Places(places) => {
            let kept = |place: &Reference| {
                place
                    .place()
                    .is_some_and(|place| !matches!(place, Place::Keyring(_)))
            };
            if !places.iter().all(kept) {
                let mend = "write `sealed` and run `drawbridge secret set`, or write `env:NAME` or \
                            `file:PATH`";
                wrong.push(Fault::new(at, NO_SECRET, mend));
            } else if places.is_empty() || places.len() > MOST_PLACES {
                let mend = "write one place, or during a rotation two, the newest first";
                wrong.push(Fault::new(at, "that is not one place, nor two", mend));
            } else if places.len() > 1
                && places
                    .iter()
                    .any(|place| place.place() == Some(Place::Sealed))
            {
                let mend = "write `sealed` alone: the store keeps several versions by itself";
                wrong.push(Fault::new(at, "`sealed` stands beside another", mend));
            }
        }
        Source::Elsewhere(elsewhere) => wrong.extend(check_elsewhere(at, elsewhere)),
    }
    wrong
}

fn check_elsewhere(at: &str, elsewhere: &Elsewhere) -> Vec<Fault> {
    let mut wrong = Vec::new();
    match (&elsewhere.command, &elsewhere.vault, &elsewhere.oauth) {
        (Some(command), None, None) => {
            let program = command.first().map(String::as_str).unwrap_or_default();
            if !program.starts_with('/') {
                wrong.push(Fault::new(
                    format!("{at}/command"),
                    "the program is not named by its whole path",
                    "write it like `[/usr/bin/pass, show, crm]`: no search path is used",
                ));
            }
            for (index, name) in elsewhere.environment.iter().enumerate() {
                if Reference::of_variable(name).is_none() {
                    wrong.push(Fault::new(
                        format!("{at}/environment/{index}"),
                        "that is no name of a variable",
                        "write its name alone, such as `HOME`: its value comes from the gateway's",
                    ));
                }
            }
        }
        (None, Some(vault), None) => {
            wrong.extend(check_vault(&format!("{at}/vault"), vault));
            wrong.extend(beside(at, "vault", elsewhere));
        }
        (None, None, Some(_)) => wrong.extend(beside(at, "oauth", elsewhere)),
        _ => wrong.push(Fault::new(
            at,
            "it names not one way to get the secret",
            "write one of `command`, `vault` and `oauth`",
        )),
    }
    wrong
}

/// Keys of a command, where there is none.
fn beside(at: &str, word: &str, elsewhere: &Elsewhere) -> Option<Fault> {
    let beside = !elsewhere.environment.is_empty() || elsewhere.timeout.is_some();
    beside.then(|| {
        Fault::new(
            at,
            format!("keys of a command stand beside `{word}`"),
            format!("move `timeout` into `{word}`, and take `environment` out"),
        )
    })
}

fn check_vault(at: &str, vault: &VaultFile) -> Vec<Fault> {
    let mut wrong = Vec::new();
    if !is_safe_address(&vault.address) || vault.address.contains('@') {
        wrong.push(Fault::new(
            format!("{at}/address"),
            "a vault must be reached by https",
            "write `https://…`; plain http is only for one on this machine",
        ));
    }
    let good = matches!(
        vault.token.place(),
        Some(Place::Variable(_) | Place::File(_))
    );
    if !good {
        let mend = "write `env:NAME` or `file:PATH`";
        wrong.push(Fault::new(format!("{at}/token"), NO_SECRET, mend));
    }
    let parts = [("mount", &vault.mount), ("path", &vault.path)];
    for (key, path) in parts {
        let step = |step: &str| {
            let letter = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
            !step.is_empty() && step != "." && step != ".." && step.chars().all(letter)
        };
        if !path.split('/').all(step) {
            wrong.push(Fault::new(
                format!("{at}/{key}"),
                format!("`{path}` is no path in a vault"),
                "write names of letters, digits, `.`, `_` and `-`, with `/` between them",
            ));
        }
    }
    wrong
}

/// Whether secrets may be sent there, or keys fetched: by https, or on this machine.
pub(super) fn is_safe_address(address: &str) -> bool {
    let host = |rest: &str| {
        let authority = rest.split('/').next().unwrap_or_default().to_owned();
        authority.strip_prefix("[::1]").map_or_else(
            || authority.split(':').next().unwrap_or_default().to_owned(),
            |_| "[::1]".to_owned(),
        )
    };
    address.starts_with("https://")
        || address
            .strip_prefix("http://")
            .is_some_and(|rest| ["127.0.0.1", "localhost", "[::1]"].contains(&host(rest).as_str()))
}
