//! All rules in force: each connector's permissions and the organisation's policies, compiled once.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use lru::LruCache;
use serde::Serialize;

use super::{
    Decision, Fingerprint,
    cedar::{self, Types},
    compiled::{Compiled, Organisation, attributes, facets},
    slice::{Question, Slice, Standing},
};
use crate::{
    call::{Action, Call, Caller},
    connector::Kind,
    file::{ConnectorFile, FileError, FileErrors, GatewayFile, Labels},
};

/// Decisions, and callers with what is known of them, kept for when they ask again.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2_047);
/// The largest arguments, in bytes, with which a decision is kept that looks at them: it holds them.
const MOST_ARGUMENTS: usize = 4 << 10;

/// A file under `policies/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// The file, as the user knows it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// What the rules must know of a connector.
#[derive(Clone, Copy)]
pub struct Ruled<'a> {
    /// Its file. While it is the same one, its rules are not compiled again.
    pub file: &'a Arc<ConnectorFile>,
    /// Its kind.
    pub kind: &'static dyn Kind,
    /// What it offers.
    pub actions: &'a Arc<[Arc<Action>]>,
}

/// The rules in force. Built anew when a file changes, never changed.
pub struct RuleBook {
    connectors: HashMap<String, Arc<Compiled>>,
    organisation: Arc<Organisation>,
    labels: Arc<Labels>,
    schema: String,
    /// Whether the organisation's rules were checked against the schema.
    is_checked: bool,
    standings: Mutex<LruCache<Fingerprint, Arc<Standing>>>,
    decisions: Mutex<LruCache<Fingerprint, Decision>>,
}

impl std::fmt::Debug for RuleBook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RuleBook({} connectors)", self.connectors.len())
    }
}

/// Why a call would be allowed or denied.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The rules that decided.
    pub reasons: Vec<String>,
    /// Every grant of the connector, and whether it is for this caller.
    pub rules: Vec<Rule>,
}

/// One grant, as it bears on a caller.
#[derive(Debug, Clone, Serialize)]
pub struct Rule {
    /// Its place in the file.
    pub place: String,
    /// Whether it is for this caller and this power.
    pub applies: bool,
    /// The grant in a sentence.
    pub sentence: String,
}

