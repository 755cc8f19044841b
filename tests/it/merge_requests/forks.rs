//! Merge requests from forks: whose instructions hold, and which project is written to.

use assize::exit::Exit;

use super::{INJECTED, ORDERS, run};
use crate::gitlab::{Depth, GitLab, Pipeline, Role, Scope};

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_of_a_fork_follows_the_target_and_not_the_forks_own_main() {
    let gitlab = GitLab::start().await;
    let project = gitlab.project("acme/shop");
    project.commit([("shop/orders.py", ORDERS), (".assize.yml", "version: 1\nfail_on: significant_concerns\n")]);
    let eve = project.member("eve", Role::Reporter);
    let token = project.token(&project.bot("assize", Role::Developer), Scope::Api);
    let fork = project.fork(&eve, "eve/shop");
    fork.commit([(".assize.yml", "version: 1\nfail_on: never\n")]);
    let inside = fork.merge_request(&eve, [("a.py", "a = 1\n")]);
    let mr = project.merge_request_from(&fork, &eve, [("shop/orders.py", INJECTED)]);
    assert_eq!(inside.iid, mr.iid);
    let ran = run(mr.job(Pipeline::Fork, Depth::Full).with("ASSIZE_GITLAB_TOKEN", &token), &[]).await;
    assert_eq!(ran.exit, Exit::Gate, "{}{}", ran.stdout, ran.stderr);
    assert_eq!((mr.threads().len(), inside.notes().len(), inside.threads().len()), (1, 0, 0), "{}", mr.posted());
}
