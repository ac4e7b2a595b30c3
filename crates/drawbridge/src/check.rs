//! The connector checklist: eight areas, each green, amber or red, with the sentence that says why.

use drawbridge_core::file::{ConnectorFile, Content, GatewayFile, Who};
use serde::Serialize;

/// How an area stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// In order.
    Green,
    /// To be looked at.
    Amber,
    /// Not to be activated.
    Red,
}

impl Colour {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }
}

/// One of the eight areas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Area {
    /// Its name.
    pub name: &'static str,
    /// How it stands.
    pub colour: Colour,
    /// Why.
    pub sentence: String,
}

/// Grades a file that has no errors.
#[must_use]
pub fn grade(file: &ConnectorFile, gateway: &GatewayFile) -> Vec<Area> {
    vec![
        purpose(file),
        scope(file),
        access(file),
        identity(file),
        permissions(file, gateway),
        logging(file),
        approval(file),
        recovery(file),
    ]
}

fn area(name: &'static str, wrong: Option<(Colour, String)>, right: impl Into<String>) -> Area {
    let (colour, sentence) = wrong.unwrap_or_else(|| (Colour::Green, right.into()));
    Area {
        name,
        colour,
        sentence,
    }
}

fn amber(sentence: &str) -> Option<(Colour, String)> {
    Some((Colour::Amber, sentence.to_owned()))
}

fn purpose(file: &ConnectorFile) -> Area {
    let wrong = file.purpose.review_every.is_none().then(|| {
        (
            Colour::Amber,
            "nobody has to review it; set `review_every`".to_owned(),
        )
    });
    area(
        "Purpose",
        wrong,
        format!("{} answers for it", file.purpose.owner),
    )
}

fn scope(file: &ConnectorFile) -> Area {
    let wrong = if file.scope.is_empty() {
        amber("all of the system is in reach; name what is needed under `scope`")
    } else {
        None
    };
    area("Scope", wrong, "limited to what `scope` names")
}

fn access(file: &ConnectorFile) -> Area {
    let words: Vec<&str> = file.access.iter().map(|power| power.word()).collect();
    let effects = file.access.iter().any(|power| power.is_effect());
    let wrong = if effects {
        amber("it changes the system; see that every effect has a gate")
    } else {
        None
    };
    area("Access", wrong, format!("{} only", words.join(" and ")))
}

fn identity(file: &ConnectorFile) -> Area {
    let wrong = if file.identity.approved_by.is_none() {
        amber("nobody is named who allowed the account; set `approved_by`")
    } else {
        None
    };
    area(
        "Identity",
        wrong,
        format!("acts as {}", file.identity.account),
    )
}

fn permissions(file: &ConnectorFile, gateway: &GatewayFile) -> Area {
    let to = |who: &Who| {
        file.permissions
            .iter()
            .any(|permission| permission.who.contains(who))
    };
    let whole = file
        .permissions
        .iter()
        .any(|permission| permission.only.is_empty() && permission.who.contains(&Who::Everyone));
    let wrong = if gateway.anonymous && to(&Who::Anonymous) {
        amber("callers without a token may use it")
    } else if whole {
        amber("everyone may use all of it; narrow it with `only`")
    } else if file.permissions.is_empty() {
        amber("nobody may use it")
    } else {
        None
    };
    area(
        "Permissions",
        wrong,
        format!("{} grants, nothing by default", file.permissions.len()),
    )
}

fn logging(file: &ConnectorFile) -> Area {
    let wrong = if file.logging.content == Content::Full {
        amber("records keep whole contents; see that this is wanted")
    } else if file.logging.keep.is_none() {
        amber("nobody says how long records are kept; set `keep`")
    } else {
        None
    };
    area("Logging", wrong, "every call is recorded")
}

fn approval(file: &ConnectorFile) -> Area {
    let effects = file.access.iter().any(|power| power.is_effect());
    let wrong = (effects && file.approval.is_empty()).then(|| {
        (
            Colour::Red,
            "it changes the system and no gate says who approves".to_owned(),
        )
    });
    area(
        "Approval",
        wrong,
        if effects {
            "effects are gated"
        } else {
            "it changes nothing, so there is nothing to approve"
        },
    )
}

fn recovery(file: &ConnectorFile) -> Area {
    let wrong = if file.recovery.pause.is_empty() {
        amber("only the owner may stop it; name others under `pause`")
    } else {
        None
    };
    area(
        "Recovery",
        wrong,
        format!("{} groups or people may stop it", file.recovery.pause.len()),
    )
}
