//! What GitLab tells a job about its merge request, read from the variables of the run. It must not ask GitLab anything.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

use crate::change::CommitId;
use crate::env::Env;
use crate::error::Failure;

/// Largest file of certificates that is read, in bytes.
const MAX_CA_BYTES: u64 = 4 << 20;

/// A job in the pipeline of a merge request.
#[derive(Debug)]
pub(super) struct Job {
    /// `CI_API_V4_URL`, without a trailing slash.
    pub(super) api: String,
    /// `CI_API_GRAPHQL_URL`, if GitLab gives one.
    pub(super) graphql: Option<String>,
    /// The token that reads the project and, if it may, writes notes.
    pub(super) token: SecretString,
    /// What the token is for.
    pub(super) hand: Hand,
    /// What markers and boundaries derive from.
    secret: SecretString,
    /// Certificates to trust beside the usual ones, PEM.
    pub(super) ca_pem: Option<Vec<u8>>,
    /// The target project.
    pub(super) project: u64,
    /// The project that the pipeline runs in: the target, or a fork.
    pub(super) pipeline_project: u64,
    /// Number of the merge request within the target project.
    pub(super) iid: u64,
    /// The head that the job was made for: only to notice that the merge request has moved on.
    pub(super) head: CommitId,
    /// What kind of pipeline it is.
    pub(super) event: Event,
    /// The checkout.
    pub(super) dir: PathBuf,
    /// The job's page.
    pub(super) page: Option<String>,
}

/// What the token of a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    /// Reading and writing.
    Writes,
    /// Reading alone: another job posts what this one finds.
    Reads,
}

/// Kinds of merge-request pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// On the source branch's own head.
    Detached,
    /// On a merge commit that GitLab made for the pipeline.
    MergedResult,
    /// In a merge train, where the review is over.
    MergeTrain,
}

impl Job {
    /// Returns whether the run is in the pipeline of a merge request.
    pub(super) fn is_one(env: &Env) -> bool {
        env.var("CI_MERGE_REQUEST_IID").is_some()
    }

    /// Returns what markers and boundaries derive from.
    pub(super) fn secret(&self) -> &[u8] {
        self.secret.expose_secret().as_bytes()
    }

    /// Reads the variables. Fails when some are missing or make no sense, naming each.
    pub(super) fn from(env: &Env) -> Result<Self, Failure> {
        let needed = ["CI_API_V4_URL", "CI_MERGE_REQUEST_PROJECT_ID", "CI_MERGE_REQUEST_IID", "CI_COMMIT_SHA"];
        let missing: Vec<&str> = needed.into_iter().filter(|name| env.var(name).is_none()).collect();
        if !missing.is_empty() {
            return Err(Failure::usage(format!("this looks like the pipeline of a merge request, but it lacks {}", missing.join(", ")))
                .hint("GitLab sets them in merge-request pipelines (rules: if $CI_PIPELINE_SOURCE == \"merge_request_event\"); elsewhere use assize review --local"));
        }
        let text = |name: &str| env.var(name).unwrap_or_default();
        let number = |name: &str| {
            text(name)
                .parse::<u64>()
                .map_err(|_| Failure::usage(format!("{name} is `{}`, which is no number", text(name))).hint("leave it as GitLab sets it"))
        };
        let head = env.var("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA").map_or("CI_COMMIT_SHA", |_| "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA");
        let head = CommitId::parse(text(head))
            .ok_or_else(|| Failure::usage(format!("{head} is `{}`, which is no commit", text(head))).hint("leave it as GitLab sets it"))?;
        let project = number("CI_MERGE_REQUEST_PROJECT_ID")?;
        let writes = env.var("ASSIZE_GITLAB_TOKEN").or_else(|| env.var("GITLAB_TOKEN")).map(|token| (token, Hand::Writes));
        let reads = || env.var("ASSIZE_GITLAB_READ_TOKEN").map(|token| (token, Hand::Reads));
        let (token, hand) = writes.or_else(reads).ok_or_else(no_token)?;
        Ok(Self {
            api: text("CI_API_V4_URL").trim_end_matches('/').to_owned(),
            graphql: env.var("CI_API_GRAPHQL_URL").map(str::to_owned),
            token: token.into(),
            hand,
            secret: env.var("ASSIZE_KEY").unwrap_or(token).into(),
            ca_pem: env.var("CI_SERVER_TLS_CA_FILE").map(certificates).transpose()?,
            project,
            pipeline_project: if env.var("CI_PROJECT_ID").is_some() { number("CI_PROJECT_ID")? } else { project },
            iid: number("CI_MERGE_REQUEST_IID")?,
            head,
            event: match env.var("CI_MERGE_REQUEST_EVENT_TYPE") {
                Some("merge_train") => Event::MergeTrain,
                Some("merged_result") => Event::MergedResult,
                _ => Event::Detached,
            },
            dir: env.var("CI_PROJECT_DIR").map_or_else(|| env.cwd.clone(), |dir| env.cwd.join(dir)),
            page: env.var("CI_JOB_URL").map(str::to_owned),
        })
    }
}

