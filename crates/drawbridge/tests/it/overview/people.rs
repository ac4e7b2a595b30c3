//! Who there is, and who may do what: told to those who look after it.

use serde_json::{Value, json};

use crate::acting::firm::{ANN, ASK, BOB, Firm, LENA, MAX, Person};

async fn people(person: &Person, query: &str) -> Vec<Value> {
    let answer = person.get(&format!("/people{query}")).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    answer["data"]["people"].as_array().unwrap().clone()
}

fn find<'a>(list: &'a [Value], id: &str) -> &'a Value {
    list.iter().find(|one| one["id"] == id).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_and_auditors_see_everyone_and_others_themselves() {
    let firm = Firm::new(None, ASK);
    firm.gateway(&format!(
        "roles: {{auditor: [{MAX}], reviewer: [{LENA}]}}\n"
    ));
    let open = firm.open().await;
    let olga = open.person(&firm, "olga@x.example");
    let claude = open.client(&firm, ANN, "claude");
    let all = people(&olga, "").await;
    assert_eq!(all.len(), 5, "{all:#?}");
    for (id, roles) in [
        ("olga@x.example", json!(["owner", "reviewer", "auditor"])),
        (ANN, json!(["member"])),
        (BOB, json!(["member"])),
        (LENA, json!(["reviewer", "approver"])),
        (MAX, json!(["auditor", "approver"])),
    ] {
        assert_eq!(find(&all, id)["roles"], roles, "{id}");
        assert_eq!(find(&all, id)["listed"], true);
    }
    assert_eq!(find(&all, ANN)["tokens"], 1);
    assert_eq!(find(&all, ANN)["groups"], json!(["staff"]));
    assert!(find(&all, ANN)["attributes"].is_object());
    let page = olga.get("/people?limit=2&text=x.example").await;
    assert_eq!(page["data"]["total"], 5);
    assert_eq!(page["data"]["next"], BOB, "{page:#}");
    assert_eq!(
        people(&olga, &format!("?after={BOB}&text=leads"))
            .await
            .len(),
        2
    );
    // An auditor sees who there is, and not what is known of them.
    let max = open.person(&firm, MAX);
    let audited = people(&max, "").await;
    assert_eq!(audited.len(), 5);
    assert_eq!(find(&audited, ANN)["attributes"], Value::Null);
    let ann = open.person(&firm, ANN);
    let own = people(&ann, "").await;
    assert_eq!(own.len(), 1, "{own:#?}");
    assert_eq!((&own[0]["id"], &own[0]["tokens"]), (&json!(ANN), &json!(2)));
    assert_eq!(claude.get("/people").await["status"], "denied");
    assert_eq!(
        max.get("/me").await["data"]["roles"],
        json!(["auditor", "approver"])
    );
    assert_eq!(claude.get("/me").await["data"]["roles"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_stand_beside_what_was_used_of_them() {
    for engine in ["sqlite", "postgres"] {
        let firm = Firm::on(engine, ASK).await;
        firm.gateway(&format!("roles: {{auditor: [{MAX}]}}\n"));
        let open = firm.open().await;
        let narrower = "permissions:\n  - {who: [\"group:staff\", \"client:bot\"], may: [read, write, update, delete], only: {table: tickets}}\n  - {who: [everyone]";
        firm.revise("crm", ("permissions:\n  - {who: [everyone]", narrower))
            .await;
        let claude = open.client(&firm, ANN, "claude");
        let read = json!({"table": "tickets", "key": 1});
        for _ in 0..2 {
            assert_eq!(claude.call("crm_read", read.clone()).await["status"], "ok");
        }
        open.client(&firm, LENA, "bot").call("crm_read", read).await;
        let bob = open.person(&firm, BOB);
        let told = bob.get("/connectors/crm/access").await["data"].clone();
        let rows = told["permissions"].as_array().unwrap();
        assert_eq!(rows[0]["only"], "table tickets", "{told:#}");
        assert_eq!(rows[0]["clients"], json!(["bot"]));
        assert_eq!(rows[1]["only"], "everything in scope");
        assert_eq!(rows[1]["clients"], Value::Null);
        let grants = told["grants"].as_array().unwrap();
        let grant = |who: &str| grants.iter().find(|one| one["who"] == who).unwrap();
        let reads =
            |count: u64, people: u64| json!([{"power": "read", "count": count, "people": people}]);
        assert_eq!(grant("group:staff")["used"], reads(2, 1), "{told:#}");
        assert_eq!(grant("client:bot")["used"], reads(1, 1));
        assert_eq!(grant("everyone")["used"], reads(3, 2));
        let unused = json!(["write", "update", "delete"]);
        assert_eq!(grant("group:staff")["unused"], unused);
        let most =
            json!({"person": ANN, "client": "claude", "powers": [{"power": "read", "count": 2}]});
        assert_eq!(told["people"][0], most, "{told:#}");
        let (max, ann) = (open.person(&firm, MAX), open.person(&firm, ANN));
        assert_eq!(max.get("/connectors/crm/access").await["status"], "ok");
        for who in [&ann, &claude, &open.client(&firm, BOB, "claude")] {
            let answer = who.get("/connectors/crm/access").await;
            assert_eq!(answer["status"], "denied", "{answer:#}");
        }
    }
}
