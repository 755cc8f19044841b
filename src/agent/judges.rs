//! The coordinator and the refuter: they judge what the reviewers found, over the same tools and, where they share a model, the same cached prefix.
//! It must not apply what they say: `review` does, by its own rules.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::panel::{Panel, Unavailable};
use super::reading::{self, Submit, Task};
use super::tools::tool_specs;
use crate::model::Started;
use crate::review::{Finding, Judgement, ModelClass, Outcome, Prompt, ReviewerReport, Usage, brief, judgements, to_refute};

/// What a judge said.
pub struct Judged {
    /// The judgements that could be read.
    pub judgements: Vec<Judgement>,
    /// How it went.
    pub report: ReviewerReport,
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
            return Judged { judgements: Vec::new(), report: report(None, Outcome::Failed { why, by_budget: false }, Usage::default(), 0) };
        }
    };
    let boundary = &panel.desk.boundary;
    let change: Arc<str> = if panel.groups.len() == 1 {
        brief::change(boundary, &panel.desk.change, panel.groups, 0).into()
    } else {
        brief::change_by_name(boundary, &panel.desk.change).into()
    };
    let left = panel.deadline.saturating_duration_since(Instant::now());
    let task = Task {
        reader: prompt.name.to_string(),
        model,
        deadline: Instant::now() + prompt.timeout.min(left).max(Duration::from_millis(1)),
        may: &prompt.tools,
        submit: Submit::Verdict,
        tools: tool_specs(),
        system: panel.system.clone(),
        change,
        brief: brief::judge(boundary, prompt, panel.words, candidates, panel.language),
    };
    let read = reading::read(task, panel.desk, &Started::default(), judgements).await;
    let outcome = match read.failed.clone() {
        None => Outcome::Answered,
        Some(fault) => Outcome::Failed { why: fault.why, by_budget: fault.by_budget },
    };
    let model = (!read.by.is_empty()).then(|| read.by.iter().map(String::as_str).collect::<Vec<_>>().join(" and "));
    Judged { report: report(model, outcome, read.usage(), read.items.len()), judgements: read.items }
}
