//! The script that `grants` prints: run on a real server, it lets the account do what the file says,
//! and nothing beyond it.

use std::{collections::BTreeSet, sync::Arc};

use drawbridge_core::{call::Power, connector::Health, credential::Credential};
use serde_json::{Value, json};

use super::super::{
    super::{
        Database, apply,
        base::Base,
        grants, inspect,
        part::{Acting, Target},
        plan,
        rows::Table,
        shape::Shape,
    },
    Bench,
    engine::{Engine, SERVERS},
    key_of, opened, planned, scope,
};
use super::passwords::Kept;

/// Names that mean something to those who quote badly.
const ODD: &str = "Odd's \"one\" `x` \\ $$";
const SECRET: &str = "the account's";

/// Beside the usual tables, one that is only read, and one with odd names whose rows the database
/// numbers by a sequence.
fn site(engine: Engine) -> (String, Value) {
    let mut scope = scope();
    let places = scope["tables"]["places"].as_object_mut().unwrap();
    places.remove("writable");
    let (name, number) = match engine {
        Engine::Postgres => (format!("{ODD}.{ODD}"), "serial"),
        _ => (ODD.to_owned(), "INT AUTO_INCREMENT"),
    };
    scope["tables"][&name] = json!({
        "key": "id", "fields": ["id", "say \"x\" `y`"], "writable": {"say \"x\" `y`": {}},
    });
    let (table, word) = (engine.quoted(ODD), engine.quoted("say \"x\" `y`"));
    let made = match engine {
        Engine::Postgres => format!("CREATE SCHEMA {table}; CREATE TABLE {table}.{table}"),
        _ => format!("CREATE TABLE {table}"),
    };
    let made = format!("{made} (id {number} PRIMARY KEY, {word} VARCHAR(90), hidden VARCHAR(9))");
    (format!("{} {made};", engine.schema()), scope)
}

/// The connector as the account that the script makes.
async fn connector(bench: &Bench, (scope, powers): (&Value, &[Power]), keys: bool) -> Database {
    let mut database = opened(&bench.place, scope.clone(), keys);
    let engine = bench.place.engine;
    let tail: String = bench.place.name.chars().rev().take(18).collect();
    let user = format!("{ODD}{tail}");
    if let Target::Server(address) = &mut database.own.target {
        user.clone_into(&mut address.user);
    }
    database.own.powers = powers.iter().copied().collect::<BTreeSet<_>>();
    let script = grants::script(&database.own);
    bench.sql(&script).await;
    let credential: Option<Arc<dyn Credential>> = match engine {
        Engine::Postgres => None,
        // Before it has a password, nobody is let in.
        _ => {
            let early = Base::new(&database.own, None)
                .read(&Acting::account())
                .await
                .map(drop);
            assert!(early.is_err(), "{script}");
            let account = format!("{}@`localhost`", engine.quoted(&user));
            let secret = SECRET.replace('\'', "''");
            let unlock = format!("ALTER USER {account} IDENTIFIED BY '{secret}' ACCOUNT UNLOCK");
            bench.sql(&unlock).await;
            Some(Kept::of(&[SECRET]))
        }
    };
    database.base = Base::new(&database.own, credential);
    let told = inspect::inspect(&database).await;
    assert_eq!(told.health, Health::Ready, "{powers:?} {told:#?}\n{script}");
    assert!(told.excess.is_empty(), "{powers:?} {told:#?}\n{script}");
    assert_eq!(told.problem_count, 0, "{powers:?} {told:#?}\n{script}");
    database
}

/// Everything that is shown of every table.
async fn read(database: &Database) {
    let mut reading = database.base.read(&Acting::account()).await.unwrap();
    for scope in database.own.tables.values() {
        let connection = reading.connection();
        let shape = Shape::load(connection, scope).await.unwrap();
        let table = Table {
            scope,
            shape: &shape,
        };
        let page = table.page(connection, (None, 9), (1 << 16, 1 << 20)).await;
        page.unwrap();
    }
}

/// Does an effect, and takes it back where the powers allow that.
async fn act(database: &Database, (action, table): (&str, &str), arguments: Value, undo: bool) {
    let plan = planned(database, action, table, arguments).await.unwrap();
    let receipt = apply::apply(database, &plan, &key_of(&plan)).await.unwrap();
    let inverse = plan::undo(database, &plan, &receipt).await.unwrap();
    if undo {
        apply::apply(database, &inverse, &key_of(&inverse))
            .await
            .unwrap();
    }
}

const POWERS: &[&[Power]] = &[
    &[Power::Read],
    &[Power::Read, Power::Write],
    &[Power::Read, Power::Update],
    &[Power::Read, Power::Delete],
    &[Power::Read, Power::Write, Power::Delete],
    &[Power::Read, Power::Write, Power::Update, Power::Delete],
];

#[tokio::test]
async fn an_account_made_by_the_script_can_do_what_the_file_says_and_no_more() {
    for engine in SERVERS {
        for keys in [false, true] {
            for powers in POWERS {
                let (schema, scope) = site(engine);
                let bench = Bench::made(engine, &schema, (scope.clone(), keys)).await;
                let database = connector(&bench, (&scope, powers), keys).await;
                read(&database).await;
                let odd = scope["tables"].as_object().unwrap().keys();
                let odd = odd.clone().find(|name| name.contains("Odd")).unwrap();
                let [write, update, delete] = [Power::Write, Power::Update, Power::Delete]
                    .map(|power| powers.contains(&power));
                if write {
                    let undo = delete;
                    let ticket = json!({"values": {"subject": "x", "customer_id": 7}});
                    act(&database, ("insert", "tickets"), ticket, undo).await;
                    let code = json!({"values": {"code": "zz", "title": "Zed"}});
                    act(&database, ("insert", "codes"), code, undo).await;
                    let said = json!({"values": {"say \"x\" `y`": "hello"}});
                    act(&database, ("insert", odd), said, undo).await;
                }
                if update {
                    let set = json!({"key": 1, "set": {"status": "closed", "amount": null}});
                    act(&database, ("update", "tickets"), set, true).await;
                    let set = json!({"key": "a", "set": {"title": "Other"}});
                    act(&database, ("update", "codes"), set, true).await;
                }
                if delete {
                    act(&database, ("delete", "tickets"), json!({"key": 2}), write).await;
                    act(&database, ("delete", "codes"), json!({"key": "b"}), write).await;
                }
            }
        }
        println!("{engine:?}: {} scripts run", POWERS.len() * 2);
    }
}

#[test]
fn of_a_file_it_says_who_must_be_able_to_do_what_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = super::super::engine::Place {
        engine: Engine::Sqlite,
        folder: folder.path().to_owned(),
        name: String::new(),
    };
    let mut database = opened(&place, scope(), false);
    let script = grants::script(&database.own);
    assert!(script.contains("must read and write `crm.db`"), "{script}");
    database.own.powers = [Power::Read].into();
    let script = grants::script(&database.own);
    assert!(script.contains("must not write it"), "{script}");
    assert!(script.lines().all(|line| line.starts_with("-- ")));
}
