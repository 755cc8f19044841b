//! One reader and one model: turns, tools, the answer. Bounded in turns, calls and time; an answer that stays unreadable is a failure, never an empty
//! list.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use super::desk::Desk;
use super::tools::{SUBMIT_FINDINGS, SUBMIT_VERDICT};
use crate::change::RepoPath;
use crate::model::{
    AnswerSchema, Exchange, Model, ModelErrorKind, Patience, Reply, Request, Started, Stop, ToolCall, ToolResult, ToolSpec, Worth,
};
use crate::review::{Answer, Tool, Usage, calls_in, findings_schema, json_in, verdict_schema};

/// Most turns of one reader.
const MAX_TURNS: usize = 24;
/// Most tool calls of one reader.
const MAX_CALLS: usize = 120;
/// Most tool calls that are answered in one turn.
const MAX_CALLS_PER_TURN: usize = 24;
/// Turns in a row without a call that a tool could answer, after which a reader is given up.
const MAX_FRUITLESS: usize = 6;
/// Most tokens of one answer.
const MAX_OUTPUT_TOKENS: u32 = 16_000;
/// Answers of tools that are no longer than this stay when the conversation is shortened, in bytes.
const SHORT_BYTES: usize = 500;
/// What stands in place of the longer ones.
const LEFT_OUT: &str = "(left out, because the conversation had grown too long; ask again for a smaller part if you need it, or submit)";
/// The longest silence within an answer.
const SILENCE: Duration = Duration::from_mins(1);

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
    /// When it is cut.
    pub(super) deadline: Instant,
    /// How much of a ceiling it may fill.
    pub(super) worth: Worth,
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
    /// What it used, by model.
    pub(super) spent: BTreeMap<String, Usage>,
    /// The models that answered it.
    pub(super) by: BTreeSet<String>,
    /// Files whose whole patch it was shown by `read_diff`.
    pub(super) diffs: BTreeSet<RepoPath>,
}

/// Returns what was used of all models together.
pub(super) fn total(spent: &BTreeMap<String, Usage>) -> Usage {
    spent.values().fold(Usage::default(), |mut sum, usage| {
        sum += *usage;
        sum
    })
}

/// Why a reader failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// One clause for people.
    pub(super) why: String,
    /// Where the cause lies.
    pub(super) cause: Cause,
}

/// Where the cause of a failure lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A fault outside.
    Outside,
    /// A ceiling of turns, time, money or tokens.
    Budget,
    /// The change alone is too long for the model: a smaller part of it may do.
    TooLong,
}

impl Cause {
    const fn word(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Budget => "budget",
            Self::TooLong => "too_long",
        }
    }
}

impl Fault {
    fn outside(why: impl Into<String>) -> Self {
        Self { why: why.into(), cause: Cause::Outside }
    }

    fn budget(why: impl Into<String>) -> Self {
        Self { why: why.into(), cause: Cause::Budget }
    }

    /// Returns whether a ceiling stopped it, not a fault outside.
    pub(super) fn by_budget(&self) -> bool {
        self.cause == Cause::Budget
    }
}

impl<T> Read<T> {
    /// Returns whether the change was too long for the model, so that a smaller part of it may do.
    pub(super) fn too_long(&self) -> bool {
        self.failed.as_ref().is_some_and(|fault| fault.cause == Cause::TooLong)
    }

    /// Returns both as one that failed if either did.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.items.extend(other.items);
        for (model, usage) in other.spent {
            *self.spent.entry(model).or_default() += usage;
        }
        self.by.extend(other.by);
        self.diffs.extend(other.diffs);
        Self { failed: self.failed.or(other.failed), ..self }
    }
}

/// Runs one reader to its end. `parse` reads the arguments of its last call.
pub(super) async fn read<T>(
    task: Task<'_>,
    desk: &Desk,
    started: &Started,
    parse: impl Fn(&Value) -> Result<Answer<T>, String>,
) -> Read<T> {
    let span = tracing::info_span!(
        "reader",
        otel.name = format!("invoke_agent {}", task.reader),
        gen_ai.operation.name = "invoke_agent",
        gen_ai.agent.name = task.reader,
        error.r#type = tracing::field::Empty,
    );
    let read = conversation(task, desk, started, parse).instrument(span.clone()).await;
    if let Some(fault) = &read.failed {
        span.record("error.type", fault.cause.word());
    }
    read
}

