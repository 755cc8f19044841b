//! What a round does on GitLab, as values: decided here, done by `gitlab`, which decides nothing.

use crate::change::{CommitId, Position, RepoPath};

/// One thing to do on a merge request. Actions are done in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Takes back an approval of the bot's.
    WithdrawApproval,
    /// Deletes drafts that a run which died left behind.
    DiscardDrafts,
    /// Writes the summary for the first time.
    PostSummary {
        /// The whole note.
        body: String,
    },
    /// Replaces the text of the summary.
    EditSummary {
        /// The note.
        note: u64,
        /// The whole new text.
        body: String,
    },
    /// Opens threads, all in one batch and so in one mail.
    OpenThreads {
        /// The threads, worst first.
        threads: Vec<NewThread>,
        /// The summary, where it is written for the first time and goes into the same batch.
        summary: Option<String>,
    },
    /// Resolves a thread.
    Resolve {
        /// The thread.
        thread: String,
    },
    /// Answers in a thread; `reopen` also opens it again.
    Reply {
        /// The thread.
        thread: String,
        /// The answer, its own marker included, by which a repetition is noticed.
        body: String,
        /// Open it again.
        reopen: bool,
    },
    /// Approves the merge request at this head, if it still is the head.
    Approve {
        /// The reviewed head.
        head: CommitId,
    },
    /// Requests changes.
    RequestChanges,
    /// Takes an earlier request for changes back, without approving.
    ClearRequestedChanges,
}

/// A thread to open. If GitLab refuses or drops a rung, the next one is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewThread {
    /// A text that stands in the body of every rung and nowhere else, by which the thread is found again.
    pub marker: String,
    /// From the best place to the last resort; never empty.
    pub rungs: Vec<Rung>,
}

/// One place to try, with the text that goes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Where.
    pub place: RungPlace,
    /// The whole note.
    pub body: String,
}

/// A place for a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RungPlace {
    /// On lines of the diff.
    Lines(Position),
    /// On a file of the diff (GitLab 16.4 and later).
    File {
        /// The file in the base.
        old_path: RepoPath,
        /// The file in the head.
        new_path: RepoPath,
    },
}
