//! What a failed request means, in one kind to branch on and one line for people. It must not send or repeat anything.

use std::fmt;
use std::time::Duration;

use gitlab::api::ApiError;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use super::ServerVersion;
use crate::error::Failure;
use crate::exit::Exit;

/// Longest part of GitLab's words that is repeated, in characters.
const MOST_CHARS: usize = 300;
/// The part of an answer that shows whether it is a page for people, in bytes.
const PAGE_BYTES: usize = 256;

/// What went wrong, by what a caller does about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitlabErrorKind {
    /// The place of a thread is not in GitLab's diff: the next rung may be.
    PositionRefused,
    /// GitLab does not take the request, and would not a second time.
    Refused,
    /// Too many requests, after all the waiting that the policy allows.
    RateLimited {
        /// How long GitLab asks to wait; none if it does not say.
        after: Option<Duration>,
    },
    /// The token is wrong, expired or revoked.
    Unauthorized,
    /// The token lacks the scope, or its user the role.
    Forbidden,
    /// The bot's user cannot vote, because it is no reviewer of the merge request.
    NoReviewer,
    /// It is not there, or the token may not see it.
    NotFound,
    /// Somebody else is changing the same.
    Conflict,
    /// The merge request has a newer head.
    Superseded,
    /// What answers is not GitLab's API.
    NotGitlab,
    /// Nobody that this machine trusts vouches for the server's certificate.
    Untrusted,
    /// This GitLab is older than what is needed.
    TooOld {
        /// The oldest that has it.
        needs: ServerVersion,
    },
    /// The answer is larger than what is read.
    TooLarge,
    /// GitLab has no diff for the merge request, or not yet.
    NoDiff,
    /// GitLab cannot be reached or fails; nothing was changed.
    Unavailable,
    /// GitLab failed in the middle of a change: it may have been made.
    UnknownOutcome,
    /// GitLab took the text for quick actions, and stored nothing.
    CommandsRun,
    /// The answer is JSON of another shape than GitLab's.
    Unexpected,
}

impl GitlabErrorKind {
    /// Returns what to do about it, in the imperative.
    pub fn remedy(&self) -> String {
        let remedy = match self {
            Self::TooOld { needs } => return format!("upgrade GitLab to {needs} or later"),
            Self::PositionRefused => "run the job again: the merge request has probably moved on",
            Self::Refused => "run the job again; if it stays so, report it with the line above",
            Self::RateLimited { .. } => "run the job again later, or have an administrator raise the limit for the bot's user",
            Self::Unauthorized => {
                "the token is wrong, expired or revoked: make a project access token with the role Developer and the scope `api`, and set ASSIZE_GITLAB_TOKEN to it"
            }
            Self::Forbidden => "give the token the scope `api` and its user the role Developer in the project of the merge request",
            Self::NoReviewer => "make the bot's user a reviewer of the merge request, or set `publish.approve: false`",
            Self::NotFound => {
                "check that the token belongs to the project of the merge request: GitLab also says “not found” of what a token may not see"
            }
            Self::Conflict => "run the job again",
            Self::Superseded => "nothing to do: the pipeline of the newer commit reviews it",
            Self::NotGitlab => "check CI_API_V4_URL, and whether a proxy or a login page stands in between",
            Self::Untrusted => {
                "let CI_SERVER_TLS_CA_FILE, as the runner sets it, or SSL_CERT_FILE name a file with the certificates of the authority that signed it"
            }
            Self::TooLarge => "nothing to do on this side: what is above the limit is left out",
            Self::NoDiff => "check that the merge request has commits, and run the job again",
            Self::Unavailable => "run the job again when GitLab is up",
            Self::UnknownOutcome => "look at the merge request, and run the job again: nothing is posted twice",
            Self::CommandsRun => "report it: no text of Assize's should hold a quick action",
            Self::Unexpected => "report it with the line above and the version of GitLab",
        };
        remedy.to_owned()
    }

    /// Returns the code that a run ends with when it cannot go on after this.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Unauthorized | Self::Forbidden | Self::NoReviewer | Self::NotFound => Exit::Refused,
            Self::TooOld { .. } | Self::Untrusted => Exit::Usage,
            Self::PositionRefused
            | Self::Refused
            | Self::RateLimited { .. }
            | Self::Conflict
            | Self::Superseded
            | Self::NotGitlab
            | Self::TooLarge
            | Self::NoDiff
            | Self::Unavailable
            | Self::UnknownOutcome
            | Self::CommandsRun
            | Self::Unexpected => Exit::Incomplete,
        }
    }
}

