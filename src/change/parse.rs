//! Reads unified diffs: of git with its extended headers, and plain ones of `diff -u`. It must not drop a line it does not understand, or guess
//! at a path: what does not fit is an error that names the line.
//!
//! Written here rather than taken from the crate `diffy`, whose patch sets skip text between files in silence (a hunk behind a wrong count among
//! it), give byte offsets that are relative to different starts, and hold neither the commits of a submodule nor the line counters that GitLab's
//! positions are made of. The tests hold this parser against `diffy` and against git itself.
//!
//! What is refused on purpose: combined diffs of merges, the same file twice (a series of commits is no single change), a file whose content
//! changes without a hunk to show it, a diff whose last line has no line feed (it was cut).

mod binary;
mod header;
mod plain;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use super::{Change, CommitId, Content, FileDiff, Hunk, Line, LineHash, LineKind, RepoPath, Status};
use header::{Block, GitHeader};

/// Largest diff that is read, in bytes.
pub const MAX_DIFF_BYTES: usize = 256 * 1024 * 1024;

/// Most lines inside hunks; each takes about a hundred bytes of memory beside its text.
pub const MAX_HUNK_LINES: usize = 4_000_000;

/// Most files in a diff.
pub const MAX_FILES: usize = 200_000;

/// Git's mode of a submodule.
const SUBMODULE: u32 = 0o160_000;

/// A diff that cannot be read: where, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Line of the diff, 1-based; one behind the last if the diff ends too early.
    pub line: u32,
    /// The file whose part it is, once that is known.
    pub file: Option<RepoPath>,
    /// The hunk within the file, 1-based.
    pub hunk: Option<usize>,
    /// What is wrong, as one lowercase sentence without a full stop.
    pub what: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the diff", self.line)?;
        match (&self.file, self.hunk) {
            (Some(file), Some(hunk)) => write!(f, " (hunk {hunk} of {file})")?,
            (Some(file), None) => write!(f, " ({file})")?,
            (None, _) => {}
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for ParseError {}

/// Reads a unified diff of git, GitLab or `diff -u`. Nothing in is an empty change; anything else without a file header is an error.
pub fn parse(diff: &[u8]) -> Result<Change, ParseError> {
    if diff.len() > MAX_DIFF_BYTES {
        let what = format!("it has {} bytes, more than the {MAX_DIFF_BYTES} that are read", diff.len());
        return Err(ParseError { line: 1, file: None, hunk: None, what });
    }
    if diff.is_empty() {
        return Ok(Change::default());
    }
    let mut parser = Parser { lines: Lines::new(diff), files: Vec::new(), seen: BTreeMap::new(), hunk_lines: 0 };
    parser.run()?;
    Ok(Change::new(parser.files))
}

/// The lines of the diff, with the one in hand.
struct Lines<'a> {
    rest: &'a [u8],
    current: Option<&'a [u8]>,
    /// Number of the current line, 1-based.
    number: u32,
    /// The last line was not cut.
    ends_well: bool,
}

impl<'a> Lines<'a> {
    fn new(diff: &'a [u8]) -> Self {
        // The remark on a missing line feed is often the last line, and nothing is lost with its own.
        let last = diff.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        let ends_well = last.is_empty() || last.starts_with(b"\\ ");
        let mut lines = Self { rest: diff, current: None, number: 0, ends_well };
        lines.advance();
        lines
    }

    fn advance(&mut self) {
        // A diff is bounded to far fewer lines than a u32 counts.
        self.number += 1;
        if self.rest.is_empty() {
            self.current = None;
            return;
        }
        let end = self.rest.iter().position(|&byte| byte == b'\n').unwrap_or(self.rest.len());
        self.current = Some(&self.rest[..end]);
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
    }

    /// The line behind the current one.
    fn following(&self) -> Option<&'a [u8]> {
        (!self.rest.is_empty()).then(|| self.rest.split(|&byte| byte == b'\n').next().unwrap_or_default())
    }

    fn starts_with(&self, prefix: &[u8]) -> bool {
        self.current.is_some_and(|line| line.starts_with(prefix))
    }
}

