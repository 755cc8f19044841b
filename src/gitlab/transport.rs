//! The one way to GitLab: sends a request with the token, reads a bounded answer, repeats what may be repeated, and counts. It must not know
//! what is asked for.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use gitlab::api::{ApiError, AsyncClient, RestClient};
use http::request::Builder;
use http::{Request, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::IgnoredAny;

use super::connection::{self, Checked};
use super::fault::{self, Fault};
use super::retry::{self, Retry};
use super::{Connection, GitlabErrorKind};
use crate::error::Failure;

/// Largest answer that is read, in bytes, unless the caller allows another size. A page of notes is seldom above 1 MiB.
pub(super) const MAX_ANSWER_BYTES: usize = 32 << 20;

/// Longest part of an error's body that is read, in bytes.
const MOST_ERROR_BYTES: usize = 64 * 1024;

/// A GitLab, reached as one user.
pub struct Gitlab {
    pub(super) reach: Checked,
    token: SecretString,
    pub(super) retry: Retry,
    calls: AtomicU64,
}

impl Gitlab {
    /// Returns the GitLab at the other end. Makes no request.
    pub fn new(connection: Connection) -> Result<Self, Failure> {
        let reach = connection::check(&connection)?;
        Ok(Self { reach, token: connection.token, retry: connection.retry, calls: AtomicU64::new(0) })
    }

    /// Returns the number of requests sent so far, repetitions included.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Returns the way for answers of at most `cap` bytes.
    pub(super) const fn way(&self, cap: usize) -> Way<'_> {
        Way { gitlab: self, cap }
    }
}

/// A way to GitLab for answers of a certain size: the client of the endpoints' library.
pub(super) struct Way<'a> {
    gitlab: &'a Gitlab,
    cap: usize,
}

impl Way<'_> {
    /// Sends a request until it succeeds or cannot. Everything that is no success is an error here already: the library would forget the
    /// headers of a rate limit, the request's number, and that 202 means something else than 201.
    pub(super) async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Bytes>, Fault> {
        let (parts, body) = request.into_parts();
        let (parts, body) = (&parts, Bytes::from(body));
        let attempt = || {
            let mut request = Request::new(body.clone());
            *request.method_mut() = parts.method.clone();
            *request.uri_mut() = parts.uri.clone();
            request.headers_mut().clone_from(&parts.headers);
            request.headers_mut().insert(AUTHORIZATION, self.gitlab.reach.authorization.clone());
            self.once(request)
        };
        retry::run(self.gitlab.retry, attempt).await.map_err(|fault| fault.without(self.gitlab.token.expose_secret().trim()))
    }

    async fn once(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Fault> {
        let method = request.method().clone();
        let mut request = reqwest::Request::try_from(request).map_err(|error| fault::broken(&method, &error, false))?;
        // The library leaves a question mark behind that asks for nothing.
        if request.url().query() == Some("") {
            request.url_mut().set_query(None);
        }
        let url = request.url();
        let known = url.as_str().starts_with(self.gitlab.reach.api.as_str()) || Some(url) == self.gitlab.reach.graphql.as_ref();
        if !known {
            return Err(Fault::new(GitlabErrorKind::Refused, "the request would leave GitLab's API"));
        }
        self.gitlab.calls.fetch_add(1, Ordering::Relaxed);
        tracing::trace!(%method, path = request.url().path(), "to GitLab");
        let mut answer = self.gitlab.reach.client.execute(request).await.map_err(|error| fault::broken(&method, &error, false))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        if !status.is_success() || status == StatusCode::ACCEPTED {
            return Err(fault::answered(&method, status, &headers, &beginning(answer).await));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| fault::broken(&method, &error, true))? {
            if body.len() + chunk.len() > self.cap {
                let said = format!("the answer is larger than {} KiB", self.cap >> 10);
                return Err(Fault::new(GitlabErrorKind::TooLarge, said));
            }
            body.extend_from_slice(&chunk);
        }
        let is = |kind: &[u8]| headers.get(CONTENT_TYPE).is_some_and(|given| given.as_bytes().starts_with(kind));
        // Of a change, the body is often not needed: a login page in its place must not pass for GitLab's consent.
        if method != Method::GET && is(b"text/html") {
            return Err(fault::not_json(status, &body));
        }
        // A proxy that lost the rest may call what it has the whole.
        let json = is(b"application/json");
        if json && serde_json::from_slice::<IgnoredAny>(&body).is_err_and(|error| error.is_eof()) && !body.is_empty() {
            return Err(fault::cut(&method));
        }
        let mut response = Response::new(body.freeze());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// Reads what there is of an error's body: its status says enough, so that it is no matter if the rest is missing.
async fn beginning(mut answer: reqwest::Response) -> BytesMut {
    let mut body = BytesMut::new();
    while body.len() < MOST_ERROR_BYTES {
        let Ok(Some(chunk)) = answer.chunk().await else { break };
        body.extend_from_slice(&chunk);
    }
    body.truncate(MOST_ERROR_BYTES);
    body
}

impl RestClient for Way<'_> {
    type Error = Fault;

    fn rest_endpoint(&self, endpoint: &str) -> Result<Url, ApiError<Fault>> {
        Ok(self.gitlab.reach.api.join(endpoint)?)
    }
}

#[async_trait]
impl AsyncClient for Way<'_> {
    async fn rest_async(&self, request: Builder, body: Vec<u8>) -> Result<Response<Bytes>, ApiError<Fault>> {
        let unfit = |error: http::Error| Fault::new(GitlabErrorKind::Refused, format!("the request could not be made: {error}"));
        let request = request.body(body).map_err(|error| ApiError::client(unfit(error)))?;
        self.send(request).await.map_err(ApiError::client)
    }
}
