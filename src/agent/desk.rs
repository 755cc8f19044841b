//! The read-only tools over blobs: what a model asks, bounded, masked, inside boundaries. It reaches nothing but the reviewed tree, the change and the
//! rules: no `.git`, no environment, no working tree, no network.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use globset::{GlobBuilder, GlobMatcher};
use regex::{Regex, RegexBuilder};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::tools::{GlobArgs, GrepArgs, PathArgs, ReadFileArgs, RuleArgs};
use crate::change::{Change, CommitId, RepoPath};
use crate::checkout::Files;
use crate::codex::{Mask, Rule, RuleId, RuleSet};
use crate::error::Failure;
use crate::review::{Boundary, Tool, named, patch};

/// Most lines of one answer of `read_file`.
const MAX_FILE_LINES: usize = 400;
/// Most bytes of one answer.
const MAX_ANSWER_BYTES: usize = 48 << 10;
/// Most places that one `grep` gives.
const MAX_GREP_HITS: usize = 100;
/// Longest pattern or glob, in bytes.
const MAX_PATTERN_BYTES: usize = 1_000;
/// Largest compiled pattern, in bytes.
const MAX_PATTERN_SIZE_BYTES: usize = 1 << 20;
/// Most paths that one `list_files` gives.
const MAX_LISTED: usize = 500;
/// Longest line shown, in characters.
const MAX_LINE_CHARS: usize = 500;
/// Most bytes of the tree that searches read, all files together; the rest is named as not searched.
const MAX_CORPUS_BYTES: usize = 256 << 20;

const NEVER_FAILS: &str = "writing to a string cannot fail";

/// What the tools of one run read from.
pub struct Desk {
    /// The head, if the run has files.
    pub files: Option<Files>,
    /// The reviewed commit, if there is one: where histories start.
    pub head: Option<CommitId>,
    /// The change, masked.
    pub change: Change,
    /// The rules in force.
    pub rules: RuleSet,
    /// Finds secrets.
    pub mask: Mask,
    /// Marks untrusted text.
    pub boundary: Boundary,
    /// Tells whether a file is withheld from prompts and tools.
    pub withheld: Box<dyn Fn(&RepoPath) -> bool + Send + Sync>,
    /// The texts that searches read, once somebody searched.
    pub corpus: OnceCell<Corpus>,
}

/// The texts of a tree.
pub struct Corpus {
    texts: BTreeMap<RepoPath, String>,
    not_searched: usize,
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The text for the model.
    pub(super) text: String,
    /// The file whose whole patch it shows.
    pub(super) read: Option<RepoPath>,
}

impl Desk {
    /// Answers one call. What cannot be answered is said in the answer; only the loss of the tree itself is a failure.
    pub(super) async fn answer(&self, tool: Tool, arguments: &Value) -> Result<Told, Failure> {
        let told = |text: String| Told { text, read: None };
        let answer = match tool {
            Tool::ReadDiff => match parsed::<PathArgs>(arguments) {
                Ok(args) => return Ok(self.read_diff(&args)),
                Err(error) => Err(error),
            },
            Tool::ReadFile => match parsed::<ReadFileArgs>(arguments) {
                Ok(args) => self.read_file(&args).await?,
                Err(error) => Err(error),
            },
            Tool::Grep => match parsed::<GrepArgs>(arguments) {
                Ok(args) => self.grep(&args).await?,
                Err(error) => Err(error),
            },
            Tool::ListFiles => match parsed::<GlobArgs>(arguments) {
                Ok(args) => self.list_files(&args).await?,
                Err(error) => Err(error),
            },
            Tool::ReadRule => parsed::<RuleArgs>(arguments).and_then(|args| self.read_rule(&args)),
            Tool::GitHistory => match parsed::<PathArgs>(arguments) {
                Ok(args) => self.git_history(&args).await?,
                Err(error) => Err(error),
            },
        };
        Ok(told(answer.unwrap_or_else(|error| format!("error: {error}"))))
    }

    fn read_diff(&self, args: &PathArgs) -> Told {
        let path = plain(&args.path);
        let Some(file) = named(&self.change, path.as_str()) else {
            return Told { text: format!("error: {path} is not among the changed files that are reviewed"), read: None };
        };
        let path = file.path().clone();
        let lines = file.lines().count();
        let text = patch(file, &(0..lines));
        // A patch that is cut was not read.
        let read = (text.len() <= MAX_ANSWER_BYTES).then_some(path);
        Told { text: self.boundary.wrap("diff", &args.path, &bounded(&text)), read }
    }

