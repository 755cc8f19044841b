//! Changes between two sets of files, for tests. It must not detect renames by itself: they are named.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use similar::TextDiff;

use super::{Change, parse};

/// Files by path, each a text that ends with a line feed.
pub(crate) type Tree = BTreeMap<String, String>;

/// Returns files of these texts; a space stands for the end of a line.
pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
    files.iter().map(|(path, words)| ((*path).to_owned(), words.split(' ').fold(String::new(), |text, word| text + word + "\n"))).collect()
}

/// Returns the change between two sets of files, with three lines of context. `renames` maps paths of the head to paths of the base.
pub(crate) fn between(base: &Tree, head: &Tree, renames: &BTreeMap<String, String>) -> Change {
    let mut diff = String::new();
    let gone = |path: &&String| !head.contains_key(*path) && !renames.values().any(|old| old == *path);
    for path in base.keys().filter(gone) {
        write!(diff, "diff --git a/{path} b/{path}\ndeleted file mode 100644\nindex 1111111..0000000\n").unwrap();
        hunks(&mut diff, &format!("a/{path}"), "/dev/null", &base[path], "");
    }
    for (path, text) in head {
        let old = renames.get(path).unwrap_or(path);
        match base.get(old) {
            Some(before) if old == path && before == text => {}
            Some(before) => {
                writeln!(diff, "diff --git a/{old} b/{path}").unwrap();
                if old != path {
                    let percent = if before == text { 100 } else { 90 };
                    write!(diff, "similarity index {percent}%\nrename from {old}\nrename to {path}\n").unwrap();
                }
                if before != text {
                    writeln!(diff, "index 1111111..2222222 100644").unwrap();
                    hunks(&mut diff, &format!("a/{old}"), &format!("b/{path}"), before, text);
                }
            }
            None => {
                write!(diff, "diff --git a/{path} b/{path}\nnew file mode 100644\nindex 0000000..2222222\n").unwrap();
                hunks(&mut diff, "/dev/null", &format!("b/{path}"), "", text);
            }
        }
    }
    parse(diff.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{diff}"))
}

fn hunks(out: &mut String, old: &str, new: &str, before: &str, after: &str) {
    if before != after {
        let diff = TextDiff::from_lines(before, after);
        write!(out, "{}", diff.unified_diff().context_radius(3).header(old, new)).unwrap();
    }
}
