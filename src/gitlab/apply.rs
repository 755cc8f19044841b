//! Does a plan on GitLab, action by action, and decides nothing: what is left undone is said with its reason. A run that is killed anywhere and
//! planned again posts nothing twice.

use std::collections::BTreeSet;

use tokio::time::sleep;

use super::write::{Wanted, note_by, thread_by};
use super::{Gitlab, GitlabError, GitlabErrorKind, Publishing, ServerVersion, Target};
use crate::round::{Action, DiffRefs, NewThread, Person, RequestState, Rung, RungPlace, Thread, ThreadRef, marker};

/// How often it is looked whether a batch is out, before it is published again or taken back. GitLab may still be at it when the connection is lost
/// already; the pauses grow with each look, to 15 s in all with the ordinary policy.
const LOOKS: u32 = 6;
/// How often a batch is published that GitLab fails on without publishing anything of it.
const BATCHES: u32 = 2;
/// After so many threads in a row that GitLab failed on, the rest of them is not tried.
const FAILURES_IN_A_ROW: u32 = 2;

/// Where a plan is done, and as whom.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The merge request.
    pub target: Target,
    /// The commits that the plan was made for, as GitLab gave them.
    pub refs: &'a DiffRefs,
    /// The user that the token belongs to.
    pub me: &'a Person,
    /// The version of GitLab.
    pub version: ServerVersion,
    /// How threads are opened.
    pub publishing: Publishing,
}

/// What became of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What became of each action, in their order.
    pub outcomes: Vec<Outcome>,
    /// The threads that the batch opened, in its order.
    pub opened: Vec<Opened>,
    /// All discussions as they were read after threads were opened; none if none were to be opened, or if they could not be read.
    pub threads: Option<Vec<Thread>>,
}

impl Applied {
    /// Returns everything that is not done.
    pub fn undone(&self) -> impl Iterator<Item = &Undone> {
        self.outcomes.iter().flat_map(|outcome| match outcome {
            Outcome::Done => [].iter(),
            Outcome::Undone(undone) => undone.iter(),
        })
    }

    /// Returns whether the merge request has moved on, so that the rest of the plan was left.
    pub fn superseded(&self) -> bool {
        self.undone().any(|undone| *undone.error.kind() == GitlabErrorKind::Superseded)
    }
}

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// Some of it is not; of a batch of threads, the others are open.
    Undone(Vec<Undone>),
}

/// Something that is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The marker of the thread that is not open; none for anything but a thread.
    pub marker: Option<String>,
    /// What was to be done, and why it is not.
    pub error: GitlabError,
}

/// A thread that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its marker, as planned.
    pub marker: String,
    /// Where it is.
    pub thread: ThreadRef,
    /// The rung that GitLab took, from 0.
    pub rung: usize,
}

impl Opened {
    fn of(pending: Pending<'_>, thread: &Thread) -> Option<Self> {
        let note = thread.notes.first()?.id;
        let thread = ThreadRef { id: thread.id.clone(), note };
        Some(Self { marker: pending.thread.marker.clone(), thread, rung: pending.rung })
    }
}

/// Does a plan. Actions that fail do not stop those that do not need them, but a newer head, a merge request that is no longer open, or a token
/// that is refused stop everything after them. Nothing is posted of a round that could not be written down: the next run, which reads of an earlier
/// one in the summary, would post it again.
pub async fn apply(gitlab: &Gitlab, site: &Site<'_>, actions: &[Action]) -> Applied {
    let mut run = Run { gitlab, site, opened: Vec::new(), threads: None };
    let mut outcomes = Vec::with_capacity(actions.len());
    let mut stop: Option<GitlabError> = None;
    let mut unwritten: Option<GitlabError> = None;
    for action in actions {
        let undone = match (&stop, &unwritten, action) {
            (Some(error), _, _) | (None, Some(error), Action::Reply { .. }) => vec![error.clone().about(told(action)).into()],
            (None, Some(error), Action::OpenThreads { threads, summary }) => all_undone(threads.iter(), summary.as_deref(), error),
            (None, _, _) => run.act(action).await,
        };
        if matches!(action, Action::EditSummary { .. }) {
            unwritten = undone.first().map(|undone| undone.error.clone());
        }
        if stop.is_none() {
            stop = undone.iter().map(|undone| &undone.error).find(|error| is_final(error.kind())).cloned();
        }
        outcomes.push(if undone.is_empty() { Outcome::Done } else { Outcome::Undone(undone) });
    }
    Applied { outcomes, opened: run.opened, threads: run.threads }
}

