//! Acting for the person, through a door: two people, one account, and a database that tells them
//! apart by itself.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    gate::{Gate, Site},
    log::server::Server,
};

const GATEWAY: &str = "gateway: acme\naddress: 127.0.0.1:0\noperator: olga@acme.example\n\
    people:\n  olga@acme.example: {groups: [owners]}\n  \
    ann@acme.example: {attributes: {database_role: north, region: north}}\n  \
    bob@acme.example: {attributes: {database_role: south, region: south}}\n  \
    carl@acme.example: {attributes: {region: north}}\n  \
    dora@acme.example: {attributes: {database_role: east, region: east}}\n";

const SCHEMA: &str = "
    CREATE TABLE tickets (
        id int PRIMARY KEY, region text, subject text, changed_by text);
    INSERT INTO tickets VALUES (1, 'north', 'Printer', ''), (2, 'south', 'Screen', '');
    CREATE FUNCTION stamped() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        NEW.changed_by := current_user || ' for ' || current_setting('app.person'); RETURN NEW; END $$;
    CREATE TRIGGER stamped BEFORE UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION stamped();
    ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
    CREATE POLICY here ON tickets USING (region = current_setting('app.region'));
    CREATE ROLE north; CREATE ROLE south; CREATE ROLE east;
    GRANT SELECT, UPDATE ON tickets TO north, south, east;";

fn crm(url: &str) -> String {
    format!(
        "connector: crm\n\
         purpose: {{task: Move tickets on, owner: olga@acme.example, review_every: 90d}}\n\
         system:\n  kind: sql\n  url: \"{url}\"\n  applied_table: true\n  \
         person: {{role: \":person.database_role\", settings: {{app.person: \":person.id\", \
         app.region: \":person.region\"}}}}\n\
         scope:\n  label: internal\n  tables:\n    \
         tickets: {{key: id, fields: [id, region, subject], writable: {{subject: {{}}}}, triggers: allow}}\n\
         access: [read, update]\n\
         identity: {{account: crm, acts_for: person, approved_by: olga@acme.example}}\n\
         permissions:\n  - {{who: [everyone], may: [read, update]}}\n\
         logging: {{keep: 400d}}\n\
         approval:\n  - {{when: {{power: update}}, ask: [\"group:owners\"], self_approval: true}}\n\
         recovery: {{undo: 7d}}\n"
    )
}

/// What a person's own token asks of the gateway.
async fn post(gate: &Gate, token: &str, path: &str, body: Value) -> Value {
    let url = format!("{}/api/v1{path}", gate.url);
    let asked = gate.http.post(url).bearer_auth(token).json(&body);
    asked.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_database_sees_who_asks_and_for_whom_an_approved_effect_is_done_and_undone() {
    let server = Server::new(None);
    let site = Site::new(GATEWAY);
    site.write(
        "connectors/crm.yaml",
        &crm(&format!("postgres://crm@127.0.0.1:{}/crm", server.port)),
    );
    let admin = server.database("postgres");
    let mut admin = PgConnection::connect(&admin).await.unwrap();
    sqlx::raw_sql("CREATE DATABASE crm")
        .execute(&mut admin)
        .await
        .unwrap();
    let mut keeper = PgConnection::connect(&server.database("crm"))
        .await
        .unwrap();
    let script = site.ok(&["grants", "crm"]);
    let more = "GRANT north TO crm; GRANT south TO crm;";
    for text in [SCHEMA, &script, more] {
        let text = AssertSqlSafe(text.to_owned());
        sqlx::raw_sql(text).execute(&mut keeper).await.unwrap();
    }
    site.ok(&["approve-revision", "crm", "--reason", "as agreed"]);
    let gate = site.serve();
    let token =
        |person: &str| site.token(&format!("{person}@acme.example"), &format!("desk-{person}"));
    let [ann, bob, carl, dora] = ["ann", "bob", "carl", "dora"].map(token);
    let list = json!({"table": "tickets"});
    for (who, subject) in [(&ann, "Printer"), (&bob, "Screen"), (&ann, "Printer")] {
        let answer = gate.call(who, "crm_list", &list).await;
        assert_eq!(answer["status"], "ok", "{answer:#}");
        let rows = answer["data"]["rows"].as_array().unwrap();
        assert_eq!((rows.len(), &rows[0]["subject"]), (1, &json!(subject)));
    }
    for (who, told) in [
        (&carl, "the attribute `database_role`"),
        (&dora, "GRANT \"east\" TO \"crm\""),
    ] {
        let answer = gate.call(who, "crm_list", &list).await;
        assert_eq!(answer["status"], "denied", "{answer:#}");
        assert!(
            answer.to_string().replace("\\\"", "\"").contains(told),
            "{answer:#}"
        );
    }
    let set = json!({"table": "tickets", "key": 1, "set": {"subject": "Toner"}});
    let hidden = gate.call(&bob, "crm_update", &set).await;
    assert_eq!(hidden["status"], "not_found", "{hidden:#}");
    let asked = gate.call(&ann, "crm_update", &set).await;
    assert_eq!(asked["status"], "approval_needed", "{asked:#}");
    let id = asked["plan"]["id"].as_str().unwrap();
    let made = site.json(&[
        "token",
        "new",
        "--personal",
        "--person",
        "olga@acme.example",
    ]);
    let olga = made["data"]["token"].as_str().unwrap();
    let digest = &get(&gate, olga, &format!("/approvals/{id}")).await["data"]["digest"];
    let path = format!("/approvals/{id}/approve");
    let yes = post(&gate, olga, &path, json!({"digest": digest})).await;
    assert_eq!(yes["status"], "ok", "{yes:#}");
    until_applied(&gate, olga, id).await;
    assert_eq!(
        first(&mut keeper).await,
        ["Toner", "north for ann@acme.example"]
    );
    // Olga, who has no role in the database, takes it back: as the person for whom it was done.
    let undone = post(&gate, olga, "/undo", json!({"call": id, "reason": "wrong"})).await;
    let id = undone["data"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{undone:#}"));
    let digest = &get(&gate, olga, &format!("/approvals/{id}")).await["data"]["digest"];
    let path = format!("/approvals/{id}/approve");
    let yes = post(&gate, olga, &path, json!({"digest": digest})).await;
    assert_eq!(yes["status"], "ok", "{yes:#}");
    until_applied(&gate, olga, id).await;
    assert_eq!(
        first(&mut keeper).await,
        ["Printer", "north for ann@acme.example"]
    );
}

/// The first ticket: its subject, and what a trigger saw.
async fn first(keeper: &mut PgConnection) -> [String; 2] {
    let row: (String, String) =
        sqlx::query_as("SELECT subject, changed_by FROM tickets WHERE id = 1")
            .fetch_one(keeper)
            .await
            .unwrap();
    [row.0, row.1]
}

async fn get(gate: &Gate, token: &str, path: &str) -> Value {
    let url = format!("{}/api/v1{path}", gate.url);
    let asked = gate.http.get(url).bearer_auth(token).send().await;
    asked.unwrap().json().await.unwrap()
}

async fn until_applied(gate: &Gate, token: &str, id: &str) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let plan = get(gate, token, &format!("/approvals/{id}")).await;
        if plan["data"]["stage"] == "applied" {
            return;
        }
        assert!(Instant::now() < end, "{plan:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
