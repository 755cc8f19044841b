//! How a patch is shown to models: each line with its anchor, compact, the same bytes for the same change. It must not mask: it gets the masked change.

use std::fmt::Write as _;
use std::ops::Range;

use super::boundary::visible;
use crate::change::{Change, Content, FileDiff, LineKind, RepoPath, Side, Status};

/// The longest part of a line that is shown, in characters; the anchor still names the whole line.
const MAX_LINE_CHARS: usize = 1_000;

/// Returns the patch of a file, or the part of it with these lines (indices over all lines of all hunks).
pub fn patch(file: &FileDiff, lines: &Range<usize>) -> String {
    let mut out = heading(file);
    out.push('\n');
    let total: usize = file.hunks().iter().map(|hunk| hunk.lines.len()).sum();
    if *lines != (0..total) {
        writeln!(out, "(lines {} to {} of the {total} lines of this patch)", lines.start + 1, lines.end).expect(NEVER_FAILS);
    }
    let mut start = 0;
    for hunk in file.hunks() {
        let (first, end) = (lines.start.max(start), lines.end.min(start + hunk.lines.len()));
        if first < end {
            let section = if hunk.section.is_empty() { String::new() } else { format!(" {}", cut(&hunk.section)) };
            writeln!(out, "@@ -{},{} +{},{} @@{section}", hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines)
                .expect(NEVER_FAILS);
            for line in &hunk.lines[first - start..end - start] {
                let (side, marker) = match line.kind {
                    LineKind::Added => (Side::New, '+'),
                    LineKind::Removed => (Side::Old, '-'),
                    LineKind::Context => (Side::New, ' '),
                };
                let (sign, number) = match side {
                    Side::Old => ("-", line.old),
                    Side::New => ("", line.new),
                };
                writeln!(out, "{sign}{number}#{} {marker}{}", line.hash, cut(line.text.trim_end_matches('\r'))).expect(NEVER_FAILS);
            }
        }
        start += hunk.lines.len();
    }
    out
}

const NEVER_FAILS: &str = "writing to a string cannot fail";

/// Returns the line that says which file it is and what happened to it: `### src/a.rs (renamed from src/b.rs, +1 −2)`.
pub fn heading(file: &FileDiff) -> String {
    let old = file.old.as_ref().map(shown_path);
    let what = match (file.status, &old) {
        (Status::Added, _) => "added".to_owned(),
        (Status::Deleted, _) => "deleted".to_owned(),
        (Status::Modified, _) => "modified".to_owned(),
        (Status::Renamed, Some(old)) => format!("renamed from {old}"),
        (Status::Copied, Some(old)) => format!("copied from {old}"),
        (Status::Renamed, None) => "renamed".to_owned(),
        (Status::Copied, None) => "copied".to_owned(),
    };
    let content = match &file.content {
        Content::Text(_) => format!("+{} −{}", file.added(), file.removed()),
        Content::Binary => "binary".to_owned(),
        Content::Submodule { .. } => "submodule".to_owned(),
    };
    format!("### {} ({what}, {content})", shown_path(file.path()))
}

/// Returns a path as models see it: on one line, with nothing hidden.
fn shown_path(path: &RepoPath) -> String {
    visible(&path.as_str().replace('\n', "⟦U+000A⟧").replace('\t', "⟦U+0009⟧"))
}

/// Returns the file of a change that a model names, by its path as it is or as it was shown.
///
/// Whoever names a file so that readers cannot write it must not be rid of what they say about it.
pub fn named<'c>(change: &'c Change, name: &str) -> Option<&'c FileDiff> {
    let is = |path: &RepoPath| shown_path(path).trim().trim_matches('`') == name.trim().trim_matches('`');
    change.file(&RepoPath::from(name)).or_else(|| change.files().iter().find(|file| is(file.path())))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_LINE_CHARS) {
        Some((end, _)) => format!("{}… [{} bytes more]", &text[..end], text.len() - end),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{AnchorRef, parse};

    const DIFF: &str = "diff --git a/old.rs b/new.rs\nsimilarity index 80%\nrename from old.rs\nrename to new.rs\n--- a/old.rs\n+++ b/new.rs\n@@ -1,2 +1,2 @@ fn f()\n-one\n+two\r\n three\n@@ -9 +9,2 @@\n nine\n+ten\n";

    #[test]
    fn every_line_stands_behind_its_anchor() {
        let change = parse(DIFF.as_bytes()).unwrap();
        let text = patch(&change.files()[0], &(0..5));
        insta::assert_snapshot!(text, @r"
        ### new.rs (renamed from old.rs, +2 −1)
        @@ -1,2 +1,2 @@ fn f()
        -1#7692 -one
        1#2281 +two
        2#8b5b  three
        @@ -9,1 +9,2 @@
        9#edcd  nine
        10#e443 +ten
        ");
        for line in text.lines().filter(|line| line.contains('#') && !line.starts_with("###")) {
            let anchor = AnchorRef::parse(line.split(' ').next().unwrap()).expect("an anchor");
            assert!(change.files()[0].line_at(anchor).is_some(), "{line}");
        }
    }

    #[test]
    fn the_heading_of_a_hunk_is_masked_like_a_line() {
        let mask = crate::codex::Mask::new(crate::codex::builtin(), b"k");
        let shown = |heading: &str| {
            let change = parse(format!("--- a/a.py\n+++ b/a.py\n@@ -9 +9,2 @@ {heading}\n nine\n+ten\n").as_bytes()).unwrap();
            patch(&change.masked(|text| mask.apply(text)).files()[0], &(0..2)).lines().nth(1).unwrap().to_owned()
        };
        assert_eq!(shown("def password(user):"), "@@ -9,1 +9,2 @@ def password(user):");
        for heading in ["password = \"tR7$kq92mXvL0pz\"", "password = 'tR7$kq92mXvL0pz", "db_password = \"tR7$kq92mXvL0pz-and-cut-he"] {
            let shown = shown(heading);
            assert!(shown.contains("[MASKED:") && !shown.contains("tR7$"), "{shown}");
        }
    }

    #[test]
    fn a_file_is_found_by_the_name_that_was_shown() {
        let named_as = |quoted: &str| {
            let diff = format!("diff --git \"a/{quoted}\" \"b/{quoted}\"\n--- \"a/{quoted}\"\n+++ \"b/{quoted}\"\n@@ -1 +1 @@\n-a\n+b\n");
            let change = parse(diff.as_bytes()).unwrap();
            let shown = heading(&change.files()[0]).trim_start_matches("### ").split(" (").next().unwrap().to_owned();
            assert_eq!(named(&change, &shown), change.files().first(), "{shown}");
            shown
        };
        assert_eq!(named_as(r"caf\351.rs"), r"caf\351.rs");
        assert_eq!(named_as(r"a\342\200\213b.rs"), "a⟦U+200B⟧b.rs");
        assert_eq!(named_as(r"x\n### y.rs"), "x⟦U+000A⟧### y.rs");
        assert_eq!(named_as(r"t\tab.rs "), "t⟦U+0009⟧ab.rs ");
    }

    #[test]
    fn a_part_says_that_it_is_one() {
        let change = parse(DIFF.as_bytes()).unwrap();
        let text = patch(&change.files()[0], &(2..4));
        insta::assert_snapshot!(text, @r"
        ### new.rs (renamed from old.rs, +2 −1)
        (lines 3 to 4 of the 5 lines of this patch)
        @@ -1,2 +1,2 @@ fn f()
        2#8b5b  three
        @@ -9,1 +9,2 @@
        9#edcd  nine
        ");
    }
}
