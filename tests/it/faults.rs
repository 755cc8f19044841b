//! Every fault of a model at every place that asks one, through the whole line on a clock that stands still: how the run ends, how long it takes, how
//! many requests it sends, and that nothing found is lost. Beside it a long run with faults by chance, which is ignored unless asked for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assize::agent::Models;
use assize::change::parse;
use assize::commands::examine::{Orders, Reading, Voices, examine};
use assize::commands::input::Input;
use assize::env::Env;
use assize::model::{Chain, Ledger, Link, Model, ModelError, ModelErrorKind, Reply, Request, Retry, Started, Stop, ToolCall};
use assize::review::{self, Outcome, Review, Usage};
use assize::settings::{self, Flags, ModelClass, Speaker};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::Instant;

const DIFF: &str = "diff --git a/src/session.py b/src/session.py\n--- a/src/session.py\n+++ b/src/session.py\n@@ -1,2 +1,2 @@\n def digest(token):\n-    return token\n+    return token[1:]\n";
/// The whole run, as configured by default.
const LIMIT: Duration = Duration::from_mins(15);

/// A way in which a model fails, always.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Fails(ModelErrorKind),
    Hangs,
    Prose,
    Broken,
    WrongShape,
    Empty,
    Refusal,
    Cut,
    UnknownTool,
    WrongArguments,
    SameCall,
}

const FAULTS: [Fault; 18] = [
    Fault::Fails(ModelErrorKind::RateLimited),
    Fault::Fails(ModelErrorKind::Unavailable),
    Fault::Fails(ModelErrorKind::TimedOut),
    Fault::Fails(ModelErrorKind::Exhausted),
    Fault::Fails(ModelErrorKind::Credentials),
    Fault::Fails(ModelErrorKind::TooLong),
    Fault::Fails(ModelErrorKind::Refused),
    Fault::Fails(ModelErrorKind::NotAModel),
    Fault::Hangs,
    Fault::Prose,
    Fault::Broken,
    Fault::WrongShape,
    Fault::Empty,
    Fault::Refusal,
    Fault::Cut,
    Fault::UnknownTool,
    Fault::WrongArguments,
    Fault::SameCall,
];

/// Decides whether a request fails, and how.
type Weather = Box<dyn Fn(&Request) -> Option<Fault> + Send + Sync>;

/// A model that answers as it should, except where its weather says otherwise.
struct Weathered {
    weather: Weather,
    asked: AtomicU64,
    /// Who asked, with how often.
    by: Mutex<BTreeMap<String, u64>>,
}

impl Weathered {
    fn new(weather: Weather) -> Arc<Self> {
        Arc::new(Self { weather, asked: AtomicU64::new(0), by: Mutex::default() })
    }
}

fn call(name: &str, arguments: Value) -> Reply {
    let calls = vec![ToolCall { id: "c1".into(), name: name.into(), arguments }];
    Reply { calls, ..said("") }
}

fn said(text: &str) -> Reply {
    let usage = Usage { calls: 1, input: 1_000, output: 100, ..Usage::default() };
    Reply { text: text.into(), calls: vec![], stop: Stop::Done, usage, by: "acme/m".into(), tried: vec![] }
}

/// What a good model says to a reader.
fn good(reader: &str) -> Reply {
    let kept = json!({ "judgements": [{ "id": "C-1", "decision": "keep", "why": "the line shows it" }] });
    match reader.split('@').next().unwrap_or(reader) {
        "coordinator" | "refuter" => call("submit_verdict", kept),
        "quality" => {
            let finding = json!({ "title": "The first character is lost", "severity": "critical", "path": "src/session.py",
                "quote": "    return token[1:]", "body": "No stored digest fits any more.", "confidence": 0.9 });
            call("submit_findings", json!({ "findings": [finding] }))
        }
        _ => call("submit_findings", json!({ "findings": [] })),
    }
}

impl Model for Weathered {
    fn name(&self) -> &'static str {
        "acme/m"
    }

    fn turn<'a>(&'a self, request: &'a Request, started: &'a Started) -> BoxFuture<'a, Result<Reply, ModelError>> {
        Box::pin(async move {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            *self.by.lock().expect("nobody panics").entry(request.reader.clone()).or_default() += 1;
            tokio::time::sleep(Duration::from_secs(2)).await;
            let Some(fault) = (self.weather)(request) else {
                started.tell();
                return Ok(good(&request.reader));
            };
            let submit = if ["coordinator", "refuter"].contains(&request.reader.as_str()) { "submit_verdict" } else { "submit_findings" };
            if let Fault::Fails(kind) = fault {
                return Err(ModelError::new(kind, format!("acme/m: {kind:?}")));
            }
            started.tell();
            Ok(match fault {
                Fault::Fails(_) => unreachable!("returned above"),
                Fault::Hangs => std::future::pending().await,
                Fault::Prose => said("I looked at it, and all is well."),
                Fault::Broken => said("{\"findings\": [{\"title\": "),
                Fault::WrongShape => call(submit, json!({ "verdict": "fine" })),
                Fault::Empty => said(""),
                Fault::Refusal => Reply { stop: Stop::Refused("policy".into()), ..said("") },
                Fault::Cut => Reply { stop: Stop::Length, ..said("Let me think about") },
                Fault::UnknownTool => call("run_shell", json!({ "command": format!("ls {asked}") })),
                Fault::WrongArguments => call("read_file", json!({ "file": asked })),
                Fault::SameCall => call("list_files", json!({ "glob": "**" })),
            })
        })
    }
}

