//! How often a request is sent again, and after which pauses. It must not send anything: the chain does.

use std::time::Duration;

use super::ModelErrorKind;

/// How often and after which pauses a call is repeated. Pauses double and carry no jitter, so that a run can be repeated exactly; that many
/// readers do not come back at the same moment is the circuit's and the gate's concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The most requests to one model for one answer, at least 1.
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
/// A limit per minute is waited out with more tries than a fault is: so many times as often.
const LIMITED_FACTOR: u32 = 2;

impl Retry {
    /// Returns the pause after so many failures, at least one.
    pub(super) fn pause(self, failures: u32) -> Duration {
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
        self.base.saturating_mul(doubled).min(self.cap)
    }

    /// Returns whether the last failure, of this kind, leaves no further attempt. `timeouts` are those among the `failures`.
    pub(super) fn over(self, kind: ModelErrorKind, failures: u32, timeouts: u32) -> bool {
        let most = if kind == ModelErrorKind::RateLimited { self.attempts.saturating_mul(LIMITED_FACTOR) } else { self.attempts };
        failures >= most || timeouts >= TIMEOUTS.min(self.attempts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap() {
        let retry = Retry { attempts: 4, base: Duration::from_secs(1), cap: Duration::from_secs(3) };
        assert_eq!([1, 2, 3, 4].map(|failures| retry.pause(failures).as_secs()), [1, 2, 3, 3]);
    }

    #[test]
    fn a_pause_never_overflows() {
        let retry = Retry { attempts: u32::MAX, base: Duration::MAX, cap: Duration::from_secs(9) };
        assert_eq!(retry.pause(u32::MAX), Duration::from_secs(9));
        assert!(!retry.over(ModelErrorKind::RateLimited, 1_000_000, 0));
    }
}
