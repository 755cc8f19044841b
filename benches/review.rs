//! A review with everybody at work against a server in this process: how long it takes, as a ratio of what the server alone takes, and how much of
//! the input comes from the provider's cache. Run with `cargo bench --bench review`.

#[path = "../tests/servers/model/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests use the rest")]
mod model_server;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use model_server::{Answer, ModelServer};
use serde_json::{Value, json};

const FIRST_BYTE: Duration = Duration::from_millis(500);
const WHOLE: Duration = Duration::from_secs(2);
/// One of which it is known how much it reads at a time: a change for one of unknown size is cut into more groups.
const MODEL: &str = "acme/claude-sonnet-4-6";
/// Tool turns of each reader before it submits, in the run that measures the cache.
const TOOL_TURNS: usize = 3;
const PARTS: [&str; 8] = ["Security", "Quality", "Codex", "Documentation", "Performance", "Release", "Agent instructions", "Money"];

fn git(dir: &Path, args: &[&str]) {
    let status = Command::new("git").args(["-c", "user.name=A", "-c", "user.email=a@example.com"]).args(args).current_dir(dir).status();
    assert!(status.expect("git starts").success(), "git {args:?}");
}

/// A repository with a change of so many lines that brings everybody to the table, and a reviewer of its own.
fn repository(server: &ModelServer, lines: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let write = |file: &str, text: &str| {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        std::fs::write(path, text).expect("the file can be written");
    };
    git(dir.path(), &["init", "--quiet", "--initial-branch=main"]);
    write("Cargo.toml", "[package]\nname = \"a\"\n");
    write(
        ".assize/prompts/money.md",
        "---\nname: money\ntitle: Money\nmodel: top\ntiers: [full]\ntools: [read_file]\n---\n\nYou read for amounts of money.\n",
    );
    let config = format!(
        "version: 1\nproviders:\n  acme: {{ kind: anthropic, base_url: \"{}\" }}\nmodels: {{ top: [{MODEL}], standard: [{MODEL}], light: [{MODEL}] }}\n",
        server.url
    );
    write(".assize.yml", &config);
    git(dir.path(), &["add", "--all"]);
    git(dir.path(), &["commit", "--quiet", "--message", "first"]);
    write("Cargo.toml", "[package]\nname = \"b\"\n");
    let code: Vec<String> = (0..lines).map(|line| format!("pub fn f{line}(x: u64) -> u64 {{ x.wrapping_mul({line}) }}")).collect();
    write("src/session.rs", &(code.join("\n") + "\n"));
    dir
}

/// Runs the binary on a repository; returns how long it took and its `result.json`.
async fn review(dir: &Path) -> (Duration, Value) {
    let begun = Instant::now();
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_assize"))
        .args(["review", "--format", "json"])
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("PATH is set"))
        .output()
        .await
        .expect("the binary starts");
    let took = begun.elapsed();
    let result =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (took, result)
}

fn finding() -> Value {
    json!({ "findings": [{ "title": "Wrapping hides an overflow", "severity": "important", "path": "src/session.rs",
        "quote": "pub fn f0(x: u64) -> u64 { x.wrapping_mul(0) }", "body": "Large values wrap.", "confidence": 0.9 }] })
}

async fn time() -> String {
    let server = ModelServer::start().await;
    for part in PARTS {
        let answer = if part == "Quality" { finding() } else { json!({ "findings": [] }) };
        let answer = Answer::default().call("c1", "submit_findings", &answer.to_string());
        server.when(&format!("# Your part: {part}"), answer.paced(FIRST_BYTE, WHOLE));
    }
    let verdict = json!({ "judgements": [{ "id": "C-1", "decision": "keep", "why": "shown" }] });
    server.when("# Your part: Coordinator", Answer::default().call("c2", "submit_verdict", &verdict.to_string()).paced(FIRST_BYTE, WHOLE));
    let dir = repository(&server, 200);
    let (took, result) = review(dir.path()).await;
    let answered = result["reviewers"].as_array().expect("reviewers").iter().filter(|reviewer| reviewer["outcome"] == "answered").count();
    assert_eq!((answered, result["complete"].as_bool()), (PARTS.len() + 1, Some(true)), "{result}");
    // The first response, the rest that wait for it, the coordinator.
    let alone = FIRST_BYTE + WHOLE + WHOLE;
    format!(
        "eight reviewers and a coordinator: {took:.2?}, {:.3} of what the provider alone takes ({alone:.2?})",
        took.as_secs_f64() / alone.as_secs_f64()
    )
}

async fn cache() -> String {
    let server = ModelServer::start().await;
    for part in PARTS {
        for turn in 0..TOOL_TURNS {
            let (start, end) = (turn * 40 + 1, turn * 40 + 40);
            let arguments = json!({ "path": "src/session.rs", "start": start, "end": end });
            server.when(&format!("# Your part: {part}"), Answer::default().call("c1", "read_file", &arguments.to_string()));
        }
        server
            .when(&format!("# Your part: {part}"), Answer::default().call("c2", "submit_findings", &json!({ "findings": [] }).to_string()));
    }
    let dir = repository(&server, 1_100);
    let (took, result) = review(dir.path()).await;
    let sum = |key: &str| -> u64 {
        result["reviewers"].as_array().expect("reviewers").iter().filter_map(|reviewer| reviewer["usage"][key].as_u64()).sum()
    };
    let (input, cached, calls) = (sum("input"), sum("cached"), sum("calls"));
    assert_eq!(calls, (PARTS.len() * (TOOL_TURNS + 1)) as u64, "{result}");
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens are small")]
    let share = cached as f64 * 100.0 / input as f64;
    format!("cached share: {share:.1} % of {input} input tokens in {calls} calls ({took:.2?})")
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a bench prints what it measured")]
async fn main() {
    println!("{}\n{}", time().await, cache().await);
}
