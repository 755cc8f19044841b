//! The header of one file in a diff of git: modes, renames, index, and the paths behind prefixes and quotes. It must not read hunks.

use std::borrow::Cow;

use super::{Lines, ParseError, RepoPath, Status, fail_at, shown, trim_cr};

/// Longest path that is read, in bytes: the limit of Linux.
pub(super) const MAX_PATH_BYTES: usize = 4096;

/// Blob IDs of the empty file under both of git's hash functions.
const EMPTY_BLOBS: [&[u8]; 2] =
    [b"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", b"473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813"];

/// What stands below a file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Hunks.
    Hunks,
    /// `Binary files … differ`.
    Binary,
    /// `GIT binary patch`; its data follows.
    BinaryPatch,
    /// Nothing: an empty file, a pure rename, a mode.
    Nothing,
}

/// The header of a file, as written.
#[derive(Debug)]
pub(super) struct GitHeader<'a> {
    /// Line of `diff --git`.
    begin: u32,
    /// What stands behind `diff --git `.
    names: &'a [u8],
    pub(super) old_mode: Option<u32>,
    pub(super) new_mode: Option<u32>,
    new_file: bool,
    deleted_file: bool,
    from: Option<(Move, &'a [u8])>,
    to: Option<(Move, &'a [u8])>,
    /// `similarity index`, in per cent.
    similarity: Option<u32>,
    /// Both blob IDs, as far as they are written.
    index: Option<(&'a [u8], &'a [u8])>,
    /// The paths of `---` and `+++` with the line of the first.
    marked: Option<(u32, Marked<'a>, Marked<'a>)>,
    pub(super) block: Block,
}

/// Moved or copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Rename,
    Copy,
}

/// The path of a `---` or `+++` line; `None` is `/dev/null`.
type Marked<'a> = Option<Cow<'a, [u8]>>;

/// What a header says about the file's names.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) old: Option<RepoPath>,
    pub(super) new: Option<RepoPath>,
    pub(super) status: Status,
}

impl<'a> GitHeader<'a> {
    /// Reads from `diff --git` to the line in front of the first hunk.
    pub(super) fn read(lines: &mut Lines<'a>) -> Result<Self, ParseError> {
        let first = lines.current.expect("the caller saw `diff --git`");
        let mut header = Self {
            begin: lines.number,
            names: trim_cr(first.strip_prefix(b"diff --git ").expect("the caller saw `diff --git`")),
            old_mode: None,
            new_mode: None,
            new_file: false,
            deleted_file: false,
            from: None,
            to: None,
            similarity: None,
            index: None,
            marked: None,
            block: Block::Nothing,
        };
        lines.advance();
        while let Some(line) = lines.current {
            let known = header.extended(trim_cr(line)).map_err(|what| fail_at(lines.number, what))?;
            if !known {
                break;
            }
            lines.advance();
        }
        header.body(lines).map_err(|what| fail_at(lines.number, what))?;
        Ok(header)
    }

