//! One gate per provider, shared by all readers of a run: how many requests are out at once, and how many a minute. It narrows when the provider
//! says that it is too much, and widens with every answer. It must not know what a request holds.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// What “a minute” is.
const MINUTE: Duration = Duration::from_mins(1);

/// The way to a provider.
pub struct Gate {
    /// Most requests at once, as configured.
    most: usize,
    /// Most requests in any 60 seconds.
    per_minute: Option<NonZeroU32>,
    lanes: Mutex<Lanes>,
    freed: Notify,
}

struct Lanes {
    running: usize,
    /// Most at once for now; between 1 and `most`.
    width: usize,
    /// When the requests of the last minute were let in, oldest first; kept only where a minute is limited.
    entered: VecDeque<Instant>,
}

impl Gate {
    /// Returns a gate that lets so many in at once, and so many a minute; without a number, any.
    pub fn new(max_parallel: Option<usize>, per_minute: Option<NonZeroU32>) -> Self {
        let most = max_parallel.unwrap_or(usize::MAX).max(1);
        let lanes = Lanes { running: 0, width: most, entered: VecDeque::new() };
        Self { most, per_minute, lanes: Mutex::new(lanes), freed: Notify::new() }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place. The place is free again when the ticket is dropped.
    pub(super) async fn enter(self: &Arc<Self>) -> Ticket {
        loop {
            let freed = self.freed.notified();
            match self.try_enter(Instant::now()) {
                Ok(ticket) => return ticket,
                Err(None) => freed.await,
                Err(Some(next)) => sleep_until(next).await,
            }
        }
    }

    /// The error says when to come back, where that is known.
    fn try_enter(self: &Arc<Self>, now: Instant) -> Result<Ticket, Option<Instant>> {
        let mut lanes = self.lanes();
        if lanes.running >= lanes.width {
            return Err(None);
        }
        if let Some(most) = self.per_minute {
            while lanes.entered.front().is_some_and(|entered| *entered + MINUTE <= now) {
                lanes.entered.pop_front();
            }
            if lanes.entered.len() >= usize::try_from(most.get()).unwrap_or(usize::MAX) {
                return Err(lanes.entered.front().map(|oldest| *oldest + MINUTE));
            }
            lanes.entered.push_back(now);
        }
        lanes.running += 1;
        Ok(Ticket(Arc::clone(self)))
    }

    /// The provider said that it is too much: half as many at once from now on.
    pub(super) fn narrow(&self) {
        let mut lanes = self.lanes();
        lanes.width = (lanes.running / 2).max(1);
    }

    /// The provider answered: one more at once, up to the configured number.
    pub(super) fn widen(&self) {
        let mut lanes = self.lanes();
        lanes.width = lanes.width.saturating_add(1).min(self.most);
        drop(lanes);
        self.freed.notify_one();
    }
}

/// A place behind the gate.
pub(super) struct Ticket(Arc<Gate>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.lanes().running -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn gate(max_parallel: Option<usize>, per_minute: Option<u32>) -> Arc<Gate> {
        Arc::new(Gate::new(max_parallel, per_minute.and_then(NonZeroU32::new)))
    }

    #[tokio::test]
    async fn no_more_than_the_configured_number_are_in_at_once() {
        let gate = gate(Some(2), None);
        let (first, _second) = (gate.enter().await, gate.enter().await);
        assert!(gate.enter().now_or_never().is_none());
        drop(first);
        assert!(gate.enter().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_waiter_that_leaves_costs_nobody_their_turn() {
        let gate = gate(Some(1), None);
        let first = gate.enter().await;
        let (mut leaves, stays) = (Box::pin(gate.enter()), gate.enter());
        assert!((&mut leaves).now_or_never().is_none());
        drop(first);
        drop(leaves);
        stays.await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_takes_no_more_than_its_number() {
        let (gate, begun) = (gate(None, Some(2)), Instant::now());
        for _ in 0..5 {
            drop(gate.enter().await);
        }
        assert_eq!(begun.elapsed().as_secs(), 120);
    }

    #[tokio::test]
    async fn it_narrows_to_half_and_widens_one_by_one() {
        let gate = gate(None, None);
        let mut tickets = Vec::new();
        for _ in 0..4 {
            tickets.push(gate.enter().await);
        }
        gate.narrow();
        tickets.truncate(2);
        assert!(gate.enter().now_or_never().is_none(), "two are as many as fit now");
        gate.widen();
        assert!(gate.enter().now_or_never().is_some());
    }
}
