//! The ledger of a run: what was spent, what is out on credit, and what the ceilings leave. A call is let out only if it fits even at its dearest, so
//! that several at once cannot pass a ceiling together. It must not know prices: amounts come in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{ModelError, ModelErrorKind};
use crate::review::Usd;

/// An amount of both kinds that are limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Money; nothing where a price is unknown, which leaves the tokens.
    pub usd: Usd,
    /// Uncached input and output tokens.
    pub tokens: u64,
}

impl Amount {
    fn plus(self, other: Self) -> Self {
        Self { usd: self.usd.plus(other.usd), tokens: self.tokens.saturating_add(other.tokens) }
    }

    fn minus(self, other: Self) -> Self {
        Self { usd: self.usd.minus(other.usd), tokens: self.tokens.saturating_sub(other.tokens) }
    }
}

/// Upper bounds, and how the configuration calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// What may be spent.
    pub most: Amount,
    /// The key of the money.
    pub usd_key: &'static str,
    /// The key of the tokens.
    pub tokens_key: &'static str,
}

/// How much of a ceiling a request may fill. What is left above is for those that are worth more, so that the least valuable work is dropped first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worth {
    /// Readers that raise suggestions at most.
    Least,
    /// Readers that raise importants at most.
    Less,
    /// Readers that may raise criticals.
    More,
    /// Judges: without them the work of all others is worth less.
    Most,
}

impl Worth {
    /// Returns the part of a ceiling, in per cent.
    pub const fn share(self) -> u8 {
        match self {
            Self::Least => 75,
            Self::Less => 85,
            Self::More => 95,
            Self::Most => 100,
        }
    }
}

/// What a run spends, under its ceilings.
pub struct Ledger {
    run: Ceiling,
    /// Over all rounds of a merge request.
    total: Ceiling,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// By earlier rounds.
    already: Amount,
    spent: Amount,
    /// Out on credit.
    held: Amount,
}

impl Ledger {
    /// Returns an empty ledger under a ceiling for the run and one for all rounds together.
    pub fn new(run: Ceiling, total: Ceiling) -> Self {
        Self { run, total, state: Mutex::default(), freed: Notify::new() }
    }

    /// Returns a ledger without ceilings.
    pub fn unlimited() -> Self {
        let ceiling = Ceiling { most: Amount { usd: Usd::MAX, tokens: u64::MAX }, usd_key: "", tokens_key: "" };
        Self::new(ceiling, ceiling)
    }

    /// Says what earlier rounds of the same merge request spent: it counts towards the ceiling over all rounds.
    pub fn carry(&self, already: Amount) {
        self.state().already = already;
    }

    /// Returns what this run has spent so far.
    pub fn spent(&self) -> Amount {
        self.state().spent
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes credit for one call of at most `dearest`, of which `sent` is spent as soon as it is on its way. Waits while others hold what it needs.
    ///
    /// Fails when it would not fit even if they gave all of it back.
    pub(super) async fn hold(self: &Arc<Self>, dearest: Amount, sent: Amount, worth: Worth) -> Result<Hold, ModelError> {
        loop {
            let freed = self.freed.notified();
            match self.try_hold(dearest, worth) {
                Ok(()) => return Ok(Hold { ledger: Arc::clone(self), held: dearest, sent: Amount::default(), in_flight: sent }),
                Err(Some(over)) => return Err(ModelError::new(ModelErrorKind::Ceiling, over)),
                Err(None) => freed.await,
            }
        }
    }

    /// The error says which ceiling is met for good; nothing if credit of others stands in the way.
    fn try_hold(&self, dearest: Amount, worth: Worth) -> Result<(), Option<String>> {
        let mut state = self.state();
        for (ceiling, spent) in [(&self.run, state.spent), (&self.total, state.spent.plus(state.already))] {
            let usd = ceiling.most.usd.percent(worth.share());
            let tokens = ceiling.most.tokens / 100 * u64::from(worth.share());
            let fits = |amount: Amount| (amount.usd <= usd, amount.tokens <= tokens);
            let (money, count) = fits(spent.plus(dearest));
            if !money {
                let Ceiling { most, usd_key, .. } = ceiling;
                return Err(Some(format!(
                    "a call of up to {} does not fit under `{usd_key}` ({}), of which {} are spent",
                    dearest.usd, most.usd, spent.usd
                )));
            }
            if !count {
                let Ceiling { most, tokens_key, .. } = ceiling;
                return Err(Some(format!(
                    "a call of up to {} tokens does not fit under `{tokens_key}` ({}), of which {} are spent",
                    dearest.tokens, most.tokens, spent.tokens
                )));
            }
            if fits(spent.plus(state.held).plus(dearest)) != (true, true) {
                return Err(None);
            }
        }
        state.held = state.held.plus(dearest);
        Ok(())
    }
}

/// Credit for one call. Dropped without a settlement, it gives back all but what is spent by having been sent.
pub(super) struct Hold {
    ledger: Arc<Ledger>,
    held: Amount,
    sent: Amount,
    in_flight: Amount,
}

impl Hold {
    /// The call is on its way: whatever becomes of it, its input may be charged.
    pub(super) fn send(&mut self) {
        self.sent = self.in_flight;
    }

