//! The Markdown below a rule's front matter: guidance, sections, fenced examples with their lines.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Parser, Tag, TagEnd};

use super::{Example, Expect};
use crate::change::RepoPath;
use crate::yaml::Fault;

/// The parts of a rule's body.
pub(super) struct Body {
    /// First paragraph, on one line.
    pub(super) guidance: String,
    /// The `Why` section as Markdown.
    pub(super) why: String,
    /// The whole body as Markdown.
    pub(super) text: String,
    /// Fenced examples under `Bad` and `Good`.
    pub(super) examples: Vec<Example>,
}

const SECTIONS: [&str; 4] = ["Why", "Bad", "Good", "Exceptions"];

/// Reads the body, which begins on `first_line` (1-based) of the file `whole`.
pub(super) fn read(origin: &str, whole: &str, text: &str, first_line: usize) -> Result<Body, Fault> {
    let line_of = |offset: usize| first_line + text[..offset].matches('\n').count();
    let fault = |offset: usize, message: String| Fault::at(origin, whole, line_of(offset), 1, message);
    let mut guidance = String::new();
    let mut sections: Vec<(String, usize, usize)> = Vec::new();
    let mut examples = Vec::new();
    let mut heading: Option<(usize, String)> = None;
    let mut fence: Option<(usize, String, String)> = None;
    for (event, range) in Parser::new(text).into_offset_iter() {
        match event {
            Event::Start(Tag::Paragraph) if guidance.is_empty() && sections.is_empty() => {
                guidance = text[range].split_whitespace().collect::<Vec<_>>().join(" ")
            }
            Event::Start(Tag::Heading { level: HeadingLevel::H2, .. }) => heading = Some((range.start, String::new())),
            Event::Start(Tag::Heading { .. }) => {
                return Err(fault(range.start, "only headings of the second level (`##`) stand in a rule".to_owned()));
            }
            Event::Text(words) | Event::Code(words) if heading.is_some() => {
                heading.iter_mut().for_each(|(_, title)| title.push_str(&words))
            }
            Event::End(TagEnd::Heading(_)) => {
                let (start, title) = heading.take().expect("a heading ends after it began");
                if !SECTIONS.contains(&title.as_str()) {
                    return Err(fault(start, format!("unknown section `{title}`")).nearest(&title, SECTIONS));
                }
                if sections.iter().any(|(known, _, _)| *known == title) {
                    return Err(fault(start, format!("the section `{title}` stands twice")));
                }
                sections.push((title, start, range.end));
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => fence = Some((range.start, info.to_string(), String::new())),
            Event::Text(code) if fence.is_some() => fence.iter_mut().for_each(|(_, _, text)| text.push_str(&code)),
            Event::End(TagEnd::CodeBlock) => {
                let Some((start, info, code)) = fence.take() else { continue };
                let expect = match sections.last().map(|(title, _, _)| title.as_str()) {
                    Some("Bad") => Expect::Bad,
                    Some("Good") => Expect::Good,
                    _ => continue,
                };
                let mut words = info.split_whitespace();
                let language = words.next().ok_or_else(|| fault(start, "an example's fence names its language".to_owned()))?.to_owned();
                examples.push(Example { expect, language, file: words.next().map(RepoPath::from), code, line: line_of(start) });
            }
            _ => {}
        }
    }
    if guidance.is_empty() {
        return Err(Fault::at(origin, whole, first_line, 1, "the body begins with one sentence that says what to do")
            .hint("“If you need X, use Y.” or “Do not …”: it is what the rule index shows"));
    }
    let section = |name: &str| {
        let index = sections.iter().position(|(title, _, _)| title == name)?;
        let end = sections.get(index + 1).map_or(text.len(), |(_, start, _)| *start);
        Some(text[sections[index].2..end].trim().to_owned())
    };
    let why =
        section("Why").filter(|why| !why.is_empty()).ok_or_else(|| Fault::whole(origin, "the section `## Why` is missing or empty"))?;
    Ok(Body { guidance, why, text: text.trim().to_owned(), examples })
}
