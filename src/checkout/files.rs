//! The files of a reviewed tree, read as blobs. It must not look at the working tree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tempfile::TempDir;

use super::Git;
use crate::change::{CommitId, RepoPath};
use crate::error::Failure;

/// Largest file that is read, in bytes; larger ones are data.
pub const MAX_BLOB_BYTES: usize = 4 * 1024 * 1024;

/// A read-only view of a tree.
#[derive(Clone, Debug)]
pub enum Files {
    /// Blobs of a git tree.
    Git(GitTree),
    /// Files of a story: path and content.
    Memory(BTreeMap<RepoPath, Vec<u8>>),
}

/// A tree of a git repository.
#[derive(Clone, Debug)]
pub struct GitTree {
    git: Git,
    tree: String,
    /// The temporary object store that holds the tree, if it is not the repository's own.
    _keep: Option<Arc<TempDir>>,
}

impl Files {
    pub(super) fn git(git: Git, tree: &str, keep: Option<Arc<TempDir>>) -> Self {
        Self::Git(GitTree { git, tree: tree.to_owned(), _keep: keep })
    }

    /// Reads files; those that are missing, no blobs or larger than [`MAX_BLOB_BYTES`] are left out.
    pub async fn read(&self, paths: &[&RepoPath]) -> Result<BTreeMap<RepoPath, Vec<u8>>, Failure> {
        match self {
            Self::Memory(files) => Ok(paths
                .iter()
                .filter_map(|path| Some(((*path).clone(), files.get(path)?.clone())))
                .filter(|(_, bytes)| bytes.len() <= MAX_BLOB_BYTES)
                .collect()),
            Self::Git(tree) => tree.read(paths).await,
        }
    }

    /// Reads one file, if it is there.
    pub async fn read_one(&self, path: &RepoPath) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.read(&[path]).await?.remove(path))
    }

    /// Lists the paths of all files below `folder` (empty for all), sorted.
    pub async fn list(&self, folder: &str) -> Result<Vec<RepoPath>, Failure> {
        match self {
            Self::Memory(files) => {
                Ok(files.keys().filter(|path| folder.is_empty() || path.as_str().starts_with(&format!("{folder}/"))).cloned().collect())
            }
            Self::Git(tree) => {
                let mut args = vec!["ls-tree", "-r", "-z", "--name-only", "--full-tree", tree.tree.as_str()];
                if !folder.is_empty() {
                    args.extend(["--", folder]);
                }
                let out = tree.git.output(&args, b"").await?;
                let mut paths: Vec<RepoPath> =
                    out.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(RepoPath::from_bytes).collect();
                paths.sort();
                Ok(paths)
            }
        }
    }

    /// Returns which of `paths` the tree's `.gitattributes` mark with `linguist-generated` (`true`) or unmark (`false`); unspecified ones are left out.
    pub async fn generated(&self, paths: &[&RepoPath]) -> Result<BTreeMap<RepoPath, bool>, Failure> {
        match self {
            Self::Memory(_) => Ok(BTreeMap::new()),
            Self::Git(tree) => tree.generated(paths).await,
        }
    }

    /// Returns the last ten commits that touched a path, newest first, as `a1b2c3d4 2026-04-01 subject`; `None` if the files have no history.
    ///
    /// No names of people: a reader has no use for them.
    pub async fn history(&self, head: &CommitId, path: &RepoPath) -> Result<Option<String>, Failure> {
        match self {
            Self::Memory(_) => Ok(None),
            Self::Git(tree) => {
                let args = ["log", "--max-count=10", "--format=%h %as %s", "--no-show-signature", head.as_str(), "--", path.as_str()];
                let answer = tree.git.clone().with("GIT_LITERAL_PATHSPECS", "1").run(&args, b"").await?;
                Ok(answer.ok.then(|| String::from_utf8_lossy(&answer.out).into_owned()))
            }
        }
    }
}

