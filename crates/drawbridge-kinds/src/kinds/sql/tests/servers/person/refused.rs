//! Who cannot be acted for, and what nobody gets at by a question of their own.

use drawbridge_core::answer::Status;

use super::{super::super::super::window::known_of, *};

#[tokio::test]
async fn who_lacks_an_attribute_is_denied_before_the_database_is_asked() {
    for engine in SERVERS {
        let site = Site::new(engine).await;
        let mut database = site.open(&telling(), true);
        // Nothing answers there.
        if let super::super::super::super::part::Target::Server(address) = &mut database.own.target
        {
            address.port = Some(1);
        }
        database.base = super::super::super::super::base::Base::new(&database.own, None);
        let role = site.role("north");
        for (attributes, lacks) in [
            (vec![("region", "north")], "role"),
            (vec![("role", role.as_str())], "region"),
            (vec![("role", role.as_str()), ("region", "")], "region"),
            (vec![("role", ""), ("region", "north")], "role"),
        ] {
            let who = caller("anna", &attributes);
            let insert = json!({"values": {"subject": "x"}});
            for refused in [
                ask(&database, &who, ("list", "tickets")).await.err(),
                ask(&database, &who, ("search", "notes")).await.err(),
                question(&database, &who, "SELECT id FROM notes")
                    .await
                    .err(),
                planned(&database, &who, ("insert", "notes"), insert)
                    .await
                    .err(),
            ] {
                let refused = refused.unwrap();
                assert_eq!(refused.status, Status::Denied, "{engine:?} {refused:?}");
                let named = format!("the attribute `{lacks}`");
                assert!(refused.message.contains(&named), "{refused:?}");
            }
        }
        let anna = site.caller("anna", "north");
        let asked = ask(&database, &anna, ("list", "tickets")).await;
        assert_eq!(asked.unwrap_err().status, Status::Unavailable);
    }
}

/// The statement in a refusal.
fn grant(told: &str) -> &str {
    let (_, grant) = told.split_once(": `").unwrap();
    grant.strip_suffix('`').unwrap()
}

#[tokio::test]
async fn a_role_that_the_account_may_not_take_is_denied_with_the_statement_that_lets_it() {
    for engine in SERVERS {
        let site = Site::new(engine).await;
        let database = site.open(&telling(), true);
        let west = site.role("west");
        let quoted = engine.quoted(&west);
        let make = format!("CREATE ROLE {quoted}; GRANT SELECT ON tickets TO {quoted}");
        site.bench.sql(&make).await;
        let who = site.caller("anna", "west");
        let refused = ask(&database, &who, ("list", "tickets")).await.unwrap_err();
        assert_eq!(refused.status, Status::Denied, "{refused:?}");
        site.bench.sql(grant(&refused.message)).await;
        ask(&database, &who, ("list", "tickets")).await.unwrap();
        let north = site.role("north");
        let long = format!("{north}{}", "x".repeat(63 - north.len()));
        let made = engine.quoted(&long);
        let make = format!(
            "CREATE ROLE {made}; GRANT SELECT ON tickets TO {made}; GRANT {made} TO {}",
            site.grantee()
        );
        site.bench.sql(&make).await;
        let as_long = caller("anna", &[("role", &long), ("region", "north")]);
        ask(&database, &as_long, ("list", "tickets")).await.unwrap();
        for role in [
            "none",
            "NONE",
            "None",
            " none",
            "nowhere",
            "public",
            "current_user",
            "session_user",
            "default",
            "\0",
            &site.account,
            &north.to_uppercase(),
            &format!("{north} "),
            &format!("{north}\0x"),
            &format!("{north}\", \"x"),
            &format!("{north}`; SET ROLE NONE; -- "),
            // Servers cut names off.
            &format!("{long}y"),
        ] {
            let who = caller("anna", &[("role", role), ("region", "north")]);
            let refused = ask(&database, &who, ("list", "tickets")).await;
            let refused = refused.expect_err(role);
            assert_eq!(
                refused.status,
                Status::Denied,
                "{engine:?} {role:?} {refused:?}"
            );
        }
        let odd = caller("\0", &[("role", &north), ("region", "north")]);
        let refused = ask(&database, &odd, ("list", "tickets")).await;
        assert_eq!(refused.unwrap_err().status, Status::Denied);
        // Any other text is one.
        let odd = caller("it's $1 \\ \"`@x", &[("role", &north), ("region", "north")]);
        let acting = database.own.acting(&known_of(&odd)).unwrap();
        assert_eq!(state(&database, &acting).await[2], "it's $1 \\ \"`@x");
    }
}

