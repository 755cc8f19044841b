//! The job of a merge request pipeline: the variables that GitLab gives it, and the checkout that its runner makes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::Shared;
use super::git::command;
use super::people::Mr;
use super::world::World;

/// What kind of pipeline the job is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pipeline {
    /// On the head of the source branch, in the target's project.
    Detached,
    /// On the source merged into the target.
    MergedResults,
    /// On a merge train.
    Train,
    /// On the head of the source branch, in the project of the source: a fork's own pipeline.
    Fork,
}

/// How much the runner fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Everything, as `GIT_DEPTH: 0` does.
    Full,
    /// So many commits.
    Commits(u32),
}

/// A job that has started.
#[derive(Debug)]
pub(crate) struct Job {
    /// Its variables, without any token but the job's own.
    pub(crate) vars: BTreeMap<String, String>,
    dir: TempDir,
}

impl Job {
    /// Returns the checkout.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Adds a variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.vars.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Takes a variable away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.vars.remove(name);
        self
    }
}

impl Mr {
    /// Starts a job for the newest head.
    pub(crate) fn job(&self, pipeline: Pipeline, depth: Depth) -> Job {
        let dir = TempDir::new().expect("a temporary folder");
        let (mut vars, commit, origin) = prepare(&self.shared, self, pipeline);
        vars.insert("CI_PROJECT_DIR".to_owned(), dir.path().display().to_string());
        let number = vars["CI_PIPELINE_ID"].clone();
        let git = |args: &[&str]| {
            let status = command(dir.path(), args).status().expect("git starts");
            assert!(status.success(), "git {args:?}");
        };
        git(&["init", "--quiet", "--initial-branch=main"]);
        git(&["remote", "add", "origin", &origin]);
        let pipeline_ref = format!("+{commit}:refs/pipelines/{number}");
        match depth {
            Depth::Full => git(&["fetch", "--quiet", "origin", &pipeline_ref, "+refs/heads/*:refs/remotes/origin/*"]),
            Depth::Commits(count) => git(&["fetch", "--quiet", &format!("--depth={count}"), "origin", &pipeline_ref]),
        }
        git(&["checkout", "--quiet", "--detach", &commit]);
        Job { vars, dir }
    }
}

/// Returns the variables, the commit to check out, and where from.
fn prepare(shared: &Arc<Shared>, mr: &Mr, pipeline: Pipeline) -> (BTreeMap<String, String>, String, String) {
    let mut world = shared.world();
    let (job, number) = (world.fresh(), world.fresh());
    let tip = world.target_tip(mr.id);
    let bare = world.bare_of(mr.id);
    let head = world.request(mr.id).newest().head.clone();
    let (kind, commit, ref_name) = match pipeline {
        Pipeline::Detached | Pipeline::Fork => ("detached", head.clone(), "head"),
        Pipeline::MergedResults => ("merged_result", bare.merge(&tip, &head, "Merge into main"), "merge"),
        Pipeline::Train => ("merge_train", bare.merge(&tip, &head, "Merge into main"), "train"),
    };
    let ref_path = format!("refs/merge-requests/{}/{ref_name}", mr.iid);
    if kind != "detached" {
        bare.point(&ref_path, &commit);
    }
    let mut vars = variables(&world, mr, pipeline);
    let mut set = |name: &str, value: String| vars.insert(name.to_owned(), value);
    set("CI_COMMIT_SHA", commit.clone());
    set("CI_MERGE_REQUEST_EVENT_TYPE", kind.to_owned());
    set("CI_MERGE_REQUEST_REF_PATH", ref_path.clone());
    set("CI_COMMIT_REF_NAME", ref_path);
    set("CI_JOB_ID", job.to_string());
    set("CI_PIPELINE_ID", number.to_string());
    // In plain merge request pipelines these two are empty.
    let merged = |value: String| if kind == "detached" { String::new() } else { value };
    set("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", merged(head));
    set("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", merged(tip));
    let state = world.request(mr.id);
    let runs_in = if pipeline == Pipeline::Fork { state.source_project } else { state.project };
    let origin = format!("file://{}", world.project(runs_in).bare.path().display());
    (vars, commit, origin)
}

