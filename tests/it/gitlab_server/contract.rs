//! The GitLab of the tests, held against GitLab's own description of its API: every answer that it can give, and what tests ask of it.
//!
//! The description belongs to GitLab and is not part of this repository, so this runs as a step of `.ci/run` where it is at hand.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{Http, Scene};
use crate::gitlab::{Call, Fault, Place, Role, Scope};

/// What is described and not built: nothing in Assize asks for it.
const NOT_BUILT: [&str; 12] = [
    "DELETE /projects/*/labels",
    "GET /projects/*/ci/lint",
    "GET /projects/*/merge_requests/*/approval_rules",
    "GET /projects/*/merge_requests/*/pipelines",
    "GET /projects/*/merge_requests/*/status_checks",
    "POST /projects/*/ci/lint",
    "POST /projects/*/merge_requests/*/approval_rules",
    "POST /projects/*/merge_requests/*/approvals",
    "POST /projects/*/merge_requests/*/pipelines",
    "POST /projects/*/merge_requests/*/status_check_responses",
    "PUT /projects/*/labels",
    "PUT /suggestions/batch_apply",
];

/// The description, taken apart.
struct Contract {
    document: Value,
    validators: BTreeMap<String, Validator>,
}

impl Contract {
    fn read(path: &str) -> Self {
        let text = std::fs::read_to_string(path).expect("GITLAB_REST_SCHEMA names a file");
        let mut document: Value = serde_json::from_str(&text).expect("JSON");
        // The description says text; the server has always sent the number.
        document["$defs"]["APIEntitiesMember"]["properties"]["access_level"] = json!({ "type": "integer" });
        Self { document, validators: BTreeMap::new() }
    }

    fn operations(&self) -> Vec<Value> {
        self.document["x-operations"].as_array().expect("a list").clone()
    }

    /// Says what a value does wrong by a schema that may refer to the definitions.
    fn complaints(&mut self, schema: &Value, value: &Value) -> Vec<String> {
        let validator = self.validators.entry(schema.to_string()).or_insert_with(|| {
            let mut whole = schema.clone();
            whole["$defs"] = self.document["$defs"].clone();
            jsonschema::validator_for(&whole).expect("a schema")
        });
        validator.iter_errors(value).map(|error| format!("{} at {}", error, error.instance_path())).collect()
    }

    /// Says what a call does wrong, whoever is to blame.
    fn check(&mut self, call: &Call, operation: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        let statuses = operation["statuses"].as_array().expect("a list");
        // Server errors are what no description lists.
        if call.status < 500 && !statuses.contains(&json!(call.status.to_string())) {
            wrong.push(format!("status {} is not described", call.status));
        }
        if let Some(body) = operation["body"].as_str().filter(|_| !call.body.is_null() && (200..300).contains(&call.status)) {
            wrong.extend(self.complaints(&json!({ "$ref": body }), &call.body));
        }
        let described = &operation["responses"][call.status.to_string()];
        if !described.is_null() {
            wrong.extend(self.complaints(described, &call.answer));
        } else if call.status >= 400 && !call.answer.is_null() {
            wrong.extend(self.complaints(&json!({ "$ref": "#/$defs/Error" }), &call.answer));
        }
        wrong
    }
}

/// Returns method and path with everything that names something replaced by a star.
fn shape(method: &str, path: &str) -> String {
    let segments: Vec<&str> = path.trim_start_matches("/api/v4/").split('/').collect();
    let names = |at: usize| at.checked_sub(1).map(|before| segments[before]);
    let variable = |(at, segment): (usize, &&str)| match names(at) {
        Some(
            "projects" | "merge_requests" | "versions" | "notes" | "discussions" | "award_emoji" | "commits" | "statuses" | "files" | "all",
        ) => true,
        Some("draft_notes") => *segment != "bulk_publish",
        Some("suggestions") => *segment != "batch_apply",
        _ => false,
    };
    let star = |(at, segment): (usize, &&str)| if variable((at, segment)) { "*".to_owned() } else { (*segment).to_owned() };
    let path: Vec<String> = segments.iter().enumerate().map(star).collect();
    format!("{method} /{}", path.join("/"))
}

