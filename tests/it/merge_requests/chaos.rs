//! Merge requests that live through bad weather of GitLab and of models at once, by chance: every request to either may go wrong. Whatever happens,
//! nothing is posted twice, nothing is lost, and nothing looks cleaner than it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assize::exit::Exit;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::weather::faults;
use super::{Ran, Shop};
use crate::gitlab::{Edit, Fault, Options};
use crate::model_server::{self, Answer, ModelServer, Script};

/// One request in so many goes wrong.
const ONE_IN: u64 = 10;
/// Rounds of a merge request, after each of which people go on.
const ROUNDS: u32 = 5;
/// How many merge requests are played at once.
const AT_ONCE: usize = 4;
/// The longest that a run may take; none waits for anything.
const LONGEST: Duration = Duration::from_mins(2);

/// A generator of pseudo-random numbers that gives the same ones every time.
#[derive(Clone)]
struct Dice(Arc<Mutex<u64>>);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed)))
    }

    fn roll(&self, sides: usize) -> usize {
        let mut state = self.0.lock().expect("nobody panics");
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(*state >> 33).expect("31 bits") % sides
    }

    fn meets(&self) -> bool {
        self.roll(usize::try_from(ONE_IN).expect("small")) == 0
    }
}

/// What GitLab does in bad weather. A token that expires is no weather.
fn of_gitlab(dice: &Dice) -> (&'static str, Fault) {
    let all: Vec<(&str, Fault)> = faults().into_iter().filter(|(name, _)| *name != "401").collect();
    all[dice.roll(all.len())].clone()
}

/// What a model does in bad weather.
fn of_models(dice: &Dice, good: &Answer) -> (&'static str, Script) {
    use model_server::Fault as Trouble;
    let limit = r#"{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}"#;
    let long = r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}}"#;
    let all: [(&str, Script); 13] = [
        ("429", Trouble::Status(429, vec![("retry-after", "0")], limit).into()),
        ("500", Trouble::Status(500, vec![], "{}").into()),
        ("503", Trouble::Status(503, vec![], "upstream connect error").into()),
        ("too long", Trouble::Status(400, vec![], long).into()),
        ("closed", Trouble::Close.into()),
        ("page", Trouble::Html.into()),
        ("garbage", Trouble::Garbage.into()),
        ("cut stream", good.clone().then_fails(2, Trouble::Close)),
        ("cut at length", Answer::text("{\"findings\": [{\"title\":").cut_at_length().into()),
        ("prose", Answer::text("I looked at it, and all is well.").into()),
        ("wrong schema", Answer::default().call("c", "submit_findings", "{\"verdict\": \"fine\"}").into()),
        ("unknown tool", Answer::default().call("c", "run_shell", "{\"command\": \"ls\"}").into()),
        ("wrong arguments", Answer::default().call("c", "read_file", "{\"file\": 7}").into()),
    ];
    all[dice.roll(all.len())].clone()
}

