//! What is made of the coordinator's answers, and of what people say beside them.

use super::super::play::{ANN, Coordinator, MIRA, Play, Reader};
use super::super::reading::Award;
use super::tests::{ONE, TWO, file, pushed, reviewed, told};
use super::*;
use crate::change::testing::between;

/// After a disagreement of the author with the only finding, answered so.
fn disputed(says: Says, words: (&'static str, &'static str, Option<Severity>)) -> (Play, Vec<String>) {
    let mut play = reviewed(Reader::Model, ONE);
    (play.coordinator, play.words) = (Coordinator::Says(says), words);
    play.say(1, ANN, "disagree: it cannot happen");
    let ran = play.run();
    (play, ran.told)
}

#[test]
fn a_fix_without_a_reason_is_not_believed_and_is_asked_about_again() {
    let mut play = reviewed(Reader::Model, ONE);
    (play.coordinator, play.words) = (Coordinator::Says(Says::Fixed), ("", "", None));
    let ran = pushed(&mut play, &[(10, "good")]);
    assert_eq!((told(&ran.known), ran.told), (vec!["F-1 10 open".to_owned()], Vec::<String>::new()));
    play.words.1 = "line 10 is other";
    assert_eq!(play.run().told, ["resolve"]);
}

#[test]
fn an_answer_without_a_word_to_the_person_or_without_a_reason_is_none() {
    for words in [("", "line 1", None), ("because", "", None)] {
        let (mut play, did) = disputed(Says::Agree, words);
        assert_eq!((told(&play.state().findings), did), (vec!["F-1 10 open".to_owned()], Vec::<String>::new()), "{words:?}");
        play.words = ("because", "line 1", None);
        assert_eq!(play.run().told, ["agreed", "resolve"], "it is asked again");
    }
    let mut play = reviewed(Reader::Model, ONE);
    play.words.0 = "";
    play.say(1, ANN, "Where does it come from?");
    assert_eq!(play.run().told, Vec::<String>::new());
    play.words.0 = "From there.";
    assert_eq!(play.run().told, ["explained"]);
}

#[test]
fn a_disagreement_lowers_with_a_reason_and_never_raises_and_what_was_granted_holds() {
    let severity = |play: &Play| play.state().findings[0].severity;
    let (play, did) = disputed(Says::Disagree, ("because", "line 1", Some(Severity::Critical)));
    assert_eq!((severity(&play), did), (Severity::Important, vec!["disagreed".to_owned()]));
    let (play, did) = disputed(Says::Disagree, ("because", "", Some(Severity::Suggestion)));
    assert_eq!((severity(&play), did), (Severity::Important, vec!["disagreed".to_owned()]));
    let (mut play, did) = disputed(Says::Disagree, ("because", "line 1", Some(Severity::Suggestion)));
    assert_eq!((severity(&play), did), (Severity::Suggestion, vec!["lowered".to_owned()]));
    // The reader calls it important again.
    pushed(&mut play, &[(10, "bug1"), (12, "other")]);
    assert_eq!(severity(&play), Severity::Suggestion);
}

#[test]
fn what_is_fixed_while_people_argue_is_fixed_and_nobody_is_answered() {
    let mut play = reviewed(Reader::Model, ONE);
    play.say(1, ANN, "disagree: it cannot happen");
    let ran = pushed(&mut play, &[(10, "good")]);
    assert_eq!((told(&ran.known), ran.told), (vec!["F-1 10 fixed in 2".to_owned()], vec!["resolve".to_owned()]));
}

#[test]
fn a_thread_that_is_resolved_while_its_neighbours_change_and_whose_finding_is_seen_again_is_opened_again() {
    for (severity, by) in [(Severity::Important, MIRA), (Severity::Critical, ANN)] {
        let mut play = Play::new(Reader::Model, file(&[]), file(ONE));
        play.severity = severity;
        play.run();
        play.resolve(1, Some(by));
        let ran = pushed(&mut play, &[(9, "beside"), (10, "bug1")]);
        assert_eq!((told(&ran.known), ran.told), (vec!["F-1 10 open".to_owned()], vec!["still reopen".to_owned()]));
    }
}

#[test]
fn an_applied_suggestion_that_fixes_nothing_is_answered_once_whatever_is_pushed_later() {
    let mut play = reviewed(Reader::Model, ONE);
    let thread = play.thread_of(1);
    play.toy.thread_mut(&thread).notes[0].suggestion_applied = true;
    assert_eq!(pushed(&mut play, &[(10, "bug1(quoted)")]).told, ["still reopen"]);
    assert_eq!(pushed(&mut play, &[(10, "bug1(quoted twice)")]).told, Vec::<String>::new());
}

#[test]
fn a_dismissed_finding_that_is_seen_as_it_was_is_no_question() {
    let mut play = reviewed(Reader::Detector, ONE);
    play.say(1, ANN, "won't fix");
    play.run();
    let ran = pushed(&mut play, &[(10, "bug1"), (40, "other")]);
    assert_eq!((told(&ran.known), ran.asked), (vec!["F-1 10 dismissed by user1".to_owned()], Vec::new()));
}

