//! The variables and the checkout of a job, in each kind of pipeline.

use std::path::Path;
use std::process::Command;

use super::Scene;
use crate::gitlab::{Depth, GitLab, Job, Pipeline, Role};

fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git").args(args).current_dir(dir).output().expect("git starts");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn var<'a>(job: &'a Job, name: &str) -> &'a str {
    job.vars.get(name).map_or("(not set)", String::as_str)
}

#[tokio::test]
async fn a_plain_job_is_on_the_head_and_knows_no_branch_commits() {
    let scene = Scene::new().await;
    scene.mr.entitle("Draft: Später", &"ä".repeat(3000));
    let job = scene.mr.job(Pipeline::Detached, Depth::Full);
    let [base, _, head] = scene.mr.refs();
    assert_eq!((var(&job, "CI_COMMIT_SHA"), git(job.path(), &["rev-parse", "HEAD"]).as_str()), (head.as_str(), head.as_str()));
    assert_eq!((var(&job, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"), var(&job, "CI_MERGE_REQUEST_EVENT_TYPE")), ("", "detached"));
    assert_eq!((var(&job, "CI_MERGE_REQUEST_DIFF_BASE_SHA"), var(&job, "CI_API_V4_URL")), (base.as_str(), scene.gitlab.api().as_str()));
    assert_eq!(var(&job, "CI_MERGE_REQUEST_DESCRIPTION").chars().count(), 2700);
    assert_eq!(var(&job, "CI_MERGE_REQUEST_DESCRIPTION_IS_TRUNCATED"), "true");
    assert_eq!(git(job.path(), &["remote", "get-url", "origin"]), format!("file://{}", scene.project.bare().path().display()));
    let job = job.with("GIT_DEPTH", "0").without("CI_MERGE_REQUEST_IID");
    assert_eq!((var(&job, "GIT_DEPTH"), var(&job, "CI_MERGE_REQUEST_IID")), ("0", "(not set)"));
}

#[tokio::test]
async fn a_shallow_checkout_lacks_the_base_which_can_be_fetched_by_its_name() {
    let scene = Scene::new().await;
    scene.mr.push([("src/a.rs", "more\n")]);
    let job = scene.mr.job(Pipeline::Detached, Depth::Commits(1));
    let [base, ..] = scene.mr.refs();
    assert_eq!(git(job.path(), &["rev-list", "--count", "HEAD"]), "1");
    git(job.path(), &["fetch", "--quiet", "--no-tags", "--depth=1", "origin", &base]);
    assert_eq!(git(job.path(), &["cat-file", "-t", &base]), "commit");
}

#[tokio::test]
async fn merged_results_and_trains_are_on_a_commit_of_neither_branch() {
    let scene = Scene::new().await;
    let tip = scene.project.commit([("other.txt", "theirs\n")]);
    for (pipeline, event) in [(Pipeline::MergedResults, "merged_result"), (Pipeline::Train, "merge_train")] {
        let job = scene.mr.job(pipeline, Depth::Full);
        assert_eq!(var(&job, "CI_MERGE_REQUEST_EVENT_TYPE"), event);
        let parents = git(job.path(), &["log", "-1", "--format=%P", "HEAD"]);
        assert_eq!(parents, format!("{tip} {}", scene.mr.head()));
        assert_eq!(var(&job, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"), scene.mr.head());
        assert_eq!(var(&job, "CI_MERGE_REQUEST_TARGET_BRANCH_SHA"), tip);
    }
}

#[tokio::test]
async fn a_fork_has_merge_requests_of_the_same_number_and_its_own_pipelines() {
    let gitlab = GitLab::start().await;
    let project = gitlab.project("acme/app");
    let dana = project.member("dana", Role::Reporter);
    let fork = project.fork(&dana, "dana/app");
    let inside = fork.merge_request(&dana, [("a.txt", "fork\n")]);
    let mr = project.merge_request_from(&fork, &dana, [("b.txt", "from the fork\n")]);
    assert_eq!((inside.iid, mr.iid), (1, 1));
    let job = mr.job(Pipeline::Fork, Depth::Full);
    let number = |project: &crate::gitlab::Project| project.id().to_string();
    assert_eq!(var(&job, "CI_PROJECT_ID"), number(&fork));
    assert_eq!(var(&job, "CI_MERGE_REQUEST_PROJECT_ID"), number(&project));
    assert_eq!(var(&job, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID"), number(&fork));
    assert_eq!(mr.project().id(), project.id());
    let head = mr.push([("b.txt", "more\n")]);
    assert_eq!(fork.bare().git(&["rev-parse", "topic"]), head);
    let renovate = project.merge_request_on(&dana, "renovate/serde", [("Cargo.toml", "[package]\n")]);
    assert_eq!(
        (renovate.iid, var(&renovate.job(Pipeline::Detached, Depth::Full), "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME")),
        (2, "renovate/serde")
    );
}
