//! Runs git: arguments only, nothing of the caller's environment but what git needs, bounded in time and bytes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::env::Env;
use crate::error::Failure;

/// The longest any git command may take.
const TIMEOUT: Duration = Duration::from_mins(2);
/// Most bytes read from one git command.
const MAX_OUTPUT_BYTES: u64 = 512 * 1024 * 1024;
/// What of the caller's environment git gets: how to find programs, its configuration and temporary space, and the way to a remote.
const PASSED_ON: [&str; 17] = [
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "TMPDIR",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "SYSTEMROOT",
    "USERPROFILE",
    "LD_LIBRARY_PATH",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    CA_FILE,
];
/// The file of certificates that git trusts.
const CA_FILE: &str = "GIT_SSL_CAINFO";
/// The same, as GitLab tells a job whose server has a certificate of a private authority.
const CA_FILE_OF_JOB: &str = "CI_SERVER_TLS_CA_FILE";

/// How git says that an object is not there: a partial clone, or a damaged one. Nothing is fetched here on its own.
const LACKS_OBJECTS: [&str; 3] = ["unable to read", "bad object", "could not fetch"];

/// A directory to run git in.
#[derive(Clone, Debug)]
pub struct Git {
    dir: PathBuf,
    vars: BTreeMap<String, OsString>,
}

/// What git answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) ok: bool,
    pub(super) out: Vec<u8>,
    pub(super) err: String,
}

