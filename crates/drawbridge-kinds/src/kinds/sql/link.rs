//! One connection to a database, as the kind uses it, whichever engine is behind it.

use async_trait::async_trait;
use drawbridge_core::answer::Failure;
use serde_json::Value;

use super::{
    cell::Cell,
    part::TableScope,
    query::Outcome,
    shape::{Column, Place, Shape, Unfit},
    statement::Statement,
};

/// What a statement did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    /// How many rows it found to change.
    pub(super) rows: u64,
    /// The number that the database gave a new row, where it tells it so.
    pub(super) number: Option<u64>,
}

/// A connection inside a transaction. Dropped, the transaction is taken back, and what still runs
/// is stopped.
#[async_trait]
pub(super) trait Link: Send {
    /// Runs a statement, and tells what it did.
    async fn run(&mut self, statement: Statement) -> Result<Done, Failure>;

    /// Runs a statement, and returns its rows until they have so many bytes: the last goes over.
    async fn rows_up_to(
        &mut self,
        statement: Statement,
        bytes: usize,
    ) -> Result<Vec<Vec<Cell>>, Failure>;

    /// Rows of a statement over the engine's own catalogs, which nobody alters: it may be kept prepared.
    async fn catalog(&mut self, statement: Statement) -> Result<Vec<Vec<Cell>>, Failure> {
        self.rows_up_to(statement, usize::MAX).await
    }

    /// From here on no function, operator or type is found by its bare name but the engine's own:
    /// somebody may have made one that does more than it says. Or (`false`) all are again.
    async fn own_names_only(&mut self, _only: bool) -> Result<(), Failure> {
        Ok(())
    }

    /// From here on the account itself acts, until [`Link::as_person`]: what it keeps of effects is
    /// no matter of the person for whom they are done.
    async fn as_account(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// From here on the person acts again for whom the transaction was begun.
    async fn as_person(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Runs a question of a caller's own, until it has so many rows or bytes: the last goes over.
    async fn table_up_to(
        &mut self,
        statement: Statement,
        most: (usize, usize),
    ) -> Result<Outcome, Failure>;

    /// Runs a statement to its end; one that fails harms nothing else of the transaction.
    async fn attempt(
        &mut self,
        statement: Statement,
    ) -> Result<Result<Vec<Vec<Cell>>, Failure>, Failure>;

    /// Whether an `INSERT` can return the key of its row.
    fn returns(&self) -> bool;

    /// The table of a scope as the database has it; of one that does not fit it is told why.
    async fn examine(&mut self, table: &TableScope) -> Result<Result<Shape, Unfit>, Failure>;

    /// A value that somebody gives, as the column would keep it; or the rule it breaks, in words.
    async fn typed(
        &mut self,
        column: &Column,
        given: &Value,
    ) -> Result<Result<Cell, String>, Failure>;

    /// A value of a key that somebody gives, as the column has it; none when no row can have it.
    async fn sought(&mut self, column: &Column, given: &Cell) -> Result<Option<Cell>, Failure>;

    /// How many rows this transaction has changed so far, also by triggers and foreign keys.
    async fn changes(&mut self) -> Result<i64, Failure>;

    /// The table in which effects leave their key, if it is there.
    async fn applied_table(&mut self) -> Result<Option<Place>, Failure>;

    /// The same; it is made when it is not there. Asked before anything else is done.
    async fn make_applied_table(&mut self) -> Result<Place, Failure>;
}

/// The transaction that does an effect.
#[async_trait]
pub(super) trait Transaction: Link {
    /// Makes it last.
    ///
    /// # Errors
    /// `unknown` when nobody can tell whether it does; with any other status it does not.
    async fn commit(self: Box<Self>) -> Result<(), Failure>;

    /// Takes it back.
    async fn give_up(self: Box<Self>);
}