    async fn read_file(&self, args: &ReadFileArgs) -> Result<Result<String, String>, Failure> {
        let path = plain(&args.path);
        let path = named(&self.change, path.as_str()).map_or(path, |file| file.path().clone());
        let text = match self.text(&path).await? {
            Ok(text) => text,
            Err(error) => return Ok(Err(error)),
        };
        let lines: Vec<&str> = text.lines().collect();
        let start = args.start.unwrap_or(1).max(1);
        if start > lines.len() {
            return Ok(Err(format!("{path} has {} lines", lines.len())));
        }
        let end = args.end.unwrap_or(usize::MAX).min(lines.len()).min(start + MAX_FILE_LINES - 1).max(start);
        let mut numbered = String::new();
        for (line, number) in lines[start - 1..end].iter().zip(start..) {
            writeln!(numbered, "{number}: {}", cut(line)).expect(NEVER_FAILS);
        }
        let id = format!("{path}:{start}-{end} of {}", lines.len());
        Ok(Ok(self.boundary.wrap("file", &id, &bounded(&numbered))))
    }

    /// The masked text of a file of the head.
    async fn text(&self, path: &RepoPath) -> Result<Result<String, String>, Failure> {
        let Some(files) = &self.files else {
            return Ok(Err("this run has only the change, not the files; use read_diff".to_owned()));
        };
        if (self.withheld)(path) {
            return Ok(Err(format!("{path} is withheld from reviewers")));
        }
        let Some(bytes) = files.read_one(path).await? else {
            return Ok(Err(format!("there is no file {path} after the change, or it is too large to read")));
        };
        if bytes.contains(&0) {
            return Ok(Err(format!("{path} is binary")));
        }
        Ok(Ok(self.mask.apply(&String::from_utf8_lossy(&bytes))))
    }

    async fn grep(&self, args: &GrepArgs) -> Result<Result<String, String>, Failure> {
        let (pattern, glob) = match (regex(&args.pattern), args.glob.as_deref().map(glob).transpose()) {
            (Ok(pattern), Ok(glob)) => (pattern, glob),
            (Err(error), _) | (_, Err(error)) => return Ok(Err(error)),
        };
        let Some(files) = &self.files else {
            return Ok(Err("this run has only the change, not the files; use read_diff".to_owned()));
        };
        let corpus = self.corpus.get_or_try_init(|| Corpus::of(files, &self.withheld)).await?;
        let mut out = String::new();
        let (mut hits, mut in_files) = (0, 0);
        for (path, text) in corpus.texts.iter().filter(|(path, _)| glob.as_ref().is_none_or(|glob| glob.is_match(path.as_str()))) {
            if !text.lines().any(|line| pattern.is_match(line)) {
                continue;
            }
            // Looked for in the masked text: what a secret is cannot be found out by searching for it.
            let masked = self.mask.apply(text);
            let before = hits;
            for (line, number) in masked.lines().zip(1_usize..).filter(|(line, _)| pattern.is_match(line)) {
                hits += 1;
                if hits <= MAX_GREP_HITS {
                    writeln!(out, "{path}:{number}: {}", cut(line.trim_end_matches('\r'))).expect(NEVER_FAILS);
                }
            }
            in_files += usize::from(hits > before);
        }
        let more = if hits > MAX_GREP_HITS { format!("; the first {MAX_GREP_HITS} are shown") } else { String::new() };
        let skipped = if corpus.not_searched > 0 {
            format!("; {} files are binary, withheld or too large and were not searched", corpus.not_searched)
        } else {
            String::new()
        };
        let summary = format!("{hits} lines in {in_files} files{more}{skipped}\n");
        Ok(Ok(if out.is_empty() { summary } else { summary + &self.boundary.wrap("grep", &args.pattern, &bounded(&out)) }))
    }

    async fn list_files(&self, args: &GlobArgs) -> Result<Result<String, String>, Failure> {
        let glob = match glob(&args.glob) {
            Ok(glob) => glob,
            Err(error) => return Ok(Err(error)),
        };
        let Some(files) = &self.files else {
            return Ok(Err("this run has only the change, not the files".to_owned()));
        };
        let paths: Vec<RepoPath> = files.list("").await?.into_iter().filter(|path| glob.is_match(path.as_str())).collect();
        let shown: String = paths.iter().take(MAX_LISTED).flat_map(|path| [path.as_str(), "\n"]).collect();
        let more = if paths.len() > MAX_LISTED { format!("; the first {MAX_LISTED} are shown") } else { String::new() };
        let summary = format!("{} files{more}\n", paths.len());
        Ok(Ok(if shown.is_empty() { summary } else { summary + &self.boundary.wrap("paths", &args.glob, &bounded(&shown)) }))
    }

