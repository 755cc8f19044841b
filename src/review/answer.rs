//! Answers of models: the schemas they are asked for, and lenient reading of what comes. What cannot be read is said, never taken for nothing.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::followup::FollowUpAnswer;
use super::{Cited, Claim, Confidence, Quoted, ReviewerName, Severity, Source};

/// Most findings that are read from one answer.
const MAX_FINDINGS: usize = 100;
/// Most findings that a judge is asked about: it answers for each of them.
pub const MAX_JUDGED: usize = MAX_FINDINGS;
/// Longest title, in characters.
const MAX_TITLE_CHARS: usize = 200;
/// Longest body, in characters.
const MAX_BODY_CHARS: usize = 4_000;
/// Longest quote or suggestion, in bytes.
const MAX_CODE_BYTES: usize = 16 << 10;
/// Most related places of one finding.
const MAX_RELATED: usize = 20;

/// What a reviewer submits.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is used: each finding is read by itself, so that one bad one spoils no other")]
struct FindingsAnswer {
    /// The findings, worst first; an empty list is a good answer.
    findings: Vec<FindingAnswer>,
}

/// One finding of a reviewer.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
struct FindingAnswer {
    /// One line that says what is wrong, at most 90 characters.
    title: String,
    /// How bad it is, by the definitions.
    #[serde(deserialize_with = "severity")]
    #[schemars(with = "SeverityWord")]
    severity: Severity,
    /// The changed file.
    path: String,
    /// Anchor of the first line, copied exactly, e.g. `41#3fa2`; empty for the file as a whole.
    #[serde(default, deserialize_with = "text")]
    first: String,
    /// Anchor of the last line; equal to `first` for a single line.
    #[serde(default, deserialize_with = "text")]
    last: String,
    /// The exact text of those lines, without anchors and markers.
    #[serde(default, deserialize_with = "text")]
    quote: String,
    /// What is wrong, when it bites, the smallest fix; at most 80 words.
    body: String,
    /// IDs of the rules that are violated, each opened before with `read_rule`.
    #[serde(default, deserialize_with = "list")]
    rule_ids: Vec<String>,
    /// Replacement for exactly the cited lines, or null.
    #[serde(default)]
    suggestion: Option<String>,
    /// Places outside the change that it breaks.
    #[serde(default, deserialize_with = "list")]
    related: Vec<RelatedAnswer>,
    /// How sure you are, between 0 and 1.
    #[serde(default = "unsaid", deserialize_with = "share")]
    confidence: f64,
    /// ID of the earlier finding that this is again, e.g. `F-3`, or null.
    #[serde(default)]
    prior_id: Option<String>,
}

/// A place outside the change.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
struct RelatedAnswer {
    /// The file.
    path: String,
    /// The line in the head.
    line: u32,
    /// The exact text of the line.
    #[serde(default, deserialize_with = "text")]
    quote: String,
}

/// The words of severities, for the schema.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum SeverityWord {
    Critical,
    Important,
    Suggestion,
    Nit,
}

/// What the coordinator and the refuter submit.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is used: each judgement is read by itself")]
struct VerdictAnswer {
    /// One judgement for each candidate, in the order of the list.
    judgements: Vec<Judgement>,
    /// One answer for each question about an earlier finding, where such questions were asked.
    #[serde(default)]
    answers: Vec<FollowUpAnswer>,
}

/// What the coordinator or the refuter says about one candidate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Judgement {
    /// The candidate, e.g. `C-2`.
    pub id: String,
    /// What becomes of it.
    #[serde(deserialize_with = "decision")]
    #[schemars(with = "DecisionWord")]
    pub decision: Decision,
    /// The candidate that it is merged into, when it is.
    #[serde(default)]
    pub into: Option<String>,
    /// Its severity, corrected where wrong.
    #[serde(default, deserialize_with = "maybe_severity")]
    #[schemars(with = "Option<SeverityWord>")]
    pub severity: Option<Severity>,
    /// The reviewer whose question it answers.
    #[serde(default)]
    pub category: Option<String>,
    /// Its title, rewritten where vague.
    #[serde(default)]
    pub title: Option<String>,
    /// Its body, rewritten where vague, long or wrong.
    #[serde(default)]
    pub body: Option<String>,
    /// The ground of the decision, one sentence in terms of the code.
    #[serde(default, deserialize_with = "text")]
    pub why: String,
}

