//! What a round does on GitLab: everything is decided here, before anything is sent. Planning again after the actions were done gives none but
//! an edit of the summary, so a run may be killed anywhere and repeated. It must not render anything: bodies are given.

use std::collections::BTreeSet;

use super::marker::{self, FindingMark, Keys, ReplyMark};
use super::reading::{Conversation, Marked, Resolution};
use super::reconcile::{Reconciled, Sight, Then};
use super::state::{FindingId, Known, Status};
use super::{Action, NewThread, Rung, RungPlace};
use crate::change::{Change, CommitId};
use crate::review::{Finding, Place, Severity, Verdict};

/// The settings that publishing follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// New threads in one round.
    pub max_threads: usize,
    /// The mildest severity that opens a thread.
    pub thread_severity: Severity,
    /// Whether the bot may approve and request changes.
    pub vote: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_threads: 10, thread_severity: Severity::Important, vote: false }
    }
}

/// What the bot has done on the merge request that no note shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BotState {
    /// Its approval stands.
    pub approved: bool,
    /// Its request for changes stands.
    pub requested_changes: bool,
    /// Drafts that an earlier run left behind.
    pub drafts: usize,
}

/// What one batch, and so one mail, can hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Batch {
    /// Threads: GitLab before 19.2.
    #[default]
    Threads,
    /// Threads, and the summary with them.
    ThreadsAndSummary,
}

/// How far the review may be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reliance {
    /// Everything that the tier requires was done.
    pub complete: bool,
    /// Reviewers ran: detectors alone, or nothing to review, never approve.
    pub reviewed: bool,
    /// A person lifted the gate for this head.
    pub overridden: bool,
}

/// Everything a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The settings.
    pub policy: Policy,
    /// The change, for places.
    pub change: &'a Change,
    /// The round's findings, worst first, as given to `reconcile`.
    pub findings: &'a [Finding],
    /// The same held against the earlier rounds.
    pub reconciled: &'a Reconciled,
    /// The round's number.
    pub round: u32,
    /// The reviewed head.
    pub head: &'a CommitId,
    /// The head of the last round that was written down; none if there was none, or if it is forgotten.
    pub previous_head: Option<&'a CommitId>,
    /// What the notes say.
    pub conversation: &'a Conversation,
    /// What the notes do not say.
    pub bot: BotState,
    /// What this GitLab publishes together.
    pub batch: Batch,
    /// How far the review may be relied on.
    pub reliance: Reliance,
    /// The keys of the merge request, for markers.
    pub keys: &'a Keys,
    /// The whole summary, its marker included.
    pub summary: &'a str,
}

/// A thread to be written.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// What is remembered of it, its lasting name among it.
    pub known: &'a Known,
    /// The finding.
    pub finding: &'a Finding,
    /// The finding of the same kind that a person dismissed at another place, if there is one.
    pub earlier: Option<&'a Known>,
    /// What it is to the earlier rounds.
    pub sight: Sight,
    /// Where this rung puts it.
    pub place: Rooting,
    /// The marker, which must be the last line of the body.
    pub marker: &'a str,
}

/// What a thread is rooted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rooting {
    /// All its lines, or the last of them: a suggestion works.
    Lines,
    /// The file as a whole, because the finding has no line.
    File,
    /// The file as a whole, because GitLab did not take the lines.
    Refused,
}

/// A reply to be written.
#[derive(Clone, Copy, Debug)]
pub struct Answering<'a> {
    /// The finding as remembered.
    pub known: &'a Known,
    /// What is answered.
    pub answer: Answer,
    /// The head at which it is answered.
    pub head: &'a CommitId,
    /// What the coordinator says, or nothing. A model's words.
    pub text: &'a str,
    /// The marker, which must be the last line of the body.
    pub marker: &'a str,
}

/// What the bot answers in a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was fixed, and is there again.
    Back,
    /// A person or GitLab resolved it as fixed, and it is still there.
    Still,
    /// A person dismissed it, and it got worse since.
    Worse,
    /// The person who disagreed is right: it is closed.
    Agreed,
    /// The person who disagreed is right in part: it is less bad, and stays.
    Lowered,
    /// The person who disagreed is not right. Said once.
    Disagreed,
    /// The answer to a question. Given once.
    Explained,
}

