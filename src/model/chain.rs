//! A chain of models that answers as one: each is asked through its provider's gate and its own circuit, again where that may help, and the next one
//! where it does not. It must not judge an answer: only calls without one move it on.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::circuit::{Pass, Shut, Why};
use super::{Amount, Circuit, Gate, Ledger, Model, ModelError, ModelErrorKind, Remedy, Reply, Request, Retry, Started};
use crate::review::{Price, Usage};

/// The longest pause that is waited out at a model while others of the chain could answer.
const SHORT: Duration = Duration::from_secs(15);

/// Models in the order in which they are asked.
pub struct Chain {
    links: Vec<Link>,
    retry: Retry,
    ledger: Arc<Ledger>,
}

/// One model of a chain.
pub struct Link {
    /// The model.
    pub model: Arc<dyn Model>,
    /// Its circuit, shared by all chains that hold it.
    pub circuit: Arc<Circuit>,
    /// The gate of its provider, shared by all its models.
    pub gate: Arc<Gate>,
    /// What its tokens cost, if that is known.
    pub price: Option<Price>,
}

impl Link {
    /// Returns a link with a circuit and a gate of its own, which let everything through, and no known price.
    pub fn alone(model: Arc<dyn Model>) -> Self {
        Self { model, circuit: Arc::default(), gate: Arc::new(Gate::new(None, None)), price: None }
    }
}

/// Why a link gave no answer.
enum Stopped {
    /// It was asked, and failed.
    Failed(ModelError),
    /// It was not asked: its circuit is open, until then if it only asked for a pause.
    Shut(Option<Instant>, Why),
}

/// What was used so far in one turn, by model.
#[derive(Default)]
struct Tally(Vec<(String, Usage)>);

impl Tally {
    fn add(&mut self, model: &str, usage: Usage) {
        match self.0.iter_mut().find(|(known, _)| known == model) {
            Some((_, sum)) => *sum += usage,
            None => self.0.push((model.to_owned(), usage)),
        }
    }

    /// Takes out what the answering model used.
    fn split(mut self, by: &str) -> (Usage, Vec<(String, Usage)>) {
        let at = self.0.iter().position(|(known, _)| known == by);
        let usage = at.map(|at| self.0.remove(at).1).unwrap_or_default();
        (usage, self.0)
    }
}

impl Chain {
    /// Returns a chain over at least one model, whose calls stand in the ledger.
    pub fn new(links: Vec<Link>, retry: Retry, ledger: Arc<Ledger>) -> Self {
        assert!(!links.is_empty(), "a chain holds a model");
        Self { links, retry, ledger }
    }

    async fn answer(&self, request: &Request, started: &Started) -> Result<Reply, ModelError> {
        let deadline = Instant::now() + request.patience.total;
        let mut tally = Tally::default();
        loop {
            let (mut failed, mut soonest, mut names) = (None, None, Vec::new());
            for (number, link) in self.links.iter().enumerate() {
                let last = number + 1 == self.links.len();
                let call = Call { request, started, deadline, retry: self.retry, ledger: &self.ledger, last };
                match link.answer(&call, &mut tally).await {
                    Ok(reply) => {
                        let (usage, tried) = tally.split(&reply.by);
                        return Ok(Reply { usage, tried, ..reply });
                    }
                    Err(Stopped::Failed(error)) => {
                        let further = match error.kind.remedy() {
                            Remedy::Again | Remedy::Next => !call.last && Instant::now() < deadline,
                            Remedy::Shrink | Remedy::GiveUp => false,
                        };
                        if !further {
                            return Err(ModelError { tried: tally.0, ..error });
                        }
                        let next = self.links[number + 1].model.name();
                        tracing::warn!(reader = request.reader, "{error}; {next} is asked instead");
                        failed = Some(error);
                    }
                    Err(Stopped::Shut(until, why)) => {
                        soonest = [soonest, until].into_iter().flatten().min();
                        names.push(format!("{}{}", link.model.name(), said(why)));
                    }
                }
            }
            // Nobody is left to ask. Who was asked and failed says more than who was not; a pause that fits is waited out.
            match (failed, soonest.filter(|until| *until < deadline)) {
                (Some(error), _) => return Err(ModelError { tried: tally.0, ..error }),
                (None, Some(until)) => sleep_until(until).await,
                (None, None) => {
                    let message = format!("not asked: {}", names.join("; "));
                    return Err(ModelError { tried: tally.0, ..ModelError::new(ModelErrorKind::Unavailable, message) });
                }
            }
        }
    }
}

fn said(why: Why) -> &'static str {
    match why {
        Why::Failing => " failed too often and is left alone for a while",
        Why::Limited => " asked for a longer pause than there is time",
        Why::Exhausted => " has no credit left",
    }
}

impl Model for Chain {
    /// The first model's name: what people configured. A reply says who answered.
    fn name(&self) -> &str {
        self.links[0].model.name()
    }

    fn turn<'a>(&'a self, request: &'a Request, started: &'a Started) -> BoxFuture<'a, Result<Reply, ModelError>> {
        Box::pin(self.answer(request, started))
    }
}

/// One turn at one link.
struct Call<'a> {
    request: &'a Request,
    started: &'a Started,
    deadline: Instant,
    retry: Retry,
    ledger: &'a Arc<Ledger>,
    /// Nobody follows.
    last: bool,
}

