//! Actions of the connector's own: what AI clients are told of them, the values of their parameters,
//! and what becomes of them. They see no more than whoever calls: a statement goes over windows.

use std::collections::BTreeMap;

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::{Action, Call, Caller},
    connector::Problem,
    plan::{Plan, receipt_schema},
};
use jiff::civil::Date;
use serde_json::{Map, Value};

use super::{
    Database, actions,
    arguments::{self, Edit},
    cell::Cell,
    dialect::Dialect,
    fetch::MOST_PAGE,
    part::{Named, NamedText, Parameter, ParameterType, TableScope},
    plan::{changeable, drafted},
    query::{self, Bound, Manner, Meaning, understood},
    values,
    window::{Piece, known_of},
    words,
};

/// An action as AI clients see it.
pub(super) fn action((name, text): (&String, &NamedText)) -> Action {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, parameter) in &text.parameters {
        if parameter.from.is_some() {
            continue;
        }
        if !parameter.optional {
            required.push(name.as_str());
        }
        properties.insert(name.clone(), parameter.schema());
    }
    let effect = text.power.is_effect();
    let description = match effect {
        true => format!("{} {}", text.description, actions::PLANNED),
        false => text.description.clone(),
    };
    Action {
        name: name.clone().into(),
        title: text.title.clone().unwrap_or_else(|| titled(name)),
        description,
        power: text.power,
        input: actions::input(&Value::Object(properties), &required),
        output: match effect {
            true => receipt_schema(),
            false => actions::answer_output(),
        },
    }
}

/// `close_ticket` as a title.
fn titled(name: &str) -> String {
    let text = name.replace('_', " ");
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// A call of an action: its name, who asks, and for what.
pub(super) struct Asked<'a> {
    pub(super) action: &'a str,
    pub(super) caller: &'a Caller,
    pub(super) arguments: &'a Value,
    /// The tables, as the caller sees them.
    pub(super) tables: &'a [TableScope],
}

impl<'a> Asked<'a> {
    /// What is asked by a call, over these tables.
    pub(super) fn by(call: &'a Call, tables: &'a [TableScope]) -> Self {
        Self {
            action: &call.action.name,
            caller: &call.caller,
            arguments: &call.arguments,
            tables,
        }
    }
}

/// The answer of an action that reads.
pub(super) async fn fetch(
    database: &Database,
    named: &Named,
    asked: &Asked<'_>,
) -> Result<Found, Failure> {
    match meaning(named, asked)? {
        Meaning::Answer(rewritten) => {
            query::answered(database, rewritten, asked.tables, named.most).await
        }
        Meaning::Change { .. } => Err(otherwise()),
    }
}

/// What an action that changes something would change. Its rows are found, and their values worked
/// out, in the same moment of the database in which their plan is made.
pub(super) async fn plan(
    database: &Database,
    named: &Named,
    asked: &Asked<'_>,
) -> Result<Plan, Failure> {
    let Meaning::Change {
        table,
        manner,
        rows,
    } = meaning(named, asked)?
    else {
        return Err(otherwise());
    };
    let mut tables = asked.tables.iter();
    let scope = tables.find(|scope| scope.name == table);
    let scope = scope.ok_or_else(otherwise)?;
    changeable(scope)?;
    let mut reading = query::begun(database, asked.tables).await?;
    let connection = reading.connection();
    let (_, found) = query::asked_of(connection, rows, asked.tables, named.most).await?;
    if found.cut {
        return Err(too_much(named.most, found.rows.len()));
    }
    if found.rows.is_empty() {
        let told = "there is no row that this would change";
        return Err(Failure::not_found(told));
    }
    connection.own_names_only(false).await?;
    let found = found.rows.iter().map(|row| changed(scope, &manner, row));
    let mut found = found.collect::<Result<Vec<Changed>, Failure>>()?;
    if !matches!(manner, Manner::Insert(_)) {
        // An engine finds rows in any order, and the plan must be the same when it is looked at again.
        found.sort_by_cached_key(|(key, _)| words::key_text(key));
    }
    let edits = found.iter().map(|(key, set)| match &manner {
        Manner::Insert(_) => Edit::Insert(set),
        Manner::Update(_) => Edit::Update(key.clone(), set),
        Manner::Delete => Edit::Delete(key.clone()),
    });
    let planned = drafted(connection, (asked.action, scope), edits.collect()).await;
    planned.map_err(|failure| match failure.status {
        Status::Invalid => {
            let told = format!("with these values it breaks a rule: {}", failure.message);
            Failure::invalid(told).with_source(failure)
        }
        _ => failure,
    })
}

