//! The JSON of answers, field by field as GitLab's entities have it. Decides nothing.

use serde_json::{Value, json};

use super::git::Commit;
use super::lines::{FileDiff, Status};
use super::world::{
    Discussion, Draft, Emoji, Id, LabelEvent, Life, Note, Position, PositionKind, ProjectState, Setting, Suggestion, Version, World,
};

pub(super) fn user(world: &World, id: Id) -> Value {
    let user = world.user(id);
    json!({
        "id": user.id, "username": user.username, "public_email": "", "name": user.username, "state": "active", "locked": false,
        "avatar_url": null, "web_url": format!("{}/{}", world.url, user.username),
    })
}

pub(super) fn current_user(world: &World, id: Id) -> Value {
    let mut value = user(world, id);
    value["bot"] = json!(world.user(id).bot);
    value["created_at"] = json!("2026-10-01T08:00:00.000Z");
    value
}

pub(super) fn project(world: &World, project: &ProjectState) -> Value {
    let (namespace, name) = project.path.rsplit_once('/').unwrap_or(("", &project.path));
    let url = format!("{}/{}", world.url, project.path);
    let mut value = json!({
        "id": project.id, "name": name, "path": name, "path_with_namespace": project.path,
        "name_with_namespace": project.path.replace('/', " / "), "created_at": "2026-10-01T08:00:00.000Z", "default_branch": "main",
        "web_url": url, "http_url_to_repo": format!("{url}.git"), "visibility": if project.is(Setting::Public) { "public" } else { "private" },
        "namespace": { "id": 1, "name": namespace, "path": namespace, "kind": "group", "full_path": namespace },
        "archived": project.is(Setting::Archived), "empty_repo": false, "resolve_outdated_diff_discussions": project.is(Setting::ResolveOutdated),
        "merge_requests_enabled": true, "jobs_enabled": true,
    });
    if let Some(parent) = project.forked_from {
        let parent = world.project(parent);
        value["forked_from_project"] = json!({ "id": parent.id, "path_with_namespace": parent.path });
    }
    value
}

pub(super) fn position(position: &Position) -> Value {
    let kind = match position.kind {
        PositionKind::Text => "text",
        PositionKind::Image => "image",
        PositionKind::File => "file",
    };
    let mut value = json!({
        "base_sha": position.base, "start_sha": position.start, "head_sha": position.head, "position_type": kind,
        "old_path": position.old_path, "new_path": position.new_path, "ignore_whitespace_change": false,
    });
    if position.kind == PositionKind::Text {
        value["old_line"] = json!(position.old_line);
        value["new_line"] = json!(position.new_line);
        value["line_range"] = position.line_range.clone();
    }
    value
}

pub(super) fn suggestion(world: &World, request: Id, note: &Note, suggestion: &Suggestion) -> Value {
    json!({
        "id": suggestion.id, "from_line": suggestion.from, "to_line": suggestion.to, "applied": suggestion.applied,
        "appliable": world.appliable(request, note.position.as_ref(), suggestion), "from_content": suggestion.old, "to_content": suggestion.new,
    })
}

pub(super) fn note(world: &World, request: Id, thread: &Discussion, note: &Note) -> Value {
    let state = world.request(request);
    let kind = match (&note.position, thread.individual) {
        (Some(_), false) => json!("DiffNote"),
        (None, false) => json!("DiscussionNote"),
        (_, true) => Value::Null,
    };
    let resolvable = !thread.individual && !note.system;
    let mut value = json!({
        "id": note.id, "type": kind, "body": note.body, "author": user(world, note.author), "created_at": note.created,
        "updated_at": note.updated, "system": note.system, "noteable_id": request, "noteable_type": "MergeRequest",
        "project_id": state.project, "resolvable": resolvable, "confidential": note.internal, "internal": note.internal,
        "imported": false, "imported_from": "none", "noteable_iid": state.iid, "commands_changes": {},
    });
    if let Some(place) = note.position.as_ref().filter(|_| !thread.individual) {
        value["commit_id"] = json!(note.commit);
        value["position"] = position(place);
        value["suggestions"] = note.suggestions.iter().map(|one| suggestion(world, request, note, one)).collect();
    }
    if resolvable {
        value["resolved"] = json!(note.resolved.is_some());
        value["resolved_by"] = note.resolved.as_ref().map_or(Value::Null, |(by, _)| user(world, *by));
        value["resolved_at"] = json!(note.resolved.as_ref().map(|(_, at)| at));
    }
    value
}

