//! The state as JSON. Additive: fields that this program does not know are kept and written back; `min_reader` says who must not touch it.
//!
//! It must not be used for anything but the state: its types say what older programs wrote, and change only by adding.

use serde::{Deserialize, Serialize};

use super::{
    Extra, FindingId, Known, KnownPlace, NewestNote, Override, Posting, Round, STATE_VERSION, State, StateError, Status, ThreadRef, Trail,
    Unsettled,
};
use crate::change::{CommitId, Side};
use crate::codex::RuleId;
use crate::review::{Severity, Tier, Usage, Usd, Verdict};

#[derive(Deserialize)]
struct Envelope {
    min_reader: u32,
}

// `flatten` is what keeps unknown fields. Its messages are poor, and nobody reads them: a damaged state is rebuilt from the threads.
#[derive(Serialize, Deserialize)]
struct StateWire {
    version: u32,
    min_reader: u32,
    rounds: Vec<RoundWire>,
    findings: Vec<KnownWire>,
    next_id: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    trimmed: u32,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Serialize, Deserialize)]
struct RoundWire {
    number: u32,
    head: String,
    base: String,
    target: String,
    patch_id: String,
    tier: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forced_tier: Option<String>,
    verdict: String,
    complete: bool,
    usage: UsageWire,
    /// In thousand-millionths of a US dollar.
    #[serde(default, skip_serializing_if = "is_nothing")]
    cost_nano_usd: u64,
    config_digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest_note: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest_note_at: Option<String>,
    threads_digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    posting: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    overridden: Option<OverrideWire>,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Serialize, Deserialize)]
struct OverrideWire {
    by: String,
    why: String,
    head: String,
    note: u64,
    at: String,
}

#[derive(Serialize, Deserialize)]
struct UsageWire {
    calls: u64,
    input: u64,
    cached: u64,
    cache_write: u64,
    output: u64,
}

