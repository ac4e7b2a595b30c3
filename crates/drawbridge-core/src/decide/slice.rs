//! The rules that can bear on one action of one connector, and who stands before them.

use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Decision as Cedar, Effect, Entities, EntityUid, Policy, PolicyId,
    PolicySet, Request, RestrictedExpression,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    Decision, Fingerprint, View,
    cedar::{self, Types},
    compiled::Parsed,
    reads::{Reads, bears_on},
    view::{Inner, Resource},
};
use crate::{
    call::{Action, Caller},
    file::Labels,
};

/// The rules that can bear on one action.
pub(super) struct Slice {
    pub(super) types: Types,
    pub(super) connector: String,
    pub(super) action: EntityUid,
    pub(super) labels: Arc<Labels>,
    power: EntityUid,
    word: &'static str,
    /// What decides a call whatever its arguments are: known once the caller is.
    settled: PolicySet,
    /// What decides a call by its arguments.
    asked: PolicySet,
    /// What decides of each resource, once a call is allowed.
    of_resources: PolicySet,
    /// Whether what may be seen depends on the arguments.
    resources_read_arguments: bool,
    /// What every call of the action is done to; empty where that hangs on its arguments.
    pub(super) always: Resource,
    /// The other actions whose answers its plans show.
    pub(super) shows: Vec<String>,
    revision: [u8; 32],
}

/// A caller before the rules: everything that is known before the arguments are.
pub(super) struct Standing {
    pub(super) slice: Arc<Slice>,
    pub(super) principal: EntityUid,
    pub(super) entities: Entities,
    /// What the rules say that do not look at arguments.
    settled: Outcome,
    /// Whether the one thing that the action is done to is kept from them.
    kept_from: bool,
}

/// What identifies a question to the rules.
pub(super) struct Question {
    /// Who asks, for which action, under which rules.
    pub(super) standing: Fingerprint,
    /// All that the decision depends on.
    pub(super) decision: Fingerprint,
    /// All that it depends on what may be seen.
    view: Fingerprint,
    /// How many bytes of arguments the decision looks at.
    pub(super) arguments: usize,
}

impl Slice {
    /// Takes from `rules` those that can bear on `action`.
    pub(super) fn build(
        (types, labels): (&Types, &Arc<Labels>),
        (connector, action): (&str, &Action),
        (always, shows): (Resource, Vec<String>),
        rules: &[Parsed],
    ) -> Result<Self, String> {
        let mut slice = Self {
            types: types.clone(),
            connector: connector.to_owned(),
            action: types.action_uid(connector, &action.name),
            power: types.power_uid(action.power),
            word: action.power.word(),
            labels: labels.clone(),
            settled: PolicySet::new(),
            asked: PolicySet::new(),
            of_resources: PolicySet::new(),
            resources_read_arguments: false,
            always,
            shows,
            revision: [0; 32],
        };
        let mut hasher = Sha256::new();
        for part in [connector, &*action.name, slice.word] {
            part_of(&mut hasher, part);
        }
        part_of(&mut hasher, &labels.words().join("\n"));
        for (facet, value) in &slice.always.0 {
            part_of(&mut hasher, facet);
            part_of(&mut hasher, value);
        }
        for parsed in rules {
            if bears_on(&parsed.rule, &slice.action, &slice.power) {
                part_of(&mut hasher, &parsed.rule.to_string());
                slice.add(parsed)?;
            }
        }
        slice.revision = hasher.finalize().into();
        Ok(slice)
    }

    fn add(&mut self, Parsed { rule, reads }: &Parsed) -> Result<(), String> {
        let Reads {
            arguments,
            resource,
        } = *reads;
        let broken = |error: cedar_policy::PolicySetError| error.to_string();
        let part = if arguments {
            &mut self.asked
        } else {
            &mut self.settled
        };
        part.add(rule.clone()).map_err(broken)?;
        // A call is allowed only when no forbid holds and none fails. One that does not look at the
        // resource holds of no resource then, nor does it fail.
        if resource || rule.effect() == Effect::Permit {
            self.of_resources.add(rule.clone()).map_err(broken)?;
            self.resources_read_arguments |= arguments;
        }
        Ok(())
    }

    /// Identifies the rules in it.
    pub(super) fn revision(&self) -> String {
        hex::encode(self.revision)
    }

