//! The front matter as a tree whose every part knows its place, so that each message can point. It must not know what the keys mean.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, MergeKeyPolicy, NonFiniteFloatPolicy, Options, Spanned};
use std::fmt;

use super::complaint::{At, Complaint};

/// The deepest nesting of a front matter, in levels.
const MAX_DEPTH_LEVELS: usize = 64;
/// The most values of a front matter: far more than any rule holds, few enough that an alias bomb ends at once.
const MAX_NODES: usize = 20_000;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it stands.
    pub(super) at: At,
    /// What it is.
    pub(super) value: Value,
}

/// A key and its place.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// Where it stands.
    pub(super) at: At,
    /// The word.
    pub(super) word: String,
}

/// What a value is, as YAML 1.2 infers it.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing behind the colon, or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<(Key, Node)>),
}

impl Value {
    /// Returns what to call it in a message.
    pub(super) fn noun(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Bool(value) => format!("the truth value {value}"),
            Self::Number(value) => format!("the number {value}"),
            Self::Text(_) => "a text".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a mapping".to_owned(),
        }
    }
}

impl Node {
    /// Returns the tree of a YAML text, or what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, Complaint> {
        serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
            let at = error.location().map_or(At::line(1), at);
            // The first line says it; the rest is a snippet in another style than ours, or advice for callers of the library.
            let message = error.without_snippet().to_string();
            let mut message = message.lines().next().unwrap_or("not YAML");
            for tail in [" at line ", ", set DuplicateKeyPolicy", "; use Option"] {
                message = message.split(tail).next().unwrap_or(message);
            }
            Complaint::new(at, format!("the front matter is not valid YAML: {message}"))
        })
    }

    /// Returns the same as JSON, for those who read serde values.
    pub(super) fn json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(value) => Json::Number(value.clone()),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Self::json).collect()),
            Value::Map(entries) => Json::Object(entries.iter().map(|(key, node)| (key.word.clone(), node.json())).collect()),
        }
    }

    /// Returns the place of the first key or text with these words, at any depth.
    pub(super) fn find(&self, words: &str) -> Option<At> {
        match &self.value {
            Value::Text(text) => (text == words).then_some(self.at),
            Value::Null | Value::Bool(_) | Value::Number(_) => None,
            Value::List(items) => items.iter().find_map(|item| item.find(words)),
            Value::Map(entries) => entries.iter().find_map(|(key, node)| if key.word == words { Some(key.at) } else { node.find(words) }),
        }
    }
}

/// Returns the strictness that ast-grep reads its own rules with, and bounds for files that nobody has read yet.
fn options() -> Options {
    let mut options = Options::default();
    options.strict_booleans = true;
    options.merge_keys = MergeKeyPolicy::AsOrdinary;
    options.non_finite_float_policy = NonFiniteFloatPolicy::AsString;
    options.reject_unsupported_tags = true;
    options.alias_limits.max_total_replayed_events = MAX_NODES;
    if let Some(budget) = &mut options.budget {
        budget.max_depth = MAX_DEPTH_LEVELS;
        budget.flow_nesting_limit = MAX_DEPTH_LEVELS;
        budget.max_nodes = MAX_NODES;
        budget.max_documents = 1;
    }
    options
}

/// Returns a place as messages give it.
fn at(location: Location) -> At {
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX).max(1);
    At { line: number(location.line()), column: number(location.column()), width: number(location.span().len()) }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { at: at(spanned.referenced), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self { at: at(spanned.referenced), word: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

/// Takes whatever comes.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(serde_json::Number::from_f64(value).map_or_else(|| Value::Text(value.to_string()), Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Node>()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry::<Key, Node>()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}
