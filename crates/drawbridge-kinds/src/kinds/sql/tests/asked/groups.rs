//! Tables of which only groups of people are told: attempts to single somebody out, questions that
//! people ask, and random ones.

use std::collections::BTreeMap;

use drawbridge_core::{answer::Status, decide::Fingerprint, file::Labels};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

use super::{
    super::{
        super::{fetch, part, plan, search},
        Bench,
        engine::{Engine, each},
        key_of, opened, status,
    },
    ask, attempts_of, letter,
    ordinary::direct,
    query, tables,
};

/// The fewest people of a group.
const LEAST: i64 = 3;

/// Ten people, of whom one stands alone: `{…}` is what only that one has.
const SEEDED: &str = "
    CREATE TABLE staff (
        id INTEGER PRIMARY KEY, name VARCHAR(40), region VARCHAR(20), salary INTEGER, born VARCHAR(10),
        boss INTEGER, huge BIGINT, hidden VARCHAR(40));
    CREATE TABLE payments (
        id INTEGER PRIMARY KEY, staff_id INTEGER, amount INTEGER, kind VARCHAR(20), placed VARCHAR(10));
    CREATE TABLE visits (id INTEGER PRIMARY KEY, staff_id INTEGER, note VARCHAR(20));
    CREATE TABLE regions (code VARCHAR(20) PRIMARY KEY, title VARCHAR(20));
    INSERT INTO regions VALUES ('north', 'North'), ('south', 'South'), ('west', 'West'), ('east', 'East');
    INSERT INTO staff VALUES
        (1, 'Ann', 'north', 100, '1980-01-01', 1, 1, 'a'), (2, 'Bo', 'north', 200, '1980-02-02', 1, 1, 'a'),
        (3, 'Cy', 'north', 300, '1980-03-03', 1, 1, 'a'), (4, 'Dee', 'north', 400, '1981-04-04', 1, 1, 'a'),
        (5, 'Ed', 'south', 500, '1982-05-05', 1, 1, 'a'),
        (6, 'Flo', 'south', 600, '1983-06-06', 1, 5000000000000000000, 'a'),
        (7, '{name}', 'west', {salary}, '{born}', 2, 5000000000000000000, '{name}'),
        (8, 'Gil', 'east', 700, '1984-01-01', 1, 1, 'a'), (9, 'Hal', 'east', 800, '1985-01-01', 1, 1, 'a'),
        (10, 'Ida', 'east', 900, '1986-01-01', 1, 1, 'a');
    INSERT INTO payments (staff_id, amount, kind, placed)
        SELECT id, id * 10, 'pay', '2026-01-01' FROM staff WHERE id <> 7;
    INSERT INTO payments (staff_id, amount, kind, placed)
        SELECT id, id * 7, CASE WHEN id < 3 THEN 'trip' ELSE 'book' END, '2026-02-01' FROM staff
        WHERE id <> 7;
    INSERT INTO payments (staff_id, amount, kind, placed)
        VALUES (7, {amount}, 'bonus', '2026-03-01'), (7, {amount}, 'bonus', '2026-03-02'),
        (7, {amount}, 'bonus', '2026-03-03');
    INSERT INTO visits (staff_id, note) SELECT id, 'first' FROM staff;
    INSERT INTO visits (staff_id, note) SELECT 7, 'often' FROM staff;
    INSERT INTO visits (staff_id, note) SELECT 7, 'often' FROM staff;
";

fn seeded(name: &str, salary: &str, born: &str, amount: &str) -> String {
    let pairs = [
        ("{name}", name),
        ("{salary}", salary),
        ("{born}", born),
        ("{amount}", amount),
    ];
    let seeded = SEEDED.to_owned();
    pairs
        .iter()
        .fold(seeded, |text, (from, to)| text.replace(from, to))
}

fn scope() -> Value {
    json!({"label": "internal", "query": true, "tables": {
        "staff": {
            "key": "id", "fields": ["id", "name", "region", "salary", "born", "huge"], "min_group": LEAST,
        },
        "payments": {
            "key": "id", "fields": ["id", "staff_id", "amount", "kind", "placed"], "min_group": LEAST,
            "person": "staff_id",
        },
        "visits": {"key": "id", "fields": ["id", "staff_id", "note"]},
        "regions": {"key": "code", "fields": ["code", "title"]},
    }})
}

