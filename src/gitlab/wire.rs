//! What GitLab's REST API answers, and what it becomes. It must not leave this room: fields that GitLab sends as null, or leaves out, are dealt
//! with here, and fields that nobody reads are not named.

use serde::Deserialize;
use serde_json::Value;

use super::fault::Fault;
use super::{Award, Draft, FileFlags, GitlabErrorKind, Head, Project, TreeEntry, TreeKind, Version};
use crate::change::{CommitId, RepoPath};
use crate::round::plan::Batch;
use crate::round::{DiffRefs, MergeRequest, Note, NotePlace, Person, RequestState, Thread};
use crate::settings::Access;

/// A version of GitLab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerVersion {
    /// E.g. 19 in `19.2.1-ee`.
    pub major: u32,
    /// E.g. 2 in `19.2.1-ee`.
    pub minor: u32,
}

impl ServerVersion {
    /// The oldest GitLab that can be reviewed on: threads on whole files.
    pub const OLDEST: Self = Self { major: 16, minor: 4 };
    /// Requests for changes, by GraphQL.
    pub(super) const REQUESTS_CHANGES: Self = Self { major: 16, minor: 11 };
    /// Publishing drafts takes a summary and the reviewer's state along.
    pub(super) const WHOLE_REVIEWS: Self = Self { major: 19, minor: 2 };

    /// Returns the version that begins a text like `19.2.1-ee`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split(['.', '-', '+']);
        Some(Self { major: parts.next()?.parse().ok()?, minor: parts.next()?.parse().ok()? })
    }

    /// Returns what goes into one batch: a summary from 19.2 on. Before, it would be dropped without a word.
    pub fn batch(self) -> Batch {
        if self >= Self::WHOLE_REVIEWS { Batch::ThreadsAndSummary } else { Batch::Threads }
    }

    /// Returns whether there are requests for changes (16.11 and later).
    pub fn requests_changes(self) -> bool {
        self >= Self::REQUESTS_CHANGES
    }
}

impl std::fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) version: String,
}

#[derive(Deserialize)]
pub(super) struct User {
    id: u64,
    username: String,
}

impl From<User> for Person {
    fn from(user: User) -> Self {
        Self { id: user.id, username: user.username }
    }
}

#[derive(Deserialize)]
pub(super) struct Request {
    iid: u64,
    project_id: u64,
    source_project_id: Option<u64>,
    title: String,
    description: Option<String>,
    state: String,
    author: User,
    labels: Option<Vec<String>>,
    source_branch: String,
    target_branch: String,
    web_url: String,
    draft: Option<bool>,
    sha: Option<String>,
    user_notes_count: Option<u64>,
    diff_refs: Option<Refs>,
}

#[derive(Deserialize)]
struct Refs {
    #[serde(rename = "base_sha")]
    base: Option<String>,
    #[serde(rename = "start_sha")]
    start: Option<String>,
    #[serde(rename = "head_sha")]
    head: Option<String>,
}

fn refs(base: Option<&str>, start: Option<&str>, head: Option<&str>) -> Option<DiffRefs> {
    Some(DiffRefs { base: CommitId::parse(base?)?, start: CommitId::parse(start?)?, head: CommitId::parse(head?)? })
}

impl Request {
    pub(super) fn state(&self) -> RequestState {
        match self.state.as_str() {
            "opened" => RequestState::Open,
            // Locked while it is being merged.
            "merged" | "locked" => RequestState::Merged,
            _ => RequestState::Closed,
        }
    }

    pub(super) fn refs(&self) -> Option<DiffRefs> {
        let given = self.diff_refs.as_ref()?;
        refs(given.base.as_deref(), given.start.as_deref(), given.head.as_deref())
    }

    pub(super) fn head(&self) -> Head {
        let head = self.refs().map(|refs| refs.head).or_else(|| CommitId::parse(self.sha.as_deref()?));
        Head { state: self.state(), head, notes: self.user_notes_count }
    }

