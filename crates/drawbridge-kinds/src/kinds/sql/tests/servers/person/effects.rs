//! Effects that are done for somebody who is not there any more, and taken back.

use drawbridge_core::{answer::Status, plan::Settled};

use super::{
    super::super::super::{apply, grants, inspect},
    *,
};

/// The role, as it stands in statements.
fn quoted(site: &Site, name: &str) -> String {
    site.engine().quoted(&site.role(name))
}

/// What a trigger saw of anna.
fn stamp(site: &Site) -> String {
    match site.engine() {
        Engine::MariaDb => "for anna".to_owned(),
        _ => format!("{} for anna", site.role("north")),
    }
}

#[tokio::test]
async fn an_effect_is_planned_done_settled_and_taken_back_as_its_person() {
    for engine in SERVERS {
        for keys in [true, false] {
            let site = Site::new(engine).await;
            let anna = site.caller("anna", "north");
            let desk = site.open(&telling(), keys);
            let set = json!({"key": 1, "set": {"subject": "Toner"}});
            let plan = planned(&desk, &anna, ("update", "tickets"), set).await;
            let plan = plan.unwrap();
            // It is kept, and another gateway does it, which knows nobody.
            let plan: Plan = serde_json::from_value(json!(plan)).unwrap();
            let other = site.open(&telling(), keys);
            let receipt = apply::apply(&other, &plan, "k").await.unwrap();
            let row = json!([1, "north", "Toner", stamp(&site), "canary"]);
            assert_eq!(all(&site, "tickets").await[0], row);
            let again = apply::apply(&other, &plan, "k").await.unwrap();
            assert_eq!(again, receipt);
            let settled = apply::settle(&desk, &plan, "k").await;
            assert!(matches!(settled, Settled::Applied(_)), "{settled:?}");
            let inverse = plan::undo(&desk, &plan, &receipt).await.unwrap();
            apply::apply(&other, &inverse, "u").await.unwrap();
            let row = json!([1, "north", "Printer", stamp(&site), "canary"]);
            assert_eq!(all(&site, "tickets").await[0], row);
            // A row is its role's, by a default of the database's own.
            let values = json!({"values": {"subject": "mine"}});
            let plan = planned(&desk, &anna, ("insert", "notes"), values).await;
            let plan = plan.unwrap();
            let receipt = apply::apply(&other, &plan, "n").await.unwrap();
            let notes = all(&site, "notes").await;
            assert_eq!(
                (&notes[2][1], &notes[2][2]),
                (&json!(site.role("north")), &json!("mine"))
            );
            let inverse = plan::undo(&desk, &plan, &receipt).await.unwrap();
            apply::apply(&desk, &inverse, "m").await.unwrap();
            assert_eq!(all(&site, "notes").await.as_array().unwrap().len(), 2);
        }
    }
}

/// What every effect leaves in the table of keys is no matter of those for whom they are done.
#[tokio::test]
async fn keys_of_effects_are_the_accounts_and_no_role_needs_a_right_on_them() {
    for engine in SERVERS {
        let site = Site::new(engine).await;
        let anna = site.caller("anna", "north");
        let desk = site.open(&telling(), true);
        let set = json!({"key": 1, "set": {"subject": "Toner"}});
        let plan = planned(&desk, &anna, ("update", "tickets"), set).await;
        let plan = plan.unwrap();
        let receipt = apply::apply(&desk, &plan, "k").await.unwrap();
        let north = quoted(&site, "north");
        // Also when the role is gone, a key tells what was done.
        let revoke = format!("REVOKE {north} FROM {}", site.grantee());
        site.bench.sql(&revoke).await;
        let later = site.open(&telling(), true);
        for (key, done) in [("k", true), ("other", false)] {
            let settled = apply::settle(&later, &plan, key).await;
            let expected = match done {
                true => Settled::Applied(receipt.clone()),
                false => Settled::NotApplied,
            };
            assert_eq!(settled, expected, "{engine:?}");
        }
        let undone = plan::undo(&later, &plan, &receipt).await;
        assert_eq!(undone.unwrap_err().status, Status::Denied);
        // Without keys nobody can look, and a person must.
        let bare = site.open(&telling(), false);
        let settled = apply::settle(&bare, &plan, "k").await;
        assert!(matches!(settled, Settled::Unknown(_)), "{settled:?}");
    }
}

