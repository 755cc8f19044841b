//! A run that is killed at any of its requests, and run again: nothing twice, nothing lost.

use super::{Shop, lines};
use crate::gitlab::Options;

/// More requests than any of these runs makes.
const MOST: usize = 40;

/// What people see, without numbers of notes, which depend on how often something was tried.
fn shown(shop: &Shop) -> (Vec<String>, String, usize) {
    let summary: Vec<String> =
        shop.summary().lines().filter(|line| line.starts_with("###") || line.starts_with("| ")).map(without_links).collect();
    (shop.places(), summary.join("\n"), shop.mr.notes().len())
}

fn without_links(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("](") {
        out.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    out + rest
}

async fn begun(version: &str) -> Shop {
    let options = Options { version: version.to_owned(), ..Options::default() };
    Shop::with_rule_on(options, [("notes.txt", lines(40, &[(10, "BUG one"), (20, "BUG two")]))]).await
}

/// Fixes one, keeps one, adds one.
fn push(shop: &Shop) {
    shop.mr.push([("notes.txt", lines(40, &[(10, "fine"), (20, "BUG two"), (30, "BUG three")]))]);
}

async fn killed_everywhere(version: &str, later: bool, after_the_answer: bool) {
    let undisturbed = begun(version).await;
    undisturbed.run().await;
    if later {
        push(&undisturbed);
        undisturbed.run().await;
    }
    let expected = shown(&undisturbed);
    for call in 0..MOST {
        let shop = begun(version).await;
        if later {
            shop.run().await;
            push(&shop);
        }
        shop.gitlab.forget_calls();
        if after_the_answer {
            shop.gitlab.dies_in_answer_after(call);
        } else {
            shop.gitlab.dies_after(call);
        }
        shop.run().await;
        let died = shop.gitlab.calls().len() > call;
        shop.gitlab.revive();
        shop.run().await;
        shop.run().await;
        assert_eq!(shown(&shop), expected, "killed at call {call}:\n{}", shop.mr.posted());
        shop.is_clean();
        if !died {
            return;
        }
    }
    panic!("a run makes more than {MOST} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_round_killed_at_any_request_is_finished_by_the_next_run() {
    killed_everywhere("19.5.0-ee", false, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_round_whose_answers_are_lost_posts_nothing_twice() {
    killed_everywhere("18.2.0", false, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_round_killed_at_any_request_is_finished_by_the_next_run() {
    killed_everywhere("18.2.0", true, false).await;
}
