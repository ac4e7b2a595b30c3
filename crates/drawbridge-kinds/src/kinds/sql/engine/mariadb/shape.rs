//! A table as the information schema of MariaDB and MySQL describes it.

use drawbridge_core::answer::Failure;

use super::{
    super::{
        super::{
            cell::Cell,
            link::Link,
            part::TableScope,
            shape::{
                Cascades, Column, Fires, Index, Place, Shape, Sort, Unfit, indexes_of, integer_at,
                misfit, no_table, text_at, unfit,
            },
            statement::Statement,
        },
        values::default_of,
    },
    replica::{self, Replica},
    typed::UNSIGNED,
};

/// The table of this scope; of one that does not fit it is told why.
pub(super) async fn examine(
    link: &mut dyn Link,
    (table, replica): (&TableScope, &Replica),
) -> Result<Result<Shape, Unfit>, Failure> {
    let place = table.place.clone();
    let found = Statement::new(
        "SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE ",
    );
    let found = of(found, "TABLE_SCHEMA", "TABLE_NAME", &place);
    let found = found.rows(link).await?;
    // The server may compare names without their case.
    let exact = |row: &&Vec<Cell>| text_at(Some(row), 0) == place.name;
    let Some(row) = found.iter().find(exact) else {
        return Ok(Err(no_table(&table.name)));
    };
    if text_at(Some(row), 1) != "BASE TABLE" {
        let reason = format!("`{}` is a view, or a table of another sort", table.name);
        return Ok(Err(unfit(&reason, "only ordinary tables can be reached")));
    }
    let engine = text_at(Some(row), 2);
    if engine != "InnoDB" {
        let reason = format!(
            "`{}` is kept by {engine}, which cannot take changes back",
            table.name
        );
        let mend = "convert it: `ALTER TABLE … ENGINE = InnoDB`";
        return Ok(Err(unfit(&reason, mend)));
    }
    let (columns, numbered) = columns(link, &place).await?;
    let indexes = indexes(link, &place).await?;
    if let Some(unfit) = misfit(table, &columns, &indexes) {
        return Ok(Err(unfit));
    }
    let mut shape = Shape::new(place, columns);
    shape.numbered = numbered;
    shape.clock = replica.clock(link).await?;
    let changed = table.changed.as_ref().map(|changed| &changed.column);
    let column = changed.and_then(|name| shape.column(name));
    if column.is_some_and(|column| column.declared.starts_with("timestamp")) {
        shape.ahead = replica::ahead(link).await?;
    }
    // What happens together with a change matters where something can be changed.
    if !table.writable.is_empty() {
        (shape.triggers, shape.uncounted) = triggers(link, &shape.place).await?;
        shape.cascades = cascades(link, &shape.place).await?;
    }
    Ok(Ok(shape))
}

/// Only rows that are about this table.
fn of(statement: Statement, schema: &str, name: &str, place: &Place) -> Statement {
    statement
        .name(schema)
        .words(" = ")
        .value(&Cell::text(&place.schema))
        .words(" AND ")
        .name(name)
        .words(" = ")
        .value(&Cell::text(&place.name))
}

async fn columns(
    link: &mut dyn Link,
    place: &Place,
) -> Result<(Vec<Column>, Option<String>), Failure> {
    let select = Statement::new(
        "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE = 'NO', COLUMN_DEFAULT, EXTRA, \
         COLUMN_KEY = 'PRI', CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, \
         DATETIME_PRECISION FROM information_schema.COLUMNS WHERE ",
    );
    let rows = of(select, "TABLE_SCHEMA", "TABLE_NAME", place)
        .words(" ORDER BY ORDINAL_POSITION")
        .rows(link)
        .await?;
    let numbers = |row: &&Vec<Cell>| text_at(Some(row), 5).contains("auto_increment");
    let numbered = rows.iter().find(numbers).map(|row| text_at(Some(row), 0));
    Ok((rows.iter().map(column).collect(), numbered))
}

