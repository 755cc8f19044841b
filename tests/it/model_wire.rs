//! `Remote` against a server that speaks both protocols over real sockets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model_server::{Answer, Fault, ModelServer, Seen};
use assize::exit::Exit;
use assize::model::{
    AnswerSchema, Chain, Exchange, Ledger, Link, Model as _, ModelError, ModelErrorKind, Patience, Remote, Reply, Request, Retry, Started,
    Stop, ToolCall, ToolResult, ToolSpec, Worth, only_model,
};
use assize::review::Usage;
use assize::settings::{Key, Provider, ProviderKind};
use futures::FutureExt as _;
use serde_json::{Value, json};

const BOTH: [ProviderKind; 2] = [ProviderKind::Anthropic, ProviderKind::OpenAi];
const KEY: &str = "sk-test-0123456789abcdef";
const QUICK: Retry = Retry { attempts: 3, base: Duration::from_millis(1), cap: Duration::from_millis(2) };

fn provider(kind: ProviderKind, server: &ModelServer) -> Provider {
    let base_url = match kind {
        ProviderKind::Anthropic => server.url.clone(),
        ProviderKind::OpenAi | ProviderKind::Gemini => format!("{}/v1", server.url),
    };
    Provider {
        name: kind.word().into(),
        kind,
        base_url: Some(base_url),
        key: Key::Present(KEY.to_owned().into()),
        headers: BTreeMap::new(),
        max_parallel: None,
        requests_per_minute: None,
        prices: BTreeMap::new(),
    }
}

/// A client that no proxy of the machine stands before.
fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}

fn remote(kind: ProviderKind, server: &ModelServer) -> Chain {
    at(&provider(kind, server), "test-model")
}

/// A model of a provider as a run asks it: with retries.
fn at(provider: &Provider, model: &str) -> Chain {
    patient(Remote::new(provider, model, http()))
}

fn patient(remote: Remote) -> Chain {
    Chain::new(vec![Link::alone(Arc::new(remote))], QUICK, Arc::new(Ledger::unlimited()))
}

fn request() -> Request {
    let schema = json!({ "type": "object", "properties": { "pattern": { "type": "string" } } });
    Request {
        reader: "security".into(),
        tools: Arc::new([
            ToolSpec { name: "grep", description: "Searches.", schema: schema.clone() },
            ToolSpec { name: "submit_findings", description: "Ends.", schema },
        ]),
        system: "You review.".into(),
        change: "The change.".into(),
        brief: "Your brief.".into(),
        turns: vec![],
        answer: None,
        max_output: 1000,
        worth: Worth::Most,
        cache_key: "prefix-1".into(),
        patience: Patience { silence: Duration::from_secs(5), total: Duration::from_secs(10) },
    }
}

async fn ask(model: &Chain, request: &Request) -> Result<Reply, ModelError> {
    model.turn(request, &Started::default()).await
}

fn bodies(server: &ModelServer) -> Vec<Value> {
    server.seen().into_iter().map(|Seen { body, .. }| body).collect()
}

#[tokio::test]
async fn a_text_arrives_whole_with_its_cost() {
    for kind in BOTH {
        let server = ModelServer::start().await;
        server.then(Answer::text("Nothing wrong — “fine”."));
        let started = Started::default();
        let model = remote(kind, &server);
        let reply = model.turn(&request(), &started).await.unwrap();
        assert_eq!((reply.text.as_str(), &reply.stop), ("Nothing wrong — “fine”.", &Stop::Done));
        assert_eq!(reply.calls, []);
        assert_eq!((reply.usage.calls, reply.usage.output, reply.usage.cached), (1, 17, 0));
        assert!(reply.usage.input > 50);
        started.wait().await;
        assert_eq!(model.name(), format!("{}/test-model", kind.word()));
    }
}

