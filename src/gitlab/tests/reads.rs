//! What is read of a merge request: GitLab's JSON with everything that may be missing, in pages as they come.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::gitlab::{
    Award, Drafts, FileFlags, GitlabErrorKind as Kind, Head, Project, Publishing, ServerVersion, TreeEntry, TreeKind, Version,
};
use crate::round::plan::BotState;
use crate::round::{MergeRequest, Note, NotePlace, RequestState, Thread};
use crate::settings::Access;

fn sha(digit: char) -> String {
    digit.to_string().repeat(40)
}

fn diff_refs() -> Value {
    json!({ "base_sha": sha('b'), "start_sha": sha('c'), "head_sha": sha('a') })
}

pub(in crate::gitlab) fn request(more: &Value) -> Value {
    let mut request = json!({
        "id": 301, "iid": 5, "project_id": 42, "target_project_id": 42, "source_project_id": 43,
        "title": "Add a cache", "description": null, "state": "opened", "draft": true,
        "author": user(7, "dana"), "labels": ["b", "a"],
        "source_branch": "cache", "target_branch": "main", "web_url": "https://gitlab.example.com/acme/app/-/merge_requests/5",
        "sha": sha('a'), "diff_refs": diff_refs(), "prepared_at": null, "changes_count": "1000+",
    });
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    request
}

fn user(id: u64, name: &str) -> Value {
    json!({ "id": id, "username": name, "name": "Dana", "state": "active", "avatar_url": null })
}

fn dana() -> Person {
    Person { id: 7, username: "dana".to_owned() }
}

#[tokio::test]
async fn a_merge_request_is_read_through_its_target_project() {
    let server = Server::script([Answer::json(200, &request(&json!({})))]).await;
    let expected = MergeRequest {
        project: 42,
        iid: 5,
        web_url: "https://gitlab.example.com/acme/app/-/merge_requests/5".to_owned(),
        title: "Add a cache".to_owned(),
        description: String::new(),
        state: RequestState::Open,
        draft: true,
        author: dana(),
        labels: vec!["a".to_owned(), "b".to_owned()],
        source_branch: "cache".to_owned(),
        target_branch: "main".to_owned(),
        source_project: Some(43),
        notes: None,
        refs: refs(),
    };
    assert_eq!(gitlab(&server).merge_request(TARGET, WAIT).await, Ok(expected));
    assert_eq!(server.lines(), ["GET projects/42/merge_requests/5"]);
}

#[tokio::test]
async fn a_diff_that_is_being_made_is_waited_for_but_not_for_ever() {
    let early = Answer::json(200, &request(&json!({ "diff_refs": null, "sha": null })));
    let half = Answer::json(200, &request(&json!({ "diff_refs": { "base_sha": null, "start_sha": null, "head_sha": sha('a') } })));
    let server = Server::script([early.clone(), half, Answer::json(200, &request(&json!({})))]).await;
    assert_eq!(gitlab(&server).merge_request(TARGET, WAIT).await.map(|request| request.refs), Ok(refs()));
    let server = Server::script([early]).await;
    let error = gitlab(&server).merge_request(TARGET, WAIT).await.unwrap_err();
    let said = "it is open, and GitLab has no diff of it (`diff_refs` is null, asked 3 times)";
    assert_eq!((error.kind(), error.said(), server.lines().len()), (&Kind::NoDiff, said, 3));
}

