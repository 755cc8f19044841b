//! The part of a change that is new since an earlier version of it, for readers. It must not be given to detectors or to the checks: those look at
//! the whole change, and a file cut to its new hunks would look complete.

use std::ops::Range;

use super::{Interdiff, NewFile, Since};
use crate::change::{Change, Content, FileDiff, Hunk, LineKind, Status};

/// A hunk of more lines is cut to what is around its new lines.
const MAX_WHOLE_HUNK_LINES: usize = 120;
/// Lines of a hunk that stay on each side of a new line.
const LINES_AROUND: usize = 30;

impl Interdiff {
    /// Returns the part of `new` that changed since: the hunks with new lines or with lines missing, and files whose name or mode changed. Lines
    /// keep their numbers, so that a place in the part is a place in the whole.
    #[must_use]
    pub fn narrowed(&self, new: &Change) -> Change {
        if !self.known {
            return new.clone();
        }
        Change::new(new.files().iter().zip(&self.new).filter_map(|(file, since)| narrowed(file, since)).collect())
    }
}

fn narrowed(file: &FileDiff, since: &NewFile) -> Option<FileDiff> {
    if since.is_unchanged() {
        return None;
    }
    let Content::Text(hunks) = &file.content else { return Some(file.clone()) };
    let mut kept = Vec::new();
    let mut start = 0;
    for hunk in hunks {
        let end = start + hunk.lines.len();
        let touched: Vec<usize> = (start..end)
            .filter(|line| matches!(since.since[*line], Since::Fresh | Since::Moved) || gap_at(since, *line))
            .map(|line| line - start)
            .collect();
        if !touched.is_empty() {
            kept.extend(windows(hunk.lines.len(), &touched).into_iter().map(|window| part(hunk, window)));
        }
        start = end;
    }
    let by_name = matches!(file.status, Status::Renamed | Status::Copied) || file.old_mode != file.new_mode;
    let shows = !kept.is_empty() || hunks.is_empty() || by_name;
    shows.then(|| FileDiff { content: Content::Text(kept), ..file.clone() })
}

/// Whether lines are missing in front of this line or behind it.
fn gap_at(since: &NewFile, line: usize) -> bool {
    since.gaps.contains(&line) || since.gaps.contains(&(line + 1))
}

/// The parts of a hunk that are shown for its touched lines.
fn windows(lines: usize, touched: &[usize]) -> Vec<Range<usize>> {
    if lines <= MAX_WHOLE_HUNK_LINES {
        return std::iter::once(0..lines).collect();
    }
    let mut windows: Vec<Range<usize>> = Vec::new();
    for line in touched {
        let window = line.saturating_sub(LINES_AROUND)..(line + LINES_AROUND + 1).min(lines);
        match windows.last_mut() {
            Some(last) if last.end >= window.start => last.end = window.end,
            _ => windows.push(window),
        }
    }
    windows
}

fn part(hunk: &Hunk, window: Range<usize>) -> Hunk {
    if window == (0..hunk.lines.len()) {
        return hunk.clone();
    }
    let lines = hunk.lines[window].to_vec();
    let count = |gone: LineKind| u32::try_from(lines.iter().filter(|line| line.kind != gone).count()).expect("a hunk is bounded");
    let (old_lines, new_lines) = (count(LineKind::Added), count(LineKind::Removed));
    // A range of no lines names the line in front of it; so does the counter where the whole hunk has none, else it names the next one.
    let start = |counter: u32, lines: u32, whole: u32| if lines == 0 && whole > 0 { counter.saturating_sub(1) } else { counter };
    let first = lines.first().expect("a window holds a touched line");
    Hunk {
        old_start: start(first.old, old_lines, hunk.old_lines),
        new_start: start(first.new, new_lines, hunk.new_lines),
        old_lines,
        new_lines,
        section: hunk.section.clone(),
        lines,
    }
}
