//! Phrases that threads and the summary share. They must not hold foreign text that is not defused.

use super::Links;
use super::defuse::{code, code_block, line};
use super::page::{Page, link};
use super::thread::{Post, applicable};
use crate::change::{CommitId, RepoPath, Side};
use crate::review::{Finding, NoLine, Place, ReviewerName, Severity, Source, Standing, Suggestion};
use crate::round::{Known, KnownPlace, Sight, Status};

/// The longest path that is shown, in characters; of a longer one the end is.
const MAX_PATH_CHARS: usize = 120;

/// Returns a severity as the first word of a line.
pub(super) fn capital(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::Important => "Important",
        Severity::Suggestion => "Suggestion",
        Severity::Nit => "Nit",
    }
}

/// Returns the field of a finding as people read it.
pub(super) fn field(name: &ReviewerName) -> String {
    match name.as_str() {
        "agents-md" => "AGENTS.md".to_owned(),
        other => {
            let words = other.replace('-', " ");
            let mut chars = words.chars();
            chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
        }
    }
}

/// Returns what a finding is to the earlier rounds, where people should know; none for what is new or known to be there.
pub(super) fn label(sight: Sight, known: &Known) -> Option<&'static str> {
    match sight {
        Sight::New if known.trail.late => Some("missed earlier"),
        Sight::New | Sight::Still | Sight::Dismissed => None,
        Sight::Back => Some("back after a fix"),
        Sight::Worse => Some("worse than when it was dismissed"),
    }
}

/// Returns the decision of a person about a finding of the same kind at another place, as a sentence; none if that one is not dismissed any more.
pub(super) fn precedent(earlier: &Known, page: &Page<'_>) -> Option<String> {
    let Status::Dismissed { by, why } = &earlier.status else { return None };
    let name =
        earlier.thread.as_ref().map_or_else(|| earlier.id.to_string(), |thread| link(&earlier.id.to_string(), &page.note(thread.note)));
    let why = line(why, page.links);
    let why = if why.is_empty() { why } else { format!(": “{why}”") };
    Some(format!("{name} is of the same kind, at another place, and was dismissed by {}{why}", person(by, page.links)))
}

/// Returns a title as one line in which no link works, so that it can be one. Never empty.
pub(super) fn title(text: &str) -> String {
    let shown = line(text, &Links::new("", Vec::new()));
    if shown.is_empty() { "untitled".to_owned() } else { shown }
}

/// A place, ready to be shown: the words, and where they lead.
pub(super) struct Spot {
    /// The path with its lines, e.g. `src/http/retry.rs:88–97`. Foreign.
    pub(super) words: String,
    /// The lines in the repository.
    pub(super) url: String,
}

impl Spot {
    /// Returns where a finding of this round stands.
    pub(super) fn of(place: &Place, page: &Page<'_>) -> Self {
        match place {
            Place::Lines(span) => {
                let (first, last) = (span.first(), span.last());
                // A range over both sides has no numbers of its own: its end names it.
                let from = if first.side() == last.side() { first.line() } else { last.line() };
                Self::lines(span.path(), span.old_path(), (from, last.line()), last.side(), page)
            }
            Place::File { path, .. } => Self { words: shown(path), url: page.file(page.head, path, None) },
            Place::Outside(related) => Self::lines(&related.path, &related.path, (related.line, related.line), Side::New, page),
        }
    }

    /// Returns where a finding stood when it was last seen; `head` is the one of that round.
    pub(super) fn remembered(place: &KnownPlace, head: &CommitId, page: &Page<'_>) -> Self {
        let page = Page { head, ..*page };
        match place.line {
            Some(line) => Self::lines(&place.path, &place.path, (line, line), place.side, &page),
            None => Self { words: shown(&place.path), url: page.file(head, &place.path, None) },
        }
    }

    fn lines(new: &RepoPath, old: &RepoPath, (first, last): (u32, u32), side: Side, page: &Page<'_>) -> Self {
        let range = if first == last { last.to_string() } else { format!("{first}–{last}") };
        let (gone, url) = match side {
            Side::New => ("", page.file(page.head, new, Some((first, last)))),
            Side::Old => (" (removed)", page.file(page.base, old, Some((first, last)))),
        };
        Self { words: format!("{}:{range}{gone}", shown(new)), url }
    }

    /// Returns the place as a link.
    pub(super) fn linked(&self) -> String {
        link(&code(&self.words), &self.url)
    }
}

/// Returns a path as it is shown, not yet defused.
pub(super) fn shown(path: &RepoPath) -> String {
    let text = path.as_str();
    match text.char_indices().nth_back(MAX_PATH_CHARS) {
        Some((at, first)) => format!("…{}", &text[at + first.len_utf8()..]),
        None => text.to_owned(),
    }
}

/// Returns who found it: `security and the detector of SEC-0008`.
pub(super) fn sources(finding: &Finding, page: &Page<'_>) -> String {
    let names: Vec<String> = finding
        .sources
        .iter()
        .map(|source| match source {
            Source::Detector(rule) => format!("the detector of {}", page.rule(rule)),
            Source::Reviewer(name) => name.to_string(),
        })
        .collect();
    listed(&names)
}

/// Returns how well a finding is founded; none where there is nothing to say.
pub(super) fn standing(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::Confirmed => Some("confirmed"),
        Standing::Verified => Some("verified by a second look"),
        Standing::Unverified => Some("not verified because the second look could not run"),
        Standing::Checked => None,
    }
}

/// Returns why a finding stands on its file.
pub(super) fn no_line(why: NoLine) -> &'static str {
    match why {
        NoLine::WholeFile => "About the file as a whole.",
        NoLine::NotFound => "On the file as a whole, because the lines it speaks of could not be found.",
    }
}

/// Returns what a finding proposes to write, as an applicable suggestion or as a plain block with the reason.
pub(super) fn proposal(finding: &Finding, post: Post, links: &Links) -> Option<String> {
    let (code, why) = match &finding.suggestion {
        Suggestion::None => return None,
        Suggestion::Plain { code, why } => (code, why.as_str()),
        Suggestion::Applies(code) => match applicable(finding, post, code) {
            Ok(block) => return Some(block),
            Err(why) => (code, why),
        },
    };
    let language = finding.place.path().extension().unwrap_or_default();
    let lead = match post {
        Post::Summary => "Proposed:".to_owned(),
        Post::Lines | Post::File => format!("To apply by hand, because {}:", line(why, links)),
    };
    Some(format!("{lead}\n\n{}", code_block(code, language)))
}

/// Returns `a`, `a and b`, `a, b and c`.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Returns a person's name, which notifies nobody.
pub(super) fn person(username: &str, links: &Links) -> String {
    line(&format!("@{username}"), links)
}

/// Returns a folded part; `summary` is ours.
pub(super) fn details(summary: &str, inside: &str) -> String {
    format!("<details><summary>{summary}</summary>\n\n{inside}\n\n</details>")
}
