//! 3 Access level: no power that nobody needs.

use drawbridge_core::call::Power;

use super::{Noticed, Subject};

pub(super) fn grade(subject: &Subject<'_>, noticed: &mut Noticed) {
    let file = subject.file;
    let words: Vec<&str> = file.access.iter().map(|power| power.word()).collect();
    if file.access.iter().any(|power| power.is_effect()) {
        noticed.amber(
            format!("it changes the system: {}", words.join(", ")),
            "see that every effect has a gate under `approval`",
        );
    } else if words.is_empty() {
        noticed.amber("it can do nothing", "name its powers under `access`");
    } else {
        noticed.green(format!(
            "it can {} and changes nothing",
            words.join(" and ")
        ));
    }
    let granted = |power: &Power| {
        file.permissions
            .iter()
            .any(|permission| permission.may.contains(power))
    };
    for power in file.access.iter().filter(|power| !granted(power)) {
        noticed.amber(
            format!("it can `{power}`, and no permission grants that"),
            "take the power out of `access`",
        );
    }
}
