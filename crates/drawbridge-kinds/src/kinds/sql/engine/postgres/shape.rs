//! A table as PostgreSQL's catalogs describe it.

use drawbridge_core::answer::Failure;

use super::super::{
    super::{
        cell::Cell,
        freshness::Clock,
        link::Link,
        part::TableScope,
        shape::{
            Cascades, Column, Fires, Index, Shape, Sort, Unfit, indexes_of, integer_at, misfit,
            no_table, text_at, unfit,
        },
        statement::Statement,
    },
    values::default_of,
};

/// A replica that was started anew, and has replayed nothing since.
const UNKNOWN: &str =
    "see whether it still follows its primary: `SELECT * FROM pg_stat_wal_receiver`";

/// The table of this scope; of one that does not fit it is told why.
pub(super) async fn examine(
    link: &mut dyn Link,
    table: &TableScope,
) -> Result<Result<Shape, Unfit>, Failure> {
    let place = table.place.clone();
    let found = Statement::new(
        "SELECT c.oid::int8, c.relkind::text, c.relpersistence::text, \
         c.relkind = 'r' AND EXISTS (SELECT 1 FROM pg_inherits AS i WHERE i.inhparent = c.oid), \
         CASE WHEN pg_is_in_recovery() THEN to_char(CASE \
         WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() \
         AND EXISTS (SELECT 1 FROM pg_stat_wal_receiver) THEN clock_timestamp() \
         ELSE pg_last_xact_replay_timestamp() END AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') END, \
         pg_is_in_recovery() FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = ",
    )
    .value(&Cell::text(&place.schema))
    .words(" AND c.relname = ")
    .value(&Cell::text(&place.name))
    .of_catalog(link)
    .await?;
    let Some(row) = found.first() else {
        return Ok(Err(no_table(&table.name)));
    };
    let plain = ["r", "p"].contains(&text_at(Some(row), 1).as_str());
    let temporary = text_at(Some(row), 2) == "t";
    if !plain || temporary || integer_at(Some(row), 3) != 0 {
        let reason = format!(
            "`{}` is a view, or a foreign, temporary or inherited table",
            table.name
        );
        return Ok(Err(unfit(&reason, "only ordinary tables can be reached")));
    }
    let oid = Cell::Integer(integer_at(Some(row), 0));
    let columns = columns(link, &oid).await?;
    let indexes = indexes(link, &oid).await?;
    if let Some(unfit) = misfit(table, &columns, &indexes) {
        return Ok(Err(unfit));
    }
    let mut shape = Shape::new(place, columns);
    // A replica shows what its primary was at that time; one that is connected to it, and has all it
    // was sent, shows it now.
    if integer_at(Some(row), 5) != 0 {
        let shown = text_at(Some(row), 4).parse();
        shape.clock = shown.map_or(Clock::Unknown(UNKNOWN), Clock::Of);
    }
    // What happens together with a change matters where something can be changed.
    if !table.writable.is_empty() {
        (shape.triggers, shape.uncounted) = triggers(link, &oid).await?;
        shape.cascades = cascades(link, &oid).await?;
    }
    Ok(Ok(shape))
}

async fn columns(link: &mut dyn Link, oid: &Cell) -> Result<Vec<Column>, Failure> {
    let rows = Statement::new(
        "SELECT a.attname, b.typname, b.typnamespace = 'pg_catalog'::regnamespace, \
         format_type(a.atttypid, a.atttypmod), \
         CASE WHEN b.typnamespace = 'pg_catalog'::regnamespace THEN format_type(b.oid, -1) \
              ELSE b.typnamespace::regnamespace::text || '.' || quote_ident(b.typname) END, \
         CASE WHEN greatest(a.atttypmod, t.typtypmod) >= 0 \
              THEN format_type(b.oid, greatest(a.atttypmod, t.typtypmod)) END, a.attnotnull OR t.typnotnull, \
         a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL, \
         pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '', \
         EXISTS (SELECT 1 FROM pg_index AS i WHERE i.indrelid = a.attrelid AND i.indisprimary \
                 AND a.attnum = ANY (i.indkey)) \
         FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid \
         JOIN pg_type AS b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END \
         LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ",
    )
    .value(oid)
    .words(" ORDER BY a.attnum")
    .of_catalog(link)
    .await?;
    Ok(rows.iter().map(column).collect())
}