#[tokio::test]
#[ignore = "needs GitLab's description of its API: GITLAB_REST_SCHEMA names rest.schema.json"]
async fn every_answer_fits_the_contract() {
    let mut contract = Contract::read(&std::env::var("GITLAB_REST_SCHEMA").expect("GITLAB_REST_SCHEMA names the description"));
    let scene = Scene::new().await;
    reading(&scene).await;
    threads(&scene).await;
    drafts_and_votes(&scene).await;
    refusals(&scene).await;

    let operations: BTreeMap<String, Value> = contract
        .operations()
        .into_iter()
        .map(|operation| (shape(operation["method"].as_str().expect("a method"), operation["path"].as_str().expect("a path")), operation))
        .collect();
    let (mut wrong, mut met) = (Vec::new(), BTreeSet::new());
    for call in scene.gitlab.calls() {
        let shape = shape(&call.method, &call.path);
        match operations.get(&shape) {
            Some(operation) => {
                wrong.extend(contract.check(&call, operation).into_iter().map(|why| format!("{shape} {}: {why}", call.status)));
                if (200..300).contains(&call.status) {
                    met.insert(shape);
                }
            }
            // The description is an excerpt: these two it leaves out.
            None => assert!(shape.ends_with("/resource_label_events") || shape.ends_with("/nonsense"), "{shape} is not described"),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    let unmet: BTreeSet<&str> = operations.keys().map(String::as_str).filter(|shape| !met.contains(*shape)).collect();
    assert_eq!(unmet, BTreeSet::from(NOT_BUILT), "described, and neither asked for here nor known to be missing");
}

async fn reading(scene: &Scene) {
    let (project, head) = (scene.project.id(), scene.mr.head());
    let [base, ..] = scene.mr.refs();
    let version = scene.http.get(&scene.path("versions")).await.1[0]["id"].clone();
    for path in
        ["", "diffs", "changes", "raw_diffs", "versions", "commits", "reviewers", "participants", "approval_state", "resource_label_events"]
    {
        assert_eq!(scene.http.get(&scene.path(path)).await.0, 200, "{path}");
    }
    scene.mr.unprepared(1);
    scene.http.get(&scene.path("")).await;
    scene.http.get(&scene.path(&format!("versions/{version}"))).await;
    for path in ["user", "metadata", "version"] {
        assert_eq!(scene.http.get(path).await.0, 200, "{path}");
    }
    let paths = [
        String::new(),
        "/merge_requests?state=all".to_owned(),
        format!("/members/all/{}", scene.dana.id),
        "/labels".to_owned(),
        format!("/repository/commits/{head}"),
        format!("/repository/commits/{head}/diff"),
        format!("/repository/commits/{head}/merge_requests"),
        format!("/repository/compare?from={base}&to={head}"),
        format!("/repository/merge_base?refs[]={base}&refs[]={head}"),
        "/repository/tree?ref=main".to_owned(),
        "/repository/files/README.md?ref=main".to_owned(),
        "/repository/files/README.md/raw?ref=main".to_owned(),
    ];
    for path in paths {
        assert_eq!(scene.http.get(&format!("projects/{project}{path}")).await.0, 200, "{path}");
    }
    assert_eq!(scene.http.post(&format!("projects/{project}/labels"), json!({ "name": "assize::full", "color": "#fff" })).await.0, 201);
    assert_eq!(
        scene.http.post(&format!("projects/{project}/statuses/{head}"), json!({ "state": "success", "name": "assize" })).await.0,
        201
    );
    assert_eq!(scene.http.get(&format!("projects/{project}/repository/commits/{head}/statuses")).await.0, 200);
    let request =
        scene.http.client.get(format!("{}/job", scene.http.api)).header("JOB-TOKEN", scene.project.token(&scene.dana, Scope::Job));
    assert_eq!(request.send().await.expect("an answer").status(), 200);
}

async fn threads(scene: &Scene) {
    let http = &scene.http;
    let (_, note) = http.post(&scene.path("notes"), json!({ "body": "Summary", "internal": false })).await;
    let path = scene.path(&format!("notes/{}", note["id"]));
    http.get(&path).await;
    http.put(&path, json!({ "body": "New summary" })).await;
    http.post(&scene.path("notes"), json!({ "body": "/label ~seen" })).await;
    for awardable in [path.clone(), scene.path("")] {
        let (_, emoji) = http.post(&format!("{awardable}/award_emoji"), json!({ "name": "eyes" })).await;
        http.get(&format!("{awardable}/award_emoji")).await;
        http.get(&format!("{awardable}/award_emoji/{}", emoji["id"])).await;
        http.delete(&format!("{awardable}/award_emoji/{}", emoji["id"])).await;
    }
    let range = json!({ "start": { "line_code": "a_1_1", "type": null, "old_line": 1, "new_line": 1 }, "end": { "line_code": "a_2_2", "type": "new", "new_line": 2 } });
    let position = scene.position_with(&json!({ "line_range": range }));
    let (_, thread) = http.post(&scene.path("discussions"), json!({ "body": "```suggestion\nII\n```", "position": position })).await;
    let place = scene.path(&format!("discussions/{}", thread["id"].as_str().expect("an ID")));
    let (_, reply) = http.post(&format!("{place}/notes"), json!({ "body": "Reply" })).await;
    http.get(&place).await;
    http.put(&place, json!({ "resolved": true })).await;
    http.get(&format!("{place}/notes")).await;
    let note = format!("{place}/notes/{}", reply["id"]);
    http.get(&note).await;
    http.put(&note, json!({ "resolved": false })).await;
    http.put(&note, json!({ "body": "Another reply" })).await;
    http.delete(&note).await;
    scene.mr.comment(&scene.dana, Place::File("src/a.rs"), "As a whole.");
    scene.mr.discuss(&scene.dana, "Overview.");
    http.put(&format!("suggestions/{}/apply", thread["notes"][0]["suggestions"][0]["id"]), json!({ "commit_message": null })).await;
    http.get(&scene.path("discussions?per_page=100")).await;
    http.get(&scene.path("notes?per_page=100&sort=asc")).await;
    http.delete(&path).await;
}

async fn drafts_and_votes(scene: &Scene) {
    let http = &scene.http;
    http.put(&scene.path(""), json!({ "reviewer_ids": [scene.bot.id], "add_labels": ["checked"] })).await;
    let (_, draft) = http.post(&scene.path("draft_notes"), json!({ "note": "Draft", "position": scene.position() })).await;
    let path = scene.path(&format!("draft_notes/{}", draft["id"]));
    http.get(&path).await;
    http.get(&scene.path("draft_notes")).await;
    http.put(&path, json!({ "note": "Changed", "position": scene.position() })).await;
    http.put(&format!("{path}/publish"), json!({})).await;
    let (_, draft) = http.post(&scene.path("draft_notes"), json!({ "note": "Draft" })).await;
    http.delete(&scene.path(&format!("draft_notes/{}", draft["id"]))).await;
    http.post(&scene.path("draft_notes/bulk_publish"), json!({ "note": "Summary", "reviewer_state": "reviewed" })).await;
    http.get(&scene.path("reviewers")).await;
    http.post(&scene.path("approve"), json!({ "sha": scene.mr.head() })).await;
    http.get(&scene.path("approvals")).await;
    http.post(&scene.path("unapprove"), json!({})).await;
}

async fn refusals(scene: &Scene) {
    let http = &scene.http;
    let wrong = scene.position_with(&json!({ "new_line": 900 }));
    let refused = [
        http.post(&scene.path("discussions"), json!({ "body": "a", "position": wrong })).await,
        http.post(&scene.path("notes"), json!({})).await,
        http.post(&scene.path("draft_notes"), json!({ "note": " " })).await,
        http.post(&scene.path("draft_notes/bulk_publish"), json!({ "note": "/a" })).await,
        http.post(&scene.path("approve"), json!({ "sha": "1".repeat(40) })).await,
        http.get(&scene.path("notes/1")).await,
        http.get(&scene.path("nonsense")).await,
    ];
    assert_eq!(refused.map(|(status, _)| status), [400, 400, 400, 422, 409, 404, 404]);
    scene.gitlab.on("GET", "notes").fails(Fault::AppLimit);
    http.get(&scene.path("notes")).await;
    let reporter = scene.project.bot("reporter", Role::Reporter);
    for (scope, wanted) in [(Scope::ReadApi, 403), (Scope::Api, 403)] {
        let other = Http::of(&scene.gitlab, scene.project.token(&reporter, scope));
        assert_eq!(other.put(&scene.path(""), json!({ "title": "Mine" })).await.0, wanted);
    }
    let expired = scene.project.token(&scene.bot, Scope::Api);
    scene.project.expire(&expired);
    assert_eq!(Http::of(&scene.gitlab, expired).get("user").await.0, 401);
}
