//! Markers as they are written and read, forged ones and those that are too large. They know of no notes.

use proptest::prelude::*;

use super::super::state::tests::{commit, known, round, sample};
use super::*;

fn keys() -> Keys {
    Keys::derive(b"a secret", 7, 42)
}

fn finding_mark() -> FindingMark {
    FindingMark::of(&known(12, Status::Open), 3)
}

#[test]
fn keys_differ_by_secret_project_merge_request_and_purpose() {
    let other = [Keys::derive(b"another", 7, 42), Keys::derive(b"a secret", 8, 42), Keys::derive(b"a secret", 7, 43)];
    let own = keys();
    assert!(other.iter().all(|keys| keys.marker != own.marker && keys.boundary != own.boundary));
    assert_ne!(own.marker, own.boundary);
    // Project 7, merge request 42 is not project 74, merge request 2.
    assert_ne!(Keys::derive(b"s", 74, 2).marker, Keys::derive(b"s", 7, 42).marker);
    assert_eq!(format!("{own:?}"), "Keys(***)");
}

#[test]
fn markers_are_read_as_they_were_written() {
    let state = sample();
    let written = summary(&state, &keys());
    assert!(written.text.starts_with("<!-- assize:summary v1 z=") && written.text.ends_with(" -->"));
    let body = format!("### Assize: nothing found\n\n{}", written.text);
    assert_eq!(read(&body, &keys()), Some((Mark::Summary(Ok(state)), Seal::Valid)));

    let mark = finding_mark();
    let written = finding(&mark, &keys());
    assert!(written.starts_with("<!-- assize:finding v1 F-12 000000000000000c d="), "{written}");
    assert_eq!(read(&format!("text\r\n\r\n{written}\r\n"), &keys()), Some((Mark::Finding(mark), Seal::Valid)));

    let mark = ReplyMark { id: FindingId::new(3), kind: "back".to_owned(), head: commit('a') };
    assert_eq!(read(&reply(&mark, &keys()), &keys()), Some((Mark::Reply(mark), Seal::Valid)));
}

#[test]
fn a_marker_of_another_key_is_seen_not_to_be_ours() {
    let foreign = Keys::derive(b"a secret", 7, 43);
    let written = summary(&sample(), &foreign).text;
    assert!(matches!(read(&written, &keys()), Some((Mark::Summary(Ok(_)), Seal::Broken))));
}

#[test]
fn quoted_fenced_and_buried_markers_are_none() {
    let marker = finding(&finding_mark(), &keys());
    for body in [
        format!("> {marker}"),
        format!("```\n{marker}\n```"),
        format!("```\n{marker}"),
        format!("~~~~\n```\n{marker}"),
        format!("`{marker}`"),
        format!("{marker}\nand more text"),
        format!(" {marker} and more"),
    ] {
        assert_eq!(read(&body, &keys()), None, "{body}");
    }
    assert!(read(&format!("````rust\n```\n````\n{marker}"), &keys()).is_some());
}

#[test]
fn code_in_front_of_a_marker_does_not_hide_it() {
    let marker = finding(&finding_mark(), &keys());
    for text in ["``` a ``span`` ```", "- ```\n  a fence in a list\n  ```", "</details>", "text `` ` ``", "    ```", "| a |\n|---|\n| b |"]
    {
        assert!(read(&format!("{text}\n\n{marker}"), &keys()).is_some(), "{text}");
    }
}

#[test]
fn a_marker_of_a_later_version_is_too_new_rather_than_nothing() {
    let body = summary(&sample(), &keys()).text.replace(" v1 ", " v4 ");
    assert!(matches!(read(&body, &keys()), Some((Mark::Summary(Err(StateError::TooOld { needs: 4 })), Seal::Broken))));
}

#[test]
fn a_large_state_gives_up_fixed_findings_first_and_says_so() {
    let mut state = State::new();
    state.rounds = vec![round(1, '1'), round(2, '2')];
    // Text that does not compress, as fingerprints and titles are.
    let noise = |number: u32| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(number.to_be_bytes()));
    for number in 1..=1500 {
        let status = match number % 5 {
            0 => Status::Open,
            1 => Status::Dismissed { by: "mira".to_owned(), why: String::new() },
            _ => Status::Fixed { round: 2, commit: commit('2') },
        };
        let mut known = known(number, status);
        known.fingerprint = noise(number)[..16].to_owned();
        known.title = noise(number + 10_000);
        state.findings.push(known);
    }
    state.next_id = 1501;
    let written = summary(&state, &keys());
    assert!(written.text.len() <= MAX_MARKER_BYTES);
    let Some((Mark::Summary(Ok(read)), Seal::Valid)) = read(&written.text, &keys()) else { panic!("unreadable") };
    let count = |state: &State, open: bool| state.findings.iter().filter(|known| known.status.is_open() == open).count();
    assert_eq!(count(&read, true), count(&state, true));
    assert_eq!(written.lost, 0);
    assert!(written.trimmed > 0 && read.trimmed == written.trimmed && read.next_id == 1501);
    assert_eq!(usize::try_from(read.trimmed).unwrap() + read.findings.len(), 1500);
    // The newest of the dismissed are there while fixed ones are gone.
    assert!(read.findings.iter().any(|known| matches!(known.status, Status::Dismissed { .. })));
}

