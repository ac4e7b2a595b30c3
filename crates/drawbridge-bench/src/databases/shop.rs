//! The shop that is measured: customers and orders, the same in every database, and what is asked of
//! them, as a tool call and as the statement that a program without a gateway would send.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::{Value, json};

use crate::company::{OPERATOR, PERSON, policies};

/// Customers, of whom the measured person may see every other one.
const CUSTOMERS: u64 = 2_000;
/// Orders of each customer.
const ORDERS: u64 = 20;
/// All orders.
pub(crate) const ALL_ORDERS: u64 = CUSTOMERS * ORDERS;
/// Customers that the measured person may see: as many as an answer has rows at most.
pub(crate) const SEEN: u64 = CUSTOMERS / 2;
/// The account that connects to servers.
pub(crate) const ACCOUNT: &str = "bench";
/// Connections that a connector has to a server, and so has the direct call.
const OF_SERVER: u32 = 6;
/// The same, to a file.
const OF_FILE: u32 = 4;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum System {
    Sqlite,
    Postgres,
    MariaDb,
}

/// What is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Asked {
    /// `read` of one customer.
    Key,
    /// `search` for the 20 orders of one.
    Rows,
    /// A question about one customer's orders: a join, and groups.
    Narrow,
    /// The same about all customers.
    Whole,
}

pub(crate) const ALL: [Asked; 4] = [Asked::Key, Asked::Rows, Asked::Narrow, Asked::Whole];

impl System {
    /// Its name in tables.
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
        }
    }

    /// As the command line calls it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::MariaDb => "maria-db",
        }
    }

    /// The name of its connector.
    pub(crate) fn connector(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::MariaDb => "mariadb",
        }
    }

    pub(crate) fn connections(self) -> u32 {
        match self {
            Self::Sqlite => OF_FILE,
            Self::Postgres | Self::MariaDb => OF_SERVER,
        }
    }

    /// The tables, and all that is in them.
    pub(crate) fn schema(self) -> String {
        let mut text =
            "CREATE TABLE customers (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(80) NOT NULL, \
             region VARCHAR(20) NOT NULL, plan VARCHAR(20) NOT NULL, email VARCHAR(80) NOT NULL);\n\
             CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, customer_id BIGINT NOT NULL, \
             status VARCHAR(20) NOT NULL, amount BIGINT NOT NULL, placed VARCHAR(20) NOT NULL);\n\
             CREATE INDEX orders_of ON orders (customer_id);\n"
                .to_owned();
        for first in (1..=CUSTOMERS).step_by(500) {
            text += "INSERT INTO customers VALUES ";
            for id in first..first + 500 {
                let region = if id % 2 == 1 { "north" } else { "south" };
                let plan = if id % 3 == 0 { "premium" } else { "basic" };
                let comma = if id == first { "" } else { "," };
                let _ = write!(
                    text,
                    "{comma}({id},'customer-{id}-','{region}','{plan}','c{id}@shop.example')"
                );
            }
            text += ";\n";
            text += "INSERT INTO orders VALUES ";
            for id in (first - 1) * ORDERS + 1..=(first + 499) * ORDERS {
                let comma = if id == (first - 1) * ORDERS + 1 {
                    ""
                } else {
                    ","
                };
                let customer = (id - 1) / ORDERS + 1;
                let (status, amount) = (["open", "paid", "late"], id * 7_919 % 1_000);
                let status = status.get((id % 3) as usize).copied().unwrap_or("open");
                let (month, day) = (id % 12 + 1, id % 27 + 1);
                let _ = write!(
                    text,
                    "{comma}({id},{customer},'{status}',{amount},'2026-{month:02}-{day:02}')"
                );
            }
            text += ";\n";
        }
        text + match self {
            Self::Sqlite | Self::Postgres => "ANALYZE;",
            Self::MariaDb => "ANALYZE TABLE customers, orders;",
        }
    }

    /// What an account needs that reads the shop.
    pub(crate) fn account(self) -> String {
        match self {
            Self::Sqlite => String::new(),
            Self::Postgres => {
                format!(
                    "CREATE ROLE {ACCOUNT} LOGIN; GRANT SELECT ON customers, orders TO {ACCOUNT};"
                )
            }
            Self::MariaDb => format!(
                "CREATE USER {ACCOUNT}@localhost, {ACCOUNT}@127.0.0.1; \
                 GRANT SELECT ON shop.* TO {ACCOUNT}@localhost; GRANT SELECT ON shop.* TO {ACCOUNT}@127.0.0.1;"
            ),
        }
    }
}

