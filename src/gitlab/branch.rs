//! Where a branch stands. It must not follow it anywhere else.

use gitlab::api::projects::repository::branches::Branch;

use super::read::COMPLETE;
use super::{Gitlab, GitlabError, GitlabErrorKind, fault, wire};
use crate::change::CommitId;

impl Gitlab {
    /// Reads the commit that a branch of a project stands at.
    pub async fn branch(&self, project: u64, name: &str) -> Result<CommitId, GitlabError> {
        let what = format!("read the branch `{}` of project {project}", fault::line(name));
        let branch: wire::BranchWire = self.ask(&what, &Branch::builder().project(project).branch(name).build().expect(COMPLETE)).await?;
        CommitId::parse(&branch.commit.id).ok_or_else(|| {
            GitlabError::new(what, GitlabErrorKind::Unexpected, format!("`{}` is no commit", fault::line(&branch.commit.id)))
        })
    }
}
