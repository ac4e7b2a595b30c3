//! `search`: filters over visible fields, words in texts, order, and a cursor. It asks the table's
//! window, so that masked fields are compared as they are shown.

mod cursor;
mod filter;

use std::borrow::Cow;

use drawbridge_core::{
    answer::{Failure, Found},
    decide::Fingerprint,
};
use serde_json::Value;

use super::{
    Database,
    cell::Cell,
    fetch::{MOST_LISTED, MOST_PAGE, MOST_ROWS, Next, USUAL_ROWS, many},
    part::TableScope,
    query,
    rows::{Table, is_whole, own},
    shape::{Affinity, Column, Shape, Sort},
    statement::Statement,
    window::Piece,
};
pub(super) use filter::{MOST_FILTERS, MOST_LIST, OPERATIONS};

/// The most fields to order by.
pub(super) const MOST_ORDERED: usize = 4;
/// The most words to look for.
const MOST_WORDS: usize = 8;
/// The most characters of a value or word to look for.
pub(super) const MOST_VALUE: usize = 1_000;

/// A search, understood.
struct Search<'a> {
    table: Table<'a>,
    /// The fields of the scope, as they are shown.
    visible: Vec<Cow<'a, Column>>,
    filters: Vec<Piece>,
    /// Fields, and whether the greatest comes first; the key comes last, so that no two rows are
    /// equal.
    order: Vec<(Cow<'a, Column>, Turn)>,
}

/// Which comes first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Least,
    Greatest,
}

/// The answer of a search, as its caller may see the table.
pub(super) async fn search(
    database: &Database,
    (scope, arguments): (&TableScope, &Value),
    fingerprint: Fingerprint,
) -> Result<Found, Failure> {
    scope.shows_rows()?;
    let mut reading = database.base.read().await?;
    let shape = Shape::load(reading.connection(), scope).await?;
    let shape = &shape;
    let search = Search::of(Table { scope, shape }, arguments)?;
    let bond = cursor::bond(arguments, fingerprint);
    let after = cursor::opened(&database.context.seal, &bond, arguments)?;
    let limit = arguments.get("limit").and_then(Value::as_u64);
    let limit = limit.unwrap_or(USUAL_ROWS).clamp(1, MOST_ROWS);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let statement = search.statement(after.as_deref(), limit + 1)?;
    let rows = statement
        .rows_up_to(reading.connection(), MOST_PAGE)
        .await
        .map_err(query::told)?;
    let split = |mut row: Vec<Cell>| {
        let first = (!row.is_empty()).then(|| row.remove(0));
        (own(&search.visible, row), is_whole(first.as_ref()))
    };
    let page = rows.into_iter().map(split).collect();
    let visible = search.visible.len();
    let next = |row: &[Cell]| {
        let last = row.get(visible..).unwrap_or_default();
        cursor::sealed(&database.context.seal, &bond, last).map(Value::from)
    };
    let next = Next {
        argument: "cursor",
        of: &next,
    };
    Ok(many(database, &search.table, page, (limit, next)))
}

impl<'a> Search<'a> {
    fn of(table: Table<'a>, arguments: &Value) -> Result<Self, Failure> {
        let visible = table.visible();
        let mut filters = filter::read(table.scope, arguments.get("where"))?;
        filters.extend(words(table.scope, &visible, arguments.get("text"))?);
        Ok(Self {
            table,
            filters,
            order: order(table.scope, &visible, arguments.get("order"))?,
            visible,
        })
    }

    fn column(&self, name: &str) -> String {
        let dialect = self.table.scope.dialect;
        format!("t.{}", dialect.quoted(name))
    }

    fn statement(&self, after: Option<&[Cell]>, limit: usize) -> Result<Statement, Failure> {
        let table = self.table;
        let fields = (self.visible.as_slice(), MOST_LISTED);
        let mut select = table.fitting(Statement::new("SELECT "), fields);
        for (column, _) in &self.order {
            select = select.words(", ").read(column);
        }
        select = table.behind_window(select).words(" WHERE 1 = 1");
        for filter in &self.filters {
            select = table.piece(select.words(" AND "), filter.clone());
        }
        if let Some(after) = after {
            select = table.piece(select.words(" AND "), self.after(after)?);
        }
        select = select.words(" ORDER BY ");
        select = select.each(", ", &self.order, |statement, (column, turn)| {
            // Rows without a value come last, on every engine and either way.
            let nulls = statement.words("CASE WHEN ").column(&column.name);
            let ordered = nulls
                .words(" IS NULL THEN 1 ELSE 0 END, ")
                .column(&column.name);
            ordered.words(match turn {
                Turn::Least => "",
                Turn::Greatest => " DESC",
            })
        });
        let limit = Cell::Integer(i64::try_from(limit).unwrap_or(i64::MAX));
        Ok(select.words(" LIMIT ").value(&limit))
    }

