//! Tests of the prompt files. They read no files but the built-in ones.

use super::*;

const GOOD: &str = "---\nname: tests\ntitle: Tests\nmodel: light\ntiers: [lite, full]\ntimeout: 90s\ntools: [grep]\nceiling: suggestion\n---\n\nYou read tests.\n";

fn refused(text: &str) -> String {
    let fault = parse(".assize/prompts/tests.md", text).expect_err("a mistake");
    format!("{fault}\nhint: {}", fault.hint.as_deref().unwrap_or("-"))
}

#[test]
fn the_built_in_prompts_are_read_in_their_order() {
    let prompts = Prompts::with(&[]).expect("the built-in prompts are well-formed");
    let names: Vec<&str> = prompts.reviewers.iter().map(|prompt| prompt.name.as_str()).collect();
    assert_eq!(names, ORDER);
    for prompt in &prompts.reviewers {
        assert!(prompt.text.contains("## What to flag") && prompt.text.contains("## What not to flag"), "{}", prompt.name);
        assert!(!prompt.tiers.is_empty(), "{}", prompt.name);
    }
    let blind: Vec<&str> = prompts.reviewers.iter().filter(|prompt| prompt.blind).map(|prompt| prompt.name.as_str()).collect();
    assert_eq!((blind, prompts.refuter.blind, prompts.coordinator.blind), (vec!["security"], true, false));
    assert!(prompts.preamble.contains("submit_findings"));
}

#[test]
fn a_team_adds_a_reviewer_and_replaces_one() {
    let security = GOOD.replace("name: tests", "name: security");
    let team = [("prompts/tests.md".to_owned(), GOOD.to_owned()), ("prompts/security.md".to_owned(), security)];
    let prompts = Prompts::with(&team).expect("well-formed");
    assert_eq!(prompts.reviewers.len(), 9);
    assert_eq!((prompts.reviewers[0].text.as_str(), prompts.reviewers[8].title.as_str()), ("You read tests.", "Tests"));
    assert_eq!(prompts.reviewers[8].timeout, Duration::from_secs(90));
    let twice = [("a/tests.md".to_owned(), GOOD.to_owned()), ("b/tests.md".to_owned(), GOOD.to_owned())];
    assert_eq!(Prompts::with(&twice).expect_err("two").to_string(), "b/tests.md: the reviewer tests is defined in a/tests.md as well");
}

#[test]
fn mistakes_are_shown_at_their_place_with_the_nearest_word() {
    assert_eq!(
        refused(&GOOD.replace("ceiling: suggestion", "ceiling: sugestion")),
        ".assize/prompts/tests.md:8:10: `sugestion` is no severity\n  |\n8 | ceiling: sugestion\n  |          ^\nhint: did you mean `suggestion`?"
    );
    assert!(refused(&GOOD.replace("ceiling:", "cieling:")).contains(":8:1: unknown key `cieling`"));
    assert!(refused(&GOOD.replace("[grep]", "[shell]")).contains(":7:9: `shell` is no tool"));
    assert!(refused(&GOOD.replace("name: tests", "name: test")).contains("call the file test.md"));
    assert!(refused(&GOOD.replace("model: light\n", "")).contains("the key `model` is missing"));
    assert!(refused("You read tests.").contains(":1:1: a prompt file begins with `---`"));
    assert!(refused("---\nname: tests\n").contains("the front matter is not closed"));
    assert!(refused("---\nname: tests\ntitle: T\nmodel: top\n---\n").contains("there is no text"));
}
