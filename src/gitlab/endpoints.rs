//! The endpoints that the library lacks or sends wrongly. Ours carry JSON, so that a null, a number and a nested position stay what they are.
//! It must not send anything.

use gitlab::api::common::path_escaped;
use gitlab::api::endpoint_prelude::*;
use serde_json::{Map, Value, json};

use super::Target;
use crate::change::{LinePosition, Side};
use crate::round::{DiffRefs, RungPlace};

/// One request of ours.
pub(super) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl Endpoint for Call {
    fn method(&self) -> Method {
        self.method.clone()
    }

    fn endpoint(&self) -> Cow<'static, str> {
        self.path.clone().into()
    }

    fn parameters(&self) -> QueryParams<'_> {
        let mut parameters = QueryParams::default();
        for (name, value) in &self.query {
            parameters.push(*name, value.as_str());
        }
        parameters
    }

    fn body(&self) -> Result<Option<(&'static str, Vec<u8>)>, BodyError> {
        self.body.as_ref().map_or(Ok(None), JsonParams::into_body)
    }
}

impl Call {
    fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), query: Vec::new(), body: None }
    }

    fn with(method: Method, path: String, body: Value) -> Self {
        Self { method, path, query: Vec::new(), body: Some(body) }
    }
}

fn request(target: Target, rest: &str) -> String {
    format!("projects/{}/merge_requests/{}/{rest}", target.project, target.iid)
}

pub(super) fn metadata() -> Call {
    Call::get("metadata")
}

pub(super) fn versions(target: Target) -> Call {
    Call::get(request(target, "versions"))
}

pub(super) fn raw_diffs(target: Target) -> Call {
    Call::get(request(target, "raw_diffs"))
}

pub(super) fn drafts(target: Target) -> Call {
    Call::get(request(target, "draft_notes"))
}

/// The library sends the parameters of this one as a form in the body of a GET, which proxies may drop.
pub(super) fn tree(project: u64, at: &str, path: &str) -> Call {
    let mut query = vec![("ref", at.to_owned()), ("recursive", "true".to_owned()), ("pagination", "keyset".to_owned())];
    if !path.is_empty() {
        query.push(("path", path.to_owned()));
    }
    Call { query, ..Call::get(format!("projects/{project}/repository/tree")) }
}

/// Creates a draft. `place` is a position as GitLab takes it.
pub(super) fn create_draft(target: Target, body: &str, place: &Value) -> Call {
    Call::with(Method::POST, request(target, "draft_notes"), json!({ "note": body, "position": place }))
}

pub(super) fn delete_draft(target: Target, draft: u64) -> Call {
    Call { method: Method::DELETE, ..Call::get(request(target, &format!("draft_notes/{draft}"))) }
}

/// Publishes all drafts of the user. From 19.2 on a summary and the reviewer's state go with them.
pub(super) fn publish(target: Target, summary: Option<&str>, state: Option<&str>) -> Call {
    let mut body = Map::new();
    for (name, value) in [("note", summary), ("reviewer_state", state)] {
        if let Some(value) = value {
            body.insert(name.to_owned(), value.into());
        }
    }
    Call::with(Method::POST, request(target, "draft_notes/bulk_publish"), body.into())
}

pub(super) fn create_thread(target: Target, body: &str, place: &Value) -> Call {
    Call::with(Method::POST, request(target, "discussions"), json!({ "body": body, "position": place }))
}

pub(super) fn reply(target: Target, thread: &str, body: &str) -> Call {
    Call::with(Method::POST, request(target, &format!("discussions/{}/notes", path_escaped(thread))), json!({ "body": body }))
}

pub(super) fn set_resolved(target: Target, thread: &str, resolved: bool) -> Call {
    Call::with(Method::PUT, request(target, &format!("discussions/{}", path_escaped(thread))), json!({ "resolved": resolved }))
}

