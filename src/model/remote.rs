//! A provider's model over HTTP: one request, streamed, with patience. It must not send anything twice: retries, gates and failover are those
//! of the chain around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use genai::chat::{ChatFrameSink, ChatStreamEvent, FrameCtx, RawFrameRef};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;
use tracing::field::Empty;
use tracing::instrument::WithSubscriber as _;

use super::fault::{Call, classify};
use super::{Model, ModelError, ModelErrorKind, Reply, Request, Started, Stop, wire};
use crate::settings::{Key, Provider, ProviderKind};

/// Largest answer, in bytes of its events: far above what a limit on output lets through, far below what hurts.
const MAX_ANSWER_BYTES: u64 = 32 << 20;

/// How long a vendor may take until the first byte of an answer.
const FIRST_BYTE: Duration = Duration::from_mins(1);
/// How long a server of one's own may take: it may have to load the model, or to work off a queue.
const FIRST_BYTE_OWN: Duration = Duration::from_mins(5);

/// A model of a provider.
pub struct Remote {
    name: String,
    provider: Provider,
    model: String,
    client: genai::Client,
    first_byte: Duration,
    /// The server has said that it wants the limit on output in the field `max_completion_tokens`.
    completion_field: AtomicBool,
}

impl Remote {
    /// Returns the model of that name at a provider. Nothing is sent yet.
    pub fn new(provider: &Provider, model: &str, http: reqwest::Client) -> Self {
        Self {
            name: format!("{}/{model}", provider.name),
            provider: provider.clone(),
            model: model.to_owned(),
            client: genai::Client::builder().with_reqwest(http).build().expect("a client with a transport of its own builds"),
            first_byte: if provider.base_url.is_some() { FIRST_BYTE_OWN } else { FIRST_BYTE },
            // OpenAI itself takes the new field for all its models, whatever they are called.
            completion_field: AtomicBool::new(provider.kind == ProviderKind::OpenAi && provider.base_url.is_none()),
        }
    }

    /// Sets how long the first byte of an answer may take.
    #[must_use]
    pub fn waiting(self, first_byte: Duration) -> Self {
        Self { first_byte, ..self }
    }

    fn call(&self) -> Call {
        let secrets = wire::headers(&self.provider).into_iter().filter(|(name, _)| name != "anthropic-version").map(|(_, value)| {
            // `Bearer` and its like are no secret, and a server repeats what comes after.
            value.rsplit(' ').next().map(str::to_owned).unwrap_or(value)
        });
        Call::new(&self.name, &self.provider, secrets)
    }

    async fn answer(&self, request: &Request, started: &Started) -> Result<Reply, ModelError> {
        let call = self.call();
        if let Key::Missing { variable } = &self.provider.key {
            let what = format!("{variable} is not set; a protected variable on an unprotected branch is the usual cause");
            return Err(call.error(ModelErrorKind::Credentials, &what));
        }
        let span = self.span(request);
        let outcome = self.attempts(request, started, &call).instrument(span.clone()).await;
        record(&span, &outcome);
        outcome
    }

    /// The span of one call, with the names of OpenTelemetry's conventions for generative models. No text of a prompt or an answer is in it.
    fn span(&self, request: &Request) -> tracing::Span {
        tracing::info_span!(
            "chat",
            otel.name = format!("chat {}", self.model),
            otel.kind = "client",
            otel.status_code = Empty,
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = match self.provider.kind {
                ProviderKind::Anthropic => "anthropic",
                ProviderKind::OpenAi => "openai",
                ProviderKind::Gemini => "gcp.gemini",
            },
            gen_ai.request.model = self.model,
            gen_ai.request.max_tokens = request.max_output,
            gen_ai.agent.name = request.reader,
            gen_ai.usage.input_tokens = Empty,
            gen_ai.usage.output_tokens = Empty,
            gen_ai.usage.cache_read.input_tokens = Empty,
            gen_ai.usage.cache_creation.input_tokens = Empty,
            gen_ai.response.finish_reasons = Empty,
            server.address = wire::shown(&self.provider),
            error.r#type = Empty,
        )
    }

    async fn attempts(&self, request: &Request, started: &Started, call: &Call) -> Result<Reply, ModelError> {
        let field = self.completion_field.load(Ordering::Relaxed);
        match self.attempt(request, started, call, field).with_subscriber(quiet()).await {
            // A gateway's alias does not show that the model behind it is one of those that want the other field.
            Err(error)
                if self.provider.kind == ProviderKind::OpenAi
                    && !field
                    && error.kind == ModelErrorKind::Refused
                    && error.message.contains("max_completion_tokens") =>
            {
                self.completion_field.store(true, Ordering::Relaxed);
                self.attempt(request, started, call, true).with_subscriber(quiet()).await
            }
            outcome => outcome,
        }
    }

