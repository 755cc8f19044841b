//! This round's findings held against the earlier rounds: what is new, still there, back, dismissed, or gone. It must not decide that what
//! is gone is fixed: that takes a look at the code.

use std::collections::{BTreeMap, BTreeSet};

use super::matching::{self, Ground};
use super::plan::Answer;
use super::state::{FindingId, Known, KnownPlace, State, Status, Unsettled, line_digest};
use crate::change::{CodeAt, CommitId, Fate, Interdiff, Line, LineKind, RepoPath, Side, Spot, carried};
use crate::review::{Finding, Place, Severity, Verdict, likeness};

/// Findings below critical that were missed earlier, in one round; more are recorded and not shown.
const MAX_LATE: usize = 5;
/// Share of common words from which two titles say the same wherever they stand.
const ALIKE_ANYWHERE: f64 = 0.8;

/// The findings of a round with their lasting names.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconciled {
    /// Every finding that is remembered, those of this round included, sorted by name.
    pub known: Vec<Known>,
    /// This round's findings, in their order.
    pub seen: Vec<Seen>,
    /// Findings that were open and that this round did not see: candidates for fixed.
    pub gone: Vec<FindingId>,
    /// The number of the next finding.
    pub next_id: u32,
    /// What became of the code of each finding that was remembered; empty where nothing is known of it.
    pub code: BTreeMap<FindingId, CodeAt>,
    /// What the bot has to do in threads beside opening them and resolving those of fixed findings.
    pub dues: Vec<Due>,
}

/// A finding of this round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its lasting name.
    pub id: FindingId,
    /// What it is to the earlier rounds.
    pub sight: Sight,
}

/// What a finding of this round is to the earlier rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Never seen before.
    New,
    /// It was open, and is still there.
    Still,
    /// It was fixed, and is there again.
    Back,
    /// A person had decided that it stays, and it got worse since.
    Worse,
    /// A person decided that it stays: it is not raised.
    Dismissed,
}

/// What the bot still has to do in the thread of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The finding.
    pub id: FindingId,
    /// What is answered, if anything.
    pub answer: Option<Answer>,
    /// What the coordinator says to the person, or nothing. A model's words.
    pub text: String,
    /// What becomes of the thread.
    pub then: Then,
}

/// What becomes of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It stays as it is.
    Leave,
    /// It is opened again.
    Reopen,
    /// It is resolved.
    Resolve,
}

/// Holds this round's findings against the state by their fingerprints alone. Findings must carry them, worst first: names are given in their order.
pub fn reconcile(state: &State, findings: &[Finding], round: u32) -> Reconciled {
    held(state, findings, round, None)
}

/// Holds this round's findings against the state, with what is known of where code went. Findings must carry their fingerprints, worst first.
///
/// Positions of findings that were not seen again follow their code.
pub fn reconcile_over(state: &State, findings: &[Finding], round: u32, ground: &Ground<'_>) -> Reconciled {
    held(state, findings, round, Some(ground))
}

fn held(state: &State, findings: &[Finding], round: u32, ground: Option<&Ground<'_>>) -> Reconciled {
    let mut known = state.findings.clone();
    let code: BTreeMap<FindingId, CodeAt> =
        ground.map_or_else(BTreeMap::new, |ground| known.iter().map(|known| (known.id, code_at(known, ground.interdiff))).collect());
    let changed = |id: FindingId| ground.is_some_and(|ground| is_changed(code.get(&id).copied(), ground.interdiff));
    let matched = matching::matches(&known, findings, ground);
    let mut next_id = state.next_id;
    let mut taken = BTreeSet::new();
    let mut seen = Vec::with_capacity(findings.len());
    let mut dues = Vec::new();
    for (finding, matched) in findings.iter().zip(matched) {
        let Some(earlier) = matched.and_then(|id| known.iter_mut().find(|known| known.id == id)) else {
            let id = FindingId::new(next_id);
            next_id = next_id.saturating_add(1);
            taken.insert(id);
            let mut fresh = Known::of(id, finding, round);
            fresh.trail.late = ground.is_some_and(|ground| missed(finding, ground));
            fresh.trail.earlier = dismissed_kind(&state.findings, finding);
            known.push(fresh);
            seen.push(Seen { id, sight: Sight::New });
            continue;
        };
        taken.insert(earlier.id);
        let sight = match &earlier.status {
            // A run of this round that died before it was done had raised it.
            Status::Open if earlier.first == round => Sight::New,
            Status::Open | Status::ClaimedFixed { .. } => Sight::Still,
            Status::Fixed { .. } => {
                earlier.status = Status::Open;
                earlier.trail.returns = earlier.trail.returns.saturating_add(1);
                Sight::Back
            }
            Status::Dismissed { .. } if changed(earlier.id) && finding.severity > earlier.severity => {
                earlier.status = Status::Open;
                earlier.trail.returns = earlier.trail.returns.saturating_add(1);
                earlier.trail.unsettled = Some(Unsettled::Owed);
                dues.push(Due { id: earlier.id, answer: Some(Answer::Worse), text: String::new(), then: Then::Reopen });
                Sight::Worse
            }
            Status::Dismissed { .. } => Sight::Dismissed,
        };
        match sight {
            Sight::New | Sight::Still | Sight::Back | Sight::Worse => earlier.seen(finding, round),
            Sight::Dismissed => earlier.relocated(finding, round),
        }
        seen.push(Seen { id: earlier.id, sight });
    }
    if let Some(ground) = ground {
        for known in known.iter_mut().filter(|known| !taken.contains(&known.id)) {
            follow(known, ground);
        }
    }
    let gone = known.iter().filter(|known| known.status.is_open() && !taken.contains(&known.id)).map(|known| known.id).collect();
    known.sort_by_key(|known| known.id);
    Reconciled { known, seen, gone, next_id, code, dues }
}

