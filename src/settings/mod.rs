//! The effective configuration of a run: layers merged, every value checked, its origin known. It must not read files or variables itself:
//! texts and `Env` come in.

mod file;
mod load;

pub use file::schema;
pub use load::{ConfigText, Effective, Flags, Origins, Speaker, load, loosened};

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use globset::GlobSet;
use secrecy::SecretString;

use crate::codex::{ReviewerName, RuleId, Severity};
pub use crate::review::{Gate, ModelClass, ReviewerSettings};
use crate::review::{Price, Usd};

/// Settings of a run; made only by validation.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Providers by name, in order of preference.
    pub providers: Vec<Provider>,
    /// Class → chain of models, tried in order.
    pub models: BTreeMap<ModelClass, Vec<ModelName>>,
    /// Changes to reviewers, by name.
    pub reviewers: BTreeMap<ReviewerName, ReviewerSettings>,
    /// Bounds of the tiers.
    pub tiers: TierSettings,
    /// What is left out of view.
    pub filter: FilterSettings,
    /// Rules.
    pub codex: CodexSettings,
    /// Whose merge requests only raise versions.
    pub dependency_bots: DependencyBots,
    /// What is posted.
    pub publish: PublishSettings,
    /// When the run exits 1.
    pub fail_on: Gate,
    /// How a person lifts the gate.
    pub break_glass: BreakGlass,
    /// Who may lower a tier, dismiss a critical, break the glass.
    pub min_access: Access,
    /// Ceilings.
    pub limits: Limits,
    /// Language of the comments, a BCP 47 tag.
    pub language: String,
}

/// A model by provider and name, `anthropic/claude-sonnet-4-6`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelName {
    /// Name of a provider.
    pub provider: String,
    /// The provider's name for the model; may hold slashes.
    pub model: String,
}

/// A place where models live.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name in the configuration.
    pub name: String,
    /// Its protocol.
    pub kind: ProviderKind,
    /// Where requests go, if not to the vendor's own address; without a trailing slash.
    pub base_url: Option<String>,
    /// Its key.
    pub key: Key,
    /// Headers sent with every request.
    pub headers: BTreeMap<String, String>,
    /// Most requests at once.
    pub max_parallel: Option<usize>,
    /// Most requests in any 60 seconds.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Prices by the provider's name for the model; for others the published ones count.
    pub prices: BTreeMap<String, Price>,
}

/// A provider's key, or what is known about its absence.
#[derive(Clone, Debug)]
pub enum Key {
    /// The key.
    Present(SecretString),
    /// The named variable is not set: its reviewers fail, the run is incomplete.
    Missing {
        /// The variable.
        variable: String,
    },
    /// None is configured, as for a local server.
    NotNeeded,
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// Anthropic messages.
    Anthropic,
    /// OpenAI chat completions, and all that speak them.
    OpenAi,
    /// Gemini `generateContent`.
    Gemini,
}

impl ProviderKind {
    /// The words of files.
    pub const WORDS: [&'static str; 3] = ["anthropic", "openai", "gemini"];

    /// Returns the kind of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Anthropic, Self::OpenAi, Self::Gemini].into_iter().find(|kind| kind.word() == word)
    }

    /// Returns the word of the kind.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Anthropic => Self::WORDS[0],
            Self::OpenAi => Self::WORDS[1],
            Self::Gemini => Self::WORDS[2],
        }
    }
}

/// Bounds of the tiers.
#[derive(Clone, Debug)]
pub struct TierSettings {
    /// A trivial change has at most this much.
    pub trivial: TierBound,
    /// A lite change has at most this much.
    pub lite: TierBound,
    /// Security-sensitive paths beside the built-in ones.
    pub sensitive: GlobSet,
}

/// Upper bounds of a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierBound {
    /// Added and removed lines.
    pub max_lines: usize,
    /// Files.
    pub max_files: usize,
}

/// What is left out of the reviewers' view.
#[derive(Clone, Debug, Default)]
pub struct FilterSettings {
    /// Noise.
    pub ignore: GlobSet,
    /// Never noise.
    pub include: GlobSet,
    /// Withheld from prompts and tools alike.
    pub never_send: GlobSet,
}

/// Which rules are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodexSettings {
    /// The built-in rules are in force.
    pub builtin: bool,
    /// Folders of rule files in the repository.
    pub paths: Vec<String>,
    /// Rules switched off, with the reason.
    pub disable: BTreeMap<RuleId, String>,
    /// Other severities.
    pub severity: BTreeMap<RuleId, Severity>,
}

/// Programs that raise versions: their merge requests are read by the security reviewer alone, and open no thread below critical.
#[derive(Clone, Debug)]
pub struct DependencyBots {
    /// User names.
    pub authors: Vec<String>,
    /// Their source branches.
    pub branches: GlobSet,
}

impl DependencyBots {
    /// Returns whether a merge request is one of theirs: both its author and its branch say so.
    pub fn wrote(&self, author: &str, branch: &str) -> bool {
        self.authors.iter().any(|known| known == author) && self.branches.is_match(branch)
    }
}

/// What is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishSettings {
    /// Comment, or leave artifacts only.
    pub shadow: bool,
    /// Cast approvals and requests for changes.
    pub approve: bool,
    /// New threads a round.
    pub max_threads: usize,
    /// Threads are for this and worse.
    pub thread_severity: Severity,
    /// Set labels on the merge request.
    pub labels: bool,
    /// Numbers of users that earlier runs wrote as, before a token was replaced: their signed markers are believed.
    pub former_bots: Vec<u64>,
}

/// How a person lifts the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakGlass {
    /// The words that begin the note.
    pub phrase: String,
    /// The author may do it too.
    pub by_author: bool,
}

/// A role of GitLab's, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Reads code and writes comments.
    Reporter,
    /// Pushes.
    Developer,
    /// Merges into protected branches.
    Maintainer,
    /// Owns the project.
    Owner,
}

impl Access {
    /// The words of files.
    pub const WORDS: [&'static str; 4] = ["reporter", "developer", "maintainer", "owner"];

    /// Returns the role of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Reporter, Self::Developer, Self::Maintainer, Self::Owner].into_iter().find(|access| access.word() == word)
    }

    /// Returns the word of the role.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reporter => Self::WORDS[0],
            Self::Developer => Self::WORDS[1],
            Self::Maintainer => Self::WORDS[2],
            Self::Owner => Self::WORDS[3],
        }
    }
}

/// Ceilings of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Money of one run.
    pub max_cost: Usd,
    /// Uncached input and output tokens of one run.
    pub max_tokens: u64,
    /// Money of all rounds of a merge request.
    pub max_total_cost: Usd,
    /// Tokens of all rounds of a merge request.
    pub max_total_tokens: u64,
    /// The whole run.
    pub timeout: Duration,
    /// Reviewers at once.
    pub max_agents: usize,
}
