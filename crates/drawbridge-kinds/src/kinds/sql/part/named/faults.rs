//! What is wrong with actions of the file's own. Each statement is understood when its file is
//! checked, with the whole scope in view.

use drawbridge_core::file::Fault;

use super::{
    super::{
        super::{
            arguments::MOST_TARGETS,
            dialect::Dialect,
            query::{Work, placeholders, understood},
            window::{Given, Piece},
        },
        Scope, TableScope, escaped,
    },
    NamedText, ParameterText, ParameterType, STANDARD,
};

/// What is wrong with the actions of a scope.
pub(in super::super) fn faults(scope: &Scope, home: Option<(Dialect, &str)>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let standard = scope.standard.iter().flatten().enumerate();
    for (index, name) in standard.filter(|(_, name)| !STANDARD.contains(&name.as_str())) {
        let rule = format!("there is no standard action `{name}`");
        let mend = format!("write some of {}", STANDARD.join(", "));
        faults.push(Fault::new(format!("/scope/standard/{index}"), rule, mend));
    }
    for (name, action) in &scope.actions {
        let at = format!("/scope/actions/{}", escaped(name));
        faults.extend(bad_name(&at, name));
        faults.extend(bad_parameters(&at, action));
        faults.extend(bad_most(&at, action));
        if let Some(home) = home {
            faults.extend(bad_statement(&at, action, (scope, home)));
        }
    }
    faults
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

fn bad_parameters(at: &str, action: &NamedText) -> Vec<Fault> {
    let mut faults = Vec::new();
    let asked = placeholders(&action.statement);
    for (name, parameter) in &action.parameters {
        let at = format!("{at}/parameters/{}", escaped(name));
        if !is_word(name) {
            let rule = format!("`{name}` is no name for a parameter");
            let mend = "write small letters, digits and `_`, at most 40, with a letter first";
            faults.push(Fault::new(at.as_str(), rule, mend));
        } else if !asked.contains(name) {
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
    }
    for name in asked {
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
    let number = matches!(
        parameter.sort,
        ParameterType::Integer | ParameterType::Number
    );
    let text = matches!(parameter.sort, ParameterType::Text);
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
    (scope, home): (&Scope, (Dialect, &str)),
) -> Option<Fault> {
    let statement = format!("{at}/statement");
    let mut tables = Vec::new();
    for (name, table) in &scope.tables {
        // What is wrong with a table is told at the table.
        let seen = TableScope::of((name, table), "", home).ok()?;
        tables.push(seen.with_given(Given::new()));
    }
    let names = action.parameters.keys().cloned();
    let bound = names.map(|name| (name, Piece::default())).collect();
    let work = match understood(home.0, (&action.statement, &bound), &tables) {
        Ok(work) => work,
        Err(refusal) => {
            let rule = format!("it is not understood: {}", refusal.0);
            let mend = "write one plain SELECT, INSERT, UPDATE or DELETE over the scope's tables \
                        and fields";
            return Some(Fault::new(statement, rule, mend));
        }
    };
    if !work.fits(action.power) {
        let rule = format!(
            "its statement does not `{}`: it {}",
            action.power,
            work.does()
        );
        let mend = format!("declare {}", work.powers());
        return Some(Fault::new(format!("{at}/power"), rule, mend));
    }
    let Work::Change { table, change, .. } = &work else {
        return None;
    };
    let table = tables.iter().find(|scope| scope.name == *table)?;
    let (column, why) = change.forbidden(table)?;
    let rule = match column {
        Some(column) => format!("it sets `{column}` of `{}`, {why}", table.name),
        None => format!("it changes `{}`, {why}", table.name),
    };
    Some(Fault::new(
        statement,
        rule,
        format!("change `writable` of `{}`, or the statement", table.name),
    ))
}