/// What became of the code of a remembered finding.
fn code_at(known: &Known, interdiff: &Interdiff) -> CodeAt {
    let place = &known.place;
    match known.lines() {
        Some((first, last)) => interdiff.code_at(&place.path, place.side, first, last),
        None => match interdiff.file_unchanged(&place.path) {
            Some(true) => CodeAt::Same,
            Some(false) => CodeAt::Changed,
            None => CodeAt::Unseen,
        },
    }
}

/// Returns whether the code of a finding is to be taken for changed. Of code that the diff does not show nobody knows, unless nothing changed at all.
pub(super) fn is_changed(code: Option<CodeAt>, interdiff: &Interdiff) -> bool {
    match code {
        Some(CodeAt::Same) => false,
        Some(CodeAt::Near | CodeAt::Changed) => true,
        Some(CodeAt::Unseen) | None => !interdiff.is_empty(),
    }
}

/// Moves a finding that was not seen again along with its code.
fn follow(known: &mut Known, ground: &Ground<'_>) {
    let place = &known.place;
    let Some((first, last)) = known.lines().filter(|_| !matches!(known.status, Status::Fixed { .. })) else {
        if let Some(path) = ground.interdiff.path_of(&known.place.path) {
            known.place.path = path.clone();
        }
        return;
    };
    if !ground.interdiff.known() {
        if let Some(there) = reads_as_before(known, first, ground) {
            known.place.line = Some(there.saturating_add(known.trail.above));
        }
        return;
    }
    let spot = |line| Spot { path: place.path.clone(), side: place.side, line };
    let went = |line| match ground.interdiff.fate(&spot(line)) {
        Fate::Kept(there) | Fate::Moved(there) => Some(there),
        Fate::Gone | Fate::Unseen => None,
    };
    if let Some(there) = went(last) {
        // What is not one run of lines any more is remembered by its last one.
        let run = went(first).filter(|from| from.path == there.path && from.side == there.side && from.line <= there.line);
        known.trail.above = run.map_or(0, |from| there.line - from.line);
        known.place = KnownPlace { path: there.path, line: Some(there.line), side: there.side };
        return;
    }
    if let Some((path, line)) = unshown(place, last, ground) {
        let run = unshown(place, first, ground).filter(|(from, _)| *from == path);
        known.trail.above = run.map_or(0, |(_, from)| line.saturating_sub(from));
        known.place = KnownPlace { path, line: Some(line), side: Side::New };
        return;
    }
    // Edited or gone: it stands where its neighbours say.
    let Some(landing) = ground.interdiff.landing(&place.path, place.side, first, last) else { return };
    let lines: Vec<&Line> = ground.new.file(&landing.path).map_or_else(Vec::new, |file| file.lines().collect());
    let kept = lines.get(landing.first..landing.end).unwrap_or_default();
    let new_side = |line: &&&Line| line.kind != LineKind::Removed;
    let nearest = kept.iter().rev().find(new_side).or_else(|| lines[..landing.first.min(lines.len())].iter().rev().find(new_side));
    let line = nearest.or_else(|| lines.iter().find(new_side)).map(|line| line.new);
    known.place = KnownPlace { path: landing.path, line, side: Side::New };
    known.trail.above = 0;
}

