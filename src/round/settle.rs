//! What becomes of findings that were remembered: fixed or not, dismissed by whom, answered with what. First by rules, then by what the coordinator
//! answers to the questions that rules cannot settle. It must not ask anybody, and without an answer everything stays open.

use super::Person;
use super::access::People;
use super::matching::Ground;
use super::plan::{Answer, is_answered, is_granted};
use super::reading::{Conversation, Marked, Resolution};
use super::reconcile::{Due, Reconciled, Sight, Then, is_changed, reads_as_before};
use super::replies::{self, Heard, ObjectionKind};
use super::state::{FindingId, Known, Posting, Round, Status, Unsettled, line_digest};
use crate::change::{Change, CodeAt, CommitId, FileDiff, Line, LineKind, Side, Spot};
use crate::review::{FollowUp, FollowUpAnswer, MAX_FOLLOW_UPS, Matter, Says, Severity, by_question};

/// Lines of the patch that are shown around a place.
const LINES_AROUND: usize = 8;
/// Most lines of an excerpt.
const MAX_EXCERPT_LINES: usize = 80;
/// Longest line of an excerpt, in characters.
const MAX_EXCERPT_CHARS: usize = 400;

/// What findings are settled by.
#[derive(Clone, Copy, Debug)]
pub struct Settling<'a> {
    /// What the notes say.
    pub conversation: &'a Conversation,
    /// Who may do what.
    pub people: &'a People<'a>,
    /// Where code went.
    pub ground: &'a Ground<'a>,
    /// The round's number.
    pub round: u32,
    /// The reviewed head.
    pub head: &'a CommitId,
    /// The last round that was written down.
    pub last: Option<&'a Round>,
}

/// A question that the coordinator is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The finding.
    pub id: FindingId,
    /// The question.
    pub question: FollowUp,
    /// Who disagrees, asks, or resolved the thread.
    pub person: Option<Person>,
}

/// Settles what rules can settle, and returns what the coordinator has to be asked, the worst first and at most 30; what is beyond stays open until the
/// next run.
pub fn settle(reconciled: &mut Reconciled, by: &Settling<'_>) -> Vec<Asked> {
    let mut asked = Vec::new();
    let ids: Vec<FindingId> = reconciled.known.iter().map(|known| known.id).collect();
    for id in ids {
        let seen = reconciled.seen.iter().any(|seen| seen.id == id);
        let marked = by.conversation.threads.get(&id);
        let code = reconciled.code.get(&id).copied();
        let Some(known) = reconciled.known.iter_mut().find(|known| known.id == id) else { continue };
        let case = Case { seen, marked, code, heard: replies::hear(by.conversation, known, by.people), by };
        let mut next = Next::default();
        match &known.status {
            Status::Fixed { .. } => case.fixed(known, &mut next),
            Status::Dismissed { .. } => case.dismissed(known, &mut next),
            Status::Open | Status::ClaimedFixed { .. } => case.open(known, &mut next),
        }
        case.objection(known, &mut next);
        // What a round that died owes is still owed, whatever became of the thread since.
        let owed = known.trail.unsettled == Some(Unsettled::Owed) && known.status == Status::Open;
        if owed && next.due.is_none() && next.asks.is_empty() && !reconciled.dues.iter().any(|due| due.id == id) {
            next.due = Some((Some(Answer::Still), Then::Reopen));
        }
        if let Some((answer, then)) = next.due {
            reconciled.dues.push(Due { id, answer, text: String::new(), then });
        }
        for (matter, person, words) in next.asks {
            asked.push(Asked { id, question: question(known, matter, words, by), person });
        }
    }
    tidy(reconciled);
    asked.sort_by_key(|asked| (std::cmp::Reverse(asked.question.severity), asked.question.matter, asked.id));
    for beyond in asked.iter().skip(MAX_FOLLOW_UPS) {
        leave_open(reconciled, beyond.id, beyond.question.matter);
    }
    asked.truncate(MAX_FOLLOW_UPS);
    asked
}

/// What is closed is not gone without a reason any more, and what is due is in the order of the findings.
fn tidy(reconciled: &mut Reconciled) {
    let closed: Vec<FindingId> = reconciled.known.iter().filter(|known| !known.status.is_open()).map(|known| known.id).collect();
    reconciled.gone.retain(|id| !closed.contains(id));
    reconciled.dues.sort_by_key(|due| due.id);
}

