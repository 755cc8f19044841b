//! The terminal report: headline, findings with code frames, what ran and what did not. It must not write to the terminal itself.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use anstyle::{AnsiColor, Style as Ansi};

use super::words::{left_out, place, plural, printable, proposed, roster, rules, size, tier};
use crate::change::{Change, Hunk, LineKind, Side, Span};
use crate::review::{Finding, Mode, NoLine, Place, Review, Severity, Standing, Suggestion};

/// How the terminal wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// With ANSI colours.
    pub color: bool,
    /// Columns to use, at least 40.
    pub width: usize,
}

/// Narrower than this the frames are unreadable anyway.
const LEAST_WIDTH: usize = 40;
/// Wider prose is hard to read.
const MOST_PROSE_WIDTH: usize = 110;
/// Lines shown above and below those of a finding, as far as its hunk has them.
const CONTEXT_LINES: u32 = 2;
/// A frame over more lines than this shows its first and last ones only.
const MOST_UNFOLDED_LINES: u32 = 12;
/// File names listed for one reason before the rest becomes a count.
const NAMES_PER_REASON: usize = 4;

/// Returns the review as a person reads it in a terminal. `change` supplies the lines around each finding.
pub fn terminal(review: &Review, change: &Change, style: Style) -> String {
    let width = style.width.max(LEAST_WIDTH);
    let mut out = String::new();
    let bold = paint(style, Ansi::new().bold(), &format!("Assize: {}", super::headline(review)));
    out.push_str(&bold);
    out.push('\n');
    let context = match review.mode {
        Mode::NothingToReview => format!("{}, in {}", review.subject.label, size(review)),
        Mode::Reviewed | Mode::DetectorsOnly(_) => format!("{}, in {}; {}", review.subject.label, size(review), tier(review)),
    };
    push_wrapped(&mut out, &context, "  ", "  ", width);
    for finding in &review.findings {
        out.push('\n');
        out.push_str(&frame(finding, change, style, width));
        out.push('\n');
    }
    out.push('\n');
    push_account(&mut out, review, style, width);
    out
}

