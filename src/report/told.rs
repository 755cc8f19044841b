//! `result.json` read back: what a review said, for a run that posts it later. It must not decide what of that holds: everything in it is a claim.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::json;

use super::RESULT_VERSION;
use super::json::{CostTwin, GapTwin, RelatedTwin, UsageTwin};
use crate::change::{CommitId, RepoPath};
use crate::review::{
    Claim, Coverage, FileRead, Gap, Outcome, ReviewerName, ReviewerReport, Severity, Source, Spending, Spent, Standing, Usage, Usd, claims,
};

/// The largest `result.json` that is read, in bytes.
pub const MAX_RESULT_BYTES: usize = 64 << 20;

/// What a review said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// The project of its merge request, and the number in it; none if the review was of none, or did not come so far.
    pub request: Option<(u64, u64)>,
    /// The merge base that it was about.
    pub base: Option<CommitId>,
    /// The head that it was about.
    pub head: Option<CommitId>,
    /// Why no reviewer took part, as a clause; none if reviewers did.
    pub unread: Option<String>,
    /// What reviewers found, once for each of them. What detectors saw is not in it: they can look again.
    pub claims: Vec<Claim>,
    /// Titles of the critical ones that a second look did not refute.
    pub verified: BTreeSet<String>,
    /// The reviewers with their outcomes.
    pub reviewers: Vec<ReviewerReport>,
    /// The files that were read together.
    pub groups: Vec<Vec<RepoPath>>,
    /// What became of each file.
    pub coverage: Coverage,
    /// Why it was not complete, and what of it could not be read back.
    pub incomplete: Vec<Gap>,
    /// What it used.
    pub spending: Spending,
}

#[derive(Deserialize)]
struct ResultTwin {
    mode: String,
    mode_reason: Option<String>,
    subject: SubjectTwin,
    incomplete: Vec<GapTwin>,
    reviewers: Vec<ReviewerTwin>,
    findings: Vec<FindingTwin>,
    groups: Vec<Vec<String>>,
    coverage: Vec<CoverageTwin>,
    usage: SumTwin,
    merge_request: Option<RequestTwin>,
}

#[derive(Deserialize)]
struct RequestTwin {
    project: u64,
    iid: u64,
}

#[derive(Deserialize)]
struct SubjectTwin {
    base: Option<String>,
    head: Option<String>,
}

#[derive(Deserialize)]
struct ReviewerTwin {
    name: String,
    title: String,
    model: Option<String>,
    outcome: String,
    why: Option<String>,
    claims: usize,
    usage: UsageTwin,
    cost: CostTwin,
}

#[derive(Deserialize)]
struct SumTwin {
    prices_dated: Option<String>,
}

#[derive(Deserialize)]
struct FindingTwin {
    title: String,
    severity: String,
    category: String,
    body: String,
    rule_ids: Vec<String>,
    location: LocationTwin,
    related: Vec<RelatedTwin>,
    suggestion: Option<String>,
    confidence: u8,
    sources: Vec<String>,
    standing: String,
    prior_id: Option<String>,
}

#[derive(Deserialize)]
struct LocationTwin {
    path: String,
    first: Option<LineTwin>,
    last: Option<LineTwin>,
    quote: Vec<String>,
}

#[derive(Deserialize)]
struct LineTwin {
    anchor: String,
}

#[derive(Deserialize)]
struct CoverageTwin {
    path: String,
    reviewer: String,
    read: String,
}

/// Reads a `result.json`. Fails with what is wrong when it is none, or of another version; a finding in it that cannot be read is a gap.
pub fn read_result(text: &str) -> Result<Told, String> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let Version { version } = serde_json::from_str(text).map_err(|error| format!("it says no version ({error})"))?;
    if version != RESULT_VERSION {
        return Err(format!("it has version {version}, and this program reads version {RESULT_VERSION}"));
    }
    let twin: ResultTwin = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let commit = |text: Option<&String>| text.map(|id| CommitId::parse(id).ok_or_else(|| format!("`{id}` is no commit"))).transpose();
    let mut told = Told {
        request: twin.merge_request.map(|request| (request.project, request.iid)),
        base: commit(twin.subject.base.as_ref())?,
        head: commit(twin.subject.head.as_ref())?,
        unread: (twin.mode != "reviewed").then(|| twin.mode_reason.unwrap_or_else(|| "there was nothing to review".to_owned())),
        incomplete: twin.incomplete.into_iter().map(|gap| Gap { what: gap.what, by_budget: gap.by_budget }).collect(),
        groups: twin.groups.iter().map(|group| group.iter().map(|path| RepoPath::from(path.as_str())).collect()).collect(),
        spending: Spending { rows: Vec::new(), prices_dated: twin.usage.prices_dated },
        ..Told::default()
    };
    for reviewer in &twin.reviewers {
        let (report, spent) = reviewed(reviewer)?;
        told.reviewers.push(report);
        told.spending.rows.extend(spent);
    }
    for row in &twin.coverage {
        let reader = name(&row.reviewer)?;
        told.coverage.reads.entry(RepoPath::from(row.path.as_str())).or_default().insert(reader, read(&row.read)?);
    }
    for finding in &twin.findings {
        if finding.standing == "verified" {
            told.verified.insert(finding.title.clone());
        }
        match claimed(finding)? {
            Ok(claims) => told.claims.extend(claims),
            Err(why) => {
                let what = format!("the finding “{}” of the result cannot be read: {why}", finding.title);
                told.incomplete.push(Gap { what, by_budget: false });
            }
        }
    }
    Ok(told)
}

