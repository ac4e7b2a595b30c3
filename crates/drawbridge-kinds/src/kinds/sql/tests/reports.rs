//! Exports in a folder: what of them is read, and what harms nobody.

mod files;
mod formats;
mod groups;
mod hostile;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use drawbridge_core::answer::Failure;
use serde_json::{Map, Value, json};

use super::{
    super::{
        Database,
        engine::answer_rows,
        link::Link,
        part::Own,
        rows::Table,
        shape::{Shape, Unfit},
    },
    Base, Context, Labels, Part, Seal, Still, WhenStale, status,
};

const HELPER: &str = "kinds::sql::tests::reports::inside";

/// What a child does, in a process of its own that is this test's program.
#[test]
#[ignore = "the tests below run it in processes of their own"]
fn inside() {
    let request = fs::read_to_string("/proc/self/environ").unwrap();
    let mut words = request.split('\0');
    let request = words.find_map(|word| word.strip_prefix("ROWS=")).unwrap();
    let file = fs::File::open("/proc/self/fd/0").unwrap();
    let mut output = fs::OpenOptions::new();
    let mut output = output.write(true).open("/proc/self/fd/3").unwrap();
    answer_rows(request, file, &mut output).unwrap();
}

/// A program that is started as the gateway starts its own.
fn program(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("program");
    let test = std::env::current_exe().unwrap();
    let script = format!(
        "#!/bin/sh\nexec 3>&1 >/dev/null\nROWS=\"$2\" exec '{}' --ignored --exact {HELPER} --nocapture\n",
        test.display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

/// A folder with exports, and a connector to it.
struct Desk {
    folder: tempfile::TempDir,
    database: Database,
}

impl Desk {
    /// Tables with these fields, of which the first is the key.
    fn new(tables: &[(&str, &[&str])]) -> Self {
        let table = |(name, fields): &(&str, &[&str])| {
            (
                (*name).to_owned(),
                json!({"key": fields[0], "fields": fields}),
            )
        };
        let tables: Map<String, Value> = tables.iter().map(table).collect();
        Self::with(json!({"label": "internal", "tables": tables}))
    }

    fn with(scope: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("exports")).unwrap();
        let program = program(folder.path());
        let part = part(scope);
        let context = Context {
            connector: "reports".into(),
            workspace: folder.path().to_owned(),
            state: folder.path().join(".drawbridge/state"),
            labels: Labels::default().into(),
            clock: std::sync::Arc::new(Still),
            seal: Seal::new(b"secret", "cursor"),
            program,
            credential: None,
        };
        let faults = super::super::part::check(&part, &context.labels);
        assert!(faults.is_empty(), "{faults:?}");
        let own = Own::read(&part, Some(&context)).unwrap();
        let base = Base::new(&own, None);
        Self {
            folder,
            database: Database { own, base, context },
        }
    }

    /// One table, `t`.
    fn of(fields: &[&str]) -> Self {
        Self::new(&[("t", fields)])
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.path().join("exports").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    async fn shape(&self, table: &str) -> Result<Result<Shape, Unfit>, Failure> {
        let mut reading = self.database.base.read().await?;
        let scope = &self.database.own.tables[table];
        reading.connection().examine(scope).await
    }

    async fn unfit(&self, table: &str) -> String {
        self.shape(table).await.unwrap().unwrap_err().reason
    }

    /// The first rows of a table.
    async fn rows(&self, table: &str) -> Result<Value, Failure> {
        let mut reading = self.database.base.read().await?;
        self.rows_by(reading.connection(), table).await
    }

    async fn rows_by(&self, link: &mut dyn Link, table: &str) -> Result<Value, Failure> {
        let scope = &self.database.own.tables[table];
        let shape = Shape::load(link, scope).await?;
        let table = Table {
            scope,
            shape: &shape,
        };
        let page = table.page(link, (None, 100), (1 << 20, 1 << 22)).await?;
        let row = |(row, _): &(Vec<super::super::cell::Cell>, bool)| {
            row.iter().map(|cell| cell.shown()).collect::<Value>()
        };
        Ok(page.iter().map(row).collect())
    }

    /// The declared types of the columns of a table.
    async fn types(&self, table: &str) -> Vec<String> {
        let shape = self.shape(table).await.unwrap().unwrap();
        shape
            .columns
            .into_iter()
            .map(|column| column.declared)
            .collect()
    }

    /// The throw-away databases.
    fn kept(&self) -> Vec<std::path::PathBuf> {
        let entries = fs::read_dir(self.folder.path().join(".drawbridge/state"));
        entries.map_or_else(
            |_| Vec::new(),
            |entries| entries.map(|entry| entry.unwrap().path()).collect(),
        )
    }
}

fn part(scope: Value) -> Part {
    Part {
        powers: std::collections::BTreeSet::new(),
        system: json!({"url": "reports:exports"}),
        scope,
        stale_after: None,
        when_stale: WhenStale::Warn,
    }
}
