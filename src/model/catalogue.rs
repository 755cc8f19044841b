//! Which models there are: the dated defaults per provider and class, what is known of their sizes, and what a server of one's own offers.
//! The only place that names models. It must not choose for a configuration that names its own.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::Value;

use super::{fault, wire};
use crate::error::Failure;
use crate::review::{PerMillion, Price};
use crate::settings::{Key, ModelClass, Provider, ProviderKind};

/// How long a server may take to list its models.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest list that is read, in bytes.
const MAX_LIST_BYTES: usize = 4 << 20;
/// Models that are named when there is more than one.
const MAX_NAMED: usize = 20;

static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| serde_saphyr::from_str(include_str!("catalogue.yml")).expect("catalogue.yml is part of the program and tested"));

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    dated: String,
    classes: BTreeMap<String, BTreeMap<String, String>>,
    prices: BTreeMap<String, ListPrice>,
    models: BTreeMap<String, ModelSize>,
}

/// US dollars per million tokens.
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListPrice {
    input: f64,
    cached_input: Option<f64>,
    cache_write: Option<f64>,
    output: f64,
}

/// What is known of a model's sizes, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSize {
    /// Input and output together.
    pub context: u32,
    /// The most it answers with.
    pub max_output: u32,
}

/// Returns the model that a class means at the vendor of a protocol when the configuration names none.
pub fn default_model(kind: ProviderKind, class: ModelClass) -> &'static str {
    &CATALOGUE.classes[kind.word()][class.word()]
}

/// Returns the day that the catalogue was written, `YYYY-MM-DD`.
pub fn catalogue_date() -> &'static str {
    &CATALOGUE.dated
}

/// Returns the sizes of a model; none if the catalogue does not know it. A name of the catalogue stands for all that begin with it.
pub fn model_size(model: &str) -> Option<ModelSize> {
    CATALOGUE.models.iter().filter(|(name, _)| model.starts_with(name.as_str())).max_by_key(|(name, _)| name.len()).map(|(_, size)| *size)
}

/// Returns the published price of a model or of a dated version of it; none if the catalogue does not know it.
pub fn list_price(model: &str) -> Option<Price> {
    let (_, price) = CATALOGUE.prices.iter().find(|(name, _)| model.strip_prefix(name.as_str()).is_some_and(is_version))?;
    let ListPrice { input, cached_input, cache_write, output } = *price;
    Price::new(PerMillion { input, cached_input, cache_write, output })
}

/// What follows a name in a dated version of the same model: `-20251001`, `@2025-10-01`, `-latest`.
fn is_version(rest: &str) -> bool {
    let Some(date) = rest.strip_prefix(['-', '@']) else { return rest.is_empty() };
    date == "latest" || (date.len() >= 8 && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

/// Asks a server of one's own for its models and returns the only one. Fails with exit 2 when there are several, naming them, none, or when
/// the address is no model endpoint.
pub async fn only_model(provider: &Provider, http: &reqwest::Client) -> Result<String, Failure> {
    let endpoint = wire::shown(provider);
    let remedy = "set `models:` in .assize.yml, or ASSIZE_MODEL";
    let models = tokio::time::timeout(LIST_TIMEOUT, list(provider, http))
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", LIST_TIMEOUT.as_secs())))
        .map_err(|why| {
            Failure::usage(format!("{endpoint} does not list its models: {why}")).hint(format!("{}; or {remedy}", wire::remedy(provider)))
        })?;
    match models.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Failure::usage(format!("{endpoint} offers no model")).hint("load one there, then run again")),
        several => {
            let named = several.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
            let rest = several.len().saturating_sub(MAX_NAMED);
            let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            Err(Failure::usage(format!("{endpoint} offers several models: {named}{more}")).hint(remedy))
        }
    }
}

/// Returns the names, sorted, or why there are none, without secrets.
async fn list(provider: &Provider, http: &reqwest::Client) -> Result<Vec<String>, String> {
    let (base, query) = wire::base(provider);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let mut request = http.get(format!("{base}/models{query}"));
    for (name, value) in wire::headers(provider) {
        request = request.header(name, value);
    }
    let response = request.send().await.map_err(|error| fault::innermost(&error))?;
    let status = response.status();
    match status.as_u16() {
        200 => {}
        401 | 403 if matches!(provider.key, Key::NotNeeded) => return Err(format!("{status}, and no key is configured")),
        401 | 403 => return Err(format!("{status}, the key is refused")),
        _ => return Err(status.to_string()),
    }
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(&chunk.map_err(|error| fault::innermost(&error))?);
        if body.len() > MAX_LIST_BYTES {
            return Err(format!("the answer is larger than {} MiB", MAX_LIST_BYTES >> 20));
        }
    }
    names(&body).ok_or_else(|| "the answer is no list of models".to_owned())
}

