//! The console full of what others would like it to do.

use serde_json::{Value, json};

use super::office::{NOTES, Office, PEOPLE, Visitor};
use crate::upstream::setup::{ASK, HERE, Written, rewritten};

/// Markup, scripts, template marks, marks of direction, controls.
const STRINGS: &str = include_str!("../../tools/browser/hostile.json");

/// Texts as a YAML file can hold them: JSON's strings are YAML's, too.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn strings() -> Vec<String> {
    serde_json::from_str(STRINGS).unwrap()
}

/// An office whose files say hostile things wherever people write what they like.
async fn office() -> Office {
    let all = strings();
    let named: Vec<&String> = all
        .iter()
        .filter(|text| !text.chars().any(char::is_control))
        .collect();
    let attribute = quoted(named[0]);
    let people = PEOPLE.replace("{name: Olga,", &format!("{{name: {},", quoted(named[6])));
    let people = people.replace("department: sales", &format!("department: {attribute}"));
    let notes = NOTES.replace(
        "Keep the notes of the office",
        &named[13].replace('"', "'").replace(": ", ":"),
    );
    let office = Office::open_as(&people, &notes).await;
    let description: Vec<&str> = named.iter().map(|text| text.as_str()).collect();
    let mcp = format!(
        "connector: tracker\n\
         purpose: {{task: {}, owner: olga@acme.example, review_every: 90d}}\n\
         system: {{kind: mcp, url: \"http://127.0.0.1:9/mcp\"}}\n\
         scope: {{label: internal, tools: {{ask: {{power: read}}}}, pinned: {{tools: {{ask: {{description: {}, inputSchema: {{type: object}}}}}}}}}}\n\
         access: [read]\n\
         identity: {{account: none, approved_by: olga@acme.example}}\n\
         permissions:\n  - {{who: [everyone], may: [read]}}\n\
         logging: {{keep: 400d}}\n\
         recovery: {{pause: [\"group:owners\"]}}\n",
        quoted(named[2]),
        quoted(&description.join(" ")),
    );
    office.site.write("connectors/tracker.yaml", &mcp);
    desk(&office);
    office
        .site
        .write("notes-files/odd.md", &format!("# {}\n\nodd\n", named[5]));
    office
}

/// A server of somebody else's, whose tool sends what it is given: behind a gate, and reviewed.
fn desk(office: &Office) {
    let file = |name: &str| {
        office
            .site
            .path(&format!("desk/{name}"))
            .display()
            .to_string()
    };
    let (state, data) = (file("state"), file("data"));
    office.site.write("desk/state", "{}");
    let server = format!("{HERE}/server.py");
    let own = file("");
    office.site.ok(&[
        "connector",
        "add",
        "mcp",
        "desk",
        "--task",
        "Send letters",
        "--label",
        "internal",
        "--read",
        HERE,
        "--write",
        &own,
        "--",
        "python3",
        &server,
        "--state",
        &state,
        "--data",
        &data,
    ]);
    let path = office.site.path("connectors/desk.yaml");
    let written = Written {
        tools: &[("get", "{power: read}"), ("send", "{power: send}")],
        approval: ASK,
        ..Written::default()
    };
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, rewritten(&text, "olga@acme.example", written)).unwrap();
    let site = &office.site;
    site.ok(&["approve-revision", "desk", "--reason", "as agreed"]);
}

/// What it is given to send, and what the server then says of itself.
async fn sent(office: &Office) -> String {
    let all = strings();
    office.gate.until(&office.ann, "desk_get", "invalid").await;
    let letter = json!({"to": all[0], "subject": all[1], "body": all.join("\n")});
    let plan = office.asks("desk_send", &letter).await;
    let described = json!({"descriptions": {"send": all.join(" "), "get": all[2]}, "notify": true});
    office.site.write("desk/state", &described.to_string());
    plan
}

/// What the AI client asks with them, and what people write: requests, reasons, names of tokens.
async fn fill(office: &Office, ann: &Visitor, lena: &Visitor) -> (String, String) {
    let all = strings();
    let content = format!("# {}\n\n{}\n", all[3], all.join("\n"));
    let write = json!({"path": "new.md", "content": content});
    let plan = office.asks("notes_write", &write).await;
    let other = json!({"path": "other.md", "content": "plain\n"});
    let other = office.asks("notes_write", &other).await;
    let reason = all.join(" ");
    let rejected = lena
        .post(
            &format!("/approvals/{other}/reject"),
            &[("reason", &reason)],
        )
        .await;
    assert_eq!(rejected.code, 303, "{}", rejected.text);
    for four in all.chunks(4) {
        let text = |at: usize| four.get(at).map_or("x", String::as_str);
        let fields = [
            ("task", text(0)),
            ("system", text(1)),
            ("data", text(2)),
            ("why", text(3)),
            ("power.read", "1"),
        ];
        let asked = ann.post("/lifecycle/requests", &fields).await;
        assert_eq!(asked.code, 303, "{}", asked.text);
    }
    for text in ["<script>window.hacked=1</script>", "a\u{202e}b"] {
        office
            .site
            .ok(&["token", "new", "--client", text, "--name", text]);
        office
            .gate
            .call(&office.ann, "notes_search", &json!({"query": text}))
            .await;
        office
            .gate
            .call(&office.ann, text, &json!({text: text}))
            .await;
    }
    (plan, other)
}

#[tokio::test]
async fn nothing_runs_and_nothing_hides_on_any_page() {
    let office = office().await;
    let (ann, lena) = (office.visitor("ann").await, office.visitor("lena").await);
    let (plan, other) = fill(&office, &ann, &lena).await;
    let letter = sent(&office).await;
    let records = office.site.json(&["log", "--limit", "200"]);
    let record = |value: &Value| value["plan"]["id"].as_str() == Some(&plan);
    let listed = records["data"]["records"].as_array().unwrap();
    let record = listed.iter().find(|value| record(value)).unwrap();
    let record = record["id"].as_str().unwrap();
    let odd = "%3Cscript%3Ewindow.hacked%3D1%3C%2Fscript%3E%E2%80%AE%22%3E";
    let pages = json!([
        "/",
        format!("/?text={odd}&after={odd}"),
        "/approvals",
        format!("/approvals?connector={odd}&all={odd}"),
        format!("/approvals/{plan}"),
        format!("/approvals/{other}"),
        format!("/approvals/{letter}"),
        "/activity?looks=1",
        format!("/activity?text={odd}&person={odd}&client={odd}"),
        format!("/activity/{record}"),
        "/connectors/notes",
        "/connectors/notes/access",
        "/connectors/notes/revisions",
        "/connectors/notes/usage",
        "/connectors/tracker",
        "/connectors/tracker/access",
        "/connectors/tracker/revisions",
        "/connectors/desk",
        "/connectors/desk/access",
        "/connectors/desk/revisions",
        "/connectors/desk/usage",
        "/lifecycle",
        "/people",
        format!(
            "/people/explain?person=ann@acme.example&client={odd}&tool=notes_search&arguments=%7B%22query%22%3A%22{odd}%22"
        ),
        "/sources",
    ]);
    let whole = [
        format!("/approvals/{plan}"),
        format!("/approvals/{letter}"),
        "/lifecycle".to_owned(),
    ];
    let told = json!({
        "url": office.gate.url, "owner": office.link("olga"), "pages": pages, "whole": whole,
    });
    let story = super::told("hostile", told).await;
    for path in &whole {
        let missing = story.saw(&format!("missing on {path}"));
        assert_eq!(missing, &json!([]), "on {path}");
    }
}
