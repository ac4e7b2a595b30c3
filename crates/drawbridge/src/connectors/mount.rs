//! From an accepted file to a bridge that answers.

use std::{path::PathBuf, sync::Arc, time::Duration};

use drawbridge_core::{
    call::Action,
    connector::{Connector, Context, Kind},
    decide::{Limiter, RuleBook},
    file::{Change, ConnectorFile, GatewayFile, Limits},
    lifecycle::{Due, Standing, State},
    way::Bridge,
};
use jsonschema::Validator;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Lent;
use crate::{store::Review, workspace::Workspace};

/// A connector whose file is understood: what shall be in force.
pub(super) struct Accepted {
    pub(super) name: String,
    pub(super) file: Arc<ConnectorFile>,
    pub(super) kind: &'static dyn Kind,
    pub(super) revision: Arc<str>,
    pub(super) standing: Standing,
    pub(super) actions: Arc<[Arc<Action>]>,
    pub(super) waiting: Option<Waiting>,
    pub(super) broken: Option<String>,
    pub(super) reviewed: Option<Review>,
    pub(super) due: Option<Due>,
}

/// A revision that waits for a reviewer.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its content hash.
    pub hash: String,
    /// What it says.
    pub file: Arc<ConnectorFile>,
    /// How it differs from the one in force; empty where none is.
    pub changes: Vec<Change>,
}

/// A connector in force.
pub struct Mounted {
    /// What calls pass over.
    pub bridge: Arc<Bridge>,
    /// Its kind.
    pub kind: &'static dyn Kind,
    /// Cancelled when it is stopped: running calls end.
    pub stop: CancellationToken,
    /// Cancelled when every effect is stopped: running effects end.
    pub halt: CancellationToken,
    /// How long a call may take.
    pub timeout: Duration,
    /// Checks the arguments of each action, in the order of the bridge's actions.
    pub validators: Arc<[Validator]>,
    /// A revision that waits for a reviewer.
    pub waiting: Option<Waiting>,
    /// Why the file as it stands is not in force.
    pub broken: Option<String>,
    /// Who reviewed it last.
    pub reviewed: Option<Review>,
    /// When it must be reviewed again.
    pub due: Option<Due>,
    limits: Limits,
}

impl Mounted {
    /// Whether calls may go through.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.bridge.standing.state == State::Active
    }

    /// Whether it is shown to callers who may use it: a pause does not change the list of tools.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        matches!(self.bridge.standing.state, State::Active | State::Paused)
    }

    /// Whether it works with this opened connector.
    pub(super) fn uses(&self, connector: &Arc<dyn Connector>) -> bool {
        matches!(&self.bridge.connector, Ok(own) if Arc::ptr_eq(own, connector))
    }

    /// An action by name, with what checks its arguments.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<(&Arc<Action>, &Validator)> {
        let pairs = self.bridge.actions.iter().zip(self.validators.iter());
        pairs.into_iter().find(|(action, _)| action.name == name)
    }
}

/// Opens connectors.
pub(super) struct Opener {
    folder: PathBuf,
    state: PathBuf,
    lent: Lent,
}

impl Opener {
    pub(super) fn new(workspace: &Workspace, lent: Lent) -> Self {
        Self {
            folder: workspace.folder().to_owned(),
            state: workspace.state().join("connectors"),
            lent,
        }
    }

