//! The patch ID: whether two changes are the same work on different bases. It must not depend on line numbers.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{Change, Content, FileDiff, Hunk, LineKind};

/// Version of what goes into a patch ID; part of the hash.
const VERSION: u8 = 1;

/// Returns the patch ID of a change, 64 lower-case hexadecimal digits: names, modes and lines with their context, without line numbers.
///
/// The content of binary files is not in a diff, so two changes that differ only there have the same ID.
pub fn patch_id(change: &Change) -> String {
    let mut hash = Sha256::new_with_prefix([VERSION]);
    for file in change.files() {
        add_file(&mut hash, file);
    }
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
    }
    hex
}

fn add_file(hash: &mut Sha256, file: &FileDiff) {
    for path in [&file.old, &file.new] {
        add(hash, path.as_ref().map_or(b"", |path| path.as_bytes()));
    }
    for mode in [file.old_mode, file.new_mode] {
        hash.update(mode.unwrap_or_default().to_be_bytes());
    }
    match &file.content {
        Content::Text(hunks) => hunks.iter().for_each(|hunk| add_hunk(hash, hunk)),
        Content::Binary => hash.update(b"b"),
        Content::Submodule { from, to } => {
            hash.update(b"s");
            for commit in [from, to] {
                add(hash, commit.as_ref().map_or(b"", |commit| commit.as_str().as_bytes()));
            }
        }
    }
    hash.update(b"f");
}

fn add_hunk(hash: &mut Sha256, hunk: &Hunk) {
    hash.update(b"h");
    for line in &hunk.lines {
        let sign = match line.kind {
            LineKind::Context => b' ',
            LineKind::Added => b'+',
            LineKind::Removed => b'-',
        };
        hash.update([sign, u8::from(line.newline)]);
        add(hash, line.text.as_bytes());
    }
}

/// Adds text with its length before it, so that no two sequences of texts look alike.
fn add(hash: &mut Sha256, text: &[u8]) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::parse;

    fn id(start: u32, lines: &str) -> String {
        let diff = format!("diff --git a/x b/x\nindex 1111111..2222222 100644\n--- a/x\n+++ b/x\n@@ -{start} +{start} @@\n{lines}");
        patch_id(&parse(diff.as_bytes()).unwrap())
    }

    #[test]
    fn the_id_is_fixed_and_knows_no_line_numbers() {
        assert_eq!(id(1, "-a\n+b\n"), id(90, "-a\n+b\n"));
        for other in ["-a\n+c\n", "-b\n+a\n", "-a\n+b\n\\ No newline at end of file\n"] {
            assert_ne!(id(1, "-a\n+b\n"), id(1, other), "{other}");
        }
        assert_eq!(id(1, "-a\n+b\n"), "b7bc593e12202b9a2fc8f6b46b568e2212aa9d38e76bbb84886bb1c22f4ead69");
    }
}
