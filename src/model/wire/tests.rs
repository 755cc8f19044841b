//! Addresses, headers and layout, without a server. What the library makes of them is tested over sockets in `tests/model_wire.rs`; for
//! Gemini only this much is.

use std::sync::Arc;
use std::time::Duration;

use genai::chat::ChatRole;

use super::*;
use crate::model::{AnswerSchema, Patience, ToolResult, ToolSpec, Worth};

fn provider(kind: ProviderKind, base_url: Option<&str>) -> Provider {
    Provider {
        name: "p".into(),
        kind,
        base_url: base_url.map(str::to_owned),
        key: Key::Present("sk-1234\n".to_owned().into()),
        headers: BTreeMap::new(),
        max_parallel: None,
        requests_per_minute: None,
        prices: BTreeMap::new(),
    }
}

fn request() -> Request {
    let tool = |name, description| ToolSpec { name, description, schema: json!({ "type": "object" }) };
    Request {
        reader: "security".into(),
        tools: Arc::new([tool("grep", "Searches."), tool("submit", "Ends.")]),
        system: "SYSTEM".into(),
        change: "CHANGE".into(),
        brief: "BRIEF".into(),
        turns: vec![],
        answer: None,
        max_output: 1000,
        worth: Worth::Most,
        cache_key: "key".into(),
        patience: Patience { silence: Duration::from_secs(1), total: Duration::from_secs(1) },
    }
}

fn url(provider: &Provider, model: &str) -> String {
    match target(provider, model).auth {
        AuthData::RequestOverride { url, .. } => url,
        other => panic!("{other:?}"),
    }
}

/// The conversation as lines: role, texts, whether a bar stands after it.
fn layout(kind: ProviderKind, request: &Request) -> Vec<String> {
    let shape = |message: &ChatMessage| {
        let bar = message.options.as_ref().is_some_and(|options| options.cache_control.is_some());
        let role = match message.role {
            ChatRole::System => "system",
            ChatRole::User => "user",
            ChatRole::Assistant => "assistant",
            ChatRole::Tool => "tool",
        };
        format!("{role}: {}{}", message.content.texts().join(" + "), if bar { " |" } else { "" })
    };
    chat(kind, request).messages.iter().map(shape).collect()
}

#[test]
fn requests_go_where_the_protocol_and_the_configuration_say() {
    use ProviderKind::{Anthropic, Gemini, OpenAi};
    for (kind, base_url, expected) in [
        (Anthropic, None, "https://api.anthropic.com/v1/messages"),
        (Anthropic, Some("http://h"), "http://h/v1/messages"),
        (Anthropic, Some("http://h/anthropic/v1"), "http://h/anthropic/v1/messages"),
        (OpenAi, None, "https://api.openai.com/v1/chat/completions"),
        (OpenAi, Some("http://h/v1"), "http://h/v1/chat/completions"),
        (OpenAi, Some("http://h/openai/m?api-version=1"), "http://h/openai/m/chat/completions?api-version=1"),
        (Gemini, None, "https://generativelanguage.googleapis.com/v1beta/models/m:streamGenerateContent?alt=sse"),
        (Gemini, Some("http://h/v1?k=1"), "http://h/v1/models/m:streamGenerateContent?alt=sse&k=1"),
    ] {
        let provider = provider(kind, base_url);
        assert_eq!(url(&provider, "m"), expected);
        assert!(target(&provider, "m").endpoint.base_url().ends_with('/'));
    }
}

#[test]
fn people_see_no_password_and_no_query() {
    let provider = provider(ProviderKind::OpenAi, Some("https://me:secret@h:8443/v1?key=secret"));
    assert_eq!(shown(&provider), "https://h:8443/v1");
}

