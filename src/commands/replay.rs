//! `assize replay`: a run again from its story, offline, with the answers that its models gave. And the story of a run, while it goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::examine::{Examined, Orders, Reading, Voices, examine};
use super::input::Input;
use crate::agent::Models;
use crate::change::{RepoPath, parse, print};
use crate::checkout::Files;
use crate::cli::ReplayArgs;
use crate::env::{Env, Io};
use crate::error::Failure;
use crate::exit::Exit;
use crate::model::{Model, ModelError, ModelErrorKind, Recorded, RecordedAnswer, Recording, Reply, Stop, ToolCall};
use crate::report::{self, Style};
use crate::review::brief::RequestWords;
use crate::review::{self, Usage, calls_in};
use crate::settings::{self, ConfigText, Flags, ModelClass, Speaker};
use crate::story::{self, Answer, Call, Expected, Failed, Run, Story, Tokens, Told};

/// Bytes of patches that one request embeds, where the story does not say.
const GROUP_BYTES: usize = 200_000;
/// What boundaries and marks derive from in a story.
const KEY: &[u8] = b"assize story";
/// Longest part of a tool's arguments that the account of a run shows, in characters.
const MAX_SHOWN_CHARS: usize = 80;

/// A run, repeated.
pub struct Replayed {
    /// What came of it.
    pub examined: Examined,
    /// How it ended.
    pub exit: Exit,
}

/// Runs the command.
pub async fn run(args: &ReplayArgs, env: &Env, io: &mut Io, style: Style) -> Result<Exit, Failure> {
    let name = args.file.display().to_string();
    let text = std::fs::read_to_string(env.cwd.join(&args.file))
        .map_err(|error| Failure::usage(format!("cannot read {name}: {error}")).hint("name a story, for example assize-run.md"))?;
    let story = story::parse(&name, &text)?;
    let Replayed { examined, exit } = replay(&name, &story).await?;
    let account = account(&story);
    let report = report::terminal(&examined.review, &examined.shown, style);
    super::print(io, &if account.is_empty() { report } else { format!("{account}\n{report}") })?;
    Ok(exit)
}

/// Repeats a story. The same story gives the same review, byte for byte.
pub async fn replay(name: &str, story: &Story) -> Result<Replayed, Failure> {
    let change = parse(story.change.as_bytes())
        .map_err(|error| Failure::usage(format!("{name}: its change cannot be read: {error}")).hint("it is a unified diff, whole"))?;
    let files = story.files.iter().map(|(path, text)| (RepoPath::from(path.as_str()), text.clone().into_bytes())).collect();
    let files = (!story.files.is_empty()).then_some(Files::Memory(files));
    let input = Input {
        label: story.title.clone(),
        base: None,
        head: None,
        change,
        policy: files.clone(),
        files,
        base_files: None,
        config: story.config.as_ref().map(|text| ConfigText { name: ".assize.yml".to_owned(), text: text.clone() }),
        flagged: BTreeSet::new(),
        remarks: Vec::new(),
    };
    let flags = Flags { fail_on: story.run.fail_on.clone(), models: Vec::new() };
    let settings = settings::load(input.config.as_ref(), &Env::default(), &flags, Speaker::Owner)?.settings;
    let words = story
        .run
        .title
        .as_ref()
        .map(|title| RequestWords { title: title.clone(), description: story.run.description.clone().unwrap_or_default() });
    let orders = Orders {
        forced: super::forced_by_flag(story.run.tier.as_deref(), true),
        only: super::reviewer_names(&story.run.only)?,
        only_why: super::ONLY_FLAG,
        skip: super::reviewer_names(&story.run.skip)?,
        key: KEY,
        words,
        reading: Reading::Whole,
    };
    let examined = examine(&input, &settings, &orders, voices(story)?).await?;
    let exit = review::exit(examined.review.verdict, &examined.review.incomplete, settings.fail_on);
    Ok(Replayed { examined, exit })
}

fn voices(story: &Story) -> Result<Voices, Failure> {
    if story.run.models.is_empty() {
        return Ok(Voices::None("no model is configured".to_owned()));
    }
    let mut by_class = BTreeMap::new();
    for (word, name) in &story.run.models {
        let class = ModelClass::parse(word)
            .ok_or_else(|| Failure::usage(format!("`{word}` is no class of models")).hint("top, standard or light"))?;
        // Each class has all answers: a reader asks one class only, and takes its own.
        let model: Arc<dyn Model> = Arc::new(Recorded::new(name.clone(), story.answers.iter().map(|told| recorded(told, name))));
        by_class.insert(class, Ok(model));
    }
    Ok(Voices::Models(Models { by_class, ..Models::default() }, story.run.group_bytes.unwrap_or(GROUP_BYTES)))
}

