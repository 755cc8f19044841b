//! What people say about findings, read as data: a few fixed words at the beginning of a note, reactions, and who resolved a thread. Nothing a note says
//! is obeyed beyond that, and nothing is decided here about code: `settle` does.

use super::Person;
use super::access::People;
use super::reading::{Conversation, Said};
use super::state::Known;

/// The longest reason that is remembered, in characters.
const MAX_WHY_CHARS: usize = 300;
/// The longest text that is put to the coordinator, in characters.
const MAX_WORDS_CHARS: usize = 4_000;
/// The reaction that dismisses.
const AGAINST: &str = "thumbsdown";
/// Words that dismiss, as the beginning of a note.
const DISMISSING: [&str; 6] = ["won't fix", "wont fix", "wontfix", "will not fix", "acknowledged", "ack"];
/// Words that take a dismissal back.
const TAKING_BACK: [&str; 3] = ["reopen", "will fix", "please fix"];
/// Words that disagree; a reason must follow.
const DISAGREEING: [&str; 3] = ["i disagree", "disagree", "disagreed"];
/// Words behind “acknowledged” that say, at the beginning of the reason, that it will be fixed after all.
const PROMISES: [&str; 9] =
    ["will fix", "i will fix", "i'll fix", "we will fix", "we'll fix", "going to fix", "fixing", "fixed", "will be fixed"];

/// What a note says about the finding in whose thread it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It stays; with the reason, or nothing.
    Dismiss(String),
    /// It is to be fixed after all.
    TakeBack,
    /// It is wrong, because of this.
    Disagree(String),
    /// A question.
    Ask(String),
}

/// What was heard about one finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The newest decision of somebody who may take it, if it is that the finding stays.
    pub dismissed: Option<Dismissal>,
    /// The newest note that disagrees or asks, if nobody who may has decided since.
    pub objection: Option<Objection>,
}

/// A person decided that a finding stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dismissal {
    /// Who.
    pub by: Person,
    /// The reason, or nothing. Untrusted.
    pub why: String,
}

/// A person disagrees with a finding, or asks about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// Who.
    pub by: Person,
    /// The words. Untrusted.
    pub words: String,
    /// Whether it is a question only.
    pub kind: ObjectionKind,
}

/// What an objection wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectionKind {
    /// That the finding goes.
    Disagrees,
    /// An answer.
    Asks,
}

/// Returns what was heard about a finding: of several decisions the newest of those who may take them holds.
pub fn hear(conversation: &Conversation, known: &Known, people: &People<'_>) -> Heard {
    let mut events: Vec<(&str, u64, &Person, Word)> = Vec::new();
    for said in conversation.said.iter().filter(|said| said.finding == Some(known.id) && !said.author.is_bot()) {
        if let Some(word) = word(&said.body) {
            events.push((&said.at, said.note, &said.author, word));
        }
    }
    let thread = conversation.threads.get(&known.id).map(|marked| marked.thread.note);
    for award in conversation.awards.iter().filter(|award| Some(award.note) == thread && award.name == AGAINST) {
        events.push((&award.at, award.note, &award.by, Word::Dismiss(String::new())));
    }
    events.sort_by_key(|(at, note, _, _)| (*at, *note));
    let mut heard = Heard::default();
    for (_, _, by, word) in events {
        let may = people.may_dismiss(by, known.severity);
        match word {
            Word::Dismiss(why) if may => heard = Heard { dismissed: Some(Dismissal { by: by.clone(), why }), objection: None },
            Word::TakeBack if may => heard = Heard::default(),
            Word::Dismiss(_) | Word::TakeBack => {}
            Word::Disagree(words) => heard.objection = Some(Objection { by: by.clone(), words, kind: ObjectionKind::Disagrees }),
            // Somebody who disagreed before asks in the same breath.
            Word::Ask(words) => {
                heard.objection.get_or_insert(Objection { by: by.clone(), words, kind: ObjectionKind::Asks });
            }
        }
    }
    heard
}

