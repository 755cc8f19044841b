//! What the texts of one merge request link to. It must not fetch anything: every address is given, or made of given ones.

use std::fmt::Write as _;

use super::Links;
use super::defuse::code;
use crate::change::{CommitId, RepoPath};
use crate::codex::RuleId;

/// The longest address that becomes a link, in bytes.
const MAX_URL_BYTES: usize = 1000;

/// The merge request that texts are written for.
#[derive(Clone, Copy)]
pub struct Page<'a> {
    /// Where links in foreign text may lead.
    pub links: &'a Links,
    /// Page of the project, e.g. `https://gitlab.example.com/shop/api`.
    pub project: &'a str,
    /// Page of the merge request.
    pub merge_request: &'a str,
    /// Page of the job, where it can be run again; none if there is none.
    pub job: Option<&'a str>,
    /// Page of a rule; none if it has none.
    pub rule: &'a dyn Fn(&RuleId) -> Option<String>,
    /// The merge base, which removed lines are shown in.
    pub base: &'a CommitId,
    /// The reviewed head.
    pub head: &'a CommitId,
}

impl Page<'_> {
    /// Returns a rule as a link to its page. Without one it is code, which no issue tracker of the project takes for a ticket.
    pub(super) fn rule(&self, rule: &RuleId) -> String {
        match (self.rule)(rule) {
            Some(url) => link(rule.as_str(), &url),
            None => code(rule.as_str()),
        }
    }

    /// Returns rules as links, comma-separated; empty without one.
    pub(super) fn rules(&self, rules: &[RuleId]) -> String {
        rules.iter().map(|rule| self.rule(rule)).collect::<Vec<_>>().join(", ")
    }

    /// Returns the address of lines of a file; `lines` are the first and the last one, 1-based.
    pub(super) fn file(&self, commit: &CommitId, path: &RepoPath, lines: Option<(u32, u32)>) -> String {
        let anchor = match lines {
            None => String::new(),
            Some((first, last)) if first == last => format!("#L{last}"),
            Some((first, last)) => format!("#L{first}-{last}"),
        };
        blob_url(self.project, commit, path) + &anchor
    }

    /// Returns the address of a note.
    pub(super) fn note(&self, note: u64) -> String {
        format!("{}#note_{note}", self.merge_request)
    }

    /// Returns words as a link to the job, where it can be run again; only the words where there is none.
    pub(super) fn job(&self, words: &str) -> String {
        self.job.map_or_else(|| words.to_owned(), |job| link(words, job))
    }

    /// Returns when replies are read.
    pub(super) fn reading(&self) -> String {
        format!("read at the next pipeline, or when {}", self.job("the job is run again"))
    }
}

/// Returns a link, or only its text where Markdown could misread the address.
pub(super) fn link(text: &str, url: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#&=+,%@".contains(&b);
    let web = url.starts_with("https://") || url.starts_with("http://");
    if web && url.len() <= MAX_URL_BYTES && url.bytes().all(plain) { format!("[{text}]({url})") } else { text.to_owned() }
}

/// Returns the address of a file at a commit of a project, whose page is given.
pub fn blob_url(project: &str, commit: &CommitId, path: &RepoPath) -> String {
    format!("{}/-/blob/{commit}/{}", project.trim_end_matches('/'), encoded(path))
}

/// Returns a path as part of an address.
fn encoded(path: &RepoPath) -> String {
    let mut out = String::new();
    for byte in path.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(byte) {
            out.push(char::from(*byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_markdown_could_misread_is_no_link() {
        assert_eq!(link("text", "https://gitlab.example.com/shop/-/jobs/3"), "[text](https://gitlab.example.com/shop/-/jobs/3)");
        for url in ["", "javascript:alert(1)", "https://x.org/a)b", "https://x.org/a b", "https://x.org/\nx", "https://x.org/<", "/a"] {
            assert_eq!(link("text", url), "text", "{url}");
        }
        assert_eq!(link("text", &format!("https://x.org/{}", "a".repeat(MAX_URL_BYTES))), "text");
    }

    #[test]
    fn paths_are_encoded_byte_for_byte() {
        assert_eq!(encoded(&RepoPath::from_bytes(b"a b/caf\xe9#1(2).rs")), "a%20b/caf%E9%231%282%29.rs");
    }
}