    /// Takes one extended header line; false if it is none.
    fn extended(&mut self, line: &'a [u8]) -> Result<bool, String> {
        let after = |prefix: &str| line.strip_prefix(prefix.as_bytes());
        if let Some(text) = after("old mode ") {
            set(&mut self.old_mode, mode(text)?, line)?;
        } else if let Some(text) = after("new mode ") {
            set(&mut self.new_mode, mode(text)?, line)?;
        } else if let Some(text) = after("new file mode ") {
            set(&mut self.new_mode, mode(text)?, line)?;
            self.new_file = true;
        } else if let Some(text) = after("deleted file mode ") {
            set(&mut self.old_mode, mode(text)?, line)?;
            self.deleted_file = true;
        } else if let Some(text) = after("rename from ") {
            set(&mut self.from, (Move::Rename, text), line)?;
        } else if let Some(text) = after("rename to ") {
            set(&mut self.to, (Move::Rename, text), line)?;
        } else if let Some(text) = after("copy from ") {
            set(&mut self.from, (Move::Copy, text), line)?;
        } else if let Some(text) = after("copy to ") {
            set(&mut self.to, (Move::Copy, text), line)?;
        } else if let Some(text) = after("similarity index ") {
            set(&mut self.similarity, percent(text).ok_or_else(|| format!("{} is no percentage", shown(text)))?, line)?;
        } else if let Some(text) = after("dissimilarity index ") {
            percent(text).ok_or_else(|| format!("{} is no percentage", shown(text)))?;
        } else if let Some(text) = after("index ") {
            let (ids, both) = index(text).ok_or_else(|| format!("{} is no index line", shown(line)))?;
            set(&mut self.index, ids, line)?;
            if let Some(both) = both {
                let both = mode(both)?;
                set(&mut self.old_mode, both, line)?;
                set(&mut self.new_mode, both, line)?;
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Finds out what follows the extended headers, and reads `---` and `+++`.
    fn body(&mut self, lines: &mut Lines<'a>) -> Result<(), String> {
        let Some(line) = lines.current.map(trim_cr) else { return Ok(()) };
        if let Some(old) = line.strip_prefix(b"--- ") {
            let (number, old) = (lines.number, marked(old)?.0);
            lines.advance();
            let new = lines.current.map(trim_cr).and_then(|line| line.strip_prefix(b"+++ "));
            let new = marked(new.ok_or("a line with `+++` must follow the one with `---`")?)?.0;
            lines.advance();
            self.marked = Some((number, old, new));
            self.block = Block::Hunks;
        } else if line.starts_with(b"Binary files ") && line.ends_with(b" differ") {
            lines.advance();
            self.block = Block::Binary;
        } else if line == b"GIT binary patch" {
            lines.advance();
            self.block = Block::BinaryPatch;
        } else if line.starts_with(b"@@ ") {
            return Err("a hunk without the lines `---` and `+++` above it".to_owned());
        }
        Ok(())
    }

    /// Returns the file's paths; else the line and what is wrong with it.
    pub(super) fn named(&self) -> Result<Named, (u32, String)> {
        let at = |what: String| (self.begin, what);
        let (new_file, deleted_file) = match &self.marked {
            Some((line, None, None)) => return Err((*line, "both sides are /dev/null".to_owned())),
            Some((line, old, new)) if (self.new_file && old.is_some()) || (self.deleted_file && new.is_some()) => {
                return Err((*line, "the header says that one side is missing, but both are named".to_owned()));
            }
            Some((_, old, new)) => (old.is_none(), new.is_none()),
            None => (self.new_file, self.deleted_file),
        };
        if self.old_mode.is_some() != self.new_mode.is_some() && !new_file && !deleted_file {
            return Err(at("one of `old mode` and `new mode` is missing".to_owned()));
        }
        match (self.from, self.to) {
            (None, None) => {}
            (Some((from_kind, from)), Some((to_kind, to))) if from_kind == to_kind => {
                if new_file || deleted_file {
                    return Err(at("a moved file cannot be new or deleted".to_owned()));
                }
                return self.moved(from_kind, from, to).map_err(at);
            }
            (_, _) => return Err(at("one end of the rename or copy is missing".to_owned())),
        }
        if new_file && deleted_file {
            return Err(at("the file is both new and deleted".to_owned()));
        }
        let (old, new) = self.pair().map_err(at)?;
        let differ = old != new;
        let (old, new) = (path(&old).map_err(at)?, path(&new).map_err(at)?);
        Ok(match (new_file, deleted_file) {
            (true, _) => Named { old: None, new: Some(new), status: Status::Added },
            (_, true) => Named { old: Some(old), new: None, status: Status::Deleted },
            (false, false) if differ => Named { old: Some(old), new: Some(new), status: Status::Renamed },
            (false, false) => Named { old: Some(old), new: Some(new), status: Status::Modified },
        })
    }

    fn moved(&self, kind: Move, from: &[u8], to: &[u8]) -> Result<Named, String> {
        let (from, to) = (whole(from)?, whole(to)?);
        if let Some((_, Some(old), Some(new))) = &self.marked {
            let fits =
                |marked: &[u8], path: &[u8]| marked.strip_suffix(path).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with(b"/"));
            if !fits(old, &from) || !fits(new, &to) {
                return Err("`---` and `+++` name other files than the rename or copy".to_owned());
            }
        }
        let status = match kind {
            Move::Rename => Status::Renamed,
            Move::Copy => Status::Copied,
        };
        Ok(Named { old: Some(path(&from)?), new: Some(path(&to)?), status })
    }

    /// Returns both paths without their prefixes; they differ only where git compared two files outside a repository.
    fn pair(&self) -> Result<(Vec<u8>, Vec<u8>), String> {
        let unclear = || format!("cannot tell the paths in {}", shown(self.names));
        let quoted = quoted_names(self.names)?;
        let (old, new) = match &self.marked {
            Some((_, Some(old), Some(new))) => {
                let fits = match &quoted {
                    Some((first, second)) => first == old && second == new,
                    None => self.names.strip_prefix(&**old).and_then(|rest| rest.strip_prefix(b" ")) == Some(new),
                };
                if !fits {
                    return Err("`---` and `+++` name other files than `diff --git`".to_owned());
                }
                (old.clone(), new.clone())
            }
            Some((_, old, new)) => match (quoted, old, new) {
                (Some(names), _, _) => names,
                (None, None, Some(new)) => {
                    let old = self.names.strip_suffix(&**new).and_then(|rest| rest.strip_suffix(b" "));
                    (Cow::Borrowed(old.ok_or_else(unclear)?), new.clone())
                }
                (None, Some(old), _) => {
                    let new = self.names.strip_prefix(&**old).and_then(|rest| rest.strip_prefix(b" "));
                    (old.clone(), Cow::Borrowed(new.ok_or_else(unclear)?))
                }
                (None, None, None) => return Err(unclear()),
            },
            None => {
                let split = || split_names(self.names).map(|(old, new)| (Cow::Borrowed(old), Cow::Borrowed(new)));
                quoted.or_else(split).ok_or_else(unclear)?
            }
        };
        if let Some(same) = same_path(&old, &new) {
            return Ok((same.to_vec(), same.to_vec()));
        }
        match (old.strip_prefix(b"a/"), new.strip_prefix(b"b/")) {
            (Some(old), Some(new)) => Ok((old.to_vec(), new.to_vec())),
            _ => Err(unclear()),
        }
    }

    /// Says what is wrong if a file without hunks must have had some: the diff was cut there, or was made to hide them.
    pub(super) fn missing_hunks(&self) -> Option<String> {
        let empty = |id: &[u8]| EMPTY_BLOBS.iter().any(|blob| blob.starts_with(id));
        let fine = match (self.index, self.similarity) {
            (Some((old, new)), _) => old == new || (self.new_file && empty(new)) || (self.deleted_file && empty(old)),
            (None, Some(similarity)) => similarity == 100 && self.from.is_some(),
            // A bare mode change, or a header of which nothing came but its first line.
            (None, None) => !self.new_file && !self.deleted_file && (self.old_mode.is_some() || self.from.is_some()),
        };
        (!fine).then(|| "the content of the file changes, but no hunk shows it".to_owned())
    }
}

fn set<T: PartialEq>(slot: &mut Option<T>, value: T, line: &[u8]) -> Result<(), String> {
    if slot.replace(value).is_some() {
        return Err(format!("{} says a second time what the header said before", shown(line)));
    }
    Ok(())
}

/// Returns a mode, e.g. `100644`.
fn mode(text: &[u8]) -> Result<u32, String> {
    let digits = std::str::from_utf8(text).ok().filter(|text| matches!(text.len(), 5..=6));
    digits.and_then(|digits| u32::from_str_radix(digits, 8).ok()).ok_or_else(|| format!("{} is no file mode", shown(text)))
}

fn percent(text: &[u8]) -> Option<u32> {
    let number = std::str::from_utf8(text).ok()?.strip_suffix('%')?;
    number.parse().ok().filter(|&number| number <= 100)
}

/// Returns both IDs of `1a2b3c4..5d6e7f8 100644`, and the mode if both sides share one.
type Index<'a> = ((&'a [u8], &'a [u8]), Option<&'a [u8]>);

fn index(text: &[u8]) -> Option<Index<'_>> {
    let (ids, mode) = match text.iter().position(|&byte| byte == b' ') {
        Some(space) => (&text[..space], Some(&text[space + 1..])),
        None => (text, None),
    };
    let dots = ids.windows(2).position(|pair| pair == b"..")?;
    let (old, new) = (&ids[..dots], &ids[dots + 2..]);
    let is_id = |id: &[u8]| (4..=64).contains(&id.len()) && id.iter().all(u8::is_ascii_hexdigit);
    (is_id(old) && is_id(new)).then_some(((old, new), mode))
}

