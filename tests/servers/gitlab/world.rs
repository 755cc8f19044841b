//! Everything the server remembers, as plain values. What may happen to them is in the files of the rules; nothing here speaks HTTP.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::Options;
use super::git::Bare;
use super::lines::FileDiff;

/// Number of a user, a project, a merge request, a note: one counter for all.
pub(super) type Id = u64;

/// The state of an instance.
pub(super) struct World {
    pub(super) options: Options,
    /// Address of the instance with its prefix, without a slash at the end.
    pub(super) url: String,
    pub(super) users: Vec<User>,
    pub(super) tokens: Vec<Token>,
    pub(super) projects: Vec<ProjectState>,
    pub(super) requests: Vec<RequestState>,
    pub(super) mails: Vec<Mail>,
    pub(super) executed: Vec<Executed>,
    last: Id,
    seconds: u64,
}

/// A person or a bot.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) id: Id,
    pub(super) username: String,
    pub(super) bot: bool,
}

/// What a role may do grows with its number, which is GitLab's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// 10.
    Guest = 10,
    /// 20.
    Reporter = 20,
    /// 30.
    Developer = 30,
    /// 40.
    Maintainer = 40,
    /// 50.
    Owner = 50,
}

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everything.
    Api,
    /// Reading through the API.
    ReadApi,
    /// The repository through git alone.
    ReadRepository,
    /// A job's own token: the short list of what jobs may read.
    Job,
}

/// Whether a token is still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenState {
    Active,
    Expired,
    Revoked,
}

/// A token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) secret: String,
    pub(super) user: Id,
    pub(super) scope: Scope,
    pub(super) state: TokenState,
}

/// What a project may be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Setting {
    /// Everybody sees it.
    Public,
    /// Nobody writes any more.
    Archived,
    /// Threads are resolved when their line changes.
    ResolveOutdated,
    /// Authors may approve their own merge requests.
    AuthorMayApprove,
    /// Approvals go with every push.
    ResetApprovals,
}

/// A project.
pub(super) struct ProjectState {
    pub(super) id: Id,
    pub(super) path: String,
    pub(super) bare: Bare,
    pub(super) members: BTreeMap<Id, Role>,
    pub(super) settings: BTreeSet<Setting>,
    pub(super) forked_from: Option<Id>,
    pub(super) next_iid: u64,
    pub(super) labels: BTreeMap<String, Id>,
}

/// Where a merge request is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Opened,
    Closed,
    Merged,
}

/// A merge request.
pub(super) struct RequestState {
    pub(super) id: Id,
    pub(super) iid: u64,
    pub(super) project: Id,
    pub(super) source_project: Id,
    pub(super) source_branch: String,
    pub(super) target_branch: String,
    pub(super) author: Id,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) life: Life,
    pub(super) created: String,
    /// Oldest first, never empty.
    pub(super) versions: Vec<Version>,
    /// So many more answers are given as if the diff were not made yet.
    pub(super) unprepared_for: u64,
    pub(super) discussions: Vec<Discussion>,
    pub(super) drafts: Vec<Draft>,
    pub(super) labels: Vec<String>,
    pub(super) label_events: Vec<LabelEvent>,
    pub(super) approvals: Vec<(Id, String)>,
    pub(super) reviewers: Vec<(Id, &'static str)>,
    pub(super) change_requests: Vec<Id>,
    pub(super) emoji: Vec<Emoji>,
    pub(super) statuses: Vec<Value>,
}

/// A version of the diff.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) id: Id,
    pub(super) base: String,
    pub(super) start: String,
    pub(super) head: String,
    pub(super) created: String,
    pub(super) patch_id: Option<String>,
    pub(super) files: Vec<FileDiff>,
}

/// A thread, or a single note.
pub(super) struct Discussion {
    pub(super) id: String,
    pub(super) individual: bool,
    pub(super) notes: Vec<Note>,
}

/// One note.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) id: Id,
    pub(super) author: Id,
    pub(super) body: String,
    pub(super) system: bool,
    pub(super) internal: bool,
    /// Refers to something that nobody here may see: filtered after paging.
    pub(super) hidden: bool,
    pub(super) created: String,
    pub(super) updated: String,
    pub(super) position: Option<Position>,
    /// The commit it was written on, as the caller gave it.
    pub(super) commit: Option<String>,
    pub(super) resolved: Option<(Id, String)>,
    pub(super) suggestions: Vec<Suggestion>,
}

/// Where a note stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Position {
    pub(super) base: String,
    pub(super) start: String,
    pub(super) head: String,
    pub(super) kind: PositionKind,
    pub(super) old_path: String,
    pub(super) new_path: String,
    pub(super) old_line: Option<u64>,
    pub(super) new_line: Option<u64>,
    /// As the caller gave it: GitLab does not verify it.
    pub(super) line_range: Value,
}

/// What a position points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PositionKind {
    Text,
    Image,
    File,
}

/// A suggestion in a note.
#[derive(Clone, Debug)]
pub(super) struct Suggestion {
    pub(super) id: Id,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) old: String,
    pub(super) new: String,
    pub(super) applied: bool,
}

/// A comment that its author has not published yet.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) id: Id,
    pub(super) author: Id,
    pub(super) body: String,
    pub(super) position: Option<Position>,
    pub(super) reply_to: Option<String>,
    pub(super) resolve: bool,
    pub(super) commit: Option<String>,
}

/// Who set or took off a label.
#[derive(Clone, Debug)]
pub(super) struct LabelEvent {
    pub(super) id: Id,
    pub(super) user: Id,
    pub(super) label: String,
    pub(super) action: &'static str,
    pub(super) created: String,
}

