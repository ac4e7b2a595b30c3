//! Properties of decisions, over random people, permissions, policies and resources.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use cedar_policy::{Authorizer, Context, Entities, PolicySet, Request, RestrictedExpression};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    Decision, PolicyFile, Resource, RuleBook, Ruled,
    cedar::{self, Types},
    policy,
};
use crate::{
    answer::Failure,
    call::{Action, Call, Caller, Door, Person, Power},
    connector::{Connector, Facet, Kind, LABEL, Part, Schema},
    exchange::Exchange,
    file::{Change, ConnectorFile, Fault, GatewayFile, Labels, read_connector, read_gateway},
};

/// A kind as far as rules know one: facets and actions.
struct Shelf;

static FACETS: &[Facet] = &[
    Facet {
        name: LABEL,
        meaning: "how sensitive it is",
    },
    Facet {
        name: "department",
        meaning: "whose it is",
    },
    Facet {
        name: "folder",
        meaning: "where it is",
    },
];

#[async_trait]
impl Kind for Shelf {
    fn name(&self) -> &'static str {
        "shelf"
    }

    fn summary(&self) -> &'static str {
        "Things with facets"
    }

    fn powers(&self) -> &'static [Power] {
        &[Power::Read, Power::Search]
    }

    fn schema(&self) -> Schema {
        let any = json!({"type": "object", "properties": {}});
        Schema {
            system: any.clone(),
            scope: any,
        }
    }

    fn facets(&self) -> &'static [Facet] {
        FACETS
    }

    fn actions(&self, _: &Part) -> Vec<Action> {
        let action = |name, power| Action {
            name: Cow::Borrowed(name),
            title: String::new(),
            description: String::new(),
            power,
            input: json!({"type": "object", "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}}}),
            output: Value::Null,
        };
        vec![action("read", Power::Read), action("search", Power::Search)]
    }

    /// Of what a search is always done to, the rules are asked once for each caller.
    fn always(&self, _: &Part) -> BTreeMap<String, Resource> {
        [("search".to_owned(), always())].into()
    }

    /// What is searched for would be shown in the plan of a read, if there were such.
    fn shows(&self, _: &Part) -> BTreeMap<String, Vec<String>> {
        [("read".to_owned(), vec!["search".to_owned()])].into()
    }

    fn check(&self, _: &Part, _: &Labels) -> Vec<Fault> {
        Vec::new()
    }

    fn compare(&self, _: &Part, _: &Part, _: &Labels) -> Vec<Change> {
        Vec::new()
    }

    async fn open(
        &self,
        _: &Part,
        _: crate::connector::Context,
    ) -> Result<Arc<dyn Connector>, Failure> {
        Err(Failure::invalid("it only has rules"))
    }
}

/// Everything that decides.
struct World {
    gateway: GatewayFile,
    file: Arc<ConnectorFile>,
    actions: Arc<[Arc<Action>]>,
    policies: Vec<PolicyFile>,
    book: RuleBook,
}

const PEOPLE: [&str; 3] = ["ann@x.se", "bob@x.se", "eve@x.se"];
const CLIENTS: [&str; 2] = ["claude", "cursor"];
const QUERIES: [&str; 3] = ["salaries", "weather", "merger"];

const GATEWAY: &str = "gateway: x
operator: ann@x.se
anonymous: true
people:
  ann@x.se: {groups: [hr, staff], attributes: {department: hr}}
  bob@x.se: {groups: [staff], attributes: {department: sales}}
  eve@x.se: {}
";

/// Rules of every sort: by caller, action, resource, arguments; some that fail when evaluated.
const RULES: [&str; 16] = [
    r#"forbid(principal in Drawbridge::Group::"hr", action, resource);"#,
    r#"forbid(principal == Drawbridge::Person::"bob@x.se", action, resource);"#,
    r#"forbid(principal, action == Drawbridge::Action::"things_search", resource);"#,
    r#"forbid(principal, action in Drawbridge::Action::"read", resource is Drawbridge::Resource);"#,
    r#"forbid(principal, action, resource) when { context.client == Drawbridge::Client::"claude" };"#,
    r#"forbid(principal, action, resource) when { context.door == "api" };"#,
    r#"forbid(principal, action, resource) when { context.arguments has query && context.arguments.query == "salaries" };"#,
    r#"forbid(principal, action == Drawbridge::Action::"things_search", resource) when { context["argum\u{65}nts"] has limit && context.arguments.limit > 5 };"#,
    r#"forbid(principal, action, resource is Drawbridge::Resource) when { context.arguments has query && context.arguments.query == "merger" && resource.rank > 0 };"#,
    r#"forbid(principal, action, resource is Drawbridge::Resource) when { resource.rank >= 2 } unless { principal in Drawbridge::Group::"hr" };"#,
    r#"forbid(principal, action, resource) when { resource is Drawbridge::Resource && resource has department && resource.department == "sales" };"#,
    r#"forbid(principal, action, resource) unless { principal has department };"#,
    r#"forbid(principal, action, resource is Drawbridge::Resource) when { resource.rank + 9223372036854775806 > 0 };"#,
    r#"forbid(principal, action, resource) when { context.arguments has limit && context.arguments.limit * 9223372036854775807 > 0 };"#,
    r#"forbid(principal, action, resource == Drawbridge::Connector::"things");"#,
    r#"forbid(principal, action, resource in Drawbridge::Connector::"things") when { resource has folder && resource.folder like "a*" };"#,
];

impl World {
    fn new(permissions: &[String], rules: &[usize]) -> Self {
        let gateway = read_gateway("drawbridge.yaml", GATEWAY).unwrap();
        let mut text =
            "connector: things\npurpose: {task: test, owner: ann@x.se}\nsystem: {kind: shelf}\n\
             access: [read, search]\nidentity: {account: none}\npermissions:\n"
                .to_owned();
        for permission in permissions {
            text.push_str(&format!("  - {permission}\n"));
        }
        if permissions.is_empty() {
            text = text.replace("permissions:\n", "permissions: []\n");
        }
        static KINDS: &[&'static dyn Kind] = &[&Shelf];
        let (file, kind) = read_connector("things.yaml", "things", &text, &gateway, KINDS).unwrap();
        let file = Arc::new(file);
        let actions: Arc<[Arc<Action>]> = kind
            .actions(&file.part())
            .into_iter()
            .map(Arc::new)
            .collect();
        let policies = vec![PolicyFile {
            name: "policies/x.cedar".to_owned(),
            text: rules
                .iter()
                .map(|rule| RULES[*rule])
                .collect::<Vec<_>>()
                .join("\n"),
        }];
        let ruled = Ruled {
            file: &file,
            kind,
            actions: &actions,
        };
        let book = RuleBook::build(&gateway, &[ruled], &policies).unwrap();
        Self {
            gateway,
            file,
            actions,
            policies,
            book,
        }
    }

    fn call(&self, asked: &Asked) -> Call {
        let known = PEOPLE.get(asked.person);
        let person = known.map_or_else(Person::anonymous, |id| self.gateway.person(id).unwrap());
        let mut arguments = json!({"query": QUERIES[asked.query]});
        if let Some(limit) = asked.limit {
            arguments["limit"] = limit.into();
        }
        Call {
            id: "x".into(),
            caller: Caller {
                person: Arc::new(person),
                client: CLIENTS[asked.client].into(),
                task: None,
                token: None,
                door: if asked.api { Door::Api } else { Door::Mcp },
                trace: None,
            },
            connector: "things".into(),
            revision: "r".into(),
            action: self.actions[asked.action].clone(),
            arguments,
            exchange: Exchange::default(),
        }
    }

    /// Whether the call is allowed, and which of the resources may be seen then.
    fn seen(&self, call: &Call, resources: &[Resource]) -> (bool, Vec<bool>) {
        match self.book.decide(call) {
            Decision::Allow { view, .. } => {
                (true, resources.iter().map(|one| view.admits(one)).collect())
            }
            Decision::Deny { .. } => (false, vec![false; resources.len()]),
        }
    }

    /// The same by Cedar itself, with all rules, entities and nothing remembered.
    fn by_cedar(&self, call: &Call, resources: &[Resource]) -> (bool, Vec<bool>) {
        let (types, labels) = (Types::new().unwrap(), self.gateway.labels());
        let mut rules = PolicySet::new();
        for (id, text) in policy::of_permissions(&self.file, &labels) {
            rules.add(policy::parse(&id, &text).unwrap()).unwrap();
        }
        for rule in policy::of_organisation(&self.policies[0]).unwrap() {
            rules.add(rule).unwrap();
        }
        let caller = &call.caller;
        let ask = |resource: Option<&Resource>| {
            let mut entities = types
                .caller(&caller.person, &caller.client, "things")
                .unwrap();
            for action in self.actions.iter() {
                let uid = types.action_uid("things", &action.name);
                entities
                    .push(types.action(&uid, &types.power_uid(action.power)).unwrap()[0].clone());
            }
            let about = match resource {
                None => types.connector_uid("things"),
                Some(resource) => {
                    entities.push(types.resource(resource, "things", &labels)?);
                    types.resource_uid()
                }
            };
            let client = RestrictedExpression::new_entity_uid(types.client_uid(&caller.client));
            let context = Context::from_pairs([
                ("client".to_owned(), client),
                ("door".to_owned(), cedar::text(caller.door.word())),
                ("arguments".to_owned(), cedar::record(&call.arguments).ok()?),
            ]);
            let (who, what) = (
                types.person_uid(&caller.person.id),
                types.action_uid("things", &call.action.name),
            );
            let request = Request::new(who, what, about, context.ok()?, None).ok()?;
            let entities = Entities::from_entities(entities, None).ok()?;
            let answer = Authorizer::new().is_authorized(&request, &rules, &entities);
            let failed = answer.diagnostics().errors().next().is_some();
            Some(answer.decision() == cedar_policy::Decision::Allow && !failed)
        };
        let allowed = ask(None).unwrap_or(false);
        let of = |resource| allowed && ask(Some(resource)).unwrap_or(false);
        (allowed, resources.iter().map(of).collect())
    }
}

#[derive(Debug, Clone, Default)]
struct Asked {
    person: usize,
    client: usize,
    action: usize,
    query: usize,
    limit: Option<i64>,
    api: bool,
}

fn asked() -> impl Strategy<Value = Asked> {
    (
        0..4_usize,
        0..2_usize,
        0..2_usize,
        0..3_usize,
        prop::option::of(0..10_i64),
        any::<bool>(),
    )
        .prop_map(|(person, client, action, query, limit, api)| Asked {
            person,
            client,
            action,
            query,
            limit,
            api,
        })
}

fn permission() -> impl Strategy<Value = String> {
    let who = prop::sample::select(vec![
        "everyone",
        "group:hr",
        "group:staff",
        "client:claude",
        "bob@x.se",
        "anonymous",
    ]);
    let may = prop::sample::select(vec!["read", "search", "read, search"]);
    (
        who,
        may,
        prop::option::of(label()),
        prop::option::of(facet()),
    )
        .prop_map(|(who, may, label, facet)| {
            let only: Vec<String> = label.into_iter().chain(facet).collect();
            format!(
                "{{who: [\"{who}\"], may: [{may}], only: {{{}}}}}",
                only.join(", ")
            )
        })
}

fn label() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "label: {up_to: internal}",
        "label: public",
        "label: [internal, restricted]",
    ])
    .prop_map(str::to_owned)
}

