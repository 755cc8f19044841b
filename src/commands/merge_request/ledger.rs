//! This round's findings held against the earlier rounds, with everything that takes a look outside: where code went, who may do what, what
//! the coordinator answers. It must not decide what follows: `round` does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Stage;
use super::job::Job;
use super::scene::Scene;
use crate::change::{Change, CommitId, Interdiff, interdiff, parse};
use crate::checkout;
use crate::codex::Mask;
use crate::commands::examine::{Examined, Reading};
use crate::env::Env;
use crate::error::Failure;
use crate::gitlab::Gitlab;
use crate::review::{self, DropReason, Dropped, FollowUp, Gap, Outcome};
use crate::round::settle::{conclude, settle};
use crate::round::{
    AccessLevel, Award, Bots, Conversation, Ground, Person, Reconciled, Resolution, Reviewed, Scope, Settling, State, Task, converge,
    raise_nothing, reconcile_over,
};
use crate::settings::{Access, Settings};

/// Most people whose role is asked for in one run: each is a request.
const MAX_PEOPLE: usize = 20;
/// Most threads whose reactions are read in one run: each is a request.
const MAX_REACTIONS: usize = 20;

/// Reads the reactions to the threads that something was done to: GitLab says of a note that it was updated when somebody reacts to it.
pub(super) async fn with_reactions(
    gitlab: &Gitlab,
    scene: &Scene,
    bots: &Bots,
    conversation: Conversation,
) -> Result<Conversation, Failure> {
    let ours: BTreeSet<u64> = conversation.threads.values().map(|marked| marked.thread.note).collect();
    let notes = scene.threads.iter().filter_map(|thread| thread.notes.first());
    let touched: Vec<u64> = notes.filter(|note| note.edited && ours.contains(&note.id)).map(|note| note.id).take(MAX_REACTIONS).collect();
    let mut awards = Vec::new();
    for note in touched {
        let given = gitlab.awards(scene.target, note).await?;
        awards.extend(given.into_iter().map(|award| Award { note, name: award.name, by: award.by, at: award.at }));
    }
    Ok(conversation.with_awards(awards, bots))
}

/// Reads the roles of those whose word may count: who speaks in threads or resolved them, and who may have lifted the gate.
pub(super) async fn roles(
    gitlab: &Gitlab,
    scene: &Scene,
    conversation: &Conversation,
    settings: &Settings,
) -> Result<BTreeMap<u64, Option<AccessLevel>>, Failure> {
    let phrase = settings.break_glass.phrase.to_lowercase();
    let lifts = |body: &str| body.trim_start().to_lowercase().starts_with(&phrase);
    let spoke = conversation.said.iter().filter(|said| said.finding.is_some() || lifts(&said.body)).map(|said| &said.author);
    let reacted = conversation.awards.iter().map(|award| &award.by);
    let resolved = conversation.threads.values().filter_map(|marked| match &marked.resolution {
        Resolution::ByPerson(person) => Some(person),
        Resolution::Open | Resolution::ByBot | Resolution::Unnamed => None,
    });
    let people: BTreeSet<&Person> = spoke.chain(reacted).chain(resolved).collect();
    let mut roles = BTreeMap::new();
    for person in people.into_iter().take(MAX_PEOPLE) {
        roles.insert(person.id, gitlab.access(scene.target.project, person.id).await?.map(level));
    }
    Ok(roles)
}

/// Returns a role by GitLab's number.
pub(super) const fn level(access: Access) -> AccessLevel {
    AccessLevel::new(match access {
        Access::Reporter => 20,
        Access::Developer => 30,
        Access::Maintainer => 40,
        Access::Owner => 50,
    })
}

/// What a change is held against: the versions of it that earlier rounds saw, masked like the change itself.
pub(super) struct Against {
    /// The change at the head that the remembered positions belong to; none if that head is in the repository no more.
    old: Option<Change>,
    /// The merge base of that change.
    base: Option<CommitId>,
    /// What changed since.
    positions: Interdiff,
    /// What changed since the readers last read; none if they read all of it.
    fresh: Option<Interdiff>,
}

