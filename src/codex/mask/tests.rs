//! Tests of the masked view: nothing secret passes, and nothing else is touched.

use proptest::prelude::*;

use super::*;
use crate::codex::parse;

fn rules() -> Vec<Rule> {
    let rule = |id: &str, tags: &str, status: &str, detect: &str| {
        let text = format!(
            "---\nid: {id}\ntitle: T\nseverity: critical\nreviewer: security\nstatus: {status}\ntags: [{tags}]\ndetect:\n{detect}\n---\nDo not.\n\n## Why\n\nSo.\n\n## Bad\n\n```text\nx\n```\n\n## Good\n\n```text\ny\n```\n"
        );
        parse(&format!("{id}.md"), &text).unwrap()
    };
    vec![
        rule("SEC-0001", "secret, gitlab-token", "active", r"  - regex: '\bglpat-[0-9A-Za-z_-]{20}\b'"),
        rule("SEC-0002", "aws-key, secret", "deprecated", r"  - regex: '\bAKIA[0-9A-Z]{16}\b'"),
        rule(
            "SEC-0003",
            "secret",
            "draft",
            "  - regex: '(?i)(?:password|api_?key)\\s*[:=]\\s*[\"'']?(?P<secret>[^\"''\\s]{8,})'\n    except: '(?i)example|changeme|^\\$\\{'",
        ),
        rule("SEC-0004", "secret, private-key", "active", "  - regex: '-----BEGIN [A-Z ]*PRIVATE KEY-----'"),
        rule("SEC-0005", "noise", "active", "  - regex: 'TODO'"),
    ]
}

fn mask() -> Mask {
    Mask::new(&rules(), b"a key of this run")
}

const TOKEN: &str = "glpat-x7Kq2mZ9wP4tR8vN1bC5";
const AWS: &str = "AKIAQ4ZXW7RT2MNB5VCL";
const WORD: &str = "c0rrect-horse-battery";
/// Six lines of armour: four whole, one short.
const BODY: [&str; 5] = [
    "MIIEowIBAAKCAQEAx0M2mV7Q1pZ8kT5nR3wY6cB9dF4gH2jL7qS0uX5zA8eI1oP3",
    "vN6bC9xM2sD5fG8hJ1kL4zQ7wE0rT3yU6iO9pA2aS5dF8gH1jK4lZ7xC0vB3nM6Q",
    "wE9rT2yU5iO8pA1sD4fG7hJ0kL3zX6cV9bN2mQ5wE8rT1yU4iO7pA0sD3fG6hJ9k",
    "L2zX5cV8bN1mQ4wE7rT0yU3iO6pA9sD2fG5hJ8kL1zX4cV7bN0mQ3wE6rT9yU2iO",
    "5pA8sD1fG4hJ7kL0zX3cV6bN9mQ2wE==",
];
const BEGIN: &str = "-----BEGIN RSA PRIVATE KEY-----";
const END: &str = "-----END RSA PRIVATE KEY-----";

/// Replaces the numbers, which depend on the key, by `n`.
fn shown(text: &str) -> String {
    Regex::new("(MASKED:[a-z-]+:)[0-9a-f]{6}").unwrap().replace_all(text, "${1}n").into_owned()
}

fn check(text: &str, expected: &str) {
    let masked = mask().apply(text);
    assert_eq!(shown(&masked), expected);
    assert_eq!(mask().apply(&masked), masked, "masking twice changes nothing");
}

#[test]
fn a_secret_becomes_a_marker_of_its_kind() {
    check(&format!("a {TOKEN}\r\nb {AWS} c {TOKEN}\n"), "a [MASKED:gitlab-token:n]\r\nb [MASKED:aws-key:n] c [MASKED:gitlab-token:n]\n");
}

#[test]
fn of_an_assignment_only_the_value_is_masked() {
    check(&format!("password = \"{WORD}\" # kept"), "password = \"[MASKED:secret:n]\" # kept");
    check(&format!("api_key: {TOKEN}"), "api_key: [MASKED:gitlab-token:n]");
    check(&format!("api_key: xx.{TOKEN}.xx"), "api_key: [MASKED:gitlab-token:n]");
}

#[test]
fn a_placeholder_is_kept_and_the_word_example_elsewhere_saves_nothing() {
    check("password = \"changeme123\"", "password = \"changeme123\"");
    check("password = ${DB_PASSWORD}", "password = ${DB_PASSWORD}");
    check(&format!("password = \"{WORD}\" # example"), "password = \"[MASKED:secret:n]\" # example");
}

#[test]
fn a_marker_in_the_text_hides_nothing_beside_it() {
    check(&format!("password = [MASKED:x:abcdef]{WORD}"), "password = [MASKED:secret:n]");
}

#[test]
fn the_number_of_a_secret_is_stable_and_depends_on_the_key() {
    let text = format!("{TOKEN} {AWS}\n{TOKEN}");
    let masked = mask().apply(&text);
    let markers: Vec<&str> = MARKER.find_iter(&masked).map(|marker| marker.as_str()).collect();
    assert_eq!(markers[0], markers[2]);
    assert_ne!(markers[0][markers[0].len() - 7..], markers[1][markers[1].len() - 7..]);
    assert_ne!(Mask::new(&rules(), b"another key").apply(&text), masked);
    assert_eq!(mask().apply(&text), masked);
}

