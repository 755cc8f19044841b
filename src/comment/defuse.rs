//! Makes foreign text safe to post: what a model, an author or a file wrote is shown, and does nothing.
//!
//! GitLab runs quick actions from note text, notifies whom it mentions, and links back from what it references, all with the rights of the
//! bot. Every foreign text of a posted body goes through a function of this file; none may be posted around it.

mod escape;
mod links;
mod prose;
#[cfg(test)]
mod tests;

pub use links::Links;

use escape::{escape, is_action, is_hidden, longest_run, push_code, unmarked, visible};
use prose::{Emphasis, rewritten};

/// The longest foreign text in one piece, in characters; the rest is cut, and said to be.
const MAX_CHARS: usize = 20_000;
/// The longest title, in characters.
const MAX_LINE_CHARS: usize = 400;
/// The longest sentence, in characters: a reason with the names that belong to it.
const MAX_SENTENCE_CHARS: usize = 2_000;
/// How often a text is rewritten until it stays the same. One pass is the rule, two happen where an address had to become code.
const MAX_PASSES: usize = 4;
/// Lines above the last one that a suggestion of GitLab can replace.
const MAX_LINES_ABOVE: u32 = 100;
/// Words behind a fence that only colour the code. Others could draw a diagram, a formula or a suggestion.
const LANGUAGES: [&str; 58] = [
    "bash",
    "bat",
    "c",
    "clojure",
    "cmake",
    "conf",
    "console",
    "cpp",
    "cs",
    "csharp",
    "css",
    "dart",
    "diff",
    "dockerfile",
    "elixir",
    "env",
    "erlang",
    "go",
    "graphql",
    "groovy",
    "haskell",
    "hcl",
    "html",
    "ini",
    "java",
    "javascript",
    "js",
    "json",
    "jsonc",
    "jsx",
    "kotlin",
    "lua",
    "make",
    "makefile",
    "nginx",
    "nix",
    "objc",
    "patch",
    "perl",
    "php",
    "powershell",
    "proto",
    "py",
    "python",
    "r",
    "rb",
    "rs",
    "ruby",
    "rust",
    "scala",
    "sh",
    "shell",
    "sql",
    "swift",
    "text",
    "toml",
    "ts",
    "typescript",
];

/// Returns foreign Markdown as Markdown that keeps its paragraphs, lists, code and emphasis, and in which nothing else works.
pub fn prose(text: &str, links: &Links) -> String {
    let text = cut(&visible(text));
    for emphasis in [Emphasis::Kept, Emphasis::Dropped] {
        if let Some(settled) = settled(&text, links, emphasis) {
            return guarded(&settled);
        }
    }
    // Markdown that does not settle: every character as it stands.
    let shown = text.lines().map(|line| escape(line, links, true, true).trim_end().to_owned()).collect::<Vec<_>>().join("\n");
    match settled(&shown, links, Emphasis::Kept) {
        Some(settled) if settled == shown => guarded(&shown),
        Some(_) | None => code_block(&text, ""),
    }
}

/// Rewrites a text until it stays the same; none if it does not, or if a reader would then see other characters.
fn settled(text: &str, links: &Links, emphasis: Emphasis) -> Option<String> {
    let first = rewritten(text, links, emphasis);
    let mut now = first.markdown;
    for _ in 0..MAX_PASSES {
        let next = rewritten(&now, links, Emphasis::Kept);
        if next.markdown == now {
            return (next.shown == first.shown).then_some(now);
        }
        now = next.markdown;
    }
    None
}

/// Returns foreign text as one line of Markdown in which code spans and emphasis work: for titles and items of lists.
pub fn line(text: &str, links: &Links) -> String {
    line_within(MAX_LINE_CHARS, text, links)
}

/// Returns foreign text as [`line`] does, with room for a reason that names files.
pub(super) fn sentence(text: &str, links: &Links) -> String {
    line_within(MAX_SENTENCE_CHARS, text, links)
}

