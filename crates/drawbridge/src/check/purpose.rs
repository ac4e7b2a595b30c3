//! 1 Purpose: somebody answers for it, and looks at it again and again.

use super::{Noticed, Subject, day};

pub(super) fn grade(subject: &Subject<'_>, noticed: &mut Noticed) {
    let purpose = &subject.file.purpose;
    noticed.green(format!("`{}` answers for it", purpose.owner));
    if !subject.gateway.people.contains_key(&purpose.owner) {
        noticed.amber(
            "its owner is not under `people`, so nobody notices when they leave",
            "add them under `people` in drawbridge.yaml, or name another owner",
        );
    }
    if purpose.review_every.is_none() {
        noticed.amber(
            "nobody has to review it",
            "set `purpose.review_every`, such as `90d`",
        );
    }
    let Some(facts) = subject.facts else {
        return noticed.unseen("when it was last reviewed");
    };
    let mend = format!(
        "look at it, then `drawbridge approve-revision {}`",
        subject.file.connector
    );
    match (&facts.reviewed, facts.due) {
        (None, _) => noticed.unseen("when it was last reviewed: nobody has approved it yet"),
        (Some(_), Some(due)) if due.is_over(facts.now) => noticed.red(
            format!(
                "its review was due on {} and the time of grace has ended",
                day(due.at)
            ),
            mend,
        ),
        (Some(_), Some(due)) if due.is_overdue(facts.now) => noticed.amber(
            format!(
                "its review was due on {}; on {} it is paused",
                day(due.at),
                day(due.pause_at)
            ),
            mend,
        ),
        (Some(review), Some(due)) => noticed.green(format!(
            "`{}` reviewed it on {}; the next review is due on {}",
            review.by,
            day(review.at),
            day(due.at)
        )),
        (Some(review), None) => {
            noticed.green(format!("`{}` reviewed it on {}", review.by, day(review.at)))
        }
    }
}
