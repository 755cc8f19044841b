//! From a run to its story, and new expectations into an old one. Prose that a person wrote stays.

use std::fmt::Write as _;

use super::parse::readers;
use super::{Expected, Story};

const NEVER_FAILS: &str = "writing to a string cannot fail";

/// Returns the story as Markdown.
pub fn write(story: &Story) -> String {
    let mut out = format!("# {}\n\nA run of Assize. `assize replay FILE` repeats it, offline.\n", story.title);
    let run = serde_json::to_value(&story.run).expect("a run is JSON");
    if run.as_object().is_some_and(|run| !run.is_empty()) {
        // JSON is YAML.
        section(&mut out, "How it was started", "yaml run", &(run.to_string() + "\n"));
    }
    if let Some(config) = &story.config {
        section(&mut out, "Configuration", "yaml config", config);
    }
    section(&mut out, "The change", "diff change", &story.change);
    if !story.files.is_empty() {
        out.push_str("\n## Files\n");
        for (path, text) in &story.files {
            let role = if text.is_empty() || text.ends_with('\n') { "file" } else { "fragment" };
            fence(&mut out, &format!("text {role} {path}"), text);
        }
    }
    for (reader, _) in readers(&story.answers) {
        writeln!(out, "\n## What {reader} said").expect(NEVER_FAILS);
        for told in story.answers.iter().filter(|told| told.reader == reader) {
            let text = serde_json::to_string_pretty(&told.answer).expect("an answer is JSON") + "\n";
            fence(&mut out, &format!("json answer {reader}"), &text);
        }
    }
    if !story.expected.is_empty() {
        out.push_str("\n## What came of it\n");
        for Expected { name, text, .. } in &story.expected {
            fence(&mut out, &format!("text expect {name}"), text);
        }
    }
    out
}

/// Returns the story's text with its expected blocks replaced by what a run really gave, by name; everything else stays as it is.
pub fn blessed(text: &str, story: &Story, given: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for expected in &story.expected {
        out.push_str(&text[from..expected.at.start]);
        out.push_str(&given(&expected.name).unwrap_or_else(|| expected.text.clone()));
        from = expected.at.end;
    }
    out.push_str(&text[from..]);
    out
}

fn section(out: &mut String, heading: &str, info: &str, text: &str) {
    writeln!(out, "\n## {heading}").expect(NEVER_FAILS);
    fence(out, info, text);
}

/// A code block that its content cannot close.
fn fence(out: &mut String, info: &str, text: &str) {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let feed = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    write!(out, "\n{fence}{info}\n{text}{feed}{fence}\n").expect(NEVER_FAILS);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::story::{Answer, Run, Told, parse};

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            title in "[A-Za-z][A-Za-z ]{0,20}[a-z]",
            change in "[-+ a-z`\n]{0,60}",
            file in "[a-z`~ \n#<>]{0,60}",
            said in "(?s).{0,30}",
        ) {
            let feed = |text: String| if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" };
            let story = Story {
                title,
                run: Run { tier: Some("lite".into()), ..Run::default() },
                change: feed(change),
                files: [("a/b.md".to_owned(), file)].into(),
                config: Some("version: 1\n".into()),
                answers: vec![Told { reader: "security".into(), answer: Answer { text: said, ..Answer::default() } }],
                expected: Vec::new(),
            };
            let text = write(&story);
            prop_assert_eq!(parse("s.md", &text).unwrap(), story);
        }
    }

    #[test]
    fn blessing_replaces_expected_blocks_only() {
        let text = "# T\n\n```diff change\n```\n\nWords.\n\n```text expect exit\n0\n```\n\n```text expect terminal\n```\nEnd.\n";
        let story = parse("s.md", text).unwrap();
        let new = blessed(text, &story, |name| (name == "terminal").then(|| "new\n".to_owned()));
        assert_eq!(new, text.replace("terminal\n", "terminal\nnew\n"));
    }
}
