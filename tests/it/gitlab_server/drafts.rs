//! Drafts: private, published in one review, lost when invalid; and what `bulk_publish` takes since 19.2.

use serde_json::{Value, json};

use super::{Http, Scene};
use crate::gitlab::{Options, Scope};

async fn draft(scene: &Scene, body: Value) -> (u16, Value) {
    scene.http.post(&scene.path("draft_notes"), body).await
}

async fn publish(scene: &Scene, body: Value) -> u16 {
    scene.http.post(&scene.path("draft_notes/bulk_publish"), body).await.0
}

#[tokio::test]
async fn drafts_are_seen_by_their_author_alone() {
    let scene = Scene::new().await;
    let (status, own) = draft(&scene, json!({ "note": "Not yet.", "position": scene.position() })).await;
    assert_eq!((status, &own["discussion_id"], &own["resolve_discussion"]), (201, &Value::Null, &json!(false)));
    let path = scene.path(&format!("draft_notes/{}", own["id"]));
    let other = Http::of(&scene.gitlab, scene.project.token(&scene.dana, Scope::Api));
    assert_eq!(other.get(&path).await, (404, json!({ "message": "404 Draft Note Not Found" })));
    assert_eq!((other.delete(&path).await, other.get(&scene.path("draft_notes")).await.1), (404, json!([])));
    let (_, changed) = scene.http.put(&path, json!({ "note": "Still not." })).await;
    assert_eq!((&changed["note"], &changed["position"]), (&json!("Still not."), &Value::Null));
    assert_eq!((scene.mr.drafts(), scene.mr.threads().len()), (1, 0));
    assert_eq!((scene.http.delete(&path).await, scene.mr.drafts()), (204, 0));
}

#[tokio::test]
async fn publishing_is_one_review_with_one_mail() {
    let scene = Scene::new().await;
    for line in [2, 3] {
        let place = if line == 2 { scene.position() } else { scene.position_with(&json!({ "old_line": 3, "new_line": 3 })) };
        draft(&scene, json!({ "note": format!("Line {line}."), "position": place })).await;
    }
    draft(&scene, json!({ "note": "All of it." })).await;
    assert_eq!(publish(&scene, json!({})).await, 204);
    let places: Vec<String> = scene.mr.threads().into_iter().map(|thread| thread.place).collect();
    assert_eq!(places, ["src/a.rs +2", "src/a.rs 3/3", "overview"]);
    assert_eq!((scene.gitlab.mails_by("assize"), scene.mr.drafts()), (vec!["review of 3 comments".to_owned()], 0));
    // Nothing is left, and nothing more is mailed.
    assert_eq!((publish(&scene, json!({})).await, scene.gitlab.mails().len()), (204, 1));
}

#[tokio::test]
async fn an_invalid_draft_vanishes_without_a_word() {
    let scene = Scene::new().await;
    let (status, lost) = draft(&scene, json!({ "note": "Lost.", "position": scene.position_with(&json!({ "new_line": 3 })) })).await;
    assert_eq!((status, &lost["line_code"]), (201, &Value::Null));
    draft(&scene, json!({ "note": "/close" })).await;
    draft(&scene, json!({ "note": "Kept.", "position": scene.position() })).await;
    // Half a position makes a thread on the overview.
    draft(&scene, json!({ "note": "Elsewhere.", "position": scene.position_with(&json!({ "new_line": null })) })).await;
    assert_eq!((publish(&scene, json!({})).await, scene.mr.drafts()), (204, 0));
    let threads: Vec<_> = scene.mr.threads().into_iter().map(|thread| (thread.place, thread.notes[0].body.clone())).collect();
    let thread = |place: &str, body: &str| (place.to_owned(), body.to_owned());
    assert_eq!(threads, [thread("src/a.rs +2", "Kept."), thread("overview", "Elsewhere.")]);
    assert_eq!(scene.gitlab.executed().len(), 1);
}

#[tokio::test]
async fn a_published_reply_opens_its_thread_again_unless_it_resolves_it() {
    let scene = Scene::new().await;
    let (one, other) = (scene.mr.discuss(&scene.dana, "One?"), scene.mr.discuss(&scene.dana, "Other?"));
    scene.mr.resolve(&scene.dana, &one);
    draft(&scene, json!({ "note": "Yes.", "in_reply_to_discussion_id": one })).await;
    draft(&scene, json!({ "note": "No.", "in_reply_to_discussion_id": other, "resolve_discussion": true })).await;
    assert_eq!(publish(&scene, json!({})).await, 204);
    assert_eq!((scene.mr.thread("One?").resolved, scene.mr.thread("Other?").resolved), (false, true));
}

