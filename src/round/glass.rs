//! Break glass: a person lifts the gate. It must not approve anything, and it believes nobody but a person who may: no bot, no text of the merge
//! request, no quotation, no code, no note that was edited.

use super::access::People;
use super::reading::{Conversation, Said};
use super::state::Override;
use crate::change::CommitId;

/// The longest reason that is kept, in characters.
const MAX_REASON_CHARS: usize = 300;
/// Spaces in front of a line that make it code.
const CODE_INDENT: usize = 4;

/// A version of the merge request's diff: GitLab makes one at every push and when the target branch is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The head.
    pub head: CommitId,
    /// When it was made, RFC 3339 as GitLab gives it: sorts as text.
    pub created_at: String,
}

/// How the gate may be lifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glass<'a> {
    /// The words that do it, `break glass` unless configured.
    pub phrase: &'a str,
    /// Whether the author of the merge request may, too.
    pub by_author: bool,
}

/// Returns who lifted the gate for `head`, if anyone did: the newest note that counts.
///
/// A note holds for the newest version that was there when it was written; with a later version it holds no more.
pub fn lifted(
    conversation: &Conversation,
    glass: Glass<'_>,
    people: &People<'_>,
    versions: &[Version],
    head: &CommitId,
) -> Option<Override> {
    let newest = versions.iter().max_by(|a, b| a.created_at.cmp(&b.created_at)).filter(|version| version.head == *head)?;
    let counts = |said: &&Said| {
        let who = &said.author;
        said.opens
            && !said.on_diff
            && !said.edited
            // At the same instant nobody knows which was first.
            && said.at > newest.created_at
            && !who.is_bot()
            && (who.id != people.author.id || glass.by_author)
            && people.reach(who)
    };
    let reasons = conversation.said.iter().filter(counts).filter_map(|said| Some((said, reason(&said.body, glass.phrase)?)));
    let (said, why) = reasons.max_by_key(|(said, _)| (said.at.clone(), said.note))?;
    Some(Override { by: said.author.username.clone(), why, head: head.clone(), note: said.note, at: said.at.clone() })
}

/// The reason of a note that is `phrase: reason` from its first character on.
fn reason(body: &str, phrase: &str) -> Option<String> {
    let line = body.lines().find(|line| !line.trim().is_empty())?;
    let indent = line.len() - line.trim_start_matches(' ').len();
    let text = line.trim_start_matches(' ');
    let begins = text.get(..phrase.len()).is_some_and(|words| words.eq_ignore_ascii_case(phrase));
    if indent >= CODE_INDENT || phrase.is_empty() || !begins {
        return None;
    }
    let reason = text[phrase.len()..].trim_start().strip_prefix(':')?;
    let rest = body.split_once(line).map_or("", |(_, rest)| rest);
    let paragraph: Vec<&str> = std::iter::once(reason).chain(rest.lines().skip(1).take_while(|line| !line.trim().is_empty())).collect();
    let words: String = paragraph.join(" ").split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_REASON_CHARS).collect();
    words.chars().any(char::is_alphanumeric).then_some(words)
}

#[cfg(test)]
mod tests;
