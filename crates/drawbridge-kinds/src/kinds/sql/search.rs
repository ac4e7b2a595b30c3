//! `search`: filters over visible fields, words in texts, order, and a cursor. It asks the table's
//! window, so that masked fields are compared as they are shown.

mod cursor;
mod filter;

use drawbridge_core::{
    answer::{Failure, Found},
    decide::Fingerprint,
};
use serde_json::Value;

use super::{
    Database,
    cell::Cell,
    fetch::{MOST_LISTED, MOST_PAGE, MOST_ROWS, Next, USUAL_ROWS, many},
    part::{Mask, TableScope},
    shape::{Affinity, Shape},
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
    scope: &'a TableScope,
    filters: Vec<Piece>,
    /// Fields, and whether the greatest comes first; the key comes last, so that no two rows are
    /// equal.
    order: Vec<(String, Turn)>,
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
    let mut reading = database.base.read().await?;
    let shape = Shape::load(reading.connection(), scope).await?;
    let search = Search::of(scope, &shape, arguments)?;
    let bond = cursor::bond(arguments, fingerprint);
    let after = cursor::opened(&database.context.seal, &bond, arguments)?;
    let limit = arguments.get("limit").and_then(Value::as_u64);
    let limit = limit.unwrap_or(USUAL_ROWS).clamp(1, MOST_ROWS);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let statement = search.statement(after.as_deref(), limit + 1)?;
    let rows = statement
        .rows_up_to(reading.connection(), MOST_PAGE)
        .await?;
    let split = |mut row: Vec<Cell>| {
        let whole = !row.is_empty() && row.remove(0) == Cell::Integer(1);
        (row, whole)
    };
    let page = rows.into_iter().map(split).collect();
    let visible = scope.fields.len();
    let next = |row: &[Cell]| {
        let last = row.get(visible..).unwrap_or_default();
        cursor::sealed(&database.context.seal, &bond, last).map(Value::from)
    };
    let next = Next {
        argument: "cursor",
        of: &next,
    };
    Ok(many(database, scope, page, (limit, next)))
}

impl<'a> Search<'a> {
    fn of(scope: &'a TableScope, shape: &Shape, arguments: &Value) -> Result<Self, Failure> {
        let mut filters = filter::read(scope, arguments.get("where"))?;
        filters.extend(words(scope, shape, arguments.get("text"))?);
        Ok(Self {
            scope,
            filters,
            order: order(scope, arguments.get("order"))?,
        })
    }

    fn column(&self, name: &str) -> String {
        format!("t.{}", self.scope.dialect.name(name))
    }

    fn statement(&self, after: Option<&[Cell]>, limit: usize) -> Result<Statement, Failure> {
        let fits = self.fits();
        let mut piece = Piece::default().text("SELECT ").text(&fits);
        for field in &self.scope.fields {
            let column = self.column(field);
            piece = piece.text(", ").text(&if self.scope.key.contains(field) {
                column
            } else {
                format!("CASE WHEN {fits} THEN {column} END")
            });
        }
        for (field, _) in &self.order {
            piece = piece.text(", ").text(&self.column(field));
        }
        piece = piece
            .text(" FROM (")
            .piece(self.scope.window())
            .text(") AS t WHERE 1 = 1");
        for filter in &self.filters {
            piece = piece.text(" AND ").piece(filter.clone());
        }
        if let Some(after) = after {
            piece = piece.text(" AND ").piece(self.after(after)?);
        }
        piece = piece.text(" ORDER BY ");
        for (index, (field, turn)) in self.order.iter().enumerate() {
            let column = self.column(field);
            let turn = match turn {
                Turn::Least => "",
                Turn::Greatest => " DESC",
            };
            let comma = if index > 0 { ", " } else { "" };
            // Rows without a value come last, on every engine and either way.
            let nulls = format!("CASE WHEN {column} IS NULL THEN 1 ELSE 0 END");
            piece = piece.text(&format!("{comma}{nulls}, {column}{turn}"));
        }
        let piece = piece.text(&format!(" LIMIT {limit}"));
        Ok(Statement::new("").piece(piece))
    }

    /// Whether a row is small enough for a list.
    fn fits(&self) -> String {
        let fields = self.scope.fields.iter().map(|field| self.column(field));
        let sizes: Vec<String> = fields
            .map(|column| format!("coalesce(octet_length({column}), 0)"))
            .collect();
        format!("{} <= {MOST_LISTED}", sizes.join(" + "))
    }

    /// Rows after the one with these values of what is ordered by.
    fn after(&self, values: &[Cell]) -> Result<Piece, Failure> {
        if values.len() != self.order.len() {
            return Err(cursor::foreign());
        }
        let pairs: Vec<_> = self.order.iter().zip(values).collect();
        let mut piece = Piece::default().text("(1 = 0");
        for (index, ((field, turn), value)) in pairs.iter().enumerate() {
            let column = self.column(field);
            if **value == Cell::Null {
                // Nothing comes after what has no value.
                continue;
            }
            piece = piece.text(" OR (");
            for ((field, _), value) in pairs.iter().take(index) {
                piece = piece.piece(self.equal(field, value)).text(" AND ");
            }
            let sign = match turn {
                Turn::Least => " > ",
                Turn::Greatest => " < ",
            };
            piece = piece.text("(").text(&column).text(sign);
            piece = piece.value((*value).clone(), Some(field.clone()));
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
                .value(value.clone(), Some(field.to_owned())),
        }
    }
}

/// Every word must be in one of the texts.
fn words(scope: &TableScope, shape: &Shape, given: Option<&Value>) -> Result<Vec<Piece>, Failure> {
    let Some(text) = given.and_then(Value::as_str) else {
        return Ok(Vec::new());
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() > MOST_WORDS {
        let told = format!("`text`: at most {MOST_WORDS} words");
        return Err(Failure::invalid(told));
    }
    let is_text = |name: &&String| match scope.mask.get(*name) {
        Some(mask) => Mask::is_text(*mask),
        None => shape
            .column(name)
            .is_some_and(|column| matches!(column.affinity, Affinity::Text | Affinity::None)),
    };
    let texts: Vec<&String> = scope.fields.iter().filter(is_text).collect();
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

fn order(scope: &TableScope, given: Option<&Value>) -> Result<Vec<(String, Turn)>, Failure> {
    let mut order: Vec<(String, Turn)> = Vec::new();
    let asked = given.and_then(Value::as_array).map(Vec::as_slice);
    for (index, one) in asked.unwrap_or_default().iter().enumerate() {
        let at = format!("order[{index}].field");
        let field = filter::field(scope, one, &at)?;
        if order.iter().any(|(name, _)| name == field) {
            return Err(Failure::invalid(format!("`{at}`: it stands there twice")));
        }
        let descending = one.get("descending").and_then(Value::as_bool);
        let turn = if descending == Some(true) {
            Turn::Greatest
        } else {
            Turn::Least
        };
        order.push((field.clone(), turn));
    }
    if order.len() > MOST_ORDERED {
        let told = format!("`order`: at most {MOST_ORDERED} fields");
        return Err(Failure::invalid(told));
    }
    for name in &scope.key {
        if !order.iter().any(|(ordered, _)| ordered == name) {
            order.push((name.clone(), Turn::Least));
        }
    }
    Ok(order)
}
