//! What a plan does, in one sentence.

use drawbridge_core::plan::Target;

use super::{
    super::{words, work::Step},
    Draft,
};

impl Draft<'_> {
    /// Whether each row is given the same values.
    fn sets_the_same(&self) -> bool {
        let set = |step: &Step| match step {
            Step::Update { set, .. } => Some(set.clone()),
            Step::Insert { .. } | Step::Delete { .. } => None,
        };
        let mut sets = self.steps.iter().map(set);
        let first = sets.next();
        sets.all(|set| Some(set) == first)
    }

    pub(super) fn sentence(&self) -> String {
        let name = &self.table.scope.name;
        let resources = self.targets.iter().map(|target| target.resource.clone());
        let fields = |target: &Target| {
            (
                words::fields(target.before.as_ref()),
                words::fields(target.after.as_ref()),
            )
        };
        match (self.targets.as_slice(), self.steps.first()) {
            ([target], Some(Step::Insert { .. })) => {
                format!("Add a row to {name}: {}", words::given(&fields(target).1))
            }
            ([target], Some(Step::Update { .. })) => {
                let (before, after) = fields(target);
                format!(
                    "Set {}: {}",
                    target.resource,
                    words::changed(&before, &after)
                )
            }
            ([target], Some(Step::Delete { .. })) => format!("Delete {}", target.resource),
            (all, Some(Step::Insert { .. })) => format!("Add {} rows to {name}", all.len()),
            (all, Some(Step::Update { .. })) if !self.sets_the_same() => {
                let (count, rows) = (all.len(), words::listed(resources));
                format!("Change {count} rows: {rows}")
            }
            (all, Some(Step::Update { set, .. })) => {
                let set = set
                    .iter()
                    .map(|(name, cell)| (name.clone(), cell.shown()))
                    .collect();
                let (count, rows) = (all.len(), words::listed(resources));
                format!("Set {} in {count} rows: {rows}", words::given(&set))
            }
            (all, Some(Step::Delete { .. })) => {
                format!("Delete {} rows: {}", all.len(), words::listed(resources))
            }
            (_, None) => format!("Change nothing in {name}"),
        }
    }
}
