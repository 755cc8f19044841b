//! The bare repository behind a project: git itself makes commits, merges and diffs. Knows nothing of merge requests.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::lines::{self, FileDiff};

/// What one commit changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edit(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Write { path: String, mode: &'static str, bytes: Vec<u8> },
    Delete(String),
    Rename { from: String, to: String },
}

impl Edit {
    /// Begins with nothing changed.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Writes a file.
    pub(crate) fn write(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Write { path: path.to_owned(), mode: "100644", bytes: bytes.as_ref().to_vec() })
    }

    /// Writes an executable file.
    pub(crate) fn write_executable(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Write { path: path.to_owned(), mode: "100755", bytes: bytes.as_ref().to_vec() })
    }

    /// Deletes a file.
    pub(crate) fn delete(self, path: &str) -> Self {
        self.step(Step::Delete(path.to_owned()))
    }

    /// Renames a file.
    pub(crate) fn rename(self, from: &str, to: &str) -> Self {
        self.step(Step::Rename { from: from.to_owned(), to: to.to_owned() })
    }

    fn step(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }
}

impl<const N: usize, T: AsRef<[u8]>> From<[(&str, T); N]> for Edit {
    fn from(files: [(&str, T); N]) -> Self {
        files.into_iter().fold(Self::new(), |edit, (path, text)| edit.write(path, text))
    }
}

/// A bare repository.
#[derive(Clone, Debug)]
pub(crate) struct Bare {
    dir: PathBuf,
}

/// A commit as the API tells it.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) id: String,
    pub(super) parents: Vec<String>,
    pub(super) title: String,
}

impl Bare {
    /// Makes an empty repository whose default branch is `main`.
    pub(super) fn init(dir: PathBuf) -> Self {
        // What `git init --bare` would leave, without starting a process for each of many tests. Uploads are allowed as Gitaly allows them:
        // jobs may fetch single commits, and without blobs.
        let config =
            "[core]\n\trepositoryformatversion = 0\n\tbare = true\n[uploadpack]\n\tallowAnySHA1InWant = true\n\tallowFilter = true\n";
        std::fs::create_dir_all(dir.join("objects")).expect("the folder can be made");
        std::fs::create_dir_all(dir.join("refs/heads")).expect("the folder can be made");
        std::fs::write(dir.join("HEAD"), "ref: refs/heads/main\n").expect("the file can be written");
        std::fs::write(dir.join("config"), config).expect("the file can be written");
        Self { dir }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// Runs git and returns what it printed, trimmed.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        String::from_utf8_lossy(&self.bytes(args)).trim().to_owned()
    }