/// The number of the defect in a line, if it has one.
fn defect(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("bug")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// No two titles have a word in common: they are different problems.
fn title(number: u32) -> String {
    format!("bug{number} a{number} b{number} c{number} d{number}")
}

/// What a good model says, which sees every defect in what it is shown and knows what is at the head.
fn good(said: &str, there: &BTreeSet<u32>) -> Answer {
    let highest = |mark: &str| {
        said.split(mark).skip(1).filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()).max()
    };
    let submit = |tool: &str, body: Value| Answer::default().call("call-1", tool, &body.to_string());
    if said.contains("# Your part: Follow-up") {
        let asked = said.split("\nQ-").skip(1).filter_map(|question| {
            let id = question.split(' ').next()?;
            let claim = question.lines().find(|line| line.starts_with("claim: "))?;
            let says = if there.contains(&defect(claim)?) { "still_there" } else { "fixed" };
            Some(json!({ "id": format!("Q-{id}"), "says": says, "reply": "", "why": "`app.py`, line 2, `x`" }))
        });
        return submit("submit_verdict", json!({ "judgements": [], "answers": asked.collect::<Vec<_>>() }));
    }
    if said.contains("# Your part: Coordinator") || said.contains("# Your part: Refuter") {
        let keep = |number| json!({ "id": format!("C-{number}"), "decision": "keep", "why": "`app.py`, line 2, `x`" });
        let kept: Vec<Value> = (1..=highest("\nC-").unwrap_or(0)).map(keep).collect();
        return submit("submit_verdict", json!({ "judgements": kept }));
    }
    let added = said.lines().filter_map(|line| line.split_once(" +").filter(|(anchor, _)| anchor.contains('#')));
    let claims = added.filter_map(|(_, text)| {
        let number = defect(text)?;
        let severity = if number % 3 == 0 { "critical" } else { "important" };
        Some(json!({
            "title": title(number), "severity": severity, "path": "app.py", "first": "", "last": "", "quote": text,
            "body": "It fails for an empty list.", "confidence": 0.9
        }))
    });
    submit("submit_findings", json!({ "findings": claims.collect::<Vec<_>>() }))
}

/// What happened over all runs.
#[derive(Default)]
struct Counts {
    exits: BTreeMap<u8, usize>,
    faults: BTreeMap<String, usize>,
    dismissed: usize,
    resolved: usize,
    threads: usize,
}

impl Counts {
    fn add(&mut self, other: Self) {
        for (code, count) in other.exits {
            *self.exits.entry(code).or_default() += count;
        }
        for (name, count) in other.faults {
            *self.faults.entry(name).or_default() += count;
        }
        self.dismissed += other.dismissed;
        self.resolved += other.resolved;
        self.threads += other.threads;
    }
}

/// A merge request in bad weather.
struct Life {
    name: String,
    dice: Dice,
    shop: Shop,
    models: ModelServer,
    lines: Vec<String>,
    next: u32,
    there: Arc<Mutex<BTreeSet<u32>>>,
    dismissed: BTreeSet<u32>,
    met: Arc<Mutex<BTreeMap<String, usize>>>,
    counts: Counts,
}

impl Life {
    async fn new(seed: u64) -> Self {
        let models = ModelServer::start().await;
        let config = format!("version: 1\n{}", super::one_reviewer(&models.url));
        let lines: Vec<String> = (1..=60).map(|number| format!("value_{number} = {number}")).collect();
        let base = Edit::new().write(".assize.yml", config).write("app.py", lines.join("\n") + "\n");
        let shop = Shop::on(Options::default(), base, [("more.txt", "fine\n")]).await;
        let mut life = Self {
            name: format!("merge request of seed {seed}"),
            dice: Dice::new(seed),
            shop,
            models,
            lines,
            next: 1,
            there: Arc::default(),
            dismissed: BTreeSet::new(),
            met: Arc::default(),
            counts: Counts::default(),
        };
        let (there, dice, met) = (Arc::clone(&life.there), Dice::new(seed ^ 0xa5a5), Arc::clone(&life.met));
        life.models.speaks(move |said| {
            let good = good(said, &there.lock().expect("nobody panics"));
            if !dice.meets() || met.lock().expect("nobody panics").contains_key("calm") {
                return good.into();
            }
            let (name, script) = of_models(&dice, &good);
            *met.lock().expect("nobody panics").entry(format!("models {name}")).or_default() += 1;
            script
        });
        life.push();
        life
    }

    fn storm(&self) {
        let (dice, met) = (self.dice.clone(), Arc::clone(&self.met));
        self.shop.gitlab.storms(move || {
            let (name, fault) = dice.meets().then(|| of_gitlab(&dice))?;
            *met.lock().expect("nobody panics").entry(format!("GitLab {name}")).or_default() += 1;
            Some(fault)
        });
    }

