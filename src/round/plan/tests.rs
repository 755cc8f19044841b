//! Plans against a toy merge request that does what it is told: what is posted, in which order, and that nothing is posted twice.

use proptest::prelude::*;

use super::super::reading::tests::{bots, keys, note, thread};
use super::super::reading::{self, Bots};
use super::super::reconcile::reconcile;
use super::super::reconcile::tests::finding;
use super::super::state::tests::{commit, round};
use super::super::state::{Round, State};
use super::super::{Person, Thread};
use super::*;
use crate::change::parse;
use crate::review::NoLine;

fn change() -> Change {
    let lines = (1..=12).map(|line| format!("+line {line}")).collect::<Vec<_>>().join("\n") + "\n";
    let text = format!(
        "diff --git a/src/old.rs b/src/new.rs\nsimilarity index 90%\nrename from src/old.rs\nrename to src/new.rs\n--- a/src/old.rs\n+++ b/src/new.rs\n@@ -1,1 +1,13 @@\n context\n{lines}"
    );
    parse(text.as_bytes()).unwrap()
}

/// A finding on the lines `first` to `last` of the change; line 0 is its context line.
fn on_lines(print: &str, severity: Severity, first: usize, last: usize) -> Finding {
    Finding { place: Place::Lines(change().span(&"src/new.rs".into(), first, last).unwrap()), ..finding(print, severity) }
}

fn on_file(print: &str, severity: Severity) -> Finding {
    Finding { place: Place::File { path: "src/new.rs".into(), why: NoLine::NotFound }, ..finding(print, severity) }
}

/// A merge request that does what it is told.
#[derive(Clone)]
pub(in crate::round) struct Toy {
    pub(in crate::round) threads: Vec<Thread>,
    pub(in crate::round) bot: BotState,
    pub(in crate::round) notes: u64,
    /// How many rungs of each thread GitLab refuses.
    refuses: usize,
}

impl Toy {
    pub(in crate::round) fn new() -> Self {
        Self { threads: Vec::new(), bot: BotState::default(), notes: 0, refuses: 0 }
    }

    fn note(&mut self, body: &str) -> super::super::Note {
        self.notes += 1;
        note(self.notes, bots().current, body)
    }

    pub(in crate::round) fn thread_mut(&mut self, id: &str) -> &mut Thread {
        self.threads.iter_mut().find(|thread| thread.id == id).expect("an action names a thread that is there")
    }

    pub(in crate::round) fn apply(&mut self, action: &Action) {
        match action {
            Action::WithdrawApproval => self.bot.approved = false,
            Action::DiscardDrafts => self.bot.drafts = 0,
            Action::PostSummary { body } => {
                let note = self.note(body);
                self.threads.push(Thread { individual: true, ..thread(&format!("s{}", note.id), vec![note]) });
            }
            Action::EditSummary { note, body } => {
                let there = self.threads.iter_mut().flat_map(|thread| &mut thread.notes).find(|there| there.id == *note).unwrap();
                body.clone_into(&mut there.body);
            }
            Action::OpenThreads { threads, summary } => {
                if let Some(body) = summary {
                    self.apply(&Action::PostSummary { body: body.clone() });
                }
                for new in threads {
                    assert!(new.rungs.iter().all(|rung| rung.body.ends_with(&new.marker)), "{new:?}");
                    let Some(rung) = new.rungs.get(self.refuses) else { continue };
                    let note = self.note(&rung.body);
                    self.threads.push(thread(&format!("t{}", note.id), vec![note]));
                }
            }
            Action::Resolve { thread } => self.set_resolved(thread, Some(bots().current)),
            Action::Reply { thread, body, reopen } => {
                let note = self.note(body);
                self.thread_mut(thread).notes.push(note);
                if *reopen {
                    self.set_resolved(thread, None);
                }
            }
            Action::Approve { .. } => self.bot.approved = true,
            Action::RequestChanges => self.bot.requested_changes = true,
            Action::ClearRequestedChanges => self.bot.requested_changes = false,
        }
    }

    pub(in crate::round) fn set_resolved(&mut self, id: &str, by: Option<u64>) {
        for note in &mut self.thread_mut(id).notes {
            note.resolved = by.is_some();
            note.resolved_by = by.map(|id| Person { id, username: format!("user{id}") });
        }
    }

