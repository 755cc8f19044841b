//! The first review of a merge request: what is posted, where, with how many requests.

use assize::exit::Exit;

use super::{INJECTED, ORDERS, Shop, lines};
use crate::gitlab::{Edit, Options};

#[tokio::test(flavor = "multi_thread")]
async fn findings_become_threads_on_their_lines_and_a_summary_that_links_to_them() {
    let shop = Shop::new([("shop/orders.py", INJECTED)]).await;
    let ran = shop.run().await;
    assert_eq!((ran.exit, ran.stderr.contains("error")), (Exit::Done, false), "{}", ran.stderr);
    let [thread] = shop.mr.threads().try_into().expect("one thread");
    assert_eq!((thread.place.as_str(), thread.resolved, thread.notes.len()), ("shop/orders.py +5", false, 1));
    assert!(thread.notes[0].body.starts_with("**Critical · Security** — SQL is put together from strings · `SEC-0008`\n"));
    let summary = shop.mr.summary().expect("a summary").body;
    assert!(summary.starts_with("### Assize: 1 critical (detectors only)\n"), "{summary}");
    assert!(summary.contains(&format!("#note_{})", thread.notes[0].id)), "{summary}");
    assert_eq!(shop.gitlab.executed().len(), 0);
    assert_eq!(shop.mr.drafts(), 0);
    // One thread, and all that it takes to read and to look again.
    assert!(ran.calls(&shop) <= 1 + 12, "{:#?}", shop.gitlab.lines());
    assert!(ran.stdout.contains("Posted"), "{}", ran.stdout);
    for file in ["result.json", "summary.md", "assize-run.md"] {
        assert!(ran.job.path().join("assize-report").join(file).is_file(), "{file} is missing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_state_again_is_nothing_to_do_and_a_handful_of_reads() {
    let shop = Shop::new([("shop/orders.py", INJECTED)]).await;
    shop.run().await;
    let (posted, mails) = (shop.mr.posted(), shop.gitlab.mails().len());
    shop.gitlab.forget_calls();
    let again = shop.run().await;
    assert_eq!(again.exit, Exit::Done);
    assert!(again.stdout.starts_with("Assize: nothing to do: round 1 reviewed this already"), "{}", again.stdout);
    assert!(again.calls(&shop) <= 6, "{:#?}", shop.gitlab.lines());
    assert_eq!((shop.mr.posted(), shop.gitlab.mails().len()), (posted, mails));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_round_that_finds_nothing_is_one_note_and_one_mail_which_later_rounds_edit() {
    for version in ["19.5.0-ee", "18.2.0"] {
        let options = Options { version: version.to_owned(), ..Options::default() };
        let shop = Shop::with_rule_on(options, [("notes.txt", lines(40, &[(20, "fine")]))]).await;
        assert_eq!(shop.run().await.exit, Exit::Done);
        assert_eq!((shop.mr.notes().len(), shop.gitlab.mails_by("assize").len()), (1, 1), "{}", shop.mr.posted());
        // It is over: the same again is nothing to do.
        assert!(shop.run().await.stdout.starts_with("Assize: nothing to do: round 1"));
        shop.mr.push([("notes.txt", lines(40, &[(20, "fine"), (30, "BUG")]))]);
        shop.run().await;
        assert_eq!((shop.mr.notes().len(), shop.places().len()), (1, 1), "{}", shop.mr.posted());
        shop.is_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_that_is_posted_beside_a_vote_is_one_note() {
    let base = Edit::new().write(".assize.yml", "version: 1\npublish: { approve: true, max_threads: 0 }\n").write("shop/orders.py", ORDERS);
    let shop = Shop::on(Options::default(), base, [("shop/orders.py", INJECTED)]).await;
    shop.mr.ask(&shop.author, &[&shop.bot]);
    let ran = shop.run().await;
    assert_eq!(
        (ran.exit, shop.mr.notes().len(), shop.mr.change_requesters()),
        (Exit::Done, 1, vec!["assize".to_owned()]),
        "{}",
        ran.stderr
    );
    assert!(shop.run().await.stdout.starts_with("Assize: nothing to do: round 1"), "{}", shop.mr.posted());
}
