//! The line from a change to its review: noise, tier, detectors, reviewers, checks, merge, judges. Where models answer from is the caller's choice, so
//! that a run and its repetition go the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::input::Input;
use super::prepare::{Prepared, prepare};
use crate::agent::{Desk, FollowedUp, Heard, Judged, Models, Panel, coordinate, follow_up, panel, refute};
use crate::change::{Change, FileDiff, Interdiff, RepoPath, looks_secret};
use crate::codex::{Mask, Rule, RuleId, Scope, Source, detect};
use crate::error::Failure;
use crate::report::{Told, plural};
use crate::review::brief::{self, RequestWords};
use crate::review::risk::Forced;
use crate::review::{
    self, Boundary, Checked, Choice, Claim, Coverage, FileRead, Finding, FollowUp, Gap, Ground, Group, LeftOut, MAX_JUDGED, Mode,
    ModelClass, Outcome, Prompts, Review, ReviewerName, ReviewerReport, Roster, Severity, Spending, Spent, Standing, Subject, Tier,
    Verdict, groups, risk, roster,
};
use crate::settings::Settings;
use crate::yaml;

/// What a run is told beside its settings.
pub struct Orders<'a> {
    /// A tier that somebody asks for.
    pub forced: Option<Forced>,
    /// Only these reviewers.
    pub only: BTreeSet<ReviewerName>,
    /// Why only these, as a clause.
    pub only_why: &'static str,
    /// Not these reviewers.
    pub skip: BTreeSet<ReviewerName>,
    /// The secret that boundaries and marks derive from.
    pub key: &'a [u8],
    /// What the author wrote.
    pub words: Option<RequestWords>,
    /// How much of the change the reviewers read.
    pub reading: Reading<'a>,
}

/// How much of a change the reviewers read. Detectors look at all of it.
#[derive(Clone, Copy)]
pub enum Reading<'a> {
    /// All of it.
    Whole,
    /// What changed since an earlier version.
    Since(&'a Interdiff),
    /// Nothing; the reason, as a clause.
    Nobody(&'a str),
}

impl Reading<'_> {
    /// Returns the part of the change that is read.
    fn part(self, change: Change) -> Change {
        match self {
            Self::Since(interdiff) => interdiff.narrowed(&change),
            Self::Whole | Self::Nobody(_) => change,
        }
    }
}

/// Who answers.
pub enum Voices {
    /// Nobody; the reason, as a sentence for people.
    None(String),
    /// These models, with so many bytes of patches a request.
    Models(Models, usize),
    /// Nobody is asked again: an earlier review of the same change said this.
    Told(Box<Told>),
}

/// A review, and the masked change that it is about.
pub struct Examined {
    /// The review.
    pub review: Review,
    /// The change with secrets masked: what reports show.
    pub shown: Change,
    /// The masked text of the changed files, and of the others that the checks read.
    pub texts: BTreeMap<RepoPath, String>,
    /// The team's prompts and rules, and AGENTS.md: what decided beside the change, by path.
    pub policy: Vec<(String, String)>,
    /// The rules whose detectors looked at all of the change.
    pub looked: BTreeSet<RuleId>,
    /// Who can be asked more; none without models.
    pub sitting: Option<Sitting>,
}

/// The models of a run with all that they read from: the reviewers' table, at which questions can be put when the review is done.
pub struct Sitting {
    models: Models,
    desk: Desk,
    system: Arc<str>,
    groups: Vec<Group>,
    prompts: Prompts,
    tier: Tier,
    deadline: Instant,
}

