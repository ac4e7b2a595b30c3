//! Whom a token of the outside issuer speaks for: whoever its claims name, unless `drawbridge.yaml`
//! knows somebody of that name itself.

use drawbridge_core::{call::Person, file::GatewayFile};

use super::{Named, Unidentified};

/// A token that the issuer signed, and what it says.
pub(super) struct Signed {
    /// By the claims that the file names.
    pub(super) named: Named,
    /// The `sub` claim: the one name that an issuer never gives to somebody else.
    pub(super) subject: Option<String>,
}

/// The names that the gateway writes into records for itself.
const OWN: &str = "drawbridge";

/// The person and client behind a token.
///
/// People under `people` have rights by name: they own connectors, hold roles, have tokens. So no
/// claim makes anyone one of them, whatever it says, and only the subject that the file gives to
/// that person does. A name in other letters is refused too: records are read by people.
pub(super) fn bind(signed: Signed, gateway: &GatewayFile) -> Result<Named, Unidentified> {
    let Signed { mut named, subject } = signed;
    let bound = subject.and_then(|subject| {
        let mut people = gateway.people.iter();
        let (id, _) = people.find(|(_, person)| person.subject.as_ref() == Some(&subject))?;
        gateway.person(id)
    });
    if let Some(person) = bound {
        named.person = joined(person, named.person);
        return Ok(named);
    }
    let id = &named.person.id;
    let taken = gateway
        .people
        .keys()
        .any(|known| known.eq_ignore_ascii_case(id));
    if taken || id.eq_ignore_ascii_case(OWN) {
        return Err(Unidentified::Unbound);
    }
    Ok(named)
}

/// One of the file's people, with what a sign-in says of them: groups add up, and of an attribute the
/// file's word counts.
pub(super) fn joined(mut person: Person, mut claimed: Person) -> Person {
    person.groups.append(&mut claimed.groups);
    for (attribute, value) in claimed.attributes {
        person.attributes.entry(attribute).or_insert(value);
    }
    person
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use drawbridge_core::file::read_gateway;

    use super::*;

    fn signed(id: &str, subject: &str) -> Signed {
        let person = Person {
            id: id.to_owned(),
            groups: ["staff".to_owned()].into(),
            attributes: BTreeMap::from([("region".to_owned(), "west".to_owned())]),
        };
        Signed {
            named: Named {
                person,
                client: "claude".to_owned(),
                token: None,
            },
            subject: Some(subject.to_owned()),
        }
    }

    #[test]
    fn only_the_subject_in_the_file_makes_somebody_one_of_its_people() {
        let file = "gateway: t\noperator: olga@x.se\npeople:\n  \
            olga@x.se: {subject: s-1, groups: [owners], attributes: {region: east}}\n  \
            ann@x.se: {}\noidc: {issuer: \"https://id.example\"}\n";
        let gateway = read_gateway("drawbridge.yaml", file).unwrap();
        let who =
            |id: &str, subject: &str| bind(signed(id, subject), &gateway).map(|named| named.person);
        let olga = who("whatever", "s-1").unwrap();
        assert_eq!(olga.id, "olga@x.se");
        assert_eq!(olga.groups.len(), 2, "of the file and of the token");
        assert_eq!(olga.attributes["region"], "east", "the file's word counts");
        assert_eq!(who("carl@x.se", "s-9").unwrap().id, "carl@x.se");
        for taken in [
            "olga@x.se",
            "OLGA@x.se",
            "ann@x.se",
            "drawbridge",
            "Drawbridge",
        ] {
            assert!(
                matches!(who(taken, "s-9"), Err(Unidentified::Unbound)),
                "{taken}"
            );
            assert!(
                matches!(who(taken, "S-1"), Err(Unidentified::Unbound)),
                "{taken}"
            );
        }
    }
}
