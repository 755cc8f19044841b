//! The calls on merge requests: from a path to a rule, from what came of it to an answer. The repository's calls are in `repository.rs`.

use serde_json::{Value, json};

use super::drafts::Extras;
use super::entities;
use super::notes::{NewNote, Shape, Written};
use super::params::Params;
use super::world::{Draft, Id, Life, Refusal, Tried, World};

/// An answer that is a success.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Content,
}

/// What an answer carries.
pub(super) enum Content {
    Json(Value),
    /// One page of a list: all items, of which the page is cut; none are those that the reader may not see.
    Items(Vec<Option<Value>>),
    Text(Vec<u8>),
    Nothing,
}

impl Reply {
    pub(super) fn ok(value: Value) -> Self {
        Self { status: 200, body: Content::Json(value) }
    }

    pub(super) fn created(value: Value) -> Self {
        Self { status: 201, body: Content::Json(value) }
    }

    pub(super) fn items(items: impl Iterator<Item = Value>) -> Self {
        Self { status: 200, body: Content::Items(items.map(Some).collect()) }
    }

    pub(super) fn text(bytes: Vec<u8>) -> Self {
        Self { status: 200, body: Content::Text(bytes) }
    }

    fn nothing() -> Self {
        Self { status: 204, body: Content::Nothing }
    }
}

/// Nothing answers to this path.
pub(super) fn no_route() -> Refusal {
    Refusal { status: 404, body: json!({ "error": "404 Not Found" }) }
}

impl World {
    /// Answers a call; `path` is what stands behind `/api/v4/`, decoded.
    pub(super) fn call(&mut self, user: Id, method: &str, path: &[&str], params: &Params) -> Tried<Reply> {
        match (method, path) {
            ("GET", ["user"]) => Ok(Reply::ok(entities::current_user(self, user))),
            ("GET", ["metadata" | "version"]) => Ok(Reply::ok(json!({
                "version": self.options.version, "revision": "5f2a6b3c0d1", "enterprise": self.options.premium,
                "kas": { "enabled": true, "externalUrl": null, "externalK8sProxyUrl": null, "version": null },
            }))),
            ("GET", ["job"]) => Ok(Reply::ok(json!({
                "id": 7001, "status": "running", "stage": "test", "name": "assize", "ref": "main", "tag": false, "allow_failure": true,
                "user": { "id": user, "username": self.user(user).username, "name": self.user(user).username, "state": "active" },
            }))),
            ("PUT", ["suggestions", id, "apply"]) => self.suggestion(user, id),
            ("GET", ["projects", project]) => Ok(Reply::ok(entities::project(self, self.visible_project(user, project)?))),
            ("GET", ["projects", project, "members", "all", member]) => self.member(user, project, member),
            ("GET", ["projects", project, "merge_requests"]) => self.list_requests(user, project, params),
            (_, ["projects", project, "merge_requests", iid, rest @ ..]) => {
                let request = self.visible_request(user, project, iid)?;
                self.on_request(user, request, method, rest, params)
            }
            (_, ["projects", project, rest @ ..]) => {
                let project = self.visible_project(user, project)?.id;
                self.on_repository(user, project, method, rest, params)
            }
            _ => Err(no_route()),
        }
    }

    fn on_request(&mut self, user: Id, request: Id, method: &str, path: &[&str], params: &Params) -> Tried<Reply> {
        match (method, path) {
            ("GET", []) => {
                let reply = entities::request(self, request);
                let state = self.request_mut(request);
                state.unprepared_for = state.unprepared_for.saturating_sub(1);
                Ok(Reply::ok(reply))
            }
            ("PUT", []) => self.update_request(user, request, params),
            (_, ["notes", rest @ ..]) => self.on_notes(user, request, method, rest, params),
            (_, ["discussions", rest @ ..]) => self.on_discussions(user, request, method, rest, params),
            (_, ["draft_notes", rest @ ..]) => self.on_drafts(user, request, method, rest, params),
            (_, ["award_emoji", rest @ ..]) => self.on_emoji(user, request, None, method, rest, params),
            ("GET", ["approvals"]) => Ok(Reply::ok(entities::approvals(self, request, user))),
            ("GET", ["approval_state"]) => Ok(Reply::ok(json!({ "approval_rules_overwritten": false, "rules": [] }))),
            ("POST", ["approve"]) => {
                self.approve(user, request, params.text("sha")?.as_deref())?;
                if params.flag("publish_review")? == Some(true) {
                    self.publish_all(user, request, Extras::default())?;
                }
                Ok(Reply::created(entities::approvals(self, request, user)))
            }
            ("POST", ["unapprove"]) => {
                self.unapprove(user, request)?;
                Ok(Reply::created(entities::approvals(self, request, user)))
            }
            ("GET", _) => self.read_request(request, path),
            _ => Err(no_route()),
        }
    }