    fn finding_threads(&self) -> usize {
        self.threads.iter().filter(|thread| !thread.individual).count()
    }
}

#[derive(Clone, Copy)]
struct Run {
    policy: Policy,
    reliance: Reliance,
    head: char,
    bots: fn() -> Bots,
    batch: Batch,
}

const RUN: Run = Run {
    policy: Policy { max_threads: 10, thread_severity: Severity::Important, vote: false },
    reliance: Reliance { complete: true, reviewed: true, overridden: false },
    head: '1',
    bots,
    batch: Batch::Threads,
};
const VOTING: Run = Run { policy: Policy { vote: true, ..RUN.policy }, ..RUN };

/// Plans a run over `findings`; `fixed` are those checked to be gone.
fn planned(toy: &Toy, run: Run, findings: &[Finding], fixed: &[u32]) -> Vec<Action> {
    let keys = keys();
    let conversation = reading::read(&toy.threads, &(run.bots)(), &keys);
    let state = conversation.remembered().unwrap().state;
    let head = commit(run.head);
    let number = state.round_over(&head, &commit('b'));
    let mut reconciled = reconcile(&state, findings, number);
    reconciled.fix(&fixed.iter().copied().map(FindingId::new).collect(), number, &head);
    let record = Round { head: head.clone(), ..round(number, run.head) };
    let after: State = state.after(record, reconciled.known.clone(), reconciled.next_id);
    let rows: Vec<String> =
        after.findings.iter().map(|known| format!("{} {:?}", known.id, known.thread.as_ref().map(|t| t.note))).collect();
    let summary = format!("{}\n\n{}", rows.join("\n"), marker::summary(&after, &keys).text);
    let change = change();
    let input = Input {
        policy: run.policy,
        change: &change,
        findings,
        reconciled: &reconciled,
        round: number,
        head: &head,
        previous_head: state.last().map(|round| &round.head),
        conversation: &conversation,
        bot: toy.bot,
        batch: run.batch,
        reliance: run.reliance,
        keys: &keys,
        summary: &summary,
    };
    let bodies = Bodies {
        thread: &|opening| format!("{} {:?} {:?}\n\n{}", opening.finding.title, opening.sight, opening.place, opening.marker),
        reply: &|answering| format!("{} is {}\n\n{}", answering.known.id, answering.answer.word(), answering.marker),
    };
    plan(&input, &bodies)
}

/// Plans and does it.
fn done(toy: &mut Toy, run: Run, findings: &[Finding], fixed: &[u32]) -> Vec<String> {
    let actions = planned(toy, run, findings, fixed);
    for action in &actions {
        toy.apply(action);
    }
    told(&actions)
}

/// A plan in one word an action.
fn told(actions: &[Action]) -> Vec<String> {
    let word = |action: &Action| match action {
        Action::WithdrawApproval => "withdraw".to_owned(),
        Action::DiscardDrafts => "discard".to_owned(),
        Action::PostSummary { .. } => "post".to_owned(),
        Action::EditSummary { .. } => "edit".to_owned(),
        Action::OpenThreads { threads, summary: None } => format!("open {}", threads.len()),
        Action::OpenThreads { threads, summary: Some(_) } => format!("open {} and post", threads.len()),
        Action::Resolve { thread } => format!("resolve {thread}"),
        Action::Reply { thread, reopen, .. } => format!("reply {thread} {reopen}"),
        Action::Approve { .. } => "approve".to_owned(),
        Action::RequestChanges => "request".to_owned(),
        Action::ClearRequestedChanges => "clear".to_owned(),
    };
    actions.iter().map(word).collect()
}

#[test]
fn the_first_round_posts_and_the_same_run_again_only_adds_links() {
    let mut toy = Toy::new();
    toy.bot.drafts = 2;
    let findings = [on_lines("a", Severity::Critical, 2, 4), on_file("b", Severity::Important), on_lines("c", Severity::Suggestion, 1, 1)];
    assert_eq!(done(&mut toy, RUN, &findings, &[]), ["discard", "post", "open 2"]);
    assert_eq!(done(&mut toy, RUN, &findings, &[]), ["edit"]);
    assert_eq!(done(&mut toy, RUN, &findings, &[]), Vec::<String>::new());
}

