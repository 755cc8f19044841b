//! A GitLab for tests: real sockets, real git, and the rules by which the real one accepts, refuses, moves, loses and mails.
//!
//! State comes first (`world` and the files of its rules), HTTP second (`routes`, `http`). Tests set it up and look at it through the
//! handles in `people` and `job`. What is not documented of GitLab is not invented here: unknown calls answer 404.

mod access;
mod drafts;
mod entities;
mod fault;
mod git;
mod http;
mod job;
mod lines;
mod notes;
mod params;
mod people;
mod posted;
mod pushes;
mod quick;
mod repository;
mod routes;
mod votes;
mod world;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use fault::Fault;
use fault::{Death, Effect, Rule};
pub(crate) use git::Edit;
pub(crate) use job::{Depth, Job, Pipeline};
pub(crate) use people::{Mr, Person, Place, Project};
pub(crate) use posted::{NoteView, ThreadView};
use world::World;
pub(crate) use world::{Executed, Mail, Role, Scope, Setting};

/// How an instance is set up.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// As `GET /metadata` tells it.
    pub(crate) version: String,
    /// Premium: requests for changes block.
    pub(crate) premium: bool,
    /// Path below which the instance lies, e.g. `/gitlab`; empty at the root.
    pub(crate) prefix: String,
    /// Comments that a merge request may have.
    pub(crate) notes_limit: usize,
    /// Bytes of one file's patch above which it is too large.
    pub(crate) patch_limit: usize,
    /// Bytes of one file's patch above which it is collapsed.
    pub(crate) collapse_above: Option<usize>,
    /// Files that a diff lists.
    pub(crate) file_limit: usize,
    /// Paths that are marked as generated.
    pub(crate) generated: Vec<String>,
    /// How long every answer takes.
    pub(crate) latency: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: "19.5.0-ee".to_owned(),
            premium: true,
            prefix: String::new(),
            notes_limit: 5000,
            patch_limit: 200 << 10,
            collapse_above: None,
            file_limit: 1000,
            generated: Vec::new(),
            latency: Duration::ZERO,
        }
    }
}

/// A running instance; it ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct GitLab {
    shared: Arc<Shared>,
}

/// A request as it arrived, and what was answered.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Its method.
    pub(crate) method: String,
    /// Its path behind the prefix, not decoded.
    pub(crate) path: String,
    /// Its query.
    pub(crate) query: String,
    /// Its body, of a form too; null where there is none.
    pub(crate) body: Value,
    /// Its headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The status of the answer; 0 when none was given.
    pub(crate) status: u16,
    /// The body of the answer; null where it is no JSON.
    pub(crate) answer: Value,
}

impl Call {
    /// Returns method and path with numbers and IDs left out, e.g. `POST draft_notes/bulk_publish`, and the status.
    pub(crate) fn line(&self) -> String {
        let mut parts = self.path.trim_start_matches("/api/v4/").split('/').collect::<Vec<_>>();
        if parts.first() == Some(&"projects") {
            parts.drain(..parts.len().min(2));
        }
        if parts.first() == Some(&"merge_requests") && parts.len() > 2 {
            parts.drain(..2);
        }
        let name = |part: &str| if part.bytes().any(|byte| byte.is_ascii_digit()) { "*".to_owned() } else { part.to_owned() };
        let path: Vec<String> = parts.into_iter().map(name).collect();
        format!("{} {} {}", self.method, path.join("/"), self.status)
    }
}

struct Shared {
    world: Mutex<World>,
    traffic: Mutex<Traffic>,
    /// Holds the repositories.
    dir: TempDir,
}

#[derive(Default)]
struct Traffic {
    calls: Vec<Call>,
    rules: Vec<Rule>,
    death: Option<Death>,
    storm: Option<Storm>,
}

/// Decides for each request by itself whether it goes wrong, and how.
type Storm = Box<dyn FnMut() -> Option<Fault> + Send>;

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("nobody panics while holding the world")
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().expect("nobody panics while holding the traffic")
    }
}

impl GitLab {
    /// Starts an instance of a current version.
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Starts an instance.
    pub(crate) async fn start_with(options: Options) -> Self {
        Self::start_on("127.0.0.1:0", options).await
    }

