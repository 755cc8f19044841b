//! `assize review` in the pipeline of a merge request: the straight line with GitLab at both ends. It must not decide what is posted: `round` does.

mod job;
mod ledger;
mod policy;
mod publishing;
mod scene;

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::job::{Hand, Job};
use self::ledger::{Against, Held};
use self::policy::Policy;
use self::publishing::{Closing, Published, plan_told, project_url};
use self::scene::{Asked, Met, Over, Scene, asked, meet, not_skipped};
use super::examine::{Examined, Orders, Reading, Voices, examine_prepared};
use super::input::Input;
use super::models::remember;
use super::outputs::Outputs;
use super::prepare::{Prepared, prepare};
use super::replay::{Tape, story_of};
use super::review::{voices, with_heartbeat};
use super::{Pace, stop};
use crate::change::{Change, MAX_DIFF_BYTES, parse, patch_id};
use crate::checkout;
use crate::cli::ReviewArgs;
use crate::env::{Env, Io};
use crate::error::Failure;
use crate::exit::Exit;
use crate::gitlab::{Connection, Gitlab, Proxies};
use crate::model::Amount;
use crate::report::{Style, Told};
use crate::review::brief::RequestWords;
use crate::review::{self, Gap, Review, ReviewerName, risk};
use crate::round::{
    self, AccessLevel, Bots, Conversation, Glass, Keys, Now, Origin, Override, People, Posting, Remembered, State, StateError, Task,
};
use crate::settings::{self, ConfigText, Effective, Flags, Settings, Speaker};
use crate::story;
use crate::telemetry::Progress;

/// Returns whether the run is in the pipeline of a merge request.
pub fn is_job(env: &Env) -> bool {
    Job::is_one(env)
}

