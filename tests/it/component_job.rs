//! The component's job, run: which pipelines have it, what the program is given, which exit codes fail it, what it leaves.
//! In place of `assize` stands a script that writes down how it was called. `.ci/component` runs these tests.

use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::Value;
use tempfile::TempDir;

use crate::component::template;
use crate::pipeline::{Component, Ran, project};

const IMAGE: &str = "image: registry.example.com/assize";

/// A program in place of `assize`.
struct StandIn(TempDir);

impl StandIn {
    /// Ends with this code, after it has left its files.
    fn ending_with(code: u8) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let script = format!(
            "#!/bin/sh\nhere={}\nfor argument; do printf '%s\\n' \"$argument\"; done > \"$here/arguments\"\nprintf '%s' \"$ASSIZE_CONFIG\" > \"$here/config\"\n\
             mkdir -p \"$ASSIZE_CACHE_DIR\" && echo x >> \"$ASSIZE_CACHE_DIR/runs\" && cp \"$ASSIZE_CACHE_DIR/runs\" \"$here/runs\"\n\
             for file in assize-run.md result.json summary.md; do echo \"the run's $file\" > \"assize-report/$file\"; done\nexit {code}\n",
            dir.path().display()
        );
        let path = dir.path().join("assize");
        std::fs::write(&path, script).expect("the script can be written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it can be made a program");
        Self(dir)
    }

    fn wrote(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.path().join(file)).expect("the program was started")
    }

    /// The words it was called with, as one line.
    fn called(&self) -> String {
        self.wrote("arguments").trim_end().replace('\n', " ")
    }
}

fn run(inputs: &str, program: &StandIn) -> Ran {
    Component::publish().run(project(&Component::include(inputs)).path(), program.0.path(), &[])
}

fn ends(inputs: &str) -> String {
    let component = Component::publish();
    let project = project(&Component::include(inputs));
    let mut ends = String::new();
    for code in [0, 1, 2, 3, 4, 5, 101] {
        let ran = component.run(project.path(), StandIn::ending_with(code).0.path(), &[]);
        writeln!(ends, "{code}: {}", ran.ended).expect("a text takes a line");
    }
    ends
}

#[test]
#[ignore = "needs gitlab-ci-local: .ci/component"]
fn only_merge_request_pipelines_have_the_job_and_merge_trains_have_not() {
    let component = Component::publish();
    let project = project(&format!("other: {{ script: ['true'] }}\n{}", Component::include(IMAGE)));
    let jobs = |vars: &[(&str, &str)]| component.jobs(project.path(), vars).join(" ");
    let of = |event| jobs(&[("CI_PIPELINE_SOURCE", "merge_request_event"), ("CI_MERGE_REQUEST_EVENT_TYPE", event)]);
    assert_eq!(["detached", "merged_result", "merge_train"].map(of), ["assize other", "assize other", "other"]);
    assert_eq!(["push", "web", "schedule", "pipeline"].map(|source| jobs(&[("CI_PIPELINE_SOURCE", source)])), ["other"; 4]);
}

