//! Tests of the loop with recorded answers, on a clock that stands still: turns, deadlines, repetitions. What a person would notice is in stories.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde_json::json;
use tokio::sync::OnceCell;

use super::*;
use crate::change::Change;
use crate::codex::{Mask, RuleSet};
use crate::model::{ModelError, ModelErrorKind, Recorded, RecordedAnswer};
use crate::review::{Boundary, ReviewerName, claims};

fn desk() -> Desk {
    Desk {
        files: Some(crate::checkout::Files::Memory(BTreeMap::from([("a.rs".into(), b"fn a() {}".to_vec())]))),
        head: None,
        change: Change::default(),
        rules: RuleSet::build(Vec::new(), &BTreeMap::new(), &BTreeMap::new()).unwrap(),
        mask: Mask::new(&[], b"k"),
        boundary: Boundary::new(b"k"),
        withheld: Box::new(|_| false),
        corpus: OnceCell::new(),
    }
}

fn reply(calls: &[(&str, Value)]) -> Reply {
    let calls = calls.iter().enumerate().map(|(id, (name, arguments))| ToolCall {
        id: id.to_string(),
        name: (*name).to_owned(),
        arguments: arguments.clone(),
    });
    let usage = Usage { calls: 1, input: 10, ..Usage::default() };
    Reply { text: String::new(), calls: calls.collect(), stop: Stop::Done, usage, by: "acme/m".into(), tried: vec![] }
}

async fn run(model: Arc<dyn Model>) -> Read<crate::review::Claim> {
    let task = Task {
        reader: "quality".into(),
        model: &model,
        deadline: Instant::now() + Duration::from_mins(1),
        worth: Worth::Most,
        may: &[Tool::ReadRule, Tool::ListFiles],
        submit: Submit::Findings,
        tools: Arc::new([]),
        system: "s".into(),
        change: "c".into(),
        brief: "b".into(),
    };
    let name = ReviewerName::parse("quality").unwrap();
    read(task, &desk(), &Started::default(), |answer| claims(answer, &name)).await
}

fn recorded(replies: Vec<Reply>) -> Arc<dyn Model> {
    Arc::new(Recorded::new("acme/m", replies.into_iter().map(|reply| RecordedAnswer { reader: "quality".into(), reply: Ok(reply) })))
}

#[tokio::test]
async fn a_reader_that_never_ends_is_cut_by_its_turns_and_its_usage_counts() {
    let endless = (0..MAX_TURNS + 5).map(|turn| reply(&[("list_files", json!({ "glob": format!("{turn}/**") }))])).collect();
    let read = run(recorded(endless)).await;
    let fault = read.failed.clone().unwrap();
    assert_eq!((fault.why.as_str(), fault.by_budget()), ("it did not end within 24 turns", true));
    assert_eq!(total(&read.spent).calls, MAX_TURNS as u64);
}

#[tokio::test]
async fn too_many_calls_are_a_budget() {
    let many: Vec<(String, Value)> = (0..60).map(|number| ("read_rule".to_owned(), json!({ "id": number }))).collect();
    let replies = (0..3)
        .map(|turn| reply(&many.iter().map(|(name, id)| (name.as_str(), json!({ "id": format!("{turn}{id}") }))).collect::<Vec<_>>()));
    let fault = run(recorded(replies.collect())).await.failed.unwrap();
    assert_eq!((fault.why.as_str(), fault.by_budget()), ("it made more than 120 tool calls", true));
}

/// A model that never answers.
struct Silent;

impl Model for Silent {
    fn name(&self) -> &'static str {
        "acme/silent"
    }

    fn turn<'a>(&'a self, _request: &'a Request, _started: &'a Started) -> BoxFuture<'a, Result<Reply, ModelError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_over_its_time_is_cut() {
    let begun = Instant::now();
    let fault = run(Arc::new(Silent)).await.failed.unwrap();
    assert_eq!((fault.why.as_str(), fault.by_budget(), begun.elapsed().as_secs()), ("it was over its time", true, 60));
}

