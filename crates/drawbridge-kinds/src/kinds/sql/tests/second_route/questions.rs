//! Random questions, put together by a grammar out of everything that the rewriter knows; some name what
//! is hidden, and some have words moved, taken out or doubled.

use super::Engine;

/// Numbers that look random and are the same in every run (splitmix64).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end.max(1) as u64).unwrap()
    }

    pub(super) fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// One time of so many.
    fn one_of(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

pub(super) struct Question {
    pub(super) text: String,
    /// Whether its order leaves nothing open.
    pub(super) ordered: bool,
}

/// What values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Whole,
    Text,
}
use Sort::{Text, Whole};

/// Something to read from, by its name in the question.
#[derive(Debug, Clone)]
struct Source {
    name: String,
    columns: Vec<(String, Sort)>,
}

const TABLES: [(&str, &[(&str, Sort)]); 3] = [
    (
        "customers",
        &[
            ("id", Whole),
            ("name", Text),
            ("email", Text),
            ("born", Whole),
            ("phone", Text),
            ("tag", Text),
            ("rank", Whole),
        ],
    ),
    (
        "orders",
        &[
            ("id", Whole),
            ("customer_id", Whole),
            ("amount", Whole),
            ("placed", Text),
            ("note", Text),
            ("status", Text),
        ],
    ),
    (
        "items",
        &[
            ("id", Whole),
            ("order_id", Whole),
            ("product", Text),
            ("qty", Whole),
            ("owner", Text),
        ],
    ),
];
/// Names that a question gives, also those of what is hidden, and of what is there.
const GIVEN: [&str; 16] = [
    "a", "b", "x", "y1", "secret", "region", "margin", "cost", "vault", "seen", "email", "id",
    "name", "amount", "rank", "tags",
];
/// What a northerner may not name, whole rows among it.
const HIDDEN: [&str; 14] = [
    "secret",
    "region",
    "margin",
    "cost",
    "c.secret",
    "customers.region",
    "orders.margin",
    "ctid",
    "rowid",
    "xmin",
    "customers",
    "orders",
    "tableoid",
    "vault.word",
];
const LITERALS: [&str; 12] = [
    "'Ann'",
    "'north'",
    "'***'",
    "'2026-01-02'",
    "''",
    "'a'",
    "'canary'",
    "'red'",
    "'O''Neil'",
    "'%a%'",
    "'12'",
    "'open'",
];

/// A question that is being put together.
pub(super) struct Asking {
    engine: Engine,
    chance: Chance,
    /// Common tables that can be named here.
    common: Vec<Source>,
    /// What can be named inside, of the queries around.
    around: Vec<Source>,
    /// Whether it names what is hidden, here and there.
    hostile: bool,
    /// Whether its rows do not depend on which of them come first.
    plain: bool,
    names: usize,
    joined: usize,
}

impl Asking {
    /// The question of this number.
    pub(super) fn question(engine: Engine, number: u64) -> Question {
        let mut asking = Self {
            engine,
            chance: Chance(number.wrapping_mul(0x2545_f491_4f6c_dd1d)),
            common: Vec::new(),
            around: Vec::new(),
            hostile: false,
            plain: false,
            names: 0,
            joined: 0,
        };
        asking.hostile = asking.chance.one_of(8);
        asking.plain = asking.chance.one_of(5);
        let depth = 1 + asking.chance.below(3);
        let (text, columns) = asking.whole_query(depth, None);
        if asking.plain && asking.chance.one_of(2) {
            let text = asking.moved(&text);
            return Question {
                text,
                ordered: false,
            };
        }
        if columns.is_empty() || asking.plain || asking.chance.one_of(2) {
            return Question {
                text,
                ordered: false,
            };
        }
        let limit = asking.limit();
        let order = asking.order(columns.len());
        Question {
            text: format!("{text} {order}{limit}"),
            ordered: true,
        }
    }

    fn order(&mut self, columns: usize) -> String {
        let every: Vec<String> = (1..=columns)
            .map(|number| {
                let turn = self.chance.of(&["", "", " DESC", " ASC"]);
                format!("{number}{turn}")
            })
            .collect();
        format!("ORDER BY {}", every.join(", "))
    }

    fn limit(&mut self) -> String {
        match self.chance.below(4) {
            0 => format!(" LIMIT {}", self.chance.below(9)),
            1 => format!(
                " LIMIT {} OFFSET {}",
                self.chance.below(9),
                self.chance.below(4)
            ),
            _ => String::new(),
        }
    }

