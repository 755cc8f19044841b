//! Layers into settings: defaults, the file, variables, flags. Every value is checked here, once, and remembers where it came from.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde_saphyr::Spanned;

use super::{
    BreakGlass, CodexSettings, DependencyBots, FilterSettings, Gate, Key, Limits, ModelClass, ModelName, Provider, ProviderKind,
    PublishSettings, ReviewerSettings, Settings, TierBound, TierSettings, file,
};
use crate::codex::{ReviewerName, RuleId, Severity};
use crate::env::Env;
use crate::error::Failure;
use crate::review::{PerMillion, Price, Usd, Verdict};
use crate::yaml::{self, Fault};

/// Largest configuration file, in bytes.
const MAX_FILE_BYTES: usize = 256 * 1024;

/// What one run may cost.
const DEFAULT_COST: Usd = Usd::from_cents(500);
/// How many tokens it may use.
const DEFAULT_TOKENS: u64 = 4_000_000;
/// All rounds of a merge request may cost as much as so many runs, unless the configuration says how much.
const DEFAULT_RUNS: u64 = 5;
/// User names of the usual programs that raise versions.
const DEPENDENCY_BOTS: [&str; 5] = ["renovate", "renovate-bot", "renovate[bot]", "dependabot", "dependabot[bot]"];
/// Source branches of the usual programs that raise versions.
const DEPENDENCY_BRANCHES: [&str; 2] = ["renovate/**", "dependabot/**"];

/// A configuration file as read by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigText {
    /// Its name, for messages.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// Who speaks through variables and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The person at the machine: whatever they say holds.
    Owner,
    /// The pipeline of a merge request, which the source branch defines: beside credentials and outputs it may only tighten.
    SourceBranch,
}

/// What flags of the command line set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--fail-on`.
    pub fail_on: Option<String>,
    /// `--model CLASS=NAME`.
    pub models: Vec<String>,
}

/// Where a value came from.
pub type Origins = BTreeMap<String, String>;

/// Settings with the origin of every value that is not a default, by key (`limits.timeout`).
#[derive(Clone, Debug)]
pub struct Effective {
    /// The settings.
    pub settings: Settings,
    /// Key → where it was set. A key that is missing has its default.
    pub origins: Origins,
}

/// Merges the layers and checks every value. Fails with the place of the fault: file, line and column, or the variable or flag; also when a
/// variable or flag would loosen what the file says and the speaker may only tighten.
pub fn load(config: Option<&ConfigText>, env: &Env, flags: &Flags, speaker: Speaker) -> Result<Effective, Failure> {
    let mut loader = Loader { name: "", text: "", origins: Origins::new() };
    let mut settings = defaults();
    if let Some(config) = config {
        if config.text.len() > MAX_FILE_BYTES {
            return Err(Failure::usage(format!("{} is larger than {} KiB", config.name, MAX_FILE_BYTES >> 10)));
        }
        loader = Loader { name: &config.name, text: &config.text, origins: Origins::new() };
        // An empty file, or one of comments only, is YAML's null: it sets nothing.
        let blank = config.text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#') || line.trim() == "---");
        let raw = if blank { file::File::default() } else { yaml::read(&config.name, &config.text, 1, &config.text)? };
        loader.file(raw, env, &mut settings)?;
    }
    loader.environment(env, &mut settings);
    let filed = settings.clone();
    loader.flags(env, flags, &mut settings)?;
    if speaker == Speaker::SourceBranch {
        loader.tightened(&filed, &settings)?;
    }
    Ok(Effective { settings, origins: loader.origins })
}

