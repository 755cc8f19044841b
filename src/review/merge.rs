//! One finding per problem: clusters that need no judge, then the judge's word, then the refuter's. Nothing is lost: what goes keeps its reason,
//! and no model drops, lowers or merges away what a detector saw.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{one_line, shortened};
use super::{
    Checked, Cited, Claim, Decision, DropReason, Dropped, Finding, Judgement, Place, Quoted, ReviewerName, Severity, Source, Standing,
    Suggestion,
};
use crate::change::Side;

/// Share of common words from which two titles about one place say the same.
const ALIKE_AT_ONE_PLACE: f64 = 0.5;
/// Share of common words from which two findings of one file say the same wherever they stand.
const ALIKE_ANYWHERE: f64 = 0.8;
/// Longest title and body that a judge may write, in characters.
const MAX_TITLE_CHARS: usize = 200;
const MAX_BODY_CHARS: usize = 4_000;

/// Puts together what is the same without asking anybody: same rule and place, same place and same problem, nearly the same text.
///
/// What a detector saw stands before what a model said, then the worse, then the surer, then the earlier one.
pub fn merge(findings: Vec<Finding>) -> Checked {
    let mut order: Vec<usize> = (0..findings.len()).collect();
    order.sort_by_key(|&index| {
        let finding = &findings[index];
        (std::cmp::Reverse((is_detected(finding), finding.severity, finding.confidence)), index)
    });
    let mut findings: Vec<Option<Finding>> = findings.into_iter().map(Some).collect();
    let mut merged = Checked::default();
    for index in order {
        let finding = findings[index].take().expect("each finding is visited once");
        match merged.findings.iter_mut().find(|kept| same(kept, &finding)) {
            Some(kept) => {
                let detail = format!("the same as “{}”", kept.title);
                merged.dropped.push(Dropped { claim: claim_of(&finding), reason: DropReason::Duplicate, detail });
                absorb(kept, finding);
            }
            None => merged.findings.push(finding),
        }
    }
    merged
}

/// Returns whether a detector is among the sources.
pub fn is_detected(finding: &Finding) -> bool {
    finding.sources.iter().any(|source| matches!(source, Source::Detector(_)))
}

fn same(a: &Finding, b: &Finding) -> bool {
    if a.place.path() != b.place.path() {
        return false;
    }
    let shared_rule = a.rule_ids.iter().any(|id| b.rule_ids.contains(id));
    let overlap = overlap(&a.place, &b.place);
    // Two detectors are two rules: each stands for itself.
    if is_detected(a) && is_detected(b) {
        return overlap && shared_rule;
    }
    (overlap && (shared_rule || likeness(&a.title, &b.title) >= ALIKE_AT_ONE_PLACE))
        || likeness(&format!("{} {}", a.title, a.body), &format!("{} {}", b.title, b.body)) >= ALIKE_ANYWHERE
}

fn overlap(a: &Place, b: &Place) -> bool {
    match (a, b) {
        (Place::Lines(a), Place::Lines(b)) => {
            let range = |span: &crate::change::Span, side: Side| {
                let counter = |anchor: crate::change::Anchor| match side {
                    Side::Old => anchor.old_counter(),
                    Side::New => anchor.new_counter(),
                };
                (counter(span.first()), counter(span.last()))
            };
            let side = a.last().side();
            let ((first, last), (other_first, other_last)) = (range(a, side), range(b, side));
            b.last().side() == side && first <= other_last && other_first <= last
        }
        (Place::File { .. }, Place::File { .. }) => true,
        (Place::Outside(a), Place::Outside(b)) => a.line == b.line,
        (Place::Lines(_) | Place::File { .. } | Place::Outside(_), _) => false,
    }
}

/// Returns the share of words that two texts have in common, 0 to 1; short words say nothing.
pub(crate) fn likeness(a: &str, b: &str) -> f64 {
    let words = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| word.chars().count() > 2).map(str::to_lowercase).collect()
    };
    let (a, b) = (words(a), words(b));
    let (common, all) = (a.intersection(&b).count(), a.union(&b).count());
    #[expect(clippy::cast_precision_loss, reason = "counts of words are small")]
    if all == 0 { 0.0 } else { common as f64 / all as f64 }
}