    /// Whether a call's decision depends on its arguments.
    pub(super) fn reads_arguments(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Whether a rule that looks at arguments can permit.
    fn asks_permits(&self) -> bool {
        let mut asked = self.asked.policies();
        asked.any(|rule| rule.effect() == Effect::Permit)
    }

    /// What identifies a caller's question with these arguments.
    pub(super) fn question(&self, caller: &Caller, arguments: &Value) -> Question {
        let mut hasher = Sha256::new();
        hasher.update(self.revision);
        part_of(&mut hasher, &caller.person.id);
        // Lists begin with their length, so that one cannot go on where another ends.
        hasher.update(caller.person.groups.len().to_le_bytes());
        for group in &caller.person.groups {
            part_of(&mut hasher, group);
        }
        hasher.update(caller.person.attributes.len().to_le_bytes());
        for (name, value) in &caller.person.attributes {
            part_of(&mut hasher, name);
            part_of(&mut hasher, value);
        }
        part_of(&mut hasher, &caller.client);
        part_of(&mut hasher, caller.door.word());
        let standing = Fingerprint(hasher.clone().finalize().into());
        let (decision, arguments) = if self.reads_arguments() {
            let arguments = arguments.to_string();
            part_of(&mut hasher, &arguments);
            (Fingerprint(hasher.finalize().into()), arguments.len())
        } else {
            (standing, 0)
        };
        let view = if self.resources_read_arguments {
            decision
        } else {
            standing
        };
        Question {
            standing,
            decision,
            view,
            arguments,
        }
    }

    /// Puts a caller before the rules.
    pub(super) fn standing(self: &Arc<Self>, caller: &Caller) -> Option<Standing> {
        let types = &self.types;
        let mut entities = types.caller(&caller.person, &caller.client, &self.connector)?;
        entities.extend(types.action(&self.action, &self.power)?);
        let mut standing = Standing {
            slice: self.clone(),
            principal: types.person_uid(&caller.person.id),
            entities: Entities::from_entities(entities, None).ok()?,
            settled: Outcome::default(),
            kept_from: false,
        };
        let context = self.context(caller, &Value::Null)?;
        standing.settled = standing.ask(context.clone(), &self.settled)?;
        // Where rules look at arguments too, each call tells.
        if !self.always.0.is_empty() && !self.resources_read_arguments {
            standing.kept_from = !standing.ask_of(&self.always, context).unwrap_or(false);
        }
        Some(standing)
    }

    /// What rules know beside caller, action and resource.
    fn context(&self, caller: &Caller, arguments: &Value) -> Option<Context> {
        let client = self.types.client_uid(&caller.client);
        let client = RestrictedExpression::new_entity_uid(client);
        let pairs = [
            ("client".to_owned(), client),
            ("door".to_owned(), cedar::text(caller.door.word())),
            ("arguments".to_owned(), cedar::record(arguments).ok()?),
        ];
        Context::from_pairs(pairs).ok()
    }

    fn policy(&self, id: &PolicyId) -> Option<&Policy> {
        self.settled.policy(id).or_else(|| self.asked.policy(id))
    }

    /// Which rule forbids, in its own words where it has an `@advice`; or that none permits.
    fn refusal(&self, caller: &Caller, mut forbids: Vec<PolicyId>) -> Decision {
        forbids.sort();
        if forbids.is_empty() {
            let reason = format!(
                "no permission of `{}` gives `{}` to {} through {}",
                self.connector, self.word, caller.person.id, caller.client
            );
            return Decision::deny(vec![reason], None);
        }
        let advice = forbids
            .iter()
            .find_map(|id| self.policy(id)?.annotation("advice"));
        let reasons = forbids
            .iter()
            .map(|id| format!("forbidden by {id}"))
            .collect();
        let told = advice.unwrap_or("a rule of the organisation forbids this");
        Decision::deny(reasons, Some(told))
    }
}

impl Standing {
    /// Decides a call with these arguments; none where it cannot be put to the rules.
    pub(super) fn decide(
        self: &Arc<Self>,
        caller: &Caller,
        arguments: &Value,
        question: &Question,
    ) -> Option<Decision> {
        let slice = &self.slice;
        let mut outcome = self.settled.clone();
        // Where no rule looks at the arguments, they are not even put into its words.
        let arguments = if slice.reads_arguments() {
            arguments
        } else {
            &Value::Null
        };
        let context = slice.context(caller, arguments)?;
        if slice.reads_arguments() {
            outcome.extend(self.ask(context.clone(), &slice.asked)?);
        }
        if !outcome.errors.is_empty() {
            return Some(Decision::deny(outcome.errors, None));
        }
        if !outcome.forbids.is_empty() || outcome.permits.is_empty() {
            return Some(slice.refusal(caller, outcome.forbids));
        }
        outcome.permits.sort();
        Some(Decision::Allow {
            view: View::new(Inner {
                standing: self.clone(),
                context,
                fingerprint: question.view,
            }),
            reasons: outcome.permits.iter().map(ToString::to_string).collect(),
        })
    }