/// The settings of a run without any configuration.
fn defaults() -> Settings {
    Settings {
        providers: Vec::new(),
        models: BTreeMap::new(),
        reviewers: BTreeMap::new(),
        tiers: TierSettings {
            trivial: TierBound { max_lines: 10, max_files: 20 },
            lite: TierBound { max_lines: 100, max_files: 20 },
            sensitive: GlobSet::empty(),
        },
        filter: FilterSettings::default(),
        codex: CodexSettings { builtin: true, ..CodexSettings::default() },
        publish: PublishSettings {
            shadow: false,
            approve: false,
            max_threads: 10,
            thread_severity: Severity::Important,
            labels: false,
            former_bots: Vec::new(),
        },
        dependency_bots: DependencyBots {
            authors: DEPENDENCY_BOTS.map(str::to_owned).to_vec(),
            branches: DEPENDENCY_BRANCHES
                .iter()
                .fold(&mut GlobSetBuilder::new(), |set, glob| set.add(Glob::new(glob).expect("a glob of ours")))
                .build()
                .expect("globs of ours"),
        },
        fail_on: Gate { verdict: None, incomplete: false },
        break_glass: BreakGlass { phrase: "break glass".to_owned(), by_author: false },
        min_access: super::Access::Developer,
        limits: Limits {
            max_cost: DEFAULT_COST,
            max_tokens: DEFAULT_TOKENS,
            max_total_cost: DEFAULT_COST.times(DEFAULT_RUNS),
            max_total_tokens: DEFAULT_TOKENS * DEFAULT_RUNS,
            timeout: Duration::from_mins(15),
            max_agents: 8,
        },
        language: "en".to_owned(),
    }
}

struct Loader<'a> {
    name: &'a str,
    text: &'a str,
    origins: Origins,
}