impl Answer {
    /// Returns the word of markers and reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Back => "back",
            Self::Still => "still",
            Self::Worse => "worse",
            Self::Agreed => "agreed",
            Self::Lowered => "lowered",
            Self::Disagreed => "disagreed",
            Self::Explained => "explained",
        }
    }

    /// Returns whether the thread has this answer already: for this head, or, where it answers what a person said, at all.
    fn is_given(self, marked: &Marked, head: &CommitId) -> bool {
        match self {
            Self::Back | Self::Still | Self::Worse => marked.replies.iter().any(|reply| reply.kind == self.word() && reply.head == *head),
            Self::Agreed | Self::Lowered | Self::Disagreed | Self::Explained => is_answered(marked),
        }
    }
}

/// Returns whether the bot has answered in a thread what people said. It does so once for a finding and never argues twice.
pub(super) fn is_answered(marked: &Marked) -> bool {
    let counters = [Answer::Agreed, Answer::Lowered, Answer::Disagreed, Answer::Explained];
    marked.replies.iter().any(|reply| counters.iter().any(|answer| answer.word() == reply.kind))
}

/// Returns whether the bot has granted in a thread that a finding is none.
pub(super) fn is_granted(marked: &Marked) -> bool {
    marked.replies.iter().any(|reply| reply.kind == Answer::Agreed.word())
}

/// How bodies are written; the texts are `comment`'s.
#[derive(Clone, Copy)]
pub struct Bodies<'a> {
    /// A thread.
    pub thread: &'a dyn Fn(&Opening<'_>) -> String,
    /// A reply.
    pub reply: &'a dyn Fn(&Answering<'_>) -> String,
}

/// What the bot's vote should be. The summary names it where it does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Whether the bot should approve.
    pub approve: bool,
    /// Whether it should request changes; none: as it is.
    pub request_changes: Option<bool>,
}

/// Returns what the bot's vote should be.
///
/// An approval needs a complete review by reviewers. A request for changes is taken back only when it is known to be met, when the gate was
/// lifted, or when votes were switched off: it must not block for ever.
pub fn vote(policy: Policy, verdict: Verdict, reliance: Reliance) -> Vote {
    if !policy.vote || reliance.overridden {
        return Vote { approve: false, request_changes: Some(false) };
    }
    if !reliance.complete {
        return Vote { approve: false, request_changes: None };
    }
    let fine = match verdict {
        Verdict::Approved | Verdict::ApprovedWithComments => true,
        Verdict::MinorIssues | Verdict::SignificantConcerns => false,
    };
    Vote { approve: fine && reliance.reviewed, request_changes: Some(verdict == Verdict::SignificantConcerns) }
}

/// Decides what is done, in the order in which it is done.
pub fn plan(input: &Input<'_>, bodies: &Bodies<'_>) -> Vec<Action> {
    let vote = vote(input.policy, input.reconciled.verdict(), input.reliance);
    let new_head = input.previous_head != Some(input.head);
    let mut actions = Vec::new();
    // First of all: an approval of another head must not outlive it, whatever happens to the rest.
    let withdraw = input.bot.approved && (new_head || !vote.approve);
    if withdraw {
        actions.push(Action::WithdrawApproval);
    }
    // Before anything that publishes: a review that clears a request for changes would publish them.
    if input.bot.drafts > 0 {
        actions.push(Action::DiscardDrafts);
    }
    if input.bot.requested_changes && vote.request_changes == Some(false) {
        actions.push(Action::ClearRequestedChanges);
    }
    let threads = new_threads(input, bodies);
    let opens = !threads.is_empty();
    match (summary(input), input.batch) {
        (Some(Action::PostSummary { body }), Batch::ThreadsAndSummary) if opens => {
            actions.push(Action::OpenThreads { threads, summary: Some(body) });
        }
        (summary, Batch::Threads | Batch::ThreadsAndSummary) => {
            actions.extend(summary);
            if opens {
                actions.push(Action::OpenThreads { threads, summary: None });
            }
        }
    }
    actions.extend(replies(input, bodies));
    // A batch sets the bot's state to “reviewed”: its request still blocks, but is not seen any more, and so would never be taken back.
    let hidden = input.bot.requested_changes && opens;
    let requests = match vote.request_changes {
        Some(true) => hidden || !input.bot.requested_changes,
        Some(false) => false,
        None => hidden,
    };
    if requests {
        actions.push(Action::RequestChanges);
    }
    if vote.approve && (withdraw || !input.bot.approved) {
        actions.push(Action::Approve { head: input.head.clone() });
    }
    actions
}

fn summary(input: &Input<'_>) -> Option<Action> {
    // One of a former bot cannot be edited.
    match input.conversation.summary.as_ref().filter(|summary| summary.own) {
        None => Some(Action::PostSummary { body: input.summary.to_owned() }),
        Some(there) if there.body.trim_end() == input.summary.trim_end() => None,
        Some(there) => Some(Action::EditSummary { note: there.note, body: input.summary.to_owned() }),
    }
}