fn frame(finding: &Finding, change: &Change, style: Style, width: usize) -> String {
    let level = match finding.severity {
        Severity::Critical => Level::ERROR.with_name("critical"),
        Severity::Important => Level::WARNING.with_name("important"),
        Severity::Suggestion => Level::NOTE.with_name("suggestion"),
        Severity::Nit => Level::NOTE.with_name("nit"),
    };
    let ids = rules(finding);
    let title = printable(&finding.title);
    let mut heading = level.primary_title(title);
    if !ids.is_empty() {
        heading = heading.id(ids);
    }
    let label = printable(&place(&finding.place));
    let group = match &finding.place {
        Place::Lines(span) => match numbered(span, change) {
            Some(view) => heading.element(view),
            None => heading.element(Origin::path(label)),
        },
        Place::File { .. } | Place::Outside(_) => heading.element(Origin::path(label)),
    };
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let report: [Group<'_>; 1] = [group];
    let mut text = renderer.term_width(width).decor_style(DecorStyle::Ascii).render(&report);
    text.push('\n');
    push_wrapped(&mut text, &printable(&finding.body), "  ", "  ", width);
    if let Place::File { why: NoLine::NotFound, .. } = finding.place {
        push_wrapped(&mut text, "(the cited lines were not found in the change, so this stands on the file)", "  ", "  ", width);
    }
    for related in &finding.related {
        push_wrapped(
            &mut text,
            &printable(&format!("breaks {}:{}: {}", related.path, related.line, related.quote.trim())),
            "  ",
            "    ",
            width,
        );
    }
    if let Some(code) = proposed(finding) {
        let lead = match &finding.suggestion {
            Suggestion::Plain { why, .. } => format!("  proposed ({}):\n", printable(why)),
            Suggestion::Applies(_) | Suggestion::None => "  proposed:\n".to_owned(),
        };
        text.push_str(&lead);
        let green = Ansi::new().fg_color(Some(AnsiColor::Green.into()));
        for line in printable(code).lines() {
            text.push_str(&paint(style, green, &format!("  + {line}")));
            text.push('\n');
        }
    }
    let found = provenance(finding);
    let dim = Ansi::new().dimmed();
    text.push_str(&paint(style, dim, &format!("  {found}")));
    text
}

/// The lines of the hunk around a span, numbered as on the span's side.
fn numbered(span: &Span, change: &Change) -> Option<Snippet<'static, annotate_snippets::Annotation<'static>>> {
    let file = change.file(span.path())?;
    let side = span.last().side();
    let (first, last) = (number(span, side, true)?, number(span, side, false)?);
    let hunk = file.hunks().iter().find(|hunk| side_lines(hunk, side).any(|(line, _)| line == last))?;
    let mut source = String::new();
    let (mut start, mut end, mut line_start) = (None, 0, None);
    let around = first.saturating_sub(CONTEXT_LINES)..=last.saturating_add(CONTEXT_LINES);
    for (line, text) in side_lines(hunk, side).filter(|(line, _)| around.contains(line)) {
        line_start.get_or_insert(line);
        let shown = printable(text.trim_end_matches('\r')).replace('\n', " ");
        let from = source.len();
        source.push_str(&shown);
        if (first..=last).contains(&line) {
            let indent = shown.len() - shown.trim_start().len();
            start.get_or_insert(from + indent);
            end = source.len();
        }
        source.push('\n');
    }
    let start = start?;
    let annotation = AnnotationKind::Primary.span(start..end.max(start));
    Some(
        Snippet::source(source)
            .line_start(usize::try_from(line_start?).ok()?)
            .path(printable(span.path().as_str()))
            .fold(last - first > MOST_UNFOLDED_LINES)
            .annotation(annotation),
    )
}

/// The number of a span's first or last line on one side. A span that begins on the other side begins, on this one, at its last line.
fn number(span: &Span, side: Side, first: bool) -> Option<u32> {
    let anchor = if first && span.first().side() == side { span.first() } else { span.last() };
    (anchor.side() == side).then(|| anchor.line())
}

fn side_lines(hunk: &Hunk, side: Side) -> impl Iterator<Item = (u32, &str)> {
    hunk.lines.iter().filter_map(move |line| {
        let number = match (side, line.kind) {
            (Side::Old, LineKind::Added) | (Side::New, LineKind::Removed) => return None,
            (Side::Old, LineKind::Removed | LineKind::Context) => line.old_line(),
            (Side::New, LineKind::Added | LineKind::Context) => line.new_line(),
        };
        number.map(|number| (number, line.text.as_str()))
    })
}

fn provenance(finding: &Finding) -> String {
    let mut names: Vec<String> = finding
        .sources
        .iter()
        .map(|source| match source {
            crate::review::Source::Detector(rule) => format!("detector of {rule}"),
            crate::review::Source::Reviewer(name) => name.to_string(),
        })
        .collect();
    names.dedup();
    let standing = match finding.standing {
        Standing::Confirmed => ", confirmed",
        Standing::Verified => ", verified by a second pass",
        Standing::Unverified => ", unverified",
        Standing::Checked => "",
    };
    format!("found by {}{standing}", names.join(" and "))
}

/// What ran, what failed, what was not run, what was left out: one short block, so that nothing looks covered that was not.
fn push_account(out: &mut String, review: &Review, style: Style, width: usize) {
    let roster = roster(review);
    let detectors = format!("detectors of {}", plural(review.rules, "rule"));
    let ran = std::iter::once(detectors).chain(roster.ran).collect::<Vec<_>>().join(", ");
    let mut line = |label: &str, text: &str| {
        let dim = paint(style, Ansi::new().bold(), label);
        let pad = " ".repeat(LABEL_WIDTH.saturating_sub(label.chars().count()));
        let wrapped = textwrap::fill(
            &printable(text),
            textwrap::Options::new(width.min(MOST_PROSE_WIDTH))
                .initial_indent(&" ".repeat(LABEL_WIDTH))
                .subsequent_indent(&" ".repeat(LABEL_WIDTH)),
        );
        out.push_str(&[&dim, &pad, wrapped.get(LABEL_WIDTH..).unwrap_or_default(), "\n"].concat());
    };
    line("Ran", &ran);
    if let Mode::DetectorsOnly(why) = &review.mode {
        line("No reviewer", why);
    } else {
        for text in &roster.not_run {
            line("Not run", text);
        }
    }
    // A failure that leaves the review incomplete is told there.
    let told = |text: &String| review.incomplete.iter().any(|gap| text.split_once(": ").is_some_and(|(_, why)| gap.what.contains(why)));
    for text in roster.failed.iter().filter(|text| !told(text)) {
        line("Failed", text);
    }
    for gap in &review.incomplete {
        line("Incomplete", &gap.what);
    }
    for text in left_out(review, NAMES_PER_REASON) {
        line("Left out", &text);
    }
    if let Some(text) = super::words::spent(review) {
        line("Tokens", &text);
    }
    if !review.newly_generated.is_empty() {
        let names = review.newly_generated.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        line("Reviewed", &format!("newly marked generated, so not taken at their word: {names}"));
    }
    if !review.dropped.is_empty() {
        line("Dropped", &format!("{}; each is in the JSON report with its reason", plural(review.dropped.len(), "claim")));
    }
    for text in &review.remarks {
        line("Note", text);
    }
}

/// Columns of the labels in the closing block.
const LABEL_WIDTH: usize = 13;

fn push_wrapped(out: &mut String, text: &str, first: &str, rest: &str, width: usize) {
    let options = textwrap::Options::new(width.min(MOST_PROSE_WIDTH)).initial_indent(first).subsequent_indent(rest);
    for paragraph in text.lines() {
        out.push_str(&textwrap::fill(paragraph, &options));
        out.push('\n');
    }
}

fn paint(style: Style, ansi: Ansi, text: &str) -> String {
    if style.color { format!("{ansi}{text}{ansi:#}") } else { text.to_owned() }
}
