//! The steps by which documents are changed, and what they left behind where something ended them.
//!
//! A document is never written over. What it shall say is written aside, durably; then two names are
//! exchanged in one step, and only if what comes out is what the plan says is it removed. So a change
//! that somebody makes at the same moment comes out too, and is put back.
//!
//! Of one document, what stands beside it tells how far it is. Several have a mark: while it says
//! `began`, what was done is taken back; from `done` on, it is brought to its end. Without evidence
//! nothing is taken back: it may be what a person did.

#[cfg(test)]
pub(super) mod tests;

use std::{collections::BTreeSet, sync::PoisonError};

use drawbridge_core::{
    answer::{Failure, Status},
    plan::Applied,
};
use tokio_util::sync::CancellationToken;

use super::{
    disk::{Disk, Moved, Place, There, mark},
    item::Item,
    swap::{Beside, Swap},
};

/// What came of a plan that was begun.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Applied(Vec<Applied>),
    NotApplied,
    Unknown(String),
}

/// Does all changes, or none. Given up before it has its turn, it does none: by then somebody may have
/// looked what came of it.
pub(super) fn apply(
    disk: &Disk,
    (items, key): (&[Item], &str),
    given_up: &CancellationToken,
) -> Result<Vec<Applied>, Failure> {
    let _alone = disk.alone.lock().unwrap_or_else(PoisonError::into_inner);
    if given_up.is_cancelled() {
        let told = "it was given up before it began; nothing was changed";
        return Err(Failure::new(Status::Failed, told));
    }
    let work = Work::open(disk, items, key)?;
    // The same key again, or one that a crash cut short: what is there is brought to an end first.
    match work.found() {
        Ok(Found::Applied(applied)) => return Ok(applied),
        Ok(Found::NotApplied) => {}
        Ok(Found::Unknown(why)) => return Err(work.refused(Status::Conflict, why)),
        Err(failure) => return Err(work.refused(failure.status, failure.message)),
    }
    work.check()?;
    work.prepare()?;
    work.publish()
}

/// Looks what came of a plan that was begun, and brings what is half done to an end.
pub(super) fn settle(disk: &Disk, items: &[Item], key: &str) -> Result<Found, Failure> {
    let _alone = disk.alone.lock().unwrap_or_else(PoisonError::into_inner);
    Work::open(disk, items, key)?.found()
}

/// Whether every document is as the plan left it.
pub(super) fn all_are_after(disk: &Disk, items: &[Item]) -> Result<(), Failure> {
    for swap in Work::open(disk, items, "")?.swaps {
        if !swap.there()?.is(swap.item.after.as_ref()) {
            let told = format!(
                "`{}` was changed since, so it is not taken back",
                swap.item.path
            );
            return Err(Failure::new(Status::Conflict, told));
        }
    }
    Ok(())
}

/// The changes of one plan.
struct Work<'a> {
    swaps: Vec<Swap<'a>>,
    began: String,
    done: String,
}

impl<'a> Work<'a> {
    fn open(disk: &Disk, items: &'a [Item], key: &str) -> Result<Self, Failure> {
        let swaps = items
            .iter()
            .enumerate()
            .map(|(index, item)| Swap::open(disk, item, (key, index)));
        Ok(Self {
            swaps: swaps.collect::<Result<_, _>>()?,
            began: mark(key, "began"),
            done: mark(key, "done"),
        })
    }

    /// Where the mark is; none for one document, whose change is one step.
    fn marked(&self) -> Option<&Place> {
        match self.swaps.as_slice() {
            [] | [_] => None,
            [first, ..] => first.place.as_ref(),
        }
    }

    fn is_marked(&self, name: &str) -> Result<bool, Failure> {
        match self.marked() {
            Some(place) => Ok(place.look(name)? != There::Nothing),
            None => Ok(false),
        }
    }

    /// Whether every document is as the plan says.
    fn check(&self) -> Result<(), Failure> {
        for swap in &self.swaps {
            let item = swap.item;
            if swap.place.is_none() && item.before.is_none() {
                let told = format!(
                    "there is no folder for `{}`; somebody makes it first",
                    item.path
                );
                return Err(Failure::invalid(told));
            }
            match swap.there()? {
                there if there.is(item.before.as_ref()) => {}
                There::Other => {
                    let told = format!(
                        "`{}` is no plain file, or it has a second name (a hard link): such a one \
                         is not changed",
                        item.path
                    );
                    return Err(Failure::new(Status::Conflict, told));
                }
                There::Nothing | There::Bytes(_) => return Err(swap.changed()),
            }
        }
        Ok(())
    }

    /// Writes aside what the documents shall say.
    fn prepare(&self) -> Result<(), Failure> {
        let prepared = self.swaps.iter().try_for_each(Swap::prepare);
        prepared.and_then(|()| self.sync()).map_err(|failure| {
            // Nothing has its name yet.
            match self.drop_all(Beside::After) {
                Ok(()) => failure,
                Err(left) => both(&failure, &left),
            }
        })
    }

    /// Changes all documents, and takes back what it changed where one is not as planned.
    fn publish(&self) -> Result<Vec<Applied>, Failure> {
        let published = self
            .begin()
            .and_then(|()| self.swaps.iter().try_for_each(Swap::publish))
            .and_then(|()| self.sync())
            // Who had one open may have written into what came out, up to here.
            .and_then(|()| self.swaps.iter().try_for_each(Swap::verify))
            .and_then(|()| self.commit());
        if let Err(failure) = published {
            return Err(match self.take_back() {
                Ok(()) => failure,
                Err(why) => both(&failure, &why),
            });
        }
        // From here on it is done, whatever fails.
        self.finish()
            .map_err(|failure| Failure::new(Status::Unknown, failure.message))?;
        Ok(self.receipt())
    }

