//! The shop that is asked about: tables of which much is hidden, and the same as a northerner may see
//! it, in words that owe nothing to the windows.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    super::{
        super::{Database, part::TableScope},
        Bench,
        engine::{Engine, Place},
        opened_at,
    },
    questions::Chance,
};

pub(super) struct Shop {
    pub(super) engine: Engine,
    /// As the gateway has it open, whose account may read everything.
    pub(super) database: Database,
    /// The same with an account that can read just the columns that windows are made of.
    pub(super) narrow: Option<Database>,
    /// What a northerner may see, and nothing else.
    pub(super) account: Database,
    /// The tables as a northerner sees them.
    pub(super) tables: Vec<TableScope>,
    _keep: (Bench, Option<Bench>),
}

const TABLES: &str = "
    CREATE TABLE customers (
        id INTEGER PRIMARY KEY, name TEXT, region TEXT, email TEXT, born TEXT, phone TEXT, tag TEXT,
        secret TEXT, rank INTEGER);
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY, customer_id INTEGER, amount INTEGER, placed TEXT, note TEXT, status TEXT,
        margin TEXT);
    CREATE TABLE items (
        id INTEGER PRIMARY KEY, order_id INTEGER, product TEXT, qty INTEGER, owner TEXT, cost INTEGER);
    CREATE TABLE vault (id INTEGER PRIMARY KEY, word TEXT);
    INSERT INTO vault VALUES (1, 'canary word'), (2, 'canary other');
";

fn scope(engine: Engine) -> Value {
    // SQLite has no hash function, and the file check refuses that mask.
    let tag = if engine == Engine::Sqlite {
        "full"
    } else {
        "hash"
    };
    json!({"label": "internal", "query": true, "tables": {
        "customers": {
            "key": "id", "fields": ["id", "name", "email", "born", "phone", "tag", "rank"],
            "mask": {"email": "partial", "born": "year", "phone": "full", "tag": tag},
            "rows": "region = :person.region",
        },
        "orders": {
            "key": "id", "fields": ["id", "customer_id", "amount", "placed", "note", "status"],
            "rows": "status <> 'canary' AND (amount < 60 OR note IS NULL) AND NOT (placed LIKE '2026-12%')",
        },
        "items": {
            "key": "id", "fields": ["id", "order_id", "product", "qty", "owner"],
            "rows": "qty BETWEEN 1 AND 6 OR owner = :person.id",
        },
    }})
}

fn rows() -> String {
    let mut chance = Chance(77);
    [
        TABLES.to_owned(),
        customers(&mut chance),
        orders(&mut chance),
        items(&mut chance),
    ]
    .concat()
}

fn quoted(value: &str) -> String {
    match value {
        "NULL" => value.to_owned(),
        value => format!("'{}'", value.replace('\'', "''")),
    }
}

fn customers(chance: &mut Chance) -> String {
    let mut text = String::new();
    for id in 1..=13 {
        let mut one = |all: &[&str]| quoted(chance.of(all));
        let name = one(&["Ann", "Bo", "Åsa", "O'Neil", "ann", "", "NULL", "12"]);
        let region = one(&["north", "north", "south", "North", "NULL"]);
        let email = one(&[
            "ann@x.example",
            "@y.example",
            "long.name.without",
            "short",
            "a@b@c",
            "NULL",
            "Å@ö.example",
            "bo@y.example",
        ]);
        let born = one(&[
            "1980-05-06",
            "1990",
            "unknown",
            "19901",
            "12-34",
            "NULL",
            "2001-",
            "198-01",
        ]);
        let phone = one(&["canary 1", "***", "NULL", "0700-1"]);
        let tag = one(&["red", "blue", "NULL", "", "canary"]);
        let rank = chance.of(&["1", "2", "3", "NULL", "7"]);
        text += &format!(
            "INSERT INTO customers VALUES ({id}, {name}, {region}, {email}, {born}, {phone}, {tag}, 'canary {id}', {rank});\n"
        );
    }
    text
}

