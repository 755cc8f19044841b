//! What a server says about a failure, made fit for one line: bounded, without control characters, without secrets. It must not judge.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;

/// Longest message, in characters.
const MOST_CHARS: usize = 400;
/// Longest title of a web page that is repeated, in characters.
const MOST_TITLE_CHARS: usize = 80;
/// Longest part of a body that is looked at, in bytes.
const MOST_BODY_BYTES: usize = 64 * 1024;
/// Shortest secret, in bytes.
const LEAST_BYTES: usize = 8;
/// Shortest beginning of a secret that is recognised when a server repeats only that, in characters.
const STEM_CHARS: usize = 8;

/// Ways of servers to say that a request does not fit the model's context: OpenAI, Anthropic, vLLM, llama.cpp, Gemini, Mistral, TGI.
const LENGTH: [&str; 17] = [
    "context_length_exceeded",
    "context length",
    "context window",
    "context limit",
    "context size",
    "exceed_context_size",
    "prompt is too long",
    "maximum model length",
    "input token count",
    "maximum number of tokens allowed",
    "`inputs` tokens",
    "string_above_max_length",
    "request_too_large",
    "contextwindowexceeded",
    // vLLM subtracts the prompt from the context and finds nothing left.
    "max_tokens must be at least 1, got -",
    "payload size exceeds the limit",
    "input is too long",
];

/// Ways to say that no pause helps, because the account is empty or over a limit of its own: OpenAI, Anthropic, Gemini (by day),
/// `DeepSeek`, OpenRouter, LiteLLM, Azure's API management.
const CREDIT: [&str; 14] = [
    "insufficient_quota",
    "exceeded your current quota",
    "credit balance is too low",
    "insufficient credits",
    "insufficient balance",
    "specified api usage limits",
    "billing_hard_limit_reached",
    "budget has been exceeded",
    "budget_exceeded",
    "models-per-day",
    "perdayper",
    "billing_not_active",
    "credits are depleted",
    "out of call volume quota",
];

/// Ways of gateways to say with status 400 that there is no such model.
const NO_MODEL: [&str; 6] =
    ["invalid model name", "not a valid model id", "model_not_found", "model not exist", "operationnotsupported", "unknown_model"];

/// Ways to say that tools are what cannot be had, with a status that says something else: llama.cpp, OpenRouter.
const NO_TOOLS: [&str; 3] = ["requires --jinja", "param requires", "support tool use"];

/// Returns whether a body says that the request is too long.
pub(super) fn speaks_of_length(body: &str) -> bool {
    let body = clip(body).to_ascii_lowercase();
    LENGTH.iter().any(|phrase| body.contains(phrase))
}

/// Returns whether a body says that the account behind the key is exhausted.
pub(super) fn speaks_of_credit(body: &str) -> bool {
    let body = clip(body).to_ascii_lowercase();
    // Gemini says “exceeded your current quota” of its limits per minute too: there it names the pause, or the day.
    let gemini_minute = body.contains("resource_exhausted") && !body.contains("perday") && !body.contains("credits are depleted");
    !gemini_minute && CREDIT.iter().any(|phrase| body.contains(phrase))
}

/// Returns whether a body says that there is no such model.
pub(super) fn speaks_of_no_model(body: &str) -> bool {
    let body = clip(body).to_ascii_lowercase();
    NO_MODEL.iter().any(|phrase| body.contains(phrase))
}

/// Returns whether a body says that the server has no tools to offer.
pub(super) fn speaks_of_tools(body: &str) -> bool {
    let body = clip(body).to_ascii_lowercase();
    NO_TOOLS.iter().any(|phrase| body.contains(phrase))
}

/// Returns whether a response is a page for people.
pub(super) fn is_web_page(headers: &HeaderMap, body: &str) -> bool {
    let html = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|kind| kind.contains("text/html"));
    let start: String = body.trim_start().chars().take(14).collect::<String>().to_ascii_lowercase();
    html || start.starts_with("<!doctype html") || start.starts_with("<html")
}

/// Returns the title of a web page, which often says whose it is; none if it has none.
pub(super) fn title(page: &str) -> Option<String> {
    let page = clip(page);
    // Of the same length, so that places fit both.
    let lower = page.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let from = tag + lower[tag..].find('>')? + 1;
    let to = from + lower[from..].find("</title")?;
    let title: String = page[from..to].trim().chars().take(MOST_TITLE_CHARS).collect();
    (!title.is_empty()).then_some(title)
}

/// Returns the sentence in an error's body: the providers' `error.message` and its kin, or a short body as it is.
pub(super) fn words(body: &str) -> Option<String> {
    let body = clip(body).trim();
    let found = match serde_json::from_str::<Value>(body) {
        Ok(json) => {
            // Gemini answers with a list of one in streams.
            let json = json.get(0).cloned().unwrap_or(json);
            ["/error/message", "/error/0/message", "/errors/0/message", "/message", "/error", "/detail", "/error/type"]
                .iter()
                .find_map(|place| json.pointer(place).and_then(Value::as_str).map(str::to_owned))
        }
        Err(_) => Some(body.to_owned()),
    };
    found.filter(|words| !words.trim().is_empty())
}

