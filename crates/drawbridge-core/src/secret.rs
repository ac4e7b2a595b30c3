//! A value that does not print, does not serialize, and is wiped from no log because it never gets there.

use std::fmt;

/// Something that must not be seen: a token, a key, a password.
///
/// ```compile_fail
/// let secret = drawbridge_core::secret::Secret::new("hunter2".to_owned());
/// println!("{secret}");
/// ```
#[derive(Clone)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value as soon as it is loaded.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: call this on the line that sends or compares it, nowhere else.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
    }
}