impl Sitting {
    fn panel<'a>(&'a self, words: Option<&'a RequestWords>, settings: &'a Settings) -> Panel<'a> {
        Panel {
            models: &self.models,
            desk: &self.desk,
            system: self.system.clone(),
            groups: &self.groups,
            words,
            language: &settings.language,
            max_agents: settings.limits.max_agents,
            deadline: self.deadline,
        }
    }

    /// The worst that each reviewer may call something.
    fn ceilings(&self) -> BTreeMap<ReviewerName, Severity> {
        self.prompts.reviewers.iter().map(|prompt| (prompt.name.clone(), prompt.ceiling)).collect()
    }

    /// Puts questions about findings of earlier rounds.
    pub async fn follow_up(&self, questions: &[FollowUp], settings: &Settings) -> FollowedUp {
        let prompt = judge_prompt(&self.prompts.follow_up, settings);
        follow_up(&prompt, judge_class(&prompt, self.tier), questions, &self.panel(None, settings)).await
    }
}

/// The class of models that a judge is asked from: the top model judges where everybody reviews; elsewhere the standard one is enough.
fn judge_class(prompt: &review::Prompt, tier: Tier) -> ModelClass {
    if tier == Tier::Full { prompt.class } else { prompt.class.max(ModelClass::Standard) }
}

/// What a run will do, before anybody is asked.
pub struct Planned {
    /// The change, ready for its readers.
    pub prepared: Prepared,
    /// What reviewers may see: the filtered change, and noise at security-sensitive paths.
    pub seen: Change,
    /// Who reviews.
    pub roster: Roster,
    /// In which groups.
    pub groups: Vec<Group>,
    /// The prompts.
    pub prompts: Prompts,
}

/// Returns what a run will do. It calls no model.
pub async fn plan(input: &Input, settings: &Settings, orders: &Orders<'_>, group_bytes: usize) -> Result<Planned, Failure> {
    let prepared = prepare(input, settings, orders.forced.as_ref(), orders.key).await?;
    seat(prepared, input, settings, orders, group_bytes)
}

/// Returns who reads a prepared change, in which groups.
fn seat(prepared: Prepared, input: &Input, settings: &Settings, orders: &Orders<'_>, group_bytes: usize) -> Result<Planned, Failure> {
    let prompts = Prompts::with(&prepared.prompts)?;
    let known: BTreeSet<&str> = prompts.all().map(|prompt| prompt.name.as_str()).collect();
    // Coordinator and refuter have settings, but nobody chooses them: they run when there is something to judge.
    let chosen: BTreeSet<&str> = prompts.reviewers.iter().map(|prompt| prompt.name.as_str()).collect();
    let configured = settings.reviewers.keys().map(|name| (name, true));
    for (name, in_file) in configured.chain(orders.only.iter().chain(&orders.skip).map(|name| (name, false))) {
        let known = if in_file { &known } else { &chosen };
        if !known.contains(name.as_str()) {
            let message = format!("there is no reviewer `{name}`");
            let fault = match &input.config {
                Some(config) if in_file => yaml::at_key(&config.name, &config.text, &["reviewers", name.as_str()], message),
                Some(_) | None => yaml::Fault::whole("reviewers", message),
            };
            return Err(fault.nearest(name.as_str(), known.iter().copied()).into());
        }
    }
    if let Some(rule) = prepared.rules.iter().find(|rule| !chosen.contains(rule.reviewer.as_str())) {
        return Err(nobodys(rule, &prepared.policy).nearest(rule.reviewer.as_str(), chosen.iter().copied()).into());
    }
    let reviewed = prepared.filtered.reviewed.files();
    let choice = Choice {
        tier: prepared.tier.tier,
        settings: &settings.reviewers,
        only: &orders.only,
        only_why: orders.only_why,
        skip: &orders.skip,
        any_rule: reviewed.iter().any(|file| prepared.rules.applicable(file.path()).next().is_some()),
    };
    let roster = roster(&prompts.reviewers, &prepared.filtered, choice);
    let masked = orders.reading.part(input.change.masked(|text| prepared.mask.apply(text)));
    let part =
        |wanted: &dyn Fn(&RepoPath) -> bool| Change::new(masked.files().iter().filter(|file| wanted(file.path())).cloned().collect());
    let noise: BTreeSet<&RepoPath> = prepared.filtered.security_only.iter().collect();
    let is_reviewed = |path: &RepoPath| prepared.filtered.reviewed.file(path).is_some();
    let risky = |file: &FileDiff| risk::sensitive_file(file, &settings.tiers.sensitive).is_some();
    let groups = groups(&part(&is_reviewed), &part(&|path| noise.contains(path)), group_bytes, risky);
    let seen = part(&|path| is_reviewed(path) || noise.contains(path));
    Ok(Planned { prepared, seen, roster, groups, prompts })
}