fn clip(body: &str) -> &str {
    &body[..body.floor_char_boundary(MOST_BODY_BYTES)]
}

/// What must never show in a message.
pub(in crate::model) struct Redaction(Vec<String>);

impl Redaction {
    /// Returns a redaction of `secrets`. Very short ones are no secrets, and hiding them would garble every message.
    pub(in crate::model) fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut secrets: Vec<String> =
            secrets.into_iter().map(|secret| secret.trim().to_owned()).filter(|secret| secret.len() >= LEAST_BYTES).collect();
        // Longest first, so that none is hidden only in part.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// Returns `text` as one bounded line without secrets. A secret that is cut short by the server goes with what is left of it.
    pub(in crate::model) fn line(&self, text: &str) -> String {
        let mut text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        text.retain(|char| !char.is_control());
        for secret in &self.0 {
            text = text.replace(secret.as_str(), "[key]");
        }
        for secret in &self.0 {
            if let Some((at, _)) = secret.char_indices().nth(STEM_CHARS)
                && secret.chars().count() >= 2 * STEM_CHARS
            {
                text = hide_stem(&text, &secret[..at]);
            }
        }
        if text.chars().count() > MOST_CHARS {
            text = text.chars().take(MOST_CHARS).chain(['…']).collect();
        }
        text
    }
}

fn hide_stem(text: &str, stem: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(stem) {
        hidden.push_str(&rest[..at]);
        hidden.push_str("[key]");
        rest = rest[at + stem.len()..].trim_start_matches(|char: char| char.is_ascii_alphanumeric() || "_-*.…".contains(char));
    }
    hidden.push_str(rest);
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_sentence_is_found_in_every_providers_body() {
        for (body, expected) in [
            (r#"{"error":{"message":"no such model","type":"invalid_request_error"}}"#, Some("no such model")),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, Some("Overloaded")),
            (r#"{"object":"error","message":"too long"}"#, Some("too long")),
            (r#"{"error":"model not loaded"}"#, Some("model not loaded")),
            (r#"{"detail":"Not Found"}"#, Some("Not Found")),
            (r#"[{"error":{"code":400,"message":"bad"}}]"#, Some("bad")),
            ("404 page not found\n", Some("404 page not found")),
            (r#"{"success":false,"error":[{"code":2003,"message":"Rate limited"}]}"#, Some("Rate limited")),
            (r#"{"ok":false}"#, None),
            ("  ", None),
        ] {
            assert_eq!(words(body).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn a_pages_title_is_found_whatever_its_tags_look_like() {
        for (page, expected) in [
            ("<html>\r\n<head><title>405 Not Allowed</title></head>", Some("405 Not Allowed")),
            ("<!DOCTYPE html><TITLE data-a=\"b\">\n Sign in ⋅ Acme \n</TITLE>", Some("Sign in ⋅ Acme")),
            ("<title></title>", None),
            ("<title>never closed", None),
            ("<body>none</body>", None),
        ] {
            assert_eq!(title(page).as_deref(), expected, "{page}");
        }
    }

    #[test]
    fn a_secret_shows_neither_whole_nor_in_part() {
        let redaction = Redaction::new(["sk-live-0123456789abcdef".to_owned()]);
        assert_eq!(redaction.line("wrong key sk-live-0123456789abcdef!"), "wrong key [key]!");
        assert_eq!(redaction.line("wrong key sk-live-0123***cdef."), "wrong key [key]");
        assert_eq!(redaction.line("a sk-live-0 b sk-live-0123"), "a [key] b [key]");
    }

    #[test]
    fn a_message_is_one_short_line() {
        let line = Redaction::new([]).line(&format!("a\r\nb\t\u{1b}[31mc {}", "x".repeat(1000)));
        assert!(line.starts_with("a b [31mc x"), "{line}");
        assert_eq!(line.chars().count(), MOST_CHARS + 1);
    }

    proptest! {
        #[test]
        fn no_text_shows_the_secret(before in "\\PC{0,40}", after in "\\PC{0,40}", secret in "[a-zA-Z0-9_-]{16,40}") {
            let line = Redaction::new([secret.clone()]).line(&format!("{before}{secret}{after}"));
            prop_assert!(!line.contains(&secret));
        }

        #[test]
        fn no_body_panics(body in "\\PC{0,200}") {
            words(&body);
            speaks_of_length(&body);
            speaks_of_credit(&body);
            is_web_page(&HeaderMap::new(), &body);
            title(&body);
            title(&format!("<TITLE{body}</title>"));
        }
    }
}