impl RuleBook {
    /// Compiles and type-checks all rules.
    ///
    /// # Errors
    /// What is wrong with the organisation's policies, with file, line and column.
    pub fn build(
        gateway: &GatewayFile,
        ruled: &[Ruled<'_>],
        policies: &[PolicyFile],
    ) -> Result<Self, FileErrors> {
        let labels = Arc::new(gateway.labels());
        Self::empty(labels).renewed(gateway, ruled, policies)
    }

    /// The same of these files, where what did not change is not compiled again: one connector's
    /// approval must not cost more the more others there are.
    ///
    /// # Errors
    /// What is wrong with the organisation's policies, with file, line and column.
    pub fn renewed(
        &self,
        gateway: &GatewayFile,
        ruled: &[Ruled<'_>],
        policies: &[PolicyFile],
    ) -> Result<Self, FileErrors> {
        let mut next = self.compiled(gateway, ruled, policies)?;
        let same_rules = Arc::ptr_eq(&next.organisation, &self.organisation);
        if !(self.is_checked && same_rules && next.schema == self.schema) {
            next.organisation.validate(&next.schema)?;
        }
        next.is_checked = true;
        Ok(next)
    }

    /// The same with the organisation's rules as they are in force, whether or not they are about what
    /// there is by now: a connector or a person that is gone must not stay in force because a rule speaks
    /// of it. A rule that cannot be evaluated denies.
    ///
    /// # Errors
    /// Only what a defect of ours breaks.
    pub fn retained(&self, gateway: &GatewayFile, ruled: &[Ruled<'_>]) -> Result<Self, FileErrors> {
        self.compiled(gateway, ruled, &self.organisation.files)
    }

    fn compiled(
        &self,
        gateway: &GatewayFile,
        ruled: &[Ruled<'_>],
        policies: &[PolicyFile],
    ) -> Result<Self, FileErrors> {
        let types = Types::new().ok_or_else(|| ours("the entity types are broken"))?;
        let mut next = Self::empty(self.labels.clone());
        if *next.labels != gateway.labels() {
            next.labels = Arc::new(gateway.labels());
        }
        next.organisation = if self.organisation.files == policies {
            self.organisation.clone()
        } else {
            Arc::new(Organisation::read(policies)?)
        };
        let same_rules = Arc::ptr_eq(&next.organisation, &self.organisation);
        let same = same_rules && Arc::ptr_eq(&next.labels, &self.labels);
        for one in ruled {
            let name = &one.file.connector;
            let before = self.connectors.get(name);
            let compiled = match before.filter(|before| same && before.is_of(one)) {
                Some(before) => before.clone(),
                None => Arc::new(Compiled::new(
                    one,
                    (&types, &next.labels),
                    &next.organisation,
                )?),
            };
            next.connectors.insert(name.clone(), compiled);
        }
        next.schema = next.schema_of(gateway, ruled);
        Ok(next)
    }

    fn schema_of(&self, gateway: &GatewayFile, ruled: &[Ruled<'_>]) -> String {
        let compiled = |one: &Ruled<'_>| self.connectors.get(&one.file.connector);
        let actions = ruled.iter().filter_map(compiled).map(|one| &*one.schema);
        cedar::schema(&attributes(gateway, ruled), &facets(ruled), actions)
    }

    fn empty(labels: Arc<Labels>) -> Self {
        Self {
            connectors: HashMap::new(),
            organisation: Arc::default(),
            labels,
            schema: String::new(),
            is_checked: false,
            standings: Mutex::new(LruCache::new(KEPT)),
            decisions: Mutex::new(LruCache::new(KEPT)),
        }
    }

    /// The Cedar schema that an organisation's policies are checked against.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Identifies the rules that can bear on an action: it changes when one of them does.
    #[must_use]
    pub fn revision(&self, connector: &str, action: &Action) -> String {
        self.slice(connector, action)
            .map_or_else(String::new, |slice| slice.revision())
    }

    /// Decides a call.
    #[must_use]
    pub fn decide(&self, call: &Call) -> Decision {
        self.decide_on(
            &call.caller,
            &call.connector,
            (&call.action, &call.arguments),
        )
    }

    /// Whether a caller is shown an action: whether a call of it may be allowed, with the right
    /// arguments.
    #[must_use]
    pub fn offers(&self, caller: &Caller, connector: &str, action: &Action) -> bool {
        self.withholds(caller, connector, action).is_none()
    }

    /// Why every call of an action is denied, whatever its arguments are; none where they decide.
    #[must_use]
    pub fn withholds(&self, caller: &Caller, connector: &str, action: &Action) -> Option<Decision> {
        let Some(slice) = self.slice(connector, action) else {
            return Some(no_rules(connector));
        };
        let question = slice.question(caller, &serde_json::Value::Null);
        match self.standing(slice, caller, &question) {
            Some(standing) => standing.withholds(caller),
            None => Some(not_put()),
        }
    }

    /// Why an action is forbidden to a caller, by rules that look neither at arguments nor at what it
    /// is done to; none where none is. Nobody is asked whether it is permitted.
    #[must_use]
    pub fn forbids(&self, caller: &Caller, connector: &str, action: &Action) -> Option<Decision> {
        let slice = self.slice(connector, action)?;
        let question = slice.question(caller, &serde_json::Value::Null);
        match self.standing(slice, caller, &question) {
            Some(standing) => standing.forbids(caller),
            None => Some(not_put()),
        }
    }

    /// Why a call would be allowed or denied.
    #[must_use]
    pub fn explain(&self, call: &Call, file: &ConnectorFile) -> Explanation {
        let decision = self.decide(call);
        let rules = file
            .permissions
            .iter()
            .enumerate()
            .map(|(index, permission)| {
                let who: Vec<String> = permission.who.iter().map(ToString::to_string).collect();
                let may: Vec<&str> = permission.may.iter().map(|power| power.word()).collect();
                let part = serde_json::to_string(&permission.only).unwrap_or_default();
                let part = if permission.only.is_empty() {
                    "everything in scope".to_owned()
                } else {
                    format!("only {part}")
                };
                Rule {
                    place: format!("permissions[{index}]"),
                    applies: permission.may.contains(&call.action.power)
                        && permission.who.iter().any(|who| who.is(&call.caller)),
                    sentence: format!("{} may {}: {part}", who.join(", "), may.join(", ")),
                }
            })
            .collect();
        Explanation {
            allowed: decision.allows(),
            reasons: decision.reasons().to_vec(),
            rules,
        }
    }

    fn decide_on(
        &self,
        caller: &Caller,
        connector: &str,
        (action, arguments): (&Action, &serde_json::Value),
    ) -> Decision {
        let Some(slice) = self.slice(connector, action) else {
            return no_rules(connector);
        };
        let question = slice.question(caller, arguments);
        if let Some(known) = lock(&self.decisions).get(&question.decision) {
            return known.clone();
        }
        let mut decision = self.judged(slice, (caller, arguments), &question);
        if let Decision::Allow { view, .. } = &mut decision
            && !slice.shows.is_empty()
        {
            let shows = slice.shows.iter();
            let shows = shows.filter(|other| self.may_ask(caller, connector, other));
            *view = view.clone().showing(shows.cloned().collect());
        }
        if question.arguments <= MOST_ARGUMENTS {
            lock(&self.decisions).put(question.decision, decision.clone());
        }
        decision
    }

    fn judged(
        &self,
        slice: &Arc<Slice>,
        (caller, arguments): (&Caller, &serde_json::Value),
        question: &Question,
    ) -> Decision {
        self.standing(slice, caller, question)
            .and_then(|standing| standing.decide(caller, arguments, question))
            .unwrap_or_else(not_put)
    }

    /// Whether a caller may ask for what an action is always done to, whatever its arguments are.
    fn may_ask(&self, caller: &Caller, connector: &str, action: &str) -> bool {
        let slice = self.slice_of(connector, action);
        let Some(slice) = slice.filter(|slice| !slice.reads_arguments()) else {
            return false;
        };
        let arguments = serde_json::Value::Null;
        let question = slice.question(caller, &arguments);
        match self.judged(slice, (caller, &arguments), &question) {
            Decision::Allow { view, .. } => view.admits(&slice.always),
            Decision::Deny { .. } => false,
        }
    }

    fn slice(&self, connector: &str, action: &Action) -> Option<&Arc<Slice>> {
        self.slice_of(connector, &action.name)
    }

    fn slice_of(&self, connector: &str, action: &str) -> Option<&Arc<Slice>> {
        self.connectors.get(connector)?.slices.get(action)
    }

    fn standing(
        &self,
        slice: &Arc<Slice>,
        caller: &Caller,
        question: &Question,
    ) -> Option<Arc<Standing>> {
        if let Some(known) = lock(&self.standings).get(&question.standing) {
            return Some(known.clone());
        }
        let standing = Arc::new(slice.standing(caller)?);
        lock(&self.standings).put(question.standing, standing.clone());
        Some(standing)
    }
}

fn no_rules(connector: &str) -> Decision {
    let reason = format!("no rules are in force for `{connector}`");
    Decision::deny(vec![reason], None)
}

fn not_put() -> Decision {
    let reason = "the call cannot be put to the rules".to_owned();
    Decision::deny(vec![reason], None)
}

fn lock<T>(cache: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic while the lock is held leaves a cache that is whole: puts are atomic to us.
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something that only a defect of ours can break.
pub(super) fn ours(rule: &str) -> FileErrors {
    FileErrors(vec![FileError {
        file: "drawbridge.yaml".to_owned(),
        line: 1,
        column: 1,
        place: String::new(),
        rule: format!("the rules cannot be compiled: {rule}"),
        mend: "report it as a defect of Drawbridge".to_owned(),
    }])
}

#[cfg(test)]
impl RuleBook {
    /// How many callers and decisions are remembered.
    pub(super) fn remembered(&self) -> (usize, usize) {
        (lock(&self.standings).len(), lock(&self.decisions).len())
    }
}