fn variables(world: &World, mr: &Mr, pipeline: Pipeline) -> BTreeMap<String, String> {
    let state = world.request(mr.id);
    let (target, source) = (world.project(state.project), world.project(state.source_project));
    let runs_in = if pipeline == Pipeline::Fork { source } else { target };
    let version = state.newest();
    let url = &world.url;
    let host = url.trim_start_matches("http://").split([':', '/']).next().unwrap_or_default();
    let description: String = state.description.chars().take(2700).collect();
    let list: Vec<(&str, String)> = vec![
        ("CI", "true".to_owned()),
        ("GITLAB_CI", "true".to_owned()),
        ("CI_SERVER", "yes".to_owned()),
        ("CI_SERVER_URL", url.clone()),
        ("CI_SERVER_HOST", host.to_owned()),
        ("CI_API_V4_URL", format!("{url}/api/v4")),
        ("CI_API_GRAPHQL_URL", format!("{url}/api/graphql")),
        ("CI_PROJECT_ID", runs_in.id.to_string()),
        ("CI_PROJECT_PATH", runs_in.path.clone()),
        ("CI_PROJECT_URL", format!("{url}/{}", runs_in.path)),
        ("CI_DEFAULT_BRANCH", "main".to_owned()),
        ("CI_JOB_NAME", "assize".to_owned()),
        ("CI_JOB_STAGE", "test".to_owned()),
        ("CI_JOB_URL", format!("{url}/{}/-/jobs/1", runs_in.path)),
        ("CI_PIPELINE_SOURCE", "merge_request_event".to_owned()),
        ("CI_PIPELINE_URL", format!("{url}/{}/-/pipelines/1", runs_in.path)),
        ("CI_COMMIT_BEFORE_SHA", "0".repeat(40)),
        ("CI_OPEN_MERGE_REQUESTS", format!("{}!{}", target.path, mr.iid)),
        ("CI_MERGE_REQUEST_ID", state.id.to_string()),
        ("CI_MERGE_REQUEST_IID", mr.iid.to_string()),
        ("CI_MERGE_REQUEST_PROJECT_ID", target.id.to_string()),
        ("CI_MERGE_REQUEST_PROJECT_PATH", target.path.clone()),
        ("CI_MERGE_REQUEST_PROJECT_URL", format!("{url}/{}", target.path)),
        ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", source.id.to_string()),
        ("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", source.path.clone()),
        ("CI_MERGE_REQUEST_SOURCE_PROJECT_URL", format!("{url}/{}", source.path)),
        ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", state.source_branch.clone()),
        ("CI_MERGE_REQUEST_SOURCE_BRANCH_PROTECTED", "false".to_owned()),
        ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", state.target_branch.clone()),
        ("CI_MERGE_REQUEST_TARGET_BRANCH_PROTECTED", "true".to_owned()),
        ("CI_MERGE_REQUEST_TITLE", state.title.clone()),
        ("CI_MERGE_REQUEST_DESCRIPTION_IS_TRUNCATED", (description.len() < state.description.len()).to_string()),
        ("CI_MERGE_REQUEST_DESCRIPTION", description),
        ("CI_MERGE_REQUEST_DIFF_BASE_SHA", version.base.clone()),
        ("CI_MERGE_REQUEST_DIFF_ID", version.id.to_string()),
        ("CI_MERGE_REQUEST_LABELS", state.labels.join(",")),
        ("CI_MERGE_REQUEST_DRAFT", state.title.starts_with("Draft:").to_string()),
        ("CI_MERGE_REQUEST_APPROVED", "true".to_owned()),
    ];
    list.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
