//! Tests of the rules in force, and of the built-in rules against their own examples.

use super::*;
use crate::codex::{ExampleFailure, check_examples};

fn rule(id: &str, origin: &str, front: &str) -> Rule {
    let text = format!("---\nid: {id}\ntitle: T\nseverity: important\nreviewer: security\n{front}\n---\nDo not {id}.\n\n## Why\n\nSo.\n");
    parse(origin, &text).unwrap()
}

fn id(text: &str) -> RuleId {
    RuleId::parse(text).unwrap()
}

fn active(id: &str) -> Rule {
    rule(id, &format!("rules/{id}.md"), "status: active")
}

#[test]
fn an_id_that_is_defined_twice_names_both_files() {
    let rules = vec![active("SEC-0001"), rule("SEC-0001", "other/SEC-0001-x.md", "status: draft")];
    let failure = RuleSet::build(rules, &BTreeMap::new(), &BTreeMap::new()).unwrap_err();
    assert_eq!(failure.message, "SEC-0001 is defined twice: in rules/SEC-0001.md and in other/SEC-0001-x.md");
}

#[test]
fn settings_of_an_unknown_rule_name_the_nearest_one() {
    let build = |disable: &[&str], severity: &[&str]| {
        let disable = disable.iter().map(|text| (id(text), "noise".to_owned())).collect();
        let severity = severity.iter().map(|text| (id(text), Severity::Nit)).collect();
        RuleSet::build(vec![active("SEC-0001"), active("QA-0001")], &disable, &severity).unwrap_err()
    };
    let failure = build(&["SEC-0010"], &[]);
    assert_eq!(failure.message, "codex.disable names SEC-0010, which is no rule");
    assert_eq!(failure.hint.as_deref(), Some("did you mean SEC-0001?"));
    let failure = build(&[], &["ZZZZZZ-7654"]);
    assert_eq!(failure.message, "codex.severity names ZZZZZZ-7654, which is no rule");
    assert_eq!(failure.hint.as_deref(), Some("`assize codex list` shows all rules"));
}

#[test]
fn a_successor_that_is_no_rule_is_refused() {
    let rules = vec![rule("SEC-0001", "a/SEC-0001.md", "status: deprecated\nreplaced_by: SEC-0009")];
    let failure = RuleSet::build(rules, &BTreeMap::new(), &BTreeMap::new()).unwrap_err();
    assert_eq!(failure.message, "a/SEC-0001.md: `replaced_by` names SEC-0009, which is no rule");
}

#[test]
fn disabled_and_deprecated_rules_are_not_in_force_and_not_forgotten() {
    let rules = vec![
        active("SEC-0001"),
        active("SEC-0002"),
        rule("SEC-0003", "SEC-0003.md", "status: deprecated"),
        rule("SEC-0004", "SEC-0004.md", "status: draft"),
    ];
    let disable = BTreeMap::from([(id("SEC-0002"), "we do it on purpose".to_owned())]);
    let severity = BTreeMap::from([(id("SEC-0001"), Severity::Nit), (id("SEC-0003"), Severity::Nit)]);
    let set = RuleSet::build(rules, &disable, &severity).unwrap();
    let in_force: Vec<(&str, Severity)> = set.iter().map(|rule| (rule.id.as_str(), rule.severity)).collect();
    assert_eq!(in_force, [("SEC-0001", Severity::Nit), ("SEC-0004", Severity::Important)]);
    assert_eq!(set.disabled().map(|(rule, reason)| (rule.id.as_str(), reason)).collect::<Vec<_>>(), [("SEC-0002", "we do it on purpose")]);
    assert_eq!(set.deprecated().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ["SEC-0003"]);
}

#[test]
fn the_index_holds_a_line_for_each_rule_that_applies_to_any_file() {
    let rules = vec![
        rule("SEC-0001", "SEC-0001.md", "status: active\napplies_to: { languages: [python, go] }"),
        rule("SEC-0002", "SEC-0002.md", "status: active\napplies_to: { paths: ['src/*.rs'] }"),
        rule("SEC-0003", "SEC-0003.md", "status: active\napplies_to: { languages: [java] }"),
    ];
    let set = RuleSet::build(rules, &BTreeMap::new(), &BTreeMap::new()).unwrap();
    let index = set.index(&[RepoPath::from("src/a.rs"), RepoPath::from("b.py")]);
    assert_eq!(index, "SEC-0001 (important, security; python, go): Do not SEC-0001.\nSEC-0002 (important, security): Do not SEC-0002.\n");
    assert_eq!(set.index(&[RepoPath::from("src/deep/a.rs")]), "");
    assert_eq!(set.applicable(&RepoPath::from("src/a.rs")).map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ["SEC-0002"]);
}

#[test]
fn every_builtin_rule_parses_and_no_id_is_there_twice() {
    let rules = builtin();
    let set = RuleSet::build(rules.to_vec(), &BTreeMap::new(), &BTreeMap::new()).unwrap();
    assert_eq!(set.len() + set.deprecated().count(), rules.len());
}

#[test]
fn builtin_detectors_catch_every_bad_example_and_no_good_one() {
    let failures: Vec<String> = builtin().iter().flat_map(check_examples).map(|failure: ExampleFailure| failure.to_string()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn an_example_that_a_detector_judges_wrongly_is_named() {
    let text = "---\nid: QA-0001\ntitle: T\nseverity: nit\nreviewer: quality\nstatus: draft\napplies_to: { paths: ['src/**'] }\ndetect:\n  - regex: 'TODO'\n  - changed: ['src/a']\n    without: ['src/b']\n---\nDo not.\n\n## Why\n\nSo.\n\n## Bad\n\n```text\nTODO\n```\n\n```text lib/a.txt\nTODO\n```\n\n```files\nsrc/a\nsrc/c\n```\n\n## Good\n\n```text\nok\nTODO\n```\n\n```files\nsrc/a\nsrc/b\n```\n";
    let failures: Vec<String> = check_examples(&parse("QA-0001.md", text).unwrap()).iter().map(ToString::to_string).collect();
    assert_eq!(
        failures,
        [
            "QA-0001.md:25: no detector of QA-0001 catches this bad example",
            "QA-0001.md:36: a detector of QA-0001 catches line 2 of this good example",
        ]
    );
}