/// Where a line of the head is that the change shows no more, because what had been beside it was taken back.
fn unshown(place: &KnownPlace, line: u32, ground: &Ground<'_>) -> Option<(RepoPath, u32)> {
    let old = ground.old.filter(|_| ground.same_base && place.side == Side::New)?;
    carried(old, ground.new, &place.path, line)
}

/// The line of the change nearest to `first` that reads like a finding's first line: where its code went when the earlier head is in the repository
/// no more.
pub(super) fn reads_as_before(known: &Known, first: u32, ground: &Ground<'_>) -> Option<u32> {
    let text = known.trail.text.as_ref()?;
    let number = |line: &Line| match known.place.side {
        Side::Old => line.old_line(),
        Side::New => line.new_line(),
    };
    let file = ground.new.file(&known.place.path)?;
    file.lines().filter(|line| line_digest(&line.text) == *text).filter_map(number).min_by_key(|there| there.abs_diff(first))
}

/// Whether a finding stands in code that was read before and did not change since.
fn missed(finding: &Finding, ground: &Ground<'_>) -> bool {
    let old = ground.read_before && ground.interdiff.known();
    old && match &finding.place {
        Place::Lines(span) => {
            let spot = |anchor: crate::change::Anchor| Spot { path: span.path().clone(), side: anchor.side(), line: anchor.line() };
            ground.interdiff.untouched(&spot(span.first()), &spot(span.last()))
        }
        Place::File { path, .. } => !ground.interdiff.changed_files().any(|changed| changed == path),
        Place::Outside(_) => ground.interdiff.is_empty(),
    }
}

/// The oldest finding of the same kind that a person dismissed at another place.
fn dismissed_kind(known: &[Known], finding: &Finding) -> Option<FindingId> {
    let alike = |known: &&Known| match (known.rule_ids.iter().min(), finding.rule_ids.iter().min()) {
        (Some(one), Some(other)) => one == other,
        (None, None) => likeness(&known.title, &finding.title) >= ALIKE_ANYWHERE,
        (Some(_), None) | (None, Some(_)) => false,
    };
    known.iter().filter(|known| matches!(known.status, Status::Dismissed { .. })).find(alike).map(|known| known.id)
}

/// Takes the findings that were missed earlier and are too many out of a round: rounds must converge. Criticals are never too many.
///
/// Returns those taken out, for the record.
pub fn converge(findings: &mut Vec<Finding>, reconciled: &mut Reconciled) -> Vec<Finding> {
    let mut late = 0;
    let beyond: Vec<bool> = findings
        .iter()
        .zip(&reconciled.seen)
        .map(|(finding, seen)| {
            let counts = seen.sight == Sight::New
                && finding.severity < Severity::Critical
                && reconciled.finding(seen.id).is_some_and(|known| known.trail.late && known.thread.is_none());
            late += usize::from(counts);
            counts && late > MAX_LATE
        })
        .collect();
    taken_out(findings, reconciled, &beyond)
}

/// Takes the findings out that no earlier round knew: where the code is as it was, and only what people wrote is looked at, nothing is raised.
///
/// Returns those taken out, for the record.
pub fn raise_nothing(state: &State, findings: &mut Vec<Finding>, reconciled: &mut Reconciled) -> Vec<Finding> {
    let raised: Vec<bool> = reconciled.seen.iter().map(|seen| state.finding(seen.id).is_none()).collect();
    taken_out(findings, reconciled, &raised)
}

fn taken_out(findings: &mut Vec<Finding>, reconciled: &mut Reconciled, beyond: &[bool]) -> Vec<Finding> {
    let out: BTreeSet<FindingId> = reconciled.seen.iter().zip(beyond).filter(|(_, beyond)| **beyond).map(|(seen, _)| seen.id).collect();
    reconciled.known.retain(|known| !out.contains(&known.id));
    reconciled.seen.retain(|seen| !out.contains(&seen.id));
    let (mut kept, mut taken) = (Vec::new(), Vec::new());
    for (finding, beyond) in findings.drain(..).zip(beyond) {
        if *beyond { taken.push(finding) } else { kept.push(finding) }
    }
    *findings = kept;
    taken
}

impl Reconciled {
    /// Returns the finding of that name.
    pub fn finding(&self, id: FindingId) -> Option<&Known> {
        self.known.iter().find(|known| known.id == id)
    }

    /// Records that findings which are gone were checked to be fixed at this head: their threads are to be resolved. Names that are not gone are left
    /// alone.
    pub fn fix(&mut self, fixed: &BTreeSet<FindingId>, round: u32, head: &CommitId) {
        for known in self.known.iter_mut().filter(|known| fixed.contains(&known.id) && self.gone.contains(&known.id)) {
            known.status = Status::Fixed { round, commit: head.clone() };
            known.trail.unsettled = None;
            self.dues.push(Due { id: known.id, answer: None, text: String::new(), then: Then::Resolve });
        }
        self.gone.retain(|id| !fixed.contains(id));
    }