fn too_much(most: usize, found: usize) -> Failure {
    let told = match (found >= most, most) {
        (true, 1) => "it would change more than one row, so nothing is planned".to_owned(),
        (true, most) => format!("it would change more than {most} rows, so nothing is planned"),
        (false, _) => format!(
            "what it would write has more than {} KiB, so nothing is planned",
            MOST_PAGE >> 10
        ),
    };
    Failure::new(Status::Limited, told)
}

/// The actions whose statements the database cannot work out, with everything in view.
pub(super) async fn examined(database: &Database) -> Result<Vec<Problem>, Failure> {
    let tables: Vec<TableScope> = database.own.tables.values().cloned().collect();
    let Some(dialect) = tables.first().map(|table| table.dialect) else {
        return Ok(Vec::new());
    };
    if database.own.telling.is_some() {
        // What only people may see is looked at when they ask.
        return Ok(Vec::new());
    }
    let mut problems = Vec::new();
    for (name, named) in &database.own.named {
        let parameters = named.parameters.iter();
        let bound = parameters
            .map(|(name, parameter)| (name.clone(), parameter.piece(Cell::Null, dialect)))
            .collect();
        let question = match understood(dialect, (&named.statement, &bound), &tables) {
            Ok(Meaning::Answer(question)) | Ok(Meaning::Change { rows: question, .. }) => question,
            // The file was checked: it is understood.
            Err(_) => continue,
        };
        match query::explained(database, question, &tables).await {
            Ok(()) => {}
            Err(failure) if failure.status == Status::Invalid => problems.push(Problem {
                path: format!("actions/{name}"),
                reason: "the database cannot work out its statement".to_owned(),
                mend: "compare its names, and the types of its parameters, with the tables"
                    .to_owned(),
            }),
            Err(failure) => return Err(failure),
        }
    }
    Ok(problems)
}

/// The key of a row that is changed, and what is set of it.
type Changed = (Vec<Cell>, Map<String, Value>);

fn changed(scope: &TableScope, manner: &Manner, row: &[Cell]) -> Result<Changed, Failure> {
    let (keys, columns) = match manner {
        Manner::Insert(columns) => (0, columns.as_slice()),
        Manner::Update(columns) => (scope.key.len(), columns.as_slice()),
        Manner::Delete => (scope.key.len(), [].as_slice()),
    };
    if row.len() != keys + columns.len() {
        return Err(Failure::invalid(
            "the statement gives another number of values than of columns; tell whoever keeps the \
             connector",
        ));
    }
    let (key, values) = row.split_at(keys);
    let named = scope.key.iter().cloned();
    let key: Map<String, Value> = named.zip(key.iter().map(Cell::shown)).collect();
    let key = match keys {
        0 => Vec::new(),
        _ => arguments::key(scope, &Value::Object(key))?,
    };
    let set = columns.iter().zip(values);
    let set = set.map(|(column, cell)| (column.clone(), shown(scope, column, cell)));
    Ok((key, set.collect()))
}

/// A value as somebody would give it for a column. SQLite has 0 and 1 for no and yes.
fn shown(scope: &TableScope, column: &str, cell: &Cell) -> Value {
    let values = scope
        .writable
        .get(column)
        .and_then(|rule| rule.values.as_ref());
    let yes_or_no = values.is_some_and(|values| values.iter().any(Value::is_boolean));
    match cell {
        Cell::Integer(number @ (0 | 1)) if yes_or_no => Value::Bool(*number == 1),
        cell => cell.shown(),
    }
}

/// What a statement does with the values of a call, as its caller sees the tables.
fn meaning(named: &Named, asked: &Asked<'_>) -> Result<Meaning, Failure> {
    let none = || Failure::not_found("there is no table that you may use");
    let first = asked.tables.first().ok_or_else(none)?;
    let bound = bound(named, (asked.caller, asked.arguments), first.dialect)?;
    // The statement was understood with everything in view when the file was checked.
    let meaning = understood(first.dialect, (&named.statement, &bound), asked.tables);
    meaning.map_err(|_| {
        let told = "it uses tables or fields that you may not use";
        Failure::new(Status::Denied, told)
    })
}

/// The statement does something else than it was checked for.
fn otherwise() -> Failure {
    let told = "its statement does not do what its power says; tell whoever keeps the connector";
    Failure::invalid(told)
}

