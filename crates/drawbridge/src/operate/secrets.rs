//! What is known of credentials; setting, retiring and removing their secrets. No operation reads one.

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Caller,
    credential::Version,
    file::CredentialFile,
    secret::Secret,
};
use serde_json::json;

mod known;

use super::{
    Effect, Prepared,
    roles::{is_owner, own_machine},
    store_down,
};
use crate::{
    app::App,
    connectors::Snapshot,
    credentials::{CredentialError, Setting, Whose},
    store::{CredentialVersion, OtherKeys},
};
use known::Known;

/// How many versions of one credential may be in force at once.
const MOST_IN_FORCE: usize = 5;

/// A secret that somebody wants to be kept. The record holds all of it but the secret.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct NewSecret {
    /// The credential.
    pub name: String,
    /// The secret.
    #[serde(skip)]
    pub secret: Option<Secret<String>>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Who allowed it to be used.
    pub approved_by: Option<String>,
    /// Whether it may be sealed with another key than other secrets are.
    pub new_key: bool,
    /// Why.
    pub reason: String,
}

/// Which version somebody wants to end.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Retiring {
    /// The credential.
    pub name: String,
    /// The version; else the oldest in force.
    pub version: Option<String>,
    /// Whether it is ended although no target let the newest in yet.
    pub force: bool,
    /// Why.
    pub reason: String,
}

impl App {
    pub(super) async fn secrets_found(&self, snapshot: &Snapshot, caller: &Caller) -> Prepared {
        self.credentials.keep_taken().await;
        let mut list = Vec::new();
        for known in self.known_credentials(snapshot).await.map_err(store_down)? {
            if known.may_see(snapshot, caller) {
                list.push(known.shown());
            }
        }
        let count = list.len() as u64;
        let data = json!({"secrets": list});
        Ok((Found::new(data, String::new(), count), Effect::Nothing))
    }

    pub(super) async fn secret_found(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        name: &str,
    ) -> Prepared {
        let known = self.known_credential(snapshot, name).await?;
        let known = known.filter(|known| known.may_see(snapshot, caller));
        let Some(mut known) = known else {
            return Err(Failure::not_found(format!(
                "there is no credential `{name}` that you look after"
            )));
        };
        let had = self.credentials.versions(name, &Whose::Service).await;
        // What is kept elsewhere may just have been seen for the first time.
        self.credentials.keep_taken().await;
        known.versions = self
            .store
            .credential_versions(name)
            .await
            .map_err(store_down)?;
        let first = known.versions.last().map(|version| version.created);
        known.created = known.created.or(first);
        let mut data = known.shown();
        let ids = had.iter().flatten().map(|version| &*version.id);
        let in_force: Vec<&str> = ids.collect();
        let problem = had.as_ref().err().map(ToString::to_string);
        let people = match self.credentials.oauth(name) {
            Some(_) => Some(
                self.store
                    .grants_of_people(name)
                    .await
                    .map_err(store_down)?,
            ),
            None => None,
        };
        for (key, value) in [
            ("versions", json!(known.versions)),
            ("in_force", json!(in_force)),
            ("problem", json!(problem)),
            ("people_connected", json!(people)),
        ] {
            data.insert(key.to_owned(), value);
        }
        let found = Found::new(data.into(), String::new(), 1);
        Ok((found, Effect::Nothing))
    }

    pub(super) async fn set_secret(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        new: &NewSecret,
    ) -> Prepared {
        let known = self.changeable(snapshot, caller, &new.name).await?;
        let secret = new.secret.as_ref().map(usable);
        let secret = secret.ok_or_else(|| Failure::invalid("`secret`: it is missing"))??;
        if let Some(elsewhere) = known.as_ref().and_then(|known| known.elsewhere.as_ref()) {
            return Err(kept_elsewhere(&new.name, elsewhere));
        }
        let live = known.as_ref().map_or(0, |known| known.live().count());
        if live >= MOST_IN_FORCE {
            let told = format!(
                "{live} versions of `{}` are in force; retire the old ones first",
                new.name
            );
            return Err(Failure::new(Status::Conflict, told));
        }
        for (key, person) in [("owner", &new.owner), ("approved_by", &new.approved_by)] {
            if let Some(id) = person
                && snapshot.gateway.oidc.is_none()
                && snapshot.gateway.person(id).is_none()
            {
                let told = format!("`{key}`: `{id}` is nobody this gateway knows");
                return Err(Failure::invalid(told));
            }
        }
        let other_keys = if new.new_key {
            OtherKeys::Allowed
        } else {
            OtherKeys::Refused
        };
        let setting = Setting {
            name: &new.name,
            secret,
            owner: new.owner.as_deref(),
            approved_by: new.approved_by.as_deref(),
            by: &caller.person.id,
            other_keys,
        };
        let sealed = self.credentials.sealed(setting).await.map_err(refused)?;
        let data = json!({"name": new.name, "version": sealed.number.to_string(), "beside": live});
        let effect = Effect::SetSecret(Box::new(sealed));
        Ok((Found::new(data, String::new(), 1), effect))
    }

