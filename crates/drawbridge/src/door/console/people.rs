//! Who is here, with which tokens, and what their assistants could do.

use askama::Template;
use axum::extract::{Path, Query};
use serde::Deserialize;
use serde_json::Value;

use super::{
    encoded,
    escape::editable,
    frame::Frame,
    given,
    visitor::{Sent, Shown, Visitor, read, show},
};
use crate::{
    identify::{COMMAND_LINE, CONSOLE},
    operate::{Operation, PeopleQuery, TokenQuery},
};

/// People on one page.
const PEOPLE: u32 = 100;
/// Tokens on one page, of those that are good.
const TOKENS: u32 = 100;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Asked {
    text: String,
    after: String,
    tokens: String,
}

/// `GET /people`.
#[derive(Deserialize)]
struct People {
    people: Vec<Person>,
    total: u64,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Person {
    id: String,
    name: Option<String>,
    groups: Vec<String>,
    attributes: Option<std::collections::BTreeMap<String, String>>,
    listed: bool,
    as_of: Option<String>,
    roles: Vec<String>,
    tokens: u64,
    last_used: Option<String>,
}

/// `GET /tokens`.
#[derive(Deserialize)]
struct Tokens {
    tokens: Vec<Token>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    id: String,
    person: String,
    client: String,
    name: String,
    created: String,
    expires: Option<jiff::Timestamp>,
    last_used: Option<String>,
}

impl Token {
    /// What it is, for people.
    fn kind(&self) -> &'static str {
        match self.client.as_str() {
            CONSOLE => "session here",
            COMMAND_LINE => "personal token",
            _ => "AI client",
        }
    }
}

#[derive(Template)]
#[template(path = "people.html")]
struct Page {
    frame: Frame,
    asked: Asked,
    people: People,
    tokens: Tokens,
    /// The session in which the page is looked at.
    this: String,
}

impl Page {
    fn is_this(&self, id: &str) -> bool {
        self.this == id
    }

    fn next(&self) -> Option<String> {
        let after = self.people.next.as_deref()?;
        Some(format!(
            "/people?text={}&after={}",
            encoded(&self.asked.text),
            encoded(after)
        ))
    }

    fn further_tokens(&self) -> Option<String> {
        let Asked { text, after, .. } = &self.asked;
        let tokens = self.tokens.next.as_deref()?;
        Some(format!(
            "/people?text={}&after={}&tokens={}#tokens",
            encoded(text),
            encoded(after),
            encoded(tokens)
        ))
    }

    fn encoded(&self, text: &str) -> String {
        encoded(text)
    }
}

pub(super) async fn page(visitor: Visitor, Query(asked): Query<Asked>) -> Shown {
    let frame = Frame::of(&visitor, "/people").await?;
    let query = PeopleQuery {
        text: given(&asked.text),
        after: given(&asked.after),
        limit: Some(PEOPLE),
    };
    let people = visitor.ask(Operation::People(query)).await?;
    let query = TokenQuery {
        in_force: true,
        after: given(&asked.tokens),
        limit: Some(TOKENS),
        ..TokenQuery::default()
    };
    let tokens = read(visitor.look(Operation::Tokens(query)).await?)?;
    show(&Page {
        frame,
        asked,
        people,
        tokens,
        this: visitor
            .caller
            .token
            .as_deref()
            .unwrap_or_default()
            .to_owned(),
    })
}

/// Ends a token or a session.
pub(super) async fn revoke(Path(id): Path<String>, sent: Sent) -> Shown {
    sent.visitor.data(Operation::RevokeToken { id }).await?;
    sent.visitor.done("/people", "revoked")
}

/// What is asked of the rules.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Question {
    person: String,
    client: String,
    tool: String,
    arguments: String,
}

#[derive(Template)]
#[template(path = "explain.html")]
struct Explained {
    frame: Frame,
    question: Question,
    wrong: Option<String>,
    answer: Option<Answer>,
    tools: Vec<String>,
}

/// `POST /explain`.
#[derive(Deserialize)]
struct Answer {
    tool: String,
    decision: Decision,
    view: Option<View>,
    unavailable: Option<String>,
    person_as_of: Option<String>,
    gates: Option<Value>,
}

#[derive(Deserialize)]
struct Decision {
    allowed: bool,
    reasons: Vec<String>,
    #[serde(default)]
    rules: Vec<Value>,
}

#[derive(Deserialize)]
struct View {
    admits: Vec<String>,
    hides: String,
    further_rules: Vec<String>,
}

impl Explained {
    fn gate(&self) -> Option<String> {
        let gates = self.answer.as_ref()?.gates.as_ref()?;
        Some(gates.get("says")?.as_str()?.to_owned())
    }

    fn rules(&self) -> String {
        let rules = self.answer.as_ref().map(|answer| &answer.decision.rules);
        rules.map_or(String::new(), |rules| {
            editable(&Value::Array(rules.clone()))
        })
    }
}

/// What somebody's assistant could do, tried without doing it.
pub(super) async fn explain(visitor: Visitor, Query(question): Query<Question>) -> Shown {
    let frame = Frame::of(&visitor, "/people").await?;
    let tools = visitor.app.snapshot().tools(&visitor.caller, None);
    let tools = tools.iter().map(|tool| tool.name.to_string()).collect();
    let (mut wrong, mut answer) = (None, None);
    if !question.tool.is_empty() {
        let arguments = match question.arguments.trim() {
            "" => Ok(Value::Null),
            text => serde_json::from_str(text),
        };
        match arguments {
            Err(error) => wrong = Some(format!("the arguments are no JSON: {error}")),
            Ok(arguments) => {
                let operation = Operation::Explain {
                    person: given(&question.person),
                    client: given(&question.client),
                    tool: question.tool.trim().to_owned(),
                    arguments,
                };
                answer = Some(visitor.ask(operation).await?);
            }
        }
    }
    show(&Explained {
        frame,
        question,
        wrong,
        answer,
        tools,
    })
}
