//! Free questions by a second route: what is let through has the answer that the question itself has
//! for an account that can see nothing but what a northerner may, by views that were written by hand.

mod questions;
mod shop;

use std::collections::BTreeMap;

use drawbridge_core::answer::{Failure, Status};
use serde_json::Value;

use super::{
    super::{
        Database,
        cell::Cell,
        part::TableScope,
        query::{self, Outcome, rewrite},
        statement::Statement,
        window::{Given, Piece},
    },
    asked::letter,
    engine::{Engine, each},
};
use questions::{Asking, Question};
use shop::Shop;

/// Questions of one engine; `DRAWBRIDGE_QUESTIONS` makes it more, `DRAWBRIDGE_SEED` others, `DRAWBRIDGE_FROM`
/// leaves out the first, and with `DRAWBRIDGE_ENGINE` one engine alone is asked.
const QUESTIONS: u64 = 80;

fn number(name: &str, usual: u64) -> u64 {
    let wanted = std::env::var_os(name);
    let wanted = wanted.and_then(|number| number.to_str()?.parse().ok());
    wanted.unwrap_or(usual)
}

#[tokio::test]
async fn what_is_let_through_has_the_answer_of_an_account_that_sees_nothing_else() {
    each(same_answers).await;
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// It was not let through.
    Refused,
    /// Neither the engine nor the account's answers it: a name or a type does not fit.
    Neither,
    /// It has the same rows by both routes; and whether there are any.
    Same,
    SameAndSome,
    /// It was cut at its limit, and every row of it is one of the others.
    Cut,
    /// Only the account has an answer: nothing was learned.
    OnlyTheirs,
    /// Only we read it: for the engine it is no statement.
    OnlyOurs,
    /// It took too long, or too much memory.
    Limited,
}

async fn same_answers(engine: Engine) {
    let only = std::env::var_os("DRAWBRIDGE_ENGINE");
    if only.is_some_and(|only| *only != *format!("{engine:?}")) {
        return;
    }
    let shop = Shop::new(engine).await;
    let (all, seed) = (
        number("DRAWBRIDGE_QUESTIONS", QUESTIONS),
        number("DRAWBRIDGE_SEED", 1),
    );
    let (mut ends, mut wrong) = (BTreeMap::<End, u64>::new(), Vec::new());
    let mut only = Vec::new();
    let from = number("DRAWBRIDGE_FROM", 0);
    for number in from..all {
        let question = Asking::question(engine, seed.wrapping_mul(1_000_003).wrapping_add(number));
        match compared(&shop, &question).await {
            Ok(end) => {
                *ends.entry(end).or_default() += 1;
                if end == End::OnlyTheirs && only.len() < 20 {
                    only.push(question.text);
                }
            }
            Err(told) => {
                let told = format!("{engine:?}: {}\n  {told}", question.text);
                println!("{number}: {told}");
                wrong.push(told);
            }
        }
        if number % 5_000 == 4_999 {
            println!("{engine:?}: {number} {ends:?}, {} wrong", wrong.len());
        }
    }
    println!("{engine:?}: {all} questions: {ends:?}");
    if all > QUESTIONS {
        println!("only the account answers:\n{}", only.join("\n"));
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    let some = ends.get(&End::SameAndSome).copied().unwrap_or_default();
    assert!(
        some * 4 > all - from,
        "too few questions have an answer: {ends:?}"
    );
}

/// Whether MariaDB finds no statement in it.
fn is_no_statement(failure: &Failure) -> bool {
    format!("{failure:?}").contains("number: 1064")
}

/// Asks by every route; what differs is told.
async fn compared(shop: &Shop, question: &Question) -> Result<End, String> {
    let text = question.text.as_str();
    let (_, dialect) = letter(shop.engine);
    if rewrite(dialect, text, &shop.tables).is_err() {
        return Ok(End::Refused);
    }
    let ours = asked(&shop.database, text, &shop.tables).await;
    let theirs = itself(&shop.account, text).await;
    let (ours, theirs) = match (ours, theirs) {
        (Err(failure), _) | (_, Err(failure)) if is_limit(&failure) => {
            drop(failure);
            return Ok(End::Limited);
        }
        (Err(_), Err(_)) => return Ok(End::Neither),
        (Err(_), Ok(_)) => return Ok(End::OnlyTheirs),
        // MariaDB takes some words for no alias that our parser takes for one, and quotes.
        (Ok(_), Err(failure)) if is_no_statement(&failure) => return Ok(End::OnlyOurs),
        (Ok(_), Err(failure)) => return Err(format!("the account is refused: {failure:?}")),
        (Ok(ours), Ok(theirs)) => (ours, theirs),
    };
    if let Some(narrow) = &shop.narrow {
        match asked(narrow, text, &shop.tables).await {
            Ok(again) if sorted(&again) == sorted(&ours) || ours.1 => {}
            Err(failure) if is_limit(&failure) => return Ok(End::Limited),
            other => {
                return Err(format!(
                    "with rights on its columns only: {other:?}\n  {ours:?}"
                ));
            }
        }
    }
    let (rows, cut) = &ours;
    if *cut {
        let mut left: BTreeMap<String, i64> = BTreeMap::new();
        for row in &theirs {
            *left.entry(row.clone()).or_default() += 1;
        }
        for row in rows {
            let count = left.entry(row.clone()).or_default();
            *count -= 1;
            if *count < 0 {
                return Err(format!("a row that the account does not see: {row}"));
            }
        }
        return Ok(End::Cut);
    }
    let mut sorted_theirs = theirs.clone();
    sorted_theirs.sort();
    if sorted(&ours) != sorted_theirs {
        return Err(format!("{:?}\n  {sorted_theirs:?}", sorted(&ours)));
    }
    // In an order that leaves nothing open, both have the same.
    if question.ordered && *rows != theirs {
        return Err(format!("another order: {rows:?}\n  {theirs:?}"));
    }
    Ok(if rows.is_empty() {
        End::Same
    } else {
        End::SameAndSome
    })
}

fn is_limit(failure: &Failure) -> bool {
    matches!(failure.status, Status::Timeout | Status::Limited)
}

fn sorted((rows, _): &(Vec<String>, bool)) -> Vec<String> {
    let mut rows = rows.clone();
    rows.sort();
    rows
}

/// What a northerner is answered, and whether it was cut.
async fn asked(
    database: &Database,
    text: &str,
    tables: &[TableScope],
) -> Result<(Vec<String>, bool), Failure> {
    let found = query::answer(database, text, tables).await?;
    let rows = found.data["rows"].as_array().unwrap();
    let rows = rows.iter().map(Value::to_string).collect();
    Ok((rows, !found.missing.is_empty()))
}

/// What the engine answers to the question as it stands.
async fn itself(database: &Database, text: &str) -> Result<Vec<String>, Failure> {
    let mut reading = database.read(&Given::new()).await?;
    let most = (200_000, 64 << 20);
    let asked = Statement::new("").piece(Piece::default().text(text), &[]);
    let outcome = asked.table_up_to(reading.connection(), most).await?;
    let Outcome { rows, cut, .. } = outcome;
    if cut {
        return Err(Failure::new(Status::Limited, "more than is compared"));
    }
    let shown = |row: Vec<Cell>| Value::Array(row.iter().map(Cell::shown).collect()).to_string();
    Ok(rows.into_iter().map(shown).collect())
}
