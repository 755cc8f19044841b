//! Real histories, replayed push by push: a finding on a line that a later commit fixes is resolved at that commit and not before, and one on a line
//! beside it stays where the line is. The repositories are not part of this one: `ASSIZE_HISTORIES` is a folder of bare clones, `owner+name/repo`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use assize::exit::Exit;
use assize::round::marker::{self, Mark};
use assize::round::{Keys, Known, Status};
use serde_json::{Value, json};

use super::Shop;
use crate::gitlab::{Edit, Options};
use crate::model_server::{Answer, ModelServer};

/// The titles have no word in common.
const FIRST: &str = "Alpha overflows when empty";
const SECOND: &str = "Beta leaks on every retry";
/// Larger files are not taken along, in bytes.
const LARGEST: usize = 300_000;

/// A line of the table.
struct History {
    repository: String,
    git: PathBuf,
    base: String,
    pushes: Vec<String>,
    file: String,
    raised: usize,
    fixed: Option<usize>,
    first: Vec<u32>,
    second: Vec<u32>,
}

impl History {
    fn read(folder: &Path, line: &str) -> Self {
        let fields: Vec<&str> = line.split('\t').collect();
        let [repository, base, head, file, raised, fixed, first, second] = fields.try_into().expect("eight fields");
        let git = folder.join(repository.replace('/', "+")).join("repo");
        let lines = |text: &str| text.split(' ').map(|line| line.parse().expect("a line")).collect();
        let mut history = Self {
            repository: repository.to_owned(),
            git,
            base: base.to_owned(),
            pushes: Vec::new(),
            file: file.to_owned(),
            raised: raised.parse().expect("a push"),
            fixed: fixed.parse().ok(),
            first: lines(first),
            second: lines(second),
        };
        let range = format!("{base}..{head}");
        let pushes = history.git(&["rev-list", "--reverse", "--topo-order", &range]).expect("the range is there");
        history.pushes = String::from_utf8(pushes).expect("hashes").lines().map(str::to_owned).collect();
        assert_eq!(history.pushes.len() + 1, history.raised + history.second.len(), "{repository}: a line for each push");
        history
    }

    fn git(&self, args: &[&str]) -> Option<Vec<u8>> {
        let output = Command::new("git").arg("--git-dir").arg(&self.git).args(args).output().expect("git starts");
        output.status.success().then_some(output.stdout)
    }

