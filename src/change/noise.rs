//! The noise filter: which files the reviewers need not see, and why. It must not drop a file without a reason, and what the change itself says
//! (a mark, a new place) never takes a file out of view alone: what counts is what the base said, or the project's settings.

mod generated;
mod names;
#[cfg(test)]
mod tests;

use globset::GlobSet;

use super::{Change, Content, FileDiff, LineKind, RepoPath, Status};

pub use generated::{GeneratedMarks, MARKER_LINES};
pub use names::{is_lock_file, is_migration, looks_secret};

/// Why a file is left out of the reviewers' view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Noise {
    /// A lock file of a package manager.
    LockFile,
    /// In a vendored or dependency folder.
    Vendored,
    /// Minified or bundled.
    Minified,
    /// A source map.
    SourceMap,
    /// Binary.
    Binary,
    /// Moved without an edit.
    PureRename,
    /// Only its mode changed.
    ModeOnly,
    /// A submodule pointer.
    Submodule,
    /// Generated; what says so, e.g. `linguist-generated`.
    Generated(String),
    /// Matches the project's `filter.ignore`.
    Ignored,
    /// Matches `filter.never_send`: withheld from prompts and tools.
    NeverSend,
    /// Looks like a secret: withheld from prompts and tools, raised by a detector.
    SecretFile,
}

impl Noise {
    /// Returns whether the content must not reach a model in any way.
    pub const fn is_withheld(&self) -> bool {
        match self {
            Self::NeverSend | Self::SecretFile => true,
            Self::LockFile
            | Self::Vendored
            | Self::Minified
            | Self::SourceMap
            | Self::Binary
            | Self::PureRename
            | Self::ModeOnly
            | Self::Submodule
            | Self::Generated(_)
            | Self::Ignored => false,
        }
    }
}

/// What the project's settings say about the filter.
#[derive(Clone, Copy)]
pub struct FilterRules<'a> {
    /// Noise by the project's own word: `filter.ignore`.
    pub ignore: &'a GlobSet,
    /// Never noise: `filter.include`. It cannot free what is withheld.
    pub include: &'a GlobSet,
    /// Withheld from prompts and tools: `filter.never_send`.
    pub never_send: &'a GlobSet,
    /// Whether a file is at a security-sensitive path.
    pub sensitive: &'a dyn Fn(&FileDiff) -> bool,
}

/// A change after the filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    /// What the reviewers see.
    pub reviewed: Change,
    /// What they do not see, sorted by path, each with its reason.
    pub left_out: Vec<(RepoPath, Noise)>,
    /// Files of `reviewed` that look generated, but only since this change; sorted by path.
    pub newly_generated: Vec<RepoPath>,
    /// Files of `left_out` at security-sensitive paths: the security reviewer sees them all the same. Never a withheld or a binary one.
    pub security_only: Vec<RepoPath>,
}

/// Parts the noise of a change from what is reviewed.
pub fn filter(change: &Change, marks: &GeneratedMarks, rules: FilterRules<'_>) -> Filtered {
    let mut filtered = Filtered::default();
    let mut reviewed = Vec::new();
    for file in change.files() {
        let path = file.path();
        let generated = generated::of(file, marks);
        if let Some(noise) = noise(file, &generated, rules) {
            if !noise.is_withheld() && file.content != Content::Binary && (rules.sensitive)(file) {
                filtered.security_only.push(path.clone());
            }
            filtered.left_out.push((path.clone(), noise));
            continue;
        }
        if generated == generated::Generated::Newly {
            filtered.newly_generated.push(path.clone());
        }
        reviewed.push(file.clone());
    }
    filtered.reviewed = Change::new(reviewed);
    filtered
}

/// The first reason for which a file is noise. Withheld files come first: nothing below may let them through.
fn noise(file: &FileDiff, generated: &generated::Generated, rules: FilterRules<'_>) -> Option<Noise> {
    // What withholds or includes counts under either name; what leaves out must be true of both, or a rename would hide a file.
    let either = |globs: &GlobSet| names_of(file).any(|path| globs.is_match(path.as_str()));
    let both = |test: &dyn Fn(&RepoPath) -> bool| names_of(file).all(test);
    if either(rules.never_send) {
        return Some(Noise::NeverSend);
    }
    if names::is_secret_file(file) {
        return Some(Noise::SecretFile);
    }
    if either(rules.include) {
        return None;
    }
    match &file.content {
        Content::Submodule { .. } => return Some(Noise::Submodule),
        Content::Binary => return Some(Noise::Binary),
        Content::Text(_) => {}
    }
    if names_of(file).any(is_migration) {
        return None;
    }
    if file.hunks().is_empty() {
        match file.status {
            Status::Renamed | Status::Copied => return Some(Noise::PureRename),
            Status::Modified => return Some(Noise::ModeOnly),
            // An empty file can matter by being there.
            Status::Added | Status::Deleted => {}
        }
    }
    let noise = [
        (both(&|path| rules.ignore.is_match(path.as_str())), Noise::Ignored),
        (both(&is_lock_file), Noise::LockFile),
        (both(&names::is_vendored), Noise::Vendored),
        (both(&names::is_source_map), Noise::SourceMap),
        (both(&names::is_bundle) || has_bundled_lines(file), Noise::Minified),
    ];
    if let Some((_, noise)) = noise.into_iter().find(|(applies, _)| *applies) {
        return Some(noise);
    }
    match generated {
        generated::Generated::Known(what) => Some(Noise::Generated(what.clone())),
        generated::Generated::No | generated::Generated::Newly => None,
    }
}

/// The file's names, base then head; one if they are equal.
fn names_of(file: &FileDiff) -> impl Iterator<Item = &RepoPath> {
    let old = file.old.as_ref().filter(|old| file.new.as_ref() != Some(old));
    old.into_iter().chain(&file.new)
}

/// From this average length on, in bytes, the lines of a script or stylesheet were not written by hand.
const BUNDLED_LINE_BYTES: usize = 500;

/// Whether the lines of a script or stylesheet are too long on average to have been written by hand, on each side that exists: one long line added to
/// an ordinary file does not take it out of view.
fn has_bundled_lines(file: &FileDiff) -> bool {
    let long = |other: LineKind| {
        let lines = file.lines().filter(|line| line.kind != other);
        let (count, bytes) = lines.fold((0, 0), |(count, bytes), line| (count + 1, bytes + line.text.len()));
        bytes > 0 && bytes / count >= BUNDLED_LINE_BYTES
    };
    let (old, new) = (file.old.is_some(), file.new.is_some());
    names_of(file).all(names::can_be_bundled) && (!old || long(LineKind::Added)) && (!new || long(LineKind::Removed))
}