fn absorb(kept: &mut Finding, other: Finding) {
    // A detector vouches for what it saw, not for how bad a model says that it is: such a critical is attacked like any other of a model's.
    if is_detected(kept) && !is_detected(&other) && other.severity == Severity::Critical && kept.severity < Severity::Critical {
        kept.standing = Standing::Checked;
    }
    kept.severity = kept.severity.max(other.severity);
    kept.confidence = kept.confidence.max(other.confidence);
    kept.rule_ids.extend(other.rule_ids);
    kept.rule_ids.sort();
    kept.rule_ids.dedup();
    kept.sources.extend(other.sources);
    kept.sources.sort();
    kept.sources.dedup();
    for related in other.related {
        if !kept.related.contains(&related) {
            kept.related.push(related);
        }
    }
    if kept.suggestion == Suggestion::None && kept.place == other.place {
        kept.suggestion = other.suggestion;
    }
    kept.prior_id = kept.prior_id.take().or(other.prior_id);
}

/// Returns a finding as the claim that it was, for the list of what was dropped.
pub fn claim_of(finding: &Finding) -> Claim {
    let cited = match &finding.place {
        Place::Lines(span) => Cited {
            path: span.path().to_string(),
            first: span.first().reference().to_string(),
            last: span.last().reference().to_string(),
            quote: span.text().join("\n"),
        },
        Place::File { path, .. } => Cited { path: path.to_string(), ..Cited::default() },
        Place::Outside(related) => Cited { path: related.path.to_string(), quote: related.quote.clone(), ..Cited::default() },
    };
    Claim {
        title: finding.title.clone(),
        severity: finding.severity,
        category: finding.category.clone(),
        body: finding.body.clone(),
        rule_ids: finding.rule_ids.iter().map(ToString::to_string).collect(),
        cited,
        related: finding
            .related
            .iter()
            .map(|place| Quoted { path: place.path.to_string(), line: place.line, quote: place.quote.clone() })
            .collect(),
        suggestion: match &finding.suggestion {
            Suggestion::None => None,
            Suggestion::Applies(code) | Suggestion::Plain { code, .. } => Some(code.clone()),
        },
        confidence: finding.confidence,
        source: finding.sources.first().cloned().expect("a finding has a source"),
        prior_id: finding.prior_id.clone(),
    }
}

/// Applies the coordinator's judgements. `C-n` is the n-th finding; a finding without a judgement stands as it is.
///
/// `ceilings` says which categories there are and how bad each may be. A critical is lowered or dropped only with a stated reason.
pub fn judge(findings: Vec<Finding>, judgements: &[Judgement], ceilings: &BTreeMap<ReviewerName, Severity>) -> Checked {
    let by_id = by_index(judgements, findings.len());
    let decided = |index: usize| {
        let judgement = by_id.get(&index)?;
        let finding = &findings[index];
        let silent = finding.severity == Severity::Critical && judgement.why.trim().is_empty();
        let heard = !is_detected(finding) && (!silent || judgement.decision == Decision::Keep);
        heard.then_some(*judgement)
    };
    let stays = |index: usize| decided(index).is_none_or(|judgement| judgement.decision == Decision::Keep);
    let target = |index: usize| {
        let into = candidate(decided(index)?.into.as_deref()?, findings.len())?;
        (into != index && stays(into)).then_some(into)
    };
    let fates: Vec<(Option<Judgement>, Option<usize>)> =
        (0..findings.len()).map(|index| (decided(index).cloned(), target(index))).collect();
    let mut kept: BTreeMap<usize, Finding> = BTreeMap::new();
    let mut merged: Vec<(usize, Finding, Judgement)> = Vec::new();
    let mut rewritten: BTreeSet<usize> = BTreeSet::new();
    let mut judged = Checked::default();
    for (index, (mut finding, (judgement, target))) in findings.into_iter().zip(fates).enumerate() {
        let Some(judgement) = judgement else {
            kept.insert(index, finding);
            continue;
        };
        match (judgement.decision, target) {
            (Decision::Drop, _) => judged.dropped.push(Dropped {
                claim: claim_of(&finding),
                reason: DropReason::Judged,
                detail: if judgement.why.trim().is_empty() {
                    "the coordinator gave no reason".to_owned()
                } else {
                    shortened(&judgement.why, MAX_BODY_CHARS)
                },
            }),
            (Decision::Merge, Some(into)) => merged.push((into, finding, judgement)),
            // Merged into nothing that stands: it stands for itself.
            (Decision::Merge, None) => {
                kept.insert(index, finding);
            }
            (Decision::Keep, _) => {
                rewrite(&mut finding, &judgement, ceilings);
                rewritten.insert(index);
                kept.insert(index, finding);
            }
        }
    }
    for (into, finding, judgement) in merged {
        let target = kept.get_mut(&into).expect("a target stands");
        let why = match judgement.why.trim() {
            "" => String::new(),
            why => format!(": {}", shortened(why, MAX_BODY_CHARS)),
        };
        let detail = format!("merged by the coordinator into “{}”{why}", target.title);
        judged.dropped.push(Dropped { claim: claim_of(&finding), reason: DropReason::Duplicate, detail });
        // Of a target that the judge kept it has set the severity in view of both; on any other it has said nothing.
        let severity = target.severity;
        absorb(target, finding);
        if rewritten.contains(&into) {
            target.severity = severity;
        }
    }
    judged.findings = kept.into_values().collect();
    judged
}

