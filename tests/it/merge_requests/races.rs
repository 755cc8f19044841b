//! Two pipelines of one merge request at once: a whole run happens in the middle of another.

use super::{Shop, lines, run_here};
use crate::gitlab::{Depth, Options, Pipeline};

/// Versions on either side of the batch that takes the summary along, and requests of a run before which another one may come: while it reviews, and
/// right before its last look. What comes between that look and the write behind it is kept out by the component's `resource_group`.
const MOMENTS: [(&str, &str, &str); 4] =
    [("18.2.0", "GET", "diffs"), ("18.2.0", "GET", "draft_notes"), ("19.5.0-ee", "GET", "diffs"), ("19.5.0-ee", "GET", "draft_notes")];

async fn shop(version: &str) -> Shop {
    let options = Options { version: version.to_owned(), ..Options::default() };
    Shop::with_rule_on(options, [("notes.txt", lines(40, &[(10, "BUG one"), (20, "BUG two")]))]).await
}

/// Lets a whole run of the head at that moment happen just before the first of these requests.
fn meanwhile(shop: &Shop, (_, method, pattern): (&str, &str, &str), push: bool) {
    let (mr, token) = (shop.mr.clone(), shop.token.clone());
    shop.gitlab.on(method, pattern).comes_after(move || {
        if push {
            mr.push([("notes.txt", lines(40, &[(10, "fine"), (20, "BUG two"), (30, "BUG three")]))]);
        }
        let job = mr.job(Pipeline::Detached, Depth::Full).with("ASSIZE_GITLAB_TOKEN", &token);
        let other = std::thread::spawn(move || run_here(job, vec!["review".to_owned()]));
        // The server answers the other run meanwhile.
        tokio::task::block_in_place(|| other.join()).expect("the other run ends");
    });
}

fn summaries(shop: &Shop) -> usize {
    shop.mr.notes().iter().filter(|note| note.author == "assize").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_runs_of_one_head_at_once_post_nothing_twice() {
    for moment in MOMENTS {
        let shop = shop(moment.0).await;
        meanwhile(&shop, moment, false);
        let ran = shop.run().await;
        shop.run().await;
        assert_eq!(
            (shop.places(), summaries(&shop)),
            (vec!["notes.txt +10".to_owned(), "notes.txt +20".to_owned()], 1),
            "{moment:?}\n{}\n{}",
            ran.stdout,
            shop.mr.posted()
        );
        shop.is_clean();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_of_an_older_head_that_a_newer_one_overtakes_posts_nothing_more() {
    for moment in MOMENTS {
        let shop = shop(moment.0).await;
        meanwhile(&shop, moment, true);
        let older = shop.run().await;
        let after = shop.mr.posted();
        shop.run().await;
        let open: Vec<String> = shop.places().into_iter().filter(|place| !place.ends_with("resolved")).collect();
        assert_eq!(
            (open, summaries(&shop)),
            (vec!["notes.txt +20".to_owned(), "notes.txt +30".to_owned()], 1),
            "{moment:?}\n{}\n{after}\n=====\n{}",
            older.stdout,
            shop.mr.posted()
        );
        assert!(shop.summary().starts_with("### Assize: 2 important"), "{moment:?}\n{}", shop.summary());
        shop.is_clean();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_later_runs_of_one_head_at_once_answer_and_resolve_once() {
    for (method, pattern) in [("GET", "diffs"), ("GET", "draft_notes")] {
        let moment = ("18.2.0", method, pattern);
        let shop = shop("18.2.0").await;
        shop.run().await;
        shop.mr.push([("notes.txt", lines(40, &[(10, "BUG one, still"), (20, "fine"), (30, "BUG three")]))]);
        let first = shop.mr.threads()[0].id.clone();
        shop.mr.resolve(&shop.author, &first);
        meanwhile(&shop, moment, false);
        shop.run().await;
        shop.run().await;
        let threads = shop.mr.threads();
        let said = |number: usize| threads[number].notes.iter().filter(|note| note.author == "assize" && !note.system).count();
        assert_eq!((threads.len(), summaries(&shop), said(0), said(1)), (3, 1, 2, 1), "{moment:?}\n{}", shop.mr.posted());
        assert_eq!(
            threads.iter().map(|thread| thread.resolved).collect::<Vec<_>>(),
            [false, true, false],
            "{moment:?}\n{}",
            shop.mr.posted()
        );
    }
}
