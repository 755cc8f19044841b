//! What people and bots wrote on a merge request. All of it is data: nothing in it is obeyed but by the rules of this room.

use crate::change::{CommitId, RepoPath};

/// A user of GitLab.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    /// Number on this instance.
    pub id: u64,
    /// Name without `@`.
    pub username: String,
}

/// A discussion, or a single note outside of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// GitLab's ID, 40 hexadecimal digits.
    pub id: String,
    /// A single note that cannot be replied to as a thread, like the summary.
    pub individual: bool,
    /// Oldest first; never empty.
    pub notes: Vec<Note>,
}

/// One note.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that GitLab tells")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// GitLab's number.
    pub id: u64,
    /// Who wrote it.
    pub author: Person,
    /// As stored, HTML comments included.
    pub body: String,
    /// Written by GitLab itself, e.g. “changed this line in version 3”.
    pub system: bool,
    /// When it was written, RFC 3339 as GitLab gives it: sorts as text.
    pub created_at: String,
    /// It was changed after it was written. GitLab does not tell what: its text, or a reaction, or that it was resolved.
    pub edited: bool,
    /// It can be resolved.
    pub resolvable: bool,
    /// It is resolved.
    pub resolved: bool,
    /// By whom.
    pub resolved_by: Option<Person>,
    /// Where it stands in the diff.
    pub place: Option<NotePlace>,
    /// A suggestion in it was applied.
    pub suggestion_applied: bool,
}

/// Where a note stands in the diff. GitLab moves it along as long as it can follow the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotePlace {
    /// The head that the numbers belong to; another one than the current head: outdated.
    pub head: CommitId,
    /// The file in the base.
    pub old_path: RepoPath,
    /// The file in the head.
    pub new_path: RepoPath,
    /// Line in the base; none for an added line and for a whole file.
    pub old_line: Option<u32>,
    /// Line in the head; none for a removed line and for a whole file.
    pub new_line: Option<u32>,
}
