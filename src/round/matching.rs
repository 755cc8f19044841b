//! Which finding of the earlier rounds a finding of this round is: by its fingerprint, by where its line went, by its place and words. It must not
//! decide what follows from it.

use std::collections::BTreeSet;

use super::state::{FindingId, Known, Status, line_digest};
use crate::change::{Change, Fate, Interdiff, Side, Since, Span, Spot};
use crate::codex::RuleId;
use crate::review::{Finding, Place, likeness};

/// Share of common words from which two titles about one place say the same.
const ALIKE_AT_ONE_PLACE: f64 = 0.5;

/// What a round's findings are held against beside the state.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// What changed since the head that the remembered positions belong to.
    pub interdiff: &'a Interdiff,
    /// The change at that head, as reviewers saw it; none if the head is in the repository no more.
    pub old: Option<&'a Change>,
    /// The change now, as reviewers see it.
    pub new: &'a Change,
    /// Whether all of the change at that head was read: what is found late in it was missed.
    pub read_before: bool,
    /// Whether the change at that head has the same merge base: what neither shows is then at a place that can be counted.
    pub same_base: bool,
    /// The rules whose detectors looked at the whole change in this run.
    pub looked: &'a BTreeSet<RuleId>,
}

/// What the interdiff says about a remembered finding and one of this round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Agreement {
    /// The line of the one is the line of the other.
    Same,
    /// It is not.
    Other,
    /// It knows nothing.
    Unsaid,
}

/// How two findings are taken for one, from the strongest evidence to the weakest.
#[derive(Clone, Copy)]
enum Stage {
    /// The fingerprint, at a place that went there.
    Print,
    /// A place that went there, and the same problem.
    Moved,
    /// The fingerprint, where nothing speaks against it.
    PrintAlone,
    /// A place between the same neighbours, and the same problem.
    Edited,
}

/// Returns, for each finding, the remembered one that it is. No two share one.
pub(super) fn matches(known: &[Known], findings: &[Finding], ground: Option<&Ground<'_>>) -> Vec<Option<FindingId>> {
    let mut taken: BTreeSet<FindingId> = BTreeSet::new();
    let mut matched: Vec<Option<FindingId>> = vec![None; findings.len()];
    for stage in [Stage::Print, Stage::Moved, Stage::PrintAlone, Stage::Edited] {
        let mut pairs = Vec::new();
        for (index, finding) in findings.iter().enumerate().filter(|(index, _)| matched[*index].is_none()) {
            for known in known.iter().filter(|known| !taken.contains(&known.id) && fits(stage, known, finding, ground)) {
                // An open one, then one that a person dismissed, then one that was fixed; the one most like it, the nearest, the oldest.
                let (unlike, away) = ground.map_or((0, 0), |ground| (unlikeness(known, finding, ground), distance(known, &finding.place)));
                pairs.push((rank(&known.status), unlike, away, index, known.id));
            }
        }
        pairs.sort_unstable();
        for (_, _, _, index, id) in pairs {
            if matched[index].is_none() && taken.insert(id) {
                matched[index] = Some(id);
            }
        }
    }
    matched
}

fn rank(status: &Status) -> u8 {
    match status {
        Status::Open | Status::ClaimedFixed { .. } => 0,
        Status::Dismissed { .. } => 1,
        Status::Fixed { .. } => 2,
    }
}

/// How little two findings have in common in their titles and in the text of their first lines: 0 to 200.
fn unlikeness(known: &Known, finding: &Finding, ground: &Ground<'_>) -> u32 {
    let percent = |share: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is between 0 and 1")]
        let percent = (share * 100.0) as u32;
        percent.min(100)
    };
    let was = known.lines().and_then(|(first, _)| {
        let file = ground.old?.file(&known.place.path)?;
        file.lines().find(|line| match known.place.side {
            Side::Old => line.old_line() == Some(first),
            Side::New => line.new_line() == Some(first),
        })
    });
    let text = match (&finding.place, was) {
        (Place::Lines(span), Some(was)) => span.text().first().map_or(0.0, |line| likeness(line, &was.text)),
        (Place::Lines(_) | Place::File { .. } | Place::Outside(_), _) => 0.0,
    };
    200 - percent(likeness(&known.title, &finding.title)) - percent(text)
}

fn distance(known: &Known, place: &Place) -> u32 {
    match (known.place.line, place) {
        (Some(line), Place::Lines(span)) if known.place.path == *span.path() => span.last().line().abs_diff(line),
        (Some(line), Place::Outside(related)) if known.place.path == related.path => related.line.abs_diff(line),
        (None, Place::File { .. }) => 0,
        (Some(_) | None, Place::Lines(_) | Place::File { .. } | Place::Outside(_)) => u32::MAX,
    }
}

