//! Prompt files: who reviews, with what, asking what. It must not read files: texts come in, and a mistake is shown at its place.

use std::time::Duration;

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{ReviewerName, Severity, Tier, Tool};
use crate::yaml::{self, Fault};

/// The prompt files that ship with the program.
static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/prompts");
/// Largest prompt file, in bytes.
pub const MAX_PROMPT_BYTES: usize = 64 << 10;
/// The reviewers that ship with the program, in the order in which they are listed; those of teams follow by name.
const ORDER: [&str; 8] = ["security", "quality", "codex", "docs", "performance", "release", "agents-md", "generalist"];

/// A reviewer's prompt, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Its name; also the category of its findings.
    pub name: ReviewerName,
    /// What people call it.
    pub title: String,
    /// The class of models that it asks for.
    pub class: ModelClass,
    /// The tiers in which it runs.
    pub tiers: Vec<Tier>,
    /// How long it may take.
    pub timeout: Duration,
    /// The tools that it may call.
    pub tools: Vec<Tool>,
    /// The worst severity that it may give.
    pub ceiling: Severity,
    /// What the change must touch for it to run.
    pub trigger: Trigger,
    /// It does not see the merge request's own words: a persuasive description blinds a reader (arXiv 2603.18740).
    pub blind: bool,
    /// The text below the front matter.
    pub text: String,
}

/// What a change must touch for a reviewer to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Anything.
    Always,
    /// Something that ships.
    Release,
    /// Something that the repository's agent instructions tell about.
    AgentsMd,
}

/// A class of models that prompts ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModelClass {
    /// The best.
    Top,
    /// The usual.
    Standard,
    /// The cheapest that is good enough.
    Light,
}

impl ModelClass {
    /// All classes, best first.
    pub const ALL: [Self; 3] = [Self::Top, Self::Standard, Self::Light];
    /// The words of files, best first.
    pub const WORDS: [&'static str; 3] = ["top", "standard", "light"];

    /// Returns the class of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }

    /// Returns the word of the class.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Top => Self::WORDS[0],
            Self::Standard => Self::WORDS[1],
            Self::Light => Self::WORDS[2],
        }
    }
}

/// Changes to one reviewer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReviewerSettings {
    /// Switched off, or forced on.
    pub enabled: Option<bool>,
    /// Another class.
    pub model: Option<ModelClass>,
    /// Another time-out.
    pub timeout: Option<Duration>,
}

/// Everything that is said to models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompts {
    /// What all readers share.
    pub preamble: String,
    /// The reviewers, in roster order.
    pub reviewers: Vec<Prompt>,
    /// Who judges what the reviewers claim.
    pub coordinator: Prompt,
    /// Who tries to prove criticals wrong.
    pub refuter: Prompt,
    /// Who answers questions about findings of earlier rounds.
    pub follow_up: Prompt,
}

impl Prompts {
    /// Returns everybody: the reviewers in roster order, the coordinator, the refuter, who follows up.
    pub fn all(&self) -> impl Iterator<Item = &Prompt> {
        self.reviewers.iter().chain([&self.coordinator, &self.refuter, &self.follow_up])
    }

    /// Returns the built-in prompts with those of the team: a file that names a built-in reviewer (or the coordinator, or the refuter) takes its place, another one is added.
    ///
    /// `team` holds file names and texts. Fails with the place of the mistake, or if two files give one name.
    pub fn with(team: &[(String, String)]) -> Result<Self, Fault> {
        let mut prompts: Vec<(Prompt, &str)> = Vec::new();
        let mut preamble = None;
        for file in FILES.files() {
            let origin = file.path().to_str().expect("built-in prompts have plain names");
            let text = file.contents_utf8().expect("built-in prompts are UTF-8");
            if origin == "preamble.md" {
                preamble = Some(split(origin, text)?.1.trim().to_owned());
            } else {
                prompts.push((parse(origin, text)?, "built-in"));
            }
        }
        for (origin, text) in team {
            let prompt = parse(origin, text)?;
            match prompts.iter_mut().find(|(known, _)| known.name == prompt.name) {
                Some((_, from)) if *from != "built-in" => {
                    return Err(Fault::whole(origin, format!("the reviewer {} is defined in {from} as well", prompt.name))
                        .hint("give one of them another name"));
                }
                Some(known) => *known = (prompt, origin),
                None => prompts.push((prompt, origin)),
            }
        }
        let mut reviewers: Vec<Prompt> = prompts.into_iter().map(|(prompt, _)| prompt).collect();
        let mut take = |name: &str| {
            let at = reviewers.iter().position(|prompt| prompt.name.as_str() == name).expect("a test reads every built-in prompt");
            reviewers.remove(at)
        };
        let (coordinator, refuter, follow_up) = (take("coordinator"), take("refuter"), take("follow-up"));
        let rank = |prompt: &Prompt| ORDER.iter().position(|name| *name == prompt.name.as_str()).unwrap_or(ORDER.len());
        reviewers.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name)));
        let preamble = preamble.expect("a test reads every built-in prompt");
        Ok(Self { preamble, reviewers, coordinator, refuter, follow_up })
    }
}

