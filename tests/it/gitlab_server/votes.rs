//! Approvals, requests for changes, labels, and where a merge request is in its life.

use serde_json::{Value, json};

use super::{Http, Scene};
use crate::gitlab::{Options, Role, Scope, Setting};

const REQUEST: &str = "mutation($p: ID!, $i: String!){ mergeRequestRequestChanges(input:{projectPath:$p, iid:$i}){ errors } }";
const CLEAR: &str = "mutation($p: ID!, $i: String!){ mergeRequestDestroyRequestedChanges(input:{projectPath:$p, iid:$i}){ errors } }";

async fn graphql(scene: &Scene, query: &str) -> (u16, Value) {
    let url = format!("{}/api/graphql", scene.gitlab.url());
    let body = json!({ "query": query, "variables": { "p": "acme/app", "i": scene.mr.iid.to_string() } });
    let response = scene.http.client.post(url).bearer_auth(&scene.http.token).json(&body).send().await.expect("an answer");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

#[tokio::test]
async fn an_approval_holds_for_the_head_that_was_named() {
    let scene = Scene::new().await;
    let (head, old) = (scene.mr.head(), "1".repeat(40));
    let stale = scene.http.post(&scene.path("approve"), json!({ "sha": old })).await;
    assert_eq!(stale, (409, json!({ "message": format!("SHA does not match HEAD of source branch: {head}") })));
    let (status, answer) = scene.http.post(&scene.path("approve"), json!({ "sha": head })).await;
    assert_eq!((status, &answer["approved_by"][0]["user"]["username"]), (201, &json!("assize")));
    let again = scene.http.post(&scene.path("approve"), json!({ "sha": head })).await;
    assert_eq!(again, (401, json!({ "message": "401 Unauthorized" })));
    assert_eq!(scene.http.get(&scene.path("approvals")).await.1["user_has_approved"], true);
    assert_eq!((scene.http.post(&scene.path("unapprove"), json!({})).await.0, scene.mr.approvers()), (201, Vec::<String>::new()));
    assert_eq!(scene.http.post(&scene.path("unapprove"), json!({})).await.0, 404);
}

#[tokio::test]
async fn reporters_and_authors_may_not_approve() {
    let scene = Scene::new().await;
    let reporter = scene.project.bot("reporter", Role::Reporter);
    for person in [&reporter, &scene.dana] {
        let http = Http::of(&scene.gitlab, scene.project.token(person, Scope::Api));
        assert_eq!(http.post(&scene.path("approve"), json!({})).await.0, 401, "{}", person.username);
    }
    scene.project.set(Setting::AuthorMayApprove);
    scene.mr.approve(&scene.dana);
    assert_eq!(scene.mr.approvers(), ["dana"]);
}

#[tokio::test]
async fn approvals_stay_after_a_push_unless_the_project_takes_them() {
    let scene = Scene::new().await;
    scene.mr.approve(&scene.bot);
    scene.mr.push([("src/a.rs", "two\n")]);
    assert_eq!(scene.mr.approvers(), ["assize"]);
    scene.project.set(Setting::ResetApprovals);
    scene.mr.push([("src/a.rs", "three\n")]);
    assert_eq!(scene.mr.approvers(), Vec::<String>::new());
}

#[tokio::test]
async fn approving_publishes_the_drafts_if_asked_to() {
    let scene = Scene::new().await;
    scene.http.post(&scene.path("draft_notes"), json!({ "note": "Here." })).await;
    scene.http.post(&scene.path("approve"), json!({ "publish_review": true })).await;
    assert_eq!((scene.mr.drafts(), scene.mr.threads().len()), (0, 1));
}

#[tokio::test]
async fn changes_are_requested_by_mutation_and_an_approval_goes_with_it() {
    let scene = Scene::new().await;
    scene.mr.ask(&scene.dana, &[&scene.bot]);
    scene.mr.approve(&scene.bot);
    let done = |name: &str| (200, json!({ "data": { name: { "errors": [] } } }));
    assert_eq!(graphql(&scene, REQUEST).await, done("mergeRequestRequestChanges"));
    assert_eq!((scene.mr.change_requesters(), scene.mr.approvers()), (vec!["assize".to_owned()], Vec::new()));
    assert_eq!(graphql(&scene, CLEAR).await, done("mergeRequestDestroyRequestedChanges"));
    let nothing = json!({ "errors": ["User has not requested changes for this merge request"] });
    assert_eq!(graphql(&scene, CLEAR).await.1["data"]["mergeRequestDestroyRequestedChanges"], nothing);
}

#[tokio::test]
async fn who_is_no_reviewer_blocks_and_gets_an_error_all_the_same() {
    let scene = Scene::new().await;
    let answer = graphql(&scene, REQUEST).await.1;
    assert_eq!(answer, json!({ "data": { "mergeRequestRequestChanges": { "errors": ["Reviewer not found"] } } }));
    assert_eq!(scene.mr.change_requesters(), ["assize"]);
}

#[tokio::test]
async fn the_mutation_is_known_since_16_11_and_refused_to_strangers() {
    let old = Scene::with(Options { version: "16.10.2-ee".to_owned(), ..Options::default() }).await;
    assert_eq!(graphql(&old, REQUEST).await.1["errors"][0]["message"], "Field doesn't exist on type 'Mutation'");
    let scene = Scene::new().await;
    scene.project.leave(&scene.bot);
    let (status, answer) = graphql(&scene, REQUEST).await;
    assert_eq!((status, &answer["data"]["mergeRequestRequestChanges"]), (200, &Value::Null));
    assert!(answer["errors"][0]["message"].as_str().is_some_and(|text| text.contains("does not exist")), "{answer}");
    let free = Scene::with(Options { premium: false, ..Options::default() }).await;
    assert_eq!(graphql(&free, CLEAR).await.1["data"]["mergeRequestDestroyRequestedChanges"]["errors"], json!(["Invalid license"]));
}

#[tokio::test]
async fn label_events_say_who_set_which_label() {
    let scene = Scene::new().await;
    scene.mr.label(&scene.dana, "assize::full");
    scene.mr.label(&scene.dana, "assize::lite");
    let (status, mr) = scene.http.put(&scene.path(""), json!({ "add_labels": "checked, seen", "remove_labels": ["assize::lite"] })).await;
    assert_eq!((status, &mr["labels"]), (200, &json!(["checked", "seen"])));
    scene.mr.unlabel(&scene.dana, "seen");
    let (_, events) = scene.http.get(&scene.path("resource_label_events")).await;
    let line = |event: &Value| {
        format!(
            "{} {} {}",
            event["user"]["username"].as_str().unwrap_or("?"),
            event["action"].as_str().unwrap_or("?"),
            event["label"]["name"].as_str().unwrap_or("?")
        )
    };
    insta::assert_snapshot!(events.as_array().expect("a list").iter().map(line).collect::<Vec<_>>().join("\n"), @r"
    dana add assize::full
    dana remove assize::full
    dana add assize::lite
    assize remove assize::lite
    assize add checked
    assize add seen
    dana remove seen
    ");
}

#[tokio::test]
async fn a_closed_or_merged_one_says_so() {
    let scene = Scene::new().await;
    scene.mr.close(&scene.dana);
    assert_eq!(scene.http.get(&scene.path("")).await.1["state"], "closed");
    let (_, opened) = scene.http.put(&scene.path(""), json!({ "state_event": "reopen", "title": "Draft: Later" })).await;
    assert_eq!((&opened["state"], &opened["draft"]), (&json!("opened"), &json!(true)));
    scene.mr.merge(&scene.dana);
    assert_eq!(scene.http.get(&scene.path("")).await.1["state"], "merged");
    assert_eq!(scene.http.post(&scene.path("approve"), json!({})).await.0, 401);
    assert_eq!(scene.http.post(&scene.path("notes"), json!({ "body": "Late." })).await.0, 201);
}

#[tokio::test]
async fn commit_statuses_are_kept() {
    let scene = Scene::new().await;
    let project = scene.project.id();
    let path = format!("projects/{project}/statuses/{}", scene.mr.head());
    let (status, answer) = scene.http.post(&path, json!({ "state": "success", "name": "assize" })).await;
    assert_eq!((status, &answer["status"]), (201, &json!("success")));
    let (_, all) = scene.http.get(&format!("projects/{project}/repository/commits/{}/statuses", scene.mr.head())).await;
    assert_eq!(all[0]["name"], "assize");
}
