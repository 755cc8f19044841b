//! The GitLab of the tests does what the real one does: its rules, one by one, over the wire.

mod access;
mod contract;
mod drafts;
mod faults;
mod jobs;
mod lines;
mod notes;
mod pushes;
mod votes;

use serde_json::{Value, json};

use crate::gitlab::{GitLab, Mr, Options, Person, Project, Role, Scope};

/// A project with people, a merge request that touches one file, and a bot that talks to it over HTTP.
struct Scene {
    gitlab: GitLab,
    project: Project,
    dana: Person,
    bot: Person,
    mr: Mr,
    http: Http,
}

impl Scene {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let gitlab = GitLab::start_with(options).await;
        let project = gitlab.project("acme/app");
        project.commit([("src/a.rs", "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n")]);
        let dana = project.member("dana", Role::Developer);
        let bot = project.bot("assize", Role::Developer);
        let mr = project.merge_request(&dana, [("src/a.rs", "one\n2\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n")]);
        let http = Http::of(&gitlab, project.token(&bot, Scope::Api));
        Self { gitlab, project, dana, bot, mr, http }
    }

    /// The address of the merge request below the API.
    fn path(&self, rest: &str) -> String {
        let slash = if rest.is_empty() { "" } else { "/" };
        format!("projects/{}/merge_requests/{}{slash}{rest}", self.project.id(), self.mr.iid)
    }

    /// A position on line 2 as it was added.
    fn position(&self) -> Value {
        let [base, start, head] = self.mr.refs();
        json!({
            "position_type": "text", "base_sha": base, "start_sha": start, "head_sha": head, "old_path": "src/a.rs", "new_path": "src/a.rs",
            "new_line": 2,
        })
    }

    /// The position with some fields replaced.
    fn position_with(&self, fields: &Value) -> Value {
        let mut position = self.position();
        for (name, value) in fields.as_object().expect("fields") {
            position[name] = value.clone();
        }
        position
    }
}

/// A client that says what it is told.
struct Http {
    api: String,
    token: String,
    client: reqwest::Client,
}

impl Http {
    fn of(gitlab: &GitLab, token: String) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { api: gitlab.api(), token, client }
    }

    async fn send(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}/{path}", self.api)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(reqwest::Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(reqwest::Method::POST, path, Some(&body)).await
    }

    async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(reqwest::Method::PUT, path, Some(&body)).await
    }

    async fn delete(&self, path: &str) -> u16 {
        self.send(reqwest::Method::DELETE, path, None).await.0
    }
}

/// What is said of a note that was refused.
fn note_refused(why: &str) -> (u16, Value) {
    (400, json!({ "message": format!("400 Bad request - Note {why}") }))
}
