//! A merge request played over many rounds, for tests: files that change, a reader that sees every defect it is shown, a coordinator that tells the
//! truth, people, and runs that die. It must not share code with what it tests beyond the functions that a command calls.

use std::collections::{BTreeMap, BTreeSet};

use super::access::{AccessLevel, People};
use super::matching::Ground;
use super::plan::tests::Toy;
use super::plan::{Bodies, Input, Policy, Reliance, plan};
use super::reading::tests::{bots, keys, note};
use super::reading::{self, Award, Conversation};
use super::reconcile::{self, Reconciled};
use super::settle::{Asked, Settling, conclude, settle};
use super::state::{FindingId, Known, Posting, Round, State, Status};
use super::task::{Now, Reviewed, Scope, Task, task};
use super::{Action, Person, marker};
use crate::change::testing::{Tree, between};
use crate::change::{Change, CommitId, Interdiff, LineKind, interdiff, patch_id};
use crate::codex::{ReviewerName, RuleId};
use crate::review::{
    Confidence, Finding, FollowUpAnswer, Matter, Place, Says, Severity, Source, Standing, Suggestion, Tier, Usage, Usd, Verdict,
    fingerprints,
};

pub(super) const ANN: u64 = 1;
pub(super) const MIRA: u64 = 5;

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Detectors: all of the change, every time.
    Detector,
    /// A model: what is new.
    Model,
}

/// Who answers questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coordinator {
    /// It knows which defects are there.
    Truthful,
    /// It is down.
    Silent,
    /// It says so to everything, with a reply and a reason.
    Says(Says),
}

/// The merge request.
#[derive(Clone)]
pub(super) struct Play {
    pub(super) base: Tree,
    pub(super) head: Tree,
    /// Path in the head → path in the base.
    pub(super) renames: BTreeMap<String, String>,
    pub(super) reader: Reader,
    pub(super) coordinator: Coordinator,
    pub(super) severity: Severity,
    /// What the reader calls every defect.
    pub(super) word: &'static str,
    /// The finding that the reader says it is.
    pub(super) prior: Option<&'static str>,
    /// What the coordinator says to people, its reason, and the severity that it gives.
    pub(super) words: (&'static str, &'static str, Option<Severity>),
    pub(super) toy: Toy,
    pub(super) awards: Vec<Award>,
    /// The changes at heads that are still in the repository.
    pub(super) heads: BTreeMap<CommitId, Change>,
    pushes: u32,
    written: u64,
}

/// What a run did.
pub(super) struct Ran {
    pub(super) task: Task,
    pub(super) told: Vec<String>,
    pub(super) asked: Vec<Asked>,
    pub(super) known: Vec<Known>,
    pub(super) shown: usize,
}

pub(super) fn person(id: u64) -> Person {
    Person { id, username: format!("user{id}") }
}

fn commit(number: u32) -> CommitId {
    CommitId::parse(&format!("{number:040x}")).unwrap()
}

/// The word of a defect in a line.
pub(super) fn token(line: &str) -> Option<&str> {
    line.split(|c: char| !c.is_alphanumeric()).find(|word| word.starts_with("bug"))
}

impl Play {
    pub(super) fn new(reader: Reader, base: Tree, head: Tree) -> Self {
        let mut play = Self {
            base,
            head,
            renames: BTreeMap::new(),
            reader,
            coordinator: Coordinator::Truthful,
            severity: Severity::Important,
            word: "defect",
            prior: None,
            words: ("because", "line 1", None),
            toy: Toy::new(),
            awards: Vec::new(),
            heads: BTreeMap::new(),
            pushes: 0,
            written: 500,
        };
        play.push();
        play
    }

    /// Makes the files as they are now the head.
    pub(super) fn push(&mut self) {
        self.pushes += 1;
        let change = between(&self.base, &self.head, &self.renames);
        self.heads.insert(commit(self.pushes), change);
    }

    pub(super) fn change(&self) -> Change {
        between(&self.base, &self.head, &self.renames)
    }

    fn head_id(&self) -> CommitId {
        commit(self.pushes)
    }

    /// The base's ID is as good as its content.
    fn base_id(&self) -> CommitId {
        use sha2::Digest as _;
        let text: Vec<String> = self.base.iter().map(|(path, text)| format!("{path}\n{text}")).collect();
        CommitId::parse(&hex::encode(&sha2::Sha256::digest(text.concat())[..20])).unwrap()
    }

    pub(super) fn conversation(&self) -> Conversation {
        reading::read(&self.toy.threads, &bots(), &keys()).with_awards(self.awards.clone(), &bots())
    }

    pub(super) fn state(&self) -> State {
        self.conversation().remembered().unwrap().state
    }

    pub(super) fn thread_of(&self, id: u32) -> String {
        self.conversation().threads[&FindingId::new(id)].thread.id.clone()
    }

