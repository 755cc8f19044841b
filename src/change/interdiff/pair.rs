//! Which file of the earlier change is which of the new one: by path, by path in the base, by likeness. It must not look at line numbers.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::{Change, FileDiff, LineKind, RepoPath, Status};

/// Comparisons of unpaired files with each other; beyond that files that are alike are not looked for.
const MAX_COMPARISONS: usize = 10_000;
/// Share of their changed lines, in per cent, from which two files are one that was renamed.
const LEAST_COMMON_PERCENT: usize = 50;

/// Returns, by the number of a file of the earlier change, the number of the file of the new one; each at most once.
pub(super) fn pairs(old: &Change, new: &Change) -> BTreeMap<usize, usize> {
    let mut pairs = Pairs { found: BTreeMap::new(), taken: BTreeSet::new() };
    pairs.by(old, new, |file| Some(file.path().clone()));
    // A copy has the base of another file.
    pairs.by(old, new, |file| file.old.clone().filter(|_| file.status != Status::Copied));
    pairs.by_likeness(old, new);
    pairs.found
}

struct Pairs {
    found: BTreeMap<usize, usize>,
    taken: BTreeSet<usize>,
}

impl Pairs {
    fn put(&mut self, old: usize, new: usize) {
        self.found.insert(old, new);
        self.taken.insert(new);
    }

    fn by(&mut self, old: &Change, new: &Change, key: impl Fn(&FileDiff) -> Option<RepoPath>) {
        let mut by_key: BTreeMap<RepoPath, usize> = BTreeMap::new();
        for (number, file) in new.files().iter().enumerate().filter(|(number, _)| !self.taken.contains(number)) {
            if let Some(key) = key(file) {
                by_key.entry(key).or_insert(number);
            }
        }
        for (number, file) in old.files().iter().enumerate() {
            let free = !self.found.contains_key(&number);
            if let Some(found) = key(file).filter(|_| free).and_then(|key| by_key.remove(&key)) {
                self.put(number, found);
            }
        }
    }

    fn by_likeness(&mut self, old: &Change, new: &Change) {
        let free = |change: &Change, taken: &dyn Fn(usize) -> bool| -> Vec<(usize, BTreeMap<String, usize>)> {
            change.files().iter().enumerate().filter(|(number, _)| !taken(*number)).map(|(number, file)| (number, bag(file))).collect()
        };
        let (from, to) = (free(old, &|number| self.found.contains_key(&number)), free(new, &|number| self.taken.contains(&number)));
        if from.len().saturating_mul(to.len()) > MAX_COMPARISONS {
            return;
        }
        let mut alike: Vec<(usize, usize, usize)> = Vec::new();
        for (a, ours) in &from {
            for (b, theirs) in &to {
                let percent = common(ours, theirs);
                if percent >= LEAST_COMMON_PERCENT {
                    alike.push((percent, *a, *b));
                }
            }
        }
        alike.sort_by_key(|(percent, a, b)| (std::cmp::Reverse(*percent), *a, *b));
        for (_, a, b) in alike {
            if !self.found.contains_key(&a) && !self.taken.contains(&b) {
                self.put(a, b);
            }
        }
    }
}

/// The changed lines of a file with how often each is there.
fn bag(file: &FileDiff) -> BTreeMap<String, usize> {
    let mut bag = BTreeMap::new();
    for line in file.lines().filter(|line| line.kind != LineKind::Context && !line.text.trim().is_empty()) {
        *bag.entry(line.text.trim().to_owned()).or_insert(0) += 1;
    }
    bag
}

/// The share of the larger of two bags that is in both, in per cent.
fn common(a: &BTreeMap<String, usize>, b: &BTreeMap<String, usize>) -> usize {
    let shared: usize = a.iter().map(|(text, count)| b.get(text).map_or(0, |other| *count.min(other))).sum();
    let most = a.values().sum::<usize>().max(b.values().sum());
    (shared * 100).checked_div(most).unwrap_or(0)
}