impl Told {
    /// Returns how well a finding of a reviewer is founded. A critical that nobody tried to refute is not verified.
    pub fn standing(&self, title: &str, severity: Severity) -> Standing {
        match severity {
            Severity::Critical if self.verified.contains(title) => Standing::Verified,
            Severity::Critical => Standing::Unverified,
            Severity::Important | Severity::Suggestion | Severity::Nit => Standing::Checked,
        }
    }
}

fn name(word: &str) -> Result<ReviewerName, String> {
    ReviewerName::parse(word).ok_or_else(|| format!("`{word}` is no name of a reviewer"))
}

fn read(word: &str) -> Result<FileRead, String> {
    Ok(match word {
        "read" => FileRead::Read,
        "not_its_concern" => FileRead::NotItsConcern,
        "filtered" => FileRead::Filtered,
        "over_budget" => FileRead::OverBudget,
        "failed" => FileRead::Failed,
        other => return Err(format!("a file cannot be `{other}`")),
    })
}

fn reviewed(twin: &ReviewerTwin) -> Result<(ReviewerReport, Option<Spent>), String> {
    let UsageTwin { calls, input, cached, cache_write, output, cached_percent: _ } = twin.usage;
    let (name, usage) = (name(&twin.name)?, Usage { calls, input, cached, cache_write, output });
    let why = || twin.why.clone().ok_or_else(|| format!("it does not say why {} is `{}`", twin.name, twin.outcome));
    let outcome = match twin.outcome.as_str() {
        "answered" => Outcome::Answered,
        "failed" => Outcome::Failed { why: why()?, by_budget: false },
        "not_run" => Outcome::NotRun { why: why()? },
        other => return Err(format!("a reviewer cannot be `{other}`")),
    };
    // A part of unknown cost makes the whole unknown: never less than it was.
    let cost = twin.cost.usd.filter(|_| twin.cost.unknown.is_empty()).and_then(Usd::from_dollars);
    let spent = twin.model.clone().map(|model| Spent { reader: name.clone(), model, usage, cost });
    let report = ReviewerReport { name, title: twin.title.clone(), model: twin.model.clone(), outcome, usage, claims: twin.claims };
    Ok((report, spent))
}

