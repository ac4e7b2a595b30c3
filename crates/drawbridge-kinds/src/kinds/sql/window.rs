//! A table behind its window: what of it its caller may see, as SQL. Every read goes through it, so
//! that hidden rows and columns are as though they did not exist.

use std::{collections::BTreeMap, fmt::Write};

use drawbridge_core::{
    answer::{Failure, Status},
    call::Caller,
};

use super::{
    cell::Cell,
    dialect::Dialect,
    part::{Condition, Mask, Operand, TableScope},
};

/// What a rule knows of a caller: values by `person.id`, `person.ATTRIBUTE` and `client`.
pub(super) type Given = BTreeMap<String, String>;

/// What tells people apart is called so in the window of a table of which only groups are told. No name
/// that a caller writes has brackets.
pub(super) const PERSON: &str = "(person)";

/// A piece of a statement: words of this program and names, and values, which are bound.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Piece(pub(super) Vec<Segment>);

/// A part of a piece.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Segment {
    Text(String),
    /// A value, and what it is compared with: an engine that wants types takes that column's.
    Value(Cell, Option<Beside>),
}

/// A column of a table of the scope.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Beside {
    pub(super) table: String,
    pub(super) column: String,
}

impl Piece {
    pub(super) fn text(mut self, text: &str) -> Self {
        match self.0.last_mut() {
            Some(Segment::Text(last)) => last.push_str(text),
            Some(Segment::Value(..)) | None => self.0.push(Segment::Text(text.to_owned())),
        }
        self
    }

    pub(super) fn value(mut self, cell: Cell, beside: Option<Beside>) -> Self {
        self.0.push(Segment::Value(cell, beside));
        self
    }

    pub(super) fn piece(self, other: Self) -> Self {
        other
            .0
            .into_iter()
            .fold(self, |piece, segment| match segment {
                Segment::Text(text) => piece.text(&text),
                Segment::Value(cell, beside) => piece.value(cell, beside),
            })
    }
}

impl TableScope {
    /// The table as this caller may see it.
    pub(super) fn for_caller(&self, caller: &Caller) -> Self {
        let mut all: Given = BTreeMap::new();
        for (name, value) in &caller.person.attributes {
            all.insert(format!("person.{name}"), value.clone());
        }
        all.insert("person.id".to_owned(), caller.person.id.clone());
        all.insert("client".to_owned(), caller.client.to_string());
        let asked = self.rows.as_ref().map(Condition::asks).unwrap_or_default();
        all.retain(|name, _| asked.contains(name.as_str()));
        self.with_given(all)
    }

    /// A column of the table, beside which a value stands.
    pub(super) fn beside(&self, column: &str) -> Beside {
        Beside {
            table: self.name.clone(),
            column: column.to_owned(),
        }
    }

    /// The same, where values are compared with what is shown of it: behind a mask it has no type.
    pub(super) fn beside_shown(&self, column: &str) -> Option<Beside> {
        (!self.mask.contains_key(column)).then(|| self.beside(column))
    }

    /// The fields that are shown as they are.
    pub(super) fn plain_fields(&self) -> impl Iterator<Item = &String> {
        self.fields
            .iter()
            .filter(|name| !self.mask.contains_key(*name))
    }

    /// `SELECT` of the visible fields and rows; in brackets it is a table.
    pub(super) fn window(&self) -> Piece {
        let dialect = self.dialect;
        let mut piece = Piece::default().text("SELECT ");
        for (index, field) in self.fields.iter().enumerate() {
            let name = dialect.quoted(field);
            let column = format!("t.{name}");
            piece = piece.text(if index > 0 { ", " } else { "" });
            piece = match self.mask.get(field) {
                None => piece.text(&column),
                Some(mask) => piece.piece(masked(dialect, *mask, &column, self.hash_key.expose())),
            };
            piece = piece.text(" AS ").text(&name);
        }
        if let Some(group) = &self.group {
            let person = dialect.quoted(&group.person);
            piece = piece.text(&format!(", t.{person} AS {}", dialect.quoted(PERSON)));
        }
        piece = piece
            .text(" FROM ")
            .text(&dialect.table(&self.place))
            .text(" AS t");
        match self.rule() {
            None => piece,
            Some(rule) => piece.text(" WHERE ").piece(rule),
        }
    }

    /// What is true of every row that may be seen, of the table called `t`; none where all may.
    pub(super) fn rule(&self) -> Option<Piece> {
        let condition = self.rows.as_ref()?;
        let known = |name: &&str| self.given.contains_key(*name);
        if !condition.asks().iter().all(known) {
            // Somebody of whom this is not known sees no row, whatever the rest of the rule says.
            return Some(Piece::default().text("1 = 0"));
        }
        Some(Writer(self).condition(Piece::default(), condition))
    }
}

/// The failure of an effect that would leave a row outside what its caller may see.
pub(super) fn outside() -> Failure {
    let told = "the row would be outside what you may use, so nothing is changed";
    Failure::new(Status::Denied, told)
}

/// What is shown of a masked column.
fn masked(dialect: Dialect, mask: Mask, column: &str, key: &str) -> Piece {
    let text = dialect.as_text(column);
    match mask {
        Mask::Full => Piece::default().text("'***'"),
        Mask::Partial => Piece::default().text(&partial(dialect, &text)),
        Mask::Year => Piece::default().text(&year(dialect, &text)),
        Mask::Hash => hash(dialect, &text, key),
    }
}

