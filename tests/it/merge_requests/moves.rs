//! What pushes do to the code of a finding, and that its thread follows it: one finding of the team's own rule, a push, what people see.

use assize::exit::Exit;

use super::{Shop, lines};
use crate::gitlab::Edit;

const BUG: (usize, &str) = (20, "BUG here");

/// After a first round with one finding on line 20 of `notes.txt`.
async fn raised() -> Shop {
    let shop = Shop::with_rule([("notes.txt", lines(40, &[BUG]))]).await;
    assert_eq!(shop.run().await.exit, Exit::Done);
    assert_eq!(shop.places(), ["notes.txt +20"]);
    shop
}

/// Runs the next round, and returns for each thread whether it is resolved, and the headline.
async fn next(shop: &Shop) -> (Vec<bool>, String) {
    let ran = shop.run().await;
    assert_eq!(ran.exit, Exit::Done, "{}", ran.stderr);
    shop.is_clean();
    assert_eq!(shop.mr.notes().len(), 1, "{}", shop.mr.posted());
    let headline = shop.summary().lines().next().unwrap_or_default().to_owned();
    (shop.mr.threads().iter().map(|thread| thread.resolved).collect(), headline)
}

const FIRST: &str = "### Assize: 1 important (detectors only)";
const OPEN: &str = "### Assize: 1 important open (detectors only)";
const CLOSED: &str = "### Assize: nothing open (detectors only)";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_edited_nearby_moved_or_indented_keeps_its_one_thread() {
    let moved = lines(40, &[BUG]).replace("BUG here\n", "");
    let after = [
        lines(40, &[BUG, (19, "above"), (21, "below")]),
        lines(40, &[(20, "    BUG here")]),
        lines(40, &[(20, "BUG here, still")]),
        format!("BUG here\n{moved}"),
        format!("{moved}BUG here\n"),
        format!("a\nb\nc\n{}", lines(40, &[BUG])),
    ];
    for text in after {
        let shop = raised().await;
        shop.mr.push([("notes.txt", text)]);
        assert_eq!(next(&shop).await, (vec![false], OPEN.to_owned()), "{}", shop.mr.posted());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_renamed_and_edited_keeps_its_one_thread() {
    let shop = raised().await;
    shop.mr.push(Edit::new().rename("notes.txt", "docs/notes.txt").write("docs/notes.txt", lines(40, &[BUG, (35, "more")])));
    assert_eq!(next(&shop).await, (vec![false], OPEN.to_owned()), "{}", shop.mr.posted());
    assert!(shop.summary().contains("`docs/notes.txt:20`"), "{}", shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_deleted_takes_its_finding_along() {
    let shop = raised().await;
    shop.mr.push(Edit::new().delete("notes.txt"));
    assert_eq!(next(&shop).await, (vec![true], CLOSED.to_owned()), "{}", shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_text_in_another_place_after_the_fix_is_a_finding_of_its_own() {
    let shop = raised().await;
    shop.mr.push([("notes.txt", lines(40, &[(20, "fine")]))]);
    assert_eq!(next(&shop).await, (vec![true], CLOSED.to_owned()));
    shop.mr.push([("notes.txt", lines(40, &[(20, "fine"), (35, "BUG here")]))]);
    let (resolved, headline) = next(&shop).await;
    // Whether it opens a thread or comes back into its own, one finding is open and one thread says so.
    assert_eq!((resolved.iter().filter(|resolved| !**resolved).count(), headline.as_str()), (1, OPEN), "{}", shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_that_fixes_one_place_and_leaves_a_copy_in_another_file_resolves_one_thread() {
    let shop = Shop::with_rule([("notes.txt", lines(40, &[BUG])), ("old.txt", lines(30, &[BUG]))]).await;
    shop.run().await;
    shop.mr.push([("notes.txt", lines(40, &[(20, "fine")]))]);
    assert_eq!(next(&shop).await, (vec![true, false], OPEN.to_owned()), "{}", shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revert_fixes_and_the_revert_of_the_revert_brings_it_back() {
    let shop = raised().await;
    shop.mr.push([("notes.txt", lines(40, &[])), ("more.txt", "fine\n".to_owned())]);
    assert_eq!(next(&shop).await, (vec![true], CLOSED.to_owned()), "{}", shop.mr.posted());
    shop.mr.push([("notes.txt", lines(40, &[BUG]))]);
    assert_eq!(next(&shop).await, (vec![false], OPEN.to_owned()), "{}", shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_force_push_that_loses_the_fix_brings_the_finding_back_into_its_thread() {
    let shop = raised().await;
    let broken = shop.mr.head();
    shop.mr.push([("notes.txt", lines(40, &[(20, "fine")]))]);
    assert_eq!(next(&shop).await, (vec![true], CLOSED.to_owned()));
    shop.mr.force(&broken);
    assert_eq!(next(&shop).await, (vec![false], OPEN.to_owned()), "{}", shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_are_squashed_into_one_change_nothing() {
    let shop = raised().await;
    shop.mr.push([("more.txt", "fine\n")]);
    assert_eq!(next(&shop).await, (vec![false], OPEN.to_owned()));
    let [base, ..] = shop.mr.refs();
    shop.mr.force(&base);
    shop.mr.push([("notes.txt", lines(40, &[BUG])), ("more.txt", "fine\n".to_owned())]);
    assert_eq!(next(&shop).await, (vec![false], OPEN.to_owned()), "{}", shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_target_branch_changes_nothing_about_what_is_open() {
    let shop = raised().await;
    shop.project.commit_on("release", [("theirs.txt", "theirs\n")]);
    shop.mr.retarget("release");
    assert_eq!(next(&shop).await, (vec![false], FIRST.to_owned()), "{}", shop.mr.posted());
    shop.mr.merge_target();
    assert_eq!(next(&shop).await, (vec![false], OPEN.to_owned()), "{}", shop.mr.posted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebase_onto_a_target_that_moved_the_lines_moves_the_finding() {
    let shop = raised().await;
    shop.project.commit([("notes.txt", format!("theirs\n{}", lines(40, &[])))]);
    shop.mr.rebase();
    assert_eq!(next(&shop).await, (vec![false], OPEN.to_owned()), "{}", shop.mr.posted());
    assert!(shop.summary().contains("`notes.txt:21`"), "{}", shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn three_pushes_without_a_run_between_them_are_one_round() {
    let shop = raised().await;
    shop.mr.push([("notes.txt", format!("a\n{}", lines(40, &[BUG])))]);
    shop.mr.push([("notes.txt", format!("a\nb\n{}", lines(40, &[BUG, (30, "BUG there")])))]);
    shop.mr.push([("notes.txt", format!("a\nb\n{}", lines(40, &[(20, "fine"), (30, "BUG there")])))]);
    assert_eq!(next(&shop).await, (vec![true, false], OPEN.to_owned()), "{}", shop.mr.posted());
    assert!(shop.summary().contains("round 2 at"), "{}", shop.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_rounds_repeat_nothing_and_the_summary_stays_short() {
    let shop = Shop::with_rule([("notes.txt", lines(40, &[(3, "BUG 1"), (33, "BUG stays")]))]).await;
    shop.run().await;
    for round in 2..=12_usize {
        let bug = format!("BUG {round}");
        shop.mr.push([("notes.txt", lines(40, &[(3, "fine"), (1 + 2 * round, &bug), (33, "BUG stays")]))]);
        let (resolved, headline) = next(&shop).await;
        // Each round fixes the finding of the one before.
        assert_eq!(resolved.iter().filter(|resolved| !**resolved).count(), 2, "round {round}\n{}", shop.mr.posted());
        assert_eq!(headline, "### Assize: 2 important open (detectors only)");
    }
    let replies = shop.mr.threads().iter().map(|thread| thread.notes.iter().filter(|note| !note.system).count()).max();
    assert_eq!((shop.mr.threads().len(), replies), (13, Some(1)), "{}", shop.mr.posted());
    let summary = shop.summary();
    let shown = summary.split("<details>").next().unwrap_or_default();
    assert!(shown.lines().count() <= 16 && summary.contains("11 fixed · round 12 at"), "{summary}");
    for id in 1..=13 {
        assert!(summary.contains(&format!("F-{id} ")) || id == 2 || id == 13, "F-{id} is not told of\n{summary}");
    }
}
