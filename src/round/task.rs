//! What a run has to do, from what is remembered and what is there: nothing, the conversation, a look at moved code, or a review. It must not
//! look at the code: the answer is there before anything is fetched.

use super::state::{NewestNote, Override, Posting, Round, State, Unsettled};
use super::{Origin, Status};
use crate::change::CommitId;
use crate::review::Tier;

/// What is there now.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// The head.
    pub head: &'a CommitId,
    /// The merge base.
    pub base: &'a CommitId,
    /// Identity of the change whatever it is based on.
    pub patch_id: &'a str,
    /// The tier that a label or the command line forces.
    pub forced_tier: Option<Tier>,
    /// Digest of configuration, prompts and codex.
    pub config_digest: &'a str,
    /// The newest note of a person.
    pub newest_note: Option<&'a NewestNote>,
    /// Digest of threads, of what people wrote and of how they reacted, see `Conversation::digest`.
    pub threads_digest: &'a str,
    /// Who lifted the gate for the head, if anyone did: then no reader runs.
    pub lifted: Option<&'a Override>,
}

/// What a run has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Everything is as the last round left it.
    Nothing,
    /// People wrote, reacted or resolved, or a question is open: threads are handled, no reader runs.
    Conversation,
    /// The patch is the same on another base: positions move, detectors run and fixes are checked again, no reader runs.
    Recheck {
        /// The head and base that the remembered positions belong to.
        since: Reviewed,
    },
    /// The change is reviewed.
    Review(Scope),
}

/// A head that was reviewed, with its base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewed {
    /// The head.
    pub head: CommitId,
    /// The merge base.
    pub base: CommitId,
}

/// How much of a change is reviewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    Whole {
        /// Why not only what is new.
        why: Why,
        /// The head and base that the remembered positions belong to; none if there is none.
        since: Option<Reviewed>,
    },
    /// What changed since the last round that was reviewed and posted; the whole if that head is in the repository no more.
    New {
        /// What the readers' part is taken against.
        read: Reviewed,
        /// The head and base that the remembered positions belong to: another one if the last round was not posted to its end.
        since: Reviewed,
    },
}

/// Why a whole change is reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is the first time.
    First,
    /// The summary was lost: nobody knows what was read.
    Forgotten,
    /// The last round did not get everything done.
    Incomplete,
    /// The forced tier is another.
    Tier,
    /// Configuration, prompts or codex are others.
    Settings,
}

/// Decides what a run has to do.
pub fn task(state: &State, origin: Origin, now: &Now<'_>) -> Task {
    let Some(last) = state.last() else {
        let why = match origin {
            Origin::First | Origin::Summary => Why::First,
            Origin::Rebuilt => Why::Forgotten,
        };
        return Task::Review(Scope::Whole { why, since: None });
    };
    let since = reviewed(last);
    let whole = |why| Task::Review(Scope::Whole { why, since: Some(since.clone()) });
    if last.config_digest != now.config_digest {
        return whole(Why::Settings);
    }
    if last.forced_tier != now.forced_tier {
        return whole(Why::Tier);
    }
    if !last.complete && now.lifted.is_none() {
        return match read_before(state).filter(|_| last.overridden.is_some()) {
            // Behind a lifted gate nobody read; what came before it was read.
            Some(read) => Task::Review(Scope::New { read, since }),
            None => whole(Why::Incomplete),
        };
    }
    let here = last.head == *now.head && last.base == *now.base;
    match last.posting {
        // Its threads may be missing, and what they say is remembered by nobody: it is read again.
        Posting::Begun => match read_before(state) {
            Some(read) => Task::Review(Scope::New { read, since }),
            None => whole(Why::Incomplete),
        },
        Posting::Done if here => {
            let open = state.findings.iter().any(|known| {
                matches!(known.trail.unsettled, Some(Unsettled::Unchecked | Unsettled::Unanswered))
                    || matches!(known.status, Status::ClaimedFixed { .. })
            });
            let quiet = last.newest_note.as_ref() == now.newest_note && last.threads_digest == now.threads_digest;
            if quiet && !open { Task::Nothing } else { Task::Conversation }
        }
        Posting::Done if last.patch_id == now.patch_id => Task::Recheck { since },
        Posting::Done => Task::Review(Scope::New { read: since.clone(), since }),
    }
}

fn reviewed(round: &Round) -> Reviewed {
    Reviewed { head: round.head.clone(), base: round.base.clone() }
}

