//! Plans against a small GitLab: what is asked for, what is there in the end, and that nothing is there twice.

use proptest::prelude::*;
use serde_json::json;

use super::toy::{Fails, State, Toy};
use super::*;
use crate::change::{LinePosition, Position, Side};
use crate::gitlab::GitlabErrorKind as Kind;
use crate::gitlab::tests::{Answer, commit};
use crate::round::Rung;

fn line(number: u32) -> LinePosition {
    LinePosition { line_code: format!("sha_1_{number}"), side: Some(Side::New), old_line: None, new_line: Some(number) }
}

/// A thread with a range, a line and a file to stand on.
fn thread(name: &str) -> NewThread {
    let marker = format!("<!-- assize:finding v1 {name} mac=x -->");
    let position = Position { old_path: "old.rs".into(), new_path: "new.rs".into(), line: line(7), start: Some(line(5)) };
    let places = [
        RungPlace::Lines(position.clone()),
        RungPlace::Lines(Position { start: None, ..position }),
        RungPlace::File { old_path: "old.rs".into(), new_path: "new.rs".into() },
    ];
    let rungs = places.map(|place| Rung { place, body: format!("{name}\n\n{marker}") }).to_vec();
    NewThread { marker, rungs }
}

fn threads(names: &[&str]) -> Action {
    Action::OpenThreads { threads: names.iter().map(|name| thread(name)).collect(), summary: None }
}

const SUMMARY: &str = "summary\n\n<!-- assize:summary v1 z=x mac=y -->";

fn summary() -> Action {
    Action::PostSummary { body: SUMMARY.to_owned() }
}

/// Kinds and words of what is not done.
fn undone(applied: &Applied) -> Vec<(Kind, String)> {
    applied.undone().map(|undone| (undone.error.kind().clone(), undone.error.to_string())).collect()
}

fn failing(line: &str, nth: usize, fails: Fails) -> State {
    State { failures: [((line.to_owned(), nth), fails)].into(), ..State::default() }
}

#[tokio::test]
async fn a_first_round_takes_a_call_for_each_thread_and_four_more() {
    let toy = Toy::new(State::default()).await;
    let applied = toy.apply(&[summary(), threads(&["F-1", "F-2"])]).await;
    assert_eq!(applied.outcomes, [Outcome::Done, Outcome::Done]);
    assert_eq!(toy.posted(), ["note summary", "range F-1", "range F-2"]);
    let expected =
        ["POST !5/notes", "POST !5/draft_notes", "POST !5/draft_notes", "GET !5", "POST !5/draft_notes/bulk_publish", "GET !5/discussions"];
    assert_eq!(toy.lines(), expected);
    let opened: Vec<_> = applied.opened.iter().map(|opened| (opened.thread.note, opened.rung)).collect();
    assert_eq!((opened, applied.threads.map(|threads| threads.len())), (vec![(4, 0), (5, 0)], Some(3)));
}

#[tokio::test]
async fn a_first_review_takes_at_most_twelve_calls_beside_its_threads() {
    for together in [false, true] {
        let toy = Toy::new(State::default()).await;
        let (gitlab, target) = (&toy.gitlab, crate::gitlab::tests::TARGET);
        gitlab.me().await.unwrap();
        gitlab.version().await.unwrap();
        gitlab.merge_request(target, crate::gitlab::tests::WAIT).await.unwrap();
        gitlab.threads(target).await.unwrap();
        gitlab.drafts(target).await.unwrap();
        assert!(gitlab.calls() <= 6, "this much a run with nothing to do takes too");
        gitlab.head(target).await.unwrap();
        let three = ["F-1", "F-2", "F-3"].map(thread).to_vec();
        let actions = if together {
            vec![Action::OpenThreads { threads: three, summary: Some(SUMMARY.to_owned()) }]
        } else {
            vec![summary(), Action::OpenThreads { threads: three, summary: None }]
        };
        let applied = toy.apply(&actions).await;
        let there = applied.threads.unwrap();
        let note = note_by(&there, &crate::gitlab::tests::me(), SUMMARY).unwrap();
        toy.apply(&[Action::EditSummary { note, body: format!("links\n\n{SUMMARY}") }]).await;
        assert_eq!(gitlab.calls(), 3 + if together { 10 } else { 11 });
    }
}