    /// What can only be read.
    fn read_request(&self, request: Id, path: &[&str]) -> Tried<Reply> {
        let state = self.request(request);
        let version = state.newest();
        let prepared = state.unprepared_for == 0;
        let files = version.files.iter().take(self.options.file_limit).filter(|_| prepared);
        match path {
            ["diffs"] => Ok(Reply::items(files.map(|file| entities::diff(self, file)))),
            ["changes"] => {
                let mut value = entities::request(self, request);
                value["changes"] = files.map(|file| entities::diff(self, file)).collect();
                value["overflow"] = json!(false);
                Ok(Reply::ok(value))
            }
            ["raw_diffs"] => Ok(Reply::text(self.bare_of(request).patch(&version.base, &version.head))),
            ["versions"] => Ok(Reply::items(state.versions.iter().rev().map(|version| entities::version(request, version)))),
            ["versions", id] => {
                let found = state.versions.iter().find(|version| version.id.to_string() == *id);
                let version = found.ok_or_else(|| Refusal::new(404, "404 Not Found"))?;
                let mut value = entities::version(request, version);
                let commits = self.bare_of(request).log(&version.base, &version.head);
                value["commits"] = commits.iter().map(|commit| entities::commit(self, commit)).collect();
                value["diffs"] = version.files.iter().map(|file| entities::diff(self, file)).collect();
                Ok(Reply::ok(value))
            }
            ["commits"] => {
                let commits = self.bare_of(request).log(&version.base, &version.head);
                Ok(Reply::items(commits.iter().map(|commit| entities::commit(self, commit))))
            }
            ["reviewers"] => Ok(Reply::items(
                state
                    .reviewers
                    .iter()
                    .map(|(id, reviewer)| json!({ "user": entities::user(self, *id), "state": reviewer, "created_at": state.created })),
            )),
            ["participants"] => {
                let mut people = vec![state.author];
                for note in state.discussions.iter().flat_map(|thread| &thread.notes) {
                    if !people.contains(&note.author) {
                        people.push(note.author);
                    }
                }
                Ok(Reply::items(people.into_iter().map(|id| entities::user(self, id))))
            }
            ["resource_label_events"] => {
                Ok(Reply::items(state.label_events.iter().map(|event| entities::label_event(self, request, event))))
            }
            _ => Err(no_route()),
        }
    }

    fn list_requests(&self, user: Id, project: &str, params: &Params) -> Tried<Reply> {
        let project = self.visible_project(user, project)?.id;
        let (branch, state) = (params.text("source_branch")?, params.text("state")?);
        let wanted = |request: &&super::world::RequestState| {
            let state = state.as_deref().is_none_or(|state| state == "all" || state == request.life.word());
            request.project == project && state && branch.as_deref().is_none_or(|branch| branch == request.source_branch)
        };
        Ok(Reply::items(self.requests.iter().rev().filter(wanted).map(|request| entities::basic_request(self, request.id))))
    }

    fn member(&self, user: Id, project: &str, member: &str) -> Tried<Reply> {
        let project = self.visible_project(user, project)?;
        let found = project.members.iter().find(|(id, _)| id.to_string() == member);
        let (id, role) = found.ok_or_else(|| Refusal::new(404, "404 Not found"))?;
        let mut value = entities::user(self, *id);
        value["avatar_url"] = json!("");
        value["access_level"] = json!(*role as u64);
        value["created_at"] = json!("2026-10-01T08:00:00.000Z");
        value["membership_state"] = json!("active");
        Ok(Reply::ok(value))
    }

