//! `assize plan`: what a review would look at, without looking. It calls no model.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::examine::{self, Orders, Planned, Reading};
use super::input;
use super::models::{group_bytes, named, price_of};
use crate::cli::SourceArgs;
use crate::codex;
use crate::env::{Env, Io};
use crate::error::Failure;
use crate::exit::Exit;
use crate::model::catalogue_date;
use crate::report::{left_out_reason, plural, printable};
use crate::review::brief;
use crate::review::{Boundary, FirstTurn, Reads, Spending, Spent, Usage, risk};
use crate::settings::{self, Flags, Speaker};

/// Bytes of a prompt for one token, roughly; providers say the true number afterwards.
const BYTES_PER_TOKEN: usize = 4;

/// Runs the command.
pub async fn run(args: &SourceArgs, env: &Env, io: &mut Io) -> Result<Exit, Failure> {
    let input = input::gather(args, env, &mut *io.stdin).await?;
    let settings = settings::load(input.config.as_ref(), env, &Flags::default(), Speaker::Owner)?.settings;
    let models = named(&settings);
    let orders = Orders {
        forced: super::forced_by_flag(args.tier.as_deref(), true),
        only: [].into(),
        only_why: super::ONLY_FLAG,
        skip: [].into(),
        key: b"plan",
        words: None,
        reading: Reading::Whole,
    };
    let plan = examine::plan(&input, &settings, &orders, group_bytes(models.values())).await?;
    let Planned { prepared, seen, roster, groups, prompts } = &plan;
    let reviewed = prepared.filtered.reviewed.files();
    let size = risk::size(reviewed);
    let mut out = String::new();
    // A path may hold a line feed or what a terminal obeys.
    let mut line = |text: String| writeln!(out, "{}", printable(&text.replace('\n', " "))).expect("writing to a string cannot fail");
    line(format!("Change     {}", input.label));
    line(format!("Tier       {}, because {}", prepared.tier.tier.word(), prepared.tier.reasons.join("; ")));
    line(format!("Reviewed   {} (+{} −{})", plural(size.files, "file"), size.added, size.removed));
    for file in reviewed {
        let rules = prepared.rules.applicable(file.path()).count();
        line(format!("  {} (+{} −{}), {}", file.path(), file.added(), file.removed(), plural(rules, "rule")));
    }
    line(format!("Left out   {}", plural(prepared.filtered.left_out.len(), "file")));
    for (path, noise) in &prepared.filtered.left_out {
        line(format!("  {path}: {}", left_out_reason(noise)));
    }
    let applicable: Vec<&str> = prepared
        .rules
        .iter()
        .filter(|rule| reviewed.iter().any(|file| codex::applies(rule, file.path())))
        .map(|rule| rule.id.as_str())
        .collect();
    line(format!("Rules      {} of {} apply: {}", applicable.len(), prepared.rules.len(), applicable.join(", ")));
    if models.is_empty() {
        line("Reviewers  none: no model is configured, so only detectors would run".to_owned());
    } else {
        line(format!("Reviewers  {} over {}", plural(roster.seats.len(), "reviewer"), plural(groups.len(), "group")));
        let index = prepared.rules.index(&seen.files().iter().map(|file| file.path().clone()).collect::<Vec<_>>());
        let shared = brief::system(&prompts.preamble, &index, prepared.agents_md.as_deref()).len();
        let boundary = Boundary::new(orders.key);
        let changes: Vec<usize> = (0..groups.len()).map(|number| brief::change(&boundary, seen, groups, number).len()).collect();
        let (mut tokens, mut spending) = (0, Spending::default());
        let mut in_cache: BTreeSet<(&str, usize)> = BTreeSet::new();
        for seat in &roster.seats {
            let model = models.get(&seat.prompt.class).map_or("no model", String::as_str);
            let own = brief::reviewer(&boundary, &seat.prompt, None, &settings.language).len();
            let read = groups.iter().zip(&changes).enumerate().filter(|(_, (group, _))| match seat.reads {
                Reads::Change => !group.sensitive_noise,
                Reads::ChangeAndSensitiveNoise => true,
                Reads::SensitiveNoise => group.sensitive_noise,
            });
            let (mut bytes, mut usage) = (0, Usage::default());
            for (number, (_, change)) in read {
                let shared = shared + change;
                bytes += shared + own;
                let tokens = |bytes: usize| u64::try_from(bytes / BYTES_PER_TOKEN).unwrap_or(u64::MAX);
                usage += FirstTurn { shared: tokens(shared), own: tokens(own), cached: !in_cache.insert((model, number)) }.typical();
            }
            tokens += bytes / BYTES_PER_TOKEN;
            let cost = price_of(&settings, model).map(|price| price.cost(&usage));
            let shown = cost.map_or_else(|| "cost unknown".to_owned(), |cost| format!("about {cost}"));
            line(format!("  {} on {model}, about {} tokens in the first turn, {shown}", seat.prompt.name, bytes / BYTES_PER_TOKEN));
            spending.rows.push(Spent { reader: seat.prompt.name.clone(), model: model.to_owned(), usage, cost });
        }
        line(format!(
            "  about {tokens} tokens together, of which a provider's cache charges most only once; tools, coordinator and refuter come on top"
        ));
        line(format!(
            "Cost       {}, by estimate, at the prices of {}; the ceiling is {}",
            spending.cost(),
            catalogue_date(),
            settings.limits.max_cost
        ));
        let mut idle: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (prompt, why) in &roster.idle {
            idle.entry(why).or_default().push(prompt.name.as_str());
        }
        for (why, names) in idle {
            line(format!("  not {}: {why}", names.join(", ")));
        }
    }
    super::print(io, &out)?;
    Ok(Exit::Done)
}