/// Reads the lists of OpenAI and Anthropic (`data`, `id`) and of Gemini (`models`, `name`).
fn names(body: &[u8]) -> Option<Vec<String>> {
    let json: Value = serde_json::from_slice(body).ok()?;
    let entries = json.get("data").or_else(|| json.get("models"))?.as_array()?;
    let name = |entry: &Value| {
        let name = entry.get("id").or_else(|| entry.get("name"))?.as_str()?;
        let name = name.strip_prefix("models/").unwrap_or(name);
        (!name.is_empty() && !name.chars().any(char::is_control)).then(|| name.to_owned())
    };
    let mut names = entries.iter().map(name).collect::<Option<Vec<_>>>()?;
    names.sort();
    names.dedup();
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_protocol_has_every_class_and_nothing_else_stands_in_the_catalogue() {
        for kind in [ProviderKind::Anthropic, ProviderKind::OpenAi, ProviderKind::Gemini] {
            let models = ModelClass::ALL.map(|class| default_model(kind, class));
            assert!(models.iter().all(|model| !model.is_empty() && model_size(model).is_some()), "{models:?}");
        }
        assert_eq!(CATALOGUE.classes.len(), ProviderKind::WORDS.len());
        assert!(CATALOGUE.classes.values().all(|classes| classes.len() == ModelClass::ALL.len()));
        assert_eq!(catalogue_date().len(), "2026-01-01".len());
    }

    #[test]
    fn anthropics_classes_are_the_documented_ones() {
        let models = ModelClass::ALL.map(|class| default_model(ProviderKind::Anthropic, class));
        assert_eq!(models, ["claude-opus-4-7", "claude-sonnet-4-6", "claude-haiku-4-5"]);
    }

    #[test]
    fn a_dated_name_has_the_sizes_of_its_model_and_an_unknown_one_none() {
        let size = model_size("claude-haiku-4-5-20251001");
        assert_eq!(size, Some(ModelSize { context: 200_000, max_output: 64_000 }));
        assert_eq!(model_size("qwen3-coder"), None);
    }

    #[test]
    fn every_default_has_a_price_and_every_price_is_one() {
        for kind in [ProviderKind::Anthropic, ProviderKind::OpenAi, ProviderKind::Gemini] {
            for class in ModelClass::ALL {
                let model = default_model(kind, class);
                assert!(list_price(model).is_some(), "{model}");
            }
        }
        assert!(CATALOGUE.prices.keys().all(|name| list_price(name).is_some()));
    }

    #[test]
    fn a_dated_version_has_the_price_of_its_model_and_a_sibling_has_not() {
        assert_eq!(list_price("claude-haiku-4-5-20251001"), list_price("claude-haiku-4-5"));
        assert_eq!(list_price("gpt-5.4-2026-03-05"), list_price("gpt-5.4"));
        assert_ne!(list_price("gpt-5.4-mini"), list_price("gpt-5.4"));
        assert_eq!(["gpt-5.6-terra", "claude-opus-4-75", "qwen3-coder", ""].map(list_price), [None; 4]);
    }

    #[test]
    fn lists_of_both_shapes_are_read_and_others_refused() {
        let list = |body: &str| names(body.as_bytes());
        assert_eq!(list(r#"{"data":[{"id":"b"},{"id":"a"},{"id":"a"}]}"#), Some(vec!["a".into(), "b".into()]));
        assert_eq!(list(r#"{"models":[{"name":"models/g"}]}"#), Some(vec!["g".into()]));
        assert_eq!(list(r#"{"data":[]}"#), Some(vec![]));
        for other in ["<html>", "{}", r#"{"data":{}}"#, r#"{"data":[{"x":1}]}"#, r#"{"data":[{"id":""}]}"#] {
            assert_eq!(list(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            names(&body);
        }
    }
}