#[tokio::test]
async fn submitting_beside_other_calls_ends_the_reading() {
    let both = reply(&[("read_rule", json!({ "id": "QUAL-0001" })), ("submit_findings", json!({ "findings": [] }))]);
    let read = run(recorded(vec![both])).await;
    assert_eq!((read.failed, read.items.len()), (None, 0));
}

#[tokio::test]
async fn a_reader_whose_calls_nothing_can_answer_is_given_up() {
    let lost = (0..MAX_TURNS).map(|turn| reply(&[("run_shell", json!({ "command": turn }))])).collect();
    let read = run(recorded(lost)).await;
    assert_eq!(read.failed.unwrap().why, "6 times in a row it called tools in a way that none could answer");
    assert_eq!(total(&read.spent).calls, 6);
}

/// A model that takes so many bytes of tool answers, and asks for more until it is told that some were left out.
struct Narrow;

impl Model for Narrow {
    fn name(&self) -> &'static str {
        "acme/narrow"
    }

    fn turn<'a>(&'a self, request: &'a Request, _started: &'a Started) -> BoxFuture<'a, Result<Reply, ModelError>> {
        let texts = || request.turns.iter().flat_map(|exchange| &exchange.results).map(|result| result.text.as_str());
        let outcome = if texts().map(str::len).sum::<usize>() > 600 {
            Err(ModelError::new(ModelErrorKind::TooLong, "too long"))
        } else if texts().any(|text| text == LEFT_OUT) {
            Ok(reply(&[("submit_findings", json!({ "findings": [] }))]))
        } else {
            Ok(reply(&[("x".repeat(700).as_str(), json!({}))]))
        };
        Box::pin(async { outcome })
    }
}

#[tokio::test]
async fn a_conversation_that_outgrew_its_model_is_shortened_once() {
    assert_eq!(run(Arc::new(Narrow)).await.failed, None);
}

/// A model that fills its context with words, so that its answer is cut, and takes no conversation that holds them.
struct Wordy;

impl Model for Wordy {
    fn name(&self) -> &'static str {
        "acme/wordy"
    }

    fn turn<'a>(&'a self, request: &'a Request, _started: &'a Started) -> BoxFuture<'a, Result<Reply, ModelError>> {
        let outcome = match request.turns.first().map(|exchange| exchange.reply.text.len()) {
            None => Ok(Reply { text: "w".repeat(900), stop: Stop::Length, ..reply(&[]) }),
            Some(900) => Err(ModelError::new(ModelErrorKind::TooLong, "too long")),
            Some(_) => Ok(reply(&[("submit_findings", json!({ "findings": [] }))])),
        };
        Box::pin(async { outcome })
    }
}

#[tokio::test]
async fn words_that_fill_the_context_are_left_out_too() {
    assert_eq!(run(Arc::new(Wordy)).await.failed, None);
}

#[tokio::test]
async fn a_ceiling_that_is_met_is_a_budget() {
    let met = RecordedAnswer { reader: "quality".into(), reply: Err(ModelError::new(ModelErrorKind::Ceiling, "no room")) };
    let fault = run(Arc::new(Recorded::new("acme/m", [met]))).await.failed.unwrap();
    assert_eq!((fault.why.as_str(), fault.by_budget()), ("no room", true));
}

#[tokio::test]
async fn findings_submitted_one_by_one_all_count() {
    let one = |title: &str| {
        let finding = json!({ "title": title, "severity": "important", "path": "a.rs", "body": "It breaks." });
        ("submit_findings", json!({ "findings": [finding] }))
    };
    let read = run(recorded(vec![reply(&[one("first"), one("second")])])).await;
    assert_eq!(read.failed, None);
    assert_eq!(read.items.iter().map(|claim| claim.title.as_str()).collect::<Vec<_>>(), ["first", "second"]);
    // One part that cannot be read makes the answer one that is asked for again.
    let broken = vec![reply(&[one("first"), ("submit_findings", json!({}))]), reply(&[one("first"), one("third")])];
    let read = run(recorded(broken)).await;
    assert_eq!((read.failed, read.items.len(), total(&read.spent).calls), (None, 2, 2));
}