/// Returns whether nothing else can succeed after this.
const fn is_final(kind: &GitlabErrorKind) -> bool {
    matches!(kind, GitlabErrorKind::Superseded | GitlabErrorKind::Unauthorized)
}

/// Returns whether the next thread of a batch would fail in the same way.
const fn is_general(kind: &GitlabErrorKind) -> bool {
    matches!(
        kind,
        GitlabErrorKind::Superseded
            | GitlabErrorKind::Unauthorized
            | GitlabErrorKind::Forbidden
            | GitlabErrorKind::NotFound
            | GitlabErrorKind::NotGitlab
            | GitlabErrorKind::RateLimited { .. }
    )
}

/// Returns whether the next rung may do better.
const fn is_refusal(kind: &GitlabErrorKind) -> bool {
    matches!(kind, GitlabErrorKind::PositionRefused | GitlabErrorKind::Refused | GitlabErrorKind::CommandsRun)
}

/// Returns what an action does, in words that fit after “cannot”.
fn told(action: &Action) -> String {
    match action {
        Action::WithdrawApproval => "take the approval back".to_owned(),
        Action::DiscardDrafts => "delete old drafts".to_owned(),
        Action::PostSummary { .. } => "post the summary".to_owned(),
        Action::EditSummary { .. } => "edit the summary".to_owned(),
        Action::OpenThreads { threads, summary: None } => format!("open {} threads", threads.len()),
        Action::OpenThreads { threads, summary: Some(_) } => format!("open {} threads and post the summary", threads.len()),
        Action::Resolve { .. } => "resolve a thread".to_owned(),
        Action::Reply { .. } => "answer in a thread".to_owned(),
        Action::Approve { head } => format!("approve {}", head.short()),
        Action::RequestChanges => "request changes".to_owned(),
        Action::ClearRequestedChanges => "take the request for changes back".to_owned(),
    }
}

/// Returns where a thread was to stand, in words that fit after “cannot”.
fn told_thread(thread: &NewThread) -> String {
    match thread.rungs.first().map(|rung| &rung.place) {
        Some(RungPlace::Lines(position)) => {
            let line = position.line.new_line.or(position.line.old_line);
            format!("open the thread on {}:{}", position.new_path, line.map_or_else(String::new, |line| line.to_string()))
        }
        Some(RungPlace::File { new_path, .. }) => format!("open the thread on {new_path}"),
        None => "open a thread without a place".to_owned(),
    }
}

/// A run over a plan.
struct Run<'a> {
    gitlab: &'a Gitlab,
    site: &'a Site<'a>,
    opened: Vec<Opened>,
    threads: Option<Vec<Thread>>,
}

/// A thread of a batch, and the rung it goes to next.
#[derive(Clone, Copy)]
struct Pending<'a> {
    thread: &'a NewThread,
    rung: usize,
}

/// What there is after a batch was published.
struct Settled {
    threads: Vec<Thread>,
    /// Markers of drafts that stayed and are deleted now. Those without a thread were not published.
    withdrawn: BTreeSet<String>,
}

