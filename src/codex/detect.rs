//! The detectors of a run over a change: what a machine sees by itself, in an order that depends on nothing else. It must not decide what
//! becomes of a hit, and whatever it could not look at, it says.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::cochange;
use super::lines::LineRules;
use super::novelty::already_there;
use super::structural::Scanners;
use super::{Rule, RuleId, RuleSet, RuleStatus, applies, suppress};
use crate::change::{Change, FileDiff, Line, LineKind, RepoPath, Status};

/// The most hits of one rule in one file; more say nothing more.
const MAX_HITS_PER_RULE_AND_FILE: usize = 50;
/// Tags of the rules that run on filtered files too.
const ALWAYS_TAGS: [&str; 2] = ["secret", "steering"];

/// The text of one changed file at the head, as detectors read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The whole file.
    Whole(String),
    /// Only what the diff shows: the run has no files to read from.
    HunksOnly,
}

/// A place that a detector points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The rule.
    pub rule: RuleId,
    /// The file.
    pub path: RepoPath,
    /// The lines of the file's diff (indices over all lines of all hunks, first and last); none for a whole-file hit.
    pub lines: Option<(usize, usize)>,
    /// One sentence that adds facts to the rule's message, e.g. which file is missing; may be empty.
    pub detail: String,
    /// Why the hit does not count, if it does not.
    pub set_aside: Option<SetAside>,
}

/// Why a detector's hit does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetAside {
    /// The same normalised text is in the base.
    AlreadyThere,
    /// `assize:ignore RULE-ID reason` stands on or above the line; the reason.
    Suppressed(String),
    /// The rule is a draft.
    Draft,
}

/// What the detectors saw, and what they did not look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detected {
    /// The hits by path, then lines, then rule; whole-file hits first in their file. Those set aside are among them.
    pub hits: Vec<Hit>,
    /// Files that structural detectors could not look at, by path.
    pub skipped: Vec<Skipped>,
    /// Hits beyond the 50 that are kept for one rule in one file.
    pub beyond: usize,
    /// Added lines of which the regexes saw the first 20,000 bytes only.
    pub cut_lines: usize,
}

/// A file that structural detectors could not look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub path: RepoPath,
    /// How many detectors would have run.
    pub detectors: usize,
    /// Why they did not.
    pub why: NotRun,
}

/// Why structural detectors did not look at a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotRun {
    /// The run has only the hunks of a file that was there before.
    NoWholeFile,
    /// The file is larger than 512 KiB.
    TooLarge,
    /// The text would cost the parser out of all proportion to its size.
    NotParsed,
    /// The tree is deeper than 400 levels; what is above was looked at.
    TooDeep,
}

/// Which rules run on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every rule that applies.
    All,
    /// A filtered file: only rules tagged `secret` or `steering`.
    SecretsAndSteering,
}

impl Scope {
    /// Returns whether a rule runs in this scope.
    fn runs(self, rule: &Rule) -> bool {
        match self {
            Self::All => true,
            Self::SecretsAndSteering => rule.tags.iter().any(|tag| ALWAYS_TAGS.contains(&tag.as_str())),
        }
    }
}

