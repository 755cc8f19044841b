//! What the server is told to do: an answer in pieces, a fault, a pace.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use futures::stream;
use tokio::sync::Notify;

/// One event of a stream, as bytes.
pub(super) type Frame = String;

/// An answer of a model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// Its text.
    pub(crate) text: String,
    /// Its calls: ID, tool, arguments as they stand on the wire.
    pub(crate) calls: Vec<(String, String, String)>,
    /// Cut at the limit on output.
    pub(crate) cut: bool,
}

impl Answer {
    /// Returns an answer in words.
    pub(crate) fn text(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    /// Adds a call.
    pub(crate) fn call(mut self, id: &str, tool: &str, arguments: &str) -> Self {
        self.calls.push((id.to_owned(), tool.to_owned(), arguments.to_owned()));
        self
    }

    /// Ends at the limit on output.
    pub(crate) fn cut_at_length(mut self) -> Self {
        self.cut = true;
        self
    }

    /// Waits before the first byte, then spreads the events over the time that is left of `total`.
    pub(crate) fn paced(self, first_byte: Duration, total: Duration) -> Script {
        Script { first_byte, total, ..Script::from(self) }
    }

    /// Sends so many events, then does `fault`.
    pub(crate) fn then_fails(self, events: usize, fault: Fault) -> Script {
        Script { fault: Some((events, fault)), ..Script::from(self) }
    }
}

/// A way to fail.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Another status, with headers and body.
    Status(u16, Vec<(&'static str, &'static str)>, &'static str),
    /// Closes the connection.
    Close,
    /// Sends nothing, and keeps the connection.
    Silence,
    /// A page for people, status 200.
    Html,
    /// An event stream that is none of a model.
    Garbage,
}

/// What happens at one request.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(super) answer: Option<Answer>,
    fault: Option<(usize, Fault)>,
    first_byte: Duration,
    total: Duration,
}

impl From<Answer> for Script {
    fn from(answer: Answer) -> Self {
        Self { answer: Some(answer), fault: None, first_byte: Duration::ZERO, total: Duration::ZERO }
    }
}

impl From<Fault> for Script {
    fn from(fault: Fault) -> Self {
        Self { answer: None, fault: Some((0, fault)), first_byte: Duration::ZERO, total: Duration::ZERO }
    }
}

impl Script {
    pub(super) async fn play(self, mut frames: Vec<Frame>, left: Arc<Notify>) -> Response {
        match &self.fault {
            Some((_, Fault::Status(status, headers, body))) => {
                let mut response = (StatusCode::from_u16(*status).expect("a status"), *body).into_response();
                for (name, value) in headers {
                    response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
                }
                return response;
            }
            Some((_, Fault::Html)) => return page(StatusCode::OK),
            Some((_, Fault::Garbage)) => frames = vec!["data: 42 is\n\n".to_owned(), "data: the answer\n\n".to_owned()],
            Some((0, Fault::Silence)) if self.answer.is_none() => {
                let _leaving = Leaving(left);
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        tokio::time::sleep(self.first_byte).await;
        let end = match &self.fault {
            Some((events, fault @ (Fault::Close | Fault::Silence))) => {
                frames.truncate(*events);
                Some(fault.clone())
            }
            _ => None,
        };
        let gaps = u32::try_from(frames.len()).expect("few frames").max(1);
        let gap = self.total.saturating_sub(self.first_byte) / gaps;
        let events = stream::iter(frames).then(move |frame| async move {
            tokio::time::sleep(gap).await;
            Ok::<_, io::Error>(Bytes::from(frame))
        });
        let end = stream::iter(end).then(|fault| async move {
            if matches!(fault, Fault::Silence) {
                std::future::pending::<Infallible>().await;
            }
            // What was sent has left before the connection goes.
            tokio::time::sleep(Duration::from_millis(2)).await;
            Err(io::Error::other("closed by the test"))
        });
        ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events.chain(end))).into_response()
    }
}

/// Dropped with the handler when its client goes.
struct Leaving(Arc<Notify>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A page as a proxy or a wrong address would show it.
pub(super) fn page(status: StatusCode) -> Response {
    let html = "<!DOCTYPE html>\n<html><head><title>Welcome</title></head>\n\n<body>Sign in</body></html>\n";
    (status, [(header::CONTENT_TYPE, "text/html")], html).into_response()
}

/// Cuts a text as a stream does: anywhere, but never inside a character.
pub(super) fn pieces(text: &str) -> Vec<String> {
    text.chars().collect::<Vec<_>>().chunks(5).map(|piece| piece.iter().collect()).collect()
}