/// Runs the review of a job's merge request. With what an earlier job said about it, no model is asked.
pub async fn run(
    args: &ReviewArgs,
    told: Option<Told>,
    env: &Env,
    io: &mut Io,
    style: Style,
    quiet: bool,
    pace: &Pace,
) -> Result<Exit, Failure> {
    let job = Job::from(env)?;
    if told.is_some() && job.hand == Hand::Reads {
        return Err(job::no_token());
    }
    let outputs = if told.is_some() { Outputs::named(args)? } else { Outputs::of(args, env)? };
    let began = Instant::now();
    let stop = stop::on_signal();
    let mut progress = Progress::new(env, quiet);
    progress.section(&mut io.stderr, "read", "Reading the merge request");
    let gitlab = Gitlab::new(connection(&job, env, pace))?;
    let stage = match Box::pin(unless(&stop, enter(&gitlab, &job, args, env, pace))).await?? {
        Ok(stage) => stage,
        Err(over) => return over_with(&over, &mut progress, io),
    };
    let Stage { scene, policy, settings, keys, state, asked, .. } = &stage;
    if let Some(over) = told.as_ref().map(|told| stage.outlived(told)).transpose()?.flatten() {
        return over_with(&over, &mut progress, io);
    }
    let mut input = unless(&stop, gather(&gitlab, &job, &stage, env)).await??;
    let prepared = unless(&stop, prepare(&input, settings, asked.forced.as_ref(), keys.boundary())).await??;
    if let Some(by) = &asked.skip {
        match not_skipped(by, sensitive(&prepared, settings)) {
            None => return over_with(&Over::Skipped { by: by.clone() }, &mut progress, io),
            Some(why) => input.remarks.push(why),
        }
    }
    let digest = digest(policy, &prepared.policy);
    let task = stage.task(&input.change, &digest);
    if let Some(round) = stage.unchanged(&task) {
        return over_with(&Over::Unchanged { round }, &mut progress, io);
    }
    let against = unless(&stop, Against::read(&job, &task, state, &input.change, &prepared.mask, env)).await?;
    let gate = stage.lifted.as_ref().map(|by| format!("the gate was lifted by @{}", by.by));
    let secondhand = told.is_some();
    let reading = match against.reading(&task, gate.as_deref()) {
        // How much of the change the earlier job read is its own affair.
        Reading::Since(_) if secondhand => Reading::Whole,
        reading => reading,
    };
    let orders = stage.orders(reading);
    let rule_pages = policy.rule_pages(project_url(&scene.request.web_url), &prepared.rules, settings);

    progress.section(&mut io.stderr, "review", "Reviewing");
    let (mut voices, circuits) = match told {
        Some(told) => (Voices::Told(Box::new(told)), None),
        None => unless(&stop, voices(args, settings, env, pace)).await??,
    };
    carry(&voices, state);
    let tape = Tape::beside(&mut voices);
    let number = state.round_over(&scene.request.refs.head, &scene.request.refs.base);
    let work = Box::pin(async {
        let mut examined = examine_prepared(prepared, &input, settings, &orders, voices).await?;
        let held = Held { stage: &stage, against: &against, task: &task, round: number };
        let read = examined.review.complete();
        let reconciled = held.against(&mut examined).await;
        Ok::<_, Failure>((examined, reconciled, read))
    });
    let work = with_heartbeat(work, &mut progress, &mut *io.stderr);
    let (examined, reconciled, read) = Box::pin(unless(&stop, work)).await??;
    if let Some(circuits) = circuits {
        remember(&circuits, env);
    }

    progress.section(&mut io.stderr, "publish", "Publishing");
    let closing = Closing {
        job: &job,
        stage: &stage,
        digest: &digest,
        began,
        input: &input,
        examined: &examined,
        reconciled: &reconciled,
        read,
        number,
        task: &task,
        rule_pages: &rule_pages,
        dry_run: args.end.dry_run,
        secondhand,
    };
    let published = Box::pin(stop::soon_after(&stop, closing.publish(&gitlab))).await.flatten();
    progress.end(&mut io.stderr);

    outputs.write_story(|| story::write(&story_of(&input, &orders, &examined, tape.as_ref(), args.end.fail_on.as_deref())), env)?;
    let Examined { review, shown, .. } = &examined;
    let told = published.as_ref().ok().and_then(|published| published.told.as_ref());
    outputs.write(review, shown, told, env, io, style)?;
    // The result is in the artifacts, whatever GitLab said.
    let kept = |failure: Failure| if secondhand { failure } else { kept(failure) };
    let published = published.map_err(kept)?;
    end(Published { refused: published.refused.map(kept), ..published }, review, &stage, args.end.dry_run, io)
}

/// A failure after the review was done says where it is.
fn kept(failure: Failure) -> Failure {
    let first = failure.hint.as_ref().map(|hint| format!("{hint}; ")).unwrap_or_default();
    failure.hint(format!("{first}what was found is in result.json, and `assize publish` posts it without asking a model again"))
}

/// Does work before anything is posted, unless the process is asked to end.
async fn unless<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Result<T, Failure> {
    stop::unless(stop, "the review was not finished, and nothing was posted", work).await
}

/// Says how the run ended, and returns its code.
fn end(published: Published, review: &Review, stage: &Stage, dry_run: bool, io: &mut Io) -> Result<Exit, Failure> {
    if dry_run {
        super::print(io, &plan_told(&published.planned))?;
    }
    if let Some(over) = published.over {
        super::print(io, &format!("Assize: {over}\n"))?;
        return Ok(Exit::Done);
    }
    if let Some(refused) = published.refused {
        return Err(refused);
    }
    if let Some(by) = &stage.lifted {
        super::print(io, &format!("Assize: the gate was lifted by @{} at {}: {}\n", by.by, by.head.short(), by.why))?;
        return Ok(Exit::Done);
    }
    let gaps: Vec<Gap> = review.incomplete.iter().cloned().chain(published.gaps).collect();
    Ok(review::exit(published.verdict, &gaps, stage.settings.fail_on))
}