async fn conversation<T>(task: Task<'_>, desk: &Desk, started: &Started, parse: impl Fn(&Value) -> Result<Answer<T>, String>) -> Read<T> {
    let mut course = Course::new(&task);
    let mut items = Vec::new();
    let failed = loop {
        if course.request.turns.len() == MAX_TURNS {
            break Some(Fault::budget(format!("it did not end within {MAX_TURNS} turns")));
        }
        let reply = match course.ask(started).await {
            Ok(reply) => reply,
            Err(fault) => break Some(fault),
        };
        let calls = Calls::of(&reply);
        let answers = calls.answers(&reply, task.submit);
        let next = match answers.as_slice() {
            [_, ..] => {
                let complaint = match together(answers.iter().map(&parse)) {
                    Ok(answer) => {
                        // Of two attempts the one with more to use counts; the second was asked to be whole.
                        if answer.items.len() >= items.len() || answer.unusable.is_empty() {
                            items = answer.items;
                        }
                        if answer.unusable.is_empty() {
                            break None;
                        }
                        answer.unusable.join("; ")
                    }
                    Err(error) => error,
                };
                course.repair(reply, &complaint)
            }
            [] if calls.is_empty() => course.urge(reply),
            [] => course.work(reply, &calls, desk).await,
        };
        match next {
            Ok(exchange) => course.request.turns.push(exchange),
            Err(fault) => break Some(fault),
        }
    };
    if let Some(fault) = &failed {
        tracing::warn!(reader = task.reader, why = fault.why, "a reader failed");
    }
    Read { items, failed, spent: course.spent, by: course.by, diffs: course.diffs }
}

/// One conversation on its way.
struct Course<'t> {
    task: &'t Task<'t>,
    request: Request,
    spent: BTreeMap<String, Usage>,
    by: BTreeSet<String>,
    diffs: BTreeSet<RepoPath>,
    /// Calls made so far, each with how often.
    seen: BTreeMap<String, usize>,
    calls_made: usize,
    /// Turns in a row in which no call was one that a tool could answer.
    fruitless: usize,
    /// It was told once that its answer could not be read, or that there is none.
    repaired: bool,
    /// It was told once that its answer was cut.
    prolonged: bool,
    /// What tools answered was left out once, because the conversation had outgrown the model.
    shortened: bool,
}

impl<'t> Course<'t> {
    fn new(task: &'t Task<'t>) -> Self {
        let request = Request {
            reader: task.reader.clone(),
            tools: task.tools.clone(),
            system: task.system.clone(),
            change: task.change.clone(),
            brief: task.brief.as_str().into(),
            turns: Vec::new(),
            answer: None,
            max_output: MAX_OUTPUT_TOKENS,
            worth: task.worth,
            cache_key: cache_key(&task.system),
            patience: Patience { silence: SILENCE, total: Duration::ZERO },
        };
        Self {
            task,
            request,
            spent: BTreeMap::new(),
            by: BTreeSet::new(),
            diffs: BTreeSet::new(),
            seen: BTreeMap::new(),
            calls_made: 0,
            fruitless: 0,
            repaired: false,
            prolonged: false,
            shortened: false,
        }
    }