/// Returns what somebody who resolved the thread of a finding said last in it, as the reason.
pub fn reason_of(conversation: &Conversation, known: &Known, person: &Person) -> String {
    let last = |said: &&Said| said.finding == Some(known.id) && said.author.id == person.id;
    let said = conversation.said.iter().filter(last).max_by_key(|said| (said.at.clone(), said.note));
    said.map(|said| one_line(&spoken(&said.body), MAX_WHY_CHARS)).unwrap_or_default()
}

/// Returns the words of somebody who disagrees as the reason of a decision: one line.
pub fn as_reason(words: &str) -> String {
    one_line(words, MAX_WHY_CHARS)
}

/// Returns what a note says, if it says one of the few things that count.
pub fn word(body: &str) -> Option<Word> {
    let text = spoken(body);
    let first = text.lines().next()?;
    let plain = first.replace('’', "'");
    let plain = plain.trim_start_matches(|c: char| c.is_whitespace() || "*_\"“'(".contains(c));
    let behind = |phrases: &[&str]| {
        phrases.iter().find_map(|phrase| {
            let rest = plain.get(..phrase.len()).filter(|words| words.eq_ignore_ascii_case(phrase)).map(|_| &plain[phrase.len()..])?;
            (!rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')).then_some(rest)
        })
    };
    let asks = first.trim_end_matches(|c: char| c.is_whitespace() || "*_\"”')".contains(c)).ends_with('?');
    let reason = |rest: &str| {
        let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || ":;,.-–—!*_\"”')".contains(c));
        let rest = rest.get(..8).filter(|word| word.eq_ignore_ascii_case("because ")).map_or(rest, |_| &rest[8..]);
        let more: Vec<&str> = std::iter::once(rest).chain(text.lines().skip(1)).collect();
        more.join("\n").trim().to_owned()
    };
    if let Some(rest) = behind(&DISAGREEING) {
        let why = reason(rest);
        return why.chars().any(char::is_alphanumeric).then(|| Word::Disagree(shortened(&why, MAX_WORDS_CHARS)));
    }
    if asks {
        // What is addressed to a person is not for the bot.
        return (!text.contains('@')).then(|| Word::Ask(shortened(&text, MAX_WORDS_CHARS)));
    }
    if let Some(rest) = behind(&DISMISSING) {
        let why = reason(rest);
        let said = why.to_lowercase().replace('’', "'");
        // “Won't fix: the list is fixed” promises nothing.
        let acknowledges = plain.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("ack"));
        let promises = acknowledges && PROMISES.iter().any(|promise| said.starts_with(promise));
        return (!promises).then(|| Word::Dismiss(one_line(&why, MAX_WHY_CHARS)));
    }
    behind(&TAKING_BACK).map(|_| Word::TakeBack)
}

/// The text of a note without quotations, code and HTML comments, and without empty lines at its beginning.
fn spoken(body: &str) -> String {
    let mut bare = String::new();
    let mut rest = body;
    while let Some((before, comment)) = rest.split_once("<!--") {
        bare.push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    bare.push_str(rest);
    let mut fence: Option<char> = None;
    let mut lines: Vec<&str> = Vec::new();
    for line in bare.lines() {
        let text = line.trim_start();
        let opens = ['`', '~'].into_iter().find(|mark| text.starts_with(&mark.to_string().repeat(3)));
        match (fence, opens) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (Some(_), _) => {}
            (None, None) if text.starts_with('>') || line.starts_with("    ") || line.starts_with('\t') => {}
            (None, None) if text.is_empty() && lines.is_empty() => {}
            (None, None) => lines.push(line),
        }
    }
    lines.join("\n").trim_end().to_owned()
}

fn one_line(text: &str, most: usize) -> String {
    shortened(&text.split_whitespace().collect::<Vec<_>>().join(" "), most)
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text[..at].trim_end()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
