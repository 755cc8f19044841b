//! Drafts: seen by their author alone, published in one review, and lost without a word when they turn out invalid.

use serde_json::{Value, json};

use super::notes::{Mailing, NewNote, Shape, Written};
use super::world::{Draft, Id, Refusal, Tried, World};

/// What `bulk_publish` takes beside the drafts since 19.2.
#[derive(Default)]
pub(super) struct Extras {
    pub(super) note: Option<String>,
    pub(super) internal: bool,
    pub(super) reviewer_state: Option<String>,
}

fn invalid(field: &str, why: &str) -> Refusal {
    let mut fields = serde_json::Map::new();
    fields.insert(field.to_owned(), json!([why]));
    Refusal::new(400, Value::Object(fields))
}

impl World {
    /// Keeps a draft. Its position is not checked, as little as GitLab does.
    pub(super) fn draft(&mut self, user: Id, request: Id, mut draft: Draft) -> Tried<Id> {
        self.may_comment(user, request)?;
        if draft.body.trim().is_empty() {
            return Err(invalid("note", "can't be blank"));
        }
        let state = self.request(request);
        if let Some(thread) = &draft.reply_to {
            let discussion = state.discussion(thread).ok_or_else(|| invalid("base", "Thread to reply to cannot be found"))?;
            if discussion.notes[0].system {
                return Err(invalid("base", "Replies to system notes are not allowed"));
            }
            if state.drafts.iter().any(|other| other.author == user && other.reply_to == draft.reply_to) {
                return Err(invalid("author_id", "has already been taken"));
            }
        }
        let resolvable = draft.reply_to.as_ref().and_then(|thread| state.discussion(thread));
        if draft.resolve && !resolvable.is_some_and(|discussion| self.may_resolve(user, request, discussion)) {
            return Err(invalid("base", "User is not allowed to resolve thread"));
        }
        (draft.id, draft.author) = (self.fresh(), user);
        let (id, state) = (draft.id, self.request_mut(request));
        let first = !state.drafts.iter().any(|other| other.author == user);
        state.drafts.push(draft);
        if first {
            self.reviewer_state(user, request, "review_started");
        }
        Ok(id)
    }

    /// Returns a draft if it is the user's own; those of others do not exist for them.
    pub(super) fn own_draft(&self, user: Id, request: Id, id: Id) -> Tried<&Draft> {
        let mut drafts = self.request(request).drafts.iter();
        drafts.find(|draft| draft.id == id && draft.author == user).ok_or_else(|| Refusal::not_found("Draft Note"))
    }

    /// Publishes one draft, with a mail of its own.
    pub(super) fn publish_one(&mut self, user: Id, request: Id, id: Id) -> Tried<()> {
        self.own_draft(user, request, id)?;
        let state = self.request_mut(request);
        let at = state.drafts.iter().position(|draft| draft.id == id).expect("looked up above");
        let draft = state.drafts.remove(at);
        self.publish_draft(user, request, draft, Mailing::Own);
        self.tell_when_all_resolved(user, request);
        Ok(())
    }

    /// Publishes all drafts of a user as one review, with one mail; then the extras.
    pub(super) fn publish_all(&mut self, user: Id, request: Id, extras: Extras) -> Tried<()> {
        if self.may_comment(user, request).is_err() {
            return Err(Refusal::new(500, "500 Internal Server Error"));
        }
        let state = self.request_mut(request);
        let (own, others): (Vec<Draft>, _) = std::mem::take(&mut state.drafts).into_iter().partition(|draft| draft.author == user);
        state.drafts = others;
        if !own.is_empty() {
            let published = own.into_iter().filter(|draft| self.publish_draft(user, request, draft.clone(), Mailing::Review)).count();
            self.reviewer_state(user, request, "reviewed");
            self.mail(user, format!("review of {published} comments"));
            self.tell_when_all_resolved(user, request);
        }
        if let Some(body) = extras.note.filter(|body| !body.trim().is_empty()) {
            let note = NewNote { internal: extras.internal, ..NewNote::plain(&body, Shape::Individual) };
            // By now the drafts are published, whatever becomes of the note.
            let failed = |why: String| Refusal::new(422, why);
            match self.write(user, request, note).map_err(|refusal| failed(refusal.body.to_string()))? {
                Written::Stored { .. } => {}
                Written::OnlyCommands(_) => return Err(failed("Commands only were executed".to_owned())),
            }
        }
        match extras.reviewer_state.as_deref() {
            Some("reviewed") => {
                self.request_mut(request).change_requests.retain(|other| *other != user);
                self.reviewer_state(user, request, "reviewed");
            }
            Some(_) => {
                self.request_changes(user, request);
            }
            None => {}
        }
        Ok(())
    }

    /// Makes a draft a note and says whether one came of it.
    fn publish_draft(&mut self, user: Id, request: Id, draft: Draft, mail: Mailing) -> bool {
        // Half a position makes a thread without one.
        let position = draft.position.filter(super::world::Position::complete);
        let shape = draft.reply_to.clone().map_or(Shape::Thread, Shape::Reply);
        let new = NewNote { body: draft.body, internal: false, position, commit: draft.commit, shape, mail };
        let Ok(Written::Stored { discussion, .. }) = self.write(user, request, new) else { return false };
        if draft.reply_to.is_some() {
            self.mark(user, request, &discussion, draft.resolve);
        }
        true
    }
}
