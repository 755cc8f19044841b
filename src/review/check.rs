//! What a model says is a claim; what passes here is a finding. Each claim that does not pass keeps its reason. It must not judge the content:
//! the coordinator does.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Checked, Cited, Claim, DropReason, Dropped, Finding, NoLine, Place, Related, ReviewerName, Severity, Standing, Suggestion, locate,
    named, suggest,
};
use crate::change::{AnchorRef, Change, FileDiff, LineKind, RepoPath};
use crate::codex::{Mask, RuleId, RuleSet, RuleStatus, Source, applies, suppressed};

/// A claim on unchanged lines counts if a change is so near, in lines of the same hunk: its author meant the change.
const NEAR_LINES: usize = 3;

/// What claims are held against.
pub struct Ground<'a> {
    /// What the reviewers read, as it is.
    pub change: &'a Change,
    /// The same with secrets masked, as they saw it.
    pub shown: &'a Change,
    /// The rules in force.
    pub rules: &'a RuleSet,
    /// The head's text of the changed files.
    pub sources: &'a BTreeMap<RepoPath, Source>,
    /// The masked text of the files in [`outside`].
    pub outside: &'a BTreeMap<RepoPath, String>,
    /// The worst severity that each reviewer may give.
    pub ceilings: &'a BTreeMap<ReviewerName, Severity>,
    /// Masks what models wrote, in case they wrote out a secret.
    pub mask: &'a Mask,
}

/// Returns the files beside the diff's lines that must be read to check these claims.
pub fn outside(claims: &[Claim]) -> BTreeSet<RepoPath> {
    let named = claims
        .iter()
        .flat_map(|claim| std::iter::once(claim.cited.path.as_str()).chain(claim.related.iter().map(|place| place.path.as_str())));
    named.map(plain).filter(|path| !path.is_empty()).map(RepoPath::from).collect()
}

/// A path as repositories write it: `./` and `b/` in front are habits of readers of diffs.
fn plain(path: &str) -> &str {
    let path = path.trim().trim_matches('`');
    path.strip_prefix("./").unwrap_or(path)
}

/// Holds claims against the change, the rules and the head. Fingerprints are not set yet.
pub fn check(claims: Vec<Claim>, ground: &Ground<'_>) -> Checked {
    let mut checked = Checked::default();
    for claim in claims {
        let claim = masked(claim, ground.mask);
        match finding(&claim, ground) {
            Ok(finding) => checked.findings.push(finding),
            Err((reason, detail)) => checked.dropped.push(Dropped { claim, reason, detail }),
        }
    }
    checked
}

fn masked(claim: Claim, mask: &Mask) -> Claim {
    let apply = |text: String| mask.apply(&text);
    Claim {
        title: apply(claim.title),
        body: apply(claim.body),
        cited: Cited { quote: apply(claim.cited.quote), ..claim.cited },
        suggestion: claim.suggestion.map(apply),
        ..claim
    }
}

type Refusal = (DropReason, String);

fn finding(claim: &Claim, ground: &Ground<'_>) -> Result<Finding, Refusal> {
    let ceiling = ground.ceilings.get(&claim.category).copied().unwrap_or(Severity::Critical);
    let severity = claim.severity.min(ceiling);
    if severity == Severity::Nit {
        return Err((DropReason::Nit, "nits are not shown".to_owned()));
    }
    let place = place(claim, severity, ground)?;
    let (path, lines) = match &place {
        Found::Lines { file, first, last } => (file.path().clone(), Some((*file, *first, *last))),
        Found::File(path) => (path.clone(), None),
        Found::Outside(related) => (related.path.clone(), None),
    };
    let rule_ids = rules(claim, &path, lines, ground)?;
    let suggestion = match (&claim.suggestion, lines) {
        (None, _) => Suggestion::None,
        (Some(code), Some((file, first, last))) => {
            let shown = ground.shown.file(file.path()).expect("the masked change has the same files");
            suggest::fitted(file, shown, first, last, code)
        }
        (Some(code), None) => Suggestion::Plain { code: code.clone(), why: "it has no lines to replace".to_owned() },
    };
    let related = claim.related.iter().filter_map(|place| {
        let path = RepoPath::from(plain(&place.path));
        let line = locate::in_text(ground.outside.get(&path)?, &place.quote, Some(place.line))?;
        Some(Related { path, line, quote: ground.mask.apply(place.quote.trim()) })
    });
    Ok(Finding {
        title: claim.title.clone(),
        severity,
        category: claim.category.clone(),
        body: claim.body.clone(),
        rule_ids,
        related: related.collect(),
        suggestion,
        confidence: claim.confidence,
        sources: vec![claim.source.clone()],
        standing: Standing::Checked,
        prior_id: claim.prior_id.clone(),
        fingerprint: String::new(),
        place: match place {
            Found::Lines { file, first, last } => {
                Place::Lines(ground.shown.span(file.path(), first, last).expect("the lines were found in this patch"))
            }
            Found::File(path) => {
                let why = if claim.cited.first.is_empty() && claim.cited.quote.is_empty() { NoLine::WholeFile } else { NoLine::NotFound };
                Place::File { path, why }
            }
            Found::Outside(related) => Place::Outside(related),
        },
    })
}

