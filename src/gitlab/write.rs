//! Single changes of a merge request, each of which has the effect of one however it ends. It must not know of plans.
//!
//! GitLab has no keys that make a repetition harmless, and it may store a note and answer 500. So what posts is never repeated before it was
//! looked for, by the marker that everything posted carries.

use gitlab::api::projects::merge_requests::notes::{CreateMergeRequestNote, EditMergeRequestNote};
use gitlab::api::projects::merge_requests::{ApproveMergeRequest, UnapproveMergeRequest};
use gitlab::api::{AsyncQuery as _, Endpoint, ignore};
use http::Request;
use reqwest::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::read::COMPLETE;
use super::transport::MAX_ANSWER_BYTES;
use super::{Gitlab, GitlabError, GitlabErrorKind, ServerVersion, Target, endpoints, fault, wire};
use crate::change::CommitId;
use crate::round::{DiffRefs, Person, Rung, Thread};

/// How often something is posted whose outcome stays unknown, each time after a look that did not find it.
const ATTEMPTS: u32 = 2;

/// How changes for which there are two ways are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publishing {
    /// Drafts, published in one batch: one mail.
    Batch,
    /// One by one. A batch would publish drafts that a person with the same token has not finished.
    OneByOne,
}

/// Something that may be wanted or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Yes,
    No,
}

/// Returns the last line of a body that is not empty: where its marker stands.
fn last_line(body: &str) -> &str {
    body.trim_end().rsplit('\n').next().unwrap_or(body).trim_end()
}

/// Finds the thread that begins with a note of `me` with this marker.
pub(super) fn thread_by<'t>(threads: &'t [Thread], me: &Person, marker: &str) -> Option<&'t Thread> {
    let ours = |thread: &&Thread| thread.notes.first().is_some_and(|note| note.author.id == me.id && note.body.contains(marker));
    threads.iter().filter(|thread| !thread.individual).find(ours)
}

/// Finds the note of `me` that ends as `body` does, outside threads.
pub(super) fn note_by(threads: &[Thread], me: &Person, body: &str) -> Option<u64> {
    let notes = threads.iter().filter(|thread| thread.individual).filter_map(|thread| thread.notes.first());
    notes.filter(|note| note.author.id == me.id).find(|note| last_line(&note.body) == last_line(body)).map(|note| note.id)
}

fn reply_by(threads: &[Thread], me: &Person, thread: &str, body: &str) -> Option<u64> {
    let notes = threads.iter().filter(|there| there.id == thread).flat_map(|there| there.notes.iter().skip(1));
    notes.filter(|note| note.author.id == me.id).find(|note| last_line(&note.body) == last_line(body)).map(|note| note.id)
}

/// Returns whether something may have been stored although no fit answer came.
const fn is_unknown(kind: &GitlabErrorKind) -> bool {
    matches!(kind, GitlabErrorKind::UnknownOutcome | GitlabErrorKind::NotGitlab | GitlabErrorKind::Unexpected | GitlabErrorKind::TooLarge)
}

impl Gitlab {
    /// Posts a note outside threads, once. Returns its number.
    pub(super) async fn post_note(&self, target: Target, me: &Person, body: &str) -> Result<u64, GitlabError> {
        let endpoint = CreateMergeRequestNote::builder().project(target.project).merge_request(target.iid).body(body).build();
        let take = |note: wire::NoteWire| Some(note.note().id);
        self.post(target, &format!("post a note on {target}"), &endpoint.expect(COMPLETE), take, |there| note_by(there, me, body)).await
    }

    /// Answers in a thread, once.
    pub(super) async fn reply(&self, target: Target, me: &Person, thread: &str, body: &str) -> Result<u64, GitlabError> {
        let (what, endpoint) = (format!("answer in a thread of {target}"), endpoints::reply(target, thread, body));
        let take = |note: wire::NoteWire| Some(note.note().id);
        self.post(target, &what, &endpoint, take, |there| reply_by(there, me, thread, body)).await
    }

    /// Opens a thread directly, once.
    pub(super) async fn open_thread(
        &self,
        target: Target,
        refs: &DiffRefs,
        me: &Person,
        rung: &Rung,
        marker: &str,
    ) -> Result<Thread, GitlabError> {
        let endpoint = endpoints::create_thread(target, &rung.body, &endpoints::position(refs, &rung.place));
        let find = |there: &[Thread]| thread_by(there, me, marker).cloned();
        let thread: Thread = self.post(target, &format!("open a thread on {target}"), &endpoint, wire::Discussion::thread, find).await?;
        if thread.notes.first().is_some_and(|note| note.place.is_none()) {
            tracing::warn!(thread = thread.id, "GitLab took a thread without its place");
        }
        Ok(thread)
    }