/// Reviews the change with one model for all; returns the review, its exit code and how many seconds it took.
async fn review(model: Arc<Weathered>) -> (Review, u8, u64) {
    let input = Input {
        label: "a change".into(),
        base: None,
        head: None,
        change: parse(DIFF.as_bytes()).expect("a diff"),
        files: None,
        base_files: None,
        policy: None,
        config: None,
        flagged: [].into(),
        remarks: vec![],
    };
    let settings = settings::load(None, &Env::default(), &Flags::default(), Speaker::Owner).expect("defaults").settings;
    let orders = Orders { forced: None, only: [].into(), only_why: "", skip: [].into(), key: b"k", words: None, reading: Reading::Whole };
    let chain: Arc<dyn Model> = Arc::new(Chain::new(vec![Link::alone(model)], Retry::default(), Arc::new(Ledger::unlimited())));
    let by_class = ModelClass::ALL.into_iter().map(|class| (class, Ok(Arc::clone(&chain)))).collect();
    let voices = Voices::Models(Models { by_class, ..Models::default() }, 200_000);
    let begun = Instant::now();
    let review = examine(&input, &settings, &orders, voices).await.expect("a review").review;
    let exit = review::exit(review.verdict, &review.incomplete, settings.fail_on).code();
    (review, exit, begun.elapsed().as_secs())
}

fn failed<'a>(review: &'a Review, name: &str) -> Option<&'a str> {
    let report = review.reviewers.iter().find(|report| report.name.as_str() == name)?;
    match &report.outcome {
        Outcome::Failed { why, .. } => Some(why),
        Outcome::Answered | Outcome::NotRun { .. } => None,
    }
}

#[tokio::test(start_paused = true)]
async fn in_good_weather_everybody_answers_and_the_critical_is_verified() {
    let model = Weathered::new(Box::new(|_| None));
    let (review, exit, seconds) = review(Arc::clone(&model)).await;
    assert_eq!((exit, review.complete(), review.findings.len(), review.findings[0].standing), (0, true, 1, review::Standing::Verified));
    assert!(seconds < 20 && model.asked.load(Ordering::Relaxed) < 12);
}