fn partial(dialect: Dialect, text: &str) -> String {
    let at = dialect.place("'@'", text);
    let first = format!("substr({text}, 1, 1)");
    let domain = format!("substr({text}, {at})");
    let length = match dialect {
        Dialect::Sqlite | Dialect::Postgres => format!("length({text})"),
        Dialect::MariaDb => format!("char_length({text})"),
    };
    let last = format!("substr({text}, {length} - 1)");
    let address = dialect.joined(&[&first, "'***'", &domain]);
    let end = dialect.joined(&["'***'", &last]);
    format!(
        "CASE WHEN {text} IS NULL THEN NULL WHEN {at} > 1 THEN {address} \
         WHEN {length} >= 8 THEN {end} ELSE '***' END"
    )
}

fn year(dialect: Dialect, text: &str) -> String {
    let (is_date, number) = match dialect {
        Dialect::Sqlite => (
            format!("({text} GLOB '[0-9][0-9][0-9][0-9]-*' OR {text} GLOB '[0-9][0-9][0-9][0-9]')"),
            "INTEGER",
        ),
        Dialect::Postgres => (format!("{text} ~ '^[0-9]{{4}}(-|$)'"), "INTEGER"),
        Dialect::MariaDb => (format!("{text} REGEXP '^[0-9]{{4}}(-|$)'"), "SIGNED"),
    };
    format!("CASE WHEN {is_date} THEN CAST(substr({text}, 1, 4) AS {number}) END")
}

/// SHA-256 over a key and SHA-256 over the key and the value, in hexadecimal digits.
fn hash(dialect: Dialect, text: &str, key: &str) -> Piece {
    let key = Cell::text(key);
    let with_key = |piece: Piece| piece.value(key.clone(), None);
    match dialect {
        // The file check refuses it: SQLite has no hash function.
        Dialect::Sqlite => Piece::default().text("'***'"),
        Dialect::Postgres => {
            let piece = Piece::default().text("encode(sha256(convert_to(CAST(");
            let piece = with_key(piece).text(" AS TEXT) || encode(sha256(convert_to(CAST(");
            with_key(piece).text(&format!(
                " AS TEXT) || {text}, 'UTF8')), 'hex'), 'UTF8')), 'hex')"
            ))
        }
        Dialect::MariaDb => {
            let piece = with_key(Piece::default().text("sha2(concat("));
            let piece = with_key(piece.text(", sha2(concat("));
            piece.text(&format!(", {text}), 256)), 256)"))
        }
    }
}

/// Writes the condition of a table.
struct Writer<'a>(&'a TableScope);

impl Writer<'_> {
    fn condition(&self, piece: Piece, condition: &Condition) -> Piece {
        match condition {
            Condition::All(all) => self.several(piece, all, " AND "),
            Condition::Any(all) => self.several(piece, all, " OR "),
            Condition::Not(one) => self.condition(piece.text("(NOT "), one).text(")"),
            Condition::Compare(left, comparison, right) => {
                let piece = self.operand(piece.text("("), left, right);
                let piece = piece.text(" ").text(comparison).text(" ");
                self.operand(piece, right, left).text(")")
            }
            Condition::Like(left, right) => {
                let piece = self.operand(piece.text("("), left, right).text(" LIKE ");
                self.operand(piece, right, left).text(")")
            }
            Condition::In(left, list) => {
                let beside = list.first().unwrap_or(left);
                let mut piece = self.operand(piece.text("("), left, beside).text(" IN (");
                for (index, one) in list.iter().enumerate() {
                    piece = piece.text(if index > 0 { ", " } else { "" });
                    piece = self.operand(piece, one, left);
                }
                piece.text("))")
            }
            Condition::Between(one, low, high) => {
                let piece = self.operand(piece.text("("), one, low).text(" BETWEEN ");
                let piece = self.operand(piece, low, one).text(" AND ");
                self.operand(piece, high, one).text(")")
            }
            Condition::IsNull(one) => {
                let piece = self.operand(piece.text("("), one, one);
                piece.text(" IS NULL)")
            }
        }
    }

    fn several(&self, piece: Piece, all: &[Condition], word: &str) -> Piece {
        let mut piece = piece.text("(");
        for (index, one) in all.iter().enumerate() {
            piece = piece.text(if index > 0 { word } else { "" });
            piece = self.condition(piece, one);
        }
        piece.text(")")
    }

    /// An operand that stands beside another.
    fn operand(&self, piece: Piece, operand: &Operand, beside: &Operand) -> Piece {
        match operand {
            // With its table: bare, SQLite takes the name of a column that is not there for a text.
            Operand::Column(name) => piece.text("t.").text(&self.0.dialect.quoted(name)),
            Operand::Text(text) => piece.text(&self.0.dialect.text(text)),
            Operand::Number(digits) => piece.text(digits),
            Operand::Bool(yes) => {
                let mut word = String::new();
                let _ = write!(word, "{yes}");
                piece.text(&word.to_ascii_uppercase())
            }
            Operand::Given(name) => {
                let value = self.0.given.get(name);
                let cell = value.map_or(Cell::Null, |value| Cell::text(value));
                let beside = match beside {
                    Operand::Column(name) => Some(self.0.beside(name)),
                    Operand::Text(_)
                    | Operand::Number(_)
                    | Operand::Bool(_)
                    | Operand::Given(_) => None,
                };
                piece.value(cell, beside)
            }
        }
    }
}

#[cfg(test)]
mod tests;
