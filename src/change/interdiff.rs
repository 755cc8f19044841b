//! What changed in a change since an earlier version of it: patch against patch, each over its own merge base, so that merging the target branch,
//! a rebase or a retarget alone is no change. It must not compare files: of those it only knows what the two diffs show.

mod narrow;
mod pair;

use std::collections::{BTreeMap, BTreeSet};

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{Change, Content, FileDiff, Line, LineKind, RepoPath, Side};

/// Lines of the head around a place that belong to it: a guard in front of a line changes what the line does.
const NEAR_LINES: usize = 3;
/// A line with fewer letters and digits is too common to be followed to another place.
const LEAST_TELLING_CHARS: usize = 3;

/// A line of a change, named by file, side and number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The file's path in the head, or in the base for a deleted file.
    pub path: RepoPath,
    /// The base for a removed line, else the head.
    pub side: Side,
    /// The line's number on that side, 1-based.
    pub line: u32,
}

/// What a line of the new change is to the earlier patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Context: on both sides of the new change.
    Context,
    /// Added or removed as it was in the earlier patch.
    Same,
    /// Added with a text that the earlier patch added elsewhere, or with other white space.
    Moved,
    /// Not in the earlier patch.
    Fresh,
}

/// What became of a line that the earlier change showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is there.
    Kept(Spot),
    /// Its text is there, but elsewhere or with other white space.
    Moved(Spot),
    /// It is not there: deleted, edited, reverted, or part of the base by now and no longer shown.
    Gone,
    /// The earlier change did not show it, or is not known.
    Unseen,
}

/// What became of a run of lines that the earlier change showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeAt {
    /// The lines and what is next to them are as they were.
    Same,
    /// The lines are as they were; something next to them changed.
    Near,
    /// At least one of the lines changed, moved or went.
    Changed,
    /// The earlier change did not show the lines, or is not known.
    Unseen,
}

/// Where a run of lines of the earlier change lies in the new one: what stands between its nearest neighbours that were kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landing {
    /// The file.
    pub path: RepoPath,
    /// The first of its lines, as an index over all lines of all hunks.
    pub first: usize,
    /// Behind the last of its lines; equal to `first` where nothing is left.
    pub end: usize,
}

/// What changed between two versions of a change.
#[derive(Clone, Debug)]
pub struct Interdiff {
    known: bool,
    old: BTreeMap<RepoPath, OldFile>,
    new: Vec<NewFile>,
    left: Vec<RepoPath>,
}

#[derive(Clone, Debug)]
struct OldFile {
    lines: Lines,
    /// The file of the new change that it is.
    pair: Option<usize>,
    images: Vec<Option<Image>>,
}

/// Where a line of the earlier change is in the new one.
#[derive(Clone, Copy, Debug)]
struct Image {
    file: usize,
    line: usize,
    moved: bool,
}

#[derive(Clone, Debug)]
struct NewFile {
    path: RepoPath,
    lines: Lines,
    /// The hunk of each line.
    hunks: Vec<usize>,
    since: Vec<Since>,
    origins: Vec<Option<Spot>>,
    /// Lines in front of which lines of the earlier patch are missing.
    gaps: BTreeSet<usize>,
    /// The file as a whole is another: it was not in the earlier patch, or has another name, mode or pointer.
    whole: bool,
}

/// The lines of a file's diff, and their indices by side and number.
#[derive(Clone, Debug)]
struct Lines {
    spots: Vec<(Side, u32)>,
    index: BTreeMap<(Side, u32), usize>,
}

impl Lines {
    fn of(file: &FileDiff) -> Self {
        let spots: Vec<(Side, u32)> = file.lines().map(named).collect();
        let index = spots.iter().enumerate().map(|(index, spot)| (*spot, index)).collect();
        Self { spots, index }
    }
}

fn named(line: &Line) -> (Side, u32) {
    match line.kind {
        LineKind::Removed => (Side::Old, line.old),
        LineKind::Added | LineKind::Context => (Side::New, line.new),
    }
}

