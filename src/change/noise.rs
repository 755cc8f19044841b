//! The noise filter: which files the reviewers need not see, and why. It must not drop a file without a reason.

/// Why a file is left out of the reviewers' view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Noise {
    /// A lock file of a package manager.
    LockFile,
    /// In a vendored or dependency folder.
    Vendored,
    /// Minified or bundled.
    Minified,
    /// A source map.
    SourceMap,
    /// Binary.
    Binary,
    /// Moved without an edit.
    PureRename,
    /// Only its mode changed.
    ModeOnly,
    /// A submodule pointer.
    Submodule,
    /// Generated; what says so, e.g. `linguist-generated`.
    Generated(String),
    /// Matches the project's `filter.ignore`.
    Ignored,
    /// Matches `filter.never_send`: withheld from prompts and tools.
    NeverSend,
    /// Looks like a secret: withheld from prompts and tools, raised by a detector.
    SecretFile,
}
