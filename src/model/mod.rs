//! Models over HTTP, behind one trait: providers and recorded answers. It must not know of findings, GitLab or prompts: text and tool calls only.

mod catalogue;
mod chain;
mod circuit;
mod fault;
mod gate;
mod http;
mod ledger;
mod recorded;
mod remote;
mod retry;
mod wire;

pub use catalogue::{ModelSize, catalogue_date, default_model, list_price, model_size, only_model};
pub use chain::{Chain, Link};
pub use circuit::{Alone, Circuit, Circuits, Unreadable};
pub use gate::Gate;
pub use http::http_client;
pub use ledger::{Amount, Ceiling, Ledger, Worth};
pub use recorded::{Recorded, RecordedAnswer, Recording};
pub use remote::Remote;
pub use retry::Retry;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

use crate::review::Usage;

/// Something that answers requests: a provider's model, or answers recorded in a story.
pub trait Model: Send + Sync {
    /// Returns the name people know it by, `provider/model`.
    fn name(&self) -> &str;

    /// Sends one request and waits for the whole answer. Dropping the future cancels the call.
    fn turn<'a>(&'a self, request: &'a Request, started: &'a Started) -> BoxFuture<'a, Result<Reply, ModelError>>;
}

/// Told once when the first byte of a response arrives: the other readers of the same prefix wait for it, so that they find it in the provider's cache.
#[derive(Clone, Debug, Default)]
pub struct Started(Arc<tokio::sync::Notify>, Arc<std::sync::atomic::AtomicBool>);

impl Started {
    /// Says that the response began.
    pub fn tell(&self) {
        self.1.store(true, std::sync::atomic::Ordering::Release);
        self.0.notify_waiters();
    }

    /// Waits until the response began.
    pub async fn wait(&self) {
        let told = self.0.notified();
        if !self.1.load(std::sync::atomic::Ordering::Acquire) {
            told.await;
        }
    }
}

/// One request: the whole conversation so far. The order of its parts is the order on the wire, stable parts first.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks, e.g. `security`, `coordinator`: for logs and for finding recorded answers; never sent.
    pub reader: String,
    /// The tools, the same for all readers.
    pub tools: Arc<[ToolSpec]>,
    /// Before the first bar: preamble, rule index, AGENTS.md.
    pub system: Arc<str>,
    /// Before the second bar: the group's change.
    pub change: Arc<str>,
    /// After the second bar: earlier findings, the merge request's own words, the reader's brief.
    pub brief: Arc<str>,
    /// What was said since, oldest first.
    pub turns: Vec<Exchange>,
    /// Ask for an answer in this shape instead of a tool call, for models without tools.
    pub answer: Option<AnswerSchema>,
    /// The most tokens to answer with.
    pub max_output: u32,
    /// How much of a ceiling it may fill.
    pub worth: Worth,
    /// A key that is the same for all requests with the same prefix, for providers that route by it.
    pub cache_key: String,
    /// How long to wait for what.
    pub patience: Patience,
}

/// Bytes of a request for one token, at most: code has more tokens than prose, and an estimate that ceilings rely on must not be too low.
const BYTES_PER_TOKEN: usize = 3;

impl Request {
    /// Returns how many input tokens it has, by estimate, rather too many than too few.
    pub fn tokens(&self) -> u64 {
        let tools: usize = self.tools.iter().map(|tool| tool.description.len() + tool.schema.to_string().len()).sum();
        let turns: usize = self.turns.iter().map(Exchange::bytes).sum();
        let bytes = tools + self.system.len() + self.change.len() + self.brief.len() + turns;
        u64::try_from(bytes / BYTES_PER_TOKEN).unwrap_or(u64::MAX)
    }
}

/// A tool that a model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    /// Its wire name.
    pub name: &'static str,
    /// What it does, for the model. Never empty: some providers refuse a missing one.
    pub description: &'static str,
    /// JSON schema of its arguments.
    pub schema: Value,
}

/// The schema of a structured answer.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerSchema {
    /// Its name on the wire.
    pub name: &'static str,
    /// The JSON schema.
    pub schema: Value,
}

/// A reply and what was said to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// What the model said.
    pub reply: Reply,
    /// Results of its tool calls, in their order.
    pub results: Vec<ToolResult>,
    /// A plain remark after them, e.g. that an answer could not be read.
    pub remark: Option<String>,
}

