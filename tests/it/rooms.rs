//! Who may name whom. The straight line of ARCHITECTURE.md holds because rooms only know the rooms before them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Room and the rooms it may name, besides itself. What stands at the rim (`error`, `exit`, `env`, `yaml`) is in the list as well.
const MAY_NAME: &[(&str, &str)] = &[
    ("change", ""),
    ("codex", "change error"),
    ("review", "change codex exit yaml"),
    ("round", "change codex review"),
    ("comment", "change codex report review round"),
    ("report", "change codex review round"),
    ("story", "yaml"),
    ("settings", "codex env error exit review yaml"),
    ("checkout", "change env error exit yaml"),
    ("gitlab", "change env error exit round settings"),
    ("model", "error exit review settings"),
    ("agent", "change checkout codex error model review"),
    ("telemetry", "env"),
    ("commands", "agent change checkout cli codex comment env error exit gitlab model report review round settings story telemetry yaml"),
];

/// Rooms that do no I/O.
const PURE: &[&str] = &["change", "codex", "review", "round", "comment", "report", "story"];

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder is part of the repository") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn texts(room: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room), &mut files);
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).expect("a source file is text"))).collect()
}

/// The rooms that a text names as `crate::room`, outside comments.
fn named(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let after = code.flat_map(|line| line.split("crate::").skip(1).map(str::to_owned).collect::<Vec<_>>());
    after.map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()).collect()
}

#[test]
fn a_room_names_only_the_rooms_before_it() {
    for &(room, allowed) in MAY_NAME {
        for (path, text) in texts(room) {
            for name in named(&text) {
                let fine = name == room || name.is_empty() || allowed.split(' ').any(|known| known == name);
                assert!(fine, "{} names the room `{name}`, which {room} must not know", path.display());
            }
        }
    }
}

#[test]
fn every_room_has_a_rule() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders = std::fs::read_dir(src).expect("src").map(|entry| entry.expect("readable").path()).filter(|path| path.is_dir());
    let rooms: BTreeSet<String> = folders.map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    assert_eq!(rooms, MAY_NAME.iter().map(|(room, _)| (*room).to_owned()).collect());
}

#[test]
fn pure_rooms_do_no_io_and_say_so() {
    for room in PURE {
        let texts = texts(room);
        let top = texts.iter().find(|(path, _)| path.ends_with(format!("{room}/mod.rs"))).expect("a room has a mod.rs");
        assert!(top.1.contains("#![deny(clippy::disallowed_methods, clippy::disallowed_types)]"), "{room}/mod.rs lost its guard");
        for (path, text) in &texts {
            for word in [
                "tokio",
                "reqwest",
                "std::fs",
                "std::net",
                "std::process",
                "std::env",
                "SystemTime",
                "Instant::now",
                "async fn",
                "HashMap",
                "HashSet",
            ] {
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| line.contains(word));
                assert!(!code, "{} holds `{word}`, but {room} is a pure room", path.display());
            }
        }
    }
}

#[test]
fn every_source_file_opens_with_its_purpose() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 40, "{} files", files.len());
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a source file is text");
        assert!(text.starts_with("//! "), "{} does not say what it is for", path.display());
    }
}