struct Parser<'a> {
    lines: Lines<'a>,
    files: Vec<FileDiff>,
    /// Where each path came first: index in `files`, line in the diff.
    seen: BTreeMap<RepoPath, (usize, u32)>,
    hunk_lines: usize,
}

/// Whether text around the files is expected at this point.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    /// Before the first file, or behind the end of a mail or commit: any text may stand here.
    Prose,
    /// Between files: only what diff programs print there.
    Files,
}

impl Parser<'_> {
    fn run(&mut self) -> Result<(), ParseError> {
        let mut around = Around::Prose;
        let mut only_in = None;
        while let Some(line) = self.lines.current {
            if line.starts_with(b"diff --git ") {
                self.git_file()?;
                around = Around::Files;
            } else if line.starts_with(b"--- ") && self.lines.following().is_some_and(|next| next.starts_with(b"+++ ")) {
                if let Some(number) = only_in {
                    return Err(fail_at(number, "it names a file whose content the diff does not show; make the diff with -N"));
                }
                self.plain_file()?;
                around = Around::Files;
            } else if line.starts_with(b"Binary files ") && trim_cr(line).ends_with(b" differ") {
                self.plain_binary(line)?;
                around = Around::Files;
            } else if let Some(what) = refused(line) {
                return Err(self.fail(what));
            } else if line.starts_with(b"Only in ") && line.windows(2).any(|pair| pair == b": ") {
                // Prose may begin so too: it counts only if a plain file follows.
                if around == Around::Files && self.plain_so_far() {
                    return Err(self.fail("it names a file whose content the diff does not show; make the diff with -N"));
                }
                only_in = only_in.or(Some(self.lines.number));
                self.lines.advance();
            } else if around == Around::Prose || is_filler(line) {
                self.lines.advance();
            } else if ends_commit(line, self.lines.following()) {
                around = Around::Prose;
                self.lines.advance();
            } else {
                return Err(self.stray(line));
            }
        }
        if self.files.is_empty() {
            return Err(fail_at(1, "there is no file header in it: it is no unified diff"));
        }
        if around == Around::Files && !self.lines.ends_well {
            let number = self.lines.number.saturating_sub(1);
            return Err(fail_at(number, "the last line has no line feed: the diff was cut short"));
        }
        Ok(())
    }

    /// Whether no file so far came from git.
    fn plain_so_far(&self) -> bool {
        self.files.iter().all(|file| file.new_mode.is_none() && file.old_mode.is_none())
    }

    /// An error at the current line, outside any file.
    fn fail(&self, what: impl Into<String>) -> ParseError {
        fail_at(self.lines.number, what)
    }

    /// The error for a line that belongs to nothing.
    fn stray(&self, line: &[u8]) -> ParseError {
        let last = self.files.last();
        let after_hunk = last.is_some_and(|file| !file.hunks().is_empty());
        let what = match line.first() {
            Some(b'+' | b'-' | b' ' | b'\\') if after_hunk => "the hunk goes on, but its header announces no more lines".to_owned(),
            _ => format!("{} belongs to no file", shown(line)),
        };
        ParseError {
            line: self.lines.number,
            file: last.map(|file| file.path().clone()),
            hunk: last.map(|file| file.hunks().len()).filter(|&hunks| hunks > 0),
            what,
        }
    }

    /// Reads one file that begins with `diff --git`.
    fn git_file(&mut self) -> Result<(), ParseError> {
        let begin = self.lines.number;
        let header = GitHeader::read(&mut self.lines)?;
        let named = header.named().map_err(|(line, what)| fail_at(line, what))?;
        let mut file = FileDiff {
            old: named.old,
            new: named.new,
            status: named.status,
            old_mode: header.old_mode,
            new_mode: header.new_mode,
            content: Content::Binary,
        };
        let path = file.path().clone();
        file.content = match header.block {
            Block::Binary => Content::Binary,
            Block::BinaryPatch => {
                self.binary_patch().map_err(|error| ParseError { file: Some(path.clone()), ..error })?;
                Content::Binary
            }
            Block::Hunks => {
                let hunks = self.hunks(&path, file.status)?;
                as_submodule(&file, &hunks).unwrap_or(Content::Text(hunks))
            }
            Block::Nothing => {
                if let Some(what) = header.missing_hunks() {
                    return Err(ParseError { file: Some(path), ..self.fail(what) });
                }
                Content::Text(Vec::new())
            }
        };
        self.add(file, begin)
    }

    /// Adds a file; the same path twice is an error, unless git shows a changed type as a deletion and an addition.
    fn add(&mut self, file: FileDiff, begin: u32) -> Result<(), ParseError> {
        let path = file.path().clone();
        let fail = |what: String| ParseError { line: begin, file: Some(path.clone()), hunk: None, what };
        match self.seen.get(&path) {
            Some(&(index, first)) => {
                let Some(merged) = type_change(&self.files[index], &file) else {
                    return Err(fail(format!(
                        "the file is there a second time, after line {first}; a series of commits is no single change, make one diff from base to head"
                    )));
                };
                self.files[index] = merged;
            }
            None if self.files.len() >= MAX_FILES => return Err(fail(format!("it has more than {MAX_FILES} files"))),
            None => {
                self.seen.insert(path, (self.files.len(), begin));
                self.files.push(file);
            }
        }
        Ok(())
    }

    /// Reads the hunks of a file: at least one.
    fn hunks(&mut self, path: &RepoPath, status: Status) -> Result<Vec<Hunk>, ParseError> {
        let mut hunks: Vec<Hunk> = Vec::new();
        let mut ended = Ended::default();
        while self.lines.starts_with(b"@@ ") {
            let number = hunks.len() + 1;
            let in_hunk = |error: ParseError| ParseError { file: Some(path.clone()), hunk: Some(number), ..error };
            let hunk = self.hunk_header().map_err(in_hunk)?;
            check_order(&hunk, hunks.last(), status).map_err(|what| in_hunk(self.fail(what)))?;
            self.lines.advance();
            hunks.push(self.hunk_lines(hunk, &mut ended).map_err(in_hunk)?);
        }
        if hunks.is_empty() {
            let what = match self.lines.current {
                Some(line) => format!("a hunk must follow, not {}", shown(line)),
                None => "the diff ends where a hunk must follow".to_owned(),
            };
            return Err(ParseError { file: Some(path.clone()), ..self.fail(what) });
        }
        Ok(hunks)
    }

    fn hunk_header(&self) -> Result<Hunk, ParseError> {
        let line = self.lines.current.expect("the caller saw the line");
        let parts = hunk_ranges(line).ok_or_else(|| self.fail(format!("{} is no hunk header", shown(line))))?;
        let ((old_start, old_lines), (new_start, new_lines), section) = parts;
        for (start, count) in [(old_start, old_lines), (new_start, new_lines)] {
            // Bounded well below u32::MAX, so that counters cannot overflow.
            if start.checked_add(count).is_none_or(|end| end > i32::MAX as u32) || (start == 0 && count > 0) {
                return Err(self.fail(format!("a file has no {count} lines from line {start} on")));
            }
        }
        if old_lines == 0 && new_lines == 0 {
            return Err(self.fail("the hunk is empty"));
        }
        let section = String::from_utf8_lossy(section).trim_end_matches('\r').to_owned();
        Ok(Hunk { old_start, old_lines, new_start, new_lines, section, lines: Vec::new() })
    }

    /// Reads exactly the lines that the header announces.
    fn hunk_lines(&mut self, mut hunk: Hunk, ended: &mut Ended) -> Result<Hunk, ParseError> {
        let (mut old, mut new) = (hunk.old_start, hunk.new_start);
        let (mut old_left, mut new_left) = (hunk.old_lines, hunk.new_lines);
        while old_left > 0 || new_left > 0 {
            let Some(line) = self.lines.current else {
                return Err(self.fail(format!("the diff ends inside the hunk, {} short", missing(old_left, new_left))));
            };
            let (kind, text) = match line.split_first() {
                Some((b' ', text)) => (LineKind::Context, text),
                Some((b'-', text)) => (LineKind::Removed, text),
                Some((b'+', text)) => (LineKind::Added, text),
                // Editors and mailers strip the space of an empty context line; git and patch forgive that too.
                None => (LineKind::Context, line),
                Some(_) => {
                    let what = format!("the hunk is {} short, but here comes {}", missing(old_left, new_left), shown(line));
                    return Err(self.fail(what));
                }
            };
            let (in_old, in_new) = (kind != LineKind::Added, kind != LineKind::Removed);
            if (in_old && old_left == 0) || (in_new && new_left == 0) {
                let side = if in_old && old_left == 0 { "old" } else { "new" };
                return Err(self.fail(format!("the hunk has more {side} lines than its header announces")));
            }
            if (in_old && ended.old) || (in_new && ended.new) {
                return Err(self.fail("a line follows the one without a line feed at the end of the file"));
            }
            self.hunk_lines += 1;
            if self.hunk_lines > MAX_HUNK_LINES {
                return Err(self.fail(format!("it has more than {MAX_HUNK_LINES} lines")));
            }
            let text_shown = String::from_utf8_lossy(text).into_owned();
            let mut line = Line { kind, old, new, text: text_shown, hash: LineHash::of(text), newline: true };
            self.lines.advance();
            if self.lines.starts_with(b"\\ ") {
                line.newline = false;
                ended.old |= in_old;
                ended.new |= in_new;
                self.lines.advance();
            }
            hunk.lines.push(line);
            old += u32::from(in_old);
            new += u32::from(in_new);
            old_left -= u32::from(in_old);
            new_left -= u32::from(in_new);
        }
        Ok(hunk)
    }
}