fn rewrite(finding: &mut Finding, judgement: &Judgement, ceilings: &BTreeMap<ReviewerName, Severity>) {
    let category = judgement.category.as_deref().and_then(ReviewerName::parse).filter(|name| ceilings.contains_key(name));
    if let Some(category) = category.filter(|name| name.as_str() != "codex" || !finding.rule_ids.is_empty()) {
        finding.category = category;
    }
    if let Some(severity) = judgement.severity {
        let reasoned = finding.severity != Severity::Critical || severity == Severity::Critical || !judgement.why.trim().is_empty();
        if reasoned {
            finding.severity = severity.min(ceilings.get(&finding.category).copied().unwrap_or(Severity::Critical));
        }
    }
    if let Some(title) = judgement.title.as_deref().filter(|title| !title.trim().is_empty()) {
        finding.title = one_line(title, MAX_TITLE_CHARS);
    }
    if let Some(body) = judgement.body.as_deref().filter(|body| !body.trim().is_empty()) {
        finding.body = shortened(body.trim(), MAX_BODY_CHARS);
    }
}

/// Returns the indices of the findings that a second pass must try to refute: criticals that only models claim, or that only models call critical.
pub fn to_refute(findings: &[Finding]) -> Vec<usize> {
    let by_models = |finding: &Finding| finding.severity == Severity::Critical && finding.standing != Standing::Confirmed;
    findings.iter().enumerate().filter(|(_, finding)| by_models(finding)).map(|(index, _)| index).collect()
}

/// Applies the refuter's judgements over the findings of [`to_refute`], in their order: `C-1` is the first of them.
///
/// Refuted, with a reason, is dropped; of what a detector saw only the severity falls, to the one of its rules, which `own` tells. Anything else
/// stands, verified if there is a judgement and unverified if there is none.
pub fn refute(findings: Vec<Finding>, judgements: &[Judgement], own: impl Fn(&Finding) -> Severity) -> Checked {
    let suspects = to_refute(&findings);
    let by_id = by_index(judgements, suspects.len());
    let mut refuted = Checked::default();
    for (index, mut finding) in findings.into_iter().enumerate() {
        let Some(number) = suspects.iter().position(|suspect| *suspect == index) else {
            refuted.findings.push(finding);
            continue;
        };
        match by_id.get(&number) {
            Some(judgement) if judgement.decision == Decision::Drop && !judgement.why.trim().is_empty() => {
                let detail = shortened(&judgement.why, MAX_BODY_CHARS);
                refuted.dropped.push(Dropped { claim: claim_of(&finding), reason: DropReason::Refuted, detail });
                if !is_detected(&finding) {
                    continue;
                }
                finding.severity = own(&finding).min(Severity::Important);
                finding.standing = Standing::Confirmed;
            }
            Some(judgement) if judgement.decision == Decision::Keep => finding.standing = Standing::Verified,
            Some(_) | None => finding.standing = Standing::Unverified,
        }
        refuted.findings.push(finding);
    }
    refuted
}

/// The first judgement for each candidate.
fn by_index(judgements: &[Judgement], count: usize) -> BTreeMap<usize, &Judgement> {
    let mut by_id = BTreeMap::new();
    for judgement in judgements {
        if let Some(index) = candidate(&judgement.id, count) {
            by_id.entry(index).or_insert(judgement);
        }
    }
    by_id
}

/// The index that `C-3` names among so many candidates.
fn candidate(id: &str, count: usize) -> Option<usize> {
    let number = id.trim().trim_matches('`').strip_prefix("C-")?.parse::<usize>().ok()?;
    number.checked_sub(1).filter(|index| *index < count)
}

#[cfg(test)]
mod tests;
