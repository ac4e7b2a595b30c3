//! What an account can do beyond its file: named with the statement that takes it away, which does.

use drawbridge_core::connector::{Health, Inspection};
use serde_json::Value;

use super::super::{
    super::{base::Base, inspect, part::Target},
    Bench,
    engine::{Engine, SERVERS},
    opened, scope,
};

/// A table that is only read, and two that can be changed.
fn narrow() -> Value {
    let mut scope = scope();
    let places = scope["tables"]["places"].as_object_mut().unwrap();
    places.remove("writable");
    scope
}

/// What an account needs for that: no more, and no less.
const NEEDED: [&str; 3] = [
    "SELECT, INSERT, DELETE, UPDATE (status, subject, amount) ON tickets",
    "SELECT, INSERT, DELETE, UPDATE (code, title) ON codes",
    "SELECT (house, room, note) ON places",
];

/// A database, and an account with just what it needs.
struct Site {
    bench: Bench,
    account: String,
    grantee: String,
}

impl Site {
    async fn new(engine: Engine) -> Self {
        let bench = Bench::on(engine).await;
        let account: String = bench.place.name.chars().rev().take(20).collect();
        let account = format!("It's {account}");
        let (make, grantee) = match engine {
            Engine::Postgres => ("ROLE", format!("\"{account}\"")),
            _ => ("USER", format!("`{account}`@`localhost`")),
        };
        let login = if engine == Engine::Postgres {
            "LOGIN"
        } else {
            ""
        };
        bench.sql(&format!("CREATE {make} {grantee} {login}")).await;
        for needed in NEEDED {
            bench.sql(&format!("GRANT {needed} TO {grantee}")).await;
        }
        Self {
            bench,
            account,
            grantee,
        }
    }

    /// On a connection of its own, since some rights count from the next connection on.
    async fn inspect(&self) -> Inspection {
        let mut database = opened(&self.bench.place, narrow(), false);
        if let Target::Server(address) = &mut database.own.target {
            self.account.clone_into(&mut address.user);
        }
        database.base = Base::new(&database.own, None);
        let mut told = inspect::inspect(&database).await;
        database.base.close().await;
        // What everybody may in the databases of other tests.
        let name = &self.bench.place.name;
        told.excess.retain(|told| {
            !told.contains("as everybody may")
                || told.contains(name.as_str())
                || self.bench.place.engine == Engine::Postgres
        });
        told
    }
}

/// The statement that a sentence names.
fn mend(told: &str) -> &str {
    let (_, mend) = told.rsplit_once(": `").unwrap();
    mend.strip_suffix('`').unwrap()
}