#[test]
#[ignore = "needs gitlab-ci-local: .ci/component"]
fn whatever_the_review_ends_with_the_job_is_advisory() {
    insta::assert_snapshot!(ends(IMAGE), @"
    0: PASS
    1: WARN 1
    2: WARN 2
    3: WARN 3
    4: WARN 4
    5: WARN 5
    101: WARN 101
    ");
}

#[test]
#[ignore = "needs gitlab-ci-local: .ci/component"]
fn with_a_gate_everything_fails_the_job_but_an_incomplete_review() {
    insta::assert_snapshot!(ends(&format!("{IMAGE}, fail-on: significant_concerns")), @"
    0: PASS
    1: FAIL 1
    2: FAIL 2
    3: WARN 3
    4: FAIL 4
    5: WARN 5
    101: FAIL 101
    ");
}

#[test]
#[ignore = "needs gitlab-ci-local: .ci/component"]
fn the_program_gets_its_folder_and_the_gate_if_there_is_one() {
    let outputs = "review --report-dir assize-report";
    for (gate, more) in [
        ("never", ""),
        ("configured", ""),
        ("minor_issues", " --fail-on minor_issues"),
        ("'significant_concerns,incomplete'", " --fail-on significant_concerns,incomplete"),
    ] {
        let program = StandIn::ending_with(0);
        run(&format!("{IMAGE}, fail-on: {gate}"), &program);
        assert_eq!(program.called(), format!("{outputs}{more}"));
    }
}

#[test]
#[ignore = "needs gitlab-ci-local: .ci/component"]
fn no_input_reaches_a_shell() {
    let marks = TempDir::new().expect("a temporary folder");
    let mark = marks.path().join("executed");
    let evil = format!("x'; touch {0}; #$(touch {0})`touch {0}`\" & $HOME ${{HOME}} *", mark.display());
    let quoted = Value::from(evil.clone()).to_string();
    let inputs =
        format!("image: {quoted}, config: {quoted}, job-name: {quoted}, tags: [{quoted}], stage: test, fail-on: significant_concerns");
    let program = StandIn::ending_with(1);
    let ran = run(&inputs, &program);
    assert_eq!((ran.ended.as_str(), program.wrote("config")), ("FAIL 1", evil));
    assert!(!mark.exists(), "an input was executed:\n{}", ran.log);
}

#[test]
#[ignore = "needs gitlab-ci-local: .ci/component"]
fn an_input_that_is_wrong_makes_no_pipeline() {
    let component = Component::publish();
    let refusal = |inputs: &str| component.refusal(project(&Component::include(inputs)).path());
    for (inputs, word) in [
        ("stage: test", "image"),
        (&format!("{IMAGE}, version: '0.1.0;x'")[..], "version"),
        (&format!("{IMAGE}, version: '0.1.0@sha256:12 34'"), "version"),
        (&format!("{IMAGE}, fail-on: sometimes"), "fail-on"),
        (&format!("{IMAGE}, tags: linux"), "tags"),
    ] {
        let said = refusal(inputs);
        assert!(said.contains(word), "{inputs}: {said}");
    }
}

#[test]
#[ignore = "needs gitlab-ci-local: .ci/component"]
fn what_the_run_left_is_kept_and_what_the_repository_put_in_its_place_is_not() {
    let outside = TempDir::new().expect("a temporary folder");
    std::fs::write(outside.path().join("result.json"), "somebody else's").expect("a file can be written");
    let project = project(&Component::include(IMAGE));
    symlink(outside.path(), project.path().join("assize-report")).expect("a link can be made");
    let ran = Component::publish().run(project.path(), StandIn::ending_with(3).0.path(), &[]);
    let artifacts: Vec<String> = ran.artifacts.into_iter().map(|(name, text)| format!("{name}: {text}")).collect();
    insta::assert_snapshot!(artifacts.concat(), @"
    assize-report/assize-run.md: the run's assize-run.md
    assize-report/result.json: the run's result.json
    assize-report/summary.md: the run's summary.md
    ");
    assert_eq!(std::fs::read_to_string(outside.path().join("result.json")).expect("still there"), "somebody else's");
}

#[test]
#[ignore = "needs gitlab-ci-local: .ci/component"]
fn what_one_job_keeps_the_next_one_finds_and_a_link_in_its_place_is_not_followed() {
    let outside = TempDir::new().expect("a temporary folder");
    let project = project(&Component::include(IMAGE));
    symlink(outside.path(), project.path().join("assize-cache")).expect("a link can be made");
    let component = Component::publish();
    let runs = [(); 2].map(|()| {
        let program = StandIn::ending_with(3);
        component.run(project.path(), program.0.path(), &[]);
        program.wrote("runs").lines().count()
    });
    assert_eq!(runs, [1, 2]);
    assert_eq!(std::fs::read_dir(outside.path()).expect("a folder").count(), 0);
}

#[test]
#[ignore = "needs gitlab-ci-local: .ci/component"]
fn a_failure_before_the_program_starts_leaves_nothing_of_an_earlier_run() {
    let project = project(&Component::include(IMAGE));
    project.write("assize-report/result.json", "of an earlier run");
    let ran = Component::publish().run(project.path(), TempDir::new().expect("a temporary folder").path(), &[]);
    assert_eq!((ran.ended.as_str(), ran.artifacts.len()), ("WARN 127", 0), "{}", ran.log);
}

#[test]
#[ignore = "needs gitlab-ci-local: .ci/component"]
fn what_a_project_sets_for_its_own_jobs_does_not_reach_this_one() {
    let defaults = "default: { before_script: [exit 9], after_script: [exit 9], image: ruby }\nvariables: { GIT_STRATEGY: none }\n";
    let project = project(&format!("{defaults}{}", Component::include(IMAGE)));
    let component = Component::publish();
    assert_eq!(component.run(project.path(), StandIn::ending_with(0).0.path(), &[]).ended, "PASS");
    let job = &document(&component.preview(project.path()))["assize"];
    assert_eq!((&job["image"]["name"], &job["variables"]["GIT_STRATEGY"]), (&"registry.example.com/assize:0.1.0".into(), &"fetch".into()));
}

/// GitLab's own schema is not part of this repository: `.ci/component` names it where it is at hand.
#[test]
#[ignore = "needs gitlab-ci-local and GitLab's schema: .ci/component"]
fn the_template_fits_the_schema_of_gitlab() {
    let file = std::env::var("GITLAB_CI_SCHEMA").expect("GITLAB_CI_SCHEMA names GitLab's schema of .gitlab-ci.yml");
    let schema: Value = serde_json::from_slice(&std::fs::read(file).expect("the schema can be read")).expect("the schema is JSON");
    let mut header = schema["properties"]["spec"].clone();
    header["definitions"] = schema["definitions"].clone();
    let [spec, _] = template();
    assert_eq!(faults(&header, &spec["spec"]), Vec::<String>::new());
    let component = Component::publish();
    for inputs in [
        IMAGE,
        &format!("{IMAGE}, version: '1.2@sha256:ab', job-name: review, stage: build, tags: [linux], config: a b, fail-on: configured"),
    ] {
        let rendered = component.preview(project(&Component::include(inputs)).path());
        assert_eq!(faults(&schema, &document(&rendered)), Vec::<String>::new(), "{rendered}");
    }
    let misspelt = document("assize: { script: ['true'], interuptible: true }");
    assert_ne!(faults(&schema, &misspelt), Vec::<String>::new(), "the schema must be able to refuse");
}

fn document(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("not YAML: {error}\n{text}"))
}

fn faults(schema: &Value, instance: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).expect("a schema");
    validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect()
}
