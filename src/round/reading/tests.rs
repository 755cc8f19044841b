//! Whose markers are believed, and what is remembered from them. Threads are values here.

use proptest::prelude::*;

use super::super::state::tests::{known, round, sample};
use super::super::state::{Round, Status};
use super::*;

const BOT: u64 = 100;
const FORMER: u64 = 99;
const MIRA: u64 = 5;

pub(in crate::round) fn keys() -> Keys {
    Keys::derive(b"secret", 1, 2)
}

pub(in crate::round) fn bots() -> Bots {
    Bots { current: BOT, former: BTreeSet::from([FORMER]) }
}

fn person(id: u64) -> Person {
    Person { id, username: format!("user{id}") }
}

pub(in crate::round) fn note(id: u64, author: u64, body: &str) -> Note {
    Note {
        id,
        author: person(author),
        body: body.to_owned(),
        system: false,
        created_at: format!("2026-11-24T00:00:{id:02}.000Z"),
        edited: false,
        resolvable: true,
        resolved: false,
        resolved_by: None,
        place: None,
        suggestion_applied: false,
    }
}

pub(in crate::round) fn thread(id: &str, notes: Vec<Note>) -> Thread {
    Thread { id: id.to_owned(), individual: false, notes }
}

fn summary_note(id: u64, author: u64, state: &State, keys: &Keys) -> Thread {
    let body = format!("### Assize\n\n{}", marker::summary(state, keys).text);
    Thread { individual: true, ..thread(&format!("s{id}"), vec![note(id, author, &body)]) }
}

fn finding_thread(number: u32, note_id: u64, author: u64, keys: &Keys) -> Thread {
    let mark = FindingMark::of(&known(number, Status::Open), 1);
    thread(&format!("t{number}"), vec![note(note_id, author, &format!("text\n\n{}", marker::finding(&mark, keys)))])
}

#[test]
fn the_bot_is_believed_a_former_bot_with_a_valid_seal_and_nobody_else() {
    let other = Keys::derive(b"another secret", 1, 2);
    let believed = |author, by: &Keys| read(&[summary_note(1, author, &sample(), by)], &bots(), &keys()).summary.is_some();
    assert!(believed(BOT, &keys()));
    // The token was rotated and with it the key; the user stayed.
    assert!(believed(BOT, &other));
    assert!(believed(FORMER, &keys()));
    assert!(!believed(FORMER, &other));
    assert!(!believed(MIRA, &keys()));
}

#[test]
fn a_former_bots_state_is_taken_over_until_there_is_one_of_our_own() {
    let newer = sample();
    let older = State { rounds: vec![round(1, '1')], ..sample() };
    let read = |threads: &[Thread]| read(threads, &bots(), &keys()).summary.unwrap();
    let taken = read(&[summary_note(1, FORMER, &older, &keys())]);
    assert_eq!((taken.own, taken.state), (false, Ok(older.clone())));
    let own = read(&[summary_note(1, FORMER, &older, &keys()), summary_note(2, BOT, &newer, &keys())]);
    assert_eq!((own.note, own.own), (2, true));
}

#[test]
fn without_a_summary_the_state_is_rebuilt_from_the_threads() {
    let threads = [finding_thread(3, 1, BOT, &keys()), finding_thread(7, 2, FORMER, &keys()), finding_thread(9, 3, MIRA, &keys())];
    let remembered = read(&threads, &bots(), &keys()).remembered().unwrap();
    let ids: Vec<_> = remembered.state.findings.iter().map(|known| known.id.to_string()).collect();
    assert_eq!((remembered.origin, ids, remembered.state.next_id), (Origin::Rebuilt, vec!["F-3".to_owned(), "F-7".to_owned()], 8));
    let first = &remembered.state.findings[0];
    assert_eq!((first.title.as_str(), first.thread.as_ref().unwrap().id.as_str()), ("finding 3", "t3"));
}

#[test]
fn a_damaged_summary_is_rebuilt_and_a_newer_one_is_left_alone() {
    let damaged = thread("s", vec![note(1, BOT, "<!-- assize:summary v1 z=AAAA mac=AAAA -->")]);
    let conversation = read(&[damaged, finding_thread(3, 2, BOT, &keys())], &bots(), &keys());
    assert_eq!(conversation.remembered().unwrap().origin, Origin::Rebuilt);
    let newer = thread("s", vec![note(1, BOT, "<!-- assize:summary v2 z=AAAA mac=AAAA -->")]);
    let conversation = read(&[newer, summary_note(4, BOT, &sample(), &keys())], &bots(), &keys());
    assert_eq!(conversation.remembered(), Err(StateError::TooOld { needs: 2 }));
    assert_eq!(read(&[], &bots(), &keys()).remembered().unwrap().origin, Origin::First);
}

#[test]
fn threads_that_were_opened_after_the_summary_was_written_are_found() {
    let mut state = sample();
    state.findings[0].thread = None;
    let threads = [summary_note(1, BOT, &state, &keys()), finding_thread(1, 2, BOT, &keys())];
    let remembered = read(&threads, &bots(), &keys()).remembered().unwrap();
    assert_eq!(remembered.origin, Origin::Summary);
    assert_eq!(remembered.state.finding(FindingId::new(1)).unwrap().thread, Some(ThreadRef { id: "t1".to_owned(), note: 2 }));
}

