//! 4 Identity: an account of its own that can do no more than the file claims, proved by a credential
//! that is there, its own, and replaced in time.

use std::time::Duration;

use jiff::Timestamp;

use super::{Noticed, Subject, day};

/// For so long two versions of a credential may be in force: longer than that is no rotation.
pub const BOTH_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is true of a credential. Nothing of its secret is here.
#[derive(Debug, Clone)]
pub struct CredentialFacts {
    /// The versions in force, or why it cannot be had, with what to do.
    pub in_force: Result<usize, String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Who allowed it to be used.
    pub approved_by: Option<String>,
    /// Since when its newest version is there.
    pub rotated: Option<Timestamp>,
    /// When a target last let the newest version in.
    pub last_used: Option<Timestamp>,
    /// When a target last refused the newest version.
    pub refused: Option<Timestamp>,
    /// Whether it renews itself, so that nobody has to.
    pub renews: bool,
}

pub(super) fn grade(subject: &Subject<'_>, noticed: &mut Noticed) {
    let identity = &subject.file.identity;
    noticed.green(format!("acts as {}", identity.account));
    if identity.approved_by.is_none() {
        noticed.amber(
            "nobody is named who allowed the account",
            "set `identity.approved_by`",
        );
    }
    if let Some(credential) = &identity.credential {
        shared(subject, credential, noticed);
        let facts = subject.facts;
        let known = facts.and_then(|facts| facts.credentials.get(credential));
        if known.is_some_and(|known| known.renews) {
            noticed.green("its tokens soon expire, and are renewed by themselves");
        } else if identity.rotate_every.is_none() {
            noticed.amber(
                "nobody has to replace its credential",
                "set `identity.rotate_every`, such as `90d`",
            );
        }
        match facts.and_then(|facts| Some((facts.credentials.get(credential)?, facts.now))) {
            Some((known, now)) => {
                there(credential, known, noticed);
                rotation(subject, (credential, known), now, noticed);
            }
            None => {
                noticed.unseen("whether its credential is there, and when it was last replaced");
            }
        }
    }
    match subject.facts.map(|facts| &facts.inspection) {
        Some(Ok(inspection)) => {
            for excess in &inspection.excess {
                noticed.amber(
                    format!("its account can do more than the file claims: {excess}"),
                    "take that right away from the account",
                );
            }
        }
        Some(Err(why)) => noticed.unseen(format!("what its account can really do: {why}")),
        None => noticed.unseen("what its account can really do"),
    }
}

fn shared(subject: &Subject<'_>, credential: &str, noticed: &mut Noticed) {
    let sharing: Vec<&str> = subject
        .all
        .iter()
        .filter(|(name, other)| {
            **name != subject.file.connector
                && other.file.identity.credential.as_deref() == Some(credential)
        })
        .map(|(name, _)| *name)
        .collect();
    if !sharing.is_empty() {
        noticed.amber(
            format!(
                "it shares the credential `{credential}` with {}",
                sharing.join(", ")
            ),
            "give each connector an account and a credential of its own",
        );
    }
}

/// Whether it is there, and who answers for it.
fn there(credential: &str, known: &CredentialFacts, noticed: &mut Noticed) {
    if let Err(why) = &known.in_force {
        let (why, mend) = why.split_once("; ").unwrap_or((why, "look at it"));
        noticed.red(format!("its credential cannot be had: {why}"), mend);
    }
    let name = |person: &Option<String>| person.clone().unwrap_or_else(|| "nobody".to_owned());
    let (owner, approver) = (name(&known.owner), name(&known.approved_by));
    let sentence =
        format!("{owner} answers for the credential `{credential}`, and {approver} approved it");
    if known.owner.is_some() && known.approved_by.is_some() {
        noticed.green(sentence);
    } else {
        noticed.amber(
            sentence,
            format!(
                "set `owner` and `approved_by` under `credentials.{credential}` in drawbridge.yaml"
            ),
        );
    }
}

/// Whether it was replaced in time, and whether replacing it was brought to its end.
fn rotation(
    subject: &Subject<'_>,
    (credential, known): (&str, &CredentialFacts),
    now: Timestamp,
    noticed: &mut Noticed,
) {
    if known.refused > known.last_used
        && let Some(refused) = known.refused
    {
        noticed.amber(
            format!(
                "its target refused the newest version of its credential on {}",
                day(refused)
            ),
            "make the target let it in, or set the right one",
        );
    }
    let Some(rotated) = known.rotated else {
        return;
    };
    let after = |span: Duration| rotated.checked_add(span).unwrap_or(Timestamp::MAX);
    if matches!(known.in_force, Ok(2..)) && after(BOTH_FOR) < now {
        let mend = if known.last_used.is_some() {
            format!("end the old one: `drawbridge secret retire {credential}`")
        } else {
            "make the target let the newest in, then retire the old one".to_owned()
        };
        let since = day(rotated);
        let told = format!("several versions of its credential are in force, since {since}");
        noticed.amber(told, mend);
    }
    let every = subject.file.identity.rotate_every;
    let Some(due) = every.map(|every| after(every.duration())) else {
        return;
    };
    if due > now {
        noticed.green(format!(
            "its credential was last replaced on {}, and is due on {}",
            day(rotated),
            day(due)
        ));
        return;
    }
    let told = format!(
        "its credential was last replaced on {}, and was due on {}",
        day(rotated),
        day(due)
    );
    let mend = format!("replace it in the target, then `drawbridge secret set {credential}`");
    let grace = subject.gateway.review_grace.duration();
    if due.checked_add(grace).unwrap_or(Timestamp::MAX) > now {
        noticed.amber(told, mend);
    } else {
        noticed.red(told, mend);
    }
}
