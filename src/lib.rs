//! Assize, a multi-agent code reviewer for GitLab merge requests. ARCHITECTURE.md draws the straight line; this file only starts it.

pub mod change;
pub mod codex;
pub mod env;
pub mod error;
pub mod exit;
pub mod model;
pub mod report;
pub mod review;
pub mod settings;
pub mod yaml;

use exit::Exit;

/// Runs the program as the process was called.
pub fn start() -> Exit {
    Exit::Done
}