#[test]
fn a_thread_that_the_summary_never_heard_of_is_remembered_and_one_that_it_forgot_is_not() {
    let mut state = sample();
    state.findings.retain(|known| known.id != FindingId::new(1));
    let threads = [summary_note(1, BOT, &state, &keys()), finding_thread(1, 2, BOT, &keys()), finding_thread(9, 3, BOT, &keys())];
    let remembered = read(&threads, &bots(), &keys()).remembered().unwrap();
    let ids: Vec<_> = remembered.state.findings.iter().map(|known| known.id.to_string()).collect();
    assert_eq!((ids.join(" ").as_str(), remembered.state.next_id), ("F-2 F-3 F-4 F-9", 10));
}

#[test]
fn who_resolved_a_thread_and_what_was_answered_is_read() {
    let resolution = |by: Option<u64>| {
        let mut thread = finding_thread(1, 1, BOT, &keys());
        thread.notes[0].resolved = true;
        thread.notes[0].resolved_by = by.map(person);
        read(&[thread], &bots(), &keys()).threads[&FindingId::new(1)].resolution.clone()
    };
    assert_eq!(resolution(Some(BOT)), Resolution::ByBot);
    assert_eq!(resolution(Some(MIRA)), Resolution::ByPerson(person(MIRA)));
    assert_eq!(resolution(None), Resolution::Unnamed);
    let reply = ReplyMark { id: FindingId::new(1), kind: "back".to_owned(), head: super::super::state::tests::commit('a') };
    let body = format!("Back.\n\n{}", marker::reply(&reply, &keys()));
    let mut thread = finding_thread(1, 1, BOT, &keys());
    thread.notes.push(note(2, MIRA, &body));
    thread.notes.push(note(3, BOT, &body));
    let conversation = read(&[thread], &bots(), &keys());
    let marked = &conversation.threads[&FindingId::new(1)];
    assert_eq!((&marked.resolution, marked.replies.len()), (&Resolution::Open, 1));
    assert_eq!(conversation.newest_note.map(|note| note.id), Some(2));
}

proptest! {
    #[test]
    fn notes_of_others_never_become_a_state(body in ".{0,200}", author in prop::sample::select(vec![MIRA, FORMER]), sealed in any::<bool>()) {
        let other = Keys::derive(b"guess", 1, 2);
        let marker = marker::summary(&sample(), &other).text;
        let body = if sealed { format!("{body}\n{marker}") } else { body };
        let conversation = read(&[thread("x", vec![note(1, author, &body)])], &bots(), &keys());
        prop_assert!(conversation.summary.is_none() && conversation.threads.is_empty());
    }
}

#[test]
fn of_several_summaries_the_bots_own_counts_then_the_later_round_then_the_one_that_was_posted_to_its_end() {
    let state = |number: u32, posting| State { rounds: vec![round(number, '1'), Round { posting, ..round(number, '2') }], ..sample() };
    let counts = |notes: Vec<Thread>| read(&notes, &bots(), &keys()).summary.map(|summary| summary.note);
    let note = |id, author, number, posting| summary_note(id, author, &state(number, posting), &keys());
    assert_eq!(counts(vec![note(1, BOT, 2, Posting::Done), note(2, FORMER, 7, Posting::Done)]), Some(1));
    assert_eq!(counts(vec![note(1, BOT, 3, Posting::Begun), note(2, BOT, 2, Posting::Done)]), Some(1));
    assert_eq!(counts(vec![note(1, BOT, 2, Posting::Done), note(2, BOT, 2, Posting::Begun)]), Some(1));
    assert_eq!(counts(vec![note(1, BOT, 2, Posting::Done), note(2, BOT, 2, Posting::Done)]), Some(2));
}

#[test]
fn a_summary_of_our_own_is_known_without_its_marker_and_one_of_others_is_not() {
    let unmarked = |author| thread("s", vec![note(1, author, "### Assize: 1 important\n\nedited")]);
    let summary = read(&[unmarked(BOT)], &bots(), &keys()).summary;
    assert!(summary.is_some_and(|summary| summary.own && matches!(summary.state, Err(StateError::Unreadable(_)))));
    assert_eq!((read(&[unmarked(FORMER)], &bots(), &keys()).summary, read(&[unmarked(MIRA)], &bots(), &keys()).summary), (None, None));
}

#[test]
fn what_gitlab_writes_itself_and_what_a_former_bot_resolved_are_told_from_people() {
    let mut resolved = finding_thread(1, 1, BOT, &keys());
    (resolved.notes[0].resolved, resolved.notes[0].resolved_by) = (true, Some(person(FORMER)));
    let mut suggested = note(2, MIRA, "try this");
    suggested.suggestion_applied = true;
    (suggested.resolved, suggested.resolved_by) = (true, Some(person(FORMER)));
    resolved.notes.push(suggested);
    let mut changed = note(9, MIRA, "changed this line in version 3");
    changed.system = true;
    let alone = Thread { individual: true, ..finding_thread(2, 3, BOT, &keys()) };
    let conversation = read(
        &[resolved, thread("w", vec![changed]), alone, thread("p", vec![note(5, MIRA, "later"), note(4, MIRA, "earlier")])],
        &bots(),
        &keys(),
    );
    let marked = &conversation.threads[&FindingId::new(1)];
    // A person's own suggestion is none of ours.
    assert_eq!((&marked.resolution, marked.suggestion_applied), (&Resolution::ByBot, false));
    assert_eq!((conversation.threads.len(), conversation.newest_note.map(|note| note.id)), (1, Some(5)));
    assert!(conversation.said.iter().all(|said| said.note != 9));
}