/// No token that may write.
pub(super) fn no_token() -> Failure {
    Failure::usage("there is no token for GitLab: neither ASSIZE_GITLAB_TOKEN nor GITLAB_TOKEN is set in this job").hint(
        "make a project access token (scope api, role Developer) and store it as the CI/CD variable ASSIZE_GITLAB_TOKEN, masked; if it is there \
         already, it is probably protected, and protected variables do not reach jobs of unprotected branches",
    )
}

fn certificates(path: &str) -> Result<Vec<u8>, Failure> {
    let cannot =
        |why: String| Failure::usage(format!("cannot read the certificates in {path}: {why}")).hint("CI_SERVER_TLS_CA_FILE names the file");
    let size = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?.len();
    if size > MAX_CA_BYTES {
        return Err(cannot(format!("it is larger than {} MiB", MAX_CA_BYTES >> 20)));
    }
    std::fs::read(path).map_err(|error| cannot(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const MERGE: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn job(more: &[(&str, &str)]) -> Result<Job, Failure> {
        let usual = [
            ("CI_API_V4_URL", "https://gitlab.example.com/git/api/v4"),
            ("CI_MERGE_REQUEST_PROJECT_ID", "42"),
            ("CI_MERGE_REQUEST_IID", "5"),
            ("CI_COMMIT_SHA", HEAD),
            ("ASSIZE_GITLAB_TOKEN", "glpat-secret"),
        ];
        let vars = usual.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Job::from(&Env { vars, cwd: "/builds".into(), ..Env::default() })
    }

    #[test]
    fn a_merged_results_pipeline_is_about_the_source_branch_and_not_about_gitlabs_merge_commit() {
        let job = job(&[
            ("CI_COMMIT_SHA", MERGE),
            ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", HEAD),
            ("CI_MERGE_REQUEST_EVENT_TYPE", "merged_result"),
        ])
        .unwrap();
        assert_eq!((job.head.as_str(), job.event), (HEAD, Event::MergedResult));
    }

    #[test]
    fn a_fork_is_addressed_through_its_target() {
        let job = job(&[("CI_PROJECT_ID", "77"), ("ASSIZE_KEY", "own")]).unwrap();
        assert_eq!((job.project, job.pipeline_project, job.secret()), (42, 77, &b"own"[..]));
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        let failure = job(&[("CI_API_V4_URL", ""), ("CI_COMMIT_SHA", "")]).unwrap_err();
        assert_eq!(failure.message, "this looks like the pipeline of a merge request, but it lacks CI_API_V4_URL, CI_COMMIT_SHA");
        let failure = job(&[("ASSIZE_GITLAB_TOKEN", "")]).unwrap_err();
        assert!(failure.hint.unwrap().contains("protected variables do not reach jobs of unprotected branches"));
        let failure = job(&[("CI_MERGE_REQUEST_IID", "five")]).unwrap_err();
        assert_eq!(failure.message, "CI_MERGE_REQUEST_IID is `five`, which is no number");
    }

    #[test]
    fn a_token_for_reading_is_used_where_there_is_no_other() {
        assert_eq!(job(&[("ASSIZE_GITLAB_READ_TOKEN", "glpat-reads")]).unwrap().hand, Hand::Writes);
        let job = job(&[("ASSIZE_GITLAB_TOKEN", ""), ("ASSIZE_GITLAB_READ_TOKEN", "glpat-reads")]).unwrap();
        assert_eq!((job.hand, job.token.expose_secret()), (Hand::Reads, "glpat-reads"));
    }

    #[test]
    fn tokens_do_not_show() {
        assert!(!format!("{:?}", job(&[]).unwrap()).contains("glpat"));
    }
}
