//! For whom a connector acts: a file promises no more, and no less, than its kind does.

use super::{ActsFor, ConnectorFile, Fault};
use crate::connector::{ForPerson, Kind};

pub(super) fn acts_for(file: &ConnectorFile, kind: &dyn Kind) -> Option<Fault> {
    let at = "/identity/acts_for";
    match (file.identity.acts_for, kind.acts_for_person(&file.part())) {
        (ActsFor::Person, ForPerson::Never) => Some(Fault::new(
            at,
            format!(
                "a connector of kind `{}` cannot act for the person in this target",
                kind.name()
            ),
            "take it out: what each person may reach is said by `scope` and `permissions`",
        )),
        (ActsFor::Person, ForPerson::Unsaid(mend)) => Some(Fault::new(
            at,
            "nothing says how the target is told for whom the connector acts",
            mend,
        )),
        (ActsFor::Service, ForPerson::Said(place)) => Some(Fault::new(
            place,
            "the target is told of the person, and the connector acts as itself",
            "write `acts_for: person` under `identity`, or take this out",
        )),
        (_, ForPerson::ByCredential)
        | (ActsFor::Person, ForPerson::Said(_))
        | (ActsFor::Service, ForPerson::Never | ForPerson::Unsaid(_)) => None,
    }
}