#[test]
fn a_state_that_cannot_fit_still_gets_a_marker() {
    let mut state = sample();
    state.extra.insert(
        "huge".to_owned(),
        serde_json::Value::String((0..200_000_u32).map(|n| char::from_u32(33 + n.wrapping_mul(2_654_435_761) % 90).unwrap()).collect()),
    );
    assert!(summary(&state, &keys()).text.len() <= MAX_MARKER_BYTES);
}

#[test]
fn a_bomb_does_not_unpack() {
    let bomb = packed(&vec![b' '; MAX_STATE_BYTES + 1]);
    assert_eq!(unpacked(&bomb), None);
    let body = sealed("summary", &format!("z={}", URL_SAFE_NO_PAD.encode(bomb)), &keys());
    assert!(matches!(read(&body, &keys()), Some((Mark::Summary(Err(StateError::Unreadable(_))), Seal::Valid))));
}

proptest! {
    #[test]
    fn arbitrary_notes_never_panic_and_never_yield_a_valid_marker(body in ".{0,300}", kind in "(summary|finding|reply)", rest in "[ -~]{0,200}") {
        prop_assert!(!matches!(read(&body, &keys()), Some((_, Seal::Valid))));
        let shaped = format!("{OPENING}{kind} v1 {rest}{CLOSING}");
        prop_assert!(!matches!(read(&shaped, &keys()), Some((_, Seal::Valid))));
    }

    #[test]
    fn a_changed_marker_is_never_valid(at in 0_usize..10_000, with in "[ -~]") {
        let written = finding(&finding_mark(), &keys());
        let at = at % written.len();
        let mut changed = written.clone();
        changed.replace_range(at..=at, &with);
        prop_assume!(changed != written);
        match read(&changed, &keys()) {
            // White space behind the line is not part of it.
            Some((mark, Seal::Valid)) => prop_assert_eq!(mark, Mark::Finding(finding_mark())),
            Some((_, Seal::Broken)) | None => {}
        }
    }

    #[test]
    fn arbitrary_packed_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let body = sealed("summary", &format!("z={}", URL_SAFE_NO_PAD.encode(packed(&bytes))), &keys());
        read(&body, &keys());
        let body = sealed("finding", &format!("F-1 ab d={}", URL_SAFE_NO_PAD.encode(&bytes)), &keys());
        read(&body, &keys());
    }
}

#[test]
fn four_hundred_findings_over_sixty_rounds_fit_and_the_mildest_go_first_where_even_open_ones_do_not() {
    let noise = |number: u32| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(number.to_be_bytes()));
    let state = |findings: u32, closed: bool| {
        let mut state = State { next_id: findings + 1, ..State::new() };
        state.rounds =
            (1..=60).map(|number| super::super::state::tests::round(number, char::from_digit(number % 10, 10).unwrap())).collect();
        for number in 1..=findings {
            let status = match number % 4 {
                0 if closed => Status::Fixed { round: number % 60, commit: commit('2') },
                1 if closed => Status::Dismissed { by: "mira".to_owned(), why: noise(number).repeat(2) },
                _ => Status::Open,
            };
            let severity = if number % 2 == 0 { Severity::Critical } else { Severity::Suggestion };
            let title = format!("{} {}", noise(number), noise(number + 10_000));
            let fingerprint = noise(number + 20_000)[..16].to_owned();
            state.findings.push(super::super::state::Known { fingerprint, severity, title, ..known(number, status) });
        }
        state
    };
    let kept = |written: &SummaryMarker| match read(&written.text, &keys()) {
        Some((Mark::Summary(Ok(state)), Seal::Valid)) => state,
        other => panic!("{other:?}"),
    };
    let lively = state(400, true);
    let written = summary(&lively, &keys());
    let left = kept(&written);
    assert!(written.text.len() <= MAX_MARKER_BYTES && written.lost == 0, "{} bytes, {} lost", written.text.len(), written.lost);
    // Of the rounds, the first and the last are what is needed.
    assert_eq!((left.rounds[0].number, left.last().map(|last| last.number)), (1, Some(60)));
    assert!(lively.findings.iter().filter(|known| known.status.is_open()).all(|known| left.finding(known.id).is_some()));
    let crowded = summary(&state(2_000, false), &keys());
    let left = kept(&crowded);
    assert!(crowded.text.len() <= MAX_MARKER_BYTES && crowded.lost > 0, "{}", crowded.lost);
    let count = |severity| left.findings.iter().filter(|known| known.severity == severity).count();
    assert!(count(Severity::Critical) > count(Severity::Suggestion), "{} {}", count(Severity::Critical), count(Severity::Suggestion));
    assert_eq!(left.next_id, 2_001);
}