#[test]
fn a_worse_word_for_the_same_code_does_not_raise_what_was_dismissed() {
    let mut play = reviewed(Reader::Detector, ONE);
    play.say(1, MIRA, "won't fix");
    play.run();
    play.severity = Severity::Critical;
    let ran = pushed(&mut play, &[(10, "bug1"), (40, "other")]);
    assert_eq!((told(&ran.known), ran.told), (vec!["F-1 10 dismissed by user5".to_owned()], Vec::<String>::new()));
}

#[test]
fn a_copy_that_was_there_when_the_first_was_fixed_is_a_finding_of_its_own() {
    let mut play = reviewed(Reader::Model, &[(10, "bug1"), (40, "overlooked")]);
    // The reader did not see the copy.
    for change in play.heads.values_mut() {
        *change = between(&file(&[]), &file(&[(10, "bug1"), (40, "bug1")]), &std::collections::BTreeMap::new());
    }
    play.coordinator = Coordinator::Says(Says::Fixed);
    let ran = pushed(&mut play, &[(10, "good"), (40, "bug1")]);
    assert_eq!(told(&ran.known), ["F-1 10 fixed in 2"]);
    let ran = pushed(&mut play, &[(10, "good"), (40, "bug1"), (42, "other")]);
    assert_eq!(told(&ran.known), ["F-1 10 fixed in 2", "F-2 40 open"]);
    assert_eq!(ran.told, ["open 1"], "and its thread is another");
}

#[test]
fn another_problem_of_an_edited_line_is_another_finding() {
    let mut play = reviewed(Reader::Model, ONE);
    (play.word, play.coordinator) = ("an unrelated and longer story about", Coordinator::Says(Says::StillThere));
    let ran = pushed(&mut play, &[(10, "bug1(edited)")]);
    assert_eq!((told(&ran.known), ran.told), (vec!["F-1 10 open".into(), "F-2 10 open".into()], vec!["open 1".to_owned()]));
}

#[test]
fn only_a_thumb_down_on_its_own_thread_dismisses_a_finding() {
    let mut play = reviewed(Reader::Model, TWO);
    let note = |play: &Play, id: u32| play.conversation().threads[&FindingId::new(id)].thread.note;
    let award = |note, name: &str| Award { note, name: name.to_owned(), by: super::super::play::person(MIRA), at: "2026-11-25".to_owned() };
    play.awards = vec![award(note(&play, 1), "thumbsup"), award(note(&play, 2), "thumbsdown")];
    assert_eq!(told(&play.run().known), ["F-1 10 open", "F-2 40 dismissed by user5"]);
}

#[test]
fn the_reason_of_who_resolved_a_thread_is_not_what_somebody_else_said() {
    let mut play = reviewed(Reader::Model, ONE);
    play.say(1, ANN, "I shall look.");
    play.resolve(1, Some(MIRA));
    assert_eq!(told(&play.run().known), ["F-1 10 dismissed by user5"]);
}

#[test]
fn the_readers_own_word_makes_an_edited_line_the_earlier_finding_but_hides_nothing_behind_a_decision() {
    let edited = |dismissed: bool| {
        let mut play = reviewed(Reader::Model, ONE);
        if dismissed {
            play.say(1, ANN, "won't fix");
            play.run();
        }
        (play.word, play.prior) = ("an unrelated and longer story about", Some("F-1"));
        let ran = pushed(&mut play, &[(10, "bug1(edited)")]);
        told(&ran.known)
    };
    assert_eq!(edited(false), ["F-1 10 open"]);
    assert_eq!(edited(true)[1], "F-2 10 open");
}

#[test]
fn a_new_place_points_to_a_decision_about_the_same_rule_and_to_nothing_that_is_open() {
    for dismissed in [true, false] {
        let mut play = reviewed(Reader::Detector, ONE);
        if dismissed {
            play.say(1, ANN, "won't fix");
            play.run();
        }
        let ran = pushed(&mut play, &[(10, "bug1"), (40, "bug2")]);
        assert_eq!(ran.known[1].trail.earlier, dismissed.then_some(FindingId::new(1)));
    }
}

#[test]
fn criticals_that_were_missed_earlier_are_never_too_many() {
    let places = |word| (0..8).map(|number| (5 + number * 6, word)).collect::<Vec<(usize, &str)>>();
    let mut play = reviewed(Reader::Detector, &places("overlooked"));
    for change in play.heads.values_mut() {
        *change = between(&file(&[]), &file(&places("bug1")), &std::collections::BTreeMap::new());
    }
    play.severity = Severity::Critical;
    let ran = pushed(&mut play, &places("bug1"));
    assert!(ran.known.iter().all(|known| known.trail.late), "{:?}", ran.known);
    assert_eq!((ran.known.len(), ran.told), (8, vec!["open 8".to_owned()]));
}
