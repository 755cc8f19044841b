//! The first half of the line, which calls no model: settings, noise, tier, rules, sources. `review` and `plan` share it.

use std::collections::BTreeMap;

use super::input::Input;
use crate::change::{Change, FileDiff, FilterRules, Filtered, GeneratedMarks, RepoPath, Status, filter};
use crate::checkout::Files;
use crate::codex::{self, MAX_RULE_BYTES, Mask, Rule, RuleId, RuleSet, Source};
use crate::error::Failure;
use crate::review::risk::{Bound, Bounds, Forced, classify, sensitive_file};
use crate::review::{MAX_PROMPT_BYTES, TierDecision};
use crate::settings::{ConfigText, Settings, TierBound};
use crate::yaml::{self, Fault};

/// Where a team keeps its prompts.
pub(super) const PROMPT_FOLDER: &str = ".assize/prompts";
/// Most prompt files of a team.
const MAX_PROMPTS: usize = 50;
/// Most rule files of a team.
const MAX_RULES: usize = 2_000;

/// A change made ready for its readers.
pub struct Prepared {
    /// Noise apart from what is reviewed.
    pub filtered: Filtered,
    /// The tier of what is reviewed.
    pub tier: TierDecision,
    /// The rules in force.
    pub rules: RuleSet,
    /// The head's text of the changed files.
    pub sources: BTreeMap<RepoPath, Source>,
    /// Finds secrets.
    pub mask: Mask,
    /// Remarks for the reader.
    pub remarks: Vec<String>,
    /// The team's prompt files: name and text.
    pub prompts: Vec<(String, String)>,
    /// The base's instructions for agents, masked.
    pub agents_md: Option<String>,
    /// The files behind all that: prompts, the team's rules, AGENTS.md.
    pub policy: Vec<(String, String)>,
}

/// Prepares a change. `forced` asks for a tier; `key` marks secrets in masked text.
#[tracing::instrument(skip_all)]
pub async fn prepare(input: &Input, settings: &Settings, forced: Option<&Forced>, key: &[u8]) -> Result<Prepared, Failure> {
    let builtin = codex::builtin();
    let mask = Mask::new(builtin, key);
    let mut policy = Vec::new();
    let rules = rules(builtin, settings, input, &mut policy).await?;
    let mut remarks = Vec::new();
    let sources = sources(&input.change, input.files.as_ref(), &mut remarks).await?;
    let mut marks = marks(&input.change, &sources, input.base_files.as_ref()).await?;
    marks.flagged.clone_from(&input.flagged);
    let sensitive = |file: &FileDiff| sensitive_file(file, &settings.tiers.sensitive).is_some();
    let filter_rules = FilterRules {
        ignore: &settings.filter.ignore,
        include: &settings.filter.include,
        never_send: &settings.filter.never_send,
        sensitive: &sensitive,
    };
    let filtered = filter(&input.change, &marks, filter_rules);
    let bound = |bound: TierBound| Bound { max_lines: bound.max_lines, max_files: bound.max_files };
    let bounds = Bounds { trivial: bound(settings.tiers.trivial), lite: bound(settings.tiers.lite) };
    let tier = classify(filtered.reviewed.files(), &settings.tiers.sensitive, &bounds, forced);
    let prompts = prompts(input.policy.as_ref()).await?;
    let agents_md = agents_md(input, &sources).await?.map(|text| mask.apply(&text));
    policy.extend(prompts.iter().cloned());
    policy.extend(agents_md.iter().map(|text| ("AGENTS.md".to_owned(), text.clone())));
    Ok(Prepared { filtered, tier, rules, sources, mask, remarks, prompts, agents_md, policy })
}

/// The rules in force: built-in ones and those of the team's folders.
async fn rules(builtin: &[Rule], settings: &Settings, input: &Input, policy: &mut Vec<(String, String)>) -> Result<RuleSet, Failure> {
    let mut rules = if settings.codex.builtin { builtin.to_vec() } else { Vec::new() };
    for folder in &settings.codex.paths {
        let Some(files) = &input.policy else {
            return Err(Failure::usage(format!("the rules in {folder} cannot be read: only a diff was given"))
                .hint("name the folder of the files with --repo DIR"));
        };
        let paths: Vec<RepoPath> = files
            .list(folder)
            .await?
            .into_iter()
            .filter(|path| path.extension() == Some("md") && path.file_name() != "README.md")
            .collect();
        if paths.is_empty() {
            return Err(Failure::usage(format!("there is no rule in {folder}")).hint("`codex.sources` names it; rule files end in .md"));
        }
        if paths.len() > MAX_RULES {
            return Err(Failure::usage(format!("{folder} holds {} rule files, more than {MAX_RULES}", paths.len())));
        }
        let mut texts = files.read(&paths.iter().collect::<Vec<_>>()).await?;
        for path in paths {
            let bytes = texts
                .remove(&path)
                .ok_or_else(|| Fault::whole(path.as_str(), format!("it cannot be read as a rule of at most {MAX_RULE_BYTES} bytes")))?;
            let text = String::from_utf8(bytes).map_err(|_| Fault::whole(path.as_str(), "a rule file is UTF-8"))?;
            rules.push(codex::parse(path.as_str(), &text)?);
            policy.push((path.to_string(), text));
        }
    }
    let named = settings.codex.disable.keys().map(|id| ("disable", id)).chain(settings.codex.severity.keys().map(|id| ("severity", id)));
    if let Some(config) = &input.config {
        for (key, id) in named {
            if !rules.iter().any(|rule| rule.id == *id) {
                return Err(no_such_rule(config, key, id, &rules).into());
            }
        }
    }
    RuleSet::build(rules, &settings.codex.disable, &settings.codex.severity)
}

