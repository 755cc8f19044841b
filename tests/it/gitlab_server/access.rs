//! Tokens, scopes, roles, and where an instance lies.

use serde_json::{Value, json};

use super::{Http, Scene};
use crate::gitlab::{GitLab, Options, Role, Scope, Setting};

const INSUFFICIENT: &str = "The request requires higher privileges than provided by the access token.";

#[tokio::test]
async fn a_token_is_known_active_and_wide_enough() {
    let scene = Scene::new().await;
    let token = |scope| scene.project.token(&scene.bot, scope);
    let unknown = Http::of(&scene.gitlab, "glpat-unknown".to_owned());
    assert_eq!(unknown.get("user").await, (401, json!({ "message": "401 Unauthorized" })));
    let expired = token(Scope::Api);
    scene.project.expire(&expired);
    let (status, answer) = Http::of(&scene.gitlab, expired).get("user").await;
    assert_eq!((status, &answer["error"]), (401, &json!("invalid_token")));
    let revoked = token(Scope::Api);
    scene.project.revoke(&revoked);
    assert_eq!(Http::of(&scene.gitlab, revoked).get("user").await.0, 401);
    let reader = Http::of(&scene.gitlab, token(Scope::ReadApi));
    assert_eq!(reader.get(&scene.path("")).await.0, 200);
    let refused = json!({ "error": "insufficient_scope", "error_description": INSUFFICIENT, "scope": "api" });
    assert_eq!(reader.post(&scene.path("notes"), json!({ "body": "a" })).await, (403, refused));
    assert_eq!(Http::of(&scene.gitlab, token(Scope::ReadRepository)).get("user").await.0, 403);
}

#[tokio::test]
async fn a_token_may_come_in_either_header_and_a_job_token_in_its_own() {
    let scene = Scene::new().await;
    let job = scene.project.token(&scene.dana, Scope::Job);
    let get = async |header: &str, token: &str, path: &str| {
        let request = scene.http.client.get(format!("{}/{path}", scene.http.api)).header(header, token);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(get("PRIVATE-TOKEN", &scene.http.token, "user").await, 200);
    assert_eq!(get("PRIVATE-TOKEN", &job, "job").await, 401);
    assert_eq!(get("JOB-TOKEN", &scene.http.token, "job").await, 401);
    assert_eq!((get("JOB-TOKEN", &job, "job").await, get("JOB-TOKEN", &job, "user").await), (200, 401));
    assert_eq!(get("JOB-TOKEN", &job, &scene.path("notes")).await, 200);
    assert_eq!(get("JOB-TOKEN", &job, &scene.path("discussions")).await, 401);
}

#[tokio::test]
async fn what_a_user_may_not_see_is_not_there() {
    let scene = Scene::new().await;
    let other = scene.gitlab.project("acme/other");
    let stranger = Http::of(&scene.gitlab, other.token(&other.bot("stranger", Role::Maintainer), Scope::Api));
    assert_eq!(stranger.get(&scene.path("")).await, (404, json!({ "message": "404 Project Not Found" })));
    let guest = Http::of(&scene.gitlab, scene.project.token(&scene.project.bot("guest", Role::Guest), Scope::Api));
    assert_eq!(guest.get(&scene.path("")).await.0, 404);
    scene.project.set(Setting::Public);
    assert_eq!((stranger.get(&scene.path("")).await.0, stranger.post(&scene.path("notes"), json!({ "body": "a" })).await.0), (200, 201));
    scene.project.set(Setting::Archived);
    assert_eq!(scene.http.post(&scene.path("notes"), json!({ "body": "a" })).await, (403, json!({ "message": "403 Forbidden" })));
    assert_eq!(scene.http.get(&format!("projects/{}", scene.project.id())).await.1["archived"], true);
}

#[tokio::test]
async fn members_have_their_role_as_a_number() {
    let scene = Scene::new().await;
    let members = format!("projects/acme%2Fapp/members/all/{}", scene.dana.id);
    assert_eq!(scene.http.get(&members).await.1["access_level"], 30);
    let owner = scene.project.member("olga", Role::Owner);
    assert_eq!(scene.http.get(&format!("projects/acme%2Fapp/members/all/{}", owner.id)).await.1["access_level"], 50);
    assert_eq!(scene.http.get("projects/acme%2Fapp/members/all/1").await.0, 404);
    let (_, me) = scene.http.get("user").await;
    assert_eq!((&me["username"], &me["bot"], &me["id"]), (&json!("assize"), &json!(true), &json!(scene.bot.id)));
}

#[tokio::test]
async fn an_instance_may_lie_below_a_path() {
    let scene = Scene::with(Options { prefix: "/gitlab".to_owned(), ..Options::default() }).await;
    assert!(scene.gitlab.api().ends_with("/gitlab/api/v4"));
    let (status, mr) = scene.http.get(&scene.path("")).await;
    let url = format!("{}/acme/app/-/merge_requests/{}", scene.gitlab.url(), scene.mr.iid);
    assert_eq!((status, &mr["web_url"]), (200, &json!(url)));
    let outside = Http { api: scene.gitlab.api().replace("/gitlab/", "/"), ..Http::of(&scene.gitlab, scene.http.token.clone()) };
    let (status, page) = outside.get("user").await;
    assert_eq!((status, page.as_str().is_some_and(|page| page.contains("<html>"))), (404, true));
}

#[tokio::test]
async fn forms_are_read_like_json() {
    let scene = Scene::new().await;
    let [base, start, head] = scene.mr.refs();
    let form = format!(
        "body=Here%21+%3A&position%5Bposition_type%5D=text&position%5Bbase_sha%5D={base}&position[start_sha]={start}&position[head_sha]={head}\
         &position[old_path]=src%2Fa.rs&position[new_path]=src%2Fa.rs&position[new_line]=2"
    );
    let request = scene.http.client.post(format!("{}/{}", scene.http.api, scene.path("discussions"))).bearer_auth(&scene.http.token);
    let response = request.header("content-type", "application/x-www-form-urlencoded").body(form).send().await.expect("an answer");
    assert_eq!((response.status().as_u16(), scene.mr.thread("Here! :").place.as_str()), (201, "src/a.rs +2"));
    assert_eq!(scene.gitlab.calls()[0].body["position"]["new_line"], "2");
    let url = format!("{}/{}?reviewer_ids[]={}", scene.http.api, scene.path(""), scene.bot.id);
    let response = scene.http.client.put(url).bearer_auth(&scene.http.token).send().await.expect("an answer");
    let mr: Value = response.json().await.expect("JSON");
    assert_eq!(mr["reviewers"][0]["username"], "assize");
}

#[tokio::test]
async fn what_is_unknown_is_404_and_what_is_no_json_is_refused() {
    let gitlab = GitLab::start().await;
    let project = gitlab.project("acme/app");
    let http = Http::of(&gitlab, project.token(&project.bot("assize", Role::Developer), Scope::Api));
    assert_eq!(http.get("projects/acme%2Fapp/nonsense").await, (404, json!({ "error": "404 Not Found" })));
    assert_eq!(http.get("metadata").await.1["version"], "19.5.0-ee");
    let bad = http
        .client
        .post(format!("{}/projects/acme%2Fapp/labels", http.api))
        .bearer_auth(&http.token)
        .header("content-type", "application/json");
    assert_eq!(bad.body("{").send().await.expect("an answer").status().as_u16(), 400);
}
