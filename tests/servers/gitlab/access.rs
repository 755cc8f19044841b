//! Who may do what: tokens, scopes, roles. Changes nothing.

use super::world::{Discussion, Id, Note, ProjectState, Refusal, Role, Scope, Setting, TokenState, Tried, World};
use serde_json::json;

/// The calls that a job's token may make, without the project: method GET, a star is one segment.
const JOB_READS: [&str; 7] = [
    "merge_requests",
    "merge_requests/*",
    "merge_requests/*/notes",
    "merge_requests/*/notes/*",
    "repository/commits/*",
    "repository/commits/*/merge_requests",
    "repository/files/*/raw",
];

impl World {
    /// Finds who a token belongs to, and refuses what its scope does not reach. `path` is the part behind `/api/v4/`.
    pub(super) fn caller(&self, secret: Option<&str>, method: &str, path: &[&str]) -> Tried<Id> {
        let token = self.tokens.iter().find(|token| Some(token.secret.as_str()) == secret).ok_or_else(Refusal::unauthorized)?;
        let invalid = |why: &str| Refusal { status: 401, body: json!({ "error": "invalid_token", "error_description": why }) };
        match token.state {
            TokenState::Active => {}
            TokenState::Expired => return Err(invalid("Token is expired. You can either do re-authorization or token refresh.")),
            TokenState::Revoked => return Err(invalid("Token was revoked. You have to re-authorize from the user.")),
        }
        match token.scope {
            Scope::Api => Ok(token.user),
            Scope::ReadApi if method == "GET" => Ok(token.user),
            Scope::ReadApi | Scope::ReadRepository => Err(scope_missing()),
            Scope::Job => {
                let inside = path.get(2..).unwrap_or_default();
                let allowed = path == ["job"] || path[0] == "projects" && JOB_READS.iter().any(|read| matches(inside, read));
                if method == "GET" && allowed { Ok(token.user) } else { Err(Refusal::unauthorized()) }
            }
        }
    }

    /// Returns a project by number or path, if the user may know of it.
    pub(super) fn visible_project(&self, user: Id, key: &str) -> Tried<&ProjectState> {
        let project = self.projects.iter().find(|project| project.path == key || project.id.to_string() == key);
        project
            .filter(|project| project.is(Setting::Public) || project.members.contains_key(&user))
            .ok_or_else(|| Refusal::not_found("Project"))
    }

    /// Returns a merge request by its project and number, if the user may read it.
    pub(super) fn visible_request(&self, user: Id, project: &str, iid: &str) -> Tried<Id> {
        let project = self.visible_project(user, project)?;
        // The code of a private project is no business of its guests.
        let reads = project.is(Setting::Public) || project.members.get(&user).is_some_and(|role| *role >= Role::Reporter);
        let number = iid.parse::<u64>().map_err(|_| Refusal::error("merge_request_iid is invalid"))?;
        let found = self.requests.iter().find(|request| request.project == project.id && request.iid == number);
        found.filter(|_| reads).map(|request| request.id).ok_or_else(|| Refusal::not_found("Merge Request"))
    }

    /// Returns the role of a user in the project of a merge request; none for strangers.
    pub(super) fn role(&self, user: Id, request: Id) -> Option<Role> {
        self.project(self.request(request).project).members.get(&user).copied()
    }

    /// Returns whether a user has at least this role.
    pub(super) fn at_least(&self, user: Id, request: Id, role: Role) -> bool {
        self.role(user, request).is_some_and(|has| has >= role)
    }

    /// Refuses to whom may not comment.
    pub(super) fn may_comment(&self, user: Id, request: Id) -> Tried<()> {
        let project = self.project(self.request(request).project);
        let may = !project.is(Setting::Archived) && (project.is(Setting::Public) || self.at_least(user, request, Role::Reporter));
        if may { Ok(()) } else { Err(Refusal::forbidden()) }
    }

    /// Refuses to whom may not change the merge request itself.
    pub(super) fn may_update(&self, user: Id, request: Id) -> Tried<()> {
        let state = self.request(request);
        let may = state.author == user || self.at_least(user, request, Role::Developer);
        if may && !self.project(state.project).is(Setting::Archived) { Ok(()) } else { Err(Refusal::forbidden()) }
    }

    /// Refuses to whom may not change or delete a note: it takes its author, or a maintainer.
    pub(super) fn may_edit(&self, user: Id, request: Id, note: &Note) -> Tried<()> {
        let archived = self.project(self.request(request).project).is(Setting::Archived);
        let may = note.author == user || self.at_least(user, request, Role::Maintainer);
        if may && !note.system && !archived { Ok(()) } else { Err(Refusal::forbidden()) }
    }

    /// Returns whether a user may resolve a thread: developers, who began it, and who opened the merge request.
    pub(super) fn may_resolve(&self, user: Id, request: Id, discussion: &Discussion) -> bool {
        let state = self.request(request);
        let may = state.author == user || discussion.notes[0].author == user || self.at_least(user, request, Role::Developer);
        may && discussion.resolvable() && !self.project(state.project).is(Setting::Archived)
    }

    /// Returns whether a user sees a note.
    pub(super) fn sees(&self, user: Id, request: Id, note: &Note) -> bool {
        !note.hidden && (!note.internal || note.author == user || self.at_least(user, request, Role::Reporter))
    }
}

/// The refusal of a token whose scope is too small.
pub(super) fn scope_missing() -> Refusal {
    let why = "The request requires higher privileges than provided by the access token.";
    Refusal { status: 403, body: json!({ "error": "insufficient_scope", "error_description": why, "scope": "api" }) }
}

/// Compares the segments of a path with a pattern in which a star is any one segment.
pub(super) fn matches(segments: &[&str], pattern: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    segments.len() == pattern.len() && segments.iter().zip(&pattern).all(|(segment, wanted)| *wanted == "*" || segment == wanted)
}
