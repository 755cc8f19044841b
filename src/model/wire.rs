//! Our request in the words of the client library, and its answer in ours: addresses, headers, layout. It must not send anything.

use std::collections::BTreeMap;

use genai::adapter::AdapterKind;
use genai::chat::{
    CacheControl, ChatMessage, ChatOptions, ChatRequest, ContentPart, JsonSpec, MessageContent, MessageOptions, ReasoningEffort,
    StopReason, StreamEnd, Tool, ToolResponse,
};
use genai::resolver::{AuthData, Endpoint};
use genai::{Headers, ModelIden, ServiceTarget};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use super::{Exchange, Reply, Request, Stop, ToolCall};
use crate::review::Usage;
use crate::settings::{Key, Provider, ProviderKind};

/// The Anthropic API version that the layout here follows.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// Returns the address that the paths of the API are appended to, without a trailing slash, and the query that every request carries.
///
/// The vendors' own variables differ: `OPENAI_BASE_URL` ends in the version, `ANTHROPIC_BASE_URL` does not, so a missing one is added there.
pub(super) fn base(provider: &Provider) -> (String, Option<String>) {
    let vendor = match provider.kind {
        ProviderKind::Anthropic => "https://api.anthropic.com",
        ProviderKind::OpenAi => "https://api.openai.com/v1",
        ProviderKind::Gemini => "https://generativelanguage.googleapis.com",
    };
    let given = provider.base_url.as_deref().unwrap_or(vendor);
    let (path, query) = match given.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (given, None),
    };
    let path = path.trim_end_matches('/');
    let version = match provider.kind {
        ProviderKind::Anthropic => Some("v1"),
        ProviderKind::OpenAi => None,
        ProviderKind::Gemini => Some("v1beta"),
    };
    let path = match version {
        Some(version) if !ends_in_version(path) => format!("{path}/{version}"),
        _ => path.to_owned(),
    };
    (path, query)
}

fn ends_in_version(path: &str) -> bool {
    path.rsplit('/').next().and_then(|last| last.strip_prefix('v')).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Returns the endpoint as people may see it: no user, password, query or fragment.
pub(super) fn shown(provider: &Provider) -> String {
    let (base, _) = base(provider);
    let base = base.split('#').next().unwrap_or(&base).to_owned();
    match base.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
            let host = host.rsplit('@').next().unwrap_or(host);
            let slash = if path.is_empty() { "" } else { "/" };
            format!("{scheme}://{host}{slash}{path}")
        }
        None => base,
    }
}

/// Returns what to look at when no model answers at a provider's address.
pub(super) fn remedy(provider: &Provider) -> String {
    if provider.base_url.is_none() {
        return "does a proxy or a login page stand in between?".to_owned();
    }
    let (base, _) = base(provider);
    match provider.kind {
        ProviderKind::OpenAi if ends_in_version(&base) => "are `base_url` and `kind` right? /chat/completions is appended to it".to_owned(),
        ProviderKind::OpenAi => "is `base_url` right? it usually ends in /v1".to_owned(),
        ProviderKind::Anthropic => "are `base_url` and `kind` right? /messages is appended to its version".to_owned(),
        ProviderKind::Gemini => "are `base_url` and `kind` right? /models is appended to its version".to_owned(),
    }
}

/// Returns the headers of every request to the provider, names in lower case. Those of the configuration win, so that a gateway can replace
/// the vendor's way to authenticate.
pub(super) fn headers(provider: &Provider) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    if let Key::Present(key) = &provider.key {
        // A key pasted into a CI variable often ends in a line break, which no header can hold.
        let key = key.expose_secret().trim();
        match provider.kind {
            ProviderKind::Anthropic => headers.insert("x-api-key".to_owned(), key.to_owned()),
            ProviderKind::OpenAi => headers.insert("authorization".to_owned(), format!("Bearer {key}")),
            ProviderKind::Gemini => headers.insert("x-goog-api-key".to_owned(), key.to_owned()),
        };
    }
    if provider.kind == ProviderKind::Anthropic {
        headers.insert("anthropic-version".to_owned(), ANTHROPIC_VERSION.to_owned());
    }
    headers.extend(provider.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())));
    headers
}

