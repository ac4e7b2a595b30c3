//! The checklist of the connectors that a caller looks after, from their files and from facts.

use std::{collections::BTreeMap, time::Duration};

use drawbridge_core::{
    answer::{Failure, Found},
    call::Caller,
    connector::{Connector, Health, Inspection},
    credential::Version,
    file::{ActsFor, ConnectorFile},
};
use drawbridge_kinds::kinds::KINDS;
use serde_json::{Value, json};

use super::{
    Effect, Prepared,
    roles::{is_owner, looked_at, looks_at},
    store_down,
};
use crate::{
    app::App,
    check::{self, Area, Beside, CredentialFacts, FAILED_WITHIN, Facts, Subject, UNUSED_AFTER},
    connectors::{Mounted, Snapshot},
    credentials::{CredentialError, Whose},
};

/// How long a first sync is waited for, so that a small connector is graded by what it holds.
const SYNC_WAIT: Duration = Duration::from_secs(3);
/// Connectors that are graded in one go, in the background.
const GRADED_AT_ONCE: usize = 4;
/// How long a connector is looked at then.
const INSPECT_WAIT: Duration = Duration::from_secs(10);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(25);

impl App {
    pub(super) async fn check_found(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        name: Option<&str>,
    ) -> Prepared {
        if let Some(name) = name {
            looked_at(snapshot, caller, name)?;
        }
        let mut graded = Vec::new();
        for (found, mounted) in &snapshot.connectors {
            let wanted = name.is_none_or(|name| name == *found);
            let seen = looks_at(snapshot, caller, mounted);
            if wanted && seen {
                graded.push(self.checked(snapshot, found, mounted).await?);
            }
        }
        let count = graded.len() as u64;
        let problems = is_owner(snapshot, caller).then_some(&snapshot.problems);
        let data = json!({"connectors": graded, "problems": problems});
        Ok((Found::new(data, String::new(), count), Effect::Nothing))
    }

    async fn checked(
        &self,
        snapshot: &Snapshot,
        name: &str,
        mounted: &Mounted,
    ) -> Result<Value, Failure> {
        let facts = self.facts(snapshot, name, mounted).await?;
        let own = areas(snapshot, &mounted.bridge.file, &facts);
        let now = self.clock.monotonic();
        self.grades
            .keep(snapshot, (name, mounted), (&own, &facts), now);
        let waiting = mounted
            .waiting
            .as_ref()
            .filter(|waiting| waiting.hash != *mounted.bridge.revision)
            .map(|waiting| {
                json!({"hash": waiting.hash, "areas": areas(snapshot, &waiting.file, &facts)})
            });
        Ok(json!({
            "connector": name,
            "state": mounted.bridge.standing.state,
            "revision": mounted.bridge.revision,
            "areas": own,
            "broken": mounted.broken,
            "waiting": waiting,
        }))
    }

    /// What is true of a connector at this moment.
    pub(super) async fn facts(
        &self,
        snapshot: &Snapshot,
        name: &str,
        mounted: &Mounted,
    ) -> Result<Facts, Failure> {
        let inspection = match &mounted.bridge.connector {
            Ok(connector) => Ok(inspect(&**connector).await),
            Err(why) => Err(why.clone()),
        };
        self.facts_with(snapshot, (name, mounted), inspection).await
    }

    /// The same, with what an inspection showed.
    async fn facts_with(
        &self,
        snapshot: &Snapshot,
        (name, mounted): (&str, &Mounted),
        inspection: Result<Inspection, String>,
    ) -> Result<Facts, Failure> {
        let now = self.clock.now();
        let since = |span: Duration| now.checked_sub(span).unwrap_or(jiff::Timestamp::MIN);
        let used = self.store.used(name, None, since(UNUSED_AFTER)).await;
        let recent = self.store.used(name, None, since(FAILED_WITHIN)).await;
        Ok(Facts {
            now,
            inspection,
            standing: mounted.bridge.standing.clone(),
            reviewed: mounted.reviewed.clone(),
            due: mounted.due,
            used: used.map_err(store_down)?,
            recent: recent.map_err(store_down)?,
            credentials: self.credential_facts(snapshot, mounted).await?,
        })
    }

