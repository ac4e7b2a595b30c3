//! Which resources of a server can be read, and how sensitive each is.

use globset::{GlobBuilder, GlobMatcher};

use super::part::Scope;

/// The patterns of the file, in its order.
pub(super) struct Patterns(Vec<(GlobMatcher, String)>);

impl Patterns {
    pub(super) fn new(scope: &Scope) -> Result<Self, globset::Error> {
        let patterns = scope.resources.iter().map(|one| {
            let label = one.label.as_ref().unwrap_or(&scope.label).clone();
            Ok((pattern(&one.uri)?, label))
        });
        Ok(Self(patterns.collect::<Result<_, _>>()?))
    }

    /// The label of a resource; none where no pattern lets it in. Of several, the first counts.
    pub(super) fn label(&self, uri: &str) -> Option<&str> {
        if !is_plain(uri) {
            return None;
        }
        let found = self.0.iter().find(|(pattern, _)| pattern.is_match(uri));
        found.map(|(_, label)| label.as_str())
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

/// Whether an address can be told by its words: nothing in it that a server may read as another one.
fn is_plain(uri: &str) -> bool {
    let lower = uri.to_ascii_lowercase();
    let parts = uri.split(['/', '?', '#']);
    uri.len() <= 2_048
        && !parts.into_iter().any(|part| part == "." || part == "..")
        && !["%2e", "%2f", "%5c", "%00", "\\"]
            .iter()
            .any(|trick| lower.contains(trick))
        && !uri
            .chars()
            .any(|letter| letter.is_control() || letter.is_whitespace())
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
        ] {
            assert_eq!(patterns.label(uri), label, "{uri}");
        }
        Ok(())
    }
}