/// The round before the last that was reviewed and posted to its end.
fn read_before(state: &State) -> Option<Reviewed> {
    let before = state.rounds.iter().rev().skip(1).find(|round| round.posting == Posting::Done)?;
    before.complete.then(|| reviewed(before))
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::{commit, known, round};
    use super::*;

    fn state() -> State {
        State { rounds: vec![round(1, '1'), round(2, '2')], ..State::new() }
    }

    fn at(number: char) -> Reviewed {
        Reviewed { head: commit(number), base: commit('b') }
    }

    /// The task for a state over what its last round saw, with some of it changed.
    fn asked(state: &State, edit: impl FnOnce(&mut Now<'_>)) -> Task {
        let (note, head, base) = (state.rounds.last().and_then(|round| round.newest_note.clone()), commit('2'), commit('b'));
        let mut now = Now {
            head: &head,
            base: &base,
            patch_id: "feed",
            forced_tier: None,
            config_digest: "cafe",
            newest_note: note.as_ref(),
            threads_digest: "d1",
            lifted: None,
        };
        edit(&mut now);
        task(state, Origin::Summary, &now)
    }

    #[test]
    fn nothing_is_to_do_when_everything_is_as_it_was() {
        assert_eq!(asked(&state(), |_| {}), Task::Nothing);
    }

    #[test]
    fn notes_resolutions_and_open_questions_are_the_conversation_alone() {
        assert_eq!(asked(&state(), |now| now.newest_note = None), Task::Conversation);
        assert_eq!(asked(&state(), |now| now.threads_digest = "d2"), Task::Conversation);
        let mut open = state();
        open.findings.push(known(1, Status::ClaimedFixed { by: None }));
        assert_eq!(asked(&open, |_| {}), Task::Conversation);
        let mut unanswered = state();
        unanswered.findings.push(known(1, Status::Open));
        unanswered.findings[0].trail.unsettled = Some(Unsettled::Unanswered);
        assert_eq!(asked(&unanswered, |_| {}), Task::Conversation);
    }

    #[test]
    fn the_same_patch_on_another_base_is_checked_again() {
        let (head, base) = (commit('3'), commit('d'));
        let rebased = |now: &mut Now<'_>| (now.head, now.base) = (now.head, now.base);
        assert_eq!(asked(&state(), rebased), Task::Nothing);
        let last = state();
        let now = Now {
            head: &head,
            base: &base,
            patch_id: "feed",
            forced_tier: None,
            config_digest: "cafe",
            newest_note: None,
            threads_digest: "d9",
            lifted: None,
        };
        assert_eq!(task(&last, Origin::Summary, &now), Task::Recheck { since: at('2') });
        let other = Now { patch_id: "dead", ..now };
        assert_eq!(task(&last, Origin::Summary, &other), Task::Review(Scope::New { read: at('2'), since: at('2') }));
    }

    #[test]
    fn the_whole_is_reviewed_where_nobody_knows_what_was_read() {
        let whole = |why, since| Task::Review(Scope::Whole { why, since });
        let mut blind = state();
        blind.rounds[1].complete = false;
        assert_eq!(asked(&blind, |_| {}), whole(Why::Incomplete, Some(at('2'))));
        assert_eq!(asked(&state(), |now| now.config_digest = "beef"), whole(Why::Settings, Some(at('2'))));
        assert_eq!(asked(&state(), |now| now.forced_tier = Some(Tier::Full)), whole(Why::Tier, Some(at('2'))));
        let (head, base) = (commit('2'), commit('b'));
        let now = Now {
            head: &head,
            base: &base,
            patch_id: "",
            forced_tier: None,
            config_digest: "",
            newest_note: None,
            threads_digest: "",
            lifted: None,
        };
        assert_eq!(task(&State::new(), Origin::First, &now), whole(Why::First, None));
        assert_eq!(task(&State::new(), Origin::Rebuilt, &now), whole(Why::Forgotten, None));
    }

    #[test]
    fn a_round_that_died_before_everything_was_posted_is_read_again_over_the_same_part() {
        let mut died = state();
        died.rounds[1].posting = Posting::Begun;
        assert_eq!(asked(&died, |_| {}), Task::Review(Scope::New { read: at('1'), since: at('2') }));
        died.rounds.remove(0);
        assert_eq!(asked(&died, |_| {}), Task::Review(Scope::Whole { why: Why::Incomplete, since: Some(at('2')) }));
    }

    #[test]
    fn another_base_under_the_same_head_is_looked_at_and_a_round_counts_as_read_only_when_it_was_read_and_posted() {
        let (head, base) = (commit('2'), commit('d'));
        let now = Now {
            head: &head,
            base: &base,
            patch_id: "feed",
            forced_tier: None,
            config_digest: "cafe",
            newest_note: None,
            threads_digest: "d1",
            lifted: None,
        };
        assert_eq!(task(&state(), Origin::Summary, &now), Task::Recheck { since: at('2') });
        let mut died = State { rounds: vec![round(1, '1'), round(2, '3'), round(3, '2')], ..State::new() };
        died.rounds[1].posting = Posting::Begun;
        died.rounds[2].posting = Posting::Begun;
        assert_eq!(asked(&died, |_| {}), Task::Review(Scope::New { read: at('1'), since: at('2') }));
        died.rounds[0].complete = false;
        assert_eq!(asked(&died, |_| {}), Task::Review(Scope::Whole { why: Why::Incomplete, since: Some(at('2')) }));
    }

    #[test]
    fn what_nobody_read_behind_a_lifted_gate_is_read_when_it_is_lifted_no_more() {
        let lifted = |head| Override { by: "mira".to_owned(), why: "hotfix".to_owned(), head: commit(head), note: 9, at: String::new() };
        let mut state = state();
        (state.rounds[1].complete, state.rounds[1].overridden) = (false, Some(lifted('2')));
        let (head, base, last) = (commit('2'), commit('b'), state.rounds[1].clone());
        let still = Now {
            head: &head,
            base: &base,
            patch_id: &last.patch_id,
            forced_tier: None,
            config_digest: &last.config_digest,
            newest_note: last.newest_note.as_ref(),
            threads_digest: &last.threads_digest,
            lifted: last.overridden.as_ref(),
        };
        assert_eq!(task(&state, Origin::Summary, &still), Task::Nothing);
        assert_eq!(asked(&state, |_| {}), Task::Review(Scope::New { read: at('1'), since: at('2') }));
        state.rounds.remove(0);
        assert_eq!(asked(&state, |_| {}), Task::Review(Scope::Whole { why: Why::Incomplete, since: Some(at('2')) }));
    }
}
