//! The read-only tools of a reviewer, by their wire names. It must not run them: `agent` does.

/// A tool that only reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// The change of one file.
    ReadDiff,
    /// Lines of a file of the head.
    ReadFile,
    /// Places of a pattern in the head.
    Grep,
    /// Paths of the head.
    ListFiles,
    /// A rule of the codex, whole.
    ReadRule,
    /// The commits of a path.
    GitHistory,
}

impl Tool {
    /// All tools, in the order in which models see them.
    pub const ALL: [Self; 6] = [Self::ReadDiff, Self::ReadFile, Self::Grep, Self::ListFiles, Self::ReadRule, Self::GitHistory];

    /// Returns the wire name (contract: tools keep their names).
    pub const fn word(self) -> &'static str {
        match self {
            Self::ReadDiff => "read_diff",
            Self::ReadFile => "read_file",
            Self::Grep => "grep",
            Self::ListFiles => "list_files",
            Self::ReadRule => "read_rule",
            Self::GitHistory => "git_history",
        }
    }

    /// Returns the tool of a wire name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.word() == word)
    }
}
