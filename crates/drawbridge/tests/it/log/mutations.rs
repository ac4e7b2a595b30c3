//! Random changes of a stored log, of every kind somebody with the database could make: each one is
//! found, on both engines.

use drawbridge_core::log::{
    Entry, Row as LogRow, TEXTS,
    checkpoint::Signer,
    merkle::{self, Frontier},
};
use sqlx::{Any, AssertSqlSafe, Pool, Row};

use super::{
    served::long,
    stored::{RECORDS, Stored, record},
};

/// Changes of one engine.
fn rounds() -> usize {
    if long() { 1_000 } else { 80 }
}

/// Another seed makes other changes.
fn seed() -> u64 {
    let wanted = std::env::var_os("DRAWBRIDGE_SEED");
    let wanted = wanted.and_then(|seed| seed.to_str()?.parse().ok());
    wanted.unwrap_or(1)
}

struct Mutator {
    pool: Pool<Any>,
    /// The state of SplitMix64.
    chance: u64,
    sizes: Vec<i64>,
}

#[tokio::test]
async fn every_change_of_a_log_on_sqlite_is_found() {
    changes_are_found(Stored::sqlite()).await;
}

#[tokio::test]
async fn every_change_of_a_log_on_postgresql_is_found() {
    changes_are_found(Stored::postgres().await).await;
}

async fn changes_are_found(stored: Stored) {
    stored.fill("ann").await;
    let note = stored.note();
    assert_eq!(stored.finding(Some(&note)).await, None);
    let mut mutator = Mutator::new(&stored).await;
    mutator.chance = seed();
    let mut kinds = std::collections::BTreeMap::new();
    for round in 0..rounds() {
        let kind = round % Mutator::KINDS;
        let what = mutator.change(kind, &stored.signer()).await;
        let found = stored.finding(Some(&note)).await;
        assert!(found.is_some(), "not found: {what} (round {round})");
        *kinds.entry(kind).or_insert(0) += 1;
        mutator.undo().await;
        if round % 20 == 0 {
            assert_eq!(
                stored.finding(Some(&note)).await,
                None,
                "after undoing {what}"
            );
        }
    }
    println!("{} changes of {} kinds, each found", rounds(), kinds.len());
}

async fn notes(pool: &Pool<Any>) -> Vec<(i64, String)> {
    let rows = sqlx::query("SELECT size, note FROM checkpoints ORDER BY size")
        .fetch_all(pool)
        .await
        .unwrap();
    rows.iter()
        .map(|row| (row.get("size"), row.get("note")))
        .collect()
}

impl Mutator {
    const KINDS: usize = 30;

