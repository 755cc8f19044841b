//! What the findings say that have no thread. The note itself remembers those of earlier rounds: their texts are taken over from it. It must
//! not trust them more than any foreign text, since whoever may edit notes may have changed them.

use std::collections::BTreeMap;

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};

use super::{Facts, Open, rows};
use crate::comment::defuse::{code, prose};
use crate::comment::page::Page;
use crate::comment::phrases::{capital, details, precedent, title};
use crate::comment::thread::{Post, says};
use crate::report::plural;
use crate::round::FindingId;

/// Findings whose text is told.
const MAX_TEXTS: usize = 30;
/// Bytes of all texts together.
const MAX_BYTES: usize = 60_000;
/// What the part begins with, and nothing of others: their HTML is shown, not written.
const OPENING: &str = "<details><summary>Text of ";
/// What follows it: there is always another folded part.
const CLOSING: &str = "\n\n</details>\n\n<details><summary>";

/// Returns what the findings say that have no thread; nothing when all have one.
pub(super) fn texts(facts: &Facts<'_>, open: &[Open<'_>], page: &Page<'_>) -> Option<String> {
    let earlier = facts.conversation.summary.as_ref().map(|summary| earlier(&summary.body)).unwrap_or_default();
    let said = |open: &Open<'_>| match open.seen {
        Some((finding, _)) => {
            let earlier = open.known.trail.earlier.and_then(|id| facts.reconciled.finding(id));
            let mut parts = says(finding, Post::Summary, page);
            parts.extend(earlier.and_then(|earlier| precedent(earlier, page)));
            Some(parts.join("\n\n"))
        }
        None => earlier.get(&open.known.id).map(|text| prose(text, page.links)),
    };
    let text = |open: &Open<'_>| {
        let (severity, id) = (capital(open.known.severity), code(&open.known.id.to_string()));
        let spot = rows::spot(facts, open, page).linked();
        Some(format!("#### {severity} — {} · {spot} · {id}\n\n{}", title(&open.known.title), said(open)?))
    };
    let mut texts: Vec<String> = facts.untold(open).iter().filter_map(text).collect();
    let count = texts.len();
    let mut bytes = 0;
    let fitting = texts.iter().take(MAX_TEXTS).take_while(|text| {
        bytes += text.len();
        bytes <= MAX_BYTES
    });
    let told = fitting.count();
    texts.truncate(told);
    if told < count {
        texts.insert(0, format!("The first {told} of them; `result.json` in the job's artifacts has all."));
    }
    let summary = format!("Text of {} without a thread", plural(count, "finding"));
    (count > 0).then(|| details(&summary, &texts.join("\n\n")))
}

/// Reads the texts out of an earlier summary. A heading is always ours: those of others are written as paragraphs.
fn earlier(summary: &str) -> BTreeMap<FindingId, String> {
    let summary = summary.replace("\r\n", "\n");
    let part = summary.split_once(OPENING).and_then(|(_, rest)| rest.split_once(CLOSING)).map_or("", |(part, _)| part);
    let mut texts: BTreeMap<FindingId, String> = BTreeMap::new();
    let mut heading: Option<(Option<FindingId>, usize)> = None;
    let mut keep = |heading: Option<(Option<FindingId>, usize)>, end: usize| {
        if let Some((Some(id), from)) = heading {
            texts.entry(id).or_insert_with(|| part.get(from..end).unwrap_or_default().trim().to_owned());
        }
    };
    let mut id = None;
    for (event, range) in Parser::new(part).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H4, .. }) => {
                keep(heading.take(), range.start);
                id = None;
            }
            // Its name is the last thing that stands in it as code.
            Event::Code(text) if heading.is_none() => id = FindingId::parse(&text),
            Event::End(TagEnd::Heading(HeadingLevel::H4)) => heading = Some((id, range.end)),
            _ => {}
        }
    }
    keep(heading, part.len());
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_by_headings_which_nobody_else_can_write() {
        let inside = "of 3 findings without a thread</summary>\n\nThe first 3 of them.\n\n#### Suggestion — a `F-9` · [`b`](c) · `F-4`\n\n**Body** with `F-7`.\n\n\
                      ```\n#### x · `F-8`\n```\n\n#### no name\n\nLost.\n\n#### Important — d · `F-5`\n\nOther.";
        let summary = format!("### Assize\n\n{OPENING}{inside}{CLOSING}What was looked at</summary>\n\n#### y · `F-6`\n\nz\n\n</details>");
        let expected = [(4, "**Body** with `F-7`.\n\n```\n#### x · `F-8`\n```"), (5, "Other.")];
        assert_eq!(earlier(&summary), expected.map(|(id, text)| (FindingId::new(id), text.to_owned())).into());
        assert_eq!(earlier("### Assize"), BTreeMap::new());
    }
}