/// A rule whose reviewer does not exist: nobody would ever look after it.
fn nobodys(rule: &Rule, policy: &[(String, String)]) -> yaml::Fault {
    let message = format!("there is no reviewer `{}`", rule.reviewer);
    let text = policy.iter().find(|(path, _)| *path == rule.origin).map_or("", |(_, text)| text.as_str());
    match text.lines().position(|line| line.starts_with("reviewer:")) {
        Some(before) => yaml::Fault::at(&rule.origin, text, before + 1, 1, message),
        None => yaml::Fault::whole(&rule.origin, message),
    }
}

/// Reviews a change.
pub async fn examine(input: &Input, settings: &Settings, orders: &Orders<'_>, voices: Voices) -> Result<Examined, Failure> {
    let prepared = prepare(input, settings, orders.forced.as_ref(), orders.key).await?;
    examine_prepared(prepared, input, settings, orders, voices).await
}

/// Reviews a change that is prepared already.
pub async fn examine_prepared(
    prepared: Prepared,
    input: &Input,
    settings: &Settings,
    orders: &Orders<'_>,
    voices: Voices,
) -> Result<Examined, Failure> {
    let deadline = Instant::now() + settings.limits.timeout;
    let (models, group_bytes, silent, told) = match voices {
        Voices::None(why) => (Models::default(), usize::MAX, Some(why), None),
        Voices::Models(models, group_bytes) => (models, group_bytes, None, None),
        Voices::Told(told) => (Models::default(), usize::MAX, told.unread.clone(), Some(*told)),
    };
    let Planned { prepared, seen, roster, groups, prompts } = seat(prepared, input, settings, orders, group_bytes)?;
    let shown = input.change.masked(|text| prepared.mask.apply(text));

    let reviewed = &prepared.filtered.reviewed;
    let scope = |file: &FileDiff| if reviewed.file(file.path()).is_some() { Scope::All } else { Scope::SecretsAndSteering };
    let detected = tracing::info_span!("detect").in_scope(|| detect(&prepared.rules, &input.change, &prepared.sources, scope));
    let hits = masked(review::from_hits(&detected.hits, &prepared.rules, &shown), &prepared.mask);

    let mode = match silent.or(match orders.reading {
        Reading::Nobody(why) => Some(why.to_owned()),
        Reading::Whole | Reading::Since(_) => None,
    }) {
        _ if seen.files().is_empty() => Mode::NothingToReview,
        Some(why) => Mode::DetectorsOnly(why),
        // Nobody who could fail is nobody who read: that must not look like a review.
        None if roster.seats.is_empty() => Mode::DetectorsOnly("--only, --skip or the configuration leave none".to_owned()),
        None => Mode::Reviewed,
    };
    let size = risk::size(reviewed.files());
    let tier = prepared.tier.clone();
    let rules = prepared.rules.len();
    let left_out = left_out(&prepared);
    let newly_generated = prepared.filtered.newly_generated.clone();
    let policy = prepared.policy.clone();
    let mut texts: BTreeMap<RepoPath, String> = BTreeMap::new();
    for (path, source) in &prepared.sources {
        if let Source::Whole(text) = source {
            texts.insert(path.clone(), prepared.mask.apply(text));
        }
    }
    let beside = [&input.remarks, &prepared.remarks, &models.remarks].into_iter().flatten().cloned();
    let unseen = review::unseen(&detected);
    // Where a detector could not look, nobody may say that what it saw is gone.
    let looked = if unseen.is_empty() { prepared.rules.iter().map(|rule| rule.id.clone()).collect() } else { BTreeSet::new() };
    let remarks = beside.chain(unseen).collect();
    let prices_dated = told.as_ref().map_or(&models.prices_dated, |told| &told.spending.prices_dated).clone();
    let index = prepared.rules.index(&seen.files().iter().map(|file| file.path().clone()).collect::<Vec<_>>());
    let never_send = settings.filter.never_send.clone();
    let desk = Desk {
        files: input.files.clone(),
        head: input.head.clone(),
        change: seen,
        rules: prepared.rules,
        mask: prepared.mask,
        boundary: Boundary::new(orders.key),
        withheld: Box::new(move |path| looks_secret(path) || never_send.is_match(path.as_str())),
        corpus: OnceCell::new(),
    };
    let system = brief::system(&prompts.preamble, &index, prepared.agents_md.as_deref()).into();
    let sitting = Sitting { models, desk, system, groups, prompts, tier: tier.tier, deadline };

    let read_together = match &told {
        Some(told) => told.groups.clone(),
        None => sitting.groups.iter().map(|group| group.paths().into_iter().cloned().collect()).collect(),
    };
    let original = orders.reading.part(input.change.clone());
    let fields = Fields { original: &original, sources: &prepared.sources, sitting: &sitting, settings };
    let heard = match (&mode, told) {
        (Mode::Reviewed, None) => Box::pin(with_reviewers(&roster, &sitting.panel(orders.words.as_ref(), settings), hits, &fields)).await?,
        (Mode::Reviewed, Some(told)) => as_told(told, hits, &fields).await?,
        (Mode::DetectorsOnly(_) | Mode::NothingToReview, _) => without_reviewers(hits),
    };
    let Opinion { mut checked, reports, coverage, mut incomplete, read, spent } = heard;
    texts.extend(read);
    review::sort(&mut checked.findings);
    review::fingerprints(&mut checked.findings, &input.change);
    // An earlier review may have said so already.
    incomplete.extend(unread(&coverage, size.files).filter(|gap| !incomplete.iter().any(|known| known.what == gap.what)));
    let spending = Spending { rows: spent, prices_dated };
    let review = Review {
        subject: Subject { label: input.label.clone(), base: input.base.clone(), head: input.head.clone() },
        size,
        tier,
        left_out,
        newly_generated,
        mode,
        rules,
        groups: read_together,
        reviewers: reports,
        verdict: Verdict::over(checked.findings.iter().map(|finding| finding.severity)),
        findings: checked.findings,
        dropped: checked.dropped,
        coverage,
        incomplete,
        remarks,
        received_code: spending.providers(),
        spending,
    };
    let sitting = (!sitting.models.by_class.is_empty()).then_some(sitting);
    Ok(Examined { review, shown, texts, policy, looked, sitting })
}

