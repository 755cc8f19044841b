//! Who decides: the target branch, people with a role, and never the source branch.

use assize::exit::Exit;

use super::{Shop, lines};
use crate::gitlab::{Depth, Edit, Options, Pipeline};

const BUG: [(&str, &str); 1] = [("found.txt", "BUG here\n")];

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_branch_says_about_rules_is_data() {
    let edit = Edit::new()
        .write(".assize.yml", "version: 1\ncodex: { sources: [] }\npublish: { mode: shadow }\n")
        .write(".assize/codex/ACME-0001-bug.md", "nonsense")
        .write("found.txt", "BUG here\n");
    let shop = Shop::with_rule(edit).await;
    let ran = shop.run().await;
    assert_eq!((ran.exit, shop.places()), (Exit::Done, vec!["found.txt +1".to_owned()]), "{}{}", ran.stdout, ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_target_branchs_configuration_is_shown_at_its_line() {
    let base = Edit::new().write(".assize.yml", "version: 1\npublsh: { mode: shadow }\n");
    let shop = Shop::on(Options::default(), base, BUG).await;
    let ran = shop.run().await;
    assert_eq!((ran.exit, shop.mr.posted()), (Exit::Usage, String::new()));
    assert!(ran.stderr.contains("publsh") && ran.stderr.contains("publish"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_of_the_job_may_tighten_and_never_loosen() {
    let base = Edit::new()
        .write(".assize.yml", format!("{}fail_on: minor_issues\n", super::CONFIG))
        .write(".assize/codex/ACME-0001-bug.md", super::BUG_RULE);
    let shop = Shop::on(Options::default(), base, BUG).await;
    for args in [["--fail-on", "never"], ["--only", "docs"], ["--skip", "docs"], ["--config", "own.yml"]] {
        let ran = shop.run_job(shop.mr.job(Pipeline::Detached, Depth::Full), &args).await;
        assert_eq!((ran.exit, shop.mr.posted()), (Exit::Usage, String::new()), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("target branch"), "{args:?}: {}", ran.stderr);
    }
    let ran = shop.run_job(shop.mr.job(Pipeline::Detached, Depth::Full), &["--fail-on", "minor_issues,incomplete"]).await;
    assert_eq!(ran.exit, Exit::Done, "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_is_met_by_what_is_open() {
    let shop = Shop::new([("shop/orders.py", super::INJECTED)]).await;
    assert_eq!(shop.run_gated("significant_concerns").await.exit, Exit::Gate);
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_raises_the_tier_and_the_report_says_who() {
    let shop = Shop::with_rule(BUG).await;
    shop.mr.label(&shop.author, "assize::full");
    let ran = shop.run().await;
    let said = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("full was asked for by the label assize::full of @ada"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn skipping_takes_a_role_and_is_never_for_sensitive_paths() {
    let base = Edit::new()
        .write(".assize.yml", format!("{}min_access: maintainer\n", super::CONFIG))
        .write(".assize/codex/ACME-0001-bug.md", super::BUG_RULE);
    let shop = Shop::on(Options::default(), base, BUG).await;
    shop.mr.label(&shop.author, "assize::skip");
    shop.run().await;
    assert_eq!(shop.places(), ["found.txt +1"]);

    let shop = Shop::with_rule(BUG).await;
    shop.mr.label(&shop.reviewer, "assize::skip");
    let ran = shop.run().await;
    assert_eq!((ran.exit, shop.mr.posted()), (Exit::Done, String::new()));
    assert!(ran.stdout.starts_with("Assize: skipped by the label assize::skip of @mira"), "{}", ran.stdout);

    let shop = Shop::with_rule([("src/auth/session.py", "x = 'BUG'\n")]).await;
    shop.mr.label(&shop.reviewer, "assize::skip");
    shop.run().await;
    assert_eq!(shop.places(), ["src/auth/session.py +1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_shadow_mode_the_artifacts_are_all_there_is() {
    let base = Edit::new()
        .write(".assize.yml", format!("{}publish: {{ mode: shadow }}\n", super::CONFIG))
        .write(".assize/codex/ACME-0001-bug.md", super::BUG_RULE);
    let shop = Shop::on(Options::default(), base, BUG).await;
    let ran = shop.run().await;
    assert_eq!((ran.exit, shop.mr.posted()), (Exit::Done, String::new()));
    assert!(ran.job.path().join("assize-report/summary.md").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_bots_merge_request_opens_no_thread_below_critical() {
    let base = Edit::new()
        .write(".assize.yml", format!("{}dependency_bots: {{ authors: [ada], branches: [\"**\"] }}\n", super::CONFIG))
        .write(".assize/codex/ACME-0001-bug.md", super::BUG_RULE);
    let shop = Shop::on(Options::default(), base, BUG).await;
    shop.run().await;
    assert_eq!(shop.places(), Vec::<String>::new());
    assert!(shop.summary().starts_with("### Assize: 1 important"), "{}", shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_are_off_unless_the_target_branch_switches_them_on_and_detectors_never_approve() {
    let base = Edit::new().write(".assize.yml", "version: 1\npublish: { approve: true }\n").write("notes.txt", lines(40, &[]));
    let shop = Shop::on(Options::default(), base, [("notes.txt", lines(40, &[(3, "fine")]))]).await;
    assert_eq!(shop.run().await.exit, Exit::Done);
    assert_eq!((shop.mr.approvers(), shop.mr.change_requesters()), (Vec::<String>::new(), Vec::<String>::new()));
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_votes_on_a_critical_requests_changes_until_it_is_fixed() {
    let base = Edit::new().write(".assize.yml", "version: 1\npublish: { approve: true }\n").write("shop/orders.py", super::ORDERS);
    let shop = Shop::on(Options::default(), base, [("shop/orders.py", super::INJECTED)]).await;
    shop.mr.ask(&shop.author, &[&shop.bot]);
    assert_eq!(shop.run().await.exit, Exit::Done);
    assert_eq!(shop.mr.change_requesters(), ["assize"], "{}", shop.mr.posted());
    shop.mr.push([("shop/orders.py", super::ORDERS), ("more.txt", "fine\n")]);
    assert_eq!(shop.run().await.exit, Exit::Done);
    assert_eq!((shop.mr.change_requesters(), shop.mr.approvers()), (Vec::<String>::new(), Vec::<String>::new()), "{}", shop.mr.posted());
    shop.is_clean();
}
