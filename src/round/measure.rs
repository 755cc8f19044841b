//! How the rounds of a merge request went, in numbers. It must not judge them.

use super::state::{State, Status};

/// How the rounds of a merge request went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Rounds so far.
    pub rounds: u32,
    /// The round after which no finding was open; none while one is.
    pub clean_after: Option<u32>,
    /// Findings that were raised, forgotten ones included.
    pub raised: u32,
    /// Those that are open.
    pub open: u32,
    /// Those that were checked to be fixed.
    pub fixed: u32,
    /// Those that a person decided to leave.
    pub dismissed: u32,
    /// Closed ones that are no longer remembered: fixed, or dismissed.
    pub forgotten: u32,
    /// How often a closed finding was raised again.
    pub raised_again: u32,
    /// Findings in code that an earlier round had read without seeing them.
    pub late: u32,
}

impl Measures {
    /// Returns the share of the remembered findings that were fixed, in per cent; none without findings.
    pub fn fixed_percent(&self) -> Option<u32> {
        (self.fixed * 100).checked_div(self.open + self.fixed + self.dismissed)
    }
}

/// Measures the rounds that a state remembers.
pub fn measure(state: &State) -> Measures {
    let mut measures = Measures {
        rounds: state.last().map_or(0, |last| last.number),
        forgotten: state.trimmed,
        raised: state.trimmed.saturating_add(u32::try_from(state.findings.len()).unwrap_or(u32::MAX)),
        ..Measures::default()
    };
    let mut last = 1;
    for known in &state.findings {
        match &known.status {
            Status::Open | Status::ClaimedFixed { .. } => measures.open += 1,
            Status::Fixed { round, .. } => {
                measures.fixed += 1;
                last = last.max(*round);
            }
            Status::Dismissed { .. } => {
                measures.dismissed += 1;
                last = last.max(known.last);
            }
        }
        measures.raised_again = measures.raised_again.saturating_add(known.trail.returns);
        measures.late += u32::from(known.trail.late);
    }
    measures.clean_after = (measures.open == 0 && measures.rounds > 0).then_some(last);
    measures
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::{commit, known, round, sample};
    use super::*;

    #[test]
    fn rounds_are_measured_from_the_state_alone() {
        let mut state = sample();
        state.trimmed = 2;
        state.findings[0].trail.returns = 3;
        state.findings[3].trail.late = true;
        let expected =
            Measures { rounds: 2, clean_after: None, raised: 6, open: 2, fixed: 1, dismissed: 1, forgotten: 2, raised_again: 3, late: 1 };
        assert_eq!((measure(&state), expected.fixed_percent()), (expected, Some(25)));
        assert_eq!((measure(&State::new()), Measures::default().fixed_percent()), (Measures::default(), None));
    }

    #[test]
    fn the_rounds_to_clean_end_with_the_last_one_that_closed_something() {
        let fixed = |id, at| known(id, Status::Fixed { round: at, commit: commit('2') });
        let state = State { rounds: vec![round(5, '5')], findings: vec![fixed(1, 2), fixed(2, 4)], ..State::new() };
        assert_eq!((measure(&state).clean_after, measure(&state).fixed_percent()), (Some(4), Some(100)));
        let quiet = State { rounds: vec![round(5, '5')], ..State::new() };
        assert_eq!(measure(&quiet).clean_after, Some(1));
    }
}
