//! Whether the client's side answers what it was asked, and as it was asked. Only what is checked here
//! reaches who asked, and no more of it than was asked for.

use drawbridge_core::{
    exchange::{Asking, How, Reply, form},
    log::plain,
};
use rmcp::model::InputResponses;
use serde_json::{Map, Value, json};

use crate::{questions::Posed, resolve::faults};

/// The largest answers of one call together, in bytes.
const MOST_BYTES: usize = 1 << 20;
/// The largest answer to a form, in bytes.
const FORM_BYTES: usize = 64 << 10;
/// The most folders.
const MOST_ROOTS: usize = 1_000;
/// How many names of answers that nobody asked for are told, and how much of each, in characters.
const MOST_UNASKED: usize = 20;
const LONGEST: usize = 100;

/// Answers to be checked, or looked through for their names.
///
/// # Errors
/// Where one is no answer at all, whatever was asked.
pub(super) fn looked_at(responses: Option<InputResponses>) -> Result<InputResponses, String> {
    let responses = responses.unwrap_or_default();
    let odd = responses.iter().find(|(_, answer)| !answer.is_object());
    match odd {
        Some((name, _)) => Err(format!(
            "`inputResponses/{}`: each answer must be an object",
            short(name)
        )),
        None => Ok(responses),
    }
}

/// The answers that were asked for, in the order of the questions, and the names of the others.
///
/// # Errors
/// Which is wrong, and what would be right.
pub(super) fn taken(
    asked: &[Posed],
    mut responses: InputResponses,
) -> Result<(Vec<Reply>, Vec<String>), String> {
    let size = serde_json::to_vec(&responses).map_or(usize::MAX, |bytes| bytes.len());
    if size > MOST_BYTES {
        return Err(format!(
            "`inputResponses`: has {size} bytes, and may have at most {MOST_BYTES}"
        ));
    }
    let mut replies = Vec::new();
    for posed in asked {
        if let Some(answer) = responses.remove(&posed.name) {
            replies.push(reply(posed, answer)?);
        }
    }
    Ok((replies, names(&responses)))
}

/// The names of answers that nobody asked for.
pub(super) fn names(responses: &InputResponses) -> Vec<String> {
    let named = responses.keys().take(MOST_UNASKED);
    named.map(|name| short(name)).collect()
}

fn short(name: &str) -> String {
    let short: String = name.chars().take(LONGEST).collect();
    plain::visible(&short)
}

/// The answer to one question.
///
/// # Errors
/// What is wrong with it.
pub(super) fn reply(posed: &Posed, answer: Value) -> Result<Reply, String> {
    let wrong = |told: &str| format!("`inputResponses/{}`: {told}", posed.name);
    let Value::Object(mut answer) = answer else {
        return Err(wrong("each answer must be an object"));
    };
    let (how, content) = match posed.asking {
        Asking::Form | Asking::Page => {
            let told = "its `action` must be `accept`, `decline` or `cancel`";
            let how = answer
                .get("action")
                .and_then(how)
                .ok_or_else(|| wrong(told))?;
            let filled = posed.asking == Asking::Form && how == How::Accept;
            let fields = answer.shift_remove("content");
            let content = filled.then(|| fields.unwrap_or_else(|| json!({})));
            (how, content)
        }
        Asking::Sampling => (How::Accept, Some(sample(&answer).map_err(wrong)?)),
        Asking::Roots => (How::Accept, Some(roots(&answer).map_err(wrong)?)),
    };
    if let (Asking::Form, Some(fields)) = (posed.asking, &content) {
        let size = fields.to_string().len();
        if size > FORM_BYTES {
            return Err(wrong(&format!("may have at most {FORM_BYTES} bytes")));
        }
        let form = posed.schema.as_ref().and_then(form);
        if let Some(faults) = faults::of(form.as_ref(), fields) {
            let told = format!("its `content` is not as was asked for: {faults}");
            return Err(wrong(&told));
        }
    }
    Ok(Reply {
        name: posed.name.clone(),
        asking: posed.asking,
        how,
        content,
    })
}

fn how(action: &Value) -> Option<How> {
    match action.as_str()? {
        "accept" => Some(How::Accept),
        "decline" => Some(How::Decline),
        "cancel" => Some(How::Cancel),
        _ => None,
    }
}

/// What a model said (`CreateMessageResult`), without what MCP does not name.
fn sample(answer: &Map<String, Value>) -> Result<Value, &'static str> {
    let block = |block: &Value| block.get("type").is_some_and(Value::is_string);
    let content = match answer.get("content") {
        Some(Value::Array(blocks)) => blocks.iter().all(block),
        Some(one) => block(one),
        None => false,
    };
    let role = answer.get("role").and_then(Value::as_str);
    let model = answer.get("model").is_some_and(Value::is_string);
    let stop = answer.get("stopReason").is_none_or(Value::is_string);
    if !content || !matches!(role, Some("assistant" | "user")) || !model || !stop {
        return Err("must be what a model said: `role`, `content` and `model`");
    }
    Ok(only(answer, &["role", "content", "model", "stopReason"]))
}