#[tokio::test]
async fn the_summary_goes_with_the_batch_or_after_it_where_it_was_ignored() {
    for (ignores_summaries, expected) in [(false, ["range F-1", "note summary"]), (true, ["range F-1", "note summary"])] {
        let toy = Toy::new(State { ignores_summaries, ..State::default() }).await;
        let action = Action::OpenThreads { threads: vec![thread("F-1")], summary: Some(SUMMARY.to_owned()) };
        let applied = toy.apply(&[action]).await;
        assert_eq!((applied.outcomes, applied.threads.map(|threads| threads.len())), (vec![Outcome::Done], Some(2)));
        assert_eq!(toy.posted(), expected);
        assert_eq!(toy.lines().contains(&"POST !5/notes".to_owned()), ignores_summaries);
    }
}

#[tokio::test]
async fn a_place_that_is_refused_is_followed_by_the_next_rung_at_once() {
    let toy = Toy::new(State { refused: vec!["range", "text"], ..State::default() }).await;
    let applied = toy.apply(&[threads(&["F-1"])]).await;
    assert_eq!((applied.outcomes, toy.posted()), (vec![Outcome::Done], vec!["file F-1".to_owned()]));
    assert_eq!(applied.opened[0].rung, 2);
    assert!(!toy.lines().contains(&"POST !5/discussions".to_owned()));
}

#[tokio::test]
async fn a_draft_that_vanishes_is_posted_directly_one_rung_lower() {
    let toy = Toy::new(State { dropped: vec!["range"], refused: vec!["text"], ..State::default() }).await;
    let applied = toy.apply(&[threads(&["F-1", "F-2"])]).await;
    assert_eq!((applied.outcomes, toy.posted()), (vec![Outcome::Done], vec!["file F-1".to_owned(), "file F-2".to_owned()]));
    assert_eq!(applied.threads.map(|threads| threads.len()), Some(2));
}

#[tokio::test]
async fn a_thread_without_a_place_is_said_and_the_others_are_opened() {
    let toy = Toy::new(State { dropped: vec!["range", "file"], refused: vec!["text", "file"], ..State::default() }).await;
    let applied = toy.apply(&[threads(&["F-1"]), summary()]).await;
    let said = "cannot open the thread on new.rs:7: 400 from GitLab: 400 Bad request - Note {:line_code=>[\"can't be blank\"]}";
    assert_eq!(undone(&applied), [(Kind::PositionRefused, said.to_owned())]);
    assert_eq!(applied.undone().next().and_then(|undone| undone.marker.clone()), Some(thread("F-1").marker));
    assert_eq!(toy.posted(), ["note summary"]);
    let toy = Toy::new(State { dropped: vec!["file"], ..State::default() }).await;
    let mut only_file = thread("F-1");
    only_file.rungs.drain(..2);
    let applied = toy.apply(&[Action::OpenThreads { threads: vec![only_file], summary: None }]).await;
    let said = "cannot open the thread on new.rs: GitLab dropped the draft without a word, and there is no other place";
    assert_eq!(undone(&applied), [(Kind::PositionRefused, said.to_owned())]);
}

#[tokio::test]
async fn what_was_stored_before_gitlab_failed_is_not_posted_again() {
    let reply = Action::Reply { thread: format!("{:040}", 1), body: "back\n\n<!-- assize:reply v1 F-0 -->".to_owned(), reopen: false };
    let answer = format!("POST !5/discussions/{:040}/notes", 1);
    for (line, action, dropped, expected) in [
        ("POST !5/notes", summary(), vec![], vec!["F-0", "summary"]),
        ("POST !5/draft_notes", threads(&["F-1"]), vec![], vec!["F-0", "F-1"]),
        ("POST !5/draft_notes/bulk_publish", threads(&["F-1", "F-2"]), vec![], vec!["F-0", "F-1", "F-2"]),
        ("POST !5/discussions", threads(&["F-1"]), vec!["range"], vec!["F-0", "F-1"]),
        (answer.as_str(), reply, vec![], vec!["F-0", "back"]),
    ] {
        for fails in [Fails::Before, Fails::After] {
            let mut state = State { dropped: dropped.clone(), ..failing(line, 1, fails) };
            state.discuss("F-0", &json!({ "position_type": "file" }));
            let toy = Toy::new(state).await;
            assert_eq!(toy.apply(std::slice::from_ref(&action)).await.outcomes, [Outcome::Done], "{line} {fails:?}");
            assert_eq!((toy.words(), toy.drafts()), (expected.iter().map(ToString::to_string).collect(), 0), "{line} {fails:?}");
        }
    }
}

