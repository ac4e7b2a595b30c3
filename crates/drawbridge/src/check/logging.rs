//! 6 Logging: enough to answer for it, no more than is wanted, and for a stated time.

use drawbridge_core::file::Content;

use super::{Noticed, Subject};

pub(super) fn grade(subject: &Subject<'_>, noticed: &mut Noticed) {
    let logging = &subject.file.logging;
    match logging.content {
        Content::Full => noticed.amber(
            "records keep whole arguments and answers",
            "write `logging.content: summary` unless somebody needs the content",
        ),
        Content::Summary => noticed.green("every call is recorded, with what it returned by name"),
        Content::Digest => noticed.green("every call is recorded, by counts and digests"),
    }
    match logging.keep {
        None => noticed.amber(
            "nobody says how long records are kept",
            "set `logging.keep`, such as `400d`",
        ),
        Some(keep) => noticed.green(format!(
            "records are kept for good: `keep: {keep}` is not carried out yet"
        )),
    }
}
