//! What is a secret: by the name it has, or by how it looks.

use drawbridge_core::secret::Secret;
use reqwest::Url;
use serde_json::Value;

/// Words of a name that tell a secret, beside those that no file may hold at all.
const WORDS: [&str; 12] = [
    "auth",
    "bearer",
    "cookie",
    "dsn",
    "jwt",
    "key",
    "pass",
    "passphrase",
    "pat",
    "pin",
    "pwd",
    "signature",
];
/// How secrets of known makers begin. Some are in two parts, so that no scanner takes this for one.
const PREFIXES: [&str; 22] = [
    "sk-",
    "sk_",
    "rk_",
    concat!("gh", "p_"),
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xox",
    "xapp-",
    concat!("AK", "IA"),
    "ASIA",
    "AIza",
    "ya29.",
    "eyJ",
    "npm_",
    "pypi-AgE",
    "hf_",
    "shpat_",
    "dop_v1_",
];
/// The least length of what has such a beginning.
const LEAST: usize = 12;

/// Whether a variable, a header or a parameter holds a secret.
pub(super) fn is_secret(name: &str, value: &str) -> bool {
    if value.is_empty() {
        return false;
    }
    drawbridge_kinds::kinds::mcp::is_secret(name)
        || (hints(name) && !is_plain(value))
        || looks_secret(value)
}

/// Whether a name has a word that tells a secret, though not by itself.
fn hints(name: &str) -> bool {
    let mut words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.any(|word| WORDS.iter().any(|one| one.eq_ignore_ascii_case(word)))
}

/// Whether a value is too plain to be one: a number, a switch, a path.
fn is_plain(value: &str) -> bool {
    let switches = ["true", "false", "yes", "no", "on", "off", "none"];
    value.starts_with('/')
        || switches.iter().any(|one| value.eq_ignore_ascii_case(one))
        || (value.len() < 6 && value.chars().all(|letter| letter.is_ascii_digit()))
}

/// Whether a value of a variable or a header looks like a secret. Taking too much for one costs little
/// here: it is kept sealed.
pub(super) fn looks_secret(value: &str) -> bool {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || "_+/=~-".contains(letter);
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let long = value.len() >= 20
        && digits >= 3
        && !value.starts_with('/')
        && value.chars().all(letter)
        && value.split(['-', '_']).any(is_mixed);
    long || value.contains("-----BEGIN ")
        || words(value).any(is_token)
        || in_address(value).is_some()
}

/// Letters and digits in one: a part of no name with a date or a version.
fn is_mixed(part: &str) -> bool {
    let has = |is: fn(&char) -> bool| part.chars().any(|letter| is(&letter));
    part.len() >= 4 && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic)
}

/// Whether an argument shows a secret. Every account of the machine reads arguments.
pub(super) fn in_argument(argument: &str, before: Option<&str>) -> bool {
    let named = |name: &str, value: &str| {
        let name = name.trim_matches(['-', '"', '\'', ' ']);
        let value = value.trim_start();
        let tells = drawbridge_kinds::kinds::mcp::is_secret(name) || hints(name);
        tells
            && !value.is_empty()
            && !value.starts_with("${")
            && !value.starts_with('$')
            && !is_plain(value)
    };
    let flag = before.filter(|flag| flag.starts_with('-') && !flag.contains('='));
    if flag.is_some_and(|flag| !argument.starts_with('-') && named(flag, argument)) {
        return true;
    }
    let header = argument
        .split_once(':')
        .filter(|(_, value)| !value.starts_with("//"));
    header.is_some_and(|(name, value)| !name.contains(' ') && named(name, value))
        || argument.contains("-----BEGIN ")
        || words(argument).any(|word| {
            let pair = word
                .split_once('=')
                .filter(|(name, _)| !name.contains("://"));
            pair.is_some_and(|(name, value)| named(name, value))
                || is_token(word)
                || pair.is_some_and(|(_, value)| is_token(value))
        })
        || in_address(argument).is_some()
}

/// Where an address holds a secret.
pub(super) fn in_address(text: &str) -> Option<&'static str> {
    let start = text.find("://")?;
    let other = |letter: char| !letter.is_ascii_alphanumeric() && letter != '+';
    let scheme = text.get(..start)?.rsplit(other).next()?;
    let url = text.get(start - scheme.len()..)?;
    let url = Url::parse(url.split([' ', '"', '\'']).next()?).ok()?;
    if url.password().is_some() || is_token(url.username()) {
        return Some("a name and a password");
    }
    let mut pairs = url.query_pairs();
    if pairs.any(|(name, value)| !value.starts_with("${") && is_secret(&name, &value)) {
        return Some("a secret among its parameters");
    }
    let mut steps = url.path_segments()?;
    steps.any(is_token).then_some("a secret in its path")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| letter.is_whitespace() || "\"',;".contains(letter))
}

/// Whether a word is a secret of a known maker, or as random as only a secret is.
fn is_token(word: &str) -> bool {
    let known = PREFIXES.iter().any(|prefix| word.starts_with(prefix));
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    if known
        && word.len() >= LEAST
        && word.chars().all(plain)
        && word.chars().any(|one| one.is_ascii_digit())
    {
        return true;
    }
    is_random(word)
}

