//! The diff parser against the git that is installed: a small repository with every kind of change. It must not need a network or a configured user.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

use assize::change::{Change, CommitId, Content, FileDiff, LineKind, RepoPath, Status, parse};

fn git(dir: &Path, args: &[&str]) -> Vec<u8> {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "core.autocrlf=false", "-c", "protocol.file.allow=always"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .expect("git is installed");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn commit(dir: &Path, message: &str) {
    git(dir, &["add", "-A"]);
    git(dir, &["commit", "-q", "--allow-empty", "-m", message]);
}

fn odd_name() -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt as _;
    std::ffi::OsString::from_vec(b"caf\xe9.txt".to_vec())
}

/// A repository whose `HEAD~1` and `HEAD` differ in every way a file can.
fn repository() -> tempfile::TempDir {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let temp = tempfile::tempdir().expect("a temporary folder");
    let dir = temp.path();
    let put = |name: &str, text: &[u8]| {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    // Different words, so that git sees which file came from which.
    let lines = |word: &str| -> String { (1..=40).map(|n| format!("{word} {n}\n")).collect::<Vec<_>>().concat() };
    let long = lines("line");
    let submodule = tempfile::tempdir().expect("a temporary folder");
    git(submodule.path(), &["init", "-q"]);
    commit(submodule.path(), "one");
    git(dir, &["init", "-q"]);
    git(dir, &["submodule", "--quiet", "add", submodule.path().to_str().unwrap(), "sub"]);
    put("changed.rs", long.as_bytes());
    put("gone.txt", b"a\nb\n");
    put("empty gone", b"");
    put("old name.txt", lines("named").as_bytes());
    put("moved.txt", lines("moved").as_bytes());
    put("copied from.txt", lines("copied").as_bytes());
    put("tool.sh", b"#!/bin/sh\n");
    put("both.sh", b"#!/bin/sh\n");
    put("image.png", b"\0\x01\x02");
    put("crlf.txt", b"x\r\ny\r\nz\r\n");
    put("no_eol.txt", b"one\ntwo");
    put("gains_eol.txt", b"one\ntwo");
    put("dir with space/h\u{e9}llo.md", b"t\nu\n");
    put("quote\"d\t.txt", b"1\n");
    put("sql.sql", b"-- a comment\n++ odd\nselect 1;\n");
    put("becomes_link", b"text\n");
    fs::write(dir.join(odd_name()), b"latin \xe9\n").unwrap();
    commit(dir, "base");

    put("changed.rs", long.replace("line 5\n", "line five\nmore\n").replace("line 30\n", "").as_bytes());
    fs::remove_file(dir.join("gone.txt")).unwrap();
    fs::remove_file(dir.join("empty gone")).unwrap();
    fs::rename(dir.join("old name.txt"), dir.join("new name.txt")).unwrap();
    put("new name.txt", lines("named").replace("named 9\n", "named nine\n").as_bytes());
    fs::create_dir_all(dir.join("deep")).unwrap();
    fs::rename(dir.join("moved.txt"), dir.join("deep/moved.txt")).unwrap();
    put("copied to.txt", format!("{}last\n", lines("copied")).as_bytes());
    put("copied from.txt", format!("{}touched\n", lines("copied")).as_bytes());
    for name in ["tool.sh", "both.sh"] {
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    put("both.sh", b"#!/bin/bash\n");
    put("image.png", b"\0\x01\x03");
    put("crlf.txt", b"x\r\nY\r\nz\r\n");
    put("no_eol.txt", b"one\ntwo\nthree");
    put("gains_eol.txt", b"one\ntwo\n");
    put("dir with space/h\u{e9}llo.md", b"t\nU\n");
    put("quote\"d\t.txt", b"2\n");
    put("sql.sql", b"select 1;\n");
    put("empty new", b"");
    put("added.txt", b"n1\nn2\nn3");
    fs::remove_file(dir.join("becomes_link")).unwrap();
    symlink("added.txt", dir.join("becomes_link")).unwrap();
    fs::write(dir.join(odd_name()), b"latin \xe8\n").unwrap();
    commit(&dir.join("sub"), "two");
    commit(dir, "head");
    temp
}

fn file<'a>(change: &'a Change, path: &[u8]) -> &'a FileDiff {
    change.file(&RepoPath::from_bytes(path)).unwrap_or_else(|| panic!("{} is missing", path.escape_ascii()))
}