    /// Somebody works on the branch.
    fn push(&mut self) {
        for _ in 0..=self.dice.roll(3) {
            let at = self.dice.roll(self.lines.len());
            match self.dice.roll(6) {
                0..3 => {
                    self.lines.insert(at, format!("call_{0}(bug{0})", self.next));
                    self.next += 1;
                }
                3 => self.lines.insert(at, format!("more_{at} = {}", self.dice.roll(9))),
                _ => {
                    let buggy: Vec<usize> = (0..self.lines.len()).filter(|line| defect(&self.lines[*line]).is_some()).collect();
                    if !buggy.is_empty() {
                        let line = buggy[self.dice.roll(buggy.len())];
                        self.lines[line] = format!("fine_{line} = None");
                    }
                }
            }
        }
        *self.there.lock().expect("nobody panics") = self.lines.iter().filter_map(|line| defect(line)).collect();
        self.shop.mr.push([("app.py", self.lines.join("\n") + "\n"), ("more.txt", format!("fine {}\n", self.dice.roll(1_000_000)))]);
    }

    /// Somebody dismisses a finding whose defect is there.
    fn dismiss(&mut self) {
        let threads = self.shop.mr.threads();
        let open: Vec<(String, u32)> = threads
            .iter()
            .filter(|thread| !thread.resolved)
            .filter_map(|thread| Some((thread.id.clone(), defect(&thread.notes.first()?.body)?)))
            .filter(|(_, number)| self.there.lock().expect("nobody panics").contains(number) && !self.dismissed.contains(number))
            .collect();
        if open.is_empty() {
            return;
        }
        let (thread, number) = &open[self.dice.roll(open.len())];
        // In words: a thread that is resolved while code beside it changes only claims that it is fixed.
        self.shop.mr.reply(&self.shop.reviewer, thread, "won't fix");
        self.dismissed.insert(*number);
        self.counts.dismissed += 1;
    }

    async fn run(&mut self) -> Ran {
        let ran = tokio::time::timeout(LONGEST, self.shop.run()).await.unwrap_or_else(|_| panic!("{} hangs", self.name));
        *self.counts.exits.entry(ran.exit.code()).or_default() += 1;
        self.holds(&ran);
        ran
    }

    /// What must hold after every run, however it ended.
    fn holds(&self, ran: &Ran) {
        let at = format!("{}\n{}{}\n{}\n{:#?}", self.name, ran.stdout, ran.stderr, self.shop.mr.posted(), self.shop.gitlab.lines());
        assert!(![Exit::Bug, Exit::Usage].contains(&ran.exit), "{at}");
        let there = self.there.lock().expect("nobody panics").clone();
        let mut threads: BTreeMap<u32, usize> = BTreeMap::new();
        for thread in self.shop.mr.threads() {
            let Some(number) = thread.notes.first().and_then(|note| defect(&note.body)) else { continue };
            *threads.entry(number).or_default() += 1;
            let dismissed = self.dismissed.contains(&number);
            assert!(!thread.resolved || dismissed || !there.contains(&number), "bug{number} stands and is resolved: {at}");
            let replies: Vec<&str> =
                thread.notes.iter().skip(1).filter(|note| !note.system && note.author == "assize").map(|note| note.body.as_str()).collect();
            assert_eq!(replies.iter().collect::<BTreeSet<_>>().len(), replies.len(), "a reply is there twice: {at}");
        }
        assert!(threads.values().all(|count| *count == 1), "{threads:?}: {at}");
        assert!(self.shop.mr.notes().iter().filter(|note| note.author == "assize").count() <= 1, "{at}");
        assert_eq!(self.shop.gitlab.executed().len(), 0, "{at}");
        if ran.exit == Exit::Done {
            let Ok(text) = std::fs::read_to_string(ran.job.path().join("assize-report/result.json")) else { return };
            let result: Value = serde_json::from_str(&text).expect("JSON");
            let failed = result["reviewers"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|reviewer| reviewer["outcome"] == "failed" && reviewer["name"] != "refuter");
            assert!(result["complete"] == true && !failed, "it says that it is done: {at}");
            // Whatever stands is told of: a thread, or the summary where there are too many.
            let posted = self.shop.mr.posted();
            for number in there {
                assert!(posted.contains(&format!("bug{number} ")), "bug{number} is lost: {at}");
            }
        }
    }

