//! Chains over models that do what they are told, on a clock that stands still.

use std::collections::VecDeque;
use std::sync::Mutex;

use futures::future::join_all;

use super::*;
use crate::model::{Ceiling, Patience, Stop, Worth};
use crate::review::{PerMillion, Usd};

const RETRY: Retry = Retry { attempts: 4, base: Duration::from_secs(1), cap: Duration::from_secs(3) };

/// What a model does at one request.
#[derive(Clone, Copy)]
enum Does {
    Answers,
    Fails(ModelErrorKind),
    /// 429 with so many seconds to wait.
    Limits(u64),
    Breaks,
    Hangs,
    /// Answers after so many seconds.
    Takes(u64),
}

/// A model that does one thing after the other, and at the end what it did last.
struct Scripted {
    name: String,
    script: Mutex<VecDeque<Does>>,
    asked: Mutex<Vec<u64>>,
    begun: Instant,
}

impl Scripted {
    fn new(name: &str, script: &[Does]) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            script: Mutex::new(script.iter().copied().collect()),
            asked: Mutex::default(),
            begun: Instant::now(),
        })
    }

    /// The seconds at which it was asked.
    fn asked(&self) -> Vec<u64> {
        self.asked.lock().unwrap().clone()
    }
}

impl Model for Scripted {
    fn name(&self) -> &str {
        &self.name
    }

    fn turn<'a>(&'a self, _request: &'a Request, started: &'a Started) -> BoxFuture<'a, Result<Reply, ModelError>> {
        self.asked.lock().unwrap().push(self.begun.elapsed().as_secs());
        let does = {
            let mut script = self.script.lock().unwrap();
            if script.len() > 1 { script.pop_front().unwrap() } else { script[0] }
        };
        Box::pin(async move {
            match does {
                Does::Answers => {}
                Does::Takes(seconds) => {
                    sleep(Duration::from_secs(1)).await;
                    started.tell();
                    sleep(Duration::from_secs(seconds - 1)).await;
                }
                Does::Fails(kind) => return Err(ModelError::new(kind, format!("{}: {kind:?}", self.name))),
                Does::Limits(seconds) => {
                    let error = ModelError::new(ModelErrorKind::RateLimited, format!("{}: slow down", self.name));
                    return Err(ModelError { retry_after: Some(Duration::from_secs(seconds)), ..error });
                }
                Does::Breaks => {
                    started.tell();
                    return Err(ModelError { charged: true, ..ModelError::new(ModelErrorKind::Unavailable, "broke off") });
                }
                Does::Hangs => std::future::pending().await,
            }
            started.tell();
            let usage = Usage { calls: 1, input: 100, output: 10, ..Usage::default() };
            Ok(Reply { text: "yes".into(), calls: vec![], stop: Stop::Done, usage, by: self.name.clone(), tried: vec![] })
        })
    }
}

fn request(seconds: u64) -> Request {
    Request {
        reader: "security".into(),
        tools: Arc::new([]),
        system: "s".repeat(300).into(),
        change: "c".repeat(300).into(),
        brief: "b".repeat(300).into(),
        turns: vec![],
        answer: None,
        max_output: 1,
        worth: Worth::Most,
        cache_key: String::new(),
        patience: Patience { silence: Duration::from_secs(9), total: Duration::from_secs(seconds) },
    }
}

fn chain(models: &[&Arc<Scripted>]) -> Chain {
    Chain::new(models.iter().map(|model| Link::alone(Arc::clone(*model) as _)).collect(), RETRY, Arc::new(Ledger::unlimited()))
}

async fn ask(chain: &Chain, seconds: u64) -> Result<Reply, ModelError> {
    chain.turn(&request(seconds), &Started::default()).await
}

/// Who answered or the kind of failure, and after how many seconds.
async fn outcome(chain: &Chain, seconds: u64) -> (Result<String, ModelErrorKind>, u64) {
    let begun = Instant::now();
    let outcome = ask(chain, seconds).await;
    (outcome.map(|reply| reply.by).map_err(|error| error.kind), begun.elapsed().as_secs())
}

const UNAVAILABLE: Does = Does::Fails(ModelErrorKind::Unavailable);

