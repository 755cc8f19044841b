//! Regexes on added lines, each line by itself. It must not let one line cost more than its bound.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

use super::detect::{Active, Found, View, normalised};
use super::{Detector, Rule};

/// The part of a line that regexes see, in bytes.
const MAX_LINE_BYTES: usize = 20_000;

/// The regex detectors of a run.
pub(super) struct LineRules<'r> {
    rules: Vec<LineRule<'r>>,
}

struct LineRule<'r> {
    /// Index of the rule among those of the run.
    rule: usize,
    find: &'r Regex,
    except: Option<&'r Regex>,
    quick: Option<Regex>,
}

/// Returns a regex that matches a text of several lines wherever `find` matches one of them, if there is such a one.
///
/// A file is so looked through once per regex, and line by line only where that is worth it.
pub(super) fn over_lines(find: &Regex) -> Option<Regex> {
    // `\A` and `\z` mean the line's ends to the one and the text's ends to the other; `(?-m)` undoes what is asked for here.
    static ODD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\\[Az]|\(\?[a-zA-Z]*-[a-zA-Z]*m").expect("a valid regex"));
    if ODD.is_match(find.as_str()) {
        return None;
    }
    RegexBuilder::new(find.as_str()).multi_line(true).build().ok()
}

impl<'r> LineRules<'r> {
    /// Gathers the regex detectors of the run's rules.
    pub(super) fn new(rules: &[&'r Rule]) -> Self {
        let mut gathered = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            for detector in &rule.detectors {
                let Detector::Regex { find, except } = detector else { continue };
                gathered.push(LineRule { rule: index, find, except: except.as_ref(), quick: over_lines(find) });
            }
        }
        Self { rules: gathered }
    }

    /// Adds what the regexes see in a file; returns the number of lines of which they saw only the first part.
    pub(super) fn scan(&self, view: &View<'_>, active: &Active, found: &mut Vec<Found>) -> usize {
        if view.added().is_empty() || !self.rules.iter().any(|line_rule| active.has(line_rule.rule)) {
            return 0;
        }
        let mut cut = 0;
        let mut lines: Vec<(usize, &str)> = Vec::with_capacity(view.added().len());
        let mut joined = String::new();
        for &(_, index) in view.added() {
            let line = view.lines[index].text.trim_end_matches('\r');
            let seen = &line[..line.floor_char_boundary(MAX_LINE_BYTES)];
            cut += usize::from(seen.len() < line.len());
            joined.push_str(seen);
            joined.push('\n');
            lines.push((index, seen));
        }
        for line_rule in self.rules.iter().filter(|line_rule| active.has(line_rule.rule)) {
            if line_rule.quick.as_ref().is_some_and(|quick| !quick.is_match(&joined)) {
                continue;
            }
            for &(index, line) in &lines {
                let hit = line_rule.find.is_match(line) && !line_rule.except.is_some_and(|except| except.is_match(line));
                if hit {
                    found.push(Found {
                        rule: line_rule.rule,
                        file: view.index,
                        lines: Some((index, index)),
                        starts: view.lines[index].new_line(),
                        text: normalised(line),
                        detail: String::new(),
                    });
                }
            }
        }
        cut
    }
}
