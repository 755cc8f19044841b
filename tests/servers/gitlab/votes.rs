//! Approvals, requests for changes, reviewers, labels, and the life of a merge request.

use super::world::{Emoji, Id, LabelEvent, Life, Refusal, Role, Setting, Tried, World};

impl World {
    /// Returns whether a user may approve: a developer who has not yet, and not the author unless the project allows it.
    pub(super) fn can_approve(&self, user: Id, request: Id) -> bool {
        let state = self.request(request);
        let author = state.author == user && !self.project(state.project).is(Setting::AuthorMayApprove);
        self.at_least(user, request, Role::Developer) && !author && !state.approvals.iter().any(|(by, _)| *by == user)
    }

    /// Approves as a user, if `sha` is still the head.
    pub(super) fn approve(&mut self, user: Id, request: Id, sha: Option<&str>) -> Tried<()> {
        let head = &self.request(request).newest().head;
        if !self.at_least(user, request, Role::Developer) || self.project(self.request(request).project).is(Setting::Archived) {
            return Err(Refusal::unauthorized());
        }
        if sha.is_some_and(|sha| sha != head) {
            return Err(Refusal::new(409, format!("SHA does not match HEAD of source branch: {head}")));
        }
        if !self.can_approve(user, request) || self.request(request).life != Life::Opened {
            return Err(Refusal::unauthorized());
        }
        let now = self.tick();
        let state = self.request_mut(request);
        state.approvals.push((user, now));
        state.change_requests.retain(|other| *other != user);
        self.reviewer_state(user, request, "approved");
        self.system_note(user, request, "approved this merge request", None);
        self.mail(user, "approval");
        Ok(())
    }

    /// Takes an approval back.
    pub(super) fn unapprove(&mut self, user: Id, request: Id) -> Tried<()> {
        if !self.request(request).approvals.iter().any(|(by, _)| *by == user) {
            return Err(Refusal::new(404, "404 Not Found"));
        }
        self.request_mut(request).approvals.retain(|(by, _)| *by != user);
        self.reviewer_state(user, request, "unapproved");
        self.system_note(user, request, "unapproved this merge request", None);
        self.mail(user, "approval taken back");
        Ok(())
    }

    /// Sets the state of a reviewer; of anyone else nothing is kept. Says whether it was set.
    pub(super) fn reviewer_state(&mut self, user: Id, request: Id, new: &'static str) -> bool {
        let Some((_, state)) = self.request_mut(request).reviewers.iter_mut().find(|(reviewer, _)| *reviewer == user) else { return false };
        if *state == "approved" && !matches!(new, "requested_changes" | "unapproved") {
            return false;
        }
        *state = new;
        true
    }

    /// Requests changes as a user, and returns what the mutation would list as errors: the block is there even if the caller is no reviewer.
    pub(super) fn request_changes(&mut self, user: Id, request: Id) -> Vec<String> {
        let state = self.request_mut(request);
        if !state.change_requests.contains(&user) {
            state.change_requests.push(user);
            self.system_note(user, request, "requested changes", None);
        }
        if !self.reviewer_state(user, request, "requested_changes") {
            return vec!["Reviewer not found".to_owned()];
        }
        self.request_mut(request).approvals.retain(|(by, _)| *by != user);
        Vec::new()
    }

    /// Takes a request for changes back, and returns what the mutation would list as errors.
    pub(super) fn clear_changes(&mut self, user: Id, request: Id) -> Vec<String> {
        let state = self.request_mut(request);
        if !state.change_requests.contains(&user) {
            return vec!["User has not requested changes for this merge request".to_owned()];
        }
        state.change_requests.retain(|other| *other != user);
        self.reviewer_state(user, request, "unreviewed");
        Vec::new()
    }

    /// Sets and takes off labels as a user. A scoped label replaces its siblings.
    pub(super) fn label(&mut self, user: Id, request: Id, add: &[String], remove: &[String]) -> Tried<()> {
        self.may_update(user, request)?;
        let mut gone: Vec<String> = remove.to_vec();
        for label in add {
            if let Some((scope, _)) = label.rsplit_once("::") {
                let sibling = |other: &&String| *other != label && other.rsplit_once("::").is_some_and(|(other, _)| other == scope);
                gone.extend(self.request(request).labels.iter().filter(sibling).cloned());
            }
        }
        let has = |world: &Self, label: &String| world.request(request).labels.contains(label);
        let gone: Vec<String> = gone.into_iter().filter(|label| has(self, label)).collect();
        let come: Vec<String> = add.iter().filter(|label| !label.is_empty() && !has(self, label)).cloned().collect();
        for (labels, action) in [(gone, "remove"), (come, "add")] {
            for label in labels {
                let (id, created, label_id) = (self.fresh(), self.tick(), self.fresh());
                let project = self.request(request).project;
                self.project_mut(project).labels.entry(label.clone()).or_insert(label_id);
                let state = self.request_mut(request);
                match action {
                    "add" => state.labels.push(label.clone()),
                    _ => state.labels.retain(|other| *other != label),
                }
                state.label_events.push(LabelEvent { id, user, label, action, created });
            }
        }
        self.request_mut(request).labels.sort();
        Ok(())
    }

    /// Closes, reopens or merges as a user. Merging needs a developer.
    pub(super) fn live(&mut self, user: Id, request: Id, life: Life) -> Tried<()> {
        self.may_update(user, request)?;
        if life == Life::Merged && !self.at_least(user, request, Role::Developer) {
            return Err(Refusal::forbidden());
        }
        let (word, state) = (life.word(), self.request_mut(request));
        if state.life == life {
            return Ok(());
        }
        state.life = life;
        self.system_note(user, request, word, None);
        self.mail(user, word);
        Ok(())
    }

    /// Replaces the list of reviewers; who stays keeps their state.
    pub(super) fn set_reviewers(&mut self, user: Id, request: Id, reviewers: &[Id]) -> Tried<()> {
        self.may_update(user, request)?;
        let state = self.request(request);
        let kept = |id: &Id| state.reviewers.iter().find(|(reviewer, _)| reviewer == id).map_or("unreviewed", |(_, state)| *state);
        let members = &self.project(state.project).members;
        let list = reviewers.iter().filter(|id| members.contains_key(id)).map(|id| (*id, kept(id))).collect();
        self.request_mut(request).reviewers = list;
        Ok(())
    }

    /// Reacts to a note, or to the merge request itself. The note counts as updated, although nobody edited it.
    pub(super) fn react(&mut self, user: Id, request: Id, note: Option<Id>, name: &str) -> Tried<Id> {
        self.may_comment(user, request)?;
        if note.is_some_and(|note| self.request(request).note(note).is_none()) {
            return Err(Refusal::not_found("Note"));
        }
        let taken = |emoji: &Emoji| emoji.note == note && emoji.user == user && emoji.name == name;
        if self.request(request).emoji.iter().any(taken) {
            return Err(Refusal::not_found("Award Emoji Name has already been taken"));
        }
        let (id, created) = (self.fresh(), self.tick());
        if let Some(note) = note.and_then(|note| self.request_mut(request).note_mut(note)) {
            note.updated.clone_from(&created);
        }
        self.request_mut(request).emoji.push(Emoji { id, note, user, name: name.to_owned(), created });
        Ok(id)
    }
}

impl Life {
    /// Returns the word that the API has for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Merged => "merged",
        }
    }
}
