//! Sends again what may succeed the second time and cannot do harm. It must not know of notes: whether something that failed was stored all
//! the same is for `apply` to find out.

use std::time::Duration;

use tokio::time::sleep;

use super::GitlabErrorKind;
use super::fault::Fault;

/// How often and after which pauses a request is repeated. Pauses double and carry no jitter, so that a run can be repeated exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The most requests for one answer, at least 1.
    pub attempts: u32,
    /// The first pause.
    pub base: Duration,
    /// The longest pause that is chosen here.
    pub cap: Duration,
    /// The pause after a limit that names none. GitLab's limits on notes count by the minute and send no header.
    pub limited: Duration,
    /// The longest pause that GitLab may ask for. If it asks for more, the request fails at once.
    pub longest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 4,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(15),
            limited: Duration::from_mins(1),
            longest: Duration::from_mins(2),
        }
    }
}

impl Retry {
    /// Returns the pause before the next attempt after so many failures (at least one); none if there is to be no other.
    ///
    /// The kinds say what is safe: an answer of 5xx or a broken connection is `Unavailable` only if the request may be repeated, and a
    /// rate limit or a failed connection means that nothing was done, whatever the method.
    pub(super) fn pause(self, kind: &GitlabErrorKind, failures: u32) -> Option<Duration> {
        if failures >= self.attempts {
            return None;
        }
        let doubled = self.base.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1))).min(self.cap);
        match kind {
            GitlabErrorKind::Unavailable => Some(doubled),
            GitlabErrorKind::RateLimited { after: None } => Some(self.limited),
            GitlabErrorKind::RateLimited { after: Some(after) } => (*after <= self.longest).then(|| doubled.max(*after)),
            GitlabErrorKind::PositionRefused
            | GitlabErrorKind::Refused
            | GitlabErrorKind::Unauthorized
            | GitlabErrorKind::Forbidden
            | GitlabErrorKind::NoReviewer
            | GitlabErrorKind::NotFound
            | GitlabErrorKind::Conflict
            | GitlabErrorKind::Superseded
            | GitlabErrorKind::NotGitlab
            | GitlabErrorKind::Untrusted
            | GitlabErrorKind::TooOld { .. }
            | GitlabErrorKind::TooLarge
            | GitlabErrorKind::NoDiff
            | GitlabErrorKind::UnknownOutcome
            | GitlabErrorKind::CommandsRun
            | GitlabErrorKind::Unexpected => None,
        }
    }
}

/// Calls `attempt` until it answers or there is no use in another one.
pub(super) async fn run<T, F, A>(retry: Retry, mut attempt: F) -> Result<T, Fault>
where
    F: FnMut() -> A,
    A: Future<Output = Result<T, Fault>>,
{
    let mut failures = 0;
    loop {
        let fault = match attempt().await {
            Ok(answer) => return Ok(answer),
            Err(fault) => fault,
        };
        failures += 1;
        let Some(pause) = retry.pause(&fault.kind, failures) else { return Err(fault) };
        tracing::debug!(failures, pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX), "sent again: {fault}");
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::time::Instant;

    use super::*;
    use crate::gitlab::GitlabErrorKind as Kind;

    const RETRY: Retry = Retry {
        attempts: 4,
        base: Duration::from_secs(1),
        cap: Duration::from_secs(3),
        limited: Duration::from_mins(1),
        longest: Duration::from_mins(2),
    };

    /// Plays the failures in order, then an answer; returns whether it was reached, after how many seconds, in how many attempts.
    async fn play(failures: Vec<Kind>) -> (bool, u64, usize) {
        let mut failures = VecDeque::from(failures);
        let mut attempts = 0;
        let begun = Instant::now();
        let outcome = run(RETRY, || {
            attempts += 1;
            let next = failures.pop_front();
            async move { next.map_or(Ok(()), |kind| Err(Fault::new(kind, "why"))) }
        })
        .await;
        (outcome.is_ok(), begun.elapsed().as_secs(), attempts)
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_cap_and_the_last_attempt_is_the_last() {
        assert_eq!(play(vec![Kind::Unavailable; 3]).await, (true, 1 + 2 + 3, 4));
        assert_eq!(play(vec![Kind::Unavailable; 4]).await, (false, 1 + 2 + 3, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_limit_is_waited_for_as_gitlab_says_and_a_minute_when_it_says_nothing() {
        let after = |seconds| Kind::RateLimited { after: Some(Duration::from_secs(seconds)) };
        assert_eq!(play(vec![after(30)]).await, (true, 30, 2));
        assert_eq!(play(vec![after(0)]).await, (true, 1, 2), "a limit without a pause must not spin");
        assert_eq!(play(vec![Kind::RateLimited { after: None }]).await, (true, 60, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_is_too_long_is_not_begun() {
        assert_eq!(play(vec![Kind::RateLimited { after: Some(Duration::from_hours(1)) }]).await, (false, 0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_succeed_or_may_have_been_done_is_not_repeated() {
        for kind in [Kind::PositionRefused, Kind::Unauthorized, Kind::Forbidden, Kind::NotFound, Kind::Conflict, Kind::UnknownOutcome] {
            assert_eq!(play(vec![kind.clone()]).await, (false, 0, 1), "{kind:?}");
        }
    }

    #[test]
    fn a_pause_never_overflows() {
        let retry = Retry { attempts: u32::MAX, base: Duration::MAX, cap: Duration::from_secs(9), ..RETRY };
        assert_eq!(retry.pause(&Kind::Unavailable, u32::MAX - 1), Some(Duration::from_secs(9)));
    }
}