/// One finding with everything that is known of it.
struct Case<'a> {
    seen: bool,
    marked: Option<&'a Marked>,
    code: Option<CodeAt>,
    heard: Heard,
    by: &'a Settling<'a>,
}

/// What follows for one finding.
#[derive(Default)]
struct Next {
    due: Option<(Option<Answer>, Then)>,
    asks: Vec<(Matter, Option<Person>, Option<String>)>,
}

impl Case<'_> {
    /// The code changed, or an earlier claim about it was never settled.
    fn changed(&self, known: &Known) -> bool {
        matches!(known.trail.unsettled, Some(Unsettled::Unchecked | Unsettled::Owed))
            || matches!(known.status, Status::ClaimedFixed { .. })
            || is_changed(self.code, self.by.ground.interdiff)
    }

    /// A fix that was checked: its thread may still have to be resolved, and a line like it may be there again.
    fn fixed(&self, known: &Known, next: &mut Next) {
        let Status::Fixed { round, .. } = known.status else { return };
        if self.by.last.is_some_and(|last| last.posting == Posting::Begun && last.number == round) {
            next.due = Some((None, Then::Resolve));
        }
        if Self::is_unchecked(known) || (!self.seen && returned(known, self.by.ground)) {
            next.asks.push((Matter::Returned, None, None));
        }
    }

    /// A decision of a person: it may have been taken back, and the code may have got worse.
    fn dismissed(&self, known: &mut Known, next: &mut Next) {
        // Then the thread of what was granted may not be resolved yet.
        let died = self.by.last.is_some_and(|last| last.posting == Posting::Begun);
        if let Some(dismissal) = &self.heard.dismissed {
            known.status = Status::Dismissed { by: dismissal.by.username.clone(), why: dismissal.why.clone() };
        } else if let Some(marked) = self.marked
            && marked.resolution == Resolution::Open
            && !(died && is_granted(marked))
        {
            // The note is gone or says otherwise, the reaction was withdrawn, or the thread was opened again.
            known.status = Status::Open;
            return;
        }
        if died && self.marked.is_some_and(is_granted) {
            next.due = Some((None, Then::Resolve));
        }
        let changed = is_changed(self.code, self.by.ground.interdiff);
        if Self::is_unchecked(known) || (self.seen && changed) {
            next.asks.push((Matter::Worse, None, None));
        } else if changed && self.looked(known) {
            // Its code went. What stands at its place from now on is something else, and was dismissed by nobody.
            known.place.line = None;
            known.trail.above = 0;
        }
    }

    /// Whether a question about a finding that is closed was never answered.
    fn is_unchecked(known: &Known) -> bool {
        !known.status.is_open() && known.trail.unsettled == Some(Unsettled::Unchecked)
    }

    /// Whether the detectors that saw it have looked again.
    fn looked(&self, known: &Known) -> bool {
        let detectors = &known.trail.detectors;
        !detectors.is_empty() && detectors.iter().all(|rule| self.by.ground.looked.contains(rule))
    }

    fn open(&self, known: &mut Known, next: &mut Next) {
        if let Some(dismissal) = &self.heard.dismissed {
            known.status = Status::Dismissed { by: dismissal.by.username.clone(), why: dismissal.why.clone() };
            known.trail.unsettled = None;
            return;
        }
        if let Some(granted) = self.granted(known) {
            known.status = granted;
            return;
        }
        let claim = self.marked.and_then(claim_in);
        if !self.seen && self.changed(known) {
            if self.looked(known) {
                known.status = Status::Fixed { round: self.by.round, commit: self.by.head.clone() };
                known.trail.unsettled = None;
                next.due = Some((None, Then::Resolve));
                return;
            }
            if let Some(claim) = &claim {
                known.status = Status::ClaimedFixed { by: claim.as_ref().map(|person| person.username.clone()) };
            }
            next.asks.push((Matter::Fixed, claim.flatten(), None));
            return;
        }
        let contradicted = match claim {
            None => false,
            Some(_) if self.changed(known) && !self.is_merely_forgotten(known) => true,
            // GitLab resolves what is outdated. The code is as it was, and nobody decided anything.
            Some(None) => self.marked.is_some_and(|marked| marked.resolution != Resolution::Open),
            Some(Some(person)) => {
                let resolved = self.marked.is_some_and(|marked| marked.resolution != Resolution::Open);
                if resolved && self.by.people.may_dismiss(&person, known.severity) {
                    let why = replies::reason_of(self.by.conversation, known, &person);
                    known.status = Status::Dismissed { by: person.username, why };
                    known.trail.unsettled = None;
                    return;
                }
                // Of a critical it takes somebody else: the thread is left alone, and it counts.
                false
            }
        };
        known.status = Status::Open;
        if contradicted {
            still_there(known, next);
        }
    }

    /// What the bot had granted to a person, where the summary that said so is lost.
    fn granted(&self, known: &Known) -> Option<Status> {
        let marked = self.marked.filter(|marked| marked.resolution == Resolution::ByBot && is_granted(marked))?;
        let again = marked.replies.iter().any(|reply| [Answer::Back, Answer::Worse].iter().any(|answer| answer.word() == reply.kind));
        let objection = self.heard.objection.as_ref().filter(|_| !again && known.trail.unsettled.is_none())?;
        Some(Status::Dismissed { by: objection.by.username.clone(), why: replies::as_reason(&objection.words) })
    }

    /// Whether nothing says that the code changed but that nobody knows what it was: its line still reads as it did.
    fn is_merely_forgotten(&self, known: &Known) -> bool {
        known.status == Status::Open && known.trail.unsettled.is_none() && reads_as_it_did(known, self.by.ground)
    }

    /// Somebody disagrees or asks, and was not answered yet.
    fn objection(&self, known: &Known, next: &mut Next) {
        let Some(objection) = &self.heard.objection else { return };
        let answered = self.marked.is_none_or(is_answered);
        if !known.status.is_open() || answered {
            return;
        }
        let matter = match objection.kind {
            ObjectionKind::Disagrees => Matter::Objection,
            ObjectionKind::Asks => Matter::Question,
        };
        next.asks.push((matter, Some(objection.by.clone()), Some(objection.words.clone())));
    }
}

