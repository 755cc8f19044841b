//! The command line: what was typed, and nothing else. It must not read files or variables, nor decide anything.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// A multi-agent code reviewer for GitLab merge requests.
#[derive(Parser, Debug)]
#[command(name = "assize", version, arg_required_else_help = true, after_help = "Example:\n  assize review --base main")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How logs are written to standard error
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Say more; twice for still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say less: errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Colours in the terminal
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: Color,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Review a change
    #[command(
        after_help = "Examples:\n  assize review                     the working tree against the default branch\n  assize review --base HEAD~1       the last commit and what is not committed\n  git diff main | assize review --diff -"
    )]
    Review(Box<ReviewArgs>),
    /// Post what an earlier job of this merge request found, without asking a model again
    #[command(
        after_help = "Example:\n  assize publish assize-report/result.json     in a later job of the pipeline, with the artifacts of the review's"
    )]
    Publish(PublishArgs),
    /// Repeat a run from its story, offline
    #[command(after_help = "Example:\n  assize replay tests/stories/a-full-review-of-the-shop.md")]
    Replay(ReplayArgs),
    /// Show what a review would do: tier, files, rules; calls no model
    #[command(after_help = "Example:\n  assize plan --base main")]
    Plan(SourceArgs),
    /// Look at the rules
    #[command(subcommand, after_help = "Example:\n  assize codex show SEC-0008")]
    Codex(CodexCommand),
    /// Look at the configuration
    #[command(subcommand, after_help = "Example:\n  assize config check")]
    Config(ConfigCommand),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  assize completions bash > /etc/bash_completion.d/assize")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  assize man | man -l -")]
    Man,
}

/// What to review.
#[derive(Args, Clone, Debug, Default)]
pub struct SourceArgs {
    /// The repository, or with --diff the folder that the files are read from
    #[arg(long, value_name = "DIR")]
    pub repo: Option<PathBuf>,
    /// Compare with the merge base of this branch, tag or commit
    #[arg(long, value_name = "REF", conflicts_with = "diff")]
    pub base: Option<String>,
    /// Review the working tree even in a pipeline
    #[arg(long, conflicts_with = "diff")]
    pub local: bool,
    /// Review a unified diff; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub diff: Option<PathBuf>,
    /// Force the risk tier
    #[arg(long, value_name = "TIER", value_parser = ["trivial", "lite", "full"])]
    pub tier: Option<String>,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The options of `review`.
#[derive(Args, Clone, Debug, Default)]
pub struct ReviewArgs {
    /// What to review.
    #[command(flatten)]
    pub source: SourceArgs,
    /// How it ends.
    #[command(flatten)]
    pub end: EndArgs,
    /// Only these reviewers, comma-separated, whatever the tier says
    #[arg(long, value_delimiter = ',', value_name = "REVIEWER,…")]
    pub only: Vec<String>,
    /// Not these reviewers, comma-separated
    #[arg(long, value_delimiter = ',', value_name = "REVIEWER,…")]
    pub skip: Vec<String>,
    /// The model of a class (top, standard or light), e.g. top=anthropic/claude-opus-4-7
    #[arg(long, value_name = "CLASS=NAME")]
    pub model: Vec<String>,
    /// Leave the run as a story that `assize replay` repeats, here instead of in the folder of --report-dir
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Leave result.json, summary.md and assize-run.md in this folder; in a GitLab job it is assize-report if not given
    #[arg(long, value_name = "DIR")]
    pub report_dir: Option<PathBuf>,
    /// Run the detectors only
    #[arg(long)]
    pub no_model: bool,
}

/// How a review ends: what is shown, written and posted.
#[derive(Args, Clone, Debug, Default)]
pub struct EndArgs {
    /// How to print the result; several may be given
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Vec<Format>,
    /// Where to write it: the first --output takes the first --format, and so on; a format without one goes to standard output
    #[arg(long, value_name = "FILE")]
    pub output: Vec<PathBuf>,
    /// Exit 1 at this verdict or a worse one: never, `minor_issues`, `significant_concerns`; `incomplete` alone or beside either
    #[arg(long, value_name = "WHAT")]
    pub fail_on: Option<String>,
    /// In the pipeline of a merge request: print what would be posted, and post nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Formats of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person at a terminal.
    Terminal,
    /// A page.
    Markdown,
    /// For machines: the whole review.
    Json,
}

/// What to post.
#[derive(Args, Debug)]
pub struct PublishArgs {
    /// The result.json of a review of this merge request
    #[arg(value_name = "RESULT")]
    pub result: PathBuf,
    /// How it ends.
    #[command(flatten)]
    pub end: EndArgs,
}

impl PublishArgs {
    /// Returns the options of a review that ends in the same way.
    pub fn as_review(&self) -> ReviewArgs {
        ReviewArgs { end: self.end.clone(), ..ReviewArgs::default() }
    }
}

/// Which story.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// The story
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Looks at rules.
#[derive(Subcommand, Debug)]
pub enum CodexCommand {
    /// List the built-in rules
    #[command(after_help = "Example:\n  assize codex list")]
    List,
    /// Show one rule
    #[command(after_help = "Example:\n  assize codex show SEC-0008")]
    Show {
        /// The rule's ID
        id: String,
    },
}

/// Looks at the configuration.
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Check the configuration of a repository
    #[command(after_help = "Example:\n  assize config check --repo ../shop")]
    Check(ConfigArgs),
    /// Show the effective configuration, with where each value came from
    #[command(after_help = "Example:\n  assize config show")]
    Show(ConfigArgs),
    /// Print the JSON schema of the configuration
    #[command(after_help = "Example:\n  assize config schema > assize.schema.json")]
    Schema,
}

/// Which configuration.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigArgs {
    /// The repository
    #[arg(long, value_name = "DIR")]
    pub repo: Option<PathBuf>,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
