//! The change between two commits that somebody else named, as in a merge request: what is missing here is fetched, the rest is read from blobs.

use std::path::Path;

use tempfile::TempDir;

use super::files::Files;
use super::local::DIFF;
use super::{Git, Local};
use crate::change::CommitId;
use crate::env::Env;
use crate::error::Failure;

/// Reads the diff from `base` to `head` in the repository at `dir`, exactly between these commits; `base` is a merge base already.
///
/// Fails, with what to do, when a commit is neither here nor to be had from the remote `origin`.
pub async fn range(dir: &Path, base: &CommitId, head: &CommitId, env: &Env) -> Result<Local, Failure> {
    let git = Git::new(dir, env);
    fetch_missing(&git, &[base, head]).await?;
    let (differ, _keep) = with_attributes_of(&git, base, env).await?;
    let mut args = DIFF.to_vec();
    args.extend([base.as_str(), head.as_str(), "--"]);
    let diff = differ.output(&args, b"").await?;
    Ok(Local {
        label: format!("{} against {}", head.short(), base.short()),
        base: Some(base.clone()),
        head: Some(head.clone()),
        diff,
        files: Files::git(git.clone(), head.as_str(), None),
        base_files: Some(Files::git(git, base.as_str(), None)),
        instead: "the two commits hold the same files".to_owned(),
    })
}

/// Returns the files of the remote's branch `name` as it is now, with the commit it stands at: where instructions come from.
pub async fn branch_tip(dir: &Path, name: &str, env: &Env) -> Result<(CommitId, Files), Failure> {
    let git = Git::new(dir, env);
    // The full name: a tag or another ref of the same name must not stand in for the branch.
    let wanted = format!("refs/heads/{name}");
    let answer = git.run(&["fetch", "--quiet", "--no-tags", "--depth=1", "--end-of-options", "origin", &wanted], b"").await?;
    if !answer.ok {
        return Err(Failure::outside(format!("cannot fetch the target branch `{name}`: {}", first_line(&answer.err)))
            .hint("the job needs a checkout whose remote `origin` it may fetch from"));
    }
    let tip = git.ask(&["rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}"]).await?.as_deref().and_then(CommitId::parse);
    let tip = tip.ok_or_else(|| Failure::outside(format!("git did not say where `{name}` stands")))?;
    let files = Files::git(git, tip.as_str(), None);
    Ok((tip, files))
}

/// Returns the same repository as if `commit` alone were checked out, with the folder that must outlive it: the attributes of files are those of
/// that commit. What really is checked out is the author's, and whatever they mark as binary there would have no lines to review.
async fn with_attributes_of(git: &Git, commit: &CommitId, env: &Env) -> Result<(Git, TempDir), Failure> {
    let store = git.output(&["rev-parse", "--absolute-git-dir"], b"").await?;
    let store = String::from_utf8_lossy(&store).trim().to_owned();
    let keep = tempfile::Builder::new().prefix("assize-").tempdir().map_err(|error| {
        Failure::outside(format!("cannot make a temporary folder: {error}")).hint("set TMPDIR to a folder that can be written")
    })?;
    // Git looks for attributes in the working tree, which is empty here, and then in the index.
    let (work, index) = (keep.path().join("work"), keep.path().join("index"));
    std::fs::create_dir(&work).map_err(|error| Failure::outside(format!("cannot write to {}: {error}", work.display())))?;
    let apart = Git::new(&work, env).with("GIT_DIR", store).with("GIT_WORK_TREE", &work).with("GIT_INDEX_FILE", index);
    apart.output(&["read-tree", commit.as_str()], b"").await?;
    Ok((apart, keep))
}

/// Fetches those of the commits that are not here, one by one: a server may refuse one and give the other.
async fn fetch_missing(git: &Git, commits: &[&CommitId]) -> Result<(), Failure> {
    for commit in commits {
        if is_here(git, commit).await? {
            continue;
        }
        let args = ["fetch", "--quiet", "--no-tags", "--depth=1", "--end-of-options", "origin", commit.as_str()];
        let answer = git.run(&args, b"").await?;
        if !answer.ok || !is_here(git, commit).await? {
            return Err(Failure::outside(format!(
                "the commit {} is not in this checkout and cannot be fetched: {}",
                commit.short(),
                first_line(&answer.err)
            ))
            .hint("let the job fetch from `origin`, or set GIT_DEPTH: \"0\" so that the checkout is whole"));
        }
    }
    Ok(())
}

async fn is_here(git: &Git, commit: &CommitId) -> Result<bool, Failure> {
    let tree = format!("{commit}^{{tree}}");
    Ok(git.ask(&["cat-file", "-e", &tree]).await?.is_some())
}

fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or("git gave no reason")
}
