//! The words of the rules in Cedar: entity names, the schema, values.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt::Write,
    sync::Arc,
};

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use serde_json::Value;

use super::Resource;
use crate::{
    call::{Action, Person, Power},
    connector::LABEL,
    file::Labels,
};

/// The types of entities.
#[derive(Debug, Clone)]
pub(super) struct Types {
    person: EntityTypeName,
    group: EntityTypeName,
    client: EntityTypeName,
    connector: EntityTypeName,
    resource: EntityTypeName,
    action: EntityTypeName,
}

impl Types {
    pub(super) fn new() -> Option<Self> {
        let name = |word: &str| format!("Drawbridge::{word}").parse().ok();
        Some(Self {
            person: name("Person")?,
            group: name("Group")?,
            client: name("Client")?,
            connector: name("Connector")?,
            resource: name("Resource")?,
            action: name("Action")?,
        })
    }

    pub(super) fn person_uid(&self, id: &str) -> EntityUid {
        uid(&self.person, id)
    }

    pub(super) fn client_uid(&self, name: &str) -> EntityUid {
        uid(&self.client, name)
    }

    pub(super) fn connector_uid(&self, name: &str) -> EntityUid {
        uid(&self.connector, name)
    }

    pub(super) fn action_uid(&self, connector: &str, action: &str) -> EntityUid {
        uid(&self.action, &format!("{connector}_{action}"))
    }

    pub(super) fn power_uid(&self, power: Power) -> EntityUid {
        uid(&self.action, power.word())
    }

    /// An action, in its power.
    pub(super) fn action(&self, action: &EntityUid, power: &EntityUid) -> Option<[Entity; 2]> {
        let powers = HashSet::from([power.clone()]);
        let action = Entity::new(action.clone(), HashMap::new(), powers).ok()?;
        Some([action, Entity::with_uid(power.clone())])
    }

    /// The person with groups and attributes; their groups; the connector; the client.
    pub(super) fn caller(
        &self,
        person: &Person,
        client: &str,
        connector: &str,
    ) -> Option<Vec<Entity>> {
        let groups: HashSet<EntityUid> = person
            .groups
            .iter()
            .map(|group| uid(&self.group, group))
            .collect();
        let mut entities: Vec<Entity> = groups.iter().cloned().map(Entity::with_uid).collect();
        let mut attributes: HashMap<String, RestrictedExpression> = person
            .attributes
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect();
        attributes.insert("id".to_owned(), text(&person.id));
        entities.push(Entity::new(self.person_uid(&person.id), attributes, groups).ok()?);
        entities.push(Entity::with_uid(self.client_uid(client)));
        entities.push(Entity::with_uid(self.connector_uid(connector)));
        Some(entities)
    }

    /// A resource with its facets, inside its connector.
    pub(super) fn resource(
        &self,
        resource: &Resource,
        connector: &str,
        labels: &Labels,
    ) -> Option<Entity> {
        let label = resource.0.get(LABEL)?;
        let rank = i64::try_from(labels.rank(label)?).ok()?;
        let mut facets: HashMap<String, RestrictedExpression> = resource
            .0
            .iter()
            .map(|(name, value)| ((*name).to_owned(), text(value)))
            .collect();
        facets.insert("rank".to_owned(), RestrictedExpression::new_long(rank));
        let parents = HashSet::from([self.connector_uid(connector)]);
        Entity::new(uid(&self.resource, "asked"), facets, parents).ok()
    }

    pub(super) fn resource_uid(&self) -> EntityUid {
        uid(&self.resource, "asked")
    }
}

fn uid(name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id))
}

pub(super) fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

