//! The calls on a project's repository, its labels and its commit statuses; and the two GraphQL mutations for requests for changes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::{Value, json};

use super::entities;
use super::params::Params;
use super::routes::{Reply, no_route};
use super::world::{Id, Refusal, Role, Tried, World};

impl World {
    pub(super) fn on_repository(&mut self, user: Id, project: Id, method: &str, path: &[&str], params: &Params) -> Tried<Reply> {
        let bare = self.project(project).bare.clone();
        let missing = |what: &str| Refusal::not_found(what);
        let at = |name: &str| bare.resolve(name).ok_or_else(|| missing("Commit"));
        match (method, path) {
            ("GET", ["labels"]) => {
                let project = self.project(project);
                Ok(Reply::items(project.labels.keys().map(|name| entities::label(project, name))))
            }
            ("POST", ["labels"]) => {
                self.at_project(user, project, Role::Reporter)?;
                let (name, id) = (params.needed("name")?, self.fresh());
                params.require(&["color"])?;
                self.project_mut(project).labels.entry(name.clone()).or_insert(id);
                Ok(Reply::created(entities::label(self.project(project), &name)))
            }
            ("GET", ["repository", "commits", sha]) => Ok(Reply::ok(entities::commit(self, &bare.commit_info(&at(sha)?)))),
            ("GET", ["repository", "commits", sha, "diff"]) => {
                let sha = at(sha)?;
                let files = bare.diff(&at(&format!("{sha}^"))?, &sha);
                Ok(Reply::items(files.iter().map(|file| entities::diff(self, file))))
            }
            ("GET", ["repository", "commits", sha, "merge_requests"]) => {
                let sha = at(sha)?;
                let with = self.requests.iter().filter(|request| request.versions.iter().any(|version| version.head == sha));
                Ok(Reply::items(with.map(|request| entities::basic_request(self, request.id))))
            }
            ("GET", ["repository", "commits", sha, "statuses"]) => {
                let all = self.requests.iter().flat_map(|request| &request.statuses).filter(|status| status["sha"] == **sha);
                Ok(Reply::items(all.cloned()))
            }
            ("POST", ["statuses", sha]) => self.status(user, project, &at(sha)?, params),
            ("GET", ["repository", "branches", name]) => {
                let commit = bare.resolve(&format!("refs/heads/{name}")).ok_or_else(|| missing("Branch"))?;
                let can_push = self.at_project(user, project, Role::Developer).is_ok();
                Ok(Reply::ok(json!({
                    "name": name, "commit": entities::commit(self, &bare.commit_info(&commit)), "merged": false, "protected": *name == "main",
                    "developers_can_push": false, "developers_can_merge": false, "can_push": can_push, "default": *name == "main",
                    "web_url": format!("{}/{}/-/tree/{name}", self.url, self.project(project).path),
                })))
            }
            ("GET", ["repository", "compare"]) => {
                params.require(&["from", "to"])?;
                let (from, to) = (at(&params.needed("from")?)?, at(&params.needed("to")?)?);
                let from_commit = if params.flag("straight")? == Some(true) { from.clone() } else { bare.merge_base(&from, &to) };
                let commits: Vec<Value> = bare.log(&from, &to).iter().map(|commit| entities::commit(self, commit)).collect();
                let diffs: Vec<Value> = bare.diff(&from_commit, &to).iter().map(|file| entities::diff(self, file)).collect();
                Ok(Reply::ok(json!({
                    "commit": commits.first(), "commits": commits, "diffs": diffs, "compare_timeout": false,
                    "compare_same_ref": from == to, "web_url": format!("{}/-/compare/{from}...{to}", self.url),
                })))
            }
            ("GET", ["repository", "merge_base"]) => {
                let refs = params.list("refs")?;
                let [one, other] = &refs[..] else { return Err(Refusal::new(400, "400 Bad request - Provide exactly 2 refs")) };
                Ok(Reply::ok(entities::commit(self, &bare.commit_info(&bare.merge_base(&at(one)?, &at(other)?)))))
            }
            ("GET", ["repository", "tree"]) => {
                let commit = at(&params.text("ref")?.unwrap_or_else(|| "HEAD".to_owned())).map_err(|_| missing("Tree"))?;
                let (folder, all) = (params.text("path")?.unwrap_or_default(), params.flag("recursive")? == Some(true));
                let tree = bare.tree(&commit, &folder, all);
                if tree.is_empty() {
                    return Err(missing("Tree"));
                }
                Ok(Reply::items(tree.into_iter().map(|(mode, kind, id, path)| {
                    let name = path.rsplit('/').next().expect("a path has a name");
                    json!({ "id": id, "name": name, "type": kind, "path": path, "mode": mode })
                })))
            }
            ("GET", ["repository", "files", file, "raw"]) => {
                let commit = at(&params.text("ref")?.unwrap_or_else(|| "HEAD".to_owned()))?;
                bare.blob(&commit, file).map(Reply::text).ok_or_else(|| missing("File"))
            }
            ("GET", ["repository", "files", file]) => {
                let name = params.needed("ref")?;
                let commit = at(&name)?;
                let bytes = bare.blob(&commit, file).ok_or_else(|| missing("File"))?;
                Ok(Reply::ok(json!({
                    "file_name": file.rsplit('/').next(), "file_path": file, "size": bytes.len(), "encoding": "base64", "ref": name,
                    "commit_id": commit, "last_commit_id": commit, "content": STANDARD.encode(&bytes),
                })))
            }
            _ => Err(no_route()),
        }
    }