#[tokio::test]
async fn a_batch_that_breaks_in_the_middle_is_finished_by_hand() {
    let toy = Toy::new(failing("POST !5/draft_notes/bulk_publish", 1, Fails::Between)).await;
    let applied = toy.apply(&[threads(&["F-1", "F-2", "F-3"])]).await;
    assert_eq!((applied.outcomes, applied.opened.len()), (vec![Outcome::Done], 3));
    // The same rung: nothing was wrong with the places.
    assert_eq!(toy.posted(), ["range F-1", "range F-2", "range F-3"]);
    assert_eq!(toy.drafts(), 0);
}

#[tokio::test]
async fn a_batch_that_does_not_come_out_is_published_again_and_then_finished_by_hand() {
    for (failures, posts) in [(1, 0), (2, 2)] {
        let failures = (1..=failures).map(|nth| (("POST !5/draft_notes/bulk_publish".to_owned(), nth), Fails::Before)).collect();
        let toy = Toy::new(State { failures, ..State::default() }).await;
        assert_eq!(toy.apply(&[threads(&["F-1", "F-2"])]).await.outcomes, [Outcome::Done]);
        assert_eq!((toy.posted(), toy.drafts()), (vec!["range F-1".to_owned(), "range F-2".to_owned()], 0));
        assert_eq!(toy.lines().iter().filter(|line| *line == "POST !5/discussions").count(), posts);
    }
}

#[tokio::test]
async fn what_fails_twice_is_said() {
    let twice = ["1", "2"].map(|nth| (("POST !5/notes".to_owned(), nth.parse().unwrap()), Fails::Before)).into();
    let toy = Toy::new(State { failures: twice, ..State::default() }).await;
    let said = "cannot post a note on !5 of project 42: 500 from GitLab: 500 Internal Server Error".to_owned();
    assert_eq!(undone(&toy.apply(&[summary()]).await), [(Kind::Unavailable, said)]);
    assert_eq!(toy.posted(), Vec::<String>::new());
}

#[tokio::test]
async fn a_newer_head_stops_before_anything_is_published() {
    for (more, said) in [
        (State { head: Some('d'), ..State::default() }, "its head is dddddddd now, and aaaaaaaa was reviewed"),
        (
            State {
                answers: vec![("GET !5", Answer::json(200, &crate::gitlab::tests::request(&json!({ "state": "merged" }))))],
                ..State::default()
            },
            "it is merged now",
        ),
    ] {
        let toy = Toy::new(more).await;
        let applied = toy.apply(&[threads(&["F-1"]), Action::Approve { head: commit('a') }]).await;
        let expected = [
            (Kind::Superseded, format!("cannot open the thread on new.rs:7: {said}")),
            (Kind::Superseded, format!("cannot approve aaaaaaaa: {said}")),
        ];
        assert_eq!(undone(&applied), expected);
        assert!(applied.superseded() && toy.posted().is_empty() && toy.drafts() == 0);
    }
}

#[tokio::test]
async fn a_person_who_uses_the_same_token_keeps_the_drafts() {
    let drafts = vec![(90, "I wonder".to_owned(), json!(null)), (91, format!("old\n\n{}", thread("F-9").marker), json!(null))];
    let mut toy = Toy::new(State { drafts, ..State::default() }).await;
    toy.publishing = Publishing::OneByOne;
    let action = Action::OpenThreads { threads: vec![thread("F-1")], summary: Some(SUMMARY.to_owned()) };
    let applied = toy.apply(&[Action::DiscardDrafts, action]).await;
    assert_eq!(applied.outcomes, [Outcome::Done, Outcome::Done]);
    assert_eq!(
        (toy.posted(), applied.threads.map(|threads| threads.len())),
        (vec!["note summary".to_owned(), "range F-1".to_owned()], Some(2))
    );
    let left: Vec<u64> = toy.state.lock().unwrap().drafts.iter().map(|draft| draft.0).collect();
    assert_eq!(left, [90]);
}

#[tokio::test]
async fn a_summary_that_gitlab_takes_for_commands_is_said() {
    let commands = Answer::json(202, &json!({ "commands_changes": {}, "summary": ["Closed this merge request."] }));
    let toy = Toy::new(State { answers: vec![("POST !5/notes", commands)], ..State::default() }).await;
    assert_eq!(undone(&toy.apply(&[summary()]).await)[0].0, Kind::CommandsRun);
}