/// Returns where a request goes, whole: nothing is left for the library to guess from the model's name.
pub(super) fn target(provider: &Provider, model: &str) -> ServiceTarget {
    let (base, query) = base(provider);
    let adapter = match (provider.kind, &provider.base_url) {
        (ProviderKind::Anthropic, _) => AdapterKind::Anthropic,
        (ProviderKind::Gemini, _) => AdapterKind::Gemini,
        (ProviderKind::OpenAi, None) => AdapterKind::OpenAI,
        // The same wire. The adapter named OpenAI would send cache options by the look of the model's name to servers that never heard of them.
        (ProviderKind::OpenAi, Some(_)) => AdapterKind::Custom(0),
    };
    let mut url = match provider.kind {
        ProviderKind::Anthropic => format!("{base}/messages"),
        ProviderKind::OpenAi => format!("{base}/chat/completions"),
        ProviderKind::Gemini => format!("{base}/models/{model}:streamGenerateContent?alt=sse"),
    };
    if let Some(query) = query {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&query);
    }
    let headers = Headers::from(headers(provider).into_iter().collect::<Vec<_>>());
    ServiceTarget {
        endpoint: Endpoint::from_owned(format!("{base}/")),
        // Sent exactly so: without a key no header is made up, and the names cannot occur twice in different case.
        auth: AuthData::RequestOverride { url, headers },
        model: ModelIden::new(adapter, model),
    }
}

/// Returns the conversation in the order that caches live from: tools, system ‖ change ‖ brief, turns.
pub(super) fn chat(kind: ProviderKind, request: &Request) -> ChatRequest {
    let bars = kind == ProviderKind::Anthropic;
    let cached = || MessageOptions::default().with_cache_control(CacheControl::Ephemeral);
    let mut messages = Vec::new();
    // Empty texts are left out: Anthropic refuses empty blocks.
    if !request.system.is_empty() {
        let system = ChatMessage::system(request.system.as_ref());
        messages.push(if bars { system.with_options(cached()) } else { system });
    }
    if bars {
        if !request.change.is_empty() {
            messages.push(ChatMessage::user(request.change.as_ref()).with_options(cached()));
        }
        if !request.brief.is_empty() {
            messages.push(ChatMessage::user(request.brief.as_ref()));
        }
    } else {
        messages.push(ChatMessage::user(format!("{}\n{}", request.change, request.brief)));
    }
    for exchange in &request.turns {
        push_exchange(&mut messages, exchange);
    }
    let chat = ChatRequest::new(messages);
    // A conversation that holds calls needs its tools even when the answer is asked for in another way.
    let wanted = request.answer.is_none() || request.turns.iter().any(|exchange| !exchange.reply.calls.is_empty());
    if !wanted || request.tools.is_empty() {
        return chat;
    }
    let last = request.tools.len() - 1;
    chat.with_tools(request.tools.iter().enumerate().map(|(index, spec)| {
        let tool = Tool::new(spec.name).with_description(spec.description).with_schema(spec.schema.clone());
        if bars && index == last { tool.with_cache_control(CacheControl::Ephemeral) } else { tool }
    }))
}

fn push_exchange(messages: &mut Vec<ChatMessage>, exchange: &Exchange) {
    let mut said = Vec::new();
    if !exchange.reply.text.trim().is_empty() {
        said.push(ContentPart::Text(exchange.reply.text.clone()));
    }
    said.extend(exchange.reply.calls.iter().map(|call| {
        ContentPart::ToolCall(genai::chat::ToolCall {
            call_id: call.id.clone(),
            fn_name: call.name.clone(),
            fn_arguments: as_object(&call.arguments),
            thought_signatures: None,
        })
    }));
    if !said.is_empty() {
        messages.push(ChatMessage::assistant(MessageContent::from_parts(said)));
    }
    if !exchange.results.is_empty() {
        let results = exchange.results.iter().map(|result| ToolResponse::new(&result.call_id, &result.text).with_fn_name(&result.name));
        messages.push(ChatMessage::tool(MessageContent::from_tool_responses(results.collect())));
    }
    if let Some(remark) = exchange.remark.as_ref().filter(|remark| !remark.trim().is_empty()) {
        messages.push(ChatMessage::user(remark.as_str()));
    }
}

