//! What a call would change, worked out without changing anything.

mod given;
mod inside;
mod sentence;
mod undo;

use drawbridge_core::{
    answer::{Failure, Status},
    call::{Call, Power},
    decide::View,
    plan::{Image, Plan, Reversal, Target},
};
use serde_json::{Map, Value};

use super::{
    Database,
    arguments::{self, Edit},
    cell::Cell,
    link::Link,
    named::{self, Asked},
    part::{TableScope, Triggers},
    query,
    rows::Table,
    shape::{Row, Shape},
    words,
    work::{Step, Work},
};
use given::{Moment, missing, needs_value};
pub(super) use undo::undo;

/// The most bytes of a plan's before-images together.
const MOST_WORK: usize = 6 << 20;

/// The visible fields of a row before or after; none when it is not there.
type Side = Option<Map<String, Value>>;

/// What a plan is made of, while it is made.
pub(super) struct Draft<'a> {
    pub(super) table: Table<'a>,
    pub(super) targets: Vec<Target>,
    pub(super) steps: Vec<Step>,
}

/// What a call would change.
pub(super) async fn plan(database: &Database, call: &Call, view: &View) -> Result<Plan, Failure> {
    if let Some(named) = database.own.named.get(&*call.action.name) {
        let tables = query::seen(database, call, view);
        return named::plan(database, named, &Asked::by(call, &tables)).await;
    }
    let name = call.arguments.get("table").and_then(Value::as_str);
    let scope = database.own.admitted(name.unwrap_or_default(), view)?;
    let scope = &database.own.seen_by(scope, &call.caller);
    planned(database, &call.action.name, (scope, &call.arguments)).await
}

/// The plan of an action on a table that its caller may use.
pub(super) async fn planned(
    database: &Database,
    action: &str,
    (scope, arguments): (&TableScope, &Value),
) -> Result<Plan, Failure> {
    changeable(scope)?;
    let edits = arguments::edits(action, scope, arguments)?;
    let mut reading = database.read(&scope.given).await?;
    drafted(reading.connection(), (action, scope), edits).await
}

/// The plan of some edits of a table that its caller may use.
pub(super) async fn drafted(
    connection: &mut dyn Link,
    (action, scope): (&str, &TableScope),
    edits: Vec<Edit<'_>>,
) -> Result<Plan, Failure> {
    let shape = Shape::load(connection, scope).await?;
    let table = Table {
        scope,
        shape: &shape,
    };
    let mut draft = Draft {
        table,
        targets: Vec::new(),
        steps: Vec::new(),
    };
    let several = edits.len() > 1;
    for (index, edit) in edits.into_iter().enumerate() {
        let number = several.then_some(index + 1);
        draft.edit(connection, edit, number).await?;
    }
    let power = match draft.steps.first() {
        Some(Step::Update { .. }) => Power::Update,
        Some(Step::Delete { .. }) => Power::Delete,
        Some(Step::Insert { .. }) | None => Power::Write,
    };
    let sentence = draft.sentence();
    draft.finish(action, power, sentence)
}

/// Whether anything of a table can be changed.
pub(super) fn changeable(scope: &TableScope) -> Result<(), Failure> {
    if scope.writable.is_empty() {
        let told = format!("nothing of `{}` can be changed here", scope.name);
        return Err(Failure::invalid(told));
    }
    Ok(())
}