    /// Grades a few connectors whose grade is not good any more; whether there were any. No target
    /// is asked for it that nobody uses: what can be seen without reaching it is what counts.
    pub(crate) async fn grade_some(&self) -> bool {
        let snapshot = self.snapshot();
        let now = self.clock.monotonic();
        let names = self.grades.wanting(&snapshot, now, GRADED_AT_ONCE);
        for name in &names {
            let Some(mounted) = snapshot.connectors.get(name) else {
                continue;
            };
            let one = (name.as_str(), &**mounted);
            let inspection = match &mounted.bridge.connector {
                Ok(connector) => tokio::time::timeout(INSPECT_WAIT, connector.inspect())
                    .await
                    .map_err(|_| "it took too long to look at".to_owned()),
                Err(why) => Err(why.clone()),
            };
            match self.facts_with(&snapshot, one, inspection).await {
                Ok(facts) => {
                    let own = areas(&snapshot, &mounted.bridge.file, &facts);
                    self.grades.keep(&snapshot, one, (&own, &facts), now);
                }
                Err(failure) => {
                    tracing::warn!(connector.name = %name, "cannot grade `{name}`: {failure}");
                    self.grades.skip(&snapshot, one, now);
                }
            }
        }
        !names.is_empty()
    }

    /// What is true of the credentials that a connector's file names, and the one that waits.
    async fn credential_facts(
        &self,
        snapshot: &Snapshot,
        mounted: &Mounted,
    ) -> Result<BTreeMap<String, CredentialFacts>, Failure> {
        let waiting = mounted.waiting.as_ref().map(|waiting| &*waiting.file);
        let files = [Some(&*mounted.bridge.file), waiting];
        let named = files.into_iter().flatten();
        let mut facts = BTreeMap::new();
        for file in named {
            let Some(name) = &file.identity.credential else {
                continue;
            };
            let had = self.credentials.versions(name, &Whose::Service).await;
            if self.credentials.oauth(name).is_some() {
                let each = file.identity.acts_for == ActsFor::Person;
                let own = self.token_facts((name, each), snapshot, had).await?;
                facts.insert(name.clone(), own);
                continue;
            }
            self.credentials.keep_taken().await;
            let known = self.known_credential(snapshot, name).await?;
            let newest = known.as_ref().and_then(|known| {
                let id = had.as_ref().ok()?.first()?.id.clone();
                known.versions.iter().find(|one| one.version == *id)
            });
            let own = CredentialFacts {
                in_force: had.as_ref().map(Vec::len).map_err(ToString::to_string),
                owner: known.as_ref().and_then(|known| known.owner.clone()),
                approved_by: known.as_ref().and_then(|known| known.approved_by.clone()),
                rotated: newest.map(|newest| newest.created),
                last_used: newest.and_then(|newest| newest.last_used),
                refused: newest.and_then(|newest| newest.refused),
                renews: false,
            };
            facts.insert(name.clone(), own);
        }
        Ok(facts)
    }

    /// What is true of tokens: they renew themselves, and where each person has their own, whoever has
    /// not connected yet is told so when they ask.
    async fn token_facts(
        &self,
        (name, each): (&str, bool),
        snapshot: &Snapshot,
        had: Result<Vec<Version>, CredentialError>,
    ) -> Result<CredentialFacts, Failure> {
        let known = self.known_credential(snapshot, name).await?;
        let in_force = match had {
            _ if each => Ok(1),
            had => had.map(|had| had.len()).map_err(|error| error.to_string()),
        };
        Ok(CredentialFacts {
            in_force,
            owner: known.as_ref().and_then(|known| known.owner.clone()),
            approved_by: known.as_ref().and_then(|known| known.approved_by.clone()),
            rotated: None,
            last_used: None,
            refused: None,
            renews: true,
        })
    }
}

/// Grades a revision of a connector's file among all connectors in force.
pub(super) fn areas(snapshot: &Snapshot, file: &ConnectorFile, facts: &Facts) -> Vec<Area> {
    let mut all: BTreeMap<&str, Beside<'_>> = snapshot
        .connectors
        .iter()
        .map(|(name, mounted)| (name.as_str(), beside(mounted)))
        .collect();
    let in_force = all.get(file.connector.as_str());
    let own = in_force.filter(|one| std::ptr::eq(one.file, file));
    let worked_out;
    let actions = match own {
        Some(one) => one.actions,
        None => {
            let kind = KINDS.iter().find(|kind| kind.name() == file.system.kind);
            worked_out = kind.map(|kind| file.actions(*kind));
            worked_out.as_deref().unwrap_or_default()
        }
    };
    all.insert(&file.connector, Beside { file, actions });
    check::grade(&Subject {
        file,
        actions,
        gateway: &snapshot.gateway,
        all: &all,
        facts: Some(facts),
    })
}

fn beside(mounted: &Mounted) -> Beside<'_> {
    Beside {
        file: &mounted.bridge.file,
        actions: &mounted.bridge.actions,
    }
}

/// Looks at a connector, and gives a first sync a moment to end.
async fn inspect(connector: &dyn Connector) -> Inspection {
    let ended = async {
        connector.reach().await;
        loop {
            let inspection = connector.inspect().await;
            if inspection.health != Health::Syncing {
                return inspection;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    match tokio::time::timeout(SYNC_WAIT, ended).await {
        Ok(inspection) => inspection,
        Err(_) => connector.inspect().await,
    }
}
