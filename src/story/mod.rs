//! Stories: one run in one Markdown file that a person can read, a machine can repeat offline, and a test can hold the program against. A pure room:
//! text in, values out and back. It must not run anything.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod parse;
mod write;

pub use parse::parse;
pub use write::{blessed, write};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Largest story that is read, in bytes.
pub const MAX_STORY_BYTES: usize = 32 << 20;

/// One run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// The first heading: what happens, as a sentence.
    pub title: String,
    /// How the run was started.
    pub run: Run,
    /// The change, a unified diff.
    pub change: String,
    /// Files of the head: path and content.
    pub files: BTreeMap<String, String>,
    /// The configuration, if there was one.
    pub config: Option<String>,
    /// What each reader's model answered, in order.
    pub answers: Vec<Told>,
    /// What is expected, by name (`terminal`, `result`, `markdown`).
    pub expected: Vec<Expected>,
}

/// How a run was started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// A forced tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Only these reviewers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Not these reviewers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<String>,
    /// What `--fail-on` said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_on: Option<String>,
    /// Class → the model that answered, `provider/model`. Without any, nobody was asked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, String>,
    /// The merge request's title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The merge request's description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Bytes of patches that one request embeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_bytes: Option<usize>,
}

/// One answer of a model to one reader.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The reader, e.g. `security`, `security@2` for its second group, `coordinator`.
    pub reader: String,
    /// What came back.
    pub answer: Answer,
}

/// What came back from a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Its words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Its tool calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
    /// `length` if the limit on output cut it, `refused: WHY` if it refused; done if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
    /// Tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Tokens>,
    /// The model that answered, if it is not the one that the class names: a later one of its chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The call failed: kind and message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failed>,
}

/// A tool call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
}

/// Tokens of one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Input, cached ones included.
    pub input: u64,
    /// Of these, read from the provider's cache.
    #[serde(default)]
    pub cached: u64,
    /// Output.
    pub output: u64,
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// One of `rate_limited`, `unavailable`, `timed_out`, `exhausted`, `credentials`, `too_long`, `refused`, `not_a_model`, `ceiling`.
    pub kind: String,
    /// One line for people.
    pub message: String,
}

/// A block that says what a run must give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What of the run: `terminal`, `markdown`, `result`, `exit`.
    pub name: String,
    /// The text.
    pub text: String,
    /// Where the text stands in the file, in bytes: what blessing replaces.
    pub at: std::ops::Range<usize>,
}
