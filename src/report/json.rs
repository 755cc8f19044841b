//! `result.json`: the whole review in a published, versioned form. The types are twins of the core's, so that the core may change without it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::request::{OnRequest, RequestTwin, twin};
use crate::change::{Anchor, Side};
use crate::review::{
    Claim, Cost, Dropped, Finding, Mode, NoLine, Outcome, Place, Related, Review, ReviewerReport, Source, Spending, Standing, Suggestion,
    Usage, Usd,
};

/// The version of the format. Fields may be added under the same version; anything else raises it.
pub const RESULT_VERSION: u32 = 1;

/// Returns the review as `result.json`, indented, with a line feed at the end; with what became of it on its merge request, if it has one.
pub fn json(review: &Review, request: Option<&OnRequest>) -> String {
    let mut text = serde_json::to_string_pretty(&result(review, request)).expect("the twin has string keys only");
    text.push('\n');
    text
}

/// Returns the JSON schema (draft 2020-12) of `result.json`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ResultFile).to_value()
}

/// One review by Assize.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "Assize result.json")]
struct ResultFile {
    /// Version of this format.
    version: u32,
    /// The one line that must be enough.
    headline: String,
    /// Over the findings: `approved`, `approved_with_comments`, `minor_issues` or `significant_concerns`.
    verdict: &'static str,
    /// Everything that the tier requires was done.
    complete: bool,
    /// Why not, one sentence each.
    incomplete: Vec<GapTwin>,
    /// `reviewed`, `detectors_only` or `nothing_to_review`.
    mode: &'static str,
    /// Why only detectors ran.
    mode_reason: Option<String>,
    /// What was reviewed.
    subject: SubjectTwin,
    /// The tier with its reasons.
    tier: TierTwin,
    /// Number of rules in force.
    rules: usize,
    /// The groups that the change was cut into.
    groups: Vec<Vec<String>>,
    /// The roster with outcomes and cost.
    reviewers: Vec<ReviewerTwin>,
    /// Findings, worst first.
    findings: Vec<FindingTwin>,
    /// Claims that became no finding, each with its reason.
    dropped: Vec<DroppedTwin>,
    /// Files left out of the reviewers' view, by reason.
    left_out: Vec<LeftOutTwin>,
    /// Files whose mark as generated is new, and which were reviewed for that.
    newly_generated: Vec<String>,
    /// Every file and reviewer with what became of it.
    coverage: Vec<CoverageTwin>,
    /// Providers that received code.
    received_code: Vec<String>,
    /// What all models used together, and what it cost.
    usage: SumTwin,
    /// Remarks about the run.
    remarks: Vec<String>,
    /// The merge request, if it was one's review.
    merge_request: Option<RequestTwin>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct GapTwin {
    pub(super) what: String,
    /// A ceiling or coverage stopped it, not a fault outside.
    pub(super) by_budget: bool,
}

#[derive(Serialize, JsonSchema)]
struct SubjectTwin {
    label: String,
    base: Option<String>,
    head: Option<String>,
    /// Files that passed the filter.
    files: usize,
    added: usize,
    removed: usize,
}

#[derive(Serialize, JsonSchema)]
struct TierTwin {
    /// `trivial`, `lite` or `full`.
    tier: &'static str,
    reasons: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct ReviewerTwin {
    name: String,
    title: String,
    model: Option<String>,
    /// `answered`, `failed` or `not_run`.
    outcome: &'static str,
    /// Why it failed or was not run.
    why: Option<String>,
    claims: usize,
    usage: UsageTwin,
    cost: CostTwin,
}

#[derive(Serialize, JsonSchema)]
struct SumTwin {
    tokens: UsageTwin,
    cost: CostTwin,
    /// The day of the published prices, `YYYY-MM-DD`.
    prices_dated: Option<String>,
    /// Each model that was asked, whether it answered or not.
    models: Vec<ModelTwin>,
}

#[derive(Serialize, JsonSchema)]
struct ModelTwin {
    /// `provider/model`.
    model: String,
    tokens: UsageTwin,
    cost: CostTwin,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct CostTwin {
    /// US dollars; null if nothing of it is known.
    pub(super) usd: Option<f64>,
    /// Models whose cost is unknown, and not in `usd`.
    pub(super) unknown: Vec<String>,
}

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub(super) struct UsageTwin {
    /// Requests, retries included.
    pub(super) calls: u64,
    /// Input tokens, cached ones included.
    pub(super) input: u64,
    /// Input tokens read from the provider's cache.
    pub(super) cached: u64,
    /// Input tokens read from the provider's cache, per cent of all input; null without input.
    pub(super) cached_percent: Option<u64>,
    /// Input tokens written to the provider's cache.
    pub(super) cache_write: u64,
    pub(super) output: u64,
}

#[derive(Serialize, JsonSchema)]
struct FindingTwin {
    fingerprint: String,
    title: String,
    /// `critical`, `important`, `suggestion` or `nit`.
    severity: &'static str,
    /// The reviewer whose field it is.
    category: String,
    body: String,
    rule_ids: Vec<String>,
    location: LocationTwin,
    related: Vec<RelatedTwin>,
    suggestion: Option<String>,
    /// The suggestion fits and may be applied as it is.
    suggestion_applies: bool,
    /// Per cent.
    confidence: u8,
    /// `detector:RULE-ID` or the name of a reviewer.
    sources: Vec<String>,
    /// `confirmed`, `verified`, `unverified` or `checked`.
    standing: &'static str,
    prior_id: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct LocationTwin {
    path: String,
    /// `lines`, `file` or `outside`.
    kind: &'static str,
    first: Option<LineTwin>,
    last: Option<LineTwin>,
    /// The text of the lines.
    quote: Vec<String>,
    /// Why a finding on a file has no line.
    no_line: Option<&'static str>,
}

#[derive(Serialize, JsonSchema)]
struct LineTwin {
    /// `old` or `new`.
    side: &'static str,
    line: u32,
    /// As readers copy it, e.g. `41#3fa2`.
    anchor: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct RelatedTwin {
    pub(super) path: String,
    pub(super) line: u32,
    pub(super) quote: String,
}

#[derive(Serialize, JsonSchema)]
struct DroppedTwin {
    reason: &'static str,
    detail: String,
    title: String,
    severity: &'static str,
    category: String,
    body: String,
    rule_ids: Vec<String>,
    path: String,
    first: String,
    last: String,
    quote: String,
    source: String,
    confidence: u8,
}

#[derive(Serialize, JsonSchema)]
struct LeftOutTwin {
    path: String,
    reason: String,
}

#[derive(Serialize, JsonSchema)]
struct CoverageTwin {
    path: String,
    reviewer: String,
    /// `read`, `not_its_concern`, `filtered`, `over_budget` or `failed`.
    read: &'static str,
}

fn result(review: &Review, request: Option<&OnRequest>) -> ResultFile {
    let (mode, mode_reason) = match &review.mode {
        Mode::Reviewed => ("reviewed", None),
        Mode::DetectorsOnly(why) => ("detectors_only", Some(why.clone())),
        Mode::NothingToReview => ("nothing_to_review", None),
    };
    ResultFile {
        version: RESULT_VERSION,
        headline: super::headline(review),
        verdict: review.verdict.word(),
        complete: review.complete(),
        incomplete: review.incomplete.iter().map(|gap| GapTwin { what: gap.what.clone(), by_budget: gap.by_budget }).collect(),
        mode,
        mode_reason,
        subject: SubjectTwin {
            label: review.subject.label.clone(),
            base: review.subject.base.as_ref().map(ToString::to_string),
            head: review.subject.head.as_ref().map(ToString::to_string),
            files: review.size.files,
            added: review.size.added,
            removed: review.size.removed,
        },
        tier: TierTwin { tier: review.tier.tier.word(), reasons: review.tier.reasons.clone() },
        rules: review.rules,
        groups: review.groups.iter().map(|group| group.iter().map(ToString::to_string).collect()).collect(),
        reviewers: review.reviewers.iter().map(|report| reviewer(report, &review.spending)).collect(),
        findings: review.findings.iter().map(finding).collect(),
        dropped: review.dropped.iter().map(dropped).collect(),
        left_out: left_out_files(review),
        newly_generated: review.newly_generated.iter().map(ToString::to_string).collect(),
        coverage: coverage(review),
        received_code: review.received_code.clone(),
        usage: sum(&review.spending),
        remarks: review.remarks.clone(),
        merge_request: request.map(twin),
    }
}

fn reviewer(report: &ReviewerReport, spending: &Spending) -> ReviewerTwin {
    let (outcome, why) = match &report.outcome {
        Outcome::Answered => ("answered", None),
        Outcome::Failed { why, .. } => ("failed", Some(why.clone())),
        Outcome::NotRun { why } => ("not_run", Some(why.clone())),
    };
    ReviewerTwin {
        name: report.name.to_string(),
        title: report.title.clone(),
        model: report.model.clone(),
        outcome,
        why,
        claims: report.claims,
        usage: usage(report.usage),
        cost: cost(&spending.cost_of(&report.name)),
    }
}

fn usage(usage: Usage) -> UsageTwin {
    let Usage { calls, input, cached, cache_write, output } = usage;
    UsageTwin { calls, input, cached, cached_percent: usage.cached_percent(), cache_write, output }
}

fn cost(cost: &Cost) -> CostTwin {
    let known = cost.unknown.is_empty() || cost.known > Usd::ZERO;
    CostTwin { usd: known.then(|| cost.known.dollars()), unknown: cost.unknown.clone() }
}

fn sum(spending: &Spending) -> SumTwin {
    let model =
        |(model, tokens, known): (&str, Usage, Cost)| ModelTwin { model: model.to_owned(), tokens: usage(tokens), cost: cost(&known) };
    SumTwin {
        tokens: usage(spending.usage()),
        cost: cost(&spending.cost()),
        prices_dated: spending.prices_dated.clone(),
        models: spending.by_model().into_iter().map(model).collect(),
    }
}

fn finding(finding: &Finding) -> FindingTwin {
    let (suggestion, suggestion_applies) = match &finding.suggestion {
        Suggestion::None => (None, false),
        Suggestion::Applies(code) => (Some(code.clone()), true),
        Suggestion::Plain { code, .. } => (Some(code.clone()), false),
    };
    FindingTwin {
        fingerprint: finding.fingerprint.clone(),
        title: finding.title.clone(),
        severity: finding.severity.word(),
        category: finding.category.to_string(),
        body: finding.body.clone(),
        rule_ids: finding.rule_ids.iter().map(ToString::to_string).collect(),
        location: location(&finding.place),
        related: finding.related.iter().map(related).collect(),
        suggestion,
        suggestion_applies,
        confidence: finding.confidence.percent(),
        sources: finding.sources.iter().map(source).collect(),
        standing: match finding.standing {
            Standing::Confirmed => "confirmed",
            Standing::Verified => "verified",
            Standing::Unverified => "unverified",
            Standing::Checked => "checked",
        },
        prior_id: finding.prior_id.clone(),
    }
}

fn location(place: &Place) -> LocationTwin {
    match place {
        Place::Lines(span) => LocationTwin {
            path: span.path().to_string(),
            kind: "lines",
            first: Some(line(span.first())),
            last: Some(line(span.last())),
            quote: span.text().to_vec(),
            no_line: None,
        },
        Place::File { path, why } => LocationTwin {
            path: path.to_string(),
            kind: "file",
            first: None,
            last: None,
            quote: Vec::new(),
            no_line: Some(match why {
                NoLine::WholeFile => "whole_file",
                NoLine::NotFound => "not_found",
            }),
        },
        Place::Outside(place) => LocationTwin {
            path: place.path.to_string(),
            kind: "outside",
            first: None,
            last: None,
            quote: vec![place.quote.clone()],
            no_line: None,
        },
    }
}

fn line(anchor: Anchor) -> LineTwin {
    let side = match anchor.side() {
        Side::Old => "old",
        Side::New => "new",
    };
    LineTwin { side, line: anchor.line(), anchor: anchor.reference().to_string() }
}

fn related(related: &Related) -> RelatedTwin {
    RelatedTwin { path: related.path.to_string(), line: related.line, quote: related.quote.clone() }
}

fn source(source: &Source) -> String {
    match source {
        Source::Detector(rule) => format!("detector:{rule}"),
        Source::Reviewer(name) => name.to_string(),
    }
}

fn dropped(dropped: &Dropped) -> DroppedTwin {
    let Claim { title, severity, category, body, rule_ids, cited, confidence, source: from, .. } = &dropped.claim;
    DroppedTwin {
        reason: dropped.reason.word(),
        detail: dropped.detail.clone(),
        title: title.clone(),
        severity: severity.word(),
        category: category.to_string(),
        body: body.clone(),
        rule_ids: rule_ids.clone(),
        path: cited.path.clone(),
        first: cited.first.clone(),
        last: cited.last.clone(),
        quote: cited.quote.clone(),
        source: source(from),
        confidence: confidence.percent(),
    }
}

fn left_out_files(review: &Review) -> Vec<LeftOutTwin> {
    review
        .left_out
        .iter()
        .map(|file| LeftOutTwin { path: file.path.to_string(), reason: super::words::left_out_reason(&file.reason) })
        .collect()
}

fn coverage(review: &Review) -> Vec<CoverageTwin> {
    use crate::review::FileRead;
    let word = |read| match read {
        FileRead::Read => "read",
        FileRead::NotItsConcern => "not_its_concern",
        FileRead::Filtered => "filtered",
        FileRead::OverBudget => "over_budget",
        FileRead::Failed => "failed",
    };
    let rows = review.coverage.reads.iter().flat_map(|(path, by)| by.iter().map(move |(reviewer, read)| (path, reviewer, *read)));
    rows.map(|(path, reviewer, read)| CoverageTwin { path: path.to_string(), reviewer: reviewer.to_string(), read: word(read) }).collect()
}
