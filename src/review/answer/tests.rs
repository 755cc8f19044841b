//! Tests of answers as models give them: good, sloppy, cut, wrapped in prose, and nonsense.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(arguments: &Value) -> Result<Answer<Claim>, String> {
    claims(arguments, &ReviewerName::parse("quality").unwrap())
}

fn finding() -> Value {
    json!({
        "title": "The loop never ends.", "severity": "important", "path": "src/a.rs", "first": "4#abcd", "last": "5#1234",
        "quote": "loop {\n}", "body": " It spins. ", "rule_ids": ["QUAL-0001"], "suggestion": null,
        "related": [{ "path": "b.rs", "line": 3, "quote": "f()" }], "confidence": 0.8, "prior_id": null
    })
}

#[test]
fn a_good_answer_becomes_claims() {
    let answer = read(&json!({ "findings": [finding()] })).unwrap();
    assert_eq!(answer.unusable, Vec::<String>::new());
    let claim = &answer.items[0];
    assert_eq!((claim.title.as_str(), claim.body.as_str(), claim.confidence.percent()), ("The loop never ends", "It spins.", 80));
    assert_eq!((claim.cited.first.as_str(), claim.related.len(), claim.rule_ids.len()), ("4#abcd", 1, 1));
    assert_eq!(claim.source, Source::Reviewer(ReviewerName::parse("quality").unwrap()));
    assert_eq!(read(&json!({ "findings": [] })).unwrap().items, []);
}

#[test]
fn sloppy_answers_are_understood() {
    let mut sloppy = finding();
    sloppy["severity"] = json!("Important");
    sloppy["confidence"] = json!("85%");
    sloppy["rule_ids"] = json!("QUAL-0001");
    sloppy["related"] = Value::Null;
    sloppy["quote"] = Value::Null;
    sloppy.as_object_mut().unwrap().remove("prior_id");
    for arguments in [
        json!({ "findings": [sloppy] }),
        json!([sloppy]),
        json!({ "findings": json!([sloppy]).to_string() }),
        json!(json!({ "findings": [sloppy] }).to_string()),
    ] {
        let answer = read(&arguments).unwrap();
        assert_eq!((answer.items.len(), answer.unusable.len()), (1, 0), "{arguments}");
        assert_eq!((answer.items[0].confidence.percent(), answer.items[0].rule_ids.len()), (85, 1));
    }
}

#[test]
fn one_bad_finding_spoils_no_other_and_is_named() {
    let mut bad = finding();
    bad["severity"] = json!("blocker");
    let answer = read(&json!({ "findings": [bad, finding(), { "title": "x" }] })).unwrap();
    assert_eq!(answer.items.len(), 1);
    assert_eq!(
        answer.unusable,
        [
            "`findings[0]`: `severity` is \"blocker\", but must be critical, important, suggestion or nit",
            "`findings[2]`: missing field `severity`"
        ]
    );
}

#[test]
fn nonsense_is_an_error_and_never_an_empty_list() {
    assert_eq!(read(&json!({})).unwrap_err(), "`findings` is missing");
    assert_eq!(read(&json!({ "findings": "none" })).unwrap_err(), "`findings` must be a list, got a text");
    assert_eq!(read(&json!("I found nothing.")).unwrap_err(), "expected an object with `findings`, got a text");
    assert_eq!(read(&Value::Null).unwrap_err(), "expected an object with `findings`, got null");
}

#[test]
fn judgements_are_read() {
    let answer = judgements(&json!({ "judgements": [
        { "id": "C-1", "decision": "KEEP", "severity": "critical", "why": "true" },
        { "id": "C-2", "decision": "merge", "into": "C-1", "severity": "huge" },
        { "id": "C-3", "decision": "maybe" }
    ] }))
    .unwrap();
    assert_eq!(answer.items.len(), 2);
    assert_eq!((answer.items[0].decision, answer.items[0].severity), (Decision::Keep, Some(Severity::Critical)));
    assert_eq!((answer.items[1].into.as_deref(), answer.items[1].severity), (Some("C-1"), None));
    assert_eq!(answer.unusable, ["`judgements[2]`: `decision` is \"maybe\", but must be keep, merge or drop"]);
}

#[test]
fn json_is_found_in_prose_fences_and_pieces() {
    let expected = Some(json!({ "findings": [] }));
    for text in [
        "{\"findings\": []}",
        "Here it is:\n```json\n{\"findings\": []}\n```\nDone.",
        "I think {\"findings\": []} is right",
        "{'findings': [],}",
        "{\"findings\": [",
    ] {
        assert_eq!(json_in(text), expected, "{text}");
    }
    for text in ["", "nothing found", "42", "\"findings\"", "```\ncode\n```"] {
        assert_eq!(json_in(text), None, "{text}");
    }
}

#[test]
fn tool_calls_written_as_text_are_found() {
    let expected = vec![("read_file".to_owned(), json!({ "path": "a.rs" }))];
    for text in [
        r#"{"name": "read_file", "arguments": {"path": "a.rs"}}"#,
        "Let me look.\n```json\n{\"name\": \"read_file\", \"arguments\": {\"path\": \"a.rs\"}}\n```",
        r#"<tool_call>{"name": "read_file", "parameters": {"path": "a.rs"}}</tool_call>"#,
        r#"[{"function": {"name": "read_file", "arguments": "{\"path\": \"a.rs\"}"}}]"#,
    ] {
        assert_eq!(calls_in(text), expected, "{text}");
    }
    assert_eq!(calls_in("{\"findings\": []}"), []);
}

#[test]
fn schemas_are_bare_and_describe_every_field() {
    for (schema, list) in [(findings_schema(), "findings"), (verdict_schema(), "judgements")] {
        assert_eq!((schema.get("$schema"), schema.get("definitions")), (None, None));
        let item = &schema["properties"][list]["items"];
        for (name, field) in item["properties"].as_object().unwrap() {
            assert!(field["description"].is_string(), "{name} of {list}");
        }
    }
    assert_eq!(
        findings_schema()["properties"]["findings"]["items"]["properties"]["severity"]["enum"],
        json!(["critical", "important", "suggestion", "nit"])
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_reading_panic(text in "(?s)[\\[\\]{}\":,a-z0-9 `\n<>/_]{0,120}") {
        if let Some(value) = json_in(&text) {
            let _claims = read(&value);
            let _judgements = judgements(&value);
        }
        calls_in(&text);
    }
}