    /// Starts an instance on an address of one's choice.
    pub(crate) async fn start_on(address: &str, options: Options) -> Self {
        let listener = tokio::net::TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let url = format!("http://{address}{}", options.prefix);
        let dir = TempDir::new().expect("a temporary folder");
        let shared = Arc::new(Shared { world: Mutex::new(World::new(options, url)), traffic: Mutex::default(), dir });
        tokio::spawn(http::serve(listener, Arc::clone(&shared)));
        Self { shared }
    }

    /// Returns the address of the instance, e.g. `http://127.0.0.1:4711/gitlab`.
    pub(crate) fn url(&self) -> String {
        self.shared.world().url.clone()
    }

    /// Returns the address of the API, as `CI_API_V4_URL` has it.
    pub(crate) fn api(&self) -> String {
        format!("{}/api/v4", self.url())
    }

    /// Makes a project with a branch `main` that holds one file, `README.md`.
    pub(crate) fn project(&self, path: &str) -> Project {
        Project::create(&self.shared, path)
    }

    /// Returns all requests so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.traffic().calls.clone()
    }

    /// Returns one line for each request so far; see [`Call::line`].
    pub(crate) fn lines(&self) -> Vec<String> {
        self.calls().iter().map(Call::line).collect()
    }

    /// Forgets the requests so far.
    pub(crate) fn forget_calls(&self) {
        self.shared.traffic().calls.clear();
    }

    /// Returns all mails so far.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.shared.world().mails.clone()
    }

    /// Returns what one user's doings mailed so far.
    pub(crate) fn mails_by(&self, username: &str) -> Vec<String> {
        self.mails().into_iter().filter(|mail| mail.by == username).map(|mail| mail.about).collect()
    }

    /// Returns the quick actions that ran: none, in every story.
    pub(crate) fn executed(&self) -> Vec<Executed> {
        self.shared.world().executed.clone()
    }

    /// Names requests that shall meet something. The pattern is held against the end of the path, a star is one segment:
    /// `draft_notes/*/publish`. Without more, the next such request is meant.
    pub(crate) fn on(&self, method: &str, pattern: &str) -> When {
        When { shared: Arc::clone(&self.shared), method: method.to_owned(), pattern: pattern.to_owned(), first: 1, count: 1 }
    }

    /// Asks at each request whether it goes wrong, and how.
    pub(crate) fn storms(&self, storm: impl FnMut() -> Option<Fault> + Send + 'static) {
        self.shared.traffic().storm = Some(Box::new(storm));
    }

    /// Takes all faults back.
    pub(crate) fn heal(&self) {
        let mut traffic = self.shared.traffic();
        traffic.rules.clear();
        traffic.storm = None;
    }

    /// Drops every connection from the request on that comes after `answered` more.
    pub(crate) fn dies_after(&self, answered: usize) {
        self.shared.traffic().death = Some(Death { left: answered, done: false });
    }

    /// Drops every connection like [`GitLab::dies_after`], but the first of them is done: only its answer is lost.
    pub(crate) fn dies_in_answer_after(&self, answered: usize) {
        self.shared.traffic().death = Some(Death { left: answered, done: true });
    }

    /// Answers again.
    pub(crate) fn revive(&self) {
        self.shared.traffic().death = None;
    }
}

/// Requests that shall meet something.
#[must_use]
pub(crate) struct When {
    shared: Arc<Shared>,
    method: String,
    pattern: String,
    first: usize,
    count: usize,
}

impl When {
    /// Means the nth of these requests from now on, counted from one.
    pub(crate) fn nth(self, first: usize) -> Self {
        Self { first, ..self }
    }

    /// Means so many in a row.
    pub(crate) fn times(self, count: usize) -> Self {
        Self { count, ..self }
    }

    /// Means all of them.
    pub(crate) fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// Lets them fail.
    pub(crate) fn fails(self, fault: Fault) {
        self.meets(Effect::Fault(fault));
    }

    /// Does something just before the first of them is looked at.
    pub(crate) fn comes_after(self, act: impl FnOnce() + Send + 'static) {
        self.meets(Effect::Hook(Some(Box::new(act))));
    }

    fn meets(self, effect: Effect) {
        let Self { shared, method, pattern, first, count } = self;
        shared.traffic().rules.push(Rule { method, pattern, first, count, seen: 0, effect });
    }
}
