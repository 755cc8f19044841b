//! The text of a rule below its front matter: one sentence of guidance, then sections. It must not run the examples.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Parser, Tag, TagEnd};
use std::ops::Range;

use super::complaint::{At, Complaint};
use super::front::language;
use super::{Example, Expect};
use crate::change::RepoPath;

/// The word of a fence whose lines are changed paths.
const FILES: &str = "files";
/// The longest guidance, in characters: the index holds one for each rule.
const MAX_GUIDANCE_CHARS: usize = 300;

const SECTIONS: [&str; 4] = ["Why", "Bad", "Good", "Exceptions"];

/// What stands below the front matter.
pub(super) struct Body {
    pub(super) guidance: String,
    pub(super) why: String,
    pub(super) examples: Vec<Example>,
}

/// A heading of the second level and where its text is.
struct Section {
    name: String,
    heading: Range<usize>,
    text: Range<usize>,
}

/// Reads what is below the front matter; `first_line` is the number of its first line in the file.
pub(super) fn read(text: &str, first_line: usize, detectors: bool) -> Result<Body, Complaint> {
    let lines = Lines { text, first_line };
    let guidance = guidance(text, &lines)?;
    let sections = sections(text, &lines)?;
    let find = |name: &str| sections.iter().find(|section| section.name == name);
    let missing = |name: &str, why: &str| Complaint::new(lines.end(), format!("the section `## {name}` is missing{why}"));
    let why = find("Why").ok_or_else(|| missing("Why", ""))?;
    let why_text = text[why.text.clone()].trim();
    if why_text.is_empty() {
        return Err(Complaint::new(lines.at(&why.heading), "the section `## Why` is empty").hint("say what goes wrong otherwise"));
    }
    let examples = examples(text, &sections, &lines)?;
    if detectors {
        for (name, expect) in [("Bad", Expect::Bad), ("Good", Expect::Good)] {
            let section = find(name).ok_or_else(|| missing(name, ": a rule with detectors shows what they catch and what not"))?;
            if !examples.iter().any(|example| example.expect == expect) {
                return Err(Complaint::new(lines.at(&section.heading), format!("the section `## {name}` has no fenced example")));
            }
        }
    }
    Ok(Body { guidance, why: why_text.to_owned(), examples })
}

/// Returns the first paragraph: one sentence, its lines joined.
fn guidance(text: &str, lines: &Lines<'_>) -> Result<String, Complaint> {
    let mut parser = Parser::new(text).into_offset_iter();
    let Some((Event::Start(Tag::Paragraph), range)) = parser.next() else {
        return Err(Complaint::new(lines.start(), "the text below the front matter starts with the guidance")
            .hint("one sentence: “If you need X, use Y.” or “Do not …”"));
    };
    let at = lines.at(&range);
    // Code may hold full stops of its own.
    let mut prose = String::new();
    for (event, _) in parser {
        match event {
            Event::End(TagEnd::Paragraph) => break,
            Event::Text(text) => prose.push_str(&text),
            Event::SoftBreak | Event::HardBreak => prose.push(' '),
            _ => prose.push('x'),
        }
    }
    let prose = prose.trim();
    if !prose.ends_with(['.', '!', 'x']) || !text[range.clone()].trim_end().ends_with(['.', '!']) {
        return Err(Complaint::new(at, "the guidance is one sentence and ends with a full stop"));
    }
    if second_sentence(prose) {
        return Err(Complaint::new(at, "the guidance is a single sentence").hint("the rest belongs into `## Why`"));
    }
    let joined = text[range].split_whitespace().collect::<Vec<_>>().join(" ");
    if joined.chars().count() > MAX_GUIDANCE_CHARS {
        return Err(Complaint::new(at, format!("the guidance is longer than {MAX_GUIDANCE_CHARS} characters")));
    }
    Ok(joined)
}

/// Returns whether a sentence ends before the text does: a full stop, a space, a capital; `e.g.` and its kin end none.
fn second_sentence(prose: &str) -> bool {
    prose.match_indices(". ").any(|(at, _)| {
        let word = prose[..at].rsplit([' ', '(']).next().unwrap_or("");
        let next = prose[at + 2..].trim_start().chars().next();
        !matches!(word, "e.g" | "i.e" | "etc" | "cf" | "vs" | "approx") && next.is_some_and(char::is_uppercase)
    })
}