    fn update_request(&mut self, user: Id, request: Id, params: &Params) -> Tried<Reply> {
        self.may_update(user, request)?;
        let event = params.choice("state_event", &["close", "reopen"])?;
        let mut add = params.list("add_labels")?;
        let mut remove = params.list("remove_labels")?;
        if params.has("labels") {
            add = params.list("labels")?;
            remove = self.request(request).labels.iter().filter(|label| !add.contains(label)).cloned().collect();
        }
        self.label(user, request, &add, &remove)?;
        if params.has("reviewer_ids") {
            let ids: Vec<Id> = params.list("reviewer_ids")?.iter().filter_map(|id| id.parse().ok()).collect();
            self.set_reviewers(user, request, &ids)?;
        }
        let (title, description) = (params.text("title")?, params.text("description")?);
        let state = self.request_mut(request);
        state.title = title.unwrap_or_else(|| state.title.clone());
        state.description = description.unwrap_or_else(|| state.description.clone());
        match event.as_deref() {
            Some("close") => self.live(user, request, Life::Closed)?,
            Some(_) => self.live(user, request, Life::Opened)?,
            None => {}
        }
        Ok(Reply::ok(entities::request(self, request)))
    }

    fn suggestion(&mut self, user: Id, id: &str) -> Tried<Reply> {
        let id: Id = id.parse().map_err(|_| Refusal::error("id is invalid"))?;
        self.apply_suggestion(user, id)?;
        let mut notes = self
            .requests
            .iter()
            .flat_map(|request| request.discussions.iter().flat_map(|thread| &thread.notes).map(|note| (request.id, note)));
        let found = notes.find_map(|(request, note)| Some((request, note, note.suggestions.iter().find(|one| one.id == id)?)));
        let (request, note, suggestion) = found.expect("it was applied a moment ago");
        Ok(Reply::ok(entities::suggestion(self, request, note, suggestion)))
    }

    fn written(&self, user: Id, request: Id, written: &Written, whole: bool) -> Reply {
        match written {
            Written::OnlyCommands(lines) => {
                let summary: Vec<String> = lines.iter().map(|line| format!("Executed {line}.")).collect();
                Reply { status: 202, body: Content::Json(json!({ "commands_changes": {}, "summary": summary })) }
            }
            Written::Stored { discussion, note } => {
                let thread = self.request(request).discussion(discussion).expect("it was just written");
                let note = thread.notes.iter().find(|other| other.id == *note).expect("it was just written");
                Reply::created(if whole {
                    entities::discussion(self, request, user, thread)
                } else {
                    entities::note(self, request, thread, note)
                })
            }
        }
    }

    fn on_notes(&mut self, user: Id, request: Id, method: &str, path: &[&str], params: &Params) -> Tried<Reply> {
        match (method, path) {
            ("GET", []) => self.list_notes(user, request, params),
            ("POST", []) => {
                let mut new = NewNote::plain(&params.needed("body")?, Shape::Individual);
                new.internal = params.flag("internal")?.or(params.flag("confidential")?) == Some(true);
                let written = self.write(user, request, new)?;
                Ok(self.written(user, request, &written, false))
            }
            (_, [note, "award_emoji", rest @ ..]) => {
                let note = number(note)?;
                self.request(request).note(note).ok_or_else(|| Refusal::not_found("Note"))?;
                self.on_emoji(user, request, Some(note), method, rest, params)
            }
            (_, [note]) => self.on_note(user, request, method, number(note)?, params),
            _ => Err(no_route()),
        }
    }