const POSTGRES: &[(&str, &[&str])] = &[
    ("ALTER ROLE @ SUPERUSER", &["NOSUPERUSER"]),
    ("ALTER ROLE @ BYPASSRLS", &["NOBYPASSRLS"]),
    ("ALTER ROLE @ CREATEROLE", &["NOCREATEROLE"]),
    ("ALTER ROLE @ CREATEDB", &["NOCREATEDB"]),
    ("ALTER ROLE @ REPLICATION", &["NOREPLICATION"]),
    (
        "GRANT pg_read_all_data TO @",
        &["acts as `pg_read_all_data`"],
    ),
    (
        "CREATE ROLE #a; CREATE ROLE #b; GRANT SELECT ON unseen TO #b; GRANT #b TO #a; GRANT #a TO @",
        &["is a member of the role `#a`, and thereby may SELECT on `unseen`"],
    ),
    (
        "CREATE ROLE #c CREATEDB BYPASSRLS; ALTER ROLE @ NOINHERIT; GRANT #c TO @",
        &["thereby sees rows that row-level security hides, can make databases"],
    ),
    (
        "CREATE ROLE #d; ALTER TABLE unseen OWNER TO #d; GRANT #d TO @",
        &["thereby owns `unseen`"],
    ),
    ("ALTER TABLE unseen OWNER TO @", &["owns `unseen`"]),
    (
        "CREATE VIEW seen AS SELECT word FROM unseen; ALTER VIEW seen OWNER TO @",
        &["owns `seen`"],
    ),
    (
        "CREATE SCHEMA mine AUTHORIZATION @",
        &["owns the schema `mine`"],
    ),
    (
        "GRANT SELECT ON unseen TO PUBLIC",
        &["may SELECT on `unseen`, as everybody may"],
    ),
    (
        "GRANT SELECT (word) ON unseen TO @",
        &["may SELECT (\"word\") on `unseen`"],
    ),
    (
        "GRANT TRUNCATE, TRIGGER ON tickets TO @",
        &["may TRIGGER, TRUNCATE on `tickets`"],
    ),
    (
        "GRANT UPDATE ON tickets TO @",
        &["UPDATE id, customer_id, opened, secret, shout on `tickets`"],
    ),
    (
        "GRANT UPDATE (opened) ON tickets TO @",
        &["may UPDATE (\"opened\") on `tickets`"],
    ),
    (
        "GRANT SELECT ON places TO @",
        &["may SELECT hidden on `places`"],
    ),
    (
        "GRANT SELECT ON places TO PUBLIC",
        &["may SELECT hidden on `places`, as everybody may"],
    ),
    (
        "GRANT SELECT (hidden) ON places TO @",
        &["may SELECT (\"hidden\") on `places`"],
    ),
    (
        "GRANT SELECT ON codes TO @ WITH GRANT OPTION",
        &["may let others SELECT on `codes`"],
    ),
    (
        "GRANT CREATE ON SCHEMA public TO @",
        &["may make things in the schema `public`"],
    ),
    (
        "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO %I', current_database(), '&'); END $$",
        &["may make things in the database"],
    ),
    (
        "CREATE FUNCTION \"Odd one\"(a integer, b text[]) RETURNS integer LANGUAGE sql \
         SECURITY DEFINER AS 'SELECT 1'",
        &["may call `public.Odd one`", "as everybody may"],
    ),
    (
        "CREATE PROCEDURE p() LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; \
         REVOKE EXECUTE ON PROCEDURE p FROM PUBLIC; GRANT EXECUTE ON PROCEDURE p TO @",
        &["may call `public.p`"],
    ),
];

const MARIADB: &[(&str, &[&str])] = &[
    ("GRANT FILE ON *.* TO @", &["can read and write files"]),
    ("GRANT SUPER ON *.* TO @", &["may do nearly anything"]),
    (
        "GRANT PROCESS, CREATE USER ON *.* TO @",
        &["may CREATE USER, PROCESS in the whole server"],
    ),
    (
        "GRANT SELECT ON *.* TO @ WITH GRANT OPTION",
        &[
            "may SELECT in the whole server",
            "let others do what it can in the whole server",
        ],
    ),
    (
        "GRANT SELECT, DROP ON %.* TO @",
        &["may DROP, SELECT in the whole database"],
    ),
    (
        "GRANT SELECT ON %.* TO @ WITH GRANT OPTION",
        &["may SELECT, GRANT OPTION in the whole"],
    ),
    (
        "GRANT EXECUTE ON `sql\\_%`.* TO @",
        &["may EXECUTE in the whole database"],
    ),
    (
        "GRANT SELECT, DROP ON unseen TO @",
        &["may DROP, SELECT on `unseen`"],
    ),
    (
        "GRANT SELECT (word) ON unseen TO @",
        &["may SELECT (`word`) on `unseen`"],
    ),
    (
        "GRANT USAGE ON unseen TO @ WITH GRANT OPTION",
        &["may hand on rights on `unseen`"],
    ),
    (
        "GRANT DROP, ALTER ON tickets TO @",
        &["may ALTER, DROP on `tickets`"],
    ),
    (
        "GRANT UPDATE ON tickets TO @",
        &["UPDATE id, customer_id, opened, secret, shout on `tickets`"],
    ),
    (
        "GRANT UPDATE (opened) ON tickets TO @",
        &["may UPDATE (`opened`) on `tickets`"],
    ),
    (
        "GRANT SELECT ON places TO @",
        &["may SELECT hidden on `places`"],
    ),
    (
        "GRANT SELECT (hidden) ON places TO @",
        &["may SELECT (`hidden`) on `places`"],
    ),
    (
        "GRANT SELECT ON codes TO @ WITH GRANT OPTION",
        &["may let others do what it can on `codes`"],
    ),
    (
        "CREATE ROLE #a; GRANT SELECT ON unseen TO #a; GRANT #a TO @",
        &["has the role `#a`"],
    ),
    (
        "GRANT SELECT ON unseen TO PUBLIC",
        &["unseen, as everybody may"],
    ),
    (
        "CREATE PROCEDURE p() SQL SECURITY DEFINER SELECT 1; GRANT EXECUTE ON PROCEDURE p TO @",
        &[".p`, which does what"],
    ),
    (
        "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1; GRANT EXECUTE ON FUNCTION f TO @",
        &[".f`, which does what"],
    ),
];

