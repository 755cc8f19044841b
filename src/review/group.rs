//! A change in groups that fit a reader's view: related files together, every file in exactly one group, the same groups for the same change, and
//! groups that stay when files elsewhere change. It must not drop anything.

use std::collections::BTreeMap;
use std::ops::Range;

use super::patch;
use crate::change::{Change, FileDiff, RepoPath};

/// What one request embeds of the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its pieces, by path.
    pub pieces: Vec<Piece>,
    /// Noise at security-sensitive paths: only the security reviewer reads it.
    pub sensitive_noise: bool,
}

/// A file of a group, or a part of its patch if the patch alone is over the budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The file.
    pub path: RepoPath,
    /// Lines of its patch: indices over all lines of all hunks.
    pub lines: Range<usize>,
}

impl Group {
    /// Returns the files of the group, sorted.
    pub fn paths(&self) -> Vec<&RepoPath> {
        let mut paths: Vec<&RepoPath> = self.pieces.iter().map(|piece| &piece.path).collect();
        paths.dedup();
        paths
    }

    /// Returns the group in two parts of about the same size, for a model that the whole is too long for; nothing if it is a single line.
    pub fn halves(&self, change: &Change) -> Option<[Self; 2]> {
        let part = |pieces: &[Piece]| Self { pieces: pieces.to_vec(), sensitive_noise: self.sensitive_noise };
        if let [only] = self.pieces.as_slice() {
            let middle = only.lines.start + only.lines.len() / 2;
            let cut = |lines: Range<usize>| part(&[Piece { path: only.path.clone(), lines }]);
            return (only.lines.len() > 1).then(|| [cut(only.lines.start..middle), cut(middle..only.lines.end)]);
        }
        let size = |piece: &Piece| change.file(&piece.path).map_or(0, |file| patch::patch(file, &piece.lines).len());
        let sizes: Vec<usize> = self.pieces.iter().map(size).collect();
        let (all, mut before) = (sizes.iter().sum::<usize>(), 0);
        let at = sizes.iter().position(|size| {
            before += size;
            before * 2 >= all
        });
        let (first, second) = self.pieces.split_at_checked((at? + 1).min(self.pieces.len() - 1))?;
        Some([part(first), part(second)])
    }
}

/// Returns the groups of a change whose patches have at most `budget` bytes each, those with `risky` files first.
///
/// A single line over the budget makes a group of its own.
pub fn groups(change: &Change, noise: &Change, budget: usize, risky: impl Fn(&FileDiff) -> bool) -> Vec<Group> {
    let mut groups: Vec<Group> = pack(change, budget).into_iter().map(|pieces| Group { pieces, sensitive_noise: false }).collect();
    groups.sort_by_cached_key(|group| {
        let risk = group.paths().iter().any(|path| change.file(path).is_some_and(&risky));
        (!risk, group.pieces.first().map(|piece| (piece.path.clone(), piece.lines.start)))
    });
    groups.extend(pack(noise, budget).into_iter().map(|pieces| Group { pieces, sensitive_noise: true }));
    groups
}

/// Bytes that stand beside the text of a line: anchor, marker and line feed.
const BESIDE_TEXT_BYTES: usize = 16;

/// A piece with what places it: the folder and name it belongs to, and its size.
struct Item {
    home: Vec<String>,
    bytes: usize,
    piece: Piece,
}

fn pack(change: &Change, budget: usize) -> Vec<Vec<Piece>> {
    let items: Vec<Item> = change.files().iter().flat_map(|file| items(file, budget)).collect();
    let mut packed = split(items, 0, budget);
    for pieces in &mut packed {
        pieces.sort_by(|a, b| (&a.path, a.lines.start).cmp(&(&b.path, b.lines.start)));
    }
    packed
}

