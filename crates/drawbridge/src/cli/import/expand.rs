//! Placeholders in a client's settings: variables of the environment, folders, and what its person is asked for.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use drawbridge_core::secret::Secret;

use super::secrets;

/// Reads a variable of the environment.
pub(super) type Variable<'a> = &'a dyn Fn(&str) -> Option<Secret<String>>;

/// What placeholders stand for.
pub(super) struct Values<'a> {
    pub(super) home: &'a Path,
    /// The folder of the project that the settings are for.
    pub(super) project: Option<PathBuf>,
    pub(super) variable: Variable<'a>,
    /// What the client asks its person for, by id, as far as it was asked here.
    pub(super) inputs: &'a BTreeMap<String, Text>,
}

/// A text with its placeholders filled in. It does not print, since what filled it may be a secret.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) text: String,
    /// Whether a secret from elsewhere is in it.
    pub(super) secret: bool,
}

impl Text {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            secret: false,
        }
    }
}

impl Values<'_> {
    /// Fills in a text. Placeholders that name one of `own` are the program's own business and stay.
    pub(super) fn filled(&self, text: &str, own: &dyn Fn(&str) -> bool) -> Result<Text, String> {
        let mut filled = Text::plain("");
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (before, after) = rest.split_at(start);
            filled.text.push_str(before);
            let inside = after.strip_prefix("${").unwrap_or_default();
            let Some((inside, after)) = inside.split_once('}') else {
                rest = after;
                break;
            };
            match self.value(inside, own)? {
                Some(value) => {
                    filled.text.push_str(&value.text);
                    filled.secret |= value.secret;
                }
                None => {
                    filled.text.push_str("${");
                    filled.text.push_str(inside);
                    filled.text.push('}');
                }
            }
            rest = after;
        }
        filled.text.push_str(rest);
        Ok(filled)
    }

    /// What a placeholder stands for; nothing where it is none of a client's.
    fn value(&self, inside: &str, own: &dyn Fn(&str) -> bool) -> Result<Option<Text>, String> {
        let project = || {
            let project = self.project.as_deref();
            project.ok_or_else(|| {
                format!(
                    "`${{{inside}}}` is the folder of a project, and these settings are for none; write the \
                     folder itself in its place"
                )
            })
        };
        let path = |path: &Path| Some(Text::plain(path.to_string_lossy()));
        Ok(match inside {
            "workspaceFolder" => path(project()?),
            "workspaceFolderBasename" => {
                let name = project()?.file_name().unwrap_or_default();
                Some(Text::plain(name.to_string_lossy()))
            }
            "userHome" => path(self.home),
            "pathSeparator" | "/" => Some(Text::plain("/")),
            _ => match inside.split_once(':') {
                Some(("env", name)) => Some(self.variable(name, None)?),
                Some(("input", id)) => Some(self.input(id)?),
                Some((name, fallback)) if is_variable(name) && fallback.starts_with('-') => {
                    Some(self.variable(name, fallback.strip_prefix('-'))?)
                }
                Some(_) => {
                    return Err(format!(
                        "nothing here knows what `${{{inside}}}` stands for; write its value in its place"
                    ));
                }
                None if own(inside) || !is_variable(inside) => None,
                None => Some(self.variable(inside, None)?),
            },
        })
    }

    fn variable(&self, name: &str, fallback: Option<&str>) -> Result<Text, String> {
        if let Some(value) = (self.variable)(name) {
            let text = value.expose().clone();
            let secret = secrets::is_secret(name, &text);
            return Ok(Text { text, secret });
        }
        match fallback {
            Some(fallback) => Ok(Text::plain(fallback)),
            None => Err(format!(
                "it takes the variable `{name}` from the environment, where it is not set; set it, and import again"
            )),
        }
    }

    fn input(&self, id: &str) -> Result<Text, String> {
        match self.inputs.get(id) {
            Some(value) => Ok(value.clone()),
            None => Err(format!(
                "its client asks a person for `{id}` and keeps it for itself; run this at a terminal to be asked \
                 too, or write `${{env:NAME}}` in the place of `${{input:{id}}}` and set that variable"
            )),
        }
    }
}

/// The ids of what a person is asked for.
pub(super) fn asks(text: &str) -> impl Iterator<Item = &str> {
    text.split("${input:")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('}')?.0))
}

fn is_variable(name: &str) -> bool {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<(String, bool), String> {
        let typed = |text: &str, secret| Text {
            text: text.to_owned(),
            secret,
        };
        let inputs = BTreeMap::from([
            ("key".to_owned(), typed("typed", true)),
            ("place".to_owned(), typed("north", false)),
        ]);
        let values = Values {
            home: Path::new("/home/ann"),
            project: Some(PathBuf::from("/work/acme")),
            variable: &|name| match name {
                "REGION" => Some(Secret::new("north".to_owned())),
                "API_TOKEN" => Some(Secret::new("hunter2".to_owned())),
                _ => None,
            },
            inputs: &inputs,
        };
        let text = values.filled(text, &|name| name == "OWN")?;
        Ok((text.text, text.secret))
    }

    #[test]
    fn placeholders_of_every_client_are_filled_in() {
        for (text, wanted, secret) in [
            ("plain", "plain", false),
            ("${workspaceFolder}/x", "/work/acme/x", false),
            ("${workspaceFolderBasename}", "acme", false),
            ("${userHome}${pathSeparator}x${/}y", "/home/ann/x/y", false),
            ("${env:REGION}-${REGION}", "north-north", false),
            ("${NONE:-south}", "south", false),
            ("${REGION:-south}", "north", false),
            ("Bearer ${API_TOKEN}", "Bearer hunter2", true),
            ("${input:key}", "typed", true),
            ("${input:place}", "north", false),
            ("${OWN} ${not closed", "${OWN} ${not closed", false),
            ("${a.b}", "${a.b}", false),
        ] {
            assert_eq!(filled(text), Ok((wanted.to_owned(), secret)), "{text}");
        }
    }

    #[test]
    fn what_stands_for_nothing_is_told() {
        for (text, told) in [
            ("${NONE}", "`NONE`"),
            ("${env:NONE}", "`NONE`"),
            ("${input:other}", "`other`"),
            ("${config:x}", "config:x"),
        ] {
            let why = filled(text).expect_err(text);
            assert!(why.contains(told), "{text}: {why}");
        }
        assert_eq!(
            asks("${input:a}-${input:b}${input:").collect::<Vec<_>>(),
            ["a", "b"]
        );
    }
}
