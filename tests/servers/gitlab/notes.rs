//! Writing, editing and resolving: the rules for notes and threads.

use super::quick;
use super::world::{Discussion, Executed, Id, Life, Note, Position, PositionKind, Refusal, Tried, World};

/// Characters that a note may have.
const LONGEST: usize = 1_000_000;

/// A note to write.
pub(super) struct NewNote {
    pub(super) body: String,
    pub(super) internal: bool,
    pub(super) position: Option<Position>,
    pub(super) commit: Option<String>,
    pub(super) shape: Shape,
    pub(super) mail: Mailing,
}

/// What a note becomes.
pub(super) enum Shape {
    /// A note of its own that cannot be resolved.
    Individual,
    /// The first of a thread.
    Thread,
    /// Another one in a thread.
    Reply(String),
}

/// Who tells people about it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mailing {
    /// A mail of its own.
    Own,
    /// The review that it belongs to.
    Review,
}

/// What became of a note.
pub(super) enum Written {
    /// It is stored.
    Stored { discussion: String, note: Id },
    /// Every line was a quick action: they ran, and no note is there.
    OnlyCommands(Vec<String>),
}

impl NewNote {
    /// Returns a plain note.
    pub(super) fn plain(body: &str, shape: Shape) -> Self {
        Self { body: body.to_owned(), internal: false, position: None, commit: None, shape, mail: Mailing::Own }
    }
}

impl World {
    /// Writes a note as a user.
    pub(super) fn write(&mut self, user: Id, request: Id, new: NewNote) -> Tried<Written> {
        self.may_comment(user, request)?;
        check_body(&new.body)?;
        let state = self.request(request);
        let count = state.discussions.iter().flat_map(|discussion| &discussion.notes).filter(|note| !note.system).count();
        if count >= self.options.notes_limit {
            return Err(Refusal::note("{:base=>[\"Maximum number of comments exceeded\"]}"));
        }
        let mut position = new.position;
        if let Some(position) = &position {
            self.check_position(request, position)?;
        }
        let mut resolved = None;
        if let Shape::Reply(thread) = &new.shape {
            let discussion = self.request(request).discussion(thread).ok_or_else(|| Refusal::not_found("Discussion"))?;
            if discussion.notes[0].system {
                return Err(Refusal::new(400, "400 Bad request - Discussion can not be replied to."));
            }
            position.clone_from(&discussion.notes[0].position);
            // A reply to a resolved thread leaves it resolved.
            resolved = discussion.resolved().then_some(user);
        }
        let (body, actions) = quick::split(&new.body);
        self.execute(user, request, &actions);
        if body.is_empty() {
            return Ok(Written::OnlyCommands(actions));
        }
        let (id, now) = (self.fresh(), self.tick());
        let suggestions = self.suggestions_of(request, position.as_ref(), &body);
        let note = Note {
            id,
            author: user,
            body,
            system: false,
            internal: new.internal,
            hidden: false,
            created: now.clone(),
            updated: now.clone(),
            position,
            commit: new.commit,
            resolved: resolved.map(|user| (user, now)),
            suggestions,
        };
        let discussion = match new.shape {
            Shape::Reply(thread) => {
                let discussion = self.request_mut(request).discussion_mut(&thread).expect("looked up above");
                if discussion.individual {
                    // Turning a single note into a thread saves it anew.
                    discussion.individual = false;
                    discussion.notes[0].updated.clone_from(&note.created);
                }
                discussion.notes.push(note);
                thread
            }
            Shape::Individual | Shape::Thread => {
                let thread = self.fresh_discussion();
                let individual = matches!(new.shape, Shape::Individual);
                self.request_mut(request).discussions.push(Discussion { id: thread.clone(), individual, notes: vec![note] });
                thread
            }
        };
        if new.mail == Mailing::Own {
            self.mail(user, "note");
        }
        Ok(Written::Stored { discussion, note: id })
    }

