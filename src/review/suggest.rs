//! A proposed replacement, applied in memory before anybody sees it. It must not repair a proposal: what does not fit is shown as plain code.

use super::Suggestion;
use crate::change::{FileDiff, Line, LineKind};

/// Most lines that one suggestion replaces: GitLab takes 100 above the line it stands on.
const MAX_REPLACED_LINES: usize = 100;

/// Returns what becomes of a replacement for the lines `first` to `last` of a patch. `shown` is the same file with secrets masked, as readers saw it.
pub(super) fn fitted(file: &FileDiff, shown: &FileDiff, first: usize, last: usize, code: &str) -> Suggestion {
    let code = bare(code);
    if code.trim().is_empty() {
        return Suggestion::None;
    }
    let original: Vec<&Line> = file.lines().skip(first).take(last + 1 - first).collect();
    let seen = shown.lines().skip(first).take(last + 1 - first);
    let plain = |why: &str| Suggestion::Plain { code: code.clone(), why: why.to_owned() };
    if original.iter().zip(seen).any(|(line, seen)| line.text != seen.text) || code.contains("[MASKED") {
        return plain("it touches a line with a masked secret");
    }
    if original.iter().any(|line| line.kind == LineKind::Removed) {
        return plain("it would replace removed lines");
    }
    if original.is_empty() || original.len() > MAX_REPLACED_LINES {
        return plain("it replaces too many lines");
    }
    let old: Vec<&str> = original.iter().map(|line| line.text.trim_end_matches('\r')).collect();
    let new: Vec<&str> = code.lines().collect();
    if old == new {
        return Suggestion::None;
    }
    if indent(&old) != indent(&new) {
        return plain("its indentation is not that of the lines it replaces");
    }
    Suggestion::Applies(code)
}

/// The white space in front of the first line that has any text.
fn indent<'t>(lines: &[&'t str]) -> &'t str {
    let line = lines.iter().find(|line| !line.trim().is_empty()).copied().unwrap_or("");
    &line[..line.len() - line.trim_start().len()]
}

/// The code without a fence around it, without carriage returns and without line feeds at its end.
fn bare(code: &str) -> String {
    let code = code.replace("\r\n", "\n");
    let trimmed = code.trim_matches('\n');
    let inner = trimmed.strip_prefix("```").and_then(|rest| rest.split_once('\n')).and_then(|(_, rest)| rest.strip_suffix("```"));
    inner.unwrap_or(trimmed).trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::parse;

    const DIFF: &str = "--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,4 @@\n def f():\n-    return 1\n+    x = 1\n+    return x\r\n # end\n";

    fn check(first: usize, last: usize, code: &str) -> String {
        let change = parse(DIFF.as_bytes()).unwrap();
        let shown = change.masked(|text| text.replace("x = 1", "x = [MASKED:SEC-0005:1]"));
        match fitted(&change.files()[0], &shown.files()[0], first, last, code) {
            Suggestion::None => "none".to_owned(),
            Suggestion::Applies(code) => format!("applies: {code:?}"),
            Suggestion::Plain { why, .. } => why,
        }
    }

    #[test]
    fn what_fits_applies_whatever_fence_or_line_ending_it_came_with() {
        assert_eq!(check(3, 3, "    return 2"), "applies: \"    return 2\"");
        assert_eq!(check(3, 3, "```python\n    return 2\n```"), "applies: \"    return 2\"");
        assert_eq!(check(3, 4, "    return 2\r\n# end\r\n"), "applies: \"    return 2\\n# end\"");
    }

    #[test]
    fn what_does_not_fit_says_why() {
        assert_eq!(check(3, 3, "return 2"), "its indentation is not that of the lines it replaces");
        assert_eq!(check(3, 3, "\treturn 2"), "its indentation is not that of the lines it replaces");
        assert_eq!(check(1, 1, "    return 2"), "it would replace removed lines");
        assert_eq!(check(2, 3, "    return 1"), "it touches a line with a masked secret");
        assert_eq!(check(3, 3, "    return [MASKED:a:1]"), "it touches a line with a masked secret");
        assert_eq!(check(3, 3, "    return x"), "none");
        assert_eq!(check(3, 3, " \n"), "none");
    }
}