/// A merge request with everything that decides about it beside its code.
struct Stage {
    scene: Scene,
    policy: Policy,
    settings: Settings,
    keys: Keys,
    bots: Bots,
    conversation: Conversation,
    /// What is remembered; a newer program may keep it to itself, then nothing may be posted or resolved.
    remembered: Result<Remembered, StateError>,
    /// The state, empty where it is kept from this program.
    state: State,
    roles: BTreeMap<u64, Option<AccessLevel>>,
    lifted: Option<Override>,
    asked: Asked,
    remarks: Vec<String>,
}

/// Reads the merge request, its instructions and what was written on it, or says why there is nothing to do.
async fn enter(gitlab: &Gitlab, job: &Job, args: &ReviewArgs, env: &Env, pace: &Pace) -> Result<Result<Stage, Over>, Failure> {
    let scene = match meet(gitlab, job, pace.diff).await? {
        Met::Open(scene) => *scene,
        Met::Over(over) => return Ok(Err(over)),
    };
    let mut remarks = Vec::new();
    let policy = Policy::read(gitlab, job, &scene.request.target_branch, env, &mut remarks).await?;
    let flags = Flags { fail_on: args.end.fail_on.clone(), models: args.model.clone() };
    let effective = settings::load(policy.config.as_ref(), env, &flags, Speaker::SourceBranch)?;
    only_tightens(args, &effective, policy.config.as_ref())?;
    let settings = effective.settings;
    let keys = Keys::derive(job.secret(), job.project, job.iid);
    let bots = Bots { current: scene.me.id, former: settings.publish.former_bots.iter().copied().collect() };
    let conversation = round::reading::read(&scene.threads, &bots, &keys);
    let conversation = ledger::with_reactions(gitlab, &scene, &bots, conversation).await?;
    let remembered = conversation.remembered();
    if round::reading::has_broken_seals(&scene.threads, &bots, &keys) {
        let why = "notes of a former bot were sealed with another key and are not believed; seals outlive a token where ASSIZE_KEY is set";
        remarks.push(why.to_owned());
    }
    match &remembered {
        Ok(Remembered { origin: Origin::Rebuilt, .. }) => {
            remarks.push("the summary of earlier rounds is gone or damaged; what is known of them was taken from their threads".to_owned());
        }
        Ok(_) => {}
        Err(error) => remarks.push(format!("nothing was posted: {error}; update Assize in this pipeline")),
    }
    let roles = ledger::roles(gitlab, &scene, &conversation, &settings).await?;
    let flag = super::forced_by_flag(args.source.tier.as_deref(), false);
    let asked = asked(gitlab, &scene, flag, &settings).await?;
    remarks.extend(asked.remarks.iter().cloned());
    let mut stage = Stage {
        state: remembered.as_ref().map_or_else(|_| State::new(), |remembered| remembered.state.clone()),
        lifted: None,
        scene,
        policy,
        settings,
        keys,
        bots,
        conversation,
        remembered,
        roles,
        asked,
        remarks,
    };
    stage.lifted = lifted_by(gitlab, &stage).await?;
    Ok(Ok(stage))
}

