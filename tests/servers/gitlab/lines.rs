//! The rule that decides everything: which line of a diff a position means, and where that line went after a push.

use sha1::{Digest as _, Sha1};

/// Blobs above this are not unfolded, in bytes.
const UNFOLD_LIMIT: usize = 1 << 20;

/// The change of one file.
#[derive(Clone, Debug)]
pub(super) struct FileDiff {
    pub(super) old_path: String,
    pub(super) new_path: String,
    pub(super) a_mode: String,
    pub(super) b_mode: String,
    pub(super) status: Status,
    /// Hunks as text, without the `---` and `+++` lines.
    pub(super) text: String,
    pub(super) lines: Vec<Line>,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Added,
    Deleted,
    Renamed,
    Modified,
}

/// One line of a diff with both counters as they stand there.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) old: u64,
    pub(super) new: u64,
}

/// What a line of a diff is; `Match` is a hunk's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Match,
    Context,
    Added,
    Removed,
}

/// Reads `git diff --raw -z` and the patch of the same range.
pub(super) fn read(raw: &str, patch: &str) -> Vec<FileDiff> {
    let mut texts = patch.split_inclusive('\n').fold(Vec::<String>::new(), |mut texts, line| {
        match texts.last_mut() {
            Some(text) if !line.starts_with("diff --git ") => text.push_str(line),
            _ => texts.push(String::new()),
        }
        texts
    });
    texts.reverse();
    let mut fields = raw.split('\0').filter(|field| !field.is_empty());
    let mut files = Vec::new();
    while let Some(facts) = fields.next() {
        let facts: Vec<&str> = facts.trim_start_matches(':').split(' ').collect();
        let [a_mode, b_mode, _, _, letter] = facts[..] else { panic!("git's raw format: {facts:?}") };
        let old_path = fields.next().expect("a path").to_owned();
        let status = match letter.as_bytes()[0] {
            b'A' => Status::Added,
            b'D' => Status::Deleted,
            b'R' => Status::Renamed,
            _ => Status::Modified,
        };
        let new_path = if status == Status::Renamed { fields.next().expect("a second path").to_owned() } else { old_path.clone() };
        let text = texts.pop().expect("a patch for each file");
        let text = match (text.find("@@ "), text.find("Binary files ")) {
            (Some(at), _) | (None, Some(at)) => text[at..].to_owned(),
            (None, None) => String::new(),
        };
        let mode = |mode: &str| if mode == "000000" { "0".to_owned() } else { mode.to_owned() };
        let lines = lines_of(&text);
        files.push(FileDiff { old_path, new_path, a_mode: mode(a_mode), b_mode: mode(b_mode), status, text, lines });
    }
    files
}

fn lines_of(text: &str) -> Vec<Line> {
    let (mut old, mut new) = (0, 0);
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let kind = match line.as_bytes().first() {
            Some(b'@') => {
                let start = |sign: char| {
                    let numbers = line.split(' ').find_map(|word| word.strip_prefix(sign)).expect("a hunk's head");
                    numbers.split(',').next().expect("a number").parse::<u64>().expect("a number")
                };
                (old, new) = (start('-'), start('+'));
                Kind::Match
            }
            Some(b' ') => Kind::Context,
            Some(b'+') => Kind::Added,
            Some(b'-') => Kind::Removed,
            _ => continue,
        };
        lines.push(Line { kind, old, new });
        old += u64::from(matches!(kind, Kind::Context | Kind::Removed));
        new += u64::from(matches!(kind, Kind::Context | Kind::Added));
    }
    lines
}

impl FileDiff {
    /// Returns whether the file is neither text nor changed in its lines.
    pub(super) fn binary(&self) -> bool {
        self.text.starts_with("Binary files ")
    }

    fn hash(&self) -> String {
        let path = if self.new_path.is_empty() { &self.old_path } else { &self.new_path };
        hex::encode(Sha1::digest(path.as_bytes()))
    }

    fn code(&self, old: u64, new: u64) -> String {
        format!("{}_{old}_{new}", self.hash())
    }

    /// Returns the code of the line with exactly these two numbers, unfolding the old file outside of the hunks.
    pub(super) fn line_code(&self, old: Option<u64>, new: Option<u64>, old_file: impl FnOnce() -> Option<Vec<u8>>) -> Option<String> {
        let pair = |line: &Line| match line.kind {
            Kind::Match => None,
            Kind::Context => Some((Some(line.old), Some(line.new))),
            Kind::Added => Some((None, Some(line.new))),
            Kind::Removed => Some((Some(line.old), None)),
        };
        if let Some(line) = self.lines.iter().find(|line| pair(line) == Some((old, new))) {
            return Some(self.code(line.old, line.new));
        }
        let (old, new) = (old?, new?);
        let foldable = matches!(self.status, Status::Renamed | Status::Modified) && !self.binary() && !self.lines.is_empty();
        if !foldable || old == 0 || self.lines.iter().any(|line| line.old == old && line.kind == Kind::Removed) {
            return None;
        }
        let blob = old_file().filter(|blob| blob.len() <= UNFOLD_LIMIT)?;
        let count = blob.split_inclusive(|byte| *byte == b'\n').count();
        if usize::try_from(old).ok()? > count || map(Some(self), old) != Some(new) {
            return None;
        }
        Some(self.code(old, new))
    }
}

/// Returns the number that an old line has in the new file, or nothing when it is gone; no diff means no change.
pub(super) fn map(diff: Option<&FileDiff>, old: u64) -> Option<u64> {
    follow(diff, old, Kind::Removed, |line| (line.old, line.new))
}

/// Returns the number that a new line had in the old file, or nothing when it was not there.
pub(super) fn unmap(diff: Option<&FileDiff>, new: u64) -> Option<u64> {
    follow(diff, new, Kind::Added, |line| (line.new, line.old))
}

/// Follows a line from one side to the other; `lost` are the lines that this side alone has.
fn follow(diff: Option<&FileDiff>, number: u64, lost: Kind, sides: impl Fn(&Line) -> (u64, u64)) -> Option<u64> {
    let Some(diff) = diff else { return Some(number) };
    if diff.binary() {
        return None;
    }
    let (mut here, mut there) = (0, 0);
    for line in diff.lines.iter().filter(|line| line.kind != Kind::Match) {
        let (this, that) = sides(line);
        match line.kind {
            kind if kind == lost && this == number => return None,
            Kind::Context if this == number => return Some(that),
            kind if this < number => {
                here += u64::from(kind == lost);
                there += u64::from(kind != lost && kind != Kind::Context);
            }
            _ => {}
        }
    }
    Some(number + there - here)
}