fn orders(chance: &mut Chance) -> String {
    let mut text = String::new();
    for id in 1..=26 {
        let customer = chance.below(15);
        let amount = chance.of(&["10", "20", "30", "59", "60", "61", "90", "NULL", "0"]);
        let placed = quoted(chance.of(&[
            "2026-01-02",
            "2026-02-02",
            "2026-12-24",
            "2025-12-31",
            "NULL",
        ]));
        let note = quoted(chance.of(&["first", "NULL", "Ann", "third", "NULL", ""]));
        let status = quoted(chance.of(&["open", "paid", "canary", "late", "open"]));
        text += &format!(
            "INSERT INTO orders VALUES ({id}, {customer}, {amount}, {placed}, {note}, {status}, 'canary {id}');\n"
        );
    }
    text
}

fn items(chance: &mut Chance) -> String {
    let mut text = String::new();
    for id in 1..=34 {
        let order = chance.below(28);
        let product = quoted(chance.of(&["pen", "ink", "Pen", "paper", "NULL", "canary?"]));
        let qty = chance.of(&["1", "2", "6", "7", "0", "NULL", "9"]);
        let owner = quoted(chance.of(&["ann@x.example", "bo@x.example", "NULL"]));
        text += &format!(
            "INSERT INTO items VALUES ({id}, {order}, {product}, {qty}, {owner}, {});\n",
            id * 7
        );
    }
    text
}