    async fn new(stored: &Stored) -> Self {
        let pool = stored.pool().await;
        for table in ["records", "checkpoints", "log_head"] {
            let statement = format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}");
            sqlx::query(AssertSqlSafe(statement))
                .execute(&pool)
                .await
                .unwrap();
        }
        let sizes = notes(&pool)
            .await
            .into_iter()
            .map(|(size, _)| size)
            .collect();
        Self {
            pool,
            chance: 0,
            sizes,
        }
    }

    async fn undo(&self) {
        for table in ["records", "checkpoints", "log_head"] {
            self.run(&format!("DELETE FROM {table}")).await;
            self.run(&format!("INSERT INTO {table} SELECT * FROM saved_{table}"))
                .await;
        }
    }

    async fn run(&self, statement: &str) {
        let done = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&self.pool);
        let done = done
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
        assert!(done.rows_affected() > 0, "{statement}");
    }

    fn below(&mut self, most: usize) -> usize {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % most as u64) as usize
    }

    fn place(&mut self) -> i64 {
        self.below(RECORDS) as i64
    }

    fn size(&mut self) -> i64 {
        let at = self.below(self.sizes.len());
        self.sizes[at]
    }

    async fn blob(&self, table: &str, column: &str, key: &str, at: i64) -> Vec<u8> {
        let statement = format!("SELECT {column} AS value FROM {table} WHERE {key} = {at}");
        let row = sqlx::query(AssertSqlSafe(statement)).fetch_one(&self.pool);
        row.await.unwrap().get("value")
    }

    async fn set(&self, table: &str, column: &str, (key, at): (&str, i64), value: Vec<u8>) {
        let statement = format!("UPDATE {table} SET {column} = $1 WHERE {key} = {at}");
        let done = sqlx::query(AssertSqlSafe(statement))
            .bind(value)
            .execute(&self.pool);
        assert_eq!(done.await.unwrap().rows_affected(), 1);
    }

    async fn set_text(&self, table: &str, column: &str, (key, at): (&str, i64), value: String) {
        let statement = format!("UPDATE {table} SET {column} = $1 WHERE {key} = {at}");
        let done = sqlx::query(AssertSqlSafe(statement))
            .bind(value)
            .execute(&self.pool);
        assert_eq!(done.await.unwrap().rows_affected(), 1);
    }

    fn flip(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let at = self.below(bytes.len());
        let mask = 1 << self.below(8);
        bytes[at] ^= mask;
        bytes
    }

    /// Sets the head to that of the records that are there.
    async fn mend_head(&self) {
        let rows = sqlx::query("SELECT leaf FROM records WHERE place >= 0 ORDER BY place")
            .fetch_all(&self.pool)
            .await
            .unwrap();
        let mut frontier = Frontier::default();
        for row in &rows {
            let leaf: Vec<u8> = row.get("leaf");
            frontier.push(leaf.try_into().unwrap());
        }
        self.set("log_head", "frontier", ("id", 1), frontier.to_bytes())
            .await;
        self.run(&format!("UPDATE log_head SET size = {}", frontier.size()))
            .await;
    }

    async fn put(&self, place: i64, entry: &Entry) {
        let statement = format!(
            "INSERT INTO records (place, time, {}, body, leaf) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            TEXTS.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(statement))
            .bind(place)
            .bind(entry.record.time.as_microsecond());
        for text in LogRow::texts(&entry.record) {
            query = query.bind(text);
        }
        let leaf = merkle::leaf(&entry.body).to_vec();
        query
            .bind(entry.body.clone())
            .bind(leaf)
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// Makes one change of a kind, at random places; what it was.
    async fn change(&mut self, kind: usize, signer: &Signer) -> String {
        let (at, size) = (self.place(), self.size());
        let other = (at + 1 + self.below(RECORDS - 1) as i64) % RECORDS as i64;
        match kind {
            0 => {
                let body = self.blob("records", "body", "place", at).await;
                let body = self.flip(body);
                self.set("records", "body", ("place", at), body).await;
            }
            1 => {
                let leaf = self.blob("records", "leaf", "place", at).await;
                let leaf = self.flip(leaf);
                self.set("records", "leaf", ("place", at), leaf).await;
            }
            2 => {
                let forged = Entry::new(record(at as usize, "mallory")).unwrap();
                self.run(&format!("DELETE FROM records WHERE place = {at}"))
                    .await;
                self.put(at, &forged).await;
            }
            3 => {
                let forged = Entry::new(record(at as usize, "mallory")).unwrap();
                self.run(&format!("DELETE FROM records WHERE place = {at}"))
                    .await;
                self.put(at, &forged).await;
                self.mend_head().await;
            }
            4 => {
                self.run(&format!("DELETE FROM records WHERE place = {at}"))
                    .await
            }
            5 => {
                self.run(&format!("DELETE FROM records WHERE place = {at}"))
                    .await;
                for place in at + 1..RECORDS as i64 {
                    let down = format!(
                        "UPDATE records SET place = {} WHERE place = {place}",
                        place - 1
                    );
                    self.run(&down).await;
                }
                self.mend_head().await;
            }
            6 => {
                self.run("UPDATE records SET place = -7 WHERE place = 0")
                    .await;
                self.run(&format!(
                    "UPDATE records SET place = 0 WHERE place = {}",
                    RECORDS - 1
                ))
                .await;
            }
            7 => {
                let extra = Entry::new(record(1_000 + at as usize, "ann")).unwrap();
                let far = [-1, -at - 2, i64::MIN, i64::MAX, RECORDS as i64, 1_000_000];
                let place = far[self.below(far.len())];
                self.put(place, &extra).await;
            }
            8 => {
                let extra = Entry::new(record(1_000, "ann")).unwrap();
                self.put(RECORDS as i64, &extra).await;
                self.mend_head().await;
            }
            9 => {
                self.run(&format!(
                    "UPDATE records SET place = 1000000 WHERE place = {at}"
                ))
                .await;
                self.run(&format!(
                    "UPDATE records SET place = {at} WHERE place = {other}"
                ))
                .await;
                self.run(&format!(
                    "UPDATE records SET place = {other} WHERE place = 1000000"
                ))
                .await;
            }
            10 => {
                let far = [-1, -1_000_000, i64::MIN, i64::MAX];
                let place = far[self.below(far.len())];
                self.run(&format!(
                    "UPDATE records SET place = {place} WHERE place = {at}"
                ))
                .await;
            }
            11..=17 => {
                let column = TEXTS[kind - 11];
                let change = ["'x'", "' '", "'\u{200b}'"][self.below(3)];
                self.run(&format!(
                    "UPDATE records SET {column} = {column} || {change} WHERE place = {at}"
                ))
                .await;
            }
            18 => {
                let by = [1, -1, 1_000_000, -60_000_000][self.below(4)];
                self.run(&format!(
                    "UPDATE records SET time = time + {by} WHERE place = {at}"
                ))
                .await;
            }
            19 => {
                self.run(&format!("DELETE FROM checkpoints WHERE size = {size}"))
                    .await
            }
            20 => {
                let note: String = self.note(size).await;
                let bytes = note.into_bytes();
                let mut changed = None;
                while changed.is_none() {
                    let flipped = self.flip(bytes.clone());
                    changed = String::from_utf8(flipped)
                        .ok()
                        .filter(|text| !text.contains('\0'));
                }
                self.set_text("checkpoints", "note", ("size", size), changed.unwrap())
                    .await;
            }
            21 => {
                let far = [-1, -size, i64::MIN, i64::MAX, 1_000, 0];
                let to = far[self.below(far.len())];
                self.run(&format!(
                    "UPDATE checkpoints SET size = {to} WHERE size = {size}"
                ))
                .await;
            }
            22 => {
                let note = self.note(size).await;
                let far = [-1, -size - 1, 1_000, i64::MIN, 0];
                let to = far[self.below(far.len())];
                let statement = format!("INSERT INTO checkpoints (size, note) VALUES ({to}, $1)");
                sqlx::query(AssertSqlSafe(statement))
                    .bind(note)
                    .execute(&self.pool)
                    .await
                    .unwrap();
            }
            23 => {
                let stranger = Signer::new("test", &Signer::generate().unwrap()).unwrap();
                let note = stranger.sign(size as u64, [7; 32], 0);
                self.set_text("checkpoints", "note", ("size", size), note)
                    .await;
            }
            24 => {
                let note = signer.sign(size as u64, [7; 32], 0);
                self.set_text("checkpoints", "note", ("size", size), note)
                    .await;
            }
            25 => {
                let by = [1, -1, 100, -100][self.below(4)];
                self.run(&format!("UPDATE log_head SET size = size + {by}"))
                    .await;
            }
            26 => {
                let frontier = self.blob("log_head", "frontier", "id", 1).await;
                let frontier = self.flip(frontier);
                self.set("log_head", "frontier", ("id", 1), frontier).await;
            }
            27 => {
                let id = [0, 2, -1, 7][self.below(4)];
                if self.below(3) == 0 {
                    self.run(&format!("UPDATE log_head SET id = {id}")).await;
                } else {
                    let from = "size, frontier FROM log_head";
                    self.run(&format!(
                        "INSERT INTO log_head (id, size, frontier) SELECT {id}, {from}"
                    ))
                    .await;
                }
            }
            28 => {
                // An older copy: whole in itself, and shorter than the witness.
                let kept = self.below(self.sizes.len() - 1);
                let size = self.sizes[kept];
                self.run(&format!("DELETE FROM records WHERE place >= {size}"))
                    .await;
                self.run(&format!("DELETE FROM checkpoints WHERE size > {size}"))
                    .await;
                self.mend_head().await;
            }
            _ => {
                // A fork: as long, whole in itself, signed by the same key.
                self.run("DELETE FROM records").await;
                self.run("DELETE FROM checkpoints").await;
                let mut frontier = Frontier::default();
                for number in 0..RECORDS {
                    let entry = Entry::new(record(number, "bob")).unwrap();
                    self.put(number as i64, &entry).await;
                    frontier.push(merkle::leaf(&entry.body));
                }
                let note = signer.sign(RECORDS as u64, frontier.root(), 0);
                sqlx::query("INSERT INTO checkpoints (size, note) VALUES ($1, $2)")
                    .bind(RECORDS as i64)
                    .bind(note)
                    .execute(&self.pool)
                    .await
                    .unwrap();
                self.mend_head().await;
            }
        }
        format!("kind {kind} at {at}, {other}, {size}")
    }

    async fn note(&self, size: i64) -> String {
        let row = sqlx::query("SELECT note FROM checkpoints WHERE size = $1").bind(size);
        row.fetch_one(&self.pool).await.unwrap().get("note")
    }
}
