//! The parser against generated changes, printed as git would, and against a second parser.

use proptest::prelude::*;

use super::*;
use crate::change::print;

fn any_path() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        3 => "[a-z]{1,8}".prop_map(String::into_bytes),
        1 => "[a-z \u{e9}\"\\\\\t.+-]{1,6}x".prop_map(String::into_bytes),
        1 => prop::collection::vec(1_u8..=255, 1..5).prop_map(|mut bytes| {
            bytes.retain(|&byte| byte != b'/');
            bytes.push(b'y');
            bytes
        }),
    ];
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join(&b'/'))
}

/// The lines of a file, as hunks: gaps of unchanged lines, then runs of removed, added and context lines.
fn any_hunks() -> impl Strategy<Value = Vec<Hunk>> {
    let text = "[ -~\u{e9}\r\t]{0,12}";
    let line = (prop_oneof![Just(LineKind::Context), Just(LineKind::Added), Just(LineKind::Removed)], text);
    let hunk = (1_u32..20, "[a-z(){} ]{0,10}", prop::collection::vec(line, 1..8));
    (prop::collection::vec(hunk, 1..4), any::<[bool; 2]>()).prop_map(|(hunks, cut)| {
        let (mut old, mut new) = (1, 1);
        let mut made: Vec<Hunk> = Vec::new();
        for (gap, section, lines) in hunks {
            (old, new) = (old + gap, new + gap);
            made.push(hunk_of(&mut old, &mut new, section, lines));
        }
        let last = made.last_mut().unwrap();
        // A context line that ends the file on both sides is cut on both.
        let at = |kind: LineKind| last.lines.iter().rposition(|line| line.kind == kind || line.kind == LineKind::Context);
        let (end_old, end_new) = (at(LineKind::Removed), at(LineKind::Added));
        for (end, cut) in [(end_old, cut[0]), (end_new, cut[1])] {
            if let Some(end) = end.filter(|_| cut)
                && (last.lines[end].kind != LineKind::Context || end_old == end_new)
            {
                last.lines[end].newline = false;
            }
        }
        made
    })
}

fn hunk_of(old: &mut u32, new: &mut u32, section: String, lines: Vec<(LineKind, String)>) -> Hunk {
    let count = |kind| u32::try_from(lines.iter().filter(|line| line.0 == kind || line.0 == LineKind::Context).count()).unwrap();
    let (old_lines, new_lines) = (count(LineKind::Removed), count(LineKind::Added));
    let (old_start, new_start) = (*old - u32::from(old_lines == 0), *new - u32::from(new_lines == 0));
    let (mut old_at, mut new_at) = (old_start, new_start);
    let lines = lines
        .into_iter()
        .map(|(kind, text)| {
            let line = Line { kind, old: old_at, new: new_at, hash: LineHash::of(text.as_bytes()), text, newline: true };
            old_at += u32::from(kind != LineKind::Added);
            new_at += u32::from(kind != LineKind::Removed);
            line
        })
        .collect();
    (*old, *new) = (*old + old_lines, *new + new_lines);
    Hunk { old_start, old_lines, new_start, new_lines, section, lines }
}

