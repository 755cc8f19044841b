//! Models over HTTP, behind one trait: providers and recorded answers. It must not know of findings, GitLab or prompts: text and tool calls only.

mod catalogue;
mod fault;
mod http;
mod recorded;
mod remote;
mod retry;
mod wire;

pub use catalogue::{ModelSize, catalogue_date, default_model, model_size, only_model};
pub use http::http_client;
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
    /// A key that is the same for all requests with the same prefix, for providers that route by it.
    pub cache_key: String,
    /// How long to wait for what.
    pub patience: Patience,
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

/// How long to wait for what within one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until the first byte of the answer.
    pub first_byte: Duration,
    /// Between two pieces of it.
    pub silence: Duration,
    /// For the call as a whole, retries included.
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
    /// What it cost, as the provider says; zeros where it says nothing.
    pub usage: Usage,
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
}

/// Kinds of failed calls that callers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelErrorKind {
    /// 429.
    RateLimited,
    /// 5xx, connection refused, reset or cut in the middle.
    Unavailable,
    /// Too long without a byte.
    TimedOut,
    /// 401 or 403.
    Credentials,
    /// The prompt does not fit the model's context.
    TooLong,
    /// Any other refusal of this very request.
    Refused,
    /// The answer is no answer of this protocol: not a model endpoint.
    NotAModel,
    /// A recorded model has no answer for this request.
    NotRecorded,
}

impl ModelErrorKind {
    /// Returns whether the same request may succeed when sent again.
    pub const fn worth_retrying(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable | Self::TimedOut)
    }
}
