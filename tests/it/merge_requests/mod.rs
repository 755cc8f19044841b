//! `assize review` in the pipeline of a merge request, against a GitLab that enforces the real rules.

mod first_round;
mod forks;
mod rounds;

use assize::env::{Env, Io};
use assize::exit::Exit;

use crate::gitlab::{Depth, Edit, GitLab, Job, Mr, Options, Person, Pipeline, Role, Scope};

/// A file that is fine.
const ORDERS: &str =
    "\"\"\"Orders.\"\"\"\n\n\ndef find(db, customer):\n    return db.execute(\"SELECT * FROM orders WHERE customer = ?\", (customer,))\n";
/// The same with a statement that is put together from strings.
const INJECTED: &str = "\"\"\"Orders.\"\"\"\n\n\ndef find(db, customer, sort):\n    return db.execute(f\"SELECT * FROM orders WHERE customer = ? ORDER BY {sort}\", (customer,))\n";

/// A project with a merge request, people and a bot.
pub(super) struct Shop {
    pub(super) gitlab: GitLab,
    pub(super) author: Person,
    pub(super) reviewer: Person,
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
        Self { gitlab, author, reviewer, mr, token }
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
        let job = job.with("ASSIZE_GITLAB_TOKEN", &self.token);
        run(job, args).await
    }
}

/// Runs `assize review` as a job.
pub(super) async fn run(job: Job, args: &[&str]) -> Ran {
    let (stdout, stderr) = (Shared::default(), Shared::default());
    let env = Env { vars: job.vars.clone(), cwd: job.path().to_owned(), started_unix: 1_795_000_000, ..Env::default() };
    let mut io = Io { stdin: Box::new(std::io::empty()), stdout: Box::new(stdout.clone()), stderr: Box::new(stderr.clone()) };
    let args: Vec<std::ffi::OsString> = ["assize", "review"].iter().chain(args).map(Into::into).collect();
    // The program makes a runtime of its own.
    let exit = tokio::task::spawn_blocking(move || assize::run(args, &env, &mut io)).await.expect("the run does not panic");
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
