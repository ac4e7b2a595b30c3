//! Why a question has no answer, and what is known by that of what became of it.

use drawbridge_core::answer::Failure;

/// Why a question has no answer.
#[derive(Debug)]
pub(in super::super) enum Trouble {
    /// It was never asked: nothing happened.
    Before(Failure),
    /// The server refused it before anything was begun: nothing happened.
    Refused(Failure),
    /// What was begun says that it failed, or that there is no such thing. It may have done a part.
    Failed(Failure),
    /// The server answers with another error, or asks for more. It may have begun, and done a part.
    Halted(Failure),
    /// It was asked, and nobody can tell what came of it.
    After(Failure),
}

impl Trouble {
    /// Without what the server itself says of it.
    pub(in super::super) fn without_words(mut self) -> Self {
        let (Self::Before(failure)
        | Self::Refused(failure)
        | Self::Failed(failure)
        | Self::Halted(failure)
        | Self::After(failure)) = &mut self;
        failure.words = None;
        self
    }

    /// As a failure to read.
    pub(in super::super) fn failure(self) -> Failure {
        match self {
            Self::Before(failure)
            | Self::Refused(failure)
            | Self::Failed(failure)
            | Self::Halted(failure)
            | Self::After(failure) => failure,
        }
    }
}
