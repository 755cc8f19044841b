//! `.assize.yml` as it is written: strict, every field optional, nothing resolved. What the values mean is `validate`'s.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

/// The configuration of Assize. Unknown keys are errors.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[schemars(title = ".assize.yml")]
pub(super) struct File {
    /// Version of this format: 1.
    #[schemars(with = "Option<u32>")]
    pub(super) version: Option<Spanned<u32>>,
    /// A policy in another project. Not available yet.
    #[schemars(with = "Option<serde_json::Value>")]
    pub(super) extends: Option<Spanned<serde_json::Value>>,
    /// Where models live, by name.
    pub(super) providers: Option<BTreeMap<String, Provider>>,
    /// Chains of models by class (`top`, `standard`, `light`), tried in order.
    #[schemars(with = "Option<BTreeMap<String, Vec<String>>>")]
    pub(super) models: Option<BTreeMap<String, Vec<Spanned<String>>>>,
    /// Changes to reviewers, by name.
    pub(super) reviewers: Option<BTreeMap<String, Reviewer>>,
    /// Bounds of the risk tiers.
    pub(super) tiers: Option<Tiers>,
    /// What is left out of the reviewers' view.
    pub(super) filter: Option<Filter>,
    /// Which rules are in force.
    pub(super) codex: Option<Codex>,
    /// Programs that raise versions: their merge requests are read by the security reviewer alone, and open no thread below critical.
    pub(super) dependency_bots: Option<DependencyBots>,
    /// What is posted.
    pub(super) publish: Option<Publish>,
    /// When the run exits 1: `never`, `minor_issues`, `significant_concerns`, with `incomplete` beside either, comma-separated.
    #[schemars(with = "Option<String>")]
    pub(super) fail_on: Option<Spanned<String>>,
    /// How a person lifts the gate.
    pub(super) break_glass: Option<BreakGlass>,
    /// Who may lower a tier, dismiss a critical, break the glass: `reporter`, `developer`, `maintainer` or `owner`.
    #[schemars(with = "Option<String>")]
    pub(super) min_access: Option<Spanned<String>>,
    /// Ceilings of a run.
    pub(super) limits: Option<Limits>,
    /// Language of the comments, e.g. `en`.
    #[schemars(with = "Option<String>")]
    pub(super) language: Option<Spanned<String>>,
}

/// A place where models live.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Provider {
    /// `anthropic`, `openai` (and all that speak its protocol) or `gemini`.
    #[schemars(with = "String")]
    pub(super) kind: Spanned<String>,
    /// Where requests go, if not to the vendor's own address.
    #[schemars(with = "Option<String>")]
    pub(super) base_url: Option<Spanned<String>>,
    /// The variable that holds the key.
    pub(super) api_key_env: Option<String>,
    /// Headers sent with every request.
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// Most requests at once.
    #[schemars(with = "Option<usize>")]
    pub(super) max_parallel: Option<Spanned<usize>>,
    /// Most requests in any 60 seconds.
    #[schemars(with = "Option<u32>")]
    pub(super) requests_per_minute: Option<Spanned<u32>>,
    /// Prices by model, where the published ones are not those that are paid.
    #[schemars(with = "Option<BTreeMap<String, Price>>")]
    pub(super) prices: Option<BTreeMap<String, Spanned<Price>>>,
}

/// What a model's tokens cost, in US dollars per million.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Price {
    /// Input that no cache holds.
    pub(super) input: f64,
    /// Input read from the provider's cache; as other input if absent.
    pub(super) cached_input: Option<f64>,
    /// Input written to the provider's cache; as other input if absent.
    pub(super) cache_write: Option<f64>,
    /// Output.
    pub(super) output: f64,
}

/// Changes to one reviewer.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reviewer {
    /// Switches it off or on.
    pub(super) enabled: Option<bool>,
    /// Another class of models: `top`, `standard` or `light`.
    #[schemars(with = "Option<String>")]
    pub(super) model: Option<Spanned<String>>,
    /// Another time-out, e.g. `8m`.
    #[schemars(with = "Option<String>")]
    pub(super) timeout: Option<Spanned<String>>,
}

