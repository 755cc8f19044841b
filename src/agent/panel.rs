//! The panel: all reviewers over all groups at once, the first of each (model, group) ahead so that the others find its prefix in the provider's
//! cache. Results come back in roster order whatever finishes first; one failure cancels nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::desk::Desk;
use super::reading::{self, Read, Submit, Task, total};
use super::tools::tool_specs;
use crate::change::RepoPath;
use crate::model::{Ledger, Model, Started, ToolSpec, Worth};
use crate::review::brief::{self, RequestWords};
use crate::review::{
    Claim, Coverage, FileRead, Group, ModelClass, Outcome, Price, Prompt, Reads, ReviewerName, ReviewerReport, Roster, Seat, Severity,
    Spent, Usage, Usd, claims,
};

/// How long the followers of a first request wait for its response to start.
const HEAD_START: Duration = Duration::from_secs(3);

/// The models of a run by class.
#[derive(Clone, Default)]
pub struct Models {
    /// What people should know about them, one sentence each.
    pub remarks: Vec<String>,
    /// What their tokens cost, by `provider/model`, as far as that is known.
    pub prices: BTreeMap<String, Price>,
    /// The day of the published prices, `YYYY-MM-DD`.
    pub prices_dated: Option<String>,
    /// Where their calls stand, if they are real: what earlier rounds spent is carried into it.
    pub ledger: Option<Arc<Ledger>>,
    /// What each class is answered by.
    pub by_class: BTreeMap<ModelClass, Result<Arc<dyn Model>, Unavailable>>,
}

/// Why no model answers for a class, one sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl Models {
    /// Returns what answers for a class.
    pub(super) fn get(&self, class: ModelClass) -> Result<&Arc<dyn Model>, Unavailable> {
        match self.by_class.get(&class) {
            Some(Ok(model)) => Ok(model),
            Some(Err(unavailable)) => Err(unavailable.clone()),
            None => Err(Unavailable(format!("no model is configured for the class {}", class.word()))),
        }
    }
}

impl Models {
    /// Returns what a reader used with what it cost. A provider that answered without saying how many tokens it took leaves the cost unknown.
    pub(super) fn spending(&self, reader: &ReviewerName, spent: &BTreeMap<String, Usage>, by: &BTreeSet<String>) -> Vec<Spent> {
        let row = |(model, usage): (&String, &Usage)| {
            let told = usage.input > 0 || !by.contains(model);
            let cost = self.prices.get(model).filter(|_| told).map(|price| price.cost(usage));
            // What was never answered nor at work costs nothing, whatever the price.
            let free = usage.input == 0 && usage.output == 0 && !by.contains(model);
            let cost = if free { Some(Usd::ZERO) } else { cost };
            Spent { reader: reader.clone(), model: model.clone(), usage: *usage, cost }
        };
        spent.iter().map(row).collect()
    }
}

/// What the reviewers share.
pub struct Panel<'a> {
    /// The models.
    pub models: &'a Models,
    /// The tools.
    pub desk: &'a Desk,
    /// Before the first bar of every request.
    pub system: Arc<str>,
    /// The groups of the change.
    pub groups: &'a [Group],
    /// What the author wrote, if there is a merge request.
    pub words: Option<&'a RequestWords>,
    /// Language of titles and bodies.
    pub language: &'a str,
    /// Most readers at once.
    pub max_agents: usize,
    /// When everything is cut.
    pub deadline: Instant,
}

/// What all reviewers said, and what they read.
pub struct Heard {
    /// One report for each seat, then for each idle reviewer, in roster order.
    pub reports: Vec<ReviewerReport>,
    /// All claims, in roster order, then by group.
    pub claims: Vec<Claim>,
    /// What each read of each file.
    pub coverage: Coverage,
    /// What each used.
    pub spent: Vec<Spent>,
}

/// How one reviewer did with one group.
type Run = Result<Read<Claim>, Unavailable>;