    /// Somebody writes into the thread of a finding.
    pub(super) fn say(&mut self, id: u32, author: u64, body: &str) {
        self.written += 1;
        let written = note(self.written % 60, author, body);
        let thread = self.thread_of(id);
        let at = format!("2026-11-25T00:00:00.{}Z", self.written);
        self.toy.thread_mut(&thread).notes.push(super::Note { id: self.written, created_at: at, ..written });
    }

    pub(super) fn resolve(&mut self, id: u32, by: Option<u64>) {
        let thread = self.thread_of(id);
        self.toy.set_resolved(&thread, Some(by.unwrap_or(0)));
        if by.is_none() {
            for note in &mut self.toy.thread_mut(&thread).notes {
                note.resolved_by = None;
            }
        }
    }

    fn findings(&self, shown: &Change) -> Vec<Finding> {
        let mut findings = Vec::new();
        let reviewer = ReviewerName::parse("quality").unwrap();
        let rule = RuleId::parse("SEC-0001").unwrap();
        for file in shown.files() {
            for (index, line) in file.lines().enumerate() {
                let Some(token) = token(&line.text).filter(|_| line.kind == LineKind::Added) else { continue };
                findings.push(Finding {
                    title: format!("{} {token}", self.word),
                    severity: self.severity,
                    category: reviewer.clone(),
                    body: "It breaks.".to_owned(),
                    rule_ids: if self.reader == Reader::Detector { vec![rule.clone()] } else { Vec::new() },
                    place: Place::Lines(shown.span(file.path(), index, index).unwrap()),
                    related: Vec::new(),
                    suggestion: Suggestion::None,
                    confidence: Confidence::CERTAIN,
                    sources: match self.reader {
                        Reader::Detector => vec![Source::Detector(rule.clone())],
                        Reader::Model => vec![Source::Reviewer(reviewer.clone())],
                    },
                    standing: Standing::Checked,
                    prior_id: self.prior.map(str::to_owned),
                    fingerprint: String::new(),
                });
            }
        }
        fingerprints(&mut findings, &self.change());
        findings
    }

    /// A run that ends well.
    pub(super) fn run(&mut self) -> Ran {
        self.run_until(usize::MAX).expect("it does not die")
    }

    /// A run that is killed before its action of that number; `None` if it was.
    pub(super) fn run_until(&mut self, dies: usize) -> Option<Ran> {
        let conversation = self.conversation();
        let remembered = conversation.remembered().unwrap();
        let (state, change) = (remembered.state, self.change());
        let (head, base, patch, digest) = (self.head_id(), self.base_id(), patch_id(&change), conversation.digest());
        let now = Now {
            head: &head,
            base: &base,
            patch_id: &patch,
            forced_tier: None,
            config_digest: "cafe",
            newest_note: conversation.newest_note.as_ref(),
            threads_digest: &digest,
            lifted: None,
        };
        let task = task(&state, remembered.origin, &now);
        let at = |reviewed: &Reviewed| self.heads.get(&reviewed.head);
        let against = |reviewed: Option<&Reviewed>| interdiff(reviewed.and_then(at), &change);
        let detector = self.reader == Reader::Detector;
        let whole = detector.then(|| change.clone());
        let (since, shown): (Option<Reviewed>, Change) = match &task {
            Task::Nothing => return Some(Ran { task, told: Vec::new(), asked: Vec::new(), known: state.findings, shown: 0 }),
            Task::Conversation => {
                (state.last().map(|last| Reviewed { head: last.head.clone(), base: last.base.clone() }), Change::default())
            }
            Task::Recheck { since } => (Some(since.clone()), whole.unwrap_or_default()),
            Task::Review(Scope::Whole { since, .. }) => (since.clone(), change.clone()),
            Task::Review(Scope::New { read, since }) => {
                (Some(since.clone()), whole.unwrap_or_else(|| against(Some(read)).narrowed(&change)))
            }
        };
        let ran_detectors = detector && task != Task::Conversation;
        let looked: BTreeSet<RuleId> = ran_detectors.then(|| RuleId::parse("SEC-0001").unwrap()).into_iter().collect();
        let positions: Interdiff = against(since.as_ref());
        let ground = Ground {
            interdiff: &positions,
            old: since.as_ref().and_then(at),
            new: &change,
            read_before: state.was_read(),
            same_base: since.as_ref().is_some_and(|since| since.base == base),
            looked: &looked,
        };
        let mut findings = self.findings(&shown);
        let number = state.round_over(&head, &base);
        let mut reconciled = reconcile::reconcile_over(&state, &findings, number, &ground);
        reconcile::converge(&mut findings, &mut reconciled);
        let access = BTreeMap::from([(ANN, Some(AccessLevel::MAINTAINER)), (MIRA, Some(AccessLevel::DEVELOPER))]);
        let author = person(ANN);
        let people = People { author: &author, access: &access, min_access: AccessLevel::DEVELOPER };
        let settling =
            Settling { conversation: &conversation, people: &people, ground: &ground, round: number, head: &head, last: state.last() };
        let asked = settle(&mut reconciled, &settling);
        let answers = self.answers(&asked, &reconciled);
        conclude(&mut reconciled, &asked, &answers, &settling);
        let record = record(number, &head, &base, &patch, &conversation);
        let after = state.after(record, reconciled.known.clone(), reconciled.next_id);
        let mut left = dies;
        let mut told = Vec::new();
        let mut known = Vec::new();
        for after in [after.clone(), after.posted()] {
            let conversation = self.conversation();
            let mut after = after;
            for known in &mut after.findings {
                known.thread = conversation.threads.get(&known.id).map(|marked| marked.thread.clone()).or(known.thread.take());
            }
            known.clone_from(&after.findings);
            let summary = format!("summary\n\n{}", marker::summary(&after, &keys()).text);
            let input = Input {
                policy: Policy { max_threads: 1_000, ..Policy::default() },
                change: &change,
                findings: &findings,
                reconciled: &reconciled,
                round: number,
                head: &head,
                previous_head: state.last().map(|round| &round.head),
                conversation: &conversation,
                bot: self.toy.bot,
                batch: super::plan::Batch::Threads,
                reliance: Reliance { complete: true, reviewed: true, overridden: false },
                keys: &keys(),
                summary: &summary,
            };
            let bodies = Bodies {
                thread: &|opening| format!("{}\n\n{}", opening.finding.title, opening.marker),
                reply: &|answering| format!("{}\n\n{}", answering.answer.word(), answering.marker),
            };
            for action in plan(&input, &bodies) {
                left = left.checked_sub(1)?;
                self.toy.apply(&action);
                told.extend(word(&action));
            }
        }
        Some(Ran { task, told, asked, known, shown: shown.files().iter().map(|file| file.lines().count()).sum() })
    }

