//! What the process was given, captured once: variables, directory, terminal, clock. Below `main.rs` nothing reads them from the process.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;

/// The environment of one run, as values.
#[derive(Clone, Debug, Default)]
pub struct Env {
    /// Environment variables that are valid UTF-8.
    pub vars: BTreeMap<String, String>,
    /// The working directory, absolute.
    pub cwd: PathBuf,
    /// Standard output is a terminal.
    pub stdout_terminal: bool,
    /// Standard error is a terminal.
    pub stderr_terminal: bool,
    /// Width of the terminal in columns, if there is one.
    pub width: Option<usize>,
    /// The wall clock at the start of the run, seconds since 1970-01-01 UTC.
    pub started_unix: u64,
}

impl Env {
    /// Returns a variable that is set and not empty: an empty CI variable means "not set".
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns whether the run is a job of a GitLab pipeline.
    pub fn in_gitlab_ci(&self) -> bool {
        self.var("GITLAB_CI") == Some("true")
    }
}

/// The three streams of one run.
pub struct Io {
    /// Where `--diff -` is read from.
    pub stdin: Box<dyn Read + Send>,
    /// Data only.
    pub stdout: Box<dyn Write + Send>,
    /// Everything else: progress, errors, logs.
    pub stderr: Box<dyn Write + Send>,
}