    /// Every path that the range touches.
    fn paths(&self) -> BTreeSet<String> {
        let of = |commit: &String| {
            let names = self.git(&["diff-tree", "-r", "--no-commit-id", "--name-only", "-m", "-z", commit]).expect("a commit");
            String::from_utf8_lossy(&names).split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        self.pushes.iter().flat_map(of).collect()
    }

    fn files(&self, commit: &str, paths: &BTreeSet<String>) -> BTreeMap<String, Vec<u8>> {
        let file = |path: &String| {
            let text = self.git(&["cat-file", "blob", &format!("{commit}:{path}")])?;
            (text.len() <= LARGEST).then(|| (path.clone(), text))
        };
        paths.iter().filter_map(file).collect()
    }
}

fn edit(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) -> Option<Edit> {
    let gone = before.keys().filter(|path| !after.contains_key(*path));
    let written = after.iter().filter(|(path, text)| before.get(*path) != Some(text));
    let edit = gone.fold(None::<Edit>, |edit, path| Some(edit.unwrap_or_default().delete(path)));
    written.fold(edit, |edit, (path, text)| Some(edit.unwrap_or_default().write(path, text)))
}

/// The reviewers at the push that raises: they cite the lines by the anchors that they are shown.
fn raises(said: &str, file: &str, lines: [u32; 2]) -> Vec<Value> {
    let Some((_, section)) = said.split_once(&format!("### {file} (")) else { return Vec::new() };
    let section = section.split("\n### ").next().unwrap_or_default();
    let claim = |(title, line): (&str, u32)| {
        let shown = section.lines().find(|shown| shown.starts_with(&format!("{line}#")))?;
        let (anchor, text) = shown.split_once(' ')?;
        Some(json!({
            "title": title, "severity": "important", "path": file, "first": anchor, "last": anchor, "quote": text.get(1..)?,
            "body": "It breaks.", "confidence": 0.9
        }))
    };
    [(FIRST, lines[0]), (SECOND, lines[1])].into_iter().filter_map(claim).collect()
}

/// What the models know while a history is replayed.
#[derive(Clone, Copy)]
struct Now {
    raising: bool,
    fixed: bool,
}

fn answer(said: &str, history: &History, now: Now) -> Answer {
    let submit = |tool: &str, body: Value| Answer::default().call("call-1", tool, &body.to_string());
    if said.contains("# Your part: Follow-up") {
        let answers = said.split("\nQ-").skip(1).map(|question| {
            let id = question.split(' ').next().unwrap_or_default();
            let says = if now.fixed && question.contains(FIRST) { "fixed" } else { "still_there" };
            json!({ "id": format!("Q-{id}"), "says": says, "reply": "", "why": "the line shows it" })
        });
        return submit("submit_verdict", json!({ "judgements": [], "answers": answers.collect::<Vec<_>>() }));
    }
    if said.contains("# Your part: Coordinator") {
        let kept = (1..=2).map(|number| json!({ "id": format!("C-{number}"), "decision": "keep", "why": "shown" }));
        return submit("submit_verdict", json!({ "judgements": kept.collect::<Vec<_>>() }));
    }
    let claims = if now.raising { raises(said, &history.file, [history.first[0], history.second[0]]) } else { Vec::new() };
    submit("submit_findings", json!({ "findings": claims }))
}

/// What the bot remembers of a finding.
fn known(shop: &Shop, title: &str) -> Option<Known> {
    match marker::read(&shop.summary(), &Keys::derive(b"", 0, 0)) {
        Some((Mark::Summary(Ok(state)), _)) => state.findings.into_iter().find(|known| known.title == title),
        _ => None,
    }
}

/// Replays a history; returns what went wrong.
async fn replay(history: History) -> Vec<String> {
    let history = Arc::new(history);
    let models = ModelServer::start().await;
    let config = format!("version: 1\n{}", super::one_reviewer(&models.url));
    let paths = history.paths();
    let mut before = history.files(&history.base, &paths);
    let base = before.iter().fold(Edit::new().write(".assize.yml", config), |edit, (path, text)| edit.write(path, text));
    // What came before the findings is one push.
    let raising = history.files(&history.pushes[history.raised - 1], &paths);
    let shop = Shop::on(Options::default(), base, edit(&before, &raising).expect("the first push changes something")).await;
    before = raising;
    let now = Arc::new(Mutex::new(Now { raising: true, fixed: false }));
    let (told, knows) = (Arc::clone(&history), Arc::clone(&now));
    models.speaks(move |said| answer(said, &told, *knows.lock().expect("nobody panics")).into());

    let mut wrong = Vec::new();
    for (index, push) in history.pushes.iter().enumerate().skip(history.raised - 1) {
        let number = index + 1;
        if number > history.raised {
            let after = history.files(push, &paths);
            if let Some(edit) = edit(&before, &after) {
                shop.mr.push(edit);
            }
            before = after;
        }
        *now.lock().expect("nobody panics") =
            Now { raising: number == history.raised, fixed: history.fixed.is_some_and(|fixed| number >= fixed) };
        let ran = shop.run().await;
        if ran.exit != Exit::Done {
            wrong.push(format!("push {number}: exit {}: {}{}", ran.exit.code(), ran.stdout, ran.stderr));
        }
        let (Some(first), Some(second)) = (known(&shop, FIRST), known(&shop, SECOND)) else {
            wrong.push(format!("push {number}: a finding is not remembered"));
            break;
        };
        let is_fixed = matches!(first.status, Status::Fixed { .. });
        if is_fixed != history.fixed.is_some_and(|fixed| number >= fixed) {
            wrong.push(format!("push {number}: the first is {:?}", first.status));
        }
        let at = number - history.raised;
        if let Some(line) = history.first.get(at).filter(|line| !is_fixed && first.place.line != Some(**line)) {
            wrong.push(format!("push {number}: the first is at {:?}, not at {line}", first.place.line));
        }
        if !second.status.is_open() || second.place.line != Some(history.second[at]) {
            wrong.push(format!(
                "push {number}: the second is {:?} at {:?}, not at {}",
                second.status, second.place.line, history.second[at]
            ));
        }
        let threads: Vec<bool> = shop.mr.threads().iter().map(|thread| thread.resolved).collect();
        if threads != [is_fixed, false] && threads != [false, is_fixed] {
            wrong.push(format!("push {number}: threads {threads:?}"));
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it needs clones of other projects: ASSIZE_HISTORIES=FOLDER cargo test --test it histories -- --ignored --nocapture"]
#[expect(clippy::print_stdout, reason = "it is run for its table")]
async fn real_histories_are_tracked_push_by_push() {
    let folder = PathBuf::from(std::env::var("ASSIZE_HISTORIES").expect("ASSIZE_HISTORIES names the folder of clones"));
    let table = include_str!("../../data/histories.tsv");
    let mut wrong = 0;
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let history = History::read(&folder, line);
        let (repository, pushes) = (history.repository.clone(), history.second.len());
        let failures = replay(history).await;
        println!("{repository}, {pushes} rounds: {}", if failures.is_empty() { "right".to_owned() } else { failures.join("; ") });
        wrong += usize::from(!failures.is_empty());
    }
    assert_eq!(wrong, 0, "histories that were tracked wrong");
}