    /// Sends the conversation so far. A model that refuses tools is asked for a structured answer instead.
    async fn ask(&mut self, started: &Started) -> Result<Reply, Fault> {
        loop {
            self.request.patience.total = self.task.deadline.saturating_duration_since(Instant::now());
            let turn = timeout_at(self.task.deadline, self.task.model.turn(&self.request, started)).await;
            let error = match turn {
                Err(_) => return Err(Fault::budget("it was over its time")),
                Ok(Ok(reply)) => {
                    self.spent(&reply.tried);
                    self.spent(&[(reply.by.clone(), reply.usage)]);
                    self.by.insert(reply.by.clone());
                    return match &reply.stop {
                        Stop::Refused(why) => Err(Fault::outside(format!("{} refused to answer: {why}", reply.by))),
                        Stop::Done | Stop::Length => Ok(reply),
                    };
                }
                Ok(Err(error)) => error,
            };
            self.spent(&error.tried);
            if error.kind == ModelErrorKind::Ceiling {
                return Err(Fault::budget(error.to_string()));
            }
            if error.kind == ModelErrorKind::TimedOut && Instant::now() >= self.task.deadline {
                return Err(Fault::budget(format!("it was over its time ({error})")));
            }
            if error.kind == ModelErrorKind::TooLong {
                if self.request.turns.is_empty() {
                    return Err(Fault { why: error.to_string(), cause: Cause::TooLong });
                }
                if !std::mem::replace(&mut self.shortened, true) {
                    self.shorten();
                    continue;
                }
            }
            let first = self.request.turns.is_empty() && self.request.answer.is_none();
            if !(first && error.kind == ModelErrorKind::Refused && is_about_tools(&error.message)) {
                return Err(Fault::outside(error.to_string()));
            }
            tracing::info!(reader = self.task.reader, "the model takes no tools: asking for a structured answer");
            self.request.tools = Arc::new([]);
            self.request.answer = Some(self.task.submit.schema());
        }
    }

    /// Leaves out what tools answered so far, and what the reader wrote beside its calls. It may ask again, for less.
    fn shorten(&mut self) {
        let shorten = |text: &mut String| {
            if text.len() > SHORT_BYTES {
                LEFT_OUT.clone_into(text);
            }
        };
        for exchange in &mut self.request.turns {
            exchange.results.iter_mut().for_each(|result| shorten(&mut result.text));
            exchange.remark.iter_mut().for_each(shorten);
            shorten(&mut exchange.reply.text);
        }
        self.seen.clear();
    }

    fn spent(&mut self, by_model: &[(String, Usage)]) {
        for (model, usage) in by_model {
            *self.spent.entry(model.clone()).or_default() += *usage;
        }
    }

    /// Asks once for an answer that can be read.
    fn repair(&mut self, reply: Reply, complaint: &str) -> Result<Exchange, Fault> {
        if std::mem::replace(&mut self.repaired, true) {
            return Err(Fault::outside(format!("its answer could not be read: {complaint}")));
        }
        let remark = format!(
            "Your answer could not be read: {complaint}. Submit all of it again, whole and corrected, with one call of `{}`.",
            self.task.submit.tool()
        );
        Ok(exchange(reply, &remark))
    }

    /// Asks once for the answer that is missing, or for a shorter one if it was cut.
    fn urge(&mut self, reply: Reply) -> Result<Exchange, Fault> {
        let (told, fault, remark) = if reply.stop == Stop::Length {
            (&mut self.prolonged, "its answer was cut at the limit", "Your answer was cut at the limit; be shorter")
        } else {
            (&mut self.repaired, "it ended without submitting anything", "You have not submitted anything")
        };
        if std::mem::replace(told, true) {
            return Err(Fault::outside(fault));
        }
        Ok(exchange(reply, &format!("{remark}. Finish with one call of `{}`.", self.task.submit.tool())))
    }