/// An error outside any file.
fn fail_at(line: u32, what: impl Into<String>) -> ParseError {
    ParseError { line, file: None, hunk: None, what: what.into() }
}

/// Which sides of a file have shown their last line.
#[derive(Default)]
struct Ended {
    old: bool,
    new: bool,
}

/// Hunks must go forward on both sides; those of a whole file must cover it.
fn check_order(hunk: &Hunk, before: Option<&Hunk>, status: Status) -> Result<(), String> {
    match status {
        Status::Added if hunk.old_lines > 0 || hunk.new_start != 1 || before.is_some() => {
            return Err("an added file has one hunk, without old lines, from line 1 on".to_owned());
        }
        Status::Deleted if hunk.new_lines > 0 || hunk.old_start != 1 || before.is_some() => {
            return Err("a deleted file has one hunk, without new lines, from line 1 on".to_owned());
        }
        Status::Added | Status::Deleted | Status::Modified | Status::Renamed | Status::Copied => {}
    }
    if before.is_some_and(|before| hunk.old_begin() < before.old_end() || hunk.new_begin() < before.new_end()) {
        return Err("the hunk begins before the end of the one above it".to_owned());
    }
    Ok(())
}

/// Start and count in the base and in the head, and the section.
type Ranges<'a> = ((u32, u32), (u32, u32), &'a [u8]);

