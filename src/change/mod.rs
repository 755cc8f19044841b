//! The change under review: files, hunks, lines, anchors. A pure room: bytes in, values out; it must not read files, run git or know of GitLab's wire.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod anchor;
mod base;
mod digest;
mod interdiff;
mod language;
mod noise;
mod parse;
mod path;
mod position;
mod print;
#[cfg(test)]
pub(crate) mod testing;
mod unshown;

pub use anchor::{Anchor, AnchorRef, LineHash, Side, Span};
pub use digest::patch_id;
pub use interdiff::{CodeAt, Fate, Interdiff, Landing, Since, Spot, interdiff};
pub use language::Language;
pub use noise::{FilterRules, Filtered, GeneratedMarks, MARKER_LINES, Noise, filter, is_lock_file, is_migration, looks_secret};
pub use parse::{MAX_DIFF_BYTES, MAX_FILES, MAX_HUNK_LINES, ParseError, parse};
pub use path::RepoPath;
pub use position::{LinePosition, Position, path_sha1};
pub use print::print;
pub use unshown::carried;

use std::fmt;

/// The difference between a base and a head, files sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    files: Vec<FileDiff>,
}

/// One file of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiff {
    /// Path in the base; absent for an added file.
    pub old: Option<RepoPath>,
    /// Path in the head; absent for a deleted file.
    pub new: Option<RepoPath>,
    /// What happened to the file as a whole.
    pub status: Status,
    /// Mode in the base, e.g. `0o100644`; absent where the diff does not say.
    pub old_mode: Option<u32>,
    /// Mode in the head.
    pub new_mode: Option<u32>,
    /// What the diff shows of the content.
    pub content: Content,
}

/// What happened to a file as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// New in the head.
    Added,
    /// Gone in the head.
    Deleted,
    /// Same path on both sides.
    Modified,
    /// Moved, with or without edits.
    Renamed,
    /// Copied from a file that stays.
    Copied,
}

/// What the diff shows of a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text hunks; none for an empty file, a pure rename or a mode change.
    Text(Vec<Hunk>),
    /// Git calls it binary.
    Binary,
    /// A submodule pointer; the commits where the diff shows them.
    Submodule {
        /// Commit in the base.
        from: Option<CommitId>,
        /// Commit in the head.
        to: Option<CommitId>,
    },
}

/// A run of lines of one file with its context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// First line in the base, 1-based; 0 when the hunk has no old lines.
    pub old_start: u32,
    /// Number of lines in the base.
    pub old_lines: u32,
    /// First line in the head, 1-based; 0 when the hunk has no new lines.
    pub new_start: u32,
    /// Number of lines in the head.
    pub new_lines: u32,
    /// What git prints behind the second `@@`: the enclosing function, or nothing.
    pub section: String,
    /// The lines, in the order of the diff.
    pub lines: Vec<Line>,
}

/// One line of a hunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Added, removed or context.
    pub kind: LineKind,
    /// The diff parser's counter in the base at this line: the line's own number, or for an added line that of the *next*
    /// old line (0 in a new file). GitLab builds line codes from these counters.
    pub old: u32,
    /// The same in the head: for a removed line the number of the *next* new line.
    pub new: u32,
    /// The text without its line feed; a carriage return is kept. Bytes that are not UTF-8 are shown as U+FFFD.
    pub text: String,
    /// Short hash of the original bytes of `text`.
    pub hash: LineHash,
    /// False for a last line that ends without a line feed.
    pub newline: bool,
}

/// Which side of the diff a line is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineKind {
    /// On both sides.
    Context,
    /// Only in the head.
    Added,
    /// Only in the base.
    Removed,
}

/// A full commit or tree ID: 40 or 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitId(String);

