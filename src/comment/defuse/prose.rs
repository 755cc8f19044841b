//! Foreign Markdown taken apart and written anew: only what is known to be harmless is written, so nothing else can come through.
//!
//! Kept: paragraphs, lists, quotations, code, emphasis, allowed links. Everything else is shown as the characters it was written with. It
//! must not pass any foreign character on unescaped.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::escape::{escape, push_code, unmarked};
use super::{Links, fenced};

/// Quotations and lists inside one another; deeper ones are flattened.
const MAX_DEPTH: usize = 5;

enum Block {
    /// Finished Markdown, line feeds between its lines.
    Paragraph(String),
    /// Fenced code, fences included.
    Code(String),
    Quote(Vec<Block>),
    List {
        start: Option<u64>,
        tight: bool,
        items: Vec<Vec<Block>>,
    },
    Rule,
}

/// The outcome of one pass.
#[derive(PartialEq, Eq)]
pub(super) struct Rewritten {
    /// The Markdown.
    pub(super) markdown: String,
    /// What a reader is meant to see of it, without white space.
    pub(super) shown: String,
}

/// Whether emphasis is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Emphasis {
    Kept,
    Dropped,
}

/// Parses Markdown and writes it anew, once.
pub(super) fn rewritten(text: &str, links: &Links, emphasis: Emphasis) -> Rewritten {
    let mut options = Options::empty();
    options.insert(Options::ENABLE_STRIKETHROUGH);
    let events: Vec<Event<'_>> = Parser::new_ext(text, options).collect();
    let mut reader = Reader { events: events.into_iter().peekable(), links, emphasis, shown: String::new() };
    let blocks = reader.blocks(0).0;
    Rewritten { markdown: lines(&blocks).join("\n"), shown: reader.shown.split_whitespace().collect() }
}

struct Reader<'a> {
    events: std::iter::Peekable<std::vec::IntoIter<Event<'a>>>,
    links: &'a Links,
    emphasis: Emphasis,
    shown: String,
}

impl<'a> Reader<'a> {
    /// Reads blocks up to the end of their container. The second value says whether the container's own text stood in paragraphs.
    fn blocks(&mut self, depth: usize) -> (Vec<Block>, bool) {
        let mut blocks = Vec::new();
        let mut paragraphs = false;
        while let Some(event) = self.events.peek() {
            match event {
                Event::End(_) => {
                    self.events.next();
                    break;
                }
                Event::Rule => {
                    self.events.next();
                    blocks.push(Block::Rule);
                }
                Event::Start(tag) if is_block(tag) => {
                    let Some(Event::Start(tag)) = self.events.next() else { break };
                    paragraphs |= matches!(tag, Tag::Paragraph);
                    self.block(tag, depth, &mut blocks);
                }
                _ => {
                    let text = self.inline(false);
                    if !text.is_empty() {
                        blocks.push(Block::Paragraph(text));
                    }
                }
            }
        }
        (blocks, paragraphs)
    }

    fn block(&mut self, tag: Tag<'a>, depth: usize, blocks: &mut Vec<Block>) {
        match tag {
            Tag::CodeBlock(kind) => {
                let info = match &kind {
                    CodeBlockKind::Indented => String::new(),
                    CodeBlockKind::Fenced(info) => info.to_string(),
                };
                let text = self.raw();
                blocks.push(Block::Code(fenced(text.strip_suffix('\n').unwrap_or(&text), &info)));
            }
            Tag::HtmlBlock => {
                let text = self.raw();
                blocks.push(Block::Code(fenced(text.trim_end_matches('\n'), "")));
            }
            Tag::BlockQuote(_) => {
                let (inside, _) = self.blocks(depth + 1);
                if depth >= MAX_DEPTH {
                    blocks.extend(inside);
                } else if !inside.is_empty() {
                    blocks.push(Block::Quote(inside));
                }
            }
            Tag::List(start) => {
                let mut items = Vec::new();
                let mut tight = true;
                while let Some(event) = self.events.next() {
                    match event {
                        Event::Start(Tag::Item) => {
                            let (inside, paragraphs) = self.blocks(depth + 1);
                            tight &= !paragraphs;
                            items.push(inside);
                        }
                        _ => break,
                    }
                }
                if depth >= MAX_DEPTH {
                    blocks.extend(items.into_iter().flatten());
                } else {
                    blocks.push(Block::List { start, tight, items });
                }
            }
            Tag::Heading { .. } => {
                let text = self.inline(true);
                self.end();
                if !text.is_empty() {
                    blocks.push(Block::Paragraph(text));
                }
            }
            // A paragraph, and whatever the options above never let the parser make.
            _ => {
                let text = self.inline(false);
                self.end();
                if !text.is_empty() {
                    blocks.push(Block::Paragraph(text));
                }
            }
        }
    }

