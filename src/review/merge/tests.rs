//! Tests of merging and judging: nothing is lost, and no model touches what a detector saw. The cases one by one are stories.

use proptest::prelude::*;

use super::*;
use crate::change::{Change, RepoPath, parse};
use crate::codex::RuleId;
use crate::review::{Confidence, NoLine};

fn change() -> Change {
    let lines = (1..=9).map(|number| format!("+line {number}")).collect::<Vec<_>>().join("\n");
    parse(format!("--- /dev/null\n+++ b/a.rs\n@@ -0,0 +1,9 @@\n{lines}\n").as_bytes()).unwrap()
}

fn finding(title: &str, severity: Severity, line: Option<usize>, rule: Option<&str>, detected: bool) -> Finding {
    let rule = rule.map(|id| RuleId::parse(id).unwrap());
    let reviewer = ReviewerName::parse("quality").unwrap();
    let path = RepoPath::from("a.rs");
    Finding {
        title: title.into(),
        severity,
        category: reviewer.clone(),
        body: format!("About {title}."),
        rule_ids: rule.iter().cloned().collect(),
        place: match line {
            Some(line) => Place::Lines(change().span(&path, line, line).unwrap()),
            None => Place::File { path, why: NoLine::WholeFile },
        },
        related: Vec::new(),
        suggestion: Suggestion::None,
        confidence: Confidence::from_share(0.5),
        sources: vec![if detected {
            Source::Detector(rule.unwrap_or_else(|| RuleId::parse("QUAL-0001").unwrap()))
        } else {
            Source::Reviewer(reviewer)
        }],
        standing: if detected { Standing::Confirmed } else { Standing::Checked },
        prior_id: None,
        fingerprint: String::new(),
    }
}

fn titles(checked: &Checked) -> Vec<&str> {
    checked.findings.iter().map(|finding| finding.title.as_str()).collect()
}

fn judgement(id: &str, decision: Decision) -> Judgement {
    Judgement { id: id.into(), decision, into: None, severity: None, category: None, title: None, body: None, why: "because".into() }
}

#[test]
fn what_only_a_model_calls_critical_is_attacked_although_a_detector_saw_it() {
    let seen = finding("SQL is built from strings", Severity::Suggestion, Some(1), None, true);
    let worse = finding("SQL is built from strings", Severity::Critical, Some(1), None, false);
    let merged = merge(vec![seen, worse]).findings;
    assert_eq!((merged.len(), merged[0].severity, to_refute(&merged)), (1, Severity::Critical, vec![0]));
    let refuted = refute(merged.clone(), &[judgement("C-1", Decision::Drop)], |_| Severity::Suggestion);
    assert_eq!((refuted.findings[0].severity, refuted.findings[0].standing), (Severity::Suggestion, Standing::Confirmed));
    assert_eq!(refuted.dropped[0].reason, DropReason::Refuted);
    let stands = refute(merged, &[], |_| Severity::Suggestion);
    assert_eq!((stands.findings[0].severity, stands.findings[0].standing), (Severity::Critical, Standing::Unverified));
}

#[test]
fn the_same_problem_at_the_same_place_is_one_finding() {
    use Severity::{Critical, Important};
    let merged = merge(vec![
        finding("the retry loop never ends", Important, Some(2), None, false),
        finding("retry loop that never ends", Critical, Some(2), None, false),
        finding("the index is wrong", Important, Some(2), None, false),
    ]);
    assert_eq!(titles(&merged), ["retry loop that never ends", "the index is wrong"]);
    assert_eq!((merged.dropped.len(), merged.dropped[0].reason), (1, DropReason::Duplicate));
}

#[test]
fn the_same_rule_at_the_same_place_is_one_finding_and_the_detector_stands() {
    let seen = finding("swallowed", Severity::Important, Some(3), Some("QUAL-0001"), true);
    let said = finding("an entirely different wording", Severity::Critical, Some(3), Some("QUAL-0001"), false);
    let merged = merge(vec![said, seen]);
    assert_eq!(titles(&merged), ["swallowed"]);
    let finding = &merged.findings[0];
    assert_eq!((finding.severity, finding.sources.len(), finding.standing), (Severity::Critical, 2, Standing::Checked));
}