impl Run<'_> {
    async fn act(&mut self, action: &Action) -> Vec<Undone> {
        let Site { target, me, version, publishing, .. } = *self.site;
        let outcome = match action {
            Action::WithdrawApproval => self.gitlab.unapprove(target, me).await,
            Action::DiscardDrafts => self.discard().await,
            Action::PostSummary { body } => self.gitlab.post_note(target, me, body).await.map(drop),
            Action::EditSummary { note, body } => self.gitlab.edit_note(target, *note, body).await,
            Action::OpenThreads { threads, summary } => return self.open(threads, summary.as_deref()).await,
            Action::Resolve { thread } => self.gitlab.set_resolved(target, thread, Wanted::Yes).await,
            Action::Reply { thread, body, reopen } => self.reply(thread, body, *reopen).await,
            Action::Approve { head } => self.gitlab.approve(target, me, head).await,
            Action::RequestChanges => self.gitlab.request_changes(target, me, version, publishing, Wanted::Yes).await,
            Action::ClearRequestedChanges => self.gitlab.request_changes(target, me, version, publishing, Wanted::No).await,
        };
        outcome.err().map(Undone::from).into_iter().collect()
    }

    /// Deletes the drafts that carry a marker; others are a person's.
    async fn discard(&self) -> Result<(), GitlabError> {
        for draft in self.gitlab.own_drafts(self.site.target).await? {
            if marker::is_marked(&draft.body) {
                self.gitlab.delete_draft(self.site.target, draft.id).await?;
            }
        }
        Ok(())
    }

    /// Deletes the drafts of a batch that is not published. What cannot be deleted now is by the next run.
    async fn abandon(&self) {
        if let Err(error) = self.discard().await {
            tracing::warn!("{error}");
        }
    }

    /// Opens a thread again before answering in it: a run that dies in between has done the half that matters.
    async fn reply(&self, thread: &str, body: &str, reopen: bool) -> Result<(), GitlabError> {
        let Site { target, me, .. } = *self.site;
        if reopen {
            self.gitlab.set_resolved(target, thread, Wanted::No).await?;
        }
        self.gitlab.reply(target, me, thread, body).await.map(drop)
    }

    async fn open(&mut self, threads: &[NewThread], summary: Option<&str>) -> Vec<Undone> {
        match self.site.publishing {
            Publishing::Batch => self.open_in_a_batch(threads, summary).await,
            Publishing::OneByOne => self.open_one_by_one(threads, summary).await,
        }
    }

    async fn open_one_by_one(&mut self, threads: &[NewThread], summary: Option<&str>) -> Vec<Undone> {
        let Site { target, me, .. } = *self.site;
        if let Err(error) = self.still_the_head().await {
            return all_undone(threads.iter(), summary, &error);
        }
        let mut undone = Vec::new();
        if let Some(body) = summary {
            undone.extend(self.gitlab.post_note(target, me, body).await.err().map(Undone::from));
        }
        let pending: Vec<Pending<'_>> = threads.iter().map(|thread| Pending { thread, rung: 0 }).collect();
        undone.extend(self.open_directly(&pending).await);
        undone.extend(self.read_again().await);
        undone
    }

    async fn open_in_a_batch(&mut self, threads: &[NewThread], summary: Option<&str>) -> Vec<Undone> {
        let Site { target, me, .. } = *self.site;
        let (drafted, mut undone) = self.draft(threads).await;
        if drafted.is_empty() && summary.is_none() {
            return undone;
        }
        if let Err(error) = self.still_the_head().await {
            self.abandon().await;
            undone.extend(all_undone(drafted.iter().map(|pending| pending.thread), summary, &error));
            return undone;
        }
        let settled = match self.publish(&drafted, summary).await {
            Ok(settled) => settled,
            Err(error) => {
                self.abandon().await;
                undone.extend(all_undone(drafted.iter().map(|pending| pending.thread), summary, &error));
                return undone;
            }
        };
        let mut missing = Vec::new();
        for pending in drafted {
            match thread_by(&settled.threads, me, &pending.thread.marker) {
                Some(thread) => self.opened.extend(Opened::of(pending, thread)),
                None if settled.withdrawn.contains(&pending.thread.marker) => missing.push(pending),
                // GitLab dropped the draft: its place was not good enough.
                None => missing.push(Pending { rung: pending.rung + 1, ..pending }),
            }
        }
        let summary_is_there = summary.is_none_or(|body| note_by(&settled.threads, me, body).is_some());
        self.threads = Some(settled.threads);
        if let (Some(body), false) = (summary, summary_is_there) {
            match self.gitlab.post_note(target, me, body).await {
                Ok(_) => undone.extend(self.read_again().await),
                Err(error) => undone.push(error.into()),
            }
        }
        undone.extend(self.open_directly(&missing).await);
        undone
    }

    /// Drafts threads, each on the best rung that GitLab takes. Returns those that are drafted.
    async fn draft<'t>(&self, threads: &'t [NewThread]) -> (Vec<Pending<'t>>, Vec<Undone>) {
        let Site { target, refs, .. } = *self.site;
        let all: Vec<Pending<'_>> = threads.iter().map(|thread| Pending { thread, rung: 0 }).collect();
        let draft = async |thread: &NewThread, rung: &Rung| self.gitlab.draft(target, refs, rung, &thread.marker).await;
        let (drafted, undone) = down_the_rungs(&all, draft).await;
        (drafted.into_iter().map(|(pending, ())| pending).collect(), undone)
    }

    /// Publishes a batch, once more if nothing came of it. What stays a draft all the same is taken back, to be posted by hand.
    async fn publish(&self, drafted: &[Pending<'_>], summary: Option<&str>) -> Result<Settled, GitlabError> {
        let Site { target, me, .. } = *self.site;
        let markers: Vec<&str> = drafted.iter().map(|pending| pending.thread.marker.as_str()).collect();
        if markers.is_empty() {
            return Ok(Settled { threads: self.gitlab.threads(target).await?, withdrawn: BTreeSet::new() });
        }
        let mut attempts = 0;
        loop {
            let published = self.gitlab.publish(target, summary).await;
            if let Some(error) = published.as_ref().err().filter(|error| is_general(error.kind())) {
                return Err(error.clone());
            }
            let (threads, left) = self.settle(&markers, published.is_ok()).await?;
            if left.is_empty() {
                return Ok(Settled { threads, withdrawn: BTreeSet::new() });
            }
            attempts += 1;
            let untouched = left.len() == markers.len() && markers.iter().all(|marker| thread_by(&threads, me, marker).is_none());
            if untouched && attempts < BATCHES {
                continue;
            }
            for (draft, _) in &left {
                // One whose thread is there goes too: the next batch would publish it once more.
                self.gitlab.delete_draft(target, *draft).await?;
            }
            let withdrawn = left.into_iter().map(|(_, marker)| marker.to_owned()).collect();
            return Ok(Settled { threads: self.gitlab.threads(target).await?, withdrawn });
        }
    }

    /// Waits until nothing of a batch is a draft any more: GitLab may have failed in the middle, or still be at it. Returns the threads, and the drafts
    /// that stay. A batch that `succeeded` is looked after only if a thread is missing.
    async fn settle<'m>(&self, markers: &[&'m str], succeeded: bool) -> Result<(Vec<Thread>, Vec<(u64, &'m str)>), GitlabError> {
        let Site { target, me, .. } = *self.site;
        let threads = self.gitlab.threads(target).await?;
        if succeeded && markers.iter().all(|marker| thread_by(&threads, me, marker).is_some()) {
            return Ok((threads, Vec::new()));
        }
        let mut looks = 0;
        loop {
            // Drafts first: what is published between the two lists is then in the second.
            let drafts = self.gitlab.own_drafts(target).await?;
            let threads = self.gitlab.threads(target).await?;
            let of_batch = |body: &str| markers.iter().copied().find(|marker| body.contains(marker));
            let left: Vec<(u64, &str)> = drafts.iter().filter_map(|draft| Some((draft.id, of_batch(&draft.body)?))).collect();
            looks += 1;
            if left.is_empty() || looks >= LOOKS {
                return Ok((threads, left));
            }
            sleep(self.gitlab.retry.base.saturating_mul(looks)).await;
        }
    }

    /// Opens threads directly, each on the first rung from its own on that GitLab takes.
    async fn open_directly(&mut self, pending: &[Pending<'_>]) -> Vec<Undone> {
        let Site { target, refs, me, .. } = *self.site;
        let open = async |thread: &NewThread, rung: &Rung| self.gitlab.open_thread(target, refs, me, rung, &thread.marker).await;
        let (done, undone) = down_the_rungs(pending, open).await;
        for (pending, thread) in done {
            self.opened.extend(Opened::of(pending, &thread));
            if let Some(threads) = &mut self.threads {
                threads.push(thread);
            }
        }
        undone
    }

    /// Reads what is there after everything was posted: the caller writes links to it.
    async fn read_again(&mut self) -> Option<Undone> {
        match self.gitlab.threads(self.site.target).await {
            Ok(threads) => {
                self.threads = Some(threads);
                None
            }
            Err(error) => Some(error.into()),
        }
    }

    /// Looks whether the merge request is still what the plan was made for.
    async fn still_the_head(&self) -> Result<(), GitlabError> {
        let Site { target, refs, .. } = *self.site;
        let there = self.gitlab.head(target).await?;
        let said = match (there.state, &there.head) {
            (RequestState::Open, Some(head)) if *head == refs.head => return Ok(()),
            (RequestState::Open, Some(head)) => format!("its head is {} now, and {} was reviewed", head.short(), refs.head.short()),
            (RequestState::Open, None) => "its diff is being made anew".to_owned(),
            (RequestState::Merged, _) => "it is merged now".to_owned(),
            (RequestState::Closed, _) => "it is closed now".to_owned(),
        };
        Err(GitlabError::new(format!("publish on {target}"), GitlabErrorKind::Superseded, said))
    }
}

/// Tries each thread on its rungs, from the pending one down, until GitLab takes one. Threads that fail do not stop the others, unless they would
/// fail in the same way.
async fn down_the_rungs<'t, T>(
    pending: &[Pending<'t>],
    attempt: impl AsyncFn(&NewThread, &Rung) -> Result<T, GitlabError>,
) -> (Vec<(Pending<'t>, T)>, Vec<Undone>) {
    let (mut done, mut undone) = (Vec::new(), Vec::new());
    let mut failures = 0;
    for (index, &Pending { thread, rung: first }) in pending.iter().enumerate() {
        let dropped = "GitLab dropped the draft without a word, and there is no other place";
        let mut outcome = Err(GitlabError::new("", GitlabErrorKind::PositionRefused, dropped));
        for (rung, place) in thread.rungs.iter().enumerate().skip(first) {
            outcome = attempt(thread, place).await.map(|value| (Pending { thread, rung }, value));
            if !outcome.as_ref().is_err_and(|error| is_refusal(error.kind())) {
                break;
            }
        }
        match outcome {
            Ok(opened) => {
                done.push(opened);
                failures = 0;
            }
            Err(error) => {
                failures += u32::from(!is_refusal(error.kind()));
                let ends = is_general(error.kind()) || failures >= FAILURES_IN_A_ROW;
                let left = if ends { &pending[index..] } else { &pending[index..=index] };
                undone.extend(left.iter().map(|pending| undone_thread(pending.thread, &error)));
                if ends {
                    break;
                }
            }
        }
    }
    (done, undone)
}

impl From<GitlabError> for Undone {
    fn from(error: GitlabError) -> Self {
        Self { marker: None, error }
    }
}

fn all_undone<'t>(threads: impl Iterator<Item = &'t NewThread>, summary: Option<&str>, error: &GitlabError) -> Vec<Undone> {
    let summary = summary.map(|_| error.clone().about("post the summary").into());
    summary.into_iter().chain(threads.map(|thread| undone_thread(thread, error))).collect()
}

fn undone_thread(thread: &NewThread, error: &GitlabError) -> Undone {
    Undone { marker: Some(thread.marker.clone()), error: error.clone().about(told_thread(thread)) }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod toy;
