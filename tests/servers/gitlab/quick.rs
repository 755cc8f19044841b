//! What GitLab does to the text of a note: quick actions run, suggestions are taken out of fences. Pure functions over text.

/// Splits a body into the text that is kept and the lines that are run.
///
/// GitLab spares known fences and knows a fixed list of commands; what slips through there depends on its version, so here every line that
/// begins with a slash and a letter is run, wherever it stands.
pub(super) fn split(body: &str) -> (String, Vec<String>) {
    let body = body.replace('\r', "");
    let is_action = |line: &&str| line.strip_prefix('/').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_alphabetic()));
    let actions: Vec<String> = body.split('\n').filter(is_action).map(str::to_owned).collect();
    if actions.is_empty() {
        return (body.trim_end().to_owned(), actions);
    }
    let kept: Vec<&str> = body.split('\n').filter(|line| !is_action(line)).collect();
    (kept.join("\n").trim_end().to_owned(), actions)
}

/// A suggestion as it stands in a body: lines above, lines below, the replacement.
pub(super) struct Found {
    pub(super) above: u64,
    pub(super) below: u64,
    pub(super) text: String,
}

/// Lines that a suggestion may reach above or below its own.
const REACH: u64 = 100;

/// Returns the suggestions of a body.
pub(super) fn suggestions(body: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut lines = body.lines();
    while let Some(line) = lines.next() {
        let fence: String = line.chars().take_while(|letter| *letter == '`').collect();
        if fence.len() < 3 {
            continue;
        }
        let inside: Vec<&str> =
            lines.by_ref().take_while(|line| !(line.starts_with(&fence) && line.trim_matches('`').trim().is_empty())).collect();
        let Some(range) = line[fence.len()..].trim().strip_prefix("suggestion") else { continue };
        let Some((above, below)) = reach(range) else { continue };
        let text = inside.into_iter().flat_map(|line| [line, "\n"]).collect();
        found.push(Found { above: above.min(REACH), below: below.min(REACH), text });
    }
    found
}

fn reach(range: &str) -> Option<(u64, u64)> {
    let Some(range) = range.strip_prefix(':') else { return range.is_empty().then_some((0, 0)) };
    let (above, below) = range.split_once('+').map_or((range, "0"), |parts| parts);
    let above = if above.is_empty() { 0 } else { above.strip_prefix('-')?.parse().ok()? };
    Some((above, below.parse().ok()?))
}