/// The gap that files leave which nobody read.
fn unread(coverage: &Coverage, files: usize) -> Option<Gap> {
    let unread = coverage.unread();
    if unread.is_empty() {
        return None;
    }
    let named: Vec<String> = unread.iter().take(10).map(|path| format!("`{path}`")).collect();
    let others = if unread.len() > named.len() { format!(" and {} more", unread.len() - named.len()) } else { String::new() };
    let of_them = coverage.reads.iter().filter(|(path, _)| unread.contains(path));
    let by_budget = of_them.flat_map(|(_, by)| by.values()).all(|read| *read == FileRead::OverBudget);
    Some(Gap { what: format!("{} of {} read by nobody: {}{others}", unread.len(), plural(files, "file"), named.join(", ")), by_budget })
}

fn left_out(prepared: &Prepared) -> Vec<LeftOut> {
    prepared.filtered.left_out.iter().map(|(path, reason)| LeftOut { path: path.clone(), reason: reason.clone() }).collect()
}

/// What detectors, reviewers and judges make of a change together.
struct Opinion {
    checked: Checked,
    reports: Vec<ReviewerReport>,
    coverage: Coverage,
    incomplete: Vec<Gap>,
    /// Files beside the changed ones that the checks read, masked.
    read: BTreeMap<RepoPath, String>,
    /// What each reader used.
    spent: Vec<Spent>,
}

