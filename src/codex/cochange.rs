//! Files that changed without others. It must not look at what is in them.

use super::detect::Found;
use super::{Detector, Rule, applies};
use crate::change::{Change, FileDiff, RepoPath, Status};

/// The most globs or files that a detail names.
const MAX_NAMED: usize = 3;

/// Adds the co-change hits: one on the first file for a detector with `without`, one on each file for a detector without it.
///
/// A filtered file starts a hit only for rules that `runs` lets through, but counts as changed for `without` in any case. Deleting a file is a
/// change, except where the file itself would be the hit.
pub(super) fn scan(rules: &[&Rule], change: &Change, runs: impl Fn(usize, usize) -> bool, found: &mut Vec<Found>) {
    for (index, rule) in rules.iter().enumerate() {
        for detector in &rule.detectors {
            let Detector::CoChange { changed, without, without_globs } = detector else { continue };
            let mut started = (0..change.files().len()).filter(|&file| {
                let diff = &change.files()[file];
                runs(index, file) && paths(diff).any(|path| changed.is_match(path.as_str()) && applies(rule, path))
            });
            let hit = |file: usize, detail: String| Found { rule: index, file, lines: None, starts: None, text: String::new(), detail };
            let Some(without) = without else {
                found.extend(started.filter(|&file| change.files()[file].status != Status::Deleted).map(|file| hit(file, String::new())));
                continue;
            };
            if change.files().iter().flat_map(paths).any(|path| without.is_match(path.as_str())) {
                continue;
            }
            if let Some(first) = started.next() {
                let others = started.count();
                found.push(hit(first, detail(without_globs, others)));
            }
        }
    }
}

/// Returns the paths that a file has on either side.
fn paths(file: &FileDiff) -> impl Iterator<Item = &RepoPath> {
    let old = file.old.as_ref().filter(|old| Some(*old) != file.new.as_ref());
    file.new.iter().chain(old)
}

fn detail(without_globs: &[String], others: usize) -> String {
    let mut named: Vec<String> = without_globs.iter().take(MAX_NAMED).map(|glob| format!("`{glob}`")).collect();
    if without_globs.len() > MAX_NAMED {
        named.push(format!("{} more", without_globs.len() - MAX_NAMED));
    }
    let with = match others {
        0 => "this file".to_owned(),
        1 => "this file and 1 other".to_owned(),
        n => format!("this file and {n} others"),
    };
    format!("Nothing that matches {} changed together with {with}.", named.join(", "))
}