fn any_file() -> impl Strategy<Value = FileDiff> {
    let text = prop::collection::vec("[ -~]{0,8}", 0..5);
    (any_path(), any_path(), 0..8_u8, any_hunks(), text, any::<bool>()).prop_map(|(a, b, kind, hunks, text, same_mode)| {
        let (a, b) = (RepoPath::from_bytes(&a), RepoPath::from_bytes(&b));
        let of = |kind| {
            let lines: Vec<_> = text.iter().map(|text| (kind, text.clone())).collect();
            let hunk = (!lines.is_empty()).then(|| hunk_of(&mut 1, &mut 1, String::new(), lines));
            Content::Text(hunk.into_iter().collect())
        };
        let base = (Some(0o100_644), Some(if same_mode { 0o100_644 } else { 0o100_755 }));
        let file = |old, new, status, modes: (Option<u32>, Option<u32>), content| FileDiff {
            old,
            new,
            status,
            old_mode: modes.0,
            new_mode: modes.1,
            content,
        };
        match kind {
            0 => file(None, Some(a), Status::Added, (None, base.1), of(LineKind::Added)),
            1 => file(Some(a), None, Status::Deleted, (base.0, None), of(LineKind::Removed)),
            2 if a != b => file(Some(a), Some(b), Status::Renamed, (None, None), Content::Text(Vec::new())),
            3 if a != b => file(Some(a), Some(b), Status::Renamed, base, Content::Text(hunks)),
            4 if a != b => file(Some(a), Some(b), Status::Copied, base, Content::Text(hunks)),
            5 => file(Some(a.clone()), Some(a), Status::Modified, base, Content::Binary),
            6 => {
                let side = |digit: &str| CommitId::parse(&digit.repeat(40));
                let modes = (Some(SUBMODULE), Some(SUBMODULE));
                file(Some(a.clone()), Some(a), Status::Modified, modes, Content::Submodule { from: side("1"), to: side("2") })
            }
            _ => file(Some(a.clone()), Some(a), Status::Modified, base, Content::Text(hunks)),
        }
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    prop::collection::vec(any_file(), 0..5).prop_map(|mut files| {
        let mut seen = std::collections::BTreeSet::new();
        files.retain(|file| seen.insert(file.path().clone()));
        Change::new(files)
    })
}

proptest! {
    #[test]
    fn a_change_printed_as_git_does_reads_back_equal(change in any_change()) {
        let diff = print(&change).into_bytes();
        prop_assert_eq!(parse(&diff).map_err(|error| format!("{error}\n{}", diff.escape_ascii())), Ok(change));
    }

    #[test]
    fn a_second_parser_sees_the_same_lines(change in any_change()) {
        let diff = print(&change).into_bytes();
        let mut lines = Vec::new();
        for file in diffy::patch_set::PatchSet::parse_bytes(&diff, diffy::patch_set::ParseOptions::gitdiff()).flatten() {
            for hunk in file.patch().as_text().into_iter().flat_map(diffy::Patch::hunks) {
                lines.extend(hunk.lines().iter().map(|line| match line {
                    diffy::Line::Context(_) => LineKind::Context,
                    diffy::Line::Delete(_) => LineKind::Removed,
                    diffy::Line::Insert(_) => LineKind::Added,
                }));
            }
        }
        let change = parse(&diff).unwrap();
        let submodules = |file: &FileDiff| matches!(file.content, Content::Submodule { .. });
        let own: Vec<_> = change.files().iter().flat_map(|file| {
            let commits = if submodules(file) { vec![LineKind::Removed, LineKind::Added] } else { Vec::new() };
            file.lines().map(|line| line.kind).chain(commits)
        }).collect();
        prop_assert_eq!(own, lines);
    }

    #[test]
    fn a_diff_cut_anywhere_is_an_error_or_whole_files_and_hunks(change in any_change(), at in any::<prop::sample::Index>()) {
        let diff = print(&change).into_bytes();
        let cut = &diff[..at.index(diff.len() + 1)];
        if let Ok(part) = parse(cut) {
            // The remark on a missing line feed is the one line that may be lost without a trace.
            let texts = |file: &FileDiff| -> Vec<Vec<_>> {
                file.hunks().iter().map(|hunk| hunk.lines.iter().map(|line| (line.kind, line.text.clone())).collect()).collect()
            };
            for file in part.files() {
                let whole = change.file(file.path()).unwrap();
                let same = texts(whole).starts_with(&texts(file));
                prop_assert!(same, "{:?} of {:?}", file, whole);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn any_lines_of_a_diff_are_read_or_refused(lines in prop::collection::vec(prop::sample::select(vec![
        "diff --git a/x b/x", "diff --git \"a/x\" \"b/x", "diff --git x", "diff --git ", "--- a/x", "+++ b/x", "--- /dev/null", "+++ /dev/null", "--- ",
        "+++ ", "@@ -1 +1 @@", "@@ -1,2 +1,2 @@ f", "@@ -0,0 +1 @@", "@@ -4294967295,9 +1 @@", " a", "-b", "+c", "", "\\ No newline at end of file",
        "new file mode 100644", "deleted file mode 100644", "old mode 100644", "new mode 100755", "index 1..2", "index 1111111..2222222 100644",
        "similarity index 100%", "rename from x", "rename to \"y", "copy from x", "Binary files a/x and b/x differ", "Binary files  differ",
        "GIT binary patch", "literal 3", "Kc\u{e9}", "-- ", "2.4", "Only in a: b", "commit 0123456789012345678901234567890123456789", "diff -u a b",
    ]), 0..20)) {
        let _ = parse(lines.join("\n").as_bytes());
        let _ = parse(format!("{}\n", lines.join("\n")).as_bytes());
    }
}
