//! Errors that a person can act on: what happened, to what, and what to do next. It must not print them: `lib.rs` does.

use std::fmt;

use crate::exit::Exit;

/// A failure with an exit code of its own. Everything else that ends a run is a bug (exit 101).
///
/// `message` is a lowercase fragment that names the thing; `hint` says what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The code the run ends with.
    pub exit: Exit,
    /// What happened, to what. May span lines (a source snippet below the first).
    pub message: String,
    /// What to do next, in the imperative, without a leading "hint:".
    pub hint: Option<String>,
}

impl Failure {
    /// Returns a usage or configuration failure: exit 2, nothing was done.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), hint: None }
    }

    /// Returns a failure of something outside: exit 3.
    pub fn outside(message: impl Into<String>) -> Self {
        Self { exit: Exit::Incomplete, message: message.into(), hint: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