#[test]
fn the_first_summary_goes_with_the_threads_where_gitlab_takes_both() {
    let mut toy = Toy::new();
    let run = Run { batch: Batch::ThreadsAndSummary, ..RUN };
    let findings = [on_lines("a", Severity::Critical, 2, 4)];
    assert_eq!(done(&mut toy.clone(), run, &[], &[]), ["post"]);
    assert_eq!(done(&mut toy, run, &findings, &[]), ["open 1 and post"]);
    assert_eq!(done(&mut toy, run, &findings, &[]), ["edit"]);
    let more = [on_lines("a", Severity::Critical, 2, 4), on_file("b", Severity::Critical)];
    assert_eq!(done(&mut toy, Run { head: '2', ..run }, &more, &[]), ["edit", "open 1"]);
}

#[test]
fn old_drafts_go_before_a_review_that_would_publish_them() {
    let mut toy = Toy::new();
    toy.bot = BotState { requested_changes: true, drafts: 1, ..BotState::default() };
    assert_eq!(done(&mut toy, VOTING, &[], &[]), ["discard", "clear", "post", "approve"]);
}

#[test]
fn a_thread_goes_down_from_its_range_to_its_last_line_to_its_file() {
    let actions = planned(&Toy::new(), RUN, &[on_lines("a", Severity::Critical, 2, 4)], &[]);
    let Some(Action::OpenThreads { threads, .. }) = actions.get(1) else { panic!("{actions:?}") };
    let rungs: Vec<_> = threads[0]
        .rungs
        .iter()
        .map(|rung| match &rung.place {
            RungPlace::Lines(position) => {
                format!("{} {:?} {:?}", position.new_path, position.start.as_ref().map(|line| line.new_line), position.line.new_line)
            }
            RungPlace::File { old_path, new_path } => format!("{old_path} {new_path}"),
        })
        .collect();
    assert_eq!(rungs, ["src/new.rs Some(Some(3)) Some(5)", "src/new.rs None Some(5)", "src/old.rs src/new.rs"]);
    assert!(threads[0].rungs[1].body.contains("Lines") && threads[0].rungs[2].body.contains("Refused"));
}

#[test]
fn threads_are_for_the_worst_at_most_ten_a_round_and_never_for_mild_ones() {
    let mut toy = Toy::new();
    let mut findings: Vec<Finding> = (0..13).map(|n| on_lines(&format!("i{n}"), Severity::Important, 1, 1)).collect();
    findings.extend((0..2).map(|n| on_lines(&format!("c{n}"), Severity::Critical, 2, 2)));
    findings.extend((0..5).map(|n| on_lines(&format!("s{n}"), Severity::Suggestion, 3, 3)));
    let actions = planned(&toy, RUN, &findings, &[]);
    let Some(Action::OpenThreads { threads, .. }) = actions.get(1) else { panic!("{actions:?}") };
    let first: Vec<&str> = threads.iter().map(|thread| thread.rungs[0].body.split(' ').nth(1).unwrap()).take(4).collect();
    assert_eq!((threads.len(), first), (10, vec!["c0", "c1", "i0", "i1"]));
    done(&mut toy, RUN, &findings, &[]);
    assert_eq!(done(&mut toy, RUN, &findings, &[]), ["edit"], "the same round opens no more");
    let next = Run { head: '2', ..RUN };
    assert_eq!(done(&mut toy, next, &findings, &[]), ["edit", "open 5"]);
    assert_eq!(toy.finding_threads(), 15);
}

#[test]
fn what_was_checked_to_be_fixed_is_resolved_and_opened_again_when_it_is_back() {
    let mut toy = Toy::new();
    let findings = [on_lines("a", Severity::Critical, 2, 4)];
    done(&mut toy, RUN, &findings, &[]);
    // Gone, but nobody checked it: it stays open.
    assert_eq!(done(&mut toy, Run { head: '2', ..RUN }, &[], &[]), ["edit"]);
    let fixing = Run { head: '3', ..RUN };
    assert_eq!(done(&mut toy, fixing, &[], &[1]), ["edit", "resolve t2"]);
    assert_eq!(done(&mut toy, fixing, &[], &[]), Vec::<String>::new());
    let back = Run { head: '4', ..RUN };
    assert_eq!(done(&mut toy, back, &findings, &[]), ["edit", "reply t2 true"]);
    assert_eq!(done(&mut toy, back, &findings, &[]), Vec::<String>::new());
    assert_eq!(toy.finding_threads(), 1);
}

