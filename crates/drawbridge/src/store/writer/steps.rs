//! Steps of kept plans, in the transaction that makes their record durable.

use drawbridge_core::plan::{KeptPlan, Step, answers_again};
use sqlx::{AnyConnection, Executor};

use crate::store::{
    StoreError,
    plans::{count_plans, encode, number, number_of},
};

/// Takes all steps of one record, or none and says why.
pub(super) async fn take(
    transaction: &mut AnyConnection,
    steps: &[Step],
) -> Result<Result<(), String>, StoreError> {
    if steps.is_empty() {
        return Ok(Ok(()));
    }
    // By name: the driver does not know of every transaction of the log's writer that it runs.
    transaction.execute("SAVEPOINT steps").await?;
    let taken = all(transaction, steps).await?;
    transaction
        .execute(match taken {
            Ok(()) => "RELEASE SAVEPOINT steps",
            Err(_) => "ROLLBACK TO SAVEPOINT steps; RELEASE SAVEPOINT steps",
        })
        .await?;
    Ok(taken)
}

async fn all(
    transaction: &mut AnyConnection,
    steps: &[Step],
) -> Result<Result<(), String>, StoreError> {
    for step in steps {
        let taken = match step {
            Step::Keep(plan, caps) => {
                for cap in caps {
                    if count_plans(transaction, &cap.count).await? >= cap.most {
                        return Ok(Err(cap.told.clone()));
                    }
                }
                keep(transaction, plan).await?
            }
            Step::Turn(plan) => turn(transaction, plan).await?,
        };
        if !taken {
            return Ok(Err("another change of this plan was first".to_owned()));
        }
    }
    Ok(Ok(()))
}

/// Keeps another plan, unless the same call has one.
async fn keep(transaction: &mut AnyConnection, plan: &KeptPlan) -> Result<bool, StoreError> {
    let kept = sqlx::query(
        "INSERT INTO plans (id, turn, stage, connector, action, person, client, task, token, same, \
         again, counts, let_through, created, due, news, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
         ON CONFLICT DO NOTHING",
    )
    .bind(&plan.id)
    .bind(number(plan.turn)?)
    .bind(plan.stage.word())
    .bind(&plan.connector)
    .bind(&plan.action)
    .bind(&plan.caller.person.id)
    .bind(&*plan.caller.client)
    .bind(plan.caller.task.as_deref())
    .bind(plan.caller.token.as_deref())
    .bind(&plan.same)
    .bind(i64::from(answers_again(plan)))
    .bind(plan.counts().map_or(0, number_of))
    .bind(plan.let_through.as_deref())
    .bind(plan.created.as_microsecond())
    .bind(plan.due().map(jiff::Timestamp::as_microsecond))
    .bind(i64::from(plan.news))
    .bind(encode(plan)?)
    .execute(transaction)
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// Puts a plan in the place of the turn before.
pub(in crate::store) async fn turn(
    transaction: &mut AnyConnection,
    plan: &KeptPlan,
) -> Result<bool, StoreError> {
    let turned = sqlx::query(
        "UPDATE plans SET turn = $2, stage = $3, again = $4, counts = $5, due = $6, \
         news = CASE WHEN $7 = 1 THEN 1 ELSE news END, body = $8 \
         WHERE id = $1 AND turn = $9",
    )
    .bind(&plan.id)
    .bind(number(plan.turn)?)
    .bind(plan.stage.word())
    .bind(i64::from(answers_again(plan)))
    .bind(plan.counts().map_or(0, number_of))
    .bind(plan.due().map(jiff::Timestamp::as_microsecond))
    .bind(i64::from(plan.news))
    .bind(encode(plan)?)
    .bind(number(plan.turn.saturating_sub(1))?)
    .execute(transaction)
    .await?;
    Ok(turned.rows_affected() == 1)
}