/// Who claims in a thread that its finding is fixed: a person, or GitLab; `None` if nobody does. What the bot resolved claims nothing.
#[expect(clippy::option_option, reason = "nobody claims it, or somebody whose name is not known, or a person")]
fn claim_in(marked: &Marked) -> Option<Option<Person>> {
    match &marked.resolution {
        Resolution::ByPerson(person) => Some(Some(person.clone())),
        Resolution::Unnamed => Some(None),
        Resolution::Open if marked.suggestion_applied && marked.replies.is_empty() => Some(None),
        Resolution::Open | Resolution::ByBot => None,
    }
}

/// Whether, without the earlier change, the first line of a finding is still in its file.
fn reads_as_it_did(known: &Known, ground: &Ground<'_>) -> bool {
    let first = known.lines().map(|(first, _)| first);
    !ground.interdiff.known() && first.is_some_and(|first| reads_as_before(known, first, ground).is_some())
}

fn still_there(known: &mut Known, next: &mut Next) {
    known.trail.unsettled = Some(Unsettled::Owed);
    next.due = Some((Some(Answer::Still), Then::Reopen));
}

/// Whether the change adds a line that reads like the first line of a finding that was fixed, and that the earlier change did not have.
fn returned(known: &Known, ground: &Ground<'_>) -> bool {
    let (Some(text), Some(file)) = (&known.trail.text, ground.new.file(&known.place.path)) else { return false };
    ground.interdiff.known()
        && file.lines().any(|line| {
            let spot = Spot { path: known.place.path.clone(), side: Side::New, line: line.new };
            line.kind == LineKind::Added && ground.interdiff.origin(&spot).is_none() && line_digest(&line.text) == *text
        })
}

/// Notes that a question was not answered. What is closed stays so until it is.
fn leave_open(reconciled: &mut Reconciled, id: FindingId, matter: Matter) {
    let (unsettled, open) = match matter {
        Matter::Fixed => (Unsettled::Unchecked, true),
        Matter::Returned | Matter::Worse => (Unsettled::Unchecked, false),
        Matter::Objection | Matter::Question => (Unsettled::Unanswered, true),
    };
    if let Some(known) = reconciled.known.iter_mut().find(|known| known.id == id && known.status.is_open() == open) {
        // That its code changed must not be forgotten for a question that came with it.
        known.trail.unsettled = known.trail.unsettled.filter(|before| *before == Unsettled::Unchecked).or(Some(unsettled));
    }
}