    /// Runs quick actions with the rights of who wrote them, and remembers each.
    fn execute(&mut self, user: Id, request: Id, actions: &[String]) {
        let by = self.user(user).username.clone();
        for action in actions {
            self.executed.push(Executed { by: by.clone(), line: action.clone() });
            let (command, argument) = action.split_once(' ').unwrap_or((action, ""));
            // What a refused command says goes into the summary that nobody reads.
            let _refused = match command {
                "/close" => self.live(user, request, Life::Closed),
                "/reopen" => self.live(user, request, Life::Opened),
                "/merge" => self.live(user, request, Life::Merged),
                "/approve" => self.approve(user, request, None),
                "/label" => self.label(user, request, &[argument.trim_start_matches('~').trim_matches('"').to_owned()], &[]),
                _ => Ok(()),
            };
        }
    }

    /// Replaces the text of a note. No mail goes out. Returns the commands when nothing else was left, and then the note is gone.
    pub(super) fn edit(&mut self, user: Id, request: Id, note: Id, body: &str) -> Tried<Option<Vec<String>>> {
        let (_, old) = self.request(request).note(note).ok_or_else(|| Refusal::not_found("Note"))?;
        self.may_edit(user, request, old)?;
        check_body(body)?;
        let position = old.position.clone();
        let (body, actions) = quick::split(body);
        self.execute(user, request, &actions);
        if body.is_empty() {
            self.remove(request, note);
            return Ok(Some(actions));
        }
        let now = self.tick();
        let suggestions = self.suggestions_of(request, position.as_ref(), &body);
        let note = self.request_mut(request).note_mut(note).expect("looked up above");
        if note.body != body {
            (note.body, note.updated, note.suggestions) = (body, now, suggestions);
        }
        Ok(None)
    }

    /// Deletes a note as a user.
    pub(super) fn delete(&mut self, user: Id, request: Id, note: Id) -> Tried<()> {
        let (_, old) = self.request(request).note(note).ok_or_else(|| Refusal::not_found("Note"))?;
        self.may_edit(user, request, old)?;
        self.remove(request, note);
        Ok(())
    }

    fn remove(&mut self, request: Id, note: Id) {
        let state = self.request_mut(request);
        for discussion in &mut state.discussions {
            discussion.notes.retain(|kept| kept.id != note);
        }
        state
            .discussions
            .retain(|discussion| discussion.notes.iter().any(|note| !note.system) || discussion.individual && !discussion.notes.is_empty());
        state.emoji.retain(|emoji| emoji.note != Some(note));
    }

    /// Resolves or opens a whole thread as a user.
    pub(super) fn resolve(&mut self, user: Id, request: Id, thread: &str, resolved: bool) -> Tried<()> {
        let discussion = self.request(request).discussion(thread).ok_or_else(|| Refusal::not_found("Discussion"))?;
        if !self.may_resolve(user, request, discussion) {
            return Err(Refusal::forbidden());
        }
        let was = discussion.resolved();
        self.mark(user, request, thread, resolved);
        if resolved && !was {
            self.tell_when_all_resolved(user, request);
        }
        Ok(())
    }

    /// Resolves or opens a thread, whoever may.
    pub(super) fn mark(&mut self, user: Id, request: Id, thread: &str, resolved: bool) {
        let now = self.tick();
        let discussion = self.request_mut(request).discussion_mut(thread).expect("the caller looked it up");
        for note in discussion.notes.iter_mut().filter(|note| !note.system) {
            match (&note.resolved, resolved) {
                (None, true) => note.resolved = Some((user, now.clone())),
                (Some(_), false) => note.resolved = None,
                (Some(_), true) | (None, false) => {}
            }
        }
    }

    /// Resolves or opens one note of a thread as a user; the note counts as updated.
    pub(super) fn resolve_note(&mut self, user: Id, request: Id, note: Id, resolved: bool) -> Tried<()> {
        let (discussion, _) = self.request(request).note(note).ok_or_else(|| Refusal::not_found("Note"))?;
        if !discussion.resolvable() {
            return Err(Refusal::new(400, "400 Bad request - Note is not resolvable"));
        }
        if !self.may_resolve(user, request, discussion) {
            return Err(Refusal::forbidden());
        }
        let now = self.tick();
        let note = self.request_mut(request).note_mut(note).expect("looked up above");
        // Unlike a whole thread, a single note is saved anew by this.
        (note.resolved, note.updated) = (resolved.then(|| (user, now.clone())), now);
        Ok(())
    }

