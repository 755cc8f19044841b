//! One reader and one model: turns, tools, the answer. Bounded in turns, calls and time; an answer that stays unreadable is a failure, never an empty
//! list.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::desk::Desk;
use super::tools::{SUBMIT_FINDINGS, SUBMIT_VERDICT};
use crate::change::RepoPath;
use crate::model::{
    AnswerSchema, Exchange, Model, ModelErrorKind, Patience, Reply, Request, Started, Stop, ToolCall, ToolResult, ToolSpec,
};
use crate::review::{Answer, Tool, Usage, calls_in, findings_schema, json_in, verdict_schema};

/// Most turns of one reader.
const MAX_TURNS: usize = 24;
/// Most tool calls of one reader.
const MAX_CALLS: usize = 120;
/// Most tool calls that are answered in one turn.
const MAX_CALLS_PER_TURN: usize = 24;
/// Most tokens of one answer.
const MAX_OUTPUT_TOKENS: u32 = 16_000;
/// The longest silence within an answer.
const SILENCE: Duration = Duration::from_secs(60);

/// How a reader ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Submit {
    /// With findings.
    Findings,
    /// With judgements.
    Verdict,
}

impl Submit {
    const fn tool(self) -> &'static str {
        match self {
            Self::Findings => SUBMIT_FINDINGS,
            Self::Verdict => SUBMIT_VERDICT,
        }
    }

    fn schema(self) -> AnswerSchema {
        match self {
            Self::Findings => AnswerSchema { name: "findings", schema: findings_schema() },
            Self::Verdict => AnswerSchema { name: "verdict", schema: verdict_schema() },
        }
    }
}

/// What one reader is to do.
pub(super) struct Task<'a> {
    /// Who reads, for logs and recorded answers, e.g. `security` or `security@2` for the second group.
    pub(super) reader: String,
    /// The model.
    pub(super) model: &'a Arc<dyn Model>,
    /// How long until the first byte of an answer.
    pub(super) first_byte: Duration,
    /// When it is cut.
    pub(super) deadline: Instant,
    /// The tools that it may call.
    pub(super) may: &'a [Tool],
    /// How it ends.
    pub(super) submit: Submit,
    /// All tools.
    pub(super) tools: Arc<[ToolSpec]>,
    /// Before the first bar.
    pub(super) system: Arc<str>,
    /// Before the second bar.
    pub(super) change: Arc<str>,
    /// After it.
    pub(super) brief: String,
}

/// How one reader ended.
#[derive(Debug)]
pub(super) struct Read<T> {
    /// What could be used of its answer.
    pub(super) items: Vec<T>,
    /// Why it counts as failed, if it does.
    pub(super) failed: Option<Fault>,
    /// What it used.
    pub(super) usage: Usage,
    /// Files whose whole patch it was shown by `read_diff`.
    pub(super) diffs: BTreeSet<RepoPath>,
}

/// Why a reader failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// One clause for people.
    pub(super) why: String,
    /// A ceiling stopped it, not a fault outside.
    pub(super) by_budget: bool,
}

impl Fault {
    fn outside(why: impl Into<String>) -> Self {
        Self { why: why.into(), by_budget: false }
    }

    fn budget(why: impl Into<String>) -> Self {
        Self { why: why.into(), by_budget: true }
    }
}