fn facet() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "department: person.department",
        "department: [hr, sales]",
        "folder: \"a/**\"",
        "folder: \"*b*\"",
    ])
    .prop_map(str::to_owned)
}

/// Every label, one that is none and none at all, of two departments and three folders.
fn resources() -> Vec<Resource> {
    let mut all = Vec::new();
    for label in [
        Some("public"),
        Some("internal"),
        Some("confidential"),
        Some("restricted"),
        Some("other"),
        None,
    ] {
        for department in [None, Some("hr"), Some("sales")] {
            for folder in ["a", "a/b", "c"] {
                let mut facets = BTreeMap::from([("folder", folder.to_owned())]);
                facets.extend(label.map(|label| (LABEL, label.to_owned())));
                facets.extend(department.map(|one| ("department", one.to_owned())));
                all.push(Resource(facets));
            }
        }
    }
    all
}

/// One of them.
fn always() -> Resource {
    let facets = [
        (LABEL, "internal"),
        ("department", "sales"),
        ("folder", "a/b"),
    ];
    Resource(facets.map(|(name, value)| (name, value.to_owned())).into())
}

fn permissions() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(permission(), 0..5)
}

fn rules() -> impl Strategy<Value = Vec<usize>> {
    let all: Vec<usize> = (0..RULES.len()).collect();
    prop::sample::subsequence(all, 0..6)
}

