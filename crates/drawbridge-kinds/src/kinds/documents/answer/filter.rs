//! Filters: which of the visible documents are asked for.

use drawbridge_core::{answer::Failure, connector::LABEL};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{super::library::snapshot::Held, Question};

/// The facets that can be asked for by name.
const FACETS: [&str; 6] = [
    LABEL,
    "department",
    "customer",
    "project",
    "status",
    "format",
];

/// Which documents are asked for.
struct Filter<'a> {
    facets: Vec<(&'static str, &'a str)>,
    folder: &'a str,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
}

impl Filter<'_> {
    fn wants(&self, held: &Held) -> bool {
        let facets = self.facets.iter();
        let equal = facets
            .into_iter()
            .all(|(name, value)| held.document.facet(name) == Some(value));
        let below = held.path().strip_prefix(self.folder);
        let inside = self.folder.is_empty() || below.is_some_and(|rest| rest.starts_with('/'));
        let modified = held.document.modified;
        let late = self
            .after
            .is_none_or(|after| modified.is_some_and(|time| time >= after));
        let early = self
            .before
            .is_none_or(|before| modified.is_some_and(|time| time < before));
        equal && inside && late && early
    }
}

impl Question<'_> {
    fn filter(&self) -> Result<Filter<'_>, Failure> {
        let facets = FACETS.into_iter();
        Ok(Filter {
            facets: facets
                .filter_map(|name| Some((name, self.text(name)?)))
                .collect(),
            folder: self.text("folder").unwrap_or_default().trim_matches('/'),
            after: self.time("modified_after")?,
            before: self.time("modified_before")?,
        })
    }

    /// The visible documents that the filters let through, by slot.
    pub(super) fn wanted(&self) -> Result<Vec<bool>, Failure> {
        let filter = self.filter()?;
        let documents = self.snapshot.documents.iter().enumerate();
        let wanted = |(slot, held)| self.visible.sees(slot) && filter.wants(held);
        Ok(documents.map(wanted).collect())
    }

    /// A time, or the beginning of a day in UTC.
    fn time(&self, name: &str) -> Result<Option<Timestamp>, Failure> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
        let time = text.parse::<Timestamp>().ok();
        match time.or_else(|| day().map(|day| day.timestamp())) {
            Some(time) => Ok(Some(time)),
            None => Err(Failure::invalid(format!(
                "`{name}`: it is no time; write a day like `2026-01-31`, or `2026-01-31T08:00:00Z`"
            ))),
        }
    }
}
