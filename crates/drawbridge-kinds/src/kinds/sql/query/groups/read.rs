//! What such a selection reads: tables of the scope, and how they are joined.

use std::collections::BTreeSet;

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, JoinConstraint, JoinOperator, TableAlias, TableFactor,
    TableWithJoins,
};

use super::{
    super::{
        super::part::TableScope,
        Refusal,
        names::plain,
        rewrite::Walk,
        tables::{not_understood, plain_table},
    },
    Dialect, PERSON, aggregates, ident, number,
};

/// The tables that a selection reads.
#[derive(Default)]
pub(super) struct Reads<'a> {
    tables: Vec<Table<'a>>,
    equal: Vec<Equal>,
}

struct Table<'a> {
    scope: &'a TableScope,
    /// What the question calls it, as the engine compares names.
    called: String,
    /// What it is called instead.
    alias: Ident,
}

/// A column, by its table and its name.
type Place = (usize, String);

/// Two columns that are equal in every row that is read.
struct Equal {
    one: Place,
    other: Place,
    /// Of a table that may lack the row: it tells of that table only.
    only: Option<usize>,
}

impl<'a> Reads<'a> {
    /// Whether a table has a column of this name.
    pub(super) fn has(&self, dialect: Dialect, name: &Ident) -> bool {
        let tables = self.tables.iter();
        tables
            .filter_map(|table| table.field(dialect, name))
            .next()
            .is_some()
    }

    /// The table and the column that a bare name means.
    ///
    /// # Errors
    /// When it is none, or one of several tables.
    pub(super) fn find(&self, dialect: Dialect, name: &Ident) -> Result<Expr, Refusal> {
        let tables = self.tables.iter();
        let mut found = tables.filter_map(|table| Some((table, table.field(dialect, name)?)));
        let value = &name.value;
        match (found.next(), found.next()) {
            (Some((table, field)), None) => Ok(table.column(dialect, field)),
            (Some(_), Some(_)) => Err(Refusal::new(format!(
                "`{value}` is a column of several tables; write the table before it"
            ))),
            (None, _) => Err(not_here(value)),
        }
    }

    /// The same, of a name with the table before it.
    pub(super) fn find_in(
        &self,
        dialect: Dialect,
        (table, name): (&Ident, &Ident),
    ) -> Result<Expr, Refusal> {
        let called = dialect.folded(table);
        let table = self.tables.iter().find(|table| table.called == called);
        let field = table.and_then(|table| Some((table, table.field(dialect, name)?)));
        let (table, field) = field.ok_or_else(|| not_here(&name.value))?;
        Ok(table.column(dialect, field))
    }

    /// Keeps what a condition over found columns says is equal.
    pub(super) fn equate(&mut self, condition: &Expr, only: Option<usize>) {
        match condition {
            Expr::Nested(one) => self.equate(one, only),
            Expr::BinaryOp {
                left,
                op: BinaryOperator::And,
                right,
            } => {
                self.equate(left, only);
                self.equate(right, only);
            }
            Expr::BinaryOp {
                left,
                op: BinaryOperator::Eq,
                right,
            } => {
                if let (Some(one), Some(other)) = (self.place(left), self.place(right)) {
                    self.equal.push(Equal { one, other, only });
                }
            }
            _ => {}
        }
    }

    fn place(&self, column: &Expr) -> Option<Place> {
        let Expr::CompoundIdentifier(parts) = column else {
            return None;
        };
        let [table, column] = parts.as_slice() else {
            return None;
        };
        let mut tables = self.tables.iter();
        let table = tables.position(|one| one.alias == *table)?;
        Some((table, column.value.clone()))
    }

    /// Refuses to add up a column whose rows the other tables could repeat: one person would count
    /// several times.
    pub(super) fn counts_once(&self, column: &Expr) -> Result<(), Refusal> {
        let place = self.place(column);
        let (start, column) = place.ok_or_else(|| not_understood("what is added up"))?;
        let of_people = self
            .tables
            .get(start)
            .is_some_and(|table| table.scope.group.is_some());
        if !of_people {
            return Ok(());
        }
        let mut known = BTreeSet::from([start]);
        while let Some(next) = (0..self.tables.len()).find(|table| self.follows(*table, &known)) {
            known.insert(next);
        }
        if known.len() == self.tables.len() {
            return Ok(());
        }
        Err(Refusal::new(format!(
            "`{column}` cannot be added up together with tables that have several rows for one of \
             its own; join each by its whole key with `=`, or leave it out"
        )))
    }