    /// Passes over the end of the block whose inline content was read.
    fn end(&mut self) {
        if matches!(self.events.peek(), Some(Event::End(_))) {
            self.events.next();
        }
    }

    /// Reads the text of a code or HTML block.
    fn raw(&mut self) -> String {
        let mut text = String::new();
        for event in self.events.by_ref() {
            match event {
                Event::Text(part) | Event::Html(part) | Event::InlineHtml(part) | Event::Code(part) => text.push_str(&part),
                Event::End(_) => break,
                _ => {}
            }
        }
        self.shown.push_str(&unmarked(&text));
        text
    }

    /// Reads inline content up to the next block, or the end of this one, and writes it.
    fn inline(&mut self, strong: bool) -> String {
        let mut inline = Inline {
            out: String::new(),
            shown: String::new(),
            text: String::new(),
            links: self.links,
            emphasis: self.emphasis,
            open: Vec::new(),
        };
        if strong {
            inline.enter("**");
        }
        while let Some(event) = self.events.peek() {
            match event {
                Event::Start(tag) if is_block(tag) => break,
                Event::End(tag) if !is_inline_end(*tag) => break,
                Event::Rule => break,
                _ => {}
            }
            let Some(event) = self.events.next() else { break };
            inline.event(event);
        }
        inline.flush(true);
        self.shown.push_str(&inline.shown);
        if strong {
            inline.leave("**");
        }
        let lines: Vec<&str> = inline.out.split('\n').map(str::trim_end).filter(|line| !line.is_empty()).collect();
        // A break in front of nothing would show its backslash.
        let mut text = lines.join("\n");
        while text.ends_with('\\') && !text.ends_with("\\\\") {
            text.pop();
            text.truncate(text.trim_end().len());
        }
        text
    }
}

fn is_block(tag: &Tag<'_>) -> bool {
    !matches!(tag, Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. })
}

fn is_inline_end(tag: TagEnd) -> bool {
    matches!(tag, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image)
}

/// Inline content being written.
struct Inline<'a> {
    out: String,
    /// What a reader is meant to see.
    shown: String,
    /// Plain text not yet written: pieces of it must be judged together.
    text: String,
    links: &'a Links,
    emphasis: Emphasis,
    /// What is open, innermost last.
    open: Vec<Open>,
}

enum Open {
    /// Emphasis, with its mark if it was written.
    Mark(Option<&'static str>),
    /// A link that may stand: where it leads.
    Link(String),
    /// A link or image that may not: its address is shown behind its text. The number is the length of `out` where it began.
    Shown(String, usize),
    /// An address that stands for itself.
    Bare,
}

impl Inline<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            // The last three are not made with the options above; if they were, they would be characters like any other.
            Event::Text(text)
            | Event::InlineHtml(text)
            | Event::Html(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => self.text.push_str(&text),
            Event::Code(code) => {
                self.flush(false);
                self.code(&code);
            }
            Event::SoftBreak => self.line_break(""),
            Event::HardBreak => self.line_break("\\"),
            Event::Start(tag) => self.start(tag),
            Event::End(_) => self.finish(),
            Event::Rule | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Emphasis => self.enter("*"),
            Tag::Strong => self.enter("**"),
            Tag::Strikethrough => self.enter("~~"),
            Tag::Link { link_type, dest_url, .. } => {
                if matches!(link_type, pulldown_cmark::LinkType::Autolink | pulldown_cmark::LinkType::Email) {
                    // Its text is the address: written like any address in a text.
                    self.open.push(Open::Bare);
                    return;
                }
                self.flush(false);
                if self.links.allow(&dest_url) {
                    self.out.push('[');
                    self.open.push(Open::Link(dest_url.to_string()));
                } else {
                    self.open.push(Open::Shown(dest_url.to_string(), self.out.len()));
                }
            }
            Tag::Image { dest_url, .. } => {
                self.flush(false);
                self.open.push(Open::Shown(dest_url.to_string(), self.out.len()));
            }
            _ => {}
        }
    }

    fn finish(&mut self) {
        match self.open.pop() {
            Some(Open::Mark(Some(mark))) => {
                self.flush(false);
                self.out.push_str(mark);
            }
            Some(Open::Link(url)) => {
                self.flush(false);
                self.out.push_str("](");
                self.out.push_str(&url);
                self.out.push(')');
            }
            Some(Open::Shown(url, from)) => {
                self.flush(false);
                let shown = self.out.get(from..).unwrap_or_default().trim();
                let same = shown.trim_matches('`') == url;
                if !same && !url.is_empty() {
                    let alone = shown.is_empty();
                    self.ours(if alone { "" } else { " (" });
                    self.code(&url);
                    self.ours(if alone { "" } else { ")" });
                }
            }
            Some(Open::Mark(None) | Open::Bare) | None => {}
        }
    }

    /// Opens emphasis; the same kind within itself says nothing more.
    fn enter(&mut self, mark: &'static str) {
        self.flush(false);
        let again =
            self.emphasis == Emphasis::Dropped || self.open.iter().any(|open| matches!(open, Open::Mark(Some(other)) if *other == mark));
        if !again {
            self.out.push_str(mark);
        }
        self.open.push(Open::Mark((!again).then_some(mark)));
    }

    /// Closes what `enter` opened around everything.
    fn leave(&mut self, mark: &str) {
        if self.out == mark {
            self.out.clear();
        } else if matches!(self.open.pop(), Some(Open::Mark(Some(_)))) {
            self.out.push_str(mark);
        }
    }

    fn code(&mut self, text: &str) {
        self.shown.push_str(&unmarked(text));
        push_code(&mut self.out, text);
    }

    fn ours(&mut self, text: &str) {
        self.shown.push_str(text);
        self.out.push_str(text);
    }

    fn line_break(&mut self, with: &str) {
        self.flush(true);
        let trimmed = self.out.trim_end().len();
        self.out.truncate(trimmed);
        self.out.push_str(with);
        self.out.push('\n');
    }

    /// Writes the text gathered so far; `ends` says that its line ends here.
    fn flush(&mut self, ends: bool) {
        if self.text.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.text);
        self.shown.push_str(&text);
        let at_line_start = self.out.is_empty() || self.out.ends_with('\n');
        let escaped = escape(&text, self.links, at_line_start, ends);
        if escaped.starts_with('`') && self.out.ends_with('`') {
            self.out.push(' ');
        }
        self.out.push_str(&escaped);
    }
}