#[derive(Serialize, Deserialize)]
struct KnownWire {
    id: String,
    fingerprint: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rules: Vec<String>,
    severity: String,
    title: String,
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    old_side: bool,
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fixed_round: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    first: u32,
    last: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thread: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<u64>,
    /// The fingerprint that `above`, `text` and `detectors` belong to: an older program moves the one and not the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen_as: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    above: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    detectors: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    reviewed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    earlier: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    late: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    returns: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ceiling: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unsettled: Option<String>,
    #[serde(flatten)]
    extra: Extra,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_nothing(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

pub(super) fn write(state: &State) -> String {
    let wire = StateWire {
        version: state.version,
        min_reader: state.min_reader,
        rounds: state.rounds.iter().map(write_round).collect(),
        findings: state.findings.iter().map(write_known).collect(),
        next_id: state.next_id,
        trimmed: state.trimmed,
        extra: state.extra.clone(),
    };
    serde_json::to_string(&wire).expect("a state holds nothing that JSON cannot")
}

pub(super) fn read(json: &[u8]) -> Result<State, StateError> {
    let unreadable = |error: serde_json::Error| StateError::Unreadable(error.to_string());
    let envelope: Envelope = serde_json::from_slice(json).map_err(unreadable)?;
    if envelope.min_reader > STATE_VERSION {
        return Err(StateError::TooOld { needs: envelope.min_reader });
    }
    let wire: StateWire = serde_json::from_slice(json).map_err(unreadable)?;
    let mut findings = wire.findings.into_iter().map(read_known).collect::<Result<Vec<_>, _>>()?;
    findings.sort_by_key(|known| known.id);
    let highest = findings.last().map_or(0, |known| known.id.number());
    Ok(State {
        version: wire.version,
        min_reader: wire.min_reader,
        rounds: wire.rounds.into_iter().map(read_round).collect::<Result<_, _>>()?,
        next_id: wire.next_id.max(highest.saturating_add(1)),
        findings,
        trimmed: wire.trimmed,
        extra: wire.extra,
    })
}

fn write_round(round: &Round) -> RoundWire {
    RoundWire {
        number: round.number,
        head: round.head.to_string(),
        base: round.base.to_string(),
        target: round.target.to_string(),
        patch_id: round.patch_id.clone(),
        tier: round.tier.word().to_owned(),
        forced_tier: round.forced_tier.map(|tier| tier.word().to_owned()),
        verdict: round.verdict.word().to_owned(),
        complete: round.complete,
        usage: UsageWire {
            calls: round.usage.calls,
            input: round.usage.input,
            cached: round.usage.cached,
            cache_write: round.usage.cache_write,
            output: round.usage.output,
        },
        config_digest: round.config_digest.clone(),
        newest_note: round.newest_note.as_ref().map(|note| note.id),
        newest_note_at: round.newest_note.as_ref().map(|note| note.at.clone()),
        threads_digest: round.threads_digest.clone(),
        posting: match round.posting {
            Posting::Begun => Some("begun".to_owned()),
            Posting::Done => None,
        },
        cost_nano_usd: round.cost.nano(),
        overridden: round.overridden.as_ref().map(|lifted| OverrideWire {
            by: lifted.by.clone(),
            why: lifted.why.clone(),
            head: lifted.head.to_string(),
            note: lifted.note,
            at: lifted.at.clone(),
        }),
        extra: round.extra.clone(),
    }
}

fn read_round(wire: RoundWire) -> Result<Round, StateError> {
    let verdicts = [Verdict::Approved, Verdict::ApprovedWithComments, Verdict::MinorIssues, Verdict::SignificantConcerns];
    Ok(Round {
        number: wire.number,
        head: commit(&wire.head)?,
        base: commit(&wire.base)?,
        target: commit(&wire.target)?,
        patch_id: wire.patch_id,
        tier: parsed(&wire.tier, Tier::parse)?,
        forced_tier: wire.forced_tier.map(|word| parsed(&word, Tier::parse)).transpose()?,
        verdict: parsed(&wire.verdict, |word| verdicts.into_iter().find(|verdict| verdict.word() == word))?,
        complete: wire.complete,
        usage: Usage {
            calls: wire.usage.calls,
            input: wire.usage.input,
            cached: wire.usage.cached,
            cache_write: wire.usage.cache_write,
            output: wire.usage.output,
        },
        config_digest: wire.config_digest,
        newest_note: wire.newest_note.zip(wire.newest_note_at).map(|(id, at)| NewestNote { id, at }),
        threads_digest: wire.threads_digest,
        posting: match wire.posting.as_deref() {
            None | Some("done") => Posting::Done,
            Some("begun") => Posting::Begun,
            Some(other) => return Err(StateError::Unreadable(format!("{other:?} is no stage of posting"))),
        },
        cost: Usd::from_nano(wire.cost_nano_usd),
        overridden: wire.overridden.map(read_override).transpose()?,
        extra: wire.extra,
    })
}

fn read_override(wire: OverrideWire) -> Result<Override, StateError> {
    Ok(Override { head: commit(&wire.head)?, by: wire.by, why: wire.why, note: wire.note, at: wire.at })
}

fn write_known(known: &Known) -> KnownWire {
    let trail = &known.trail;
    let placed = trail.above > 0 || trail.text.is_some() || !trail.detectors.is_empty();
    let mut wire = KnownWire {
        id: known.id.to_string(),
        fingerprint: known.fingerprint.clone(),
        rules: known.rule_ids.iter().map(ToString::to_string).collect(),
        severity: known.severity.word().to_owned(),
        title: known.title.clone(),
        path: known.place.path.to_string(),
        line: known.place.line,
        old_side: known.place.side == Side::Old,
        status: String::new(),
        fixed_round: None,
        commit: None,
        by: None,
        why: None,
        first: known.first,
        last: known.last,
        thread: known.thread.as_ref().map(|thread| thread.id.clone()),
        note: known.thread.as_ref().map(|thread| thread.note),
        seen_as: placed.then(|| known.fingerprint.clone()),
        above: trail.above,
        text: trail.text.clone(),
        detectors: trail.detectors.iter().map(ToString::to_string).collect(),
        reviewed: trail.reviewed,
        earlier: trail.earlier.map(|id| id.to_string()),
        late: trail.late,
        returns: trail.returns,
        ceiling: trail.ceiling.map(|severity| severity.word().to_owned()),
        unsettled: trail.unsettled.map(|unsettled| {
            match unsettled {
                Unsettled::Unchecked => "unchecked",
                Unsettled::Unanswered => "unanswered",
                Unsettled::Owed => "owed",
            }
            .to_owned()
        }),
        extra: known.extra.clone(),
    };
    let word = match &known.status {
        Status::Open => "open",
        Status::ClaimedFixed { by } => {
            wire.by.clone_from(by);
            "claimed_fixed"
        }
        Status::Fixed { round, commit } => {
            wire.fixed_round = Some(*round);
            wire.commit = Some(commit.to_string());
            "fixed"
        }
        Status::Dismissed { by, why } => {
            wire.by = Some(by.clone());
            wire.why = Some(why.clone());
            "dismissed"
        }
    };
    word.clone_into(&mut wire.status);
    wire
}

fn read_known(wire: KnownWire) -> Result<Known, StateError> {
    let missing = |what: &str| StateError::Unreadable(format!("{} has no {what}", wire.id));
    let status = match wire.status.as_str() {
        "open" => Status::Open,
        "claimed_fixed" => Status::ClaimedFixed { by: wire.by },
        "fixed" => Status::Fixed {
            round: wire.fixed_round.ok_or_else(|| missing("fixed_round"))?,
            commit: commit(wire.commit.as_deref().ok_or_else(|| missing("commit"))?)?,
        },
        "dismissed" => Status::Dismissed { by: wire.by.ok_or_else(|| missing("by"))?, why: wire.why.ok_or_else(|| missing("why"))? },
        // A new status comes with a new `min_reader`, so this is damage.
        other => return Err(StateError::Unreadable(format!("{other:?} is no status"))),
    };
    let placed = wire.seen_as.as_ref() == Some(&wire.fingerprint);
    let detectors: Vec<RuleId> = wire.detectors.iter().map(|rule| parsed(rule, RuleId::parse)).collect::<Result<_, _>>()?;
    let trail = Trail {
        above: if placed { wire.above } else { 0 },
        text: wire.text.filter(|_| placed),
        detectors: if placed { detectors } else { Vec::new() },
        reviewed: wire.reviewed,
        earlier: wire.earlier.map(|id| parsed(&id, FindingId::parse)).transpose()?,
        late: wire.late,
        returns: wire.returns,
        ceiling: wire.ceiling.map(|word| parsed(&word, Severity::parse)).transpose()?,
        unsettled: match wire.unsettled.as_deref() {
            None => None,
            Some("unchecked") => Some(Unsettled::Unchecked),
            Some("unanswered") => Some(Unsettled::Unanswered),
            Some("owed") => Some(Unsettled::Owed),
            Some(other) => return Err(StateError::Unreadable(format!("{other:?} is nothing that is to be done"))),
        },
    };
    Ok(Known {
        id: parsed(&wire.id, FindingId::parse)?,
        fingerprint: wire.fingerprint,
        rule_ids: wire.rules.iter().map(|rule| parsed(rule, RuleId::parse)).collect::<Result<_, _>>()?,
        severity: parsed(&wire.severity, Severity::parse)?,
        title: wire.title,
        place: KnownPlace { path: wire.path.as_str().into(), line: wire.line, side: if wire.old_side { Side::Old } else { Side::New } },
        status,
        first: wire.first,
        last: wire.last,
        thread: wire.thread.zip(wire.note).map(|(id, note)| ThreadRef { id, note }),
        trail,
        extra: wire.extra,
    })
}

fn commit(text: &str) -> Result<CommitId, StateError> {
    parsed(text, CommitId::parse)
}

fn parsed<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StateError> {
    parse(text).ok_or_else(|| StateError::Unreadable(format!("{text:?} is not what stands there")))
}
