//! Who lifts the gate, when, and with which words.

use std::collections::BTreeMap;

use super::super::access::AccessLevel;
use super::super::reading::tests::{bots, keys, note, thread};
use super::super::state::tests::commit;
use super::super::{Note, NotePlace, Person, Thread, reading};
use super::*;

const ANN: u64 = 1;
const MIRA: u64 = 5;
const GUEST: u64 = 6;
const PHRASE: Glass<'static> = Glass { phrase: "break glass", by_author: false };

fn person(id: u64) -> Person {
    Person { id, username: format!("user{id}") }
}

/// Two versions, at second 10 and at second 20; note `n` is written at second `n`.
fn read(threads: &[Thread], glass: Glass<'_>, head: char) -> Option<(String, String)> {
    let conversation = reading::read(threads, &bots(), &keys());
    let access = BTreeMap::from([
        (ANN, Some(AccessLevel::MAINTAINER)),
        (MIRA, Some(AccessLevel::DEVELOPER)),
        (GUEST, Some(AccessLevel::new(10))),
        (bots().current, Some(AccessLevel::MAINTAINER)),
    ]);
    let author = person(ANN);
    let people = People { author: &author, access: &access, min_access: AccessLevel::DEVELOPER };
    let version = |head, second| Version { head: commit(head), created_at: format!("2026-11-24T00:00:{second}.000Z") };
    let lifted = lifted(&conversation, glass, &people, &[version('2', 20), version('1', 10)], &commit(head))?;
    assert_eq!(lifted.head, commit(head));
    Some((lifted.by, lifted.why))
}

fn alone(id: u64, author: u64, body: &str) -> Thread {
    Thread { individual: true, ..thread(&format!("n{id}"), vec![note(id, author, body)]) }
}

fn by_mira(body: &str) -> Option<String> {
    read(&[alone(30, MIRA, body)], PHRASE, '2').map(|(_, why)| why)
}

#[test]
fn a_member_lifts_the_gate_with_a_reason_in_a_note_of_its_own() {
    assert_eq!(by_mira("break glass: hotfix for the outage"), Some("hotfix for the outage".to_owned()));
    assert_eq!(by_mira("\nBreak Glass:  hotfix\nfor the outage\n\nmore"), Some("hotfix for the outage".to_owned()));
    assert_eq!(read(&[alone(30, MIRA, "break glass: a"), alone(31, MIRA, "break glass: b")], PHRASE, '2').unwrap().1, "b");
}

#[test]
fn other_words_quotations_and_code_do_not() {
    for body in [
        "break glass",
        "break glass:",
        "break glass: ...",
        "please break glass: now",
        "> break glass: now",
        "```\nbreak glass: now\n```",
        "    break glass: now",
        "`break glass: now`",
        "<!-- break glass: now -->",
        "break glasses: now",
    ] {
        assert_eq!(by_mira(body), None, "{body}");
    }
}

#[test]
fn the_author_a_guest_a_stranger_and_a_bot_do_not() {
    for author in [ANN, GUEST, 77, bots().current] {
        assert_eq!(read(&[alone(30, author, "break glass: now")], PHRASE, '2'), None, "{author}");
    }
    let configured = Glass { by_author: true, ..PHRASE };
    assert_eq!(read(&[alone(30, ANN, "break glass: now")], configured, '2').unwrap().0, "user1");
    let mut token = alone(30, MIRA, "break glass: now");
    token.notes[0].author.username = "project_7_bot_1".to_owned();
    assert_eq!(read(&[token], PHRASE, '2'), None);
}

#[test]
fn replies_edited_notes_and_notes_in_the_diff_do_not() {
    let words = "break glass: now";
    let reply = thread("t", vec![note(29, MIRA, "what now"), note(30, MIRA, words)]);
    assert_eq!(read(&[reply], PHRASE, '2'), None);
    let with = |edit: fn(&mut Note)| {
        let mut written = alone(30, MIRA, words);
        edit(&mut written.notes[0]);
        read(&[written], PHRASE, '2')
    };
    assert!(with(|_| {}).is_some());
    assert_eq!(with(|note| note.edited = true), None);
    assert_eq!(with(|note| note.system = true), None);
    let place = |note: &mut Note| {
        note.place = Some(NotePlace { head: commit('2'), old_path: "a".into(), new_path: "a".into(), old_line: None, new_line: Some(1) });
    };
    assert_eq!(with(place), None);
}

#[test]
fn it_holds_for_the_newest_version_that_was_there_and_for_no_later_one() {
    assert_eq!(read(&[alone(15, MIRA, "break glass: now")], PHRASE, '2'), None);
    assert_eq!(read(&[alone(20, MIRA, "break glass: now")], PHRASE, '2'), None);
    assert!(read(&[alone(21, MIRA, "break glass: now")], PHRASE, '2').is_some());
    // The job of an older head finds it lifted for another.
    assert_eq!(read(&[alone(21, MIRA, "break glass: now")], PHRASE, '1'), None);
}

#[test]
fn another_phrase_may_be_configured_and_an_empty_one_lifts_nothing() {
    let other = Glass { phrase: "notbremse", ..PHRASE };
    assert_eq!(read(&[alone(30, MIRA, "Notbremse: Ausfall")], other, '2').unwrap().1, "Ausfall");
    assert_eq!(read(&[alone(30, MIRA, ": now")], Glass { phrase: "", ..PHRASE }, '2'), None);
}