#[test]
fn a_private_key_is_masked_from_header_to_footer() {
    let key = format!("x\n{BEGIN}\n{}\n{END}\ny\n", BODY.join("\n"));
    let body = ["[MASKED:private-key:n]"; 5].join("\n");
    check(&key, &format!("x\n{BEGIN}\n{body}\n{END}\ny\n"));
    let indented = key.replace('\n', "\r\n    ");
    check(&indented, &format!("x\n{BEGIN}\n{body}\n{END}\ny\n").replace('\n', "\r\n    "));
}

#[test]
fn a_part_of_a_private_key_is_masked_too() {
    let marked = |lines: usize| ["[MASKED:private-key:n]"; 5][..lines].join("\n");
    check(&format!("{BEGIN}\n{}", BODY[..2].join("\n")), &format!("{BEGIN}\n{}", marked(2)));
    check(&format!("{BEGIN}\n{}\nnext: 1", BODY[0]), &format!("{BEGIN}\n{}\nnext: 1", marked(1)));
    check(&format!("a = 1\n{}\n{END}\nb = 2", BODY[3..].join("\n")), &format!("a = 1\n{}\n{END}\nb = 2", marked(2)));
    check(&format!("a = 1\n{}\nb = 2", BODY[1..4].join("\n")), &format!("a = 1\n{}\nb = 2", marked(3)));
    check(
        &format!("+{}\n+{}\n+{}", BODY[2], BODY[3], BODY[4]),
        "+[MASKED:private-key:n]\n+[MASKED:private-key:n]\n+[MASKED:private-key:n]",
    );
}

#[test]
fn a_private_key_on_one_line_or_in_quotes_is_masked() {
    check(&format!("k = \"{BEGIN}\\n{}\\n{END}\\n\"", BODY.join("\\n")), &format!("k = \"{BEGIN}[MASKED:private-key:n]{END}\\n\""));
    let quoted = format!("k = \"{BEGIN}\\n\" +\n  \"{}\\n\" +\n  \"{}\\n\" +\n  \"{END}\"", BODY[0], BODY[4]);
    check(&quoted, &format!("k = \"{BEGIN}\\n\" +\n  [MASKED:private-key:n]\n  [MASKED:private-key:n]\n  \"{END}\""));
    check(&format!("{BEGIN}\nc2hvcnQ=\n{END}"), &format!("{BEGIN}\n[MASKED:private-key:n]\n{END}"));
    let armoured = format!("{BEGIN}\nProc-Type: 4,ENCRYPTED\n\n{}", BODY[0]);
    check(&armoured, &format!("{BEGIN}\nProc-Type: 4,ENCRYPTED\n\n[MASKED:private-key:n]"));
}

#[test]
fn code_about_keys_digests_and_certificates_stays() {
    let code = format!("if text.startswith(\"{BEGIN}\"):\n    return parse(text)\nassert \"{END}\" in text\nx = 1\n");
    check(&code, &code);
    let digests = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n".repeat(3);
    check(&digests, &digests);
    let public = "-----BEGIN PUBLIC KEY-----\nshort\n-----END PUBLIC KEY-----\n";
    check(public, public);
    check("TODO nothing here", "TODO nothing here");
}

#[test]
fn the_mask_shows_neither_key_nor_rules() {
    assert_eq!(format!("{:?}", mask()), "Mask(4 rules)");
}

proptest! {
    #[test]
    fn any_text_keeps_its_lines_and_is_masked_once(text in any::<String>()) {
        let masked = mask().apply(&text);
        prop_assert_eq!(masked.matches('\n').count(), text.matches('\n').count());
        prop_assert_eq!(mask().apply(&masked), masked);
    }

    #[test]
    fn no_secret_of_the_table_survives(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                TOKEN, AWS, "password = ", "api_key:\"", "\"", "\n", "\r\n", " ", "x", "+", "= example ", BEGIN, END, BODY[0], BODY[1], BODY[4],
                "[MASKED:x:abcdef]", "\\n", "é", "-----",
            ]),
            0..24,
        ),
    ) {
        let text = format!(" {} ", pieces.join(" "));
        let masked = mask().apply(&text);
        for secret in [TOKEN, AWS] {
            prop_assert!(!masked.contains(secret), "{}", masked);
        }
        prop_assert_eq!(masked.matches('\n').count(), text.matches('\n').count());
        prop_assert_eq!(mask().apply(&masked), masked);
    }

    #[test]
    fn no_line_of_a_key_survives_whatever_part_of_it_a_hunk_shows(from in 0_usize..8, to in 0_usize..8, sign in "[+-]?", indent in " {0,8}") {
        let mut lines = vec!["before", BEGIN];
        lines.extend(BODY);
        lines.extend([END, "after"]);
        let shown = &lines[from.min(to)..=from.max(to)];
        let text: Vec<String> = shown.iter().map(|line| format!("{sign}{indent}{line}")).collect();
        let masked = mask().apply(&text.join("\n"));
        // A single line in the middle of nothing is not known for a part of a key.
        if shown.len() > 1 {
            for line in BODY {
                prop_assert!(!masked.contains(line), "{}", masked);
            }
        }
    }
}
