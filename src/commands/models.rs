//! The models of a run, made from its settings. A key that is missing is no missing configuration: its reviewers fail, and say why.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::agent::{Engine, Models, Unavailable};
use crate::env::Env;
use crate::error::Failure;
use crate::model::{Remote, Retry, default_model, http_client, model_size, only_model};
use crate::settings::{Key, ModelClass, ModelName, Provider, Settings};

/// How long a vendor may take until the first byte of an answer.
const FIRST_BYTE: Duration = Duration::from_mins(1);
/// How long a server of one's own may take: it may have to load the model, or to work off a queue.
const FIRST_BYTE_OWN: Duration = Duration::from_mins(5);
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
}

/// Returns the first model of each class's chain; a class without one gets its provider's default.
///
/// Fails when a server of one's own must be asked for its only model and has none or several.
pub async fn reach(settings: &Settings, env: &Env) -> Result<Reach, Failure> {
    let extra_ca = match env.var("SSL_CERT_FILE") {
        Some(path) => Some(std::fs::read(env.cwd.join(path)).map_err(|error| {
            Failure::usage(format!("cannot read {path}: {error}")).hint("SSL_CERT_FILE names a file of PEM certificates")
        })?),
        None => None,
    };
    let http = http_client(extra_ca.as_deref())?;
    let mut only: BTreeMap<String, String> = BTreeMap::new();
    let mut by_class = BTreeMap::new();
    let mut names = Vec::new();
    for class in ModelClass::ALL {
        let chosen = settings.models.get(&class).and_then(|chain| chain.first());
        let (provider, model) = if let Some(ModelName { provider, model }) = chosen {
            let known = settings.providers.iter().find(|known| known.name == *provider);
            (known.expect("settings check the provider of a model"), model.clone())
        } else {
            let Some(provider) = settings.providers.first() else { continue };
            (provider, default(provider, class, &http, &mut only).await?)
        };
        names.push(format!("{}/{model}", provider.name));
        by_class.insert(class, engine(provider, &model, &http));
    }
    Ok(Reach { models: Models { by_class }, group_bytes: group_bytes(&names) })
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

fn engine(provider: &Provider, model: &str, http: &reqwest::Client) -> Result<Engine, Unavailable> {
    if let Key::Missing { variable } = &provider.key {
        return Err(Unavailable(format!(
            "{variable}, the key of {}, is not set (usually a protected variable on an unprotected branch)",
            provider.name
        )));
    }
    let first_byte = if provider.base_url.is_some() { FIRST_BYTE_OWN } else { FIRST_BYTE };
    Ok(Engine { model: Arc::new(Remote::new(provider, model, http.clone(), Retry::default())), first_byte })
}
