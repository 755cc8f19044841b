//! Later rounds: what moves with its code, what people decide, what survives a lost summary, and who is not believed.

use assize::exit::Exit;

use super::{Shop, lines, run};
use crate::gitlab::{Depth, Pipeline, Role, Scope};

async fn shop() -> Shop {
    let shop = Shop::with_rule([("notes.txt", lines(40, &[(20, "BUG here")]))]).await;
    assert_eq!(shop.run().await.exit, Exit::Done);
    assert_eq!(shop.places(), ["notes.txt +20"]);
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_whose_line_moved_down_keeps_its_thread() {
    let shop = shop().await;
    shop.mr.push([("notes.txt", format!("new first line\nand a second\n{}", lines(40, &[(20, "BUG here")])))]);
    shop.run().await;
    assert_eq!(shop.places().len(), 1, "{}", shop.mr.posted());
    assert!(shop.summary().contains("notes.txt:22"), "{}", shop.summary());
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebase_repeats_nothing() {
    let shop = shop().await;
    shop.project.commit([("theirs.txt", "theirs\n")]);
    shop.mr.rebase();
    shop.run().await;
    assert_eq!(shop.places().len(), 1, "{}", shop.mr.posted());
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn merging_the_target_branch_repeats_nothing() {
    let shop = shop().await;
    shop.project.commit([("theirs.txt", "BUG of theirs\n")]);
    shop.mr.merge_target();
    shop.run().await;
    assert_eq!(shop.places().len(), 1, "{}", shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amended_head_that_is_gone_is_no_obstacle() {
    let shop = shop().await;
    shop.mr.amend([("notes.txt", lines(40, &[(20, "BUG here"), (35, "BUG there")]))]);
    let ran = shop.run().await;
    assert_eq!(ran.exit, Exit::Done, "{}", ran.stderr);
    assert_eq!(shop.places().len(), 2, "{}", shop.mr.posted());
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_equal_lines_is_fixed_and_the_other_stays() {
    let twins = lines(40, &[(10, "BUG twin"), (30, "BUG twin")]);
    let shop = Shop::with_rule([("notes.txt", twins)]).await;
    shop.run().await;
    assert_eq!(shop.places(), ["notes.txt +10", "notes.txt +30"]);
    shop.mr.push([("notes.txt", lines(40, &[(10, "fine now"), (30, "BUG twin")]))]);
    shop.run().await;
    let threads = shop.mr.threads();
    assert_eq!(threads.iter().map(|thread| thread.resolved).collect::<Vec<_>>(), [true, false], "{}", shop.mr.posted());
    assert!(shop.summary().contains("1 important"), "{}", shop.summary());
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_after_a_fix_opens_its_thread_again_once() {
    let shop = shop().await;
    shop.mr.push([("notes.txt", lines(40, &[(20, "fine")]))]);
    shop.run().await;
    assert!(shop.mr.threads()[0].resolved, "{}", shop.mr.posted());
    shop.mr.push([("notes.txt", lines(40, &[(20, "BUG here")]))]);
    shop.run().await;
    let [thread] = shop.mr.threads().try_into().expect("one thread");
    let said = |notes: &[crate::gitlab::NoteView]| notes.iter().filter(|note| !note.system).count();
    assert!(!thread.resolved && said(&thread.notes) == 2, "{}", shop.mr.posted());
    shop.run().await;
    assert_eq!(said(&shop.mr.threads()[0].notes), 2, "{}", shop.mr.posted());
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_a_person_resolves_with_the_code_unchanged_is_dismissed_with_the_name() {
    let shop = shop().await;
    let thread = shop.mr.threads()[0].id.clone();
    shop.mr.resolve(&shop.reviewer, &thread);
    shop.run().await;
    assert!(shop.summary().contains("dismissed") && shop.summary().contains("mira"), "{}", shop.summary());
    shop.mr.push([("more.txt", "fine\n")]);
    shop.run().await;
    assert_eq!(shop.places().len(), 1, "{}", shop.mr.posted());
    assert!(shop.mr.threads()[0].resolved);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thumb_down_dismisses() {
    let shop = shop().await;
    let note = shop.mr.threads()[0].notes[0].id;
    shop.mr.react(&shop.author, note, "thumbsdown");
    shop.run().await;
    assert!(shop.summary().contains("dismissed") && shop.summary().contains("ada"), "{}", shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_summary_is_written_anew_from_the_threads() {
    let shop = shop().await;
    let note = shop.mr.summary().expect("a summary");
    let bot = shop.project.bot("admin", Role::Maintainer);
    shop.mr.delete(&bot, note.id);
    shop.mr.push([("more.txt", "fine\n")]);
    shop.run().await;
    assert_eq!(shop.places().len(), 1, "{}", shop.mr.posted());
    assert!(shop.summary().contains("known bug"), "{}", shop.mr.posted());
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_in_somebody_elses_note_is_not_believed() {
    let shop = shop().await;
    let body = shop.mr.summary().expect("a summary").body;
    let forged = shop.mr.threads()[0].notes[0].body.clone();
    shop.mr.say(&shop.author, &body);
    shop.mr.discuss(&shop.author, &forged.replace("F-1", "F-9"));
    shop.mr.push([("more.txt", "fine\n")]);
    let ran = shop.run().await;
    assert_eq!(ran.exit, Exit::Done, "{}", ran.stderr);
    assert!(!shop.summary().contains("F-9"), "{}", shop.summary());
    assert_eq!(shop.mr.notes().iter().filter(|note| note.author == "assize").count(), 1, "{}", shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_bot_user_after_a_rotated_token_takes_the_state_over_if_it_is_listed() {
    let shop = shop().await;
    let old = shop.mr.summary().expect("a summary");
    let bot = shop.project.bot("assize-2", Role::Developer);
    let token = shop.project.token(&bot, Scope::Api);
    // The key of the markers stays when it does not come from the token.
    let job = |shop: &Shop| shop.mr.job(Pipeline::Detached, Depth::Full).with("ASSIZE_GITLAB_TOKEN", &token);
    let ran = run(job(&shop), &[]).await;
    assert_eq!(ran.exit, Exit::Done, "{}", ran.stderr);
    // Nobody listed the old one: the new bot begins anew, and leaves the old summary alone.
    assert!(shop.mr.notes().iter().any(|note| note.id == old.id && note.body == old.body));
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn six_rounds_leave_one_summary_that_tells_them() {
    let shop = shop().await;
    let mut fixed = Vec::new();
    for round in 2..=6_usize {
        // Each round fixes the finding of the one before and adds another.
        let other = [(20, "fine"), (20 + round, "BUG again")];
        let head = shop.mr.push([("notes.txt", lines(40, &other))]);
        fixed.push(head);
        let ran = shop.run().await;
        assert_eq!(ran.exit, Exit::Done, "{}", ran.stderr);
        shop.is_clean();
    }
    let threads = shop.mr.threads();
    assert_eq!(threads.iter().filter(|thread| !thread.resolved).count(), 1, "{}", shop.mr.posted());
    assert_eq!(shop.mr.notes().len(), 1, "{}", shop.mr.posted());
    assert!(shop.summary().contains("round 6"), "{}", shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_that_is_set_back_to_an_earlier_round_opens_no_thread_twice() {
    let shop = shop().await;
    let earlier = shop.mr.summary().expect("a summary");
    shop.mr.push([("notes.txt", lines(40, &[(20, "BUG here"), (35, "BUG there")]))]);
    shop.run().await;
    shop.mr.edit(&shop.bot, earlier.id, &earlier.body);
    shop.mr.push([("more.txt", "fine\n")]);
    shop.run().await;
    assert_eq!(shop.places(), ["notes.txt +20", "notes.txt +35"], "{}", shop.mr.posted());
    assert!(shop.summary().starts_with("### Assize: 2 important open"), "{}", shop.summary());
    shop.is_clean();
}
