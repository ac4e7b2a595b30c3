//! The text of a question: bounded, made of plain words only, and parsed.

use std::collections::BTreeSet;

use sqlparser::{
    ast::{Query, Statement},
    dialect::{Dialect as Grammar, MySqlDialect, PostgreSqlDialect, SQLiteDialect},
    parser::{Parser, ParserError},
    tokenizer::{Token, Tokenizer, Whitespace},
};

use super::{super::dialect::Dialect, Refusal};

/// The most bytes of a question.
pub(in super::super) const MOST_TEXT: usize = 20_000;
/// The most words and signs of a question.
const MOST_TOKENS: usize = 1_500;
/// How deep a question may be nested.
const MOST_DEPTH: usize = 40;
/// The most bytes of a name: PostgreSQL cuts longer ones, so that two become one.
pub(super) const MOST_NAME: usize = 63;

/// Parses a question: one query, and nothing beside it.
pub(super) fn parse(dialect: Dialect, text: &str) -> Result<Query, Refusal> {
    match statement(dialect, text, false)? {
        Statement::Query(query) => Ok(*query),
        _ => Err(Refusal::new("only a `SELECT` can be asked")),
    }
}

/// The parameters that a statement names; none where its text is not made of words and signs.
pub(in super::super) fn placeholders(dialect: Dialect, text: &str) -> Option<BTreeSet<String>> {
    let tokens = Tokenizer::new(&*grammar(dialect), text).tokenize().ok()?;
    let pairs = tokens.windows(2).filter_map(|pair| match pair {
        [Token::Colon, Token::Word(word)] => Some(word.value.clone()),
        _ => None,
    });
    Some(pairs.collect())
}

/// Parses a text: one statement, and nothing beside it; `named`: with parameters like `:id`.
pub(super) fn statement(dialect: Dialect, text: &str, named: bool) -> Result<Statement, Refusal> {
    if text.len() > MOST_TEXT {
        return Err(Refusal::new(format!("it has more than {MOST_TEXT} bytes")));
    }
    let grammar = grammar(dialect);
    let tokens = Tokenizer::new(&*grammar, text).tokenize_with_location();
    let mut tokens = tokens.map_err(|error| Refusal::new(error.to_string()))?;
    for (index, token) in tokens.iter().enumerate() {
        let next = tokens.get(index + 1).map(|next| &next.token);
        let parameter = token.token == Token::Colon
            && matches!(next, Some(Token::Word(word)) if word.quote_style.is_none());
        let usable = is_plain(&token.token) || named && parameter;
        if !usable {
            let place = token.span.start;
            let (line, column) = (place.line, place.column);
            let told = format!("what stands at line {line}, column {column} cannot be used here");
            return Err(Refusal::new(told));
        }
    }
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    while tokens
        .last()
        .is_some_and(|last| last.token == Token::SemiColon)
    {
        tokens.pop();
    }
    if tokens.iter().any(|token| token.token == Token::SemiColon) {
        return Err(Refusal::new("it must be one statement"));
    }
    if tokens.len() > MOST_TOKENS {
        let told = format!("it has more than {MOST_TOKENS} words and signs");
        return Err(Refusal::new(told));
    }
    let parser = Parser::new(&*grammar).with_recursion_limit(MOST_DEPTH);
    let parsed = parser
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(not_parsed)?;
    match <[Statement; 1]>::try_from(parsed) {
        Ok([one]) => Ok(one),
        Err(_) => Err(Refusal::new("it must be one statement")),
    }
}

fn grammar(dialect: Dialect) -> Box<dyn Grammar> {
    match dialect {
        Dialect::Sqlite => Box::new(SQLiteDialect {}),
        Dialect::Postgres => Box::new(PostgreSqlDialect {}),
        Dialect::MariaDb => Box::new(MySqlDialect {}),
    }
}

/// What the parser says of its own text: it knows nothing but that.
fn not_parsed(error: ParserError) -> Refusal {
    Refusal::new(match error {
        ParserError::TokenizerError(told) | ParserError::ParserError(told) => told,
        ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
    })
}

/// Whether every engine takes a word or sign for what the parser does. No comments: some engines
/// run what is in them. No placeholders, variables, or texts that are written in a way of their own.
fn is_plain(token: &Token) -> bool {
    match token {
        Token::Word(word) => is_name(&word.value) && word.quote_style != Some('\''),
        Token::Number(digits, false) => {
            digits.len() <= 40
                && digits
                    .chars()
                    .all(|letter| "0123456789.eE+-".contains(letter))
                && digits.parse().is_ok_and(f64::is_finite)
        }
        Token::SingleQuotedString(text) => !text.contains(['\0', '\\']),
        Token::Whitespace(Whitespace::Space | Whitespace::Newline | Whitespace::Tab)
        | Token::Comma
        | Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::Gt
        | Token::LtEq
        | Token::GtEq
        | Token::Spaceship
        | Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div
        | Token::Mod
        | Token::StringConcat
        | Token::LParen
        | Token::RParen
        | Token::Period
        | Token::DoubleColon
        | Token::SemiColon => true,
        _ => false,
    }
}

/// Whether a name is written and read alike by everybody: without quotes and signs of any kind.
pub(super) fn is_name(name: &str) -> bool {
    let plain =
        |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ' ' || letter == '-';
    !name.is_empty() && name.len() <= MOST_NAME && name.chars().all(plain)
}
