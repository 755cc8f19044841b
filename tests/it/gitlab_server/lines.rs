//! Positions: all lines of the vectors are accepted where they stand, and refused anywhere else.

use serde_json::{Value, json};

use super::{Http, Scene, note_refused};
use crate::gitlab::{Edit, GitLab, Mr, Options, Role, Scope};

const VECTORS: &str = include_str!("../../data/position-vectors.json");
const WRONG: &str = r#"{:line_code=>["can't be blank", "must be a valid line code"]}"#;

fn numbered(name: &str, lines: std::ops::RangeInclusive<u32>) -> String {
    lines.map(|number| format!("{name} {number}")).collect::<Vec<_>>().join("\n") + "\n"
}

/// The repository whose diff the vectors hold.
async fn vectors() -> (GitLab, Http, Mr, Value) {
    let gitlab = GitLab::start().await;
    let project = gitlab.project("acme/app");
    let functions = |tenth: &str| {
        (1..=20).map(|number| if number == 10 { format!("{tenth}\n") } else { format!("fn f{number}() {{}}\n") }).collect::<String>()
    };
    let lib = numbered("line", 1..=40);
    let changed = lib.replace("line 5\n", "line five changed\ninserted after five\n").replace("line 30\n", "");
    project.commit(
        Edit::from([
            ("crlf.txt", "x\r\ny\r\nz\r\n"),
            ("docs/gone.md", "a\nb\nc\n"),
            ("docs/héllo wörld.md", "t\nu\n"),
            ("no_eol.txt", "one\ntwo"),
        ])
        .write("src/lib.rs", lib)
        .write("src/old_name.rs", functions("fn f10() {}")),
    );
    let dana = project.member("dana", Role::Developer);
    let bot = project.bot("assize", Role::Developer);
    let edit = Edit::from([("crlf.txt", "x\r\nY\r\nz\r\n"), ("docs/héllo wörld.md", "t\nU\n"), ("no_eol.txt", "one\ntwo\nthree")]);
    let edit = edit.delete("docs/gone.md").write("src/added.rs", "new 1\nnew 2\nnew 3\n").write("src/lib.rs", changed);
    let edit = edit.rename("src/old_name.rs", "src/new_name.rs").write("src/new_name.rs", functions("fn f10() { todo!() }"));
    let mr = project.merge_request(&dana, edit);
    let http = Http::of(&gitlab, project.token(&bot, Scope::Api));
    (gitlab, http, mr, serde_json::from_str(VECTORS).expect("JSON"))
}

async fn try_at(http: &Http, mr: &Mr, place: &Value) -> (u16, Value) {
    let [base, start, head] = mr.refs();
    let mut position = json!({ "position_type": "text", "base_sha": base, "start_sha": start, "head_sha": head });
    position.as_object_mut().expect("an object").extend(place.as_object().expect("an object").clone());
    let path = format!("projects/{}/merge_requests/{}/discussions", mr.project().id(), mr.iid);
    http.post(&path, json!({ "body": "Here.", "position": position })).await
}

#[tokio::test]
async fn every_line_of_the_vectors_is_accepted_where_it_stands_and_refused_elsewhere() {
    let (_gitlab, http, mr, vectors) = vectors().await;
    let mut lines = 0;
    for line in vectors["files"].as_array().expect("files").iter().flat_map(|file| file["lines"].as_array().expect("lines")) {
        lines += 1;
        let place = &line["position"];
        let (status, answer) = try_at(&http, &mr, place).await;
        assert_eq!((status, &answer["notes"][0]["type"]), (201, &json!("DiffNote")), "{line}");
        for (side, other) in [("old_line", "new_line"), ("new_line", "old_line")] {
            // A number too many, a number too few, and a pair that is none.
            let mut wrong = place.clone();
            match (place[side].as_u64(), place[other].as_u64()) {
                (Some(number), None) => wrong[other] = json!(number),
                (Some(_), Some(_)) => wrong.as_object_mut().expect("an object").remove(side).map_or((), drop),
                (None, _) => wrong[other] = json!(900),
            }
            assert_eq!(try_at(&http, &mr, &wrong).await, note_refused(WRONG), "{wrong} instead of {place}");
        }
    }
    assert_eq!(lines, 41);
}

#[tokio::test]
async fn the_codes_of_the_vectors_are_those_of_drafts() {
    let (_gitlab, http, mr, vectors) = vectors().await;
    let [base, start, head] = mr.refs();
    let path = format!("projects/{}/merge_requests/{}/draft_notes", mr.project().id(), mr.iid);
    for line in vectors["files"].as_array().expect("files").iter().flat_map(|file| file["lines"].as_array().expect("lines")) {
        let mut position = json!({ "position_type": "text", "base_sha": base, "start_sha": start, "head_sha": head });
        position.as_object_mut().expect("an object").extend(line["position"].as_object().expect("an object").clone());
        let (status, draft) = http.post(&path, json!({ "note": "Here.", "position": position })).await;
        assert_eq!((status, &draft["line_code"]), (201, &line["line_code"]), "{line}");
    }
}

