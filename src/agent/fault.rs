//! Why a reader failed, and where the cause lies. It must not decide what follows.

/// Why a reader failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// One clause for people.
    pub(super) why: String,
    /// Where the cause lies.
    pub(super) cause: Cause,
}

/// Where the cause of a failure lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A fault outside.
    Outside,
    /// A ceiling of turns, time, money or tokens.
    Budget,
    /// The change alone is too long for the model: a smaller part of it may do.
    TooLong,
}

impl Cause {
    /// Returns the word that telemetry has for it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Budget => "budget",
            Self::TooLong => "too_long",
        }
    }
}

impl Fault {
    /// Returns a fault outside.
    pub(super) fn outside(why: impl Into<String>) -> Self {
        Self { why: why.into(), cause: Cause::Outside }
    }

    /// Returns that a ceiling stopped it.
    pub(super) fn budget(why: impl Into<String>) -> Self {
        Self { why: why.into(), cause: Cause::Budget }
    }

    /// Returns whether a ceiling stopped it, not a fault outside.
    pub(super) fn by_budget(&self) -> bool {
        self.cause == Cause::Budget
    }
}
