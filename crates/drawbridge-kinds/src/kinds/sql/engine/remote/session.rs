//! One transaction on a server. However it ends, the server is left tidy.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use drawbridge_core::answer::{Failure, Status};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    super::super::{
        base::READ_WITHIN,
        cell::Cell,
        link::{Done, Link, Transaction},
        part::{Acting, TableScope},
        query::Outcome,
        shape::{Column, Place, Shape, Unfit},
        statement::Statement,
    },
    super::values,
    COMMIT_WITHIN, Held, Purpose, Server, TIDY, WRITE_WITHIN, Wire, stopped,
};

/// How far a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The server waits for the next statement.
    Open,
    /// A statement was sent and is not answered yet.
    Busy,
    /// A statement failed: nothing of it may be committed.
    Failed,
    /// Nobody knows what the server does with the connection.
    Lost,
}

/// A transaction on a server.
pub(super) struct Session<W: Wire> {
    server: Arc<Server<W>>,
    held: Option<Held<W::Connection>>,
    permit: Option<OwnedSemaphorePermit>,
    until: Instant,
    stage: Stage,
    acting: Acting,
    /// Whether the account itself acts at this moment, for nobody.
    aside: bool,
}

impl<W: Wire> Session<W> {
    pub(super) fn new(
        server: Arc<Server<W>>,
        (mut held, permit): (Held<W::Connection>, OwnedSemaphorePermit),
        (purpose, acting): (Purpose<'_>, &Acting),
    ) -> Self {
        held.acted |= !acting.is_account();
        let within = match purpose {
            Purpose::Read => READ_WITHIN,
            Purpose::Write(_) => WRITE_WITHIN,
        };
        Self {
            server,
            held: Some(held),
            permit: Some(permit),
            until: Instant::now() + within,
            stage: Stage::Open,
            acting: acting.clone(),
            aside: true,
        }
    }

    pub(super) async fn begin(&mut self, purpose: Purpose<'_>) -> Result<(), Failure> {
        let server = self.server.clone();
        self.ask(async |raw| server.wire.begin(raw, purpose).await)
            .await?;
        self.act(self.acting.clone()).await
    }

    /// From here on what is done is done for the person, if it is for one at all.
    async fn act(&mut self, acting: Acting) -> Result<(), Failure> {
        if acting.is_account() {
            return Ok(());
        }
        let server = self.server.clone();
        let asked = self.ask(async |raw| server.wire.act(raw, &acting).await);
        if !asked.await? {
            return Err(self.acting.refused());
        }
        self.aside = false;
        Ok(())
    }

    /// The failure that an error is.
    fn told(&self, error: sqlx::Error) -> Failure {
        if !self.aside && self.server.wire.forbids(&error) {
            let told = "the database does not allow this to the person for whom it is asked, so \
                        nothing was done; ask whoever keeps the database";
            return Failure::new(Status::Denied, told).with_source(error);
        }
        self.server.wire.told(error)
    }

    /// Its permit, when it turned out that the connection was dead.
    pub(super) fn lost(mut self) -> Option<OwnedSemaphorePermit> {
        match self.stage {
            Stage::Lost => self.permit.take(),
            Stage::Open | Stage::Busy | Stage::Failed => None,
        }
    }

    /// Asks the server something, within the time that the transaction has.
    async fn ask<T>(
        &mut self,
        ask: impl AsyncFnOnce(&mut W::Connection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Failure> {
        let Some(held) = self.held.as_mut().filter(|_| self.stage == Stage::Open) else {
            let told = "an earlier statement of the transaction failed";
            return Err(Failure::new(Status::Failed, told));
        };
        let server = &self.server;
        let left = self.until.saturating_duration_since(Instant::now());
        self.stage = Stage::Busy;
        let asked = tokio::select! {
            () = server.stop.cancelled() => Err(stopped()),
            asked = tokio::time::timeout(left, ask(&mut held.raw)) => match asked {
                Ok(asked) => Ok(asked),
                Err(_) => Err(late()),
            },
        };
        // What was cut off stays busy: the server is told to stop it when this is dropped.
        let asked = asked?;
        self.stage = match &asked {
            Ok(_) => Stage::Open,
            Err(error) if server.wire.ended(error) => Stage::Lost,
            // The server answered, or others held for too long what was asked for.
            Err(error) if error.as_database_error().is_some() => Stage::Failed,
            Err(sqlx::Error::PoolTimedOut) => Stage::Failed,
            Err(_) => Stage::Lost,
        };
        asked.map_err(|error| self.told(error))
    }

    async fn end(&mut self, words: &'static str, within: Duration) -> Result<(), Ended> {
        let Some(held) = self.held.as_mut() else {
            return Err(Ended::Untold(None));
        };
        self.stage = Stage::Lost;
        let ending = self.server.wire.execute(&mut held.raw, words);
        match tokio::time::timeout(within, ending).await {
            Ok(Ok(())) => {
                let forgotten = forgets(&self.server, held, &self.acting).await;
                if let Some(held) = self.held.take().filter(|_| forgotten) {
                    self.server.put_idle(held);
                }
                Ok(())
            }
            Ok(Err(error)) if self.server.wire.refused(&error) => Err(Ended::Refused(error)),
            Ok(Err(error)) => Err(Ended::Untold(Some(error))),
            Err(_) => Err(Ended::Untold(None)),
        }
    }
}

/// How a transaction did not end.
enum Ended {
    /// The server says that it was taken back.
    Refused(sqlx::Error),
    /// Nobody knows.
    Untold(Option<sqlx::Error>),
}

#[async_trait]
impl<W: Wire> Link for Session<W> {
    async fn run(&mut self, statement: Statement) -> Result<Done, Failure> {
        let server = self.server.clone();
        let written = statement.written(server.wire.dialect());
        self.ask(async |raw| server.wire.run(raw, written).await)
            .await
    }

    async fn rows_up_to(
        &mut self,
        statement: Statement,
        bytes: usize,
    ) -> Result<Vec<Vec<Cell>>, Failure> {
        let server = self.server.clone();
        let written = statement.written(server.wire.dialect());
        self.ask(async |raw| server.wire.rows(raw, written, bytes).await)
            .await
    }

    async fn catalog(&mut self, statement: Statement) -> Result<Vec<Vec<Cell>>, Failure> {
        let server = self.server.clone();
        let written = statement.written(server.wire.dialect());
        self.ask(async |raw| server.wire.catalog(raw, written).await)
            .await
    }

    async fn own_names_only(&mut self, only: bool) -> Result<(), Failure> {
        let server = self.server.clone();
        self.ask(async |raw| server.wire.own_names_only(raw, only).await)
            .await
    }

    async fn as_account(&mut self) -> Result<(), Failure> {
        if self.acting.role.is_some() && !self.aside {
            let server = self.server.clone();
            let asked = self.ask(async |raw| server.wire.step_aside(raw).await);
            self.aside = asked.await?;
        }
        Ok(())
    }

    async fn as_person(&mut self) -> Result<(), Failure> {
        match self.aside {
            true => self.act(self.acting.of_role()).await,
            false => Ok(()),
        }
    }

    async fn table_up_to(
        &mut self,
        statement: Statement,
        most: (usize, usize),
    ) -> Result<Outcome, Failure> {
        let server = self.server.clone();
        let written = statement.written(server.wire.dialect());
        let asked = async |raw: &mut W::Connection| server.wire.table(raw, written, most).await;
        let outcome = self.ask(asked).await?;
        if outcome.unread {
            // The server has more to say: it is stopped when this is dropped.
            self.stage = Stage::Busy;
        }
        Ok(outcome)
    }

    async fn attempt(
        &mut self,
        statement: Statement,
    ) -> Result<Result<Vec<Vec<Cell>>, Failure>, Failure> {
        let server = self.server.clone();
        let written = statement.written(server.wire.dialect());
        let tried = self
            .ask(async |raw| server.wire.attempt(raw, written).await)
            .await?;
        Ok(tried.map_err(|error| self.told(error)))
    }

    fn returns(&self) -> bool {
        self.server.wire.dialect().returns()
    }

    async fn examine(&mut self, table: &TableScope) -> Result<Result<Shape, Unfit>, Failure> {
        let server = self.server.clone();
        server.wire.examine(self, table).await
    }

    async fn typed(
        &mut self,
        column: &Column,
        given: &Value,
    ) -> Result<Result<Cell, String>, Failure> {
        let server = self.server.clone();
        server.wire.typed(self, column, given).await
    }

    /// What the column cannot hold no row has.
    async fn sought(&mut self, column: &Column, given: &Cell) -> Result<Option<Cell>, Failure> {
        let given = values::key(column, given);
        Ok(self.typed(column, &given).await?.ok())
    }

    async fn changes(&mut self) -> Result<i64, Failure> {
        let server = self.server.clone();
        server.wire.changes(self).await
    }

    async fn applied_table(&mut self) -> Result<Option<Place>, Failure> {
        let server = self.server.clone();
        server.wire.applied_table(self).await
    }

    async fn make_applied_table(&mut self) -> Result<Place, Failure> {
        let server = self.server.clone();
        server.wire.make_applied_table(self).await
    }
}

#[async_trait]
impl<W: Wire> Transaction for Session<W> {
    async fn commit(mut self: Box<Self>) -> Result<(), Failure> {
        if self.stage != Stage::Open {
            let told = "an earlier statement of the transaction failed, so nothing was changed";
            return Err(Failure::new(Status::Failed, told));
        }
        if self.server.stop.is_cancelled() {
            return Err(stopped());
        }
        if Instant::now() >= self.until {
            return Err(late());
        }
        match self.end("COMMIT", COMMIT_WITHIN).await {
            Ok(()) => Ok(()),
            Err(Ended::Refused(error)) => Err(self.told(error)),
            Err(Ended::Untold(error)) => {
                let told = "the database did not say whether it was done";
                let failure = Failure::new(Status::Unknown, told);
                Err(match error {
                    Some(error) => failure.with_source(error),
                    None => failure,
                })
            }
        }
    }

    async fn give_up(mut self: Box<Self>) {
        if matches!(self.stage, Stage::Open | Stage::Failed) {
            let _ = self.end("ROLLBACK", TIDY).await;
        }
    }
}

impl<W: Wire> Drop for Session<W> {
    fn drop(&mut self) {
        let (Some(held), Ok(runtime)) = (self.held.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let (server, permit, stage) = (self.server.clone(), self.permit.take(), self.stage);
        let left = (stage, std::mem::take(&mut self.acting));
        self.server
            .tidying
            .spawn_on(tidied(server, (held, permit), left), &runtime);
    }
}

/// Leaves nothing behind of a transaction that was let go of.
async fn tidied<W: Wire>(
    server: Arc<Server<W>>,
    (mut held, permit): (Held<W::Connection>, Option<OwnedSemaphorePermit>),
    (stage, acting): (Stage, Acting),
) {
    match stage {
        Stage::Open | Stage::Failed => {
            let rollback = server.wire.execute(&mut held.raw, "ROLLBACK");
            if within(rollback).await && forgets(&server, &mut held, &acting).await {
                server.put_idle(held);
            }
        }
        Stage::Busy => {
            within(server.wire.stop(held.number)).await;
            drop(held);
        }
        // The server takes back what is not committed when the connection ends.
        Stage::Lost => drop(held),
    }
    drop(permit);
}

/// Whether nothing is left of a person on a connection whose transaction has ended. One that cannot
/// forget is not used again.
async fn forgets<W: Wire>(
    server: &Server<W>,
    held: &mut Held<W::Connection>,
    acting: &Acting,
) -> bool {
    acting.is_account() || within(server.wire.forget(&mut held.raw, acting)).await
}

async fn within<E>(work: impl Future<Output = Result<(), E>>) -> bool {
    let done = tokio::time::timeout(TIDY, work).await;
    done.is_ok_and(|done| done.is_ok())
}

fn late() -> Failure {
    let told = "the database took too long, and was stopped";
    Failure::new(Status::Timeout, told)
}
