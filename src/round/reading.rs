//! What the notes of a merge request say about earlier rounds: whose markers are believed, and what is remembered when some are gone.
//!
//! Believed are notes of the bot itself, and those with a valid signature by a user listed as a former bot. It must not read what people
//! wrote; that is for the functions that judge replies.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::marker::{self, FindingMark, Keys, Mark, ReplyMark, Seal};
use super::state::{FindingId, NewestNote, Posting, State, StateError, ThreadRef};
use super::{Note, Person, Thread};

/// What every summary begins with. A note of the bot's own that begins so is the summary, whatever became of its marker.
pub const HEADLINE: &str = "### Assize: ";
/// The most of a person's note that is read, in bytes.
const MAX_SAID_BYTES: usize = 64 << 10;

/// The users whose markers may be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bots {
    /// The user that this run writes as.
    pub current: u64,
    /// Users that earlier runs wrote as, before a token was rotated.
    pub former: BTreeSet<u64>,
}

/// What is known of earlier rounds from the notes of a merge request.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    /// The summary, if there is one that is believed.
    pub summary: Option<Summary>,
    /// The thread of each finding that has one.
    pub threads: BTreeMap<FindingId, Marked>,
    /// The newest note of a person.
    pub newest_note: Option<NewestNote>,
    /// What people wrote, in the order of the threads.
    pub said: Vec<Said>,
    /// Reactions of people to the bot's threads.
    pub awards: Vec<Award>,
}

/// A note of a person. Untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// GitLab's number.
    pub note: u64,
    /// Who wrote it.
    pub author: Person,
    /// The text, at most 64 KiB of it.
    pub body: String,
    /// When it was written, RFC 3339 as GitLab gives it: sorts as text.
    pub at: String,
    /// Its text was changed later.
    pub edited: bool,
    /// It is the first of its thread, or a single note.
    pub opens: bool,
    /// It stands in the diff.
    pub on_diff: bool,
    /// The finding whose thread it is in.
    pub finding: Option<FindingId>,
}

/// A reaction to a note.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Award {
    /// The note.
    pub note: u64,
    /// GitLab's name of the emoji, e.g. `thumbsdown`.
    pub name: String,
    /// Who gave it.
    pub by: Person,
    /// When it was given, as GitLab gives it.
    pub at: String,
}

/// The summary of earlier rounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Its note.
    pub note: u64,
    /// The current bot wrote it and can edit it.
    pub own: bool,
    /// Its text, marker included.
    pub body: String,
    /// The state in it.
    pub state: Result<State, StateError>,
}

/// The thread of a finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Marked {
    /// Where it is.
    pub thread: ThreadRef,
    /// What its marker says.
    pub mark: FindingMark,
    /// Whether it is resolved, and by whom.
    pub resolution: Resolution,
    /// What the bot has answered in it.
    pub replies: BTreeSet<ReplyMark>,
    /// A suggestion in it was applied.
    pub suggestion_applied: bool,
}

/// Whether a thread is resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It is open.
    Open,
    /// The bot resolved it.
    ByBot,
    /// A person did.
    ByPerson(Person),
    /// GitLab did not say who: itself, because the line changed, or a user that is gone.
    Unnamed,
}

/// What is remembered, and from where.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    /// The state, threads included.
    pub state: State,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a state came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// There was nothing before.
    First,
    /// From the summary.
    Summary,
    /// From the markers of threads: the summary is gone or damaged. Findings without a thread, dismissals and rounds are forgotten.
    Rebuilt,
}