pub(super) fn discussion(world: &World, request: Id, reader: Id, thread: &Discussion) -> Value {
    let seen = thread.notes.iter().filter(|note| world.sees(reader, request, note));
    let notes: Vec<Value> = seen.map(|one| note(world, request, thread, one)).collect();
    json!({ "id": thread.id, "individual_note": thread.individual, "notes": notes })
}

pub(super) fn draft(world: &World, request: Id, draft: &Draft) -> Value {
    let code = draft.position.as_ref().and_then(|place| world.line_code(request, place));
    json!({
        "id": draft.id, "author_id": draft.author, "merge_request_id": request, "resolve_discussion": draft.resolve,
        "discussion_id": draft.reply_to, "note": draft.body, "commit_id": draft.commit, "line_code": code,
        "position": draft.position.as_ref().map_or(Value::Null, position),
    })
}

pub(super) fn version(request: Id, version: &Version) -> Value {
    json!({
        "id": version.id, "head_commit_sha": version.head, "base_commit_sha": version.base, "start_commit_sha": version.start,
        "created_at": version.created, "merge_request_id": request, "state": "collected",
        "real_size": version.files.len().to_string(), "patch_id_sha": version.patch_id,
    })
}

pub(super) fn diff(world: &World, file: &FileDiff) -> Value {
    let too_large = file.text.len() > world.options.patch_limit;
    let collapsed = !too_large && world.options.collapse_above.is_some_and(|bytes| file.text.len() > bytes);
    json!({
        "old_path": file.old_path, "new_path": file.new_path, "a_mode": file.a_mode, "b_mode": file.b_mode,
        "new_file": file.status == Status::Added, "renamed_file": file.status == Status::Renamed,
        "deleted_file": file.status == Status::Deleted, "generated_file": world.options.generated.contains(&file.new_path),
        "collapsed": collapsed, "too_large": too_large, "diff": if too_large || collapsed { "" } else { &file.text },
    })
}

pub(super) fn commit(world: &World, commit: &Commit) -> Value {
    let at = "2026-11-01T09:00:00.000Z";
    json!({
        "id": commit.id, "short_id": commit.id[..8], "created_at": at, "parent_ids": commit.parents, "title": commit.title,
        "message": format!("{}\n", commit.title), "author_name": "Dana", "author_email": "dana@example.com", "authored_date": at,
        "committer_name": "Dana", "committer_email": "dana@example.com", "committed_date": at, "trailers": {}, "extended_trailers": {},
        "web_url": format!("{}/-/commit/{}", world.url, commit.id),
    })
}

pub(super) fn approvals(world: &World, request: Id, reader: Id) -> Value {
    let state = world.request(request);
    let by: Vec<Value> = state.approvals.iter().map(|(by, at)| json!({ "user": user(world, *by), "approved_at": at })).collect();
    json!({
        "user_has_approved": state.approvals.iter().any(|(by, _)| *by == reader), "user_can_approve": world.can_approve(reader, request),
        "approved": true, "approved_by": by,
    })
}

pub(super) fn emoji(world: &World, request: Id, emoji: &Emoji) -> Value {
    json!({
        "id": emoji.id, "name": emoji.name, "user": user(world, emoji.user), "created_at": emoji.created, "updated_at": emoji.created,
        "awardable_id": emoji.note.unwrap_or(request), "awardable_type": if emoji.note.is_some() { "Note" } else { "MergeRequest" },
    })
}

pub(super) fn label_event(world: &World, request: Id, event: &LabelEvent) -> Value {
    json!({
        "id": event.id, "user": user(world, event.user), "created_at": event.created, "resource_type": "MergeRequest",
        "resource_id": request, "action": event.action,
        "label": label(world.project(world.request(request).project), &event.label),
    })
}

