//! The engines: what each must do for the rest of the kind, which knows none of them.

mod excess;
mod gather;
mod mariadb;
mod postgres;
mod remote;
mod reports;
mod sqlite;
mod trouble;
mod values;

use std::sync::Arc;

use async_trait::async_trait;
use drawbridge_core::{answer::Failure, connector::Problem, credential::Credential};

#[cfg(test)]
pub(super) use reports::answer_rows;
pub use reports::child;

use super::{
    link::{Link, Transaction},
    part::{Acting, Brand, Own, Target},
};

/// A database behind its driver.
#[async_trait]
pub(super) trait Engine: Send + Sync {
    /// Begins to read: one moment of the database, in which nothing can be written.
    ///
    /// # Errors
    /// `unavailable` when it cannot be reached, `limited` when too many read, `denied` when the
    /// account may not act so.
    async fn read(&self, acting: &Acting) -> Result<Box<dyn Link>, Failure>;

    /// Whether it can be reached at all.
    ///
    /// # Errors
    /// As `read`.
    async fn reach(&self) -> Result<(), Failure> {
        self.read(&Acting::account()).await.map(drop)
    }

    /// Begins to write. While it lasts nobody else can begin with this key, and once it has begun no
    /// earlier transaction with this key can still be committed.
    ///
    /// # Errors
    /// `unavailable` while others hold what it needs, `denied` when the account may not act so.
    async fn write(&self, key: &str, acting: &Acting) -> Result<Box<dyn Transaction>, Failure>;

    /// What the connector's account can do, compared with what the file says.
    async fn rights(&self, own: &Own) -> Result<Rights, Failure>;

    /// Ends what runs and lets go of the database.
    async fn close(&self);

    fn is_closed(&self) -> bool;
}

/// What the account of a connector can do.
#[derive(Debug, Clone, Default)]
pub(super) struct Rights {
    /// What the engine is, for people; empty where that says nothing.
    pub(super) engine: String,
    /// What the file needs and the account cannot do.
    pub(super) problems: Vec<Problem>,
    /// What the account can do and the file does not need.
    pub(super) excess: Vec<String>,
}

/// The engine of a part, which signs in to a server with this credential.
pub(super) fn of(own: &Own, credential: Option<Arc<dyn Credential>>) -> Box<dyn Engine> {
    match &own.target {
        Target::File(path) => Box::new(sqlite::Sqlite::new(path, own)),
        Target::Reports(path) => Box::new(reports::Reports::new(path, own)),
        Target::Server(address) => {
            let identity = remote::Identity::new(credential, address.shown());
            match address.brand {
                Brand::Postgres => {
                    let wire = postgres::Postgres::new(address, identity);
                    Box::new(remote::Remote::new(wire))
                }
                Brand::MariaDb => {
                    let wire = mariadb::MariaDb::new(address, identity);
                    Box::new(remote::Remote::new(wire))
                }
            }
        }
    }
}