fn without_reviewers(hits: Checked) -> Opinion {
    let merged = review::merge(hits.findings);
    let dropped = hits.dropped.into_iter().chain(merged.dropped).collect();
    Opinion {
        checked: Checked { findings: merged.findings, dropped },
        reports: Vec::new(),
        coverage: Coverage::default(),
        incomplete: Vec::new(),
        read: BTreeMap::new(),
        spent: Vec::new(),
    }
}

/// What the reviewers' words are held against, beside what the panel holds.
struct Fields<'a> {
    /// The part of the change that was read, unmasked.
    original: &'a Change,
    sources: &'a BTreeMap<RepoPath, Source>,
    sitting: &'a Sitting,
    settings: &'a Settings,
}

impl Fields<'_> {
    /// Holds claims against the change; returns what of them is left, with the masked texts of the files beside the change that were read for it.
    async fn check(&self, claims: Vec<Claim>) -> Result<(Checked, BTreeMap<RepoPath, String>), Failure> {
        let Self { original, sources, sitting, .. } = *self;
        let desk = &sitting.desk;
        let seen_original = Change::new(original.files().iter().filter(|file| desk.change.file(file.path()).is_some()).cloned().collect());
        let outside = outside(&claims, desk).await?;
        let ground = Ground {
            change: &seen_original,
            shown: &desk.change,
            rules: &desk.rules,
            sources,
            outside: &outside,
            ceilings: &sitting.ceilings(),
            mask: &desk.mask,
        };
        let checked = masked(review::check(claims, &ground), &desk.mask);
        Ok((checked, outside))
    }
}

/// What an earlier review said is held against the change like any answer. Its judges had their say before it was written.
async fn as_told(mut told: Told, hits: Checked, fields: &Fields<'_>) -> Result<Opinion, Failure> {
    let (mut passed, outside) = fields.check(std::mem::take(&mut told.claims)).await?;
    for finding in &mut passed.findings {
        finding.standing = told.standing(&finding.title, finding.severity);
    }
    let merged = review::merge(hits.findings.into_iter().chain(passed.findings).collect());
    let dropped = hits.dropped.into_iter().chain(passed.dropped).chain(merged.dropped).collect();
    Ok(Opinion {
        checked: Checked { findings: merged.findings, dropped },
        reports: told.reviewers,
        coverage: told.coverage,
        incomplete: told.incomplete,
        read: outside,
        spent: told.spending.rows,
    })
}

async fn with_reviewers(roster: &Roster, panel_: &Panel<'_>, hits: Checked, fields: &Fields<'_>) -> Result<Opinion, Failure> {
    let Heard { mut reports, claims, coverage, mut spent } = panel(roster, panel_).instrument(tracing::info_span!("panel")).await;
    let mut incomplete = gaps(&reports);
    let desk = panel_.desk;
    let Fields { sitting, settings, .. } = *fields;
    let (passed, outside) = fields.check(claims).await?;
    let by_models = !passed.findings.is_empty();
    let mut dropped: Vec<_> = hits.dropped.into_iter().chain(passed.dropped).collect();
    let merged = review::merge(hits.findings.into_iter().chain(passed.findings).collect());
    dropped.extend(merged.dropped);
    let mut findings = merged.findings;
    if by_models && !findings.iter().all(review::is_detected) {
        let prompt = judge_prompt(&sitting.prompts.coordinator, settings);
        let class = judge_class(&prompt, sitting.tier);
        // They are sorted: what is beyond are the mildest.
        let judged = &findings[..findings.len().min(MAX_JUDGED)];
        let Judged { judgements, mut report, spent: used } = coordinate(&prompt, class, judged, panel_).await;
        if judged.len() < findings.len() {
            let what = format!(
                "the coordinator judged {} of {}; the others stand as the reviewers left them",
                judged.len(),
                plural(findings.len(), "finding")
            );
            incomplete.push(Gap { what, by_budget: true });
        }
        report.claims = judgements.len();
        spent.extend(used);
        if let Outcome::Failed { why, by_budget } = &report.outcome {
            let what = format!("the coordinator failed ({why}); what the reviewers found was merged by rules alone");
            incomplete.push(Gap { what, by_budget: *by_budget });
        }
        reports.push(report);
        let judged = masked(review::judge(findings, &judgements, &sitting.ceilings()), &desk.mask);
        dropped.extend(judged.dropped);
        findings = judged.findings;
    }
    if !review::to_refute(&findings).is_empty() {
        let prompt = judge_prompt(&sitting.prompts.refuter, settings);
        let Judged { judgements, report, spent: used } = refute(&prompt, &findings, panel_).await;
        reports.push(report);
        spent.extend(used);
        let own = |finding: &Finding| {
            let ids = finding.sources.iter().filter_map(|source| match source {
                review::Source::Detector(id) => desk.rules.get(id),
                review::Source::Reviewer(_) => None,
            });
            ids.map(|rule| rule.severity).max().unwrap_or(Severity::Suggestion)
        };
        let refuted = masked(review::refute(findings, &judgements, own), &desk.mask);
        dropped.extend(refuted.dropped);
        findings = refuted.findings;
    }
    Ok(Opinion { checked: Checked { findings, dropped }, reports, coverage, incomplete, read: outside, spent })
}