impl Against {
    /// Reads the earlier versions that a task needs.
    pub(super) async fn read(job: &Job, task: &Task, state: &State, change: &Change, mask: &Mask, env: &Env) -> Self {
        let masked = |change: &Change| change.masked(|text| mask.apply(text));
        let shown = masked(change);
        let (read, since) = match task {
            Task::Nothing | Task::Conversation => (None, None),
            Task::Recheck { since } => (None, Some(since)),
            Task::Review(Scope::Whole { since, .. }) => (None, since.as_ref()),
            Task::Review(Scope::New { read, since }) => (Some(read), Some(since)),
        };
        let at = async |reviewed: &Reviewed| change_at(&job.dir, reviewed, env).await.map(|change| masked(&change));
        let old = match (since, task) {
            (Some(since), _) => at(since).await,
            // The code is the one of the round before.
            (None, Task::Nothing | Task::Conversation) => state.last().map(|_| shown.clone()),
            (None, Task::Recheck { .. } | Task::Review(_)) => None,
        };
        let positions = interdiff(old.as_ref(), &shown);
        let fresh = match read {
            None => None,
            Some(read) if Some(read) == since => Some(positions.clone()),
            Some(read) => Some(interdiff(at(read).await.as_ref(), &shown)),
        };
        let base = since.map(|since| since.base.clone()).or_else(|| state.last().map(|last| last.base.clone()));
        Self { old, base, positions, fresh }
    }

    /// Returns what the reviewers read. `gate` is who lifted it, if anyone did, as a clause.
    pub(super) fn reading<'a>(&'a self, task: &Task, gate: Option<&'a str>) -> Reading<'a> {
        match (gate, task) {
            (Some(gate), _) => Reading::Nobody(gate),
            (None, Task::Nothing | Task::Conversation) => Reading::Nobody("the code is as it was, and people wrote"),
            (None, Task::Recheck { .. }) => Reading::Nobody("the same change stands on another base"),
            (None, Task::Review(_)) => self.fresh.as_ref().map_or(Reading::Whole, Reading::Since),
        }
    }
}

async fn change_at(dir: &Path, reviewed: &Reviewed, env: &Env) -> Option<Change> {
    match checkout::range(dir, &reviewed.base, &reviewed.head, env).await {
        Ok(local) => match parse(&local.diff) {
            Ok(change) => Some(change),
            Err(error) => {
                tracing::warn!("the change at {} of an earlier round cannot be read: {error}", reviewed.head.short());
                None
            }
        },
        Err(failure) => {
            tracing::info!("the head {} of an earlier round cannot be read: {failure}", reviewed.head.short());
            None
        }
    }
}

/// What a round is held against.
pub(super) struct Held<'a> {
    /// The merge request, with what is remembered and what was written.
    pub(super) stage: &'a Stage,
    /// Earlier versions of the change.
    pub(super) against: &'a Against,
    /// What the run has to do.
    pub(super) task: &'a Task,
    /// The round's number.
    pub(super) round: u32,
}

impl Held<'_> {
    /// Holds the findings of a review against the earlier rounds. Questions that rules cannot settle are put to the coordinator; what it used,
    /// and what it did not answer, becomes part of the review.
    pub(super) async fn against(&self, examined: &mut Examined) -> Reconciled {
        let Stage { scene, settings, state, conversation, .. } = self.stage;
        let Against { old, positions, .. } = self.against;
        let (people, round, last) = (self.stage.people(), self.round, state.last());
        let ground = Ground {
            interdiff: positions,
            old: old.as_ref(),
            new: &examined.shown,
            read_before: state.was_read(),
            same_base: self.against.base.as_ref() == Some(&scene.request.refs.base),
            looked: &examined.looked,
        };
        let mut reconciled = reconcile_over(state, &examined.review.findings, round, &ground);
        let findings = &mut examined.review.findings;
        // Detectors run in every job, because its reports are about the whole change.
        let (late, why) = match self.task {
            Task::Nothing | Task::Conversation => {
                (raise_nothing(state, findings, &mut reconciled), "the code is as it was, and this run looks at what people wrote")
            }
            Task::Recheck { .. } | Task::Review(_) => {
                (converge(findings, &mut reconciled), "in code that an earlier round had read, and too many of them")
            }
        };
        examined.review.dropped.extend(late.iter().map(|finding| Dropped {
            claim: review::claim_of(finding),
            reason: DropReason::MissedEarlier,
            detail: why.to_owned(),
        }));
        let settling = Settling { conversation, people: &people, ground: &ground, round, head: &scene.request.refs.head, last };
        let asked = settle(&mut reconciled, &settling);
        let answers = match &examined.sitting {
            Some(sitting) if !asked.is_empty() => {
                let questions: Vec<FollowUp> = asked.iter().map(|asked| asked.question.clone()).collect();
                let followed = sitting.follow_up(&questions, settings).await;
                if let Outcome::Failed { why, by_budget } = &followed.report.outcome {
                    let what =
                        format!("what became of {} was not checked: {why}", crate::report::plural(questions.len(), "earlier finding"));
                    examined.review.incomplete.push(Gap { what, by_budget: *by_budget });
                }
                examined.review.reviewers.push(followed.report);
                examined.review.spending.rows.extend(followed.spent);
                followed.answers
            }
            Some(_) | None => Vec::new(),
        };
        conclude(&mut reconciled, &asked, &answers, &settling);
        reconciled
    }
}
