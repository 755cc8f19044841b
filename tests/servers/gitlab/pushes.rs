//! What a push does: a version of the diff comes, threads move along with their lines or go out of date, suggestions become commits.

use super::git::{Bare, Edit};
use super::lines::{self, FileDiff};
use super::quick;
use super::world::{Id, Life, Position, PositionKind, Refusal, Role, Setting, Suggestion, Tried, Version, World};

impl World {
    /// Makes a version from the tips of source and target.
    pub(super) fn version(&mut self, git: &Bare, head: &str, target_branch: &str) -> Version {
        let start = git.resolve(&format!("refs/heads/{target_branch}")).expect("the target branch is there");
        let base = git.merge_base(&start, head);
        let files = git.diff(&base, head);
        let patch_id = git.patch_id(&base, head);
        Version { id: self.fresh(), created: self.tick(), base, start, head: head.to_owned(), patch_id, files }
    }

    /// Takes note of a new head or another target: versions, refs, threads, approvals.
    pub(super) fn pushed(&mut self, user: Id, request: Id, head: &str) {
        let (bare, state) = (self.bare_of(request), self.request(request));
        let (iid, target, old) = (state.iid, state.target_branch.clone(), state.newest().clone());
        bare.point(&format!("refs/merge-requests/{iid}/head"), head);
        let new = self.version(&bare, head, &target);
        if (&new.head, &new.base, &new.start) == (&old.head, &old.base, &old.start) {
            return;
        }
        bare.point(&format!("refs/keep-around/{}", new.head), &new.head);
        let added = bare.log(&old.head, head).len();
        self.request_mut(request).versions.push(new.clone());
        self.system_note(user, request, &format!("added {added} commits"), None);
        self.mail(user, "push");
        if self.project(self.request(request).project).is(Setting::ResetApprovals) {
            self.request_mut(request).approvals.clear();
        }
        self.move_threads(user, request, &bare, &old, &new);
    }

    fn move_threads(&mut self, user: Id, request: Id, bare: &Bare, old: &Version, new: &Version) {
        let trace = Trace { new, base_to_base: bare.diff(&old.base, &new.base), head_to_head: bare.diff(&old.head, &new.head) };
        let number = self.request(request).versions.len();
        let resolves = self.project(self.request(request).project).is(Setting::ResolveOutdated);
        let active = |position: &Position| position.head == old.head && position.base == old.base;
        let positions = self.request(request).discussions.iter();
        let positions = positions.filter_map(|thread| Some((thread.id.clone(), thread.notes[0].position.clone().filter(active)?)));
        for (thread, position) in positions.collect::<Vec<_>>() {
            if let Some(position) = trace.follow(&position) {
                let discussion = self.request_mut(request).discussion_mut(&thread).expect("listed above");
                discussion.notes.iter_mut().for_each(|note| note.position = Some(position.clone()));
                continue;
            }
            let what = if position.kind == PositionKind::Text { "line" } else { "file" };
            if resolves {
                self.mark(user, request, &thread, true);
            }
            let link = format!("/-/merge_requests/{}/diffs?diff_id={}", self.request(request).iid, new.id);
            self.system_note(user, request, &format!("changed this {what} in [version {number} of the diff]({link})"), Some(&thread));
        }
    }

    /// Returns the suggestions of a body; only lines of the head can be replaced.
    pub(super) fn suggestions_of(&mut self, request: Id, position: Option<&Position>, body: &str) -> Vec<Suggestion> {
        let Some(position) = position.filter(|position| position.kind == PositionKind::Text) else { return Vec::new() };
        let Some(line) = position.new_line else { return Vec::new() };
        let found = quick::suggestions(body);
        if found.is_empty() {
            return Vec::new();
        }
        let text = text_of(&self.bare_of(request), &position.head, &position.new_path);
        let last = text.split_inclusive('\n').count() as u64;
        let suggestion = |found: quick::Found| {
            let (from, to) = (line.saturating_sub(found.above).max(1), (line + found.below).min(last));
            Suggestion { id: self.fresh(), from, to, old: cut(&text, from, to), new: found.text, applied: false }
        };
        found.into_iter().map(suggestion).collect()
    }

    /// Returns whether a suggestion could be applied now.
    pub(super) fn appliable(&self, request: Id, position: Option<&Position>, suggestion: &Suggestion) -> bool {
        let state = self.request(request);
        let Some(position) = position.filter(|position| position.head == state.newest().head) else { return false };
        let now = cut(&text_of(&self.bare_of(request), &position.head, &position.new_path), suggestion.from, suggestion.to);
        state.life == Life::Opened && !suggestion.applied && suggestion.old != suggestion.new && now == suggestion.old
    }