    /// The weather clears, and what is missing comes.
    async fn calm(&mut self) {
        self.shop.gitlab.heal();
        self.met.lock().expect("nobody panics").insert("calm".to_owned(), 0);
        let mut ended = Vec::new();
        for _ in 0..4 {
            let ran = self.run().await;
            ended.push(format!("{:?} {}", ran.exit, ran.stdout));
            if ran.stdout.contains("nothing to do") {
                break;
            }
        }
        let at = format!("{}\n{}\n{ended:#?}", self.name, self.shop.mr.posted());
        assert!(ended.last().is_some_and(|last| last.contains("nothing to do")), "it does not come to rest: {at}");
        assert_eq!(self.shop.mr.drafts(), 0, "{at}");
        let there = self.there.lock().expect("nobody panics").clone();
        let threads: BTreeMap<u32, bool> =
            self.shop.mr.threads().iter().filter_map(|thread| Some((defect(&thread.notes.first()?.body)?, thread.resolved))).collect();
        let summary = self.shop.summary();
        let open = summary.split("<details>").next().unwrap_or_default();
        for number in 1..self.next {
            let told = open.contains(&format!("bug{number} "));
            match (there.contains(&number), self.dismissed.contains(&number)) {
                (true, false) => assert!(told && threads.get(&number) != Some(&true), "bug{number} is not open: {at}"),
                // Where somebody said so in words, the thread stays as it is.
                (_, true) => assert!(!told, "bug{number} is open: {at}"),
                (false, false) => assert!(!told && threads.get(&number) != Some(&false), "bug{number} is open: {at}"),
            }
        }
        self.counts.threads = threads.len();
        self.counts.resolved = threads.values().filter(|resolved| **resolved).count();
    }

    async fn lived(seed: u64) -> Counts {
        let mut life = Self::new(seed).await;
        life.storm();
        for _ in 0..ROUNDS {
            life.run().await;
            // A job that failed is often run again.
            if life.dice.roll(3) == 0 {
                life.run().await;
            }
            if life.dice.roll(2) == 0 {
                life.dismiss();
            }
            life.push();
        }
        life.calm().await;
        let met = life.met.lock().expect("nobody panics").clone();
        life.counts.faults = met.into_iter().filter(|(name, _)| name != "calm").collect();
        life.counts
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: cargo test --test it chaos_of_both -- --ignored --nocapture; ASSIZE_CHAOS_LIVES and ASSIZE_CHAOS_SEED are how many and from which seed"]
#[expect(clippy::print_stdout, reason = "it is run for its counts")]
async fn chaos_of_both_leaves_nothing_twice_and_nothing_lost() {
    let (lives, seed) = (number("ASSIZE_CHAOS_LIVES", 170), number("ASSIZE_CHAOS_SEED", 1));
    let mut counts = Counts::default();
    let mut played = stream::iter(seed..seed + lives).map(Life::lived).buffer_unordered(AT_ONCE);
    while let Some(life) = played.next().await {
        counts.add(life);
    }
    let runs: usize = counts.exits.values().sum();
    println!("{lives} merge requests from seed {seed}, {runs} runs");
    for (code, count) in &counts.exits {
        println!("exit {code}: {count}");
    }
    println!("{} threads, {} of them resolved, {} findings dismissed by a person", counts.threads, counts.resolved, counts.dismissed);
    for (name, count) in &counts.faults {
        println!("{name}: {count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_request_in_bad_weather_ends_as_it_would_in_good() {
    Life::lived(1_000_003).await;
}
