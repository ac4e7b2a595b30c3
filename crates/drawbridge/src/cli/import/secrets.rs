//! What is a secret: by the name it has, or by how it looks.

use drawbridge_core::secret::Secret;
use reqwest::Url;
use serde_json::Value;

/// Words of a name that tell a secret, beside those that no file may hold at all.
const WORDS: [&str; 18] = [
    "accesskey",
    "accountkey",
    "auth",
    "authkey",
    "authorization",
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
    "sharedaccesskey",
    "sig",
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
/// How much is looked at of a value within another, in bytes.
const MOST_WITHIN: usize = 512;

/// Whether a variable, a header or a parameter holds a secret.
pub(super) fn is_secret(name: &str, value: &str) -> bool {
    !value.is_empty() && (is_called_secret(name, value) || looks_secret(value))
}

fn is_called_secret(name: &str, value: &str) -> bool {
    drawbridge_kinds::kinds::mcp::is_secret(name) || (hints(name) && !is_plain(value))
}

/// Whether a name has a word that tells a secret, though not by itself: `DEPLOY_KEY`, `AccountKey`.
fn hints(name: &str) -> bool {
    let mut words = name
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .flat_map(|whole| std::iter::once(whole).chain(humps(whole)));
    name.ends_with("Key")
        || words.any(|word| WORDS.iter().any(|one| one.eq_ignore_ascii_case(word)))
}

/// The words of a name like `SharedAccessKey`.
fn humps(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let mut letters = rest.char_indices().zip(rest.chars().skip(1));
        let end = letters.find_map(|((at, one), next)| {
            let begins = !one.is_ascii_uppercase() && next.is_ascii_uppercase();
            begins.then_some(at + one.len_utf8())
        });
        let (word, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// Whether a value is too plain to be one: a number, a switch, a path.
fn is_plain(value: &str) -> bool {
    let switches = ["true", "false", "yes", "no", "on", "off", "none"];
    // What is coded in 64 letters begins with a stroke now and then.
    let is_path = value.starts_with('/') && !value.ends_with('=') && !value.contains('+');
    is_path
        || switches.iter().any(|one| value.eq_ignore_ascii_case(one))
        || (value.len() < 6 && value.chars().all(|letter| letter.is_ascii_digit()))
}

/// The secrets within a compound value, as far as they are told by the names before them: of a connection
/// string, a header, JSON and the like. Of a long one it is the beginning.
pub(super) fn within(text: &str) -> impl Iterator<Item = &str> {
    let around = |letter: char| letter.is_whitespace() || "\"'\\".contains(letter);
    let marks = text.match_indices(['=', ':']);
    marks.filter_map(move |(at, mark)| {
        let (before, after) = (text.get(..at)?, text.get(at + mark.len()..)?);
        // Of an address, or of a path of names.
        let is_path = after.starts_with("//") || after.starts_with(':') || before.ends_with(':');
        if mark == ":" && is_path {
            return None;
        }
        let other = |letter: char| !letter.is_ascii_alphanumeric() && !"_-.".contains(letter);
        let name = before.trim_end_matches(around).rsplit(other).next()?;
        if !tells(name.trim_matches('-')) {
            return None;
        }
        let after = after.strip_prefix(['=', '>']).unwrap_or(after);
        let value = after.trim_start_matches(|letter| around(letter) || letter == '[');
        let value = value.get(..value.floor_char_boundary(MOST_WITHIN))?;
        let value = proof(value).unwrap_or(value);
        let mut ends = value.split(|letter| around(letter) || ",;&".contains(letter));
        let value = ends.next()?;
        let is_empty = value.trim_matches(['{', '}', '[', ']']).is_empty();
        (!is_empty && (!is_plain(value) || is_number_of(name, value))).then_some(value)
    })
}

/// Whether a password is a number: under other names that is a count, as in `max_tokens=4096`.
fn is_number_of(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut words = ["password", "passwd", "pwd"].into_iter();
    words.any(|word| name.ends_with(word)) && value.chars().all(|letter| letter.is_ascii_digit())
}

/// What follows the word that says how it proves who asks.
fn proof(value: &str) -> Option<&str> {
    let (word, after) = value.split_once(' ')?;
    let mut known = ["bearer", "basic", "token"].into_iter();
    known
        .any(|one| one.eq_ignore_ascii_case(word))
        .then(|| after.trim_start())
}

/// Whether a name tells a secret, by itself or by one of its words.
fn tells(name: &str) -> bool {
    drawbridge_kinds::kinds::mcp::is_secret(name) || hints(name)
}

/// Whether name and password stand before a host.
fn is_signed_in(host: &str) -> bool {
    let proof = host.split_once('@').map(|(proof, _)| proof);
    let pair = proof.and_then(|proof| proof.split_once(':'));
    pair.is_some_and(|(_, password)| !password.is_empty())
}

/// Whether a value of a variable or a header looks like a secret. Taking too much for one costs little
/// here: it is kept sealed.
pub(super) fn looks_secret(value: &str) -> bool {
    looks(value) || in_address(value).is_some()
}

/// The same, but for what stands in an address.
fn looks(value: &str) -> bool {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || "_+/=~-".contains(letter);
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let long = value.len() >= 20
        && digits >= 3
        && !value.starts_with('/')
        && value.chars().all(letter)
        && value.split(['-', '_']).any(is_mixed);
    let bearer = value
        .get(..7)
        .is_some_and(|start| start.eq_ignore_ascii_case("bearer "));
    let signed_in = |word: &str| {
        let host = word.rsplit_once("://").map_or(word, |(_, host)| host);
        let start = host.split('/').next();
        start.is_some_and(is_signed_in)
    };
    long || bearer
        || value.contains("-----BEGIN ")
        || words(value).any(|word| is_token(word) || signed_in(word))
        || within(value).next().is_some()
}

/// Letters and digits in one: a part of no name with a date or a version.
fn is_mixed(part: &str) -> bool {
    let has = |is: fn(&char) -> bool| part.chars().any(|letter| is(&letter));
    part.len() >= 4 && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic)
}

/// Whether an argument shows a secret. Every account of the machine reads arguments.
pub(super) fn in_argument(argument: &str, before: Option<&str>) -> bool {
    // A shell fills in what begins with a `$`.
    let shows = |value: &str| !value.starts_with('$');
    let flag = before.filter(|flag| flag.starts_with('-') && !flag.contains('='));
    let of_flag = |flag: &str| {
        let value = argument.trim_start();
        tells(flag.trim_matches('-'))
            && !value.is_empty()
            && !value.starts_with('-')
            && shows(value)
            && !is_plain(value)
    };
    flag.is_some_and(of_flag)
        || within(argument).any(shows)
        || argument.contains("-----BEGIN ")
        || words(argument).any(|word| {
            let value = word.split_once('=').map(|(_, value)| value);
            is_token(word) || value.is_some_and(is_token)
        })
        || in_address(argument).is_some()
}

/// Where an address holds a secret: any of them that stands there.
pub(super) fn in_address(text: &str) -> Option<&'static str> {
    let mut pieces = text
        .split(|letter: char| letter.is_whitespace() || "\"'".contains(letter))
        .flat_map(|piece| std::iter::once(piece).chain(piece.split([',', ';'])));
    pieces.find_map(of_address)
}

fn of_address(piece: &str) -> Option<&'static str> {
    const SIGN_IN: &str = "a name and a password";
    let start = piece.find("://")?;
    let other = |letter: char| !letter.is_ascii_alphanumeric() && letter != '+';
    let scheme = piece.get(..start)?.rsplit(other).next()?;
    let Ok(url) = Url::parse(piece.get(start - scheme.len()..)?) else {
        // It has several hosts, or letters that had to be encoded.
        let rest = piece.get(start + "://".len()..)?;
        return is_signed_in(rest).then_some(SIGN_IN);
    };
    if url.password().is_some() || is_token(url.username()) {
        return Some(SIGN_IN);
    }
    let mut pairs = url.query_pairs();
    // An address within an address is looked at no deeper, however often that goes on.
    let shows = |name: &str, value: &str| {
        !value.is_empty()
            && !value.starts_with("${")
            && (is_called_secret(name, value) || looks(value))
    };
    if pairs.any(|(name, value)| shows(&name, &value)) {
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
            ("DeployKey", "abcdef"),
            ("accesskey", "abcdef"),
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
    fn a_compound_value_is_secret_by_the_names_in_it() {
        let account = format!("{}==", "Zm9v/mFy".repeat(11).get(..86).unwrap());
        let storage = format!(
            "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey={account};EndpointSuffix=core.windows.net"
        );
        let stroke = format!("AccountName=acme;AccountKey=/{account}");
        for value in [
            storage.as_str(),
            stroke.as_str(),
            "Endpoint=sb://acme.example/;SharedAccessKeyName=Root;SharedAccessKey=hunter2=",
            "endpoint=sb://acme.example/;sharedaccesskey=hunter2=",
            "Server=db;User Id=sa;Password=hunter2;Encrypt=true",
            "Server=db;Uid=sa;Pwd = hunter2",
            "host=db user=x password=hunter2",
            "host=db user=x password='hunter2 x'",
            "root:hunter2@tcp(127.0.0.1:3306)/db",
            "jdbc:sqlserver://db:1433;user=sa;password=hunter2",
            "mongodb://ann:hunter2@a:27017,b:27017/x",
            "http://a.example,redis://:hunter2@b.example",
            "postgres://ann:hunter2/3@db.example/x",
            r#"{"Authorization":"Bearer hunter2-secret"}"#,
            r#"{"a": 1, "b": {"api_key" : "hunter2"}}"#,
            r#"[{"tokens": ["hunter2"]}]"#,
            r#"{"inner": "{\"password\": \"hunter2\"}"}"#,
            "{'password': 'hunter2'}",
            "X-Region: north\nCookie: a=hunter2",
            "authorization=Basic aHVudGVy",
            "Bearer hunter2",
            "user=sa;password=!!!",
            "user=sa;password=1234",
            "https://x.example/blob?sv=2024&sig=hunter2",
            "https://x.example/?next=https://ann:hunter2@y.example/",
        ] {
            assert!(is_secret("ANYTHING", value), "{value}");
        }
        for value in [
            "level=debug,format=json",
            "--max-old-space-size=4096 --enable-source-maps",
            "crate::key::value",
            "key=/etc/x/key.pem",
            "north:1 south:2",
            "password=;user=x",
            "max_tokens=4096;min_password_length=8",
            r#"{"auth": {"mode": "none"}}"#,
            "git@github.com:acme/notes.git",
            "https://x.example:8443/@scope/notes",
            "07:30-18:00",
            "",
            "====::==:",
        ] {
            assert!(!is_secret("ANYTHING", value), "{value}");
        }
        let found: Vec<&str> = within("Server=db;Pwd=hunter2;Auth: Bearer hunter3").collect();
        assert_eq!(found, ["hunter2", "hunter3"]);
    }

    #[test]
    fn a_value_of_nothing_but_pairs_is_looked_at_in_time() {
        for piece in [
            "key=",
            "=",
            "key:1 =",
            "a://",
            "a://h?x=",
            "a://h?x=1,",
            "é=é",
            "key:\"[",
        ] {
            let _ = looks_secret(&piece.repeat((1 << 17) / piece.len()));
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
            ("--headers={\"Authorization\":\"Bearer hunter2\"}", None),
            ("Server=db;User Id=sa;Pwd=hunter2", Some("--connect")),
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
