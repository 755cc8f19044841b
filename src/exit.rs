//! The exit codes of the program, in one table. It must not decide which one a run ends with: `review::verdict` does.

/// How a run ended, as the calling shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Reviewed, or there was nothing to do.
    Done,
    /// `fail_on` was met.
    Gate,
    /// Usage or configuration error; nothing was done.
    Usage,
    /// Incomplete because something outside failed; what could be done was done and published.
    Incomplete,
    /// GitLab refused what was needed; the result is in the artifact.
    Refused,
    /// Incomplete by budget or coverage.
    Coverage,
    /// A bug in Assize itself.
    Bug,
}

impl Exit {
    /// All exits, in order of precedence: the first that applies is the one reported.
    pub const PRECEDENCE: [Self; 7] = [Self::Bug, Self::Usage, Self::Refused, Self::Gate, Self::Incomplete, Self::Coverage, Self::Done];

    /// Returns the number handed to the shell.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Gate => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::Refused => 4,
            Self::Coverage => 5,
            Self::Bug => 101,
        }
    }

    /// Returns what the number means, as one line of documentation.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "reviewed, or nothing to do",
            Self::Gate => "`fail_on` was met",
            Self::Usage => "usage or configuration error, nothing was done",
            Self::Incomplete => "incomplete because something outside failed; the rest was done",
            Self::Refused => "GitLab refused what was needed; the result is in the artifact",
            Self::Coverage => "incomplete by budget or coverage",
            Self::Bug => "a bug in Assize itself",
        }
    }
}
