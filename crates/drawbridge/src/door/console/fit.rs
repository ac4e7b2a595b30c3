//! How much of a list fits on a page, however long its texts are.

use askama::filters::Escaper;

use super::escape::Visible;

/// Bytes of one list on a page: a page may have 200,000, and most lists stand beside another.
const BYTES: usize = 70_000;
/// What stands around the texts of one thing, in bytes.
const AROUND: usize = 1_000;

/// Leaves as many as fit, but at least one; whether there were more.
pub(super) fn fit<T>(list: &mut Vec<T>, texts: impl Fn(&T) -> Vec<&str>) -> bool {
    let mut bytes = 0;
    let fits = list.iter().take_while(|one| {
        bytes += AROUND + texts(one).into_iter().map(written).sum::<usize>();
        bytes <= BYTES
    });
    let fits = fits.count().max(1);
    let more = fits < list.len();
    list.truncate(fits);
    more
}

/// How many bytes a text has as pages write it.
fn written(text: &str) -> usize {
    let mut written = String::with_capacity(text.len());
    // Writing into a string does not fail.
    let _ = Visible.write_escaped_str(&mut written, text);
    written.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_fit_stay_and_one_always_does() {
        let mut short = vec!["x".to_owned(); 50];
        assert!(!fit(&mut short, |one| vec![one]));
        assert_eq!(short.len(), 50);
        let mut long = vec!["\u{202e}".repeat(1_000); 50];
        assert!(fit(&mut long, |one| vec![one]));
        assert_eq!(long.len(), BYTES / (AROUND + 12_000));
        let mut giant = vec!["<".repeat(100_000); 2];
        assert!(fit(&mut giant, |one| vec![one]));
        assert_eq!(giant.len(), 1);
    }
}
