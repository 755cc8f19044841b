//! The rules in force: embedded ones and the team's, with what the settings switch off, chosen by path and language.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};

use super::{Rule, RuleId, RuleSet, RuleStatus, Severity};
use crate::change::{Language, RepoPath};
use crate::yaml::Fault;

static BUILTIN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/codex-rules");

/// Returns the built-in rules, sorted by ID. A faulty one is an error of the build, which a test keeps away.
pub fn builtin() -> Result<Vec<Rule>, Fault> {
    let mut rules = Vec::new();
    let mut folders = vec![&BUILTIN];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        for file in folder.files().filter(|file| file.path().extension().is_some_and(|extension| extension == "md")) {
            let origin = format!("codex-rules/{}", file.path().display());
            let text = file.contents_utf8().ok_or_else(|| Fault::whole(&origin, "a rule file is UTF-8"))?;
            rules.push(super::parse(&origin, text)?);
        }
    }
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(rules)
}

impl RuleSet {
    /// Returns the rules in force out of `rules`: deprecated ones are left out, `disable` switches off, `severity` overrides.
    ///
    /// Fails when two files claim one ID, or when the settings name a rule that does not exist.
    pub fn build(rules: Vec<Rule>, disable: &BTreeMap<RuleId, String>, severity: &BTreeMap<RuleId, Severity>) -> Result<Self, Fault> {
        let mut by_id: BTreeMap<RuleId, Rule> = BTreeMap::new();
        for rule in rules {
            if let Some(first) = by_id.get(&rule.id) {
                let fault = Fault::whole(&rule.origin, format!("the rule ID {} is taken by {}", rule.id, first.origin));
                return Err(fault.hint("an ID is never reused: take the next free number"));
            }
            by_id.insert(rule.id.clone(), rule);
        }
        for id in disable.keys().chain(severity.keys()) {
            if !by_id.contains_key(id) {
                let known: Vec<&str> = by_id.keys().map(RuleId::as_str).collect();
                return Err(Fault::whole("codex", format!("there is no rule {id}")).nearest(id.as_str(), known));
            }
        }
        by_id.retain(|id, rule| !disable.contains_key(id) && !matches!(rule.status, RuleStatus::Deprecated { .. }));
        for (id, severity) in severity {
            if let Some(rule) = by_id.get_mut(id) {
                rule.severity = *severity;
            }
        }
        Ok(Self { rules: by_id })
    }

    /// Returns the rules that apply to a path, in the order of their IDs.
    pub fn applicable(&self, path: &RepoPath) -> impl Iterator<Item = &Rule> {
        self.iter().filter(move |rule| rule.applies(path))
    }

    /// Returns the rule index of the prompts: one line for each rule that applies to any of the paths.
    pub fn index<'a>(&self, paths: impl Iterator<Item = &'a RepoPath> + Clone) -> String {
        let lines = self.iter().filter(|rule| paths.clone().any(|path| rule.applies(path))).map(|rule| {
            let languages: Vec<&str> = rule.applies_to.languages.iter().map(|language| language.name()).collect();
            let only = if languages.is_empty() { String::new() } else { format!("; {}", languages.join(", ")) };
            format!("{} ({}, {}{only}): {}\n", rule.id, rule.severity, rule.reviewer, rule.guidance)
        });
        lines.collect()
    }
}

impl Rule {
    /// Returns whether the rule applies to a path.
    pub fn applies(&self, path: &RepoPath) -> bool {
        let applies = &self.applies_to;
        let language = applies.languages.is_empty() || Language::of(path).is_some_and(|language| applies.languages.contains(&language));
        language
            && applies.paths.as_ref().is_none_or(|paths| paths.is_match(path.as_str()))
            && !applies.exclude.as_ref().is_some_and(|exclude| exclude.is_match(path.as_str()))
    }

    /// Returns whether the rule carries a tag.
    pub fn tagged(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codex::check_examples;

    #[test]
    fn every_builtin_rule_parses_and_its_examples_agree_with_its_detectors() {
        let rules = builtin().expect("the built-in rules parse");
        assert!(rules.len() >= 30, "{} rules", rules.len());
        let failures: Vec<String> = rules
            .iter()
            .flat_map(|rule| check_examples(rule).into_iter().map(|failure| format!("{}:{}: {}", rule.origin, failure.line, failure.what)))
            .collect();
        assert_eq!(failures, Vec::<String>::new());
    }
}