fn column(row: &Vec<Cell>) -> Column {
    let at = |index| text_at(Some(row), index);
    let is = |index| integer_at(Some(row), index) != 0;
    let (sort, as_text) = match (is(2), at(1).as_str()) {
        (true, "bool") => (Sort::Bool, false),
        (true, "int2") => (integer(i16::MIN.into(), i16::MAX.into()), false),
        (true, "int4") => (integer(i32::MIN.into(), i32::MAX.into()), false),
        (true, "int8") => (integer(i64::MIN, i64::MAX), false),
        (true, "float8") => (Sort::Real, false),
        (true, "float4" | "numeric") => (Sort::Number, true),
        (true, "text" | "varchar" | "bpchar") => (Sort::Text, false),
        (true, "bytea") => (Sort::Bytes, false),
        (true, "json" | "jsonb") => (Sort::Json, true),
        _ => (Sort::Other, true),
    };
    let generated = is(9);
    let default = row
        .get(8)
        .filter(|cell| **cell != Cell::Null && !generated)
        .and_then(|_| default_of(sort, &at(8)));
    Column {
        as_text,
        cast: Some(at(4)),
        limits: Some(at(5)).filter(|limits| !limits.is_empty()),
        not_null: is(6),
        has_default: is(7),
        default,
        generated,
        primary: is(10),
        ..Column::new(at(0), at(3), sort)
    }
}

fn integer(least: i64, most: i64) -> Sort {
    Sort::Integer { least, most }
}

async fn indexes(link: &mut dyn Link, oid: &Cell) -> Result<Vec<Index>, Failure> {
    let rows = Statement::new(
        "SELECT i.indexrelid::text, i.indisprimary, a.attname FROM pg_index AS i \
         CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place) \
         JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
         WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL \
         AND k.place <= i.indnkeyatts AND i.indrelid = ",
    )
    .value(oid)
    .words(" ORDER BY i.indexrelid, k.place")
    .of_catalog(link)
    .await?;
    Ok(indexes_of(&rows))
}

/// Triggers and rewrite rules of the table and of its partitions, and when they run. What they do
/// besides changing rows nobody counts.
async fn triggers(link: &mut dyn Link, oid: &Cell) -> Result<(Vec<String>, Fires), Failure> {
    let rows = Statement::new(
        "SELECT tgname, (tgtype & 4) <> 0, (tgtype & 16) <> 0, (tgtype & 8) <> 0 FROM pg_trigger \
         WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgrelid IN (SELECT ",
    )
    .value(oid)
    .words("::oid UNION SELECT relid FROM pg_partition_tree(")
    .value(oid)
    .words(
        "::oid)) UNION ALL SELECT rulename, ev_type = '3', ev_type = '2', ev_type = '4' \
         FROM pg_rewrite WHERE ev_enabled IN ('O', 'A') AND ev_class = ",
    )
    .value(oid)
    .words(" ORDER BY 1")
    .of_catalog(link)
    .await?;
    let any = |index| rows.iter().any(|row| integer_at(Some(row), index) != 0);
    let fires = Fires {
        on_insert: any(1),
        on_update: any(2),
        on_delete: any(3),
    };
    let mut names: Vec<String> = rows.iter().map(|row| text_at(Some(row), 0)).collect();
    names.dedup();
    Ok((names, fires))
}

async fn cascades(link: &mut dyn Link, oid: &Cell) -> Result<Cascades, Failure> {
    let rows = Statement::new(
        "SELECT c.confdeltype IN ('c', 'n', 'd'), c.confupdtype IN ('c', 'n', 'd'), a.attname \
         FROM pg_constraint AS c JOIN pg_attribute AS a \
         ON a.attrelid = c.confrelid AND a.attnum = ANY (c.confkey) \
         WHERE c.contype = 'f' AND c.confrelid = ",
    )
    .value(oid)
    .of_catalog(link)
    .await?;
    let updates = rows.iter().filter(|row| integer_at(Some(row), 1) != 0);
    Ok(Cascades {
        counted: true,
        on_delete: rows.iter().any(|row| integer_at(Some(row), 0) != 0),
        on_update: updates.map(|row| text_at(Some(row), 2)).collect(),
    })
}
