//! The end of the line in a merge request: this round's findings held against the earlier rounds, the plan that follows, and its doing. It must not
//! decide what is posted (`round::plan` does) nor word it (`comment` does).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use tokio::time::Instant;

use super::Stage;
use super::job::{Hand, Job};
use super::scene::Over;
use crate::change::{LinePosition, Position, patch_id};
use crate::codex::RuleId;
use crate::commands::examine::Examined;
use crate::commands::input::Input;
use crate::comment::{self, Did, Facts, Instructions, Lifted, Links, Page, Task, Undone};
use crate::error::Failure;
use crate::exit::Exit;
use crate::gitlab::{Applied, Gitlab, GitlabError, Head, Outcome, Publishing, Site, apply};
use crate::report::{self, ActionTold, OnRequest, plural};
use crate::review::{Gap, Mode, Review, Severity, Usage, Usd, Verdict};
use crate::round::marker::Mark;
use crate::round::plan::{self, Batch, Bodies, BotState, Reliance};
use crate::round::{
    self, Action, Conversation, Extra, Keys, Origin, Posting, Reconciled, RequestState, RungPlace, Scope, Task as Work, marker,
};

/// How publishing ended.
pub(super) struct Published {
    /// Over everything that is open.
    pub(super) verdict: Verdict,
    /// What was planned.
    pub(super) planned: Vec<Action>,
    /// What the reports say about it.
    pub(super) told: Option<OnRequest>,
    /// Nothing was posted, because the merge request moved on meanwhile.
    pub(super) over: Option<Over>,
    /// GitLab refused what was needed.
    pub(super) refused: Option<Failure>,
    /// What could not be posted.
    pub(super) gaps: Vec<Gap>,
}

impl Published {
    /// Returns the end of a round that posts nothing.
    pub(super) fn nothing(review: &Review) -> Self {
        Self { verdict: review.verdict, planned: Vec::new(), told: None, over: None, refused: None, gaps: Vec::new() }
    }
}

/// A round whose review is done: everything that its plan and its texts are made from.
pub(super) struct Closing<'a> {
    /// The job.
    pub(super) job: &'a Job,
    /// The merge request as it was when the round began.
    pub(super) stage: &'a Stage,
    /// Identity of everything that decides beside the change.
    pub(super) digest: &'a str,
    /// When the round began.
    pub(super) began: Instant,
    /// The whole change.
    pub(super) input: &'a Input,
    /// The review.
    pub(super) examined: &'a Examined,
    /// The findings held against the earlier rounds.
    pub(super) reconciled: &'a Reconciled,
    /// All that was to be read was read, whatever became of questions about earlier findings: those are asked again without it.
    pub(super) read: bool,
    /// The round's number.
    pub(super) number: u32,
    /// What the run had to do.
    pub(super) task: &'a Work,
    /// Pages of rules.
    pub(super) rule_pages: &'a BTreeMap<RuleId, String>,
    /// Print the plan, and post nothing.
    pub(super) dry_run: bool,
    /// The review is what an earlier job said: it approves nothing, and costs nothing again.
    pub(super) secondhand: bool,
}

/// What GitLab knew right before something was written.
struct Fresh {
    bot: BotState,
    batch: Batch,
    publishing: Publishing,
    took: Duration,
}

