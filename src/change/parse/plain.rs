//! Files of a plain unified diff: `---`, `+++` and hunks, or `Binary files … differ`, without git's headers. It must not invent modes.

use super::header::{MAX_PATH_BYTES, marked, path, same_path};
use super::{Content, FileDiff, ParseError, Parser, RepoPath, Status, fail_at, trim_cr};

impl Parser<'_> {
    /// Reads one file that begins with `---` and `+++`.
    pub(super) fn plain_file(&mut self) -> Result<(), ParseError> {
        let begin = self.lines.number;
        let old = self.lines.current.map(trim_cr).and_then(|line| line.strip_prefix(b"--- ")).expect("the caller saw `---`");
        let (old, old_time) = marked(old).map_err(|what| self.fail(what))?;
        self.lines.advance();
        let new = self.lines.current.map(trim_cr).and_then(|line| line.strip_prefix(b"+++ ")).expect("the caller saw `+++`");
        let (new, new_time) = marked(new).map_err(|what| self.fail(what))?;
        self.lines.advance();
        // `diff -N` stands a file of 1970 in for a missing one; the hunk must agree.
        let hunk = self.lines.current.and_then(super::hunk_ranges);
        let no_old = old.is_none() || (hunk.is_some_and(|(range, _, _)| range == (0, 0)) && is_epoch(old_time));
        let no_new = new.is_none() || (hunk.is_some_and(|(_, range, _)| range == (0, 0)) && is_epoch(new_time));
        let (old, new, status) = match (&old, &new) {
            (None, None) => Err("both sides are /dev/null".to_owned()),
            (None, Some(new)) => inside(new, b"b/").map(|new| (None, Some(new), Status::Added)),
            (Some(old), None) => inside(old, b"a/").map(|old| (Some(old), None, Status::Deleted)),
            (Some(old), Some(new)) => both(old, new).map(|(old, new)| match (no_old, no_new) {
                (true, _) => (None, Some(new), Status::Added),
                (_, true) => (Some(old), None, Status::Deleted),
                (false, false) if old == new => (Some(old), Some(new), Status::Modified),
                (false, false) => (Some(old), Some(new), Status::Renamed),
            }),
        }
        .map_err(|what| fail_at(begin, what))?;
        let mut file = FileDiff { old, new, status, old_mode: None, new_mode: None, content: Content::Binary };
        file.content = Content::Text(self.hunks(&file.path().clone(), status)?);
        self.add(file, begin)
    }

    /// Takes `Binary files A and B differ` as `diff -r` prints it.
    pub(super) fn plain_binary(&mut self, line: &[u8]) -> Result<(), ParseError> {
        const AND: &[u8] = b" and ";
        let names = trim_cr(line).strip_prefix(b"Binary files ").and_then(|line| line.strip_suffix(b" differ"));
        let names = names.expect("the caller saw both ends of the line");
        if names.len() > 2 * MAX_PATH_BYTES + AND.len() {
            return Err(self.fail("the names of a binary file are too long"));
        }
        let splits = names.windows(AND.len()).enumerate().filter(|&(_, window)| window == AND).map(|(at, _)| at);
        let same = splits.map(|at| (&names[..at], &names[at + AND.len()..])).find_map(|(old, new)| same_path(old, new));
        let same = same.ok_or_else(|| self.fail("cannot tell which file is binary"))?;
        let same = inside(same, b"").map_err(|what| self.fail(what))?;
        let begin = self.lines.number;
        self.lines.advance();
        let file = FileDiff {
            old: Some(same.clone()),
            new: Some(same),
            status: Status::Modified,
            old_mode: None,
            new_mode: None,
            content: Content::Binary,
        };
        self.add(file, begin)
    }
}

/// Returns both paths: the same if only their first folders differ, two with the prefixes `a/` and `b/`, and else that of the head alone
/// (`diff -u file.orig file`).
fn both(old: &[u8], new: &[u8]) -> Result<(RepoPath, RepoPath), String> {
    if let Some(same) = same_path(old, new) {
        let same = inside(same, b"")?;
        return Ok((same.clone(), same));
    }
    if let (Some(old), Some(new)) = (old.strip_prefix(b"a/"), new.strip_prefix(b"b/")) {
        return Ok((inside(old, b"")?, inside(new, b"")?));
    }
    let new = inside(new, b"")?;
    Ok((new.clone(), new))
}

/// Returns a path without git's prefix, without `./` and, for an absolute one, without its root.
fn inside(name: &[u8], prefix: &[u8]) -> Result<RepoPath, String> {
    let mut name = name.strip_prefix(prefix).unwrap_or(name);
    while let Some(rest) = name.strip_prefix(b"./").or_else(|| name.strip_prefix(b"/")) {
        name = rest;
    }
    path(name)
}

/// Whether a header's time is that of a missing file, in any time zone.
fn is_epoch(time: &[u8]) -> bool {
    time.starts_with(b"1970-01-01 ") || time.starts_with(b"1969-12-31 ")
}