#[tokio::test]
async fn each_excess_right_is_named_with_the_statement_that_takes_it_away() {
    for engine in SERVERS {
        let site = Site::new(engine).await;
        let told = site.inspect().await;
        assert_eq!(told.health, Health::Ready, "{told:?}");
        assert!(told.excess.is_empty(), "{told:?}");
        let cases = if engine == Engine::Postgres {
            POSTGRES
        } else {
            MARIADB
        };
        for (make, named) in cases {
            let name = &site.bench.place.name;
            let filled = |text: &str| {
                let roles = text.replace('#', &format!("r_{name}_"));
                let own = roles
                    .replace('@', &site.grantee)
                    .replace("%.*", &format!("{name}.*"));
                own.replace('&', &site.account.replace('\'', "''"))
            };
            site.bench.sql(&filled(make)).await;
            let told = site.inspect().await;
            for words in *named {
                let words = filled(words);
                let has = told.excess.iter().any(|told| told.contains(&words));
                assert!(has, "{make}: no `{words}` in {told:#?}");
            }
            assert!(told.excess.len() <= 2, "{make}: {told:#?}");
            for sentence in &told.excess {
                site.bench.sql(mend(sentence)).await;
            }
            let after = site.inspect().await;
            assert!(after.excess.is_empty(), "{make}: {told:#?} {after:#?}");
            assert_eq!(after.problem_count, 0, "{make}: {told:#?} {after:#?}");
        }
        println!(
            "{engine:?}: {} rights made, named and taken away",
            cases.len()
        );
    }
}

#[tokio::test]
async fn inspect_tells_what_an_account_lacks() {
    for engine in SERVERS {
        let site = Site::new(engine).await;
        let revokes = [
            ("SELECT (note) ON places", "places", "SELECT"),
            ("INSERT ON codes", "codes", "INSERT"),
            ("UPDATE (amount) ON tickets", "tickets", "UPDATE"),
            ("DELETE ON tickets", "tickets", "UPDATE, DELETE"),
        ];
        for (what, table, lacks) in revokes {
            let grantee = &site.grantee;
            site.bench
                .sql(&format!("REVOKE {what} FROM {grantee}"))
                .await;
            let told = site.inspect().await;
            let reason = format!("the connector's account may not {lacks} here");
            let mut problems = told.problems.iter();
            let has = problems.any(|one| one.path == table && one.reason == reason);
            // A column that it cannot see at all is not there for the engine.
            assert!(has || table == "places", "{what}: {told:#?}");
            assert_ne!(told.health, Health::Ready, "{what}: {told:#?}");
            assert!(told.excess.is_empty(), "{told:#?}");
        }
        let owner = inspect::inspect(&site.bench.database).await;
        assert_eq!(owner.health, Health::Ready, "{owner:?}");
        assert!(owner.summary.contains("3 tables of "), "{owner:?}");
        assert!(!owner.excess.is_empty());
    }
}
