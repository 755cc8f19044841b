//! What a person would see on a merge request, as values and as one readable text.

use std::fmt::Write as _;

use super::people::Mr;
use super::world::{Discussion, Note, Position, PositionKind, World};

/// A thread as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ThreadView {
    /// GitLab's ID.
    pub(crate) id: String,
    /// Where it stands, e.g. `src/a.rs +12`, `src/a.rs -3`, `src/a.rs 3/4`, `src/a.rs`, `overview`; with `(outdated)` when it is.
    pub(crate) place: String,
    /// All of it is resolved.
    pub(crate) resolved: bool,
    /// Oldest first.
    pub(crate) notes: Vec<NoteView>,
}

/// A note as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoteView {
    /// GitLab's number.
    pub(crate) id: u64,
    /// Who wrote it.
    pub(crate) author: String,
    /// As stored, HTML comments included.
    pub(crate) body: String,
    /// GitLab's own.
    pub(crate) system: bool,
}

impl Mr {
    /// Returns the threads, oldest first; single notes are none.
    pub(crate) fn threads(&self) -> Vec<ThreadView> {
        let world = self.shared.world();
        let state = world.request(self.id);
        state.discussions.iter().filter(|thread| !thread.individual).map(|thread| view(&world, &state.newest().head, thread)).collect()
    }

    /// Returns the one thread whose text contains this.
    pub(crate) fn thread(&self, text: &str) -> ThreadView {
        let mut found = self.threads();
        found.retain(|thread| thread.notes.iter().any(|note| note.body.contains(text)));
        assert_eq!(found.len(), 1, "threads with `{text}` in:\n{}", self.posted());
        found.remove(0)
    }

    /// Returns the single notes that people and bots wrote, oldest first.
    pub(crate) fn notes(&self) -> Vec<NoteView> {
        let world = self.shared.world();
        let single = world.request(self.id).discussions.iter().filter(|thread| thread.individual);
        single.map(|thread| note_view(&world, &thread.notes[0])).filter(|note| !note.system).collect()
    }

    /// Returns the first single note that a bot wrote: the summary.
    pub(crate) fn summary(&self) -> Option<NoteView> {
        let bots: Vec<String> = self.shared.world().users.iter().filter(|user| user.bot).map(|user| user.username.clone()).collect();
        self.notes().into_iter().find(|note| bots.contains(&note.author))
    }

    /// Renders everything that a person would see, GitLab's own notes left out and what HTML comments hide replaced by `…`.
    pub(crate) fn posted(&self) -> String {
        let world = self.shared.world();
        let state = world.request(self.id);
        let mut text = String::new();
        for thread in &state.discussions {
            let thread_view = view(&world, &state.newest().head, thread);
            let title = match (thread.individual, thread_view.resolved) {
                (true, _) => "Note".to_owned(),
                (false, true) => format!("Thread on {} · resolved by {}", thread_view.place, resolvers(&world, thread)),
                (false, false) => format!("Thread on {} · open", thread_view.place),
            };
            let notes: Vec<&NoteView> = thread_view.notes.iter().filter(|note| !note.system).collect();
            if notes.is_empty() {
                continue;
            }
            writeln!(text, "=== {title}").expect("text takes all");
            for note in notes {
                writeln!(text, "@{}:\n{}\n", note.author, without_comments(&note.body)).expect("text takes all");
            }
        }
        text
    }
}

fn view(world: &World, head: &str, thread: &Discussion) -> ThreadView {
    let first = &thread.notes[0];
    let place = first.position.as_ref().map_or_else(|| "overview".to_owned(), |position| place(position, head));
    let notes = thread.notes.iter().map(|note| note_view(world, note)).collect();
    ThreadView { id: thread.id.clone(), place, resolved: thread.resolved(), notes }
}

fn note_view(world: &World, note: &Note) -> NoteView {
    NoteView { id: note.id, author: world.user(note.author).username.clone(), body: note.body.clone(), system: note.system }
}

fn place(position: &Position, head: &str) -> String {
    let path = if position.new_line.is_none() && position.old_line.is_some() { &position.old_path } else { &position.new_path };
    let start = |side: &str| position.line_range["start"][side].as_u64();
    let range = |side: &str, end: u64| match start(side) {
        Some(first) if first != end => format!("{first}..{end}"),
        _ => end.to_string(),
    };
    let line = match (position.kind, position.old_line, position.new_line) {
        (PositionKind::File | PositionKind::Image, ..) | (PositionKind::Text, None, None) => String::new(),
        (PositionKind::Text, None, Some(new)) => format!(" +{}", range("new_line", new)),
        (PositionKind::Text, Some(old), None) => format!(" -{}", range("old_line", old)),
        (PositionKind::Text, Some(old), Some(new)) => format!(" {old}/{}", range("new_line", new)),
    };
    let outdated = if position.head == head { "" } else { " (outdated)" };
    format!("{path}{line}{outdated}")
}

fn resolvers(world: &World, thread: &Discussion) -> String {
    let mut names: Vec<&str> =
        thread.notes.iter().filter_map(|note| Some(world.user(note.resolved.as_ref()?.0).username.as_str())).collect();
    names.dedup();
    names.join(", ")
}

/// Replaces what HTML comments hold: it is not for people.
fn without_comments(body: &str) -> String {
    let mut text = String::new();
    let mut rest = body;
    while let Some((before, after)) = rest.split_once("<!--") {
        text.push_str(before);
        text.push_str("<!-- … -->");
        rest = after.split_once("-->").map_or("", |(_, after)| after);
    }
    text + rest
}