impl Closing<'_> {
    /// Holds the findings against the earlier rounds, plans, and posts. In a dry run, or in shadow mode, nothing is written.
    pub(super) async fn publish(&self, gitlab: &Gitlab) -> Result<Published, Failure> {
        let Stage { scene, settings, keys, bots, conversation, remembered, .. } = self.stage;
        let review = &self.examined.review;
        if remembered.is_err() {
            return Ok(Published::nothing(review));
        }
        let refs = &scene.request.refs;
        let fresh = self.fresh(gitlab).await?;
        // The last look before anything is written: who comes later sees what this run writes.
        let now = gitlab.head(scene.target).await?;
        // Where nobody wrote, nothing has to be read again.
        let raced = now.notes != scene.request.notes && {
            let there = gitlab.threads(scene.target).await?;
            !round::reading::read(&there, bots, keys).is_as_left(conversation)
        };
        if let Some(over) = self.moved_on(now).or_else(|| raced.then_some(Over::Raced)) {
            return Ok(Published { over: Some(over), ..Published::nothing(review) });
        }
        let number = self.number;
        let mut reconciled = self.reconciled.clone();
        let verdict = reconciled.verdict();
        let mut record = self.record(verdict);
        let mut plan = self.planned(&reconciled, &record, conversation, &fresh, &[]);
        // Where there is nothing to write but the summary, writing it is all: nothing can be missing behind it.
        let at_once = plan.iter().all(writes_summary);
        if at_once {
            record.posting = Posting::Done;
            plan = self.planned(&reconciled, &record, conversation, &fresh, &[]);
        }
        let withheld = match (self.dry_run, settings.publish.shadow, self.job.hand) {
            (true, _, _) => Some("--dry-run was given"),
            (false, true, _) => Some("the configuration says `publish.mode: shadow`"),
            (false, false, Hand::Reads) => Some("this job has ASSIZE_GITLAB_READ_TOKEN alone; `assize publish` posts what it found"),
            (false, false, Hand::Writes) => None,
        };
        let measures = round::measure(&self.stage.state.after(record.clone(), reconciled.known.clone(), reconciled.next_id));
        let done = |posting, actions| OnRequest {
            url: scene.request.web_url.clone(),
            project: scene.target.project,
            iid: scene.target.iid,
            round: number,
            target: self.stage.policy.tip.clone(),
            forced: self.stage.asked.forced.as_ref().map(|forced| forced.tier),
            verdict,
            seen: Vec::new(),
            findings: Vec::new(),
            posting,
            actions,
            calls: gitlab.calls(),
            measures,
        };
        let seen = reconciled.seen.iter().map(|seen| seen.id).collect();
        if let Some(why) = withheld {
            let actions = plan.iter().map(|action| ActionTold { what: told(action), undone: None }).collect();
            let request = OnRequest { seen, findings: reconciled.known, ..done(report::Posting::Withheld(why.to_owned()), actions) };
            return Ok(Published { verdict, planned: plan, told: Some(request), over: None, refused: None, gaps: Vec::new() });
        }

        let site = Site { target: scene.target, refs, me: &scene.me, version: scene.version, publishing: fresh.publishing };
        let mut applied = apply(gitlab, &site, &plan).await;
        let mut actions = actions_told(&plan, &applied);
        // With the threads there, the summary points to them, and says what could not be posted.
        let reread = match applied.threads.take() {
            Some(threads) => Ok(Some(threads)),
            // A summary that was posted is edited, and never posted once more.
            None if !at_once && plan.iter().any(posts_summary) && !applied.superseded() => gitlab.threads(scene.target).await.map(Some),
            None => Ok(None),
        };
        let unread = reread.as_ref().err().cloned();
        let after = reread.ok().flatten().map(|threads| {
            let after = round::reading::read(&threads, bots, keys);
            after.with_awards(conversation.awards.clone(), bots)
        });
        let undone = undone(&applied, &plan, conversation, keys);
        if let Some(after) = &after {
            for known in &mut reconciled.known {
                if let Some(marked) = after.threads.get(&known.id) {
                    known.thread = Some(marked.thread.clone());
                }
            }
        }
        let there = after.as_ref().unwrap_or(conversation);
        if applied.undone().next().is_none() {
            record.posting = Posting::Done;
        }
        if !at_once && unread.is_none() && !applied.superseded() {
            let second = self.planned(&reconciled, &record, there, &fresh, &undone).into_iter().filter(writes_summary).collect::<Vec<_>>();
            let edited = apply(gitlab, &site, &second).await;
            actions.extend(actions_told(&second, &edited));
            applied.outcomes.extend(edited.outcomes);
        }
        let failures: Vec<&GitlabError> = applied.undone().map(|undone| &undone.error).chain(&unread).collect();
        let refused = failures.iter().map(|error| Failure::from((*error).clone())).find(|failure| failure.exit == Exit::Refused);
        let gaps = failures.iter().map(|error| Gap { what: error.to_string(), by_budget: false }).collect();
        let over = applied.superseded().then(|| Over::Superseded { job: refs.head.clone(), now: None });
        let request = OnRequest { seen, findings: reconciled.known, ..done(report::Posting::Done, actions) };
        Ok(Published { verdict, planned: plan, told: Some(request), over, refused, gaps })
    }

    /// Why nothing is posted any more, if the merge request moved on while it was reviewed.
    fn moved_on(&self, now: Head) -> Option<Over> {
        match now.state {
            RequestState::Merged => Some(Over::Merged),
            RequestState::Closed => Some(Over::Closed),
            RequestState::Open => {
                let head = &self.stage.scene.request.refs.head;
                now.head.filter(|now| now != head).map(|now| Over::Superseded { job: head.clone(), now: Some(now) })
            }
        }
    }

    async fn fresh(&self, gitlab: &Gitlab) -> Result<Fresh, Failure> {
        let Stage { scene, settings, .. } = self.stage;
        let drafts = gitlab.drafts(scene.target).await?;
        let bot = if settings.publish.approve {
            gitlab.votes(scene.target, &scene.me, drafts.ours.len()).await?
        } else {
            BotState { drafts: drafts.ours.len(), ..BotState::default() }
        };
        let publishing = if drafts.others > 0 { Publishing::OneByOne } else { Publishing::Batch };
        let batch = match publishing {
            Publishing::Batch => scene.version.batch(),
            Publishing::OneByOne => Batch::Threads,
        };
        Ok(Fresh { bot, batch, publishing, took: self.began.elapsed() })
    }

    fn record(&self, verdict: Verdict) -> round::Round {
        let Stage { scene, policy, conversation, asked, lifted, state, .. } = self.stage;
        let review = &self.examined.review;
        // A round that is gone over again has cost what it cost before.
        let before = state.last().filter(|last| last.number == self.number);
        let mut usage = before.map_or_else(Usage::default, |before| before.usage);
        let mut cost = before.map_or(Usd::ZERO, |before| before.cost);
        if before.is_none() || !self.secondhand {
            for reviewer in &review.reviewers {
                usage += reviewer.usage;
            }
            cost = cost.plus(review.spending.cost().known);
        }
        round::Round {
            number: self.number,
            head: scene.request.refs.head.clone(),
            base: scene.request.refs.base.clone(),
            target: policy.tip.clone(),
            patch_id: patch_id(&self.input.change),
            tier: review.tier.tier,
            forced_tier: asked.forced.as_ref().map(|forced| forced.tier),
            verdict,
            complete: self.read
                && match (self.task, lifted) {
                    (Work::Review(_), None) => true,
                    // Behind a lifted gate nobody read.
                    (Work::Review(_), Some(_)) => false,
                    (Work::Recheck { .. } | Work::Conversation | Work::Nothing, _) => state.last().is_some_and(|last| last.complete),
                },
            usage,
            cost,
            config_digest: self.digest.to_owned(),
            newest_note: conversation.newest_note.clone(),
            threads_digest: conversation.digest(),
            posting: Posting::Begun,
            overridden: lifted.clone(),
            extra: Extra::new(),
        }
    }

    fn policy(&self) -> plan::Policy {
        let settings = &self.stage.settings;
        let by_bot = self.stage.is_by_dependency_bot();
        plan::Policy {
            max_threads: settings.publish.max_threads,
            thread_severity: if by_bot { Severity::Critical } else { settings.publish.thread_severity },
            vote: settings.publish.approve,
        }
    }

    fn planned(
        &self,
        reconciled: &Reconciled,
        record: &round::Round,
        there: &Conversation,
        fresh: &Fresh,
        undone: &[Undone],
    ) -> Vec<Action> {
        let Stage { scene, settings, policy: instructions, keys, state: earlier, remembered, lifted, .. } = self.stage;
        let Self { job, input, examined: Examined { review, .. }, .. } = self;
        let refs = &scene.request.refs;
        let policy = self.policy();
        // What nobody had to read again was read by the rounds before.
        let read = match self.task {
            Work::Review(_) => review.mode == Mode::Reviewed,
            Work::Recheck { .. } | Work::Conversation | Work::Nothing => self.examined.sitting.is_some(),
        };
        let reliance =
            Reliance { complete: record.complete && review.complete(), reviewed: read && !self.secondhand, overridden: lifted.is_some() };
        let vote = plan::vote(policy, reconciled.verdict(), reliance);
        let state = earlier.after(record.clone(), reconciled.known.clone(), reconciled.next_id);
        let state = match record.posting {
            Posting::Begun => state,
            Posting::Done => state.posted(),
        };
        let marker = marker::summary(&state, keys);
        let project = project_url(&scene.request.web_url);
        let rules = |rule: &RuleId| self.rule_pages.get(rule).cloned();
        let links = Links::new(project, Vec::new());
        let page = Page {
            links: &links,
            project,
            merge_request: &scene.request.web_url,
            // Running this job again reads nothing new: it posts what another one found.
            job: job.page.as_deref().filter(|_| !self.secondhand),
            rule: &rules,
            base: &refs.base,
            head: &refs.head,
        };
        let summary = comment::summary(
            &Facts {
                did: match self.task {
                    Work::Review(Scope::Whole { .. }) => Did::Whole(review),
                    Work::Review(Scope::New { .. }) => Did::Narrowed(review),
                    Work::Recheck { .. } => Did::Rechecked,
                    Work::Conversation | Work::Nothing => Did::Conversation,
                },
                round: record.number,
                reconciled,
                state: earlier,
                origin: remembered.as_ref().map_or(Origin::First, |remembered| remembered.origin),
                conversation: there,
                policy,
                vote,
                bot: fresh.bot,
                complete: review.complete() && (lifted.is_some() || record.complete),
                reviewed: read,
                lifted: lifted.as_ref().map(|lifted| Lifted { by: &lifted.by, why: &lifted.why, head: &lifted.head }),
                undone,
                instructions: Instructions {
                    branch: &scene.request.target_branch,
                    commit: &instructions.tip,
                    config: instructions.config.as_ref().map(|config| config.name.as_str()),
                },
                language: &settings.language,
                took: Some(fresh.took),
                cost_usd: {
                    let cost = review.spending.cost();
                    cost.unknown.is_empty().then(|| cost.known.dollars())
                },
                marker: &marker,
            },
            &page,
        );
        let bodies = Bodies { thread: &|opening| comment::thread(opening, &page), reply: &|answering| comment::reply(answering, &page) };
        let input = plan::Input {
            policy,
            change: &input.change,
            findings: &review.findings,
            reconciled,
            round: record.number,
            head: &refs.head,
            previous_head: earlier.last().map(|round| &round.head),
            conversation: there,
            bot: fresh.bot,
            batch: fresh.batch,
            reliance,
            keys,
            summary: &summary,
        };
        plan::plan(&input, &bodies)
    }
}

