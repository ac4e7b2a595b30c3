//! One document's change: published in one step of the kernel, verified, and taken back.
//!
//! What stands beside a document tells how far its change is. Before: what it shall say. From then
//! on: what it said, so that what somebody wrote in between is found there, and nothing else is.

use drawbridge_core::answer::{Failure, Status};

use super::{
    disk::{Disk, Moved, Place, There, aside, unfinished},
    item::Item,
};

/// A document to be changed, with its folder opened.
pub(super) struct Swap<'a> {
    pub(super) item: &'a Item,
    /// None where there is no such folder.
    pub(super) place: Option<Place>,
    aside: String,
}

/// What stands beside a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    Nothing,
    /// What it shall say.
    After,
    /// What it said.
    Before,
    /// What somebody else wrote.
    Theirs,
}

impl<'a> Swap<'a> {
    pub(super) fn open(
        disk: &Disk,
        item: &'a Item,
        (key, index): (&str, usize),
    ) -> Result<Self, Failure> {
        Ok(Self {
            item,
            place: disk.place(&item.path)?,
            aside: aside(key, index),
        })
    }

    /// What is under the document's name.
    pub(super) fn there(&self) -> Result<There, Failure> {
        match &self.place {
            Some(place) => place.look(place.name()),
            None => Ok(There::Nothing),
        }
    }

    pub(super) fn beside(&self) -> Result<Beside, Failure> {
        let Some(place) = &self.place else {
            return Ok(Beside::Nothing);
        };
        Ok(match place.look(&self.aside)? {
            There::Nothing => Beside::Nothing,
            there if there.is(self.item.after.as_ref()) => Beside::After,
            there if there.is(self.item.before.as_ref()) => Beside::Before,
            There::Bytes(_) | There::Other => Beside::Theirs,
        })
    }

    /// Writes aside what it shall say.
    pub(super) fn prepare(&self) -> Result<(), Failure> {
        match &self.item.after {
            Some(after) => self.place()?.write(&self.aside, after, self.item.access),
            None => Ok(()),
        }
    }

    /// Changes it, if it is as the plan says. Where this fails, [`Self::take_back`] repairs.
    pub(super) fn publish(&self) -> Result<(), Failure> {
        let (place, aside) = (self.place()?, self.aside.as_str());
        let moved = match (&self.item.before, &self.item.after) {
            (None, Some(_)) => place.rename(aside, place.name())?,
            (Some(_), Some(_)) => place.exchange(aside, place.name())?,
            (Some(_), None) => place.rename(place.name(), aside)?,
            (None, None) => Moved::Yes,
        };
        match moved {
            Moved::Yes => self.verify(),
            Moved::Taken | Moved::Gone => Err(self.changed()),
        }
    }

    /// Whether what came out is what the plan says was there.
    pub(super) fn verify(&self) -> Result<(), Failure> {
        // What cannot be read any more is not what was planned either.
        let came_out = |place: &Place| place.look(&self.aside).unwrap_or(There::Other);
        match &self.item.before {
            Some(_) if !came_out(self.place()?).is(self.item.before.as_ref()) => {
                Err(self.changed())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Makes it as it was. What somebody did to it since stays.
    ///
    /// # Errors
    /// `unknown`, with the names of the files that a person must look at.
    pub(super) fn take_back(&self) -> Result<(), Failure> {
        let Some(place) = &self.place else {
            return Err(self.unclear("its folder is gone"));
        };
        match (&self.item.before, &self.item.after) {
            (None, Some(_)) => self.take_away(place),
            (Some(_), Some(_)) => self.exchange_back(place),
            (Some(_), None) => self.bring_back(place),
            (None, None) => Ok(()),
        }
    }

    fn take_away(&self, place: &Place) -> Result<(), Failure> {
        match self.beside()? {
            Beside::After => return Ok(()),
            Beside::Nothing => match self.there()? {
                There::Nothing => return Ok(()),
                there if there.is(self.item.after.as_ref()) => {
                    place.rename(place.name(), &self.aside)?;
                }
                There::Bytes(_) | There::Other => return Err(self.changed_since()),
            },
            Beside::Before | Beside::Theirs => {}
        }
        match self.beside()? {
            Beside::After | Beside::Nothing => Ok(()),
            Beside::Before | Beside::Theirs => match place.rename(&self.aside, place.name())? {
                Moved::Yes => Err(self.changed_since()),
                Moved::Taken | Moved::Gone => Err(self.kept_beside()),
            },
        }
    }

    fn exchange_back(&self, place: &Place) -> Result<(), Failure> {
        match self.beside()? {
            Beside::After => return Ok(()),
            Beside::Nothing if self.there()?.is(self.item.before.as_ref()) => return Ok(()),
            Beside::Nothing => return Err(self.changed_since()),
            Beside::Before | Beside::Theirs => {}
        }
        if !self.there()?.is(self.item.after.as_ref()) {
            return Err(self.kept_beside());
        }
        if place.exchange(&self.aside, place.name())? != Moved::Yes {
            return Err(self.kept_beside());
        }
        if self.beside()? == Beside::After {
            return Ok(());
        }
        // Somebody wrote over what was put there: theirs is the newest, and stays.
        place.exchange(&self.aside, place.name())?;
        Err(self.kept_beside())
    }

    fn bring_back(&self, place: &Place) -> Result<(), Failure> {
        if self.beside()? == Beside::Nothing {
            return Ok(());
        }
        match place.rename(&self.aside, place.name())? {
            Moved::Yes => Ok(()),
            Moved::Taken | Moved::Gone => Err(self.kept_beside()),
        }
    }

    /// Removes what is beside it, if it is this; what somebody else wrote is kept.
    pub(super) fn drop_beside(&self, ours: Beside) -> Result<(), Failure> {
        match (&self.place, self.beside()?) {
            (None, _) | (_, Beside::Nothing) => Ok(()),
            (Some(place), beside) if beside == ours => place.remove(&self.aside),
            (Some(_), _) => Err(self.kept_beside()),
        }
    }

    /// Removes what was not written to its end.
    pub(super) fn drop_unfinished(&self) -> Result<(), Failure> {
        let part = unfinished(&self.aside);
        match &self.place {
            Some(place) if place.look(&part)? != There::Nothing => place.remove(&part),
            Some(_) | None => Ok(()),
        }
    }

    fn place(&self) -> Result<&Place, Failure> {
        self.place.as_ref().ok_or_else(|| self.changed())
    }

    pub(super) fn changed(&self) -> Failure {
        let told = format!("`{}` is no longer as the plan says", self.item.path);
        Failure::new(Status::Conflict, told)
    }

    fn changed_since(&self) -> Failure {
        self.unclear("somebody else changed it since")
    }

    fn kept_beside(&self) -> Failure {
        let told = format!(
            "somebody else changed it at the same moment; what it said before is in `{}` beside it",
            self.aside
        );
        self.unclear(&told)
    }

    fn unclear(&self, why: &str) -> Failure {
        Failure::new(Status::Unknown, format!("`{}`: {why}", self.item.path))
    }
}
