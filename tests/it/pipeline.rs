//! Pipelines on this machine: a project includes the component from another project, and gitlab-ci-local runs the job in a shell.
//! It must not know what the job is about: the tests say what is included, and what `assize` is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::local::{Repo, git_in};

/// Where `.ci/component` puts gitlab-ci-local and its Node.
const INSTALLED: &str = "target/gitlab-ci-local/node_modules";
/// The component's project, as a pipeline names it.
const COMPONENT: &str = "https://gitlab.example.com/tools/assize.git";
/// What gitlab-ci-local's schema refuses although GitLab's own takes it: a list of tags that is empty.
const TAKEN_BY_GITLAB: &str = "#/definitions/tags/minItems";

/// The component in a project of its own, as a team publishes it.
pub(crate) struct Component {
    repo: Repo,
    home: TempDir,
}

/// A job that has run.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `PASS`, or `WARN` or `FAIL` with the exit code.
    pub(crate) ended: String,
    /// Everything that was printed.
    pub(crate) log: String,
    /// Artifacts by path, as text.
    pub(crate) artifacts: BTreeMap<String, String>,
}

impl Component {
    /// Publishes the component as it is in the working tree.
    pub(crate) fn publish() -> Self {
        let repo = Repo::empty();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ci-component");
        for file in ["README.md", "templates/review/template.yml"] {
            repo.write(file, std::fs::read(folder.join(file)).expect("part of the component"));
        }
        repo.commit("assize");
        repo.git(&["tag", "1.0.0"]);
        Self { repo, home: TempDir::new().expect("a temporary folder") }
    }

    /// Returns the lines of `.gitlab-ci.yml` that include it; `inputs` is YAML in one line, without braces.
    pub(crate) fn include(inputs: &str) -> String {
        format!("include:\n  - component: $CI_SERVER_FQDN/tools/assize/review@1.0.0\n    inputs: {{ {inputs} }}\n")
    }

    /// Returns the names of the jobs that a pipeline with these variables has.
    pub(crate) fn jobs(&self, project: &Path, vars: &[(&str, &str)]) -> Vec<String> {
        let output = self.start(project, &["--list-csv"], None, vars);
        let text = printed(&output);
        assert!(output.status.success(), "{text}");
        let table = text.lines().skip_while(|line| !line.starts_with("name;")).skip(1);
        table.filter_map(|line| line.split_once(';')).map(|(name, _)| name.to_owned()).collect()
    }

    /// Returns the pipeline as it is after all inputs have their values.
    pub(crate) fn preview(&self, project: &Path) -> String {
        let output = self.start(project, &["--preview"], None, &[]);
        assert!(output.status.success(), "{}", printed(&output));
        String::from_utf8(output.stdout).expect("YAML is text")
    }

    /// Returns what is said of a pipeline that cannot be made.
    pub(crate) fn refusal(&self, project: &Path) -> String {
        let output = self.start(project, &["--preview"], None, &[]);
        assert!(!output.status.success(), "{}", printed(&output));
        printed(&output)
    }

    /// Runs the only job of a merge request's pipeline, with the programs of `bin` first in its PATH.
    pub(crate) fn run(&self, project: &Path, bin: &Path, vars: &[(&str, &str)]) -> Ran {
        let source = [("CI_PIPELINE_SOURCE", "merge_request_event"), ("GITLAB_CI", "true")];
        let output = self.start(project, &["--force-shell-executor"], Some(bin), &[&source, vars].concat());
        let log = printed(&output);
        Ran { ended: ended(&log), artifacts: artifacts(project), log }
    }

    fn start(&self, project: &Path, args: &[&str], bin: Option<&Path>, vars: &[(&str, &str)]) -> Output {
        let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join(INSTALLED);
        let program = installed.join("gitlab-ci-local/dist/index.js");
        assert!(program.is_file(), "{} is not there: run .ci/component", program.display());
        let mut command = Command::new(installed.join(".bin/node"));
        command.arg(program).args(args).args(["--no-color", "--ignore-schema-paths", TAKEN_BY_GITLAB]).current_dir(project);
        for (name, value) in vars {
            command.arg("--variable").arg(format!("{name}={value}"));
        }
        let names: Vec<&str> = vars.iter().map(|(name, _)| *name).collect();
        if !names.is_empty() {
            command.args(["--ignore-predefined-vars", &names.join(",")]);
        }
        let paths = std::env::split_paths(&std::env::var_os("PATH").expect("PATH is set")).collect::<Vec<_>>();
        let paths = bin.into_iter().map(Path::to_owned).chain(paths);
        command.env_clear().env("PATH", std::env::join_paths(paths).expect("no path has a colon")).env("HOME", self.home.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_VALUE_0", COMPONENT);
        command.env("GIT_CONFIG_KEY_0", format!("url.file://{}.insteadOf", self.repo.path().display()));
        command.output().expect("Node starts")
    }
}

/// A project with a pipeline and one commit, on a GitLab.
pub(crate) fn project(pipeline: &str) -> Repo {
    let repo = Repo::empty();
    repo.write(".gitlab-ci.yml", pipeline);
    repo.commit("a pipeline");
    on_gitlab(repo.path());
    repo
}

/// Says that a checkout is one of a project on a GitLab, whatever its origin is: gitlab-ci-local takes server, group and name from this remote.
pub(crate) fn on_gitlab(checkout: &Path) {
    git_in(checkout, &["remote", "add", "gcl-origin", "https://gitlab.example.com/acme/shop.git"]);
}

fn printed(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// The exit status of gitlab-ci-local is 0 for a job that failed where `allow_failure` lists exit codes, so what it prints is read.
fn ended(log: &str) -> String {
    let failed = log.lines().filter(|line| line.contains(" finished in ")).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.iter().rposition(|word| ["WARN", "FAIL"].contains(word)).map(|at| words[at..].join(" "))
    });
    let passed = || log.lines().any(|line| line.trim().starts_with("PASS ")).then(|| "PASS".to_owned());
    failed.or_else(passed).unwrap_or_else(|| panic!("no job ran:\n{log}"))
}

fn artifacts(project: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let jobs = std::fs::read_dir(project.join(".gitlab-ci-local/artifacts")).expect("artifacts are kept");
    for job in jobs {
        let job = job.expect("readable").path();
        collect(&job, &job, &mut files);
    }
    files
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("an artifact can be read") {
        let path: PathBuf = entry.expect("readable").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).expect("it lies in its root").display().to_string();
            files.insert(name, std::fs::read_to_string(&path).expect("artifacts are text"));
        }
    }
}
