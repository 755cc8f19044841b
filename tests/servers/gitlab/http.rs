//! The wire: connections, paths, pages, faults, and the log of all requests. What an answer says is decided in `routes`.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use futures::{StreamExt as _, stream};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::access::scope_missing;
use super::fault::{Effect, Fate, Fault, Hook};
use super::params::{Params, decoded};
use super::routes::{Content, Reply, no_route};
use super::world::{Refusal, Scope, World};
use super::{Call, Shared};

/// Bytes that a request may have: what Rails' own limit would be.
const REQUEST_LIMIT: usize = 32 << 20;

/// Items on a page, where nobody says how many; and at most.
const PAGE: (usize, usize) = (20, 100);

/// An answer before it is put on the wire.
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    kind: &'static str,
    body: Vec<u8>,
}

impl Answer {
    fn json(status: u16, value: &Value) -> Self {
        Self { status, headers: Vec::new(), kind: "application/json", body: value.to_string().into_bytes() }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::json(refusal.status, &refusal.body)
    }
}

/// Answers connections until the runtime ends.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let service = hyper::service::service_fn(move |request| handle(Arc::clone(&shared), request));
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // A connection that ends badly is the client's to notice: most often it was the test's wish.
            let _ended = connection.await;
        });
    }
}

/// A request as far as it is taken apart.
struct Asked {
    method: String,
    /// As it came, behind the prefix.
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(Body::new(body), REQUEST_LIMIT).await.map_err(io::Error::other)?;
    let prefix = shared.world().options.prefix.clone();
    let path = head.uri.path().strip_prefix(&prefix).unwrap_or("/outside").to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let asked = Asked { method: head.method.to_string(), path, query, headers: head.headers, body };
    let latency = shared.world().options.latency;
    tokio::time::sleep(latency).await;
    let segments: Vec<String> = asked.path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let at = shared.log(asked.call());
    let (fate, hooks, fault) = shared.meet(&asked.method, &segments);
    if fate == Fate::Dies {
        return Err(io::Error::other("every connection drops"));
    }
    for hook in hooks {
        hook();
    }
    if let Some(answer) = fault.as_ref().and_then(instead) {
        shared.answered(at, answer.status, &Value::Null);
        return Ok(whole(answer));
    }
    match fault {
        Some(Fault::ResetBefore) => return Err(io::Error::other("closed by the test")),
        Some(Fault::Silence) => std::future::pending().await,
        _ => {}
    }
    let answer = asked.answer(&mut shared.world(), &segments);
    shared.answered(at, answer.status, &serde_json::from_slice(&answer.body).unwrap_or(Value::Null));
    if fate == Fate::LosesAnswer {
        return Err(io::Error::other("every connection drops"));
    }
    match fault {
        Some(Fault::ErrorAfter) => Ok(whole(Answer::json(500, &json!({ "message": "500 Internal Server Error" })))),
        Some(Fault::ResetAfter) => Err(io::Error::other("closed by the test")),
        Some(Fault::CutShort) => Ok(whole(Answer { body: answer.body[..answer.body.len() / 2].to_vec(), ..answer })),
        Some(fault @ (Fault::Slow(_) | Fault::CutOff)) => Ok(halves(&answer, &fault)),
        _ => Ok(whole(answer)),
    }
}

/// Returns what is answered in place of doing anything.
fn instead(fault: &Fault) -> Option<Answer> {
    let text = |status, kind, body: &str| Answer { status, headers: Vec::new(), kind, body: body.as_bytes().to_vec() };
    Some(match fault {
        Fault::RackLimit(seconds) => Answer {
            headers: vec![
                ("retry-after", seconds.to_string()),
                ("ratelimit-limit", "120".to_owned()),
                ("ratelimit-name", "throttle_authenticated_api".to_owned()),
                ("ratelimit-observed", "121".to_owned()),
                ("ratelimit-remaining", "0".to_owned()),
                ("ratelimit-reset", "1793523660".to_owned()),
            ],
            ..text(429, "text/plain", "Retry later\n")
        },
        Fault::AppLimit => {
            let why = "This endpoint has been requested too many times. Try again later.";
            Answer::json(429, &json!({ "message": { "error": why } }))
        }
        Fault::ErrorBefore => Answer::json(500, &json!({ "message": "500 Internal Server Error" })),
        Fault::BadGateway => text(502, "text/html", "<html><body>502 Bad Gateway</body></html>"),
        Fault::Expired => {
            let why = "Token is expired. You can either do re-authorization or token refresh.";
            Answer::json(401, &json!({ "error": "invalid_token", "error_description": why }))
        }
        Fault::Scope => scope_missing().into(),
        Fault::Answer(status, kind, body) => Answer { status: *status, headers: Vec::new(), kind, body: body.clone() },
        Fault::Json(status, value) => Answer::json(*status, value),
        Fault::ErrorAfter | Fault::ResetBefore | Fault::ResetAfter | Fault::Slow(_) | Fault::CutShort | Fault::CutOff | Fault::Silence => {
            return None;
        }
    })
}