    fn list_notes(&self, user: Id, request: Id, params: &Params) -> Tried<Reply> {
        let sort = params.choice("sort", &["asc", "desc"])?;
        let filter = params.choice("activity_filter", &["all_notes", "only_comments", "only_activity"])?;
        let state = self.request(request);
        let mut notes: Vec<_> = state.discussions.iter().flat_map(|thread| thread.notes.iter().map(move |note| (thread, note))).collect();
        match filter.as_deref() {
            Some("only_comments") => notes.retain(|(_, note)| !note.system),
            Some("only_activity") => notes.retain(|(_, note)| note.system),
            _ => {}
        }
        notes.sort_by_key(|(_, note)| note.id);
        if sort.as_deref() != Some("asc") {
            notes.reverse();
        }
        let shown =
            notes.into_iter().map(|(thread, note)| self.sees(user, request, note).then(|| entities::note(self, request, thread, note)));
        Ok(Reply { status: 200, body: Content::Items(shown.collect()) })
    }

    fn on_note(&mut self, user: Id, request: Id, method: &str, id: Id, params: &Params) -> Tried<Reply> {
        match method {
            "GET" => self.show_note(user, request, id),
            "PUT" => match self.edit(user, request, id, &params.needed("body")?)? {
                None => self.show_note(user, request, id),
                Some(commands) => Ok(self.written(user, request, &Written::OnlyCommands(commands), false)),
            },
            "DELETE" => {
                self.delete(user, request, id)?;
                Ok(Reply::nothing())
            }
            _ => Err(no_route()),
        }
    }

    fn show_note(&self, user: Id, request: Id, id: Id) -> Tried<Reply> {
        let found = self.request(request).note(id).filter(|(_, note)| self.sees(user, request, note));
        let (thread, note) = found.ok_or_else(|| Refusal::not_found("Note"))?;
        Ok(Reply::ok(entities::note(self, request, thread, note)))
    }

    fn on_discussions(&mut self, user: Id, request: Id, method: &str, path: &[&str], params: &Params) -> Tried<Reply> {
        let thread = |world: &Self, id: &str| match world.request(request).discussion(id) {
            Some(thread) if thread.notes.iter().any(|note| world.sees(user, request, note)) => {
                Ok(entities::discussion(world, request, user, thread))
            }
            _ => Err(Refusal::not_found("Discussion")),
        };
        match (method, path) {
            ("GET", []) => {
                let shown = self.request(request).discussions.iter().map(|one| thread(self, &one.id).ok());
                Ok(Reply { status: 200, body: Content::Items(shown.collect()) })
            }
            ("POST", []) => {
                let mut new = NewNote::plain(&params.needed("body")?, Shape::Thread);
                new.position = params.position(self.since(16, 4))?;
                new.commit = params.text("commit_id")?;
                let written = self.write(user, request, new)?;
                Ok(self.written(user, request, &written, true))
            }
            ("GET", [id]) => thread(self, id).map(Reply::ok),
            ("PUT", [id]) => {
                params.require(&["resolved"])?;
                let resolved = params.flag("resolved")?.unwrap_or(false);
                self.resolve(user, request, id, resolved)?;
                thread(self, id).map(Reply::ok)
            }
            ("GET", [id, "notes"]) => {
                let notes = thread(self, id)?["notes"].as_array().cloned().unwrap_or_default();
                Ok(Reply::items(notes.into_iter()))
            }
            ("POST", [id, "notes"]) => {
                thread(self, id)?;
                let new = NewNote::plain(&params.needed("body")?, Shape::Reply((*id).to_owned()));
                let written = self.write(user, request, new)?;
                Ok(self.written(user, request, &written, false))
            }
            ("PUT", [_, "notes", note]) if params.has("resolved") => {
                if params.has("body") {
                    return Err(Refusal::error("body, resolved are mutually exclusive"));
                }
                let note = number(note)?;
                self.resolve_note(user, request, note, params.flag("resolved")?.unwrap_or(false))?;
                self.show_note(user, request, note)
            }
            ("PUT", [_, "notes", _]) if !params.has("body") => {
                Err(Refusal::error("body, resolved are missing, exactly one parameter must be provided"))
            }
            (_, [_, "notes", note]) => self.on_note(user, request, method, number(note)?, params),
            _ => Err(no_route()),
        }
    }

