//! `assize review`: the straight line of ARCHITECTURE.md.

use std::io::Write;
use std::pin::pin;
use std::sync::Arc;

use super::examine::{Examined, HEARTBEAT, Orders, Reading, Voices, examine};
use super::input;
use super::merge_request;
use super::models::{Reach, reach, remember};
use super::outputs::Outputs;
use super::replay::{Tape, story_of};
use super::{Pace, stop};
use crate::cli::ReviewArgs;
use crate::env::{Env, Io};
use crate::error::Failure;
use crate::exit::Exit;
use crate::model::Circuits;
use crate::report::Style;
use crate::review;
use crate::settings::{self, Flags, Settings, Speaker};
use crate::story;
use crate::telemetry::Progress;

/// Runs the command.
pub async fn run(args: &ReviewArgs, env: &Env, io: &mut Io, style: Style, quiet: bool, pace: &Pace) -> Result<Exit, Failure> {
    if merge_request::is_job(env) && args.source.diff.is_none() && !args.source.local {
        return merge_request::run(args, None, env, io, style, quiet, pace).await;
    }
    if args.end.dry_run {
        return Err(Failure::usage("--dry-run prints what would be posted, and this is no merge request").hint("leave it out"));
    }
    let outputs = Outputs::of(args, env)?;
    let stop = stop::on_signal();
    let mut progress = Progress::new(env, quiet);
    progress.section(&mut io.stderr, "read", "Reading the change");
    let input = input::gather(&args.source, env, &mut *io.stdin).await?;
    let flags = Flags { fail_on: args.end.fail_on.clone(), models: args.model.clone() };
    let settings = settings::load(input.config.as_ref(), env, &flags, Speaker::Owner)?.settings;
    let (mut voices, circuits) = voices(args, &settings, env, pace).await?;
    let tape = Tape::beside(&mut voices);
    let key = key(env);
    let orders = Orders {
        forced: super::forced_by_flag(args.source.tier.as_deref(), true),
        only: super::reviewer_names(&args.only)?,
        only_why: super::ONLY_FLAG,
        skip: super::reviewer_names(&args.skip)?,
        key: key.as_bytes(),
        words: None,
        reading: Reading::Whole,
    };
    progress.section(&mut io.stderr, "review", "Reviewing");
    let work = with_heartbeat(examine(&input, &settings, &orders, voices), &mut progress, &mut *io.stderr);
    let examined = Box::pin(stop::unless(&stop, "the review was not finished, and nothing was written", work)).await??;
    progress.end(&mut io.stderr);
    if let Some(circuits) = circuits {
        remember(&circuits, env);
    }

    outputs.write_story(|| story::write(&story_of(&input, &orders, &examined, tape.as_ref(), args.end.fail_on.as_deref())), env)?;
    let Examined { review, shown, .. } = examined;
    outputs.write(&review, &shown, None, env, io, style)?;
    Ok(review::exit(review.verdict, &review.incomplete, settings.fail_on))
}

/// Who answers: the models of the settings with what is known of their state, or nobody, with the reason.
pub(super) async fn voices(
    args: &ReviewArgs,
    settings: &Settings,
    env: &Env,
    pace: &Pace,
) -> Result<(Voices, Option<Arc<Circuits>>), Failure> {
    if args.no_model {
        return Ok((Voices::None("--no-model was given".to_owned()), None));
    }
    if settings.providers.is_empty() {
        return Ok((Voices::None("no model is configured".to_owned()), None));
    }
    let Reach { models, group_bytes, circuits } = reach(settings, env, pace.models).await?;
    Ok((Voices::Models(models, group_bytes), Some(circuits)))
}

/// The secret of boundaries and marks: a run on a person's own machine shows its results to that person only, so a fixed one will do.
fn key(env: &Env) -> String {
    env.var("ASSIZE_KEY").unwrap_or("assize local run").to_owned()
}

/// Waits for the work, and says every now and then that it goes on.
pub(super) async fn with_heartbeat<T>(work: impl Future<Output = T>, progress: &mut Progress, to: &mut (dyn Write + Send)) -> T {
    let mut work = pin!(work);
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.tick().await;
    let mut waited = 0;
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = beat.tick() => {
                waited += HEARTBEAT.as_secs();
                progress.beat(to, waited);
            }
        }
    }
}
