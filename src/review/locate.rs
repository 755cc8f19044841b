//! Finds the lines that a reader means: by anchor, else by the quote. A line number alone is never trusted, it only breaks ties.

use similar::TextDiff;

use super::Cited;
use crate::change::{AnchorRef, FileDiff, Line, LineKind, Side};

/// Least likeness of a quote and the lines it stands for, 0 to 1, when neither the text nor its words agree.
const LEAST_LIKENESS: f32 = 0.86;
/// A quote shorter than this, in characters without white space, is no evidence unless it agrees exactly.
const LEAST_FUZZY_CHARS: usize = 12;
/// A quote must have so many letters or digits to be looked for at all.
const LEAST_WORD_CHARS: usize = 3;
/// Most lines of a span.
const MAX_SPAN_LINES: usize = 100;

/// Whether two lines are the same in some sense.
type Same<'f> = &'f dyn Fn(&str, &str) -> bool;

/// Returns the lines of a file's patch that are cited: indices over all lines of all hunks, first and last, in one hunk.
pub(super) fn in_patch(file: &FileDiff, cited: &Cited) -> Option<(usize, usize)> {
    by_anchor(file, cited).or_else(|| by_quote(file, cited))
}

/// Returns the line (1-based) of a text that a quote begins on, if it is there: exactly, or but for white space.
pub(super) fn in_text(text: &str, quote: &str, near: Option<u32>) -> Option<u32> {
    let quote = quoted_lines(quote);
    let lines: Vec<&str> = text.lines().collect();
    let number = |index: usize| u32::try_from(index + 1).unwrap_or(u32::MAX);
    let starts = matches(&lines, &quote, |a, b| words(a) == words(b));
    starts.into_iter().map(number).min_by_key(|line| near.map_or(0, |near| near.abs_diff(*line)))
}

fn by_anchor(file: &FileDiff, cited: &Cited) -> Option<(usize, usize)> {
    let at = |text: &str| AnchorRef::parse(text).and_then(|anchor| file.line_at(anchor));
    let (first, last) = match (at(&cited.first), at(&cited.last)) {
        (Some(first), Some(last)) => (first.min(last), first.max(last)),
        // One of the two was copied wrongly: with the same text for both, or with nothing for the last, the good one is enough.
        (Some(only), None) if cited.last.trim().is_empty() || lone(&cited.quote) => (only, only),
        (None, Some(only)) if cited.first.trim().is_empty() || lone(&cited.quote) => (only, only),
        (Some(_) | None, None) | (None, Some(_)) => return None,
    };
    let hunk = |index: usize| {
        let mut end = 0;
        file.hunks().iter().position(|hunk| {
            end += hunk.lines.len();
            index < end
        })
    };
    let one_place = hunk(first) == hunk(last) && last - first < MAX_SPAN_LINES;
    Some((first, if one_place { last } else { first }))
}

fn lone(quote: &str) -> bool {
    quoted_lines(quote).len() <= 1
}