    /// Words moved, taken out, doubled.
    fn moved(&mut self, text: &str) -> String {
        let mut words: Vec<&str> = text.split(' ').collect();
        for _ in 0..=self.chance.below(2) {
            let (at, other) = (
                self.chance.below(words.len()),
                self.chance.below(words.len()),
            );
            match self.chance.below(5) {
                0 => words.swap(at, other),
                1 => drop(words.remove(at)),
                2 => words.insert(at, words[other]),
                3 => words[at] = self.chance.of(&HIDDEN),
                _ => words[at] = self.chance.of(&GIVEN),
            }
            if words.is_empty() {
                break;
            }
        }
        words.join(" ")
    }

    /// A query with its common tables: of these sorts, or of any.
    fn whole_query(
        &mut self,
        depth: usize,
        sorts: Option<&[Sort]>,
    ) -> (String, Vec<(String, Sort)>) {
        let before = self.common.len();
        let mut with = Vec::new();
        if depth > 0 && self.chance.one_of(4) {
            for _ in 0..=self.chance.below(2) {
                let (query, columns) = self.set(depth - 1, None, false);
                if columns.is_empty() {
                    continue;
                }
                let name = self.fresh(&["recent", "vault", "secret", "top one", "tags", "x"]);
                let quoted = self.quoted(&name);
                let (named, columns) = if self.chance.one_of(3) {
                    let columns: Vec<(String, Sort)> = columns
                        .iter()
                        .enumerate()
                        .map(|(at, (_, sort))| (format!("k{at}"), *sort))
                        .collect();
                    let list: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
                    (format!("{quoted} ({})", list.join(", ")), columns)
                } else {
                    (quoted.clone(), columns)
                };
                with.push(format!("{named} AS ({query})"));
                self.common.push(Source {
                    name: quoted,
                    columns,
                });
            }
        }
        let (body, columns) = self.set(depth, sorts, true);
        self.common.truncate(before);
        if with.is_empty() {
            return (body, columns);
        }
        (format!("WITH {} {body}", with.join(", ")), columns)
    }

    /// One `SELECT`, or several put together.
    fn set(
        &mut self,
        depth: usize,
        sorts: Option<&[Sort]>,
        stars: bool,
    ) -> (String, Vec<(String, Sort)>) {
        let star = stars && sorts.is_none();
        if depth == 0 || !self.chance.one_of(5) {
            return self.select(depth, sorts, star);
        }
        let (left, columns) = self.select(depth - 1, sorts, false);
        let own: Vec<Sort> = columns.iter().map(|(_, sort)| *sort).collect();
        let (right, _) = self.select(depth - 1, Some(&own), false);
        let word = self.chance.of(&[
            "UNION",
            "UNION ALL",
            "INTERSECT",
            "EXCEPT",
            "UNION DISTINCT",
        ]);
        let word = if self.engine == Engine::Sqlite {
            word.replace(" DISTINCT", "")
        } else {
            word.to_owned()
        };
        (format!("{left} {word} {right}"), columns)
    }

    fn select(
        &mut self,
        depth: usize,
        sorts: Option<&[Sort]>,
        star: bool,
    ) -> (String, Vec<(String, Sort)>) {
        let (from, sources) = self.from(depth);
        let outer = self.around.len();
        self.around.extend(sources.iter().cloned());
        let filter = if self.chance.below(3) > 0 {
            format!(" WHERE {}", self.condition(depth))
        } else {
            String::new()
        };
        let done = if star && self.chance.one_of(5) {
            let all = if self.chance.one_of(2) {
                "*".to_owned()
            } else {
                format!("{}.*", sources[self.chance.below(sources.len())].name)
            };
            (format!("SELECT {all} FROM {from}{filter}"), Vec::new())
        } else {
            let sorts = sorts.map_or_else(
                || {
                    (0..=self.chance.below(3))
                        .map(|_| if self.chance.one_of(2) { Whole } else { Text })
                        .collect()
                },
                <[Sort]>::to_vec,
            );
            match self.chance.below(6) {
                0 | 1 if !self.plain => {
                    self.grouped(depth, &sorts, &format!(" FROM {from}{filter}"))
                }
                2 if !self.plain && sources.len() == 1 => {
                    self.windowed(&sorts, &format!(" FROM {from}{filter}"))
                }
                _ => {
                    let distinct = if self.chance.one_of(8) {
                        "DISTINCT "
                    } else {
                        ""
                    };
                    let parts = sorts.iter().map(|sort| self.value(*sort, depth)).collect();
                    let (list, columns) = self.projection(parts, &sorts);
                    (
                        format!("SELECT {distinct}{list} FROM {from}{filter}"),
                        columns,
                    )
                }
            }
        };
        self.around.truncate(outer);
        done
    }

