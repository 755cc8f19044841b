//! Failures as the library reports them, and what becomes of them.

use std::collections::BTreeMap;

use genai::adapter::AdapterKind;
use genai::{Error, ModelIden};
use serde_json::json;

use super::*;
use crate::settings::ProviderKind;

const KEY: &str = "sk-ant-secret-0123456789";

fn provider(name: &str, base_url: &str, key: Key) -> Provider {
    Provider {
        name: name.into(),
        kind: ProviderKind::OpenAi,
        base_url: Some(base_url.into()),
        key,
        headers: BTreeMap::new(),
        max_parallel: None,
        requests_per_minute: None,
        prices: BTreeMap::new(),
    }
}

fn call() -> Call {
    Call::new("anthropic/claude", &provider("anthropic", "https://host/v1", Key::Present(KEY.to_owned().into())), [KEY.to_owned()])
}

/// An error response to a streamed request, in the shape the library hides it in.
fn streamed(status: u16, headers: &[(&'static str, &str)], body: &str) -> Error {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    let inner = Error::HttpError { status, canonical_reason: String::new(), body: body.to_owned(), headers: Box::new(map) };
    Error::WebStream { model_iden: iden(), cause: inner.to_string(), error: Box::new(inner) }
}

fn iden() -> ModelIden {
    ModelIden::new(AdapterKind::Anthropic, "claude")
}

fn kind_of(status: u16, body: &str) -> Kind {
    classify(&streamed(status, &[], body), &call(), false).kind
}

#[test]
fn the_status_is_dug_out_of_a_streams_error_with_its_wait() {
    let error = classify(&streamed(429, &[("retry-after", "7")], r#"{"error":{"message":"slow down"}}"#), &call(), false);
    assert_eq!((error.kind, error.status, error.retry_after), (Kind::RateLimited, Some(429), Some(Duration::from_secs(7))));
    assert_eq!(error.message, "anthropic/claude at https://host/v1: too many requests (429: slow down)");
    let error = classify(&streamed(529, &[("retry-after-ms", "1500")], r#"{"error":{"message":"Overloaded"}}"#), &call(), false);
    assert_eq!((error.kind, error.status, error.retry_after), (Kind::Unavailable, Some(529), Some(Duration::from_millis(1500))));
}

#[test]
fn every_status_has_its_kind() {
    for (status, body, kind) in [
        (401, r#"{"error":{"message":"invalid x-api-key"}}"#, Kind::Credentials),
        (403, r#"{"error":{"message":"not allowed"}}"#, Kind::Credentials),
        (400, r#"{"error":{"message":"API key not valid. Please pass a valid API key."}}"#, Kind::Credentials),
        (400, r#"{"error":{"message":"tools.0: bad schema"}}"#, Kind::Refused),
        (402, r#"{"error":{"message":"insufficient balance"}}"#, Kind::Exhausted),
        (404, r#"{"error":{"message":"model: claude"}}"#, Kind::NotAModel),
        (405, "", Kind::NotAModel),
        (301, "", Kind::NotAModel),
        (400, "<html><body>Bad Request</body></html>", Kind::NotAModel),
        (403, "<!DOCTYPE html><title>Blocked</title>", Kind::NotAModel),
        (408, "", Kind::TimedOut),
        (501, r#"{"error":{"code":501,"message":"This server does not support it.","type":"not_supported_error"}}"#, Kind::NotAModel),
        (500, r#"{"error":{"message":"oops"}}"#, Kind::Unavailable),
        (
            501,
            "<!DOCTYPE HTML><html><body><h1>Error response</h1><p>Message: Unsupported method ('POST').</p></body></html>",
            Kind::NotAModel,
        ),
        (501, "", Kind::NotAModel),
        (502, "<html>Bad Gateway</html>", Kind::Unavailable),
        (503, "", Kind::Unavailable),
        (529, "", Kind::Unavailable),
    ] {
        assert_eq!(kind_of(status, body), kind, "{status} {body}");
    }
}

#[test]
fn a_request_that_is_too_long_is_known_by_the_words_of_every_server() {
    for (status, body) in [
        (400, r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}}"#),
        (400, r#"{"error":{"message":"Your input exceeds the context window of this model."}}"#),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
        ),
        (400, r#"{"type":"error","error":{"message":"input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000"}}"#),
        (400, r#"{"object":"error","message":"The decoder prompt (length 9000) is longer than the maximum model length of 4096."}"#),
        (400, r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#),
        (500, r#"{"error":{"message":"the request exceeds the available context size. try increasing the context size"}}"#),
        (400, r#"{"error":{"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."}}"#),
        (413, ""),
        (429, r#"{"error":{"message":"Request too large for gpt on tokens per min (TPM): Limit 30000, Requested 50000."}}"#),
    ] {
        assert_eq!(kind_of(status, body), Kind::TooLong, "{status} {body}");
    }
}

#[test]
fn no_message_holds_the_key_and_each_is_one_line_with_the_endpoint() {
    for status in [302, 400, 401, 403, 404, 429, 500] {
        let body = format!("{{\"error\":{{\"message\":\"bad key:\\n {KEY}\"}}}}");
        let message = classify(&streamed(status, &[], &body), &call(), false).message;
        assert!(!message.contains(KEY) && !message.contains("secret"), "{message}");
        assert!(message.contains("https://host/v1") && !message.contains('\n'), "{message}");
    }
    let body = json!({ "type": "error", "error": { "type": "api_error", "message": format!("key {KEY} failed") } });
    let error = classify(&Error::ChatResponse { model_iden: iden(), body }, &call(), true);
    assert_eq!(error.message, "anthropic/claude at https://host/v1: an error instead of the rest of the answer (key [key] failed)");
}

#[test]
fn a_refused_key_and_a_missing_one_have_different_remedies() {
    let refused = classify(&streamed(401, &[], r#"{"error":{"message":"invalid"}}"#), &call(), false).message;
    assert_eq!(
        refused,
        "anthropic/claude at https://host/v1: the key is refused (401: invalid); check that it is right, not expired, and may use this model"
    );
    let keyless = Call::new("local/qwen", &provider("local", "http://host/v1", Key::NotNeeded), []);
    let wanted = classify(&streamed(401, &[], ""), &keyless, false).message;
    assert_eq!(
        wanted,
        "local/qwen at http://host/v1: a key is wanted (401 Unauthorized); name its variable in `api_key_env` of the provider"
    );
}

#[test]
fn an_error_in_a_stream_is_read_by_its_name_or_code() {
    for (body, kind) in [
        (json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }), Kind::Unavailable),
        (json!({ "type": "error", "error": { "type": "rate_limit_error", "message": "slow" } }), Kind::RateLimited),
        (json!({ "type": "invalid_request_error", "message": "bad image" }), Kind::Refused),
        (json!({ "code": 429, "message": "upstream busy" }), Kind::RateLimited),
        (json!({ "code": 502, "message": "upstream gone" }), Kind::Unavailable),
        (json!({ "code": "context_length_exceeded", "message": "too much" }), Kind::TooLong),
        (json!("something"), Kind::Unavailable),
    ] {
        let error = Error::ChatResponse { model_iden: iden(), body: body.clone() };
        assert_eq!(classify(&error, &call(), true).kind, kind, "{body}");
    }
}

#[test]
fn a_broken_stream_is_worth_another_try_only_if_a_model_was_speaking() {
    let garbage = || Error::StreamParse { model_iden: iden(), serde_error: serde_json::from_str::<Value>("{").unwrap_err() };
    assert_eq!(classify(&garbage(), &call(), false).kind, Kind::NotAModel);
    assert_eq!(classify(&garbage(), &call(), true).kind, Kind::Unavailable);
}

#[test]
fn errors_as_the_servers_send_them_have_their_remedy() {
    use crate::model::Remedy::{Again, GiveUp, Next, Shrink};
    // Bodies as OpenAI, Anthropic, Gemini, Azure, vLLM, llama.cpp, LiteLLM, Cloudflare and OpenRouter document or send them, shortened.
    for (status, body, remedy) in [
        // OpenAI
        (401, r#"{"error":{"message":"Incorrect API key provided: x.","type":"invalid_request_error","code":"invalid_api_key"}}"#, GiveUp),
        (
            403,
            r#"{"error":{"code":"unsupported_country_region_territory","message":"Country, region, or territory not supported"}}"#,
            GiveUp,
        ),
        (
            429,
            r#"{"error":{"message":"Rate limit reached for gpt on tokens per min (TPM): Limit 30000.","code":"rate_limit_exceeded"}}"#,
            Again,
        ),
        (429, r#"{"error":{"message":"You exceeded your current quota, please check your plan.","code":"insufficient_quota"}}"#, Next),
        (404, r#"{"error":{"message":"The model `gpt-9` does not exist.","code":"model_not_found"}}"#, Next),
        (
            400,
            r#"{"error":{"message":"Invalid prompt: flagged as potentially violating our usage policy.","code":"invalid_prompt"}}"#,
            GiveUp,
        ),
        (400, r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}}"#, Shrink),
        (429, r#"{"error":{"message":"Request too large for gpt on tokens per min (TPM): Limit 30000, Requested 50000."}}"#, Shrink),
        (503, r#"{"error":{"message":"That model is currently overloaded with other requests.","type":"server_error"}}"#, Again),
        // Anthropic
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access it."}}"#,
            Next,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits."}}"#,
            Next,
        ),
        (400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"tools.0.name: String should match pattern"}}"#, GiveUp),
        (403, r#"{"type":"error","error":{"type":"permission_error","message":"Your API key does not have permission."}}"#, GiveUp),
        (404, r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-x"}}"#, Next),
        (413, r#"{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#, Shrink),
        (429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your rate limit."}}"#, Again),
        (500, r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#, Again),
        (529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, Again),
        // Gemini
        (400, r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}"#, GiveUp),
        (
            429,
            r#"{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[{"quotaId":"GenerateRequestsPerMinutePerProject"},{"retryDelay":"34s"}]}}"#,
            Again,
        ),
        (
            429,
            r#"{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}}"#,
            Next,
        ),
        (503, r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#, Again),
        (504, r#"{"error":{"code":504,"message":"Deadline expired","status":"DEADLINE_EXCEEDED"}}"#, Again),
        // Azure
        (401, r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint."}}"#, GiveUp),
        (404, r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#, Next),
        (429, r#"{"error":{"code":"429","message":"Requests have exceeded token rate limit. Please retry after 24 seconds."}}"#, Again),
        (
            400,
            r#"{"error":{"code":"content_filter","message":"The response was filtered due to the prompt triggering the content management policy."}}"#,
            GiveUp,
        ),
        // vLLM
        (
            400,
            r#"{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","code":400}"#,
            Shrink,
        ),
        (404, r#"{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","code":404}"#, Next),
        (400, r#"{"object":"error","message":"\"auto\" tool choice requires --enable-auto-tool-choice to be set","code":400}"#, GiveUp),
        (500, "Internal Server Error", Again),
        // llama.cpp
        (503, r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#, Again),
        (
            400,
            r#"{"error":{"code":400,"message":"request (9000 tokens) exceeds the available context size (8192 tokens)","type":"exceed_context_size_error"}}"#,
            Shrink,
        ),
        (500, r#"{"error":{"code":500,"message":"tools param requires --jinja flag","type":"server_error"}}"#, GiveUp),
        (401, r#"{"error":{"code":401,"message":"Invalid API Key","type":"authentication_error"}}"#, GiveUp),
        // LiteLLM
        (
            400,
            r#"{"error":{"message":"Budget has been exceeded! Current cost: 10.1, Max budget: 10.0","type":"budget_exceeded","code":"400"}}"#,
            Next,
        ),
        (400, r#"{"error":{"message":"litellm.ContextWindowExceededError: AnthropicException","code":"400"}}"#, Shrink),
        (400, r#"{"error":{"message":"/chat/completions: Invalid model name passed in model=x.","code":"400"}}"#, Next),
        (429, r#"{"error":{"message":"No deployments available for selected model, Try again in 60 seconds.","code":"429"}}"#, Again),
        (503, r#"{"error":{"message":"litellm.ServiceUnavailableError: OpenAIException","code":"503"}}"#, Again),
        // Cloudflare
        (401, r#"{"success":false,"error":[{"code":2009,"message":"Unauthorized"}]}"#, GiveUp),
        (429, r#"{"success":false,"error":[{"code":2003,"message":"Rate limited"}]}"#, Again),
        (524, "<!DOCTYPE html><title>A timeout occurred</title>", Again),
        (403, "<!DOCTYPE html><title>Just a moment...</title>", Next),
        // OpenRouter
        (402, r#"{"error":{"message":"Insufficient credits.","code":402}}"#, Next),
        (400, r#"{"error":{"message":"acme/x is not a valid model ID","code":400}}"#, Next),
        (404, r#"{"error":{"message":"No endpoints found that support tool use.","code":404}}"#, GiveUp),
        (429, r#"{"error":{"message":"Rate limit exceeded: free-models-per-day","code":429}}"#, Next),
        (502, r#"{"error":{"message":"Provider returned error","code":502}}"#, Again),
    ] {
        assert_eq!(kind_of(status, body).remedy(), remedy, "{status} {body}");
    }
}

#[test]
fn errors_that_say_one_thing_and_mean_another_have_their_kind() {
    // Bodies as people report them, shortened.
    for (status, body, kind) in [
        // OpenAI: no pause activates an account.
        (
            429,
            r#"{"error":{"message":"Your account is not active, please check your billing details on our website.","type":"billing_not_active","code":"billing_not_active"}}"#,
            Kind::Exhausted,
        ),
        (
            500,
            r#"{"error":{"message":"The server had an error while processing your request. Sorry!","type":"server_error"}}"#,
            Kind::Unavailable,
        ),
        (
            404,
            r#"{"error":{"message":"This is not a chat model and thus not supported in the v1/chat/completions endpoint.","type":"invalid_request_error"}}"#,
            Kind::NotAModel,
        ),
        // Anthropic
        (401, r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#, Kind::Credentials),
        (402, r#"{"type":"error","error":{"type":"billing_error","message":"There is an issue with your billing."}}"#, Kind::Exhausted),
        (504, r#"{"type":"error","error":{"type":"timeout_error","message":"Request timed out"}}"#, Kind::Unavailable),
        // Gemini: the status of a limit per minute, for an account that is empty.
        (
            429,
            r#"{"error":{"code":429,"message":"Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing.","status":"RESOURCE_EXHAUSTED"}}"#,
            Kind::Exhausted,
        ),
        (
            429,
            r#"{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}"#,
            Kind::RateLimited,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"Request payload size exceeds the limit: 20971520 bytes.","status":"INVALID_ARGUMENT"}}"#,
            Kind::TooLong,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}"#,
            Kind::Refused,
        ),
        (
            404,
            r#"{"error":{"code":404,"message":"models/gemini-0 is not found for API version v1beta.","status":"NOT_FOUND"}}"#,
            Kind::NotAModel,
        ),
        // Azure and its gateway
        (404, r#"{"error":{"code":"404","message":"Resource not found"}}"#, Kind::NotAModel),
        (408, r#"{"error":{"code":"Timeout","message":"The operation was timeout."}}"#, Kind::TimedOut),
        (403, r#"{"error":{"code":"403","message":"Public access is disabled. Please configure private endpoint."}}"#, Kind::Credentials),
        (
            400,
            r#"{"error":{"code":"OperationNotSupported","message":"The chatCompletion operation does not work with the specified model, x."}}"#,
            Kind::NotAModel,
        ),
        (403, r#"{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 01:23:45."}"#, Kind::Exhausted),
        (429, r#"{"statusCode":429,"message":"Rate limit is exceeded. Try again in 12 seconds."}"#, Kind::RateLimited),
        // vLLM: what is left of the context for an answer is less than nothing.
        (
            400,
            r#"{"object":"error","message":"max_tokens must be at least 1, got -186.","type":"BadRequestError","code":400}"#,
            Kind::TooLong,
        ),
        (400, r#"{"object":"error","message":"max_tokens must be at least 1, got 0.","type":"BadRequestError","code":400}"#, Kind::Refused),
        (401, r#"{"error":"Unauthorized"}"#, Kind::Credentials),
        // llama.cpp
        (404, r#"{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}"#, Kind::NotAModel),
        // LiteLLM
        (
            401,
            r#"{"error":{"message":"Authentication Error, Invalid proxy server token passed.","type":"token_not_found_in_db","code":"401"}}"#,
            Kind::Credentials,
        ),
        (
            403,
            r#"{"error":{"message":"team not allowed to access model.","type":"team_model_access_denied","code":"403"}}"#,
            Kind::Credentials,
        ),
        (408, r#"{"error":{"message":"litellm.Timeout: APITimeoutError - Request timed out.","code":"408"}}"#, Kind::TimedOut),
        (
            400,
            r#"{"error":{"message":"litellm.BadRequestError: BedrockException - Input is too long for requested model.","code":"400"}}"#,
            Kind::TooLong,
        ),
        // DeepSeek
        (400, r#"{"error":{"message":"Model Not Exist","type":"invalid_request_error"}}"#, Kind::NotAModel),
        // nginx
        (401, "<html>\r\n<head><title>401 Authorization Required</title></head></html>", Kind::Credentials),
        (413, "<html>\r\n<head><title>413 Request Entity Too Large</title></head></html>", Kind::TooLong),
        (429, "<html>\r\n<head><title>429 Too Many Requests</title></head></html>", Kind::RateLimited),
        (503, "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head></html>", Kind::Unavailable),
        (504, "<html>\r\n<head><title>504 Gateway Time-out</title></head></html>", Kind::Unavailable),
        // Envoy
        (403, "RBAC: access denied", Kind::Credentials),
        (404, "", Kind::NotAModel),
        (408, "stream timeout", Kind::TimedOut),
        (429, "local_rate_limited", Kind::RateLimited),
        (503, "no healthy upstream", Kind::Unavailable),
        (503, "upstream connect error or disconnect/reset before headers. reset reason: connection termination", Kind::Unavailable),
        (504, "upstream request timeout", Kind::Unavailable),
    ] {
        assert_eq!(kind_of(status, body), kind, "{status} {body}");
    }
}

#[test]
fn a_wait_is_found_in_the_body_where_no_header_has_it() {
    let body = r#"{"error":{"code":"429","message":"Please retry after 24 seconds."}}"#;
    assert_eq!(classify(&streamed(429, &[], body), &call(), false).retry_after, Some(Duration::from_secs(24)));
    let in_stream = Error::ChatResponse { model_iden: iden(), body: json!({ "code": "429", "message": "Try again in 60 seconds." }) };
    let error = classify(&in_stream, &call(), true);
    assert_eq!((error.kind, error.retry_after), (Kind::RateLimited, Some(Duration::from_mins(1))));
}

#[test]
fn a_model_that_was_at_work_is_paid_although_it_failed() {
    let broke_off = Error::ChatResponse { model_iden: iden(), body: json!("something") };
    let charged = [
        classify(&broke_off, &call(), true),
        call().cut(true),
        call().timed_out(false, Duration::from_secs(1)),
        classify(&streamed(429, &[], ""), &call(), false),
        call().cut(false),
    ]
    .map(|error| error.charged);
    assert_eq!(charged, [true, true, true, false, false]);
}