    /// Applies a suggestion as a user: a commit on the source branch, and the thread is resolved.
    pub(super) fn apply_suggestion(&mut self, user: Id, id: Id) -> Tried<()> {
        let missing = || Refusal::not_found("Suggestion");
        let found = self.requests.iter().find_map(|request| {
            let notes = request.discussions.iter().flat_map(|thread| thread.notes.iter().map(move |note| (thread, note)));
            let mut hits = notes.filter(|(_, note)| note.suggestions.iter().any(|suggestion| suggestion.id == id));
            hits.next().map(|(thread, note)| (request.id, thread.id.clone(), note.id, note.position.clone()))
        });
        let (request, thread, note, position) = found.ok_or_else(missing)?;
        let (_, stored) = self.request(request).note(note).expect("found above");
        let suggestion = stored.suggestions.iter().find(|suggestion| suggestion.id == id).expect("found above").clone();
        let source = self.project(self.request(request).source_project);
        if source.members.get(&user).is_none_or(|role| *role < Role::Developer) {
            return Err(Refusal::forbidden());
        }
        let Some(position) = position.filter(|position| self.appliable(request, Some(position), &suggestion)) else {
            return Err(Refusal::new(400, "400 Bad request - A file was changed, or the suggestion is outdated."));
        };
        let bare = self.bare_of(request);
        let text = text_of(&bare, &position.head, &position.new_path);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let (from, to) = (usize::try_from(suggestion.from).expect("a line"), usize::try_from(suggestion.to).expect("a line"));
        let replaced = [&lines[..from - 1].concat(), &suggestion.new, &lines[to..].concat()].map(String::as_str).concat();
        let at = self.unix();
        let head = bare.commit(Some(&position.head), &Edit::new().write(&position.new_path, replaced), "Apply 1 suggestion", at);
        let applied = self.request_mut(request).note_mut(note).expect("found above").suggestions.iter_mut();
        applied.filter(|suggestion| suggestion.id == id).for_each(|suggestion| suggestion.applied = true);
        self.mark(user, request, &thread, true);
        self.move_branch(request, &head);
        self.pushed(user, request, &head);
        Ok(())
    }

    /// Points the source branch at a commit of the target's repository.
    pub(super) fn move_branch(&self, request: Id, head: &str) {
        let state = self.request(request);
        let (target, source) = (&self.project(state.project).bare, &self.project(state.source_project).bare);
        let branch = format!("refs/heads/{}", state.source_branch);
        if state.project != state.source_project {
            target.point("refs/moved/head", head);
            source.fetch(target, "refs/moved/head", &branch);
        }
        source.point(&branch, head);
    }
}

/// The diffs that a position is followed through; a thread whose line is nowhere any more is outdated.
struct Trace<'a> {
    new: &'a Version,
    base_to_base: Vec<FileDiff>,
    head_to_head: Vec<FileDiff>,
}

impl Trace<'_> {
    fn follow(&self, position: &Position) -> Option<Position> {
        if position.kind != PositionKind::Text {
            let touched = self.head_to_head.iter().any(|file| file.old_path == position.new_path);
            let there = self.new.files.iter().any(|file| file.new_path == position.new_path);
            return (there && !touched).then(|| self.moved(position, (&position.old_path, None), (&position.new_path, None)));
        }
        match (position.old_line, position.new_line) {
            (None, Some(line)) => self.follow_added(position, line),
            (Some(line), None) => self.follow_removed(position, line),
            (old, new) => self.follow_context(position, old.unwrap_or_default(), new.unwrap_or_default()),
        }
    }

    fn follow_added(&self, position: &Position, line: u64) -> Option<Position> {
        let step = self.head_to_head.iter().find(|file| file.old_path == position.new_path);
        let path = step.map_or(&position.new_path, |file| &file.new_path);
        let line = lines::map(step, line)?;
        let file = self.new.files.iter().find(|file| file.new_path == *path);
        let old_path = file.map_or(path, |file| &file.old_path);
        let old = lines::unmap(file, line);
        // The line came into the target too: it stays only where the diff still shows it.
        let shown = || file.and_then(|file| file.line_code(old, Some(line), || None)).is_some();
        (old.is_none() || shown()).then(|| self.moved(position, (old_path, old), (path, Some(line))))
    }

    fn follow_removed(&self, position: &Position, line: u64) -> Option<Position> {
        let step = self.base_to_base.iter().find(|file| file.old_path == position.old_path);
        let path = step.map_or(&position.old_path, |file| &file.new_path);
        let line = lines::map(step, line)?;
        let file = self.new.files.iter().find(|file| file.old_path == *path)?;
        let back = lines::map(Some(file), line).is_some();
        (!back).then(|| self.moved(position, (path, Some(line)), (&file.new_path, None)))
    }

    fn follow_context(&self, position: &Position, old: u64, new: u64) -> Option<Position> {
        let below = self.base_to_base.iter().find(|file| file.old_path == position.old_path);
        let above = self.head_to_head.iter().find(|file| file.old_path == position.new_path);
        let old_path = below.map_or(&position.old_path, |file| &file.new_path);
        let (old, new) = (lines::map(below, old), lines::map(above, new)?);
        let file = self.new.files.iter().find(|file| file.old_path == *old_path)?;
        let shown = old.is_none() || file.line_code(old, Some(new), || None).is_some();
        shown.then(|| self.moved(position, (old_path, old), (&file.new_path, Some(new))))
    }

    fn moved(&self, position: &Position, old: (&str, Option<u64>), new: (&str, Option<u64>)) -> Position {
        let Version { base, start, head, .. } = self.new;
        Position {
            base: base.clone(),
            start: start.clone(),
            head: head.clone(),
            kind: position.kind,
            old_path: old.0.to_owned(),
            new_path: new.0.to_owned(),
            old_line: old.1,
            new_line: new.1,
            line_range: position.line_range.clone(),
        }
    }
}

fn text_of(bare: &Bare, commit: &str, path: &str) -> String {
    bare.blob(commit, path).map_or_else(String::new, |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn cut(text: &str, from: u64, to: u64) -> String {
    let (from, to) = (usize::try_from(from).expect("a line"), usize::try_from(to).expect("a line"));
    text.split_inclusive('\n').skip(from - 1).take((to + 1).saturating_sub(from)).collect()
}