    /// Tells everybody once no thread is open any more, as GitLab does.
    pub(super) fn tell_when_all_resolved(&mut self, user: Id, request: Id) {
        let mut threads = self.request(request).discussions.iter().filter(|discussion| discussion.resolvable()).peekable();
        if threads.peek().is_some() && threads.all(Discussion::resolved) {
            self.system_note(user, request, "resolved all threads", None);
            self.mail(user, "all threads resolved");
        }
    }

    /// Writes a note of GitLab's own, into a thread if one is given.
    pub(super) fn system_note(&mut self, user: Id, request: Id, body: &str, thread: Option<&str>) -> Id {
        let (id, now) = (self.fresh(), self.tick());
        let position = thread.and_then(|thread| self.request(request).discussion(thread)?.notes[0].position.clone());
        let note = Note {
            id,
            author: user,
            body: body.to_owned(),
            system: true,
            internal: false,
            hidden: false,
            created: now.clone(),
            updated: now,
            position,
            commit: None,
            resolved: None,
            suggestions: Vec::new(),
        };
        let fresh = self.fresh_discussion();
        let state = self.request_mut(request);
        match thread.and_then(|thread| state.discussion_mut(thread)) {
            Some(discussion) => discussion.notes.push(note),
            None => state.discussions.push(Discussion { id: fresh, individual: true, notes: vec![note] }),
        }
        id
    }

    /// Refuses a position that GitLab would not find in its diff, in GitLab's words.
    pub(super) fn check_position(&self, request: Id, position: &Position) -> Tried<()> {
        let wrong_line = ":line_code=>[\"can't be blank\", \"must be a valid line code\"]";
        match (position.kind, position.complete()) {
            (PositionKind::Text, false) => Err(Refusal::note(&format!("{{{wrong_line}, :position=>[\"is incomplete\"]}}"))),
            (PositionKind::File | PositionKind::Image, false) => Err(Refusal::note("{:position=>[\"is incomplete\"]}")),
            (PositionKind::File | PositionKind::Image, true) => Ok(()),
            (PositionKind::Text, true) => match self.line_code(request, position) {
                Some(_) => Ok(()),
                None => Err(Refusal::note(&format!("{{{wrong_line}}}"))),
            },
        }
    }

    /// Returns the code of the line that a position means.
    pub(super) fn line_code(&self, request: Id, position: &Position) -> Option<String> {
        if position.kind != PositionKind::Text || !position.complete() {
            return None;
        }
        let (bare, state) = (self.bare_of(request), self.request(request));
        let known = state.versions.iter().find(|version| version.base == position.base && version.head == position.head);
        let files = if let Some(version) = known {
            version.files.clone()
        } else {
            let exist = [&position.base, &position.head].iter().all(|commit| bare.resolve(commit).is_some());
            exist.then(|| bare.diff(&position.base, &position.head))?
        };
        bare.resolve(&position.start)?;
        let file = files.iter().find(|file| file.old_path == position.old_path && file.new_path == position.new_path)?;
        if file.text.len() > self.options.patch_limit {
            return None;
        }
        file.line_code(position.old_line, position.new_line, || bare.blob(&position.base, &file.old_path))
    }
}

impl Position {
    /// Returns whether it says enough: a line for text, and both paths.
    pub(super) fn complete(&self) -> bool {
        let paths = !self.old_path.is_empty() && !self.new_path.is_empty();
        paths && (self.kind != PositionKind::Text || self.old_line.is_some() || self.new_line.is_some())
    }
}

fn check_body(body: &str) -> Tried<()> {
    if body.trim().is_empty() {
        return Err(Refusal::note("{:note=>[\"can't be blank\"]}"));
    }
    if body.chars().count() > LONGEST {
        return Err(Refusal::note("{:note=>[\"is too long (maximum is 1000000 characters)\"]}"));
    }
    Ok(())
}