/// Compares two versions of a change. Without the earlier one, because its head is in the repository no more, everything counts as changed.
pub fn interdiff(old: Option<&Change>, new: &Change) -> Interdiff {
    let mut result = Interdiff {
        known: old.is_some(),
        old: BTreeMap::new(),
        new: new.files().iter().map(|file| NewFile::of(file, old.is_none())).collect(),
        left: Vec::new(),
    };
    let Some(old) = old else { return result };
    let pairs = pair::pairs(old, new);
    let mut olds: Vec<OldFile> = old.files().iter().map(OldFile::of).collect();
    for (number, file) in old.files().iter().enumerate() {
        match pairs.get(&number) {
            Some(&other) => {
                olds[number].pair = Some(other);
                align(file, &new.files()[other], &mut olds[number], (other, &mut result.new[other]));
            }
            None => result.left.push(file.path().clone()),
        }
    }
    let paired: BTreeSet<usize> = pairs.values().copied().collect();
    for (number, file) in result.new.iter_mut().enumerate() {
        file.whole |= !paired.contains(&number);
    }
    follow(old, new, &mut olds, &mut result.new);
    for (number, file) in old.files().iter().enumerate() {
        if let Some(other) = olds[number].pair {
            gaps(file, &olds[number], &new.files()[other], other, &mut result.new[other].gaps);
        }
        result.old.insert(file.path().clone(), olds[number].clone());
    }
    result
}

impl OldFile {
    fn of(file: &FileDiff) -> Self {
        let lines = Lines::of(file);
        Self { images: vec![None; lines.spots.len()], lines, pair: None }
    }
}

impl NewFile {
    fn of(file: &FileDiff, whole: bool) -> Self {
        let lines = Lines::of(file);
        let since = |line: &Line| if line.kind == LineKind::Context { Since::Context } else { Since::Fresh };
        Self {
            path: file.path().clone(),
            hunks: file.hunks().iter().enumerate().flat_map(|(number, hunk)| vec![number; hunk.lines.len()]).collect(),
            since: file.lines().map(since).collect(),
            origins: vec![None; lines.spots.len()],
            gaps: BTreeSet::new(),
            lines,
            whole,
        }
    }
}

/// Finds the lines that two versions of a file's patch have in common, in their order: those of the head, added or context, since the base decides
/// which and may have moved; and beside them the removed ones.
fn align(old: &FileDiff, new: &FileDiff, from: &mut OldFile, (number, to): (usize, &mut NewFile)) {
    let (old_lines, new_lines): (Vec<&Line>, Vec<&Line>) = (old.lines().collect(), new.lines().collect());
    for side in [Side::New, Side::Old] {
        let (ours, theirs) = (on(&old_lines, side), on(&new_lines, side));
        let texts = |lines: &[&Line], indices: &[usize]| indices.iter().map(|index| lines[*index].text.clone()).collect::<Vec<_>>();
        for op in capture_diff_slices(Algorithm::Myers, &texts(&old_lines, &ours), &texts(&new_lines, &theirs)) {
            let DiffOp::Equal { old_index, new_index, len } = op else { continue };
            for (at, line) in ours[old_index..old_index + len].iter().copied().zip(theirs[new_index..].iter().copied()) {
                let (was, is) = (old_lines[at], new_lines[line]);
                let both_removed = was.kind == LineKind::Removed && is.kind == LineKind::Removed;
                if side == Side::Old && !both_removed {
                    continue;
                }
                from.images[at] = Some(Image { file: number, line, moved: false });
                to.origins[line] = Some(spot(old.path(), from.lines.spots[at]));
                // A line that the base had, and that the change adds by now, was never reviewed as an addition.
                if is.kind != LineKind::Context && was.kind == is.kind && was.newline == is.newline {
                    to.since[line] = Since::Same;
                }
            }
        }
    }
    uproot(&old_lines, &new_lines, from, to);
    // What the base calls the file, and whether it had it, is the base's.
    let header = |file: &FileDiff| (file.new.clone(), file.new_mode.filter(|mode| file.old_mode != Some(*mode)));
    let pointer = |file: &FileDiff| match &file.content {
        Content::Text(_) => None,
        Content::Binary => Some(None),
        Content::Submodule { from, to } => Some(Some((from.clone(), to.clone()))),
    };
    to.whole = header(old) != header(new) || pointer(old) != pointer(new);
}

