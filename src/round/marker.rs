//! What is hidden in the bot's own notes: `<!-- assize:KIND v1 … mac=… -->`, always the last line of a note.
//!
//! Anybody who may edit notes can write such a line, so it is signed with a key of this merge request. It must not decide whose notes are
//! believed: `reading` does.

use std::fmt;
use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use pulldown_cmark::{Event, Parser};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::state::{Extra, FindingId, Known, KnownPlace, State, StateError, Status, ThreadRef, Trail};
use crate::change::{CommitId, Side};
use crate::codex::RuleId;
use crate::review::Severity;

/// The most a marker may take of a note, in bytes.
pub const MAX_MARKER_BYTES: usize = 64 * 1024;
/// The most that a state unpacks to, in bytes: what is larger was not written by this program.
const MAX_STATE_BYTES: usize = 2 * 1024 * 1024;
/// The version of the line itself.
const VERSION: &str = "v1";
const OPENING: &str = "<!-- assize:";
const CLOSING: &str = " -->";
/// Rounds that stay remembered when room is short: the first, and this many of the last.
const ROUNDS_KEPT: usize = 10;
/// The longest title in a thread's marker and in a state that is short of room, in characters.
const SHORT_TITLE_CHARS: usize = 60;

/// The keys of one merge request, derived from one secret and useless for any other merge request or purpose.
#[derive(Clone)]
pub struct Keys {
    marker: [u8; 32],
    boundary: [u8; 32],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(***)")
    }
}

impl Keys {
    /// Derives the keys of the merge request `iid` of `project` from a secret: `ASSIZE_KEY`, or the GitLab token.
    pub fn derive(secret: &[u8], project: u64, iid: u64) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(b"assize"), secret);
        let key = |purpose: &str| {
            let mut key = [0; 32];
            hkdf.expand(format!("{purpose}/1/{project}/{iid}").as_bytes(), &mut key).expect("32 bytes are less than HKDF gives");
            key
        };
        Self { marker: key("marker"), boundary: key("boundary") }
    }

    /// Returns the key that names the boundaries of untrusted text in prompts.
    pub fn boundary(&self) -> &[u8] {
        &self.boundary
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.marker).expect("HMAC takes keys of any length");
        mac.update(text.as_bytes());
        mac
    }
}

/// Whether the signature of a marker holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// Written with the key of this merge request.
    Valid,
    /// Not so: another key, or another hand.
    Broken,
}

/// What a marker says.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// The summary, with the state.
    Summary(Result<State, StateError>),
    /// The thread of a finding.
    Finding(FindingMark),
    /// A reply of the bot's in a thread.
    Reply(ReplyMark),
}

/// What the thread of a finding says about it: enough to remember it by when the summary is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingMark {
    /// Its lasting name.
    pub id: FindingId,
    /// Its fingerprint when the thread was opened.
    pub fingerprint: String,
    /// The round that opened the thread.
    pub round: u32,
    /// How bad it was.
    pub severity: Severity,
    /// Its rules.
    pub rule_ids: Vec<RuleId>,
    /// Its title, shortened.
    pub title: String,
    /// Where it stood.
    pub place: KnownPlace,
    /// How many lines above its last line it began.
    pub above: u32,
    /// Digest of its first line, see `state::line_digest`; none without a line.
    pub text: Option<String>,
    /// The rules whose detectors saw it, sorted.
    pub detectors: Vec<RuleId>,
}

/// What a reply of the bot's answers, so that none is given twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplyMark {
    /// The finding.
    pub id: FindingId,
    /// The kind of answer, one lower-case word.
    pub kind: String,
    /// The head at which it was given.
    pub head: CommitId,
}

impl FindingMark {
    /// Returns the mark of a finding whose thread `round` opens.
    pub fn of(known: &Known, round: u32) -> Self {
        Self {
            id: known.id,
            fingerprint: known.fingerprint.clone(),
            round,
            severity: known.severity,
            rule_ids: known.rule_ids.clone(),
            title: known.title.chars().take(SHORT_TITLE_CHARS).collect(),
            place: known.place.clone(),
            above: known.trail.above,
            text: known.trail.text.clone(),
            detectors: known.trail.detectors.clone(),
        }
    }

    /// Returns the finding as it is remembered from its thread alone.
    pub fn known(&self, thread: ThreadRef) -> Known {
        Known {
            id: self.id,
            fingerprint: self.fingerprint.clone(),
            rule_ids: self.rule_ids.clone(),
            severity: self.severity,
            title: self.title.clone(),
            place: self.place.clone(),
            status: Status::Open,
            first: self.round,
            last: self.round,
            thread: Some(thread),
            trail: Trail { above: self.above, text: self.text.clone(), detectors: self.detectors.clone(), ..Trail::default() },
            extra: Extra::new(),
        }
    }
}

