//! A small GitLab with the rules that `apply` lives by: drafts, batches that drop what is invalid, failures before and after storing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::gitlab::tests::{Answer, Seen, Server, commit, gitlab};
use crate::gitlab::{Applied, Gitlab, Publishing, ServerVersion, Site, apply};
use crate::round::{Action, DiffRefs, Person};

/// When a request fails with 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fails {
    /// Nothing was done.
    Before,
    /// It was done, and a note was stored.
    After,
    /// A batch, half of which was published, with its drafts still there.
    Between,
}

/// What it holds, and how it behaves.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) discussions: Vec<Value>,
    pub(super) drafts: Vec<(u64, String, Value)>,
    pub(super) approved: bool,
    pub(super) reviewing: String,
    pub(super) numbers: u64,
    /// `text`, `range` or `file`: kinds of places that are refused when a draft or thread is made.
    pub(super) refused: Vec<&'static str>,
    /// The same, dropped without a word when a batch is published.
    pub(super) dropped: Vec<&'static str>,
    /// Before 19.2: what goes with a batch is ignored.
    pub(super) ignores_summaries: bool,
    /// The bot is no reviewer: its state stays.
    pub(super) ignores_states: bool,
    /// Answers to all requests whose line ends so.
    pub(super) answers: Vec<(&'static str, Answer)>,
    /// Failures by request line and how many of these came before.
    pub(super) failures: BTreeMap<(String, usize), Fails>,
    pub(super) counts: BTreeMap<String, usize>,
    pub(super) head: Option<char>,
}

