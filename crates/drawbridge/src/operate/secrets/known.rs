//! What is known of a credential, wherever its secret is kept.

use std::collections::{BTreeMap, BTreeSet};

use drawbridge_core::{
    answer::Failure,
    call::Caller,
    file::{CredentialFile, Reference, Source},
    lifecycle::State,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    app::App,
    connectors::Snapshot,
    credentials::is_sealed,
    operate::{
        roles::{is_owner, looks_after},
        store_down,
    },
    store::{CredentialVersion, KeptCredential, StoreError},
};

/// What is known of a credential: never its secret.
pub(crate) struct Known {
    pub(crate) name: String,
    /// Where it is kept, unless the gateway keeps it itself.
    pub(crate) elsewhere: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) approved_by: Option<String>,
    pub(crate) created: Option<Timestamp>,
    /// Every version that was ever seen, the newest first.
    pub(crate) versions: Vec<CredentialVersion>,
    pub(crate) used_by: Vec<String>,
}

impl App {
    /// What is known of every credential: those of the file, of the store, and those that connectors
    /// name though nobody ever set them.
    pub(super) async fn known_credentials(
        &self,
        snapshot: &Snapshot,
    ) -> Result<Vec<Known>, StoreError> {
        let kept = self.store.credentials().await?;
        let used = used(snapshot);
        let mut names: BTreeSet<String> = self.credentials.names().into_iter().collect();
        names.extend(used.keys().cloned());
        let there = kept.iter().filter(|kept| kept.removed.is_none());
        names.extend(there.map(|kept| kept.name.clone()));
        let mut all = Vec::new();
        for name in names {
            let known = kept.iter().find(|kept| kept.name == name);
            all.push(self.known(&name, known, &used).await?);
        }
        Ok(all)
    }

    /// What is known of one; none where nothing is.
    pub(crate) async fn known_credential(
        &self,
        snapshot: &Snapshot,
        name: &str,
    ) -> Result<Option<Known>, Failure> {
        let kept = self.store.credentials().await.map_err(store_down)?;
        let kept = kept.iter().find(|kept| kept.name == name);
        let used = used(snapshot);
        let nowhere = kept.is_none_or(|kept| kept.removed.is_some())
            && !used.contains_key(name)
            && self.credentials.file(name).is_none();
        if nowhere {
            return Ok(None);
        }
        let known = self.known(name, kept, &used).await.map_err(store_down)?;
        Ok(Some(known))
    }

    async fn known(
        &self,
        name: &str,
        kept: Option<&KeptCredential>,
        used: &BTreeMap<String, Vec<String>>,
    ) -> Result<Known, StoreError> {
        let file = self.credentials.file(name);
        let kept = kept.filter(|kept| kept.removed.is_none());
        // What the file says goes before what was said at the command line.
        let owner = file.as_ref().and_then(|file| file.owner.clone());
        let approved_by = file.as_ref().and_then(|file| file.approved_by.clone());
        let versions = self.store.credential_versions(name).await?;
        let first = versions.last().map(|version| version.created);
        Ok(Known {
            name: name.to_owned(),
            elsewhere: file.as_ref().filter(|file| !is_sealed(file)).map(place),
            owner: owner.or(kept.map(|kept| kept.owner.clone())),
            approved_by: approved_by.or(kept.and_then(|kept| kept.approved_by.clone())),
            created: kept.map(|kept| kept.created).or(first),
            versions,
            used_by: used.get(name).cloned().unwrap_or_default(),
        })
    }
}