#[tokio::test]
async fn drafts_are_checked_as_little_as_gitlab_checks_them() {
    let scene = Scene::new().await;
    assert_eq!(draft(&scene, json!({})).await, (400, json!({ "error": "note is missing" })));
    assert_eq!(draft(&scene, json!({ "note": " " })).await, (400, json!({ "message": { "note": ["can't be blank"] } })));
    let nowhere = draft(&scene, json!({ "note": "a", "in_reply_to_discussion_id": "0".repeat(40) })).await;
    assert_eq!(nowhere, (400, json!({ "message": { "base": ["Thread to reply to cannot be found"] } })));
    assert_eq!(draft(&scene, json!({ "note": "a", "resolve_discussion": true })).await.0, 400);
    let thread = scene.mr.discuss(&scene.dana, "Why?");
    assert_eq!(draft(&scene, json!({ "note": "a", "in_reply_to_discussion_id": thread })).await.0, 201);
    let second = draft(&scene, json!({ "note": "b", "in_reply_to_discussion_id": thread })).await;
    assert_eq!(second, (400, json!({ "message": { "author_id": ["has already been taken"] } })));
}

#[tokio::test]
async fn one_draft_can_be_published_alone() {
    let scene = Scene::new().await;
    let (_, own) = draft(&scene, json!({ "note": "Alone." })).await;
    draft(&scene, json!({ "note": "Not yet." })).await;
    let (status, _) = scene.http.put(&scene.path(&format!("draft_notes/{}/publish", own["id"])), json!({})).await;
    assert_eq!((status, scene.mr.drafts(), scene.mr.threads().len()), (204, 1, 1));
    assert_eq!(scene.gitlab.mails_by("assize"), ["note"]);
}

#[tokio::test]
async fn before_19_2_the_body_of_bulk_publish_is_ignored() {
    let scene = Scene::with(Options { version: "19.1.4-ee".to_owned(), ..Options::default() }).await;
    scene.mr.ask(&scene.dana, &[&scene.bot]);
    assert_eq!(publish(&scene, json!({ "note": "Summary", "reviewer_state": "requested_changes" })).await, 204);
    assert_eq!((scene.mr.summary(), scene.mr.change_requesters()), (None, Vec::<String>::new()));
}

#[tokio::test]
async fn since_19_2_bulk_publish_takes_a_summary_which_is_a_note_with_a_mail_of_its_own() {
    let scene = Scene::new().await;
    draft(&scene, json!({ "note": "Here.", "position": scene.position() })).await;
    assert_eq!(publish(&scene, json!({ "note": "Summary" })).await, 204);
    assert_eq!(scene.mr.summary().map(|note| note.body), Some("Summary".to_owned()));
    assert_eq!(scene.gitlab.mails_by("assize"), ["review of 1 comments", "note"]);
}

#[tokio::test]
async fn a_summary_that_fails_comes_too_late_for_the_drafts() {
    let scene = Scene::new().await;
    draft(&scene, json!({ "note": "Here.", "position": scene.position() })).await;
    assert_eq!(publish(&scene, json!({ "note": "/close" })).await, 422);
    assert_eq!((scene.mr.drafts(), scene.mr.threads().len(), scene.mr.summary()), (0, 1, None));
}

#[tokio::test]
async fn since_19_2_bulk_publish_sets_the_state_of_a_reviewer() {
    let scene = Scene::new().await;
    scene.mr.ask(&scene.dana, &[&scene.bot]);
    let state = async || scene.http.get(&scene.path("reviewers")).await.1[0]["state"].clone();
    assert_eq!(state().await, "unreviewed");
    draft(&scene, json!({ "note": "Here." })).await;
    assert_eq!(state().await, "review_started");
    assert_eq!(publish(&scene, json!({ "reviewer_state": "requested_changes" })).await, 204);
    assert_eq!((state().await, scene.mr.change_requesters()), (json!("requested_changes"), vec!["assize".to_owned()]));
    assert_eq!(scene.http.get(&scene.path("")).await.1["detailed_merge_status"], "requested_changes");
    assert_eq!(publish(&scene, json!({ "reviewer_state": "reviewed" })).await, 204);
    assert_eq!((state().await, scene.mr.change_requesters()), (json!("reviewed"), Vec::new()));
    assert_eq!(publish(&scene, json!({ "reviewer_state": "approved" })).await, 400);
}
