//! The change between two named commits: in a shallow clone what is missing is fetched, and what cannot be had is named.

use std::path::Path;

use assize::change::{CommitId, RepoPath, parse};
use assize::checkout::{branch_tip, range};
use assize::env::Env;

use crate::local::Repo;

fn env() -> Env {
    let vars = std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME").collect();
    Env { vars, ..Env::default() }
}

fn id(text: &str) -> CommitId {
    CommitId::parse(text).expect("a commit")
}

/// A repository whose `work` branch is one commit ahead of the fork and whose `main` has moved on.
fn origin() -> (Repo, CommitId, CommitId) {
    let origin = Repo::with_commit();
    let base = id(&origin.git(&["rev-parse", "HEAD"]));
    origin.git(&["checkout", "--quiet", "-b", "work"]);
    origin.write("a.txt", "one\n2\nthree\n");
    let head = id(&origin.commit("mine"));
    origin.git(&["checkout", "--quiet", "main"]);
    origin.write(".assize.yml", "version: 1\n");
    origin.commit("theirs");
    origin.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    (origin, base, head)
}

fn shallow(origin: &Repo, branch: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let url = format!("file://{}", origin.path().display());
    let status = std::process::Command::new("git")
        .args(["clone", "--quiet", "--depth=1", "--branch", branch, &url, "."])
        .current_dir(dir.path())
        .status();
    assert!(status.expect("git starts").success());
    dir
}

async fn read(dir: &Path, path: &str, base: &CommitId, head: &CommitId) -> String {
    let local = range(dir, base, head, &env()).await.unwrap_or_else(|failure| panic!("{failure}"));
    let change = parse(&local.diff).expect("git's own diff");
    assert_eq!(change.files().iter().map(|file| file.path().to_string()).collect::<Vec<_>>(), ["a.txt"]);
    let bytes = local.files.read_one(&RepoPath::from(path)).await.expect("readable").expect("there");
    String::from_utf8(bytes).expect("text")
}

#[tokio::test]
async fn commits_that_a_shallow_clone_lacks_are_fetched() {
    let (origin, base, head) = origin();
    let clone = shallow(&origin, "work");
    assert_eq!(read(clone.path(), "a.txt", &base, &head).await, "one\n2\nthree\n");
}

#[tokio::test]
async fn instructions_come_from_the_tip_of_the_target_branch() {
    let (origin, _, _) = origin();
    let clone = shallow(&origin, "work");
    let (tip, files) = branch_tip(clone.path(), "main", &env()).await.expect("fetched");
    assert_eq!(tip.as_str(), origin.git(&["rev-parse", "main"]));
    let config = files.read_one(&RepoPath::from(".assize.yml")).await.expect("readable");
    assert_eq!(config.as_deref(), Some(b"version: 1\n".as_slice()));
    // A tag of the same name does not stand in for the branch.
    origin.git(&["tag", "other", "work"]);
    let failure = branch_tip(clone.path(), "other", &env()).await.expect_err("no such branch");
    assert!(failure.message.contains("`other`"), "{failure}");
}

#[tokio::test]
async fn a_commit_that_cannot_be_had_is_named_with_a_remedy() {
    let (origin, base, _) = origin();
    let clone = shallow(&origin, "work");
    let failure = range(clone.path(), &base, &id(&"1".repeat(40)), &env()).await.expect_err("no such commit");
    assert!(failure.message.contains("11111111") && failure.hint.as_deref().is_some_and(|hint| hint.contains("GIT_DEPTH")), "{failure}");
}
