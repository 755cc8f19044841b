//! Money: what tokens cost, and what a run spent, by reader and model. A price that nobody knows stays unknown; it must never count as zero.

use std::fmt;
use std::ops::AddAssign;

use super::{ReviewerName, Usage};

/// Billionths of a dollar in one dollar.
const NANO: u64 = 1_000_000_000;
/// The highest price that is believed, in US dollars per million tokens.
const MOST_PER_MILLION: f64 = 100_000.0;
/// The highest amount that is believed, in US dollars.
const MOST_USD: f64 = 1_000_000_000.0;

/// An amount in US dollars, exact to a billionth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(u64);

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// More than anybody spends.
    pub const MAX: Self = Self(u64::MAX);

    /// Returns the amount of so many dollars; nothing for a number below zero or beyond belief.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        nano(dollars, MOST_USD).map(Self)
    }

    /// Returns the amount of so many cents.
    pub const fn from_cents(cents: u32) -> Self {
        Self(cents as u64 * (NANO / 100))
    }

    /// Returns the amount of so many thousand-millionths of a dollar: how it is kept.
    pub const fn from_nano(nano: u64) -> Self {
        Self(nano)
    }

    /// Returns the amount in thousand-millionths of a dollar.
    pub const fn nano(self) -> u64 {
        self.0
    }

    /// Returns the amount in dollars.
    #[expect(clippy::cast_precision_loss, reason = "15 digits are enough to show an amount")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / NANO as f64
    }

    /// Returns the sum, at most the largest amount.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Returns the difference, at least nothing.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Returns so many times the amount.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// Returns so many per cent of the amount.
    #[must_use]
    pub const fn percent(self, share: u8) -> Self {
        Self((self.0 / 100).saturating_mul(share as u64))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = self.plus(other);
    }
}

impl fmt::Display for Usd {
    /// Cents, and for amounts below ten of them two digits more: `4.71 USD`, `0.0342 USD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if (1..NANO / 10).contains(&self.0) { 4 } else { 2 };
        write!(f, "{:.digits$} USD", self.dollars())
    }
}

/// The only place where a floating number becomes an amount: non-negative, bounded, rounded to a billionth.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the number is between 0 and a bound far below 2^63")]
fn nano(dollars: f64, most: f64) -> Option<u64> {
    (0.0..=most).contains(&dollars).then(|| (dollars * 1e9).round() as u64)
}

/// What a model's tokens cost, in billionths of a US dollar each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    input: u64,
    cached_input: u64,
    cache_write: u64,
    output: u64,
}

/// A price as price lists write it: US dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerMillion {
    /// Input that no cache holds.
    pub input: f64,
    /// Input read from the provider's cache; as other input if absent.
    pub cached_input: Option<f64>,
    /// Input written to the provider's cache; as other input if absent.
    pub cache_write: Option<f64>,
    /// Output.
    pub output: f64,
}

impl Price {
    /// Returns the price; nothing if a number is below zero or beyond belief.
    pub fn new(list: PerMillion) -> Option<Self> {
        // A dollar for a million tokens is a thousand billionths for one.
        let each = |dollars: f64| nano(dollars, MOST_PER_MILLION).map(|nano| nano / 1_000_000);
        Some(Self {
            input: each(list.input)?,
            cached_input: each(list.cached_input.unwrap_or(list.input))?,
            cache_write: each(list.cache_write.unwrap_or(list.input))?,
            output: each(list.output)?,
        })
    }

    /// Returns what the tokens cost.
    pub fn cost(&self, usage: &Usage) -> Usd {
        let plain = usage.input.saturating_sub(usage.cached).saturating_sub(usage.cache_write);
        let parts =
            [(plain, self.input), (usage.cached, self.cached_input), (usage.cache_write, self.cache_write), (usage.output, self.output)];
        Usd(parts.into_iter().fold(0, |sum: u64, (tokens, each)| sum.saturating_add(tokens.saturating_mul(each))))
    }

