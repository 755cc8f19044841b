//! One circuit per model, shared by all readers of a run: closed, open until a time, half-open with exactly one probe. What is open at the end of
//! a job can be told to the next one. It must not send anything, nor choose another model.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{ModelError, ModelErrorKind};

/// Failed requests in a row, of all readers together, after which a model is left alone.
const FAILURES: u32 = 5;
/// For how long.
const OPEN: Duration = Duration::from_mins(2);
/// For how long a model is left alone whose account is exhausted: longer than a run.
const EXHAUSTED: Duration = Duration::from_hours(1);
/// The version of what is told to the next job.
const VERSION: u32 = 1;
/// Largest text that is believed to be one, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// Whether a model is asked at all.
pub struct Circuit {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// In a row.
    failures: u32,
    open: Option<Open>,
    /// A probe is under way.
    probing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    until: Instant,
    why: Why,
}

/// Why a model is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Why {
    /// It failed too often.
    Failing,
    /// It asked for a pause.
    Limited,
    /// Its account is empty.
    Exhausted,
}

/// A model is not asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shut {
    /// Until then.
    Until(Instant, Why),
    /// Until the probe that is under way has ended.
    Probing(Why),
}

impl Circuit {
    /// Returns a closed circuit: the model is asked.
    pub fn new() -> Self {
        Self { state: Mutex::default(), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns leave to send one request. When an open circuit's time is over, the first that asks is the probe.
    pub(super) fn admit(self: &Arc<Self>) -> Result<Pass, Shut> {
        let mut state = self.state();
        let Some(Open { until, why }) = state.open else { return Ok(Pass { circuit: Arc::clone(self), probe: false }) };
        if state.probing {
            return Err(Shut::Probing(why));
        }
        if Instant::now() < until {
            return Err(Shut::Until(until, why));
        }
        state.probing = true;
        Ok(Pass { circuit: Arc::clone(self), probe: true })
    }

    /// Returns why no request may be sent now, without sending one.
    pub(super) fn shut(&self) -> Option<Shut> {
        let state = self.state();
        let Open { until, why } = state.open?;
        if state.probing { Some(Shut::Probing(why)) } else { (Instant::now() < until).then_some(Shut::Until(until, why)) }
    }

    /// Waits until a probe has ended. Returns at once if none is under way.
    pub(super) async fn probed(&self) {
        let changed = self.changed.notified();
        if self.state().probing {
            changed.await;
        }
    }
}

impl Default for Circuit {
    fn default() -> Self {
        Self::new()
    }
}

/// Leave to send one request. A probe that is dropped without a result, because its reader was cut, leaves its place to the next.
pub(super) struct Pass {
    circuit: Arc<Circuit>,
    probe: bool,
}

impl Pass {
    /// The model answers: everybody may ask it again.
    pub(super) fn answers(&mut self) {
        self.probe = false;
        *self.circuit.state() = State::default();
        self.circuit.changed.notify_waiters();
    }

    /// The request failed. `pause`: how long to leave the model alone if it is over a limit.
    pub(super) fn failed(mut self, error: &ModelError, pause: Duration) {
        let probe = std::mem::replace(&mut self.probe, false);
        let mut state = self.circuit.state();
        if probe {
            state.probing = false;
        }
        let now = Instant::now();
        let open = match error.kind {
            ModelErrorKind::RateLimited => Some(Open { until: now + pause, why: Why::Limited }),
            ModelErrorKind::Exhausted => Some(Open { until: now + EXHAUSTED, why: Why::Exhausted }),
            ModelErrorKind::Unavailable | ModelErrorKind::TimedOut => {
                state.failures += 1;
                let wait = error.retry_after.unwrap_or_default().max(OPEN);
                (probe || state.failures >= FAILURES).then_some(Open { until: now + wait, why: Why::Failing })
            }
            // Says nothing about whether the model is up, or that it is: the next may try.
            ModelErrorKind::Credentials
            | ModelErrorKind::TooLong
            | ModelErrorKind::Refused
            | ModelErrorKind::NotAModel
            | ModelErrorKind::Ceiling
            | ModelErrorKind::NotRecorded => {
                if probe {
                    state.open = None;
                }
                None
            }
        };
        if let Some(open) = open {
            // Several requests that were out together may ask for different pauses: the longest counts.
            state.open = Some(state.open.filter(|known| known.until > open.until && !probe).unwrap_or(open));
        }
        drop(state);
        self.circuit.changed.notify_waiters();
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.probe {
            self.circuit.state().probing = false;
            self.circuit.changed.notify_waiters();
        }
    }
}

/// The circuits of a run, by `provider/model`.
pub struct Circuits {
    known: Mutex<BTreeMap<String, Arc<Circuit>>>,
    /// What an earlier job left.
    carried: BTreeMap<String, Open>,
    /// The same moment by both clocks; the second is in seconds since 1970-01-01 UTC.
    began: (Instant, u64),
}

/// What an earlier job left cannot be read; one clause for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

/// What a job tells the next one.
#[derive(Serialize, Deserialize)]
struct Told {
    version: u32,
    open: BTreeMap<String, ToldOpen>,
}

#[derive(Serialize, Deserialize)]
struct ToldOpen {
    /// Seconds since 1970-01-01 UTC.
    until_unix: u64,
    why: Why,
}

impl Circuits {
    /// Returns circuits that are all closed. `now_unix`: the wall clock, seconds since 1970-01-01 UTC.
    pub fn new(now_unix: u64) -> Self {
        Self { known: Mutex::default(), carried: BTreeMap::new(), began: (Instant::now(), now_unix) }
    }

    /// Returns the circuits with those open that an earlier job left open. `now_unix`: the wall clock, as above.
    pub fn recall(text: &str, now_unix: u64) -> Result<Self, Unreadable> {
        if text.len() > MAX_BYTES {
            return Err(Unreadable(format!("it is larger than {} KiB", MAX_BYTES >> 10)));
        }
        let told: Told = serde_json::from_str(text).map_err(|error| Unreadable(error.to_string()))?;
        if told.version != VERSION {
            return Err(Unreadable(format!("its version is {}, not {VERSION}", told.version)));
        }
        let now = Instant::now();
        let left = |until: u64| Some(Duration::from_secs(until.checked_sub(now_unix)?).min(EXHAUSTED)).filter(|left| !left.is_zero());
        let open = |(model, told): (String, ToldOpen)| Some((model, Open { until: now + left(told.until_unix)?, why: told.why }));
        Ok(Self { carried: told.open.into_iter().filter_map(open).collect(), ..Self::new(now_unix) })
    }

    /// Returns the circuit of a model. `alone`: nothing else could answer in its place, so that it is asked whatever an earlier job saw.
    pub fn of(&self, model: &str, alone: Alone) -> Arc<Circuit> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let circuit = known.entry(model.to_owned()).or_insert_with(|| {
            let circuit = Circuit::new();
            circuit.state().open = self.carried.get(model).copied();
            Arc::new(circuit)
        });
        if alone == Alone::Yes {
            circuit.state().open = None;
        }
        Arc::clone(circuit)
    }

    /// Returns what the next job is to know: the circuits that are open.
    pub fn tell(&self) -> String {
        let now = Instant::now();
        let now_unix = self.began.1 + (now - self.began.0).as_secs();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let open = known.iter().filter_map(|(model, circuit)| {
            let Open { until, why } = circuit.state().open?;
            let left = until.checked_duration_since(now)?;
            Some((model.clone(), ToldOpen { until_unix: now_unix + left.as_secs(), why }))
        });
        serde_json::to_string(&Told { version: VERSION, open: open.collect() }).expect("names and numbers are JSON")
    }
}

/// Whether a model is the only one of some chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alone {
    /// It is.
    Yes,
    /// Others follow or precede it wherever it stands.
    No,
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fail(circuit: &Arc<Circuit>, kind: ModelErrorKind) {
        circuit.admit().expect("requests go through").failed(&ModelError::new(kind, "no"), SECOND);
    }

