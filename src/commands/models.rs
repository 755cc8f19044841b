//! The models of a run, made from its settings. A key that is missing is no missing configuration: its reviewers fail, and say why.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use crate::agent::{Models, Unavailable};
use crate::env::Env;
use crate::error::Failure;
use crate::model::{
    Alone, Amount, Ceiling, Chain, Circuits, Gate, Ledger, Link, Model, Remote, Retry, Unreadable, catalogue_date, default_model,
    http_client, list_price, model_size, only_model,
};
use crate::review::Price;
use crate::settings::{Key, Limits, ModelClass, ModelName, Provider, Settings};

/// Where a job leaves what the next one should know about its models, in the folder that `ASSIZE_CACHE_DIR` names.
const MEMORY_FILE: &str = "assize-models.json";
/// The largest such file that is read, in bytes: what is in a cache may be anybody's.
const MAX_MEMORY_BYTES: u64 = 64 << 10;
/// Bytes of patches that one request embeds, for a model whose size is known.
const GROUP_BYTES: usize = 200_000;
/// The same for a model of unknown size: many servers of one's own have 32k tokens.
const GROUP_BYTES_UNKNOWN: usize = 60_000;

/// Returns what each class would be answered by, by name, without asking anybody. Empty: no provider is configured.
pub fn named(settings: &Settings) -> BTreeMap<ModelClass, String> {
    let mut names = BTreeMap::new();
    for class in ModelClass::ALL {
        let chosen = settings.models.get(&class).and_then(|chain| chain.first());
        let name = match (chosen, settings.providers.first()) {
            (Some(model), _) => format!("{}/{}", model.provider, model.model),
            (None, Some(provider)) => match &provider.base_url {
                None => format!("{}/{}", provider.name, default_model(provider.kind, class)),
                Some(url) => format!("the only model of {url}"),
            },
            (None, None) => continue,
        };
        names.insert(class, name);
    }
    names
}

/// Returns how many bytes of patches one request may embed with these models.
pub fn group_bytes<'a>(names: impl IntoIterator<Item = &'a String>) -> usize {
    let known = |name: &String| name.split_once('/').is_some_and(|(_, model)| model_size(model).is_some());
    if names.into_iter().all(known) { GROUP_BYTES } else { GROUP_BYTES_UNKNOWN }
}

/// The models of a run, and how much of a change fits one request.
pub struct Reach {
    /// The models by class.
    pub models: Models,
    /// Bytes of patches that one request embeds.
    pub group_bytes: usize,
    /// Which of them are left alone for a while: what the next job is told.
    pub circuits: Arc<Circuits>,
}

/// A model that a class may be answered by.
struct Candidate<'a> {
    provider: &'a Provider,
    model: String,
}

/// Returns the chain of each class; a class without one gets its provider's default.
///
/// Fails when a server of one's own must be asked for its only model and has none or several.
pub async fn reach(settings: &Settings, env: &Env, retry: Retry) -> Result<Reach, Failure> {
    let extra_ca = match env.var("SSL_CERT_FILE") {
        Some(path) => Some(std::fs::read(env.cwd.join(path)).map_err(|error| {
            Failure::usage(format!("cannot read {path}: {error}")).hint("SSL_CERT_FILE names a file of PEM certificates")
        })?),
        None => None,
    };
    let http = http_client(extra_ca.as_deref())?;
    let mut only: BTreeMap<String, String> = BTreeMap::new();
    let mut chains: Vec<(ModelClass, Vec<Candidate<'_>>)> = Vec::new();
    for class in ModelClass::ALL {
        let chosen = settings.models.get(&class).map(Vec::as_slice).unwrap_or_default();
        let mut chain: Vec<Candidate<'_>> = chosen
            .iter()
            .map(|ModelName { provider, model }| {
                let known = settings.providers.iter().find(|known| known.name == *provider);
                Candidate { provider: known.expect("settings check the provider of a model"), model: model.clone() }
            })
            .collect();
        if let (true, Some(provider)) = (chain.is_empty(), settings.providers.first()) {
            chain.push(Candidate { provider, model: default(provider, class, &http, &mut only).await? });
        }
        if !chain.is_empty() {
            chains.push((class, chain));
        }
    }
    let (circuits, forgotten) = recall(env);
    let gates: BTreeMap<&str, Arc<Gate>> = settings
        .providers
        .iter()
        .map(|provider| (provider.name.as_str(), Arc::new(Gate::new(provider.max_parallel, provider.requests_per_minute))))
        .collect();
    let link = |candidate: &Candidate<'_>, alone: Alone| {
        let remote = Remote::new(candidate.provider, &candidate.model, http.clone());
        let circuit = circuits.of(remote.name(), alone);
        let price = price(candidate.provider, &candidate.model);
        Link { model: Arc::new(remote), circuit, gate: Arc::clone(&gates[candidate.provider.name.as_str()]), price }
    };
    let ledger = Arc::new(ledger(settings));
    let mut models = Models { remarks: forgotten.into_iter().collect(), ledger: Some(Arc::clone(&ledger)), ..Models::default() };
    models.prices_dated = Some(catalogue_date().to_owned());
    let mut names = Vec::new();
    for (class, chain) in &chains {
        for Candidate { provider, model } in chain {
            let name = format!("{}/{model}", provider.name);
            models.prices.extend(price(provider, model).map(|price| (name.clone(), price)));
            names.push(name);
        }
        let (present, missing): (Vec<&Candidate<'_>>, Vec<&Candidate<'_>>) =
            chain.iter().partition(|candidate| !matches!(candidate.provider.key, Key::Missing { .. }));
        let mut whys: Vec<String> = missing.iter().filter_map(|candidate| missing_key(candidate.provider)).collect();
        whys.dedup();
        let alone = if present.len() == 1 { Alone::Yes } else { Alone::No };
        let links: Vec<Link> = present.into_iter().map(|candidate| link(candidate, alone)).collect();
        let answers: Result<Arc<dyn Model>, Unavailable> = match links.first() {
            None => Err(Unavailable(whys.join("; "))),
            Some(first) => {
                let instead = first.model.name().to_owned();
                models.remarks.extend(whys.into_iter().map(|why| format!("{why}; for the class {}, {instead} is asked", class.word())));
                Ok(Arc::new(Chain::new(links, retry, Arc::clone(&ledger))))
            }
        };
        models.by_class.insert(*class, answers);
    }
    Ok(Reach { models, group_bytes: group_bytes(&names), circuits: Arc::new(circuits) })
}

