//! The connectors in force: which revision of each file, in which state, opened how.
//!
//! A snapshot is never changed. A changed file, a pause or an approval makes a new one, and calls
//! that began on the old one keep it until they end or are cancelled.

mod mount;
mod readings;
mod review;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use drawbridge_core::{
    connector::{Clock, Kind},
    decide::{PolicyFile, RuleBook, Ruled},
    file::{FileError, FileErrors, GatewayFile},
    lifecycle::Standing,
    log::{LogDown, Record, Seal},
    way::Way,
};
use serde_json::json;
use tokio::sync::{Mutex, watch};
use tracing::{info, warn};

use crate::{
    credentials::Credentials,
    store::{Store, StoreError},
    workspace::{Files, Workspace},
};

use mount::{Accepted, Opener};
pub use mount::{Mounted, Waiting};
use readings::Readings;
pub use review::{GATEWAY, due, short};

/// All connectors, at one moment.
pub struct Snapshot {
    /// `drawbridge.yaml` as it is in force.
    pub gateway: Arc<GatewayFile>,
    /// Each connector by name.
    pub connectors: BTreeMap<String, Arc<Mounted>>,
    /// The rules in force.
    pub rules: Arc<RuleBook>,
    /// What is wrong with the files as they stand: the last good ones are in force.
    pub problems: Vec<FileError>,
    /// The store's version that it was made from, or an earlier one.
    pub version: u64,
    /// The organisation's policies in force.
    pub policies: Vec<PolicyFile>,
    /// Who stopped every effect of every connector, while they are stopped.
    pub halted: Option<Standing>,
}

/// Keeps the snapshot true to the files and the store.
pub struct Connectors {
    workspace: Workspace,
    store: Store,
    kinds: &'static [&'static dyn Kind],
    opener: Opener,
    clock: Arc<dyn Clock>,
    way: Way,
    credentials: Arc<Credentials>,
    current: ArcSwap<Snapshot>,
    /// One reload at a time, which goes on from what earlier ones understood.
    reloading: Mutex<Readings>,
    changed: watch::Sender<u64>,
}

/// What the gateway lends to connectors.
pub struct Lent {
    /// How to start this program as a confined child.
    pub program: PathBuf,
    /// The gateway's secret, for cursors.
    pub seal: Seal,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The way onto the log, for what the gateway does by itself.
    pub way: Way,
    /// What connectors prove their identity with.
    pub credentials: Arc<Credentials>,
}