/// Returns both ranges and the section of `@@ -a,b +c,d @@ section`.
fn hunk_ranges(line: &[u8]) -> Option<Ranges<'_>> {
    let rest = line.strip_prefix(b"@@ -")?;
    let (old, rest) = range(rest)?;
    let (new, rest) = range(rest.strip_prefix(b" +")?)?;
    let rest = rest.strip_prefix(b" @@")?;
    let section = match rest {
        [] => rest,
        [b' ', section @ ..] => section,
        [b'\r'] => &[],
        _ => return None,
    };
    Some((old, new, section))
}

/// Returns start and count of `12,3`, or of `12`, which stands for one line, and what follows.
fn range(text: &[u8]) -> Option<((u32, u32), &[u8])> {
    let (start, rest) = number(text)?;
    match rest.strip_prefix(b",") {
        Some(rest) => {
            let (count, rest) = number(rest)?;
            Some(((start, count), rest))
        }
        None => Some(((start, 1), rest)),
    }
}

fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// Returns the submodule's commits if both sides are one and the hunk says nothing else.
fn as_submodule(file: &FileDiff, hunks: &[Hunk]) -> Option<Content> {
    let modes = [file.old.as_ref().and(file.old_mode), file.new.as_ref().and(file.new_mode)];
    if !modes.contains(&Some(SUBMODULE)) || modes.iter().flatten().any(|&mode| mode != SUBMODULE) {
        return None;
    }
    let (mut from, mut to) = (None, None);
    for line in hunks.iter().flat_map(|hunk| &hunk.lines) {
        let commit = line.text.trim_end().strip_prefix("Subproject commit ")?;
        let commit = CommitId::parse(commit.strip_suffix("-dirty").unwrap_or(commit))?;
        let side = match line.kind {
            LineKind::Removed => &mut from,
            LineKind::Added => &mut to,
            LineKind::Context => return None,
        };
        if side.replace(commit).is_some() {
            return None;
        }
    }
    Some(Content::Submodule { from, to })
}