async fn bench(engine: Engine) -> Bench {
    let data = seeded("canary", "987654", "1990-09-09", "777");
    Bench::spoken(engine, &data, scope()).await
}

/// Two databases that differ in one person only, who is in no group that is told.
#[tokio::test]
async fn no_attempt_tells_anything_of_somebody_who_stands_alone() {
    each(tells_nothing).await;
}

async fn tells_nothing(engine: Engine) {
    let one = bench(engine).await;
    let data = seeded("zebra", "123456", "1991-08-08", "888");
    let other = Bench::spoken(engine, &data, scope()).await;
    let (mut counts, mut tried) = (BTreeMap::<&str, (u32, u32)>::new(), 0);
    for (category, dialects, text) in attempts_of(include_str!("../groups.tsv")) {
        if !dialects.contains(letter(engine).0) {
            continue;
        }
        let (answered, told) = ask(&one, &text).await;
        let same = ask(&other, &text).await;
        assert_eq!((answered, &told), (same.0, &same.1), "{engine:?}: {text}");
        for canary in ["canary", "987654", "987,654", "1990-09", "777"] {
            let shown = told.replace("2777", "");
            assert!(
                !shown.contains(canary) || text.contains(canary),
                "{engine:?}: {text}: {told}"
            );
        }
        let count = counts.entry(category).or_default();
        if answered {
            count.0 += 1;
        } else {
            assert!(told.starts_with("Invalid"), "{engine:?}: {text}: {told}");
            count.1 += 1;
        }
        tried += 1;
    }
    println!("{tried} attempts on {engine:?}; answered, refused: {counts:?}");
    assert!(tried >= 230, "{tried} attempts");
}

/// A question, and what the engine itself is asked for the same; `{}` stands for what a group needs.
/// MariaDB 10.11 itself loses rows of `DISTINCT` over groups, so there is no such question to it.
const ORDINARY: &[(&str, &str, &str)] = &[
    (
        "spm",
        "SELECT region, count(*) AS n, sum(salary) AS total FROM staff GROUP BY region ORDER BY region",
        "SELECT region, count(*), sum(salary) FROM staff GROUP BY region HAVING {} ORDER BY region",
    ),
    (
        "spm",
        "SELECT region, sum(salary) FROM staff GROUP BY 1 ORDER BY sum(salary) DESC LIMIT 1",
        "SELECT region, sum(salary) FROM staff GROUP BY 1 HAVING {} ORDER BY sum(salary) DESC LIMIT 1",
    ),
    (
        "spm",
        "SELECT region AS r, round(avg(salary), 1) AS a FROM staff WHERE salary > 150 GROUP BY r \
         HAVING avg(salary) < 500 AND count(*) > 2 ORDER BY r",
        "SELECT region, round(avg(salary), 1) FROM staff WHERE salary > 150 GROUP BY region \
         HAVING {} AND avg(salary) < 500 AND count(*) > 2 ORDER BY region",
    ),
    (
        "spm",
        "SELECT count(*), count(DISTINCT region), count(born) FROM staff WHERE id <> 7",
        "SELECT count(*), count(DISTINCT region), count(born) FROM staff WHERE id <> 7 HAVING {}",
    ),
    (
        "spm",
        "SELECT title, sum(s.salary) / count(*) FROM staff s JOIN regions r ON r.code = s.region \
         GROUP BY title ORDER BY title",
        "SELECT title, sum(s.salary) / count(*) FROM staff s JOIN regions r ON r.code = s.region \
         GROUP BY title HAVING {} ORDER BY title",
    ),
    (
        "spm",
        "SELECT s.region, p.kind, sum(p.amount) FROM payments p, staff s WHERE p.staff_id = s.id \
         GROUP BY s.region, p.kind ORDER BY 1, 2",
        "SELECT s.region, p.kind, sum(p.amount) FROM payments p JOIN staff s ON p.staff_id = s.id \
         GROUP BY s.region, p.kind HAVING {s} ORDER BY 1, 2",
    ),
    (
        "spm",
        "SELECT note, count(*) FROM staff JOIN visits ON visits.staff_id = staff.id GROUP BY note",
        "SELECT note, count(*) FROM staff JOIN visits ON visits.staff_id = staff.id GROUP BY note \
         HAVING count(DISTINCT staff.id) >= 3",
    ),
    (
        "spm",
        "SELECT kind, substr(placed, 1, 7) AS month, count(*) FROM payments GROUP BY kind, month \
         ORDER BY kind, month",
        "SELECT kind, substr(placed, 1, 7), count(*) FROM payments GROUP BY kind, substr(placed, 1, 7) \
         HAVING count(DISTINCT staff_id) >= 3 ORDER BY 1, 2",
    ),
    (
        "spm",
        "SELECT region, share FROM (SELECT region, count(*) * 1.0 / 10 AS share FROM staff GROUP BY region) AS x \
         WHERE share > 0.3",
        "SELECT region, count(*) * 1.0 / 10 FROM staff GROUP BY region HAVING {} AND count(*) > 3",
    ),
    (
        "spm",
        "WITH x AS (SELECT region, sum(salary) AS total FROM staff GROUP BY region) \
         SELECT title, total, rank() OVER (ORDER BY total) FROM x JOIN regions ON code = region ORDER BY title",
        "SELECT title, total, rank() OVER (ORDER BY total) FROM (SELECT region, sum(salary) AS total \
         FROM staff GROUP BY region HAVING {}) AS x JOIN regions ON code = region ORDER BY title",
    ),
    (
        "spm",
        "SELECT region FROM staff GROUP BY region UNION SELECT code FROM regions WHERE code = 'south' ORDER BY region",
        "SELECT region FROM staff GROUP BY region HAVING {} UNION SELECT code FROM regions WHERE code = 'south' \
         ORDER BY region",
    ),
    (
        "sp",
        "SELECT DISTINCT CASE WHEN count(*) > 3 THEN 'many' ELSE 'some' END AS size FROM staff GROUP BY region \
         ORDER BY size",
        "SELECT DISTINCT CASE WHEN count(*) > 3 THEN 'many' ELSE 'some' END AS size FROM staff GROUP BY region \
         HAVING {} ORDER BY size",
    ),
    (
        "s",
        "SELECT strftime('%Y', born) AS year, count(*) FROM staff GROUP BY year",
        "SELECT strftime('%Y', born), count(*) FROM staff GROUP BY 1 HAVING {}",
    ),
    (
        "m",
        "SELECT year(born) AS y, count(*) FROM staff GROUP BY y",
        "SELECT year(born), count(*) FROM staff GROUP BY 1 HAVING {}",
    ),
    (
        "p",
        "SELECT count(*) FROM staff WHERE name LIKE '%a%' AND born < '1990-01-01'",
        "SELECT count(*) FROM staff WHERE name LIKE '%a%' AND born < '1990-01-01' HAVING {}",
    ),
];

