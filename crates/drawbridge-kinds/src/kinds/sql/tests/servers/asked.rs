//! Free questions on servers: what is cut is stopped there, and takes little here.

use serde_json::json;

use super::{
    super::{super::query, Bench, engine::SERVERS},
    Other,
};

/// Kibibytes of memory that this process had at most.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let line = line.unwrap().trim().trim_end_matches(" kB");
    line.parse().unwrap()
}

#[tokio::test]
async fn millions_of_rows_are_cut_and_stopped_and_take_little_memory() {
    for engine in SERVERS {
        let numbers: Vec<String> = (1..=1_000)
            .map(|id| format!("({id}, 'row {id}')"))
            .collect();
        let schema = format!(
            "CREATE TABLE n (id INTEGER PRIMARY KEY, what TEXT); INSERT INTO n VALUES {};",
            numbers.join(", ")
        );
        let scope = json!({"label": "internal", "query": true,
            "tables": {"n": {"key": "id", "fields": ["id", "what"]}}});
        let bench = Bench::made(engine, &schema, (scope, false)).await;
        let seen: Vec<_> = bench.database.own.tables.values().cloned().collect();
        let asked = "SELECT a.id, b.what FROM n AS a CROSS JOIN n AS b CROSS JOIN n AS c";
        let mut watches = Other::new(&bench.place).await;
        let before = most_memory();
        // More than there are connections: none stays taken by rows that nobody reads.
        for _ in 0..12 {
            let found = query::answer(&bench.database, asked, &seen).await.unwrap();
            assert_eq!((found.count, found.missing.len()), (1_000, 1));
        }
        watches.until_running(0).await;
        let grown = most_memory() - before;
        println!("{engine:?}: {grown} KiB more");
        assert!(grown < 32 << 10, "{engine:?}: {grown} KiB more");
    }
}
