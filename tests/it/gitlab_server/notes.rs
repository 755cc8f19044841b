//! Notes and threads: what is stored, who may change it, what quick actions do, what is mailed.

use serde_json::{Value, json};

use super::{Http, Scene, note_refused};
use crate::gitlab::{Executed, NoteView, Options, Place, Role, Scope};

#[tokio::test]
async fn a_note_is_single_and_a_discussion_is_a_thread() {
    let scene = Scene::new().await;
    let (status, note) = scene.http.post(&scene.path("notes"), json!({ "body": "Summary <!-- hidden -->" })).await;
    assert_eq!((status, &note["type"], &note["resolvable"], note.get("resolved")), (201, &Value::Null, &json!(false), None));
    let (_, thread) = scene.http.post(&scene.path("discussions"), json!({ "body": "Thread" })).await;
    let first = &thread["notes"][0];
    assert_eq!((&first["type"], &first["resolved"], &thread["individual_note"]), (&json!("DiscussionNote"), &json!(false), &json!(false)));
    assert_eq!(thread["id"].as_str().map(str::len), Some(40));
    scene.mr.reply(&scene.dana, thread["id"].as_str().expect("an ID"), "Well.");
    assert_eq!(scene.mr.summary().map(|note| note.body), Some("Summary <!-- hidden -->".to_owned()));
    insta::assert_snapshot!(scene.mr.posted(), @r"
    === Note
    @assize:
    Summary <!-- … -->

    === Thread on overview · open
    @assize:
    Thread

    @dana:
    Well.
    ");
    assert_eq!(scene.gitlab.mails_by("assize"), ["note", "note"]);
}

#[tokio::test]
async fn only_the_author_and_maintainers_edit_and_delete() {
    let scene = Scene::new().await;
    let theirs = scene.mr.say(&scene.dana, "Mine.");
    let note = scene.path(&format!("notes/{theirs}"));
    assert_eq!(scene.http.put(&note, json!({ "body": "Yours." })).await, (403, json!({ "message": "403 Forbidden" })));
    assert_eq!(scene.http.delete(&note).await, 403);
    let boss = scene.project.member("mai", Role::Maintainer);
    scene.mr.edit(&boss, theirs, "Ours.");
    let (_, edited) = scene.http.get(&note).await;
    assert_eq!(edited["body"], "Ours.");
    assert_ne!(edited["created_at"], edited["updated_at"]);
    scene.mr.delete(&scene.dana, theirs);
    assert_eq!(scene.http.get(&note).await, (404, json!({ "message": "404 Note Not Found" })));
    // Neither of them mailed anybody.
    assert_eq!(scene.gitlab.mails().len(), 1);
}

#[tokio::test]
async fn threads_are_resolved_by_developers_authors_and_who_opened_the_merge_request() {
    let scene = Scene::new().await;
    let thread = scene.mr.discuss(&scene.dana, "Why?");
    let path = scene.path(&format!("discussions/{thread}"));
    let (status, resolved) = scene.http.put(&path, json!({ "resolved": true })).await;
    assert_eq!((status, &resolved["notes"][0]["resolved_by"]["username"]), (200, &json!("assize")));
    assert_eq!(scene.gitlab.mails_by("assize"), ["all threads resolved"]);
    scene.mr.unresolve(&scene.dana, &thread);
    assert!(!scene.mr.thread("Why?").resolved);
    scene.mr.resolve(&scene.dana, &thread);

    let reporter = scene.project.bot("reporter", Role::Reporter);
    let http = Http::of(&scene.gitlab, scene.project.token(&reporter, Scope::Api));
    assert_eq!(http.put(&path, json!({ "resolved": false })).await.0, 403);
    let (_, own) = http.post(&scene.path("discussions"), json!({ "body": "Mine." })).await;
    let own = scene.path(&format!("discussions/{}", own["id"].as_str().expect("an ID")));
    assert_eq!(http.put(&own, json!({ "resolved": true })).await.0, 200);
}

#[tokio::test]
async fn one_note_of_a_thread_is_edited_or_resolved_but_not_both() {
    let scene = Scene::new().await;
    let (_, thread) = scene.http.post(&scene.path("discussions"), json!({ "body": "Thread" })).await;
    let path = scene.path(&format!("discussions/{}/notes/{}", thread["id"].as_str().expect("an ID"), thread["notes"][0]["id"]));
    assert_eq!(scene.http.put(&path, json!({ "body": "a", "resolved": true })).await.0, 400);
    assert_eq!(scene.http.put(&path, json!({})).await.0, 400);
    let (status, note) = scene.http.put(&path, json!({ "resolved": true })).await;
    assert_eq!((status, &note["resolved"]), (200, &json!(true)));
    let single = scene.mr.say(&scene.dana, "Single.");
    let path = scene.path(&format!("discussions/x/notes/{single}"));
    assert_eq!(
        scene.http.put(&path, json!({ "resolved": true })).await,
        (400, json!({ "message": "400 Bad request - Note is not resolvable" }))
    );
}

#[tokio::test]
async fn a_reply_leaves_a_thread_resolved_and_makes_a_single_note_a_thread() {
    let scene = Scene::new().await;
    let thread = scene.mr.discuss(&scene.dana, "Why?");
    scene.mr.resolve(&scene.dana, &thread);
    let (status, _) = scene.http.post(&scene.path(&format!("discussions/{thread}/notes")), json!({ "body": "So." })).await;
    assert_eq!((status, scene.mr.thread("So.").resolved), (201, true));
    scene.mr.say(&scene.dana, "Single.");
    let (_, all) = scene.http.get(&scene.path("discussions")).await;
    let single =
        all.as_array().and_then(|all| all.iter().rev().find(|one| one["individual_note"] == true && one["notes"][0]["system"] == false));
    let single = single.expect("listed")["id"].as_str().expect("an ID").to_owned();
    assert_eq!(scene.http.post(&scene.path(&format!("discussions/{single}/notes")), json!({ "body": "Yes." })).await.0, 201);
    assert_eq!(scene.mr.thread("Single.").notes.len(), 2);
}

#[tokio::test]
async fn system_notes_cannot_be_replied_to() {
    let scene = Scene::new().await;
    scene.mr.push([("src/a.rs", "one\n")]);
    let (_, all) = scene.http.get(&scene.path("discussions")).await;
    assert_eq!((&all[0]["notes"][0]["system"], &all[0]["notes"][0]["body"]), (&json!(true), &json!("added 1 commits")));
    let path = scene.path(&format!("discussions/{}/notes", all[0]["id"].as_str().expect("an ID")));
    let refused = scene.http.post(&path, json!({ "body": "Thanks." })).await;
    assert_eq!(refused, (400, json!({ "message": "400 Bad request - Discussion can not be replied to." })));
}

#[tokio::test]
async fn quick_actions_run_with_the_rights_of_who_posts_wherever_they_stand() {
    let scene = Scene::new().await;
    let body = "Look:\r\n```\r\n/close\r\n```\n<!--\n/label ~urgent\n-->\n /spared\n/ spared\n/4spared";
    let (status, note) = scene.http.post(&scene.path("notes"), json!({ "body": body })).await;
    assert_eq!((status, note["body"].as_str()), (201, Some("Look:\n```\n```\n<!--\n-->\n /spared\n/ spared\n/4spared")));
    let (_, mr) = scene.http.get(&scene.path("")).await;
    assert_eq!((&mr["state"], &mr["labels"]), (&json!("closed"), &json!(["urgent"])));
    let (status, answer) = scene.http.post(&scene.path("notes"), json!({ "body": "/reopen\n/approve" })).await;
    assert_eq!((status, &answer["summary"]), (202, &json!(["Executed /reopen.", "Executed /approve."])));
    assert_eq!((scene.mr.approvers(), scene.mr.notes().len()), (vec!["assize".to_owned()], 1));
    let ran = |line: &str| Executed { by: "assize".to_owned(), line: line.to_owned() };
    assert_eq!(scene.gitlab.executed(), ["/close", "/label ~urgent", "/reopen", "/approve"].map(ran));
    // An edit that leaves nothing but commands takes the note with it.
    let (status, _) = scene.http.put(&scene.path(&format!("notes/{}", note["id"])), json!({ "body": "/merge" })).await;
    assert_eq!((status, scene.mr.notes()), (202, Vec::<NoteView>::new()));
}

#[tokio::test]
async fn a_note_that_is_empty_too_long_or_one_too_many_is_refused() {
    let scene = Scene::with(Options { notes_limit: 1, ..Options::default() }).await;
    let post = async |body: &str| scene.http.post(&scene.path("notes"), json!({ "body": body })).await;
    assert_eq!(post(" ").await, note_refused(r#"{:note=>["can't be blank"]}"#));
    assert_eq!(post(&"x".repeat(1_000_001)).await, note_refused(r#"{:note=>["is too long (maximum is 1000000 characters)"]}"#));
    assert_eq!(post(&"x".repeat(1_000_000)).await.0, 201);
    assert_eq!(post("One too many.").await, note_refused(r#"{:base=>["Maximum number of comments exceeded"]}"#));
    assert_eq!(scene.http.post(&scene.path("notes"), json!({})).await, (400, json!({ "error": "body is missing" })));
}

#[tokio::test]
async fn pages_are_cut_before_notes_are_hidden() {
    let scene = Scene::new().await;
    for number in 0..3 {
        scene.mr.say(&scene.dana, &format!("{number}"));
        scene.mr.hidden_note();
    }
    let request =
        scene.http.client.get(format!("{}/{}", scene.http.api, scene.path("notes?per_page=4&sort=asc"))).bearer_auth(&scene.http.token);
    let response = request.send().await.expect("an answer");
    let link = response.headers()["link"].to_str().expect("text").to_owned();
    let page: Value = serde_json::from_str(&response.text().await.expect("a body")).expect("JSON");
    assert_eq!(page.as_array().map(Vec::len), Some(2));
    let next = format!("<{}/{}?page=2&per_page=4&sort=asc>; rel=\"next\"", scene.http.api, scene.path("notes"));
    assert!(link.starts_with(&next), "{link}");
    let (_, second) = scene.http.get(&scene.path("notes?per_page=4&sort=asc&page=2")).await;
    assert_eq!((second.as_array().map(Vec::len), &second[0]["body"]), (Some(1), &json!("2")));
    let (_, newest) = scene.http.get(&scene.path("notes?activity_filter=only_comments")).await;
    assert_eq!(newest[0]["body"], "2");
}

#[tokio::test]
async fn internal_notes_are_for_reporters_and_up() {
    let scene = Scene::new().await;
    scene.project.set(crate::gitlab::Setting::Public);
    let note = scene.mr.whisper(&scene.dana, "Between us.");
    let guest = scene.project.bot("guest", Role::Guest);
    let http = Http::of(&scene.gitlab, scene.project.token(&guest, Scope::Api));
    let path = scene.path(&format!("notes/{note}"));
    assert_eq!((http.get(&path).await.0, scene.http.get(&path).await.1["internal"].clone()), (404, json!(true)));
}

#[tokio::test]
async fn suggestions_are_offered_applied_and_then_a_commit() {
    let scene = Scene::new().await;
    let body = "Better:\n```suggestion:-1+0\nONE\nTWO\n```\nor\n````suggestion\n```\n````";
    let thread = scene.mr.comment(&scene.dana, Place::Added("src/a.rs", 2), body);
    let path = scene.path(&format!("discussions/{thread}"));
    let (_, seen) = scene.http.get(&path).await;
    let suggestions = &seen["notes"][0]["suggestions"];
    let first = json!({
        "id": suggestions[0]["id"], "from_line": 1, "to_line": 2, "appliable": true, "applied": false,
        "from_content": "one\n2\n", "to_content": "ONE\nTWO\n",
    });
    assert_eq!((&suggestions[0], &suggestions[1]["to_content"]), (&first, &json!("```\n")));
    let (status, _) = scene.http.put(&format!("suggestions/{}/apply", suggestions[0]["id"]), json!({})).await;
    assert_eq!(status, 200);
    let (_, seen) = scene.http.get(&path).await;
    assert_eq!((&seen["notes"][0]["suggestions"][0]["applied"], &seen["notes"][0]["resolved"]), (&json!(true), &json!(true)));
    let raw = scene.http.get(&format!("projects/{}/repository/files/src%2Fa.rs/raw?ref={}", scene.project.id(), scene.mr.head())).await;
    assert_eq!(raw.1, json!("ONE\nTWO\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n"));
    // The other one is about lines that are gone.
    assert_eq!(scene.http.put(&format!("suggestions/{}/apply", suggestions[1]["id"]), json!({})).await.0, 400);
    let third = scene.mr.comment(&scene.dana, Place::Added("src/a.rs", 1), "```suggestion\none\n```");
    scene.mr.apply_suggestion(&scene.dana, &third);
    assert!(scene.mr.thread("\none\n").resolved);
    let file = scene.mr.comment(&scene.dana, Place::File("src/a.rs"), "```suggestion\nx\n```");
    let (_, seen) = scene.http.get(&scene.path(&format!("discussions/{file}"))).await;
    assert_eq!(seen["notes"][0]["suggestions"], json!([]));
}

#[tokio::test]
async fn a_note_is_updated_without_being_edited() {
    let scene = Scene::new().await;
    let updated = async |note: u64| {
        let (_, note) = scene.http.get(&scene.path(&format!("notes/{note}"))).await;
        note["created_at"] != note["updated_at"]
    };
    let thread = scene.mr.discuss(&scene.dana, "Whole thread.");
    let first = scene.mr.thread("Whole thread.").notes[0].id;
    scene.mr.resolve(&scene.dana, &thread);
    scene.mr.reply(&scene.dana, &thread, "Reply.");
    assert!(!updated(first).await, "neither resolving a thread nor a reply touches its notes");
    scene.http.put(&scene.path(&format!("discussions/{thread}/notes/{first}")), json!({ "resolved": false })).await;
    assert!(updated(first).await, "resolving one note does");
    let single = scene.mr.say(&scene.dana, "Single.");
    scene.mr.react(&scene.dana, single, "eyes");
    assert!(updated(single).await, "a reaction does");
}

#[tokio::test]
async fn people_react_to_notes() {
    let scene = Scene::new().await;
    let note = scene.mr.say(&scene.dana, "Wrong.");
    scene.mr.react(&scene.dana, note, "thumbsdown");
    let path = scene.path(&format!("notes/{note}/award_emoji"));
    let (_, emoji) = scene.http.get(&path).await;
    assert_eq!((&emoji[0]["name"], &emoji[0]["user"]["username"], &emoji[1]), (&json!("thumbsdown"), &json!("dana"), &Value::Null));
    let (status, own) = scene.http.post(&path, json!({ "name": "eyes" })).await;
    assert_eq!((status, scene.http.delete(&format!("{path}/{}", own["id"])).await), (201, 204));
    assert_eq!(scene.http.delete(&format!("{path}/{}", emoji[0]["id"])).await, 401);
}