    /// What is selected, each part with a name.
    fn projection(&mut self, parts: Vec<String>, sorts: &[Sort]) -> (String, Vec<(String, Sort)>) {
        let mut columns: Vec<(String, Sort)> = Vec::new();
        let mut list = Vec::new();
        for (part, sort) in parts.into_iter().zip(sorts) {
            let given = self.chance.of(&GIVEN).to_owned();
            let taken = columns.iter().any(|(name, _)| *name == given);
            let name = if taken || self.chance.one_of(2) {
                format!("c{}", columns.len())
            } else {
                given
            };
            list.push(format!("{part} AS {name}"));
            columns.push((name, *sort));
        }
        (list.join(", "), columns)
    }

    fn grouped(
        &mut self,
        depth: usize,
        sorts: &[Sort],
        from: &str,
    ) -> (String, Vec<(String, Sort)>) {
        let (mut keys, mut parts) = (Vec::new(), Vec::new());
        for sort in sorts {
            if self.chance.one_of(2) {
                let key = self.column(*sort);
                keys.push(key.clone());
                parts.push(key);
                continue;
            }
            parts.push(match sort {
                Whole => {
                    let value = self.value(Whole, depth.min(1));
                    match self.chance.below(6) {
                        0 => "count(*)".to_owned(),
                        1 => format!("count(DISTINCT {value})"),
                        2 => format!("sum({value})"),
                        3 => format!("max({value})"),
                        4 if self.engine != Engine::MariaDb => {
                            format!("count(*) FILTER (WHERE {})", self.condition(0))
                        }
                        _ => format!("min({value})"),
                    }
                }
                Text => format!(
                    "{}({})",
                    self.chance.of(&["min", "max"]),
                    self.value(Text, 0)
                ),
            });
        }
        let mut text = String::new();
        if !keys.is_empty() {
            text = format!(" GROUP BY {}", keys.join(", "));
        }
        if self.chance.one_of(3) {
            let value = self.column(Whole);
            let bound = self.chance.below(30);
            text += &match self.chance.below(3) {
                0 => format!(" HAVING count(*) > {}", bound % 4),
                1 => format!(" HAVING max({value}) >= {bound}"),
                _ => format!(" HAVING sum({value}) <> {bound}"),
            };
        }
        let (list, columns) = self.projection(parts, sorts);
        (format!("SELECT {list}{from}{text}"), columns)
    }

    /// Windows whose values do not depend on which of equal rows comes first.
    fn windowed(&mut self, sorts: &[Sort], from: &str) -> (String, Vec<(String, Sort)>) {
        let mut tail = String::new();
        let mut parts = Vec::new();
        for sort in sorts {
            parts.push(match sort {
                Text => self.column(Text),
                Whole => {
                    let (by, order, value) =
                        (self.any_column(), self.any_column(), self.column(Whole));
                    let over = match self.chance.below(4) {
                        0 => format!("(PARTITION BY {by} ORDER BY {order})"),
                        1 => format!("(PARTITION BY {by})"),
                        2 if tail.is_empty() => {
                            tail = format!(" WINDOW w AS (PARTITION BY {by} ORDER BY {order})");
                            "w".to_owned()
                        }
                        _ => format!("(ORDER BY {order} DESC)"),
                    };
                    match self.chance.below(5) {
                        0 => format!("rank() OVER {over}"),
                        1 => format!("dense_rank() OVER {over}"),
                        2 => format!("count(*) OVER {over}"),
                        3 => format!("sum({value}) OVER {over}"),
                        _ => format!("max({value}) OVER {over}"),
                    }
                }
            });
        }
        let (list, columns) = self.projection(parts, sorts);
        (format!("SELECT {list}{from}{tail}"), columns)
    }

