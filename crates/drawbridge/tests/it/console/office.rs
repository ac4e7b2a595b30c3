//! An office for the console: a real gateway, documents that may be changed behind gates, and a person
//! for each role; and a visitor without a browser, who keeps a cookie and sends forms.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::gate::{Gate, Site};

/// Its people and roles.
pub(crate) const PEOPLE: &str = "gateway: acme\naddress: 127.0.0.1:0\noperator: olga@acme.example\n\
    people:\n  olga@acme.example: {name: Olga, groups: [owners]}\n  \
    lena@acme.example: {name: Lena, groups: [leads]}\n  \
    rita@acme.example: {name: Rita}\n  \
    adam@acme.example: {name: Adam}\n  \
    ann@acme.example: {name: Ann, groups: [staff], attributes: {department: sales}}\n\
    roles:\n  owner: [\"group:owners\"]\n  reviewer: [rita@acme.example]\n  auditor: [adam@acme.example]\n";

/// The connector of its notes.
pub(crate) const NOTES: &str = "connector: notes\n\
    purpose: {task: Keep the notes of the office, owner: olga@acme.example, review_every: 90d}\n\
    system: {kind: documents, folder: notes-files}\n\
    scope: {include: [\"**/*.md\"], label: internal, writable: [\"**\"]}\n\
    access: [read, search, draft, write, update, delete]\n\
    identity: {account: gateway, approved_by: olga@acme.example}\n\
    permissions:\n  - {who: [everyone], may: [read, search, draft, write, update, delete]}\n\
    logging: {keep: 400d}\n\
    approval:\n  - {when: {power: delete}, ask: [\"group:owners\", \"group:leads\"], quorum: 2}\n  \
    - {when: {power: [write, update]}, ask: [\"group:leads\"], expires: 4h, escalate: {after: 1h, to: [\"group:owners\"]}}\n\
    recovery: {undo: 7d, pause: [\"group:leads\"]}\n";

/// The office, open.
pub(crate) struct Office {
    pub(crate) site: Site,
    pub(crate) gate: Gate,
    /// The token of Ann's AI client.
    pub(crate) ann: String,
}

impl Office {
    pub(crate) async fn open() -> Self {
        Self::open_as(PEOPLE, NOTES).await
    }

    /// One whose people are told of what waits, by a server at a port that is free; the port. Their
    /// links lead to where it is known to listen.
    pub(crate) async fn told_of_notices() -> (Self, u16) {
        let (own, port) = (free_port(), free_port());
        let gateway = PEOPLE.replace("127.0.0.1:0", &format!("127.0.0.1:{own}"));
        let told = format!(
            "{gateway}notifications:\n  \
             webhooks: [{{url: \"http://127.0.0.1:{port}/hook\", secret: \"env:OFFICE_HOOK\"}}]\n"
        );
        (Self::open_as(&told, NOTES).await, port)
    }

    /// One with other files.
    pub(crate) async fn open_as(people: &str, notes: &str) -> Self {
        let site = Site::new(people);
        for (path, text) in [
            (
                "hours.md",
                "# Opening hours\n\nMonday to Friday 9-17\nSaturday 10-14\n",
            ),
            ("team.md", "# Team\n\n- Ann\n- Lena\n"),
        ] {
            site.write(&format!("notes-files/{path}"), text);
        }
        site.write("connectors/notes.yaml", notes);
        site.ok(&["approve-revision", "notes", "--reason", "as agreed"]);
        let ann = site.token("ann@acme.example", "claude");
        let mut serve = site.command(&["serve"]);
        serve.env("OFFICE_HOOK", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let gate = Gate::start(serve.stdout(Stdio::piped()).stderr(Stdio::null()));
        gate.until(&ann, "notes_search", "ok").await;
        Self { site, gate, ann }
    }

    /// A link that signs somebody in.
    pub(crate) fn link(&self, person: &str) -> String {
        let person = format!("{person}@acme.example");
        let made = self.site.json(&["--person", &person, "console"]);
        made["data"]["link"].as_str().unwrap().to_owned()
    }

    /// Has Ann's AI client ask for a change that waits for somebody; the plan's id.
    pub(crate) async fn asks(&self, tool: &str, arguments: &Value) -> String {
        let answer = self.gate.call(&self.ann, tool, arguments).await;
        let id = answer["plan"]["id"].as_str();
        id.unwrap_or_else(|| panic!("{answer:#}")).to_owned()
    }

    /// The same for an update of the opening hours.
    pub(crate) async fn asks_for_longer_hours(&self) -> String {
        let change = json!({"path": "hours.md", "replace": [{"old": "10-14", "new": "10-16"}]});
        self.asks("notes_update", &change).await
    }

    /// Somebody at the console.
    pub(crate) async fn visitor(&self, person: &str) -> Visitor {
        Visitor::by(&self.gate.url, &self.link(person)).await
    }
}

/// Somebody at the console, without a browser.
pub(crate) struct Visitor {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) cookie: String,
}

/// What came back.
pub(crate) struct Shown {
    pub(crate) code: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Shown {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Visitor {
    /// Follows a link that signs somebody in.
    pub(crate) async fn by(url: &str, link: &str) -> Self {
        let mut visitor = Self {
            http: client(),
            url: url.to_owned(),
            cookie: String::new(),
        };
        let arrived = visitor.get(link.strip_prefix(url).unwrap()).await;
        assert_eq!(arrived.code, 303, "{}", arrived.text);
        let cookie = arrived.header("set-cookie").split(';').next().unwrap();
        visitor.cookie = cookie.to_owned();
        visitor
    }

    pub(crate) async fn get(&self, path: &str) -> Shown {
        let asked = self.http.get(format!("{}{path}", self.url));
        self.send(asked).await
    }

    /// A page that must be there.
    pub(crate) async fn page(&self, path: &str) -> String {
        let shown = self.get(path).await;
        assert_eq!(shown.code, 200, "{path}: {}", shown.text);
        shown.text
    }

    /// The token that this session's forms carry.
    pub(crate) async fn form_token(&self) -> String {
        let page = self.page("/").await;
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    /// Sends a form as a page of this session would.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let token = self.form_token().await;
        let mut all = vec![("csrf", token.as_str())];
        all.extend(fields);
        self.post_as_is(path, &all).await
    }

    /// Sends just these fields.
    pub(crate) async fn post_as_is(&self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let asked = self.http.post(format!("{}{path}", self.url));
        self.send(form(asked, fields)).await
    }

    pub(crate) async fn send(&self, asked: reqwest::RequestBuilder) -> Shown {
        let asked = match self.cookie.as_str() {
            "" => asked,
            cookie => asked.header("Cookie", cookie),
        };
        let response = asked.send().await.unwrap();
        Shown {
            code: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }
}

/// A request with the body that a browser makes of a form.
pub(crate) fn form(
    asked: reqwest::RequestBuilder,
    fields: &[(&str, &str)],
) -> reqwest::RequestBuilder {
    let mut url = reqwest::Url::parse("http://form.example").unwrap();
    url.query_pairs_mut().extend_pairs(fields);
    let body = url.query().unwrap_or_default().to_owned();
    asked
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body)
}

fn free_port() -> u16 {
    let bound = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    bound.local_addr().unwrap().port()
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}