/// The facts of a finding's marker beside its name and fingerprint.
#[derive(Serialize, Deserialize)]
struct Facts {
    round: u32,
    severity: String,
    #[serde(default)]
    rules: Vec<String>,
    title: String,
    path: String,
    line: Option<u32>,
    #[serde(default)]
    old_side: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    above: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    detectors: Vec<String>,
}

/// Returns the marker of a finding's thread.
pub fn finding(mark: &FindingMark, keys: &Keys) -> String {
    let facts = Facts {
        round: mark.round,
        severity: mark.severity.word().to_owned(),
        rules: mark.rule_ids.iter().map(ToString::to_string).collect(),
        title: mark.title.clone(),
        path: mark.place.path.to_string(),
        line: mark.place.line,
        old_side: mark.place.side == Side::Old,
        above: Some(mark.above).filter(|above| *above > 0),
        text: mark.text.clone(),
        detectors: mark.detectors.iter().map(ToString::to_string).collect(),
    };
    let facts = serde_json::to_vec(&facts).expect("facts hold nothing that JSON cannot");
    // A fingerprint is 16 digits; of anything else only what cannot end the comment is written.
    let fingerprint: String = mark.fingerprint.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    sealed("finding", &format!("{} {fingerprint} d={}", mark.id, URL_SAFE_NO_PAD.encode(facts)), keys)
}

/// Returns the marker of a reply.
pub fn reply(mark: &ReplyMark, keys: &Keys) -> String {
    sealed("reply", &format!("{} {} {}", mark.id, mark.kind, mark.head), keys)
}

/// The marker of a summary, and what had to be left out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryMarker {
    /// The marker.
    pub text: String,
    /// Closed findings that the state no longer remembers, over all rounds.
    pub trimmed: u32,
    /// Open findings that did not fit either. Those with a thread are remembered by it.
    pub lost: u32,
}

/// Returns the marker of a summary: the state, at most 64 KiB. Closed findings go first when it is too large, fixed before dismissed.
pub fn summary(state: &State, keys: &Keys) -> SummaryMarker {
    let mut state = state.clone();
    let mut lost = 0;
    loop {
        let json = state.to_json();
        let text = sealed("summary", &format!("z={}", URL_SAFE_NO_PAD.encode(packed(json.as_bytes()))), keys);
        if text.len() <= MAX_MARKER_BYTES && json.len() <= MAX_STATE_BYTES {
            return SummaryMarker { text, trimmed: state.trimmed, lost };
        }
        if !shrink(&mut state, &mut lost) {
            // Nothing of ours is left: only what a newer program added can be this large.
            state.extra.clear();
            state.rounds.clear();
        }
    }
}

/// Gives up the least that may help. Returns false if nothing is left to give up.
fn shrink(state: &mut State, lost: &mut u32) -> bool {
    let fixed = |known: &Known| matches!(known.status, Status::Fixed { .. });
    let closed = |known: &Known| !known.status.is_open();
    if let removed @ 1.. = drop_half(&mut state.findings, fixed) {
        state.trimmed = state.trimmed.saturating_add(removed);
    } else if state.rounds.len() > ROUNDS_KEPT + 1 {
        let kept_from = state.rounds.len() - ROUNDS_KEPT;
        state.rounds.drain(1..kept_from);
    } else if state.findings.iter().any(|known| known.title.chars().count() > SHORT_TITLE_CHARS) {
        for known in &mut state.findings {
            known.title = known.title.chars().take(SHORT_TITLE_CHARS).collect();
        }
    } else if let removed @ 1.. = drop_half(&mut state.findings, closed) {
        state.trimmed = state.trimmed.saturating_add(removed);
    } else {
        // The mildest go first: what is bad has a thread, which remembers it.
        let mildest = state.findings.iter().map(|known| known.severity).min();
        let removed = drop_half(&mut state.findings, |known| Some(known.severity) == mildest);
        *lost += removed;
        if removed == 0 {
            if state.rounds.len() <= 1 {
                return false;
            }
            state.rounds.remove(0);
        }
    }
    true
}

/// Removes the older half, at least one, of the findings that `may_go`; returns how many.
fn drop_half(findings: &mut Vec<Known>, may_go: impl Fn(&Known) -> bool) -> u32 {
    let count = findings.iter().filter(|known| may_go(known)).count();
    let mut left = count.div_ceil(2);
    findings.retain(|known| {
        let goes = left > 0 && may_go(known);
        left -= usize::from(goes);
        !goes
    });
    u32::try_from(count.div_ceil(2)).unwrap_or(u32::MAX)
}