impl Link {
    async fn answer(&self, call: &Call<'_>, tally: &mut Tally) -> Result<Reply, Stopped> {
        let (mut failures, mut timeouts) = (0, 0);
        let mut failed: Option<ModelError> = None;
        loop {
            if let Some(shut) = self.circuit.shut() {
                self.wait(shut, call).await.map_err(|shut| failed.take().map_or(shut, Stopped::Failed))?;
                continue;
            }
            // A place that comes free at the last moment is of no use: a request that is cut at once is paid all the same.
            let ticket = timeout_at(call.deadline, self.gate.enter()).await.ok().filter(|_| Instant::now() < call.deadline);
            let Some(ticket) = ticket else {
                let late = || self.late(call, "no place was free at its provider");
                return Err(Stopped::Failed(failed.unwrap_or_else(late)));
            };
            let credit = call.ledger.hold(self.dearest(call.request), self.input(call.request), call.request.worth);
            let mut hold = match timeout_at(call.deadline, credit).await {
                Ok(Ok(hold)) => hold,
                Ok(Err(error)) => return Err(Stopped::Failed(error)),
                Err(_) => return Err(Stopped::Failed(self.late(call, "no room under the ceilings"))),
            };
            // It may have been shut while this one stood in line.
            let Ok(mut pass) = self.circuit.admit() else { continue };
            hold.send();
            let error = match self.attempt(call, &mut pass).await {
                Ok(reply) => {
                    pass.answers();
                    self.gate.widen();
                    hold.settle(self.amount(&counted(&reply, call.request)));
                    tally.add(&reply.by, reply.usage);
                    return Ok(reply);
                }
                Err(error) => error,
            };
            if error.kind == ModelErrorKind::RateLimited {
                self.gate.narrow();
            }
            drop(ticket);
            let lost = lost(&error, call.request);
            hold.settle(self.amount(&lost));
            tally.add(self.model.name(), lost);
            failures += 1;
            timeouts += u32::from(error.kind == ModelErrorKind::TimedOut);
            let pause = error.retry_after.unwrap_or_default().max(call.retry.pause(failures));
            // A reader whose own time is over says nothing about the model, which may only have a long queue.
            if Instant::now() < call.deadline {
                pass.failed(&error, pause);
            }
            let over = error.kind.remedy() != Remedy::Again || call.retry.over(error.kind, failures, timeouts);
            // A pause that outlasts the time is not begun, so that another model can be asked.
            if over || Instant::now() + pause >= call.deadline || (pause > SHORT && !call.last) {
                return Err(Stopped::Failed(error));
            }
            tracing::debug!(model = self.model.name(), failures, "asked again in {} ms: {error}", pause.as_millis());
            // A limit is everybody's: the circuit keeps its pause.
            if error.kind != ModelErrorKind::RateLimited {
                sleep(pause).await;
            }
            failed = Some(error);
        }
    }

    fn amount(&self, usage: &Usage) -> Amount {
        Amount { usd: self.price.map(|price| price.cost(usage)).unwrap_or_default(), tokens: usage.counted() }
    }

    /// The most that a request can cost: nothing of it cached, and an answer as long as it may be.
    fn dearest(&self, request: &Request) -> Amount {
        let (input, output) = (request.tokens(), u64::from(request.max_output));
        let usd = self.price.map(|price| price.at_most(input, output)).unwrap_or_default();
        Amount { usd, tokens: input.saturating_add(output) }
    }

    fn input(&self, request: &Request) -> Amount {
        self.amount(&Usage { input: request.tokens(), ..Usage::default() })
    }

    /// Waits for a circuit to let somebody through, where that is worth it.
    async fn wait(&self, shut: Shut, call: &Call<'_>) -> Result<(), Stopped> {
        match shut {
            Shut::Until(until, Why::Limited) if until < call.deadline && (call.last || until - Instant::now() <= SHORT) => {
                sleep_until(until).await;
                Ok(())
            }
            Shut::Probing(why) if call.last => timeout_at(call.deadline, self.circuit.probed()).await.map_err(|_| Stopped::Shut(None, why)),
            Shut::Until(until, why @ Why::Limited) => Err(Stopped::Shut(Some(until), why)),
            Shut::Until(_, why) | Shut::Probing(why) => Err(Stopped::Shut(None, why)),
        }
    }

    /// Sends the request once. As soon as the answer begins, the others of a half-open circuit may go.
    async fn attempt(&self, call: &Call<'_>, pass: &mut Pass) -> Result<Reply, ModelError> {
        let began = Started::default();
        let mut turn = self.model.turn(call.request, &began);
        let begins = async {
            began.wait().await;
            call.started.tell();
            pass.answers();
            std::future::pending::<std::convert::Infallible>().await
        };
        let outcome = tokio::select! {
            outcome = timeout_at(call.deadline, &mut turn) => outcome,
            never = begins => match never {},
        };
        outcome.unwrap_or_else(|_| Err(ModelError { charged: true, ..self.late(call, "no complete answer") }))
    }

    fn late(&self, call: &Call<'_>, what: &str) -> ModelError {
        let message = format!("{}: {what} within {} s", self.model.name(), call.request.patience.total.as_secs());
        ModelError::new(ModelErrorKind::TimedOut, message)
    }
}

/// What an answer counts for under a ceiling: what the provider says, or an estimate where it says nothing.
fn counted(reply: &Reply, request: &Request) -> Usage {
    if reply.usage.input > 0 {
        return reply.usage;
    }
    Usage { input: request.tokens(), output: reply.tokens(), ..reply.usage }
}

/// What a failed request used: its input by estimate, if the model was at work on it.
fn lost(error: &ModelError, request: &Request) -> Usage {
    let input = if error.charged { request.tokens() } else { 0 };
    Usage { calls: 1, input, ..Usage::default() }
}

#[cfg(test)]
mod tests;