impl Asked {
    fn call(&self) -> Call {
        let params = Params::read("", self.kind(), &self.body).map_or(Value::Null, |params| params.all());
        let (method, path, query) = (self.method.clone(), self.path.clone(), self.query.clone());
        let body = if self.body.is_empty() { Value::Null } else { params };
        let bytes = self.headers.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Call { method, path, query, body, headers: bytes.collect(), status: 0, answer: Value::Null }
    }

    fn kind(&self) -> &str {
        self.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default()
    }

    fn token(&self) -> Option<(&str, bool)> {
        let text = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
        bearer.or(text("private-token")).map(|token| (token, false)).or(text("job-token").map(|token| (token, true)))
    }

    /// A job's token goes in its own header, and only there.
    fn secret<'a>(&'a self, world: &World) -> Option<&'a str> {
        let (secret, job) = self.token()?;
        let is_job = world.tokens.iter().any(|token| token.secret == secret && token.scope == Scope::Job);
        (is_job == job).then_some(secret)
    }

    fn answer(&self, world: &mut World, segments: &[&str]) -> Answer {
        match segments {
            ["api", "v4", path @ ..] if !path.is_empty() => match self.rest(world, path) {
                Ok(reply) => self.page(world, reply),
                Err(refusal) => refusal.into(),
            },
            ["api", "graphql"] if self.method == "POST" => self.graphql(world),
            ["api", ..] => no_route().into(),
            _ => Answer {
                status: 404,
                headers: Vec::new(),
                kind: "text/html",
                body: b"<!DOCTYPE html>\n<html><head><title>The page could not be found (404)</title></head></html>\n".to_vec(),
            },
        }
    }

    fn rest(&self, world: &mut World, path: &[&str]) -> Result<Reply, Refusal> {
        let user = world.caller(self.secret(world), &self.method, path)?;
        let params = Params::read(&self.query, self.kind(), &self.body)?;
        world.call(user, &self.method, path, &params)
    }

    fn graphql(&self, world: &mut World) -> Answer {
        let invalid = Answer::json(401, &json!({ "errors": [{ "message": "Invalid token" }] }));
        let Some((secret, false)) = self.token() else { return invalid };
        let Ok(user) = world.caller(Some(secret), "POST", &["graphql"]) else { return invalid };
        match serde_json::from_slice(&self.body) {
            Ok(document) => Answer::json(200, &world.graphql(user, &document)),
            Err(_) => Answer::json(400, &json!({ "errors": [{ "message": "Unexpected end of document" }] })),
        }
    }

    /// Cuts a page out of a list. What the reader may not see is left out after the page was cut, so pages may be short.
    fn page(&self, world: &World, reply: Reply) -> Answer {
        let items = match reply.body {
            Content::Json(value) => return Answer::json(reply.status, &value),
            Content::Text(body) => return Answer { status: reply.status, headers: Vec::new(), kind: "text/plain", body },
            Content::Nothing => return Answer { status: reply.status, headers: Vec::new(), kind: "", body: Vec::new() },
            Content::Items(items) => items,
        };
        let pairs = || self.query.split('&').filter_map(|pair| pair.split_once('='));
        let asked = |name: &str| pairs().find(|(key, _)| *key == name).map(|(_, value)| value.parse::<i64>());
        let (page, size) = match (asked("page").transpose(), asked("per_page").transpose()) {
            (Err(_), _) => return Refusal::error("page is invalid").into(),
            (_, Err(_)) => return Refusal::error("per_page is invalid").into(),
            (Ok(page), Ok(size)) => (page, size),
        };
        // Numbers that are none of a page count as if nobody had said them.
        let sensible = |number: Option<i64>, otherwise| {
            number.and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0).unwrap_or(otherwise)
        };
        let (number, per_page) = (sensible(page, 1), sensible(size, PAGE.0).min(PAGE.1));
        let (total, pages) = (items.len(), items.len().div_ceil(per_page).max(1));
        let rest = pairs().filter(|(key, _)| !matches!(*key, "page" | "per_page")).map(|(key, value)| format!("&{key}={value}"));
        let rest: String = rest.collect();
        let link = |page: usize, rel: &str| format!("<{}{}?page={page}&per_page={per_page}{rest}>; rel=\"{rel}\"", world.url, self.path);
        let next = (number < pages).then_some(number + 1);
        let mut links: Vec<String> = next.iter().map(|page| link(*page, "next")).collect();
        links.extend([link(1, "first"), link(pages, "last")]);
        let headers = vec![
            ("link", links.join(", ")),
            ("x-next-page", next.map_or(String::new(), |page| page.to_string())),
            ("x-page", number.to_string()),
            ("x-per-page", per_page.to_string()),
            ("x-total", total.to_string()),
            ("x-total-pages", pages.to_string()),
        ];
        let shown: Vec<Value> = items.into_iter().skip((number - 1).saturating_mul(per_page)).take(per_page).flatten().collect();
        Answer { headers, ..Answer::json(reply.status, &Value::Array(shown)) }
    }
}

