//! `assize plan`: what a review would look at, without looking. It calls no model.

use std::fmt::Write as _;

use super::input;
use super::prepare::prepare;
use crate::cli::SourceArgs;
use crate::codex;
use crate::env::{Env, Io};
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::{left_out_reason, plural};
use crate::review::risk;
use crate::settings::{self, Flags};

/// Runs the command.
pub async fn run(args: &SourceArgs, env: &Env, io: &mut Io) -> Result<Exit, Failure> {
    let input = input::gather(args, env, &mut *io.stdin).await?;
    let settings = settings::load(input.config.as_ref(), env, &Flags::default())?.settings;
    let plan = prepare(&input, &settings, args.tier.as_deref(), b"plan").await?;
    let reviewed = plan.filtered.reviewed.files();
    let size = risk::size(reviewed);
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").expect("writing to a string cannot fail");
    line(format!("Change    {}", input.label));
    line(format!("Tier      {}, because {}", plan.tier.tier.word(), plan.tier.reasons.join("; ")));
    line(format!("Reviewed  {} (+{} −{})", plural(size.files, "file"), size.added, size.removed));
    for file in reviewed {
        let ids: Vec<&str> = plan.rules.applicable(file.path()).map(|rule| rule.id.as_str()).collect();
        line(format!("  {} (+{} −{}), {}", file.path(), file.added(), file.removed(), plural(ids.len(), "rule")));
    }
    line(format!("Left out  {}", plural(plan.filtered.left_out.len(), "file")));
    for (path, noise) in &plan.filtered.left_out {
        line(format!("  {path}: {}", left_out_reason(noise)));
    }
    let applicable: Vec<&str> = plan
        .rules
        .iter()
        .filter(|rule| reviewed.iter().any(|file| codex::applies(rule, file.path())))
        .map(|rule| rule.id.as_str())
        .collect();
    line(format!("Rules     {} of {} apply: {}", applicable.len(), plan.rules.len(), applicable.join(", ")));
    line("Models    none: this version runs the detectors only".to_owned());
    super::print(io, &out)?;
    Ok(Exit::Done)
}
