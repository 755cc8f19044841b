//! Detectors over a change: what a machine can see by itself. It must not decide what is posted: it returns hits, those set aside included.

use std::collections::{BTreeMap, BTreeSet};

use ast_grep_core::Matcher as _;
use ast_grep_core::matcher::MatcherExt as _;
use ast_grep_core::tree_sitter::LanguageExt as _;
use regex::RegexSet;

use super::parse::grammar;
use super::{Detector, Hit, Rule, RuleId, RuleSet, RuleStatus, SetAside, Source};
use crate::change::{Change, FileDiff, Language, Line, LineKind, RepoPath, Status};

/// Which rules look at a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that apply.
    All,
    /// Only those tagged `secret` or `steering`: the file is filtered as noise.
    SecretsAndSteering,
}

/// What the detectors saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detected {
    /// Hits, sorted by path, line and rule.
    pub hits: Vec<Hit>,
    /// Files that structural detectors could not read: only hunks are known, and a piece of a file is no syntax tree.
    pub without_syntax: Vec<RepoPath>,
}

/// Bytes of a line that regexes look at; the rest of a longer line is data, not code.
const MAX_LINE_BYTES: usize = 20_000;

/// Runs the detectors of `rules` over `change`. `sources` holds the head's text of changed files; a file that is missing there is treated as [`Source::HunksOnly`].
pub fn detect(rules: &RuleSet, change: &Change, sources: &BTreeMap<RepoPath, Source>, scope: impl Fn(&FileDiff) -> Scope) -> Detected {
    let patterns = Patterns::of(rules);
    let moved = removed_text(change);
    let mut detected = Detected::default();
    for file in change.files() {
        let path = file.path();
        let scope = scope(file);
        let looks = |rule: &Rule| rule.applies(path) && (scope == Scope::All || rule.tagged("secret") || rule.tagged("steering"));
        let here: Vec<&Rule> = rules.iter().filter(|rule| looks(rule)).collect();
        let source = sources.get(path).unwrap_or(&Source::HunksOnly);
        let mut found: BTreeSet<(RuleId, usize, usize)> = BTreeSet::new();
        patterns.lines(file, &here, &mut found);
        match head_text(file, source) {
            Some(text) => syntax(file, &text, &here, &mut found),
            None if wants_syntax(file, &here) => detected.without_syntax.push(path.clone()),
            None => {}
        }
        let context = Context { file, source, moved: &moved, base: std::cell::OnceCell::new() };
        detected.hits.extend(without_overlaps(found).into_iter().map(|(id, first, last)| {
            let rule = rules.get(&id).expect("the hit came from this set");
            Hit {
                rule: id,
                path: path.clone(),
                lines: Some((first, last)),
                detail: String::new(),
                set_aside: context.set_aside(rule, first, last),
            }
        }));
    }
    detected.hits.extend(co_changes(rules, change, &scope));
    detected.hits.sort_by(|a, b| (&a.path, a.lines, &a.rule).cmp(&(&b.path, b.lines, &b.rule)));
    detected
}

/// The regexes of a rule set, tried together first: most lines match none of them.
struct Patterns<'r> {
    set: RegexSet,
    each: Vec<(&'r RuleId, &'r regex::Regex, Option<&'r regex::Regex>)>,
}

impl<'r> Patterns<'r> {
    fn of(rules: &'r RuleSet) -> Self {
        let mut each = Vec::new();
        for rule in rules.iter() {
            for detector in &rule.detectors {
                if let Detector::Regex { find, except } = detector {
                    each.push((&rule.id, find, except.as_ref()));
                }
            }
        }
        let set = RegexSet::new(each.iter().map(|(_, find, _)| find.as_str())).expect("every pattern of the set compiled by itself");
        Self { set, each }
    }

    fn lines(&self, file: &FileDiff, here: &[&Rule], found: &mut BTreeSet<(RuleId, usize, usize)>) {
        for (index, line) in file.lines().enumerate().filter(|(_, line)| line.kind == LineKind::Added) {
            let text = head_of(line.text.trim_end_matches('\r'), MAX_LINE_BYTES);
            for matched in self.set.matches(text) {
                let (id, _, except) = self.each[matched];
                if here.iter().any(|rule| rule.id == *id) && !except.is_some_and(|except| except.is_match(text)) {
                    found.insert((id.clone(), index, index));
                }
            }
        }
    }
}

