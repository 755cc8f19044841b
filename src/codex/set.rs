//! Which rules are in force, and where each applies. It must not run detectors, and no rule leaves without a reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use include_dir::{Dir, DirEntry, include_dir};

use super::complaint::nearest;
use super::{Rule, RuleId, RuleStatus, Severity, parse};
use crate::change::{Language, RepoPath};
use crate::error::Failure;

/// The rule files that ship with the program.
static BUILTIN_FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/codex-rules");

/// The rules in force for a run, by ID; and those that are not, with the reason.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: BTreeMap<RuleId, Rule>,
    disabled: BTreeMap<RuleId, (Rule, String)>,
    deprecated: BTreeMap<RuleId, Rule>,
}

impl RuleSet {
    /// Returns the rules that are in force after the configuration has had its say.
    ///
    /// `disable` gives reasons by ID, `severity` other severities. Fails if two files define one ID, or if the configuration or a successor
    /// names a rule that does not exist.
    pub fn build(rules: Vec<Rule>, disable: &BTreeMap<RuleId, String>, severity: &BTreeMap<RuleId, Severity>) -> Result<Self, Failure> {
        let mut all: BTreeMap<RuleId, Rule> = BTreeMap::new();
        for rule in rules {
            if let Some(first) = all.get(&rule.id) {
                return Err(Failure::usage(format!("{} is defined twice: in {} and in {}", rule.id, first.origin, rule.origin))
                    .hint("give one of them another ID; IDs are never reused"));
            }
            all.insert(rule.id.clone(), rule);
        }
        for id in disable.keys() {
            known(&all, id, || format!("codex.disable names {id}, which is no rule"))?;
        }
        for (id, severity) in severity {
            known(&all, id, || format!("codex.severity names {id}, which is no rule"))?;
            if let Some(rule) = all.get_mut(id) {
                rule.severity = *severity;
            }
        }
        for rule in all.values() {
            if let RuleStatus::Deprecated { replaced_by: Some(successor) } = &rule.status {
                known(&all, successor, || format!("{}: `replaced_by` names {successor}, which is no rule", rule.origin))?;
            }
        }
        let mut set = Self::default();
        for (id, rule) in all {
            match (&rule.status, disable.get(&id)) {
                (RuleStatus::Deprecated { .. }, _) => {
                    set.deprecated.insert(id, rule);
                }
                (RuleStatus::Draft | RuleStatus::Active, Some(reason)) => {
                    set.disabled.insert(id, (rule, reason.clone()));
                }
                (RuleStatus::Draft | RuleStatus::Active, None) => {
                    set.rules.insert(id, rule);
                }
            }
        }
        Ok(set)
    }

    /// Returns the rules in force, in the order of their IDs.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// Returns the rule in force with this ID.
    pub fn get(&self, id: &RuleId) -> Option<&Rule> {
        self.rules.get(id)
    }

    /// Returns the number of rules in force.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Returns whether no rule is in force.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns the rules that the configuration switched off, each with its reason, in the order of their IDs.
    pub fn disabled(&self) -> impl Iterator<Item = (&Rule, &str)> {
        self.disabled.values().map(|(rule, reason)| (rule, reason.as_str()))
    }

    /// Returns the rules that are no longer in force, in the order of their IDs.
    pub fn deprecated(&self) -> impl Iterator<Item = &Rule> {
        self.deprecated.values()
    }

    /// Returns the rules in force that apply to a file.
    pub fn applicable(&self, path: &RepoPath) -> impl Iterator<Item = &Rule> {
        self.rules.values().filter(move |rule| applies(rule, path))
    }

    /// Returns the rule index of a prompt: a line for each rule that applies to any of the files, in the order of the IDs.
    ///
    /// `SEC-0007 (important, security; python): If you compare a token, use a constant-time comparison.` The words behind the semicolon are
    /// the rule's languages; a rule for all languages has none.
    pub fn index(&self, paths: &[RepoPath]) -> String {
        let mut index = String::new();
        for rule in self.rules.values().filter(|rule| paths.iter().any(|path| applies(rule, path))) {
            let languages: Vec<&str> = rule.applies_to.languages.iter().map(|language| language.name()).collect();
            let languages = if languages.is_empty() { String::new() } else { format!("; {}", languages.join(", ")) };
            writeln!(index, "{} ({}, {}{languages}): {}", rule.id, rule.severity, rule.reviewer, rule.guidance)
                .expect("writing to a string cannot fail");
        }
        index
    }
}

fn known(all: &BTreeMap<RuleId, Rule>, id: &RuleId, message: impl FnOnce() -> String) -> Result<(), Failure> {
    if all.contains_key(id) {
        return Ok(());
    }
    let failure = Failure::usage(message());
    Err(match nearest(id.as_str(), all.keys().map(RuleId::as_str)) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure.hint("`assize codex list` shows all rules"),
    })
}

/// Returns whether a rule applies to a file: language, `paths` and `exclude` agree.
pub fn applies(rule: &Rule, path: &RepoPath) -> bool {
    let applies = &rule.applies_to;
    (applies.languages.is_empty() || Language::of(path).is_some_and(|language| applies.languages.contains(&language)))
        && applies.paths.as_ref().is_none_or(|globs| globs.is_match(path.as_str()))
        && !applies.exclude.as_ref().is_some_and(|globs| globs.is_match(path.as_str()))
}

/// Returns the rules that ship with the program, in the order of their IDs.
pub fn builtin() -> &'static [Rule] {
    static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
        let mut files = Vec::new();
        collect(&BUILTIN_FILES, &mut files);
        let mut rules: Vec<Rule> = files
            .into_iter()
            .map(|(origin, text)| parse(&origin, text).unwrap_or_else(|error| panic!("a test parses every built-in rule:\n{error}")))
            .collect();
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        rules
    });
    &RULES
}

fn collect(folder: &Dir<'static>, files: &mut Vec<(String, &'static str)>) {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(inner) => collect(inner, files),
            DirEntry::File(file) if file.path().extension().is_some_and(|extension| extension == "md") => {
                let text = file.contents_utf8().expect("a test reads every built-in rule");
                files.push((format!("codex-rules/{}", file.path().display()), text));
            }
            DirEntry::File(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