/// What uses which credential: connectors, in force or in a revision that waits, other credentials, and
/// sign-in to the console.
fn used(snapshot: &Snapshot) -> BTreeMap<String, Vec<String>> {
    let mut used: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (connector, mounted) in &snapshot.connectors {
        if mounted.bridge.standing.state == State::Retired {
            continue;
        }
        let waiting = mounted.waiting.as_ref().map(|waiting| &*waiting.file);
        let files = [Some(&*mounted.bridge.file), waiting];
        let names: BTreeSet<&String> = files
            .into_iter()
            .flatten()
            .filter_map(|file| file.identity.credential.as_ref())
            .collect();
        for name in names {
            used.entry(name.clone())
                .or_default()
                .push(connector.clone());
        }
    }
    // Nobody takes away the secret that tokens are asked for with.
    for (name, file) in &snapshot.gateway.credentials {
        if let Some(secret) = file.oauth().and_then(|file| file.client_secret.clone()) {
            used.entry(secret)
                .or_default()
                .push(format!("the credential {name}"));
        }
    }
    let oidc = snapshot.gateway.oidc.as_ref();
    let console = oidc.and_then(|oidc| oidc.console.as_ref());
    if let Some(secret) = console.and_then(|console| console.client_secret.clone()) {
        used.entry(secret)
            .or_default()
            .push("sign-in to the console".to_owned());
    }
    used
}

/// Where a file says that a secret is kept, in a word.
fn place(file: &CredentialFile) -> String {
    match &file.from {
        Source::Places(places) => {
            let places = places.iter().filter_map(Reference::place);
            let shown: Vec<String> = places.map(|place| place.shown()).collect();
            shown.join(", ")
        }
        Source::Elsewhere(elsewhere) if elsewhere.vault.is_some() => "vault".to_owned(),
        Source::Elsewhere(elsewhere) if elsewhere.oauth.is_some() => "oauth".to_owned(),
        Source::Elsewhere(_) => "command".to_owned(),
    }
}

impl Known {
    /// Sealed versions in force, the newest first.
    pub(crate) fn live(&self) -> impl Iterator<Item = &CredentialVersion> {
        self.versions
            .iter()
            .filter(|version| version.retired.is_none() && version.sealed.is_some())
    }

    /// The newest version: of those in force where the gateway keeps them, else of those seen.
    pub(crate) fn newest(&self) -> Option<&CredentialVersion> {
        match self.elsewhere {
            None => self.live().next(),
            Some(_) => self
                .versions
                .iter()
                .filter(|version| version.sealing_key.is_none())
                .max_by_key(|version| version.created),
        }
    }

    pub(super) fn may_see(&self, snapshot: &Snapshot, caller: &Caller) -> bool {
        let using = self.used_by.iter();
        is_owner(snapshot, caller)
            || self.owner.as_ref() == Some(&caller.person.id)
            || using
                .filter_map(|name| snapshot.connectors.get(name))
                .any(|mounted| looks_after(snapshot, caller, mounted))
    }

    /// What people see of it, without its versions.
    pub(super) fn shown(&self) -> Map<String, Value> {
        let newest = self.newest();
        let last_used = self.versions.iter().filter_map(|one| one.last_used).max();
        let in_force = self.elsewhere.is_none().then(|| self.live().count());
        let fields = [
            ("name", json!(self.name)),
            ("kept", json!(self.elsewhere.as_deref().unwrap_or("sealed"))),
            ("owner", json!(self.owner)),
            ("approved_by", json!(self.approved_by)),
            ("created", json!(self.created)),
            ("last_rotated", json!(newest.map(|newest| newest.created))),
            ("last_used", json!(last_used)),
            ("versions_in_force", json!(in_force)),
            ("used_by", json!(self.used_by)),
            ("warnings", json!(self.warnings())),
        ];
        let named = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        named.collect()
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.used_by.len() > 1 {
            let told =
                "several connectors share it; give each an account and a credential of its own";
            warnings.push(told.to_owned());
        }
        if self.elsewhere.is_none() && self.live().next().is_none() {
            let name = &self.name;
            warnings.push(format!(
                "nobody has set it; `drawbridge secret set {name}` does"
            ));
        }
        if self.approved_by.is_none() {
            warnings.push("nobody is named who approved it".to_owned());
        }
        warnings
    }
}