/// Letters and digits without any order, as no name or version has them.
fn is_random(word: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    if word.len() < 24 || !word.chars().all(is_letter) {
        return false;
    }
    let class = |letter: char| match letter {
        'a'..='z' => Some(0),
        'A'..='Z' => Some(1),
        '0'..='9' => Some(2),
        _ => None,
    };
    let classes: Vec<i32> = word.chars().filter_map(class).collect();
    let count = |wanted| classes.iter().filter(|class| **class == wanted).count();
    let changes = classes
        .windows(2)
        .filter(|pair| pair.first() != pair.last())
        .count();
    let (lower, upper, digits) = (count(0), count(1), count(2));
    let mixed = lower > 0 && upper > 0 && digits > 0;
    if mixed {
        return changes * 100 >= classes.len() * 42;
    }
    // As hexadecimal digits, or of one case.
    let whole = classes.len() == word.len();
    whole && word.len() >= 32 && digits >= 6 && lower + upper >= 4 && changes * 4 >= word.len()
}

/// Secrets taken out of what others said, before people see it.
pub(super) struct Hush<'a>(pub(super) &'a [Secret<String>]);

/// Shorter ones are in every text, and tell nothing by being there.
const LEAST_HUSHED: usize = 5;
const LEAST_TELLING: usize = 7;

impl Hush<'_> {
    pub(super) fn text(&self, text: &str) -> String {
        let long = self
            .0
            .iter()
            .filter(|secret| secret.expose().len() >= LEAST_HUSHED);
        long.fold(text.to_owned(), |text, secret| {
            text.replace(secret.expose().as_str(), "***")
        })
    }

    /// Whether a text holds one of them. A plain word is in many texts by itself.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let is_word = |secret: &str| secret.chars().all(|letter| letter.is_ascii_lowercase());
        let all = self.0.iter().map(|secret| secret.expose().as_str());
        let mut telling = all.filter(|secret| secret.len() >= LEAST_TELLING && !is_word(secret));
        telling.any(|secret| text.contains(secret))
    }

    pub(super) fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::from(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => {
                let fields = fields.iter();
                Value::Object(
                    fields
                        .map(|(key, value)| (self.text(key), self.value(value)))
                        .collect(),
                )
            }
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: &str = "q7Wd0Zr3Kx9Tb5Vn1Mc8Lp4H";

    #[test]
    fn variables_that_are_secret_are_told_by_name_or_look() {
        let hidden = format!("https://x.example/?token={RANDOM}");
        for (name, value) in [
            ("GITHUB_TOKEN", "x"),
            ("SLACK_KEY", "abcdef"),
            ("DATABASE_URL", "postgres://bob:pw@db.example/x"),
            ("ANYTHING", RANDOM),
            ("ANYTHING", "3f0c2a9e-6d1b-4c58-9a77-0b1e2d3c4f5a"),
            ("ANYTHING", hidden.as_str()),
            ("ANYTHING", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc"),
        ] {
            assert!(is_secret(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("GITHUB_TOKEN", ""),
            ("LOG_LEVEL", "debug"),
            ("SSL_KEY_FILE", "/etc/x/key.pem"),
            ("DATA_DIR", "/srv/data-2024/archive/north-east-region-17"),
            ("SITE", "https://acme.atlassian.net/wiki/spaces/2024"),
            ("KEY_COUNT", "12"),
            ("MODEL", "claude-3-5-sonnet-20241022"),
        ] {
            assert!(!is_secret(name, value), "{name}={value}");
        }
    }

    #[test]
    fn arguments_that_show_a_secret_are_told() {
        let github = concat!("gh", "p_0123456789abcdefABCDEF0123456789abcd");
        let header = format!("Authorization: Bearer {RANDOM}");
        let nested = format!("API_KEY={RANDOM} node x.js");
        for (argument, before) in [
            ("--api-key=abcdef", None),
            ("hunter2", Some("--password")),
            (github, None),
            (RANDOM, Some("--id")),
            (header.as_str(), Some("--header")),
            (nested.as_str(), Some("-c")),
            ("postgresql://bob:pw@localhost/x", None),
            ("https://x.example/sse?api_key=abcdef", None),
            ("GITHUB_TOKEN=abcdef", Some("-e")),
            ("9f86d081884c7d659a2feaa0c55ad015", None),
        ] {
            assert!(in_argument(argument, before), "{before:?} {argument}");
        }
        for (argument, before) in [
            ("-y", None),
            (
                "@modelcontextprotocol/server-filesystem@2025.7.29",
                Some("-y"),
            ),
            ("/home/ann/Documents/2024-Reports", None),
            ("GITHUB_TOKEN", Some("-e")),
            ("Authorization:${AUTH_HEADER}", Some("--header")),
            ("--max-tokens=4096", None),
            ("--token-file", None),
            ("/run/secrets/token", Some("--token-file")),
            ("https://x.example/mcp?region=north", None),
            ("mcp/github@sha256:0123", None),
            ("MyServer-2025-Production-Env1", None),
            ("3f0c2a9e-6d1b-4c58-9a77-0b1e2d3c4f5a", Some("--project")),
            ("postgresql://localhost/x", None),
        ] {
            assert!(!in_argument(argument, before), "{before:?} {argument}");
        }
    }

    #[test]
    fn what_others_said_is_hushed() {
        let all = [
            Secret::new("hunter2".to_owned()),
            Secret::new("1".to_owned()),
        ];
        let hush = Hush(&all);
        assert_eq!(hush.text("1: hunter2!"), "1: ***!");
        let value = serde_json::json!({"hunter2": ["x hunter2", 1]});
        assert_eq!(hush.value(&value), serde_json::json!({"***": ["x ***", 1]}));
        assert!(hush.is_in("a hunter2") && !hush.is_in("a 1"));
        assert!(!Hush(&[Secret::new("postgres".to_owned())]).is_in("a postgres server"));
    }
}