enum Found<'a> {
    Lines { file: &'a FileDiff, first: usize, last: usize },
    File(RepoPath),
    Outside(Related),
}

fn place<'a>(claim: &Claim, severity: Severity, ground: &Ground<'a>) -> Result<Found<'a>, Refusal> {
    let cited = &claim.cited;
    let written = plain(&cited.path);
    let path = RepoPath::from(written);
    let stripped = written.strip_prefix("a/").or_else(|| written.strip_prefix("b/"));
    let by_old = || ground.change.files().iter().find(|file| file.old.as_ref() == Some(&path));
    let file = named(ground.change, written).or_else(|| named(ground.change, stripped?)).or_else(by_old);
    let unsupported = |what: String| (DropReason::Unsupported, what);
    if let Some(file) = file {
        let shown = ground.shown.file(file.path()).expect("the masked change has the same files");
        if cited.first.trim().is_empty() && cited.quote.trim().is_empty() {
            return Ok(Found::File(file.path().clone()));
        }
        if let Some((first, last)) = locate::in_patch(shown, cited) {
            let important = severity >= Severity::Important;
            return if touches(file, first, last, 0) || (important && touches(file, first, last, NEAR_LINES)) {
                Ok(Found::Lines { file, first, last })
            } else {
                Err((DropReason::OutOfScope, "the change does not touch the cited lines".to_owned()))
            };
        }
    }
    let path = file.map_or(path, |file| file.path().clone());
    let near = AnchorRef::parse(&cited.first).map(|anchor| anchor.line);
    let line = ground.outside.get(&path).and_then(|text| locate::in_text(text, &cited.quote, near));
    match (line, file) {
        (Some(line), _) if severity >= Severity::Important => {
            let quote = cited.quote.lines().find(|line| !line.trim().is_empty()).unwrap_or("").trim().to_owned();
            Ok(Found::Outside(Related { path, line, quote }))
        }
        (Some(_), _) => Err((DropReason::OutOfScope, "the cited lines are outside the change".to_owned())),
        (None, Some(_)) if severity >= Severity::Important => Ok(Found::File(path)),
        (None, Some(_)) => Err(unsupported("the cited lines are neither in the change nor in the file".to_owned())),
        (None, None) => Err(unsupported(format!("there is no changed file `{path}`, and the quote is nowhere in it"))),
    }
}

/// Whether the lines, or those up to `around` beside them in the same hunk, are added or removed.
fn touches(file: &FileDiff, first: usize, last: usize, around: usize) -> bool {
    let mut start = 0;
    for hunk in file.hunks() {
        let end = start + hunk.lines.len();
        if (start..end).contains(&first) {
            let from = first.saturating_sub(around).max(start) - start;
            let to = (last + around).min(end - 1) - start;
            return hunk.lines[from..=to].iter().any(|line| line.kind != LineKind::Context);
        }
        start = end;
    }
    false
}

fn rules(claim: &Claim, path: &RepoPath, lines: Option<(&FileDiff, usize, usize)>, ground: &Ground<'_>) -> Result<Vec<RuleId>, Refusal> {
    let mut ids = BTreeSet::new();
    let (mut ignored, mut drafts) = (None, 0);
    for id in claim.rule_ids.iter().filter_map(|id| RuleId::parse(id)) {
        let Some(rule) = ground.rules.get(&id).filter(|rule| applies(rule, path)) else { continue };
        let source = ground.sources.get(path).unwrap_or(&Source::HunksOnly);
        let reason = lines.and_then(|(file, first, _)| suppressed(&id, file, source, first));
        if let Some(reason) = reason {
            ignored = Some(format!("{id} is suppressed in the code: {reason}"));
        } else if rule.status == RuleStatus::Draft {
            drafts += 1;
        } else {
            ids.insert(id);
        }
    }
    if ids.is_empty() {
        if let Some(ignored) = ignored {
            return Err((DropReason::Suppressed, ignored));
        }
        if drafts > 0 {
            return Err((DropReason::DraftRule, "the rule is a draft".to_owned()));
        }
        if claim.category.as_str() == "codex" {
            return Err((DropReason::NoRule, "no rule that exists and applies to this file is cited".to_owned()));
        }
    }
    Ok(ids.into_iter().collect())
}

#[cfg(test)]
mod tests;
