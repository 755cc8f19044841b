//! Tokens and servers that do not do: each says what and what to do, with its exit code.

use assize::exit::Exit;

use super::{Shop, lines, run};
use crate::gitlab::{Depth, Fault, Options, Pipeline, Role, Scope};

async fn shop() -> Shop {
    Shop::with_rule([("notes.txt", lines(40, &[(20, "BUG here")]))]).await
}

async fn with_token(shop: &Shop, token: &str) -> (Exit, String) {
    let ran = run(shop.mr.job(Pipeline::Detached, Depth::Full).with("ASSIZE_GITLAB_TOKEN", token), &[]).await;
    (ran.exit, ran.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_missing_is_named_with_the_usual_cause() {
    let shop = shop().await;
    let ran = run(shop.mr.job(Pipeline::Detached, Depth::Full), &[]).await;
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.stderr.contains("ASSIZE_GITLAB_TOKEN") && ran.stderr.contains("protected"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_expired_or_is_nonsense_is_refused_and_never_shown() {
    let shop = shop().await;
    let bot = shop.project.bot("late", Role::Developer);
    let token = shop.project.token(&bot, Scope::Api);
    shop.project.expire(&token);
    for token in [token.as_str(), "glpat-nonsense-nonsense"] {
        let (exit, said) = with_token(&shop, token).await;
        assert_eq!(exit, Exit::Refused, "{said}");
        assert!(said.contains("token") && !said.contains(token), "{said}");
    }
    assert_eq!(shop.mr.posted(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_only_read_leaves_the_result_in_the_artifact() {
    let shop = shop().await;
    let bot = shop.project.bot("reader", Role::Developer);
    let token = shop.project.token(&bot, Scope::ReadApi);
    let ran = run(shop.mr.job(Pipeline::Detached, Depth::Full).with("ASSIZE_GITLAB_TOKEN", &token), &[]).await;
    assert_eq!((ran.exit, shop.mr.posted()), (Exit::Refused, String::new()), "{}", ran.stderr);
    let result = std::fs::read_to_string(ran.job.path().join("assize-report/result.json")).expect("the artifact");
    assert!(result.contains("ACME-0001") && ran.stderr.contains("api"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_project_sees_nothing() {
    let shop = shop().await;
    let other = shop.gitlab.project("acme/other");
    let bot = other.bot("stranger", Role::Developer);
    let (exit, said) = with_token(&shop, &other.token(&bot, Scope::Api)).await;
    assert_eq!(exit, Exit::Refused, "{said}");
    assert!(said.contains("hint"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gitlab_that_is_too_old_is_refused() {
    let options = Options { version: "16.3.7".to_owned(), ..Options::default() };
    let shop = Shop::with_rule_on(options, [("notes.txt", lines(40, &[(20, "BUG here")]))]).await;
    let ran = shop.run().await;
    assert_eq!((ran.exit, shop.mr.posted()), (Exit::Usage, String::new()));
    assert!(ran.stderr.contains("16.4"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_for_people_instead_of_json_is_no_gitlab_api() {
    let shop = shop().await;
    let page = Fault::Answer(200, "text/html", b"<html>Sign in</html>".to_vec());
    shop.gitlab.on("GET", "user").always().fails(page);
    let ran = shop.run().await;
    assert_eq!(ran.exit, Exit::Incomplete, "{}", ran.stderr);
    assert!(ran.stderr.contains("error") && ran.stderr.contains("hint"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_that_gitlab_sets_and_that_are_missing_are_named() {
    let shop = shop().await;
    let ran = shop.run_job(shop.mr.job(Pipeline::Detached, Depth::Full).without("CI_API_V4_URL"), &[]).await;
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.stderr.contains("CI_API_V4_URL"), "{}", ran.stderr);
}
