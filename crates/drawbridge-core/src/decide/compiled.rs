//! Rules as they were compiled, with what they were compiled from: they are kept while that is the same.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use cedar_policy::{Policy, Schema};

use super::{
    book::{PolicyFile, Ruled, ours},
    cedar::{self, Types},
    policy,
    reads::{Reads, reads},
    slice::Slice,
};
use crate::{
    call::Action,
    connector::LABEL,
    file::{ConnectorFile, FileErrors, GatewayFile, Labels},
};

/// A rule, with what its outcome can depend on.
#[derive(Clone)]
pub(super) struct Parsed {
    pub(super) rule: Policy,
    pub(super) reads: Reads,
}

impl Parsed {
    fn new(rule: Policy) -> Self {
        let reads = reads(&rule);
        Self { rule, reads }
    }
}

/// The organisation's own rules.
#[derive(Default)]
pub(super) struct Organisation {
    pub(super) files: Vec<PolicyFile>,
    /// Of each file.
    rules: Vec<Vec<Parsed>>,
}

impl Organisation {
    pub(super) fn read(files: &[PolicyFile]) -> Result<Self, FileErrors> {
        let mut rules = Vec::new();
        for file in files {
            let parsed = policy::of_organisation(file)?;
            rules.push(parsed.into_iter().map(Parsed::new).collect());
        }
        Ok(Self {
            files: files.to_vec(),
            rules,
        })
    }

    /// Type-checks the rules. Where there are none, nothing is checked against the schema.
    pub(super) fn validate(&self, schema: &str) -> Result<(), FileErrors> {
        if self.files.is_empty() {
            return Ok(());
        }
        let (parsed, _) = Schema::from_cedarschema_str(schema)
            .map_err(|error| ours(&format!("{error}\n{schema}")))?;
        for (file, rules) in self.files.iter().zip(&self.rules) {
            let rules: Vec<Policy> = rules.iter().map(|parsed| parsed.rule.clone()).collect();
            policy::validate(&parsed, file, &rules)?;
        }
        Ok(())
    }
}

/// All rules that can bear on one connector.
pub(super) struct Compiled {
    file: Arc<ConnectorFile>,
    actions: Arc<[Arc<Action>]>,
    /// By action.
    pub(super) slices: HashMap<Cow<'static, str>, Arc<Slice>>,
    /// Its actions in the schema.
    pub(super) schema: String,
}

impl Compiled {
    pub(super) fn new(
        one: &Ruled<'_>,
        (types, labels): (&Types, &Arc<Labels>),
        organisation: &Organisation,
    ) -> Result<Self, FileErrors> {
        let mut rules = permissions(one.file, labels)?;
        rules.extend(organisation.rules.iter().flatten().cloned());
        let mut slices = HashMap::new();
        let part = one.file.part();
        let (mut always, mut shows) = (one.kind.always(&part), one.kind.shows(&part));
        for action in one.actions.iter() {
            let place = (one.file.connector.as_str(), &**action);
            let always = always.remove(&*action.name).unwrap_or_default();
            let shows = shows.remove(&*action.name).unwrap_or_default();
            let slice = Slice::build((types, labels), place, (always, shows), &rules);
            let slice = slice.map_err(|error| ours(&error))?;
            slices.insert(action.name.clone(), Arc::new(slice));
        }
        Ok(Self {
            file: one.file.clone(),
            actions: one.actions.clone(),
            slices,
            schema: cedar::actions(&one.file.connector, one.actions),
        })
    }

    /// Whether it was made from just this file and these actions.
    pub(super) fn is_of(&self, one: &Ruled<'_>) -> bool {
        Arc::ptr_eq(&self.file, one.file) && Arc::ptr_eq(&self.actions, one.actions)
    }
}

/// The grants of a connector's file as rules.
fn permissions(file: &ConnectorFile, labels: &Labels) -> Result<Vec<Parsed>, FileErrors> {
    let texts = policy::of_permissions(file, labels).into_iter();
    let parsed = texts.map(|(id, text)| policy::parse(&id, &text).map(Parsed::new));
    let rules: Result<Vec<Parsed>, String> = parsed.collect();
    rules.map_err(|error| ours(&error))
}

/// Every attribute a person may have, or that a permission asks for.
pub(super) fn attributes(gateway: &GatewayFile, ruled: &[Ruled<'_>]) -> BTreeSet<String> {
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

/// Every facet of a resource but its label, which all have.
pub(super) fn facets(ruled: &[Ruled<'_>]) -> BTreeSet<String> {
    let facets = ruled.iter().flat_map(|one| one.kind.facets());
    let names = facets.map(|facet| facet.name.to_owned());
    names.filter(|name| name != LABEL).collect()
}