    /// Returns the most that so many tokens can cost, whatever a cache does with them.
    pub fn at_most(&self, input: u64, output: u64) -> Usd {
        let dearest = self.input.max(self.cache_write);
        Usd(input.saturating_mul(dearest).saturating_add(output.saturating_mul(self.output)))
    }
}

/// Turns of a reader that an estimate expects: three looks with tools, and the answer.
const TYPICAL_TURNS: u64 = 4;
/// Tokens that tools answer in each of the looks.
const TYPICAL_LOOK: u64 = 2_000;
/// Tokens that a reader writes over all its turns.
const TYPICAL_OUTPUT: u64 = 2_500;

/// The first request of a reader, in tokens, for an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstTurn {
    /// What it shares with all other readers of the same group by the same model.
    pub shared: u64,
    /// What it alone gets.
    pub own: u64,
    /// Whether the shared part is in the provider's cache by then.
    pub cached: bool,
}

impl FirstTurn {
    /// Returns what such a reader uses if it behaves as most do. A provider without a cache charges more.
    pub fn typical(self) -> Usage {
        let Self { shared, own, cached } = self;
        let further = TYPICAL_TURNS - 1;
        let all = (shared + own) * TYPICAL_TURNS + TYPICAL_LOOK * further;
        Usage {
            calls: TYPICAL_TURNS,
            input: all,
            cached: (shared + own) * further + if cached { shared } else { 0 },
            cache_write: if cached { 0 } else { shared },
            output: TYPICAL_OUTPUT,
        }
    }
}

/// What one reader used of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The reader.
    pub reader: ReviewerName,
    /// The model, `provider/model`. It received the request, whether it answered or not.
    pub model: String,
    /// Its tokens.
    pub usage: Usage,
    /// What they cost; nothing if the price is unknown, or the provider did not say how many they were.
    pub cost: Option<Usd>,
}

/// What a run used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// By reader, in roster order, then by model.
    pub rows: Vec<Spent>,
    /// The day of the price list, `YYYY-MM-DD`, if one was used.
    pub prices_dated: Option<String>,
}

/// The cost of several things, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// The sum of what is known.
    pub known: Usd,
    /// Models of unknown cost, sorted.
    pub unknown: Vec<String>,
}

impl Spending {
    /// Returns the tokens of all.
    pub fn usage(&self) -> Usage {
        sum(self.rows.iter())
    }

    /// Returns the cost of all.
    pub fn cost(&self) -> Cost {
        cost(self.rows.iter())
    }

    /// Returns the cost of one reader.
    pub fn cost_of(&self, reader: &ReviewerName) -> Cost {
        cost(self.rows.iter().filter(|row| row.reader == *reader))
    }

    /// Returns the models with their tokens and cost, sorted by name.
    pub fn by_model(&self) -> Vec<(&str, Usage, Cost)> {
        let mut models: Vec<&str> = self.rows.iter().map(|row| row.model.as_str()).collect();
        models.sort_unstable();
        models.dedup();
        let of = |model| self.rows.iter().filter(move |row| row.model == model);
        models.into_iter().map(|model| (model, sum(of(model)), cost(of(model)))).collect()
    }

    /// Returns the providers that were sent anything, sorted.
    pub fn providers(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.rows.iter().filter_map(|row| row.model.split_once('/')).map(|(provider, _)| provider.to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }
}

fn sum<'a>(rows: impl Iterator<Item = &'a Spent>) -> Usage {
    rows.fold(Usage::default(), |mut sum, row| {
        sum += row.usage;
        sum
    })
}

fn cost<'a>(rows: impl Iterator<Item = &'a Spent>) -> Cost {
    let mut cost = Cost::default();
    for row in rows {
        match row.cost {
            Some(known) => cost.known += known,
            None => cost.unknown.push(row.model.clone()),
        }
    }
    cost.unknown.sort();
    cost.unknown.dedup();
    cost
}

