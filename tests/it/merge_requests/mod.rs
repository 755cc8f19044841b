//! `assize review` in the pipeline of a merge request, against a GitLab that enforces the real rules.

mod asked;
mod chaos;
mod edges;
mod figures;
mod first_round;
mod forks;
mod histories;
mod hostile;
mod killed;
mod later;
mod lively;
mod memory;
mod moves;
mod network;
mod people;
mod pipelines;
mod places;
mod policy;
mod published;
mod races;
mod rounds;
mod said;
mod speed;
mod table;
mod tokens;
mod weather;

use std::time::Duration;

use assize::commands::Pace;
use assize::env::{Env, Io};
use assize::exit::Exit;
use assize::gitlab::{DiffWait, Retry};

use crate::gitlab::{Depth, Edit, GitLab, Job, Mr, Options, Person, Pipeline, Project, Role, Scope};

/// A file that is fine.
const ORDERS: &str =
    "\"\"\"Orders.\"\"\"\n\n\ndef find(db, customer):\n    return db.execute(\"SELECT * FROM orders WHERE customer = ?\", (customer,))\n";
/// The same with a statement that is put together from strings.
const INJECTED: &str = "\"\"\"Orders.\"\"\"\n\n\ndef find(db, customer, sort):\n    return db.execute(f\"SELECT * FROM orders WHERE customer = ? ORDER BY {sort}\", (customer,))\n";

/// Asks again as often as is needed to see that it is done, and loses no time.
fn quick() -> Pace {
    let moment = Duration::from_millis(1);
    Pace {
        gitlab: Retry { attempts: 3, base: moment, cap: moment, limited: moment, longest: Duration::from_mins(2) },
        diff: DiffWait { attempts: 3, pause: moment },
        models: assize::model::Retry { attempts: 3, base: moment, cap: moment },
    }
}

/// A configuration that adds the team's own rule: every added line that holds the word BUG is important.
pub(super) const CONFIG: &str = "version: 1\ncodex: { sources: [builtin, { path: .assize/codex }] }\n";
/// That rule.
pub(super) const BUG_RULE: &str = "---\nid: ACME-0001\ntitle: Do not ship a known bug\nseverity: important\nreviewer: quality\nstatus: active\ndetect:\n  - regex: '\\bBUG\\b'\n---\nDo not merge a line that is known to be wrong.\n\n## Why\nIt is wrong.\n\n## Bad\n```text\nBUG\n```\n\n## Good\n```text\nfine\n```\n";

/// Lines of a configuration: this model server answers every class.
pub(super) fn models_at(url: &str) -> String {
    format!(
        "providers: {{ acme: {{ kind: openai, base_url: {url}/v1 }} }}\nmodels: {{ top: [acme/m], standard: [acme/m], light: [acme/m] }}\n"
    )
}

/// Lines of a configuration: the models of [`models_at`], of which one reviewer reads every change that touches no sensitive path.
pub(super) fn one_reviewer(url: &str) -> String {
    let others =
        ["security", "quality", "codex", "docs", "performance", "release", "agents-md"].map(|name| format!("{name}: {{ enabled: false }}"));
    let bound = "{ max_lines: 90000, max_files: 900 }";
    format!("{}reviewers: {{ {} }}\ntiers: {{ trivial: {bound}, lite: {bound} }}\n", models_at(url), others.join(", "))
}

/// So many lines of a text, one of which may be something else.
pub(super) fn lines(count: usize, other: &[(usize, &str)]) -> String {
    let line =
        |number: usize| other.iter().find(|(at, _)| *at == number).map_or_else(|| format!("line {number}"), |(_, text)| (*text).to_owned());
    (1..=count).map(|number| line(number) + "\n").collect()
}

/// A project with a merge request, people and a bot.
pub(super) struct Shop {
    pub(super) gitlab: GitLab,
    pub(super) project: Project,
    pub(super) author: Person,
    pub(super) reviewer: Person,
    pub(super) bot: Person,
    pub(super) mr: Mr,
    token: String,
}

/// How a run of the program ended.
pub(super) struct Ran {
    pub(super) exit: Exit,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// The folder that it ran in, with what it left there.
    pub(super) job: Job,
}

impl Ran {
    /// Returns how many requests GitLab got since they were last forgotten.
    #[expect(clippy::unused_self, reason = "it reads as the question that it is")]
    pub(super) fn calls(&self, shop: &Shop) -> usize {
        shop.gitlab.calls().len()
    }
}