/// What somebody may try, to be taken for somebody else.
const POSTGRES: &[&str] = &[
    "SET ROLE postgres",
    "SET LOCAL ROLE NONE",
    "RESET ROLE",
    "RESET ALL",
    "DISCARD ALL",
    "SET SESSION AUTHORIZATION DEFAULT",
    "SET app.region = 'south'",
    "SET LOCAL app.region TO 'south'",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT a",
    "DO $$ BEGIN RESET ROLE; END $$",
    "SELECT set_config('app.region', 'south', true)",
    "SELECT pg_catalog.set_config('app.region', 'south', true)",
    "SELECT \"set_config\"('role', 'none', true)",
    "SELECT id FROM tickets WHERE set_config('app.region', 'south', true) = 'south'",
    "WITH x AS (SELECT set_config('role', 'none', true)) SELECT id FROM tickets",
    "SELECT * FROM set_config('role', 'none', true)",
    "SELECT id FROM tickets ORDER BY set_config('role', 'none', true)",
    "SELECT id FROM tickets, LATERAL set_config('role', 'none', true)",
    "SELECT current_setting('app.region')",
    "SELECT current_user",
    "SELECT session_user",
    "SELECT user",
    "SELECT current_role",
    "SELECT query_to_xml('RESET ROLE', true, true, '')",
    "SELECT id FROM tickets; SELECT set_config('role', 'none', true)",
    "SELECT id FROM tickets; RESET ROLE",
    "UPDATE pg_settings SET setting = 'none' WHERE name = 'role'",
    "SELECT setting FROM pg_settings",
    "SELECT id INTO TEMP x FROM tickets",
    "EXECUTE x",
    "EXPLAIN ANALYZE SELECT set_config('role', 'none', true)",
];
const MARIADB: &[&str] = &[
    "SET ROLE NONE",
    "SET ROLE `north`",
    "SET @`app.person` = 'bob'",
    "SET STATEMENT sql_mode = '' FOR SELECT id FROM tickets",
    "SET SESSION sql_mode = ''",
    "BEGIN",
    "COMMIT",
    "SELECT @`app.person`",
    "SELECT @`app.person` := 'bob'",
    "SELECT @app.person",
    "SELECT @x := id FROM tickets",
    "SELECT id FROM tickets WHERE (@`app.person` := 'bob') = 'bob'",
    "SELECT id FROM tickets ORDER BY @`app.person` := 'bob'",
    "SELECT id FROM tickets LIMIT 1 INTO @`app.person`",
    "SELECT id INTO @`app.person` FROM tickets LIMIT 1",
    "SELECT (SELECT @`app.person` := 'bob')",
    "SELECT @@session.sql_mode",
    "SELECT @@global.version",
    "SELECT CURRENT_ROLE()",
    "SELECT CURRENT_ROLE",
    "SELECT CURRENT_USER()",
    "SELECT USER()",
    "SELECT id FROM tickets /*! , @`app.person` := 'bob' */",
    "SELECT id FROM tickets /*M! , @`app.person` := 'bob' */",
    "/*! SET ROLE NONE */",
    "SELECT id FROM tickets; SET ROLE NONE",
    "EXECUTE IMMEDIATE 'SET ROLE NONE'",
    "PREPARE x FROM 'SET ROLE NONE'",
    "CALL x()",
    "DO @`app.person` := 'bob'",
    "SELECT id FROM tickets PROCEDURE ANALYSE()",
    "SELECT SLEEP(1)",
    "SELECT GET_LOCK('x', 1)",
];

#[tokio::test]
async fn no_question_changes_for_whom_the_database_acts() {
    for engine in SERVERS {
        let site = Site::new(engine).await;
        let database = site.open(&telling(), true);
        let anna = site.caller("anna", "north");
        let acting = database.own.acting(&known_of(&anna)).unwrap();
        let other = site.open(&json!({"settings": {"app.client": ":person.id"}}), true);
        let bare = other.own.acting(&known_of(&anna)).unwrap();
        let attempts = match engine {
            Engine::MariaDb => MARIADB,
            _ => POSTGRES,
        };
        let own = [site.role("north"), "north".to_owned(), "anna".to_owned()];
        for attempt in attempts {
            let refused = question(&database, &anna, attempt).await;
            let refused = refused.expect_err(attempt);
            assert_eq!(refused.status, Status::Invalid, "{attempt}");
            assert!(
                refused.message.starts_with("`sql`: "),
                "{attempt}: {refused:?}"
            );
            assert_eq!(state(&database, &bare).await, nobody(&site), "{attempt}");
            assert_eq!(state(&database, &acting).await, own, "{attempt}");
        }
        println!("{engine:?}: {} attempts", attempts.len());
        let found = question(
            &database,
            &anna,
            "SELECT id FROM tickets WHERE region = 'north'",
        )
        .await;
        assert_eq!(found.unwrap().count, 2);
    }
}