/// The indices of the lines that are on one side.
fn on(lines: &[&Line], side: Side) -> Vec<usize> {
    let away = match side {
        Side::Old => LineKind::Added,
        Side::New => LineKind::Removed,
    };
    (0..lines.len()).filter(|index| lines[*index].kind != away).collect()
}

/// Takes added lines for moved where nothing around them is as it was: they stand at another place of the file.
fn uproot(old: &[&Line], new: &[&Line], from: &mut OldFile, to: &mut NewFile) {
    let rooted: BTreeSet<usize> = (0..new.len())
        .filter(|line| new[*line].kind != LineKind::Added && to.origins[*line].is_some())
        .map(|line| to.hunks[line])
        .collect();
    let surrounded: BTreeSet<usize> = (0..new.len()).filter(|line| new[*line].kind != LineKind::Added).map(|line| to.hunks[line]).collect();
    if old.iter().all(|line| line.kind == LineKind::Added) {
        return;
    }
    for image in from.images.iter_mut().flatten() {
        let hunk = to.hunks[image.line];
        if new[image.line].kind == LineKind::Added && surrounded.contains(&hunk) && !rooted.contains(&hunk) {
            image.moved = true;
            to.since[image.line] = Since::Moved;
        }
    }
}

fn spot(path: &RepoPath, (side, line): (Side, u32)) -> Spot {
    Spot { path: path.clone(), side, line }
}

/// A line that was added and has no counterpart at its place.
struct Loose {
    file: usize,
    line: usize,
    /// What it must have in common with its counterpart, from much to little.
    keys: [String; 2],
}