impl Loader<'_> {
    fn invalid<T>(&self, at: &Spanned<T>, message: impl Into<String>) -> Fault {
        yaml::invalid(self.name, at.referenced, 1, self.text, message)
    }

    fn key(&self, keys: &[&str], message: impl Into<String>) -> Fault {
        yaml::at_key(self.name, self.text, keys, message)
    }

    fn set<T>(&mut self, key: &str, at: &Spanned<T>) {
        self.origins.insert(key.to_owned(), format!("{}:{}", self.name, at.referenced.line()));
    }

    fn set_here(&mut self, key: &str) {
        self.origins.insert(key.to_owned(), self.name.to_owned());
    }

    fn file(&mut self, raw: file::File, env: &Env, settings: &mut Settings) -> Result<(), Failure> {
        if let Some(version) = raw.version.filter(|version| version.value != 1) {
            return Err(self
                .invalid(&version, format!("this program reads version 1, not {}", version.value))
                .hint("update Assize, or write `version: 1`")
                .into());
        }
        if let Some(extends) = raw.extends {
            return Err(self
                .invalid(&extends, "a policy from another project is not available yet")
                .hint("copy the policy's keys into this file")
                .into());
        }
        for (name, provider) in raw.providers.unwrap_or_default() {
            let provider = self.provider(&name, provider, env)?;
            self.set_here(&format!("providers.{name}"));
            settings.providers.push(provider);
        }
        for (class, chain) in raw.models.unwrap_or_default() {
            let known = ModelClass::parse(&class).ok_or_else(|| {
                self.key(&["models", &class], format!("unknown class of models `{class}`")).nearest(&class, ModelClass::WORDS)
            })?;
            let mut names = Vec::new();
            for name in &chain {
                let model =
                    model_name(&name.value, &settings.providers).map_err(|(message, hint)| self.invalid(name, message).hint(hint))?;
                names.push(model);
                self.set(&format!("models.{class}"), name);
            }
            settings.models.insert(known, names);
        }
        for (name, reviewer) in raw.reviewers.unwrap_or_default() {
            let parsed = ReviewerName::parse(&name).ok_or_else(|| {
                self.key(&["reviewers", &name], format!("`{name}` is no name of a reviewer")).hint("lower-case letters, digits and hyphens")
            })?;
            let model = reviewer.model.as_ref().map(|word| self.class(word)).transpose()?;
            let timeout = reviewer.timeout.as_ref().map(|word| self.duration(word)).transpose()?;
            settings.reviewers.insert(parsed, ReviewerSettings { enabled: reviewer.enabled, model, timeout });
            self.set_here(&format!("reviewers.{name}"));
        }
        if let Some(tiers) = raw.tiers {
            for (key, bound, into) in
                [("trivial", tiers.trivial, &mut settings.tiers.trivial), ("lite", tiers.lite, &mut settings.tiers.lite)]
            {
                let Some(bound) = bound else { continue };
                into.max_lines = bound.max_lines.unwrap_or(into.max_lines);
                into.max_files = bound.max_files.unwrap_or(into.max_files);
                self.set_here(&format!("tiers.{key}"));
            }
            if settings.tiers.trivial.max_lines > settings.tiers.lite.max_lines
                || settings.tiers.trivial.max_files > settings.tiers.lite.max_files
            {
                return Err(self.key(&["tiers"], "`trivial` allows more than `lite`").hint("raise lite, or lower trivial").into());
            }
            if let Some(globs) = &tiers.sensitive_paths {
                settings.tiers.sensitive = self.globs("tiers.sensitive_paths", globs)?;
            }
        }
        if let Some(filter) = raw.filter {
            for (key, globs, into) in [
                ("filter.ignore", filter.ignore, &mut settings.filter.ignore),
                ("filter.include", filter.include, &mut settings.filter.include),
                ("filter.never_send", filter.never_send, &mut settings.filter.never_send),
            ] {
                if let Some(globs) = globs {
                    *into = self.globs(key, &globs)?;
                }
            }
        }
        self.codex(raw.codex, settings)?;
        self.dependency_bots(raw.dependency_bots, settings)?;
        self.publish(raw.publish, settings)?;
        if let Some(word) = raw.fail_on {
            settings.fail_on = fail_on(&word.value).map_err(|message| self.invalid(&word, message).hint(FAIL_ON_HINT))?;
            self.set("fail_on", &word);
        }
        if let Some(glass) = raw.break_glass {
            settings.break_glass.phrase = glass.phrase.unwrap_or_else(|| settings.break_glass.phrase.clone());
            settings.break_glass.by_author = glass.by_author.unwrap_or(settings.break_glass.by_author);
            self.set_here("break_glass");
        }
        if let Some(word) = raw.min_access {
            settings.min_access = super::Access::parse(&word.value)
                .ok_or_else(|| self.invalid(&word, format!("`{}` is no role", word.value)).nearest(&word.value, super::Access::WORDS))?;
            self.set("min_access", &word);
        }
        self.limits(raw.limits, settings)?;
        if let Some(word) = raw.language {
            let tag = word.value.trim();
            if !(2..=35).contains(&tag.len()) || !tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                return Err(self.invalid(&word, format!("`{tag}` is no language tag")).hint("for example en, de or pt-BR").into());
            }
            tag.clone_into(&mut settings.language);
            self.set("language", &word);
        }
        Ok(())
    }

    fn provider(&self, name: &str, raw: file::Provider, env: &Env) -> Result<Provider, Fault> {
        if name.contains('/') || name.is_empty() {
            return Err(self
                .key(&["providers", name], format!("`{name}` is no name of a provider"))
                .hint("without a slash: it is the part of `provider/model` before the first one"));
        }
        let kind = ProviderKind::parse(&raw.kind.value).ok_or_else(|| {
            self.invalid(&raw.kind, format!("unknown kind of provider `{}`", raw.kind.value)).nearest(&raw.kind.value, ProviderKind::WORDS)
        })?;
        if let Some(url) = &raw.base_url
            && !(url.value.starts_with("https://") || url.value.starts_with("http://"))
        {
            return Err(self.invalid(url, format!("`{}` is no URL", url.value)).hint("it begins with https:// or http://"));
        }
        if let Some(most) = raw.max_parallel.as_ref().filter(|most| most.value == 0) {
            return Err(self.invalid(most, "`max_parallel` is at least 1"));
        }
        let per_minute = match raw.requests_per_minute {
            Some(most) => Some(NonZeroU32::new(most.value).ok_or_else(|| self.invalid(&most, "`requests_per_minute` is at least 1"))?),
            None => None,
        };
        let mut prices = BTreeMap::new();
        for (model, given) in raw.prices.unwrap_or_default() {
            let file::Price { input, cached_input, cache_write, output } = given.value;
            let price = Price::new(PerMillion { input, cached_input, cache_write, output });
            let price = price.ok_or_else(|| self.invalid(&given, format!("`{model}` has a price below 0, or one beyond belief")))?;
            prices.insert(model, price);
        }
        let key = match raw.api_key_env {
            Some(variable) => env.var(&variable).map_or(Key::Missing { variable: variable.clone() }, |key| Key::Present(key.into())),
            None => Key::NotNeeded,
        };
        Ok(Provider {
            name: name.to_owned(),
            kind,
            base_url: raw.base_url.map(|url| url.value.trim_end_matches('/').to_owned()),
            key,
            headers: raw.headers.unwrap_or_default(),
            max_parallel: raw.max_parallel.map(|most| most.value),
            requests_per_minute: per_minute,
            prices,
        })
    }

    fn class(&self, word: &Spanned<String>) -> Result<ModelClass, Fault> {
        ModelClass::parse(&word.value)
            .ok_or_else(|| self.invalid(word, format!("unknown class of models `{}`", word.value)).nearest(&word.value, ModelClass::WORDS))
    }

    fn duration(&self, word: &Spanned<String>) -> Result<Duration, Fault> {
        yaml::duration(&word.value).ok_or_else(|| {
            self.invalid(word, format!("`{}` is no duration", word.value)).hint("a number and s, m or h, for example 90s or 8m")
        })
    }

    fn globs(&mut self, key: &str, globs: &[Spanned<String>]) -> Result<GlobSet, Fault> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            set.add(Glob::new(&glob.value).map_err(|error| self.invalid(glob, format!("not a glob: {}", error.kind())))?);
            self.set(key, glob);
        }
        set.build().map_err(|error| Fault::whole(self.name, format!("`{key}` is too large: {error}")))
    }

    fn codex(&mut self, raw: Option<file::Codex>, settings: &mut Settings) -> Result<(), Failure> {
        let Some(raw) = raw else { return Ok(()) };
        if let Some(sources) = raw.sources {
            settings.codex.builtin = false;
            for source in &sources {
                let folder = source.value.get("path").and_then(serde_json::Value::as_str);
                match (source.value.as_str(), folder) {
                    (Some("builtin"), _) => settings.codex.builtin = true,
                    _ if source.value.get("project").is_some() => {
                        return Err(self
                            .invalid(source, "rules of another project are not available yet")
                            .hint("copy them into a folder of this one: `path: .assize/codex`")
                            .into());
                    }
                    (None, Some(folder)) => settings.codex.paths.push(folder.trim_matches('/').to_owned()),
                    _ => return Err(self.invalid(source, "a source is `builtin` or `path: FOLDER`").into()),
                }
                self.set("codex.sources", source);
            }
        }
        for (id, reason) in raw.disable.unwrap_or_default() {
            let rule = self.rule_id(&id, &reason)?;
            if reason.value.trim().is_empty() {
                return Err(self.invalid(&reason, format!("a reason is required to switch {id} off")).into());
            }
            self.set(&format!("codex.disable.{id}"), &reason);
            settings.codex.disable.insert(rule, reason.value);
        }
        for (id, word) in raw.severity.unwrap_or_default() {
            let rule = self.rule_id(&id, &word)?;
            let severity = self.severity(&word)?;
            self.set(&format!("codex.severity.{id}"), &word);
            settings.codex.severity.insert(rule, severity);
        }
        Ok(())
    }

    fn rule_id(&self, id: &str, at: &Spanned<String>) -> Result<RuleId, Fault> {
        RuleId::parse(id)
            .ok_or_else(|| self.invalid(at, format!("`{id}` is no rule ID")).hint("upper-case domain, hyphen, four digits: SEC-0007"))
    }

    fn severity(&self, word: &Spanned<String>) -> Result<Severity, Fault> {
        let valid = Severity::WORST_FIRST.map(Severity::word);
        Severity::parse(&word.value)
            .ok_or_else(|| self.invalid(word, format!("`{}` is no severity", word.value)).nearest(&word.value, valid))
    }

    fn dependency_bots(&mut self, raw: Option<file::DependencyBots>, settings: &mut Settings) -> Result<(), Fault> {
        let Some(bots) = raw else { return Ok(()) };
        if let Some(authors) = bots.authors {
            settings.dependency_bots.authors = authors;
            self.set_here("dependency_bots.authors");
        }
        if let Some(branches) = bots.branches {
            settings.dependency_bots.branches = self.globs("dependency_bots.branches", &branches)?;
        }
        Ok(())
    }

    fn publish(&mut self, raw: Option<file::Publish>, settings: &mut Settings) -> Result<(), Fault> {
        let Some(raw) = raw else { return Ok(()) };
        let publish = &mut settings.publish;
        if let Some(mode) = raw.mode {
            publish.shadow = match mode.value.as_str() {
                "comment" => false,
                "shadow" => true,
                other => return Err(self.invalid(&mode, format!("unknown mode `{other}`")).nearest(other, ["comment", "shadow"])),
            };
        }
        if let Some(word) = raw.thread_severity {
            publish.thread_severity = self.severity(&word)?;
        }
        publish.approve = raw.approve.unwrap_or(publish.approve);
        publish.labels = raw.labels.unwrap_or(publish.labels);
        publish.former_bots = raw.former_bots.unwrap_or_default();
        publish.max_threads = raw.max_threads.unwrap_or(publish.max_threads);
        self.set_here("publish");
        Ok(())
    }

    fn limits(&mut self, raw: Option<file::Limits>, settings: &mut Settings) -> Result<(), Fault> {
        let Some(raw) = raw else { return Ok(()) };
        let (total_cost, total_tokens) = (raw.max_total_cost_usd.is_some(), raw.max_total_tokens.is_some());
        for (key, cost, into) in [
            ("max_cost_usd", raw.max_cost_usd, &mut settings.limits.max_cost),
            ("max_total_cost_usd", raw.max_total_cost_usd, &mut settings.limits.max_total_cost),
        ] {
            let Some(cost) = cost else { continue };
            let amount = Usd::from_dollars(cost.value).filter(|amount| *amount > Usd::ZERO);
            *into = amount.ok_or_else(|| self.invalid(&cost, format!("`{key}` is a number above 0")))?;
            self.set(&format!("limits.{key}"), &cost);
        }
        for (key, tokens, into) in [
            ("max_tokens", raw.max_tokens, &mut settings.limits.max_tokens),
            ("max_total_tokens", raw.max_total_tokens, &mut settings.limits.max_total_tokens),
        ] {
            let Some(tokens) = tokens else { continue };
            *into = tokens.value;
            self.set(&format!("limits.{key}"), &tokens);
        }
        if !total_cost {
            settings.limits.max_total_cost = settings.limits.max_cost.times(DEFAULT_RUNS);
        }
        if !total_tokens {
            settings.limits.max_total_tokens = settings.limits.max_tokens.saturating_mul(DEFAULT_RUNS);
        }
        if let Some(timeout) = raw.timeout {
            settings.limits.timeout = self.duration(&timeout)?;
            self.set("limits.timeout", &timeout);
        }
        if let Some(agents) = raw.max_agents {
            if agents.value == 0 {
                return Err(self.invalid(&agents, "`max_agents` is at least 1"));
            }
            settings.limits.max_agents = agents.value;
            self.set("limits.max_agents", &agents);
        }
        Ok(())
    }

    /// Providers from the vendors' own variables, when the file names none.
    fn environment(&mut self, env: &Env, settings: &mut Settings) {
        if !settings.providers.is_empty() {
            return;
        }
        for (kind, name) in [(ProviderKind::Anthropic, "ANTHROPIC"), (ProviderKind::OpenAi, "OPENAI"), (ProviderKind::Gemini, "GEMINI")] {
            let (key, base_url) = (env.var(&format!("{name}_API_KEY")), env.var(&format!("{name}_BASE_URL")));
            if key.is_none() && base_url.is_none() {
                continue;
            }
            let provider = kind.word();
            let from = if key.is_some() { format!("{name}_API_KEY") } else { format!("{name}_BASE_URL") };
            self.origins.insert(format!("providers.{provider}"), from);
            settings.providers.push(Provider {
                name: provider.to_owned(),
                kind,
                base_url: base_url.map(|url| url.trim_end_matches('/').to_owned()),
                key: key.map_or(Key::NotNeeded, |key| Key::Present(key.into())),
                headers: BTreeMap::new(),
                max_parallel: None,
                requests_per_minute: None,
                prices: BTreeMap::new(),
            });
        }
    }

    fn flags(&mut self, env: &Env, flags: &Flags, settings: &mut Settings) -> Result<(), Failure> {
        if let Some(name) = env.var("ASSIZE_MODEL") {
            let model = model_name(name, &settings.providers)
                .map_err(|(message, hint)| Failure::usage(format!("ASSIZE_MODEL: {message}")).hint(hint))?;
            for class in ModelClass::ALL {
                settings.models.insert(class, vec![model.clone()]);
                self.origins.insert(format!("models.{}", class.word()), "ASSIZE_MODEL".to_owned());
            }
        }
        for flag in &flags.models {
            let (class, name) = flag.split_once('=').ok_or_else(|| {
                Failure::usage(format!("--model {flag}: it has the form CLASS=NAME"))
                    .hint("for example --model top=anthropic/claude-opus-4-7")
            })?;
            let class = ModelClass::parse(class).ok_or_else(|| {
                Failure::from(Fault::whole("--model", format!("unknown class of models `{class}`")).nearest(class, ModelClass::WORDS))
            })?;
            let model = model_name(name, &settings.providers)
                .map_err(|(message, hint)| Failure::usage(format!("--model: {message}")).hint(hint))?;
            settings.models.insert(class, vec![model]);
            self.origins.insert(format!("models.{}", class.word()), "--model".to_owned());
        }
        if let Some(word) = &flags.fail_on {
            settings.fail_on = fail_on(word).map_err(|message| Failure::usage(format!("--fail-on: {message}")).hint(FAIL_ON_HINT))?;
            self.origins.insert("fail_on".to_owned(), "--fail-on".to_owned());
        }
        Ok(())
    }

    /// Refuses what flags and variables loosened.
    fn tightened(&self, filed: &Settings, said: &Settings) -> Result<(), Failure> {
        if said.fail_on.loosens(filed.fail_on) {
            return Err(loosened("--fail-on asks for a weaker gate than", self.name));
        }
        let moved = filed.models.iter().find(|(class, chain)| said.models.get(class) != Some(chain));
        if let Some((class, _)) = moved {
            let by = self.origins.get(&format!("models.{}", class.word())).map_or("a flag", String::as_str);
            return Err(loosened(&format!("{by} replaces the models of the class {} in", class.word()), self.name));
        }
        Ok(())
    }
}