#[tokio::test]
async fn one_failure_does_not_stop_what_does_not_need_it_but_a_dead_token_does() {
    let mut state = State { answers: vec![("!5/notes/77", Answer::json(404, &json!({ "message": "404 Not found" })))], ..State::default() };
    state.discuss("F-1", &json!({ "position_type": "file" }));
    let toy = Toy::new(state).await;
    let thread = format!("{:040}", 1);
    let edit = Action::EditSummary { note: 77, body: "x".to_owned() };
    let actions = [edit, Action::Resolve { thread: thread.clone() }];
    assert_eq!(undone(&toy.apply(&actions).await).len(), 1);
    assert_eq!(toy.state.lock().unwrap().discussions[0]["notes"][0]["resolved"], true);

    let expired = Answer::json(401, &json!({ "error": "invalid_token" }));
    let toy = Toy::new(State { answers: vec![("", expired)], ..State::default() }).await;
    let kinds: Vec<Kind> = undone(&toy.apply(&[summary(), Action::Resolve { thread }]).await).into_iter().map(|undone| undone.0).collect();
    assert_eq!((kinds, toy.lines().len()), (vec![Kind::Unauthorized, Kind::Unauthorized], 1));
}

#[tokio::test]
async fn no_thread_is_opened_of_which_the_summary_could_not_be_told() {
    let refused = Answer::json(403, &json!({ "message": "403 Forbidden" }));
    let state = State { answers: vec![("!5/notes/77", refused)], ..State::default() };
    let toy = Toy::new(state).await;
    let edit = Action::EditSummary { note: 77, body: SUMMARY.to_owned() };
    let applied = toy.apply(&[edit, threads(&["F-1", "F-2"])]).await;
    assert_eq!(undone(&applied).iter().map(|undone| undone.0.clone()).collect::<Vec<_>>(), vec![Kind::Forbidden; 3]);
    assert_eq!((toy.posted(), toy.lines()), (Vec::<String>::new(), vec!["PUT !5/notes/77".to_owned()]));
}

#[tokio::test]
async fn a_login_page_is_no_consent_to_a_change() {
    let page = || Answer { status: 200, ..Answer::text(200, "text/html", "<!DOCTYPE html><html><body>Sign in</body></html>") };
    let mut state = State { answers: vec![("!5/notes/77", page()), ("0001", page())], ..State::default() };
    state.discuss("F-1", &json!({ "position_type": "file" }));
    let toy = Toy::new(state).await;
    let edit = Action::EditSummary { note: 77, body: SUMMARY.to_owned() };
    let resolve = Action::Resolve { thread: format!("{:040}", 1) };
    let kinds: Vec<Kind> = undone(&toy.apply(&[edit, resolve]).await).into_iter().map(|undone| undone.0).collect();
    assert_eq!(kinds, [Kind::NotGitlab, Kind::NotGitlab]);
}

#[tokio::test]
async fn a_thread_is_opened_again_before_it_is_answered() {
    let mut state = State::default();
    state.discuss("F-1", &json!({ "position_type": "file" }));
    let toy = Toy::new(state).await;
    let thread = format!("{:040}", 1);
    let reply = Action::Reply { thread: thread.clone(), body: "back".to_owned(), reopen: true };
    assert_eq!(toy.apply(&[reply]).await.outcomes, [Outcome::Done]);
    assert_eq!(toy.lines(), [format!("PUT !5/discussions/{thread}"), format!("POST !5/discussions/{thread}/notes")]);
}

#[tokio::test]
async fn an_approval_is_of_the_head_that_was_reviewed() {
    let approve = [Action::Approve { head: commit('a') }];
    let toy = Toy::new(State::default()).await;
    assert_eq!(toy.apply(&approve).await.outcomes, [Outcome::Done]);
    // 401 is what GitLab says to one who has approved already.
    assert_eq!(toy.apply(&approve).await.outcomes, [Outcome::Done]);
    let toy = Toy::new(failing("POST !5/approve", 1, Fails::After)).await;
    assert_eq!(toy.apply(&approve).await.outcomes, [Outcome::Done]);
    let toy = Toy::new(State { head: Some('d'), ..State::default() }).await;
    assert_eq!(undone(&toy.apply(&approve).await)[0].0, Kind::Superseded);
    let refused = Answer::json(401, &json!({ "message": "401 Unauthorized" }));
    let toy = Toy::new(State { answers: vec![("/approve", refused)], ..State::default() }).await;
    assert_eq!(undone(&toy.apply(&approve).await)[0].0, Kind::Forbidden);
    let toy = Toy::new(State { approved: true, ..State::default() }).await;
    assert_eq!(toy.apply(&[Action::WithdrawApproval, Action::WithdrawApproval]).await.outcomes, [Outcome::Done, Outcome::Done]);
    assert!(!toy.state.lock().unwrap().approved);
}