#[tokio::test]
async fn lines_outside_of_the_hunks_are_unfolded() {
    let (_gitlab, http, mr, _) = vectors().await;
    let at = |old: u64, new: u64| json!({ "old_path": "src/lib.rs", "new_path": "src/lib.rs", "old_line": old, "new_line": new });
    for (old, new) in [(1, 1), (15, 16), (26, 27), (40, 40)] {
        assert_eq!(try_at(&http, &mr, &at(old, new)).await.0, 201, "{old}/{new}");
    }
    for (old, new) in [(15, 15), (40, 41), (41, 41), (0, 0)] {
        assert_eq!(try_at(&http, &mr, &at(old, new)).await, note_refused(WRONG), "{old}/{new}");
    }
    // Neither a file that is added nor one that is deleted has anything to unfold.
    let added = json!({ "old_path": "src/added.rs", "new_path": "src/added.rs", "old_line": 1, "new_line": 1 });
    assert_eq!(try_at(&http, &mr, &added).await, note_refused(WRONG));
    let renamed = json!({ "old_path": "src/old_name.rs", "new_path": "src/new_name.rs", "old_line": 1, "new_line": 1 });
    assert_eq!(try_at(&http, &mr, &renamed).await.0, 201);
}

#[tokio::test]
async fn a_position_needs_both_paths_a_line_and_commits_that_exist() {
    let scene = Scene::new().await;
    let post = async |position: Value| scene.http.post(&scene.path("discussions"), json!({ "body": "Here.", "position": position })).await;
    let incomplete = r#"{:line_code=>["can't be blank", "must be a valid line code"], :position=>["is incomplete"]}"#;
    assert_eq!(post(scene.position_with(&json!({ "new_line": null }))).await, note_refused(incomplete));
    assert_eq!(post(scene.position_with(&json!({ "old_path": null }))).await, note_refused(incomplete));
    assert_eq!(post(scene.position_with(&json!({ "head_sha": "1".repeat(40) }))).await, note_refused(WRONG));
    assert_eq!(post(scene.position_with(&json!({ "old_path": "other.rs" }))).await, note_refused(WRONG));
    assert_eq!(post(scene.position_with(&json!({ "new_line": "x" }))).await, (400, json!({ "error": "position[new_line] is invalid" })));
    let mut without = scene.position();
    without.as_object_mut().expect("an object").remove("head_sha");
    assert_eq!(post(without).await, (400, json!({ "error": "position[head_sha] is missing" })));
    assert_eq!(scene.mr.threads(), []);
}

#[tokio::test]
async fn a_file_can_be_commented_as_a_whole_since_16_4() {
    let scene = Scene::new().await;
    let file = json!({ "position_type": "file", "new_line": null });
    let (status, answer) =
        scene.http.post(&scene.path("discussions"), json!({ "body": "All of it.", "position": scene.position_with(&file) })).await;
    assert_eq!((status, &answer["notes"][0]["position"]["position_type"]), (201, &json!("file")));
    assert_eq!(answer["notes"][0]["position"].get("new_line"), None);
    assert_eq!(scene.mr.thread("All of it.").place, "src/a.rs");

    let older = Scene::with(Options { version: "16.3.0-ee".to_owned(), ..Options::default() }).await;
    let (status, answer) =
        older.http.post(&older.path("discussions"), json!({ "body": "All of it.", "position": older.position_with(&file) })).await;
    assert_eq!((status, answer), (400, json!({ "error": "position[position_type] does not have a valid value" })));
}

#[tokio::test]
async fn a_position_on_an_older_version_is_accepted_and_outdated() {
    let scene = Scene::new().await;
    let position = scene.position();
    scene.mr.push([("src/a.rs", "one\nII\nthree\n")]);
    let (status, _) = scene.http.post(&scene.path("discussions"), json!({ "body": "Old.", "position": position })).await;
    assert_eq!((status, scene.mr.thread("Old.").place.as_str()), (201, "src/a.rs +2 (outdated)"));
}

#[tokio::test]
async fn a_patch_that_is_too_large_has_no_lines() {
    let scene = Scene::with(Options { patch_limit: 10, ..Options::default() }).await;
    let (_, diffs) = scene.http.get(&scene.path("diffs")).await;
    assert_eq!((&diffs[0]["too_large"], &diffs[0]["diff"]), (&json!(true), &json!("")));
    let refused = scene.http.post(&scene.path("discussions"), json!({ "body": "Here.", "position": scene.position() })).await;
    assert_eq!(refused, note_refused(WRONG));

    let scene = Scene::with(Options { collapse_above: Some(10), generated: vec!["src/a.rs".to_owned()], ..Options::default() }).await;
    let (_, diffs) = scene.http.get(&scene.path("diffs")).await;
    assert_eq!((&diffs[0]["collapsed"], &diffs[0]["diff"], &diffs[0]["generated_file"]), (&json!(true), &json!(""), &json!(true)));
    let (status, _) = scene.http.post(&scene.path("discussions"), json!({ "body": "Here.", "position": scene.position() })).await;
    assert_eq!(status, 201);
}