    fn bytes(&self, args: &[&str]) -> Vec<u8> {
        let output = command(&self.dir, args).output().expect("git starts");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Returns the commit that a name stands for.
    pub(super) fn resolve(&self, name: &str) -> Option<String> {
        let output = command(&self.dir, &["rev-parse", "--quiet", "--verify", "--end-of-options", &format!("{name}^{{commit}}")]).output();
        let output = output.expect("git starts");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Points a ref at a commit.
    pub(super) fn point(&self, name: &str, commit: &str) {
        self.git(&["update-ref", name, commit]);
    }

    /// Makes a commit on `parent`; no ref moves.
    pub(super) fn commit(&self, parent: Option<&str>, edit: &Edit, title: &str, at: u64) -> String {
        let mut script = Vec::new();
        let mut line = |text: String| script.extend_from_slice(text.as_bytes());
        line(format!("commit refs/made/{at}\nmark :1\ncommitter Dana <dana@example.com> {at} +0000\ndata {}\n{title}\n", title.len()));
        if let Some(parent) = parent {
            line(format!("from {parent}\n"));
        }
        for step in &edit.0 {
            match step {
                Step::Write { path, mode, bytes } => {
                    script.extend_from_slice(format!("M {mode} inline {}\ndata {}\n", quoted(path), bytes.len()).as_bytes());
                    script.extend_from_slice(bytes);
                    script.push(b'\n');
                }
                Step::Delete(path) => script.extend_from_slice(format!("D {}\n", quoted(path)).as_bytes()),
                Step::Rename { from, to } => script.extend_from_slice(format!("R {} {}\n", quoted(from), quoted(to)).as_bytes()),
            }
        }
        script.extend_from_slice(b"\nget-mark :1\n");
        let mut child = command(&self.dir, &["fast-import", "--quiet", "--force"]);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("git starts");
        child.stdin.take().expect("a pipe").write_all(&script).expect("git reads");
        let output = child.wait_with_output().expect("git ends");
        assert!(output.status.success(), "git fast-import: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Merges `theirs` into `ours`; no ref moves.
    ///
    /// # Panics
    ///
    /// When they conflict: a test does not want that.
    pub(super) fn merge(&self, ours: &str, theirs: &str, title: &str) -> String {
        let tree = self.git(&["merge-tree", "--write-tree", ours, theirs]);
        self.git(&["commit-tree", &tree, "-p", ours, "-p", theirs, "-m", title])
    }

    /// Puts the commits of `base..head` onto another commit and returns the last one.
    pub(super) fn rebase(&self, base: &str, head: &str, onto: &str) -> String {
        let commits = self.git(&["rev-list", "--reverse", "--first-parent", &format!("{base}..{head}")]);
        commits.lines().fold(onto.to_owned(), |onto, commit| {
            let tree = self.git(&["merge-tree", "--write-tree", &format!("--merge-base={commit}^"), &onto, commit]);
            let title = self.git(&["log", "-1", "--format=%s", commit]);
            self.git(&["commit-tree", &tree, "-p", &onto, "-m", &title])
        })
    }

    /// Brings commits of another repository here, under a ref.
    pub(super) fn fetch(&self, from: &Self, commit: &str, to: &str) {
        let url = from.dir.to_str().expect("a temporary folder with a plain name");
        self.git(&["fetch", "--quiet", "--no-tags", url, &format!("+{commit}:{to}")]);
    }

    /// Returns the common ancestor of two commits.
    pub(super) fn merge_base(&self, one: &str, other: &str) -> String {
        self.git(&["merge-base", one, other])
    }

    /// Returns the commits of `base..head`, newest first.
    pub(super) fn log(&self, base: &str, head: &str) -> Vec<Commit> {
        let text = self.git(&["log", "--format=%H%x09%P%x09%s", &format!("{base}..{head}")]);
        text.lines().map(commit_of).collect()
    }

    /// Returns one commit.
    pub(super) fn commit_info(&self, id: &str) -> Commit {
        commit_of(&self.git(&["log", "-1", "--format=%H%x09%P%x09%s", id]))
    }

    /// Returns a file at a commit.
    pub(super) fn blob(&self, commit: &str, path: &str) -> Option<Vec<u8>> {
        let output = command(&self.dir, &["cat-file", "blob", &format!("{commit}:{path}")]).output().expect("git starts");
        output.status.success().then_some(output.stdout)
    }

    /// Returns what lies under a folder: mode, type, ID, path.
    pub(super) fn tree(&self, commit: &str, folder: &str, recursive: bool) -> Vec<(String, String, String, String)> {
        let mut args = vec!["ls-tree", "-z", "--full-tree"];
        args.extend(recursive.then_some("-r"));
        let folder = format!("{}/", folder.trim_end_matches('/'));
        args.extend([commit, "--"]);
        args.extend((folder != "/").then_some(folder.as_str()));
        let text = String::from_utf8_lossy(&self.bytes(&args)).into_owned();
        let entry = |line: &str| {
            let (facts, path) = line.split_once('\t')?;
            let mut facts = facts.split(' ').map(str::to_owned);
            Some((facts.next()?, facts.next()?, facts.next()?, path.to_owned()))
        };
        text.split('\0').filter_map(entry).collect()
    }

    /// Returns the patch ID of a range, as GitLab computes it: stable, whatever stands around the change.
    pub(super) fn patch_id(&self, base: &str, head: &str) -> Option<String> {
        let patch = self.bytes(&["diff", base, head]);
        let mut child = command(&self.dir, &["patch-id", "--stable"]);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git starts");
        child.stdin.take().expect("a pipe").write_all(&patch).expect("git reads");
        let output = child.wait_with_output().expect("git ends");
        String::from_utf8_lossy(&output.stdout).split_whitespace().next().map(str::to_owned)
    }

    /// Returns the whole patch as text, as `raw_diffs` sends it.
    pub(super) fn patch(&self, base: &str, head: &str) -> Vec<u8> {
        self.bytes(&[&PATCH[..], &[base, head]].concat())
    }

    /// Returns the diff of a range, file by file.
    pub(super) fn diff(&self, base: &str, head: &str) -> Vec<FileDiff> {
        let raw = self.bytes(&["diff", "--raw", "-z", "--no-abbrev", "--find-renames=50%", base, head]);
        lines::read(&String::from_utf8_lossy(&raw), &String::from_utf8_lossy(&self.patch(base, head)))
    }
}

/// The options with which GitLab's own diffs are made.
const PATCH: [&str; 9] = [
    "-c",
    "core.quotepath=false",
    "diff",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--diff-algorithm=myers",
    "--find-renames=50%",
    "--unified=3",
];

/// Returns git with nobody's configuration and a clock that stands.
pub(super) fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=Dana", "-c", "user.email=dana@example.com", "-c", "gc.auto=0"]).args(args).current_dir(dir);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_AUTHOR_DATE", "1793523600 +0000").env("GIT_COMMITTER_DATE", "1793523600 +0000");
    command
}

fn commit_of(line: &str) -> Commit {
    let mut parts = line.splitn(3, '\t').map(str::to_owned);
    let mut next = || parts.next().expect("three fields");
    Commit { id: next(), parents: next().split_whitespace().map(str::to_owned).collect(), title: next() }
}

/// A path in the language of fast-import.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