    /// Makes a bridge, and keeps from the one before what did not change: the opened connector,
    /// and what was used of its limits.
    pub(super) async fn mount(
        &self,
        one: Accepted,
        before: Option<&Arc<Mounted>>,
        (gateway, rules, halted): (&GatewayFile, &Arc<RuleBook>, Option<&Standing>),
    ) -> Mounted {
        let limits = one
            .file
            .system
            .limits
            .or(gateway.limits)
            .or(Limits::defaults());
        let connector = self.connector(&one, before, gateway).await;
        let same_limits = before.filter(|before| before.limits == limits);
        let limiter = same_limits.map_or_else(
            || Arc::new(Limiter::new(&limits)),
            |before| before.bridge.limiter.clone(),
        );
        let runs = one.standing.state == State::Active;
        let stop = before
            .filter(|before| runs && before.runs() && !before.stop.is_cancelled())
            .map_or_else(CancellationToken::new, |before| before.stop.clone());
        let halt = before
            .filter(|before| halted.is_none() && !before.halt.is_cancelled())
            .map_or_else(CancellationToken::new, |before| before.halt.clone());
        let same_actions = before.filter(|before| Arc::ptr_eq(&before.bridge.file, &one.file));
        let validators =
            same_actions.map_or_else(|| validators(&one), |before| before.validators.clone());
        Mounted {
            kind: one.kind,
            stop,
            halt,
            timeout: limits
                .timeout
                .map_or(Duration::MAX, |timeout| timeout.duration()),
            validators,
            waiting: one.waiting,
            broken: one.broken,
            reviewed: one.reviewed,
            due: one.due,
            limits,
            bridge: Arc::new(Bridge {
                file: one.file,
                revision: one.revision,
                standing: one.standing,
                actions: one.actions,
                rules: rules.clone(),
                limiter,
                connector,
                answer_bytes: limits.answer_bytes.unwrap_or(usize::MAX),
                labels: Arc::new(gateway.labels()),
                effects: (limits.effects, limits.targets.unwrap_or(u32::MAX)),
                halted: halted.cloned(),
                address: gateway.own_address().into(),
            }),
        }
    }

    async fn connector(
        &self,
        one: &Accepted,
        before: Option<&Arc<Mounted>>,
        gateway: &GatewayFile,
    ) -> Result<Arc<dyn Connector>, String> {
        match one.standing.state {
            State::Active | State::Paused => {}
            State::Requested | State::InReview => {
                return Err("this connector has not been reviewed yet".to_owned());
            }
            State::Retired => return Err("this connector was retired".to_owned()),
        }
        let opened = before.and_then(|before| {
            let connector = before.bridge.connector.as_ref().ok()?;
            Some((before, connector))
        });
        if let Some((before, connector)) = opened {
            // It was opened with an order of labels, and grades what it finds by that.
            let same_labels = *before.bridge.labels == gateway.labels();
            if same_labels && is_for(before, one) {
                return Ok(connector.clone());
            }
            // Two connectors cannot share the folder for what they derive.
            connector.close().await;
        }
        let context = self.context(one, gateway);
        match one.kind.open(&one.file.part(), context).await {
            Ok(connector) => {
                info!(connector.name = %one.name, "opened connector `{}`", one.name);
                Ok(connector)
            }
            Err(failure) => {
                let cause = failure.source.as_ref().map(ToString::to_string);
                // It is tried again each time the files are looked at; the same again is no news.
                let known = before.and_then(|before| before.bridge.connector.as_ref().err());
                if known != Some(&failure.message) {
                    warn!(connector.name = %one.name, cause, "cannot open connector `{}`: {failure}", one.name);
                }
                Err(failure.message)
            }
        }
    }

    fn context(&self, one: &Accepted, gateway: &GatewayFile) -> Context {
        let credential = one.file.identity.credential.as_deref();
        Context {
            connector: Arc::from(one.name.as_str()),
            workspace: self.folder.clone(),
            state: self.state.join(&one.name),
            labels: Arc::new(gateway.labels()),
            clock: self.lent.clock.clone(),
            seal: self.lent.seal.clone(),
            program: self.lent.program.clone(),
            credential: credential.map(|name| {
                let wanted = (name, one.file.identity.acts_for);
                self.lent.credentials.lend_to(&one.name, wanted)
            }),
        }
    }
}

/// Whether a connector was opened for just what a file says of its system and scope, and as which account.
fn is_for(before: &Mounted, one: &Accepted) -> bool {
    let (old, new) = (&before.bridge.file, &one.file);
    Arc::ptr_eq(old, new)
        || old.identity.credential == new.identity.credential
            && old.identity.acts_for == new.identity.acts_for
            && old.part() == new.part()
            && before.kind.name() == one.kind.name()
}

/// What checks the arguments of each action. A schema of ours that is no schema lets nothing in.
fn validators(one: &Accepted) -> Arc<[Validator]> {
    one.actions
        .iter()
        .filter_map(|action| {
            let validator = jsonschema::draft202012::new(&action.input);
            validator
                .or_else(|error| {
                    warn!(connector.name = %one.name, "the schema of `{}` is broken: {error}", action.name);
                    jsonschema::draft202012::new(&serde_json::Value::Bool(false))
                })
                .ok()
        })
        .collect()
}