/// Returns what a finding says as a reviewer would submit it, once for each reviewer behind it, so that it meets the bounds and checks of any
/// answer; or why it cannot be read.
fn claimed(twin: &FindingTwin) -> Result<Result<Vec<Claim>, String>, String> {
    let category = name(&twin.category)?;
    let anchor = |line: &Option<LineTwin>| line.as_ref().map(|line| line.anchor.clone()).unwrap_or_default();
    let related: Vec<_> =
        twin.related.iter().map(|place| json!({ "path": place.path, "line": place.line, "quote": place.quote })).collect();
    let submitted = json!({ "findings": [{
        "title": twin.title,
        "severity": twin.severity,
        "path": twin.location.path,
        "first": anchor(&twin.location.first),
        "last": anchor(&twin.location.last),
        "quote": twin.location.quote.join("\n"),
        "body": twin.body,
        "rule_ids": twin.rule_ids,
        "suggestion": twin.suggestion,
        "related": related,
        "confidence": f64::from(twin.confidence) / 100.0,
        "prior_id": twin.prior_id,
    }] });
    let answer = claims(&submitted, &category)?;
    if !answer.unusable.is_empty() {
        return Ok(Err(answer.unusable.join("; ")));
    }
    let mut all = Vec::new();
    for reviewer in twin.sources.iter().filter(|source| !source.starts_with("detector:")) {
        let source = Source::Reviewer(name(reviewer)?);
        all.extend(answer.items.iter().map(|claim| Claim { source: source.clone(), ..claim.clone() }));
    }
    Ok(Ok(all))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::review::{Cited, Confidence, Quoted};

    const RESULT: &str = r#"{
  "version": 1, "headline": "1 critical", "mode": "reviewed", "mode_reason": null, "verdict": "significant_concerns", "complete": false,
  "incomplete": [{ "what": "the reviewer Docs failed: no answer", "by_budget": false }],
  "subject": { "label": "!7", "base": "1111111111111111111111111111111111111111", "head": "2222222222222222222222222222222222222222" },
  "reviewers": [{
    "name": "security", "title": "Security", "model": "acme/m", "outcome": "answered", "why": null, "claims": 1,
    "usage": { "calls": 1, "input": 900, "cached": 0, "cached_percent": 0, "cache_write": 0, "output": 40 },
    "cost": { "usd": 0.25, "unknown": [] }
  }],
  "groups": [["a.py"]], "findings": [{
    "fingerprint": "f", "title": "Input reaches the shell", "severity": "critical", "category": "security", "body": "It is not quoted.",
    "rule_ids": ["SEC-0002"], "location": {
      "path": "a.py", "kind": "lines", "first": { "side": "new", "line": 3, "anchor": "3#abcd" },
      "last": { "side": "new", "line": 4, "anchor": "4#ef01" }, "quote": ["run(x)", "run(y)"], "no_line": null
    },
    "related": [{ "path": "b.py", "line": 9, "quote": "shell" }], "suggestion": "run([x])", "suggestion_applies": true, "confidence": 90,
    "sources": ["detector:SEC-0002", "security", "quality"], "standing": "verified", "prior_id": "F-3"
  }],
  "coverage": [{ "path": "a.py", "reviewer": "security", "read": "read" }, { "path": "a.py", "reviewer": "docs", "read": "failed" }],
  "usage": { "prices_dated": "2026-11-01" }, "merge_request": { "project": 42, "iid": 7, "round": 1 }
}"#;

    #[test]
    fn a_finding_is_a_claim_of_each_reviewer_behind_it() {
        let told = read_result(RESULT).unwrap();
        let sources: Vec<String> = told.claims.iter().map(|claim| format!("{:?}", claim.source)).collect();
        assert_eq!(sources, [r#"Reviewer(ReviewerName("security"))"#, r#"Reviewer(ReviewerName("quality"))"#]);
        let expected = Claim {
            title: "Input reaches the shell".to_owned(),
            severity: Severity::Critical,
            category: ReviewerName::parse("security").unwrap(),
            body: "It is not quoted.".to_owned(),
            rule_ids: vec!["SEC-0002".to_owned()],
            cited: Cited {
                path: "a.py".to_owned(),
                first: "3#abcd".to_owned(),
                last: "4#ef01".to_owned(),
                quote: "run(x)\nrun(y)".to_owned(),
            },
            related: vec![Quoted { path: "b.py".to_owned(), line: 9, quote: "shell".to_owned() }],
            suggestion: Some("run([x])".to_owned()),
            confidence: Confidence::from_share(0.9),
            source: Source::Reviewer(ReviewerName::parse("security").unwrap()),
            prior_id: Some("F-3".to_owned()),
        };
        assert_eq!(told.claims[0], expected);
    }

    #[test]
    fn what_was_done_and_what_was_not_comes_along() {
        let told = read_result(RESULT).unwrap();
        assert_eq!((told.request, told.head.unwrap().short(), told.base.unwrap().short()), (Some((42, 7)), "22222222", "11111111"));
        assert_eq!((told.unread, told.incomplete.len(), told.reviewers.len()), (None, 1, 1));
        assert_eq!(told.groups, [[RepoPath::from("a.py")]]);
        assert_eq!(told.spending.cost().known, Usd::from_cents(25));
        let [by] = told.coverage.reads.values().collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(by.values().copied().collect::<Vec<_>>(), [FileRead::Failed, FileRead::Read]);
    }

    #[test]
    fn a_critical_is_as_well_founded_as_its_second_look() {
        let told = read_result(RESULT).unwrap();
        assert_eq!(told.standing("Input reaches the shell", Severity::Critical), Standing::Verified);
        assert_eq!(told.standing("Another", Severity::Critical), Standing::Unverified);
        assert_eq!(told.standing("Another", Severity::Important), Standing::Checked);
    }

    #[test]
    fn a_finding_that_cannot_be_read_is_a_gap_and_spoils_no_other() {
        let told = read_result(&RESULT.replace(r#""severity": "critical""#, r#""severity": "grave""#)).unwrap();
        assert!(told.claims.is_empty());
        let said = &told.incomplete[1].what;
        assert!(said.starts_with("the finding “Input reaches the shell” of the result cannot be read: "), "{said}");
    }

    #[test]
    fn another_version_and_another_file_are_refused() {
        assert_eq!(read_result(r#"{"version": 2}"#).unwrap_err(), "it has version 2, and this program reads version 1");
        assert_eq!(read_result("{}").unwrap_err(), "it says no version (missing field `version` at line 1 column 2)");
        assert_eq!(read_result(r#"{"version": 1}"#).unwrap_err(), "missing field `mode` at line 1 column 14");
        let said = read_result(&RESULT.replace(r#""read": "read""#, r#""read": "skimmed""#)).unwrap_err();
        assert_eq!(said, "a file cannot be `skimmed`");
        let said = read_result(&RESULT.replace(r#""outcome": "answered""#, r#""outcome": "failed""#)).unwrap_err();
        assert_eq!(said, "it does not say why security is `failed`");
    }

    proptest! {
        #[test]
        fn a_damaged_result_is_read_or_refused(at in 0..RESULT.len(), cut in 0..40_usize, put in ".{0,6}") {
            let (start, end) = (RESULT.floor_char_boundary(at), RESULT.floor_char_boundary((at + cut).min(RESULT.len())));
            let text = format!("{}{put}{}", &RESULT[..start], &RESULT[end..]);
            if let Ok(told) = read_result(&text) {
                prop_assert!(told.claims.len() <= 3, "{:?}", told.claims);
            }
        }
    }
}
