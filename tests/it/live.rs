//! A review on a real GitLab, from a merge request that this test makes to the threads in it, and everything removed again.
//! It must not run by itself: docs/live-check.md says how to start it, and what it touches.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The longest one call may take.
const TIMEOUT: Duration = Duration::from_mins(1);
/// The file of the check, in a folder of its own so that it meets nothing of a project that is used.
const FILE: &str = "assize-live-check/orders.py";
const BEFORE: &str = "def find(db, customer, sort):\n    return db.execute(\"SELECT id FROM orders WHERE customer = ?\", (customer,))\n";
const AFTER: &str =
    "def find(db, customer, sort):\n    return db.execute(f\"SELECT id FROM orders WHERE customer = ? ORDER BY {sort}\", (customer,))\n";
/// Line of the finding in `AFTER`, and the rule that finds it.
const FINDING: (u64, &str) = (2, "SEC-0008");

/// A GitLab, and who does what on it.
struct Live {
    http: Client,
    api: String,
    owner: String,
    bot: String,
}

/// What was made and has to go.
#[derive(Default)]
struct Made {
    project: Option<String>,
    own_project: bool,
    branches: Vec<String>,
    request: Option<u64>,
}

/// What the merge request holds of Assize's.
#[derive(Debug, PartialEq)]
struct Posted {
    /// Note and its text.
    summaries: Vec<(u64, String)>,
    /// Discussion, path and line in the new file.
    threads: Vec<(String, String, u64)>,
}

