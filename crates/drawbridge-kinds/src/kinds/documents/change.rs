//! Changing documents: what a call would change, worked out; and done, so that nobody's change is
//! lost.

mod disk;
mod item;
mod steps;
mod swap;
#[cfg(test)]
mod tests;
mod wanted;

use std::{collections::BTreeMap, sync::Arc};

use drawbridge_core::{
    answer::{Failure, Status},
    call::{Call, Power},
    connector::LABEL,
    decide::View,
    plan::{Applied, Image, Plan, Receipt, Reversal, Settled, Target},
};
use tokio_util::sync::CancellationToken;

use super::{
    Folder,
    document::{Document, Stamp},
    part::Shown,
    source::{Absent, Content},
    sync,
};
pub(super) use disk::{Disk, is_ours};
use item::{Item, Kept};
use wanted::{Edit, Wanted};
pub(super) use wanted::{MOST_CONTENT, MOST_TARGETS, WRITABLE_FORMATS};

/// Lines and names in a sentence are counted, not listed, beyond this.
const NAMED: usize = 3;

/// A document before or after: what it says, and what is known of it.
type Side = Option<(String, Document)>;

/// What there is before a change.
enum Before {
    /// Nothing that the caller may see.
    Nothing,
    /// A document.
    Document(String, Document),
    /// A document in another encoding: it is read, not changed.
    NoText,
}

/// What a call would change.
pub(super) async fn plan(folder: &Arc<Folder>, call: &Call, view: &View) -> Result<Plan, Failure> {
    let wanted = Wanted::of(&call.action.name, &call.arguments)?;
    let mut targets = Vec::new();
    for (path, edit) in &wanted.edits {
        folder.own.may_change(path)?;
        targets.push(target(folder, view, (path, edit)).await?);
    }
    let (action, power) = match (call.action.power, targets.first()) {
        (Power::Draft, Some(target)) if target.before.is_some() => ("update", Power::Update),
        (Power::Draft, _) => ("write", Power::Write),
        (power, _) => (&*call.action.name, power),
    };
    Ok(Plan {
        action: action.to_owned(),
        power,
        sentence: sentence(power, &targets),
        work: kept(folder, &targets).await?.work(),
        targets,
        reversal: Reversal::Reversible,
    })
}

/// What is kept of the documents that go away, beside what they say.
async fn kept(folder: &Arc<Folder>, targets: &[Target]) -> Result<Kept, Failure> {
    let gone = targets.iter().filter(|target| target.after.is_none());
    let paths: Vec<String> = gone.map(|target| target.resource.clone()).collect();
    if paths.is_empty() {
        return Ok(Kept::default());
    }
    let disk = folder.disk.clone();
    let looked = folder.turns.block(move || {
        let mut kept = Kept::default();
        for path in paths {
            let place = disk.place(&path)?;
            if let Some(access) = place.and_then(|place| place.access()) {
                kept.access.insert(path, access);
            }
        }
        Ok(kept)
    });
    let broke = |broke: tokio::task::JoinError| super::unreachable_source(broke.to_string());
    looked.await.map_err(broke)?
}

async fn target(
    folder: &Arc<Folder>,
    view: &View,
    (path, edit): (&str, &Edit),
) -> Result<Target, Failure> {
    let before = match before(folder, view, path).await? {
        Before::Nothing => None,
        Before::Document(text, document) => Some((text, document)),
        Before::NoText => {
            let told = format!("`{path}` is not encoded as UTF-8; a person changes it");
            return Err(Failure::invalid(told));
        }
    };
    let none = || Failure::not_found(format!("there is no document `{path}` that you may see"));
    let (before, after) = match (edit, before) {
        (Edit::Create(_), Some(_)) => {
            let told = format!("`{path}` exists already; use `update` to change it");
            return Err(Failure::new(Status::Conflict, told));
        }
        (Edit::Create(content) | Edit::Put(content), before) => (before, Some(content.clone())),
        (Edit::Replace(content), Some(before)) => (Some(before), Some(content.clone())),
        (Edit::Change(changes), Some(before)) => {
            let text = wanted::changed(path, &before.0, changes)?;
            (Some(before), Some(text))
        }
        (Edit::Delete, Some(before)) => (Some(before), None),
        (Edit::Replace(_) | Edit::Change(_) | Edit::Delete, None) => return Err(none()),
    };
    let after = match after {
        None => None,
        Some(text) => {
            let document = after_document(folder, view, (path, &text)).await?;
            Some((text, document))
        }
    };
    if let (Some((old, _)), Some((new, _))) = (&before, &after)
        && old == new
    {
        return Err(Failure::invalid(format!("`{path}` says that already")));
    }
    let facets = facets(folder, path, (&before, &after))?;
    let image = |side: Side| side.map(|(text, _)| Image::Text(text));
    Ok(Target {
        resource: path.to_owned(),
        facets,
        before: image(before),
        after: image(after),
    })
}

