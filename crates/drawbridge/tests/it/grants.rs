//! From a connector's file to a working account: the script that `grants` prints is run on a real
//! server, its password is kept as the credential, and the connector works with nothing to spare.

use std::{io::Write, process::Stdio};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, postgres::PgConnectOptions};

use crate::{
    gate::{GATEWAY, Site},
    log::server::Server,
};

const PASSWORD: &str = "correct horse";

fn crm(url: &str) -> String {
    format!(
        "connector: crm\n\
         purpose: {{task: Move tickets on, owner: bob@acme.example, review_every: 90d}}\n\
         system: {{kind: sql, url: \"{url}\", applied_table: true}}\n\
         scope:\n  label: internal\n  tables:\n    \
         customers: {{key: id, fields: [id, name]}}\n    \
         tickets: {{key: id, fields: [id, subject, status], writable: {{subject: {{once: true}}, \
         status: [open, closed]}}}}\n\
         access: [read, write, update]\n\
         identity: {{account: crm_support, credential: crm-support, approved_by: olga@acme.example, \
         rotate_every: 90d}}\n\
         permissions:\n  - {{who: [everyone], may: [read, write, update]}}\n\
         logging: {{keep: 400d}}\n\
         approval:\n  - {{when: {{power: write}}, auto: true}}\n  - {{when: {{power: update}}, auto: true}}\n\
         recovery: {{undo: 7d, pause: [\"group:owners\"]}}\n"
    )
}

const SCHEMA: &str = "CREATE TABLE customers (id int PRIMARY KEY, name varchar(90), tax varchar(90)); \
     INSERT INTO customers VALUES (1, 'Acme', 'hidden'); \
     CREATE TABLE tickets (id int PRIMARY KEY, subject varchar(90), status varchar(90), note varchar(90)); \
     INSERT INTO tickets VALUES (7, 'Printer', 'open', 'hidden');";

/// Keeps the account's password, and reviews the connector.
fn sign_in(site: &Site) {
    let mut set = site
        .command(&["secret", "set", "crm-support"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = set.stdin.take().unwrap();
    input.write_all(PASSWORD.as_bytes()).unwrap();
    drop(input);
    assert!(set.wait().unwrap().success());
    site.ok(&["approve-revision", "crm", "--reason", "as agreed"]);
}

/// Runs what the file allows, and looks at the account.
fn works(site: &Site) {
    let read = site.ok(&["call", "crm_read", "table=customers", "key=1"]);
    assert!(read.contains("Acme") && !read.contains("hidden"), "{read}");
    let call = |tool: &str, arguments: &str| {
        let answer = site.json(&["call", tool, arguments]);
        assert_eq!(answer["status"], "ok", "{tool}: {answer}");
        answer["record"].as_str().unwrap().to_owned()
    };
    let set = r#"{"table": "tickets", "key": 7, "set": {"status": "closed"}}"#;
    let closed = call("crm_update", set);
    site.ok(&["undo", &closed, "--reason", "wrong ticket"]);
    let ready = site.json(&["connectors"]);
    let found = &ready["data"]["connectors"][0]["inspection"];
    assert_eq!(found["health"], "ready", "{ready:#}");
    assert_eq!(found["problem_count"], 0, "{ready:#}");
    assert_eq!(found["excess"], Value::Array(Vec::new()), "{ready:#}");
    let graded = site.json(&["check", "crm"]).to_string();
    assert!(!graded.contains("can do more"), "{graded}");
    assert!(
        !graded.contains(PASSWORD) && !graded.contains("not seen"),
        "{graded}"
    );
}

/// Nobody gets past a wrong password, and the one who looks is told where to look.
fn refused(site: &Site) {
    let answer = site.json(&["call", "crm_read", "table=customers", "key=1"]);
    assert_eq!(answer["status"], "unavailable", "{answer}");
    let all = [answer, site.json(&["connectors"])];
    let all = all.map(|one| one.to_string()).join("\n");
    assert!(all.contains("look at the credential"), "{all}");
    assert!(!all.contains(PASSWORD), "{all}");
}

#[tokio::test]
async fn a_script_for_postgresql_makes_an_account_that_can_do_what_the_file_says() {
    let server = Server::new(Some("owner"));
    let site = Site::new(GATEWAY);
    let url = format!("postgres://crm_support@127.0.0.1:{}/crm", server.port);
    site.write("connectors/crm.yaml", &crm(&url));
    let script = site.ok(&["grants", "crm"]);
    assert_eq!(
        site.json(&["grants", "crm"])["data"]["script"].as_str(),
        Some(script.trim_end())
    );
    let run = async |database: &str, text: &str| {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(server.port)
            .username("drawbridge")
            .password("owner")
            .database(database);
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        let text = AssertSqlSafe(text.to_owned());
        sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    };
    run("postgres", "CREATE DATABASE crm").await;
    run("crm", SCHEMA).await;
    run("crm", &script).await;
    run(
        "crm",
        &format!("ALTER ROLE crm_support PASSWORD '{PASSWORD}'"),
    )
    .await;
    sign_in(&site);
    works(&site);
    run("crm", "ALTER ROLE crm_support PASSWORD 'another'").await;
    refused(&site);
    insta::assert_snapshot!(script.replace(&server.port.to_string(), "PORT"));
}

#[tokio::test]
async fn a_script_for_mariadb_makes_an_account_that_can_do_what_the_file_says() {
    let server = std::env::var_os("DRAWBRIDGE_TEST_MARIADB").expect("`./test` names a MariaDB");
    let server = server.into_string().unwrap();
    let site = Site::new(GATEWAY);
    let own = format!("it_{}", std::process::id());
    let (host, _) = server.rsplit_once('/').unwrap();
    let (_, host) = host.rsplit_once('@').unwrap();
    site.write(
        "connectors/crm.yaml",
        &crm(&format!("mariadb://{own}@{host}/{own}")),
    );
    let script = site.ok(&["grants", "crm"]);
    let mut connection = MySqlConnection::connect(&server).await.unwrap();
    let mut run = async |text: &str| {
        let text = AssertSqlSafe(text.to_owned());
        sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
    };
    run(&format!(
        "CREATE OR REPLACE DATABASE {own}; USE {own}; {SCHEMA}"
    ))
    .await;
    run(&script).await;
    let account = format!("`{own}`@`localhost`");
    run(&format!(
        "ALTER USER {account} IDENTIFIED BY '{PASSWORD}' ACCOUNT UNLOCK"
    ))
    .await;
    sign_in(&site);
    works(&site);
    run(&format!("ALTER USER {account} IDENTIFIED BY 'another'")).await;
    refused(&site);
    run(&format!("DROP DATABASE {own}; DROP USER {account}")).await;
    let script = script.replace(host, "HOST").replace(&own, "OWN");
    insta::assert_snapshot!(script);
}

#[test]
fn what_has_no_account_and_what_is_not_there_are_told() {
    let site = Site::with(&["notes"]);
    let notes = site.line(&["grants", "notes"]);
    assert!(
        notes.status.success() && notes.stdout.is_empty(),
        "{notes:?}"
    );
    let told = String::from_utf8(notes.stderr).unwrap();
    assert!(told.contains("there is nothing to grant"), "{told}");
    assert_eq!(
        site.json(&["grants", "notes"])["data"]["script"],
        Value::Null
    );
    let none = site.line(&["grants", "none"]);
    assert_eq!(none.status.code(), Some(2), "{none:?}");
}