/// Whether everything that `less` lets through, `more` lets through too.
fn within(less: &(bool, Vec<bool>), more: &(bool, Vec<bool>)) -> bool {
    (!less.0 || more.0)
        && less
            .1
            .iter()
            .zip(&more.1)
            .all(|(less, more)| !less || *more)
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    // PROPTEST_CASES asks for more.
    if config.cases == 256 {
        config.cases = 16;
    }
    config.failure_persistence = None;
    config
}

proptest! {
    #![proptest_config(config())]

    /// What is sliced, prepared and remembered decides as Cedar does with everything before it.
    #[test]
    fn decides_as_cedar_does(permissions in permissions(), rules in rules(), asked in prop::collection::vec(asked(), 1..12)) {
        let (world, resources) = (World::new(&permissions, &rules), resources());
        prop_assert!(resources.contains(&always()));
        for asked in asked.iter().chain(&asked) {
            let call = world.call(asked);
            prop_assert_eq!(world.seen(&call, &resources), world.by_cedar(&call, &resources));
        }
    }

    #[test]
    fn one_more_forbid_never_allows_more(permissions in permissions(), mut rules in rules(), more in 0..RULES.len(), asked in asked()) {
        let (before, resources) = (World::new(&permissions, &rules), resources());
        rules.push(more);
        let after = World::new(&permissions, &rules);
        let call = before.call(&asked);
        prop_assert!(within(&after.seen(&call, &resources), &before.seen(&call, &resources)));
    }

    #[test]
    fn one_more_permission_never_denies_more(mut permissions in permissions(), rules in rules(), more in permission(), asked in asked()) {
        let (before, resources) = (World::new(&permissions, &rules), resources());
        permissions.push(more);
        let after = World::new(&permissions, &rules);
        let call = before.call(&asked);
        prop_assert!(within(&before.seen(&call, &resources), &after.seen(&call, &resources)));
    }

    #[test]
    fn a_narrower_part_admits_no_more(who in prop::sample::select(vec!["everyone", "group:staff"]), label in label(), facet in facet(), asked in asked()) {
        let of = |only: &str| vec![format!("{{who: [\"{who}\"], may: [read, search], only: {{{only}}}}}")];
        let resources = resources();
        let narrow = World::new(&of(&format!("{label}, {facet}")), &[]);
        for wide in ["", label.as_str(), facet.as_str()] {
            let wide = World::new(&of(wide), &[]);
            let call = wide.call(&asked);
            prop_assert!(within(&narrow.seen(&call, &resources), &wide.seen(&call, &resources)));
        }
    }

    /// What a plan shows of another action, its caller may ask for with any arguments.
    #[test]
    fn plans_show_what_their_callers_may_ask_for(permissions in permissions(), rules in rules(), mut asked in asked()) {
        let world = World::new(&permissions, &rules);
        asked.action = 0;
        let shows = match world.book.decide(&world.call(&asked)) {
            Decision::Allow { view, .. } => view.shows("search"),
            Decision::Deny { .. } => false,
        };
        asked.action = 1;
        for (query, limit) in (0..QUERIES.len()).flat_map(|query| [None, Some(1), Some(1000)].map(|limit| (query, limit))) {
            let call = world.call(&Asked { query, limit, ..asked.clone() });
            prop_assert!(!shows || world.by_cedar(&call, &[always()]) == (true, vec![true]));
        }
    }

    /// What kinds remember by the fingerprint of a view is true of every view that has it.
    #[test]
    fn views_of_one_fingerprint_admit_the_same(permissions in permissions(), rules in rules(), asked in prop::collection::vec(asked(), 2..12)) {
        let (world, resources) = (World::new(&permissions, &rules), resources());
        let mut known = BTreeMap::new();
        for asked in &asked {
            let Decision::Allow { view, .. } = world.book.decide(&world.call(asked)) else {
                continue;
            };
            let admits: Vec<bool> = resources.iter().map(|one| view.admits(one)).collect();
            let before = known.entry(view.fingerprint().0).or_insert_with(|| admits.clone());
            prop_assert_eq!(&*before, &admits);
        }
    }
}