/// Number of lines by sign, as `git diff --numstat` counts them.
fn numstat(dir: &Path, args: &[&str]) -> Vec<(String, String)> {
    let text = git(dir, &[&["diff", "--numstat", "-z"], args].concat());
    let mut fields = text.split(|&byte| byte == 0).filter(|field| !field.is_empty());
    let mut counts = Vec::new();
    while let Some(field) = fields.next() {
        let mut parts = field.splitn(3, |&byte| byte == b'\t');
        let count = [parts.next().unwrap(), b" ", parts.next().unwrap()].concat();
        let name = match parts.next().unwrap() {
            // A rename has its two names in fields of their own.
            b"" => fields.nth(1).unwrap(),
            name => name,
        };
        counts.push((String::from_utf8_lossy(name).into_owned(), String::from_utf8(count).unwrap()));
    }
    counts
}

#[test]
fn every_kind_of_change_is_read_as_git_counts_it() {
    let repository = repository();
    let dir = repository.path();
    let raw_names = ["-c", "core.quotepath=false", "-c", "diff.mnemonicPrefix=true"];
    for (config, extra) in [
        (&[][..], "-M"),
        (&[], "-C"),
        (&[], "--no-renames"),
        (&[], "--binary"),
        (&[], "-U0"),
        (&[], "-U100"),
        (&[], "--no-prefix"),
        (&[], "--patience"),
        (&raw_names, "--full-index"),
    ] {
        let renames = if matches!(extra, "-C" | "--no-renames") { extra } else { "-M" };
        let args = [renames, "--no-rename-empty", "HEAD~1", "HEAD"];
        let diff = git(dir, &[config, &["diff", extra], &args[..]].concat());
        let change = parse(&diff).unwrap_or_else(|error| panic!("{extra:?}: {error}"));
        let mut own: Vec<_> = change
            .files()
            .iter()
            .map(|file| {
                let count = match &file.content {
                    Content::Text(_) => format!("{} {}", file.added(), file.removed()),
                    Content::Binary => "- -".to_owned(),
                    Content::Submodule { .. } => "1 1".to_owned(),
                };
                (String::from_utf8_lossy(file.path().as_bytes()).into_owned(), count)
            })
            .collect();
        let mut counted = numstat(dir, &args);
        own.sort();
        counted.sort();
        assert_eq!(own, counted, "{extra:?}");
    }
}

