//! A script that makes the connector's account, and gives it what the file needs and no more.

use std::collections::BTreeSet;

use drawbridge_core::log::plain;

use super::{
    dialect::Dialect,
    part::{APPLIED_TABLE, Address, Brand, Columns, Need, Own, Target, Tls, is_here},
    shape::{PUBLIC, Place},
};

/// What the account of a connector with this part needs.
pub(super) fn script(own: &Own) -> String {
    match &own.target {
        Target::File(path) => of_file(own, path),
        Target::Reports(path) => of_folder(path),
        Target::Server(address) => {
            let grants = Grants::new(own, address);
            match address.brand {
                Brand::Postgres => grants.postgres(),
                Brand::MariaDb => grants.mariadb(),
            }
        }
    }
}

/// SQLite knows no accounts: who may open the file may do anything.
fn of_file(own: &Own, path: &str) -> String {
    let path = comment(path);
    let mut lines = vec![
        format!("-- `{path}` is a file of SQLite, which knows no accounts: whoever can open it can do"),
        "-- anything with it. What counts is what the account that runs the gateway may do with files.".to_owned(),
    ];
    if own.changes() {
        lines.push(format!("-- It must read and write `{path}`, and `{path}-wal` and `{path}-shm` where they are there,"));
        lines.push(
            "-- and make and remove files in the folder: a journal lies beside the database."
                .to_owned(),
        );
    } else {
        lines.push(format!("-- It must read `{path}`, and must not write it. A database in WAL mode is an exception: readers"));
        lines.push(format!("-- too must write `{path}-shm`."));
    }
    lines.push("-- Nobody else needs any right on these files because of the gateway.".to_owned());
    lines.join("\n")
}

/// Exports are only read.
fn of_folder(path: &str) -> String {
    let path = comment(path);
    format!(
        "-- `{path}` is a folder, which knows no accounts: whoever can open its files can read them.\n\
         -- The account that runs the gateway must read the folder and its files, and must not write them."
    )
}

/// The script for a server, as it is written.
struct Grants<'a> {
    own: &'a Own,
    address: &'a Address,
    dialect: Dialect,
    /// The account, as it stands in statements.
    account: String,
    /// Who is given rights on tables: the account, or the role of a person.
    holder: String,
    /// The same, as it is called.
    called: String,
    /// What stands before such a line: where nobody knows which roles there are, it is a comment.
    before: &'static str,
    lines: Vec<String>,
}

impl<'a> Grants<'a> {
    fn new(own: &'a Own, address: &'a Address) -> Self {
        Self {
            own,
            address,
            dialect: address.dialect(),
            account: address.account(),
            holder: address.account(),
            called: address.user.clone(),
            before: "",
            lines: Vec::new(),
        }
    }

