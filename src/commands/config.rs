//! `assize config`: a look at the configuration. Keys are never shown.

use std::fmt::Write as _;

use super::input;
use crate::cli::{ConfigArgs, ConfigCommand};
use crate::env::{Env, Io};
use crate::error::Failure;
use crate::exit::Exit;
use crate::settings::{self, Effective, Flags, Key, ModelClass, Speaker};

/// Runs the command.
pub async fn run(command: &ConfigCommand, env: &Env, io: &mut Io) -> Result<Exit, Failure> {
    let text = match command {
        ConfigCommand::Schema => {
            let mut text = serde_json::to_string_pretty(&settings::schema()).expect("a schema has string keys only");
            text.push('\n');
            text
        }
        ConfigCommand::Check(args) => {
            let (name, effective) = load(args, env).await?;
            format!(
                "{}: valid, sets {}\n",
                name.as_deref().unwrap_or("no configuration file, the defaults are"),
                crate::report::plural(effective.origins.len(), "value")
            )
        }
        ConfigCommand::Show(args) => show(&load(args, env).await?.1),
    };
    super::print(io, &text)?;
    Ok(Exit::Done)
}

async fn load(args: &ConfigArgs, env: &Env) -> Result<(Option<String>, Effective), Failure> {
    let config = input::gather_config(args, env).await?;
    let effective = settings::load(config.as_ref(), env, &Flags::default(), Speaker::Owner)?;
    Ok((config.map(|config| config.name), effective))
}

/// The values of a run, one a line as `key: value`, with their origins behind `#`.
fn show(effective: &Effective) -> String {
    let Effective { settings, origins } = effective;
    let mut out = String::new();
    let mut line = |key: &str, value: String| {
        let origin = origins.get(key).map_or("default", String::as_str);
        writeln!(out, "{key}: {value}  # {origin}").expect("writing to a string cannot fail");
    };
    for provider in &settings.providers {
        let key = match &provider.key {
            Key::Present(_) => "with a key",
            Key::Missing { .. } => "its key is missing",
            Key::NotNeeded => "without a key",
        };
        let at = provider.base_url.as_deref().map(|url| format!(", at {url}")).unwrap_or_default();
        line(&format!("providers.{}", provider.name), format!("{}{at}, {key}", provider.kind.word()));
    }
    for class in ModelClass::ALL {
        if let Some(chain) = settings.models.get(&class) {
            let names: Vec<String> = chain.iter().map(|model| format!("{}/{}", model.provider, model.model)).collect();
            line(&format!("models.{}", class.word()), format!("[{}]", names.join(", ")));
        }
    }
    for (name, reviewer) in &settings.reviewers {
        let mut parts = Vec::new();
        parts.extend(reviewer.enabled.map(|enabled| format!("enabled: {enabled}")));
        parts.extend(reviewer.model.map(|class| format!("model: {}", class.word())));
        parts.extend(reviewer.timeout.map(|timeout| format!("timeout: {}s", timeout.as_secs())));
        line(&format!("reviewers.{name}"), format!("{{ {} }}", parts.join(", ")));
    }
    for (key, bound) in [("tiers.trivial", settings.tiers.trivial), ("tiers.lite", settings.tiers.lite)] {
        line(key, format!("{{ max_lines: {}, max_files: {} }}", bound.max_lines, bound.max_files));
    }
    line("tiers.sensitive_paths", crate::report::plural(settings.tiers.sensitive.len(), "glob"));
    for (key, globs) in [
        ("filter.ignore", &settings.filter.ignore),
        ("filter.include", &settings.filter.include),
        ("filter.never_send", &settings.filter.never_send),
    ] {
        line(key, crate::report::plural(globs.len(), "glob"));
    }
    let sources: Vec<&str> =
        settings.codex.builtin.then_some("builtin").into_iter().chain(settings.codex.paths.iter().map(String::as_str)).collect();
    line("codex.sources", format!("[{}]", sources.join(", ")));
    for (id, reason) in &settings.codex.disable {
        line(&format!("codex.disable.{id}"), format!("{reason:?}"));
    }
    for (id, severity) in &settings.codex.severity {
        line(&format!("codex.severity.{id}"), severity.to_string());
    }
    let publish = &settings.publish;
    let mode = if publish.shadow { "shadow" } else { "comment" };
    line(
        "publish",
        format!(
            "{{ mode: {mode}, approve: {}, max_threads: {}, thread_severity: {}, labels: {}, former_bots: {:?} }}",
            publish.approve, publish.max_threads, publish.thread_severity, publish.labels, publish.former_bots
        ),
    );
    let gate = settings.fail_on.verdict.map_or("never", |verdict| verdict.word());
    line("fail_on", if settings.fail_on.incomplete { format!("{gate}, incomplete") } else { gate.to_owned() });
    line("break_glass", format!("{{ phrase: {:?}, by_author: {} }}", settings.break_glass.phrase, settings.break_glass.by_author));
    line("min_access", settings.min_access.word().to_owned());
    line("limits.max_cost_usd", settings.limits.max_cost.dollars().to_string());
    line("limits.max_tokens", settings.limits.max_tokens.to_string());
    line("limits.max_total_cost_usd", settings.limits.max_total_cost.dollars().to_string());
    line("limits.max_total_tokens", settings.limits.max_total_tokens.to_string());
    line("limits.timeout", format!("{}s", settings.limits.timeout.as_secs()));
    line("limits.max_agents", settings.limits.max_agents.to_string());
    line("language", settings.language.clone());
    out
}
