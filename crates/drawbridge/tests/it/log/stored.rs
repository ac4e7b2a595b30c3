//! A log of some batches, in a store of its own, to be changed behind the gateway's back.

use std::{path::PathBuf, sync::Arc};

use drawbridge::{
    audit::verify,
    store::{Place, Store, Writer},
};
use drawbridge_core::{
    answer::Status,
    call::{Caller, Person},
    log::{Entry, Journal, Record, checkpoint::Signer},
    secret::Secret,
};
use jiff::Timestamp;
use sqlx::{Any, AnyConnection, Connection, Pool, any::AnyPoolOptions};

pub(crate) const RECORDS: usize = 40;

pub(crate) struct Stored {
    pub(crate) place: Place,
    pub(crate) folder: tempfile::TempDir,
    key: Vec<u8>,
}

pub(crate) fn record(number: usize, person: &str) -> Record {
    let mut caller = Caller::gateway();
    caller.person = Arc::new(Person {
        id: person.to_owned(),
        ..Person::unknown()
    });
    let id = uuid::Uuid::from_u128(0x7000_0000 + number as u128).to_string();
    let time = Timestamp::from_second(1_790_000_000 + number as i64).unwrap();
    let mut record = Record::begin(&id, time, &caller, ("handbook", "search"));
    record.status = if number.is_multiple_of(7) {
        Status::Denied
    } else {
        Status::Ok
    };
    record
}

impl Stored {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            place: Place::Sqlite(folder.path().join("drawbridge.db")),
            folder,
            key: Signer::generate().unwrap(),
        }
    }

    pub(crate) async fn postgres() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self {
            place: Place::Postgres(Secret::new(super::served::database().await)),
            folder: tempfile::tempdir().unwrap(),
            key: Signer::generate().unwrap(),
        }
    }

    pub(crate) fn signer(&self) -> Signer {
        Signer::new("test", &self.key).unwrap()
    }

    pub(crate) fn witness(&self) -> PathBuf {
        self.folder.path().join("checkpoint")
    }

    pub(crate) fn note(&self) -> String {
        std::fs::read_to_string(self.witness()).unwrap()
    }

    pub(crate) async fn open(&self) -> (Store, Arc<Writer>) {
        let store = Store::open(&self.place).await.unwrap();
        let writer = store.journal(self.signer(), self.witness());
        (store, writer)
    }

    /// Writes the records in batches of different sizes.
    pub(crate) async fn fill(&self, person: &str) {
        let (store, writer) = self.open().await;
        let mut next = 0;
        for size in [1, 2, 3, 1, 5, 8, 1, 4, 6, 9] {
            let batch = (next..next + size).map(|number| {
                let entry = Entry::new(record(number, person)).unwrap();
                writer.append(entry)
            });
            for place in futures_util::future::join_all(batch).await {
                place.unwrap();
            }
            next += size;
        }
        assert_eq!(next, RECORDS);
        store.close().await;
    }

    /// Why it does not verify; none when it does.
    pub(crate) async fn finding(&self, witness: Option<&str>) -> Option<String> {
        let store = Store::look(&self.place).await.unwrap();
        let key = self.signer().public();
        let found = verify(&store, key, witness).await;
        store.close().await;
        found.err().map(|error| error.to_string())
    }

    /// A connection that changes it behind the gateway's back.
    pub(crate) async fn connection(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&self.url()).await.unwrap()
    }

    pub(crate) async fn pool(&self) -> Pool<Any> {
        sqlx::any::install_default_drivers();
        let options = AnyPoolOptions::new().max_connections(1);
        options.connect(&self.url()).await.unwrap()
    }

    fn url(&self) -> String {
        match &self.place {
            Place::Sqlite(file) => format!("sqlite:{}", file.display()),
            Place::Postgres(url) => url.expose().clone(),
        }
    }
}