#[tokio::test]
async fn openai_gets_one_user_message_the_limit_and_no_cache_hints() {
    let server = ModelServer::start().await;
    // A name by whose look the library would send cache options, and one that it would cut.
    for model in ["gpt-5.6", "coder-high"] {
        server.then(Answer::text("ok"));
        ask(&at(&provider(ProviderKind::OpenAi, &server), model), &request()).await.unwrap();
    }
    let schema = json!({ "type": "object", "properties": { "pattern": { "type": "string" } } });
    let expected = json!({
        "model": "coder-high",
        "stream": true,
        "tools": [
            { "type": "function", "function": { "name": "grep", "description": "Searches.", "parameters": schema, "strict": false } },
            { "type": "function", "function": { "name": "submit_findings", "description": "Ends.", "parameters": schema, "strict": false } },
        ],
        "messages": [
            { "role": "system", "content": "You review." },
            { "role": "user", "content": "The change.\nYour brief." },
        ],
        "stream_options": { "include_usage": true },
        "max_tokens": 1000,
    });
    let bodies = bodies(&server);
    assert_eq!(bodies[1], expected);
    let fields = bodies[0].as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>();
    assert!(!fields.iter().any(|field| field.contains("cache")), "{fields:?}");
    assert_eq!(bodies[0]["model"], "gpt-5.6");
}

#[tokio::test]
async fn anthropic_gets_a_mark_at_both_bars_and_on_the_last_tool() {
    let server = ModelServer::start().await;
    server.then(Answer::text("ok"));
    ask(&remote(ProviderKind::Anthropic, &server), &request()).await.unwrap();
    let schema = json!({ "type": "object", "properties": { "pattern": { "type": "string" } } });
    let mark = json!({ "type": "ephemeral" });
    let expected = json!({
        "model": "test-model",
        "stream": true,
        "system": [{ "type": "text", "text": "You review.", "cache_control": mark }],
        "tools": [
            { "name": "grep", "input_schema": schema, "description": "Searches." },
            { "name": "submit_findings", "input_schema": schema, "description": "Ends.", "cache_control": mark },
        ],
        "messages": [
            { "role": "user", "content": [{ "type": "text", "text": "The change.", "cache_control": mark }] },
            { "role": "user", "content": "Your brief." },
        ],
        "max_tokens": 1000,
    });
    assert_eq!(bodies(&server), [expected]);
}