    fn from(&mut self, depth: usize) -> (String, Vec<Source>) {
        let (mut text, first) = self.factor(depth, false);
        let mut sources = vec![first];
        let more = [0, 0, 0, 1, 1, 2][self.chance.below(6)];
        for _ in 0..more {
            let outer = self.around.len();
            let lateral = self.engine == Engine::Postgres && self.chance.one_of(6);
            if lateral {
                self.around.extend(sources.iter().cloned());
            }
            let (factor, source) = self.factor(depth, lateral);
            self.around.truncate(outer);
            let both = [sources.clone(), vec![source.clone()]].concat();
            let outer = self.around.len();
            self.around.extend(both);
            let condition = self.link(depth);
            self.around.truncate(outer);
            text = match self.chance.below(if lateral { 4 } else { 10 }) {
                0 => format!("{text}, {factor}"),
                1 => format!("{text} CROSS JOIN {factor}"),
                2 | 3 => format!("{text} LEFT JOIN {factor} ON {condition}"),
                4 => format!("{text} RIGHT JOIN {factor} ON {condition}"),
                5 if sources.len() == 1 => format!("{text} NATURAL JOIN {factor}"),
                6 if sources.len() == 1 => format!("{text} JOIN {factor} USING (id)"),
                7 if self.engine == Engine::Postgres => {
                    format!("{text} FULL JOIN {factor} ON {}", equal(&sources, &source))
                }
                _ => format!("{text} JOIN {factor} ON {condition}"),
            };
            sources.push(source);
        }
        (text, sources)
    }

    /// A condition of a join: mostly that two numbers are equal.
    fn link(&mut self, depth: usize) -> String {
        let (left, right) = (self.column(Whole), self.column(Whole));
        if self.chance.one_of(4) {
            return format!(
                "{left} = {right} AND {}",
                self.condition(depth.saturating_sub(1))
            );
        }
        format!("{left} = {right}")
    }

    fn factor(&mut self, depth: usize, lateral: bool) -> (String, Source) {
        if lateral || (depth > 0 && self.chance.one_of(5)) {
            // Only what is lateral may name what stands beside it.
            let kept = if lateral {
                None
            } else {
                Some(std::mem::take(&mut self.around))
            };
            let (query, columns) = self.set(depth.saturating_sub(1), None, false);
            self.around = kept.unwrap_or_else(|| std::mem::take(&mut self.around));
            let name = self.fresh(&GIVEN);
            let quoted = self.quoted(&name);
            let word = if lateral { "LATERAL " } else { "" };
            return (
                format!("{word}({query}) AS {quoted}"),
                Source {
                    name: quoted,
                    columns,
                },
            );
        }
        if !self.common.is_empty() && self.chance.one_of(2) {
            let common = self.common[self.chance.below(self.common.len())].clone();
            let name = self.fresh(&["q"]);
            return (
                format!("{} AS {name}", common.name),
                Source {
                    name,
                    columns: common.columns,
                },
            );
        }
        self.table()
    }

    fn table(&mut self) -> (String, Source) {
        let (table, columns) = TABLES[self.chance.below(TABLES.len())];
        let columns = columns
            .iter()
            .map(|(name, sort)| ((*name).to_owned(), *sort))
            .collect();
        let written = match (self.engine, self.chance.below(8)) {
            (Engine::Sqlite | Engine::Postgres, 0) => table.to_uppercase(),
            (_, 1) => self.quoted(table),
            _ => table.to_owned(),
        };
        if self.hostile && self.chance.one_of(6) {
            let name = self.fresh(&["c"]);
            let hidden = self.chance.of(&[
                "vault",
                "tags",
                "seen.customers",
                "public.customers",
                "pg_class",
                "sqlite_schema",
            ]);
            return (format!("{hidden} AS {name}"), Source { name, columns });
        }
        let name = self.fresh(&GIVEN);
        let quoted = self.quoted(&name);
        let word = self.chance.of(&[" AS ", " AS ", " "]);
        (
            format!("{written}{word}{quoted}"),
            Source {
                name: quoted,
                columns,
            },
        )
    }

    /// A name that the question has not given yet.
    fn fresh(&mut self, names: &[&str]) -> String {
        self.names += 1;
        format!("{}{}", self.chance.of(names), self.names)
    }

