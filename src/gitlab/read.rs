//! Reads a merge request into the types of `round`. It must not write, and not decide what follows from what it read.

use std::collections::BTreeMap;
use std::time::Duration;

use gitlab::api::projects::Project as ProjectEndpoint;
use gitlab::api::projects::members::AllProjectMember;
use gitlab::api::projects::merge_requests::approvals::MergeRequestApprovals;
use gitlab::api::projects::merge_requests::discussions::MergeRequestDiscussions;
use gitlab::api::projects::merge_requests::notes::awards::MergeRequestNoteAwards;
use gitlab::api::projects::merge_requests::{
    MergeRequest as RequestEndpoint, MergeRequestDiffs, MergeRequestResourceLabelEvents, MergeRequestReviewers,
};
use gitlab::api::projects::repository::files::FileRaw;
use gitlab::api::users::CurrentUser;
use gitlab::api::{AsyncQuery as _, Endpoint, raw};
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::transport::MAX_ANSWER_BYTES;
use super::{Gitlab, GitlabError, GitlabErrorKind, Publishing, ServerVersion, Target, endpoints, fault, wire};
use crate::change::{CommitId, RepoPath};
use crate::round::plan::BotState;
use crate::round::{DiffRefs, MergeRequest, Person, RequestState, Thread, marker};
use crate::settings::Access;

/// The library's endpoints have only fields that are always given here.
pub(super) const COMPLETE: &str = "every required field of the endpoint is given";

/// How long to wait for the diff of a merge request: GitLab makes it after the merge request, and after each push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiffWait {
    /// How often to ask, at least once.
    pub attempts: u32,
    /// The pause between two questions.
    pub pause: Duration,
}

impl Default for DiffWait {
    fn default() -> Self {
        Self { attempts: 12, pause: Duration::from_millis(2500) }
    }
}

/// Where a merge request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whether it can still be reviewed.
    pub state: RequestState,
    /// The tip of its source branch; none as long as GitLab has made no diff.
    pub head: Option<CommitId>,
    /// How many notes people and bots have written; none if GitLab does not say.
    pub notes: Option<u64>,
}

/// A version of the diff of a merge request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// GitLab's number, as in `CI_MERGE_REQUEST_DIFF_ID`.
    pub id: u64,
    /// Its commits; none for a version without any.
    pub refs: Option<DiffRefs>,
    /// When it was made, RFC 3339: sorts as text.
    pub created_at: String,
}

/// What GitLab says about a changed file beside its diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFlags {
    /// The file in the base.
    pub old_path: RepoPath,
    /// The file in the head. GitLab looks a file up by this pair, so for renames its pair counts.
    pub new_path: RepoPath,
    /// It is marked or known as generated.
    pub generated: bool,
    /// Its diff is above GitLab's limits and left out.
    pub too_large: bool,
    /// Its diff is folded away, because there are many.
    pub collapsed: bool,
}

/// A reaction to a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Award {
    /// Its name without colons, e.g. `thumbsdown`.
    pub name: String,
    /// Whose it is.
    pub by: Person,
    /// When it was given, RFC 3339: sorts as text.
    pub at: String,
}

/// A draft of the user's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) id: u64,
    pub(super) body: String,
}

/// The drafts of the user that the token belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drafts {
    /// Those that an earlier run left behind, by their markers.
    pub ours: Vec<u64>,
    /// Those of a person who uses the same token: publishing in a batch would publish them too.
    pub others: usize,
}

impl Drafts {
    /// Returns how threads may be published without touching a person's drafts.
    pub const fn publishing(&self) -> Publishing {
        if self.others == 0 { Publishing::Batch } else { Publishing::OneByOne }
    }
}

/// What is known of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its number.
    pub id: u64,
    /// Its full path, e.g. `group/app`.
    pub path: String,
    /// Its page.
    pub web_url: String,
    /// Its default branch; none in an empty repository.
    pub default_branch: Option<String>,
    /// It is archived: nothing can be written.
    pub archived: bool,
}

/// An entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its path from the root of the repository.
    pub path: RepoPath,
    /// What it is.
    pub kind: TreeKind,
}

/// What an entry of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// Another repository.
    Submodule,
}

impl Gitlab {
    /// Reads who the token belongs to.
    pub async fn me(&self) -> Result<Person, GitlabError> {
        let user: wire::User = self.ask("read who the token belongs to", &CurrentUser::builder().build().expect(COMPLETE)).await?;
        Ok(user.into())
    }

    /// Reads the version of GitLab. One older than 16.4 is an error.
    pub async fn version(&self) -> Result<ServerVersion, GitlabError> {
        const WHAT: &str = "read the version of GitLab";
        let metadata: wire::Metadata = self.ask(WHAT, &endpoints::metadata()).await?;
        let Some(version) = ServerVersion::parse(&metadata.version) else {
            let said = format!("`{}` is no version", fault::line(&metadata.version));
            return Err(GitlabError::new(WHAT, GitlabErrorKind::Unexpected, said));
        };
        if version < ServerVersion::OLDEST {
            let said = format!("it is {version}, and {} is the oldest that has threads on files", ServerVersion::OLDEST);
            return Err(GitlabError::new("review on this GitLab", GitlabErrorKind::TooOld { needs: ServerVersion::OLDEST }, said));
        }
        Ok(version)
    }