/// A trigger that waits for the commit runs for the person, though the key was left in between.
#[tokio::test]
async fn what_waits_for_the_commit_runs_for_the_person() {
    let site = Site::new(Engine::Postgres).await;
    let waits = "CREATE TABLE seen (who text); GRANT INSERT ON seen TO PUBLIC; \
         CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN INSERT INTO seen VALUES (current_user); RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER seen AFTER UPDATE ON tickets DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION seen()";
    site.bench.sql(waits).await;
    let anna = site.caller("anna", "north");
    let desk = site.open(&telling(), true);
    let set = json!({"key": 1, "set": {"subject": "Toner"}});
    let plan = planned(&desk, &anna, ("update", "tickets"), set).await;
    apply::apply(&desk, &plan.unwrap(), "k").await.unwrap();
    let dump = site.bench.dump().await;
    let seen = dump.iter().find(|line| line.starts_with("seen: ")).unwrap();
    assert!(seen.contains(&site.role("north")), "{seen}");
}

#[tokio::test]
async fn what_a_role_may_not_do_is_denied_and_nothing_is_changed() {
    for engine in SERVERS {
        let site = Site::new(engine).await;
        let (anna, bob) = (site.caller("anna", "north"), site.caller("bob", "south"));
        let south = quoted(&site, "south");
        for right in ["UPDATE ON tickets", "INSERT, DELETE ON notes"] {
            let revoke = format!("REVOKE {right} FROM {south}");
            site.bench.sql(&revoke).await;
        }
        let desk = site.open(&telling(), true);
        let before = site.bench.dump().await;
        for (action, table, arguments) in [
            (
                "update",
                "tickets",
                json!({"key": 2, "set": {"subject": "x"}}),
            ),
            ("insert", "notes", json!({"values": {"subject": "x"}})),
            ("delete", "notes", json!({"key": 1001})),
        ] {
            let plan = planned(&desk, &bob, (action, table), arguments).await;
            let done = apply::apply(&desk, &plan.unwrap(), action).await;
            let refused = done.unwrap_err();
            assert_eq!(
                refused.status,
                Status::Denied,
                "{engine:?} {action} {refused:?}"
            );
            assert!(
                refused
                    .message
                    .contains("does not allow this to the person")
            );
            assert_eq!(site.bench.dump().await, before, "{engine:?} {action}");
        }
        // What another may is no matter of his.
        let set = json!({"key": 1, "set": {"subject": "x"}});
        let plan = planned(&desk, &anna, ("update", "tickets"), set).await;
        apply::apply(&desk, &plan.unwrap(), "k").await.unwrap();
        if engine == Engine::Postgres {
            // What row-level security hides is not there to be changed.
            let set = json!({"key": 1, "set": {"subject": "x"}});
            let plan = planned(&desk, &bob, ("update", "tickets"), set).await;
            assert_eq!(plan.unwrap_err().status, Status::NotFound);
        }
    }
}

/// The attributes are those that the plan was made with.
#[tokio::test]
async fn another_attribute_makes_another_plan() {
    let site = Site::new(Engine::Postgres).await;
    let desk = site.open(&telling(), true);
    let set = || json!({"key": 1001, "set": {"subject": "x"}});
    let bob = site.caller("bob", "south");
    let plan = planned(&desk, &bob, ("update", "notes"), set()).await;
    let digest = plan.unwrap().digest();
    let again = planned(&desk, &bob, ("update", "notes"), set()).await;
    assert_eq!(again.unwrap().digest(), digest);
    let role = site.role("south");
    let moved = caller("bob", &[("role", &role), ("region", "west")]);
    let other = planned(&desk, &moved, ("update", "notes"), set()).await;
    assert_ne!(other.unwrap().digest(), digest);
}