/// The answer as a model of that name gave it, unless the story says that another one did.
fn recorded(told: &Told, name: &str) -> RecordedAnswer {
    let Answer { text, calls, stop, usage, by, error } = &told.answer;
    let reply = match error {
        Some(Failed { kind, message }) => {
            let usage = Usage { calls: 1, ..Usage::default() };
            Err(ModelError { tried: vec![(name.to_owned(), usage)], ..ModelError::new(kind_of(kind), message.clone()) })
        }
        None => Ok(Reply {
            text: text.clone(),
            calls: calls
                .iter()
                .enumerate()
                .map(|(index, Call { name, arguments })| ToolCall {
                    id: format!("call-{index}"),
                    name: name.clone(),
                    arguments: arguments.clone(),
                })
                .collect(),
            stop: match stop.as_deref() {
                None => Stop::Done,
                Some("length") => Stop::Length,
                Some(other) => Stop::Refused(other.strip_prefix("refused: ").unwrap_or(other).to_owned()),
            },
            usage: usage.map_or(Usage { calls: 1, ..Usage::default() }, |tokens| Usage {
                calls: 1,
                input: tokens.input,
                cached: tokens.cached,
                cache_write: 0,
                output: tokens.output,
            }),
            by: by.clone().unwrap_or_else(|| name.to_owned()),
            tried: Vec::new(),
        }),
    };
    RecordedAnswer { reader: told.reader.clone(), reply }
}

/// What of a run its story needs beside what came of it.
pub struct Tape {
    models: Vec<(ModelClass, Arc<Recording>)>,
    group_bytes: usize,
}

impl Tape {
    /// Returns the tape of these voices, if they have any models.
    pub fn beside(voices: &mut Voices) -> Option<Self> {
        match voices {
            Voices::Models(models, group_bytes) => Some(Self::of(models, *group_bytes)),
            Voices::None(_) | Voices::Told(_) => None,
        }
    }

    /// Returns the tape of these models, which from now on keep everything that they answer.
    fn of(models: &mut Models, group_bytes: usize) -> Self {
        let mut kept: Vec<(ModelClass, Arc<Recording>)> = Vec::new();
        for (class, model) in &mut models.by_class {
            if let Ok(model) = model {
                let recording = Arc::new(Recording::new(model.clone()));
                *model = recording.clone();
                kept.push((*class, recording));
            }
        }
        Self { models: kept, group_bytes }
    }
}

/// Columns of the report in a story.
const STORY_COLUMNS: usize = 100;

/// Returns the story of a run: the masked change, the masked texts that were read, what the models answered, and what came of it.
///
/// A secret is masked in it, so a finding of a detector for secrets does not come back when the story is repeated.
pub fn story_of(input: &Input, orders: &Orders<'_>, examined: &Examined, tape: Option<&Tape>, fail_on: Option<&str>) -> Story {
    let names = |names: &BTreeSet<review::ReviewerName>| names.iter().map(ToString::to_string).collect();
    let mut files: BTreeMap<String, String> = examined.texts.iter().map(|(path, text)| (path.to_string(), text.clone())).collect();
    files.extend(examined.policy.iter().cloned());
    let recordings = tape.map_or(&[][..], |tape| &tape.models);
    let mut answers: Vec<Told> = recordings
        .iter()
        .flat_map(|(_, recording)| recording.answers().into_iter().map(|answer| told(&answer, recording.name())))
        .collect();
    let seat = |told: &Told| {
        let name = told.reader.split('@').next().unwrap_or(&told.reader);
        examined.review.reviewers.iter().position(|report| report.name.as_str() == name)
    };
    answers.sort_by_key(|told| (seat(told), told.reader.clone()));
    let terminal = report::terminal(&examined.review, &examined.shown, Style { color: false, width: STORY_COLUMNS });
    Story {
        title: input.label.clone(),
        run: Run {
            tier: orders.forced.as_ref().map(|forced| forced.tier.word().to_owned()),
            only: names(&orders.only),
            skip: names(&orders.skip),
            fail_on: fail_on.map(str::to_owned),
            models: recordings.iter().map(|(class, recording)| (class.word().to_owned(), recording.name().to_owned())).collect(),
            title: orders.words.as_ref().map(|words| words.title.clone()),
            description: orders.words.as_ref().map(|words| words.description.clone()),
            group_bytes: tape.map(|tape| tape.group_bytes),
        },
        change: print(&examined.shown),
        files,
        config: input.config.as_ref().map(|config| config.text.clone()),
        answers,
        expected: vec![Expected { name: "terminal".to_owned(), text: terminal, at: 0..0 }],
    }
}