#[tokio::test]
async fn questions_about_groups_have_the_answer_of_the_groups_that_are_large_enough() {
    each(large_enough).await;
}

async fn large_enough(engine: Engine) {
    let bench = bench(engine).await;
    let seen = tables(&bench);
    for (engines, asked, own) in ORDINARY {
        if !engines.contains(letter(engine).0) {
            continue;
        }
        let own = own.replace("{}", &format!("count(*) >= {LEAST}"));
        let own = own.replace("{s}", &format!("count(DISTINCT s.id) >= {LEAST}"));
        let wanted = direct(&bench.database, &own).await.expect(&own);
        let found = query::answer(&bench.database, asked, &seen).await;
        let rows = found.map(|found| found.data["rows"].clone());
        assert_eq!(rows.unwrap(), wanted, "{engine:?}: {asked}");
        assert!(
            !wanted.to_string().contains("[]") || asked.contains("LIKE"),
            "{asked}"
        );
    }
}

/// Pieces of a question over payments, alone or with whose they are.
#[derive(Debug, Clone)]
struct Asked {
    joined: bool,
    keys: Vec<&'static str>,
    conditions: Vec<&'static str>,
    aggregates: Vec<&'static str>,
}

impl Asked {
    fn text(&self, more: &str) -> String {
        let mut columns = self.keys.clone();
        columns.extend(&self.aggregates);
        let from = if self.joined {
            "payments p JOIN staff s ON p.staff_id = s.id"
        } else {
            "payments p"
        };
        let mut text = format!("SELECT {}{more} FROM {from}", columns.join(", "));
        if !self.conditions.is_empty() {
            text += &format!(" WHERE ({})", self.conditions.join(") AND ("));
        }
        if !self.keys.is_empty() {
            text += &format!(" GROUP BY {}", self.keys.join(", "));
            let places: Vec<String> = (1..=self.keys.len())
                .map(|place| place.to_string())
                .collect();
            text += &format!(" ORDER BY {}", places.join(", "));
        }
        text
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let some = |of: Vec<&'static str>, most: usize| prop::sample::subsequence(of, 0..=most);
    let alone = vec![
        "p.kind",
        "p.placed",
        "substr(p.placed, 1, 7)",
        "p.staff_id",
        "p.amount",
    ];
    let own = vec!["s.region", "s.name", "p.kind", "substr(s.born, 1, 3)"];
    let conditions = vec![
        "p.amount > 20",
        "p.kind <> 'trip'",
        "p.staff_id IN (1, 2, 3, 4, 9)",
        "p.placed LIKE '2026-0%'",
        "NOT p.amount BETWEEN 20 AND 40",
        "p.staff_id > 4 OR p.kind = 'pay'",
        "p.kind IS NOT NULL",
        "p.staff_id <> 7",
    ];
    let aggregates = vec![
        "count(*)",
        "sum(p.amount)",
        "avg(p.amount)",
        "count(DISTINCT p.kind)",
        "count(p.placed)",
    ];
    let aggregates = prop::sample::subsequence(aggregates, 1..=3);
    (
        any::<bool>(),
        some(alone, 2),
        some(own, 2),
        some(conditions, 3),
        aggregates,
    )
        .prop_map(|(joined, alone, own, conditions, aggregates)| Asked {
            joined,
            keys: if joined { own } else { alone },
            conditions,
            aggregates,
        })
}

#[tokio::test]
async fn whatever_is_asked_every_group_that_comes_out_has_enough_people() {
    each(enough_people).await;
}

async fn enough_people(engine: Engine) {
    let bench = bench(engine).await;
    let seen = tables(&bench);
    let mut runner = TestRunner::default();
    let questions = if engine == Engine::Sqlite { 250 } else { 100 };
    let (mut groups, mut small) = (0, 0);
    for _ in 0..questions {
        let asked = asked().new_tree(&mut runner).unwrap().current();
        let raw = asked.text(", count(DISTINCT p.staff_id)");
        let raw = direct(&bench.database, &raw).await.expect(&raw);
        let mut wanted = Vec::new();
        for row in raw.as_array().unwrap() {
            let mut row = row.as_array().unwrap().clone();
            if row.pop().unwrap().as_i64().unwrap() >= LEAST {
                wanted.push(Value::Array(row));
            } else {
                small += 1;
            }
        }
        let text = asked.text("");
        let found = query::answer(&bench.database, &text, &seen)
            .await
            .expect(&text);
        assert_eq!(
            found.data["rows"],
            Value::Array(wanted),
            "{engine:?}: {text}"
        );
        groups += found.count;
    }
    println!("{engine:?}: {questions} questions, {groups} groups told, {small} not");
    assert!(groups > 50 && small > 50, "{groups}, {small}");
}

/// What adds up to a person by two large groups stays: `SECURITY.md` says so.
#[tokio::test]
async fn two_large_groups_still_differ_by_a_person() {
    let bench = bench(Engine::Sqlite).await;
    let sum = async |text: &str| {
        let (answered, told) = ask(&bench, text).await;
        assert!(answered, "{told}");
        told
    };
    let all = sum("SELECT sum(salary) FROM staff").await;
    let others = sum("SELECT sum(salary) FROM staff WHERE id <> 7").await;
    assert!(
        all.contains("992154") && others.contains("4500"),
        "{all}{others}"
    );
}

#[tokio::test]
async fn no_row_of_such_a_table_is_given_by_any_other_way() {
    each(no_other_way).await;
}

async fn no_other_way(engine: Engine) {
    let bench = bench(engine).await;
    let staff = &bench.database.own.tables["staff"];
    for (action, arguments) in [
        ("read", json!({"key": 7})),
        ("read", json!({"key": 99})),
        ("list", json!({})),
        ("list", json!({"after": 6, "limit": 1})),
    ] {
        let refused = fetch::fetched(&bench.database, action, (staff, &arguments)).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.status, Status::Denied);
        assert!(
            refused.message.contains("at least 3 people"),
            "{}",
            refused.message
        );
    }
    let arguments = json!({"where": [{"field": "id", "value": 7}]});
    let found = search::search(&bench.database, (staff, &arguments), Fingerprint([7; 32]));
    assert_eq!(status(found.await), Status::Denied);
    let update = json!({"key": 7, "set": {"name": "x"}});
    let refused = plan::planned(&bench.database, "update", (staff, &update)).await;
    assert_eq!(status(refused), Status::Invalid);
}