/// Reads the notes of a merge request.
pub fn read(threads: &[Thread], bots: &Bots, keys: &Keys) -> Conversation {
    let mut conversation =
        Conversation { summary: None, threads: BTreeMap::new(), newest_note: None, said: Vec::new(), awards: Vec::new() };
    for thread in threads {
        let Some(first) = thread.notes.first() else { continue };
        match believed(first, bots, keys).or_else(|| unmarked(first, bots)) {
            Some(Mark::Summary(state)) => {
                let found = Summary { note: first.id, own: first.author.id == bots.current, body: first.body.clone(), state };
                if conversation.summary.as_ref().is_none_or(|before| rank(&found) > rank(before)) {
                    conversation.summary = Some(found);
                }
            }
            Some(Mark::Finding(mark)) if !thread.individual => {
                // Of two threads of one finding the older one counts.
                conversation.threads.entry(mark.id).or_insert_with(|| marked(thread, first, mark, bots, keys));
            }
            Some(Mark::Finding(_) | Mark::Reply(_)) | None => {}
        }
        let finding = conversation.threads.iter().find(|(_, marked)| marked.thread.id == thread.id).map(|(id, _)| *id);
        let by_people = thread.notes.iter().filter(|note| !note.system && !is_bot(&note.author, bots));
        for note in by_people {
            conversation.said.push(Said {
                note: note.id,
                author: note.author.clone(),
                body: beginning(&note.body).to_owned(),
                at: note.created_at.clone(),
                edited: note.edited,
                opens: note.id == first.id,
                on_diff: note.place.is_some(),
                finding,
            });
            if conversation.newest_note.as_ref().is_none_or(|newest| (newest.at.as_str(), newest.id) < (note.created_at.as_str(), note.id))
            {
                conversation.newest_note = Some(NewestNote { id: note.id, at: note.created_at.clone() });
            }
        }
    }
    conversation
}

fn beginning(body: &str) -> &str {
    let mut end = body.len().min(MAX_SAID_BYTES);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    &body[..end]
}

/// Which of several summaries counts: one that a newer program guards, then a readable one, of the current bot, of the latest round, one that was
/// posted to its end, the newest.
fn rank(summary: &Summary) -> (u8, bool, u32, bool, u64) {
    let (readable, round, done) = match &summary.state {
        Err(StateError::TooOld { .. }) => (2, u32::MAX, true),
        Ok(state) => (1, state.last().map_or(0, |round| round.number), state.last().is_some_and(|last| last.posting == Posting::Done)),
        Err(StateError::Unreadable(_)) => (0, 0, false),
    };
    (readable, summary.own, round, done, summary.note)
}

fn believed(note: &Note, bots: &Bots, keys: &Keys) -> Option<Mark> {
    if note.system || !is_bot(&note.author, bots) {
        return None;
    }
    let (mark, seal) = marker::read(&note.body, keys)?;
    (note.author.id == bots.current || seal == Seal::Valid).then_some(mark)
}

/// A summary of the current bot whose marker somebody cut off, or wrote something behind.
fn unmarked(note: &Note, bots: &Bots) -> Option<Mark> {
    let ours = !note.system && note.author.id == bots.current && note.body.starts_with(HEADLINE);
    ours.then(|| Mark::Summary(Err(StateError::Unreadable("its marker is not where it belongs".to_owned()))))
}

/// Returns whether a user who is listed as a former bot left markers that cannot be believed, because another key sealed them.
pub fn has_broken_seals(threads: &[Thread], bots: &Bots, keys: &Keys) -> bool {
    let former = |note: &&Note| !note.system && note.author.id != bots.current && bots.former.contains(&note.author.id);
    let first = threads.iter().filter_map(|thread| thread.notes.first());
    first.filter(former).any(|note| matches!(marker::read(&note.body, keys), Some((_, Seal::Broken))))
}

fn is_bot(person: &Person, bots: &Bots) -> bool {
    person.id == bots.current || bots.former.contains(&person.id)
}

fn marked(thread: &Thread, first: &Note, mark: FindingMark, bots: &Bots, keys: &Keys) -> Marked {
    let mut resolvable = thread.notes.iter().filter(|note| note.resolvable);
    let resolution = match resolvable.clone().find(|note| !note.resolved) {
        Some(_) => Resolution::Open,
        None => match resolvable.next_back() {
            None => Resolution::Open,
            Some(note) => match &note.resolved_by {
                Some(person) if is_bot(person, bots) => Resolution::ByBot,
                Some(person) => Resolution::ByPerson(person.clone()),
                None => Resolution::Unnamed,
            },
        },
    };
    let replies = thread.notes.iter().skip(1).filter_map(|note| match believed(note, bots, keys)? {
        Mark::Reply(reply) => Some(reply),
        Mark::Summary(_) | Mark::Finding(_) => None,
    });
    Marked {
        thread: ThreadRef { id: thread.id.clone(), note: first.id },
        resolution,
        replies: replies.collect(),
        suggestion_applied: thread.notes.iter().any(|note| note.suggestion_applied && is_bot(&note.author, bots)),
        mark,
    }
}