#[test]
fn two_detectors_on_one_line_are_two_findings() {
    let merged = merge(vec![
        finding("same words here", Severity::Important, Some(3), Some("QUAL-0001"), true),
        finding("same words here", Severity::Important, Some(3), Some("SEC-0001"), true),
    ]);
    assert_eq!(merged.findings.len(), 2);
}

#[test]
fn judges_merge_only_into_what_stands() {
    let findings = vec![
        finding("a", Severity::Important, Some(1), None, false),
        finding("b", Severity::Important, Some(4), None, false),
        finding("c", Severity::Important, Some(7), None, false),
    ];
    let into = |id: &str, into: &str| Judgement { into: Some(into.into()), ..judgement(id, Decision::Merge) };
    let judged = judge(findings.clone(), &[judgement("C-1", Decision::Drop), into("C-2", "C-1"), into("C-3", "C-3")], &BTreeMap::new());
    assert_eq!((titles(&judged), judged.dropped.len()), (vec!["b", "c"], 1));
    // A chain has no end that stands: both stand for themselves.
    let judged = judge(findings.clone(), &[into("C-1", "C-2"), into("C-2", "C-1")], &BTreeMap::new());
    assert_eq!(titles(&judged), ["a", "b", "c"]);
    // The first judgement counts, unknown ones do not.
    let judged = judge(
        findings,
        &[
            judgement("C-2", Decision::Keep),
            judgement("C-2", Decision::Drop),
            judgement("C-9", Decision::Drop),
            judgement("F-1", Decision::Drop),
        ],
        &BTreeMap::new(),
    );
    assert_eq!(judged.findings.len(), 3);
}

#[test]
fn a_category_moves_only_to_one_that_exists_and_its_ceiling_holds() {
    let ceilings: BTreeMap<ReviewerName, Severity> = [("docs", Severity::Important), ("codex", Severity::Critical)]
        .map(|(name, most)| (ReviewerName::parse(name).unwrap(), most))
        .into();
    let to = |category: &str| Judgement {
        category: Some(category.into()),
        severity: Some(Severity::Critical),
        ..judgement("C-1", Decision::Keep)
    };
    let moved = |category| {
        let judged = judge(vec![finding("a", Severity::Important, Some(1), None, false)], &[to(category)], &ceilings);
        (judged.findings[0].category.to_string(), judged.findings[0].severity)
    };
    assert_eq!(moved("docs"), ("docs".to_owned(), Severity::Important));
    assert_eq!(moved("no-such"), ("quality".to_owned(), Severity::Critical));
    // Without a rule it is no codex finding.
    assert_eq!(moved("codex"), ("quality".to_owned(), Severity::Critical));
}

#[test]
fn a_critical_that_is_merged_into_what_no_judge_touches_stays_critical() {
    let seen = finding("stale comment", Severity::Suggestion, Some(1), Some("QUAL-0001"), true);
    let claimed = finding("the retry loop never ends", Severity::Critical, Some(5), None, false);
    let into = Judgement { into: Some("C-1".into()), ..judgement("C-2", Decision::Merge) };
    let judged = judge(vec![seen, claimed], &[into], &BTreeMap::new());
    assert_eq!(judged.findings.iter().map(|finding| finding.severity).collect::<Vec<_>>(), [Severity::Critical]);
    assert_eq!(judged.dropped[0].detail, "merged by the coordinator into “stale comment”: because");
}

#[test]
fn a_refutation_needs_a_reason() {
    let silent = Judgement { why: " ".into(), ..judgement("C-1", Decision::Drop) };
    let refuted = refute(vec![finding("a", Severity::Critical, Some(1), None, false)], &[silent], |_| Severity::Suggestion);
    assert_eq!(refuted.findings[0].standing, Standing::Unverified);
    let refuted =
        refute(vec![finding("a", Severity::Critical, Some(1), None, false)], &[judgement("C-1", Decision::Drop)], |_| Severity::Suggestion);
    assert_eq!((refuted.findings.len(), refuted.dropped[0].reason), (0, DropReason::Refuted));
}

