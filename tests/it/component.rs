//! The component as it is written: its inputs are described, bounded and listed in its README, and none stands in a line of shell.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::local::Repo;

const BEGIN: &str = "<!-- inputs: written by `cargo bless` -->\n";
const END: &str = "<!-- /inputs -->\n";
/// Longest description that GitLab's catalogue takes, in characters.
const MAX_DESCRIPTION: usize = 256;

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ci-component").join(file)).expect("part of the component")
}

/// Header and body of the template.
pub(crate) fn template() -> [Value; 2] {
    let text = read("templates/review/template.yml");
    let (header, body) = text.split_once("\n---\n").expect("a template has a header");
    [header, body].map(|part| serde_saphyr::from_str(part).unwrap_or_else(|error| panic!("not YAML: {error}")))
}

/// Returns the component's README with the table of inputs as the template has them.
pub(crate) fn readme() -> (String, String) {
    let [header, _] = template();
    let mut table = "| input | default | what it is |\n|---|---|---|\n".to_owned();
    for (name, input) in header["spec"]["inputs"].as_object().expect("there are inputs") {
        let default = match input.get("default") {
            None => "required".to_owned(),
            Some(value) if value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty) => "none".to_owned(),
            Some(value) => format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
        };
        let description = input["description"].as_str().expect("every input has a description");
        let options = input.get("options").and_then(Value::as_array).map_or_else(String::new, |options| {
            let options: Vec<String> = options.iter().filter_map(Value::as_str).map(|option| format!("`{option}`")).collect();
            format!(" One of {}.", options.join(", "))
        });
        writeln!(table, "| `{name}` | {default} | {description}{options} |").expect("a text takes a line");
    }
    let text = read("README.md");
    let (before, rest) = text.split_once(BEGIN).expect("the README marks where the inputs begin");
    let (_, after) = rest.split_once(END).expect("the README marks where the inputs end");
    ("ci-component/README.md".to_owned(), format!("{before}{BEGIN}{table}{END}{after}"))
}

fn job() -> Value {
    let [_, body] = template();
    let jobs: Vec<&Value> = body.as_object().expect("a body").values().collect();
    assert_eq!(jobs.len(), 1, "a component has no global keywords, and this one has one job");
    jobs[0].clone()
}

#[test]
fn every_input_is_described_within_the_bounds_of_the_catalogue_and_used() {
    let [header, _] = template();
    let text = read("templates/review/template.yml");
    let (_, body) = text.split_once("\n---\n").expect("a template has a header");
    for (name, input) in header["spec"]["inputs"].as_object().expect("there are inputs") {
        let length = input["description"].as_str().map_or(0, |text| text.chars().count());
        assert!((1..=MAX_DESCRIPTION).contains(&length), "{name}: the description has {length} characters");
        assert!(body.contains(&format!("$[[ inputs.{name} ]]")), "{name} is not used");
    }
}

#[test]
fn the_version_is_the_one_of_the_program() {
    let [header, _] = template();
    assert_eq!(header["spec"]["inputs"]["version"]["default"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn no_input_stands_in_a_line_of_shell_or_is_expanded_on_the_way() {
    let job = job();
    for keyword in ["before_script", "script", "after_script"] {
        assert!(!job[keyword].to_string().contains("$[["), "{keyword} holds an input");
    }
    for (name, value) in job["variables"].as_object().expect("the job has variables") {
        assert!(!value.to_string().contains("$[[") || value["expand"] == false, "{name} would be expanded");
    }
}

#[test]
fn artifacts_are_for_developers_for_a_week_whatever_happened() {
    let artifacts =
        json!({ "name": "assize-report", "when": "always", "access": "developer", "expire_in": "7 days", "paths": ["assize-report/"] });
    assert_eq!(job()["artifacts"], artifacts);
}

#[test]
fn the_script_of_the_job_is_plain_shell_and_calls_the_program_in_words_that_it_knows() {
    let repo = Repo::with_commit();
    repo.write("orders.py", "rows = db.execute(f\"SELECT id FROM orders ORDER BY {sort}\")\n");
    repo.commit("a change");
    // Here is no GitLab, so the program is told to look at the checkout.
    let bin = tempfile::tempdir().expect("a temporary folder");
    let program = bin.path().join("assize");
    let script = format!("#!/bin/sh\nexec '{}' \"$@\" --local --base HEAD~1\n", env!("CARGO_BIN_EXE_assize"));
    std::fs::write(&program, script).expect("the script can be written");
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("it can be made a program");
    let lines: Vec<String> = job()["script"].as_array().expect("lines").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").expect("PATH is set"));
    let output = Command::new("sh")
        .args(["-euc", &lines.join("\n")])
        .current_dir(repo.path())
        .env_clear()
        .envs([("PATH", path.as_str()), ("GITLAB_CI", "true"), ("ASSIZE_CONFIG", ""), ("ASSIZE_FAIL_ON", "significant_concerns")])
        .output()
        .expect("the shell starts");
    let log = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{log}{}", String::from_utf8_lossy(&output.stderr));
    assert!(log.contains("critical[SEC-0008]"), "{log}");
    let report = std::fs::read_dir(repo.path().join("assize-report")).expect("the folder of the report");
    let files: BTreeSet<String> = report.map(|file| file.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(files, ["assize-run.md", "result.json", "summary.md"].map(str::to_owned).into());
}