    /// Answers tool calls.
    async fn work(&mut self, reply: Reply, calls: &Calls, desk: &Desk) -> Result<Exchange, Fault> {
        self.calls_made += calls.all.len();
        if self.calls_made > MAX_CALLS {
            return Err(Fault::budget(format!("it made more than {MAX_CALLS} tool calls")));
        }
        let mut answers = Vec::new();
        for (index, (name, arguments)) in calls.all.iter().enumerate() {
            let times = self.seen.entry(format!("{name} {arguments}")).or_insert(0);
            *times += 1;
            if *times > 2 {
                return Err(Fault::outside("it kept repeating the same tool call"));
            }
            answers.push(if *times > 1 {
                "error: you asked exactly this before; the answer is above and stays the same".to_owned()
            } else if index >= MAX_CALLS_PER_TURN {
                format!("error: at most {MAX_CALLS_PER_TURN} calls a turn are answered")
            } else {
                self.call(name, arguments, desk).await
            });
        }
        self.fruitless = if answers.iter().all(|answer| answer.starts_with("error: ")) { self.fruitless + 1 } else { 0 };
        if self.fruitless == MAX_FRUITLESS {
            return Err(Fault::outside(format!("{MAX_FRUITLESS} times in a row it called tools in a way that none could answer")));
        }
        let last = self.request.turns.len() + 2 == MAX_TURNS;
        let urge = if last {
            format!("This was the last turn for tools. Finish now with one call of `{}`.", self.task.submit.tool())
        } else {
            String::new()
        };
        if !calls.written {
            let results = reply.calls.iter().zip(answers).map(|(call, text)| result(call, text)).collect();
            return Ok(Exchange { reply, results, remark: Some(urge).filter(|urge| !urge.is_empty()) });
        }
        let mut remark = String::new();
        for ((name, arguments), answer) in calls.all.iter().zip(&answers) {
            writeln!(remark, "Answer of {name} {arguments}:\n{answer}").expect("writing to a string cannot fail");
        }
        Ok(exchange(reply, &(remark + &urge)))
    }

    async fn call(&mut self, name: &str, arguments: &Value, desk: &Desk) -> String {
        match Tool::parse(name) {
            None if [SUBMIT_FINDINGS, SUBMIT_VERDICT].contains(&name) => format!("error: you finish with `{}`", self.task.submit.tool()),
            None => format!("error: there is no tool `{name}`"),
            Some(tool) if !self.task.may.contains(&tool) => format!("error: `{name}` is not among the tools that you may call"),
            Some(tool) => match desk.answer(tool, arguments).await {
                Ok(told) => {
                    self.diffs.extend(told.read);
                    told.text
                }
                Err(failure) => format!("error: the tool failed: {}", failure.message),
            },
        }
    }
}

/// The tool calls of a reply.
struct Calls {
    /// Names and arguments, in order.
    all: Vec<(String, Value)>,
    /// They were written as text: there is nothing in the protocol that answers could belong to.
    written: bool,
}

impl Calls {
    fn of(reply: &Reply) -> Self {
        if reply.calls.is_empty() {
            Self { all: calls_in(&reply.text), written: true }
        } else {
            Self { all: reply.calls.iter().map(|call| (call.name.clone(), call.arguments.clone())).collect(), written: false }
        }
    }

    fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The answer that a reply ends with: the arguments of each call that submits, else the JSON in its text.
    fn answers(&self, reply: &Reply, submit: Submit) -> Vec<Value> {
        if self.is_empty() {
            return json_in(&reply.text).into_iter().collect();
        }
        self.all.iter().filter(|(name, _)| name == submit.tool()).map(|(_, arguments)| arguments.clone()).collect()
    }
}

/// One answer out of its parts: some models submit each finding with a call of its own.
fn together<T>(parts: impl Iterator<Item = Result<Answer<T>, String>>) -> Result<Answer<T>, String> {
    let mut whole = Answer { items: Vec::new(), unusable: Vec::new() };
    let mut readable = false;
    for part in parts {
        match part {
            Ok(part) => {
                readable = true;
                whole.items.extend(part.items);
                whole.unusable.extend(part.unusable);
            }
            Err(error) => whole.unusable.push(error),
        }
    }
    if readable { Ok(whole) } else { Err(whole.unusable.join("; ")) }
}

/// The reply with a remark, given as the answer to each of its calls: providers refuse a conversation in which one is missing.
fn exchange(reply: Reply, remark: &str) -> Exchange {
    let results: Vec<ToolResult> = reply.calls.iter().map(|call| result(call, remark.to_owned())).collect();
    let remark = results.is_empty().then(|| remark.to_owned());
    Exchange { reply, results, remark }
}

fn result(call: &ToolCall, text: String) -> ToolResult {
    ToolResult { call_id: call.id.clone(), name: call.name.clone(), text }
}

fn is_about_tools(message: &str) -> bool {
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