/// What becomes of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stands.
    Keep,
    /// It is part of another one.
    Merge,
    /// It goes.
    Drop,
}

/// The words of decisions, for the schema.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum DecisionWord {
    Keep,
    Merge,
    Drop,
}

/// What was read from an answer, and what could not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The usable parts, in their order.
    pub items: Vec<T>,
    /// One line for each part that could not be read, fit to be sent back.
    pub unusable: Vec<String>,
}

/// Returns the JSON schema of `submit_findings`.
pub fn findings_schema() -> Value {
    schema_of::<FindingsAnswer>()
}

/// Returns the JSON schema of `submit_verdict`.
pub fn verdict_schema() -> Value {
    schema_of::<VerdictAnswer>()
}

fn schema_of<T: JsonSchema>() -> Value {
    let mut schema = schemars::generate::SchemaSettings::draft07().into_generator().into_root_schema_for::<T>().to_value();
    if let Some(object) = schema.as_object_mut() {
        // Providers take the bare schema; some refuse what only names it.
        object.remove("$schema");
        object.remove("title");
    }
    schema
}

/// Reads the arguments of `submit_findings`. Fails when there is no list of findings at all.
pub fn claims(arguments: &Value, reviewer: &ReviewerName) -> Result<Answer<Claim>, String> {
    let answer: Answer<FindingAnswer> = items(arguments, "findings")?;
    Ok(Answer { items: answer.items.into_iter().map(|finding| claim(finding, reviewer)).collect(), unusable: answer.unusable })
}

/// Reads the arguments of `submit_verdict`. Fails when there is no list of judgements at all.
pub fn judgements(arguments: &Value) -> Result<Answer<Judgement>, String> {
    items(arguments, "judgements")
}

pub(super) fn items<T: DeserializeOwned>(arguments: &Value, key: &str) -> Result<Answer<T>, String> {
    let arguments = unquoted(arguments);
    let list = match arguments.as_ref() {
        Value::Array(_) => Cow::Borrowed(arguments.as_ref()),
        Value::Object(object) => unquoted(object.get(key).ok_or_else(|| format!("`{key}` is missing"))?),
        other => return Err(format!("expected an object with `{key}`, got {}", noun(other))),
    };
    let Value::Array(list) = list.as_ref() else {
        return Err(format!("`{key}` must be a list, got {}", noun(&list)));
    };
    let mut answer = Answer { items: Vec::new(), unusable: Vec::new() };
    for (index, item) in list.iter().enumerate() {
        if index == MAX_FINDINGS {
            answer.unusable.push(format!("`{key}` has {} entries; only the first {MAX_FINDINGS} were read", list.len()));
            break;
        }
        match T::deserialize(item) {
            Ok(item) => answer.items.push(item),
            Err(error) => answer.unusable.push(format!("`{key}[{index}]`: {error}")),
        }
    }
    Ok(answer)
}

/// Some models put JSON into a string where JSON itself was asked for.
fn unquoted(value: &Value) -> Cow<'_, Value> {
    match value {
        Value::String(text) => json_in(text).map_or(Cow::Borrowed(value), Cow::Owned),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Cow::Borrowed(value),
    }
}

fn noun(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn claim(finding: FindingAnswer, reviewer: &ReviewerName) -> Claim {
    let mut related = finding.related;
    related.truncate(MAX_RELATED);
    Claim {
        title: one_line(&finding.title, MAX_TITLE_CHARS),
        severity: finding.severity,
        category: reviewer.clone(),
        body: shortened(finding.body.trim(), MAX_BODY_CHARS),
        rule_ids: finding.rule_ids.into_iter().map(|id| id.trim().trim_matches('`').to_owned()).filter(|id| !id.is_empty()).collect(),
        cited: Cited {
            path: finding.path.trim().trim_matches('`').to_owned(),
            first: finding.first,
            last: finding.last,
            quote: within(finding.quote, MAX_CODE_BYTES),
        },
        related: related.into_iter().map(|place| Quoted { path: place.path, line: place.line, quote: place.quote }).collect(),
        suggestion: finding.suggestion.filter(|code| code.len() <= MAX_CODE_BYTES),
        confidence: Confidence::from_share(finding.confidence),
        source: Source::Reviewer(reviewer.clone()),
        prior_id: finding.prior_id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty() && id != "null"),
    }
}

