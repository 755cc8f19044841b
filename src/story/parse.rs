//! From a story's Markdown to its values, strictly: an unknown block is an error at its line. Prose and headings are for people.

use std::collections::BTreeMap;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::{Expected, MAX_STORY_BYTES, Run, Story, Told};
use crate::yaml::{self, Fault};

/// What a fence can be: the second word behind it.
const ROLES: [&str; 7] = ["run", "change", "file", "fragment", "config", "answer", "expect"];

/// A fenced block.
struct Block<'t> {
    info: String,
    text: &'t str,
    at: std::ops::Range<usize>,
    line: usize,
}

/// Reads a story. `origin` is its name in messages.
///
/// A fence says what it holds: ```` ```diff change ````, ```` ```python file src/a.py ````, ```` ```yaml config ````, ```` ```yaml run ````,
/// ```` ```json answer security ````, ```` ```text expect terminal ````. The first word is for highlighting only. A `fragment` is a file whose
/// last line has no line feed.
pub fn parse(origin: &str, text: &str) -> Result<Story, Fault> {
    if text.len() > MAX_STORY_BYTES {
        return Err(Fault::whole(origin, format!("a story has at most {} MiB", MAX_STORY_BYTES >> 20)));
    }
    let mut story = Story { title: title(text), ..Story::default() };
    if story.title.is_empty() {
        return Err(Fault::whole(origin, "a story begins with a heading that says what happens"));
    }
    let mut has_change = false;
    for block in blocks(text) {
        let mut words = block.info.splitn(3, ' ');
        let (_, role, name) = (words.next(), words.next().unwrap_or(""), words.next().unwrap_or("").trim());
        let fault = |message: String| Fault::at(origin, text, block.line, 0, message);
        let named = |what: &str| {
            if name.is_empty() { Err(fault(format!("the fence `{}` does not say which {what}", block.info))) } else { Ok(name.to_owned()) }
        };
        match role {
            "run" => story.run = yaml::read::<Run>(origin, block.text, block.line + 1, text)?,
            "change" if has_change => return Err(fault("a story has one change".to_owned())),
            "change" => {
                has_change = true;
                block.text.clone_into(&mut story.change);
            }
            "file" | "fragment" => {
                let text = if role == "file" { block.text } else { block.text.strip_suffix('\n').unwrap_or(block.text) };
                if story.files.insert(named("file")?, text.to_owned()).is_some() {
                    return Err(fault(format!("the file {name} stands here twice")));
                }
            }
            "config" => story.config = Some(block.text.to_owned()),
            "answer" => {
                let answer = serde_json::from_str(block.text)
                    .map_err(|error| Fault::at(origin, text, block.line + error.line(), error.column(), format!("no answer: {error}")))?;
                story.answers.push(Told { reader: named("reader")?, answer });
            }
            "expect" => story.expected.push(Expected { name: named("part of the run")?, text: block.text.to_owned(), at: block.at }),
            other => return Err(fault(format!("unknown block `{}`", block.info)).nearest(other, ROLES)),
        }
    }
    if !has_change {
        return Err(Fault::whole(origin, "there is no change in it").hint("put the diff into a fence ```diff change"));
    }
    Ok(story)
}

fn title(text: &str) -> String {
    let mut title = String::new();
    let mut inside = false;
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }) => inside = true,
            Event::End(TagEnd::Heading(HeadingLevel::H1)) => break,
            Event::Text(part) | Event::Code(part) if inside => title.push_str(&part),
            _ => {}
        }
    }
    title
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, std::ops::Range<usize>)> = None;
    let mut inner: Option<std::ops::Range<usize>> = None;
    for (event, range) in Parser::new_ext(text, Options::empty()).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                inner = None;
                open = Some((info.to_string(), range));
            }
            Event::Text(_) if open.is_some() => {
                inner = Some(inner.map_or(range.clone(), |known| known.start..range.end));
            }
            Event::End(TagEnd::CodeBlock) => {
                let Some((info, whole)) = open.take() else { continue };
                // An empty block ends where its first line does.
                let first = text[whole.clone()].find('\n').map_or(whole.end, |feed| whole.start + feed + 1);
                let at = inner.take().unwrap_or(first..first);
                let line = text[..whole.start].matches('\n').count() + 1;
                blocks.push(Block { info, text: &text[at.clone()], at, line });
            }
            _ => {}
        }
    }
    blocks
}

/// The readers of a story with the number of their answers, in the order of their first one.
pub(super) fn readers(answers: &[Told]) -> Vec<(&str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut order = Vec::new();
    for told in answers {
        let count = counts.entry(&told.reader).or_insert(0);
        if *count == 0 {
            order.push(told.reader.as_str());
        }
        *count += 1;
    }
    order.into_iter().map(|reader| (reader, counts[reader])).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STORY: &str = "# A `thing` happens\n\nProse.\n\n```diff change\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n```\n\n````md file README.md\n```sh\nls\n```\n````\n\n```json answer security\n{ \"text\": \"hm\" }\n```\n\n```text expect terminal\nold\n```\n";

    #[test]
    fn a_story_is_read_block_by_block() {
        let story = parse("s.md", STORY).unwrap();
        assert_eq!(story.title, "A thing happens");
        assert_eq!(story.change, "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n");
        assert_eq!(story.files["README.md"], "```sh\nls\n```\n");
        assert_eq!((story.answers[0].reader.as_str(), story.answers[0].answer.text.as_str()), ("security", "hm"));
        assert_eq!(&STORY[story.expected[0].at.clone()], "old\n");
        assert_eq!(readers(&story.answers), [("security", 1)]);
    }

    #[test]
    fn mistakes_are_shown_at_their_line() {
        let check = |text: &str, expected: &str| {
            let fault = parse("s.md", text).unwrap_err();
            let said = format!("{fault} {}", fault.hint.as_deref().unwrap_or(""));
            assert!(said.contains(expected), "{said}");
        };
        check("no heading", "a story begins with a heading");
        check("# T\n", "there is no change in it");
        check(&STORY.replace("json answer", "json anser"), "s.md:19: unknown block `json anser security`");
        check(&STORY.replace("json anser", "json answer").replace("\"hm\" }", "\"hm\""), "s.md:21: no answer");
        check(&STORY.replace("answer security", "answer"), "does not say which reader");
        check(&format!("{STORY}```yaml run\ntire: lite\n```\n"), "unknown key `tire`");
        check(&format!("{STORY}```diff change\n```\n"), "a story has one change");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reading_panic(text in "(?s)# t\n(```(diff change|json answer a|text expect b|x)?\n.{0,20}\n?){0,4}") {
            let _story = parse("s.md", &text);
        }
    }
}
