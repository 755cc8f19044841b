//! What becomes of findings over rounds, row by row: seen again, fixed, moved, dismissed, disagreed with, claimed.

use super::super::play::{ANN, Coordinator, MIRA, Play, Reader};
use super::super::reading::Award;
use super::super::state::{FindingId, Status, Unsettled};
use super::super::task::{Scope, Task, Why};
use super::*;
use crate::change::testing::{Tree, tree};

const A: &str = "a.rs";

fn words(count: usize, edits: &[(usize, &str)]) -> String {
    let word =
        |number: usize| edits.iter().find(|(at, _)| *at == number).map_or_else(|| format!("w{number}"), |(_, text)| (*text).to_owned());
    (1..=count).map(word).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

pub(super) fn file(edits: &[(usize, &str)]) -> Tree {
    tree(&[(A, &words(60, edits))])
}

/// A merge request with these edits, after its first round.
pub(super) fn reviewed(reader: Reader, edits: &[(usize, &str)]) -> Play {
    let mut play = Play::new(reader, file(&[]), file(edits));
    play.run();
    play
}

pub(super) fn pushed(play: &mut Play, edits: &[(usize, &str)]) -> Ran {
    play.head = file(edits);
    play.push();
    play.run()
}

use super::super::play::Ran;

/// Status and place of every finding in few words.
pub(super) fn told(known: &[Known]) -> Vec<String> {
    let word = |known: &Known| match &known.status {
        Status::Open => "open".to_owned(),
        Status::ClaimedFixed { .. } => "claimed".to_owned(),
        Status::Fixed { round, .. } => format!("fixed in {round}"),
        Status::Dismissed { by, why } => format!("dismissed by {by} {why}").trim_end().to_owned(),
    };
    known.iter().map(|known| format!("{} {} {}", known.id, known.place.line.unwrap_or(0), word(known))).collect()
}

pub(super) const ONE: &[(usize, &str)] = &[(10, "bug1")];
pub(super) const TWO: &[(usize, &str)] = &[(10, "bug1"), (40, "bug2")];

#[test]
fn what_is_still_there_keeps_its_thread_and_follows_its_line() {
    for reader in [Reader::Detector, Reader::Model] {
        let mut play = reviewed(reader, TWO);
        let ran = pushed(&mut play, &[(3, "w3 new newer"), (10, "bug1"), (40, "bug2")]);
        assert_eq!(
            (told(&ran.known), ran.told),
            (vec!["F-1 12 open".to_owned(), "F-2 42 open".to_owned()], Vec::<String>::new()),
            "{reader:?}"
        );
    }
}

#[test]
fn a_fix_is_checked_by_who_raised_it_before_the_thread_is_resolved() {
    let mut play = reviewed(Reader::Detector, TWO);
    let ran = pushed(&mut play, &[(10, "good"), (40, "bug2")]);
    assert_eq!(
        (told(&ran.known), ran.told, ran.asked.len()),
        (vec!["F-1 10 fixed in 2".into(), "F-2 40 open".into()], vec!["resolve".to_owned()], 0)
    );

    let mut play = reviewed(Reader::Model, TWO);
    let ran = pushed(&mut play, &[(10, "good"), (40, "bug2")]);
    assert_eq!(told(&ran.known), ["F-1 10 fixed in 2", "F-2 40 open"]);
    assert_eq!(ran.asked.len(), 1);
    let question = &ran.asked[0].question;
    assert_eq!((question.matter, question.place.as_str()), (Matter::Fixed, "a.rs:10"));
    assert!(question.old.contains("10 +bug1") && question.new.contains("10 +good") && !question.new.contains("bug1"), "{question:?}");
}

#[test]
fn without_an_answer_it_stays_open_and_is_asked_again() {
    let mut play = reviewed(Reader::Model, TWO);
    play.coordinator = Coordinator::Silent;
    let ran = pushed(&mut play, &[(10, "good"), (40, "bug2")]);
    assert_eq!(told(&ran.known)[0], "F-1 10 open");
    assert_eq!(ran.known[0].trail.unsettled, Some(Unsettled::Unchecked));
    play.coordinator = Coordinator::Truthful;
    let ran = play.run();
    assert_eq!((ran.task, told(&ran.known)[0].as_str(), ran.told), (Task::Conversation, "F-1 10 fixed in 2", vec!["resolve".to_owned()]));
    assert_eq!(play.run().task, Task::Nothing);
}

#[test]
fn code_that_did_not_change_is_not_fixed_because_nobody_said_it_again() {
    let mut play = reviewed(Reader::Model, TWO);
    let ran = pushed(&mut play, &[(10, "bug1"), (25, "other"), (40, "bug2")]);
    // The reader was shown the hunk in the middle alone.
    assert!(ran.shown < 10, "{}", ran.shown);
    assert_eq!((told(&ran.known), ran.asked.len()), (vec!["F-1 10 open".into(), "F-2 40 open".into()], 0));
}

#[test]
fn of_equal_lines_the_one_that_was_fixed_is_fixed_and_the_others_stay() {
    for reader in [Reader::Detector, Reader::Model] {
        let mut play = reviewed(reader, &[(10, "bug1"), (25, "bug1"), (40, "bug1")]);
        let ran = pushed(&mut play, &[(10, "good"), (25, "bug1"), (40, "bug1")]);
        assert_eq!(told(&ran.known), ["F-1 10 fixed in 2", "F-2 25 open", "F-3 40 open"], "{reader:?}");
        assert_eq!(ran.told, ["resolve"]);
        let ran = pushed(&mut play, &[(10, "good"), (25, "bug1"), (40, "good")]);
        assert_eq!(told(&ran.known), ["F-1 10 fixed in 2", "F-2 25 open", "F-3 40 fixed in 3"], "{reader:?}");
    }
}

#[test]
fn the_same_text_elsewhere_after_the_fix_is_another_finding() {
    let mut play = reviewed(Reader::Detector, ONE);
    pushed(&mut play, &[(10, "good")]);
    let ran = pushed(&mut play, &[(10, "good"), (40, "bug1")]);
    // A line that is new with a text that was fixed is taken for the old one, come back.
    assert_eq!((told(&ran.known), ran.told), (vec!["F-1 40 open".to_owned()], vec!["back reopen".to_owned()]));
}

#[test]
fn moved_reindented_renamed_and_edited_lines_are_followed() {
    let only = |ran: Ran, expected: &str| assert_eq!((told(&ran.known), ran.told), (vec![expected.to_owned()], Vec::<String>::new()));
    for reader in [Reader::Detector, Reader::Model] {
        let mut play = reviewed(reader, ONE);
        only(pushed(&mut play, &[(40, "w40 bug1")]), "F-1 41 open");
        let text = play.head[A].replace("bug1", "    bug1");
        play.head.insert(A.to_owned(), text);
        play.push();
        only(play.run(), "F-1 41 open");
        let text = play.head.remove(A).unwrap();
        play.head.insert("z.rs".to_owned(), text);
        play.renames.insert("z.rs".to_owned(), A.to_owned());
        play.push();
        let ran = play.run();
        assert_eq!(ran.known[0].place.path.as_str(), "z.rs");
        only(ran, "F-1 41 open");
        let text = play.head["z.rs"].replace("    bug1", "bug1(edited)");
        play.head.insert("z.rs".to_owned(), text);
        play.push();
        only(play.run(), "F-1 41 open");
    }
}

#[test]
fn a_rebase_moves_positions_and_asks_no_reader() {
    let mut play = reviewed(Reader::Model, ONE);
    play.base = file(&[(2, "w2 x y")]);
    play.head = file(&[(2, "w2 x y"), (10, "bug1")]);
    play.push();
    let ran = play.run();
    assert!(matches!(ran.task, Task::Recheck { .. }));
    assert_eq!((told(&ran.known), ran.told, ran.shown), (vec!["F-1 12 open".to_owned()], Vec::<String>::new(), 0));
}

#[test]
fn without_the_old_head_everything_is_read_again_and_nothing_is_raised_twice() {
    for reader in [Reader::Detector, Reader::Model] {
        let mut play = reviewed(reader, TWO);
        play.heads.clear();
        let ran = pushed(&mut play, &[(3, "w3 new"), (10, "bug1"), (40, "bug2")]);
        assert_eq!((told(&ran.known), ran.told), (vec!["F-1 11 open".into(), "F-2 41 open".into()], Vec::<String>::new()), "{reader:?}");
    }
}

#[test]
fn a_finding_comes_back_into_its_thread() {
    for reader in [Reader::Detector, Reader::Model] {
        let mut play = reviewed(reader, ONE);
        pushed(&mut play, &[(10, "good")]);
        let ran = pushed(&mut play, ONE);
        assert_eq!((told(&ran.known), ran.told), (vec!["F-1 10 open".to_owned()], vec!["back reopen".to_owned()]), "{reader:?}");
        assert_eq!(ran.known[0].trail.returns, 1);
    }
}

#[test]
fn a_thread_resolved_over_unchanged_code_is_a_dismissal_with_the_name() {
    let mut play = reviewed(Reader::Model, TWO);
    play.say(1, MIRA, "it is a test server");
    play.resolve(1, Some(MIRA));
    let ran = play.run();
    assert_eq!(
        (ran.task, told(&ran.known)[0].as_str(), ran.told.len()),
        (Task::Conversation, "F-1 10 dismissed by user5 it is a test server", 0)
    );
    assert_eq!(play.run().task, Task::Nothing);
    // It moves, and is never raised again.
    let ran = pushed(&mut play, &[(3, "w3 new"), (9, "nine"), (10, "bug1"), (40, "bug2")]);
    assert_eq!(told(&ran.known)[0], "F-1 11 dismissed by user5 it is a test server");
    // Opened again, the decision is taken back.
    let thread = play.thread_of(1);
    play.toy.set_resolved(&thread, None);
    assert_eq!(told(&play.run().known)[0], "F-1 11 open");
}

#[test]
fn a_thread_resolved_while_the_code_changed_is_a_claim_that_is_checked() {
    for by in [Some(MIRA), Some(ANN), None] {
        let mut play = reviewed(Reader::Model, TWO);
        play.resolve(1, by);
        let ran = pushed(&mut play, &[(10, "bug1(renamed)"), (40, "bug2")]);
        assert_eq!((told(&ran.known)[0].as_str(), &ran.told), ("F-1 10 open", &vec!["still reopen".to_owned()]), "{by:?}");
        assert_eq!(play.run().told, Vec::<String>::new());
        let mut play = reviewed(Reader::Model, TWO);
        play.resolve(1, by);
        let ran = pushed(&mut play, &[(10, "good"), (40, "bug2")]);
        assert_eq!((told(&ran.known)[0].as_str(), ran.told.len()), ("F-1 10 fixed in 2", 0));
    }
}

#[test]
fn what_gitlab_resolved_over_unchanged_code_is_opened_again() {
    let mut play = reviewed(Reader::Model, TWO);
    play.resolve(1, None);
    let ran = play.run();
    assert_eq!((told(&ran.known)[0].as_str(), ran.told), ("F-1 10 open", vec!["still reopen".to_owned()]));
}

#[test]
fn of_a_critical_the_author_decides_nothing_and_a_member_does() {
    let mut play = Play::new(Reader::Model, file(&[]), file(TWO));
    play.severity = Severity::Critical;
    play.run();
    play.resolve(1, Some(ANN));
    play.say(2, ANN, "won't fix");
    let ran = play.run();
    assert_eq!((told(&ran.known), ran.told), (vec!["F-1 10 open".into(), "F-2 40 open".into()], Vec::<String>::new()));
    play.resolve(1, Some(MIRA));
    play.say(2, MIRA, "won't fix: agreed with Ann");
    let ran = play.run();
    assert_eq!(told(&ran.known), ["F-1 10 dismissed by user5", "F-2 40 dismissed by user5 agreed with Ann"]);
}

#[test]
fn a_thumb_down_dismisses_until_it_is_withdrawn() {
    let mut play = reviewed(Reader::Model, ONE);
    let note = play.conversation().threads[&FindingId::new(1)].thread.note;
    play.awards =
        vec![Award { note, name: "thumbsdown".into(), by: super::super::play::person(ANN), at: "2026-11-25T00:00:00.000Z".into() }];
    assert_eq!(told(&play.run().known), ["F-1 10 dismissed by user1"]);
    play.awards.clear();
    assert_eq!(told(&play.run().known), ["F-1 10 open"]);
}

#[test]
fn a_disagreement_is_answered_once_and_never_argued_twice() {
    let mut play = reviewed(Reader::Model, ONE);
    play.say(1, ANN, "disagree: it cannot happen");
    let ran = play.run();
    assert_eq!((ran.asked[0].question.words.as_deref(), ran.told), (Some("it cannot happen"), vec!["disagreed".to_owned()]));
    play.say(1, ANN, "disagree: I insist");
    let ran = play.run();
    assert_eq!((ran.task, ran.asked.len(), ran.told.len()), (Task::Conversation, 0, 0));
}

#[test]
fn a_disagreement_that_is_right_closes_the_finding_but_no_critical_on_the_authors_words() {
    let agreed = |severity, by| {
        let mut play = Play::new(Reader::Model, file(&[]), file(ONE));
        play.severity = severity;
        play.run();
        play.coordinator = Coordinator::Says(Says::Agree);
        play.say(1, by, "disagree: it cannot happen");
        let ran = play.run();
        (told(&ran.known).remove(0), ran.known[0].severity, ran.told)
    };
    let closed = vec!["agreed".to_owned(), "resolve".to_owned()];
    assert_eq!(
        agreed(Severity::Important, ANN),
        ("F-1 10 dismissed by user1 it cannot happen".into(), Severity::Important, closed.clone())
    );
    assert_eq!(agreed(Severity::Critical, MIRA), ("F-1 10 dismissed by user5 it cannot happen".into(), Severity::Critical, closed));
    assert_eq!(agreed(Severity::Critical, ANN), ("F-1 10 open".into(), Severity::Important, vec!["lowered".to_owned()]));
}

#[test]
fn no_model_closes_what_a_detector_saw() {
    let mut play = reviewed(Reader::Detector, ONE);
    play.coordinator = Coordinator::Says(Says::Agree);
    play.say(1, ANN, "disagree: it cannot happen");
    let ran = play.run();
    assert_eq!((told(&ran.known), ran.told), (vec!["F-1 10 open".to_owned()], vec!["disagreed".to_owned()]));
}

#[test]
fn a_question_is_answered_once() {
    let mut play = reviewed(Reader::Model, ONE);
    play.say(1, ANN, "Where does it come from?");
    assert_eq!(play.run().told, ["explained"]);
    play.say(1, ANN, "And why?");
    assert_eq!(play.run().told, Vec::<String>::new());
}

#[test]
fn a_dismissed_finding_that_got_worse_is_raised_again_and_a_copy_of_it_points_back() {
    let mut play = reviewed(Reader::Model, ONE);
    play.say(1, ANN, "won't fix: later");
    play.run();
    let ran = pushed(&mut play, &[(10, "bug1"), (40, "bug1")]);
    assert_eq!(told(&ran.known), ["F-1 10 dismissed by user1 later", "F-2 40 open"]);
    assert_eq!((ran.known[1].trail.earlier, ran.told), (Some(FindingId::new(1)), vec!["open 1".to_owned()]));
    // The code changed, and it is as bad as before.
    let ran = pushed(&mut play, &[(10, "bug1(x)"), (40, "bug1")]);
    assert_eq!(told(&ran.known)[0], "F-1 10 dismissed by user1 later");
    play.severity = Severity::Critical;
    let ran = pushed(&mut play, &[(10, "bug1(y)"), (40, "bug1")]);
    assert_eq!((told(&ran.known)[0].as_str(), ran.told), ("F-1 10 open", vec!["worse reopen".to_owned()]));
}

#[test]
fn what_was_missed_earlier_is_labelled_and_opens_no_thread_unless_it_is_critical() {
    for (severity, opened) in [(Severity::Important, Vec::new()), (Severity::Critical, vec!["open 1".to_owned()])] {
        let mut play = reviewed(Reader::Model, &[(10, "overlooked")]);
        // The reader sees now what it did not see before.
        for tree in play.heads.values_mut() {
            *tree = crate::change::testing::between(&file(&[]), &file(&[(10, "bug1")]), &std::collections::BTreeMap::new());
        }
        play.severity = severity;
        play.head = file(&[(10, "bug1"), (15, "other")]);
        play.push();
        let ran = play.run();
        assert_eq!((told(&ran.known), &ran.told), (vec!["F-1 10 open".to_owned()], &opened));
        assert!(ran.known[0].trail.late);
    }
}

#[test]
fn a_lost_summary_is_rebuilt_and_decisions_are_read_again() {
    let mut play = reviewed(Reader::Model, TWO);
    play.say(1, MIRA, "won't fix");
    play.run();
    play.toy.threads.retain(|thread| !thread.individual);
    let ran = play.run();
    assert!(matches!(ran.task, Task::Review(Scope::Whole { why: Why::Forgotten, .. })), "{:?}", ran.task);
    assert_eq!((told(&ran.known), ran.told), (vec!["F-1 10 dismissed by user5".into(), "F-2 40 open".into()], Vec::<String>::new()));
}

#[test]
fn a_person_who_opens_the_thread_of_a_fixed_finding_again_is_not_contradicted() {
    let mut play = reviewed(Reader::Detector, TWO);
    assert_eq!(pushed(&mut play, &[(10, "good"), (40, "bug2")]).told, ["resolve"]);
    let thread = play.thread_of(1);
    play.toy.set_resolved(&thread, None);
    play.say(1, ANN, "let us keep this open for the record");
    let ran = play.run();
    assert_eq!((ran.task, told(&ran.known)[0].as_str(), ran.told), (Task::Conversation, "F-1 10 fixed in 2", Vec::<String>::new()));
}

#[test]
fn a_fix_whose_run_died_before_the_thread_was_resolved_is_resolved_by_the_next() {
    for push_again in [false, true] {
        let mut play = reviewed(Reader::Detector, TWO);
        play.head = file(&[(10, "good"), (40, "bug2")]);
        play.push();
        assert!(play.run_until(1).is_none());
        if push_again {
            play.head = file(&[(10, "good"), (25, "other"), (40, "bug2")]);
            play.push();
        }
        let ran = play.run();
        assert_eq!((told(&ran.known)[0].as_str(), ran.told), ("F-1 10 fixed in 2", vec!["resolve".to_owned()]), "{push_again}");
    }
}

#[test]
fn an_applied_suggestion_is_a_claim_that_is_checked() {
    let mut play = reviewed(Reader::Model, TWO);
    let thread = play.thread_of(1);
    play.toy.thread_mut(&thread).notes[0].suggestion_applied = true;
    // The commit that applied it has a pipeline of its own: over the old head nothing follows.
    assert_eq!(play.run().told, Vec::<String>::new());
    let ran = pushed(&mut play, &[(10, "bug1(quoted)"), (40, "bug2")]);
    assert_eq!((told(&ran.known)[0].as_str(), ran.told), ("F-1 10 open", vec!["still reopen".to_owned()]));
    assert_eq!(play.run().told, Vec::<String>::new());
    let ran = pushed(&mut play, &[(10, "good"), (40, "bug2")]);
    assert_eq!((told(&ran.known)[0].as_str(), ran.told), ("F-1 10 fixed in 3", vec!["resolve".to_owned()]));
}

#[test]
fn what_was_missed_earlier_is_capped() {
    let before: Vec<(usize, &str)> = (0..8).map(|number| (5 + number * 6, "overlooked")).collect();
    let after: Vec<(usize, &str)> = before
        .iter()
        .enumerate()
        .map(|(index, (at, _))| (*at, ["bug1", "bug2", "bug3", "bug4", "bug5", "bug6", "bug7", "bug8"][index]))
        .collect();
    let mut play = reviewed(Reader::Detector, &before);
    for change in play.heads.values_mut() {
        *change = crate::change::testing::between(&file(&[]), &file(&after), &std::collections::BTreeMap::new());
    }
    let ran = pushed(&mut play, &after);
    assert_eq!((ran.known.len(), ran.told.len()), (5, 0));
    assert!(ran.known.iter().all(|known| known.trail.late && known.status == Status::Open));
}

#[test]
fn what_stands_later_at_the_place_of_a_dismissed_finding_is_something_else() {
    let mut play = reviewed(Reader::Detector, ONE);
    play.say(1, ANN, "won't fix");
    play.run();
    pushed(&mut play, &[(10, "good")]);
    let ran = pushed(&mut play, &[(10, "bug2")]);
    assert_eq!((told(&ran.known), ran.told), (vec!["F-1 0 dismissed by user1".into(), "F-2 10 open".into()], vec!["open 1".to_owned()]));
}

/// The threads of findings: how many notes each has, and whether it is resolved.
fn threads(play: &Play) -> Vec<(String, usize, bool)> {
    let shown = |thread: &super::super::Thread| {
        let title = thread.notes[0].body.lines().next().unwrap_or_default().to_owned();
        (title, thread.notes.len(), thread.notes[0].resolved)
    };
    let mut threads: Vec<_> = play.toy.threads.iter().filter(|thread| !thread.individual).map(shown).collect();
    threads.sort();
    threads
}

#[test]
fn a_run_killed_before_each_of_its_actions_in_turn_ends_like_one_that_was_not() {
    for reader in [Reader::Detector, Reader::Model] {
        let mut before = reviewed(reader, &[(10, "bug1"), (25, "bug2"), (40, "bug3"), (55, "bug4")]);
        before.resolve(2, Some(MIRA));
        before.say(3, ANN, "disagree: it cannot happen");
        before.say(4, ANN, "won't fix");
        before.head = file(&[(10, "good"), (25, "bug2(renamed)"), (33, "bug5"), (40, "bug3"), (55, "bug4")]);
        before.push();
        let mut whole = before.clone();
        let ran = whole.run();
        assert_eq!(ran.told, ["open 1", "resolve", "still reopen", "disagreed"].map(str::to_owned), "{reader:?}");
        let mut kills = 0;
        loop {
            let mut play = before.clone();
            if play.run_until(kills).is_some() {
                break;
            }
            play.run();
            assert_eq!(threads(&play), threads(&whole), "{reader:?} killed before action {kills}");
            assert_eq!(told(&play.state().findings), told(&whole.state().findings), "{reader:?} killed before action {kills}");
            assert_eq!(play.run().told, Vec::<String>::new());
            kills += 1;
        }
        assert_eq!(kills, 6, "both writes of the summary, and what was told");
    }
}
