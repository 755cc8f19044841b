//! Detectors' hits as findings. They are confirmed by construction; those set aside are kept with their reason.

use std::collections::BTreeMap;

use super::{Cited, Claim, Confidence, DropReason, Dropped, Finding, NoLine, Place, Source, Standing, Suggestion};
use crate::change::Change;
use crate::codex::{Detected, Hit, NotRun, Rule, RuleSet, SetAside};

/// What became of claims: findings, and those dropped. None is lost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// Claims that passed.
    pub findings: Vec<Finding>,
    /// Claims that did not, with reasons.
    pub dropped: Vec<Dropped>,
}

/// Returns the hits as findings, and those that were set aside as dropped claims. `shown` is the change with its secrets masked.
pub fn from_hits(hits: &[Hit], rules: &RuleSet, shown: &Change) -> Checked {
    let place = |hit: &Hit| match hit.lines.and_then(|(first, last)| shown.span(&hit.path, first, last)) {
        Some(span) => Place::Lines(span),
        None => Place::File { path: hit.path.clone(), why: NoLine::WholeFile },
    };
    let mut checked = Checked::default();
    for hit in hits {
        let rule = rules.get(&hit.rule).expect("a hit names a rule of the set that made it");
        match &hit.set_aside {
            None => checked.findings.push(finding(rule, hit, place(hit))),
            Some(aside) => checked.dropped.push(dropped(rule, hit, &place(hit), aside)),
        }
    }
    checked
}

fn finding(rule: &Rule, hit: &Hit, place: Place) -> Finding {
    Finding {
        title: title(rule),
        severity: rule.severity,
        category: rule.reviewer.clone(),
        body: body(rule, hit),
        rule_ids: vec![rule.id.clone()],
        place,
        related: Vec::new(),
        suggestion: Suggestion::None,
        confidence: Confidence::CERTAIN,
        sources: vec![Source::Detector(rule.id.clone())],
        standing: Standing::Confirmed,
        prior_id: None,
        fingerprint: String::new(),
    }
}

fn title(rule: &Rule) -> String {
    rule.message.clone().unwrap_or_else(|| rule.title.clone())
}

/// What is wrong here, when it bites, the smallest fix: the hit's own facts, the rule's reason, its guidance.
fn body(rule: &Rule, hit: &Hit) -> String {
    let why = rule.why.split("\n\n").next().unwrap_or(&rule.why).split_whitespace().collect::<Vec<_>>().join(" ");
    [hit.detail.as_str(), &why, &rule.guidance].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

fn dropped(rule: &Rule, hit: &Hit, place: &Place, aside: &SetAside) -> Dropped {
    let (reason, detail) = match aside {
        SetAside::AlreadyThere => (DropReason::AlreadyThere, "the same text is in the base, or was moved within the change".to_owned()),
        SetAside::Suppressed(reason) => (DropReason::Suppressed, format!("suppressed in the code: {reason}")),
        SetAside::Draft => (DropReason::DraftRule, "the rule is a draft".to_owned()),
    };
    let cited = match place {
        Place::Lines(span) => Cited {
            path: span.path().to_string(),
            first: span.first().reference().to_string(),
            last: span.last().reference().to_string(),
            quote: span.text().join("\n"),
        },
        Place::File { path, .. } => Cited { path: path.to_string(), ..Cited::default() },
        Place::Outside(related) => Cited { path: related.path.to_string(), ..Cited::default() },
    };
    let claim = Claim {
        title: title(rule),
        severity: rule.severity,
        category: rule.reviewer.clone(),
        body: body(rule, hit),
        rule_ids: vec![rule.id.to_string()],
        cited,
        related: Vec::new(),
        suggestion: None,
        confidence: Confidence::CERTAIN,
        source: Source::Detector(rule.id.clone()),
        prior_id: None,
    };
    Dropped { claim, reason, detail }
}

/// Sorts findings as they are shown: worst first, then by place.
pub fn sort(findings: &mut [Finding]) {
    let line = |place: &Place| match place {
        Place::Lines(span) => (span.path().to_string(), span.first().line()),
        Place::File { path, .. } => (path.to_string(), 0),
        Place::Outside(related) => (related.path.to_string(), related.line),
    };
    findings.sort_by(|a, b| {
        b.severity.cmp(&a.severity).then_with(|| line(&a.place).cmp(&line(&b.place))).then_with(|| a.rule_ids.cmp(&b.rule_ids))
    });
}

/// Returns what the detectors did not look at, one sentence for each reason.
pub fn unseen(detected: &Detected) -> Vec<String> {
    let mut by_reason: BTreeMap<NotRun, Vec<&str>> = BTreeMap::new();
    for skipped in &detected.skipped {
        by_reason.entry(skipped.why).or_default().push(skipped.path.as_str());
    }
    let mut remarks: Vec<String> = by_reason
        .into_iter()
        .map(|(why, paths)| {
            let why = match why {
                NotRun::NoWholeFile => "only the diff of them was given",
                NotRun::TooLarge => "they are larger than 512 KiB",
                NotRun::NotParsed => "no parser could read them in reasonable time",
                NotRun::TooDeep => "they nest deeper than 400 levels (what lies above was looked at)",
            };
            format!("detectors that read syntax did not run on {}, because {why}", named(&paths))
        })
        .collect();
    if detected.beyond > 0 {
        remarks.push(format!("{} more hits of rules that already hit 50 times in their file are not listed", detected.beyond));
    }
    if detected.cut_lines > 0 {
        let lines = if detected.cut_lines == 1 { "1 line".to_owned() } else { format!("{} lines", detected.cut_lines) };
        remarks.push(format!("in {lines} detectors looked at the first 20,000 bytes only"));
    }
    remarks
}

/// Names of files for a sentence: five at most, then how many more.
fn named(paths: &[&str]) -> String {
    const SHOWN: usize = 5;
    let first = paths.iter().take(SHOWN).map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
    match paths.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