fn fits(stage: Stage, known: &Known, finding: &Finding, ground: Option<&Ground<'_>>) -> bool {
    let print = known.fingerprint == finding.fingerprint;
    let Some(ground) = ground else {
        return matches!(stage, Stage::PrintAlone) && print;
    };
    if let Status::Fixed { .. } = known.status {
        // A line that was there when it was seen to be fixed is another one with the same text.
        return matches!(stage, Stage::PrintAlone) && print && !was_there(&finding.place, ground.interdiff);
    }
    match stage {
        Stage::Print => print && agreement(known, &finding.place, ground.interdiff) == Agreement::Same,
        Stage::Moved => agreement(known, &finding.place, ground.interdiff) == Agreement::Same && kin(known, finding),
        Stage::PrintAlone => print && agreement(known, &finding.place, ground.interdiff) == Agreement::Unsaid,
        Stage::Edited => {
            overlaps(known, &finding.place, ground) && kin(known, finding) && (known.status.is_open() || reads_alike(known, finding))
        }
    }
}

/// Whether two findings are about the same problem, wherever they stand: a rule in common, or where one has none, like titles or the model's word.
fn kin(known: &Known, finding: &Finding) -> bool {
    if !known.rule_ids.is_empty() && !finding.rule_ids.is_empty() {
        return known.rule_ids.iter().any(|rule| finding.rule_ids.contains(rule));
    }
    let named = finding.prior_id.as_deref().and_then(FindingId::parse) == Some(known.id);
    named || reads_alike(known, finding)
}

/// Whether the titles say the same: more than a common rule is asked for where a match keeps a finding from being raised.
fn reads_alike(known: &Known, finding: &Finding) -> bool {
    likeness(&known.title, &finding.title) >= ALIKE_AT_ONE_PLACE
}

/// The lines of a remembered finding as spots of the earlier change.
fn spots(known: &Known) -> impl Iterator<Item = Spot> {
    let lines = known.lines().map_or(0..0, |(first, last)| first..last.saturating_add(1));
    lines.map(|line| Spot { path: known.place.path.clone(), side: known.place.side, line })
}

/// The first line of a span as a spot of the new change.
fn first(span: &Span) -> Spot {
    Spot { path: span.path().clone(), side: span.first().side(), line: span.first().line() }
}

fn holds(span: &Span, spot: &Spot) -> bool {
    let counters = match spot.side {
        Side::Old => span.first().old_counter()..=span.last().old_counter(),
        Side::New => span.first().new_counter()..=span.last().new_counter(),
    };
    *span.path() == spot.path && counters.contains(&spot.line)
}

fn agreement(known: &Known, place: &Place, interdiff: &Interdiff) -> Agreement {
    match place {
        Place::Lines(span) => {
            let went: Vec<Spot> = spots(known)
                .filter_map(|spot| match interdiff.fate(&spot) {
                    Fate::Kept(there) | Fate::Moved(there) => Some(there),
                    Fate::Gone | Fate::Unseen => None,
                })
                .collect();
            if went.iter().any(|spot| holds(span, spot)) {
                return Agreement::Same;
            }
            // The line of this finding was there before, and it was not the other's.
            let other = known.place.line.is_some() && interdiff.origin(&first(span)).is_some();
            if went.is_empty() && !other { Agreement::Unsaid } else { Agreement::Other }
        }
        Place::File { path, .. } => {
            let went = interdiff.path_of(&known.place.path).unwrap_or(&known.place.path);
            match known.place.line {
                None if went == path => Agreement::Same,
                None => Agreement::Other,
                Some(_) => Agreement::Unsaid,
            }
        }
        Place::Outside(_) => Agreement::Unsaid,
    }
}

/// Whether the first line of a place was in the earlier change as it is now.
fn was_there(place: &Place, interdiff: &Interdiff) -> bool {
    match place {
        Place::Lines(span) => matches!(interdiff.since(&first(span)), Some(Since::Same)),
        Place::File { .. } | Place::Outside(_) => false,
    }
}

/// Whether a finding stands between the neighbours that a remembered one stood between; without the earlier change, whether its line reads the same.
fn overlaps(known: &Known, place: &Place, ground: &Ground<'_>) -> bool {
    let Place::Lines(span) = place else { return false };
    let Some((from, to)) = known.lines() else { return false };
    if !ground.interdiff.known() {
        let text = span.text().first().map(|line| line_digest(line));
        return known.place.path == *span.path() && known.trail.text.is_some() && known.trail.text == text;
    }
    // What is there as it was is no edit of it.
    if was_there(place, ground.interdiff) || ground.interdiff.path_of(&known.place.path) != Some(span.path()) {
        return false;
    }
    let Some(landing) = ground.interdiff.landing(&known.place.path, known.place.side, from, to) else { return false };
    let Some(file) = ground.new.file(span.path()).filter(|file| *file.path() == landing.path) else { return false };
    let at = |anchor: crate::change::Anchor| file.line_at(anchor.reference());
    let (Some(start), Some(last)) = (at(span.first()), at(span.last())) else { return false };
    start < landing.end.max(landing.first + 1) && last >= landing.first
}