    async fn attempt(&self, request: &Request, started: &Started, call: &Call, completion_field: bool) -> Result<Reply, ModelError> {
        let pulse = Arc::new(Pulse::new(self.provider.kind, started.clone()));
        let options =
            wire::options(&self.provider, &self.model, request, completion_field).with_raw_frame_sink_arc(Arc::clone(&pulse) as _);
        let chat = wire::chat(self.provider.kind, request);
        let mut stream = self
            .client
            .exec_chat_stream(wire::target(&self.provider, &self.model), chat, Some(&options))
            .await
            .map_err(|error| classify(&error, call, false))?
            .stream;
        loop {
            let patience = if pulse.begun() { request.patience.silence } else { self.first_byte };
            let deadline = pulse.last() + patience;
            match timeout_at(deadline, stream.next()).await {
                // Frames came that made no event, e.g. comments that keep the line open.
                Err(_) if pulse.last() + patience > deadline => {}
                Err(_) => return Err(call.timed_out(pulse.begun(), patience)),
                Ok(None) => return Err(call.cut(pulse.answered())),
                // The library would go on after an error; the answer is lost all the same.
                Ok(Some(Err(error))) => return Err(classify(&error, call, pulse.answered())),
                Ok(Some(Ok(ChatStreamEvent::End(end)))) => {
                    return wire::reply(self.provider.kind, &self.name, end).ok_or_else(|| call.cut(pulse.answered()));
                }
                Ok(Some(Ok(_))) if pulse.bytes.load(Ordering::Relaxed) > MAX_ANSWER_BYTES => {
                    let what = format!("the answer is larger than {} MiB", MAX_ANSWER_BYTES >> 20);
                    return Err(call.error(ModelErrorKind::Refused, &what));
                }
                Ok(Some(Ok(_))) => {}
            }
        }
    }
}

impl Model for Remote {
    fn name(&self) -> &str {
        &self.name
    }

    fn turn<'a>(&'a self, request: &'a Request, started: &'a Started) -> BoxFuture<'a, Result<Reply, ModelError>> {
        Box::pin(self.answer(request, started))
    }
}

/// Writes into a call's span how it ended.
fn record(span: &tracing::Span, outcome: &Result<Reply, ModelError>) {
    match outcome {
        Ok(reply) => {
            span.record("gen_ai.usage.input_tokens", reply.usage.input);
            span.record("gen_ai.usage.output_tokens", reply.usage.output);
            span.record("gen_ai.usage.cache_read.input_tokens", reply.usage.cached);
            span.record("gen_ai.usage.cache_creation.input_tokens", reply.usage.cache_write);
            let why = match &reply.stop {
                Stop::Done if reply.calls.is_empty() => "stop",
                Stop::Done => "tool_call",
                Stop::Length => "length",
                Stop::Refused(_) => "content_filter",
            };
            span.record("gen_ai.response.finish_reasons", why);
        }
        Err(error) => {
            span.record("error.type", error.status.map_or_else(|| format!("{:?}", error.kind), |status| status.to_string()));
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// The library logs error bodies as they came, and some servers repeat the key in them. What is worth knowing is in the error.
fn quiet() -> tracing::Dispatch {
    tracing::Dispatch::none()
}

/// Watches the frames of one response. The library's own events will not do: the first comes before the request is sent, and many frames
/// make none.
struct Pulse {
    kind: ProviderKind,
    started: Started,
    sent: Instant,
    /// Microseconds from `sent` to the last frame; 0 before the first.
    last: AtomicU64,
    bytes: AtomicU64,
    answered: AtomicBool,
}

impl Pulse {
    fn new(kind: ProviderKind, started: Started) -> Self {
        Self { kind, started, sent: Instant::now(), last: AtomicU64::new(0), bytes: AtomicU64::new(0), answered: AtomicBool::new(false) }
    }

    fn begun(&self) -> bool {
        self.last.load(Ordering::Acquire) > 0
    }

    /// When the last frame came, or the request was sent.
    fn last(&self) -> Instant {
        self.sent + std::time::Duration::from_micros(self.last.load(Ordering::Acquire))
    }

    /// Whether a frame of this protocol came.
    fn answered(&self) -> bool {
        self.answered.load(Ordering::Acquire)
    }
}

impl ChatFrameSink for Pulse {
    fn on_frame(&self, _: &FrameCtx, frame: RawFrameRef<'_>) {
        let elapsed = u64::try_from(self.sent.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last.store(elapsed.max(1), Ordering::Release);
        self.bytes.fetch_add(frame.data.len() as u64, Ordering::Relaxed);
        let named = self.kind != ProviderKind::Anthropic || frame.event.is_some();
        if named && (frame.data.starts_with('{') || frame.data == "[DONE]") && !self.answered.swap(true, Ordering::AcqRel) {
            self.started.tell();
        }
    }
}
