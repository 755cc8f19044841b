//! A change on this machine: committed, staged, unstaged and untracked work against its merge base, as a tree; the repository stays untouched.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Git;
use super::files::Files;
use crate::change::CommitId;
use crate::env::Env;
use crate::error::Failure;

/// A local change, ready to be read.
#[derive(Debug)]
pub struct Local {
    /// For people: `working tree against a1b2c3d4 (merge base with main)`.
    pub label: String,
    /// The base commit; none for a repository without commits.
    pub base: Option<CommitId>,
    /// The commit checked out; none for a repository without commits.
    pub head: Option<CommitId>,
    /// The unified diff between base and head.
    pub diff: Vec<u8>,
    /// The head's files.
    pub files: Files,
    /// The base's files, if there is a base.
    pub base_files: Option<Files>,
    /// What to do, or to know, when nothing differs, as a clause.
    pub instead: String,
}

/// The tree without files: what a repository without commits is compared with.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
/// Branches that are tried when no remote says which one is the default.
const DEFAULT_BRANCHES: [&str; 4] = ["origin/main", "origin/master", "main", "master"];
/// How the commit is reviewed that has none before it.
const REVIEW_FIRST: &str = "`git show --format= HEAD | assize review --diff - --repo .`";
/// Exactly the diff GitLab makes, whatever the user has configured.
pub(super) const DIFF: [&str; 12] = [
    "diff",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--diff-algorithm=myers",
    "--find-renames=50%",
    "--unified=3",
    "--inter-hunk-context=0",
    "--submodule=short",
    "--full-index",
    "--src-prefix=a/",
    "--dst-prefix=b/",
];

/// Reads the local change of the repository at `dir` against the merge base with `base`, or with the default branch.
///
/// Fails, with what to do, when `dir` is no repository, when `base` is unknown, or when there is no merge base.
pub async fn local(dir: &Path, base: Option<&str>, env: &Env) -> Result<Local, Failure> {
    let git = Git::new(dir, env);
    let inside = git.ask(&["rev-parse", "--is-bare-repository"]).await?;
    let Some(is_bare) = inside else {
        return Err(Failure::usage(format!("{} is not in a git repository", dir.display()))
            .hint("run it inside one, name one with --repo DIR, or review a patch with --diff FILE"));
    };
    let head = commit(&git, "HEAD").await?;
    let (base, against) = match (&head, base) {
        (None, Some(name)) => {
            return Err(Failure::usage(format!("there is no commit yet, so nothing to compare with `{name}`"))
                .hint("leave --base out: everything is new"));
        }
        (None, None) => (None, "nothing, since there is no commit yet".to_owned()),
        (Some(head), name) => {
            let (found, against) = find_base(&git, head, name).await?;
            (Some(found), against)
        }
    };
    let instead = match &head {
        Some(_) if commit(&git, "HEAD~1").await?.is_none() => format!("{REVIEW_FIRST} reviews the only commit"),
        Some(_) => "`--base HEAD~1` reviews the last commit".to_owned(),
        None => "there is nothing to review yet".to_owned(),
    };
    let work = if is_bare == "true" { None } else { git.ask(&["rev-parse", "--show-toplevel"]).await? };
    let (reader, tree, what) = match (&work, &head) {
        (Some(top), _) => {
            let snapshot = Snapshot::of(Path::new(top), env).await?;
            let tree = snapshot.tree.clone();
            (snapshot.into_files_source(), tree, "working tree")
        }
        (None, Some(head)) => (Reader { git: git.clone(), keep: None }, head.to_string(), "HEAD (there is no working tree)"),
        (None, None) => return Err(Failure::usage("the repository is bare and has no commit").hint("push a branch to it first")),
    };
    let from = base.as_ref().map_or(EMPTY_TREE, CommitId::as_str);
    let mut args = DIFF.to_vec();
    args.extend([from, tree.as_str(), "--"]);
    let diff = reader.git.output(&args, b"").await?;
    let base_files = base.as_ref().map(|base| Files::git(git.clone(), base.as_str(), None));
    Ok(Local {
        label: format!("{what} against {against}"),
        base,
        head,
        diff,
        files: Files::git(reader.git, &tree, reader.keep),
        base_files,
        instead,
    })
}

/// Returns the files of a directory as a tree, for `--diff FILE --repo DIR`. A repository's ignored files are left out.
pub async fn directory(dir: &Path, env: &Env) -> Result<Files, Failure> {
    if !dir.is_dir() {
        return Err(
            Failure::usage(format!("{} is not a directory", dir.display())).hint("--repo names the folder that the patch was made in")
        );
    }
    let snapshot = Snapshot::of(dir, env).await?;
    let tree = snapshot.tree.clone();
    let reader = snapshot.into_files_source();
    Ok(Files::git(reader.git, &tree, reader.keep))
}

async fn commit(git: &Git, name: &str) -> Result<Option<CommitId>, Failure> {
    let spec = format!("{name}^{{commit}}");
    Ok(git.ask(&["rev-parse", "--verify", "--quiet", "--end-of-options", &spec]).await?.as_deref().and_then(CommitId::parse))
}