#[tokio::test(start_paused = true)]
async fn what_may_succeed_later_is_asked_again_after_growing_pauses() {
    let model = Scripted::new("a/m", &[UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, Does::Answers]);
    let reply = ask(&chain(&[&model]), 60).await.unwrap();
    assert_eq!((reply.usage.calls, reply.tried, model.asked()), (4, vec![], vec![0, 1, 3, 6]));
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_is_the_last_and_a_limit_gets_twice_as_many() {
    let model = Scripted::new("a/m", &[UNAVAILABLE]);
    assert_eq!(outcome(&chain(&[&model]), 60).await, (Err(ModelErrorKind::Unavailable), 6));
    let model = Scripted::new("a/m", &[Does::Fails(ModelErrorKind::RateLimited)]);
    assert_eq!(outcome(&chain(&[&model]), 60).await, (Err(ModelErrorKind::RateLimited), 1 + 2 + 3 * 5));
    assert_eq!(model.asked().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_succeed_is_neither_asked_again_nor_asked_of_another() {
    for kind in [ModelErrorKind::Credentials, ModelErrorKind::TooLong, ModelErrorKind::Refused, ModelErrorKind::NotRecorded] {
        let (one, two) = (Scripted::new("a/m", &[Does::Fails(kind)]), Scripted::new("b/m", &[Does::Answers]));
        assert_eq!(outcome(&chain(&[&one, &two]), 60).await, (Err(kind), 0));
        assert_eq!((one.asked().len(), two.asked().len()), (1, 0), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_model_answers_where_the_first_cannot_and_the_reply_says_who_did() {
    for (does, asked) in [(UNAVAILABLE, 4), (Does::Fails(ModelErrorKind::Exhausted), 1), (Does::Fails(ModelErrorKind::NotAModel), 1)] {
        let (one, two) = (Scripted::new("a/m", &[does]), Scripted::new("b/m", &[Does::Answers]));
        let reply = ask(&chain(&[&one, &two]), 60).await.unwrap();
        let calls = |count| Usage { calls: count, ..Usage::default() };
        assert_eq!((reply.by.as_str(), reply.usage.calls), ("b/m", 1));
        assert_eq!(reply.tried, [("a/m".to_owned(), calls(asked))]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_broke_off_is_counted_with_its_input() {
    let model = Scripted::new("a/m", &[Does::Breaks, Does::Answers]);
    let usage = ask(&chain(&[&model]), 60).await.unwrap().usage;
    assert_eq!(usage, Usage { calls: 2, input: 100 + 900 / 3, output: 10, ..Usage::default() });
}

#[tokio::test(start_paused = true)]
async fn a_call_that_timed_out_is_repeated_once() {
    let model = Scripted::new("a/m", &[Does::Fails(ModelErrorKind::TimedOut)]);
    assert_eq!(outcome(&chain(&[&model]), 60).await, (Err(ModelErrorKind::TimedOut), 1));
    assert_eq!(model.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_time_cuts_an_attempt_that_hangs_and_no_other_is_begun() {
    let (one, two) = (Scripted::new("a/m", &[Does::Hangs]), Scripted::new("b/m", &[Does::Answers]));
    let begun = Instant::now();
    let error = ask(&chain(&[&one, &two]), 20).await.unwrap_err();
    assert_eq!((error.message.as_str(), begun.elapsed().as_secs()), ("a/m: no complete answer within 20 s", 20));
    assert_eq!(error.tried, [("a/m".to_owned(), Usage { calls: 1, input: 300, ..Usage::default() })]);
}

#[tokio::test(start_paused = true)]
async fn a_short_pause_is_waited_out_and_a_long_one_goes_to_the_next_model() {
    let (one, two) = (Scripted::new("a/m", &[Does::Limits(7), Does::Answers]), Scripted::new("b/m", &[Does::Answers]));
    assert_eq!(outcome(&chain(&[&one, &two]), 60).await, (Ok("a/m".into()), 7));
    let (one, two) = (Scripted::new("a/m", &[Does::Limits(30), Does::Answers]), Scripted::new("b/m", &[Does::Answers]));
    let chain = chain(&[&one, &two]);
    assert_eq!(outcome(&chain, 60).await, (Ok("b/m".into()), 0));
    // It asked to be left alone: nobody asks it before.
    assert_eq!(outcome(&chain, 60).await, (Ok("b/m".into()), 0));
    sleep(Duration::from_secs(30)).await;
    assert_eq!(outcome(&chain, 60).await, (Ok("a/m".into()), 0));
    assert_eq!(one.asked(), [0, 30]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_outlasts_the_time_is_not_begun() {
    let model = Scripted::new("a/m", &[Does::Limits(3600)]);
    let chain = chain(&[&model]);
    assert_eq!(outcome(&chain, 60).await, (Err(ModelErrorKind::RateLimited), 0));
    let error = ask(&chain, 60).await.unwrap_err();
    assert_eq!(error.message, "not asked: a/m asked for a longer pause than there is time");
    assert_eq!(model.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn eight_readers_of_a_limited_model_wait_for_one_probe() {
    let model = Scripted::new("a/m", &[Does::Limits(10), Does::Takes(5)]);
    let chain = chain(&[&model]);
    assert!(join_all((0..8).map(|_| ask(&chain, 60))).await.iter().all(Result::is_ok));
    // The probe alone at 10; with every answer there is room for one more at once.
    assert_eq!(model.asked(), [0, 10, 15, 15, 20, 20, 20, 20, 25]);
}

#[tokio::test(start_paused = true)]
async fn repeated_failures_open_the_circuit_for_everybody_and_one_probe_goes_after_two_minutes() {
    let mut script = vec![UNAVAILABLE; 5];
    script.push(Does::Answers);
    let (one, two) = (Scripted::new("a/m", &script), Scripted::new("b/m", &[Does::Answers]));
    let chain = chain(&[&one, &two]);
    let round = || join_all((0..8).map(|_| ask(&chain, 600)));
    assert!(round().await.into_iter().all(|reply| reply.unwrap().by == "b/m"));
    let asked = one.asked().len();
    assert!(asked <= 8, "{asked} requests to a model that is down");
    assert!(round().await.into_iter().all(|reply| reply.unwrap().by == "b/m"));
    assert_eq!(one.asked().len(), asked, "nobody asks it while the circuit is open");
    sleep(Duration::from_mins(2)).await;
    assert_eq!(round().await.into_iter().filter(|reply| reply.as_ref().unwrap().by == "a/m").count(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_single_model_that_is_down_is_left_alone_and_says_so() {
    let model = Scripted::new("a/m", &[UNAVAILABLE]);
    let chain = chain(&[&model]);
    join_all((0..8).map(|_| ask(&chain, 600))).await;
    let asked = model.asked().len();
    let error = ask(&chain, 600).await.unwrap_err();
    assert_eq!(error.message, "not asked: a/m failed too often and is left alone for a while");
    assert_eq!(model.asked().len(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_readers_goes_through_the_gate_one_by_one() {
    let model = Scripted::new("local/m", &[Does::Takes(10)]);
    let link = Link { gate: Arc::new(Gate::new(Some(1), None)), ..Link::alone(Arc::clone(&model) as _) };
    let chain = Chain::new(vec![link], RETRY, Arc::new(Ledger::unlimited()));
    let outcomes = join_all((0..5).map(|_| ask(&chain, 30))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    assert_eq!(model.asked(), [0, 10, 20], "what would be cut at once is not sent");
}

/// A ledger with so many dollars for a run.
fn dollars(usd: f64) -> Arc<Ledger> {
    let most = Amount { usd: Usd::from_dollars(usd).unwrap(), tokens: u64::MAX };
    let ceiling = Ceiling { most, usd_key: "limits.max_cost_usd", tokens_key: "limits.max_tokens" };
    Arc::new(Ledger::new(ceiling, ceiling))
}

#[tokio::test(start_paused = true)]
async fn readers_at_once_stay_under_the_ceiling_together_and_what_is_refused_is_not_sent() {
    let model = Scripted::new("a/m", &[Does::Takes(2)]);
    // At 0.1 USD a token, a request of 300 tokens by estimate and an answer of one cost 30.10 USD at most; what comes back costs 11.
    let price = Price::new(PerMillion { input: 1e5, cached_input: None, cache_write: None, output: 1e5 });
    let ledger = dollars(100.0);
    let link = Link { price, ..Link::alone(Arc::clone(&model) as _) };
    let chain = Chain::new(vec![link], RETRY, Arc::clone(&ledger));
    let outcomes = join_all((0..8).map(|_| ask(&chain, 60))).await;
    let refused: Vec<ModelErrorKind> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).map(|error| error.kind).collect();
    assert!(!refused.is_empty() && refused.iter().all(|kind| *kind == ModelErrorKind::Ceiling), "{refused:?}");
    assert_eq!(model.asked().len(), 8 - refused.len());
    assert!(ledger.spent().usd <= Usd::from_dollars(100.0).unwrap(), "{}", ledger.spent().usd);
}

#[tokio::test(start_paused = true)]
async fn readers_whose_own_time_is_over_do_not_shut_a_slow_model() {
    let model = Scripted::new("local/m", &[Does::Takes(50)]);
    let chain = chain(&[&model]);
    let outcomes = join_all((0..8).map(|_| ask(&chain, 30))).await;
    assert!(outcomes.iter().all(|outcome| outcome.as_ref().err().is_some_and(|error| error.kind == ModelErrorKind::TimedOut)));
    assert_eq!(ask(&chain, 60).await.unwrap().by, "local/m");
}