fn head(answer: &Answer) -> axum::http::response::Builder {
    let mut response = Response::builder().status(StatusCode::from_u16(answer.status).expect("a status"));
    if !answer.kind.is_empty() {
        response = response.header(header::CONTENT_TYPE, answer.kind);
    }
    answer.headers.iter().fold(response.header("x-request-id", "01JDFAKE0000"), |response, (name, value)| response.header(*name, value))
}

fn whole(answer: Answer) -> Response<Body> {
    head(&answer).body(Body::from(answer.body)).expect("headers that fit")
}

/// Sends the first half, then the second one late or never.
fn halves(answer: &Answer, fault: &Fault) -> Response<Body> {
    let response = head(answer).header(header::CONTENT_LENGTH, answer.body.len());
    let (first, second) = answer.body.split_at(answer.body.len() / 2);
    let (first, second) = (Bytes::copy_from_slice(first), Bytes::copy_from_slice(second));
    let wait = if let Fault::Slow(wait) = fault { Some(*wait) } else { None };
    let late = stream::once(async move {
        match wait {
            Some(wait) => {
                tokio::time::sleep(wait).await;
                Ok(second)
            }
            None => Err(io::Error::other("closed by the test")),
        }
    });
    response.body(Body::from_stream(stream::iter([Ok(first)]).chain(late))).expect("headers that fit")
}

impl Shared {
    /// Remembers a request and returns its place in the log.
    fn log(&self, call: Call) -> usize {
        let mut traffic = self.traffic();
        traffic.calls.push(call);
        traffic.calls.len() - 1
    }

    /// Adds what was answered. The log may have been emptied in between.
    fn answered(&self, at: usize, status: u16, answer: &Value) {
        if let Some(call) = self.traffic().calls.get_mut(at) {
            (call.status, call.answer) = (status, answer.clone());
        }
    }

    /// Says what meets a request: its fate, what happens before it, and what goes wrong.
    fn meet(&self, method: &str, path: &[&str]) -> (Fate, Vec<Hook>, Option<Fault>) {
        let mut traffic = self.traffic();
        let fate = traffic.death.as_mut().map_or(Fate::Lives, super::fault::Death::fate);
        let (mut hooks, mut fault) = (Vec::new(), None);
        for rule in &mut traffic.rules {
            if rule.meets(method, path) {
                match &mut rule.effect {
                    Effect::Fault(trouble) => fault = fault.or_else(|| Some(trouble.clone())),
                    Effect::Hook(hook) => hooks.extend(hook.take()),
                }
            }
        }
        let fault = fault.or_else(|| traffic.storm.as_mut().and_then(|storm| storm()));
        (fate, hooks, fault)
    }
}