/// Splits by folder, from the top down, until what is left together fits; then neighbours that are small are put together again.
fn split(items: Vec<Item>, depth: usize, budget: usize) -> Vec<Vec<Piece>> {
    let total: usize = items.iter().map(|item| item.bytes).sum();
    if items.is_empty() {
        return Vec::new();
    }
    if total <= budget || items.len() == 1 {
        return vec![items.into_iter().map(|item| item.piece).collect()];
    }
    let deepest = items.iter().all(|item| item.home.len() <= depth);
    let parts: Vec<Vec<Item>> = if deepest {
        items.into_iter().map(|item| vec![item]).collect()
    } else {
        let mut by_name: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        for item in items {
            by_name.entry(item.home.get(depth).cloned().unwrap_or_default()).or_default().push(item);
        }
        by_name.into_values().collect()
    };
    let mut packed: Vec<Vec<Piece>> = Vec::new();
    let mut open: (usize, Vec<Piece>) = (0, Vec::new());
    for part in parts {
        let bytes: usize = part.iter().map(|item| item.bytes).sum();
        if bytes > budget {
            packed.extend((!open.1.is_empty()).then(|| std::mem::take(&mut open).1));
            packed.extend(split(part, depth + 1, budget));
            continue;
        }
        if open.0 + bytes > budget {
            packed.push(std::mem::take(&mut open).1);
        }
        open.0 += bytes;
        open.1.extend(part.into_iter().map(|item| item.piece));
    }
    packed.extend((!open.1.is_empty()).then_some(open.1));
    packed
}

/// A file as one item, or as several if its patch alone is over the budget: at hunks where they fit, else at lines.
fn items(file: &FileDiff, budget: usize) -> Vec<Item> {
    let total = file.lines().count();
    let home = home(file.path());
    let item = |lines: Range<usize>| Item {
        home: home.clone(),
        bytes: patch::patch(file, &lines).len(),
        piece: Piece { path: file.path().clone(), lines },
    };
    let whole = item(0..total);
    if whole.bytes <= budget || total == 0 {
        return vec![whole];
    }
    let room = budget.saturating_sub(patch::heading(file).len() + 200).max(1);
    let mut ends: Vec<usize> = Vec::new();
    let (mut start, mut used, mut at) = (0, 0, 0);
    for hunk in file.hunks() {
        let size: usize = hunk.lines.iter().map(|line| line.text.len() + BESIDE_TEXT_BYTES).sum();
        if used > 0 && used + size > room {
            ends.push(at);
            (start, used) = (at, 0);
        }
        for line in &hunk.lines {
            let size = line.text.len() + BESIDE_TEXT_BYTES;
            if used + size > room && at > start {
                ends.push(at);
                (start, used) = (at, 0);
            }
            used += size;
            at += 1;
        }
    }
    ends.push(total);
    let starts = std::iter::once(0).chain(ends.clone());
    starts.zip(ends).filter(|(start, end)| start < end).map(|(start, end)| item(start..end)).collect()
}

