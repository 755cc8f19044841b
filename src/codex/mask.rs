//! The masked view: secrets out of every text before it reaches a prompt, a tool's answer, a log or an output. Line for line, and stable.

use hmac::{Hmac, KeyInit as _, Mac as _};
use regex::{Regex, RegexSet};
use sha2::Sha256;

use super::{Detector, Rule};

/// Finds secrets by the regexes of the built-in rules tagged `secret`, whether or not these rules are in force.
pub struct Mask {
    set: RegexSet,
    each: Vec<(Regex, Option<Regex>, String)>,
    key: Vec<u8>,
}

/// A line of this many base64 characters and nothing else is taken for key material when several of them stand together.
const KEY_LINE: std::ops::RangeInclusive<usize> = 64..=76;
/// How many such lines together.
const KEY_LINES: usize = 3;

impl Mask {
    /// Returns a mask. `key` is the run's secret: the same secret gets the same mark all through a merge request, and nobody can guess it from the mark.
    pub fn new<'r>(rules: impl IntoIterator<Item = &'r Rule>, key: &[u8]) -> Self {
        let mut each = Vec::new();
        for rule in rules.into_iter().filter(|rule| rule.tagged("secret")) {
            for detector in &rule.detectors {
                if let Detector::Regex { find, except } = detector {
                    each.push((find.clone(), except.clone(), rule.id.to_string()));
                }
            }
        }
        let set = RegexSet::new(each.iter().map(|(find, _, _)| find.as_str())).expect("every pattern of the set compiled by itself");
        Self { set, each, key: key.to_vec() }
    }

    /// Returns the text with each secret replaced by `[MASKED:RULE-ID:mark]`. The number of lines stays the same.
    ///
    /// The capture group `secret` of a pattern, where it has one, is what is masked; else the whole match. Private keys are masked from header to footer, and where only a part of one is visible.
    pub fn apply(&self, text: &str) -> String {
        let lines: Vec<&str> = text.split('\n').collect();
        let keyed = key_lines(&lines);
        let mut out = String::with_capacity(text.len());
        for (index, (line, key_material)) in lines.iter().zip(keyed).enumerate() {
            if index > 0 {
                out.push('\n');
            }
            if key_material {
                let kept = line.len() - line.trim_start().len();
                out.push_str(&line[..kept]);
                out.push_str("[MASKED:private-key]");
                if line.ends_with('\r') {
                    out.push('\r');
                }
            } else {
                self.line(line, &mut out);
            }
        }
        out
    }

    fn line(&self, line: &str, out: &mut String) {
        let hits = self.set.matches(line);
        if !hits.matched_any() {
            out.push_str(line);
            return;
        }
        let mut secrets: Vec<(usize, usize, &str)> = Vec::new();
        for index in hits {
            let (find, except, kind) = &self.each[index];
            if except.as_ref().is_some_and(|except| except.is_match(line)) {
                continue;
            }
            for captures in find.captures_iter(line) {
                let secret = captures.name("secret").or_else(|| captures.get(0)).expect("group 0 is the match");
                secrets.push((secret.start(), secret.end(), kind));
            }
        }
        secrets.sort_unstable();
        let mut at = 0;
        for (start, end, kind) in secrets {
            // A mark is not masked again, and of two that overlap the first stands for both.
            if end <= at || line[start..end].contains("[MASKED:") {
                continue;
            }
            let start = start.max(at);
            out.push_str(&line[at..start]);
            out.push_str(&format!("[MASKED:{kind}:{}]", self.mark(&line[start..end])));
            at = end;
        }
        out.push_str(&line[at..]);
    }

    fn mark(&self, secret: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(secret.as_bytes());
        hex::encode(&mac.finalize().into_bytes()[..3])
    }
}

/// Which lines are the body of a private key: between header and footer, or a run of bare base64.
fn key_lines(lines: &[&str]) -> Vec<bool> {
    let mut marked = vec![false; lines.len()];
    let armour = |line: &str, word: &str| line.contains(word) && line.contains("PRIVATE KEY-----");
    let mut inside = false;
    for (index, line) in lines.iter().enumerate() {
        if armour(line, "-----END ") {
            inside = false;
            for back in (0..index).rev().take_while(|back| base64(lines[*back])) {
                marked[back] = true;
            }
        } else if armour(line, "-----BEGIN ") {
            inside = true;
        } else if inside {
            // A header without an end is prose about keys after the first line that is neither base64 nor a PEM header.
            inside = base64(line) || line.trim().is_empty() || line.contains(": ");
            marked[index] = inside && !line.trim().is_empty();
        }
    }
    let mut start = 0;
    while start < lines.len() {
        let run = lines[start..].iter().take_while(|line| KEY_LINE.contains(&bare(line).len()) && base64(line)).count();
        if run >= KEY_LINES {
            marked[start..start + run].fill(true);
        }
        start += run.max(1);
    }
    marked
}

/// A line without what a diff or a quoted string puts around it.
fn bare(line: &str) -> &str {
    line.trim().trim_matches(['"', '\'', '+', '-', ',', '\\']).trim_end_matches("\\n")
}

fn base64(line: &str) -> bool {
    let line = bare(line);
    line.len() >= 4 && line.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

#[cfg(test)]
mod tests;
