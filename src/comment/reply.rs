//! What the bot answers in a thread. It must not argue: one sentence with the evidence.

use super::defuse::{guarded, prose};
use super::page::Page;
use super::phrases::{Spot, title};
use crate::round::plan::{Answer, Answering};

/// Returns a reply, its marker last.
pub fn reply(answering: &Answering<'_>, page: &Page<'_>) -> String {
    let known = answering.known;
    let at = |word: &str| {
        let spot = Spot::remembered(&known.place, answering.head, page);
        format!("{word} at `{}`, so this thread is open again: {} · {}", answering.head.short(), title(&known.title), spot.linked())
    };
    let text = prose(answering.text, page.links);
    let said = match answering.answer {
        Answer::Back => at("Back"),
        Answer::Still => at("Still there"),
        Answer::Worse => at("Worse"),
        Answer::Agreed if text.is_empty() => "Agreed. Closed.".to_owned(),
        Answer::Agreed => format!("Agreed, and closed. {text}"),
        Answer::Lowered => format!("Lowered to {}; it stays open. {text}", known.severity),
        Answer::Disagreed | Answer::Explained => text,
    };
    guarded(&format!("{said}\n\n{}", answering.marker))
}
