//! What a failed call means: status, headers and words of every provider in one kind and one line for people. It must not retry anything.

mod retry_after;
mod words;

use std::time::Duration;

use genai::webc;
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{StatusCode, Url};
use serde_json::Value;

use super::{ModelError, ModelErrorKind as Kind, wire};
use crate::settings::{Key, Provider};
use words::{Redaction, is_web_page, speaks_of_credit, speaks_of_length, speaks_of_no_model, speaks_of_tools, title, words};

/// What is known about a call beside its error.
pub(super) struct Call {
    /// `provider/model`.
    pub(super) name: String,
    /// The endpoint as people may see it.
    pub(super) endpoint: String,
    /// What to look at when no model answers there.
    pub(super) remedy: String,
    /// A key is configured.
    pub(super) keyed: bool,
    /// What must never show.
    pub(super) redaction: Redaction,
}

impl Call {
    /// Returns what is known about calls of a provider's model. Everything in `secrets` is kept out of messages.
    pub(super) fn new(name: &str, provider: &Provider, secrets: impl IntoIterator<Item = String>) -> Self {
        Self {
            name: name.to_owned(),
            endpoint: wire::shown(provider),
            remedy: wire::remedy(provider),
            keyed: !matches!(provider.key, Key::NotNeeded),
            redaction: Redaction::new(secrets),
        }
    }

    /// Returns who failed, for the beginning of a message.
    pub(super) fn who(&self) -> String {
        format!("{} at {}", self.name, self.endpoint)
    }

    /// Returns an error without a response behind it.
    pub(super) fn error(&self, kind: Kind, what: &str) -> ModelError {
        ModelError::new(kind, self.redaction.line(&format!("{}: {what}", self.who())))
    }

    /// Returns the error of a call that waited too long for the next byte.
    pub(super) fn timed_out(&self, begun: bool, waited: Duration) -> ModelError {
        let what = if begun { "fell silent" } else { "no answer began" };
        let what = format!("{what} within {} s; a slow or overloaded server is the usual cause", waited.as_secs_f32().ceil());
        // Whether it was still at work on the request is unknown; a ceiling must not be met by hoping.
        ModelError { charged: true, ..self.error(Kind::TimedOut, &what) }
    }

    /// Returns the error of a stream that ended without its end mark. `answered`: something in this protocol came before.
    pub(super) fn cut(&self, answered: bool) -> ModelError {
        if answered {
            ModelError { charged: true, ..self.error(Kind::Unavailable, "the answer broke off in the middle") }
        } else {
            self.error(Kind::NotAModel, &format!("the answer is no stream of a model; {}", self.remedy))
        }
    }
}

/// Returns what an error of the library means. `answered`: something in this protocol came before it.
pub(super) fn classify(error: &genai::Error, call: &Call, answered: bool) -> ModelError {
    use genai::Error as E;
    match error {
        // In a stream the response is hidden one level down, where `status()` does not look.
        E::WebStream { error, .. } => match error.downcast_ref::<genai::Error>() {
            Some(inner) => classify(inner, call, answered),
            None => transport(error.as_ref(), call, answered),
        },
        E::HttpError { status, body, headers, .. } => response(*status, body, headers, call),
        E::WebModelCall { webc_error, .. } | E::WebAdapterCall { webc_error, .. } => match webc_error {
            webc::Error::ResponseFailedStatus { status, body, headers } => response(*status, body, headers, call),
            webc::Error::Reqwest(error) => transport(error, call, answered),
            webc::Error::ResponseFailedNotJson { .. } | webc::Error::ResponseFailedInvalidJson { .. } | webc::Error::JsonValueExt(_) => {
                call.cut(answered)
            }
        },
        // An error inside a stream that began well: the status line said 200.
        E::ChatResponse { body, .. } => in_stream(body, call),
        E::StreamParse { .. }
        | E::JsonValueExt(_)
        | E::SerdeJson(_)
        | E::InvalidJsonResponseElement { .. }
        | E::NoChatResponse { .. }
        | E::ChatResponseGeneration { .. } => call.cut(answered),
        other => call.error(Kind::Refused, &format!("the request could not be made: {other}")),
    }
}

/// Reads a response that is no answer.
fn response(status: StatusCode, body: &str, headers: &HeaderMap, call: &Call) -> ModelError {
    let page = is_web_page(headers, body);
    let words = if page { None } else { words(body) };
    let kind = kind(status, page, body);
    let wait = retry_after::retry_after(headers, if page { "" } else { body });
    let said = match (&words, page) {
        (Some(words), _) => format!("{}: {words}", status.as_u16()),
        (None, true) => match title(body) {
            Some(title) => format!("{} with a web page, “{title}”", status.as_u16()),
            None => format!("{} with a web page", status.as_u16()),
        },
        (None, false) => status.to_string(),
    };
    let who = call.who();
    let message = match kind {
        Kind::RateLimited => format!("{who}: too many requests ({said})"),
        Kind::Unavailable | Kind::TimedOut => format!("{who}: unavailable ({said})"),
        Kind::Credentials if call.keyed => {
            format!("{who}: the key is refused ({said}); check that it is right, not expired, and may use this model")
        }
        Kind::Credentials => format!("{who}: a key is wanted ({said}); name its variable in `api_key_env` of the provider"),
        Kind::Exhausted => format!("{who}: the account has no credit left, or is over its own limit ({said})"),
        Kind::TooLong => format!("{who}: the request is longer than the model's context ({said})"),
        Kind::NotAModel if status.is_redirection() => {
            // Where to is worth knowing, what stands behind the host is not.
            let target = headers.get(LOCATION).and_then(|value| value.to_str().ok()).and_then(|value| Url::parse(value).ok());
            let target = target.map_or_else(|| "elsewhere".to_owned(), |url| url.origin().ascii_serialization());
            format!("{who}: not a model endpoint ({} to {target}, which is not followed); {}", status.as_u16(), call.remedy)
        }
        Kind::NotAModel if words.is_some() => {
            format!("{who}: no such model or path ({said}); is the model's name right, and {}", call.remedy)
        }
        Kind::NotAModel => format!("{who}: not a model endpoint ({said}); {}", call.remedy),
        Kind::Refused | Kind::Ceiling | Kind::NotRecorded => format!("{who}: refused ({said})"),
    };
    ModelError { status: Some(status.as_u16()), retry_after: wait, ..ModelError::new(kind, call.redaction.line(&message)) }
}