async fn find_base(git: &Git, head: &CommitId, name: Option<&str>) -> Result<(CommitId, String), Failure> {
    let (name, tip) = match name {
        Some(name) => {
            let tip = commit(git, name).await?;
            (name.to_owned(), tip.ok_or(()).or(Err(unknown_base(git, name).await?))?)
        }
        None => default_branch(git).await?,
    };
    let merge_base = git.ask(&["merge-base", tip.as_str(), head.as_str()]).await?.as_deref().and_then(CommitId::parse);
    if let Some(found) = merge_base {
        let against =
            if found == tip { format!("{} ({name})", found.short()) } else { format!("{} (merge base with {name})", found.short()) };
        return Ok((found, against));
    }
    let shallow = git.ask(&["rev-parse", "--is-shallow-repository"]).await?.as_deref() == Some("true");
    let failure = Failure::usage(format!("`{name}` and HEAD have no common commit here"));
    Err(if shallow {
        failure.hint("the clone is shallow: run `git fetch --unshallow` (in GitLab CI set GIT_DEPTH: \"0\"), or name a commit that is here with --base")
    } else {
        failure.hint("their histories are unrelated: name a commit that HEAD comes from with --base, or review `git diff` with --diff -")
    })
}

async fn unknown_base(git: &Git, name: &str) -> Result<Failure, Failure> {
    let refs = git.output(&["for-each-ref", "--format=%(refname:short)", "--count=500"], b"").await?;
    let refs = String::from_utf8_lossy(&refs).into_owned();
    let known: Vec<&str> = refs.lines().collect();
    let failure = Failure::usage(format!("there is no commit `{name}` in this repository"));
    let shallow = git.ask(&["rev-parse", "--is-shallow-repository"]).await?.as_deref() == Some("true");
    if !shallow && name.starts_with("HEAD") && commit(git, "HEAD~1").await?.is_none() {
        return Ok(failure.hint(format!("HEAD is the first commit: {REVIEW_FIRST} reviews it")));
    }
    Ok(match crate::yaml::nearest(name, &known) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None if shallow => failure.hint("the clone is shallow: fetch the commit first, e.g. `git fetch --unshallow`"),
        None => failure.hint("fetch it first, or name a branch, tag or commit that is here"),
    })
}

/// The default branch: what the remote says, else a usual name, else the checked-out commit itself when it is all there is.
async fn default_branch(git: &Git) -> Result<(String, CommitId), Failure> {
    let remote = git.ask(&["symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"]).await?;
    for name in remote.iter().map(String::as_str).chain(DEFAULT_BRANCHES) {
        if let Some(tip) = commit(git, name).await? {
            return Ok((name.to_owned(), tip));
        }
    }
    Err(Failure::usage("cannot tell which branch is the default one")
        .hint("name what to compare with: --base REF (for the last commit alone: --base HEAD~1)"))
}

/// A working tree written as a git tree into a temporary object store that reads through to the repository's own.
struct Snapshot {
    git: Git,
    tree: String,
    keep: TempDir,
}

/// Git that can read a tree, with the temporary store that must outlive it.
struct Reader {
    git: Git,
    keep: Option<std::sync::Arc<TempDir>>,
}

impl Snapshot {
    async fn of(top: &Path, env: &Env) -> Result<Self, Failure> {
        let keep = tempfile::Builder::new().prefix("assize-").tempdir().map_err(|error| {
            Failure::outside(format!("cannot make a temporary folder: {error}")).hint("set TMPDIR to a folder that can be written")
        })?;
        let objects = keep.path().join("objects");
        let index = keep.path().join("index");
        std::fs::create_dir_all(&objects).map_err(|error| Failure::outside(format!("cannot write to {}: {error}", objects.display())))?;
        let own = Git::new(top, env);
        let is_top = own.ask(&["rev-parse", "--show-toplevel"]).await?.is_some_and(|shown| same_folder(Path::new(&shown), top));
        let git = if is_top {
            let path = |name: &'static str| {
                let own = own.clone();
                async move { Ok::<_, Failure>(own.ask(&["rev-parse", "--git-path", name]).await?.map(|path| top.join(path))) }
            };
            let store = path("objects").await?.ok_or_else(|| Failure::usage(format!("cannot find the objects of {}", top.display())))?;
            if let Some(current) = path("index").await?.filter(|current| current.is_file()) {
                copy_index(&current, &index).map_err(|error| Failure::outside(format!("cannot copy {}: {error}", current.display())))?;
            }
            own.with("GIT_INDEX_FILE", &index).with("GIT_OBJECT_DIRECTORY", &objects).with("GIT_ALTERNATE_OBJECT_DIRECTORIES", store)
        } else {
            let dir = keep.path().join("git");
            own.output(&["init", "--quiet", "--bare", &dir.to_string_lossy()], b"").await?;
            own.with("GIT_DIR", &dir).with("GIT_WORK_TREE", top).with("GIT_INDEX_FILE", &index)
        };
        git.output(&["-c", "advice.addEmbeddedRepo=false", "add", "--all", "."], b"").await.map_err(|failure| {
            let Failure { exit, message, .. } = failure;
            Failure { exit, message, hint: Some("a file of the working tree cannot be read: make it readable or ignore it".to_owned()) }
        })?;
        let tree = String::from_utf8_lossy(&git.output(&["write-tree"], b"").await?).trim().to_owned();
        Ok(Self { git, tree, keep })
    }

    fn into_files_source(self) -> Reader {
        Reader { git: self.git, keep: Some(std::sync::Arc::new(self.keep)) }
    }
}

/// Copies an index with its age: git compares the content of files that are no older than the index, since their times alone cannot tell whether
/// they changed after it. In a copy that is newer, an edit of the same size within the same second would pass for no edit.
fn copy_index(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::copy(from, to)?;
    let written = std::fs::metadata(from)?.modified()?;
    std::fs::File::options().write(true).open(to)?.set_modified(written)
}

fn same_folder(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| -> PathBuf { path.canonicalize().unwrap_or_else(|_| path.to_owned()) };
    real(a) == real(b)
}