/// What stands for the parameters of a statement.
fn bound(
    named: &Named,
    (caller, arguments): (&Caller, &Value),
    dialect: Dialect,
) -> Result<Bound, Failure> {
    let mut bound = BTreeMap::new();
    for (name, parameter) in &named.parameters {
        let cell = match &parameter.from {
            Some(from) => of_caller(from, parameter, caller)?,
            None => match arguments.get(name) {
                None | Some(Value::Null) if parameter.optional => Cell::Null,
                None => return Err(Failure::invalid(format!("`{name}`: it is missing"))),
                Some(value) => parameter
                    .cell(value)
                    .map_err(|told| Failure::invalid(format!("`{name}`: {told}")))?,
            },
        };
        bound.insert(name.clone(), parameter.piece(cell, dialect));
    }
    Ok(bound)
}

/// A value that is the caller's own, and not theirs to choose.
fn of_caller(from: &str, parameter: &Parameter, caller: &Caller) -> Result<Cell, Failure> {
    let denied = |told: String| Failure::new(Status::Denied, told);
    let given = known_of(caller).remove(from);
    let given = given.ok_or_else(|| {
        denied(format!(
            "this goes by your `{from}`, which is not known; whoever keeps the gateway can add it"
        ))
    })?;
    let value = match parameter.of {
        ParameterType::Text | ParameterType::Date | ParameterType::Uuid => Value::String(given),
        ParameterType::Integer | ParameterType::Number | ParameterType::Boolean => {
            serde_json::from_str(&given).unwrap_or(Value::String(given))
        }
    };
    parameter
        .cell(&value)
        .map_err(|told| denied(format!("your `{from}` does not fit: {told}")))
}

impl Parameter {
    /// A value as it is bound; or which rule it breaks, in words.
    pub(super) fn cell(&self, value: &Value) -> Result<Cell, String> {
        let cell = match (self.of, value) {
            (ParameterType::Text, Value::String(text)) if !text.contains('\0') => Cell::text(text),
            (ParameterType::Text, _) => return Err("it must be a text without NUL".to_owned()),
            (ParameterType::Integer, value) => {
                let whole = value.as_i64().ok_or("it must be a whole number")?;
                Cell::Integer(whole)
            }
            (ParameterType::Number, value) => match (value.as_i64(), value.as_f64()) {
                (Some(whole), _) => Cell::Integer(whole),
                (None, Some(number)) if number.is_finite() => Cell::Real(number),
                _ => return Err("it must be a number".to_owned()),
            },
            (ParameterType::Uuid, value) => {
                let id = value.as_str().and_then(uuid);
                Cell::text(&id.ok_or("it must be a UUID")?)
            }
            (ParameterType::Boolean, value) => {
                let yes = value.as_bool().ok_or("it must be true or false")?;
                Cell::Bool(yes)
            }
            (ParameterType::Date, value) => {
                let day = value.as_str().and_then(day);
                Cell::text(&day.ok_or("it must be a day like `2026-03-31`")?)
            }
        };
        values::lets(&self.rule, value)?;
        Ok(cell)
    }

    /// A value where it stands in a statement: PostgreSQL wants to know of which type it is.
    pub(super) fn piece(&self, cell: Cell, dialect: Dialect) -> Piece {
        let sort = match self.of {
            _ if dialect != Dialect::Postgres => return Piece::default().value(cell, None),
            ParameterType::Text => "text",
            ParameterType::Integer => "bigint",
            ParameterType::Number => "numeric",
            ParameterType::Uuid => "uuid",
            ParameterType::Boolean => "boolean",
            ParameterType::Date => "date",
        };
        // A float becomes a decimal of 15 digits there; its text becomes what it says.
        let cell = match cell {
            Cell::Real(number) => Cell::Number(number.to_string()),
            other => other,
        };
        let piece = Piece::default().text("CAST(").value(cell, None);
        piece.text(&format!(" AS {sort})"))
    }
}

/// A day, if it is one that is written so.
fn day(text: &str) -> Option<String> {
    let day = text.parse::<Date>().ok()?.to_string();
    (day == text).then_some(day)
}

/// A UUID, if it is one that is written so, in small letters.
fn uuid(text: &str) -> Option<String> {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let digits = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    let right = lengths == [8, 4, 4, 4, 12] && groups.iter().all(digits);
    right.then(|| text.to_ascii_lowercase())
}