fn line_within(max_chars: usize, text: &str, links: &Links) -> String {
    /// Behind a word nothing is a list, a heading or a quotation.
    const BEHIND: &str = "x ";
    let joined = visible(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let joined = match joined.char_indices().nth(max_chars) {
        Some((at, _)) => format!("{}…", &joined[..at]),
        None => joined,
    };
    let shown = prose(&format!("{BEHIND}{joined}"), links);
    let shown = match shown.strip_prefix(BEHIND) {
        Some(shown) if !shown.contains('\n') => shown.to_owned(),
        Some(_) | None => escape(&joined, links, true, true),
    };
    let shown = closed(shown);
    if shown.starts_with(['#', '>', '+', '-', '=', '/', ':']) || shown.starts_with("~ ") {
        return format!("\\{shown}");
    }
    match shown.find(|c: char| !c.is_ascii_digit()) {
        Some(at) if at > 0 && shown[at..].starts_with(['.', ')']) => format!("{}\\{}", &shown[..at], &shown[at..]),
        Some(_) | None => shown,
    }
}

/// Returns a line to which any text may be joined: at the end of a text a single sign does nothing, in front of more it could begin something.
fn closed(mut shown: String) -> String {
    let Some((at, last)) = shown.char_indices().next_back() else { return shown };
    let escaped = |text: &str| (text.len() - text.trim_end_matches('\\').len()) % 2 == 1;
    let front = &shown[..at];
    // Two bare tildes end what is struck through.
    let markup = last == '~' && front.strip_suffix('~').is_some_and(|front| !escaped(front));
    if matches!(last, '@' | '#' | '!' | '~' | '%' | '$' | '^' | '&') && !escaped(front) && !markup {
        shown.insert(at, '\\');
    }
    shown
}

/// Returns foreign text as a cell of a table.
pub fn cell(text: &str, links: &Links) -> String {
    let shown = line(text, links);
    // A table takes pipes before code spans: one inside a span needs a backslash too.
    let mut out = String::with_capacity(shown.len());
    let mut before = ' ';
    for c in shown.chars() {
        if c == '|' && before != '\\' {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
    out
}

/// Returns foreign text as a code span: for paths, branches, models.
pub fn code(text: &str) -> String {
    let mut out = String::new();
    push_code(&mut out, visible(text).trim());
    out
}

/// Returns a code span that may stand in a table.
pub fn code_cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// Returns foreign code as a block that it cannot close. `language` is kept if it only colours.
pub fn code_block(text: &str, language: &str) -> String {
    guarded(&fenced(cut(&visible(text)).trim_end_matches('\n'), language))
}

/// Returns code as a suggestion that replaces `lines_above` lines and the one it stands on.
///
/// # Errors
///
/// It cannot be one safely and belongs in a plain block; the reason, to stand behind “because”.
pub fn suggestion(text: &str, lines_above: u32) -> Result<String, &'static str> {
    let text = text.replace("\r\n", "\n");
    let text = text.strip_suffix('\n').unwrap_or(&text);
    if lines_above > MAX_LINES_ABOVE || text.chars().count() > MAX_CHARS {
        return Err("it is too long for GitLab to apply");
    }
    if text.split('\n').any(is_action) {
        return Err("GitLab would run a line of it as a command");
    }
    if text.split('\n').any(|line| line.chars().any(is_hidden)) || unmarked(text) != text {
        return Err("it holds characters that do not show");
    }
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    let inside = if text.is_empty() { String::new() } else { format!("{text}\n") };
    Ok(format!("{fence}suggestion:-{lines_above}+0\n{inside}{fence}"))
}

/// Returns a body in which no line starts with a slash and a letter: the last word on every text that is posted.
pub fn guarded(body: &str) -> String {
    let lines = body.split('\n').map(|line| {
        let line = line.replace('\r', "");
        if is_action(&line) { format!(" {line}") } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn fenced(text: &str, language: &str) -> String {
    let text = unmarked(text);
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    let word = language.split([' ', ',', '{', '\t']).next().unwrap_or_default().to_ascii_lowercase();
    let word = if LANGUAGES.contains(&word.as_str()) { word.as_str() } else { "" };
    format!("{fence}{word}\n{text}\n{fence}")
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => format!("{}\n\n(cut: this text is longer than {MAX_CHARS} characters)", &text[..at]),
        None => text.to_owned(),
    }
}