impl Asked {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Rows => "rows",
            Self::Narrow => "narrow",
            Self::Whole => "whole",
        }
    }

    /// The customer that the call with this number is about.
    pub(crate) fn customer(at: u64) -> u64 {
        (at % SEEN) * 2 + 1
    }

    /// The tool, its arguments, and what the reply must hold.
    pub(crate) fn call(self, system: System, at: u64) -> (String, Value, String) {
        let id = Self::customer(at);
        let tool = |action: &str| format!("{}_{action}", system.connector());
        match self {
            Self::Key => (
                tool("read"),
                json!({"table": "customers", "key": id}),
                format!("customer-{id}-"),
            ),
            Self::Rows => (
                tool("search"),
                json!({"table": "orders", "where": [{"field": "customer_id", "op": "eq", "value": id}],
                       "limit": ORDERS}),
                format!("\"customer_id\":{id},"),
            ),
            Self::Narrow => (
                tool("query"),
                json!({"sql": format!("{JOINED} WHERE o.customer_id = {id} {GROUPED}")}),
                format!(",{ORDERS},"),
            ),
            Self::Whole => (
                tool("query"),
                json!({"sql": format!("{JOINED} {GROUPED}")}),
                "\"basic\"".to_owned(),
            ),
        }
    }

    /// The statement that a program would send: with what the gateway adds of itself, the rows that
    /// the person may see. The customer is bound, where there is one.
    pub(crate) fn statement(self, system: System) -> String {
        let text = match self {
            Self::Key => {
                "SELECT id, name, region, plan, email FROM customers WHERE id = $1 AND region = 'north'"
                    .to_owned()
            }
            Self::Rows => format!(
                "SELECT id, customer_id, status, amount, placed FROM orders WHERE customer_id = $1 \
                 ORDER BY id LIMIT {ORDERS}"
            ),
            Self::Narrow => {
                format!("{JOINED} WHERE c.region = 'north' AND o.customer_id = $1 {GROUPED}")
            }
            Self::Whole => format!("{JOINED} WHERE c.region = 'north' {GROUPED}"),
        };
        match system {
            System::Sqlite | System::Postgres => text,
            System::MariaDb => text.replace("$1", "?"),
        }
    }
}

const JOINED: &str = "SELECT c.plan, count(*) AS orders, max(o.amount) AS most FROM customers AS c \
     JOIN orders AS o ON o.customer_id = c.id";
const GROUPED: &str = "GROUP BY c.plan ORDER BY c.plan";

/// Each of so many orders beside each customer that may be seen.
pub(crate) fn crossed(orders: u64) -> Value {
    let text = "SELECT o.id, c.name FROM orders AS o CROSS JOIN customers AS c WHERE o.id <= ";
    json!({"sql": format!("{text}{orders}")})
}

/// Writes a workspace with a connector to each of these databases, by its URL.
pub(crate) fn write(folder: &Path, systems: &[(System, String)]) -> anyhow::Result<()> {
    for part in ["connectors", "policies"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let gateway = format!(
        "gateway: bench\naddress: 127.0.0.1:0\noperator: {OPERATOR}\npeople:\n  {OPERATOR}: {{groups: [owners]}}\n  \
         {PERSON}: {{groups: [staff, support], attributes: {{department: support, region: north}}}}\n\
         limits: {{per_person: 10000000/s, per_client: 10000000/s, per_connector: 10000000/s, concurrent: 1000}}\n"
    );
    fs::write(folder.join("drawbridge.yaml"), gateway)?;
    for (system, url) in systems {
        let name = system.connector();
        let file = format!(
            "connector: {name}\n\
             purpose: {{task: Measure what a call costs, owner: {OPERATOR}, review_every: 90d}}\n\
             system: {{kind: sql, url: \"{url}\"}}\n\
             scope:\n  label: internal\n  query: true\n  tables:\n    \
             customers: {{key: id, fields: [id, name, region, plan, email], rows: \"region = :person.region\"}}\n    \
             orders: {{key: id, fields: [id, customer_id, status, amount, placed]}}\n\
             access: [read, search]\n\
             identity: {{account: {ACCOUNT}, approved_by: {OPERATOR}, rotate_every: 90d}}\n\
             permissions:\n  \
             - {{who: [everyone], may: [read, search], only: {{table: [customers, orders], label: {{up_to: internal}}}}}}\n\
             logging: {{keep: 400d, content: summary}}\n\
             recovery: {{pause: [\"group:owners\"]}}\n"
        );
        fs::write(folder.join(format!("connectors/{name}.yaml")), file)?;
    }
    let (first, _) = systems.first().map_or(("sqlite", ""), |(system, url)| {
        (system.connector(), url.as_str())
    });
    let policies = policies((&format!("{first}_query"), "sql"), "table");
    Ok(fs::write(folder.join("policies/house.cedar"), policies)?)
}
