//! A server that answers as it is told and remembers what it was asked. It must not know GitLab's rules.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use serde_json::Value;

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::gitlab) struct Seen {
    /// Method, and path with query behind `/sub/api/v4/`.
    pub(in crate::gitlab) line: String,
    pub(in crate::gitlab) authorization: String,
    pub(in crate::gitlab) body: String,
}

impl Seen {
    pub(in crate::gitlab) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// A field of a form.
    pub(in crate::gitlab) fn form(&self, name: &str) -> Option<String> {
        let url = reqwest::Url::parse(&format!("http://form/?{}", self.body)).unwrap();
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(in crate::gitlab) struct Answer {
    pub(in crate::gitlab) status: u16,
    pub(in crate::gitlab) headers: Vec<(&'static str, String)>,
    pub(in crate::gitlab) body: Vec<u8>,
    /// The connection breaks before the body is complete.
    pub(in crate::gitlab) broken: bool,
}

impl Answer {
    pub(in crate::gitlab) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", &body.to_string())
    }

    pub(in crate::gitlab) fn text(status: u16, kind: &str, body: &str) -> Self {
        Self { status, headers: vec![("content-type", kind.to_owned())], body: body.as_bytes().to_vec(), broken: false }
    }

    pub(in crate::gitlab) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(in crate::gitlab) fn broken() -> Self {
        Self { broken: true, ..Self::text(200, "application/json", "{") }
    }
}

type Script = Box<dyn FnMut(&Seen) -> Answer + Send>;
type Log = Arc<Mutex<Vec<Seen>>>;

/// A running server; it ends with the test's runtime.
pub(in crate::gitlab) struct Server {
    pub(in crate::gitlab) origin: String,
    seen: Log,
}

impl Server {
    pub(in crate::gitlab) async fn start(script: impl FnMut(&Seen) -> Answer + Send + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (seen, script): (Log, Arc<Mutex<Script>>) = (Log::default(), Arc::new(Mutex::new(Box::new(script))));
        let log = Arc::clone(&seen);
        let handle = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (script, log) = (Arc::clone(&script), Arc::clone(&log));
            async move {
                let path = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
                let seen = Seen {
                    line: format!("{method} {}", path.strip_prefix("/sub/api/v4/").unwrap_or(&path)),
                    authorization: headers.get("authorization").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default(),
                    body: String::from_utf8(body.to_vec()).unwrap(),
                };
                let answer = (script.lock().unwrap())(&seen);
                log.lock().unwrap().push(seen);
                response(answer)
            }
        };
        let app = Router::new().fallback(handle);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { origin, seen }
    }

    /// A server that gives these answers one after the other, and the last one for ever.
    pub(in crate::gitlab) async fn script(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: Vec<Answer> = answers.into_iter().collect();
        Self::start(move |_| if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }).await
    }

    pub(in crate::gitlab) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Method and path of everything that was asked.
    pub(in crate::gitlab) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }
}

fn response(answer: Answer) -> Response {
    let mut builder = Response::builder().status(StatusCode::from_u16(answer.status).unwrap());
    for (name, value) in answer.headers {
        builder = builder.header(name, value);
    }
    let body = if answer.broken {
        let parts = [Ok(Bytes::from(answer.body)), Err(std::io::Error::other("the cable was pulled"))];
        Body::from_stream(futures::stream::iter(parts))
    } else {
        Body::from(answer.body)
    };
    builder.body(body).unwrap()
}