fn any_findings() -> impl Strategy<Value = Vec<Finding>> {
    let one = (
        prop::sample::select(vec!["retry loop never ends", "the retry loop never ends here", "wrong index", "stale comment"]),
        prop::sample::select(vec![Severity::Critical, Severity::Important, Severity::Suggestion]),
        prop::option::of(0_usize..9),
        prop::option::of(prop::sample::select(vec!["QUAL-0001", "SEC-0001"])),
        any::<bool>(),
    );
    prop::collection::vec(one.prop_map(|(title, severity, line, rule, detected)| finding(title, severity, line, rule, detected)), 0..7)
}

fn any_judgements() -> impl Strategy<Value = Vec<Judgement>> {
    let one = (1_usize..9, 0_usize..3, 1_usize..9, prop::option::of(prop::sample::select(Severity::WORST_FIRST.to_vec())), any::<bool>());
    let made = one.prop_map(|(id, decision, into, severity, reasoned)| Judgement {
        into: Some(format!("C-{into}")),
        severity,
        why: if reasoned { "because".into() } else { String::new() },
        ..judgement(&format!("C-{id}"), [Decision::Keep, Decision::Merge, Decision::Drop][decision])
    });
    prop::collection::vec(made, 0..9)
}

/// What detectors saw, as rule, place and severity.
fn detected(findings: &[Finding]) -> BTreeSet<(String, String)> {
    let rules = |finding: &Finding| {
        finding
            .sources
            .iter()
            .filter_map(|source| match source {
                Source::Detector(rule) => Some(rule.to_string()),
                Source::Reviewer(_) => None,
            })
            .collect::<Vec<_>>()
    };
    let place = |finding: &Finding| format!("{:?}", finding.place);
    findings.iter().flat_map(|finding| rules(finding).into_iter().map(move |rule| (rule, place(finding)))).collect()
}

proptest! {
    #[test]
    fn nothing_is_lost_and_detectors_are_never_touched(findings in any_findings(), judgements in any_judgements(), second in any_judgements()) {
        let before = detected(&findings);
        let count = findings.len();
        let merged = merge(findings);
        prop_assert_eq!(merged.findings.len() + merged.dropped.len(), count);
        prop_assert_eq!(detected(&merged.findings), before.clone());
        let count = merged.findings.len();
        let severities: Vec<(String, Severity)> = merged.findings.iter().filter(|finding| is_detected(finding)).map(|finding| (format!("{:?}{:?}", finding.place, finding.rule_ids), finding.severity)).collect();
        let criticals = merged.findings.iter().filter(|finding| finding.severity == Severity::Critical).count();
        let judged = judge(merged.findings, &judgements, &BTreeMap::new());
        prop_assert_eq!(judged.findings.len() + judged.dropped.len(), count);
        prop_assert!(before.is_subset(&detected(&judged.findings)));
        for finding in judged.findings.iter().filter(|finding| is_detected(finding) && finding.sources.len() == 1) {
            let known = (format!("{:?}{:?}", finding.place, finding.rule_ids), finding.severity);
            prop_assert!(severities.contains(&known), "{:?} was changed", known);
        }
        if judgements.iter().all(|judgement| judgement.why.is_empty()) {
            prop_assert!(judged.findings.iter().filter(|finding| finding.severity == Severity::Critical).count() >= criticals);
        }
        let count = judged.findings.len();
        let refuted = refute(judged.findings, &second, |_| Severity::Suggestion);
        // What a detector saw stays, less bad: the claim that it was worse is dropped beside it.
        let gone = refuted.dropped.iter().filter(|dropped| !matches!(dropped.claim.source, Source::Detector(_))).count();
        prop_assert_eq!(refuted.findings.len() + gone, count);
        prop_assert!(before.is_subset(&detected(&refuted.findings)));
    }
}