    /// Why every call is denied, by the rules that do not look at arguments; none where those that
    /// do decide.
    pub(super) fn withholds(&self, caller: &Caller) -> Option<Decision> {
        let Outcome {
            errors,
            permits,
            forbids,
        } = &self.settled;
        if !errors.is_empty() {
            return Some(Decision::deny(errors.clone(), None));
        }
        let permitted = (!permits.is_empty() || self.slice.asks_permits()) && !self.kept_from;
        (!forbids.is_empty() || !permitted).then(|| self.slice.refusal(caller, forbids.clone()))
    }

    /// Why the action is forbidden, whatever it is done to; none where no rule forbids it so.
    pub(super) fn forbids(&self, caller: &Caller) -> Option<Decision> {
        let Outcome {
            errors, forbids, ..
        } = &self.settled;
        if !errors.is_empty() {
            return Some(Decision::deny(errors.clone(), None));
        }
        (!forbids.is_empty()).then(|| self.slice.refusal(caller, forbids.clone()))
    }

    /// Whether the caller may see a resource with these facets; none where that cannot be put to the
    /// rules.
    pub(super) fn admits(&self, resource: &Resource, context: &Context) -> Option<bool> {
        match self.known_of(resource) {
            Some(known) => Some(known),
            None => self.ask_of(resource, context.clone()),
        }
    }

    /// The same, where it was asked before the arguments were known and hangs on nothing else.
    fn known_of(&self, resource: &Resource) -> Option<bool> {
        let slice = &self.slice;
        let was_asked = !slice.always.0.is_empty() && !slice.resources_read_arguments;
        (was_asked && *resource == slice.always).then_some(!self.kept_from)
    }

    fn ask_of(&self, resource: &Resource, context: Context) -> Option<bool> {
        let slice = &self.slice;
        let entity = slice
            .types
            .resource(resource, &slice.connector, &slice.labels)?;
        let entities = self.entities.clone().add_entities([entity], None).ok()?;
        let request = Request::new(
            self.principal.clone(),
            slice.action.clone(),
            slice.types.resource_uid(),
            context,
            None,
        )
        .ok()?;
        let response = Authorizer::new().is_authorized(&request, &slice.of_resources, &entities);
        // Cedar skips a rule that fails; we do not: a forbid that cannot be evaluated forbids.
        let failed = response.diagnostics().errors().next().is_some();
        Some(response.decision() == Cedar::Allow && !failed)
    }

    /// What some rules say of the connector as a whole.
    fn ask(&self, context: Context, rules: &PolicySet) -> Option<Outcome> {
        let slice = &self.slice;
        let request = Request::new(
            self.principal.clone(),
            slice.action.clone(),
            slice.types.connector_uid(&slice.connector),
            context,
            None,
        )
        .ok()?;
        let response = Authorizer::new().is_authorized(&request, rules, &self.entities);
        let errors = response.diagnostics().errors();
        let errors = errors.map(|error| format!("a rule could not be evaluated: {error}"));
        let reasons = response.diagnostics().reason().cloned().collect();
        let (permits, forbids) = match response.decision() {
            Cedar::Allow => (reasons, Vec::new()),
            Cedar::Deny => (Vec::new(), reasons),
        };
        Some(Outcome {
            errors: errors.collect(),
            permits,
            forbids,
        })
    }
}

/// What rules said: those that hold, and those that could not be evaluated.
#[derive(Debug, Clone, Default)]
struct Outcome {
    errors: Vec<String>,
    permits: Vec<PolicyId>,
    forbids: Vec<PolicyId>,
}

impl Outcome {
    /// What all rules said, where some were asked apart from others.
    fn extend(&mut self, other: Self) {
        self.errors.extend(other.errors);
        self.permits.extend(other.permits);
        self.forbids.extend(other.forbids);
    }
}

/// Each part ends with a byte that no text contains, so that parts cannot run together.
fn part_of(hasher: &mut Sha256, text: &str) {
    hasher.update(text.as_bytes());
    hasher.update([0xff]);
}
