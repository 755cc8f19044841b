//! What later rounds do with what earlier ones found, and with what people say.

use assize::exit::Exit;

use super::{INJECTED, ORDERS, Shop};

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_that_its_detector_sees_no_more_is_fixed_and_its_thread_resolved() {
    let shop = Shop::new([("shop/orders.py", INJECTED), ("shop/other.py", "x = 1\n")]).await;
    shop.run().await;
    let head = shop.mr.push([("shop/orders.py", ORDERS), ("shop/other.py", "x = 2\n")]);
    let ran = shop.run().await;
    assert_eq!(ran.exit, Exit::Done, "{}", ran.stderr);
    let thread = shop.mr.thread("SQL is put together");
    assert!(thread.resolved, "{}", shop.mr.posted());
    let summary = shop.mr.summary().expect("a summary").body;
    assert!(summary.contains("1 fixed") && summary.contains(&head[..8]), "{summary}");
    assert_eq!(shop.gitlab.executed().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_critical_is_dismissed_by_somebody_else_with_the_role_and_never_by_its_author() {
    let shop = Shop::new([("shop/orders.py", INJECTED)]).await;
    shop.run().await;
    let thread = shop.mr.thread("SQL is put together").id;
    shop.mr.reply(&shop.author, &thread, "won't fix: it is fine");
    shop.run().await;
    assert!(shop.mr.summary().expect("a summary").body.starts_with("### Assize: 1 critical"), "{}", shop.mr.posted());
    shop.mr.reply(&shop.reviewer, &thread, "won't fix: `sort` comes from a fixed list");
    let ran = shop.run_gated("significant_concerns").await;
    assert_eq!(ran.exit, Exit::Done, "{}{}", ran.stdout, ran.stderr);
    let summary = shop.mr.summary().expect("a summary").body;
    assert!(!summary.starts_with("### Assize: 1 critical") && summary.contains("mira"), "{summary}");
    // The next push raises nothing again.
    shop.mr.push([("shop/other.py", "x = 1\n")]);
    shop.run().await;
    assert_eq!(shop.mr.threads().len(), 1, "{}", shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_the_role_lifts_the_gate_for_this_version_alone() {
    let shop = Shop::new([("shop/orders.py", INJECTED)]).await;
    assert_eq!(shop.run_gated("significant_concerns").await.exit, Exit::Gate);
    shop.mr.say(&shop.author, "break glass: I want it");
    assert_eq!(shop.run_gated("significant_concerns").await.exit, Exit::Gate);
    shop.mr.say(&shop.reviewer, "break glass: hotfix for the outage");
    let ran = shop.run_gated("significant_concerns").await;
    assert_eq!(ran.exit, Exit::Done, "{}{}", ran.stdout, ran.stderr);
    let summary = shop.mr.summary().expect("a summary").body;
    assert!(summary.contains("hotfix for the outage"), "{summary}");
    shop.mr.push([("shop/other.py", "x = 1\n")]);
    assert_eq!(shop.run_gated("significant_concerns").await.exit, Exit::Gate);
}