fn by_quote(file: &FileDiff, cited: &Cited) -> Option<(usize, usize)> {
    let quote = quoted_lines(&cited.quote);
    let letters: usize = quote.iter().flat_map(|line| line.chars()).filter(|c| c.is_alphanumeric()).count();
    if letters < LEAST_WORD_CHARS || quote.len() > MAX_SPAN_LINES {
        return None;
    }
    let near = AnchorRef::parse(&cited.first).map(|anchor| (anchor.side, anchor.line));
    let chars: usize = quote.iter().map(|line| line.chars().filter(|c| !c.is_whitespace()).count()).sum();
    let fuzzy = |a: &str, b: &str| words(a) == words(b) || likeness(a, b) >= LEAST_LIKENESS;
    let steps: [Same<'_>; 3] = [&|a: &str, b: &str| a.trim_end() == b.trim_end(), &|a: &str, b: &str| words(a) == words(b), &fuzzy];
    let usable = if chars < LEAST_FUZZY_CHARS { 2 } else { 3 };
    for same in steps.into_iter().take(usable) {
        let mut found: Vec<(Side, usize, usize)> = Vec::new();
        for side in [Side::New, Side::Old] {
            let mut offset = 0;
            for hunk in file.hunks() {
                let shown: Vec<(usize, &Line)> = hunk
                    .lines
                    .iter()
                    .enumerate()
                    .filter(|(_, line)| is_on(line, side))
                    .map(|(index, line)| (offset + index, line))
                    .collect();
                let texts: Vec<&str> = shown.iter().map(|(_, line)| line.text.as_str()).collect();
                for start in matches(&texts, &quote, same) {
                    found.push((side, shown[start].0, shown[start + quote.len() - 1].0));
                }
                offset += hunk.lines.len();
            }
        }
        let lines: Vec<&Line> = file.lines().collect();
        let best = found.into_iter().min_by_key(|&(side, first, last)| {
            let untouched = lines[first..=last].iter().all(|line| line.kind == LineKind::Context);
            let distance = near.map_or(0, |(named, number)| {
                let line = lines[first];
                let own = if side == Side::Old { line.old } else { line.new };
                own.abs_diff(number).saturating_add(if named == side { 0 } else { 1_000_000 })
            });
            (untouched, distance, side == Side::Old, first)
        });
        if let Some((_, first, last)) = best {
            return Some((first, last));
        }
    }
    None
}

fn is_on(line: &Line, side: Side) -> bool {
    match side {
        Side::New => line.kind != LineKind::Removed,
        Side::Old => line.kind != LineKind::Added,
    }
}

/// Where the quote's lines follow each other.
fn matches(lines: &[&str], quote: &[String], same: impl Fn(&str, &str) -> bool) -> Vec<usize> {
    if quote.is_empty() || lines.len() < quote.len() {
        return Vec::new();
    }
    (0..=lines.len() - quote.len()).filter(|start| lines[*start..].iter().zip(quote).all(|(line, quoted)| same(line, quoted))).collect()
}

/// The lines of a quote, without the anchors and markers that some readers copy along, and without empty lines at its ends.
fn quoted_lines(quote: &str) -> Vec<String> {
    let bare = |line: &str| match line.split_once(' ') {
        Some((anchor, rest)) if AnchorRef::parse(anchor).is_some() => rest.strip_prefix(['+', '-', ' ']).unwrap_or(rest).to_owned(),
        _ => line.to_owned(),
    };
    let lines: Vec<String> = quote.lines().map(bare).collect();
    let full = |line: &String| !line.trim().is_empty();
    match (lines.iter().position(full), lines.iter().rposition(full)) {
        (Some(first), Some(last)) => lines[first..=last].to_vec(),
        _ => Vec::new(),
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn likeness(a: &str, b: &str) -> f32 {
    let (a, b) = (a.trim(), b.trim());
    // Lines of very different length cannot be alike; comparing them costs the most.
    let (short, long) = (a.len().min(b.len()), a.len().max(b.len()));
    if short * 10 < long * 7 { 0.0 } else { TextDiff::from_chars(a, b).ratio() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::parse;

    const DIFF: &str = "--- a/a.rs\n+++ b/a.rs\n@@ -1,5 +1,5 @@\n fn f() {\n-    let old = compute(1);\n+    let total = compute(2);\n+    log(total);\n     done();\n-    log(old);\n }\n@@ -20,2 +20,3 @@\n x\n+    log(total);\n y\n";

    fn found(first: &str, last: &str, quote: &str) -> Option<(usize, usize)> {
        let change = parse(DIFF.as_bytes()).unwrap();
        let cited = Cited { path: "a.rs".into(), first: first.into(), last: last.into(), quote: quote.into() };
        in_patch(&change.files()[0], &cited)
    }

    fn anchor(index: usize) -> String {
        let change = parse(DIFF.as_bytes()).unwrap();
        change.span(change.files()[0].path(), index, index).unwrap().first().reference().to_string()
    }

    #[test]
    fn anchors_are_exact_and_beat_the_quote() {
        assert_eq!(found(&anchor(2), &anchor(3), "something else"), Some((2, 3)));
        assert_eq!(found(&anchor(3), &anchor(2), ""), Some((2, 3)));
        assert_eq!(found(&anchor(1), "", ""), Some((1, 1)));
        // Two hunks are no one place.
        assert_eq!(found(&anchor(2), &anchor(8), ""), Some((2, 2)));
    }

    #[test]
    fn a_wrong_anchor_falls_back_to_the_quote_and_its_number_breaks_the_tie() {
        assert_eq!(found("3#0000", "3#0000", "    log(total);"), Some((3, 3)));
        assert_eq!(found("21#0000", "21#0000", "    log(total);"), Some((8, 8)));
        assert_eq!(found("", "", "let total = compute(2);\nlog(total);"), Some((2, 3)));
        assert_eq!(found("-5#0000", "", "log(old);"), Some((5, 5)));
    }

    #[test]
    fn quotes_with_anchors_or_small_errors_are_found() {
        assert_eq!(found("", "", "2#0000 +    let total = compute(2);"), Some((2, 2)));
        assert_eq!(found("", "", "let total = compute (2) ;"), Some((2, 2)));
        assert_eq!(found("", "", "let totals = compute(2);"), Some((2, 2)));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        assert_eq!(found("3#0000", "3#0000", ""), None);
        assert_eq!(found("", "", "return None;"), None);
        assert_eq!(found("", "", "}"), None);
        assert_eq!(found("", "", "done();\nlog(nothing);"), None);
    }

    #[test]
    fn a_place_in_a_text_is_its_nearest_line() {
        let text = "a();\nb();\n  a();\n";
        assert_eq!(in_text(text, "a();", None), Some(1));
        assert_eq!(in_text(text, "a();", Some(3)), Some(3));
        assert_eq!(in_text(text, "c();", Some(3)), None);
        assert_eq!(in_text(text, "", Some(3)), None);
    }
}
