//! What a later round costs: tokens follow the size of the push, requests to GitLab the threads that change.

use serde_json::{Value, json};

use super::{Ran, Shop, lines};
use crate::gitlab::{Edit, Options};
use crate::model_server::{Answer, ModelServer};

/// Files of the change.
const FILES: usize = 60;
/// Lines that each of them adds.
const LINES: usize = 500;
/// Requests to GitLab of a round that changes no thread.
const CALLS: usize = 8;
/// More requests than all readers make.
const MOST: usize = 400;

fn file(number: usize, first: &str) -> String {
    let rest: Vec<String> = (2..=LINES).map(|line| format!("value_{number}_{line} = compute({line}, offset={number})")).collect();
    format!("{first}\n{}\n", rest.join("\n"))
}

fn result(ran: &Ran) -> Value {
    let text = std::fs::read_to_string(ran.job.path().join("assize-report/result.json")).expect("the job leaves its result");
    serde_json::from_str(&text).expect("JSON")
}

fn input(ran: &Ran) -> u64 {
    result(ran)["usage"]["tokens"]["input"].as_u64().expect("a number")
}

/// Nobody finds anything.
fn silence(models: &ModelServer) {
    models.forget();
    for _ in 0..MOST {
        models.then(Answer::default().call("call-1", "submit_findings", &json!({ "findings": [] }).to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_one_line_to_thirty_thousand_costs_less_than_a_twentieth_of_their_review() {
    let models = ModelServer::start().await;
    let config = format!("version: 1\n{}", super::models_at(&models.url));
    let written = (0..FILES).fold(Edit::new(), |edit, number| edit.write(&format!("src/part{number}.py"), file(number, "first = 1")));
    let shop = Shop::on(Options::default(), [(".assize.yml", config)], written).await;
    silence(&models);
    let first = shop.run().await;
    assert_eq!(result(&first)["complete"], true, "{}{}", first.stdout, first.stderr);
    assert_eq!(result(&first)["subject"]["added"], FILES * LINES);

    shop.mr.push([("src/part7.py", file(7, "first = 2"))]);
    silence(&models);
    shop.gitlab.forget_calls();
    let second = shop.run().await;
    assert_eq!(result(&second)["complete"], true, "{}{}", second.stdout, second.stderr);
    let (whole, part) = (input(&first), input(&second));
    assert!(whole > 0 && part > 0 && part * 20 < whole, "{part} of {whole} tokens");
    assert!(second.calls(&shop) <= CALLS, "{:#?}", shop.gitlab.lines());
    assert!(shop.summary().contains(&format!("reviewed what changed since, in 1 of {FILES} files")), "{}", shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_gitlab_are_a_constant_and_one_for_each_thread_that_changes() {
    let mut calls = Vec::new();
    for fixed in [1, 4, 8] {
        let bugs: Vec<(usize, &str)> = (0..8).map(|number| (3 + number * 4, "BUG here")).collect();
        let shop = Shop::with_rule([("notes.txt", lines(40, &bugs))]).await;
        shop.run().await;
        shop.mr.push([("notes.txt", lines(40, &bugs[fixed..]))]);
        shop.gitlab.forget_calls();
        let ran = shop.run().await;
        assert_eq!(shop.mr.threads().iter().filter(|thread| thread.resolved).count(), fixed, "{}", shop.mr.posted());
        calls.push(ran.calls(&shop) - fixed);
    }
    assert!(calls.iter().all(|rest| *rest == calls[0] && *rest <= 12), "{calls:?}");
}
