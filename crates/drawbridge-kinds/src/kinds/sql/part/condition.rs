//! Row rules: which rows of a table its caller may see, as a small part of SQL that is understood
//! word for word.

use std::collections::BTreeSet;

use sqlparser::{
    dialect::GenericDialect,
    tokenizer::{Token, TokenWithSpan, Tokenizer, Word},
};

/// The most characters of a rule.
const MOST_TEXT: usize = 2_000;
/// The most brackets and `NOT`s that stand in each other.
const MOST_DEPTH: usize = 16;
/// The most values of a list.
const MOST_LISTED: usize = 100;

/// What must be true of a row.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Operand, &'static str, Operand),
    In(Operand, Vec<Operand>),
    Between(Operand, Operand, Operand),
    Like(Operand, Operand),
    IsNull(Operand),
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Operand {
    Column(String),
    Text(String),
    /// Digits, perhaps with a sign and a point.
    Number(String),
    Bool(bool),
    /// Something of the caller: `person.id`, `person.ATTRIBUTE` or `client`.
    Given(String),
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) String);

/// Reads a rule.
pub(in super::super) fn read(text: &str) -> Result<Condition, String> {
    parsed(text).map_err(|wrong| wrong.0)
}

/// What of the caller a text names: `:person.id`, `:person.` with an attribute, or `:client`; none
/// when it does not begin as one of these.
pub(super) fn caller_word(text: &str) -> Result<Option<String>, String> {
    if !text.starts_with(':') {
        return Ok(None);
    }
    let tokens = tokens(text).map_err(|wrong| wrong.0)?;
    let mut reader = Reader {
        tokens: &tokens,
        depth: 0,
    };
    match (reader.operand(), reader.tokens.first()) {
        (Ok(Operand::Given(name)), None) => Ok(Some(name)),
        (Ok(_), found) => Err(unexpected(found).0),
        (Err(wrong), _) => Err(wrong.0),
    }
}

fn parsed(text: &str) -> Result<Condition, Wrong> {
    let tokens = tokens(text)?;
    let mut reader = Reader {
        tokens: &tokens,
        depth: 0,
    };
    let condition = reader.any()?;
    match reader.tokens.first() {
        None => Ok(condition),
        Some(token) => Err(unexpected(Some(token))),
    }
}

fn tokens(text: &str) -> Result<Vec<TokenWithSpan>, Wrong> {
    if text.chars().count() > MOST_TEXT {
        return Err(Wrong(format!("it has more than {MOST_TEXT} characters")));
    }
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location();
    let mut tokens = tokens.map_err(|error| Wrong(error.to_string()))?;
    let comment = |token: &TokenWithSpan| {
        use sqlparser::tokenizer::Whitespace::{MultiLineComment, SingleLineComment};
        matches!(
            &token.token,
            Token::Whitespace(SingleLineComment { .. } | MultiLineComment(_))
        )
    };
    if tokens.iter().any(comment) {
        return Err(Wrong("it has a comment".to_owned()));
    }
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    Ok(tokens)
}

impl Condition {
    /// The columns that it names.
    pub(in super::super) fn columns(&self) -> BTreeSet<&str> {
        let columns = self.operands().into_iter();
        let named = columns.filter_map(|operand| match operand {
            Operand::Column(name) => Some(name.as_str()),
            Operand::Text(_) | Operand::Number(_) | Operand::Bool(_) | Operand::Given(_) => None,
        });
        named.collect()
    }

    /// What it must know of the caller.
    pub(in super::super) fn asks(&self) -> BTreeSet<&str> {
        let operands = self.operands().into_iter();
        let asked = operands.filter_map(|operand| match operand {
            Operand::Given(name) => Some(name.as_str()),
            Operand::Text(_) | Operand::Number(_) | Operand::Bool(_) | Operand::Column(_) => None,
        });
        asked.collect()
    }

    fn operands(&self) -> Vec<&Operand> {
        match self {
            Self::All(all) | Self::Any(all) => all.iter().flat_map(Self::operands).collect(),
            Self::Not(one) => one.operands(),
            Self::Compare(left, _, right) | Self::Like(left, right) => vec![left, right],
            Self::In(left, list) => std::iter::once(left).chain(list).collect(),
            Self::Between(one, low, high) => vec![one, low, high],
            Self::IsNull(one) => vec![one],
        }
    }

    /// What must be true each by itself.
    fn parts(&self) -> &[Condition] {
        match self {
            Self::All(all) => all,
            one => std::slice::from_ref(one),
        }
    }

    /// Whether every row that it lets through is let through by the other, as far as one can tell.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        let own = self.parts();
        other.parts().iter().all(|part| own.contains(part))
    }
}

struct Reader<'a> {
    tokens: &'a [TokenWithSpan],
    depth: usize,
}

fn unexpected(token: Option<&TokenWithSpan>) -> Wrong {
    Wrong(match token {
        None => "it ends too early".to_owned(),
        Some(found) => {
            let column = found.span.start.column;
            format!(
                "`{}` at its character {column} is not understood",
                found.token
            )
        }
    })
}