/// Returns the position of a thread as GitLab takes it: numbers that a line does not have are left out, because a null would be one too many
/// for some versions.
pub(super) fn position(refs: &DiffRefs, place: &RungPlace) -> Value {
    let (kind, old_path, new_path, lines) = match place {
        RungPlace::Lines(position) => ("text", &position.old_path, &position.new_path, Some(position)),
        RungPlace::File { old_path, new_path } => ("file", old_path, new_path, None),
    };
    let mut value = json!({
        "position_type": kind,
        "base_sha": refs.base.as_str(),
        "start_sha": refs.start.as_str(),
        "head_sha": refs.head.as_str(),
        "old_path": old_path.as_str(),
        "new_path": new_path.as_str(),
    });
    if let Some(position) = lines {
        numbers(&mut value, &position.line);
        if let Some(start) = &position.start {
            value["line_range"] = json!({ "start": line(start), "end": line(&position.line) });
        }
    }
    value
}

fn line(line: &LinePosition) -> Value {
    let mut value = json!({ "line_code": line.line_code });
    if let Some(side) = line.side {
        let side = match side {
            Side::Old => "old",
            Side::New => "new",
        };
        value["type"] = side.into();
    }
    numbers(&mut value, line);
    value
}

fn numbers(value: &mut Value, line: &LinePosition) {
    for (name, number) in [("old_line", line.old_line), ("new_line", line.new_line)] {
        if let Some(number) = number {
            value[name] = number.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Change, parse};
    use crate::gitlab::tests::refs;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../tests/data/position-vectors.json")).unwrap()
    }

    fn change() -> Change {
        parse(vectors()["diff"].as_str().unwrap().as_bytes()).unwrap()
    }

    #[test]
    fn every_line_of_the_reference_diff_is_sent_at_gitlabs_own_position() {
        let (vectors, change) = (vectors(), change());
        let mut seen = 0;
        for (file, expected) in change.files().iter().zip(vectors["files"].as_array().unwrap()) {
            for (index, expected) in expected["lines"].as_array().unwrap().iter().enumerate() {
                let place = RungPlace::Lines(change.span(file.path(), index, index).unwrap().position());
                let sent = position(&refs(), &place);
                let mut whole = json!({ "position_type": "text", "base_sha": sent["base_sha"], "start_sha": sent["start_sha"],
                    "head_sha": sent["head_sha"] });
                whole.as_object_mut().unwrap().extend(expected["position"].as_object().unwrap().clone());
                assert_eq!(sent, whole);
                seen += 1;
            }
        }
        assert_eq!(seen, 41);
    }

    #[test]
    fn a_range_names_both_its_ends() {
        let place = RungPlace::Lines(change().span(&"src/lib.rs".into(), 2, 5).unwrap().position());
        insta::assert_json_snapshot!(position(&refs(), &place), @r#"
        {
          "position_type": "text",
          "base_sha": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
          "start_sha": "cccccccccccccccccccccccccccccccccccccccc",
          "head_sha": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
          "old_path": "src/lib.rs",
          "new_path": "src/lib.rs",
          "new_line": 6,
          "line_range": {
            "start": {
              "line_code": "b24749917179fb5e3e613ed2a703fcdcc6cdf9da_4_4",
              "old_line": 4,
              "new_line": 4
            },
            "end": {
              "line_code": "b24749917179fb5e3e613ed2a703fcdcc6cdf9da_6_6",
              "type": "new",
              "new_line": 6
            }
          }
        }
        "#);
    }

    #[test]
    fn a_file_has_paths_alone() {
        let place = RungPlace::File { old_path: "old.rs".into(), new_path: "new.rs".into() };
        let expected = json!({
            "position_type": "file",
            "base_sha": "b".repeat(40),
            "start_sha": "c".repeat(40),
            "head_sha": "a".repeat(40),
            "old_path": "old.rs",
            "new_path": "new.rs",
        });
        assert_eq!(position(&refs(), &place), expected);
    }

    #[test]
    fn a_batch_says_only_what_it_should() {
        let target = Target { project: 1, iid: 2 };
        assert_eq!(publish(target, None, None).body, Some(json!({})));
        assert_eq!(publish(target, Some("s"), None).body, Some(json!({ "note": "s" })));
        assert_eq!(publish(target, None, Some("reviewed")).body, Some(json!({ "reviewer_state": "reviewed" })));
    }
}