    fn quoted(&mut self, name: &str) -> String {
        let must = name.contains(' ');
        if !must && !self.chance.one_of(6) {
            return name.to_owned();
        }
        match self.engine {
            Engine::Postgres => format!("\"{name}\""),
            Engine::MariaDb => format!("`{name}`"),
            Engine::Sqlite => self.chance.of(&["\"N\"", "`N`", "[N]"]).replace('N', name),
        }
    }

    fn any_column(&mut self) -> String {
        let sort = if self.chance.one_of(2) { Whole } else { Text };
        self.column(sort)
    }

    /// A column of what can be named here, mostly of what is nearest.
    fn column(&mut self, sort: Sort) -> String {
        if self.hostile && self.chance.one_of(12) {
            let name = self.chance.of(&HIDDEN);
            let source = self.around.last().map(|source| source.name.clone());
            return match source.filter(|_| !name.contains('.')) {
                Some(source) if self.chance.one_of(2) => format!("{source}.{name}"),
                _ => name.to_owned(),
            };
        }
        let near = if self.chance.one_of(4) {
            self.around.len()
        } else {
            self.around.len().min(2)
        };
        for _ in 0..6 {
            if near == 0 {
                break;
            }
            let at = self.around.len() - 1 - self.chance.below(near);
            let source = &self.around[at];
            let own: Vec<&String> = source
                .columns
                .iter()
                .filter(|(_, own)| *own == sort)
                .map(|(name, _)| name)
                .collect();
            if own.is_empty() {
                continue;
            }
            return format!("{}.{}", source.name, own[self.chance.below(own.len())]);
        }
        match sort {
            Whole => self.chance.below(9).to_string(),
            Text => self.chance.of(&LITERALS).to_owned(),
        }
    }

    fn value(&mut self, sort: Sort, depth: usize) -> String {
        match sort {
            Whole => self.number(depth),
            Text => self.text(depth),
        }
    }