/// Runs the reviewers of a roster.
pub async fn panel(roster: &Roster, panel: &Panel<'_>) -> Heard {
    let changes: Vec<Arc<str>> = (0..panel.groups.len())
        .map(|number| brief::change(&panel.desk.boundary, &panel.desk.change, panel.groups, number).into())
        .collect();
    let jobs: Vec<(usize, usize)> = roster
        .seats
        .iter()
        .enumerate()
        .flat_map(|(seat, Seat { reads, .. })| {
            let wanted = move |group: &Group| match reads {
                Reads::Change => !group.sensitive_noise,
                Reads::ChangeAndSensitiveNoise => true,
                Reads::SensitiveNoise => group.sensitive_noise,
            };
            panel.groups.iter().enumerate().filter(move |(_, group)| wanted(group)).map(move |(group, _)| (seat, group))
        })
        .collect();
    let mut heads: BTreeMap<(String, usize), Head> = BTreeMap::new();
    let tools = tool_specs();
    let slots = Semaphore::new(panel.max_agents.max(1));
    let runs = jobs.iter().map(|&(seat, group)| {
        let prompt = &roster.seats[seat].prompt;
        let model = panel.models.get(prompt.class);
        // The first of each (model, group) in roster order leads, the others follow.
        let leader = model.as_ref().ok().map(|model| {
            let key = (model.name().to_owned(), group);
            let leads = !heads.contains_key(&key);
            (heads.entry(key).or_default().clone(), leads)
        });
        let (change, tools, slots) = (changes[group].clone(), tools.clone(), &slots);
        async move {
            let model = model?;
            let (head, leads) = leader.expect("a model has a head");
            if !leads {
                // Whether it started in time or not, the followers go.
                let _started = timeout(HEAD_START, head.started.wait()).await;
            }
            let _slot = slots.acquire().await.expect("the semaphore is never closed");
            let reader = Reader { prompt, model, panel, tools, deadline: panel.deadline.min(Instant::now() + prompt.timeout) };
            let own = Started::default();
            let read = reader.group(group, change, &head.too_long, if leads { &head.started } else { &own }).await;
            // A head that failed holds nobody up.
            head.started.tell();
            Ok(read)
        }
    });
    let results: Vec<Run> = join_all(runs).await;
    heard(roster, panel, &jobs, results)
}

/// What the readers of one group by one model share.
#[derive(Clone, Default)]
struct Head {
    /// The first response has begun.
    started: Started,
    /// The model has said that the group is too long for it: nobody else need ask.
    too_long: Arc<AtomicBool>,
}

/// One reviewer with what all its requests share.
struct Reader<'a> {
    prompt: &'a Prompt,
    model: &'a Arc<dyn Model>,
    panel: &'a Panel<'a>,
    tools: Arc<[ToolSpec]>,
    deadline: Instant,
}

impl Reader<'_> {
    /// Reads a group, or its halves if it is too long for the model.
    async fn group(&self, number: usize, change: Arc<str>, too_long: &AtomicBool, started: &Started) -> Read<Claim> {
        let several = self.panel.groups.len() > 1;
        let name = if several { format!("{}@{}", self.prompt.name, number + 1) } else { self.prompt.name.to_string() };
        let groups = self.panel.groups;
        let halves = groups[number].halves(&self.panel.desk.change);
        let mut so_far = None;
        if halves.is_none() || !too_long.load(Ordering::Relaxed) {
            let whole = self.read(name, change, started).await;
            if halves.is_none() || !whole.too_long() {
                return whole;
            }
            too_long.store(true, Ordering::Relaxed);
            // The others need not wait any longer to learn it.
            started.tell();
            so_far = Some(Read { failed: None, ..whole });
        }
        let halves = halves.expect("a group that cannot be halved was read whole");
        let cut: Vec<Group> = [&groups[..number], &halves, &groups[number + 1..]].concat();
        for (half, suffix) in ["a", "b"].into_iter().enumerate() {
            let change = brief::change(&self.panel.desk.boundary, &self.panel.desk.change, &cut, number + half);
            let read = self.read(format!("{}@{}{suffix}", self.prompt.name, number + 1), change.into(), &Started::default()).await;
            so_far = Some(match so_far {
                Some(so_far) => so_far.and(read),
                None => read,
            });
        }
        so_far.expect("there are two halves")
    }

    async fn read(&self, reader: String, change: Arc<str>, started: &Started) -> Read<Claim> {
        let Self { prompt, model, panel, tools, deadline } = self;
        let task = Task {
            reader,
            model,
            deadline: *deadline,
            worth: worth(prompt.ceiling),
            may: &prompt.tools,
            submit: Submit::Findings,
            tools: tools.clone(),
            system: panel.system.clone(),
            change,
            brief: brief::reviewer(&panel.desk.boundary, prompt, panel.words, panel.language),
        };
        reading::read(task, panel.desk, started, |answer| claims(answer, &prompt.name)).await
    }
}

