//! Bad days of model providers, seen from outside: who answers instead, what is said, how the run ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::local::Repo;
use crate::model_server::{Answer, Fault, ModelServer};
use crate::reviewers::{repo, run, submit, text};

const KEY: (&str, &str) = ("ACME_KEY", "sk-test-1");

/// A configuration with two providers, and each class answered by a model of the first, then of the second.
fn two(first: &ModelServer, second: &ModelServer) -> String {
    format!(
        "version: 1\nproviders:\n  acme: {{ kind: openai, base_url: \"{}/v1\", api_key_env: ACME_KEY }}\n  local: {{ kind: anthropic, base_url: \"{}\" }}\nmodels: {{ top: [acme/large, local/spare], standard: [acme/large, local/spare], light: [acme/large, local/spare] }}\n",
        first.url, second.url
    )
}

async fn quality(repo: &Repo, vars: &[(&str, &str)]) -> (Option<i32>, Value) {
    let output = run(repo, &["--only", "quality", "--format", "json"], vars).await;
    let result = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    (output.status.code(), result)
}

fn says_nothing(server: &ModelServer) {
    server.when("# Your part: Quality", submit(&json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_model_of_the_chain_answers_and_the_report_names_it() {
    let (first, second) = (ModelServer::start().await, ModelServer::start().await);
    let empty = r#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#;
    first.then(Fault::Status(429, vec![], empty));
    says_nothing(&second);
    let repo = repo();
    repo.write(".assize.yml", two(&first, &second));
    let (code, result) = quality(&repo, &[KEY]).await;
    assert_eq!((code, &result["complete"]), (Some(0), &json!(true)), "{result}");
    assert_eq!(result["reviewers"][0]["model"], "local/spare");
    assert_eq!((first.seen().len(), second.seen().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_without_the_first_key_is_answered_by_the_second_and_says_so() {
    let (first, second) = (ModelServer::start().await, ModelServer::start().await);
    says_nothing(&second);
    let repo = repo();
    repo.write(".assize.yml", two(&first, &second));
    let (code, result) = quality(&repo, &[]).await;
    assert_eq!((code, &result["complete"]), (Some(0), &json!(true)), "{result}");
    assert_eq!((&result["reviewers"][0]["model"], first.seen().len()), (&json!("local/spare"), 0));
    let remark = "ACME_KEY, the key of acme, is not set (usually a protected variable on an unprotected branch); for the class standard, local/spare is asked";
    assert!(result["remarks"].as_array().expect("remarks").contains(&json!(remark)), "{}", result["remarks"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_keys_missing_is_incomplete_and_names_every_variable() {
    let (first, second) = (ModelServer::start().await, ModelServer::start().await);
    let repo = repo();
    let config = two(&first, &second).replace("kind: anthropic,", "kind: anthropic, api_key_env: SPARE_KEY,");
    repo.write(".assize.yml", config);
    let (code, result) = quality(&repo, &[]).await;
    assert_eq!((code, &result["complete"]), (Some(3), &json!(false)));
    let why = result["reviewers"][0]["why"].as_str().expect("a reason");
    assert!(why.contains("ACME_KEY, the key of acme,") && why.contains("SPARE_KEY, the key of local,"), "{why}");
    assert_eq!((result["mode"].as_str(), first.seen().len() + second.seen().len()), (Some("reviewed"), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_job_does_not_ask_a_model_that_has_no_credit() {
    let (first, second) = (ModelServer::start().await, ModelServer::start().await);
    first.then(Fault::Status(402, vec![], r#"{"error":{"message":"Insufficient credits."}}"#));
    for _ in 0..3 {
        says_nothing(&second);
    }
    let repo = repo();
    repo.write(".assize.yml", two(&first, &second));
    let cache = tempfile::tempdir().expect("a temporary folder");
    let folder = cache.path().join("assize");
    let vars = [KEY, ("ASSIZE_CACHE_DIR", folder.to_str().expect("UTF-8"))];
    quality(&repo, &vars).await;
    quality(&repo, &vars).await;
    assert_eq!((first.seen().len(), second.seen().len()), (1, 2), "the second job asked the first model");

    let file = folder.join("assize-models.json");
    std::fs::write(&file, "not JSON").expect("written");
    first.then(Answer::text(r#"{"findings": []}"#));
    let (_, result) = quality(&repo, &vars).await;
    assert_eq!(first.seen().len(), 2, "what cannot be read counts as empty");
    let remarks = result["remarks"].to_string();
    assert!(remarks.contains("assize-models.json cannot be read and counts as empty"), "{remarks}");
}

/// A configuration with one provider, whose model costs a cent a token, and a ceiling.
fn dear(server: &ModelServer, ceiling: &str) -> String {
    format!(
        "version: 1\nproviders:\n  acme: {{ kind: openai, base_url: \"{}/v1\", prices: {{ large: {{ input: 10000, output: 10000 }} }} }}\nmodels: {{ top: [acme/large], standard: [acme/large], light: [acme/large] }}\nlimits: {{ {ceiling} }}\n",
        server.url
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceiling_that_leaves_no_room_sends_nothing_and_is_a_budget() {
    for (ceiling, named) in
        [("max_cost_usd: 1", "`limits.max_cost_usd` (1.00 USD)"), ("max_cost_usd: 1000, max_tokens: 500", "`limits.max_tokens` (500)")]
    {
        let server = ModelServer::start().await;
        let repo = repo();
        repo.write(".assize.yml", dear(&server, ceiling));
        let (code, result) = quality(&repo, &[]).await;
        assert_eq!((code, server.seen().len()), (Some(5), 0), "{result}");
        let gap = &result["incomplete"][0];
        assert!(gap["what"].as_str().expect("a sentence").contains(named) && gap["by_budget"] == json!(true), "{gap}");
        assert_eq!(result["usage"]["cost"], json!({ "usd": 0.0, "unknown": [] }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_cost_stands_in_the_result_by_reviewer_and_model() {
    let server = ModelServer::start().await;
    says_nothing(&server);
    let repo = repo();
    repo.write(".assize.yml", dear(&server, "max_cost_usd: 1000"));
    let (code, result) = quality(&repo, &[]).await;
    assert_eq!(code, Some(0), "{result}");
    let tokens = &result["usage"]["tokens"];
    let (input, output) = (tokens["input"].as_f64().expect("input"), tokens["output"].as_f64().expect("output"));
    let usd = result["usage"]["cost"]["usd"].as_f64().expect("a cost");
    assert!(input > 100.0 && (usd - (input + output) / 100.0).abs() < 1e-6, "{usd} for {input} and {output}");
    assert_eq!(
        (&result["usage"]["models"][0]["model"], &result["usage"]["models"][0]["cost"]),
        (&json!("acme/large"), &result["usage"]["cost"])
    );
    assert_eq!(
        result["reviewers"].as_array().expect("reviewers").iter().find(|one| one["name"] == "quality").expect("it ran")["cost"]["usd"],
        json!(usd)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_too_long_for_the_model_is_read_in_its_halves() {
    let server = ModelServer::start().await;
    let long = r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}}"#;
    server.when("# Your part: Quality", Fault::Status(400, vec![], long));
    says_nothing(&server);
    says_nothing(&server);
    let repo = repo();
    repo.write(".assize.yml", dear(&server, "max_cost_usd: 1000"));
    let (code, result) = quality(&repo, &[]).await;
    assert_eq!((code, &result["complete"]), (Some(0), &json!(true)), "{result}");
    let sent: Vec<String> =
        server.seen().iter().map(|seen| seen.body["messages"][1]["content"].as_str().expect("a text").to_owned()).collect();
    // `.assize.yml` is the largest, and a half of its own.
    let holds = |file: &str| sent.iter().map(|text| text.contains(&format!("### {file}"))).collect::<Vec<_>>();
    assert_eq!((sent.len(), holds("Cargo.toml"), holds("src/session.py")), (3, vec![true, false, true], vec![true, false, true]));
    assert!(sent[1].contains("This is group 1 of 2."));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_cancelled_ends_within_seconds_says_so_and_leaves_nothing() {
    let server = ModelServer::start().await;
    server.then(Fault::Silence);
    let repo = repo();
    repo.write(".assize.yml", dear(&server, "max_cost_usd: 1000"));
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_assize"));
    command.args(["review", "--only", "quality", "--record", "story.md"]).current_dir(repo.path()).env_clear();
    command.env("PATH", std::env::var_os("PATH").expect("PATH is set")).kill_on_drop(true);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().expect("the binary starts");
    let id = child.id().expect("it runs").to_string();
    server.asked().await;
    let begun = std::time::Instant::now();
    let killed = std::process::Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
    let output = child.wait_with_output().await.expect("it ends");
    assert!(killed.success() && begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(3), ""));
    let err = text(&output.stderr);
    assert!(err.starts_with("error: stopped by SIGTERM: the review was not finished, and nothing was written\n"), "{err}");
    assert!(!repo.path().join("story.md").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_what_the_review_may_cost() {
    let repo = repo();
    repo.write(".assize.yml", "version: 1\nlimits: { max_cost_usd: 2.5 }\n");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_assize"));
    command.args(["plan"]).current_dir(repo.path()).env_clear().env("PATH", std::env::var_os("PATH").expect("PATH is set"));
    let known = text(&command.env("ANTHROPIC_API_KEY", "sk-test-1").output().await.expect("it runs").stdout);
    let cost = known.lines().find(|line| line.starts_with("Cost")).unwrap_or_else(|| panic!("{known}"));
    assert!(cost.contains(" USD, by estimate, at the prices of 20") && cost.ends_with("the ceiling is 2.50 USD"), "{cost}");
    assert!(known.contains("security on anthropic/claude-opus-4-7, about ") && !known.contains("unknown"), "{known}");
    let unknown = [("OPENAI_BASE_URL", "http://127.0.0.1:1/v1"), ("ASSIZE_MODEL", "openai/qwen3-coder")];
    let unknown = text(&command.env_remove("ANTHROPIC_API_KEY").envs(unknown).output().await.expect("it runs").stdout);
    assert!(unknown.contains("Cost       cost unknown, by estimate"), "{unknown}");
}

/// A collector that keeps what it is sent, and its address.
async fn collector() -> (String, std::sync::Arc<std::sync::Mutex<Vec<Value>>>) {
    let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = std::sync::Arc::clone(&kept);
    let route = axum::routing::post(move |axum::Json(body): axum::Json<Value>| async move {
        keep.lock().expect("nobody panics").push(body);
        axum::Json(json!({}))
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/v1/traces", route)).await });
    (url, kept)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_spans_of_stages_and_calls_and_no_text() {
    let (server, (url, kept)) = (ModelServer::start().await, collector().await);
    says_nothing(&server);
    let repo = repo();
    repo.write(".assize.yml", dear(&server, "max_cost_usd: 1000"));
    let (code, _) = quality(&repo, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)]).await;
    assert_eq!(code, Some(0));
    let kept = kept.lock().expect("nobody panics").clone();
    let spans: Vec<Value> = kept
        .iter()
        .flat_map(|body| body["resourceSpans"].as_array().expect("resources"))
        .flat_map(|resource| resource["scopeSpans"].as_array().expect("scopes"))
        .flat_map(|scope| scope["spans"].as_array().expect("spans").clone())
        .collect();
    let mut names: Vec<&str> = spans.iter().map(|span| span["name"].as_str().expect("a name")).collect();
    names.sort_unstable();
    assert_eq!(names, ["assize", "chat large", "detect", "invoke_agent quality", "panel", "prepare"]);
    let chat = spans.iter().find(|span| span["name"] == "chat large").expect("the call");
    let attributes = chat["attributes"].to_string();
    for wanted in
        ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"]
    {
        assert!(attributes.contains(wanted), "{wanted}: {attributes}");
    }
    let sent = json!(kept).to_string();
    assert!(!sent.contains("return token") && !sent.contains("Your part"), "text of the change or of a prompt was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_or_never_answers_changes_nothing() {
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let deaf = (format!("http://{}", deaf.local_addr().expect("a bound socket has an address")), deaf);
    for collector in ["http://127.0.0.1:1", &deaf.0] {
        let server = ModelServer::start().await;
        says_nothing(&server);
        let repo = repo();
        repo.write(".assize.yml", dear(&server, "max_cost_usd: 1000"));
        let begun = std::time::Instant::now();
        let (code, result) = quality(&repo, &[("OTEL_EXPORTER_OTLP_ENDPOINT", collector)]).await;
        assert_eq!((code, &result["complete"]), (Some(0), &json!(true)), "{collector}");
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{collector}: {:?}", begun.elapsed());
    }
}

/// Names and values.
type Headers = &'static [(&'static str, &'static str)];

/// What stands at a wrong address, as it answers a request for a model: status, headers, body, and what is said of it.
const NO_MODEL: [(u16, Headers, &str, &str); 8] = [
    (
        501,
        &[("content-type", "text/html;charset=utf-8")],
        "<!DOCTYPE HTML>\n<html lang=\"en\">\n<head>\n<title>Error response</title>\n</head>\n<body><h1>Error response</h1><p>Error code: 501</p><p>Message: Unsupported method ('POST').</p></body>\n</html>\n",
        "not a model endpoint (501 with a web page, “Error response”)",
    ),
    (
        405,
        &[("content-type", "text/html")],
        "<html>\r\n<head><title>405 Not Allowed</title></head>\r\n<body>\r\n<center><h1>405 Not Allowed</h1></center>\r\n<hr><center>nginx/1.27.3</center>\r\n</body>\r\n</html>\r\n",
        "not a model endpoint (405 with a web page, “405 Not Allowed”)",
    ),
    (
        400,
        &[("content-type", "text/html")],
        "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n</body>\r\n</html>\r\n",
        "not a model endpoint (400 with a web page, “400 The plain HTTP request was sent to HTTPS port”)",
    ),
    (
        404,
        &[("content-type", "text/html; charset=utf-8")],
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Open WebUI</title></head><body><div id=\"app\"></div></body></html>",
        "not a model endpoint (404 with a web page, “Open WebUI”)",
    ),
    (
        405,
        &[("content-type", "application/json")],
        "{\"detail\":\"Method Not Allowed\"}",
        "no such model or path (405: Method Not Allowed)",
    ),
    (404, &[("content-type", "text/plain")], "404 page not found\n", "no such model or path (404: 404 page not found)"),
    (
        302,
        &[("content-type", "text/html"), ("location", "https://sso.example.com/login?next=%2Fchat")],
        "<html><head><title>302 Found</title></head></html>",
        "not a model endpoint (302 to https://sso.example.com, which is not followed)",
    ),
    (
        200,
        &[("content-type", "text/html; charset=utf-8")],
        "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n\n<body><form action=\"/login\"></form></body></html>\n",
        "the answer is no stream of a model",
    ),
];

/// Starts a server that answers everything in one way; returns its address and the count of its requests.
async fn no_model(status: u16, headers: Headers, body: &'static str) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let router = Router::new().fallback(move || {
        count.fetch_add(1, Ordering::Relaxed);
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let headers: HeaderMap = headers.collect();
        async move { (StatusCode::from_u16(status).expect("a status"), headers, body) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_model_is_named_with_what_to_look_at() {
    for (status, headers, body, what) in NO_MODEL {
        let (url, asked) = no_model(status, headers, body).await;
        let repo = repo();
        repo.write(
            ".assize.yml",
            format!(
                "version: 1\nproviders:\n  acme: {{ kind: openai, base_url: \"{url}\" }}\nmodels: {{ top: [acme/large], standard: [acme/large], light: [acme/large] }}\n"
            ),
        );
        let (code, result) = quality(&repo, &[]).await;
        let reason = result["reviewers"][0]["why"].as_str().unwrap_or_else(|| panic!("no reason: {result}"));
        let address = format!("acme/large at {url}: ");
        assert!(reason.contains(&address) && reason.contains(what), "{reason}");
        assert!(reason.contains("is `base_url` right? it usually ends in /v1"), "{reason}");
        assert_eq!((code, asked.load(Ordering::Relaxed)), (Some(3), 1), "asked again, or another exit: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_reached_through_the_proxy_except_where_no_proxy_says_so() {
    let config = |url: &str| {
        format!(
            "version: 1\nproviders:\n  acme: {{ kind: openai, base_url: \"{url}/v1\" }}\nmodels: {{ top: [acme/large], standard: [acme/large], light: [acme/large] }}\n"
        )
    };
    // A plain proxy is asked with the whole address; nobody else knows this host.
    let (proxy, direct) = (ModelServer::start().await, ModelServer::start().await);
    says_nothing(&proxy);
    says_nothing(&direct);
    let repo = repo();
    repo.write(".assize.yml", config("http://models.invalid"));
    assert_eq!(quality(&repo, &[("HTTP_PROXY", &proxy.url)]).await.0, Some(0));
    assert_eq!((proxy.seen().len(), direct.seen().len()), (1, 0));
    repo.write(".assize.yml", config(&direct.url));
    assert_eq!(quality(&repo, &[("HTTP_PROXY", &proxy.url), ("NO_PROXY", "localhost,127.0.0.1")]).await.0, Some(0));
    assert_eq!((proxy.seen().len(), direct.seen().len()), (1, 1));
}