    fn at_project(&self, user: Id, project: Id, role: Role) -> Tried<()> {
        let may = self.project(project).members.get(&user).is_some_and(|has| *has >= role);
        if may { Ok(()) } else { Err(Refusal::forbidden()) }
    }

    fn status(&mut self, user: Id, project: Id, sha: &str, params: &Params) -> Tried<Reply> {
        self.at_project(user, project, Role::Developer)?;
        params.require(&["state"])?;
        let words = ["pending", "running", "success", "failed", "canceled", "skipped"];
        let (state, id) = (params.choice("state", &words)?, self.fresh());
        let name = params.text("name")?.or(params.text("context")?).unwrap_or_else(|| "default".to_owned());
        let mut status = json!({
            "id": id, "sha": sha, "status": state, "name": name, "created_at": self.tick(), "allow_failure": false,
            "author": entities::user(self, user),
        });
        for field in ["target_url", "description", "ref"] {
            if let Some(text) = params.text(field)? {
                status[field] = json!(text);
            }
        }
        let at = self.requests.iter_mut().find(|request| request.versions.iter().any(|version| version.head == sha));
        let at = at.ok_or_else(|| Refusal::not_found("Commit"))?;
        at.statuses.push(status.clone());
        Ok(Reply::created(status))
    }

    /// Answers a GraphQL document that holds one of the two mutations; errors come with status 200.
    pub(super) fn graphql(&mut self, user: Id, document: &Value) -> Value {
        let text = document["query"].as_str().unwrap_or_default();
        let argument = |name: &str| {
            let pattern = Regex::new(&format!("{name}:\\s*(\\$(?<variable>\\w+)|\"(?<value>[^\"]*)\")")).expect("a fixed pattern");
            let found = pattern.captures(text)?;
            let variable = found.name("variable").map(|name| document["variables"][name.as_str()].as_str().unwrap_or_default());
            Some(variable.or(found.name("value").map(|value| value.as_str())).unwrap_or_default().to_owned())
        };
        let names = ["mergeRequestRequestChanges", "mergeRequestDestroyRequestedChanges"];
        let known = names.into_iter().find(|name| text.contains(&format!("{name}(")) && self.since(16, 11));
        let Some(name) = known else {
            return json!({ "errors": [{ "message": "Field doesn't exist on type 'Mutation'" }] });
        };
        let (path, iid) = (argument("projectPath").unwrap_or_default(), argument("iid").unwrap_or_default());
        let request = self.visible_request(user, &path, &iid).ok().filter(|request| self.may_update(user, *request).is_ok());
        let Some(request) = request else {
            let why = "The resource that you are attempting to access does not exist or you don't have permission to perform this action";
            return json!({ "data": { name: null }, "errors": [{ "message": why, "path": [name] }] });
        };
        let errors = match name {
            "mergeRequestRequestChanges" => self.request_changes(user, request),
            _ if self.options.premium => self.clear_changes(user, request),
            _ => vec!["Invalid license".to_owned()],
        };
        json!({ "data": { name: { "errors": errors } } })
    }
}
