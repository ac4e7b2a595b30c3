//! Which resources of a server can be read, and how sensitive each is.

use globset::{GlobBuilder, GlobMatcher};
use serde_json::{Value, json};

use super::{Server, part::Scope};

/// Stands where a resource was left out.
const LEFT_OUT: &str = "[a resource stood here that is not let in, and was left out]";

/// The patterns of the file, in its order.
pub(super) struct Patterns(Vec<Pattern>);

struct Pattern {
    matcher: GlobMatcher,
    /// Whether it says what comes after the path: others let nothing come there, which a server may take
    /// for no part of the name.
    has_rest: bool,
    label: String,
}

impl Patterns {
    pub(super) fn new(scope: &Scope) -> Result<Self, globset::Error> {
        let patterns = scope.resources.iter().map(|one| {
            let label = one.label.as_ref().unwrap_or(&scope.label).clone();
            Ok(Pattern {
                matcher: pattern(&one.uri)?,
                has_rest: rest(&one.uri),
                label,
            })
        });
        Ok(Self(patterns.collect::<Result<_, _>>()?))
    }

    /// The label of a resource; none where no pattern lets it in. Of several, the first counts.
    pub(super) fn label(&self, uri: &str) -> Option<&str> {
        if !is_plain(uri) {
            return None;
        }
        let matches = |one: &&Pattern| one.matcher.is_match(uri) && (one.has_rest || !rest(uri));
        let found = self.0.iter().find(matches);
        found.map(|one| one.label.as_str())
    }

    /// The label of what a template can be filled in to, by an example; none where no pattern lets it in.
    pub(super) fn template(&self, template: &str) -> Option<&str> {
        let mut example = String::new();
        let mut rest = template;
        while let Some((plain, after)) = rest.split_once('{') {
            let (_, after) = after.split_once('}')?;
            example.push_str(plain);
            example.push('x');
            rest = after;
        }
        example.push_str(rest);
        self.label(&example)
    }
}

impl Server {
    /// Leaves out of content each resource, and each link to one, that the file's patterns do not let in or
    /// that is not seen by its label. What of label then is in it: that of the rest, or a higher one. Where
    /// the file has no patterns, it says nothing of them.
    pub(super) fn narrow<'a>(
        &'a self,
        content: Option<&mut Value>,
        label: &'a str,
        sees: impl Fn(&str) -> bool,
    ) -> &'a str {
        let patterns = &self.own.resources;
        let blocks = match content {
            Some(Value::Array(blocks)) => blocks.as_mut_slice(),
            Some(block) => std::slice::from_mut(block),
            None => &mut [],
        };
        let mut highest = label;
        for block in blocks.iter_mut().filter(|_| !patterns.0.is_empty()) {
            let uri = match block.get("type").and_then(Value::as_str) {
                Some("resource") => block.pointer("/resource/uri"),
                Some("resource_link") => block.get("uri"),
                _ => continue,
            };
            let of_one = uri.and_then(Value::as_str);
            let of_one = of_one.and_then(|uri| patterns.label(uri));
            match of_one.filter(|label| sees(label)) {
                Some(of_one) => {
                    let labels = &self.context.labels;
                    highest = labels.highest([highest, of_one]).unwrap_or(highest);
                }
                None => *block = json!({"type": "text", "text": LEFT_OUT}),
            }
        }
        highest
    }
}

/// A pattern of addresses.
pub(super) fn pattern(uri: &str) -> Result<GlobMatcher, globset::Error> {
    // An address has no alternatives, and its question mark begins a query.
    let escaped: String = uri.chars().fold(String::new(), |mut escaped, letter| {
        if matches!(letter, '?' | '[' | ']' | '{' | '}' | '\\') {
            escaped.push('\\');
        }
        escaped.push(letter);
        escaped
    });
    let glob = GlobBuilder::new(&escaped)
        .literal_separator(true)
        .backslash_escape(true)
        .build()?;
    Ok(glob.compile_matcher())
}

/// Whether an address can be told by its words: nothing in it that a server may read as another one. What
/// needs no escape is not escaped (RFC 3986, §2.3), and no part of the path is empty but the first and last.
fn is_plain(uri: &str) -> bool {
    let parts = uri.split(['/', '?', '#']);
    let (_, path) = uri.split_once("://").unwrap_or(("", uri));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let inner = path.trim_start_matches('/');
    uri.len() <= 2_048
        && !parts.into_iter().any(|part| part == "." || part == "..")
        && path.len() - inner.len() <= 1
        && !inner.contains("//")
        && !uri.contains('\\')
        && !hides_a_letter(uri)
        && !uri
            .chars()
            .any(|letter| letter.is_control() || letter.is_whitespace())
}

/// Whether something is escaped that stands for itself, or for what parts an address.
fn hides_a_letter(uri: &str) -> bool {
    uri.split('%').skip(1).any(|escaped| {
        let byte = escaped
            .get(..2)
            .map(|digits| u8::from_str_radix(digits, 16));
        let Some(Ok(byte)) = byte else {
            return true;
        };
        byte.is_ascii_alphanumeric() || byte.is_ascii_control() || b"-._~/\\?#".contains(&byte)
    })
}

/// What comes after the path of an address: a query, a fragment.
fn rest(uri: &str) -> bool {
    uri.contains(['?', '#'])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_let_in_by_the_first_pattern_that_matches()
    -> Result<(), Box<dyn std::error::Error>> {
        let scope: Scope = serde_json::from_value(json!({"label": "internal", "resources": [
            {"uri": "file:///docs/secret/**", "label": "restricted"}, {"uri": "file:///docs/*.md"}, {"uri": "db://x?y=*"},
        ]}))?;
        let patterns = Patterns::new(&scope)?;
        for (uri, label) in [
            ("file:///docs/a.md", Some("internal")),
            ("file:///docs/secret/a/b", Some("restricted")),
            ("db://x?y=1", Some("internal")),
            ("db://xzy=1", None),
            ("file:///docs/a/b.md", None),
            ("file:///docs/../secret.md", None),
            ("file:///docs/secret/../../x", None),
            ("file:///docs/%2e%2e%2fa.md", None),
            ("file:///docs/a.md\n", None),
            ("FILE:///docs/a.md", None),
            ("file:///docs/%73ecret/a.md", None),
            ("file:///docs//a.md", None),
            ("file:////docs/a.md", None),
            ("file:///docs/a%20b.md", Some("internal")),
            ("file:///docs/a.md?x", None),
            ("file:///docs/private.key?.md", None),
            ("file:///docs/private.key#.md", None),
            ("file:///docs/secret/a?x", None),
            ("file:///docs/a%", None),
        ] {
            assert_eq!(patterns.label(uri), label, "{uri}");
        }
        Ok(())
    }
}