    fn on_drafts(&mut self, user: Id, request: Id, method: &str, path: &[&str], params: &Params) -> Tried<Reply> {
        match (method, path) {
            ("GET", []) => {
                let own = self.request(request).drafts.iter().filter(|draft| draft.author == user);
                Ok(Reply::items(own.map(|draft| entities::draft(self, request, draft))))
            }
            ("POST", []) => {
                let draft = Draft {
                    id: 0,
                    author: user,
                    body: params.needed("note")?,
                    position: params.position(self.since(16, 4))?,
                    reply_to: params.text("in_reply_to_discussion_id")?.filter(|id| !id.is_empty()),
                    resolve: params.flag("resolve_discussion")? == Some(true),
                    commit: params.text("commit_id")?,
                };
                let id = self.draft(user, request, draft)?;
                Ok(Reply::created(entities::draft(self, request, self.own_draft(user, request, id)?)))
            }
            ("POST", ["bulk_publish"]) if !self.since(19, 2) => {
                self.publish_all(user, request, Extras::default())?;
                Ok(Reply::nothing())
            }
            ("POST", ["bulk_publish"]) => {
                let extras = Extras {
                    note: params.text("note")?,
                    internal: params.flag("internal")? == Some(true),
                    reviewer_state: params.choice("reviewer_state", &["requested_changes", "reviewed"])?,
                };
                self.publish_all(user, request, extras)?;
                Ok(Reply::nothing())
            }
            ("GET", [id]) => Ok(Reply::ok(entities::draft(self, request, self.own_draft(user, request, number(id)?)?))),
            ("PUT", [id]) => {
                let id = number(id)?;
                let (body, position) = (params.text("note")?, params.position(self.since(16, 4))?);
                let body = body.filter(|body| !body.trim().is_empty());
                let body = body.ok_or_else(|| Refusal::new(400, "400 Bad request - Missing params to modify"))?;
                self.own_draft(user, request, id)?;
                let draft = self.request_mut(request).drafts.iter_mut().find(|draft| draft.id == id).expect("looked up above");
                (draft.body, draft.position) = (body, position);
                Ok(Reply::ok(entities::draft(self, request, self.own_draft(user, request, id)?)))
            }
            ("DELETE", [id]) => {
                let id = number(id)?;
                self.own_draft(user, request, id)?;
                self.request_mut(request).drafts.retain(|draft| draft.id != id);
                Ok(Reply::nothing())
            }
            ("PUT", [id, "publish"]) => {
                self.publish_one(user, request, number(id)?)?;
                Ok(Reply::nothing())
            }
            _ => Err(no_route()),
        }
    }

    fn on_emoji(&mut self, user: Id, request: Id, note: Option<Id>, method: &str, path: &[&str], params: &Params) -> Tried<Reply> {
        let find = |world: &Self, id: &str| {
            let mut all = world.request(request).emoji.iter();
            all.find(|emoji| emoji.note == note && emoji.id.to_string() == id).cloned().ok_or_else(|| Refusal::not_found("Award Emoji"))
        };
        match (method, path) {
            ("GET", []) => {
                let all = self.request(request).emoji.iter().filter(|emoji| emoji.note == note);
                Ok(Reply::items(all.map(|emoji| entities::emoji(self, request, emoji))))
            }
            ("POST", []) => {
                let id = self.react(user, request, note, &params.needed("name")?)?;
                find(self, &id.to_string()).map(|emoji| Reply::created(entities::emoji(self, request, &emoji)))
            }
            ("GET", [id]) => find(self, id).map(|emoji| Reply::ok(entities::emoji(self, request, &emoji))),
            ("DELETE", [id]) => {
                let emoji = find(self, id)?;
                if emoji.user != user {
                    return Err(Refusal::unauthorized());
                }
                self.request_mut(request).emoji.retain(|other| other.id != emoji.id);
                Ok(Reply::nothing())
            }
            _ => Err(no_route()),
        }
    }
}

fn number(text: &str) -> Tried<Id> {
    text.parse().map_err(|_| Refusal::new(404, "404 Not Found"))
}
