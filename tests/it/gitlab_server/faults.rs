//! Trouble on demand, and the log of what was asked.

use std::time::Duration;

use serde_json::json;

use super::Scene;
use crate::gitlab::{Fault, Options};

async fn get(scene: &Scene, path: &str) -> Result<(u16, String), ()> {
    let request = scene.http.client.get(format!("{}/{path}", scene.http.api)).bearer_auth(&scene.http.token);
    let response = request.send().await.map_err(drop)?;
    let status = response.status().as_u16();
    Ok((status, response.text().await.map_err(drop)?))
}

#[tokio::test]
async fn each_fault_looks_as_it_does_in_the_wild() {
    let scene = Scene::new().await;
    let faults = [
        (Fault::RackLimit(30), 429, "Retry later\n"),
        (Fault::AppLimit, 429, r#"{"message":{"error":"This endpoint has been requested too many times. Try again later."}}"#),
        (Fault::ErrorBefore, 500, r#"{"message":"500 Internal Server Error"}"#),
        (Fault::BadGateway, 502, "<html><body>502 Bad Gateway</body></html>"),
        (Fault::Answer(200, "text/html", b"<html>Sign in</html>".to_vec()), 200, "<html>Sign in</html>"),
        (Fault::Json(418, json!({ "message": "tea" })), 418, r#"{"message":"tea"}"#),
    ];
    for (fault, status, body) in faults {
        scene.gitlab.on("GET", "user").fails(fault);
        assert_eq!(get(&scene, "user").await, Ok((status, body.to_owned())));
    }
    for (fault, status) in [(Fault::Expired, 401), (Fault::Scope, 403)] {
        scene.gitlab.on("GET", "user").fails(fault);
        assert_eq!(get(&scene, "user").await.map(|(status, _)| status), Ok(status));
    }
    scene.gitlab.on("GET", "user").fails(Fault::RackLimit(30));
    let request = scene.http.client.get(format!("{}/user", scene.http.api)).bearer_auth(&scene.http.token);
    assert_eq!(request.send().await.expect("an answer").headers()["retry-after"], "30");
}

#[tokio::test]
async fn a_connection_closes_before_or_after_the_note_is_stored() {
    let scene = Scene::new().await;
    let post = async || {
        let request = scene.http.client.post(format!("{}/{}", scene.http.api, scene.path("notes"))).bearer_auth(&scene.http.token);
        request.json(&json!({ "body": "Once." })).send().await.map(|response| response.status().as_u16()).map_err(drop)
    };
    for (fault, answer, notes) in [(Fault::ResetBefore, Err(()), 0), (Fault::ResetAfter, Err(()), 1), (Fault::ErrorAfter, Ok(500), 2)] {
        scene.gitlab.on("POST", "notes").fails(fault);
        assert_eq!((post().await, scene.mr.notes().len()), (answer, notes));
    }
}

#[tokio::test]
async fn an_answer_is_cut_or_late_or_never_comes() {
    let scene = Scene::new().await;
    scene.gitlab.on("GET", "user").fails(Fault::CutShort);
    let cut = get(&scene, "user").await.expect("a whole answer by its looks").1;
    assert!(cut.starts_with('{') && !cut.ends_with('}'), "{cut}");
    scene.gitlab.on("GET", "user").fails(Fault::CutOff);
    assert_eq!(get(&scene, "user").await, Err(()));
    scene.gitlab.on("GET", "user").fails(Fault::Slow(Duration::from_millis(5)));
    assert_eq!(get(&scene, "user").await.map(|(status, _)| status), Ok(200));
    scene.gitlab.on("GET", "user").fails(Fault::Silence);
    assert!(tokio::time::timeout(Duration::from_millis(20), get(&scene, "user")).await.is_err());
}

#[tokio::test]
async fn faults_meet_the_nth_a_few_or_all() {
    let scene = Scene::new().await;
    scene.gitlab.on("GET", "merge_requests/*/versions").nth(2).times(2).fails(Fault::ErrorBefore);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(scene.http.get(&scene.path("versions")).await.0);
    }
    assert_eq!(statuses, [200, 500, 500, 200]);
    scene.gitlab.on("*", "notes").always().fails(Fault::BadGateway);
    assert_eq!((scene.http.get(&scene.path("notes")).await.0, scene.http.post(&scene.path("notes"), json!({})).await.0), (502, 502));
    scene.gitlab.heal();
    assert_eq!(scene.http.get(&scene.path("notes")).await.0, 200);
}

#[tokio::test]
async fn somebody_pushes_in_between() {
    let scene = Scene::new().await;
    let (mr, old) = (scene.mr.clone(), scene.mr.head());
    scene.gitlab.on("POST", "approve").comes_after(move || {
        mr.push([("src/a.rs", "else\n")]);
    });
    assert_eq!(scene.http.post(&scene.path("approve"), json!({ "sha": old })).await.0, 409);
}

#[tokio::test]
async fn from_some_request_on_every_connection_drops() {
    let scene = Scene::new().await;
    scene.gitlab.dies_after(1);
    let answers = [get(&scene, "user").await.is_ok(), get(&scene, "user").await.is_ok(), get(&scene, "user").await.is_ok()];
    assert_eq!(answers, [true, false, false]);
    scene.gitlab.revive();
    scene.gitlab.dies_in_answer_after(0);
    let request = scene.http.client.post(format!("{}/{}", scene.http.api, scene.path("notes"))).bearer_auth(&scene.http.token);
    assert!(request.json(&json!({ "body": "Stored." })).send().await.is_err());
    assert_eq!((get(&scene, "user").await, scene.mr.notes().len()), (Err(()), 1));
    scene.gitlab.revive();
    assert!(get(&scene, "user").await.is_ok());
}

#[tokio::test]
async fn every_request_is_in_the_log() {
    let scene = Scene::with(Options { latency: Duration::from_millis(1), ..Options::default() }).await;
    scene.http.get(&scene.path("discussions?per_page=100")).await;
    scene.http.post(&scene.path("draft_notes/bulk_publish"), json!({ "note": "Summary" })).await;
    scene.http.get(&format!("projects/{}/members/all/1", scene.project.id())).await;
    assert_eq!(scene.gitlab.lines(), ["GET discussions 200", "POST draft_notes/bulk_publish 204", "GET members/all/* 404"]);
    let calls = scene.gitlab.calls();
    assert_eq!((calls[0].query.as_str(), &calls[1].body), ("per_page=100", &json!({ "note": "Summary" })));
    assert_eq!((&calls[0].answer, calls[0].headers.iter().any(|(name, _)| name == "authorization")), (&json!([]), true));
    scene.gitlab.forget_calls();
    assert_eq!(scene.gitlab.lines(), Vec::<String>::new());
}
