//! What came of a plan that was begun.

use std::time::Duration;

use drawbridge_core::{
    answer::{Failure, Status},
    plan::{Plan, Receipt, Settled},
};
use tokio::time::{Instant, sleep};

use super::{
    super::{
        Database,
        base::Writing,
        part::Acting,
        rows::Table,
        shape::Shape,
        work::{Left, Step, Work},
    },
    is_after, known, seen,
};

/// How long one tries to get the lock: as long as a commit of a dead process can be on its way.
const TRY_FOR: Duration = Duration::from_secs(25);
/// How long one waits between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// Looks whether a plan was done. It holds the lock while it looks: a commit that was on its way has
/// ended by then, and a process that wakes up later is too late to begin one.
pub(in super::super) async fn settle(database: &Database, plan: &Plan, key: &str) -> Settled {
    match looked(database, plan, key).await {
        Ok(settled) => settled,
        Err(failure) => failure.into(),
    }
}

async fn looked(database: &Database, plan: &Plan, key: &str) -> Result<Settled, Failure> {
    let work = Work::of(plan)?;
    // Where the account keeps the keys, it needs nobody's rights to look for one.
    let acting = match database.own.applied_table {
        true => Acting::account(),
        false => database.own.acting(&work.given)?,
    };
    let mut writing = locked(database, key, &acting).await?;
    let settled = match known(database, &mut writing, key).await {
        Ok(Some(receipt)) => Ok(Settled::Applied(receipt)),
        Ok(None) if database.own.applied_table => Ok(Settled::NotApplied),
        Ok(None) => compared(database, &mut writing, (plan, &work)).await,
        Err(failure) => Err(failure),
    };
    writing.give_up().await;
    settled
}

async fn locked(database: &Database, key: &str, acting: &Acting) -> Result<Writing, Failure> {
    let until = Instant::now() + TRY_FOR;
    loop {
        match database.base.write(key, acting).await {
            Err(failure) if failure.status == Status::Unavailable && Instant::now() < until => {
                if database.base.is_closed() {
                    return Err(failure);
                }
                sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

/// Without keys in the database only the rows can tell.
async fn compared(
    database: &Database,
    writing: &mut Writing,
    (plan, work): (&Plan, &Work),
) -> Result<Settled, Failure> {
    let scope = database.own.of_plan(&work.table)?;
    let scope = &scope.with_given(work.given.clone());
    let connection = writing.connection();
    let shape = Shape::load(connection, scope).await?;
    let table = Table {
        scope,
        shape: &shape,
    };
    let (mut applied, mut left, mut before) = (Vec::new(), Vec::new(), 0_usize);
    for (step, target) in work.steps.iter().zip(&plan.targets) {
        let key = match step {
            Step::Insert { key: None, .. } => {
                let told = "nobody can tell whether the row was added, because the database gives \
                            it its key; with `applied_table: true` one could";
                return Ok(Settled::Unknown(told.to_owned()));
            }
            Step::Insert { key: Some(key), .. }
            | Step::Update { key, .. }
            | Step::Delete { key, .. } => key,
        };
        let found = table.find(connection, key).await?;
        let is_before = match step {
            Step::Insert { .. } => found.is_none(),
            Step::Update { whole, .. } | Step::Delete { whole, .. } => found
                .as_ref()
                .is_some_and(|row| row.whole(&shape) == *whole),
        };
        if is_before {
            before += 1;
        } else if is_after(table, (step, target), found.as_ref()) {
            let (now, then) = seen(table, (step, target), key.clone(), found.as_ref());
            applied.push(now);
            left.push(then);
        }
    }
    Ok(if before == work.steps.len() {
        Settled::NotApplied
    } else if applied.len() == work.steps.len() {
        Settled::Applied(Receipt {
            sentence: plan.sentence.clone(),
            applied,
            work: Left::kept(&left)?,
        })
    } else {
        let told =
            "the rows are neither as they were nor as they would be: somebody else changed them";
        Settled::Unknown(told.to_owned())
    })
}
