//! The parser against single diffs: what it reads, and what it says where it cannot.

use std::fmt::Write as _;

use super::*;

fn read(diff: &str) -> Change {
    parse(diff.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{diff}"))
}

fn refusal(diff: &str) -> String {
    parse(diff.as_bytes()).expect_err(diff).to_string()
}

/// One line per file, then its hunks as they would be printed.
fn outline(change: &Change) -> String {
    let mut text = String::new();
    for file in change.files() {
        let side = |path: &Option<RepoPath>, mode: Option<u32>| {
            let path = path.as_ref().map_or("-", RepoPath::as_str).to_owned();
            mode.map_or(path.clone(), |mode| format!("{path} {mode:o}"))
        };
        let content = match &file.content {
            Content::Text(_) => "",
            Content::Binary => " binary",
            Content::Submodule { .. } => " submodule",
        };
        writeln!(text, "{:?} {} => {}{content}", file.status, side(&file.old, file.old_mode), side(&file.new, file.new_mode)).unwrap();
        for line in file.lines() {
            let sign = match line.kind {
                LineKind::Context => ' ',
                LineKind::Added => '+',
                LineKind::Removed => '-',
            };
            let end = if line.newline { "" } else { " (no line feed)" };
            writeln!(text, "{:>3} {:>3} {sign}{}{end}", line.old, line.new, line.text.escape_debug()).unwrap();
        }
    }
    text
}

#[test]
fn nothing_is_an_empty_change_and_prose_is_none() {
    assert_eq!(parse(b""), Ok(Change::default()));
    assert_eq!(refusal("\n"), "line 1 of the diff: there is no file header in it: it is no unified diff");
    assert_eq!(refusal("hello\n+x\n"), "line 1 of the diff: there is no file header in it: it is no unified diff");
}

#[test]
fn a_modified_file_has_its_counters_section_and_modes() {
    let change = read(
        "diff --git a/src/lib.rs b/src/lib.rs\nindex bab081f..0b76c12 100755\n--- a/src/lib.rs\n+++ b/src/lib.rs\n\
         @@ -2,3 +2,4 @@ fn main() {\n a\n-b\n+c\n+d\n e\n@@ -9 +10,0 @@\n-z\n",
    );
    assert_eq!(change.files()[0].hunks()[0].section, "fn main() {");
    assert_eq!(
        outline(&change),
        "Modified src/lib.rs 100755 => src/lib.rs 100755\n  2   2  a\n  3   3 -b\n  4   3 +c\n  4   4 +d\n  4   5  e\n  9  10 -z\n"
    );
}

#[test]
fn files_come_sorted_by_path_whatever_their_order() {
    let change = read(
        "diff --git a/z b/z\nold mode 100644\nnew mode 100755\ndiff --git a/a b/a\nnew file mode 100644\nindex 0000000..e69de29\n\
         diff --git a/m x b/n x\nsimilarity index 100%\nrename from m x\nrename to n x\n\
         diff --git a/c b/d\nsimilarity index 100%\ncopy from c\ncopy to d\n",
    );
    assert_eq!(outline(&change), "Added - => a 100644\nCopied c => d\nRenamed m x => n x\nModified z 100644 => z 100755\n");
}

#[test]
fn binary_files_are_named_in_both_forms() {
    let change = read(
        "diff --git a/a b.png b/a b.png\nindex 1111111..2222222 100644\nBinary files a/a b.png and b/a b.png differ\n\
         diff --git a/new.bin b/new.bin\nnew file mode 100644\nindex 0000000..7c4530c\nGIT binary patch\nliteral 6\n\
         NcmYdfNMdAS1^@%z0LlOW\n\nliteral 0\nHcmV?d00001\n\n",
    );
    assert_eq!(outline(&change), "Modified a b.png 100644 => a b.png 100644 binary\nAdded - => new.bin 100644 binary\n");
}

#[test]
fn a_binary_patch_must_be_whole() {
    let start = "diff --git a/x b/x\nnew file mode 100644\nindex 0000000..7c4530c\nGIT binary patch\n";
    let check = |rest: &str, what: &str| assert_eq!(refusal(&format!("{start}{rest}")), what);
    check("", "line 5 of the diff (x): a binary patch must begin with `literal` or `delta`");
    check("literal 6\nNcmYdfNMdAS1^@%z0LlOW\n", "line 7 of the diff (x): the diff ends inside a binary patch");
    check("literal 6\nNcmYdfNMd\n\n", "line 6 of the diff (x): `NcmYdfNMd` is no line of a binary patch");
    check("literal six\n", "line 5 of the diff (x): the size of the binary patch is no number");
}

#[test]
fn a_submodule_names_its_commits() {
    let (from, to) = ("1".repeat(40), "a".repeat(40));
    let change = read(&format!(
        "diff --git a/sub b/sub\nindex 1111111..aaaaaaa 160000\n--- a/sub\n+++ b/sub\n@@ -1 +1 @@\n-Subproject commit {from}\n\
         +Subproject commit {to}-dirty\n"
    ));
    assert_eq!(change.files()[0].content, Content::Submodule { from: CommitId::parse(&from), to: CommitId::parse(&to) });
}

#[test]
fn a_changed_type_is_one_file_with_all_its_lines() {
    let change = read(
        "diff --git a/x b/x\ndeleted file mode 100644\nindex 1111111..0000000\n--- a/x\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-a\n-b\n\
         diff --git a/x b/x\nnew file mode 120000\nindex 0000000..2222222\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+target\n\
         \\ No newline at end of file\n",
    );
    assert_eq!(outline(&change), "Modified x 100644 => x 120000\n  1   0 -a\n  2   0 -b\n  0   1 +target (no line feed)\n");
}

#[test]
fn quoted_paths_lose_their_quotes_and_keep_their_bytes() {
    let change = read(
        "diff --git \"a/caf\\351.txt\" \"b/caf\\351.txt\"\nold mode 100644\nnew mode 100755\n\
         diff --git \"a/q\\\"\\t\\\\.txt\" b/plain.txt\nsimilarity index 90%\nrename from \"q\\\"\\t\\\\.txt\"\nrename to plain.txt\n\
         index 1111111..2222222 100644\n--- \"a/q\\\"\\t\\\\.txt\"\n+++ b/plain.txt\n@@ -1 +1 @@\n-a\n+b\n",
    );
    let paths: Vec<_> = change.files().iter().map(|file| (file.old.as_ref().unwrap().as_bytes(), file.path().as_bytes())).collect();
    assert_eq!(paths, [(&b"caf\xe9.txt"[..], &b"caf\xe9.txt"[..]), (b"q\"\t\\.txt", b"plain.txt")]);
}

#[test]
fn prefixes_are_found_out_rather_than_assumed() {
    let check = |names: &str, marks: &str, path: &str| {
        let change = read(&format!("diff --git {names}\nindex 1111111..2222222 100644\n{marks}@@ -1 +1 @@\n-a\n+b\n"));
        assert_eq!(change.files()[0].path().as_str(), path, "{names}");
    };
    check("a/x y b/x y", "--- a/x y\t\n+++ b/x y\t\n", "x y");
    check("src/x src/x", "--- src/x\n+++ src/x\n", "src/x");
    check("i/src/x w/src/x", "--- i/src/x\n+++ w/src/x\n", "src/x");
    check("a/x b/x b/x b/x", "--- a/x b/x\t\n+++ b/x b/x\t\n", "x b/x");
    let change = read("diff --git x b/x x b/x\nold mode 100644\nnew mode 100755\n");
    assert_eq!(change.files()[0].path().as_str(), "x b/x");
    let outside = read("diff --git a/one b/two\nindex 1111111..2222222 100644\n--- a/one\n+++ b/two\n@@ -1 +1 @@\n-a\n+b\n");
    assert_eq!(outline(&outside), "Renamed one 100644 => two 100644\n  1   1 -a\n  2   1 +b\n");
}

#[test]
fn a_plain_diff_needs_no_git() {
    let change = read(
        "diff -ruN old/gone new/gone\n--- old/gone\t2026-01-01 10:00:00.000000000 +0100\n+++ new/gone\t1970-01-01 01:00:00.000000000 +0100\n\
         @@ -1 +0,0 @@\n-x\nBinary files old/p.png and new/p.png differ\n--- old/src/a.c\t2026-01-01 10:00:00\n+++ new/src/a.c\t2026-01-01 10:00:00\n\
         @@ -1 +1 @@\n-x\n+y\n--- /dev/null\n+++ b/fresh\n@@ -0,0 +1 @@\n+f\n--- a.txt.orig\n+++ a.txt\n@@ -1 +1 @@\n-x\n+y\n",
    );
    assert_eq!(
        outline(&change),
        "Modified a.txt => a.txt\n  1   1 -x\n  2   1 +y\nAdded - => fresh\n  0   1 +f\nDeleted gone => -\n  1   0 -x\n\
         Modified p.png => p.png binary\nModified src/a.c => src/a.c\n  1   1 -x\n  2   1 +y\n"
    );
    assert_eq!(
        refusal("Only in new: b\n--- old/a\n+++ new/a\n@@ -1 +1 @@\n-x\n+y\n"),
        "line 1 of the diff: it names a file whose content the diff does not show; make the diff with -N"
    );
}

#[test]
fn a_mail_around_the_patch_is_skipped() {
    let change = read(
        "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nSubject: [PATCH] x\n\nOnly in a dream: sleep.\n---\n a | 2 +-\n\n\
         diff --git a/a b/a\nindex 1111111..2222222 100644\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-- \n+-- y\n-- \n2.47.3\n\n\
         From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nSubject: [PATCH] y\n---\n\
         diff --git a/b b/b\nindex 1111111..2222222 100644\n--- a/b\n+++ b/b\n@@ -1 +1 @@\n-1\n+2\n-- \n2.47.3",
    );
    assert_eq!(
        outline(&change),
        "Modified a 100644 => a 100644\n  1   1 -- \n  2   1 +-- y\nModified b 100644 => b 100644\n  1   1 -1\n  2   1 +2\n"
    );
}

#[test]
fn odd_lines_keep_their_bytes() {
    let diff = b"diff --git a/x b/x\r\nindex 1111111..2222222 100644\r\n--- a/x\r\n+++ b/x\r\n@@ -1,4 +1,4 @@\r\n a\r\n\n-caf\xe9\n+\xc3\xa9\n-b\n\
        \\ No newline at end of file\n+b\r\n\\ Kein Zeilenumbruch am Dateiende";
    let change = parse(diff).unwrap();
    assert_eq!(
        outline(&change),
        "Modified x 100644 => x 100644\n  1   1  a\\r\n  2   2  \n  3   3 -caf\u{fffd}\n  4   3 +é\n  4   4 -b (no line feed)\n  5   4 +b\\r (no line feed)\n"
    );
    assert_eq!(change.files()[0].lines().nth(2).unwrap().hash, LineHash::of(b"caf\xe9"));
}

#[test]
fn what_does_not_fit_is_an_error_that_names_its_line() {
    let file = "diff --git a/x b/x\nindex 1111111..2222222 100644\n--- a/x\n+++ b/x\n";
    let check = |rest: &str, what: &str| assert_eq!(refusal(&format!("{file}{rest}")), what);
    check("", "line 5 of the diff (x): the diff ends where a hunk must follow");
    check("@@ -1,2 +1 @@\n a\n", "line 7 of the diff (hunk 1 of x): the diff ends inside the hunk, 1 old and 0 new lines short");
    check(
        "@@ -1,2 +1,2 @@\n a\ndiff --git a/y b/y\n",
        "line 7 of the diff (hunk 1 of x): the hunk is 1 old and 1 new lines short, but here comes `diff --git a/y b/y`",
    );
    check("@@ -1 +1 @@\n-a\n+b\n+c\n", "line 8 of the diff (hunk 1 of x): the hunk goes on, but its header announces no more lines");
    check("@@ -1 +1,2 @@\n-a\n-b\n", "line 7 of the diff (hunk 1 of x): the hunk has more old lines than its header announces");
    check("@@ -1 +1 @@\n-a\n+b\nnonsense\n", "line 8 of the diff (hunk 1 of x): `nonsense` belongs to no file");
    check("@@ -1 +1\n-a\n+b\n", "line 5 of the diff (hunk 1 of x): `@@ -1 +1` is no hunk header");
    check("@@ -0,2 +1 @@\n-a\n+b\n", "line 5 of the diff (hunk 1 of x): a file has no 2 lines from line 0 on");
    check("@@ -1,4294967295 +1 @@\n-a\n", "line 5 of the diff (hunk 1 of x): a file has no 4294967295 lines from line 1 on");
    check("@@ -1,0 +1,0 @@\n", "line 5 of the diff (hunk 1 of x): the hunk is empty");
    check(
        "@@ -9 +9 @@\n-a\n+b\n@@ -4 +4 @@\n-a\n+b\n",
        "line 8 of the diff (hunk 2 of x): the hunk begins before the end of the one above it",
    );
    check(
        "@@ -1,2 +1 @@\n-a\n\\ No newline at end of file\n-b\n+c\n",
        "line 8 of the diff (hunk 1 of x): a line follows the one without a line feed at the end of the file",
    );
    check("@@ -1 +1 @@\n-a\n+b", "line 7 of the diff: the last line has no line feed: the diff was cut short");
    check(
        "@@ -1 +1 @@\n-a\n+b\n@@@ -1 -1 +1 @@@\n",
        "line 8 of the diff: a combined diff of a merge has several bases; make a diff between two commits",
    );
    assert_eq!(
        refusal(&format!("{file}@@ -1 +1 @@\n-a\n+b\n{file}@@ -1 +1 @@\n-b\n+c\n")),
        "line 8 of the diff (x): the file is there a second time, after line 1; a series of commits is no single change, make one diff from base to head"
    );
}

#[test]
fn headers_that_contradict_themselves_are_errors() {
    let check = |diff: &str, what: &str| assert_eq!(refusal(diff), what);
    check("diff --git a/x b/x\n", "line 2 of the diff (x): the content of the file changes, but no hunk shows it");
    check(
        "diff --git a/x b/x\nindex 1111111..2222222 100644\n",
        "line 3 of the diff (x): the content of the file changes, but no hunk shows it",
    );
    check(
        "diff --git a/x b/x\ndeleted file mode 100644\nindex 1111111..0000000\n",
        "line 4 of the diff (x): the content of the file changes, but no hunk shows it",
    );
    check("diff --git a/x b/x\nold mode 100644\n", "line 1 of the diff: one of `old mode` and `new mode` is missing");
    check("diff --git a/x b/y\nrename from x\n", "line 1 of the diff: one end of the rename or copy is missing");
    check("diff --git a/x b/x\nnew file mode 10064\u{e9}\n", "line 2 of the diff: `10064é` is no file mode");
    check(
        "diff --git a/x b/x\nold mode 100644\nold mode 100644\n",
        "line 3 of the diff: `old mode 100644` says a second time what the header said before",
    );
    check("diff --git a/x b/x\n--- a/x\n@@ -1 +1 @@\n", "line 3 of the diff: a line with `+++` must follow the one with `---`");
    check("diff --git a/x b/x\n--- a/y\n+++ b/y\n", "line 1 of the diff: `---` and `+++` name other files than `diff --git`");
    check("diff --git a/../x b/../x\nold mode 1\n", "line 2 of the diff: `1` is no file mode");
    check("diff --git a/../x b/../x\nold mode 100644\nnew mode 100755\n", "line 1 of the diff: `../x` is no path inside a repository");
    check("diff --git a/x b/x\nold mode 100644\nnew mode 100755\n-\n", "line 4 of the diff (x): `-` belongs to no file");
    check("diff --git x y z\nold mode 100644\nnew mode 100755\n", "line 1 of the diff: cannot tell the paths in `x y z`");
    let endless = format!("Binary files {}differ\n", "x and ".repeat(200_000));
    check(&endless, "line 1 of the diff: the names of a binary file are too long");
    check("@@ -1 +1 @@\n-a\n+b\n", "line 1 of the diff: a hunk without a file header");
    check("diff --cc x\n", "line 1 of the diff: a combined diff of a merge has several bases; make a diff between two commits");
    check("Submodule sub 1111111..2222222:\n", "line 1 of the diff: a submodule in log form; make the diff with --submodule=short");
}