    /// Rows after the one with these values of what is ordered by.
    fn after(&self, values: &[Cell]) -> Result<Piece, Failure> {
        if values.len() != self.order.len() {
            return Err(cursor::foreign());
        }
        let pairs: Vec<_> = self.order.iter().zip(values).collect();
        let mut piece = Piece::default().text("(1 = 0");
        for (index, ((field, turn), value)) in pairs.iter().enumerate() {
            let column = self.column(&field.name);
            if **value == Cell::Null {
                // Nothing comes after what has no value.
                continue;
            }
            piece = piece.text(" OR (");
            for ((field, _), value) in pairs.iter().take(index) {
                piece = piece.piece(self.equal(&field.name, value)).text(" AND ");
            }
            let sign = match turn {
                Turn::Least => " > ",
                Turn::Greatest => " < ",
            };
            piece = piece.text("(").text(&column).text(sign);
            piece = piece.value((*value).clone(), self.table.scope.beside_shown(&field.name));
            piece = piece.text(" OR ").text(&column).text(" IS NULL))");
        }
        Ok(piece.text(")"))
    }

    fn equal(&self, field: &str, value: &Cell) -> Piece {
        let column = Piece::default().text(&self.column(field));
        match value {
            Cell::Null => column.text(" IS NULL"),
            value => column
                .text(" = ")
                .value(value.clone(), self.table.scope.beside_shown(field)),
        }
    }
}

/// Every word must be in one of the texts.
fn words(
    scope: &TableScope,
    visible: &[Cow<'_, Column>],
    given: Option<&Value>,
) -> Result<Vec<Piece>, Failure> {
    let Some(text) = given.and_then(Value::as_str) else {
        return Ok(Vec::new());
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() > MOST_WORDS {
        let told = format!("`text`: at most {MOST_WORDS} words");
        return Err(Failure::invalid(told));
    }
    let is_text = |column: &&Cow<'_, Column>| {
        matches!(
            column.sort,
            Sort::Text | Sort::Affine(Affinity::Text | Affinity::None)
        )
    };
    let texts: Vec<&str> = visible
        .iter()
        .filter(is_text)
        .map(|column| column.name.as_str())
        .collect();
    if texts.is_empty() && !words.is_empty() {
        let told = "`text`: the table has no text; use `where`";
        return Err(Failure::invalid(told));
    }
    let one = |word: &&str| {
        let mut piece = Piece::default().text("(1 = 0");
        for name in &texts {
            piece = piece
                .text(" OR ")
                .piece(filter::contains(scope, name, word))
                .text(" > 0");
        }
        piece.text(")")
    };
    Ok(words.iter().map(one).collect())
}

fn order<'a>(
    scope: &TableScope,
    visible: &[Cow<'a, Column>],
    given: Option<&Value>,
) -> Result<Vec<(Cow<'a, Column>, Turn)>, Failure> {
    let mut order: Vec<(Cow<'a, Column>, Turn)> = Vec::new();
    let column = |name: &str| visible.iter().find(|column| column.name == name).cloned();
    let asked = given.and_then(Value::as_array).map(Vec::as_slice);
    for (index, one) in asked.unwrap_or_default().iter().enumerate() {
        let at = format!("order[{index}].field");
        let field = filter::field(scope, one, &at)?;
        if order.iter().any(|(column, _)| column.name == *field) {
            return Err(Failure::invalid(format!("`{at}`: it stands there twice")));
        }
        let descending = one.get("descending").and_then(Value::as_bool);
        let turn = if descending == Some(true) {
            Turn::Greatest
        } else {
            Turn::Least
        };
        order.extend(column(field).map(|column| (column, turn)));
    }
    if order.len() > MOST_ORDERED {
        let told = format!("`order`: at most {MOST_ORDERED} fields");
        return Err(Failure::invalid(told));
    }
    for name in &scope.key {
        if !order.iter().any(|(ordered, _)| ordered.name == *name) {
            order.extend(column(name).map(|column| (column, Turn::Least)));
        }
    }
    Ok(order)
}