/// A change that was made, or planned, while rows were still given one by one.
#[tokio::test]
async fn an_effect_from_before_is_neither_done_nor_taken_back() {
    let mut before = scope();
    let staff = &mut before["tables"]["staff"];
    staff.as_object_mut().unwrap().remove("min_group");
    staff["writable"] = json!({"name": {}});
    let data = seeded("canary", "987654", "1990-09-09", "777");
    let bench = Bench::with(&data, before, true).await;
    let update = json!({"key": 7, "set": {"name": "x"}});
    let (plan, receipt) = bench.act("update", "staff", update.clone()).await;
    let waits = bench.plan("update", "staff", json!({"key": 7, "set": {"name": "y"}}));
    let waits = waits.await.unwrap();
    let after = opened(&bench.place, scope(), true);
    assert_eq!(
        status(plan::undo(&after, &plan, &receipt).await),
        Status::Denied
    );
    let applied = super::super::apply::apply(&after, &waits, &key_of(&waits)).await;
    assert_eq!(status(applied), Status::Denied);
}

#[test]
fn what_such_a_table_may_not_say_is_told_with_its_place() {
    let check = |change: &dyn Fn(&mut Value)| {
        let mut scope = scope();
        change(&mut scope);
        let part = drawbridge_core::connector::Part {
            system: json!({"url": "sqlite:crm.db"}),
            scope,
            stale_after: None,
            when_stale: drawbridge_core::file::WhenStale::Warn,
            powers: std::collections::BTreeSet::new(),
        };
        let faults = part::check(&part, &Labels::default());
        let places = faults.into_iter().map(|fault| fault.pointer);
        places.collect::<Vec<String>>()
    };
    assert!(check(&|_| {}).is_empty());
    let off = check(&|scope| scope["query"] = json!(false));
    let group = |table: &str| format!("/scope/tables/{table}/min_group");
    assert_eq!(off, [group("payments"), group("staff")]);
    let written = check(&|scope| scope["tables"]["staff"]["writable"] = json!({"name": {}}));
    assert_eq!(written, ["/scope/tables/staff/writable"]);
    let several = check(&|scope| scope["tables"]["staff"]["key"] = json!(["id", "name"]));
    assert_eq!(several, [group("staff")]);
    let alone = check(&|scope| scope["tables"]["visits"]["person"] = json!("staff_id"));
    assert_eq!(alone, ["/scope/tables/visits/person"]);
}