    /// Reads a project.
    pub async fn project(&self, project: u64) -> Result<Project, GitlabError> {
        let endpoint = ProjectEndpoint::builder().project(project).build().expect(COMPLETE);
        let project: wire::ProjectWire = self.ask(&format!("read project {project}"), &endpoint).await?;
        Ok(project.into())
    }

    /// Reads a merge request, and waits for its diff if it is open and has none yet. Without one the error is `NoDiff`; a merged or closed one is
    /// not waited for.
    pub async fn merge_request(&self, target: Target, wait: DiffWait) -> Result<MergeRequest, GitlabError> {
        let mut asked = 1;
        loop {
            let request = self.request(target).await?;
            if let Some(refs) = request.refs() {
                return Ok(request.with(refs));
            }
            let state = request.state();
            if state != RequestState::Open || asked >= wait.attempts {
                let state = match state {
                    RequestState::Open => "open",
                    RequestState::Merged => "merged",
                    RequestState::Closed => "closed",
                };
                let said = format!("it is {state}, and GitLab has no diff of it (`diff_refs` is null, asked {asked} times)");
                return Err(GitlabError::new(format!("read the diff of {target}"), GitlabErrorKind::NoDiff, said));
            }
            asked += 1;
            sleep(wait.pause).await;
        }
    }

    /// Reads where a merge request stands: cheap enough to look again before something is written.
    pub async fn head(&self, target: Target) -> Result<Head, GitlabError> {
        Ok(self.request(target).await?.head())
    }

    async fn request(&self, target: Target) -> Result<wire::Request, GitlabError> {
        let endpoint = RequestEndpoint::builder().project(target.project).merge_request(target.iid).build().expect(COMPLETE);
        self.ask(&format!("read {target}"), &endpoint).await
    }

    /// Reads all discussions, single notes included, oldest first.
    pub async fn threads(&self, target: Target) -> Result<Vec<Thread>, GitlabError> {
        let endpoint = MergeRequestDiscussions::builder().project(target.project).merge_request(target.iid).build().expect(COMPLETE);
        let discussions: Vec<wire::Discussion> = self.pages(&format!("read the discussions of {target}"), &endpoint, &[]).await?;
        Ok(discussions.into_iter().filter_map(wire::Discussion::thread).collect())
    }

    /// Reads the drafts of the token's user.
    pub async fn drafts(&self, target: Target) -> Result<Drafts, GitlabError> {
        let mut drafts = Drafts::default();
        for draft in self.own_drafts(target).await? {
            if marker::is_marked(&draft.body) { drafts.ours.push(draft.id) } else { drafts.others += 1 }
        }
        Ok(drafts)
    }

    pub(super) async fn own_drafts(&self, target: Target) -> Result<Vec<Draft>, GitlabError> {
        let what = format!("read the drafts on {target}");
        let drafts: Vec<wire::DraftWire> = self.pages(&what, &endpoints::drafts(target), &[]).await?;
        Ok(drafts.into_iter().map(Draft::from).collect())
    }

    /// Reads the votes of a user: `drafts` is taken over as it is. Only needed when votes are on.
    pub async fn votes(&self, target: Target, me: &Person, drafts: usize) -> Result<BotState, GitlabError> {
        let requested_changes = self.requests_changes(target, me).await? == Some(true);
        Ok(BotState { approved: self.approved(target, me).await?, requested_changes, drafts })
    }

    pub(super) async fn approved(&self, target: Target, me: &Person) -> Result<bool, GitlabError> {
        let endpoint = MergeRequestApprovals::builder().project(target.project).merge_request(target.iid).build().expect(COMPLETE);
        let approvals: wire::Approvals = self.ask(&format!("read the approvals of {target}"), &endpoint).await?;
        Ok(approvals.by(me.id))
    }

    /// Reads whether a user requests changes; none for one who is no reviewer, whose request GitLab keeps and does not show.
    pub(super) async fn requests_changes(&self, target: Target, me: &Person) -> Result<Option<bool>, GitlabError> {
        let endpoint = MergeRequestReviewers::builder().project(target.project).merge_request(target.iid).build().expect(COMPLETE);
        let reviewers: Vec<wire::Reviewer> = self.pages(&format!("read the reviewers of {target}"), &endpoint, &[]).await?;
        Ok(reviewers.iter().find_map(|reviewer| reviewer.requests_changes(me.id)))
    }