impl Stage {
    /// Returns who may do what.
    fn people(&self) -> People<'_> {
        People { author: &self.scene.request.author, access: &self.roles, min_access: ledger::level(self.settings.min_access) }
    }

    /// Returns whether a dependency bot opened the merge request.
    fn is_by_dependency_bot(&self) -> bool {
        let request = &self.scene.request;
        self.settings.dependency_bots.wrote(&request.author.username, &request.source_branch)
    }

    /// Returns what the run has to do.
    fn task(&self, change: &Change, digest: &str) -> Task {
        let refs = &self.scene.request.refs;
        let now = Now {
            head: &refs.head,
            base: &refs.base,
            patch_id: &patch_id(change),
            forced_tier: self.asked.forced.as_ref().map(|forced| forced.tier),
            config_digest: digest,
            newest_note: self.conversation.newest_note.as_ref(),
            threads_digest: &self.conversation.digest(),
            lifted: self.lifted.as_ref(),
        };
        let origin = self.remembered.as_ref().map_or(Origin::First, |remembered| remembered.origin);
        round::task(&self.state, origin, &now)
    }

    /// Returns the round that did all of this already, if there is nothing to do.
    fn unchanged(&self, task: &Task) -> Option<u32> {
        let last = self.state.last()?;
        let note = |by: &Option<Override>| by.as_ref().map(|by| by.note);
        (*task == Task::Nothing && note(&last.overridden) == note(&self.lifted)).then_some(last.number)
    }

    /// Returns why what an earlier job said is not posted any more. Fails if it is about another merge request.
    fn outlived(&self, told: &Told) -> Result<Option<Over>, Failure> {
        let Self { scene, state, .. } = self;
        let (target, refs) = (scene.target, &scene.request.refs);
        if let Some((project, iid)) = told.request.filter(|of| *of != (target.project, target.iid)) {
            return Err(Failure::usage(format!("the result is about !{iid} of project {project}, and this job is for {target}"))
                .hint("take the artifacts of this pipeline's own review"));
        }
        let Some(head) = &told.head else {
            return Err(Failure::usage("the result is about no commit, so it cannot be posted")
                .hint("take the result.json that a job of this pipeline left"));
        };
        if *head != refs.head || told.base.as_ref() != Some(&refs.base) {
            return Ok(Some(Over::Stale { head: head.clone() }));
        }
        let last = state.last().filter(|last| last.posting == Posting::Done && last.head == refs.head && last.base == refs.base);
        Ok(last.map(|last| Over::Posted { round: last.number }))
    }

    /// Returns what the reviewers are told.
    fn orders<'a>(&'a self, reading: Reading<'a>) -> Orders<'a> {
        let request = &self.scene.request;
        let security = ReviewerName::parse("security").expect("a name of ours");
        Orders {
            forced: self.asked.forced.clone(),
            only: if self.is_by_dependency_bot() { BTreeSet::from([security]) } else { BTreeSet::new() },
            only_why: "a dependency bot's merge request is read by the security reviewer alone",
            skip: BTreeSet::new(),
            key: self.keys.boundary(),
            words: Some(RequestWords { title: request.title.clone(), description: request.description.clone() }),
            reading,
        }
    }
}

/// Returns how many files of the change are security-sensitive.
fn sensitive(prepared: &Prepared, settings: &Settings) -> usize {
    let files = prepared.filtered.reviewed.files();
    let reviewed = files.iter().filter(|file| risk::sensitive_file(file, &settings.tiers.sensitive).is_some()).count();
    reviewed + prepared.filtered.security_only.len()
}

/// Looks for a person who lifted the gate. The versions of the merge request are read only where somebody wrote the words.
async fn lifted_by(gitlab: &Gitlab, stage: &Stage) -> Result<Option<Override>, Failure> {
    let Stage { scene, settings, conversation, .. } = stage;
    let glass = Glass { phrase: &settings.break_glass.phrase, by_author: settings.break_glass.by_author };
    let phrase = glass.phrase.to_lowercase();
    if !conversation.said.iter().any(|said| said.body.trim_start().to_lowercase().starts_with(&phrase)) {
        return Ok(None);
    }
    let versions = gitlab.versions(scene.target).await?.into_iter();
    let versions: Vec<round::Version> =
        versions.filter_map(|version| Some(round::Version { head: version.refs?.head, created_at: version.created_at })).collect();
    Ok(round::lifted(conversation, glass, &stage.people(), &versions, &scene.request.refs.head))
}