/// Returns the path of a `---` or `+++` line, given what stands behind the sign, and what follows a tab (a time, in plain diffs).
pub(super) fn marked(text: &[u8]) -> Result<(Marked<'_>, &[u8]), String> {
    let (path, rest) = if text.starts_with(b"\"") {
        let (path, rest) = unquote(text)?;
        (Cow::Owned(path), rest)
    } else {
        let end = text.iter().position(|&byte| byte == b'\t').unwrap_or(text.len());
        (Cow::Borrowed(&text[..end]), &text[end..])
    };
    let rest = match rest {
        [] => rest,
        [b'\t', rest @ ..] => rest,
        _ => return Err(format!("{} follows the path", shown(rest))),
    };
    Ok(((*path != *b"/dev/null").then_some(path), rest))
}

/// Returns a whole header value that may be quoted.
fn whole(text: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if !text.starts_with(b"\"") {
        return Ok(Cow::Borrowed(text));
    }
    match unquote(text)? {
        (path, []) => Ok(Cow::Owned(path)),
        (_, rest) => Err(format!("{} follows the path", shown(rest))),
    }
}

/// Undoes git's quoting of a path that begins with `"`; returns what follows the closing quote too.
fn unquote(text: &[u8]) -> Result<(Vec<u8>, &[u8]), String> {
    let wrong = || format!("{} is no path as git quotes it", shown(text));
    let mut path = Vec::new();
    let mut rest = text.strip_prefix(b"\"").ok_or_else(wrong)?;
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Ok((path, rest)),
            [b'\\', high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', rest @ ..] => {
                path.push((high - b'0') * 64 + (middle - b'0') * 8 + (low - b'0'));
                rest
            }
            [b'\\', letter, rest @ ..] => {
                path.push(match letter {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => b'\r',
                    b'"' | b'\\' => *letter,
                    _ => return Err(wrong()),
                });
                rest
            }
            [b'\\'] | [] => return Err(wrong()),
            [byte, rest @ ..] => {
                path.push(*byte);
                rest
            }
        };
    }
}