    fn failing() -> Arc<Circuit> {
        let circuit = Arc::new(Circuit::new());
        (0..FAILURES).for_each(|_| fail(&circuit, ModelErrorKind::Unavailable));
        circuit
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_five_failures_in_a_row_and_an_answer_between_them_counts_anew() {
        let circuit = Arc::new(Circuit::new());
        for _ in 0..3 {
            (1..FAILURES).for_each(|_| fail(&circuit, ModelErrorKind::TimedOut));
            circuit.admit().expect("still closed").answers();
        }
        assert_eq!(circuit.shut(), None);
        assert_eq!(failing().shut(), Some(Shut::Until(Instant::now() + OPEN, Why::Failing)));
    }

    #[tokio::test(start_paused = true)]
    async fn after_two_minutes_exactly_one_probe_is_let_through() {
        let circuit = failing();
        advance(OPEN).await;
        let mut probe = circuit.admit().expect("the probe");
        assert_eq!(circuit.admit().err(), Some(Shut::Probing(Why::Failing)));
        assert!(circuit.probed().now_or_never().is_none());
        probe.answers();
        assert!(circuit.admit().is_ok() && circuit.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_fails_opens_it_again_at_once() {
        let circuit = failing();
        advance(OPEN).await;
        fail(&circuit, ModelErrorKind::Unavailable);
        assert_eq!(circuit.shut(), Some(Shut::Until(Instant::now() + OPEN, Why::Failing)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_cut_leaves_its_place_to_the_next() {
        let circuit = failing();
        advance(OPEN).await;
        drop(circuit.admit());
        assert!(circuit.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_was_asked_for_is_kept_and_the_longest_counts() {
        let circuit = Arc::new(Circuit::new());
        let (one, two) = (circuit.admit().expect("closed"), circuit.admit().expect("closed"));
        let limited = ModelError::new(ModelErrorKind::RateLimited, "no");
        one.failed(&limited, SECOND * 20);
        two.failed(&limited, SECOND);
        assert_eq!(circuit.shut(), Some(Shut::Until(Instant::now() + SECOND * 20, Why::Limited)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_shows_that_the_model_is_there() {
        let circuit = failing();
        advance(OPEN).await;
        fail(&circuit, ModelErrorKind::Refused);
        assert!(circuit.admit().is_ok() && circuit.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_job_knows_what_is_open_unless_nothing_else_could_answer() {
        let circuits = Circuits::new(1_000);
        (0..FAILURES).for_each(|_| fail(&circuits.of("a/m", Alone::No), ModelErrorKind::Unavailable));
        circuits.of("a/n", Alone::No);
        let told = circuits.tell();
        assert_eq!(told, r#"{"version":1,"open":{"a/m":{"until_unix":1120,"why":"failing"}}}"#);
        let next = Circuits::recall(&told, 1_090).unwrap();
        assert_eq!(next.of("a/m", Alone::No).shut(), Some(Shut::Until(Instant::now() + SECOND * 30, Why::Failing)));
        assert_eq!(next.of("a/n", Alone::No).shut(), None);
        assert_eq!(next.of("a/m", Alone::Yes).shut(), None);
        assert_eq!(Circuits::recall(&told, 1_120).unwrap().of("a/m", Alone::No).shut(), None, "its time is over");
    }

    #[test]
    fn what_an_earlier_job_left_may_be_anything() {
        let unreadable = |text: &str| Circuits::recall(text, 0).err().expect("unreadable").0;
        assert_eq!(unreadable(r#"{"version":2,"open":{}}"#), "its version is 2, not 1");
        assert!(unreadable("<html>").starts_with("expected value"));
        assert_eq!(unreadable(&" ".repeat(MAX_BYTES + 1)), "it is larger than 64 KiB");
        let forever = format!(r#"{{"version":1,"open":{{"a/m":{{"until_unix":{},"why":"failing"}}}}}}"#, u64::MAX);
        assert!(Circuits::recall(&forever, 0).is_ok());
    }
}