/// Lets ceilings over all rounds of the merge request begin where the earlier rounds ended.
fn carry(voices: &Voices, state: &State) {
    let Voices::Models(models, _) = voices else { return };
    let Some(ledger) = &models.ledger else { return };
    let mut spent = Amount::default();
    for round in &state.rounds {
        spent.tokens += round.usage.input.saturating_sub(round.usage.cached) + round.usage.output;
        spent.usd = spent.usd.plus(round.cost);
    }
    ledger.carry(spent);
}

fn connection(job: &Job, env: &Env, pace: &Pace) -> Connection {
    let mut connection = Connection::new(job.api.clone(), job.token.clone());
    connection.graphql.clone_from(&job.graphql);
    connection.ca_pem.clone_from(&job.ca_pem);
    connection.proxies = Proxies::from_env(env);
    connection.retry = pace.gitlab;
    connection
}

fn over_with(over: &Over, progress: &mut Progress, io: &mut Io) -> Result<Exit, Failure> {
    progress.end(&mut io.stderr);
    super::print(io, &format!("Assize: {over}\n"))?;
    Ok(Exit::Done)
}

/// Refuses the flags that ask for less review than the target branch does: the source branch writes the job.
fn only_tightens(args: &ReviewArgs, effective: &Effective, config: Option<&ConfigText>) -> Result<(), Failure> {
    let name = config.map_or("the defaults", |config| config.name.as_str());
    let by_file = |(key, origin): (&String, &String)| key.starts_with("providers.") && config.is_some_and(|config| config.name == *origin);
    if !args.only.is_empty() {
        return Err(settings::loosened("--only leaves out reviewers of", name));
    }
    if !args.skip.is_empty() {
        return Err(settings::loosened("--skip leaves out reviewers of", name));
    }
    if args.no_model && effective.origins.iter().any(by_file) {
        return Err(settings::loosened("--no-model switches off the reviewers of", name));
    }
    if args.source.config.is_some() {
        return Err(Failure::usage("--config names a file of the checkout, and a merge request is reviewed by the target branch's")
            .hint("set ASSIZE_CONFIG to its path in the target branch"));
    }
    Ok(())
}

/// Gathers what is reviewed: the change between GitLab's own commits, from the checkout if there is one, else from GitLab.
async fn gather(gitlab: &Gitlab, job: &Job, stage: &Stage, env: &Env) -> Result<Input, Failure> {
    let Stage { scene, policy, settings, .. } = stage;
    let mut remarks = stage.remarks.clone();
    let refs = &scene.request.refs;
    let flagged = gitlab.files(scene.target).await?.into_iter().filter(|file| file.generated).map(|file| file.new_path).collect();
    let (diff, files, base_files) = if policy::is_checkout(&job.dir) {
        let local = checkout::range(&job.dir, &refs.base, &refs.head, env).await?;
        (local.diff, Some(local.files), local.base_files)
    } else {
        remarks.push("there is no checkout, so reviewers and detectors saw the diff alone".to_owned());
        (gitlab.raw_diff(scene.target, MAX_DIFF_BYTES).await?, None, None)
    };
    let change = parse(&diff).map_err(|error| Failure::outside(format!("cannot read the diff of {}: {error}", scene.target)))?;
    Ok(Input {
        label: format!("!{} at {}", scene.target.iid, refs.head.short()),
        base: Some(refs.base.clone()),
        head: Some(refs.head.clone()),
        change,
        files,
        base_files,
        policy: Some(policy.files(gitlab, job, settings).await?),
        config: policy.config.clone(),
        flagged,
        remarks,
    })
}

/// Returns the identity of everything that decides beside the change: configuration, prompts, codex, and this program.
fn digest(policy: &Policy, files: &[(String, String)]) -> String {
    let mut hash = Sha256::new();
    let config = policy.config.iter().map(|config| (config.name.as_str(), config.text.as_str()));
    let files = files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    for (name, text) in config.chain(files).chain([("assize", env!("CARGO_PKG_VERSION"))]) {
        for part in [name, text] {
            // The length in front keeps parts from running into each other.
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    hex::encode(&hash.finalize()[..8])
}
