//! The steps by which documents are changed, and what they left behind where something ended them.
//!
//! A document is never written over. What it shall say is written aside, durably; then two names are
//! exchanged in one step, and only if what comes out is what the plan says is it removed. So a change
//! that somebody makes at the same moment comes out too, and is put back.

use std::sync::PoisonError;

use drawbridge_core::{
    answer::{Failure, Status},
    plan::Applied,
};

use super::{
    disk::{Disk, Place, There, aside},
    item::Item,
};

/// Where the names of steps that take back begin, so that they are told apart from those they undo.
const BACK: usize = 100_000;

/// What came of a plan that was begun.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Applied(Vec<Applied>),
    NotApplied,
    Unknown(String),
}

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stands {
    /// It is as it shall be.
    Done,
    /// It is as it was, or as somebody else made it.
    Not,
    /// Nobody can tell, for this reason.
    Unclear(String),
}

/// Does all changes, or none.
pub(super) fn apply(disk: &Disk, items: &[Item], key: &str) -> Result<Vec<Applied>, Failure> {
    let _alone = disk.alone.lock().unwrap_or_else(PoisonError::into_inner);
    // The same key again, or one that a crash cut short: what is there is brought to an end first.
    match settled(disk, items, key)? {
        Found::Applied(applied) => return Ok(applied),
        Found::NotApplied => {}
        Found::Unknown(why) => return Err(Failure::new(Status::Conflict, why)),
    }
    for item in items {
        let is = match disk.place(&item.path)? {
            Some(place) => place.look(place.name())?,
            None if item.before.is_none() => {
                let told = format!(
                    "there is no folder for `{}`; somebody makes it first",
                    item.path
                );
                return Err(Failure::invalid(told));
            }
            None => There::Nothing,
        };
        if !is.is(item.before.as_ref()) {
            return Err(changed(item));
        }
    }
    for (index, item) in items.iter().enumerate() {
        let Err(failure) = one(disk, item, &aside(key, index)) else {
            continue;
        };
        let done = items.get(..index).unwrap_or_default();
        return match take_back(disk, done, key) {
            Ok(()) => Err(failure),
            Err(why) => Err(Failure::new(
                Status::Unknown,
                format!("{}; and {}", failure.message, why.message),
            )),
        };
    }
    Ok(items.iter().map(Item::applied).collect())
}

/// Takes back what was done of a batch, the last first.
fn take_back(disk: &Disk, done: &[Item], key: &str) -> Result<(), Failure> {
    for (index, item) in done.iter().enumerate().rev() {
        one(disk, &item.inverse(), &aside(key, BACK + index)).map_err(|failure| {
            let told = format!(
                "`{}` could not be taken back: {}",
                item.path, failure.message
            );
            Failure::new(Status::Unknown, told)
        })?;
    }
    Ok(())
}

fn changed(item: &Item) -> Failure {
    let told = format!("`{}` is no longer as the plan says", item.path);
    Failure::new(Status::Conflict, told)
}

/// One change, whole or not at all.
fn one(disk: &Disk, item: &Item, aside: &str) -> Result<(), Failure> {
    let place = disk.place(&item.path)?.ok_or_else(|| changed(item))?;
    match (&item.before, &item.after) {
        (None, Some(after)) => create(&place, item, (aside, after)),
        (Some(_), Some(after)) => update(&place, item, (aside, after)),
        (Some(_), None) => delete(&place, item, aside),
        (None, None) => Ok(()),
    }
}

fn create(place: &Place, item: &Item, (aside, after): (&str, &str)) -> Result<(), Failure> {
    place.write(aside, after)?;
    let put = place.rename(aside, place.name());
    if !matches!(put, Ok(true)) {
        place.remove(aside)?;
        put?;
        return Err(changed(item));
    }
    place.sync()
}

fn update(place: &Place, item: &Item, (aside, after): (&str, &str)) -> Result<(), Failure> {
    place.write(aside, after)?;
    if let Err(failure) = place.exchange(aside, place.name()) {
        place.remove(aside)?;
        return Err(failure);
    }
    if place.look(aside)?.is(item.before.as_ref()) {
        place.sync()?;
        place.remove(aside)?;
        return place.sync();
    }
    // Somebody changed it in between: their change goes back to where it was.
    put_back(place, (aside, after))?;
    Err(changed(item))
}

/// Puts what an exchange brought out back under its name, and removes what was put in its place.
fn put_back(place: &Place, (aside, after): (&str, &str)) -> Result<(), Failure> {
    place.exchange(aside, place.name())?;
    if place.look(aside)?.is(Some(&after.to_owned())) {
        place.sync()?;
        place.remove(aside)?;
        return place.sync();
    }
    // Somebody wrote it once more, over what was put there. Theirs is the newest, and stays; what
    // they wrote over is kept beside it.
    place.exchange(aside, place.name())?;
    place.sync()?;
    let told = format!(
        "`{}` was changed twice at this moment; the newest stays, and the one before is in `{aside}` beside it",
        place.name()
    );
    Err(Failure::new(Status::Conflict, told))
}