/// A document's text and what is known of it, if the view admits it. One that is hidden, and one that
/// nobody can tell who may see, are as though they were not there: then applying finds them, and
/// changes nothing.
async fn before(folder: &Arc<Folder>, view: &View, path: &str) -> Result<Before, Failure> {
    let (reader, name) = (folder.clone(), path.to_owned());
    let read = folder.turns.block(move || reader.source.read(&name)).await;
    let content = match read {
        Ok(Ok(content)) => content,
        Ok(Err(Absent::Gone | Absent::Refused(_))) => return Ok(Before::Nothing),
        Ok(Err(Absent::Unreachable(reason))) => return Err(super::unreachable_source(reason)),
        Err(broke) => return Err(super::unreachable_source(broke.to_string())),
    };
    let bytes = content.bytes.clone();
    let Ok((document, _)) = sync::document(folder, path, content).await else {
        return Ok(Before::Nothing);
    };
    let draft = document.facet("status") == Some("draft");
    let hidden = draft && folder.own.scope.drafts == Shown::Hide;
    if hidden || !view.admits(&document.resource()) {
        return Ok(Before::Nothing);
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Before::Document(text, document),
        Err(_) => Before::NoText,
    })
}

/// What a document would be; only one that its caller could see.
async fn after_document(
    folder: &Arc<Folder>,
    view: &View,
    (path, text): (&str, &str),
) -> Result<Document, Failure> {
    let content = Content {
        bytes: text.as_bytes().to_vec(),
        stamp: Stamp(String::new()),
        modified: None,
    };
    let (document, _) = sync::document(folder, path, content).await.map_err(|why| {
        let told = format!(
            "with this content nobody could see `{path}`: {}",
            why.reason
        );
        Failure::invalid(told)
    })?;
    if !view.admits(&document.resource()) {
        let told = format!("you could not see `{path}` yourself with this content");
        return Err(Failure::new(Status::Denied, told));
    }
    Ok(document)
}

/// What is true of both sides, and of two labels the more sensitive: what becomes another is true of
/// neither, so that a gate which asks asks, and one which lets through does not. Nothing becomes less
/// sensitive by what an AI writes into it.
fn facets(
    folder: &Folder,
    path: &str,
    (before, after): (&Side, &Side),
) -> Result<BTreeMap<String, String>, Failure> {
    let labels = &folder.context.labels;
    let rank = |document: &Document| labels.rank(document.label());
    if let (Some((_, old)), Some((_, new))) = (before, after)
        && rank(new) < rank(old)
    {
        let told = format!(
            "`{path}` is {} and would become {}; only people make a document less sensitive",
            old.label(),
            new.label()
        );
        return Err(Failure::new(Status::Denied, told));
    }
    let side = after.as_ref().or(before.as_ref());
    let mut facets = side.map_or_else(BTreeMap::new, |(_, document)| document.facets.clone());
    if let Some((_, old)) = before {
        facets.retain(|name, value| old.facet(name) == Some(value));
    }
    let sides = [before, after].into_iter().flatten();
    let highest = labels.highest(sides.map(|(_, document)| document.label()));
    if let Some(label) = highest.map(str::to_owned) {
        facets.insert(LABEL.to_owned(), label);
    }
    Ok(facets)
}

