//! States as they are written and read, by older and newer programs. They stand for no merge request.

use super::*;

/// A commit made of one digit.
pub(in crate::round) fn commit(digit: char) -> CommitId {
    CommitId::parse(&digit.to_string().repeat(40)).unwrap()
}

pub(in crate::round) fn round(number: u32, head: char) -> Round {
    Round {
        number,
        head: commit(head),
        base: commit('b'),
        target: commit('c'),
        patch_id: "feed".to_owned(),
        tier: Tier::Lite,
        forced_tier: None,
        verdict: Verdict::ApprovedWithComments,
        complete: true,
        cost: Usd::from_nano(1_250_000_000),
        usage: Usage { calls: 4, input: 1000, cached: 600, cache_write: 5, output: 77 },
        config_digest: "cafe".to_owned(),
        newest_note: Some(NewestNote { id: 9, at: "2026-11-24T02:03:04.000Z".to_owned() }),
        threads_digest: "d1".to_owned(),
        posting: Posting::Done,
        overridden: None,
        extra: Extra::new(),
    }
}

pub(in crate::round) fn known(number: u32, status: Status) -> Known {
    Known {
        id: FindingId::new(number),
        fingerprint: format!("{number:016x}"),
        rule_ids: vec![RuleId::parse("SEC-0012").unwrap()],
        severity: Severity::Important,
        title: format!("finding {number}"),
        place: KnownPlace { path: "src/orders.rs".into(), line: Some(41), side: Side::New },
        status,
        first: 1,
        last: 1,
        thread: Some(ThreadRef { id: format!("{number:040x}"), note: u64::from(number) }),
        trail: Trail::default(),
        extra: Extra::new(),
    }
}

pub(in crate::round) fn sample() -> State {
    State {
        rounds: vec![round(1, '1'), round(2, '2')],
        findings: vec![
            known(1, Status::Open),
            known(2, Status::Fixed { round: 2, commit: commit('2') }),
            known(3, Status::Dismissed { by: "mira".to_owned(), why: "covered by the proxy".to_owned() }),
            known(4, Status::ClaimedFixed { by: None }),
        ],
        next_id: 5,
        ..State::new()
    }
}

#[test]
fn a_state_is_read_as_it_was_written() {
    assert_eq!(State::from_json(sample().to_json().as_bytes()), Ok(sample()));
    assert_eq!(State::from_json(State::new().to_json().as_bytes()), Ok(State::new()));
}

#[test]
fn an_older_reader_keeps_what_a_newer_writer_added() {
    let mut newer: Value = serde_json::from_str(&sample().to_json()).unwrap();
    newer["version"] = 3.into();
    newer["mood"] = "fine".into();
    newer["rounds"][1]["cost_usd"] = serde_json::json!({ "total": 1.5 });
    newer["findings"][0]["votes"] = serde_json::json!([1, 2]);
    let read = State::from_json(newer.to_string().as_bytes()).unwrap();
    let written: Value = serde_json::from_str(&read.to_json()).unwrap();
    assert_eq!(written, newer);
}

#[test]
fn a_newer_reader_takes_what_an_older_writer_left_out() {
    let oldest = r#"{"version":1,"min_reader":1,"rounds":[],"findings":[],"next_id":3}"#;
    assert_eq!(State::from_json(oldest.as_bytes()), Ok(State { version: 1, next_id: 3, ..State::new() }));
}

#[test]
fn a_reader_that_is_too_old_says_so_whatever_the_rest_looks_like() {
    let future = r#"{"min_reader":7,"rounds":"elsewhere"}"#;
    assert_eq!(State::from_json(future.as_bytes()), Err(StateError::TooOld { needs: 7 }));
}