fn column(row: &Vec<Cell>) -> Column {
    let at = |index| text_at(Some(row), index);
    let declared = at(2);
    let form = Form::of(&at(1), &declared, row);
    let extra = at(5).to_ascii_uppercase();
    let generated = ["VIRTUAL GENERATED", "STORED GENERATED", "PERSISTENT"]
        .iter()
        .any(|word| extra.contains(word));
    // MariaDB writes a default that is null as a word, MySQL leaves it out.
    let default = row.get(4).filter(|cell| **cell != Cell::Null);
    let default = default.map(|_| at(4)).filter(|text| text != "NULL");
    Column {
        as_text: form.as_text,
        cast: form.cast,
        limits: form.limits,
        not_null: integer_at(Some(row), 3) != 0,
        has_default: default.is_some() || extra.contains("DEFAULT_GENERATED"),
        default: default.and_then(|text| default_of(form.sort, &text)),
        generated,
        touched: extra.contains("ON UPDATE"),
        primary: integer_at(Some(row), 6) != 0,
        ..Column::new(at(0), declared, form.sort)
    }
}

/// How the values of a type are read and written.
struct Form {
    sort: Sort,
    as_text: bool,
    cast: Option<String>,
    limits: Option<String>,
}

impl Form {
    fn plain(sort: Sort) -> Self {
        Self {
            sort,
            as_text: false,
            cast: None,
            limits: None,
        }
    }

    fn text(sort: Sort, limits: Option<String>) -> Self {
        Self {
            as_text: true,
            limits,
            ..Self::plain(sort)
        }
    }

    /// Whole numbers of so many bits.
    fn whole(bits: u32, unsigned: bool) -> Self {
        let (least, most) = match (bits, unsigned) {
            (64, _) => (i64::MIN, i64::MAX),
            (_, true) => (0, (1_i64 << bits) - 1),
            (_, false) => (-(1_i64 << (bits - 1)), (1_i64 << (bits - 1)) - 1),
        };
        Self::plain(Sort::Integer { least, most })
    }

    fn of(data_type: &str, declared: &str, row: &Vec<Cell>) -> Self {
        let number = |index| integer_at(Some(row), index);
        let unsigned = declared.contains("unsigned");
        let precise = |name: &str| Some(format!("{name}({})", number(10)));
        match data_type {
            "tinyint" => Self::whole(8, unsigned),
            "smallint" => Self::whole(16, unsigned),
            "mediumint" => Self::whole(24, unsigned),
            "int" => Self::whole(32, unsigned),
            "bigint" if !unsigned => Self::whole(64, unsigned),
            "bigint" => Self {
                cast: Some(UNSIGNED.to_owned()),
                ..Self::text(Sort::Number, Some("DECIMAL(20, 0)".to_owned()))
            },
            "year" => Self::plain(Sort::Integer {
                least: 1901,
                most: 2155,
            }),
            "decimal" => {
                let exact = format!("DECIMAL({}, {})", number(8), number(9));
                Self {
                    cast: Some(exact.clone()),
                    ..Self::text(Sort::Number, Some(exact))
                }
            }
            "float" => Self::plain(Sort::Single),
            "double" => Self::plain(Sort::Real),
            "char" => Self {
                limits: Some(format!("char {}", number(7))),
                ..Self::plain(Sort::Text)
            },
            "varchar" => Self {
                limits: Some(number(7).to_string()),
                ..Self::plain(Sort::Text)
            },
            "enum" | "set" => Self {
                limits: Some(declared.to_owned()),
                ..Self::plain(Sort::Text)
            },
            "tinytext" | "text" | "mediumtext" | "longtext" => Self::plain(Sort::Text),
            "date" => Self::text(Sort::Other, Some("DATE".to_owned())),
            "datetime" | "timestamp" => Self::text(Sort::Other, precise("DATETIME")),
            "time" => Self::text(Sort::Other, precise("TIME")),
            "uuid" | "inet4" | "inet6" => {
                Self::text(Sort::Other, Some(data_type.to_ascii_uppercase()))
            }
            "json" => Self::text(Sort::Json, None),
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "bit"
            | "geometry" | "point" | "linestring" | "polygon" | "multipoint"
            | "multilinestring" | "multipolygon" | "geometrycollection" => Self::plain(Sort::Bytes),
            _ => Self::text(Sort::Other, None),
        }
    }
}