/// Reads the marker of a note. `None`: there is none, or it is no marker of this format.
pub fn read(body: &str, keys: &Keys) -> Option<(Mark, Seal)> {
    let line = last_line(body)?;
    let inside = line.strip_prefix(OPENING)?.strip_suffix(CLOSING)?;
    if line.len() > MAX_MARKER_BYTES || inside.contains("-->") {
        return None;
    }
    let (signed, mac) = inside.rsplit_once(" mac=")?;
    let valid = URL_SAFE_NO_PAD.decode(mac).is_ok_and(|mac| keys.mac(signed).verify_slice(&mac).is_ok());
    let seal = if valid { Seal::Valid } else { Seal::Broken };
    let mut words = signed.split(' ');
    let (kind, version) = (words.next()?, words.next()?);
    let rest: Vec<&str> = words.collect();
    let mark = match kind {
        "summary" => Mark::Summary(read_summary(version, &rest)),
        "finding" => Mark::Finding(read_finding(version, &rest)?),
        "reply" => Mark::Reply(read_reply(version, &rest)?),
        _ => return None,
    };
    Some((mark, seal))
}

/// Returns whether a text ends with a line that looks like a marker, whoever wrote it.
pub fn is_marked(body: &str) -> bool {
    last_line(body).is_some_and(|line| line.starts_with(OPENING) && line.ends_with(CLOSING))
}

/// The last line of a note if it stands there as HTML of its own, outside quotations, lists and code.
fn last_line(body: &str) -> Option<&str> {
    let body = body.trim_end();
    let line = body.rsplit('\n').next()?;
    let from = body.len() - line.len();
    let mut depth = 0_usize;
    // Only a parser knows which back-quotes are a fence: a line may begin with a code span, and a fence with the mark of a list.
    Parser::new(body)
        .into_offset_iter()
        .any(|(event, range)| {
            match event {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth = depth.saturating_sub(1),
                Event::Html(_) => return depth == 1 && range.contains(&from),
                _ => {}
            }
            false
        })
        .then_some(line)
}

fn read_summary(version: &str, words: &[&str]) -> Result<State, StateError> {
    let unreadable = |what: &str| StateError::Unreadable(what.to_owned());
    if version != VERSION {
        let needs = version.strip_prefix('v').and_then(|number| number.parse().ok());
        return Err(needs.map_or_else(|| unreadable("its marker has no version"), |needs| StateError::TooOld { needs }));
    }
    let packed = words.iter().find_map(|word| word.strip_prefix("z=")).ok_or_else(|| unreadable("its marker holds none"))?;
    let packed = URL_SAFE_NO_PAD.decode(packed).map_err(|_| unreadable("it is not base64"))?;
    State::from_json(&unpacked(&packed).ok_or_else(|| unreadable("it does not unpack"))?)
}

fn read_finding(version: &str, words: &[&str]) -> Option<FindingMark> {
    let [id, fingerprint, rest @ ..] = words else { return None };
    let facts = rest.iter().find_map(|word| word.strip_prefix("d=")).filter(|_| version == VERSION)?;
    let facts: Facts = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(facts).ok()?).ok()?;
    Some(FindingMark {
        id: FindingId::parse(id)?,
        fingerprint: (*fingerprint).to_owned(),
        round: facts.round,
        severity: Severity::parse(&facts.severity)?,
        rule_ids: facts.rules.iter().map(|rule| RuleId::parse(rule)).collect::<Option<_>>()?,
        title: facts.title,
        place: KnownPlace { path: facts.path.as_str().into(), line: facts.line, side: if facts.old_side { Side::Old } else { Side::New } },
        above: facts.above.unwrap_or(0),
        text: facts.text,
        detectors: facts.detectors.iter().map(|rule| RuleId::parse(rule)).collect::<Option<_>>()?,
    })
}

fn read_reply(version: &str, words: &[&str]) -> Option<ReplyMark> {
    let [id, kind, head, ..] = words else { return None };
    (version == VERSION).then_some(())?;
    Some(ReplyMark { id: FindingId::parse(id)?, kind: (*kind).to_owned(), head: CommitId::parse(head)? })
}

fn sealed(kind: &str, content: &str, keys: &Keys) -> String {
    let signed = format!("{kind} {VERSION} {content}");
    let mac = URL_SAFE_NO_PAD.encode(keys.mac(&signed).finalize().into_bytes());
    format!("{OPENING}{signed} mac={mac}{CLOSING}")
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("writing to memory cannot fail");
    encoder.finish().expect("writing to memory cannot fail")
}

fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let limit = u64::try_from(MAX_STATE_BYTES).expect("a few MiB");
    flate2::read::ZlibDecoder::new(bytes).take(limit + 1).read_to_end(&mut out).ok()?;
    (out.len() <= MAX_STATE_BYTES).then_some(out)
}

#[cfg(test)]
mod tests;