fn head_of(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The head's text: given, or for a wholly added file that of its hunks.
fn head_text<'a>(file: &FileDiff, source: &'a Source) -> Option<std::borrow::Cow<'a, str>> {
    match source {
        Source::Whole(text) => Some(text.as_str().into()),
        Source::HunksOnly if file.status == Status::Added => {
            let lines: Vec<&str> = file.lines().map(|line| line.text.as_str()).collect();
            Some((lines.join("\n") + "\n").into())
        }
        Source::HunksOnly => None,
    }
}

fn structural<'r>(
    here: &[&'r Rule],
    language: Language,
) -> Vec<(&'r RuleId, &'r ast_grep_config::RuleConfig<ast_grep_language::SupportLang>)> {
    let detectors = here.iter().flat_map(|rule| rule.detectors.iter().map(move |detector| (&rule.id, detector)));
    detectors
        .filter_map(|(id, detector)| match detector {
            Detector::Structural { language: own, rule } if *own == language => Some((id, rule.as_ref())),
            Detector::Structural { .. } | Detector::Regex { .. } | Detector::CoChange { .. } => None,
        })
        .collect()
}

fn wants_syntax(file: &FileDiff, here: &[&Rule]) -> bool {
    file.added() > 0 && Language::of(file.path()).is_some_and(|language| !structural(here, language).is_empty())
}

/// Walks the syntax tree once and tries at each node the rules that can match its kind.
///
/// `ast_grep_config::CombinedScan` does the same, but also obeys `ast-grep-ignore` comments: in a review these would be a way to switch a rule off without a reason.
fn syntax(file: &FileDiff, text: &str, here: &[&Rule], found: &mut BTreeSet<(RuleId, usize, usize)>) {
    let Some(language) = Language::of(file.path()) else { return };
    let Some(grammar) = grammar(language) else { return };
    let rules = structural(here, language);
    let added: BTreeMap<u32, usize> =
        file.lines().enumerate().filter(|(_, line)| line.kind == LineKind::Added).map(|(index, line)| (line.new, index)).collect();
    if rules.is_empty() || added.is_empty() {
        return;
    }
    let kinds: Vec<_> = rules.iter().map(|(_, rule)| rule.matcher.potential_kinds()).collect();
    let tree = grammar.ast_grep(text);
    for node in tree.root().dfs() {
        for ((id, rule), kinds) in rules.iter().zip(&kinds) {
            if kinds.as_ref().is_some_and(|kinds| !kinds.contains(usize::from(node.kind_id()))) {
                continue;
            }
            let Some(matched) = rule.matcher.match_node(node.clone()) else { continue };
            let number = |row: usize| u32::try_from(row + 1).unwrap_or(u32::MAX);
            let range = number(matched.start_pos().line())..=number(matched.end_pos().line());
            if let Some((first, last)) = added_run(&added, range) {
                found.insert(((*id).clone(), first, last));
            }
        }
    }
}

/// The first added line within a match and those that follow it without a gap: what a thread can stand on.
fn added_run(added: &BTreeMap<u32, usize>, range: std::ops::RangeInclusive<u32>) -> Option<(usize, usize)> {
    let mut within = added.range(range).map(|(_, index)| *index);
    let first = within.next()?;
    let mut last = first;
    for index in within {
        if index != last + 1 {
            break;
        }
        last = index;
    }
    Some((first, last))
}

/// A rule that matches a node and a node inside it says one thing twice: the narrower place stays.
fn without_overlaps(found: BTreeSet<(RuleId, usize, usize)>) -> Vec<(RuleId, usize, usize)> {
    let mut kept: Vec<(RuleId, usize, usize)> = Vec::new();
    for (id, first, last) in found {
        match kept.iter_mut().find(|(other, start, end)| *other == id && first <= *end && *start <= last) {
            Some(other) if last - first < other.2 - other.1 => *other = (id, first, last),
            Some(_) => {}
            None => kept.push((id, first, last)),
        }
    }
    kept
}

/// What is needed to see whether a hit counts.
struct Context<'a> {
    file: &'a FileDiff,
    source: &'a Source,
    moved: &'a str,
    base: std::cell::OnceCell<String>,
}

