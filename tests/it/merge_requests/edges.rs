//! The edges of a first review: what GitLab drops, limits, hides or moves meanwhile, and jobs that lack something.

use assize::exit::Exit;

use super::{Shop, lines, run};
use crate::gitlab::{Depth, Edit, Fault, Options, Pipeline, Role, Scope, Setting};

fn edit() -> [(&'static str, String); 1] {
    [("notes.txt", lines(40, &[(20, "BUG here")]))]
}

fn result(ran: &super::Ran) -> String {
    std::fs::read_to_string(ran.job.path().join("assize-report/result.json")).expect("the artifact")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_request_that_is_full_keeps_what_fits_and_the_artifact_has_the_rest() {
    let options = Options { notes_limit: 1, ..Options::default() };
    let shop = Shop::with_rule_on(options, [("notes.txt", lines(40, &[(10, "BUG here"), (20, "BUG there")]))]).await;
    for _ in 0..2 {
        let ran = shop.run().await;
        assert_eq!((ran.exit, shop.places()), (Exit::Incomplete, vec!["notes.txt +10".to_owned()]), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("Maximum number of comments exceeded"), "{}", ran.stdout);
        assert_eq!(result(&ran).matches("BUG there").count(), 1);
        shop.is_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_vanishes_without_a_word_is_posted_directly() {
    let shop = Shop::with_rule(edit()).await;
    // Published, it says, and keeps nothing: the drafts are gone with the run's own clean-up.
    shop.gitlab.on("POST", "draft_notes/bulk_publish").fails(Fault::Answer(204, "application/json", Vec::new()));
    let ran = shop.run().await;
    assert_eq!((ran.exit, shop.places()), (Exit::Done, vec!["notes.txt +20".to_owned()]), "{}{}", ran.stdout, ran.stderr);
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shallow_checkout_that_may_not_fetch_says_what_to_do() {
    let shop = Shop::with_rule(edit()).await;
    shop.mr.push([("more.txt", "fine\n")]);
    let job = shop.mr.job(Pipeline::Detached, Depth::Commits(1));
    let config = job.path().join(".git/config");
    let text = std::fs::read_to_string(&config).expect("a configuration");
    std::fs::write(&config, text.replace("file://", "file:///nowhere")).expect("it can be written");
    let ran = shop.run_job(job, &[]).await;
    assert_eq!((ran.exit, shop.mr.posted().as_str()), (Exit::Incomplete, ""), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("is not in this checkout and cannot be fetched") && ran.stderr.contains("GIT_DEPTH"), "{}", ran.stderr);
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_request_that_is_closed_while_it_is_reviewed_gets_no_thread() {
    let shop = Shop::with_rule(edit()).await;
    let (mr, author) = (shop.mr.clone(), shop.author.clone());
    shop.gitlab.on("GET", "draft_notes").comes_after(move || mr.close(&author));
    let ran = shop.run().await;
    assert_eq!((ran.exit, shop.places().len()), (Exit::Done, 0), "{}{}\n{}", ran.stdout, ran.stderr, shop.mr.posted());
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_target_branch_is_another_change_and_repeats_nothing() {
    let shop = Shop::with_rule(edit()).await;
    shop.run().await;
    shop.project.commit_on("release", [("notes.txt", lines(40, &[(1, "theirs")]))]);
    shop.mr.retarget("release");
    let ran = shop.run().await;
    assert_eq!((ran.exit, shop.places().len()), (Exit::Done, 1), "{}{}\n{}", ran.stdout, ran.stderr, shop.mr.posted());
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_changes_nothing_has_nothing_to_review() {
    let shop = Shop::with_rule(edit()).await;
    let [_, start, _] = shop.mr.refs();
    shop.mr.force(&start);
    let ran = shop.run().await;
    assert_eq!((ran.exit, shop.places().len()), (Exit::Done, 0), "{}{}", ran.stdout, ran.stderr);
    assert!(shop.summary().starts_with("### Assize: nothing to review"), "{}", shop.mr.posted());
    assert_eq!(shop.mr.approvers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_execute_permission_a_link_and_a_rename_alone_are_no_lines_to_review() {
    let edit = Edit::new().rename("old.txt", "renamed.txt").write_executable("notes.txt", lines(40, &[]));
    let shop = Shop::with_rule(edit).await;
    let ran = shop.run().await;
    assert_eq!((ran.exit, shop.places().len()), (Exit::Done, 0), "{}{}", ran.stdout, ran.stderr);
    assert!(shop.summary().starts_with("### Assize: nothing to review"), "{}", shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_merge_request_is_reviewed_like_any_other() {
    let shop = Shop::with_rule(edit()).await;
    shop.mr.entitle("Draft: a change", "");
    assert_eq!((shop.run().await.exit, shop.places()), (Exit::Done, vec!["notes.txt +20".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_that_gitlab_hides_from_its_pages_lose_no_state() {
    let shop = Shop::with_rule(edit()).await;
    shop.run().await;
    for number in 0..120 {
        shop.mr.hidden_note();
        shop.mr.say(&shop.author, &format!("note {number}"));
    }
    shop.mr.push([("more.txt", "fine\n")]);
    let ran = shop.run().await;
    assert_eq!((ran.exit, shop.places()), (Exit::Done, vec!["notes.txt +20".to_owned()]), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(shop.mr.notes().iter().filter(|note| note.author == "assize").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_below_the_path_of_an_installation() {
    let options = Options { prefix: "/git/lab".to_owned(), ..Options::default() };
    let shop = Shop::with_rule_on(options, edit()).await;
    shop.run().await;
    let note = shop.mr.threads()[0].notes[0].id;
    let link = format!("]({}/acme/shop/-/merge_requests/1#note_{note})", shop.gitlab.url());
    assert!(link.contains("/git/lab/acme") && shop.summary().contains(&link), "{}", shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_guest_and_a_jobs_own_token_are_refused_with_what_to_do() {
    let shop = Shop::with_rule(edit()).await;
    let guest = shop.project.bot("guest", Role::Guest);
    for token in [
        shop.project.token(&guest, Scope::Api),
        shop.project.token(&shop.bot, Scope::Job),
        shop.project.token(&shop.bot, Scope::ReadRepository),
    ] {
        let ran = run(shop.mr.job(Pipeline::Detached, Depth::Full).with("ASSIZE_GITLAB_TOKEN", &token), &[]).await;
        assert!(matches!(ran.exit, Exit::Refused | Exit::Done), "{token}: {}", ran.stderr);
        assert!(ran.exit == Exit::Done || ran.stderr.contains("hint"), "{token}: {}", ran.stderr);
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(&token), "{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_while_the_review_goes_on_leaves_the_result_in_the_artifact() {
    let shop = Shop::with_rule(edit()).await;
    shop.gitlab.on("POST", "notes").always().fails(Fault::Expired);
    shop.gitlab.on("POST", "draft_notes").always().fails(Fault::Expired);
    let ran = shop.run().await;
    assert_eq!(ran.exit, Exit::Refused, "{}{}", ran.stdout, ran.stderr);
    assert!(result(&ran).contains("ACME-0001") && ran.stderr.contains("hint"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_tier_takes_a_role_and_is_never_for_sensitive_paths() {
    let text = lines(400, &[]);
    for (sets, path, tier) in [("ada", "found.txt", "full"), ("mira", "found.txt", "lite"), ("mira", "src/auth/session.py", "full")] {
        let base = Edit::new().write(".assize.yml", "version: 1\nmin_access: maintainer\n");
        let shop = Shop::on(Options::default(), base, [(path, &text)]).await;
        let person = if sets == "ada" { &shop.author } else { &shop.reviewer };
        shop.mr.label(person, "assize::lite");
        let ran = shop.run().await;
        assert!(result(&ran).contains(&format!("\"tier\": \"{tier}\"")), "{sets} {path}: {}", ran.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_project_and_one_that_resolves_outdated_threads_are_like_any_other() {
    for setting in [Setting::Public, Setting::ResolveOutdated, Setting::ResetApprovals, Setting::AuthorMayApprove] {
        let shop = Shop::with_rule(edit()).await;
        shop.project.set(setting);
        let ran = shop.run().await;
        assert_eq!((ran.exit, shop.places()), (Exit::Done, vec!["notes.txt +20".to_owned()]), "{setting:?}: {}", ran.stderr);
        shop.is_clean();
    }
}
