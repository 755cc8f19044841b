//! Texts that a diff implies: the base behind a head, the head of an added file. It must not guess: hunks that do not fit give nothing.

use super::{Content, FileDiff, Hunk, Line, LineKind, Status};

impl FileDiff {
    /// Returns the text of the file in the base, made from its text in the head by taking the hunks back; `None` if they do not fit, or if the
    /// diff shows no text. The text of a side that does not exist is empty.
    ///
    /// `head` must show bytes that are not UTF-8 as the diff does, as U+FFFD.
    pub fn base_text(&self, head: &str) -> Option<String> {
        let Content::Text(hunks) = &self.content else { return None };
        let mut base = String::with_capacity(head.len());
        let mut rest = head.split_inclusive('\n');
        // Lines passed in the head and written to the base.
        let (mut passed, mut written) = (0, 0);
        for hunk in hunks {
            while passed + 1 < hunk.new_begin() {
                base.push_str(rest.next()?);
                passed += 1;
                written += 1;
            }
            // Where lines were left out of the diff on purpose (`--ignore-blank-lines`), the base cannot be known. A hunk that follows no old
            // line may stand second only where the file changed its type: then it comes behind the hunk that removes all.
            if written + 1 != hunk.old_begin() && hunk.old_start > 0 {
                return None;
            }
            take_back(hunk, &mut rest, &mut base)?;
            passed += hunk.new_lines;
            written += hunk.old_lines;
        }
        base.extend(rest);
        Some(base)
    }

    /// Returns the text of an added file from its hunks alone; `None` for any other file, or if the diff shows no text.
    pub fn head_of_added(&self) -> Option<String> {
        if self.status != Status::Added || !matches!(self.content, Content::Text(_)) {
            return None;
        }
        Some(self.lines().filter(|line| line.kind != LineKind::Removed).flat_map(pieces).collect())
    }
}

/// Checks the hunk's head lines against `rest`, and writes its base lines.
fn take_back<'a>(hunk: &Hunk, rest: &mut impl Iterator<Item = &'a str>, base: &mut String) -> Option<()> {
    for line in &hunk.lines {
        if line.kind != LineKind::Removed {
            let there = rest.next()?;
            let text = there.strip_suffix('\n');
            if text.is_some() != line.newline || text.unwrap_or(there) != line.text {
                return None;
            }
        }
        if line.kind != LineKind::Added {
            base.extend(pieces(line));
        }
    }
    Some(())
}

fn pieces(line: &Line) -> [&str; 2] {
    [&line.text, if line.newline { "\n" } else { "" }]
}

#[cfg(test)]
mod tests {
    use crate::change::{Change, parse};

    fn read(hunks: &str) -> Change {
        let diff = format!("diff --git a/x b/x\nindex 1111111..2222222 100644\n--- a/x\n+++ b/x\n{hunks}");
        parse(diff.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{diff}"))
    }

    #[test]
    fn hunks_are_taken_back_where_they_fit() {
        let change = read("@@ -2 +1,0 @@\n-b\n@@ -4,0 +4,2 @@\n+x\n+y\n@@ -6 +7 @@\n-f\n+F\n\\ No newline at end of file\n");
        let file = &change.files()[0];
        assert_eq!(file.base_text("a\nc\nd\nx\ny\ne\nF"), Some("a\nb\nc\nd\ne\nf\n".to_owned()));
    }

    #[test]
    fn hunks_that_do_not_fit_give_nothing() {
        let change = read("@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
        let file = &change.files()[0];
        assert_eq!(file.base_text("a\nc\nrest\n"), Some("a\nb\nrest\n".to_owned()));
        for head in ["", "a\n", "a\nx\n", "a\nc", "a\r\nc\n", "a c\n"] {
            assert_eq!(file.base_text(head), None, "{head:?}");
        }
        let hidden = read("@@ -1 +2 @@\n-a\n+b\n");
        assert_eq!(hidden.files()[0].base_text("\nb\n"), None);
    }

    #[test]
    fn a_file_without_hunks_is_its_own_base_and_a_binary_one_has_none() {
        let change = parse(
            b"diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n\
              diff --git a/z b/z\nindex 1111111..2222222 100644\nBinary files a/z and b/z differ\n",
        )
        .unwrap();
        assert_eq!(change.files()[0].base_text("t\n"), Some("t\n".to_owned()));
        assert_eq!(change.files()[1].base_text("t\n"), None);
    }

    #[test]
    fn only_an_added_file_is_known_from_its_hunks_alone() {
        let change = parse(
            b"diff --git a/x b/x\nnew file mode 100644\nindex 0000000..1111111\n--- /dev/null\n+++ b/x\n@@ -0,0 +1,2 @@\n+a\r\n+b\n\
              \\ No newline at end of file\n",
        )
        .unwrap();
        assert_eq!(change.files()[0].head_of_added(), Some("a\r\nb".to_owned()));
        assert_eq!(change.files()[0].base_text("a\r\nb"), Some(String::new()));
        assert_eq!(read("@@ -0,0 +1 @@\n+c\n").files()[0].head_of_added(), None);
    }
}
