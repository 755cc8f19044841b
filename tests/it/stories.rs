//! Every story under `tests/stories` gives what it says. `cargo bless` rewrites the expected blocks.

use std::path::{Path, PathBuf};

use assize::commands::replay::{Replayed, replay};
use assize::report::{self, Style};
use assize::story::{self, blessed};

const STYLE: Style = Style { color: false, width: 100 };

fn stories() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.sort();
    paths
}

/// The story's text as a run now makes it.
async fn rerun(path: &Path) -> (String, String) {
    let text = std::fs::read_to_string(path).expect("a story is text");
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let story = story::parse(&name, &text).unwrap_or_else(|fault| panic!("{fault}"));
    assert!(!story.expected.is_empty(), "{name} expects nothing");
    let replayed = replay(&name, &story).await;
    let given = |part: &str| -> Option<String> {
        let (review, exit) = match &replayed {
            Ok(Replayed { examined, exit }) => (examined, exit.code()),
            Err(failure) => {
                let said = format!("error: {}\nhint: {}\n", failure.message, failure.hint.as_deref().unwrap_or("-"));
                return match part {
                    "error" => Some(said),
                    "exit" => Some(format!("{}\n", failure.exit.code())),
                    other => panic!("{name} expects `{other}`, but the run failed: {said}"),
                };
            }
        };
        match part {
            "terminal" => Some(report::terminal(&review.review, &review.shown, STYLE)),
            "markdown" => Some(report::markdown(&review.review)),
            "result" => Some(report::json(&review.review, None)),
            "dropped" => Some(dropped(&report::json(&review.review, None))),
            "exit" => Some(format!("{exit}\n")),
            other => panic!("{name} expects `{other}`, which no run gives"),
        }
    };
    let now = blessed(&text, &story, given);
    (text, now)
}

/// One line for each claim that became no finding.
fn dropped(result: &str) -> String {
    let result: serde_json::Value = serde_json::from_str(result).expect("JSON");
    let lines = result["dropped"].as_array().expect("a list").iter().map(|dropped| {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("?").to_owned();
        format!("{}: {} ({})\n", text(&dropped["reason"]), text(&dropped["title"]), text(&dropped["detail"]))
    });
    lines.collect()
}

#[tokio::test]
async fn every_story_gives_what_it_says() {
    let mut failed = Vec::new();
    let paths = stories();
    assert!(paths.len() >= 25, "{} stories", paths.len());
    for path in paths {
        let (then, now) = rerun(&path).await;
        if then != now {
            let lines = then.lines().zip(now.lines()).find(|(then, now)| then != now);
            let (then, now) = lines.unwrap_or(("(its end)", "(another end)"));
            failed.push(format!("{}\n  expected: {then}\n  got:      {now}", path.display()));
        }
    }
    assert!(failed.is_empty(), "{} stories differ; if that is right, run `cargo bless`:\n{}", failed.len(), failed.join("\n"));
}

#[tokio::test]
async fn a_story_repeated_is_the_same_story() {
    for path in stories().into_iter().take(3) {
        assert_eq!(rerun(&path).await, rerun(&path).await);
    }
}

#[tokio::test]
#[ignore = "it writes: `cargo bless` runs it"]
async fn bless_stories() {
    for path in stories() {
        let (then, now) = rerun(&path).await;
        if then != now {
            std::fs::write(&path, now).expect("the story can be written");
        }
    }
}
