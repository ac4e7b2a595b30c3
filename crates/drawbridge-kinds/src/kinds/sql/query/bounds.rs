//! Arguments of functions that must be what they are written as, and how much may be made of a text.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, Value};

use super::{Refusal, tables::not_understood};

/// The most bytes of what is looked for in a text or taken off its ends. An engine compares it with
/// every place of the text, and looks at no limit of time while it does.
const MOST_NEEDLE: usize = 100;
/// The most bytes of a text that a question could make out of the texts that stand in it.
const MOST_MADE: usize = 1 << 20;

/// Refuses a question that could make a large text out of its own: each joining doubles at most.
pub(super) fn made(literals: usize, joined: usize) -> Result<(), Refusal> {
    let made = 1_usize
        .checked_shl(u32::try_from(joined).unwrap_or(u32::MAX))
        .and_then(|times| literals.checked_mul(times));
    match made {
        Some(made) if made <= MOST_MADE => Ok(()),
        _ => Err(Refusal::new("it would make too large a text")),
    }
}

/// Refuses a needle that is no short text.
pub(super) fn short(needle: &Expr) -> Result<(), Refusal> {
    match needle {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) if text.len() <= MOST_NEEDLE => Ok(()),
            _ => Err(long()),
        },
        _ => Err(long()),
    }
}

fn long() -> Refusal {
    Refusal::new(format!(
        "what is looked for in a text, or trimmed off it, must be a text of at most {MOST_NEEDLE} bytes"
    ))
}

/// The same, of functions that have it among their arguments.
pub(super) fn needle(name: &str, arguments: &[FunctionArg]) -> Result<(), Refusal> {
    let place = match name {
        "btrim" | "instr" | "ltrim" | "rtrim" | "split_part" | "strpos" | "substring_index"
        | "trim" => 1,
        "locate" => 0,
        _ => return Ok(()),
    };
    match arguments.get(place) {
        None => Ok(()),
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(needle))) => short(needle),
        Some(_) => Err(long()),
    }
}

/// The word with which MySQL's `timestampdiff` begins, which is no column.
pub(super) fn unit(argument: Option<&FunctionArg>) -> Result<(), Refusal> {
    const UNITS: [&str; 8] = [
        "second", "minute", "hour", "day", "week", "month", "quarter", "year",
    ];
    match argument {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(ident))))
            if ident.quote_style.is_none()
                && UNITS.contains(&ident.value.to_ascii_lowercase().as_str()) =>
        {
            Ok(())
        }
        _ => Err(not_understood("a unit of time that is none")),
    }
}