/// The folders of a client (`ListRootsResult`), without what MCP does not name.
fn roots(answer: &Map<String, Value>) -> Result<Value, &'static str> {
    let told =
        "must be the folders of a client: `roots`, each with a `uri` that begins with `file://`";
    let roots = answer.get("roots").and_then(Value::as_array).ok_or(told)?;
    let root = |root: &Value| {
        let root = root.as_object()?;
        let uri = root.get("uri").and_then(Value::as_str)?;
        let named = root.get("name").is_none_or(Value::is_string);
        (uri.starts_with("file://") && named).then(|| only(root, &["uri", "name"]))
    };
    let roots: Option<Vec<Value>> = roots.iter().map(root).collect();
    let roots = roots.filter(|roots| roots.len() <= MOST_ROOTS);
    Ok(json!({"roots": roots.ok_or(told)?}))
}

fn only(fields: &Map<String, Value>, names: &[&str]) -> Value {
    let kept = names.iter();
    let kept = kept.filter_map(|name| Some(((*name).to_owned(), fields.get(*name)?.clone())));
    Value::Object(kept.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posed(asking: Asking) -> Posed {
        let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
        Posed {
            name: "a".to_owned(),
            asking,
            schema: (asking == Asking::Form).then_some(schema),
        }
    }

    fn said() -> Value {
        json!({"role": "assistant", "content": {"type": "text", "text": "b"}, "model": "m"})
    }

    fn folder() -> Value {
        json!({"roots": [{"uri": "file:///a", "name": "a"}]})
    }

    #[test]
    fn an_answer_reaches_who_asked_without_what_nobody_asked_for() {
        let fields = json!({"name": "b"});
        let filled = json!({"action": "accept", "content": fields, "_meta": {}});
        let declined = json!({"action": "decline", "content": {"x": 1}});
        let opened = json!({"action": "accept", "content": {"x": 1}});
        let mut more = said();
        more["_meta"] = json!({"a": 1});
        for (asking, answer, how, content) in [
            (Asking::Form, filled, How::Accept, Some(fields)),
            (Asking::Form, declined, How::Decline, None),
            (Asking::Form, json!({"action": "cancel"}), How::Cancel, None),
            (Asking::Page, opened, How::Accept, None),
            (Asking::Sampling, more, How::Accept, Some(said())),
            (Asking::Roots, folder(), How::Accept, Some(folder())),
        ] {
            let reply = reply(&posed(asking), answer.clone()).unwrap();
            assert_eq!((reply.how, reply.content), (how, content), "{answer}");
        }
    }

    #[test]
    fn an_answer_of_another_sort_is_refused() {
        let filled = |content: Value| json!({"action": "accept", "content": content});
        let speaks =
            |role: &str, content: Value| json!({"role": role, "content": content, "model": "m"});
        for (asking, answer) in [
            (Asking::Form, json!(1)),
            (Asking::Form, json!({})),
            (Asking::Form, json!({"action": "yes"})),
            (Asking::Form, json!({"action": "accept"})),
            (Asking::Form, filled(json!([]))),
            (Asking::Form, filled(json!({"name": 1}))),
            (Asking::Form, filled(json!({"name": "b", "more": 1}))),
            (
                Asking::Form,
                filled(json!({"name": "b".repeat(FORM_BYTES)})),
            ),
            (Asking::Form, said()),
            (Asking::Form, folder()),
            (Asking::Page, json!({"roots": []})),
            (Asking::Sampling, json!({"action": "accept"})),
            (Asking::Sampling, speaks("system", json!({"type": "text"}))),
            (Asking::Sampling, speaks("user", json!("b"))),
            (
                Asking::Roots,
                json!({"roots": [{"uri": "https://a.example/"}]}),
            ),
            (Asking::Roots, json!({"roots": "all"})),
            (Asking::Roots, filled(json!({}))),
        ] {
            let told = reply(&posed(asking), answer).unwrap_err();
            assert!(told.starts_with("`inputResponses/a`: "), "{told}");
        }
    }

    #[test]
    fn what_nobody_asked_for_is_left_out_and_too_much_is_refused() {
        let responses =
            |answers: Value| -> InputResponses { serde_json::from_value(answers).unwrap() };
        let asked = [posed(Asking::Form)];
        let declined = json!({"action": "decline"});
        let (replies, unasked) = taken(
            &asked,
            responses(json!({"b": declined, "a": declined, "c": 1})),
        )
        .unwrap();
        assert_eq!(replies.len(), 1);
        assert_eq!(unasked, ["b", "c"]);
        let large = json!({"a": {"action": "decline", "x": "y".repeat(MOST_BYTES)}});
        assert!(
            taken(&asked, responses(large))
                .unwrap_err()
                .contains("bytes")
        );
    }
}