/// Providers take back only objects as arguments, so what a model wrote instead is wrapped rather than refused on the way back.
fn as_object(arguments: &Value) -> Value {
    match arguments {
        Value::Object(_) => arguments.clone(),
        Value::Null => Value::Object(Map::new()),
        other => json!({ "unreadable": other }),
    }
}

/// Returns the options of one request. `completion_field`: name the limit on output as OpenAI's newer models want it.
pub(super) fn options(provider: &Provider, model: &str, request: &Request, completion_field: bool) -> ChatOptions {
    let mut options = ChatOptions::default().with_capture_content(true).with_capture_tool_calls(true).with_capture_usage(true);
    if let Some(answer) = &request.answer {
        options = options.with_response_format(JsonSpec::new(answer.name, answer.schema.clone()));
    }
    // The library takes a suffix like `-high` off a name and turns it into an effort, and cuts at `::`. A configured name is sent as it is.
    let suffixed = ReasoningEffort::from_model_name(model).0.is_some();
    match provider.kind {
        ProviderKind::OpenAi => {
            let mut body = json!({ "model": model });
            if completion_field {
                body["max_completion_tokens"] = json!(request.max_output);
            } else {
                options = options.with_max_tokens(request.max_output);
            }
            options = options.with_extra_body(body);
            if suffixed {
                // A budget is what this wire has no field for: nothing is sent.
                options = options.with_reasoning_effort(ReasoningEffort::Budget(0));
            }
            if provider.base_url.is_none() {
                options = options.with_prompt_cache_key(&request.cache_key);
            }
        }
        ProviderKind::Anthropic => {
            options = options.with_max_tokens(request.max_output).with_extra_body(json!({ "model": model }));
            if suffixed {
                options = options.with_reasoning_effort(ReasoningEffort::Zero);
            }
        }
        ProviderKind::Gemini => options = options.with_max_tokens(request.max_output),
    }
    options
}

/// Returns the answer of the model `by`; nothing if the stream ended without saying why, as one that was cut does.
pub(super) fn reply(kind: ProviderKind, by: &str, end: StreamEnd) -> Option<Reply> {
    let content = end.captured_content.unwrap_or_default();
    let text = content.texts().concat();
    let calls: Vec<ToolCall> = content
        .into_tool_calls()
        .into_iter()
        .map(|call| ToolCall { id: call.call_id, name: call.fn_name, arguments: arguments(call.fn_arguments) })
        .collect();
    let silent = text.is_empty() && calls.is_empty();
    let stop = match end.captured_stop_reason {
        // The library closes a cut Gemini stream as if it were whole; elsewhere the end mark itself was read.
        None if silent || kind == ProviderKind::Gemini => return None,
        Some(StopReason::MaxTokens(_)) => Stop::Length,
        Some(StopReason::ContentFilter(why)) => Stop::Refused(why),
        Some(StopReason::Other(why)) if silent => Stop::Refused(why),
        // Whether it calls tools is seen from the calls: the word for it is not to be trusted.
        Some(StopReason::Completed(_) | StopReason::ToolCall(_) | StopReason::StopSequence(_) | StopReason::Other(_)) | None => Stop::Done,
    };
    let usage = end.captured_usage.unwrap_or_default();
    let details = usage.prompt_tokens_details.unwrap_or_default();
    let count = |tokens: Option<i32>| tokens.and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or(0);
    let usage = Usage {
        calls: 1,
        input: count(usage.prompt_tokens),
        cached: count(details.cached_tokens),
        cache_write: count(details.cache_creation_tokens),
        output: count(usage.completion_tokens),
    };
    Some(Reply { text, calls, stop, usage, by: by.to_owned(), tried: Vec::new() })
}

/// A call without arguments arrives as an empty text on some wires.
fn arguments(given: Value) -> Value {
    match given {
        Value::String(text) if text.trim().is_empty() => Value::Object(Map::new()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
