//! The masked view: every secret that the rules know becomes a marker, line for line, before a text reaches a prompt, a tool's answer, a log
//! or an output. It must not change what it does not mask, and its markers give nothing away.

use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use regex::Regex;
use sha2::Sha256;

use super::lines::over_lines;
use super::pem::{KeyLine, key_lines};
use super::{Detector, Rule};

/// The tag of rules whose regexes find secrets.
const SECRET_TAG: &str = "secret";
/// Name of the group that holds the secret itself, where a regex has one.
const SECRET_GROUP: &str = "secret";
/// The most times a text is gone over: masking one secret may lay another one bare.
const MAX_PASSES: usize = 8;

static MARKER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\[MASKED:[a-z0-9-]+:[0-9a-f]{6}\]").expect("a valid regex"));

/// Finds secrets and puts `[MASKED:kind:n]` in their place.
///
/// `kind` is the first tag of the rule besides `secret`; `n` is the same for the same secret and key, and says nothing about either.
#[derive(Clone)]
pub struct Mask {
    rules: Vec<MaskRule>,
    keyed: Hmac<Sha256>,
}

#[derive(Clone)]
struct MaskRule {
    find: Regex,
    except: Option<Regex>,
    quick: Option<Regex>,
    kind: String,
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask({} rules)", self.rules.len())
    }
}

impl Mask {
    /// Returns the mask of the regexes of all `rules` tagged `secret`, whatever their status; `key` numbers the secrets of this run.
    ///
    /// Masked is the group `secret` of a regex if it has one, else all it matches. What the regex's `except` matches by itself is no secret.
    pub fn new(rules: &[Rule], key: &[u8]) -> Self {
        let mut gathered = Vec::new();
        for rule in rules.iter().filter(|rule| rule.tags.iter().any(|tag| tag == SECRET_TAG)) {
            let kind = rule.tags.iter().find(|tag| *tag != SECRET_TAG && !tag.is_empty()).map_or(SECRET_TAG, String::as_str);
            for detector in &rule.detectors {
                match detector {
                    Detector::Regex { find, except } => gathered.push(MaskRule {
                        find: find.clone(),
                        except: except.clone(),
                        quick: over_lines(find),
                        kind: kind.to_owned(),
                    }),
                    Detector::Structural { .. } | Detector::CoChange { .. } => {}
                }
            }
        }
        let keyed = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
        Self { rules: gathered, keyed }
    }

    /// Returns the text with its secrets masked, with as many lines as before and the same line ends.
    ///
    /// Lines are best given as they are in the file: before numbers and anchors are put in front of them.
    pub fn apply(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for _ in 0..MAX_PASSES {
            match self.pass(&masked) {
                Some(next) => masked = next,
                None => break,
            }
        }
        masked
    }

    /// Goes over a text once; none if there is nothing to mask.
    fn pass(&self, text: &str) -> Option<String> {
        let lines: Vec<&str> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
        let joined;
        let haystack = if text.contains("\r\n") {
            joined = lines.join("\n");
            joined.as_str()
        } else {
            text
        };
        let likely: Vec<&MaskRule> =
            self.rules.iter().filter(|rule| rule.quick.as_ref().is_none_or(|quick| quick.is_match(haystack))).collect();
        let keys = key_lines(&lines);
        if likely.is_empty() && keys.is_empty() {
            return None;
        }
        let mut masked = String::with_capacity(text.len());
        let mut changed = false;
        let nothing = KeyLine::default();
        for (number, whole) in text.split('\n').enumerate() {
            if number > 0 {
                masked.push('\n');
            }
            let line = lines[number];
            let mut from = 0;
            for (range, kind) in secrets(line, &likely, keys.get(number).unwrap_or(&nothing)) {
                masked.push_str(&line[from..range.start]);
                masked.push_str(&self.marker(kind, &line[range.clone()]));
                from = range.end;
                changed = true;
            }
            masked.push_str(&whole[from..]);
        }
        changed.then_some(masked)
    }

    fn marker(&self, kind: &str, secret: &str) -> String {
        let mut keyed = self.keyed.clone();
        keyed.update(secret.as_bytes());
        let digest = keyed.finalize().into_bytes();
        format!("[MASKED:{kind}:{}]", hex::encode(&digest[..3]))
    }
}

/// Returns what to mask in a line: stretches that do not touch, in order, each with its kind.
fn secrets<'r>(line: &str, rules: &[&'r MaskRule], key: &KeyLine) -> Vec<(Range<usize>, &'r str)> {
    let mut found: Vec<(Range<usize>, &str)> = key.secret.iter().map(|range| (range.clone(), "private-key")).collect();
    for rule in rules {
        for captures in rule.find.captures_iter(line) {
            let Some(secret) = captures.name(SECRET_GROUP).or_else(|| captures.get(0)) else { continue };
            // An `except` elsewhere on the line does not count: who writes "example" behind a secret does not make it harmless.
            let excepted = rule.except.as_ref().is_some_and(|except| except.is_match(secret.as_str()));
            let public = key.public.iter().any(|public| public.start <= secret.start() && secret.end() <= public.end);
            if !excepted && !public {
                found.push((secret.range(), &rule.kind));
            }
        }
    }
    if found.is_empty() {
        return found;
    }
    let markers: Vec<Range<usize>> = MARKER.find_iter(line).map(|marker| marker.range()).collect();
    found.retain(|(range, _)| !range.is_empty() && !covered(range, &markers));
    found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    let mut joined: Vec<(Range<usize>, &str)> = Vec::new();
    for (range, kind) in found {
        match joined.last_mut() {
            Some((last, known)) if range.start < last.end => {
                last.end = last.end.max(range.end);
                // A rule that knows what it is says more than one that only sees an assignment.
                *known = if *known == SECRET_TAG { kind } else { *known };
            }
            _ => joined.push((range, kind)),
        }
    }
    joined
}

/// Returns whether a stretch holds nothing but markers: those are masked already.
fn covered(range: &Range<usize>, markers: &[Range<usize>]) -> bool {
    let mut at = range.start;
    for marker in markers {
        if marker.start <= at && at < marker.end {
            at = marker.end;
        }
    }
    at >= range.end
}

#[cfg(test)]
mod tests;
