//! Bad files: each is told with its place, the rule and the mend; and changed files are taken up.

use drawbridge_core::file::{
    GatewayFile, connector_schema, gateway_schema, read_connector, read_gateway, text,
};
use drawbridge_kinds::kinds::KINDS;

use crate::gate::{GATEWAY, Site, connector, wait_for};

const GOOD: &str = "connector: handbook
purpose:
  task: Look things up
  owner: ann@acme.example
  review_every: 90d
system:
  kind: documents
  folder: docs
scope:
  include: [\"**/*.md\"]
  label: internal
  folders:
    - {path: \"hr/**\", label: confidential, department: hr}
access: [read, search]
identity:
  account: gateway
permissions:
  - {who: [\"group:staff\"], may: [read, search], only: {department: person.department}}
logging: {keep: 400d, content: summary}
approval: []
recovery: {pause: [\"group:staff\"]}
";

/// What is changed in a good file, and a name for what is wrong then.
type Case = (&'static str, &'static str, &'static str);

const CONNECTORS: &[Case] = &[
    ("unknown key at the top", "purpose:", "purpos:"),
    ("unknown key in a section", "  task:", "  tasks:"),
    ("unknown key in a grant", "may:", "might:"),
    ("unknown key of the kind", "folder: docs", "foldr: docs"),
    ("unknown key in scope", "  include:", "  includes:"),
    (
        "unknown key in a folder rule",
        "department: hr}",
        "departement: hr}",
    ),
    (
        "two unknown keys",
        "  account:",
        "  acount: x\n  nothing_like_it: y\n  account:",
    ),
    (
        "no purpose",
        "purpose:\n  task: Look things up\n  owner: ann@acme.example\n  review_every: 90d\n",
        "",
    ),
    ("no owner", "  owner: ann@acme.example\n", ""),
    ("orphan: an owner who left", "owner: ann@", "owner: anne@"),
    (
        "an owner nobody has heard of",
        "owner: ann@acme.example",
        "owner: zed@elsewhere.example",
    ),
    ("an empty task", "task: Look things up", "task: \"\""),
    (
        "a task that is a list",
        "task: Look things up",
        "task: [a, b]",
    ),
    ("a review date that is none", "90d", "quarterly"),
    (
        "a review date without a unit",
        "review_every: 90d",
        "review_every: 90",
    ),
    ("a kind nobody knows", "kind: documents", "kind: document"),
    ("a kind far from any", "kind: documents", "kind: mainframe"),
    ("no kind", "  kind: documents\n", ""),
    ("no folder", "  folder: docs\n", ""),
    ("nothing after a key", "  folder: docs", "  folder:"),
    ("a folder that is a number", "folder: docs", "folder: 7"),
    ("an unknown label", "label: internal", "label: secret"),
    ("a label by a slip", "label: internal", "label: interal"),
    (
        "a label of a folder rule",
        "label: confidential",
        "label: confidental",
    ),
    ("a glob that is none", "**/*.md", "**/[*.md"),
    (
        "a language by a slip",
        "  label: internal",
        "  label: internal\n  language: enn",
    ),
    (
        "a word by a slip",
        "  label: internal",
        "  label: internal\n  drafts: shwo",
    ),
    (
        "an unknown power",
        "access: [read, search]",
        "access: [read, serach]",
    ),
    (
        "a power the kind has not",
        "access: [read, search]",
        "access: [read, search, send]",
    ),
    ("no access", "access: [read, search]\n", ""),
    (
        "access that is a word",
        "access: [read, search]",
        "access: read",
    ),
    (
        "a grant beyond access",
        "access: [read, search]",
        "access: [read]",
    ),
    ("no identity", "identity:\n  account: gateway\n", ""),
    (
        "who acts by a slip",
        "account: gateway",
        "account: gateway\n  acts_for: persn",
    ),
    (
        "a person for whom nobody can act there",
        "account: gateway",
        "account: gateway\n  acts_for: person",
    ),
    (
        "no permissions",
        "permissions:\n  - {who: [\"group:staff\"], may: [read, search], only: {department: person.department}}\n",
        "",
    ),
    (
        "a group nobody is in",
        "who: [\"group:staff\"]",
        "who: [\"group:stuff\"]",
    ),
    (
        "a group far from any",
        "who: [\"group:staff\"]",
        "who: [\"group:astronauts\"]",
    ),
    (
        "a person by a slip",
        "who: [\"group:staff\"]",
        "who: [\"bob@acme.exampl\"]",
    ),
    (
        "a who that is nobody",
        "who: [\"group:staff\"]",
        "who: [staff]",
    ),
    ("nobody at all", "who: [\"group:staff\"]", "who: []"),
    (
        "the anonymous who are not let in",
        "who: [\"group:staff\"]",
        "who: [anonymous]",
    ),
    (
        "a facet by a slip",
        "only: {department:",
        "only: {departmnt:",
    ),
    (
        "a facet nobody knows",
        "only: {department: person.department}",
        "only: {colour: red}",
    ),
    ("an attribute that is none", "person.department", "person."),
    (
        "an attribute nobody has",
        "person.department",
        "person.departement",
    ),
    (
        "an order where there is none",
        "{department: person.department}",
        "{department: {up_to: hr}}",
    ),
    (
        "a label in a grant by a slip",
        "{department: person.department}",
        "{label: {up_to: confidental}}",
    ),
    ("content by a slip", "content: summary", "content: summry"),
    ("a time to keep that is none", "keep: 400d", "keep: a year"),
    (
        "a gate without a power",
        "approval: []",
        "approval: [{when: {table: x}, ask: [\"group:staff\"]}]",
    ),
    (
        "a gate that can never apply",
        "approval: []",
        "approval: [{when: {power: send}, ask: [\"group:staff\"]}]",
    ),
    (
        "a gate that says nothing",
        "approval: []",
        "approval: [{when: {power: read}}]",
    ),
    (
        "a gate that denies and asks",
        "approval: []",
        "approval: [{when: {power: read}, ask: [\"group:staff\"], deny: no}]",
    ),
    (
        "a gate that asks a client",
        "approval: []",
        "approval: [{when: {power: read}, ask: [\"client:claude\"]}]",
    ),
    (
        "a quorum that nobody can reach",
        "approval: []",
        "approval: [{when: {power: read}, ask: [\"group:staff\"], quorum: 20}]",
    ),
    (
        "a limit without letting through",
        "approval: []",
        "approval: [{when: {power: read}, ask: [\"group:staff\"], limit: {per_task: 3}}]",
    ),
    (
        "a gate on what a read will find",
        "approval: []",
        "approval: [{when: {power: read, folder: hr}, ask: [\"group:staff\"]}]",
    ),
    (
        "a gate on a facet that is none",
        "approval: []",
        "approval: [{when: {power: read, foldr: hr}, ask: [\"group:staff\"]}]",
    ),
    (
        "a gate on a label that is none",
        "approval: []",
        "approval: [{when: {power: read, label: {at_least: secret}}, ask: [\"group:staff\"]}]",
    ),
    (
        "an escalation that comes too late",
        "approval: []",
        "approval: [{when: {power: read}, ask: [\"group:staff\"], expires: 1h, escalate: {after: 2h, to: [\"group:staff\"]}}]",
    ),
    (
        "an escalation to nobody there is",
        "approval: []",
        "approval: [{when: {power: read}, ask: [\"group:staff\"], escalate: {after: 2h, to: [\"group:stuff\"]}}]",
    ),
    (
        "hours in a zone that is none",
        "approval: []",
        "approval: [{when: {power: read, hours: {from: \"18:00\", zone: Mars/Base}}, ask: [\"group:staff\"]}]",
    ),
    (
        "a time of day that is none",
        "approval: []",
        "approval: [{when: {power: read, hours: {from: \"25:00\"}}, ask: [\"group:staff\"]}]",
    ),
    (
        "a gate that asks nobody there is",
        "approval: []",
        "approval: [{when: {power: read}, ask: [\"group:stuff\"]}]",
    ),
    (
        "who may pause by a slip",
        "pause: [\"group:staff\"]",
        "pause: [\"group:staf\"]",
    ),
    (
        "another name than the file's",
        "connector: handbook",
        "connector: handbok",
    ),
    (
        "a name with a capital",
        "connector: handbook",
        "connector: Handbook",
    ),
    (
        "a name with a hidden character",
        "connector: handbook",
        "connector: \"hand\u{200b}book\"",
    ),
    (
        "the gateway's own name",
        "connector: handbook",
        "connector: drawbridge",
    ),
    (
        "a key twice",
        "  task: Look things up",
        "  task: Look things up\n  task: Twice",
    ),
    (
        "a section twice",
        "approval: []",
        "approval: []\nlogging: {}",
    ),
    ("a tab that indents", "  task:", "\ttask:"),
    (
        "a list that does not end",
        "access: [read, search]",
        "access: [read, search",
    ),
    (
        "text that does not end",
        "task: Look things up",
        "task: \"Look things up",
    ),
    (
        "an alias of nothing",
        "account: gateway",
        "account: *nothing",
    ),
    (
        "a tag that makes something",
        "account: gateway",
        "account: !!python/object:os.system x",
    ),
    ("a merge", "purpose:\n", "purpose:\n  <<: {task: x}\n"),
    ("two documents", "recovery:", "---\nrecovery:"),
    (
        "limits out of bounds",
        "  folder: docs",
        "  folder: docs\n  limits: {concurrent: 0}",
    ),
    (
        "a rate that is none",
        "  folder: docs",
        "  folder: docs\n  limits: {per_person: many}",
    ),
    (
        "everything wrong at once",
        "label: internal\n  folders:",
        "label: secrt\n  folder:",
    ),
];

const GATEWAYS: &[Case] = &[
    ("unknown key", "people:", "peple:"),
    (
        "an operator nobody knows",
        "operator: olga@",
        "operator: olaf@",
    ),
    ("no operator", "operator: olga@acme.example\n", ""),
    ("an address without a port", "127.0.0.1:0", "127.0.0.1"),
    (
        "a mail password in the file",
        "address:",
        "notifications: {email: {server: \"mail.acme.example:587\", from: a@acme.example, user: a, password: hunter2}}\naddress:",
    ),
    (
        "mail in the open to another machine",
        "address:",
        "notifications: {email: {server: \"mail.acme.example:25\", from: a@acme.example, security: none}}\naddress:",
    ),
    (
        "a webhook in the open, with its secret in the file",
        "address:",
        "notifications: {webhooks: [{url: \"http://hooks.acme.example\", secret: whsec_abc}]}\naddress:",
    ),
    (
        "a store with a password in the file",
        "address:",
        "store: postgres://u:p@db/x\naddress:",
    ),
    (
        "the anonymous as somebody",
        "  olga@acme.example:",
        "  anonymous: {}\n  olga@acme.example:",
    ),
    (
        "the gateway as somebody",
        "  olga@acme.example:",
        "  drawbridge: {}\n  olga@acme.example:",
    ),
    ("a label twice", "address:", "labels: [a, b, a]\naddress:"),
    (
        "a role for a group nobody is in",
        "address:",
        "roles: {owner: [\"group:owner\"]}\naddress:",
    ),
    (
        "an issuer in the clear",
        "address:",
        "oidc: {issuer: \"http://login.acme.example\"}\naddress:",
    ),
    (
        "a console's client whose secret stands in the file",
        "address:",
        "oidc: {issuer: \"https://id.acme.example\", console: {client_id: c, client_secret: \"s3cret!\"}}\naddress:",
    ),
    (
        "a console that asks not who signs in, by what is no scope, for a year",
        "address:",
        "oidc: {issuer: \"https://id.acme.example\", console: {client_id: c, scopes: [\"e mail\"], session: 365d}}\naddress:",
    ),
    (
        "a console with a key that nobody knows",
        "address:",
        "oidc: {issuer: \"https://id.acme.example\", console: {client_id: c, secret: \"s3cret!\"}}\naddress:",
    ),
    (
        "a console whose client is not named",
        "address:",
        "oidc: {issuer: \"https://id.acme.example\", console: {session: 8h}}\naddress:",
    ),
    (
        "a switch that is a word",
        "address:",
        "anonymous: maybe\naddress:",
    ),
    ("no people", "people:\n", "nobody:\n"),
    ("a name with spaces", "gateway: acme", "gateway: our firm"),
    (
        "groups that are a word",
        "{groups: [owners]}",
        "{groups: owners}",
    ),
    (
        "a grace that is none",
        "address:",
        "review_grace: soon\naddress:",
    ),
];

fn gateway() -> GatewayFile {
    read_gateway("drawbridge.yaml", GATEWAY).unwrap()
}

#[test]
fn every_bad_file_is_told_with_its_place_the_rule_and_the_mend() {
    let gateway = gateway();
    read_connector("handbook.yaml", "handbook", GOOD, &gateway, KINDS)
        .unwrap_or_else(|errors| panic!("{errors}"));
    let mut told = String::new();
    let mut names = std::collections::BTreeSet::new();
    let mut tell = |name: &'static str, errors: drawbridge_core::file::FileErrors| {
        assert!(names.insert(name), "{name} stands twice");
        assert!(!errors.0.is_empty());
        told.push_str(&format!("# {name}\n{errors}\n\n"));
        for error in &errors.0 {
            assert!(error.line >= 1 && error.column >= 1, "{error}");
            assert!(!error.rule.is_empty() && !error.mend.is_empty(), "{error}");
        }
    };
    for (name, from, to) in CONNECTORS {
        let bad = GOOD.replacen(from, to, 1);
        assert_ne!(bad, GOOD, "{name}");
        match read_connector("handbook.yaml", "handbook", &bad, &gateway, KINDS) {
            Ok(_) => panic!("{name}: nothing is wrong with it"),
            Err(errors) => tell(name, errors),
        }
    }
    for (name, from, to) in GATEWAYS {
        let bad = GATEWAY.replacen(from, to, 1);
        assert_ne!(bad, GATEWAY, "{name}");
        match read_gateway("drawbridge.yaml", &bad) {
            Ok(_) => panic!("gateway: {name}: nothing is wrong with it"),
            Err(errors) => tell(
                Box::leak(format!("gateway: {name}").into_boxed_str()),
                errors,
            ),
        }
    }
    assert!(names.len() >= 60, "{}", names.len());
    insta::assert_snapshot!(told);
}

#[test]
fn files_that_grow_are_bounded() {
    let bombs = [
        ("aliases", {
            let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
            for (one, next) in "abcdefgh".chars().zip("bcdefghi".chars()) {
                let ten = vec![format!("*{one}"); 10].join(", ");
                bomb.push_str(&format!("{next}: &{next} [{ten}]\n"));
            }
            bomb
        }),
        ("depth", "[".repeat(100_000)),
        ("nested keys", "{a: ".repeat(50_000)),
        (
            "indented depth",
            (0..2_000)
                .map(|deep| format!("{}a:\n", " ".repeat(deep)))
                .collect(),
        ),
        (
            "many keys",
            (0..100_000).map(|key| format!("k{key}: 1\n")).collect(),
        ),
        ("many documents", "---\na: 1\n".repeat(10_000)),
    ];
    for (name, bomb) in bombs {
        let began = std::time::Instant::now();
        let errors = read_gateway("drawbridge.yaml", &bomb).expect_err(name);
        assert!(
            began.elapsed() < std::time::Duration::from_secs(10),
            "{name} took {:?}",
            began.elapsed()
        );
        assert!(
            errors.0[0].to_string().len() < 2_000,
            "{name}: {}",
            errors.0[0]
        );
    }
}

#[test]
fn line_ends_and_marks_change_nothing() {
    let gateway = gateway();
    let plain = read_connector("h", "handbook", GOOD, &gateway, KINDS)
        .unwrap()
        .0;
    let marked = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    let marked = text("handbook.yaml", marked.as_bytes()).unwrap();
    let same = read_connector("h", "handbook", &marked, &gateway, KINDS)
        .unwrap()
        .0;
    assert_eq!(plain, same);
    let bad = marked.replace("label: internal", "label: interal");
    let Err(errors) = read_connector("h", "handbook", &bad, &gateway, KINDS) else {
        panic!("nothing is wrong with it")
    };
    assert_eq!((errors.0[0].line, errors.0[0].column), (11, 3), "{errors}");
}

/// Editors check files by the published schemas, so these must accept what the gateway accepts.
#[test]
fn the_published_schemas_accept_our_files_and_refuse_slips() {
    let site = Site::new(GATEWAY);
    std::fs::remove_file(site.path("drawbridge.yaml")).unwrap();
    site.ok(&[
        "init",
        site.path("new").to_str().unwrap(),
        "--name",
        "acme",
        "--email",
        "a@x.example",
        "--documents",
        "/tmp",
    ]);
    let demo = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo");
    let json = |text: &str| serde_saphyr::from_str::<serde_json::Value>(text).unwrap();
    for (schema, files) in [
        (
            gateway_schema(),
            [
                demo.join("drawbridge.yaml"),
                site.path("new/drawbridge.yaml"),
            ],
        ),
        (
            connector_schema(KINDS),
            [
                demo.join("connectors/handbook.yaml"),
                site.path("new/connectors/handbook.yaml"),
            ],
        ),
    ] {
        assert!(jsonschema::meta::is_valid(&schema), "{schema}");
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let value = json(&text);
            let errors: Vec<String> = validator
                .iter_errors(&value)
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{}: {errors:?}", file.display());
            let mut slip = value.clone();
            slip["nonsense"] = true.into();
            assert!(!validator.is_valid(&slip), "{}", file.display());
        }
    }
    let printed = site.json(&["schema", "gateway"]);
    assert_eq!(printed, gateway_schema());
}

#[tokio::test]
async fn files_that_come_go_and_are_replaced_are_taken_up() {
    let site = Site::new(GATEWAY);
    let gate = site.serve();
    let token = site.token("ann@acme.example", "claude");
    // The folder connectors/ is made while the gateway runs.
    site.write("notes-files/hello.md", "# Hello\n\nlanterns\n");
    site.write("connectors/notes.yaml", &connector("notes"));
    wait_for("the new connector is in review", || {
        site.ok(&["connectors"]).contains("in_review")
    })
    .await;
    site.ok(&["approve-revision", "notes", "--reason", "new"]);
    gate.until(&token, "notes_search", "ok").await;
    // An editor writes beside the file and renames: what it writes is wrong.
    let replace = |text: &str| {
        site.write("connectors/.notes.yaml.swp", text);
        std::fs::rename(
            site.path("connectors/.notes.yaml.swp"),
            site.path("connectors/notes.yaml"),
        )
        .unwrap();
    };
    replace(&connector("notes").replace("access", "acces"));
    wait_for("the broken file is told", || {
        site.ok(&["connectors"]).contains("did you mean `access`?")
    })
    .await;
    assert_eq!(
        gate.status(&token, "notes_search").await,
        "ok",
        "the last good one"
    );
    let checked = site.line(&["check"]);
    assert_eq!(checked.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&checked.stderr).contains("connectors/notes.yaml:5:1"),
        "{checked:?}"
    );
    replace(&connector("notes"));
    wait_for("it is in order again", || {
        !site.ok(&["connectors"]).contains("broken")
    })
    .await;
    // A policy in a folder that is made only then.
    site.write(
        "policies/none.cedar",
        "forbid (principal, action == Drawbridge::Action::\"notes_search\", resource);",
    );
    gate.until(&token, "notes_search", "denied").await;
    std::fs::remove_dir_all(site.path("policies")).unwrap();
    gate.until(&token, "notes_search", "ok").await;
    site.write(
        "policies/none.cedar",
        "permit (principal, action, resource);",
    );
    wait_for("a rule that permits is refused, with its place", || {
        site.ok(&["connectors"]).contains("policies/none.cedar:1:1")
    })
    .await;
    // Renamed: the old connector is gone, and the new name is not reviewed.
    std::fs::rename(
        site.path("connectors/notes.yaml"),
        site.path("connectors/other.yaml"),
    )
    .unwrap();
    gate.until(&token, "notes_search", "denied").await;
    assert_eq!(gate.status(&token, "other_search").await, "denied");
    // A file with another ending is told, not ignored.
    std::fs::rename(
        site.path("connectors/other.yaml"),
        site.path("connectors/notes.yml"),
    )
    .unwrap();
    wait_for("a misnamed file is told", || {
        let checked = site.line(&["check", "--offline"]);
        String::from_utf8_lossy(&checked.stderr).contains("connectors/notes.yml:1:1")
    })
    .await;
}

/// A policy that speaks of what is gone keeps nothing in force.
#[tokio::test]
async fn what_is_gone_is_out_also_where_a_policy_speaks_of_it() {
    let site = Site::with(&["notes"]);
    site.write(
        "policies/rules.cedar",
        "forbid (principal, action == Drawbridge::Action::\"notes_search\", resource)\n\
         when { principal has contractor && principal.contractor == \"yes\" };\n",
    );
    let file = std::fs::read_to_string(site.path("drawbridge.yaml")).unwrap();
    let more = "  cleo@acme.example: {groups: [staff], attributes: {contractor: \"no\"}}\n";
    let with_cleo = file.replace("people:\n", &format!("people:\n{more}"));
    assert_ne!(file, with_cleo);
    site.write("drawbridge.yaml", &with_cleo);
    let gate = site.serve();
    let ann = site.token("ann@acme.example", "claude");
    let cleo = site.token("cleo@acme.example", "claude");
    gate.until(&ann, "notes_search", "ok").await;
    gate.until(&cleo, "notes_search", "ok").await;
    // With her goes the attribute that the rule names.
    site.write("drawbridge.yaml", &file);
    wait_for("she is out", || {
        site.ok(&["connectors"]).contains("policies/rules.cedar:")
    })
    .await;
    assert_ne!(gate.status(&cleo, "notes_search").await, "ok");
    assert_eq!(gate.status(&ann, "notes_search").await, "ok");
    // And a change of something else is taken up meanwhile, and tells the problem still.
    site.ok(&["pause", "notes", "--reason", "a test"]);
    gate.until(&ann, "notes_search", "unavailable").await;
    site.ok(&["resume", "notes", "--reason", "a test"]);
    gate.until(&ann, "notes_search", "ok").await;
    assert!(site.ok(&["connectors"]).contains("policies/rules.cedar:"));
    // The same of a connector whose file is taken away.
    std::fs::remove_file(site.path("connectors/notes.yaml")).unwrap();
    gate.until(&ann, "notes_search", "denied").await;
    site.write("drawbridge.yaml", &with_cleo);
    site.write("connectors/notes.yaml", &connector("notes"));
    gate.until(&ann, "notes_search", "ok").await;
    wait_for("all is in order", || {
        !site.ok(&["connectors"]).contains("policies/rules.cedar:")
    })
    .await;
}

/// Where the kernel gives no watches, files are polled, and the trace says so.
#[tokio::test]
async fn without_watches_files_are_looked_at_again_and_again() {
    let site = Site::with(&["notes"]);
    let token = site.token("ann@acme.example", "claude");
    let serve = site.command(&["serve"]);
    let program = serve.get_program().to_str().unwrap().to_owned();
    let mut command = std::process::Command::new("unshare");
    let script = "echo 0 > /proc/sys/user/max_inotify_watches && exec \"$0\" \"$@\"";
    command.args(["--user", "--map-root-user", "sh", "-c", script, &program]);
    command.args(serve.get_args());
    let trace = site.path("trace");
    command.stdout(std::process::Stdio::piped());
    command.stderr(std::fs::File::create(&trace).unwrap());
    let possible = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "true"])
        .output()
        .is_ok_and(|output| output.status.success());
    assert!(possible, "this machine makes no user namespaces");
    let gate = crate::gate::Gate::start(&mut command);
    gate.until(&token, "notes_search", "ok").await;
    let said = std::fs::read_to_string(&trace).unwrap();
    assert!(said.contains("looked at every 2 s"), "{said}");
    site.write(
        "policies/none.cedar",
        "forbid (principal, action == Drawbridge::Action::\"notes_search\", resource);",
    );
    gate.until(&token, "notes_search", "denied").await;
}
