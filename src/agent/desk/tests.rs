//! Tests of the tools over files of a story: bounded, masked, and honest about what they cannot do.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::change::parse;
use crate::codex::builtin;

fn desk(files: Option<&[(&str, &str)]>) -> Desk {
    let files =
        files.map(|files| Files::Memory(files.iter().map(|(path, text)| (RepoPath::from(*path), text.as_bytes().to_vec())).collect()));
    Desk {
        files,
        head: None,
        change: parse(b"--- a/a.rs\n+++ b/a.rs\n@@ -1 +1 @@\n-one\n+two\n").unwrap(),
        rules: RuleSet::build(builtin().to_vec(), &BTreeMap::new(), &BTreeMap::new()).unwrap(),
        mask: Mask::new(builtin(), b"k"),
        boundary: Boundary::new(b"k"),
        withheld: Box::new(|path| path.as_str().starts_with("secret/")),
        corpus: OnceCell::new(),
    }
}

async fn ask(desk: &Desk, tool: Tool, arguments: Value) -> String {
    desk.answer(tool, &arguments).await.unwrap().text
}

#[tokio::test]
async fn lines_are_numbered_and_no_more_than_an_answer_holds() {
    let long = (1..=1000).map(|number| format!("line {number}")).collect::<Vec<_>>().join("\n");
    let desk = desk(Some(&[("a.rs", &long)]));
    let text = ask(&desk, Tool::ReadFile, json!({ "path": "a.rs", "start": 5, "end": 7 })).await;
    assert!(text.contains("id=\"a.rs:5-7 of 1000\"") && text.contains("\n5: line 5\n6: line 6\n7: line 7\n<"), "{text}");
    let text = ask(&desk, Tool::ReadFile, json!({ "path": "./a.rs" })).await;
    assert!(text.contains("a.rs:1-400 of 1000") && !text.contains("401:"));
    assert_eq!(ask(&desk, Tool::ReadFile, json!({ "path": "a.rs", "start": 1001 })).await, "error: a.rs has 1000 lines");
}

#[tokio::test]
async fn what_is_withheld_or_missing_is_said() {
    let desk = desk(Some(&[("secret/a.txt", "needle\n"), ("b.bin", "a\0b needle"), ("c.txt", "a needle\n")]));
    let read = |path: &'static str| ask(&desk, Tool::ReadFile, json!({ "path": path }));
    assert_eq!(read("secret/a.txt").await, "error: secret/a.txt is withheld from reviewers");
    assert_eq!(read("b.bin").await, "error: b.bin is binary");
    assert!(read("none").await.starts_with("error: there is no file none"));
    let text = ask(&desk, Tool::Grep, json!({ "pattern": "needle" })).await;
    assert!(text.starts_with("1 lines in 1 files; 2 files are binary, withheld or too large and were not searched\n"), "{text}");
    assert!(text.contains("c.txt:1: a needle"), "{text}");
}

#[tokio::test]
async fn bad_arguments_are_answered_and_never_fatal() {
    let desk = desk(Some(&[("a/b.txt", "x\n")]));
    for (tool, arguments, expected) in [
        (Tool::ReadFile, json!({}), "error: wrong arguments: missing field `path`"),
        (Tool::ReadFile, json!("a/b.txt"), "error: wrong arguments: "),
        (Tool::Grep, json!({ "pattern": "(" }), "error: not a regular expression"),
        (Tool::Grep, json!({ "pattern": "" }), "error: a pattern has 1 to 1000 bytes"),
        (Tool::ListFiles, json!({ "glob": "[" }), "error: not a glob"),
        (Tool::ReadRule, json!({ "id": "XX-1" }), "error: there is no rule XX-1 in force"),
        (Tool::GitHistory, json!({ "path": "a" }), "error: this run has no history"),
        (Tool::ReadDiff, json!({ "path": "z" }), "error: z is not among the changed files"),
    ] {
        let text = ask(&desk, tool, arguments).await;
        assert!(text.starts_with(expected), "{text}");
    }
    let text = ask(&desk, Tool::ReadFile, json!("{\"path\": \"a/b.txt\"}")).await;
    assert!(text.contains("1: x"), "arguments as a text that holds JSON: {text}");
}

#[tokio::test]
async fn a_name_alone_is_looked_for_anywhere() {
    let desk = desk(Some(&[("a/Cargo.toml", ""), ("Cargo.toml", ""), ("b.rs", "")]));
    let text = ask(&desk, Tool::ListFiles, json!({ "glob": "Cargo.toml" })).await;
    assert!(text.starts_with("2 files\n") && text.contains("a/Cargo.toml"), "{text}");
}

#[tokio::test]
async fn without_files_the_diff_and_the_rules_are_left() {
    let desk = desk(None);
    assert!(ask(&desk, Tool::ReadFile, json!({ "path": "a.rs" })).await.contains("has only the change"));
    let told = desk.answer(Tool::ReadDiff, &json!({ "path": "a.rs" })).await.unwrap();
    assert_eq!(told.read, Some(RepoPath::from("a.rs")));
    assert!(told.text.contains("### a.rs (modified, +1 −1)"));
    assert!(ask(&desk, Tool::ReadRule, json!({ "id": "SEC-0008" })).await.starts_with("SEC-0008: "));
}

#[tokio::test]
async fn a_rule_says_where_it_applies_and_whether_machines_have_looked() {
    let text = ask(&desk(None), Tool::ReadRule, json!({ "id": "REL-0002" })).await;
    let expected = "REL-0002: Add required columns in steps (important)\nApplies to: **/migrations/**, **/migration/**, **/migrate/**, **/db/**\nDetected: ";
    assert!(text.starts_with(expected), "{text}");
    assert!(!ask(&desk(None), Tool::ReadRule, json!({ "id": "DOC-0002" })).await.contains("Detected: "));
}