/// The threads to open: worst first, as many as the round may still open.
fn new_threads(input: &Input<'_>, bodies: &Bodies<'_>) -> Vec<NewThread> {
    let opened = input.conversation.threads.values().filter(|marked| marked.mark.round == input.round).count();
    let room = input.policy.max_threads.saturating_sub(opened);
    let mut candidates: Vec<_> = input
        .findings
        .iter()
        .zip(&input.reconciled.seen)
        .filter(|(finding, _)| finding.severity >= input.policy.thread_severity)
        .filter_map(|(finding, seen)| Some((finding, seen.sight, input.reconciled.finding(seen.id)?)))
        // What was missed earlier opens none unless it is critical: rounds must converge.
        .filter(|(_, _, known)| !known.trail.late || known.severity == Severity::Critical)
        .filter(|(_, _, known)| known.status.is_open() && !input.conversation.threads.contains_key(&known.id))
        .collect();
    // Stable: findings of one severity stay in their order.
    candidates.sort_by_key(|(finding, _, _)| std::cmp::Reverse(finding.severity));
    let threads = candidates.into_iter().filter_map(|(finding, sight, known)| {
        let marker = marker::finding(&FindingMark::of(known, input.round), input.keys);
        let earlier = known.trail.earlier.and_then(|id| input.reconciled.finding(id));
        let rungs: Vec<Rung> = places(input.change, finding)
            .into_iter()
            .map(|(rooting, place)| {
                let opening = Opening { known, finding, earlier, sight, place: rooting, marker: &marker };
                Rung { place, body: (bodies.thread)(&opening) }
            })
            .collect();
        // What lies outside the change stands in the summary alone.
        (!rungs.is_empty()).then_some(NewThread { marker, rungs })
    });
    threads.take(room).collect()
}

/// The places for a finding's thread, the best one first.
fn places(change: &Change, finding: &Finding) -> Vec<(Rooting, RungPlace)> {
    match &finding.place {
        Place::Lines(span) => {
            let position = span.position();
            let file = RungPlace::File { old_path: position.old_path.clone(), new_path: position.new_path.clone() };
            let mut places = vec![(Rooting::Lines, RungPlace::Lines(position.clone()))];
            if position.start.is_some() {
                places.push((Rooting::Lines, RungPlace::Lines(crate::change::Position { start: None, ..position })));
            }
            places.push((Rooting::Refused, file));
            places
        }
        Place::File { path, .. } => change.file(path).map_or_else(Vec::new, |file| {
            let (old, new) = file.position_paths();
            vec![(Rooting::File, RungPlace::File { old_path: old.clone(), new_path: new.clone() })]
        }),
        Place::Outside(_) => Vec::new(),
    }
}

/// What is done in threads that are there: it is said that a finding is back although the bot itself had resolved its thread, what is due to people is
/// said once, and threads are resolved. A thread that a person opens again later is no longer due.
fn replies(input: &Input<'_>, bodies: &Bodies<'_>) -> Vec<Action> {
    let seen: BTreeSet<FindingId> = input.reconciled.seen.iter().map(|seen| seen.id).collect();
    let due: BTreeSet<FindingId> = input.reconciled.dues.iter().map(|due| due.id).collect();
    let back = input
        .reconciled
        .open()
        .filter(|known| known.status == Status::Open && seen.contains(&known.id) && !due.contains(&known.id))
        .filter(|known| input.conversation.threads.get(&known.id).is_some_and(|marked| marked.resolution == Resolution::ByBot))
        .map(|known| (known.id, Some(Answer::Back), "", Then::Reopen));
    let due = input.reconciled.dues.iter().map(|due| (due.id, due.answer, due.text.as_str(), due.then));
    let mut actions = Vec::new();
    for (id, answer, text, then) in back.chain(due) {
        let (Some(known), Some(marked)) = (input.reconciled.finding(id), input.conversation.threads.get(&id)) else { continue };
        let thread = &marked.thread.id;
        if let Some(answer) = answer.filter(|answer| !answer.is_given(marked, input.head)) {
            let mark = ReplyMark { id, kind: answer.word().to_owned(), head: input.head.clone() };
            let seal = marker::reply(&mark, input.keys);
            let body = (bodies.reply)(&Answering { known, answer, head: input.head, text, marker: &seal });
            actions.push(Action::Reply { thread: thread.clone(), body, reopen: then == Then::Reopen });
        }
        if then == Then::Resolve && marked.resolution == Resolution::Open {
            actions.push(Action::Resolve { thread: thread.clone() });
        }
    }
    actions
}

#[cfg(test)]
pub(super) mod tests;