/// Returns the failure of a flag or variable that would loosen what the configuration of the target branch says.
pub fn loosened(what: &str, config: &str) -> Failure {
    Failure::usage(format!("{what} {config} of the target branch"))
        .hint("in the pipeline of a merge request, variables and flags may only tighten: change the file on the target branch instead")
}

const FAIL_ON_HINT: &str = "never, minor_issues or significant_concerns; `incomplete` alone or beside either, comma-separated";

fn fail_on(words: &str) -> Result<Gate, String> {
    let mut result = Gate { verdict: None, incomplete: false };
    for word in words.split(',').map(str::trim) {
        match word {
            "never" => {}
            "minor_issues" => result.verdict = Some(Verdict::MinorIssues),
            "significant_concerns" => result.verdict = Some(Verdict::SignificantConcerns),
            "incomplete" => result.incomplete = true,
            other => return Err(format!("`{other}` is nothing to fail on")),
        }
    }
    Ok(result)
}

/// Reads `provider/model`. With a single provider its name may be left out. The error is a message and a hint.
fn model_name(text: &str, providers: &[Provider]) -> Result<ModelName, (String, String)> {
    let known: Vec<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
    if let Some((provider, model)) = text.split_once('/')
        && known.contains(&provider)
        && !model.is_empty()
    {
        return Ok(ModelName { provider: provider.to_owned(), model: model.to_owned() });
    }
    match known[..] {
        [] => Err((
            format!("`{text}` needs a provider, and none is configured"),
            "set ANTHROPIC_API_KEY, OPENAI_API_KEY or GEMINI_API_KEY, or write `providers:`".to_owned(),
        )),
        [only] if !text.is_empty() => Ok(ModelName { provider: only.to_owned(), model: text.to_owned() }),
        _ => Err((format!("`{text}` names no provider"), format!("write provider/model with one of: {}", known.join(", ")))),
    }
}

#[cfg(test)]
mod tests;