/// A request that failed: what was to be done, to what, and what GitLab said. It never holds the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {what}: {fault}")]
pub struct GitlabError {
    /// What was to be done, e.g. `read !7 of project 42`.
    pub what: String,
    /// What went wrong.
    fault: Fault,
}

impl GitlabError {
    /// Returns the error of something that GitLab did not even refuse.
    pub(super) fn new(what: impl Into<String>, kind: GitlabErrorKind, said: impl Into<String>) -> Self {
        Fault::new(kind, said).at(what)
    }

    /// Returns the kind.
    pub const fn kind(&self) -> &GitlabErrorKind {
        &self.fault.kind
    }

    /// Returns what GitLab said, in one line.
    pub fn said(&self) -> &str {
        &self.fault.said
    }

    /// Returns the number by which GitLab's own logs know the request.
    pub fn request_id(&self) -> Option<&str> {
        self.fault.request_id.as_deref()
    }

    /// Returns the same error as the reason why something else cannot be done.
    pub(super) fn about(self, what: impl Into<String>) -> Self {
        self.fault.at(what)
    }

    /// Returns the same error as another kind.
    pub(super) fn with_kind(mut self, kind: GitlabErrorKind) -> Self {
        self.fault.kind = kind;
        self
    }
}

impl From<GitlabError> for Failure {
    fn from(error: GitlabError) -> Self {
        Self { exit: error.kind().exit(), message: error.to_string(), hint: Some(error.kind().remedy()) }
    }
}

/// What went wrong, before it is known what it was part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: GitlabErrorKind,
    pub(super) said: String,
    pub(super) request_id: Option<String>,
}

impl Fault {
    pub(super) fn new(kind: GitlabErrorKind, said: impl Into<String>) -> Self {
        Self { kind, said: said.into(), request_id: None }
    }

    /// Returns the error of doing `what`.
    pub(super) fn at(self, what: impl Into<String>) -> GitlabError {
        GitlabError { what: what.into(), fault: self }
    }

    /// Returns the fault with the token blotted out, in case a server repeats it.
    pub(super) fn without(mut self, token: &str) -> Self {
        if !token.is_empty() {
            self.said = self.said.replace(token, "***");
        }
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)?;
        self.request_id.as_ref().map_or(Ok(()), |id| write!(f, " (request {id})"))
    }
}

impl std::error::Error for Fault {}

/// Returns whether a request may be sent twice with the effect of one. Everything that posts may not.
pub(super) fn repeatable(method: &Method) -> bool {
    method != Method::POST && method != Method::PATCH
}