/// Returns the lines of blocks.
fn lines(blocks: &[Block]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut before: Option<&Block> = None;
    let mut marker = 0;
    for block in blocks {
        let follows_list = matches!((before, block), (Some(Block::List { .. }), Block::List { .. }));
        // Two lists that follow each other would become one.
        marker = if follows_list { 1 - marker } else { 0 };
        if before.is_some() {
            out.push(String::new());
        }
        out.extend(block_lines(block, marker));
        before = Some(block);
    }
    out
}

fn block_lines(block: &Block, marker: usize) -> Vec<String> {
    match block {
        Block::Paragraph(text) | Block::Code(text) => text.split('\n').map(str::to_owned).collect(),
        Block::Rule => vec!["***".to_owned()],
        Block::Quote(inside) => {
            let quoted = |line: String| if line.is_empty() { ">".to_owned() } else { format!("> {line}") };
            lines(inside).into_iter().map(quoted).collect()
        }
        Block::List { start, tight, items } => {
            let mut out = Vec::new();
            for (index, item) in items.iter().enumerate() {
                if index > 0 && !tight {
                    out.push(String::new());
                }
                let mark = match start {
                    None => ["- ", "* "].get(marker).copied().unwrap_or("- ").to_owned(),
                    Some(start) => {
                        let number = start.saturating_add(index as u64).min(999_999_999);
                        format!("{number}{} ", [".", ")"].get(marker).copied().unwrap_or("."))
                    }
                };
                out.extend(item_lines(item, *tight, &mark));
            }
            out
        }
    }
}

fn item_lines(item: &[Block], tight: bool, mark: &str) -> Vec<String> {
    let inside = if tight { tight_lines(item) } else { lines(item) };
    let indent = " ".repeat(mark.len());
    let mut out: Vec<String> = inside
        .into_iter()
        .enumerate()
        .map(|(index, line)| match (index, line.is_empty()) {
            (0, _) => format!("{mark}{line}").trim_end().to_owned(),
            (_, true) => String::new(),
            (_, false) => format!("{indent}{line}"),
        })
        .collect();
    if out.is_empty() {
        out.push(mark.trim_end().to_owned());
    }
    out
}

/// As [`lines`], without the empty line between a text and what can follow it at once.
fn tight_lines(item: &[Block]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut before: Option<&Block> = None;
    for block in item {
        let at_once = matches!(
            (before, block),
            (Some(Block::Paragraph(_)), Block::List { start: None | Some(1), .. } | Block::Code(_) | Block::Quote(_))
        );
        if before.is_some() && !at_once {
            out.push(String::new());
        }
        out.extend(block_lines(block, 0));
        before = Some(block);
    }
    out
}