fn kind(status: StatusCode, page: bool, body: &str) -> Kind {
    let said = |speaks: fn(&str) -> bool| !page && speaks(body);
    // Gemini answers a wrong key with 400.
    let wrong_key = body.contains("API_KEY_INVALID") || body.contains("API key not valid");
    // A single request above the limit per minute: no pause makes it fit.
    let never_fits = body.to_ascii_lowercase().contains("request too large");
    match status.as_u16() {
        402 => Kind::Exhausted,
        400 | 403 | 429 if said(speaks_of_credit) => Kind::Exhausted,
        429 if never_fits => Kind::TooLong,
        429 => Kind::RateLimited,
        400 | 422 | 500 if said(speaks_of_length) => Kind::TooLong,
        413 => Kind::TooLong,
        // The request asks for what the server was not started with: the same one fails for ever, one without tools may not.
        404 | 500 | 501 if said(speaks_of_tools) => Kind::Refused,
        400 if said(speaks_of_no_model) => Kind::NotAModel,
        // What is not implemented is not there in a minute either: a server of plain files says so to every POST.
        404 | 405 | 501 => Kind::NotAModel,
        408 => Kind::TimedOut,
        409 | 425 | 500..=599 => Kind::Unavailable,
        400 if wrong_key => Kind::Credentials,
        401 => Kind::Credentials,
        403 if !page => Kind::Credentials,
        400..=499 if !page => Kind::Refused,
        _ => Kind::NotAModel,
    }
}

/// Reads an error event in a stream. Without a word of its own it is the server's fault: the request had been accepted.
fn in_stream(body: &Value, call: &Call) -> ModelError {
    let text = body.to_string();
    // Anthropic wraps the error once more, OpenAI's was unwrapped by the library.
    let inner = body.get("error").unwrap_or(body);
    let name = ["type", "code", "status"].iter().filter_map(|key| inner.get(key).and_then(Value::as_str)).collect::<Vec<_>>().join(" ");
    // LiteLLM and Azure write the status as a text.
    let number = |code: &Value| code.as_u64().or_else(|| code.as_str()?.parse().ok());
    let code = inner.get("code").and_then(number).and_then(|code| u16::try_from(code).ok()).filter(|code| (400..=599).contains(code));
    let kind = if speaks_of_length(&text) {
        Kind::TooLong
    } else if speaks_of_credit(&text) {
        Kind::Exhausted
    } else if let Some(code) = code.and_then(|code| StatusCode::from_u16(code).ok()) {
        kind(code, false, &text)
    } else if name.contains("rate_limit") {
        Kind::RateLimited
    } else if name.contains("authentication") || name.contains("permission") {
        Kind::Credentials
    } else if name.contains("invalid_request") {
        Kind::Refused
    } else {
        Kind::Unavailable
    };
    let said = words(&text).unwrap_or(name);
    let error = call.error(kind, &format!("an error instead of the rest of the answer ({said})"));
    ModelError { charged: true, retry_after: retry_after::said(&text), ..error }
}

/// Reads an error below HTTP.
fn transport(error: &(dyn std::error::Error + 'static), call: &Call, answered: bool) -> ModelError {
    let cause = innermost(error);
    match error.downcast_ref::<reqwest::Error>() {
        Some(error) if error.is_builder() => {
            call.error(Kind::Refused, &format!("the request could not be made ({cause}); check `base_url`, `headers` and the key"))
        }
        Some(error) if error.is_connect() && cause.contains("invalid peer certificate") => call.error(
            Kind::NotAModel,
            &format!("its certificate is not trusted ({cause}); let SSL_CERT_FILE name a file with the certificates of the authority that signed it"),
        ),
        Some(error) if error.is_connect() => {
            call.error(Kind::Unavailable, &format!("no connection ({cause}); check `base_url`, the proxy and the certificates"))
        }
        Some(_) if answered => {
            let error = call.error(Kind::Unavailable, &format!("the answer broke off in the middle ({cause})"));
            ModelError { charged: true, ..error }
        }
        Some(_) => call.error(Kind::Unavailable, &format!("the connection broke ({cause})")),
        // Not even text: what was received is no UTF-8.
        None => call.cut(answered),
    }
}

/// Returns the message at the bottom of an error. Those above it repeat the URL, which may hold a password.
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

#[cfg(test)]
mod tests;