#[tokio::test]
async fn changes_are_requested_in_the_way_of_each_version() {
    let version = |major, minor| ServerVersion { major, minor };
    let both = [Action::RequestChanges, Action::ClearRequestedChanges];
    for (version, by, done) in [
        (version(19, 2), "POST !5/draft_notes/bulk_publish", true),
        (version(19, 1), "POST /api/graphql", true),
        (version(16, 11), "POST /api/graphql", true),
        (version(16, 10), "", false),
    ] {
        let mut toy = Toy::new(State::default()).await;
        toy.version = version;
        let first = toy.apply(&both[..1]).await;
        assert_eq!(first.outcomes == [Outcome::Done], done, "{version}");
        assert_eq!(toy.state.lock().unwrap().reviewing == "requested_changes", done);
        assert_eq!(toy.apply(&both[1..]).await.outcomes == [Outcome::Done], done);
        assert_eq!(toy.lines().iter().filter(|line| *line == by).count(), if done { 2 } else { 0 });
        if !done {
            assert_eq!(undone(&first)[0].0, Kind::TooOld { needs: ServerVersion { major: 16, minor: 11 } });
        }
    }
    let toy = Toy::new(State { ignores_states: true, ..State::default() }).await;
    let said = "cannot request changes of !5 of project 42: GitLab took it and did nothing";
    assert_eq!(undone(&toy.apply(&both[..1]).await), [(Kind::Forbidden, said.to_owned())]);
    let toy = Toy::new(State { answers: vec![("/reviewers", Answer::json(200, &json!([])))], ..State::default() }).await;
    let said = "cannot request changes of !5 of project 42: the bot's user is no reviewer of the merge request";
    assert_eq!(undone(&toy.apply(&both[..1]).await), [(Kind::NoReviewer, said.to_owned())]);
    assert_eq!(toy.lines(), ["GET !5/reviewers"]);
    let no = json!({ "data": { "mergeRequestRequestChanges": null }, "errors": [{ "message": "you don't have permission" }] });
    let mut toy = Toy::new(State { answers: vec![("graphql", Answer::json(200, &no))], ..State::default() }).await;
    toy.version = version(18, 0);
    let said = "cannot request changes of !5 of project 42: you don't have permission";
    assert_eq!(undone(&toy.apply(&both[..1]).await), [(Kind::Forbidden, said.to_owned())]);
}

fn any_failures() -> impl Strategy<Value = State> {
    let line = prop::sample::select(vec![
        "POST !5/notes",
        "POST !5/draft_notes",
        "POST !5/draft_notes/bulk_publish",
        "POST !5/discussions",
        "GET !5/discussions",
        "GET !5/draft_notes",
    ]);
    let fails = prop::sample::select(vec![Fails::Before, Fails::After]);
    let failures = prop::collection::btree_map((line.prop_map(str::to_owned), 1_usize..5), fails, 0..6);
    let kinds = || prop::sample::subsequence(vec!["range", "text", "file"], 0..=3);
    (failures, kinds(), kinds(), any::<bool>(), any::<bool>()).prop_map(|(mut failures, refused, dropped, ignores_summaries, between)| {
        if between {
            failures.insert(("POST !5/draft_notes/bulk_publish".to_owned(), 1), Fails::Between);
        }
        State { refused, dropped, ignores_summaries, failures, ..State::default() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_fails_nothing_is_there_twice_and_what_is_missing_is_said(state in any_failures(), together in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let names = ["F-1", "F-2", "F-3"];
        let (posted, said) = runtime.block_on(async {
            let toy = Toy::new(state).await;
            let threads = names.iter().map(|name| thread(name)).collect();
            let actions = if together {
                vec![Action::OpenThreads { threads, summary: Some(SUMMARY.to_owned()) }]
            } else {
                vec![summary(), Action::OpenThreads { threads, summary: None }]
            };
            let applied = toy.apply(&actions).await;
            let said: Vec<Option<String>> = applied.undone().map(|undone| undone.marker.clone()).collect();
            (toy.posted(), said)
        });
        let times = |name: &str| posted.iter().filter(|posted| posted.ends_with(name)).count();
        for name in names {
            prop_assert!(times(name) <= 1, "{:?}", posted);
            prop_assert!(times(name) == 1 || said.contains(&Some(thread(name).marker)), "{name} is nowhere: {:?} {:?}", posted, said);
        }
        prop_assert!(times("summary") <= 1, "{:?}", posted);
        prop_assert!(times("summary") == 1 || said.contains(&None), "{:?} {:?}", posted, said);
    }
}
