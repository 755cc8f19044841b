//! A rule's own examples against its own detectors. It must not be kinder to them than a run would be.

use std::collections::BTreeMap;
use std::fmt;

use super::{Applies, Expect, Rule, RuleId, RuleSet, RuleStatus, Scope, SetAside, Source, detect};
use crate::change::{Change, Content, FileDiff, Hunk, Language, Line, LineHash, LineKind, RepoPath, Status};

/// An example that the detectors make something else of than the rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleFailure {
    /// The rule.
    pub rule: RuleId,
    /// Its file.
    pub origin: String,
    /// Line of the opening fence, 1-based.
    pub line: usize,
    /// What the rule says of the example.
    pub expect: Expect,
    /// The line of the example that was caught, 1-based, for a good one.
    pub caught_line: Option<usize>,
}

impl fmt::Display for ExampleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.origin, self.line)?;
        match (self.expect, self.caught_line) {
            (Expect::Bad, _) => write!(f, "no detector of {} catches this bad example", self.rule),
            (Expect::Good, Some(line)) => write!(f, "a detector of {} catches line {line} of this good example", self.rule),
            (Expect::Good, None) => write!(f, "a detector of {} catches this good example", self.rule),
        }
    }
}

/// Returns the examples of a rule that its detectors judge wrongly; none for a rule without detectors.
///
/// Each example is a change by itself: a file that is added whole, or the paths of a `files` example. An example with a file name stands
/// where it says, and is caught only if the rule applies there; one without a name stands wherever the rule applies.
pub fn check_examples(rule: &Rule) -> Vec<ExampleFailure> {
    if rule.detectors.is_empty() {
        return Vec::new();
    }
    let mut failures = Vec::new();
    for example in &rule.examples {
        let mut rule = rule.clone();
        if matches!(rule.status, RuleStatus::Deprecated { .. }) {
            rule.status = RuleStatus::Active;
        }
        let (change, sources) = match Language::parse(&example.language) {
            None => (Change::new(example.code.lines().filter(|line| !line.trim().is_empty()).map(touched).collect()), BTreeMap::new()),
            Some(language) => {
                let path = example.file.clone().unwrap_or_else(|| {
                    rule.applies_to = Applies::default();
                    RepoPath::from(format!("example.{}", language.extension()).as_str())
                });
                let sources = BTreeMap::from([(path.clone(), Source::Whole(example.code.clone()))]);
                (Change::new(vec![added(path, &example.code)]), sources)
            }
        };
        let (id, origin) = (rule.id.clone(), rule.origin.clone());
        let rules = RuleSet::build(vec![rule], &BTreeMap::new(), &BTreeMap::new()).expect("one rule alone names no other");
        let detected = detect(&rules, &change, &sources, |_| Scope::All);
        let caught = detected.hits.iter().find(|hit| matches!(hit.set_aside, None | Some(SetAside::Draft)));
        let failed = match example.expect {
            Expect::Bad => caught.is_none(),
            Expect::Good => caught.is_some(),
        };
        if failed {
            let caught_line = caught.and_then(|hit| hit.lines).map(|(first, _)| first + 1);
            failures.push(ExampleFailure { rule: id, origin, line: example.line, expect: example.expect, caught_line });
        }
    }
    failures
}

/// Returns a file of which only the path counts.
fn touched(path: &str) -> FileDiff {
    let path = RepoPath::from(path.trim());
    FileDiff {
        old: Some(path.clone()),
        new: Some(path),
        status: Status::Modified,
        old_mode: None,
        new_mode: None,
        content: Content::Text(Vec::new()),
    }
}

/// Returns a file that is added with this content.
fn added(path: RepoPath, text: &str) -> FileDiff {
    let lines: Vec<Line> = (1_u32..)
        .zip(text.lines())
        .map(|(new, text)| Line {
            kind: LineKind::Added,
            old: 0,
            new,
            text: text.to_owned(),
            hash: LineHash::of(text.as_bytes()),
            newline: true,
        })
        .collect();
    let new_lines = u32::try_from(lines.len()).expect("a rule file is bounded");
    let hunk = Hunk { old_start: 0, old_lines: 0, new_start: 1, new_lines, section: String::new(), lines };
    FileDiff { old: None, new: Some(path), status: Status::Added, old_mode: None, new_mode: None, content: Content::Text(vec![hunk]) }
}
