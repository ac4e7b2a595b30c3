//! All rules in force: each connector's permissions and the organisation's policies, compiled once.

use std::{
    collections::{BTreeSet, HashMap},
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use cedar_policy::{
    Authorizer, Context, Decision as Cedar, Entities, Policy, PolicyId, PolicySet, Request,
    RestrictedExpression, Schema,
};
use lru::LruCache;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    Decision, Fingerprint, View,
    cedar::{self, Types},
    policy,
    view::Inner,
};
use crate::{
    call::{Action, Call, Caller},
    connector::Kind,
    file::{ConnectorFile, FileError, FileErrors, GatewayFile, Labels},
};

/// Decisions kept for callers that ask again.
const DECISIONS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2_047);

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
    /// Its file.
    pub file: &'a ConnectorFile,
    /// Its kind.
    pub kind: &'static dyn Kind,
    /// What it offers.
    pub actions: &'a [Arc<Action>],
}

/// The rules in force. Built anew when a file changes, never changed.
pub struct RuleBook {
    slices: HashMap<String, Arc<Slice>>,
    schema: String,
    decisions: Mutex<LruCache<Fingerprint, Decision>>,
}

impl std::fmt::Debug for RuleBook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RuleBook({} connectors)", self.slices.len())
    }
}

/// The rules that can apply to one connector.
pub(super) struct Slice {
    pub(super) types: Types,
    pub(super) connector: String,
    pub(super) policies: PolicySet,
    pub(super) labels: Arc<Labels>,
    /// The hierarchy of actions, to which each request adds its caller.
    actions: Entities,
    /// Whether a rule looks at the arguments: if not, decisions do not depend on them.
    reads_arguments: bool,
    revision: [u8; 32],
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
        let types = Types::new().ok_or_else(|| ours("the entity types are broken"))?;
        let text = cedar::schema(&attributes(gateway, ruled), ruled);
        let (schema, _) = Schema::from_cedarschema_str(&text)
            .map_err(|error| ours(&format!("{error}\n{text}")))?;
        let mut organisation = Vec::new();
        for file in policies {
            let parsed = policy::of_organisation(file)?;
            policy::validate(&schema, file, &parsed)?;
            organisation.extend(parsed);
        }
        let actions = schema
            .action_entities()
            .map_err(|error| ours(&error.to_string()))?;
        let labels = Arc::new(gateway.labels());
        let mut slices = HashMap::new();
        for one in ruled {
            let slice = Slice::build(one, &organisation, (&types, &labels, &actions))?;
            slices.insert(one.file.connector.clone(), Arc::new(slice));
        }
        Ok(Self {
            slices,
            schema: text,
            decisions: Mutex::new(LruCache::new(DECISIONS)),
        })
    }

    /// The Cedar schema that an organisation's policies are checked against.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
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

    /// Whether a caller is shown an action: whether a call of it, with arguments that no rule
    /// minds, would be allowed.
    #[must_use]
    pub fn offers(&self, caller: &Caller, connector: &str, action: &Action) -> bool {
        let none = serde_json::Value::Object(serde_json::Map::new());
        self.decide_on(caller, connector, (action, &none)).allows()
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
        let Some(slice) = self.slices.get(connector) else {
            return deny(
                vec![format!("no rules are in force for `{connector}`")],
                None,
            );
        };
        let fingerprint = slice.fingerprint(caller, action, arguments);
        if let Some(known) = self.cache().get(&fingerprint) {
            return known.clone();
        }
        let decision = slice
            .decide(caller, (action, arguments), fingerprint)
            .unwrap_or_else(|| deny(vec!["the call cannot be put to the rules".to_owned()], None));
        self.cache().put(fingerprint, decision.clone());
        decision
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, LruCache<Fingerprint, Decision>> {
        // A panic while the lock is held leaves a cache that is whole: puts are atomic to us.
        self.decisions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn deny(reasons: Vec<String>, told: Option<&str>) -> Decision {
    Decision::Deny {
        reasons: reasons.into(),
        told: told.unwrap_or("no rule allows this").into(),
    }
}

/// Something that only a defect of ours can break.
fn ours(rule: &str) -> FileErrors {
    FileErrors(vec![FileError {
        file: "drawbridge.yaml".to_owned(),
        line: 1,
        column: 1,
        place: String::new(),
        rule: format!("the rules cannot be compiled: {rule}"),
        mend: "report it as a defect of Drawbridge".to_owned(),
    }])
}

/// Every attribute a person may have, or that a permission asks for.
fn attributes(gateway: &GatewayFile, ruled: &[Ruled<'_>]) -> BTreeSet<String> {
    let of_people = gateway
        .people
        .values()
        .flat_map(|person| person.attributes.keys().cloned());
    let of_claims = gateway
        .oidc
        .iter()
        .flat_map(|oidc| oidc.claims.attributes.keys().cloned());
    let of_permissions = ruled
        .iter()
        .flat_map(|one| &one.file.permissions)
        .flat_map(|permission| permission.only.values())
        .flat_map(|only| only.values())
        .filter_map(|value| value.strip_prefix("person.").map(str::to_owned));
    of_people.chain(of_claims).chain(of_permissions).collect()
}

impl Slice {
    fn build(
        one: &Ruled<'_>,
        organisation: &[Policy],
        (types, labels, actions): (&Types, &Arc<Labels>, &Entities),
    ) -> Result<Self, FileErrors> {
        let mut hasher = Sha256::new();
        hasher.update(labels.words().join("\n"));
        let mut policies = PolicySet::new();
        for (id, text) in policy::of_permissions(one.file, labels) {
            hasher.update(text.as_bytes());
            let parsed = policy::parse(&id, &text).map_err(|error| ours(&error))?;
            policies
                .add(parsed)
                .map_err(|error| ours(&error.to_string()))?;
        }
        let mut reads_arguments = false;
        for rule in organisation {
            let text = rule.to_cedar().unwrap_or_default();
            reads_arguments |= text.contains("arguments");
            hasher.update(text.as_bytes());
            policies
                .add(rule.clone())
                .map_err(|error| ours(&error.to_string()))?;
        }
        Ok(Self {
            types: types.clone(),
            connector: one.file.connector.clone(),
            policies,
            labels: labels.clone(),
            actions: actions.clone(),
            reads_arguments,
            revision: hasher.finalize().into(),
        })
    }

    fn fingerprint(
        &self,
        caller: &Caller,
        action: &Action,
        arguments: &serde_json::Value,
    ) -> Fingerprint {
        let mut hasher = Sha256::new();
        // Each part ends with a byte that no text contains, so that parts cannot run together.
        let mut part = |text: &str| {
            hasher.update(text.as_bytes());
            hasher.update([0xff]);
        };
        part(&self.connector);
        part(action.name);
        part(&caller.person.id);
        caller.person.groups.iter().for_each(|group| part(group));
        part("");
        for (name, value) in &caller.person.attributes {
            part(name);
            part(value);
        }
        part("");
        part(&caller.client);
        part(caller.door.word());
        if self.reads_arguments {
            part(&arguments.to_string());
        }
        hasher.update(self.revision);
        Fingerprint(hasher.finalize().into())
    }

    fn decide(
        self: &Arc<Self>,
        caller: &Caller,
        (action, arguments): (&Action, &serde_json::Value),
        fingerprint: Fingerprint,
    ) -> Option<Decision> {
        let types = &self.types;
        let context = Context::from_pairs([
            (
                "client".to_owned(),
                RestrictedExpression::new_entity_uid(types.client_uid(&caller.client)),
            ),
            ("door".to_owned(), cedar::text(caller.door.word())),
            ("arguments".to_owned(), cedar::record(arguments).ok()?),
        ])
        .ok()?;
        let entities = types.caller(&caller.person, &caller.client, &self.connector)?;
        let entities = self.actions.clone().add_entities(entities, None).ok()?;
        let inner = Inner {
            slice: self.clone(),
            principal: types.person_uid(&caller.person.id),
            action: types.action_uid(&self.connector, action.name),
            context,
            entities,
            fingerprint,
        };
        let request = Request::new(
            inner.principal.clone(),
            inner.action.clone(),
            types.connector_uid(&self.connector),
            inner.context.clone(),
            None,
        )
        .ok()?;
        let response = Authorizer::new().is_authorized(&request, &self.policies, &inner.entities);
        let errors: Vec<String> = response
            .diagnostics()
            .errors()
            .map(|error| format!("a rule could not be evaluated: {error}"))
            .collect();
        if !errors.is_empty() {
            return Some(deny(errors, None));
        }
        let mut reasons: Vec<&PolicyId> = response.diagnostics().reason().collect();
        reasons.sort();
        Some(match response.decision() {
            Cedar::Allow => Decision::Allow {
                view: View::new(inner),
                reasons: reasons.iter().map(ToString::to_string).collect(),
            },
            Cedar::Deny => self.refusal(caller, action, &reasons),
        })
    }

    /// Which rule forbids, in its own words where it has an `@advice`; or that none permits.
    fn refusal(&self, caller: &Caller, action: &Action, forbids: &[&PolicyId]) -> Decision {
        if forbids.is_empty() {
            let reason = format!(
                "no permission of `{}` gives `{}` to {} through {}",
                self.connector, action.power, caller.person.id, caller.client
            );
            return deny(vec![reason], None);
        }
        let advice = forbids.iter().find_map(|id| {
            self.policies
                .policy(id)?
                .annotation("advice")
                .map(str::to_owned)
        });
        let reasons = forbids
            .iter()
            .map(|id| format!("forbidden by {id}"))
            .collect();
        deny(
            reasons,
            Some(
                advice
                    .as_deref()
                    .unwrap_or("a rule of the organisation forbids this"),
            ),
        )
    }
}