/// Runs the detectors of `rules` over `change`.
///
/// `sources` holds the heads' texts by path in the head; a file that is not in it is seen through its hunks only. A structural match hits if
/// it meets an added line, and its lines are the added part of it; a regex hits added lines one by one.
pub fn detect(rules: &RuleSet, change: &Change, sources: &BTreeMap<RepoPath, Source>, scope: impl Fn(&FileDiff) -> Scope) -> Detected {
    let rules: Vec<&Rule> = rules.iter().filter(|rule| !rule.detectors.is_empty()).collect();
    let scopes: Vec<Scope> = change.files().iter().map(scope).collect();
    let (scanners, line_rules) = (Scanners::new(&rules), LineRules::new(&rules));
    let mut detected = Detected::default();
    let mut found = Vec::new();
    let mut hits = Vec::new();
    for (index, file) in change.files().iter().enumerate() {
        let first = found.len();
        let view = View::new(index, file, sources.get(file.path()).unwrap_or(&Source::HunksOnly));
        let active = Active::of(&rules, file, scopes[index]);
        if let Some((detectors, why)) = scanners.scan(&view, &active, &mut found) {
            detected.skipped.push(Skipped { path: file.path().clone(), detectors, why });
        }
        let regexes = found.len();
        detected.cut_lines += line_rules.scan(&view, &active, &mut found);
        merge(&mut found, first, regexes);
        detected.beyond += bound(&mut found, first);
        hits.extend(found[first..].iter().map(|hit| Hit {
            rule: rules[hit.rule].id.clone(),
            path: file.path().clone(),
            lines: hit.lines,
            detail: String::new(),
            set_aside: suppression(&view, rules[hit.rule], hit).map(SetAside::Suppressed),
        }));
    }
    cochange::scan(&rules, change, |rule, file| scopes[file].runs(rules[rule]), &mut found);
    hits.extend(found[hits.len()..].iter().map(|hit| Hit {
        rule: rules[hit.rule].id.clone(),
        path: change.files()[hit.file].path().clone(),
        lines: None,
        detail: hit.detail.clone(),
        set_aside: None,
    }));
    let source = |path: &RepoPath| sources.get(path).unwrap_or(&Source::HunksOnly);
    let there = already_there(&found, &rules, change, source);
    for ((hit, found), there) in hits.iter_mut().zip(&found).zip(there) {
        if there {
            hit.set_aside = Some(SetAside::AlreadyThere);
        } else if hit.set_aside.is_none() && rules[found.rule].status == RuleStatus::Draft {
            hit.set_aside = Some(SetAside::Draft);
        }
    }
    hits.sort_by(|a, b| (&a.path, a.lines, &a.rule, &a.detail).cmp(&(&b.path, b.lines, &b.rule, &b.detail)));
    detected.hits = hits;
    detected
}

fn suppression(view: &View<'_>, rule: &Rule, hit: &Found) -> Option<String> {
    let (first, _) = hit.lines?;
    let line = view.lines.get(first)?.new_line();
    // A match may start above its first added line: there, too, people write the comment.
    line.into_iter().chain(hit.starts).find_map(|number| suppress::at(&rule.id, view, number))
}

/// Leaves one hit for each rule and place: the narrowest of those that start on one line, and no regex inside a structural match.
fn merge(found: &mut Vec<Found>, first: usize, regexes: usize) {
    let mut structural: Vec<Found> = found.drain(first..regexes).collect();
    structural.sort_by_key(|hit| (hit.rule, hit.lines, hit.text.len()));
    structural.dedup_by_key(|hit| (hit.rule, hit.lines.map(|(start, _)| start)));
    let mut by_line: Vec<Found> = found.drain(first..).collect();
    by_line.sort_by_key(|hit| (hit.rule, hit.lines));
    by_line.dedup_by_key(|hit| (hit.rule, hit.lines));
    // Spans of one rule start on different lines and have at most ten: the last one that starts at or before the line is the one to ask.
    by_line.retain(|hit| {
        let next = structural
            .partition_point(|other| (other.rule, other.lines.map(|(start, _)| start)) <= (hit.rule, hit.lines.map(|(start, _)| start)));
        let inside = next.checked_sub(1).map(|last| &structural[last]).is_some_and(|other| {
            other.rule == hit.rule && other.lines.is_some_and(|(_, end)| hit.lines.is_some_and(|(start, _)| start <= end))
        });
        !inside
    });
    found.extend(structural);
    found.extend(by_line);
}

/// Cuts the hits of a file to the bound for each rule; returns how many were cut.
fn bound(found: &mut Vec<Found>, first: usize) -> usize {
    let mut of_file: Vec<Found> = found.drain(first..).collect();
    of_file.sort_by_key(|hit| (hit.rule, hit.lines));
    let before = of_file.len();
    let mut run = (usize::MAX, 0);
    of_file.retain(|hit| {
        run = if run.0 == hit.rule { (hit.rule, run.1 + 1) } else { (hit.rule, 1) };
        run.1 <= MAX_HITS_PER_RULE_AND_FILE
    });
    let cut = before - of_file.len();
    found.extend(of_file);
    cut
}