fn judge_prompt(prompt: &review::Prompt, settings: &Settings) -> review::Prompt {
    let mut prompt = prompt.clone();
    if let Some(set) = settings.reviewers.get(&prompt.name) {
        prompt.class = set.model.unwrap_or(prompt.class);
        prompt.timeout = set.timeout.unwrap_or(prompt.timeout);
    }
    prompt
}

/// Judges rewrite titles and bodies and give reasons, and the reason of a suppression is quoted from the code: a secret in there is masked like
/// any other.
fn masked(mut checked: Checked, mask: &Mask) -> Checked {
    for finding in &mut checked.findings {
        let Finding { title, body, standing, .. } = finding;
        if *standing != Standing::Confirmed {
            *title = mask.apply(title);
            *body = mask.apply(body);
        }
    }
    for dropped in &mut checked.dropped {
        dropped.detail = mask.apply(&dropped.detail);
    }
    checked
}

/// The masked texts of the files that claims name.
async fn outside(claims: &[Claim], desk: &Desk) -> Result<BTreeMap<RepoPath, String>, Failure> {
    let Some(files) = &desk.files else { return Ok(BTreeMap::new()) };
    let paths = review::outside(claims);
    let open: Vec<&RepoPath> = paths.iter().filter(|path| !(desk.withheld)(path)).collect();
    let texts = files.read(&open).await?;
    Ok(texts.into_iter().map(|(path, bytes)| (path, desk.mask.apply(&String::from_utf8_lossy(&bytes)))).collect())
}

/// One gap for each reason for which reviewers failed, with the names of all that it hit.
fn gaps(reports: &[ReviewerReport]) -> Vec<Gap> {
    let mut by_reason: Vec<(&str, bool, Vec<&str>)> = Vec::new();
    for report in reports {
        let Outcome::Failed { why, by_budget } = &report.outcome else { continue };
        match by_reason.iter_mut().find(|(known, by, _)| known == why && by == by_budget) {
            Some((_, _, names)) => names.push(&report.title),
            None => by_reason.push((why, *by_budget, vec![&report.title])),
        }
    }
    let sentence = |(why, by_budget, names): (&str, bool, Vec<&str>)| {
        let what = match names.as_slice() {
            [one] => format!("the reviewer {one} failed: {why}"),
            several => format!("the reviewers {} failed: {why}", several.join(", ")),
        };
        Gap { what, by_budget }
    };
    by_reason.into_iter().map(sentence).collect()
}

/// How long a heartbeat stays away.
pub const HEARTBEAT: Duration = Duration::from_secs(30);
