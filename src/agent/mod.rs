//! Agents: the loop around a model with its read-only tools, and the pool that runs all reviewers at once. It must not decide what a finding is
//! (`review` does), nor how a model is reached (`model` does).

mod desk;
mod fault;
mod judges;
mod panel;
mod reading;
mod tools;

pub use desk::Desk;
pub use judges::{FollowedUp, Judged, coordinate, follow_up, refute};
pub use panel::{Heard, Models, Panel, Unavailable, panel};
pub use tools::tool_specs;