/// A hit before it is known whether it counts.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Index of the rule among those of the run.
    pub(super) rule: usize,
    /// Index of the file in the change.
    pub(super) file: usize,
    /// Lines of the diff.
    pub(super) lines: Option<(usize, usize)>,
    /// Line of the head on which the match starts.
    pub(super) starts: Option<u32>,
    /// The normalised text; empty for a whole-file hit.
    pub(super) text: String,
    /// As in [`Hit::detail`].
    pub(super) detail: String,
}

/// Which rules of a run look at one file.
pub(super) struct Active(Vec<bool>);

impl Active {
    fn of(rules: &[&Rule], file: &FileDiff, scope: Scope) -> Self {
        let looks = |rule: &Rule| file.new.as_ref().is_some_and(|path| scope.runs(rule) && applies(rule, path));
        Self(rules.iter().map(|rule| looks(rule)).collect())
    }

    pub(super) fn has(&self, rule: usize) -> bool {
        self.0[rule]
    }
}

/// One file as the detectors read it.
pub(super) struct View<'a> {
    /// Index of the file in the change.
    pub(super) index: usize,
    file: &'a FileDiff,
    /// The lines of all hunks.
    pub(super) lines: Vec<&'a Line>,
    /// The head, if the run has it.
    whole: Option<(&'a str, Vec<&'a str>)>,
    /// Number in the head and index of each line that is there, ascending.
    shown: Vec<(u32, usize)>,
    /// The same for added lines only.
    added: Vec<(u32, usize)>,
}

impl<'a> View<'a> {
    pub(super) fn new(index: usize, file: &'a FileDiff, source: &'a Source) -> Self {
        let lines: Vec<&Line> = file.lines().collect();
        let numbered = lines.iter().enumerate().filter_map(|(index, line)| Some((line.new_line()?, index)));
        let shown: Vec<(u32, usize)> = numbered.collect();
        let added = shown.iter().copied().filter(|&(_, index)| lines[index].kind == LineKind::Added).collect();
        let whole = match source {
            Source::Whole(text) => Some((text.as_str(), text.lines().collect())),
            Source::HunksOnly => None,
        };
        Self { index, file, lines, whole, shown, added }
    }

    pub(super) fn path(&self) -> &RepoPath {
        self.file.path()
    }

    /// Returns the added lines: number in the head and index in the diff.
    pub(super) fn added(&self) -> &[(u32, usize)] {
        &self.added
    }

    /// Returns the whole head: as given, or put together if the diff shows all of it.
    pub(super) fn text(&self) -> Option<Cow<'a, str>> {
        if let Some((text, _)) = &self.whole {
            return Some(Cow::Borrowed(text));
        }
        let shows_all = self.file.status == Status::Added && self.file.hunks().len() == 1 && self.file.hunks()[0].new_start == 1;
        shows_all.then(|| Cow::Owned(self.lines.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect()))
    }

    /// Returns a line of the head by its number.
    pub(super) fn line(&self, number: u32) -> Option<&'a str> {
        if let Some((_, lines)) = &self.whole {
            return lines.get(usize::try_from(number).ok()?.checked_sub(1)?).copied();
        }
        let found = self.shown.binary_search_by_key(&number, |&(number, _)| number).ok()?;
        Some(&self.lines[self.shown[found].1].text)
    }

    /// Returns the index of the first added line between two lines of the head.
    pub(super) fn first_added(&self, first: u32, last: u32) -> Option<usize> {
        let next = self.added.partition_point(|&(number, _)| number < first);
        self.added.get(next).filter(|&&(number, _)| number <= last).map(|&(_, index)| index)
    }

    /// Returns whether a line between these two of the head is added.
    pub(super) fn adds(&self, first: u32, last: u32) -> bool {
        self.first_added(first, last).is_some()
    }
}

/// Returns a text with each run of white space as one space, and none at its ends.
pub(super) fn normalised(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
