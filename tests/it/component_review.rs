//! From `include:` to posted threads: the component's job in a merge request's pipeline, with the program itself, a GitLab and a model.
//! `.ci/component` runs it.

use std::path::Path;

use serde_json::json;

use crate::gitlab::{Depth, GitLab, Pipeline, Role, Scope};
use crate::model_server::{Answer, ModelServer};
use crate::pipeline::{Component, Ran, on_gitlab};

const BEFORE: &str =
    "def find(db, customer):\n    rows = db.execute(\"SELECT id FROM orders WHERE customer = ?\", (customer,))\n    return rows\n";
const AFTER: &str = "def find(db, customer, sort):\n    rows = db.execute(f\"SELECT id FROM orders WHERE customer = ? ORDER BY {sort}\", (customer,))\n    return rows[1:]\n";

/// One reader finds something, and the judge keeps it.
fn answers(server: &ModelServer) {
    let finding = json!({
        "title": "The first order is never found", "severity": "important", "path": "shop/orders.py", "first": "", "last": "",
        "quote": "    return rows[1:]", "body": "The slice drops a row that the query asked for. Return `rows`.", "confidence": 0.9
    });
    let submitted = Answer::default().call("call-1", "submit_findings", &json!({ "findings": [finding] }).to_string());
    server.when("# Your part: Generalist", submitted);
    let kept = json!({ "judgements": [{ "id": "C-2", "decision": "keep", "why": "shown" }] });
    server.when("# Your part: Coordinator", Answer::default().call("call-2", "submit_verdict", &kept.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs gitlab-ci-local: .ci/component"]
async fn one_line_of_include_brings_threads_on_the_exact_lines() {
    let (gitlab, models, component) = (GitLab::start().await, ModelServer::start().await, Component::publish());
    answers(&models);
    let shop = gitlab.project("acme/shop");
    let configuration = format!(
        "version: 1\nproviders: {{ acme: {{ kind: anthropic, base_url: \"{}\", api_key_env: ACME_KEY }} }}\n\
         models: {{ top: [acme/large], standard: [acme/large], light: [acme/large] }}\n",
        models.url
    );
    let include = Component::include("image: registry.example.com/assize");
    shop.commit([(".gitlab-ci.yml", include.as_str()), (".assize.yml", configuration.as_str()), ("shop/orders.py", BEFORE)]);
    let bot = shop.bot("project_1_bot_0a1b", Role::Developer);
    let token = shop.token(&bot, Scope::Api);
    let request = shop.merge_request(&shop.member("ada", Role::Developer), [("shop/orders.py", AFTER)]);
    let bin = Path::new(env!("CARGO_BIN_EXE_assize")).parent().expect("a binary lies in a folder");

    let run = || -> Ran {
        // As the template sets GIT_DEPTH.
        let job = request.job(Pipeline::Detached, Depth::Commits(20)).with("ASSIZE_GITLAB_TOKEN", &token).with("ACME_KEY", "sk-test-1");
        on_gitlab(job.path());
        let vars: Vec<(&str, &str)> = job.vars.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        tokio::task::block_in_place(|| component.run(job.path(), bin, &vars))
    };

    let ran = run();
    assert_eq!(ran.ended, "PASS", "{}", ran.log);
    assert_eq!(
        ran.artifacts.keys().map(String::as_str).collect::<Vec<_>>(),
        ["assize-report/assize-run.md", "assize-report/result.json", "assize-report/summary.md"]
    );
    let places: Vec<(String, &str)> = request
        .threads()
        .into_iter()
        .map(|thread| (thread.place, if thread.notes[0].author == bot.username { "the bot" } else { "?" }))
        .collect();
    let posted = request.posted();
    assert_eq!(places, [("shop/orders.py +2".to_owned(), "the bot"), ("shop/orders.py +3".to_owned(), "the bot")], "{posted}");
    assert_eq!(request.notes().iter().map(|note| &note.author).collect::<Vec<_>>(), [&bot.username], "{posted}");
    assert!(posted.contains("The first order is never found"), "{posted}");

    // The same head again: nothing is asked of a model, which has no more answers, and nothing is written.
    gitlab.forget_calls();
    let again = run();
    assert_eq!((again.ended.as_str(), request.posted()), ("PASS", posted), "{}", again.log);
    assert!(gitlab.lines().iter().all(|line| line.starts_with("GET ")), "{:#?}", gitlab.lines());
    assert_eq!(gitlab.executed().len(), 0, "a quick action ran");
}