#[test]
fn every_kind_of_change_has_its_names_modes_and_content() {
    let repository = repository();
    let dir = repository.path();
    let change = parse(&git(dir, &["diff", "-M", "--no-rename-empty", "-C", "HEAD~1", "HEAD"])).unwrap();
    let check = |path: &str, old: Option<&str>, status: Status, modes: (Option<u32>, Option<u32>)| {
        let file = file(&change, path.as_bytes());
        let seen = (file.old.as_ref().map(RepoPath::as_str), file.status, (file.old_mode, file.new_mode));
        assert_eq!(seen, (old, status, modes), "{path}");
    };
    let plain = (Some(0o100_644), Some(0o100_644));
    check("changed.rs", Some("changed.rs"), Status::Modified, plain);
    check("gone.txt", Some("gone.txt"), Status::Deleted, (Some(0o100_644), None));
    check("empty gone", Some("empty gone"), Status::Deleted, (Some(0o100_644), None));
    check("empty new", None, Status::Added, (None, Some(0o100_644)));
    check("new name.txt", Some("old name.txt"), Status::Renamed, plain);
    check("deep/moved.txt", Some("moved.txt"), Status::Renamed, (None, None));
    check("copied to.txt", Some("copied from.txt"), Status::Copied, plain);
    check("tool.sh", Some("tool.sh"), Status::Modified, (Some(0o100_644), Some(0o100_755)));
    check("both.sh", Some("both.sh"), Status::Modified, (Some(0o100_644), Some(0o100_755)));
    check("becomes_link", Some("becomes_link"), Status::Modified, (Some(0o100_644), Some(0o120_000)));
    check("dir with space/h\u{e9}llo.md", Some("dir with space/h\u{e9}llo.md"), Status::Modified, plain);
    check("quote\"d\t.txt", Some("quote\"d\t.txt"), Status::Modified, plain);
    assert_eq!(
        file(&change, b"caf\xe9.txt").lines().map(|line| line.text.as_str()).collect::<Vec<_>>(),
        ["latin \u{fffd}", "latin \u{fffd}"]
    );
    assert_eq!(file(&change, b"image.png").content, Content::Binary);
    let head = CommitId::parse(String::from_utf8(git(&dir.join("sub"), &["rev-parse", "HEAD"])).unwrap().trim());
    assert!(matches!(&file(&change, b"sub").content, Content::Submodule { from: Some(_), to } if *to == head));
    let sql: Vec<_> = file(&change, b"sql.sql").lines().map(|line| (line.kind, line.text.as_str())).collect();
    let removed = LineKind::Removed;
    assert_eq!(sql, [(removed, "-- a comment"), (removed, "++ odd"), (LineKind::Context, "select 1;")]);
    let ends: Vec<_> = file(&change, b"no_eol.txt").lines().map(|line| (line.kind, line.newline)).collect();
    assert_eq!(ends, [(LineKind::Context, true), (removed, false), (LineKind::Added, true), (LineKind::Added, false)]);
}

#[test]
fn the_base_comes_back_from_the_head_and_the_hunks() {
    let repository = repository();
    let dir = repository.path();
    let text = |revision: &str, path: &RepoPath| -> String {
        use std::os::unix::ffi::OsStrExt as _;
        let name = [revision.as_bytes(), b":", path.as_bytes()].concat();
        let output = Command::new("git").arg("show").arg(std::ffi::OsStr::from_bytes(&name)).current_dir(dir).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for context in ["-U0", "-U3", "-U50"] {
        let change = parse(&git(dir, &["diff", "-M", "--no-rename-empty", "-C", context, "HEAD~1", "HEAD"])).unwrap();
        let mut checked = 0;
        for file in change.files().iter().filter(|file| matches!(file.content, Content::Text(_))) {
            let base = file.old.as_ref().map_or_else(String::new, |old| text("HEAD~1", old));
            let head = file.new.as_ref().map_or_else(String::new, |new| text("HEAD", new));
            assert_eq!(file.base_text(&head), Some(base), "{context} {}", file.path());
            let alone = (file.status == Status::Added).then_some(head);
            assert_eq!(file.head_of_added(), alone, "{context} {}", file.path());
            checked += 1;
        }
        assert!(checked > 15);
    }
}

#[test]
fn a_formatted_patch_and_a_shown_commit_read_as_the_diff_does() {
    let repository = repository();
    let dir = repository.path();
    let plain = parse(&git(dir, &["diff", "-M", "--no-rename-empty", "HEAD~1", "HEAD"])).unwrap();
    for command in [&["format-patch", "--stdout", "-1"][..], &["show", "--stat", "-p"], &["log", "-p", "-1"]] {
        let shown = parse(&git(dir, &[command, &["-M", "--no-rename-empty", "HEAD"]].concat())).unwrap();
        assert_eq!(shown.files().len(), plain.files().len(), "{command:?}");
        for (shown, plain) in shown.files().iter().zip(plain.files()) {
            assert_eq!(shown, plain, "{command:?}");
        }
    }
}