impl Git {
    /// Returns git for a directory.
    pub fn new(dir: &Path, env: &Env) -> Self {
        let mut vars: BTreeMap<String, OsString> =
            PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), env.vars.get(*name)?.into()))).collect();
        for (name, value) in [("LC_ALL", "C"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_OPTIONAL_LOCKS", "0"), ("GIT_NO_LAZY_FETCH", "1")] {
            vars.insert(name.to_owned(), value.into());
        }
        if let Some(file) = env.var(CA_FILE).or_else(|| env.var(CA_FILE_OF_JOB)) {
            // git runs in another folder.
            vars.insert(CA_FILE.to_owned(), env.cwd.join(file).into());
        }
        Self { dir: dir.to_owned(), vars }
    }

    /// Returns the same with another variable set for git, e.g. `GIT_INDEX_FILE`.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.vars.insert(name.to_owned(), value.into());
        self
    }

    /// Returns the directory git runs in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs git with `input` on its standard input. Fails only when git cannot be run or ended; what it answers is in the answer.
    pub(super) async fn run(&self, args: &[&str], input: &[u8]) -> Result<Answer, Failure> {
        let mut command = Command::new("git");
        // The user's own configuration must not change what a diff looks like, nor run programs of the repository's choice.
        command.args([
            "-c",
            "core.quotePath=false",
            "-c",
            "safe.directory=*",
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.hooksPath=/dev/null",
        ]);
        command.args(args).current_dir(&self.dir).env_clear().envs(&self.vars);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let what = args.first().copied().unwrap_or_default();
        tracing::debug!(?args, dir = %self.dir.display(), "git");
        let mut child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound if self.dir.is_dir() => {
                Failure::usage("git was not found").hint("install git, or make sure that PATH leads to it")
            }
            _ => Failure::usage(format!("cannot run git in {}: {error}", self.dir.display()))
                .hint("name a directory that exists with --repo"),
        })?;
        let mut stdin = child.stdin.take().expect("standard input is piped");
        let (stdout, stderr) =
            (child.stdout.take().expect("standard output is piped"), child.stderr.take().expect("standard error is piped"));
        let write = async {
            // Git may end before it has read everything, e.g. because an argument is wrong: its own message says so.
            let _unread = stdin.write_all(input).await;
            drop(stdin);
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut limited = stdout.take(MAX_OUTPUT_BYTES + 1);
        let mut errors = stderr.take(64 * 1024);
        let all = async { tokio::join!(write, limited.read_to_end(&mut out), errors.read_to_end(&mut err), child.wait()) };
        let outcome = tokio::time::timeout(TIMEOUT, all).await;
        let ((), read, _, status) =
            outcome.map_err(|_| Failure::outside(format!("`git {what}` did not end within {} s", TIMEOUT.as_secs())))?;
        read.map_err(|error| Failure::outside(format!("cannot read what `git {what}` says: {error}")))?;
        if u64::try_from(out.len()).is_ok_and(|length| length > MAX_OUTPUT_BYTES) {
            return Err(Failure::outside(format!("`git {what}` gave more than {} MiB", MAX_OUTPUT_BYTES >> 20)));
        }
        let status = status.map_err(|error| Failure::outside(format!("`git {what}` was lost: {error}")))?;
        Ok(Answer { ok: status.success(), out, err: String::from_utf8_lossy(&err).trim().to_owned() })
    }

    /// Runs git and returns its answer as one trimmed line of text; `None` when git says no.
    pub(super) async fn ask(&self, args: &[&str]) -> Result<Option<String>, Failure> {
        let answer = self.run(args, b"").await?;
        Ok(answer.ok.then(|| String::from_utf8_lossy(&answer.out).trim().to_owned()))
    }

    /// Runs git and returns its output; a refusal of git's is a failure that quotes it.
    pub(super) async fn output(&self, args: &[&str], input: &[u8]) -> Result<Vec<u8>, Failure> {
        let answer = self.run(args, input).await?;
        if answer.ok {
            return Ok(answer.out);
        }
        let mut words = args.iter().copied();
        let what = loop {
            match words.next() {
                Some("-c") => _ = words.next(),
                word => break word.unwrap_or_default(),
            }
        };
        let first = answer.err.lines().next().unwrap_or("it gave no reason").to_owned();
        let failure = Failure::usage(format!("`git {what}` failed in {}: {first}", self.dir.display()));
        Err(if LACKS_OBJECTS.iter().any(|words| answer.err.contains(words)) {
            failure.hint("the clone lacks some of its objects: fetch them with `git fetch --refetch --no-filter`, or clone whole")
        } else {
            failure
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What git gets of variables with these values.
    fn given(vars: &[(&str, &str)]) -> Vec<(String, String)> {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let git = Git::new(Path::new("/builds/shop"), &Env { vars, cwd: "/builds".into(), ..Env::default() });
        let own = ["LC_ALL", "GIT_TERMINAL_PROMPT", "GIT_OPTIONAL_LOCKS", "GIT_NO_LAZY_FETCH"];
        let vars = git.vars.into_iter().filter(|(name, _)| !own.contains(&name.as_str()));
        vars.map(|(name, value)| (name, value.into_string().unwrap())).collect()
    }

    #[test]
    fn git_gets_proxies_and_no_token() {
        let proxies = [("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", "gitlab.internal"), ("no_proxy", "gitlab.internal")];
        let all = [&proxies[..], &[("ASSIZE_GITLAB_TOKEN", "glpat-secret"), ("CI_JOB_TOKEN", "glcbt-secret"), ("GIT_DIR", "/elsewhere")]]
            .concat();
        assert_eq!(given(&all), proxies.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn the_certificates_of_the_server_reach_git_unless_it_has_others() {
        let told = ("CI_SERVER_TLS_CA_FILE", "shop.tmp/CI_SERVER_TLS_CA_FILE");
        let file = |path: &str| vec![("GIT_SSL_CAINFO".to_owned(), path.to_owned())];
        assert_eq!(given(&[told]), file("/builds/shop.tmp/CI_SERVER_TLS_CA_FILE"));
        assert_eq!(given(&[told, ("GIT_SSL_CAINFO", "/etc/own.pem")]), file("/etc/own.pem"));
        assert_eq!(given(&[("CI_SERVER_TLS_CA_FILE", "")]), vec![]);
    }
}
