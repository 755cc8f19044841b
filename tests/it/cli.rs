//! The binary itself: exit codes, help, bad input, pipes that close, an environment without anything.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::local::{Repo, assize_in};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn root() -> &'static Path {
    Path::new(ROOT)
}

fn out(args: &[&str]) -> String {
    let output = assize_in(root(), args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The message of a refusal: exit 2, nothing on standard output.
fn refusal(dir: &Path, args: &[&str]) -> String {
    let output = assize_in(dir, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(text.lines().count() <= 24, "more than a screen:\n{text}");
    text
}

const EXAMPLE: [&str; 5] = ["review", "--diff", "examples/shop.diff", "--repo", "examples/shop"];

#[test]
fn the_example_shows_findings_in_frames_and_what_did_not_run() {
    let text = out(&EXAMPLE);
    assert!(text.starts_with("Assize: 1 critical, 3 important, 1 suggestion (detectors only)\n"), "{text}");
    for part in [
        "critical[SEC-0008]: SQL is put together from strings",
        "shop/orders.py:12:13",
        "ORDER BY {sort}",
        "important[QUAL-0007]",
        "suggestion[REL-0004]",
        "No reviewer  no model is configured",
        "lock file: package-lock.json",
        "full review, because",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert!(!text.contains('\x1b'), "colour in a pipe");
}

#[test]
fn only_the_diff_is_enough_and_the_gap_is_named() {
    let text = out(&["review", "--diff", "examples/shop.diff"]);
    assert!(text.contains("detectors that read syntax did not run on") && text.contains("REL-0001"), "{text}");
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in [
        &["review"][..],
        &["plan"],
        &["codex", "list"],
        &["codex", "show"],
        &["config", "check"],
        &["config", "show"],
        &["config", "schema"],
        &["completions"],
        &["man"],
    ] {
        let help = out(&[command, &["--help"]].concat());
        assert!(help.contains("Example"), "{command:?} shows no example:\n{help}");
        assert!(help.contains("--log-format") && help.contains("--quiet"), "{command:?}");
    }
}

#[test]
fn the_version_is_one_line() {
    assert_eq!(out(&["--version"]), format!("assize {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn no_color_and_color_are_obeyed() {
    let colored = out(&[&EXAMPLE[..], &["--color", "always"]].concat());
    assert!(colored.contains("\x1b["));
    assert!(!out(&[&EXAMPLE[..], &["--color", "never"]].concat()).contains('\x1b'));
}

#[test]
fn a_gate_that_is_met_exits_1_and_still_reports() {
    let output = assize_in(root(), &[&EXAMPLE[..], &["--fail-on", "significant_concerns"]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("SEC-0008"));
    let said = refusal(root(), &[&EXAMPLE[..], &["--fail-on", "significant_concern"]].concat());
    assert!(said.contains("significant_concerns"), "{said}");
}

#[test]
fn formats_and_outputs_are_paired_in_order() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [json, page] = ["r.json", "r.md"].map(|name| dir.path().join(name).display().to_string());
    let rest = ["--format", "json", "--format", "markdown", "--output", &json, "--output", &page];
    assert_eq!(out(&[&EXAMPLE[..], &rest].concat()), "");
    let result: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&json).expect("written")).expect("JSON");
    assert_eq!(result["version"], 1);
    assert!(std::fs::read_to_string(&page).expect("written").starts_with("### Assize: 1 critical"));
    let said = refusal(root(), &[&EXAMPLE[..], &["--output", &json, "--output", &page]].concat());
    assert!(said.contains("give each --output a --format"), "{said}");
}

#[test]
fn the_result_fits_its_published_schema() {
    let result: serde_json::Value = serde_json::from_str(&out(&[&EXAMPLE[..], &["--format", "json"]].concat())).expect("JSON");
    let schema = std::fs::read_to_string(root().join("docs/schema/result.schema.json")).expect("published");
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(&result).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
    let mut broken = result;
    broken["verdict"] = 7.into();
    assert!(!validator.is_valid(&broken), "the schema must be able to refuse");
}

#[test]
fn the_configuration_in_contracts_form_fits_its_published_schema() {
    let schema: serde_json::Value = serde_json::from_str(&out(&["config", "schema"])).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let good = serde_json::json!({ "version": 1, "fail_on": "never", "limits": { "max_cost_usd": 5.0, "timeout": "15m" } });
    assert!(validator.is_valid(&good), "{:?}", validator.iter_errors(&good).map(|error| error.to_string()).collect::<Vec<_>>());
    assert!(!validator.is_valid(&serde_json::json!({ "version": 1, "limitz": {} })));
}

#[test]
fn a_diff_comes_through_standard_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_assize"))
        .args(["review", "--diff", "-"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("PATH is set"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let diff = std::fs::read(root().join("examples/shop.diff")).expect("the example");
    child.stdin.take().expect("piped").write_all(&diff).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("standard input"));
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_assize"))
        .args(["config", "schema"])
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn bad_diffs_are_refused_with_their_line() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("cut.diff"), "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n one\n-two\n").expect("written");
    std::fs::write(dir.path().join("prose.txt"), "this is no diff\n").expect("written");
    let said = refusal(dir.path(), &["review", "--diff", "cut.diff"]);
    assert!(said.contains("cut.diff") && said.contains("line ") && said.contains("hint: "), "{said}");
    let said = refusal(dir.path(), &["review", "--diff", "prose.txt"]);
    assert!(said.contains("prose.txt"), "{said}");
    let said = refusal(dir.path(), &["review", "--diff", "none.diff"]);
    assert!(said.contains("cannot read the diff none.diff"), "{said}");
    let said = refusal(dir.path(), &["review", "--diff", "."]);
    assert!(said.contains("is a folder"), "{said}");
}

#[test]
fn a_bad_configuration_is_shown_at_its_place() {
    let repo = Repo::with_commit();
    repo.write(".assize.yml", "version: 1\nlimits:\n  max_tokenz: 4\n");
    let said = refusal(repo.path(), &["review"]);
    assert!(said.contains(".assize.yml:3:3") && said.contains("did you mean `max_tokens`?"), "{said}");
    repo.write(".assize.yml", "version: 1\nlimits: { max_tokens: many }\n");
    let said = refusal(repo.path(), &["config", "check"]);
    assert!(said.contains(".assize.yml:2:"), "{said}");
    repo.write(".assize.yml", "version: 1\ncodex: { disable: { SEC-9999: \"never was\" } }\n");
    let said = refusal(repo.path(), &["review"]);
    assert!(said.contains(".assize.yml:2:21: there is no rule SEC-9999"), "{said}");
    repo.write(".assize.yml", "version: 1\nreviewers:\n  securty: { enabled: false }\n");
    let said = refusal(repo.path(), &["review"]);
    assert!(said.contains(".assize.yml:3:3: there is no reviewer `securty`") && said.contains("did you mean `security`?"), "{said}");
}

#[test]
fn a_review_that_nobody_is_left_for_does_not_look_like_one() {
    let repo = Repo::with_commit();
    repo.write(
        ".assize.yml",
        "version: 1\nproviders: { local: { kind: openai, base_url: 'http://127.0.0.1:9/v1' } }\nmodels: { top: [local/m], standard: [local/m], light: [local/m] }\n",
    );
    repo.commit("configured");
    repo.write("b.txt", "b\n");
    let output = assize_in(repo.path(), &["review", "--skip", "generalist"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("Assize: nothing found in 1 file (detectors only)\n"), "{text}");
    assert!(text.contains("No reviewer  --only, --skip or the configuration leave none"), "{text}");
    let said = refusal(repo.path(), &["review", "--only", "coordinator"]);
    assert!(said.contains("there is no reviewer `coordinator`"), "{said}");
}

#[test]
fn a_bad_rule_of_the_team_is_shown_at_its_place() {
    let repo = Repo::with_commit();
    repo.write(".assize.yml", "version: 1\ncodex: { sources: [builtin, { path: rules }] }\n");
    repo.write(
        "rules/TEAM-0001-x.md",
        "---\nid: TEAM-0001\ntitle: X\nseverity: imporant\nreviewer: quality\nstatus: active\n---\nDo not x.\n",
    );
    let said = refusal(repo.path(), &["review"]);
    assert!(said.contains("rules/TEAM-0001-x.md:4:") && said.contains("did you mean `important`?"), "{said}");
    repo.write(
        "rules/TEAM-0001-x.md",
        "---\nid: TEAM-0001\ntitle: X\nseverity: important\nreviewer: qualty\nstatus: active\n---\nDo not x.\n\n## Why\nSo.\n\n## Bad\n```text\nx\n```\n\n## Good\n```text\ny\n```\n",
    );
    let said = refusal(repo.path(), &["review"]);
    assert!(said.contains("rules/TEAM-0001-x.md:5:1: there is no reviewer `qualty`") && said.contains("did you mean `quality`?"), "{said}");
}

#[test]
fn a_rule_of_the_team_finds_what_it_describes() {
    let repo = Repo::with_commit();
    repo.write(".assize.yml", "version: 1\ncodex: { sources: [{ path: rules }] }\n");
    repo.write(
        "rules/TEAM-0001-print.md",
        "---\nid: TEAM-0001\ntitle: Log instead of printing\nseverity: suggestion\nreviewer: quality\nstatus: active\ndetect:\n  - { pattern: 'print($X)', language: python }\n---\nIf you need output, use the logger.\n\n## Why\nNobody reads it.\n\n## Bad\n```python\nprint(x)\n```\n\n## Good\n```python\nlog.info(x)\n```\n",
    );
    repo.commit("rules");
    repo.write("app.py", "print(1)\n");
    let output = assize_in(repo.path(), &["review", "--base", "HEAD"]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("suggestion[TEAM-0001]") && text.contains("app.py:1"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_merge_request_pipeline_is_not_mistaken_for_a_local_run() {
    let repo = Repo::with_commit();
    let output = Command::new(env!("CARGO_BIN_EXE_assize"))
        .arg("review")
        .current_dir(repo.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("PATH is set"))
        .env("CI_MERGE_REQUEST_IID", "7")
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--local"));
}

#[test]
fn a_secret_is_found_and_never_shown() {
    let repo = Repo::with_commit();
    let secret = format!("ghp_{}", "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC2dF4hJ6");
    repo.write("deploy.py", format!("TOKEN = \"{secret}\"\n\nOLD = \"{secret}\"  # assize:ignore SEC-0002 {secret} is revoked\n"));
    for format in ["terminal", "json", "markdown"] {
        let output = assize_in(repo.path(), &["review", "--format", format]);
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.contains("SEC-0002"), "{format}: {text}");
        assert!(!text.contains(&secret), "{format} shows the secret:\n{text}");
    }
}

#[test]
fn a_job_log_gets_sections_and_a_pipe_gets_nothing() {
    let repo = Repo::with_commit();
    repo.write("b.txt", "b\n");
    assert_eq!(String::from_utf8_lossy(&assize_in(repo.path(), &["review"]).stderr), "");
    let output = Command::new(env!("CARGO_BIN_EXE_assize"))
        .arg("review")
        .current_dir(repo.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("PATH is set"))
        .env("GITLAB_CI", "true")
        .output()
        .expect("the binary starts");
    let log = String::from_utf8(output.stderr).expect("text");
    assert!(log.contains("section_start:") && log.contains("section_end:"), "{log:?}");
}

#[test]
fn completions_and_the_manual_page_are_made_from_the_same_source() {
    assert!(out(&["completions", "bash"]).contains("_assize"));
    assert!(out(&["man"]).contains(".TH"));
}
