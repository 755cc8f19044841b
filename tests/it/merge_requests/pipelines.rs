//! Kinds of pipelines, checkouts and merge requests, and those in which there is nothing to do.

use assize::exit::Exit;

use super::{Shop, lines, run};
use crate::gitlab::{Depth, GitLab, Options, Pipeline, Role, Scope, Setting};

fn edit() -> [(&'static str, String); 1] {
    [("notes.txt", lines(40, &[(20, "BUG here")]))]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_results_pipeline_posts_on_the_source_branchs_own_lines() {
    let shop = Shop::with_rule(edit()).await;
    shop.project.commit([("other.txt", "theirs\n")]);
    let ran = shop.run_job(shop.mr.job(Pipeline::MergedResults, Depth::Full), &[]).await;
    assert_eq!((ran.exit, shop.places()), (Exit::Done, vec!["notes.txt +20".to_owned()]), "{}", ran.stderr);
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_train_is_no_place_for_a_review() {
    let shop = Shop::with_rule(edit()).await;
    let ran = shop.run_job(shop.mr.job(Pipeline::Train, Depth::Full), &[]).await;
    assert_eq!((ran.exit, shop.gitlab.calls().len()), (Exit::Done, 0));
    assert_eq!(ran.stdout, "Assize: nothing to do: a merge train is no place for a review\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shallow_checkout_fetches_what_it_lacks() {
    let shop = Shop::with_rule(edit()).await;
    shop.mr.push([("more.txt", "fine\n")]);
    let ran = shop.run_job(shop.mr.job(Pipeline::Detached, Depth::Commits(1)), &[]).await;
    assert_eq!((ran.exit, shop.places()), (Exit::Done, vec!["notes.txt +20".to_owned()]), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_checkout_the_diff_and_the_instructions_come_from_gitlab() {
    let shop = Shop::with_rule(edit()).await;
    let empty = tempfile::TempDir::new().expect("a temporary folder");
    let job = shop.mr.job(Pipeline::Detached, Depth::Full).with("CI_PROJECT_DIR", &empty.path().display().to_string());
    let ran = shop.run_job(job, &[]).await;
    assert_eq!((ran.exit, shop.places()), (Exit::Done, vec!["notes.txt +20".to_owned()]), "{}{}", ran.stdout, ran.stderr);
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_head_is_not_the_newest_is_superseded_and_posts_nothing() {
    let shop = Shop::with_rule(edit()).await;
    let job = shop.mr.job(Pipeline::Detached, Depth::Full);
    shop.mr.push([("more.txt", "fine\n")]);
    let ran = shop.run_job(job, &[]).await;
    assert_eq!((ran.exit, shop.mr.posted()), (Exit::Done, String::new()));
    assert!(ran.stdout.starts_with("Assize: superseded: "), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_while_the_review_goes_on_stops_it_before_it_posts() {
    let shop = Shop::with_rule(edit()).await;
    let mr = shop.mr.clone();
    shop.gitlab.on("GET", "draft_notes").comes_after(move || {
        mr.push([("more.txt", "fine\n")]);
    });
    let ran = shop.run().await;
    assert_eq!(shop.places(), Vec::<String>::new(), "{}", shop.mr.posted());
    assert!(ran.stdout.contains("superseded"), "{}", ran.stdout);
    shop.is_clean();
    assert_eq!(shop.run().await.exit, Exit::Done);
    assert_eq!(shop.places(), ["notes.txt +20"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn merged_and_closed_merge_requests_are_left_alone() {
    let closed = Shop::with_rule(edit()).await;
    let job = closed.mr.job(Pipeline::Detached, Depth::Full);
    closed.mr.close(&closed.author);
    let ran = closed.run_job(job, &[]).await;
    assert_eq!((ran.exit, ran.stdout.as_str()), (Exit::Done, "Assize: nothing to do: the merge request is closed\n"));
    let merged = Shop::with_rule(edit()).await;
    let job = merged.mr.job(Pipeline::Detached, Depth::Full);
    merged.mr.merge(&merged.reviewer);
    let ran = merged.run_job(job, &[]).await;
    assert_eq!((ran.exit, ran.stdout.as_str()), (Exit::Done, "Assize: nothing to do: the merge request is merged\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_archived_project_the_result_is_in_the_artifact_and_the_exit_says_refused() {
    let shop = Shop::with_rule(edit()).await;
    let job = shop.mr.job(Pipeline::Detached, Depth::Full);
    shop.project.set(Setting::Archived);
    let ran = shop.run_job(job, &[]).await;
    assert_eq!(ran.exit, Exit::Refused, "{}{}", ran.stdout, ran.stderr);
    let result = std::fs::read_to_string(ran.job.path().join("assize-report/result.json")).expect("the artifact");
    assert!(result.contains("ACME-0001"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_under_a_path_works() {
    let options = Options { prefix: "/gitlab".to_owned(), ..Options::default() };
    let shop = Shop::with_rule_on(options, edit()).await;
    assert_eq!(shop.run().await.exit, Exit::Done);
    assert_eq!(shop.places(), ["notes.txt +20"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diff_that_is_not_there_yet_is_waited_for() {
    let shop = Shop::with_rule(edit()).await;
    shop.mr.unprepared(1);
    assert_eq!(shop.run().await.exit, Exit::Done);
    assert_eq!(shop.places(), ["notes.txt +20"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_of_a_fork_reviews_the_targets_merge_request_and_not_its_own_of_that_number() {
    let gitlab = GitLab::start().await;
    let project = gitlab.project("acme/shop");
    project.commit([(".assize.yml", super::CONFIG), (".assize/codex/ACME-0001-bug.md", super::BUG_RULE), ("notes.txt", "fine\n")]);
    let stranger = project.member("zoe", Role::Reporter);
    let fork = project.fork(&stranger, "zoe/shop");
    let own = fork.merge_request_on(&stranger, "own", [("notes.txt", "own\n")]);
    let bot = project.bot("assize", Role::Developer);
    let token = project.token(&bot, Scope::Api);
    let mr = project.merge_request_from(&fork, &stranger, [("notes.txt", "BUG from a fork\n")]);
    assert_eq!(own.iid, mr.iid);
    let ran = run(mr.job(Pipeline::Fork, Depth::Full).with("ASSIZE_GITLAB_TOKEN", &token), &[]).await;
    assert_eq!((ran.exit, mr.threads().len(), own.posted()), (Exit::Done, 1, String::new()), "{}{}", ran.stdout, ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_noise_alone_has_nothing_to_review_and_says_so() {
    let shop = Shop::new([("package-lock.json", "{ \"lockfileVersion\": 3 }\n")]).await;
    assert_eq!(shop.run().await.exit, Exit::Done);
    assert!(shop.summary().starts_with("### Assize: nothing to review"), "{}", shop.summary());
    assert!(shop.summary().contains("lock file"), "{}", shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_prints_the_plan_and_posts_nothing() {
    let shop = Shop::with_rule(edit()).await;
    let ran = shop.run_job(shop.mr.job(Pipeline::Detached, Depth::Full), &["--dry-run"]).await;
    assert_eq!((ran.exit, shop.mr.posted()), (Exit::Done, String::new()));
    assert!(ran.stdout.contains("The plan; nothing was posted.") && ran.stdout.contains("-- on notes.txt:20"), "{}", ran.stdout);
    assert!(shop.gitlab.lines().iter().all(|line| line.starts_with("GET")), "{:#?}", shop.gitlab.lines());
}
