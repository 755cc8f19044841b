//! Progress: collapsible sections in a GitLab job log, a line that is overwritten on a terminal, nothing elsewhere.

use std::io::Write;

use crate::env::Env;

/// Says where a run is.
pub struct Progress {
    place: Place,
    clock: u64,
    open: Option<&'static str>,
}

enum Place {
    GitLabJob,
    Terminal,
    Quiet,
}

impl Progress {
    /// Returns the progress that suits the environment; `quiet` says nothing.
    pub fn new(env: &Env, quiet: bool) -> Self {
        let place = if quiet {
            Place::Quiet
        } else if env.in_gitlab_ci() {
            Place::GitLabJob
        } else if env.stderr_terminal {
            Place::Terminal
        } else {
            Place::Quiet
        };
        Self { place, clock: env.started_unix, open: None }
    }

    /// Begins a section; the one before it ends.
    ///
    /// The marks are those that a job log folds at: `section_start:UNIX:NAME`, a carriage return and `ESC [0K`
    /// (GitLab: "Custom collapsible sections").
    pub fn section(&mut self, to: &mut dyn Write, name: &'static str, title: &str) {
        self.end(to);
        let said = match self.place {
            Place::GitLabJob => write!(to, "\x1b[0Ksection_start:{}:{name}\r\x1b[0K{title}\n", self.clock),
            Place::Terminal => write!(to, "\r\x1b[2K{title} …"),
            Place::Quiet => Ok(()),
        };
        // A log that cannot be written is no reason to stop a review.
        self.open = said.and_then(|()| to.flush()).ok().map(|()| name);
    }

    /// Says that the open section still goes on.
    pub fn beat(&mut self, to: &mut dyn Write, waited_seconds: u64) {
        let said = match self.place {
            Place::GitLabJob => writeln!(to, "still waiting for models, {waited_seconds} s"),
            Place::Terminal => write!(to, "\r\x1b[2KReviewing … {waited_seconds} s"),
            Place::Quiet => Ok(()),
        };
        if said.and_then(|()| to.flush()).is_err() {
            self.place = Place::Quiet;
        }
    }

    /// Ends the open section, if there is one.
    pub fn end(&mut self, to: &mut dyn Write) {
        let Some(name) = self.open.take() else { return };
        let said = match self.place {
            Place::GitLabJob => write!(to, "\x1b[0Ksection_end:{}:{name}\r\x1b[0K\n", self.clock),
            Place::Terminal => write!(to, "\r\x1b[2K"),
            Place::Quiet => Ok(()),
        };
        if said.and_then(|()| to.flush()).is_err() {
            self.place = Place::Quiet;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_log_gets_sections_that_close_each_other() {
        let mut env = Env { started_unix: 7, ..Env::default() };
        env.vars.insert("GITLAB_CI".into(), "true".into());
        let (mut progress, mut log) = (Progress::new(&env, false), Vec::new());
        progress.section(&mut log, "read", "Reading");
        progress.section(&mut log, "detect", "Detecting");
        progress.end(&mut log);
        let expected = "\x1b[0Ksection_start:7:read\r\x1b[0KReading\n\x1b[0Ksection_end:7:read\r\x1b[0K\n\x1b[0Ksection_start:7:detect\r\x1b[0KDetecting\n\x1b[0Ksection_end:7:detect\r\x1b[0K\n";
        assert_eq!(String::from_utf8(log).expect("text"), expected);
    }
}
