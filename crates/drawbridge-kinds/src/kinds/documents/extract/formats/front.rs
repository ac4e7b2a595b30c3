//! Front matter: what a text says of itself in YAML above its first line.

use std::collections::BTreeMap;

use serde_json::Value;

pub(super) type Front = BTreeMap<String, Value>;

/// How many lines of a text without front matter are looked at for a label.
const TOP: usize = 40;
/// What comes before a file's text without being seen.
const UNSEEN: [char; 2] = ['\u{feff}', '\u{200b}'];

/// YAML between `---` lines above the text, why it cannot be read, and the text. What its author
/// seems to have meant to say of the document, such as a label, must not be read as text: that is
/// an error.
pub(super) fn split(text: &str) -> (Front, Option<String>, &str) {
    let text =
        text.trim_start_matches(|letter: char| letter.is_whitespace() || UNSEEN.contains(&letter));
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().unwrap_or_default();
    match first.trim_end() {
        "---" => {}
        "+++" => {
            let error = "it is TOML; write it as YAML between lines `---`";
            return (Front::new(), Some(error.to_owned()), "");
        }
        _ => return (Front::new(), astray(text), text),
    }
    let mut end = first.len();
    for line in lines {
        let yaml = text.get(first.len()..end).unwrap_or_default();
        end += line.len();
        if ["---", "..."].contains(&line.trim_end()) {
            let (front, error) = match read(yaml) {
                Ok(front) => (front, None),
                Err(error) => (Front::new(), Some(error)),
            };
            return (front, error, text.get(end..).unwrap_or_default());
        }
    }
    let error = "it does not end; close it with a line `---`";
    (Front::new(), Some(error.to_owned()), "")
}

/// A line near the top that looks like a label and is in no front matter: in the first paragraph,
/// or after a line `---`.
fn astray(text: &str) -> Option<String> {
    let (mut paragraph, mut ruled) = (true, false);
    for line in text.lines().take(TOP) {
        let line = line.trim();
        ruled |= line == "---";
        paragraph &= !line.is_empty();
        let key = line.split_once(':').map(|(key, _)| key);
        let is_label = key.is_some_and(|key| folded(key) == "label");
        if is_label && (paragraph || ruled) {
            let error = "there is a line that looks like a label and is in none; begin the file \
                         with front matter between lines `---`";
            return Some(error.to_owned());
        }
    }
    None
}

/// Keys in lower case. One that is there twice in any case is an error: nobody can tell which counts.
fn read(yaml: &str) -> Result<Front, String> {
    if yaml.trim().is_empty() {
        return Ok(Front::new());
    }
    let written = serde_saphyr::from_str::<Front>(yaml).map_err(|error| {
        let message = error.to_string();
        message.lines().next().unwrap_or_default().to_owned()
    })?;
    let mut front = Front::new();
    for (key, value) in written {
        let key = folded(&key);
        if front.insert(key.clone(), value).is_some() {
            return Err(format!("it says `{key}` twice; leave one out"));
        }
    }
    Ok(front)
}

fn folded(key: &str) -> String {
    key.trim_matches(|letter: char| {
        letter.is_whitespace()
            || UNSEEN.contains(&letter)
            || ['"', '\'', '*', '_'].contains(&letter)
    })
    .to_lowercase()
}
