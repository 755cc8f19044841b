//! Bad days of GitLab: each way in which a request can go wrong, at each request of a first and of a later round, for once and for good. However a
//! run ends, it never says that it is done while something is missing, nothing is posted twice, and the next run completes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use assize::exit::Exit;
use futures::{StreamExt as _, stream};
use serde_json::json;

use super::{INJECTED, ORDERS, Shop};
use crate::gitlab::{Depth, Fault, Pipeline};

/// How many merge requests are played at once: git and the program take a processor each.
const AT_ONCE: usize = 4;

/// Another file with a finding.
const BILLS: &str = "\"\"\"Bills.\"\"\"\n\n\ndef bills(db, sort):\n    return db.execute(f\"SELECT * FROM bills ORDER BY {sort}\")\n";
/// The same finding in a third file.
const CARTS: &str = "\"\"\"Carts.\"\"\"\n\n\ndef carts(db, sort):\n    return db.execute(f\"SELECT * FROM carts ORDER BY {sort}\")\n";

/// The ways to go wrong, each with its column.
pub(super) fn faults() -> Vec<(&'static str, Fault)> {
    vec![
        ("429", Fault::RackLimit(0)),
        ("429 app", Fault::AppLimit),
        ("500", Fault::ErrorBefore),
        ("500 done", Fault::ErrorAfter),
        ("502", Fault::BadGateway),
        ("page", Fault::Answer(200, "text/html", b"<!DOCTYPE html><html><body>Sign in</body></html>".to_vec())),
        ("reset", Fault::ResetBefore),
        ("reset done", Fault::ResetAfter),
        ("slow", Fault::Slow(Duration::from_millis(5))),
        ("cut", Fault::CutShort),
        ("cut off", Fault::CutOff),
        ("409", Fault::Json(409, json!({ "message": "409 Conflict" }))),
        ("401", Fault::Expired),
        ("403", Fault::Scope),
    ]
}

/// The faults after which it is not known whether something was done, or which are over at the second attempt.
const UNCLEAR: [&str; 6] = ["429", "500", "500 done", "page", "reset done", "cut"];

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasts {
    Once,
    ForGood,
}

impl Lasts {
    const fn told(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::ForGood => "for good",
        }
    }
}

/// A request among those of a round: method and path, and which of several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    method: String,
    path: String,
    nth: usize,
}

impl Place {
    fn writes(&self) -> bool {
        self.method != "GET"
    }
}

/// The requests that GitLab got, in their order.
fn places(shop: &Shop) -> Vec<Place> {
    let mut seen = BTreeMap::new();
    let place = |line: String| {
        let (asked, _) = line.rsplit_once(' ').expect("a line ends with the status");
        let (method, path) = asked.split_once(' ').expect("a line begins with the method");
        let nth = seen.entry(asked.to_owned()).or_insert(0);
        *nth += 1;
        Place { method: method.to_owned(), path: path.to_owned(), nth: *nth }
    };
    shop.gitlab.lines().into_iter().map(place).collect()
}

/// What a round begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// Two findings, nothing posted.
    First,
    /// One of them is fixed, and there is another one.
    Later,
}

impl Round {
    async fn begin(self) -> Shop {
        let shop = Shop::new([("shop/orders.py", INJECTED), ("shop/bills.py", BILLS)]).await;
        if self == Self::Later {
            assert_eq!(shop.run().await.exit, Exit::Done);
            shop.mr.push([("shop/orders.py", ORDERS), ("shop/carts.py", CARTS)]);
        }
        shop.gitlab.forget_calls();
        shop
    }
}

/// What matters of what is posted: threads with their state, the beginnings of notes.
fn posted(shop: &Shop) -> Vec<String> {
    let threads = shop.mr.threads().into_iter().map(|thread| {
        let notes = thread.notes.iter().filter(|note| !note.system).count();
        format!("{} {} of {notes}", thread.place.trim_end_matches(" (outdated)"), if thread.resolved { "resolved" } else { "open" })
    });
    let notes = shop.mr.notes().into_iter().map(|note| note.body.lines().next().unwrap_or_default().to_owned());
    let mut all: Vec<String> = threads.chain(notes).collect();
    all.sort();
    all
}