/// Bounds of the risk tiers.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tiers {
    /// Upper bounds of a trivial change.
    pub(super) trivial: Option<Bound>,
    /// Upper bounds of a lite change.
    pub(super) lite: Option<Bound>,
    /// Globs of security-sensitive paths beside the built-in ones.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) sensitive_paths: Option<Vec<Spanned<String>>>,
}

/// Upper bounds of a tier.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bound {
    /// Added and removed lines.
    pub(super) max_lines: Option<usize>,
    /// Files.
    pub(super) max_files: Option<usize>,
}

/// What is left out of the reviewers' view.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Globs of noise.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) ignore: Option<Vec<Spanned<String>>>,
    /// Globs of what is never noise.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) include: Option<Vec<Spanned<String>>>,
    /// Globs of what is withheld from prompts and tools.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) never_send: Option<Vec<Spanned<String>>>,
}

/// Which rules are in force.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Codex {
    /// `builtin`, or folders of rule files (`path: .assize/codex`).
    #[schemars(with = "Option<Vec<serde_json::Value>>")]
    pub(super) sources: Option<Vec<Spanned<serde_json::Value>>>,
    /// Rules switched off, each with the reason.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(super) disable: Option<BTreeMap<String, Spanned<String>>>,
    /// Other severities, by rule.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(super) severity: Option<BTreeMap<String, Spanned<String>>>,
}

/// Programs that raise versions. A merge request is one of theirs when both its author and its branch say so.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DependencyBots {
    /// User names, instead of the usual ones.
    pub(super) authors: Option<Vec<String>>,
    /// Globs of source branches, instead of `renovate/**` and `dependabot/**`.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) branches: Option<Vec<Spanned<String>>>,
}

/// What is posted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Publish {
    /// `comment`, or `shadow` for artifacts only.
    #[schemars(with = "Option<String>")]
    pub(super) mode: Option<Spanned<String>>,
    /// Cast approvals and requests for changes.
    pub(super) approve: Option<bool>,
    /// New threads a round.
    pub(super) max_threads: Option<usize>,
    /// Threads are for this severity and worse.
    #[schemars(with = "Option<String>")]
    pub(super) thread_severity: Option<Spanned<String>>,
    /// Set labels on the merge request.
    pub(super) labels: Option<bool>,
    /// Numbers of users that earlier runs wrote as, before a token was replaced.
    pub(super) former_bots: Option<Vec<u64>>,
}

/// How a person lifts the gate.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BreakGlass {
    /// The words that begin the note.
    pub(super) phrase: Option<String>,
    /// The author may do it too.
    pub(super) by_author: Option<bool>,
}

/// Ceilings of a run.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// US dollars for one run.
    #[schemars(with = "Option<f64>")]
    pub(super) max_cost_usd: Option<Spanned<f64>>,
    /// Uncached input and output tokens of one run, retries included.
    #[schemars(with = "Option<u64>")]
    pub(super) max_tokens: Option<Spanned<u64>>,
    /// US dollars for all rounds of a merge request; five times that of one run if absent.
    #[schemars(with = "Option<f64>")]
    pub(super) max_total_cost_usd: Option<Spanned<f64>>,
    /// Uncached input and output tokens of all rounds of a merge request; five times those of one run if absent.
    #[schemars(with = "Option<u64>")]
    pub(super) max_total_tokens: Option<Spanned<u64>>,
    /// The whole run, e.g. `15m`.
    #[schemars(with = "Option<String>")]
    pub(super) timeout: Option<Spanned<String>>,
    /// Reviewers at once.
    #[schemars(with = "Option<usize>")]
    pub(super) max_agents: Option<Spanned<usize>>,
}

/// Returns the JSON schema (draft 2020-12) of the configuration.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(File).to_value()
}
