//! Doing a plan, once, in one transaction; and finding out whether it was done.

mod keys;
mod settle;

use drawbridge_core::{
    answer::{Failure, Status},
    plan::{Applied, Image, Plan, Receipt, Target},
};
use serde_json::{Map, Value};

use super::{
    Database,
    base::Writing,
    cell::Cell,
    link::Link,
    part::Triggers,
    rows::Table,
    shape::{Row, Shape},
    window::outside,
    words,
    work::{Left, Step, Work},
};
pub(super) use settle::settle;

/// Does a plan. Whatever ends this before the commit takes everything back.
///
/// # Errors
/// `unknown` when nobody can tell what came of the commit; with any other status nothing was
/// changed, and nothing will be.
pub(super) async fn apply(database: &Database, plan: &Plan, key: &str) -> Result<Receipt, Failure> {
    let work = Work::of(plan)?;
    let acting = database.own.acting(&work.given)?;
    let mut writing = database.base.write(key, &acting).await?;
    let done = match known(database, &mut writing, key).await {
        Ok(Some(receipt)) => {
            writing.give_up().await;
            return Ok(receipt);
        }
        Ok(None) => steps(database, &mut writing, (plan, &work), key).await,
        Err(failure) => Err(failure),
    };
    match done {
        Ok(receipt) => {
            writing.commit().await?;
            database.base.remember(key, &receipt);
            Ok(receipt)
        }
        Err(failure) => {
            writing.give_up().await;
            Err(failure)
        }
    }
}

/// The receipt of an effect that was done with this key.
async fn known(
    database: &Database,
    writing: &mut Writing,
    key: &str,
) -> Result<Option<Receipt>, Failure> {
    if database.own.applied_table {
        keys::find(writing.connection(), key).await
    } else {
        Ok(database.base.remembered(key))
    }
}

async fn steps(
    database: &Database,
    writing: &mut Writing,
    (plan, work): (&Plan, &Work),
    key: &str,
) -> Result<Receipt, Failure> {
    let scope = database.own.of_plan(&work.table)?;
    let scope = &scope.with_given(work.given.clone());
    let connection = writing.connection();
    let keys = match database.own.applied_table {
        true => Some(keys::place(connection).await?),
        false => None,
    };
    let shape = Shape::load(connection, scope).await?;
    let table = Table {
        scope,
        shape: &shape,
    };
    if scope.triggers == Triggers::Refuse && work.steps.iter().any(|step| fires(&shape, step)) {
        return Err(spreads());
    }
    let before = connection.changes().await?;
    let (mut applied, mut left) = (Vec::new(), Vec::new());
    for (step, target) in work.steps.iter().zip(&plan.targets) {
        let key = one(table, connection, step).await?;
        let (now, then) = checked(table, connection, (step, target), key).await?;
        applied.push(now);
        left.push(then);
    }
    let spread = connection.changes().await?.saturating_sub(before);
    let own = i64::try_from(work.steps.len()).unwrap_or(i64::MAX);
    if scope.triggers == Triggers::Refuse && spread != own {
        return Err(spreads());
    }
    let receipt = Receipt {
        sentence: plan.sentence.clone(),
        applied,
        work: Left::kept(&left)?,
    };
    if let Some(place) = keys {
        let now = database.context.clock.now();
        keys::keep(connection, (&place, key, now), &receipt).await?;
    }
    Ok(receipt)
}

/// Whether a step lets triggers or foreign keys do what nobody can count.
fn fires(shape: &Shape, step: &Step) -> bool {
    match step {
        Step::Insert { .. } => shape.uncounted.on_insert,
        Step::Update { set, .. } => {
            let carried = |(name, _): &(String, Cell)| shape.cascades.on_update.contains(name);
            let carries = !shape.cascades.counted && set.iter().any(carried);
            shape.uncounted.on_update || carries
        }
        Step::Delete { .. } => {
            let carries = !shape.cascades.counted && shape.cascades.on_delete;
            shape.uncounted.on_delete || carries
        }
    }
}