/// Both names of a `diff --git` line.
type Names<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// Returns both names of a `diff --git` line if one is quoted: then it is clear where the other ends.
fn quoted_names(names: &[u8]) -> Result<Option<Names<'_>>, String> {
    if names.starts_with(b"\"") {
        let (old, rest) = unquote(names)?;
        let new = rest.strip_prefix(b" ").ok_or_else(|| format!("{} follows the first path", shown(rest)))?;
        return Ok(Some((Cow::Owned(old), whole(new)?)));
    }
    // A bare path holds no quote: git would have quoted it.
    let Some(space) = names.windows(2).position(|pair| pair == b" \"") else { return Ok(None) };
    Ok(Some((Cow::Borrowed(&names[..space]), whole(&names[space + 1..])?)))
}

/// Splits `a/some path b/some path` where both halves name the same file.
fn split_names(names: &[u8]) -> Option<(&[u8], &[u8])> {
    if names.len() > 2 * MAX_PATH_BYTES {
        return None;
    }
    let halves = |space: usize| (&names[..space], &names[space + 1..]);
    let spaces = || names.iter().enumerate().filter(|&(_, &byte)| byte == b' ').map(|(at, _)| at);
    // With prefixes of one length, git's own among them, it is the space in the middle.
    let middle = names.len() / 2;
    let same = |&space: &usize| {
        let (old, new) = halves(space);
        same_path(old, new).is_some()
    };
    if names.get(middle) == Some(&b' ') && same(&middle) {
        return Some(halves(middle));
    }
    let mut fitting = spaces().filter(same);
    if let (Some(space), None) = (fitting.next(), fitting.next()) {
        return Some(halves(space));
    }
    // Two files outside a repository: only if there is one way to read it.
    let mut fitting = spaces().filter(|&space| names.starts_with(b"a/") && names[space + 1..].starts_with(b"b/"));
    match (fitting.next(), fitting.next()) {
        (Some(space), None) => Some(halves(space)),
        _ => None,
    }
}

/// Returns the path that both names share behind their prefixes: `a/` and `b/`, none (`--no-prefix`), or any other first folder.
pub(super) fn same_path<'n>(old: &'n [u8], new: &'n [u8]) -> Option<&'n [u8]> {
    let behind = |name: &'n [u8]| name.iter().position(|&byte| byte == b'/').map(|slash| &name[slash + 1..]);
    if old == new {
        return Some(old);
    }
    match (behind(old), behind(new)) {
        (Some(old), Some(new)) if old == new => Some(new),
        (_, Some(behind)) if behind == old => Some(old),
        (Some(behind), _) if behind == new => Some(new),
        _ => None,
    }
}

/// Returns the path inside the repository; one that leaves it, or that git could not store, is an error.
pub(super) fn path(bytes: &[u8]) -> Result<RepoPath, String> {
    if bytes.len() > MAX_PATH_BYTES {
        return Err(format!("a path has {} bytes, more than {MAX_PATH_BYTES}", bytes.len()));
    }
    if bytes.contains(&0) {
        return Err("a path holds a zero byte".to_owned());
    }
    if bytes.split(|&byte| byte == b'/').any(|part| matches!(part, b"" | b"." | b"..")) {
        return Err(format!("{} is no path inside a repository", shown(bytes)));
    }
    Ok(RepoPath::from_bytes(bytes))
}
