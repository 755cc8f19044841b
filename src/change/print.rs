//! A change as a unified diff again: what a story carries. `parse` reads it back as the same change.

use super::{Change, CommitId, Content, FileDiff, LineKind, RepoPath, Status};

/// Returns the change as git would write it, blob IDs aside: the change does not know them.
pub fn print(change: &Change) -> String {
    let mut out = Vec::new();
    for file in change.files() {
        print_file(file, &mut out);
    }
    String::from_utf8(out).expect("texts are UTF-8 and paths are quoted")
}

/// A path as git writes it: in quotes and with escapes where it holds more than printable ASCII.
fn quote(prefix: &str, path: &RepoPath) -> Vec<u8> {
    let mut out = prefix.as_bytes().to_vec();
    let plain = |&byte: &u8| (32..127).contains(&byte) && byte != b'"' && byte != b'\\';
    if path.as_bytes().iter().all(plain) {
        out.extend(path.as_bytes());
        return out;
    }
    out.insert(0, b'"');
    for byte in path.as_bytes() {
        match byte {
            b'\t' => out.extend(b"\\t"),
            b'"' => out.extend(b"\\\""),
            b'\\' => out.extend(b"\\\\"),
            byte if plain(byte) => out.push(*byte),
            byte => out.extend(format!("\\{byte:03o}").bytes()),
        }
    }
    out.push(b'"');
    out
}

fn print_file(file: &FileDiff, out: &mut Vec<u8>) {
    let path = file.path();
    let (old, new) = (file.old.as_ref().unwrap_or(path), file.new.as_ref().unwrap_or(path));
    let empty = file.hunks().is_empty() && matches!(file.content, Content::Text(_));
    let mut put = |parts: &[&[u8]]| {
        for part in parts {
            out.extend(*part);
        }
        out.push(b'\n');
    };
    put(&[b"diff --git ", &quote("a/", old), b" ", &quote("b/", new)]);
    let mode = |mode: Option<u32>| format!("{:o}", mode.unwrap_or_default()).into_bytes();
    let mut shared = false;
    match (file.status, file.old_mode, file.new_mode) {
        (Status::Added, _, new) => put(&[b"new file mode ", &mode(new)]),
        (Status::Deleted, old, _) => put(&[b"deleted file mode ", &mode(old)]),
        (_, old, new) if old != new => {
            put(&[b"old mode ", &mode(old)]);
            put(&[b"new mode ", &mode(new)]);
        }
        (_, old, _) => shared = old.is_some(),
    }
    let word = match file.status {
        Status::Renamed => Some("rename"),
        Status::Copied => Some("copy"),
        Status::Added | Status::Deleted | Status::Modified => None,
    };
    if let Some(word) = word {
        put(&[b"similarity index ", if empty { b"100%" } else { b"87%" }]);
        put(&[word.as_bytes(), b" from ", &quote("", old)]);
        put(&[word.as_bytes(), b" to ", &quote("", new)]);
    }
    let blob: &[u8] = if empty { b"e69de29" } else { b"1a2b3c4" };
    match file.status {
        Status::Added => put(&[b"index 0000000..", blob]),
        Status::Deleted => put(&[b"index ", blob, b"..0000000"]),
        _ if empty => {}
        _ if shared => put(&[b"index 1111111..2222222 ", &mode(file.old_mode)]),
        _ => put(&[b"index 1111111..2222222"]),
    }
    let tab = |path: &RepoPath| if path.as_bytes().contains(&b' ') { "\t" } else { "" };
    let marks = |put: &mut dyn FnMut(&[&[u8]])| {
        let side = |sign: &str, path: Option<&RepoPath>, prefix: &str| match path {
            Some(path) => [sign.as_bytes(), &quote(prefix, path), tab(path).as_bytes()].concat(),
            None => format!("{sign}/dev/null").into_bytes(),
        };
        put(&[&side("--- ", file.old.as_ref(), "a/")]);
        put(&[&side("+++ ", file.new.as_ref(), "b/")]);
    };
    match &file.content {
        Content::Binary => put(&[b"Binary files ", &quote("a/", old), b" and ", &quote("b/", new), b" differ"]),
        Content::Submodule { from, to } => {
            marks(&mut put);
            let range = |commit: &Option<CommitId>| if commit.is_some() { "1" } else { "0,0" };
            put(&[format!("@@ -{} +{} @@", range(from), range(to)).as_bytes()]);
            for (sign, commit) in [("-", from), ("+", to)] {
                if let Some(commit) = commit {
                    put(&[format!("{sign}Subproject commit {commit}").as_bytes()]);
                }
            }
        }
        Content::Text(hunks) => {
            if !hunks.is_empty() {
                marks(&mut put);
            }
            for hunk in hunks {
                let range = |start: u32, count: u32| if count == 1 { start.to_string() } else { format!("{start},{count}") };
                let section = if hunk.section.is_empty() { String::new() } else { format!(" {}", hunk.section) };
                let (old, new) = (range(hunk.old_start, hunk.old_lines), range(hunk.new_start, hunk.new_lines));
                put(&[format!("@@ -{old} +{new} @@{section}").as_bytes()]);
                for line in &hunk.lines {
                    let sign: &[u8] = match line.kind {
                        LineKind::Context => b" ",
                        LineKind::Added => b"+",
                        LineKind::Removed => b"-",
                    };
                    put(&[sign, line.text.as_bytes()]);
                    if !line.newline {
                        put(&[b"\\ No newline at end of file"]);
                    }
                }
            }
        }
    }
}
