//! What a review is given: the change, its files, its configuration. It must not look into any of them.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::change::{Change, CommitId, RepoPath, parse};
use crate::checkout::{Files, directory, local};
use crate::cli::{ConfigArgs, SourceArgs};
use crate::env::Env;
use crate::error::Failure;
use crate::settings::ConfigText;

/// Largest diff that is read, in bytes.
const MAX_DIFF_BYTES: u64 = 256 * 1024 * 1024;
/// Where a repository keeps its configuration, tried in this order.
pub(super) const CONFIG_NAMES: [&str; 2] = [".assize.yml", ".assize/config.yml"];

/// A change with all that belongs to it.
#[derive(Debug)]
pub struct Input {
    /// For people: what is reviewed.
    pub label: String,
    /// The base commit, if there is one.
    pub base: Option<CommitId>,
    /// The head commit, if there is one.
    pub head: Option<CommitId>,
    /// The whole change.
    pub change: Change,
    /// The head's files, if the run has any.
    pub files: Option<Files>,
    /// The base's files, if the run has any.
    pub base_files: Option<Files>,
    /// Where rules, prompts and AGENTS.md are read from: the target branch's tip in a merge request, the head's own files locally.
    pub policy: Option<Files>,
    /// The configuration, if there is one.
    pub config: Option<ConfigText>,
    /// Files that GitLab flags as generated.
    pub flagged: BTreeSet<RepoPath>,
    /// Remarks for the reader.
    pub remarks: Vec<String>,
}

/// Gathers what the command line names: a diff, or the local change of a repository.
pub async fn gather(args: &SourceArgs, env: &Env, stdin: &mut (dyn Read + Send)) -> Result<Input, Failure> {
    let mut input = match &args.diff {
        Some(diff) => from_diff(diff, args.repo.as_deref(), env, stdin).await?,
        None => from_repository(&at(env, args.repo.as_deref()), args.base.as_deref(), env).await?,
    };
    input.config = config(args.config.as_deref(), input.files.as_ref(), env).await?;
    if let Some(config) = input.config.as_ref().filter(|_| args.config.is_none()) {
        input.remarks.push(format!(
            "the configuration is {} of the working tree; in a merge request it is read from the target branch",
            config.name
        ));
    }
    Ok(input)
}

/// Returns the configuration that `config check` and `config show` look at.
pub async fn gather_config(args: &ConfigArgs, env: &Env) -> Result<Option<ConfigText>, Failure> {
    let dir = at(env, args.repo.as_deref());
    if args.config.is_some() || env.var("ASSIZE_CONFIG").is_some() {
        return config(args.config.as_deref(), None, env).await;
    }
    let files = directory(&dir, env).await?;
    config(None, Some(&files), env).await
}

fn at(env: &Env, dir: Option<&Path>) -> PathBuf {
    dir.map_or_else(|| env.cwd.clone(), |dir| env.cwd.join(dir))
}

async fn from_diff(diff: &Path, repo: Option<&Path>, env: &Env, stdin: &mut (dyn Read + Send)) -> Result<Input, Failure> {
    let (label, bytes) = if diff == Path::new("-") {
        ("standard input".to_owned(), read(stdin, "standard input")?)
    } else {
        let path = env.cwd.join(diff);
        let cannot = |error: std::io::Error| {
            Failure::usage(format!("cannot read the diff {}: {error}", diff.display()))
                .hint("name a file that `git diff` wrote, or `-` for standard input")
        };
        let mut file = std::fs::File::open(&path).map_err(cannot)?;
        if path.is_dir() {
            return Err(Failure::usage(format!("{} is a folder, not a diff", diff.display())).hint("review a repository with --repo DIR"));
        }
        (diff.display().to_string(), read(&mut file, &diff.display().to_string())?)
    };
    let change = parse(&bytes).map_err(|error| {
        Failure::usage(format!("cannot read {label}: {error}")).hint("it must be a unified diff, whole, as `git diff` writes it")
    })?;
    let files = match repo {
        Some(dir) => Some(directory(&at(env, Some(dir)), env).await?),
        None => None,
    };
    let mut remarks = Vec::new();
    if files.is_none() {
        remarks.push(
            "only the diff was given, not the files: name their folder with --repo DIR for detectors that read whole files".to_owned(),
        );
    }
    let policy = files.clone();
    Ok(Input { label, base: None, head: None, change, files, base_files: None, policy, config: None, flagged: BTreeSet::new(), remarks })
}

fn read(from: &mut (dyn Read + Send), name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(MAX_DIFF_BYTES + 1).read_to_end(&mut bytes).map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
    if bytes.len() as u64 > MAX_DIFF_BYTES {
        return Err(Failure::usage(format!("{name} is larger than {} MiB", MAX_DIFF_BYTES >> 20)).hint("review a part of the change"));
    }
    Ok(bytes)
}

async fn from_repository(dir: &Path, base: Option<&str>, env: &Env) -> Result<Input, Failure> {
    let local = local(dir, base, env).await?;
    let change =
        parse(&local.diff).map_err(|error| Failure::outside(format!("cannot read git's own diff of {}: {error}", dir.display())))?;
    let mut remarks = Vec::new();
    if change.files().is_empty() && base.is_none() {
        remarks.push(format!("nothing differs; {}", local.instead));
    }
    Ok(Input {
        label: local.label,
        base: local.base,
        head: local.head,
        change,
        policy: Some(local.files.clone()),
        files: Some(local.files),
        base_files: local.base_files,
        config: None,
        flagged: BTreeSet::new(),
        remarks,
    })
}

async fn config(flag: Option<&Path>, files: Option<&Files>, env: &Env) -> Result<Option<ConfigText>, Failure> {
    let named = flag
        .map(|path| (path.display().to_string(), "--config"))
        .or_else(|| env.var("ASSIZE_CONFIG").map(|name| (name.to_owned(), "ASSIZE_CONFIG")));
    if let Some((name, by)) = named {
        let text = std::fs::read_to_string(env.cwd.join(&name))
            .map_err(|error| Failure::usage(format!("cannot read the configuration {name}: {error}")).hint(format!("{by} names it")))?;
        return Ok(Some(ConfigText { name, text }));
    }
    let Some(files) = files else { return Ok(None) };
    for name in CONFIG_NAMES {
        if let Some(bytes) = files.read_one(&RepoPath::from(name)).await? {
            let text = String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{name} is not UTF-8")).hint("save it as UTF-8"))?;
            return Ok(Some(ConfigText { name: name.to_owned(), text }));
        }
    }
    Ok(None)
}
