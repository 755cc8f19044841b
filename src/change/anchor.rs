//! Anchors: proofs that a line lies in the change. Only the change makes them; a comment outside the diff cannot be expressed.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::{Change, FileDiff, Line, LineKind, RepoPath};

/// A side of the diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The base.
    Old,
    /// The head.
    New,
}

/// The first 16 bits of the SHA-256 of a line's original bytes: enough to catch a miscounted line number, short enough to copy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineHash(u16);

impl LineHash {
    /// Returns the hash of a line given without its line feed.
    pub fn of(line: &[u8]) -> Self {
        let digest = Sha256::digest(line);
        Self(u16::from_be_bytes([digest[0], digest[1]]))
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An anchor as a reader writes it: `41#3fa2` for line 41 of the head, `-41#77aa` for line 41 of the base. Not a proof of anything yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnchorRef {
    /// The side whose line number is given.
    pub side: Side,
    /// The line number, 1-based.
    pub line: u32,
    /// The hash of the line's content.
    pub hash: LineHash,
}

impl AnchorRef {
    /// Parses `41#3fa2` or `-41#77aa`; surrounding white space, a leading `+` or `L` and back-quotes are forgiven.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_matches('`').trim();
        let (side, rest) = match text.strip_prefix('-') {
            Some(rest) => (Side::Old, rest),
            None => (Side::New, text.strip_prefix(['+', 'L']).unwrap_or(text)),
        };
        let (line, hash) = rest.split_once('#')?;
        let hash = hash.get(..4).filter(|_| hash.len() == 4)?;
        let hash = LineHash(u16::from_str_radix(hash, 16).ok()?);
        let line = line.parse().ok().filter(|&line| line > 0)?;
        Some(Self { side, line, hash })
    }
}

impl fmt::Display for AnchorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.side {
            Side::Old => "-",
            Side::New => "",
        };
        write!(f, "{sign}{}#{}", self.line, self.hash)
    }
}

/// A line of the change, with both counters and its kind: all that a GitLab position needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    kind: LineKind,
    old: u32,
    new: u32,
    hash: LineHash,
}

impl Anchor {
    fn of(line: &Line) -> Self {
        Self { kind: line.kind, old: line.old, new: line.new, hash: line.hash }
    }

    /// Returns whether the line is added, removed or context.
    pub fn kind(&self) -> LineKind {
        self.kind
    }

    /// Returns the side whose number names the line: the base for a removed line, else the head.
    pub fn side(&self) -> Side {
        match self.kind {
            LineKind::Removed => Side::Old,
            LineKind::Added | LineKind::Context => Side::New,
        }
    }

    /// Returns the line number on `side()`.
    pub fn line(&self) -> u32 {
        match self.side() {
            Side::Old => self.old,
            Side::New => self.new,
        }
    }

    /// Returns the diff parser's counter in the base at this line (see [`Line::old`]).
    pub fn old_counter(&self) -> u32 {
        self.old
    }

    /// Returns the diff parser's counter in the head at this line.
    pub fn new_counter(&self) -> u32 {
        self.new
    }

    /// Returns the text a reader copies to name this line.
    pub fn reference(&self) -> AnchorRef {
        AnchorRef { side: self.side(), line: self.line(), hash: self.hash }
    }
}

/// A run of lines of one file that lies in the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    old_path: RepoPath,
    new_path: RepoPath,
    first: Anchor,
    last: Anchor,
    text: Vec<String>,
}

impl Span {
    /// Returns the file's path in the base; equal to the new one for an added file, as GitLab wants it.
    pub fn old_path(&self) -> &RepoPath {
        &self.old_path
    }

    /// Returns the file's path in the head; equal to the old one for a deleted file.
    pub fn path(&self) -> &RepoPath {
        &self.new_path
    }

    /// Returns the first line.
    pub fn first(&self) -> Anchor {
        self.first
    }

    /// Returns the last line; equal to the first for a single line.
    pub fn last(&self) -> Anchor {
        self.last
    }

    /// Returns the original text of the lines, as the diff shows them.
    pub fn text(&self) -> &[String] {
        &self.text
    }
}

impl Change {
    /// Returns the lines of `file` from the index `first` to `last`, both counted over all lines of all its hunks; `None` if there are no such lines.
    pub fn span(&self, path: &RepoPath, first: usize, last: usize) -> Option<Span> {
        let file = self.file(path)?;
        let lines: Vec<&Line> = file.lines().skip(first).take((last + 1).checked_sub(first)?).collect();
        if lines.len() != last + 1 - first {
            return None;
        }
        Some(Span {
            old_path: file.old.clone().unwrap_or_else(|| file.path().clone()),
            new_path: file.path().clone(),
            first: Anchor::of(lines.first()?),
            last: Anchor::of(lines.last()?),
            text: lines.iter().map(|line| line.text.clone()).collect(),
        })
    }
}

impl FileDiff {
    /// Returns the index, over all lines of all hunks, of the line that `anchor` names: number and hash agree.
    pub fn line_at(&self, anchor: AnchorRef) -> Option<usize> {
        self.lines().position(|line| {
            let number = match anchor.side {
                Side::Old => line.old_line(),
                Side::New => line.new_line(),
            };
            number == Some(anchor.line) && line.hash == anchor.hash
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_read_as_it_is_written() {
        for text in ["41#3fa2", "-7#00ff"] {
            assert_eq!(AnchorRef::parse(text).expect("well-formed").to_string(), text);
        }
        assert_eq!(AnchorRef::parse(" `+41#3FA2` ").expect("forgiven").to_string(), "41#3fa2");
    }

    #[test]
    fn what_is_no_anchor_is_refused() {
        for text in ["", "41", "#3fa2", "41#", "0#3fa2", "41#3fa", "41#3fa29", "x#3fa2", "41#zzzz"] {
            assert_eq!(AnchorRef::parse(text), None, "{text}");
        }
    }
}
