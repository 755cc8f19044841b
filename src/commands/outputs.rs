//! Where a review leaves its reports: the folder of a job, files that were named, standard output. It must not word them (`report` does), nor write
//! through a symbolic link: in a job the repository holds whatever its author wants.

use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use crate::change::Change;
use crate::cli::{Format, ReviewArgs};
use crate::env::{Env, Io};
use crate::error::Failure;
use crate::report::{self, OnRequest, Style};
use crate::review::Review;

/// The folder that a job leaves its reports in, if no other is named.
const JOB_FOLDER: &str = "assize-report";
/// The whole result, in the folder.
const RESULT_FILE: &str = "result.json";
/// The summary as a page, in the folder.
const SUMMARY_FILE: &str = "summary.md";
/// The run as a story, in the folder.
const STORY_FILE: &str = "assize-run.md";

/// Where everything goes.
#[derive(Debug)]
pub(super) struct Outputs {
    reports: Vec<(Format, Option<PathBuf>)>,
    story: Option<PathBuf>,
}

impl Outputs {
    /// Reads what was asked for: the first `--output` takes the first `--format`; what has none goes to standard output. In a GitLab job, or with
    /// `--report-dir`, a folder takes result, summary and story beside it. Makes the folder, and fails where something else stands in its place.
    pub(super) fn of(args: &ReviewArgs, env: &Env) -> Result<Self, Failure> {
        let mut outputs = Self::named(args)?;
        let of_job = || env.in_gitlab_ci().then(|| PathBuf::from(JOB_FOLDER));
        if let Some(folder) = args.report_dir.clone().or_else(of_job) {
            make(&folder, env)?;
            outputs.reports.push((Format::Json, Some(folder.join(RESULT_FILE))));
            outputs.reports.push((Format::Markdown, Some(folder.join(SUMMARY_FILE))));
            outputs.story = outputs.story.or_else(|| Some(folder.join(STORY_FILE)));
        }
        Ok(outputs)
    }

    /// Reads what was asked for by name. No folder takes anything.
    pub(super) fn named(args: &ReviewArgs) -> Result<Self, Failure> {
        let formats: &[Format] = if args.end.format.is_empty() { &[Format::Terminal] } else { &args.end.format };
        if args.end.output.len() > formats.len() {
            return Err(Failure::usage(format!("{} outputs for {}", args.end.output.len(), report::plural(formats.len(), "format")))
                .hint("give each --output a --format, in the same order"));
        }
        let named = args.end.output.iter().cloned().map(Some).chain(std::iter::repeat(None));
        let reports = formats.iter().copied().zip(named).collect();
        Ok(Self { reports, story: args.record.clone() })
    }

    /// Writes the story, if there is a place for it. `story` is made only then.
    pub(super) fn write_story(&self, story: impl FnOnce() -> String, env: &Env) -> Result<(), Failure> {
        self.story.as_ref().map_or(Ok(()), |path| save(path, &story(), env))
    }

    /// Writes the review in every format that is asked for, files first: whoever reads standard output may go before its end.
    pub(super) fn write(
        &self,
        review: &Review,
        shown: &Change,
        request: Option<&OnRequest>,
        env: &Env,
        io: &mut Io,
        style: Style,
    ) -> Result<(), Failure> {
        let text = |format: Format, style: Style| match format {
            Format::Terminal => report::terminal(review, shown, style) + &request.map(report::posted).unwrap_or_default(),
            Format::Markdown => report::markdown(review),
            Format::Json => report::json(review, request),
        };
        for (format, path) in &self.reports {
            if let Some(path) = path {
                save(path, &text(*format, Style { color: false, ..style }), env)?;
            }
        }
        for (format, path) in &self.reports {
            if path.is_none() {
                super::print(io, &text(*format, style))?;
            }
        }
        Ok(())
    }
}

