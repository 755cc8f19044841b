//! A model server for tests: real sockets, both protocols, real event streams, scripted answers, strict about what it is sent.

mod anthropic;
mod openai;
mod prefixes;
mod script;

use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::sync::Notify;

use prefixes::{Blocks, Text};
use script::Frame;
pub(crate) use script::{Answer, Fault, Script};

/// A running server; it ends with the test's runtime.
pub(crate) struct ModelServer {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    state: Arc<Mutex<Inner>>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Path with query.
    pub(crate) path: String,
    /// Headers.
    pub(crate) headers: HeaderMap,
    /// Body; null where there is none.
    pub(crate) body: Value,
}

#[derive(Default)]
struct Inner {
    /// Text that the last user message must contain → what to answer, each once, in order.
    scripts: Vec<(String, Script)>,
    voice: Option<Voice>,
    seen: Vec<Seen>,
    models: Vec<String>,
    key: Option<String>,
    left: Arc<Notify>,
    asked: Arc<Notify>,
    texts: Text,
    blocks: Blocks,
}

/// Answers whatever no script is for, by what all messages say.
type Voice = Box<dyn FnMut(&str) -> Script + Send>;

/// A refusal in the words of a protocol: the reason.
type Refusal = String;

impl ModelServer {
    /// Starts a server that has nothing to say yet.
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(Inner::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let router = Router::new().fallback(handle).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().expect("no handler panics")
    }

    /// Answers the next request whose last user message contains `text`. Several for the same text are given in their order.
    pub(crate) fn when(&self, text: &str, script: impl Into<Script>) -> &Self {
        self.lock().scripts.push((text.to_owned(), script.into()));
        self
    }

    /// Answers the next request, whatever it says.
    pub(crate) fn then(&self, script: impl Into<Script>) -> &Self {
        self.when("", script)
    }

    /// Answers whatever no script is for: it is given all that the messages say.
    pub(crate) fn speaks(&self, voice: impl FnMut(&str) -> Script + Send + 'static) -> &Self {
        self.lock().voice = Some(Box::new(voice));
        self
    }

    /// Takes back what was not asked for.
    pub(crate) fn forget(&self) {
        self.lock().scripts.clear();
    }

    /// Lists these models under `/v1/models`.
    pub(crate) fn offers(&self, models: &[&str]) -> &Self {
        self.lock().models = models.iter().map(|model| (*model).to_owned()).collect();
        self
    }

    /// Refuses every other key, and repeats the wrong one in its words.
    pub(crate) fn wants_key(&self, key: &str) -> &Self {
        self.lock().key = Some(key.to_owned());
        self
    }

    /// Waits until a client leaves while the server is silent before its first byte.
    pub(crate) async fn left(&self) {
        let left = Arc::clone(&self.lock().left);
        left.notified().await;
    }

    /// Waits until a request has arrived since the last time.
    pub(crate) async fn asked(&self) {
        let asked = Arc::clone(&self.lock().asked);
        asked.notified().await;
    }

    /// Returns all requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }
}

async fn handle(State(state): State<Arc<Mutex<Inner>>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let planned = {
        let mut inner = state.lock().expect("no handler panics");
        inner.seen.push(Seen { path, headers: headers.clone(), body: body.clone() });
        inner.asked.notify_one();
        plan(&mut inner, &method, uri.path(), &headers, &body)
    };
    let left = Arc::clone(&state.lock().expect("no handler panics").left);
    match planned {
        Ok((script, frames)) => script.play(frames, left).await,
        Err(response) => *response,
    }
}

/// Decides under the lock what to answer; nothing waits in here.
fn plan(inner: &mut Inner, method: &Method, path: &str, headers: &HeaderMap, body: &Value) -> Result<(Script, Vec<Frame>), Box<Response>> {
    let anthropic = path == "/v1/messages";
    if let Some(key) = &inner.key {
        let given = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").trim_start_matches("Bearer ").to_owned();
        let given = if anthropic { given("x-api-key") } else { given("authorization") };
        if given != *key {
            return Err(Box::new(refuse(anthropic, StatusCode::UNAUTHORIZED, &format!("Incorrect API key provided: {given}."))));
        }
    }
    match (method.as_str(), path) {
        ("GET", "/v1/models") => {
            let data: Vec<Value> = inner.models.iter().map(|model| json!({ "id": model, "object": "model" })).collect();
            return Err(Box::new(axum::Json(json!({ "object": "list", "data": data })).into_response()));
        }
        ("POST", "/v1/chat/completions" | "/v1/messages") => {}
        _ => return Err(Box::new(script::page(StatusCode::NOT_FOUND))),
    }
    let asked = if anthropic { anthropic::check(headers, body) } else { openai::check(body) };
    let bad = |why: Refusal| Box::new(refuse(anthropic, StatusCode::BAD_REQUEST, &why));
    let asked = asked.map_err(bad)?;
    let next = inner.scripts.iter().position(|(text, _)| asked.contains(text.as_str()));
    let script = match (next, &mut inner.voice) {
        (Some(next), _) => inner.scripts.remove(next).1,
        (None, Some(voice)) => voice(&said(body)),
        (None, None) => return Err(bad(format!("the test has no answer to: {asked}"))),
    };
    let frames = match &script.answer {
        None => Vec::new(),
        Some(answer) if anthropic => anthropic::frames(answer, inner.blocks.charge(body)),
        Some(answer) => openai::frames(answer, inner.texts.charge(body)),
    };
    Ok((script, frames))
}

/// All that the messages of a request say, one text.
fn said(body: &Value) -> String {
    let messages = body["messages"].as_array().into_iter().flatten();
    messages.filter_map(|message| message["content"].as_str()).collect::<Vec<_>>().join("\n")
}

fn refuse(anthropic: bool, status: StatusCode, why: &str) -> Response {
    let body = if anthropic {
        json!({ "type": "error", "error": { "type": "invalid_request_error", "message": why } })
    } else {
        json!({ "error": { "message": why, "type": "invalid_request_error", "param": null, "code": null } })
    };
    (status, [(header::CONTENT_TYPE, "application/json")], Body::from(body.to_string())).into_response()
}

/// Refuses fields that the protocol does not have: a real server of one's own may do the same.
fn only_known(body: &Value, known: &[&str]) -> Result<(), Refusal> {
    let fields = body.as_object().ok_or("the body is no object")?;
    match fields.keys().find(|key| !known.contains(&key.as_str())) {
        Some(unknown) => Err(format!("{unknown}: extra inputs are not permitted")),
        None => Ok(()),
    }
}

fn text_of<'a>(value: &'a Value, what: &str) -> Result<&'a str, Refusal> {
    value.as_str().filter(|text| !text.trim().is_empty()).ok_or_else(|| format!("{what} must be a text that is not empty"))
}