pub(super) fn label(project: &ProjectState, name: &str) -> Value {
    json!({ "id": project.labels.get(name), "name": name, "color": "#428bca", "text_color": "#ffffff", "description": "" })
}

/// The merge request as lists show it.
pub(super) fn basic_request(world: &World, request: Id) -> Value {
    let state = world.request(request);
    let project = world.project(state.project);
    let prepared = state.unprepared_for == 0;
    let people = |ids: Vec<Id>| ids.into_iter().map(|id| user(world, id)).collect::<Vec<_>>();
    let threads_done = state.discussions.iter().filter(|thread| thread.resolvable()).all(Discussion::resolved);
    let notes = state.discussions.iter().flat_map(|thread| &thread.notes).filter(|note| !note.system).count();
    let draft = state.title.starts_with("Draft:");
    let url = format!("{}/{}/-/merge_requests/{}", world.url, project.path, state.iid);
    let status = match (state.life, prepared) {
        (Life::Opened, false) => "preparing",
        (Life::Opened, true) if draft => "draft_status",
        (Life::Opened, true) if !state.change_requests.is_empty() && world.options.premium => "requested_changes",
        (Life::Opened, true) => "mergeable",
        (Life::Closed | Life::Merged, _) => "not_open",
    };
    let mut value = json!({
        "id": state.id, "iid": state.iid, "project_id": state.project, "title": state.title, "description": state.description,
        "state": state.life.word(), "created_at": state.created, "updated_at": state.created, "merged_by": null, "merge_user": null,
        "merged_at": (state.life == Life::Merged).then_some(&state.created), "closed_by": null, "closed_at": null,
        "target_branch": state.target_branch, "source_branch": state.source_branch, "user_notes_count": notes, "upvotes": 0, "downvotes": 0,
        "author": user(world, state.author), "assignees": [], "assignee": null,
        "reviewers": people(state.reviewers.iter().map(|(id, _)| *id).collect()),
        "source_project_id": state.source_project, "target_project_id": state.project, "labels": state.labels, "draft": draft,
    });
    let rest = json!({
        "imported": false, "imported_from": "none", "work_in_progress": draft, "milestone": null, "merge_when_pipeline_succeeds": false,
        "merge_status": "can_be_merged", "detailed_merge_status": status, "merge_after": null,
        "sha": prepared.then(|| &state.newest().head), "merge_commit_sha": null, "squash_commit_sha": null, "discussion_locked": null,
        "should_remove_source_branch": null, "force_remove_source_branch": true, "prepared_at": prepared.then_some(&state.created),
        "reference": format!("!{}", state.iid),
        "references": { "short": format!("!{}", state.iid), "relative": format!("!{}", state.iid), "full": format!("{}!{}", project.path, state.iid) },
        "web_url": url, "time_stats": { "time_estimate": 0, "total_time_spent": 0 },
        "squash": false, "squash_on_merge": false, "task_completion_status": { "count": 0, "completed_count": 0 }, "has_conflicts": false,
        "blocking_discussions_resolved": threads_done, "approvals_before_merge": null,
    });
    let rest = rest.as_object().expect("an object stands above").clone();
    value.as_object_mut().expect("an object stands above").extend(rest);
    value
}

/// The merge request as it is asked for alone.
pub(super) fn request(world: &World, request: Id) -> Value {
    let state = world.request(request);
    let prepared = state.unprepared_for == 0;
    let mut value = basic_request(world, request);
    let version = state.newest();
    let count = version.files.len();
    let count = if count > world.options.file_limit { format!("{}+", world.options.file_limit) } else { count.to_string() };
    let refs = json!({ "base_sha": version.base, "start_sha": version.start, "head_sha": version.head });
    value["subscribed"] = json!(true);
    value["changes_count"] = json!(prepared.then_some(count));
    value["diff_refs"] = if prepared { refs } else { Value::Null };
    value["head_pipeline"] = Value::Null;
    value["merge_error"] = Value::Null;
    value["first_contribution"] = json!(false);
    value["user"] = json!({ "can_merge": true });
    value
}
