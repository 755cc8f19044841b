//! Who reviews a change, and who does not, each with the reason. It must not look at what lines say.

use std::collections::{BTreeMap, BTreeSet};

use super::{Prompt, ReviewerName, ReviewerSettings, Tier, Trigger, risk};
use crate::change::{FileDiff, Filtered};

/// The reviewers of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Who runs, in roster order.
    pub seats: Vec<Seat>,
    /// Who does not, in roster order, with the reason as a sentence for people.
    pub idle: Vec<(Prompt, String)>,
}

/// A reviewer that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its prompt, with the team's settings applied.
    pub prompt: Prompt,
    /// What it reads.
    pub reads: Reads,
}

/// What a reviewer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The filtered change.
    Change,
    /// The filtered change, and the files that were filtered as noise although they lie at security-sensitive paths.
    ChangeAndSensitiveNoise,
    /// Only those files: the tier asks for no security reviewer.
    SensitiveNoise,
}

/// What decides about the roster beside the change.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The tier.
    pub tier: Tier,
    /// What the team's configuration says.
    pub settings: &'a BTreeMap<ReviewerName, ReviewerSettings>,
    /// Only these, if there are any.
    pub only: &'a BTreeSet<ReviewerName>,
    /// Why only these, as a clause, e.g. `--only names others`.
    pub only_why: &'a str,
    /// Not these.
    pub skip: &'a BTreeSet<ReviewerName>,
    /// Whether any rule applies to any file: without one there is nothing for `codex` to hold the change against.
    pub any_rule: bool,
}

/// Returns who reviews. `--only` and `enabled: true` run a reviewer whatever the tier and its trigger say.
pub fn roster(prompts: &[Prompt], filtered: &Filtered, choice: Choice<'_>) -> Roster {
    let mut roster = Roster::default();
    for prompt in prompts {
        let mut prompt = prompt.clone();
        let set = choice.settings.get(&prompt.name);
        if let Some(set) = set {
            prompt.class = set.model.unwrap_or(prompt.class);
            prompt.timeout = set.timeout.unwrap_or(prompt.timeout);
        }
        let sensitive_noise = prompt.name.as_str() == "security" && !filtered.security_only.is_empty();
        let only = choice.only.contains(&prompt.name);
        let (why_not, by_person) = why_not(&prompt, filtered.reviewed.files(), set, choice);
        let runs = only || (choice.only.is_empty() && why_not.is_none());
        let reads = match (runs, sensitive_noise) {
            (true, false) => Reads::Change,
            (true, true) => Reads::ChangeAndSensitiveNoise,
            (false, true) if !by_person && choice.only.is_empty() => Reads::SensitiveNoise,
            (false, _) => {
                let why = why_not.filter(|_| choice.only.is_empty()).unwrap_or_else(|| choice.only_why.to_owned());
                roster.idle.push((prompt, why));
                continue;
            }
        };
        roster.seats.push(Seat { prompt, reads });
    }
    roster
}