/// What a request does, and what it is answered.
fn kind(position: &Value) -> &'static str {
    match (position["position_type"].as_str(), position.get("line_range")) {
        (Some("file"), _) => "file",
        (_, Some(_)) => "range",
        _ => "text",
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn note(&mut self, body: &str, position: &Value) -> Value {
        let author = json!({ "id": 9001, "username": "bot" });
        json!({ "id": self.number(), "type": "DiffNote", "body": body, "author": author, "created_at": "t", "updated_at": "t",
            "resolvable": true, "resolved": false, "position": position })
    }

    pub(super) fn discuss(&mut self, body: &str, position: &Value) -> Value {
        let note = self.note(body, position);
        let id = format!("{:040}", note["id"].as_u64().unwrap());
        let discussion = json!({ "id": id, "individual_note": position.is_null(), "notes": [note] });
        self.discussions.push(discussion.clone());
        discussion
    }

    fn publish(&mut self, body: &Value, half: bool) {
        let drafts = self.drafts.clone();
        let count = if half { drafts.len() / 2 } else { drafts.len() };
        for (_, body, position) in drafts.into_iter().take(count) {
            if !self.dropped.contains(&kind(&position)) {
                self.discuss(&body, &position);
            }
        }
        if half {
            return;
        }
        self.drafts.clear();
        if let (Some(state), false) = (body["reviewer_state"].as_str(), self.ignores_states) {
            state.clone_into(&mut self.reviewing);
        }
        if let (Some(note), false) = (body["note"].as_str(), self.ignores_summaries) {
            self.discuss(note, &Value::Null);
        }
    }

    fn answer(&mut self, seen: &Seen) -> Answer {
        let line = seen.line.split('?').next().unwrap().replace("projects/42/merge_requests/5", "!5");
        let count = self.counts.entry(line.clone()).or_default();
        *count += 1;
        let failure = self.failures.get(&(line.clone(), *count)).copied();
        if let Some((_, answer)) = self.answers.iter().find(|(end, _)| line.ends_with(end)) {
            return answer.clone();
        }
        let broken = Answer::json(500, &json!({ "message": "500 Internal Server Error" }));
        match failure {
            Some(Fails::Before) => broken,
            Some(Fails::Between) => {
                self.publish(&Value::Null, true);
                broken
            }
            Some(Fails::After) => {
                self.does(seen, &line);
                broken
            }
            None => self.does(seen, &line),
        }
    }

    fn does(&mut self, seen: &Seen, line: &str) -> Answer {
        let ok = |body: &Value| Answer::json(200, body);
        let refused = || Answer::json(400, &json!({ "message": r#"400 Bad request - Note {:line_code=>["can't be blank"]}"# }));
        let parts: Vec<&str> = line.split(['/', ' ']).collect();
        match parts.as_slice() {
            ["GET", "!5"] => {
                let head = commit(self.head.unwrap_or('a'));
                let refs = json!({ "base_sha": commit('b').as_str(), "start_sha": commit('c').as_str(), "head_sha": head.as_str() });
                ok(&crate::gitlab::tests::request(&json!({ "diff_refs": refs })))
            }
            ["GET", "user"] => ok(&json!({ "id": 9001, "username": "bot" })),
            ["GET", "metadata"] => ok(&json!({ "version": "19.5.0-ee" })),
            ["GET", "!5", "discussions"] => ok(&self.discussions.clone().into()),
            ["GET", "!5", "draft_notes"] => {
                ok(&self.drafts.iter().map(|(id, note, position)| json!({ "id": id, "note": note, "position": position })).collect())
            }
            ["POST", "!5", "draft_notes"] => {
                let body = seen.json();
                if self.refused.contains(&kind(&body["position"])) {
                    return refused();
                }
                let id = self.number();
                self.drafts.push((id, body["note"].as_str().unwrap().to_owned(), body["position"].clone()));
                Answer::json(201, &json!({ "id": id, "note": body["note"] }))
            }
            ["POST", "!5", "draft_notes", "bulk_publish"] => {
                self.publish(&seen.json(), false);
                Answer::text(204, "text/plain", "")
            }
            ["DELETE", "!5", "draft_notes", id] => {
                self.drafts.retain(|draft| draft.0.to_string() != *id);
                Answer::text(204, "text/plain", "")
            }
            ["POST", "!5", "discussions"] => {
                let body = seen.json();
                if self.refused.contains(&kind(&body["position"])) {
                    return refused();
                }
                let discussion = self.discuss(body["body"].as_str().unwrap(), &body["position"]);
                Answer::json(201, &discussion)
            }
            ["POST", "!5", "notes"] => {
                let discussion = self.discuss(&seen.form("body").unwrap(), &Value::Null);
                Answer::json(201, &discussion["notes"][0])
            }
            ["PUT", "!5", "notes", id] => {
                let body = seen.form("body").unwrap();
                let notes = self.discussions.iter_mut().map(|discussion| &mut discussion["notes"][0]);
                let note = notes.into_iter().find(|note| note["id"].as_u64() == id.parse().ok()).unwrap();
                note["body"] = body.into();
                ok(note)
            }
            ["POST", "!5", "discussions", id, "notes"] => {
                let note = self.note(seen.json()["body"].as_str().unwrap(), &Value::Null);
                let discussion = self.discussions.iter_mut().find(|discussion| discussion["id"] == *id).unwrap();
                discussion["notes"].as_array_mut().unwrap().push(note.clone());
                Answer::json(201, &note)
            }
            ["PUT", "!5", "discussions", id] => {
                let discussion = self.discussions.iter_mut().find(|discussion| discussion["id"] == *id).unwrap();
                discussion["notes"][0]["resolved"] = seen.json()["resolved"].clone();
                ok(discussion)
            }
            ["POST", "!5", "approve"] => {
                if seen.form("sha").unwrap() != commit(self.head.unwrap_or('a')).as_str() {
                    return Answer::json(409, &json!({ "message": "SHA does not match HEAD of source branch: eeee" }));
                }
                if self.approved {
                    return Answer::json(401, &json!({ "message": "401 Unauthorized" }));
                }
                self.approved = true;
                Answer::json(201, &json!({}))
            }
            ["POST", "!5", "unapprove"] => {
                let status = if self.approved { 201 } else { 404 };
                self.approved = false;
                Answer::json(status, &json!({ "message": "404 Not Found" }))
            }
            ["GET", "!5", "approvals"] => {
                let by = if self.approved { json!([{ "user": { "id": 9001, "username": "bot" } }]) } else { json!([]) };
                ok(&json!({ "approved_by": by }))
            }
            ["GET", "!5", "reviewers"] => ok(&json!([{ "user": { "id": 9001, "username": "bot" }, "state": self.reviewing }])),
            ["GET", "projects", "42"] => ok(&json!({ "id": 42, "path_with_namespace": "acme/app", "web_url": "w" })),
            ["POST", "", "api", "graphql"] => {
                let asked = seen.json();
                assert_eq!(asked["variables"], json!({ "p": "acme/app", "i": "5" }));
                let requests = asked["query"].as_str().unwrap().contains("mergeRequestRequestChanges(");
                if !self.ignores_states {
                    self.reviewing = if requests { "requested_changes" } else { "unreviewed" }.to_owned();
                }
                ok(&json!({ "data": { "mergeRequestRequestChanges": { "errors": [] } } }))
            }
            _ => panic!("nobody asks for {line}"),
        }
    }
}

/// A GitLab with one merge request.
pub(super) struct Toy {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) server: Server,
    pub(super) gitlab: Gitlab,
    refs: DiffRefs,
    me: Person,
    pub(super) version: ServerVersion,
    pub(super) publishing: Publishing,
}

impl Toy {
    pub(super) async fn new(state: State) -> Self {
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let server = Server::start(move |seen| shared.lock().unwrap().answer(seen)).await;
        Self {
            state,
            gitlab: gitlab(&server),
            server,
            refs: crate::gitlab::tests::refs(),
            me: crate::gitlab::tests::me(),
            version: ServerVersion { major: 19, minor: 2 },
            publishing: Publishing::Batch,
        }
    }

    pub(super) async fn apply(&self, actions: &[Action]) -> Applied {
        let Self { refs, me, version, publishing, .. } = self;
        let target = crate::gitlab::tests::TARGET;
        apply(&self.gitlab, &Site { target, refs, me, version: *version, publishing: *publishing }, actions).await
    }

    /// What was asked, in short.
    pub(super) fn lines(&self) -> Vec<String> {
        let short = |line: String| line.replace("projects/42/merge_requests/5", "!5").replace("?per_page=100", "");
        self.server.lines().into_iter().map(short).collect()
    }

    /// The drafts that are there.
    pub(super) fn drafts(&self) -> usize {
        self.state.lock().unwrap().drafts.len()
    }

    /// The first words of all notes, replies included.
    pub(super) fn words(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let notes = state.discussions.iter().flat_map(|discussion| discussion["notes"].as_array().unwrap());
        notes.map(|note| note["body"].as_str().unwrap().lines().next().unwrap().to_owned()).collect()
    }

    /// The threads and notes that are there: kind of place and first line of the first note.
    pub(super) fn posted(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let told = |discussion: &Value| {
            let note = &discussion["notes"][0];
            let place = if note["position"].is_null() { "note" } else { kind(&note["position"]) };
            format!("{place} {}", note["body"].as_str().unwrap().lines().next().unwrap())
        };
        state.discussions.iter().map(told).collect()
    }
}