    fn answers(&self, asked: &[Asked], reconciled: &Reconciled) -> Vec<FollowUpAnswer> {
        let there = |asked: &Asked| {
            // Another finding may stand on the line: then the defect on it is that one's.
            let token = token(&asked.question.title).unwrap();
            let lines = self.head.values().flat_map(|text| text.lines()).filter(|line| self::token(line) == Some(token)).count();
            let others = reconciled.known.iter().filter(|known| known.id != asked.id && known.title == asked.question.title);
            lines > others.filter(|known| !matches!(known.status, Status::Fixed { .. })).count()
        };
        let says = |asked: &Asked| match (self.coordinator, asked.question.matter) {
            (Coordinator::Says(says), _) => Some(says),
            (Coordinator::Silent, _) => None,
            (Coordinator::Truthful, Matter::Fixed | Matter::Returned) => Some(if there(asked) { Says::StillThere } else { Says::Fixed }),
            (Coordinator::Truthful, Matter::Worse) => Some(Says::StillThere),
            (Coordinator::Truthful, Matter::Objection | Matter::Question) => Some(Says::Disagree),
        };
        let answer = |(index, asked): (usize, &Asked)| {
            Some(FollowUpAnswer {
                id: format!("Q-{}", index + 1),
                says: says(asked)?,
                severity: self.words.2,
                reply: self.words.0.to_owned(),
                why: self.words.1.to_owned(),
            })
        };
        asked.iter().enumerate().filter_map(answer).collect()
    }
}

/// The round as it is written down before anything is posted.
fn record(number: u32, head: &CommitId, base: &CommitId, patch: &str, conversation: &Conversation) -> Round {
    Round {
        number,
        head: head.clone(),
        base: base.clone(),
        target: base.clone(),
        patch_id: patch.to_owned(),
        tier: Tier::Lite,
        forced_tier: None,
        verdict: Verdict::Approved,
        complete: true,
        usage: Usage::default(),
        cost: Usd::ZERO,
        config_digest: "cafe".to_owned(),
        newest_note: conversation.newest_note.clone(),
        threads_digest: conversation.digest(),
        posting: Posting::Begun,
        overridden: None,
        extra: super::Extra::new(),
    }
}

fn word(action: &Action) -> Option<String> {
    Some(match action {
        Action::OpenThreads { threads, .. } => format!("open {}", threads.len()),
        Action::Resolve { .. } => "resolve".to_owned(),
        Action::Reply { body, reopen, .. } => {
            format!("{}{}", body.lines().next().unwrap_or_default(), if *reopen { " reopen" } else { "" })
        }
        Action::PostSummary { .. } | Action::EditSummary { .. } => return None,
        Action::WithdrawApproval
        | Action::DiscardDrafts
        | Action::Approve { .. }
        | Action::RequestChanges
        | Action::ClearRequestedChanges => format!("{action:?}"),
    })
}

mod histories;