impl GitTree {
    async fn read(&self, paths: &[&RepoPath]) -> Result<BTreeMap<RepoPath, Vec<u8>>, Failure> {
        // git reads `..` as a way out of the repository and a line feed as the end of a name: neither is a path of a tree.
        let in_a_tree =
            |path: &&RepoPath| !path.as_bytes().contains(&b'\n') && !path.as_str().split('/').any(|part| matches!(part, "" | "." | ".."));
        let wanted: BTreeSet<&RepoPath> = paths.iter().copied().filter(in_a_tree).collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut names = Vec::new();
        for path in &wanted {
            names.extend_from_slice(self.tree.as_bytes());
            names.push(b':');
            names.extend_from_slice(path.as_bytes());
            names.push(b'\n');
        }
        // Sizes first: a large blob is not even read.
        let sizes = self.git.output(&["cat-file", "--batch-check=%(objecttype) %(objectsize) %(objectname)"], &names).await?;
        let mut small: Vec<(&RepoPath, String)> = Vec::new();
        for (path, line) in wanted.into_iter().zip(String::from_utf8_lossy(&sizes).lines()) {
            if let [kind, size, object] = line.split(' ').collect::<Vec<_>>()[..]
                && kind == "blob"
                && size.parse::<usize>().is_ok_and(|size| size <= MAX_BLOB_BYTES)
            {
                small.push((path, object.to_owned()));
            }
        }
        let objects: String = small.iter().flat_map(|(_, object)| [object.as_str(), "\n"]).collect();
        let out = self.git.output(&["cat-file", "--batch"], objects.as_bytes()).await?;
        let mut rest = out.as_slice();
        let mut files = BTreeMap::new();
        for (path, object) in small {
            let broken = || Failure::outside(format!("git gave an unreadable answer for {path} ({object})"));
            let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(broken)?;
            let size: usize =
                std::str::from_utf8(&rest[..end]).ok().and_then(|head| head.rsplit(' ').next()?.parse().ok()).ok_or_else(broken)?;
            let content = rest.get(end + 1..end + 1 + size).ok_or_else(broken)?;
            files.insert(path.clone(), content.to_vec());
            rest = rest.get(end + 2 + size..).ok_or_else(broken)?;
        }
        Ok(files)
    }

    async fn generated(&self, paths: &[&RepoPath]) -> Result<BTreeMap<RepoPath, bool>, Failure> {
        let mut input = Vec::new();
        for path in paths {
            input.extend_from_slice(path.as_bytes());
            input.push(0);
        }
        let source = format!("--source={}", self.tree);
        let mut answer = self.git.run(&["check-attr", &source, "-z", "--stdin", "linguist-generated"], &input).await?;
        if !answer.ok {
            // `--source` needs git 2.40; an index of the tree, in a place of its own, says the same to any git.
            let keep = tempfile::Builder::new().prefix("assize-").tempdir().map_err(|error| {
                Failure::outside(format!("cannot make a temporary folder: {error}")).hint("set TMPDIR to a folder that can be written")
            })?;
            let git = self.git.clone().with("GIT_INDEX_FILE", keep.path().join("index"));
            git.output(&["read-tree", &self.tree], b"").await?;
            answer = git.run(&["check-attr", "--cached", "-z", "--stdin", "linguist-generated"], &input).await?;
        }
        if !answer.ok {
            // The marks in the files' own first lines still count.
            tracing::warn!("git cannot read .gitattributes of {}: {}", self.tree, answer.err.lines().next().unwrap_or_default());
            return Ok(BTreeMap::new());
        }
        let fields: Vec<&[u8]> = answer.out.split(|byte| *byte == 0).collect();
        let marks = fields.chunks_exact(3).filter_map(|field| match field[2] {
            b"set" | b"true" => Some((RepoPath::from_bytes(field[0]), true)),
            b"unset" | b"false" => Some((RepoPath::from_bytes(field[0]), false)),
            _ => None,
        });
        Ok(marks.collect())
    }
}
