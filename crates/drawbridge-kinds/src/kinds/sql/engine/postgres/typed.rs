//! What PostgreSQL makes of a value for a column.

use drawbridge_core::answer::{Failure, Status};
use serde_json::Value;

use super::super::{
    super::{
        cell::Cell,
        link::Link,
        shape::{Column, integer_at},
        statement::Statement,
    },
    values::{self, Given},
};

/// A value that somebody gives, as the column would keep it; or the rule it breaks, in words.
pub(super) async fn typed(
    link: &mut dyn Link,
    column: &Column,
    given: &Value,
) -> Result<Result<Cell, String>, Failure> {
    match values::given(column, given) {
        Err(told) => Ok(Err(told)),
        Ok(Given::Kept(cell)) => Ok(Ok(cell)),
        Ok(Given::Asked(text)) => asked(link, column, &text).await,
    }
}

/// What the server makes of a text for this column.
async fn asked(
    link: &mut dyn Link,
    column: &Column,
    text: &str,
) -> Result<Result<Cell, String>, Failure> {
    let base = column.cast.as_deref().unwrap_or("text");
    let given = Cell::text(text);
    let value = |statement: Statement| {
        statement
            .words("CAST(")
            .value(&given)
            .words(" AS ")
            .a_type(base)
            .words(")")
    };
    let full = column.limits.as_deref().unwrap_or(base);
    let mut ask = value(Statement::new("SELECT CAST(CAST("));
    ask = ask.words(" AS ").a_type(full).words(") AS ");
    // As the column is read: of a text that is filled up with blanks, a cast would take them away.
    ask = ask
        .a_type(if column.as_text { "text" } else { full })
        .words("), ");
    ask = match &column.limits {
        None => ask.words("true"),
        Some(limits) => {
            let within = value(ask.words("CAST(")).words(" AS ").a_type(limits);
            value(within.words(") IS NOT DISTINCT FROM "))
        }
    };
    let rows = match link.attempt(ask).await? {
        Ok(rows) => rows,
        // Some types call what they cannot read a mistake of the statement.
        Err(failure) if matches!(failure.status, Status::Invalid | Status::Failed) => {
            let told = format!("it is no value of the type {}", column.declared);
            return Ok(Err(told));
        }
        Err(failure) => return Err(failure),
    };
    if integer_at(rows.first(), 1) == 0 {
        let told = format!("it has more than the type {} can hold", column.declared);
        return Ok(Err(told));
    }
    let cell = rows
        .into_iter()
        .next()
        .and_then(|row| row.into_iter().next());
    let mut cell = cell.unwrap_or(Cell::Null);
    cell.become_one_of(column.sort);
    Ok(Ok(cell))
}