/// Asks, runs two tools, says a remark, asks again; returns both replies.
async fn tool_loop(kind: ProviderKind, server: &ModelServer) -> (Reply, Reply) {
    server
        .when("brief", Answer::text("Let me look.").call("c1", "grep", r#"{"pattern": "unwrap"}"#).call("c2", "grep", "{not json"))
        .when("Submit", Answer::default().call("c3", "submit_findings", ""));
    let (model, mut request) = (remote(kind, server), request());
    let first = ask(&model, &request).await.expect("the first turn is answered");
    let results = first.calls.iter().zip(["src/a.rs:3", "arguments are no JSON"]);
    let results = results.map(|(call, text)| ToolResult { call_id: call.id.clone(), name: call.name.clone(), text: text.into() });
    let results = results.collect();
    request.turns.push(Exchange { reply: first.clone(), results, remark: Some("Submit soon.".into()) });
    let second = ask(&model, &request).await.expect("the second turn is answered");
    (first, second)
}

#[tokio::test]
async fn tools_are_called_in_pieces_and_answered_on_both_wires() {
    for kind in BOTH {
        let server = ModelServer::start().await;
        let (first, second) = tool_loop(kind, &server).await;
        let call = |id: &str, name: &str, arguments| ToolCall { id: id.into(), name: name.into(), arguments };
        assert_eq!(first.text, "Let me look.");
        assert_eq!(first.stop, Stop::Done);
        assert_eq!(first.calls, [call("c1", "grep", json!({ "pattern": "unwrap" })), call("c2", "grep", json!("{not json"))]);
        assert_eq!(second.calls, [call("c3", "submit_findings", json!({}))]);
    }
}

#[tokio::test]
async fn the_second_turn_at_openai_is_exactly_this() {
    let server = ModelServer::start().await;
    tool_loop(ProviderKind::OpenAi, &server).await;
    let call = |id: &str, arguments: &str| json!({ "type": "function", "id": id, "function": { "name": "grep", "arguments": arguments } });
    let expected = json!([
        { "role": "system", "content": "You review." },
        { "role": "user", "content": "The change.\nYour brief." },
        {
            "role": "assistant", "content": "Let me look.",
            "tool_calls": [call("c1", r#"{"pattern":"unwrap"}"#), call("c2", r#"{"unreadable":"{not json"}"#)],
        },
        { "role": "tool", "content": "src/a.rs:3", "tool_call_id": "c1" },
        { "role": "tool", "content": "arguments are no JSON", "tool_call_id": "c2" },
        { "role": "user", "content": "Submit soon." },
    ]);
    assert_eq!(bodies(&server)[1]["messages"], expected);
}

#[tokio::test]
async fn the_second_turn_at_anthropic_is_exactly_this() {
    let server = ModelServer::start().await;
    tool_loop(ProviderKind::Anthropic, &server).await;
    let expected = json!([
        { "role": "user", "content": [{ "type": "text", "text": "The change.", "cache_control": { "type": "ephemeral" } }] },
        { "role": "user", "content": "Your brief." },
        {
            "role": "assistant",
            "content": [
                { "type": "text", "text": "Let me look." },
                { "type": "tool_use", "id": "c1", "name": "grep", "input": { "pattern": "unwrap" } },
                { "type": "tool_use", "id": "c2", "name": "grep", "input": { "unreadable": "{not json" } },
            ],
        },
        {
            "role": "user",
            "content": [
                { "type": "tool_result", "content": "src/a.rs:3", "tool_use_id": "c1" },
                { "type": "tool_result", "content": "arguments are no JSON", "tool_use_id": "c2" },
            ],
        },
        { "role": "user", "content": "Submit soon." },
    ]);
    assert_eq!(bodies(&server)[1]["messages"], expected);
}

#[tokio::test]
async fn a_shaped_answer_is_asked_for_without_tools() {
    let schema =
        json!({ "type": "object", "properties": { "ok": { "type": "boolean" } }, "required": ["ok"], "additionalProperties": false });
    for kind in BOTH {
        let server = ModelServer::start().await;
        server.then(Answer::text(r#"{"ok":true}"#));
        let request = Request { answer: Some(AnswerSchema { name: "verdict", schema: schema.clone() }), ..request() };
        assert_eq!(ask(&remote(kind, &server), &request).await.unwrap().text, r#"{"ok":true}"#);
        let body = &bodies(&server)[0];
        assert!(body.get("tools").is_none());
        let sent = match kind {
            ProviderKind::Anthropic => &body["output_config"]["format"]["schema"],
            ProviderKind::OpenAi | ProviderKind::Gemini => &body["response_format"]["json_schema"]["schema"],
        };
        assert_eq!(*sent, schema);
    }
}

#[tokio::test]
async fn a_second_reader_finds_the_shared_beginning_in_the_cache() {
    let long = |mark: &str| -> Arc<str> { mark.repeat(600).into() };
    for kind in BOTH {
        let server = ModelServer::start().await;
        server.then(Answer::text("one")).then(Answer::text("two"));
        let model = remote(kind, &server);
        let first = Request { system: long("rule. "), change: long("+line "), ..request() };
        let second = Request { brief: "Another brief.".into(), ..first.clone() };
        let first = ask(&model, &first).await.unwrap().usage;
        let second = ask(&model, &second).await.unwrap().usage;
        assert_eq!((first.cached, second.cache_write), (0, 0), "{kind:?}");
        assert!(second.input > 1800 && second.cached > 1700 && second.cached < second.input, "{kind:?} {second:?}");
        match kind {
            // What was written is what is read: everything before the second bar.
            ProviderKind::Anthropic => assert_eq!(first.cache_write, second.cached),
            ProviderKind::OpenAi | ProviderKind::Gemini => assert_eq!((first.cache_write, second.cached % 128), (0, 0)),
        }
    }
}

#[tokio::test]
async fn an_answer_cut_at_the_limit_says_so_and_keeps_what_there_is() {
    for kind in BOTH {
        let server = ModelServer::start().await;
        server.then(Answer::text("half").call("c1", "grep", r#"{"pat"#).cut_at_length());
        let reply = ask(&remote(kind, &server), &request()).await.unwrap();
        assert_eq!((reply.stop, reply.text.as_str()), (Stop::Length, "half"));
        assert_eq!(reply.calls[0].arguments, json!(r#"{"pat"#));
    }
}

#[tokio::test]
async fn a_busy_server_is_asked_again_when_it_says() {
    for kind in BOTH {
        let server = ModelServer::start().await;
        let busy = Fault::Status(429, vec![("retry-after-ms", "30")], r#"{"error":{"message":"slow down"}}"#);
        server.then(busy).then(Answer::text("now"));
        let begun = Instant::now();
        let reply = ask(&remote(kind, &server), &request()).await.unwrap();
        assert_eq!((reply.text.as_str(), reply.usage.calls), ("now", 2));
        assert!(begun.elapsed() >= Duration::from_millis(30));
    }
}

#[tokio::test]
async fn a_refused_key_is_reported_without_it_and_not_tried_again() {
    for kind in BOTH {
        let server = ModelServer::start().await;
        server.wants_key("another");
        let error = ask(&remote(kind, &server), &request()).await.unwrap_err();
        assert_eq!((error.kind, error.status), (ModelErrorKind::Credentials, Some(401)));
        assert!(error.message.contains("Incorrect API key provided: [key]"), "{}", error.message);
        assert!(!error.message.contains("sk-test") && error.message.contains(&server.url), "{}", error.message);
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn no_log_holds_what_the_server_says_about_the_key() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::info!("this is kept");
    let server = ModelServer::start().await;
    server.wants_key("another");
    ask(&remote(ProviderKind::OpenAi, &server), &request()).await.unwrap_err();
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("this is kept") && !log.contains(KEY), "{log}");
}

#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_missing_key_is_named_and_nothing_is_sent() {
    let server = ModelServer::start().await;
    let provider = Provider { key: Key::Missing { variable: "ACME_KEY".into() }, ..provider(ProviderKind::OpenAi, &server) };
    let error = ask(&at(&provider, "m"), &request()).await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Credentials);
    assert!(error.message.contains("ACME_KEY is not set; a protected variable"), "{}", error.message);
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn a_request_that_is_too_long_is_not_sent_again() {
    let anthropic =
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#;
    let openai = r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}}"#;
    for (kind, body) in BOTH.into_iter().zip([anthropic, openai]) {
        let server = ModelServer::start().await;
        server.then(Fault::Status(400, vec![], body)).then(Answer::text("never"));
        assert_eq!(ask(&remote(kind, &server), &request()).await.unwrap_err().kind, ModelErrorKind::TooLong);
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn what_is_no_model_is_said_to_be_none() {
    let moved = Fault::Status(302, vec![("location", "https://login.example.com/")], "");
    for kind in BOTH {
        for fault in [Fault::Html, Fault::Garbage, moved.clone()] {
            let server = ModelServer::start().await;
            server.then(fault);
            let error = ask(&remote(kind, &server), &request()).await.unwrap_err();
            assert_eq!(error.kind, ModelErrorKind::NotAModel, "{kind:?}: {}", error.message);
            assert!(error.message.contains("base_url"), "{}", error.message);
        }
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_left_and_tried_once_more() {
    for kind in BOTH {
        let server = ModelServer::start().await;
        server.then(Fault::Silence).then(Fault::Silence).then(Answer::text("never"));
        let model = patient(Remote::new(&provider(kind, &server), "m", http()).waiting(Duration::from_millis(40)));
        let started = Started::default();
        let error = model.turn(&request(), &started).await.unwrap_err();
        assert_eq!(started.wait().now_or_never(), None);
        assert_eq!(error.kind, ModelErrorKind::TimedOut);
        assert!(error.message.contains("no answer began"), "{}", error.message);
        assert_eq!(server.seen().len(), 2);
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left_after_the_silence() {
    for kind in BOTH {
        let server = ModelServer::start().await;
        server.then(Answer::text("A long answer.").then_fails(3, Fault::Silence)).then(Answer::text("whole"));
        let mut request = request();
        // Only the silence can end the first call in time.
        (request.patience.silence, request.patience.total) = (Duration::from_millis(40), Duration::from_secs(2));
        let reply = ask(&remote(kind, &server), &request).await.unwrap();
        assert_eq!((reply.text.as_str(), reply.usage.calls), ("whole", 2));
    }
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_as_long_as_it_moves() {
    for kind in BOTH {
        let server = ModelServer::start().await;
        server.then(Answer::text("A slow but steady answer.").paced(Duration::from_millis(20), Duration::from_millis(250)));
        let mut request = request();
        request.patience.silence = Duration::from_millis(150);
        assert_eq!(ask(&remote(kind, &server), &request).await.unwrap().text, "A slow but steady answer.");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again_as_a_whole() {
    for kind in BOTH {
        let server = ModelServer::start().await;
        server.then(Answer::text("A long answer.").then_fails(4, Fault::Close)).then(Answer::text("whole"));
        let reply = ask(&remote(kind, &server), &request()).await.unwrap();
        assert_eq!((reply.text.as_str(), reply.usage.calls), ("whole", 2));
    }
}

#[tokio::test]
async fn an_unreachable_server_is_unavailable() {
    let server = ModelServer::start().await;
    let gone = Provider { base_url: Some("http://127.0.0.1:1/v1".into()), ..provider(ProviderKind::OpenAi, &server) };
    let error = ask(&at(&gone, "m"), &request()).await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Unavailable);
    assert!(error.message.contains("openai/m at http://127.0.0.1:1/v1: no connection"), "{}", error.message);
}

#[tokio::test]
async fn configured_headers_arrive_and_no_key_means_no_header() {
    let server = ModelServer::start().await;
    server.then(Answer::text("ok"));
    let headers = BTreeMap::from([("X-Team".to_owned(), "platform".to_owned())]);
    let provider = Provider { headers, key: Key::NotNeeded, ..provider(ProviderKind::OpenAi, &server) };
    ask(&at(&provider, "m"), &request()).await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.path, "/v1/chat/completions");
    assert_eq!(seen.headers["x-team"], "platform");
    assert!(!seen.headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_gateway_that_wants_the_other_field_for_the_limit_gets_it() {
    let server = ModelServer::start().await;
    let wants = r#"{"error":{"message":"Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}}"#;
    server.then(Fault::Status(400, vec![], wants)).then(Answer::text("one")).then(Answer::text("two"));
    let model = remote(ProviderKind::OpenAi, &server);
    assert_eq!(ask(&model, &request()).await.unwrap().text, "one");
    assert_eq!(ask(&model, &request()).await.unwrap().text, "two");
    let fields = bodies(&server).iter().map(|body| body.get("max_tokens").is_some()).collect::<Vec<_>>();
    assert_eq!(fields, [true, false, false]);
    assert_eq!(bodies(&server)[2]["max_completion_tokens"], 1000);
}

#[tokio::test]
async fn a_dropped_call_is_cancelled() {
    let server = ModelServer::start().await;
    server.then(Fault::Silence);
    let model = remote(ProviderKind::OpenAi, &server);
    let late = tokio::time::timeout(Duration::from_millis(20), ask(&model, &request())).await;
    assert!(late.is_err());
    tokio::time::timeout(Duration::from_secs(5), server.left()).await.expect("the server sees the connection go");
}

#[tokio::test]
async fn the_only_model_of_a_server_is_found_and_several_are_named() {
    let server = ModelServer::start().await;
    let provider = provider(ProviderKind::OpenAi, &server);
    server.offers(&["qwen3-coder"]);
    assert_eq!(only_model(&provider, &http()).await.unwrap(), "qwen3-coder");
    server.offers(&["b", "a"]);
    let failure = only_model(&provider, &http()).await.unwrap_err();
    assert_eq!((failure.exit, failure.message), (Exit::Usage, format!("{}/v1 offers several models: a, b", server.url)));
    assert_eq!(failure.hint.as_deref(), Some("set `models:` in .assize.yml, or ASSIZE_MODEL"));
    server.offers(&[]);
    assert!(only_model(&provider, &http()).await.unwrap_err().message.ends_with("offers no model"));
    let elsewhere = Provider { base_url: Some(format!("{}/elsewhere", server.url)), ..provider };
    let failure = only_model(&elsewhere, &http()).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.message.contains("does not list its models: 404"), "{}", failure.message);
}

#[tokio::test]
async fn the_test_server_refuses_what_a_provider_would() {
    let server = ModelServer::start().await;
    let orphan = Exchange {
        reply: Reply { text: "Hm.".into(), calls: vec![], stop: Stop::Done, usage: Usage::default(), by: "acme/m".into(), tried: vec![] },
        results: vec![ToolResult { call_id: "c9".into(), name: "grep".into(), text: "hit".into() }],
        remark: None,
    };
    for kind in BOTH {
        let nameless = Arc::new([ToolSpec { name: "grep", description: "", schema: json!({}) }]);
        for request in [Request { tools: nameless, ..request() }, Request { turns: vec![orphan.clone()], ..request() }] {
            server.then(Answer::text("never"));
            let error = ask(&remote(kind, &server), &request).await.unwrap_err();
            assert_eq!((error.kind, error.status), (ModelErrorKind::Refused, Some(400)), "{}", error.message);
        }
    }
}