/// Returns what a model costs, by `provider/model`; nothing if the price is unknown.
pub fn price_of(settings: &Settings, name: &str) -> Option<Price> {
    let (provider, model) = name.split_once('/')?;
    price(settings.providers.iter().find(|known| known.name == provider)?, model)
}

/// What a model costs: as the configuration says, else as its vendor publishes.
fn price(provider: &Provider, model: &str) -> Option<Price> {
    provider.prices.get(model).copied().or_else(|| list_price(model))
}

fn ledger(settings: &Settings) -> Ledger {
    let Limits { max_cost, max_tokens, max_total_cost, max_total_tokens, timeout: _, max_agents: _ } = settings.limits;
    let run =
        Ceiling { most: Amount { usd: max_cost, tokens: max_tokens }, usd_key: "limits.max_cost_usd", tokens_key: "limits.max_tokens" };
    let total = Ceiling {
        most: Amount { usd: max_total_cost, tokens: max_total_tokens },
        usd_key: "limits.max_total_cost_usd",
        tokens_key: "limits.max_total_tokens",
    };
    Ledger::new(run, total)
}

fn missing_key(provider: &Provider) -> Option<String> {
    let Key::Missing { variable } = &provider.key else { return None };
    Some(format!("{variable}, the key of {}, is not set (usually a protected variable on an unprotected branch)", provider.name))
}

/// What an earlier job left about its models, and a remark if it could not be read. A job without it starts afresh: it is a convenience.
fn recall(env: &Env) -> (Circuits, Option<String>) {
    let afresh = || Circuits::new(env.started_unix);
    let Some(folder) = env.var("ASSIZE_CACHE_DIR") else { return (afresh(), None) };
    let path = env.cwd.join(folder).join(MEMORY_FILE);
    let unreadable = |why: String| (afresh(), Some(format!("{} cannot be read and counts as empty: {why}", path.display())));
    let mut text = String::new();
    let read = std::fs::File::open(&path).and_then(|file| file.take(MAX_MEMORY_BYTES + 1).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 > MAX_MEMORY_BYTES => unreadable(format!("it is larger than {MAX_MEMORY_BYTES} bytes")),
        Ok(_) => match Circuits::recall(&text, env.started_unix) {
            Ok(circuits) => (circuits, None),
            Err(Unreadable(why)) => unreadable(why),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (afresh(), None),
        Err(error) => unreadable(error.to_string()),
    }
}

/// Leaves for the next job which models are to be left alone for a while, if there is a folder for it. That it cannot be written is no reason to
/// fail a review.
pub fn remember(circuits: &Circuits, env: &Env) {
    let Some(folder) = env.var("ASSIZE_CACHE_DIR") else { return };
    let folder = env.cwd.join(folder);
    let write = || {
        std::fs::create_dir_all(&folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        file.write_all(circuits.tell().as_bytes())?;
        // Whole or not at all: a job that is killed here leaves what was there before.
        file.persist(folder.join(MEMORY_FILE)).map_err(|error| error.error)
    };
    if let Err(error) = write() {
        tracing::warn!("cannot keep what the next job should know in {}: {error}", folder.display());
    }
}

async fn default(
    provider: &Provider,
    class: ModelClass,
    http: &reqwest::Client,
    only: &mut BTreeMap<String, String>,
) -> Result<String, Failure> {
    if provider.base_url.is_none() {
        return Ok(default_model(provider.kind, class).to_owned());
    }
    if let Some(known) = only.get(&provider.name) {
        return Ok(known.clone());
    }
    let model = only_model(provider, http).await?;
    only.insert(provider.name.clone(), model.clone());
    Ok(model)
}
