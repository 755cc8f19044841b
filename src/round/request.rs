//! A merge request as the review sees it. It must not know of GitLab's JSON.

use super::Person;
use crate::change::CommitId;

/// A merge request, addressed through its target project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeRequest {
    /// Number of the target project.
    pub project: u64,
    /// Number within the target project, as in `!7`.
    pub iid: u64,
    /// Its page.
    pub web_url: String,
    /// The author's title. Untrusted.
    pub title: String,
    /// The author's description; empty if there is none. Untrusted.
    pub description: String,
    /// Whether it can still be reviewed.
    pub state: RequestState,
    /// Its author marked it as a draft.
    pub draft: bool,
    /// Who opened it.
    pub author: Person,
    /// Labels, sorted.
    pub labels: Vec<String>,
    /// The branch to merge. Untrusted.
    pub source_branch: String,
    /// The branch to merge into.
    pub target_branch: String,
    /// Number of the project that the source branch is in; another one for a fork, none for a fork that is gone.
    pub source_project: Option<u64>,
    /// How many notes people and bots have written; none if GitLab does not say.
    pub notes: Option<u64>,
    /// The three commits that positions are made of.
    pub refs: DiffRefs,
}

/// The commits of the newest version of a merge request's diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffRefs {
    /// The merge base.
    pub base: CommitId,
    /// The tip of the target branch when the version was made.
    pub start: CommitId,
    /// The tip of the source branch.
    pub head: CommitId,
}

/// Whether a merge request can still be reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// Open, drafts included.
    Open,
    /// Merged, or being merged.
    Merged,
    /// Closed without a merge.
    Closed,
}