const fn posts_summary(action: &Action) -> bool {
    matches!(action, Action::PostSummary { .. } | Action::OpenThreads { summary: Some(_), .. })
}

const fn writes_summary(action: &Action) -> bool {
    matches!(action, Action::EditSummary { .. } | Action::PostSummary { .. })
}

/// Returns the page of the project that a merge request's page is in.
pub(super) fn project_url(web_url: &str) -> &str {
    web_url.split("/-/merge_requests/").next().unwrap_or(web_url)
}

fn actions_told(plan: &[Action], applied: &Applied) -> Vec<ActionTold> {
    let undone = |outcome: &Outcome| match outcome {
        Outcome::Done => None,
        Outcome::Undone(undone) => Some(undone.iter().map(|undone| undone.error.to_string()).collect::<Vec<_>>().join("; ")),
    };
    plan.iter().zip(&applied.outcomes).map(|(action, outcome)| ActionTold { what: told(action), undone: undone(outcome) }).collect()
}

/// Returns what the summary says about what could not be posted.
fn undone(applied: &Applied, plan: &[Action], conversation: &Conversation, keys: &Keys) -> Vec<Undone> {
    let by_thread = |thread: &str| conversation.threads.iter().find(|(_, marked)| marked.thread.id == thread).map(|(id, _)| *id);
    let by_marker = |marker: &str| match marker::read(marker, keys) {
        Some((Mark::Finding(mark), _)) => Some(mark.id),
        Some((Mark::Summary(_) | Mark::Reply(_), _)) | None => None,
    };
    let mut told = Vec::new();
    for (action, outcome) in plan.iter().zip(&applied.outcomes) {
        let Outcome::Undone(undone) = outcome else { continue };
        for one in undone {
            let task = match action {
                Action::OpenThreads { .. } => one.marker.as_deref().and_then(by_marker).map(Task::Thread),
                Action::Reply { thread, .. } => by_thread(thread).map(Task::Reply),
                Action::Resolve { thread } => by_thread(thread).map(Task::Resolve),
                Action::Approve { .. } => Some(Task::Approve),
                Action::WithdrawApproval => Some(Task::WithdrawApproval),
                Action::RequestChanges => Some(Task::RequestChanges),
                Action::ClearRequestedChanges => Some(Task::ClearRequestedChanges),
                // The summary cannot tell that it is not there; drafts that were not deleted concern nobody else.
                Action::PostSummary { .. } | Action::EditSummary { .. } | Action::DiscardDrafts => None,
            };
            told.extend(task.map(|task| Undone { task, why: one.error.said().to_owned() }));
        }
    }
    told
}

