//! `assize publish`: what an earlier job found is posted without asking a model again, after GitLab failed or where the job that asks models may
//! not write. It must not believe the result: the line of a merge request runs as ever, and takes it for claims.

use std::path::Path;

use super::{Pace, merge_request};
use crate::cli::PublishArgs;
use crate::env::{Env, Io};
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::{MAX_RESULT_BYTES, Style, Told, read_result};

/// Runs the command.
pub async fn run(args: &PublishArgs, env: &Env, io: &mut Io, style: Style, quiet: bool, pace: &Pace) -> Result<Exit, Failure> {
    if !merge_request::is_job(env) {
        return Err(Failure::usage("`assize publish` posts to the merge request of its pipeline, and this is no such pipeline")
            .hint("run it as a job of the pipeline that reviewed the merge request, with the artifacts of that job"));
    }
    let told = told(&args.result, env)?;
    merge_request::run(&args.as_review(), Some(told), env, io, style, quiet, pace).await
}

fn told(path: &Path, env: &Env) -> Result<Told, Failure> {
    let file = env.cwd.join(path);
    let shown = path.display();
    let hint = "it is `assize-report/result.json` among the artifacts of the job that reviewed; name that job under `needs:`";
    let unreadable = |error: std::io::Error| Failure::usage(format!("cannot read {shown}: {error}")).hint(hint);
    let size = std::fs::metadata(&file).map_err(unreadable)?.len();
    if size > MAX_RESULT_BYTES as u64 {
        return Err(Failure::usage(format!("{shown} has {size} bytes, more than the {MAX_RESULT_BYTES} of any result")));
    }
    let text = std::fs::read_to_string(&file).map_err(unreadable)?;
    read_result(&text).map_err(|why| Failure::usage(format!("{shown} is no result of a review: {why}")).hint(hint))
}
