//! What the notes of a merge request say about earlier rounds: whose markers are believed, and what is remembered when some are gone.
//!
//! Believed are notes of the bot itself, and those with a valid signature by a user listed as a former bot. It must not read what people
//! wrote; that is for the functions that judge replies.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::marker::{self, FindingMark, Keys, Mark, ReplyMark, Seal};
use super::state::{FindingId, NewestNote, State, StateError, ThreadRef};
use super::{Note, Person, Thread};

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
    let mut conversation = Conversation { summary: None, threads: BTreeMap::new(), newest_note: None };
    for thread in threads {
        let Some(first) = thread.notes.first() else { continue };
        match believed(first, bots, keys) {
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
        let by_people = thread.notes.iter().filter(|note| !note.system && !is_bot(&note.author, bots));
        for note in by_people {
            if conversation.newest_note.as_ref().is_none_or(|newest| (newest.at.as_str(), newest.id) < (note.created_at.as_str(), note.id))
            {
                conversation.newest_note = Some(NewestNote { id: note.id, at: note.created_at.clone() });
            }
        }
    }
    conversation
}

/// Which of several summaries counts: one that a newer program guards, then a readable one, of the current bot, of the latest round, the newest.
fn rank(summary: &Summary) -> (u8, bool, u32, u64) {
    let (readable, round) = match &summary.state {
        Err(StateError::TooOld { .. }) => (2, u32::MAX),
        Ok(state) => (1, state.last().map_or(0, |round| round.number)),
        Err(StateError::Unreadable(_)) => (0, 0),
    };
    (readable, summary.own, round, summary.note)
}