/// Does one step, if its row still is as the plan says, and returns the row's key.
async fn one(
    table: Table<'_>,
    connection: &mut dyn Link,
    step: &Step,
) -> Result<Vec<Cell>, Failure> {
    let name = |key: &[Cell]| words::resource(&table.scope.name, key);
    match step {
        Step::Insert {
            set, key, rowid, ..
        } => {
            if let Some(key) = key
                && table.find(connection, key).await?.is_some()
            {
                let told = format!("`{}` is there by now, so nothing was changed", name(key));
                return Err(Failure::new(Status::Conflict, told));
            }
            let number = match rowid {
                // Another row has its number by now: it comes back with a new one.
                Some(number) if table.has_number(connection, *number).await? => None,
                number => *number,
            };
            table.insert(connection, set, number).await
        }
        Step::Update {
            key, whole, set, ..
        } => {
            as_planned(table, connection, key, whole).await?;
            table.update(connection, key, set).await?;
            Ok(key.clone())
        }
        Step::Delete { key, whole, .. } => {
            as_planned(table, connection, key, whole).await?;
            table.delete(connection, key).await?;
            Ok(key.clone())
        }
    }
}

async fn as_planned(
    table: Table<'_>,
    connection: &mut dyn Link,
    key: &[Cell],
    whole: &str,
) -> Result<(), Failure> {
    let found = table.hold(connection, key).await?;
    if found.is_some_and(|row| row.whole(table.shape) == whole) {
        return Ok(());
    }
    let name = words::resource(&table.scope.name, key);
    let told = format!("`{name}` was changed meanwhile, so nothing was changed");
    Err(Failure::new(Status::Conflict, told))
}

/// Looks whether a step made of its row what the plan says.
async fn checked(
    table: Table<'_>,
    connection: &mut dyn Link,
    (step, target): (&Step, &Target),
    key: Vec<Cell>,
) -> Result<(Applied, Left), Failure> {
    let found = table.find(connection, &key).await?;
    if found.is_none() && table.scope.rows.is_some() && !matches!(step, Step::Delete { .. }) {
        return Err(outside());
    }
    if !is_after(table, (step, target), found.as_ref()) {
        return Err(differs());
    }
    Ok(seen(table, (step, target), key, found.as_ref()))
}

/// A target as it is after its step.
fn seen(
    table: Table<'_>,
    (step, target): (&Step, &Target),
    key: Vec<Cell>,
    row: Option<&Row>,
) -> (Applied, Left) {
    let generated = matches!(step, Step::Insert { key: None, .. });
    let applied = Applied {
        resource: words::resource(&table.scope.name, &key),
        change: target.change(),
        id: generated.then(|| words::key_text(&key)),
        version: row.map(|row| table.version(row)),
    };
    let left = Left {
        whole: row.map(|row| row.whole(table.shape)),
        key,
    };
    (applied, left)
}

/// Whether a row is what its step makes of it. Where triggers may change more, what is visible and
/// was planned must be as planned, and the rest may be otherwise.
fn is_after(table: Table<'_>, (step, target): (&Step, &Target), row: Option<&Row>) -> bool {
    let strict = table.scope.triggers == Triggers::Refuse;
    let planned = |row: &Row| {
        let image = table.image(row);
        let Some(Image::Fields(after)) = &target.after else {
            return false;
        };
        visible(after, &image)
    };
    match (step, row) {
        (Step::Delete { .. }, row) => row.is_none(),
        (_, None) => false,
        (
            Step::Update { becomes, .. }
            | Step::Insert {
                becomes: Some(becomes),
                ..
            },
            Some(row),
        ) => planned(row) && (!strict || row.lasting(table.shape) == *becomes),
        (
            Step::Insert {
                set, becomes: None, ..
            },
            Some(row),
        ) => {
            let kept = |(name, cell): &(String, Cell)| row.cell(table.shape, name) == *cell;
            planned(row) && set.iter().all(kept)
        }
    }
}

fn visible(after: &Map<String, Value>, image: &Map<String, Value>) -> bool {
    after
        .iter()
        .all(|(name, value)| image.get(name) == Some(value))
}

fn spreads() -> Failure {
    let told = "triggers or foreign keys of the database would change other things with it, so \
                nothing was changed; whoever keeps the connector can allow that with `triggers: allow`";
    Failure::new(Status::Failed, told)
}

fn differs() -> Failure {
    let told = "the database made something else of it than was planned, by a trigger or a type of \
                its own, so nothing was changed; tell whoever keeps the connector";
    Failure::new(Status::Failed, told)
}
