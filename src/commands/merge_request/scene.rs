//! What GitLab says about a merge request before anything is reviewed, and the ways in which there is nothing to do. It must not write.

use std::fmt;

use tokio::time::sleep;

use super::job::{Event, Job};
use crate::change::CommitId;
use crate::error::Failure;
use crate::gitlab::{DiffWait, Gitlab, GitlabError, GitlabErrorKind, ServerVersion, Target};
use crate::report::plural;
use crate::review::Tier;
use crate::review::risk::Forced;
use crate::round::{MergeRequest, Person, RequestState, Thread};
use crate::settings::Settings;

/// Labels of this program begin so.
const LABEL: &str = "assize::";

/// A merge request that can be reviewed.
#[derive(Debug)]
pub(super) struct Scene {
    /// Its address.
    pub(super) target: Target,
    /// The user that the token belongs to.
    pub(super) me: Person,
    /// GitLab's version.
    pub(super) version: ServerVersion,
    /// The merge request.
    pub(super) request: MergeRequest,
    /// Everything that was written on it.
    pub(super) threads: Vec<Thread>,
}

/// What was met at the merge request.
#[derive(Debug)]
pub(super) enum Met {
    /// It can be reviewed.
    Open(Box<Scene>),
    /// There is nothing to review, and nothing will be posted.
    Over(Over),
}

/// Why nothing is reviewed. Neither a failure nor a clean review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The merge request has another head than the job.
    Superseded {
        /// The job's.
        job: CommitId,
        /// GitLab's, if it is known.
        now: Option<CommitId>,
    },
    /// Another job of the merge request has posted while this one was reviewing.
    Raced,
    /// It was merged.
    Merged,
    /// It was closed.
    Closed,
    /// The pipeline is one of a merge train.
    Train,
    /// A label says so.
    Skipped {
        /// Who set it, as a clause behind “by”.
        by: String,
    },
    /// It was reviewed already, and nothing has happened since.
    Unchanged {
        /// The round that did it.
        round: u32,
    },
    /// The result that was to be posted is about other code than the merge request's.
    Stale {
        /// The head that it is about.
        head: CommitId,
    },
    /// The result that was to be posted was.
    Posted {
        /// The round that it was.
        round: u32,
    },
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superseded { job, now } => {
                let now = now.as_ref().map_or("another head", CommitId::short);
                write!(f, "superseded: this job is for {}, and the merge request is at {now}; the newer pipeline reviews it", job.short())
            }
            Self::Raced => f.write_str("superseded: another job of this merge request has posted meanwhile"),
            Self::Merged => f.write_str("nothing to do: the merge request is merged"),
            Self::Closed => f.write_str("nothing to do: the merge request is closed"),
            Self::Train => f.write_str("nothing to do: a merge train is no place for a review"),
            Self::Skipped { by } => write!(f, "skipped by {by}"),
            Self::Unchanged { round } => {
                write!(f, "nothing to do: round {round} reviewed this already, and nobody has written anything since")
            }
            Self::Stale { head } => {
                write!(
                    f,
                    "superseded: the result is about {} on its base of then; the newer pipeline reviews what is there now",
                    head.short()
                )
            }
            Self::Posted { round } => write!(f, "nothing to do: all of round {round} is posted already"),
        }
    }
}

/// Reads the merge request of a job.
pub(super) async fn meet(gitlab: &Gitlab, job: &Job, wait: DiffWait) -> Result<Met, Failure> {
    if job.event == Event::MergeTrain {
        return Ok(Met::Over(Over::Train));
    }
    let target = Target { project: job.project, iid: job.iid };
    let (me, version, request, threads) =
        tokio::join!(gitlab.me(), gitlab.version(), request(gitlab, target, job, wait), gitlab.threads(target));
    // The first of these says best what is wrong with a token.
    let me = me?;
    let version = version?;
    let request = match request? {
        Ok(request) => request,
        Err(over) => return Ok(Met::Over(over)),
    };
    let threads = threads?;
    Ok(Met::Open(Box::new(Scene { target, me, version, request, threads })))
}