#[test]
fn a_thread_that_a_person_resolved_is_left_alone() {
    let mut toy = Toy::new();
    let findings = [on_lines("a", Severity::Critical, 2, 4)];
    done(&mut toy, RUN, &findings, &[]);
    toy.set_resolved("t2", Some(5));
    assert_eq!(done(&mut toy, Run { head: '2', ..RUN }, &findings, &[]), ["edit"]);
}

#[test]
fn votes_are_off_unless_switched_on() {
    assert_eq!(done(&mut Toy::new(), RUN, &[], &[]), ["post"]);
    assert_eq!(done(&mut Toy::new(), VOTING, &[], &[]), ["post", "approve"]);
    assert_eq!(done(&mut Toy::new(), VOTING, &[on_file("a", Severity::Critical)], &[]), ["post", "open 1", "request"]);
    let three = ["a", "b", "c"].map(|print| on_file(print, Severity::Important));
    assert_eq!(done(&mut Toy::new(), VOTING, &three, &[]), ["post", "open 3"]);
}

#[test]
fn nothing_incomplete_overridden_or_unreviewed_is_approved() {
    for reliance in [
        Reliance { complete: false, ..RUN.reliance },
        Reliance { reviewed: false, ..RUN.reliance },
        Reliance { overridden: true, ..RUN.reliance },
    ] {
        let run = Run { reliance, ..VOTING };
        assert_eq!(done(&mut Toy::new(), run, &[], &[]), ["post"], "{reliance:?}");
        let mut toy = Toy::new();
        toy.bot.approved = true;
        assert_eq!(done(&mut toy, run, &[], &[])[0], "withdraw", "{reliance:?}");
    }
}

#[test]
fn an_approval_of_another_head_is_withdrawn_before_anything_else() {
    let mut toy = Toy::new();
    toy.bot.drafts = 1;
    done(&mut toy, VOTING, &[], &[]);
    assert_eq!(done(&mut toy, VOTING, &[], &[]), Vec::<String>::new());
    toy.bot.drafts = 1;
    let next = Run { head: '2', ..VOTING };
    assert_eq!(done(&mut toy, next, &[], &[]), ["withdraw", "discard", "edit", "approve"]);
    // Switched off: an approval of an older head goes all the same.
    let off = Run { head: '3', ..RUN };
    assert_eq!(done(&mut toy, off, &[], &[]), ["withdraw", "edit"]);
}

#[test]
fn a_request_for_changes_goes_when_it_is_met_and_not_when_nobody_looked() {
    let mut toy = Toy::new();
    let critical = [on_file("a", Severity::Critical)];
    done(&mut toy, VOTING, &critical, &[]);
    let blind = Run { head: '2', reliance: Reliance { complete: false, ..RUN.reliance }, ..VOTING };
    assert_eq!(done(&mut toy.clone(), blind, &[], &[1]), ["edit", "resolve t2"]);
    let seeing = Run { head: '2', ..VOTING };
    assert_eq!(done(&mut toy.clone(), seeing, &[], &[1]), ["clear", "edit", "resolve t2", "approve"]);
    let lifted = Run { reliance: Reliance { overridden: true, ..RUN.reliance }, ..VOTING };
    assert_eq!(done(&mut toy, lifted, &critical, &[])[0], "clear");
}

#[test]
fn a_request_for_changes_is_made_again_when_a_batch_has_hidden_it() {
    let mut toy = Toy::new();
    let more = [on_file("a", Severity::Critical), on_file("b", Severity::Critical)];
    done(&mut toy, VOTING, &more[..1], &[]);
    let next = Run { head: '2', ..VOTING };
    let blind = Run { reliance: Reliance { complete: false, ..RUN.reliance }, ..next };
    assert_eq!(done(&mut toy.clone(), blind, &more, &[]), ["edit", "open 1", "request"]);
    assert_eq!(done(&mut toy, next, &more, &[]), ["edit", "open 1", "request"]);
    assert_eq!(done(&mut toy, next, &more, &[]), ["edit"]);
}

