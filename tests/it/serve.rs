//! The servers of the tests as a process of their own: a demonstration project with a merge request, and a model that has something to say
//! about it. For checks from outside, such as a fuzzer or a pipeline, and for a look at one's own work:
//!
//! ```sh
//! FAKE_GITLAB_OUT=/tmp/demo.json cargo test --test it -- --ignored --exact serve::serve_gitlab
//! ```
//!
//! The file tells everything that a client needs. Once a file of the same name with `.stop` appears, what was posted is written to
//! `.posted`, and the process ends.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::gitlab::{Depth, GitLab, Options, Pipeline, Role, Scope};
use crate::model_server::{Answer, ModelServer};

/// How often the file that ends it is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// How many reviews the model has answers for.
const REVIEWS: usize = 20;

const BEFORE: &str = "def paid(order):\n    return order.total - order.discount\n\n\ndef refund(order):\n    return paid(order)\n";
const AFTER: &str =
    "def paid(order):\n    return order.total - order.discount\n\n\ndef refund(order, share):\n    return paid(order) / share\n";

fn beside(out: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}.{ending}", out.display()))
}

/// Answers of everybody who may be asked about the demonstration: one finds something, the others do not.
fn speak(model: &ModelServer) {
    let finding = json!([{
        "title": "A share of zero ends in an error", "severity": "important", "path": "shop/order.py", "first": "", "last": "",
        "quote": "    return paid(order) / share", "confidence": 0.9,
        "body": "`refund(order, 0)` raises `ZeroDivisionError`. Refuse a share of zero before dividing.",
    }]);
    let answer = |tool: &str, arguments: &Value| Answer::default().call("call-1", tool, &arguments.to_string());
    for _ in 0..REVIEWS {
        for part in ["Generalist", "Quality"] {
            model.when(&format!("# Your part: {part}"), answer("submit_findings", &json!({ "findings": finding })));
        }
        for part in ["Security", "Codex", "Documentation", "Performance", "Release", "Agent instructions"] {
            model.when(&format!("# Your part: {part}"), answer("submit_findings", &json!({ "findings": [] })));
        }
        let kept = json!({ "judgements": [{ "id": "C-1", "decision": "keep", "why": "The division is there." }] });
        model.when("# Your part: Coordinator", answer("submit_verdict", &kept));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "serves until it is told to stop: FAKE_GITLAB_OUT names the file that tells where"]
async fn serve_gitlab() {
    let out = PathBuf::from(std::env::var_os("FAKE_GITLAB_OUT").expect("FAKE_GITLAB_OUT names a file to write"));
    let address = std::env::var("FAKE_GITLAB_ADDRESS").unwrap_or_else(|_| "127.0.0.1:0".to_owned());
    let model = ModelServer::start().await;
    speak(&model);
    let gitlab = GitLab::start_on(&address, Options::default()).await;
    let project = gitlab.project("acme/shop");
    let config = format!(
        "version: 1\nproviders:\n  demo: {{ kind: openai, base_url: \"{}/v1\", api_key_env: DEMO_KEY }}\n\
         models: {{ top: [demo/large], standard: [demo/large], light: [demo/large] }}\n",
        model.url
    );
    project.commit([("shop/order.py", BEFORE), (".assize.yml", &config)]);
    let dana = project.member("dana", Role::Developer);
    let bot = project.bot("assize", Role::Developer);
    let mr = project.merge_request(&dana, [("shop/order.py", AFTER)]);
    mr.entitle("Refund a share of an order", "Customers may get a part of their money back.");
    let token = project.token(&bot, Scope::Api);
    let job = mr.job(Pipeline::Detached, Depth::Full).with("ASSIZE_GITLAB_TOKEN", &token).with("DEMO_KEY", "sk-demo");
    let told = json!({
        "url": gitlab.url(), "api": gitlab.api(), "token": token, "project": project.id(), "iid": mr.iid, "vars": job.vars,
        "checkout": job.path(), "origin": project.bare().path(), "model": model.url, "stop": beside(&out, "stop"), "posted": beside(&out, "posted"),
    });
    // Whoever waits for the file finds it whole.
    std::fs::write(beside(&out, "part"), told.to_string()).expect("FAKE_GITLAB_OUT can be written");
    std::fs::rename(beside(&out, "part"), &out).expect("FAKE_GITLAB_OUT can be written");
    while !beside(&out, "stop").exists() {
        tokio::time::sleep(LOOK).await;
    }
    std::fs::write(beside(&out, "posted"), mr.posted()).expect("a file can be written beside FAKE_GITLAB_OUT");
}