    /// Reads who set each label that was last added rather than removed. A label whose person GitLab does not know any more is missing.
    pub async fn label_setters(&self, target: Target) -> Result<BTreeMap<String, Person>, GitlabError> {
        let endpoint = MergeRequestResourceLabelEvents::builder().project(target.project).merge_request(target.iid).build();
        let what = format!("read who set the labels of {target}");
        let events: Vec<wire::LabelEvent> = self.pages(&what, &endpoint.expect(COMPLETE), &[]).await?;
        let mut setters = BTreeMap::new();
        for (label, setter) in events.into_iter().filter_map(wire::LabelEvent::told) {
            match setter {
                Some(person) => setters.insert(label, person),
                None => setters.remove(&label),
            };
        }
        Ok(setters)
    }

    /// Reads the role of a user in a project, inherited ones included; none for those below a reporter and those who are no members.
    pub async fn access(&self, project: u64, user: u64) -> Result<Option<Access>, GitlabError> {
        let what = format!("read the role of user {user} in project {project}");
        let endpoint = AllProjectMember::builder().project(project).user(user).build().expect(COMPLETE);
        match self.ask::<wire::Member>(&what, &endpoint).await {
            Ok(member) => member.access().map_err(|fault| fault.at(what)),
            Err(error) if *error.kind() == GitlabErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the reactions to a note.
    pub async fn awards(&self, target: Target, note: u64) -> Result<Vec<Award>, GitlabError> {
        let endpoint =
            MergeRequestNoteAwards::builder().project(target.project).merge_request(target.iid).note(note).build().expect(COMPLETE);
        let awards: Vec<wire::AwardWire> = self.pages(&format!("read the reactions to note {note} of {target}"), &endpoint, &[]).await?;
        Ok(awards.into_iter().map(Award::from).collect())
    }

    /// Reads the versions of the diff, newest first.
    pub async fn versions(&self, target: Target) -> Result<Vec<Version>, GitlabError> {
        let what = format!("read the versions of {target}");
        let versions: Vec<wire::VersionWire> = self.pages(&what, &endpoints::versions(target), &[]).await?;
        Ok(versions.into_iter().map(Version::from).collect())
    }

    /// Reads what GitLab says about each changed file. Files above GitLab's limit of files are missing.
    pub async fn files(&self, target: Target) -> Result<Vec<FileFlags>, GitlabError> {
        let endpoint = MergeRequestDiffs::builder().project(target.project).merge_request(target.iid).build().expect(COMPLETE);
        let files: Vec<wire::DiffFile> = self.pages(&format!("read the changed files of {target}"), &endpoint, &[]).await?;
        Ok(files.into_iter().map(FileFlags::from).collect())
    }

    /// Reads the whole diff as git prints it, of at most `most` bytes; more is `TooLarge`.
    pub async fn raw_diff(&self, target: Target, most: usize) -> Result<Vec<u8>, GitlabError> {
        self.bytes(&format!("read the diff of {target}"), &endpoints::raw_diffs(target), most).await
    }

    /// Reads everything below a folder of a repository (empty: its root) at a commit; none if there is no such folder.
    pub async fn tree(&self, project: u64, at: &CommitId, folder: &str) -> Result<Option<Vec<TreeEntry>>, GitlabError> {
        let what = format!("list `{folder}` of project {project} at {}", at.short());
        match self.pages::<wire::TreeWire>(&what, &endpoints::tree(project, at.as_str(), folder), &[]).await {
            Ok(entries) => Ok(Some(entries.into_iter().map(TreeEntry::from).collect())),
            // The same for a folder that is missing and a commit that is: the commit comes from GitLab itself.
            Err(error) if is_missing(&error, &["tree not found", "invalid revision or path"]) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a file at a commit, of at most `most` bytes; none if there is no such file.
    pub async fn file(&self, project: u64, at: &CommitId, path: &RepoPath, most: usize) -> Result<Option<Vec<u8>>, GitlabError> {
        let what = format!("read `{path}` of project {project} at {}", at.short());
        let endpoint = FileRaw::builder().project(project).file_path(path.as_str()).ref_(at.as_str()).build().expect(COMPLETE);
        match self.bytes(&what, &endpoint, most).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_missing(&error, &["file not found"]) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a request and reads its answer.
    pub(super) async fn ask<T: DeserializeOwned + Send + 'static>(
        &self,
        what: &str,
        endpoint: &(impl Endpoint + Sync),
    ) -> Result<T, GitlabError> {
        endpoint.query_async(&self.way(MAX_ANSWER_BYTES)).await.map_err(|error| fault::of_library(error).at(what))
    }

    async fn bytes(&self, what: &str, endpoint: &(impl Endpoint + Sync), most: usize) -> Result<Vec<u8>, GitlabError> {
        raw(endpoint).query_async(&self.way(most)).await.map_err(|error| fault::of_library(error).at(what))
    }
}

/// GitLab says 404 of a file that is missing and of a project that is: only its words tell them apart.
fn is_missing(error: &GitlabError, words: &[&str]) -> bool {
    let said = error.said().to_ascii_lowercase();
    *error.kind() == GitlabErrorKind::NotFound && words.iter().any(|word| said.contains(word))
}
