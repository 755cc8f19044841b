//! The summary of a merge request: one note, edited in place. It tells what is open, what became of the rest, and what was not looked at; it
//! must not decide any of it.

mod account;
mod head;
mod rows;
mod texts;

use std::time::Duration;

use super::defuse::guarded;
use super::page::Page;
use crate::change::CommitId;
use crate::review::{Finding, Review};
use crate::round::plan::{BotState, Policy, Vote};
use crate::round::{Conversation, FindingId, Known, Origin, Reconciled, Sight, State, ThreadRef, marker};

/// What the summary tells. Lists are those of one round and fit together: `reconciled` was made from the findings of `did`.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// What this round did.
    pub did: Did<'a>,
    /// The round's number.
    pub round: u32,
    /// Every finding, held against the earlier rounds.
    pub reconciled: &'a Reconciled,
    /// What is remembered of earlier rounds.
    pub state: &'a State,
    /// Where that came from.
    pub origin: Origin,
    /// The threads that are there. Before threads are opened their rows link to the code, afterwards to them.
    pub conversation: &'a Conversation,
    /// The settings that publishing follows.
    pub policy: Policy,
    /// What the bot's vote should be.
    pub vote: Vote,
    /// What its vote was before this round.
    pub bot: BotState,
    /// Whether everything that the tier requires was done, in this round and in those that it builds on.
    pub complete: bool,
    /// Whether reviewers took part: in this round, or, where nobody had to read again, in those that it builds on.
    pub reviewed: bool,
    /// The gate was lifted for this head.
    pub lifted: Option<Lifted<'a>>,
    /// What GitLab did not take.
    pub undone: &'a [Undone],
    /// Where configuration, prompts and rules came from.
    pub instructions: Instructions<'a>,
    /// The language that the settings ask for, e.g. `en`.
    pub language: &'a str,
    /// How long the round took; none if it is not known.
    pub took: Option<Duration>,
    /// What the round cost in US dollars; none if a price is not known.
    pub cost_usd: Option<f64>,
    /// The marker, which becomes the last line, and what had to be left out of it.
    pub marker: &'a marker::SummaryMarker,
}

/// What a round did.
#[derive(Clone, Copy)]
pub enum Did<'a> {
    /// It went over the whole change.
    Whole(&'a Review),
    /// It went over what changed since the last reviewed head.
    Narrowed(&'a Review),
    /// The same change stands on another base: nobody read it again.
    Rechecked,
    /// The head is the one of the round before: only threads were read.
    Conversation,
}

impl<'a> Did<'a> {
    fn review(self) -> Option<&'a Review> {
        match self {
            Self::Whole(review) | Self::Narrowed(review) => Some(review),
            Self::Rechecked | Self::Conversation => None,
        }
    }
}

/// A gate that a person lifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifted<'a> {
    /// The person's name without `@`. Untrusted.
    pub by: &'a str,
    /// The reason given. Untrusted.
    pub why: &'a str,
    /// The head that it holds for.
    pub head: &'a CommitId,
}

/// Something that GitLab did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// What was to be done.
    pub task: Task,
    /// Why it was not, as a fragment. Untrusted.
    pub why: String,
}

/// A thing to do on GitLab, as the summary names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// To open a thread.
    Thread(FindingId),
    /// To answer in a thread.
    Reply(FindingId),
    /// To resolve a thread.
    Resolve(FindingId),
    /// To approve.
    Approve,
    /// To take an approval back.
    WithdrawApproval,
    /// To request changes.
    RequestChanges,
    /// To take a request for changes back.
    ClearRequestedChanges,
}

/// Where configuration, prompts and rules came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instructions<'a> {
    /// The branch. Untrusted.
    pub branch: &'a str,
    /// The commit.
    pub commit: &'a CommitId,
    /// The configuration file; none if there is none and the defaults hold.
    pub config: Option<&'a str>,
}

/// A row of the table: an open finding.
#[derive(Clone, Copy)]
struct Open<'a> {
    known: &'a Known,
    /// The finding, if this round saw it; what is carried over is known by its title alone.
    seen: Option<(&'a Finding, Sight)>,
}

impl<'a> Facts<'a> {
    /// The open findings, worst first; those of this round in their order, then what is carried over.
    fn open(&self) -> Vec<Open<'a>> {
        let findings = self.did.review().map_or(&[][..], |review| &review.findings);
        let seen = findings.iter().zip(&self.reconciled.seen);
        let seen: Vec<_> = seen.filter_map(|(finding, seen)| Some((self.reconciled.finding(seen.id)?, finding, seen.sight))).collect();
        let carried = self.reconciled.known.iter().filter(|known| !seen.iter().any(|(other, _, _)| other.id == known.id));
        let here = seen.iter().map(|(known, finding, sight)| Open { known, seen: Some((finding, *sight)) });
        let all = here.chain(carried.map(|known| Open { known, seen: None }));
        let mut open: Vec<Open<'a>> = all.filter(|open| open.known.status.is_open()).collect();
        open.sort_by_key(|open| std::cmp::Reverse(open.known.severity));
        open
    }

    /// Whether earlier rounds left anything to tell.
    fn is_later(&self) -> bool {
        self.round > 1
    }

    fn thread(&self, known: &'a Known) -> Option<&'a ThreadRef> {
        self.conversation.threads.get(&known.id).map(|marked| &marked.thread).or(known.thread.as_ref())
    }

    /// The head that the lines of a finding were counted at.
    fn head_of<'h>(&'h self, open: &Open<'_>, page: &'h Page<'_>) -> &'h CommitId {
        let earlier = || self.state.rounds.iter().find(|round| round.number == open.known.last).map(|round| &round.head);
        if open.seen.is_some() { page.head } else { earlier().unwrap_or(page.head) }
    }

    fn is_undone(&self, task: Task) -> bool {
        self.undone.iter().any(|undone| undone.task == task)
    }
}

/// Returns the summary, its marker last.
pub fn summary(facts: &Facts<'_>, page: &Page<'_>) -> String {
    let open = facts.open();
    let mut parts = head::lines(facts, &open, page);
    parts.extend(rows::table(facts, &open, page));
    parts.extend(head::votes(facts));
    parts.extend(texts::texts(facts, &open, page));
    parts.extend(account::earlier(facts, page));
    parts.push(account::looked_at(facts, page));
    parts.push(account::foot(page));
    parts.push(facts.marker.text.clone());
    guarded(&parts.join("\n\n"))
}