fn sections(text: &str, lines: &Lines<'_>) -> Result<Vec<Section>, Complaint> {
    let mut sections: Vec<Section> = Vec::new();
    let mut open: Option<(HeadingLevel, Range<usize>, String)> = None;
    for (event, range) in Parser::new(text).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => open = Some((level, range, String::new())),
            Event::End(TagEnd::Heading(_)) => {
                let Some((level, heading, name)) = open.take() else { continue };
                let at = lines.at(&heading);
                match level {
                    HeadingLevel::H1 => {
                        return Err(Complaint::new(at, "a rule's title stands in its front matter").hint("sections start with `##`"));
                    }
                    HeadingLevel::H2 => {}
                    HeadingLevel::H3 | HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => continue,
                }
                if !SECTIONS.contains(&name.as_str()) {
                    return Err(Complaint::new(at, format!("`{name}` is not a section of a rule")).nearest(&name, SECTIONS));
                }
                if sections.iter().any(|section| section.name == name) {
                    return Err(Complaint::new(at, format!("the section `## {name}` is there twice")));
                }
                if let Some(last) = sections.last_mut() {
                    last.text.end = heading.start;
                }
                sections.push(Section { name, text: heading.end..text.len(), heading });
            }
            Event::Text(part) | Event::Code(part) => {
                if let Some((_, _, name)) = &mut open {
                    name.push_str(&part);
                }
            }
            _ => {}
        }
    }
    Ok(sections)
}

fn examples(text: &str, sections: &[Section], lines: &Lines<'_>) -> Result<Vec<Example>, Complaint> {
    let mut examples = Vec::new();
    let mut open: Option<Example> = None;
    for (event, range) in Parser::new(text).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let section = sections.iter().find(|section| section.text.contains(&range.start)).map(|section| section.name.as_str());
                let expect = match section {
                    Some("Bad") => Expect::Bad,
                    Some("Good") => Expect::Good,
                    _ => continue,
                };
                open = Some(example(&info, expect, lines.at(&range))?);
            }
            Event::Text(part) => {
                if let Some(example) = &mut open {
                    example.code.push_str(&part);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                let Some(example) = open.take() else { continue };
                if example.code.trim().is_empty() {
                    return Err(Complaint::new(At::line(example.line), "this example is empty"));
                }
                examples.push(example);
            }
            _ => {}
        }
    }
    Ok(examples)
}

/// Returns an example without its code, from the words behind its fence.
fn example(info: &str, expect: Expect, at: At) -> Result<Example, Complaint> {
    let (word, file) = info.trim().split_once(char::is_whitespace).unwrap_or((info.trim(), ""));
    let file = Some(file.trim()).filter(|file| !file.is_empty());
    if word.is_empty() {
        return Err(Complaint::new(at, "an example names its language behind the fence").hint("e.g. ```python app/login.py"));
    }
    if word == FILES {
        if file.is_some() {
            return Err(Complaint::new(at, "a `files` example has no file name: each line of it is a path"));
        }
    } else {
        language(word, at)?;
    }
    Ok(Example { expect, language: word.to_owned(), file: file.map(RepoPath::from), code: String::new(), line: at.line })
}

/// The lines of the body as the file counts them.
struct Lines<'a> {
    text: &'a str,
    first_line: usize,
}

impl Lines<'_> {
    fn at(&self, range: &Range<usize>) -> At {
        let before = &self.text[..range.start];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let width = self.text[range.clone()].lines().next().unwrap_or("").chars().count();
        At { line: self.first_line + before.matches('\n').count(), column: self.text[start..range.start].chars().count() + 1, width }
    }

    fn start(&self) -> At {
        let blank = self.text.len() - self.text.trim_start().len();
        self.at(&(blank..blank))
    }

    fn end(&self) -> At {
        let end = self.text.trim_end().len();
        let line = self.first_line + self.text[..end].matches('\n').count();
        At::line(line)
    }
}