    /// Posts what `find` recognises among the threads; an answer that `take` can make nothing of counts as none.
    async fn post<W: DeserializeOwned + Send + 'static, T>(
        &self,
        target: Target,
        what: &str,
        endpoint: &(impl Endpoint + Sync),
        take: impl Fn(W) -> Option<T>,
        find: impl Fn(&[Thread]) -> Option<T>,
    ) -> Result<T, GitlabError> {
        let mut attempts = 0;
        loop {
            let error = match self.ask::<W>(what, endpoint).await.map(&take) {
                Ok(Some(taken)) => return Ok(taken),
                Ok(None) => GitlabError::new(what, GitlabErrorKind::UnknownOutcome, "the answer holds nothing"),
                Err(error) if is_unknown(error.kind()) => error,
                Err(error) => return Err(error),
            };
            attempts += 1;
            // Without a look there is no second attempt.
            let Ok(threads) = self.threads(target).await else { return Err(error.with_kind(GitlabErrorKind::UnknownOutcome)) };
            match find(&threads) {
                Some(found) => return Ok(found),
                // It was looked for and is not there.
                None if attempts >= ATTEMPTS => return Err(error.with_kind(GitlabErrorKind::Unavailable)),
                None => {}
            }
        }
    }

    /// Drafts a thread, once.
    pub(super) async fn draft(&self, target: Target, refs: &DiffRefs, rung: &Rung, marker: &str) -> Result<(), GitlabError> {
        let what = format!("draft a thread on {target}");
        let endpoint = endpoints::create_draft(target, &rung.body, &endpoints::position(refs, &rung.place));
        let mut attempts = 0;
        loop {
            let error = match self.ask::<wire::DraftWire>(&what, &endpoint).await {
                Ok(_) => return Ok(()),
                Err(error) if is_unknown(error.kind()) => error,
                Err(error) => return Err(error),
            };
            attempts += 1;
            let Ok(drafts) = self.own_drafts(target).await else { return Err(error.with_kind(GitlabErrorKind::UnknownOutcome)) };
            if drafts.iter().any(|draft| draft.body.contains(marker)) {
                return Ok(());
            }
            if attempts >= ATTEMPTS {
                return Err(error.with_kind(GitlabErrorKind::Unavailable));
            }
        }
    }

    /// Deletes a draft; one that is gone is fine.
    pub(super) async fn delete_draft(&self, target: Target, draft: u64) -> Result<(), GitlabError> {
        match self.tell(&format!("delete a draft on {target}"), &endpoints::delete_draft(target, draft)).await {
            Err(error) if *error.kind() == GitlabErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }

    /// Publishes all drafts of the user, and with them a summary (19.2 and later). What came of it is not known until the threads are read.
    pub(super) async fn publish(&self, target: Target, summary: Option<&str>) -> Result<(), GitlabError> {
        self.tell(&format!("publish the threads on {target}"), &endpoints::publish(target, summary, None)).await
    }

    /// Replaces the text of a note.
    pub(super) async fn edit_note(&self, target: Target, note: u64, body: &str) -> Result<(), GitlabError> {
        let endpoint = EditMergeRequestNote::builder().project(target.project).merge_request(target.iid).note(note).body(body).build();
        self.tell(&format!("edit note {note} of {target}"), &endpoint.expect(COMPLETE)).await
    }

    /// Resolves a thread, or opens it again.
    pub(super) async fn set_resolved(&self, target: Target, thread: &str, resolved: Wanted) -> Result<(), GitlabError> {
        let (word, value) = match resolved {
            Wanted::Yes => ("resolve", true),
            Wanted::No => ("open again", false),
        };
        self.tell(&format!("{word} a thread of {target}"), &endpoints::set_resolved(target, thread, value)).await
    }

    /// Approves a head. `Superseded` if the merge request has another one.
    pub(super) async fn approve(&self, target: Target, me: &Person, head: &CommitId) -> Result<(), GitlabError> {
        let endpoint = ApproveMergeRequest::builder().project(target.project).merge_request(target.iid).sha(head.as_str()).build();
        let (what, endpoint) = (format!("approve {target}"), endpoint.expect(COMPLETE));
        let mut attempts = 0;
        loop {
            let Err(error) = self.tell(&what, &endpoint).await else { return Ok(()) };
            attempts += 1;
            if *error.kind() == GitlabErrorKind::Conflict {
                return Err(error.with_kind(GitlabErrorKind::Superseded));
            }
            // 401 is GitLab's answer to one who has approved already, and to one who may not: the token is fine.
            let refused = *error.kind() == GitlabErrorKind::Unauthorized;
            if !refused && *error.kind() != GitlabErrorKind::UnknownOutcome {
                return Err(error);
            }
            if self.approved(target, me).await? {
                return Ok(());
            }
            if refused {
                return Err(error.with_kind(GitlabErrorKind::Forbidden));
            }
            if attempts >= ATTEMPTS {
                return Err(error.with_kind(GitlabErrorKind::Unavailable));
            }
        }
    }

    /// Takes an approval back; one that is not there is fine.
    pub(super) async fn unapprove(&self, target: Target, me: &Person) -> Result<(), GitlabError> {
        let endpoint = UnapproveMergeRequest::builder().project(target.project).merge_request(target.iid).build().expect(COMPLETE);
        let what = format!("take the approval of {target} back");
        let mut attempts = 0;
        loop {
            let Err(error) = self.tell(&what, &endpoint).await else { return Ok(()) };
            attempts += 1;
            let unclear = *error.kind() == GitlabErrorKind::UnknownOutcome;
            if !unclear && *error.kind() != GitlabErrorKind::NotFound {
                return Err(error);
            }
            if !self.approved(target, me).await? {
                return Ok(());
            }
            if !unclear || attempts >= ATTEMPTS {
                return Err(error);
            }
        }
    }

    /// Requests changes, or takes an earlier request back, and looks whether it is so.
    ///
    /// GitLab keeps the request of one who is no reviewer as well, but shows it nowhere: nobody could see that it is to be taken back, and it would
    /// block for ever. So none is made.
    pub(super) async fn request_changes(
        &self,
        target: Target,
        me: &Person,
        version: ServerVersion,
        publishing: Publishing,
        wanted: Wanted,
    ) -> Result<(), GitlabError> {
        let (what, state) = match wanted {
            Wanted::Yes => (format!("request changes of {target}"), "requested_changes"),
            Wanted::No => (format!("take the request for changes of {target} back"), "reviewed"),
        };
        if !version.requests_changes() {
            let needs = ServerVersion::REQUESTS_CHANGES;
            return Err(GitlabError::new(what, GitlabErrorKind::TooOld { needs }, format!("GitLab {version} has no requests for changes")));
        }
        if wanted == Wanted::Yes && self.requests_changes(target, me).await?.is_none() {
            return Err(GitlabError::new(what, GitlabErrorKind::NoReviewer, "the bot's user is no reviewer of the merge request"));
        }
        let outcome = match publishing {
            Publishing::Batch if version >= ServerVersion::WHOLE_REVIEWS => {
                self.tell(&what, &endpoints::publish(target, None, Some(state))).await
            }
            Publishing::Batch | Publishing::OneByOne => self.request_by_mutation(target, &what, wanted).await,
        };
        match outcome {
            Err(error) if !is_unknown(error.kind()) => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let stands = self.requests_changes(target, me).await? == Some(true);
        match (wanted, outcome) {
            (Wanted::Yes, _) if stands => Ok(()),
            (Wanted::No, _) if !stands => Ok(()),
            (Wanted::Yes | Wanted::No, Err(error)) => Err(error),
            (Wanted::Yes | Wanted::No, Ok(())) => Err(GitlabError::new(what, GitlabErrorKind::Forbidden, "GitLab took it and did nothing")),
        }
    }

    async fn request_by_mutation(&self, target: Target, what: &str, wanted: Wanted) -> Result<(), GitlabError> {
        let Some(url) = &self.reach.graphql else {
            let said = "the address of GraphQL is not known (CI_API_GRAPHQL_URL)";
            return Err(GitlabError::new(what, GitlabErrorKind::NotGitlab, said));
        };
        let mutation = match wanted {
            Wanted::Yes => "mergeRequestRequestChanges",
            Wanted::No => "mergeRequestDestroyRequestedChanges",
        };
        let query = format!("mutation($p: ID!, $i: String!) {{ {mutation}(input: {{ projectPath: $p, iid: $i }}) {{ errors }} }}");
        let path = self.project(target.project).await?.path;
        let body = json!({ "query": query, "variables": { "p": path, "i": target.iid.to_string() } });
        let request = Request::post(url.as_str()).header(CONTENT_TYPE, "application/json").body(body.to_string().into_bytes());
        let response = self.way(MAX_ANSWER_BYTES).send(request.expect("a URL is a URI")).await.map_err(|fault| fault.at(what))?;
        let answer: wire::Mutation =
            serde_json::from_slice(response.body()).map_err(|_| fault::not_json(response.status(), response.body()).at(what))?;
        // GraphQL says no with 200.
        answer.complaint().map_or(Ok(()), |said| Err(GitlabError::new(what, GitlabErrorKind::Forbidden, fault::line(&said))))
    }

    /// Sends a request whose answer says nothing that is needed.
    async fn tell(&self, what: &str, endpoint: &(impl Endpoint + Sync)) -> Result<(), GitlabError> {
        ignore(endpoint).query_async(&self.way(MAX_ANSWER_BYTES)).await.map_err(|error| fault::of_library(error).at(what))
    }
}