impl Exchange {
    fn bytes(&self) -> usize {
        let results: usize = self.results.iter().map(|result| result.text.len()).sum();
        self.reply.bytes() + results + self.remark.as_ref().map_or(0, String::len)
    }
}

impl Reply {
    fn bytes(&self) -> usize {
        let calls: usize = self.calls.iter().map(|call| call.name.len() + call.arguments.to_string().len()).sum();
        self.text.len() + calls
    }

    /// Returns how many output tokens it has, by estimate, rather too many than too few.
    fn tokens(&self) -> u64 {
        u64::try_from(self.bytes() / BYTES_PER_TOKEN).unwrap_or(u64::MAX)
    }
}

/// The result of one tool call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolResult {
    /// The call's ID.
    pub call_id: String,
    /// The tool's name.
    pub name: String,
    /// What it returned, masked and bounded.
    pub text: String,
}

/// How long to wait for what within one call. How long the first byte may take is the model's own: a server may have a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Between two pieces of the answer.
    pub silence: Duration,
    /// For the call as a whole, retries and other models of a chain included.
    pub total: Duration,
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Its text; may be empty beside calls.
    pub text: String,
    /// Its tool calls, in order.
    pub calls: Vec<ToolCall>,
    /// Why it stopped.
    pub stop: Stop,
    /// What it cost, as the provider says; zeros where it says nothing. Earlier attempts at the same model are included.
    pub usage: Usage,
    /// The model that answered, `provider/model`.
    pub by: String,
    /// What other models used that were asked before this one: they received the request too.
    pub tried: Vec<(String, Usage)>,
}

/// A tool call of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// The provider's ID for it.
    pub id: String,
    /// The tool's name, as written: it may not exist.
    pub name: String,
    /// Its arguments, as written: they may not fit. A string if they were no JSON.
    pub arguments: Value,
}

/// Why a model stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It was done, or calls tools.
    Done,
    /// The limit on output cut it.
    Length,
    /// The provider refused to answer or cut the content.
    Refused(String),
}

/// A call that got no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    /// What kind of failure it was.
    pub kind: ModelErrorKind,
    /// HTTP status, if there was a response.
    pub status: Option<u16>,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// One line for people: what failed, at which endpoint, what to do. Never holds a key.
    pub message: String,
    /// The model was at work when it failed, so that its provider charges for the request.
    pub charged: bool,
    /// What each model used that was asked, as far as that is known.
    pub tried: Vec<(String, Usage)>,
}

impl ModelError {
    /// Returns a failure without a response behind it.
    pub fn new(kind: ModelErrorKind, message: impl Into<String>) -> Self {
        Self { kind, status: None, retry_after: None, message: message.into(), charged: false, tried: Vec::new() }
    }
}

/// Kinds of failed calls that callers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelErrorKind {
    /// 429.
    RateLimited,
    /// 5xx, connection refused, reset or cut in the middle; or too many of these before.
    Unavailable,
    /// Too long without a byte.
    TimedOut,
    /// The account behind the key is out of credit or over its own limit.
    Exhausted,
    /// 401 or 403.
    Credentials,
    /// The prompt does not fit the model's context.
    TooLong,
    /// Any other refusal of this very request.
    Refused,
    /// No such model, or the answer is none of this protocol: not a model endpoint.
    NotAModel,
    /// It would pass a ceiling of money or tokens; nothing was sent.
    Ceiling,
    /// A recorded model has no answer for this request.
    NotRecorded,
}

/// What to do about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The same request may succeed a little later; then the next model of the chain.
    Again,
    /// This model cannot answer now; the next one of the chain may.
    Next,
    /// A smaller request may succeed, once.
    Shrink,
    /// Neither another try nor another model helps: the request or the configuration is at fault.
    GiveUp,
}

impl ModelErrorKind {
    /// Returns what to do about it.
    pub const fn remedy(self) -> Remedy {
        match self {
            Self::RateLimited | Self::Unavailable | Self::TimedOut => Remedy::Again,
            Self::Exhausted | Self::NotAModel => Remedy::Next,
            Self::TooLong => Remedy::Shrink,
            Self::Credentials | Self::Refused | Self::Ceiling | Self::NotRecorded => Remedy::GiveUp,
        }
    }
}