#[tokio::test(start_paused = true)]
async fn every_fault_at_every_place_ends_in_time_and_never_looks_clean() {
    let mut table = String::new();
    for fault in FAULTS {
        for place in ["quality", "coordinator", "refuter"] {
            let model = Weathered::new(Box::new(move |request| (request.reader.split('@').next() == Some(place)).then_some(fault)));
            let (review, exit, seconds) = review(Arc::clone(&model)).await;
            let asked: u64 = model.by.lock().unwrap().iter().filter(|(reader, _)| reader.starts_with(place)).map(|(_, count)| count).sum();
            let at = format!("{fault:?} at {place}");
            let why = failed(&review, place).unwrap_or_else(|| panic!("{at}: {:?}", review.reviewers));
            assert!(!why.is_empty() && seconds <= LIMIT.as_secs(), "{at}: {seconds} s, {why}");
            match place {
                "quality" => assert!([3, 5].contains(&exit) && !review.complete() && review.findings.is_empty(), "{at}: {exit}"),
                "coordinator" => assert!([3, 5].contains(&exit) && !review.complete() && review.findings.len() == 1, "{at}: {exit}"),
                // A critical that could not be attacked counts, and says that nobody did.
                _ => assert_eq!((review.findings.len(), review.findings[0].standing), (1, review::Standing::Unverified), "{at}"),
            }
            writeln!(table, "{at}: exit {exit}, {seconds} s, {asked} requests").unwrap();
        }
    }
    insta::assert_snapshot!(table, @"
    Fails(RateLimited) at quality: exit 3, 173 s, 10 requests
    Fails(RateLimited) at coordinator: exit 3, 207 s, 10 requests
    Fails(RateLimited) at refuter: exit 0, 177 s, 10 requests
    Fails(Unavailable) at quality: exit 3, 27 s, 5 requests
    Fails(Unavailable) at coordinator: exit 3, 29 s, 5 requests
    Fails(Unavailable) at refuter: exit 0, 31 s, 5 requests
    Fails(TimedOut) at quality: exit 3, 7 s, 2 requests
    Fails(TimedOut) at coordinator: exit 3, 11 s, 2 requests
    Fails(TimedOut) at refuter: exit 0, 11 s, 2 requests
    Fails(Exhausted) at quality: exit 3, 4 s, 1 requests
    Fails(Exhausted) at coordinator: exit 3, 6 s, 1 requests
    Fails(Exhausted) at refuter: exit 0, 8 s, 1 requests
    Fails(Credentials) at quality: exit 3, 4 s, 1 requests
    Fails(Credentials) at coordinator: exit 3, 8 s, 1 requests
    Fails(Credentials) at refuter: exit 0, 8 s, 1 requests
    Fails(TooLong) at quality: exit 3, 8 s, 3 requests
    Fails(TooLong) at coordinator: exit 3, 10 s, 2 requests
    Fails(TooLong) at refuter: exit 0, 10 s, 2 requests
    Fails(Refused) at quality: exit 3, 4 s, 1 requests
    Fails(Refused) at coordinator: exit 3, 8 s, 1 requests
    Fails(Refused) at refuter: exit 0, 8 s, 1 requests
    Fails(NotAModel) at quality: exit 3, 4 s, 1 requests
    Fails(NotAModel) at coordinator: exit 3, 8 s, 1 requests
    Fails(NotAModel) at refuter: exit 0, 8 s, 1 requests
    Hangs at quality: exit 5, 602 s, 1 requests
    Hangs at coordinator: exit 5, 306 s, 1 requests
    Hangs at refuter: exit 0, 306 s, 1 requests
    Prose at quality: exit 3, 6 s, 2 requests
    Prose at coordinator: exit 3, 10 s, 2 requests
    Prose at refuter: exit 0, 10 s, 2 requests
    Broken at quality: exit 3, 6 s, 2 requests
    Broken at coordinator: exit 3, 10 s, 2 requests
    Broken at refuter: exit 0, 10 s, 2 requests
    WrongShape at quality: exit 3, 6 s, 2 requests
    WrongShape at coordinator: exit 3, 10 s, 2 requests
    WrongShape at refuter: exit 0, 10 s, 2 requests
    Empty at quality: exit 3, 6 s, 2 requests
    Empty at coordinator: exit 3, 10 s, 2 requests
    Empty at refuter: exit 0, 10 s, 2 requests
    Refusal at quality: exit 3, 4 s, 1 requests
    Refusal at coordinator: exit 3, 8 s, 1 requests
    Refusal at refuter: exit 0, 8 s, 1 requests
    Cut at quality: exit 3, 6 s, 2 requests
    Cut at coordinator: exit 3, 10 s, 2 requests
    Cut at refuter: exit 0, 10 s, 2 requests
    UnknownTool at quality: exit 3, 14 s, 6 requests
    UnknownTool at coordinator: exit 3, 18 s, 6 requests
    UnknownTool at refuter: exit 0, 18 s, 6 requests
    WrongArguments at quality: exit 3, 14 s, 6 requests
    WrongArguments at coordinator: exit 3, 18 s, 6 requests
    WrongArguments at refuter: exit 0, 18 s, 6 requests
    SameCall at quality: exit 3, 8 s, 3 requests
    SameCall at coordinator: exit 3, 12 s, 3 requests
    SameCall at refuter: exit 0, 12 s, 3 requests
    ");
}

/// A generator of pseudo-random numbers that gives the same ones every time.
struct Dice(AtomicU64);

impl Dice {
    fn roll(&self, sides: u64) -> u64 {
        let next = |state: u64| state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let state = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| Some(next(state))).expect("always some");
        (next(state) >> 33) % sides
    }
}

#[tokio::test(start_paused = true)]
#[ignore = "a thousand reviews: cargo test --test it chaos -- --ignored --nocapture"]
#[expect(clippy::print_stdout, reason = "it is run for its counts")]
async fn chaos_a_thousand_reviews_with_a_fault_in_every_tenth_call() {
    let mut ends: BTreeMap<(u8, bool), u32> = BTreeMap::new();
    let (mut longest, mut most) = (0, 0);
    for seed in 0..1_000 {
        let dice = Dice(AtomicU64::new(seed));
        let model = Weathered::new(Box::new(move |_| (dice.roll(10) == 0).then(|| FAULTS[usize::try_from(dice.roll(18)).unwrap()])));
        let (review, exit, seconds) = review(Arc::clone(&model)).await;
        assert!(seconds <= LIMIT.as_secs(), "run {seed} took {seconds} s");
        let required = review.reviewers.iter().filter(|report| report.name.as_str() != "refuter");
        let all = required.clone().all(|report| !matches!(report.outcome, Outcome::Failed { .. }));
        assert_eq!((all, exit == 0), (review.complete(), review.complete()), "run {seed}: {:?}", review.reviewers);
        *ends.entry((exit, review.findings.is_empty())).or_default() += 1;
        longest = longest.max(seconds);
        most = most.max(model.asked.load(Ordering::Relaxed));
    }
    for ((exit, empty), count) in &ends {
        println!("exit {exit}, {}: {count}", if *empty { "nothing found" } else { "the critical found" });
    }
    println!("longest {longest} s, most requests {most}");
}