#[test]
fn the_key_stands_in_the_vendors_header_and_configured_headers_win() {
    let key = |kind, name: &str| headers(&provider(kind, None)).get(name).cloned();
    assert_eq!(key(ProviderKind::Anthropic, "x-api-key").as_deref(), Some("sk-1234"));
    assert_eq!(key(ProviderKind::OpenAi, "authorization").as_deref(), Some("Bearer sk-1234"));
    assert_eq!(key(ProviderKind::Gemini, "x-goog-api-key").as_deref(), Some("sk-1234"));
    let mut gateway = provider(ProviderKind::OpenAi, Some("http://h/v1"));
    gateway.headers.insert("Authorization".into(), "Basic abc".into());
    assert_eq!(headers(&gateway).into_iter().collect::<Vec<_>>(), [("authorization".to_owned(), "Basic abc".to_owned())]);
    gateway.headers.clear();
    gateway.key = Key::NotNeeded;
    assert_eq!(headers(&gateway), BTreeMap::new());
}

#[test]
fn anthropic_has_bars_the_others_one_message() {
    assert_eq!(layout(ProviderKind::Anthropic, &request()), ["system: SYSTEM |", "user: CHANGE |", "user: BRIEF"]);
    for kind in [ProviderKind::OpenAi, ProviderKind::Gemini] {
        assert_eq!(layout(kind, &request()), ["system: SYSTEM", "user: CHANGE\nBRIEF"]);
    }
}

#[test]
fn turns_follow_with_results_and_remarks_and_nothing_empty() {
    let mut request = request();
    let call = |arguments| ToolCall { id: "c1".into(), name: "grep".into(), arguments };
    let said = |text: &str, calls| Reply {
        text: text.into(),
        calls,
        stop: Stop::Done,
        usage: Usage::default(),
        by: "acme/m".into(),
        tried: vec![],
    };
    request.turns = vec![
        Exchange {
            reply: said(" ", vec![call(json!("{broken"))]),
            results: vec![ToolResult { call_id: "c1".into(), name: "grep".into(), text: "hit".into() }],
            remark: None,
        },
        Exchange { reply: said("", vec![]), results: vec![], remark: Some("Submit now.".into()) },
    ];
    let turns = &layout(ProviderKind::Gemini, &request)[2..];
    assert_eq!(turns, ["assistant: ", "tool: ", "user: Submit now."]);
    let chat = chat(ProviderKind::OpenAi, &request);
    assert_eq!(chat.messages[2].content.tool_calls()[0].fn_arguments, json!({ "unreadable": "{broken" }));
    assert_eq!(chat.messages[3].content.tool_responses()[0].fn_name.as_deref(), Some("grep"));
}

#[test]
fn a_shaped_answer_takes_the_place_of_tools() {
    let mut request = request();
    assert_eq!(chat(ProviderKind::OpenAi, &request).tools.map(|tools| tools.len()), Some(2));
    request.answer = Some(AnswerSchema { name: "findings", schema: json!({ "type": "object" }) });
    assert!(chat(ProviderKind::OpenAi, &request).tools.is_none());
}

#[test]
fn a_gemini_stream_without_a_reason_to_stop_was_cut() {
    let end = || StreamEnd { captured_content: Some(MessageContent::from_text("half")), ..StreamEnd::default() };
    assert_eq!(reply(ProviderKind::Gemini, "acme/m", end()), None);
    assert_eq!(reply(ProviderKind::OpenAi, "acme/m", end()).map(|reply| reply.text).as_deref(), Some("half"));
    assert_eq!(reply(ProviderKind::OpenAi, "acme/m", StreamEnd::default()), None);
}

#[test]
fn the_cache_key_goes_to_the_vendor_alone() {
    let key = |kind, base_url| options(&provider(kind, base_url), "m", &request(), false).prompt_cache_key;
    assert_eq!(key(ProviderKind::OpenAi, None).as_deref(), Some("key"));
    assert_eq!(key(ProviderKind::OpenAi, Some("http://h/v1")), None);
    assert_eq!(key(ProviderKind::Anthropic, None), None);
    assert_eq!(key(ProviderKind::Gemini, None), None);
}
