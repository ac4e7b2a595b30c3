//! What only this gateway can know of a file that has the right form: people, groups, labels.

use std::collections::BTreeSet;

use super::{
    ConnectorFile, CredentialFile, Fault, GatewayFile, Labels, Only, Security, Who,
    acts_for::acts_for,
    check_credentials::{bad_name, check_credentials, is_safe_address},
    check_oidc::check_oidc,
    gates::check_gate,
    schema::{nearest, unknown_key},
};
use crate::{
    call::{Person, Power},
    connector::{Kind, LABEL},
    log::Record,
};

pub(super) fn check_gateway(file: &GatewayFile) -> Vec<Fault> {
    let mut wrong = Vec::new();
    if !file.people.contains_key(&file.operator) {
        wrong.push(unknown_person("/operator", &file.operator, file));
    }
    for (id, whom) in [
        (Person::ANONYMOUS, "callers without a token"),
        (Record::GATEWAY, "the gateway itself"),
    ] {
        if file.people.contains_key(id) {
            wrong.push(Fault::new(
                format!("/people/{id}"),
                format!("this name is kept for {whom}"),
                "choose another id",
            ));
        }
    }
    let distinct: BTreeSet<&String> = file.labels.iter().collect();
    if distinct.len() != file.labels.len() {
        wrong.push(Fault::new(
            "/labels",
            "a label stands twice",
            "name each label once",
        ));
    }
    if file.store != "sqlite" && !file.store.starts_with("env:") {
        wrong.push(Fault::new(
            "/store",
            format!("`{}` is no store", file.store),
            "write `sqlite`, or `env:NAME` for a variable that holds a postgres:// URL: the URL \
             itself may hold a password and does not belong in this file",
        ));
    }
    if file.address.parse::<std::net::SocketAddr>().is_err() {
        wrong.push(Fault::new(
            "/address",
            format!("`{}` is no address and port", file.address),
            "write it like `127.0.0.1:7300`",
        ));
    }
    wrong.extend(check_oidc(file));
    wrong.extend(check_notifications(file));
    wrong.extend(check_credentials(file));
    let roles = [
        ("owner", &file.roles.owner),
        ("reviewer", &file.roles.reviewer),
        ("auditor", &file.roles.auditor),
    ];
    for (role, members) in roles {
        for (index, who) in members.iter().enumerate() {
            let at = format!("/roles/{role}/{index}");
            // A right over the gateway is nothing that a claim may give by being equal to a name.
            match who {
                Who::Person(id) if !file.people.contains_key(id) => {
                    wrong.push(unknown_person(&at, id, file));
                }
                _ => wrong.extend(unknown_who(&at, who, file)),
            }
        }
    }
    wrong
}

/// Secrets are named, never written; and what is sent in the open stays on this machine.
fn check_notifications(file: &GatewayFile) -> Vec<Fault> {
    let mut wrong = Vec::new();
    let variable = |value: &str| {
        value
            .strip_prefix("env:")
            .is_some_and(|name| !name.is_empty())
    };
    let here = |host: &str| matches!(host, "localhost" | "127.0.0.1" | "[::1]" | "::1");
    let mut secret = |at: String, value: &str| {
        if !variable(value) {
            let mend = "write `env:NAME` for a variable that holds it";
            wrong.push(Fault::new(
                at,
                "a secret does not belong in this file",
                mend,
            ));
        }
    };
    if let Some(password) = file
        .notifications
        .email
        .as_ref()
        .and_then(|email| email.password.as_ref())
    {
        secret("/notifications/email/password".to_owned(), password);
    }
    for (index, webhook) in file.notifications.webhooks.iter().enumerate() {
        secret(
            format!("/notifications/webhooks/{index}/secret"),
            &webhook.secret,
        );
    }
    if let Some(email) = &file.notifications.email {
        let parts = email.server.rsplit_once(':');
        let parts = parts.filter(|(_, port)| port.parse::<u16>().is_ok());
        match parts {
            None => wrong.push(Fault::new(
                "/notifications/email/server",
                format!("`{}` is no host and port", email.server),
                "write it like `smtp.acme.example:587`",
            )),
            Some((host, _)) if email.security == Security::None && !here(host) => {
                wrong.push(Fault::new(
                    "/notifications/email/security",
                    "what is sent to another machine must be protected",
                    "write `starttls` or `tls`",
                ));
            }
            Some(_) => {}
        }
    }
    for (index, webhook) in file.notifications.webhooks.iter().enumerate() {
        if !is_safe_address(&webhook.url) {
            wrong.push(Fault::new(
                format!("/notifications/webhooks/{index}/url"),
                "a webhook must be reached by https",
                "write `https://…`; plain http is only for one on this machine",
            ));
        }
    }
    wrong
}