fn delete(place: &Place, item: &Item, aside: &str) -> Result<(), Failure> {
    if !place.rename(place.name(), aside)? {
        return Err(changed(item));
    }
    if place.look(aside)?.is(item.before.as_ref()) {
        place.sync()?;
        place.remove(aside)?;
        return place.sync();
    }
    let back = place.rename(aside, place.name())?;
    place.sync()?;
    if !back {
        let told = format!(
            "`{}` was changed and made anew at this moment; what it said before is in `{aside}` beside it",
            place.name()
        );
        return Err(Failure::new(Status::Conflict, told));
    }
    Err(changed(item))
}

/// Looks what came of a plan that was begun, and brings what is half done to an end.
pub(super) fn settle(disk: &Disk, items: &[Item], key: &str) -> Result<Found, Failure> {
    let _alone = disk.alone.lock().unwrap_or_else(PoisonError::into_inner);
    settled(disk, items, key)
}

fn settled(disk: &Disk, items: &[Item], key: &str) -> Result<Found, Failure> {
    let mut stands = Vec::new();
    for (index, item) in items.iter().enumerate() {
        // Taking it back may have been cut short, too.
        let back = aside(key, BACK + index);
        let inverse = item.inverse();
        if let Some(place) = disk.place(&item.path)?
            && place.look(&back)? != There::Nothing
        {
            finish(&place, &inverse, &back)?;
        }
        stands.push(match disk.place(&item.path)? {
            Some(place) => finish(&place, item, &aside(key, index))?,
            None if item.after.is_none() => Stands::Done,
            None => Stands::Not,
        });
    }
    let unclear: Vec<&String> = stands
        .iter()
        .filter_map(|one| match one {
            Stands::Unclear(why) => Some(why),
            Stands::Done | Stands::Not => None,
        })
        .collect();
    if let Some(why) = unclear.first() {
        return Ok(Found::Unknown((*why).clone()));
    }
    if stands.iter().all(|one| *one == Stands::Done) {
        return Ok(Found::Applied(items.iter().map(Item::applied).collect()));
    }
    for (index, item) in items.iter().enumerate().rev() {
        if stands.get(index) == Some(&Stands::Done) {
            let back = aside(key, BACK + index);
            if let Err(failure) = one(disk, &item.inverse(), &back) {
                let told = format!(
                    "only a part of it was done, and `{}` could not be taken back: {}",
                    item.path, failure.message
                );
                return Ok(Found::Unknown(told));
            }
        }
    }
    Ok(Found::NotApplied)
}

/// Brings one change that was cut short to its end, or takes it back.
fn finish(place: &Place, item: &Item, aside: &str) -> Result<Stands, Failure> {
    let (is, beside) = (place.look(place.name())?, place.look(aside)?);
    let (before, after) = (item.before.as_ref(), item.after.as_ref());
    let done = is.is(after);
    if beside == There::Nothing {
        return Ok(match (done, is.is(before)) {
            (true, _) => Stands::Done,
            (false, true) => Stands::Not,
            // Nothing of ours is left, and it is neither as it was nor as it should be.
            (false, false) if item.before.is_none() => Stands::Not,
            (false, false) => Stands::Unclear(format!(
                "`{}` is neither as it was nor as it should be: somebody else changed it, before or after",
                item.path
            )),
        });
    }
    match (before.is_some(), after) {
        // Its name was not given to it yet.
        (false, _) => drop_aside(place, aside, if done { Stands::Done } else { Stands::Not }),
        // It was taken away, and what it said is still here.
        (true, None) if beside.is(before) => drop_aside(place, aside, Stands::Done),
        (true, None) => {
            let back = place.rename(aside, place.name())?;
            place.sync()?;
            Ok(if back {
                Stands::Not
            } else {
                Stands::Unclear(format!(
                    "`{}` was made anew; what it said is in `{aside}`",
                    item.path
                ))
            })
        }
        // The names were exchanged: what it said is beside it.
        (true, Some(_)) if beside.is(before) && !is.is(before) => drop_aside(
            place,
            aside,
            if done {
                Stands::Done
            } else {
                Stands::Unclear(format!(
                    "`{}` was changed by somebody right after",
                    item.path
                ))
            },
        ),
        // They were not exchanged yet, whether or not all of it was written.
        (true, Some(_)) if !done => drop_aside(place, aside, Stands::Not),
        // They were, and brought out what somebody wrote in between.
        (true, Some(text)) => {
            put_back(place, (aside, text))?;
            Ok(Stands::Not)
        }
    }
}

fn drop_aside(place: &Place, aside: &str, stands: Stands) -> Result<Stands, Failure> {
    place.sync()?;
    place.remove(aside)?;
    place.sync()?;
    Ok(stands)
}

/// Whether every document is as the plan left it.
pub(super) fn all_are_after(disk: &Disk, items: &[Item]) -> Result<(), Failure> {
    for item in items {
        let is = match disk.place(&item.path)? {
            Some(place) => place.look(place.name())?,
            None => There::Nothing,
        };
        if !is.is(item.after.as_ref()) {
            let told = format!("`{}` was changed since, so it is not taken back", item.path);
            return Err(Failure::new(Status::Conflict, told));
        }
    }
    Ok(())
}
