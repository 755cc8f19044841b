//! `assize review`: the straight line of ARCHITECTURE.md.

use super::input::{self, Input};
use super::prepare::{Prepared, prepare};
use crate::change::{Change, FileDiff};
use crate::cli::{Format, ReviewArgs};
use crate::codex::{Scope, detect};
use crate::env::{Env, Io};
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::{self, Style};
use crate::review::{self, Checked, Coverage, LeftOut, Mode, Review, Subject, Verdict, risk};
use crate::settings::{self, Flags, Settings};
use crate::telemetry::Progress;

/// Runs the command.
pub async fn run(args: &ReviewArgs, env: &Env, io: &mut Io, style: Style, quiet: bool) -> Result<Exit, Failure> {
    let targets = targets(args)?;
    let mut progress = Progress::new(env, quiet);
    progress.section(&mut io.stderr, "read", "Reading the change");
    let input = input::gather(&args.source, env, &mut *io.stdin).await?;
    let flags = Flags { fail_on: args.fail_on.clone(), models: Vec::new() };
    let settings = settings::load(input.config.as_ref(), env, &flags)?.settings;
    let key = masking_key(env);
    let prepared = prepare(&input, &settings, args.source.tier.as_deref(), key.as_bytes()).await?;

    progress.section(&mut io.stderr, "detect", "Running the detectors");
    let reviewed = &prepared.filtered.reviewed;
    let scope = |file: &FileDiff| if reviewed.file(file.path()).is_some() { Scope::All } else { Scope::SecretsAndSteering };
    let detected = detect(&prepared.rules, &input.change, &prepared.sources, scope);
    let shown = input.change.masked(|text| prepared.mask.apply(text));
    let mut checked = review::from_hits(&detected.hits, &prepared.rules, &shown);
    review::sort(&mut checked.findings);
    let mode = mode(args.no_model, &settings, &prepared);
    let mut review = record(&input, prepared, checked, mode);
    review.remarks.extend(review::unseen(&detected));
    progress.end(&mut io.stderr);
    tracing::info!(findings = review.findings.len(), dropped = review.dropped.len(), verdict = review.verdict.word(), "reviewed");

    write(&targets, &review, &shown, env, io, style)?;
    Ok(review::exit(&review, settings.fail_on.verdict, settings.fail_on.incomplete))
}

/// The key that marks secrets: the run's own, so that equal secrets look equal within one project and nobody can guess them.
fn masking_key(env: &Env) -> String {
    env.var("ASSIZE_KEY").map_or_else(|| format!("local run at {}", env.started_unix), str::to_owned)
}

fn mode(no_model: bool, settings: &Settings, prepared: &Prepared) -> Mode {
    if prepared.filtered.reviewed.files().is_empty() {
        Mode::NothingToReview
    } else if no_model {
        Mode::DetectorsOnly("--no-model was given".to_owned())
    } else if settings.providers.is_empty() {
        Mode::DetectorsOnly("no model is configured".to_owned())
    } else {
        Mode::DetectorsOnly("this version has no reviewers yet, so the configured models were not asked".to_owned())
    }
}

fn record(input: &Input, prepared: Prepared, checked: Checked, mode: Mode) -> Review {
    let filtered = prepared.filtered;
    Review {
        subject: Subject { label: input.label.clone(), base: input.base.clone(), head: input.head.clone() },
        size: risk::size(filtered.reviewed.files()),
        tier: prepared.tier,
        left_out: filtered.left_out.into_iter().map(|(path, reason)| LeftOut { path, reason }).collect(),
        newly_generated: filtered.newly_generated,
        mode,
        rules: prepared.rules.len(),
        groups: Vec::new(),
        reviewers: Vec::new(),
        verdict: Verdict::over(checked.findings.iter().map(|finding| finding.severity)),
        findings: checked.findings,
        dropped: checked.dropped,
        coverage: Coverage::default(),
        incomplete: Vec::new(),
        remarks: input.remarks.iter().cloned().chain(prepared.remarks).collect(),
        received_code: Vec::new(),
    }
}

/// Where each format goes: the first `--output` takes the first `--format`; what has none goes to standard output.
fn targets(args: &ReviewArgs) -> Result<Vec<(Format, Option<&std::path::Path>)>, Failure> {
    let formats: &[Format] = if args.format.is_empty() { &[Format::Terminal] } else { &args.format };
    if args.output.len() > formats.len() {
        return Err(Failure::usage(format!("{} outputs for {}", args.output.len(), report::plural(formats.len(), "format")))
            .hint("give each --output a --format, in the same order"));
    }
    let outputs = args.output.iter().map(|path| Some(path.as_path())).chain(std::iter::repeat(None));
    Ok(formats.iter().copied().zip(outputs).collect())
}

fn write(
    targets: &[(Format, Option<&std::path::Path>)],
    review: &Review,
    shown: &Change,
    env: &Env,
    io: &mut Io,
    style: Style,
) -> Result<(), Failure> {
    for (format, output) in targets {
        let style = if output.is_some() { Style { color: false, ..style } } else { style };
        let text = match format {
            Format::Terminal => report::terminal(review, shown, style),
            Format::Markdown => report::markdown(review),
            Format::Json => report::json(review),
        };
        match output {
            Some(path) => std::fs::write(env.cwd.join(path), text).map_err(|error| {
                Failure::outside(format!("cannot write {}: {error}", path.display()))
                    .hint("name a file in a folder that exists and can be written")
            })?,
            None => super::print(io, &text)?,
        }
    }
    Ok(())
}
