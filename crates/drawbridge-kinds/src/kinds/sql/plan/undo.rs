//! The inverse of an applied plan.

use drawbridge_core::{
    answer::{Failure, Status},
    call::Power,
    plan::{Plan, Receipt},
};

use super::{
    super::{
        Database,
        cell::Cell,
        link::Link,
        rows::Table,
        shape::{Row, Shape},
        words,
        work::{Left, Step, Work},
    },
    Draft,
};

/// The plan that takes an applied one back; only where every row still is as it was left.
pub(in super::super) async fn undo(
    database: &Database,
    plan: &Plan,
    receipt: &Receipt,
) -> Result<Plan, Failure> {
    let work = Work::of(plan)?;
    let left = Left::of(receipt)?;
    if left.len() != work.steps.len() {
        let told = "the receipt is not one of this plan, so it cannot be taken back";
        return Err(Failure::invalid(told));
    }
    let scope = database.own.of_plan(&work.table)?;
    let scope = &scope.with_given(work.given.clone());
    let mut reading = database.read(&scope.given).await?;
    let connection = reading.connection();
    let shape = Shape::load(connection, scope).await?;
    let mut draft = Draft {
        table: Table {
            scope,
            shape: &shape,
        },
        targets: Vec::new(),
        steps: Vec::new(),
    };
    // What was done last is taken back first.
    for (step, left) in work.steps.into_iter().zip(left).rev() {
        draft.take_back(connection, step, left).await?;
    }
    let (action, power) = match draft.steps.first() {
        Some(Step::Insert { .. }) => ("insert", Power::Write),
        Some(Step::Delete { .. }) => ("delete", Power::Delete),
        Some(Step::Update { .. }) | None => ("update", Power::Update),
    };
    draft.finish(action, power, format!("Take back: {}", plan.sentence))
}

impl Draft<'_> {
    async fn take_back(
        &mut self,
        connection: &mut dyn Link,
        step: Step,
        left: Left,
    ) -> Result<(), Failure> {
        let Table { scope, shape } = self.table;
        let found = self.table.find(connection, &left.key).await?;
        let resource = words::resource(&scope.name, &left.key);
        let whole = found.as_ref().map(|row| row.whole(shape));
        let (step, before, after) = match (step, found) {
            _ if whole != left.whole => return Err(changed(&resource)),
            (Step::Insert { .. }, Some(row)) => {
                let step = Step::Delete {
                    key: left.key,
                    whole: row.whole(shape),
                    row: named(&row, shape),
                    rowid: row.rowid,
                };
                (step, Some(row), None)
            }
            (Step::Update { was, .. }, Some(row)) => {
                let old = row.with(shape, &was);
                let now = was.iter().map(|(name, _)| {
                    let cell = row.cell(shape, name);
                    (name.clone(), cell)
                });
                let now = now.collect();
                let step = Step::Update {
                    key: left.key,
                    whole: row.whole(shape),
                    becomes: old.lasting(shape),
                    was: now,
                    set: was,
                };
                (step, Some(row), Some(old))
            }
            (
                Step::Delete {
                    row: set, rowid, ..
                },
                None,
            ) => {
                let old = row_of(shape, &set);
                let step = Step::Insert {
                    set,
                    key: Some(left.key),
                    rowid,
                    becomes: Some(old.lasting(shape)),
                };
                (step, None, Some(old))
            }
            (Step::Insert { .. } | Step::Update { .. }, None) | (Step::Delete { .. }, Some(_)) => {
                return Err(changed(&resource));
            }
        };
        let image = |row: Option<Row>| row.map(|row| self.stored_image(&row));
        let images = (image(before), image(after));
        self.add(resource, images, step)
    }
}

fn changed(resource: &str) -> Failure {
    let told = format!("`{resource}` was changed since, so it is not taken back");
    Failure::new(Status::Conflict, told)
}

/// A row that was there, from what is kept of it.
fn row_of(shape: &Shape, kept: &[(String, Cell)]) -> Row {
    let cells = shape.columns.iter().map(|column| {
        let cell = kept.iter().find(|(name, _)| *name == column.name);
        cell.map_or(Cell::Null, |(_, cell)| cell.clone())
    });
    Row {
        cells: cells.collect(),
        rowid: None,
    }
}

pub(super) fn named(row: &Row, shape: &Shape) -> Vec<(String, Cell)> {
    let stored = row.stored(shape);
    stored
        .map(|(name, cell)| (name.to_owned(), cell.clone()))
        .collect()
}
