//! Bad days of model providers, seen from outside: who answers instead, what is said, how the run ends.

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