/// Returns an action as one line for people.
fn told(action: &Action) -> String {
    match action {
        Action::WithdrawApproval => "take the approval back".to_owned(),
        Action::DiscardDrafts => "delete drafts that an earlier run left behind".to_owned(),
        Action::PostSummary { .. } => "post the summary".to_owned(),
        Action::EditSummary { note, .. } => format!("edit the summary (note {note})"),
        Action::OpenThreads { threads, summary: None } => format!("open {}", plural(threads.len(), "thread")),
        Action::OpenThreads { threads, summary: Some(_) } => format!("open {} and post the summary", plural(threads.len(), "thread")),
        Action::Resolve { thread } => format!("resolve the thread {thread}"),
        Action::Reply { thread, reopen: false, .. } => format!("answer in the thread {thread}"),
        Action::Reply { thread, reopen: true, .. } => format!("open the thread {thread} again, with an answer"),
        Action::Approve { head } => format!("approve {}", head.short()),
        Action::RequestChanges => "request changes".to_owned(),
        Action::ClearRequestedChanges => "take the request for changes back".to_owned(),
    }
}

/// Returns the plan with every text that it would post.
pub(super) fn plan_told(plan: &[Action]) -> String {
    let mut out = String::from("The plan; nothing was posted.\n");
    for action in plan {
        writeln!(out, "\n== {}", told(action)).expect("writing to a string cannot fail");
        match action {
            Action::PostSummary { body } | Action::EditSummary { body, .. } | Action::Reply { body, .. } => text_told(&mut out, body),
            Action::OpenThreads { threads, summary } => {
                for thread in threads {
                    let Some(rung) = thread.rungs.first() else { continue };
                    writeln!(out, "-- {}", place_told(&rung.place)).expect("writing to a string cannot fail");
                    text_told(&mut out, &rung.body);
                }
                if let Some(body) = summary {
                    writeln!(out, "-- the summary").expect("writing to a string cannot fail");
                    text_told(&mut out, body);
                }
            }
            Action::WithdrawApproval
            | Action::DiscardDrafts
            | Action::Resolve { .. }
            | Action::Approve { .. }
            | Action::RequestChanges
            | Action::ClearRequestedChanges => {}
        }
    }
    out
}

/// A text without its marker, which says nothing to people.
fn text_told(out: &mut String, body: &str) {
    let (text, marker) = body.trim_end().rsplit_once('\n').unwrap_or(("", body));
    let shown = if marker::is_marked(marker) { text.trim_end() } else { body.trim_end() };
    for line in shown.lines() {
        writeln!(out, "   {line}").expect("writing to a string cannot fail");
    }
}

fn place_told(place: &RungPlace) -> String {
    match place {
        RungPlace::File { new_path, .. } => format!("on {new_path}"),
        RungPlace::Lines(Position { new_path, line, start, .. }) => {
            let number = |line: &LinePosition| match (line.new_line, line.old_line) {
                (Some(new), _) => new.to_string(),
                (None, Some(old)) => format!("{old} (removed)"),
                (None, None) => "?".to_owned(),
            };
            let from = start.as_ref().map(|start| format!("{}–", number(start))).unwrap_or_default();
            format!("on {new_path}:{from}{}", number(line))
        }
    }
}
