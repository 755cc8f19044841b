//! GitLab: one merge request read into the types of `round`, and a plan done on it. It must not decide what is posted, and its JSON stays here.
//!
//! The endpoints are the `gitlab` crate's where it has them and small ones of ours where it has none; both go through one transport, because
//! the crate's own client takes no time-out, follows redirects and repeats what creates notes.

mod apply;
mod branch;
mod connection;
mod endpoints;
mod fault;
mod pages;
mod read;
mod retry;
mod transport;
mod wire;
mod write;

pub use apply::{Applied, Opened, Outcome, Site, Undone, apply};
pub use connection::{Connection, Proxies};
pub use fault::{GitlabError, GitlabErrorKind};
use read::Draft;
pub use read::{Award, DiffWait, Drafts, FileFlags, Head, Project, TreeEntry, TreeKind, Version};
pub use retry::Retry;
pub use transport::Gitlab;
pub use wire::ServerVersion;
pub use write::Publishing;

use std::fmt;

/// A merge request, addressed through its target project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Number of the target project.
    pub project: u64,
    /// Number within the target project, as in `!7`.
    pub iid: u64,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "!{} of project {}", self.iid, self.project)
    }
}

#[cfg(test)]
mod tests;