fn sentence(power: Power, targets: &[Target]) -> String {
    let verb = match power {
        Power::Write => "Create",
        Power::Delete => "Delete",
        _ => "Change",
    };
    if let [target] = targets {
        return format!("{verb} {}{}", target.resource, lines(target));
    }
    let named: Vec<&str> = targets
        .iter()
        .take(NAMED)
        .map(|target| target.resource.as_str())
        .collect();
    let more = targets.len().saturating_sub(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!(
        "{verb} {} documents: {}{more}",
        targets.len(),
        named.join(", ")
    )
}

/// How much of a document changes: the lines from the first to the last that differ. They are counted
/// in one pass, so that a document of any size is, and always alike.
fn lines(target: &Target) -> String {
    let text = |image: &Option<Image>| match image {
        Some(Image::Text(text)) => text.clone(),
        Some(Image::Fields(_) | Image::Dropped) | None => String::new(),
    };
    let (old, new) = (text(&target.before), text(&target.after));
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = |(one, other): &(&&str, &&str)| one == other;
    let above = old.iter().zip(&new).take_while(same).count();
    let below = old.iter().rev().zip(new.iter().rev());
    let most = old.len().min(new.len()) - above;
    let below = below.take_while(same).take(most).count();
    let (removed, added) = (old.len() - above - below, new.len() - above - below);
    let counted = |count: usize| match count {
        1 => "1 line".to_owned(),
        count => format!("{count} lines"),
    };
    match (added, removed) {
        (added, 0) => format!(" ({} more)", counted(added)),
        (0, removed) => format!(" ({} less)", counted(removed)),
        (added, removed) => format!(" ({} in the place of {removed})", counted(added)),
    }
}

/// Does a plan, and tells the sync.
pub(super) async fn apply(
    folder: &Arc<Folder>,
    plan: &Plan,
    key: &str,
) -> Result<Receipt, Failure> {
    let items = Item::all(plan)?;
    for item in &items {
        // The file may have changed since: what it no longer lets change is not changed.
        folder.own.may_change(&item.path)?;
    }
    let (disk, key, sentence) = (folder.disk.clone(), key.to_owned(), plan.sentence.clone());
    let given_up = CancellationToken::new();
    let _given_up_with_this = given_up.clone().drop_guard();
    let work = tokio::task::spawn_blocking(move || steps::apply(&disk, (&items, &key), &given_up));
    let applied = work.await.map_err(|broke| {
        let told = "it broke while it was being done";
        Failure::new(Status::Unknown, told).with_source(broke)
    })??;
    Ok(receipt(folder, sentence, applied))
}

/// The receipt. What was changed is looked at, whether or not the watch tells of it.
fn receipt(folder: &Arc<Folder>, sentence: String, applied: Vec<Applied>) -> Receipt {
    let paths = applied.iter().map(|one| one.resource.clone()).collect();
    let (looking, stop) = (folder.clone(), folder.stop.clone());
    folder.tasks.spawn(async move {
        stop.run_until_cancelled(sync::refresh(&looking, paths))
            .await;
    });
    Receipt {
        sentence,
        applied,
        work: serde_json::Value::Null,
    }
}

/// Looks whether a plan that was begun was done. Waits for one that is still being done here.
pub(super) async fn settle(folder: &Arc<Folder>, plan: &Plan, key: &str) -> Settled {
    let items = match Item::all(plan) {
        Ok(items) => items,
        Err(failure) => return failure.into(),
    };
    let (disk, key, sentence) = (folder.disk.clone(), key.to_owned(), plan.sentence.clone());
    let work = tokio::task::spawn_blocking(move || steps::settle(&disk, &items, &key));
    match work.await {
        Ok(Ok(steps::Found::Applied(applied))) => {
            Settled::Applied(receipt(folder, sentence, applied))
        }
        Ok(Ok(steps::Found::NotApplied)) => Settled::NotApplied,
        Ok(Ok(steps::Found::Unknown(why))) => Settled::Unknown(why),
        Ok(Err(failure)) => failure.into(),
        Err(_) => Settled::Unknown("it broke while it was looked up".to_owned()),
    }
}

/// The plan that takes an applied one back; only where every document still is as it was left.
pub(super) async fn undo(folder: &Arc<Folder>, plan: &Plan) -> Result<Plan, Failure> {
    let items = Item::all(plan)?;
    let disk = folder.disk.clone();
    let looked = tokio::task::spawn_blocking(move || steps::all_are_after(&disk, &items));
    looked.await.map_err(|broke| {
        Failure::new(Status::Unavailable, "it broke while it was looked up").with_source(broke)
    })??;
    let targets: Vec<Target> = plan
        .targets
        .iter()
        .map(|target| Target {
            before: target.after.clone(),
            after: target.before.clone(),
            ..target.clone()
        })
        .collect();
    let (action, power) = match plan.power {
        Power::Write => ("delete", Power::Delete),
        Power::Delete => ("write", Power::Write),
        _ => ("update", Power::Update),
    };
    Ok(Plan {
        action: action.to_owned(),
        power,
        sentence: format!("Take back: {}", plan.sentence),
        targets,
        reversal: Reversal::Reversible,
        work: plan.work.clone(),
    })
}