fn believed(note: &Note, bots: &Bots, keys: &Keys) -> Option<Mark> {
    if note.system || !is_bot(&note.author, bots) {
        return None;
    }
    let (mark, seal) = marker::read(&note.body, keys)?;
    (note.author.id == bots.current || seal == Seal::Valid).then_some(mark)
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
        for (id, marked) in &self.threads {
            match state.findings.iter_mut().find(|known| known.id == *id) {
                // A run that died between opening threads and writing their numbers down.
                Some(known) => known.thread = Some(marked.thread.clone()),
                None if origin == Origin::Rebuilt => state.findings.push(marked.mark.known(marked.thread.clone())),
                // Closed long ago and no longer remembered; or never written down, then the same is found again.
                None => {}
            }
            state.next_id = state.next_id.max(id.number().saturating_add(1));
        }
        state.findings.sort_by_key(|known| known.id);
        Ok(Remembered { state, origin })
    }

    /// Returns a digest of which threads of findings are resolved and by whom: equal as long as nobody touched them.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (id, marked) in &self.threads {
            let word = match &marked.resolution {
                Resolution::Open => "open".to_owned(),
                Resolution::ByBot => "bot".to_owned(),
                Resolution::ByPerson(person) => format!("person {}", person.id),
                Resolution::Unnamed => "unnamed".to_owned(),
            };
            hash.update(format!("{id} {word} {}\n", marked.suggestion_applied));
        }
        hex::encode(&hash.finalize()[..8])
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::state::Status;
    use super::super::state::tests::{known, round, sample};
    use super::*;

    const BOT: u64 = 100;
    const FORMER: u64 = 99;
    const MIRA: u64 = 5;

    pub(in crate::round) fn keys() -> Keys {
        Keys::derive(b"secret", 1, 2)
    }

    pub(in crate::round) fn bots() -> Bots {
        Bots { current: BOT, former: BTreeSet::from([FORMER]) }
    }

    fn person(id: u64) -> Person {
        Person { id, username: format!("user{id}") }
    }

    pub(in crate::round) fn note(id: u64, author: u64, body: &str) -> Note {
        Note {
            id,
            author: person(author),
            body: body.to_owned(),
            system: false,
            created_at: format!("2026-11-24T00:00:{id:02}.000Z"),
            edited: false,
            resolvable: true,
            resolved: false,
            resolved_by: None,
            place: None,
            suggestion_applied: false,
        }
    }

    pub(in crate::round) fn thread(id: &str, notes: Vec<Note>) -> Thread {
        Thread { id: id.to_owned(), individual: false, notes }
    }

    fn summary_note(id: u64, author: u64, state: &State, keys: &Keys) -> Thread {
        let body = format!("### Assize\n\n{}", marker::summary(state, keys).text);
        Thread { individual: true, ..thread(&format!("s{id}"), vec![note(id, author, &body)]) }
    }

    fn finding_thread(number: u32, note_id: u64, author: u64, keys: &Keys) -> Thread {
        let mark = FindingMark::of(&known(number, Status::Open), 1);
        thread(&format!("t{number}"), vec![note(note_id, author, &format!("text\n\n{}", marker::finding(&mark, keys)))])
    }

    #[test]
    fn the_bot_is_believed_a_former_bot_with_a_valid_seal_and_nobody_else() {
        let other = Keys::derive(b"another secret", 1, 2);
        let believed = |author, by: &Keys| read(&[summary_note(1, author, &sample(), by)], &bots(), &keys()).summary.is_some();
        assert!(believed(BOT, &keys()));
        // The token was rotated and with it the key; the user stayed.
        assert!(believed(BOT, &other));
        assert!(believed(FORMER, &keys()));
        assert!(!believed(FORMER, &other));
        assert!(!believed(MIRA, &keys()));
    }

    #[test]
    fn a_former_bots_state_is_taken_over_until_there_is_one_of_our_own() {
        let newer = sample();
        let older = State { rounds: vec![round(1, '1')], ..sample() };
        let read = |threads: &[Thread]| read(threads, &bots(), &keys()).summary.unwrap();
        let taken = read(&[summary_note(1, FORMER, &older, &keys())]);
        assert_eq!((taken.own, taken.state), (false, Ok(older.clone())));
        let own = read(&[summary_note(1, FORMER, &older, &keys()), summary_note(2, BOT, &newer, &keys())]);
        assert_eq!((own.note, own.own), (2, true));
    }

    #[test]
    fn without_a_summary_the_state_is_rebuilt_from_the_threads() {
        let threads = [finding_thread(3, 1, BOT, &keys()), finding_thread(7, 2, FORMER, &keys()), finding_thread(9, 3, MIRA, &keys())];
        let remembered = read(&threads, &bots(), &keys()).remembered().unwrap();
        let ids: Vec<_> = remembered.state.findings.iter().map(|known| known.id.to_string()).collect();
        assert_eq!((remembered.origin, ids, remembered.state.next_id), (Origin::Rebuilt, vec!["F-3".to_owned(), "F-7".to_owned()], 8));
        let first = &remembered.state.findings[0];
        assert_eq!((first.title.as_str(), first.thread.as_ref().unwrap().id.as_str()), ("finding 3", "t3"));
    }

    #[test]
    fn a_damaged_summary_is_rebuilt_and_a_newer_one_is_left_alone() {
        let damaged = thread("s", vec![note(1, BOT, "<!-- assize:summary v1 z=AAAA mac=AAAA -->")]);
        let conversation = read(&[damaged, finding_thread(3, 2, BOT, &keys())], &bots(), &keys());
        assert_eq!(conversation.remembered().unwrap().origin, Origin::Rebuilt);
        let newer = thread("s", vec![note(1, BOT, "<!-- assize:summary v2 z=AAAA mac=AAAA -->")]);
        let conversation = read(&[newer, summary_note(4, BOT, &sample(), &keys())], &bots(), &keys());
        assert_eq!(conversation.remembered(), Err(StateError::TooOld { needs: 2 }));
        assert_eq!(read(&[], &bots(), &keys()).remembered().unwrap().origin, Origin::First);
    }

    #[test]
    fn threads_that_were_opened_after_the_summary_was_written_are_found() {
        let mut state = sample();
        state.findings[0].thread = None;
        let threads = [summary_note(1, BOT, &state, &keys()), finding_thread(1, 2, BOT, &keys())];
        let remembered = read(&threads, &bots(), &keys()).remembered().unwrap();
        assert_eq!(remembered.origin, Origin::Summary);
        assert_eq!(remembered.state.finding(FindingId::new(1)).unwrap().thread, Some(ThreadRef { id: "t1".to_owned(), note: 2 }));
    }

    #[test]
    fn who_resolved_a_thread_and_what_was_answered_is_read() {
        let resolution = |by: Option<u64>| {
            let mut thread = finding_thread(1, 1, BOT, &keys());
            thread.notes[0].resolved = true;
            thread.notes[0].resolved_by = by.map(person);
            read(&[thread], &bots(), &keys()).threads[&FindingId::new(1)].resolution.clone()
        };
        assert_eq!(resolution(Some(BOT)), Resolution::ByBot);
        assert_eq!(resolution(Some(MIRA)), Resolution::ByPerson(person(MIRA)));
        assert_eq!(resolution(None), Resolution::Unnamed);
        let reply = ReplyMark { id: FindingId::new(1), kind: "back".to_owned(), head: super::super::state::tests::commit('a') };
        let body = format!("Back.\n\n{}", marker::reply(&reply, &keys()));
        let mut thread = finding_thread(1, 1, BOT, &keys());
        thread.notes.push(note(2, MIRA, &body));
        thread.notes.push(note(3, BOT, &body));
        let conversation = read(&[thread], &bots(), &keys());
        let marked = &conversation.threads[&FindingId::new(1)];
        assert_eq!((&marked.resolution, marked.replies.len()), (&Resolution::Open, 1));
        assert_eq!(conversation.newest_note.map(|note| note.id), Some(2));
    }

    proptest! {
        #[test]
        fn notes_of_others_never_become_a_state(body in ".{0,200}", author in prop::sample::select(vec![MIRA, FORMER]), sealed in any::<bool>()) {
            let other = Keys::derive(b"guess", 1, 2);
            let marker = marker::summary(&sample(), &other).text;
            let body = if sealed { format!("{body}\n{marker}") } else { body };
            let conversation = read(&[thread("x", vec![note(1, author, &body)])], &bots(), &keys());
            prop_assert!(conversation.summary.is_none() && conversation.threads.is_empty());
        }
    }
}