    fn begin(&self) -> Result<(), Failure> {
        let Some(place) = self.marked() else {
            return Ok(());
        };
        place.touch(&self.began)?;
        place.sync()
    }

    fn commit(&self) -> Result<(), Failure> {
        let moved = match self.marked() {
            Some(place) => place.rename(&self.began, &self.done)?,
            None => Moved::Yes,
        };
        match (moved, self.swaps.first()) {
            (Moved::Taken | Moved::Gone, Some(swap)) => Err(swap.changed()),
            (Moved::Taken | Moved::Gone, None) | (Moved::Yes, _) => Ok(()),
        }
    }

    /// Removes what the documents said, and the mark.
    fn finish(&self) -> Result<(), Failure> {
        self.sync_mark()?;
        self.drop_all(Beside::Before)?;
        self.unmark(&self.done)
    }

    /// Takes back what was done, the last first. Then what they should say is beside them again: the
    /// mark goes before that does, so that one that is not beside its document was published.
    fn take_back(&self) -> Result<(), Failure> {
        let mut unclear = Vec::new();
        for swap in self.swaps.iter().rev() {
            if let Err(failure) = swap.take_back() {
                unclear.push(failure.message);
            }
        }
        if !unclear.is_empty() {
            return Err(Failure::new(Status::Unknown, unclear.join("; ")));
        }
        self.sync()?;
        self.unmark(&self.began)?;
        self.drop_all(Beside::After)
    }

    /// What came of it; brings it to an end.
    fn found(&self) -> Result<Found, Failure> {
        self.swaps.iter().try_for_each(Swap::drop_unfinished)?;
        if self.is_marked(&self.done)? {
            return Ok(self.finished());
        }
        if self.is_marked(&self.began)? {
            return Ok(self.taken_back());
        }
        if let [swap] = self.swaps.as_slice() {
            return match swap.beside()? {
                Beside::Nothing => self.by_state(),
                Beside::Before => Ok(self.finished()),
                Beside::After | Beside::Theirs => Ok(self.taken_back()),
            };
        }
        match self.drop_all(Beside::After) {
            Ok(()) => self.by_state(),
            Err(failure) => Ok(Found::Unknown(failure.message)),
        }
    }

    fn finished(&self) -> Found {
        match self.finish() {
            Ok(()) => Found::Applied(self.receipt()),
            Err(failure) => Found::Unknown(failure.message),
        }
    }

    fn taken_back(&self) -> Found {
        match self.take_back() {
            Ok(()) => Found::NotApplied,
            Err(failure) => Found::Unknown(failure.message),
        }
    }

    /// What came of it, where nothing of it is left: it was not begun, or was brought to its end.
    fn by_state(&self) -> Result<Found, Failure> {
        let (mut before, mut after, mut other) = (Vec::new(), Vec::new(), Vec::new());
        for swap in &self.swaps {
            let there = swap.there()?;
            let path = swap.item.path.as_str();
            if there.is(swap.item.after.as_ref()) {
                after.push(path);
            } else if there.is(swap.item.before.as_ref()) {
                before.push(path);
            } else {
                other.push(path);
            }
        }
        if after.len() == self.swaps.len() {
            return Ok(Found::Applied(self.receipt()));
        }
        if after.is_empty() && !before.is_empty() {
            return Ok(Found::NotApplied);
        }
        let told = [
            (after, "as it should be"),
            (before, "as it was"),
            (other, "as somebody else made it, before or after"),
        ];
        let told = told.iter().filter(|(paths, _)| !paths.is_empty());
        let told: Vec<String> = told
            .map(|(paths, how)| format!("`{}` is {how}", paths.join("`, `")))
            .collect();
        Ok(Found::Unknown(told.join("; ")))
    }

    /// A refusal before anything is begun; `unknown` where something of an earlier attempt is left.
    fn refused(&self, status: Status, why: String) -> Failure {
        let nothing = |swap: &Swap| matches!(swap.beside(), Ok(Beside::Nothing));
        let unmarked = [&self.began, &self.done]
            .into_iter()
            .all(|name| matches!(self.is_marked(name), Ok(false)));
        let clean = unmarked && self.swaps.iter().all(nothing);
        Failure::new(if clean { status } else { Status::Unknown }, why)
    }

    /// Removes what is beside the documents, if it is this.
    fn drop_all(&self, ours: Beside) -> Result<(), Failure> {
        let mut clean = true;
        for swap in &self.swaps {
            clean &= swap.beside()? == Beside::Nothing;
            swap.drop_beside(ours)?;
        }
        if clean { Ok(()) } else { self.sync() }
    }

    fn unmark(&self, name: &str) -> Result<(), Failure> {
        match self.marked() {
            Some(place) => place.remove(name).and_then(|()| place.sync()),
            None => Ok(()),
        }
    }

    fn sync_mark(&self) -> Result<(), Failure> {
        self.marked().map_or(Ok(()), Place::sync)
    }

    /// Makes the names in all folders durable.
    fn sync(&self) -> Result<(), Failure> {
        let mut synced = BTreeSet::new();
        for swap in &self.swaps {
            let above = swap.item.path.rsplit_once('/').map(|(above, _)| above);
            if let Some(place) = &swap.place
                && synced.insert(above)
            {
                place.sync()?;
            }
        }
        Ok(())
    }

    fn receipt(&self) -> Vec<Applied> {
        self.swaps.iter().map(|swap| swap.item.applied()).collect()
    }
}

/// A failure that left something behind: it is looked up what came of it.
fn both(failure: &Failure, left: &Failure) -> Failure {
    let told = format!("{}; and {}", failure.message, left.message);
    Failure::new(Status::Unknown, told)
}