/// Makes a folder below the working directory, or wherever it is named, none of whose parts is a symbolic link that the repository could hold.
fn make(folder: &Path, env: &Env) -> Result<(), Failure> {
    let name = folder.display();
    let mut at = env.cwd.clone();
    if folder.is_relative() {
        for part in folder.components() {
            at.push(part);
            let real = matches!(part, Component::CurDir | Component::ParentDir);
            if !real && at.symlink_metadata().is_ok_and(|there| !there.is_dir()) {
                return Err(Failure::usage(format!("the reports cannot go to {name}: {} is a file or a symbolic link", at.display()))
                    .hint("take it out of the repository, or name another folder with --report-dir"));
            }
        }
    }
    std::fs::create_dir_all(env.cwd.join(folder)).map_err(|error| {
        Failure::usage(format!("cannot make the folder {name} for the reports: {error}")).hint("name another one with --report-dir")
    })
}

/// Writes a file. What stands under its name is replaced, also when it is a symbolic link.
fn save(path: &Path, text: &str, env: &Env) -> Result<(), Failure> {
    replace(&env.cwd.join(path), text.as_bytes()).map_err(|error| {
        Failure::outside(format!("cannot write {}: {error}", path.display())).hint("name a file in a folder that exists and can be written")
    })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // `/dev/stdout` is a symbolic link as well, and nothing that may be replaced.
    let is_special = path.symlink_metadata().is_ok_and(|there| !there.is_file() && !there.is_symlink());
    if is_special || path.starts_with("/dev") || path.starts_with("/proc") {
        return std::fs::write(path, bytes);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = fresh(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Makes a file that others may read: artifacts are often taken up by another user than the job's.
#[cfg(unix)]
fn fresh(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    // As of any other file, the umask takes the rest away.
    tempfile::Builder::new().prefix(".assize-").permissions(std::fs::Permissions::from_mode(0o666)).tempfile_in(folder)
}

#[cfg(not(unix))]
fn fresh(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(".assize-").tempfile_in(folder)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn folder() -> (tempfile::TempDir, Env) {
        let dir = tempfile::tempdir().unwrap();
        let env = Env { cwd: dir.path().join("checkout"), ..Env::default() };
        std::fs::create_dir(&env.cwd).unwrap();
        std::fs::write(dir.path().join("theirs"), "as it was").unwrap();
        (dir, env)
    }

    #[test]
    fn a_symbolic_link_is_replaced_and_what_it_points_to_stays() {
        let (dir, env) = folder();
        symlink(dir.path().join("theirs"), env.cwd.join("result.json")).unwrap();
        save(Path::new("result.json"), "ours", &env).unwrap();
        let (theirs, ours) = (dir.path().join("theirs"), env.cwd.join("result.json"));
        assert_eq!([theirs, ours.clone()].map(|file| std::fs::read_to_string(file).unwrap()), ["as it was", "ours"]);
        assert!(ours.symlink_metadata().unwrap().is_file());
        assert_eq!(std::fs::read_dir(&env.cwd).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn others_may_read_what_a_job_leaves() {
        let (_dir, env) = folder();
        std::fs::write(env.cwd.join("as-usual"), "").unwrap();
        save(Path::new("result.json"), "ours", &env).unwrap();
        let mode = |file: &str| env.cwd.join(file).metadata().unwrap().permissions().mode();
        assert_eq!(mode("result.json"), mode("as-usual"));
    }

    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        let (_dir, env) = folder();
        save(Path::new("/dev/null"), "ours", &env).unwrap();
        assert!(!Path::new("/dev/null").symlink_metadata().unwrap().is_file());
    }

    #[test]
    fn a_folder_that_is_a_symbolic_link_is_refused_at_any_depth() {
        let (dir, env) = folder();
        symlink(dir.path(), env.cwd.join("assize-report")).unwrap();
        for (name, at) in [("assize-report", "assize-report"), ("assize-report/deeper", "assize-report")] {
            let failure = make(Path::new(name), &env).unwrap_err();
            let at = env.cwd.join(at);
            assert_eq!(failure.message, format!("the reports cannot go to {name}: {} is a file or a symbolic link", at.display()));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        make(Path::new("a/b"), &env).unwrap();
        make(Path::new("a/b"), &env).unwrap();
        assert!(env.cwd.join("a/b").is_dir());
    }
}