    pub(super) fn with(self, refs: DiffRefs) -> MergeRequest {
        let state = self.state();
        let mut labels = self.labels.unwrap_or_default();
        labels.sort();
        MergeRequest {
            project: self.project_id,
            iid: self.iid,
            web_url: self.web_url,
            title: self.title,
            description: self.description.unwrap_or_default(),
            state,
            draft: self.draft == Some(true),
            author: self.author.into(),
            labels,
            source_branch: self.source_branch,
            target_branch: self.target_branch,
            source_project: self.source_project_id,
            notes: self.user_notes_count,
            refs,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Discussion {
    id: String,
    individual_note: bool,
    notes: Vec<NoteWire>,
}

#[derive(Deserialize)]
pub(super) struct NoteWire {
    id: u64,
    body: Option<String>,
    author: User,
    created_at: String,
    updated_at: Option<String>,
    #[serde(default)]
    system: bool,
    #[serde(default)]
    resolvable: bool,
    resolved: Option<bool>,
    resolved_by: Option<User>,
    position: Option<PositionWire>,
    suggestions: Option<Vec<Suggestion>>,
}

#[derive(Deserialize)]
struct PositionWire {
    head_sha: Option<String>,
    old_path: Option<String>,
    new_path: Option<String>,
    old_line: Option<u32>,
    new_line: Option<u32>,
}

#[derive(Deserialize)]
struct Suggestion {
    applied: Option<bool>,
}

impl Discussion {
    /// Returns the thread; none if all its notes are hidden.
    pub(super) fn thread(self) -> Option<Thread> {
        let notes: Vec<Note> = self.notes.into_iter().map(NoteWire::note).collect();
        (!notes.is_empty()).then_some(Thread { id: self.id, individual: self.individual_note, notes })
    }
}

impl NoteWire {
    pub(super) fn note(self) -> Note {
        let edited = self.updated_at.is_some_and(|updated| updated != self.created_at);
        let applied = |suggestions: Vec<Suggestion>| suggestions.iter().any(|suggestion| suggestion.applied == Some(true));
        Note {
            id: self.id,
            author: self.author.into(),
            body: self.body.unwrap_or_default(),
            system: self.system,
            created_at: self.created_at,
            edited,
            resolvable: self.resolvable,
            resolved: self.resolved == Some(true),
            resolved_by: self.resolved_by.map(Person::from),
            place: self.position.and_then(PositionWire::place),
            suggestion_applied: self.suggestions.is_some_and(applied),
        }
    }
}

impl PositionWire {
    /// A position without a head or a path is one that GitLab has lost.
    fn place(self) -> Option<NotePlace> {
        let (old, new) = match (self.old_path, self.new_path) {
            (Some(old), Some(new)) => (old, new),
            (Some(path), None) | (None, Some(path)) => (path.clone(), path),
            (None, None) => return None,
        };
        Some(NotePlace {
            head: CommitId::parse(self.head_sha.as_deref()?)?,
            old_path: RepoPath::from(old.as_str()),
            new_path: RepoPath::from(new.as_str()),
            old_line: self.old_line,
            new_line: self.new_line,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct DraftWire {
    id: u64,
    note: Option<String>,
}

impl From<DraftWire> for Draft {
    fn from(draft: DraftWire) -> Self {
        Self { id: draft.id, body: draft.note.unwrap_or_default() }
    }
}

#[derive(Deserialize)]
pub(super) struct Approvals {
    approved_by: Option<Vec<Approval>>,
}

#[derive(Deserialize)]
struct Approval {
    user: Option<User>,
}

impl Approvals {
    /// Returns whether a user is among those who approved.
    pub(super) fn by(self, user: u64) -> bool {
        self.approved_by.is_some_and(|all| all.into_iter().filter_map(|approval| approval.user).any(|by| by.id == user))
    }
}

#[derive(Deserialize)]
pub(super) struct Reviewer {
    user: User,
    state: Option<String>,
}

impl Reviewer {
    /// Returns whether a user requests changes; none if this is somebody else.
    pub(super) fn requests_changes(&self, user: u64) -> Option<bool> {
        (self.user.id == user).then(|| self.state.as_deref() == Some("requested_changes"))
    }
}

#[derive(Deserialize)]
pub(super) struct LabelEvent {
    user: Option<User>,
    label: Option<Label>,
    action: String,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

impl LabelEvent {
    /// Returns the label and who added it: nobody if it was removed, or if GitLab does not know any more. None: the label itself is gone.
    pub(super) fn told(self) -> Option<(String, Option<Person>)> {
        Some((self.label?.name, self.user.filter(|_| self.action == "add").map(Person::from)))
    }
}

#[derive(Deserialize)]
pub(super) struct Member {
    /// A number; the published schema says a text.
    access_level: Value,
}

impl Member {
    /// Returns the role; none for those below a reporter.
    pub(super) fn access(&self) -> Result<Option<Access>, Fault> {
        let level = self.access_level.as_u64().or_else(|| self.access_level.as_str()?.parse().ok());
        match level {
            Some(50..) => Ok(Some(Access::Owner)),
            Some(40..) => Ok(Some(Access::Maintainer)),
            Some(30..) => Ok(Some(Access::Developer)),
            Some(20..) => Ok(Some(Access::Reporter)),
            Some(_) => Ok(None),
            None => Err(Fault::new(GitlabErrorKind::Unexpected, "the role of a member is no number")),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct AwardWire {
    name: String,
    user: User,
    created_at: String,
}

impl From<AwardWire> for Award {
    fn from(award: AwardWire) -> Self {
        Self { name: award.name, by: award.user.into(), at: award.created_at }
    }
}

#[derive(Deserialize)]
pub(super) struct VersionWire {
    id: u64,
    head_commit_sha: Option<String>,
    base_commit_sha: Option<String>,
    start_commit_sha: Option<String>,
    created_at: String,
}

impl From<VersionWire> for Version {
    fn from(wire: VersionWire) -> Self {
        let refs = refs(wire.base_commit_sha.as_deref(), wire.start_commit_sha.as_deref(), wire.head_commit_sha.as_deref());
        Self { id: wire.id, refs, created_at: wire.created_at }
    }
}

#[derive(Deserialize)]
pub(super) struct DiffFile {
    old_path: String,
    new_path: String,
    generated_file: Option<bool>,
    too_large: Option<bool>,
    collapsed: Option<bool>,
}

impl From<DiffFile> for FileFlags {
    fn from(file: DiffFile) -> Self {
        Self {
            old_path: file.old_path.as_str().into(),
            new_path: file.new_path.as_str().into(),
            generated: file.generated_file == Some(true),
            too_large: file.too_large == Some(true),
            collapsed: file.collapsed == Some(true),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct TreeWire {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    mode: Option<String>,
}

impl From<TreeWire> for TreeEntry {
    fn from(entry: TreeWire) -> Self {
        let kind = match (entry.kind.as_str(), entry.mode.as_deref()) {
            ("tree", _) => TreeKind::Folder,
            ("blob", Some("120000")) => TreeKind::Link,
            ("blob", _) => TreeKind::File,
            _ => TreeKind::Submodule,
        };
        Self { path: entry.path.as_str().into(), kind }
    }
}

#[derive(Deserialize)]
pub(super) struct ProjectWire {
    id: u64,
    path_with_namespace: String,
    web_url: String,
    default_branch: Option<String>,
    archived: Option<bool>,
}

impl From<ProjectWire> for Project {
    fn from(project: ProjectWire) -> Self {
        Self {
            id: project.id,
            path: project.path_with_namespace,
            web_url: project.web_url,
            default_branch: project.default_branch,
            archived: project.archived == Some(true),
        }
    }
}

/// The answer to a mutation of ours: whatever it is called, the one entry of `data` holds `errors`.
#[derive(Deserialize)]
pub(super) struct Mutation {
    data: Option<std::collections::BTreeMap<String, Option<MutationResult>>>,
    errors: Option<Vec<MutationError>>,
}

#[derive(Deserialize)]
struct MutationResult {
    errors: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct MutationError {
    message: String,
}

impl Mutation {
    /// Returns why GitLab did not do it.
    pub(super) fn complaint(self) -> Option<String> {
        if let Some(error) = self.errors.and_then(|errors| errors.into_iter().next()) {
            return Some(error.message);
        }
        match self.data.and_then(|data| data.into_values().next()).flatten() {
            None => Some("GitLab did not say what it did".to_owned()),
            Some(result) => result.errors.and_then(|errors| errors.into_iter().next()),
        }
    }
}

/// A branch.
#[derive(Deserialize)]
pub(super) struct BranchWire {
    pub(super) commit: CommitWire,
}

/// A commit, as far as it is named.
#[derive(Deserialize)]
pub(super) struct CommitWire {
    pub(super) id: String,
}