impl fmt::Display for Cost {
    /// `4.71 USD`, `cost unknown`, or `0.12 USD and what acme/m costs, which is unknown`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.known, self.unknown.as_slice()) {
            (known, []) => known.fmt(f),
            (Usd::ZERO, _) => f.write_str("cost unknown"),
            (known, models) => write!(f, "{known} and what {} costs, which is unknown", models.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPUS: PerMillion = PerMillion { input: 5.0, cached_input: Some(0.5), cache_write: Some(6.25), output: 25.0 };

    #[test]
    fn a_million_tokens_of_each_kind_cost_what_the_list_says() {
        let price = Price::new(OPUS).unwrap();
        let million = 1_000_000;
        let usage = Usage { calls: 1, input: 3 * million, cached: million, cache_write: million, output: million };
        assert_eq!(price.cost(&usage).to_string(), "36.75 USD");
        assert_eq!(price.at_most(million, million).to_string(), "31.25 USD");
        let plain = Price::new(PerMillion { cached_input: None, cache_write: None, ..OPUS }).unwrap();
        assert_eq!(plain.cost(&usage).to_string(), "40.00 USD");
    }

    #[test]
    fn small_amounts_show_more_digits() {
        let shown = |dollars| Usd::from_dollars(dollars).unwrap().to_string();
        assert_eq!([0.0, 0.034_219, 0.1, 12.345_6].map(shown), ["0.00 USD", "0.0342 USD", "0.10 USD", "12.35 USD"]);
    }

    #[test]
    fn no_price_is_below_zero_or_no_number() {
        for input in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(Price::new(PerMillion { input, ..OPUS }), None);
        }
        assert_eq!(Usd::from_dollars(-0.01), None);
    }

    #[test]
    fn what_is_unknown_is_named_and_never_counts_as_zero() {
        let name = |name| ReviewerName::parse(name).unwrap();
        let usage = Usage { calls: 1, input: 1_000, ..Usage::default() };
        let row = |reader, model: &str, cost| Spent { reader: name(reader), model: model.into(), usage, cost };
        let rows =
            vec![row("security", "a/m", Usd::from_dollars(0.5)), row("docs", "local/q", None), row("docs", "a/m", Usd::from_dollars(0.25))];
        let spending = Spending { rows, prices_dated: None };
        assert_eq!(spending.cost().to_string(), "0.75 USD and what local/q costs, which is unknown");
        assert_eq!(spending.cost_of(&name("security")).to_string(), "0.50 USD");
        let by_model: Vec<String> =
            spending.by_model().iter().map(|(model, usage, cost)| format!("{model} {} {cost}", usage.input)).collect();
        assert_eq!(by_model, ["a/m 2000 0.75 USD", "local/q 1000 cost unknown"]);
        assert_eq!(spending.providers(), ["a", "local"]);
    }

    #[test]
    fn an_estimate_charges_the_shared_beginning_once() {
        let first = FirstTurn { shared: 10_000, own: 1_000, cached: false }.typical();
        assert_eq!(first, Usage { calls: 4, input: 50_000, cached: 33_000, cache_write: 10_000, output: 2_500 });
        let second = FirstTurn { shared: 10_000, own: 1_000, cached: true }.typical();
        assert_eq!(second, Usage { cached: 43_000, cache_write: 0, ..first });
    }

    proptest! {
        #[test]
        fn no_usage_overflows_and_more_tokens_never_cost_less(input: u64, cached: u64, cache_write: u64, output: u64, more in 0_u64..1_000_000) {
            let price = Price::new(OPUS).unwrap();
            let usage = Usage { calls: 1, input, cached, cache_write, output };
            let larger = Usage { input: input.saturating_add(more), ..usage };
            prop_assert!(price.cost(&larger) >= price.cost(&usage));
        }
    }
}