/// Returns text as one line of at most so many characters.
pub(super) fn one_line(text: &str, most: usize) -> String {
    shortened(text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.'), most)
}

/// Returns text of at most so many characters, an ellipsis for the rest.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn within(text: String, most: usize) -> String {
    if text.len() <= most { text } else { text.lines().next().filter(|line| line.len() <= most).unwrap_or("").to_owned() }
}

/// Returns the JSON in a text: the text itself, a fenced block, or what stands between the first and the last bracket, repaired if need be.
pub fn json_in(text: &str) -> Option<Value> {
    let text = text.trim();
    let structured = |value: &Value| value.is_object() || value.is_array();
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return Some(value).filter(structured);
    }
    let fenced = text.split("```").skip(1).step_by(2).map(|block| block.split_once('\n').map_or(block, |(_, rest)| rest));
    let start = text.find(['{', '[']);
    let end = text.rfind(['}', ']']);
    let bracketed = start.zip(end).and_then(|(start, end)| text.get(start..=end));
    // An answer that was cut has no end: what is there is worth reading.
    let open = start.and_then(|start| text.get(start..));
    let candidates: Vec<&str> = fenced.chain(bracketed).chain(open).map(str::trim).filter(|part| part.starts_with(['{', '['])).collect();
    let whole = candidates.iter().find_map(|part| serde_json::from_str(part).ok().filter(structured));
    whole.or_else(|| candidates.iter().find_map(|part| jsonrepair_rs::jsonrepair_value(part).ok().filter(structured)))
}

/// Returns the tool calls that a model wrote as text, as name and arguments: some servers do so even when tools are asked for.
///
/// Understood are JSON objects with `name` and `arguments` (or `parameters`), alone, in a list, in a code fence or in `<tool_call>` tags.
pub fn calls_in(text: &str) -> Vec<(String, Value)> {
    let tagged: Vec<&str> = text.split("<tool_call>").skip(1).map(|part| part.split("</tool_call>").next().unwrap_or(part)).collect();
    let fenced: Vec<&str> = text.split("```").skip(1).step_by(2).collect();
    let parts = if !tagged.is_empty() {
        tagged
    } else if !fenced.is_empty() {
        fenced
    } else {
        vec![text]
    };
    parts
        .into_iter()
        .filter_map(json_in)
        .flat_map(|value| match value {
            Value::Array(list) => list,
            other => vec![other],
        })
        .filter_map(|value| call(&value))
        .collect()
}

fn call(value: &Value) -> Option<(String, Value)> {
    let value = value.get("function").filter(|inner| inner.is_object()).unwrap_or(value);
    let name = value.get("name").or_else(|| value.get("tool"))?.as_str()?;
    let arguments = value.get("arguments").or_else(|| value.get("parameters"))?;
    Some((name.to_owned(), unquoted(arguments).into_owned()))
}

fn unsaid() -> f64 {
    0.5
}

pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    match unquoted(&value).as_ref() {
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.trim().is_empty() => Ok(Vec::new()),
        Value::Array(items) => items.iter().map(|item| T::deserialize(item).map_err(serde::de::Error::custom)).collect(),
        other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            Ok(vec![T::deserialize(other).map_err(serde::de::Error::custom)?])
        }
    }
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = match &value {
        Value::Null => Some(unsaid()),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "high" => Some(0.9),
            "medium" => Some(0.6),
            "low" => Some(0.3),
            text => text.trim_end_matches('%').trim().parse().ok(),
        },
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let number = number.ok_or_else(|| serde::de::Error::custom("`confidence` must be a number between 0 and 1"))?;
    Ok(if number > 1.0 { number / 100.0 } else { number })
}

fn severity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Severity, D::Error> {
    let word = String::deserialize(deserializer)?;
    Severity::parse(&word)
        .ok_or_else(|| serde::de::Error::custom(format!("`severity` is {word:?}, but must be critical, important, suggestion or nit")))
}

pub(super) fn maybe_severity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Severity>, D::Error> {
    // What the coordinator does not say well leaves the severity as it is: no claim is lost for it.
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|word| Severity::parse(&word)))
}

fn decision<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decision, D::Error> {
    match String::deserialize(deserializer)?.trim().to_ascii_lowercase().as_str() {
        "keep" => Ok(Decision::Keep),
        "merge" => Ok(Decision::Merge),
        "drop" => Ok(Decision::Drop),
        other => Err(serde::de::Error::custom(format!("`decision` is {other:?}, but must be keep, merge or drop"))),
    }
}

#[cfg(test)]
mod tests;