#[test]
fn a_plan_shows_another_action_to_those_who_have_its_power() {
    for (may, only, rules, shows) in [
        ("read, search", "", &[][..], true),
        ("read", "", &[], false),
        ("read, search", "label: internal", &[], true),
        ("read, search", "department: hr", &[], false),
        // The arguments of what is shown are not known to the rules.
        ("read, search", "", &[7], false),
    ] {
        let permission = format!("{{who: [everyone], may: [{may}], only: {{{only}}}}}");
        let world = World::new(&[permission], rules);
        let asked = Asked {
            action: 0,
            ..Asked::default()
        };
        let Decision::Allow { view, .. } = world.book.decide(&world.call(&asked)) else {
            panic!("{may} {only}: denied");
        };
        assert_eq!(view.shows("search"), shows, "{may} {only}");
        assert!(!view.shows("read"));
    }
}

fn everyone(only: &str) -> Vec<String> {
    vec![format!(
        "{{who: [everyone], may: [read, search], only: {{{only}}}}}"
    )]
}

const ANN: Asked = Asked {
    person: 0,
    client: 0,
    action: 0,
    query: 1,
    limit: None,
    api: false,
};

#[test]
fn labels_admit_in_their_order_and_unknown_ones_never() {
    let labels = ["public", "internal", "confidential", "restricted"];
    for (rank, bound) in labels.iter().enumerate() {
        let world = World::new(&everyone(&format!("label: {{up_to: {bound}}}")), &[]);
        let Decision::Allow { view, .. } = world.book.decide(&world.call(&ANN)) else {
            panic!("denied");
        };
        for (place, label) in labels.iter().enumerate() {
            let resource = Resource([(LABEL, (*label).to_owned())].into());
            assert_eq!(
                view.admits(&resource),
                place <= rank,
                "{label} up to {bound}"
            );
        }
        let other = Resource([(LABEL, "other".to_owned())].into());
        assert!(!view.admits(&other) && !view.admits(&Resource::default()));
    }
}