    fn read_rule(&self, args: &RuleArgs) -> Result<String, String> {
        let rule = RuleId::parse(args.id.trim()).and_then(|id| self.rules.get(&id));
        let rule = rule.ok_or_else(|| format!("there is no rule {} in force; the rule index lists all", args.id))?;
        let Rule { id, title, severity, applies_to, detectors, body, .. } = rule;
        let mut out = format!("{id}: {title} ({severity})\n");
        for (what, globs) in [("Applies to", &applies_to.path_globs), ("Excluded", &applies_to.exclude_globs)] {
            if !globs.is_empty() {
                writeln!(out, "{what}: {}", globs.join(", ")).expect(NEVER_FAILS);
            }
        }
        if !detectors.is_empty() {
            out.push_str("Detected: machines have looked for the patterns of Bad on the changed lines already\n");
        }
        writeln!(out, "\n{body}").expect(NEVER_FAILS);
        Ok(bounded(&out))
    }

    async fn git_history(&self, args: &PathArgs) -> Result<Result<String, String>, Failure> {
        let path = plain(&args.path);
        let (Some(files), Some(head)) = (&self.files, &self.head) else {
            return Ok(Err("this run has no history".to_owned()));
        };
        let Some(log) = files.history(head, &path).await? else {
            return Ok(Err("this run has no history".to_owned()));
        };
        if log.is_empty() {
            return Ok(Ok(format!("no commit that is here touched {path}\n")));
        }
        Ok(Ok(self.boundary.wrap("history", &args.path, &bounded(&self.mask.apply(&log)))))
    }
}

impl Corpus {
    async fn of(files: &Files, withheld: &(dyn Fn(&RepoPath) -> bool + Send + Sync)) -> Result<Self, Failure> {
        let all = files.list("").await?;
        let open: Vec<&RepoPath> = all.iter().filter(|path| !withheld(path)).collect();
        let mut texts = BTreeMap::new();
        let mut room = MAX_CORPUS_BYTES;
        // In portions, so that a huge tree is not held twice.
        for portion in open.chunks(2_000) {
            for (path, bytes) in files.read(portion).await? {
                let text = (!bytes.contains(&0)).then(|| String::from_utf8_lossy(&bytes).into_owned());
                if let Some(text) = text.filter(|text| text.len() <= room) {
                    room -= text.len();
                    texts.insert(path, text);
                }
            }
            if room == 0 {
                break;
            }
        }
        let not_searched = all.len() - texts.len();
        Ok(Self { texts, not_searched })
    }
}

fn parsed<T: DeserializeOwned>(arguments: &Value) -> Result<T, String> {
    // Some models send arguments as a text that holds JSON.
    let inner = arguments.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    T::deserialize(inner.as_ref().unwrap_or(arguments)).map_err(|error| format!("wrong arguments: {error}"))
}

fn plain(path: &str) -> RepoPath {
    let path = path.trim();
    RepoPath::from(path.strip_prefix("./").unwrap_or(path).trim_start_matches('/'))
}

fn regex(pattern: &str) -> Result<Regex, String> {
    if pattern.is_empty() || pattern.len() > MAX_PATTERN_BYTES {
        return Err(format!("a pattern has 1 to {MAX_PATTERN_BYTES} bytes"));
    }
    RegexBuilder::new(pattern).size_limit(MAX_PATTERN_SIZE_BYTES).build().map_err(|error| format!("not a regular expression: {error}"))
}

fn glob(text: &str) -> Result<GlobMatcher, String> {
    if text.len() > MAX_PATTERN_BYTES {
        return Err(format!("a glob has at most {MAX_PATTERN_BYTES} bytes"));
    }
    // A name alone means that name anywhere, as people write it.
    let anywhere = if text.contains('/') { text.to_owned() } else { format!("**/{text}") };
    let glob = GlobBuilder::new(&anywhere).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| format!("not a glob: {}", error.kind()))
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(MAX_LINE_CHARS) {
        Some((end, _)) => format!("{}… [{} bytes more]", &line[..end], line.len() - end),
        None => line.to_owned(),
    }
}

/// The beginning of an answer that fits, up to the end of a line, and a line that says so.
fn bounded(text: &str) -> String {
    if text.len() <= MAX_ANSWER_BYTES {
        return text.to_owned();
    }
    let mut end = MAX_ANSWER_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let end = text[..end].rfind('\n').unwrap_or(end);
    format!("{}\n[cut: {end} of {} bytes shown; ask for less]\n", &text[..end], text.len())
}

#[cfg(test)]
mod tests;
