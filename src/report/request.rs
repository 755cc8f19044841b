//! What became of a review on its merge request, for `result.json` and the terminal. It must not know how anything is posted.

use schemars::JsonSchema;
use serde::Serialize;

use crate::change::{CommitId, Side};
use crate::review::{Tier, Verdict};
use crate::round::{FindingId, Known, Measures, Status};

/// What became of a review on its merge request.
#[derive(Clone, Debug, PartialEq)]
pub struct OnRequest {
    /// Page of the merge request.
    pub url: String,
    /// Number of the target project.
    pub project: u64,
    /// Number within it.
    pub iid: u64,
    /// The round's number.
    pub round: u32,
    /// The tip of the target branch that the instructions came from.
    pub target: CommitId,
    /// The tier that somebody asked for.
    pub forced: Option<Tier>,
    /// Over everything that is open.
    pub verdict: Verdict,
    /// The lasting names of the review's findings, in their order.
    pub seen: Vec<FindingId>,
    /// Every finding of every round.
    pub findings: Vec<Known>,
    /// How much of the plan was done.
    pub posting: Posting,
    /// The plan, with what became of each action.
    pub actions: Vec<ActionTold>,
    /// Requests to GitLab.
    pub calls: u64,
    /// How the rounds went so far.
    pub measures: Measures,
}

/// Whether anything was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posting {
    /// It was.
    Done,
    /// It was not meant to be; why, as a clause.
    Withheld(String),
}

/// An action of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionTold {
    /// What was to be done, one line.
    pub what: String,
    /// Why it was not, if it was not.
    pub undone: Option<String>,
}

/// The merge request that a review was about, and what was done on it.
#[derive(Serialize, JsonSchema)]
pub(super) struct RequestTwin {
    url: String,
    project: u64,
    iid: u64,
    round: u32,
    /// The tip of the target branch that configuration, prompts and rules came from.
    target: String,
    /// The tier that a label or the command line asked for.
    forced_tier: Option<&'static str>,
    /// Over everything that is open, earlier rounds included.
    verdict: &'static str,
    /// The lasting names of `findings`, in their order, e.g. `F-3`.
    names: Vec<String>,
    /// Every finding of every round.
    ledger: Vec<LedgerTwin>,
    /// Why nothing was posted, if that was the intention.
    withheld: Option<String>,
    /// The plan, with what became of it.
    actions: Vec<ActionTwin>,
    /// Requests to GitLab.
    gitlab_calls: u64,
    /// How the rounds went so far, this one included.
    rounds: MeasuresTwin,
}

#[derive(Serialize, JsonSchema)]
struct MeasuresTwin {
    /// Rounds so far.
    rounds: u32,
    /// The round after which no finding was open; absent while one is.
    clean_after: Option<u32>,
    /// Findings that were raised, forgotten ones included.
    raised: u32,
    open: u32,
    /// Those that were checked to be fixed.
    fixed: u32,
    /// Those that a person decided to leave.
    dismissed: u32,
    /// Closed ones that are no longer remembered.
    forgotten: u32,
    /// Fixed ones in per cent of those that are remembered; absent without findings.
    fixed_percent: Option<u32>,
    /// How often a closed finding was raised again.
    raised_again: u32,
    /// Findings in code that an earlier round had read without seeing them.
    late: u32,
}

#[derive(Serialize, JsonSchema)]
struct LedgerTwin {
    /// Its lasting name, e.g. `F-3`.
    id: String,
    fingerprint: String,
    title: String,
    /// `critical`, `important`, `suggestion` or `nit`.
    severity: &'static str,
    rule_ids: Vec<String>,
    path: String,
    line: Option<u32>,
    /// `old` or `new`.
    side: &'static str,
    /// `open`, `claimed_fixed`, `fixed` or `dismissed`.
    status: &'static str,
    /// Who claimed or dismissed it.
    by: Option<String>,
    /// The reason given.
    why: Option<String>,
    /// The head at which it was fixed.
    fixed_at: Option<String>,
    first_round: u32,
    last_round: u32,
    /// GitLab's ID of its thread.
    thread: Option<String>,
    /// The address of its thread.
    link: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct ActionTwin {
    what: String,
    done: bool,
    /// Why it was not done.
    why: Option<String>,
}

pub(super) fn twin(request: &OnRequest) -> RequestTwin {
    RequestTwin {
        url: request.url.clone(),
        project: request.project,
        iid: request.iid,
        round: request.round,
        target: request.target.to_string(),
        forced_tier: request.forced.map(Tier::word),
        verdict: request.verdict.word(),
        names: request.seen.iter().map(ToString::to_string).collect(),
        ledger: request.findings.iter().map(|known| ledger(known, &request.url)).collect(),
        withheld: match &request.posting {
            Posting::Done => None,
            Posting::Withheld(why) => Some(why.clone()),
        },
        actions: request
            .actions
            .iter()
            .map(|action| ActionTwin { what: action.what.clone(), done: done(request, action), why: action.undone.clone() })
            .collect(),
        gitlab_calls: request.calls,
        rounds: measures(request.measures),
    }
}

fn measures(measures: Measures) -> MeasuresTwin {
    let Measures { rounds, clean_after, raised, open, fixed, dismissed, forgotten, raised_again, late } = measures;
    let fixed_percent = measures.fixed_percent();
    MeasuresTwin { rounds, clean_after, raised, open, fixed, dismissed, forgotten, fixed_percent, raised_again, late }
}

fn done(request: &OnRequest, action: &ActionTold) -> bool {
    request.posting == Posting::Done && action.undone.is_none()
}

fn ledger(known: &Known, url: &str) -> LedgerTwin {
    let (status, by, why, fixed_at) = match &known.status {
        Status::Open => ("open", None, None, None),
        Status::ClaimedFixed { by } => ("claimed_fixed", by.clone(), None, None),
        Status::Fixed { commit, .. } => ("fixed", None, None, Some(commit.to_string())),
        Status::Dismissed { by, why } => ("dismissed", Some(by.clone()), Some(why.clone()), None),
    };
    LedgerTwin {
        id: known.id.to_string(),
        fingerprint: known.fingerprint.clone(),
        title: known.title.clone(),
        severity: known.severity.word(),
        rule_ids: known.rule_ids.iter().map(ToString::to_string).collect(),
        path: known.place.path.to_string(),
        line: known.place.line,
        side: match known.place.side {
            Side::Old => "old",
            Side::New => "new",
        },
        status,
        by,
        why,
        fixed_at,
        first_round: known.first,
        last_round: known.last,
        thread: known.thread.as_ref().map(|thread| thread.id.clone()),
        link: known.thread.as_ref().map(|thread| format!("{url}#note_{}", thread.note)),
    }
}

/// Returns what was done on the merge request, for a terminal: one line, and one more for each thing that could not be done.
pub fn posted(request: &OnRequest) -> String {
    let mut lines = match &request.posting {
        Posting::Withheld(why) => vec![format!("Not posted   {why}")],
        Posting::Done => {
            let done = request.actions.iter().filter(|action| done(request, action)).count();
            vec![format!(
                "Posted       {} on {} (round {}, {} requests)",
                super::plural(done, "thing"),
                request.url,
                request.round,
                request.calls
            )]
        }
    };
    for action in request.actions.iter().filter(|action| action.undone.is_some()) {
        lines.push(format!("Not done     {}: {}", action.what, action.undone.as_deref().unwrap_or_default()));
    }
    if request.actions.iter().any(|action| action.undone.is_some()) {
        lines.push("To finish    run the job again, or `assize publish` with its result.json: no model is asked again".to_owned());
    }
    lines.join("\n") + "\n"
}