    /// Returns the findings that count in the verdict, those carried over included.
    pub fn open(&self) -> impl Iterator<Item = &Known> {
        self.known.iter().filter(|known| known.status.is_open())
    }

    /// Returns the verdict over the open findings.
    pub fn verdict(&self) -> Verdict {
        Verdict::over(self.open().map(|known| known.severity))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::state::tests::{commit, known, sample};
    use super::*;
    use crate::change::interdiff;
    use crate::change::testing::{Tree, between, tree};
    use crate::codex::{ReviewerName, RuleId, Severity};
    use crate::review::{Confidence, NoLine, Place, Source, Standing, Suggestion};

    pub(in crate::round) fn finding(fingerprint: &str, severity: Severity) -> Finding {
        let reviewer = ReviewerName::parse("quality").unwrap();
        Finding {
            title: format!("problem {fingerprint}"),
            severity,
            category: reviewer.clone(),
            body: "It breaks.".to_owned(),
            rule_ids: Vec::new(),
            place: Place::File { path: "src/lib.rs".into(), why: NoLine::WholeFile },
            related: Vec::new(),
            suggestion: Suggestion::None,
            confidence: Confidence::from_share(0.9),
            sources: vec![Source::Reviewer(reviewer)],
            standing: Standing::Checked,
            prior_id: None,
            fingerprint: fingerprint.to_owned(),
        }
    }

    fn sights(reconciled: &Reconciled) -> Vec<(String, Sight)> {
        reconciled.seen.iter().map(|seen| (seen.id.to_string(), seen.sight)).collect()
    }

    fn print(number: u32) -> String {
        known(number, Status::Open).fingerprint
    }

    #[test]
    fn findings_are_new_still_there_back_dismissed_or_gone() {
        let findings = ["unheard", &print(1), &print(2), &print(3)].map(|print| finding(print, Severity::Important));
        let reconciled = reconcile(&sample(), &findings, 3);
        let expected = [("F-5", Sight::New), ("F-1", Sight::Still), ("F-2", Sight::Back), ("F-3", Sight::Dismissed)];
        assert_eq!(sights(&reconciled), expected.map(|(id, sight)| (id.to_owned(), sight)));
        assert_eq!(reconciled.gone, [FindingId::new(4)]);
        assert_eq!(reconciled.next_id, 6);
        assert_eq!(reconciled.finding(FindingId::new(2)).unwrap().status, Status::Open);
        assert!(matches!(reconciled.finding(FindingId::new(3)).unwrap().status, Status::Dismissed { .. }));
        let still = reconciled.finding(FindingId::new(1)).unwrap();
        assert_eq!((still.first, still.last, still.title.as_str()), (1, 3, "problem 0000000000000001"));
    }

    #[test]
    fn a_finding_stays_as_bad_as_a_reviewer_found_it_where_only_detectors_look_again() {
        let (rule, quality) =
            (Source::Detector(RuleId::parse("SEC-0012").unwrap()), Source::Reviewer(ReviewerName::parse("quality").unwrap()));
        let by = |severity, sources: &[Source]| Finding { sources: sources.to_vec(), ..finding("one", severity) };
        let both = by(Severity::Critical, &[rule.clone(), quality.clone()]);
        let state = |raised: Finding| {
            let reconciled = reconcile(&State::new(), &[raised], 1);
            State::new().after(super::super::state::tests::round(1, '1'), reconciled.known, reconciled.next_id)
        };
        let severity = |state: &State, now: Finding| reconcile(state, &[now], 2).known[0].severity;
        let detected = by(Severity::Important, &[rule]);
        assert_eq!(severity(&state(both.clone()), detected.clone()), Severity::Critical);
        // A reviewer who looks again has the last word, and a detector alone always had it.
        assert_eq!(severity(&state(both.clone()), by(Severity::Suggestion, &[quality])), Severity::Suggestion);
        let alone = Finding { severity: Severity::Critical, ..detected.clone() };
        assert_eq!(severity(&state(alone), detected), Severity::Important);
    }

    #[test]
    fn a_run_that_looks_at_notes_alone_raises_nothing() {
        let mut findings = vec![finding("unheard", Severity::Critical), finding(&print(1), Severity::Important)];
        let mut reconciled = reconcile(&sample(), &findings, 3);
        let taken = raise_nothing(&sample(), &mut findings, &mut reconciled);
        assert_eq!((taken.len(), sights(&reconciled)), (1, vec![("F-1".to_owned(), Sight::Still)]));
        assert_eq!(
            reconciled.known.iter().map(|known| known.id).collect::<Vec<_>>(),
            sample().findings.iter().map(|known| known.id).collect::<Vec<_>>()
        );
        assert_eq!(findings, [finding(&print(1), Severity::Important)]);
    }

    #[test]
    fn what_is_gone_counts_until_it_was_checked_to_be_fixed() {
        let mut reconciled = reconcile(&sample(), &[], 3);
        assert_eq!(reconciled.gone, [FindingId::new(1), FindingId::new(4)]);
        assert_eq!(reconciled.open().count(), 2);
        reconciled.fix(&BTreeSet::from([FindingId::new(1), FindingId::new(3)]), 3, &commit('3'));
        assert_eq!(reconciled.gone, [FindingId::new(4)]);
        assert_eq!(reconciled.finding(FindingId::new(1)).unwrap().status, Status::Fixed { round: 3, commit: commit('3') });
        assert!(matches!(reconciled.finding(FindingId::new(3)).unwrap().status, Status::Dismissed { .. }));
    }

    #[test]
    fn a_line_beside_code_that_was_taken_back_is_not_looked_for_in_another_hunk() {
        let text = |first: &str, last: &str| tree(&[("src/lib.rs", &format!("{first} b c d e f g h i j k l m n {last} p q r"))]);
        let change = |head: &Tree| between(&text("a", "o"), head, &BTreeMap::new());
        let (old, new) = (change(&text("a1 a2", "o1 o2")), change(&text("a1 a2", "o")));
        let place = |same_base, line| {
            let interdiff = interdiff(Some(&old), &new);
            let looked = BTreeSet::new();
            let ground = Ground { interdiff: &interdiff, old: Some(&old), new: &new, read_before: true, same_base, looked: &looked };
            let mut open = known(1, Status::Open);
            open.place = KnownPlace { path: "src/lib.rs".into(), line: Some(line), side: Side::New };
            open.trail.above = 0;
            let state = State { findings: vec![open], next_id: 2, ..State::new() };
            reconcile_over(&state, &[], 2, &ground).known[0].place.line
        };
        // "q", beside the lines that were taken back.
        assert_eq!(place(true, 19), Some(18));
        // Over another base nobody can count.
        assert_eq!(place(false, 19), Some(5));
    }

    #[test]
    fn two_findings_never_share_one_match() {
        let twins = [finding(&print(1), Severity::Important), finding(&print(1), Severity::Important)];
        let reconciled = reconcile(&sample(), &twins, 3);
        assert_eq!(sights(&reconciled), [("F-1".to_owned(), Sight::Still), ("F-5".to_owned(), Sight::New)]);
        let again = reconcile(&sample().after(super::super::state::tests::round(3, '3'), reconciled.known, reconciled.next_id), &twins, 4);
        assert_eq!(sights(&again), [("F-1".to_owned(), Sight::Still), ("F-5".to_owned(), Sight::Still)]);
    }

    proptest! {
        #[test]
        fn every_finding_gets_a_name_of_its_own_and_none_is_reused(rounds in prop::collection::vec(prop::collection::vec(0_u8..12, 0..8), 1..8)) {
            let mut state = State::new();
            let mut highest = 0;
            for (number, prints) in (1..).zip(rounds) {
                let findings: Vec<Finding> = prints.iter().map(|print| finding(&print.to_string(), Severity::Suggestion)).collect();
                let mut reconciled = reconcile(&state, &findings, number);
                let ids: BTreeSet<FindingId> = reconciled.seen.iter().map(|seen| seen.id).collect();
                prop_assert_eq!(ids.len(), findings.len());
                for seen in &reconciled.seen {
                    if seen.sight == Sight::New {
                        prop_assert!(seen.id.number() > highest);
                        highest = seen.id.number();
                    }
                }
                // Nothing remembered is lost.
                prop_assert!(state.findings.iter().all(|known| reconciled.finding(known.id).is_some()));
                let half: BTreeSet<FindingId> = reconciled.gone.iter().copied().step_by(2).collect();
                reconciled.fix(&half, number, &commit('f'));
                state = state.after(super::super::state::tests::round(number, 'f'), reconciled.known, reconciled.next_id);
                // The oldest are forgotten; their names stay used.
                if number % 3 == 0 && !state.findings.is_empty() { state.findings.pop(); }
            }
        }
    }
}