pub(super) fn check_connector(
    file: &ConnectorFile,
    stem: &str,
    gateway: &GatewayFile,
    kind: &'static dyn Kind,
) -> Vec<Fault> {
    let mut wrong = Vec::new();
    if file.connector != stem {
        wrong.push(Fault::new(
            "/connector",
            format!(
                "the file is called `{stem}.yaml` and the connector `{}`",
                file.connector
            ),
            format!("write `connector: {stem}`, or rename the file"),
        ));
    }
    if file.connector == Record::GATEWAY {
        wrong.push(Fault::new(
            "/connector",
            "this name is kept for the gateway itself",
            "choose another name, and rename the file with it",
        ));
    }
    wrong.extend(unknown_who(
        "/purpose/owner",
        &Who::Person(file.purpose.owner.clone()),
        gateway,
    ));
    for (index, power) in file.access.iter().enumerate() {
        if !kind.powers().contains(power) {
            wrong.push(Fault::new(
                format!("/access/{index}"),
                format!("a connector of kind `{}` cannot `{power}`", kind.name()),
                format!("it can {}", words(kind.powers())),
            ));
        }
    }
    let credential = file.identity.credential.as_ref();
    wrong.extend(
        credential
            .filter(|name| !CredentialFile::is_name(name))
            .map(|name| bad_name("/identity/credential", name)),
    );
    wrong.extend(acts_for(file, kind));
    wrong.extend(check_permissions(file, gateway, kind));
    for (index, gate) in file.approval.iter().enumerate() {
        wrong.extend(check_gate(index, gate, (file, gateway, kind)));
    }
    for (index, who) in file.recovery.pause.iter().enumerate() {
        wrong.extend(unknown_who(
            &format!("/recovery/pause/{index}"),
            who,
            gateway,
        ));
    }
    wrong.extend(kind.check(&file.part(), &gateway.labels()));
    wrong
}

fn check_permissions(
    file: &ConnectorFile,
    gateway: &GatewayFile,
    kind: &'static dyn Kind,
) -> Vec<Fault> {
    let mut wrong = Vec::new();
    let labels = gateway.labels();
    for (index, permission) in file.permissions.iter().enumerate() {
        let at = format!("/permissions/{index}");
        for (place, who) in permission.who.iter().enumerate() {
            wrong.extend(unknown_who(&format!("{at}/who/{place}"), who, gateway));
        }
        for (place, power) in permission.may.iter().enumerate() {
            if !file.access.contains(power) {
                wrong.push(Fault::new(
                    format!("{at}/may/{place}"),
                    format!("`{power}` is not in `access`"),
                    format!("add it to `access`, which now says {}", words(&file.access)),
                ));
            }
        }
        for (facet, only) in &permission.only {
            wrong.extend(check_only(
                &format!("{at}/only/{facet}"),
                facet,
                only,
                (gateway, &labels, kind),
            ));
        }
    }
    wrong
}

