//! The tools as models see them: names, descriptions, schemas of arguments. The same list for every reader, so that a provider's cache holds it once.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::model::ToolSpec;
use crate::review::{Tool, findings_schema, verdict_schema};

/// The tool by which a reviewer ends.
pub(super) const SUBMIT_FINDINGS: &str = "submit_findings";
/// The tool by which coordinator and refuter end.
pub(super) const SUBMIT_VERDICT: &str = "submit_verdict";

/// A file.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct PathArgs {
    /// Path from the top of the repository.
    pub(super) path: String,
}

/// Lines of a file.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct ReadFileArgs {
    /// Path from the top of the repository.
    pub(super) path: String,
    /// First line, from 1; the beginning if left out.
    #[serde(default)]
    pub(super) start: Option<usize>,
    /// Last line; as much as one answer holds if left out.
    #[serde(default)]
    pub(super) end: Option<usize>,
}

/// A search.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct GrepArgs {
    /// Regular expression, tried on each line; `(?i)` ignores case.
    pub(super) pattern: String,
    /// Glob of the paths to search, e.g. `src/**/*.rs`; all files if left out.
    #[serde(default)]
    pub(super) glob: Option<String>,
}

/// A choice of files.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct GlobArgs {
    /// Glob of the paths to list, e.g. `**/Cargo.toml`.
    pub(super) glob: String,
}

/// A rule.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct RuleArgs {
    /// Its ID, e.g. `SEC-0007`.
    pub(super) id: String,
}

/// Returns all tools, in the order in which every reader gets them.
pub fn tool_specs() -> Arc<[ToolSpec]> {
    let reading = Tool::ALL.into_iter().map(|tool| {
        let (description, schema) = match tool {
            Tool::ReadDiff => ("The change of one file, with anchors.", schema_of::<PathArgs>()),
            Tool::ReadFile => {
                ("Lines of a file as it is after the change, numbered; at most 400 lines an answer.", schema_of::<ReadFileArgs>())
            }
            Tool::Grep => ("Places of a regular expression in the files after the change; at most 100.", schema_of::<GrepArgs>()),
            Tool::ListFiles => ("Paths after the change that match a glob; at most 500.", schema_of::<GlobArgs>()),
            Tool::ReadRule => ("A rule of the codex, whole: why it is, bad and good examples, exceptions.", schema_of::<RuleArgs>()),
            Tool::GitHistory => ("The last ten commits that touched a path, newest first.", schema_of::<PathArgs>()),
        };
        ToolSpec { name: tool.word(), description, schema }
    });
    let submitting = [
        ToolSpec {
            name: SUBMIT_FINDINGS,
            description: "Ends a review with its findings. Call it exactly once.",
            schema: findings_schema(),
        },
        ToolSpec { name: SUBMIT_VERDICT, description: "Ends a judgement of candidates. Call it exactly once.", schema: verdict_schema() },
    ];
    reading.chain(submitting).collect()
}

fn schema_of<T: JsonSchema>() -> Value {
    let mut schema = schemars::generate::SchemaSettings::draft07().into_generator().into_root_schema_for::<T>().to_value();
    if let Some(object) = schema.as_object_mut() {
        for key in ["$schema", "title", "description"] {
            object.remove(key);
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_a_description_and_a_schema_of_an_object() {
        let specs = tool_specs();
        let names: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
        assert_eq!(
            names,
            ["read_diff", "read_file", "grep", "list_files", "read_rule", "git_history", "submit_findings", "submit_verdict"]
        );
        for spec in specs.iter() {
            assert!(!spec.description.is_empty());
            assert_eq!(spec.schema["type"], "object", "{}", spec.name);
            assert_eq!(spec.schema.get("$schema"), None);
        }
    }
}