    /// The call ended, and this is what it cost.
    pub(super) fn settle(mut self, cost: Amount) {
        self.sent = cost;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.ledger.state();
        state.held = state.held.minus(self.held);
        state.spent = state.spent.plus(self.sent);
        drop(state);
        self.ledger.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn amount(usd: f64, tokens: u64) -> Amount {
        Amount { usd: Usd::from_dollars(usd).unwrap(), tokens }
    }

    fn ledger(usd: f64, tokens: u64) -> Arc<Ledger> {
        let run = Ceiling { most: amount(usd, tokens), usd_key: "limits.max_cost_usd", tokens_key: "limits.max_tokens" };
        let most = amount(usd * 2.0, tokens * 2);
        let total = Ceiling { most, usd_key: "limits.max_total_cost_usd", tokens_key: "limits.max_total_tokens" };
        Arc::new(Ledger::new(run, total))
    }

    fn hold(ledger: &Arc<Ledger>, usd: f64, worth: Worth) -> Option<Result<Hold, String>> {
        let held = ledger.hold(amount(usd, 10), amount(usd / 2.0, 5), worth).now_or_never()?;
        Some(held.map_err(|error| error.message))
    }

    #[tokio::test]
    async fn calls_at_once_cannot_pass_the_ceiling_together() {
        let ledger = ledger(1.0, 1_000_000);
        let first = hold(&ledger, 0.6, Worth::Most).unwrap().unwrap();
        assert!(hold(&ledger, 0.6, Worth::Most).is_none(), "the second waits for what the first gives back");
        first.settle(amount(0.1, 10));
        let second = hold(&ledger, 0.6, Worth::Most).unwrap().unwrap();
        second.settle(amount(0.5, 10));
        assert_eq!(
            hold(&ledger, 0.6, Worth::Most).unwrap().err().unwrap(),
            "a call of up to 0.60 USD does not fit under `limits.max_cost_usd` (1.00 USD), of which 0.60 USD are spent"
        );
        assert_eq!(ledger.spent(), amount(0.6, 20));
    }

    #[tokio::test]
    async fn what_is_worth_less_is_refused_first() {
        let ledger = ledger(1.0, 1_000_000);
        hold(&ledger, 0.7, Worth::Least).unwrap().unwrap().settle(amount(0.7, 1));
        let refused = [Worth::Least, Worth::Less, Worth::More, Worth::Most].map(|worth| hold(&ledger, 0.2, worth).unwrap().is_err());
        assert_eq!(refused, [true, true, false, false]);
    }

    #[tokio::test]
    async fn tokens_are_the_ceiling_where_a_price_is_unknown() {
        let ledger = ledger(1.0, 100);
        let held = ledger.hold(amount(0.0, 200), Amount::default(), Worth::Most).await;
        assert_eq!(
            held.err().unwrap().message,
            "a call of up to 200 tokens does not fit under `limits.max_tokens` (100), of which 0 are spent"
        );
    }

    #[tokio::test]
    async fn a_call_that_is_cut_counts_with_what_was_sent_and_one_that_was_not_sent_with_nothing() {
        let ledger = ledger(1.0, 1_000);
        drop(hold(&ledger, 0.2, Worth::Most));
        assert_eq!(ledger.spent(), Amount::default());
        let mut sent = hold(&ledger, 0.2, Worth::Most).unwrap().unwrap();
        sent.send();
        drop(sent);
        assert_eq!(ledger.spent(), amount(0.1, 5));
    }

    #[tokio::test]
    async fn earlier_rounds_count_towards_the_ceiling_over_all_of_them() {
        let ledger = ledger(1.0, 1_000_000);
        ledger.carry(amount(1.9, 0));
        let error = hold(&ledger, 0.2, Worth::Most).unwrap().err().unwrap();
        assert_eq!(
            error,
            "a call of up to 0.20 USD does not fit under `limits.max_total_cost_usd` (2.00 USD), of which 1.90 USD are spent"
        );
        assert!(hold(&ledger, 0.05, Worth::Most).unwrap().is_ok());
    }
}