/// The front matter as people write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Front {
    name: Spanned<String>,
    title: String,
    model: Spanned<String>,
    tiers: Option<Vec<Spanned<String>>>,
    timeout: Option<Spanned<String>>,
    tools: Option<Vec<Spanned<String>>>,
    ceiling: Option<Spanned<String>>,
    trigger: Option<Spanned<String>>,
    blind: Option<bool>,
}

/// Returns the prompt that a file holds. Its name must be the file's.
fn parse(origin: &str, text: &str) -> Result<Prompt, Fault> {
    if text.len() > MAX_PROMPT_BYTES {
        return Err(Fault::whole(origin, format!("a prompt has at most {} KiB", MAX_PROMPT_BYTES >> 10)));
    }
    let text = text.replace("\r\n", "\n");
    let (matter, body) = split(origin, &text)?;
    let front: Front = yaml::read(origin, matter, 2, &text)?;
    let invalid = |at: &Spanned<String>, message: String| yaml::invalid(origin, at.referenced, 2, &text, message);
    let unknown = |at: &Spanned<String>, what: &str, valid: &[&str]| {
        invalid(at, format!("`{}` is no {what}", at.value)).nearest(&at.value, valid.iter().copied())
    };
    let name = ReviewerName::parse(&front.name.value).ok_or_else(|| {
        invalid(&front.name, format!("`{}` is no name of a reviewer", front.name.value))
            .hint("lower-case letters, digits and hyphens, a letter first")
    })?;
    let file_name = origin.rsplit('/').next().unwrap_or(origin);
    if file_name.strip_suffix(".md") != Some(name.as_str()) {
        return Err(
            invalid(&front.name, format!("the file is called {file_name}, its reviewer {name}")).hint(format!("call the file {name}.md"))
        );
    }
    let class = ModelClass::parse(&front.model.value).ok_or_else(|| unknown(&front.model, "class of models", &ModelClass::WORDS))?;
    let tiers =
        front.tiers.iter().flatten().map(|word| Tier::parse(&word.value).ok_or_else(|| unknown(word, "tier", &Tier::ALL.map(Tier::word))));
    let tools =
        front.tools.iter().flatten().map(|word| Tool::parse(&word.value).ok_or_else(|| unknown(word, "tool", &Tool::ALL.map(Tool::word))));
    let (tiers, tools) = (tiers.collect::<Result<Vec<_>, _>>()?, tools.collect::<Result<Vec<_>, _>>()?);
    let ceiling = front.ceiling.as_ref().map_or(Ok(Severity::Critical), |word| {
        Severity::parse(&word.value).ok_or_else(|| unknown(word, "severity", &Severity::WORST_FIRST.map(Severity::word)))
    })?;
    let trigger = match front.trigger.as_ref().map(|word| (word, word.value.as_str())) {
        None | Some((_, "always")) => Trigger::Always,
        Some((_, "release")) => Trigger::Release,
        Some((_, "agents-md")) => Trigger::AgentsMd,
        Some((word, _)) => return Err(unknown(word, "trigger", &["always", "release", "agents-md"])),
    };
    let timeout = front.timeout.as_ref().map_or(Ok(Duration::from_mins(5)), |word| {
        yaml::duration(&word.value)
            .ok_or_else(|| invalid(word, format!("`{}` is no duration", word.value)).hint("a number and s, m or h, for example 90s or 8m"))
    })?;
    let text = body.trim().to_owned();
    if text.is_empty() {
        return Err(Fault::whole(origin, "there is no text below the front matter").hint("say what to flag, and what not to flag"));
    }
    Ok(Prompt { name, title: front.title, class, tiers, timeout, tools, ceiling, trigger, blind: front.blind.unwrap_or(false), text })
}

/// Returns front matter and text; the former begins on the file's second line.
fn split<'t>(origin: &str, text: &'t str) -> Result<(&'t str, &'t str), Fault> {
    let rest =
        text.strip_prefix("---\n").ok_or_else(|| Fault::at(origin, text, 1, 1, "a prompt file begins with `---` and its front matter"))?;
    let end = rest
        .find("\n---\n")
        .ok_or_else(|| Fault::at(origin, text, 1, 1, "the front matter is not closed").hint("close it with a line `---`"))?;
    Ok((&rest[..=end], &rest[end + 5..]))
}

#[cfg(test)]
mod tests;