#[tokio::test]
async fn a_merged_request_without_a_diff_is_not_waited_for() {
    let server = Server::script([Answer::json(200, &request(&json!({ "diff_refs": null, "state": "merged" })))]).await;
    assert_eq!(gitlab(&server).merge_request(TARGET, WAIT).await.unwrap_err().kind(), &Kind::NoDiff);
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn the_head_is_one_request() {
    for (more, state, head) in [
        (json!({}), RequestState::Open, Some(commit('a'))),
        (json!({ "diff_refs": null }), RequestState::Open, Some(commit('a'))),
        (json!({ "diff_refs": null, "sha": null }), RequestState::Open, None),
        (json!({ "state": "locked" }), RequestState::Merged, Some(commit('a'))),
        (json!({ "state": "closed" }), RequestState::Closed, Some(commit('a'))),
    ] {
        let server = Server::script([Answer::json(200, &request(&more))]).await;
        assert_eq!(gitlab(&server).head(TARGET).await, Ok(Head { state, head, notes: None }), "{more}");
    }
}

#[tokio::test]
async fn an_old_gitlab_is_refused_by_its_version() {
    for (version, expected) in [
        ("19.5.0-ee", Ok(ServerVersion { major: 19, minor: 5 })),
        ("16.4.0", Ok(ServerVersion { major: 16, minor: 4 })),
        ("16.3.9-ee", Err(Kind::TooOld { needs: ServerVersion::OLDEST })),
        ("unknown", Err(Kind::Unexpected)),
    ] {
        let server = Server::script([Answer::json(200, &json!({ "version": version, "revision": "x", "enterprise": true }))]).await;
        assert_eq!(gitlab(&server).version().await.map_err(|error| error.kind().clone()), expected, "{version}");
    }
}

#[tokio::test]
async fn discussions_of_every_kind_are_read() {
    let position = |head: char, more: &Value| {
        let mut position =
            json!({ "base_sha": sha('b'), "start_sha": sha('c'), "head_sha": sha(head), "old_path": "o.rs", "new_path": "n.rs" });
        position.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        position
    };
    let note = |id: u64, more: &Value| {
        let mut note = json!({ "id": id, "type": null, "body": "text", "author": user(7, "dana"), "created_at": "t1", "updated_at": "t1",
            "system": false, "resolvable": false, "position": null });
        note.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        note
    };
    let suggestion = json!([{ "id": 31, "from_line": 6, "to_line": 7, "appliable": false, "applied": true }]);
    let first = json!({ "resolvable": true, "resolved": true, "resolved_by": user(7, "dana"), "updated_at": "t2", "suggestions": suggestion,
        "position": position('a', &json!({ "position_type": "text", "old_line": null, "new_line": 6, "line_range": null })) });
    let file = json!({ "system": true, "position": position('d', &json!({ "position_type": "file" })) });
    let lost = json!({ "position": position('a', &json!({ "head_sha": null })) });
    let discussions = json!([
        { "id": "1111", "individual_note": false, "notes": [note(1, &first), note(2, &file)] },
        { "id": "2222", "individual_note": true, "notes": [note(3, &lost)] },
        { "id": "3333", "individual_note": true, "notes": [] },
    ]);
    let server = Server::script([Answer::json(200, &discussions)]).await;
    let plain = Note {
        id: 3,
        author: dana(),
        body: "text".to_owned(),
        system: false,
        created_at: "t1".to_owned(),
        edited: false,
        resolvable: false,
        resolved: false,
        resolved_by: None,
        place: None,
        suggestion_applied: false,
    };
    let place =
        |head, new_line| Some(NotePlace { head: commit(head), old_path: "o.rs".into(), new_path: "n.rs".into(), old_line: None, new_line });
    let first = Note {
        id: 1,
        edited: true,
        resolvable: true,
        resolved: true,
        resolved_by: Some(dana()),
        place: place('a', Some(6)),
        suggestion_applied: true,
        ..plain.clone()
    };
    let second = Note { id: 2, system: true, place: place('d', None), ..plain.clone() };
    let expected = vec![
        Thread { id: "1111".to_owned(), individual: false, notes: vec![first, second] },
        Thread { id: "2222".to_owned(), individual: true, notes: vec![plain] },
    ];
    assert_eq!(gitlab(&server).threads(TARGET).await, Ok(expected));
}

fn award(id: u64) -> Value {
    json!({ "id": id, "name": "thumbsdown", "user": user(id, "u"), "created_at": "2026-11-01T10:00:00.000Z" })
}

/// The number of entries of a list in the pages that a server gives, and what it was asked.
async fn paged(answers: Vec<Answer>) -> (Result<usize, Kind>, Vec<String>) {
    let server = Server::script(answers).await;
    let read = gitlab(&server).awards(TARGET, 9).await.map(|awards| awards.len()).map_err(|error| error.kind().clone());
    (read, server.lines())
}

#[tokio::test]
async fn a_short_page_is_no_end_and_the_host_of_a_link_is_not_believed() {
    let next = r#"<https://elsewhere.example/api/v4/x?page=2&per_page=100>; rel="next", <https://elsewhere.example/x?page=1>; rel="first""#;
    let first = Answer::json(200, &json!([award(1)])).with("link", next);
    let empty = Answer::json(200, &json!([])).with("link", r#"</x?cursor=a%2Bb>; rel="next""#);
    let (read, lines) = paged(vec![first, empty, Answer::json(200, &json!([award(2), award(3)]))]).await;
    assert_eq!(read, Ok(3));
    let path = "GET projects/42/merge_requests/5/notes/9/award_emoji";
    assert_eq!(lines, [format!("{path}?per_page=100"), format!("{path}?page=2&per_page=100"), format!("{path}?cursor=a%2Bb")]);
}

#[tokio::test]
async fn without_links_the_number_of_the_next_page_counts() {
    let first = Answer::json(200, &json!([award(1)])).with("x-next-page", "2");
    let (read, lines) = paged(vec![first, Answer::json(200, &json!([award(2)])).with("x-next-page", "")]).await;
    assert_eq!((read, lines[1].as_str()), (Ok(2), "GET projects/42/merge_requests/5/notes/9/award_emoji?per_page=100&page=2"));
}

#[tokio::test]
async fn pages_that_never_end_do() {
    let same = Answer::json(200, &json!([])).with("link", r#"</x?per_page=100>; rel="next""#);
    assert_eq!(paged(vec![same]).await.0, Err(Kind::Unexpected));
    let mut page = 1;
    let server = Server::start(move |_| {
        page += 1;
        Answer::json(200, &json!([])).with("link", format!(r#"</x?page={page}>; rel="next""#))
    })
    .await;
    assert_eq!(gitlab(&server).awards(TARGET, 9).await.unwrap_err().kind(), &Kind::TooLarge);
    assert_eq!(server.lines().len(), 200);
}

#[tokio::test]
async fn a_list_that_breaks_off_is_no_short_list() {
    let first = || Answer::json(200, &json!([award(1)])).with("link", r#"</x?page=2>; rel="next""#);
    for (broken, kind) in [
        (Answer::text(200, "application/json", r#"[{"id":1,"#), Kind::Unavailable),
        (Answer::text(200, "application/json", r#"[{"id":1],"#), Kind::NotGitlab),
        (Answer::json(200, &json!([{ "id": 1 }])), Kind::Unexpected),
        (Answer::json(200, &json!({ "message": "hello" })), Kind::Unexpected),
        (Answer::broken(), Kind::Unavailable),
    ] {
        assert_eq!(paged(vec![first(), broken]).await.0, Err(kind));
    }
}

#[tokio::test]
async fn drafts_of_ours_and_of_a_person_with_the_same_token_are_told_apart() {
    let drafts = json!([
        { "id": 1, "note": "text\n\n<!-- assize:finding v1 F-1 x mac=y -->", "position": null, "discussion_id": null },
        { "id": 2, "note": "I wonder", "position": null },
        { "id": 3, "note": null },
    ]);
    let server = Server::script([Answer::json(200, &drafts)]).await;
    let drafts = gitlab(&server).drafts(TARGET).await.unwrap();
    assert_eq!((drafts.publishing(), Drafts::default().publishing()), (Publishing::OneByOne, Publishing::Batch));
    assert_eq!(drafts, Drafts { ours: vec![1], others: 2 });
}

#[tokio::test]
async fn votes_are_those_of_the_bot() {
    let approvals = |id: u64| Answer::json(200, &json!({ "approved": true, "approved_by": [{ "user": user(id, "u") }] }));
    let reviewers = |state: &str| {
        Answer::json(
            200,
            &json!([{ "user": user(7, "dana"), "state": "requested_changes" }, { "user": user(9001, "bot"), "state": state }]),
        )
    };
    for (answers, approved, requested_changes) in [
        ([reviewers("reviewed"), approvals(9001)], true, false),
        ([reviewers("requested_changes"), approvals(7)], false, true),
        ([Answer::json(200, &json!([])), Answer::json(200, &json!({ "approved_by": null }))], false, false),
    ] {
        let server = Server::script(answers).await;
        assert_eq!(gitlab(&server).votes(TARGET, &me(), 3).await, Ok(BotState { approved, requested_changes, drafts: 3 }));
    }
}

#[tokio::test]
async fn a_label_was_set_by_who_added_it_last() {
    let event =
        |by: Value, label: &str, action: &str| json!({ "id": 1, "user": by, "label": { "id": 1, "name": label }, "action": action });
    let events = json!([
        event(user(7, "dana"), "assize::lite", "add"),
        event(user(8, "eli"), "gone", "add"),
        event(user(7, "dana"), "gone", "remove"),
        event(user(7, "dana"), "nobody", "add"),
        event(Value::Null, "nobody", "add"),
        event(user(8, "eli"), "assize::lite", "add"),
        { "id": 1, "user": user(7, "dana"), "label": null, "action": "add" },
    ]);
    let server = Server::script([Answer::json(200, &events)]).await;
    let expected = BTreeMap::from([("assize::lite".to_owned(), Person { id: 8, username: "eli".to_owned() })]);
    assert_eq!(gitlab(&server).label_setters(TARGET).await, Ok(expected));
}

#[tokio::test]
async fn roles_are_levels_and_strangers_have_none() {
    for (answer, access) in [
        (Answer::json(200, &json!({ "id": 7, "access_level": 40 })), Ok(Some(Access::Maintainer))),
        (Answer::json(200, &json!({ "id": 7, "access_level": "30" })), Ok(Some(Access::Developer))),
        (Answer::json(200, &json!({ "id": 7, "access_level": 25 })), Ok(Some(Access::Reporter))),
        (Answer::json(200, &json!({ "id": 7, "access_level": 10 })), Ok(None)),
        (Answer::json(404, &json!({ "message": "404 Not found" })), Ok(None)),
        (Answer::json(200, &json!({ "id": 7, "access_level": "much" })), Err(Kind::Unexpected)),
        (Answer::json(403, &json!({ "message": "403 Forbidden" })), Err(Kind::Forbidden)),
    ] {
        let server = Server::script([answer]).await;
        assert_eq!(gitlab(&server).access(42, 7).await.map_err(|error| error.kind().clone()), access);
        assert_eq!(server.lines(), ["GET projects/42/members/all/7"]);
    }
}

#[tokio::test]
async fn reactions_versions_files_and_projects_are_read() {
    let server = Server::script([Answer::json(200, &json!([award(8)]))]).await;
    let by = Person { id: 8, username: "u".to_owned() };
    assert_eq!(
        gitlab(&server).awards(TARGET, 9).await,
        Ok(vec![Award { name: "thumbsdown".to_owned(), by, at: "2026-11-01T10:00:00.000Z".to_owned() }])
    );

    let version = json!({ "id": 900, "head_commit_sha": sha('a'), "base_commit_sha": sha('b'), "start_commit_sha": sha('c'),
        "created_at": "2026-11-01T09:00:00.000Z", "real_size": "1000+", "patch_id_sha": null });
    let empty = json!({ "id": 899, "head_commit_sha": null, "base_commit_sha": null, "start_commit_sha": null, "created_at": "t" });
    let server = Server::script([Answer::json(200, &json!([version, empty]))]).await;
    let expected = vec![
        Version { id: 900, refs: Some(refs()), created_at: "2026-11-01T09:00:00.000Z".to_owned() },
        Version { id: 899, refs: None, created_at: "t".to_owned() },
    ];
    assert_eq!(gitlab(&server).versions(TARGET).await, Ok(expected));

    let file = json!({ "old_path": "a", "new_path": "b", "generated_file": null, "collapsed": true, "too_large": false, "diff": "" });
    let server = Server::script([Answer::json(200, &json!([file]))]).await;
    let flags = FileFlags { old_path: "a".into(), new_path: "b".into(), generated: false, too_large: false, collapsed: true };
    assert_eq!(gitlab(&server).files(TARGET).await, Ok(vec![flags]));

    let project = json!({ "id": 42, "path_with_namespace": "acme/app", "web_url": "w", "default_branch": null, "archived": true });
    let server = Server::script([Answer::json(200, &project)]).await;
    let expected = Project { id: 42, path: "acme/app".to_owned(), web_url: "w".to_owned(), default_branch: None, archived: true };
    assert_eq!(gitlab(&server).project(42).await, Ok(expected));
}

#[tokio::test]
async fn a_file_that_is_missing_is_none_and_a_project_that_is_an_error() {
    let path = ".assize/codex/a b#1.md".into();
    let server = Server::script([Answer::text(200, "text/plain", "text")]).await;
    assert_eq!(gitlab(&server).file(42, &commit('c'), &path, 100).await, Ok(Some(b"text".to_vec())));
    let at = sha('c');
    assert_eq!(server.lines(), [format!("GET projects/42/repository/files/.assize%2Fcodex%2Fa%20b%231.md/raw?ref={at}")]);
    let missing = |message: &str| Server::script([Answer::json(404, &json!({ "message": message }))]);
    assert_eq!(gitlab(&missing("404 File Not Found").await).file(42, &commit('c'), &path, 100).await, Ok(None));
    let error = gitlab(&missing("404 Project Not Found").await).file(42, &commit('c'), &path, 100).await.unwrap_err();
    assert_eq!(error.kind(), &Kind::NotFound);
}

#[tokio::test]
async fn a_tree_tells_files_from_folders_links_and_submodules() {
    let entry = |path: &str, kind: &str, mode: &str| json!({ "id": "x", "name": path, "path": path, "type": kind, "mode": mode });
    let entries = json!([
        entry(".assize/codex", "tree", "040000"),
        entry(".assize/a.md", "blob", "100644"),
        entry(".assize/link", "blob", "120000"),
        entry(".assize/sub", "commit", "160000"),
    ]);
    let server = Server::script([Answer::json(200, &entries)]).await;
    let expected = [
        (".assize/codex", TreeKind::Folder),
        (".assize/a.md", TreeKind::File),
        (".assize/link", TreeKind::Link),
        (".assize/sub", TreeKind::Submodule),
    ];
    let expected = expected.map(|(path, kind)| TreeEntry { path: path.into(), kind }).to_vec();
    assert_eq!(gitlab(&server).tree(42, &commit('c'), ".assize").await, Ok(Some(expected)));
    let at = sha('c');
    let line = format!("GET projects/42/repository/tree?ref={at}&recursive=true&pagination=keyset&path=.assize&per_page=100");
    assert_eq!(server.lines(), [line]);
    let server = Server::script([Answer::json(404, &json!({ "message": "404 Tree Not Found" }))]).await;
    assert_eq!(gitlab(&server).tree(42, &commit('c'), ".assize").await, Ok(None));
}