impl Reader<'_> {
    fn take(&mut self) -> Option<&TokenWithSpan> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn is(&self, token: &Token) -> bool {
        self.tokens
            .first()
            .is_some_and(|first| first.token == *token)
    }

    fn eat(&mut self, token: &Token) -> bool {
        let is = self.is(token);
        if is {
            self.take();
        }
        is
    }

    fn expect(&mut self, token: &Token) -> Result<(), Wrong> {
        if self.eat(token) {
            return Ok(());
        }
        Err(unexpected(self.tokens.first()))
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let is = self
            .tokens
            .first()
            .is_some_and(|first| is_word(&first.token, word));
        if is {
            self.take();
        }
        is
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Wrong> {
        if self.eat_word(word) {
            return Ok(());
        }
        Err(unexpected(self.tokens.first()))
    }

    fn any(&mut self) -> Result<Condition, Wrong> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(Wrong(format!(
                "more than {MOST_DEPTH} brackets stand in each other"
            )));
        }
        let mut all = vec![self.all()?];
        while self.eat_word("OR") {
            all.push(self.all()?);
        }
        self.depth -= 1;
        Ok(one_or(all, Condition::Any))
    }

    fn all(&mut self) -> Result<Condition, Wrong> {
        let mut all = vec![self.one()?];
        while self.eat_word("AND") {
            all.push(self.one()?);
        }
        Ok(one_or(all, Condition::All))
    }

    fn one(&mut self) -> Result<Condition, Wrong> {
        if self.eat_word("NOT") {
            self.depth += 1;
            if self.depth > MOST_DEPTH {
                return Err(Wrong(format!(
                    "more than {MOST_DEPTH} `NOT`s stand in each other"
                )));
            }
            let inner = self.one()?;
            self.depth -= 1;
            return Ok(Condition::Not(Box::new(inner)));
        }
        if self.eat(&Token::LParen) {
            let inner = self.any()?;
            self.expect(&Token::RParen)?;
            return Ok(inner);
        }
        let left = self.operand()?;
        if self.eat_word("IS") {
            let turned = self.turned();
            self.expect_word("NULL")?;
            return Ok(turned(Condition::IsNull(left)));
        }
        let before = self.tokens.len();
        let turned = self.turned();
        if self.eat_word("IN") {
            return Ok(turned(Condition::In(left, self.list()?)));
        }
        if self.eat_word("BETWEEN") {
            let low = self.operand()?;
            self.expect_word("AND")?;
            return Ok(turned(Condition::Between(left, low, self.operand()?)));
        }
        if self.eat_word("LIKE") {
            return Ok(turned(Condition::Like(left, self.operand()?)));
        }
        if self.tokens.len() < before {
            return Err(unexpected(self.tokens.first()));
        }
        let found = self.take();
        let comparison = match found.map(|found| &found.token) {
            Some(Token::Eq) => "=",
            Some(Token::Neq) => "<>",
            Some(Token::Lt) => "<",
            Some(Token::LtEq) => "<=",
            Some(Token::Gt) => ">",
            Some(Token::GtEq) => ">=",
            _ => return Err(unexpected(found)),
        };
        Ok(Condition::Compare(left, comparison, self.operand()?))
    }

    /// What a `NOT` that may stand here makes of a condition.
    fn turned(&mut self) -> fn(Condition) -> Condition {
        if self.eat_word("NOT") {
            |condition| Condition::Not(Box::new(condition))
        } else {
            |condition| condition
        }
    }

    fn list(&mut self) -> Result<Vec<Operand>, Wrong> {
        self.expect(&Token::LParen)?;
        let mut list = vec![self.operand()?];
        while self.eat(&Token::Comma) {
            list.push(self.operand()?);
        }
        self.expect(&Token::RParen)?;
        if list.len() > MOST_LISTED {
            return Err(Wrong(format!("a list has more than {MOST_LISTED} values")));
        }
        Ok(list)
    }

    fn operand(&mut self) -> Result<Operand, Wrong> {
        if self.eat(&Token::Colon) {
            return self.given();
        }
        let minus = self.eat(&Token::Minus);
        let found = self.take();
        match found.map(|found| &found.token) {
            Some(Token::Number(digits, false)) if is_number(digits) => {
                let sign = if minus { "-" } else { "" };
                Ok(Operand::Number(format!("{sign}{digits}")))
            }
            _ if minus => Err(unexpected(found)),
            Some(Token::SingleQuotedString(text)) if !text.contains(['\0', '\\']) => {
                Ok(Operand::Text(text.clone()))
            }
            Some(Token::Word(word)) => match word.value.to_ascii_uppercase().as_str() {
                "TRUE" if word.quote_style.is_none() => Ok(Operand::Bool(true)),
                "FALSE" if word.quote_style.is_none() => Ok(Operand::Bool(false)),
                _ if is_name(word) => Ok(Operand::Column(word.value.clone())),
                _ => Err(unexpected(found)),
            },
            _ => Err(unexpected(found)),
        }
    }

    fn given(&mut self) -> Result<Operand, Wrong> {
        let wrong = || {
            Wrong(
                "of the caller there is `:person.id`, `:person.` with an attribute, and `:client`"
                    .to_owned(),
            )
        };
        if self.eat_word("client") {
            return Ok(Operand::Given("client".to_owned()));
        }
        if !self.eat_word("person") || !self.eat(&Token::Period) {
            return Err(wrong());
        }
        match self.take().map(|found| &found.token) {
            Some(Token::Word(word)) => Ok(Operand::Given(format!("person.{}", word.value))),
            _ => Err(wrong()),
        }
    }
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

/// Words that are no columns unless they are quoted.
const OWN: [&str; 9] = [
    "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "IS", "NULL", "ESCAPE",
];

fn is_name(word: &Word) -> bool {
    let own = OWN.iter().any(|own| own.eq_ignore_ascii_case(&word.value));
    let plain = |letter: char| letter.is_alphanumeric() || letter == '_';
    word.quote_style.is_some() || (!own && word.value.chars().all(plain))
}

fn is_number(digits: &str) -> bool {
    digits.len() <= 30
        && digits
            .chars()
            .all(|letter| letter.is_ascii_digit() || letter == '.')
        && digits.parse::<f64>().is_ok()
}

fn one_or(mut all: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => one,
        (last, _) => {
            all.extend(last);
            many(all)
        }
    }
}