/// Plays a round once for each fault at a request; returns how each run ended, and how much of the round was posted by then. A merge request on
/// which nothing came of it is played on.
async fn play(round: Round, place: Place, faults: Vec<(&'static str, Fault)>, lasts: Lasts, whole: &[String]) -> String {
    let mut ends: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut fresh = None;
    for (name, fault) in faults {
        let shop = match fresh.take() {
            Some(shop) => shop,
            None => round.begin().await,
        };
        let (before, when) = (posted(&shop), shop.gitlab.on(&place.method, &place.path).nth(place.nth));
        match lasts {
            Lasts::Once => when.fails(fault),
            Lasts::ForGood => when.always().fails(fault),
        }
        shop.gitlab.forget_calls();
        let ran = shop.run().await;
        shop.gitlab.heal();
        let after = posted(&shop);
        let at = format!("{name} at {place:?} {lasts:?}\n{after:#?}\n{}{}\n{:#?}", ran.stdout, ran.stderr, shop.gitlab.lines());
        assert_eq!(after.iter().collect::<BTreeSet<_>>().len(), after.len(), "twice: {at}");
        assert_ne!(ran.exit, Exit::Bug, "{at}");
        assert!(ran.exit != Exit::Done || after == whole, "it says that it is done: {at}");
        let nothing = after == before && shop.mr.drafts() == 0;
        let share = if after == whole {
            "all"
        } else if nothing {
            "nothing"
        } else {
            "part"
        };
        ends.entry(format!("exit {}, {share} posted", ran.exit.code())).or_default().push(name);
        if nothing && after != whole {
            fresh = Some(shop);
        } else {
            complete(&shop, whole, &at).await;
        }
    }
    if let Some(shop) = fresh {
        complete(&shop, whole, &format!("the last fault at {place:?} {lasts:?}")).await;
    }
    let Place { method, path, nth } = place;
    let mut told = format!("{method} {path} #{nth}, {}\n", lasts.told());
    for (ended, names) in ends {
        writeln!(told, "    {ended}: {}", names.join(", ")).expect("a text takes a line");
    }
    told
}

/// The next run completes the round, and posts nothing twice.
async fn complete(shop: &Shop, whole: &[String], at: &str) {
    let next = shop.run().await;
    assert_eq!((next.exit, &posted(shop)[..]), (Exit::Done, whole), "the next run: {}{} after {at}", next.stdout, next.stderr);
    assert_eq!((shop.mr.drafts(), shop.gitlab.executed().len()), (0, 0), "{at}");
}

/// The table of a round, request by request.
async fn table(round: Round) -> String {
    let shop = round.begin().await;
    assert_eq!(shop.run().await.exit, Exit::Done);
    let (whole, mut places) = (posted(&shop), places(&shop));
    // Which of the first four, which are asked at once, is first is chance; one draft is like the other.
    places[..4].sort();
    places.retain(|place| place.path != "draft_notes" || place.nth == 1);
    let mut rows = Vec::new();
    for place in places {
        if place.writes() {
            let unclear = faults().into_iter().filter(|(name, _)| UNCLEAR.contains(name)).collect();
            rows.push((place.clone(), unclear, Lasts::Once));
        }
        rows.push((place, faults(), Lasts::ForGood));
    }
    let played = stream::iter(rows).map(|(place, faults, lasts)| play(round, place, faults, lasts, &whole));
    played.buffered(AT_ONCE).collect::<Vec<_>>().await.concat()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes minutes, .ci/run has a step for it: cargo test --test it weather -- --ignored"]
async fn a_first_round_survives_every_fault_at_every_request() {
    insta::assert_snapshot!(table(Round::First).await, @r#"
    GET discussions #1, for good
        exit 0, all posted: slow
        exit 3, nothing posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401, 403
    GET merge_requests/* #1, for good
        exit 0, all posted: slow
        exit 3, nothing posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401, 403
    GET metadata #1, for good
        exit 0, all posted: slow
        exit 3, nothing posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401, 403
    GET user #1, for good
        exit 0, all posted: slow
        exit 3, nothing posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401, 403
    GET diffs #1, for good
        exit 0, all posted: slow
        exit 3, nothing posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401, 403
    GET draft_notes #1, for good
        exit 0, all posted: slow
        exit 3, nothing posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401, 403
    GET merge_requests/* #2, for good
        exit 0, all posted: slow
        exit 3, nothing posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401, 403
    POST draft_notes #1, once
        exit 0, all posted: 429, 500, 500 done, page, reset done, cut
    POST draft_notes #1, for good
        exit 0, all posted: 500 done, reset done, slow, cut, cut off
        exit 3, part posted: 429, 429 app, 500, 502, page, reset, 409
        exit 4, part posted: 401, 403
    GET merge_requests/* #3, for good
        exit 0, all posted: slow
        exit 3, nothing posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401, 403
    POST draft_notes/bulk_publish #1, once
        exit 0, all posted: 429, 500, 500 done, reset done, cut
        exit 3, nothing posted: page
    POST draft_notes/bulk_publish #1, for good
        exit 0, all posted: 500, 500 done, 502, reset, reset done, slow, cut, cut off, 409
        exit 3, nothing posted: 429, 429 app, page
        exit 4, nothing posted: 401, 403
    GET discussions #2, for good
        exit 0, all posted: slow
        exit 3, all posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, all posted: 401, 403
    PUT notes/* #1, once
        exit 0, all posted: 429, 500, 500 done, reset done, cut
        exit 3, all posted: page
    PUT notes/* #1, for good
        exit 0, all posted: slow
        exit 3, all posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, all posted: 401, 403
    "#);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes minutes, .ci/run has a step for it: cargo test --test it weather -- --ignored"]
async fn a_later_round_survives_every_fault_at_every_request() {
    insta::assert_snapshot!(table(Round::Later).await, @r#"
    GET discussions #1, for good
        exit 0, all posted: slow
        exit 3, nothing posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401, 403
    GET merge_requests/* #1, for good
        exit 0, all posted: slow
        exit 3, nothing posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401, 403
    GET metadata #1, for good
        exit 0, all posted: slow
        exit 3, nothing posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401, 403
    GET user #1, for good
        exit 0, all posted: slow
        exit 3, nothing posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401, 403
    GET diffs #1, for good
        exit 0, all posted: slow
        exit 3, nothing posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401, 403
    GET draft_notes #1, for good
        exit 0, all posted: slow
        exit 3, nothing posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401, 403
    GET merge_requests/* #2, for good
        exit 0, all posted: slow
        exit 3, nothing posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401, 403
    PUT notes/* #1, once
        exit 0, all posted: 429, 500, 500 done, reset done, cut
        exit 3, part posted: page
    PUT notes/* #1, for good
        exit 0, all posted: slow
        exit 3, part posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, nothing posted: 401
        exit 4, part posted: 403
    POST draft_notes #1, once
        exit 0, all posted: 429, 500, 500 done, page, reset done, cut
    POST draft_notes #1, for good
        exit 0, all posted: 500 done, reset done, slow, cut, cut off
        exit 3, part posted: 429, 429 app, 500, 502, page, reset, 409
        exit 4, part posted: 401, 403
    GET merge_requests/* #3, for good
        exit 0, all posted: slow
        exit 3, part posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, part posted: 401, 403
    POST draft_notes/bulk_publish #1, once
        exit 0, all posted: 429, 500, 500 done, reset done, cut
        exit 3, part posted: page
    POST draft_notes/bulk_publish #1, for good
        exit 0, all posted: 500, 500 done, 502, reset, reset done, slow, cut, cut off, 409
        exit 3, part posted: 429, 429 app, page
        exit 4, part posted: 401, 403
    GET discussions #2, for good
        exit 0, all posted: slow
        exit 3, all posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, all posted: 403
        exit 4, part posted: 401
    PUT discussions/* #1, once
        exit 0, all posted: 429, 500, 500 done, reset done, cut
        exit 3, part posted: page
    PUT discussions/* #1, for good
        exit 0, all posted: slow
        exit 3, all posted: 500 done, reset done, cut, cut off
        exit 3, part posted: 429, 429 app, 500, 502, page, reset, 409
        exit 4, part posted: 401, 403
    PUT notes/* #2, once
        exit 0, all posted: 429, 500, 500 done, reset done, cut
        exit 3, all posted: page
    PUT notes/* #2, for good
        exit 0, all posted: slow
        exit 3, all posted: 429, 429 app, 500, 500 done, 502, page, reset, reset done, cut, cut off, 409
        exit 4, all posted: 401, 403
    "#);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_cancelled_while_it_publishes_ends_within_seconds_and_the_next_one_completes_it() {
    let shop = Shop::new([("shop/orders.py", INJECTED), ("shop/bills.py", BILLS)]).await;
    let (reached, publishes) = tokio::sync::oneshot::channel();
    shop.gitlab.on("POST", "draft_notes/bulk_publish").comes_after(move || reached.send(()).expect("somebody waits"));
    shop.gitlab.on("POST", "draft_notes/bulk_publish").fails(Fault::Silence);
    let job = shop.with_token(shop.mr.job(Pipeline::Detached, Depth::Full));
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_assize"));
    command.arg("review").current_dir(job.path()).env_clear().envs(&job.vars).kill_on_drop(true);
    command.env("PATH", std::env::var_os("PATH").expect("PATH is set"));
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("the binary starts");
    let id = child.id().expect("it runs").to_string();
    publishes.await.expect("it publishes");
    let begun = std::time::Instant::now();
    let killed = std::process::Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
    let output = child.wait_with_output().await.expect("it ends");
    assert!(killed.success() && begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    let line = "error: stopped by SIGTERM while it was publishing: some of it may be posted, and the rest is not\n";
    assert!(said.contains(line), "{said}");
    assert!(job.path().join("assize-report/result.json").is_file());
    shop.gitlab.heal();
    let next = shop.run().await;
    assert_eq!(
        (next.exit, shop.mr.threads().len(), shop.mr.notes().len(), shop.mr.drafts()),
        (Exit::Done, 2, 1, 0),
        "{}",
        shop.mr.posted()
    );
}
