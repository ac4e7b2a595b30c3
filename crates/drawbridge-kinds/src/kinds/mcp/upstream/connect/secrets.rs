//! Where a credential goes: into headers of every request, or variables of a program's environment.

use std::collections::HashMap;

use drawbridge_core::secret::Secret;
use http::{HeaderName, HeaderValue, header};

use super::{Told, Veil};
use crate::kinds::mcp::part::{CredentialIn, System, is_variable};

/// The headers of every request.
pub(super) fn headers(
    system: &System,
    secret: Option<Secret<String>>,
) -> Result<HashMap<HeaderName, HeaderValue>, Told> {
    let wrong = |_| {
        Told::unavailable("a header of its file, or its credential, cannot be sent as a header")
    };
    let named = |name: &str| {
        HeaderName::try_from(name)
            .map_err(|_| Told::unavailable(format!("`{name}` is no name of a header")))
    };
    let mut headers = HashMap::new();
    for (name, value) in &system.headers {
        headers.insert(named(name)?, HeaderValue::try_from(value).map_err(wrong)?);
    }
    if let Some(secret) = secret {
        let (name, value) = match &system.credential_in {
            Some(CredentialIn::Header(name)) => (
                named(name)?,
                HeaderValue::try_from(secret.expose()).map_err(wrong)?,
            ),
            _ => {
                let value = HeaderValue::try_from(format!("Bearer {}", secret.expose()));
                (header::AUTHORIZATION, value.map_err(wrong)?)
            }
        };
        let mut value = value;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Takes the secret out of what the server says: of several variables, each by itself.
pub(super) fn veil(system: &System, secret: Option<&Secret<String>>) -> Veil {
    let (Some(place @ CredentialIn::Variables(_)), Some(whole)) = (&system.credential_in, secret)
    else {
        return Veil::new(secret);
    };
    let pairs = variables(place, whole).unwrap_or_default().into_iter();
    let values: Vec<Secret<String>> = pairs.map(|(_, value)| Secret::new(value)).collect();
    Veil::new(values.iter().chain([whole]))
}

/// The variables that hold the secret. What is wrong with it is told without a word of it.
pub(super) fn variables(
    place: &CredentialIn,
    secret: &Secret<String>,
) -> Result<Vec<(String, String)>, Told> {
    let names = match place {
        CredentialIn::Header(_) => return Ok(Vec::new()),
        CredentialIn::Environment(name) => {
            return Ok(vec![(name.clone(), secret.expose().clone())]);
        }
        CredentialIn::Variables(names) => names,
    };
    let mut found: Vec<(String, String)> = Vec::new();
    for line in secret.expose().lines().filter(|line| !line.is_empty()) {
        let pair = line.split_once('=').filter(|(name, _)| is_variable(name));
        let known = pair.filter(|(name, _)| names.iter().any(|wanted| wanted == name));
        let Some((name, value)) = known else {
            return Err(wrong("has a line that is none of its variables", names));
        };
        if found.iter().any(|(before, _)| before == name) {
            return Err(wrong(&format!("has two lines for `{name}`"), names));
        }
        found.push((name.to_owned(), value.to_owned()));
    }
    match names
        .iter()
        .find(|name| !found.iter().any(|(one, _)| one == *name))
    {
        Some(name) => Err(wrong(&format!("has no line for `{name}`"), names)),
        None => Ok(found),
    }
}

fn wrong(what: &str, names: &[String]) -> Told {
    let lines: Vec<String> = names.iter().map(|name| format!("`{name}=…`")).collect();
    Told::unavailable(format!(
        "its credential {what}; tell whoever keeps the connector to set it anew, with the lines {}",
        lines.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_of_several_variables_has_a_line_for_each() {
        let place = CredentialIn::Variables(vec!["A".to_owned(), "B".to_owned()]);
        let read = |text: &str| variables(&place, &Secret::new(text.to_owned()));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read("A=1\nB=x=y \n").ok(),
            Some(vec![pair("A", "1"), pair("B", "x=y ")])
        );
        for (text, told) in [
            ("A=1", "no line for `B`"),
            ("A=1\nA=2\nB=3", "two lines for `A`"),
            ("A=1\nB=2\nhunter2", "none of its variables"),
            ("hunter2", "none of its variables"),
            ("A=1\nB=2\nPATH=/hunter2", "none of its variables"),
        ] {
            let why = read(text)
                .err()
                .map(|told| told.message)
                .unwrap_or_default();
            assert!(
                why.contains(told) && !why.contains("hunter2"),
                "{text}: {why}"
            );
        }
    }

    #[test]
    fn each_of_several_secrets_is_veiled() {
        let system = json!({"command": ["x"], "credential_in": {"variables": ["A", "B"]}});
        let system: System = serde_json::from_value(system).unwrap();
        let secret = Secret::new("A=hunter2\nB=hunter22\n".to_owned());
        let veil = veil(&system, Some(&secret));
        for text in ["is hunter2", "is hunter22", "A=hunter2"] {
            assert!(!veil.text(text).contains("hunter"), "{text}");
            assert!(!veil.text(text).contains(")2"), "{text}");
        }
    }

    #[test]
    fn a_secret_of_one_variable_is_taken_as_it_is() {
        let place = CredentialIn::Environment("A".to_owned());
        let read = variables(&place, &Secret::new("x\ny=z".to_owned()));
        assert_eq!(read.ok(), Some(vec![("A".to_owned(), "x\ny=z".to_owned())]));
    }
}