    fn number(&mut self, depth: usize) -> String {
        if depth == 0 || self.chance.one_of(2) {
            return if self.chance.one_of(6) {
                self.chance.below(9).to_string()
            } else {
                self.column(Whole)
            };
        }
        let deeper = depth - 1;
        match self.chance.below(11) {
            0 => format!("({} + {})", self.number(deeper), self.number(deeper)),
            1 => format!("({} - {})", self.number(deeper), self.number(deeper)),
            2 => format!("({} * {})", self.number(deeper), self.chance.below(5)),
            3 => format!(
                "CASE WHEN {} THEN {} ELSE {} END",
                self.condition(deeper),
                self.number(deeper),
                self.number(deeper)
            ),
            4 => format!(
                "coalesce({}, {})",
                self.number(deeper),
                self.chance.below(9)
            ),
            5 => format!("nullif({}, {})", self.number(deeper), self.number(deeper)),
            6 => format!("length({})", self.text(deeper)),
            7 => format!("abs({})", self.number(deeper)),
            8 => format!("({} % 7)", self.number(deeper)),
            9 if !self.plain => format!("({})", self.scalar(Whole, deeper)),
            _ => format!(
                "CASE {} WHEN {} THEN {} END",
                self.text(deeper),
                self.text(deeper),
                self.number(deeper)
            ),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        if depth == 0 || self.chance.one_of(2) {
            return if self.chance.one_of(6) {
                self.chance.of(&LITERALS).to_owned()
            } else {
                self.column(Text)
            };
        }
        let deeper = depth - 1;
        match self.chance.below(9) {
            0 => format!("upper({})", self.text(deeper)),
            1 => format!("lower({})", self.text(deeper)),
            2 => format!(
                "substr({}, {}, {})",
                self.text(deeper),
                1 + self.chance.below(3),
                self.chance.below(4)
            ),
            3 => format!(
                "coalesce({}, {})",
                self.text(deeper),
                self.chance.of(&LITERALS)
            ),
            4 if self.joined < 4 => {
                self.joined += 2;
                let (one, other) = (self.text(deeper), self.text(deeper));
                match self.engine {
                    Engine::MariaDb => format!("concat({one}, {other})"),
                    Engine::Sqlite | Engine::Postgres => format!("{one} || {other}"),
                }
            }
            5 => format!(
                "CASE WHEN {} THEN {} ELSE {} END",
                self.condition(deeper),
                self.text(deeper),
                self.text(deeper)
            ),
            6 => {
                let class = if self.engine == Engine::MariaDb {
                    "CHAR"
                } else {
                    "TEXT"
                };
                format!("CAST({} AS {class})", self.number(deeper))
            }
            7 if !self.plain => format!("({})", self.scalar(Text, deeper)),
            _ => format!(
                "nullif({}, {})",
                self.text(deeper),
                self.chance.of(&LITERALS)
            ),
        }
    }

    /// A query of one value, which may name what is around it.
    fn scalar(&mut self, sort: Sort, depth: usize) -> String {
        let (from, sources) = self.from(depth.saturating_sub(1));
        // An aggregate of nothing but what is around belongs to the query there, whose other columns are
        // then those of any row.
        let around = std::mem::replace(&mut self.around, sources);
        let value = self.column(sort);
        let sources = std::mem::replace(&mut self.around, around);
        let outer = self.around.len();
        self.around.extend(sources);
        let condition = self.condition(depth.min(1));
        self.around.truncate(outer);
        let what = match sort {
            Whole => self.chance.of(&["count(*)", "max", "min", "sum"]),
            Text => self.chance.of(&["max", "min"]),
        };
        let what = if what == "count(*)" {
            what.to_owned()
        } else {
            format!("{what}({value})")
        };
        format!("SELECT {what} FROM {from} WHERE {condition}")
    }

    fn condition(&mut self, depth: usize) -> String {
        if depth > 0
            && let Some(condition) = self.nested(depth - 1)
        {
            return condition;
        }
        let sign = self.chance.of(&["=", "<>", "<", "<=", ">", ">=", "="]);
        match self.chance.below(8) {
            0 | 1 => format!(
                "{} {sign} {}",
                self.number(depth.min(1)),
                self.number(depth.min(1))
            ),
            2 | 3 => format!(
                "{} {sign} {}",
                self.text(depth.min(1)),
                self.text(depth.min(1))
            ),
            4 => {
                let pattern =
                    self.chance
                        .of(&["'a%'", "'%***%'", "'_'", "'%n%'", "'canary%'", "'%@%'"]);
                format!(
                    "{} {} {pattern}",
                    self.text(0),
                    self.chance.of(&["LIKE", "NOT LIKE"])
                )
            }
            5 => format!(
                "{} BETWEEN {} AND {}",
                self.number(0),
                self.chance.below(9),
                self.chance.below(70)
            ),
            6 => format!(
                "{} {}",
                self.any_column(),
                self.chance.of(&["IS NULL", "IS NOT NULL"])
            ),
            _ => format!(
                "{} IN ({}, {})",
                self.text(0),
                self.chance.of(&LITERALS),
                self.column(Text)
            ),
        }
    }

    /// A condition of conditions, or of a query; or none.
    fn nested(&mut self, deeper: usize) -> Option<String> {
        match self.chance.below(10) {
            0 => Some(format!(
                "({} AND {})",
                self.condition(deeper),
                self.condition(deeper)
            )),
            1 => Some(format!(
                "({} OR {})",
                self.condition(deeper),
                self.condition(deeper)
            )),
            2 => Some(format!("NOT ({})", self.condition(deeper))),
            3 => Some(format!(
                "{} ({})",
                self.chance.of(&["EXISTS", "NOT EXISTS"]),
                self.inside(deeper, None)
            )),
            4 => {
                let (value, query) = (self.number(deeper), self.inside(deeper, Some(Whole)));
                Some(format!(
                    "{value} {} ({query})",
                    self.chance.of(&["IN", "NOT IN"])
                ))
            }
            5 => {
                let (value, query) = (self.text(deeper), self.inside(deeper, Some(Text)));
                Some(format!("{value} IN ({query})"))
            }
            _ => None,
        }
    }

    /// A query inside a condition, which may name what is around it.
    fn inside(&mut self, depth: usize, sort: Option<Sort>) -> String {
        let sorts = [sort.unwrap_or(Whole)];
        let (text, _) = self.set(depth, Some(&sorts), false);
        text
    }
}

/// That two numbers are equal, one of each side: what PostgreSQL can join by in full.
fn equal(left: &[Source], right: &Source) -> String {
    let number = |source: &Source| {
        let mut columns = source.columns.iter();
        let found = columns.find(|(_, sort)| *sort == Whole);
        found.map_or_else(
            || "1".to_owned(),
            |(name, _)| format!("{}.{name}", source.name),
        )
    };
    let left = left.first().map_or_else(|| "1".to_owned(), number);
    format!("{left} = {}", number(right))
}