    pub(super) async fn retire_secret(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        wanted: &Retiring,
    ) -> Prepared {
        let name = &wanted.name;
        self.credentials.keep_taken().await;
        let known = self.changeable(snapshot, caller, name).await?;
        let none = || Failure::not_found(format!("no version of `{name}` is kept here"));
        let known = known.ok_or_else(none)?;
        let live: Vec<&CredentialVersion> = known.live().collect();
        let (newest, oldest) = live.first().zip(live.last()).ok_or_else(none)?;
        let version = wanted.version.as_ref().unwrap_or(&oldest.version);
        if !live.iter().any(|one| one.version == *version) {
            let told = format!("no version `{version}` of `{name}` is in force");
            return Err(Failure::not_found(told));
        }
        if live.len() == 1 {
            let told = format!(
                "this is the only version of `{name}`; set a new one first, or `drawbridge secret remove \
                 {name}`"
            );
            return Err(Failure::new(Status::Conflict, told));
        }
        if wanted.force {
            with_reason(&wanted.reason)?;
        } else if *version == newest.version {
            let told = format!(
                "version {version} is the newest of `{name}`; `--force` with a reason goes back to the \
                 one before"
            );
            return Err(Failure::new(Status::Conflict, told));
        } else if newest.accepted.is_none() {
            let told = format!(
                "no target has let in version {} of `{name}` yet, so that the old one may still be \
                 needed; `--force` with a reason retires it all the same",
                newest.version
            );
            return Err(Failure::new(Status::Conflict, told));
        }
        let data = json!({"name": name, "version": version, "retired": true});
        let effect = Effect::RetireSecret(name.clone(), version.clone());
        Ok((Found::new(data, String::new(), 1), effect))
    }

    pub(super) async fn remove_secret(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (name, reason): (&str, &str),
    ) -> Prepared {
        let known = self.changeable(snapshot, caller, name).await?;
        let none = || Failure::not_found(format!("no version of `{name}` is kept here"));
        let known = known.ok_or_else(none)?;
        if let (0, Some(elsewhere)) = (known.live().count(), &known.elsewhere) {
            return Err(kept_elsewhere(name, elsewhere));
        }
        // What is kept elsewhere by now is not what connectors use.
        if known.elsewhere.is_none() && !known.used_by.is_empty() {
            let told = format!(
                "`{name}` is used by {}; give it another credential, or retire it first",
                known.used_by.join(", ")
            );
            return Err(Failure::new(Status::Conflict, told));
        }
        known.live().next().ok_or_else(none)?;
        with_reason(reason)?;
        let data = json!({"name": name, "removed": true});
        let effect = Effect::RemoveSecret(name.to_owned());
        Ok((Found::new(data, String::new(), 1), effect))
    }

    /// What is known of a credential that the caller may change; none where nothing is known.
    pub(super) async fn changeable(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        name: &str,
    ) -> Result<Option<Known>, Failure> {
        own_machine(caller)?;
        if !CredentialFile::is_name(name) {
            return Err(Failure::invalid(
                "`name`: write letters, digits, `.`, `_` and `-`, such as `crm-support`",
            ));
        }
        let known = self.known_credential(snapshot, name).await?;
        let own = known
            .as_ref()
            .is_some_and(|known| known.owner.as_ref() == Some(&caller.person.id));
        if own || is_owner(snapshot, caller) {
            return Ok(known);
        }
        Err(Failure::new(
            Status::Denied,
            "only an owner of the gateway, or who answers for the credential, may change its secret",
        ))
    }
}

fn usable(secret: &Secret<String>) -> Result<&Secret<String>, Failure> {
    let length = secret.expose().len();
    if length == 0 {
        return Err(Failure::invalid("`secret`: it is empty"));
    }
    if length > Version::MOST_BYTES {
        let most = Version::MOST_BYTES;
        return Err(Failure::invalid(format!(
            "`secret`: it has more than {most} bytes"
        )));
    }
    Ok(secret)
}

pub(super) fn with_reason(reason: &str) -> Result<(), Failure> {
    if reason.trim().is_empty() {
        return Err(Failure::invalid(
            "`reason`: say why, for those who look at it later",
        ));
    }
    Ok(())
}

fn kept_elsewhere(name: &str, place: &str) -> Failure {
    let told = format!(
        "drawbridge.yaml says that `{name}` is kept elsewhere ({place}); change it there, or write \
         `from: sealed`"
    );
    Failure::new(Status::Conflict, told)
}

/// Why nothing was sealed: only who may change it gets here, and it says what to do.
fn refused(error: CredentialError) -> Failure {
    match error {
        CredentialError::Store(error) => store_down(error),
        error => Failure::new(Status::Conflict, error.to_string()),
    }
}
