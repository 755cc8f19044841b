//! The coordinator and the refuter: they judge what the reviewers found, over the same tools and, where they share a model, the same cached prefix.
//! It must not apply what they say: `review` does, by its own rules.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::panel::{Panel, Unavailable};
use super::reading::{self, Submit, Task, total};
use super::tools::tool_specs;
use crate::model::{Started, Worth};
use crate::review::{
    Answer, Finding, FollowUp, FollowUpAnswer, Judgement, ModelClass, Outcome, Prompt, ReviewerReport, Spent, Usage, brief,
    follow_up_answers, judgements, to_refute,
};

/// What a judge said.
pub struct Judged {
    /// The judgements that could be read.
    pub judgements: Vec<Judgement>,
    /// How it went.
    pub report: ReviewerReport,
    /// What it used.
    pub spent: Vec<Spent>,
}

/// Asks the coordinator about all findings.
pub async fn coordinate(prompt: &Prompt, class: ModelClass, findings: &[Finding], panel: &Panel<'_>) -> Judged {
    let candidates: Vec<&Finding> = findings.iter().collect();
    judge(prompt, class, &candidates, panel).await
}

/// Asks the refuter about the criticals that only models claim.
pub async fn refute(prompt: &Prompt, findings: &[Finding], panel: &Panel<'_>) -> Judged {
    let candidates: Vec<&Finding> = to_refute(findings).into_iter().map(|index| &findings[index]).collect();
    judge(prompt, prompt.class, &candidates, panel).await
}

async fn judge(prompt: &Prompt, class: ModelClass, candidates: &[&Finding], panel: &Panel<'_>) -> Judged {
    let brief = brief::judge(&panel.desk.boundary, prompt, panel.words, candidates, panel.language);
    let (judgements, mut report, spent) = ask(prompt, class, brief, judgements, panel).await;
    report.claims = judgements.len();
    Judged { judgements, report, spent }
}

/// What was answered about findings of earlier rounds.
pub struct FollowedUp {
    /// The answers that could be read.
    pub answers: Vec<FollowUpAnswer>,
    /// How it went.
    pub report: ReviewerReport,
    /// What it used.
    pub spent: Vec<Spent>,
}

/// Asks about findings of earlier rounds.
pub async fn follow_up(prompt: &Prompt, class: ModelClass, questions: &[FollowUp], panel: &Panel<'_>) -> FollowedUp {
    let brief = brief::follow_up(&panel.desk.boundary, prompt, questions, panel.language);
    let (answers, report, spent) = ask(prompt, class, brief, follow_up_answers, panel).await;
    FollowedUp { answers, report, spent }
}

/// Asks a judge, with the change in front if it fits.
async fn ask<T>(
    prompt: &Prompt,
    class: ModelClass,
    brief: String,
    parse: impl Fn(&Value) -> Result<Answer<T>, String>,
    panel: &Panel<'_>,
) -> (Vec<T>, ReviewerReport, Vec<Spent>) {
    let report = |model: Option<String>, outcome: Outcome, usage: Usage, count: usize| ReviewerReport {
        name: prompt.name.clone(),
        title: prompt.title.clone(),
        model,
        outcome,
        usage,
        claims: count,
    };
    let model = match panel.models.get(class) {
        Ok(model) => model,
        Err(Unavailable(why)) => {
            let report = report(None, Outcome::Failed { why, by_budget: false }, Usage::default(), 0);
            return (Vec::new(), report, Vec::new());
        }
    };
    let boundary = &panel.desk.boundary;
    let by_name = || -> Arc<str> { brief::change_by_name(boundary, &panel.desk.change).into() };
    let whole = panel.groups.len() == 1;
    let change = if whole { brief::change(boundary, &panel.desk.change, panel.groups, 0).into() } else { by_name() };
    let left = panel.deadline.saturating_duration_since(Instant::now());
    let deadline = Instant::now() + prompt.timeout.min(left).max(Duration::from_millis(1));
    let brief: Arc<str> = brief.into();
    let ask = async |change: Arc<str>| {
        let task = Task {
            reader: prompt.name.to_string(),
            model,
            deadline,
            worth: Worth::Most,
            may: &prompt.tools,
            submit: Submit::Verdict,
            tools: tool_specs(),
            system: panel.system.clone(),
            change,
            brief: brief.to_string(),
        };
        reading::read(task, panel.desk, &Started::default(), &parse).await
    };
    let mut read = ask(change).await;
    if whole && read.too_long() {
        read.failed = None;
        read = read.and(ask(by_name()).await);
    }
    let outcome = match read.failed.clone() {
        None => Outcome::Answered,
        Some(fault) => Outcome::Failed { by_budget: fault.by_budget(), why: fault.why },
    };
    let model = (!read.by.is_empty()).then(|| read.by.iter().map(String::as_str).collect::<Vec<_>>().join(" and "));
    let spent = panel.models.spending(&prompt.name, &read.spent, &read.by);
    (read.items, report(model, outcome, total(&read.spent), 0), spent)
}