#[test]
fn a_damaged_state_is_an_error_and_never_an_empty_one() {
    for text in
        ["", "{}", "[]", r#"{"version":1,"min_reader":1}"#, r#"{"version":1,"min_reader":1,"rounds":[{}],"findings":[],"next_id":1}"#]
    {
        assert!(matches!(State::from_json(text.as_bytes()), Err(StateError::Unreadable(_))), "{text}");
    }
    let mut odd: Value = serde_json::from_str(&sample().to_json()).unwrap();
    odd["findings"][0]["status"] = "melted".into();
    assert!(matches!(State::from_json(odd.to_string().as_bytes()), Err(StateError::Unreadable(_))));
}

#[test]
fn names_are_read_as_they_are_written() {
    assert_eq!(FindingId::parse("F-12"), Some(FindingId::new(12)));
    for text in ["F-", "F-0", "F-01", "f-1", "F-+1", "F-99999999999", "12"] {
        assert_eq!(FindingId::parse(text), None, "{text}");
    }
}

#[test]
fn a_repeated_run_goes_on_in_the_same_round() {
    let state = sample();
    assert_eq!(state.round_over(&commit('2'), &commit('b')), 2);
    assert_eq!(state.round_over(&commit('3'), &commit('b')), 3);
    assert_eq!(state.round_over(&commit('2'), &commit('d')), 3);
    assert_eq!(State::new().round_over(&commit('2'), &commit('b')), 1);
    let after = state.after(round(2, '2'), Vec::new(), 2);
    assert_eq!((after.rounds.len(), after.next_id), (2, 5));
}

fn told() -> State {
    let mut state = sample();
    state.rounds[1].posting = Posting::Begun;
    state.rounds[1].overridden = Some(Override {
        by: "mira".to_owned(),
        why: "hotfix".to_owned(),
        head: commit('2'),
        note: 31,
        at: "2026-11-24T02:03:04.000Z".to_owned(),
    });
    state.findings[0].trail = Trail {
        above: 3,
        text: Some(line_digest("let a")),
        detectors: vec![RuleId::parse("SEC-0012").unwrap()],
        reviewed: true,
        earlier: Some(FindingId::new(3)),
        late: true,
        returns: 2,
        ceiling: Some(Severity::Important),
        unsettled: Some(Unsettled::Owed),
    };
    state.findings[3].trail.unsettled = Some(Unsettled::Unanswered);
    state
}

#[test]
fn what_the_rounds_alone_remember_is_read_as_it_was_written() {
    let state = told();
    assert_eq!((state.version, state.min_reader), (2, 1));
    assert_eq!(State::from_json(state.to_json().as_bytes()), Ok(state));
}

/// A program of format 1 keeps fields that it does not know, and moves a finding without knowing of them.
#[test]
fn what_an_older_program_left_stale_is_not_believed() {
    let mut between: Value = serde_json::from_str(&told().to_json()).unwrap();
    let same: Value = between.clone();
    between["findings"][0]["fingerprint"] = "0123456789abcdef".into();
    between["findings"][0]["line"] = 7.into();
    let read = |json: &Value| State::from_json(json.to_string().as_bytes()).unwrap().findings[0].trail.clone();
    assert_eq!(read(&same), told().findings[0].trail);
    assert_eq!(read(&between), Trail { above: 0, text: None, detectors: Vec::new(), ..told().findings[0].trail.clone() });
}

#[test]
fn a_program_of_the_first_format_reads_and_keeps_what_this_one_writes() {
    let written: Value = serde_json::from_str(&told().to_json()).unwrap();
    assert_eq!(written["min_reader"], 1);
    // What the first format needs is there under its names.
    for key in ["id", "fingerprint", "severity", "title", "path", "status", "first", "last"] {
        assert!(written["findings"][0].get(key).is_some(), "{key}");
    }
    for key in ["number", "head", "base", "target", "patch_id", "tier", "verdict", "complete", "usage", "config_digest", "threads_digest"] {
        assert!(written["rounds"][1].get(key).is_some(), "{key}");
    }
}

#[test]
fn odd_values_of_known_fields_are_damage() {
    let whole: Value = serde_json::from_str(&told().to_json()).unwrap();
    for (list, field) in [("findings", "unsettled"), ("findings", "ceiling"), ("findings", "earlier"), ("rounds", "posting")] {
        let mut odd = whole.clone();
        let at = usize::from(list == "rounds");
        odd[list][at][field] = "melted".into();
        assert!(matches!(State::from_json(odd.to_string().as_bytes()), Err(StateError::Unreadable(_))), "{field}");
    }
}

#[test]
fn a_posted_round_owes_nothing_and_forgets_no_question() {
    let posted = told().posted();
    assert_eq!(posted.last().unwrap().posting, Posting::Done);
    assert_eq!(posted.findings[0].trail.unsettled, None);
    assert_eq!(posted.findings[3].trail.unsettled, Some(Unsettled::Unanswered));
}

#[test]
fn only_a_round_that_was_read_and_posted_makes_a_late_find_one_that_was_missed() {
    let read = |complete, posting| State { rounds: vec![Round { complete, posting, ..round(1, '1') }], ..State::new() }.was_read();
    let cases = [(true, Posting::Done), (true, Posting::Begun), (false, Posting::Done), (false, Posting::Begun)];
    assert_eq!(cases.map(|(complete, posting)| read(complete, posting)), [true, false, false, false]);
}

#[test]
fn a_rebuilt_state_goes_on_counting_where_its_threads_ended() {
    let mut later = known(4, Status::Open);
    later.last = 6;
    let rebuilt = State { findings: vec![known(1, Status::Open), later], ..State::new() };
    assert_eq!((rebuilt.round_over(&commit('1'), &commit('b')), State::new().round_over(&commit('1'), &commit('b'))), (7, 1));
}

#[test]
fn a_newer_writers_version_and_an_id_beyond_the_counter_are_kept() {
    let newer = State { version: 9, ..sample() };
    assert_eq!(newer.after(round(3, '3'), Vec::new(), 1).version, 9);
    let stale = State { next_id: 1, ..sample() };
    assert_eq!(State::from_json(stale.to_json().as_bytes()).unwrap().next_id, 5);
    let next = STATE_VERSION + 1;
    let text = State { min_reader: next, ..sample() }.to_json();
    assert_eq!(State::from_json(text.as_bytes()), Err(StateError::TooOld { needs: next }));
}
