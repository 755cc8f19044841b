//! `assize codex`: a look at the built-in rules. It must not change them.

use std::fmt::Write as _;

use crate::cli::CodexCommand;
use crate::codex::{Rule, RuleId, RuleStatus, builtin};
use crate::env::Io;
use crate::error::Failure;
use crate::exit::Exit;
use crate::yaml::Fault;

/// Runs the command.
pub fn run(command: &CodexCommand, io: &mut Io) -> Result<Exit, Failure> {
    let rules = builtin();
    let text = match command {
        CodexCommand::List => list(rules),
        CodexCommand::Show { id } => show(rules, id)?,
    };
    super::print(io, &text)?;
    Ok(Exit::Done)
}

fn list(rules: &[Rule]) -> String {
    let mut out = String::new();
    for rule in rules {
        let kind = if rule.detectors.is_empty() { "reviewers" } else { "detectors" };
        writeln!(out, "{:<10} {:<10} {:<10} {:<12} {:<10} {}", rule.id, rule.severity, status(rule), rule.reviewer, kind, rule.title)
            .expect("writing to a string cannot fail");
    }
    out
}

fn status(rule: &Rule) -> &'static str {
    match rule.status {
        RuleStatus::Draft => "draft",
        RuleStatus::Active => "active",
        RuleStatus::Deprecated { .. } => "deprecated",
    }
}

fn show(rules: &[Rule], id: &str) -> Result<String, Failure> {
    let known: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
    let wanted = RuleId::parse(id);
    let rule = rules.iter().find(|rule| Some(&rule.id) == wanted.as_ref());
    let rule = rule.ok_or_else(|| Failure::from(Fault::whole("codex", format!("there is no rule {id}")).nearest(id, known)))?;
    Ok(format!("{}: {}\n{}, {}, {}\n\n{}\n", rule.id, rule.title, rule.severity, status(rule), rule.reviewer, rule.body))
}