fn question(known: &Known, matter: Matter, words: Option<String>, by: &Settling<'_>) -> FollowUp {
    let place = match known.place.line {
        Some(line) => format!("{}:{line}", known.place.path),
        None => known.place.path.to_string(),
    };
    FollowUp {
        matter,
        title: known.title.clone(),
        severity: known.severity,
        rule_ids: known.rule_ids.clone(),
        place,
        detected: !known.trail.detectors.is_empty(),
        old: before(known, by.ground),
        new: excerpt(by.ground.new, known),
        words,
    }
}

/// The code of a finding as the earlier change showed it: where its place now was then.
fn before(known: &Known, ground: &Ground<'_>) -> String {
    let Some(old) = ground.old else { return String::new() };
    // The place has moved along; its text then is found by its digest, else at the same number.
    let by_text = known.trail.text.as_ref().and_then(|text| {
        old.files().iter().find_map(|file| {
            let wanted =
                ground.interdiff.path_of(file.path()).is_some_and(|path| *path == known.place.path) || *file.path() == known.place.path;
            let line = wanted.then(|| file.lines().position(|line| line_digest(&line.text) == *text)).flatten()?;
            Some(shown(file, line))
        })
    });
    let as_was = || if ground.interdiff.is_empty() { String::new() } else { excerpt(old, known) };
    by_text.unwrap_or_else(as_was)
}

fn excerpt(change: &Change, known: &Known) -> String {
    let Some(file) = change.file(&known.place.path) else { return String::new() };
    let is_it = |line: &Line| match known.place.side {
        Side::Old => line.old_line() == known.place.line,
        Side::New => line.new_line() == known.place.line,
    };
    match known.place.line {
        Some(_) => file.lines().position(is_it).map(|line| shown(file, line)).unwrap_or_default(),
        None => shown(file, 0),
    }
}

/// The lines of a patch around one of them, with their numbers and signs.
fn shown(file: &FileDiff, line: usize) -> String {
    let row = |line: &Line| {
        let (number, sign) = match line.kind {
            LineKind::Context => (line.new, ' '),
            LineKind::Added => (line.new, '+'),
            LineKind::Removed => (line.old, '-'),
        };
        format!("{number} {sign}{}", line.text.chars().take(MAX_EXCERPT_CHARS).collect::<String>())
    };
    let from = line.saturating_sub(LINES_AROUND);
    let rows: Vec<String> = file.lines().skip(from).take((2 * LINES_AROUND + 1).min(MAX_EXCERPT_LINES)).map(row).collect();
    rows.join("\n")
}

/// Applies what the coordinator answered. `Q-n` is the n-th question; a finding whose question was not answered stays open, and is asked about again.
pub fn conclude(reconciled: &mut Reconciled, asked: &[Asked], answers: &[FollowUpAnswer], by: &Settling<'_>) {
    let by_index = by_question(answers, asked.len());
    for (index, asked) in asked.iter().enumerate() {
        let code = reconciled.code.get(&asked.id).copied();
        let Some(known) = reconciled.known.iter_mut().find(|known| known.id == asked.id) else { continue };
        let marked = by.conversation.threads.get(&asked.id);
        let concluded = by_index.get(&index).and_then(|answer| match asked.question.matter {
            Matter::Fixed => fixed(known, answer, marked, code, asked.person.as_ref(), by),
            Matter::Returned => {
                Some(raised_again(known, answer, answer.says == Says::Worse || answer.says == Says::StillThere, Answer::Back))
            }
            Matter::Worse => Some(raised_again(known, answer, answer.says == Says::Worse, Answer::Worse)),
            // Fixed in the meantime: there is nothing to argue about.
            Matter::Objection | Matter::Question if !known.status.is_open() => Some(None),
            Matter::Objection => objected(known, answer, asked, by),
            Matter::Question => (!answer.reply.is_empty()).then_some(Some((Some(Answer::Explained), Then::Leave))),
        });
        match concluded {
            None => leave_open(reconciled, asked.id, asked.question.matter),
            Some(due) => {
                if let Some((Some(Answer::Worse), _)) = due
                    && let Some(seen) = reconciled.seen.iter_mut().find(|seen| seen.id == asked.id)
                {
                    seen.sight = Sight::Worse;
                }
                let answer = by_index.get(&index).map(|answer| answer.reply.clone()).unwrap_or_default();
                let checked = matches!(asked.question.matter, Matter::Fixed | Matter::Returned | Matter::Worse);
                if known.trail.unsettled == Some(Unsettled::Unanswered) || checked {
                    known.trail.unsettled = known.trail.unsettled.filter(|unsettled| *unsettled == Unsettled::Owed);
                }
                if let Some((kind, then)) = due {
                    reconciled.dues.push(Due { id: asked.id, answer: kind, text: answer, then });
                }
            }
        }
    }
    tidy(reconciled);
}

