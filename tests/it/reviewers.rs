//! The binary and a model server over real sockets: what is sent to whom, what never is, and what comes of it.

use std::process::Output;

use serde_json::{Value, json};

use crate::local::Repo;
use crate::model_server::{Answer, Fault, ModelServer, Seen};

const SECRET: &str = "glpat-x9Kd83jLq0ZpW5vTn2Rb";

/// A repository with a change that brings everybody to the table, and a secret in it.
pub(crate) fn repo() -> Repo {
    let repo = Repo::empty();
    repo.write("AGENTS.md", "Run `make test` before you push.\n");
    repo.write("src/session.py", "def digest(token):\n    return token\n");
    repo.write("Cargo.toml", "[package]\nname = \"a\"\n");
    repo.write(".gitignore", "private.txt\n");
    repo.commit("first");
    repo.write("src/session.py", format!("KEY = \"{SECRET}\"\n\n\ndef digest(token):\n    return token[1:]\n"));
    repo.write("Cargo.toml", "[package]\nname = \"b\"\n");
    repo.write("private.txt", "an ignored file\n");
    repo
}

fn config(kind: &str, server: &ModelServer) -> String {
    let base = if kind == "openai" { format!("{}/v1", server.url) } else { server.url.clone() };
    format!(
        "version: 1\nproviders:\n  acme: {{ kind: {kind}, base_url: \"{base}\", api_key_env: ACME_KEY }}\nmodels: {{ top: [acme/large], standard: [acme/large], light: [acme/large] }}\n"
    )
}