/// Where a file belongs: its folders without those that only say “tests” or “sources”, then its stem without what marks a test.
///
/// `src/pay/ledger.rs` and `tests/pay/ledger_test.rs` share a home, so a change that is cut keeps them together.
fn home(path: &RepoPath) -> Vec<String> {
    const LAYOUT: [&str; 12] =
        ["src", "test", "tests", "__tests__", "spec", "specs", "main", "java", "kotlin", "lib", "testing", "test_data"];
    let mut home: Vec<String> =
        path.folder().split('/').filter(|part| !part.is_empty() && !LAYOUT.contains(part)).map(str::to_ascii_lowercase).collect();
    let name = path.file_name().to_ascii_lowercase();
    let mut stem = name.split('.').next().unwrap_or(&name);
    for mark in ["test_", "tests_", "spec_"] {
        stem = stem.strip_prefix(mark).unwrap_or(stem);
    }
    for mark in ["_test", "_tests", "_spec", "-test", "-spec", "tests", "test"] {
        stem = stem.strip_suffix(mark).filter(|rest| !rest.is_empty()).unwrap_or(stem);
    }
    home.push(stem.to_owned());
    home
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::change::parse;

    /// A change of new files with so many lines of 40 bytes.
    fn change(files: &[(&str, usize)]) -> Change {
        let mut diff = String::new();
        for (path, lines) in files {
            write!(diff, "diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{lines} @@\n")
                .unwrap();
            for number in 0..*lines {
                writeln!(diff, "+{number:039}").unwrap();
            }
        }
        parse(diff.as_bytes()).unwrap()
    }

    fn named(groups: &[Group]) -> Vec<Vec<String>> {
        groups.iter().map(|group| group.paths().into_iter().map(ToString::to_string).collect()).collect()
    }

    #[test]
    fn what_fits_is_one_group() {
        let change = change(&[("b/x.rs", 3), ("a/y.rs", 3)]);
        assert_eq!(named(&groups(&change, &Change::default(), 10_000, |_| false)), [["a/y.rs", "b/x.rs"]]);
    }

    #[test]
    fn tests_go_with_their_code_and_folders_stay_together() {
        let change = change(&[
            ("src/pay/ledger.rs", 20),
            ("src/ship/label.rs", 20),
            ("tests/pay/ledger_test.rs", 20),
            ("tests/ship/label_test.rs", 20),
        ]);
        let found = named(&groups(&change, &Change::default(), 3_000, |_| false));
        assert_eq!(found, [["src/pay/ledger.rs", "tests/pay/ledger_test.rs"], ["src/ship/label.rs", "tests/ship/label_test.rs"]]);
    }

    #[test]
    fn risky_groups_go_first_and_noise_last() {
        let files = change(&[("a/x.rs", 20), ("z/auth.rs", 20)]);
        let noise = change(&[("vendor/auth.js", 1)]);
        let found = groups(&files, &noise, 1_500, |file| file.path().as_str().contains("auth"));
        assert_eq!(named(&found), [["z/auth.rs"], ["a/x.rs"], ["vendor/auth.js"]]);
        assert_eq!(found.iter().map(|group| group.sensitive_noise).collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn a_group_is_halved_by_size_and_a_file_alone_by_lines() {
        let change = change(&[("a.rs", 30), ("b.rs", 10), ("c.rs", 10)]);
        let group = groups(&change, &Change::default(), 100_000, |_| false).remove(0);
        let [first, second] = group.halves(&change).unwrap();
        assert_eq!(named(&[first.clone(), second]), [vec!["a.rs"], vec!["b.rs", "c.rs"]]);
        let [upper, lower] = first.halves(&change).unwrap();
        assert_eq!((upper.pieces[0].lines.clone(), lower.pieces[0].lines.clone()), (0..15, 15..30));
        let line = Group { pieces: vec![Piece { path: "a.rs".into(), lines: 3..4 }], sensitive_noise: false };
        assert_eq!(line.halves(&change), None);
    }

    #[test]
    fn a_change_elsewhere_leaves_a_group_as_it_is() {
        let before = change(&[("a/x.rs", 30), ("a/y.rs", 30), ("b/z.rs", 30)]);
        let after = change(&[("a/x.rs", 30), ("a/y.rs", 30), ("b/w.rs", 25), ("b/z.rs", 40)]);
        let group = |change: &Change| named(&groups(change, &Change::default(), 4_000, |_| false)).remove(0);
        assert_eq!(group(&before), group(&after));
    }

    #[test]
    fn a_patch_over_the_budget_is_cut_and_nothing_is_lost() {
        let change = change(&[("big.rs", 300), ("small.rs", 2)]);
        let found = groups(&change, &Change::default(), 4_000, |_| false);
        let pieces: Vec<&Piece> = found.iter().flat_map(|group| &group.pieces).filter(|piece| piece.path.as_str() == "big.rs").collect();
        assert!(pieces.len() > 3);
        let lines: Vec<usize> = pieces.iter().flat_map(|piece| piece.lines.clone()).collect();
        assert_eq!(lines, (0..300).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn every_line_of_every_file_is_in_exactly_one_group_and_groups_fit(
            sizes in prop::collection::btree_map("[ab]/[ab]/(test_)?[xy]{1,2}", 1_usize..60, 1..9),
            budget in 600_usize..6_000,
        ) {
            let files: Vec<(&str, usize)> = sizes.iter().map(|(path, lines)| (path.as_str(), *lines)).collect();
            let change = change(&files);
            let found = groups(&change, &Change::default(), budget, |_| false);
            let mut seen: Vec<(String, usize)> = Vec::new();
            for group in &found {
                let bytes: usize = group.pieces.iter().map(|piece| patch::patch(change.file(&piece.path).unwrap(), &piece.lines).len()).sum();
                prop_assert!(bytes <= budget, "{} bytes in a budget of {}", bytes, budget);
                for piece in &group.pieces {
                    seen.extend(piece.lines.clone().map(|line| (piece.path.to_string(), line)));
                }
            }
            seen.sort();
            let all: Vec<(String, usize)> = files.iter().flat_map(|(path, lines)| (0..*lines).map(|line| ((*path).to_owned(), line))).collect();
            let mut all = all;
            all.sort();
            prop_assert_eq!(seen, all);
        }
    }
}