/// Reads an answer that is not what was asked for: any status but the successful ones, and 202.
pub(super) fn answered(method: &Method, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault {
    let body = String::from_utf8_lossy(body);
    let page = is_web_page(headers, &body);
    let kind = kind(method, status, headers, page, &body);
    let words = if page { Some("a web page".to_owned()) } else { words(&body) };
    let mut said = format!("{} from GitLab", status.as_u16());
    if let Some(words) = words.map(|words| line(&words)).filter(|words| !words.is_empty()) {
        said = format!("{said}: {words}");
    }
    if status.is_redirection() {
        // Where to is worth knowing, what stands behind the host is not.
        let target = headers.get(LOCATION).and_then(|value| value.to_str().ok()).and_then(|value| Url::parse(value).ok());
        let target = target.map_or_else(|| "elsewhere".to_owned(), |url| url.origin().ascii_serialization());
        said = format!("{} to {target}, which is not followed", status.as_u16());
    }
    let request_id = headers.get("x-request-id").and_then(|value| value.to_str().ok()).map(line).filter(|id| !id.is_empty());
    Fault { kind, said, request_id }
}

fn kind(method: &Method, status: StatusCode, headers: &HeaderMap, page: bool, body: &str) -> GitlabErrorKind {
    use GitlabErrorKind as Kind;
    match status.as_u16() {
        202 => Kind::CommandsRun,
        429 => Kind::RateLimited { after: retry_after(headers) },
        500..=599 => unclear(method),
        _ if page => Kind::NotGitlab,
        // The words around it are those of Ruby and change with its version.
        400 if body.contains("line_code") || (body.contains("position") && body.contains("is incomplete")) => Kind::PositionRefused,
        401 => Kind::Unauthorized,
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        409 => Kind::Conflict,
        400..=499 => Kind::Refused,
        _ => Kind::NotGitlab,
    }
}

/// GitLab gives seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// How the TLS library begins to say that it does not trust a server.
const BAD_CERTIFICATE: &str = "invalid peer certificate";

/// Reads an error below HTTP. `begun`: an answer had begun.
pub(super) fn broken(method: &Method, error: &reqwest::Error, begun: bool) -> Fault {
    let cause = if error.is_timeout() { "no complete answer in time".to_owned() } else { line(&innermost(error)) };
    if error.is_builder() {
        return Fault::new(GitlabErrorKind::Refused, format!("the request could not be made: {cause}"));
    }
    // A connection that failed to open has carried nothing.
    if error.is_connect() && !begun {
        let host = error.url().and_then(|url| url.host_str()).unwrap_or("GitLab");
        if cause.contains(BAD_CERTIFICATE) {
            return Fault::new(GitlabErrorKind::Untrusted, format!("no connection to {host}, whose certificate is not trusted: {cause}"));
        }
        return Fault::new(GitlabErrorKind::Unavailable, format!("no connection to {host}: {cause}"));
    }
    Fault::new(unclear(method), format!("the connection to GitLab broke: {cause}"))
}

/// Returns the fault of JSON that ends in the middle.
pub(super) fn cut(method: &Method) -> Fault {
    Fault::new(unclear(method), "the answer of GitLab ends in the middle")
}

/// Returns what it means that no complete answer came.
fn unclear(method: &Method) -> GitlabErrorKind {
    if repeatable(method) { GitlabErrorKind::Unavailable } else { GitlabErrorKind::UnknownOutcome }
}

/// Reads an error of the endpoints' library. All answers but the successful ones are ours already.
pub(super) fn of_library(error: ApiError<Fault>) -> Fault {
    match error {
        ApiError::Client { source } => source,
        ApiError::GitlabService { status, data } => not_json(status, &data),
        ApiError::DataType { source, .. } | ApiError::Json { source } => unexpected(&source),
        other => Fault::new(GitlabErrorKind::Unexpected, line(&other.to_string())),
    }
}

/// Returns the fault of an answer that should have been JSON.
pub(super) fn not_json(status: StatusCode, body: &[u8]) -> Fault {
    let page = is_web_page(&HeaderMap::new(), &String::from_utf8_lossy(body.get(..PAGE_BYTES).unwrap_or(body)));
    let what = if page { "a web page" } else { "an answer that is not JSON" };
    Fault::new(GitlabErrorKind::NotGitlab, format!("{} and {what} instead of GitLab's", status.as_u16()))
}

/// Returns the fault of JSON that is not GitLab's.
pub(super) fn unexpected(error: &serde_json::Error) -> Fault {
    Fault::new(GitlabErrorKind::Unexpected, line(&format!("the answer is not what GitLab documents: {error}")))
}

/// Returns whether a text is a page for people.
fn is_web_page(headers: &HeaderMap, body: &str) -> bool {
    let html = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|kind| kind.contains("text/html"));
    let start: String = body.trim_start().chars().take(14).collect::<String>().to_ascii_lowercase();
    html || start.starts_with("<!doctype html") || start.starts_with("<html")
}

/// Returns the sentence in an error's body. GitLab puts it into `message` (a text, or an object of lists), the parameter check into `error`,
/// OAuth into `error_description`.
fn words(body: &str) -> Option<String> {
    let Ok(json) = serde_json::from_str::<Value>(body) else { return Some(body.to_owned()) };
    let text = |place: &str| json.pointer(place).filter(|value| !value.is_null());
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (text("/message"), text("/error"), text("/error_description")) {
        (Some(message), _, _) => Some(shown(message)),
        (None, Some(error), Some(more)) => Some(format!("{}: {}", shown(error), shown(more))),
        (None, Some(error), None) => Some(shown(error)),
        (None, None, _) => None,
    }
}

/// Returns a text as one bounded line without control characters.
pub(super) fn line(text: &str) -> String {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    if line.chars().count() <= MOST_CHARS { line } else { format!("{}…", line.chars().take(MOST_CHARS).collect::<String>()) }
}

/// Returns the message at the bottom of an error. Those above it repeat the URL.
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut at = error;
    while let Some(below) = at.source() {
        at = below;
    }
    match at.downcast_ref::<reqwest::Error>() {
        Some(error) if error.is_timeout() => "timed out".to_owned(),
        Some(error) if error.url().is_some() => "the request failed".to_owned(),
        Some(_) | None => at.to_string(),
    }
}
