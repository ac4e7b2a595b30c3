//! A table as SQLite describes it.

use drawbridge_core::answer::Failure;

use super::{
    super::super::{
        cell::Cell,
        freshness::Clock,
        link::Link,
        part::TableScope,
        shape::{
            Affinity, Cascades, Column, Fires, Index, Shape, Sort, Unfit, indexes_of, integer_at,
            misfit, no_table, text, text_at, unfit,
        },
        statement::Statement,
    },
    values::default_of,
};

/// The table of this scope; of one that does not fit it is told why.
pub(super) async fn examine(
    connection: &mut dyn Link,
    table: &TableScope,
) -> Result<Result<Shape, Unfit>, Failure> {
    let encoding = Statement::new("PRAGMA encoding").rows(connection).await?;
    if text_at(encoding.first(), 0) != "UTF-8" {
        return Ok(Err(unfit(
            "the database keeps its texts as UTF-16",
            "only databases with UTF-8 can be reached: make it anew with `PRAGMA encoding`",
        )));
    }
    let name = Cell::text(&table.name);
    let sort = Statement::new(
        "SELECT type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ",
    )
    .value(&name)
    .rows(connection)
    .await?;
    match text_at(sort.first(), 0).as_str() {
        "table" => {}
        "" => {
            return Ok(Err(no_table(&table.name)));
        }
        other => {
            let reason = format!("`{}` is a {other} table, or a view", table.name);
            return Ok(Err(unfit(&reason, "only ordinary tables can be reached")));
        }
    }
    let without_rowid = integer_at(sort.first(), 1) != 0;
    let strict = integer_at(sort.first(), 2) != 0;
    let columns = columns(connection, &name, strict).await?;
    let indexes = indexes(connection, &name).await?;
    if let Some(unfit) = misfit(table, &columns, &indexes) {
        return Ok(Err(unfit));
    }
    let numbered = numbered(&columns, &indexes, without_rowid);
    let free = |word: &&str| {
        !columns
            .iter()
            .any(|column| column.name.eq_ignore_ascii_case(word))
    };
    let rowid = ["rowid", "_rowid_", "oid"].into_iter().find(free);
    Ok(Ok(Shape {
        place: table.place.clone(),
        rowid: rowid.filter(|_| !without_rowid && numbered.is_none()),
        numbered,
        triggers: triggers(connection, &name).await?,
        uncounted: Fires::default(),
        cascades: cascades(connection, &name).await?,
        clock: Clock::Live,
        ahead: 0,
        columns,
    }))
}

async fn columns(
    connection: &mut dyn Link,
    table: &Cell,
    strict: bool,
) -> Result<Vec<Column>, Failure> {
    let rows = Statement::new(
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(",
    )
    .value(table)
    .words(", 'main') ORDER BY cid")
    .rows(connection)
    .await?;
    let column = |row: &Vec<Cell>| {
        let declared = text_at(Some(row), 1).to_ascii_uppercase();
        let affinity = Affinity::of(&declared, strict);
        let default = row.get(3).filter(|cell| **cell != Cell::Null).map(text);
        Column {
            not_null: integer_at(Some(row), 2) != 0,
            has_default: default.is_some(),
            default: default.and_then(|text| default_of(affinity, &text)),
            primary: integer_at(Some(row), 4) != 0,
            generated: integer_at(Some(row), 5) != 0,
            ..Column::new(text_at(Some(row), 0), declared, Sort::Affine(affinity))
        }
    };
    Ok(rows.iter().map(column).collect())
}

async fn indexes(connection: &mut dyn Link, table: &Cell) -> Result<Vec<Index>, Failure> {
    let rows = Statement::new("SELECT l.name, l.origin = 'pk', i.name FROM pragma_index_list(")
        .value(table)
        .words(
            ", 'main') AS l, pragma_index_info(l.name, 'main') AS i \
         WHERE l.\"unique\" AND NOT l.partial ORDER BY l.seq, i.seqno",
        )
        .rows(connection)
        .await?;
    Ok(indexes_of(&rows))
}

/// The column that is the row's number: a primary key declared as `INTEGER` that needs no index.
fn numbered(columns: &[Column], indexes: &[Index], without_rowid: bool) -> Option<String> {
    let mut primary = columns.iter().filter(|column| column.primary);
    let (first, second) = (primary.next()?, primary.next());
    let own_index = indexes.iter().any(|index| index.primary);
    let is = second.is_none() && first.declared == "INTEGER" && !without_rowid && !own_index;
    is.then(|| first.name.clone())
}

async fn triggers(connection: &mut dyn Link, table: &Cell) -> Result<Vec<String>, Failure> {
    let rows = Statement::new(
        "SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name COLLATE NOCASE = ",
    )
    .value(table)
    .words(" ORDER BY name")
    .rows(connection)
    .await?;
    Ok(rows.iter().map(|row| text_at(Some(row), 0)).collect())
}

async fn cascades(connection: &mut dyn Link, table: &Cell) -> Result<Cascades, Failure> {
    let rows = Statement::new(
        "SELECT f.on_delete, f.on_update, f.\"to\" FROM main.sqlite_schema AS m, \
         pragma_foreign_key_list(m.name, 'main') AS f \
         WHERE m.type = 'table' AND f.\"table\" COLLATE NOCASE = ",
    )
    .value(table)
    .rows(connection)
    .await?;
    let spreads = |row: &[Cell], at| {
        let action = row.get(at).map(text).unwrap_or_default();
        ["CASCADE", "SET NULL", "SET DEFAULT"].contains(&action.as_str())
    };
    let on_update = rows.iter().filter(|row| spreads(row, 1));
    Ok(Cascades {
        counted: true,
        on_delete: rows.iter().any(|row| spreads(row, 0)),
        on_update: on_update.map(|row| text_at(Some(row), 2)).collect(),
    })
}

impl Affinity {
    fn of(declared: &str, strict: bool) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
        match () {
            () if has(&["INT"]) => Self::Integer,
            () if has(&["CHAR", "CLOB", "TEXT"]) => Self::Text,
            () if has(&["BLOB"]) || declared.is_empty() => Self::None,
            () if strict && declared == "ANY" => Self::None,
            () if has(&["REAL", "FLOA", "DOUB"]) => Self::Real,
            () => Self::Numeric,
        }
    }
}
