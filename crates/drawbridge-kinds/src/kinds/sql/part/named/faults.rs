//! What is wrong with actions of the file's own. Each statement is understood when its file is
//! checked, with the whole scope in view.

use drawbridge_core::file::{Fault, Labels};

use super::{
    super::{
        super::{
            arguments::MOST_TARGETS,
            cell::Cell,
            dialect::Dialect,
            query::{Bound, Meaning, placeholders, understood},
            window::Piece,
        },
        Scope, TableScope, escaped,
        rule::Scalar,
    },
    NamedText, ParameterText, ParameterType, STANDARD,
};

/// What is wrong with the actions of a scope.
pub(in super::super) fn faults(
    scope: &Scope,
    home: Option<(Dialect, &str)>,
    labels: &Labels,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let standard = scope.standard.iter().flatten().enumerate();
    for (index, name) in standard.filter(|(_, name)| !STANDARD.contains(&name.as_str())) {
        let rule = format!("there is no standard action `{name}`");
        let mend = format!("write some of {}", STANDARD.join(", "));
        faults.push(Fault::new(format!("/scope/standard/{index}"), rule, mend));
    }
    // What is wrong with the address, or with a table, is told there.
    let tables = home.and_then(|home| tables(scope, home));
    for (name, action) in &scope.actions {
        let at = format!("/scope/actions/{}", escaped(name));
        faults.extend(bad_name(&at, name));
        faults.extend(bad_most(&at, action));
        let Some((dialect, _)) = home else { continue };
        faults.extend(bad_parameters(&at, action, dialect));
        if let Some(tables) = &tables {
            faults.extend(bad_statement(&at, action, (tables, dialect, labels)));
        }
    }
    faults
}

/// The tables of a scope, with everything in view.
fn tables(scope: &Scope, home: (Dialect, &str)) -> Option<Vec<TableScope>> {
    let tables = scope.tables.iter().map(|(name, table)| {
        let label = table.label.as_ref().or(scope.label.as_ref());
        let label = label.map(String::as_str).unwrap_or_default();
        TableScope::of((name, table), label, home).ok()
    });
    tables.collect()
}

fn bad_name(at: &str, name: &str) -> Option<Fault> {
    if STANDARD.contains(&name) || name == "query" {
        let rule = format!("`{name}` is a standard action");
        return Some(Fault::new(at, rule, "give it another name"));
    }
    (!is_word(name)).then(|| {
        let rule = format!("`{name}` is no name for an action");
        let mend = "write small letters, digits and `_`, at most 40, with a letter first";
        Fault::new(at, rule, mend)
    })
}

fn is_word(name: &str) -> bool {
    let plain = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '_');
    name.len() <= 40
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(plain)
}

fn bad_most(at: &str, action: &NamedText) -> Option<Fault> {
    let wrong = action.power.is_effect() && action.most() > MOST_TARGETS;
    wrong.then(|| {
        let rule = format!("one effect changes at most {MOST_TARGETS} rows");
        let mend = "write a smaller number, or leave it out for one row";
        Fault::new(format!("{at}/most"), rule, mend)
    })
}

fn bad_parameters(at: &str, action: &NamedText, dialect: Dialect) -> Vec<Fault> {
    let mut faults = Vec::new();
    let asked = placeholders(dialect, &action.statement);
    for (name, parameter) in &action.parameters {
        let at = format!("{at}/parameters/{}", escaped(name));
        if !is_word(name) {
            let rule = format!("`{name}` is no name for a parameter");
            let mend = "write small letters, digits and `_`, at most 40, with a letter first";
            faults.push(Fault::new(at.as_str(), rule, mend));
        } else if asked.as_ref().is_some_and(|asked| !asked.contains(name)) {
            let rule = format!("the statement has no `:{name}`");
            faults.push(Fault::new(
                at.as_str(),
                rule,
                "use it there, or take it out",
            ));
        }
        faults.extend(parameter.rule().faults(&at));
        faults.extend(bad_bounds(&at, parameter));
        faults.extend(bad_source(&at, parameter));
        faults.extend(bad_values(&at, parameter));
    }
    for name in asked.into_iter().flatten() {
        if !action.parameters.contains_key(&name) {
            let rule = format!("`:{name}` is no parameter");
            let mend = format!("add it to `parameters`, like `{name}: {{type: text}}`");
            faults.push(Fault::new(format!("{at}/statement"), rule, mend));
        }
    }
    faults
}