/// Reads the merge request at the job's head. GitLab makes a diff some time after a push: while it shows a version that is older than the job,
/// it is asked again, within bounds.
async fn request(gitlab: &Gitlab, target: Target, job: &Job, wait: DiffWait) -> Result<Result<MergeRequest, Over>, GitlabError> {
    let mut asked = 1;
    loop {
        let request = match gitlab.merge_request(target, wait).await {
            Err(error) if *error.kind() == GitlabErrorKind::NoDiff => {
                // One that is closed may have no diff at all.
                return match gitlab.head(target).await?.state {
                    RequestState::Open => Err(error),
                    RequestState::Merged => Ok(Err(Over::Merged)),
                    RequestState::Closed => Ok(Err(Over::Closed)),
                };
            }
            request => request?,
        };
        match request.state {
            RequestState::Open => {}
            RequestState::Merged => return Ok(Err(Over::Merged)),
            RequestState::Closed => return Ok(Err(Over::Closed)),
        }
        if request.refs.head == job.head {
            return Ok(Ok(request));
        }
        let known = gitlab.versions(target).await?.into_iter().filter_map(|version| version.refs).any(|refs| refs.head == job.head);
        if known || asked >= wait.attempts {
            return Ok(Err(Over::Superseded { job: job.head.clone(), now: Some(request.refs.head) }));
        }
        asked += 1;
        sleep(wait.pause).await;
    }
}

/// What labels and flags ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// A tier.
    pub(super) forced: Option<Forced>,
    /// Not to review at all; by whom, as a clause behind “by”.
    pub(super) skip: Option<String>,
    /// What was asked for and is not followed.
    pub(super) remarks: Vec<String>,
}

/// Reads what the labels of the merge request ask for, and `flag`, the tier of the command line. Raising a tier is anyone's; lowering it and
/// skipping takes a person with `min_access`, and the job's own definition never may.
pub(super) async fn asked(gitlab: &Gitlab, scene: &Scene, flag: Option<Forced>, settings: &Settings) -> Result<Asked, Failure> {
    let words: Vec<&str> = scene.request.labels.iter().filter_map(|label| label.strip_prefix(LABEL)).collect();
    let tier = words.iter().filter_map(|word| Tier::parse(word)).max();
    let skip = words.contains(&"skip");
    let Some(word) = tier.map(Tier::word).or(skip.then_some("skip")) else { return Ok(Asked { forced: flag, ..Asked::default() }) };
    let label = format!("{LABEL}{word}");
    let setter = gitlab.label_setters(scene.target).await?.remove(&label);
    let by = match &setter {
        Some(person) => format!("the label {label} of @{}", person.username),
        None => format!("the label {label}"),
    };
    let may_lower = match &setter {
        // Nothing is above full.
        Some(_) if tier == Some(Tier::Full) => false,
        Some(person) => gitlab.access(scene.target.project, person.id).await?.is_some_and(|access| access >= settings.min_access),
        None => false,
    };
    Ok(match tier {
        Some(tier) => {
            let labelled = Forced { tier, by, may_lower };
            // Of two wishes the higher one holds.
            let forced = flag.filter(|flag| flag.tier > tier).unwrap_or(labelled);
            Asked { forced: Some(forced), ..Asked::default() }
        }
        None if may_lower => Asked { forced: flag, skip: Some(by), remarks: Vec::new() },
        None => {
            let role = settings.min_access.word();
            Asked { forced: flag, skip: None, remarks: vec![format!("{by} was not followed: skipping takes the role {role} at least")] }
        }
    })
}

/// Returns why a wish to skip is not followed, if it is not: sensitive paths are never skipped.
pub(super) fn not_skipped(by: &str, sensitive: usize) -> Option<String> {
    (sensitive > 0).then(|| {
        let verb = if sensitive == 1 { "is" } else { "are" };
        format!("{by} was not followed: {} {verb} security-sensitive", plural(sensitive, "changed file"))
    })
}