#[test]
fn a_rule_that_cannot_be_evaluated_denies_and_says_so() {
    let world = World::new(&everyone(""), &[13]);
    let limited = Asked {
        limit: Some(2),
        ..ANN
    };
    assert!(world.book.decide(&world.call(&ANN)).allows());
    let Decision::Deny { reasons, .. } = world.book.decide(&world.call(&limited)) else {
        panic!("allowed");
    };
    assert!(reasons[0].contains("could not be evaluated"), "{reasons:?}");
    // The rule fails for resources only: the call is allowed, and those are not seen.
    let world = World::new(&everyone(""), &[12]);
    let (allowed, seen) = world.seen(&world.call(&ANN), &resources());
    let public = resources()
        .iter()
        .position(|one| one.0.get(LABEL).is_some_and(|label| label == "restricted"));
    assert!(allowed && !seen[public.unwrap()]);
}

#[test]
fn a_change_of_membership_is_another_question() {
    let world = World::new(&["{who: [\"group:hr\"], may: [read]}".to_owned()], &[]);
    let mut call = world.call(&ANN);
    let Decision::Allow { view, .. } = world.book.decide(&call) else {
        panic!("denied");
    };
    let person = |groups: &[&str], department: &str| {
        Arc::new(Person {
            id: PEOPLE[0].to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            attributes: [("department".to_owned(), department.to_owned())].into(),
        })
    };
    call.caller.person = person(&["staff"], "hr");
    assert!(!world.book.decide(&call).allows(), "left the group");
    call.caller.person = person(&["hr", "staff"], "sales");
    let Decision::Allow { view: moved, .. } = world.book.decide(&call) else {
        panic!("denied");
    };
    assert_ne!(view.fingerprint(), moved.fingerprint(), "other attributes");
    call.caller.person = person(&["hr"], "hr");
    let Decision::Allow { view: fewer, .. } = world.book.decide(&call) else {
        panic!("denied");
    };
    assert_ne!(view.fingerprint(), fewer.fingerprint(), "other groups");
}

#[test]
fn what_is_remembered_is_bounded_and_stays_true() {
    let world = World::new(&everyone("label: {up_to: internal}"), &[6]);
    let resources = resources();
    let first = world.seen(&world.call(&ANN), &resources);
    for number in 0..2_500 {
        let mut call = world.call(&ANN);
        call.caller.client = format!("client-{number}").into();
        call.arguments = json!({"query": "weather"});
        assert!(world.book.decide(&call).allows());
    }
    let (standings, decisions) = world.book.remembered();
    assert!(
        standings <= 2_048 && decisions <= 2_048,
        "{standings}, {decisions}"
    );
    assert_eq!(world.seen(&world.call(&ANN), &resources), first);
    assert_eq!(first, world.by_cedar(&world.call(&ANN), &resources));
}