    /// Whether a row of the known tables has at most one of this.
    fn follows(&self, table: usize, known: &BTreeSet<usize>) -> bool {
        let determined = |column: &String| {
            self.equal.iter().any(|equal| {
                let is = |(here, name): &Place, (there, _): &Place| {
                    *here == table && name == column && known.contains(there)
                };
                let either = is(&equal.one, &equal.other) || is(&equal.other, &equal.one);
                either && equal.only.is_none_or(|only| only == table)
            })
        };
        let scope = self.tables.get(table).map(|table| table.scope);
        !known.contains(&table) && scope.is_some_and(|scope| scope.key.iter().all(determined))
    }

    /// That enough people are in a group, of each table that wants it.
    pub(super) fn enough(&self, dialect: Dialect) -> Option<Expr> {
        let conditions = self.tables.iter().filter_map(|table| {
            let group = table.scope.group.as_ref()?;
            let person = table.column(dialect, PERSON);
            Some(Expr::BinaryOp {
                left: Box::new(aggregates::different(person)),
                op: BinaryOperator::GtEq,
                right: Box::new(number(&group.least.to_string())),
            })
        });
        conditions.reduce(|left, right| Expr::BinaryOp {
            left: Box::new(left),
            op: BinaryOperator::And,
            right: Box::new(right),
        })
    }
}

impl Table<'_> {
    fn field(&self, dialect: Dialect, name: &Ident) -> Option<&String> {
        let name = dialect.folded(name);
        let mut fields = self.scope.fields.iter();
        fields.find(|field| dialect.scoped(field) == name)
    }

    fn column(&self, dialect: Dialect, field: &str) -> Expr {
        Expr::CompoundIdentifier(vec![self.alias.clone(), ident(dialect, field)])
    }
}

fn not_here(name: &str) -> Refusal {
    Refusal::new(format!(
        "`{name}` is no column of the tables that this `SELECT` reads; over a table of which only \
         groups are told, nothing else can be named"
    ))
}

impl<'a> Walk<'a> {
    /// Takes what is read from: each table becomes its window, with a name of its own.
    pub(super) fn reads(&mut self, from: &mut [TableWithJoins]) -> Result<Reads<'a>, Refusal> {
        let mut reads = Reads::default();
        for one in from {
            self.read_table(&mut reads, &mut one.relation)?;
            for join in &mut one.joins {
                if join.global {
                    return Err(not_understood("this join"));
                }
                self.read_table(&mut reads, &mut join.relation)?;
                let last = reads.tables.len().checked_sub(1);
                let (constraint, only) = match &mut join.join_operator {
                    JoinOperator::Join(constraint)
                    | JoinOperator::Inner(constraint)
                    | JoinOperator::CrossJoin(constraint) => (constraint, None),
                    JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                        (constraint, last)
                    }
                    _ => {
                        let told = "a table of which only groups are told is joined by `JOIN` or `LEFT JOIN`";
                        return Err(Refusal::new(told));
                    }
                };
                match constraint {
                    JoinConstraint::On(on) => {
                        self.condition(&reads, on)?;
                        reads.equate(on, only);
                    }
                    JoinConstraint::None => {}
                    JoinConstraint::Using(_) | JoinConstraint::Natural => {
                        let told = "a table of which only groups are told is joined with `ON`";
                        return Err(Refusal::new(told));
                    }
                }
            }
        }
        Ok(reads)
    }

    fn read_table(
        &mut self,
        reads: &mut Reads<'a>,
        factor: &mut TableFactor,
    ) -> Result<(), Refusal> {
        let only_tables = || {
            Refusal::new(
                "beside a table of which only groups are told, only tables can stand after `FROM`: no \
                 sub-query, common table or bracket; ask for the groups in a sub-query of their own",
            )
        };
        let (name, alias) = plain_table(factor).ok_or_else(only_tables)?;
        let (mut called, scope) = self.meant(name)?;
        let scope = scope.ok_or_else(only_tables)?;
        if let Some(alias) = alias {
            plain(self.dialect, &mut alias.name)?;
            if !alias.columns.is_empty() || alias.at.is_some() {
                return Err(not_understood("a list of names at an alias"));
            }
            called = alias.name.clone();
        }
        let folded = self.dialect.folded(&called);
        if reads.tables.iter().any(|table| table.called == folded) {
            let told = format!("`{}` would be the name of two tables", called.value);
            return Err(Refusal::new(told));
        }
        let own = ident(self.dialect, &format!("table {}", reads.tables.len() + 1));
        *name = self.window(scope)?;
        *alias = Some(TableAlias {
            explicit: true,
            name: own.clone(),
            columns: Vec::new(),
            at: None,
        });
        reads.tables.push(Table {
            scope,
            called: folded,
            alias: own,
        });
        Ok(())
    }
}
