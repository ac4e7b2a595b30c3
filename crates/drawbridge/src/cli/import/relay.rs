//! Servers elsewhere that a client reaches through a program of this machine, `mcp-remote`: the bridge
//! reaches them itself, and what the program would be given as headers is sealed like any other.

use std::collections::BTreeMap;

use super::{
    expand::Text,
    grants, secrets,
    server::{self, Server},
};

/// The program, as it is installed or fetched.
const RELAY: &str = "mcp-remote";

/// The server behind such a program; nothing where the program is another.
pub(super) fn behind(
    command: &[Text],
    environment: &BTreeMap<String, Text>,
) -> Option<Result<Server, String>> {
    let is_relay = |word: &Text| {
        let name = grants::base(&word.text);
        name == RELAY
            || name
                .strip_prefix(RELAY)
                .is_some_and(|end| end.starts_with('@'))
    };
    let (_, arguments) = command.split_at_checked(command.iter().position(is_relay)? + 1)?;
    Some(read(arguments, environment))
}

fn read(arguments: &[Text], environment: &BTreeMap<String, Text>) -> Result<Server, String> {
    let mut words = arguments.iter();
    let url = words
        .next()
        .filter(|word| !word.text.starts_with('-'))
        .ok_or_else(|| format!("`{RELAY}` is given no address"))?;
    let mut headers = BTreeMap::new();
    while let Some(word) = words.next() {
        if word.text == "sse-only" {
            return Err(server::OLDER.to_owned());
        }
        if word.text != "--header" {
            continue;
        }
        let header = words.next().ok_or("`--header` is given no header")?;
        let (name, value) = header
            .text
            .split_once(':')
            .ok_or("`--header` is given what has no `:`")?;
        let value = Text {
            text: value.trim().to_owned(),
            secret: header.secret,
        };
        headers.insert(name.trim().to_owned(), filled(value, environment));
    }
    let url = filled(url.clone(), environment);
    Ok(Server::Remote { url, headers })
}

/// A text with the program's own variables filled in, as it does. It stays secret where it was.
fn filled(text: Text, environment: &BTreeMap<String, Text>) -> Text {
    let mut filled = text;
    for (name, value) in environment {
        let placeholder = format!("${{{name}}}");
        if filled.text.contains(&placeholder) {
            filled.text = filled.text.replace(&placeholder, &value.text);
            filled.secret |= value.secret || secrets::is_secret(name, &value.text);
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str], environment: &[(&str, &str)]) -> Option<Result<Server, String>> {
        let words: Vec<Text> = words.iter().map(|word| Text::plain(*word)).collect();
        let environment = environment.iter();
        let environment =
            environment.map(|(name, value)| ((*name).to_owned(), Text::plain(*value)));
        behind(&words, &environment.collect())
    }

    #[test]
    fn a_server_behind_a_relay_is_reached_itself() {
        let words = [
            "npx",
            "-y",
            "mcp-remote@latest",
            "https://x.example/mcp",
            "3334",
        ];
        let more = [
            "--header",
            "Authorization:${AUTH}",
            "--header",
            "X-Region: north",
        ];
        let words = [&words[..], &more[..]].concat();
        let Some(Ok(Server::Remote { url, headers })) = of(&words, &[("AUTH", "Bearer hunter2")])
        else {
            panic!("no server elsewhere");
        };
        assert_eq!(url.text, "https://x.example/mcp");
        let authorization = &headers["Authorization"];
        assert_eq!(
            (authorization.text.as_str(), authorization.secret),
            ("Bearer hunter2", true)
        );
        assert_eq!(headers["X-Region"].text, "north");
    }

    #[test]
    fn a_secret_that_was_filled_in_before_stays_one() {
        let secret = |text: &str| Text {
            text: text.to_owned(),
            secret: true,
        };
        let mut words = ["mcp-remote", "", "--header", ""].map(Text::plain);
        words[1] = secret("https://x.example/hunter2/mcp");
        words[3] = secret("X-Site: hunter2");
        let Some(Ok(Server::Remote { url, headers })) = behind(&words, &BTreeMap::new()) else {
            panic!("no server elsewhere");
        };
        assert!(url.secret && headers["X-Site"].secret);
    }

    #[test]
    fn other_programs_stay_and_broken_lines_are_told() {
        assert!(of(&["npx", "-y", "mcp-remote-files", "/srv"], &[]).is_none());
        for words in [
            &["mcp-remote"][..],
            &["mcp-remote", "--debug"],
            &["mcp-remote", "https://x.example", "--header"],
            &["mcp-remote", "https://x.example", "--header", "hunter2"],
            &["mcp-remote", "https://x.example", "--transport", "sse-only"],
        ] {
            let why = of(words, &[]).and_then(Result::err).unwrap_or_default();
            assert!(
                !why.is_empty() && !why.contains("hunter2"),
                "{words:?}: {why}"
            );
        }
    }
}