#[test]
fn a_summary_of_a_former_bot_is_followed_by_one_of_our_own() {
    let mut toy = Toy::new();
    let findings = [on_lines("a", Severity::Critical, 2, 4)];
    done(&mut toy, RUN, &findings, &[]);
    let rotated = Run { bots: || Bots { current: 777, former: [bots().current].into() }, ..RUN };
    let actions = planned(&toy, rotated, &findings, &[]);
    assert_eq!(told(&actions), ["post"]);
}

#[test]
fn what_lies_outside_the_change_stands_in_the_summary_alone() {
    let related = crate::review::Related { path: "src/far.rs".into(), line: 3, quote: "x".to_owned() };
    let outside = Finding { place: Place::Outside(related), ..finding("a", Severity::Critical) };
    let unknown = Finding { place: Place::File { path: "src/far.rs".into(), why: NoLine::WholeFile }, ..finding("b", Severity::Critical) };
    assert_eq!(done(&mut Toy::new(), RUN, &[outside, unknown], &[]), ["post"]);
}

fn any_findings() -> impl Strategy<Value = Vec<Finding>> {
    let severity = prop::sample::select(Severity::WORST_FIRST.to_vec());
    let one = (0_u8..15, severity, 0_usize..13, 0_usize..4).prop_map(|(print, severity, first, length)| {
        let print = format!("p{print}");
        if length == 3 { on_file(&print, severity) } else { on_lines(&print, severity, first, (first + length).min(12)) }
    });
    // The ordinal in a fingerprint keeps two findings of one round apart.
    prop::collection::vec(one, 0..25).prop_map(|findings| {
        let mut prints = BTreeSet::new();
        findings.into_iter().filter(|finding| prints.insert(finding.fingerprint.clone())).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn planning_again_after_the_actions_were_done_posts_nothing(
        rounds in prop::collection::vec((any_findings(), any::<bool>(), 0_usize..3, prop::collection::vec(1_u32..30, 0..6)), 1..4),
        voting in any::<bool>(),
        batch in prop::sample::select(vec![Batch::Threads, Batch::ThreadsAndSummary]),
    ) {
        let mut toy = Toy::new();
        for ((findings, complete, refuses, fixed), head) in rounds.iter().zip('1'..) {
            let reliance = Reliance { complete: *complete, ..RUN.reliance };
            let run = Run { head, reliance, policy: Policy { vote: voting, ..RUN.policy }, batch, ..RUN };
            toy.refuses = *refuses;
            done(&mut toy, run, findings, fixed);
            // A thread whose last rung was refused too is tried again: it is nowhere else.
            let lost = |findings: &[Finding]| *refuses > 0 && findings.iter().any(|finding| finding.severity >= Severity::Important);
            let again = done(&mut toy, run, findings, fixed);
            if !lost(findings) {
                prop_assert!(again.is_empty() || again == ["edit"], "{:?}", again);
                prop_assert!(done(&mut toy, run, findings, fixed).is_empty());
            }
        }
    }

    #[test]
    fn a_run_that_is_killed_anywhere_and_repeated_posts_nothing_twice(findings in any_findings(), kills in prop::collection::vec(0_usize..5, 0..5)) {
        let mut toy = Toy::new();
        for kill in kills {
            planned(&toy, VOTING, &findings, &[]).iter().take(kill).for_each(|action| toy.apply(action));
        }
        for _ in 0..2 {
            done(&mut toy, VOTING, &findings, &[]);
        }
        prop_assert!(done(&mut toy, VOTING, &findings, &[]).is_empty());
        let mut titles: Vec<&str> = toy.threads.iter().map(|thread| thread.notes[0].body.rsplit('\n').next().unwrap()).collect();
        let all = titles.len();
        titles.sort_unstable();
        titles.dedup();
        prop_assert_eq!(titles.len(), all);
        prop_assert!(toy.finding_threads() <= 10);
        prop_assert_eq!(toy.threads.iter().filter(|thread| thread.individual).count(), 1);
        let wanted = findings.iter().filter(|finding| finding.severity >= Severity::Important).count();
        prop_assert_eq!(toy.finding_threads(), wanted.min(10));
    }
}