/// What is shown of customers, orders and items, each as a `SELECT` of tables in another place.
fn seen(engine: Engine, from: &str) -> [(&'static str, String); 3] {
    let customers = match engine {
        Engine::Sqlite => {
            "SELECT id, name, CASE WHEN email LIKE '_%@%' AND email NOT LIKE '@%' \
             THEN substr(email, 1, 1) || '***' || substr(email, instr(email, '@')) \
             WHEN length(email) >= 8 THEN '***' || substr(email, -2) WHEN email IS NOT NULL THEN '***' END AS email, \
             CASE WHEN born LIKE '____' OR born LIKE '____-%' THEN CASE WHEN substr(born, 1, 4) BETWEEN '0000' AND '9999' \
             AND NOT substr(born, 1, 4) GLOB '*[^0-9]*' THEN substr(born, 1, 4) + 0 END END AS born, \
             '***' AS phone, '***' AS tag, rank FROM {from}customers WHERE region = 'north'"
        }
        Engine::Postgres => {
            "SELECT id, name, CASE WHEN email ~ '^[^@]+@' THEN left(email, 1) || '***' || substring(email from '@.*$') \
             WHEN char_length(email) >= 8 THEN '***' || right(email, 2) WHEN email IS NOT NULL THEN '***' END AS email, \
             CASE WHEN split_part(born, '-', 1) ~ '^[0-9]{4}$' THEN split_part(born, '-', 1)::int END AS born, \
             '***' AS phone, (SELECT k.tag FROM {from}tags AS k WHERE k.value = c.tag) AS tag, rank \
             FROM {from}customers AS c WHERE region = 'north'"
        }
        Engine::MariaDb => {
            "SELECT id, name, CASE WHEN email REGEXP '^[^@]+@' THEN concat(left(email, 1), '***@', \
             substring(email, char_length(substring_index(email, '@', 1)) + 2)) \
             WHEN char_length(email) >= 8 THEN concat('***', right(email, 2)) WHEN email IS NOT NULL THEN '***' END AS email, \
             CASE WHEN substring_index(born, '-', 1) REGEXP '^[0-9]{4}$' THEN CAST(substring_index(born, '-', 1) AS SIGNED) END \
             AS born, '***' AS phone, sha2(concat('{key}', sha2(concat('{key}', tag), 256)), 256) AS tag, rank \
             FROM {from}customers WHERE region = 'north'"
        }
    };
    let orders = "SELECT id, customer_id, amount, placed, note, status FROM {from}orders WHERE status IN ('open', 'paid', 'late') \
         AND (amount < 60 OR note IS NULL) AND placed NOT LIKE '2026-12%'";
    let items = "SELECT id, order_id, product, qty, owner FROM {from}items \
         WHERE (qty >= 1 AND qty <= 6) OR owner = 'ann@x.example'";
    [
        ("customers", customers),
        ("orders", orders),
        ("items", items),
    ]
    .map(|(name, text)| (name, text.replace("{from}", from)))
}

impl Shop {
    pub(super) async fn new(engine: Engine) -> Self {
        let bench = Bench::spoken(engine, &rows(), scope(engine)).await;
        let given = [("person.region", "north"), ("person.id", "ann@x.example")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let scopes = bench.database.own.tables.values();
        let tables = scopes
            .map(|scope| scope.with_given(given.clone().into()))
            .collect();
        let open = |place: &Place, url: &str| opened_at((&place.folder, url), scope(engine), false);
        let (account, narrow, other) = match engine {
            Engine::Sqlite => {
                let other = apart(&bench).await;
                (open(&other.place, "sqlite:crm.db"), None, Some(other))
            }
            Engine::Postgres | Engine::MariaDb => {
                let [account, narrow] = accounts(&bench).await;
                let (account, narrow) = (open(&bench.place, &account), open(&bench.place, &narrow));
                (account, Some(narrow), None)
            }
        };
        Self {
            engine,
            database: open(&bench.place, &bench.place.url()),
            narrow,
            account,
            tables,
            _keep: (bench, other),
        }
    }
}

/// A file of SQLite that holds what a northerner may see: there are no accounts.
async fn apart(bench: &Bench) -> Bench {
    let other = Bench::with("", scope(Engine::Sqlite), false).await;
    let mut text = format!(
        "ATTACH '{}' AS whole; CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, email, born, phone, tag, rank INTEGER); \
         CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, amount INTEGER, placed TEXT, note TEXT, status TEXT); \
         CREATE TABLE items (id INTEGER PRIMARY KEY, order_id INTEGER, product TEXT, qty INTEGER, owner TEXT);",
        bench.place.folder.join("crm.db").display()
    );
    for (name, select) in seen(Engine::Sqlite, "whole.") {
        text += &format!("INSERT INTO {name} {select};");
    }
    other.sql(&text).await;
    other
}

/// Two accounts of a server: one that sees views alone, and one that reads the columns of windows.
async fn accounts(bench: &Bench) -> [String; 2] {
    const COLUMNS: [(&str, &str); 3] = [
        (
            "customers",
            "id, name, email, born, phone, tag, rank, region",
        ),
        ("orders", "id, customer_id, amount, placed, note, status"),
        ("items", "id, order_id, product, qty, owner"),
    ];
    let (engine, name, url) = (bench.place.engine, &bench.place.name, bench.place.url());
    let key = bench.database.own.tables["customers"].hash_key.expose();
    let mut text = String::new();
    let as_account = |account: &str| url.replace("//drawbridge@", &format!("//{account}@"));
    let (sees, reads) = (format!("s_{name}"), format!("r_{name}"));
    if engine == Engine::Postgres {
        text += "CREATE SCHEMA seen; CREATE TABLE tags (value text, tag text);";
        for value in ["red", "blue", "", "canary"] {
            let inner = hex::encode(Sha256::digest(format!("{key}{value}")));
            let tag = hex::encode(Sha256::digest(format!("{key}{inner}")));
            text += &format!("INSERT INTO tags VALUES ('{value}', '{tag}');");
        }
        for (table, select) in seen(engine, "public.") {
            text += &format!("CREATE VIEW seen.{table} WITH (security_barrier) AS {select};");
        }
        text += &format!(
            "CREATE ROLE {sees} LOGIN; GRANT USAGE ON SCHEMA seen TO {sees}; \
             GRANT SELECT ON ALL TABLES IN SCHEMA seen TO {sees}; ALTER ROLE {sees} SET search_path = seen; \
             CREATE ROLE {reads} LOGIN;"
        );
        for (table, columns) in COLUMNS {
            text += &format!("GRANT SELECT ({columns}) ON {table} TO {reads};");
        }
        bench.sql(&text).await;
        return [as_account(&sees), as_account(&reads)];
    }
    text += &format!("CREATE DATABASE {sees} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;");
    for (table, select) in seen(engine, &format!("{name}.")) {
        let select = select.replace("{key}", key);
        text += &format!("CREATE ALGORITHM = TEMPTABLE VIEW {sees}.{table} AS {select};");
    }
    for host in ["localhost", "127.0.0.1"] {
        text += &format!(
            "CREATE USER {sees}@{host}, {reads}@{host}; GRANT SELECT ON {sees}.* TO {sees}@{host};"
        );
        for (table, columns) in COLUMNS {
            text += &format!("GRANT SELECT ({columns}) ON {name}.{table} TO {reads}@{host};");
        }
    }
    bench.sql(&text).await;
    let account = as_account(&sees).replace(&format!("/{name}"), &format!("/{sees}"));
    [account, as_account(&reads)]
}