/// Returns what a model of that name answered as its story tells it.
fn told(answer: &RecordedAnswer, name: &str) -> Told {
    let answer_told = match &answer.reply {
        Err(error) => {
            Answer { error: Some(Failed { kind: word_of(error.kind).to_owned(), message: error.message.clone() }), ..Answer::default() }
        }
        Ok(reply) => Answer {
            text: reply.text.clone(),
            calls: reply.calls.iter().map(|call| Call { name: call.name.clone(), arguments: call.arguments.clone() }).collect(),
            stop: match &reply.stop {
                Stop::Done => None,
                Stop::Length => Some("length".to_owned()),
                Stop::Refused(why) => Some(format!("refused: {why}")),
            },
            usage: Some(Tokens { input: reply.usage.input, cached: reply.usage.cached, output: reply.usage.output }),
            by: Some(reply.by.clone()).filter(|by| by != name),
            error: None,
        },
    };
    Told { reader: answer.reader.clone(), answer: answer_told }
}

const KINDS: [(ModelErrorKind, &str); 10] = [
    (ModelErrorKind::RateLimited, "rate_limited"),
    (ModelErrorKind::Unavailable, "unavailable"),
    (ModelErrorKind::TimedOut, "timed_out"),
    (ModelErrorKind::Exhausted, "exhausted"),
    (ModelErrorKind::Credentials, "credentials"),
    (ModelErrorKind::TooLong, "too_long"),
    (ModelErrorKind::Refused, "refused"),
    (ModelErrorKind::NotAModel, "not_a_model"),
    (ModelErrorKind::Ceiling, "ceiling"),
    (ModelErrorKind::NotRecorded, "not_recorded"),
];

fn kind_of(word: &str) -> ModelErrorKind {
    KINDS.into_iter().find(|(_, known)| *known == word).map_or(ModelErrorKind::Unavailable, |(kind, _)| kind)
}

fn word_of(kind: ModelErrorKind) -> &'static str {
    KINDS.into_iter().find(|(known, _)| *known == kind).map_or("unavailable", |(_, word)| word)
}

/// Returns the reviewers at work: what each asked and how it ended, one line an answer.
fn account(story: &Story) -> String {
    let mut out = String::new();
    let width = story.answers.iter().map(|told| told.reader.chars().count()).max().unwrap_or(0);
    for Told { reader, answer } in &story.answers {
        let written = calls_in(&answer.text);
        let calls = answer
            .calls
            .iter()
            .map(|call| (call.name.as_str(), &call.arguments))
            .chain(written.iter().map(|(name, arguments)| (name.as_str(), arguments)));
        let mut parts: Vec<String> = calls.map(|(name, arguments)| did(name, arguments)).collect();
        if let Some(Failed { kind, message }) = &answer.error {
            parts.push(format!("{kind}: {message}"));
        }
        if let Some(stop) = &answer.stop {
            parts.push(format!("stopped: {stop}"));
        }
        if parts.is_empty() {
            parts.push("answers in words".to_owned());
        }
        writeln!(out, "{reader:width$}  {}", parts.join(", ")).expect("writing to a string cannot fail");
    }
    out
}

fn did(name: &str, arguments: &serde_json::Value) -> String {
    let count = |key: &str| arguments.get(key).and_then(serde_json::Value::as_array).map(Vec::len);
    match (name, count("findings"), count("judgements")) {
        ("submit_findings", Some(found), _) => format!("submits {}", report::plural(found, "finding")),
        ("submit_verdict", _, Some(judged)) => format!("submits {}", report::plural(judged, "judgement")),
        _ => {
            let values: Vec<String> = arguments
                .as_object()
                .into_iter()
                .flatten()
                .map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .collect();
            let shown: String = values.join(" ").chars().take(MAX_SHOWN_CHARS).collect();
            format!("{name} {shown}")
        }
    }
}