fn check_only(
    at: &str,
    facet: &str,
    only: &Only,
    (gateway, labels, kind): (&GatewayFile, &Labels, &'static dyn Kind),
) -> Vec<Fault> {
    let known: Vec<String> = kind
        .facets()
        .iter()
        .map(|facet| facet.name.to_owned())
        .collect();
    if facet != LABEL && !known.iter().any(|name| name == facet) {
        let (parent, _) = at.rsplit_once('/').unwrap_or_default();
        return vec![unknown_key(parent, facet, &known)];
    }
    let mut wrong = Vec::new();
    let label = |wrong: &mut Vec<Fault>, word: &str| {
        if labels.rank(word).is_none() {
            wrong.push(labels.unknown(at, word));
        }
    };
    match only {
        Only::UpTo { up_to } if facet == LABEL => label(&mut wrong, up_to),
        Only::UpTo { .. } => wrong.push(Fault::new(
            at,
            format!("`up_to` needs an order, and `{facet}` has none"),
            "list the values",
        )),
        Only::One(_) | Only::Any(_) => {
            for value in only.values() {
                if let Some(attribute) = value.strip_prefix("person.") {
                    if attribute.is_empty()
                        || !attribute
                            .chars()
                            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
                    {
                        wrong.push(Fault::new(
                            at,
                            format!("`{value}` names no attribute"),
                            "write `person.` and letters, digits or `_`, as in `person.department`",
                        ));
                    } else {
                        wrong.extend(unknown_attribute(at, attribute, gateway));
                    }
                } else if facet == LABEL {
                    label(&mut wrong, value);
                }
            }
        }
    }
    wrong
}

/// An attribute that nobody has: the grant would be for nobody. Tokens may bring others.
fn unknown_attribute(at: &str, attribute: &str, gateway: &GatewayFile) -> Option<Fault> {
    let known: BTreeSet<&str> = gateway
        .people
        .values()
        .flat_map(|person| person.attributes.keys().map(String::as_str))
        .collect();
    (gateway.oidc.is_none() && !known.contains(attribute)).then(|| {
        let mend = nearest(attribute, known.iter().copied()).map_or_else(
            || "give it to somebody under `people` in drawbridge.yaml".to_owned(),
            |near| format!("did you mean `person.{near}`?"),
        );
        Fault::new(at, format!("nobody has the attribute `{attribute}`"), mend)
    })
}

/// A person or group nobody has heard of. With an identity provider, anyone may come.
pub(super) fn unknown_who(at: &str, who: &Who, gateway: &GatewayFile) -> Option<Fault> {
    match who {
        Who::Everyone | Who::Client(_) => None,
        Who::Anonymous => (!gateway.anonymous).then(|| {
            Fault::new(
                at,
                "callers without a token are not let in",
                "write `anonymous: true` in drawbridge.yaml if you mean it",
            )
        }),
        Who::Person(id) => (gateway.oidc.is_none() && !gateway.people.contains_key(id))
            .then(|| unknown_person(at, id, gateway)),
        Who::Group(name) => {
            let groups: BTreeSet<&str> = gateway
                .people
                .values()
                .flat_map(|person| person.groups.iter().map(String::as_str))
                .collect();
            (gateway.oidc.is_none() && !groups.contains(name.as_str())).then(|| {
                let mend = nearest(name, groups.iter().copied()).map_or_else(
                    || "give the group to somebody under `people` in drawbridge.yaml".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                Fault::new(at, format!("nobody is in the group `{name}`"), mend)
            })
        }
    }
}

fn unknown_person(at: &str, id: &str, gateway: &GatewayFile) -> Fault {
    let mend = nearest(id, gateway.people.keys().map(String::as_str)).map_or_else(
        || "add them under `people` in drawbridge.yaml".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Fault::new(at, format!("`{id}` is nobody this gateway knows"), mend)
}

pub(super) fn words(powers: &[Power]) -> String {
    powers
        .iter()
        .map(|power| power.word())
        .collect::<Vec<_>>()
        .join(", ")
}
