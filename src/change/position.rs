//! Where GitLab finds a line of a diff: line numbers on both sides and the line code. It must not know of requests or of JSON.
//!
//! GitLab takes a position only if both line numbers equal those of a line of its own diff, so a number too many is as wrong as one too few:
//! <https://docs.gitlab.com/api/discussions/#create-a-new-thread-in-the-merge-request-diff>.

use std::fmt::Write as _;

use sha1::{Digest as _, Sha1};

use super::{Anchor, FileDiff, LineKind, RepoPath, Side, Span};

/// The place of a thread in a merge request's diff, without the three commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file in the base; equal to `new_path` for an added file.
    pub old_path: RepoPath,
    /// The file in the head; equal to `old_path` for a deleted file.
    pub new_path: RepoPath,
    /// The line, or the last one of several: its numbers stand in the position itself.
    pub line: LinePosition,
    /// The first of several lines: with `line` it makes GitLab's `line_range`.
    pub start: Option<LinePosition>,
}

/// One line of a diff as GitLab names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinePosition {
    /// SHA-1 of the path and the diff parser's counters, e.g. `c83d625d…_3_2`.
    pub line_code: String,
    /// GitLab's `type`: the base for a removed line, the head for an added one, none for context.
    pub side: Option<Side>,
    /// Number in the base, 1-based; none for an added line.
    pub old_line: Option<u32>,
    /// Number in the head, 1-based; none for a removed line.
    pub new_line: Option<u32>,
}

impl LinePosition {
    fn of(anchor: Anchor, path_sha1: &str) -> Self {
        let (old, new) = (anchor.old_counter(), anchor.new_counter());
        let line_code = format!("{path_sha1}_{old}_{new}");
        let (side, old_line, new_line) = match anchor.kind() {
            LineKind::Context => (None, Some(old), Some(new)),
            LineKind::Added => (Some(Side::New), None, Some(new)),
            LineKind::Removed => (Some(Side::Old), Some(old), None),
        };
        Self { line_code, side, old_line, new_line }
    }
}

impl Span {
    /// Returns the position of a thread on these lines.
    pub fn position(&self) -> Position {
        let sha1 = path_sha1(self.path());
        Position {
            old_path: self.old_path().clone(),
            new_path: self.path().clone(),
            line: LinePosition::of(self.last(), &sha1),
            start: (self.first() != self.last()).then(|| LinePosition::of(self.first(), &sha1)),
        }
    }
}

impl FileDiff {
    /// Returns the pair of paths by which GitLab looks the file up, old then new; a side that is missing repeats the other.
    pub fn position_paths(&self) -> (&RepoPath, &RepoPath) {
        (self.old.as_ref().unwrap_or(self.path()), self.path())
    }
}

/// Returns the SHA-1 of a path as lower-case hexadecimal digits: the first part of its line codes, and the anchor of the file in GitLab's pages.
pub fn path_sha1(path: &RepoPath) -> String {
    let mut hex = String::with_capacity(40);
    for byte in Sha1::digest(path.as_bytes()) {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
    }
    hex
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::change::parse;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../tests/data/position-vectors.json")).unwrap()
    }

    #[test]
    fn every_line_of_the_reference_diff_has_gitlabs_own_position() {
        let vectors = vectors();
        let change = parse(vectors["diff"].as_str().unwrap().as_bytes()).unwrap();
        let files = vectors["files"].as_array().unwrap();
        assert_eq!(change.files().len(), files.len());
        let mut seen = 0;
        for (file, expected) in change.files().iter().zip(files) {
            assert_eq!(path_sha1(file.path()), expected["path_sha1"].as_str().unwrap());
            let lines = expected["lines"].as_array().unwrap();
            assert_eq!(file.lines().count(), lines.len(), "{}", file.path());
            for (index, (line, expected)) in file.lines().zip(lines).enumerate() {
                let position = change.span(file.path(), index, index).unwrap().position();
                let kind = match line.kind {
                    LineKind::Context => "context",
                    LineKind::Added => "added",
                    LineKind::Removed => "removed",
                };
                let side = position.line.side.map(|side| match side {
                    Side::Old => "old",
                    Side::New => "new",
                });
                let mut place = json!({ "old_path": position.old_path.as_str(), "new_path": position.new_path.as_str() });
                for (name, number) in [("old_line", position.line.old_line), ("new_line", position.line.new_line)] {
                    if let Some(number) = number {
                        place[name] = json!(number);
                    }
                }
                let own = json!({
                    "kind": kind,
                    "text": line.text,
                    "line_code": position.line.line_code,
                    "line_range_type": side,
                    "position": place,
                });
                assert_eq!(&own, expected, "{} line {index}", file.path());
                assert_eq!(position.start, None);
                seen += 1;
            }
        }
        assert_eq!(seen, 41);
    }

    #[test]
    fn a_range_stands_on_its_last_line_and_names_its_first() {
        let vectors = vectors();
        let change = parse(vectors["diff"].as_str().unwrap().as_bytes()).unwrap();
        let position = change.span(&"src/lib.rs".into(), 3, 5).unwrap().position();
        let code = |numbers: &str| format!("b24749917179fb5e3e613ed2a703fcdcc6cdf9da_{numbers}");
        assert_eq!(
            (position.start, position.line),
            (
                Some(LinePosition { line_code: code("5_5"), side: Some(Side::Old), old_line: Some(5), new_line: None }),
                LinePosition { line_code: code("6_6"), side: Some(Side::New), old_line: None, new_line: Some(6) }
            )
        );
    }
}