/// What follows from an answer: nothing can be made of it, or it is settled, with a reply or without.
type Concluded = Option<Option<(Option<Answer>, Then)>>;

fn fixed(
    known: &mut Known,
    answer: &FollowUpAnswer,
    marked: Option<&Marked>,
    code: Option<CodeAt>,
    person: Option<&Person>,
    by: &Settling<'_>,
) -> Concluded {
    match answer.says {
        // Believed with a ground only: an open finding costs less than a lost one.
        Says::Fixed if !answer.why.is_empty() => {
            known.status = Status::Fixed { round: by.round, commit: by.head.clone() };
            known.trail.unsettled = None;
            Some(Some((None, Then::Resolve)))
        }
        Says::StillThere | Says::Worse => {
            if answer.says == Says::Worse {
                known.severity = known.severity.max(answer.severity.unwrap_or(known.severity));
            }
            let claimed = marked.is_some_and(|marked| claim_in(marked).is_some());
            // The lines themselves are as they were: who resolved the thread has seen them.
            let stand = code == Some(CodeAt::Near) || reads_as_it_did(known, by.ground);
            let decided = person.filter(|person| stand && by.people.may_dismiss(person, known.severity));
            if let Some(person) = decided.filter(|_| claimed) {
                let why = replies::reason_of(by.conversation, known, person);
                known.status = Status::Dismissed { by: person.username.clone(), why };
                known.trail.unsettled = None;
                return Some(None);
            }
            known.status = Status::Open;
            known.trail.unsettled = claimed.then_some(Unsettled::Owed);
            Some(claimed.then_some((Some(Answer::Still), Then::Reopen)))
        }
        Says::Fixed | Says::Agree | Says::Disagree => None,
    }
}

fn raised_again(known: &mut Known, answer: &FollowUpAnswer, again: bool, kind: Answer) -> Option<(Option<Answer>, Then)> {
    if !again {
        return None;
    }
    known.status = Status::Open;
    known.severity = known.severity.max(answer.severity.unwrap_or(known.severity));
    known.trail.returns = known.trail.returns.saturating_add(1);
    known.trail.unsettled = Some(Unsettled::Owed);
    Some((Some(kind), Then::Reopen))
}

fn objected(known: &mut Known, answer: &FollowUpAnswer, asked: &Asked, by: &Settling<'_>) -> Concluded {
    let person = asked.person.as_ref()?;
    let detected = !known.trail.detectors.is_empty();
    let reasoned = !answer.why.is_empty();
    let lower = |known: &mut Known, to: Severity| {
        known.severity = to;
        known.trail.ceiling = Some(to);
        Some(Some((Some(Answer::Lowered), Then::Leave)))
    };
    match answer.says {
        // Without a word to the person nothing was answered.
        _ if answer.reply.is_empty() => None,
        // What a detector saw is confirmed by construction; only people decide that it stays.
        Says::Agree | Says::Disagree if detected => Some(Some((Some(Answer::Disagreed), Then::Leave))),
        Says::Agree if reasoned && by.people.may_dismiss(person, known.severity) => {
            let why = asked.question.words.as_deref().map(replies::as_reason).unwrap_or_default();
            known.status = Status::Dismissed { by: person.username.clone(), why };
            known.trail.unsettled = None;
            Some(Some((Some(Answer::Agreed), Then::Resolve)))
        }
        // The author's words alone close no critical.
        Says::Agree if reasoned => lower(known, Severity::Important),
        Says::Disagree => match answer.severity.filter(|severity| reasoned && *severity < known.severity) {
            Some(severity) => lower(known, severity),
            None => Some(Some((Some(Answer::Disagreed), Then::Leave))),
        },
        Says::Agree | Says::Fixed | Says::StillThere | Says::Worse => None,
    }
}

#[cfg(test)]
mod answers;
#[cfg(test)]
mod tests;
