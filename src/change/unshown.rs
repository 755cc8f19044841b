//! Where a line of the head is that two versions of a change over one base need not show: what a diff leaves out is as it was in the base, so that
//! counting finds it. It must not be asked where the base is another.

use super::{Change, FileDiff, Hunk, Line, RepoPath, Side, Status};

/// Returns where a line of the head of `old` is in the head of `new`, if both changes have the same base and the line is the base's; `None` if the
/// earlier change had added it, or the later one removed it.
pub fn carried(old: &Change, new: &Change, path: &RepoPath, line: u32) -> Option<(RepoPath, u32)> {
    let (path, line) = match old.file(path) {
        Some(file) => (file.old.clone()?, counted(file, line, Side::New)?),
        None => (path.clone(), line),
    };
    let still = new.files().iter().find(|file| file.status != Status::Copied && file.old.as_ref() == Some(&path));
    match still {
        Some(file) => Some((file.new.clone()?, counted(file, line, Side::Old)?)),
        None => Some((path, line)),
    }
}

/// The number on the other side of a line that is named by its number on one side.
fn counted(file: &FileDiff, line: u32, side: Side) -> Option<u32> {
    let other = match side {
        Side::Old => Side::New,
        Side::New => Side::Old,
    };
    let (mut before, mut there) = (0, 0);
    for hunk in file.hunks() {
        let (start, count) = extent(hunk, side);
        // A hunk without lines on this side stands behind the line that it names.
        if line < start || (count == 0 && line == start) {
            break;
        }
        if line < start.saturating_add(count) {
            return hunk.lines.iter().find(|shown| number(shown, side) == Some(line)).and_then(|shown| number(shown, other));
        }
        before += count;
        there += extent(hunk, other).1;
    }
    (line + there).checked_sub(before)
}

fn extent(hunk: &Hunk, side: Side) -> (u32, u32) {
    match side {
        Side::Old => (hunk.old_start, hunk.old_lines),
        Side::New => (hunk.new_start, hunk.new_lines),
    }
}

fn number(line: &Line, side: Side) -> Option<u32> {
    match side {
        Side::Old => line.old_line(),
        Side::New => line.new_line(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::change::testing::{Tree, between, tree};

    /// Twenty numbered lines, some of them with others in their place.
    fn text(edits: &[(usize, &str)]) -> Tree {
        let word =
            |number: usize| edits.iter().find(|(at, _)| *at == number).map_or_else(|| format!("w{number}"), |(_, text)| (*text).to_owned());
        tree(&[("a.rs", &(1..=20).map(word).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))])
    }

    fn change(edits: &[(usize, &str)]) -> Change {
        between(&text(&[]), &text(edits), &BTreeMap::new())
    }

    fn at(old: &[(usize, &str)], new: &[(usize, &str)], line: u32) -> Option<u32> {
        carried(&change(old), &change(new), &"a.rs".into(), line).map(|(path, line)| {
            assert_eq!(path, "a.rs".into());
            line
        })
    }

    #[test]
    fn a_line_beside_a_hunk_that_was_reverted_is_found_by_counting() {
        assert_eq!(at(&[(1, "one more"), (15, "x y z")], &[(1, "one more")], 15), Some(15));
        assert_eq!(at(&[(1, "one more"), (15, "x y z")], &[(1, "one more")], 19), Some(17));
        assert_eq!(at(&[(15, "x y z")], &[(1, "")], 18), Some(15));
        // Nothing of the file is left in the change.
        assert_eq!(at(&[(15, "x y z")], &[], 18), Some(16));
    }

    #[test]
    fn a_line_that_neither_change_shows_moves_with_what_is_above_it() {
        assert_eq!(at(&[], &[(1, "one more")], 18), Some(19));
        assert_eq!(at(&[(1, "one more")], &[(1, "one"), (2, "")], 19), Some(17));
    }

    #[test]
    fn what_was_added_or_is_removed_is_not_found() {
        assert_eq!(at(&[(15, "x y z")], &[], 16), None);
        assert_eq!(at(&[(15, "x y z")], &[(16, "other")], 18), None);
    }

    #[test]
    fn a_file_that_gets_another_name_takes_its_line_along() {
        let (base, old) = (text(&[]), change(&[(15, "x y z")]));
        let renamed = between(
            &base,
            &tree(&[("b.rs", base["a.rs"].trim_end().replace('\n', " ").as_str())]),
            &BTreeMap::from([("b.rs".to_owned(), "a.rs".to_owned())]),
        );
        assert_eq!(carried(&old, &renamed, &"a.rs".into(), 18), Some(("b.rs".into(), 16)));
        assert_eq!(carried(&renamed, &old, &"b.rs".into(), 16), Some(("a.rs".into(), 18)));
    }
}
