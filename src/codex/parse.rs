//! From the text of a rule file to a rule, strictly. It must not read the file, and never guesses: what it does not know is an error.

use super::complaint::{At, Complaint};
use super::yaml::Node;
use super::{Rule, RuleError, body, front};

/// The largest rule file, in bytes.
pub const MAX_RULE_BYTES: usize = 64 << 10;

/// Returns the rule that the file `origin` holds.
///
/// `origin` is the path as messages show it; its last part must start with the rule's ID.
pub fn parse(origin: &str, text: &str) -> Result<Rule, RuleError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    rule(origin, &text).map_err(|complaint| RuleError::new(origin, &text, complaint))
}

fn rule(origin: &str, text: &str) -> Result<Rule, Complaint> {
    if text.len() > MAX_RULE_BYTES {
        return Err(Complaint::new(At::line(1), format!("a rule file has at most {} KiB", MAX_RULE_BYTES >> 10)));
    }
    let (matter, below) = split(text)?;
    let front = front::read(&Node::read(matter)?)?;
    let file_name = origin.rsplit(['/', '\\']).next().unwrap_or(origin);
    let rest = file_name.strip_prefix(front.id.as_str());
    if !rest.is_some_and(|rest| rest.starts_with(['-', '.'])) {
        return Err(Complaint::new(front.id_at, format!("the file is called `{file_name}`, its rule {}", front.id))
            .hint(format!("name it `{}-a-few-words.md`", front.id)));
    }
    let first_line = text[..text.len() - below.len()].matches('\n').count() + 1;
    let body = body::read(below, first_line, !front.detectors.is_empty())?;
    Ok(Rule {
        id: front.id,
        title: front.title,
        message: front.message,
        severity: front.severity,
        reviewer: front.reviewer,
        status: front.status,
        owner: front.owner,
        rfc: front.rfc,
        applies_to: front.applies_to,
        tags: front.tags,
        detectors: front.detectors,
        guidance: body.guidance,
        why: body.why,
        body: below.trim().to_owned(),
        examples: body.examples,
        origin: origin.to_owned(),
    })
}

/// Returns the front matter and what is below it. The former starts with the rest of the first line, so that its line numbers are the file's.
fn split(text: &str) -> Result<(&str, &str), Complaint> {
    let opened = text.strip_prefix("---").filter(|rest| rest.trim_start_matches([' ', '\t']).starts_with('\n'));
    let Some(opened) = opened else {
        return Err(Complaint::new(At::line(1), "a rule file starts with `---` and its front matter"));
    };
    let mut end = 0;
    for line in opened.split_inclusive('\n') {
        if end > 0 && line.trim_end() == "---" {
            return Ok((&opened[..end], &opened[end + line.len()..]));
        }
        end += line.len();
    }
    Err(Complaint::new(At::line(1), "the front matter is not closed").hint("close it with a line `---`"))
}

#[cfg(test)]
mod tests;