impl Context<'_> {
    fn set_aside(&self, rule: &Rule, first: usize, last: usize) -> Option<SetAside> {
        if rule.status == RuleStatus::Draft {
            return Some(SetAside::Draft);
        }
        if let Some(reason) = self.ignored(rule, first) {
            return Some(SetAside::Suppressed(reason));
        }
        let lines = self.file.lines().skip(first).take(last + 1 - first).filter(|line| line.kind == LineKind::Added);
        let hit = normalised(lines.map(|line| line.text.as_str()));
        let there = hit != "\n" && (self.moved.contains(&hit) || self.base().contains(&hit));
        there.then_some(SetAside::AlreadyThere)
    }

    /// The reason given by `assize:ignore RULE-ID reason` on the line or on the one above it. Without a reason it does not count.
    fn ignored(&self, rule: &Rule, index: usize) -> Option<String> {
        let line = self.file.lines().nth(index)?;
        let own = reason(&line.text, rule);
        own.or_else(|| reason(self.line_above(line, index)?, rule))
    }

    fn line_above(&self, line: &Line, index: usize) -> Option<&str> {
        match self.source {
            Source::Whole(text) => text.lines().nth(usize::try_from(line.new).ok()?.checked_sub(2)?),
            Source::HunksOnly => {
                let before = self.file.lines().take(index).filter(|line| line.kind != LineKind::Removed).last()?;
                (before.new + 1 == line.new).then_some(before.text.as_str())
            }
        }
    }

    fn base(&self) -> &str {
        self.base.get_or_init(|| {
            let whole = match self.source {
                Source::Whole(head) => self.file.base_text(head),
                Source::HunksOnly => None,
            };
            match whole {
                Some(text) => normalised(text.lines()),
                None => normalised(self.file.lines().filter(|line| line.kind != LineKind::Added).map(|line| line.text.as_str())),
            }
        })
    }
}

/// Returns the reason given behind `assize:ignore RULE-ID` in a line, if it is for this rule and not empty.
fn reason(line: &str, rule: &Rule) -> Option<String> {
    let rest = line.split_once("assize:ignore")?.1.trim_start();
    let reason = rest.strip_prefix(rule.id.as_str())?;
    let reason = reason.strip_prefix([' ', '\t', ':'])?.trim().trim_end_matches("*/").trim_end_matches("-->").trim();
    (!reason.is_empty()).then(|| reason.to_owned())
}

/// Lines with white space folded, empty ones left out, each between line feeds, so that whole lines are compared.
fn normalised<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::from("\n");
    for line in lines {
        let mut words = line.split_whitespace().peekable();
        if words.peek().is_none() {
            continue;
        }
        for (index, word) in words.enumerate() {
            if index > 0 {
                out.push(' ');
            }
            out.push_str(word);
        }
        out.push('\n');
    }
    out
}

/// All that the change removes anywhere: code that comes back elsewhere was moved, not written.
fn removed_text(change: &Change) -> String {
    let removed = change.files().iter().flat_map(FileDiff::lines).filter(|line| line.kind == LineKind::Removed);
    normalised(removed.map(|line| line.text.as_str()))
}

fn co_changes<'a>(rules: &'a RuleSet, change: &'a Change, scope: &'a impl Fn(&FileDiff) -> Scope) -> Vec<Hit> {
    let mut hits = Vec::new();
    for rule in rules.iter() {
        for detector in &rule.detectors {
            let Detector::CoChange { changed, without, without_globs } = detector else { continue };
            let together = without.as_ref().is_some_and(|without| change.files().iter().any(|file| without.is_match(file.path().as_str())));
            if together {
                continue;
            }
            let sensitive = rule.tagged("secret") || rule.tagged("steering");
            let mut files = change.files().iter().filter(|file| {
                file.status != Status::Deleted
                    && changed.is_match(file.path().as_str())
                    && rule.applies(file.path())
                    && (sensitive || scope(file) == Scope::All)
            });
            let set_aside = (rule.status == RuleStatus::Draft).then_some(SetAside::Draft);
            let hit = |file: &FileDiff, detail: String| Hit {
                rule: rule.id.clone(),
                path: file.path().clone(),
                lines: None,
                detail,
                set_aside: set_aside.clone(),
            };
            if without_globs.is_empty() {
                hits.extend(files.map(|file| hit(file, String::new())));
            } else if let Some(first) = files.next() {
                let rest = files.count();
                let more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
                let detail = format!("`{}`{more} changed, but nothing that matches {}.", first.path(), listed(without_globs));
                hits.push(hit(first, detail));
            }
        }
    }
    hits
}

fn listed(globs: &[String]) -> String {
    globs.iter().map(|glob| format!("`{glob}`")).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests;
