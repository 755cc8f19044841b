//! Foreign characters as Markdown that shows them: what a reader sees is what was written, and none of it does anything.

use std::fmt::Write as _;

use super::Links;

/// Returns text with carriage returns as line feeds, and with characters made visible that would hide or reorder what stands there.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push('\n');
            }
            c if is_hidden(c) => write!(out, "[U+{:04X}]", u32::from(c)).expect("writing to a string cannot fail"),
            c => out.push(c),
        }
    }
    out
}

/// Returns whether a character is a control, reorders text, or takes no room. Joiners stay: emoji and several scripts need them.
pub(super) fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
        || matches!(c, '\u{200B}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Returns whether GitLab could take a line for a quick action, wherever it stands: a slash and a letter.
pub(super) fn is_action(line: &str) -> bool {
    line.strip_prefix('/').is_some_and(|rest| rest.starts_with(|c: char| c.is_alphabetic() || c == '_'))
}

/// Returns foreign text as inline Markdown that shows just these characters. It may stand at the start of a line if `at_line_start`;
/// `ends` says that nothing follows on its line.
pub(super) fn escape(text: &str, links: &Links, at_line_start: bool, ends: bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while !rest.is_empty() {
        let word_end = rest.find(is_space).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(word_end);
        let start = at_line_start && out.is_empty();
        let closed = !behind.is_empty() || ends;
        push_word(&mut out, word, links, start, closed);
        let next = behind.find(|c| !is_space(c)).unwrap_or(behind.len());
        if next > 0 && !(at_line_start && out.is_empty()) {
            out.push(' ');
        }
        rest = &behind[next..];
    }
    out
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n')
}

fn push_word(out: &mut String, word: &str, links: &Links, at_line_start: bool, closed: bool) {
    let mut rest = word;
    let mut start = at_line_start;
    while let Some((from, to)) = address(rest) {
        let (front, address, behind) = (&rest[..from], &rest[from..to], &rest[to..]);
        push_word(out, front, links, start, false);
        if links.allow(address) {
            write!(out, "<{address}>").expect("writing to a string cannot fail");
        } else {
            push_code(out, address);
        }
        rest = behind;
        start = false;
    }
    push_characters(out, rest, start, closed);
}

/// Finds what GitLab would make a link or a reference of by itself: an address with a scheme, `www.`, a mail address, `[issue:7]`.
fn address(word: &str) -> Option<(usize, usize)> {
    let trimmed = word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}', '\'', '"', '*', '_', '>', '~', '`', '|']).len();
    let until_end = |from: usize| Some((from, if trimmed > from { trimmed } else { word.len() }));
    if let Some(colon) = word.find("://") {
        let scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        return until_end(word[..colon].rfind(|c| !scheme(c)).map_or(0, |at| at + word[at..].chars().next().map_or(1, char::len_utf8)));
    }
    let lower = word.to_ascii_lowercase();
    if let Some(from) = lower.find("www.").or_else(|| lower.find("mailto:")).or_else(|| lower.find("xmpp:")) {
        return until_end(from);
    }
    if let Some(at) = word.find('@') {
        let mail = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
        let from = word[..at].rfind(|c| !mail(c)).map_or(0, |found| found + word[found..].chars().next().map_or(1, char::len_utf8));
        if from < at && word[at..].contains('.') {
            return until_end(from);
        }
    }
    if let Some(from) = lower.find("*iteration:") {
        return until_end(from);
    }
    word.match_indices('[').find_map(|(from, _)| {
        let inside = word[from + 1..].split(']').next()?;
        let kind = inside.split_once(':')?.0;
        let named = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
        named.then(|| (from, (from + inside.len() + 2).min(word.len())))
    })
}

fn push_characters(out: &mut String, text: &str, at_line_start: bool, closed: bool) {
    let numbered = text.find(|c: char| !c.is_ascii_digit()).filter(|&at| at > 0 && text[at..].starts_with(['.', ')']));
    let mut before = out.chars().next_back();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let first = at_line_start && at == 0;
        let active = match c {
            // A dollar sign may close a formula that another text began.
            '\\' | '`' | '*' | '[' | ']' | '<' | '|' | '$' => true,
            '>' | '+' | '-' | '=' | ':' => first,
            // White space that Markdown keeps, like a no-break space, may stand in front of it.
            '/' => at_line_start && text[..at].trim().is_empty(),
            '.' | ')' => at_line_start && numbered == Some(at),
            // Between two letters it is part of a name.
            '_' => !(before.is_some_and(char::is_alphanumeric) && next.is_some_and(char::is_alphanumeric)),
            // GitLab takes a tilde at the start of a line for a definition.
            '#' | '~' => first || next.is_some() || !closed,
            // A reference, a mention or an image needs something behind it.
            '@' | '!' | '%' | '^' => next.is_some() || !closed,
            '&' => next.is_some_and(|next| next == '#' || next.is_alphanumeric()) || (next.is_none() && !closed),
            _ => false,
        };
        if active {
            out.push('\\');
        }
        out.push(c);
        before = Some(c);
    }
}

/// Appends foreign text as a code span, with a fence longer than any run of back-quotes inside.
pub(super) fn push_code(out: &mut String, text: &str) {
    let text = unmarked(&text.replace('\n', " "));
    if text.trim().is_empty() {
        return;
    }
    // Two spans that touch would become one.
    if out.ends_with('`') {
        out.push(' ');
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    let pads = text.starts_with('`') || text.ends_with('`') || (text.starts_with(' ') && text.ends_with(' '));
    let pad = if pads { " " } else { "" };
    write!(out, "{fence}{pad}{text}{pad}{fence}").expect("writing to a string cannot fail");
}

/// Returns the length of the longest run of back-quotes.
pub(super) fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Returns text in which no marker of ours stands, so that none can be forged where characters are shown as they are.
pub(super) fn unmarked(text: &str) -> String {
    text.replace("<!-- assize:", "<!-- assize :")
}