/// A reaction to a note, or to the merge request where `note` is none.
#[derive(Clone, Debug)]
pub(super) struct Emoji {
    pub(super) id: Id,
    pub(super) note: Option<Id>,
    pub(super) user: Id,
    pub(super) name: String,
    pub(super) created: String,
}

/// A mail that went to the people on a merge request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    /// Who caused it.
    pub(crate) by: String,
    /// What it tells, e.g. `note` or `review of 3 comments`.
    pub(crate) about: String,
}

/// A quick action that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Executed {
    /// With whose rights.
    pub(crate) by: String,
    /// The line as it stood in the body.
    pub(crate) line: String,
}

/// An answer that is no success: status and body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Refusal {
    pub(super) fn new(status: u16, message: impl Into<Value>) -> Self {
        Self { status, body: json!({ "message": message.into() }) }
    }

    pub(super) fn error(text: impl Into<String>) -> Self {
        Self { status: 400, body: json!({ "error": text.into() }) }
    }

    pub(super) fn note(why: &str) -> Self {
        Self::new(400, format!("400 Bad request - Note {why}"))
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(404, format!("404 {what} Not Found"))
    }

    pub(super) fn forbidden() -> Self {
        Self::new(403, "403 Forbidden")
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "401 Unauthorized")
    }
}

/// What comes of trying something.
pub(super) type Tried<T> = Result<T, Refusal>;

impl World {
    pub(super) fn new(options: Options, url: String) -> Self {
        Self {
            options,
            url,
            users: Vec::new(),
            tokens: Vec::new(),
            projects: Vec::new(),
            requests: Vec::new(),
            mails: Vec::new(),
            executed: Vec::new(),
            last: 100,
            seconds: 9 * 60 * 60,
        }
    }

    /// Takes a number that nothing else has.
    pub(super) fn fresh(&mut self) -> Id {
        self.last += 1;
        self.last
    }

    /// Takes an ID as discussions have it.
    pub(super) fn fresh_discussion(&mut self) -> String {
        let number = self.fresh();
        hex::encode(Sha1::digest(format!("discussion {number}")))
    }

    /// Lets a second go by and returns the time.
    pub(super) fn tick(&mut self) -> String {
        self.seconds += 1;
        let (day, rest) = (1 + self.seconds / 86_400, self.seconds % 86_400);
        format!("2026-11-{day:02}T{:02}:{:02}:{:02}.000Z", rest / 3600, rest / 60 % 60, rest % 60)
    }

    /// Returns the time in seconds since 1970, for commits.
    pub(super) fn unix(&mut self) -> u64 {
        self.seconds += 1;
        1_793_491_200 + self.seconds
    }

    pub(super) fn user(&self, id: Id) -> &User {
        self.users.iter().find(|user| user.id == id).expect("users are never removed")
    }

    pub(super) fn project(&self, id: Id) -> &ProjectState {
        self.projects.iter().find(|project| project.id == id).expect("projects are never removed")
    }

    pub(super) fn project_mut(&mut self, id: Id) -> &mut ProjectState {
        self.projects.iter_mut().find(|project| project.id == id).expect("projects are never removed")
    }

    pub(super) fn request(&self, id: Id) -> &RequestState {
        self.requests.iter().find(|request| request.id == id).expect("merge requests are never removed")
    }

    pub(super) fn request_mut(&mut self, id: Id) -> &mut RequestState {
        self.requests.iter_mut().find(|request| request.id == id).expect("merge requests are never removed")
    }

    /// Returns the repository that holds a merge request's commits: the target's.
    pub(super) fn bare_of(&self, request: Id) -> Bare {
        self.project(self.request(request).project).bare.clone()
    }

    pub(super) fn mail(&mut self, by: Id, about: impl Into<String>) {
        let by = self.user(by).username.clone();
        self.mails.push(Mail { by, about: about.into() });
    }

    /// Returns whether the instance is at least this version.
    pub(super) fn since(&self, major: u32, minor: u32) -> bool {
        let mut numbers = self.options.version.split(['.', '-']).map(|part| part.parse::<u32>().expect("a version like 19.5.0"));
        (numbers.next(), numbers.next()) >= (Some(major), Some(minor))
    }
}

impl ProjectState {
    /// Returns whether it is set to this.
    pub(super) fn is(&self, setting: Setting) -> bool {
        self.settings.contains(&setting)
    }
}

impl RequestState {
    /// Returns the newest version of the diff.
    pub(super) fn newest(&self) -> &Version {
        self.versions.last().expect("a merge request has a version from the start")
    }

    pub(super) fn discussion(&self, id: &str) -> Option<&Discussion> {
        self.discussions.iter().find(|discussion| discussion.id == id)
    }

    pub(super) fn discussion_mut(&mut self, id: &str) -> Option<&mut Discussion> {
        self.discussions.iter_mut().find(|discussion| discussion.id == id)
    }

    pub(super) fn note(&self, id: Id) -> Option<(&Discussion, &Note)> {
        self.discussions.iter().find_map(|discussion| Some((discussion, discussion.notes.iter().find(|note| note.id == id)?)))
    }

    pub(super) fn note_mut(&mut self, id: Id) -> Option<&mut Note> {
        self.discussions.iter_mut().flat_map(|discussion| &mut discussion.notes).find(|note| note.id == id)
    }
}

impl Discussion {
    /// Returns whether it can be resolved: threads can, single notes cannot.
    pub(super) fn resolvable(&self) -> bool {
        !self.individual && self.notes.iter().any(|note| !note.system)
    }

    /// Returns whether all of it is resolved.
    pub(super) fn resolved(&self) -> bool {
        self.resolvable() && self.notes.iter().filter(|note| !note.system).all(|note| note.resolved.is_some())
    }
}