impl Shop {
    pub(super) async fn new(edit: impl Into<Edit>) -> Self {
        Self::on(Options::default(), [("shop/orders.py", ORDERS)], edit).await
    }

    pub(super) async fn on(options: Options, base: impl Into<Edit>, edit: impl Into<Edit>) -> Self {
        let gitlab = GitLab::start_with(options).await;
        let project = gitlab.project("acme/shop");
        project.commit(base);
        let author = project.member("ada", Role::Developer);
        let reviewer = project.member("mira", Role::Maintainer);
        let bot = project.bot("assize", Role::Developer);
        let token = project.token(&bot, Scope::Api);
        let mr = project.merge_request(&author, edit);
        Self { gitlab, project, author, reviewer, bot, mr, token }
    }

    /// A project with the team's own rule and one text of 40 lines.
    pub(super) async fn with_rule(edit: impl Into<Edit>) -> Self {
        Self::with_rule_on(Options::default(), edit).await
    }

    pub(super) async fn with_rule_on(options: Options, edit: impl Into<Edit>) -> Self {
        let base = Edit::new()
            .write(".assize.yml", CONFIG)
            .write(".assize/codex/ACME-0001-bug.md", BUG_RULE)
            .write("notes.txt", lines(40, &[]))
            .write("old.txt", lines(30, &[(7, "old text")]));
        Self::on(options, base, edit).await
    }

    /// Returns the places of all threads, with whether they are resolved.
    pub(super) fn places(&self) -> Vec<String> {
        let place = |thread: crate::gitlab::ThreadView| if thread.resolved { format!("{} resolved", thread.place) } else { thread.place };
        self.mr.threads().into_iter().map(place).collect()
    }

    /// What must hold whatever happened: no quick action ran, and no draft was left behind.
    pub(super) fn is_clean(&self) {
        assert_eq!((self.gitlab.executed().len(), self.mr.drafts()), (0, 0), "{}", self.mr.posted());
    }

    /// Returns the text of the summary.
    pub(super) fn summary(&self) -> String {
        self.mr.summary().map(|note| note.body).unwrap_or_default()
    }

    /// Runs the job of the newest head.
    pub(super) async fn run(&self) -> Ran {
        self.run_job(self.mr.job(Pipeline::Detached, Depth::Full), &[]).await
    }

    /// Runs the job of the newest head with a gate.
    pub(super) async fn run_gated(&self, fail_on: &str) -> Ran {
        self.run_job(self.mr.job(Pipeline::Detached, Depth::Full), &["--fail-on", fail_on]).await
    }

    pub(super) async fn run_job(&self, job: Job, args: &[&str]) -> Ran {
        run(self.with_token(job), args).await
    }

    /// Returns a job with the bot's token.
    pub(super) fn with_token(&self, job: Job) -> Job {
        job.with("ASSIZE_GITLAB_TOKEN", &self.token)
    }
}

/// Runs `assize review` as a job.
pub(super) async fn run(job: Job, args: &[&str]) -> Ran {
    command(job, "review", args).await
}

/// Runs a command as a job.
pub(super) async fn command(job: Job, name: &str, args: &[&str]) -> Ran {
    let args: Vec<String> = [name].iter().chain(args).map(|arg| (*arg).to_owned()).collect();
    // The program makes a runtime of its own.
    tokio::task::spawn_blocking(move || run_here(job, args)).await.expect("the run does not panic")
}

/// Runs a command as a job on this thread, which must not be one of a runtime.
pub(super) fn run_here(job: Job, args: Vec<String>) -> Ran {
    let (stdout, stderr) = (Shared::default(), Shared::default());
    let env = Env { vars: job.vars.clone(), cwd: job.path().to_owned(), started_unix: 1_795_000_000, ..Env::default() };
    let mut io = Io { stdin: Box::new(std::io::empty()), stdout: Box::new(stdout.clone()), stderr: Box::new(stderr.clone()) };
    let args = ["assize".to_owned()].into_iter().chain(args).map(Into::into);
    let exit = assize::run_at(quick(), args, &env, &mut io);
    Ran { exit, stdout: stdout.text(), stderr: stderr.text(), job }
}

/// A stream that several hold.
#[derive(Clone, Default)]
struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no writer panics")).into_owned()
    }
}

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