/// Runs one reader to its end. `parse` reads the arguments of its last call.
pub(super) async fn read<T>(
    task: Task<'_>,
    desk: &Desk,
    started: &Started,
    parse: impl Fn(&Value) -> Result<Answer<T>, String>,
) -> Read<T> {
    let mut request = Request {
        reader: task.reader.clone(),
        tools: task.tools.clone(),
        system: task.system.clone(),
        change: task.change.clone(),
        brief: task.brief.as_str().into(),
        turns: Vec::new(),
        answer: None,
        max_output: MAX_OUTPUT_TOKENS,
        cache_key: cache_key(&task.system),
        patience: Patience { first_byte: task.first_byte, silence: SILENCE, total: Duration::ZERO },
    };
    let mut read = Read { items: Vec::new(), failed: None, usage: Usage::default(), diffs: BTreeSet::new() };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut calls_made = 0;
    let (mut repaired, mut prolonged) = (false, false);
    let fault = loop {
        if request.turns.len() == MAX_TURNS {
            break Fault::budget(format!("it did not end within {MAX_TURNS} turns"));
        }
        request.patience.total = task.deadline.saturating_duration_since(Instant::now());
        let turn = timeout_at(task.deadline, task.model.turn(&request, started)).await;
        let reply = match turn {
            Err(_) => break Fault::budget("it was over its time"),
            // A server without tools, or without schemas: the same question in a plainer form.
            Ok(Err(error))
                if error.kind == ModelErrorKind::Refused
                    && request.turns.is_empty()
                    && !request.tools.is_empty()
                    && about_tools(&error.message) =>
            {
                tracing::info!(reader = task.reader, "the model takes no tools: asking for a structured answer");
                request.tools = Arc::new([]);
                request.answer = Some(task.submit.schema());
                continue;
            }
            Ok(Err(error)) => break Fault::outside(error.to_string()),
            Ok(Ok(reply)) => reply,
        };
        read.usage += reply.usage;
        if let Stop::Refused(why) = &reply.stop {
            break Fault::outside(format!("{} refused to answer: {why}", task.model.name()));
        }
        let written = if reply.calls.is_empty() { calls_in(&reply.text) } else { Vec::new() };
        let calls: Vec<(String, Value)> =
            reply.calls.iter().map(|call| (call.name.clone(), call.arguments.clone())).chain(written.clone()).collect();
        let submitted = calls.iter().find(|(name, _)| name == task.submit.tool()).map(|(_, arguments)| arguments.clone());
        let said = submitted.or_else(|| if calls.is_empty() { json_in(&reply.text) } else { None });
        if let Some(answer) = said {
            let complaint = match parse(&answer) {
                Ok(answer) => {
                    // Of two attempts the one with more to use counts; the second was asked to be whole.
                    if answer.items.len() >= read.items.len() || answer.unusable.is_empty() {
                        read.items = answer.items;
                    }
                    if answer.unusable.is_empty() {
                        return read;
                    }
                    answer.unusable.join("; ")
                }
                Err(error) => error,
            };
            if repaired {
                break Fault::outside(format!("its answer could not be read: {complaint}"));
            }
            repaired = true;
            let remark = format!(
                "Your answer could not be read: {complaint}. Submit all of it again, whole and corrected, with one call of `{}`.",
                task.submit.tool()
            );
            request.turns.push(exchange(reply, |_| remark.clone()));
            continue;
        }
        if calls.is_empty() {
            let cut = reply.stop == Stop::Length;
            let (done, fault, remark) = if cut {
                (prolonged, "its answer was cut at the limit", "Your answer was cut at the limit. Be shorter, and submit now")
            } else {
                (repaired, "it answered without submitting anything", "You have not submitted anything")
            };
            if done {
                break Fault::outside(fault);
            }
            if cut {
                prolonged = true
            } else {
                repaired = true
            }
            request
                .turns
                .push(exchange(reply, |_| String::new()).remarked(format!("{remark}: finish with one call of `{}`.", task.submit.tool())));
            continue;
        }
        calls_made += calls.len();
        if calls_made > MAX_CALLS {
            break Fault::budget(format!("it made more than {MAX_CALLS} tool calls"));
        }
        let mut answers = Vec::new();
        let mut looping = false;
        for (index, (name, arguments)) in calls.iter().enumerate() {
            let times = seen.entry(format!("{name} {arguments}")).or_insert(0);
            *times += 1;
            looping |= *times > 2;
            let answer = if *times > 1 {
                "error: you asked exactly this before; the answer is above and stays the same".to_owned()
            } else if index >= MAX_CALLS_PER_TURN {
                format!("error: at most {MAX_CALLS_PER_TURN} calls a turn are answered")
            } else {
                match Tool::parse(name) {
                    None if [SUBMIT_FINDINGS, SUBMIT_VERDICT].contains(&name.as_str()) => {
                        format!("error: you finish with `{}`", task.submit.tool())
                    }
                    None => format!("error: there is no tool `{name}`"),
                    Some(tool) if !task.may.contains(&tool) => format!("error: `{name}` is not among the tools that you may call"),
                    Some(tool) => match desk.answer(tool, arguments).await {
                        Ok(told) => {
                            read.diffs.extend(told.read);
                            told.text
                        }
                        Err(failure) => format!("error: the tool failed: {}", failure.message),
                    },
                }
            };
            answers.push(answer);
        }
        if looping {
            break Fault::outside("it kept repeating the same tool call");
        }
        let last = request.turns.len() + 2 == MAX_TURNS;
        let mut next = if reply.calls.is_empty() {
            let mut remark = String::new();
            for ((name, arguments), answer) in written.iter().zip(&answers) {
                writeln!(remark, "Answer of {name} {arguments}:\n{answer}").expect("writing to a string cannot fail");
            }
            exchange(reply, |_| String::new()).remarked(remark)
        } else {
            let mut answers = answers.into_iter();
            exchange(reply, |_| answers.next().unwrap_or_default())
        };
        if last {
            next = next.remarked(format!("This was the last turn for tools: finish now with one call of `{}`.", task.submit.tool()));
        }
        request.turns.push(next);
    };
    tracing::warn!(reader = task.reader, why = fault.why, "a reader failed");
    read.failed = Some(fault);
    read
}

/// The reply with an answer to each of its calls: providers refuse a conversation in which one is missing.
fn exchange(reply: Reply, mut answer: impl FnMut(&ToolCall) -> String) -> Exchange {
    let results: Vec<ToolResult> =
        reply.calls.iter().map(|call| ToolResult { call_id: call.id.clone(), name: call.name.clone(), text: answer(call) }).collect();
    // Without calls there is nothing that results could answer: what is to be said is a remark.
    let remark =
        if results.is_empty() { Some(answer(&ToolCall { id: String::new(), name: String::new(), arguments: Value::Null })) } else { None };
    Exchange { reply, results, remark: remark.filter(|text| !text.is_empty()) }
}

impl Exchange {
    fn remarked(mut self, remark: String) -> Self {
        self.remark = Some(match self.remark.take() {
            Some(first) => format!("{first}\n{remark}"),
            None => remark,
        });
        self
    }
}

fn about_tools(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("tool") || message.contains("function")
}

/// The same for all requests with the same beginning, and of a form that every provider takes.
fn cache_key(system: &str) -> String {
    use sha2::{Digest as _, Sha256};
    format!("assize-{}", hex::encode(&Sha256::digest(system.as_bytes())[..8]))
}

#[cfg(test)]
mod tests;