impl Conversation {
    /// Returns whether the bot has written nothing between the reading of `earlier` and this one: summary, threads and replies are the same.
    pub fn is_as_left(&self, earlier: &Self) -> bool {
        let summary = |there: &Self| there.summary.as_ref().map(|summary| (summary.note, summary.body.clone()));
        let threads = |there: &Self| {
            let threads = there.threads.iter().map(|(id, marked)| (*id, marked.thread.clone(), marked.replies.clone()));
            threads.collect::<Vec<_>>()
        };
        summary(self) == summary(earlier) && threads(self) == threads(earlier)
    }

    /// Returns the conversation with reactions to notes; those of bots, and to notes that open no finding's thread, are left out.
    #[must_use]
    pub fn with_awards(mut self, awards: Vec<Award>, bots: &Bots) -> Self {
        let notes: BTreeSet<u64> = self.threads.values().map(|marked| marked.thread.note).collect();
        self.awards = awards.into_iter().filter(|award| notes.contains(&award.note) && !is_bot(&award.by, bots)).collect();
        self.awards.sort();
        self
    }

    /// Returns what is remembered: the state of the summary, completed from the threads, or rebuilt from them.
    ///
    /// # Errors
    ///
    /// A newer program wrote the state and this one must neither post nor resolve anything.
    pub fn remembered(&self) -> Result<Remembered, StateError> {
        let (mut state, origin) = match self.summary.as_ref().map(|summary| &summary.state) {
            Some(Ok(state)) => (state.clone(), Origin::Summary),
            Some(Err(error @ StateError::TooOld { .. })) => return Err(error.clone()),
            None if self.threads.is_empty() => (State::new(), Origin::First),
            Some(Err(StateError::Unreadable(_))) | None => (State::new(), Origin::Rebuilt),
        };
        let unheard = state.next_id;
        for (id, marked) in &self.threads {
            match state.findings.iter_mut().find(|known| known.id == *id) {
                // A run that died between opening threads and writing their numbers down.
                Some(known) => known.thread = Some(marked.thread.clone()),
                // The summary is gone, or it is older than the thread: somebody set it back, or it could not be written.
                None if origin == Origin::Rebuilt || id.number() >= unheard => {
                    state.findings.push(marked.mark.known(marked.thread.clone()));
                }
                // Closed long ago and no longer remembered.
                None => {}
            }
            state.next_id = state.next_id.max(id.number().saturating_add(1));
        }
        state.findings.sort_by_key(|known| known.id);
        Ok(Remembered { state, origin })
    }

    /// Returns a digest of what people did: which threads of findings they resolved, what they wrote, how they reacted. A note that is edited after
    /// it was read changes it; what the bot itself does changes it only where it opens again what a person had resolved.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (id, marked) in &self.threads {
            let word = match &marked.resolution {
                Resolution::Open | Resolution::ByBot => String::new(),
                Resolution::ByPerson(person) => format!("person {}", person.id),
                Resolution::Unnamed => "unnamed".to_owned(),
            };
            if !word.is_empty() || marked.suggestion_applied {
                hash.update(format!("{id} {word} {}\n", marked.suggestion_applied));
            }
        }
        for said in &self.said {
            hash.update(format!("said {} {}\n", said.note, hex::encode(Sha256::digest(&said.body))));
        }
        for award in &self.awards {
            hash.update(format!("award {} {} {}\n", award.note, award.name, award.by.id));
        }
        hex::encode(&hash.finalize()[..8])
    }
}

#[cfg(test)]
pub(super) mod tests;