/// A string literal of Cedar.
pub(super) fn literal(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for letter in value.chars() {
        match letter {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(letter);
            }
            letter if letter.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{{{:x}}}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// The schema of this gateway: its people's attributes, its kinds' facets, its tools' arguments.
pub(super) fn schema<'a>(
    attributes: &BTreeSet<String>,
    facets: &BTreeSet<String>,
    actions: impl Iterator<Item = &'a str>,
) -> String {
    let optional = |names: &BTreeSet<String>| {
        names.iter().fold(String::new(), |mut all, name| {
            let _ = write!(all, ", {}?: String", literal(name));
            all
        })
    };
    let mut attributes = attributes.clone();
    attributes.remove("id");
    let mut schema = format!(
        "namespace Drawbridge {{\n\
         entity Group;\nentity Client;\nentity Connector;\n\
         entity Person in [Group] = {{ \"id\": String{} }};\n\
         entity Resource in [Connector] = {{ \"label\": String, \"rank\": Long{} }};\n",
        optional(&attributes),
        optional(facets)
    );
    for power in Power::ALL {
        let _ = writeln!(schema, "action {};", literal(power.word()));
    }
    schema.extend(actions);
    schema.push_str("}\n");
    schema
}

/// A connector's actions in the schema.
pub(super) fn actions(connector: &str, actions: &[Arc<Action>]) -> String {
    let mut schema = String::new();
    for action in actions {
        let _ = writeln!(
            schema,
            "action {} in [{}] appliesTo {{ principal: [Person], resource: [Connector, \
             Resource], context: {{ \"client\": Client, \"door\": String, \"arguments\": {} }} }};",
            literal(&format!("{connector}_{}", action.name)),
            literal(action.power.word()),
            record_type(&action.input),
        );
    }
    schema
}

/// The Cedar type of a JSON Schema object. Properties without a type in Cedar are left out, and
/// every property is optional, so that a rule must ask with `has` first.
fn record_type(schema: &Value) -> String {
    let mut fields = Vec::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if let Some(word) = value_type(property) {
            fields.push(format!("{}?: {word}", literal(name)));
        }
    }
    format!("{{ {} }}", fields.join(", "))
}

fn value_type(schema: &Value) -> Option<String> {
    match schema.get("type").and_then(Value::as_str)? {
        "string" => Some("String".to_owned()),
        "integer" => Some("Long".to_owned()),
        "boolean" => Some("Bool".to_owned()),
        "array" => Some(format!("Set<{}>", value_type(schema.get("items")?)?)),
        "object" => Some(record_type(schema)),
        _ => None,
    }
}

/// A whole number that Cedar cannot hold. A rule about it would not apply, so the call must not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfit;

/// An argument as a Cedar value; none where Cedar has no such type, so that no rule can name it.
pub(super) fn value(argument: &Value) -> Result<Option<RestrictedExpression>, Unfit> {
    Ok(match argument {
        Value::String(value) => Some(text(value)),
        Value::Bool(value) => Some(RestrictedExpression::new_bool(*value)),
        Value::Number(value) => match value.as_i64() {
            Some(value) => Some(RestrictedExpression::new_long(value)),
            // To JSON Schema `1e300` is an integer.
            None if value.as_f64().is_none_or(|value| value.fract() == 0.0) => return Err(Unfit),
            None => None,
        },
        Value::Array(items) => {
            let items: Result<Vec<_>, Unfit> = items.iter().map(value).collect();
            Some(RestrictedExpression::new_set(items?.into_iter().flatten()))
        }
        Value::Object(_) => Some(record(argument)?),
        Value::Null => None,
    })
}

/// An object as a Cedar record.
pub(super) fn record(arguments: &Value) -> Result<RestrictedExpression, Unfit> {
    let mut fields = Vec::new();
    for (name, argument) in arguments.as_object().into_iter().flatten() {
        if let Some(value) = value(argument)? {
            fields.push((name.clone(), value));
        }
    }
    RestrictedExpression::new_record(fields).map_err(|_| Unfit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_whole_number_that_cedar_cannot_hold_is_not_passed_over() {
        for fits in [
            json!(3),
            json!(0.5),
            json!(i64::MIN),
            json!([1, "a"]),
            json!(null),
        ] {
            assert!(value(&fits).is_ok(), "{fits}");
        }
        for unfit in [
            json!(1e300),
            json!(u64::MAX),
            json!([1e30]),
            json!({"a": {"b": 1e30}}),
        ] {
            assert!(value(&unfit).is_err(), "{unfit}");
        }
    }
}
