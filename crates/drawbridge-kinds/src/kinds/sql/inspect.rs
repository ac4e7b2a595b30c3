//! What is true of the database: whether it fits the file, and what else could be done to it.

use std::collections::BTreeMap;

use drawbridge_core::{
    answer::Failure,
    connector::{Health, Inspection, Problem},
};

use super::{
    Database,
    freshness::Clock,
    named,
    part::{Acting, TableScope, Triggers},
    shape::Shape,
    within,
};

pub(super) async fn inspect(database: &Database) -> Inspection {
    match within(looked(database)).await {
        Ok(inspection) => inspection,
        Err(failure) => Inspection {
            health: Health::Down,
            summary: failure.message,
            synced: None,
            progress: None,
            resources: 0,
            problems: Vec::new(),
            problem_count: 0,
            labels: BTreeMap::new(),
            excess: Vec::new(),
        },
    }
}

async fn looked(database: &Database) -> Result<Inspection, Failure> {
    let tables = &database.own.tables;
    let mut problems = Vec::new();
    let mut usable = 0_u64;
    let mut reading = database.base.read(&Acting::account()).await?;
    for scope in tables.values() {
        match reading.connection().examine(scope).await? {
            Ok(shape) => {
                usable += 1;
                problems.extend(side_effects(scope, &shape));
                problems.extend(undated(scope, &shape));
            }
            // What only people's roles can see is looked at when they ask.
            Err(_) if database.own.takes_role() && scope.dialect.hides() => usable += 1,
            Err(unfit) => problems.push(Problem {
                path: scope.name.clone(),
                reason: unfit.reason,
                mend: unfit.mend,
            }),
        }
    }
    drop(reading);
    if problems.is_empty() {
        problems.extend(named::examined(database).await?);
    }
    let rights = database.base.rights(&database.own).await?;
    problems.extend(rights.problems);
    let problem_count = problems.len();
    problems.truncate(Inspection::MAX_PROBLEMS);
    let engine = match rights.engine.as_str() {
        "" => String::new(),
        engine => format!(" of {engine}"),
    };
    let (health, summary) = match problems.first() {
        None => (Health::Ready, format!("{usable} tables{engine}")),
        Some(problem) => {
            let (path, reason) = (&problem.path, &problem.reason);
            let told = format!("{usable} tables{engine}; `{path}`: {reason}");
            (Health::Degraded, told)
        }
    };
    Ok(Inspection {
        health,
        summary,
        synced: Some(database.context.clock.now()),
        progress: None,
        resources: usable,
        problem_count: problem_count as u64,
        problems,
        labels: BTreeMap::new(),
        excess: rights.excess,
    })
}

/// That a table is of a copy, and nobody can tell how old that is.
fn undated(scope: &TableScope, shape: &Shape) -> Option<Problem> {
    let Clock::Unknown(mend) = shape.clock else {
        return None;
    };
    Some(Problem {
        path: scope.name.clone(),
        reason: "it is on a server that may be a copy of another, and how old it is is unknown"
            .to_owned(),
        mend: mend.to_owned(),
    })
}

/// What the database would do by itself together with an effect.
fn side_effects(scope: &TableScope, shape: &Shape) -> Option<Problem> {
    let refused = scope.triggers == Triggers::Refuse && !scope.writable.is_empty();
    let mut causes: Vec<String> = shape.triggers.clone();
    if shape.cascades.on_delete || !shape.cascades.on_update.is_empty() {
        causes.push("foreign keys of other tables".to_owned());
    }
    (refused && !shape.triggers.is_empty()).then(|| Problem {
        path: scope.name.clone(),
        reason: format!(
            "the database changes other things together with it ({}); such effects are refused",
            causes.join(", ")
        ),
        mend: "write `triggers: allow` at the table if that is right".to_owned(),
    })
}
