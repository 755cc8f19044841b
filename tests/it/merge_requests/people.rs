//! What people say and do about findings, who is heard, and who lifts the gate.

use assize::exit::Exit;

use super::{Shop, lines};
use crate::gitlab::{Edit, Options, Role, Setting};
use crate::model_server::ModelServer;

/// After a first round with one important finding.
async fn raised() -> Shop {
    let shop = Shop::with_rule([("notes.txt", lines(40, &[(20, "BUG here")]))]).await;
    assert_eq!(shop.run().await.exit, Exit::Done);
    assert_eq!(shop.places(), ["notes.txt +20"]);
    shop
}

/// After a first round with three important findings, which a gate at `minor_issues` holds against it.
async fn gated() -> Shop {
    let shop = Shop::with_rule([("notes.txt", lines(40, &[(10, "BUG 1"), (20, "BUG 2"), (30, "BUG 3")]))]).await;
    assert_eq!(exit(&shop).await, Exit::Gate);
    shop
}

async fn exit(shop: &Shop) -> Exit {
    shop.run_gated("minor_issues").await.exit
}

fn thread(shop: &Shop) -> String {
    shop.mr.threads()[0].id.clone()
}

/// Runs, and returns the headline.
async fn headline(shop: &Shop) -> String {
    shop.run().await;
    shop.is_clean();
    let first = shop.summary().lines().next().unwrap_or_default().to_owned();
    first.trim_start_matches("### Assize: ").trim_end_matches(" (detectors only)").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_leave_a_finding_are_heard_and_name_who_said_them() {
    for words in ["won't fix", "Won’t fix: it is generated", "acknowledged, thanks", "**wontfix**"] {
        let shop = raised().await;
        shop.mr.reply(&shop.author, &thread(&shop), words);
        assert_eq!(headline(&shop).await, "nothing open", "{words}");
        assert!(shop.summary().contains("dismissed by \\@ada"), "{}", shop.summary());
        // A push elsewhere raises nothing again.
        shop.mr.push([("more.txt", "fine\n")]);
        assert_eq!((headline(&shop).await.as_str(), shop.places().len()), ("nothing open", 1), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_others_in_a_quotation_or_in_code_decide_nothing() {
    for words in [
        "> won't fix\n\nThat was a joke.",
        "```\nwon't fix\n```",
        "    won't fix",
        "<!-- won't fix -->",
        "They say won't fix.",
        "acknowledged, will fix",
    ] {
        let shop = raised().await;
        shop.mr.reply(&shop.author, &thread(&shop), words);
        assert_eq!(headline(&shop).await, "1 important", "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_decisions_the_newest_holds_and_an_edited_note_counts_as_it_is_now() {
    let shop = raised().await;
    let note = shop.mr.reply(&shop.author, &thread(&shop), "won't fix");
    assert_eq!(headline(&shop).await, "nothing open");
    shop.mr.reply(&shop.reviewer, &thread(&shop), "please fix");
    assert_eq!(headline(&shop).await, "1 important");
    shop.mr.reply(&shop.author, &thread(&shop), "won't fix: mira agreed on the phone");
    assert_eq!(headline(&shop).await, "nothing open");
    let other = raised().await;
    let edited = other.mr.reply(&other.author, &thread(&other), "won't fix");
    assert_eq!(headline(&other).await, "nothing open");
    other.mr.edit(&other.author, edited, "On second thought it is bad.");
    assert_eq!(headline(&other).await, "1 important", "{note}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_a_job_runs_is_heard_by_the_next() {
    let shop = raised().await;
    shop.mr.push([("more.txt", "fine\n")]);
    let (mr, author, thread) = (shop.mr.clone(), shop.author.clone(), thread(&shop));
    shop.gitlab.on("GET", "draft_notes").comes_after(move || {
        mr.reply(&author, &thread, "won't fix");
    });
    assert_eq!(headline(&shop).await, "1 important open");
    assert_eq!(headline(&shop).await, "nothing open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_a_person_resolves_while_its_fix_is_published_is_resolved_and_fixed() {
    let shop = raised().await;
    shop.mr.push([("notes.txt", lines(40, &[(20, "fine")]))]);
    let (mr, author, thread) = (shop.mr.clone(), shop.author.clone(), thread(&shop));
    shop.gitlab.on("GET", "draft_notes").comes_after(move || mr.resolve(&author, &thread));
    assert_eq!(headline(&shop).await, "nothing open");
    assert_eq!((headline(&shop).await.as_str(), shop.places()), ("nothing open", vec!["notes.txt +20 (outdated) resolved".to_owned()]));
    assert!(shop.summary().contains("1 fixed"), "{}", shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_opens_a_thread_again_after_a_dismissal_has_it_open() {
    let shop = raised().await;
    shop.mr.resolve(&shop.author, &thread(&shop));
    assert_eq!(headline(&shop).await, "nothing open");
    shop.mr.unresolve(&shop.reviewer, &thread(&shop));
    assert_eq!(headline(&shop).await, "1 important");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_gitlab_resolves_as_outdated_is_believed_when_a_detector_agrees_and_opened_again_when_not() {
    for (text, open) in [("fine", false), ("BUG here, changed", true)] {
        let base = Edit::new()
            .write(".assize.yml", super::CONFIG)
            .write(".assize/codex/ACME-0001-bug.md", super::BUG_RULE)
            .write("notes.txt", lines(40, &[]));
        let shop = Shop::on(Options::default(), base, [("notes.txt", lines(40, &[(20, "BUG here")]))]).await;
        shop.project.set(Setting::ResolveOutdated);
        shop.run().await;
        shop.mr.push([("notes.txt", lines(40, &[(20, text)]))]);
        assert!(shop.mr.threads()[0].resolved, "GitLab resolves it");
        shop.run().await;
        assert_eq!(shop.mr.threads().iter().any(|thread| !thread.resolved), open, "{}", shop.mr.posted());
        assert_eq!(shop.places().len(), 1, "{}", shop.mr.posted());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_is_lifted_by_nobody_who_may_not_and_by_no_words_that_are_not_meant() {
    let shop = gated().await;
    let reporter = shop.project.member("rob", Role::Reporter);
    let other_bot = shop.project.bot("project_9_bot_0a", Role::Maintainer);
    shop.mr.say(&reporter, "break glass: hotfix");
    shop.mr.say(&other_bot, "break glass: hotfix");
    shop.mr.say(&shop.author, "break glass: hotfix");
    shop.mr.say(&shop.reviewer, "> break glass: hotfix\n\nwho says that?");
    shop.mr.say(&shop.reviewer, "```\nbreak glass: hotfix\n```");
    shop.mr.say(&shop.reviewer, "break glass");
    shop.mr.reply(&shop.reviewer, &thread(&shop), "break glass: hotfix");
    shop.mr.entitle("break glass: hotfix", "break glass: hotfix");
    assert_eq!(exit(&shop).await, Exit::Gate, "{}", shop.summary());
    shop.mr.say(&shop.reviewer, "Break glass: hotfix for the outage");
    assert_eq!(exit(&shop).await, Exit::Done, "{}", shop.summary());
    assert_eq!(shop.mr.approvers(), Vec::<String>::new());
    assert!(shop.summary().contains(", gate lifted") && shop.summary().contains("\\@mira"), "{}", shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_is_edited_into_the_words_does_not_lift_the_gate() {
    let shop = gated().await;
    let note = shop.mr.say(&shop.reviewer, "I look at it.");
    shop.mr.edit(&shop.reviewer, note, "break glass: hotfix");
    assert_eq!(exit(&shop).await, Exit::Gate);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_is_lifted_with_every_provider_down_and_detectors_still_look() {
    // It answers nothing at all.
    let models = ModelServer::start().await;
    let config = super::CONFIG.to_owned() + &super::models_at(&models.url);
    let base = Edit::new()
        .write(".assize.yml", config)
        .write(".assize/codex/ACME-0001-bug.md", super::BUG_RULE)
        .write("notes.txt", lines(40, &[]));
    let shop = Shop::on(Options::default(), base, [("notes.txt", lines(40, &[(20, "BUG here")]))]).await;
    assert_eq!(shop.run().await.exit, Exit::Incomplete);
    shop.mr.say(&shop.reviewer, "break glass: hotfix for the outage");
    let ran = shop.run_gated("minor_issues").await;
    assert_eq!(ran.exit, Exit::Done, "{}{}", ran.stdout, ran.stderr);
    let summary = shop.summary();
    assert!(summary.contains("hotfix for the outage") && summary.contains("known bug"), "{summary}");
    // A later version needs a note of its own.
    shop.mr.push([("more.txt", "fine\n")]);
    assert_ne!(shop.run_gated("minor_issues").await.exit, Exit::Done);
}
