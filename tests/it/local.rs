//! Local changes in real repositories: the right answer, or an error that says what to do; the repository itself stays as it was.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A git repository in a temporary folder.
pub(crate) struct Repo {
    dir: TempDir,
}

impl Repo {
    /// An empty repository on branch `main`.
    pub(crate) fn empty() -> Self {
        let repo = Self { dir: TempDir::new().expect("a temporary folder") };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    /// A repository with one commit that holds `a.txt`.
    pub(crate) fn with_commit() -> Self {
        let repo = Self::empty();
        repo.write("a.txt", "one\ntwo\nthree\n");
        repo.commit("first");
        repo
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        std::fs::write(path, text).expect("the file can be written");
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git_in(self.path(), args)
    }

    pub(crate) fn commit(&self, title: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", title]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn review(&self, args: &[&str]) -> Value {
        review_in(self.path(), args)
    }
}

/// Runs git in a folder, as somebody, without anybody's configuration; returns what it says.
pub(crate) fn git_in(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"]).args(args).current_dir(dir);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().expect("git starts");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs the binary in a folder with nothing in its environment but PATH.
pub(crate) fn assize_in(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_assize"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("PATH is set"))
        .output()
        .expect("the binary starts")
}

fn review_in(dir: &Path, args: &[&str]) -> Value {
    let output = assize_in(dir, &[&["review", "--format", "json"], args].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn refused(dir: &Path, args: &[&str]) -> String {
    let output = assize_in(dir, args);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.stdout.is_empty(), "nothing was done");
    String::from_utf8(output.stderr).expect("text")
}

fn size(result: &Value) -> (u64, u64, u64) {
    let number = |key: &str| result["subject"][key].as_u64().expect("a number");
    (number("files"), number("added"), number("removed"))
}

/// Everything under `.git` that a review could have touched.
fn fingerprint(repo: &Repo) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![repo.path().join(".git")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.clone(), std::fs::read(path).expect("readable")));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_local_change_is_committed_staged_unstaged_and_untracked_but_not_ignored() {
    let repo = Repo::with_commit();
    repo.git(&["checkout", "--quiet", "-b", "work"]);
    repo.write("committed.txt", "c\n");
    repo.commit("second");
    repo.write("staged.txt", "s\n");
    repo.git(&["add", "staged.txt"]);
    repo.write("a.txt", "one\n2\nthree\n");
    repo.write(".gitignore", "*.log\n");
    repo.write("untracked.txt", "u\n");
    repo.write("ignored.log", "never seen\n");
    let before = fingerprint(&repo);
    let result = repo.review(&[]);
    assert_eq!(size(&result), (5, 5, 1));
    assert!(fingerprint(&repo) == before, "the repository must stay as it was, byte for byte");
}

#[test]
fn a_repository_without_a_commit_is_all_new() {
    let repo = Repo::empty();
    repo.write("a.txt", "one\n");
    let result = repo.review(&[]);
    assert_eq!((size(&result), &result["subject"]["base"]), ((1, 1, 0), &Value::Null));
    assert_eq!(
        refused(repo.path(), &["review", "--base", "main"]),
        "error: there is no commit yet, so nothing to compare with `main`\nhint: leave --base out: everything is new\n"
    );
}

#[test]
fn a_repository_with_one_commit_shows_what_is_not_committed() {
    let repo = Repo::with_commit();
    let clean = repo.review(&[]);
    assert_eq!((size(&clean), clean["headline"].as_str()), ((0, 0, 0), Some("nothing to review")));
    repo.write("a.txt", "one\ntwo\n");
    assert_eq!(size(&repo.review(&[])), (1, 0, 1));
}

#[test]
fn a_detached_head_is_compared_with_the_default_branch() {
    let repo = Repo::with_commit();
    repo.write("b.txt", "b\n");
    let second = repo.commit("second");
    repo.git(&["checkout", "--quiet", "--detach", "HEAD"]);
    repo.write("c.txt", "c\n");
    repo.commit("third");
    let result = repo.review(&[]);
    assert_eq!((size(&result), result["subject"]["base"].as_str()), ((1, 1, 0), Some(second.as_str())));
}

#[test]
fn the_base_is_the_merge_base_not_the_tip() {
    let repo = Repo::with_commit();
    let fork = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["checkout", "--quiet", "-b", "work"]);
    repo.write("b.txt", "b\n");
    repo.commit("mine");
    repo.git(&["checkout", "--quiet", "main"]);
    repo.write("theirs.txt", "t\n");
    repo.commit("theirs");
    repo.git(&["checkout", "--quiet", "work"]);
    let result = repo.review(&["--base", "main"]);
    assert_eq!((size(&result), result["subject"]["base"].as_str()), ((1, 1, 0), Some(fork.as_str())));
}

#[test]
fn a_shallow_clone_without_the_base_says_how_to_get_it() {
    let origin = Repo::with_commit();
    origin.write("b.txt", "b\n");
    origin.commit("second");
    origin.git(&["checkout", "--quiet", "-b", "work"]);
    origin.write("c.txt", "c\n");
    origin.commit("third");
    origin.git(&["checkout", "--quiet", "main"]);
    origin.write("d.txt", "d\n");
    origin.commit("fourth");
    let clone = TempDir::new().expect("a temporary folder");
    let url = format!("file://{}", origin.path().display());
    git_in(clone.path(), &["clone", "--quiet", "--depth=1", "--no-single-branch", "--branch=work", &url, "copy"]);
    let said = refused(&clone.path().join("copy"), &["review", "--base", "origin/main"]);
    assert!(said.starts_with("error: ") && said.contains("shallow") && said.contains("hint: "), "{said}");
}

#[test]
fn unrelated_histories_have_no_merge_base() {
    let repo = Repo::with_commit();
    repo.git(&["checkout", "--quiet", "--orphan", "other"]);
    repo.write("b.txt", "b\n");
    repo.commit("alone");
    let said = refused(repo.path(), &["review", "--base", "main"]);
    assert!(said.contains("no common commit") && said.contains("unrelated"), "{said}");
}

#[test]
fn the_first_commit_is_reviewed_as_the_hint_says() {
    let repo = Repo::with_commit();
    let hint = "git show --format= HEAD | assize review --diff - --repo .";
    let said = refused(repo.path(), &["review", "--base", "HEAD~1"]);
    assert!(said.contains(hint), "{said}");
    let nothing = repo.review(&[]);
    assert!(nothing["remarks"].to_string().contains(hint), "{nothing}");
    let diff = repo.git(&["show", "--format=", "HEAD"]) + "\n";
    std::fs::write(repo.path().join(".git/first.diff"), diff).expect("the file can be written");
    assert_eq!(size(&repo.review(&["--diff", ".git/first.diff", "--repo", "."])), (1, 3, 0));
}

#[test]
fn a_clone_without_the_blobs_says_how_to_get_them() {
    let origin = Repo::with_commit();
    origin.git(&["config", "uploadpack.allowFilter", "true"]);
    origin.write("a.txt", "four\n");
    origin.commit("second");
    let clone = TempDir::new().expect("a temporary folder");
    let url = format!("file://{}", origin.path().display());
    git_in(clone.path(), &["clone", "--quiet", "--filter=blob:none", &url, "copy"]);
    let copy = clone.path().join("copy");
    let said = refused(&copy, &["review", "--base", "HEAD~1"]);
    assert!(said.contains("git fetch --refetch --no-filter"), "{said}");
    git_in(&copy, &["fetch", "--quiet", "--refetch", "--no-filter"]);
    assert_eq!(size(&review_in(&copy, &["--base", "HEAD~1"])), (1, 1, 3));
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_cannot_steer_the_terminal() {
    let repo = Repo::with_commit();
    repo.write("e\x1b[31m\nvil.txt", "x\n");
    for command in ["plan", "review"] {
        let text = String::from_utf8(assize_in(repo.path(), &[command]).stdout).expect("text");
        assert!(!text.contains('\x1b') && !text.contains("\nvil"), "{text}");
    }
}

#[test]
fn an_unknown_base_is_refused_by_name() {
    let repo = Repo::with_commit();
    let said = refused(repo.path(), &["review", "--base", "mian"]);
    assert!(said.contains("`mian`") && said.contains("hint: "), "{said}");
    // A name that git would take for an option reaches no command line.
    let said = refused(repo.path(), &["review", "--base=--output=/tmp/x"]);
    assert!(said.contains("--output=/tmp/x"), "{said}");
}

#[test]
fn an_edit_of_the_same_size_in_the_second_of_the_commit_is_seen() {
    let repo = Repo::with_commit();
    // Everything at one moment, as when a script edits right after it has committed; times of inodes cannot be set, so git is told to leave them.
    let moment = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let at_that_moment = |file: &str| {
        let file = std::fs::File::options().append(true).open(repo.path().join(file)).expect("the file is there");
        file.set_modified(moment).expect("its time can be set");
    };
    repo.git(&["config", "core.trustctime", "false"]);
    at_that_moment("a.txt");
    repo.git(&["update-index", "--refresh"]);
    at_that_moment(".git/index");
    repo.write("a.txt", "one\nTWO\nthree\n");
    at_that_moment("a.txt");
    assert_eq!(size(&repo.review(&[])), (1, 1, 1));
}

#[test]
fn a_bare_repository_is_reviewed_at_its_head() {
    let repo = Repo::with_commit();
    repo.git(&["checkout", "--quiet", "-b", "work"]);
    repo.write("b.txt", "b\n");
    repo.commit("second");
    let copy = TempDir::new().expect("a temporary folder");
    git_in(copy.path(), &["clone", "--quiet", "--bare", &repo.path().display().to_string(), "bare.git"]);
    let bare = copy.path().join("bare.git");
    git_in(&bare, &["symbolic-ref", "HEAD", "refs/heads/work"]);
    assert_eq!(size(&review_in(&bare, &["--base", "main"])), (1, 1, 0));
}

#[test]
fn a_linked_worktree_is_a_repository_of_its_own() {
    let repo = Repo::with_commit();
    let beside = TempDir::new().expect("a temporary folder");
    let path = beside.path().join("linked");
    repo.git(&["worktree", "add", "--quiet", "-b", "linked", &path.display().to_string()]);
    std::fs::write(path.join("b.txt"), "b\n").expect("the file can be written");
    assert_eq!(size(&review_in(&path, &[])), (1, 1, 0));
}

#[test]
fn a_subfolder_means_the_whole_repository() {
    let repo = Repo::with_commit();
    repo.write("deep/er/b.txt", "b\n");
    repo.write("c.txt", "c\n");
    assert_eq!(size(&review_in(&repo.path().join("deep/er"), &[])), (2, 2, 0));
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_its_target_and_is_never_followed() {
    let repo = Repo::with_commit();
    std::os::unix::fs::symlink("/etc/passwd", repo.path().join("link")).expect("a link can be made");
    let output = assize_in(repo.path(), &["review"]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && !text.contains("root:"), "{text}");
    assert_eq!(size(&repo.review(&[])), (1, 1, 0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_that_is_not_utf_8_is_reviewed() {
    use std::os::unix::ffi::OsStrExt as _;
    let repo = Repo::with_commit();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.txt");
    std::fs::write(repo.path().join(name), "x\n").expect("the file can be written");
    assert_eq!(size(&repo.review(&[])), (1, 1, 0));
}

#[test]
fn outside_a_repository_the_ways_out_are_named() {
    let dir = TempDir::new().expect("a temporary folder");
    let said = refused(dir.path(), &["review"]);
    assert!(said.contains("is not in a git repository") && said.contains("--diff FILE"), "{said}");
    let said = refused(dir.path(), &["review", "--repo", "nowhere"]);
    assert!(said.contains("nowhere"), "{said}");
}

#[test]
fn filters_and_textconv_of_the_repository_do_not_run() {
    let repo = Repo::with_commit();
    let mark = repo.path().join("ran");
    repo.git(&["config", "diff.evil.textconv", &format!("touch {}; cat", mark.display())]);
    repo.git(&["config", "core.fsmonitor", &format!("touch {}", mark.display())]);
    repo.git(&["config", "diff.external", &format!("touch {}", mark.display())]);
    repo.write(".gitattributes", "*.txt diff=evil\n");
    repo.write("a.txt", "changed\n");
    repo.review(&[]);
    assert!(!mark.exists(), "a program of the repository's choice ran");
}
