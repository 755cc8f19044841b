//! Sends again what may succeed the second time: backoff, `Retry-After`, one deadline over all of it. It must not choose another model:
//! a chain of models is a `Model` of its own around these.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::{ModelError, ModelErrorKind, Reply};

/// How often and after which pauses a call is repeated. Pauses double and carry no jitter, so that a run can be repeated exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The most requests for one answer, at least 1.
    pub attempts: u32,
    /// The first pause.
    pub base: Duration,
    /// The longest pause that is chosen here; a server may ask for a longer one.
    pub cap: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 5, base: Duration::from_secs(1), cap: Duration::from_secs(30) }
    }
}

/// A model that let the time run out once gets one more chance, not all of them.
const TIMEOUTS: u32 = 2;

impl Retry {
    /// Returns the pause after so many failures, at least one.
    fn pause(self, failures: u32) -> Duration {
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
        self.base.saturating_mul(doubled).min(self.cap)
    }
}

/// Calls `attempt` until it answers, fails for good, or `total` is over. The reply's `calls` counts every attempt. A pause that would outlast
/// `total` is not begun: the error returns at once, so that the caller can turn to another model.
pub(super) async fn run<F, A>(retry: Retry, total: Duration, who: &str, mut attempt: F) -> Result<Reply, ModelError>
where
    F: FnMut() -> A,
    A: Future<Output = Result<Reply, ModelError>>,
{
    let deadline = Instant::now() + total;
    let (mut failures, mut timeouts) = (0, 0);
    loop {
        let error = match timeout_at(deadline, attempt()).await {
            Ok(Ok(mut reply)) => {
                reply.usage.calls = u64::from(failures) + 1;
                return Ok(reply);
            }
            Ok(Err(error)) => error,
            Err(_) => {
                return Err(ModelError {
                    kind: ModelErrorKind::TimedOut,
                    status: None,
                    retry_after: None,
                    message: format!("{who}: no complete answer within {} s", total.as_secs()),
                });
            }
        };
        failures += 1;
        timeouts += u32::from(error.kind == ModelErrorKind::TimedOut);
        if !error.kind.worth_retrying() || failures >= retry.attempts || timeouts >= TIMEOUTS {
            return Err(error);
        }
        let pause = error.retry_after.unwrap_or_default().max(retry.pause(failures));
        if Instant::now() + pause >= deadline {
            return Err(error);
        }
        tracing::debug!(model = who, failures, pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX), "sent again: {error}");
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::model::Stop;
    use crate::review::Usage;

    const RETRY: Retry = Retry { attempts: 4, base: Duration::from_secs(1), cap: Duration::from_secs(3) };
    const TOTAL: Duration = Duration::from_mins(1);

    fn error(kind: ModelErrorKind) -> ModelError {
        ModelError { kind, status: None, retry_after: None, message: format!("{kind:?}") }
    }

    fn reply() -> Reply {
        Reply { text: "yes".into(), calls: vec![], stop: Stop::Done, usage: Usage { calls: 1, ..Usage::default() } }
    }

    /// Plays the outcomes in order and returns what came of it, after how many seconds, in how many attempts.
    async fn play(retry: Retry, total: Duration, outcomes: Vec<Result<Reply, ModelError>>) -> (Result<Reply, ModelError>, u64, usize) {
        let planned = outcomes.len();
        let mut outcomes = VecDeque::from(outcomes);
        let begun = Instant::now();
        let outcome = run(retry, total, "m", || {
            let next = outcomes.pop_front();
            async move { next.expect("not called more often than planned") }
        })
        .await;
        (outcome, begun.elapsed().as_secs(), planned - outcomes.len())
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_cap_and_calls_are_counted() {
        let busy = || Err(error(ModelErrorKind::Unavailable));
        let (outcome, seconds, attempts) = play(RETRY, TOTAL, vec![busy(), busy(), busy(), Ok(reply())]).await;
        assert_eq!(outcome.unwrap().usage.calls, 4);
        assert_eq!((seconds, attempts), (1 + 2 + 3, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_attempt_is_the_last() {
        let busy = || Err(error(ModelErrorKind::RateLimited));
        let (outcome, seconds, attempts) = play(RETRY, TOTAL, vec![busy(), busy(), busy(), busy(), Ok(reply())]).await;
        assert_eq!(outcome.unwrap_err().kind, ModelErrorKind::RateLimited);
        assert_eq!((seconds, attempts), (6, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_succeed_is_not_repeated() {
        for kind in [
            ModelErrorKind::Credentials,
            ModelErrorKind::TooLong,
            ModelErrorKind::Refused,
            ModelErrorKind::NotAModel,
            ModelErrorKind::NotRecorded,
        ] {
            let (outcome, seconds, attempts) = play(RETRY, TOTAL, vec![Err(error(kind)), Ok(reply())]).await;
            assert_eq!((outcome.unwrap_err().kind, seconds, attempts), (kind, 0, 1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_may_ask_for_a_longer_pause_than_ours() {
        let slow = ModelError { retry_after: Some(Duration::from_secs(7)), ..error(ModelErrorKind::RateLimited) };
        let (outcome, seconds, _) = play(RETRY, TOTAL, vec![Err(slow), Ok(reply())]).await;
        assert!(outcome.is_ok());
        assert_eq!(seconds, 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_outlasts_the_budget_is_not_begun() {
        let slow = ModelError { retry_after: Some(Duration::from_hours(1)), ..error(ModelErrorKind::RateLimited) };
        let (outcome, seconds, attempts) = play(RETRY, TOTAL, vec![Err(slow), Ok(reply())]).await;
        assert_eq!(outcome.unwrap_err().kind, ModelErrorKind::RateLimited);
        assert_eq!((seconds, attempts), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_timed_out_is_repeated_once() {
        let late = || Err(error(ModelErrorKind::TimedOut));
        let (outcome, _, attempts) = play(RETRY, TOTAL, vec![late(), late(), Ok(reply())]).await;
        assert_eq!(outcome.unwrap_err().kind, ModelErrorKind::TimedOut);
        assert_eq!(attempts, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_cuts_an_attempt_that_hangs() {
        let begun = Instant::now();
        let outcome = run(RETRY, Duration::from_secs(20), "anthropic/m at https://host", std::future::pending).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::TimedOut);
        assert_eq!(error.message, "anthropic/m at https://host: no complete answer within 20 s");
        assert_eq!(begun.elapsed().as_secs(), 20);
    }

    #[test]
    fn a_pause_never_overflows() {
        let retry = Retry { attempts: u32::MAX, base: Duration::MAX, cap: Duration::from_secs(9) };
        assert_eq!(retry.pause(u32::MAX), Duration::from_secs(9));
    }
}