    fn add(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn add_right(&mut self, line: &str) {
        let line = format!("{}{line}", self.before);
        self.add(line);
    }

    /// What acting for the person needs, as far as the file tells.
    fn person(&mut self) {
        let Some(telling) = &self.own.telling else {
            return;
        };
        let names: Vec<String> = telling.settings().map(comment).collect();
        let fixed = telling.fixed_role().map(str::to_owned);
        if !names.is_empty() {
            let names = names.join(", ");
            self.add(format!("-- In each transaction it tells the database for whom it acts, by these settings: {names}."));
        }
        if !self.own.takes_role() {
            return;
        }
        self.add("-- It acts in the role of the person who asks, so the rights on tables are for such roles, and it must");
        self.add("-- be a member of each. Leave out what a role's people may not do.");
        if fixed.is_none() {
            self.add("-- For each role that a person can have, with its name instead of `role_of_a_person`:");
            self.before = "-- ";
        }
        self.called = fixed.unwrap_or_else(|| "role_of_a_person".to_owned());
        self.holder = self.dialect.quoted(&self.called);
        let line = format!("GRANT {} TO {};", self.holder, self.account);
        self.add_right(&line);
    }

    fn head(&mut self, server: &str) {
        let (user, shown) = (comment(&self.address.user), comment(&self.address.shown()));
        self.add(format!(
            "-- What `{user}` needs in `{shown}` ({server}), and no more."
        ));
        self.add("-- For whoever keeps the database. If the account is there, leave out the line that makes it.");
    }

    fn postgres(mut self) -> String {
        self.head("PostgreSQL");
        self.add("-- It has no password yet: set one with `\\password` in psql, which sends it hashed, and give the");
        self.add("-- same to `drawbridge secret set`, under the name in `identity.credential`.");
        self.add("BEGIN;");
        let account = self.account.clone();
        // Of a role that it can act as it uses nothing but while it does.
        let inherits = match self.own.takes_role() {
            true => " NOINHERIT",
            false => "",
        };
        self.add(format!(
            "CREATE ROLE {account} LOGIN{inherits} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION \
             NOBYPASSRLS;"
        ));
        let database = self.dialect.quoted(&self.address.database);
        self.add(format!(
            "GRANT CONNECT ON DATABASE {database} TO {account};"
        ));
        self.person();
        let needs = self.needs();
        let schemas: BTreeSet<&str> = needs.iter().map(|(place, _)| &*place.schema).collect();
        for schema in schemas {
            let schema = self.dialect.quoted(schema);
            let line = format!("GRANT USAGE ON SCHEMA {schema} TO {};", self.holder);
            self.add_right(&line);
        }
        for (place, need) in &needs {
            self.table(place, need);
        }
        let numbered = needs.iter().filter(|(_, need)| !need.insert.is_none());
        let numbered: Vec<String> = numbered
            .map(|(place, _)| self.dialect.table(place))
            .collect();
        if !numbered.is_empty() {
            self.sequences(&numbered);
        }
        self.applied(PUBLIC);
        self.add("COMMIT;");
        self.lines.join("\n")
    }

    fn mariadb(mut self) -> String {
        self.head("MariaDB or MySQL");
        let account = self.account.clone();
        if !is_here(&self.address.host) {
            self.add("-- Better than `%` is the name or address of the gateway's machine.");
        }
        self.add("-- It is locked until it has a password: `ALTER USER … IDENTIFIED BY '…' ACCOUNT UNLOCK`. Give the");
        self.add("-- same to `drawbridge secret set`, under the name in `identity.credential`.");
        let tls = match self.address.tls {
            Tls::Verify | Tls::Encrypt => " REQUIRE SSL",
            Tls::Off => "",
        };
        self.add(format!("CREATE USER {account}{tls} ACCOUNT LOCK;"));
        let database = self.address.database.clone();
        self.person();
        let needs = self.needs();
        if needs.iter().any(|(_, need)| !need.update.is_none()) {
            self.add("-- A column with `ON UPDATE CURRENT_TIMESTAMP` must be added to those of `UPDATE`, so that an");
            self.add("-- undo can put it back.");
        }
        for (place, need) in &needs {
            self.table(place, need);
        }
        self.applied(&database);
        self.lines.join("\n")
    }

    /// What each table of the file is needed for.
    fn needs(&self) -> Vec<(Place, Need)> {
        let tables = self.own.tables.values();
        tables
            .map(|scope| (scope.place.clone(), self.own.need(scope)))
            .collect()
    }

    fn table(&mut self, place: &Place, need: &Need) {
        let mut rights: Vec<String> = Vec::new();
        for word in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
            match need.columns(word) {
                Columns::Every => rights.push(word.to_owned()),
                Columns::These(columns) if columns.is_empty() => {}
                Columns::These(columns) => {
                    let columns = columns.iter().map(|column| self.dialect.quoted(column));
                    let columns: Vec<String> = columns.collect();
                    rights.push(format!("{word} ({})", columns.join(", ")));
                }
            }
        }
        let (rights, table) = (rights.join(", "), self.dialect.table(place));
        let line = format!("GRANT {rights} ON {table} TO {};", self.holder);
        self.add_right(&line);
    }

    /// The sequences that defaults take numbers from; those of identity columns need no right.
    fn sequences(&mut self, tables: &[String]) {
        let tables = tables
            .iter()
            .map(|table| format!("{}::regclass", literal(table)));
        let tables: Vec<String> = tables.collect();
        let body = format!(
            "DECLARE one regclass; BEGIN FOR one IN SELECT DISTINCT s.oid::regclass \
             FROM pg_attrdef AS d JOIN pg_depend AS p ON p.classid = 'pg_attrdef'::regclass \
             AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass \
             JOIN pg_class AS s ON s.oid = p.refobjid AND s.relkind = 'S' \
             WHERE d.adrelid IN ({}) LOOP \
             EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', one, {}); END LOOP; END",
            tables.join(", "),
            literal(&self.called),
        );
        self.add("-- The sequences that number rows, whatever they are called.");
        self.add_right(&format!("DO {};", literal(&body)));
    }

    /// The table in which effects leave their key: made here, the account need not make tables.
    fn applied(&mut self, schema: &str) {
        if self.own.applied_table && self.own.changes() {
            let table = self.dialect.table(&Place::new(schema, APPLIED_TABLE));
            let (columns, account) = (self.dialect.applied_columns(), self.account.clone());
            self.add(format!("CREATE TABLE IF NOT EXISTS {table}{columns};"));
            if self.dialect == Dialect::Postgres
                && (self.own.takes_role()
                    || self
                        .own
                        .tables
                        .values()
                        .all(|scope| scope.place.schema != schema))
            {
                let schema = self.dialect.quoted(schema);
                self.add(format!("GRANT USAGE ON SCHEMA {schema} TO {account};"));
            }
            self.add(format!("GRANT SELECT, INSERT ON {table} TO {account};"));
        }
    }
}

/// A text in quotes, in PostgreSQL.
fn literal(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// A text in a comment, which it must not end.
fn comment(text: &str) -> String {
    let shown = text.chars().filter(|letter| !plain::misleads(*letter));
    shown.collect()
}
