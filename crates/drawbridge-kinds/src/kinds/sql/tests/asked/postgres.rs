//! The rewritten text of PostgreSQL's dialect, run on a real server.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::{
    super::{
        super::{cell::Cell, query::Rewritten, window::Segment},
        Bench,
    },
    Dialect, attempts, rewrite, scope, seeds, tables,
};

/// A database of its own on the server that the tests' environment names.
struct Server {
    url: String,
    name: String,
}

impl Server {
    async fn with(name: &str, schema: &str) -> Option<(Self, PgConnection)> {
        let url = std::env::var("DRAWBRIDGE_TEST_POSTGRES").ok()?;
        let mut admin = PgConnection::connect(&url).await.unwrap();
        let name = format!("views_{name}_{}", std::process::id());
        let create = format!("CREATE DATABASE {name}");
        sqlx::raw_sql(AssertSqlSafe(create))
            .execute(&mut admin)
            .await
            .unwrap();
        let own = format!("{}/{name}", url.rsplit_once('/').unwrap().0);
        let mut connection = PgConnection::connect(&own).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(schema.to_owned()))
            .execute(&mut connection)
            .await
            .unwrap();
        Some((Self { url, name }, connection))
    }

    async fn drop(self, connection: PgConnection) {
        connection.close().await.unwrap();
        let mut admin = PgConnection::connect(&self.url).await.unwrap();
        let drop = format!("DROP DATABASE {}", self.name);
        sqlx::raw_sql(AssertSqlSafe(drop))
            .execute(&mut admin)
            .await
            .unwrap();
    }
}

/// The rows as JSON, or that the server refuses.
async fn run(connection: &mut PgConnection, rewritten: &Rewritten) -> Result<Vec<String>, String> {
    let mut text = "SELECT row_to_json(q)::text FROM (".to_owned();
    let mut values = Vec::new();
    for segment in &rewritten.piece.0 {
        match segment {
            Segment::Text(part) => text.push_str(part),
            Segment::Value(Cell::Text(bytes), _) => {
                values.push(String::from_utf8(bytes.clone()).unwrap());
                text.push_str(&format!("${}", values.len()));
            }
            Segment::Value(cell, _) => panic!("{cell:?}"),
        }
    }
    text.push_str(") AS q");
    let mut reading = connection.begin().await.unwrap();
    sqlx::raw_sql("SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '5s'")
        .execute(&mut *reading)
        .await
        .unwrap();
    let mut query = sqlx::query(AssertSqlSafe(text));
    for value in values {
        query = query.bind(value);
    }
    let rows = query.fetch_all(&mut *reading).await;
    reading.rollback().await.unwrap();
    let rows = rows.map_err(|error| match &error {
        sqlx::Error::Database(error) => error.code().unwrap_or_default().into_owned(),
        other => other.to_string(),
    })?;
    Ok(rows.iter().map(|row| row.get::<String, _>(0)).collect())
}

#[tokio::test]
async fn what_is_let_through_learns_nothing_on_postgresql_either() {
    let [full_seed, bare_seed] = seeds();
    let Some((one, mut full)) = Server::with("full", &full_seed).await else {
        return;
    };
    let (other, mut bare) = Server::with("bare", &bare_seed).await.unwrap();
    let bench = Bench::with(&full_seed, scope(), true).await;
    let seen = tables(&bench, Dialect::Postgres);
    let (mut tried, mut ran, mut answered) = (0, 0, 0);
    for (_, dialects, text) in attempts() {
        if !dialects.contains('p') {
            continue;
        }
        tried += 1;
        let Ok(rewritten) = rewrite(Dialect::Postgres, &text, &seen) else {
            continue;
        };
        ran += 1;
        let work = async {
            let one = run(&mut full, &rewritten).await;
            (one, run(&mut bare, &rewritten).await)
        };
        let (one, other) = tokio::time::timeout(Duration::from_secs(30), work)
            .await
            .unwrap();
        assert_eq!(one, other, "{text}");
        answered += u32::from(one.is_ok());
        let told = format!("{one:?}").to_lowercase();
        assert!(
            !told.contains("canary") || text.contains("canary"),
            "{text}: {told}"
        );
        if let Err(code) = &one {
            // A table or function that is not there would be one that the rewriter let through.
            assert!(
                !["42P01", "42883", "25006"].contains(&code.as_str()) || is_typed(&text),
                "{text}: {code}"
            );
        }
    }
    assert!(tried >= 600, "{tried} attempts");
    println!("PostgreSQL: {tried} attempts, {ran} let through, {answered} answered");
    one.drop(full).await;
    other.drop(bare).await;
}

/// Functions and operators that are there for other types only.
fn is_typed(text: &str) -> bool {
    !text.contains("vault") && !text.contains("pg_")
}

/// The masks show on PostgreSQL what they show on SQLite.
#[tokio::test]
async fn masks_and_rules_are_the_same_on_postgresql() {
    let Some((server, mut connection)) = Server::with("masks", &seeds()[0]).await else {
        return;
    };
    let bench = Bench::with(&seeds()[0], scope(), true).await;
    let mut seen = tables(&bench, Dialect::Postgres);
    let question = "SELECT * FROM customers ORDER BY id";
    let rows = run(
        &mut connection,
        &rewrite(Dialect::Postgres, question, &seen).unwrap(),
    )
    .await;
    let wanted = [
        r#"{"id":1,"name":"Ann","email":"c***@x.example","born":1980,"phone":"***","rank":3}"#,
        r#"{"id":3,"name":"Bo","email":"b***@y.example","born":1990,"phone":"***","rank":1}"#,
        r#"{"id":5,"name":"Ann","email":null,"born":null,"phone":"***","rank":2}"#,
    ];
    assert_eq!(rows.unwrap(), wanted);
    for scope in &mut seen {
        scope
            .mask
            .insert("name".to_owned(), super::super::super::part::Mask::Hash);
    }
    let question = "SELECT count(DISTINCT name) AS n, min(length(name)) AS l FROM customers";
    let rows = run(
        &mut connection,
        &rewrite(Dialect::Postgres, question, &seen).unwrap(),
    )
    .await;
    assert_eq!(rows.unwrap(), [r#"{"n":2,"l":64}"#]);
    server.drop(connection).await;
}