impl Draft<'_> {
    async fn edit(
        &mut self,
        connection: &mut dyn Link,
        edit: Edit<'_>,
        number: Option<usize>,
    ) -> Result<(), Failure> {
        match edit {
            Edit::Insert(values) => {
                let set = self
                    .given(connection, ("values", values), Moment::New)
                    .await?;
                self.insert(connection, set, number).await
            }
            Edit::Update(key, values) => self.update(connection, &key, ("set", values)).await,
            Edit::Delete(key) => self.delete(connection, &key).await,
            Edit::Upsert(key, values) => {
                if self.found(connection, &key).await?.is_some() {
                    return self.update(connection, &key, ("values", values)).await;
                }
                let mut set = self
                    .given(connection, ("values", values), Moment::New)
                    .await?;
                let named = arguments::shown_key(self.table.scope, &key);
                let named = match named {
                    Value::Object(fields) => fields,
                    one => self
                        .table
                        .scope
                        .key
                        .iter()
                        .cloned()
                        .map(|name| (name, one.clone()))
                        .collect(),
                };
                for pair in self.given(connection, ("key", &named), Moment::New).await? {
                    if set.iter().any(|(name, _)| *name == pair.0) {
                        let told =
                            format!("`values.{}`: it is of the key; give it there only", pair.0);
                        return Err(Failure::invalid(told));
                    }
                    set.push(pair);
                }
                self.insert(connection, set, number).await
            }
        }
    }

    /// The row with a key that somebody gives, if there is one.
    async fn found(
        &self,
        connection: &mut dyn Link,
        given: &[Cell],
    ) -> Result<Option<Row>, Failure> {
        match self.table.sought(connection, given).await? {
            Some(key) => self.table.find(connection, &key).await,
            None => Ok(None),
        }
    }

    async fn insert(
        &mut self,
        connection: &mut dyn Link,
        set: Vec<(String, Cell)>,
        number: Option<usize>,
    ) -> Result<(), Failure> {
        let Table { scope, shape } = self.table;
        let given = |name: &str| {
            set.iter()
                .find(|(given, _)| given == name)
                .map(|(_, cell)| cell)
        };
        for column in shape.stored().filter(|column| needs_value(shape, column)) {
            if given(&column.name).is_none() {
                return Err(missing(
                    scope.writable.contains_key(&column.name),
                    &column.name,
                ));
            }
        }
        let key: Option<Vec<Cell>> = scope.key.iter().map(|name| given(name).cloned()).collect();
        if let Some(key) = &key
            && self.table.find(connection, key).await?.is_some()
        {
            let name = words::resource(&scope.name, key);
            let told = format!("`{name}` is there already; use `update` to change it");
            return Err(Failure::invalid(told));
        }
        self.inside_when_new(connection, &set).await?;
        let mut after = Map::new();
        for name in scope.plain_fields() {
            let default = || shape.column(name).and_then(|column| column.default.clone());
            if let Some(cell) = given(name).cloned().or_else(default) {
                after.insert(name.clone(), cell.shown());
            }
        }
        let resource = match &key {
            Some(key) => words::resource(&scope.name, key),
            None => words::new_resource(&scope.name, number),
        };
        let step = Step::Insert {
            set,
            key,
            rowid: None,
            becomes: None,
        };
        self.add(resource, (None, Some(after)), step)
    }

    async fn update(
        &mut self,
        connection: &mut dyn Link,
        key: &[Cell],
        values: (&str, &Map<String, Value>),
    ) -> Result<(), Failure> {
        let mut set = self.given(connection, values, Moment::There).await?;
        if set.is_empty() {
            let told = format!("`{}`: name at least one field", values.0);
            return Err(Failure::invalid(told));
        }
        let Table { scope, shape } = self.table;
        let row = self.found(connection, key).await?.ok_or_else(none)?;
        set.retain(|(name, cell)| row.cell(shape, name) != *cell);
        let carried = |name: &String| shape.cascades.on_update.contains(name);
        if scope.triggers == Triggers::Allow && set.iter().any(|(name, _)| carried(name)) {
            return Err(carries("changed"));
        }
        let mut was: Vec<(String, Cell)> = set
            .iter()
            .map(|(name, _)| (name.clone(), row.cell(shape, name)))
            .collect();
        let mut touched = row.touched(shape);
        touched.retain(|(name, _)| !set.iter().any(|(given, _)| given == name));
        let new = row.with(shape, &set);
        let mut after = self.stored_image(&new);
        // What the database makes of them is known when it is there.
        after.retain(|name, _| !touched.iter().any(|(column, _)| column == name));
        was.extend(touched);
        let key = row.key(shape, scope);
        let step = Step::Update {
            whole: row.whole(shape),
            becomes: new.lasting(shape),
            key: key.clone(),
            was,
            set,
        };
        if row.whole(shape) == new.whole(shape) {
            // It says that already: it is no target.
            return Ok(());
        }
        self.inside(connection, &new).await?;
        let images = (Some(self.stored_image(&row)), Some(after));
        self.add(words::resource(&scope.name, &key), images, step)
    }

    async fn delete(&mut self, connection: &mut dyn Link, key: &[Cell]) -> Result<(), Failure> {
        let Table { scope, shape } = self.table;
        let row = self.found(connection, key).await?.ok_or_else(none)?;
        if scope.triggers == Triggers::Allow && shape.cascades.on_delete {
            return Err(carries("removed"));
        }
        let key = row.key(shape, scope);
        let step = Step::Delete {
            whole: row.whole(shape),
            row: undo::named(&row, shape),
            rowid: row.rowid,
            key: key.clone(),
        };
        let images = (Some(self.stored_image(&row)), None);
        self.add(words::resource(&scope.name, &key), images, step)
    }

    /// What people see of a row, without what the database works out of it: of a row that will be,
    /// nobody knows that.
    pub(super) fn stored_image(&self, row: &Row) -> Map<String, Value> {
        let shape = self.table.shape;
        let mut image = self.table.image(row);
        image.retain(|name, _| shape.column(name).is_some_and(|column| !column.generated));
        image
    }

    /// Adds a target, each row once.
    pub(super) fn add(
        &mut self,
        resource: String,
        (before, after): (Side, Side),
        step: Step,
    ) -> Result<(), Failure> {
        if self
            .targets
            .iter()
            .any(|target| target.resource == resource)
        {
            return Err(Failure::invalid(format!("`{resource}` stands there twice")));
        }
        self.targets.push(Target {
            resource,
            facets: self.table.scope.facets(),
            before: before.map(Image::Fields),
            after: after.map(Image::Fields),
        });
        self.steps.push(step);
        Ok(())
    }

    pub(super) fn finish(
        self,
        action: &str,
        power: Power,
        sentence: String,
    ) -> Result<Plan, Failure> {
        if self.targets.is_empty() {
            return Err(Failure::invalid(
                "this would change nothing: it says that already",
            ));
        }
        let work = Work {
            table: self.table.scope.name.clone(),
            given: self.table.scope.given.clone(),
            steps: self.steps,
        };
        let work = work.kept()?;
        if work.to_string().len() > MOST_WORK {
            let most = MOST_WORK >> 20;
            let told =
                format!("the rows have more than {most} MiB together; change fewer at a time");
            return Err(Failure::new(Status::Limited, told));
        }
        Ok(Plan {
            action: action.to_owned(),
            power,
            sentence,
            targets: self.targets,
            reversal: Reversal::Reversible,
            work,
        })
    }
}

pub(super) fn none() -> Failure {
    Failure::not_found("there is no row with this key; `list` shows those that are there")
}

fn carries(done: &str) -> Failure {
    let told = format!("other rows of the database would be {done} with it, so it is refused");
    Failure::invalid(told)
}