/// Why the connectors cannot be brought into force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The files are wrong and there are no earlier ones.
    #[error(transparent)]
    Files(#[from] FileErrors),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What changes cannot be recorded, so it does not change.
    #[error(transparent)]
    Log(#[from] LogDown),
}

impl Connectors {
    /// Brings the files into force for the first time.
    ///
    /// # Errors
    /// When `drawbridge.yaml` or a policy is wrong, or the store fails. A wrong connector file
    /// stops only that connector.
    pub async fn open(
        workspace: Workspace,
        store: Store,
        kinds: &'static [&'static dyn Kind],
        lent: Lent,
    ) -> Result<Self, ReloadError> {
        let Files { gateway, .. } = read(&workspace).await;
        let gateway = Arc::new(gateway?);
        let rules = Arc::new(RuleBook::build(&gateway, &[], &[])?);
        let readings = Readings::new(kinds, gateway.clone());
        let empty = Snapshot {
            gateway,
            connectors: BTreeMap::new(),
            rules,
            problems: Vec::new(),
            version: 0,
            policies: Vec::new(),
            halted: None,
        };
        let (clock, way) = (lent.clock.clone(), lent.way.clone());
        let credentials = lent.credentials.clone();
        let connectors = Self {
            opener: Opener::new(&workspace, lent),
            workspace,
            store,
            kinds,
            clock,
            way,
            credentials,
            current: ArcSwap::from_pointee(empty),
            reloading: Mutex::new(readings),
            changed: watch::Sender::new(0),
        };
        connectors.bring_into_force(true).await?;
        Ok(connectors)
    }

    /// The connectors as they are at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Ticks whenever there is another snapshot.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The kinds of systems a connector can reach.
    #[must_use]
    pub fn kinds(&self) -> &'static [&'static dyn Kind] {
        self.kinds
    }

    /// Reads files and store again. What is wrong with a file is told in the snapshot, and its
    /// last good revision stays in force.
    ///
    /// # Errors
    /// When the store fails; then everything stays as it is.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        self.bring_into_force(false).await
    }

    /// Ends all background work of all connectors.
    pub async fn close(&self) {
        let _alone = self.reloading.lock().await;
        for mounted in self.snapshot().connectors.values() {
            mounted.stop.cancel();
            if let Ok(connector) = &mounted.bridge.connector {
                connector.close().await;
            }
        }
    }

    async fn bring_into_force(&self, first: bool) -> Result<(), ReloadError> {
        let mut readings = self.reloading.lock().await;
        let old = self.snapshot();
        let version = self.store.version().await?;
        let files = read(&self.workspace).await;
        let mut problems = files.unreadable;
        let gateway = match files.gateway {
            Ok(gateway) if gateway == *old.gateway => old.gateway.clone(),
            Ok(gateway) => Arc::new(gateway),
            Err(errors) => {
                problems.extend(errors.0);
                old.gateway.clone()
            }
        };
        let mut accepted = Vec::new();
        let (candidates, halted) = self.standings(&files.connectors).await?;
        readings.begin(&gateway, self.store.last_reviews(GATEWAY).await?);
        for candidate in candidates {
            let (one, wrong) = self.accept(candidate, &mut readings, &old).await?;
            problems.extend(wrong);
            accepted.extend(one);
        }
        readings.end();
        let ruled = ruled(&accepted);
        let built = files.policies.and_then(|policies| {
            let rules = old.rules.renewed(&gateway, &ruled, &policies)?;
            Ok((rules, policies))
        });
        let (rules, policies) = match built {
            Ok(built) => built,
            Err(errors) if first => return Err(errors.into()),
            Err(errors) => {
                problems.extend(errors.0);
                let rules = old.rules.retained(&gateway, &ruled)?;
                (rules, old.policies.clone())
            }
        };
        if !first {
            self.record_changes(&old, (&gateway, &policies), &accepted)
                .await?;
        }
        self.credentials.declare(&gateway);
        let rules = Arc::new(rules);
        let under = (&*gateway, &rules, halted.as_ref());
        let connectors = self.mount(accepted, &old, under).await;
        tell(&old.problems, &problems);
        let next = Snapshot {
            gateway,
            connectors,
            rules,
            problems,
            version,
            policies,
            halted,
        };
        self.swap(&old, next).await;
        Ok(())
    }

    async fn mount(
        &self,
        accepted: Vec<Accepted>,
        old: &Snapshot,
        under: (&GatewayFile, &Arc<RuleBook>, Option<&Standing>),
    ) -> BTreeMap<String, Arc<Mounted>> {
        let mut connectors = BTreeMap::new();
        for one in accepted {
            let before = old.connectors.get(&one.name);
            let name = one.name.clone();
            let mounted = self.opener.mount(one, before, under).await;
            connectors.insert(name, Arc::new(mounted));
        }
        connectors
    }

    /// Puts on the log what takes effect without a reviewer: `drawbridge.yaml`, policies, and
    /// connectors whose file is gone.
    async fn record_changes(
        &self,
        old: &Snapshot,
        (gateway, policies): (&Arc<GatewayFile>, &[PolicyFile]),
        accepted: &[Accepted],
    ) -> Result<(), ReloadError> {
        let own = Record::GATEWAY;
        if !Arc::ptr_eq(gateway, &old.gateway) {
            let what = json!({"file": Workspace::GATEWAY_FILE, "content": &**gateway});
            self.note((own, "configure"), &what, "drawbridge.yaml was changed")
                .await?;
        }
        if *policies != *old.policies {
            let names: Vec<&str> = policies.iter().map(|file| file.name.as_str()).collect();
            let texts: Vec<&str> = policies.iter().map(|file| file.text.as_str()).collect();
            let what = json!({"files": names, "content": texts});
            self.note((own, "configure"), &what, "policies were changed")
                .await?;
        }
        for name in old.connectors.keys() {
            if !accepted.iter().any(|one| one.name == *name) {
                let what = json!({"name": name});
                self.note((name, "withdraw"), &what, "its file is gone")
                    .await?;
            }
        }
        Ok(())
    }

    /// Puts the next snapshot into force, then stops what it no longer holds.
    async fn swap(&self, old: &Snapshot, next: Snapshot) {
        let next = Arc::new(next);
        self.current.store(next.clone());
        self.changed.send_modify(|version| *version += 1);
        for (name, before) in &old.connectors {
            let after = next.connectors.get(name);
            if after.is_none_or(|after| !after.runs()) {
                before.stop.cancel();
            }
            if next.halted.is_some() {
                before.halt.cancel();
            }
            let Ok(connector) = &before.bridge.connector else {
                continue;
            };
            match after.filter(|after| after.uses(connector)) {
                None => {
                    connector.close().await;
                    info!(connector.name = %name, "closed connector `{name}`");
                }
                Some(after) if !after.runs() || next.halted.is_some() => connector.rest(),
                Some(_) => {}
            }
        }
    }
}

/// Reads the files off the runtime's threads.
async fn read(workspace: &Workspace) -> Files {
    let workspace = workspace.clone();
    let folder = workspace.folder().to_owned();
    match tokio::task::spawn_blocking(move || workspace.read()).await {
        Ok(files) => files,
        Err(error) => Files {
            gateway: Err(FileErrors(vec![FileError {
                file: folder.display().to_string(),
                line: 1,
                column: 1,
                place: String::new(),
                rule: format!("the files could not be read: {error}"),
                mend: "report it as a defect of Drawbridge".to_owned(),
            }])),
            connectors: BTreeMap::new(),
            policies: Err(FileErrors(Vec::new())),
            unreadable: Vec::new(),
        },
    }
}

/// What the rules must know of connectors.
fn ruled(accepted: &[Accepted]) -> Vec<Ruled<'_>> {
    let ruled = accepted.iter().map(|one| Ruled {
        file: &one.file,
        kind: one.kind,
        actions: &one.actions,
    });
    ruled.collect()
}

/// Traces problems that were not there before, and says when there are none any more.
fn tell(before: &[FileError], after: &[FileError]) {
    for problem in after.iter().filter(|problem| !before.contains(problem)) {
        warn!(file = %problem.file, line = problem.line, "{problem}; the last good revision stays in force");
    }
    if after.is_empty() && !before.is_empty() {
        info!("all files are in order again");
    }
}

#[cfg(test)]
mod tests;
