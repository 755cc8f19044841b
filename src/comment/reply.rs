//! What the bot answers in a thread. It must not argue: one sentence with the evidence.

use super::defuse::guarded;
use super::page::Page;
use super::phrases::{Spot, title};
use crate::round::plan::{Answer, Answering};

/// Returns a reply, its marker last.
pub fn reply(answering: &Answering<'_>, page: &Page<'_>) -> String {
    let known = answering.known;
    let said = match answering.answer {
        Answer::Back => {
            let spot = Spot::remembered(&known.place, answering.head, page);
            format!("Back at `{}`, so this thread is open again: {} · {}", answering.head.short(), title(&known.title), spot.linked())
        }
    };
    guarded(&format!("{said}\n\n{}", answering.marker))
}