fn normalised(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The added lines of a change that `unmatched` says have no counterpart yet.
fn loose(change: &Change, unmatched: impl Fn(usize, usize) -> bool) -> Vec<Loose> {
    let mut all = Vec::new();
    for (file, diff) in change.files().iter().enumerate() {
        let lines: Vec<&Line> = diff.lines().collect();
        let text = |index: Option<usize>| index.and_then(|index| lines.get(index)).map(|line| normalised(&line.text)).unwrap_or_default();
        for (index, line) in lines.iter().enumerate() {
            let telling = line.text.chars().filter(|c| c.is_alphanumeric()).count() >= LEAST_TELLING_CHARS;
            if line.kind == LineKind::Added && telling && unmatched(file, index) {
                let own = text(Some(index));
                let around = format!("{}\n{own}\n{}", text(index.checked_sub(1)), text(Some(index + 1)));
                all.push(Loose { file, line: index, keys: [around, own] });
            }
        }
    }
    all
}

/// Follows added lines to another place: first within their file, then to another one, with their neighbours before without.
fn follow(old: &Change, new: &Change, olds: &mut [OldFile], news: &mut [NewFile]) {
    for (within, by) in [(true, 0), (true, 1), (false, 0), (false, 1)] {
        let from = loose(old, |file, line| olds[file].images[line].is_none());
        let mut to: BTreeMap<(Option<usize>, String), Vec<Loose>> = BTreeMap::new();
        for line in loose(new, |file, line| news[file].origins[line].is_none()).into_iter().rev() {
            to.entry((within.then_some(line.file), line.keys[by].clone())).or_default().push(line);
        }
        for line in from {
            let file = if within { olds[line.file].pair } else { None };
            if within && file.is_none() {
                continue;
            }
            // From the last to the first: what is popped is the first that is left.
            let Some(found) = to.get_mut(&(file, line.keys[by].clone())).and_then(Vec::pop) else { continue };
            olds[line.file].images[line.line] = Some(Image { file: found.file, line: found.line, moved: true });
            news[found.file].origins[found.line] = Some(spot(old.files()[line.file].path(), olds[line.file].lines.spots[line.line]));
            news[found.file].since[found.line] = Since::Moved;
        }
    }
}

/// Marks where lines of the earlier patch are missing.
fn gaps(file: &FileDiff, old: &OldFile, new: &FileDiff, number: usize, gaps: &mut BTreeSet<usize>) {
    let total = new.lines().count();
    let stays = |image: &Option<Image>| image.filter(|image| image.file == number && !image.moved).map(|image| image.line);
    // The line of the new file behind the last one that was kept.
    let mut next = 0;
    for (line, image) in file.lines().zip(&old.images) {
        match stays(image) {
            Some(at) => next = at + 1,
            None if line.kind != LineKind::Context && total > 0 => {
                gaps.insert(next.min(total));
            }
            None => {}
        }
    }
}

impl Interdiff {
    /// Returns whether the earlier change is known. If not, everything counts as changed.
    pub fn known(&self) -> bool {
        self.known
    }

    /// Returns whether nothing changed since: the patches are the same.
    pub fn is_empty(&self) -> bool {
        self.known && self.left.is_empty() && self.new.iter().all(NewFile::is_unchanged)
    }

    /// Returns the files of the earlier change that the new one does not have, sorted.
    pub fn left(&self) -> &[RepoPath] {
        &self.left
    }

    /// Returns the files that changed since, sorted.
    pub fn changed_files(&self) -> impl Iterator<Item = &RepoPath> {
        self.new.iter().filter(|file| !file.is_unchanged()).map(|file| &file.path)
    }

    /// Returns what a line of the new change is to the earlier patch; `None` if the new change does not show it.
    pub fn since(&self, at: &Spot) -> Option<Since> {
        let file = self.file(&at.path)?;
        file.lines.index.get(&(at.side, at.line)).map(|line| file.since[*line])
    }

    /// Returns the line of the earlier change that a line of the new one was.
    pub fn origin(&self, at: &Spot) -> Option<&Spot> {
        let file = self.file(&at.path)?;
        file.origins[*file.lines.index.get(&(at.side, at.line))?].as_ref()
    }

    /// Returns what became of a line of the earlier change.
    pub fn fate(&self, at: &Spot) -> Fate {
        let Some(file) = self.old.get(&at.path) else { return Fate::Unseen };
        let Some(line) = file.lines.index.get(&(at.side, at.line)) else { return Fate::Unseen };
        match file.images[*line] {
            None => Fate::Gone,
            Some(image) => {
                let to = &self.new[image.file];
                let there = spot(&to.path, to.lines.spots[image.line]);
                if image.moved { Fate::Moved(there) } else { Fate::Kept(there) }
            }
        }
    }

    /// Returns the path in the new change of a file of the earlier one; `None` if it left the change or was never in it.
    pub fn path_of(&self, old: &RepoPath) -> Option<&RepoPath> {
        self.old.get(old)?.pair.map(|number| &self.new[number].path)
    }

    /// Returns whether a file of the earlier change is, as a whole, as it was; `None` if the earlier change did not have it.
    pub fn file_unchanged(&self, old: &RepoPath) -> Option<bool> {
        let file = self.old.get(old)?;
        Some(file.pair.is_some_and(|number| self.new[number].is_unchanged()))
    }

    /// Returns what became of the lines `first` to `last` of the earlier change, on one side of one file.
    pub fn code_at(&self, path: &RepoPath, side: Side, first: u32, last: u32) -> CodeAt {
        let Some((old, from, to)) = self.run(path, side, first, last) else { return CodeAt::Unseen };
        let images: Vec<Option<Image>> = old.images[from..=to].to_vec();
        let kept: Option<Vec<Image>> = images.into_iter().map(|image| image.filter(|image| !image.moved)).collect();
        let Some(kept) = kept else { return CodeAt::Changed };
        let (first, last) = (kept[0], kept[kept.len() - 1]);
        let file = &self.new[first.file];
        // What was one run of lines is one still only if nothing came between.
        let whole = last.line - first.line == to - from;
        let changed = |line: usize| matches!(file.since[line], Since::Fresh | Since::Moved);
        if !whole || (first.line..last.line).any(|line| file.gaps.contains(&(line + 1))) || (first.line..=last.line).any(changed) {
            return CodeAt::Changed;
        }
        let from = file.around((0..first.line).rev(), first.line);
        let to = file.around(last.line + 1..file.since.len(), last.line);
        if (from..=to).any(changed) || file.gaps.range(from..=to + 1).next().is_some() { CodeAt::Near } else { CodeAt::Same }
    }

    /// Returns whether lines of the new change, and what is next to them, were in the earlier one as they are.
    pub fn untouched(&self, first: &Spot, last: &Spot) -> bool {
        let Some(file) = self.file(&first.path).filter(|_| self.known) else { return false };
        let at = |spot: &Spot| file.lines.index.get(&(spot.side, spot.line)).copied();
        let (Some(first), Some(last)) = (at(first), at(last)) else { return false };
        let (from, to) = (file.around((0..first).rev(), first), file.around(last + 1..file.since.len(), last));
        let changed = |line: usize| matches!(file.since[line], Since::Fresh | Since::Moved);
        !(from..=to).any(changed) && file.gaps.range(from..=to + 1).next().is_none()
    }

    /// Returns where the lines `first` to `last` of the earlier change lie in the new one; `None` if their file is not there or was not known.
    pub fn landing(&self, path: &RepoPath, side: Side, first: u32, last: u32) -> Option<Landing> {
        let (old, from, to) = self.run(path, side, first, last)?;
        let number = old.pair?;
        let file = &self.new[number];
        let stays = |image: &Option<Image>| image.filter(|image| image.file == number && !image.moved).map(|image| image.line);
        let first = old.images[..from].iter().rev().find_map(stays).map_or(0, |line| line + 1);
        let end = old.images[to + 1..].iter().find_map(stays).unwrap_or(file.since.len());
        // Neighbours that are far away say nothing: a run stays in its hunks.
        let kept: Vec<usize> = old.images[from..=to].iter().filter_map(stays).collect();
        match (kept.first(), kept.last()) {
            (Some(a), Some(b)) if kept.len() == to + 1 - from => Some(Landing { path: file.path.clone(), first: *a, end: b + 1 }),
            _ => Some(Landing { path: file.path.clone(), first, end: end.max(first) }),
        }
    }

    fn file(&self, path: &RepoPath) -> Option<&NewFile> {
        self.new.binary_search_by(|file| file.path.cmp(path)).ok().map(|found| &self.new[found])
    }

    /// The file of the earlier change, and the indices of the lines that bound a run.
    fn run(&self, path: &RepoPath, side: Side, first: u32, last: u32) -> Option<(&OldFile, usize, usize)> {
        let old = self.old.get(path)?;
        let to = *old.lines.index.get(&(side, last))?;
        let from = old.lines.index.get(&(side, first)).copied().filter(|from| *from <= to).unwrap_or(to);
        Some((old, from, to))
    }
}

impl NewFile {
    /// Returns the last of `lines` that is near `line`: in its hunk, with few lines of the head between.
    fn around(&self, lines: impl Iterator<Item = usize>, line: usize) -> usize {
        let mut passed = 0;
        let near = |other: &usize| {
            passed += usize::from(self.lines.spots[*other].0 == Side::New);
            self.hunks[*other] == self.hunks[line] && passed <= NEAR_LINES
        };
        lines.take_while(near).last().unwrap_or(line)
    }

    fn is_unchanged(&self) -> bool {
        !self.whole && self.gaps.is_empty() && self.since.iter().all(|since| matches!(since, Since::Context | Since::Same))
    }
}

#[cfg(test)]
mod tests;
