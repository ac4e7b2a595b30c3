//! Aggregates of such a selection: counts, sums and averages of columns as they are. One over an
//! expression, or with a `FILTER`, could be made to be of a single person of a large group.

use sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName,
};

use super::{
    super::{Refusal, rewrite::Walk},
    Dialect, function_name, number,
    read::Reads,
};

/// Aggregates that tell of single people, or of which nobody has shown that they do not.
const OTHERS: [&str; 15] = [
    "bool_and",
    "bool_or",
    "corr",
    "every",
    "max",
    "min",
    "regr_slope",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "total",
    "var_pop",
    "var_samp",
    "variance",
    "group_concat",
];

/// How many different values a column has.
pub(super) fn different(column: Expr) -> Expr {
    let argument = FunctionArg::Unnamed(FunctionArgExpr::Expr(column));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new("count")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: Some(DuplicateTreatment::Distinct),
            args: vec![argument],
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// The arguments of a function that is called in the one ordinary way.
pub(super) fn arguments(function: &Function) -> Option<&FunctionArgumentList> {
    let Function {
        name: _,
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        within_group,
        filter: None,
        null_treatment: None,
        over: None,
    } = function
    else {
        return None;
    };
    (within_group.is_empty() && list.clauses.is_empty()).then_some(list)
}

/// An argument that is an expression.
pub(super) fn expression(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
        _ => None,
    }
}

/// The function with another argument at a place, its name in small letters.
pub(super) fn with_argument(
    function: &Function,
    place: usize,
    argument: FunctionArgExpr,
) -> Option<Expr> {
    let mut function = function.clone();
    function.name = ObjectName::from(vec![Ident::new(function_name(&function.name)?)]);
    let FunctionArguments::List(list) = &mut function.args else {
        return None;
    };
    *list.args.get_mut(place)? = FunctionArg::Unnamed(argument);
    Some(Expr::Function(function))
}

impl Walk<'_> {
    /// The aggregate that a function is, over these tables; none where it is another function.
    ///
    /// # Errors
    /// When it could tell of a single person.
    pub(super) fn aggregate(
        &self,
        reads: &Reads<'_>,
        function: &Function,
    ) -> Result<Option<Expr>, Refusal> {
        let name = function_name(&function.name).unwrap_or_default();
        if OTHERS.contains(&name.as_str()) {
            let told = format!(
                "`{name}` can tell of a single person, so over a table of which only groups are told there \
                 are only `count`, `sum` and `avg`"
            );
            return Err(Refusal::new(told));
        }
        if !["avg", "count", "sum"].contains(&name.as_str()) {
            return Ok(None);
        }
        let refused = || {
            Refusal::new(format!(
                "over a table of which only groups are told, `{name}` takes one column as it is, without \
                 `FILTER`, and `count` also `*` or `DISTINCT` and a column; conditions stand after \
                 `WHERE`"
            ))
        };
        let list = arguments(function).ok_or_else(refused)?;
        let distinct = match list.duplicate_treatment {
            None | Some(DuplicateTreatment::All) => false,
            Some(DuplicateTreatment::Distinct) if name == "count" => true,
            Some(DuplicateTreatment::Distinct) => return Err(refused()),
        };
        let argument = match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if name == "count" && !distinct => {
                FunctionArgExpr::Wildcard
            }
            [one] => {
                let column = expression(one).ok_or_else(refused)?;
                let column = self.column_of(reads, column).map_err(|told| match column {
                    Expr::Identifier(_) | Expr::CompoundIdentifier(_) => told,
                    _ => refused(),
                })?;
                if !distinct {
                    reads.counts_once(&column)?;
                }
                FunctionArgExpr::Expr(self.added_up(&name, column))
            }
            _ => return Err(refused()),
        };
        with_argument(function, 0, argument)
            .map(Some)
            .ok_or_else(refused)
    }

    /// A column that is added up. SQLite's sum of whole numbers fails where it is too large, which
    /// would tell of those that it is over; one of floats does not.
    fn added_up(&self, name: &str, column: Expr) -> Expr {
        if self.dialect != Dialect::Sqlite || name != "sum" {
            return column;
        }
        Expr::BinaryOp {
            left: Box::new(column),
            op: BinaryOperator::Plus,
            right: Box::new(number("0.0")),
        }
    }
}
