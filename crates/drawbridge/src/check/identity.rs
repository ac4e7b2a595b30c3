//! 4 Identity: an account of its own that can do no more than the file claims.

use super::{Noticed, Subject};

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
        let sharing: Vec<&str> = subject
            .all
            .iter()
            .filter(|(name, other)| {
                **name != subject.file.connector
                    && other.identity.credential.as_ref() == Some(credential)
            })
            .map(|(name, _)| *name)
            .collect();
        if !sharing.is_empty() {
            noticed.red(
                format!(
                    "it shares the credential `{credential}` with {}",
                    sharing.join(", ")
                ),
                "give each connector an account and a credential of its own",
            );
        }
        if identity.rotate_every.is_none() {
            noticed.amber(
                "nobody has to replace its credential",
                "set `identity.rotate_every`, such as `90d`",
            );
        }
        noticed.unseen("when its credential was last replaced");
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
