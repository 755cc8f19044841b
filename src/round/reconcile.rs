//! This round's findings held against the earlier rounds: what is new, still there, back, dismissed, or gone. It must not decide that what
//! is gone is fixed: that takes a look at the code.

use std::collections::BTreeSet;

use super::state::{FindingId, Known, State, Status};
use crate::change::CommitId;
use crate::review::{Finding, Verdict};

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
    /// A person decided that it stays: it is not raised.
    Dismissed,
}

/// Holds this round's findings against the state. Findings must carry their fingerprints, worst first: names are given in their order.
pub fn reconcile(state: &State, findings: &[Finding], round: u32) -> Reconciled {
    let mut known = state.findings.clone();
    let mut next_id = state.next_id;
    let mut taken = BTreeSet::new();
    let mut seen = Vec::with_capacity(findings.len());
    for finding in findings {
        let matched = same_fingerprint(&known, finding, &taken);
        let Some(earlier) = matched.and_then(|id| known.iter_mut().find(|known| known.id == id)) else {
            let id = FindingId::new(next_id);
            next_id = next_id.saturating_add(1);
            taken.insert(id);
            known.push(Known::of(id, finding, round));
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
                Sight::Back
            }
            Status::Dismissed { .. } => Sight::Dismissed,
        };
        earlier.seen(finding, round);
        seen.push(Seen { id: earlier.id, sight });
    }
    let gone = known.iter().filter(|known| known.status.is_open() && !taken.contains(&known.id)).map(|known| known.id).collect();
    known.sort_by_key(|known| known.id);
    Reconciled { known, seen, gone, next_id }
}

/// Returns the earlier finding with this fingerprint that no other finding of the round has taken: an open one, then one that a person
/// dismissed, then one that was fixed; of several the oldest.
fn same_fingerprint(known: &[Known], finding: &Finding, taken: &BTreeSet<FindingId>) -> Option<FindingId> {
    let candidates = known.iter().filter(|known| known.fingerprint == finding.fingerprint && !taken.contains(&known.id));
    let rank = |known: &Known| match &known.status {
        Status::Open | Status::ClaimedFixed { .. } => 0,
        Status::Dismissed { .. } => 1,
        Status::Fixed { .. } => 2,
    };
    candidates.min_by_key(|known| (rank(known), known.id)).map(|known| known.id)
}

impl Reconciled {
    /// Returns the finding of that name.
    pub fn finding(&self, id: FindingId) -> Option<&Known> {
        self.known.iter().find(|known| known.id == id)
    }

    /// Records that findings which are gone were checked to be fixed at this head. Names that are not gone are left alone.
    pub fn fix(&mut self, fixed: &BTreeSet<FindingId>, round: u32, head: &CommitId) {
        for known in self.known.iter_mut().filter(|known| fixed.contains(&known.id) && self.gone.contains(&known.id)) {
            known.status = Status::Fixed { round, commit: head.clone() };
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
    use crate::codex::{ReviewerName, Severity};
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
