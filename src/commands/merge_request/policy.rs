//! Where a review's instructions come from: the tip of the target branch, from the checkout if it can be fetched there, else from GitLab's API.
//! It must not read anything of the source branch.

use std::collections::BTreeMap;
use std::path::Path;

use super::job::Job;
use crate::change::{CommitId, RepoPath};
use crate::checkout::{self, Files};
use crate::codex::{Rule, RuleId, RuleSet};
use crate::commands::input::CONFIG_NAMES;
use crate::comment::blob_url;
use crate::env::Env;
use crate::error::Failure;
use crate::gitlab::{Gitlab, TreeKind};
use crate::settings::{ConfigText, Settings};

/// Largest file of instructions that is read through the API, in bytes.
const MAX_FILE_BYTES: usize = 1 << 20;
/// Most files of instructions that are read through the API: each is a request.
const MAX_FILES: usize = 200;

/// The instructions of a merge request.
pub(super) struct Policy {
    /// The tip of the target branch that they are read from.
    pub(super) tip: CommitId,
    /// The configuration, if there is one.
    pub(super) config: Option<ConfigText>,
    source: Source,
}

enum Source {
    Checkout(Files),
    Api,
}

impl Policy {
    /// Finds the tip of the target branch and its configuration.
    pub(super) async fn read(gitlab: &Gitlab, job: &Job, branch: &str, env: &Env, remarks: &mut Vec<String>) -> Result<Self, Failure> {
        // The remote of a fork's pipeline is the fork, which the author writes to.
        let own = job.pipeline_project == job.project;
        let fetched = if own { Some(checkout::branch_tip(&job.dir, branch, env).await) } else { None };
        let (tip, source) = match fetched {
            Some(Ok((tip, files))) => (tip, Source::Checkout(files)),
            Some(Err(failure)) => {
                remarks.push(format!("the target branch was read through GitLab's API: {}", failure.message));
                (gitlab.branch(job.project, branch).await?, Source::Api)
            }
            None => (gitlab.branch(job.project, branch).await?, Source::Api),
        };
        let mut policy = Self { tip, config: None, source };
        policy.config = policy.find_config(gitlab, job, env).await?;
        Ok(policy)
    }

    async fn find_config(&self, gitlab: &Gitlab, job: &Job, env: &Env) -> Result<Option<ConfigText>, Failure> {
        let by_variable = env.var("ASSIZE_CONFIG");
        let names = by_variable.map_or_else(|| CONFIG_NAMES.to_vec(), |name| vec![name]);
        for name in names {
            let path = RepoPath::from(name.trim_start_matches("./"));
            if let Some(bytes) = self.read_one(gitlab, job, &path).await? {
                let text = String::from_utf8(bytes)
                    .map_err(|_| Failure::usage(format!("{name} of the target branch is not UTF-8")).hint("save it as UTF-8"))?;
                return Ok(Some(ConfigText { name: name.to_owned(), text }));
            }
        }
        match by_variable {
            Some(name) => Err(Failure::usage(format!("there is no {name} in the target branch at {}", self.tip.short()))
                .hint("ASSIZE_CONFIG names it; in a merge request the configuration is read from the target branch")),
            None => Ok(None),
        }
    }

    async fn read_one(&self, gitlab: &Gitlab, job: &Job, path: &RepoPath) -> Result<Option<Vec<u8>>, Failure> {
        match &self.source {
            Source::Checkout(files) => files.read_one(path).await,
            Source::Api => Ok(gitlab.file(job.project, &self.tip, path, MAX_FILE_BYTES).await?),
        }
    }

    /// Returns the pages of the team's own rules, by rule. Built-in rules have none.
    pub(super) fn rule_pages(&self, project: &str, rules: &RuleSet, settings: &Settings) -> BTreeMap<RuleId, String> {
        let own = |rule: &&Rule| settings.codex.paths.iter().any(|folder| rule.origin.starts_with(&format!("{folder}/")));
        let page = |rule: &Rule| (rule.id.clone(), blob_url(project, &self.tip, &RepoPath::from(rule.origin.as_str())));
        rules.iter().filter(own).map(page).collect()
    }

    /// Returns the files that rules, prompts and AGENTS.md are read from.
    pub(super) async fn files(&self, gitlab: &Gitlab, job: &Job, settings: &Settings) -> Result<Files, Failure> {
        match &self.source {
            Source::Checkout(files) => Ok(files.clone()),
            Source::Api => from_api(gitlab, job.project, &self.tip, settings).await,
        }
    }
}

/// Reads what may instruct a review through the API: AGENTS.md, prompts, the folders of rules.
async fn from_api(gitlab: &Gitlab, project: u64, tip: &CommitId, settings: &Settings) -> Result<Files, Failure> {
    let mut paths = vec![RepoPath::from("AGENTS.md")];
    let folders = settings.codex.paths.iter().map(String::as_str).chain([crate::commands::prepare::PROMPT_FOLDER]);
    for folder in folders {
        let entries = gitlab.tree(project, tip, folder).await?.into_iter().flatten();
        paths.extend(entries.filter(|entry| entry.kind == TreeKind::File && entry.path.extension() == Some("md")).map(|entry| entry.path));
    }
    if paths.len() > MAX_FILES {
        return Err(Failure::usage(format!("the target branch holds {} files of rules and prompts, more than {MAX_FILES}", paths.len()))
            .hint("let the job fetch the target branch from `origin`, so that they need not be read one by one"));
    }
    let mut files = BTreeMap::new();
    for path in paths {
        if let Some(bytes) = gitlab.file(project, tip, &path, MAX_FILE_BYTES).await? {
            files.insert(path, bytes);
        }
    }
    Ok(Files::Memory(files))
}

/// Returns whether a folder can be asked for commits at all.
pub(super) fn is_checkout(dir: &Path) -> bool {
    dir.join(".git").exists()
}