/// Joins the deletion and the addition by which git shows that a path changed its type, e.g. from a file to a symbolic link; no line is lost.
fn type_change(a: &FileDiff, b: &FileDiff) -> Option<FileDiff> {
    let (gone, come) = match (a.status, b.status) {
        (Status::Deleted, Status::Added) => (a, b),
        (Status::Added, Status::Deleted) => (b, a),
        _ => return None,
    };
    if gone.old_mode.is_none() || come.new_mode.is_none() || gone.old_mode == come.new_mode {
        return None;
    }
    let content = match (&gone.content, &come.content) {
        (Content::Text(gone), Content::Text(come)) => Content::Text(gone.iter().chain(come).cloned().collect()),
        (Content::Text(hunks), _) | (_, Content::Text(hunks)) if !hunks.is_empty() => Content::Text(hunks.clone()),
        (_, come) => come.clone(),
    };
    Some(FileDiff {
        old: gone.old.clone(),
        new: come.new.clone(),
        status: Status::Modified,
        old_mode: gone.old_mode,
        new_mode: come.new_mode,
        content,
    })
}

/// Why a line makes the whole diff unreadable, wherever it stands.
fn refused(line: &[u8]) -> Option<&'static str> {
    if line.starts_with(b"diff --cc ") || line.starts_with(b"diff --combined ") || line.starts_with(b"@@@ ") {
        return Some("a combined diff of a merge has several bases; make a diff between two commits");
    }
    if line.starts_with(b"@@ -") && hunk_ranges(line).is_some() {
        return Some("a hunk without a file header");
    }
    if line.starts_with(b"* Unmerged path ") {
        return Some("the path is unmerged; resolve the conflict first");
    }
    let ends_like_it = matches!(trim_cr(line), [.., b':' | b')']);
    if line.starts_with(b"Submodule ") && ends_like_it && line.windows(2).any(|pair| pair == b"..") {
        return Some("a submodule in log form; make the diff with --submodule=short");
    }
    None
}

/// Whether diff programs print such a line between files.
fn is_filler(line: &[u8]) -> bool {
    let line = trim_cr(line);
    line.is_empty()
        || line.starts_with(b"diff -")
        || line.starts_with(b"Index: ")
        || (line.len() >= 20 && line.iter().all(|&byte| byte == b'='))
}

/// Whether the patch of a mail or a commit ends here, so that free text may follow.
fn ends_commit(line: &[u8], following: Option<&[u8]>) -> bool {
    // A signature: what follows must not look like the rest of a hunk that is longer than announced.
    if trim_cr(line) == b"-- " {
        return following.is_none_or(|next| next.first().is_some_and(u8::is_ascii_alphanumeric));
    }
    let id = line.strip_prefix(b"From ").or_else(|| line.strip_prefix(b"commit "));
    id.is_some_and(|id| id.len() >= 40 && id[..40].iter().all(u8::is_ascii_hexdigit))
}

fn missing(old: u32, new: u32) -> String {
    format!("{old} old and {new} new lines")
}

/// Header lines may end with a carriage return where a program on Windows wrote them; git quotes one that belongs to a path.
fn trim_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A line as a message quotes it.
fn shown(line: &[u8]) -> String {
    const MOST_BYTES: usize = 60;
    let start = String::from_utf8_lossy(&line[..line.len().min(MOST_BYTES)]);
    let more = if line.len() > MOST_BYTES { "…" } else { "" };
    format!("`{}{more}`", start.escape_debug())
}