impl CommitId {
    /// Returns the ID if `text` is 40 or 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let long_enough = matches!(text.len(), 40 | 64);
        (long_enough && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| Self(text.to_ascii_lowercase()))
    }

    /// Returns all digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first eight digits, as people quote them.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Change {
    /// Returns a change with its files sorted by path.
    pub fn new(mut files: Vec<FileDiff>) -> Self {
        files.sort_by(|a, b| a.path().cmp(b.path()));
        Self { files }
    }

    /// Returns the files, sorted by path.
    pub fn files(&self) -> &[FileDiff] {
        &self.files
    }

    /// Returns the file whose path in the head, or for a deleted file in the base, is `path`.
    pub fn file(&self, path: &RepoPath) -> Option<&FileDiff> {
        let found = self.files.binary_search_by(|file| file.path().cmp(path)).ok()?;
        self.files.get(found)
    }
}

impl FileDiff {
    /// Returns the path people know the file by: in the head, or in the base for a deleted file.
    pub fn path(&self) -> &RepoPath {
        self.new.as_ref().or(self.old.as_ref()).expect("a file diff has at least one side")
    }

    /// Returns the text hunks; none for a binary file or a submodule.
    pub fn hunks(&self) -> &[Hunk] {
        match &self.content {
            Content::Text(hunks) => hunks,
            Content::Binary | Content::Submodule { .. } => &[],
        }
    }

    /// Returns every line of every hunk, in order.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.hunks().iter().flat_map(|hunk| &hunk.lines)
    }

    /// Returns the number of added lines.
    pub fn added(&self) -> usize {
        self.lines().filter(|line| line.kind == LineKind::Added).count()
    }

    /// Returns the number of removed lines.
    pub fn removed(&self) -> usize {
        self.lines().filter(|line| line.kind == LineKind::Removed).count()
    }
}

impl Hunk {
    /// Returns the first line in the base that the hunk covers, or in front of which it adds; 1-based.
    pub(crate) fn old_begin(&self) -> u32 {
        // A range of no lines names the line in front of it.
        self.old_start + u32::from(self.old_lines == 0)
    }

    /// Returns the line in the base behind the hunk, 1-based.
    pub(crate) fn old_end(&self) -> u32 {
        self.old_begin() + self.old_lines
    }

    /// Returns the first line in the head that the hunk covers, or in front of which it removes; 1-based.
    pub(crate) fn new_begin(&self) -> u32 {
        self.new_start + u32::from(self.new_lines == 0)
    }

    /// Returns the line in the head behind the hunk, 1-based.
    pub(crate) fn new_end(&self) -> u32 {
        self.new_begin() + self.new_lines
    }
}

impl Line {
    /// Returns the line's number in the base, if it is there.
    pub fn old_line(&self) -> Option<u32> {
        (self.kind != LineKind::Added).then_some(self.old)
    }

    /// Returns the line's number in the head, if it is there.
    pub fn new_line(&self) -> Option<u32> {
        (self.kind != LineKind::Removed).then_some(self.new)
    }
}

impl Change {
    /// Returns the change with the text of its lines replaced, hunk by hunk; numbers and hashes stay those of the original lines.
    ///
    /// `mask` gets the lines of a hunk joined by line feeds and must give back as many.
    #[must_use]
    pub fn masked(&self, mask: impl Fn(&str) -> String) -> Self {
        let mut masked = self.clone();
        for file in &mut masked.files {
            let Content::Text(hunks) = &mut file.content else { continue };
            for hunk in hunks {
                hunk.section = masked_heading(&hunk.section, &mask);
                let joined = hunk.lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n");
                let shown = mask(&joined);
                if shown != joined {
                    hunk.lines.iter_mut().zip(shown.split('\n')).for_each(|(line, text)| text.clone_into(&mut line.text));
                }
            }
        }
        masked
    }
}

/// A hunk's heading is a line of the file, cut by git after 80 bytes: a secret in it may lack the quote that ends it.
fn masked_heading(heading: &str, mask: impl Fn(&str) -> String) -> String {
    for end in ["", "\"", "'"] {
        // Only what has begun can lack its end.
        if heading.contains(end) {
            let whole = format!("{heading}{end}");
            let shown = mask(&whole);
            if shown != whole {
                return shown;
            }
        }
    }
    heading.to_owned()
}