fn no_such_rule(config: &ConfigText, key: &str, id: &RuleId, rules: &[Rule]) -> Fault {
    let fault = yaml::at_key(&config.name, &config.text, &["codex", key, id.as_str()], format!("there is no rule {id}"));
    match yaml::nearest(id.as_str(), &rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>()) {
        Some(near) => fault.hint(format!("did you mean {near}?")),
        None => fault.hint("`assize codex list` shows all rules"),
    }
}

/// The team's prompt files.
async fn prompts(files: Option<&Files>) -> Result<Vec<(String, String)>, Failure> {
    let Some(files) = files else { return Ok(Vec::new()) };
    let paths: Vec<RepoPath> = files.list(PROMPT_FOLDER).await?.into_iter().filter(|path| path.extension() == Some("md")).collect();
    if paths.len() > MAX_PROMPTS {
        return Err(Failure::usage(format!("{PROMPT_FOLDER} holds {} prompt files, more than {MAX_PROMPTS}", paths.len())));
    }
    let mut texts = files.read(&paths.iter().collect::<Vec<_>>()).await?;
    let mut prompts = Vec::new();
    for path in paths.iter().filter(|path| path.file_name() != "README.md") {
        let unreadable =
            || Fault::whole(path.as_str(), format!("it cannot be read as a prompt of at most {MAX_PROMPT_BYTES} bytes of UTF-8"));
        let text = texts.remove(path).and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(unreadable)?;
        prompts.push((path.to_string(), text));
    }
    Ok(prompts)
}

/// AGENTS.md as it was before the change: what the change says about it is under review.
async fn agents_md(input: &Input, sources: &BTreeMap<RepoPath, Source>) -> Result<Option<String>, Failure> {
    let path = RepoPath::from("AGENTS.md");
    let read =
        async |files: &Files| Ok::<_, Failure>(files.read_one(&path).await?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    if let Some(base) = &input.base_files {
        return read(base).await;
    }
    if let Some(file) = input.change.file(&path) {
        let head = match sources.get(&path) {
            Some(Source::Whole(head)) => head.as_str(),
            Some(Source::HunksOnly) | None => "",
        };
        return Ok(file.old.as_ref().and_then(|_| file.base_text(head)));
    }
    match &input.policy {
        Some(files) => read(files).await,
        None => Ok(None),
    }
}

/// The head's text of every changed file. Where the files do not fit the diff, its hunks are all that can be trusted, and the reader is told.
async fn sources(change: &Change, files: Option<&Files>, remarks: &mut Vec<String>) -> Result<BTreeMap<RepoPath, Source>, Failure> {
    let Some(files) = files else { return Ok(BTreeMap::new()) };
    let paths: Vec<&RepoPath> =
        change.files().iter().filter(|file| file.status != Status::Deleted && !file.hunks().is_empty()).map(FileDiff::path).collect();
    let texts = files.read(&paths).await?;
    let mut sources = BTreeMap::new();
    let mut unfit = Vec::new();
    for path in paths {
        let file = change.file(path).expect("the path came from the change");
        let text = texts.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let whole = text.filter(|text| file.base_text(text).is_some()).map(Source::Whole);
        if whole.is_none() {
            unfit.push(path.as_str());
        }
        sources.insert(path.clone(), whole.unwrap_or(Source::HunksOnly));
    }
    if !unfit.is_empty() {
        let shown = unfit.iter().take(5).copied().collect::<Vec<_>>().join(", ");
        remarks.push(format!(
            "these files are missing, too large or not what the diff says, so only its hunks were looked at: {shown}{}",
            if unfit.len() > 5 { " and others" } else { "" }
        ));
    }
    Ok(sources)
}

async fn marks(change: &Change, sources: &BTreeMap<RepoPath, Source>, base: Option<&Files>) -> Result<GeneratedMarks, Failure> {
    let mut marks = GeneratedMarks::default();
    for file in change.files() {
        let (Some(Source::Whole(head)), Some(new)) = (sources.get(file.path()), &file.new) else { continue };
        if let (Some(old), Some(base)) = (&file.old, file.base_text(head)) {
            marks.base_text.insert(old.clone(), beginning(&base));
        }
        marks.head_text.insert(new.clone(), beginning(head));
    }
    if let Some(base) = base {
        let paths: Vec<&RepoPath> = change.files().iter().flat_map(|file| file.old.iter().chain(&file.new)).collect();
        marks.attributes = base.generated(&paths).await?;
    }
    Ok(marks)
}

fn beginning(text: &str) -> String {
    text.split_inclusive('\n').take(crate::change::MARKER_LINES).collect()
}