/// Bounds that the values of the type cannot have.
fn bad_bounds(at: &str, parameter: &ParameterText) -> Option<Fault> {
    let number = matches!(parameter.of, ParameterType::Integer | ParameterType::Number);
    let text = matches!(parameter.of, ParameterType::Text);
    let (place, rule) = if !number && (parameter.min.is_some() || parameter.max.is_some()) {
        let place = if parameter.min.is_some() {
            "min"
        } else {
            "max"
        };
        (place, "only numbers have a least and a greatest")
    } else if !text && parameter.max_length.is_some() {
        ("max_length", "only texts have a length")
    } else if !text && parameter.pattern.is_some() {
        ("pattern", "only texts match a pattern")
    } else {
        return None;
    };
    Some(Fault::new(format!("{at}/{place}"), rule, "take it out"))
}

/// Values that are none of the type.
fn bad_values(at: &str, parameter: &ParameterText) -> Vec<Fault> {
    let Ok(understood) = parameter.understood() else {
        return Vec::new();
    };
    let values = parameter.values.iter().flatten().map(Scalar::value);
    let wrong = values.enumerate().filter_map(|(index, value)| {
        let rule = understood.cell(&value).err()?;
        let at = format!("{at}/values/{index}");
        Some(Fault::new(at, rule, "mend it, or take it out"))
    });
    wrong.collect()
}

fn bad_source(at: &str, parameter: &ParameterText) -> Option<Fault> {
    let from = parameter.from.as_deref()?;
    let attribute = from.strip_prefix("person.");
    let known = from == "client" || attribute.is_some_and(|name| !name.is_empty());
    if !known {
        let rule = format!("`{from}` is nothing of a caller");
        let mend = "write `person.id`, `person.` with an attribute, or `client`";
        return Some(Fault::new(format!("{at}/from"), rule, mend));
    }
    parameter.optional.then(|| {
        let rule = "what comes from the caller is never left out";
        Fault::new(format!("{at}/optional"), rule, "take it out")
    })
}

/// A statement that is not understood, or that does something else than its power says.
fn bad_statement(
    at: &str,
    action: &NamedText,
    (tables, dialect, labels): (&[TableScope], Dialect, &Labels),
) -> Option<Fault> {
    let statement = format!("{at}/statement");
    let mut bound = Bound::new();
    for (name, parameter) in &action.parameters {
        // As long as a value can be: what it makes of texts is bounded.
        let longest = Cell::text(&"x".repeat(4 * parameter.length()));
        let cell = match parameter.of {
            ParameterType::Text => longest,
            _ => Cell::Null,
        };
        bound.insert(name.clone(), Piece::default().value(cell, None));
    }
    let meaning = match understood(dialect, (&action.statement, &bound), tables) {
        Ok(meaning) => meaning,
        Err(refusal) => {
            let rule = format!("it cannot be used: {}", refusal.0);
            let mend = "write one plain SELECT, INSERT, UPDATE or DELETE over the scope's tables \
                        and fields";
            return Some(Fault::new(statement, rule, mend));
        }
    };
    if !meaning.fits(action.power) {
        let (power, does) = (action.power, meaning.does());
        let rule = format!("its statement does not `{power}`: it {does}");
        let mend = format!("declare {}", meaning.powers());
        return Some(Fault::new(format!("{at}/power"), rule, mend));
    }
    let Meaning::Change {
        table,
        manner,
        rows,
    } = &meaning
    else {
        return None;
    };
    let table = tables.iter().find(|scope| scope.name == *table)?;
    let name = &table.name;
    if let Some((column, why)) = manner.forbidden(table) {
        let rule = match column {
            Some(column) => format!("it sets `{column}` of `{name}`, {why}"),
            None => format!("it changes `{name}`, {why}"),
        };
        let mend = format!("change `writable` of `{name}`, or the statement");
        return Some(Fault::new(statement, rule, mend));
    }
    let rank = |table: &TableScope| labels.rank(&table.label);
    let mut read = tables.iter().filter(|one| rows.tables.contains(&one.name));
    // A gate goes by the label of what is changed.
    let above = read.find(|one| rank(one) > rank(table))?;
    let rule = format!(
        "it brings what is `{}` in `{}` to where it is `{}`, in `{name}`",
        above.label, above.name, table.label
    );
    let mend = format!("label `{name}` as high, or leave `{}` out", above.name);
    Some(Fault::new(statement, rule, mend))
}