/// What a reader is worth when not all can be paid: it follows from the worst that it may raise.
fn worth(ceiling: Severity) -> Worth {
    match ceiling {
        Severity::Critical => Worth::More,
        Severity::Important => Worth::Less,
        Severity::Suggestion | Severity::Nit => Worth::Least,
    }
}

fn heard(roster: &Roster, panel: &Panel<'_>, jobs: &[(usize, usize)], results: Vec<Run>) -> Heard {
    let mut heard = Heard { reports: Vec::new(), claims: Vec::new(), coverage: Coverage::default(), spent: Vec::new() };
    let mut by_seat: BTreeMap<usize, Vec<(usize, Run)>> = BTreeMap::new();
    for (&(seat, group), result) in jobs.iter().zip(results) {
        by_seat.entry(seat).or_default().push((group, result));
    }
    for (number, seat) in roster.seats.iter().enumerate() {
        let prompt = &seat.prompt;
        let (mut spent, mut count, mut by) = (BTreeMap::<String, Usage>::new(), 0, BTreeSet::new());
        let mut faults: Vec<(String, bool)> = Vec::new();
        let mut diffs: BTreeSet<RepoPath> = BTreeSet::new();
        let mut read_in: BTreeMap<RepoPath, Vec<FileRead>> = BTreeMap::new();
        for (group, result) in by_seat.remove(&number).unwrap_or_default() {
            let how = match result {
                Ok(read) => {
                    for (model, usage) in read.spent {
                        *spent.entry(model).or_default() += usage;
                    }
                    by.extend(read.by);
                    count += read.items.len();
                    heard.claims.extend(read.items);
                    diffs.extend(read.diffs);
                    let how = match &read.failed {
                        None => FileRead::Read,
                        Some(fault) if fault.by_budget() => FileRead::OverBudget,
                        Some(_) => FileRead::Failed,
                    };
                    faults.extend(read.failed.map(|fault| (fault.why.clone(), fault.by_budget())));
                    how
                }
                Err(Unavailable(why)) => {
                    faults.push((why, false));
                    FileRead::Failed
                }
            };
            for path in panel.groups[group].paths() {
                read_in.entry(path.clone()).or_default().push(how);
            }
        }
        for (path, hows) in read_in {
            // A file in pieces was read when every piece was, or when its whole patch was shown by a tool to a reader that answered.
            let answered = faults.is_empty();
            let worst = hows.into_iter().max().expect("a file is in a group");
            let how = if worst != FileRead::Read && answered && diffs.contains(&path) { FileRead::Read } else { worst };
            heard.coverage.reads.entry(path).or_default().insert(prompt.name.clone(), how);
        }
        faults.dedup();
        let outcome = if faults.is_empty() {
            Outcome::Answered
        } else {
            let by_budget = faults.iter().all(|(_, by_budget)| *by_budget);
            Outcome::Failed { why: faults.into_iter().map(|(why, _)| why).collect::<Vec<_>>().join("; "), by_budget }
        };
        heard.spent.extend(panel.models.spending(&prompt.name, &spent, &by));
        let usage = total(&spent);
        let model = (!by.is_empty()).then(|| by.into_iter().collect::<Vec<_>>().join(" and "));
        heard.reports.push(ReviewerReport { name: prompt.name.clone(), title: prompt.title.clone(), model, outcome, usage, claims: count });
    }
    heard.reports.extend(roster.idle.iter().map(|(prompt, why)| idle(prompt, why)));
    heard
}

fn idle(prompt: &Prompt, why: &str) -> ReviewerReport {
    ReviewerReport {
        name: prompt.name.clone(),
        title: prompt.title.clone(),
        model: None,
        outcome: Outcome::NotRun { why: why.to_owned() },
        usage: Usage::default(),
        claims: 0,
    }
}