pub(crate) async fn run(repo: &Repo, args: &[&str], vars: &[(&str, &str)]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_assize"));
    command.arg("review").args(args).current_dir(repo.path()).env_clear().env("PATH", std::env::var_os("PATH").expect("PATH is set"));
    command.envs(vars.iter().copied()).kill_on_drop(true);
    command.output().await.expect("the binary starts")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn submit(findings: &Value) -> Answer {
    Answer::default().call("call-1", "submit_findings", &json!({ "findings": findings }).to_string())
}

pub(crate) fn finding() -> Value {
    json!({
        "title": "The first character of a token is lost", "severity": "important", "path": "src/session.py",
        "first": "", "last": "", "quote": "    return token[1:]", "body": "`digest` cuts it off, so no stored digest fits.", "confidence": 0.9
    })
}

/// What was sent as one text, from a request of either protocol.
fn sent(seen: &Seen) -> String {
    seen.body.to_string()
}

const PARTS: [&str; 6] = ["Security", "Quality", "Codex", "Documentation", "Performance", "Release"];

/// Everybody says nothing, but for quality, who finds something; the coordinator keeps it.
fn everybody(server: &ModelServer) {
    for part in PARTS {
        let findings = if part == "Quality" { json!([finding()]) } else { json!([]) };
        server.when(&format!("# Your part: {part}"), submit(&findings));
    }
    server.when("# Your part: Agent instructions", submit(&json!([])));
    // C-1 is the detector's, which no judge may touch.
    let kept = json!({ "judgements": [{ "id": "C-2", "decision": "keep", "why": "shown" }] });
    server.when("# Your part: Coordinator", Answer::default().call("call-2", "submit_verdict", &kept.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_reviews_over_both_protocols() {
    for kind in ["anthropic", "openai"] {
        let server = ModelServer::start().await;
        everybody(&server);
        let repo = repo();
        repo.write(".assize.yml", config(kind, &server));
        let output = run(&repo, &[], &[("ACME_KEY", "sk-test-1")]).await;
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{kind}: {out}{err}");
        assert!(out.contains("1 critical, 1 important\n"), "{kind}: {out}{err}");
        assert!(out.contains("important: The first character of a token is lost") && out.contains("src/session.py:5:5"), "{out}");
        assert!(out.contains("Security, Quality, Codex, Documentation, Performance, Release") && out.contains("Coordinator"), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_readers_share_their_beginning_byte_for_byte() {
    let server = ModelServer::start().await;
    everybody(&server);
    let repo = repo();
    repo.write(".assize.yml", config("anthropic", &server));
    run(&repo, &[], &[("ACME_KEY", "sk-test-1")]).await;
    let seen = server.seen();
    assert!(seen.len() >= 7, "{} requests", seen.len());
    let beginning = |seen: &Seen| {
        let first = &seen.body["messages"][0];
        (seen.body["tools"].to_string(), seen.body["system"].to_string(), first.to_string(), seen.body["tool_choice"].to_string())
    };
    let shared = beginning(&seen[0]);
    for request in &seen {
        assert_eq!(beginning(request), shared);
    }
    assert!(shared.1.contains("Rule index") && shared.1.contains("make test"), "preamble, rules and AGENTS.md come first");
    assert!(shared.2.contains("src/session.py") && !shared.2.contains("Your part"), "then the change, and no role");
    let roles: Vec<&Seen> = seen.iter().filter(|seen| sent(seen).contains("# Your part: ")).collect();
    assert_eq!(roles.len(), seen.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_no_ignored_file_and_no_git_reaches_a_model() {
    let server = ModelServer::start().await;
    let look = Answer::default()
        .call("c1", "read_file", r#"{"path": "src/session.py"}"#)
        .call("c2", "read_file", r#"{"path": "private.txt"}"#)
        .call("c3", "read_file", r#"{"path": ".git/config"}"#)
        .call("c4", "read_file", r#"{"path": "../../../../etc/passwd"}"#)
        .call("c5", "grep", r#"{"pattern": "glpat-"}"#)
        .call("c6", "grep", r#"{"pattern": "an ignored"}"#)
        .call("c7", "list_files", r#"{"glob": "**/*"}"#)
        .call("c8", "git_history", r#"{"path": "src/session.py"}"#)
        .call("c9", "read_diff", r#"{"path": "src/session.py"}"#);
    server.when("# Your part: Quality", look);
    server.when("# Your part: Quality", submit(&json!([])));
    let repo = repo();
    repo.write(".assize.yml", config("openai", &server));
    let output = run(&repo, &["--only", "quality"], &[("ACME_KEY", "sk-test-1")]).await;
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    for request in &seen {
        let sent = sent(request);
        for forbidden in [SECRET, "an ignored file", "repositoryformatversion", "root:x:0", "sk-test-1"] {
            assert!(!sent.contains(forbidden), "{forbidden} was sent");
        }
    }
    let answers: Vec<String> = seen[1].body["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .filter(|message| message["role"] == "tool")
        .map(|message| message["content"].as_str().expect("a text").to_owned())
        .collect();
    assert!(answers[0].contains("[MASKED:") && answers[0].contains("5:     return token[1:]"), "{}", answers[0]);
    for refused in &answers[1..4] {
        assert!(refused.starts_with("error: there is no file"), "{refused}");
    }
    assert!(answers[4].starts_with("0 lines in 0 files"), "searching for a secret finds nothing: {}", answers[4]);
    assert!(answers[5].starts_with("0 lines in 0 files"), "{}", answers[5]);
    assert!(
        answers[6].contains("src/session.py") && !answers[6].contains("private.txt") && !answers[6].contains(".git/"),
        "{}",
        answers[6]
    );
    assert!(answers[7].contains("first") && answers[8].contains("### src/session.py"), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_provider_without_its_key_is_a_failure_and_no_missing_configuration() {
    let server = ModelServer::start().await;
    let repo = repo();
    repo.write(".assize.yml", config("openai", &server));
    let output = run(&repo, &[], &[]).await;
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{out}");
    let flat = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("ACME_KEY, the key of acme, is not set (usually a protected variable on an unprotected branch)"), "{out}");
    assert!(out.starts_with("Assize: 1 critical, and not everything was reviewed"), "{out}");
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_model_endpoint_is_named_with_a_remedy() {
    let server = ModelServer::start().await;
    server.when("# Your part: Quality", Fault::Html);
    let repo = repo();
    repo.write(".assize.yml", config("openai", &server));
    let output = run(&repo, &["--only", "quality"], &[("ACME_KEY", "sk-test-1")]).await;
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{out}");
    assert!(out.contains("Incomplete") && out.contains("127.0.0.1"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_alone_is_enough_and_a_server_of_ones_own_is_asked_for_its_only_model() {
    let server = ModelServer::start().await;
    server.offers(&["tiny-coder"]).when("# Your part: Quality", submit(&json!([])));
    let repo = repo();
    let base = format!("{}/v1", server.url);
    let vars = [("OPENAI_API_KEY", "sk-test-1"), ("OPENAI_BASE_URL", base.as_str())];
    let output = run(&repo, &["--only", "quality", "--format", "json"], &vars).await;
    let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    assert_eq!(result["reviewers"][0]["model"], "openai/tiny-coder");
    server.offers(&["tiny-coder", "huge-coder"]);
    let output = run(&repo, &[], &vars).await;
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""));
    let err = text(&output.stderr);
    assert!(err.contains("huge-coder, tiny-coder") && err.contains("ASSIZE_MODEL"), "{err}");
    let named = [vars.as_slice(), &[("ASSIZE_MODEL", "openai/huge-coder")]].concat();
    server.when("# Your part: Quality", submit(&json!([])));
    let output = run(&repo, &["--only", "quality"], &named).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_takes_no_tools_is_asked_for_a_structured_answer() {
    let server = ModelServer::start().await;
    let refusal = r#"{"error":{"message":"this model does not support tools","type":"invalid_request_error"}}"#;
    server.when("# Your part: Quality", Fault::Status(400, vec![("content-type", "application/json")], refusal));
    server.when("# Your part: Quality", Answer::text(&json!({ "findings": [] }).to_string()));
    let repo = repo();
    repo.write(".assize.yml", config("openai", &server));
    let output = run(&repo, &["--only", "quality"], &[("ACME_KEY", "sk-test-1")]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert!(
        seen[1].body.get("tools").is_none() && seen[1].body["response_format"]["json_schema"]["name"] == "findings",
        "{}",
        seen[1].body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_leaves_a_story_that_repeats_it_without_the_server() {
    let server = ModelServer::start().await;
    server.when("# Your part: Quality", Answer::default().call("c1", "grep", r#"{"pattern": "digest"}"#));
    server.when("# Your part: Quality", submit(&json!([finding()])));
    let kept = json!({ "judgements": [{ "id": "C-1", "decision": "keep", "why": "shown" }] });
    server.when("# Your part: Coordinator", Answer::default().call("c2", "submit_verdict", &kept.to_string()));
    let repo = Repo::empty();
    repo.write("src/session.py", "def digest(token):\n    return token\n");
    repo.commit("first");
    repo.write("src/session.py", "def digest(token):\n    return token[1:]");
    let config_file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(config_file.path(), config("anthropic", &server)).expect("written");
    let path = config_file.path().display().to_string();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let story = dir.path().join("run.md").display().to_string();
    let output = run(&repo, &["--only", "quality", "--config", &path, "--record", &story], &[("ACME_KEY", "sk-test-1")]).await;
    let first = text(&output.stdout);
    assert!(first.starts_with("Assize: 1 important\n"), "{first}{}", text(&output.stderr));
    drop(server);
    let told = std::fs::read_to_string(&story).expect("a story was left");
    assert!(!told.contains("sk-test-1") && told.contains(first.trim_end()), "{told}");
    let replayed = crate::local::assize_in(dir.path(), &["replay", "run.md"]);
    let second = text(&replayed.stdout);
    assert!(second.ends_with(&first), "first:\n{first}\nsecond:\n{second}{}", text(&replayed.stderr));
    assert!(second.contains("quality      grep digest") && second.contains("coordinator  submits 1 judgement"), "{second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_findings_than_a_coordinator_can_judge_are_shown_and_said() {
    let server = ModelServer::start().await;
    let repo = repo();
    let lines: Vec<String> = (1..=120).map(|number| format!("value_{number} = {number}")).collect();
    repo.write("src/session.py", lines.join("\n") + "\n");
    repo.write(".assize.yml", config("openai", &server));
    let claim = |number: usize| {
        json!({ "title": format!("a{number} b{number} c{number}"), "severity": "suggestion", "path": "src/session.py",
            "quote": format!("value_{number} = {number}"), "body": format!("d{number} e{number} f{number}"), "confidence": 0.9 })
    };
    server.speaks(move |said| {
        let claims = |numbers: std::ops::RangeInclusive<usize>| submit(&json!(numbers.map(claim).collect::<Vec<_>>())).into();
        if said.contains("# Your part: Coordinator") {
            assert!(said.contains("\nC-100 ") && !said.contains("\nC-101 "), "it is asked about more than it can answer");
            return Answer::default().call("call-2", "submit_verdict", r#"{"judgements": []}"#).into();
        }
        if said.contains("# Your part: Quality") { claims(1..=60) } else { claims(61..=120) }
    });
    let output = run(&repo, &["--only", "quality,security", "--format", "json"], &[("ACME_KEY", "sk-test-1")]).await;
    let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    assert_eq!((output.status.code(), result["findings"].as_array().expect("findings").len()), (Some(5), 120), "{result}");
    let said = "the coordinator judged 100 of 120 findings; the others stand as the reviewers left them";
    assert_eq!(result["incomplete"][0]["what"], said, "{}", result["incomplete"]);
}
