//! What was there before: a hit whose text is in the base is not the change's doing. It must not compare every hit with every line.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use aho_corasick::AhoCorasick;

use super::detect::Found;
use super::{Rule, Source, applies};
use crate::change::{Change, FileDiff, LineKind, RepoPath};

/// Texts longer than this, in bytes, are not looked for: such a hit counts.
const MAX_TEXT_BYTES: usize = 4 << 10;
/// All texts that are looked for, in bytes; hits beyond it count.
const MAX_TEXTS_BYTES: usize = 4 << 20;
/// Stands between texts that are not neighbours; no normalised text holds it.
const GAP: char = '\n';

/// Returns, for each hit, whether its normalised text is in the base of its file, or among what the change removed from another one.
///
/// A base counts only where the rule applied to it: code that moves from an excluded folder into one that is not is new to the rule.
pub(super) fn already_there<'s>(found: &[Found], rules: &[&Rule], change: &Change, source: impl Fn(&RepoPath) -> &'s Source) -> Vec<bool> {
    let texts: BTreeSet<&str> =
        found.iter().map(|hit| hit.text.as_str()).filter(|text| !text.is_empty() && text.len() <= MAX_TEXT_BYTES).collect();
    let mut room = MAX_TEXTS_BYTES;
    let fits = |text: &&str| room.checked_sub(text.len()).inspect(|&left| room = left).is_some();
    let texts: Vec<&str> = texts.into_iter().take_while(fits).collect();
    // An automaton that grows too large leaves all hits standing: rather one too many than one too few.
    let Ok(finder) = AhoCorasick::new(&texts) else {
        return vec![false; found.len()];
    };
    if texts.is_empty() {
        return vec![false; found.len()];
    }
    let with_hits: BTreeSet<usize> = found.iter().filter(|hit| hit.lines.is_some()).map(|hit| hit.file).collect();
    // Text and file in whose base it is; text → files from which it was removed.
    let mut based: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut removed: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, file) in change.files().iter().enumerate() {
        if file.old.is_none() {
            continue;
        }
        if with_hits.contains(&index) {
            let base = Haystack::base(file, source(file.path()));
            based.extend(base.occurring(&finder).into_iter().map(|text| (text, index)));
        }
        let taken = Haystack::removed(file);
        for text in taken.occurring(&finder) {
            removed.entry(text).or_default().push(index);
        }
    }
    let applied = |rule: &Rule, file: usize| change.files()[file].old.as_ref().is_some_and(|old| applies(rule, old));
    found
        .iter()
        .map(|hit| {
            let Ok(text) = texts.binary_search(&hit.text.as_str()) else { return false };
            let rule = rules[hit.rule];
            (based.contains(&(text, hit.file)) && applied(rule, hit.file))
                || removed.get(&text).into_iter().flatten().any(|&file| applied(rule, file))
        })
        .collect()
}

/// A normalised text to look in.
#[derive(Default)]
struct Haystack {
    text: String,
    /// Where removed lines are; an occurrence must meet one. None: any occurrence counts.
    removed: Option<Vec<Range<usize>>>,
}

impl Haystack {
    /// Returns the base of a file: the head with the diff taken back, or what the hunks show of it.
    fn base(file: &FileDiff, source: &Source) -> Self {
        let mut base = Self::default();
        let Source::Whole(head) = source else {
            for hunk in file.hunks() {
                for line in hunk.lines.iter().filter(|line| line.kind != LineKind::Added) {
                    base.push(&line.text);
                }
                base.gap();
            }
            return base;
        };
        let mut lines = file.lines().peekable();
        for (number, text) in (1_u32..).zip(head.lines()) {
            while let Some(line) = lines.next_if(|line| line.kind == LineKind::Removed && line.new <= number) {
                base.push(&line.text);
            }
            match lines.next_if(|line| line.kind != LineKind::Removed && line.new == number) {
                Some(line) if line.kind == LineKind::Added => {}
                _ => base.push(text),
            }
        }
        for line in lines.filter(|line| line.kind == LineKind::Removed) {
            base.push(&line.text);
        }
        base
    }

    /// Returns the old side of a file's hunks, where only what meets a removed line counts.
    fn removed(file: &FileDiff) -> Self {
        let mut taken = Self::default();
        let mut ranges = Vec::new();
        for hunk in file.hunks() {
            for line in hunk.lines.iter().filter(|line| line.kind != LineKind::Added) {
                let start = taken.text.len();
                taken.push(&line.text);
                if line.kind == LineKind::Removed {
                    ranges.push(start..taken.text.len());
                }
            }
            taken.gap();
        }
        taken.removed = Some(ranges);
        taken
    }

    fn push(&mut self, line: &str) {
        for word in line.split_whitespace() {
            if !self.text.is_empty() && !self.text.ends_with(GAP) {
                self.text.push(' ');
            }
            self.text.push_str(word);
        }
    }

    fn gap(&mut self) {
        self.text.push(GAP);
    }

    /// Returns which of the finder's texts occur, each as a whole: `eval(x)` is not in `my_eval(x)`.
    fn occurring(&self, finder: &AhoCorasick) -> BTreeSet<usize> {
        let mut occurring = BTreeSet::new();
        if self.removed.as_ref().is_some_and(Vec::is_empty) {
            return occurring;
        }
        for found in finder.find_overlapping_iter(&self.text) {
            let text = found.pattern().as_usize();
            let range = found.range();
            if !occurring.contains(&text) && self.is_whole(&range) && self.meets_removed(&range) {
                occurring.insert(text);
            }
        }
        occurring
    }

    fn is_whole(&self, range: &Range<usize>) -> bool {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let (before, inside, after) = (&self.text[..range.start], &self.text[range.clone()], &self.text[range.end..]);
        let glued = |left: Option<char>, right: Option<char>| left.is_some_and(is_word) && right.is_some_and(is_word);
        !glued(before.chars().next_back(), inside.chars().next()) && !glued(inside.chars().next_back(), after.chars().next())
    }

    fn meets_removed(&self, range: &Range<usize>) -> bool {
        let Some(removed) = &self.removed else { return true };
        let next = removed.partition_point(|line| line.end <= range.start);
        removed.get(next).is_some_and(|line| line.start < range.end)
    }
}