#[tokio::test]
async fn looking_at_the_database_needs_nobody_and_calls_no_role_a_surplus() {
    for engine in SERVERS {
        let site = Site::new(engine).await;
        let desk = site.open(&telling(), true);
        let told = inspect::inspect(&desk).await;
        // What everybody may in the databases of other tests.
        let name = &site.bench.place.name;
        let mut own = told.excess.clone();
        own.retain(|told| engine == Engine::Postgres || told.contains(name.as_str()));
        assert!(own.is_empty(), "{engine:?} {told:#?}");
        let problems = told.problems.iter();
        let other = problems.filter(|one| !one.reason.contains("triggers"));
        assert_eq!(other.count(), 0, "{engine:?} {told:#?}");
        assert_eq!(told.resources, 2);
        // As its account it would lack all of that.
        let service = site.open(&Value::Null, true);
        let told = inspect::inspect(&service).await;
        assert!(
            !told.problems.is_empty() && !told.excess.is_empty(),
            "{told:#?}"
        );
    }
}

/// A right that the account has itself, where people's roles are to have it.
#[tokio::test]
async fn a_right_of_the_account_itself_and_a_mighty_role_are_named() {
    let site = Site::new(Engine::Postgres).await;
    let (grantee, north) = (site.grantee(), quoted(&site, "north"));
    let grants = format!("GRANT SELECT ON notes TO {grantee}; ALTER ROLE {north} BYPASSRLS");
    site.bench.sql(&grants).await;
    let told = inspect::inspect(&site.open(&telling(), true)).await;
    assert_eq!(told.excess.len(), 2, "{told:#?}");
    let excess = told.excess.join("\n");
    assert!(excess.contains("SELECT on `notes`"), "{excess}");
    assert!(
        excess.contains("sees rows that row-level security hides"),
        "{excess}"
    );
}

/// What is commented out in the script, for a role with this name.
fn named(script: &str, role: &str) -> String {
    let lines = script.lines().map(|line| {
        let commented = line.strip_prefix("-- ");
        let statement = commented
            .filter(|line| line.starts_with("GRANT ") || line.starts_with("DO "))
            .unwrap_or(line);
        statement.replace("role_of_a_person", role)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_script_of_grants_lets_people_act_once_their_roles_are_named() {
    for engine in SERVERS {
        for fixed in [false, true] {
            let mut site = Site::new(engine).await;
            site.account = format!("b{}", site.account);
            let role = site.role("east");
            let mut telling = telling();
            if fixed {
                telling["role"] = json!(role);
            }
            let desk = site.open(&telling, true);
            let script = grants::script(&desk.own);
            assert_eq!(script.contains("role_of_a_person"), !fixed, "{script}");
            assert!(
                script.contains("app.client, app.person, app.region"),
                "{script}"
            );
            let quoted = engine.quoted(&role);
            site.bench.sql(&format!("CREATE ROLE {quoted}")).await;
            site.bench.sql(&named(&script, &role)).await;
            if engine == Engine::MariaDb {
                let unlock = format!("ALTER USER {} ACCOUNT UNLOCK", site.grantee());
                site.bench.sql(&unlock).await;
            }
            let anna = site.caller("anna", "east");
            for (action, arguments) in [
                ("insert", json!({"values": {"subject": "first"}})),
                ("update", json!({"key": 1002, "set": {"subject": "second"}})),
                ("delete", json!({"key": 1002})),
            ] {
                let plan = planned(&desk, &anna, (action, "notes"), arguments).await;
                apply::apply(&desk, &plan.unwrap(), action).await.unwrap();
            }
            assert_eq!(
                ask(&desk, &anna, ("list", "tickets"))
                    .await
                    .unwrap()
                    .missing
                    .len(),
                0
            );
            let told = inspect::inspect(&desk).await;
            let name = &site.bench.place.name;
            let mut excess = told.excess.clone();
            excess.retain(|told| engine == Engine::Postgres || told.contains(name.as_str()));
            assert!(excess.is_empty(), "{engine:?} {told:#?}\n{script}");
        }
    }
}