/// People are told apart by a column that nobody sees, and by what it is, not what it shows.
#[tokio::test]
async fn the_column_that_tells_people_apart_may_be_hidden_or_masked() {
    each(hidden_person).await;
}

async fn hidden_person(engine: Engine) {
    let mut scope = scope();
    scope["tables"]["payments"]["fields"] = json!(["id", "amount", "kind"]);
    scope["tables"]["staff"]["person"] = json!("born");
    scope["tables"]["staff"]["mask"] = json!({"born": "full"});
    let data = seeded("canary", "987654", "1990-09-09", "777");
    let bench = Bench::spoken(engine, &data, scope).await;
    let seen = tables(&bench);
    for (asked, rows) in [
        (
            "SELECT kind, count(*) FROM payments GROUP BY kind ORDER BY kind",
            "[[\"book\",7],[\"pay\",9]]",
        ),
        (
            "SELECT region FROM staff GROUP BY region ORDER BY region",
            "[[\"east\"],[\"north\"]]",
        ),
        (
            "SELECT born, count(*) FROM staff WHERE id <> 7 GROUP BY born",
            "[[\"***\",9]]",
        ),
    ] {
        let found = query::answer(&bench.database, asked, &seen).await.unwrap();
        assert_eq!(found.data["rows"].to_string(), rows, "{engine:?}: {asked}");
    }
    for asked in [
        "SELECT count(*) FROM payments WHERE staff_id = 7",
        "SELECT sum(staff_id) FROM payments",
    ] {
        assert!(
            query::answer(&bench.database, asked, &seen).await.is_err(),
            "{asked}"
        );
    }
}