/// Why a reviewer does not run, if it does not, and whether a person said so.
fn why_not(prompt: &Prompt, files: &[FileDiff], set: Option<&ReviewerSettings>, choice: Choice<'_>) -> (Option<String>, bool) {
    if choice.skip.contains(&prompt.name) {
        return (Some("--skip names it".to_owned()), true);
    }
    match set.and_then(|set| set.enabled) {
        Some(false) => return (Some("switched off in the configuration".to_owned()), true),
        Some(true) => return (None, false),
        None => {}
    }
    if !prompt.tiers.contains(&choice.tier) {
        return (Some(format!("not part of a {} review", choice.tier.word())), false);
    }
    let touches = |test: fn(&FileDiff) -> Option<String>| files.iter().any(|file| test(file).is_some());
    let idle = match prompt.trigger {
        Trigger::Always => None,
        Trigger::Release if touches(risk::touches_release) => None,
        Trigger::Release => Some("nothing that ships is touched"),
        Trigger::AgentsMd if touches(risk::touches_agent_instructions) => None,
        Trigger::AgentsMd => Some("nothing that agent instructions tell about is touched"),
    };
    let empty = files.is_empty().then_some("nothing that it reads passed the filter");
    let without_rules = (prompt.name.as_str() == "codex" && !choice.any_rule).then_some("no rule applies to these files");
    (empty.or(idle).or(without_rules).map(str::to_owned), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Change, RepoPath, parse};
    use crate::review::Prompts;

    fn filtered(paths: &[&str], security_only: &[&str]) -> Filtered {
        let diffs: Vec<String> =
            paths.iter().map(|path| format!("diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n")).collect();
        let reviewed = if diffs.is_empty() { Change::default() } else { parse(diffs.concat().as_bytes()).unwrap() };
        Filtered { reviewed, security_only: security_only.iter().map(|path| RepoPath::from(*path)).collect(), ..Filtered::default() }
    }

    fn set(names: &[&str]) -> BTreeSet<ReviewerName> {
        names.iter().map(|name| ReviewerName::parse(name).unwrap()).collect()
    }

    #[derive(Default)]
    struct Given {
        settings: BTreeMap<ReviewerName, ReviewerSettings>,
        only: BTreeSet<ReviewerName>,
        skip: BTreeSet<ReviewerName>,
        without_rules: bool,
    }

    fn check(tier: Tier, filtered: &Filtered, given: &Given, runs: &[&str], idle: &[&str]) {
        let Given { settings, only, skip, without_rules } = given;
        let choice = Choice { tier, settings, only, only_why: "--only names others", skip, any_rule: !without_rules };
        let roster = roster(&Prompts::with(&[]).unwrap().reviewers, filtered, choice);
        let seats: Vec<String> = roster.seats.iter().map(|seat| seat.prompt.name.to_string()).collect();
        assert_eq!(seats, runs);
        let reasons: Vec<String> = roster.idle.iter().map(|(prompt, why)| format!("{}: {why}", prompt.name)).collect();
        for reason in idle {
            assert!(reasons.iter().any(|known| known == reason), "{reason} is missing in {reasons:?}");
        }
        assert_eq!(roster.seats.len() + roster.idle.len(), 8);
    }

    #[test]
    fn each_tier_has_its_readers_and_names_the_others() {
        let code = filtered(&["src/a.rs"], &[]);
        check(Tier::Trivial, &code, &Given::default(), &["generalist"], &["security: not part of a trivial review"]);
        check(Tier::Lite, &code, &Given::default(), &["quality", "codex", "docs"], &["generalist: not part of a lite review"]);
        let idle = ["release: nothing that ships is touched", "agents-md: nothing that agent instructions tell about is touched"];
        check(Tier::Full, &code, &Given::default(), &["security", "quality", "codex", "docs", "performance"], &idle);
        let manifest = filtered(&["Cargo.toml"], &[]);
        let all = ["security", "quality", "codex", "docs", "performance", "release", "agents-md"];
        check(Tier::Full, &manifest, &Given::default(), &all, &[]);
    }

    #[test]
    fn people_choose_by_name() {
        let code = filtered(&["src/a.rs"], &[]);
        let (only, skip) = (set(&["release", "docs"]), set(&["docs"]));
        check(Tier::Trivial, &code, &Given { only, ..Given::default() }, &["docs", "release"], &["quality: --only names others"]);
        check(Tier::Lite, &code, &Given { skip, ..Given::default() }, &["quality", "codex"], &["docs: --skip names it"]);
        let off = ReviewerSettings { enabled: Some(false), ..ReviewerSettings::default() };
        let on = ReviewerSettings { enabled: Some(true), ..ReviewerSettings::default() };
        let settings: BTreeMap<_, _> =
            [("docs", off), ("performance", on)].map(|(name, set)| (ReviewerName::parse(name).unwrap(), set)).into();
        let idle = ["docs: switched off in the configuration"];
        check(Tier::Lite, &code, &Given { settings, ..Given::default() }, &["quality", "codex", "performance"], &idle);
        check(
            Tier::Lite,
            &code,
            &Given { without_rules: true, ..Given::default() },
            &["quality", "docs"],
            &["codex: no rule applies to these files"],
        );
    }

    #[test]
    fn noise_at_a_sensitive_path_brings_the_security_reviewer_at_any_tier() {
        let noisy = filtered(&["src/a.rs"], &["vendor/auth/login.js"]);
        check(Tier::Trivial, &noisy, &Given::default(), &["security", "generalist"], &[]);
        let skip = set(&["security"]);
        check(Tier::Trivial, &noisy, &Given { skip, ..Given::default() }, &["generalist"], &["security: --skip names it"]);
    }
}