async fn indexes(link: &mut dyn Link, place: &Place) -> Result<Vec<Index>, Failure> {
    let select = Statement::new(
        "SELECT INDEX_NAME, INDEX_NAME = 'PRIMARY', COLUMN_NAME, SUB_PART \
         FROM information_schema.STATISTICS WHERE NON_UNIQUE = 0 AND ",
    );
    let mut rows = of(select, "TABLE_SCHEMA", "TABLE_NAME", place)
        .words(" ORDER BY INDEX_NAME, SEQ_IN_INDEX")
        .rows(link)
        .await?;
    // One over the beginnings of texts, or over expressions, says nothing of the columns.
    let partial: Vec<String> = rows
        .iter()
        .filter(|row| row.get(3) != Some(&Cell::Null) || row.get(2) == Some(&Cell::Null))
        .map(|row| text_at(Some(row), 0))
        .collect();
    rows.retain(|row| !partial.contains(&text_at(Some(row), 0)));
    Ok(indexes_of(&rows))
}

/// The triggers that the account can see, and when they run.
async fn triggers(link: &mut dyn Link, place: &Place) -> Result<(Vec<String>, Fires), Failure> {
    let select = Statement::new(
        "SELECT TRIGGER_NAME, EVENT_MANIPULATION FROM information_schema.TRIGGERS WHERE ",
    );
    let rows = of(select, "EVENT_OBJECT_SCHEMA", "EVENT_OBJECT_TABLE", place)
        .words(" ORDER BY TRIGGER_NAME")
        .rows(link)
        .await?;
    let on = |event: &str| rows.iter().any(|row| text_at(Some(row), 1) == event);
    let fires = Fires {
        on_insert: on("INSERT"),
        on_update: on("UPDATE"),
        on_delete: on("DELETE"),
    };
    let names = rows.iter().map(|row| text_at(Some(row), 0));
    Ok((names.collect(), fires))
}

/// Foreign keys of the tables of the same database that the account can see: to look through all
/// databases takes long. What they do the server does not count.
async fn cascades(link: &mut dyn Link, place: &Place) -> Result<Cascades, Failure> {
    let select = Statement::new(
        "SELECT r.DELETE_RULE, r.UPDATE_RULE, k.REFERENCED_COLUMN_NAME \
         FROM information_schema.REFERENTIAL_CONSTRAINTS AS r \
         JOIN information_schema.KEY_COLUMN_USAGE AS k \
         ON k.CONSTRAINT_SCHEMA = r.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = r.CONSTRAINT_NAME \
         AND k.TABLE_NAME = r.TABLE_NAME WHERE r.CONSTRAINT_SCHEMA = ",
    );
    let schema = Cell::text(&place.schema);
    let rows = select
        .value(&schema)
        .words(" AND k.TABLE_SCHEMA = ")
        .value(&schema)
        .words(" AND k.REFERENCED_TABLE_SCHEMA = ")
        .value(&schema)
        .words(" AND k.REFERENCED_TABLE_NAME = ")
        .value(&Cell::text(&place.name))
        .rows(link)
        .await?;
    let spreads = |row: &Vec<Cell>, at| {
        ["CASCADE", "SET NULL", "SET DEFAULT"].contains(&text_at(Some(row), at).as_str())
    };
    let updates = rows.iter().filter(|row| spreads(row, 1));
    Ok(Cascades {
        counted: false,
        on_delete: rows.iter().any(|row| spreads(row, 0)),
        on_update: updates.map(|row| text_at(Some(row), 2)).collect(),
    })
}
