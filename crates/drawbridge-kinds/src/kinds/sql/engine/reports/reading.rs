//! A look at what was loaded, which stays as it is while somebody reads.

use std::sync::Arc;

use async_trait::async_trait;
use drawbridge_core::answer::Failure;
use serde_json::Value;

use super::{
    super::super::{
        cell::Cell,
        freshness::Clock,
        link::{Done, Link},
        part::TableScope,
        query::Outcome,
        shape::{Column, Place, Shape, Unfit},
        statement::Statement,
    },
    Loaded, read_only,
};

/// A connection to the throw-away database.
pub(super) struct Reading {
    pub(super) link: Box<dyn Link>,
    pub(super) loaded: Arc<Loaded>,
}

#[async_trait]
impl Link for Reading {
    async fn run(&mut self, statement: Statement) -> Result<Done, Failure> {
        self.link.run(statement).await
    }

    async fn rows_up_to(
        &mut self,
        statement: Statement,
        bytes: usize,
    ) -> Result<Vec<Vec<Cell>>, Failure> {
        self.link.rows_up_to(statement, bytes).await
    }

    async fn table_up_to(
        &mut self,
        statement: Statement,
        most: (usize, usize),
    ) -> Result<Outcome, Failure> {
        self.link.table_up_to(statement, most).await
    }

    async fn attempt(
        &mut self,
        statement: Statement,
    ) -> Result<Result<Vec<Vec<Cell>>, Failure>, Failure> {
        self.link.attempt(statement).await
    }

    fn returns(&self) -> bool {
        self.link.returns()
    }

    /// A table of files says when the newest of them was changed.
    async fn examine(&mut self, table: &TableScope) -> Result<Result<Shape, Unfit>, Failure> {
        if let Some(unfit) = self.loaded.unfit.get(&table.name) {
            return Ok(Err(unfit.clone()));
        }
        let shape = self.link.examine(table).await?;
        let modified = self.loaded.modified.get(&table.name).copied();
        let clock = modified.map_or(Clock::Live, Clock::Of);
        Ok(shape.map(|shape| Shape { clock, ..shape }))
    }

    async fn typed(
        &mut self,
        column: &Column,
        given: &Value,
    ) -> Result<Result<Cell, String>, Failure> {
        self.link.typed(column, given).await
    }

    async fn sought(&mut self, column: &Column, given: &Cell) -> Result<Option<Cell>, Failure> {
        self.link.sought(column, given).await
    }

    async fn changes(&mut self) -> Result<i64, Failure> {
        self.link.changes().await
    }

    async fn applied_table(&mut self) -> Result<Option<Place>, Failure> {
        Ok(None)
    }

    async fn make_applied_table(&mut self) -> Result<Place, Failure> {
        Err(read_only())
    }
}
