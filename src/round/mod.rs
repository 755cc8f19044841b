//! What lasts over the rounds of one merge request, and what each round posts. A pure room: threads and findings in, actions out; it must not
//! speak to GitLab.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod access;
mod action;
mod conversation;
pub mod glass;
pub mod marker;
mod matching;
pub mod measure;
pub mod plan;
#[cfg(test)]
mod play;
pub mod reading;
pub mod reconcile;
pub mod replies;
mod request;
pub mod settle;
mod state;
pub mod task;

pub use access::{AccessLevel, People};
pub use action::{Action, NewThread, Rung, RungPlace};
pub use conversation::{Note, NotePlace, Person, Thread};
pub use glass::{Glass, Version, lifted};
pub use marker::Keys;
pub use matching::Ground;
pub use measure::{Measures, measure};
pub use plan::plan;
pub use reading::{Award, Bots, Conversation, Marked, Origin, Remembered, Resolution, Said, Summary};
pub use reconcile::{Due, Reconciled, Seen, Sight, Then, converge, raise_nothing, reconcile, reconcile_over};
pub use replies::{Heard, Objection, ObjectionKind, hear};
pub use request::{DiffRefs, MergeRequest, RequestState};
pub use settle::{Asked, Settling, conclude, settle};
pub use state::{
    Extra, FindingId, Known, KnownPlace, NewestNote, Override, Posting, Round, STATE_VERSION, State, StateError, Status, ThreadRef, Trail,
    Unsettled, line_digest,
};
pub use task::{Now, Reviewed, Scope, Task, Why, task};