impl Live {
    fn from_environment() -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let required = |name: &str| var(name).unwrap_or_else(|| panic!("{name} is not set: docs/live-check.md says what it is"));
        let owner = required("ASSIZE_LIVE_TOKEN");
        let policy = reqwest::redirect::Policy::none();
        Self {
            http: Client::builder().timeout(TIMEOUT).redirect(policy).build().expect("a client with a time-out"),
            api: required("ASSIZE_LIVE_API").trim_end_matches('/').to_owned(),
            bot: var("ASSIZE_LIVE_BOT_TOKEN").unwrap_or_else(|| owner.clone()),
            owner,
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, String> {
        let what = format!("{method} {path}");
        let mut request = self.http.request(method, format!("{}{path}", self.api)).bearer_auth(&self.owner);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|error| format!("{what}: {}", error.without_url()))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| format!("{what}: {}", error.without_url()))?;
        if !status.is_success() {
            return Err(format!("{what}: {status}: {text}"));
        }
        if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text).map_err(|error| format!("{what}: {error}: {text}")) }
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        self.call(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Commits the file, and returns the commit.
    async fn commit(&self, project: &str, branch: &str, action: &str, content: &str) -> Result<String, String> {
        let actions = json!([{ "action": action, "file_path": FILE, "content": content }]);
        let body = json!({ "branch": branch, "commit_message": "Assize live check", "actions": actions });
        word(&self.post(&format!("/projects/{project}/repository/commits"), body).await?, "id")
    }

    async fn posted(&self, project: &str, iid: u64) -> Result<Posted, String> {
        let discussions = self.get(&format!("/projects/{project}/merge_requests/{iid}/discussions?per_page=100")).await?;
        let mut posted = Posted { summaries: Vec::new(), threads: Vec::new() };
        for discussion in discussions.as_array().ok_or("the discussions are no list")? {
            let note = &discussion["notes"][0];
            let body = word(note, "body")?;
            if body.contains("<!-- assize:summary v1") {
                posted.summaries.push((number(note, "id")?, body));
            } else if body.contains("<!-- assize:finding v1") {
                let place = &note["position"];
                posted.threads.push((word(discussion, "id")?, word(place, "new_path")?, number(place, "new_line")?));
            }
        }
        Ok(posted)
    }

    /// Checks the head out as a runner does, and runs the program as its job does.
    fn review(&self, project: &Value, iid: u64, branch: &str, head: &str) -> Result<String, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        git(dir.path(), &["init", "--quiet"])?;
        // The token goes through a file, so that it is in nobody's list of processes.
        let url = word(project, "http_url_to_repo")?.replacen("://", &format!("://oauth2:{}@", self.owner), 1);
        let config = dir.path().join(".git/config");
        let text = std::fs::read_to_string(&config).map_err(|error| error.to_string())?;
        std::fs::write(&config, format!("{text}[remote \"origin\"]\n\turl = {url}\n")).map_err(|error| error.to_string())?;
        git(dir.path(), &["fetch", "--quiet", "--depth=1", "origin", branch])?;
        git(dir.path(), &["checkout", "--quiet", "--detach", head])?;
        let id = project["id"].to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_assize"));
        command.args(["review", "--no-model"]).current_dir(dir.path()).env_clear();
        for name in ["PATH", "HOME", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.envs([
            ("GITLAB_CI", "true"),
            ("CI_PIPELINE_SOURCE", "merge_request_event"),
            ("CI_API_V4_URL", &self.api),
            ("CI_API_GRAPHQL_URL", &self.api.replace("/api/v4", "/api/graphql")),
            ("CI_COMMIT_SHA", head),
            ("CI_PROJECT_ID", &id),
            ("CI_MERGE_REQUEST_PROJECT_ID", &id),
            ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", &id),
            ("CI_MERGE_REQUEST_IID", &iid.to_string()),
            ("CI_MERGE_REQUEST_EVENT_TYPE", "detached"),
            ("ASSIZE_GITLAB_TOKEN", &self.bot),
            // The bot may have another token on the next run of this check, but not within it.
            ("ASSIZE_KEY", "assize live check"),
        ]);
        let output = command.env("CI_PROJECT_DIR", dir.path()).output().map_err(|error| error.to_string())?;
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        if output.status.success() { Ok(said) } else { Err(format!("the review ended with {}:\n{said}", output.status)) }
    }

    /// Makes a project unless one is named, and in it two branches; returns the project.
    async fn prepare(&self, made: &mut Made) -> Result<Value, String> {
        let stamp = SystemTime::UNIX_EPOCH.elapsed().map_err(|error| error.to_string())?.as_secs();
        let project = match std::env::var("ASSIZE_LIVE_PROJECT") {
            Ok(path) if !path.is_empty() => self.get(&format!("/projects/{}", path.replace('/', "%2F"))).await?,
            _ => {
                let mut wanted =
                    json!({ "name": format!("assize-live-check-{stamp}"), "visibility": "private", "initialize_with_readme": true });
                if let Ok(namespace) = std::env::var("ASSIZE_LIVE_NAMESPACE") {
                    wanted["namespace_id"] = namespace.into();
                }
                let project = self.post("/projects", wanted).await?;
                made.own_project = true;
                project
            }
        };
        let id = project["id"].to_string();
        made.project = Some(id.clone());
        let default = word(&project, "default_branch")?;
        let [target, source] = ["target", "source"].map(|side| format!("assize-live-check-{stamp}-{side}"));
        self.branch(&id, &target, &default, made).await?;
        self.commit(&id, &target, "create", BEFORE).await?;
        self.branch(&id, &source, &target, made).await?;
        Ok(project)
    }

    async fn branch(&self, project: &str, name: &str, from: &str, made: &mut Made) -> Result<(), String> {
        self.post(&format!("/projects/{project}/repository/branches"), json!({ "branch": name, "ref": from })).await?;
        made.branches.push(name.to_owned());
        Ok(())
    }

    /// Removes what was made; goes on after a failure, and tells each.
    async fn clean(&self, made: &Made) -> Vec<String> {
        let Some(project) = &made.project else { return Vec::new() };
        if made.own_project {
            return self.call(Method::DELETE, &format!("/projects/{project}"), None).await.err().into_iter().collect();
        }
        let mut left = Vec::new();
        if let Some(iid) = made.request {
            let path = format!("/projects/{project}/merge_requests/{iid}");
            // Deleting a merge request is for owners; anybody else closes it.
            if self.call(Method::DELETE, &path, None).await.is_err() {
                left.extend(self.call(Method::PUT, &path, Some(json!({ "state_event": "close" }))).await.err());
            }
        }
        for branch in made.branches.iter().rev() {
            left.extend(self.call(Method::DELETE, &format!("/projects/{project}/repository/branches/{branch}"), None).await.err());
        }
        left
    }

    /// The check itself: review, review again, push, review.
    async fn cycle(&self, made: &mut Made) -> Result<(), String> {
        let project = self.prepare(made).await?;
        let id = project["id"].to_string();
        let (target, source) = (made.branches[0].clone(), made.branches[1].clone());
        let head = self.commit(&id, &source, "update", AFTER).await?;
        let wanted = json!({ "source_branch": source, "target_branch": target, "title": "Assize live check" });
        let request = self.post(&format!("/projects/{id}/merge_requests"), wanted).await?;
        let iid = number(&request, "iid")?;
        made.request = Some(iid);

        self.review(&project, iid, &source, &head)?;
        let first = self.posted(&id, iid).await?;
        let finding = (first.threads.iter()).find(|(_, path, line)| (path.as_str(), *line) == (FILE, FINDING.0));
        if first.summaries.len() != 1 || finding.is_none() {
            return Err(format!("expected one summary, and a thread on {FILE}:{} for {}; got {first:#?}", FINDING.0, FINDING.1));
        }

        self.review(&project, iid, &source, &head)?;
        let again = self.posted(&id, iid).await?;
        if again != first {
            return Err(format!("a second run on the same head changed something:\n{first:#?}\n{again:#?}"));
        }

        let head = self.commit(&id, &source, "update", &format!("# Orders of a customer.\n{AFTER}")).await?;
        self.review(&project, iid, &source, &head)?;
        let pushed = self.posted(&id, iid).await?;
        let ids = |posted: &Posted| -> (Vec<u64>, Vec<String>) {
            (posted.summaries.iter().map(|(id, _)| *id).collect(), posted.threads.iter().map(|(id, ..)| id.clone()).collect())
        };
        if ids(&pushed) != ids(&first) {
            return Err(format!("after a push that keeps the finding, the same notes were expected:\n{first:#?}\n{pushed:#?}"));
        }
        Ok(())
    }
}

fn word(value: &Value, key: &str) -> Result<String, String> {
    value[key].as_str().map(str::to_owned).ok_or_else(|| format!("no text `{key}` in {value}"))
}

fn number(value: &Value, key: &str) -> Result<u64, String> {
    value[key].as_u64().ok_or_else(|| format!("no number `{key}` in {value}"))
}

fn git(dir: &Path, args: &[&str]) -> Result<(), String> {
    let output = Command::new("git").args(args).current_dir(dir).env("GIT_TERMINAL_PROMPT", "0").output();
    let output = output.map_err(|error| format!("git does not start: {error}"))?;
    let said = || format!("git {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(()) } else { Err(said()) }
}

#[tokio::test]
#[ignore = "needs a GitLab and a token: docs/live-check.md"]
async fn a_review_on_a_real_gitlab() {
    let live = Live::from_environment();
    let mut made = Made::default();
    let checked = live.cycle(&mut made).await;
    let left = live.clean(&made).await;
    let problems: Vec<String> =
        checked.err().into_iter().chain(left.into_iter().map(|failure| format!("could not be removed: {failure}"))).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
